"""Reading members of tar archives one after the other, without unpacking to disk."""

from __future__ import annotations

import lzma
import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from trainfree.errors import SourceError


def tar_members(path: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the content of each wanted regular file, in the archive's order.

    Raises
    ------
    SourceError
        When the archive is not a tar file or is truncated.
    """
    try:
        with tarfile.open(path, mode="r|*") as archive:
            for member in archive:
                if not member.isfile() or not wanted(member.name):
                    continue
                stream = archive.extractfile(member)
                content = stream.read() if stream is not None else b""
                if len(content) != member.size:
                    raise SourceError(
                        f"{path}: {member.name} is truncated, expected {member.size} bytes, "
                        f"found {len(content)}; get the archive anew"
                    )
                yield member.name, content
    except (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, OSError) as error:
        raise SourceError(
            f"{path}: is not a complete tar archive, probably truncated ({error}); "
            "get the archive anew"
        ) from error
