"""The table of what proxies are worth among the best, against plain computations."""

from __future__ import annotations

import numpy as np
import pytest
from analysis_fixtures import tabulate, write_benchmark, write_scores
from scipy.stats import kendalltau, spearmanr

from trainfree.analysis.proxies.top import best

COUNT = 300
RNG = np.random.default_rng(8)
ACCURACY = RNG.uniform(50, 94, COUNT)
NASWOT = ACCURACY + RNG.normal(0, 5, COUNT)
NASWOT[:3] = -np.inf


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    folder = tmp_path_factory.mktemp("top")
    scores = write_scores(folder / "s.h5", {"naswot": NASWOT, "flops": np.ones(COUNT)})
    benchmark = write_benchmark(folder / "b.h5", {("cifar10", "test", 200, "mean"): ACCURACY})
    return tabulate("top", folder, scores=scores, benchmark=benchmark)


@pytest.mark.parametrize("share", [1.0, 0.1, 0.05])
def test_correlations_are_those_inside_the_part(rows, share):
    row = rows[(rows["proxy"] == "naswot") & (rows["share"] == share)].iloc[0]
    inside = np.argsort(-ACCURACY)[: round(share * COUNT)]
    score = np.where(np.isinf(NASWOT), -1e9, NASWOT)[inside]
    assert row["kendall"] == pytest.approx(kendalltau(score, ACCURACY[inside]).statistic, abs=1e-5)
    assert row["spearman"] == pytest.approx(spearmanr(score, ACCURACY[inside]).statistic, abs=1e-5)
    assert row["spearman_low"] < row["spearman"] < row["spearman_high"]
    assert (row["n"], row["of"]) == (len(inside), COUNT)


def test_precision_is_what_the_two_heads_have_in_common(rows):
    row = rows[(rows["proxy"] == "naswot") & (rows["share"] == 0.1)].iloc[0]
    heads = [set(np.argsort(-values)[:30]) for values in (NASWOT, ACCURACY)]
    assert row["precision"] == pytest.approx(len(heads[0] & heads[1]) / 30)
    constant = rows[(rows["proxy"] == "flops") & (rows["share"] == 0.1)].iloc[0]
    assert constant["precision"] == pytest.approx(0.1)
    assert np.isnan(constant["spearman"])


def test_parts_of_a_few_architectures_are_left_out(rows):
    assert set(rows["share"]) == {1.0, 0.1, 0.05}  # of 300 the best 1 % are three
    assert best(np.array([1.0, 2.0, 2.0, 0.0]), 0.25).tolist() == [False, True, True, False]
