"""Compiled functions that are kept between processes, for exactly the code they were made of.

Numba keeps what it has compiled and looks whether the file of the function has changed. What is
expanded into a function from other files, such as the intrinsics of
``scoring/cpu_engine/simd.py``, and the constants it was compiled with are not looked at; here they
are part of the key.
"""

from __future__ import annotations

import hashlib
import logging
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import cache, cached_property
from inspect import unwrap
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numba.core import caching, config

from trainfree.caches import first_writable, private_folder, user_cache
from trainfree.provenance import PACKAGE

LOG = logging.getLogger(__name__)
Function = TypeVar("Function", bound=Callable[..., Any])
_CONFIG: Any = config
_CONSTANTS = (bool, int, float, complex, str, bytes, tuple, np.generic)


def compiled(*, nogil: bool = False) -> Callable[[Function], Function]:
    """Compile a function on its first call and keep the result for later processes.

    Parameters
    ----------
    nogil
        Whether other threads of Python go on meanwhile.
    """

    def decorate(function: Function) -> Function:
        made: Any = numba.njit(nogil=nogil)(function)
        for path in _files(map(_module_of, function.__globals__.values())):
            _file_hash(
                path
            )  # as it is while it is imported; it may be edited before the first call
        if not _CONFIG.DISABLE_JIT and code_folder(_source(function).parent) is not None:
            made._cache = _KeptCode(function)  # what numba's own cache=True does
        return cast("Function", made)

    return decorate


@cache
def code_folder(source: Path) -> Path | None:
    """Return the folder for compiled code of the files in ``source``; None where there is none.

    It is what NUMBA_CACHE_DIR names, or lies beside the source, in the user's cache, or in a
    private folder for temporary files: the first that can be written.
    """
    named = str(_CONFIG.CACHE_DIR)
    below = caching._CacheLocator.get_suitable_cache_subpath(str(source / "any.py"))
    chosen = Path(named) / below if named else None
    beside = source / "__pycache__"
    private = private_folder("compiled")
    others = [folder and folder / below for folder in (user_cache("numba"), private)]
    found = first_writable([chosen, beside, *others])
    if found is None:
        LOG.warning(
            "compiled code of %s cannot be cached, so every process compiles it again: neither %s "
            "nor a cache of this user can be written; set NUMBA_CACHE_DIR to a writable folder",
            *(source, beside),
        )
    elif found not in (chosen, beside) or (named and found != chosen):
        LOG.info("compiled code of %s is kept in %s", source, found)
    return found


class _Place(caching._CacheLocator):
    """Tells numba where the code of a function is kept, and when it is no longer the code."""

    def __init__(self, function: Callable[..., Any], source: str, folder: Path) -> None:
        self._py_file = source  # named in numba's warnings
        self._folder, self._line = folder, function.__code__.co_firstlineno

    @classmethod
    def from_function(cls, function: Callable[..., Any], source: str) -> _Place | None:
        folder = code_folder(Path(source).parent)
        return None if folder is None else cls(function, source, folder)

    def get_cache_path(self) -> str:
        return str(self._folder)

    def get_source_stamp(self) -> str:
        return _file_hash(Path(self._py_file))

    def get_disambiguator(self) -> str:
        return str(self._line)


class _CompiledFunction(caching.CompileResultCacheImpl):
    _locator_classes = [_Place]  # type: ignore[list-item]  # noqa: RUF012


class _KeptCode(caching.FunctionCache):
    """Numba's cache of one function with a key that knows all that was compiled.

    A file that cannot be read or written costs the time to compile, and no more.
    """

    _impl_class = _CompiledFunction

    @cached_property
    def _expanded(self) -> str:
        return expanded_hash(self._py_func)

    def _index_key(self, signature: Any, target: Any) -> tuple[Any, ...]:
        return (*super()._index_key(signature, target), self._expanded)

    def load_overload(self, signature: Any, target: Any) -> Any:
        try:
            return super().load_overload(signature, target)
        except Exception as error:  # noqa: BLE001  # a damaged pickle raises anything
            LOG.warning(
                "compiled code in %s cannot be read (%s: %s) and is compiled again",
                *(self.cache_path, type(error).__name__, error),
            )
            self._forget()
            return None

    def _forget(self) -> None:
        try:
            self.flush()
        except OSError:
            self.disable()

    def save_overload(self, signature: Any, made: Any) -> None:
        try:
            super().save_overload(signature, made)
        except OSError as error:
            LOG.warning("compiled code cannot be kept in %s (%s)", self.cache_path, error)
            self.disable()


def expanded_hash(function: Callable[..., Any]) -> str:
    """Return a hash of what is compiled into a function besides its own file.

    That is the files of the suite whose functions it calls, with those of the suite that these
    refer to, and the numbers and texts it takes from names of its module.
    """
    digest = hashlib.sha256()
    for text in sorted({*_constants(function), *map(_file_hash, _other_files(function))}):
        digest.update(f"{text}\n".encode())
    return digest.hexdigest()


def _constants(function: Callable[..., Any]) -> Iterator[str]:
    for one in _own_functions(function):
        for name, value in _globals_of(one):
            if isinstance(value, _CONSTANTS):
                yield f"{name} = {value!r}"
            elif isinstance(value, np.ndarray):
                yield f"{name} = {value.dtype} {hashlib.sha256(value.tobytes()).hexdigest()}"


def _other_files(function: Callable[..., Any]) -> set[Path]:
    used = (value for one in _own_functions(function) for _, value in _globals_of(one))
    return _files(origin for value in used if (origin := _module_of(value)) != function.__module__)


def _files(modules: Iterable[str | None]) -> set[Path]:
    """Return the files of modules of the suite and of those that these refer to."""
    found = {name for name in modules if name is not None}
    waiting = list(found)
    while waiting:
        for value in vars(sys.modules[waiting.pop()]).values():
            origin = _module_of(value)
            if origin is not None and origin not in found:
                found.add(origin)
                waiting.append(origin)
    return {Path(str(sys.modules[name].__file__)) for name in found}


def _own_functions(function: Callable[..., Any]) -> list[FunctionType]:
    """Return a function and those of its own module that it reaches."""
    found, waiting = [], [unwrap(function)]
    while waiting:
        one = waiting.pop()
        if isinstance(one, FunctionType) and one not in found:
            found.append(one)
            reached = (value for _, value in _globals_of(one) if callable(value))
            waiting += [unwrap(v) for v in reached if _module_of(v) == function.__module__]
    return found


def _globals_of(function: FunctionType) -> Iterator[tuple[str, Any]]:
    codes = [function.__code__]
    for code in codes:
        codes += [each for each in code.co_consts if isinstance(each, CodeType)]
        for name in code.co_names:
            if name in function.__globals__:
                yield name, function.__globals__[name]


def _module_of(value: object) -> str | None:
    """Return the module of the suite that a value is, or comes from."""
    name = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
    inside = isinstance(name, str) and name.partition(".")[0] == PACKAGE and name in sys.modules
    return name if inside else None


@cache
def _file_hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _source(function: Callable[..., Any]) -> Path:
    return Path(unwrap(function).__code__.co_filename)
