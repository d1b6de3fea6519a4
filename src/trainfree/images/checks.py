"""What every image set must be, whatever reader, file or extension it came from."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from trainfree.errors import ImageError
from trainfree.images.datasets import TEST, TRAIN, DatasetSpec
from trainfree.images.readers import ImageSet
from trainfree.sources.formats.reading import brief


def check_images(
    images: object, spec: DatasetSpec, where: str, counts: tuple[int, int] | None = None
) -> ImageSet:
    """Return the images after checking that they are what the data set says.

    Parameters
    ----------
    images
        What a reader gave.
    spec
        The data set.
    where
        Name of the file or function that gave them, for messages.
    counts
        Number of training and of test images, where the source is known to have so many.

    Returns
    -------
    ImageSet
        The same images, with labels as int64 and splits as int8.

    Raises
    ------
    ImageError
        When they are no uint8 pictures from 0 to 255 of the data set's size, when a label is no
        whole number of a class or a class has no image, when a split is neither training nor test,
        or when some are missing.
    """
    if type(images) is not ImageSet:  # a class of others may lie about what it is
        raise ImageError(
            f"{where}: expected an ImageSet (image, label, split), found {type(images).__name__}"
        )
    image = _pixels(images.image, spec, where)
    count = len(image)
    label = _numbers(images.label, count, 0, spec.classes - 1, f"{where}: label")
    split = _numbers(images.split, count, TRAIN, TEST, f"{where}: split")
    if not (split == TRAIN).any():
        raise ImageError(f"{where}: split: expected training images ({TRAIN}), found none")
    if counts is not None:
        found = (int(np.count_nonzero(split == TRAIN)), int(np.count_nonzero(split == TEST)))
        if found != counts:
            raise ImageError(
                f"{where}: expected {counts[0]:,} training and {counts[1]:,} test images, found "
                f"{found[0]:,} and {found[1]:,}; some are missing or too many, get a new copy of "
                "the file"
            )
    there = np.bincount(label, minlength=spec.classes)
    if (missing := np.flatnonzero(there == 0)).size:
        raise ImageError(
            f"{where}: expected images of each of the {spec.classes} classes of {spec.name}, "
            f"found none of class {missing[0]} ({missing.size} classes have none)"
        )
    return ImageSet(image, label.astype(np.int64), split.astype(np.int8))


def check_different(images: ImageSet, spec: DatasetSpec, source: str) -> None:
    """Refuse images that are all equal, or none.

    Raises
    ------
    ImageError
        Naming the data set, and the source in the words of ``source``.
    """
    count = len(images.image)
    if count == 0 or not np.any(images.image != images.image[0]):
        raise ImageError(
            f"{spec.name}: expected different images, found {count} equal ones from source "
            f"{source}; put another source first in sources.order"
        )


def _pixels(image: object, spec: DatasetSpec, where: str) -> npt.NDArray[np.uint8]:
    size = spec.image_size
    expected = f"{where}: expected uint8 images of shape (n, {size}, {size}, 3)"
    if type(image) is not np.ndarray:
        raise ImageError(f"{expected} as a NumPy array, found {type(image).__name__}")
    if image.shape != (len(image) if image.ndim else 0, size, size, 3) or image.dtype != np.uint8:
        raise ImageError(f"{expected}, found {image.dtype} of shape {image.shape}")
    if len(image) and image.max() <= 1:
        raise ImageError(
            f"{where}: expected pixels from 0 to 255, found none above {image.max()}; "
            "they look like numbers from 0 to 1, multiply those by 255 before rounding"
        )
    return np.ascontiguousarray(image)


def _numbers(values: object, count: int, low: int, high: int, where: str) -> npt.NDArray[Any]:
    expected = f"{where}: expected {count} numbers from {low} to {high}"
    if type(values) is not np.ndarray:
        raise ImageError(f"{expected} as a NumPy array, found {type(values).__name__}")
    if values.shape != (count,) or values.dtype.kind not in "iu":
        raise ImageError(f"{expected}, whole ones, found {values.dtype} of shape {values.shape}")
    wrong = (values < low) | (values > high)
    if wrong.any():
        place = int(np.argmax(wrong))
        raise ImageError(
            f"{expected}, found {brief(int(values[place]))} at place {place} and "
            f"{np.count_nonzero(wrong) - 1} more outside"
        )
    return values
