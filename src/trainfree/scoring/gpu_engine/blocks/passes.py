"""One pass over a network, block by block, each planned once for all that are equal.

Blocks are planned from the last to the first for what they want of each other, then from the first
to the last for where the maps lie.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod

from trainfree.scoring.cpu_engine.plan import Demand, Step, UnsupportedStepError, make_part
from trainfree.scoring.gpu_engine.blocks.arena import aligned
from trainfree.scoring.gpu_engine.blocks.draft import BlockDraft, BlockDrafter
from trainfree.scoring.gpu_engine.blocks.layers import BlockLayers
from trainfree.scoring.gpu_engine.blocks.ledger import IMAGES, NOTHING, CannotGroupError
from trainfree.scoring.gpu_engine.blocks.memory import Memory
from trainfree.scoring.gpu_engine.blocks.parts import (
    Part,
    local_shapes,
    own_inputs,
    own_number,
    part_network,
)
from trainfree.scoring.gpu_engine.blocks.placing import BlockPlan, Surroundings, place
from trainfree.spaces.network import Input, Network

FLOW_IMAGES = 2
Head = tuple[int, int]
"""Node whose mean enters the linear layer at the end of the flow, and that layer."""
_Later = tuple[tuple[int, Demand], ...]
_NO_DEMAND = Demand(0, 0, 0)


@dataclass(frozen=True, slots=True)
class PlacedBlock:
    """A block in its architecture.

    Attributes
    ----------
    block
        Its number; launches of equal number go together.
    weights, units
        Where its part of the weights begins, and of all codes' units.
    """

    block: int
    plan: BlockPlan
    weights: int
    units: int


@dataclass(frozen=True, slots=True)
class _Steps:
    """Steps of a block, and what it wants of what it reads, by external slot."""

    steps: tuple[Step, ...]
    inputs: tuple[tuple[int, Demand], ...]


@dataclass(slots=True)
class _Drafted:
    """A block's draft, the elements of what it reads and keeps, and its plans by surroundings."""

    draft: BlockDraft
    read: tuple[int, ...]
    kept: Mapping[int, int]
    plans: dict[Surroundings, BlockPlan] = field(default_factory=dict)


