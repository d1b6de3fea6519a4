"""Mini-batches: the one input on which every architecture of a setting is scored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from trainfree.drawing import InputKind
from trainfree.errors import ImageError
from trainfree.files.storage import explained, open_dataset
from trainfree.images.datasets import TEST, TRAIN
from trainfree.randomness import stream


def load_mini_batch(
    path: Path, batch_size: int, seed: int, kind: InputKind = "images"
) -> npt.NDArray[np.float32]:
    """Return a mini-batch ready for a network.

    Parameters
    ----------
    path
        An images file.
    batch_size
        Number of images.
    seed
        Root seed.
    kind
        ``"images"``: images of the training split, drawn without replacement and normalised per
        channel. The training images are permuted by the stream "mini-batch" and the first
        ``batch_size`` are taken, in that order: a smaller batch is the beginning of a larger one,
        and nothing but the seed and the number of training images decides the draw.
        ``"gaussian"``: standard normal noise of the same shape, from the stream
        "gaussian-input".

    Returns
    -------
    numpy.ndarray
        float32, (batch, 3, y, x), C-contiguous.

    Raises
    ------
    ImageError
        When the images are of a wrong shape, fewer than the batch, all equal or not finite.
    DataFileError
        When the file is missing or damaged.
    """
    if batch_size < 1:
        raise ImageError(f"{path}: expected a batch of at least 1 image, found {batch_size}")
    with open_dataset(path, "images") as images:
        _check_form(images, path)
        if kind == "gaussian":
            height, width = images.sizes["y"], images.sizes["x"]
            shape = (batch_size, 3, height, width)
            return stream(seed, "gaussian-input").standard_normal(shape, dtype=np.float32)
        rows = _drawn_rows(images, path, batch_size, seed)
        pixels = _read_rows(images, path, rows)
        mean, std = (_channels(images, name, path) for name in ("channel_mean", "channel_std"))
    return _normalised(pixels, mean, std, path)


def load_mini_batch_labels(path: Path, batch_size: int, seed: int) -> npt.NDArray[np.int64]:
    """Return the class numbers of the images that :func:`load_mini_batch` draws, (batch,).

    Noise in place of images keeps the labels of the images it stands for.
    """
    with open_dataset(path, "images") as images:
        _check_form(images, path)
        rows = _drawn_rows(images, path, batch_size, seed)
        return images["label"].to_numpy()[rows].astype(np.int64)


def load_test_images(
    path: Path, count: int, seed: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Return images of the test split, normalised as the training images, and their classes.

    Parameters
    ----------
    count
        How many, drawn by the stream "test-images"; 0 for all, in their order. Where there is no
        test split at all, there are none to return.

    Returns
    -------
    tuple
        float32, (count, 3, y, x), and (count,).

    Raises
    ------
    ImageError, DataFileError
        As :func:`load_mini_batch`.
    """
    with open_dataset(path, "images") as images:
        _check_form(images, path)
        rows = np.flatnonzero(images["split"].to_numpy() == TEST)
        if 0 < len(rows) < count:
            raise ImageError(
                f"{path}: expected at least {count} test images, found {len(rows)}; choose fewer "
                "or another source of images"
            )
        if count:
            rows = rows[stream(seed, "test-images").permutation(len(rows))[:count]]
        labels = images["label"].to_numpy()[rows].astype(np.int64)
        if not len(rows):
            return np.zeros((0, 3, images.sizes["y"], images.sizes["x"]), np.float32), labels
        pixels = _read_rows(images, path, rows)
        mean, std = (_channels(images, name, path) for name in ("channel_mean", "channel_std"))
    return _normalised(pixels, mean, std, path), labels


def _check_form(images: xr.Dataset, path: Path) -> None:
    dims = images["image"].dims if "image" in images else None
    if dims != ("n", "y", "x", "rgb") or images.sizes["rgb"] != 3:
        found = f"{dims} {tuple(images['image'].shape)}" if dims else "no image variable"
        raise ImageError(f"{path}: expected image (n, y, x, rgb) with 3 channels, found {found}")
    for name in ("label", "split"):
        if name not in images or images[name].dims != ("n",) or images[name].dtype.kind not in "iu":
            raise ImageError(
                f"{path}: expected {name} (n) of whole numbers, found none; "
                "delete the file and prepare the images again"
            )


def _channels(images: xr.Dataset, name: str, path: Path) -> npt.NDArray[np.float64]:
    """Return the mean or the deviation of each channel, as the file states it."""
    values = np.asarray(images.attrs.get(name, ()))
    good = values.shape == (3,) and values.dtype.kind in "iuf" and bool(np.isfinite(values).all())
    if not good or (name == "channel_std" and not (values > 0).all()):
        raise ImageError(
            f"{path}: {name}: expected three finite numbers, positive ones for the deviation, "
            f"found {values.tolist()}; delete the file and prepare the images again"
        )
    return values.astype(np.float64)


def _drawn_rows(images: xr.Dataset, path: Path, batch_size: int, seed: int) -> npt.NDArray[np.intp]:
    train = np.flatnonzero(images["split"].to_numpy() == TRAIN)
    if batch_size > len(train):
        raise ImageError(
            f"{path}: expected at least {batch_size} training images for one batch, found "
            f"{len(train)}; choose a smaller batch size or another source of images"
        )
    return train[stream(seed, "mini-batch").permutation(len(train))[:batch_size]]


def _read_rows(images: xr.Dataset, path: Path, rows: npt.NDArray[np.intp]) -> npt.NDArray[Any]:
    """Read only these rows; HDF5 wants them ascending, the caller in the order drawn."""
    order = np.argsort(rows)
    with explained(path):
        ascending = images["image"].isel(n=rows[order]).to_numpy()
    pixels = np.empty_like(ascending)
    pixels[order] = ascending
    return pixels


def _normalised(
    pixels: npt.NDArray[Any],
    mean: npt.NDArray[np.float64],
    std: npt.NDArray[np.float64],
    path: Path,
) -> npt.NDArray[np.float32]:
    if len(pixels) > 1 and np.array_equal(pixels, np.broadcast_to(pixels[:1], pixels.shape)):
        raise ImageError(
            f"{path}: expected different images, all {len(pixels)} of the batch are equal; "
            "a kernel of equal images is singular. Prepare the images again from another source"
        )
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        scaled = ((pixels - mean) / std).astype(np.float32)
    if not np.isfinite(scaled).all():
        bad = int(np.count_nonzero(~np.isfinite(scaled)))
        raise ImageError(
            f"{path}: expected finite pixels after normalisation, found {bad} that are not; "
            "delete the file and prepare the images again"
        )
    return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2))
