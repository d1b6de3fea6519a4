"""How models, inputs and tensors are spoken of in messages."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

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
