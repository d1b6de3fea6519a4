"""How far a small change of a Gaussian input moves the last feature map (Zen score)."""

from __future__ import annotations

from math import inf, log

import numpy as np
import torch
from torch import Tensor

from trainfree.scoring.autodiff.forward import BATCH_NORM_EPSILON, ForwardPass, Parameters, record
from trainfree.scoring.quantities.formulas import MIX, MOMENTUM
from trainfree.spaces.network import GlobalAvgPool, Network


@torch.no_grad()
def log_expansion(
    network: Network, parameters: Parameters, batch: Tensor, rng: np.random.Generator
) -> float:
    """Return the Zen score; −inf where the input does not reach the last feature map.

    Parameters
    ----------
    parameters
        Standard normal weights.
    batch
        Gives shape, type and device; its images are not used.
    rng
        Draws the two inputs, standard normal.
    """
    shape = tuple(batch.shape)
    image, change = (
        torch.from_numpy(rng.standard_normal(shape, dtype=np.float32))
        .to(batch)
        .contiguous(memory_format=torch.channels_last)
        for _ in range(2)
    )
    before = record(network, parameters, image)
    after = record(network, parameters, image + MIX * change)
    (pool,) = (node for node in network.nodes if isinstance(node, GlobalAvgPool))
    difference = before.values[pool.source] - after.values[pool.source]
    moved = float(difference.abs().sum(dtype=torch.float64)) / len(batch)
    return log(moved) + _log_deviations(before, after) if moved > 0 else -inf


def _log_deviations(before: ForwardPass, after: ForwardPass) -> float:
    """Return Σ ln √(mean running variance), each one averaged in from 1 over the two passes."""
    total = 0.0
    for number, node in enumerate(before.network.nodes):
        if number not in before.statistics:
            continue
        (source,) = node.sources
        count = len(before.logits) * np.prod(before.network.shapes[source][1:])
        running = 1.0
        for forward in (before, after):
            inverse = forward.statistics[number].inverse_deviation.to(torch.float64)
            variance = (float((inverse**-2).mean()) - BATCH_NORM_EPSILON) * count / (count - 1)
            running = (1 - MOMENTUM) * running + MOMENTUM * variance
        total += 0.5 * log(running)
    return total
