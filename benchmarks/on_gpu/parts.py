"""The parts of the GPU benchmark in order, each within the time that is left."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from on_gpu.agreement import agreement, repetition
from on_gpu.bench import Bench
from on_gpu.record import facts_of, progress
from on_gpu.speed import (
    cells,
    convolutions,
    engine,
    kernels,
    one_by_one,
    proxies,
    published,
    sizes,
    sweeps,
    whole,
)

Part = Callable[[Bench], None]
PARTS: dict[str, tuple[float, Part]] = {
    "engine": (20, engine),
    "torch": (8, one_by_one),
    "published": (12, published),
    "convolutions": (6, convolutions),
    "agreement": (10, agreement),
    "repetition": (10, repetition),
    "kernels": (8, kernels),
    "sweeps": (20, sweeps),
    "proxies": (25, proxies),
    "nasbench101": (10, cells),
    "whole": (45, whole),
    "sizes": (200, sizes),
}
"""Seconds that have to be left for a part to begin, and the part."""


def run(bench: Bench, only: Sequence[str]) -> int:
    """Run the parts; return 1 if one failed."""
    bench.record.head(facts_of(bench.device))
    bench.prepare()
    failed = []
    for name, (seconds, part) in PARTS.items():
        if only and name not in only:
            continue
        if bench.left < seconds:
            note = f"{bench.left:.0f} s left, {seconds:.0f} wanted; see --seconds and --parts"
            bench.record.add(name, "skipped", "", "", note)
            continue
        start = time.perf_counter()
        try:
            part(bench)
        except Exception as error:
            logging.exception("part %s failed", name)
            bench.record.add(name, "failed", "", "", f"{type(error).__name__}: {error}"[:200])
            failed.append(name)
        progress(f"{name}: {time.perf_counter() - start:.1f} s, {bench.left:.0f} s left")
    bench.record.add("end", "everything", bench.seconds - bench.left, "s")
    return 1 if failed else 0
