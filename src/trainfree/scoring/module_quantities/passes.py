"""A torch module with its mini-batch, and the passes that several quantities share."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from trainfree.proxies.registry import Key, UndefinedScoreError
from trainfree.scoring.backend import Backend, Counts, logit_gradient, named, refuse_zero
from trainfree.scoring.clock import PhaseClock
from trainfree.scoring.module_quantities import codes
from trainfree.scoring.module_quantities.gradients import LossPass, loss_pass, weight_gradients
from trainfree.scoring.module_quantities.per_image import Singles, singles
from trainfree.scoring.module_quantities.regions import Thinned
from trainfree.scoring.modules.conditions import Fixed, OfBatch, conditions
from trainfree.scoring.modules.head import Head, Loss, Pick
from trainfree.scoring.modules.inputs import Inputs, call
from trainfree.scoring.modules.rerun import Rerun
from trainfree.scoring.modules.structure import Structure, examine
from trainfree.spaces.network import Network


class ModulePasses(Backend):
    """What the quantities of a torch module are computed from: passes that they share.

    The module is put into evaluation mode and is otherwise left as it is; pass a copy.

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
        Returns the module of one channel and one block of each kind, its weights drawn anew each
        time.
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
                self._model,
                self._inputs,
                structure,
                self._statistics,
                self._value(self._given_labels),
            )

        found = self.once("loss gradients", run)
        self._require_gradient(found.weights.values())
        return found

    @property
    def kept_loss(self) -> LossPass:
        """The same with outputs of layers and their gradients."""
        structure, of = self.structure, self._value(self._given_labels)

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

    @property
    def singles(self) -> Singles:
        """The first images and how weights are used, for the gradients of single images."""
        self._require_trainable()
        weights, fixed = self.structure.weights, self.fixed
        return self.once("singles", lambda: singles(self._model, self._inputs, weights, fixed))

    # The architecture and its tensors

    @property
    def counts(self) -> Counts:
        """What can be counted of the model."""
        structure, parameters = self.structure, list(self._model.parameters())
        shape = self._head.logits(structure.output).shape
        return Counts(
            sum(parameter.numel() for parameter in parameters),
            structure.flops,
            structure.units,
            len(parameters),
            shape[1] if len(shape) == 2 else None,
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

    def _labels_of(self, images: slice) -> Tensor | None:
        return None if self._given_labels is None else self._given_labels[images]

    def _value(self, labels: Tensor | None, is_part: bool = False) -> Callable[[Any], Tensor]:
        return lambda output: self._head.value(output, labels, is_part)

    def _require_activations(self) -> None:
        if not self.structure.activations:
            raise UndefinedScoreError("the model executes no activation that sees the images")

    def _require_trainable(self) -> None:
        if not any(parameter.requires_grad for parameter in self._model.parameters()):
            raise UndefinedScoreError("all parameters are frozen, so none has a gradient")

    def _require_gradient(self, found: Iterable[Tensor]) -> None:
        self._require_trainable()
        refuse_zero(found)
