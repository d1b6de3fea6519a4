"""Preparing an image set: from whatever source has it to one file of one form."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from trainfree.errors import ImageError, SourceError
from trainfree.files.storage import provenance_attributes, write_dataset
from trainfree.images.checks import check_different, check_images
from trainfree.images.code import images_code_hash
from trainfree.images.datasets import DATASET_KIND, DATASETS, TEST, TRAIN, DatasetSpec, spec_of
from trainfree.images.readers import ImageSet, read_images
from trainfree.outside.extensions import find_module, load_files
from trainfree.outside.foreign import blamed_on
from trainfree.sources.delivery import Delivery, source_settings
from trainfree.sources.fetching import fetch


def prepare_images(
    dataset: str,
    output: Path,
    *,
    order: Sequence[str],
    cache: Path,
    mirror: str | None,
    timeout: float,
    seed: int = 0,
    extra: Sequence[Path] = (),
) -> None:
    """Write the images file of a data set.

    Parameters
    ----------
    dataset
        A key of ``DATASETS``.
    output
        The file to write, of kind "images".
    order
        Sources in the order in which they are tried.
    cache
        Folder for downloads.
    mirror
        Folder with local copies; the environment variable TRAINFREE_MIRROR wins.
    timeout
        Seconds to wait for a source's answer.
    seed
        Root seed, used by artificial images only.
    extra
        The file of an image set of the user's own, which reads its images itself.

    Raises
    ------
    UnknownNameError
        When the data set or a source does not exist.
    SourceError
        When no source delivers the images.
    ImageError
        When all images are equal, or those of the user's own are not what they should be.
    """
    load_files(extra)
    spec = spec_of(dataset)

    def read(delivery: Delivery) -> tuple[Delivery, ImageSet]:
        images = read_images(delivery, spec, seed)
        check_different(images, spec, _source_words(delivery))
        where = ", ".join(map(str, delivery.files.values())) or delivery.note
        try:
            return delivery, check_images(images, spec, where, delivery.counts)
        except ImageError as error:  # another source may have what this one should have had
            raise SourceError(str(error)) from error

    if dataset in DATASETS:
        settings = source_settings(mirror=mirror, timeout=timeout)
        delivery, images = fetch(f"{dataset}-images", order, cache, settings, read)
    else:
        delivery, images = _images_of_own(spec)
    write_dataset(images_dataset(spec, images, delivery, order=order, seed=seed), output, "images")


def images_dataset(
    spec: DatasetSpec, images: ImageSet, delivery: Delivery, *, order: Sequence[str], seed: int
) -> xr.Dataset:
    """Return the data set of an images file, with its provenance.

    Raises
    ------
    ImageError
        When there are no images or all of them are equal.
    """
    check_different(images, spec, _source_words(delivery))
    artificial = delivery.source == "generated"
    settings: dict[str, object] = {"dataset": spec.name, "order": list(order)}
    if artificial:
        settings["seed"] = seed
    attributes = provenance_attributes(
        settings=settings,
        code=images_code_hash(spec.name),
        source_hashes=delivery.sha256,
        seed=seed if artificial else None,
    )
    return xr.Dataset(
        {
            "image": (
                ("n", "y", "x", "rgb"),
                images.image,
                {"units": "1", "long_name": "pixel value, 0 to 255"},
            ),
            "label": ("n", images.label, {"units": "1", "long_name": "number of the class"}),
            "split": (
                "n",
                images.split,
                {
                    "units": "1",
                    "long_name": "split the image belongs to",
                    "flag_values": np.array([TRAIN, TEST], dtype=np.int8),
                    "flag_meanings": "train test",
                },
            ),
        },
        attrs=attributes
        | {
            "dataset": spec.name,
            "content_sha256": content_sha256(images),
            "source": delivery.source,
            "source_note": delivery.note,
            "stand_in": int(delivery.stand_in),
            "class_count": len(np.unique(images.label)),
            "image_count": len(images.image),
            "channel_mean": np.array(spec.mean),
            "channel_std": np.array(spec.std),
        },
    )


def content_sha256(images: ImageSet) -> str:
    """Return the SHA-256 of the pixel bytes in official order (image, row, column, RGB)."""
    return hashlib.sha256(np.ascontiguousarray(images.image).data).hexdigest()


def _images_of_own(spec: DatasetSpec) -> tuple[Delivery, ImageSet]:
    """Return what ``read_images`` beside an image set of the user's own gives."""
    module = find_module(DATASET_KIND, spec.name, DATASETS)
    where = f"{module.__file__}: read_images"
    if not hasattr(module, "read_images"):
        raise ImageError(f"{where}: does not exist; docs/adding-a-data-set.md says what it is")
    with blamed_on(where):
        given = module.read_images(spec)
    images = check_images(given, spec, where)
    note = f"images of the user's own, as {Path(str(module.__file__)).name} reads them"
    return Delivery("extra", "extra", note=note), images


def _source_words(delivery: Delivery) -> str:
    return f"{delivery.source} ({delivery.note})"
