"""How models, inputs and tensors are spoken of in messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from trainfree.errors import ModelError


def model_error(name: str, sentence: str) -> ModelError:
    """Return the error that says a sentence of a model."""
    return ModelError(f"model {name!r}: {sentence}")


def kind_of(found: object) -> str:
    """Return the type of something, for "found …"."""
    if found is None:
        return "None"
    if isinstance(found, Mapping | tuple | list) and not found:
        return f"an empty {type(found).__name__}"
    kind = type(found)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


def described(tensor: Tensor) -> str:
    """Return shape, type and device of a tensor."""
    return f"{shape_of(tensor)} {type_of(tensor)} on {tensor.device}"


def shape_of(tensor: Tensor) -> str:
    """Return a shape, as "(4, 3, 32, 32)"."""
    return str(tuple(tensor.shape))


def type_of(tensor: Tensor) -> str:
    """Return the name of a tensor's type of numbers."""
    return str(tensor.dtype).removeprefix("torch.")


def remedy_of(model: nn.Module, tensors: Sequence[Tensor], error: Exception) -> str:
    """Return what may help where a forward pass fails for these inputs."""
    weight = next(model.parameters())
    if isinstance(error, TypeError) and "forward()" in str(error):
        return (
            "several inputs are given as a tuple, in the order of the arguments of forward, or as "
            "a dictionary by their names"
        )
    elsewhere = next((one for one in tensors if one.device != weight.device), None)
    if elsewhere is not None:
        return (
            f"the weights lie on {weight.device}, an input on {elsewhere.device}: move one of "
            "them with .to(device)"
        )
    other = next((one for one in tensors if one.is_floating_point()), None)
    if other is not None and other.dtype != weight.dtype:
        return (
            f"the weights are {type_of(weight)}, an input {type_of(other)}: convert one of them, "
            f"as in images.to({weight.dtype})"
        )
    if "indices" in str(error) and "embedding" in str(error):
        return "if the inputs are tokens, convert them to whole numbers, as in tokens.long()"
    if other is None:
        return (
            f"the inputs are whole numbers ({type_of(tensors[0])}): if they are pixels, convert "
            "them, as in images.float() / 255; if they are tokens, to int64 below the size of "
            "the vocabulary"
        )
    return "give inputs of the shape that the model is made for"
