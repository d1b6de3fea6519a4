"""What computes the quantities of one architecture, whichever way; proxies never see it.

:class:`~trainfree.scoring.candidate.CheckedCandidate` asks, once for each quantity, and what they
mean is written at :class:`~trainfree.proxies.registry.Candidate`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trainfree.errors import TrainfreeError
from trainfree.outside.foreign import told
from trainfree.proxies.own_passes import Layer
from trainfree.proxies.registry import Key, UndefinedScoreError
from trainfree.scoring.clock import PhaseClock
from trainfree.scoring.placement import on_cpu
from trainfree.scoring.quantities.own_passes.masking import MaskedCodes
from trainfree.scoring.shared import SharedResults
from trainfree.spaces.network import Network

T = TypeVar("T")


@dataclass(frozen=True)
class Counts:
    """What can be counted of an architecture; see the members of the same names of ``Candidate``.

    Parameters
    ----------
    classes
        None where the output is not a matrix of logits.
    """

    params: int
    flops: int
    relu_units: int
    parameter_tensors: int
    classes: int | None


class Backend(ABC):
    """One way to compute what a candidate is asked for.

    A method computes anew each time; properties are computed once and shared by what rests on
    them. Shapes and units are those of :class:`~trainfree.proxies.registry.Candidate`.

    Parameters
    ----------
    clock
        Receives the seconds of each phase.
    labels
        Class numbers, (B,) int64, on the device; without them no loss can be had.
    stream
        Returns the architecture's own random numbers for a purpose.
    """

    def __init__(
        self,
        clock: PhaseClock,
        labels: Tensor | None = None,
        stream: Callable[[str], np.random.Generator] | None = None,
    ) -> None:
        self.clock, self.results = clock, SharedResults(clock.now)
        self._given_labels, self._given_stream = labels, stream
        self.making_seconds = 0.0
        """What every quantity needs and was done before this was made."""

    def once(self, name: str, compute: Callable[[], T]) -> T:
        """Return a shared result whose own time counts as "other".

        Raises
        ------
        UndefinedScoreError
            Where PyTorch lacks a derivative.
        """

        def timed() -> T:
            with self.clock.phase("other"):
                try:
                    return compute()
                except NotImplementedError as error:
                    raise UndefinedScoreError(
                        f"PyTorch cannot compute it: {told(error)}"
                    ) from error

        return self.results.get(name, timed)

    @property
    def labels(self) -> Tensor:
        """Class numbers, (B,) int64; raises UndefinedScoreError without any."""
        if self._given_labels is None:
            raise UndefinedScoreError("the mini-batch has no labels")
        return self._given_labels

    def stream(self, purpose: str) -> np.random.Generator:
        """Return the architecture's own random numbers; UndefinedScoreError without any."""
        if self._given_stream is None:
            raise UndefinedScoreError("the candidate has no random numbers of its own")
        return self._given_stream(purpose)

    @property
    @abstractmethod
    def counts(self) -> Counts:
        """What can be counted of the architecture."""

    @property
    @abstractmethod
    def network(self) -> Network:
        """The network as data; UndefinedScoreError where there is none."""

    @property
    @abstractmethod
    def has_blocks(self) -> bool:
        """Whether it is known where the stem and at least one block end."""

    @abstractmethod
    def module(self) -> nn.Module:
        """Return a new torch module of the architecture with its weights."""

    @property
    @abstractmethod
    def images(self) -> Any:
        """The mini-batch."""

    @property
    @abstractmethod
    def logits(self) -> Tensor:
        """Outputs of the network, (B, classes)."""

    @property
    @abstractmethod
    def weights(self) -> Mapping[Key, Tensor]:
        """Weights."""

    @property
    @abstractmethod
    def biases(self) -> Mapping[Key, Tensor]:
        """Biases."""

    @property
    @abstractmethod
    def outputs(self) -> Mapping[Key, Tensor]:
        """Outputs of layers."""

    @property
    @abstractmethod
    def loss_gradients(self) -> Mapping[Key, Tensor]:
        """Gradients of the loss; raises where :func:`refuse_zero` does."""

    @property
    @abstractmethod
    def output_gradients(self) -> Mapping[Key, Tensor]:
        """Gradients of the loss with respect to ``outputs``."""

    @abstractmethod
    def gradients_of(self, loss: Callable[[Tensor], Tensor]) -> Mapping[Key, Tensor]:
        """Return the gradients of a loss of the logits; raises where :func:`refuse_zero` does."""

    @property
    @abstractmethod
    def attention_weights(self) -> frozenset[Key]:
        """Keys of the weights of attention's projections."""

    @abstractmethod
    def layer_features(self) -> Mapping[Key, Tensor]:
        """Return outputs of layers with weights, (B, channels, positions)."""

    @abstractmethod
    def parameter_gradients(self) -> Mapping[Key, Tensor]:
        """Return the gradients of the loss by parameter."""

    @abstractmethod
    def flow_gradients(self) -> Mapping[Key, Tensor]:
        """Return ∂R/∂|θ| by weight, float64."""

    @abstractmethod
    def channel_gradients(self) -> Mapping[Key, Tensor]:
        """Return Σ over positions of output times its gradient, (B, channels) by weight."""

    @abstractmethod
    def relu_kernel(self) -> NDArray[np.float64]:
        """Return K with each ReLU counted once, (B, B); keeps its own phases."""

    @abstractmethod
    def relu_kernel_official(self) -> NDArray[np.float64]:
        """Return K as the published code counts, (B, B); keeps its own phases."""

    @abstractmethod
    def distinct_unit_patterns(self) -> int:
        """Count the different patterns of a unit over the images."""

    @abstractmethod
    def smallest_correlation_eigenvalues(self) -> float:
        """Return Σ over layers of λ_min of the channels' correlations."""

    @abstractmethod
    def masked_codes(self) -> MaskedCodes:
        """Return the codes of NCD's pass."""

    @abstractmethod
    def first_features(self) -> Sequence[Tensor]:
        """Return the first image's (channels, positions) in each layer."""

    @abstractmethod
    def over_layers(self, function: Callable[[Layer], T]) -> list[T]:
        """Run the mini-batch and return ``function`` of each layer."""

    @abstractmethod
    def output_curvature(self) -> float:
        """Return the curvature of the outputs along a random circle of inputs."""

    @abstractmethod
    def block_entropies(self) -> NDArray[np.float64]:
        """Return the entropy of stem and blocks, (blocks + 1,)."""

    @abstractmethod
    def half_gradients(self) -> Sequence[Mapping[Key, Tensor]]:
        """Return the gradients of the loss of each half of the mini-batch."""

    @abstractmethod
    def gradient_curvature(self) -> float:
        """Return gᵀ H w."""

    @abstractmethod
    def weighted_response_kernel(self) -> NDArray[np.float64]:
        """Return the summed correlations of responses and their gradients, (B, B)."""

    @abstractmethod
    def input_jacobian(self) -> NDArray[np.float64]:
        """Return ∂ Σ logits / ∂ images, (B, D); UndefinedScoreError where it is zero."""

    @abstractmethod
    def block_trainabilities(self) -> NDArray[np.float64]:
        """Return how blocks pass random gradients back, (blocks,)."""

    @abstractmethod
    def tangent_kernel(self) -> NDArray[np.float64]:
        """Return the neural tangent kernel, (B, B)."""

    @abstractmethod
    def gradient_sign_agreement(self) -> float:
        """Return Σ |Σ sign(∂ loss / ∂ w)|, 0 where no weight has a gradient."""

    @abstractmethod
    def fisher_eigenvalues(self) -> NDArray[np.float64]:
        """Return the eigenvalues of the first entries' Fisher information, ascending."""

    @abstractmethod
    def linear_regions(self) -> float:
        """Return the mean number of codes of small pieces of images in the thinned network."""

    @abstractmethod
    def log_gaussian_expansion(self) -> float:
        """Return the Zen score."""

    @abstractmethod
    def log_synaptic_flow(self) -> float:
        """Return ln Σ |θ ⊙ ∂R/∂θ| without batch normalisation."""

    @abstractmethod
    def log_flow_normalised(self, reductions_only: bool) -> float:
        """Return it with batch normalisation, all of it or that of blocks with a stride."""


