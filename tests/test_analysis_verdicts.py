"""The rule of the verdicts at its boundaries, and the statistics it rests on."""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from analysis_fixtures import write_benchmark
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from trainfree.analysis.papers.draws import DRAWN, drawn_taus
from trainfree.analysis.papers.margins import to_next_row
from trainfree.analysis.papers.measures import Measured, best_of_n, mean_measured
from trainfree.analysis.papers.power import Compared, swaps
from trainfree.analysis.papers.protocol import Setting, obstacle_of, setting_of
from trainfree.analysis.papers.verdicts import (
    CLOSE,
    EQUAL,
    MISSING,
    NOT_COMPARABLE,
    NOT_REPRODUCED,
    REPRODUCED,
    UNKNOWN_NOISE,
    VERDICTS,
    Verdict,
    judge,
    plain_word,
)
from trainfree.analysis.published import Cell, Measure
from trainfree.analysis.settings import AnalysisSettings
from trainfree.analysis.statistics.paired_tests import average_ranks, holm, wilcoxon
from trainfree.analysis.statistics.subsets import best_tenth, subsets_of
from trainfree.files.storage import read_dataset
from trainfree.spaces.nasbench201.space import CellSpace

CELLS = CellSpace.published()
SETTINGS = AnalysisSettings()


def cell(value: float, spread: float | None, n: int | None, unit: str = "%") -> Cell:
    return Cell(
        **dict.fromkeys(("paper", "table", "row", "column", "note", "suspicious"), ""),
        value=value,
        spread=spread,
        unit=unit,
        n=n,
    )


@pytest.mark.parametrize(
    ("difference", "spread", "n", "error", "word"),
    [
        (0.5, 0.1, 500, 0.0, REPRODUCED),  # the largest margin itself
        (0.501, 0.1, 500, 0.0, NOT_REPRODUCED),
        (-0.501, 0.1, 500, 0.0, NOT_REPRODUCED),
        (0.99, 5.0, 100, 0.0, REPRODUCED),  # two standard errors of 0.5
        (1.01, 5.0, 100, 0.0, NOT_REPRODUCED),
        (1.41, 5.0, 100, 0.5, REPRODUCED),  # both standard errors: 2 sqrt(0.5)
        (1.42, 5.0, 100, 0.5, NOT_REPRODUCED),
        (0.0, 15.0, 100, 0.0, REPRODUCED),  # tolerance of exactly six margins
        (0.0, 15.1, 100, 0.0, NOT_COMPARABLE),  # too coarse to mean anything
        (3.1, 15.1, 100, 0.0, NOT_REPRODUCED),
        (0.5, 10.0, None, 0.0, REPRODUCED),  # n not stated
        (0.6, 10.0, None, 0.0, NOT_COMPARABLE),
        (20.1, 10.0, None, 0.0, NOT_REPRODUCED),
        (1.25, 0.05, None, 1.4, NOT_COMPARABLE),  # our own error is larger than that
        (2.9, 0.05, None, 1.4, NOT_REPRODUCED),
    ],
)
def test_boundaries_of_means(difference, spread, n, error, word) -> None:
    found = judge(cell(64.0, spread, n), 64.0 + difference, error, SETTINGS)
    assert found.word == word


@pytest.mark.parametrize(
    ("unit", "published", "measured", "word"),
    [
        ("tau", 0.5, 0.53, REPRODUCED),
        ("tau", 0.5, 0.5301, NOT_REPRODUCED),
        ("r", 0.5, 0.4699, NOT_REPRODUCED),
        ("s", 10.0, 10.0, NOT_COMPARABLE),
        ("nats", 200.0, 202.0, REPRODUCED),
        ("nats", 200.0, 202.1, NOT_COMPARABLE),
        ("tau", 0.5, math.nan, MISSING),
    ],
)
def test_boundaries_of_other_units(unit, published, measured, word) -> None:
    spread = 50.0 if unit == "nats" else None
    assert judge(cell(published, spread, None, unit), measured, 0.0, SETTINGS).word == word


