"""Reading members of tar archives one after the other, without unpacking to disk.

Nothing is believed of an archive but its bytes: their number is bounded by what the archive is
meant to hold, whatever it is compressed with, and only plain files count as members.
"""

from __future__ import annotations

import bz2
import gzip
import tarfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from trainfree.errors import SourceError
from trainfree.sources.formats.reading import MIB, opened, read_at_most, too_large
from trainfree.sources.formats.wrong_files import require_folder, require_kind

_HEADER_BYTES = MIB
"""What the records that describe a member (long names) may take; names are shorter than this."""
_DESCRIBING = (
    *(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK),
    *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE),
)


@dataclass(frozen=True)
class TarBounds:
    """What an archive is meant to hold, in words, and how much that can be.

    Attributes
    ----------
    what
        The archive in words.
    folder
        The folder that the official archive's members lie in.
    members
        Number of members, wanted or not.
    member_bytes
        Size of one.
    total_bytes
        Size of all, unpacked. One that is not compressed has its size already.
    """

    what: str
    folder: str
    members: int
    member_bytes: int
    total_bytes: int


class _BoundedInfo(tarfile.TarInfo):
    """A member whose description is refused when it is large: tarfile reads it into memory."""

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        if self.type in _DESCRIBING and self.size > _HEADER_BYTES:
            raise tarfile.ReadError(f"a member's name takes {self.size:,} bytes")
        described: tarfile.TarInfo = super()._proc_member(archive)  # type: ignore[misc]
        return described


class _BoundedStream:
    """The plain bytes of an archive, whose number is bounded."""

    def __init__(self, stream: IO[bytes], bounds: TarBounds, path: Path) -> None:
        sign = stream.read(3)
        stream.seek(0)
        self._bounds, self._path, self._left = bounds, path, bounds.total_bytes
        self._stream: Any = stream
        if sign[:2] == b"\x1f\x8b":
            self._stream = gzip.GzipFile(fileobj=stream)
        elif sign == b"BZh":
            self._stream = bz2.BZ2File(stream)
        else:
            self._left = path.stat().st_size

    def read(self, size: int) -> bytes:
        data: bytes = self._stream.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise too_large(str(self._path), self._bounds.total_bytes, self._bounds.what)
        return data


def tar_members(
    path: Path, wanted: Callable[[str], bool], bounds: TarBounds
) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the content of each wanted file, in the archive's order.

    Raises
    ------
    SourceError
        When the archive is another kind of file, cannot be read, is truncated, holds more than
        ``bounds``, or holds something wanted twice or as anything but a plain file.
    """
    require_kind(path, f"{bounds.what} (a tar archive)", ("tar", "gzip", "bzip2"), ("tar",))
    require_folder(path, bounds.what, bounds.folder)
    found: set[str] = set()
    try:
        with opened(path) as stream:
            for member, content in _members(path, stream, wanted, bounds):
                if member in found:
                    raise SourceError(
                        f"{path}: {member} is in the archive twice, expected once; get a new copy"
                    )
                found.add(member)
                yield member, content
    except (tarfile.TarError, EOFError, ValueError, zlib.error, OSError) as error:
        raise SourceError(
            f"{path}: is not a complete tar archive, truncated or damaged ({error}); "
            "get a new copy of the archive"
        ) from error


def _members(
    path: Path, stream: IO[bytes], wanted: Callable[[str], bool], bounds: TarBounds
) -> Iterator[tuple[str, bytes]]:
    with _opened_tar(path, _BoundedStream(stream, bounds, path)) as archive:
        for number, member in enumerate(archive):
            if number >= bounds.members:
                raise SourceError(
                    f"{path}: expected {bounds.what}, at most {bounds.members:,} members, "
                    "found more; get it from a place you trust"
                )
            archive.members = []  # type: ignore[attr-defined]  # it keeps all it has seen
            if member.isdir() or not wanted(member.name):
                continue
            where = f"{path}: {member.name}"
            if not member.isreg() or member.issparse():
                raise SourceError(
                    f"{where}: expected a plain file, found a link, a device or a file with holes; "
                    "get the archive from a place you trust"
                )
            if member.size > bounds.member_bytes:
                raise too_large(where, bounds.member_bytes, f"a member of {bounds.what}")
            content_of = archive.extractfile(member)
            content = (
                read_at_most(content_of, member.size, where, f"a member of {bounds.what}")
                if content_of is not None
                else b""
            )
            if len(content) != member.size:
                raise SourceError(
                    f"{where} is truncated, expected {member.size} bytes, "
                    f"found {len(content)}; get a new copy of the archive"
                )
            yield member.name, content


def _opened_tar(path: Path, stream: _BoundedStream) -> tarfile.TarFile:
    """Open the archive, which reads its first header: there it shows whether it is one at all."""
    try:
        return tarfile.open(fileobj=stream, mode="r|", tarinfo=_BoundedInfo)  # type: ignore[call-overload, no-any-return]
    except tarfile.ReadError as error:
        if path.stat().st_size < tarfile.BLOCKSIZE:
            raise
        raise SourceError(
            f"{path}: is not a tar archive ({error}); check that it is the right file"
        ) from error
