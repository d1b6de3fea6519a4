"""Speed and memory of scoring torch modules, as ratios: part of ``make bench``.

Speed, one thread, processor seconds, paired: NASWOT of a ResNet-18 against one bare forward pass,
and proxies together against the way of zero-cost-nas, a deep copy and passes of its own for each.
Memory: the largest resident set of a fresh process for each proxy of a ResNet-50, and for all.
"""

from __future__ import annotations

import argparse
import copy
import csv
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import torch
from measures import MEASURES
from real_models import torchvision_models
from torch import Tensor, nn
from torch.nn import functional as F

from trainfree.proxies import PROXY_NAMES, load_proxy
from trainfree.randomness import stream
from trainfree.scoring.candidate import CheckedCandidate
from trainfree.scoring.clock import PhaseClock
from trainfree.scoring.jobs.shard import attempt
from trainfree.scoring.modules.backend import ModuleBackend

SEED, CLASSES = 0, 10
SPEED = ("resnet18", (128, 3, 32, 32))
MEMORY = ("resnet50", (64, 3, 224, 224))
BARE = ("forward", "backward")
"""What a process does instead of a proxy, to compare with."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--part", choices=["speed", "memory"], action="append")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--proxies", nargs="+", default=PROXY_NAMES, help="for the memory")
    parser.add_argument("--model", default=MEMORY[0], help="for the memory")
    parser.add_argument("--shape", type=int, nargs=4, default=MEMORY[1], help="for the memory")
    parser.add_argument("--threads", type=int, default=2, help="for the memory")
    parser.add_argument("--output", type=Path, default=Path("results/bench"))
    parser.add_argument("--only", nargs="*", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    shape = tuple(arguments.shape)
    if arguments.only is not None:
        print(json.dumps(peak(arguments.model, shape, arguments.only, arguments.threads)))
        return
    arguments.output.mkdir(parents=True, exist_ok=True)
    parts = arguments.part or ["speed", "memory"]
    if "speed" in parts:
        metrics, seconds = speed(arguments.repeats)
        write(arguments.output / "modules.csv", ["metric", "value"], metrics.items())
        heads = ["proxy", "together", "alone", "plainly"]
        write(arguments.output / "modules_seconds.csv", heads, seconds)
    if "memory" in parts:
        rows = memory(arguments.model, shape, arguments.proxies, arguments.threads)
        heads = ["process", "peak_gb", "seconds", "outcome"]
        write(arguments.output / "modules_memory.csv", heads, rows)


# ---------------------------------------------------------------- what is scored


def setup(name: str, shape: Sequence[int]) -> tuple[nn.Module, Tensor, Tensor]:
    torch.manual_seed(SEED)
    model = getattr(torchvision_models(), name)(num_classes=CLASSES)
    return model, torch.randn(shape), torch.randint(CLASSES, shape[:1])


def candidate(model: nn.Module, images: Tensor, labels: Tensor) -> CheckedCandidate:
    clock, own = PhaseClock(), lambda purpose: stream(SEED, purpose, 0)
    return CheckedCandidate(ModuleBackend(copy.deepcopy(model), images, clock, labels, own))


# ---------------------------------------------------------------- speed


def speed(repeats: int) -> tuple[dict[str, float], list[tuple[object, ...]]]:
    torch.set_num_threads(1)
    model, images, labels = setup(*SPEED)

    def bare() -> None:
        with torch.no_grad():
            model.train()(images)

    def alone(name: str) -> Callable[[], object]:
        return lambda: attempt(candidate(model, images, labels), load_proxy(name), 0)

    def plainly(name: str) -> Callable[[], object]:
        if name not in MEASURES:
            return alone(name)
        return lambda: MEASURES[name](model, images, labels)

    def together(names: Iterable[str]) -> dict[str, float]:
        shared = candidate(model, images, labels)
        return {name: timed(partial(attempt, shared, load_proxy(name), 0)) for name in names}

    bare(), alone("naswot")()
    pairs = [(timed(bare), timed(alone("naswot"))) for _ in range(4 * repeats)]
    metrics = {"naswot / bare forward": median(ours / theirs for theirs, ours in pairs)}
    show(metrics)
    of_all, of_nine, rows = [], [], {name: [] for name in PROXY_NAMES}
    for _ in range(repeats):
        theirs = {name: timed(plainly(name)) for name in PROXY_NAMES}
        by_ours = {name: timed(alone(name)) for name in MEASURES}
        started = time.process_time()
        ours = together(PROXY_NAMES)
        of_all.append((time.process_time() - started) / sum(theirs.values()))
        nine = timed(lambda: together(MEASURES))
        of_nine.append(nine / sum(theirs[name] for name in MEASURES))
        for name in PROXY_NAMES:
            rows[name].append((ours[name], by_ours.get(name, theirs[name]), theirs[name]))
    metrics["all proxies / a copy and passes for each"] = median(of_all)
    metrics["those of zero-cost-nas / a copy and passes for each"] = median(of_nine)
    for name, value in differences(model, images, labels):
        metrics[f"{name}, relative difference"] = value
    show(metrics)
    seconds = [(name, *np.median(found, axis=0)) for name, found in rows.items()]
    for name, *found in sorted(seconds, key=lambda row: -row[1]):
        print(f"{name:24}" + "".join(f"{1e3 * value:9.0f} ms" for value in found))
    return metrics, seconds


def differences(model: nn.Module, images: Tensor, labels: Tensor) -> Iterable[tuple[str, float]]:
    """Yield how far the plain measures are from the suite's scores, relative."""
    shared = candidate(model, images, labels)
    for name, measure in MEASURES.items():
        expected = measure(model, images, labels)
        yield name, abs(attempt(shared, load_proxy(name), 0)[0] - expected) / abs(expected)


