"""``trainfree check-config``: is a configuration valid, and what does it change."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from trainfree.config import load_config
from trainfree.errors import shortened
from trainfree.terminal.screen import Screen

_ABSENT = "–"
_LONG = 40


def show_differences(default: Path, files: Sequence[Path], screen: Screen) -> None:
    """Write that the files are valid, and each key whose value is not that of the default run.

    Parameters
    ----------
    default
        The configuration of the default run.
    files
        Those that override it, later ones winning.

    Raises
    ------
    ConfigError
        When one is wrong: names the key.
    """
    plain = load_config(default).model_dump(mode="json")
    result = load_config(default, *files).model_dump(mode="json")
    screen.line(f"ok: {', '.join(map(str, files or [default]))}")
    rows = list(_differences(plain, result))
    if rows:
        screen.title(f"Differs from {default}")
        screen.table(("key", "default", "value"), rows)
    else:
        screen.line(f"nothing differs from {default}")


def _differences(
    plain: Mapping[str, Any], result: Mapping[str, Any], above: str = ""
) -> Iterator[tuple[str, str, str]]:
    """Yield key, default and value of what differs; sections key by key."""
    for key in dict.fromkeys((*result, *plain)):
        new, old = result.get(key, _ABSENT), plain.get(key, _ABSENT)
        if new == old:
            continue
        if isinstance(new, dict) and isinstance(old, dict):
            yield from _differences(old, new, f"{above}{key}.")
        else:
            yield f"{above}{key}", shortened(_written(old), _LONG), _written(new)


def _written(value: Any) -> str:
    """Return a value as a configuration file has it; of a section what is set."""
    if value == _ABSENT:
        return _ABSENT
    if isinstance(value, dict):
        value = {key: inner for key, inner in value.items() if inner not in (None, [], {})}
    style: dict[str, Any] = {"default_flow_style": True, "width": math.inf, "sort_keys": False}
    text: str = yaml.safe_dump(value, allow_unicode=True, **style)
    return text.removesuffix("\n").removesuffix("\n...")
