"""Several draws of mini-batch and weights behind one search: its runs take them in turn.

The papers draw anew in each run. Here the whole space is scored under a few draws, and run r looks
up the scores of draw r mod k.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from trainfree.search.budget import NOTHING
from trainfree.search.schema import Answers, Trace

Part = TypeVar("Part", Trace, Answers)


def draw_of_runs(runs: int, draws: int) -> xr.Variable:
    """Return the number of the draw that each run looks up, (run,)."""
    numbers = (np.arange(runs) % draws).astype(np.int32)
    return xr.Variable(("run",), numbers, {"units": "1", "long_name": "draw of the scores"})


def in_turn(parts: Sequence[Part]) -> Part:
    """Return the arrays of all draws as one, ordered by run.

    Parameters
    ----------
    parts
        Of each draw, its runs r = draw, draw + k, draw + 2 k, ...; arrays begin with (run, ...).
        Traces are padded to the longest, as after a run's end.
    """
    first = parts[0]
    if len(parts) == 1:
        return first
    fields = {name: _merged([getattr(part, name) for part in parts]) for name in first._fields}
    return type(first)(**fields)


def _merged(arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Return the rows of all arrays in turn."""
    runs = sum(len(array) for array in arrays)
    shape = np.max([array.shape[1:] for array in arrays], axis=0, initial=0).astype(int)
    kind = arrays[0].dtype
    merged = np.full((runs, *shape), NOTHING if kind.kind == "i" else np.nan, dtype=kind)
    for draw, array in enumerate(arrays):
        merged[(slice(draw, None, len(arrays)), *map(slice, array.shape[1:]))] = array
    return merged


def draws_note(draws: int) -> str:
    """Return a sentence for readers; empty for one draw."""
    if draws == 1:
        return ""
    return f" The runs share {draws} draws of mini-batch and weights, which they take in turn."
