"""One architecture's part in a group: both passes, weights to draw, and what is counted.

Nothing here knows of other architectures: offsets count from the architecture's own part of each
buffer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trainfree.scoring.gpu_engine.blocks.arena import aligned
from trainfree.scoring.gpu_engine.blocks.layers import BlockLayers, draw_rows, layers_of
from trainfree.scoring.gpu_engine.blocks.ledger import CannotGroupError
from trainfree.scoring.gpu_engine.blocks.memory import Memory
from trainfree.scoring.gpu_engine.blocks.parts import Catalogue, Part, Skipping, parts_of
from trainfree.scoring.gpu_engine.blocks.passes import Head, PassPlanner, PlacedBlock
from trainfree.scoring.gpu_kernels.launches import Table
from trainfree.scoring.settings.initialization import Initialization
from trainfree.spaces.network import BatchNorm, GlobalAvgPool, Linear, Network, Relu

_MOST_UNITS = 2**31 - 1


@dataclass(frozen=True, slots=True)
class PlacedDraws:
    """Rows that draw a block's weights, (rows, DRAW_FIELDS).

    Attributes
    ----------
    numbers, weights
        Where its part of the stream of numbers begins, and of the weights.
    """

    table: Table
    numbers: int
    weights: int


@dataclass(frozen=True, slots=True)
class ArchitecturePlan:
    """An architecture's blocks in both passes, and the sizes of its parts of buffers."""

    forward: tuple[PlacedBlock, ...]
    flow: tuple[PlacedBlock, ...]
    draws: tuple[PlacedDraws, ...]
    map_elements: int
    code_elements: int
    weight_elements: int
    pattern_elements: int
    flow_elements: int
    units: int
    units_once: int
    units_official: int
    forward_work: float
    flow_work: float
    params: int
    flops: int
    relu_units: int
    parameter_tensors: int


class ArchitecturePlanner:
    """Plans architectures and remembers their blocks.

    Parameters
    ----------
    images
        B.
    initialization
        How weights are drawn.
    wanted
        What is computed: any of ``kernels``, ``flow`` and ``patterns``.
    """

    def __init__(self, images: int, initialization: Initialization, wanted: frozenset[str]) -> None:
        self._images, self._initialization = images, initialization
        self._patterns = "patterns" in wanted
        self._forward = PassPlanner(images, False, self._patterns) if wanted - {"flow"} else None
        self._flow = PassPlanner(images, True, False) if "flow" in wanted else None
        self._catalogues = Catalogue(), Catalogue()
        self._layers: Memory[int, BlockLayers] = Memory()
        self._draws: Memory[tuple[int, frozenset[int]], Table] = Memory()

    def plan(self, network: Network) -> ArchitecturePlan:
        """Return the plan of a network.

        Raises
        ------
        CannotGroupError
            When the engine does not know one of its steps.
        """
        parts = parts_of(network, Skipping(network.nodes, flow=False), self._catalogues[0])
        layers = [self._layers_of(network, part) for part in parts]
        forward = self._forward.plan(network, parts, layers) if self._forward else ()
        flow: tuple[PlacedBlock, ...] = ()
        if self._flow:
            skipping = Skipping(network.nodes, flow=True)
            head = _head(network, skipping)
            passed = parts_of(network, skipping, self._catalogues[1])
            flow = self._flow.plan(network, passed, layers, head)
        draws = self._drawn(parts, layers, [blocks for blocks in (forward, flow) if blocks])
        return _together(forward, flow, draws, layers, self._images, self._patterns)

    def _layers_of(self, network: Network, part: Part) -> BlockLayers:
        found = self._layers.get(part.form)
        if found is None:
            found = self._layers.put(part.form, layers_of(network, part, self._initialization))
        return found

    def _drawn(
        self,
        parts: Sequence[Part],
        layers: Sequence[BlockLayers],
        passes: Sequence[Sequence[PlacedBlock]],
    ) -> list[PlacedDraws]:
        """Return the rows that draw what any of the passes reads."""
        drawn, numbers, weights = [], 0, 0
        for at, block in enumerate(layers):
            read: frozenset[int] = frozenset()
            for blocks in passes:
                read |= blocks[at].plan.draft.layers
            if read:
                key = parts[at].form, read
                table = self._draws.get(key)
                if table is None:
                    table = self._draws.put(key, draw_rows(block, read))
                drawn.append(PlacedDraws(table, numbers, weights))
            numbers += block.numbers
            weights += block.weight_elements
        return drawn


def _head(network: Network, skipping: Skipping) -> Head:
    """Return the node whose mean enters the linear layer that makes the output, and that layer."""
    layer = _behind(network, network.output)
    node = network.nodes[layer]
    if isinstance(node, Linear):
        mean = _behind(network, node.source)
        if isinstance(network.nodes[mean], GlobalAvgPool):
            return skipping.real[mean], layer
    raise CannotGroupError(
        "the output is not a linear layer after a mean over a map, the only kind that the GPU "
        "engine supports"
    )


def _behind(network: Network, number: int) -> int:
    """Return the node that ReLUs and batch normalisations which end in ``number`` read."""
    while isinstance(node := network.nodes[number], Relu | BatchNorm):
        number = node.source
    return number


def _together(
    forward: Sequence[PlacedBlock],
    flow: Sequence[PlacedBlock],
    draws: Sequence[PlacedDraws],
    layers: Sequence[BlockLayers],
    images: int,
    patterns: bool,
) -> ArchitecturePlan:
    official = sum(block.plan.draft.units_official for block in forward)
    if official > _MOST_UNITS:
        raise CannotGroupError(
            f"it has {official} units, counted as the published code does; the GPU engine counts "
            f"up to {_MOST_UNITS}"
        )
    units = sum(block.plan.draft.units for block in forward)
    words = -(-images // 32)
    return ArchitecturePlan(
        forward=tuple(forward),
        flow=tuple(flow),
        draws=tuple(draws),
        map_elements=max((block.plan.map_elements for block in forward), default=0),
        code_elements=max((block.plan.draft.code_elements for block in forward), default=0),
        weight_elements=sum(block.weight_elements for block in layers),
        pattern_elements=aligned(units * words) if patterns else 0,
        flow_elements=max((block.plan.map_elements for block in flow), default=0),
        units=units,
        units_once=sum(block.plan.draft.units_once for block in forward),
        units_official=official,
        forward_work=sum(block.plan.draft.work for block in forward),
        flow_work=sum(block.plan.draft.work for block in flow),
        params=sum(block.params for block in layers),
        flops=sum(block.flops for block in layers),
        relu_units=sum(block.relu_units for block in layers),
        parameter_tensors=sum(block.parameter_tensors for block in layers),
    )
