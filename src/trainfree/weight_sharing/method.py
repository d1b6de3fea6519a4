"""What a method of weight sharing is: how it trains, what it would choose, what it validates."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from trainfree.spaces.nasbench201.space import CellSpace
from trainfree.weight_sharing.checkpoint import State
from trainfree.weight_sharing.feed import Clock, Feed, Meter
from trainfree.weight_sharing.pictures import Batch
from trainfree.weight_sharing.presets import AlphaSettings, MethodSettings
from trainfree.weight_sharing.supernet import Digits, SuperNetwork

ALPHA_SCALE = 1e-3
"""Deviation of the first numbers of operations, as in the scripts."""
BETA = 0.999
"""Adam's second beta."""
BLOCK = 4096


class Trained(NamedTuple):
    """What was seen on the way: of the weights' steps and of those of the architecture."""

    weights: Meter
    architecture: Meter


class Method(ABC):
    """One run of a method.

    Parameters
    ----------
    network
        The super-network, on its device.
    settings
        Of the method.
    space
        The space, of which the network has the operations.
    seed
        Of what the method itself begins with.
    """

    validated: ClassVar[str]

    def __init__(self, network: SuperNetwork, settings: Any, space: CellSpace, seed: int) -> None:
        self.network, self.settings, self.space = network, settings, space
        self.device = network.head.weight.device
        self.optimizer = torch.optim.SGD(
            network.parameters(),
            lr=settings.learning_rate,
            momentum=settings.momentum,
            weight_decay=settings.weight_decay,
            nesterov=settings.momentum > 0,
        )
        # Zeros, not None: an operation that was not chosen decays and keeps its momentum.
        for weight in network.parameters():
            weight.grad = torch.zeros_like(weight)
        self._begin(seed)

    @abstractmethod
    def _begin(self, seed: int) -> None:
        """Make what the method has beside the weights."""

    @abstractmethod
    def train(self, feed: Feed, clock: Clock) -> Trained:
        """Do the steps of an epoch."""

    @abstractmethod
    def choose(self, feed: Feed, *, last: bool = False) -> int:
        """Return the architecture that the method would answer, ``last`` after all epochs."""

    @abstractmethod
    def probabilities(self) -> NDArray[np.float64]:
        """Return (edges, operations) how likely each operation is chosen."""

    def validation_logits(self, images: Tensor, choice: int, generator: torch.Generator) -> Tensor:
        """Return what the method's script validates; here the choice."""
        return self.network.chosen(images, self.space.digits(choice))

    def begin_epoch(self, number: int) -> None:
        """Set what changes from epoch to epoch."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.settings, number)

    def state_dict(self) -> State:
        """Return all that a next epoch depends on."""
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }

    def load_state_dict(self, state: Any) -> None:
        """Take it back."""
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])

    def step_weights(self, logits: Tensor, batch: Batch, meter: Meter) -> None:
        """Take a step of the shared weights."""
        loss = F.cross_entropy(logits, batch.labels)
        self.optimizer.zero_grad(set_to_none=False)
        loss.backward()  # type: ignore[no-untyped-call]
        if self.settings.clip:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.clip)
        self.optimizer.step()
        meter.add(logits, batch.labels, loss.detach())

    def best_of(self, candidates: NDArray[np.int64], feed: Feed, *, augmented: bool = False) -> int:
        """Return the candidate that is right most often, each on the next batch of images.

        The first one among equals.
        """
        batches, best, most = feed.compared(augmented=augmented), -1, -1.0
        with self.network.evaluating():
            for arch in candidates.tolist():
                batch = next(batches)
                logits = self.network.chosen(batch.images, self.space.digits(arch))
                right = float((logits.argmax(dim=1) == batch.labels).float().mean())
                if right > most:
                    best, most = arch, right
        return best

    def random_digits(self, generator: torch.Generator) -> Digits:
        """Return an architecture drawn uniformly, each edge by itself."""
        count, edges = len(self.space.operations), self.space.edges
        drawn: list[int] = torch.randint(count, (edges,), generator=generator).tolist()
        return drawn


class AlphaMethod(Method):
    """A method that has a number for each operation on each edge; its choice are the largest."""

    settings: AlphaSettings

    def _begin(self, seed: int) -> None:
        shape = self.space.edges, len(self.space.operations)
        drawn = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
        self.alphas = nn.Parameter((ALPHA_SCALE * drawn).to(self.device))
        self.adam = torch.optim.Adam(
            [self.alphas],
            lr=self.settings.architecture_learning_rate,
            betas=(self.settings.architecture_beta, BETA),
            weight_decay=self.settings.architecture_weight_decay,
        )

    def mixed(self) -> Tensor:
        """Return the weights of the mixture, (edges, operations)."""
        return torch.softmax(self.alphas, dim=1)

    def step_architecture(self, gradient: Tensor) -> None:
        """Take a step of the numbers, the gradient being given."""
        self.alphas.grad = gradient
        self.adam.step()

    def descend(self, logits: Tensor, batch: Batch, meter: Meter) -> None:
        """Take a step of the numbers down the loss."""
        loss = F.cross_entropy(logits, batch.labels)
        (gradient,) = torch.autograd.grad(loss, [self.alphas])
        self.step_architecture(gradient)
        meter.add(logits, batch.labels, loss.detach())

    def choose(self, feed: Feed, *, last: bool = False) -> int:
        """Return the architecture of the largest number on each edge."""
        return self.space.index_of(self.alphas.detach().argmax(dim=1).tolist())

    def probabilities(self) -> NDArray[np.float64]:
        """Return the softmax of the numbers."""
        return torch.softmax(self.alphas.detach().double(), dim=1).cpu().numpy()

    def state_dict(self) -> State:
        """Return all that a next epoch depends on."""
        own = {"alphas": self.alphas.detach(), "adam": self.adam.state_dict()}
        return {**super().state_dict(), **own}

    def load_state_dict(self, state: Any) -> None:
        """Take it back."""
        super().load_state_dict(state)
        with torch.no_grad():
            self.alphas.copy_(state["alphas"])
        self.adam.load_state_dict(state["adam"])


def learning_rate(settings: MethodSettings, epoch: int) -> float:
    """Return the rate of an epoch, from 0: a cosine that the scripts do not cut off."""
    first, last = settings.learning_rate, settings.last_learning_rate
    turn = math.cos(math.pi * epoch / (settings.period or settings.epochs))
    return last + (first - last) * (1 + turn) / 2
