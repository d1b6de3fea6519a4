"""What a proxy can ask of a candidate architecture, and how a proxy is declared."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from trainfree.drawing import Initialization, InputKind
from trainfree.errors import TrainfreeError, UnknownNameError
from trainfree.proxies.checks import (
    check_drawn,
    check_function,
    check_words,
    is_number,
    may_replace,
    origin,
)
from trainfree.proxies.layerwise import Layerwise
from trainfree.proxies.loss_gradients import LossGradients
from trainfree.proxies.own_passes import OwnPasses
from trainfree.spaces.network import Network

Tensor: TypeAlias = Any
"""A ``torch.Tensor``; this room imports no torch, and a proxy rarely needs more than methods."""
Module: TypeAlias = Any
"""A ``torch.nn.Module``."""
Key: TypeAlias = int | str
"""What tensors are found by: a place in ``network.nodes``, or of a torch module a name."""

Need = Literal[
    "weights",
    "random",
    "no_batch_norm",
    "activations",
    "images",
    "labels",
    "gradients",
    "jacobian",
    "image_gradients",
]
NEEDS: tuple[Need, ...] = get_args(Need)


class UndefinedScoreError(Exception):
    """The proxy's formula has no value for this candidate.

    Parameters
    ----------
    message
        Why, for the message in the scores file.
    score
        −inf where "worse than any value" is meant (no gradient reaches a weight), as for a
        singular kernel; NaN, the default, where the candidate cannot be ranked at all.
    """

    def __init__(self, message: str, score: float = float("nan")) -> None:
        super().__init__(message)
        self.score = score


class Candidate(Layerwise, OwnPasses, Protocol):
    """One architecture at initialisation, seen through one mini-batch of B images.

    Each property is computed when a proxy first asks for it and shared by all proxies of the
    architecture. The need that a proxy has to declare is in brackets. Tensors lie on the scoring
    device.

    An architecture is a network as data, which the engine computes, or any torch module. Keys of
    tensors are node numbers of the first and names of the second; nothing else differs. What a
    module cannot give raises UndefinedScoreError with the reason.

    Proxies of the suite must not edit what they are handed. Those from outside are handed copies.
    """

    @property
    def params(self) -> int:
        """Number of learnable parameters."""

    @property
    def flops(self) -> int:
        """Multiply-adds of all products for one image (see ``Network.flops``)."""

    @property
    def relu_units(self) -> int:
        """Number of ReLU units for one image; for a module, units of all its activations."""

    @property
    def parameter_tensors(self) -> int:
        """Number of parameter tensors."""

    @property
    def classes(self) -> int:
        """Number of logits per image."""

    @property
    def network(self) -> Network:
        """The network as data: layers and shapes; a torch module has none."""

    @property
    def module(self) -> Module:
        """A torch module with these weights, a new copy each time [weights].

        Like all passes here it uses batch statistics for normalisation and no dropout.
        """

    @property
    def images(self) -> Any:
        """The mini-batch, (B, 3, height, width); for a module, its given inputs [images]."""

    @property
    def logits(self) -> Tensor:
        """Outputs of the network for the mini-batch, (B, classes) [activations]."""

    @property
    def weights(self) -> Mapping[Key, Tensor]:
        """Weights of convolutions and linear layers [weights].

        For a module also those of embeddings, attention projections and recurrent layers:
        each parameter that is a factor of a product or is looked up.
        """

    @property
    def biases(self) -> Mapping[Key, Tensor]:
        """Biases of layers with ``weights``, (channels,) each [weights]."""

    def stream(self, purpose: str) -> np.random.Generator:
        """Return the architecture's own random numbers for ``purpose`` [random]."""

    @property
    def relu_kernel(self) -> NDArray[np.float64]:
        """K = Σ C Cᵀ + (1 − C)(1 − C)ᵀ over ReLU modules, (B, B), integers [activations].

        C is 1 where the input of the ReLU is positive. For a module all activations count.
        """

    @property
    def relu_kernel_official(self) -> NDArray[np.float64]:
        """The same, counted as in the published code: modules with "ReLU" in their class name.

        So ReLUs inside a ``ReLUConvBN`` count twice [activations].
        """

    @property
    def outputs(self) -> Mapping[Key, Tensor]:
        """Outputs of layers, (B, …) [activations].

        Those of convolutions, linear layers, ReLUs and block ends, and their inputs. For a module
        those of layers with ``weights``, by the weight's name.
        """

    @property
    def labels(self) -> NDArray[np.int64]:
        """Class numbers of the images, (B,) [labels]."""

    @property
    def loss_gradients(self) -> LossGradients:
        """Gradient of the loss with respect to ``weights`` [gradients].

        The loss is the mean cross-entropy, or the one given with a module. Call it with a function
        of the logits for another loss.

        Raises
        ------
        UndefinedScoreError
            With −inf, when it is read and no weight has a gradient: the input does not reach the
            output.
        """

    @property
    def half_gradients(self) -> Sequence[Mapping[Key, Tensor]]:
        """The same for the first and the second half of the mini-batch [gradients]."""

    @property
    def output_gradients(self) -> Mapping[Key, Tensor]:
        """Gradient of the loss with respect to ``outputs`` [gradients]."""

    @property
    def channel_gradients(self) -> Mapping[Key, Tensor]:
        """Σ over positions of output times its gradient, (B, channels) [activations and gradients].

        For the layer of each weight, before normalisation: the derivative of the loss with respect
        to a factor of each channel.
        """

    @property
    def gradient_curvature(self) -> float:
        """gᵀ H w, with g and H gradient and Hessian of the mean cross-entropy [gradients]."""

    @property
    def weighted_response_kernel(self) -> NDArray[np.float64]:
        """Summed correlations of responses and their gradients, (B, B) [gradients]."""

    @property
    def input_jacobian(self) -> NDArray[np.float64]:
        """∂ Σ all logits / ∂ images, one row per image, (B, 3 · height · width) [jacobian].

        Raises
        ------
        UndefinedScoreError
            With −inf, when it is zero.
        """

    @property
    def block_trainabilities(self) -> NDArray[np.float64]:
        """AZ-NAS's trainability of each block, (blocks,) [jacobian and random]."""

    @property
    def tangent_kernel(self) -> NDArray[np.float64]:
        """Tangent kernel Θ of the images' gradients of Σ logits, (B, B) [image_gradients]."""

    @property
    def gradient_sign_agreement(self) -> float:
        """Σ over weights |Σ over images sign(∂ loss / ∂ w)| [image_gradients and labels]."""

    @property
    def fisher_eigenvalues(self) -> NDArray[np.float64]:
        """Eigenvalues of the first entries' Fisher information, ascending [image_gradients]."""

    @property
    def block_entropies(self) -> NDArray[np.float64]:
        """Entropy of the principal components of each block's output [activations]."""

    @property
    def smallest_correlation_eigenvalues(self) -> float:
        """Σ over layers of λ_min of the channels' correlations, first image [activations]."""

    @property
    def distinct_unit_patterns(self) -> int:
        """Number of different patterns of units over the images [activations]."""

    @property
    def linear_regions(self) -> float:
        """Number of ReLU codes of 3,000 image patches in a thin network [images and random]."""

    @property
    def log_gaussian_expansion(self) -> float:
        """Zen's ln of the output change for a perturbed Gaussian input [random]."""

    @property
    def log_synaptic_flow(self) -> float:
        """Ln Σ |θ ⊙ ∂R/∂θ| over ``weights``, −inf if the sum is zero [no_batch_norm]."""

    @property
    def log_flow_reductions(self) -> float:
        """The same with batch normalisation only in blocks with a stride [weights]."""

    @property
    def log_flow_normalised(self) -> float:
        """The same with all batch normalisation [weights]."""

    def by_layer(
        self, function: Callable[..., Tensor], *tensors: Mapping[Key, Tensor]
    ) -> list[float]:
        """Return ``function(tensors of a layer)`` for each key of the first mapping, as numbers.

        On a GPU layers of the same shape are computed together (``torch.func.vmap``) and all
        numbers are read at once; ``float`` in a loop would wait for the GPU once per layer. The
        function returns a scalar tensor and must not read tensor values on the way.
        """

    def log_abs_determinant(self, matrix: NDArray[np.float64]) -> float:
        """Return ln |det matrix|, −inf for a singular one; timed as linear algebra."""


