"""How a module is run for its scores, whatever its mode and its classes are.

Calls are caught where PyTorch's functions are called, above autograd, so that what is changed is
differentiated as it is: batch normalisation gets the statistics it is to have, nothing is dropped
out, attention and recurrent layers are computed by plain products.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from inspect import signature
from typing import Any, Protocol

import numpy as np
import torch
import torch.utils.checkpoint
from torch import Tensor
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode

from trainfree.outside.process_state import seed_global_generators


@dataclass(frozen=True)
class Affine:
    """What a normalisation multiplies by and adds, (channels,) each, and its ε."""

    weight: Tensor | None
    bias: Tensor | None
    epsilon: float


class Normalisation(Protocol):
    """How batch normalisation is done."""

    def __call__(self, number: int, x: Tensor, affine: Affine) -> Tensor:
        """Return the normalised (B, channels, …) of the call with this number."""


@dataclass(frozen=True)
class Statistics:
    """Mean, biased variance and 1 / √(variance + ε) of a normalisation's input, (channels,)."""

    mean: Tensor
    inverse_deviation: Tensor
    epsilon: float
    count: int

    @property
    def variance(self) -> Tensor:
        """Biased variance, (channels,) float64."""
        return self.inverse_deviation.to(torch.float64) ** -2 - self.epsilon


@dataclass
class OfBatch:
    """Normalises by the statistics of the mini-batch and keeps them by number of the call."""

    seen: dict[int, Statistics] = field(default_factory=dict)

    def __call__(self, number: int, x: Tensor, affine: Affine) -> Tensor:
        """Return the normalised input."""
        made, mean, inverse = torch.native_batch_norm(
            x, affine.weight, affine.bias, None, None, True, 0.0, affine.epsilon
        )
        count = x.numel() // x.shape[1]
        known = Statistics(mean.detach(), inverse.detach(), affine.epsilon, count)
        self.seen[number] = known
        return made


@dataclass(frozen=True)
class Fixed:
    """Normalises by known statistics, so that each image's output is its own."""

    known: dict[int, Statistics]

    def __call__(self, number: int, x: Tensor, affine: Affine) -> Tensor:
        """Return the normalised input."""
        statistics = self.known[number]
        mean, inverse = _channels(statistics.mean, x), _channels(statistics.inverse_deviation, x)
        return scaled((x - mean) * inverse, affine)


@dataclass(frozen=True)
class Only:
    """Normalises in the calls with these numbers, by statistics of the batch; others do nothing."""

    calls: Collection[int]

    def __call__(self, number: int, x: Tensor, affine: Affine) -> Tensor:
        """Return the normalised input, or a copy: what follows may work in place."""
        return OfBatch()(number, x, affine) if number in self.calls else x.clone()


def plainly(number: int, x: Tensor, affine: Affine) -> Tensor:
    """Normalise by the batch in steps that can be differentiated again and again."""
    return scaled(standardised(x, [0, *range(2, x.dim())], affine.epsilon), affine)


def standardised(x: Tensor, dims: list[int], epsilon: float) -> Tensor:
    """Return x less its mean over ``dims``, divided by its deviation."""
    centred = x - x.mean(dim=dims, keepdim=True)
    variance = (centred * centred).mean(dim=dims, keepdim=True)
    made: Tensor = centred * torch.rsqrt(variance + epsilon)
    return made


def scaled(x: Tensor, affine: Affine) -> Tensor:
    """Return x, (B, channels, …), with what a normalisation multiplies by and adds."""
    if affine.weight is not None:
        x = x * _channels(affine.weight, x)
    return x if affine.bias is None else x + _channels(affine.bias, x)


def _channels(values: Tensor, x: Tensor) -> Tensor:
    """Return (channels,) so that it meets axis 1 of ``x``."""
    return values.view(1, -1, *[1] * (x.dim() - 2))


