"""Binary codes of activations: whether an activation's input is positive.

For a ReLU that says which linear region an image lies in. Other activations have no such regions,
but all of them are small or flat on one side of zero and pass on what is on the other.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trainfree.compilation import compiled
from trainfree.scoring.clock import PhaseClock
from trainfree.scoring.modules.conditions import Normalisation, conditions
from trainfree.scoring.modules.head import Head
from trainfree.scoring.modules.inputs import Inputs, batch_size, call
from trainfree.scoring.modules.observer import Observer
from trainfree.scoring.modules.structure import Structure
from trainfree.scoring.quantities.formulas import unit_words


@dataclass
class Code:
    """Whether the units of an activation are active, as bits.

    Parameters
    ----------
    words
        (B, words of 64 units); spare bits are zero.
    units
        Number of units of an image.
    """

    words: NDArray[np.uint64]
    units: int

    @cached_property
    def different(self) -> NDArray[np.int64]:
        """How many bits of the images of each pair differ, (B, B)."""
        return _differences(self.words)

    def patterns(self) -> NDArray[np.uint64]:
        """Return the pattern of each unit over the images, (units, words of 64 images)."""
        bits = np.unpackbits(self.words.view(np.uint8), axis=1, count=self.units)
        return unit_words(bits.view(np.bool_))


class CodeKernel:
    """K = Σ C Cᵀ + (1 − C)(1 − C)ᵀ, each entry the units less those at which two images differ."""

    def __init__(self, images: int) -> None:
        self._different = np.zeros((images, images), np.int64)
        self.units = 0

    def add(self, code: Code) -> None:
        """Add a code."""
        self._different += code.different
        self.units += code.units

    def matrix(self) -> NDArray[np.float64]:
        """Return K, whole numbers, (B, B)."""
        kernel: NDArray[np.float64] = (self.units - self._different).astype(np.float64)
        return kernel


def code_of(x: Tensor) -> Code:
    """Return whether an activation's input, images first, is positive."""
    if x.device.type == "cpu" and x.dtype in (torch.float32, torch.float64):
        positive = x.detach().numpy() > 0  # NumPy compares several times as fast
    else:
        positive = (x > 0).cpu().numpy()
    rows = positive.reshape(len(positive), -1)
    octets = np.packbits(rows, axis=1)
    words = np.zeros((len(rows), -(-octets.shape[1] // 8)), np.uint64)
    words.view(np.uint8)[:, : octets.shape[1]] = octets
    return Code(words, rows.shape[1])


@compiled(nogil=True)
def _differences(words: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return how many bits of the rows of each pair differ, (B, B).

    Bits are counted in pairs, fours and eights of a word at once, without a branch.
    """
    images = words.shape[0]
    found = np.zeros((images, images), np.int64)
    for one in range(images):
        for other in range(one):
            total = np.uint64(0)
            for place in range(words.shape[1]):
                bits = words[one, place] ^ words[other, place]
                bits -= (bits >> np.uint64(1)) & np.uint64(0x5555555555555555)
                quarter = np.uint64(0x3333333333333333)
                bits = (bits & quarter) + ((bits >> np.uint64(2)) & quarter)
                bits = (bits + (bits >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
                total += (bits * np.uint64(0x0101010101010101)) >> np.uint64(56)
            found[one, other] = found[other, one] = np.int64(total)
    return found


@dataclass
class Seen:
    """What a pass without gradients has shown.

    Parameters
    ----------
    kernel
        K with each activation counted once, (B, B).
    official
        K of what the published code counts, (B, B); None where it counts nothing.
    codes
        Of each activation.
    features
        Of the first image in each layer, (channels, positions).
    logits
        Outputs of the model.
    """

    kernel: NDArray[np.float64]
    official: NDArray[np.float64] | None
    codes: list[Code]
    features: list[Tensor]
    logits: Tensor


class _Watched(Observer):
    """Hands on the code of each activation, and the first image's channels of each layer."""

    def __init__(
        self,
        structure: Structure,
        images: int,
        code: Callable[[Code], None],
        features: Callable[[Tensor], None],
    ) -> None:
        super().__init__()
        self._structure, self._images = structure, images
        self._code, self._features = code, features
        self._latest: tuple[weakref.ref[Tensor], Code] | None = None

    def before_activation(self, number: int, x: Tensor) -> None:
        """Hand on the code of an activation that sees the images."""
        activation = self._structure.activations.get(number)
        if activation is not None:
            activation.layout.require(x, self._images)
            first = activation.layout.images_first(x)
            self._code(self._code_of(x) if first is x else code_of(first))

    def layer(self, number: int, output: Tensor) -> None:
        """Hand on the first image's (channels, positions)."""
        if number in self._structure.layers:
            layout, channels = self._structure.layers[number]
            layout.require(output, self._images)
            self._features(layout.channels_second(output, channels)[0])

    @contextmanager
    def official(self, model: nn.Module, code: Callable[[Code], None]) -> Iterator[None]:
        """Hand on what the published NASWOT code counts within the ``with`` block.

        Its hook is attached to every module with "ReLU" in the name of its class and takes the sign
        of what the module is given.
        """

        def hook(module: nn.Module, args: tuple[Any, ...]) -> None:
            if args and isinstance(args[0], Tensor) and len(args[0]) == self._images:
                with self.looking_away():
                    code(self._code_of(args[0]))

        with ExitStack() as hooks:
            for module in model.modules():
                if "ReLU" in str(type(module)):
                    hooks.callback(module.register_forward_pre_hook(hook).remove)
            yield

    def _code_of(self, x: Tensor) -> Code:
        """Return the code of a tensor; that of the latest is known when it is asked for again."""
        if self._latest is None or self._latest[0]() is not x:
            self._latest = weakref.ref(x), code_of(x)
        return self._latest[1]


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
    images = batch_size(inputs)
    kernel, official, found, features = CodeKernel(images), CodeKernel(images), [], []

    def note(code: Code) -> None:
        with clock.phase("kernel"):
            kernel.add(code)
        found.append(code)

    def note_official(code: Code) -> None:
        with clock.phase("kernel"):
            official.add(code)

    def keep(of_first: Tensor) -> None:
        features.append(of_first.clone())

    watched = _Watched(structure, images, note, keep)
    hooks = watched.official(model, note_official)
    with clock.phase("forward"), hooks, conditions(normalise), watched:
        logits = head.logits(call(model, inputs))
    of_official = official.matrix() if official.units else None
    return Seen(kernel.matrix(), of_official, found, features, logits)


@torch.no_grad()
def watch_codes(
    model: nn.Module,
    inputs: Inputs,
    structure: Structure,
    normalise: Normalisation,
    code: Callable[[Code], None],
    instead: dict[Any, Callable[..., Any]] | None = None,
) -> None:
    """Run the inputs, with functions to call in place of others, and hand on the codes."""
    watched = _Watched(structure, batch_size(inputs), code, lambda found: None)
    with conditions(normalise, instead), watched:
        call(model, inputs)
