"""How far Kendall's tau depends on the draw of at most 1,000 architectures.

The paper's protocol is repeated; where in these draws does the published value lie?
"""

from __future__ import annotations

from typing import Any

import numpy as np

from trainfree.analysis.declaration import Inputs, Made, table
from trainfree.analysis.formats import MISSING, Row, count, decimal, number, plain
from trainfree.analysis.papers.draws import DRAWN, LEAST_ACCURACY, taus_of
from trainfree.analysis.papers.published_correlations import Row as Compared
from trainfree.analysis.papers.published_correlations import rows_with_other_spaces
from trainfree.analysis.run_files import RunFiles
from trainfree.analysis.settings import AnalysisSettings
from trainfree.analysis.tables import numbers, text

QUANTILES = {"low": 0.025, "median": 0.5, "high": 0.975}


def _share_below(row: Row) -> str:
    share = row["published_quantile"]
    return MISSING if np.isnan(share) else number(100 * share, 1)


@table(
    title="Sensitivity of Kendall's τ-b to the architectures drawn: repeated draws of at most "
    f"{DRAWN:,} above {LEAST_ACCURACY:g} % accuracy, and the share of draws below the published τ",
    columns=(
        *text("dataset", "outcome", "proxy"),
        *numbers("draws", "n", "eligible", "smallest", *QUANTILES, "largest", "spread"),
        *numbers("published", "published_quantile"),
        *text("stand_in"),
    ),
    shown={
        "Data set": plain("dataset"),
        "Proxy": plain("proxy"),
        "Draws": count("draws"),
        "n": lambda row: f"{number(row['n'], 0)} of {number(row['eligible'], 0)}",
        "Smallest": decimal("smallest", 3),
        "Middle 95 %": lambda row: f"{number(row['low'], 3)} to {number(row['high'], 3)}",
        "Median": decimal("median", 3),
        "Largest": decimal("largest", 3),
        "Published": decimal("published", 3),
        "Draws below it (%)": _share_below,
        "Images": lambda row: row["stand_in"] or "real",
    },
    reads=("scores", "benchmark", "published"),
    settings=("seed", "tau_draws"),
    section="ranking",
    rank=3,
    copied=True,
)
def tau_sensitivity(inputs: Inputs) -> Made:
    """Return the spread of tau over repeated draws, for each proxy.

    Absent data sets have no lines. A space of which nothing is published has its own, with
    nothing beside them.
    """
    rows = [
        _row(inputs.run, compared, inputs.settings)
        for compared in rows_with_other_spaces(inputs.run, inputs.papers)
    ]
    return Made(rows, inputs.run.data_line(searches=False))


def _row(run: RunFiles, compared: Compared, settings: AnalysisSettings) -> dict[str, Any]:
    drawn = taus_of(run, compared.of, settings)
    taus = drawn.taus
    beside = compared.published is not None
    published = compared.published.cell.value if compared.published is not None else np.nan
    return {
        "dataset": compared.of.dataset,
        "outcome": compared.of.outcome,
        "proxy": compared.of.proxy,
        "draws": len(taus),
        "n": drawn.n,
        "eligible": drawn.eligible,
        "smallest": float(taus.min()),
        **{name: float(np.quantile(taus, level)) for name, level in QUANTILES.items()},
        "largest": float(taus.max()),
        "spread": float(taus.std(ddof=1)),
        "published": published,
        "published_quantile": float((taus < published).mean()) if beside else np.nan,
        "stand_in": run.stand_in(compared.of.dataset),
    }
