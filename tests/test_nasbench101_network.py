"""The networks of NAS-Bench-101 cells against a plain PyTorch version and the recorded counts."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from nasbench101_counts import parameter_counts
from nasbench101_fixtures import C1, C3, INCEPTION_PARAMS, MP, inception
from torch.nn import functional

from trainfree.errors import ImageError
from trainfree.spaces.nasbench101.skeleton import (
    build_network,
    vertex_channels,
)
from trainfree.spaces.nasbench101.space import GraphCellSpace
from trainfree.spaces.network import (
    Add,
    BatchNorm,
    Concat,
    Conv,
    GlobalAvgPool,
    Input,
    Linear,
    MaxPool,
    Relu,
    Truncate,
)

pytestmark = pytest.mark.usefixtures("one_thread")

SCORED, TRAINED = GraphCellSpace.published(), GraphCellSpace.trained()
# Divided by 2, 3, 4 or 5 feeding vertices, 6 channels leave something over.
SMALL = GraphCellSpace("small", stem_channels=6, modules_per_stack=2)


class Weights:
    """Weights in the order in which they are asked for."""

    def __init__(self, seed):
        self.generator = torch.Generator().manual_seed(seed)

    def draw(self, *shape):
        weight = torch.randn(shape, generator=self.generator, dtype=torch.float64)
        return weight / np.sqrt(np.prod(shape[1:]))


def batch_norm(x):
    return functional.batch_norm(x, None, None, training=True)


def execute(network, x, weights):
    """Run a network node by node."""
    values, relu_units = [], 0
    for number, node in enumerate(network.nodes):
        read = [values[source] for source in node.sources]
        match node:
            case Input():
                value = x
            case Conv():
                value = functional.conv2d(
                    *read, weights.draw(*node.weight_shape), None, node.stride, node.padding
                )
            case BatchNorm():
                value = batch_norm(*read)
            case Relu():
                value = functional.relu(*read)
                relu_units += node.modules * value[0].numel()
            case MaxPool():
                value = functional.max_pool2d(*read, node.kernel, node.stride, node.padding)
            case Truncate():
                value = read[0][:, : node.channels]
            case Concat():
                value = torch.cat(read, dim=1)
            case Add():
                value = sum(read)
            case GlobalAvgPool():
                value = read[0].mean((2, 3))
            case Linear():
                value = read[0] @ weights.draw(*node.weight_shape).T
        assert tuple(value.shape[1:]) == network.shapes[number]
        values.append(value)
    return values[-1], relu_units


class PlainNetwork:
    """The published network written down once more, without nodes."""

    def __init__(self, space, spec, weights):
        self.space, self.spec, self.weights = space, spec, weights
        self.params = self.relu_units = 0

    def __call__(self, x, classes):
        channels = self.space.stem_channels
        x = self.conv_bn_relu(x, channels, 3)
        for stack in range(3):
            if stack:
                x = functional.max_pool2d(x, 2)
                channels *= 2
            for _ in range(self.space.modules_per_stack):
                x = self.cell(x, channels)
        self.params += classes * (channels + 1)
        return x.mean((2, 3)) @ self.weights.draw(classes, channels).T

    def conv_bn_relu(self, x, channels, kernel):
        weight = self.weights.draw(channels, x.shape[1], kernel, kernel)
        x = functional.relu(batch_norm(functional.conv2d(x, weight, padding=kernel // 2)))
        self.params += weight.numel() + 2 * channels
        self.relu_units += x[0].numel()
        return x

    def cell(self, x, channels):
        matrix, ops = self.spec.matrix.tolist(), self.spec.ops
        last = len(ops) - 1
        widths = self.widths(matrix, channels)
        tensors = {0: x}
        for vertex in range(1, last):
            total = 0
            for source in range(1, vertex):
                if matrix[source][vertex]:
                    total = total + tensors[source][:, : widths[vertex]]
            if matrix[0][vertex]:
                total = total + self.conv_bn_relu(x, widths[vertex], 1)
            if ops[vertex] == MP:
                tensors[vertex] = functional.max_pool2d(total, 3, 1, 1)
            else:
                kernel = {C3: 3, C1: 1}[ops[vertex]]
                tensors[vertex] = self.conv_bn_relu(total, widths[vertex], kernel)
        feeding = [tensors[vertex] for vertex in range(1, last) if matrix[vertex][last]]
        if not feeding:
            return self.conv_bn_relu(x, channels, 1)
        output = torch.cat(feeding, dim=1)
        if matrix[0][last]:
            output = output + self.conv_bn_relu(x, channels, 1)
        return output

    def widths(self, matrix, channels):
        last = len(matrix) - 1
        feeding = [v for v in range(1, last) if matrix[v][last]]
        widths = {}
        for place, vertex in enumerate(feeding):
            extra = 1 if place < channels % len(feeding) else 0
            widths[vertex] = channels // len(feeding) + extra
        while len(widths) < last - 1:
            for vertex in range(1, last):
                fed = [w for w in range(1, last) if matrix[vertex][w]]
                if vertex not in widths and all(w in widths for w in fed):
                    widths[vertex] = max(widths[w] for w in fed)
        return widths


@settings(max_examples=40)
@given(st.integers(0, 423_623))
def test_networks_compute_what_the_plain_version_computes(index):
    x = torch.randn((3, 3, 8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    network = build_network(SMALL, index, 8, 5)
    found, relu_units = execute(network, x, Weights(1))
    plain = PlainNetwork(SMALL, SMALL.specification(index), Weights(1))
    assert torch.allclose(found, plain(x, 5), rtol=1e-9, atol=1e-9)
    assert network.params == plain.params
    assert network.relu_units == relu_units == plain.relu_units
    assert parameter_counts_of(SMALL, 5)[index] == network.params


_COUNTS = {}


def parameter_counts_of(space, classes):
    if (space.name, classes) not in _COUNTS:
        _COUNTS[space.name, classes] = parameter_counts(space, classes)
    return _COUNTS[space.name, classes]


def test_published_example_has_its_published_number_of_parameters():
    index = TRAINED.index_of_spec(inception())
    assert build_network(TRAINED, index, 32, 10).params == INCEPTION_PARAMS


def test_counts_agree_with_the_built_network_for_every_graph():
    vertices, bits, _ = TRAINED.cells
    counts = parameter_counts(TRAINED, 10)
    _, first = np.unique(bits + (vertices << 32), return_index=True)
    last = np.append(first[1:], len(TRAINED)) - 1
    rng = np.random.default_rng(0)
    for low, high in list(zip(first, last, strict=True)):
        index = int(rng.integers(low, high + 1))
        assert build_network(TRAINED, index, 32, 10).params == counts[index]


@pytest.mark.shared_data
def test_parameter_counts_are_the_recorded_ones_for_all_cells(shared_data):
    with np.load(shared_data / "nasbench101" / "nb101_108ep.npz") as archive:
        table = dict(archive)
    counts = parameter_counts(TRAINED, 10)
    compared = 0
    for size in range(2, 8):
        rows = np.flatnonzero(table["n_vertices"] == size)
        codes = np.zeros(len(rows), dtype=np.int64)
        for column in range(size - 2):
            codes = codes * 3 + table["ops"][rows, column]
        index = TRAINED.pruned_indices(size, table["adj_bits"][rows].astype(np.int64), codes)
        assert (counts[index] == table["params"][rows]).all()
        compared += len(rows)
    assert compared == 423_624


def test_channels_are_divided_and_the_first_ones_take_what_is_left():
    fan = np.zeros((5, 5), dtype=np.int8)
    fan[0, 1:4] = fan[1:4, 4] = 1
    assert vertex_channels(16, 32, fan) == [16, 11, 11, 10, 32]
    chain = np.eye(4, k=1, dtype=np.int8)
    assert vertex_channels(128, 256, chain) == [128, 256, 256, 256]
    assert vertex_channels(16, 32, np.array([[0, 1], [0, 0]], dtype=np.int8)) == [16, 32]


def test_a_vertex_that_does_not_feed_the_output_is_as_wide_as_the_widest_it_feeds():
    matrix = np.zeros((5, 5), dtype=np.int8)
    matrix[0, 1] = matrix[1, 2] = matrix[1, 3] = matrix[2, 4] = matrix[3, 4] = 1
    assert vertex_channels(3, 7, matrix) == [3, 4, 4, 3, 7]


def test_a_narrower_vertex_reads_the_first_channels():
    text = f"{C3}~0+{C1}~1+{C1}~1+output~2~3"
    network = build_network(SMALL, SMALL.parse(text), 8, 5)
    assert not any(isinstance(node, Truncate) for node in network.nodes)
    odd = GraphCellSpace("odd", stem_channels=7, modules_per_stack=1)
    network = build_network(odd, odd.parse(text), 8, 5)
    cuts = [node.channels for node in network.nodes if isinstance(node, Truncate)]
    assert cuts == [3]  # 7 = 4 + 3; 14 and 28 divide evenly


def test_a_cell_without_operations_is_one_projection():
    network = build_network(SCORED, SCORED.parse("output~0"), 32, 10)
    kinds = [type(node) for node in network.nodes]
    assert kinds.count(Conv) == 1 + 9
    assert kinds.count(MaxPool) == 2
    assert Concat not in kinds
    assert Add not in kinds


def test_sizes_that_cannot_be_halved_twice_are_refused():
    with pytest.raises(ImageError, match="multiple of 4"):
        build_network(SCORED, 0, 30, 10)
