"""Members of a candidate that need their own pass through the network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")
Kind: TypeAlias = Literal["product", "normalisation", "activation", "pooling"]


@dataclass(frozen=True)
class Layer:
    """One layer at work.

    Parameters
    ----------
    kind
        A product is a convolution, a linear layer or another product by a weight.
    output
        What it makes, (B, channels, positions); behind a linear layer there is one position.
    input
        What a product reads, (B, …); None of other kinds, and where it is not known which part
        of it belongs to which image.
    modules
        How many modules of the published network stand for it: those that compute the same.
    """

    kind: Kind
    output: Any
    input: Any = None
    modules: int = 1

    def copy(self) -> Layer:
        """Return the same with tensors of its own."""
        read = None if self.input is None else self.input.clone()
        return replace(self, output=self.output.clone(), input=read)


class OwnPasses(Protocol):
    """The part of :class:`~trainfree.proxies.registry.Candidate` with such passes."""

    @property
    def masked_relu_kernel(self) -> NDArray[np.float64]:
        """K of a pass with masked convolutions and layer normalisation [activations and random].

        This is NCD's pass: 95 % of each convolution's input is set to zero, at random.
        """

    @property
    def masked_unit_patterns(self) -> int:
        """Number of different patterns of units in that pass [activations and random]."""

    @property
    def first_features(self) -> Sequence[Any]:
        """Features of the first image in each layer, (channels, positions) [activations].

        Layers are convolutions, linear layers, normalisations, activations and pooling.
        """

    def over_layers(self, function: Callable[[Layer], T]) -> list[T]:
        """Run the mini-batch and return ``function`` of each of these layers [activations]."""

    def arrays(self, tensors: Sequence[Any]) -> list[NDArray[np.floating]]:
        """Return tensors of one type as NumPy arrays; GPU tensors in one copy."""

    @property
    def output_curvature(self) -> float:
        """Curvature of the outputs along a random circle of inputs [jacobian and random].

        NaN if they do not change, or if there is only one.
        """
