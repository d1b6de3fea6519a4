"""The mean rank of each proxy over spaces, and which are as good as the best."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from trainfree.analysis.declaration import Inputs, Made, table
from trainfree.analysis.formats import count, decimal, plain
from trainfree.analysis.origins import MadeFrom, files_behind
from trainfree.analysis.searches.compared_searches import p_text
from trainfree.analysis.statistics.paired_tests import average_ranks
from trainfree.analysis.tables import numbers, text

BETWEEN = "/"
"""Between the names of space and data set."""


@table(
    title="Mean rank of each proxy over spaces by Spearman's ρ, 1 is best; two proxies differ at "
    "the 5 % level if their ranks differ by more than the critical difference (Friedman and "
    "Nemenyi). Each space counts once: ρ is the mean over its data sets. Proxies without a ρ on "
    "some data set are not ranked",
    columns=(
        *text("proxy"),
        *numbers("spaces", "rank", "mean_spearman", "worst_spearman"),
        *text("worst_space"),
        *numbers("critical_difference"),
        *text("as_good_as_best"),
        *numbers("friedman_p"),
        *text("note"),
    ),
    shown={
        "Proxy": plain("proxy"),
        "Spaces": count("spaces"),
        "Mean rank": decimal("rank"),
        "Critical difference": decimal("critical_difference"),
        "As good as the best": plain("as_good_as_best"),
        "Mean ρ": decimal("mean_spearman", 3),
        "Lowest ρ": decimal("worst_spearman", 3),
        "in": plain("worst_space"),
        "Friedman p": lambda row: p_text(row["friedman_p"]),
        "Note": plain("note"),
    },
    once=("Critical difference", "Friedman p"),
    reads=(),
    after=("spaces",),
    of="across",
    target="spaces",
    section="spaces",
    rank=2,
)
def space_ranks(inputs: Inputs) -> Made:
    """Return a row for each proxy, best first; those that are not ranked last.

    Raises
    ------
    DataFileError
        When the table of spaces is missing or damaged.
    """
    path = inputs.table("spaces")
    rows = ranked(inputs.rows_of("spaces"))
    return Made(rows, MadeFrom("the table spaces", files_behind(path), apart="setting"))


def ranked(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Return mean rank, mean and lowest ρ of each proxy from the rows of the table of spaces."""
    placed = rows.assign(place=rows["space"].astype(str) + BETWEEN + rows["dataset"].astype(str))
    by_data = placed.pivot_table(
        index="proxy", columns="place", values="spearman", aggfunc="first", dropna=False, sort=False
    )
    complete = by_data.dropna()
    square = _by_space(complete)
    found: list[dict[str, Any]] = []
    if len(square) >= 2 and square.shape[1] >= 1:
        ranks = average_ranks(square.to_numpy(dtype=float).T)
        best = float(ranks.ranks.min())
        for place in np.argsort(ranks.ranks, kind="stable").tolist():
            good = ranks.ranks[place] - best <= ranks.critical_difference
            found.append(
                _row(str(square.index[place]), square.iloc[place])
                | {
                    "rank": float(ranks.ranks[place]),
                    "critical_difference": ranks.critical_difference,
                    "as_good_as_best": "yes" if good else "no",
                    "friedman_p": ranks.p_value,
                    "note": "",
                }
            )
    for proxy in by_data.index.difference(square.index, sort=False):
        known = by_data.loc[[proxy]].dropna(axis="columns")
        lacking = by_data.columns.difference(known.columns, sort=False)
        absent = dict.fromkeys(map(_space, lacking))
        found.append(
            _row(str(proxy), _by_space(known).iloc[0])
            | {"note": f"no ρ in {', '.join(absent)}", "as_good_as_best": ""}
        )
    return found


def _by_space(by_data: pd.DataFrame) -> pd.DataFrame:
    """Return the mean over the data sets of each space, (proxy, space)."""
    found: pd.DataFrame = by_data.T.groupby(_space, sort=False).mean().T
    return found


def _space(place: object) -> str:
    return str(place).partition(BETWEEN)[0]


def _row(proxy: str, spearman: pd.Series) -> dict[str, Any]:
    undefined = {"rank": np.nan, "critical_difference": np.nan, "friedman_p": np.nan}
    known = len(spearman) > 0
    return undefined | {
        "proxy": proxy,
        "spaces": len(spearman),
        "mean_spearman": float(spearman.mean()) if known else np.nan,
        "worst_spearman": float(spearman.min()) if known else np.nan,
        "worst_space": str(spearman.idxmin()) if known else "",
    }
