"""The jobs of ENAS for recurrent cells: a search, and the training of one of its cells."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
import xarray as xr
from torch import Tensor

from trainfree.errors import ConfigError
from trainfree.files.storage import provenance_attributes, read_dataset, write_dataset
from trainfree.provenance import code_hash
from trainfree.randomness import stream
from trainfree.scoring.jobs.shard import device_name, prepare_torch
from trainfree.weight_sharing.checkpoint import State
from trainfree.weight_sharing.epochs import Checkpoints, Row
from trainfree.weight_sharing.recurrent.cell import Cell
from trainfree.weight_sharing.recurrent.derive import (
    candidates_of,
    ngram_perplexities,
    random_cells,
)
from trainfree.weight_sharing.recurrent.descent import Descent
from trainfree.weight_sharing.recurrent.learner import EnasLearner
from trainfree.weight_sharing.recurrent.reading import even, perplexity, whole
from trainfree.weight_sharing.recurrent.schema import DERIVED, search_dataset, training_dataset
from trainfree.weight_sharing.recurrent.settings import RetrainSettings, SearchSettings
from trainfree.weight_sharing.recurrent.shared_model import SharedModel
from trainfree.weight_sharing.recurrent.text import Text, load_text, require_vocabulary


def search_cell(
    settings: SearchSettings, path: Path | None, output: Path, device: str, threads: int
) -> None:
    """Search for a cell and write the file of kind "enas".

    An interrupted search goes on from the end of its last epoch, kept beside ``output``.

    Parameters
    ----------
    path
        File or folder of the text; None for the topics.

    Raises
    ------
    TextError
        When the text cannot be modelled.
    DataFileError
        When the checkpoint is one of another setting, text or code, or a file cannot be written.
    """
    prepare_torch(threads)
    text = _text_of(settings, path)
    attributes = _attributes(settings, text, device, threads)
    learner = EnasLearner(settings, text, device)
    checkpoints = Checkpoints(output, attributes)
    rows = checkpoints.run(learner, settings.epochs, "search for a cell")
    dataset = search_dataset(
        rows, candidates_of(learner), random_cells(settings), ngram_perplexities(text)
    )
    parameters = sum(weight.numel() for weight in learner.model.parameters())
    dataset.attrs = {**attributes, "parameters": parameters}
    write_dataset(dataset, output, "enas")
    checkpoints.delete()


def train_cell(
    settings: RetrainSettings,
    search: Path,
    place: str,
    path: Path | None,
    output: Path,
    device: str,
    threads: int,
) -> None:
    """Train a cell of a search alone, from scratch, and write the file of kind "enas_training".

    All cells have the same seed: their common weights begin alike.

    Parameters
    ----------
    search
        File of kind "enas".
    place
        ``"derived"``, or ``"random-0"`` and so on.
    path
        As of :func:`search_cell`.

    Raises
    ------
    TextError
        When the text cannot be modelled, or has another vocabulary than that of the search.
    ConfigError
        When the search has no such cell.
    DataFileError
        As :func:`search_cell`, and when the search's file is unusable.
    """
    prepare_torch(threads)
    found = read_dataset(search, "enas")
    cell = cell_at(found, place, search)
    text = _text_of(settings, path)
    require_vocabulary(text, str(found.attrs["vocabulary_hash"]), str(search))
    source = {"search": str(found.attrs["config_hash"])}
    attributes = {**_attributes(settings, text, device, threads, source), "place": place, **source}
    trainer = _Trainer(settings, text, cell, device)
    checkpoints = Checkpoints(output, attributes, place=place, cell=str(cell))
    rows = checkpoints.run(trainer, settings.epochs, f"training the cell {place}")
    dataset = training_dataset(str(cell), rows, trainer.test_perplexity())
    parameters = sum(weight.numel() for weight in trainer.model.parameters())
    dataset.attrs = {**attributes, "parameters": parameters}
    write_dataset(dataset, output, "enas_training")
    checkpoints.delete()


def cell_at(search: xr.Dataset, place: str, origin: Path) -> Cell:
    """Return a cell of a search by its place.

    Raises
    ------
    ConfigError
        When there is none.
    """
    if place == DERIVED:
        return Cell.from_text(str(search["candidate_cell"].to_numpy()[int(search["chosen"])]))
    cells = search["random_cell"].to_numpy()
    with suppress(ValueError):
        kind, _, number = place.partition("-")
        if kind == "random" and 0 <= int(number) < len(cells):
            return Cell.from_text(str(cells[int(number)]))
    raise ConfigError(
        f"{origin}: expected a cell called {DERIVED}, or random-0 to random-{len(cells) - 1}, "
        f"found {place!r}"
    )


class _Trainer:
    """Trains one cell and keeps the weights of the epoch with the best valid perplexity."""

    def __init__(self, settings: RetrainSettings, text: Text, cell: Cell, device: str) -> None:
        self.cell = cell
        seed = int(stream(settings.seed, "enas/cell-weights").integers(2**63))
        self.model = SharedModel(settings.network, len(text.vocabulary), cell.edges, seed)
        self.model.to(device)
        batch = settings.descent.batch
        train = even(text.train, batch, device, f"{text.name}: train part")
        self.descent = Descent(self.model, settings.descent, train, settings.seed)
        self.valid, self.test = whole(text.valid, batch, device), whole(text.test, batch, device)
        self.best = float("inf")
        self.kept: dict[str, Tensor] = {}

    def epoch(self, number: int) -> Row:
        start = time.perf_counter()
        trained = self.descent.epoch(number, lambda _: self.cell)
        found = perplexity(self.model, self.cell, self.valid)
        if found < self.best or not self.kept:
            self.best = found
            self.kept = {
                name: weight.detach().clone() for name, weight in self.model.state_dict().items()
            }
        return {
            "train_perplexity": trained.perplexity,
            "valid_perplexity": found,
            "learning_rate": self.descent.settings.rate(number),
            "seconds": time.perf_counter() - start,
        }

    def test_perplexity(self) -> float:
        """Return the perplexity on the test text, with the weights that were kept."""
        self.model.load_state_dict(self.kept)
        return perplexity(self.model, self.cell, self.test)

    def state_dict(self) -> State:
        return {"descent": self.descent.state_dict(), "best": self.best, "kept": self.kept}

    def load_state_dict(self, state: Any) -> None:
        self.descent.load_state_dict(state["descent"])
        self.best, self.kept = state["best"], state["kept"]


def _text_of(settings: SearchSettings | RetrainSettings, path: Path | None) -> Text:
    return load_text(
        settings.text,
        path,
        most_words=settings.most_words,
        least_count=settings.least_count,
    )


def _attributes(
    settings: SearchSettings | RetrainSettings,
    text: Text,
    device: str,
    threads: int,
    sources: Mapping[str, str] | None = None,
) -> dict[str, str | int]:
    return {
        **provenance_attributes(
            settings=settings.values,
            code=code_hash(__name__),
            source_hashes={"text": text.sha256, **(sources or {})},
            seed=settings.seed,
            device=device_name(torch.device(device)),
            threads=threads,
        ),
        "text": text.name,
        "text_kind": text.kind,
        "text_sha256": text.sha256,
        "vocabulary": len(text.vocabulary),
        "vocabulary_hash": text.vocabulary_hash,
        **{f"{part}_words": len(getattr(text, part)) for part in ("train", "valid", "test")},
    }