def test_an_obstacle_wins_and_still_tells_the_difference() -> None:
    near = judge(cell(50, 0.1, 500), 50.1, 0.0, SETTINGS, obstacle="stand-in images")
    far = judge(cell(50, 0.1, 500), 52.0, 0.0, SETTINGS, obstacle="stand-in images")
    assert (near.word, far.word) == (NOT_COMPARABLE, NOT_COMPARABLE)
    assert near.reason == "stand-in images (the difference is within the tolerance)"
    assert "beyond the tolerance" in far.reason


def test_the_measure_may_know_the_published_error() -> None:
    known = judge(cell(50, 10.0, None), 50.8, 0.0, SETTINGS, reference_error=0.5)
    assert (known.word, known.tolerance) == (REPRODUCED, 1.0)


@pytest.mark.parametrize(
    ("difference", "error", "to_next_row", "word", "grade"),
    [
        (0.10, 0.0, 0.2, REPRODUCED, CLOSE),  # half of the way to the next row
        (0.11, 0.0, 0.2, NOT_REPRODUCED, ""),
        (0.11, 0.0, 0.3, REPRODUCED, CLOSE),
        (0.008, 0.0, 0.2, REPRODUCED, EQUAL),  # two standard errors of 0.1 over 500
        (0.01, 0.0, 0.2, REPRODUCED, CLOSE),
        (0.15, 0.1, 0.21, REPRODUCED, EQUAL),  # more noise than margin, less than to the next row
        (0.15, 0.11, 0.2, NOT_COMPARABLE, ""),  # noise that reaches the next row
        (0.25, 0.11, 0.2, NOT_REPRODUCED, ""),
        (0.5, 0.0, 50.0, REPRODUCED, CLOSE),  # no more than the largest margin
        (0.51, 0.0, 50.0, NOT_REPRODUCED, ""),
    ],
)
def test_no_number_passes_that_is_nearer_to_another_row(
    difference, error, to_next_row, word, grade
) -> None:
    found = judge(cell(64.0, 0.1, 500), 64 - difference, error, SETTINGS, to_next_row=to_next_row)
    assert (found.word, found.grade) == (word, grade)


def test_the_noise_of_an_unstated_number_of_runs_is_unknown() -> None:
    found = judge(cell(50, 10.0, None), 50.1, 0.0, SETTINGS, to_next_row=0.3)
    assert (found.word, found.grade) == (REPRODUCED, UNKNOWN_NOISE)
    assert judge(cell(50, 10.0, None), 50.2, 0.0, SETTINGS, to_next_row=0.3).grade == ""


class TestRowsOfATable:
    def rows(self, *numbers: tuple[float, float | None, int | None]) -> list[Cell]:
        return [
            cell(*each).model_copy(update={"row": f"row {place}", "column": "test"})
            for place, each in enumerate(numbers)
        ]

    def test_the_nearest_row_is_one_that_can_be_told_apart(self) -> None:
        rows = self.rows((90, 1.0, 100), (90.2, 1.0, 100), (90.5, 1.0, 100), (93, 1.0, 100))
        assert to_next_row(rows[0], rows) == pytest.approx(0.5)  # 0.2 is below two errors of 0.141
        assert to_next_row(rows[1], rows) == pytest.approx(0.3)
        assert to_next_row(rows[3], rows) == pytest.approx(2.5)

    def test_rows_of_other_columns_units_and_the_row_itself_do_not_count(self) -> None:
        first, second = self.rows((90, 0.0, 100), (91, 0.0, 100))
        for change in ({"column": "validation"}, {"unit": "s"}, {"row": first.row}):
            assert to_next_row(first, [first, second.model_copy(update=change)]) == math.inf
        assert to_next_row(first, [first]) == math.inf

    def test_unstated_numbers_of_runs_count_as_one(self) -> None:
        first, second = self.rows((90, 1.0, None), (92, 0.0, 100))
        assert to_next_row(first, [first, second]) == math.inf
        first, second = self.rows((90, 0.9, None), (92, None, None))
        assert to_next_row(first, [first, second]) == pytest.approx(2)

    @given(
        printed=st.lists(
            st.tuples(st.floats(0, 100), st.floats(0, 2), st.integers(1, 500)),
            min_size=2,
            max_size=7,
        ),
        off=st.floats(-3, 3),
    )
    def test_swaps_by_hand(self, printed: list[tuple[float, float, int]], off: float) -> None:
        rows = self.rows(*printed)
        measured = [Measured(each.value + off, 1.0, 0.0, 0.0, 9, 0.01) for each in rows]
        verdicts = [
            judge(row, own.value, own.error, SETTINGS, to_next_row=to_next_row(row, rows))
            for row, own in zip(rows, measured, strict=True)
        ]
        compared = [Compared(*each) for each in zip(rows, measured, verdicts, strict=True)]
        found = swaps(compared, SETTINGS)
        for place, (row, own, verdict) in enumerate(compared):
            tried = passed = 0
            for other in compared:
                errors = [each.spread / each.n**0.5 for each in (row, other.cell)]
                if {verdict.word, other.verdict.word} - {REPRODUCED, NOT_REPRODUCED}:
                    continue
                if abs(row.value - other.cell.value) <= math.hypot(*errors):
                    continue
                tried += 1
                again = judge(
                    row,
                    other.measured.value,
                    own.error,
                    SETTINGS,
                    to_next_row=to_next_row(row, rows),
                )
                passed += again.word == REPRODUCED
            assert found[place] == (tried, passed)

    def test_cells_that_are_not_compared_are_not_swapped(self) -> None:
        rows = self.rows((90, 0.1, 100), (91, 0.1, 100), (92, 0.1, 100))
        words = (REPRODUCED, NOT_REPRODUCED, NOT_COMPARABLE)
        compared = [
            Compared(row, Measured(90, 0, 90, 90, 9), Verdict(word, 0.5, "", ""))
            for row, word in zip(rows, words, strict=True)
        ]
        assert swaps(compared, SETTINGS) == [(1, 1), (1, 0), (0, 0)]


