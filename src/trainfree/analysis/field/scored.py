"""The scores behind the field's tables: several seeds of each data set, and what is of all cells.

A file of a seed holds a sample, drawn anew for each seed, or all architectures. Beside them may be
a file of all architectures with the proxies that cost nothing, and one whose architectures are a
named part of the space. What a file is, its own settings say.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from trainfree.analysis.field.cells import Row
from trainfree.analysis.inputs import (
    USABLE_STATUSES,
    Floats,
    floats,
    read_scores,
    score_settings,
    status_names,
    texts,
)
from trainfree.analysis.proxies.combination import COMBINATIONS, combined
from trainfree.analysis.run_files import AbsentError
from trainfree.analysis.statistics.exponential_gain import Infinite, rank_sum, with_infinite

if TYPE_CHECKING:
    import xarray as xr

COUNTS = ("flops", "params", "relu_units", "trainable_tensors")
"""What needs neither input nor weights."""
OWN_INPUT = {"synflow": "ones", "zen": "own gaussian"}
"""The inputs of proxies that are never given any."""
OWN_WEIGHTS = {"zen": "own normal"}
NO_NUMBER = ("overflow", "not_finite")
"""Statuses of scores that came out as no finite number."""


@dataclass(frozen=True)
class ScoredFile:
    """A scores file and what it is of.

    Attributes
    ----------
    data
        Its content.
    dataset, seed
        The image set and the root seed.
    sample, subset
        Architectures drawn, 0 for all; the part of the space, empty for the whole.
    """

    data: xr.Dataset
    dataset: str
    seed: int
    sample: int
    subset: str

    @property
    def is_whole(self) -> bool:
        """Whether it holds every architecture of the space."""
        return not self.sample and not self.subset

    @cached_property
    def proxies(self) -> list[str]:
        """What was scored."""
        return texts(self.data["proxy"])

    @cached_property
    def architectures(self) -> pd.Index:
        """Which ones."""
        return pd.Index(texts(self.data["architecture"]), name="architecture")

    def column(self, proxy: str, infinite: Infinite) -> pd.Series:
        """Return scores by architecture, NaN for those to leave out.

        Failures for want of memory or by an error are left out by either rule.
        """
        status = status_names(self.data, proxy)
        scores = floats(self.data["score"].sel(proxy=proxy)).copy()
        scores[~np.isin(status, USABLE_STATUSES)] = np.nan
        if infinite == "worst rank":
            return pd.Series(with_infinite(scores, infinite), index=self.architectures)
        counts = np.isin(status, (*USABLE_STATUSES, *NO_NUMBER))
        scores[counts] = with_infinite(scores[counts], infinite)
        return pd.Series(scores, index=self.architectures)

    def input_of(self, proxy: str) -> str:
        """Return what a proxy was computed on, for example ``gaussian input, kaiming weights``."""
        words = dict.fromkeys(("input", "weights"), "?")
        attributes = self.data.attrs
        for kind, usual in (("input", "input"), ("weights", "initialization")):
            words[kind] = str(attributes.get(usual, "?"))
            if f"proxy_{kind}" in self.data.coords:
                words[kind] = str(self.data[f"proxy_{kind}"].sel(proxy=proxy).item())
        if proxy in OWN_INPUT:
            words["input"] = OWN_INPUT[proxy]
        if proxy in OWN_WEIGHTS:
            words["weights"] = OWN_WEIGHTS[proxy]
        return ", ".join(f"{word} {kind}" for kind, word in words.items())

    def seconds(self, proxy: str) -> float:
        """Return the mean seconds of a proxy alone."""
        return float(np.nanmean(floats(self.data["proxy_seconds"].sel(proxy=proxy))))


@dataclass(frozen=True)
class Signal:
    """What a method says of the architectures under one seed.

    Attributes
    ----------
    seed
        The root seed.
    scores
        By architecture, without NaN.
    """

    seed: int
    scores: pd.Series


class FieldScores:
    """All scores files of the field's tables.

    Parameters
    ----------
    paths
        The files.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self.files = [_read(path) for path in paths]

    @cached_property
    def datasets(self) -> list[str]:
        """The image sets, in the order of the files."""
        return list(dict.fromkeys(file.dataset for file in self.files))

    def of_seeds(self, dataset: str) -> list[ScoredFile]:
        """Return the files of the seeds: of one sample or part, those with the most proxies.

        Raises
        ------
        AbsentError
            When the data set was not scored.
        """
        groups: dict[tuple[int, str], list[ScoredFile]] = {}
        for file in self.files:
            if file.dataset == dataset:
                groups.setdefault((file.sample, file.subset), []).append(file)
        if not groups:
            raise AbsentError(f"no scores on {dataset}")
        return max(groups.values(), key=lambda files: max(len(file.proxies) for file in files))

    def members(self, subset: str) -> pd.Index:
        """Return the architectures of a part of the space.

        Raises
        ------
        AbsentError
            When no file holds all of them.
        """
        for file in self.files:
            if file.subset == subset and not file.sample:
                return file.architectures
        raise AbsentError(f"no file of scores says which architectures are in {subset!r}")

    def signals(self, dataset: str, row: Row, subset: str, infinite: Infinite) -> list[Signal]:
        """Return what a row's method says under each seed, of the architectures of a part.

        What joins several proxies ranks the architectures that are returned, under each seed those
        that were scored.

        Raises
        ------
        AbsentError
            When a proxy was not scored.
        """
        needed = list(row.parts) or list(COMBINATIONS.get(row.signal, (row.signal,)))
        files = self._files_with(dataset, needed)
        members = self.members(subset) if subset else None
        found = []
        for file in files:
            columns = self._columns(dataset, file, needed, infinite)
            if members is not None:
                columns = columns[columns.index.isin(members)]
            columns = columns.dropna().sort_index()
            if columns.empty:
                raise AbsentError(f"no scores of {', '.join(needed)} on {dataset}")
            found.append(Signal(file.seed, _joined(columns, row)))
        return found

    def milliseconds(self, dataset: str, row: Row) -> list[float]:
        """Return the mean cost of an architecture under each seed: that of all parts together."""
        needed = list(row.parts) or list(COMBINATIONS.get(row.signal, (row.signal,)))
        files = self._files_with(dataset, needed)
        whole = self._whole(dataset)
        return [
            1000 * sum(_holder(file, whole, name).seconds(name) for name in needed)
            for file in files
        ]

    def signals_known(self, dataset: str) -> list[str]:
        """Return the proxies of a data set, and the combinations whose parts are all there."""
        names = dict.fromkeys(
            name for file in self.files if file.dataset == dataset for name in file.proxies
        )
        joint = [name for name, parts in COMBINATIONS.items() if set(parts) <= set(names)]
        return [*names, *joint]

    def inputs(self, dataset: str, row: Row) -> str:
        """Return what the networks behind a row were given: input and weights, each once."""
        return "; ".join(dict.fromkeys(self._input_of(dataset, name) for name in self.parts(row)))

    def sees_images(self, dataset: str, row: Row) -> bool:
        """Whether images enter any part of a row's method."""
        return any("images input" in self._input_of(dataset, name) for name in self.parts(row))

    def stand_in(self, dataset: str) -> str:
        """Return what stands in for the images; empty for real ones."""
        attributes = self.of_seeds(dataset)[0].data.attrs
        if not int(attributes.get("stand_in", 0)):
            return ""
        return str(attributes.get("image_source", "stand-in images"))

    @staticmethod
    def parts(row: Row) -> tuple[str, ...]:
        """Return the proxies that a row's method is made of."""
        return row.parts or tuple(COMBINATIONS.get(row.signal, (row.signal,)))

    def _input_of(self, dataset: str, proxy: str) -> str:
        """Return the input and the weights of a proxy, in words."""
        if proxy in COUNTS:
            return "none"
        for file in self.files:
            if file.dataset == dataset and proxy in file.proxies:
                return file.input_of(proxy)
        return "?"

    def _whole(self, dataset: str) -> list[ScoredFile]:
        return [file for file in self.files if file.dataset == dataset and file.is_whole]

    def _files_with(self, dataset: str, needed: Sequence[str]) -> list[ScoredFile]:
        """Return the files that stand for the seeds: one alone where it holds all that is needed.

        Raises
        ------
        AbsentError
            When a proxy is in none.
        """
        seeds, whole = self.of_seeds(dataset), self._whole(dataset)
        for name in needed:
            if not any(name in file.proxies for file in [*seeds, *whole]):
                raise AbsentError(f"not run: no scores of {name} on {dataset}")
        complete = [file for file in whole if set(needed) <= set(file.proxies)]
        if complete:
            return complete
        return [
            file
            for file in seeds
            if all(name in file.proxies or _has(whole, name) for name in needed)
        ]

    def _columns(
        self, dataset: str, file: ScoredFile, needed: Sequence[str], infinite: Infinite
    ) -> pd.DataFrame:
        whole = self._whole(dataset)
        columns = {name: _holder(file, whole, name).column(name, infinite) for name in needed}
        return pd.DataFrame(columns).reindex(file.architectures)


def _read(path: Path) -> ScoredFile:
    data = read_scores(path)
    settings = json.loads(str(data.attrs.get("config", "{}")))
    return ScoredFile(
        data,
        score_settings(data, path)["dataset"],
        int(data.attrs["seed"]),
        int(settings.get("sample", 0)),
        str(settings.get("subset", "")),
    )


def _has(files: Sequence[ScoredFile], proxy: str) -> bool:
    return any(proxy in file.proxies for file in files)


def _holder(file: ScoredFile, whole: Sequence[ScoredFile], proxy: str) -> ScoredFile:
    """Return the file that has a proxy's scores: the seed's own, else one of all architectures."""
    if proxy in file.proxies:
        return file
    return next(other for other in whole if proxy in other.proxies)


def _joined(columns: pd.DataFrame, row: Row) -> pd.Series:
    """Return one score of each architecture."""
    if row.parts:
        parts: list[Floats] = [columns[name].to_numpy(dtype=np.float64) for name in row.parts]
        total = rank_sum(parts, logarithmic=row.logarithmic)
        return pd.Series(total, index=columns.index)
    if row.signal in COMBINATIONS:
        return combined(columns)[row.signal].dropna()
    return columns[row.signal]
