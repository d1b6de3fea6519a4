"""How an architecture of a space is computed: by the engine, or as the torch module that it is.

Each of the two ways is a module with the functions of :class:`Way`, imported by name when it is
used: what one of them rests on is no part of the other's code, so an edit of the engine touches no
scores of modules, and the other way round.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from trainfree.randomness import stream
from trainfree.scoring.backend import Backend
from trainfree.scoring.clock import PhaseClock
from trainfree.scoring.settings.initialization import Initialization
from trainfree.scoring.settings.setting import way_of
from trainfree.spaces import describes_networks
from trainfree.spaces.protocol import Space


class Trainable(nn.Module):
    """What learns and can be scored at any time: takes images and returns logits, (B, classes)."""

    def relu_kernel(self, batch: Tensor) -> NDArray[np.float64]:
        """Return K_H of the weights as they are, each activation counted once, (B, B)."""
        raise NotImplementedError


@dataclass(frozen=True)
class Architecture:
    """One architecture of a space, with what decides its shape and its weights.

    Attributes
    ----------
    index
        In the space.
    image_size, classes
        Of the images and their labels.
    seed
        Root seed of the weights and of whatever else is drawn for it.
    initialization
        How the weights are drawn.
    """

    space: Space
    index: int
    image_size: int
    classes: int
    seed: int
    initialization: Initialization

    @property
    def is_described(self) -> bool:
        """Whether it is a network as data; otherwise it is a torch module of others."""
        return describes_networks(self.space)

    @property
    def called(self) -> str:
        """What it is called in messages."""
        text = self.space.to_string(self.index)
        return f"the space {self.space.name}, architecture {self.index} ({text})"

    def stream(self, purpose: str) -> np.random.Generator:
        """Return its own random numbers for ``purpose``."""
        return stream(self.seed, purpose, self.index)

    def backend(self, batch: Tensor, labels: Tensor, clock: PhaseClock) -> Backend:
        """Return what computes its quantities on a mini-batch.

        Raises
        ------
        ModelError
            When the torch module that a space of others makes of it cannot be scored.
        MemoryError
            When there is not enough memory for that module.
        ConfigError
            When a space of others fails at describing its network.
        """
        return self._way.backend(self, batch, labels, clock)

    def trainable(self, batch: Tensor) -> Trainable:
        """Return it as what can be trained, where ``batch`` lies; errors as of ``backend``."""
        return self._way.trainable(self, batch)

    def module(self) -> nn.Module:
        """Return it as a plain torch module with the weights that are scored; on the CPU."""
        return self._way.module(self)

    @property
    def _way(self) -> Way:
        return cast(Way, importlib.import_module(way_of(self.space)))


class Way(Protocol):
    """One of the two ways, a module."""

    def backend(
        self, architecture: Architecture, batch: Tensor, labels: Tensor, clock: PhaseClock
    ) -> Backend:
        """Return what computes an architecture's quantities on a mini-batch."""

    def trainable(self, architecture: Architecture, batch: Tensor) -> Trainable:
        """Return an architecture as what can be trained."""

    def module(self, architecture: Architecture) -> nn.Module:
        """Return an architecture as a plain torch module."""
