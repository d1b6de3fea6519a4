"""What becomes of a model's output: which part of it are the logits, and its loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import Parameter, signature
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional as F

from trainfree.errors import TrainfreeError
from trainfree.proxies.registry import UndefinedScoreError

Loss: TypeAlias = Callable[..., Tensor]
"""Takes the output, or output and labels, and returns a tensor of one number, the mean loss."""
Pick: TypeAlias = Callable[[Any], Tensor] | str | int
"""Which part of the output are the logits: a key, a place, or a function of the output."""


@dataclass(frozen=True)
class Head:
    """Logits and loss of a model's output.

    Parameters
    ----------
    pick
        Without one the output is the logits, or the first tensor of a tuple or dictionary is.
    loss
        Takes the output, or what ``pick`` makes of it, and the labels where it has two arguments;
        the mean cross-entropy of the logits without one.
    """

    pick: Pick | None = None
    loss: Loss | None = None

    def logits(self, output: Any) -> Tensor:
        """Return the logits, (B, …).

        Raises
        ------
        TrainfreeError
            When there is no such part, or it is no tensor of real numbers.
        """
        found = self._picked(output)
        if self.pick is None:
            found = _first_tensor(found)
        if not isinstance(found, Tensor) or not found.is_floating_point():
            kind = found.dtype if isinstance(found, Tensor) else type(found).__name__
            raise TrainfreeError(
                f"output: expected a tensor of real numbers, found {kind}; "
                "output= says which part of what the model returns to take"
            )
        return found

    @property
    def takes_all_labels(self) -> bool:
        """Whether the loss takes the output alone: it can be had of all images only."""
        return self.loss is not None and _arguments(self.loss) < 2

    def value(self, output: Any, labels: Tensor | None, is_part: bool = False) -> Tensor:
        """Return the loss of an output.

        Parameters
        ----------
        labels
            Of the images of this output.
        is_part
            Whether these are some of the images only.

        Raises
        ------
        UndefinedScoreError
            When the loss needs labels and there are none, or those of all images.
        TrainfreeError
            When the loss is no tensor of one number.
        """
        if self.loss is None:
            if labels is None:
                raise UndefinedScoreError("the mini-batch has no labels")
            return F.cross_entropy(self.logits(output), labels)
        value = self._own(self._picked(output), labels, is_part)
        if not isinstance(value, Tensor) or value.numel() != 1:
            found = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise TrainfreeError(f"loss: expected a tensor of one number, found {found}")
        return value.sum()

    def _own(self, output: Any, labels: Tensor | None, is_part: bool) -> Any:
        assert self.loss is not None
        if self.takes_all_labels:
            if is_part:
                raise UndefinedScoreError(
                    "the loss takes the output alone, so it cannot be had of some of the images; "
                    "let it take output and labels"
                )
            return self.loss(output)
        if labels is None:
            raise UndefinedScoreError("the mini-batch has no labels")
        return self.loss(output, labels)

    def _picked(self, output: Any) -> Any:
        if self.pick is None:
            return output
        if callable(self.pick):
            return self.pick(output)
        if isinstance(output, Tensor):  # a place in it would be an image
            raise TrainfreeError(
                f"output: the model returns a tensor, which has no part {self.pick!r}; leave "
                "output= out, or let it be a function"
            )
        try:
            return output[self.pick]
        except (KeyError, IndexError, TypeError):
            keys = ", ".join(map(repr, output)) if isinstance(output, Mapping) else ""
            found = f"a dictionary with {keys}" if keys else f"a {type(output).__name__}"
            raise TrainfreeError(
                f"output: the model's output has no part {self.pick!r}; found {found}"
            ) from None


def _first_tensor(output: Any) -> Any:
    if isinstance(output, Tensor):
        return output
    parts = output.values() if isinstance(output, Mapping) else output
    if isinstance(output, Mapping | tuple | list):
        return next((part for part in parts if isinstance(part, torch.Tensor)), output)
    return getattr(output, "logits", output)


def _arguments(loss: Loss) -> int:
    """Return how many arguments a loss takes in order."""
    try:
        parameters = signature(loss).parameters.values()
    except ValueError:  # some built-in functions have none
        return 2
    kinds = [p.kind for p in parameters if p.default is Parameter.empty]
    if Parameter.VAR_POSITIONAL in kinds:
        return 2
    in_order = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
    return sum(kind in in_order for kind in kinds)
