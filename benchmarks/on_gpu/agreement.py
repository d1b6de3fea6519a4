"""Agreement with the CPU, and the same bits again."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from on_gpu.bench import Bench
from on_gpu.groups import THREE, Groups, Scores
from on_gpu.truth import WAYS, both, rank_correlation
from trainfree.scoring.gpu_engine.engine import ArchitectureResult

WANTED_NATS = 1e-3


def agreement(bench: Bench) -> None:
    """Scores against the CPU's in float32, kernels against the CPU's in float64."""
    archs, truth = bench.compared, bench.truth
    ours = {arch: truth[arch].scores() for arch in archs}
    exact = {arch: truth[arch].scores(exact=True) for arch in archs}
    away = np.stack([abs(truth[arch].single - truth[arch].exact) for arch in archs])
    _compare(bench, "CPU, float32 and float64", WAYS, exact, ours, away)
    for precision in bench.precisions:
        groups = Groups(bench.scale.case, THREE, bench.scale.largest, bench.device, precision)
        results = groups.results(groups.plans(archs))
        found = {result.architecture: groups.row(result) for result in results}
        away = np.stack([abs(_kernels(one) - truth[one.architecture].exact) for one in results])
        _compare(bench, precision, THREE, ours, found, away)
        again = sum(result.log_flow is None for result in results)
        what = f"{precision}, synflow: again on the CPU, beyond float64"
        bench.record.add("agreement", what, float(again), "archs")


def _compare(
    bench: Bench,
    label: str,
    proxies: tuple[str, ...],
    theirs: Scores,
    ours: Scores,
    away: NDArray[np.int64],
) -> None:
    for proxy in proxies:
        one, other = (
            np.array([scores[arch][proxy] for arch in theirs]) for scores in (theirs, ours)
        )
        finite = np.isfinite(one) & np.isfinite(other)
        most = float(np.abs(one[finite] - other[finite]).max(initial=0.0))
        same = "the same" if (np.isneginf(one) == np.isneginf(other)).all() else "NOT the same"
        note = f"rank correlation {rank_correlation(one, other):.6f}; -inf: {same} "
        note += f"{np.isneginf(one).sum()}; wanted: {WANTED_NATS}"
        bench.record.add("agreement", f"{label}, {proxy}: largest difference", most, "nats", note)
    what = f"{label}: entries of K that differ from float64's"
    note = f"largest difference {away.max()}"
    bench.record.add("agreement", what, 100 * float((away > 0).mean()), "%", note)


def _kernels(result: ArchitectureResult) -> NDArray[np.int64]:
    assert result.kernels is not None
    return both(result.kernels)


def repetition(bench: Bench) -> None:
    """The same bits twice, and whatever the group."""
    drawn = bench.scale.case.sample(bench.scale.repeated_archs, "bench-repeated")
    archs = [bench.compared[0], *drawn]
    wanted: dict[int, bytes] = {}
    for size in (bench.scale.largest, *bench.scale.repeated):
        some = archs if size > 1 else archs[:16]
        groups = Groups(bench.scale.case, THREE, size, bench.device)
        found = _bits(groups, some)
        wanted = wanted or found
        same = sum(found[arch] == wanted[arch] for arch in some)
        verdict = "the same bits" if same == len(some) else f"{len(some) - same} DIFFER"
        note = f"{len(some)} architectures, all against the first of these lines"
        bench.record.add("repetition", f"groups of {size}", verdict, "", note)


def _bits(groups: Groups, archs: list[int]) -> dict[int, bytes]:
    """Return K in both ways and the flow of each architecture, as bytes."""
    found = {}
    for result in groups.results(groups.plans(archs)):
        flow = np.float64(result.log_flow if result.log_flow is not None else np.nan)
        found[result.architecture] = _kernels(result).tobytes() + flow.tobytes()
    return found
