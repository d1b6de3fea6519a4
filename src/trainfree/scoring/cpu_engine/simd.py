"""Vector instructions for compiled loops: what a plain loop would not be turned into.

Each function is expanded where it is called, inside a compiled loop, and works on vectors of
:data:`LANES` channels of float32 or float64 arrays that are seen as one row of numbers, or of half
as many where only these are left. Sums run in a written order with explicit fused multiply-adds, so
results are the same bits every time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import binding, ir
from numba import extending
from numba.core import cgutils, types

LANES = 16
"""Channels in a vector."""
HALF = LANES // 2
"""Channels in a short vector; what is convolved fills whole ones of these."""
CHAINS = 4
"""Sums that run side by side, so that none waits for the one before."""

Value = Any
INDEX = types.intp


def intrinsic(function: Callable[..., Any]) -> Any:
    """Make a function that compiled code calls without the first argument, the typing context."""
    return extending.intrinsic(function)


def _rows_a_product() -> int:
    """Return how many rows of sums fit into the processor's registers."""
    return 8 if binding.get_host_cpu_features().get("avx512f") else 6


ROWS = _rows_a_product()
"""Rows that :func:`multiply_rows` makes at once."""


class Emitter:
    """Writes vector instructions for the arrays of one call."""

    def __init__(self, context: Any, builder: Any, array: Any, lanes: int = LANES) -> None:
        self._context, self._builder, self._lanes = context, builder, lanes
        self._scalar = context.get_value_type(array.dtype)
        self.type = ir.VectorType(self._scalar, lanes)
        self._bytes = array.dtype.bitwidth // 8

    def pointer(self, array_type: Any, array: Value, offset: Value) -> Value:
        """Return the address of the number at ``offset`` of an array."""
        data = self._context.make_array(array_type)(self._context, self._builder, array).data
        return self._builder.gep(data, [offset])

    def load(self, pointer: Value) -> Value:
        """Load a vector from wherever its numbers lie."""
        value = self._builder.load(self._builder.bitcast(pointer, self.type.as_pointer()))
        value.align = self._bytes
        return value

    def store(self, value: Value, pointer: Value) -> None:
        """Store a vector."""
        target = self._builder.bitcast(pointer, self.type.as_pointer())
        self._builder.store(value, target).align = self._bytes

    def spread(self, pointer: Value) -> Value:
        """Load one number into all lanes."""
        unknown, position = ir.Constant(self.type, ir.Undefined), ir.IntType(32)
        one = self._builder.insert_element(unknown, self._builder.load(pointer), position(0))
        lanes = ir.Constant(ir.VectorType(position, self._lanes), [0] * self._lanes)
        return self._builder.shuffle_vector(one, unknown, lanes)

    def constant(self, number: float) -> Value:
        """Return a vector of one number."""
        return ir.Constant(self.type, [float(number)] * self._lanes)

    def add(self, x: Value, y: Value) -> Value:
        """Return x + y."""
        return self._builder.fadd(x, y)

    def subtract(self, x: Value, y: Value) -> Value:
        """Return x − y."""
        return self._builder.fsub(x, y)

    def multiply(self, x: Value, y: Value) -> Value:
        """Return x · y."""
        return self._builder.fmul(x, y)

    def widened(self, x: Value) -> Value:
        """Return a vector of float32 or float64 in this emitter's type."""
        return x if x.type == self.type else self._builder.fpext(x, self.type)

    def multiply_add(self, x: Value | float, y: Value, z: Value) -> Value:
        """Return x · y + z, rounded once."""
        factor = self.constant(x) if isinstance(x, int | float) else x
        suffix = "f32" if isinstance(self._scalar, ir.FloatType) else "f64"
        function = cgutils.get_or_insert_function(
            self._builder.module,
            ir.FunctionType(self.type, [self.type] * 3),
            f"llvm.fma.v{self._lanes}{suffix}",
        )
        return self._builder.call(function, [factor, y, z])


