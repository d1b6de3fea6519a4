"""Products of binary codes on tensor cores, in integers and so exact, and codes as bits."""

from __future__ import annotations

from dataclasses import dataclass

import triton
import triton.language as tl
from torch import Tensor

from trainfree.scoring.gpu_kernels.launches import ALIGNMENT, FIELDS, Kind, Packing, Product


@dataclass(frozen=True)
class _Choice:
    """How a program multiplies: images and units at once, warps, and steps read ahead."""

    tile: int
    units: int
    warps: int
    stages: int


_WIDE = _Choice(tile=128, units=128, warps=8, stages=3)
"""Where the images are whole tiles; with masks it would spill."""
_USUAL = _Choice(tile=64, units=128, warps=4, stages=3)
_SCATTERED = _Choice(tile=64, units=32, warps=4, stages=1)
"""Where units are read one by one."""
_PROGRAMS, _MOST_PARTS = 1024, 16
"""A code is taken in parts where a launch has fewer programs; whole numbers allow it."""
_PACK_UNITS, _PACK_PROGRAMS = 256, 32
_WORD = 32
_VECTOR = 4
"""Neighbours that the device can read ahead at once, at least."""
_ALIGNMENT = tl.constexpr(ALIGNMENT)
_MULTIPLY_FIELDS = tl.constexpr(FIELDS[Kind.MULTIPLY])
_PACK_FIELDS = tl.constexpr(FIELDS[Kind.PACK])


def multiply(table: Tensor, geometry: Product, codes: Tensor, sums: Tensor, images: int) -> None:
    """Add count · C Cᵀ of each row's code to both sums of its architecture.

    Several rows may be of one architecture. They add by atomic operations on whole numbers,
    whose order does not matter.

    Parameters
    ----------
    table
        Rows: code, units, place of the architecture, count once, count official; (rows, 5) int64.
    codes
        int8 of 0 and 1; holds codes, (B, units).
    sums
        int32, (2, G, B, B).
    images
        B.
    """
    choice = _choice(images, geometry.aligned)
    tile = min(max(triton.next_power_of_2(images), 16), choice.tile)
    tiles = triton.cdiv(images, tile)
    parts = min(max(_PROGRAMS // (len(table) * tiles * tiles), 1), _MOST_PARTS)
    _multiply[(parts, tiles * tiles, len(table))](
        table,
        codes,
        sums,
        images,
        sums.shape[1],
        ALIGNED=geometry.aligned,
        TILE=tile,
        ONE_TILE=tiles == 1,
        WHOLE=images % tile == 0,
        UNITS=choice.units,
        STAGES=choice.stages,
        num_warps=choice.warps,
    )


def _choice(images: int, aligned: int) -> _Choice:
    if aligned < _VECTOR:
        return _SCATTERED
    return _WIDE if images % _WIDE.tile == 0 else _USUAL


def pack(table: Tensor, geometry: Packing, codes: Tensor, patterns: Tensor, images: int) -> None:
    """Write each row's code as bits, one word for 32 images of a unit.

    Parameters
    ----------
    table
        Rows: code, units, patterns; (rows, 3) int64.
    codes
        int8 of 0 and 1; holds codes, (B, units).
    patterns
        int32, (units, words); word w holds images 32 w to 32 w + 31, the lowest bit first.
    images
        B.
    """
    words = triton.cdiv(images, _WORD)
    _pack[(_PACK_PROGRAMS, words, len(table))](
        table,
        codes,
        patterns,
        images,
        ALIGNED=geometry.aligned,
        UNITS=_PACK_UNITS,
        IMAGES=_WORD,
        num_warps=4,
    )


@triton.jit(do_not_specialize=["images", "group"], do_not_specialize_on_alignment=["table"])
def _multiply(
    table,
    codes,
    sums,
    images,
    group,
    ALIGNED: tl.constexpr,
    TILE: tl.constexpr,
    ONE_TILE: tl.constexpr,
    WHOLE: tl.constexpr,
    UNITS: tl.constexpr,
    STAGES: tl.constexpr,
):
    row = table + tl.program_id(2) * _MULTIPLY_FIELDS
    code = codes + tl.multiple_of(tl.load(row), _ALIGNMENT)
    units = tl.multiple_of(tl.load(row + 1).to(tl.int32), ALIGNED)
    place = tl.load(row + 2)
    tiles = tl.cdiv(images, TILE)
    m = tl.program_id(1) // tiles * TILE + tl.arange(0, TILE)
    n = tl.program_id(1) % tiles * TILE + tl.arange(0, TILE)
    unit = tl.arange(0, UNITS)
    rows = code + m[:, None].to(tl.int64) * units + unit[None, :]
    columns = code + n[None, :].to(tl.int64) * units + unit[:, None]
    total = tl.zeros((TILE, TILE), tl.int32)
    first, stride = tl.program_id(0) * UNITS, tl.num_programs(0) * UNITS
    for start in tl.range(first, units, stride, num_stages=STAGES):
        known = unit < units - start
        a = tl.load(rows + start, mask=(m < images)[:, None] & known[None, :], other=0)
        if ONE_TILE:
            total = tl.dot(a, tl.trans(a), total, out_dtype=tl.int32)
        else:
            b = tl.load(columns + start, mask=(n < images)[None, :] & known[:, None], other=0)
            total = tl.dot(a, b, total, out_dtype=tl.int32)
    within = (m < images)[:, None] & (n < images)[None, :]
    for counting in tl.static_range(2):
        count = tl.load(row + 3 + counting).to(tl.int32)
        if (count != 0) & (first < units):
            matrix = sums + (counting * group + place) * images * images
            at = matrix + (m[:, None] * images + n[None, :])
            if WHOLE:
                tl.atomic_add(at, count * total, sem="relaxed")
            else:
                tl.atomic_add(at, count * total, mask=within, sem="relaxed")


@triton.jit(do_not_specialize=["images"], do_not_specialize_on_alignment=["table"])
def _pack(
    table,
    codes,
    patterns,
    images,
    ALIGNED: tl.constexpr,
    UNITS: tl.constexpr,
    IMAGES: tl.constexpr,
):
    row = table + tl.program_id(2) * _PACK_FIELDS
    code = codes + tl.multiple_of(tl.load(row), _ALIGNMENT)
    units = tl.multiple_of(tl.load(row + 1).to(tl.int32), ALIGNED)
    result = patterns + tl.load(row + 2)
    word, words = tl.program_id(1), tl.num_programs(1)
    bit = tl.arange(0, IMAGES)
    image = word * IMAGES + bit
    rows = code + image[:, None].to(tl.int64) * units
    for start in range(tl.program_id(0) * UNITS, units, tl.num_programs(0) * UNITS):
        unit = start + tl.arange(0, UNITS)
        known = (image < images)[:, None] & (unit < units)[None, :]
        bits = tl.load(rows + unit[None, :], mask=known, other=0).to(tl.int32) << bit[:, None]
        tl.store(result + unit.to(tl.int64) * words + word, tl.sum(bits, axis=0), mask=unit < units)
