"""Extrinsic curvature of a network's outputs along a circle of inputs, of any function."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, nan

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainfree.proxies.registry import UndefinedScoreError
from trainfree.scoring.placement import to_device


def circle_axes(size: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return two orthonormal vectors in a random direction, (2, size)."""
    first, second = rng.standard_normal((2, size))
    first /= np.linalg.norm(first)
    second -= (first @ second) * first
    return np.stack([first, second / np.linalg.norm(second)])


def extrinsic_curvature(
    outputs: Callable[[Tensor], Tensor], axes: NDArray[np.float64], like: Tensor
) -> float:
    """Return κ = |v|⁻³ √(|v|² |a|² − (v · a)²) at the circle's first point.

    v and a are the first and second derivative of the outputs by the angle θ of the input
    u₀ cos θ + u₁ sin θ, at θ = 0. It is computed as |a − (v · a) v / |v|²| / |v|², which
    is the same and does not take the difference of two large numbers.

    Parameters
    ----------
    outputs
        The network: maps an input, (size,), to its outputs.
    axes
        u₀ and u₁, (2, size).
    like
        Has the device and type of inputs.

    Returns
    -------
    float
        NaN where v is zero and where there is one output, since a curve on a line has no curvature.

    Raises
    ------
    UndefinedScoreError
        With −inf, when the outputs do not depend on the input; when a derivative overflows.
    """
    ((along, across),) = to_device([axes], like)
    with torch.enable_grad():
        angle = torch.zeros((), dtype=like.dtype, device=like.device, requires_grad=True)
        made = outputs(along * angle.cos() + across * angle.sin()).flatten()
        if not made.requires_grad:
            raise UndefinedScoreError("the output does not depend on the input", score=-inf)
        velocity = _derivative(made, angle)
        acceleration = torch.zeros_like(velocity)
        if velocity.requires_grad:
            acceleration = _derivative(velocity, angle)
    v, a = torch.stack([velocity, acceleration]).detach().cpu().to(torch.float64)
    if not (v.isfinite().all() and a.isfinite().all()):
        raise UndefinedScoreError("the curvature of the outputs overflows")
    square = v @ v
    if len(v) < 2 or not square > 0:
        return nan
    return float((a - (v @ a) / square * v).norm() / square)


def _derivative(values: Tensor, angle: Tensor) -> Tensor:
    """Return ∂ values / ∂ angle, (outputs,), which can be differentiated again.

    Σ wᵢ ∂ valuesᵢ / ∂ angle is had by going back once, and its derivative by w is the answer: two
    passes, however many outputs there are.
    """
    weights = torch.zeros_like(values, requires_grad=True)
    (summed,) = torch.autograd.grad(
        values, angle, weights, create_graph=True, allow_unused=True, materialize_grads=True
    )
    if not summed.requires_grad:
        return torch.zeros_like(values)
    (found,) = torch.autograd.grad(
        summed, weights, create_graph=True, allow_unused=True, materialize_grads=True
    )
    return found
