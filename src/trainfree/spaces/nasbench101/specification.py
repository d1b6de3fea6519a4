"""A cell as its users write it: an adjacency matrix and a list of operations.

Source: Ying et al., "NAS-Bench-101: Towards Reproducible Neural Architecture Search", ICML 2019,
section 2. A cell is a directed acyclic graph with at most 7 vertices and 9 edges; vertex 0 is the
input, the last one the output, each other one an operation. A vertex that is not on a path from
input to output takes no part in the network, so it is pruned.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainfree.errors import ArchitectureError, TrainfreeError, near_match, shown
from trainfree.spaces.nasbench101.graph_hash import graph_hash

INPUT, OUTPUT = "input", "output"
CONV3X3, CONV1X1, MAXPOOL3X3 = "conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3"
OPERATIONS = (CONV3X3, CONV1X1, MAXPOOL3X3)
"""In the published order, which the hash depends on."""

MOST_VERTICES = 7
MOST_EDGES = 9

Matrix = NDArray[np.int8]


class CellFormError(ArchitectureError, ValueError):
    """A matrix or list of operations that is no cell; a ValueError as in the published package."""


class MissingPackageError(TrainfreeError, ImportError):
    """A package is needed that is not installed."""


class ModelSpec:
    """A cell, pruned to what its output depends on.

    Parameters
    ----------
    matrix
        Adjacency matrix, (vertices, vertices): 1 where an edge leads from the row's vertex to the
        column's, otherwise 0; upper triangular.
    ops
        Operation at each vertex, in the order of the matrix.
    data_format
        Kept and never read, as nothing here is built with TensorFlow.

    Attributes
    ----------
    original_matrix, original_ops
        The cell as it was given; the matrix keeps its type of number.
    matrix, ops
        The cell after pruning; None when no path leads from input to output.
    valid_spec
        Whether there is such a path.

    Raises
    ------
    CellFormError
        When the matrix is not a square upper triangular 0-1 matrix or the number of operations
        differs from that of vertices; it is an ArchitectureError and a ValueError. Rules of the
        search space are checked by :meth:`broken_rule`, since only the pruned cell has to keep
        them.
    """

    def __init__(self, matrix: Any, ops: Sequence[str], data_format: str = "channels_last") -> None:
        self.original_matrix = _checked_matrix(matrix)
        self.original_ops = list(ops)
        self.data_format = data_format
        vertices = len(self.original_matrix)
        if len(self.original_ops) != vertices:
            raise CellFormError(
                f"cell with ops {shown(self.original_ops)}: expected one operation for each of the "
                f"{vertices} vertices of the matrix, found {len(self.original_ops)}"
            )
        kept = vertices_on_paths(self.original_matrix)
        self.valid_spec = len(kept) > 0
        self.matrix: NDArray[Any] | None = None
        self.ops: list[str] | None = None
        if self.valid_spec:
            self.matrix = self.original_matrix[np.ix_(kept, kept)]
            self.ops = [self.original_ops[vertex] for vertex in kept]
        self._rule: tuple[Any, str] | None = None
        self._hash: tuple[Any, str] | None = None

    @property
    def broken_rule(self) -> str:
        """The rule of the search space that the pruned cell breaks, in words; empty when none."""
        seen = self._seen()
        if self._rule is None or self._rule[0] != seen:
            self._rule = seen, broken_rule(self.matrix, self.ops)
        return self._rule[1]

    def _seen(self) -> tuple[Any, ...]:
        """Return what rule and hash follow from: users do change a cell after they made it."""
        if self.matrix is None or self.ops is None:
            return ()
        matrix = self.matrix
        return matrix.tobytes(), matrix.shape, matrix.dtype, tuple(self.ops)

    def require_valid(self) -> tuple[Matrix, list[str]]:
        """Return the pruned matrix and operations.

        Raises
        ------
        ArchitectureError
            Naming the rule of the search space that the cell breaks.
        """
        rule = self.broken_rule
        if rule or self.matrix is None or self.ops is None:
            raise ArchitectureError(f"{shown(self, 600)} is not in NAS-Bench-101: {rule}")
        return self.matrix.astype(np.int8), self.ops

    def hash_spec(self, canonical_ops: Sequence[str] = OPERATIONS) -> str:
        """Return the published hash: equal for isomorphic cells, whatever was pruned.

        Raises
        ------
        CellFormError
            When no path leads from input to output, or an operation is not a canonical one.
        """
        if tuple(canonical_ops) != OPERATIONS:
            return _hash(self, canonical_ops)
        seen = self._seen()
        if self._hash is None or self._hash[0] != seen:
            self._hash = seen, _hash(self, OPERATIONS)
        return self._hash[1]

    def visualize(self) -> Any:
        """Return the pruned cell as a ``graphviz.Digraph``.

        Raises
        ------
        MissingPackageError
            When the Python package graphviz is not installed.
        CellFormError
            When no path leads from input to output.
        """
        try:
            graphviz = importlib.import_module("graphviz")
        except ImportError:
            raise MissingPackageError(
                "visualize: needs the Python package graphviz, which is not installed; install it "
                "(pip install graphviz), or read .matrix and .ops"
            ) from None
        if self.matrix is None or self.ops is None:
            raise CellFormError(
                f"{shown(self, 600)}: nothing to draw, no path leads from input to output"
            )
        graph = graphviz.Digraph()
        for vertex, name in enumerate([INPUT, *self.ops[1:-1], OUTPUT]):
            graph.node(str(vertex), str(name))
        for row, column in zip(*np.nonzero(self.matrix), strict=True):
            graph.edge(str(row), str(column))
        return graph

    def __repr__(self) -> str:
        rows = self.original_matrix.tolist()
        return f"ModelSpec(matrix={rows}, ops={self.original_ops})"


def broken_rule(matrix: Any, ops: Sequence[str] | None) -> str:
    """Return the rule of the search space that a pruned cell breaks, in words; empty when none."""
    if matrix is None or ops is None or not len(ops):
        return "expected a path from input to output, found none"
    edges = int(np.sum(matrix))
    if len(ops) > MOST_VERTICES:
        return f"expected at most {MOST_VERTICES} vertices, found {len(ops)}"
    if edges > MOST_EDGES:
        return f"expected at most {MOST_EDGES} edges, found {edges}"
    if ops[0] != INPUT:
        return f"expected {INPUT!r} as first operation, found {shown(ops[0])}"
    if ops[-1] != OUTPUT:
        return f"expected {OUTPUT!r} as last operation, found {shown(ops[-1])}"
    for vertex, name in enumerate(ops[1:-1], start=1):
        if name not in OPERATIONS:
            return (
                f"unknown operation {shown(name)} at vertex {vertex}"
                f"{near_match(str(name), OPERATIONS)}; known are: {', '.join(OPERATIONS)}"
            )
    return ""


def vertices_on_paths(matrix: NDArray[Any]) -> list[int]:
    """Return the vertices on paths from the first to the last, ascending; empty without a path."""
    vertices = len(matrix)
    successors = [np.flatnonzero(row).tolist() for row in matrix]
    from_input = {0}
    for vertex in range(vertices):
        if vertex in from_input:
            from_input.update(successors[vertex])
    to_output = {vertices - 1}
    for vertex in reversed(range(vertices)):
        if not to_output.isdisjoint(successors[vertex]):
            to_output.add(vertex)
    kept = sorted(from_input & to_output)
    return kept if len(kept) > 1 else []


def _checked_matrix(values: Any) -> NDArray[Any]:
    try:
        matrix = np.array(values)
    except ValueError as error:
        raise CellFormError(
            f"matrix {shown(values)}: expected rows of equal length ({error})"
        ) from error
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or len(matrix) < 2:
        raise CellFormError(
            f"matrix {shown(matrix.tolist(), 300)}: expected a square matrix of at least 2 x 2, "
            f"found shape {matrix.shape}"
        )
    if matrix.dtype == object:
        matrix = np.array([[_number(entry) for entry in row] for row in matrix])
    if matrix.dtype.kind not in "biuf" or ((matrix != 0) & (matrix != 1)).any():
        raise CellFormError(f"matrix {shown(matrix.tolist(), 300)}: expected only 0 and 1")
    rows, columns = np.nonzero(matrix)
    if (below := rows >= columns).any():
        row, column = rows[below][0], columns[below][0]
        raise CellFormError(
            f"matrix {shown(matrix.tolist(), 300)}: expected an upper triangular matrix, "
            f"found an edge from vertex {row} to vertex {column}"
        )
    return matrix


def _number(entry: Any) -> float:
    """Return an entry of a matrix of objects, NaN where it is neither 0 nor 1."""
    return int(entry) if isinstance(entry, int | float | np.number) and entry in (0, 1) else np.nan


def _hash(spec: ModelSpec, canonical_ops: Sequence[str]) -> str:
    if spec.matrix is None or spec.ops is None:
        raise CellFormError(f"{shown(spec, 600)} has no hash: no path leads from input to output")
    try:
        labels = [list(canonical_ops).index(name) for name in spec.ops[1:-1]]
    except ValueError as error:
        raise CellFormError(
            f"{shown(spec, 600)} has no hash: {error} of {canonical_ops}"
        ) from error
    return graph_hash(spec.matrix.tolist(), [-1, *labels, -2])
