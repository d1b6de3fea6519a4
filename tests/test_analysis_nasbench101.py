"""The NASWOT paper's numbers on NAS-Bench-101 beside ours: readings and tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kendalltau

from trainfree.analysis.papers.draws import drawn_taus
from trainfree.analysis.papers.measures import best_of_n, best_scored_of_n, measure_cell
from trainfree.analysis.published import Measure, find_table, read_published
from trainfree.analysis.settings import AnalysisSettings


def test_best_scored_is_what_drawing_gives():
    rng = np.random.default_rng(0)
    values = rng.normal(90, 5, size=40)
    scores = np.round(values / 3 + rng.normal(0, 2, size=40))  # with equal ones
    mean, spread = best_scored_of_n(scores, values, 5)
    drawn = rng.integers(40, size=(200_000, 5))
    tie_broken = scores[drawn] + rng.random(drawn.shape) * 1e-3
    answers = values[drawn[np.arange(len(drawn)), tie_broken.argmax(axis=1)]]
    assert mean == pytest.approx(answers.mean(), abs=0.05)
    assert spread == pytest.approx(answers.std(), rel=0.02)


def test_best_scored_by_accuracy_itself_is_the_best_and_of_one_is_any():
    values = np.random.default_rng(1).normal(size=30)
    assert best_scored_of_n(values, values, 7) == pytest.approx(best_of_n(values, 7))
    constant = np.zeros(30)
    assert best_scored_of_n(constant, values, 9) == pytest.approx((values.mean(), values.std()))
    minus = np.where(values > 0, values, -np.inf)
    assert best_scored_of_n(minus, values, 1)[0] == pytest.approx(values.mean())


def test_draws_for_tau_leave_out_what_a_table_says():
    rng = np.random.default_rng(2)
    accuracy = np.concatenate([np.full(50, 40.0), rng.uniform(60, 95, 50)])
    score = np.where(accuracy > 50, accuracy, -accuracy + rng.normal(size=100))
    both = pd.DataFrame({"score": score, "accuracy": accuracy})
    settings = AnalysisSettings(tau_draws=2)
    assert drawn_taus(both, settings, 50.0) == pytest.approx([1.0, 1.0])
    assert (drawn_taus(both, settings) < 1).all()


def test_the_published_cells_are_those_of_the_paper_file(repository):
    folder = repository / "reports" / "published"
    own = read_published(folder / "nasbench101" / "naswot.yaml")
    paper = {
        (cell.table, cell.row, cell.column): cell
        for cell, _ in read_published(folder / "naswot.yaml").pairs()
    }
    for cell, _ in own.pairs():
        printed = cell.model_copy(update={"table": cell.table.removesuffix(", first hashes")})
        assert printed == paper[printed.table, cell.row, cell.column]
    kinds = {m.kind for _, m in find_table([own], "nasbench101_naswot_table1").cells}
    assert kinds == {"random", "best_scored", "answer"}


def test_the_tau_of_a_small_sample_has_the_error_of_the_sample():
    class Stub:
        def pairs(self, dataset, proxy, outcome):
            rng = np.random.default_rng(3)
            accuracy = rng.uniform(60, 95, 200)
            score = accuracy + rng.normal(0, 20, 200)
            return pd.DataFrame({"score": score, "accuracy": accuracy})

    measure = Measure(kind="tau", least_accuracy=70)
    measured = measure_cell(Stub(), measure, AnalysisSettings(bootstrap_resamples=100))
    both = Stub().pairs("", "", "")
    kept = both[both["accuracy"] > 70]
    assert measured.value == pytest.approx(kendalltau(kept["score"], kept["accuracy"]).statistic)
    assert measured.n == len(kept)
    assert measured.low < measured.value < measured.high
    assert measured.error == pytest.approx((measured.high - measured.low) / 4, rel=0.3)
