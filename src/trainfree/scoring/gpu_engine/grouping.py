"""Groups of architectures: as many as fit, and one table for each launch of all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from trainfree.outside.extensions import load_files
from trainfree.randomness import stream
from trainfree.scoring.gpu_engine.architecture_plan import (
    ArchitecturePlan,
    ArchitecturePlanner,
)
from trainfree.scoring.gpu_engine.blocks.arena import aligned
from trainfree.scoring.gpu_engine.blocks.geometries import geometry_of
from trainfree.scoring.gpu_engine.blocks.ledger import IMAGES, CannotGroupError
from trainfree.scoring.gpu_engine.blocks.passes import PlacedBlock
from trainfree.scoring.gpu_kernels.launches import (
    DRAW_FIELDS,
    MOST_TERMS,
    Counted,
    GroupPlan,
    Kind,
    Launch,
    Table,
)
from trainfree.scoring.settings.initialization import Initialization
from trainfree.spaces import build_network, load_space
from trainfree.spaces.network import Network

Quantity = Literal["kernels", "flow", "patterns"]

_MAP, _CODE, _WEIGHT, _PATTERN, _PLACE = range(5)
_TERMS = 4 + 3 * np.arange(MOST_TERMS)
_COLUMNS: dict[Kind, tuple[tuple[int, int], ...]] = {
    Kind.POOL: ((0, _MAP), (1, _MAP)),
    Kind.COPY: ((0, _MAP), (1, _MAP)),
    Kind.CONVOLVE: ((0, _MAP), (1, _WEIGHT), (2, _MAP), (3, _MAP)),
    Kind.MEASURE: ((0, _MAP), (1, _MAP)),
    Kind.NORMALISE: ((0, _MAP), (1, _MAP)),
    Kind.COMBINE: (
        *((0, _MAP), (1, _CODE)),
        *((int(term), _MAP) for term in _TERMS),
        *((int(term) + 2, _MAP) for term in _TERMS),
    ),
    Kind.MULTIPLY: ((0, _CODE), (2, _PLACE)),
    Kind.PACK: ((0, _CODE), (2, _PATTERN)),
    Kind.FLOW_CONVOLVE: ((0, _MAP), (1, _WEIGHT), (2, _MAP), (3, _MAP)),
    Kind.FLOW_MAX_POOL: ((0, _MAP), (1, _MAP)),
    Kind.FLOW_HEAD: ((0, _MAP), (1, _WEIGHT), (2, _PLACE)),
}
"""Fields of a row that grow by where the architecture's part of a buffer begins."""
_LOW = (1 << 32) - 1
_MASK = (1 << 64) - 1


@dataclass(frozen=True)
class Request:
    """What is wanted of architectures, and how much memory there is.

    Attributes
    ----------
    space, files
        Name of the space, and files of others that define it or what it needs.
    image_size, classes
        Of the data set.
    images
        B.
    seed, initialization
        Of the weights.
    wanted
        What is computed.
    budget
        Bytes a group may take on the device.
    largest
        Most architectures of a group.
    """

    space: str
    files: tuple[str, ...]
    image_size: int
    classes: int
    images: int
    seed: int
    initialization: Initialization
    wanted: frozenset[Quantity]
    budget: int
    largest: int


def can_group(network: Network, images: int = 1) -> bool:
    """Whether the engine knows all steps of a network on ``images`` images."""
    wanted: frozenset[Quantity] = frozenset({"kernels", "flow", "patterns"})
    try:
        ArchitecturePlanner(images, "pytorch", wanted).plan(network)
    except CannotGroupError:
        return False
    return True


def plan_groups(request: Request, architectures: Sequence[int]) -> list[GroupPlan]:
    """Return groups of architectures, in their order.

    As many as fit into the budget and are allowed are a group, at least one. Architectures whose
    networks the engine does not know are left out; see :func:`can_group`.

    Raises
    ------
    ConfigError
        When a space of others fails at describing a network.
    """
    load_files(Path(file) for file in request.files)
    space = load_space(request.space)
    planner = _planner(request.images, request.initialization, request.wanted)
    groups: list[GroupPlan] = []
    members: list[int] = []
    plans: list[ArchitecturePlan] = []

    def close() -> None:
        if members:
            groups.append(group_of(request, members, plans))
            members.clear()
            plans.clear()

    left = 0
    for index in architectures:
        network = build_network(space, index, request.image_size, request.classes)
        try:
            plan = planner.plan(network)
        except CannotGroupError:
            continue
        if not members:
            left = request.budget - shared_bytes(request)
        needed = bytes_of(plan, request.images)
        if members and (needed > left or len(members) >= request.largest):
            close()
            left = request.budget - shared_bytes(request)
        members.append(index)
        plans.append(plan)
        left -= needed
    close()
    return groups


@lru_cache(maxsize=4)
def _planner(
    images: int, initialization: Initialization, wanted: frozenset[str]
) -> ArchitecturePlanner:
    return ArchitecturePlanner(images, initialization, wanted)


def shared_bytes(request: Request) -> int:
    """Return the bytes that a group needs beside those of its architectures."""
    return 4 * _image_elements(request.images, request.image_size)


def bytes_of(plan: ArchitecturePlan, images: int) -> int:
    """Return the bytes on the device that an architecture needs.

    The pass of the flow begins when the buffers of the other are free again.
    """
    rows = sum(
        rows.table.nbytes
        for block in (*plan.forward, *plan.flow)
        for rows in block.plan.rows.values()
    )
    passes = max(4 * plan.map_elements + plan.code_elements, 8 * plan.flow_elements)
    sums = 2 * 4 * images * images if plan.forward else 0
    return passes + 4 * (plan.weight_elements + plan.pattern_elements) + sums + rows


