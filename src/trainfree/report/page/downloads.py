"""The files behind tables and figures, in the page itself, so that it gives them to its reader.

Each is compressed (RFC 1950) and in base64; the page's script unpacks it byte for byte.
"""

from __future__ import annotations

import base64
import zlib

MOST_CHARACTERS = 1_800_000
"""Of all files together; what does not fit is named by its path."""


class Downloads:
    """The files that a page holds, by name; small ones come first where room is short."""

    def __init__(self) -> None:
        self._contents: dict[str, bytes] = {}

    def add(self, name: str, content: bytes) -> None:
        """Offer a file."""
        self._contents[name] = content

    def payload(self) -> dict[str, str]:
        """Return what the page embeds."""
        packed = {
            name: base64.b64encode(zlib.compress(content, 9)).decode()
            for name, content in self._contents.items()
        }
        left, kept = MOST_CHARACTERS, set()
        for name in sorted(packed, key=lambda name: (len(packed[name]), name)):
            left -= len(packed[name])
            if left < 0:
                break
            kept.add(name)
        return {name: packed[name] for name in packed if name in kept}
