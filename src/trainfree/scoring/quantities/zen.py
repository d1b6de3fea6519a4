"""How far a small change of a Gaussian input moves the last feature map (Zen score)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from math import inf, log

import numpy as np
import torch
from torch import Tensor

from trainfree.scoring.autodiff.forward import BATCH_NORM_EPSILON, ForwardPass, Parameters, record
from trainfree.scoring.placement import channels_last, on_cpu, read_numbers, to_device
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
    drawn = [rng.standard_normal(shape, dtype=np.float32) for _ in range(2)]
    image, change = channels_last(to_device(drawn, batch))
    before = record(network, parameters, image)
    after = record(network, parameters, image + MIX * change)
    (pool,) = (node for node in network.nodes if isinstance(node, GlobalAvgPool))
    difference = before.values[pool.source] - after.values[pool.source]
    distance = difference.abs().sum(dtype=torch.float64)
    places, variances = _mean_variances(before, after)
    total, *read = read_numbers([distance, *variances])
    moved = total / len(batch)
    deviations = _log_deviations(before, dict(zip(places, read, strict=True)))
    return log(moved) + deviations if moved != 0 else -inf


def _mean_variances(
    before: ForwardPass, after: ForwardPass
) -> tuple[list[tuple[int, int]], list[Tensor]]:
    """Return the mean over channels of variance + ε, and of which normalisation and pass it is."""
    inverses = {
        (number, turn): statistics.inverse_deviation
        for turn, forward in enumerate((before, after))
        for number, statistics in forward.statistics.items()
    }
    if all(map(on_cpu, inverses.values())):
        return list(inverses), [(each.to(torch.float64) ** -2).mean() for each in inverses.values()]
    sizes: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for place, inverse in inverses.items():
        sizes[len(inverse)].append(place)
    together = [
        (torch.stack([inverses[place] for place in places]).to(torch.float64) ** -2).mean(dim=1)
        for places in sizes.values()
    ]
    return [place for places in sizes.values() for place in places], list(torch.cat(together))


def _log_deviations(forward: ForwardPass, variances: Mapping[tuple[int, int], float]) -> float:
    """Return Σ ln √(mean running variance), each one averaged in from 1 over the two passes."""
    total = 0.0
    for number in forward.statistics:
        (source,) = forward.network.nodes[number].sources
        count = len(forward.logits) * np.prod(forward.network.shapes[source][1:])
        running = 1.0
        for turn in range(2):
            variance = (variances[number, turn] - BATCH_NORM_EPSILON) * count / (count - 1)
            running = (1 - MOMENTUM) * running + MOMENTUM * variance
        total += 0.5 * log(running)
    return total
