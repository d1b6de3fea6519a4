"""What the CPU says of the architectures that the GPU benchmark compares."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from on_gpu.cases import Case
from trainfree.scoring.clock import PhaseClock
from trainfree.scoring.quantities.log_determinant import log_abs_determinant
from trainfree.scoring.quantities.relu_kernel import ReluKernels, relu_kernels
from trainfree.scoring.quantities.synflow import log_synaptic_flow

WAYS = ("naswot", "naswot_official")


@dataclass(frozen=True)
class Truth:
    """K in both ways of counting in float64 and in float32, (2, B, B), and ln of the flow."""

    exact: NDArray[np.int64]
    single: NDArray[np.int64]
    log_flow: float

    def scores(self, exact: bool = False) -> dict[str, float]:
        """Return the scores by proxy."""
        return scores_of(self.exact if exact else self.single) | {"synflow": self.log_flow}


def scores_of(kernels: NDArray[np.int64]) -> dict[str, float]:
    """Return ln |det K| of K in both ways of counting."""
    found = (log_abs_determinant(kernel.astype(np.float64)) for kernel in kernels)
    return dict(zip(WAYS, found, strict=True))


def both(kernels: ReluKernels) -> NDArray[np.int64]:
    """Return K in both ways of counting as one array."""
    return np.stack([kernels.per_module, kernels.official]).astype(np.int64)


def truth_of(case: Case, arch: int) -> Truth:
    """Score an architecture on the CPU: plain torch in float64, and the CPU engine in float32."""
    torch.set_num_threads(1)
    network = case.network(arch)
    drawn = case.weights(network, arch).weight
    batch = case.batch(torch.device("cpu"))
    found = []
    for dtype, compiled in ((torch.float64, False), (torch.float32, None)):
        weights = {
            number: torch.from_numpy(weight).to(dtype).contiguous(memory_format=torch.channels_last)
            for number, weight in drawn.items()
            if weight.ndim == 4
        }
        found.append(both(relu_kernels(network, weights, batch.to(dtype), PhaseClock(), compiled)))
    return Truth(*found, log_flow=log_synaptic_flow(network, drawn))


def ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return average ranks; equal values, −∞ too, share one."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[places]


def rank_correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Return Spearman's rank correlation; NaN where either has one value only."""
    pairs = np.stack([ranks(one), ranks(other)])
    if not pairs.std(axis=1).all():
        return float("nan")
    return float(np.corrcoef(pairs)[0, 1])
