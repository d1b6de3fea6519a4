"""The configuration from what gives it: files, Snakemake, a program; checked and explained."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from trainfree.config.model import Config
from trainfree.config.reading import merge, read_entries, read_file
from trainfree.config.section import keys_of
from trainfree.config.shape import check_shape
from trainfree.errors import ConfigError, near_match, shortened, shown

MOST_MISTAKES = 20


def parse_config(values: Mapping[str, Any], origin: str = "configuration") -> Config:
    """Check a mapping and fill in defaults.

    Raises
    ------
    ConfigError
        Naming ``origin``, each wrong key, what was expected and what was found.
    """
    check_shape(values, origin)
    try:
        return Config.model_validate(dict(values))
    except ValidationError as error:
        details = error.errors(include_url=False)
        lines = [_explain(dict(detail)) for detail in details[:MOST_MISTAKES]]
        if len(details) > MOST_MISTAKES:
            lines.append(f"and {len(details) - MOST_MISTAKES} more")
        raise ConfigError(f"{origin}: " + "\n  ".join(lines)) from None
    except ConfigError as error:
        raise ConfigError(f"{origin}: {error}") from error


def load_config(*paths: Path) -> Config:
    """Read YAML or JSON files, later ones over earlier ones, and check the result."""
    merged: dict[str, Any] = {}
    for path in paths:
        merged = merge(merged, read_file(path))
    return parse_config(merged, ", ".join(map(str, paths)))


def workflow_config(
    values: Mapping[str, Any], files: Iterable[str | Path], entries: Iterable[str]
) -> Config:
    """Check the configuration that Snakemake has read.

    Parameters
    ----------
    values
        Its configuration: the default file, those of ``--configfile``, and ``--config`` over them.
    files
        The files, which are read again for what Snakemake does not notice, such as a key that
        occurs twice.
    entries
        What followed ``--config``, ``KEY=VALUE`` each. Numbers inside a value of several keys
        are text in ``values``, so they are taken from here.

    Raises
    ------
    ConfigError
        Naming the file or key that is wrong.
    """
    for path in map(Path, files):
        if path.is_file():  # what Snakemake took from elsewhere is in ``values``
            read_file(path)
    given = {key: value for key, value in read_entries(entries).items() if key in values}
    return parse_config(merge(dict(values), given))


def schema_json() -> str:
    """Return the JSON Schema of the configuration as committed under ``config/schemas/``."""
    return json.dumps(Config.model_json_schema(), indent=2) + "\n"


def _explain(detail: dict[str, Any]) -> str:
    location = [str(part) for part in detail["loc"]]
    key, found = ".".join(location), detail["input"]
    if detail["type"] == "extra_forbidden":
        known = keys_of(Config, location[:-1])
        hint = near_match(location[-1], known)
        return f"unknown key {key!r}{hint}; expected one of: {', '.join(known)}"
    if detail["type"] == "missing":
        return f"{key}: {detail['msg']}, found {shown(found)}"
    return f"{key}: {detail['msg']}, found {shown(found)}{_hint(detail['type'], location, found)}"


def _hint(kind: str, location: list[str], found: Any) -> str:
    """Say how to write what was probably meant; empty where that is plain."""
    if kind == "string_type" and not isinstance(found, list | dict):
        return "; put quotes around it if it is meant as text (YAML takes no, yes, on for booleans)"
    if kind in ("model_type", "dict_type", "model_attributes_type"):
        if found is None:
            return "; leave the key out, or give it keys"
        return f"; write keys: {location[-1]}: {{key: value}}, with a space after the colon"
    if kind == "list_type":
        items = shortened(found, 60) if isinstance(found, str) else "..."
        return f"; write a list: {location[-1]}: [{items}]"
    if kind in ("int_type", "float_type") and isinstance(found, str) and _is_number(found):
        return "; write the number without quotes, and like 10000 or 1.0e+4, as YAML has it"
    return ""


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
