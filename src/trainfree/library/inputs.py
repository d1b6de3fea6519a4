"""What models are fed with: tensors, arrays, and nested tuples, lists and dictionaries of them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from trainfree.errors import ModelError

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from torch import Tensor

Leaf: TypeAlias = "Tensor | NDArray[np.generic]"
Inputs: TypeAlias = "Leaf | Sequence[Inputs] | Mapping[str, Inputs]"
"""A tensor or array (B, …); positional arguments; keyword arguments."""


def as_tensors(value: Any, what: str) -> Any:
    """Return the same structure of new tensors, which share no memory with what was given.

    What is neither a tensor nor an array stays, for the checks of inputs to refuse.

    Raises
    ------
    ModelError
        When an array holds something else than numbers.
    """
    import numpy as np
    import torch

    if isinstance(value, torch.Tensor):
        return value.detach().clone()
    if isinstance(value, Mapping):
        return {name: as_tensors(each, what) for name, each in value.items()}
    if isinstance(value, tuple | list):
        return tuple(as_tensors(each, what) for each in value)
    if not isinstance(value, np.ndarray):
        return value
    try:
        return torch.from_numpy(np.array(value))
    except TypeError:
        raise ModelError(
            f"{what}: expected numbers that torch knows, found an array of {value.dtype}"
        ) from None


def as_labels(value: Any) -> Tensor | None:
    """Return labels as a new tensor, whole numbers as int64.

    Raises
    ------
    ModelError
        When they are no numbers.
    """
    import torch

    if value is None:
        return None
    try:
        labels = torch.as_tensor(value).detach().clone()
    except (TypeError, ValueError, RuntimeError) as error:
        raise ModelError(f"labels: expected one number per image, found {error}") from None
    whole = not (labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool)
    return labels.long() if whole else labels


def moved(inputs: Any, device: torch.device, dtype: torch.dtype) -> Any:
    """Return inputs on a device, floating-point numbers in the type ``dtype``."""
    from trainfree.scoring.modules.inputs import mapped

    def to_place(tensor: Tensor) -> Tensor:
        return tensor.to(device, dtype if tensor.is_floating_point() else tensor.dtype)

    return mapped(inputs, to_place)


def content_hash(inputs: Any) -> str:
    """Return the SHA-256 of all tensors with their types and shapes."""
    import torch

    from trainfree.scoring.modules.inputs import tensors

    digest = hashlib.sha256()
    for tensor in tensors(inputs):
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        digest.update(f"{tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(flat.view(torch.uint8).numpy().data)
    return digest.hexdigest()
