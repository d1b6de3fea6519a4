"""Budgets and their ends computed by hand, and the plan that follows from an entry."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from trainfree.config import parse_config
from trainfree.errors import ConfigError
from trainfree.search.budget import (
    Evaluations,
    Seconds,
    leaders,
    read_out,
    record,
)
from trainfree.search.plan import SearchPlan, make_plan
from trainfree.search.protocol import PaidScores

SECONDS = [10.0, 20.0, 30.0, 40.0, 50.0]
FITNESS = [5.0, 7.0, 6.0, 9.0, 8.0]
ACCURACY = np.array([50.0, 70.0, 60.0, 90.0, 80.0])


class Counter:
    """Asks for 0, 1, 2, ...; looks ``looks`` scores up before each."""

    rung = 0

    def __init__(self, scores: PaidScores | None = None, looks: int = 0) -> None:
        self._next, self._scores, self._looks = -1, scores, looks

    def ask(self) -> int:
        self._next += 1
        for _ in range(self._looks):
            self._scores.rank(0)
        return self._next

    def tell(self, index: int, fitness: float) -> None:
        assert fitness == FITNESS[index]


# Clock after each step: 10, 30, 60, 100, 150.
@pytest.mark.parametrize(
    ("limit", "overshoot", "steps"),
    [
        (60.0, "stop_before", 3),  # exactly full
        (99.0, "stop_before", 3),
        (100.0, "stop_before", 4),
        (9.0, "stop_before", 0),
        (60.0, "allow", 3),  # nothing is left
        (61.0, "allow", 4),
        (99.0, "allow", 4),
        (9.0, "allow", 1),
        (61.0, "interpolate", 4),
    ],
)
def test_a_run_ends_by_its_rule(limit, overshoot, steps):
    found = record(Counter(), FITNESS, SECONDS, None, Seconds(limit, overshoot))
    assert found.arch == list(range(steps))
    assert found.assistance == [0.0] * steps


def test_scores_are_paid_before_the_evaluation_they_choose():
    # Two looks of 7 s before each step: the clock is 24, 58, 102, 156.
    for limit, rule, steps in (
        (58.0, "stop_before", 2),
        (57.0, "stop_before", 1),
        (59, "allow", 3),
    ):
        paid = PaidScores([1.0], [7.0])
        found = record(Counter(paid, 2), FITNESS, SECONDS, paid, Seconds(limit, rule))
        assert found.arch == list(range(steps))
        assert found.assistance == [14.0 * (step + 1) for step in range(steps)]


def test_a_number_of_evaluations_asks_no_clock():
    found = record(Counter(), FITNESS, [math.nan] * 5, None, Evaluations((1, 4)))
    assert found.arch == [0, 1, 2, 3]


def reading(clock: list[list[float]], budget: Any) -> tuple[Any, np.ndarray]:
    """Read out runs that look at 0, 1, 2, ... and answer by FITNESS; return accuracy as well."""
    times = np.array(clock)
    ended = np.isnan(times)
    arch = np.tile(np.arange(times.shape[1]), (len(times), 1))
    merit = np.where(ended, -1, np.array(FITNESS)[arch].astype(np.int64))
    leader = leaders(merit)
    found = read_out(leader, (~ended).sum(axis=1), times, budget)
    return found, found.of_answers(ACCURACY, arch, leader)


NAN = math.nan


def test_interpolation_is_linear_between_the_two_nearest_ends():
    runs = [
        [10.0, 30.0, 60.0, 100.0],  # 60 and 100 enclose 90: weight 3/4 between 70 and 90
        [10.0, 30.0, 60.0, 300.0],  # the nearest are 60 and 30: beyond both, 70 and 70
        [10.0, 89.0, 95.0, NAN],  # 89 and 95: both 70
        [85.0, 400.0, NAN, NAN],  # 85 and 400: 50 and 70, weight 5/315
        [120.0, NAN, NAN, NAN],  # one evaluation alone
    ]
    found, accuracy = reading(runs, Seconds(90.0, "interpolate"))
    expected = [70 + 0.75 * 20, 70.0, 70.0, 50 + 5 / 315 * 20, 50.0]
    np.testing.assert_allclose(accuracy[:, 0], expected)
    # The answer is the best that was known in time, or the only one.
    assert found.answer[:, 0].tolist() == [1, 1, 1, 0, 0]
    clock = found.of_clock(np.array(runs))[:, 0]
    np.testing.assert_allclose(clock, [90.0, 90.0, 90.0, 90.0, 120.0])


def test_interpolation_extrapolates_where_both_ends_lie_on_one_side():
    # Ends at 10, 20, 70 and 200: nearest to 80 are 70 and 20, whose answers have 60 and 70.
    merit = np.array([[5, 7, 8, 9]])
    arch = np.array([[0, 1, 2, 3]])
    times = np.array([[10.0, 20.0, 70.0, 200.0]])
    leader = leaders(merit)
    found = read_out(leader, np.array([4]), times, Seconds(80.0, "interpolate"))
    accuracy = found.of_answers(ACCURACY, arch, leader)
    assert accuracy[0, 0] == pytest.approx(60 + (80 - 70) / (20 - 70) * (70 - 60))


@pytest.mark.parametrize("overshoot", ["stop_before", "allow"])
def test_other_rules_answer_with_the_best_of_all_that_was_made(overshoot):
    runs = [[10.0, 30.0, 60.0, 100.0], [10.0, 30.0, NAN, NAN]]
    found, accuracy = reading(runs, Seconds(90.0, overshoot))
    assert found.answer[:, 0].tolist() == [3, 1]
    assert accuracy[:, 0].tolist() == [90.0, 70.0]
    assert found.of_clock(np.array(runs))[:, 0].tolist() == [100.0, 30.0]


def test_evaluations_are_read_out_at_each_count():
    found, accuracy = reading([[10.0, 30.0, 60.0, 100.0]] * 2, Evaluations((1, 3, 4)))
    assert found.answer.tolist() == [[0, 1, 3]] * 2
    assert accuracy.tolist() == [[50.0, 70.0, 90.0]] * 2


# ---------------------------------------------------------------- plans


def plan(**entry: Any) -> SearchPlan:
    return make_plan("x", entry, runs=500, budgets=[100, 10])


def test_a_plan_fills_in_what_the_entry_leaves_out():
    found = plan(algorithm="rea")
    assert (found.signal, found.proxy, found.preset, found.runs) == ("accuracy", "", "", 500)
    assert (found.counts, found.seconds, found.overshoot) == ((10, 100), None, "")
    assert found.settings["population"] == 10
    assert found.proxies == []


def test_overrides_win_over_the_preset_and_the_preset_over_defaults():
    found = plan(algorithm="rea", preset="cossu", sample=5, budgets=[1000])
    assert found.settings == {
        **{"population": 64, "sample": 5, "replacement": False, "mutation": "edge"}
    }
    timed = plan(algorithm="reinforce", preset="nasbench201", budget_seconds=12000)
    assert (timed.overshoot, timed.seconds, timed.counts) == ("allow", 12000.0, ())
    other = plan(
        algorithm="reinforce", preset="nasbench201", budget_seconds=9.5, overshoot="stop_before"
    )
    assert (other.overshoot, other.budget) == ("stop_before", Seconds(9.5, "stop_before"))
    assisted = plan(algorithm="area", proxy="synflow", signal="naswot", runs=50)
    assert assisted.proxies == ["naswot", "synflow"]
    assert assisted.runs == 50


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({}, r"x\.algorithm: .*"),
        ({"algorithm": "reaa"}, r"x\.algorithm: unknown algorithm 'reaa'; did you mean 'rea'"),
        (
            {"algorithm": "rea", "preset": "cosu"},
            r"x\.preset: unknown preset 'cosu'; did you mean 'cossu'.*nats",
        ),
        (
            {"algorithm": "bohb", "preset": "naswot"},
            r"x\.preset: unknown preset 'naswot'; did you mean 'nats'.*: nasbench201, nats",
        ),
        (
            {"algorithm": "rea", "populaton": 3},
            r"x: unknown key or setting 'populaton'; did you mean 'population'",
        ),
        ({"algorithm": "random", "sample": 3}, "'sample'; settings are: none"),
        ({"algorithm": "rea", "population": "3"}, r"x\.population: .*like 10, found '3'"),
        ({"algorithm": "rea", "sample": 0}, r"x\.sample: expected at least 1, found 0"),
        ({"algorithm": "area"}, r"x\.proxy: area is assisted by a proxy; name one"),
        ({"algorithm": "rea", "proxy": "naswot"}, r"x\.proxy: rea takes no assistance"),
        ({"algorithm": "rea", "proxy": "nope"}, r"x\.proxy: "),
        ({"algorithm": "area", "proxy": "nope"}, r"x\.proxy: unknown proxy 'nope'"),
        (
            {"algorithm": "rea", "signal": "nasswot"},
            r"x\.signal: unknown signal 'nasswot'.*'naswot'",
        ),
        (
            {"algorithm": "rea", "budgets": [5], "budget_seconds": 9},
            "x: give either budgets or budget_seconds, found both",
        ),
        (
            {"algorithm": "rea", "signal": "naswot", "budget_seconds": 9},
            r"x\.budget_seconds: .*naswot trains nothing; give budgets",
        ),
        (
            {"algorithm": "rea", "budget_seconds": 0},
            r"x\.budget_seconds: .*greater than 0, found 0",
        ),
        ({"algorithm": "rea", "overshoot": "allow"}, r"x\.overshoot: belongs to budget_seconds"),
        (
            {"algorithm": "rea", "budget_seconds": 9, "overshoot": "never"},
            r"x\.overshoot: .*'stop_before', 'allow' or 'interpolate', found 'never'",
        ),
        ({"algorithm": "rea", "budgets": []}, r"x\.budgets: "),
        ({"algorithm": "rea", "budgets": [3, 3]}, r"x\.budgets: .*each once"),
        ({"algorithm": "rea", "budgets": [0]}, r"x\.budgets\.0: "),
        ({"algorithm": "rea", "budgets": [15626]}, r"x\.budgets: N = 15626 is larger"),
        ({"algorithm": "rea", "runs": 0}, r"x\.runs: "),
    ],
)
def test_wrong_entries_are_named_by_their_key(entry, words):
    with pytest.raises(ConfigError, match=rf"^my\.yaml: search\.searches\.{words}"
                       if words.startswith("x") else words):  # fmt: skip
        parse_config({"search": {"searches": {"x": entry}}}, "my.yaml")


@pytest.mark.parametrize("name", ["", "Rea", "rea-", "rea--x", "-rea", "rea.x", "rea/x"])
def test_names_of_searches_are_names_of_files(name):
    with pytest.raises(ConfigError, match="expected a name of lower-case letters"):
        parse_config({"search": {"searches": {name: {"algorithm": "rea"}}}})


def test_null_drops_a_search_and_the_default_has_nine():
    names = list(parse_config({}).search.plans())
    assert names == [
        f"{algorithm}{guide}"
        for algorithm in ("random", "rea", "reinforce")
        for guide in ("", "-naswot", "-synflow")
    ]
    dropped = parse_config({"search": {"searches": {"a": {"algorithm": "rea"}, "b": None}}})
    assert list(dropped.search.plans()) == ["a"]


def test_the_shipped_configurations_have_the_same_default_and_every_algorithm(repository):
    from trainfree.config import load_config
    from trainfree.search import ALGORITHM_NAMES

    default = load_config(repository / "config" / "config.yaml").search.plans()
    assert default == parse_config({}).search.plans()
    tests = load_config(
        repository / "config" / "config.yaml", repository / "config" / "test.yaml"
    ).search.plans()
    assert {one.algorithm for one in tests.values()} == set(ALGORITHM_NAMES)
    assert {one.overshoot for one in tests.values()} >= {"stop_before", "allow", "interpolate"}
