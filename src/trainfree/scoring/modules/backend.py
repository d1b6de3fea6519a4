"""The quantities of any torch module, by passes of its own; see ``Backend`` for each."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trainfree.proxies.registry import Key, UndefinedScoreError
from trainfree.scoring.backend import Backend, Counts, logit_gradient, named, refuse_zero
from trainfree.scoring.clock import PhaseClock
from trainfree.scoring.modules import block_features, codes, flow
from trainfree.scoring.modules.conditions import Fixed, OfBatch, conditions
from trainfree.scoring.modules.curvature import gradient_curvature
from trainfree.scoring.modules.expansion import log_expansion
from trainfree.scoring.modules.first_entries import first_entry_fisher
from trainfree.scoring.modules.gradients import LossPass, loss_pass, weight_gradients
from trainfree.scoring.modules.head import Head, Loss, Pick
from trainfree.scoring.modules.inputs import (
    Inputs,
    batch_size,
    call,
    is_continuous,
    mapped,
    part,
    tensors,
)
from trainfree.scoring.modules.per_image import IMAGES, sign_agreement, tangent_kernel
from trainfree.scoring.modules.regions import Thinned, linear_regions
from trainfree.scoring.modules.rerun import Rerun
from trainfree.scoring.modules.responses import weighted_response_kernel
from trainfree.scoring.modules.structure import Structure, examine
from trainfree.scoring.quantities.channel_correlations import smallest_eigenvalue_sum
from trainfree.scoring.quantities.fisher_information import ascending_eigenvalues
from trainfree.scoring.quantities.patterns import distinct_patterns
from trainfree.spaces.network import Network

_FEW = 3


class ModuleBackend(Backend):
    """Computes from a torch module alone.

    The module is put into evaluation mode and is otherwise left as it is; hand in a copy.

    Parameters
    ----------
    model
        Any module. Batch normalisation takes the statistics of the mini-batch whatever its mode;
        nothing is dropped out.
    inputs
        The mini-batch on the model's device: a tensor (B, …), a tuple of positional or a dictionary
        of keyword arguments.
    clock, stream
        As for every backend.
    labels
        What the loss compares the output with, (B, …).
    loss
        Takes the output, or output and labels, and returns the mean loss; the mean cross-entropy
        without one.
    output
        Which part of what the model returns are the logits: a key, a place or a function. Without
        one it is the tensor, or the first one of a tuple or dictionary.
    blocks
        Names of submodules whose outputs end stem and blocks. Without them the model's attribute
        ``blocks_end``, or where everything passes through one tensor behind a sum or concatenation.
    thinned
        Returns the module with its channels divided by the stem's, weights drawn, and the shape of
        an input for it.
    """

    def __init__(
        self,
        model: nn.Module,
        inputs: Inputs,
        clock: PhaseClock,
        labels: Tensor | None = None,
        stream: Callable[[str], np.random.Generator] | None = None,
        *,
        loss: Loss | None = None,
        output: Pick | None = None,
        blocks: Sequence[str] | None = None,
        thinned: Thinned | None = None,
    ) -> None:
        super().__init__(clock, labels, stream)
        self._model, self._inputs = model.eval(), inputs
        self._head = Head(output, loss)
        self._blocks = getattr(model, "blocks_end", None) if blocks is None else blocks
        self._thinned = thinned
        self._statistics = OfBatch()

    # What the quantities are computed from, each shared

    @property
    def structure(self) -> Structure:
        """What the model executes."""

        def run() -> Structure:
            with self.clock.phase("build"):
                blocks = None if self._blocks is None else tuple(self._blocks)
                return examine(self._model, self._inputs, blocks)

        return self.results.get("structure", run)

    @property
    def activations(self) -> codes.Seen:
        """What a pass without gradients has shown."""
        structure = self.structure

        def run() -> codes.Seen:
            return codes.watch(
                self._model, self._inputs, structure, self._statistics, self._head, self.clock
            )

        return self.results.get("activations", run)

    @property
    def loss(self) -> LossPass:
        """Gradients of the loss."""
        structure = self.structure

        def run() -> LossPass:
            return loss_pass(
                self._model, self._inputs, structure, self._statistics, self._value(self._given)
            )

        found = self.once("loss gradients", run)
        self._require_gradient(found.weights.values())
        return found

    @property
    def kept_loss(self) -> LossPass:
        """The same with outputs of layers and their gradients."""
        structure, of = self.structure, self._value(self._given)

        def run() -> LossPass:
            return loss_pass(self._model, self._inputs, structure, OfBatch(), of, keep_outputs=True)

        return self.once("loss gradients and outputs", run)

    @property
    def fixed(self) -> Fixed:
        """Normalisation by the statistics of the mini-batch, whatever images are given."""

        def run() -> Fixed:
            if not self._statistics.seen:
                with torch.no_grad(), conditions(self._statistics):
                    call(self._model, self._inputs)
            return Fixed(self._statistics.seen)

        return self.once("statistics", run)

    # The architecture and its tensors

    @property
    def counts(self) -> Counts:
        """What can be counted of the model."""
        structure, parameters = self.structure, list(self._model.parameters())
        return Counts(
            sum(parameter.numel() for parameter in parameters),
            structure.flops,
            structure.units,
            len(parameters),
            self._classes(self.once("outline", self._outline)),
        )

    @property
    def network(self) -> Network:
        """There is none."""
        raise UndefinedScoreError("a torch module has no network as data")

    @property
    def has_blocks(self) -> bool:
        """Whether stem and at least one block end somewhere."""
        return len(self.structure.ends) > 1

    def module(self) -> nn.Module:
        """Return a copy of the model that runs under the conditions of scoring."""
        return Rerun(copy.deepcopy(self._model), self._head)

    @property
    def images(self) -> Inputs:
        """The mini-batch."""
        return self._inputs

    @property
    def logits(self) -> Tensor:
        """Outputs of the model."""
        return self.activations.logits

    @property
    def weights(self) -> Mapping[Key, Tensor]:
        """Weights by name of the parameter."""
        parameters = dict(self._model.named_parameters())
        return named({name: parameters[name].detach() for name in self.structure.weights})

    @property
    def biases(self) -> Mapping[Key, Tensor]:
        """Biases by name of the parameter."""
        parameters = dict(self._model.named_parameters())
        return named({name: parameters[name].detach() for name in self.structure.biases})

    @property
    def outputs(self) -> Mapping[Key, Tensor]:
        """Outputs of layers by the name of their weight, ``name#2`` for a second call."""
        return named(self.kept_loss.outputs)

    @property
    def loss_gradients(self) -> Mapping[Key, Tensor]:
        """Gradients of the loss by name of the parameter."""
        return named(self.loss.weights)

    @property
    def output_gradients(self) -> Mapping[Key, Tensor]:
        """Gradients of the loss with respect to ``outputs``."""
        return named(self.kept_loss.output_gradients)

    def gradients_of(self, loss: Callable[[Tensor], Tensor]) -> Mapping[Key, Tensor]:
        """Return the gradients of a loss of the logits by name of the parameter."""

        def along(output: Any) -> Tensor:
            logits = self._head.logits(output)
            return (logits * logit_gradient(loss, logits)).sum()

        found = weight_gradients(
            self._model, self._inputs, self.structure.weights, OfBatch(), along
        )
        self._require_gradient(found.values())
        return named(found)

    def channel_gradients(self) -> Mapping[Key, Tensor]:
        """Return Σ over positions of output times its gradient, (B, channels) by weight."""
        return named(self.loss.channels)

    # The quantities

    def relu_kernel(self) -> NDArray[np.float64]:
        """Return K with each activation counted once, (B, B)."""
        if not self.structure.activations:
            raise UndefinedScoreError("the model executes no activation that sees the images")
        return self.activations.kernel

    def relu_kernel_official(self) -> NDArray[np.float64]:
        """Return K of modules with "ReLU" in the name of their class, (B, B)."""

        def run() -> NDArray[np.float64] | None:
            with self.clock.phase("forward"):
                return codes.official_kernel(self._model, self._inputs, self._statistics)

        kernel = self.results.get("official kernel", run)
        if kernel is None:
            raise UndefinedScoreError('the model calls no module with "ReLU" in its class\'s name')
        return kernel

    def distinct_unit_patterns(self) -> int:
        """Count the different patterns of a unit over the images."""
        if not self.structure.activations:
            raise UndefinedScoreError("the model executes no activation that sees the images")
        return distinct_patterns(self.activations.words)

    def smallest_correlation_eigenvalues(self) -> float:
        """Return Σ over layers of λ_min of the channels' correlations."""
        features = [found for found in self.activations.features if found.shape[1] > 1]
        if not features:
            raise UndefinedScoreError("no layer has more than one position")
        return smallest_eigenvalue_sum(features)

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
            part(self._inputs, few),
            self.loss.weights,
            self._value(self._given),
            None
            if self._head.takes_all_labels
            else self._value(self._labels_of(few), is_part=True),
        )

    def weighted_response_kernel(self) -> NDArray[np.float64]:
        """Return the summed correlations of responses and their gradients, (B, B)."""
        structure = self.structure
        if not structure.activations:
            raise UndefinedScoreError("the model executes no activation that sees the images")
        self._require_gradient(self.loss.weights.values())
        return weighted_response_kernel(
            self._model, self._inputs, structure, OfBatch(), self._value(self._given)
        )

    def input_jacobian(self) -> NDArray[np.float64]:
        """Return ∂ Σ logits / ∂ images, (B, D); UndefinedScoreError where it is zero."""
        if not is_continuous(self._inputs):
            raise UndefinedScoreError("the inputs are whole numbers, which have no Jacobian")
        inputs = mapped(self._inputs, lambda x: x.detach().requires_grad_())
        parameters = {name: x.detach() for name, x in self._model.named_parameters()}
        with torch.enable_grad(), conditions(OfBatch()):
            total = self._head.logits(call(self._model, inputs, parameters)).sum()
            leaves = tensors(inputs)
            found: Sequence[Tensor | None] = [None] * len(leaves)
            if total.requires_grad:
                found = torch.autograd.grad(total, leaves, allow_unused=True)
        rows = torch.cat(
            [
                (torch.zeros_like(leaf) if gradient is None else gradient).flatten(1)
                for leaf, gradient in zip(leaves, found, strict=True)
            ],
            dim=1,
        )
        if not bool(rows.any()):
            raise UndefinedScoreError("the output does not depend on the input", score=-np.inf)
        jacobian: NDArray[np.float64] = rows.detach().to(torch.float64).cpu().numpy()
        return jacobian

    def block_trainabilities(self) -> NDArray[np.float64]:
        """Return how blocks pass random gradients back, (blocks,)."""
        rng = self.stream("proxy/az_trainability")
        return block_features.block_trainabilities(
            self._model, self._inputs, self.structure, OfBatch(), rng
        )

    def tangent_kernel(self) -> NDArray[np.float64]:
        """Return the neural tangent kernel, (B, B)."""
        self._require_trainable()
        images = min(IMAGES, batch_size(self._inputs))
        weights, fixed = self.structure.weights, self.fixed

        def run() -> NDArray[np.float64]:
            return tangent_kernel(
                self._model, self._inputs, weights, fixed, self._head.logits, images
            )

        return self.once("tangent kernel", run)

    def gradient_sign_agreement(self) -> float:
        """Return Σ |Σ sign(∂ loss / ∂ w)|, 0 where no weight has a gradient."""
        self._require_trainable()
        images = min(IMAGES, batch_size(self._inputs))
        weights, fixed = self.structure.weights, self.fixed

        def value(output: Any, image: int) -> Tensor:
            labels = self._labels_of(slice(image, image + 1))
            return self._head.value(output, labels, is_part=True)

        def run() -> float:
            return sign_agreement(self._model, self._inputs, weights, fixed, value, images)

        return self.once("sign agreement", run)

    def fisher_eigenvalues(self) -> NDArray[np.float64]:
        """Return the eigenvalues of the first entries' Fisher information, ascending."""
        fixed = self.fixed
        if self.counts.classes is None:
            raise UndefinedScoreError("the output is no matrix of logits, so it has no classes")
        if self.counts.classes == 1:
            raise UndefinedScoreError("the output is one logit, whose softmax is always one")
        fisher = first_entry_fisher(self._model, self._inputs, fixed, self._head.logits)
        return ascending_eigenvalues(fisher)

    def linear_regions(self) -> int:
        """Count the codes of random inputs to the thinned network."""
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

    @property
    def _given(self) -> Tensor | None:
        return self._given_labels

    def _labels_of(self, images: slice) -> Tensor | None:
        return None if self._given_labels is None else self._given_labels[images]

    def _value(self, labels: Tensor | None, is_part: bool = False) -> Callable[[Any], Tensor]:
        return lambda output: self._head.value(output, labels, is_part)

    def _outline(self) -> tuple[int, ...]:
        """Return the shape of the logits of a few images."""
        with torch.no_grad(), conditions(OfBatch()):
            few = part(self._inputs, slice(None, _FEW))
            return tuple(self._head.logits(call(self._model, few)).shape)

    def _classes(self, outline: tuple[int, ...]) -> int | None:
        return outline[1] if len(outline) == 2 else None

    def _require_trainable(self) -> None:
        if not any(parameter.requires_grad for parameter in self._model.parameters()):
            raise UndefinedScoreError("all parameters are frozen, so none has a gradient")

    def _require_gradient(self, found: Iterable[Tensor]) -> None:
        self._require_trainable()
        refuse_zero(found)
