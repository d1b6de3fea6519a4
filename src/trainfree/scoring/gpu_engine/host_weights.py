"""Weights of a group, drawn on the host and copied to the device at once.

How many bits a normal number takes depends on the bits themselves, so that no lane of a device can
begin in the middle of a stream. Threads draw instead, a stream each.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from math import prod

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainfree.randomness import stream
from trainfree.scoring.gpu_kernels.launches import Table
from trainfree.scoring.settings.initialization import Initialization


def host_weights(
    draws: Table,
    architectures: Sequence[int] | NDArray[np.int64],
    seed: int,
    initialization: Initialization,
    elements: int,
    device: torch.device,
) -> Tensor:
    """Return the group's weights as :func:`~trainfree.scoring.weights.draw_weights` draws them.

    Parameters
    ----------
    draws
        A row for each layer, (rows, DRAW_FIELDS).
    architectures
        Indices in their space by place in the group, (G,).
    seed
        Root seed of the streams.
    initialization
        How weights are drawn.
    elements
        Size of the buffer.
    device
        Where the weights are wanted.

    Returns
    -------
    Tensor
        (elements,) float32, (kernel · kernel, out, in) of each layer; anything between layers.
        On a GPU the copy is in its queue, not done.
    """
    host = torch.empty(elements, dtype=torch.float32, pin_memory=device.type == "cuda")
    buffer = host.numpy()

    def draw(place: int) -> None:
        rows = draws[draws[:, 0] == place]
        if len(rows):
            rng = stream(seed, "weights", int(architectures[place]))
            _draw(rows, rng, initialization, buffer)

    with ThreadPoolExecutor(torch.get_num_threads()) as threads:
        for _ in threads.map(draw, range(len(architectures))):
            pass  # errors of threads come out here
    return host.to(device, non_blocking=True)


def _draw(
    rows: Table,
    rng: np.random.Generator,
    initialization: Initialization,
    buffer: NDArray[np.float32],
) -> None:
    """Draw the layers of one architecture; its stream is followed to the last number needed."""
    total = int((rows[:, 1] + rows[:, 3:6].prod(axis=1)).max())
    if initialization in ("pytorch", "xavier"):
        numbers = rng.random(total, dtype=np.float32)
        numbers *= 2
        numbers -= 1
    else:
        numbers = rng.standard_normal(total, np.float32)
    scales = rows[:, 6].astype(np.int32).view(np.float32)
    for (_, first, offset, *shape, _), scale in zip(rows.tolist(), scales, strict=True):
        size, taps = prod(shape), shape[2]
        made = buffer[offset : offset + size].reshape(taps, size // taps)
        np.multiply(numbers[first : first + size].reshape(-1, taps).T, scale, out=made)
