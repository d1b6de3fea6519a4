"""Data files as HDF5 and as xarray's data sets. Only ``storage`` imports this, when it has to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5netcdf
import h5py
import xarray as xr
from xarray.backends import H5NetCDFStore

from trainfree.errors import DamagedFileError


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
            "delete it and run again"
        )


def header_of(path: Path) -> tuple[dict[str, Any], dict[str, int]]:
    """Return the attributes of a file and the sizes of its dimensions."""
    with (
        StoredFile(path) as stored,
        h5netcdf.File(stored, "r", decode_vlen_strings=True) as file,
    ):
        attributes = {str(key): value for key, value in file.attrs.items()}
        sizes = {str(name): int(each.size) for name, each in file.dimensions.items()}
    return attributes, sizes


def opened(path: Path, without: Sequence[str]) -> xr.Dataset:
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