class PassPlanner:
    """Plans one of the two passes over networks.

    Parameters
    ----------
    images
        B.
    flow
        Whether it is the pass of the flow, otherwise that of the mini-batch.
    patterns
        Whether codes are packed.
    """

    def __init__(self, images: int, flow: bool, patterns: bool) -> None:
        self._images = FLOW_IMAGES if flow else images
        self._is_flow, self._patterns = flow, patterns and not flow
        self._steps: Memory[tuple[int, _Later], _Steps] = Memory()
        self._drafts: Memory[tuple[int, _Later, Head | None], _Drafted] = Memory()

    def plan(
        self,
        network: Network,
        parts: Sequence[Part],
        layers: Sequence[BlockLayers],
        head: Head | None = None,
    ) -> tuple[PlacedBlock, ...]:
        """Return the blocks of a network.

        Parameters
        ----------
        parts
            The network's, for this pass.
        layers
            Of each part.

        Raises
        ------
        CannotGroupError
            When the engine does not know one of the steps.
        """
        steps, later, last = self._backwards(parts, head)
        live: dict[int, tuple[int, int]] = {}
        placed: list[PlacedBlock] = []
        weights = units = 0
        for at, (part, block) in enumerate(zip(parts, layers, strict=True)):
            key = part.form, later[at], _local_head(part, head)
            drafted = self._drafts.get(key)
            if drafted is None:
                drafted = self._drafts.put(key, self._draft(part, block, steps[at], *key[1:]))
            around = _surroundings(network, part, live, last, at)
            plan = drafted.plans.get(around)
            if plan is None:
                plan = drafted.plans[around] = place(drafted.draft, around, drafted.read)
            placed.append(PlacedBlock(part.block, plan, weights, units))
            weights += block.weight_elements
            units += drafted.draft.units
            live = {number: there for number, there in live.items() if last[number] > at}
            shift = part.first - own_number(part, 0)
            for local, offset in plan.kept.items():
                if last.get(shift + local, at) > at:
                    live[shift + local] = offset, drafted.kept[local]
        return tuple(placed)

    def _backwards(
        self, parts: Sequence[Part], head: Head | None
    ) -> tuple[list[_Steps], list[_Later], dict[int, int]]:
        """Return steps of each part, what is wanted of its nodes, and who reads a node last."""
        wanted: list[dict[int, Demand]] = [{} for _ in parts]
        starts = [part.first for part in parts]
        last: dict[int, int] = {}
        steps: list[_Steps] = []
        later: list[_Later] = []
        for at in reversed(range(len(parts))):
            part = parts[at]
            ends = _local_head(part, head)
            if ends:
                _want(wanted[at], ends[0], Demand(0, 0, 1))
            demands = tuple(sorted(wanted[at].items()))
            key = part.kind, demands
            found = self._steps.get(key)
            if found is None:
                found = self._steps.put(key, _steps_of(part, demands))
            for slot, demand in found.inputs:
                number = part.externals[slot]
                if demand.reads:
                    last.setdefault(number, at)
                before = bisect_right(starts, number) - 1
                local = own_number(parts[before], number - parts[before].first)
                _want(wanted[before], local, demand)
            steps.append(found)
            later.append(demands)
        return steps[::-1], later[::-1], last

    def _draft(
        self, part: Part, layers: BlockLayers, steps: _Steps, later: _Later, head: Head | None
    ) -> _Drafted:
        shift, shapes = own_number(part, 0), local_shapes(part)
        drafter = BlockDrafter(
            shapes=shapes,
            images=self._images,
            externals=len(part.externals),
            inputs=own_inputs(part),
            weights={shift + at: layer.offset for at, layer in layers.layers.items()},
            flow=self._is_flow,
            patterns=self._patterns,
        )
        draft = drafter.draft(steps.steps, dict(later), shift, head)
        sizes = [self._images * prod(shape) for shape in shapes]
        kept = {number: aligned(sizes[number]) for number in draft.kept}
        return _Drafted(draft, tuple(sizes[: len(part.externals)]), kept)


def _want(wanted: dict[int, Demand], number: int, more: Demand) -> None:
    """Add a demand to those of a node; how many read it does not matter, only whether."""
    there = wanted.get(number, _NO_DEMAND)
    wanted[number] = Demand(
        there.once + more.once,
        there.official + more.official,
        min(there.reads + more.reads, 1),
    )


def _steps_of(part: Part, later: _Later) -> _Steps:
    try:
        steps, inputs = make_part(part_network(part), dict(later))
    except UnsupportedStepError as error:
        raise CannotGroupError(str(error)) from error
    external = [
        (slot, demand)
        for slot, demand in inputs.items()
        if slot < len(part.externals) and demand != _NO_DEMAND
    ]
    return _Steps(steps, tuple(external))


def _local_head(part: Part, head: Head | None) -> Head | None:
    """Return the head's two nodes as numbered in the part that has the layer, else None."""
    if head is None or not part.first <= head[1] < part.last:
        return None
    source, layer = head
    if source >= part.first:
        local = own_number(part, source - part.first)
    else:
        local = part.externals.index(source)
    return local, own_number(part, layer - part.first)


def _surroundings(
    network: Network,
    part: Part,
    live: Mapping[int, tuple[int, int]],
    last: Mapping[int, int],
    at: int,
) -> Surroundings:
    offsets = []
    for number in part.externals:
        there = live.get(number)
        if there is not None:
            offsets.append(there[0])
        else:
            image = network.nodes[number].__class__ is Input
            offsets.append(IMAGES if image else NOTHING)
    ending = [last.get(number, NOTHING) <= at for number in part.externals]
    others = [there for number, there in live.items() if number not in part.externals]
    return Surroundings(tuple(offsets), tuple(ending), tuple(sorted(others)))
