"""Search algorithms over stored scores: one class in one file each.

An algorithm is known by the name of its module. Nothing heavy is imported here, so that the
configuration can check names without loading numpy or xarray.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from trainfree.errors import UnknownNameError

if TYPE_CHECKING:
    from trainfree.search.protocol import SearchAlgorithm

ALGORITHM_NAMES: list[str] = ["random", "rea", "reinforce"]

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
