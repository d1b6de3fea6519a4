"""TE-NAS's linear regions: the thinned network, and the count by brute force on a module."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from trainfree.proxies import load_proxy
from trainfree.proxies.registry import UndefinedScoreError
from trainfree.scoring.candidate import CheckedCandidate
from trainfree.scoring.jobs.trial import small_candidate, try_proxy
from trainfree.scoring.quantities.formulas import region_inputs
from trainfree.scoring.quantities.patterns import thin
from trainfree.scoring.weights import draw_weights
from trainfree.spaces import build_network, load_space
from trainfree.spaces.network import Conv, Network, NetworkBuilder, Relu

SPACE = load_space("nasbench201")
CELLS = {
    "all kinds": "|nor_conv_3x3~0|+|nor_conv_1x1~0|avg_pool_3x3~1|+"
    "|skip_connect~0|none~1|nor_conv_3x3~2|",
    "identity, dead convolutions": "|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+"
    "|skip_connect~0|none~1|none~2|",
    "nothing": "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|",
    "all 3x3": "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+"
    "|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|",
}
pytestmark = pytest.mark.usefixtures("one_thread")


class Cell(nn.Module):
    """A cell of NAS-Bench-201 with one channel, and the ReLU behind the last cell."""

    def __init__(self, text: str) -> None:
        super().__init__()
        edges = [edge.split("~") for part in text.split("+") for edge in part.strip("|").split("|")]
        self.names = [name for name, _ in edges]
        kernels = {"nor_conv_3x3": 3, "nor_conv_1x1": 1}
        self.edges = nn.ModuleList(
            nn.Sequential(
                nn.ReLU(),
                nn.Conv2d(1, 1, kernels[name], padding=kernels[name] // 2, bias=False),
                nn.BatchNorm2d(1),
            )
            if name in kernels
            else nn.AvgPool2d(3, 1, 1, count_include_pad=False)
            if name == "avg_pool_3x3"
            else nn.Identity()
            for name in self.names
        )
        self.last = nn.Sequential(nn.BatchNorm2d(1), nn.ReLU())

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        nodes = [images]
        edges = iter(zip(self.names, self.edges, strict=True))
        for target in range(1, 4):
            total = torch.zeros_like(images)
            for source in range(target):
                name, edge = next(edges)
                made = edge(nodes[source])
                total = total if name == "none" else total + made
            nodes.append(total)
        return self.last(nodes[-1])


def brute_force(candidate: CheckedCandidate, text: str) -> float:
    """Count codes one by one, from the streams that the proxy draws from."""
    cell = Cell(text).double().train()
    codes: list[torch.Tensor] = []
    for module in cell.modules():
        if isinstance(module, nn.ReLU):
            module.register_forward_hook(lambda _m, _i, out: codes.append(out.flatten(1) > 0))
    rng = candidate.stream("proxy/linear_regions")
    weights = candidate.stream("proxy/linear_regions weights")
    network = thin(candidate.network, 3)
    counts = []
    for _ in range(3):
        drawn = iter(draw_weights(network, "kaiming", weights).weight.values())
        for module in cell.modules():
            if isinstance(module, nn.Conv2d):
                module.weight.data = torch.from_numpy(next(drawn)).double()
        seen = set()
        for _ in range(3):
            sizes = candidate.images.shape[0], 3, *(side - 2 for side in candidate.images.shape[2:])
            image, channel, y, x = (rng.integers(size, size=1000) for size in sizes)
            pieces = [
                candidate.images[n, c, top : top + 3, left : left + 3]
                for n, c, top, left in zip(image, channel, y, x, strict=True)
            ]
            codes.clear()
            cell(torch.stack(pieces)[:, None])
            seen |= {row.numpy().tobytes() for row in torch.cat(codes, dim=1)}
        counts.append(len(seen))
    return sum(counts) / 3


@pytest.mark.parametrize("text", CELLS.values(), ids=CELLS)
def test_the_count_is_that_of_a_cell_built_by_hand(text):
    arch = SPACE.parse(text)
    options = {"space": "nasbench201", "weights": "kaiming", "dtype": torch.float64}
    candidate = small_candidate(arch, 8, 0, **options)
    found, _ = candidate.score(load_proxy("linear_regions"))
    assert found == pytest.approx(brute_force(candidate, text), rel=1e-6)
    assert 1 <= found <= 3000


def test_the_thinned_network_is_one_cell_of_one_channel():
    thinned = thin(build_network(SPACE, SPACE.parse(CELLS["all 3x3"]), 32, 10), 3)
    convolutions = [node for node in thinned.nodes if isinstance(node, Conv)]
    assert {(node.in_channels, node.out_channels, node.stride) for node in convolutions} == {
        (1, 1, 1)
    }
    assert len(convolutions) == 6
    assert sum(isinstance(node, Relu) for node in thinned.nodes) == 4
    assert thinned.shapes[0] == (1, 3, 3)
    assert thinned.shapes[-1] == (10,)


def stack(*blocks: str) -> Network:
    """Blocks by letter: w 3 × 3, n 1 × 1, d a 3 × 3 that doubles, s one with a stride."""
    builder = NetworkBuilder()
    x = builder.end_block(builder.conv(builder.input(3, 8), 4, 3))
    for letter in blocks:
        channels = builder.shapes[x][0] * (2 if letter == "d" else 1)
        x = builder.conv(
            builder.relu(x, 1, False),
            channels,
            1 if letter == "n" else 3,
            2 if letter == "s" else 1,
        )
        x = builder.end_block(builder.batch_norm(x))
    builder.linear(builder.global_avg_pool(x), 5)
    return builder.network()


@pytest.mark.parametrize(
    ("blocks", "kept"),
    [
        ("w", [(1, 1, 3)]),
        ("wwwswww", [(1, 1, 3)]),
        ("wnswnnw", [(1, 1, 3), (1, 1, 1)]),
        ("nwds", [(1, 1, 1), (1, 1, 3)]),
        ("sdnw", [(1, 2, 3), (2, 2, 1)]),
        ("ssssn", [(1, 1, 1)]),
    ],
)
def test_one_block_of_each_kind_without_a_stride_stays(blocks, kept):
    thinned = thin(stack(*blocks), 3)
    convolutions = [node for node in thinned.nodes if isinstance(node, Conv)]
    assert [(node.in_channels, node.out_channels, node.kernel) for node in convolutions] == kept
    assert {shape[1:] for shape in thinned.shapes if len(shape) == 3} == {(3, 3)}


def test_what_cannot_be_thinned_says_so():
    with pytest.raises(UndefinedScoreError, match="no block without a stride"):
        thin(stack("s", "s"), 3)
    unmarked = stack("w")
    with pytest.raises(UndefinedScoreError, match="no block without a stride"):
        thin(Network(unmarked.nodes, unmarked.shapes, unmarked.blocks), 3)
    builder = NetworkBuilder()
    x = builder.end_block(builder.conv(builder.input(3, 8), 4, 3))
    halves = [builder.conv(x, 2, kernel) for kernel in (1, 3)]
    builder.linear(builder.global_avg_pool(builder.end_block(builder.concat(halves))), 5)
    with pytest.raises(UndefinedScoreError, match="divides its channels"):
        thin(builder.network(), 3)


def test_pieces_are_of_the_images():
    images = torch.arange(2 * 3 * 5 * 5).reshape(2, 3, 5, 5).float()
    batches = list(region_inputs(images, np.random.default_rng(0)))
    assert [tuple(each.shape) for each in batches] == [(1000, 1, 3, 3)] * 3
    corners = {int(corner) for each in batches for corner in each[:, 0, 0, 0]}
    allowed = images[:, :, :3, :3].flatten().int().tolist()
    assert corners == set(allowed)
    piece = batches[0][0, 0]
    assert torch.equal(piece - piece[0, 0], torch.tensor([[0, 1, 2], [5, 6, 7], [10, 11, 12.0]]))
    with pytest.raises(UndefinedScoreError, match="3 x 3"):
        next(region_inputs(torch.zeros(2, 3, 2, 9), np.random.default_rng(0)))


def test_it_declares_what_its_authors_use():
    proxy = load_proxy("linear_regions")
    assert (proxy.input, proxy.weights) == ("images", "kaiming")
    scores = [trial.score for trial in try_proxy("linear_regions")]
    assert len(set(scores)) == len(scores)
