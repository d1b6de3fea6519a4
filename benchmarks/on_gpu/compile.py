"""Compiles what a kind of groups needs, by running a small one."""

from __future__ import annotations

import time

import torch

from on_gpu.cases import Case
from on_gpu.groups import Groups
from trainfree.scoring.settings.precision import Precision
from trainfree.spaces import load_space

_ENOUGH = 16
"""So many random cells of a space have all kinds of steps."""


def compile_kernels(case: Case, proxies: tuple[str, ...], precision: Precision) -> float:
    """Run a group of all kinds of steps and return the seconds, most of which compile kernels.

    Raises
    ------
    RuntimeError
        When they cannot be compiled or run. Triton's own errors do not all pass between processes.
    """
    start = time.perf_counter()
    device = torch.device("cuda")
    groups = Groups(case, proxies, _ENOUGH, device, precision)
    archs = [load_space(case.space).warm_up_architecture, *case.sample(_ENOUGH - 1, "bench-warm")]
    try:
        groups.results(groups.plans(archs))
        torch.cuda.synchronize()
    except Exception as error:
        raise RuntimeError(f"{type(error).__name__}: {error}") from error
    return time.perf_counter() - start
