"""Speed of the scoring engine, in one run and as ratios: ``make bench``.

Two processes of one thread each share the architectures. For each one, the reference (hooked
modules, two forward passes and a backward pass, both products), the engine and its convolutions
alone are timed one after the other, so that the machine's mood cancels in the ratios.
"""

from __future__ import annotations

import argparse
import csv
import multiprocessing
import resource
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import matplotlib as mpl
import numpy as np
import reference
import torch
from scipy.stats import spearmanr
from torch.nn import functional as F

from trainfree.proxies import load_proxy
from trainfree.randomness import stream
from trainfree.scoring.candidate import CheckedCandidate
from trainfree.scoring.clock import PHASES, PhaseClock
from trainfree.scoring.cpu_engine.memory import keep_freed_memory
from trainfree.scoring.cpu_engine.plan import ConvStep, make_plan
from trainfree.scoring.engine_backend import EngineBackend
from trainfree.scoring.quantities.log_determinant import log_abs_determinant
from trainfree.scoring.quantities.relu_kernel import relu_kernels
from trainfree.scoring.quantities.synflow import log_synaptic_flow
from trainfree.scoring.weights import draw_weights
from trainfree.spaces import build_network, load_space

SPACE = load_space("nasbench201")
SIZE, CLASSES, SEED = 32, 10, 0
BATCH_SIZES = (32, 64, 128, 256)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--architectures", type=int, default=100)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--output", type=Path, default=Path("results/bench"))
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    chosen = stream(SEED, "bench").choice(len(SPACE), arguments.architectures, replace=False)
    archs = [int(arch) for arch in chosen]
    pairs = spread(compare, archs, arguments.batch_size, processes=2)
    metrics = comparison(pairs)
    for processes in (1, 2):
        rows = spread(score_all, archs[:40], arguments.batch_size, processes)
        seconds = float(np.mean([row["seconds"] for row in rows]))
        metrics[f"architectures_per_second_{processes}_processes"] = processes / seconds
    metrics["peak_memory_mb"] = max(row["peak_memory_mb"] for row in rows)
    sizes = {size: batch_cost(archs[:20], size) for size in BATCH_SIZES}
    write(arguments.output / "engine.csv", ["metric", "value"], metrics.items())
    write_phases(arguments.output / "phases.csv", pairs)
    write(
        arguments.output / "batch_size.csv",
        ["batch_size", "milliseconds", "of_which_kernel", "kernel_share"],
        [
            (size, 1e3 * total, 1e3 * kernel, kernel / total)
            for size, (total, kernel) in sizes.items()
        ],
    )
    draw(arguments.output / "engine.svg", pairs)
    for name, value in metrics.items():
        print(f"{name:40s} {value:10.4g}")


Row = dict[str, float]


def compare(archs: list[int], batch_size: int) -> list[Row]:
    """Time reference, engine and bare convolutions, and both ways to synaptic flow."""
    batch = prepare(batch_size)
    warm(batch)
    return [compare_one(arch, batch) for arch in archs]


def compare_one(arch: int, batch: torch.Tensor) -> Row:
    row: Row = {"arch": arch}
    row["reference"], theirs = timed(lambda: reference_score(arch, batch))
    clock = PhaseClock()
    row["engine"], ours = timed(lambda: engine_score(arch, batch, clock))
    row.update({f"phase_{name}": clock.seconds[name] for name in PHASES})
    row["convolutions"] = bare_convolutions(arch, batch)
    row["score"], row["reference_score"] = ours, theirs
    row["difference"] = 0.0 if ours == theirs else abs(ours - theirs)
    row["synflow"], flow = timed(lambda: engine_flow(arch))
    row["synflow_reference"], naive = timed(lambda: reference_flow(arch))
    row["synflow_difference"] = 0.0 if flow == naive else abs(flow - naive)
    return row


def prepare(batch_size: int) -> torch.Tensor:
    torch.set_num_threads(1)
    keep_freed_memory()
    noise = stream(SEED, "bench-batch").standard_normal((batch_size, 3, SIZE, SIZE), np.float32)
    return torch.from_numpy(noise).contiguous(memory_format=torch.channels_last)


