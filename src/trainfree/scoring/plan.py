"""From a network to the few passes over memory that its ReLU codes need.

On a CPU most of the time beside the convolutions goes into moving feature maps. The plan therefore
joins what can be done while a map is in cache: normalising or averaging the maps that enter a cell
node, adding them up and taking the sum's binary code are one step, and a convolution rectifies what
it reads. Nothing is computed that no ReLU depends on, and every map is dropped after its last
reader.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from trainfree.spaces.network import Add, AvgPool, BatchNorm, Conv, Input, Network, Relu


class Joined(Enum):
    """What happens to a map on its way into a sum."""

    PLAIN = "as it is"
    NORMALISED = "normalised over the batch"
    AVERAGED = "averaged over 3 × 3 neighbourhoods"


@dataclass(frozen=True)
class Term:
    """A summand: the map of node ``source``."""

    source: int
    joined: Joined


@dataclass(frozen=True)
class ConvStep:
    """Convolve the map ``source``, or its positive part, with the weights of node ``number``."""

    number: int
    node: Conv
    source: int
    rectify: bool

    @property
    def reads(self) -> set[int]:
        """Maps this step needs."""
        return {self.source}


@dataclass(frozen=True)
class PoolStep:
    """Average the map ``source`` as node ``number`` says."""

    number: int
    node: AvgPool
    source: int

    @property
    def reads(self) -> set[int]:
        """Maps this step needs."""
        return {self.source}


@dataclass(frozen=True)
class MapStep:
    """Add up the terms of node ``number``, at most three; no terms make zeros.

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


Step = ConvStep | PoolStep | MapStep


@dataclass(frozen=True)
class Plan:
    """Steps in order, and for each the maps that no later step reads."""

    steps: tuple[Step, ...]
    dropped: tuple[frozenset[int], ...]

    def __iter__(self) -> Iterator[tuple[Step, frozenset[int]]]:
        yield from zip(self.steps, self.dropped, strict=True)


def make_plan(network: Network) -> Plan:
    """Return the steps that lead to every ReLU of ``network``."""
    steps = tuple(_Planner(network).steps())
    return Plan(steps, _last_reads(steps))


@dataclass
class _Readers:
    """How often a node is read, by kind of reader, among the nodes that matter."""

    once: int = 0
    official: int = 0
    sums: int = 0
    others: int = 0


class _Planner:
    def __init__(self, network: Network) -> None:
        self._nodes, self._shapes = network.nodes, network.shapes
        relus = [number for number, node in enumerate(network.nodes) if isinstance(node, Relu)]
        self._needed = sorted(network.ancestors(relus))
        self._readers = self._count_readers()

    def steps(self) -> Iterator[Step]:
        for number in self._needed:
            node = self._nodes[number]
            if isinstance(node, Relu) or self._joins_a_sum(number):
                continue  # the step that reads it does it
            if isinstance(node, Conv):
                source = self._behind_relu(node.source)
                yield ConvStep(number, node, source, rectify=source != node.source)
            elif isinstance(node, AvgPool) and not self._joinable(number):
                yield PoolStep(number, node, node.source)
            elif not isinstance(node, Input):
                yield self._map_step(number, self._terms(number), made=True)
                continue
            if self._readers[number].once:
                yield self._map_step(number, (Term(number, Joined.PLAIN),), made=False)

    def _count_readers(self) -> dict[int, _Readers]:
        found = {number: _Readers() for number in self._needed}
        for number in self._needed:
            node = self._nodes[number]
            if isinstance(node, Relu):
                entry = found[node.source]
                entry.once += node.modules
                entry.official += node.modules * (2 if node.wrapped else 1)
                continue
            for source in node.sources:
                entry = found[self._behind_relu(source)]
                entry.sums += isinstance(node, Add)
                entry.others += not isinstance(node, Add)
        return found

    def _behind_relu(self, source: int) -> int:
        before = self._nodes[source]
        return before.source if isinstance(before, Relu) else source

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
            self._joined(source) if self._joins_a_sum(source) else Term(source, Joined.PLAIN)
            for source in node.sources
        )

    def _joined(self, number: int) -> Term:
        node = self._nodes[number]
        (source,) = node.sources
        how = Joined.AVERAGED if isinstance(node, AvgPool) else Joined.NORMALISED
        return Term(source, how)

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
