"""Search algorithms over stored scores: one class in one file each.

An algorithm is known by the name of its module, and every module in algorithms/ that defines
``ALGORITHM`` is one. There is no list of names, so that a new algorithm touches no other's code.
Algorithms of others come from files that the configuration names (``search.extra``) and from
installed packages with an entry point in ``trainfree.search``.
Nothing heavy is imported here, so that names can be checked without loading numpy or xarray.
"""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from trainfree.errors import ConfigError
from trainfree.outside import extensions

if TYPE_CHECKING:
    from trainfree.search.protocol import SearchAlgorithm

ALGORITHM_NAMES: list[str] = sorted(
    path.stem
    for path in Path(__file__).parent.glob("algorithms/*.py")
    if re.search(r"^ALGORITHM = ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
)

_MEMBERS = ("settings_type", "presets", "assisted", "ask", "tell")


def algorithm_names(extra: Sequence[Path] = ()) -> list[str]:
    """Return the names of all algorithms: the suite's, installed ones and those of ``extra`` files.

    No file is executed for this.

    Raises
    ------
    ConfigError
        When an extra file is missing, is no Python or defines no algorithm, or when a name is
        there twice.
    """
    return extensions.known_names(ALGORITHM_KIND, ALGORITHM_NAMES, extra)


def load_algorithm(name: str) -> type[SearchAlgorithm]:
    """Return the class of a search algorithm, the attribute ``ALGORITHM`` of its module.

    Those of extra files are there once the files are loaded.

    Raises
    ------
    UnknownNameError
        When there is no such algorithm; the message suggests the nearest name.
    ConfigError
        When the class is no search algorithm.
    """
    module = _module(name)
    if not hasattr(module, "ALGORITHM"):
        raise ConfigError(f"{module.__file__}: expected {ALGORITHM_KIND.content}, found none")
    algorithm: type[SearchAlgorithm] = module.ALGORITHM
    if missing := [member for member in _MEMBERS if not hasattr(algorithm, member)]:
        raise ConfigError(
            f"{module.__file__}: ALGORITHM lacks {', '.join(missing)}; "
            "SearchAlgorithm in trainfree/search/protocol.py says what each of them is"
        )
    if name not in ALGORITHM_NAMES:
        from trainfree.search.checks import check_algorithm

        check_algorithm(algorithm, f"{module.__file__}: ALGORITHM")
    return algorithm


def modules_of(name: str) -> list[str]:
    """Return the module that holds the suite's algorithm ``name``, for its code hash."""
    return [f"trainfree.search.algorithms.{name}"] if name in ALGORITHM_NAMES else []


def _module(name: str) -> ModuleType:
    if name in ALGORITHM_NAMES:
        return importlib.import_module(f"trainfree.search.algorithms.{name}")
    return extensions.find_module(ALGORITHM_KIND, name, algorithm_names())


def _declared(tree: ast.Module, path: Path) -> list[str]:
    """Return the file's own name where it assigns ``ALGORITHM``."""
    assigned = {
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    return [path.stem] if "ALGORITHM" in assigned else []


ALGORITHM_KIND = extensions.Kind(
    word="algorithm",
    room="search",
    content="a class with ask and tell, and the line `ALGORITHM = ` with its name "
    "(`trainfree new-search NAME` writes one that works)",
    declared=_declared,
)