def refuse_zero(gradients: Iterable[Tensor]) -> None:
    """Raise UndefinedScoreError with −inf where all gradients are zero."""
    if not any_gradient(gradients):
        raise no_gradient()


def any_gradient(gradients: Iterable[Tensor]) -> bool:
    """Whether any number of any gradient is not zero; a GPU is asked once."""
    found = list(gradients)
    if not found or on_cpu(found[0]):
        return any(bool(gradient.any()) for gradient in found)
    largest = torch._foreach_norm(found, torch.inf)
    return bool((torch.stack(list(largest)) != 0).any())


def no_gradient() -> UndefinedScoreError:
    """Return the error, worth −inf, of a network whose input does not reach its output."""
    return UndefinedScoreError(
        "no weight has a gradient: the input does not reach the output", score=-np.inf
    )


def named(tensors: Mapping[str, Tensor]) -> Mapping[Key, Tensor]:
    """Return tensors by name as what proxies see: tensors by key."""
    return cast(Mapping[Key, Tensor], tensors)


def by_key(tensors: Mapping[int, Tensor]) -> Mapping[Key, Tensor]:
    """Return tensors by node number as what proxies see: tensors by key."""
    return cast(Mapping[Key, Tensor], tensors)


def logit_gradient(loss: Callable[[Tensor], Tensor], logits: Tensor) -> Tensor:
    """Return the gradient of ``loss(logits)`` with respect to the logits.

    Raises
    ------
    TrainfreeError
        When the loss is no tensor of one number, or does not depend on the logits.
    """
    with torch.enable_grad():
        variable = logits.detach().clone().requires_grad_()
        value = loss(variable.clone())  # a loss may edit its argument, but no leaf
        if not isinstance(value, Tensor) or value.numel() != 1:
            found = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise TrainfreeError(f"loss: expected a tensor of one number, found {found}")
        gradient = None
        if value.requires_grad:
            (gradient,) = torch.autograd.grad(value.sum(), variable, allow_unused=True)
    if gradient is None:
        raise TrainfreeError(
            "loss: expected a function of the logits, found one without a gradient; "
            "compute it from its argument, without detach() or item()"
        )
    return gradient
