"""Such passes over a network as data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from trainfree.proxies.own_passes import Kind, Layer
from trainfree.scoring.autodiff.forward import (
    BATCH_NORM_EPSILON,
    ForwardPass,
    Parameters,
    last_readers,
    node_output,
)
from trainfree.scoring.cpu_engine.executors import float_products
from trainfree.scoring.quantities.own_passes.circle import circle_axes, extrinsic_curvature
from trainfree.scoring.quantities.own_passes.masking import MaskedCodes, Masks, layer_normalised
from trainfree.scoring.quantities.patterns import distinct_units
from trainfree.scoring.quantities.relu_kernel import KernelSum
from trainfree.spaces.network import (
    AvgPool,
    BatchNorm,
    Conv,
    Linear,
    MaxPool,
    Network,
    Node,
    Relu,
)

T = TypeVar("T")
_KINDS: dict[type[Node], Kind] = {
    Conv: "product",
    Linear: "product",
    BatchNorm: "normalisation",
    Relu: "activation",
    AvgPool: "pooling",
    MaxPool: "pooling",
}


@torch.no_grad()
def over_layers(
    network: Network, parameters: Parameters, batch: Tensor, function: Callable[[Layer], T]
) -> list[T]:
    """Return ``function`` of each layer of a pass in train mode; see ``Candidate.over_layers``."""
    found = []

    def note(number: int, values: Mapping[int, Tensor]) -> None:
        node = network.nodes[number]
        if (kind := _KINDS.get(type(node))) is None:
            return
        read = values[node.sources[0]] if kind == "product" else None
        modules = node.modules if isinstance(node, Relu) else 1
        found.append(function(Layer(kind, _positions(values[number]), read, modules)))

    _run(network, parameters, batch, note, _of_batch)
    return found


def first_features(forward: ForwardPass) -> list[Tensor]:
    """Return the first image's (channels, positions) in each layer, once for each module."""
    found = []
    for number, node in enumerate(forward.network.nodes):
        if type(node) in _KINDS:
            times = node.modules if isinstance(node, Relu) else 1
            found += times * [_positions(forward.first[number])[0]]
    return found


@torch.no_grad()
def masked_codes(
    network: Network, parameters: Parameters, batch: Tensor, rng: np.random.Generator
) -> MaskedCodes:
    """Return the codes of a pass with masked convolutions and layer normalisation.

    Raises
    ------
    UndefinedScoreError
        When there is no convolution or no ReLU.
    """
    masks, kernel, codes = Masks(rng), KernelSum(len(batch)), []

    def note(number: int, values: Mapping[int, Tensor]) -> None:
        node = network.nodes[number]
        if isinstance(node, Relu):
            code = (values[number] > 0).permute(0, 2, 3, 1).flatten(1)
            products = float_products(code).to(torch.int64).cpu().numpy()
            kernel.add(node.modules, products, code.shape[1])
            codes.append(code)

    def rescale(number: int, x: Tensor) -> Tensor:
        return layer_normalised(x, BATCH_NORM_EPSILON)

    _run(network, parameters, batch, note, rescale, masks)
    masks.require()
    return MaskedCodes(kernel.matrix(), distinct_units(codes))


def output_curvature(
    network: Network, parameters: Parameters, batch: Tensor, rng: np.random.Generator
) -> float:
    """Return the curvature of the logits along a random circle of inputs."""

    def outputs(x: Tensor) -> Tensor:
        values: dict[int, Tensor] = {}
        image = x.view(1, *batch.shape[1:])
        for number in range(len(network.nodes)):
            values[number] = node_output(network, number, values, image, parameters, _plainly)
        return values[network.output]

    return extrinsic_curvature(outputs, circle_axes(batch[0].numel(), rng), batch)


def _run(
    network: Network,
    parameters: Parameters,
    batch: Tensor,
    note: Callable[[int, Mapping[int, Tensor]], None],
    normalise: Callable[[int, Tensor], Tensor],
    before_convolution: Callable[[Tensor], Tensor] | None = None,
) -> None:
    """Compute node by node, let ``note`` see each, and drop what nobody reads any more."""
    values: dict[int, Tensor] = {}
    readers = last_readers(network)
    for number, node in enumerate(network.nodes):
        read: Mapping[int, Tensor] = values
        if before_convolution is not None and isinstance(node, Conv):
            read = {node.source: before_convolution(values[node.source])}
        values[number] = node_output(network, number, read, batch, parameters, normalise)
        note(number, values)
        for source in {*node.sources, number}:
            if readers.get(source, number) == number:
                del values[source]


def _of_batch(number: int, x: Tensor) -> Tensor:
    return torch.native_batch_norm(x, None, None, None, None, True, 0.0, BATCH_NORM_EPSILON)[0]


def _plainly(number: int, x: Tensor) -> Tensor:
    """Normalise by the batch in steps that can be differentiated again and again."""
    centred = x - x.mean(dim=(0, 2, 3), keepdim=True)
    variance = (centred * centred).mean(dim=(0, 2, 3), keepdim=True)
    normalised: Tensor = centred * torch.rsqrt(variance + BATCH_NORM_EPSILON)
    return normalised


def _positions(output: Tensor) -> Tensor:
    """Return an output as (B, channels, positions)."""
    return output.flatten(2) if output.dim() > 2 else output[:, :, None]
