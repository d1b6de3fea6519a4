"""Layer-wise members of a candidate, in addition to those in ``Candidate`` itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class Layerwise(Protocol):
    """Tensors of layers, by the keys of ``Candidate``: shared, so that proxies must not edit them.

    Each is computed when a proxy first asks for it, as everything of a candidate.
    """

    @property
    def layer_features(self) -> Mapping[int | str, Any]:
        """Outputs of layers with ``weights``, (B, channels, positions) [activations].

        Before normalisation. A layer without positions has one; the second call of a module's
        layer is ``name#2``.
        """

    @property
    def parameter_gradients(self) -> Mapping[int | str, Any]:
        """Gradient of the loss with respect to every parameter that reaches it [gradients].

        Including biases and the scales and shifts of normalisations; for a network as data these
        are called ``"12.bias"``, ``"12.scale"`` and ``"12.shift"``, where 12 is the node's index.
        """

    @property
    def flow_gradients(self) -> Mapping[int | str, Any]:
        """∂R/∂|θ| by ``weights``, float64 [no_batch_norm].

        R is the sum of the outputs for an image of ones, with absolute parameters and without
        batch normalisation. Weights that do not reach R are missing.
        """

    @property
    def attention_weights(self) -> frozenset[int | str]:
        """Keys of attention's ``weights``: of queries, keys, values and the output projection.

        A network as data has none.
        """
