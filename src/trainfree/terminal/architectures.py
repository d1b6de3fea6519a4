"""Finding an architecture by any of its names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from trainfree.errors import ArchitectureError, shown
from trainfree.spaces.nasbench201.space import CellSpace
from trainfree.spaces.numbering import require_index
from trainfree.spaces.protocol import Space

if TYPE_CHECKING:
    import xarray as xr

ENCODINGS = (
    "an index (1462), a string (|nor_conv_3x3~0|+…), six operation codes (3,3,4,1,3,0) or names "
    "(none,skip_connect,…) in the order of the edges 1←0, 2←0, 2←1, 3←0, 3←1, 3←2, NASLib's codes "
    "(naslib:2,2,0,4,2,1) or the benchmark's own index (official:1462)"
)
_NUMBER = re.compile(r"[+-]?[0-9]{1,18}")  # Python refuses to read thousands of digits


def find_architecture(space: Space, text: str, benchmark: xr.Dataset | None = None) -> int:
    """Return the index of the architecture that ``text`` names.

    Parameters
    ----------
    text
        Of a cell in any of ``ENCODINGS``; tuples may stand in brackets. Of any other space its
        index, its string or its ``official:`` index.
    benchmark
        The benchmark file's content, which knows the official indices.

    Raises
    ------
    ArchitectureError
        When there is no such architecture, or the text is in no known encoding.
    """
    text = text.strip()
    if _NUMBER.fullmatch(text):
        return require_index(space, int(text))
    kind, colon, rest = text.partition(":")
    if colon and kind == "official":
        return _official(space, rest, benchmark)
    if text.startswith("|") or not isinstance(space, CellSpace):
        return space.parse(text)
    if colon and kind == "naslib":
        return space.from_naslib(_codes(rest, text))
    parts = _parts(text)
    if len(parts) == space.edges and all(_NUMBER.fullmatch(part) for part in parts):
        return space.index_of([int(part) for part in parts])
    if len(parts) == space.edges and all(part in space.operations for part in parts):
        return space.index_of([space.operations.index(part) for part in parts])
    raise ArchitectureError(
        f"architecture {shown(text)} is in no known encoding of {space.name} with its operations "
        f"{', '.join(space.operations)}; expected {ENCODINGS}"
    )


def _parts(text: str) -> list[str]:
    inner = text.strip().removeprefix("(").removeprefix("[").removesuffix(")").removesuffix("]")
    return [part.strip().strip("'\"") for part in inner.split(",")]


def _codes(text: str, whole: str) -> Sequence[int]:
    parts = _parts(text)
    if not all(_NUMBER.fullmatch(part) for part in parts):
        raise ArchitectureError(f"architecture {whole!r}: expected numbers like naslib:2,2,0,4,2,1")
    return [int(part) for part in parts]


def _official(space: Space, text: str, benchmark: xr.Dataset | None) -> int:
    if not _NUMBER.fullmatch(text.strip()):
        raise ArchitectureError(
            f"architecture 'official:{text}': expected a number after the colon"
        )
    if benchmark is None:
        raise ArchitectureError(
            f"architecture 'official:{text}': only a benchmark file knows official indices and "
            f"there is none of {space.name} yet; prepare it (snakemake), or use another encoding"
        )
    known = benchmark["official_index"].to_numpy()
    places = (known == int(text)).nonzero()[0]
    if len(places) != 1:
        found = "the file has no official indices" if (known < 0).all() else "it is not among them"
        raise ArchitectureError(
            f"architecture 'official:{text}': expected one of the benchmark's {len(known)} "
            f"official indices, but {found}; use another encoding"
        )
    return int(places[0])
