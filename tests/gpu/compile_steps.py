"""Compile the kernels of the mini-batch's pass: python compile_steps.py CAPABILITY [all].

``all`` compiles every geometry of NAS-Bench-201 and ragged ones, in every precision.
"""

from __future__ import annotations

import sys

import torch
from cross_compile import Compiled, compiling

from trainfree.scoring.gpu_kernels import (
    combination,
    convolution,
    normalisation,
    pooling,
    products,
)
from trainfree.scoring.gpu_kernels.launches import (
    Combination,
    Convolution,
    Copying,
    Normalisation,
    Packing,
    Pooling,
    Product,
    width_of,
)

CAPABILITY, ALL = int(sys.argv[1]), len(sys.argv) > 2
TABLE = torch.zeros((1, 8), dtype=torch.int64)
FLOATS, PAIRS = torch.zeros(1), torch.zeros(1, dtype=torch.float64)
CODES, INTEGERS = torch.zeros(1, dtype=torch.int8), torch.zeros((2, 1, 1, 1), dtype=torch.int32)
TENSOR_CORES = ("wgmma.mma_async", "mma.sync")
# side, kernel, stride, channels in, out, ReLU
NASBENCH201 = (
    *((32, 3, 1, 16, 16, True), (16, 3, 1, 32, 32, True), (8, 3, 1, 64, 64, True)),
    *((32, 1, 1, 16, 16, True), (16, 1, 1, 32, 32, True), (8, 1, 1, 64, 64, True)),
    *((32, 3, 1, 3, 16, False), (32, 3, 2, 16, 32, True), (16, 3, 2, 32, 64, True)),
    *((16, 1, 1, 16, 32, False), (8, 1, 1, 32, 64, False)),
)
RAGGED = ((32, 3, 1, 43, 85, True), (16, 3, 2, 12, 24, True), (32, 1, 1, 128, 43, False))
PRECISIONS = ("float32", "tf32x3", "tf32")


def convolutions() -> list[Compiled]:
    cases = (*NASBENCH201, *RAGGED) if ALL else (NASBENCH201[0], NASBENCH201[2], NASBENCH201[6])
    with compiling(convolution, CAPABILITY) as found:
        for side, kernel, stride, read, made, relu in cases:
            geometry = Convolution(
                side, side, kernel, stride, relu, True, width_of(read), width_of(made)
            )
            for precision in PRECISIONS if ALL else PRECISIONS[1:]:
                convolution.convolve(TABLE, geometry, FLOATS, FLOATS, 128, precision)
    return found


def others() -> list[Compiled]:
    found: list[Compiled] = []
    sizes = ((32, 16), (16, 32), (8, 64), (16, 43)) if ALL else ((32, 16), (8, 64))
    for side, channels in sizes:
        width = width_of(channels)
        with compiling(normalisation, CAPABILITY) as made:
            normalisation.normalise(TABLE, Normalisation(side * side, width), FLOATS, 128)
        found += made
        with compiling(combination, CAPABILITY) as made:
            for averaged in (False, True):
                geometry = Combination(side, side, averaged, width)
                combination.combine(TABLE, geometry, FLOATS, CODES, 128)
                combination.combine(TABLE, geometry, PAIRS, None, 2)
        found += made
        with compiling(pooling, CAPABILITY) as made:
            for maps in (FLOATS, PAIRS):
                pooling.pool(TABLE, Pooling(side, side, 2, 2, 0, True, False, width), maps, 128)
                pooling.pool(TABLE, Pooling(side, side, 3, 1, 1, True, True, width), maps, 128)
                pooling.copy(TABLE, Copying(side, side, True, False, width), maps, 128)
                pooling.copy(TABLE, Copying(side, side, True, True, width), maps, 128)
            pooling.pool(TABLE, Pooling(side, side, 3, 2, 1, False, True, width), FLOATS, 128)
        found += made
    with compiling(products, CAPABILITY) as made:
        for images in (32, 128, 512):
            for aligned in (16, 1):
                products.multiply(TABLE, Product(aligned), CODES, INTEGERS, images)
        products.pack(TABLE, Packing(16), CODES, INTEGERS, 128)
    return found + made


if __name__ == "__main__":
    for found in (*convolutions(), *others()):
        print(found.name, found.constants, found.registers, found.stack)
        exact = found.constants.get("PRECISION") == "ieee"
        # sm_89 keeps a few values of convolutions with ragged widths in memory.
        ragged = found.name == "_convolve" and not found.constants["EXACT_OUT"]
        most = 16 if ragged and CAPABILITY == 89 else 0
        assert found.stack <= most, f"{found.name} spills"
        if found.name in ("_convolve", "_multiply") and not exact:
            assert any(name in found.ptx for name in TENSOR_CORES), found.name
