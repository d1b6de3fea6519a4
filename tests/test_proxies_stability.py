"""Scores of the same architectures under several draws."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import xarray as xr
from analysis_fixtures import tabulate
from scipy.stats import rankdata, spearmanr

from trainfree.analysis.proxies.proxy_stability import stability
from trainfree.analysis.registry import read_rows
from trainfree.errors import ConfigError, DataFileError
from trainfree.files.storage import read_dataset, write_dataset
from trainfree.images.prepare import prepare_images
from trainfree.scoring.jobs.draws import drawn_seeds, score_draws
from trainfree.scoring.jobs.shard import score_shard
from trainfree.scoring.settings.setting import Setting
from trainfree.scoring.status import Status

PROXIES = ("params", "naswot", "l2_norm", "snip", "constant")
SETTING = Setting(
    "nasbench201_mini", "generated", PROXIES, 6, "pytorch", "images", 3, sample=10, sample_seed=3
)
DRAWS = 3


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    path = tmp_path_factory.mktemp("images") / "generated.h5"
    prepare_images(
        "generated", path, order=["generated"], cache=path.parent, mirror=None, timeout=1.0
    )
    return path


@pytest.fixture(scope="module")
def drawn(images, tmp_path_factory):
    """Two files of five architectures."""
    folder = tmp_path_factory.mktemp("draws")
    paths = [folder / f"{first}.h5" for first in (0, 5)]
    for first, path in zip((0, 5), paths, strict=True):
        score_draws(SETTING, DRAWS, first, first + 4, images, path, "cpu", threads=1)
    return paths


def test_each_kind_of_draw_has_its_seeds():
    assert drawn_seeds(3, 3) == [(3, 3), (4, 3), (5, 3), (3, 4), (3, 5), (4, 4), (5, 5)]
    with pytest.raises(ConfigError, match="at least 2 draws"):
        drawn_seeds(0, 1)


def test_the_first_draw_and_those_of_both_are_the_scores_of_those_seeds(drawn, images, tmp_path):
    data = read_dataset(drawn[0], "draws")
    assert data.attrs["draws"] == DRAWS
    for draw in (0, 5):
        seed = int(data["weight_seed"][draw])
        assert int(data["image_seed"][draw]) == seed
        setting = replace(SETTING, seed=seed)
        score_shard(setting, 0, 4, images, tmp_path / f"{draw}.h5", "cpu", threads=1)
        alone = read_dataset(tmp_path / f"{draw}.h5", "scores")
        np.testing.assert_array_equal(data["score"].isel(draw=draw), alone["score"])
        np.testing.assert_array_equal(data["arch"], alone["arch"])


def test_only_what_is_drawn_changes(drawn):
    score = read_dataset(drawn[0], "draws")["score"]
    of_batch, of_weights = score.isel(draw=[0, 1, 2]), score.isel(draw=[0, 3, 4])
    for proxy, with_batch, with_weights in (
        ("params", False, False),
        ("l2_norm", False, True),
        ("snip", True, True),
    ):
        for part, changes in ((of_batch, with_batch), (of_weights, with_weights)):
            values = part.sel(proxy=proxy)
            assert bool((values != values.isel(draw=0)).any()) == changes, proxy


def test_the_table_agrees_with_the_files(drawn, tmp_path):
    tabulate("proxy_stability", tmp_path, draws=drawn)
    rows = read_rows("proxy_stability", tmp_path / "proxy_stability.csv")
    rows = rows.set_index(["proxy", "arm"])
    assert (rows["n"] + rows["without_score"] == 10).all()
    assert (rows["draws"] == DRAWS).all()
    assert (rows.loc["params", "spread_ratio"] == 0).all()
    assert (rows.loc["params", "mean_spearman"] == 1).all()
    assert rows.loc[("l2_norm", "mini-batch"), "rank_spread_ratio"] == 0
    assert rows.loc[("l2_norm", "weights"), "spread_ratio"] > 0
    assert rows.loc["constant", "spread_ratio"].isna().all()
    assert rows.loc["constant", "mean_spearman"].isna().all()
    data = xr.concat([read_dataset(path, "draws")["score"] for path in drawn], "arch")
    both = data.sel(proxy="naswot").isel(draw=[0, 5, 6]).to_numpy().reshape(3, 10)
    pairs = [spearmanr(a, b).statistic for a, b in combinations(both, 2)]
    assert rows.loc[("naswot", "both"), "mean_spearman"] == pytest.approx(np.mean(pairs), abs=1e-5)
    assert "Redrawn" in (tmp_path / "proxy_stability.md").read_text()


def test_the_measures_are_those_of_a_plain_reckoning():
    rng = np.random.default_rng(1)
    scores = rng.normal(size=8) * 1e200 + rng.normal(size=(4, 8)) * 1e199
    scores[2, 3] = -math.inf
    scores[1, 6] = math.nan
    found = stability(scores)
    assert (found["n"], found["without_score"], found["infinite"]) == (7, 1, 1)
    finite = np.delete(scores, [3, 6], axis=1) / 1e200
    within = [np.var(finite[:, a], ddof=1) for a in range(6)]
    between = np.std([np.mean(finite[:, a]) for a in range(6)], ddof=1)
    assert found["spread_ratio"] == pytest.approx(math.sqrt(np.mean(within)) / between)
    kept = np.delete(scores, 6, axis=1)
    ranks = rankdata(kept.ravel()).reshape(kept.shape)
    within = [np.var(ranks[:, a], ddof=1) for a in range(7)]
    between = np.std(ranks.mean(axis=0), ddof=1)
    assert found["rank_spread_ratio"] == pytest.approx(math.sqrt(np.mean(within)) / between)
    pairs = [spearmanr(a, b).statistic for a, b in combinations(kept, 2)]
    assert found["mean_spearman"] == pytest.approx(np.mean(pairs))
    assert found["lowest_spearman"] == pytest.approx(min(pairs))


def test_scores_that_failed_in_one_draw_are_left_out(drawn, tmp_path):
    data = read_dataset(drawn[0], "draws")
    status = data["status"].copy()
    status[{"draw": 1, "arch": 2, "proxy": 1}] = Status.ERROR
    write_dataset(data.assign(status=status), tmp_path / "d.h5", "draws")
    rows = tabulate("proxy_stability", tmp_path, draws=tmp_path / "d.h5")
    rows = rows.set_index(["proxy", "arm"])
    assert rows.loc[("naswot", "mini-batch"), "without_score"] == (
        rows.loc[("naswot", "weights"), "without_score"] + 1
    )


def test_architectures_that_are_there_twice_are_refused(drawn, tmp_path):
    with pytest.raises(DataFileError, match="more than one of the 3 draws files"):
        tabulate("proxy_stability", tmp_path, draws=[*drawn, drawn[0]])
