"""Several proxies as one, and the table of all of them."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from analysis_fixtures import ERROR, OK, tabulate, write_benchmark, write_scores
from scipy.stats import kendalltau, spearmanr

from trainfree.analysis.proxies.combination import combined, rank_aggregation
from trainfree.analysis.proxies.proxies import partial
from trainfree.analysis.proxies.proxy_agreement import spearman
from trainfree.analysis.registry import read_rows
from trainfree.combinations import load_combination
from trainfree.combinations.table import combine
from trainfree.randomness import stream

AZ_NAS_PARTS, VOTERS = (load_combination(name).proxies for name in ("az_nas", "vote"))


def vote(scores: pd.DataFrame) -> np.ndarray:
    return combine(load_combination("vote"), scores.to_numpy())


def partial_spearman(first: pd.Series, second: pd.Series, given: pd.Series) -> float:
    """Spearman's ρ of two variables with the linear effect of a third's ranks removed."""
    found = partial(spearman(first, second), spearman(first, given), spearman(second, given))
    return float(found)


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
    monkeypatch.setattr("trainfree.combinations.table._ROWS_AT_ONCE", 7)
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


def test_combinations_are_those_of_a_plain_reckoning_with_ties_and_infinities():
    rng = np.random.default_rng(5)
    names = sorted({*AZ_NAS_PARTS, *VOTERS})
    scores = pd.DataFrame(rng.integers(0, 6, size=(25, len(names))).astype(float), columns=names)
    scores.iloc[3, 1] = -math.inf
    made = combined(scores)
    assert list(made) == ["az_nas", "vote"]
    for one in range(25):
        total, won = 0.0, 0.0
        for part in AZ_NAS_PARTS:
            column = scores[part]
            below = (column < column[one]).sum()
            equal = (column == column[one]).sum()
            total += math.log((below + (equal + 1) / 2) / 25)
        for other in range(25):
            if other != one:
                ayes = sum(scores[name][one] > scores[name][other] for name in VOTERS)
                noes = sum(scores[name][one] < scores[name][other] for name in VOTERS)
                won += 1.0 if ayes > noes else 0.5 if ayes == noes else 0.0
        assert made["az_nas"][one] == pytest.approx(total)
        assert made["vote"][one] == pytest.approx(won / 24)


COUNT = 40


@pytest.fixture
def table(tmp_path):
    """The tables of made-up scores on a made-up benchmark; params are 0, 1, 2, … ."""
    rng = np.random.default_rng(7)
    accuracy = np.arange(COUNT) + rng.normal(scale=12, size=COUNT) + 30
    accuracy[4] = np.nan
    score = {
        "params": np.arange(COUNT, dtype=float),
        "good": np.where(
            np.arange(COUNT) == 9, -np.inf, accuracy + rng.normal(scale=3, size=COUNT)
        ),
        "constant": np.ones(COUNT),
        "failed": rng.normal(size=COUNT),
    }
    score["good"][4] = 1.0
    scores = write_scores(
        tmp_path / "s.h5", score, status={"failed": [ERROR] * 10 + [OK] * (COUNT - 10)}
    )
    benchmark = write_benchmark(tmp_path / "b.h5", {("cifar10", "test", 200, "mean"): accuracy})
    for name in ("proxies", "proxy_pairs"):
        tabulate(name, tmp_path, scores=scores, benchmark=benchmark, resamples=100, seed=3)
    rows = read_rows("proxies", tmp_path / "proxies.csv").set_index("proxy")
    return rows, tmp_path, score, accuracy


def test_the_table_counts_and_correlates(table):
    rows, folder, score, accuracy = table
    assert rows["n"].to_dict() == {"params": 39, "good": 39, "constant": 39, "failed": 30 - 0}
    assert rows["without_score"].to_dict()["failed"] == 10
    assert rows.loc["good", "infinite"] == 1
    known = ~np.isnan(accuracy)
    for proxy in ("params", "good"):
        pair = score[proxy][known], accuracy[known]
        assert rows.loc[proxy, "spearman"] == pytest.approx(spearmanr(*pair).statistic, abs=1e-5)
        assert rows.loc[proxy, "kendall"] == pytest.approx(kendalltau(*pair).statistic, abs=1e-5)
        assert rows.loc[proxy, "spearman_low"] < rows.loc[proxy, "spearman"]
        assert rows.loc[proxy, "spearman"] < rows.loc[proxy, "spearman_high"]
    assert math.isnan(rows.loc["constant", "spearman"])
    assert "the same for all" in rows.loc["constant", "note"]
    assert math.isnan(rows.loc["params", "spearman_given_params"])
    assert rows.loc["params", "beside_params"] == pytest.approx(0)
    pairs = read_rows("proxy_pairs", folder / "proxy_pairs.csv").set_index("proxy")
    assert pairs.loc["params", "params"] == 1
    assert pairs.loc["params", "good"] == pairs.loc["good", "params"] > 0
    assert (folder / "proxies.md").read_text().splitlines()[6].count(
        "good"
    ) == 1  # the best is first


def test_what_a_proxy_adds_is_measured_on_the_same_draws(table):
    """The intervals again, resample by resample, without the machinery for weighted ranks."""
    rows, _, score, accuracy = table
    known = ~np.isnan(accuracy)
    good, truth, params = score["good"][known], accuracy[known], score["params"][known]
    aggregated = rank_aggregation(pd.DataFrame({"good": good, "params": params}))
    rng, gains, given = stream(3, "bootstrap"), [], []
    for _ in range(100):
        drawn = np.repeat(np.arange(39), np.bincount(rng.integers(39, size=39), minlength=39))
        a, b, c, d = (pd.Series(values[drawn]) for values in (good, truth, params, aggregated))
        gains.append(d.corr(b, method="spearman") - c.corr(b, method="spearman"))
        given.append(partial_spearman(a, b, c))
    for name, values in (("beside_params", gains), ("spearman_given_params", given)):
        low, high = np.quantile(values, [0.025, 0.975])
        assert rows.loc["good", f"{name}_low"] == pytest.approx(low, abs=1e-5)
        assert rows.loc["good", f"{name}_high"] == pytest.approx(high, abs=1e-5)
