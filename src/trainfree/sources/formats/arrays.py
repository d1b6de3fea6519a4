"""Arrays of a NumPy archive (.npz), read only when they are of the kind and size they should be."""

from __future__ import annotations

import math
import tokenize
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from trainfree.errors import SourceError
from trainfree.sources.formats.reading import UNREADABLE_ZIP, brief_error, opened, read_at_most
from trainfree.sources.formats.wrong_files import require_kind

_MALFORMED = (*UNREADABLE_ZIP, TypeError, SyntaxError, tokenize.TokenError)
_KIND_WORDS = {"u": "whole numbers", "i": "whole numbers", "f": "numbers", "b": "truth values"}


@dataclass(frozen=True)
class Wanted:
    """What an array of an archive should be.

    Attributes
    ----------
    kinds
        NumPy's letters of the kinds of number that are right, for example ``"iu"``.
    dims
        Number of dimensions.
    most_bytes
        Size of the array.
    """

    kinds: str
    dims: int
    most_bytes: int


def read_npz(path: Path, wanted: Mapping[str, Wanted], what: str) -> dict[str, npt.NDArray[Any]]:
    """Return arrays of an archive.

    Parameters
    ----------
    path
        The archive.
    wanted
        The arrays by name.
    what
        What the file should be, in words.

    Raises
    ------
    SourceError
        When the file is another kind of file, cannot be read, is damaged, or when an array is
        missing, of another kind, or larger than it can be. Nothing is unpacked that is not.
    """
    require_kind(path, what, ("npz", "zip"))
    arrays: dict[str, npt.NDArray[Any]] = {}
    try:
        with opened(path) as stream, zipfile.ZipFile(stream) as archive:
            for name, expected in wanted.items():
                arrays[name] = _array(archive, name, expected, f"{path}: expected {what}; {name}")
    except _MALFORMED as error:
        raise SourceError(
            f"{path}: expected {what}; cannot be read, damaged or truncated "
            f"({brief_error(error)}); get a new copy"
        ) from error
    return arrays


def _array(archive: zipfile.ZipFile, name: str, wanted: Wanted, where: str) -> npt.NDArray[Any]:
    info = archive.getinfo(f"{name}.npy")
    if archive.namelist().count(info.filename) > 1:
        raise SourceError(
            f"{where} is in the archive twice, expected once; get a new copy of the file"
        )
    with archive.open(info) as member:
        header_bytes, shape, fortran, dtype = _header(member)
        if dtype.kind not in wanted.kinds or len(shape) != wanted.dims:
            words = " or ".join(dict.fromkeys(_KIND_WORDS[kind] for kind in wanted.kinds))
            raise SourceError(
                f"{where} should have {wanted.dims} dimensions of {words}, "
                f"found {dtype} of shape {shape}"
            )
        size = math.prod(shape) * dtype.itemsize
        if size > wanted.most_bytes:
            raise SourceError(
                f"{where} can have {wanted.most_bytes:,} bytes, its header says {size:,}; "
                "it is not that file, or was made to fill the memory"
            )
        if info.file_size != header_bytes + size:
            raise SourceError(
                f"{where} should have {size:,} bytes by its shape {shape}, the archive holds "
                f"{info.file_size - header_bytes:,}; it is damaged, get a new copy"
            )
        content = read_at_most(member, size, where, "an array")
    if len(content) != size:
        raise SourceError(
            f"{where} should have {size:,} bytes, found {len(content):,}; get a new copy"
        )
    array = np.frombuffer(content, dtype)
    return array.reshape(shape, order="F" if fortran else "C")


def _header(member: IO[bytes]) -> tuple[int, tuple[int, ...], bool, np.dtype[Any]]:
    """Return the length of the header and what it says."""
    version = np.lib.format.read_magic(member)
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }.get(version)
    if read is None:
        raise ValueError(f"a NumPy array of the unknown version {version}")
    shape, fortran, dtype = read(member)
    if any(length < 0 for length in shape):
        raise ValueError(f"a NumPy array of the shape {shape}")
    return member.tell(), shape, fortran, dtype
