"""The parameters of all networks of NAS-Bench-101, counted from the cells without building any."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trainfree.spaces.nasbench101.encoding import bits_matrix, operation_digits
from trainfree.spaces.nasbench101.skeleton import (
    KERNELS,
    STACKS,
    Matrix,
    cell_widths,
    vertex_channels,
)
from trainfree.spaces.nasbench101.space import GraphCellSpace
from trainfree.spaces.nasbench101.specification import OPERATIONS


def parameter_counts(space: GraphCellSpace, classes: int) -> NDArray[np.int64]:
    """Return the number of learnable parameters of every architecture, without building any.

    Batch normalisation's scale and shift count, its statistics do not.
    """
    vertices, bits, codes = space.cells
    stem = 3 * 3 * 3 * space.stem_channels + 2 * space.stem_channels
    head = (space.stem_channels << (STACKS - 1)) * classes + classes
    result = np.full(len(space), stem + head)
    starts = np.flatnonzero(np.diff(bits + (vertices << 32), prepend=-1))
    for first, end in zip(starts.tolist(), [*starts[1:].tolist(), len(space)], strict=True):
        matrix = bits_matrix(int(vertices[first]), int(bits[first]))
        fixed, by_operation = _cell_parameters(space, matrix)
        digits = operation_digits(len(matrix))[codes[first:end]]
        result[first:end] += fixed
        for vertex in range(len(matrix) - 2):
            result[first:end] += by_operation[vertex][digits[:, vertex]]
    return result


def _cell_parameters(space: GraphCellSpace, matrix: Matrix) -> tuple[int, NDArray[np.int64]]:
    """Return the parameters of all cells of one graph.

    Returns
    -------
    fixed
        Of the projections.
    by_operation
        Of each interior vertex for each operation, (vertices − 2, operations).
    """
    fixed, last = 0, len(matrix) - 1
    by_operation = np.zeros((last - 1, len(OPERATIONS)), dtype=np.int64)
    for before, after in cell_widths(space):
        channels = vertex_channels(before, after, matrix)
        for vertex in range(1, last):
            for number, name in enumerate(OPERATIONS):
                if name in KERNELS:
                    width = channels[vertex]
                    by_operation[vertex - 1, number] += KERNELS[name] ** 2 * width**2 + 2 * width
        fixed += sum(
            before * channels[y] + 2 * channels[y] for y in range(1, last + 1) if matrix[0, y]
        )
    return fixed, by_operation