class Conditions(TorchFunctionMode):
    """The conditions in effect; :func:`conditions` makes them."""

    def __init__(self, normalise: Normalisation, instead: dict[Any, Callable[..., Any]]) -> None:
        super().__init__()
        self._normalise, self._instead = normalise, instead
        self.calls = 0

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is F.batch_norm or func is torch.batch_norm:
            return self._batch_norm(func, args, kwargs)
        instead = self._instead.get(func)
        return func(*args, **kwargs) if instead is None else instead(*args, **kwargs)

    @contextmanager
    def repeating(self, call: int) -> Iterator[None]:
        """Give the normalisations within the ``with`` block numbers from ``call`` on once more."""
        calls, self.calls = self.calls, call
        try:
            yield
        finally:
            self.calls = calls

    def _batch_norm(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
        places = _F_BATCH_NORM if func is F.batch_norm else _TORCH_BATCH_NORM
        given = {**dict(zip(places, args, strict=False)), **kwargs}
        affine = Affine(given.get("weight"), given.get("bias"), float(given.get("eps", 1e-5)))
        self.calls += 1
        return self._normalise(self.calls - 1, given["input"], affine)


_F_BATCH_NORM = tuple(signature(F.batch_norm).parameters)
_TORCH_BATCH_NORM = (
    *("input", "weight", "bias", "running_mean", "running_var"),
    *("training", "momentum", "eps", "cudnn_enabled"),
)


def _undropped(input: Tensor, *_: Any, **__: Any) -> Tensor:
    return input


def _by_steps(function: Callable[..., Any]) -> Callable[..., Any]:
    def run(*args: Any, **kwargs: Any) -> Any:
        # Not by their flags(), which set other switches, too, and warn of one.
        backends: tuple[Any, ...] = torch.backends.mkldnn, torch.backends.cudnn
        usual = [backend.enabled for backend in backends]
        try:
            for backend in backends:
                backend.enabled = False
            return function(*args, **kwargs)
        finally:
            for backend, enabled in zip(backends, usual, strict=True):
                backend.enabled = enabled

    return run


def _attention(*args: Any, **kwargs: Any) -> Tensor:
    given = {**dict(zip(_ATTENTION, args, strict=False)), **kwargs, "dropout_p": 0.0}
    made: Tensor = F.scaled_dot_product_attention(**given)
    return made


def _weight_norm(direction: Tensor, length: Tensor, dim: int = 0) -> Tensor:
    """Compute a weight from direction and length in steps that have forward derivatives."""
    return direction * (length / torch.norm_except_dim(direction, 2, dim))


_ATTENTION = (
    *("query", "key", "value", "attn_mask", "dropout_p"),
    *("is_causal", "scale", "enable_gqa"),
)
_USUAL: dict[Any, Callable[..., Any]] = {
    **dict.fromkeys(
        [
            *(F.dropout, F.dropout1d, F.dropout2d, F.dropout3d),
            *(F.alpha_dropout, F.feature_alpha_dropout),
            *(torch.dropout, torch.dropout_, torch.alpha_dropout, torch.feature_dropout),
        ],
        _undropped,
    ),
    **{
        function: _by_steps(function)
        for function in (torch.lstm, torch.gru, torch.rnn_tanh, torch.rnn_relu)
    },
    F.scaled_dot_product_attention: _attention,
    torch._weight_norm: _weight_norm,
}


class _Straight:
    """In place of checkpoints that compute a part of a module again when it is gone back through.

    By then the weights that it was called with are no longer in place.
    """

    @staticmethod
    def apply(function: Callable[..., Any], _: bool, *args: Any) -> Any:
        """Call the part."""
        return function(*args)

    @staticmethod
    def around_call(*_: Any, **__: Any) -> Iterator[None]:
        """Do nothing before and behind the call."""
        yield


@contextmanager
def _nothing_again() -> Iterator[None]:
    """Let torch.utils.checkpoint call its functions once."""
    place: Any = torch.utils.checkpoint
    usual = place.CheckpointFunction, place._checkpoint_without_reentrant_generator
    place.CheckpointFunction = _Straight
    place._checkpoint_without_reentrant_generator = _Straight.around_call
    try:
        yield
    finally:
        place.CheckpointFunction, place._checkpoint_without_reentrant_generator = usual


@contextmanager
def _forked_generators() -> Iterator[None]:
    """Put the generators of Python and NumPy back behind the ``with`` block."""
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002  (models draw from it)
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002


@contextmanager
def conditions(
    normalise: Normalisation, instead: dict[Any, Callable[..., Any]] | None = None
) -> Iterator[Conditions]:
    """Have modules run under the conditions of scoring within the ``with`` block.

    Random numbers that a module draws itself are the same in each pass; the generators are as
    before afterwards.

    Parameters
    ----------
    normalise
        How batch normalisation is done.
    instead
        Further functions to call in place of others.
    """
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with (
            torch.random.fork_rng(),
            _forked_generators(),
            sdpa_kernel(SDPBackend.MATH),
            _nothing_again(),
            Conditions(normalise, {**_USUAL, **(instead or {})}) as current,
        ):
            seed_global_generators(0)
            yield current
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
