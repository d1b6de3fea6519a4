"""Trying a proxy on a few small networks, without images, files or a workflow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from trainfree.outside.extensions import load_files
from trainfree.proxies import load_proxy
from trainfree.randomness import stream
from trainfree.scoring.candidate import CheckedCandidate
from trainfree.scoring.clock import PhaseClock
from trainfree.scoring.engine_backend import EngineBackend
from trainfree.scoring.jobs.shard import attempt
from trainfree.scoring.status import Status
from trainfree.scoring.weights import draw_weights
from trainfree.spaces import build_network, load_space

SIZE, CLASSES = 8, 10
SPACE = "nasbench201_mini"


@dataclass(frozen=True)
class Trial:
    """What a proxy said of one architecture: score as stored (higher is better), or why not."""

    architecture: str
    score: float
    status: Status
    message: str


def try_proxy(
    name: str,
    file: Path | None = None,
    architectures: Sequence[int] = (0, 121, 364, 500, 728),
    batch_size: int = 8,
    seed: int = 0,
) -> list[Trial]:
    """Score a few small networks on Gaussian images with random labels.

    Parameters
    ----------
    name
        Name of the proxy.
    file
        Its file, for a proxy outside the suite.
    architectures
        Indices in the space ``nasbench201_mini`` of 729 architectures, whose first has no
        path from input to output.

    Raises
    ------
    ConfigError
        When the file cannot be loaded or the proxy does not exist.
    """
    if file is not None:
        load_files([file])
    proxy = load_proxy(name)
    trials = []
    for arch in architectures:
        candidate = small_candidate(arch, batch_size, seed)
        score, status, message, _ = attempt(candidate, proxy, arch)
        trials.append(Trial(load_space(SPACE).to_string(arch), score, status, message))
    return trials


def small_candidate(
    arch: int, batch_size: int = 8, seed: int = 0, dtype: torch.dtype = torch.float32
) -> CheckedCandidate:
    """Return a candidate of the small space on Gaussian images with random labels."""
    space, rng = load_space(SPACE), stream(seed, "trial")
    images = torch.from_numpy(rng.standard_normal((batch_size, 3, SIZE, SIZE))).to(dtype)
    backend = EngineBackend(
        lambda: build_network(space, arch, SIZE, CLASSES),
        lambda network: draw_weights(network, "pytorch", stream(seed, "weights", arch)),
        images.contiguous(memory_format=torch.channels_last),
        PhaseClock(),
        labels=torch.from_numpy(rng.integers(0, CLASSES, batch_size)),
        stream=lambda purpose: stream(seed, purpose, arch),
    )
    return CheckedCandidate(backend)
