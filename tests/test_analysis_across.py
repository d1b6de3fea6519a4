"""The table of proxies on several spaces, and mean ranks over spaces."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from trainfree.analysis.settings import AnalysisSettings
from trainfree.analysis.spaces.published_across import read_published_across
from trainfree.analysis.spaces.space_ranks import ranked
from trainfree.analysis.spaces.spaces import measured
from trainfree.errors import DataFileError


def rows(**rho):
    """Rows of the table, given by proxy: ρ by (space, data set)."""
    return pd.DataFrame(
        [
            {"proxy": proxy, "space": space, "dataset": dataset, "spearman": value}
            for proxy, known in rho.items()
            for (space, dataset), value in known.items()
        ]
    )


def test_a_space_counts_once_however_many_data_sets_it_has():
    places = [("one", "a"), ("one", "b"), ("two", "a")]
    found = ranked(
        rows(
            good=dict(zip(places, (0.9, 0.5, 0.8), strict=True)),
            fair=dict(zip(places, (0.6, 0.6, 0.7), strict=True)),
            gone=dict(zip(places, (0.1, np.nan, 0.2), strict=True)),
            never=dict.fromkeys(places, np.nan),
        )
    )
    good, fair, gone, never = found
    assert [row["proxy"] for row in found] == ["good", "fair", "gone", "never"]
    assert (good["rank"], fair["rank"]) == (1.0, 2.0)
    assert good["mean_spearman"] == pytest.approx((0.7 + 0.8) / 2)
    assert (good["worst_spearman"], good["worst_space"]) == (pytest.approx(0.7), "one")
    assert good["as_good_as_best"] == fair["as_good_as_best"] == "yes"  # two spaces tell nothing
    assert np.isnan(gone["rank"])
    assert gone["note"] == "no ρ in one"
    assert gone["spaces"] == 2
    assert never["note"] == "no ρ in one, two"
    assert never["spaces"] == 0


def test_ranks_over_many_spaces_tell_the_best():
    places = [(f"space{number}", "a") for number in range(30)]
    rho = {f"p{k}": dict.fromkeys(places, 0.9 - 0.2 * k) for k in range(3)}
    found = ranked(rows(**rho))
    assert [row["as_good_as_best"] for row in found] == ["yes", "no", "no"]
    # Nemenyi: q(3 competitors, 5 %) = 2.343, times sqrt(k (k + 1) / (6 N)).
    assert found[0]["critical_difference"] == pytest.approx(2.343 * np.sqrt(12 / 180), rel=1e-3)


def test_measures_of_one_proxy():
    rng = np.random.default_rng(0)
    accuracy = rng.normal(size=80)
    settings = AnalysisSettings(bootstrap_resamples=100)
    exact = measured(np.exp(accuracy), accuracy, settings)
    for name in ("spearman", "kendall", "top_precision", "ndcg"):
        assert exact[name] == pytest.approx(1.0)
    assert exact["kendall_low"] == exact["kendall_high"] == pytest.approx(1.0)
    noisy = measured(accuracy + rng.normal(size=80), accuracy, settings)
    for name in ("spearman", "kendall", "top_precision", "ndcg"):
        assert noisy[f"{name}_low"] < noisy[name] < noisy[f"{name}_high"] <= 1
    flat = measured(np.ones(80), accuracy, settings)
    assert np.isnan(flat["ndcg"])
    assert "same for all" in str(flat["note"])


def test_published_rankings(repository, tmp_path):
    path = repository / "reports" / "published" / "across" / "rankings.yaml"
    by_place = {one.place: one for one in read_published_across(path)}
    # Suite-Zero, Figure 2, and NASWOT, Figure 3.
    assert by_place["nasbench101", "cifar10", "zen"].spearman == 0.59
    assert by_place["nds_darts", "cifar10", "naswot"].kendall == 0.467
    assert np.isnan(by_place["nds_darts", "cifar10", "naswot"].spearman)
    entry = "{source: a, space: s, dataset: d, statistic: spearman, values: {naswot: 0.5}}"
    for content, sentence in (
        ("rankings: 3", "expected a list under the key rankings"),
        ("rankings: [{source: a}]", r"rankings\[0\]: expected source, space"),
        (f"rankings: [{entry.replace('0.5', '1.5')}]", "naswot: expected a number from -1 to 1"),
        (f"rankings: [{entry}, {entry}]", "s/d/naswot occurs twice"),
        ("rankings: [", "no YAML"),
    ):
        wrong = tmp_path / "wrong.yaml"
        wrong.write_text(content)
        with pytest.raises(DataFileError, match=sentence):
            read_published_across(wrong)
