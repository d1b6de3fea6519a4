"""Every proxy beside the others: accuracy, what it adds to the number of parameters, and cost."""

from __future__ import annotations

import numpy as np
import pandas as pd

from trainfree.analysis.data_line import data_line
from trainfree.analysis.declaration import RESAMPLING, Inputs, Made, table
from trainfree.analysis.formats import count, duration, interval, plain, shown_as
from trainfree.analysis.inputs import Floats, outcome_title, read_benchmark
from trainfree.analysis.proxies.combination import rank_aggregation
from trainfree.analysis.proxies.correlations import correlate
from trainfree.analysis.proxies.proxy_scores import beside_accuracy
from trainfree.analysis.settings import AnalysisSettings
from trainfree.analysis.statistics.rank_statistics import (
    PairedRanks,
    bootstrap,
    percentile_interval,
)
from trainfree.analysis.tables import numbers, text
from trainfree.randomness import stream

MEASURES = ("kendall", "spearman", "spearman_given_params", "beside_params")
MEASURED = tuple(name + bound for name in MEASURES for bound in ("", "_low", "_high"))
_SHOWN = shown_as(
    {
        "Data set": plain("dataset"),
        "Setting": plain("setting"),
        "Accuracy": lambda row: outcome_title(row["target"]),
        "Proxy": plain("proxy"),
        "Own input, weights": plain("computed_on"),
        "n": count("n"),
        "Kendall τ-b": interval("kendall"),
        "Spearman ρ": interval("spearman"),
        "ρ given params": interval("spearman_given_params"),
        "gain in ρ over params": interval("beside_params"),
        "seconds alone": duration("seconds_alone"),
        "−∞": count("infinite"),
        "without a score": count("without_score"),
    }
)


def _best_first(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the version for readers, best first on each data set."""
    places = {name: place for place, name in enumerate(dict.fromkeys(frame["dataset"]))}
    placed = frame.assign(place=frame["dataset"].map(places))
    return _SHOWN(placed.sort_values(["place", "spearman"], ascending=[True, False], kind="stable"))


@table(
    title="Comparing proxies: rank correlation with accuracy, given the number of parameters, "
    "and cost",
    columns=(
        *text("space", "dataset", "setting", "proxy", "computed_on", "target"),
        *numbers("n", "infinite", "without_score", *MEASURED, "resamples"),
        *text("note"),
        *numbers("seconds_alone"),
    ),
    shown=_best_first,
    once=("Data set", "Setting", "Accuracy"),
    reads=("scores", "benchmark"),
    target="proxy_tables",
    settings=RESAMPLING,
    section="proxies",
    rank=1,
    minutes=60,
)
def proxies(inputs: Inputs) -> Made:
    """Return a row for each proxy and combination of proxies.

    ``computed_on`` says which input and weights a proxy had where they are not the setting's.

    ``spearman_given_params`` is the partial rank correlation. ``beside_params`` is the correlation
    of the aggregated ranks of proxy and parameters, less that of the parameters alone: what a
    search gains by looking at both. Intervals are 95 % percentile bootstrap intervals over
    architectures, all statistics of a resample on the same draw; aggregated ranks are those of the
    whole sample.

    Raises
    ------
    DataFileError
        When a file is missing or damaged.
    """
    benchmark = inputs.file("benchmark")
    known = read_benchmark(benchmark)
    rows: list[dict[str, object]] = []
    files = []
    for scored, target, truth in beside_accuracy(inputs.some("scores"), known, benchmark):
        files.append(scored.data)
        for proxy in map(str, scored.scores):
            named = {
                **scored.settings,
                "proxy": proxy,
                "computed_on": scored.computed_on[proxy],
                "target": target,
            }
            row = _measured(scored.scores[proxy], truth, scored.params, inputs.settings)
            rows.append({**named, **row, "seconds_alone": scored.cost[proxy]})
    return Made(rows, data_line([*files, known]))


def partial(ab: Floats | float, ac: Floats | float, bc: Floats | float) -> Floats:
    """Return the partial correlation of a and b given c; NaN where c decides one of them."""
    rest = np.asarray((1 - np.square(ac)) * (1 - np.square(bc)))
    known = rest > 1e-12
    found: Floats = np.where(known, (ab - ac * bc) / np.sqrt(np.where(known, rest, 1.0)), np.nan)
    return found


def _measured(
    score: pd.Series, truth: pd.Series, params: pd.Series, settings: AnalysisSettings
) -> dict[str, object]:
    resamples, seed = settings.bootstrap_resamples, settings.seed
    known = score.notna() & truth.notna()
    score, truth, params = score[known], truth[known], params[known]
    found = correlate(score.to_numpy(), truth.to_numpy(), resamples, seed)
    row: dict[str, object] = {
        "n": int(known.sum()),
        "infinite": int(np.isinf(score).sum()),
        "without_score": int((~known).sum()),
        **{name: found[name] for name in (*MEASURED, "resamples", "note") if name in found},
    }
    if not found["resamples"]:
        return row
    return row | beside_params(score, truth, params, settings)


def beside_params(
    score: pd.Series, truth: pd.Series, params: pd.Series, settings: AnalysisSettings
) -> dict[str, float]:
    """Return what a proxy says beside the number of parameters, with intervals, by column.

    Parameters
    ----------
    score, truth, params
        (arch,) without NaN: scores, accuracies, numbers of parameters.
    """
    resamples, seed = settings.bootstrap_resamples, settings.seed
    both = pd.DataFrame({"score": score, "params": params})
    columns = [score.to_numpy(), truth.to_numpy(), params.to_numpy(), rank_aggregation(both)]
    drawn = {
        pair: spearman_draws(columns[pair[0]], columns[pair[1]], resamples, seed)
        for pair in ((0, 1), (0, 2), (1, 2), (3, 1))
    }
    given = partial(drawn[0, 1], drawn[0, 2], drawn[1, 2])
    gain = drawn[3, 1] - drawn[1, 2]
    row = {}
    for name, values in (("spearman_given_params", given), ("beside_params", gain)):
        row[name] = float(values[0])
        row[f"{name}_low"], row[f"{name}_high"] = percentile_interval(values[1:])
    return row


def spearman_draws(first: Floats, second: Floats, resamples: int, seed: int) -> Floats:
    """Return ρ of the pairs and then of each resample; the draws of one seed and n are equal."""
    pairs = PairedRanks(first, second)
    drawn = bootstrap(pairs, resamples, stream(seed, "bootstrap"), ["spearman"])
    return np.concatenate((pairs.chosen(["spearman"]), drawn[:, 0]))
