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
    float_products,
)
from trainfree.scoring.cpu_engine.plan import MapStep, Plan, make_plan
from trainfree.scoring.placement import on_cpu, to_device
from trainfree.spaces.network import Network

_WAITING = 2**30
"""Units of codes, all images together, that wait for their products at most."""


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
        compiled = on_cpu(batch) and can_compile(plan)
    if not on_cpu(batch):
        return _on_device(TorchExecutor(network, weights, batch), plan, network, clock)
    executor: Executor = TorchExecutor(network, weights, batch)
    if compiled:
        executor = CompiledExecutor(network, weights, batch, plan.partners())
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


def _on_device(
    executor: TorchExecutor, plan: Plan, network: Network, clock: PhaseClock
) -> ReluKernels:
    """Do the same on a GPU, which is asked for nothing but the two sums at the end."""
    products: list[Tensor] = []
    counts: list[tuple[int, int]] = []
    units = np.zeros(2, np.int64)
    waiting: list[Tensor] = []

    def multiply() -> None:
        with clock.phase("kernel"):
            products.extend(float_products(code) for code in waiting)
            waiting.clear()

    with clock.phase("forward"):
        for step, dropped in plan:
            if isinstance(step, MapStep):
                code = executor.combine(step, dropped)
                if code is not None:
                    waiting.append(code)
                    counts.append((step.once, step.official))
                    units += np.array(counts[-1]) * prod(network.shapes[step.number])
                    if sum(each.numel() for each in waiting) > _WAITING:
                        multiply()
            else:
                executor.make(step)
            for number in dropped:
                executor.drop(number)
        multiply()
    images = executor.images
    if not products:
        return ReluKernels(*np.zeros((2, images, images)))
    with clock.phase("kernel"):
        together = torch.stack(products).flatten(1)
        (weights,) = to_device([np.array(counts, np.float64).T], together)
        sums = (weights @ together).to(torch.int64).cpu().numpy().reshape(2, images, images)
    return ReluKernels(*(kernel_of(*each) for each in zip(sums, units.tolist(), strict=True)))


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
        return kernel_of(self._products, self._units)


def kernel_of(products: NDArray[np.integer], units: int) -> NDArray[np.float64]:
    """Return Σ C Cᵀ + (1 − C)(1 − C)ᵀ, whole numbers, (B, B).

    Parameters
    ----------
    products
        Σ C Cᵀ, (B, B).
    units
        Columns of all codes C.
    """
    exact = products.astype(np.float64)
    own = exact.diagonal()
    return units - own[:, None] - own[None, :] + 2 * exact
