"""Whether our proxies rank architectures as somebody else's implementation of them does.

NAS-Bench-Suite-Zero (Krishnakumar et al., NeurIPS 2022) scored 9,445 topologies of NAS-Bench-201 on
CIFAR-10 with 13 proxies at batch 64. The same rank correlation between two seeds of our own says
how much of a difference the draw of weights and images explains.
"""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from trainfree.analysis.data_line import data_line
from trainfree.analysis.inputs import USABLE_STATUSES
from trainfree.analysis.proxies.published_proxy_scores import INDEPENDENT_COLUMNS
from trainfree.analysis.statistics.rank_statistics import mean_ranks
from trainfree.analysis.tables import number, write_tables
from trainfree.errors import DataFileError
from trainfree.files.storage import read_dataset

TITLE = "Agreement with the scores of NAS-Bench-Suite-Zero (Spearman's ρ)"
MOST_ROWS = 15_625
"""Architectures of NAS-Bench-201, which the independent scores are of."""
COLUMNS = ("proxy", "spearman", "n", "own_seed_spearman")


def tabulate_agreement(
    scores: Path, other_seed: Path, benchmark: Path, independent: Path, output_stem: Path
) -> pd.DataFrame:
    """Write the table of agreement and return it.

    Parameters
    ----------
    scores, other_seed
        Merged scores of the same architectures under two seeds.
    benchmark
        Benchmark file that knows the official indices.
    independent
        CSV file, ``index`` (official) and one column a proxy.
    output_stem
        ``results/tables/proxy_agreement``; the suffixes are added.

    Raises
    ------
    DataFileError
        When a file is missing, damaged, or has no architecture in common with the others.
    """
    files = [read_dataset(path, "scores") for path in (scores, other_seed)]
    trained = read_dataset(benchmark, "benchmark")
    own, again = map(_usable_scores, files)
    if not own.index.equals(again.index):
        raise DataFileError(f"{other_seed}: expected the architectures of {scores}, found others")
    official = _official_indices(trained, benchmark)
    theirs = _read_independent(independent).reindex(official.loc[own.index])
    theirs.index = own.index
    rows = []
    for proxy, column in INDEPENDENT_COLUMNS.items():
        if proxy not in own:
            continue
        both = pd.DataFrame(
            {"own": own[proxy], "again": again[proxy], "theirs": theirs[column]}
        ).dropna()
        if both.empty:
            raise DataFileError(
                f"{independent}: has no architecture in common with the usable {proxy} scores of "
                f"{scores}; score a larger sample (agreement.sample)"
            )
        agreement = spearman(both["own"], both["theirs"])
        rows.append((proxy, agreement, len(both), spearman(both["own"], both["again"])))
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    write_tables(frame, _shown(frame), TITLE, data_line(files, apart="setting"), output_stem)
    return frame


def spearman(first: pd.Series, second: pd.Series) -> float:
    """Return Spearman's ρ with average ranks for ties; NaN where one of them is constant."""
    one, other = (mean_ranks(values.to_numpy(np.float64)) for values in (first, second))
    if len(one) < 2 or np.ptp(one) == 0 or np.ptp(other) == 0:
        return float("nan")
    return float(np.corrcoef(one, other)[0, 1])


def _shown(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "proxy": frame["proxy"],
            "ρ with the others'": [number(value, 3) for value in frame["spearman"]],
            "architectures": [number(value, 0) for value in frame["n"]],
            "ρ of two own seeds": [number(value, 3) for value in frame["own_seed_spearman"]],
        }
    )


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
            f"{benchmark}: expected official indices, which the independent scores are listed by; "
            "found none. Make the benchmark file from the mirror or the official archive"
        )
    return official


def _read_independent(path: Path) -> pd.DataFrame:
    try:
        table = pd.read_csv(path, nrows=MOST_ROWS + 1)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise DataFileError(f"{path}: is not a readable CSV file ({error})") from error
    wanted = {"index", *INDEPENDENT_COLUMNS.values()}
    missing = sorted(wanted - set(table.columns))
    if missing:
        raise DataFileError(
            f"{path}: expected a column {missing[0]!r}, found {list(table.columns)}"
        )
    for name in sorted(wanted):
        if table[name].dtype.kind not in "iuf":
            raise DataFileError(f"{path}: column {name!r}: expected numbers, found other things")
    index = table["index"]
    if index.dtype.kind not in "iu" or index.duplicated().any() or len(table) > MOST_ROWS:
        raise DataFileError(
            f"{path}: column 'index': expected different whole numbers, at most {MOST_ROWS:,}"
        )
    return table.set_index("index")
