"""From a network to the few passes over memory that its ReLU codes need.

On a CPU most of the time beside the convolutions goes into moving feature maps. The plan therefore
joins what can be done while a map is in cache: normalising the convolutions that enter a cell node,
adding them up, rectifying the sum and taking its binary code are one step. Nothing is computed that
no ReLU depends on, and every map is dropped after its last reader.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from trainfree.spaces.network import Add, AvgPool, BatchNorm, Conv, Input, Network, Relu


class Map(NamedTuple):
    """A feature map held in memory: the output of node ``number``, or its rectified copy."""

    number: int
    rectified: bool = False


@dataclass(frozen=True)
class Term:
    """A summand: the map of node ``source``, normalised over the batch or as it is."""

    source: int
    normalised: bool


@dataclass(frozen=True)
class ConvStep:
    """Convolve the map ``source`` with the weights of node ``number``."""

    number: int
    node: Conv
    source: Map

    @property
    def reads(self) -> set[Map]:
        """Maps this step needs."""
        return {self.source}


@dataclass(frozen=True)
class PoolStep:
    """Average the map ``source`` as node ``number`` says."""

    number: int
    node: AvgPool
    source: Map

    @property
    def reads(self) -> set[Map]:
        """Maps this step needs."""
        return {self.source}


@dataclass(frozen=True)
class MapStep:
    """Add up the terms of node ``number``, at most three; no terms make zeros.

    Parameters
    ----------
    keep_sum, keep_rectified
        Whether later steps read the sum, or its rectified copy.
    once, official
        How often its binary code counts in each counting; 0 when no ReLU reads it.
    """

    number: int
    terms: tuple[Term, ...]
    keep_sum: bool
    keep_rectified: bool
    once: int
    official: int

    @property
    def reads(self) -> set[Map]:
        """Maps this step needs."""
        return {Map(term.source) for term in self.terms}


Step = ConvStep | PoolStep | MapStep


@dataclass(frozen=True)
class Plan:
    """Steps in order, and for each the maps that no later step reads."""

    steps: tuple[Step, ...]
    dropped: tuple[frozenset[Map], ...]

    def __iter__(self) -> Iterator[tuple[Step, frozenset[Map]]]:
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
    convs_behind_relu: int = 0
    sums: int = 0
    others: int = 0


class _Planner:
    def __init__(self, network: Network) -> None:
        self._nodes = network.nodes
        relus = [number for number, node in enumerate(network.nodes) if isinstance(node, Relu)]
        self._needed = sorted(network.ancestors(relus))
        self._readers = self._count_readers()

    def steps(self) -> Iterator[Step]:
        for number in self._needed:
            node = self._nodes[number]
            if isinstance(node, Relu) or self._joins_a_sum(number):
                continue  # the step that makes its source, or the sum it enters, does it
            if isinstance(node, Conv):
                yield ConvStep(number, node, self._map_read_by(node))
            elif isinstance(node, AvgPool):
                yield PoolStep(number, node, Map(node.source))
            if not isinstance(node, Conv | AvgPool | Input):
                yield self._map_step(number, self._terms(number), keep_sum=True)
            elif self._readers[number].once:
                yield self._map_step(number, (Term(number, normalised=False),), keep_sum=False)

    def _count_readers(self) -> dict[int, _Readers]:
        found = {number: _Readers() for number in self._needed}
        for number in self._needed:
            node = self._nodes[number]
            if isinstance(node, Relu):
                entry = found[node.source]
                entry.once += node.modules
                entry.official += node.modules * (2 if node.wrapped else 1)
                continue
            if isinstance(node, Conv) and self._map_read_by(node).rectified:
                found[self._map_read_by(node).number].convs_behind_relu += 1
                continue
            for source in node.sources:
                found[source].sums += isinstance(node, Add)
                found[source].others += not isinstance(node, Add)
        return found

    def _map_read_by(self, node: Conv) -> Map:
        before = self._nodes[node.source]
        if isinstance(before, Relu):
            return Map(before.source, rectified=True)
        return Map(node.source)

    def _joins_a_sum(self, number: int) -> bool:
        """Whether the node is a normalisation that nothing but sums read."""
        readers = self._readers[number]
        only_sums = readers.sums and not readers.others and not readers.once
        return isinstance(self._nodes[number], BatchNorm) and bool(only_sums)

    def _terms(self, number: int) -> tuple[Term, ...]:
        node = self._nodes[number]
        if isinstance(node, BatchNorm):
            return (Term(node.source, normalised=True),)
        terms = []
        for source in node.sources:
            before = self._nodes[source]
            if isinstance(before, BatchNorm) and self._joins_a_sum(source):
                terms.append(Term(before.source, normalised=True))
            else:
                terms.append(Term(source, normalised=False))
        return tuple(terms)

    def _map_step(self, number: int, terms: tuple[Term, ...], keep_sum: bool) -> MapStep:
        readers = self._readers[number]
        return MapStep(
            number,
            terms,
            keep_sum=keep_sum and bool(readers.sums or readers.others),
            keep_rectified=readers.convs_behind_relu > 0,
            once=readers.once,
            official=readers.official,
        )


def _last_reads(steps: tuple[Step, ...]) -> tuple[frozenset[Map], ...]:
    last = {read: place for place, step in enumerate(steps) for read in step.reads}
    return tuple(
        frozenset(read for read in step.reads if last[read] == place)
        for place, step in enumerate(steps)
    )
