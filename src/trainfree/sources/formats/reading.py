"""Reading foreign files without trusting what they say of themselves.

Everything is read up to a bound that comes from what the file is meant to hold, never from what it
claims; and a file that may not be read is told from one that is damaged.
"""

from __future__ import annotations

import bz2
import errno
import gzip
import io
import lzma
import reprlib
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol

from trainfree.errors import SourceError

MIB = 1 << 20
_CHUNK = 1 << 20
_BRIEF = reprlib.Repr()
_BRIEF.maxlevel = 2
_BRIEF.maxstring = _BRIEF.maxother = _BRIEF.maxlong = 80

_REASONS = {
    errno.EACCES: "you are not permitted to read it; ask its owner, or change its permissions",
    errno.EPERM: "you are not permitted to read it; ask its owner, or change its permissions",
    errno.EISDIR: "it is a folder; name the file itself",
    errno.ENOTDIR: "something on the way to it is a file and no folder; check the path",
    errno.ENOENT: "it does not exist; check the path",
    errno.ELOOP: "its symbolic links lead in a circle; mend them",
    errno.ENAMETOOLONG: "its name is too long for this file system",
    errno.EMFILE: "too many files are open in this process; raise `ulimit -n`",
    errno.ENFILE: "too many files are open on this machine",
    errno.ENOMEM: "the machine has no memory left",
    errno.EIO: "the disk reports an error; check it, the file itself may be fine elsewhere",
    errno.ESTALE: "the network disk it lies on has lost it; try again",
}


UNREADABLE_ZIP = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    KeyError,  # no such member
    RuntimeError,  # an encrypted one
    NotImplementedError,  # compressed in an unknown way
    ValueError,
    OverflowError,
    MemoryError,
)
"""What a damaged zip archive raises."""


class _Reads(Protocol):
    def read(self, size: int, /) -> bytes: ...


def unreadable(path: Path, error: OSError) -> SourceError:
    """Return the error that says why the system does not hand a file over.

    Such a file is not damaged, and getting it anew would not help.
    """
    reason = _REASONS.get(error.errno or 0, f"the system says: {error.strerror or error}")
    return SourceError(f"{path}: cannot be read: {reason}")


def is_folder(path: Path) -> bool:
    """Return whether a path is a folder; raises SourceError when it may not be looked at."""
    try:
        return path.is_dir()
    except OSError as error:
        raise unreadable(path, error) from error


def is_there(path: Path) -> bool:
    """Return whether a path is a file of any kind or a folder.

    Raises
    ------
    SourceError
        When it may not be looked at, or is a symbolic link that leads nowhere.
    """
    try:
        if path.exists():
            return True
        if path.is_symlink():
            raise SourceError(
                f"{path}: is a symbolic link to {path.readlink()}, where nothing is or which leads "
                "back to it; mend the link or remove it"
            )
    except OSError as error:
        raise unreadable(path, error) from error
    return False


def brief(value: object) -> str:
    """Return a foreign value for a message: short, whatever it is."""
    return _BRIEF.repr(value)


def brief_error(error: BaseException) -> str:
    """Return the type and the text of an error that foreign data caused, both short."""
    told = ", ".join(arg if isinstance(arg, str) else brief(arg) for arg in error.args)
    return f"{type(error).__name__}: {told[:300]}" if told else type(error).__name__


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """Open a regular file for reading.

    Raises
    ------
    SourceError
        When the path is no regular file or the system does not hand it over, now or while it is
        being read.
    """
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise SourceError(f"{path}: expected a file, found a folder; name the file itself")
        if not stat.S_ISREG(status.st_mode):
            raise SourceError(
                f"{path}: expected a regular file, found a pipe, a socket or a device; "
                "name the file itself"
            )
        stream = path.open("rb")
    except OSError as error:
        raise unreadable(path, error) from error
    with stream:
        try:
            yield stream
        except OSError as error:
            if error.errno is None:  # said by a library of the content, not by the system
                raise
            raise unreadable(path, error) from error


def head_of(path: Path, size: int) -> bytes:
    """Return the first ``size`` bytes of a file; raises SourceError as :func:`opened`."""
    with opened(path) as stream:
        return stream.read(size)


def read_at_most(stream: _Reads, most: int, where: str, what: str) -> bytes:
    """Return all of a stream, which may hold ``most`` bytes.

    Parameters
    ----------
    where, what
        Name of the file, and what it is meant to hold, for the message.

    Raises
    ------
    SourceError
        When there is more; no more than ``most`` + 1 bytes are ever in memory.
    """
    parts: list[bytes] = []
    left = most + 1
    while left and (part := stream.read(min(left, _CHUNK))):
        parts.append(part)
        left -= len(part)
    if not left:
        raise too_large(where, most, what)
    return b"".join(parts)


def too_large(where: str, most: int, what: str) -> SourceError:
    """Return the error that says that a file holds more than what it is meant to hold can take."""
    return SourceError(
        f"{where}: expected {what}, at most {most:,} bytes, found more; "
        "it is not that file, or was made to fill the memory. Get it from a place you trust"
    )


def read_file(path: Path, most: int, what: str) -> bytes:
    """Return the content of a file that may hold ``most`` bytes; raises SourceError."""
    with opened(path) as stream:
        return read_at_most(stream, most, str(path), what)


def read_plain_or_gzip(path: Path, most: int, what: str) -> bytes:
    """Return the content of a file, unpacked where it is gzip'ed, of ``most`` bytes at most.

    Raises
    ------
    SourceError
        When the file cannot be read, holds more, or is no complete gzip file.
    """
    with opened(path) as stream:
        if stream.read(2) != b"\x1f\x8b":
            stream.seek(0)
            return read_at_most(stream, most, str(path), what)
        stream.seek(0)
        try:
            with gzip.GzipFile(fileobj=stream) as unpacked:
                return read_at_most(unpacked, most, str(path), what)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise SourceError(
                f"{path}: expected {what}, found an incomplete gzip file, truncated or damaged "
                f"({error}); get a new copy"
            ) from error


def unpack_bzip2(content: bytes, most: int, where: str, what: str) -> bytes:
    """Return the unpacked content of ``most`` bytes at most.

    Raises
    ------
    SourceError
        When there is more, or the content is no complete bzip2 file.
    """
    try:
        unpacker = bz2.BZ2Decompressor()
        plain = unpacker.decompress(content, most + 1)
        if unpacker.eof and not unpacker.unused_data and len(plain) <= most:
            return plain  # one stream, as it is almost always, is read at once
        with bz2.BZ2File(io.BytesIO(content)) as stream:
            return read_at_most(stream, most, where, what)
    except (OSError, ValueError, EOFError) as error:
        raise SourceError(
            f"{where}: is not a complete bzip2 file, truncated or damaged ({error}); get a new copy"
        ) from error
