"""The NASWOT paper's Figure 3 on NDS: a verdict in a run of that space, a reason in the others."""

from __future__ import annotations

import numpy as np
import pytest
from analysis_fixtures import tabulate, write_benchmark, write_scores

from trainfree.analysis.settings import AnalysisSettings

COUNT = 400
SETTINGS = AnalysisSettings(seed=0, bootstrap_resamples=20, tau_draws=3)


@pytest.fixture
def run(tmp_path, repository):
    """Writes a run whose scores have a τ of about 0.47 with accuracy above 15 %."""
    rng = np.random.default_rng(6)
    accuracy = np.sort(rng.uniform(80, 94, size=COUNT))
    score = accuracy + rng.normal(size=COUNT, scale=5.2)
    accuracy[:20], score[:20] = 10.0, 1e3  # diverged, and left out by the paper

    def write(space, batch_size=128, epochs=100):
        place = {"space": space, "batch_size": batch_size}
        return {
            "scores": write_scores(tmp_path / "s.h5", {"naswot": score, "params": score}, **place),
            "benchmark": write_benchmark(
                *(tmp_path / "b.h5", {("cifar10", "test", epochs, "1"): accuracy}),
                **{"space": space, "source": "official"},
            ),
            "published": repository / "reports" / "published" / "naswot.yaml",
        }

    return write


def test_a_run_of_the_space_has_a_verdict(run, tmp_path):
    kendall = tabulate("kendall", tmp_path, settings=SETTINGS, **run("nds_darts"))
    beside = kendall[kendall["published"].notna()]
    assert beside[["proxy", "published", "n"]].values.tolist() == [["naswot", 0.467, COUNT - 20]]
    assert beside["verdict"].tolist() == ["reproduced"]
    assert set(kendall["proxy"]) == {"naswot", "params"}
    whole = kendall[(kendall["proxy"] == "naswot") & (kendall["rows"] == "whole space")]
    assert whole["tau"].item() < beside["tau"].item() - 0.03  # the diverged ones count there
    figure = tabulate("naswot_figure3", tmp_path, settings=SETTINGS, **run("nds_darts"))
    cells = figure.set_index("column")
    assert cells.loc["NDS-DARTS CIFAR-10", "verdict"] == "reproduced"
    assert cells.loc["NDS-DARTS CIFAR-10", "measured"] == beside["tau"].item()
    assert "but of nds_pnas" in cells.loc["NDS-PNAS CIFAR-10", "reason"]


def test_other_settings_are_named_and_other_spaces_have_no_verdict(run, tmp_path):
    other = tabulate("kendall", tmp_path, settings=SETTINGS, **run("nds_darts", batch_size=32))
    beside = other[other["published"].notna()]
    assert beside["verdict"].item() == "reproduced at batch 32"
    assert beside["reason"].item().endswith("the paper: batch 128")
    for made in (run("nds_resnet"), run("nds_darts", epochs=3)):
        own = tabulate("kendall", tmp_path, settings=SETTINGS, **made)
        assert own["published"].isna().all()
        assert set(own["proxy"]) == {"naswot", "params"}
