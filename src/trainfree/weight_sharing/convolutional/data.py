"""The images of a search: those for weights, those for rewards, those for tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from trainfree.errors import ImageError
from trainfree.images.batches import load_mini_batch, load_mini_batch_labels, load_test_images
from trainfree.images.datasets import spec_of
from trainfree.weight_sharing.convolutional.settings import SECTION, EnasConvolutionalSettings

SHIFT = 8
"""Images are shifted in training by up to their side divided by this: 4 pixels of 32."""


class Images(NamedTuple):
    """Normalised images, (n, 3, y, x), channels last, and their classes, (n,)."""

    pixels: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, rows: Tensor) -> Images:
        """Return some of them."""
        rows = rows.to(self.labels.device)
        return Images(_channels_last(self.pixels[rows]), self.labels[rows])

    def batches(self, size: int) -> Iterator[Images]:
        """Yield all of them, the last batch perhaps smaller."""
        for rows in torch.split(torch.arange(len(self)), size):
            yield self.batch(rows)


class Data(NamedTuple):
    """The images of a search; ``held_out`` says that test images are held out training images."""

    weights: Images
    rewards: Images
    test: Images
    held_out: bool
    classes: int
    image_size: int


def load_data(settings: EnasConvolutionalSettings, path: Path, device: str) -> Data:
    """Return the images of a search; training images are drawn by the stream "mini-batch".

    Where the image set has no test images, training images that are used for nothing else stand
    in: as many as the settings ask for.

    Raises
    ------
    ImageError
        When there are fewer images than the settings ask for.
    DataFileError
        When the file is missing or damaged.
    """
    seed = settings.seed
    held, classes = load_test_images(path, settings.test_images, seed)
    parts = [settings.weight_images, settings.reward_images]
    held_out = not len(held)
    if held_out:
        if not settings.test_images:
            raise ImageError(
                f"{path}: has no test images, and {SECTION}.settings: test_images: expected a "
                "number of training images to hold out, found 0 for all test images"
            )
        parts.append(settings.test_images)
    count = sum(parts)
    pixels = torch.split(torch.from_numpy(load_mini_batch(path, count, seed)), parts)
    classes_of = torch.from_numpy(load_mini_batch_labels(path, count, seed))
    labels = torch.split(classes_of, parts)
    tests = (pixels[2], labels[2]) if held_out else map(torch.from_numpy, (held, classes))

    def placed(pixels: Tensor, labels: Tensor) -> Images:
        shrunk = F.avg_pool2d(pixels, settings.shrink) if settings.shrink > 1 else pixels
        return Images(_channels_last(shrunk.to(device)), labels.to(device))

    return Data(
        placed(pixels[0], labels[0]),
        placed(pixels[1], labels[1]),
        placed(*tests),
        held_out,
        spec_of(settings.dataset).classes,
        int(held.shape[-1]) // settings.shrink,
    )


def augmented(images: Tensor, generator: torch.Generator, cutout: int = 0) -> Tensor:
    """Return images shifted by up to an eighth of their side and mirrored at random.

    Parameters
    ----------
    images
        (B, 3, y, x), normalised: what comes in from outside is 0, the mean.
    generator
        Of the CPU.
    cutout
        Side of the square that is set to 0, its centre anywhere in the image (DeVries and Taylor,
        2017); 0 for none.
    """
    count, _, height, width = images.shape
    device, shift = images.device, width // SHIFT

    def drawn(most: int) -> Tensor:
        return torch.randint(most, (count, 1), generator=generator).to(device)

    rows = drawn(2 * shift + 1) + torch.arange(height, device=device)
    columns = drawn(2 * shift + 1) + torch.arange(width, device=device)
    mirrored = drawn(2).bool()
    columns = torch.where(mirrored, columns.flip(1), columns)
    padded = F.pad(images, (shift,) * 4)
    each = torch.arange(count, device=device)[:, None, None]
    taken = padded.permute(0, 2, 3, 1)[each, rows[:, :, None], columns[:, None, :]]
    if cutout:
        inside = [
            (torch.arange(size, device=device) - drawn(size) + cutout // 2)
            for size in (height, width)
        ]
        cut_rows, cut_columns = ((place >= 0) & (place < cutout) for place in inside)
        taken = taken.masked_fill((cut_rows[:, :, None] & cut_columns[:, None, :])[..., None], 0.0)
    return _channels_last(taken.permute(0, 3, 1, 2))


def _channels_last(images: Tensor) -> Tensor:
    return images.contiguous(memory_format=torch.channels_last)
