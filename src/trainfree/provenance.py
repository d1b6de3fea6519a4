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
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

PACKAGE = "trainfree"
PACKAGE_ROOT = Path(__file__).parent
RECORDED_LIBRARIES = ("torch", "numpy", "numba", "scipy", "pandas", "xarray", "h5py", "h5netcdf")


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
        digest.update(f"{name}:{_module(name).syntax_hash}\n".encode())
    return digest.hexdigest()[:16]


def _import_closure(modules: Iterable[str]) -> set[str]:
    seen: set[str] = set()
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        waiting.extend(_module(name).imported)
    return seen


class _Module(NamedTuple):
    """What is asked of a module's source: the trainfree modules it imports, and its hash."""

    imported: frozenset[str]
    syntax_hash: str


@cache
def _module(name: str) -> _Module:
    path = _module_path(name)
    if path is None:
        raise ModuleNotFoundError(f"no module {name!r} in {PACKAGE_ROOT}")
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    return _Module(imported_modules(tree), _syntax_hash(tree))


def _module_path(name: str) -> Path | None:
    parts = name.split(".")[1:]
    base = PACKAGE_ROOT.joinpath(*parts)
    for candidate in (base.with_suffix(".py"), base / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


def imported_modules(tree: ast.Module) -> frozenset[str]:
    """Return the trainfree modules that a syntax tree imports."""
    found: set[str] = set()
    for node in _statements(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return frozenset(
        module
        for module in found
        if module.split(".")[0] == PACKAGE and _module_path(module) is not None
    )


def _syntax_hash(tree: ast.Module) -> str:
    """Return a hash of the code without comments, layout and docstrings (which leave the tree)."""
    for node in (tree, *_statements(tree)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            _drop_docstring(node)
    return hashlib.sha256(ast.unparse(tree).encode()).hexdigest()


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """Yield all statements below a node without entering expressions, most of a syntax tree."""
    for block in ("body", "orelse", "finalbody", "handlers", "cases"):
        for statement in getattr(node, block, ()):
            yield statement
            yield from _statements(statement)


def _drop_docstring(
    node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef,
) -> None:
    if ast.get_docstring(node, clean=False) is not None:
        node.body = node.body[1:] or [ast.Pass()]
