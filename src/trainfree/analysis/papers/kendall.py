"""Kendall's tau of scores and final accuracy: by the paper's protocol and on parts of the space.

The paper draws at most 1,000 architectures above 15 % accuracy. Beside that stand the whole
space, the cells whose output depends on the input, and the best tenth, where a search has to
choose. Scores of -inf rank lowest, or are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from trainfree.analysis.formats import number, with_interval
from trainfree.analysis.papers.measures import (
    DRAWN,
    LEAST_ACCURACY,
    Measured,
    coefficient,
    drawn_taus,
    obstacle_of,
)
from trainfree.analysis.papers.verdicts import judge
from trainfree.analysis.published import Cell, Measure, Published, cells_of_kind
from trainfree.analysis.run_files import RunFiles
from trainfree.analysis.settings import AnalysisSettings
from trainfree.analysis.statistics.rank_statistics import percentile_interval
from trainfree.analysis.statistics.subsets import best_tenth, connected
from trainfree.analysis.tables import write_tables

TITLE = (
    "Kendall's τ-b of scores and test accuracy after 200 epochs; the paper's protocol is the mean "
    "and the middle 95 % of repeated draws, the others have bootstrap intervals"
)
PAPER = f"paper: at most {DRAWN:,} above {LEAST_ACCURACY:g} %"
SUBSETS = ("whole space", "connected cells", "best tenth")
COLUMNS = (
    *("dataset", "outcome", "proxy", "rows", "minus_infinity", "n", "tau", "low", "high"),
    *("published", "difference", "verdict", "reason"),
)


def tabulate_kendall(
    run: RunFiles, published: Sequence[Published], settings: AnalysisSettings, output_stem: Path
) -> pd.DataFrame:
    """Write the table of Kendall's tau and return it.

    Absent data sets have no lines.

    Raises
    ------
    DataFileError
        When the table cannot be written.
    """
    rows: list[dict[str, Any]] = []
    for table, cell, measure in cells_of_kind(published, "tau"):
        for proxy in run.proxies(table.space, measure):
            rows.extend(_rows(run, proxy, table.batch_size, cell, measure, settings))
    frame = pd.DataFrame(rows, columns=COLUMNS)
    made_from = run.data_line(searches=False)
    write_tables(frame, show_kendall(frame), TITLE, made_from, output_stem)
    return frame


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
            "Verdict": frame["verdict"].fillna(""),
            "Reason": frame["reason"].fillna(""),
        }
    )


def _rows(
    run: RunFiles,
    proxy: str,
    batch_size: int,
    cell: Cell,
    measure: Measure,
    settings: AnalysisSettings,
) -> Iterator[dict[str, Any]]:
    """Yield the lines of a proxy: each protocol with -inf and, where that differs, without."""
    both = run.pairs(measure.dataset, proxy, measure.outcome)
    finite = both[np.isfinite(both["score"])]
    versions = [("rank lowest", both)]
    if len(finite) < len(both):
        versions.append(("left out", finite))
    for infinite, pairs in versions:
        common = {
            "dataset": measure.dataset,
            "outcome": measure.outcome,
            "proxy": proxy,
            "minus_infinity": infinite if len(versions) > 1 else "none",
        }
        measured = _paper_protocol(pairs, settings)
        row = {**common, "rows": PAPER, **_shown(measured)}
        if proxy == measure.signal and infinite == "rank lowest":
            obstacle = obstacle_of(run, measure, batch_size)
            verdict = judge(cell, measured.value, 0.0, settings, obstacle=obstacle)
            row |= {
                "published": cell.value,
                "difference": measured.value - cell.value,
                "verdict": verdict.word,
                "reason": verdict.reason,
            }
        yield row
        parts = (
            np.ones(len(pairs), dtype=bool),
            connected(pairs.index),
            best_tenth(pairs["accuracy"]),
        )
        for name, chosen in zip(SUBSETS, parts, strict=True):
            yield {**common, "rows": name, **_shown(_subset_tau(pairs[chosen], settings))}


def _paper_protocol(pairs: pd.DataFrame, settings: AnalysisSettings) -> Measured:
    taus = drawn_taus(pairs, settings)
    low, high = percentile_interval(taus)
    n = min(DRAWN, int((pairs["accuracy"] > LEAST_ACCURACY).sum()))
    return Measured(float(taus.mean()), float(taus.std(ddof=1)), low, high, n)


def _subset_tau(pairs: pd.DataFrame, settings: AnalysisSettings) -> Measured:
    tau, resampled = coefficient(pairs, "kendall", settings)
    low, high = percentile_interval(resampled)
    return Measured(tau, np.nan, low, high, len(pairs))


def _shown(measured: Measured) -> dict[str, float]:
    return {"n": measured.n, "tau": measured.value, "low": measured.low, "high": measured.high}
