"""Configuration files and the schema: read, merged, checked, explained."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from trainfree.config.model import Config
from trainfree.errors import ConfigError, near_match


def parse_config(values: Mapping[str, Any], origin: str = "configuration") -> Config:
    """Check a mapping and fill in defaults.

    Raises
    ------
    ConfigError
        Naming ``origin``, each wrong key, what was expected and what was found.
    """
    try:
        return Config.model_validate(dict(values))
    except ValidationError as error:
        lines = [_explain(dict(detail)) for detail in error.errors()]
        raise ConfigError(f"{origin}: " + "\n  ".join(lines)) from error
    except ConfigError as error:
        raise ConfigError(f"{origin}: {error}") from error


def load_config(*paths: Path) -> Config:
    """Read YAML files, later ones over earlier ones, and check the result."""
    merged: dict[str, Any] = {}
    for path in paths:
        if not path.is_file():
            raise ConfigError(f"{path}: no such configuration file")
        try:
            values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        except yaml.YAMLError as error:
            raise ConfigError(f"{path}: is not valid YAML: {error}") from error
        if not isinstance(values, dict):
            raise ConfigError(f"{path}: expected a mapping of keys, found {type(values).__name__}")
        merged = _merge(merged, values)
    return parse_config(merged, ", ".join(map(str, paths)))


def schema_json() -> str:
    """Return the JSON Schema of the configuration as committed under ``config/schemas/``."""
    return json.dumps(Config.model_json_schema(), indent=2) + "\n"


def _merge(base: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        both_maps = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _merge(merged[key], value) if both_maps else value
    return merged


def _explain(detail: dict[str, Any]) -> str:
    location = [str(part) for part in detail["loc"]]
    key = ".".join(location)
    if detail["type"] == "extra_forbidden":
        known = _keys_of_section(location[:-1])
        hint = near_match(location[-1], known)
        return f"unknown key {key!r}{hint}; expected one of: {', '.join(known)}"
    return f"{key}: {detail['msg']}, found {detail['input']!r}"


def _keys_of_section(location: list[str]) -> list[str]:
    model: type[BaseModel] = Config
    for part in location:
        annotation = model.model_fields[part].annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            model = annotation
    return sorted(model.model_fields)
