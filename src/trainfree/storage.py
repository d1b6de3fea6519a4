"""Reading and writing the suite's data files: netCDF-4/HDF5, whole or not at all.

Reading checks the kind, the schema version and, where the caller knows them, the attributes the
file must carry.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5netcdf
import h5py
import numpy as np
import xarray as xr
from xarray.backends import H5NetCDFStore

from trainfree import __version__
from trainfree.errors import DataFileError
from trainfree.provenance import canonical_json, library_versions, settings_hash
from trainfree.writing import write_atomically

SCHEMA_VERSIONS = {
    "images": 1,
    "benchmark": 1,
    "scores": 1,
    "column": 1,
    "search": 1,
    "cells": 1,
    "landscape": 1,
    "hardware": 1,
    "draws": 1,
    "choice": 1,
    "kernels": 1,
    "ablation": 1,
    "training": 1,
}


class _RememberingFile(h5py.File):  # type: ignore[misc]  # h5py has no types
    """A file for reading that looks each name up once.

    h5netcdf asks for every variable by its path some forty times on opening; most of the time
    that tables and figures took to open their files went there.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, "r")
        self._known: dict[str, Any] = {}

    def __getitem__(self, name: Any) -> Any:
        if not isinstance(name, str):  # a reference
            return super().__getitem__(name)
        if name not in self._known:
            self._known[name] = super().__getitem__(name)
        return self._known[name]


def provenance_attributes(
    *,
    settings: Mapping[str, Any],
    code: str,
    source_hashes: Mapping[str, str],
    seed: int | None = None,
    device: str = "cpu",
    threads: int = 1,
) -> dict[str, str | int]:
    """Return the attributes that every data file carries.

    ``settings`` is everything that decides the content; its hash is the file's ``config_hash``.
    There is no time stamp: equal inputs give equal attributes.
    """
    return {
        "trainfree_version": __version__,
        "config": canonical_json(dict(settings)),
        "config_hash": settings_hash(settings),
        "code_hash": code,
        "source_hashes": canonical_json(dict(source_hashes)),
        "seed": -1 if seed is None else seed,
        "device": device,
        "threads": threads,
        "libraries": canonical_json(library_versions()),
    }


def write_dataset(dataset: xr.Dataset, path: Path, kind: str) -> None:
    """Write a data set of ``kind`` (see ``SCHEMA_VERSIONS``) to ``path``.

    Raises
    ------
    ValueError
        When a variable has no ``units`` or no ``long_name``.
    DataFileError
        When the file cannot be written; nothing is left behind.
    """
    for name, variable in dataset.data_vars.items():
        missing = [key for key in ("units", "long_name") if key not in variable.attrs]
        if missing:
            raise ValueError(f"variable {name!r} of a {kind} file lacks {', '.join(missing)}")
    dataset = dataset.assign_attrs(schema=kind, schema_version=SCHEMA_VERSIONS[kind])
    # Made in memory: on a full disk HDF5 may crash the process instead of raising an error.
    content = dataset.to_netcdf(engine="h5netcdf", format="NETCDF4")
    write_atomically(path, lambda temporary: temporary.write_bytes(content))


def open_dataset(
    path: Path,
    kind: str,
    expect: Mapping[str, str | int] | None = None,
    without: Sequence[str] = (),
) -> xr.Dataset:
    """Open a data file lazily and check that it is what the caller expects.

    Parameters
    ----------
    path
        The file. Close the returned data set, or use it in a ``with`` block.
    kind
        Expected ``schema`` attribute.
    expect
        Attributes that must have exactly these values, for example ``{"config_hash": …}``.
    without
        Variables to leave out; texts are read on opening, which takes long where there are many.

    Raises
    ------
    DataFileError
        When the file is missing, unreadable (truncated), of another kind or schema version, or
        has another value of an expected attribute.
    """
    with _readable(path, kind):
        dataset = _opened(path, without)
    try:
        _require(path, dataset.attrs, kind, expect)
    except DataFileError:
        dataset.close()
        raise
    return dataset


def read_header(path: Path, kind: str) -> tuple[dict[str, Any], dict[str, int]]:
    """Return the attributes and the sizes of the dimensions of a file, and no more: milliseconds.

    Raises
    ------
    DataFileError
        As :func:`open_dataset`.
    """
    with _readable(path, kind), h5netcdf.File(path, "r", decode_vlen_strings=True) as file:
        attributes = {str(key): value for key, value in file.attrs.items()}
        sizes = {str(name): int(each.size) for name, each in file.dimensions.items()}
    _require(path, attributes, kind)
    return attributes, sizes


@contextmanager
def _readable(path: Path, kind: str) -> Iterator[None]:
    """Say what to do when a file is absent or damaged."""
    if not path.is_file():
        raise DataFileError(f"{path}: no such {kind} file; run the rule that makes it")
    try:
        yield
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise DataFileError(
            f"{path}: is not a readable HDF5 file, probably truncated ({error}); "
            "delete it and run again to make it anew"
        ) from error


def _require(
    path: Path,
    attributes: Mapping[Any, Any],
    kind: str,
    expect: Mapping[str, str | int] | None = None,
) -> None:
    required = {"schema": kind, "schema_version": SCHEMA_VERSIONS[kind], **(expect or {})}
    for key, wanted in required.items():
        found = attributes.get(key)
        found = found.item() if isinstance(found, np.generic) else found
        if found != wanted:
            raise DataFileError(
                f"{path}: expected {key} = {wanted!r}, found {found!r}; "
                "it was made by another version or configuration, delete it and run again"
            )


def _opened(path: Path, without: Sequence[str]) -> xr.Dataset:
    """Open a netCDF-4 file lazily; closing the data set closes it."""
    file = _RememberingFile(path)
    try:
        store = H5NetCDFStore(h5netcdf.File(file, "r", decode_vlen_strings=True))
        dataset = xr.open_dataset(store, drop_variables=list(without))
    except BaseException:
        file.close()
        raise
    dataset.set_close(file.close)
    return dataset


def read_dataset(
    path: Path, kind: str, expect: Mapping[str, str | int] | None = None
) -> xr.Dataset:
    """Like :func:`open_dataset`, but reads everything into memory and closes the file."""
    with open_dataset(path, kind, expect) as dataset:
        try:
            return dataset.load()
        except (OSError, RuntimeError) as error:
            raise DataFileError(
                f"{path}: a variable cannot be read, the file is damaged ({error}); "
                "delete it and run again to make it anew"
            ) from error
