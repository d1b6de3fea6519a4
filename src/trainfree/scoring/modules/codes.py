"""Binary codes of activations: whether an activation's input is positive.

For a ReLU that says which linear region an image lies in. Other activations have no such regions,
but all of them are small or flat on one side of zero and pass on what is on the other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trainfree.scoring.clock import PhaseClock
from trainfree.scoring.modules.conditions import Normalisation, conditions
from trainfree.scoring.modules.head import Head
from trainfree.scoring.modules.inputs import Inputs, batch_size, call
from trainfree.scoring.modules.observer import Observer
from trainfree.scoring.modules.structure import Structure
from trainfree.scoring.quantities.formulas import unit_words

_UNITS_AT_ONCE = 2**18


class CodeKernel:
    """K = Σ C Cᵀ + (1 − C)(1 − C)ᵀ, from signs: (units + Z Zᵀ) / 2 with Z = 2 C − 1."""

    def __init__(self, images: int) -> None:
        self._products = np.zeros((images, images))
        self.units = 0

    def add(self, code: Tensor) -> None:
        """Add a code, (B, units) of truth values; products of so few ±1 are exact in float32."""
        for some in code.split(_UNITS_AT_ONCE, dim=1):
            signs = some.to(torch.float32).mul_(2).sub_(1)
            self._products += (signs @ signs.T).to(torch.float64).cpu().numpy()
        self.units += code.shape[1]

    def matrix(self) -> NDArray[np.float64]:
        """Return K, whole numbers, (B, B)."""
        kernel: NDArray[np.float64] = (self.units + self._products) / 2
        return kernel


@dataclass
class Seen:
    """What a pass without gradients has shown.

    Parameters
    ----------
    kernel
        K with each activation counted once, (B, B).
    words
        The pattern of each activation's units over the images, (units, words of 64 images).
    features
        Of the first image in each layer, (channels, positions).
    logits
        Outputs of the model.
    """

    kernel: NDArray[np.float64]
    words: list[NDArray[np.uint64]]
    features: list[Tensor]
    logits: Tensor


class _Watched(Observer):
    """Hands on the code of each activation, and the first image's channels of each layer."""

    def __init__(
        self,
        structure: Structure,
        code: Callable[[Tensor], None],
        features: Callable[[Tensor], None],
    ) -> None:
        super().__init__()
        self._structure, self._code, self._features = structure, code, features

    def before_activation(self, number: int, x: Tensor) -> None:
        """Hand on the code, (B, units), of an activation that sees the images."""
        activation = self._structure.activations.get(number)
        if activation is not None:
            self._code((activation.layout.images_first(x) > 0).flatten(1))

    def layer(self, number: int, output: Tensor) -> None:
        """Hand on the first image's (channels, positions)."""
        if number in self._structure.layers:
            layout, channels = self._structure.layers[number]
            self._features(layout.channels_second(output, channels)[0])


@torch.no_grad()
def watch(
    model: nn.Module,
    inputs: Inputs,
    structure: Structure,
    normalise: Normalisation,
    head: Head,
    clock: PhaseClock,
) -> Seen:
    """Run the inputs and return what was seen, in the phases ``forward`` and ``kernel``."""
    kernel, words, features = CodeKernel(batch_size(inputs)), [], []

    def note(code: Tensor) -> None:
        with clock.phase("kernel"):
            kernel.add(code)
        words.append(unit_words(code.cpu().numpy()))

    def keep(found: Tensor) -> None:
        features.append(found.clone())

    with clock.phase("forward"), conditions(normalise), _Watched(structure, note, keep):
        logits = head.logits(call(model, inputs))
    return Seen(kernel.matrix(), words, features, logits)


@torch.no_grad()
def watch_codes(
    model: nn.Module,
    inputs: Inputs,
    structure: Structure,
    normalise: Normalisation,
    code: Callable[[Tensor], None],
) -> None:
    """Run the inputs and hand on the codes, (B, units) each."""
    with conditions(normalise), _Watched(structure, code, lambda found: None):
        call(model, inputs)


@torch.no_grad()
def official_kernel(
    model: nn.Module, inputs: Inputs, normalise: Normalisation
) -> NDArray[np.float64] | None:
    """Return K as the published NASWOT code counts it, (B, B); None where it counts nothing.

    Its hook is attached to every module with "ReLU" in the name of its class and takes the sign of
    what the module is given.
    """
    kernel = CodeKernel(batch_size(inputs))

    def hook(module: nn.Module, args: tuple[Any, ...]) -> None:
        if args and isinstance(args[0], Tensor) and len(args[0]) == batch_size(inputs):
            kernel.add((args[0] > 0).flatten(1))

    handles = [
        module.register_forward_pre_hook(hook)
        for module in model.modules()
        if "ReLU" in str(type(module))
    ]
    try:
        with conditions(normalise):
            call(model, inputs)
    finally:
        for handle in handles:
            handle.remove()
    return kernel.matrix() if kernel.units else None