def timed(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


# ---------------------------------------------------------------- memory


def memory(
    model: str, shape: Sequence[int], proxies: Sequence[str], threads: int
) -> list[tuple[object, ...]]:
    rows = []
    for name in (*BARE, *proxies, "all"):
        wanted = list(proxies) if name == "all" else [name]
        options = ["--model", model, "--shape", *map(str, shape), "--threads", str(threads)]
        command = [sys.executable, __file__, *options, "--only", *wanted]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        found = {"peak_gb": float("nan"), "seconds": float("nan"), "outcome": f"{done.returncode}"}
        if done.returncode == 0:
            found = json.loads(done.stdout.splitlines()[-1])
        rows.append((name, found["peak_gb"], found["seconds"], found["outcome"]))
        print(f"{name:24}{found['peak_gb']:6.2f} GB{found['seconds']:8.1f} s  {found['outcome']}")
    return rows


def peak(model: str, shape: Sequence[int], names: Sequence[str], threads: int) -> dict[str, object]:
    """Score in this process and return its largest resident set, in 10⁹ bytes."""
    torch.set_num_threads(threads)
    network, images, labels = setup(model, shape)
    start, outcomes = time.perf_counter(), set()
    if names[0] in BARE:
        with torch.set_grad_enabled(names[0] == "backward"):
            loss = F.cross_entropy(network(images), labels)
            if loss.requires_grad:
                loss.backward()
    else:
        shared = candidate(network, images, labels)
        for name in names:
            score, status, message, _ = attempt(shared, load_proxy(name), 0)
            outcomes.add(f"{status.name} {message or score}" if len(names) == 1 else status.name)
    return {
        "seconds": time.perf_counter() - start,
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9,
        "outcome": ", ".join(sorted(outcomes)),
    }


# ---------------------------------------------------------------- files


def show(metrics: dict[str, float]) -> None:
    for name, value in metrics.items():
        print(f"{name}: {value:.3g}")


def write(path: Path, header: list[str], rows: Iterable[Iterable[object]]) -> None:
    with path.open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(header)
        writer.writerows(rows)


if __name__ == "__main__":
    sys.exit(main())