def test_margins_come_from_the_settings() -> None:
    wide = replace(SETTINGS, margin_percent=2.0)
    assert judge(cell(50, 0.1, 500), 52.0, 0.0, wide).word == REPRODUCED


@given(st.lists(st.floats(0, 100), min_size=1, max_size=6), st.integers(1, 4))
def test_best_of_n_is_the_mean_over_all_draws(values: list[float], n: int) -> None:
    best = [max(draw) for draw in itertools.product(values, repeat=n)]
    mean, spread = best_of_n(np.array(values), n)
    assert mean == pytest.approx(np.mean(best), abs=1e-9)
    assert spread == pytest.approx(np.std(best), abs=1e-5)


def test_the_interval_of_a_mean_is_near_the_normal_one() -> None:
    values = np.random.default_rng(0).normal(50, 3, 500)
    found = mean_measured(values, replace(SETTINGS, bootstrap_resamples=2000))
    assert (found.value, found.spread, found.n) == (values.mean(), values.std(ddof=1), 500)
    half = 1.96 * 3 / math.sqrt(500)
    assert found.low == pytest.approx(values.mean() - half, abs=0.03)
    assert found.high == pytest.approx(values.mean() + half, abs=0.03)
    assert mean_measured(np.array([np.nan]), SETTINGS).n == 0


def test_drawn_taus_follow_the_protocol() -> None:
    rng = np.random.default_rng(3)
    accuracy = np.concatenate([rng.uniform(20, 90, DRAWN + 200), np.full(50, 15.0)])
    score = accuracy + rng.normal(0, 30, len(accuracy))
    score[:20] = -np.inf
    both = pd.DataFrame({"score": score, "accuracy": accuracy})
    few = replace(SETTINGS, tau_draws=5)
    taus = drawn_taus(both, few)
    above = both[both["accuracy"] > 15]
    whole = stats.kendalltau(above["score"], above["accuracy"])[0]
    assert len(set(taus)) == 5
    assert np.abs(taus - whole).max() < 0.05
    small = above.iloc[:DRAWN]
    expected = stats.kendalltau(small["score"], small["accuracy"])[0]
    assert drawn_taus(small, few) == pytest.approx([expected] * 5)


