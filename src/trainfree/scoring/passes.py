"""The steps of a plan, carried out: compiled on the CPU, as torch operations elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from trainfree.scoring.convolution import can_convolve, convolve
from trainfree.scoring.fused import (
    Moments,
    Summand,
    average,
    code_products,
    combine,
    empty_codes,
    moments_of,
)
from trainfree.scoring.memory import empty
from trainfree.scoring.plan import ConvStep, Joined, MapStep, PoolStep, Term
from trainfree.spaces.network import Network

BATCH_NORM_EPSILON = 1e-5
_EXACT_IN_FLOAT32 = 2**24


class Passes(Protocol):
    """Carries out steps and holds the maps between them."""

    def convolve(self, step: ConvStep) -> None:
        """Make the map of a convolution."""

    def average(self, step: PoolStep) -> None:
        """Make the map of a pooling."""

    def combine(self, step: MapStep, dropped: Set[int]) -> Any:
        """Make the map of a sum if it is kept; return its binary code if that counts.

        Maps in ``dropped`` are not read again and may be overwritten.
        """

    def products(self, code: Any) -> NDArray[np.int64]:
        """Return C Cᵀ for a code of :meth:`combine`, (B, B)."""

    def drop(self, number: int) -> None:
        """Forget a map."""


class CompiledPasses:
    """Steps on the CPU, on maps with channels last, (B, height, width, C).

    Parameters
    ----------
    batch
        Images, (B, 3, height, width), float32 or float64.
    """

    def __init__(self, network: Network, weights: Mapping[int, Tensor], batch: Tensor) -> None:
        self._network, self._weights = network, weights
        images = channels_last(batch)
        self._maps = dict.fromkeys(network.inputs, images)
        self._moments: dict[int, Moments] = {}
        self._batch = len(batch)
        self._dtype = images.dtype

    def convolve(self, step: ConvStep) -> None:
        """See :class:`Passes`."""
        weight, x = self._weights[step.number].numpy(), self._maps[step.source]
        if can_convolve(weight):
            geometry = (step.node.stride, step.node.padding)
            self._maps[step.number], self._moments[step.number] = convolve(
                x, weight, *geometry, step.rectify
            )
            return
        source = channels_first(x)
        self._maps[step.number] = channels_last(
            F.conv2d(
                F.relu(source) if step.rectify else source,
                self._weights[step.number],
                stride=step.node.stride,
                padding=step.node.padding,
            )
        )

    def average(self, step: PoolStep) -> None:
        """See :class:`Passes`."""
        node = step.node
        self._maps[step.number] = average(
            self._maps[step.source], node.kernel, node.stride, node.padding
        )

    def combine(self, step: MapStep, dropped: Set[int]) -> NDArray[np.uint64] | None:
        """See :class:`Passes`."""
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
        """See :class:`Passes`."""
        return code_products(code)

    def drop(self, number: int) -> None:
        """See :class:`Passes`."""
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


class TorchPasses:
    """Steps as torch operations on any device, channels last in memory."""

    def __init__(self, network: Network, weights: Mapping[int, Tensor], batch: Tensor) -> None:
        self._network, self._weights, self._batch = network, weights, batch
        self._maps = dict.fromkeys(network.inputs, batch)

    def convolve(self, step: ConvStep) -> None:
        """See :class:`Passes`."""
        x = self._maps[step.source]
        self._maps[step.number] = F.conv2d(
            F.relu(x) if step.rectify else x,
            self._weights[step.number],
            stride=step.node.stride,
            padding=step.node.padding,
        )

    def average(self, step: PoolStep) -> None:
        """See :class:`Passes`."""
        node = step.node
        self._maps[step.number] = F.avg_pool2d(
            self._maps[step.source],
            node.kernel,
            node.stride,
            node.padding,
            count_include_pad=False,
        )

    def combine(self, step: MapStep, dropped: Set[int]) -> Tensor | None:
        """See :class:`Passes`."""
        total = self._batch.new_zeros((len(self._batch), *self._network.shapes[step.number]))
        for term in step.terms:
            total = total + self._joined(self._maps[term.source], term.joined)
        if step.keep:
            self._maps[step.number] = total
        return total.flatten(1) > 0 if step.once else None

    def products(self, code: Tensor) -> NDArray[np.int64]:
        """See :class:`Passes`; exact, as float32 holds every whole number up to 2²⁴."""
        products = np.zeros((len(code), len(code)), np.int64)
        for part in torch.split(code, _EXACT_IN_FLOAT32 - 1, dim=1):
            ones = part.to(torch.float32)
            products += (ones @ ones.T).to(torch.int64).cpu().numpy()
        return products

    def drop(self, number: int) -> None:
        """See :class:`Passes`."""
        self._maps.pop(number)

    def _joined(self, x: Tensor, joined: Joined) -> Tensor:
        if joined is Joined.NORMALISED:
            return F.batch_norm(x, None, None, training=True, eps=BATCH_NORM_EPSILON)
        if joined is Joined.AVERAGED:
            return F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
        return x


def channels_last(x: Tensor) -> NDArray[Any]:
    """See a map as an array, (B, height, width, C); copies only what lies otherwise in memory."""
    return x.contiguous(memory_format=torch.channels_last).permute(0, 2, 3, 1).numpy()


def channels_first(x: NDArray[Any]) -> Tensor:
    """See an array of :func:`channels_last` as a map, (B, C, height, width)."""
    return torch.from_numpy(x).permute(0, 3, 1, 2)
