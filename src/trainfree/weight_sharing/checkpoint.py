"""What a training is at the end of an epoch, in a file: to go on from there, bit for bit.

A state is what ``state_dict`` of torch gives: numbers, texts, tensors, and lists and mappings of
them. The file holds the bytes of the tensors and the rest as JSON; it is no pickle, and it is
sealed and moved into place like every other file of the suite.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from trainfree.errors import DamagedFileError, DataFileError
from trainfree.files.storage import open_dataset, write_dataset

State = Mapping[Any, Any]


def write_state(state: State, path: Path, identity: str) -> None:
    """Write a state to ``path``.

    Parameters
    ----------
    state
        Numbers, texts, None, tensors of any device, and lists and mappings of them.
    identity
        What the state belongs to: a hash of the settings, the code and the inputs.

    Raises
    ------
    TypeError
        When the state holds anything else.
    DataFileError
        When the file cannot be written; nothing is left behind.
    """
    tensors: list[Tensor] = []
    tree = json.dumps(_taken_apart(state, tensors), allow_nan=True)
    content = b"".join(_bytes_of(tensor) for tensor in tensors)
    variables = {
        "tensors": ("byte", content, "values of all tensors, one after the other"),
        "tree": ("letter", tree.encode(), "the rest as JSON"),
    }
    dataset = xr.Dataset(
        {
            name: (dim, np.frombuffer(value, np.uint8), {"units": "1", "long_name": long_name})
            for name, (dim, value, long_name) in variables.items()
        },
        attrs={"identity": identity},
    )
    write_dataset(dataset, path, "checkpoint")


def read_state(path: Path, identity: str) -> dict[Any, Any] | None:
    """Return the state in ``path``, tensors on the CPU; None where there is no such file.

    Raises
    ------
    DataFileError
        When the file belongs to another setting, other code or other inputs.
    DamagedFileError
        When its bytes are not those that were written.
    """
    if not path.exists():
        return None
    with open_dataset(path, "checkpoint") as stored:
        if stored.attrs.get("identity") != identity:
            raise DataFileError(
                f"{path}: is a checkpoint of another setting, other code or other inputs: expected "
                f"{identity}, found {stored.attrs.get('identity')}; delete it to train anew, or "
                "name another output"
            )
        content, tree = stored["tensors"].to_numpy(), stored["tree"].to_numpy()
    try:
        state = _put_together(json.loads(tree.tobytes()), memoryview(content.tobytes()))
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedFileError(
            f"{path}: expected a checkpoint, found what cannot be put together ({error}); "
            "delete it to train anew"
        ) from error
    assert isinstance(state, dict)
    return state


def _taken_apart(value: Any, tensors: list[Tensor]) -> Any:
    """Return a value as JSON; tensors are put into the list and stand there by their form."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Tensor):
        start = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
        tensors.append(value)
        kind = str(value.dtype).removeprefix("torch.")
        return {"tensor": kind, "shape": list(value.shape), "start": start}
    if isinstance(value, Mapping):
        pairs = [[key, _taken_apart(each, tensors)] for key, each in value.items()]
        if not all(isinstance(key, int | str) for key, _ in pairs):
            raise TypeError(f"a checkpoint has numbers and texts as keys, found {list(value)}")
        return {"mapping": pairs}
    if isinstance(value, list | tuple):
        return {"list": [_taken_apart(each, tensors) for each in value]}
    raise TypeError(f"a checkpoint cannot hold {type(value).__name__}: {value!r}")


def _bytes_of(tensor: Tensor) -> bytes:
    whole = tensor.detach().cpu().contiguous()
    return whole.reshape(-1).view(torch.uint8).numpy().tobytes() if whole.numel() else b""


def _put_together(value: Any, content: memoryview) -> Any:
    if not isinstance(value, dict):
        return value
    if "mapping" in value:
        return {key: _put_together(each, content) for key, each in value["mapping"]}
    if "list" in value:
        return [_put_together(each, content) for each in value["list"]]
    kind, shape = getattr(torch, value["tensor"]), value["shape"]
    count, start = int(np.prod(shape, dtype=np.int64)), value["start"]
    if not count:
        return torch.empty(shape, dtype=kind)
    raw = bytearray(content[start : start + count * kind.itemsize])
    return torch.frombuffer(raw, dtype=kind).reshape(shape)
