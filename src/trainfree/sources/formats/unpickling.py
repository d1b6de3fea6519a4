"""Reading foreign pickles without running what they ask for.

A pickle may name any importable object and have it called. Here every name is looked up in an
explicit table; whatever is not in it is refused before anything happens. Nothing is imported, and
numpy's arrays, scalars and dtypes are rebuilt by functions of our own that check their arguments.
"""

from __future__ import annotations

import collections
import io
import math
import pickle
import re
from collections.abc import Callable, Mapping
from types import FunctionType
from typing import IO, Any

import numpy as np

from trainfree.errors import ForbiddenPickleError, SourceError
from trainfree.sources.formats.pickle_opcodes import require_modest
from trainfree.sources.formats.reading import MIB, brief, brief_error, read_at_most, unpack_bzip2
from trainfree.sources.formats.wrong_files import require_kind_of_bytes

Table = Mapping[tuple[str, str], Any]

_BYTES_MADE_OF_ONE = 8
_BYTES_AN_ENTRY = 50

MOST_BYTES = 16 * MIB
"""Unpacked size of one architecture's pickle; those of NATS-Bench have 0.1 to 0.4 MB."""

MALFORMED = (
    pickle.UnpicklingError,
    EOFError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    OverflowError,
    MemoryError,
    RuntimeError,
    SystemError,  # CPython's own word for some malformed pickles
    OSError,
)


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """Stand in for ``_codecs.encode``, which Python writes for bytes in old protocols."""
    if encoding not in ("latin1", "latin-1"):
        raise ForbiddenPickleError(f"_codecs.encode to {brief(encoding)} (only latin1 is admitted)")
    return text.encode("latin1")


class _Dtype:
    """Stands in for a numpy dtype while a pickle is read: numbers and plain strings only.

    numpy's own dtypes are shared by the whole process, and a pickle can be made to change one.
    """

    def __init__(self, code: str) -> None:
        self._code = code
        self._order: Any = "="

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, order, *composed = state
        order = order.decode("ascii") if isinstance(order, bytes) else order
        if order not in ("<", ">", "=", "|") or any(part is not None for part in composed[:3]):
            raise ValueError(f"a numpy dtype that is not a plain number: {brief(state)}")
        self._order = order

    def resolve(self) -> np.dtype[Any]:
        kind = np.dtype(self._code)
        return kind if self._order in ("=", "|") else kind.newbyteorder(self._order)


class _Array(np.ndarray[Any, Any]):
    """An array whose state is checked before numpy sees it."""

    budget: _Budget | None = None

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, fortran, raw = state
        if not isinstance(dtype, _Dtype) or not isinstance(raw, bytes):
            raise TypeError("a numpy array that does not hold plain numbers")
        kind = dtype.resolve()
        if any(length < 0 for length in shape) or math.prod(shape) * kind.itemsize != len(raw):
            raise ValueError(f"a numpy array of shape {brief(shape)} in {len(raw)} bytes")
        if self.budget is not None:
            self.budget.spend(len(raw))
        checked: Any = (1, tuple(map(int, shape)), kind, bool(fortran), raw)
        super().__setstate__(checked)


class _Budget:
    """Bytes that a pickle may still have made of what it holds already."""

    def __init__(self, content: bytes) -> None:
        self._left = _BYTES_MADE_OF_ONE * len(content) + MIB

    def spend(self, count: int) -> None:
        self._left -= count
        if self._left < 0:
            raise ValueError("makes many times as many bytes as it has")


class _Function:
    """What a pickle is given in place of a function: it can be called, and not be changed."""

    __slots__ = ("_budget", "_call")

    def __init__(self, call: Callable[..., Any], budget: _Budget) -> None:
        self._call, self._budget = call, budget

    def __call__(self, *arguments: Any) -> Any:
        if self._call is collections.OrderedDict and arguments:
            self._budget.spend(_BYTES_AN_ENTRY * len(arguments[0]))
        made = self._call(*arguments)
        if isinstance(made, _Array):
            made.budget = self._budget
        elif isinstance(made, bytes):
            self._budget.spend(len(made))
        elif isinstance(made, np.generic):
            self._budget.spend(made.nbytes)
        return made

    def __setstate__(self, state: object) -> None:
        raise TypeError("a function is given a state")


