"""The section about ENAS for convolutional cells."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from trainfree.config.section import Name, Section
from trainfree.errors import ConfigError, UnknownNameError
from trainfree.weight_sharing.convolutional.presets import (
    REDUCED,
    preset_names,
    preset_settings,
)
from trainfree.weight_sharing.convolutional.settings import (
    SECTION,
    EnasConvolutionalSettings,
    changed,
)

Value = Annotated[bool | int | float | str, Field(union_mode="smart")]


class EnasConvolutionalConfig(Section):
    """ENAS for convolutional cells, on the first data set (target ``enas_convolutional``)."""

    preset: Name = Field(
        default=REDUCED,
        description="Where all settings come from: `reduced`, for two cores; `paper`, the "
        "published ones; `document`, those with another controller.",
    )
    settings: dict[Name, Value] = Field(
        default={},
        description="Settings that win over the preset's, by name: `{shared.epochs: 80}`.",
    )

    @model_validator(mode="after")
    def _is_sound(self) -> EnasConvolutionalConfig:
        if self.preset not in preset_names():
            unknown = UnknownNameError("preset", self.preset, preset_names())
            raise ConfigError(f"{SECTION}.preset: {unknown}")
        self.settings_on("cifar10", 0).check()
        return self

    def settings_on(self, dataset: str, seed: int) -> EnasConvolutionalSettings:
        """Return everything that decides a search on a data set."""
        return changed(preset_settings(self.preset, dataset, seed), self.settings)
