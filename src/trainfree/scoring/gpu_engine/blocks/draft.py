"""The launches' rows of one block but for where its maps lie.

A step's level is the lowest in which all that it reads is there; a sum may be made in the level of
its convolutions. Codes live within one level, so those of all levels lie in the same place. Offsets
of weights and patterns count from the block's own part of the buffer.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import prod

from trainfree.scoring.cpu_engine.plan import (
    ConcatStep,
    ConvStep,
    Demand,
    Joined,
    MapStep,
    PoolStep,
    ShiftStep,
    Step,
    Term,
    TruncateStep,
)
from trainfree.scoring.gpu_engine.blocks import geometries
from trainfree.scoring.gpu_engine.blocks.arena import aligned
from trainfree.scoring.gpu_engine.blocks.ledger import NOTHING, CannotGroupError, Draft, Ledger
from trainfree.scoring.gpu_kernels.launches import (
    AVERAGED,
    MOST_TERMS,
    NORMALISED,
    OF_RELU,
    PLAIN,
    Kind,
)
from trainfree.spaces.network import AvgPool

_HOW = {Joined.PLAIN: PLAIN, Joined.NORMALISED: NORMALISED, Joined.AVERAGED: AVERAGED}


@dataclass(frozen=True, slots=True)
class BlockDraft:
    """What a block asks of a GPU, but for where its maps lie.

    Attributes
    ----------
    kept
        Buffers of the maps that later blocks read, by number of node.
    code_elements
        Of the architecture's buffer.
    layers
        Places in the block of the nodes whose weights are read.
    units
        Of all different codes, for patterns.
    units_once, units_official
        Of all codes, weighted by how often they count.
    work
        Elements read and written.
    """

    rows: Draft
    kept: Mapping[int, int]
    code_elements: int
    layers: frozenset[int]
    units: int
    units_once: int
    units_official: int
    work: int


class BlockDrafter:
    """Writes the rows of one block of a network.

    Parameters
    ----------
    shapes
        Of its nodes, what it reads included.
    images
        B; 2 in the pass of the flow.
    externals
        How many of the nodes, the first ones, are made elsewhere.
    inputs
        Nodes of the block that are the images.
    weights
        Offsets of its layers' weights, by number of node.
    flow, patterns
        Whether it is the pass of the flow; whether codes are packed.
    """

    def __init__(
        self,
        shapes: Sequence[tuple[int, ...]],
        images: int,
        externals: int,
        inputs: Collection[int],
        weights: Mapping[int, int],
        flow: bool,
        patterns: bool,
    ) -> None:
        self._ledger = Ledger(shapes, images, externals, inputs)
        self._shapes, self._images, self._externals = shapes, images, externals
        self._weights, self._flow, self._patterns = weights, flow, patterns
        self._statistics: dict[tuple[int, bool], tuple[int, int]] = {}
        """Buffer, and moment at which they are there, of a map or of its positive part."""
        self._codes: dict[int, int] = {}
        """Elements of codes in each level."""
        self._units = self._once = self._official = 0

    def draft(
        self,
        steps: Sequence[Step],
        later: Mapping[int, Demand],
        first: int,
        head: tuple[int, int] | None = None,
    ) -> BlockDraft:
        """Return the rows of ``steps``.

        Parameters
        ----------
        later
            What later blocks want of nodes.
        first
            Number of the block's first node.
        head
            Node whose mean enters the linear layer, and that layer.
        """
        measured = {
            term.source
            for step in steps
            if isinstance(step, MapStep)
            for term in step.terms
            if term.joined is Joined.NORMALISED and not term.relu
        }
        layers = [step.number - first for step in steps if isinstance(step, ConvStep)]
        for step in steps:
            # Codes of what the block reads are made where that is made.
            if step.number >= self._externals:
                self._add(step, step.number in measured)
        if head:
            self._add_head(*head)
            layers.append(head[1] - first)
        kept = {
            number: self._ledger.keep(number) for number, demand in later.items() if demand.reads
        }
        return BlockDraft(
            rows=self._ledger.draft(),
            kept={number: buffer for number, buffer in kept.items() if buffer is not None},
            code_elements=max(self._codes.values(), default=0),
            layers=frozenset(layers),
            units=self._units,
            units_once=self._once,
            units_official=self._official,
            work=self._ledger.work,
        )

    def _add(self, step: Step, measured: bool) -> None:
        match step:
            case ConvStep():
                self._convolve(step, measured and not self._flow)
            case MapStep():
                self._combine(step)
            case PoolStep():
                self._pool(step)
            case TruncateStep():
                self._copy(step.number, (Term(step.source, Joined.PLAIN, step.relu),))
            case ShiftStep():
                term = Term(step.source, Joined.PLAIN, step.relu)
                self._copy(step.number, (term,), shifted=True)
            case ConcatStep():
                self._copy(step.number, step.terms)

    def _convolve(self, step: ConvStep, measured: bool) -> None:
        ledger, node, source = self._ledger, step.node, step.source
        channels_in, height, width = self._shapes[source]
        channels_out = self._shapes[step.number][0]
        kind = Kind.FLOW_CONVOLVE if self._flow else Kind.CONVOLVE
        geometry = geometries.convolution(
            *(height, width, node.kernel, node.stride, step.relu, measured),
            *(channels_in, channels_out),
        )
        moment = ledger.moment(kind, ledger.when(source))
        places = {0: ledger.read(source, moment), 2: ledger.make(step.number, moment)}
        weights = self._weights[step.number]
        fields = [NOTHING, weights, NOTHING, NOTHING, channels_in, channels_out]
        if measured:
            places[3] = ledger.moments(step.number, moment)
        ledger.emit(moment, geometry, fields, places)
        if measured:
            self._normalise(step.number, False, places[3], moment)

    def _pool(self, step: PoolStep) -> None:
        ledger, node, source = self._ledger, step.node, step.source
        channels, height, width = self._shapes[source]
        average = isinstance(node, AvgPool)
        kind = Kind.FLOW_MAX_POOL if self._flow and not average else Kind.POOL
        geometry = geometries.pooling(
            *(height, width, node.kernel, node.stride, node.padding),
            *(average, step.relu, channels),
        )
        moment = ledger.moment(kind, ledger.when(source))
        places = {0: ledger.read(source, moment), 1: ledger.make(step.number, moment)}
        ledger.emit(moment, geometry, [NOTHING, NOTHING, channels], places)

    def _copy(self, number: int, terms: Sequence[Term], shifted: bool = False) -> None:
        """Copy the first channels of maps, as many as fit, one map behind the other.

        ``shifted``, each is moved by one pixel, as :class:`~trainfree.spaces.network.Shift` says.
        """
        ledger = self._ledger
        channels, height, width = self._shapes[number]
        moment = ledger.moment(Kind.COPY, *(ledger.when(term.source) for term in terms))
        made, first = ledger.make(number, moment), 0
        for term in terms:
            there = self._shapes[term.source][0]
            copied = min(there, channels - first)
            geometry = geometries.copying(height, width, term.relu, shifted, copied)
            fields = [NOTHING, NOTHING, there, channels, first, copied]
            ledger.emit(moment, geometry, fields, {0: ledger.read(term.source, moment), 1: made})
            first += copied

    def _combine(self, step: MapStep) -> None:
        if len(step.terms) > MOST_TERMS:
            raise CannotGroupError(
                f"a node adds up {len(step.terms)} maps; the GPU engine adds up {MOST_TERMS} at "
                "most"
            )
        ledger = self._ledger
        channels, height, width = self._shapes[step.number]
        statistics = [self._statistics_of(term) for term in step.terms]
        moment = ledger.moment(
            Kind.COMBINE,
            *[ledger.when(term.source) for term in step.terms],
            *[found[1] for found in statistics if found],
        )
        level = ledger.level(moment)
        code = self._codes.get(level, 0) if step.once else NOTHING
        fields, places = [NOTHING, code, channels, len(step.terms)], {}
        averaged = False
        for term, found in zip(step.terms, statistics, strict=True):
            places[len(fields)] = ledger.read(term.source, moment)
            if found:
                places[len(fields) + 2] = ledger.touch(found[0], moment)
            fields += (NOTHING, _HOW[term.joined] + OF_RELU * term.relu, NOTHING)
            averaged = averaged or term.joined is Joined.AVERAGED
        if step.keep:
            places[0] = ledger.make(step.number, moment)
        geometry = geometries.combination(height, width, averaged, channels)
        ledger.emit(moment, geometry, fields, places)
        if step.once:
            self._use_code(step, moment, code)

    def _use_code(self, step: MapStep, moment: int, code: int) -> None:
        ledger, units = self._ledger, prod(self._shapes[step.number])
        ledger.check(units * self._images, step.number)
        self._codes[ledger.level(moment)] = code + aligned(units * self._images)
        ledger.work += units * self._images // 2  # a byte is written and read
        fields = [code, units, 0, step.once, step.official]
        ledger.emit(ledger.at(moment, Kind.MULTIPLY), geometries.product(units), fields, {})
        if self._patterns:
            fields = [code, units, self._units * -(-self._images // 32)]
            ledger.emit(ledger.at(moment, Kind.PACK), geometries.packing(units), fields, {})
        self._units += units
        self._once += step.once * units
        self._official += step.official * units

    def _add_head(self, source: int, layer: int) -> None:
        ledger = self._ledger
        channels, height, width = self._shapes[source]
        moment = ledger.moment(Kind.FLOW_HEAD, ledger.when(source))
        fields = [NOTHING, self._weights[layer], 0, channels, self._shapes[layer][0]]
        geometry = geometries.head(height * width, channels)
        ledger.emit(moment, geometry, fields, {0: ledger.read(source, moment)})

    def _statistics_of(self, term: Term) -> tuple[int, int] | None:
        """Return mean and deviation of a term to be normalised; measure it if need be."""
        if term.joined is not Joined.NORMALISED:
            return None
        known = self._statistics.get((term.source, term.relu))
        if known:
            return known
        ledger = self._ledger
        channels, height, width = self._shapes[term.source]
        moment = ledger.moment(Kind.MEASURE, ledger.when(term.source))
        moments = ledger.moments(term.source, moment)
        geometry = geometries.measurement(height * width, term.relu, channels)
        places = {0: ledger.read(term.source, moment), 1: moments}
        ledger.emit(moment, geometry, [NOTHING, NOTHING, channels], places)
        return self._normalise(term.source, term.relu, moments, moment)

    def _normalise(self, number: int, relu: bool, moments: int, moment: int) -> tuple[int, int]:
        ledger = self._ledger
        channels, height, width = self._shapes[number]
        moment = ledger.moment(Kind.NORMALISE, moment)
        statistics = ledger.buffer(2 * channels, moment)
        geometry = geometries.normalisation(height * width, channels)
        places = {0: ledger.touch(moments, moment), 1: statistics}
        ledger.emit(moment, geometry, [NOTHING, NOTHING, channels], places)
        self._statistics[number, relu] = statistics, moment
        return statistics, moment
