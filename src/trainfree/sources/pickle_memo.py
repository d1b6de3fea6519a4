"""A look at a pickle before it is read, at how far into its memo it reaches.

CPython makes room for every index up to the one a pickle puts, so four damaged bytes can ask for
gigabytes. A pickle that was written by a pickler puts less often than it has bytes.
"""

from __future__ import annotations

import pickletools

_OPCODES = {ord(opcode.code): opcode for opcode in pickletools.opcodes}
_FIXED = {
    code: opcode.arg.n if opcode.arg is not None else 0
    for code, opcode in _OPCODES.items()
    if opcode.arg is None or opcode.arg.n >= 0
}
_COUNTED = {
    code: {
        pickletools.TAKEN_FROM_ARGUMENT1: 1,
        pickletools.TAKEN_FROM_ARGUMENT4: 4,
        pickletools.TAKEN_FROM_ARGUMENT4U: 4,
        pickletools.TAKEN_FROM_ARGUMENT8U: 8,
    }[opcode.arg.n]
    for code, opcode in _OPCODES.items()
    if opcode.arg is not None and opcode.arg.n < pickletools.UP_TO_NEWLINE
}
_LINES = {
    code: 2 if opcode.arg.name == "stringnl_noescape_pair" else 1
    for code, opcode in _OPCODES.items()
    if opcode.arg is not None and opcode.arg.n == pickletools.UP_TO_NEWLINE
}
_STOP, _PUT, _LONG_BINPUT = b".pr"


def require_small_memo(content: bytes) -> None:
    """Refuse a pickle that puts something at an index beyond its number of bytes.

    What is malformed in any other way is left to the unpickler.

    Raises
    ------
    ValueError
        Naming the index.
    """
    place, size = 0, len(content)
    while place < size:
        code = content[place]
        begin = place + 1
        if code in _FIXED:
            place = begin + _FIXED[code]
            if code == _LONG_BINPUT:
                _require(int.from_bytes(content[begin:place], "little"), size)
        elif code in _COUNTED:
            width = _COUNTED[code]
            place = begin + width + int.from_bytes(content[begin : begin + width], "little")
        elif code in _LINES:
            place = begin
            for _ in range(_LINES[code]):
                place = content.find(b"\n", place) + 1
                if not place:
                    return
            if code == _PUT and content[begin : place - 1].isdigit():
                _require(int(content[begin : place - 1][:20]), size)
        else:
            return
        if code == _STOP:
            return


def _require(index: int, size: int) -> None:
    if index > size:
        raise ValueError(f"puts something at place {index:,} of its memo, but has {size:,} bytes")
