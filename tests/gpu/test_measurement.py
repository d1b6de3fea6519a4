"""Moments of maps against plain torch."""

from __future__ import annotations

import pytest
import torch

from trainfree.scoring.gpu_kernels.launches import TILE, Measurement, width_of
from trainfree.scoring.gpu_kernels.measurement import measure


@pytest.mark.parametrize("channels", [3, 16, 43, 64, 80])
@pytest.mark.parametrize(("images", "pixels"), [(1, 1), (3, 64), (5, 49)])
@pytest.mark.parametrize("relu", [False, True])
def test_moments_are_those_of_each_tile(channels, images, pixels, relu):
    torch.manual_seed(channels)
    total = images * pixels
    tiles = -(-total // TILE)
    source = torch.randn(2, total, channels) + 1
    at = [64, 64 + 32 * (-(-total * channels // 32) + 1)]
    moments_at = at[1] + 32 * (-(-total * channels // 32) + 1)
    apart = 32 * (-(-tiles * 2 * channels // 32) + 1)
    maps = torch.full((moments_at + 2 * apart,), 7.0)
    rows = []
    for place in (0, 1):
        maps[at[place] : at[place] + total * channels] = source[place].flatten()
        rows.append([at[place], moments_at + place * apart, channels])
    measure(torch.tensor(rows), Measurement(pixels, relu, width_of(channels)), maps, images)
    for place, (_, first, _) in enumerate(rows):
        size = tiles * 2 * channels
        found = maps[first : first + size].view(tiles, 2, channels)
        seen = source[place].relu() if relu else source[place]
        for tile in range(tiles):
            part = seen[tile * TILE : (tile + 1) * TILE].double()
            torch.testing.assert_close(found[tile, 0].double(), part.sum(0), rtol=1e-5, atol=1e-4)
            squares = ((part - part.mean(0)) ** 2).sum(0)
            torch.testing.assert_close(found[tile, 1].double(), squares, rtol=1e-5, atol=1e-4)
        assert (maps[first + size : first + apart] == 7.0).all()
