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
from measures import MEASURES, OF_ZERO_COST_NAS
from real_models import torchvision_models
from torch import Tensor, nn
from torch.nn import functional as F

from trainfree.proxies import PROXY_NAMES, load_proxy
from trainfree.randomness import stream
from trainfree.scoring.candidate import CheckedCandidate
from trainfree.scoring.clock import PhaseClock
from trainfree.scoring.jobs.shard import attempt
from trainfree.scoring.module_backend import ModuleBackend
from trainfree.scoring.status import Status

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
    """What proxies are handed; the model is one to keep, a copy."""
    clock, own = PhaseClock(), lambda purpose: stream(SEED, purpose, 0)
    return CheckedCandidate(ModuleBackend(model, images, clock, labels, own))


def scored(asked: CheckedCandidate, name: str) -> tuple[float, str]:
    """Score and status; what fails is not fast but wrong, and ends the benchmark."""
    score, status, message, _ = attempt(asked, load_proxy(name), 0)
    if status is Status.ERROR:
        raise RuntimeError(f"{name}: {message}")
    return score, f"{status.name} {message}".rstrip()


# ---------------------------------------------------------------- speed


def speed(repeats: int) -> tuple[dict[str, float], list[tuple[object, ...]]]:
    torch.set_num_threads(1)
    batch = setup(*SPEED)
    metrics = naswot(4 * repeats, *batch)
    show(metrics)
    of_all, of_theirs, rows = [], [], {name: [] for name in PROXY_NAMES}
    for _ in range(repeats):
        alone = {name: timed(partial(by_itself, name, *batch)) for name in PROXY_NAMES}
        plain = {name: timed(partial(MEASURES[name], *batch)) for name in MEASURES}
        theirs = {**alone, **plain}
        ours: dict[str, float] = {}
        of_all.append(timed(partial(together, PROXY_NAMES, ours, *batch)) / sum(theirs.values()))
        ours_of_theirs = timed(partial(together, OF_ZERO_COST_NAS, {}, *batch))
        of_theirs.append(ours_of_theirs / sum(plain[name] for name in OF_ZERO_COST_NAS))
        for name in PROXY_NAMES:
            rows[name].append((ours[name], alone[name], plain.get(name, float("nan"))))
    metrics["all proxies / a copy and passes for each"] = median(of_all)
    metrics["those of zero-cost-nas / a copy and passes for each"] = median(of_theirs)
    for name, value in differences(*batch):
        metrics[f"{name}, relative difference"] = value
    show(metrics)
    seconds = [(name, *np.median(found, axis=0)) for name, found in rows.items()]
    for name, *found in sorted(seconds, key=lambda row: -row[1]):
        print(f"{name:24}" + "".join(f"{1e3 * value:9.0f} ms" for value in found))
    return metrics, seconds


def naswot(repeats: int, model: nn.Module, images: Tensor, labels: Tensor) -> dict[str, float]:
    """NASWOT over one pass in train mode without gradients: of a copy, and with copying."""

    def bare() -> None:
        with torch.no_grad():
            model.train()(images)

    def of_a_copy() -> float:
        asked = candidate(copy.deepcopy(model), images, labels)
        return timed(lambda: scored(asked, "naswot"))

    by_itself("naswot", model, images, labels)
    rows = [
        (timed(bare), of_a_copy(), timed(partial(by_itself, "naswot", model, images, labels)))
        for _ in range(repeats)
    ]
    return {
        "naswot / bare forward": median(ours / pass_ for pass_, ours, _ in rows),
        "naswot and copying the model / bare forward": median(all_ / one for one, _, all_ in rows),
        "copying the model / bare forward": median((c - b) / a for a, b, c in rows),
    }


def by_itself(name: str, model: nn.Module, images: Tensor, labels: Tensor) -> None:
    scored(candidate(copy.deepcopy(model), images, labels), name)


def together(
    names: Iterable[str],
    seconds: dict[str, float],
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
) -> None:
    """Score with one candidate for all, and note what each has added."""
    shared = candidate(copy.deepcopy(model), images, labels)
    for name in names:
        seconds[name] = timed(partial(scored, shared, name))


def differences(model: nn.Module, images: Tensor, labels: Tensor) -> Iterable[tuple[str, float]]:
    """Yield how far the plain measures are from the suite's scores, relative."""
    shared = candidate(copy.deepcopy(model), images, labels)
    for name, measure in MEASURES.items():
        expected = measure(model, images, labels)
        yield name, abs(scored(shared, name)[0] - expected) / abs(expected)


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
        shared = candidate(copy.deepcopy(network), images, labels)
        for name in names:
            score, outcome = scored(shared, name)
            outcomes.add(f"{outcome} {score:.6g}" if len(names) == 1 else outcome)
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
