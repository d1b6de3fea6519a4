"""How far scores and accuracies agree: the suite's coefficients, with intervals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from trainfree.errors import TrainfreeError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

Values: TypeAlias = "Mapping[Any, float] | pd.Series[Any] | Sequence[float] | NDArray[np.floating]"
"""Numbers by model, or in one order."""
RESAMPLES = 1000


def correlate(
    scores: pd.DataFrame | Values,
    accuracies: Values,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> pd.DataFrame:
    """Return Kendall's τ-b, Spearman's ρ and Pearson's r with 95 % bootstrap intervals.

    Parameters
    ----------
    scores
        A table from :func:`trainfree.score`, or the scores of one proxy: by model (a mapping or
        a Series), or as a sequence.
    accuracies
        By model (a mapping or a Series), or as a sequence in the order of ``scores``.
    resamples
        Bootstrap resamples for each interval.
    seed
        Root seed of the resamples.

    Returns
    -------
    pandas.DataFrame
        One row per proxy: ``proxy``, ``n`` (pairs used), ``excluded`` (models without a score
        or an accuracy), then ``kendall``, ``kendall_low``, ``kendall_high`` and the same of
        ``spearman`` and ``pearson``, and a ``note`` that says why one of them is NaN. A score of
        −∞ ranks lowest; it leaves Pearson's r undefined.

    Raises
    ------
    TrainfreeError
        When sequences differ in length, no model is in both, or a value is not a number.

    Examples
    --------
    >>> import trainfree
    >>> scores = {"a": 1.0, "b": 2.0, "c": 4.0, "d": 3.0, "e": float("nan")}
    >>> accuracies = {"a": 90.0, "b": 91.0, "c": 92.0, "d": 93.0, "e": 94.0}
    >>> found = trainfree.correlate(scores, accuracies)
    >>> found[["n", "excluded"]].iloc[0].tolist()
    [4, 1]
    >>> found[["kendall", "spearman", "pearson"]].round(3).iloc[0].tolist()
    [0.667, 0.8, 0.8]

    With scores of a run of the suite, and the trained accuracies of its space:

    >>> naswot = trainfree.open_scores("scores.h5")["score"].sel(proxy="naswot")
    >>> accuracy = trainfree.open_benchmark("nasbench201_mini")["accuracy"].mean("seed")
    >>> trained = accuracy.sel(dataset="cifar10", split="test", epochs=200)
    >>> found = trainfree.correlate(naswot.to_series(), trained.to_series())
    >>> found[["n", "kendall"]].round(2).iloc[0].tolist()
    [12.0, 0.58]
    """
    import numpy as np
    import pandas as pd

    from trainfree.analysis.proxies.correlations import correlate as coefficients

    if resamples < 1:
        raise TrainfreeError(f"correlate: resamples: expected at least 1, found {resamples}")
    rows = []
    for proxy, column in _columns(scores):
        score, accuracy = _paired(column, accuracies)
        usable = ~np.isnan(score) & ~np.isposinf(score) & np.isfinite(accuracy)
        found = coefficients(score[usable], accuracy[usable], resamples, seed)
        counts = {"n": int(usable.sum()), "excluded": int((~usable).sum())}
        rows.append({"proxy": proxy, **counts, **found})
    return pd.DataFrame(rows).drop(columns="resamples")


def _columns(scores: pd.DataFrame | Values) -> Iterator[tuple[str, Values]]:
    """Yield each proxy with its scores; one without a name where there is no table."""
    import pandas as pd

    if not isinstance(scores, pd.DataFrame):
        yield "", scores
        return
    lacking = [name for name in ("model", "proxy", "score") if name not in scores]
    if lacking or scores.empty:
        raise TrainfreeError(
            "correlate: expected a table as trainfree.score returns it, with model, proxy and "
            f"score; {f'it has no {lacking[0]}' if lacking else 'it has no rows'}"
        )
    for proxy, own in scores.groupby("proxy", sort=False):
        yield str(proxy), own.set_index("model")["score"]


def _paired(scores: Values, accuracies: Values) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return scores and accuracies of the same models in the same order.

    A score without an accuracy has NaN for it. Accuracies of models that were not scored are no
    matter: a benchmark may hold many.
    """
    import numpy as np
    import pandas as pd

    if isinstance(scores, pd.Series | Mapping) and isinstance(accuracies, pd.Series | Mapping):
        named = _by_name(scores, "scores"), _by_name(accuracies, "accuracies")
        known = named[0].index.intersection(named[1].index)
        if known.empty:
            raise TrainfreeError(
                "correlate: expected accuracies of the models that have scores, such as "
                f"{list(named[0].index[:3])}; found those of {list(named[1].index[:3])}"
            )
        return named[0].to_numpy(np.float64), named[1].reindex(named[0].index).to_numpy(np.float64)
    first, second = _numbers(scores, "scores"), _numbers(accuracies, "accuracies")
    if first.shape != second.shape:
        raise TrainfreeError(
            f"correlate: expected as many accuracies as scores, found {len(second)} and "
            f"{len(first)}; pass mappings or Series by model to have them matched"
        )
    return first, second


def _by_name(values: Values, what: str) -> pd.Series[Any]:
    import pandas as pd

    series = values if isinstance(values, pd.Series) else pd.Series(dict(values))  # type: ignore[arg-type]
    if series.index.has_duplicates:
        twice = series.index[series.index.duplicated()][0]
        raise TrainfreeError(f"correlate: {what}: expected each model once, found {twice!r} twice")
    return pd.Series(_numbers(series, what), index=series.index)


def _numbers(values: Values, what: str) -> NDArray[np.float64]:
    import numpy as np

    try:
        listed = list(values.values()) if isinstance(values, Mapping) else values
        found: NDArray[np.float64] = np.asarray(listed, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise TrainfreeError(f"correlate: {what}: expected numbers, found {error}") from None
    if found.ndim != 1:
        raise TrainfreeError(
            f"correlate: {what}: expected one number per model, found the shape {found.shape}"
        )
    return found
