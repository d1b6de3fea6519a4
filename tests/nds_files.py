"""Small files of the official form of NDS, with networks drawn at random, for tests.

The form is what NNI's importer reads (microsoft/nni, nni/nas/benchmarks/nds/db_gen.py) and what the
paper's notebooks read (facebookresearch/nds). Parameters and operations are those of ours.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trainfree.spaces.nds.complexity import count, operations_of
from trainfree.spaces.nds.networks import read_network
from trainfree.spaces.nds.sweeps import SWEEPS, Sweep

EPOCHS = 3


def net_of(sweep: Sweep, rng: np.random.Generator, *, width: int = 4, depth: int = 4) -> Any:
    """Return the dictionary ``net`` of a random network of a file."""
    if sweep.parts[0].endswith("block"):
        return staged(sweep.parts[0], rng)
    nodes = 4 if "DARTS" in sweep.file else 5
    cells = {}
    for kind in ("normal", "reduce"):
        inputs = [int(rng.integers(2 + place // 2)) for place in range(2 * nodes)]
        names = rng.choice(sweep.parts, size=2 * nodes).tolist()
        cells[kind] = [list(edge) for edge in zip(names, inputs, strict=True)]
        loose = sorted(set(range(2, 2 + nodes)) - set(inputs))
        cells[f"{kind}_concat"] = loose
    return {"genotype": cells, "width": width, "depth": depth, "aux": False, "drop_prob": 0.0}


def staged(block: str, rng: np.random.Generator) -> Any:
    """Return a random network of stages."""
    ws, ds = [16, *rng.choice([8, 16, 24], size=3).tolist()], [1, *rng.integers(1, 3, size=3)]
    net: dict[str, Any] = {
        "block_type": block,
        "ds": [int(depth) for depth in ds],
        "ws": ws,
        "ss": [1, 1, 2, 2],
        "bot_muls": [],
        "num_gs": [],
    }
    if block == "res_bottleneck_block":
        net["bot_muls"] = [0.0, *rng.choice([0.25, 0.5, 1.0], size=3).tolist()]
        net["num_gs"] = [1, *rng.choice([1, 2], size=3).tolist()]
    return net


def entry_of(net: Any, sweep: Sweep, accuracy: float, seed: int = 1) -> dict[str, Any]:
    """Return an entry of the official form."""
    network = read_network(net)
    counts = count(network, sweep.classes, sweep.image_size, imagenet=sweep.imagenet)
    return {
        "job_id": seed,
        "net": net,
        "optim": {"base_lr": 0.1, "wd": 0.0005, "max_ep": EPOCHS},
        "rng_seed": 1,
        "train_ep_top1": [60.0, 30.0, 10.0],
        "train_ep_loss": [2.0, float("nan"), 0.5],
        "test_ep_top1": [80.0, 100.0 - accuracy - 0.5, 100.0 - accuracy],
        "params": counts.parameters,
        "flops": operations_of(counts, network),
        "iter_time": 0.05,
    }


def entries_of(space: str, number: int, seed: int = 0, **shape: int) -> list[dict[str, Any]]:
    """Return entries of a space; wider networks are better ones, with noise."""
    rng, sweep = np.random.default_rng(seed), SWEEPS[space]
    found = []
    for _ in range(number):
        net = net_of(sweep, rng, **shape)
        found.append(entry_of(net, sweep, float(np.round(rng.uniform(40, 95), 2))))
    return found


def write_file(folder: Path, space: str, entries: Sequence[Any], *, halves: bool = False) -> Path:
    """Write the official file of a space, as a list or as its two halves."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{SWEEPS[space].file}.json"
    middle = len(entries) // 2
    content = {"top": entries[:middle], "mid": entries[middle:]} if halves else entries
    path.write_text(json.dumps(content))
    return path
