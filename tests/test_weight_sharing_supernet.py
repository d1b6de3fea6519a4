"""The super-network against the networks of single architectures, and its images."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sharing_fixtures import SPACE, pictures, setting_of, split
from torch import Tensor, nn
from torch.nn import functional as F

import trainfree
from trainfree.errors import ImageError
from trainfree.spaces.nasbench201.skeleton import CONV_KERNELS
from trainfree.spaces.nasbench201.space import EDGES
from trainfree.weight_sharing.pictures import averaged_down, halves_of, turned_and_cropped
from trainfree.weight_sharing.supernet import LEAVING, ResidualBlock, SharedCell, SuperNetwork

ALL_SKIP, ALL_CONV = SPACE.index_of([1] * 6), SPACE.index_of([3] * 6)
CELLS = (
    *(0, ALL_SKIP, ALL_CONV, SPACE.index_of([4] * 6), SPACE.index_of([2] * 6)),
    SPACE.index_of([3, 0, 1, 2, 4, 3]),  # each operation once at least
    SPACE.index_of([0, 3, 4, 1, 0, 2]),
    SPACE.index_of([0, 0, 3, 0, 2, 3]),  # no path from the input
)

pytestmark = pytest.mark.usefixtures("one_thread")


def alone(network: SuperNetwork, index: int) -> nn.Module:
    """Return an architecture's own network with the weights that it has in the super-network."""
    module = trainfree.space("nasbench201")[index].module(classes=10, image_size=8)
    digits = SPACE.digits(index)
    weights: list[Tensor] = [network.stem.weight]
    for block in network.blocks:
        if isinstance(block, SharedCell):
            for edge in range(len(EDGES)):  # the order of the network's own convolutions
                name = SPACE.operations[digits[edge]]
                if name in CONV_KERNELS:
                    node = EDGES[edge][1]
                    stacked = block.convolutions[node][name]
                    place = LEAVING[node].index(edge)
                    weights.append(stacked.weight.chunk(len(LEAVING[node]))[place])
        else:
            assert isinstance(block, ResidualBlock)
            weights += [block.first.weight, block.second.weight, block.shortcut.weight]
    weights.append(network.head.weight)
    layers = [part for part in module.modules() if isinstance(part, nn.Conv2d | nn.Linear)]
    assert len(layers) == len(weights)
    for layer, weight in zip(layers, weights, strict=True):
        assert layer.weight.shape == weight.shape
        layer.weight = nn.Parameter(weight.detach().clone())
    layers[-1].bias = nn.Parameter(network.head.bias.detach().clone())
    return module.to(weights[0].dtype)


@pytest.fixture(scope="module")
def network() -> SuperNetwork:
    """The published super-network, in float64."""
    return SuperNetwork(SPACE.operations, seed=1).double()


@pytest.mark.parametrize("index", CELLS)
def test_with_one_operation_an_edge_it_is_the_architecture_by_itself(network, index):
    images = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(2)).double()
    digits = SPACE.digits(index)
    one_hot = F.one_hot(torch.tensor(digits), len(SPACE.operations)).double()
    with torch.no_grad():
        wanted = alone(network, index).train()(images)
        for found in (
            network.chosen(images, digits),
            network.chosen(images, digits, one_hot),
            network.mixture(images, one_hot),
        ):
            assert torch.allclose(found, wanted, rtol=0, atol=1e-6)


def test_a_mixture_is_what_its_edges_say(network):
    """Two operations, half each: the sum of both halves on the first edge of an easy cell."""
    cell = SharedCell(2, SPACE.operations, running_statistics=False).double()
    for weight in cell.parameters():
        nn.init.normal_(weight, generator=torch.Generator().manual_seed(1))
    x = torch.randn(3, 2, 8, 8, generator=torch.Generator().manual_seed(2)).double()
    weights = torch.zeros(6, 5).double()
    weights[3] = torch.tensor([0.1, 0.2, 0.3, 0.25, 0.15])  # 3<-0, nothing else
    conv = cell.convolutions[0]

    def normalised(maps: Tensor) -> Tensor:
        mean, var = maps.mean((0, 2, 3), keepdim=True), maps.var((0, 2, 3), False, keepdim=True)
        return (maps - mean) / torch.sqrt(var + 1e-5)

    one, three = conv["nor_conv_1x1"].weight[4:], conv["nor_conv_3x3"].weight[4:]
    wanted = (
        0.2 * x
        + 0.3 * normalised(F.conv2d(F.relu(x), one))
        + 0.25 * normalised(F.conv2d(F.relu(x), three, padding=1))
        + 0.15 * nn.AvgPool2d(3, 1, 1, count_include_pad=False)(x)
    )
    assert torch.allclose(cell.mixture(x, weights), wanted)


