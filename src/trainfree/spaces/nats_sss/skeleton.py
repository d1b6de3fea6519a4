"""The network of five widths, exactly as published.

The skeleton of NAS-Bench-201 with one cell a stage: stem and first cell of the first width, a
residual block of the second, a cell of the third, a residual block of the fourth, a cell of the
fifth. The cell is the same in all architectures: 3 × 3 convolutions on all edges but the one from
the input to the output, which is a skip connection. Where a cell's width is not its input's, the
edges from the input change it: the skip connection is then a 1 × 1 convolution with batch
normalisation and without ReLU (Dong et al., TPAMI 2021, and its code; the parameters of all
networks are as tabulated).
"""

from __future__ import annotations

from trainfree.spaces.nasbench201.skeleton import (
    add_cell,
    add_head,
    add_residual_block,
    add_stem,
    require_size,
)
from trainfree.spaces.nasbench201.space import EDGES
from trainfree.spaces.nats_sss.space import SizeSpace
from trainfree.spaces.network import Network, NetworkBuilder

CELL = dict.fromkeys(EDGES, "nor_conv_3x3") | {(3, 0): "skip_connect"}


def build_network(space: SizeSpace, index: int, image_size: int, classes: int) -> Network:
    """Return the network of architecture ``index`` for RGB images of ``image_size`` squared.

    Raises
    ------
    ImageError
        When the size is no multiple of 4, since it is halved twice.
    """
    require_size(space.name, image_size)
    stem, first, second, third, last = space.channels(index)
    builder = NetworkBuilder()
    x = add_cell(builder, add_stem(builder, image_size, stem), stem, CELL)
    x = add_cell(builder, add_residual_block(builder, x, first), second, CELL)
    x = add_cell(builder, add_residual_block(builder, x, third), last, CELL)
    return add_head(builder, x, classes)
