"""Zero-cost proxies: one short file each, found by name.

A proxy is a function from a :class:`~trainfree.proxies.registry.Candidate` to a number, higher
being better. Its file has its name; the registry imports it when it is asked for, so that an edit
of one proxy touches the results of no other.
"""

from __future__ import annotations

import importlib
from pathlib import Path

from trainfree.errors import UnknownNameError
from trainfree.proxies.registry import Proxy, registered

PROXY_NAMES = sorted(
    path.stem
    for path in Path(__file__).parent.glob("*.py")
    if path.stem not in ("__init__", "registry")
)


def load_proxy(name: str) -> Proxy:
    """Return the proxy called ``name``.

    Raises
    ------
    UnknownNameError
        When there is no such proxy; the message suggests the nearest name.
    """
    if name not in PROXY_NAMES:
        raise UnknownNameError("proxy", name, PROXY_NAMES)
    importlib.import_module(f"trainfree.proxies.{name}")
    return registered(name)


def module_of(name: str) -> str:
    """Return the module that holds the proxy called ``name``, for its code hash."""
    return f"trainfree.proxies.{name}"
