"""What a proxy may ask of a candidate architecture, and how a proxy announces itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from trainfree.errors import TrainfreeError, UnknownNameError
from trainfree.spaces.network import Network


class Candidate(Protocol):
    """One architecture at initialisation, seen through one mini-batch of B images.

    Each property is computed when a proxy first asks for it and shared by all proxies of the
    architecture.
    """

    @property
    def network(self) -> Network:
        """The network as data: layers, shapes, parameter and operation counts."""

    @property
    def relu_kernel(self) -> NDArray[np.float64]:
        """K = Σ C Cᵀ + (1 − C)(1 − C)ᵀ over all ReLU modules, shape (B, B), whole numbers."""

    @property
    def relu_kernel_official(self) -> NDArray[np.float64]:
        """The same with each ReLU inside a ``ReLUConvBN`` counted twice, as the published code."""

    @property
    def log_synaptic_flow(self) -> float:
        """Logarithm of Σ |θ ⊙ ∂R/∂θ| over convolution and linear weights, −inf for zero."""

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
        Computes the score of one candidate.
    needs_images
        Whether the score depends on the mini-batch.
    cite
        Where it was published.
    """

    name: str
    function: ProxyFunction
    needs_images: bool
    cite: str


_REGISTRY: dict[str, Proxy] = {}


def proxy(name: str, *, needs_images: bool, cite: str) -> Callable[[ProxyFunction], ProxyFunction]:
    """Register the decorated function as the proxy ``name``; see :class:`Proxy`.

    Raises
    ------
    TrainfreeError
        When another function already has the name.
    """

    def register(function: ProxyFunction) -> ProxyFunction:
        taken = _REGISTRY.get(name)
        if taken is not None and taken.function.__module__ != function.__module__:
            raise TrainfreeError(
                f"proxy {name!r} of {function.__module__} is already defined in "
                f"{taken.function.__module__}; give it another name"
            )
        _REGISTRY[name] = Proxy(name, function, needs_images, cite)
        return function

    return register


def registered(name: str) -> Proxy:
    """Return a registered proxy by name."""
    if name not in _REGISTRY:
        raise UnknownNameError("proxy", name, _REGISTRY)
    return _REGISTRY[name]
