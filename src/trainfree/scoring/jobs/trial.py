"""Trying a proxy on a few small networks, without images, files or a workflow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from trainfree.drawing import Initialization
from trainfree.outside.extensions import load_files
from trainfree.proxies import load_proxy
from trainfree.randomness import stream
from trainfree.scoring.architectures.architecture import Architecture
from trainfree.scoring.architectures.attempts import attempt, attempt_contained
from trainfree.scoring.candidate import CheckedCandidate
from trainfree.scoring.clock import PhaseClock
from trainfree.scoring.status import Status
from trainfree.spaces import describes_networks, load_space

SIZE, CLASSES = 8, 10
SPACE, MINI = "nasbench201_mini", (0, 121, 364, 500, 728)


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
    architectures: Sequence[int] | None = None,
    batch_size: int = 8,
    seed: int = 0,
    *,
    space: str = SPACE,
    space_file: Path | None = None,
    image_size: int = SIZE,
) -> list[Trial]:
    """Score a few small networks on Gaussian images with random labels.

    The weights are those that the proxy declares, PyTorch's without any.

    Parameters
    ----------
    name
        Name of the proxy.
    file
        Its file, for a proxy outside the suite.
    architectures
        Indices in the space; five of it without any. The first of ``nasbench201_mini``, which has
        729, has no path from input to output.
    space, space_file
        Another space, and its file for one outside the suite.
    image_size
        Height and width of the images.

    Raises
    ------
    ConfigError
        When a file cannot be loaded or there is no such proxy or space.
    ModelError
        When a torch module of the space cannot be scored.
    """
    load_files(path for path in (file, space_file) if path is not None)
    proxy, chosen = load_proxy(name), load_space(space)
    judged = attempt if describes_networks(chosen) else attempt_contained
    if architectures is None:
        architectures = MINI if space == SPACE else _spread(len(chosen))
    trials = []
    for arch in architectures:
        candidate = small_candidate(
            arch,
            batch_size,
            seed,
            space=space,
            image_size=image_size,
            weights=proxy.weights or "pytorch",
        )
        score, status, message, _ = judged(candidate, proxy, arch)
        trials.append(Trial(chosen.to_string(arch), score, status, message))
    return trials


def small_candidate(
    arch: int,
    batch_size: int = 8,
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
    *,
    space: str = SPACE,
    image_size: int = SIZE,
    weights: Initialization = "pytorch",
) -> CheckedCandidate:
    """Return a candidate of a space on Gaussian images with random labels."""
    rng = stream(seed, "trial")
    drawn = rng.standard_normal((batch_size, 3, image_size, image_size))
    images = torch.from_numpy(drawn).to(dtype).contiguous(memory_format=torch.channels_last)
    labels = torch.from_numpy(rng.integers(0, CLASSES, batch_size))
    architecture = Architecture(load_space(space), arch, image_size, CLASSES, seed, weights)
    return CheckedCandidate(architecture.backend(images, labels, PhaseClock()))


def _spread(size: int) -> list[int]:
    """Return five architectures of a space, or all of a smaller one."""
    found: list[int] = np.linspace(0, size - 1, min(size, len(MINI))).astype(int).tolist()
    return found
