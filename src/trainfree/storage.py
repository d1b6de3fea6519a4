"""Reading and writing the suite's data files: netCDF-4/HDF5, whole or not at all.

A file is written under a temporary name in its own folder and moved into place when it is
complete, so a reader never meets half a file. Reading checks the kind, the schema version and,
where the caller knows them, the attributes the file must carry.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from trainfree import __version__
from trainfree.errors import DataFileError
from trainfree.provenance import canonical_json, library_versions, settings_hash

SCHEMA_VERSIONS = {
    "images": 1,
    "benchmark": 1,
    "scores": 1,
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


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Call ``write`` with a temporary path beside ``path``, then move the file into place.

    Raises
    ------
    DataFileError
        When the file cannot be written, for example on a full disk. Nothing is left behind.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_orphans(path)
        temporary = path.with_name(f".{path.name}.{socket.gethostname()}-{os.getpid()}.part")
        try:
            write(temporary)
            with temporary.open("rb") as written:
                os.fsync(written.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise DataFileError(
            f"{path}: cannot be written ({error}); nothing was kept. "
            "Check the free disk space and the permissions of the folder, then run again"
        ) from error


def _remove_orphans(path: Path) -> None:
    """Delete temporary files of ``path`` whose writer on this machine was killed."""
    for orphan in path.parent.glob(f".{path.name}.{socket.gethostname()}-*.part"):
        pid = int(orphan.name.removesuffix(".part").rpartition("-")[2])
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            orphan.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8 with Unix line ends, whole or not at all."""
    write_atomically(path, lambda temporary: temporary.write_bytes(text.encode()))


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
    if not path.is_file():
        raise DataFileError(f"{path}: no such {kind} file; run the rule that makes it")
    try:
        dataset = xr.open_dataset(path, engine="h5netcdf", drop_variables=list(without))
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise DataFileError(
            f"{path}: is not a readable HDF5 file, probably truncated ({error}); "
            "delete it and run again to make it anew"
        ) from error
    required = {"schema": kind, "schema_version": SCHEMA_VERSIONS[kind], **(expect or {})}
    for key, wanted in required.items():
        found = dataset.attrs.get(key)
        found = found.item() if isinstance(found, np.generic) else found
        if found != wanted:
            dataset.close()
            raise DataFileError(
                f"{path}: expected {key} = {wanted!r}, found {found!r}; "
                "it was made by another version or configuration, delete it and run again"
            )
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
