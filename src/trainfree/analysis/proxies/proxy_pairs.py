"""How alike proxies are: Spearman's ρ of the scores of each with each."""

from __future__ import annotations

import pandas as pd

from trainfree.analysis.data_line import data_line
from trainfree.analysis.declaration import Inputs, Made, table
from trainfree.analysis.formats import decimal, plain, shown_as
from trainfree.analysis.proxies.proxy_agreement import spearman
from trainfree.analysis.proxies.proxy_scores import read_proxy_scores
from trainfree.analysis.tables import names_of, text

COLUMNS = text("space", "dataset", "setting", "proxy")


def _shown(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the version for readers: a column for each proxy, behind what is declared."""
    titles = {"Data set": "dataset", "Setting": "setting", "Proxy": "proxy"}
    proxies = [str(name) for name in frame if name not in names_of(COLUMNS)]
    named = {title: plain(name) for title, name in titles.items()}
    return shown_as({**named, **{name: decimal(name) for name in proxies}})(frame)


@table(
    title="Proxies: Spearman's ρ between each pair",
    columns=COLUMNS,
    shown=_shown,
    once=("Data set", "Setting"),
    reads=("scores",),
    target="proxy_tables",
    section="proxies",
    rank=2,
    minutes=60,
)
def proxy_pairs(inputs: Inputs) -> Made:
    """Return a row for each proxy and combination, with a column for each.

    Raises
    ------
    DataFileError
        When a file is missing or damaged.
    """
    scored = [read_proxy_scores(path) for path in inputs.some("scores")]
    pairs = [_of_each_with_each(one.scores, one.settings) for one in scored]
    return Made(pd.concat(pairs, ignore_index=True), data_line(one.data for one in scored))


def _of_each_with_each(values: pd.DataFrame, settings: dict[str, str]) -> pd.DataFrame:
    def of_pair(one: str, other: str) -> float:
        known = values[one].notna() & values[other].notna()
        return spearman(values.loc[known, one], values.loc[known, other])

    names = [str(name) for name in values]
    rows = [
        {**settings, "proxy": one, **{other: of_pair(one, other) for other in names}}
        for one in names
    ]
    return pd.DataFrame(rows)
