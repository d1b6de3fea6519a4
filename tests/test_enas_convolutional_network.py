"""The super-network of ENAS's cells against an independently written one, and what trains it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainfree.errors import ConfigError
from trainfree.spaces.nds.modules import OPERATIONS as NDS_OPERATIONS
from trainfree.weight_sharing.controller import Reinforce
from trainfree.weight_sharing.convolutional.cell import (
    OPERATIONS,
    PUBLISHED,
    CellPair,
    pair_of,
    parse_published,
    random_pair,
)
from trainfree.weight_sharing.convolutional.data import Data, Images, augmented
from trainfree.weight_sharing.convolutional.micro_controller import (
    MicroController,
    weights_optimizer,
)
from trainfree.weight_sharing.convolutional.presets import preset_settings
from trainfree.weight_sharing.convolutional.retraining import NetworkAlone
from trainfree.weight_sharing.convolutional.settings import Schedule
from trainfree.weight_sharing.convolutional.steps import dropout, rate_at
from trainfree.weight_sharing.convolutional.super_network import SharedOperations, SuperNetwork

pytestmark = pytest.mark.usefixtures("one_thread")


def network_of(cells: int = 5, nodes: int = 3, **more: object) -> SuperNetwork:
    settings = {"channels": 4, "classes": 10, "image_size": 16} | more
    generator = torch.Generator().manual_seed(7)
    found = SuperNetwork(nodes=nodes, cells=cells, generator=generator, **settings).double()
    with torch.no_grad():  # scales and shifts that show a wrong choice among them
        for weight in found.parameters():
            weight.add_(0.1 * torch.randn(weight.shape, generator=generator, dtype=weight.dtype))
    return found


def plain(weights: dict[str, Tensor], x: Tensor, pair: CellPair, cells: int) -> Tensor:
    """The network of one pair, written from the paper's description with nothing shared."""

    def norm(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        centred = x - x.mean((0, 2, 3), keepdim=True)
        spread = (centred.square().mean((0, 2, 3), keepdim=True) + 1e-5).sqrt()
        return centred / spread * scale[:, None, None] + shift[:, None, None]

    def normed(x: Tensor, name: str) -> Tensor:
        return norm(x, weights[f"{name}.weight"], weights[f"{name}.bias"])

    def halved(x: Tensor, name: str) -> Tensor:
        one = F.conv2d(x[:, :, ::2, ::2], weights[f"{name}.straight.weight"])
        two = F.conv2d(x[:, :, 1::2, 1::2], weights[f"{name}.aside.weight"])
        return normed(torch.cat([one, two], 1), f"{name}.norm")

    def calibrated(x: Tensor, name: str) -> Tensor:
        if f"{name}.1.straight.weight" in weights:
            return halved(x.relu(), f"{name}.1")
        if f"{name}.1.weight" not in weights:
            return x
        return normed(F.conv2d(x.relu(), weights[f"{name}.1.weight"]), f"{name}.2")

    def operated(x: Tensor, operation: str, state: int, name: str) -> Tensor:
        if operation == "skip_connect":
            return x
        if operation == "max_pool_3x3":
            return F.pad(x, (1,) * 4, value=-torch.inf).unfold(2, 3, 1).unfold(3, 3, 1).amax((4, 5))
        if operation == "avg_pool_3x3":
            inside = F.pad(torch.ones_like(x), (1,) * 4).unfold(2, 3, 1).unfold(3, 3, 1)
            summed = F.pad(x, (1,) * 4).unfold(2, 3, 1).unfold(3, 3, 1).sum((4, 5))
            return summed / inside.sum((4, 5))
        for stack in (0, 1):
            own = {
                key: weights[f"{name}.convolutions.{operation}.{stack}.{key}"][state]
                for key in ("depthwise", "pointwise", "scale", "shift")
            }
            side = own["depthwise"].shape[-1]
            windows = F.pad(x.relu(), (side // 2,) * 4).unfold(2, side, 1).unfold(3, side, 1)
            x = torch.einsum("bcyxij,cij->bcyx", windows, own["depthwise"][:, 0])
            x = torch.einsum("bcyx,dc->bdyx", x, own["pointwise"][:, :, 0, 0])
            x = norm(x, own["scale"], own["shift"])
        return x

    x = normed(F.conv2d(x, weights["stem.0.weight"], padding=1), "stem.1")
    earlier = last = x
    for place in range(cells):
        reduces = place in (cells // 3, 2 * cells // 3)
        cell = pair.reduction if reduces else pair.normal
        if reduces:
            earlier, last = last, halved(last, f"halvings.{place}")
        name = f"cells.{place}"
        states = [calibrated(earlier, f"{name}.first"), calibrated(last, f"{name}.second")]
        for node in range(pair.nodes):
            sides = []
            for side in (0, 1):
                state = cell.inputs[2 * node + side]
                operation = cell.operations[2 * node + side]
                at = f"{name}.nodes.{node}.{side}"
                sides.append(operated(states[state], operation, state, at))
            states.append(sides[0] + sides[1])
        ends = sum(
            F.conv2d(states[state].relu(), weights[f"{name}.ends"][state]) for state in cell.output
        )
        assert isinstance(ends, Tensor)
        earlier, last = last, normed(ends, f"{name}.norm")
    return last.relu().mean((2, 3)) @ weights["classifier.weight"].T


def pairs(nodes: int) -> list[CellPair]:
    """Some at random, and one whose normal cell leaves an input loose."""
    rng = np.random.default_rng(3)
    drawn = [random_pair(rng, nodes) for _ in range(4)]
    loose = pair_of([0, 0, 4, 0, *[0, 0, 0, 2] * (nodes - 1)] * 2)
    assert 1 in loose.normal.output
    return [*drawn, loose]


@pytest.mark.parametrize("cells", [2, 5, 6])
def test_every_pair_is_the_plain_network_with_the_shared_weights_copied(cells: int) -> None:
    network = network_of(cells)
    images = torch.randn(3, 3, 16, 16, dtype=torch.float64)
    weights = {name: weight.detach() for name, weight in network.named_parameters()}
    for pair in pairs(3):
        for mode in (True, False):
            found = network.train(mode)(images, pair).main
            torch.testing.assert_close(
                found, plain(weights, images, pair, cells), rtol=0, atol=1e-6
            )


@pytest.mark.parametrize("operation", OPERATIONS)
def test_operations_are_those_of_the_suites_own_networks(operation: str) -> None:
    shared = SharedOperations(4, 6).double()
    own = NDS_OPERATIONS[operation](6, 1).double().train()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in shared.parameters():
            weight.normal_(generator=generator)
        if operation.startswith("sep"):
            copied = [
                weight[2]
                for stack in shared.convolutions[operation]
                for weight in (stack.depthwise, stack.pointwise, stack.scale, stack.shift)
            ]
            for target, source in zip(own.parameters(), copied, strict=True):
                target.copy_(source)
    x = torch.randn(4, 6, 8, 8, dtype=torch.float64, generator=generator)
    torch.testing.assert_close(shared(x, 2, operation), own(x), rtol=0, atol=1e-9)


def test_a_pair_teaches_its_own_weights_and_no_others() -> None:
    network = network_of()
    weights_optimizer(network, 0.0)
    pair = pair_of([0, 1, 0, 4, 0, 2, 2, 3, 3, 3, 4, 4] * 2)
    said = network(torch.randn(3, 3, 16, 16, dtype=torch.float64), pair)
    said.main.square().sum().backward()
    taught = {name for name, weight in network.named_parameters() if weight.grad.abs().sum() > 0}
    assert {name for name in taught if "convolutions" in name} == {
        f"cells.{cell}.nodes.0.0.convolutions.sep_conv_3x3.{stack}.{key}"
        for cell in range(5)
        for stack in (0, 1)
        for key in ("depthwise", "pointwise", "scale", "shift")
    }
    rows = network.cells[0].nodes[0][0].convolutions["sep_conv_3x3"][0].pointwise.grad
    assert rows[0].abs().sum() > 0
    assert rows[1].abs().sum() == 0


def test_what_cannot_be_stacked_is_named() -> None:
    for more, words in (
        ({"cells": 1}, "cells: expected at least 2"),
        ({"image_size": 18}, "expected a multiple of 4"),
        ({"auxiliary": True}, "auxiliary: expected images of at least 20 pixels"),
        ({"auxiliary": True, "image_size": 32, "cells": 2}, "a cell behind the second reduction"),
    ):
        with pytest.raises(ConfigError, match=words):
            network_of(**more)


def test_the_second_classifier_speaks_only_in_training() -> None:
    network = network_of(auxiliary=True, image_size=32)
    images = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    pair = pairs(3)[0]
    said = network.train()(images, pair).auxiliary
    assert said is not None
    assert said.shape == (2, 10)
    assert network.eval()(images, pair).auxiliary is None


def alone(**more: object) -> NetworkAlone:
    images = Images(torch.zeros(2, 3, 32, 32), torch.zeros(2, dtype=torch.int64))
    data = Data(images, images, images, False, 10, 32)
    pair = parse_published(PUBLISHED)
    return NetworkAlone(pair, 5, 4, data, seed=3, **({"auxiliary": False} | more))


def test_a_network_alone_is_the_suites_own_but_for_what_helps_its_training() -> None:
    network, again = alone().eval(), alone()
    images = torch.randn(4, 3, 32, 32)
    assert torch.equal(network(images).main, network.cells(images))
    pieces = zip(network.parameters(), again.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pieces)
    network.train()
    generator = torch.Generator().manual_seed(0)
    dropped = network(images, None, 0.5, generator).main
    assert not torch.allclose(dropped, network(images).main)
    assert torch.equal(network(images, None, 0.0, generator).main, network(images).main)
    with_head = alone(auxiliary=True).train()(images).auxiliary
    assert with_head is not None
    assert with_head.shape == (4, 10)


def test_dropped_paths_keep_the_mean() -> None:
    from trainfree.weight_sharing.convolutional.retraining import _dropping

    network = alone().eval()
    cell = network.cells.cells[0]
    x = torch.randn(1, 12, 8, 8)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        wanted = cell(x, x)
        many = x.expand(2000, -1, -1, -1)
        found = _dropping(cell, many, many, 0.3, generator).mean(0, keepdim=True)
    # Nodes read the inputs alone in the published normal cell, so that means go through sums.
    torch.testing.assert_close(found, wanted, rtol=0.2, atol=0.15)


def test_augmented_images_are_shifted_mirrored_and_cut() -> None:
    images = torch.arange(1, 1 + 2 * 3 * 16 * 16, dtype=torch.float32).reshape(2, 3, 16, 16)
    many = images[:1].expand(600, -1, -1, -1)
    found = augmented(many, torch.Generator().manual_seed(1))
    padded = F.pad(images[0], (2,) * 4)
    seen = set()
    for image in found:
        matches = [
            (y, x, flip)
            for y in range(5)
            for x in range(5)
            for flip in (False, True)
            if torch.equal(image.flip(2) if flip else image, padded[:, y : y + 16, x : x + 16])
        ]
        seen.add(*matches)
    assert len(seen) == 50
    cut = augmented(torch.ones(400, 3, 16, 16), torch.Generator().manual_seed(1), cutout=4)
    plain_ones = augmented(torch.ones(400, 3, 16, 16), torch.Generator().manual_seed(1))
    lost = (plain_ones - cut).sum((1, 2, 3)) / 3
    assert lost.max() == 16  # the whole square
    assert 0 < lost.mean() < 16  # some of it is outside of the image


def test_rates_follow_cosines_that_grow() -> None:
    schedule = Schedule(1.0, 0.0, period=2, factor=2)
    assert [round(rate_at(schedule, epoch), 6) for epoch in range(8)] == [
        *(1.0, 0.5),
        *(1.0, 0.853553, 0.5, 0.146447),
        *(1.0, 0.96194),
    ]
    assert {rate_at(Schedule(0.1, 0.1), epoch) for epoch in range(30)} == {0.1}


def test_dropout_keeps_the_mean() -> None:
    found = dropout(500, 40, 0.8, torch.Generator().manual_seed(0), torch.ones(1))
    assert found is not None
    assert set(found.unique().tolist()) == {0.0, 1.25}
    assert float(found.mean()) == pytest.approx(1.0, abs=0.02)
    assert dropout(5, 4, 1.0, torch.Generator(), torch.ones(1)) is None


def test_the_controller_begins_as_published() -> None:
    settings = preset_settings("paper", "cifar10", 0).controller
    controller = MicroController(2, settings, seed=0).double()
    controller.bias = controller.bias.double()
    rater = controller.raters["2"]
    assert isinstance(rater, nn.Linear)
    with torch.no_grad():
        rater.weight.zero_()
    rated = [
        controller.rate(torch.tensor([[0, 0, operation, 0, *[0] * 12]])).log_probability.item()
        for operation in range(5)
    ]
    # What follows a choice depends on it only through the inputs' ratings, which are near even.
    assert rated[0] - rated[2] == pytest.approx(1.1 / 2.5 + 0.5, abs=0.02)
    reduction = [
        controller.rate(torch.tensor([[*[0] * 14, operation, 0]])).log_probability.item()
        for operation in range(5)
    ]
    assert reduction[1] - reduction[4] == pytest.approx(1.1 / 2.5, abs=0.02)


def test_the_controller_learns_which_operation_is_rewarded() -> None:
    settings = preset_settings("document", "cifar10", 0).controller
    controller = MicroController(2, settings, seed=1)
    learner = Reinforce(
        controller,
        torch.optim.Adam(controller.parameters(), lr=0.02),
        baseline_decay=0.9,
        entropy_weight=0.0,
    )
    generator = torch.Generator().manual_seed(0)

    def share(choices: list[int]) -> float:
        pair = pair_of(choices)
        operations = [*pair.normal.operations, *pair.reduction.operations]
        return operations.count("max_pool_3x3") / len(operations)

    for _ in range(60):
        sample = controller.sample(8, generator)
        learner.update(sample, torch.tensor([share(row) for row in sample.choices.tolist()]))
    assert share(controller.most_likely().tolist()) == 1.0
    assert learner.baseline is not None
    assert learner.baseline > 0.5
