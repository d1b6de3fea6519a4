"""What trainings of shared weights and of networks alone have in common: rates, steps, accuracy."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainfree.weight_sharing.convolutional.auxiliary import WEIGHT
from trainfree.weight_sharing.convolutional.settings import Schedule
from trainfree.weight_sharing.convolutional.super_network import Logits


def rate_at(schedule: Schedule, epoch: int) -> float:
    """Return the learning rate of an epoch, from 0."""
    period, place = schedule.period, epoch
    while place >= period:
        place -= period
        period *= schedule.factor
    wave = 0.5 * (1.0 + math.cos(math.pi * place / period))
    return schedule.lowest + (schedule.highest - schedule.lowest) * wave


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of all parameters."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def dropout(
    rows: int, features: int, kept: float, generator: torch.Generator, like: Tensor
) -> Tensor | None:
    """Return factors of the features before a classifier, (rows, features); None for no dropout."""
    if kept >= 1.0:
        return None
    drawn = torch.rand(rows, features, generator=generator) < kept
    return drawn.to(like) / kept


def step(
    module: nn.Module, optimizer: torch.optim.Optimizer, said: Logits, labels: Tensor, clip: float
) -> tuple[float, int]:
    """Take one step; return the sum of the images' losses and the number right.

    The loss that is returned is that of the main classifier alone.
    """
    loss = F.cross_entropy(said.main, labels)
    whole = loss
    if said.auxiliary is not None:
        whole = loss + WEIGHT * F.cross_entropy(said.auxiliary, labels)
    optimizer.zero_grad(set_to_none=False)
    whole.backward()  # type: ignore[no-untyped-call]
    if clip > 0:
        nn.utils.clip_grad_norm_(module.parameters(), clip)
    optimizer.step()
    return float(loss.detach()) * len(labels), right(said.main, labels)


def right(logits: Tensor, labels: Tensor) -> int:
    """Return how many images are classified right."""
    return int((logits.detach().argmax(dim=1) == labels).sum())
