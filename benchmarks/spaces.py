"""NASWOT in each space beside a plain hooked forward pass of its torch modules.

    python benchmarks/spaces.py

A seeded sample of each space on seeded noise, one thread, processor seconds, medians of paired
runs. *Bare* is one forward pass in train mode without gradients. *Hooked* is the same with a hook
on every ReLU that adds both matrix products of its code to K, in float32 as the published code has
it. *Scored* is a row of a scoring job: it builds the network, looks at what it executes, runs it
and takes the logarithm of the determinant; the others are handed a network that is built.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import reference
import torch
from torch import Tensor, nn

from trainfree.randomness import stream
from trainfree.scoring.architectures.architecture import Architecture
from trainfree.scoring.cpu_engine.memory import keep_freed_memory
from trainfree.scoring.jobs.shard import Scorer
from trainfree.scoring.settings.setting import Setting, scored_architectures
from trainfree.spaces import load_space

SEED, CLASSES = 0, 10
SPACES = {
    "nasbench201": 32,
    "nasbench101": 32,
    "nats_sss": 32,
    "darts": 32,
    "darts_small": 32,
    "transnas101_micro": 64,
    "transnas101_macro": 64,
}
"""Pixels a side of the images, by space."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--spaces", nargs="+", choices=SPACES, default=list(SPACES))
    parser.add_argument("--architectures", type=int, default=12)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--output", type=Path, default=Path("results/bench/spaces.csv"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    rows = []
    for name in arguments.spaces:
        rows.append((name, *seconds(name, arguments.architectures, arguments.batch_size)))
        bare, hooked, scored, ratio = rows[-1][1:]
        times = "".join(f"{1e3 * each:9.1f}" for each in (bare, hooked, scored))
        print(f"{name:20s}{times} ms   scored / hooked {ratio:.2f}", flush=True)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    with arguments.output.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["space", "bare", "hooked", "scored", "scored_by_hooked"])
        writer.writerows(rows)


def seconds(name: str, count: int, batch_size: int) -> tuple[float, float, float, float]:
    """Return processor seconds of the three ways, and the median ratio of the last two."""
    space, size = load_space(name), SPACES[name]
    setting = Setting(name, "cifar10", ("naswot",), batch_size, "pytorch", "images", SEED, count)
    archs = [int(arch) for arch in scored_architectures(setting, len(space))]
    noise = stream(SEED, "bench-spaces").standard_normal((batch_size, 3, size, size), np.float32)
    batch = torch.from_numpy(noise)
    labels = torch.arange(batch_size) % CLASSES
    last = batch.contiguous(memory_format=torch.channels_last)
    scorer = Scorer(setting, space, last, labels)
    scorer.warm_up()
    hooked_pass = partial(reference.relu_kernel, official=False, dtype=torch.float32)
    rows = []
    for arch in archs:
        network = Architecture(space, arch, size, CLASSES, SEED, "pytorch").module()
        rows.append(
            (
                timed(partial(bare_pass, network, batch)),
                timed(partial(hooked_pass, network, batch)),
                timed(partial(scorer.row, arch)),
            )
        )
    bare, hooked, scored = (median(column) for column in zip(*rows, strict=True))
    return bare, hooked, scored, median(row[2] / row[1] for row in rows)


def timed(run: Callable[[], object]) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start


@torch.no_grad()
def bare_pass(network: nn.Module, batch: Tensor) -> None:
    network.train()(batch)


if __name__ == "__main__":
    main()
