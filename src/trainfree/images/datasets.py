"""The image sets of the suite: their sizes, classes and normalisation constants.

The benchmark tables call some data sets by other names than the image sets: CIFAR-10 stands in
them twice, once trained on half of the training images (``cifar10-valid``) and once on all of
them (``cifar10``). Image sets of others come from files that the configuration names
(``images.extra``) and from installed packages with an entry point in ``trainfree.images``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from pathlib import Path

from trainfree.errors import ConfigError
from trainfree.outside import extensions
from trainfree.outside.foreign import blamed_on, shown, whole_number

TRAIN, TEST = 0, 1  # values of `split` in an images file


@dataclass(frozen=True)
class DatasetSpec:
    """What is known of an image set before any image is read.

    Attributes
    ----------
    name
        The image set's name in configurations and file names.
    image_size
        Height and width in pixels; images are square RGB.
    classes
        Number of classes.
    mean, std
        Per channel (red, green, blue), on the scale 0..255, as NAS-Bench-201 normalises.
    """

    name: str
    image_size: int
    classes: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


_TASKONOMY_MEAN, _TASKONOMY_STD = (133.2, 133.2, 133.1), (57.0, 57.0, 57.0)
TASK_OUTPUTS = {"taskonomy-scene": 63, "taskonomy-object": 100, "taskonomy-layout": 9}
"""Outputs of the published networks for tasks of TransNAS-Bench-101 on Taskonomy. Their images are
256 pixels large; those here, which stand in for them, are smaller, so that processors can do it."""

DATASETS: dict[str, DatasetSpec] = {
    spec.name: spec
    for spec in (
        *(
            DatasetSpec(name, 64, outputs, _TASKONOMY_MEAN, _TASKONOMY_STD)
            for name, outputs in TASK_OUTPUTS.items()
        ),
        DatasetSpec(
            name="cifar10",
            image_size=32,
            classes=10,
            mean=(125.3, 123.0, 113.9),
            std=(63.0, 62.1, 66.7),
        ),
        DatasetSpec(
            name="cifar100",
            image_size=32,
            classes=100,
            mean=(129.3, 124.1, 112.4),
            std=(68.2, 65.4, 70.4),
        ),
        DatasetSpec(
            name="imagenet16-120",
            image_size=16,
            classes=120,
            mean=(122.68, 116.66, 104.01),
            std=(63.22, 61.26, 65.09),
        ),
        DatasetSpec(
            name="imagenet-noise",
            image_size=224,
            classes=1000,
            mean=(127.5, 127.5, 127.5),
            std=(74.0, 74.0, 74.0),
        ),
        DatasetSpec(
            name="generated",
            image_size=8,
            classes=10,
            mean=(127.5, 127.5, 127.5),
            std=(64.0, 64.0, 64.0),
        ),
    )
}

DATASET_KIND = extensions.Kind(
    word="data set",
    room="images",
    content='the line `DATASETS = {"name": DatasetSpec(…)}` (docs/adding-a-data-set.md)',
    declared=extensions.keys_of("DATASETS"),
    joint="-",
)


def dataset_names(extra: Sequence[Path] = ()) -> list[str]:
    """Return the names of all image sets: the suite's, installed ones and those of ``extra`` files.

    No file is executed for this.

    Raises
    ------
    ConfigError
        When an extra file is missing, is no Python or defines no image set, or when a name is
        there twice.
    """
    return extensions.known_names(DATASET_KIND, DATASETS, extra)


def spec_of(name: str) -> DatasetSpec:
    """Return what is known of an image set; those of extra files once the files are loaded.

    Raises
    ------
    UnknownNameError
        When there is no such image set; the message suggests the nearest name.
    ConfigError
        When what a file or package offers is no image set of that name.
    """
    if name in DATASETS:
        return DATASETS[name]
    module = extensions.find_module(DATASET_KIND, name, dataset_names())
    where = f"{module.__file__}: DATASETS"
    with blamed_on(where):
        spec = module.DATASETS[name]
        if type(spec) is not DatasetSpec or spec.name != name:
            found = repr(spec) if type(spec) is DatasetSpec else shown(spec)
            raise ConfigError(f"expected a DatasetSpec of the name {name!r}, found {found}")
        return _checked(spec, name)


def _checked(spec: DatasetSpec, name: str) -> DatasetSpec:
    """Return a description with plain numbers in it.

    Raises
    ------
    ConfigError
        Naming the field that no image set can have.
    """
    for field, least, most in (("image_size", 1, 4096), ("classes", 2, 1_000_000)):
        value = whole_number(getattr(spec, field))
        if value is None or not least <= value <= most:
            raise ConfigError(
                f"{name}.{field}: expected a whole number from {least} to {most:,}, "
                f"found {shown(getattr(spec, field))}"
            )
    # A deviation below one of 256 steps is one on the scale 0 to 1, and a mistake.
    for field, least in (("mean", 0), ("std", 1)):
        given = getattr(spec, field)
        texts = [shown(value) for value in given] if isinstance(given, list | tuple) else []
        numbers = [float(value) for value in given if _is_number(value)] if texts else []
        if len(texts) != 3 or len(numbers) != 3 or not all(least <= n <= 255 for n in numbers):
            raise ConfigError(
                f"{name}.{field}: expected three numbers from {least} to 255, one per channel on "
                f"the scale 0 to 255, found {', '.join(texts) or shown(given)}"
            )
    return DatasetSpec(
        name=name,
        image_size=int(spec.image_size),
        classes=int(spec.classes),
        mean=tuple(map(float, spec.mean)),  # type: ignore[arg-type]
        std=tuple(map(float, spec.std)),  # type: ignore[arg-type]
    )


def _is_number(value: object) -> bool:
    return issubclass(type(value), Real) and type(value) is not bool
