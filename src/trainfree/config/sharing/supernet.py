"""The section about super-networks of which every architecture of the space is a part."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator

from trainfree.config.section import Epochs, Name, Names, Runs, Section
from trainfree.errors import ConfigError, UnknownNameError
from trainfree.weight_sharing.presets import PRESETS, SETTINGS, settings_of

Width = Annotated[int, Field(ge=1, le=1024)]
"""Channels: four times as many in the last stage."""
Cells = Annotated[int, Field(ge=1, le=100)]
Images = Annotated[int, Field(ge=0, le=10_000_000)]
Pixels = Annotated[int, Field(ge=0, le=4096)]
Ranked = Annotated[int, Field(ge=0, le=1_000_000)]


def _reduced() -> dict[str, dict[str, Any]]:
    """Return what keeps choices cheap beside a reduced training."""
    few = {"samples": 20, "evaluation_batch_size": 256}
    enas = {"batch_size": 64, "controller_steps": 10, "controller_samples": 5}
    return {"rsps": dict(few), "setn": dict(few), "enas": {**enas, "last_samples": 20}}


class WeightSharingConfig(Section):
    """Search by shared weights, on the first data set (target ``weight_sharing``)."""

    methods: Names = Field(
        default=["rsps", "darts_v1", "darts_v2", "gdas", "setn", "enas"],
        description="Methods, each a search of its own.",
    )
    runs: Runs = Field(default=3, description="Runs of each method.")
    preset: Name = Field(
        default="nasbench201",
        description="Published settings: nasbench201, or nasbench201_running, whose batch "
        "normalisation inside cells keeps running statistics.",
    )
    images: Images = Field(
        default=5000,
        description="Images of the weights and of the architecture together, half of each; 0 for "
        "all.",
    )
    image_size: Pixels = Field(
        default=16, description="Pixels a side to which images are averaged down; 0 for none."
    )
    epochs: Epochs | None = Field(
        default=40, description="Epochs of every method; null for the preset's."
    )
    channels: Width | None = Field(
        default=8, description="Channels of the first stage; null for the space's."
    )
    cells: Cells | None = Field(default=1, description="Cells in each stage; null for the space's.")
    ranked: Ranked = Field(
        default=100,
        description="Architectures that are evaluated with the last weights, the same ones for "
        "all methods.",
    )
    settings: dict[Name, dict[str, Any]] = Field(
        default_factory=_reduced,
        description="By method, settings that win over the preset's and over epochs.",
    )

    @model_validator(mode="after")
    def _methods_are_known(self) -> WeightSharingConfig:
        where = "weight_sharing"
        for key, names in (("methods", self.methods), ("settings", list(self.settings))):
            for name in names:
                if name not in SETTINGS:
                    unknown = UnknownNameError("weight-sharing method", name, SETTINGS)
                    raise ConfigError(f"{where}.{key}: {unknown}")
        if self.preset not in PRESETS:
            unknown = UnknownNameError("preset", self.preset, PRESETS)
            raise ConfigError(f"{where}.preset: {unknown}")
        for method in {*self.methods, *self.settings}:
            settings_of(method, self.preset, self.settings_of(method), f"{where}.settings")
        return self

    def settings_of(self, method: str) -> dict[str, Any]:
        """Return what of a method differs from its preset."""
        common = {} if self.epochs is None else {"epochs": self.epochs}
        return {**common, **self.settings.get(method, {})}
