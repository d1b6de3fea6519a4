"""What all parts of the GPU benchmark share: device, scale, time left, and what others found."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from multiprocessing import get_context

import torch

from on_gpu.cases import FULL, SMALLEST, Case, Scale
from on_gpu.compile import compile_kernels
from on_gpu.groups import GROUPABLE, NASWOT, Groups
from on_gpu.record import Record, progress
from on_gpu.truth import Truth, truth_of
from trainfree.scoring.gpu_kernels.launches import GroupPlan
from trainfree.scoring.settings.precision import Precision
from trainfree.spaces import load_space

PRECISIONS: tuple[Precision, ...] = ("float32", "tf32x3", "tf32")
DEFAULT: Precision = "tf32x3"
_MOST_PROCESSES = 8


@dataclass
class Bench:
    """One run of the benchmark.

    Attributes
    ----------
    seconds
        That everything may take.
    interpret
        Whether kernels are interpreted on the CPU.
    milliseconds
        An architecture, by what was measured: the parts' figures for ratios.
    """

    record: Record
    seconds: float
    interpret: bool
    milliseconds: dict[str, float] = field(default_factory=dict)
    _start: float = field(default_factory=time.perf_counter)

    @property
    def device(self) -> torch.device:
        return torch.device("cpu" if self.interpret else "cuda")

    @property
    def scale(self) -> Scale:
        return SMALLEST if self.interpret else FULL

    @property
    def left(self) -> float:
        """Seconds left."""
        return self._start + self.seconds - time.perf_counter()

    @cached_property
    def compared(self) -> list[int]:
        """Architectures that are compared with the CPU; the first have no path, and only skips."""
        first = [0, _all_skips(self.scale.case.space)]
        drawn = self.scale.case.sample(self.scale.truth, "bench-truth")
        return list(dict.fromkeys([*first, *drawn]))[: self.scale.truth]

    @cached_property
    def truth(self) -> dict[int, Truth]:
        """What the CPU says of them; computed here where it was not while kernels compiled."""
        return {arch: truth_of(self.scale.case, arch) for arch in self.compared}

    def forget_peak(self) -> None:
        """Begin anew with the peak of memory."""
        if not self.interpret:
            torch.cuda.reset_peak_memory_stats()

    @property
    def peak(self) -> float:
        """Most memory that tensors took on the GPU since then, GiB."""
        return 0.0 if self.interpret else torch.cuda.max_memory_allocated() / 2**30

    @property
    def precisions(self) -> tuple[Precision, ...]:
        """Those that are compared; interpreted they are all the same."""
        return PRECISIONS[: 1 if self.interpret else None]

    def warm(self, groups: Groups, plans: list[GroupPlan]) -> None:
        """Run groups before they are timed; interpreted there is nothing to be warm."""
        if not self.interpret:
            groups.results(plans)

    def prepare(self) -> None:
        """Compile kernels and compute on the CPU, both in processes, before anything is timed.

        Triton keeps what it has compiled on disk, where this process finds it.
        """
        if self.interpret:
            return
        start, case = time.perf_counter(), self.scale.case
        with processes() as compilers, processes() as others:
            compiling = {
                compilers.submit(compile_kernels, *task): f"{task[0].space}, {task[0].size} x "
                f"{task[0].size}, {task[2]}"
                for task in self._to_compile()
            }
            computing = {arch: others.submit(truth_of, case, arch) for arch in self.compared}
            for future, name in compiling.items():
                _tell(future, name)
            note = f"{len(compiling)} kinds of groups at once; little where Triton has kept them"
            seconds = time.perf_counter() - start
            self.record.add("start", "compiling kernels", seconds, "s", note)
            self.truth = {arch: future.result() for arch, future in computing.items()}
        self.record.add("start", "and the CPU's scores", time.perf_counter() - start, "s")

    def _to_compile(self) -> Iterator[tuple[Case, tuple[str, ...], Precision]]:
        scale = self.scale
        yield scale.cell_case, GROUPABLE, DEFAULT
        for precision in (DEFAULT, "tf32", "float32"):
            yield scale.case, GROUPABLE if precision == DEFAULT else NASWOT, precision
        yield scale.small_case, GROUPABLE, DEFAULT


def _all_skips(space: str) -> int:
    return load_space(space).parse(
        "|skip_connect~0|+|skip_connect~0|skip_connect~1|+"
        "|skip_connect~0|skip_connect~1|skip_connect~2|"
    )


def _tell(future: Future[float], name: str) -> None:
    try:
        progress(f"compiled {name} in {future.result():.1f} s")
    except Exception:
        logging.exception("could not compile %s; the parts that need it will fail", name)


def processes() -> ProcessPoolExecutor:
    """Return a pool of fresh processes."""
    count = min(_MOST_PROCESSES, max(1, len(os.sched_getaffinity(0)) // 2))
    return ProcessPoolExecutor(count, mp_context=get_context("spawn"))
