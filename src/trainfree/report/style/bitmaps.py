"""Bitmaps inside SVG figures, packed without loss.

Matplotlib writes four numbers a pixel. A density or a kernel has few colours, and one number and a
table of colours say the same in a fraction of the bytes.
"""

from __future__ import annotations

import base64
import binascii
import io
import re

import numpy as np
from PIL import Image

from trainfree.errors import DataFileError
from trainfree.report.style.png import clean_png

_EMBEDDED = re.compile(r"(data:image/png;base64,)\s*([A-Za-z0-9+/=\s]+)")
MOST_COLOURS = 256


def pack_bitmaps(svg: str) -> str:
    """Return the SVG with every embedded PNG in its shortest form, pixel for pixel the same."""

    def packed(found: re.Match[str]) -> str:
        try:
            given, _ = clean_png(base64.b64decode(found[2]), "a bitmap")
        except (DataFileError, binascii.Error):
            return found[0]  # nothing that matplotlib wrote; who shows it decides
        return found[1] + base64.b64encode(min(given, _repacked(given), key=len)).decode()

    return _EMBEDDED.sub(packed, svg)


def _repacked(png: bytes) -> bytes:
    with Image.open(io.BytesIO(png)) as image:
        pixels = np.asarray(image.convert("RGBA"))
    numbers = np.ascontiguousarray(pixels).view(np.uint32)[..., 0]
    found = np.unique(numbers)
    if len(found) > MOST_COLOURS:
        return png
    colours = found.view(np.uint8).reshape(-1, 4)
    written = io.BytesIO()
    indexed = Image.fromarray(np.searchsorted(found, numbers).astype(np.uint8), "P")
    indexed.putpalette(colours[:, :3].tobytes())
    indexed.save(written, "PNG", optimize=True, transparency=colours[:, 3].tobytes())
    return written.getvalue()
