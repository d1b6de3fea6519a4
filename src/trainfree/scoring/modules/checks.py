"""What cannot be scored, each with a sentence of its own: models, inputs, labels, outputs.

What is merely without a value for some proxies (a model without activations, a frozen one) is no
error: those proxies say ``undefined`` with the reason.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence
from torch.utils.data import DataLoader, Dataset

from trainfree.errors import TrainfreeError
from trainfree.outside.foreign import told
from trainfree.proxies.registry import UndefinedScoreError
from trainfree.scoring.modules.inputs import batch_size, call, part
from trainfree.scoring.modules.kinds import check_kind, check_tensor, no_module
from trainfree.scoring.modules.words import (
    described,
    kind_of,
    model_error,
    remedy_of,
    shape_of,
)

_FEWEST_IMAGES, SOME = 2, 2


def check_model(model: object, name: str) -> None:
    """Refuse what is no model that can be scored.

    Parameters
    ----------
    model
        What was handed in as a model.
    name
        What it is called in messages.

    Raises
    ------
    ModelError
        With what is wrong, what was found and what to do.
    """
    if not isinstance(model, nn.Module):
        raise model_error(name, no_module(model))
    for place, module in model.named_modules(remove_duplicate=True):
        check_kind(module, f" (submodule {place!r})" if place else "", name)
    tensors = [
        *((f"parameter {key!r}", tensor) for key, tensor in model.named_parameters()),
        *((f"buffer {key!r}", tensor) for key, tensor in model.named_buffers()),
    ]
    for what, tensor in tensors:
        check_tensor(what, tensor, name)
    if not any(True for _ in model.parameters()):
        raise model_error(
            name,
            "it has no parameters, so there is no weight to draw and nothing to score; assign "
            "its layers to attributes, several of them as an nn.ModuleList, not as a plain list",
        )
    devices = {str(tensor.device) for _, tensor in tensors}
    if len(devices) > 1:
        raise model_error(
            name,
            f"its parameters and buffers lie on several devices ({', '.join(sorted(devices))}); "
            'move it to one with model.to("cpu") or model.to("cuda")',
        )


def copied(model: nn.Module, name: str) -> nn.Module:
    """Return a copy of a model that shares no parameter and no buffer with it.

    Raises
    ------
    ModelError
        When it cannot be copied.
    """
    try:
        return copy.deepcopy(model)
    except Exception as error:
        remedy = "give it attributes that can be copied, or pass a copy made in another way"
        if "support the deepcopy protocol" in str(error):
            remedy = (
                "a module of it keeps a tensor that a forward pass computed; the older "
                "torch.nn.utils.weight_norm and spectral_norm do that, those of "
                "torch.nn.utils.parametrizations do not"
            )
        raise model_error(
            name, f"copy.deepcopy cannot copy it ({told(error)}); {remedy}"
        ) from error


def check_inputs(inputs: object, labels: object, name: str, *, own_loss: bool = False) -> None:
    """Refuse inputs and labels that are no mini-batch.

    Parameters
    ----------
    inputs
        A tensor (B, …), or tensors (B, …) in tuples, lists and dictionaries.
    labels
        None, class numbers (B,) or (B, height, width), or with a loss of one's own any tensor
        (B, …).
    name
        What the model is called in messages.
    own_loss
        Whether something else than the mean cross-entropy is made of the labels.

    Raises
    ------
    ModelError
        With what is wrong, what was found and what to do.
    """
    named = list(_leaves(inputs, "images", name))
    if not named:
        raise model_error(name, f"no images: found {kind_of(inputs)}; give a tensor (B, …)")
    for where, tensor in named:
        _check_input(where, tensor, name, alone=len(named) == 1)
    sizes = {where: len(tensor) for where, tensor in named}
    if len(set(sizes.values())) > 1:
        found = ", ".join(f"{where} has {size}" for where, size in sizes.items())
        raise model_error(
            name,
            f"inputs: expected as many entries in the first dimension of each, found: {found}; "
            "the first dimension is the mini-batch",
        )
    batch = next(iter(sizes.values()))
    if batch < _FEWEST_IMAGES:
        found = "a batch of one" if batch else "a batch of none"
        raise model_error(
            name,
            f"images: expected at least {_FEWEST_IMAGES}, found {found} "
            f"({described(named[0][1])}); proxies compare images with each other, so give more",
        )
    if all(bool((tensor == tensor[:1]).all()) for _, tensor in named):
        raise model_error(
            name,
            f"images: all {batch} are the same, and proxies compare what a network makes of "
            "different ones; give others",
        )
    if labels is not None:
        _check_labels(labels, batch, name, own_loss)


def first_output(model: nn.Module, inputs: Any, name: str, *, of_all: bool = True) -> Any:
    """Return what a model returns for a mini-batch, or for its first images.

    Parameters
    ----------
    model
        Is run as it is; in evaluation mode it keeps its buffers.
    of_all
        Whether the output for all images is wanted; that for the first ``SOME`` costs little.

    Raises
    ------
    ModelError
        When its ``forward`` raises, for all images or for some of them.
    """
    try:
        with torch.no_grad():
            made = call(model, part(inputs, slice(None, SOME)))
    except Exception as error:
        _refuse_all(model, inputs, name)
        raise model_error(
            name,
            f"it can be run on all {batch_size(inputs)} images, but not on {SOME} of them "
            f"({told(error)}); pass a model that takes any number of images",
        ) from error
    return _refuse_all(model, inputs, name) if of_all else made


def _refuse_all(model: nn.Module, inputs: Any, name: str) -> Any:
    """Return the output for all images, or say what is wrong with them."""
    try:
        with torch.no_grad():
            return call(model, inputs)
    except Exception as error:
        given = [tensor for _, tensor in _leaves(inputs, "images", name)]
        raise model_error(
            name,
            f"its forward pass fails for these inputs ({', '.join(map(described, given))}): "
            f"{told(error)}; {remedy_of(model, given, error)}",
        ) from error


def check_loss(
    value: Callable[[], Tensor], output: Tensor, labels: Tensor | None, name: str
) -> None:
    """Refuse a loss of one's own that cannot be had of an output.

    Parameters
    ----------
    value
        Returns the loss.
    output, labels
        What it is made of, for messages.

    Raises
    ------
    ModelError
        When it raises, is no tensor of one number, or stretches output or labels to fit.
    """
    given = described(output) + ("" if labels is None else f" and labels {described(labels)}")
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.filterwarnings("error", "Using a target size")
            value()
    except UndefinedScoreError:
        return
    except TrainfreeError as error:
        raise model_error(name, str(error)) from error
    except Exception as error:
        raise model_error(
            name,
            f"its loss fails for the output {given}: {told(error)}; give a function of the "
            "output, or of output and labels, and labels of the shape that it takes",
        ) from error


def check_output(
    output: object, labels: Tensor | None, batch: int, name: str, *, own_loss: bool = False
) -> None:
    """Refuse an output of which no logits or loss can be had.

    Parameters
    ----------
    output
        What was picked of what the model returns.
    labels
        Those of the mini-batch, checked by :func:`check_inputs`.
    batch
        Number of images.
    own_loss
        Whether something else than the mean cross-entropy is made of output and labels.

    Raises
    ------
    ModelError
        With what is wrong, what was found and what to do.
    """
    if not isinstance(output, Tensor):
        raise model_error(
            name,
            f"output: expected a tensor (B, …), found {kind_of(output)}; name the part that holds "
            "the logits with output=, its key, place or a function",
        )
    if output.is_complex() or not output.is_floating_point():
        raise model_error(
            name,
            f"output: expected real numbers, found {described(output)}; return the logits, not "
            "what is made of them (as argmax does)",
        )
    if output.dim() == 0 or len(output) != batch:
        raise model_error(
            name,
            f"output: expected {batch} entries in the first dimension, one for each image, found "
            f"{described(output)}; where the batch is another dimension, turn it with "
            "output=lambda tensor: tensor.transpose(0, 1)",
        )
    if labels is None or own_loss:
        return
    if output.dim() < 2:
        raise model_error(
            name,
            f"output: cross-entropy needs logits (B, classes), found {described(output)}; give a "
            "loss of your own with loss=",
        )
    places, classes = tuple(output.shape[2:]), output.shape[1]
    if tuple(labels.shape[1:]) != places:
        expected = ", ".join(map(str, (batch, *places)))
        raise model_error(
            name,
            f"labels: for logits {shape_of(output)} expected class numbers "
            f"({expected}{'' if places else ','}), found {shape_of(labels)}; give others, or a "
            "loss of your own with loss=",
        )
    smallest, largest = int(labels.min()), int(labels.max())
    if smallest < 0 or largest >= classes:
        raise model_error(
            name,
            f"labels: expected class numbers from 0 to {classes - 1} for {classes} logits, found "
            f"{smallest} to {largest}; number the classes from 0, and where a number means "
            "'ignore', say so with loss=, as in "
            "loss=lambda output, labels: cross_entropy(output, labels, ignore_index=255)",
        )


def _leaves(inputs: object, where: str, name: str) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors of nested inputs, each with its place."""
    if isinstance(inputs, Tensor):
        yield where, inputs
    elif isinstance(inputs, PackedSequence):
        raise model_error(
            name,
            f"{where}: a packed sequence has no dimension for the batch; pass the padded "
            "tensor (B, length, …), with the lengths (B,) as a second input",
        )
    elif isinstance(inputs, Mapping):
        for key, each in inputs.items():
            yield from _leaves(each, f"{where}[{key!r}]", name)
    elif isinstance(inputs, tuple | list):
        for number, each in enumerate(inputs):
            yield from _leaves(each, f"{where}[{number}]", name)
    elif isinstance(inputs, DataLoader | Dataset):
        raise model_error(
            name,
            f"{where}: expected one mini-batch, found {kind_of(inputs)}; take one, as in "
            "images, labels = next(iter(loader))",
        )
    elif inputs is not None or where != "images":
        raise model_error(
            name,
            f"{where}: expected a tensor (B, …), found {kind_of(inputs)}; convert it with "
            "torch.as_tensor, and what is no tensor give to the model in a wrapper of it",
        )


