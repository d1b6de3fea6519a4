"""Compile the kernels that draw weights and carry the synaptic flow: python compile_flow.py 90."""

from __future__ import annotations

import sys

import torch
from cross_compile import compiling

from trainfree.scoring.gpu_kernels import drawing, flow
from trainfree.scoring.gpu_kernels.launches import Convolution, Head, Pooling, width_of

CAPABILITY = int(sys.argv[1])
TABLE = torch.zeros((1, 8), dtype=torch.int64)
PAIRS = torch.zeros(1, dtype=torch.float64)
WEIGHTS = torch.zeros(1)

flow.capability_of = lambda device: divmod(CAPABILITY, 10)
with compiling(drawing, CAPABILITY) as drawn:
    drawing.draw(TABLE, TABLE, WEIGHTS)
with compiling(flow, CAPABILITY) as passed:
    for side, stride, kernel, read, made in (
        *((32, 1, 3, 3, 16), (32, 1, 3, 16, 16), (32, 2, 3, 16, 32), (16, 1, 1, 32, 32)),
        *((8, 1, 3, 64, 64), (8, 1, 3, 512, 512), (16, 1, 3, 57, 93)),
    ):
        widths = width_of(read), width_of(made)
        geometry = Convolution(side, side, kernel, stride, False, False, *widths)
        flow.flow_convolve(TABLE, geometry, PAIRS, WEIGHTS)
    for channels in (16, 64, 93):
        width = width_of(channels)
        flow.flow_max_pool(TABLE, Pooling(32, 32, 3, 1, 1, False, False, width), PAIRS)
        flow.flow_head(TABLE, Head(64, width), PAIRS, WEIGHTS, PAIRS)

assert len(drawn) == 1
assert len(passed) == 7 + 2 * 3
for found in (*drawn, *passed):
    print(found.name, found.constants, found.registers, found.stack)
    assert not found.stack, f"{found.name} spills"
    if found.name == "_convolve" and CAPABILITY in (80, 90):
        assert "mma.sync" in found.ptx, "products are not on tensor cores"
        assert ".f64.f64.f64.f64" in found.ptx
