"""As much of the protocol buffer wire format as NAS-Bench-101's metrics need.

Source: the format's public description (varints, 64-bit, length-delimited and 32-bit fields) and
the benchmark's ``model_metrics.proto``.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

VARINT, FIXED64, LENGTH_DELIMITED, FIXED32 = 0, 1, 2, 5

EVALUATION_DATA, TRAINABLE_PARAMETERS = 1, 2
"""Fields of ModelMetrics."""
TRAINING_TIME, TRAIN_ACCURACY, VALIDATION_ACCURACY, TEST_ACCURACY = 2, 3, 4, 5
"""Fields of EvaluationData, all doubles."""
_FIVE_DOUBLES = struct.Struct("<" + "Bd" * 5)
_THEIR_KEYS = tuple(field << 3 | FIXED64 for field in range(1, 6))


class WireFormatError(ValueError):
    """Bytes that are no protocol buffer message."""


@dataclass(frozen=True)
class ModelMetrics:
    """A ModelMetrics message: (seconds, train, validation, test accuracy) of each evaluation."""

    evaluations: list[tuple[float, float, float, float]]
    trainable_parameters: int


def read_model_metrics(message: bytes) -> ModelMetrics:
    """Read a ModelMetrics message; a number that is not in it is NaN.

    Raises
    ------
    WireFormatError
        When the bytes are no such message or the number of parameters is missing.
    """
    evaluations, params = [], None
    for number, kind, value in _fields(message):
        if number == EVALUATION_DATA and kind == LENGTH_DELIMITED and isinstance(value, bytes):
            evaluations.append(_read_evaluation(value))
        elif number == TRAINABLE_PARAMETERS and kind == VARINT and isinstance(value, int):
            params = value
    if params is None:
        raise WireFormatError("the field trainable_parameters is missing")
    return ModelMetrics(evaluations, params)


def _read_evaluation(message: bytes) -> tuple[float, float, float, float]:
    if len(message) >= _FIVE_DOUBLES.size:  # as all writers do it: every field, in order
        first = _FIVE_DOUBLES.unpack_from(message)
        if first[::2] == _THEIR_KEYS:
            _, seconds, train, validation, test = first[1::2]
            return seconds, train, validation, test
    found = {
        number: struct.unpack("<d", value)[0]
        for number, kind, value in _fields(message)
        if kind == FIXED64 and isinstance(value, bytes)
    }
    wanted = (TRAINING_TIME, TRAIN_ACCURACY, VALIDATION_ACCURACY, TEST_ACCURACY)
    seconds, train, validation, test = (found.get(number, np.nan) for number in wanted)
    return seconds, train, validation, test


def _fields(message: bytes) -> Iterator[tuple[int, int, int | bytes]]:
    """Yield (field number, wire type, value) of a message."""
    position = 0
    while position < len(message):
        key, position = _varint(message, position)
        number, kind = key >> 3, key & 7
        if kind == VARINT:
            value, position = _varint(message, position)
            yield number, kind, value
            continue
        if kind == LENGTH_DELIMITED:
            length, position = _varint(message, position)
        elif kind in (FIXED64, FIXED32):
            length = 8 if kind == FIXED64 else 4
        else:
            raise WireFormatError(f"unknown wire type {kind} at byte {position}")
        if position + length > len(message):
            raise WireFormatError(f"field {number} ends after the message")
        yield number, kind, message[position : position + length]
        position += length


def _varint(message: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while position < len(message):
        byte = message[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:
            return value, position
        if shift > 63:
            raise WireFormatError(f"number of more than 64 bits before byte {position}")
    raise WireFormatError("the message ends within a number")
