"""The table that compares our scores with others'."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from analysis_fixtures import tabulate
from scipy.stats import spearmanr

from trainfree.analysis.proxies.proxy_agreement import (
    PUBLISHED_COLUMNS,
    spearman,
)
from trainfree.analysis.tables import read_table
from trainfree.errors import DataFileError, SourceError
from trainfree.files.storage import write_dataset
from trainfree.proxies import PROXY_NAMES
from trainfree.scoring.jobs.schema import Row, scores_dataset
from trainfree.scoring.status import Status
from trainfree.sources.published_proxy_scores import prepare_published_scores

ARCHITECTURES = 40
PROXIES = ("naswot", "snip")


def write_scores(path, values, statuses=None):
    rows = [
        Row(
            arch=arch,
            architecture=str(arch),
            scores=values[arch].tolist(),
            statuses=[Status.OK, Status.OK] if statuses is None else statuses[arch],
            messages=[""] * len(PROXIES),
            seconds=dict.fromkeys(
                ("build", "forward", "kernel", "linear_algebra", "other", "total"), 0.0
            ),
            proxy_seconds=[0.0, 0.0],
            relu_units=1,
            params=1,
            flops=1,
        )
        for arch in range(len(values))
    ]
    write_dataset(scores_dataset(rows, PROXIES), path, "scores")
    return path


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(3)
    values = rng.normal(size=(ARCHITECTURES, 2))
    official = rng.permutation(ARCHITECTURES) + 100
    benchmark = xr.Dataset(
        {"official_index": ("arch", official, {"units": "1", "long_name": "index"})},
        coords={"arch": np.arange(ARCHITECTURES)},
    )
    write_dataset(benchmark, tmp_path / "benchmark.h5", "benchmark")
    theirs = values + rng.normal(scale=0.3, size=values.shape)
    table = pd.DataFrame({"index": official, **dict.fromkeys(PUBLISHED_COLUMNS.values(), 0.0)})
    table["nwot"], table["snip"] = theirs[:, 0], np.exp(theirs[:, 1])
    table.iloc[rng.permutation(ARCHITECTURES)[:30]].to_csv(tmp_path / "theirs.csv", index=False)
    write_scores(tmp_path / "own.h5", values)
    write_scores(tmp_path / "again.h5", values + rng.normal(scale=0.5, size=values.shape))
    return tmp_path, values, table


def agreement(folder):
    return tabulate(
        "proxy_agreement",
        folder,
        scores=[folder / "own.h5", folder / "again.h5"],
        benchmark=folder / "benchmark.h5",
        published_scores=[folder / "theirs.csv"],
    )


def test_agreement_is_that_of_matched_architectures(files):
    folder, values, table = files
    frame = agreement(folder).set_index("proxy")
    kept = pd.read_csv(folder / "theirs.csv")
    place = table.reset_index().set_index("index").loc[kept["index"], "level_0"].to_numpy()
    for proxy, column, own in (("naswot", "nwot", 0), ("snip", "snip", 1)):
        expected = spearmanr(values[place, own], kept[column]).statistic
        assert frame.loc[proxy, "spearman"] == pytest.approx(expected)
        assert frame.loc[proxy, "n"] == 30
        assert 0.5 < frame.loc[proxy, "own_seed_spearman"] < 1
    assert list(read_table(folder / "proxy_agreement.csv").columns) == [
        "proxy",
        "computed_on",
        "spearman",
        "n",
        "own_seed_spearman",
    ]
    assert "NAS-Bench-Suite-Zero" in (folder / "proxy_agreement.md").read_text()


def test_scores_without_a_value_are_left_out(files):
    folder, values, _ = files
    statuses = [[Status.OK, Status.OK] for _ in values]
    statuses[0] = [Status.NOT_FINITE, Status.OK]
    own = values.copy()
    own[0, 0] = 1e9
    own[1, 0] = -np.inf
    statuses[1] = [Status.SINGULAR, Status.OK]
    write_scores(folder / "own.h5", own, statuses)
    frame = agreement(folder).set_index("proxy")
    theirs = set(pd.read_csv(folder / "theirs.csv")["index"])
    assert 28 <= frame.loc["naswot", "n"] <= 30
    assert frame.loc["snip", "n"] == len(theirs)


def test_constant_scores_have_no_correlation():
    assert np.isnan(spearman(pd.Series([1.0, 1.0]), pd.Series([1.0, 2.0])))


def test_files_that_do_not_match_are_named(files):
    folder, values, _ = files
    write_scores(folder / "again.h5", values[:20])
    with pytest.raises(DataFileError, match=r"again\.h5: expected the architectures of"):
        agreement(folder)
    write_scores(folder / "again.h5", values)
    table = pd.read_csv(folder / "theirs.csv")
    table.assign(index=table["index"] + 1000).to_csv(folder / "theirs.csv", index=False)
    with pytest.raises(DataFileError, match="no architecture in common"):
        agreement(folder)
    table.drop(columns="jacov").to_csv(folder / "theirs.csv", index=False)
    with pytest.raises(DataFileError, match="expected a column 'jacov'"):
        agreement(folder)
    for changed, words in (
        (table.assign(jacov="many"), "column 'jacov': expected numbers"),
        (table.assign(index=1), "column 'index': expected different whole numbers"),
        (table.assign(index=table["index"] + 0.5), "column 'index': expected different whole"),
        (pd.concat([table] * 4), "column 'index': expected different whole numbers"),
    ):
        changed.to_csv(folder / "theirs.csv", index=False)
        with pytest.raises(DataFileError, match=words):
            agreement(folder)


def test_published_scores_come_from_the_mirror_and_nowhere_else(tmp_path, monkeypatch):
    monkeypatch.delenv("TRAINFREE_MIRROR", raising=False)
    with pytest.raises(SourceError, match="no mirror folder"):
        prepare_published_scores("suite_zero_cifar10", tmp_path / "a.csv.gz", None)
    (tmp_path / "suite_zero_cifar10.csv.gz").write_bytes(b"something else")
    with pytest.raises(SourceError, match=r"suite_zero_cifar10\.csv\.gz: expected sha256"):
        prepare_published_scores("suite_zero_cifar10", tmp_path / "out" / "a.csv.gz", str(tmp_path))
    assert not (tmp_path / "out").exists()


@pytest.mark.shared_data
def test_the_mirror_s_file_has_every_column(shared_data, tmp_path):
    prepare_published_scores("suite_zero_cifar10", tmp_path / "theirs.csv.gz", str(shared_data))
    table = pd.read_csv(tmp_path / "theirs.csv.gz")
    assert len(table) == 9445
    assert set(PUBLISHED_COLUMNS.values()) | {"index"} == set(table.columns)
    assert set(PUBLISHED_COLUMNS) <= set(PROXY_NAMES)
