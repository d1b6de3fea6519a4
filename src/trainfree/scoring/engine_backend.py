"""The quantities of a network as data, by the engine's own passes over it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from trainfree.proxies.own_passes import Layer
from trainfree.proxies.registry import Key, UndefinedScoreError
from trainfree.scoring.autodiff.affine import affine_gradients
from trainfree.scoring.autodiff.backward import Gradients, backward
from trainfree.scoring.autodiff.forward import ForwardPass, Parameters, record
from trainfree.scoring.backend import (
    Backend,
    Counts,
    T,
    any_gradient,
    by_key,
    logit_gradient,
    named,
    no_gradient,
    refuse_zero,
)
from trainfree.scoring.clock import PhaseClock
from trainfree.scoring.network_module import module_of
from trainfree.scoring.placement import channels_last, to_cpu, to_device
from trainfree.scoring.quantities import blocks, patterns, response_correlations, synflow
from trainfree.scoring.quantities.channel_correlations import smallest_eigenvalues
from trainfree.scoring.quantities.fisher_information import (
    first_entry_fisher,
)
from trainfree.scoring.quantities.formulas import (
    REGION_REPEATS,
    REGION_SIZE,
    ascending_eigenvalues,
    distinct_rows,
    region_inputs,
)
from trainfree.scoring.quantities.hessian_product import gradient_curvature
from trainfree.scoring.quantities.own_passes import network as own_passes
from trainfree.scoring.quantities.own_passes.masking import MaskedCodes
from trainfree.scoring.quantities.per_image_gradients import ImageGradients, image_gradients
from trainfree.scoring.quantities.relu_kernel import ReluKernels, relu_kernels
from trainfree.scoring.quantities.synflow_bn import (
    flow_gradients,
    log_normalised_flow,
    normalisations,
    positive_weights,
)
from trainfree.scoring.quantities.zen import log_expansion
from trainfree.scoring.settings.initialization import Initialization
from trainfree.scoring.weights import Weights, draw_weights
from trainfree.spaces.network import BatchNorm, Conv, Linear, Network, Node


class _Passes(Backend):
    """The network, its tensors, and the passes that the quantities are computed from, each shared.

    Parameters are those of :class:`EngineBackend`.
    """

    def __init__(
        self,
        build: Callable[[], Network],
        draw: Callable[[Network], Weights],
        batch: Tensor,
        clock: PhaseClock,
        labels: Tensor | None = None,
        initialization: Initialization = "pytorch",
        stream: Callable[[str], np.random.Generator] | None = None,
    ) -> None:
        super().__init__(clock, labels, stream)
        self._build, self._draw, self._initialization = build, draw, initialization
        self.batch = batch

    @property
    def network(self) -> Network:
        """The network as data."""

        def build() -> Network:
            with self.clock.phase("build"):
                return self._build()

        return self.results.get("network", build)

    @property
    def parameters(self) -> Parameters:
        """Weights and biases on the device."""

        def draw() -> Parameters:
            network = self.network
            with self.clock.phase("build"):
                return self._as_parameters(self._draw(network))

        return self.results.get("weights", draw)

    @property
    def forward(self) -> ForwardPass:
        """The pass of the mini-batch, with what later passes read of it."""

        def run() -> ForwardPass:
            network, parameters = self.network, self.parameters
            with self.clock.phase("forward"):
                return record(network, parameters, self.batch, keep_first=True)

        return self.results.get("forward", run)

    @property
    def loss(self) -> Gradients:
        """Gradients of the mean cross-entropy."""
        gradients = self.once("loss gradients", lambda: _loss_of(self.forward, self.labels))
        if not self.once("a loss gradient", lambda: any_gradient(gradients.weight.values())):
            raise no_gradient()
        return gradients

    @property
    def per_image(self) -> ImageGradients:
        """What is made of the gradients of each image."""
        return self.once("per image", lambda: image_gradients(self.forward, self.labels))

    @property
    def kernels(self) -> ReluKernels:
        """K in both ways of counting."""

        def run() -> ReluKernels:
            return relu_kernels(self.network, self.parameters.weight, self.batch, self.clock)

        # Not as "other": the kernels keep seconds of passes and of products apart themselves.
        return self.results.get("kernels", run)

    @property
    def counts(self) -> Counts:
        """What can be counted of the network."""

        def count() -> Counts:
            network = self.network
            tensors = [
                1 if isinstance(node, Conv) else 2 for node in network.nodes if _learns(node)
            ]
            classes = network.shapes[-1][0]
            return Counts(network.params, network.flops, network.relu_units, sum(tensors), classes)

        return self.results.get("counts", count)

    @property
    def has_blocks(self) -> bool:
        """Whether the space's builder marks where blocks end."""
        return len(self.network.blocks) >= 2

    def module(self) -> nn.Module:
        """Return a new torch module of the network with its weights."""
        return module_of(self.network, self.parameters)

    @property
    def images(self) -> Tensor:
        """The mini-batch, (B, 3, height, width)."""
        return self.batch

    @property
    def logits(self) -> Tensor:
        """Outputs of the network, (B, classes)."""
        return self.forward.logits

    @property
    def weights(self) -> Mapping[Key, Tensor]:
        """Weights by node number."""
        return by_key(self.parameters.weight)

    @property
    def biases(self) -> Mapping[Key, Tensor]:
        """Biases of linear layers by node number."""
        return by_key(self.parameters.bias)

    @property
    def outputs(self) -> Mapping[Key, Tensor]:
        """Outputs by node number."""
        return by_key(self.forward.values)

    @property
    def loss_gradients(self) -> Mapping[Key, Tensor]:
        """Gradients of the mean cross-entropy by node number."""
        return by_key(self.loss.weight)

    @property
    def output_gradients(self) -> Mapping[Key, Tensor]:
        """Gradients of the mean cross-entropy with respect to outputs, by node number."""
        return by_key(self.loss.output)

    @property
    def attention_weights(self) -> frozenset[Key]:
        """No node multiplies one map by another."""
        return frozenset()

    def gradients_of(self, loss: Callable[[Tensor], Tensor]) -> Mapping[Key, Tensor]:
        """Return the gradients of a loss of the logits by node number."""
        forward = self.forward
        cotangent = logit_gradient(loss, forward.logits)
        found = backward(forward, {forward.network.output: cotangent}, "weights").weight
        refuse_zero(found.values())
        return by_key(found)

    def _drawn_for(
        self, network: Network, initialization: Initialization, purpose: str
    ) -> Parameters:
        """Draw the weights of a network of a proxy's own."""
        with self.clock.phase("build"):
            drawn = draw_weights(network, initialization, self.stream(purpose))
            return self._as_parameters(drawn)

    def _as_parameters(self, drawn: Weights) -> Parameters:
        arrays = [*drawn.weight.values(), *drawn.bias.values()]
        tensors, count = channels_last(to_device(arrays, self.batch)), len(drawn.weight)
        return Parameters(
            dict(zip(drawn.weight, tensors[:count], strict=True)),
            dict(zip(drawn.bias, tensors[count:], strict=True)),
        )


