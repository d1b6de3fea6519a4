"""The section about ENAS for recurrent cells."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Self

from pydantic import Field, model_validator

from trainfree.config.section import Batch, Epochs, FilePath, Positive, Section
from trainfree.errors import ConfigError
from trainfree.weight_sharing.recurrent.presets import PRESETS, Preset, PresetName
from trainfree.weight_sharing.recurrent.settings import RetrainSettings, SearchSettings
from trainfree.weight_sharing.recurrent.text import FILES, TextKind

Nodes = Annotated[int, Field(ge=2, le=64)]
"""Shared weights grow with the square of their number."""
Width = Annotated[int, Field(ge=1, le=16_384)]
"""Weights grow with its square."""
Randoms = Annotated[int, Field(ge=1, le=1000)]
"""Each is a job that trains."""
Words = Annotated[int, Field(ge=3, le=10_000_000)]
"""A word beside <unk> and <eos> at least."""


class EnasConfig(Section):
    """ENAS for recurrent cells (target ``enas``). What is left out is as the preset has it."""

    preset: PresetName = Field(
        default="reduced",
        description="Where all else comes from: `paper`, the published settings, or `reduced`, for "
        "two cores.",
    )
    text: TextKind = Field(
        default="topics",
        description="What is modelled: `topics`, the texts of Python's own `pydoc_data.topics`; "
        "`plain`, any text in UTF-8; `ptb`, Penn Treebank; `wikitext`.",
    )
    path: FilePath | None = Field(
        default=None,
        description="The text's file, or the folder with `ptb.train.txt` … or "
        "`wiki.train.tokens` …; the topics have none.",
    )
    most_words: Words | None = Field(
        default=None, description="Largest vocabulary; rarer words are `<unk>`."
    )
    nodes: Nodes | None = Field(default=None, description="Nodes of a cell.")
    hidden: Width | None = Field(
        default=None, description="Width of embeddings and states while searching."
    )
    batch_size: Batch | None = Field(
        default=None, description="Texts that are read at once, in the search and after it."
    )
    epochs: Epochs | None = Field(
        default=None, description="How often shared weights and controller are trained in turn."
    )
    weight_steps: Positive | None = Field(
        default=None, description="Updates of the shared weights an epoch."
    )
    controller_steps: Positive | None = Field(
        default=None, description="Updates of the controller an epoch."
    )
    candidates: Positive | None = Field(
        default=None, description="Cells of the controller among which the derived one is chosen."
    )
    randoms: Randoms = Field(
        default=10, description="Random cells trained as the derived one is; a job each."
    )
    retrain_hidden: Width | None = Field(
        default=None, description="Width of embeddings and states of a cell alone."
    )
    retrain_epochs: Epochs | None = Field(
        default=None, description="Epochs of the training of a cell alone."
    )

    @model_validator(mode="after")
    def _text_is_named(self) -> Self:
        if (self.text == "topics") != (self.path is None):
            expected = "no path" if self.text == "topics" else "the path of its file or folder"
            raise ConfigError(
                f"enas.path: the text {self.text!r} needs {expected}, found {self.path!r}"
            )
        return self

    @property
    def text_files(self) -> list[str]:
        """The files that the text is in."""
        if self.path is None:
            return []
        names = FILES.get(self.text)
        return [f"{self.path}/{name}" for name in names] if names else [self.path]

    @property
    def _of_preset(self) -> Preset:
        return PRESETS[self.preset]

    def search_settings(self, seed: int) -> SearchSettings:
        """Return what decides the search."""
        preset = self._of_preset
        network, descent, controller = preset.network, preset.descent, preset.controller
        if self.hidden:
            network = replace(network, embedding=self.hidden, hidden=self.hidden)
        if self.controller_steps:
            controller = replace(controller, steps=self.controller_steps)
        return SearchSettings(
            text=self.text,
            most_words=self.most_words or preset.most_words,
            least_count=preset.least_count,
            nodes=self.nodes or preset.nodes,
            network=network,
            descent=replace(descent, batch=self.batch_size or descent.batch),
            controller=controller,
            epochs=self.epochs or preset.epochs,
            weight_steps=self.weight_steps or preset.weight_steps,
            samples=preset.samples,
            candidates=self.candidates or preset.candidates,
            randoms=self.randoms,
            seed=seed,
        )

    def retrain_settings(self, seed: int) -> RetrainSettings:
        """Return what decides the training of a cell alone."""
        preset = self._of_preset
        network, descent = preset.retrain_network, preset.retrain_descent
        if self.retrain_hidden:
            width = self.retrain_hidden
            network = replace(network, embedding=width, hidden=width)
        return RetrainSettings(
            text=self.text,
            most_words=self.most_words or preset.most_words,
            least_count=preset.least_count,
            network=network,
            descent=replace(descent, batch=self.batch_size or descent.batch),
            epochs=self.retrain_epochs or preset.retrain_epochs,
            seed=seed,
        )
