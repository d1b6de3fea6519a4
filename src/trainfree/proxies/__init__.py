"""Zero-cost proxies: one short file each, found by name.

A proxy is a function from a :class:`~trainfree.proxies.registry.Candidate` to a number. Its file
has its name; the registry imports it when it is asked for, so that an edit of one proxy touches the
results of no other. Proxies of others come from files that the configuration names
(``proxies.extra``) and from installed packages with an entry point in ``trainfree.proxies``.
"""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Sequence
from pathlib import Path

from trainfree.errors import ConfigError, UnknownNameError
from trainfree.proxies.extra import ENTRY_POINTS, declared_names, load_file
from trainfree.proxies.registry import Proxy, is_registered, registered

PROXY_NAMES = sorted(
    path.stem
    for path in Path(__file__).parent.glob("*.py")
    if path.stem not in ("__init__", "registry", "extra", "skeleton")
)


def proxy_names(extra: Sequence[Path] = ()) -> list[str]:
    """Return the names of all proxies: the suite's, installed ones and those of ``extra`` files.

    No file of a proxy is executed for this.

    Raises
    ------
    ConfigError
        When an extra file is missing, is no Python or declares no proxy, or when a name is
        declared twice.
    """
    names = dict.fromkeys(PROXY_NAMES, "trainfree")
    found = [(point.name, f"the package of {point.value}") for point in _installed()]
    found += [(name, str(path)) for path in extra for name in declared_names(path)]
    for name, origin in found:
        if name in names:
            raise ConfigError(
                f"proxy {name!r} of {origin} is already defined in {names[name]}; "
                "give it another name"
            )
        names[name] = origin
    return sorted(names)


def load_proxy(name: str) -> Proxy:
    """Return the proxy called ``name``; those of extra files are there after ``load_extra``.

    Raises
    ------
    UnknownNameError
        When there is no such proxy; the message suggests the nearest name.
    """
    if name in PROXY_NAMES:
        importlib.import_module(module_of(name))
    elif not is_registered(name):
        points = [point for point in _installed() if point.name == name]
        if not points:
            raise UnknownNameError("proxy", name, proxy_names())
        points[0].load()
    return registered(name)


def load_extra(files: Sequence[Path]) -> None:
    """Execute the files of ``proxies.extra``, so that their proxies can be loaded by name."""
    for path in files:
        load_file(path)


def module_of(name: str) -> str:
    """Return the module that holds the suite's proxy ``name``, for its code hash."""
    return f"trainfree.proxies.{name}"


def versions_of(names: Sequence[str]) -> dict[str, str]:
    """Return the version of the package that each installed proxy among ``names`` comes from."""
    points = {point.name: point for point in _installed() if point.name in names}
    return {
        name: f"{point.dist.name} {point.dist.version}" if point.dist else point.value
        for name, point in sorted(points.items())
    }


def _installed() -> list[importlib.metadata.EntryPoint]:
    return sorted(importlib.metadata.entry_points(group=ENTRY_POINTS), key=lambda p: p.name)
