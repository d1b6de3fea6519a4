"""Weights of a torch module drawn anew, from one stream of random numbers."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from math import prod

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from trainfree.outside.process_state import seed_global_generators, unchanged
from trainfree.scoring.settings.initialization import Initialization
from trainfree.scoring.weights import weight_scale

_RESETS = ("reset_parameters", "_reset_parameters")
_LOOKED_UP = (nn.Embedding, nn.EmbeddingBag)
_NORMALISING = (
    nn.modules.batchnorm._NormBase,  # batch and instance normalisation
    nn.LayerNorm,
    nn.GroupNorm,
    nn.RMSNorm,
)
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def redraw(
    model: nn.Module, initialization: Initialization, rng: np.random.Generator
) -> tuple[str, ...]:
    """Draw the weights of a model anew, in place.

    Every submodule with a method ``reset_parameters`` or ``_reset_parameters``, as all layers of
    torch have, is reset by it, inner ones first; running statistics begin anew. That is all for
    ``pytorch``. For the others the weights of convolutions, linear, attention and recurrent layers
    are then drawn as :func:`~trainfree.scoring.weights.draw_weights` says, with their biases zero:
    each parameter of two or more dimensions with "weight" in its name, of a module that neither
    looks up nor normalises.

    What a constructor does beyond that (a smaller last layer, a position embedding) is not done
    again. Numbers follow from ``rng`` alone, on a GPU, too; the process's generators stay as they
    are.

    Parameters
    ----------
    model
        Is changed; pass a copy. On one device.
    initialization
        As in the configuration.
    rng
        The only source of numbers.

    Returns
    -------
    Names of the parameters that nothing has drawn anew: they are as they were.
    """
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    device = next(iter(before.values())).device
    model.cpu()
    drawn = _reset(model, int(rng.integers(2**63)))
    if initialization != "pytorch":
        drawn |= _draw(model, initialization, rng)
    model.to(device)
    return tuple(
        name
        for name, parameter in model.named_parameters()
        if name in before
        and torch.equal(before[name], parameter)
        and not (name in drawn and _is_constant(parameter))
    )


def _reset(model: nn.Module, seed: int) -> set[str]:
    """Let submodules reset themselves; return the names of the parameters that they own."""
    names: set[str] = set()
    with unchanged(), torch.no_grad():
        seed_global_generators(seed)
        # In the order of modules() a module stands before those inside it.
        for place, module in reversed(list(model.named_modules())):
            reset = _reset_of(module)
            if reset is None:
                continue
            with parametrize.cached():  # or each access would compute the tensor anew
                before = _parametrised(module)
                reset()
                computed = {name: tensor.clone() for name, tensor in before.items()}
            for name, value in computed.items():
                setattr(module, name, value)
            names.update(_joined(place, name) for name in _own_names(module))
    return names


def _reset_of(module: nn.Module) -> Callable[[], object] | None:
    """Return what resets a module's own parameters, None where nothing does."""
    for name in _RESETS:
        method: Callable[[], object] | None = getattr(module, name, None)
        if callable(method) and _needs_nothing(method):
            return method
    return None


def _needs_nothing(method: Callable[..., object]) -> bool:
    try:
        inspect.signature(method).bind()
    except TypeError:
        return False
    return True


def _draw(model: nn.Module, initialization: Initialization, rng: np.random.Generator) -> set[str]:
    """Draw weights of products and zero their biases; return the names of both."""
    names: set[str] = set()
    for place, module in model.named_modules():
        if isinstance(module, (*_LOOKED_UP, *_NORMALISING, parametrize.ParametrizationList)):
            continue
        for name, tensor in [*_own(module), *_parametrised(module).items()]:
            if "weight" in name and tensor.dim() >= 2:
                _assign(module, name, _values(_fans(module, tensor), tensor, initialization, rng))
            elif "bias" in name and tensor.dim() == 1:
                _assign(module, name, torch.zeros_like(tensor))
            else:
                continue
            names.update(_joined(place, own) for own in _own_names(module, name))
    return names


def _values(
    fans: tuple[int, int],
    parameter: Tensor,
    initialization: Initialization,
    rng: np.random.Generator,
) -> Tensor:
    """Return new values of a weight; those in double precision are the same numbers."""
    count = parameter.numel()
    if initialization == "xavier":
        numbers = 2 * rng.random(count, dtype=np.float32) - 1
    else:
        numbers = rng.standard_normal(count, np.float32)
    numbers *= np.float32(weight_scale(*fans, initialization))
    return torch.from_numpy(numbers.reshape(parameter.shape))


def _fans(module: nn.Module, weight: Tensor) -> tuple[int, int]:
    """Return how many numbers enter one of a layer's outputs, and how many one input enters."""
    positions = prod(weight.shape[2:])
    if isinstance(module, _TRANSPOSED):
        return module.in_channels // module.groups * positions, weight.shape[1] * positions
    return weight.shape[1] * positions, weight.shape[0] * positions


def _own(module: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    return module.named_parameters(recurse=False)


def _parametrised(module: nn.Module) -> dict[str, Tensor]:
    """Return the tensors of a module that torch.nn.utils.parametrize computes, by name."""
    if not parametrize.is_parametrized(module):
        return {}
    names = dict(module.get_submodule("parametrizations").named_children())
    return {name: getattr(module, name).detach() for name in names}


def _assign(module: nn.Module, name: str, value: Tensor) -> None:
    """Set a tensor of a module; of a parametrised one what it is computed from."""
    if name in dict(_own(module)):
        getattr(module, name).data.copy_(value)
    else:
        with torch.no_grad():
            setattr(module, name, value.to(getattr(module, name)))


def _own_names(module: nn.Module, of: str = "") -> Iterator[str]:
    """Yield the names of a module's own parameters, or of those that make one of its tensors."""
    for name, _ in _own(module):
        if of in ("", name):
            yield name
    for name in _parametrised(module):
        inside = f"parametrizations.{name}"
        if of in ("", name):
            for key, _ in module.get_submodule(inside).named_parameters():
                yield f"{inside}.{key}"


def _joined(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _is_constant(tensor: Tensor) -> bool:
    """Whether all numbers are the same, so that a reset can leave them as they were."""
    return bool((tensor == tensor.flatten()[0]).all())