def stepped(builder: Any, start: Value, *steps: tuple[Value, int]) -> Value:
    """Return start + Σ stride · count."""
    for stride, count in steps:
        start = builder.add(start, builder.mul(stride, ir.IntType(64)(count)))
    return start


def for_width(
    builder: Any, left: Value, widths: Sequence[int], write: Callable[[int], None]
) -> None:
    """Write code for each width, descending; the first that ``left`` channels fill is run."""
    *wider, last = widths
    if not wider:
        write(last)
        return
    fills = builder.icmp_signed(">=", left, ir.IntType(64)(widths[0]))
    with builder.if_else(fills) as (then, otherwise):
        with then:
            write(widths[0])
        with otherwise:
            for_width(builder, left, widths[1:], write)


@intrinsic
def multiply_rows(
    typing_context: Any,
    a: Any,
    a_start: Any,
    a_stride: Any,
    a_segment: Any,
    b: Any,
    b_start: Any,
    b_stride: Any,
    c: Any,
    c_start: Any,
    c_stride: Any,
    segments: Any,
    length: Any,
    left: Any,
) -> Any:
    """Write C = A B for :data:`ROWS` rows of A and a vector of columns of B.

    Arguments: A, its start, distance of rows, distance of segments; B, its start, distance of rows;
    C, its start, distance of rows; number of segments and length of each; columns that are left. A
    row of A may lie in several segments, such as the rows of an image that a window covers; B holds
    theirs in turn.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        av, a_start, a_stride, a_segment, bv, b_start, b_stride = arguments[:7]
        cv, c_start, c_stride, segments, length, left = arguments[7:]

        def write(lanes: int) -> None:
            emit = Emitter(context, builder, a, lanes)
            sums = [cgutils.alloca_once(builder, emit.type) for _ in range(ROWS)]
            for total in sums:
                builder.store(emit.constant(0), total)
            with cgutils.for_range(builder, segments) as segment:
                begin = builder.add(a_start, builder.mul(a_segment, segment.index))
                starts = [stepped(builder, begin, (a_stride, row)) for row in range(ROWS)]
                ours = [emit.pointer(a, av, start) for start in starts]
                above = builder.mul(builder.mul(segment.index, length), b_stride)
                theirs = emit.pointer(b, bv, builder.add(b_start, above))
                with cgutils.for_range(builder, length) as inner:
                    weight = emit.load(builder.gep(theirs, [builder.mul(inner.index, b_stride)]))
                    for row, total in zip(ours, sums, strict=True):
                        number = emit.spread(builder.gep(row, [inner.index]))
                        builder.store(emit.multiply_add(number, weight, builder.load(total)), total)
            for row, total in enumerate(sums):
                offset = stepped(builder, c_start, (c_stride, row))
                emit.store(builder.load(total), emit.pointer(c, cv, offset))

        for_width(builder, left, (LANES, HALF), write)
        return context.get_dummy_value()

    three = (INDEX,) * 3
    return types.void(a, *three, b, INDEX, INDEX, c, INDEX, INDEX, *three), generate


@intrinsic
def sum_images(
    typing_context: Any,
    images: Any,
    starts: Any,
    centres: Any,
    factors: Any,
    total: Any,
    total_start: Any,
    codes: Any,
    codes_start: Any,
    pieces: Any,
    period: Any,
) -> Any:
    """Write Σ (image − centre) · factor and, as bits, where it is positive.

    Arguments: a tuple of arrays and one of their starts; centres and factors, ``period`` vectors
    for each array; total and codes (uint16) with their starts; vectors in all, a multiple of the
    period.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        arrays, starts, centre, factor, total_, total_start = arguments[:6]
        codes_, codes_start, pieces, period = arguments[6:]
        emit, lanes = Emitter(context, builder, total), ir.IntType(64)(LANES)
        words = context.make_array(codes)(context, builder, codes_).data
        length = builder.mul(period, lanes)
        with cgutils.for_range(builder, builder.sdiv(pieces, period)) as again:
            first = builder.mul(again.index, period)
            with cgutils.for_range(builder, period) as loop:
                piece = builder.add(first, loop.index)
                place, scale = builder.mul(piece, lanes), builder.mul(loop.index, lanes)
                value = emit.constant(0)
                for number in range(images.count):
                    array = builder.extract_value(arrays, number)
                    begin = builder.add(builder.extract_value(starts, number), place)
                    at = stepped(builder, scale, (length, number))
                    x = emit.load(emit.pointer(images.dtype, array, begin))
                    x = emit.subtract(x, emit.load(emit.pointer(centres, centre, at)))
                    x = emit.multiply(x, emit.load(emit.pointer(factors, factor, at)))
                    value = emit.add(value, x) if number else x
                emit.store(value, emit.pointer(total, total_, builder.add(total_start, place)))
                positive = builder.fcmp_ordered(">", value, emit.constant(0))
                bits = builder.bitcast(positive, ir.IntType(LANES))
                builder.store(bits, builder.gep(words, [builder.add(codes_start, piece)]))
        return context.get_dummy_value()

    return types.void(
        images, starts, centres, factors, total, INDEX, codes, INDEX, INDEX, INDEX
    ), generate


