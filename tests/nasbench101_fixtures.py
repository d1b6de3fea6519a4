"""Cells for the tests of NAS-Bench-101."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from trainfree.spaces.nasbench101.specification import INPUT, OPERATIONS, OUTPUT, ModelSpec

C3, C1, MP = OPERATIONS

# The cell of the published example (Inception-like, its 5 x 5 convolution as two 3 x 3 ones).
INCEPTION_MATRIX = [
    [0, 1, 1, 1, 0, 1, 0],
    [0, 0, 0, 0, 0, 0, 1],
    [0, 0, 0, 0, 0, 0, 1],
    [0, 0, 0, 0, 1, 0, 0],
    [0, 0, 0, 0, 0, 0, 1],
    [0, 0, 0, 0, 0, 0, 1],
    [0, 0, 0, 0, 0, 0, 0],
]
INCEPTION_OPS = [INPUT, C1, C3, C3, C3, MP, OUTPUT]
# The same cell as the published table has it, from the output printed with the example.
INCEPTION_AS_STORED = (
    [
        [0, 1, 1, 1, 1, 0, 0],
        [0, 0, 0, 0, 0, 0, 1],
        [0, 0, 0, 0, 0, 0, 1],
        [0, 0, 0, 0, 0, 0, 1],
        [0, 0, 0, 0, 0, 1, 0],
        [0, 0, 0, 0, 0, 0, 1],
        [0, 0, 0, 0, 0, 0, 0],
    ],
    [INPUT, C3, C1, MP, C3, C3, OUTPUT],
)
INCEPTION_PARAMS = 2694282


def inception() -> ModelSpec:
    return ModelSpec(matrix=INCEPTION_MATRIX, ops=INCEPTION_OPS)


@st.composite
def encodings(draw, most_vertices=7):
    """Return any upper triangular matrix with operations, in the space or not."""
    vertices = draw(st.integers(2, most_vertices))
    matrix = np.zeros((vertices, vertices), dtype=int)
    upper = np.triu_indices(vertices, 1)
    count = len(upper[0])
    matrix[upper] = draw(st.lists(st.integers(0, 1), min_size=count, max_size=count))
    interior = st.lists(st.sampled_from(OPERATIONS), min_size=vertices - 2, max_size=vertices - 2)
    return matrix, [INPUT, *draw(interior), OUTPUT]


def valid_specs():
    """Return cells of the space, perhaps with vertices to be pruned."""
    return (
        encodings().map(lambda cell: ModelSpec(*cell)).filter(lambda spec: spec.broken_rule == "")
    )


def relabelled(matrix, ops, order):
    """Return the cell with vertex v renamed to order[v], without asking for a triangle."""
    matrix = np.asarray(matrix)
    result = np.zeros_like(matrix)
    result[np.ix_(order, order)] = matrix
    names = [""] * len(ops)
    for old, new in enumerate(order):
        names[new] = ops[old]
    return result, names
