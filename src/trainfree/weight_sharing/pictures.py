"""The images that shared weights and architectures learn from: halves, batches, augmentation.

As the scripts of NAS-Bench-201 split them: of CIFAR-10 the training images, half for the weights
and half for the architecture; of CIFAR-100 and ImageNet16-120 the training images for the weights,
half of the test images for the architecture. Which images are in which half is drawn here, from
the root seed; the scripts have a list. Every other image set is split as CIFAR-10 is.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainfree.errors import ImageError
from trainfree.files.storage import explained, open_dataset
from trainfree.images.datasets import TEST, TRAIN
from trainfree.randomness import stream
from trainfree.weight_sharing.setting import SharingSetting

TEST_FOR_ARCHITECTURE = ("cifar100", "imagenet16-120")
SMALLEST_IMAGE = 8


class Batch(NamedTuple):
    """Normalised images, (n, 3, y, x), and their classes, (n,)."""

    images: Tensor
    labels: Tensor


class Half(NamedTuple):
    """Pixels as they are, (n, 3, y, x) of uint8, and classes, (n,)."""

    pixels: Tensor
    labels: Tensor


class Pictures:
    """Images on a device, in two halves.

    Parameters
    ----------
    weights, architecture
        The halves.
    mean, std
        Of each channel, on the scale of the pixels.
    """

    def __init__(
        self, weights: Half, architecture: Half, mean: NDArray[np.float64], std: NDArray[np.float64]
    ) -> None:
        self.weights, self.architecture = weights, architecture
        device = weights.pixels.device
        self._mean = torch.tensor(mean, dtype=torch.float32, device=device).reshape(3, 1, 1)
        self._std = torch.tensor(std, dtype=torch.float32, device=device).reshape(3, 1, 1)

    def shuffled(
        self, half: Half, size: int, rng: np.random.Generator, *, augmented: bool
    ) -> Iterator[Batch]:
        """Yield all images of a half once, in random order."""
        order = rng.permutation(len(half.labels))
        changes = self._changes(len(order), half, rng) if augmented else None
        for start in range(0, len(order), size):
            part = slice(start, start + size)
            yield self._batch(half, order[part], None if changes is None else changes[part])

    def endless(
        self, half: Half, size: int, rng: np.random.Generator, *, augmented: bool
    ) -> Iterator[Batch]:
        """Yield batches of a half without end, pass after pass."""
        while True:
            yield from self.shuffled(half, size, rng, augmented=augmented)

    def drawn(self, half: Half, size: int, rng: np.random.Generator) -> Batch:
        """Return augmented images of a half, each drawn anew from all of it."""
        rows = rng.integers(len(half.labels), size=size)
        return self._batch(half, rows, self._changes(size, half, rng))

    def ordered(self, half: Half, size: int) -> Iterator[Batch]:
        """Yield all images of a half in their order, as they are."""
        for start in range(0, len(half.labels), size):
            yield self._batch(half, np.arange(start, min(start + size, len(half.labels))), None)

    @staticmethod
    def _changes(count: int, half: Half, rng: np.random.Generator) -> NDArray[np.int64]:
        """Return (count, 3): whether an image is turned, and where its crop begins."""
        widest = 2 * padding_of(half.pixels.shape[-1]) + 1
        return rng.integers((2, widest, widest), size=(count, 3))

    def _batch(
        self, half: Half, rows: NDArray[np.int64], changes: NDArray[np.int64] | None
    ) -> Batch:
        device = half.pixels.device
        places = torch.from_numpy(rows).to(device)
        pixels = half.pixels[places]
        if changes is not None:
            pixels = turned_and_cropped(pixels, torch.from_numpy(changes).to(device))
        images = (pixels.float() - self._mean) / self._std
        return Batch(
            images.contiguous(memory_format=torch.channels_last),
            half.labels[places],
        )


def padding_of(size: int) -> int:
    """Return by how much images are padded: 4 of 32 pixels, 2 of 16, as in the scripts."""
    return size // 8


def turned_and_cropped(pixels: Tensor, changes: Tensor) -> Tensor:
    """Return images as the scripts augment them: perhaps mirrored, then a crop of padded ones.

    Parameters
    ----------
    pixels
        (n, 3, size, size); padding is black.
    changes
        (n, 3): whether an image is mirrored, and its crop's first row and column.
    """
    count, _, size, _ = pixels.shape
    padding = padding_of(size)
    padded = torch.nn.functional.pad(pixels, (padding,) * 4)
    along = torch.arange(size, device=pixels.device)
    rows = changes[:, 1, None] + along
    columns = changes[:, 2, None] + along
    # Mirrored before it is cropped: the columns of the padded image count from its other end.
    mirrored = changes[:, 0, None] == 1
    columns = torch.where(mirrored, padded.shape[-1] - 1 - columns, columns)
    images = torch.arange(count, device=pixels.device)[:, None, None, None]
    channels = torch.arange(3, device=pixels.device)[None, :, None, None]
    return padded[images, channels, rows[:, None, :, None], columns[:, None, None, :]]


def load_pictures(setting: SharingSetting, path: Path, device: str) -> Pictures:
    """Return the two halves of an image set.

    Raises
    ------
    ImageError
        When there are fewer images than the setting asks for, or they cannot be averaged down.
    DataFileError
        When the file is missing or damaged.
    """
    with open_dataset(path, "images") as source, explained(path):
        split, labels = source["split"].to_numpy(), source["label"].to_numpy()
        rows = halves_of(setting, split, path)
        halves: list[Half] = []
        for part in rows:
            ordered = np.sort(part)
            pixels = source["image"].isel(n=ordered).to_numpy()
            pixels = averaged_down(pixels, setting.image_size, path).transpose(0, 3, 1, 2)
            tensor = torch.from_numpy(np.ascontiguousarray(pixels)).to(device)
            classes = torch.from_numpy(labels[ordered].astype(np.int64)).to(device)
            halves.append(Half(tensor, classes))
        mean, std = (np.asarray(source.attrs[f"channel_{name}"]) for name in ("mean", "std"))
    weights, architecture = halves
    return Pictures(weights, architecture, mean, std)


def halves_of(
    setting: SharingSetting, split: NDArray[np.integer], path: Path
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the places of the images of the weights and of the architecture.

    Both are drawn from the root seed alone: all methods and runs have the same.

    Raises
    ------
    ImageError
        When there are too few.
    """
    train, test = (np.flatnonzero(split == kind) for kind in (TRAIN, TEST))
    train = stream(setting.seed, "weight-sharing/split", TRAIN).permutation(train)
    test = stream(setting.seed, "weight-sharing/split", TEST).permutation(test)
    if setting.dataset in TEST_FOR_ARCHITECTURE:
        weights, architecture = train, test[: len(test) // 2]
    else:
        weights, architecture = train[: len(train) // 2], train[len(train) // 2 :]
    wanted = setting.images // 2 if setting.images else 1
    for name, found in (("weights", weights), ("architecture", architecture)):
        if len(found) < wanted:
            raise ImageError(
                f"{path}: weight_sharing.images: expected at least {wanted:,} images for the "
                f"{name}, found {len(found):,}; choose fewer, or another source of images"
            )
    most = wanted if setting.images else None
    return weights[:most], architecture[:most]


def averaged_down(pixels: NDArray[np.uint8], size: int, path: Path) -> NDArray[np.uint8]:
    """Return images (n, y, x, rgb) averaged down to ``size`` pixels a side, 0 for as they are.

    Raises
    ------
    ImageError
        When the size does not divide theirs, or is none that the skeleton takes.
    """
    found = pixels.shape[1]
    wanted = size or found
    if found % wanted or wanted % 4 or wanted < SMALLEST_IMAGE:
        raise ImageError(
            f"{path}: weight_sharing.image_size: expected a multiple of 4 of at least "
            f"{SMALLEST_IMAGE} that divides the images' {found} pixels, found {wanted}"
        )
    if wanted == found:
        return pixels
    ratio = found // wanted
    blocks = pixels.reshape(len(pixels), wanted, ratio, wanted, ratio, 3)
    averaged: NDArray[np.float32] = blocks.mean(axis=(2, 4), dtype=np.float32)
    return np.rint(averaged).astype(np.uint8)
