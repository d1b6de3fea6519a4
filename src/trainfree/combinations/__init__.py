"""Several proxies as one: each part is ranked among architectures, and the ranks are combined.

One short file each, found by name: every module here that defines ``COMBINATION`` is one. A table
ranks among all architectures scored (``table.py``); a search among those that it has looked at so
far, anew with each (``history.py``). Both mean the same, which a test shows.

Nothing heavy is imported here, so that names can be checked without loading numpy or numba.
"""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

from trainfree.errors import UnknownNameError

if TYPE_CHECKING:
    from trainfree.combinations.declaration import Combination

COMBINATION_NAMES: list[str] = sorted(
    path.stem
    for path in Path(__file__).parent.glob("*.py")
    if re.search(r"^COMBINATION = ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
)


def load_combination(name: str) -> Combination:
    """Return a combination by its name.

    Raises
    ------
    UnknownNameError
        When there is no such combination; the message suggests the nearest name.
    """
    if name not in COMBINATION_NAMES:
        raise UnknownNameError("combination", name, COMBINATION_NAMES)
    combination: Combination = importlib.import_module(_module(name)).COMBINATION
    return combination


def proxies_of(signal: str) -> tuple[str, ...]:
    """Return the proxies that a signal consists of: a combination's parts, or itself."""
    return load_combination(signal).proxies if signal in COMBINATION_NAMES else (signal,)


def modules_of(signal: str) -> list[str]:
    """Return the module that declares a combination, for its code hash; none of a proxy."""
    return [_module(signal)] if signal in COMBINATION_NAMES else []


def _module(name: str) -> str:
    return f"trainfree.combinations.{name}"