@intrinsic
def add_differences(
    typing_context: Any,
    x: Any,
    start: Any,
    stride: Any,
    rows: Any,
    pivot: Any,
    pivot_start: Any,
    sums: Any,
    sums_start: Any,
    squares_start: Any,
    left: Any,
) -> Any:
    """Add x − pivot, and its square, of :data:`CHAINS` · ``rows`` rows to float64 sums.

    Arguments: array, start, distance of rows, rows in a chain; pivot and its start; sums with the
    starts of sums and squares; channels that are left. Each chain of rows is added up on its own in
    x's own type.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        source, start, stride, rows, pivot_, pivot_start, sums_ = arguments[:7]
        *places, left = arguments[7:]

        def write(lanes: int) -> None:
            emit, wide = (Emitter(context, builder, array, lanes) for array in (x, sums))
            centre = emit.load(emit.pointer(pivot, pivot_, pivot_start))
            chains = [
                (cgutils.alloca_once(builder, emit.type), cgutils.alloca_once(builder, emit.type))
                for _ in range(CHAINS)
            ]
            for chain in chains:
                for part in chain:
                    builder.store(emit.constant(0), part)
            with cgutils.for_range(builder, rows) as loop:
                begin = builder.mul(builder.mul(loop.index, stride), ir.IntType(64)(CHAINS))
                begin = builder.add(start, begin)
                for number, (part, squares) in enumerate(chains):
                    value = emit.load(
                        emit.pointer(x, source, stepped(builder, begin, (stride, number)))
                    )
                    value = emit.subtract(value, centre)
                    builder.store(emit.add(builder.load(part), value), part)
                    builder.store(emit.multiply_add(value, value, builder.load(squares)), squares)
            for which, at in enumerate(places):
                place = wide.pointer(sums, sums_, at)
                total = wide.load(place)
                for chain in chains:
                    total = wide.add(total, wide.widened(builder.load(chain[which])))
                wide.store(total, place)

        for_width(builder, left, (LANES, HALF), write)
        return context.get_dummy_value()

    starts = (INDEX, INDEX, INDEX)
    return types.void(x, *starts, pivot, INDEX, sums, *starts), generate


@intrinsic
def expect_writes(typing_context: Any, array: Any, start: Any) -> Any:
    """Fetch the cache line of the number at ``start``, which will be written to."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = Emitter(context, builder, array).pointer(array, *arguments)
        place, number = builder.bitcast(place, ir.IntType(8).as_pointer()), ir.IntType(32)
        function = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(ir.VoidType(), [place.type, *[number] * 3]),
            "llvm.prefetch.p0i8",
        )
        to_write, in_second_cache, data = number(1), number(2), number(1)
        builder.call(function, [place, to_write, in_second_cache, data])
        return context.get_dummy_value()

    return types.void(array, INDEX), generate


@intrinsic
def population(typing_context: Any, word: Any) -> Any:
    """Count the bits that are set in a 64-bit word."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), generate
