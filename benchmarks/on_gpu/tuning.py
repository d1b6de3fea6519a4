"""Other tiles, warps and stages of the main kernels, timed: ``python benchmarks/gpu.py --tune``.

Prints and changes nothing. What is chosen stands in small tables at the top of the kernels' files;
a change of warps or tiles may change bits of scores, so that the tables are constants of the code.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import as_completed
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from itertools import pairwise, product
from typing import Any

import torch

from on_gpu.bench import PRECISIONS, Bench, processes
from on_gpu.compile import compile_kernels
from on_gpu.groups import NASWOT, Groups
from on_gpu.launches import Timed, described, launches_timed
from on_gpu.record import facts_of, progress
from on_gpu.ways import timed
from trainfree.scoring.settings.precision import Precision

_KERNELS = "trainfree.scoring.gpu_kernels."
_REPETITIONS = 5
_RESERVE = 10.0
"""Seconds that are left for the table."""


@dataclass(frozen=True)
class Alternative:
    """Other constants of a kernel's file.

    Attributes
    ----------
    kind
        Launcher whose launches it changes.
    values
        Of the file's constants, by name.
    """

    kind: str
    module: str
    name: str
    values: tuple[tuple[str, Any], ...] = ()

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Have the kernels use these constants within the block."""
        module = import_module(_KERNELS + self.module)
        before = [(name, getattr(module, name)) for name, _ in self.values]
        for name, value in self.values:
            setattr(module, name, value)
        try:
            yield
        finally:
            for name, value in before:
                setattr(module, name, value)


def alternatives(precision: Precision) -> list[Alternative]:
    """Return what is tried, the present choice of each kind first."""
    return [*_convolutions(precision), *_sums(), *_products()]


def _convolutions(precision: Precision) -> Iterator[Alternative]:
    """Yield choices for narrow and wide layers at once; the CSV file tells them apart."""
    table = import_module(_KERNELS + "convolution")._CHOICES
    yield Alternative("convolve", "convolution", "as it is")
    for depth, warps, stages in product((16, 32, 64), (4, 8), (1, 2, 3, 4)):
        both = tuple(
            replace(one, depth=depth, warps=warps, stages=stages) for one in table[precision]
        )
        name = f"depth {depth}, warps {warps}, stages {stages}"
        values = (("_CHOICES", {**table, precision: both}),)
        yield Alternative("convolve", "convolution", name, values)


def _sums() -> Iterator[Alternative]:
    yield Alternative("combine", "combination", "as it is")
    for elements, warps in product((512, 1024, 2048, 4096), (2, 4, 8)):
        values = (("_ELEMENTS", elements), ("_WARPS", warps))
        yield Alternative("combine", "combination", f"elements {elements}, warps {warps}", values)


def _products() -> Iterator[Alternative]:
    """Yield choices for batches of whole tiles, as they are timed here."""
    chosen = import_module(_KERNELS + "products")._WIDE
    yield Alternative("multiply", "products", "as it is")
    for units, warps, stages in product((64, 128, 256), (4, 8), (1, 3)):
        values = (("_WIDE", replace(chosen, units=units, warps=warps, stages=stages)),)
        name = f"units {units}, warps {warps}, stages {stages}"
        yield Alternative("multiply", "products", name, values)


def compile_alternative(alternative: Alternative, groups: Groups) -> None:
    """Compile what an alternative needs; Triton keeps it on disk."""
    with alternative.applied():
        compile_kernels(groups.case, groups.proxies, groups.precision)


def tune(bench: Bench) -> None:
    """Time every alternative for every launch of one group."""
    bench.record.head(facts_of(bench.device))
    precisions = PRECISIONS[:1] if bench.interpret else ("tf32x3", "tf32")
    rows: list[tuple[object, ...]] = []
    for precision in precisions:
        groups = Groups(bench.scale.case, NASWOT, bench.scale.largest, bench.device, precision)
        tried = alternatives(precision)
        if bench.interpret:  # the present choice and one other of each kind
            tried = [one for kind in _kinds(tried) for one in _of(tried, kind)[:2]]
        compiled = _compiled(bench, tried, groups)
        launches = _launches(bench, groups)
        for kind in _kinds(compiled):
            rows += _table(bench, precision, _of(compiled, kind), launches[kind])
    bench.record.table(
        "tuning", ["precision", "kind", "choice", "geometry", "rows", "milliseconds"], rows
    )


def _kinds(tried: list[Alternative]) -> list[str]:
    return list(dict.fromkeys(one.kind for one in tried))


def _of(tried: list[Alternative], kind: str) -> list[Alternative]:
    return [one for one in tried if one.kind == kind]


def _compiled(bench: Bench, tried: list[Alternative], groups: Groups) -> list[Alternative]:
    """Compile alternatives in processes; return those that compile and fit."""
    if bench.interpret:
        return tried
    sound = []
    with processes() as pool:
        futures = {pool.submit(compile_alternative, one, groups): one for one in tried}
        for future in as_completed(futures):
            one, error = futures[future], future.exception()
            if error is None:
                sound.append(one)
            else:
                progress(f"{one.kind}, {one.name}: {type(error).__name__}: {error}"[:200])
    return [one for one in tried if one in sound]


def _launches(bench: Bench, groups: Groups) -> dict[str, list[Timed]]:
    """Run a group and return its launches by kind, each to be run again."""
    plans = groups.plans(groups.case.sample(groups.largest, "bench-kernels"))
    groups.results(plans[:1])  # compiles, so that the next launches are the group's alone
    with launches_timed(bench.device, repeatable=True) as found:
        groups.results(plans[:1])
    kinds: dict[str, list[Timed]] = defaultdict(list)
    for launch in found:
        kinds[launch.name].append(launch)
    return kinds


def _table(
    bench: Bench, precision: Precision, tried: list[Alternative], launches: list[Timed]
) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for one in tried:
        if bench.left < _RESERVE:
            progress(f"{one.kind}, {one.name}: no time left; see --seconds")
            continue
        total = 0.0
        with one.applied():
            for launch in launches:
                seconds = _seconds(launch.again, bench.device)
                total += seconds
                words = (precision, one.kind, one.name, described(launch))
                rows.append((*words, len(launch.table), 1e3 * seconds))
        each = 1e3 * total / bench.scale.largest
        bench.record.add(precision, f"{one.kind}, {one.name}", each, "ms/arch")
    return rows


def _seconds(work: Callable[[], Any], device: torch.device) -> float:
    """Return the least seconds of some work, the first time not counted."""
    if device.type != "cuda":
        return timed(work, device)[0]
    work()
    events = [torch.cuda.Event(enable_timing=True) for _ in range(_REPETITIONS + 1)]
    events[0].record()
    for event in events[1:]:
        work()
        event.record()
    torch.cuda.synchronize()
    return min(one.elapsed_time(other) for one, other in pairwise(events)) / 1e3
