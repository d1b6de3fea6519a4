"""Proxies in files of the user's own."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import sys
from pathlib import Path

from trainfree.errors import ConfigError

ENTRY_POINTS = "trainfree.proxies"
"""Group of entry points under which an installed package offers proxies."""


def declared_names(path: Path) -> list[str]:
    """Return the names that ``@proxy("name", …)`` declares in a file, without executing it.

    Raises
    ------
    ConfigError
        When the file is missing, is no Python or declares no proxy.
    """
    tree = _tree(path)
    names = [
        decorator.args[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        for decorator in node.decorator_list
        if isinstance(decorator, ast.Call)
        and _name_of(decorator.func) == "proxy"
        and decorator.args
        and isinstance(decorator.args[0], ast.Constant)
        and isinstance(decorator.args[0].value, str)
    ]
    if not names:
        raise ConfigError(
            f'{path}: expected a function with @proxy("name", …) from trainfree.proxies.registry, '
            "found none; run `trainfree new-proxy NAME` for one that works"
        )
    return names


def file_hash(path: Path) -> str:
    """Return a hash of the file's code; comments and layout do not count."""
    return hashlib.sha256(ast.dump(_tree(path)).encode()).hexdigest()[:16]


def load_file(path: Path) -> None:
    """Execute a file of proxies, which registers them.

    Raises
    ------
    ConfigError
        When the file is missing or cannot be executed.
    """
    _tree(path)
    name = f"trainfree_extra_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"{path}: expected a Python file whose name ends in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (ImportError, NameError, AttributeError, TypeError, ValueError) as error:
        del sys.modules[name]
        raise ConfigError(f"{path}: {type(error).__name__}: {error}") from error


def _tree(path: Path) -> ast.Module:
    if not path.is_file():
        raise ConfigError(f"{path}: no such file; proxies.extra names files with proxies")
    try:
        return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    except (SyntaxError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is not Python: {error}") from error


def _name_of(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
