"""What a proxy may ask of one architecture, and what it has to have declared for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from trainfree.errors import TrainfreeError
from trainfree.proxies.loss_gradients import LossGradients
from trainfree.proxies.own_passes import Layer
from trainfree.proxies.registry import NEEDS, Key, Need, Proxy, UndefinedScoreError
from trainfree.scoring.backend import Backend, T, no_gradient
from trainfree.scoring.copies import handed_out
from trainfree.scoring.placement import numbers_by_layer, to_cpu
from trainfree.scoring.quantities.log_determinant import log_abs_determinant
from trainfree.scoring.quantities.own_passes.masking import MaskedCodes
from trainfree.spaces.network import Network


class _Described:
    """What a candidate has besides quantities, and whether a proxy has declared what it asks for.

    Parameters
    ----------
    backend
        Computes what is asked for.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._allowed: frozenset[Need] = frozenset(NEEDS)
        self._asking = ""

    @property
    def params(self) -> int:
        """Number of learnable parameters."""
        return self._backend.counts.params

    @property
    def flops(self) -> int:
        """Multiply-adds for one image."""
        return self._backend.counts.flops

    @property
    def relu_units(self) -> int:
        """Number of ReLU units for one image."""
        return self._backend.counts.relu_units

    @property
    def parameter_tensors(self) -> int:
        """Number of parameter tensors."""
        return self._backend.counts.parameter_tensors

    @property
    def classes(self) -> int:
        """Number of logits of an image."""
        classes = self._backend.counts.classes
        if classes is None:
            raise UndefinedScoreError("the output is not a matrix of logits, so it has no classes")
        return classes

    @property
    def network(self) -> Network:
        """The network as data."""
        return self._backend.network

    @property
    def module(self) -> nn.Module:
        """A new torch module with these weights."""
        self._require("weights")
        return self._backend.module()

    @property
    def images(self) -> Any:
        """The mini-batch."""
        self._require("images")
        return self._backend.images

    @property
    def logits(self) -> Tensor:
        """Outputs of the network."""
        self._require("activations")
        return self._backend.logits

    @property
    def weights(self) -> Mapping[Key, Tensor]:
        """Weights by key."""
        self._require("weights")
        return self._backend.weights

    @property
    def biases(self) -> Mapping[Key, Tensor]:
        """Biases by key."""
        self._require("weights")
        return self._backend.biases

    def stream(self, purpose: str) -> np.random.Generator:
        """Return the architecture's own random numbers for ``purpose``."""
        self._require("random")
        return self._backend.stream(purpose)

    @property
    def labels(self) -> NDArray[np.int64]:
        """Class numbers, (B,)."""
        self._require("labels")
        given = self._backend.labels
        if given.dim() != 1 or given.is_floating_point():
            raise UndefinedScoreError("the labels are not one class number for each image")
        labels: NDArray[np.int64] = given.cpu().numpy()
        return labels

    @property
    def outputs(self) -> Mapping[Key, Tensor]:
        """Outputs of layers."""
        self._require("activations")
        return self._backend.outputs

    def _require(self, need: Need) -> None:
        if need not in self._allowed:
            declared = ", ".join(sorted(self._allowed)) or "nothing"
            raise TrainfreeError(
                f"proxy {self._asking!r} asks for {need!r} but declares needs: {declared}; "
                f'add "{need}" to the needs of its @proxy'
            )

    def _require_blocks(self) -> None:
        if not self._backend.has_blocks:
            raise UndefinedScoreError("it is not known where the blocks of the network end")


class _Layers(_Described):
    """What a candidate has of each layer; see :class:`~trainfree.proxies.layerwise.Layerwise`."""

    @property
    def layer_features(self) -> Mapping[Key, Tensor]:
        """Outputs of layers with weights, (B, channels, positions)."""
        self._require("activations")
        return self._backend.once("layer features", self._backend.layer_features)

    @property
    def parameter_gradients(self) -> Mapping[Key, Tensor]:
        """Gradient of the loss by parameter."""
        self._require("gradients")
        return self._backend.once("parameter gradients", self._backend.parameter_gradients)

    @property
    def flow_gradients(self) -> Mapping[Key, Tensor]:
        """∂R/∂|θ| by weight."""
        self._require("no_batch_norm")
        return self._backend.once("flow gradients", self._backend.flow_gradients)

    @property
    def attention_weights(self) -> frozenset[Key]:
        """Keys of the weights of attention's projections."""
        return self._backend.attention_weights


