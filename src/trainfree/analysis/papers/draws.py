"""Kendall's tau by the NASWOT paper's protocol: of architectures drawn at random, again and again.

At most 1,000 architectures above 15 % accuracy, without replacement (the released plotting
script). All proxies on a data set share their draws.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trainfree.analysis.inputs import Floats
from trainfree.analysis.run_files import RunFiles
from trainfree.analysis.settings import AnalysisSettings
from trainfree.analysis.statistics.rank_statistics import PairedRanks
from trainfree.randomness import stream

DRAWN = 1000
LEAST_ACCURACY = 15.0


class Correlated(NamedTuple):
    """Which scores are compared with which accuracies.

    ``dataset`` is the image set that was scored, ``outcome`` is ``<data set>/<split>/<epochs>``.
    """

    dataset: str
    proxy: str
    outcome: str


@dataclass(frozen=True)
class DrawnTaus:
    """The taus of repeated draws.

    Attributes
    ----------
    taus
        (draw,) tau-b; NaN where it is not defined.
    n, eligible
        Architectures of a draw, and those that it is drawn from.
    """

    taus: Floats
    n: int
    eligible: int


def taus_of(
    run: RunFiles,
    of: Correlated,
    settings: AnalysisSettings,
    *,
    finite: bool = False,
    least_accuracy: float = LEAST_ACCURACY,
) -> DrawnTaus:
    """Return the taus of a run's scores; all tables of a run share one set of draws.

    Parameters
    ----------
    finite
        Leave out scores of -inf, which otherwise rank lowest.
    least_accuracy
        Architectures of no more percent are left out.

    Raises
    ------
    AbsentError
        When the run has no such scores or accuracies.
    """

    def draw() -> DrawnTaus:
        both = run.pairs(*of)
        chosen = both[np.isfinite(both["score"])] if finite else both
        eligible = int((chosen["accuracy"] > least_accuracy).sum())
        taus = drawn_taus(chosen, settings, least_accuracy)
        return DrawnTaus(taus, min(DRAWN, eligible), eligible)

    return run.once(("taus", of, settings, finite, least_accuracy), draw)


def drawn_taus(
    both: pd.DataFrame, settings: AnalysisSettings, least_accuracy: float = LEAST_ACCURACY
) -> Floats:
    """Return (draw,) the taus of scores and accuracies, columns ``score`` and ``accuracy``."""
    kept = both[both["accuracy"] > least_accuracy]
    pairs = paired(kept)
    taus = []
    for draw in range(settings.tau_draws):
        counts = np.zeros(len(kept), dtype=np.int64)
        counts[drawn_places(len(kept), settings, draw)] = 1
        taus += pairs.chosen(["kendall"], counts)
    return np.array(taus)


def drawn_places(count: int, settings: AnalysisSettings, draw: int) -> NDArray[np.intp]:
    """Return which of ``count`` architectures above 15 % a draw of the paper's protocol takes."""
    return stream(settings.seed, "tau/draw", draw).permutation(count)[:DRAWN]


def paired(both: pd.DataFrame) -> PairedRanks:
    """Return the columns ``score`` and ``accuracy`` as pairs."""
    return PairedRanks(
        both["score"].to_numpy(dtype=np.float64), both["accuracy"].to_numpy(dtype=np.float64)
    )
