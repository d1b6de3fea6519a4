"""Reading and writing the suite's data files: netCDF-4/HDF5, whole or not at all.

Reading checks that the bytes are those that were written (see ``seal.py``), the kind, the schema
version and, where the caller knows them, the attributes the file must carry.
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
from trainfree.errors import DamagedFileError, DataFileError, UnreadableFileError
from trainfree.files.label import label_of
from trainfree.files.reading import cannot_be_read
from trainfree.files.seal import require_seal, seal_of
from trainfree.files.writing import write_atomically
from trainfree.provenance import canonical_json, library_versions, settings_hash

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


class StoredFile(h5py.File):  # type: ignore[misc]  # h5py has no types
    """A data file for reading that looks each name up once.

    h5netcdf asks for every variable by its path some forty times on opening; most of the time
    that tables and figures took to open their files went there.

    No lock is taken: files are moved into place whole and never changed, so one that another
    program has open is as good as any. Nothing is followed out of the file.
    """

    def __init__(self, path: Path) -> None:
        try:
            super().__init__(path, "r", locking=False)
        except OSError:  # this process has it open with locks: HDF5 wants the same of both
            super().__init__(path, "r")
        self._known: dict[str, Any] = {}
        try:
            _require_content_of_its_own(self, path)
        except BaseException:
            self.close()
            raise

    def __getitem__(self, name: Any) -> Any:
        if not isinstance(name, str):  # a reference
            return super().__getitem__(name)
        if name not in self._known:
            self._known[name] = super().__getitem__(name)
        return self._known[name]


def _require_content_of_its_own(file: h5py.File, path: Path) -> None:
    """Refuse what the suite never writes: links, groups, and data that lies in other files."""
    for name in file.id:
        link = file.id.links.get_info(name).type
        if link == h5py.h5l.TYPE_HARD:
            stored = h5py.h5o.open(file.id, name)
            if isinstance(stored, h5py.h5t.TypeID):
                continue
            if isinstance(stored, h5py.h5d.DatasetID):
                layout = stored.get_create_plist()
                inside = layout.get_external_count() == 0
                if inside and layout.get_layout() != h5py.h5d.VIRTUAL:
                    continue
        raise DamagedFileError(
            f"{path}: expected variables with their values, found the link or group "
            f"{name.decode(errors='replace')!r}; it was not written by trainfree, "
            "delete it and run again to make it anew"
        )


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
    with (
        _readable(path, kind),
        StoredFile(path) as stored,
        h5netcdf.File(stored, "r", decode_vlen_strings=True) as file,
    ):
        attributes = {str(key): value for key, value in file.attrs.items()}
        sizes = {str(name): int(each.size) for name, each in file.dimensions.items()}
    _require(path, attributes, kind)
    return attributes, sizes


@contextmanager
def open_variables(path: Path, kind: str) -> Iterator[h5py.File]:
    """Open a data file as HDF5, for readers that want single rows fast; errors say the file.

    Raises
    ------
    DataFileError
        As :func:`open_dataset`, and when a variable is not there.
    """
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


def _opened(path: Path, without: Sequence[str]) -> xr.Dataset:
    """Open a netCDF-4 file lazily; closing the data set closes it."""
    file = StoredFile(path)
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
    with open_dataset(path, kind, expect) as dataset, explained(path):
        return dataset.load()