class CheckedCandidate(_Layers):
    """The :class:`~trainfree.proxies.registry.Candidate` that proxies are handed.

    Checks that a proxy has declared what it asks for, has it computed once, and bills it to each
    proxy that uses it.
    """

    def score(self, proxy: Proxy) -> tuple[object, float]:
        """Return the proxy's value, higher being better, and the seconds it would cost alone."""
        self._allowed, self._asking = proxy.needs, proxy.name
        try:
            with handed_out(self, proxy) as handed:
                value, seconds = self._backend.results.bill(lambda: proxy.function(handed))
        finally:
            self._allowed = frozenset(NEEDS)
        return proxy.oriented(value), seconds + self._backend.making_seconds

    def global_seed(self, name: str) -> int:
        """Return what to seed the process's generators with while a proxy from outside runs."""
        try:
            own = self._backend.stream(f"proxy/{name} global")
        except UndefinedScoreError:
            return 0
        return int(own.integers(2**63))

    @property
    def relu_kernel(self) -> NDArray[np.float64]:
        """K with each ReLU module counted once, (B, B)."""
        self._require("activations")
        return self._backend.relu_kernel()

    @property
    def relu_kernel_official(self) -> NDArray[np.float64]:
        """K as the published code counts, (B, B)."""
        self._require("activations")
        return self._backend.relu_kernel_official()

    @property
    def distinct_unit_patterns(self) -> int:
        """Number of patterns of units over images."""
        self._require("activations")
        return self._backend.once("unit patterns", self._backend.distinct_unit_patterns)

    @property
    def smallest_correlation_eigenvalues(self) -> float:
        """Σ over layers of the smallest eigenvalue of the channels' correlations."""
        self._require("activations")
        return self._backend.once(
            "channel correlations", self._backend.smallest_correlation_eigenvalues
        )

    @property
    def masked_relu_kernel(self) -> NDArray[np.float64]:
        """K of NCD's pass, (B, B)."""
        return self._masked_codes.kernel

    @property
    def masked_unit_patterns(self) -> int:
        """Number of patterns of units over images in NCD's pass."""
        return self._masked_codes.patterns

    @property
    def _masked_codes(self) -> MaskedCodes:
        self._require("activations")
        self._require("random")
        return self._backend.once("masked codes", self._backend.masked_codes)

    @property
    def first_features(self) -> Sequence[Tensor]:
        """The first image's (channels, positions) in each layer."""
        self._require("activations")
        return self._backend.once("first features", self._backend.first_features)

    def over_layers(self, function: Callable[[Layer], T]) -> list[T]:
        """Run the mini-batch and return ``function`` of each layer."""
        self._require("activations")
        return self._backend.over_layers(function)

    def arrays(self, tensors: Sequence[Tensor]) -> list[NDArray[np.floating]]:
        """Return tensors of one type as NumPy arrays."""
        return [tensor.numpy() for tensor in to_cpu(tensors)]

    @property
    def output_curvature(self) -> float:
        """Curvature of the outputs along a random circle of inputs."""
        self._require("jacobian")
        self._require("random")
        return self._backend.once("output curvature", self._backend.output_curvature)

    @property
    def block_entropies(self) -> NDArray[np.float64]:
        """Entropy of stem and blocks, (blocks + 1,)."""
        self._require("activations")
        self._require_blocks()
        return self._backend.once("block entropies", self._backend.block_entropies)

    @property
    def loss_gradients(self) -> LossGradients:
        """Gradient of the loss by key; called, that of another loss."""
        self._require("gradients")
        return LossGradients(lambda: self._backend.loss_gradients, self._backend.gradients_of)

    @property
    def output_gradients(self) -> Mapping[Key, Tensor]:
        """Gradient of the loss with respect to outputs."""
        self._require("gradients")
        return self._backend.output_gradients

    @property
    def channel_gradients(self) -> Mapping[Key, Tensor]:
        """Σ over positions of output times its gradient, (B, channels) by weight."""
        self._require("activations")
        self._require("gradients")
        return self._backend.once("channel gradients", self._backend.channel_gradients)

    @property
    def half_gradients(self) -> Sequence[Mapping[Key, Tensor]]:
        """Gradients of the loss of each half of the mini-batch."""
        self._require("gradients")
        return self._backend.once("halves", self._backend.half_gradients)

    @property
    def gradient_curvature(self) -> float:
        """gᵀ H w."""
        self._require("gradients")
        return self._backend.once("curvature", self._backend.gradient_curvature)

    @property
    def weighted_response_kernel(self) -> NDArray[np.float64]:
        """Correlations of responses and their gradients, (B, B)."""
        self._require("gradients")
        return self._backend.once("responses", self._backend.weighted_response_kernel)

    @property
    def input_jacobian(self) -> NDArray[np.float64]:
        """∂ Σ logits / ∂ images, (B, D)."""
        self._require("jacobian")
        return self._backend.once("jacobian", self._backend.input_jacobian)

    @property
    def block_trainabilities(self) -> NDArray[np.float64]:
        """How blocks pass gradients back, (blocks,)."""
        self._require("jacobian")
        self._require_blocks()
        self._require("random")
        return self._backend.once("block trainabilities", self._backend.block_trainabilities)

    @property
    def tangent_kernel(self) -> NDArray[np.float64]:
        """Neural tangent kernel, (B, B)."""
        self._require("image_gradients")
        return self._backend.tangent_kernel()

    @property
    def gradient_sign_agreement(self) -> float:
        """Σ |Σ sign(∂ loss / ∂ w)|."""
        self._require("image_gradients")
        self._require("labels")
        agreement = self._backend.gradient_sign_agreement()
        if not agreement:
            raise no_gradient()
        return agreement

    @property
    def fisher_eigenvalues(self) -> NDArray[np.float64]:
        """Eigenvalues of the first entries' Fisher information, ascending."""
        self._require("image_gradients")
        return self._backend.once("fisher", self._backend.fisher_eigenvalues)

    @property
    def linear_regions(self) -> float:
        """Mean number of codes of small pieces of images in the thinned network."""
        self._require("random")
        self._require("images")
        return self._backend.once("regions", self._backend.linear_regions)

    @property
    def log_gaussian_expansion(self) -> float:
        """Zen score."""
        self._require("random")
        return self._backend.once("zen", self._backend.log_gaussian_expansion)

    @property
    def log_synaptic_flow(self) -> float:
        """Natural logarithm of Σ |θ ⊙ ∂R/∂θ|."""
        self._require("no_batch_norm")
        return self._backend.once("flow", self._backend.log_synaptic_flow)

    @property
    def log_flow_reductions(self) -> float:
        """The same with batch normalisation in blocks with a stride."""
        self._require("weights")
        self._require_blocks()
        return self._backend.once(
            "flow, reductions", lambda: self._backend.log_flow_normalised(reductions_only=True)
        )

    @property
    def log_flow_normalised(self) -> float:
        """The same with all batch normalisation."""
        self._require("weights")
        return self._backend.once(
            "flow, all", lambda: self._backend.log_flow_normalised(reductions_only=False)
        )

    def by_layer(
        self, function: Callable[..., Tensor], *tensors: Mapping[Key, Tensor]
    ) -> list[float]:
        """Return ``function(tensors of a layer)`` for each key, as numbers."""
        return numbers_by_layer(function, *tensors)

    def log_abs_determinant(self, matrix: NDArray[np.float64]) -> float:
        """Return ln |det matrix|, −inf for a singular one."""
        with self._backend.clock.phase("linear_algebra"):
            return log_abs_determinant(matrix)
