"""A mini-batch of a prepared image set: the very one on which the suite scores."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from trainfree.drawing import InputKind
from trainfree.errors import DataFileError, UnknownNameError
from trainfree.files.reading import is_there
from trainfree.images.datasets import dataset_names

if TYPE_CHECKING:
    from torch import Tensor

IMAGES = "data/images"


def batch(
    dataset: str = "cifar10",
    size: int = 64,
    seed: int = 0,
    folder: str | Path = IMAGES,
    kind: InputKind = "images",
) -> tuple[Tensor, Tensor]:
    """Return a mini-batch of a prepared image set with its labels.

    It is the mini-batch that the suite uses with this root seed; a smaller batch is the beginning
    of a larger one.

    Parameters
    ----------
    dataset
        ``"cifar10"``, ``"cifar100"``, ``"imagenet16-120"``, ``"generated"``, or the name of an
        your own image set.
    size
        Number of images, B.
    seed
        Root seed that draws them from the training images, without replacement.
    folder
        Where ``<dataset>.h5`` is.
    kind
        ``"images"``, normalised per channel, or ``"gaussian"``: noise of their shape, with the
        labels of the images it replaces.

    Returns
    -------
    tuple of torch.Tensor
        Images, float32 (B, 3, height, width), and class numbers, int64 (B,).

    Raises
    ------
    DataFileError
        When the image set has not been prepared, or the file is damaged.
    UnknownNameError
        When there is no such file and no such image set.
    ImageError
        When there are fewer training images than ``size``.

    Examples
    --------
    >>> import trainfree
    >>> images, labels = trainfree.batch("generated", size=4, seed=0)
    >>> images.shape, labels.shape
    (torch.Size([4, 3, 8, 8]), torch.Size([4]))
    """
    import torch

    from trainfree.images.batches import load_mini_batch, load_mini_batch_labels

    path = prepared_images(dataset, folder)
    pixels = load_mini_batch(path, size, seed, kind)
    return torch.from_numpy(pixels), torch.from_numpy(load_mini_batch_labels(path, size, seed))


def prepared_images(dataset: str, folder: str | Path = IMAGES) -> Path:
    """Return the file of a prepared image set.

    Raises
    ------
    DataFileError
        When it has not been prepared; says how to.
    UnknownNameError
        When there is no such image set either.
    """
    path = Path(folder) / f"{dataset}.h5"
    if is_there(path):
        return path
    known = dataset_names()
    if dataset not in known:
        raise UnknownNameError("data set", dataset, known)
    raise DataFileError(
        f"{path}: no such file; expected the prepared image set {dataset}. Name the folder that "
        f"has it (folder=…, on the command line --data …), or make it: "
        f"`trainfree prepare-images --dataset {dataset} --order {_sources(dataset)} "
        f"--cache data/cache --output {path}` (in a checkout `snakemake {path} --cores 1`)"
    )


def _sources(dataset: str) -> str:
    """Return the sources that may have the images, for the command that prepares them."""
    return "generated" if dataset == "generated" else "mirror official registry"
