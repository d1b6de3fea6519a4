"""How much of a score is the architecture's and how much the draw's, for every proxy.

The NASWOT paper (Mellor et al., ICML 2021, Fig. 5) shows the scores of ten architectures under
other mini-batches and other initialisations. Here the same is a number: the spread between draws of
one architecture over the spread between architectures, and how alike two draws rank them.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from trainfree.analysis.data_line import data_line
from trainfree.analysis.declaration import Inputs, Made, table
from trainfree.analysis.formats import count, decimal, plain
from trainfree.analysis.inputs import (
    USABLE_STATUSES,
    Floats,
    computed_on,
    floats,
    score_settings,
    texts,
)
from trainfree.analysis.proxies.proxy_agreement import spearman
from trainfree.analysis.statistics.rank_statistics import mean_ranks
from trainfree.analysis.tables import numbers, text
from trainfree.errors import DataFileError
from trainfree.files.storage import read_dataset

if TYPE_CHECKING:
    import xarray as xr

ARMS = ("mini-batch", "weights", "both")


@table(
    title="Proxies: stability over draws of the mini-batch, of the weights, and of both",
    columns=(
        *text("space", "dataset", "setting", "proxy", "computed_on", "arm"),
        *numbers("draws", "n", "without_score", "infinite"),
        *numbers("spread_ratio", "rank_spread_ratio", "mean_spearman", "lowest_spearman"),
    ),
    shown={
        "Data set": plain("dataset"),
        "Setting": plain("setting"),
        "Proxy": plain("proxy"),
        "Own input, weights": plain("computed_on"),
        "Redrawn": plain("arm"),
        "Draws": count("draws"),
        "n": count("n"),
        "spread ratio": decimal("spread_ratio", 3),
        "of ranks": decimal("rank_spread_ratio", 3),
        "mean ρ": decimal("mean_spearman", 3),
        "lowest ρ": decimal("lowest_spearman", 3),
        "without a score": count("without_score"),
    },
    once=("Data set", "Setting", "Draws"),
    reads=("draws",),
    target="proxy_stability",
    section="proxies",
)
def proxy_stability(inputs: Inputs) -> Made:
    """Return a row for each proxy and arm.

    With the score S of draw d and architecture a, ``spread_ratio`` is √(mean over a of the variance
    over d) / (standard deviation over a of the mean over d), for architectures whose scores are all
    finite. ``rank_spread_ratio`` is the same of the scores' ranks among all of the arm, which an
    outlier or another scale does not change and in which −inf counts. ``mean_spearman`` and
    ``lowest_spearman`` are over the pairs of draws. An architecture that lacks a score in any draw
    of the arm is left out (``without_score``). Draws files of one space, data set and setting are
    joined.

    Raises
    ------
    DataFileError
        When a file is missing or damaged, or an architecture occurs twice.
    """
    rows: list[dict[str, object]] = []
    joined = _joined(inputs.draws)
    for data, settings in joined:
        status, own = usable(data), computed_on(data)
        for proxy in texts(data["proxy"]):
            scores = floats(data["score"].sel(proxy=proxy).transpose("draw", "arch"))
            known = status.sel(proxy=proxy).transpose("draw", "arch").to_numpy()
            scores = np.where(known, scores, np.nan)
            for arm, chosen in arms(data).items():
                named = {"proxy": proxy, "computed_on": own[proxy], "arm": arm}
                row = {**settings, **named, "draws": int(chosen.sum())}
                rows.append(row | stability(scores[chosen]))
    return Made(rows, data_line(data for data, _ in joined))


def arms(data: xr.Dataset) -> dict[str, np.ndarray]:
    """Return which draws belong to each arm; the first draw belongs to all."""
    images, weights = data["image_seed"].to_numpy(), data["weight_seed"].to_numpy()
    chosen = {
        "mini-batch": weights == weights[0],
        "weights": images == images[0],
        "both": (images == images[0]) == (weights == weights[0]),
    }
    return {arm: np.asarray(chosen[arm]) for arm in ARMS}


def stability(scores: Floats) -> dict[str, object]:
    """Return the measures of one proxy and arm.

    Parameters
    ----------
    scores
        Shape (draw, architecture); NaN where there is none.
    """
    known = ~np.isnan(scores).any(axis=0)
    kept = scores[:, known]
    finite = kept[:, np.isfinite(kept).all(axis=0)]
    pairs = [spearman(pd.Series(one), pd.Series(other)) for one, other in combinations(kept, 2)]
    return {
        "n": int(known.sum()),
        "without_score": int((~known).sum()),
        "infinite": kept.shape[1] - finite.shape[1],
        "spread_ratio": spread_ratio(finite),
        "rank_spread_ratio": spread_ratio(mean_ranks(kept.ravel()).reshape(kept.shape)),
        "mean_spearman": float(np.mean(pairs)),
        "lowest_spearman": float(np.min(pairs)),
    }


def spread_ratio(scores: Floats) -> float:
    """Return the spread between draws over that between architectures; NaN without the latter."""
    if min(scores.shape) < 2:
        return float("nan")
    shrunk = scores / max(float(np.abs(scores).max()), np.finfo(float).tiny)  # squares overflow
    # Differences from the first draw: equal scores then have a variance of exactly 0.
    between_draws = np.sqrt((shrunk - shrunk[0]).var(axis=0, ddof=1).mean())
    between_architectures = shrunk.mean(axis=0).std(ddof=1)
    if not between_architectures > 1e-12:
        return float("nan")
    return float(between_draws / between_architectures)


def usable(data: xr.Dataset) -> xr.DataArray:
    """Return where a score counts, by draw, architecture and proxy."""
    flags = data["status"].attrs
    words = str(flags["flag_meanings"]).split()
    codes = dict(zip(words, np.atleast_1d(flags["flag_values"]).tolist(), strict=True))
    return data["status"].isin([codes[word] for word in USABLE_STATUSES])


def _joined(files: Sequence[Path]) -> list[tuple[xr.Dataset, dict[str, str]]]:
    """Return the data of each setting, in the order of the files."""
    parts: dict[tuple[str, ...], list[xr.Dataset]] = {}
    for path in files:
        data = read_dataset(path, "draws")
        settings = score_settings(data, path)
        # Concatenation cuts strings of fixed width.
        data = data.drop_vars(["message"])
        parts.setdefault(tuple(settings.values()), []).append(data)
    joined = []
    for names, found in parts.items():
        import xarray as xr  # slow to import, and the workflow reads this file

        data = xr.concat(found, dim="arch", join="exact", combine_attrs="drop_conflicts")
        if len(np.unique(data["arch"])) != data.sizes["arch"]:
            raise DataFileError(
                f"{', '.join(names)}: an architecture is in more than one of the "
                f"{len(found)} draws files; delete those of another shard size"
            )
        joined.append((data, dict(zip(("space", "dataset", "setting"), names, strict=True))))
    return joined
