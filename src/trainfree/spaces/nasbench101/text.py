"""A cell as text: each vertex after the input, joined by ``+``, with its predecessors.

For example ``conv3x3-bn-relu~0+maxpool3x3~0~1+output~1~2``.
"""

from __future__ import annotations

import re

import numpy as np

from trainfree.errors import ArchitectureError
from trainfree.spaces.nasbench101.encoding import code_operations, edge_bit
from trainfree.spaces.nasbench101.specification import INPUT, OPERATIONS, OUTPUT, ModelSpec

_EXAMPLE = "conv3x3-bn-relu~0+maxpool3x3~0~1+output~1~2"
_VERTEX = re.compile(r"([^~+]+)((?:~[0-9]+)+)")


def cell_text(vertices: int, bits: int, code: int) -> str:
    """Return the text of a cell given by number of vertices, graph bits and operation code."""
    names = [*(OPERATIONS[number] for number in code_operations(vertices, code)), OUTPUT]
    return "+".join(
        name + "".join(f"~{x}" for x in range(y) if bits >> edge_bit(x, y) & 1)
        for y, name in enumerate(names, start=1)
    )


def parsed_cell(text: str) -> ModelSpec:
    """Return the cell of a text, in the numbering of the text.

    Raises
    ------
    ArchitectureError
        Saying which part of the text is wrong.
    """
    parts = text.strip().split("+")
    matrix = np.zeros((len(parts) + 1, len(parts) + 1), dtype=np.int8)
    ops = [INPUT]
    for y, part in enumerate(parts, start=1):
        match = _VERTEX.fullmatch(part)
        if match is None:
            raise _malformed(text, f"vertex {y} as operation~vertex~vertex…", repr(part))
        ops.append(match[1])
        for x in map(int, match[2][1:].split("~")):
            if x >= y or matrix[x, y]:
                raise _malformed(text, f"vertex {y} fed once by earlier ones", repr(part))
            matrix[x, y] = 1
    return ModelSpec(matrix, ops)


def _malformed(text: str, expected: str, found: str) -> ArchitectureError:
    return ArchitectureError(
        f"architecture {text!r} is malformed: expected {expected}, found {found}; "
        f"a well-formed one is {_EXAMPLE!r}"
    )
