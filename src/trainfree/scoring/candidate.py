"""One architecture under one setting: computes each thing that proxies ask for once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from trainfree.errors import TrainfreeError
from trainfree.proxies.registry import NEEDS, Need, Proxy, UndefinedScoreError
from trainfree.scoring.autodiff.backward import Gradients, backward
from trainfree.scoring.autodiff.forward import ForwardPass, Parameters, record
from trainfree.scoring.clock import PhaseClock
from trainfree.scoring.copies import handed_out
from trainfree.scoring.quantities import blocks, patterns, response_correlations, synflow
from trainfree.scoring.quantities.channel_correlations import smallest_eigenvalues
from trainfree.scoring.quantities.fisher_information import first_entry_fisher
from trainfree.scoring.quantities.hessian_product import gradient_curvature
from trainfree.scoring.quantities.log_determinant import log_abs_determinant
from trainfree.scoring.quantities.per_image_gradients import ImageGradients, image_gradients
from trainfree.scoring.quantities.relu_kernel import ReluKernels, relu_kernels
from trainfree.scoring.quantities.synflow_bn import log_normalised_flow, normalisations
from trainfree.scoring.quantities.zen import log_expansion
from trainfree.scoring.settings.setting import Initialization
from trainfree.scoring.shared import SharedResults
from trainfree.scoring.weights import Weights, draw_weights
from trainfree.spaces.network import Network

T = TypeVar("T")
REGION_INPUTS, REGION_SIZE = 1000, 4
_NO_GRADIENT = "no weight has a gradient: the input does not reach the output"


class EngineCandidate:
    """The :class:`~trainfree.proxies.registry.Candidate` that the engine hands to proxies.

    Parameters
    ----------
    build
        Returns the network of the architecture.
    draw
        Returns the weights of a network.
    batch
        Mini-batch on the device, (B, 3, height, width) float32 or float64, channels last.
    clock
        Receives the seconds of each phase.
    labels
        Class numbers, (B,) int64, on the device; without them no loss can be had.
    initialization
        How the weights of derived networks are drawn.
    stream
        Returns the architecture's own random numbers for a purpose.
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
        self._build, self._draw, self._batch, self._clock = build, draw, batch, clock
        self._given_labels, self._given_stream = labels, stream
        self._initialization = initialization
        self._results = SharedResults(clock.now)
        self._allowed: frozenset[Need] = frozenset(NEEDS)
        self._asking = ""

    def score(self, proxy: Proxy) -> tuple[object, float]:
        """Return the proxy's value, higher being better, and the seconds it would cost alone."""
        self._allowed, self._asking = proxy.needs, proxy.name
        try:
            with handed_out(self, proxy) as handed:
                value, seconds = self._results.bill(lambda: proxy.function(handed))
        finally:
            self._allowed = frozenset(NEEDS)
        return proxy.oriented(value), seconds

    def global_seed(self, name: str) -> int:
        """Return what to seed the process's generators with while a proxy from outside runs."""
        given = self._given_stream
        return int(given(f"proxy/{name} global").integers(2**63)) if given else 0

    @property
    def network(self) -> Network:
        """The network as data."""
        return self._results.get("network", self._built)

    @property
    def weights(self) -> Mapping[int, Tensor]:
        """Weights by node number."""
        self._require("weights")
        return self._parameters.weight

    def stream(self, purpose: str) -> np.random.Generator:
        """Return the architecture's own random numbers for ``purpose``."""
        self._require("random")
        return self._stream(purpose)

    @property
    def labels(self) -> NDArray[np.int64]:
        """Class numbers, (B,)."""
        self._require("labels")
        labels: NDArray[np.int64] = self._labels.cpu().numpy()
        return labels

    @property
    def relu_kernel(self) -> NDArray[np.float64]:
        """K with each ReLU module counted once, (B, B)."""
        self._require("activations")
        return self._results.get("kernels", self._collected).per_module

    @property
    def relu_kernel_official(self) -> NDArray[np.float64]:
        """K as the published code counts, (B, B)."""
        self._require("activations")
        return self._results.get("kernels", self._collected).official

    @property
    def outputs(self) -> Mapping[int, Tensor]:
        """Outputs by node number."""
        self._require("activations")
        return self._forward.values

    @property
    def distinct_unit_patterns(self) -> int:
        """Number of patterns of units over images."""
        self._require("activations")
        return self._get("unit patterns", lambda: patterns.distinct_unit_patterns(self._forward))

    @property
    def smallest_correlation_eigenvalues(self) -> float:
        """Σ over layers of the smallest eigenvalue of the channels' correlations."""
        self._require("activations")
        return self._get("channel correlations", lambda: smallest_eigenvalues(self._forward))

    @property
    def block_entropies(self) -> NDArray[np.float64]:
        """Entropy of stem and blocks, (blocks + 1,)."""
        self._require("activations")
        self._require_blocks()
        return self._get("block entropies", lambda: blocks.block_entropies(self._forward))

    @property
    def loss_gradients(self) -> Mapping[int, Tensor]:
        """Gradient of the loss by node number."""
        self._require("gradients")
        return self._loss.weight

    @property
    def output_gradients(self) -> Mapping[int, Tensor]:
        """Gradient of the loss with respect to outputs."""
        self._require("gradients")
        return self._loss.output

    @property
    def half_gradients(self) -> Sequence[Mapping[int, Tensor]]:
        """Gradients of the loss of each half of the mini-batch."""
        self._require("gradients")
        return self._get("halves", self._halved)

    @property
    def gradient_curvature(self) -> float:
        """gᵀ H w."""
        self._require("gradients")
        return self._get("curvature", lambda: gradient_curvature(self._forward, self._loss))

    @property
    def weighted_response_kernel(self) -> NDArray[np.float64]:
        """Correlations of responses and their gradients, (B, B)."""
        self._require("gradients")
        return self._get(
            "responses",
            lambda: response_correlations.weighted_response_kernel(self._forward, self._loss),
        )

    @property
    def input_jacobian(self) -> NDArray[np.float64]:
        """∂ Σ logits / ∂ images, (B, D)."""
        self._require("jacobian")
        return self._get("jacobian", self._differentiated)

    @property
    def block_trainabilities(self) -> NDArray[np.float64]:
        """How blocks pass gradients back, (blocks,)."""
        self._require("jacobian")
        self._require_blocks()
        rng = self.stream("proxy/az_trainability")
        return self._get(
            "block trainabilities", lambda: blocks.block_trainabilities(self._forward, rng)
        )

    @property
    def tangent_kernel(self) -> NDArray[np.float64]:
        """Neural tangent kernel, (B, B)."""
        self._require("image_gradients")
        return self._per_image.tangent_kernel

    @property
    def gradient_sign_agreement(self) -> float:
        """Σ |Σ sign(∂ loss / ∂ w)|."""
        self._require("image_gradients")
        self._require("labels")
        if not self._per_image.sign_agreement:
            raise UndefinedScoreError(_NO_GRADIENT, score=-np.inf)
        return self._per_image.sign_agreement

    @property
    def fisher_eigenvalues(self) -> NDArray[np.float64]:
        """Eigenvalues of the first entries' Fisher information, ascending."""
        self._require("image_gradients")
        return self._get("fisher", self._informed)

    @property
    def linear_regions(self) -> int:
        """Number of codes of random inputs to the thinned network."""
        self._require("random")
        return self._get("regions", self._thinned)

    @property
    def log_gaussian_expansion(self) -> float:
        """Zen score."""
        self._require("random")
        return self._get("zen", self._expanded)

    @property
    def log_synaptic_flow(self) -> float:
        """Natural logarithm of Σ |θ ⊙ ∂R/∂θ|."""
        self._require("no_batch_norm")
        return self._get("flow", self._flowed)

    @property
    def log_flow_reductions(self) -> float:
        """The same with batch normalisation in blocks with a stride."""
        self._require("weights")
        self._require_blocks()
        return self._get("flow, reductions", lambda: self._flowed_normalised(reductions_only=True))

    @property
    def log_flow_normalised(self) -> float:
        """The same with all batch normalisation."""
        self._require("weights")
        return self._get("flow, all", lambda: self._flowed_normalised(reductions_only=False))

    def log_abs_determinant(self, matrix: NDArray[np.float64]) -> float:
        """Return ln |det matrix|, −inf for a singular one."""
        with self._clock.phase("linear_algebra"):
            return log_abs_determinant(matrix)

    def _get(self, name: str, compute: Callable[[], T]) -> T:
        """Return a shared result whose own time counts as "other"."""

        def timed() -> T:
            with self._clock.phase("other"):
                return compute()

        return self._results.get(name, timed)

    def _require(self, need: Need) -> None:
        if need not in self._allowed:
            declared = ", ".join(sorted(self._allowed)) or "nothing"
            raise TrainfreeError(
                f"proxy {self._asking!r} asks for {need!r} but declares needs: {declared}; "
                f'add "{need}" to the needs of its @proxy'
            )

    def _require_blocks(self) -> None:
        if len(self.network.blocks) < 2:
            raise UndefinedScoreError("the space's builder does not mark where blocks end")

    @property
    def _labels(self) -> Tensor:
        if self._given_labels is None:
            raise UndefinedScoreError("the mini-batch has no labels")
        return self._given_labels

    def _stream(self, purpose: str) -> np.random.Generator:
        if self._given_stream is None:
            raise UndefinedScoreError("the candidate has no random numbers of its own")
        return self._given_stream(purpose)

    @property
    def _parameters(self) -> Parameters:
        return self._results.get("weights", self._drawn)

    @property
    def _forward(self) -> ForwardPass:
        return self._results.get("forward", self._recorded)

    @property
    def _loss(self) -> Gradients:
        gradients = self._get("loss gradients", lambda: self._loss_of(self._forward, self._labels))
        if not any(bool(gradient.any()) for gradient in gradients.weight.values()):
            raise UndefinedScoreError(_NO_GRADIENT, score=-np.inf)
        return gradients

    @property
    def _per_image(self) -> ImageGradients:
        return self._get("per image", lambda: image_gradients(self._forward, self._labels))

    def _built(self) -> Network:
        with self._clock.phase("build"):
            return self._build()

    def _drawn(self) -> Parameters:
        network = self.network
        with self._clock.phase("build"):
            return self._as_parameters(self._draw(network))

    def _drawn_for(
        self, network: Network, initialization: Initialization, purpose: str
    ) -> Parameters:
        """Draw the weights of a network of a proxy's own."""
        with self._clock.phase("build"):
            drawn = draw_weights(network, initialization, self._stream(purpose))
            return self._as_parameters(drawn)

    def _as_parameters(self, drawn: Weights) -> Parameters:
        return Parameters(
            {number: self._on_device(value) for number, value in drawn.weight.items()},
            {number: self._on_device(value) for number, value in drawn.bias.items()},
        )

    def _collected(self) -> ReluKernels:
        return relu_kernels(self.network, self._parameters.weight, self._batch, self._clock)

    def _recorded(self) -> ForwardPass:
        network, parameters = self.network, self._parameters
        with self._clock.phase("forward"):
            return record(network, parameters, self._batch)

    @staticmethod
    def _loss_of(forward: ForwardPass, labels: Tensor) -> Gradients:
        """Return the gradients of the mean cross-entropy."""
        probability = torch.softmax(forward.logits, dim=1)
        truth = F.one_hot(labels, forward.logits.shape[1])
        return backward(
            forward, {forward.network.output: (probability - truth) / len(labels)}, "weights"
        )

    def _halved(self) -> Sequence[Mapping[int, Tensor]]:
        middle = len(self._labels) // 2
        if not middle:
            raise UndefinedScoreError("a mini-batch of one image has no halves")
        found = []
        for part in (slice(None, middle), slice(middle, 2 * middle)):
            forward = record(self.network, self._parameters, self._batch[part])
            found.append(self._loss_of(forward, self._labels[part]).weight)
        if not any(bool(gradient.any()) for half in found for gradient in half.values()):
            raise UndefinedScoreError(_NO_GRADIENT, score=-np.inf)
        return found

    def _differentiated(self) -> NDArray[np.float64]:
        forward = self._forward
        ones = {forward.network.output: torch.ones_like(forward.logits)}
        jacobian = backward(forward, ones, "input").output.get(0)
        if jacobian is None or not bool(jacobian.any()):
            raise UndefinedScoreError("the output does not depend on the input", score=-np.inf)
        rows: NDArray[np.float64] = jacobian.flatten(1).to(torch.float64).cpu().numpy()
        return rows

    def _informed(self) -> NDArray[np.float64]:
        eigenvalues = torch.linalg.eigvalsh(first_entry_fisher(self._forward))
        found: NDArray[np.float64] = eigenvalues.cpu().numpy()
        return found

    def _thinned(self) -> int:
        network = patterns.thin(self.network, REGION_SIZE)
        parameters = self._drawn_for(network, self._initialization, "proxy/linear_regions weights")
        shape = (REGION_INPUTS, *network.shapes[0])
        noise = self._stream("proxy/linear_regions").standard_normal(shape, dtype=np.float32)
        return patterns.distinct_image_codes(record(network, parameters, self._on_device(noise)))

    def _expanded(self) -> float:
        parameters = self._drawn_for(self.network, "normal", "proxy/zen weights")
        return log_expansion(self.network, parameters, self._batch, self._stream("proxy/zen"))

    def _flowed(self) -> float:
        network, weights = self.network, self._parameters.weight
        with self._clock.phase("other"):
            arrays = {number: weight.cpu().numpy() for number, weight in weights.items()}
            return synflow.log_synaptic_flow(network, arrays)

    def _flowed_normalised(self, reductions_only: bool) -> float:
        network = self.network
        stay = normalisations(network, reductions_only)
        return log_normalised_flow(network, self._parameters, stay, self._batch.device)

    def _on_device(self, values: NDArray[np.float32]) -> Tensor:
        tensor = torch.from_numpy(values).to(self._batch)
        if tensor.dim() == 4:
            return tensor.contiguous(memory_format=torch.channels_last)
        return tensor
