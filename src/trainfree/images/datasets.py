"""The image sets of the suite: their sizes, classes and normalisation constants.

The benchmark tables call some data sets by other names than the image sets: CIFAR-10 stands in
them twice, once trained on half of the training images (``cifar10-valid``) and once on all of
them (``cifar10``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

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
        data set on which validation accuracy is read.
    """

    name: str
    image_size: int
    classes: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    benchmark_datasets: tuple[str, ...]


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
