"""Speed: the group engine, what it is compared with, and what its time is spent on."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from on_gpu.bench import Bench
from on_gpu.cases import Case
from on_gpu.groups import GROUPABLE, NASWOT, THREE, FirstArrival, Groups, Scores
from on_gpu.launches import described, launches_timed, work_of
from on_gpu.ways import OneByOne, convolution_seconds, loaded, published_score, timed
from trainfree.proxies import PROXY_NAMES
from trainfree.spaces import load_space

TARGETS = {"naswot": 1.0, "naswot + naswot_official + synflow": 1.4}
"""Milliseconds an architecture that are wanted, at batch 128 and 32 x 32."""
SETS = {
    "naswot": NASWOT,
    "naswot + naswot_official + synflow": THREE,
    "all eight that groups know": GROUPABLE,
}
_TOPOLOGIES = 15_625


def engine(bench: Bench) -> None:
    """The group engine, as a scoring job runs it, and without what is around it."""
    scale = bench.scale
    for case in (scale.case, scale.small_case):
        for label, proxies in SETS.items():
            if not (scale.full or (case == scale.case and proxies == GROUPABLE)):
                continue
            groups = Groups(case, proxies, scale.largest, bench.device)
            _engine_of(bench, groups, label, case.sample(scale.engine))
    if scale.full:
        large, small = (
            bench.milliseconds[_named(case, "naswot")] for case in (scale.case, scale.small_case)
        )
        seconds = _TOPOLOGIES * (2 * large + small) / 1e3
        what = "naswot, 15,625 x 3 data sets, projected"
        bench.record.add("engine", what, seconds, "s", "wanted: 60")


def _engine_of(bench: Bench, groups: Groups, label: str, archs: Sequence[int]) -> None:
    name, each = _named(groups.case, label), 1e3 / len(archs)
    planning, plans = timed(lambda: groups.plans(archs), bench.device)
    bench.warm(groups, plans[:1])
    bench.forget_peak()
    device, results = timed(lambda: groups.results(plans), bench.device)
    peak = bench.peak
    arrival = FirstArrival(groups.planned(archs))
    groups.scores(arrival)
    scored = time.perf_counter() - arrival.at
    bench.milliseconds[name] = each * scored
    note = f"{len(archs)} architectures, batch {groups.case.images}"
    if groups.case == bench.scale.case and label in TARGETS:
        note += f"; wanted: {TARGETS[label]}"
    bench.record.add("engine", f"{name}: scored", each * scored, "ms/arch", note)
    phases: dict[str, float] = defaultdict(float)
    for result in results:
        for phase, seconds in result.seconds.items():
            phases[phase] += each * seconds
    shares = ", ".join(f"{phase} {phases[phase]:.3f}" for phase in sorted(phases))
    bench.record.add(
        "engine", "  of it, the GPU with plans at hand", each * device, "ms/arch", shares
    )
    bench.record.add("engine", "  planning, one process", each * planning, "ms/arch")
    if not bench.interpret:
        bench.record.add("engine", "  peak memory", peak, "GiB", f"groups of {groups.largest}")


def _named(case: Case, label: str) -> str:
    return f"{case.size} x {case.size}, {label}"


def one_by_one(bench: Bench) -> None:
    """Torch operations, one architecture after the other: the way without groups."""
    case = bench.scale.case
    way = OneByOne(case, bench.device)
    for label in TARGETS:
        _each(bench, "torch", label, partial(way.scores, proxies=loaded(SETS[label])))


def published(bench: Bench) -> None:
    """The published way on the same card."""
    case = bench.scale.case
    batch = case.batch(bench.device)
    _each(bench, "published", "naswot", partial(published_score, case, batch))
    ours = bench.milliseconds.get(_named(case, "naswot"))
    if ours:
        ratio = bench.milliseconds["published: naswot"] / ours
        bench.record.add("published", "published / engine, naswot", ratio, "x", "wanted: 130")


def _each(bench: Bench, part: str, label: str, score: Callable[[int], object]) -> None:
    archs = bench.scale.case.sample(bench.scale.others)
    for arch in archs[:2]:
        score(arch)
    each = np.array([timed(partial(score, arch), bench.device)[0] for arch in archs])
    bench.milliseconds[f"{part}: {label}"] = 1e3 * float(each.mean())
    note = f"median {1e3 * np.median(each):.4g}, {len(archs)} architectures"
    bench.record.add(part, f"{label}: scored", 1e3 * float(each.mean()), "ms/arch", note)


def convolutions(bench: Bench) -> None:
    """Convolutions of the same shapes alone: what torch needs for them at least."""
    case, archs = bench.scale.case, bench.scale.case.sample(bench.scale.others)
    for tf32 in (False, True):
        seconds = [convolution_seconds(case, arch, bench.device, tf32) for arch in archs]
        precision = "tf32" if tf32 else "float32"
        bench.record.add(
            *("convolutions", f"torch's, as one CUDA graph, {precision}"),
            *(1e3 * float(np.mean(seconds)), "ms/arch", f"{len(archs)} architectures"),
        )


def kernels(bench: Bench) -> None:
    """Time by kind of kernel and by launch, from events around each launch of one group."""
    case = bench.scale.case
    archs = case.sample(min(bench.scale.largest, bench.scale.engine), "bench-kernels")
    for precision in bench.precisions:
        groups = Groups(case, GROUPABLE, len(archs), bench.device, precision)
        plans = groups.plans(archs)
        bench.warm(groups, plans)
        with launches_timed(bench.device) as found:
            seconds, _ = timed(partial(groups.results, plans), bench.device)
        kinds: dict[str, list[float]] = defaultdict(list)
        rows = []
        for launch in found:
            moved, multiplied = work_of(launch)
            kinds[launch.name].append(launch.seconds)
            rate = 1 / launch.seconds if launch.seconds else float("nan")
            rows.append(
                (
                    *(launch.name, described(launch), len(launch.table)),
                    *(1e3 * launch.seconds, 1e3 * launch.host_seconds),
                    *(moved * rate / 1e9, 2 * multiplied * rate / 1e12),
                )
            )
        for kind, spent in sorted(kinds.items(), key=lambda pair: -sum(pair[1])):
            bench.record.add(
                *("kernels", f"{precision}, {kind}", 1e3 * sum(spent) / len(archs), "ms/arch"),
                f"{len(spent)} launches",
            )
        host = sum(launch.host_seconds for launch in found)
        bench.record.add(
            *("kernels", f"{precision}, the host's part of {len(found)} launches"),
            *(1e3 * host / len(archs), "ms/arch", f"group of {len(archs)}: {1e3 * seconds:.4g} ms"),
        )
        bench.record.table(
            f"launches_{precision}",
            ["kind", "geometry", "rows", "milliseconds", "host_milliseconds", "gb_per_s", "tflops"],
            rows,
        )


def sweeps(bench: Bench) -> None:
    """Batch sizes, group sizes and precisions, NASWOT alone."""
    scale = bench.scale
    archs = scale.case.sample(scale.swept)
    for precision in bench.precisions if scale.full else ():
        groups = Groups(scale.case, NASWOT, scale.largest, bench.device, precision)
        _swept(bench, groups, archs, f"precision {precision}")
    for size in scale.groups:
        groups = Groups(scale.case, NASWOT, size, bench.device)
        _swept(bench, groups, archs, f"groups of {size}")
    for images in scale.batches:
        case = Case(scale.case.space, scale.case.size, images)
        _swept(bench, Groups(case, NASWOT, scale.largest, bench.device), archs, f"batch {images}")


def _swept(bench: Bench, groups: Groups, archs: Sequence[int], label: str) -> None:
    plans = groups.plans(archs)
    bench.warm(groups, plans[:1])
    bench.forget_peak()
    seconds, _ = timed(partial(groups.results, plans), bench.device)
    most = max(len(plan.architectures) for plan in plans)
    note = f"{len(plans)} groups of at most {most}, peak memory {bench.peak:.2f} GiB"
    bench.record.add("sweeps", label, 1e3 * seconds / len(archs), "ms/arch", note)


def proxies(bench: Bench) -> None:
    """All proxies of the suite, one architecture after the other."""
    case = bench.scale.proxy_case
    way, every = OneByOne(case, bench.device), loaded(PROXY_NAMES)
    archs = case.sample(bench.scale.proxies, "bench-proxies")
    way.scores(load_space(case.space).warm_up_architecture, every)
    alone: dict[str, list[float]] = defaultdict(list)
    total = 0.0
    for arch in archs:
        seconds, found = timed(partial(way.scores, arch, every), bench.device)
        total += seconds
        for name, (_, own) in found.items():
            alone[name].append(1e3 * own)
    note = f"batch {case.images}, {len(archs)} architectures; wanted: 100"
    bench.record.add("proxies", f"all {len(every)}", 1e3 * total / len(archs), "ms/arch", note)
    each = {
        name: float(np.nanmean(spent)) for name, spent in alone.items() if not np.isnan(spent).all()
    }
    for name in sorted(each, key=lambda one: -each[one]):
        bench.record.add("proxies", f"  {name}, alone", each[name], "ms/arch")


def cells(bench: Bench) -> None:
    """NAS-Bench-101: cells of many widths, grouped by whatever they share."""
    case, count = bench.scale.cell_case, bench.scale.cells
    archs = case.sample(count, "bench-cells") if bench.scale.full else list(range(count))
    groups = Groups(case, THREE, count, bench.device)
    plans = groups.plans(archs)
    bench.warm(groups, plans)
    seconds, _ = timed(partial(groups.results, plans), bench.device)
    note = f"batch {case.images}, {count} cells, {len(plans)} groups"
    bench.record.add("nasbench101", "group engine", 1e3 * seconds / count, "ms/arch", note)
    if bench.interpret:
        return
    way, asked = OneByOne(case, bench.device), loaded(THREE)
    way.scores(archs[0], asked)
    seconds, _ = timed(lambda: [way.scores(arch, asked) for arch in archs], bench.device)
    bench.record.add("nasbench101", "torch, one by one", 1e3 * seconds / count, "ms/arch")


def whole(bench: Bench) -> None:
    """All topologies on images of the three data sets' sizes, measured."""
    if not bench.scale.full:
        return
    total = 0.0
    for name, case in (
        ("CIFAR-10", bench.scale.case),
        ("CIFAR-100", Case(bench.scale.case.space, 32, bench.scale.case.images, classes=100)),
        ("ImageNet16-120", bench.scale.small_case),
    ):
        groups = Groups(case, NASWOT, bench.scale.largest, bench.device)
        seconds, found = timed(partial(_scored, groups, range(_TOPOLOGIES)), bench.device)
        total += seconds
        note = f"{len(found):,} architectures, start of helpers included"
        bench.record.add("whole", f"naswot, images as {name}'s", seconds, "s", note)
    bench.record.add("whole", "naswot, all three", total, "s", "wanted: 60")


def sizes(bench: Bench) -> None:
    """NATS-Bench's size space: one topology, widths from 8 to 64 that need not be alike.

    Each pair of widths has kernels of its own, and the first pass compiles them.
    """
    case, count = bench.scale.size_case, bench.scale.sizes
    groups = Groups(case, NASWOT, bench.scale.largest, bench.device)
    planning, plans = timed(lambda: groups.plans(case.sample(count)), bench.device)
    turns = ("first, kernels compiled", "again")
    for turn in turns[:1] if bench.interpret else turns:
        seconds, _ = timed(partial(groups.results, plans), bench.device)
        note = f"{count} architectures, {len(plans)} groups, batch {case.images}"
        bench.record.add("sizes", f"naswot, {turn}", 1e3 * seconds / count, "ms/arch", note)
    bench.record.add("sizes", "  planning, one process", 1e3 * planning / count, "ms/arch")


def _scored(groups: Groups, archs: Sequence[int]) -> Scores:
    return groups.scores(groups.planned(archs))
