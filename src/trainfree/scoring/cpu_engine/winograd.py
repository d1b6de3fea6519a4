"""Winograd's F(4 × 4, 3 × 3): the transforms of weights, patches and tiles (Lavin and Gray, 2016).

A 3 × 3 convolution of a 6 × 6 patch into a tile of 4 × 4 pixels takes 36 products rather than 144.
With the matrices A, B and G of the paper it is Aᵀ [(G w Gᵀ) ⊙ (Bᵀ d B)] A.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from numba.core import types

from trainfree.scoring.cpu_engine.simd import (
    HALF,
    INDEX,
    LANES,
    Emitter,
    Value,
    for_width,
    intrinsic,
    stepped,
)

TILE, PATCH = 4, 6
"""Height and width of an output tile and of the input patch it depends on."""
POSITIONS = PATCH * PATCH


@intrinsic
def transform_weights(
    typing_context: Any, weight: Any, start: Any, stride: Any, out: Any, first: Any, left: Any
) -> Any:
    """Write G w Gᵀ of 3 × 3 weights: 36 vectors from 9, both ``stride`` apart."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        source, start, stride, target, first, left = arguments

        def write_all(lanes: int) -> None:
            emit = Emitter(context, builder, weight, lanes)

            def read(row: int, column: int) -> Value:
                offset = stepped(builder, start, (stride, 3 * row + column))
                return emit.load(emit.pointer(weight, source, offset))

            def write(row: int, column: int, value: Value) -> None:
                offset = stepped(builder, first, (stride, PATCH * row + column))
                emit.store(value, emit.pointer(out, target, offset))

            _both_ways(emit, 3, _weight_transform, read, write)

        for_width(builder, left, (LANES, HALF), write_all)
        return context.get_dummy_value()

    return types.void(weight, INDEX, INDEX, out, INDEX, INDEX), generate


@intrinsic
def transform_patch(
    typing_context: Any,
    image: Any,
    start: Any,
    row_stride: Any,
    pixel_stride: Any,
    patches: Any,
    first: Any,
    position_stride: Any,
    left: Any,
) -> Any:
    """Write Bᵀ d B of the 6 × 6 patch at ``start``, one vector for each of 36 positions."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        source, start, row_stride, pixel_stride, target, first, position_stride, left = arguments

        def write_all(lanes: int) -> None:
            emit = Emitter(context, builder, image, lanes)

            def read(row: int, column: int) -> Value:
                offset = stepped(builder, start, (row_stride, row), (pixel_stride, column))
                return emit.load(emit.pointer(image, source, offset))

            def write(row: int, column: int, value: Value) -> None:
                offset = stepped(builder, first, (position_stride, PATCH * row + column))
                emit.store(value, emit.pointer(patches, target, offset))

            _both_ways(emit, PATCH, _patch_transform, read, write)

        for_width(builder, left, (LANES, HALF), write_all)
        return context.get_dummy_value()

    strides = (INDEX, INDEX, INDEX)
    return types.void(image, *strides, patches, *strides), generate


@intrinsic
def transform_tile(
    typing_context: Any,
    products: Any,
    first: Any,
    position_stride: Any,
    image: Any,
    start: Any,
    row_stride: Any,
    pixel_stride: Any,
    left: Any,
) -> Any:
    """Write Aᵀ m A, the 4 × 4 pixels at ``start``, from one vector for each of 36 positions."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        source, first, position_stride, target, start, row_stride, pixel_stride, left = arguments

        def write_all(lanes: int) -> None:
            emit = Emitter(context, builder, image, lanes)

            def read(row: int, column: int) -> Value:
                offset = stepped(builder, first, (position_stride, PATCH * row + column))
                return emit.load(emit.pointer(products, source, offset))

            def write(row: int, column: int, value: Value) -> None:
                offset = stepped(builder, start, (row_stride, row), (pixel_stride, column))
                emit.store(value, emit.pointer(image, target, offset))

            _both_ways(emit, PATCH, _tile_transform, read, write)

        for_width(builder, left, (LANES, HALF), write_all)
        return context.get_dummy_value()

    return types.void(products, INDEX, INDEX, image, *(INDEX,) * 4), generate


def _patch_transform(emit: Emitter, d: Sequence[Value]) -> list[Value]:
    """Return Bᵀ d for six numbers."""
    even, odd = emit.multiply_add(-4, d[2], d[4]), emit.multiply_add(-4, d[1], d[3])
    outer, inner = emit.subtract(d[4], d[2]), emit.subtract(d[3], d[1])
    return [
        emit.multiply_add(4, d[0], emit.multiply_add(-5, d[2], d[4])),
        emit.add(even, odd),
        emit.subtract(even, odd),
        emit.multiply_add(2, inner, outer),
        emit.multiply_add(-2, inner, outer),
        emit.multiply_add(4, d[1], emit.multiply_add(-5, d[3], d[5])),
    ]


def _tile_transform(emit: Emitter, m: Sequence[Value]) -> list[Value]:
    """Return Aᵀ m for six numbers."""
    near, near_difference = emit.add(m[1], m[2]), emit.subtract(m[1], m[2])
    far, far_difference = emit.add(m[3], m[4]), emit.subtract(m[3], m[4])
    return [
        emit.add(emit.add(m[0], near), far),
        emit.multiply_add(2, far_difference, near_difference),
        emit.multiply_add(4, far, near),
        emit.add(emit.multiply_add(8, far_difference, near_difference), m[5]),
    ]


def _weight_transform(emit: Emitter, w: Sequence[Value]) -> list[Value]:
    """Return G w for three numbers."""
    ends = emit.add(w[0], w[2])
    far = emit.multiply_add(1 / 24, w[0], emit.multiply(emit.constant(1 / 6), w[2]))
    sixth, twelfth = emit.constant(-1 / 6), emit.constant(1 / 12)
    middle = emit.multiply(twelfth, w[1])
    return [
        emit.multiply(emit.constant(1 / 4), w[0]),
        emit.multiply(sixth, emit.add(ends, w[1])),
        emit.multiply(sixth, emit.subtract(ends, w[1])),
        emit.add(far, middle),
        emit.subtract(far, middle),
        w[2],
    ]


def _both_ways(
    emit: Emitter,
    side: int,
    transform: Callable[[Emitter, Sequence[Value]], list[Value]],
    read: Callable[[int, int], Value],
    write: Callable[[int, int, Value], None],
) -> None:
    """Apply a transform to the columns of a square, then to the rows of what comes out."""
    columns = [
        transform(emit, [read(row, column) for row in range(side)]) for column in range(side)
    ]
    for row in range(len(columns[0])):
        for column, value in enumerate(transform(emit, [values[row] for values in columns])):
            write(row, column, value)
