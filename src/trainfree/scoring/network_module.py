"""A network as data as a plain torch module."""

from __future__ import annotations

from torch import nn

from trainfree.scoring.autodiff.forward import Parameters
from trainfree.spaces.network import Network


def module_of(network: Network, parameters: Parameters) -> nn.Module:
    """Return the network as a trainable torch module with the given weights."""
    raise NotImplementedError
