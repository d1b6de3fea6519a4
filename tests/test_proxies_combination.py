"""Several proxies as one, and the table of all of them."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from trainfree.analysis.combination import combined, rank_aggregation, vote
from trainfree.analysis.proxy_table import partial_spearman, tabulate_proxies
from trainfree.analysis.tables import read_table
from trainfree.benchmarks.prepare import prepare_benchmark
from trainfree.images.prepare import prepare_images
from trainfree.scoring.merge import merge_shards
from trainfree.scoring.setting import Setting
from trainfree.scoring.shard import score_shard


def test_rank_aggregation_multiplies_relative_ranks():
    scores = pd.DataFrame({"a": [3.0, 1.0, 2.0], "b": [-math.inf, 5.0, 9.0]})
    expected = [math.log(3 / 3 * 1 / 3), math.log(1 / 3 * 2 / 3), math.log(2 / 3 * 3 / 3)]
    np.testing.assert_allclose(rank_aggregation(scores), expected)


def test_vote_is_the_majority_of_each_pair(monkeypatch):
    rng = np.random.default_rng(0)
    scores = pd.DataFrame(rng.normal(size=(30, 3)), columns=list("abc"))
    values = scores.to_numpy()
    for one in range(30):
        won = 0.0
        for other in range(30):
            if one != other:
                won += float((values[one] > values[other]).sum() >= 2)
        assert vote(scores)[one] == pytest.approx(won / 29)
    monkeypatch.setattr("trainfree.analysis.combination._ROWS_AT_ONCE", 7)
    in_parts = vote(scores)
    monkeypatch.undo()
    np.testing.assert_array_equal(in_parts, vote(scores))


def test_architectures_without_a_score_have_no_combined_one():
    names = ["az_expressivity", "az_progressivity", "az_trainability", "flops"]
    scores = pd.DataFrame(np.arange(12.0).reshape(3, 4), columns=names)
    scores.iloc[1, 2] = np.nan
    made = combined(scores)
    assert list(made) == ["az_nas"]
    assert made["az_nas"].isna().tolist() == [False, True, False]


def test_partial_correlation_is_that_of_residuals_of_ranks():
    rng = np.random.default_rng(1)
    third = pd.Series(rng.normal(size=200))
    first, second = (third + pd.Series(rng.normal(size=200)) for _ in range(2))
    ranks = [values.rank().to_numpy() for values in (first, second, third)]
    design = np.column_stack([np.ones(200), ranks[2]])
    residuals = [r - design @ np.linalg.lstsq(design, r, rcond=None)[0] for r in ranks[:2]]
    expected = np.corrcoef(*residuals)[0, 1]
    assert partial_spearman(first, second, third) == pytest.approx(expected)
    assert math.isnan(partial_spearman(third, second, third))


def test_the_table_of_a_small_space(tmp_path):
    prepare_images(
        "generated", tmp_path / "i.h5", order=["generated"], cache=tmp_path, mirror=None, timeout=1
    )
    prepare_benchmark(
        "nasbench201_mini",
        tmp_path / "b.h5",
        order=["generated"],
        cache=tmp_path,
        mirror=None,
        nats_archive=None,
        timeout=1,
    )
    proxies = ("params", "flops", "synflow", "constant", "random")
    setting = Setting(
        "nasbench201_mini", "generated", proxies, 4, "pytorch", "images", 0, sample=30
    )
    score_shard(setting, 0, 29, tmp_path / "i.h5", tmp_path / "s.h5", "cpu", threads=1)
    merge_shards([tmp_path / "s.h5"], setting, tmp_path / "m.h5")
    tabulate_proxies([tmp_path / "m.h5"], tmp_path / "b.h5", tmp_path / "t", tmp_path / "p")
    table = read_table(tmp_path / "t.csv").set_index("proxy")
    assert set(table.index) == set(proxies)
    assert (table["n"] == 30).all()
    assert math.isnan(table.loc["constant", "spearman"])
    assert math.isnan(table.loc["params", "spearman_given_params"])
    assert table.loc["params", "beside_params"] == pytest.approx(0)
    pairs = read_table(tmp_path / "p.csv").set_index("proxy")
    assert pairs.loc["params", "params"] == 1
    assert pairs.loc["params", "flops"] == pairs.loc["flops", "params"] > 0.9
