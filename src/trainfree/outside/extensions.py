"""What users add in files of their own, and what installed packages add.

Proxies, search algorithms, spaces and image sets are added in the same two ways. A file is named
in the configuration (``proxies.extra`` and so on); a package has an entry point. What a file adds
is read from its text, so that names can be checked before anything of it is executed.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import importlib.util
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType

from trainfree.errors import ConfigError, UnknownNameError
from trainfree.outside.foreign import blamed_on, told
from trainfree.provenance import PACKAGE_ROOT, code_hash, imported_modules


@dataclass(frozen=True)
class Kind:
    """A kind of thing that can be added.

    Attributes
    ----------
    word
        What one is called in messages: "proxy".
    room
        The room it belongs to: its files are named under ``<room>.extra`` in the configuration,
        its entry points are in the group ``trainfree.<room>``.
    content
        What a file has to hold, for messages.
    declared
        Names that a file adds, from its syntax tree and its path.
    joint
        What may stand in a name beside small letters and digits; names are parts of file names.
    """

    word: str
    room: str
    content: str
    declared: Callable[[ast.Module, Path], list[str]]
    joint: str = "_"


@dataclass(frozen=True)
class _Loaded:
    """An executed file: its text, to notice edits, and what came of it."""

    text: str
    module: ModuleType


_LOADED: dict[Path, _Loaded] = {}
_FOUND: list[ModuleType] = []  # of installed packages


def known_names(kind: Kind, own: Iterable[str], files: Iterable[Path] = ()) -> list[str]:
    """Return all names of a kind: the suite's ``own``, installed ones and those of ``files``.

    Nothing is executed for this.

    Raises
    ------
    ConfigError
        When a file is missing, is no Python or adds nothing, or when a name occurs twice.
    """
    names = dict.fromkeys(own, "trainfree")
    found = [(point.name, f"the package of {point.value}") for point in installed(kind)]
    found += [(name, str(path)) for path in files for name in declared_names(kind, path)]
    for name, origin in found:
        if name in names:
            raise ConfigError(
                f"{kind.word} {name!r} of {origin} is already defined in {names[name]}; "
                "give it another name"
            )
        names[name] = origin
    return sorted(names)


def declared_names(kind: Kind, path: Path) -> list[str]:
    """Return the names that a file adds, without executing it.

    Raises
    ------
    ConfigError
        When the file is missing, is no Python or adds nothing of this kind.
    """
    names = kind.declared(_tree(path, f"{kind.room}.extra"), path)
    if not names:
        raise ConfigError(
            f"{path}: {kind.room}.extra names it; expected {kind.content}, found none"
        )
    for name in names:
        if not re.fullmatch(f"[a-z0-9{kind.joint}]+", name):
            raise ConfigError(
                f"{path}: {kind.word} {name!r}: expected a name of lower-case letters, digits and "
                f"{kind.joint!r}"
            )
    return names


def keys_of(variable: str) -> Callable[[ast.Module, Path], list[str]]:
    """Return what finds the keys of the dictionary that a file assigns to ``variable``."""

    def declared(tree: ast.Module, path: Path) -> list[str]:
        return [
            key.value
            for node in tree.body
            if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Dict)
            for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
            if isinstance(target, ast.Name) and target.id == variable
            for key in node.value.keys
            if isinstance(key, ast.Constant) and isinstance(key.value, str)
        ]

    return declared


def file_hash(path: Path) -> str:
    """Return a hash of the file's code and of what it imports of the suite.

    Comments and layout do not count.
    """
    tree = _tree(path)
    try:
        digest = hashlib.sha256(ast.dump(tree).encode("utf-8", "surrogatepass"))
        digest.update(code_hash(*imported_modules(tree)).encode())
    except RecursionError as error:
        raise ConfigError(f"{path}: its code is nested too deeply to be read") from error
    return digest.hexdigest()[:16]


def hashed(paths: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Return each file with the hash of its code."""
    return tuple((path, file_hash(Path(path))) for path in paths)


def load_files(paths: Iterable[Path]) -> None:
    """Execute files, unless that has been done and they have not changed since.

    Raises
    ------
    ConfigError
        When a file is missing or cannot be executed.
    """
    for path in paths:
        load_file(path)


