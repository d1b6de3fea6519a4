"""The published hashes of many cells, and the order that the published table has by them."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from trainfree.spaces.nasbench101.encoding import bits_matrix, operation_digits
from trainfree.spaces.nasbench101.graph_hash import hash_of_neighbours

Integers = NDArray[np.integer]
Neighbours = list[list[int]]


def cell_hashes(vertices: Integers, bits: Integers, codes: Integers) -> NDArray[np.uint8]:
    """Return the published hash of each cell, (cells, 16) bytes; ten thousand take a second."""
    digests = b"".join(
        bytes.fromhex(hash_of_neighbours(*_neighbours(size, graph), [-1, *_labels(size, code), -2]))
        for size, graph, code in zip(vertices.tolist(), bits.tolist(), codes.tolist(), strict=True)
    )
    return np.frombuffer(digests, dtype=np.uint8).reshape(-1, 16)


def places_by_hash(hashes: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the place of each hash when they are sorted."""
    order = np.lexsort(hashes.T[::-1])
    places = np.empty(len(order), dtype=np.int64)
    places[order] = np.arange(len(order))
    return places


@cache
def _neighbours(vertices: int, bits: int) -> tuple[Neighbours, Neighbours]:
    matrix = bits_matrix(vertices, bits)
    return (
        [np.flatnonzero(row).tolist() for row in matrix],
        [np.flatnonzero(column).tolist() for column in matrix.T],
    )


@cache
def _labels(vertices: int, code: int) -> list[int]:
    return operation_digits(vertices)[code].tolist()  # type: ignore[no-any-return]
