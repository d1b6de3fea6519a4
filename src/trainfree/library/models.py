"""The models that are scored: named, checked, and copied or built for each draw."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeAlias

from trainfree.errors import ModelError, TrainfreeError
from trainfree.outside.foreign import shown, told
from trainfree.outside.process_state import seed_global_generators
from trainfree.randomness import stream

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import nn

    from trainfree.scoring.settings.initialization import Initialization

Model: TypeAlias = "nn.Module | Callable[[], nn.Module]"
"""A module, which is copied, or a function that returns one, which is called for each draw."""


def named_models(models: Model | Mapping[str, Model]) -> dict[str, Model]:
    """Return the models by name; a single one has the name of its class or function.

    Raises
    ------
    ModelError
        When one cannot be scored, or there is none.
    """
    from torch import nn

    from trainfree.scoring.modules.checks import check_model

    named = models if isinstance(models, Mapping) else {_name_of(models): models}
    if not named:
        raise ModelError("models: expected at least one, found an empty mapping")
    for name, model in named.items():
        if not isinstance(name, str):
            raise ModelError(f"models: expected strings as names, found {shown(name)}")
        if isinstance(model, nn.Module) or not _makes_one(model):
            check_model(model, name)
    return dict(named)


def drawn_model(
    model: Model, name: str, root_seed: int, initialization: Initialization, *, anew: bool
) -> tuple[nn.Module, tuple[str, ...]]:
    """Return a module that may be worked with, and the parameters that were not redrawn.

    Parameters
    ----------
    model
        A module is copied. A function is called under generators with a seed of their own; who
        calls this puts the process's generators back.
    name
        For messages; with the root seed it decides the weights that are drawn.
    initialization
        How they are drawn.
    anew
        Whether the weights of a module are drawn anew. Those of a function are its own, unless
        ``initialization`` is another than ``"pytorch"``.

    Raises
    ------
    ModelError
        When a module cannot be copied, or a function returns what cannot be scored.
    """
    from torch import nn

    from trainfree.scoring.modules.checks import check_model, copied
    from trainfree.scoring.modules.redraw import redraw

    rng = stream_of(name, root_seed, "weights")
    if isinstance(model, nn.Module):
        made = copied(model, name)
    else:
        seed_global_generators(int(rng.integers(2**63)))
        made = model()
        check_model(made, name)
        anew = initialization != "pytorch"
    return made, redraw(made, initialization, rng) if anew else ()


def stream_of(name: str, root_seed: int, purpose: str) -> np.random.Generator:
    """Return a model's own random numbers for a purpose.

    Its name is the key, as an architecture's index is in a space: they do not depend on which other
    models are scored.
    """
    key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "little")
    return stream(root_seed, purpose, key)


def place_of(model: nn.Module) -> tuple[torch.device, torch.dtype]:
    """Return the device of a model and the type of its floating-point numbers."""
    import torch

    parameters = list(model.parameters())
    floating = [each.dtype for each in parameters if each.is_floating_point()]
    return parameters[0].device, next(iter(floating), torch.get_default_dtype())


def usable_device(device: str | torch.device) -> torch.device:
    """Return a device on which something can be put.

    Raises
    ------
    TrainfreeError
        When there is none of that name.
    """
    import torch

    try:
        return torch.empty(1, device=device).device
    except (RuntimeError, AssertionError, TypeError) as error:
        raise TrainfreeError(
            f'device: {str(device)!r} cannot be used: {told(error)}; choose another, or "cpu"'
        ) from error


def _name_of(model: object) -> str:
    """Return the name of a function or class, or that of a module's class."""
    return str(getattr(model, "__name__", type(model).__name__))


def _makes_one(model: object) -> bool:
    """Whether this is meant as a function that returns a module: most callables are."""
    import torch

    return callable(model) and not isinstance(model, torch.jit.ScriptFunction)