def load_file(path: Path) -> ModuleType:
    """Execute a file, unless that has been done and it has not changed since; return its module.

    Raises
    ------
    ConfigError
        When the file is missing or cannot be executed.
    """
    _tree(path)
    place, text = path.resolve(), _text(path)
    if place not in _LOADED or _LOADED[place].text != text:
        module = _execute(path, place)
        _LOADED.pop(place, None)
        _LOADED[place] = _Loaded(text, module)
    return _LOADED[place].module


def find_module(kind: Kind, name: str, known: Iterable[str]) -> ModuleType:
    """Return the module of a loaded file or of an installed package that adds ``name``.

    Raises
    ------
    UnknownNameError
        When there is none; the message suggests the nearest of the ``known`` names.
    ConfigError
        When an installed package cannot be imported.
    """
    path = _loaded_file(kind, name)
    if path is not None:
        return _LOADED[path].module
    points = [point for point in installed(kind) if point.name == name]
    if not points:
        raise UnknownNameError(kind.word, name, known)
    with blamed_on(f"{kind.word} {name!r} of the installed package of {points[0].value}"):
        module: ModuleType = points[0].load()
    _FOUND.append(module)
    return module


def author_of(error: BaseException) -> str:
    """Return the file or module of others, with the line, whose code raised ``error``, else "".

    It is theirs where it was raised in their code, or in a library that their code called.
    """
    others = {str(path) for path in _LOADED} | {str(m.__file__) for m in _FOUND}
    frames = traceback.extract_tb(error.__traceback__)
    for frame in reversed(frames):
        if Path(frame.filename).is_relative_to(PACKAGE_ROOT):
            return ""
        if frame.filename in others or str(Path(frame.filename).resolve()) in others:
            return f"{frame.filename}, line {frame.lineno}"
    return ""


def outside_code(kind: Kind, names: Sequence[str]) -> dict[str, str]:
    """Return what identifies the code of those of ``names`` that are not the suite's own.

    The hash of a loaded file, or the version of an installed package, by kind and name.
    """
    files = {name: _loaded_file(kind, name) for name in names}
    hashes = {name: file_hash(path) for name, path in files.items() if path is not None}
    found = versions_of(kind, [name for name in names if name not in hashes]) | hashes
    return {f"{kind.word} {name}": found[name] for name in sorted(found)}


def versions_of(kind: Kind, names: Sequence[str]) -> dict[str, str]:
    """Return the version of the package that each installed one among ``names`` comes from."""
    points = [point for point in installed(kind) if point.name in names]
    return {
        point.name: f"{point.dist.name} {point.dist.version}" if point.dist else point.value
        for point in points
    }


def installed(kind: Kind) -> list[importlib.metadata.EntryPoint]:
    """Return the entry points of installed packages, by name."""
    return _entry_points(f"trainfree.{kind.room}", tuple(sys.path))


@cache
def _entry_points(group: str, path: tuple[str, ...]) -> list[importlib.metadata.EntryPoint]:
    """Return the entry points of a group on a search path, read once: that takes milliseconds."""
    return sorted(importlib.metadata.entry_points(group=group), key=lambda point: point.name)


def _loaded_file(kind: Kind, name: str) -> Path | None:
    """Return the file that adds ``name``, the latest if a process has read several."""
    for path in reversed(_LOADED):
        if name in kind.declared(ast.parse(_LOADED[path].text), path):
            return path
    return None


def _execute(path: Path, place: Path) -> ModuleType:
    name = f"trainfree_extra_{path.stem}_{hashlib.sha256(str(place).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"{path}: expected a Python file whose name ends in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        with blamed_on(str(path)):
            spec.loader.exec_module(module)
    except ConfigError:
        sys.modules.pop(name, None)
        raise
    sys.modules[name] = module
    return module


def _tree(path: Path, key: str = "an entry extra") -> ast.Module:
    text = _text(path, key)
    try:
        return ast.parse(text, filename=str(path))
    except (SyntaxError, ValueError) as error:  # a NUL is a ValueError before Python 3.12
        raise ConfigError(f"{path}: is not Python: {told(error)}") from error
    except (RecursionError, MemoryError) as error:
        raise ConfigError(f"{path}: its code is nested too deeply to be read") from error


def _text(path: Path, key: str = "an entry extra") -> str:
    try:
        if path.is_dir():
            raise ConfigError(f"{path}: expected a Python file, found a folder; {key} names it")
        if not path.is_file():
            raise ConfigError(f"{path}: no such file; {key} of the configuration names it")
        return path.read_text(encoding="utf-8-sig")  # some editors begin files with a mark
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not Python: expected UTF-8: {error}") from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}; {key} names it") from error
