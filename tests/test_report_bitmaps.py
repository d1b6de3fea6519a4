"""Bitmaps in figures: fewer bytes, the same pixels."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from trainfree.report.style.bitmaps import pack_bitmaps


def svg_of(pixels: np.ndarray) -> str:
    written = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(written, "PNG")
    coded = base64.encodebytes(written.getvalue()).decode()
    return f'<svg><image href="data:image/png;base64,\n{coded}" y="1"/><path d="M1"/></svg>'


def pixels_of(svg: str) -> np.ndarray:
    (coded,) = re.findall(r'base64,([^"]*)"', svg)
    with Image.open(io.BytesIO(base64.b64decode(coded))) as image:
        return np.asarray(image.convert("RGBA"))


@pytest.mark.parametrize("colours", [1, 48, 256, 300])
def test_pixels_stay_as_they_are_transparent_ones_too(colours: int) -> None:
    rng = np.random.default_rng(colours)
    table = rng.permutation(256**2)[:colours]
    table = np.stack([table % 256, table // 256, rng.integers(256, size=colours)] * 2, axis=1)
    pixels = table[rng.integers(colours, size=(40, 50))][:, :, :4]
    given = svg_of(pixels)
    packed = pack_bitmaps(given)
    np.testing.assert_array_equal(pixels_of(packed), pixels)
    assert packed.endswith('" y="1"/><path d="M1"/></svg>')
    if 1 < colours <= 256:
        assert len(packed) < 0.6 * len(given)


def test_a_figure_without_bitmaps_is_untouched() -> None:
    assert pack_bitmaps("<svg><path/></svg>") == "<svg><path/></svg>"
