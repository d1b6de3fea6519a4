"""The quantities of any torch module; see ``Backend`` for each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from trainfree.proxies.own_passes import Layer
from trainfree.proxies.registry import Key, UndefinedScoreError
from trainfree.scoring.backend import T, named
from trainfree.scoring.module_quantities import block_features, flow
from trainfree.scoring.module_quantities.curvature import gradient_curvature
from trainfree.scoring.module_quantities.expansion import log_expansion
from trainfree.scoring.module_quantities.first_entries import first_entry_fisher
from trainfree.scoring.module_quantities.gradients import layer_features, weight_gradients
from trainfree.scoring.module_quantities.jacobian import input_jacobian
from trainfree.scoring.module_quantities.own_passes.curve import output_curvature
from trainfree.scoring.module_quantities.own_passes.layers import over_layers
from trainfree.scoring.module_quantities.own_passes.masked import masked_codes
from trainfree.scoring.module_quantities.passes import ModulePasses
from trainfree.scoring.module_quantities.per_image import sign_agreement, tangent_kernel
from trainfree.scoring.module_quantities.regions import linear_regions
from trainfree.scoring.module_quantities.responses import weighted_response_kernel
from trainfree.scoring.modules.conditions import OfBatch
from trainfree.scoring.modules.dataflow import attention_weights
from trainfree.scoring.modules.inputs import batch_size, part
from trainfree.scoring.quantities.formulas import (
    ascending_eigenvalues,
    distinct_patterns,
    smallest_eigenvalue_sum,
)
from trainfree.scoring.quantities.own_passes.masking import MaskedCodes

_FEW = 3


class ModuleBackend(ModulePasses):
    """Computes from a torch module alone; see :class:`ModulePasses` for what it is made of."""

    def relu_kernel(self) -> NDArray[np.float64]:
        """Return K with each activation counted once, (B, B)."""
        self._require_activations()
        return self.activations.kernel

    def relu_kernel_official(self) -> NDArray[np.float64]:
        """Return K of modules with "ReLU" in the name of their class, (B, B)."""
        kernel = self.activations.official
        if kernel is None:
            raise UndefinedScoreError('the model calls no module with "ReLU" in its class\'s name')
        return kernel

    def distinct_unit_patterns(self) -> int:
        """Count the different patterns of a unit over the images."""
        self._require_activations()
        return distinct_patterns([code.patterns() for code in self.activations.codes])

    def smallest_correlation_eigenvalues(self) -> float:
        """Return Σ over layers of λ_min of the channels' correlations."""
        features = [(1, found) for found in self.activations.features if found.shape[1] > 1]
        if not features:
            raise UndefinedScoreError("no layer has more than one position")
        # Of no more positions than channels the smallest eigenvalue is zero.
        return smallest_eigenvalue_sum(
            [(times, found) for times, found in features if found.shape[1] > found.shape[0]]
        )

    def masked_codes(self) -> MaskedCodes:
        """Return the codes of NCD's pass."""
        self._require_activations()
        rng = self.stream("proxy/ncd")
        return masked_codes(self._model, self._inputs, self.structure, rng)

    def first_features(self) -> Sequence[Tensor]:
        """Return the first image's (channels, positions) in each layer."""
        return self.activations.features

    def over_layers(self, function: Callable[[Layer], T]) -> list[T]:
        """Run the inputs and return ``function`` of each layer."""
        return over_layers(self._model, self._inputs, self.structure, OfBatch(), function)

    def output_curvature(self) -> float:
        """Return the curvature of the outputs along a random circle of inputs."""
        rng = self.stream("proxy/output curvature")
        return output_curvature(self._model, self._inputs, self._head.logits, rng)

    @property
    def attention_weights(self) -> frozenset[Key]:
        """Names of the weights of attention's projections."""

        def find() -> frozenset[Key]:
            found = attention_weights(self._model, self._inputs)
            return frozenset(name for name in self.structure.weights if name in found)

        return self.once("attention", find)

    def layer_features(self) -> Mapping[Key, Tensor]:
        """Return outputs of layers with weights, (B, channels, positions)."""
        return named(layer_features(self._model, self._inputs, self.structure, self._statistics))

    def parameter_gradients(self) -> Mapping[Key, Tensor]:
        """Return the gradients of the loss by name of the parameter."""
        names, of = dict(self._model.named_parameters()), self._value(self._given_labels)
        found = weight_gradients(self._model, self._inputs, tuple(names), OfBatch(), of)
        self._require_gradient(found[name] for name in self.structure.weights if name in found)
        return named(found)

    def flow_gradients(self) -> Mapping[Key, Tensor]:
        """Return ∂R/∂|θ| by name of the parameter, without batch normalisation."""
        weights, pick = self.structure.weights, self._head.logits
        return named(flow.flow_gradients(self._model, self._inputs, weights, pick))

    def block_entropies(self) -> NDArray[np.float64]:
        """Return the entropy of stem and blocks, (blocks + 1,)."""
        return block_features.block_entropies(
            self._model, self._inputs, self.structure, self._statistics
        )

    def half_gradients(self) -> Sequence[Mapping[Key, Tensor]]:
        """Return the gradients of the loss of each half of the mini-batch."""
        middle = batch_size(self._inputs) // 2
        if not middle:
            raise UndefinedScoreError("a mini-batch of one image has no halves")
        halves = []
        for images in (slice(None, middle), slice(middle, 2 * middle)):
            halves.append(
                weight_gradients(
                    self._model,
                    part(self._inputs, images),
                    self.structure.weights,
                    OfBatch(),
                    self._value(self._labels_of(images), is_part=True),
                )
            )
        first, second = halves
        self._require_gradient([*first.values(), *second.values()])
        return [named(half) for half in halves]

    def gradient_curvature(self) -> float:
        """Return gᵀ H w."""
        few = slice(None, _FEW)
        return gradient_curvature(
            self._model,
            self._inputs,
            self.structure.values * batch_size(self._inputs),
            part(self._inputs, few),
            self.loss.weights,
            self._value(self._given_labels),
            None
            if self._head.takes_all_labels
            else self._value(self._labels_of(few), is_part=True),
        )

    def weighted_response_kernel(self) -> NDArray[np.float64]:
        """Return the summed correlations of responses and their gradients, (B, B)."""
        self._require_activations()
        self._require_gradient(self.loss.weights.values())
        return weighted_response_kernel(
            self._model,
            self._inputs,
            self.structure,
            OfBatch(),
            self._value(self._given_labels),
        )

    def input_jacobian(self) -> NDArray[np.float64]:
        """Return ∂ Σ logits / ∂ images, (B, D); UndefinedScoreError where it is zero."""
        return input_jacobian(self._model, self._inputs, self._head.logits)

    def block_trainabilities(self) -> NDArray[np.float64]:
        """Return how blocks pass random gradients back, (blocks,)."""
        rng = self.stream("proxy/az_trainability")
        return block_features.block_trainabilities(
            self._model, self._inputs, self.structure, OfBatch(), rng
        )

    def tangent_kernel(self) -> NDArray[np.float64]:
        """Return the neural tangent kernel, (B, B)."""
        few = self.singles
        return self.once("tangent kernel", lambda: tangent_kernel(few, self._head.logits))

    def gradient_sign_agreement(self) -> float:
        """Return Σ |Σ sign(∂ loss / ∂ w)|, 0 where no weight has a gradient."""
        few = self.singles

        def value(output: Any, image: int) -> Tensor:
            labels = self._labels_of(slice(image, image + 1))
            return self._head.value(output, labels, is_part=True)

        return self.once("sign agreement", lambda: sign_agreement(few, value))

    def fisher_eigenvalues(self) -> NDArray[np.float64]:
        """Return the eigenvalues of the first entries' Fisher information, ascending."""
        fixed = self.fixed
        if self.counts.classes is None:
            raise UndefinedScoreError("the output is not a matrix of logits, so it has no classes")
        if self.counts.classes == 1:
            raise UndefinedScoreError("the output is one logit, whose softmax is always one")
        fisher = first_entry_fisher(self._model, self._inputs, fixed, self._head.logits)
        return ascending_eigenvalues(fisher)

    def linear_regions(self) -> float:
        """Return the mean number of codes of small pieces of images in the thinned network."""
        if self._thinned is None:
            raise UndefinedScoreError("a torch module cannot be thinned to one channel")
        return linear_regions(self._thinned, self.stream("proxy/linear_regions"), self._inputs)

    def log_gaussian_expansion(self) -> float:
        """Return the Zen score."""
        return log_expansion(
            self._model,
            self._inputs,
            self.structure,
            self.stream("proxy/zen weights"),
            self.stream("proxy/zen"),
        )

    def log_synaptic_flow(self) -> float:
        """Return ln Σ |θ ⊙ ∂R/∂θ| without batch normalisation."""
        return flow.log_synaptic_flow(self._model, self._inputs, self.structure, self._head.logits)

    def log_flow_normalised(self, reductions_only: bool) -> float:
        """Return it with batch normalisation, all of it or that of blocks with a stride."""
        return flow.log_normalised_flow(
            self._model, self._inputs, self.structure, self._head.logits, reductions_only
        )
