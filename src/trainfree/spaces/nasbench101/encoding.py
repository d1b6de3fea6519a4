"""Cells as numbers: one bit an edge, one base-3 digit an operation, arrays of cells at once.

The edge from vertex x to vertex y > x is bit x + y(y − 1)/2, as in the published enumeration. Bits
of a graph with n vertices therefore mean the same in every larger one. The *operation code* of a
cell reads the operations of its interior vertices as base-3 digits, the first vertex's being the
most significant one, so that codes are in the order in which the published enumeration goes
through labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from trainfree.spaces.nasbench101.specification import (
    INPUT,
    MOST_VERTICES,
    OPERATIONS,
    OUTPUT,
    Matrix,
    ModelSpec,
)

Bits = NDArray[np.int64]
Codes = NDArray[np.int64]
PAIRS = tuple((x, y) for y in range(MOST_VERTICES) for x in range(y))
"""(source, target) of each bit."""


def edge_bit(source: int, target: int) -> int:
    """Return the number of the bit of an edge, ``source < target``."""
    return source + target * (target - 1) // 2


def possible_edges(vertices: int) -> int:
    """Return the number of bits of a graph."""
    return vertices * (vertices - 1) // 2


def matrix_bits(matrix: NDArray[np.int8]) -> int:
    """Return the bits of an upper triangular adjacency matrix."""
    sources, targets = np.nonzero(matrix)
    return sum(1 << edge_bit(x, y) for x, y in zip(sources.tolist(), targets.tolist(), strict=True))


def bits_matrix(vertices: int, bits: int) -> Matrix:
    """Return the adjacency matrix, (vertices, vertices), of a graph's bits."""
    matrix = np.zeros((vertices, vertices), dtype=np.int8)
    for number, (x, y) in enumerate(PAIRS[: possible_edges(vertices)]):
        matrix[x, y] = bits >> number & 1
    return matrix


def operation_code(operations: Sequence[int]) -> int:
    """Return the code of the interior operations' numbers."""
    code = 0
    for operation in operations:
        code = code * len(OPERATIONS) + operation
    return code


def code_operations(vertices: int, code: int) -> list[int]:
    """Return the numbers of the interior operations of an operation code."""
    return operation_digits(vertices)[code].tolist()  # type: ignore[no-any-return]


@cache
def operation_digits(vertices: int) -> NDArray[np.int64]:
    """Return the interior operations of every code, (3^(vertices − 2), vertices − 2)."""
    places = [len(OPERATIONS) ** place for place in reversed(range(vertices - 2))]
    codes = np.arange(len(OPERATIONS) ** (vertices - 2))
    digits = codes[:, None] // np.array(places, dtype=np.int64) % len(OPERATIONS)
    digits.flags.writeable = False  # one copy for all callers
    return digits


def specification(vertices: int, bits: int, code: int) -> ModelSpec:
    """Return the cell of a graph and an operation code."""
    operations = [OPERATIONS[number] for number in code_operations(vertices, code)]
    return ModelSpec(bits_matrix(vertices, bits), [INPUT, *operations, OUTPUT])


@cache
def relabellings(vertices: int) -> NDArray[np.int64]:
    """Return all orders of the vertices that keep input and output, (orders, vertices).

    Entry v of an order is the new number of vertex v.
    """
    interior = permutations(range(1, vertices - 1))
    return np.array([(0, *order, vertices - 1) for order in interior], dtype=np.int64)


def relabel(bits: Bits, order: Sequence[int]) -> Bits:
    """Return the bits of relabelled graphs; −1 where the result is not upper triangular."""
    vertices = len(order)
    result = np.zeros_like(bits)
    impossible = np.zeros_like(bits)
    for number, (x, y) in enumerate(PAIRS[: possible_edges(vertices)]):
        present = bits >> number & 1
        if order[x] < order[y]:
            result |= present << edge_bit(order[x], order[y])
        else:
            impossible |= present
    return np.where(impossible == 1, -1, result)


def live_vertices(bits: Bits, vertices: int) -> NDArray[np.int64]:
    """Return one bit for each vertex that is on a path from input to output; 0 without a path."""
    predecessors = [
        sum(((bits >> edge_bit(x, y) & 1) << x for x in range(y)), start=np.zeros_like(bits))
        for y in range(vertices)
    ]
    from_input = np.ones_like(bits)
    for y in range(1, vertices):
        from_input |= ((predecessors[y] & from_input) != 0).astype(np.int64) << y
    to_output = np.full_like(bits, 1 << (vertices - 1))
    for y in reversed(range(1, vertices)):
        to_output |= np.where(to_output >> y & 1, predecessors[y], 0)
    live = from_input & to_output
    return np.where(live & 1 == 1, live & from_input, 0)


def edge_count(bits: Bits) -> NDArray[np.int64]:
    """Return the number of edges of each graph."""
    return np.bitwise_count(bits).astype(np.int64)
