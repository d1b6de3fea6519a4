"""How far Kendall's tau depends on the draw of at most 1,000 architectures.

The paper's protocol is repeated; where in these draws does the published value lie?
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from trainfree.analysis.papers.draws import DRAWN, LEAST_ACCURACY, taus_of
from trainfree.analysis.papers.published_correlations import Row, rows_with_other_spaces
from trainfree.analysis.published import Published
from trainfree.analysis.run_files import RunFiles
from trainfree.analysis.settings import AnalysisSettings
from trainfree.analysis.tables import MISSING, number, write_tables

TITLE = (
    "Sensitivity of Kendall's τ-b to the architectures drawn: repeated draws of at most "
    f"{DRAWN:,} above {LEAST_ACCURACY:g} % accuracy, and the share of draws below the published τ"
)
QUANTILES = {"low": 0.025, "median": 0.5, "high": 0.975}
COLUMNS = (
    *("dataset", "outcome", "proxy", "draws", "n", "eligible", "smallest", *QUANTILES),
    *("largest", "spread", "published", "published_quantile", "stand_in"),
)


def tabulate_tau_sensitivity(
    run: RunFiles, published: Sequence[Published], settings: AnalysisSettings, output_stem: Path
) -> pd.DataFrame:
    """Write the table of repeated draws and return it.

    Absent data sets have no lines. A space of which nothing is published has its own, with
    nothing beside them.

    Raises
    ------
    DataFileError
        When the table cannot be written.
    """
    rows = [_row(run, row, settings) for row in rows_with_other_spaces(run, published)]
    frame = pd.DataFrame(rows, columns=COLUMNS)
    made_from = run.data_line(searches=False)
    write_tables(frame, show_tau_sensitivity(frame), TITLE, made_from, output_stem)
    return frame


def show_tau_sensitivity(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the table for readers."""
    records = frame.to_dict("records")
    return pd.DataFrame(
        {
            "Data set": frame["dataset"],
            "Proxy": frame["proxy"],
            "Draws": [number(row["draws"], 0) for row in records],
            "n": [f"{number(row['n'], 0)} of {number(row['eligible'], 0)}" for row in records],
            "Smallest": [number(row["smallest"], 3) for row in records],
            "Middle 95 %": [
                f"{number(row['low'], 3)} to {number(row['high'], 3)}" for row in records
            ],
            "Median": [number(row["median"], 3) for row in records],
            "Largest": [number(row["largest"], 3) for row in records],
            "Published": [number(row["published"], 3) for row in records],
            "Draws below it (%)": [
                MISSING
                if np.isnan(row["published_quantile"])
                else number(100 * row["published_quantile"], 1)
                for row in records
            ],
            "Images": [row["stand_in"] or "real" for row in records],
        }
    )


def _row(run: RunFiles, row: Row, settings: AnalysisSettings) -> dict[str, Any]:
    drawn = taus_of(run, row.of, settings)
    taus = drawn.taus
    beside = row.published is not None
    published = row.published.cell.value if row.published is not None else np.nan
    return {
        "dataset": row.of.dataset,
        "outcome": row.of.outcome,
        "proxy": row.of.proxy,
        "draws": len(taus),
        "n": drawn.n,
        "eligible": drawn.eligible,
        "smallest": float(taus.min()),
        **{name: float(np.quantile(taus, level)) for name, level in QUANTILES.items()},
        "largest": float(taus.max()),
        "spread": float(taus.std(ddof=1)),
        "published": published,
        "published_quantile": float((taus < published).mean()) if beside else np.nan,
        "stand_in": run.stand_in(row.of.dataset),
    }
