"""Every proxy beside the others: accuracy, what it adds to the number of parameters, and cost."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from trainfree.analysis.data_line import data_line
from trainfree.analysis.inputs import Floats, accuracy_of, outcome_title, read_benchmark, targets
from trainfree.analysis.proxies.combination import rank_aggregation
from trainfree.analysis.proxies.correlations import correlate
from trainfree.analysis.proxies.proxy_agreement import spearman
from trainfree.analysis.proxies.proxy_scores import read_proxy_scores
from trainfree.analysis.statistics.rank_statistics import (
    PairedRanks,
    bootstrap,
    percentile_interval,
)
from trainfree.analysis.tables import (
    number,
    seconds,
    with_interval,
    without_constants,
    write_tables,
)
from trainfree.randomness import stream

TITLE = "Proxies: rank correlation with accuracy, given the number of parameters, and cost"
PAIRS_TITLE = "Proxies: Spearman's ρ of each with each"
BOUNDS = ("", "_low", "_high")
MEASURES = ("kendall", "spearman", "spearman_given_params", "beside_params")
COLUMNS = (
    *("space", "dataset", "setting", "proxy", "target", "n", "infinite", "without_score"),
    *(name + bound for name in MEASURES for bound in BOUNDS),
    *("resamples", "note", "seconds_alone"),
)


def tabulate_proxies(
    scores: Sequence[Path],
    benchmark: Path,
    output_stem: Path,
    pairs_stem: Path,
    resamples: int,
    seed: int,
) -> pd.DataFrame:
    """Write the table of proxies and that of pairs of proxies; return the first.

    ``spearman_given_params`` is the partial rank correlation. ``beside_params`` is the correlation
    of the aggregated ranks of proxy and parameters, less that of the parameters alone: what a
    search gains by looking at both. Intervals are 95 % percentile bootstrap intervals over
    architectures, all statistics of a resample on the same draw; aggregated ranks are those of the
    whole sample.

    Parameters
    ----------
    scores
        Merged scores files.
    benchmark
        Benchmark file of the space.
    output_stem, pairs_stem
        Paths without suffix.
    resamples, seed
        Bootstrap resamples, and the root seed they are drawn with.

    Raises
    ------
    DataFileError
        When a file is missing or damaged.
    """
    known = read_benchmark(benchmark)
    rows: list[dict[str, object]] = []
    pairs, files = [], []
    for path in scores:
        scored = read_proxy_scores(path)
        files.append(scored.data)
        target = targets(known, scored.settings["dataset"], benchmark)[0]
        truth = pd.Series(accuracy_of(target, scored.data, path, benchmark))
        for proxy in map(str, scored.scores):
            named = {**scored.settings, "proxy": proxy, "target": target.name}
            row = _measured(scored.scores[proxy], truth, scored.params, resamples, seed)
            rows.append({**named, **row, "seconds_alone": scored.cost[proxy]})
        pairs.append(_of_each_with_each(scored.scores, scored.settings))
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    write_tables(frame, *show_proxies(frame), data_line([*files, known]), output_stem)
    together = pd.concat(pairs, ignore_index=True)
    write_tables(together, *_shown_pairs(together), data_line(files), pairs_stem)
    return frame


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


def partial_spearman(first: pd.Series, second: pd.Series, given: pd.Series) -> float:
    """Return Spearman's ρ of two variables with the linear effect of a third's ranks removed."""
    found = partial(spearman(first, second), spearman(first, given), spearman(second, given))
    return float(found)


def partial(ab: Floats | float, ac: Floats | float, bc: Floats | float) -> Floats:
    """Return the partial correlation of a and b given c; NaN where c decides one of them."""
    rest = np.asarray((1 - np.square(ac)) * (1 - np.square(bc)))
    known = rest > 1e-12
    found: Floats = np.where(known, (ab - ac * bc) / np.sqrt(np.where(known, rest, 1.0)), np.nan)
    return found


def _measured(
    score: pd.Series, truth: pd.Series, params: pd.Series, resamples: int, seed: int
) -> dict[str, object]:
    known = score.notna() & truth.notna()
    score, truth, params = score[known], truth[known], params[known]
    found = correlate(score.to_numpy(), truth.to_numpy(), resamples, seed)
    row: dict[str, object] = {
        "n": int(known.sum()),
        "infinite": int(np.isinf(score).sum()),
        "without_score": int((~known).sum()),
        **{name: found[name] for name in COLUMNS if name in found},
    }
    if not found["resamples"]:
        return row
    both = pd.DataFrame({"score": score, "params": params})
    aggregated = rank_aggregation(both)
    columns = [score.to_numpy(), truth.to_numpy(), params.to_numpy(), aggregated]
    drawn = {
        pair: _spearman_draws(columns[pair[0]], columns[pair[1]], resamples, seed)
        for pair in ((0, 1), (0, 2), (1, 2), (3, 1))
    }
    given = partial(drawn[0, 1], drawn[0, 2], drawn[1, 2])
    gain = drawn[3, 1] - drawn[1, 2]
    for name, values in (("spearman_given_params", given), ("beside_params", gain)):
        row[name] = float(values[0])
        row[f"{name}_low"], row[f"{name}_high"] = percentile_interval(values[1:])
    return row


def _spearman_draws(first: Floats, second: Floats, resamples: int, seed: int) -> Floats:
    """Return ρ of the pairs and then of each resample; the draws of one seed and n are equal."""
    pairs = PairedRanks(first, second)
    drawn = bootstrap(pairs, resamples, stream(seed, "bootstrap"), ["spearman"])
    return np.concatenate((pairs.chosen(["spearman"]), drawn[:, 0]))


def show_proxies(frame: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Return the table for readers, best first on each data set, and its title."""
    places = {name: place for place, name in enumerate(dict.fromkeys(frame["dataset"]))}
    order = frame.assign(place=frame["dataset"].map(places)).sort_values(
        ["place", "spearman"], ascending=[True, False], kind="stable"
    )
    shown = pd.DataFrame(
        {
            "Data set": order["dataset"],
            "Setting": order["setting"],
            "Accuracy": order["target"].map(outcome_title),
            "Proxy": order["proxy"],
            "n": [number(value, 0) for value in order["n"]],
        }
    )
    titles = ("Kendall τ-b", "Spearman ρ", "ρ given params", "gain in ρ beside params")
    for name, title in zip(MEASURES, titles, strict=True):
        cells = zip(*(order[name + bound] for bound in BOUNDS), strict=True)
        shown[title] = [with_interval(*cell) for cell in cells]
    shown["seconds alone"] = [seconds(value) for value in order["seconds_alone"]]
    shown["−∞"] = [number(value, 0) for value in order["infinite"]]
    shown["without a score"] = [number(value, 0) for value in order["without_score"]]
    return without_constants(shown, ("Data set", "Setting", "Accuracy"), TITLE)


def _shown_pairs(pairs: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    head = {"Data set": pairs["dataset"], "Setting": pairs["setting"], "Proxy": pairs["proxy"]}
    names = [name for name in pairs if name not in ("space", "dataset", "setting", "proxy")]
    cells = {str(name): [number(value, 2) for value in pairs[name]] for name in names}
    return without_constants(pd.DataFrame({**head, **cells}), ("Data set", "Setting"), PAIRS_TITLE)
