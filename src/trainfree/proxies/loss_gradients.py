"""Gradients of the loss of a candidate, and of any other loss."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any


class LossGradients(Mapping[int | str, Any]):
    """Gradients of the loss by key, computed when they are read; called, those of one's own loss.

    Parameters
    ----------
    of_the_loss
        Returns the gradients of the candidate's loss.
    of_own
        Returns those of another loss of the logits.
    """

    __slots__ = ("_of_own", "_of_the_loss")

    def __init__(
        self,
        of_the_loss: Callable[[], Mapping[int | str, Any]],
        of_own: Callable[[Callable[[Any], Any]], Mapping[int | str, Any]],
    ) -> None:
        self._of_the_loss, self._of_own = of_the_loss, of_own

    def __call__(self, loss: Callable[[Any], Any]) -> Mapping[int | str, Any]:
        """Return the gradients of ``loss(logits)``, computed anew.

        Parameters
        ----------
        loss
            Takes the logits, (B, classes), and returns a tensor of one number.

        Raises
        ------
        UndefinedScoreError
            With −inf, when no weight has a gradient.
        TrainfreeError
            When ``loss`` returns anything else, or what does not depend on the logits.
        """
        return self._of_own(loss)

    def __getitem__(self, key: int | str) -> Any:
        return self._of_the_loss()[key]

    def __iter__(self) -> Iterator[int | str]:
        return iter(self._of_the_loss())

    def __len__(self) -> int:
        return len(self._of_the_loss())
