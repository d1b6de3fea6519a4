"""A look at a pickle before it is read, at how much it would make of how few bytes.

CPython makes room for what a pickle claims before it sees that it is not there: every index of its
memo, every length of a string. And a few bytes can nest tuples that take for ever to hash, since
each holds the one before many times. The look goes through the opcodes as the unpickler does, with
weights in place of objects.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Sequence
from typing import NamedTuple

MOST_OBJECTS = 2_000_000
"""Containers and instances; those of a data file are counted in thousands, in one in 100,000s."""
MOST_LONG_NUMBERS = 1_000
"""Whole numbers of over 64 bits; they can be chosen so that a dictionary of them never ends."""
HEAVIEST_TUPLE = 2_000
"""Numbers and texts in a tuple, with what is in tuples within it."""

_OPCODES = {ord(opcode.code): opcode for opcode in pickletools.opcodes}
_NAMES = {opcode.name: code for code, opcode in _OPCODES.items()}
_NEWLINES = {"stringnl_noescape_pair": 2}
_WIDTHS = {
    pickletools.TAKEN_FROM_ARGUMENT1: 1,
    pickletools.TAKEN_FROM_ARGUMENT4: 4,
    pickletools.TAKEN_FROM_ARGUMENT4U: 4,
    pickletools.TAKEN_FROM_ARGUMENT8U: 8,
}


def _code(*names: str) -> frozenset[int]:
    return frozenset(_NAMES[name] for name in names)


# What an opcode takes from the stack and puts there; the others put one thing.
_NO_CHANGE = _code("PROTO", "READONLY_BUFFER")
_TAKES_ONE = _code("APPEND")
_TAKES_AND_GIVES = {_NAMES["STACK_GLOBAL"]: 2, _NAMES["REDUCE"]: 2, _NAMES["NEWOBJ"]: 2} | {
    _NAMES["NEWOBJ_EX"]: 3,
    _NAMES["BINPERSID"]: 1,
}
_TAKES_TO_MARK = _code("APPENDS", "SETITEMS", "ADDITEMS")
_TAKES_TO_MARK_AND_GIVES = _code("LIST", "DICT", "INST", "OBJ", "FROZENSET")
_SMALL_TUPLES = {_NAMES["TUPLE1"]: 1, _NAMES["TUPLE2"]: 2, _NAMES["TUPLE3"]: 3}
_GETS = {_NAMES["BINGET"], _NAMES["LONG_BINGET"]}
_PUTS = {_NAMES["BINPUT"], _NAMES["LONG_BINPUT"]}
_MAKES = _code("EMPTY_LIST", "EMPTY_DICT", "EMPTY_SET", "REDUCE", "NEWOBJ", "NEWOBJ_EX") | (
    _TAKES_TO_MARK_AND_GIVES
)


_FRAME = _NAMES["FRAME"]
_LONGS = _code("LONG1", "LONG4", "LONG", "INT")


class _Tuple(NamedTuple):
    """A tuple: how much is in it, and whether it is a pair with a container or an object in it."""

    weight: int
    holding_pair: bool


_SIMPLE_THING, _FRESH, _SHARED = 1, 2, 3
"""A number, text or class; a container or object from here; one that is somewhere else, too."""
_Item = int | _Tuple


class _Look:
    """What is on the stack and in the memo. Whatever is malformed raises LookupError."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.stack: list[_Item] = []
        self.below: list[list[_Item]] = []
        self.memo: dict[int, _Item] = {}
        self.made = 0
        self.long_numbers = 0

    def put(self, index: int) -> None:
        if index > self.size:
            raise ValueError(
                f"puts something at place {index:,} of its memo, but has {self.size:,} bytes"
            )
        self.memo[index] = _shared(self.stack[-1])

    def to_mark(self) -> list[_Item]:
        items, self.stack = self.stack, self.below.pop()
        return items

    def take(self, count: int) -> list[_Item]:
        if len(self.stack) < count:
            raise LookupError
        items = self.stack[-count:]
        del self.stack[-count:]
        return items

    def give_tuple(self, items: Sequence[_Item]) -> None:
        weight = 1 + sum(item.weight if isinstance(item, _Tuple) else 1 for item in items)
        if weight > HEAVIEST_TUPLE:
            raise ValueError(f"nests tuples that would hold {weight:,} things")
        self.stack.append(
            _Tuple(weight, len(items) == 2 and not {_FRESH, _SHARED}.isdisjoint(items))
        )

    def build(self) -> None:
        """Follow BUILD, which copies a dictionary, or one of a pair, into an object.

        A dictionary that is written once could so be copied without end.
        """
        (state,) = self.take(1)
        if state == _SHARED or (isinstance(state, _Tuple) and state.holding_pair):
            raise ValueError("gives a state to an object that other objects have too")

    def count_long_number(self) -> None:
        self.long_numbers += 1
        if self.long_numbers > MOST_LONG_NUMBERS:
            raise ValueError(f"has more than {MOST_LONG_NUMBERS:,} numbers of over 64 bits")

    def step(self, code: int, number: int | None) -> None:
        """Follow an opcode whose effect is not to put one simple thing on the stack."""
        action = _ACTIONS.get(code)
        if code == _FRAME:
            _require_length(number or 0, self.size)
            return
        if code in _MAKES:
            self.made += 1
            if self.made > MOST_OBJECTS:
                raise ValueError(f"makes more than {MOST_OBJECTS:,} lists, dictionaries or objects")
        if action is not None:
            action(self)
        elif code in _SMALL_TUPLES:
            self.give_tuple(self.take(_SMALL_TUPLES[code]))
        elif code in _TAKES_AND_GIVES:
            self.take(_TAKES_AND_GIVES[code])
            self.stack.append(_FRESH if code in _MAKES else _SIMPLE_THING)
        elif code in _TAKES_ONE:
            self.take(1)
        elif code in _TAKES_TO_MARK:
            self.to_mark()
        elif code in _TAKES_TO_MARK_AND_GIVES:
            self.to_mark()
            self.stack.append(_FRESH)
        elif number is None:
            raise LookupError
        elif code in _PUTS:
            self.put(number)
        else:
            self.stack.append(self.memo[number])


