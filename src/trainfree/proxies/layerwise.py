"""What a candidate has of each layer, besides what is in ``Candidate`` itself."""

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

        Before normalisation. A layer without positions has one; a further call of a module's layer
        is ``name#2``.
        """

    @property
    def parameter_gradients(self) -> Mapping[int | str, Any]:
        """Gradient of the loss with respect to every parameter that reaches it [gradients].

        Biases and what normalisations multiply by and add, too; of a network as data these are
        called ``"12.bias"``, ``"12.scale"`` and ``"12.shift"``, 12 being the place of the node.
        """

    @property
    def flow_gradients(self) -> Mapping[int | str, Any]:
        """∂R/∂|θ| by ``weights``, float64 [no_batch_norm].

        R is the sum of the outputs for an image of ones, all parameters absolute and batch
        normalisation left out. Weights that do not reach R lack.
        """

    @property
    def attention_weights(self) -> frozenset[int | str]:
        """Keys of ``weights`` of attention: of its queries, keys and values, and what projects it.

        A network as data has none.
        """
