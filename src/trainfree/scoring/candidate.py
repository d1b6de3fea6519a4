"""One architecture under one setting: computes each thing that proxies ask for once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainfree.proxies.registry import Proxy
from trainfree.scoring import synaptic_flow
from trainfree.scoring.activations import ReluKernels, relu_kernels
from trainfree.scoring.clock import PhaseClock
from trainfree.scoring.linear_algebra import log_abs_determinant
from trainfree.scoring.shared import SharedResults
from trainfree.scoring.weights import Weights
from trainfree.spaces.network import Network


class EngineCandidate:
    """The :class:`~trainfree.proxies.registry.Candidate` that the engine hands to proxies.

    Parameters
    ----------
    build
        Returns the network of the architecture.
    draw
        Returns the weights of a network.
    batch
        Mini-batch on the device, (B, 3, height, width) float32, channels last.
    clock
        Receives the seconds of each phase.
    """

    def __init__(
        self,
        build: Callable[[], Network],
        draw: Callable[[Network], Weights],
        batch: Tensor,
        clock: PhaseClock,
    ) -> None:
        self._build, self._draw = build, draw
        self._batch, self._clock = batch, clock
        self._results = SharedResults(clock.now)

    @property
    def network(self) -> Network:
        """The network as data."""
        return self._results.get("network", self._built)

    @property
    def relu_kernel(self) -> NDArray[np.float64]:
        """K with each ReLU module counted once, (B, B)."""
        return self._results.get("kernels", self._collected).per_module

    @property
    def relu_kernel_official(self) -> NDArray[np.float64]:
        """K as the published code counts, (B, B)."""
        return self._results.get("kernels", self._collected).official

    @property
    def log_synaptic_flow(self) -> float:
        """Natural logarithm of Σ |θ ⊙ ∂R/∂θ|."""
        return self._results.get("flow", self._flowed)

    def log_abs_determinant(self, matrix: NDArray[np.float64]) -> float:
        """Return ln |det matrix|, −inf for a singular one."""
        with self._clock.phase("linear_algebra"):
            return log_abs_determinant(matrix)

    def score(self, proxy: Proxy) -> tuple[object, float]:
        """Return what ``proxy`` returns and the seconds it would have cost alone."""
        return self._results.bill(lambda: proxy.function(self))

    @property
    def _weights(self) -> dict[int, Tensor]:
        return self._results.get("weights", self._drawn)

    def _built(self) -> Network:
        with self._clock.phase("build"):
            return self._build()

    def _drawn(self) -> dict[int, Tensor]:
        network = self.network
        with self._clock.phase("build"):
            drawn = self._draw(network).weight
            return {number: self._on_device(weight) for number, weight in drawn.items()}

    def _collected(self) -> ReluKernels:
        return relu_kernels(self.network, self._weights, self._batch, self._clock)

    def _flowed(self) -> float:
        network, weights = self.network, self._weights
        with self._clock.phase("other"):
            arrays = {number: weight.cpu().numpy() for number, weight in weights.items()}
            return synaptic_flow.log_synaptic_flow(network, arrays)

    def _on_device(self, weight: NDArray[np.float32]) -> Tensor:
        tensor = torch.from_numpy(weight).to(self._batch.device)
        if tensor.dim() == 4:
            return tensor.contiguous(memory_format=torch.channels_last)
        return tensor
