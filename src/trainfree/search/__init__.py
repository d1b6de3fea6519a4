"""Search algorithms over stored scores: one class in one file each.

An algorithm is known by the name of its module, and every module of this room that defines
``ALGORITHM`` is one. There is no list of names, so that a new algorithm touches no other's code.
Nothing heavy is imported here, so that names can be checked without loading numpy or xarray.
"""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

from trainfree.errors import UnknownNameError

if TYPE_CHECKING:
    from trainfree.search.protocol import SearchAlgorithm

ALGORITHM_NAMES: list[str] = sorted(
    path.stem
    for path in Path(__file__).parent.glob("*.py")
    if re.search(r"^ALGORITHM = ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
)

ACCURACY = "accuracy"
"""Name of the signal of a search that trains each architecture it looks at."""


def load_algorithm(name: str) -> type[SearchAlgorithm]:
    """Return the class of a search algorithm, the attribute ``ALGORITHM`` of its module.

    Raises
    ------
    UnknownNameError
        When ``name`` is not one of :data:`ALGORITHM_NAMES`.
    """
    if name not in ALGORITHM_NAMES:
        raise UnknownNameError("algorithm", name, ALGORITHM_NAMES)
    module = importlib.import_module(f"trainfree.search.{name}")
    algorithm: type[SearchAlgorithm] = module.ALGORITHM
    return algorithm
