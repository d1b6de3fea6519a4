"""From a network to the few passes over memory that its ReLU codes need.

On a CPU most of the time beside the convolutions goes into moving feature maps. The plan therefore
joins what can be done while a map is in cache: normalising or averaging the maps that enter a cell
node, adding them up and taking the sum's binary code are one step, and whoever reads behind a ReLU
applies it to what it reads. Nothing is computed that no ReLU depends on, and every map is dropped
after its last reader.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import NamedTuple

from trainfree.spaces.network import (
    Add,
    AvgPool,
    BatchNorm,
    Concat,
    Conv,
    Input,
    MaxPool,
    Network,
    Relu,
    Shift,
    Truncate,
    Zeros,
)


class Joined(Enum):
    """What happens to a map on its way into a sum."""

    PLAIN = "as it is"
    NORMALISED = "normalised over the batch"
    AVERAGED = "averaged over 3 × 3 neighbourhoods"


@dataclass(frozen=True)
class Term:
    """A summand: the map of node ``source``, or its positive part."""

    source: int
    joined: Joined
    relu: bool = False


@dataclass(frozen=True)
class ConvStep:
    """Convolve the map ``source``, or its positive part, with the weights of node ``number``."""

    number: int
    node: Conv
    source: int
    relu: bool

    @property
    def reads(self) -> set[int]:
        """Maps this step needs."""
        return {self.source}


@dataclass(frozen=True)
class PoolStep:
    """Pool the map ``source``, or its positive part, as node ``number`` says."""

    number: int
    node: AvgPool | MaxPool
    source: int
    relu: bool = False

    @property
    def reads(self) -> set[int]:
        """Maps this step needs."""
        return {self.source}


@dataclass(frozen=True)
class TruncateStep:
    """Take the first channels of the map ``source``, or of its positive part."""

    number: int
    node: Truncate
    source: int
    relu: bool

    @property
    def reads(self) -> set[int]:
        """Maps this step needs."""
        return {self.source}


@dataclass(frozen=True)
class ShiftStep:
    """Move the map ``source``, or its positive part, by one pixel (see `network.Shift`)."""

    number: int
    source: int
    relu: bool

    @property
    def reads(self) -> set[int]:
        """Maps this step needs."""
        return {self.source}


@dataclass(frozen=True)
class ConcatStep:
    """Join the channels of the terms of node ``number``, all of them plain."""

    number: int
    terms: tuple[Term, ...]

    @property
    def reads(self) -> set[int]:
        """Maps this step needs."""
        return {term.source for term in self.terms}


@dataclass(frozen=True)
class MapStep:
    """Add up the terms of node ``number``; no terms make zeros.

    Parameters
    ----------
    keep
        Whether later steps read the sum.
    once, official
        How often its binary code counts in each counting; 0 when no ReLU reads it.
    """

    number: int
    terms: tuple[Term, ...]
    keep: bool
    once: int
    official: int

    @property
    def reads(self) -> set[int]:
        """Maps this step needs."""
        return {term.source for term in self.terms}


Making = ConvStep | PoolStep | TruncateStep | ShiftStep | ConcatStep
"""Steps that add nothing up."""
Step = Making | MapStep


@dataclass(frozen=True)
class Plan:
    """Steps in order, and for each the maps that no later step reads."""

    steps: tuple[Step, ...]
    dropped: tuple[frozenset[int], ...]

    def __iter__(self) -> Iterator[tuple[Step, frozenset[int]]]:
        yield from zip(self.steps, self.dropped, strict=True)

    def partners(self) -> dict[int, ConvStep]:
        """Return, by number of a convolution, a later one that reads the same with as many windows.

        Each convolution is in one pair at most.
        """
        waiting: dict[tuple[int, bool, int, int, int], ConvStep] = {}
        found = {}
        for step in self.steps:
            if isinstance(step, ConvStep):
                node = step.node
                key = (step.source, step.relu, node.kernel, node.stride, node.padding)
                if earlier := waiting.pop(key, None):
                    found[earlier.number] = step
                else:
                    waiting[key] = step
        return found


class UnsupportedStepError(TypeError):
    """A node before a ReLU that no step computes."""


class Demand(NamedTuple):
    """What others than a network's own nodes want of one of its maps.

    Parameters
    ----------
    once, official
        How often its binary code counts there.
    reads
        How many of them read the map.
    """

    once: int
    official: int
    reads: int


def make_plan(network: Network) -> Plan:
    """Return the steps that lead to every ReLU of ``network``."""
    steps, _ = make_part(network, MappingProxyType({}))
    return Plan(steps, _last_reads(steps))


def make_part(
    network: Network, later: Mapping[int, Demand]
) -> tuple[tuple[Step, ...], dict[int, Demand]]:
    """Return the steps that lead to every ReLU of a part of a network, and to what follows it.

    Parameters
    ----------
    later
        By number of a node that is no ReLU, what the parts behind this one want of it.

    Returns
    -------
    steps
        Those of ``make_plan``.
    inputs
        What the part wants of each of its inputs.

    Raises
    ------
    UnsupportedStepError
        When a node that matters is of a kind that comes behind the last ReLU.
    """
    planner = _Planner(network, later)
    return tuple(planner.steps()), planner.wanted_of_inputs()


@dataclass
class _Readers:
    """How often a node is read, by kind of reader, among the nodes that matter."""

    once: int = 0
    official: int = 0
    sums: int = 0
    others: int = 0


class _Planner:
    def __init__(self, network: Network, later: Mapping[int, Demand]) -> None:
        self._nodes, self._shapes = network.nodes, network.shapes
        relus = [number for number, node in enumerate(network.nodes) if isinstance(node, Relu)]
        self._needed = sorted(network.ancestors([*relus, *later]))
        self._readers = self._count_readers()
        for number, demand in later.items():
            entry = self._readers[number]
            entry.once += demand.once
            entry.official += demand.official
            entry.others += demand.reads

    def wanted_of_inputs(self) -> dict[int, Demand]:
        """Return how the inputs that matter are read, by number."""
        return {
            number: Demand(entry.once, entry.official, entry.sums + entry.others)
            for number, entry in self._readers.items()
            if isinstance(self._nodes[number], Input)
        }

    def steps(self) -> Iterator[Step]:
        for number in self._needed:
            node = self._nodes[number]
            if isinstance(node, Relu) or self._joins_a_sum(number):
                continue  # the step that reads it does it
            match node:
                case Input():
                    pass
                case Conv(source=source):
                    yield ConvStep(number, node, *self._read(source))
                case Truncate(source=source):
                    yield TruncateStep(number, node, *self._read(source))
                case Shift(source=source):
                    yield ShiftStep(number, *self._read(source))
                case Concat(sources=sources):
                    yield ConcatStep(number, tuple(map(self._plain, sources)))
                case AvgPool(source=source) | MaxPool(source=source) if not self._joinable(number):
                    yield PoolStep(number, node, *self._read(source))
                case Zeros() | Add() | BatchNorm() | AvgPool():
                    yield self._map_step(number, self._terms(number), made=True)
                    continue
                case _:
                    raise UnsupportedStepError(
                        f"{type(node).__name__} before a ReLU is not supported here"
                    )
            if self._readers[number].once:
                yield self._map_step(number, (Term(number, Joined.PLAIN),), made=False)

    def _count_readers(self) -> dict[int, _Readers]:
        found = {number: _Readers() for number in self._needed}
        for number in self._needed:
            node = self._nodes[number]
            if isinstance(node, Relu):
                entry = found[self._read(node.source)[0]]
                entry.once += node.modules
                entry.official += node.modules * (2 if node.wrapped else 1)
                continue
            for source in node.sources:
                entry = found[self._read(source)[0]]
                entry.sums += isinstance(node, Add)
                entry.others += not isinstance(node, Add)
        return found

    def _read(self, source: int) -> tuple[int, bool]:
        """Return the map to read for node ``source``, and whether its ReLU is to be applied."""
        relu = False
        while isinstance(before := self._nodes[source], Relu):
            source, relu = before.source, True
        return source, relu

    def _plain(self, source: int) -> Term:
        source, relu = self._read(source)
        return Term(source, Joined.PLAIN, relu)

    def _joinable(self, number: int) -> bool:
        """Whether the node can be computed on the way into a sum."""
        node = self._nodes[number]
        if isinstance(node, AvgPool):
            plain = (node.kernel, node.stride, node.padding) == (3, 1, 1)
            return plain and min(self._shapes[number][1:]) > 1
        return isinstance(node, BatchNorm)

    def _joins_a_sum(self, number: int) -> bool:
        """Whether one sum and nothing else reads the node, and can do it on the way."""
        readers = self._readers[number]
        only = readers.sums == 1 and not readers.others and not readers.once
        return only and self._joinable(number)

    def _terms(self, number: int) -> tuple[Term, ...]:
        node = self._nodes[number]
        if self._joinable(number):
            return (self._joined(number),)
        return tuple(
            self._joined(source) if self._joins_a_sum(source) else self._plain(source)
            for source in node.sources
        )

    def _joined(self, number: int) -> Term:
        node = self._nodes[number]
        (source,) = node.sources
        source, relu = self._read(source)
        how = Joined.AVERAGED if isinstance(node, AvgPool) else Joined.NORMALISED
        return Term(source, how, relu)

    def _map_step(self, number: int, terms: tuple[Term, ...], made: bool) -> MapStep:
        readers = self._readers[number]
        read = bool(readers.sums or readers.others)
        return MapStep(number, terms, made and read, readers.once, readers.official)


def _last_reads(steps: tuple[Step, ...]) -> tuple[frozenset[int], ...]:
    last = {read: place for place, step in enumerate(steps) for read in step.reads}
    return tuple(
        frozenset(read for read in step.reads if last[read] == place)
        for place, step in enumerate(steps)
    )
