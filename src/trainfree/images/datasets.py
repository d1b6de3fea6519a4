"""The image sets of the suite: their sizes, classes and normalisation constants.

The benchmark tables call some data sets by other names than the image sets: CIFAR-10 stands in
them twice, once trained on half of the training images (``cifar10-valid``) and once on all of
them (``cifar10``). Image sets of others come from files that the configuration names
(``images.extra``) and from installed packages with an entry point in ``trainfree.images``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from trainfree import extensions
from trainfree.errors import ConfigError

InputKind = Literal["images", "gaussian"]
"""What a mini-batch is made of: images of the training split, or noise of their shape."""

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
    benchmark_datasets
        Names in the benchmark tables of the trainings on these images; the first one is the
        data set on which validation accuracy is read. Not needed for a user's own.
    """

    name: str
    image_size: int
    classes: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    benchmark_datasets: tuple[str, ...] = ()


DATASETS: dict[str, DatasetSpec] = {
    spec.name: spec
    for spec in (
        DatasetSpec(
            name="cifar10",
            image_size=32,
            classes=10,
            mean=(125.3, 123.0, 113.9),
            std=(63.0, 62.1, 66.7),
            benchmark_datasets=("cifar10-valid", "cifar10"),
        ),
        DatasetSpec(
            name="cifar100",
            image_size=32,
            classes=100,
            mean=(129.3, 124.1, 112.4),
            std=(68.2, 65.4, 70.4),
            benchmark_datasets=("cifar100",),
        ),
        DatasetSpec(
            name="imagenet16-120",
            image_size=16,
            classes=120,
            mean=(122.68, 116.66, 104.01),
            std=(63.22, 61.26, 65.09),
            benchmark_datasets=("ImageNet16-120",),
        ),
        DatasetSpec(
            name="generated",
            image_size=8,
            classes=10,
            mean=(127.5, 127.5, 127.5),
            std=(64.0, 64.0, 64.0),
            benchmark_datasets=("cifar10-valid", "cifar10"),
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
    spec = module.DATASETS[name]
    if not isinstance(spec, DatasetSpec) or spec.name != name:
        raise ConfigError(
            f"{module.__file__}: DATASETS: expected a DatasetSpec of the name {name!r}, "
            f"found {spec!r}"
        )
    return spec
