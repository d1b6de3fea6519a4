"""Such passes over a network as data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from trainfree.proxies.own_passes import Kind, Layer
from trainfree.proxies.registry import UndefinedScoreError
from trainfree.scoring.autodiff.forward import (
    BATCH_NORM_EPSILON,
    ForwardPass,
    Parameters,
    last_readers,
    node_output,
)
from trainfree.scoring.cpu_engine.executors import float_products
from trainfree.scoring.placement import channels_last, to_device
from trainfree.scoring.quantities.own_passes.circle import circle_axes, extrinsic_curvature
from trainfree.scoring.quantities.own_passes.masking import (
    MaskedCodes,
    drawn_mask,
    layer_normalised,
    nothing_masked,
)
from trainfree.scoring.quantities.patterns import distinct_units
from trainfree.scoring.quantities.relu_kernel import kernel_of
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
    convolutions = [n for n, node in enumerate(network.nodes) if isinstance(node, Conv)]
    if not convolutions:
        raise nothing_masked()
    read = [network.shapes[network.nodes[number].sources[0]] for number in convolutions]
    drawn = [drawn_mask((1, *shape), rng) for shape in read]
    masks = dict(zip(convolutions, channels_last(to_device(drawn, batch)), strict=True))
    codes: list[Tensor] = []
    modules: list[int] = []

    def note(number: int, values: Mapping[int, Tensor]) -> None:
        node = network.nodes[number]
        if isinstance(node, Relu):
            codes.append((values[number] > 0).permute(0, 2, 3, 1).flatten(1))
            modules.append(node.modules)

    def rescale(number: int, x: Tensor) -> Tensor:
        return layer_normalised(x, BATCH_NORM_EPSILON)

    _run(network, parameters, batch, note, rescale, masks)
    if not codes:
        raise UndefinedScoreError("the network has no ReLU")
    weighted = (times * float_products(c) for times, c in zip(modules, codes, strict=True))
    products = torch.stack(list(weighted)).sum(0).to(torch.int64).cpu().numpy()
    units = sum(times * c.shape[1] for times, c in zip(modules, codes, strict=True))
    return MaskedCodes(kernel_of(products, units), distinct_units(codes))


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
    masks: Mapping[int, Tensor] | None = None,
) -> None:
    """Compute node by node, let ``note`` see each, and drop what nobody reads any more."""
    values: dict[int, Tensor] = {}
    readers = last_readers(network)
    for number, node in enumerate(network.nodes):
        read: Mapping[int, Tensor] = values
        if masks is not None and isinstance(node, Conv):
            read = {node.source: values[node.source] * masks[number]}
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
