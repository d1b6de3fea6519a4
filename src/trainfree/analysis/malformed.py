"""What is wrong with an entry of a file of published numbers, in a line."""

from __future__ import annotations

from typing import Any


def explained(detail: dict[str, Any], content: Any) -> str:
    """Return one line on a malformed entry; entries of lists count from one."""
    location = list(detail["loc"])
    if len(location) > 1 and location[0] == "cells":
        place = f"entry {int(location[1]) + 1} of cells: {'.'.join(map(str, location[2:]))}"
    else:
        place = ".".join(map(str, location)) or "the file"
    found = "" if detail["type"] == "missing" else f", found {detail['input']!r}"
    if detail["type"] == "extra_forbidden":
        return f"{place}: no such key"
    if not isinstance(content, dict):
        return f"expected a mapping of keys, found {type(content).__name__}"
    return f"{place}: {detail['msg']}{found}"
