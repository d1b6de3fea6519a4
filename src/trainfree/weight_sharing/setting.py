"""What decides the training of shared weights by one method. Needs no torch."""

from __future__ import annotations

from dataclasses import asdict, field
from typing import Annotated, Any, ClassVar

from pydantic import Field
from pydantic.dataclasses import dataclass

from trainfree.errors import ConfigError
from trainfree.images.datasets import DATASET_KIND
from trainfree.outside.extensions import outside_code
from trainfree.provenance import code_hash
from trainfree.settings import STRICT, Settings
from trainfree.spaces import load_space
from trainfree.spaces.nasbench201.space import CellSpace
from trainfree.weight_sharing.presets import MethodSettings, settings_of

PUBLISHED_CHANNELS, PUBLISHED_CELLS = 16, 5
PUBLISHED_IMAGES = {
    "cifar10": (25_000, 25_000),
    "cifar100": (50_000, 5_000),
    "imagenet16-120": (151_700, 3_000),
}
"""Images of the weights and of the architecture in the scripts of NAS-Bench-201."""
WHERE = "weight_sharing.settings"


@dataclass(frozen=True, config=STRICT)
class SharingSetting(Settings):
    """What decides the file of one method, besides the run.

    Attributes
    ----------
    space, dataset
        Names; the space has to be one of NAS-Bench-201's cells.
    method, preset
        Of ``presets.py``.
    settings
        Settings of the method that differ from the preset's.
    images
        Images of the weights and of the architecture together, half of each; 0 for all.
    image_size
        Pixels a side to which images are averaged down; 0 for as they are.
    channels, cells
        Of the first stage, and in each stage.
    ranked
        Architectures that are evaluated with the last weights.
    seed
        The root seed.
    extra
        Files with the image set, where it is not the suite's own, and their hashes.
    """

    called: ClassVar[str] = "setting of weight sharing"
    space: str
    dataset: str
    method: str
    preset: str
    images: Annotated[int, Field(ge=0)]
    image_size: Annotated[int, Field(ge=0)]
    channels: Annotated[int, Field(ge=1, le=4096)]
    cells: Annotated[int, Field(ge=1, le=1000)]
    ranked: Annotated[int, Field(ge=0)]
    seed: Annotated[int, Field(ge=0)]
    settings: dict[str, Any] = field(default_factory=dict)
    extra: tuple[tuple[str, str], ...] = ()

    @property
    def method_settings(self) -> MethodSettings:
        """How the method trains.

        Raises
        ------
        ConfigError
            For an unknown method, preset or setting.
        """
        return settings_of(self.method, self.preset, self.settings, WHERE)

    @property
    def values(self) -> dict[str, Any]:
        """All fields by name, with every setting of the method, the preset's filled in."""
        return {**super().values, "settings": asdict(self.method_settings)}

    @property
    def cell_space(self) -> CellSpace:
        """The space; see :func:`cell_space`."""
        return cell_space(self.space)

    def check(self) -> None:
        """Check what no type says.

        Raises
        ------
        ConfigError
            When the space is none of NAS-Bench-201's, or there is no such method, preset or
            setting of the method.
        """
        _ = self.cell_space, self.method_settings

    def differences(self, images: tuple[int, int], image_size: int) -> list[str]:
        """Return in words what is not as published; empty where everything is.

        Parameters
        ----------
        images
            Numbers of images of the weights and of the architecture.
        image_size
            Pixels a side of the images in their file.
        """
        settings = self.method_settings
        published = settings_of(self.method, self.preset, {}, WHERE)
        found = []
        if PUBLISHED_IMAGES.get(self.dataset) != images:
            found.append(f"{images[0]:,} + {images[1]:,} images")
        if self.image_size not in (0, image_size):
            found.append(f"{self.image_size} x {self.image_size} pixels")
        if settings.epochs != published.epochs:
            found.append(f"{settings.epochs} epochs")
        if self.channels != PUBLISHED_CHANNELS:
            found.append(f"{self.channels} channels")
        if self.cells != PUBLISHED_CELLS:
            found.append(f"{self.cells} cell{'s' * (self.cells != 1)} a stage")
        given, wanted = asdict(settings), asdict(published)
        others = [key for key in given if key != "epochs" and given[key] != wanted[key]]
        found += [f"{key} {given[key]:g}" for key in others]
        if self.space != "nasbench201":
            found.append(self.space)
        return found


def cell_space(name: str) -> CellSpace:
    """Return a space of cells of NAS-Bench-201.

    Raises
    ------
    ConfigError
        When the space has others.
    """
    space = load_space(name)
    if not isinstance(space, CellSpace):
        raise ConfigError(
            f"space: weight sharing is of the cells of nasbench201, found {name}; "
            "choose space: nasbench201"
        )
    return space


def sharing_code_hash(setting: SharingSetting) -> str:
    """Return the hash of all code that decides the file of a method."""
    return code_hash(
        "trainfree.weight_sharing.run",
        f"trainfree.weight_sharing.methods.{setting.method}",
        outside=outside_code(DATASET_KIND, [setting.dataset]),
    )