def _check_input(where: str, tensor: Tensor, name: str, *, alone: bool) -> None:
    """Refuse an input that is no plain tensor of finite numbers."""
    if tensor.is_nested or tensor.layout != torch.strided:
        raise model_error(
            name, f"{where}: expected a dense tensor, found a nested or sparse one; pad it"
        )
    if tensor.device.type == "meta":
        raise model_error(name, f"{where}: is on the meta device, which has shapes but no numbers")
    if tensor.dim() == 0:
        raise model_error(
            name,
            f"{where}: expected a tensor (B, …), found a single number; what is the same for all "
            "images give to the model in a wrapper of it",
        )
    if tensor.is_complex():
        raise model_error(
            name,
            f"{where}: is complex ({described(tensor)}), and proxies are defined for real "
            "inputs; convert it with torch.view_as_real",
        )
    if not tensor.is_floating_point():
        return
    # A mask of several inputs may hold -inf.
    wrong = ~torch.isfinite(tensor) if alone else torch.isnan(tensor) | torch.isposinf(tensor)
    if wrong.any():
        place = tuple(wrong.nonzero()[0].tolist())
        raise model_error(
            name,
            f"{where}: {int(wrong.sum())} of {tensor.numel()} numbers are NaN or infinite, the "
            f"first at {place}; fix how they are loaded and normalised",
        )


def _check_labels(labels: object, batch: int, name: str, own_loss: bool) -> None:
    if not isinstance(labels, Tensor):
        raise model_error(
            name,
            f"labels: expected a tensor of class numbers (B,), found {kind_of(labels)}; convert "
            "them with torch.as_tensor",
        )
    if labels.dim() == 0 or len(labels) != batch:
        raise model_error(
            name,
            f"labels: expected one for each of the {batch} images, found {described(labels)}; "
            "give the labels of this very mini-batch",
        )
    if own_loss:
        return
    if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
        raise model_error(
            name,
            f"labels: cross-entropy needs class numbers (int64), found {described(labels)}; "
            "convert them with labels.long(), or for another task give its loss with loss=, as "
            "in loss=torch.nn.functional.mse_loss",
        )
