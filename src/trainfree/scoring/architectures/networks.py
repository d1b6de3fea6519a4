"""Architectures that are networks as data, by the engine: one of the two ways."""

from __future__ import annotations

from torch import Tensor, nn

from trainfree.scoring.architectures.architecture import Architecture
from trainfree.scoring.clock import PhaseClock
from trainfree.scoring.engine_backend import EngineBackend
from trainfree.scoring.network_module import space_module
from trainfree.scoring.trainable import TrainableNetwork
from trainfree.scoring.weights import Weights, draw_weights
from trainfree.spaces import build_network
from trainfree.spaces.network import Network


def backend(
    architecture: Architecture, batch: Tensor, labels: Tensor, clock: PhaseClock
) -> EngineBackend:
    """Return what computes an architecture's quantities on a mini-batch, channels last."""
    return EngineBackend(
        build=lambda: _network(architecture),
        draw=lambda network: _weights(architecture, network),
        batch=batch,
        clock=clock,
        labels=labels,
        initialization=architecture.initialization,
        stream=architecture.stream,
    )


def trainable(architecture: Architecture, batch: Tensor) -> TrainableNetwork:
    """Return an architecture as what can be trained, on the device and in the type of a batch."""
    network = _network(architecture)
    return TrainableNetwork(network, _weights(architecture, network)).to(batch)


def module(architecture: Architecture) -> nn.Module:
    """Return an architecture as a plain torch module with the weights that are scored."""
    return space_module(
        architecture.space,
        architecture.index,
        architecture.image_size,
        architecture.classes,
        architecture.seed,
        architecture.initialization,
    )


def _network(architecture: Architecture) -> Network:
    size, classes = architecture.image_size, architecture.classes
    return build_network(architecture.space, architecture.index, size, classes)


def _weights(architecture: Architecture, network: Network) -> Weights:
    return draw_weights(network, architecture.initialization, architecture.stream("weights"))
