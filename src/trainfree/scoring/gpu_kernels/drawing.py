"""Weights of a group, drawn on the device by NumPy's PCG64 and bit for bit its numbers.

PCG64 steps a state of 128 bits, s ← a s + c modulo 2¹²⁸, and makes 64 bits of each new state. n
steps at once are s ← aⁿ s + (1 + a + … + aⁿ⁻¹) c, so that every program begins where its part of a
layer does and every lane steps by itself. A number takes 32 bits, the lower half of 64 first.

Only uniform numbers are drawn here: how many bits a normal number takes depends on the bits.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
import triton
import triton.language as tl
from numpy.typing import NDArray
from torch import Tensor

from trainfree.scoring.gpu_kernels.launches import DRAW_FIELDS

_MULTIPLIER = 0x2360ED051FC65DA44385DF649FCCF645
"""a of PCG64."""
_BITS, _LEVELS = 8, 5
_DIGITS = 1 << _BITS
"""Steps are counted in digits of so many values: up to 2⁴⁰ of them."""
_PARTS = 8
"""Programs for a layer; each draws every eighth block of its outputs."""
_WARPS = 4


def draw(draws: Tensor, seeds: Tensor, weights: Tensor) -> None:
    """Draw the weights of layers, as :func:`~trainfree.scoring.weights.draw_weights` does.

    Parameters
    ----------
    draws
        A row for each layer, (rows, DRAW_FIELDS) int64.
    seeds
        State and increment of the streams by place in the group, (G, 4) int64.
    weights
        Buffer that is written to, float32: (kernel · kernel, out, in) of each layer.
    """
    if not len(draws):
        return
    jumps = _jumps_on(weights.device)
    _draw[(len(draws), _PARTS)](
        *(draws, seeds, weights, jumps),
        FIELDS=DRAW_FIELDS,
        PARTS=_PARTS,
        LEVELS=_LEVELS,
        BITS=_BITS,
        num_warps=_WARPS,
    )


@cache
def _jumps_on(device: torch.device) -> Tensor:
    return torch.from_numpy(jump_table().view(np.int64)).to(device)


def jump_table() -> NDArray[np.uint64]:
    """Return what d · 256ˡ steps of PCG64 do: aⁿ, and 1 + a + … + aⁿ⁻¹.

    Returns
    -------
    NDArray[np.uint64]
        (4, levels l, digits d): upper and lower half of the first, then of the second.
    """
    table = np.empty((4, _LEVELS, _DIGITS), np.uint64)
    once, added = _MULTIPLIER, 1
    for level in range(_LEVELS):
        factor, total = 1, 0
        for digit in range(_DIGITS):
            table[:, level, digit] = (*_halves(factor), *_halves(total))
            factor, total = _modulo(once * factor), _modulo(once * total + added)
        once, added = factor, total
    return table


def _modulo(number: int) -> int:
    return number % (1 << 128)


def _halves(number: int) -> tuple[int, int]:
    return number >> 64, number % (1 << 64)


@triton.jit
def _unsigned(pointer):
    return tl.load(pointer).to(tl.uint64, bitcast=True)


@triton.jit
def _product(high, low, other_high, other_low):
    """Return both halves of a product modulo 2¹²⁸."""
    return tl.umulhi(low, other_low) + high * other_low + low * other_high, low * other_low


@triton.jit
def _jumped(high, low, inc_high, inc_low, entry, SIZE: tl.constexpr):
    """Return the state after the steps of an entry of the table, or of a block of them."""
    factor_high, factor_low = _unsigned(entry), _unsigned(entry + SIZE)
    total_high, total_low = _unsigned(entry + 2 * SIZE), _unsigned(entry + 3 * SIZE)
    high, low = _product(factor_high, factor_low, high, low)
    more_high, more_low = _product(total_high, total_low, inc_high, inc_low)
    low += more_low
    return high + more_high + (low < more_low).to(tl.uint64), low


@triton.jit
def _uniform(bits, scale):
    """Return 24 bits as a number in ±scale; the last product alone rounds."""
    return (bits.to(tl.int32).to(tl.float32) * (2.0**-23) - 1.0) * scale


@triton.jit
def _put(weights, place, taps, pairs, values):
    """Store numbers of (out, in, taps) order in (taps, out, in) order."""
    inside = (place >= 0) & (place < pairs * taps)
    tl.store(weights + (place % taps) * pairs + place // taps, values, mask=inside)


@triton.jit
def _draw(
    draws,
    seeds,
    weights,
    jumps,
    FIELDS: tl.constexpr,
    PARTS: tl.constexpr,
    LEVELS: tl.constexpr,
    BITS: tl.constexpr,
):
    BLOCK: tl.constexpr = 1 << BITS
    SIZE: tl.constexpr = LEVELS << BITS
    entry = draws + tl.program_id(0).to(tl.int64) * FIELDS
    seed = seeds + tl.load(entry) * 4
    first = tl.load(entry + 1)
    weights += tl.load(entry + 2)
    pairs = (tl.load(entry + 3) * tl.load(entry + 4)).to(tl.int32)
    taps = tl.load(entry + 5).to(tl.int32)
    scale = tl.load(entry + 6).to(tl.int32).to(tl.float32, bitcast=True)
    odd = (first & 1).to(tl.int32)
    outputs = (pairs * taps + odd + 1) // 2
    start = tl.program_id(1) * BLOCK
    if start < outputs:
        high, low = _unsigned(seed), _unsigned(seed + 1)
        inc_high, inc_low = _unsigned(seed + 2), _unsigned(seed + 3)
        steps = (first >> 1) + start + 1
        for level in tl.static_range(LEVELS):
            digit = (steps >> (BITS * level)) & (BLOCK - 1)
            high, low = _jumped(high, low, inc_high, inc_low, jumps + level * BLOCK + digit, SIZE)
        lane = tl.arange(0, BLOCK)
        for block in range(start, outputs, PARTS * BLOCK):
            lane_high, lane_low = _jumped(high, low, inc_high, inc_low, jumps + lane, SIZE)
            mixed = lane_high ^ lane_low
            turn = lane_high >> 58
            bits = (mixed >> turn) | (mixed << ((64 - turn) & 63))
            place = 2 * (block + lane) - odd
            _put(weights, place, taps, pairs, _uniform((bits & 0xFFFFFFFF) >> 8, scale))
            _put(weights, place + 1, taps, pairs, _uniform(bits >> 40, scale))
            high, low = _jumped(high, low, inc_high, inc_low, jumps + BLOCK + PARTS, SIZE)
