"""Parts of the space that may be scored by themselves: what a setting calls its subset.

``reachable``: cells all of whose operations matter. An operation that no path from the cell's input
reaches, or from which no path leads to its output, changes nothing but the count of parameters. Of
the 15,625 cells 9,445 have none; they are the architectures of NAS-Bench-Suite-Zero (Krishnakumar
et al., NeurIPS 2022) and of the tables that use its scores. The cell without any operation is one
of them.

``convolutions``: the 64 cells with convolutions on all six edges.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from trainfree.errors import UnknownNameError
from trainfree.spaces.nasbench201.space import EDGES, NODES, CellSpace

CONVOLUTIONS = ("nor_conv_1x1", "nor_conv_3x3")


def reachable_operations(operations: tuple[str, ...]) -> tuple[str, ...]:
    """Return the operations that are on a path from the cell's input to its output.

    Parameters
    ----------
    operations
        Names on the six edges in canonical order; ``none`` passes nothing.
    """
    carried = {edge: name for edge, name in zip(EDGES, operations, strict=True) if name != "none"}
    fed, used = {0}, {NODES - 1}
    for target in range(1, NODES):
        if any(into == target and source in fed for into, source in carried):
            fed.add(target)
    for node in reversed(range(NODES - 1)):
        if any(source == node and into in used for into, source in carried):
            used.add(node)
    return tuple(
        name for (target, source), name in carried.items() if source in fed and target in used
    )


def is_reachable(operations: tuple[str, ...]) -> bool:
    """Whether every operation of a cell is on a path from its input to its output."""
    carried = [name for name in operations if name != "none"]
    return len(reachable_operations(operations)) == len(carried)


def is_convolutional(operations: tuple[str, ...]) -> bool:
    """Whether a cell has convolutions on all six edges."""
    return all(name in CONVOLUTIONS for name in operations)


SUBSETS = {"reachable": is_reachable, "convolutions": is_convolutional}
"""The subsets of the space that may be scored, by name."""


@cache
def members(space: CellSpace, subset: str) -> NDArray[np.int64]:
    """Return the indices of the cells of a subset, ascending.

    Raises
    ------
    UnknownNameError
        When the space has no subset of that name.
    """
    if subset not in SUBSETS:
        raise UnknownNameError(f"subset of {space.name}", subset, list(SUBSETS))
    belongs = SUBSETS[subset]
    chosen = [index for index in range(len(space)) if belongs(space.operation_names(index))]
    found = np.array(chosen, dtype=np.int64)
    found.flags.writeable = False  # one array for all who ask
    return found