@pytest.mark.parametrize("running", [False, True])
def test_running_statistics_are_kept_only_where_they_are_wanted(running):
    network = SuperNetwork(
        SPACE.operations, channels=4, cells=1, running_statistics=running, seed=0
    )
    images = torch.randn(8, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    buffers = [name for name, _ in network.named_buffers() if "blocks.0." in name]
    assert bool(buffers) is running
    before = [buffer.clone() for buffer in network.buffers()]
    with network.statistics_kept():
        network.chosen(images, [3] * 6)
    assert all(map(torch.equal, before, network.buffers()))
    with torch.no_grad():
        network.chosen(images, [3] * 6)
    other = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    with network.evaluating():
        apart = network.chosen(other, [3] * 6)
        beside = network.chosen(torch.cat([other, images]), [3] * 6)[:2]
    assert torch.allclose(apart, beside, atol=1e-5) is running
    assert network.training


def test_halves_are_disjoint_and_the_same_for_all_methods(tmp_path):
    setting = setting_of("rsps", images=0)
    weights, architecture = halves_of(setting, split(101, 20), tmp_path)
    assert len(weights) == 50
    assert sorted([*weights, *architecture]) == list(range(101))
    again = halves_of(setting_of("gdas", images=40), split(101, 20), tmp_path)
    assert [*map(list, again)] == [list(weights[:20]), list(architecture[:20])]
    others = halves_of(setting_of("rsps", images=0, dataset="cifar100"), split(101, 20), tmp_path)
    assert sorted(others[0]) == list(range(101))
    assert len(others[1]) == 10
    assert min(others[1]) >= 101


def test_too_few_images_are_named(tmp_path):
    with pytest.raises(ImageError, match=r"x\.h5: weight_sharing\.images: expected at least 60 "):
        halves_of(setting_of("rsps", images=120), split(100, 20), tmp_path / "x.h5")
    only_train = setting_of("rsps", images=0, dataset="cifar100")
    with pytest.raises(ImageError, match="at least 1 images for the architecture, found 0"):
        halves_of(only_train, split(100, 0), tmp_path)


def test_images_are_averaged_down(tmp_path):
    pixels = np.arange(2 * 16 * 16 * 3).reshape(2, 16, 16, 3) % 251
    pixels = pixels.astype(np.uint8)
    small = averaged_down(pixels, 8, tmp_path)
    assert small.shape == (2, 8, 8, 3)
    assert small[1, 2, 3, 1] == np.rint(pixels[1, 4:6, 6:8, 1].mean())
    assert averaged_down(pixels, 0, tmp_path) is pixels
    for size in (4, 12, 32):
        with pytest.raises(ImageError, match=rf"divides the images' 16 pixels, found {size}"):
            averaged_down(pixels, size, tmp_path)


def test_augmentation_mirrors_then_crops():
    pixels = torch.arange(4 * 3 * 16 * 16).reshape(4, 3, 16, 16) % 256
    changes = torch.tensor([[0, 2, 2], [1, 2, 2], [0, 0, 4], [1, 4, 0]])
    found = turned_and_cropped(pixels, changes)
    padded = F.pad(pixels, (2, 2, 2, 2))
    mirrored = F.pad(pixels.flip(3), (2, 2, 2, 2))
    wanted = [
        padded[0, :, 2:18, 2:18],
        mirrored[1, :, 2:18, 2:18],
        padded[2, :, 0:16, 4:20],
        mirrored[3, :, 4:20, 0:16],
    ]
    assert torch.equal(found, torch.stack(wanted))


def test_an_epoch_shows_every_image_once_and_draws_by_the_stream_alone():
    images = pictures(20)
    half = images.weights

    def seen(seed: int) -> list[Any]:
        batches = images.shuffled(half, 8, np.random.default_rng(seed), augmented=True)
        return [batch.labels.tolist() for batch in batches]

    assert [len(part) for part in seen(0)] == [8, 8, 4]
    assert sorted(label for part in seen(0) for label in part) == sorted(half.labels.tolist())
    assert seen(0) == seen(0) != seen(1)
    plain = torch.cat([batch.images for batch in images.ordered(half, 8)])
    assert torch.allclose(plain, (half.pixels.float() - 127.5) / 64)
