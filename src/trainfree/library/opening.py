"""Opening data files of the suite, checked, as xarray data sets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from trainfree.errors import DataFileError, UnknownNameError
from trainfree.files.reading import is_there
from trainfree.files.storage import read_dataset, read_kind
from trainfree.spaces import space_names

if TYPE_CHECKING:
    import xarray as xr

BENCHMARKS = "data/benchmarks"
SCORE_KINDS = ("scores", "module_scores")
"""Files of scores: of architectures of a space, and of torch modules."""


def open_scores(path: str | Path) -> xr.Dataset:
    """Return the content of a scores file, from the workflow or from ``trainfree score --hdf5``.

    Parameters
    ----------
    path
        For example ``results/default/scores/nasbench201/cifar10/b32-pytorch-images-s0.h5``.

    Returns
    -------
    xarray.Dataset
        ``score`` and ``status`` over (arch, proxy), or (model, proxy), read into memory, with
        provenance as attributes. Higher is better in every column.

    Raises
    ------
    DataFileError
        When there is no such file, it is damaged, or holds something else.

    Examples
    --------
    >>> import trainfree
    >>> scores = trainfree.open_scores("scores.h5")
    >>> scores["score"].dims, scores["proxy"].to_numpy().tolist()
    (('arch', 'proxy'), ['params', 'naswot', 'snip'])
    """
    path = Path(path)
    kind = read_kind(path)
    if kind not in SCORE_KINDS:
        raise DataFileError(
            f"{path}: expected a file of scores, found schema = {kind!r}; "
            "those of a run are in results/<run>/scores"
        )
    return read_dataset(path, kind)


def open_benchmark(
    benchmark: str | Path = "nasbench201", folder: str | Path = BENCHMARKS
) -> xr.Dataset:
    """Return trained accuracies and costs of the architectures of a space.

    Parameters
    ----------
    benchmark
        A space's name, or the path of a prepared file.
    folder
        Where ``<space>.h5`` is, for a name.

    Returns
    -------
    xarray.Dataset
        ``accuracy`` over (arch, dataset, split, epochs, seed) in percent, NaN where missing,
        ``train_seconds``, ``params`` and ``flops``, read into memory.

    Raises
    ------
    DataFileError
        When there is no such file, it is damaged, or holds something else.
    UnknownNameError
        When there is no space and no file of this name.

    Examples
    --------
    >>> import trainfree
    >>> benchmark = trainfree.open_benchmark("nasbench201_mini")
    >>> benchmark["accuracy"].dims
    ('arch', 'dataset', 'split', 'epochs', 'seed')
    """
    from trainfree.benchmarks.load import load_benchmark

    path = Path(benchmark)
    if path.suffix or len(path.parts) > 1:
        return load_benchmark(path)
    if str(benchmark) not in space_names() and not is_there(Path(folder) / f"{benchmark}.h5"):
        raise UnknownNameError("space", str(benchmark), space_names())
    return load_benchmark(Path(folder) / f"{benchmark}.h5")
