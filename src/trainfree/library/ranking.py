"""Models in the order of their scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainfree.errors import TrainfreeError, UnknownNameError

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("model", "proxy", "score", "spread", "status")


def rank(table: pd.DataFrame, proxy: str | None = None) -> pd.DataFrame:
    """Return the models in a table of scores in order, best first.

    Parameters
    ----------
    table
        A table from :func:`trainfree.score`, or several joined by ``pandas.concat``.
    proxy
        Rank by this proxy only; by default by each, one after the other.

    Returns
    -------
    pandas.DataFrame
        Columns ``proxy``, ``rank``, ``model``, ``score`` (the mean over the draws), ``spread``
        (their standard deviation) and ``status``. The best has rank 1, and equal scores share
        the better rank; −∞ is the worst rank, and models without a score come last without a rank.

    Raises
    ------
    TrainfreeError
        When the table lacks a column, or has a model twice.
    UnknownNameError
        When the table has no such proxy.

    Examples
    --------
    >>> import pandas as pd
    >>> import trainfree
    >>> table = pd.DataFrame(
    ...     {
    ...         "model": ["small", "broken", "large"],
    ...         "proxy": "naswot",
    ...         "score": [310.5, float("nan"), 335.0],
    ...         "spread": [2.0, float("nan"), 1.5],
    ...         "status": ["ok", "error", "ok"],
    ...     }
    ... )
    >>> trainfree.rank(table)
        proxy  rank   model  score  spread status
    0  naswot     1   large  335.0     1.5     ok
    1  naswot     2   small  310.5     2.0     ok
    2  naswot  <NA>  broken    NaN     NaN  error
    """
    import pandas as pd

    lacking = [name for name in COLUMNS if name not in table]
    if lacking:
        raise TrainfreeError(
            f"rank: expected a table as trainfree.score returns it, with {', '.join(COLUMNS)}; "
            f"it has no {', '.join(lacking)}"
        )
    if proxy is not None:
        if not (table["proxy"] == proxy).any():
            raise UnknownNameError("proxy of this table", proxy, table["proxy"].unique())
        table = table[table["proxy"] == proxy]
    twice = table[table.duplicated(["model", "proxy"])]
    if len(twice):
        raise TrainfreeError(
            f"rank: expected each model once for each proxy, found {twice['model'].iloc[0]!r} "
            "twice; give the models of joined tables different names"
        )
    place = table.groupby("proxy")["score"].rank(method="min", ascending=False)
    ranked = pd.DataFrame({"proxy": table["proxy"], "rank": place.astype("Int64")}).join(
        table[["model", "score", "spread", "status"]]
    )
    order = {name: number for number, name in enumerate(table["proxy"].unique())}
    ranked = ranked.sort_values(
        ["proxy", "rank"],
        key=lambda column: column.map(order) if column.name == "proxy" else column,
        kind="stable",
        na_position="last",
    )
    return ranked.reset_index(drop=True)
