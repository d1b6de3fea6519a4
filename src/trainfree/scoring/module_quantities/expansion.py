"""How far a small change of a Gaussian input moves the last feature map (Zen score)."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf, log
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from trainfree.proxies.registry import UndefinedScoreError
from trainfree.scoring.modules.conditions import OfBatch, conditions
from trainfree.scoring.modules.dataflow import Label
from trainfree.scoring.modules.inputs import (
    Inputs,
    batch_size,
    call,
    is_continuous,
    mapped,
    tensors,
)
from trainfree.scoring.modules.observer import Observer
from trainfree.scoring.modules.structure import Structure
from trainfree.scoring.quantities.formulas import MIX, MOMENTUM


class _LastMap(Observer):
    def __init__(self, pool: Label) -> None:
        super().__init__()
        self._pool = pool
        self.map: Tensor | None = None

    def before_operation(self, label: Label, args: tuple[Any, ...]) -> None:
        """Keep what is pooled over all positions last."""
        if label == self._pool:
            self.map = args[0].clone()


@torch.no_grad()
def log_expansion(
    model: nn.Module,
    inputs: Inputs,
    structure: Structure,
    weights: np.random.Generator,
    rng: np.random.Generator,
) -> float:
    """Return the Zen score; −inf where the input does not reach the last feature map.

    Parameters
    ----------
    weights
        Draws the weights, standard normal; biases are zero.
    rng
        Draws the two inputs, standard normal.

    Raises
    ------
    UndefinedScoreError
        When there is no last feature map or no Gaussian input.
    """
    if not structure.reaches:
        raise UndefinedScoreError("the output does not depend on the input", score=-inf)
    if structure.pool is None:
        raise UndefinedScoreError("no pooling over all positions, so there is no last feature map")
    if not is_continuous(inputs):
        raise UndefinedScoreError("the inputs are integers, so there is no Gaussian input")
    drawn = normal_weights(model, structure, weights)
    image = mapped(inputs, lambda x: _normal(x, rng))
    change = mapped(inputs, lambda x: _normal(x, rng))
    changes = iter(tensors(change))
    moved = mapped(image, lambda x: x + MIX * next(changes))
    maps, statistics = [], []
    for given in (image, moved):
        normalise, last = OfBatch(), _LastMap(structure.pool)
        with conditions(normalise), last:
            call(model, given, drawn)
        assert last.map is not None
        maps.append(last.map)
        statistics.append(normalise)
    distance = float((maps[0] - maps[1]).abs().sum(dtype=torch.float64)) / batch_size(inputs)
    return log(distance) + _log_deviations(*statistics) if distance != 0 else -inf


def normal_weights(
    model: nn.Module, structure: Structure, rng: np.random.Generator
) -> Mapping[str, Tensor]:
    """Return the parameters with standard normal weights and biases of zero."""
    parameters = dict(model.named_parameters())
    drawn = {*structure.weights, *structure.biases}
    total = sum(x.numel() for name, x in parameters.items() if name in drawn)
    numbers = torch.from_numpy(rng.standard_normal(total, np.float32))
    found, start = {}, 0
    for name, x in parameters.items():
        found[name] = x.detach()
        if name in drawn:
            values = numbers[start : start + x.numel()].reshape(x.shape).to(x.detach())
            found[name] = torch.zeros_like(values) if name in structure.biases else values
            start += x.numel()
    return found


def _normal(x: Tensor, rng: np.random.Generator) -> Tensor:
    return torch.from_numpy(rng.standard_normal(tuple(x.shape), dtype=np.float32)).to(x)


def _log_deviations(before: OfBatch, after: OfBatch) -> float:
    """Return Σ ln √(mean running variance), each one averaged in from 1 over the two passes."""
    total = 0.0
    for number in before.seen:
        running = 1.0
        for statistics in (before.seen[number], after.seen[number]):
            count = statistics.count
            variance = float(statistics.variance.mean()) * count / (count - 1)
            running = (1 - MOMENTUM) * running + MOMENTUM * variance
        total += 0.5 * log(running)
    return total
