"""Every proxy beside the others: accuracy, what it adds to the number of parameters, and cost."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from trainfree.analysis.combination import COMBINATIONS, combined, rank_aggregation
from trainfree.analysis.inputs import (
    USABLE_STATUSES,
    accuracy_of,
    read_benchmark,
    read_scores,
    score_settings,
    status_names,
    targets,
    texts,
)
from trainfree.analysis.proxy_agreement import spearman
from trainfree.analysis.tables import number, seconds, write_tables

TITLE = "Proxies: rank correlation with accuracy, given the number of parameters, and cost"
PAIRS_TITLE = "Proxies: Spearman's ρ of each with each"
COLUMNS = (
    *("space", "dataset", "setting", "proxy", "target", "n", "without_score"),
    *("spearman", "spearman_given_params", "beside_params", "seconds_alone"),
)


def tabulate_proxies(
    scores: Sequence[Path], benchmark: Path, output_stem: Path, pairs_stem: Path
) -> pd.DataFrame:
    """Write the table of proxies and that of pairs of proxies; return the first.

    ``spearman_given_params`` is the partial rank correlation. ``beside_params`` is the correlation
    of the aggregated ranks of proxy and parameters, less that of the parameters alone: what a
    search gains by looking at both.

    Parameters
    ----------
    scores
        Merged scores files.
    benchmark
        Benchmark file of the space.
    output_stem, pairs_stem
        Paths without suffix.

    Raises
    ------
    DataFileError
        When a file is missing or damaged.
    """
    known = read_benchmark(benchmark)
    rows: list[dict[str, object]] = []
    for path in scores:
        data = read_scores(path)
        target = targets(known, str(data.attrs["dataset"]), benchmark)[0]
        truth = pd.Series(accuracy_of(target, data, path, benchmark))
        values, params = usable_scores(data), data["params"].to_series().reset_index(drop=True)
        values = values.join(combined(values))
        cost = dict(
            zip(texts(data["proxy"]), data["proxy_seconds"].mean("arch").values, strict=True)
        )
        for proxy in values:
            parts = COMBINATIONS.get(str(proxy), (str(proxy),))
            row = {**score_settings(data, path), "proxy": proxy, "target": target.name}
            row |= _correlations(values[proxy], truth, params)
            rows.append(row | {"seconds_alone": float(sum(cost[part] for part in parts))})
        if path == scores[0]:
            pairs = _of_each_with_each(values)
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    write_tables(frame, _shown(frame), TITLE, output_stem)
    shown = pairs.map(lambda value: number(value, 2)).rename_axis("proxy").reset_index()
    write_tables(pairs.rename_axis("proxy").reset_index(), shown, PAIRS_TITLE, pairs_stem)
    return frame


def _of_each_with_each(values: pd.DataFrame) -> pd.DataFrame:
    def of_pair(one: str, other: str) -> float:
        known = values[one].notna() & values[other].notna()
        return spearman(values.loc[known, one], values.loc[known, other])

    names = [str(name) for name in values]
    return pd.DataFrame({one: {other: of_pair(one, other) for other in names} for one in names})


def usable_scores(data: xr.Dataset) -> pd.DataFrame:
    """Return the scores by architecture and proxy; NaN where there is none, −inf is a score."""
    usable = {
        proxy: np.where(
            np.isin(status_names(data, proxy), USABLE_STATUSES),
            data["score"].sel(proxy=proxy).to_numpy(),
            np.nan,
        )
        for proxy in texts(data["proxy"])
    }
    return pd.DataFrame(usable)


def partial_spearman(first: pd.Series, second: pd.Series, given: pd.Series) -> float:
    """Return Spearman's ρ of two variables with the linear effect of a third's ranks removed."""
    ab, ac, bc = spearman(first, second), spearman(first, given), spearman(second, given)
    rest = (1 - ac**2) * (1 - bc**2)
    return (ab - ac * bc) / np.sqrt(rest) if rest > 1e-12 else float("nan")


def _correlations(score: pd.Series, truth: pd.Series, params: pd.Series) -> dict[str, object]:
    known = score.notna() & truth.notna()
    score, truth, params = score[known], truth[known], params[known].astype(float)
    both = pd.DataFrame({"score": score, "params": params})
    aggregated = pd.Series(rank_aggregation(both), index=both.index)
    return {
        "n": int(known.sum()),
        "without_score": int((~known).sum()),
        "spearman": spearman(score, truth),
        "spearman_given_params": partial_spearman(score, truth, params),
        "beside_params": spearman(aggregated, truth) - spearman(params, truth),
    }


def _shown(frame: pd.DataFrame) -> pd.DataFrame:
    ordered = frame.sort_values("spearman", ascending=False, kind="stable")
    return pd.DataFrame(
        {
            "data set": ordered["dataset"],
            "proxy": ordered["proxy"],
            "ρ": [number(value, 3) for value in ordered["spearman"]],
            "ρ given params": [number(value, 3) for value in ordered["spearman_given_params"]],
            "gain beside params": [number(value, 3) for value in ordered["beside_params"]],
            "seconds alone": [seconds(value) for value in ordered["seconds_alone"]],
            "without a score": [number(value, 0) for value in ordered["without_score"]],
        }
    )
