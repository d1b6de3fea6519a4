"""Convolutions of many architectures in one launch, as implicit matrix products.

A program makes TILE pixels of a map, all images together, for a block of channels out. It goes
through taps of the kernel and channels in as one index, block by block, and adds up products of
matrices, (pixels, taps · in) · (taps · in, out). Nothing is unfolded in memory: neighbouring taps
read the same pixels from cache, and ReLU is applied to what is read. The sums are still in
registers when their moments are taken, which batch normalisation needs.
"""

from __future__ import annotations

from dataclasses import dataclass

import triton
import triton.language as tl
from torch import Tensor

from trainfree.errors import TrainfreeError
from trainfree.scoring.gpu_kernels.launches import ALIGNMENT, FIELDS, TILE, Convolution, Kind
from trainfree.scoring.settings.precision import Precision

MOST_ELEMENTS = 2**31
"""Of a map, whose elements are counted in int32."""
_NARROW, _LEAST_DEPTH = 32, 16
_ALIGNMENT = tl.constexpr(ALIGNMENT)
_FIELDS = tl.constexpr(FIELDS[Kind.CONVOLVE])


@dataclass(frozen=True)
class _Choice:
    """How a program works.

    Attributes
    ----------
    input_precision
        As :func:`triton.language.dot` calls it.
    depth
        Taps · channels in that are multiplied at once, at most.
    warps
        Warps of a program. They decide the order of sums, so that they are constants.
    stages
        Steps of the loop that are read ahead, this one counted.
    """

    input_precision: str
    depth: int
    warps: int
    stages: int


_CHOICES: dict[Precision, tuple[_Choice, _Choice]] = {
    "float32": (
        _Choice("ieee", depth=16, warps=4, stages=1),
        _Choice("ieee", depth=16, warps=8, stages=1),
    ),
    "tf32x3": (
        _Choice("tf32x3", depth=32, warps=4, stages=1),
        _Choice("tf32x3", depth=32, warps=8, stages=1),
    ),
    "tf32": (
        _Choice("tf32", depth=32, warps=4, stages=1),
        _Choice("tf32", depth=64, warps=8, stages=1),
    ),
}
"""For up to 32 channels out at once, and for 64.

One stage: taps read the same pixels, which then come from the first cache; copies that are read
ahead pass it by."""


def convolve(
    table: Tensor,
    geometry: Convolution,
    maps: Tensor,
    weights: Tensor,
    images: int,
    precision: Precision,
) -> None:
    """Convolve the map of each row and leave the moments of its tiles.

    Parameters
    ----------
    table
        Rows: map, weights, result, moments, channels in, channels out; (rows, 6) int64.
    maps
        float32; holds maps, (B, height, width, channels), and moments, (tiles, 2, channels).
    weights
        float32, (kernel · kernel, out, in) for each layer.
    images
        B.

    Raises
    ------
    TrainfreeError
        When a map has 2³¹ elements or more.
    """
    height, width = geometry.size_out
    _check_size(geometry, images)
    narrow, wide = geometry.channels_in, geometry.channels_out
    choice = _CHOICES[precision][wide.block > _NARROW]
    depth = geometry.kernel**2 * (narrow.exact or narrow.block)
    grid = (triton.cdiv(images * height * width, TILE), wide.programs, len(table))
    _convolve[grid](
        table,
        maps,
        weights,
        images,
        HEIGHT=geometry.height,
        WIDTH=geometry.width,
        HEIGHT_OUT=height,
        WIDTH_OUT=width,
        KERNEL=geometry.kernel,
        STRIDE=geometry.stride,
        RELU=geometry.relu,
        MOMENTS=geometry.moments,
        BLOCK_IN=min(triton.next_power_of_2(max(depth, _LEAST_DEPTH)), choice.depth),
        EXACT_IN=narrow.exact,
        ALIGNED_IN=narrow.aligned,
        BLOCK_OUT=wide.block,
        EXACT_OUT=wide.exact,
        ALIGNED_OUT=wide.aligned,
        PIXELS=TILE,
        PRECISION=choice.input_precision,
        STAGES=choice.stages,
        num_warps=choice.warps,
    )


def _check_size(geometry: Convolution, images: int) -> None:
    pixels = images * geometry.height * geometry.width
    for channels in (geometry.channels_in, geometry.channels_out):
        if pixels * max(channels.exact, channels.block) >= MOST_ELEMENTS:
            raise TrainfreeError(
                f"a feature map of {images} images, {geometry.height} × {geometry.width} pixels "
                f"and {channels.exact or channels.block} channels has 2³¹ elements or more, which "
                "the GPU engine cannot count: use a smaller batch size"
            )


@triton.jit
def _halves(x):
    """Return ``x`` rounded to the 11 bits that tensor cores multiply, and the rest.

    Triton's own tf32x3 does it with twice the instructions, as it also keeps infinities apart.
    """
    bits = (x.to(tl.int32, bitcast=True) + 0x1000) & -0x2000
    rounded = bits.to(tl.float32, bitcast=True)
    return rounded, x - rounded


