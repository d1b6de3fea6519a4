"""The methods of weight sharing: one class in one file each, found by the file's name."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

from trainfree.errors import UnknownNameError

if TYPE_CHECKING:
    from trainfree.weight_sharing.method import Method

METHOD_NAMES: list[str] = sorted(
    path.stem
    for path in Path(__file__).parent.glob("*.py")
    if re.search(r"^METHOD = ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
)


def load_method(name: str) -> type[Method]:
    """Return the class of a method.

    Raises
    ------
    UnknownNameError
        When there is no such method; the message suggests the nearest name.
    """
    if name not in METHOD_NAMES:
        raise UnknownNameError("weight-sharing method", name, METHOD_NAMES)
    method: type[Method] = importlib.import_module(f"{__name__}.{name}").METHOD
    return method
