"""One forward pass that collects the kernels of the ReLU codes.

For the binary code C (B × D) of a ReLU, C Cᵀ + (1 − C)(1 − C)ᵀ = D − r 1ᵀ − 1 rᵀ + 2 C Cᵀ with
r = diag(C Cᵀ), so one product is enough, it is a whole number, and the products can be added up
first. ReLUs that read the same node have the same code: it is computed once and weighted by the
number of modules. The pass runs in train mode (batch statistics), without gradients.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainfree.scoring.clock import PhaseClock
from trainfree.scoring.cpu_engine.executors import (
    CompiledExecutor,
    Executor,
    TorchExecutor,
    can_compile,
)
from trainfree.scoring.cpu_engine.plan import MapStep, make_plan
from trainfree.spaces.network import Network


@dataclass(frozen=True)
class ReluKernels:
    """The kernel of one architecture in both countings, float64 with whole numbers, (B, B)."""

    per_module: NDArray[np.float64]
    official: NDArray[np.float64]


@torch.inference_mode()
def relu_kernels(
    network: Network,
    weights: Mapping[int, Tensor],
    batch: Tensor,
    clock: PhaseClock,
    compiled: bool | None = None,
) -> ReluKernels:
    """Run ``batch`` through the network and return the kernels of its ReLU codes.

    Parameters
    ----------
    network
        The network; nothing behind its last ReLU is executed.
    weights
        Convolution weights by node number, on the device of ``batch``.
    batch
        Images, (B, 3, height, width), channels last; float32, or float64 for exact comparisons.
    clock
        Receives the phases ``forward`` and ``kernel``.
    compiled
        Whether to use the compiled steps, which run on a CPU alone and do not know every
        step; by default where they can be used.
    """
    plan = make_plan(network)
    if compiled is None:
        compiled = batch.device.type == "cpu" and can_compile(plan)
    executor: Executor = (CompiledExecutor if compiled else TorchExecutor)(network, weights, batch)
    once, official = KernelSum(len(batch)), KernelSum(len(batch))
    for step, dropped in plan:
        code = None
        with clock.phase("forward"):
            if isinstance(step, MapStep):
                code = executor.combine(step, dropped)
            else:
                executor.make(step)
        if isinstance(step, MapStep) and code is not None:
            with clock.phase("kernel"):
                products, units = executor.products(code), prod(network.shapes[step.number])
                once.add(step.once, products, units)
                official.add(step.official, products, units)
        for number in dropped:
            executor.drop(number)
    return ReluKernels(once.matrix(), official.matrix())


class KernelSum:
    """Σ weight · (C Cᵀ + (1 − C)(1 − C)ᵀ), from the products C Cᵀ."""

    def __init__(self, images: int) -> None:
        self._products = np.zeros((images, images), np.int64)
        self._units = 0

    def add(self, weight: int, products: NDArray[np.int64], units: int) -> None:
        """Add the code of ``units`` units, given C Cᵀ, ``weight`` times."""
        self._products += weight * products
        self._units += weight * units

    def matrix(self) -> NDArray[np.float64]:
        """Return the sum, whole numbers, (B, B)."""
        own = self._products.diagonal()
        kernel = self._units - own[:, None] - own[None, :] + 2 * self._products
        return kernel.astype(np.float64)
