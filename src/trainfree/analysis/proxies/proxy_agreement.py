"""Whether our proxies rank architectures as somebody else's implementation of them does.

NAS-Bench-Suite-Zero (Krishnakumar et al., NeurIPS 2022) scored 9,445 topologies of NAS-Bench-201 on
CIFAR-10 with 13 proxies at batch 64. The same rank correlation between two seeds of our own says
how much of a difference the draw of weights and images explains.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from trainfree.analysis.data_line import data_line
from trainfree.analysis.declaration import Inputs, Made, table
from trainfree.analysis.formats import count, decimal, plain
from trainfree.analysis.inputs import USABLE_STATUSES, computed_on
from trainfree.analysis.proxies.published_proxy_scores import PUBLISHED_COLUMNS
from trainfree.analysis.statistics.rank_statistics import mean_ranks
from trainfree.analysis.tables import numbers, text
from trainfree.errors import DataFileError
from trainfree.files.storage import read_dataset

if TYPE_CHECKING:
    import xarray as xr

MOST_ROWS = 15_625
"""Architectures of NAS-Bench-201, which the published scores are of."""


@table(
    title="Agreement with the scores of NAS-Bench-Suite-Zero (Spearman's ρ)",
    columns=(*text("proxy", "computed_on"), *numbers("spearman", "n", "own_seed_spearman")),
    shown={
        "proxy": plain("proxy"),
        "own input, weights": plain("computed_on"),
        "ρ with Suite-Zero": decimal("spearman", 3),
        "architectures": count("n"),
        "ρ between our seeds": decimal("own_seed_spearman", 3),
    },
    reads=("scores", "benchmark", "published_scores"),
    of="agreement",
    target="proxy_agreement",
    section="proxies",
    memory_mb=1000,
)
def proxy_agreement(inputs: Inputs) -> Made:
    """Return how alike our scores of two seeds and the published ones rank architectures.

    ``computed_on`` says which input and weights a proxy had where they are not the setting's.

    Raises
    ------
    DataFileError
        When a file is missing, damaged, or has no architecture in common with the others.
    """
    scores, other_seed = inputs.some("scores")
    benchmark, (published,) = inputs.file("benchmark"), inputs.some("published_scores")
    trained = read_dataset(benchmark, "benchmark")
    files, own, again = two_seeds(scores, other_seed)
    official = _official_indices(trained, benchmark)
    theirs = _read_published(published).reindex(official.loc[own.index])
    theirs.index = own.index
    rows = compared(own, again, theirs, PUBLISHED_COLUMNS, f"{scores} and {published}")
    rows.insert(1, "computed_on", rows["proxy"].map(computed_on(files[0])))
    return Made(rows, data_line(files, apart="setting"))


def two_seeds(first: Path, second: Path) -> tuple[list[xr.Dataset], pd.DataFrame, pd.DataFrame]:
    """Return two scores files and what is usable in each, by architecture and proxy.

    Raises
    ------
    DataFileError
        When a file is missing or damaged, or they have other architectures.
    """
    files = [read_dataset(path, "scores") for path in (first, second)]
    own, again = map(_usable_scores, files)
    if not own.index.equals(again.index):
        raise DataFileError(f"{second}: expected the architectures of {first}, found others")
    return files, own, again


def compared(
    own: pd.DataFrame,
    again: pd.DataFrame,
    theirs: pd.DataFrame,
    columns: Mapping[str, str],
    where: str,
) -> pd.DataFrame:
    """Return ρ of our scores with theirs, and with those of a second seed, a row a proxy.

    Parameters
    ----------
    own, again, theirs
        Scores by one and the same index.
    columns
        Column of ``theirs`` by proxy.
    where
        The files, for messages.

    Raises
    ------
    DataFileError
        When no architecture has a usable score in all three.
    """
    rows = []
    for proxy, column in columns.items():
        if proxy not in own:
            continue
        both = pd.DataFrame(
            {"own": own[proxy], "again": again[proxy], "theirs": theirs[column]}
        ).dropna()
        if both.empty:
            raise DataFileError(
                f"{where}: have no architecture in common with usable {proxy} scores; score a "
                "larger sample (agreement.sample, space_agreement.samples)"
            )
        agreement = spearman(both["own"], both["theirs"])
        rows.append((proxy, agreement, len(both), spearman(both["own"], both["again"])))
    return pd.DataFrame(rows, columns=["proxy", "spearman", "n", "own_seed_spearman"])


def spearman(first: pd.Series, second: pd.Series) -> float:
    """Return Spearman's ρ with average ranks for ties; NaN where one of them is constant."""
    one, other = (mean_ranks(values.to_numpy(np.float64)) for values in (first, second))
    if len(one) < 2 or np.ptp(one) == 0 or np.ptp(other) == 0:
        return float("nan")
    return float(np.corrcoef(one, other)[0, 1])


def _usable_scores(with_status: xr.Dataset) -> pd.DataFrame:
    """Return finite scores by architecture and proxy; NaN where there is none."""
    status = with_status["status"]
    usable = np.isin(
        status.to_numpy(),
        [
            value
            for value, name in zip(
                status.attrs["flag_values"], status.attrs["flag_meanings"].split(), strict=True
            )
            if name in USABLE_STATUSES
        ],
    )
    values = np.where(usable, with_status["score"].to_numpy(), np.nan)
    values[np.isinf(values)] = np.nan
    return pd.DataFrame(
        values, index=with_status["arch"].to_numpy(), columns=with_status["proxy"].to_numpy()
    )


def _official_indices(table: xr.Dataset, benchmark: Path) -> pd.Series:
    official = pd.Series(table["official_index"].to_numpy(), index=table["arch"].to_numpy())
    if (official < 0).all():
        raise DataFileError(
            f"{benchmark}: expected official indices, which the published scores are listed by; "
            "found none. Make the benchmark file from the mirror or the official archive"
        )
    return official


def read_published_table(
    path: Path, most: int, numbers: Sequence[str], texts: Sequence[str] = ()
) -> pd.DataFrame:
    """Return a table of published scores, of which one row too many is read.

    Parameters
    ----------
    most
        Rows that it may have.
    numbers, texts
        Columns that it must have.

    Raises
    ------
    DataFileError
        When it cannot be read, or lacks a column, or one has other things than numbers.
    """
    try:
        table = pd.read_csv(path, nrows=most + 1, dtype=dict.fromkeys(texts, str))
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise DataFileError(f"{path}: is not a readable CSV file ({error})") from error
    missing = sorted({*numbers, *texts} - set(table.columns))
    if missing:
        raise DataFileError(
            f"{path}: expected a column {missing[0]!r}, found {list(table.columns)}"
        )
    for name in sorted(numbers):
        if table[name].dtype.kind not in "iuf":
            raise DataFileError(f"{path}: column {name!r}: expected numbers, found other things")
    return table


def _read_published(path: Path) -> pd.DataFrame:
    table = read_published_table(path, MOST_ROWS, ["index", *PUBLISHED_COLUMNS.values()])
    index = table["index"]
    if index.dtype.kind not in "iu" or index.duplicated().any() or len(table) > MOST_ROWS:
        raise DataFileError(
            f"{path}: column 'index': expected different whole numbers, at most {MOST_ROWS:,}"
        )
    return table.set_index("index")
