"""The mini-batch on which all models of a table are scored, and how a loss is had of outputs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from trainfree.errors import ModelError, TrainfreeError, UnknownNameError
from trainfree.library.inputs import as_labels, as_tensors, content_hash, moved
from trainfree.library.models import place_of, stream_of
from trainfree.library.record import name_of

if TYPE_CHECKING:
    from torch import Tensor, nn

    from trainfree.scoring.candidate import CheckedCandidate

Loss: TypeAlias = "Callable[..., Tensor]"
Output: TypeAlias = "Callable[[Any], Tensor] | str | int"
Blocks: TypeAlias = "Sequence[str] | Mapping[str, Sequence[str]]"


@dataclass(frozen=True)
class MiniBatch:
    """Inputs and labels as they were given, and what is done with a model's output."""

    images: Any
    labels: Tensor | None
    loss: Loss | None
    output: Output | None
    blocks: Blocks | None

    @classmethod
    def of(
        cls,
        images: Any,
        labels: Any,
        loss: Loss | None,
        output: Output | None,
        blocks: Blocks | None,
        models: Collection[str],
    ) -> Self:
        """Return the mini-batch for models of these names.

        Raises
        ------
        ModelError
            When images or labels are not what a model can be given.
        UnknownNameError
            When ``blocks`` names a model that there is not.
        TrainfreeError
            When another argument is of the wrong kind.
        """
        from trainfree.scoring.modules.checks import check_inputs

        if loss is not None and not callable(loss):
            raise TrainfreeError(
                "loss: expected a function of the output, or of output and labels, found "
                f"{type(loss).__name__}"
            )
        if isinstance(blocks, str):
            raise TrainfreeError(f"blocks: expected a list of names, found the text {blocks!r}")
        for name in blocks if isinstance(blocks, Mapping) else ():
            if name not in models:
                raise UnknownNameError("model in blocks", str(name), models)
        batch = cls(as_tensors(images, "images"), as_labels(labels), loss, output, blocks)
        for name in models:
            check_inputs(batch.images, batch.labels, name, own_loss=loss is not None)
        return batch

    @property
    def size(self) -> int:
        """Number of images."""
        from trainfree.scoring.modules.inputs import batch_size

        return batch_size(self.images)

    @property
    def hashes(self) -> dict[str, str]:
        """Hashes of images and labels."""
        given = {"images": self.images}
        if self.labels is not None:
            given["labels"] = self.labels
        return {name: content_hash(each) for name, each in given.items()}

    @property
    def settings(self) -> dict[str, Any]:
        """What decides the scores beside images and labels."""
        return {
            "batch_size": self.size,
            "loss": "mean cross-entropy" if self.loss is None else name_of(self.loss),
            "output": name_of(self.output) if callable(self.output) else self.output,
            "blocks": self._blocks_as_lists(),
        }

    def check(self, model: nn.Module, name: str) -> None:
        """Run a model once and refuse it where no logits and no loss can be had of it.

        Raises
        ------
        ModelError
            With what is wrong, what was found and what to do.
        """
        from trainfree.scoring.modules.checks import (
            SOME,
            check_loss,
            check_output,
            first_output,
        )
        from trainfree.scoring.modules.head import Head

        known = dict(model.named_modules())
        for block in self._blocks_of(name) or ():
            if block not in known:
                raise ModelError(
                    f"model {name!r}: blocks: it has no submodule {block!r}; "
                    "list(dict(model.named_modules())) says which it has"
                )
        images, labels = self._beside(model)
        of_all = self.loss is not None  # a loss of one's own may need all labels
        found = first_output(model.eval(), images, name, of_all=of_all)
        size = self.size if of_all else min(SOME, self.size)
        labels = None if labels is None else labels[:size]
        head = Head(self.output, self.loss)
        try:
            logits = head.logits(found)
        except TrainfreeError as error:
            raise ModelError(f"model {name!r}: {error}") from error
        check_output(logits, labels, size, name, own_loss=of_all)
        if of_all:
            check_loss(lambda: head.value(found, labels), logits, labels, name)

    def candidate(self, model: nn.Module, name: str, root_seed: int) -> CheckedCandidate:
        """Return what proxies are handed of one draw of a model."""
        import torch

        from trainfree.scoring.candidate import CheckedCandidate
        from trainfree.scoring.clock import PhaseClock
        from trainfree.scoring.module_backend import ModuleBackend

        device, _ = place_of(model)
        images, labels = self._beside(model)
        backend = ModuleBackend(
            model,
            images,
            PhaseClock(torch.cuda.synchronize if device.type == "cuda" else lambda: None),
            labels,
            lambda purpose: stream_of(name, root_seed, purpose),
            loss=self.loss,
            output=self.output,
            blocks=self._blocks_of(name),
        )
        return CheckedCandidate(backend)

    def _beside(self, model: nn.Module) -> tuple[Any, Tensor | None]:
        """Return inputs and labels on the model's device, in its type of number."""
        place = place_of(model)
        labels = None if self.labels is None else moved(self.labels, *place)
        return moved(self.images, *place), labels

    def _blocks_as_lists(self) -> object:
        if isinstance(self.blocks, Mapping):
            return {name: list(ends) for name, ends in self.blocks.items()}
        return None if self.blocks is None else list(self.blocks)

    def _blocks_of(self, name: str) -> Sequence[str] | None:
        return self.blocks.get(name) if isinstance(self.blocks, Mapping) else self.blocks
