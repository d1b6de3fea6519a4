"""A mini-batch of pictures in a folder, those of each class in a folder of its own."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from trainfree.errors import ImageError
from trainfree.files.reading import files_below
from trainfree.randomness import stream

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Per channel on the scale 0 to 1: the constants that networks for ImageNet are trained with."""
MOST_PIXELS = 100_000_000


def folder_batch(
    folder: Path, batch_size: int, size: tuple[int, int], seed: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64] | None]:
    """Return a mini-batch of a folder's pictures, ready for a network.

    Parameters
    ----------
    folder
        Holds a folder of pictures for each class, or pictures, which then have no labels.
    batch_size
        Number of pictures, drawn without replacement: all in the order of their paths are permuted
        by the stream "mini-batch", and the first ones taken.
    size
        Height and width to which each is resized.
    seed
        Root seed.

    Returns
    -------
    tuple
        float32 (batch, 3, height, width), normalised by ``MEAN`` and ``STD``, and class numbers
        (batch,) in the alphabetic order of the classes, or None.

    Raises
    ------
    ImageError
        When there are too few pictures, one cannot be read, or all drawn are equal.
    """
    paths = [path for path in files_below(folder, "**/*") if path.suffix.lower() in SUFFIXES]
    if len(paths) < batch_size:
        raise ImageError(
            f"{folder}: expected at least {batch_size} pictures ({', '.join(SUFFIXES)}) for one "
            f"batch, found {len(paths)}; choose a smaller batch or another folder"
        )
    order = stream(seed, "mini-batch").permutation(len(paths))[:batch_size]
    drawn = [paths[place] for place in order]
    pixels = np.stack([_picture(path, size) for path in drawn])
    if batch_size > 1 and np.array_equal(pixels, np.broadcast_to(pixels[:1], pixels.shape)):
        raise ImageError(
            f"{folder}: expected different pictures, all {batch_size} of the batch are equal; "
            "a kernel of equal images is singular. Choose another folder"
        )
    scaled = ((pixels / 255 - MEAN) / STD).astype(np.float32)
    return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2)), _labels(folder, paths, drawn)


def _labels(folder: Path, paths: list[Path], drawn: list[Path]) -> npt.NDArray[np.int64] | None:
    """Return the numbers of the folders in which pictures lie, None where some lie in none."""
    if any(path.parent == folder for path in paths):
        return None
    classes = sorted({path.relative_to(folder).parts[0] for path in paths})
    return np.array([classes.index(path.relative_to(folder).parts[0]) for path in drawn])


def _picture(path: Path, size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Return a picture as RGB, resized."""
    try:
        with Image.open(path) as picture:
            if picture.width * picture.height > MOST_PIXELS:
                raise ImageError(
                    f"{path}: expected at most {MOST_PIXELS:,} pixels, found {picture.width} x "
                    f"{picture.height}; remove it from the folder"
                )
            height, width = size
            resized = picture.convert("RGB").resize((width, height), Image.Resampling.BILINEAR)
            return np.asarray(resized)
    except (
        *(OSError, ValueError, SyntaxError, EOFError, MemoryError, struct.error, zlib.error),
        *(UnidentifiedImageError, Image.DecompressionBombError),
    ) as error:
        raise ImageError(
            f"{path}: cannot be read as a picture ({error}); remove it from the folder"
        ) from error