class EngineBackend(_Passes):
    """Computes from a network as data; see :class:`~trainfree.scoring.backend.Backend`.

    Parameters
    ----------
    build
        Returns the network of the architecture.
    draw
        Returns the weights of a network.
    batch
        Mini-batch on the device, (B, 3, height, width) float32 or float64, channels last.
    clock, labels, stream
        As for every backend.
    initialization
        How the weights of derived networks are drawn.
    """

    def layer_features(self) -> Mapping[Key, Tensor]:
        """Return outputs of convolutions and linear layers, (B, channels, positions)."""
        values = self.forward.values
        maps = {number: values[number] for number in self.parameters.weight}
        return by_key({n: x.flatten(2) if x.dim() > 2 else x[:, :, None] for n, x in maps.items()})

    def parameter_gradients(self) -> Mapping[Key, Tensor]:
        """Return the gradients of the mean cross-entropy by parameter."""
        loss = self.loss
        return {**by_key(loss.weight), **named(affine_gradients(self.forward, loss))}

    def flow_gradients(self) -> Mapping[Key, Tensor]:
        """Return ∂R/∂|θ| by node number, without batch normalisation."""
        return by_key(flow_gradients(self.network, self._positive, ()))

    def channel_gradients(self) -> Mapping[Key, Tensor]:
        """Return Σ over positions of output times its gradient, (B, channels) by node number."""
        values, gradients = self.forward.values, self.loss
        found: dict[Key, Tensor] = {}
        for number in gradients.weight:
            response = values[number] * gradients.output[number]
            found[number] = response.sum(dim=(2, 3)) if response.dim() == 4 else response
        return found

    def relu_kernel(self) -> NDArray[np.float64]:
        """Return K with each ReLU module counted once, (B, B)."""
        return self.kernels.per_module

    def relu_kernel_official(self) -> NDArray[np.float64]:
        """Return K as the published code counts, (B, B)."""
        return self.kernels.official

    def distinct_unit_patterns(self) -> int:
        """Count the different patterns of a unit over the images."""
        return patterns.distinct_unit_patterns(self.forward)

    def smallest_correlation_eigenvalues(self) -> float:
        """Return Σ over layers of λ_min of the channels' correlations."""
        return smallest_eigenvalues(self.forward)

    def masked_codes(self) -> MaskedCodes:
        """Return the codes of NCD's pass."""
        rng = self.stream("proxy/ncd")
        return own_passes.masked_codes(self.network, self.parameters, self.batch, rng)

    def first_features(self) -> Sequence[Tensor]:
        """Return the first image's (channels, positions) in each layer."""
        return own_passes.first_features(self.forward)

    def over_layers(self, function: Callable[[Layer], T]) -> list[T]:
        """Run the mini-batch and return ``function`` of each layer."""
        return own_passes.over_layers(self.network, self.parameters, self.batch, function)

    def output_curvature(self) -> float:
        """Return the curvature of the outputs along a random circle of inputs."""
        rng = self.stream("proxy/output curvature")
        return own_passes.output_curvature(self.network, self.parameters, self.batch, rng)

    def block_entropies(self) -> NDArray[np.float64]:
        """Return the entropy of stem and blocks, (blocks + 1,)."""
        return blocks.block_entropies(self.forward)

    def half_gradients(self) -> Sequence[Mapping[Key, Tensor]]:
        """Return the gradients of the loss of each half of the mini-batch."""
        middle = len(self.labels) // 2
        if not middle:
            raise UndefinedScoreError("a mini-batch of one image has no halves")
        halves: list[Mapping[Key, Tensor]] = []
        for part in (slice(None, middle), slice(middle, 2 * middle)):
            forward = record(self.network, self.parameters, self.batch[part])
            halves.append(by_key(_loss_of(forward, self.labels[part]).weight))
        refuse_zero(gradient for half in halves for gradient in half.values())
        return halves

    def gradient_curvature(self) -> float:
        """Return gᵀ H w."""
        return gradient_curvature(self.forward, self.loss)

    def weighted_response_kernel(self) -> NDArray[np.float64]:
        """Return the summed correlations of responses and their gradients, (B, B)."""
        return response_correlations.weighted_response_kernel(self.forward, self.loss)

    def input_jacobian(self) -> NDArray[np.float64]:
        """Return ∂ Σ logits / ∂ images, (B, D); UndefinedScoreError where it is zero."""
        forward = self.forward
        ones = {forward.network.output: torch.ones_like(forward.logits)}
        jacobian = backward(forward, ones, "input").output.get(0)
        rows = None if jacobian is None else jacobian.flatten(1).cpu().to(torch.float64).numpy()
        if rows is None or not rows.any():
            raise UndefinedScoreError("the output does not depend on the input", score=-np.inf)
        return rows

    def block_trainabilities(self) -> NDArray[np.float64]:
        """Return how blocks pass random gradients back, (blocks,)."""
        return blocks.block_trainabilities(self.forward, self.stream("proxy/az_trainability"))

    def tangent_kernel(self) -> NDArray[np.float64]:
        """Return the neural tangent kernel, (B, B)."""
        return self.per_image.tangent_kernel

    def gradient_sign_agreement(self) -> float:
        """Return Σ |Σ sign(∂ loss / ∂ w)|, 0 where no weight has a gradient."""
        return self.per_image.sign_agreement

    def fisher_eigenvalues(self) -> NDArray[np.float64]:
        """Return the eigenvalues of the first entries' Fisher information, ascending."""
        return ascending_eigenvalues(first_entry_fisher(self.forward))

    def linear_regions(self) -> float:
        """Return the mean number of codes of small pieces of images in the thinned network."""
        network = patterns.thin(self.network, REGION_SIZE)
        rng, weights = (self.stream(f"proxy/linear_regions{of}") for of in ("", " weights"))
        (pixels,), codes = to_cpu([self.batch]), []
        for _ in range(REGION_REPEATS):
            parameters = self._as_parameters(draw_weights(network, self._initialization, weights))
            for pieces in region_inputs(pixels, rng):
                images = channels_last(to_device([pieces.numpy()], self.batch))[0]
                codes.append(patterns.open_units(record(network, parameters, images)))
        bits = np.packbits(torch.stack(to_cpu(codes)).numpy(), axis=2)
        return float(
            np.mean([distinct_rows(np.concatenate(r)) for r in np.split(bits, REGION_REPEATS)])
        )

    def log_gaussian_expansion(self) -> float:
        """Return the Zen score."""
        parameters = self._drawn_for(self.network, "normal", "proxy/zen weights")
        return log_expansion(self.network, parameters, self.batch, self.stream("proxy/zen"))

    def log_synaptic_flow(self) -> float:
        """Return ln Σ |θ ⊙ ∂R/∂θ| without batch normalisation."""
        network, weights = self.network, self.parameters.weight
        on_cpu = to_cpu(list(weights.values()))
        arrays = {number: one.numpy() for number, one in zip(weights, on_cpu, strict=True)}
        return synflow.log_synaptic_flow(network, arrays)

    def log_flow_normalised(self, reductions_only: bool) -> float:
        """Return it with batch normalisation, all of it or that of blocks with a stride."""
        network = self.network
        stay = normalisations(network, reductions_only)
        return log_normalised_flow(network, self._positive, stay)

    @property
    def _positive(self) -> Parameters:
        return self.results.get("positive weights", lambda: positive_weights(self.parameters))


def _loss_of(forward: ForwardPass, labels: Tensor) -> Gradients:
    """Return the gradients of the mean cross-entropy."""
    probability = torch.softmax(forward.logits, dim=1)
    truth = F.one_hot(labels, forward.logits.shape[1])
    return backward(
        forward, {forward.network.output: (probability - truth) / len(labels)}, "weights"
    )


def _learns(node: Node) -> bool:
    return isinstance(node, Conv | BatchNorm | Linear)
