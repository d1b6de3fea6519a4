"""Proxies in files of the user's own, see :mod:`trainfree.outside.extensions`."""

from __future__ import annotations

import ast
from pathlib import Path

from trainfree.outside.extensions import Kind


def _declared(tree: ast.Module, path: Path) -> list[str]:
    """Return the names that ``@proxy("name", …)`` declares."""
    return [
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


def _name_of(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


PROXY = Kind(
    word="proxy",
    room="proxies",
    content='a function with @proxy("name", …) from trainfree.proxies.registry '
    "(`trainfree new-proxy NAME` writes one that works)",
    declared=_declared,
)
