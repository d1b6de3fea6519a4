"""Parts of a space that correlations are looked at on: connected cells, the best tenth."""

from __future__ import annotations

import re
from functools import cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trainfree.errors import DataFileError

NO_OPERATION = "none"
_EDGE = re.compile(r"([^|~+]+)~(\d+)")
Booleans = NDArray[np.bool_]


@cache
def is_connected(architecture: str) -> bool:
    """Tell whether a cell's output depends on its input: some path has no ``none`` on it.

    Parameters
    ----------
    architecture
        ``|op~j|+|op~j|op~j|+…``: for each node after the input (node 0) its incoming edges, each
        an operation and the node it comes from; the last node is the output.

    Raises
    ------
    DataFileError
        When the text has no such form.
    """
    reached = [True]
    for node in architecture.split("+"):
        edges = _EDGE.findall(node)
        if not edges or any(int(source) >= len(reached) for _, source in edges):
            raise DataFileError(
                f"architecture {architecture!r}: expected nodes '|op~j|…' joined by '+'"
            )
        reached.append(any(op != NO_OPERATION and reached[int(source)] for op, source in edges))
    return reached[-1]


def connected(architectures: pd.Index) -> Booleans:
    """Return (arch,) whether the output of each cell depends on its input."""
    return np.array([is_connected(str(name)) for name in architectures], dtype=bool)


def best_tenth(accuracy: pd.Series) -> Booleans:
    """Return (arch,) which architectures are among the best 10 % by accuracy, ties included."""
    values = accuracy.to_numpy(dtype=np.float64)
    chosen: Booleans = values >= np.quantile(values, 0.9)
    return chosen
