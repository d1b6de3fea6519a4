"""Genotypes, as the field writes cells of DARTS (Liu et al., ICLR 2019, and its code).

``Genotype(normal=[('sep_conv_3x3', 0), …], normal_concat=[2, 3, 4, 5], reduce=[…],
reduce_concat=[…])``: two edges a node, each an operation and the state it reads. States 0 and 1
are the outputs of the two cells before; each node adds one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from trainfree.errors import ArchitectureError

OPERATIONS = (
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)
"""Those of the published space, in its order."""
NONE = "none"
"""The eighth, which a search may weigh but never choose; lists that others drew have it."""
NODES = 4
"""Nodes of a cell of the published space."""
CONCAT = tuple(range(2, 2 + NODES))
_KNOWN = frozenset({NONE, *OPERATIONS})
_MOST_NODES, _LONGEST = 10, 4096
EXAMPLE = (
    "Genotype(normal=[('sep_conv_3x3', 0), ('skip_connect', 1), …], normal_concat=[2, 3, 4, 5], "
    "reduce=[…], reduce_concat=[2, 3, 4, 5])"
)

Edge = tuple[str, int]
_LIST = r"(\[[^\[\]]*\])"
_CONCAT = r"(\[[^\[\]]*\]|range\([^()]*\))"
_WHOLE = re.compile(
    rf"Genotype\(\s*normal\s*=\s*{_LIST}\s*,\s*normal_concat\s*=\s*{_CONCAT}\s*,"
    rf"\s*reduce\s*=\s*{_LIST}\s*,\s*reduce_concat\s*=\s*{_CONCAT}\s*,?\s*\)"
)
_EDGE = re.compile(r"\(\s*(?:'([a-z0-9_]{1,20})'|\"([a-z0-9_]{1,20})\")\s*,\s*([0-9]{1,2})\s*\)")
_NUMBER = re.compile(r"[0-9]{1,2}")
_RANGE = re.compile(r"range\(\s*([0-9]{1,2})\s*,\s*([0-9]{1,2})\s*\)")


@dataclass(frozen=True)
class Cell:
    """One kind of cell.

    Attributes
    ----------
    edges
        Operation and state that it reads, two for each node.
    concat
        States whose channels, one behind the other, are the cell's output.
    """

    edges: tuple[Edge, ...]
    concat: tuple[int, ...] = CONCAT

    def nodes(self) -> Iterator[tuple[Edge, Edge]]:
        """Yield the two edges of each node."""
        return zip(self.edges[::2], self.edges[1::2], strict=True)


@dataclass(frozen=True)
class Genotype:
    """The normal cell and the one that halves the image."""

    normal: Cell
    reduce: Cell

    def __str__(self) -> str:
        """Return the field's notation, as Python prints it."""
        return (
            f"Genotype(normal={list(self.normal.edges)!r}, "
            f"normal_concat={list(self.normal.concat)!r}, "
            f"reduce={list(self.reduce.edges)!r}, reduce_concat={list(self.reduce.concat)!r})"
        )


def parse_genotype(text: str) -> Genotype:
    """Return the genotype of a text; nothing of it is evaluated.

    Texts may be spaced otherwise than :meth:`Genotype.__str__` spaces them, and write
    ``range(2, 6)`` for what is concatenated.

    Raises
    ------
    ArchitectureError
        Saying what is wrong with the text.
    """
    found = _WHOLE.fullmatch(text.strip()) if len(text) <= _LONGEST else None
    if found is None:
        raise _malformed(text, f"expected {EXAMPLE}")
    normal, normal_concat, reduce, reduce_concat = found.groups()
    return Genotype(
        _cell(text, "normal", normal, normal_concat), _cell(text, "reduce", reduce, reduce_concat)
    )


def _cell(text: str, name: str, edges: str, concat: str) -> Cell:
    parts = _items(edges, r"(?<=\))\s*,")
    matches = [_EDGE.fullmatch(part) for part in parts]
    if wrong := [part for part, match in zip(parts, matches, strict=True) if match is None]:
        raise _malformed(
            text, f"{name}: expected edges such as ('skip_connect', 0), found {wrong[0][:60]!r}"
        )
    read = tuple((each[1] or each[2], int(each[3])) for each in matches if each)
    if not 2 <= len(read) <= 2 * _MOST_NODES or len(read) % 2:
        raise _malformed(
            text,
            f"{name}: expected two edges for each of 1 to {_MOST_NODES} nodes, found {len(read)}",
        )
    for place, (operation, state) in enumerate(read):
        if operation not in _KNOWN:
            known = ", ".join(sorted(_KNOWN))
            raise _malformed(text, f"{name}: expected operations among {known}, found {operation}")
        if state > place // 2 + 1:
            raise _malformed(
                text,
                f"{name}: node {place // 2}: expected to read states before it, 0 to "
                f"{place // 2 + 1}, found {state}",
            )
    return Cell(read, _states(text, f"{name}_concat", concat, len(read) // 2))


def _states(text: str, name: str, concat: str, nodes: int) -> tuple[int, ...]:
    if bounds := _RANGE.fullmatch(concat):
        states = tuple(range(int(bounds[1]), int(bounds[2])))
    else:
        parts = [] if concat.startswith("range") else _items(concat, ",")
        states = tuple(int(part) for part in parts if _NUMBER.fullmatch(part))
        if len(states) < max(1, len(parts)):
            states = ()
    if not states or len(set(states)) < len(states) or not set(states) <= set(range(2, nodes + 2)):
        raise _malformed(
            text, f"{name}: expected different nodes, 2 to {nodes + 1}, found {concat[:60]}"
        )
    return states


def _items(listed: str, comma: str) -> list[str]:
    """Return the items of a list, whose last may have a comma behind it."""
    inner = listed[1:-1].strip().removesuffix(",")
    return [item.strip() for item in re.split(comma, inner)] if inner else []


def _malformed(text: str, words: str) -> ArchitectureError:
    return ArchitectureError(f"genotype {text[:80]!r} is malformed: {words}")