class TestPairedTests:
    def naive(self, difference: np.ndarray) -> tuple[float, float]:
        """Ranks by counting, the exact permutation p-value of all 2^n signs."""
        size = np.abs(difference)
        ranks = np.array([(size < s).sum() + ((size == s).sum() + 1) / 2 for s in size])
        signed = np.sign(difference) * ranks
        total = np.abs(signed).sum()
        sums = [
            abs(sum(s * r for s, r in zip(signs, np.abs(signed), strict=True)))
            for signs in itertools.product((-1, 1), repeat=len(ranks))
        ]
        return float(np.mean(np.array(sums) >= abs(signed.sum()) - 1e-9)), signed.sum() / total

    @pytest.mark.parametrize("seed", range(5))
    def test_wilcoxon_against_all_permutations(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        first, second = rng.integers(0, 8, (2, 12)).astype(float)
        p_value, effect = self.naive(first - second)
        found = wilcoxon(first, second)
        assert found.effect == pytest.approx(effect)
        assert found.p_value == pytest.approx(p_value, abs=0.06)

    def test_equal_values_do_not_differ(self) -> None:
        assert wilcoxon(np.ones(5), np.ones(5)) == (1.0, 0.0)
        assert wilcoxon(np.full(9, 2.0), np.ones(9)).effect == 1.0

    @given(st.lists(st.floats(0, 1), max_size=8))
    def test_holm_is_the_step_down_rule(self, p_values: list[float]) -> None:
        adjusted = holm(p_values)
        order = sorted(range(len(p_values)), key=lambda place: p_values[place])
        largest = 0.0
        for step, place in enumerate(order):
            largest = max(largest, min(1.0, p_values[place] * (len(p_values) - step)))
            assert adjusted[place] == pytest.approx(largest)

    def test_average_ranks_of_a_known_case(self) -> None:
        values = np.array([[3.0, 2.0, 1.0], [3.0, 2.0, 2.0], [1.0, 3.0, 2.0], [5.0, 4.0, 3.0]])
        found = average_ranks(values)
        assert found.ranks == pytest.approx([1.5, 1.875, 2.625])
        assert found.p_value == pytest.approx(stats.friedmanchisquare(*values.T).pvalue)
        # Demšar (2006), Table 5: q is 2.343 for three competitors
        assert found.critical_difference == pytest.approx(
            2.343 * math.sqrt(3 * 4 / (6 * 4)), abs=1e-3
        )


def has_path(text: str) -> bool:
    """Whether the last node of a cell's text is reached from node 0: by following all paths."""
    nodes = [re.findall(r"([^|~]+)~([0-9])", part) for part in text.split("+")]

    def reached(node: int) -> bool:
        return node == 0 or any(
            name != "none" and reached(int(source)) for name, source in nodes[node - 1]
        )

    return reached(len(nodes))


class TestSubsets:
    @pytest.mark.parametrize(
        ("architecture", "answer"),
        [
            ("|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|", True),
            ("|a~0|+|a~0|a~1|+|none~0|none~1|none~2|", False),
            ("|none~0|+|a~0|none~1|+|none~0|a~1|none~2|", False),
            ("|a~0|+|none~0|a~1|+|none~0|none~1|a~2|", True),
        ],
    )
    def test_connection(self, architecture: str, answer: bool) -> None:
        text = architecture.replace("a~", "nor_conv_3x3~")
        assert CELLS.is_connected(CELLS.parse(text)) is answer

    def test_connected_cells_of_the_space(self) -> None:
        chosen = CELLS.subsets()["connected cells"]
        assert chosen.sum() == 15284  # 341 have a zero output
        texts = [CELLS.to_string(index) for index in range(len(CELLS))]
        assert chosen.tolist() == [has_path(text) for text in texts]

    def test_parts_come_with_the_benchmark(self, tmp_path: Path) -> None:
        accuracy = np.arange(40.0)
        odd = accuracy % 2 == 1
        columns = {("cifar10", "test", 200, "mean"): accuracy}
        written = write_benchmark(tmp_path / "new.h5", columns, {"odd ones": odd})
        names = read_dataset(written, "benchmark")["architecture"].to_numpy()[::-1]
        pairs = pd.DataFrame({"accuracy": accuracy[::-1]}, index=pd.Index(names))
        found = subsets_of(read_dataset(written, "benchmark"), pairs.iloc[:30])
        assert list(found) == ["whole space", "odd ones", "best tenth"]
        assert found["odd ones"].tolist() == odd[::-1][:30].tolist()
        assert found["whole space"].all()
        assert found["best tenth"].tolist() == [True] * 3 + [False] * 27
        without = read_dataset(write_benchmark(tmp_path / "old.h5", columns), "benchmark")
        assert list(subsets_of(without, pairs)) == ["whole space", "best tenth"]

    def test_best_tenth(self) -> None:
        chosen = best_tenth(pd.Series(np.arange(100.0)))
        assert chosen.sum() == 10
        assert chosen[90:].all()


# Another setting than the paper's


class Scored:
    """A run with scores of one mini-batch size, and searches of so many draws."""

    def __init__(self, batch_size: int, draws: int = 1) -> None:
        self.attributes = {"batch_size": batch_size, "input": "images"}
        self.draws = np.arange(6) % draws

    def scores(self, dataset: str) -> xr.Dataset:
        return xr.Dataset(attrs=self.attributes)

    def search(self, measure: Measure) -> xr.Dataset:
        return xr.Dataset({"draw": ("run", self.draws)})

    def stand_in(self, dataset: str) -> str:
        return ""


ONE_DRAW = "with one draw of the scores"


@pytest.mark.parametrize(
    ("measure", "batch_size", "draws", "words"),
    [
        (Measure(kind="tau", signal="naswot"), 128, 1, ""),
        (Measure(kind="tau", signal="naswot"), 32, 1, "at batch 32"),
        (Measure(kind="tau", signal="params"), 32, 1, ""),
        (Measure(kind="answer", signal="naswot"), 32, 1, f"at batch 32, {ONE_DRAW}"),
        (Measure(kind="answer", signal="naswot"), 128, 1, ONE_DRAW),
        (Measure(kind="answer", signal="naswot"), 32, 3, "at batch 32"),
        (Measure(kind="answer", signal="naswot"), 128, 3, ""),
        (Measure(kind="answer", signal="accuracy"), 32, 1, ""),
        (Measure(kind="answer", signal="accuracy", proxy="naswot"), 128, 1, ONE_DRAW),
        (Measure(kind="history", signal="synflow"), 32, 1, ONE_DRAW),
        (Measure(kind="history", signal="params"), 32, 1, ""),
        (Measure(kind="random"), 32, 1, ""),
        (Measure(kind="oracle", budget=10), 32, 1, ""),
    ],
)
def test_the_setting_is_named_where_it_enters(measure, batch_size, draws, words) -> None:
    found = setting_of(Scored(batch_size, draws), measure, 128)
    assert found.words == words
    assert ("batch 128" in found.paper) == ("batch" in words)
    assert ("new draws" in found.paper) == ("draw" in words)


def test_an_absolute_score_of_another_mini_batch_is_another_quantity() -> None:
    measure = Measure(kind="sampled", quantity="score", signal="naswot")
    told = obstacle_of(Scored(32), measure, "nats", 128)
    assert told == "absolute score of a mini-batch of 32 images instead of 128"
    assert obstacle_of(Scored(128), measure, "nats", 128) == ""
    assert obstacle_of(Scored(32), measure, "%", 128) == ""


@pytest.mark.parametrize("measured", [*np.linspace(48, 52, 33), np.nan])
@pytest.mark.parametrize("error", [0.0, 0.2, 3.0])
def test_a_setting_changes_the_words_and_nothing_else(measured: float, error: float) -> None:
    """Neither way: what does not come out is said as loudly as what does."""
    printed, setting = cell(50, 0.1, 500), Setting("at batch 32", "batch 128")
    own = judge(printed, measured, error, SETTINGS)
    other = judge(printed, measured, error, SETTINGS, setting=setting)
    judged = own.word in (REPRODUCED, NOT_REPRODUCED)
    assert other.word == (f"{own.word} at batch 32" if judged else own.word)
    assert plain_word(other.word) == own.word
    np.testing.assert_equal(other.tolerance, own.tolerance)
    assert other.grade == own.grade
    assert other.reason == ("the paper: batch 128" if judged else own.reason)
    stopped = judge(printed, measured, error, SETTINGS, setting=setting, obstacle="other images")
    assert stopped == judge(printed, measured, error, SETTINGS, obstacle="other images")


def test_a_verdict_has_one_plain_word() -> None:
    for word in VERDICTS:
        assert plain_word(word) == plain_word(f"{word} at batch 32, {ONE_DRAW}") == word
    assert plain_word("reproducible") == "reproducible"
