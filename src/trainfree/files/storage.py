"""Reading and writing the suite's data files: netCDF-4/HDF5, whole or not at all.

Reading checks that the bytes are those that were written (see ``seal.py``), the kind, the schema
version and, where the caller knows them, the attributes the file must carry.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trainfree import __version__
from trainfree.errors import DataFileError, UnreadableFileError
from trainfree.files.label import label_of
from trainfree.files.reading import cannot_be_read
from trainfree.files.seal import require_seal, seal_of
from trainfree.files.writing import write_atomically
from trainfree.provenance import canonical_json, library_versions, settings_hash

if TYPE_CHECKING:
    import h5py
    import xarray as xr

SCHEMA_VERSIONS = {
    "images": 1,
    "benchmark": 1,
    "scores": 1,
    "module_scores": 1,
    "column": 1,
    "search": 1,
    "cells": 1,
    "landscape": 1,
    "hardware": 1,
    "fronts": 1,
    "draws": 1,
    "choice": 1,
    "kernels": 1,
    "ablation": 1,
    "training": 1,
    "features": 1,
    "learned": 2,
    "checkpoint": 1,
    "shipped_scores": 1,
}


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
    label = label_of(dataset.attrs)
    seal = seal_of(content, label)

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            file.writelines((content, label, seal))

    write_atomically(path, write)


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
        When the file is missing, of another kind or schema version, or has another value of an
        expected attribute.
    DamagedFileError
        When its bytes are not those that were written.
    UnreadableFileError
        When something beside it keeps it from being read.
    """
    from trainfree.files.hdf5 import opened  # slow to import, and not all who import this read

    with _readable(path, kind):
        dataset = opened(path, without)
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
    from trainfree.files.hdf5 import header_of  # as above

    with _readable(path, kind):
        attributes, sizes = header_of(path)
    _require(path, attributes, kind)
    return attributes, sizes


def read_kind(path: Path) -> str:
    """Return the kind of a data file, its attribute ``schema``; "" where it has none.

    Raises
    ------
    DataFileError
        As :func:`open_dataset`, whatever the kind.
    """
    from trainfree.files.hdf5 import header_of  # as above

    with _readable(path, "data"):
        attributes, _ = header_of(path)
    return str(attributes.get("schema", ""))


@contextmanager
def open_variables(path: Path, kind: str) -> Iterator[h5py.File]:
    """Open a data file as HDF5, for readers that want single rows fast; errors say the file.

    Raises
    ------
    DataFileError
        As :func:`open_dataset`, and when a variable is not there.
    """
    from trainfree.files.hdf5 import StoredFile  # as above

    with _readable(path, kind), StoredFile(path) as file:
        yield file


@contextmanager
def _readable(path: Path, kind: str) -> Iterator[None]:
    """Let a file be opened and read that is whole, and say what keeps it from being read."""
    require_seal(path, kind)
    with explained(path):
        yield


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Say why a file cannot be read whose bytes are those that were written."""
    try:
        yield
    except MemoryError as error:
        raise UnreadableFileError(
            f"{path}: does not fit into memory ({error}); run fewer jobs at a time"
        ) from error
    except KeyError as error:
        raise DataFileError(
            f"{path}: lacks something that it should hold ({error}); "
            "it was made by another version, delete it and run again"
        ) from error
    except (OSError, ValueError, RuntimeError, TypeError, AttributeError) as error:
        if isinstance(error, OSError) and error.errno:
            raise cannot_be_read(path, error) from error
        raise UnreadableFileError(
            f"{path}: its checksum matches, but HDF5 cannot read it ({error}); close it where it "
            "is open for writing, or see whether h5py is older than the one that wrote it"
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


def read_dataset(
    path: Path, kind: str, expect: Mapping[str, str | int] | None = None
) -> xr.Dataset:
    """Like :func:`open_dataset`, but reads everything into memory and closes the file."""
    with open_dataset(path, kind, expect) as dataset, explained(path):
        return dataset.load()
