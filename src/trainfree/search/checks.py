"""Whether a search algorithm of others is one, asked when it is loaded."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields, is_dataclass
from typing import get_args

from trainfree.errors import ConfigError
from trainfree.outside.foreign import blamed_on, shown
from trainfree.search.protocol import Overshoot, Preset, make_settings


def check_algorithm(algorithm: object, where: str) -> None:
    """Look at everything that the configuration reads of an algorithm before any run.

    Raises
    ------
    ConfigError
        Naming the file and the attribute, what was expected and what was found.
    """
    with blamed_on(where):
        if not isinstance(algorithm, type):
            raise ConfigError(f"expected a class, found {shown(algorithm)}")
        if type(algorithm.assisted) is not bool:  # type: ignore[attr-defined]
            found = shown(algorithm.assisted)  # type: ignore[attr-defined]
            raise ConfigError(f"assisted: expected True or False, found {found}")
        retold = ["retell"] if hasattr(algorithm, "retell") else []
        for method in ("ask", "tell", *retold):
            if not inspect.isfunction(getattr(algorithm, method)):
                raise ConfigError(f"{method}: expected a method, found {shown(method)}")
            if inspect.iscoroutinefunction(getattr(algorithm, method)):
                raise ConfigError(f"{method}: expected a plain method, found an async one")
        _check_settings(algorithm)
        _check_presets(algorithm)


def _check_settings(algorithm: type) -> None:
    kind = algorithm.settings_type  # type: ignore[attr-defined]
    if not isinstance(kind, type) or not is_dataclass(kind):
        raise ConfigError(f"settings_type: expected a frozen dataclass, found {shown(kind)}")
    for field in fields(kind):
        if field.default is MISSING and field.default_factory is MISSING:
            raise ConfigError(f"settings_type: {field.name}: expected a default, found none")
    if not kind.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        raise ConfigError("settings_type: expected a frozen dataclass: @dataclass(frozen=True)")
    try:
        json.dumps(asdict(kind()), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"settings_type: expected defaults that a configuration can hold: {error}"
        ) from error


def _check_presets(algorithm: type) -> None:
    presets = algorithm.presets  # type: ignore[attr-defined]
    if not isinstance(presets, Mapping):
        raise ConfigError(f"presets: expected a dictionary of Presets, found {shown(presets)}")
    for name, preset in presets.items():
        where = f"presets[{shown(name)}]"
        if type(name) is not str or type(preset) is not Preset:
            raise ConfigError(f"{where}: expected a Preset by name, found {shown(preset)}")
        if preset.overshoot not in get_args(Overshoot):
            rules = ", ".join(get_args(Overshoot))
            raise ConfigError(
                f"{where}.overshoot: expected one of {rules}, found {shown(preset.overshoot)}"
            )
        make_settings(where, algorithm, preset.settings)
