"""Where a result came from: hashes of the code and of the settings that made it.

The code hash covers a module and everything of trainfree that it imports, directly or through
others, and is taken over the code without docstrings, comments and layout. The workflow puts it
into each rule's parameters, so that an edit re-runs what depends on it and nothing else, and each
data file carries it as an attribute.
"""

from __future__ import annotations

import ast
import hashlib
import json
import platform
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from trainfree.syntax import KeptSyntax, Syntax, imported_names

PACKAGE = "trainfree"
PACKAGE_ROOT = Path(__file__).parent
RECORDED_LIBRARIES = (
    *("torch", "numpy", "numba", "scipy", "scikit-learn", "pandas", "xarray", "h5py", "h5netcdf"),
)


def canonical_json(value: object) -> str:
    """Return JSON with sorted keys and no spaces: equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def settings_hash(settings: Mapping[str, Any]) -> str:
    """Return the first 16 hexadecimal digits of the SHA-256 of the canonical JSON."""
    return hashlib.sha256(canonical_json(dict(settings)).encode()).hexdigest()[:16]


def library_versions() -> dict[str, str]:
    """Return Python's version and that of each installed library that touches the numbers."""
    found = {"python": platform.python_version()}
    for name in RECORDED_LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def code_hash(*modules: str, outside: Mapping[str, str] | None = None) -> str:
    """Return a hash of the modules and of all trainfree modules they import.

    Imports are followed statically, inside functions too, so lazily imported modules count.
    Modules that are loaded by name at run time (proxies) have to be listed by the caller; code
    from outside the suite counts with the hashes or versions in ``outside``.
    """
    own = _code_hash(tuple(sorted(set(modules))))
    return settings_hash({"own": own, **outside}) if outside else own


@cache
def _code_hash(modules: tuple[str, ...]) -> str:
    digest = hashlib.sha256()
    for name in sorted(_import_closure(modules)):
        digest.update(f"{name}:{_syntax(name).hash}\n".encode())
    _kept_syntax(PACKAGE_ROOT).keep()
    return digest.hexdigest()[:16]


def _import_closure(modules: Iterable[str]) -> set[str]:
    seen: set[str] = set()
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        waiting.extend(_modules_among(_syntax(name).imported))
    return seen


@cache
def _syntax(name: str) -> Syntax:
    path = _module_path(name)
    if path is None:
        raise ModuleNotFoundError(f"no module {name!r} in {PACKAGE_ROOT}")
    return _kept_syntax(PACKAGE_ROOT).of(path)


@cache
def _kept_syntax(package: Path) -> KeptSyntax:
    return KeptSyntax(package)


@cache
def _module_path(name: str) -> Path | None:
    parts = name.split(".")[1:]
    base = PACKAGE_ROOT.joinpath(*parts)
    for candidate in (base.with_suffix(".py"), base / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


def imported_modules(tree: ast.Module) -> frozenset[str]:
    """Return the trainfree modules that a syntax tree imports."""
    return _modules_among(imported_names(tree))


def _modules_among(names: Iterable[str]) -> frozenset[str]:
    return frozenset(
        name for name in names if name.split(".")[0] == PACKAGE and _module_path(name) is not None
    )
