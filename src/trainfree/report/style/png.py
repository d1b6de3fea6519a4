"""Bitmaps as a page takes them over: checked chunk by chunk, nothing but the picture in them."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

from trainfree.errors import DataFileError

SIGNATURE = b"\x89PNG\r\n\x1a\n"
OF_THE_PICTURE = (b"IHDR", b"PLTE", b"tRNS", b"gAMA", b"sRGB", b"IDAT", b"IEND")
MOST_PIXELS = 40_000_000  # a browser needs four bytes for each; figures of runs have 2 millions
MOST_TEXT = 1_000_000  # bytes, unpacked, of all texts together


def clean_png(content: bytes, origin: Path | str) -> tuple[bytes, dict[str, str]]:
    """Return a PNG without what is not picture, and the texts that it carries by their keywords.

    Parameters
    ----------
    content
        The bytes of the file.
    origin
        What errors name.

    Raises
    ------
    DataFileError
        When it is no PNG, damaged, or unpacks to more than a figure needs.
    """
    if not content.startswith(SIGNATURE):
        raise _bad(origin, "it does not begin as a PNG file does")
    kept, texts, room = [SIGNATURE], {}, MOST_TEXT
    kinds: set[bytes] = set()
    for kind, data, whole in _chunks(content, origin):
        if not kinds:
            _check_size(kind, data, origin)
        kinds.add(kind)
        if kind in OF_THE_PICTURE:
            kept.append(whole)
        elif kind in (b"tEXt", b"zTXt", b"iTXt"):
            keyword, text = _text(kind, data, room, origin)
            room -= len(text)
            texts[keyword] = text.decode("utf-8" if kind == b"iTXt" else "latin-1", "replace")
        if kind == b"IEND":
            break
    if not {b"IDAT", b"IEND"} <= kinds:
        raise _bad(origin, "it is cut off")
    return b"".join(kept), texts


def _chunks(content: bytes, origin: Path | str) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Yield kind, data and all bytes of each chunk, once its checksum is found right."""
    place = len(SIGNATURE)
    while place < len(content):
        head = content[place : place + 8]
        if len(head) < 8:
            raise _bad(origin, "it is cut off")
        length, kind = struct.unpack(">I4s", head)
        whole = content[place : place + 12 + length]
        if len(whole) < 12 + length:
            raise _bad(origin, f"it is cut off: a chunk claims {length:,} bytes")
        if zlib.crc32(whole[4:-4]) != int.from_bytes(whole[-4:], "big"):
            raise _bad(origin, f"the checksum of its chunk at byte {place:,} is wrong")
        yield kind, whole[8:-4], whole
        place += len(whole)


def _check_size(kind: bytes, data: bytes, origin: Path | str) -> None:
    if kind != b"IHDR" or len(data) != 13:
        raise _bad(origin, "it has no header")
    width, height = struct.unpack(">II", data[:8])
    if not 0 < width * height <= MOST_PIXELS:
        raise _bad(
            origin, f"its {width:,} × {height:,} pixels are more than {MOST_PIXELS:,}, or none"
        )


def _text(kind: bytes, data: bytes, room: int, origin: Path | str) -> tuple[str, bytes]:
    keyword, _, rest = data.partition(b"\0")
    packed = kind == b"zTXt"
    if kind == b"zTXt":
        rest = rest[1:]  # the method; there is one
    elif kind == b"iTXt":
        packed = rest[:1] == b"\1"
        rest = rest[2:].partition(b"\0")[2].partition(b"\0")[2]  # behind language and keyword
    if packed:
        try:
            rest = zlib.decompressobj().decompress(rest, room + 1)
        except zlib.error as error:
            raise _bad(origin, f"a text in it cannot be unpacked ({error})") from error
    if len(rest) > room:
        raise _bad(origin, f"the texts in it take more than {MOST_TEXT:,} bytes")
    return keyword.decode("latin-1"), rest


def _bad(origin: Path | str, reason: str) -> DataFileError:
    return DataFileError(
        f"{origin}: is not a PNG figure of trainfree: {reason}; delete it and run again"
    )
