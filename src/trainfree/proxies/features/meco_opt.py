"""MeCo_opt: MeCo of eight random channels of each layer."""

import numpy as np

from trainfree.proxies.registry import Candidate, UndefinedScoreError, proxy

CHANNELS = 8


@proxy(
    "meco_opt",
    needs=["activations", "random"],
    input="gaussian",
    cite="Jiang, Wang and Bie, NeurIPS 2023 (MeCo), MeCo_opt",
)
def meco_opt(candidate: Candidate) -> float:
    """Return Σ over layers C/8 · λ_min of the (8, 8) correlation of random channels of one image.

    C is the number of a layer's channels; where there are at most eight all are taken and the
    factor is 1. The factor keeps the score from falling with the number of channels, as λ_min of
    all channels (``meco``) does on the size space of NATS-Bench. Layers, the one image and constant
    channels are as for ``meco``. Higher is better.

    Its input is Gaussian noise, as in the authors' code, there of 64 pixels a side.
    """
    features = [each for each in candidate.first_features if each.shape[1] > 1]
    if not features:
        raise UndefinedScoreError("no layer has more than one position")
    rng, few = candidate.stream("proxy/meco_opt"), []
    for each in features:
        chosen = rng.choice(len(each), min(CHANNELS, len(each)), replace=False)
        few.append(each[np.sort(chosen).tolist()])
    return sum(
        len(each) / len(maps) * smallest_eigenvalue(maps.astype(np.float64))
        for each, maps in zip(features, candidate.arrays(few), strict=True)
    )


def smallest_eigenvalue(maps: np.ndarray) -> float:
    """Return λ_min of the correlations of maps, (channels, positions)."""
    centred = maps - maps.mean(axis=1, keepdims=True)
    norm = np.sqrt((centred**2).sum(axis=1, keepdims=True))
    unit = np.divide(centred, norm, out=np.zeros_like(centred), where=norm > 0)
    return float(np.linalg.eigvalsh(unit @ unit.T)[0])
