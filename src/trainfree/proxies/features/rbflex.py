"""RBFleX: how far radial kernels of activations and last features keep images apart."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from trainfree.proxies.own_passes import Layer
from trainfree.proxies.registry import Candidate, UndefinedScoreError, proxy

GAMMA_ACTIVATIONS, GAMMA_FEATURES = 2.68690173088039e-12, 1.02460061284506e-11


@proxy(
    "rbflex",
    needs=["activations"],
    cite="as described in the code of Yamasaki et al., TNNLS 2025 (tomomasayamasaki/RBFleX-NAS)",
)
def rbflex(candidate: Candidate) -> float:
    """Return B (ln det K + ln det Q), radial kernels of activations and of the last layer's input.

    K_ij = exp(−γ |x_i − x_j|²), x_i the outputs of all activations for image i, each unit scaled to
    [0, 1] over the mini-batch; Q is the same of what the last layer with weights reads. −∞ where
    two images are equal there. Higher is better.

    The authors find γ once for a space, the least (m_i − m_j)² / 2(s_i² + s_j²) of means and
    deviations of any two images in ten of its networks, and score all networks with it. The two
    numbers here are those in their scripts for both spaces of NATS-Bench. They are so small that
    they only add (B − 1) ln γ to each logarithm. A γ of each network's own would add its noise.
    Their networks are in training mode and see three images, one at a time, so that each image is
    normalised by itself; here by the mini-batch.
    """
    seen = _Seen()
    candidate.over_layers(seen.note)
    if seen.products is None:
        raise UndefinedScoreError("the network has no activation")
    if seen.read is None:
        raise UndefinedScoreError("it is not known what the last layer reads of each image")
    kernels = candidate.arrays([seen.products, scaled_gram(seen.read)])
    gammas = (GAMMA_ACTIVATIONS, GAMMA_FEATURES)
    return len(seen.read) * sum(
        candidate.log_abs_determinant(contrasts(kernel, gamma))
        for kernel, gamma in zip(kernels, gammas, strict=True)
    )


@dataclass
class _Seen:
    """X Xᵀ of all activations so far, and what the latest layer with weights has read."""

    products: Any = None
    read: Any = None

    def note(self, layer: Layer) -> None:
        """Take in a layer."""
        if layer.kind == "activation":
            products = layer.modules * scaled_gram(layer.output)
            self.products = products if self.products is None else self.products + products
        elif layer.kind == "product":
            self.read = layer.input


def scaled_gram(outputs: Any) -> Any:
    """Return X Xᵀ, (B, B) float64, of outputs, (B, …), with each unit scaled to [0, 1]."""
    units = outputs.flatten(1).double()
    low, high = units.amin(0), units.amax(0)
    span = (high - low).clamp(min=0)
    scaled = (units - low) / span.where(span > 0, 1.0)
    return scaled @ scaled.T


def contrasts(products: np.ndarray, gamma: float) -> np.ndarray:
    """Return a matrix with the determinant of K, without its rounding, (B − 1, B − 1).

    K is almost a matrix of ones, and what differs would be lost to rounding. With E = K − 1 and the
    first image's row and column taken from the others, det K = det(E_ij − E_i0 − E_0j − E_i0 E_0j).
    """
    square = np.diag(products)
    distances = (square[:, None] + square[None, :] - 2 * products).clip(min=0)
    np.fill_diagonal(distances, 0)
    less_one = np.expm1(-gamma * distances)
    first, rest = less_one[0, 1:], less_one[1:, 1:]
    found: np.ndarray = rest - first[:, None] - first[None, :] - first[:, None] * first[None, :]
    return found