def _shared(item: _Item) -> _Item:
    return _SHARED if item == _FRESH else item


def _pop(look: _Look) -> None:
    if look.stack:
        look.stack.pop()
    else:
        look.to_mark()


def _mark(look: _Look) -> None:
    look.below.append(look.stack)
    look.stack = []


_ACTIONS: dict[int, Callable[[_Look], object]] = {
    _NAMES["MARK"]: _mark,
    _NAMES["POP"]: _pop,
    _NAMES["POP_MARK"]: _Look.to_mark,
    _NAMES["DUP"]: lambda look: look.stack.append(_shared(look.stack[-1])),
    _NAMES["BUILD"]: _Look.build,
    _NAMES["TUPLE"]: lambda look: look.give_tuple(look.to_mark()),
    _NAMES["SETITEM"]: lambda look: look.take(2),
    _NAMES["EMPTY_LIST"]: lambda look: look.stack.append(_FRESH),
    _NAMES["EMPTY_DICT"]: lambda look: look.stack.append(_FRESH),
    _NAMES["EMPTY_SET"]: lambda look: look.stack.append(_FRESH),
} | {code: lambda look: None for code in _NO_CHANGE}
_STEPS = (
    frozenset(_ACTIONS)
    | frozenset(_SMALL_TUPLES)
    | frozenset(_TAKES_AND_GIVES)
    | _TAKES_ONE
    | _TAKES_TO_MARK
    | _TAKES_TO_MARK_AND_GIVES
    | frozenset(_GETS | _PUTS | {_FRAME})
)


def _forms() -> list[tuple[int, int] | None]:
    """Return for each opcode how its argument is written: (way, number of bytes or lines).

    Ways: 0, of fixed width; 1, a length of that width and as many bytes; 2, lines of text.
    """
    forms: list[tuple[int, int] | None] = [None] * 256
    for code, opcode in _OPCODES.items():
        if opcode.arg is None:
            forms[code] = (0, 0)
        elif opcode.arg.n >= 0:
            forms[code] = (0, opcode.arg.n)
        elif opcode.arg.n == pickletools.UP_TO_NEWLINE:
            forms[code] = (2, _NEWLINES.get(opcode.arg.name, 1))
        else:
            forms[code] = (1, _WIDTHS[opcode.arg.n])
    return forms


_FORMS = _forms()
_STOP, _PUT, _GET, _MEMOIZE = (_NAMES[name] for name in ("STOP", "PUT", "GET", "MEMOIZE"))
_SIMPLE = [
    1 + form[1] if form and form[0] == 0 and code not in _STEPS | {_STOP, _MEMOIZE} else 0
    for code, form in enumerate(_FORMS)
]
"""Length of each opcode of fixed length that puts one simple thing on the stack, 0 of others."""


def require_modest(content: bytes) -> None:
    """Refuse a pickle that claims, makes or nests more than a data file can need.

    Raises
    ------
    ValueError
        Naming the length, the place in the memo or the number of things; or that the pickle is
        malformed.
    """
    place, size = 0, len(content)
    look = _Look(size)
    stack = look.stack
    try:
        while place < size:
            code = content[place]
            if skip := _SIMPLE[code]:  # most opcodes are these two
                place += skip
                stack.append(_SIMPLE_THING)
                continue
            if code == _MEMOIZE:
                place += 1
                item = stack[-1]
                look.memo[len(look.memo)] = _SHARED if item is _FRESH else item
                continue
            form = _FORMS[code]
            if form is None:
                raise LookupError
            way, width = form
            begin = place + 1
            place = begin + width
            if way == 1:
                length = int.from_bytes(content[begin:place], "little")
                _require_length(length, size)
                place += length
                if length > 8 and code in _LONGS:
                    look.count_long_number()
            elif way == 2:
                place = _after_lines(content, begin, width)
                if place - begin > 20 and code in _LONGS:
                    look.count_long_number()
            if place > size:
                raise LookupError
            if code == _STOP:
                return
            if code in _STEPS:
                number = int.from_bytes(content[begin:place], "little") if width else None
                look.step(code, number)
                stack = look.stack
            elif code == _PUT:
                look.put(_decimal(content[begin : place - 1]))
            elif code == _GET:
                stack.append(look.memo[_decimal(content[begin : place - 1])])
            else:
                stack.append(_SIMPLE_THING)
    except LookupError:
        raise ValueError(f"is malformed at byte {place:,}") from None
    raise EOFError(f"ends without its last opcode, after {size:,} bytes")


def _after_lines(content: bytes, place: int, count: int) -> int:
    for _ in range(count):
        place = content.find(b"\n", place) + 1
        if not place:
            raise LookupError
    return place


def _decimal(text: bytes) -> int:
    if len(text) > 20:
        raise ValueError(f"a place in the memo of {len(text)} digits")
    return int(text)


def _require_length(length: int, size: int) -> None:
    if length > size:
        raise ValueError(f"claims a text or frame of {length:,} bytes, but has {size:,}")
