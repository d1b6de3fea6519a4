"""The steps of a plan, carried out: compiled on the CPU, as torch operations elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Set
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from trainfree.scoring.cpu_engine.convolution import (
    can_tile,
    convolve,
    convolve_both,
    is_fast,
)
from trainfree.scoring.cpu_engine.copies import join, shift
from trainfree.scoring.cpu_engine.fused import (
    MOST_TERMS,
    Moments,
    Summand,
    average,
    code_products,
    combine,
    empty_codes,
    moments_of,
)
from trainfree.scoring.cpu_engine.layers import channels_first, channels_last, shift_map
from trainfree.scoring.cpu_engine.memory import empty
from trainfree.scoring.cpu_engine.plan import (
    ConcatStep,
    ConvStep,
    Joined,
    Making,
    MapStep,
    Plan,
    PoolStep,
    ShiftStep,
    Step,
    Term,
    TruncateStep,
)
from trainfree.scoring.placement import on_cpu
from trainfree.spaces.network import AvgPool, Network

BATCH_NORM_EPSILON = 1e-5
_EXACT_IN_FLOAT32 = 2**24


class Executor(Protocol):
    """Carries out steps and holds the maps between them."""

    def make(self, step: Making) -> None:
        """Make the map of a step that adds nothing up."""

    def combine(self, step: MapStep, dropped: Set[int]) -> Any:
        """Make the map of a sum if it is kept; return its binary code if that counts.

        Maps in ``dropped`` are not read again and may be overwritten.
        """

    def products(self, code: Any) -> NDArray[np.int64]:
        """Return C Cᵀ for a code of :meth:`combine`, (B, B)."""

    def drop(self, number: int) -> None:
        """Forget a map."""


def can_compile(plan: Plan) -> bool:
    """Whether :class:`CompiledExecutor` knows all steps of a plan."""
    return all(_is_compiled(step) for step in plan.steps)


def _is_compiled(step: Step) -> bool:
    match step:
        case ConvStep() | ShiftStep() | ConcatStep():
            return True
        case PoolStep(node=node, relu=relu):
            return isinstance(node, AvgPool) and not relu
        case MapStep(terms=terms):
            return len(terms) <= MOST_TERMS and not any(term.relu for term in terms)
        case _:
            return False


class CompiledExecutor:
    """Steps on the CPU, on maps with channels last, (B, height, width, C); see `can_compile`.

    Parameters
    ----------
    batch
        Images, (B, 3, height, width), float32 or float64.
    partners
        Convolutions that may be made along with another, by the other's number.
    """

    def __init__(
        self,
        network: Network,
        weights: Mapping[int, Tensor],
        batch: Tensor,
        partners: Mapping[int, ConvStep] = MappingProxyType({}),
    ) -> None:
        self._network, self._weights, self._partners = network, weights, partners
        images = channels_last(batch)
        self._maps = dict.fromkeys(network.inputs, images)
        self._moments: dict[int, Moments] = {}
        self._batch = len(batch)
        self._dtype = images.dtype

    def make(self, step: Making) -> None:
        """See :class:`Executor`."""
        match step:
            case ConvStep():
                self._convolve(step)
            case PoolStep(node=AvgPool() as node, relu=False):
                source = self._maps[step.source]
                self._maps[step.number] = average(source, node.kernel, node.stride, node.padding)
            case ShiftStep(number=number, source=read, relu=relu):
                self._maps[number] = shift(self._maps[read], relu)
            case ConcatStep():
                self._join(step)
            case _:
                raise TypeError(f"{step} is not compiled")

    def _join(self, step: ConcatStep) -> None:
        self._maps[step.number] = join([(self._maps[t.source], t.relu) for t in step.terms])
        known = [self._moments.get(t.source) for t in step.terms if not t.relu]
        parts = [moments for moments in known if moments is not None]
        if len(parts) == len(step.terms):  # a channel's moments do not depend on its place
            self._moments[step.number] = Moments(*map(np.concatenate, zip(*parts, strict=True)))

    def _convolve(self, step: ConvStep) -> None:
        if step.number in self._maps:
            return  # made along with its partner
        partner = self._partners.get(step.number)
        if partner and self._tiles(step) and self._tiles(partner):
            numbers = (step.number, partner.number)
            first, second = (self._weights[number].numpy() for number in numbers)
            both = convolve_both(self._maps[step.source], first, second, step.relu)
            for number, made in zip(numbers, both, strict=True):
                self._maps[number], self._moments[number] = made
            return
        weight, x = self._weights[step.number].numpy(), self._maps[step.source]
        if is_fast(*self._sizes(step)):
            made = convolve(x, weight, step.node.stride, step.node.padding, step.relu)
            self._maps[step.number], self._moments[step.number] = made
            return
        source = channels_first(x)
        self._maps[step.number] = channels_last(
            F.conv2d(
                F.relu(source) if step.relu else source,
                self._weights[step.number],
                stride=step.node.stride,
                padding=step.node.padding,
            )
        )

    def _tiles(self, step: ConvStep) -> bool:
        return can_tile(*self._sizes(step))

    def _sizes(self, step: ConvStep) -> tuple[tuple[int, ...], int, tuple[int, int, int]]:
        """Return shape, outputs and geometry as `can_tile` asks for them."""
        images, height, width, channels = self._maps[step.source].shape
        node = step.node
        geometry = (node.kernel, node.stride, node.padding)
        return (images, channels, height, width), node.out_channels, geometry

    def combine(self, step: MapStep, dropped: Set[int]) -> NDArray[np.uint64] | None:
        """See :class:`Executor`."""
        channels, height, width = self._network.shapes[step.number]
        shape = (self._batch, height, width, channels)
        codes = empty_codes(shape) if step.once else None
        if not step.terms:
            if step.keep:
                self._maps[step.number] = np.zeros(shape, self._dtype)
            return codes
        total = self._room(step, dropped, shape) if step.keep else None
        combine([self._summand(term) for term in step.terms], BATCH_NORM_EPSILON, total, codes)
        if total is not None:
            self._maps[step.number] = total
        return codes

    def products(self, code: NDArray[np.uint64]) -> NDArray[np.int64]:
        """See :class:`Executor`."""
        return code_products(code)

    def drop(self, number: int) -> None:
        """See :class:`Executor`."""
        self._maps.pop(number)
        self._moments.pop(number, None)

    def _room(
        self, step: MapStep, dropped: Set[int], shape: tuple[int, int, int, int]
    ) -> NDArray[Any]:
        """Return where to put a sum: over a summand that nobody reads again, as it is in cache."""
        for term in step.terms:
            spare = term.source in dropped and term.source not in self._network.inputs
            if spare and term.joined is not Joined.AVERAGED:
                return self._maps[term.source]
        return empty(shape, self._dtype)

    def _summand(self, term: Term) -> Summand:
        x = self._maps[term.source]
        if term.joined is not Joined.NORMALISED:
            return Summand(x, averaged=term.joined is Joined.AVERAGED)
        if term.source not in self._moments:
            self._moments[term.source] = moments_of(x)
        return Summand(x, self._moments[term.source])


class TorchExecutor:
    """Steps as torch operations on any device, channels last in memory."""

    @property
    def images(self) -> int:
        """Images of the mini-batch."""
        return len(self._batch)

    def __init__(self, network: Network, weights: Mapping[int, Tensor], batch: Tensor) -> None:
        self._network, self._weights, self._batch = network, weights, batch
        self._maps = dict.fromkeys(network.inputs, batch)

    def make(self, step: Making) -> None:
        """See :class:`Executor`."""
        self._maps[step.number] = self._made(step)

    def combine(self, step: MapStep, dropped: Set[int]) -> Tensor | None:
        """See :class:`Executor`."""
        total = self._sum(step)
        if step.keep:
            self._maps[step.number] = total
        return total.permute(0, 2, 3, 1).flatten(1) > 0 if step.once else None

    def products(self, code: Tensor) -> NDArray[np.int64]:
        """See :class:`Executor`."""
        if on_cpu(code):
            return code_products(packed(code.numpy()))
        return float_products(code).to(torch.int64).cpu().numpy()

    def drop(self, number: int) -> None:
        """See :class:`Executor`."""
        self._maps.pop(number)

    def _made(self, step: Making) -> Tensor:
        match step:
            case ConvStep(node=node):
                x, weight = self._read(step.source, step.relu), self._weights[step.number]
                return F.conv2d(x, weight, stride=node.stride, padding=node.padding)
            case PoolStep(node=node):
                x, geometry = self._read(step.source, step.relu), (node.kernel, node.stride)
                if isinstance(node, AvgPool):
                    return F.avg_pool2d(x, *geometry, node.padding, count_include_pad=False)
                return torch.max_pool2d(x, *geometry, node.padding)
            case TruncateStep(node=node):
                x = self._maps[step.source][:, : node.channels]
                return F.relu(x) if step.relu else x
            case ShiftStep(source=source, relu=relu):
                return shift_map(self._read(source, relu))
            case ConcatStep(terms=terms):
                return torch.cat([self._read(term.source, term.relu) for term in terms], dim=1)

    def _read(self, source: int, relu: bool) -> Tensor:
        x = self._maps[source]
        return F.relu(x) if relu else x

    def _sum(self, step: MapStep) -> Tensor:
        if not step.terms:
            zeros = self._batch.new_zeros((len(self._batch), *self._network.shapes[step.number]))
            return zeros.contiguous(memory_format=torch.channels_last)
        first, *others = (self._joined(term) for term in step.terms)
        return sum(others, start=first)

    def _joined(self, term: Term) -> Tensor:
        x = self._read(term.source, term.relu)
        if term.joined is Joined.NORMALISED:
            return F.batch_norm(x, None, None, training=True, eps=BATCH_NORM_EPSILON)
        if term.joined is Joined.AVERAGED:
            return F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
        return x


def packed(code: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """Return a code, (B, units), as bits, (B, words); spare bits are zero."""
    octets = np.packbits(code, axis=1)
    words = np.zeros((len(code), -(-octets.shape[1] // 8)), np.uint64)
    words.view(np.uint8)[:, : octets.shape[1]] = octets
    return words


def float_products(code: Tensor) -> Tensor:
    """Return C Cᵀ for a code, (B, units), float64 where the code lies.

    Exact, as float32 holds whole numbers up to 2²⁴.
    """
    total: Tensor | None = None
    for part in torch.split(code, _EXACT_IN_FLOAT32 - 1, dim=1):
        ones = part.to(torch.float32)
        products = (ones @ ones.T).to(torch.float64)
        total = products if total is None else total + products
    assert total is not None  # torch splits even what is empty into one part
    return total
