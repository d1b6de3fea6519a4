"""A network that learns: a torch module that executes the nodes of a network description."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from trainfree.scoring.architectures.architecture import Trainable
from trainfree.scoring.autodiff.forward import BATCH_NORM_EPSILON, Parameters, node_output
from trainfree.scoring.cpu_engine.executors import float_products, packed
from trainfree.scoring.cpu_engine.fused import code_products
from trainfree.scoring.placement import on_cpu
from trainfree.scoring.quantities.relu_kernel import KernelSum
from trainfree.scoring.weights import Weights
from trainfree.spaces.network import BatchNorm, Network, Relu


class TrainableNetwork(Trainable):
    """The network in train mode: batch normalisation uses the statistics of the batch alone.

    Parameters
    ----------
    network
        What to execute.
    weights
        Weights at initialisation; normalisations begin with scale one and shift zero.
    """

    def __init__(self, network: Network, weights: Weights) -> None:
        super().__init__()
        self._network = network
        self._weight = _parameters({n: torch.from_numpy(w) for n, w in weights.weight.items()})
        self._bias = _parameters({n: torch.from_numpy(b) for n, b in weights.bias.items()})
        channels = {
            number: network.shapes[number][0]
            for number, node in enumerate(network.nodes)
            if isinstance(node, BatchNorm)
        }
        self._scale = _parameters({n: torch.ones(count) for n, count in channels.items()})
        self._shift = _parameters({n: torch.zeros(count) for n, count in channels.items()})

    def forward(self, batch: Tensor) -> Tensor:
        """Return the logits of a batch, (B, classes)."""
        return self._outputs(batch)[self._network.output]

    @torch.no_grad()
    def relu_kernel(self, batch: Tensor) -> NDArray[np.float64]:
        """Return K_H with each ReLU module counted once, (B, B)."""
        values, total = self._outputs(batch), KernelSum(len(batch))
        for number, node in enumerate(self._network.nodes):
            if isinstance(node, Relu):
                code = values[number].permute(0, 2, 3, 1).flatten(1) > 0
                total.add(node.modules, _products(code), code.shape[1])
        return total.matrix()

    def _outputs(self, batch: Tensor) -> dict[int, Tensor]:
        parameters = Parameters(_by_number(self._weight), _by_number(self._bias))
        values: dict[int, Tensor] = {}
        for number in range(len(self._network.nodes)):
            values[number] = node_output(
                self._network, number, values, batch, parameters, self._normalise
            )
        return values

    def _normalise(self, number: int, x: Tensor) -> Tensor:
        scale, shift = self._scale[str(number)], self._shift[str(number)]
        return F.batch_norm(x, None, None, scale, shift, training=True, eps=BATCH_NORM_EPSILON)


def _products(code: Tensor) -> NDArray[np.int64]:
    if on_cpu(code):
        return code_products(packed(code.numpy()))
    products: NDArray[np.int64] = float_products(code).to(torch.int64).cpu().numpy()
    return products


def _parameters(values: dict[int, Tensor]) -> nn.ParameterDict:
    return nn.ParameterDict({str(n): nn.Parameter(value.clone()) for n, value in values.items()})


def _by_number(parameters: nn.ParameterDict) -> dict[int, Tensor]:
    return {int(name): value for name, value in parameters.items()}
