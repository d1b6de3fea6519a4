"""Architectures that are networks as data, in groups on a GPU: what is shared among proxies.

The GPU engine computes kernels of ReLU codes, synaptic flow and patterns of units for a whole group
at once. What else proxies ask for, a backend of the ordinary kind computes for each architecture.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from trainfree.scoring.backend import Backend, Counts
from trainfree.scoring.gpu_engine.engine import ArchitectureResult, GroupEngine
from trainfree.scoring.gpu_engine.grouping import Quantity, Request
from trainfree.scoring.gpu_engine.planners import planned
from trainfree.scoring.settings.precision import GroupOptions

if TYPE_CHECKING:  # needs pydantic, which machines of the GPU benchmark lack
    from trainfree.scoring.settings.setting import Setting

QUANTITIES: dict[str, Quantity] = {
    "kernels": "kernels",
    "flow": "flow",
    "unit patterns": "patterns",
}
"""Shared results of a backend that the engine computes, and what it calls them."""
WITHOUT_DEVICE = frozenset({*QUANTITIES, "network", "counts"})
"""Shared results for which a backend that is told of them leaves the device alone."""
LARGEST_GROUP = 128


def wanted_of(computed: Iterable[str]) -> frozenset[Quantity]:
    """Return what the engine can compute of the shared results that proxies asked for."""
    return frozenset(QUANTITIES[name] for name in computed if name in QUANTITIES)


def memory_budget(device: torch.device, share: float) -> int:
    """Return the bytes that ``share`` of a GPU's memory is."""
    return int(share * torch.cuda.mem_get_info(device)[1])


def results(
    setting: Setting,
    classes: int,
    asked: Iterable[str],
    architectures: Sequence[int],
    batch: Tensor,
    options: GroupOptions,
    ahead: bool,
) -> Iterator[ArchitectureResult]:
    """Yield what the engine finds of architectures, in their order.

    Those whose networks the engine does not know are left out.

    Parameters
    ----------
    asked
        Names of the shared results that proxies ask for.
    batch
        Mini-batch, (B, 3, height, width) float32, on the device.
    ahead
        Whether the device may compute the next group while a result is used.
    """
    wanted = wanted_of(asked)
    if not wanted:
        return
    request = Request(
        space=setting.space,
        files=tuple(path for path, _ in setting.extra),
        image_size=batch.shape[-1],
        classes=classes,
        images=len(batch),
        seed=setting.seed,
        initialization=setting.initialization,
        wanted=wanted,
        budget=memory_budget(batch.device, options.memory),
        largest=LARGEST_GROUP,
    )
    engine = GroupEngine(batch, request, options.precision)
    plans = planned(request, architectures, options.threads)
    yield from engine.results(plans, ahead)


def tell(result: ArchitectureResult, classes: int, backend: Backend) -> None:
    """Give a backend what the engine found of its architecture, and what it cost."""
    results, clock, seconds = backend.results, backend.clock, result.seconds
    counts = (result.params, result.flops, result.relu_units, result.parameter_tensors)
    results.put("counts", Counts(*counts, classes), 0.0)
    for phase, spent in seconds.items():
        clock.seconds["other" if phase == "flow" else phase] += spent
        clock.seconds["total"] += spent
    results.put("group", None, seconds.get("build", 0.0))
    passes = seconds.get("forward", 0.0) + seconds.get("kernel", 0.0)
    found = {
        "kernels": (result.kernels, passes),
        "flow": (result.log_flow, seconds.get("flow", 0.0)),
        "unit patterns": (result.patterns, passes),
    }
    for name, (value, spent) in found.items():
        if result.memory_error:
            results.put(name, MemoryError(result.memory_error), spent)
        elif value is not None:
            results.put(name, value, spent, rests_on=["group"])
