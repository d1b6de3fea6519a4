"""What the code of a module says: its hash and its imports, found once for each source text.

Parsing the package takes longer than all else that the workflow does at a start without work. What
was found is kept beside Python's own compiled code, by the hash of the source text, so that it
cannot be out of date: an edited file is another text.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from trainfree.caches import first_writable, private_folder, user_cache

MOST_KEPT = 4000
"""Source texts; every edit is a new one. The package has a few hundred."""


class Syntax(NamedTuple):
    """The code of a source text.

    Attributes
    ----------
    imported
        Full names of what it imports, at any depth; of ``from a import b`` both ``a`` and ``a.b``.
    hash
        SHA-256 without comments, layout and docstrings.
    """

    imported: tuple[str, ...]
    hash: str


def syntax_of(source: bytes, path: Path) -> Syntax:
    """Return what the source text in ``path`` says; SyntaxError when it is no Python."""
    tree = ast.parse(source, filename=str(path))
    return Syntax(tuple(sorted(imported_names(tree))), _syntax_hash(tree))


def imported_names(tree: ast.Module) -> set[str]:
    """Return the full names of what a syntax tree imports."""
    found: set[str] = set()
    for node in _statements(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


class KeptSyntax:
    """The syntax of source texts, kept between processes.

    A file that cannot be read, is damaged or cannot be written costs the time to parse, no more.

    Parameters
    ----------
    package
        Folder of the package; ``__pycache__`` in it is tried first.
    """

    def __init__(self, package: Path) -> None:
        self._package = package
        self._new: dict[str, Syntax] = {}

    def of(self, path: Path) -> Syntax:
        """Return the syntax of a source file."""
        source = path.read_bytes()
        key = hashlib.sha256(source).hexdigest()
        found = self._kept.get(key) or self._new.get(key)
        if found is None:
            found = self._new[key] = syntax_of(source, path)
        return found

    def keep(self) -> None:
        """Write what was found since, for later processes."""
        if not self._new:
            return
        if len(self._kept) + len(self._new) > MOST_KEPT:
            self._kept.clear()
        self._kept.update(self._new)
        self._new.clear()
        folder = first_writable(self._folders)
        if folder is not None:
            with suppress(OSError):
                _write(folder / self._name, self._kept)

    @cached_property
    def _kept(self) -> dict[str, Syntax]:
        for folder in self._folders:
            if folder is not None:
                with suppress(OSError, ValueError):
                    return _read(folder / self._name)
        return {}

    @property
    def _folders(self) -> tuple[Path | None, ...]:
        beside = self._package / "__pycache__"
        return (beside, user_cache("trainfree"), private_folder("syntax"))

    @cached_property
    def _name(self) -> str:
        """Of the file: that of another Python or of another way to hash is another one."""
        made_by = hashlib.sha256(sys.version.encode() + Path(__file__).read_bytes())
        return f"syntax-{made_by.hexdigest()[:16]}.json"


def _read(path: Path) -> dict[str, Syntax]:
    check, _, text = path.read_text(encoding="utf-8").partition("\n")
    if hashlib.sha256(text.encode()).hexdigest() != check:
        raise ValueError(f"{path}: damaged")
    entries = json.loads(text).items()
    return {key: Syntax(tuple(imported), code) for key, (imported, code) in entries}


def _write(path: Path, kept: dict[str, Syntax]) -> None:
    text = json.dumps(kept, sort_keys=True)
    check = hashlib.sha256(text.encode()).hexdigest()
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        temporary.write_text(f"{check}\n{text}", encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _syntax_hash(tree: ast.Module) -> str:
    """Return a hash of the code without comments, layout and docstrings (which leave the tree)."""
    for node in (tree, *_statements(tree)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            _drop_docstring(node)
    return hashlib.sha256(_text(tree).encode()).hexdigest()


def _text(part: object) -> str:
    """Return a syntax tree as text, the same on all versions of Python.

    Versions differ in fields that are empty, in the quotes of f-strings that ``ast.unparse`` gives
    and in how they split the constant parts of these.
    """
    if isinstance(part, ast.JoinedStr):
        part = _without_splits(part)
    if isinstance(part, ast.AST):
        fields = ((name, value) for name, value in ast.iter_fields(part) if name != "kind")
        texts = (f"{name}={_text(value)}" for name, value in fields if value not in (None, []))
        return f"{type(part).__name__}({','.join(texts)})"
    if isinstance(part, list):
        return f"[{','.join(map(_text, part))}]"
    return repr(part)


def _without_splits(string: ast.JoinedStr) -> list[ast.expr | str]:
    """Return the parts of an f-string, neighbouring constants as one and no empty ones."""
    parts: list[ast.expr | str] = []
    for part in string.values:
        if not isinstance(part, ast.Constant):
            parts.append(part)
        elif parts and isinstance(parts[-1], str):
            parts[-1] += str(part.value)
        elif part.value:
            parts.append(str(part.value))
    return parts


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