@triton.jit(do_not_specialize=["images"], do_not_specialize_on_alignment=["table"])
def _convolve(
    table,
    maps,
    weights,
    images,
    HEIGHT: tl.constexpr,
    WIDTH: tl.constexpr,
    HEIGHT_OUT: tl.constexpr,
    WIDTH_OUT: tl.constexpr,
    KERNEL: tl.constexpr,
    STRIDE: tl.constexpr,
    RELU: tl.constexpr,
    MOMENTS: tl.constexpr,
    BLOCK_IN: tl.constexpr,
    EXACT_IN: tl.constexpr,
    ALIGNED_IN: tl.constexpr,
    BLOCK_OUT: tl.constexpr,
    EXACT_OUT: tl.constexpr,
    ALIGNED_OUT: tl.constexpr,
    PIXELS: tl.constexpr,
    PRECISION: tl.constexpr,
    STAGES: tl.constexpr,
):
    row = table + tl.program_id(2) * _FIELDS
    source = maps + tl.multiple_of(tl.load(row), _ALIGNMENT)
    kernels = weights + tl.multiple_of(tl.load(row + 1), _ALIGNMENT)
    result = maps + tl.multiple_of(tl.load(row + 2), _ALIGNMENT)
    moments = maps + tl.multiple_of(tl.load(row + 3), _ALIGNMENT)
    channels_in = tl.multiple_of(tl.load(row + 4).to(tl.int32), ALIGNED_IN)
    channels_out = tl.multiple_of(tl.load(row + 5).to(tl.int32), ALIGNED_OUT)
    blocks_out = tl.cdiv(channels_out, BLOCK_OUT)
    if EXACT_IN > 0:
        channels_in = EXACT_IN
    if EXACT_OUT > 0:
        channels_out = EXACT_OUT
        blocks_out = 1  # others are made by other programs
    depth = KERNEL * KERNEL * channels_in

    tile = tl.program_id(0)
    pixels = images * (HEIGHT_OUT * WIDTH_OUT)
    pixel = tile * PIXELS + tl.arange(0, PIXELS)
    image, place = pixel // (HEIGHT_OUT * WIDTH_OUT), pixel % (HEIGHT_OUT * WIDTH_OUT)
    top = place // WIDTH_OUT * STRIDE - KERNEL // 2
    left = place % WIDTH_OUT * STRIDE - KERNEL // 2
    within = pixel < pixels
    k = tl.arange(0, BLOCK_IN)
    corner = ((image * HEIGHT + top) * WIDTH + left) * channels_in

    for block_out in range(blocks_out):
        n = (tl.program_id(1) + block_out) * BLOCK_OUT + tl.arange(0, BLOCK_OUT)
        total = tl.zeros((PIXELS, BLOCK_OUT), tl.float32)
        for step in tl.range(0, tl.cdiv(depth, BLOCK_IN), num_stages=STAGES):
            at = step * BLOCK_IN + k
            tap, channel = at // channels_in, at % channels_in
            if EXACT_IN > 0 and EXACT_IN % BLOCK_IN == 0:  # one tap a step
                tap = step // (EXACT_IN // BLOCK_IN)
                channel = step % (EXACT_IN // BLOCK_IN) * BLOCK_IN + k
            down, right = tap // KERNEL, tap % KERNEL
            moved = (down * WIDTH + right) * channels_in + channel
            weight = tap * channels_out * channels_in + channel
            inside = within[:, None] & (at < depth)[None, :]
            if KERNEL > 1:
                y, x = top[:, None] + down, left[:, None] + right
                if tap.type.is_block():
                    y, x = top[:, None] + down[None, :], left[:, None] + right[None, :]
                inside = inside & (y >= 0) & (y < HEIGHT) & (x >= 0) & (x < WIDTH)
            known = (at < depth)[:, None] & (n < channels_out)[None, :]
            a = tl.load(source + (corner[:, None] + moved[None, :]), mask=inside, other=0.0)
            b = tl.load(
                kernels + (weight[:, None] + n[None, :] * channels_in), mask=known, other=0.0
            )
            if RELU:
                a = tl.maximum(a, 0.0, propagate_nan=tl.PropagateNan.ALL)
            if PRECISION == "tf32x3":
                a, rest_a = _halves(a)
                b, rest_b = _halves(b)
                total = tl.dot(rest_a, b, total, input_precision="tf32")
                total = tl.dot(a, rest_b, total, input_precision="tf32")
                total = tl.dot(a, b, total, input_precision="tf32")
            else:
                total = tl.dot(a, b, total, input_precision=PRECISION)

        written = result + (pixel[:, None] * channels_out + n[None, :])
        wanted = within[:, None]
        if EXACT_OUT == 0:
            wanted = wanted & (n < channels_out)[None, :]
        tl.store(written, total, mask=wanted)
        if MOMENTS:
            # Pixels behind the last one are zeros here: their images are masked.
            count = tl.minimum(pixels - tile * PIXELS, PIXELS)
            sums = tl.sum(total, axis=0)
            centred = tl.where(within[:, None], total - (sums / count)[None, :], 0.0)
            squares = tl.sum(centred * centred, axis=0)
            left_at = moments + tile * 2 * channels_out + n
            tl.store(left_at, sums, mask=n < channels_out)
            tl.store(left_at + channels_out, squares, mask=n < channels_out)
