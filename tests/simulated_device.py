"""A device that is none: the paths that a GPU takes, run and counted on the CPU.

What is read from the "device" becomes a :class:`OnCpu`, and so does all that is made of it; every
other tensor counts as lying on the device. An operation on both at once, which a GPU refuses, is an
error here, too.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from trainfree.scoring import placement

LAUNCH_NOTHING = {
    *("view", "_unsafe_view", "permute", "transpose", "t", "numpy_T", "slice", "select", "expand"),
    *("as_strided", "unflatten", "detach", "alias", "unsqueeze", "squeeze", "split", "diagonal"),
    *("split_with_sizes", "unbind", "lift_fresh", "_reshape_alias", "resize_", "is_pinned"),
    *("empty", "empty_strided", "empty_like", "new_empty", "new_empty_strided"),
}
WAITS = {"_local_scalar_dense", "nonzero", "_unique2", "unique_dim", "unique_consecutive"}
WAITS |= {"_linalg_eigh", "_linalg_svd", "_linalg_slogdet", "equal"}


class OnCpu(Tensor):
    """A tensor that was read from the device."""


class SimulatedDevice(TorchDispatchMode):
    """Counts what is done on the device and how often it is waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.operations: Counter[str] = Counter()
        self.waits: Counter[str] = Counter()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        name = func._schema.name.split("::")[1]
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        here = [isinstance(tensor, OnCpu) for tensor in tensors if tensor.dim()]
        if not all(here):
            assert not any(here), f"{name} of tensors on the CPU and on the device"
            by_mask = name == "index" and any(
                i is not None and i.dtype == torch.bool for i in args[1]
            )
            if name in WAITS or by_mask:
                self.waits[name] += 1
        elif name in WAITS and not all(isinstance(tensor, OnCpu) for tensor in tensors):
            self.waits[name] += 1
        if not all(here) or not tensors:
            self.operations[name] += name not in LAUNCH_NOTHING
        return func(*args, **(kwargs or {}))


def _by_mask(indices: list[Tensor | None]) -> bool:
    return any(index is not None and index.dtype == torch.bool for index in indices)


@contextmanager
def simulated_device(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedDevice]:
    """Make tensors count as lying on a device, and count what is done with them.

    ``one_hot`` is another one: torch's reads the labels to check them, but only on a CPU.
    """
    counted, cpu = SimulatedDevice(), Tensor.cpu

    def read(tensor: Tensor) -> Tensor:
        if not isinstance(tensor, OnCpu):
            counted.waits["cpu"] += 1
        return cpu(tensor).as_subclass(OnCpu)

    def on_cpu(tensor: Tensor) -> bool:
        return isinstance(tensor, OnCpu)

    usual = placement.on_cpu
    with monkeypatch.context() as patch:
        patch.setattr(Tensor, "cpu", read)
        patch.setattr(F, "one_hot", lambda labels, classes: torch.eye(classes)[labels])
        for module in list(sys.modules.values()):
            if getattr(module, "on_cpu", None) is usual:
                patch.setattr(module, "on_cpu", on_cpu)
        with counted:
            yield counted
