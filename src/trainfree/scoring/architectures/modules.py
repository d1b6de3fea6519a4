"""Architectures that are torch modules, from spaces of others: one of the two ways."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trainfree.errors import ModelError
from trainfree.outside.foreign import ForeignError, contained, kind_of, told
from trainfree.outside.process_state import seed_global_generators
from trainfree.scoring.architectures.architecture import Architecture, Trainable
from trainfree.scoring.clock import PhaseClock
from trainfree.scoring.module_backend import ModuleBackend
from trainfree.scoring.modules.checks import check_model, copied
from trainfree.scoring.modules.head import Head
from trainfree.scoring.modules.redraw import redraw
from trainfree.scoring.modules.words import model_error
from trainfree.scoring.status import is_out_of_memory
from trainfree.spaces import SPACE_NAMES
from trainfree.spaces.protocol import Space


def backend(
    architecture: Architecture, batch: Tensor, labels: Tensor, clock: PhaseClock
) -> ModuleBackend:
    """Return what computes an architecture's quantities on a mini-batch.

    It has counted the architecture already: a module whose forward pass fails is found out here,
    once, and not by each proxy.
    """
    with clock.phase("build"):
        model = built(architecture, batch)
    # Modules may reshape images by ``view``, which those with channels last do not allow.
    images = batch.contiguous()
    made = ModuleBackend(model, images, clock, labels, architecture.stream)
    made.making_seconds = clock.seconds["build"]
    shape = tuple(images.shape)
    with _blamed(architecture, lambda error: f"it fails for images {shape}: {told(error)}"):
        found = made.counts.classes
    if found != architecture.classes:
        returned = "something else" if found is None else f"(B, {found})"
        raise model_error(
            architecture.called,
            f"expected it to return logits, (B, {architecture.classes}), one per class, found "
            f"{returned}; make its last layer as wide as the argument classes says",
        )
    return made


def trainable(architecture: Architecture, batch: Tensor) -> TrainableModule:
    """Return an architecture as what can be trained, on the device and in the type of a batch."""
    return TrainableModule(built(architecture, batch))


def module(architecture: Architecture) -> nn.Module:
    """Return an architecture as a plain torch module with the weights that are scored."""
    return built(architecture, torch.zeros(0)).train()


class TrainableModule(Trainable):
    """A module of others that learns as it is: with its dropout, with statistics of the batch.

    Parameters
    ----------
    model
        Returns logits, or what has them as its first part.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self._model = model

    def forward(self, batch: Tensor) -> Tensor:
        """Return the logits of a batch, (B, classes)."""
        return Head().logits(self._model(batch.contiguous()))

    def relu_kernel(self, batch: Tensor) -> NDArray[np.float64]:
        """Return K_H with each activation counted once, (B, B)."""
        model = copy.deepcopy(self._model).eval()
        return ModuleBackend(model, batch.contiguous(), PhaseClock()).relu_kernel()


def printed(space: Space, index: int, image_size: int, classes: int) -> str:
    """Return the module of an architecture as torch prints it; errors as of :func:`built`."""
    architecture = Architecture(space, index, image_size, classes, 0, "pytorch")
    model = _called(architecture)
    with _blamed(architecture, lambda error: f"it cannot be printed: {told(error)}"):
        return repr(model)


def built(architecture: Architecture, batch: Tensor) -> nn.Module:
    """Return the module of an architecture, in evaluation mode, where ``batch`` lies.

    Its own code draws the weights, from generators that are seeded for it; with another
    initialisation than PyTorch's they are drawn anew. That of a space of others is built twice: so
    a module that shares weights with another, or draws them from elsewhere, is found out whatever
    was built before it, and scores cannot depend on the order of architectures. It is scored as a
    copy, since the space may keep it.

    Raises
    ------
    ModelError
        When ``module`` of the space raises, or returns what cannot be scored.
    MemoryError
        When there is not enough memory.
    """
    model = _called(architecture)
    with _blamed(architecture, lambda error: f"it cannot be used: {told(error)}"):
        if architecture.space.name not in SPACE_NAMES:
            _require_own_weights(architecture, model, _called(architecture))
            model = copied(model, architecture.called)
        model = model.eval().to(batch.device, batch.dtype)
        if architecture.initialization != "pytorch":
            redraw(model, architecture.initialization, architecture.stream("weights"))
    return model


def _called(architecture: Architecture) -> nn.Module:
    """Call ``module`` of the space, seeded for the architecture, and check what it returns."""
    called = architecture.called
    with _blamed(architecture, lambda error: f"module raised {told(error)}"):
        seed_global_generators(int(architecture.stream("weights").integers(2**63)))
        model = architecture.space.module(  # type: ignore[attr-defined]
            architecture.index, classes=architecture.classes, image_size=architecture.image_size
        )
        if not issubclass(type(model), nn.Module):
            found = kind_of(model)
            raise model_error(called, f"module: expected a torch.nn.Module, found {found}")
        check_model(model, called)
    checked: nn.Module = model
    return checked


def _require_own_weights(architecture: Architecture, first: nn.Module, second: nn.Module) -> None:
    """Refuse modules that are not new each time, or not the same under the same seed."""
    ours, theirs = (_tensors(model) for model in (first, second))
    places = {tensor.untyped_storage().data_ptr() for tensor in ours.values()} - {0}
    for name, tensor in theirs.items():
        if tensor.untyped_storage().data_ptr() in places:
            raise model_error(
                architecture.called,
                f"module returned {name!r} a second time when it was called again, so that "
                "architectures would share it; make new layers in each call, or return "
                "copy.deepcopy of what is kept",
            )
    for name in {**ours, **theirs}:
        if not _same(ours.get(name), theirs.get(name)):
            raise model_error(
                architecture.called,
                f"module gave {name!r} other values when it was called again under the same "
                "seed; draw weights with torch, numpy.random or random and no generator of "
                "your own, and let nothing depend on what was built before",
            )


def _tensors(model: nn.Module) -> dict[str, Tensor]:
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


def _same(one: Tensor | None, other: Tensor | None) -> bool:
    """Whether two tensors hold the same values, NaN included."""
    if one is None or other is None or one.shape != other.shape or one.dtype != other.dtype:
        return False
    return bool(
        torch.equal(one, other)
        or (
            torch.equal(one.isnan(), other.isnan())
            and torch.equal(one.nan_to_num(), other.nan_to_num())
        )
    )


@contextmanager
def _blamed(architecture: Architecture, sentence: Callable[[BaseException], str]) -> Iterator[None]:
    """Run code of the space; what it raises is its author's to mend.

    Raises
    ------
    ModelError
        With the sentence on what was raised, or the very error if it is one.
    MemoryError
        When there was not enough memory.
    """
    try:
        with contained():
            yield
    except ForeignError as error:
        raised = error.raised
        if issubclass(type(raised), ModelError):
            raise raised from None
        if is_out_of_memory(raised):
            raise MemoryError(f"{architecture.called}: {told(raised)}") from error
        raise model_error(architecture.called, sentence(raised)) from error
