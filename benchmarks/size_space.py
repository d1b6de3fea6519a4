"""NASWOT in NATS-Bench's size space: its cost, and its ranks beside scores that others computed.

    python benchmarks/size_space.py data/images/cifar10.h5 --mirror FOLDER

A seeded sample is scored in the papers' setting (batch 128, PyTorch's weights) by one thread; the
images are a file of the workflow. Processor seconds are told, which other work on the machine
changes less than those of the clock. The mirror's ``nats_sss/`` has accuracies, parameters and the
scores of another implementation, whose code and mini-batch nobody states: compare ranks only.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.stats import spearmanr

from trainfree.images.batches import load_mini_batch
from trainfree.proxies import load_proxy
from trainfree.randomness import stream
from trainfree.scoring.candidate import CheckedCandidate
from trainfree.scoring.clock import PhaseClock
from trainfree.scoring.cpu_engine.memory import keep_freed_memory
from trainfree.scoring.engine_backend import EngineBackend
from trainfree.scoring.weights import draw_weights
from trainfree.spaces import build_network, load_space

SPACE = load_space("nats_sss")
BATCH_SIZE, SIZE, CLASSES, SEED = 128, 32, 10, 0
OTHERS = ("naswot_c10", "ntkmineig_c10", "nasi_c10")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("images", type=Path, help="prepared CIFAR-10 images")
    parser.add_argument("--mirror", type=Path, required=True)
    parser.add_argument("--architectures", type=int, default=300)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    drawn = torch.from_numpy(load_mini_batch(arguments.images, BATCH_SIZE, SEED))
    batch = drawn.contiguous(memory_format=torch.channels_last)
    for arch in (0, len(SPACE) - 1):
        score(arch, batch)  # compiles
    chosen = stream(SEED, "size-space").choice(len(SPACE), arguments.architectures, replace=False)
    archs = sorted(int(arch) for arch in chosen)
    begin = time.process_time()
    scores = [score(arch, batch) for arch in archs]
    each = (time.process_time() - begin) / len(archs)
    minutes = each * len(SPACE) / 2 / 60
    print(f"{len(archs)} architectures: {each:.4f} processor seconds each; all of them on two free")
    print(f"cores: {minutes:.1f} min")
    for name, values in beside(arguments.mirror / "nats_sss", archs).items():
        print(f"Spearman of naswot and {name:16s} {spearmanr(scores, values)[0]:.3f}")


def score(arch: int, batch: torch.Tensor) -> float:
    backend = EngineBackend(
        lambda: build_network(SPACE, arch, SIZE, CLASSES),
        lambda network: draw_weights(network, "pytorch", stream(SEED, "weights", arch)),
        batch,
        PhaseClock(),
    )
    return float(CheckedCandidate(backend).score(load_proxy("naswot"))[0])  # type: ignore[arg-type]


def beside(folder: Path, archs: list[int]) -> dict[str, np.ndarray]:
    """Return accuracy, parameters and others' scores of architectures."""
    trained = pd.read_csv(folder / "nats_sss_90ep.csv.gz").set_index("index").loc[archs]
    others = pd.read_csv(folder / "nats_sss_scores_monet.csv.gz").set_index("index").loc[archs]
    columns = {name: trained[name] for name in ("c10_test_90", "params_c10")}
    columns |= {name: others[name] for name in OTHERS}
    return {name: values.to_numpy() for name, values in columns.items()}


if __name__ == "__main__":
    main()
