"""Dextr: inverse condition numbers of features, with the curvature of the outputs."""

from math import isnan, log1p

import numpy as np

from trainfree.proxies.registry import Candidate, proxy


@proxy(
    "dextr",
    needs=["activations", "jacobian", "random"],
    cite="Asthana et al., TMLR 2025 (Dextr), and its code rohanasthana/Dextr",
)
def dextr(candidate: Candidate) -> float:
    """Return ab / (a + b), a = ln(1 + Σ over layers σ_min / σ_max) and b = ln(1 + κ).

    σ are the singular values of the first image's features in a layer, (channels, positions); a
    layer of zeros counts 0. κ = |v|⁻³ √(|v|² |a|² − (v · a)²) is the extrinsic curvature of the
    curve that the outputs make where the input goes round a random circle of radius 1, at the
    circle's first point: v and a are the first and second derivative by the angle, vectors of all
    outputs. Where κ is undefined, a alone is the score, as in the code; −∞ where no input reaches
    the output. Higher is better.

    The code takes ten outputs at random, with replacement, in place of all; it counts containers of
    layers, too; and it normalises by one image, for the features and on the circle, where we take
    the mini-batch for the features.
    """
    curvature, total = candidate.output_curvature, 0.0
    for features in candidate.arrays(candidate.first_features):
        values = np.linalg.svd(features.astype(np.float64), compute_uv=False)
        total += float(values[-1] / values[0]) if values[0] > 0 else 0.0
    flatness = log1p(total)
    if isnan(curvature):
        return flatness
    bend = log1p(curvature)
    return flatness * bend / (flatness + bend) if flatness + bend > 0 else 0.0
