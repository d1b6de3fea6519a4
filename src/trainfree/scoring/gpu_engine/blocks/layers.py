"""What a block has whatever is computed of it: layers with weights, and what is counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import numpy as np

from trainfree.scoring.gpu_engine.blocks.arena import aligned
from trainfree.scoring.gpu_engine.blocks.parts import Part
from trainfree.scoring.gpu_kernels.launches import DRAW_FIELDS, Table
from trainfree.scoring.settings.initialization import Initialization
from trainfree.scoring.weights import weight_scale
from trainfree.spaces.network import BatchNorm, Conv, Linear, Network, Relu


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer with weights, in its block: where it starts in the stream of numbers and lies."""

    start: int
    offset: int
    out_size: int
    in_size: int
    taps: int
    scale: int


@dataclass(frozen=True, slots=True)
class BlockLayers:
    """What a block has whatever is computed of it."""

    layers: Mapping[int, Layer]
    """By place in the block."""
    numbers: int
    weight_elements: int
    params: int
    flops: int
    relu_units: int
    parameter_tensors: int


def layers_of(network: Network, part: Part, initialization: Initialization) -> BlockLayers:
    """Return the layers and counts of a part of a network."""
    layers: dict[int, Layer] = {}
    numbers = elements = params = flops = relu_units = tensors = 0
    for place, number in enumerate(range(part.first, part.last)):
        node, shape = network.nodes[number], network.shapes[number]
        if isinstance(node, Conv | Linear):
            out_size, in_size, *kernel = node.weight_shape
            taps, size = prod(kernel), prod(node.weight_shape)
            scale = np.float32(weight_scale(in_size * taps, out_size * taps, initialization))
            bits = int(scale.view(np.int32))
            layers[place] = Layer(numbers, elements, out_size, in_size, taps, bits)
            biases = out_size if isinstance(node, Linear) else 0
            numbers += size + biases
            elements += aligned(size)
            params += size + biases
            flops += size * prod(shape[1:]) + biases
            tensors += 1 + bool(biases)
        elif isinstance(node, BatchNorm):
            params += 2 * shape[0]
            tensors += 2
        elif isinstance(node, Relu):
            relu_units += node.modules * prod(shape)
    return BlockLayers(layers, numbers, elements, params, flops, relu_units, tensors)


def draw_rows(block: BlockLayers, places: frozenset[int]) -> Table:
    """Return the rows that draw the weights at some places of a block, (rows, DRAW_FIELDS)."""
    rows = []
    for place in sorted(places):
        layer = block.layers[place]
        sizes = layer.out_size, layer.in_size, layer.taps
        rows.append((0, layer.start, layer.offset, *sizes, layer.scale))
    return np.array(rows, np.int64).reshape(len(rows), DRAW_FIELDS)