def group_of(
    request: Request, members: Sequence[int], plans: Sequence[ArchitecturePlan]
) -> GroupPlan:
    """Return the plan of a group, given those of its architectures."""
    images, size = request.images, request.image_size
    first_map, first_pair = (_image_elements(count, size) for count in (images, 2))
    maps, map_elements = _bases([plan.map_elements for plan in plans], first_map)
    pairs, flow_elements = _bases([plan.flow_elements for plan in plans], first_pair)
    codes, code_elements = _bases([plan.code_elements for plan in plans])
    weights, weight_elements = _bases([plan.weight_elements for plan in plans])
    patterns, pattern_elements = _bases([plan.pattern_elements for plan in plans])
    words = -(-images // 32)
    starts = list(zip(maps, codes, weights, patterns, strict=True))
    pair_starts = list(zip(pairs, codes, weights, patterns, strict=True))
    units = [plan.units if "patterns" in request.wanted else 0 for plan in plans]
    return GroupPlan(
        architectures=np.array(members, np.int64),
        forward=_launches([plan.forward for plan in plans], starts, words),
        flow=_launches([plan.flow for plan in plans], pair_starts, words),
        draws=_draws(plans, weights),
        seeds=_seeds(request.seed, members),
        map_elements=map_elements if any(plan.forward for plan in plans) else 0,
        code_elements=code_elements,
        weight_elements=weight_elements,
        pattern_elements=pattern_elements,
        flow_elements=flow_elements if any(plan.flow for plan in plans) else 0,
        pattern_units=np.array(list(zip(patterns, units, strict=True)), np.int64),
        forward_work=np.array([plan.forward_work for plan in plans]),
        flow_work=np.array([plan.flow_work for plan in plans]),
        counted=_counted(plans),
    )


def _counted(plans: Sequence[ArchitecturePlan]) -> Counted:
    rows = [
        (
            *(plan.params, plan.flops, plan.relu_units, plan.parameter_tensors),
            *(plan.units_once, plan.units_official),
        )
        for plan in plans
    ]
    return Counted(*np.array(rows, np.int64).T.copy())


def _image_elements(images: int, size: int) -> int:
    return aligned(images * size * size * 3)


def _bases(sizes: Sequence[int], first: int = 0) -> tuple[list[int], int]:
    bases = []
    for size in sizes:
        bases.append(first)
        first += aligned(size)
    return bases, first


def _launches(
    blocks: Sequence[Sequence[PlacedBlock]], starts: Sequence[tuple[int, ...]], words: int
) -> tuple[Launch, ...]:
    """Return the launches of a pass in order.

    Parameters
    ----------
    blocks
        By architecture.
    starts
        By architecture, where its parts of maps, codes, weights and patterns begin.
    """
    found = [launch for kind in Kind for launch in _launches_of(kind, blocks, starts, words)]
    found.sort(key=lambda entry: entry[0])
    return tuple(launch for _, launch in found)


_Order = tuple[int, int, Kind, object]


def _launches_of(
    kind: Kind,
    blocks: Sequence[Sequence[PlacedBlock]],
    starts: Sequence[tuple[int, ...]],
    words: int,
) -> Iterator[tuple[tuple[int, int, Kind, object], Launch]]:
    tables, keys, bases = [], [], []
    for place, (own, (maps, codes, weights, patterns)) in enumerate(
        zip(blocks, starts, strict=True)
    ):
        for block in own:
            rows = block.plan.rows.get(kind)
            if rows is not None:
                tables.append(rows.table)
                keys.append(rows.keys)
                first_weight, first_unit = weights + block.weights, patterns + block.units * words
                bases.append((maps, codes, first_weight, first_unit, place, block.block))
    if not tables:
        return
    table = np.concatenate(tables)
    counts = [len(rows) for rows in tables]
    begin = np.repeat(np.array(bases, np.int64), counts, axis=0)
    for column, what in _COLUMNS[kind]:
        there = table[:, column]
        moved = np.where(there >= 0, there + begin[:, what], there)
        table[:, column] = np.where(there == IMAGES, 0, moved) if what == _MAP else moved
    key, block_of = np.concatenate(keys), begin[:, 5]
    order = np.lexsort((key, block_of))  # stable: rows stay in the order of architectures
    table, key, block_of = table[order], key[order], block_of[order]
    cuts = np.flatnonzero((np.diff(key) != 0) | (np.diff(block_of) != 0)) + 1
    for part, first in zip(np.split(table, cuts), [0, *cuts.tolist()], strict=True):
        level, number = int(key[first]) >> 32, int(key[first]) & _LOW
        geometry = geometry_of(number)
        yield (int(block_of[first]), level, kind, geometry), Launch(kind, geometry, part)


def _draws(plans: Sequence[ArchitecturePlan], weights: Sequence[int]) -> Table:
    tables, begins = [], []
    for place, (plan, first) in enumerate(zip(plans, weights, strict=True)):
        for drawn in plan.draws:
            tables.append(drawn.table)
            begins.append((place, drawn.numbers, first + drawn.weights))
    if not tables:
        return np.empty((0, DRAW_FIELDS), np.int64)
    table = np.concatenate(tables)
    counts = [len(rows) for rows in tables]
    table[:, :3] += np.repeat(np.array(begins, np.int64), counts, axis=0)
    return table


def _seeds(seed: int, members: Sequence[int]) -> NDArray[np.uint64]:
    rows = []
    for index in members:
        state = stream(seed, "weights", index).bit_generator.state["state"]
        rows.append([half for name in ("state", "inc") for half in divmod(state[name], 1 << 64)])
    return np.array(rows, np.uint64)
