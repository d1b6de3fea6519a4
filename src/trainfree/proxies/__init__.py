"""Zero-cost proxies: one short file each, found by name.

A proxy is a function from a :class:`~trainfree.proxies.registry.Candidate` to a number. Its file
has its name and lies in the folder of its kind; the registry imports it when it is asked for, so
that an edit of one proxy touches the results of no other. Proxies of others come from files that
the configuration names (``proxies.extra``) and from installed packages with an entry point in
``trainfree.proxies``.

Called, the package lists them: ``trainfree.proxies()``.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from trainfree.errors import TrainfreeError
from trainfree.outside import extensions
from trainfree.proxies.extra import PROXY
from trainfree.proxies.registry import (
    Proxy,
    is_registered,
    origin,
    registered,
    registered_names,
)

if TYPE_CHECKING:
    import pandas as pd

_FOLDERS = {
    path.stem: path.parent.name
    for path in Path(__file__).parent.glob("*/*.py")
    if path.stem != "__init__"
}
PROXY_NAMES = sorted(_FOLDERS)


def proxy_names(extra: Sequence[Path] = ()) -> list[str]:
    """Return the names of all proxies: the suite's, installed ones and those of ``extra`` files.

    No file of a proxy is executed for this.

    Raises
    ------
    ConfigError
        When an extra file is missing, is no Python or declares no proxy, or when a name is
        declared twice.
    """
    return extensions.known_names(PROXY, PROXY_NAMES, extra)


def load_proxy(name: str) -> Proxy:
    """Return the proxy called ``name``; those of extra files once the files are loaded.

    Raises
    ------
    UnknownNameError
        When there is no such proxy; the message suggests the nearest name.
    """
    if name in PROXY_NAMES:
        importlib.import_module(module_of(name))
        if not is_own(registered(name)):
            raise TrainfreeError(
                f"proxy {name!r} of the suite was replaced by {origin(registered(name).function)}; "
                "give that one another name"
            )
    elif not is_registered(name):
        extensions.find_module(PROXY, name, proxy_names())  # registers itself
    return registered(name)


def is_own(proxy: Proxy) -> bool:
    """Whether this is a proxy of the suite, which is known to leave alone what others share."""
    module = sys.modules.get(module_of(proxy.name)) if proxy.name in PROXY_NAMES else None
    return getattr(module, proxy.name, None) is proxy.function


def module_of(name: str) -> str:
    """Return the module that holds the suite's proxy ``name``, for its code hash."""
    return f"trainfree.proxies.{_FOLDERS[name]}.{name}"


def proxy_table() -> pd.DataFrame:
    """Return all proxies: the suite's, installed ones, and those decorated in this process.

    Returns
    -------
    pandas.DataFrame
        A row for each: ``proxy``, its name; ``kind``, its folder, or ``own``; ``needs``, what it
        asks of a candidate; ``higher_is_better``, of the value that its formula gives (scores are
        turned so that higher is better for all); ``input`` and ``weights``, what it declares, else
        empty; ``cite``, where it was published; ``summary``, its formula.

    Raises
    ------
    ConfigError
        When an installed package cannot be imported, or two define the same name.

    Examples
    --------
    >>> import trainfree
    >>> table = trainfree.proxies().set_index("proxy")
    >>> table.loc["snip", ["kind", "needs"]].tolist()
    ['saliency', 'gradients, weights']
    """
    import pandas as pd  # slow to import, and the workflow only asks for names

    rows = []
    for name in sorted({*proxy_names(), *registered_names()}):
        one = load_proxy(name)
        rows.append(
            {
                "proxy": name,
                "kind": _FOLDERS.get(name, "own"),
                "needs": ", ".join(sorted(one.needs)),
                "higher_is_better": one.higher_is_better,
                "input": one.input or "",
                "weights": one.weights or "",
                "cite": one.cite,
                "summary": next(iter((one.function.__doc__ or "").strip().splitlines()), ""),
            }
        )
    return pd.DataFrame(rows)


class _Proxies(ModuleType):
    """The package itself: ``trainfree.proxies`` is also the function of that name."""

    def __call__(self) -> pd.DataFrame:
        return proxy_table()


sys.modules[__name__].__class__ = _Proxies