ProxyFunction = Callable[[Candidate], float]


@dataclass(frozen=True)
class Proxy:
    """A registered proxy.

    Parameters
    ----------
    name
        Name in the configuration, in files and in tables.
    function
        Computes the value of one candidate.
    needs
        What the function asks of a candidate; asking for anything else is an error.
    higher_is_better
        Where false, scores files hold the value with its sign turned, so that in files, searches
        and tables a higher score is always the better one.
    cite
        Where it was published.
    input
        The mini-batch that its authors use; None for that of the setting.
    weights
        The same of the weights.
    """

    name: str
    function: ProxyFunction
    needs: frozenset[Need] = frozenset()
    higher_is_better: bool = True
    cite: str = ""
    input: InputKind | None = None
    weights: Initialization | None = None

    def oriented(self, value: object) -> object:
        """Return the score to store for what the function returned; what is no number stays."""
        if self.higher_is_better or not is_number(value):
            return value
        try:
            return -float(value)  # type: ignore[arg-type]
        except OverflowError:
            return value


_REGISTRY: dict[str, Proxy] = {}


def proxy(
    name: str,
    *,
    needs: Collection[Need] = (),
    higher_is_better: bool = True,
    cite: str,
    input: InputKind | None = None,
    weights: Initialization | None = None,
) -> Callable[[ProxyFunction], ProxyFunction]:
    """Register the decorated function as the proxy ``name``; see :class:`Proxy`.

    Raises
    ------
    UnknownNameError
        When a need, or a kind of input or weights, does not exist.
    TrainfreeError
        When another function already has the name, or what is said of it is of a wrong kind.
    """
    check_words(name, needs, NEEDS, higher_is_better, cite)
    check_drawn(name, input, weights)

    def register(function: ProxyFunction) -> ProxyFunction:
        check_function(name, function)
        taken = _REGISTRY.get(name)
        if taken is not None and not may_replace(function, taken.function):
            raise TrainfreeError(
                f"proxy {name!r} of {origin(function)} is already defined in "
                f"{origin(taken.function)}; give it another name"
            )
        _REGISTRY[name] = Proxy(
            name, function, frozenset(needs), higher_is_better, cite, input, weights
        )
        return function

    return register


def registered(name: str) -> Proxy:
    """Return a registered proxy by name."""
    if name not in _REGISTRY:
        raise UnknownNameError("proxy", name, _REGISTRY)
    return _REGISTRY[name]


def is_registered(name: str) -> bool:
    """Whether a proxy of this name has announced itself."""
    return name in _REGISTRY


def registered_names() -> list[str]:
    """Return the names of all proxies that have announced themselves, sorted."""
    return sorted(_REGISTRY)


@contextmanager
def unchanged_registry() -> Iterator[None]:
    """Undo behind the ``with`` block what a proxy at work changes about the proxies there are.

    New ones stay: it may have imported one of the suite's.
    """
    before = dict(_REGISTRY)
    try:
        yield
    finally:
        _REGISTRY.update(before)
