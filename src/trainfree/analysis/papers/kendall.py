"""Kendall's tau of scores and final accuracy: by the paper's protocol and on parts of the space.

The paper draws at most 1,000 architectures above 15 % accuracy. Beside that stand the whole
space, the parts that the space names (in NAS-Bench-201 the cells whose output depends on the
input), and the best tenth, where a search has to choose. Scores of -inf rank lowest, or are left
out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from trainfree.analysis.inputs import outcome_title
from trainfree.analysis.papers.draws import DRAWN, LEAST_ACCURACY, taus_of
from trainfree.analysis.papers.measures import Measured, coefficient, mean_of_draws
from trainfree.analysis.papers.published_correlations import Row, rows_with_other_spaces
from trainfree.analysis.published import Published
from trainfree.analysis.run_files import RunFiles
from trainfree.analysis.settings import AnalysisSettings
from trainfree.analysis.statistics.rank_statistics import percentile_interval
from trainfree.analysis.statistics.subsets import subsets_of
from trainfree.analysis.tables import number, with_interval, write_tables

TITLE = (
    "Kendall's τ-b of scores and {accuracy}; the paper's protocol is the mean "
    "and the middle 95 % of repeated draws, the others have bootstrap intervals"
)
PUBLISHED_ACCURACY = "test accuracy after 200 epochs"
PAPER = f"paper: at most {DRAWN:,} above {LEAST_ACCURACY:g} %"
COLUMNS = (
    *("dataset", "outcome", "proxy", "rows", "minus_infinity", "n", "tau", "low", "high"),
    *("published", "difference", "verdict", "reason"),
)


def tabulate_kendall(
    run: RunFiles, published: Sequence[Published], settings: AnalysisSettings, output_stem: Path
) -> pd.DataFrame:
    """Write the table of Kendall's tau and return it.

    Absent data sets have no lines. A space of which nothing is published has its own, with
    nothing beside them.

    Raises
    ------
    DataFileError
        When the table cannot be written.
    """
    rows: list[dict[str, Any]] = []
    for row in rows_with_other_spaces(run, published):
        rows.extend(_rows(run, row, settings))
    frame = pd.DataFrame(rows, columns=COLUMNS)
    made_from = run.data_line(searches=False)
    write_tables(frame, show_kendall(frame), title_of(frame), made_from, output_stem)
    return frame


def title_of(frame: pd.DataFrame) -> str:
    """Return the caption, which names the accuracies where they are not the published ones."""
    outcomes = frame["outcome"].drop_duplicates()
    if all(outcome.endswith("/test/200") for outcome in outcomes):
        return TITLE.format(accuracy=PUBLISHED_ACCURACY)
    titles = dict.fromkeys(outcome_title(outcome) for outcome in outcomes)
    return TITLE.format(accuracy=f"accuracy ({', '.join(titles)})")


def show_kendall(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the table for readers."""
    records = frame.to_dict("records")
    return pd.DataFrame(
        {
            "Data set": frame["dataset"],
            "Proxy": frame["proxy"],
            "Architectures": frame["rows"],
            "Scores of −∞": frame["minus_infinity"],
            "n": [number(row["n"], 0) for row in records],
            "τ": [with_interval(row["tau"], row["low"], row["high"]) for row in records],
            "Published": [number(row["published"], 3) for row in records],
            "Difference": [number(row["difference"], 3) for row in records],
            "Verdict": frame["verdict"].astype(object).fillna(""),
            "Reason": frame["reason"].astype(object).fillna(""),
        }
    )


def _rows(run: RunFiles, row: Row, settings: AnalysisSettings) -> Iterator[dict[str, Any]]:
    """Yield the lines of a proxy: each protocol with -inf and, where that differs, without."""
    both = run.pairs(*row.of)
    finite = both[np.isfinite(both["score"])]
    versions = [("rank lowest", both)]
    if len(finite) < len(both):
        versions.append(("left out", finite))
    for infinite, pairs in versions:
        common = {
            "dataset": row.of.dataset,
            "outcome": row.of.outcome,
            "proxy": row.of.proxy,
            "minus_infinity": infinite if len(versions) > 1 else "none",
        }
        drawn = taus_of(run, row.of, settings, finite=infinite == "left out")
        measured = mean_of_draws(drawn)
        beside = {}
        if row.published is not None and infinite == "rank lowest":
            beside = row.published.columns(run, measured, settings)
        yield {**common, "rows": PAPER, **_shown(measured), **beside}
        for name, chosen in subsets_of(run.benchmark, pairs).items():
            yield {**common, "rows": name, **_shown(_subset_tau(pairs[chosen], settings))}


def _subset_tau(pairs: pd.DataFrame, settings: AnalysisSettings) -> Measured:
    tau, resampled = coefficient(pairs, "kendall", settings)
    low, high = percentile_interval(resampled)
    return Measured(tau, np.nan, low, high, len(pairs))


def _shown(measured: Measured) -> dict[str, float]:
    return {"n": measured.n, "tau": measured.value, "low": measured.low, "high": measured.high}
