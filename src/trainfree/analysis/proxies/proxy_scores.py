"""Scores of all proxies and of their combinations side by side, for the tables of proxies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from trainfree.analysis.inputs import (
    USABLE_STATUSES,
    accuracy_of,
    computed_on,
    read_scores,
    score_settings,
    status_names,
    targets,
    texts,
)
from trainfree.analysis.proxies.combination import COMBINATIONS, combined

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class ProxyScores:
    """A scores file as the proxies' tables see it.

    Attributes
    ----------
    data
        The file's content.
    settings
        Space, data set and setting.
    scores
        By architecture (in the file's order) and proxy or combination; NaN where there is
        none, −inf is a score.
    params
        Number of parameters of each architecture.
    cost
        Mean seconds of a proxy alone; of a combination, the sum of its parts.
    computed_on
        Input and weights of each proxy, empty where they are the setting's and for combinations.
    """

    data: xr.Dataset
    settings: dict[str, str]
    scores: pd.DataFrame
    params: pd.Series
    cost: dict[str, float]
    computed_on: dict[str, str]


def read_proxy_scores(path: Path) -> ProxyScores:
    """Read a scores file and add the combinations whose parts are all there.

    Raises
    ------
    DataFileError
        When the file is missing or damaged.
    """
    data = read_scores(path)
    values = usable_scores(data)
    values = values.join(combined(values))
    seconds = data["proxy_seconds"].mean("arch").to_numpy().tolist()
    alone = dict(zip(texts(data["proxy"]), seconds, strict=True))
    cost = {
        str(name): float(sum(alone[part] for part in COMBINATIONS.get(str(name), (str(name),))))
        for name in values
    }
    params = data["params"].to_series().reset_index(drop=True).astype(float)
    own = dict.fromkeys(map(str, values), "") | computed_on(data)
    return ProxyScores(data, score_settings(data, path), values, params, cost, own)


def beside_accuracy(
    scores: Sequence[Path], known: xr.Dataset, benchmark: Path
) -> Iterator[tuple[ProxyScores, str, pd.Series]]:
    """Yield each scores file, the name of its headline accuracy and that of each architecture.

    Parameters
    ----------
    known, benchmark
        The trained accuracies, and the file that they are from.

    Raises
    ------
    DataFileError
        When a file is missing or damaged, or has no such accuracy.
    """
    for path in scores:
        scored = read_proxy_scores(path)
        target = targets(known, scored.settings["dataset"], benchmark)[0]
        yield scored, target.name, pd.Series(accuracy_of(target, scored.data, path, benchmark))


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
