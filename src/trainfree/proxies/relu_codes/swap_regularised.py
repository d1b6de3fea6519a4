"""SWAP, regularised by the number of parameters."""

from math import exp, inf

from trainfree.proxies.registry import Candidate, UndefinedScoreError, proxy

MEAN, SPREAD = 1.5, 1.5


@proxy("swap_regularised", needs=["activations"], cite="Peng et al., ICLR 2024 (SWAP-NAS)")
def swap_regularised(candidate: Candidate) -> float:
    """Return SWAP · exp(−(Θ − μ)² / σ), Θ the number of parameters in millions, μ = σ = 1.5.

    SWAP is the number of different patterns over the images, see ``swap``. μ and σ are free, for
    each space and each size that a search is to find; the authors' code (pym1024/SWAP) has no
    values. 1.5 million is what rohanasthana/Dextr runs their code with and about the largest
    network of NAS-Bench-201. −∞ where the factor rounds to 0, from some 35 million parameters on.
    Higher is better.
    """
    factor = exp(-((candidate.params / 1e6 - MEAN) ** 2) / SPREAD)
    if not factor:
        raise UndefinedScoreError("its parameters are so many that the factor is zero", score=-inf)
    return candidate.distinct_unit_patterns * factor