# Pickles are given functions, not these classes: a class could be changed by what it is given to.
def _dtype(code: str | bytes, align: object = False, copy: object = True) -> _Dtype:
    text = code.decode("ascii") if isinstance(code, bytes) else code
    if not _PLAIN_DTYPE.fullmatch(text):
        raise ValueError(f"a numpy dtype that is not a plain number: {brief(text)}")
    return _Dtype(text)


def _reconstruct(kind: object, shape: object, code: object) -> _Array:
    return np.zeros(0, dtype=np.uint8).view(_Array)


def _scalar(dtype: _Dtype, raw: bytes) -> Any:
    kind = dtype.resolve()
    if len(raw) != kind.itemsize:
        raise ValueError(f"a numpy scalar {kind} in {len(raw)} bytes")
    return np.frombuffer(raw, kind)[0]


_PLAIN_DTYPE = re.compile(r"[<>=|]?(b1|[iu][1248]|f[248]|c8|c16|[SU][1-9][0-9]{0,3})")

NUMPY_GLOBALS: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("_codecs", "encode"): _encode,
    ("numpy", "dtype"): _dtype,
    ("numpy", "ndarray"): "numpy.ndarray",  # only ever an argument of _reconstruct
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "scalar"): _scalar,
}


class _RestrictedUnpickler(pickle.Unpickler):
    def __init__(self, content: bytes, where: str, admitted: Table, encoding: str) -> None:
        super().__init__(io.BytesIO(content), encoding=encoding)
        self._where = where
        self._admitted = admitted
        self._budget = _Budget(content)

    def find_class(self, module: str, name: str) -> Any:
        try:
            found = self._admitted[module, name]
        except KeyError:
            raise ForbiddenPickleError(
                f"{self._where}: asks for {module[:80]}.{name[:80]}, which no data file of "
                "this kind needs; none of it was executed. Get a new copy of the file from a "
                "source you trust"
            ) from None
        if found is collections.OrderedDict or isinstance(found, FunctionType):
            return _Function(found, self._budget)
        return found


def load_pickle(
    stream: IO[bytes],
    where: str,
    admitted: Table = NUMPY_GLOBALS,
    encoding: str = "ASCII",
    most: int = MOST_BYTES,
) -> Any:
    """Read one pickle, admitting only the names in ``admitted``.

    Parameters
    ----------
    stream
        Binary stream at the beginning of the pickle.
    where
        Name of the file (and of the member of an archive) for messages.
    admitted
        What stands for each (module, name) that the pickle may ask for.
    encoding
        How byte strings of Python 2 are read; ``"bytes"`` leaves them as they are.
    most
        Bytes that the pickle may have.

    Raises
    ------
    ForbiddenPickleError
        When the pickle asks for anything else.
    SourceError
        When the bytes are another kind of file, or the pickle is malformed, truncated or makes more
        than a data file can need.
    """
    content = read_at_most(stream, most, where, "a pickle")
    require_kind_of_bytes(content, where, "a pickle", ("pickle",))
    try:
        require_modest(content)
        return _RestrictedUnpickler(content, where, admitted, encoding).load()
    except ForbiddenPickleError as error:
        if str(error).startswith(where):
            raise
        raise ForbiddenPickleError(f"{where}: asks for {error}") from error
    except MALFORMED as error:
        raise SourceError(
            f"{where}: cannot be read as a pickle, malformed or truncated "
            f"({brief_error(error)}); get a new copy of the file"
        ) from error


def load_bz2_pickle(
    content: bytes, where: str, admitted: Table = NUMPY_GLOBALS, most: int = MOST_BYTES
) -> Any:
    """Like :func:`load_pickle`, for a pickle compressed with bzip2, whose checksum is verified.

    Parameters
    ----------
    most
        Bytes that the pickle may have, unpacked.
    """
    kinds = ("bzip2", "pickle.pbz2")
    require_kind_of_bytes(content, where, "a pickle compressed with bzip2", kinds)
    plain = unpack_bzip2(content, most, where, "a pickle of one architecture")
    return load_pickle(io.BytesIO(plain), where, admitted, most=most)