def warm(batch: torch.Tensor) -> None:
    for arch in (len(SPACE) - 1, len(SPACE) // 2, 7_000):
        engine_score(arch, batch, PhaseClock())
        bare_convolutions(arch, batch)


def timed(work: Callable[[], float]) -> tuple[float, float]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def module_of(arch: int) -> reference.TinyNetwork:
    """Build the reference with the engine's weights; the copy is cheap beside everything else."""
    network = build_network(SPACE, arch, SIZE, CLASSES)
    drawn = draw_weights(network, "pytorch", stream(SEED, "weights", arch)).weight
    module = reference.TinyNetwork(SPACE.operation_names(arch), 16, 5, CLASSES)
    with torch.no_grad():
        layers = reference.weighted_in_order(module)
        for layer, (number, _) in zip(layers, network.weighted(), strict=True):
            layer.weight.copy_(torch.from_numpy(drawn[number]))
    return module


def reference_score(arch: int, batch: torch.Tensor) -> float:
    kernel = reference.published_kernel(module_of(arch), batch.contiguous())
    return log_abs_determinant(kernel)


def engine_score(arch: int, batch: torch.Tensor, clock: PhaseClock) -> float:
    backend = EngineBackend(
        lambda: build_network(SPACE, arch, SIZE, CLASSES),
        lambda network: draw_weights(network, "pytorch", stream(SEED, "weights", arch)),
        batch,
        clock,
    )
    score, _ = CheckedCandidate(backend).score(load_proxy("naswot_official"))
    return float(score)  # type: ignore[arg-type]


def bare_convolutions(arch: int, batch: torch.Tensor) -> float:
    """Seconds of the engine's convolutions called alone, with the same shapes and layout."""
    network = build_network(SPACE, arch, SIZE, CLASSES)
    drawn = draw_weights(network, "pytorch", stream(SEED, "weights", arch)).weight
    maps: dict[tuple[int, ...], torch.Tensor] = {}
    seconds = 0.0
    with torch.inference_mode():
        for step in make_plan(network).steps:
            if not isinstance(step, ConvStep):
                continue
            shape = (len(batch), *network.shapes[step.source])
            if shape not in maps:
                maps[shape] = torch.rand(shape).contiguous(memory_format=torch.channels_last)
            weight = torch.from_numpy(drawn[step.number])
            weight = weight.contiguous(memory_format=torch.channels_last)
            start = time.perf_counter()
            F.conv2d(maps[shape], weight, stride=step.node.stride, padding=step.node.padding)
            seconds += time.perf_counter() - start
    return seconds


def engine_flow(arch: int) -> float:
    network = build_network(SPACE, arch, SIZE, CLASSES)
    drawn = draw_weights(network, "pytorch", stream(SEED, "weights", arch)).weight
    return log_synaptic_flow(network, drawn)


def reference_flow(arch: int) -> float:
    return reference.log_synaptic_flow(module_of(arch), SIZE)


def score_all(archs: list[int], batch_size: int) -> list[Row]:
    """Score with the engine only; rows hold seconds in all and of the kernel."""
    batch = prepare(batch_size)
    warm(batch)
    rows = []
    for arch in archs:
        network = build_network(SPACE, arch, SIZE, CLASSES)
        drawn = draw_weights(network, "pytorch", stream(SEED, "weights", arch)).weight
        weights = {
            number: torch.from_numpy(weight).contiguous(memory_format=torch.channels_last)
            for number, weight in drawn.items()
            if weight.ndim == 4
        }
        clock = PhaseClock()
        start = time.perf_counter()
        relu_kernels(network, weights, batch, clock)
        seconds = time.perf_counter() - start
        rows.append({"seconds": seconds, "kernel": clock.seconds["kernel"]})
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return [{**row, "peak_memory_mb": peak} for row in rows]


def batch_cost(archs: list[int], batch_size: int) -> tuple[float, float]:
    rows = score_all(archs, batch_size)
    return float(np.mean([r["seconds"] for r in rows])), float(np.mean([r["kernel"] for r in rows]))


def spread(
    work: Callable[[list[int], int], list[Row]], archs: list[int], batch_size: int, processes: int
) -> list[Row]:
    """Run ``work`` on equal parts of ``archs`` in processes of their own."""
    parts = [archs[start::processes] for start in range(processes)]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        return [row for rows in pool.map(work, parts, [batch_size] * processes) for row in rows]


def comparison(pairs: list[Row]) -> dict[str, float]:
    column = {name: np.array([row[name] for row in pairs]) for name in pairs[0]}
    return {
        "architectures": len(pairs),
        "ratio_median": float(np.median(column["reference"] / column["engine"])),
        "ratio_total": float(column["reference"].sum() / column["engine"].sum()),
        "over_bare_convolutions": float(column["engine"].sum() / column["convolutions"].sum()),
        "reference_over_bare_convolutions": float(
            column["reference"].sum() / column["convolutions"].sum()
        ),
        "engine_seconds": float(column["engine"].mean()),
        "reference_seconds": float(column["reference"].mean()),
        "largest_score_difference": float(column["difference"].max()),
        "rank_correlation": float(spearmanr(column["score"], column["reference_score"])[0]),
        "singular": int(np.isinf(column["score"]).sum()),
        "singular_in_both": int(
            (np.isinf(column["score"]) & np.isinf(column["reference_score"])).sum()
        ),
        "synflow_ratio_median": float(np.median(column["synflow_reference"] / column["synflow"])),
        "synflow_ratio_total": float(column["synflow_reference"].sum() / column["synflow"].sum()),
        "synflow_largest_difference": float(column["synflow_difference"].max()),
    }


def write(path: Path, header: list[str], rows: object) -> None:
    with path.open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(header)
        writer.writerows(rows)  # type: ignore[arg-type]


def write_phases(path: Path, pairs: list[Row]) -> None:
    total = sum(row["engine"] for row in pairs)
    known = {name: sum(row[f"phase_{name}"] for row in pairs) for name in PHASES[:-1]}
    known["other"] = total - sum(known[name] for name in PHASES[:-2])
    convolutions = sum(row["convolutions"] for row in pairs)
    rows = [(name, 1e3 * value / len(pairs), value / total) for name, value in known.items()]
    rows.append(("convolutions alone", 1e3 * convolutions / len(pairs), convolutions / total))
    write(path, ["phase", "milliseconds", "share"], rows)


def draw(path: Path, pairs: list[Row]) -> None:
    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "trainfree"
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 3.4), layout="constrained")
    axes = figure.subplots()
    floor = np.array([1e3 * row["convolutions"] for row in pairs])
    for name, colour in (("reference", "#0072b2"), ("engine", "#d55e00")):
        axes.scatter(floor, [1e3 * row[name] for row in pairs], s=10, c=colour, label=name)
    axes.plot(np.sort(floor), np.sort(floor), c="0.4", lw=1, label="convolutions alone")
    axes.set(xscale="log", yscale="log", xlabel="convolutions alone (ms)", ylabel="NASWOT (ms)")
    axes.legend(frameon=False)
    figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    sys.exit(main())
