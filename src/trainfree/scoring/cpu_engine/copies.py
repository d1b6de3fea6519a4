"""Copies of whole feature maps, or of their positive parts, with channels last."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainfree.scoring.cpu_engine.memory import empty

Floats = NDArray[Any]
"""float32 or float64."""


def shift(x: Floats, relu: bool = False) -> Floats:
    """Return a map, or its positive part, moved up and left by one pixel, zeros behind it.

    (B, height, width, C) → alike.
    """
    out = empty(x.shape, x.dtype)
    out[:, -1], out[:, :, -1] = 0, 0
    moved = x[:, 1:, 1:]
    if relu:
        np.maximum(moved, 0, out=out[:, :-1, :-1])
    else:
        out[:, :-1, :-1] = moved
    return out


def join(maps: Sequence[tuple[Floats, bool]]) -> Floats:
    """Return the channels of maps, or of their positive parts, one map behind the other.

    Parameters
    ----------
    maps
        Each (B, height, width, C), and whether its positive part is meant.
    """
    first, _ = maps[0]
    channels = sum(x.shape[3] for x, _ in maps)
    out, start = empty((*first.shape[:3], channels), first.dtype), 0
    for x, relu in maps:
        part = out[..., start : start + x.shape[3]]
        if relu:
            np.maximum(x, 0, out=part)
        else:
            part[...] = x
        start += x.shape[3]
    return out
