"""Convolutions of maps and their two derivatives, against torch's automatic ones."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from trainfree.scoring.cpu_engine.convolution import can_tile
from trainfree.scoring.cpu_engine.copies import join, shift
from trainfree.scoring.cpu_engine.layers import (
    adjoint_below,
    average_below,
    average_map,
    both_below,
    convolve_map,
    shift_below,
    shift_map,
)
from trainfree.spaces.network import AvgPool, Conv

pytestmark = pytest.mark.usefixtures("one_thread")

OWN = {
    "more channels": ((9, 16, 8, 16), 32),
    "fewer channels": ((2, 48, 32, 16), 16),
    "many small images": ((65, 16, 4, 4), 16),
}
TORCHS = {
    "stride": ((3, 16, 16, 16), Conv(0, 16, 32, kernel=3, stride=2)),
    "pixels": ((3, 16, 16, 16), Conv(0, 16, 32, kernel=1, stride=1)),
    "stem": ((3, 3, 16, 16), Conv(0, 3, 16, kernel=3, stride=1)),
    "sides that tiles do not fill": ((8, 16, 18, 18), Conv(0, 16, 16, kernel=3, stride=1)),
    "few pixels": ((2, 16, 8, 8), Conv(0, 16, 16, kernel=3, stride=1)),
}
CASES = TORCHS | {
    name: (shape, Conv(0, shape[1], outputs, kernel=3, stride=1))
    for name, (shape, outputs) in OWN.items()
}


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2e-5), (torch.float64, 1e-13)])
@pytest.mark.parametrize("name", CASES)
def test_a_convolution_and_its_derivatives_equal_automatic_ones(name, dtype, tolerance):
    shape, node = CASES[name]
    generator = torch.Generator().manual_seed(1)
    x, weight, adjoint = (
        torch.randn(size, generator=generator, dtype=torch.float64)
        for size in (
            shape,
            (node.out_channels, node.in_channels, node.kernel, node.kernel),
            (shape[0], node.out_channels, *_sides(shape, node)),
        )
    )
    x.requires_grad_(), weight.requires_grad_()
    made = F.conv2d(x, weight, stride=node.stride, padding=node.padding)
    made.backward(adjoint)

    last = {"memory_format": torch.channels_last, "dtype": dtype}
    image, kernel, cotangent = (value.detach().to(**last) for value in (x, weight, adjoint))
    found = {
        "output": (convolve_map(image, kernel, node), made.detach()),
        "input": (adjoint_below(cotangent, kernel, node, shape[1:]), x.grad),
        "weight": (both_below(cotangent, image, kernel, node, False)[1], weight.grad),
    }
    for what, (ours, expected) in found.items():
        assert ours.shape == expected.shape, what
        assert ours.dtype == dtype, what
        assert ours.stride()[1] == 1 or what == "weight", f"{what}: channels do not come last"
        difference = float((ours.double() - expected).abs().max())
        assert difference <= tolerance * float(expected.abs().max()), what


def _sides(shape, node):
    return [(side + 2 * node.padding - node.kernel) // node.stride + 1 for side in shape[2:]]


def test_tiles_take_what_they_are_worth_for_and_nothing_else():
    for shape, outputs in OWN.values():
        assert can_tile(shape, outputs, (3, 1, 1))
    for shape, node in TORCHS.values():
        geometry = (node.kernel, node.stride, node.padding)
        assert not can_tile(shape, node.out_channels, geometry)


def test_a_map_with_channels_first_is_convolved_too():
    x, node = torch.randn(4, 16, 16, 16), Conv(0, 16, 16, kernel=3, stride=1)
    weight = torch.randn(16, 16, 3, 3)
    expected = F.conv2d(x, weight, padding=1)
    torch.testing.assert_close(convolve_map(x, weight, node), expected, rtol=1e-4, atol=1e-3)


AVERAGED = {
    "neighbourhoods": ((3, 16, 8, 12), AvgPool(0, kernel=3, stride=1, padding=1)),
    "few channels": ((2, 3, 5, 7), AvgPool(0, kernel=3, stride=1, padding=1)),
    "two pixels": ((2, 4, 2, 2), AvgPool(0, kernel=3, stride=1, padding=1)),
    "one row": ((2, 4, 1, 6), AvgPool(0, kernel=3, stride=1, padding=1)),
    "halving": ((2, 16, 8, 8), AvgPool(0, kernel=2, stride=2, padding=0)),
}


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2e-6), (torch.float64, 1e-14)])
@pytest.mark.parametrize("name", AVERAGED)
def test_averages_and_their_derivative_equal_automatic_ones(name, dtype, tolerance):
    shape, node = AVERAGED[name]
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True)
    geometry = (node.kernel, node.stride, node.padding)
    made = F.avg_pool2d(x, *geometry, count_include_pad=False)
    adjoint = torch.randn(made.shape, generator=generator, dtype=torch.float64)
    made.backward(adjoint)
    image, cotangent = (
        value.detach().to(dtype, memory_format=torch.channels_last) for value in (x, adjoint)
    )
    ours = average_map(image, node), average_below(cotangent, node, shape[1:])
    for found, expected in zip(ours, (made.detach(), x.grad), strict=True):
        assert found.dtype == dtype
        assert found.shape == expected.shape
        difference = float((found.double() - expected).abs().max())
        assert difference <= tolerance * float(expected.abs().max())


@pytest.mark.parametrize("shape", [(3, 5, 4, 6), (2, 16, 1, 3), (1, 4, 1, 1)])
def test_a_shift_and_its_derivative_are_the_definition(shape):
    generator = torch.Generator().manual_seed(2)
    x, adjoint = (torch.randn(shape, generator=generator).double() for _ in range(2))
    x.requires_grad_()
    made = torch.zeros(shape, dtype=x.dtype)
    made[:, :, :-1, :-1] = x[:, :, 1:, 1:]
    made.backward(adjoint)
    with torch.no_grad():
        torch.testing.assert_close(shift_map(x), made, rtol=0, atol=0)
        torch.testing.assert_close(shift_below(adjoint), x.grad, rtol=0, atol=0)
        last = [value.permute(0, 2, 3, 1).contiguous().numpy() for value in (x, made)]
    assert (shift(last[0]) == last[1]).all()
    assert (shift(last[0], relu=True) == last[1].clip(min=0)).all()
    both = join([(last[0], True), (last[1], False)])
    expected = torch.cat([x.relu(), made], dim=1).permute(0, 2, 3, 1).detach().numpy()
    assert (both == expected).all()
