"""The search job: its file, its independence of everything it should not depend on."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from test_search_lookups import FULL, SIZE, column, write_benchmark, write_scores

from trainfree.errors import ConfigError, DataFileError, UnknownNameError
from trainfree.files.storage import read_dataset
from trainfree.search import ALGORITHM_NAMES, load_algorithm
from trainfree.search.budget import Evaluations, Seconds, leaders, record
from trainfree.search.plan import make_plan
from trainfree.search.run import SearchJob, merits, run_search

SIGNALS = ["accuracy", "naswot"]
SECONDS = np.linspace(0.1, 0.9, SIZE)
SMALL = {"warmup": {"population": 9, "scored": 30, "sample": 4}, "move": {"population": 9}}
SMALL["move"]["sample"] = 4


def naswot() -> np.ndarray:
    score = column(21).round(0)
    score[::7], score[::11] = -math.inf, math.nan
    return score


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("search")
    write_benchmark(folder / "b.h5", FULL, {("cifar10-valid", 12): np.arange(SIZE) + 1.0})
    scores = {"naswot": naswot(), "synflow": column(22)}
    write_scores(folder / "s.h5", scores, SECONDS)
    return folder


def entry(algorithm: str = "rea", **changes: Any) -> dict[str, Any]:
    """A search entry; an assisted algorithm gets a proxy, and numbers that suit a short run."""
    assistance = {"proxy": "synflow"} if load_algorithm(algorithm).assisted else {}
    plain = {"algorithm": algorithm, "budgets": [1, 10, 60]}
    if "budget_seconds" in changes:
        del plain["budgets"]
    return {**plain, **assistance, **SMALL.get(algorithm, {}), **changes}


def job(inputs: Path, output: Path, chosen: dict[str, Any], **changes: Any) -> SearchJob:
    plain = SearchJob(
        space="nasbench201_mini",
        dataset="cifar10",
        plan=make_plan("mine", chosen, runs=4, budgets=[5]),
        scores=(inputs / "s.h5",),
        benchmark=inputs / "b.h5",
        output=output,
        seed=5,
    )
    return dataclasses.replace(plain, **changes)


def search(
    inputs: Path, output: Path, algorithm: str = "rea", job_changes: Any = None, **changes: Any
) -> xr.Dataset:
    chosen = entry(algorithm, **{"signal": "naswot", **changes})
    run_search(job(inputs, output, chosen, **(job_changes or {})))
    return read_dataset(output, "search")


def fitness_of(signal: str) -> np.ndarray:
    return naswot() if signal == "naswot" else FULL["cifar10-valid", "valid", 12, "mean"]


# ---------------------------------------------------------------- the file


@pytest.mark.parametrize("signal", SIGNALS)
@pytest.mark.parametrize("algorithm", ALGORITHM_NAMES)
def test_every_array_follows_from_the_trace(inputs, tmp_path, algorithm, signal):
    data = search(inputs, tmp_path / "o.h5", algorithm, signal=signal)
    fitness, headline = fitness_of(signal), FULL["cifar10", "test", 200, "mean"]
    trace, rung = data["trace_arch"].to_numpy(), data["trace_rung"].to_numpy()
    assert trace.shape == (4, 60)
    assert data["steps"].to_numpy().tolist() == [60] * 4
    np.testing.assert_array_equal(data["trace_fitness"], fitness[trace])
    np.testing.assert_array_equal(data["trace_accuracy"], headline[trace])
    training = np.cumsum(trace + 1.0, axis=1) if signal == "accuracy" else np.zeros((4, 60))
    np.testing.assert_array_equal(data["training_seconds"], training)
    if not load_algorithm(algorithm).assisted:
        scoring = np.cumsum(SECONDS[trace], axis=1) if signal == "naswot" else np.zeros((4, 60))
        np.testing.assert_allclose(data["scoring_seconds"], scoring, rtol=1e-12)
    for run in range(4):
        for place, budget in enumerate((1, 10, 60)):
            answer = naive_answer(trace[run, :budget], rung[run, :budget], fitness)
            at = {"run": run, "budget": place}
            assert data["answer"][at] == answer
            for clock in ("scoring_seconds", "training_seconds"):
                assert data[f"answer_{clock}"][at] == data[clock][run, budget - 1]
            assert data["answer_rank"][at] == 1 + (headline > headline[answer]).sum()
            assert data["answer_regret"][at] == headline.max() - headline[answer]
            for (name, split, epochs, _), values in FULL.items():
                outcome = data["answer_accuracy"].sel(outcome=f"{name}/{split}/{epochs}")
                assert float(outcome[at]) == values[answer]


def naive_answer(trace: np.ndarray, rung: np.ndarray, fitness: np.ndarray) -> int:
    top = [index for index, at in zip(trace.tolist(), rung, strict=True) if at == max(rung)]
    best = top[0]
    for index in top[1:]:
        value = fitness[index]
        if not math.isnan(value) and (math.isnan(fitness[best]) or value > fitness[best]):
            best = index
    return best


@given(
    fitness=hnp.arrays(
        np.float64,
        12,
        elements=st.sampled_from([math.nan, -math.inf, -1e300, -1.0, 0.0, -0.0, 1.0, 3.5]),
    ),
    arch=hnp.arrays(np.int32, (3, 9), elements=st.integers(0, 11)),
    rung=hnp.arrays(np.int8, (3, 9), elements=st.integers(0, 2)),
    ends=hnp.arrays(np.int64, 3, elements=st.integers(1, 9)),
)
@settings(max_examples=200)
def test_leaders_equal_a_naive_loop(fitness, arch, rung, ends):
    ended = np.arange(9) >= ends[:, np.newaxis]
    arch[ended], rung[ended] = -1, -1
    leader = leaders(merits(arch, rung, fitness))
    for run in range(3):
        for step in range(9):
            seen = min(step + 1, ends[run])
            expected = naive_answer(arch[run, :seen], rung[run, :seen], fitness)
            assert arch[run, leader[run, step]] == expected


@pytest.mark.parametrize("algorithm", ALGORITHM_NAMES)
def test_runs_do_not_depend_on_how_many_there_are_or_on_later_budgets(inputs, tmp_path, algorithm):
    few = search(inputs, tmp_path / "few.h5", algorithm, runs=3, budgets=[10, 30])
    many = search(inputs, tmp_path / "many.h5", algorithm, runs=7, budgets=[10, 30, 400])
    for name in ("trace_arch", "trace_fitness", "trace_accuracy", "scoring_seconds"):
        np.testing.assert_array_equal(few[name], many[name][:3, :30])
    np.testing.assert_array_equal(few["answer"], many["answer"][:3, :2])
    np.testing.assert_array_equal(few["answer_accuracy"], many["answer_accuracy"][:3, :2])
    assert len(np.unique(many["trace_arch"].to_numpy(), axis=0)) == 7


def test_streams_differ_by_seed_algorithm_signal_and_proxy_but_not_by_name(inputs, tmp_path):
    def first_steps(algorithm: str = "rea", **changes: Any) -> tuple[int, ...]:
        data = search(inputs, tmp_path / "o.h5", algorithm, **changes)
        return tuple(data["trace_arch"].to_numpy()[0, :10].tolist())

    traces = {
        first_steps(),
        first_steps(job_changes={"seed": 6}),
        first_steps(signal="accuracy"),
        first_steps("random"),
        first_steps("area"),
        first_steps("area", proxy="naswot"),
    }
    assert len(traces) == 6
    other_name = make_plan("other", entry(signal="naswot"), runs=4, budgets=[5])
    assert first_steps(job_changes={"plan": other_name}) == first_steps()


@pytest.mark.parametrize("algorithm", ALGORITHM_NAMES)
def test_same_job_same_bytes(inputs, tmp_path, algorithm):
    for name in ("a.h5", "b.h5"):
        search(inputs, tmp_path / name, algorithm, signal="accuracy", budget_seconds=4000)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.h5", "b.h5"]


def test_everything_is_described(inputs, tmp_path):
    data = search(inputs, tmp_path / "a.h5", preset="cossu", population=25)
    assert data["trace_arch"].dtype == data["answer"].dtype == np.int32
    assert data["budget"].to_numpy().tolist() == [1.0, 10.0, 60.0]
    assert data["budget"].dtype == np.float64
    assert data["budget"].attrs["budget_kind"] == data.attrs["budget_kind"] == "evaluations"
    expected = {
        **{"search": "mine", "algorithm": "rea", "preset": "cossu", "signal": "naswot"},
        **{"proxy": "", "runs": 4, "seed": 5, "overshoot": "", "space": "nasbench201_mini"},
        **{"dataset": "cifar10", "headline_outcome": "cifar10/test/200"},
    }
    assert {key: data.attrs[key] for key in expected} == expected
    assert math.isnan(data.attrs["budget_seconds"])
    assert "nothing is trained" in data.attrs["signal_note"]
    assert '"population":25' in data.attrs["config"]
    assert '"sample":20' in data.attrs["config"]
    assert all({"units", "long_name"} <= set(variable.attrs) for variable in data.values())


def test_settings_reach_the_algorithm_and_the_config_hash(inputs, tmp_path):
    plain = search(inputs, tmp_path / "a.h5")
    other = search(inputs, tmp_path / "b.h5", sample=1)
    assert not np.array_equal(plain["trace_arch"], other["trace_arch"])
    assert plain.attrs["config_hash"] != other.attrs["config_hash"]
    same = search(inputs, tmp_path / "c.h5", sample=3)
    assert plain.attrs["config_hash"] == same.attrs["config_hash"]


def test_a_space_where_everything_failed_still_gives_a_file(inputs, tmp_path):
    failed = np.full(SIZE, math.nan)
    scores = write_scores(tmp_path / "s.h5", {"naswot": failed, "synflow": failed}, column(1))
    for algorithm in ALGORITHM_NAMES:
        data = search(
            inputs, tmp_path / "o.h5", algorithm, budgets=[1, 9], job_changes={"scores": (scores,)}
        )
        np.testing.assert_array_equal(data["answer"], data["trace_arch"].to_numpy()[:, [0, 0]])
    assert f"{SIZE} of {SIZE} architectures could not be scored" in data.attrs["signal_note"]


def test_guided_search_beats_random_search_on_its_signal(inputs, tmp_path):
    means = {}
    smooth = np.array([bin(index).count("1") for index in range(SIZE)], dtype=float)
    smooth += np.arange(SIZE) / SIZE
    scores = {"naswot": smooth, "synflow": smooth}
    path = write_scores(tmp_path / "s.h5", scores, column(1))
    for algorithm in ALGORITHM_NAMES:
        changes = {"job_changes": {"scores": (path,)}, "runs": 40}
        data = search(inputs, tmp_path / "o.h5", algorithm, **changes)
        means[algorithm] = float(data["trace_fitness"][:, -10:].mean())
    for algorithm in ("rea", "area", "warmup", "move"):
        assert means[algorithm] > means["random"] + 0.3
    assert means["reinforce"] > means["random"]


# ---------------------------------------------------------------- budgets of seconds


@pytest.mark.parametrize("overshoot", ["stop_before", "allow", "interpolate"])
@pytest.mark.parametrize("algorithm", ["random", "bohb", "move"])
def test_budgets_of_seconds_end_where_their_rule_says(inputs, tmp_path, algorithm, overshoot):
    limit = 5000.0
    data = search(
        inputs,
        tmp_path / "o.h5",
        algorithm,
        signal="accuracy",
        budget_seconds=limit,
        overshoot=overshoot,
        runs=12,
    )
    assert data.attrs["budget_kind"] == "training_seconds"
    assert data.attrs["budget_seconds"] == limit
    assert data["budget"].to_numpy().tolist() == [limit]
    steps, trace = data["steps"].to_numpy(), data["trace_arch"].to_numpy()
    assert len(set(steps.tolist())) > 1
    clock = data["scoring_seconds"].to_numpy() + data["training_seconds"].to_numpy()
    for run, count in enumerate(steps.tolist()):
        assert (trace[run, :count] >= 0).all()
        assert (trace[run, count:] == -1).all()
        assert np.isnan(clock[run, count:]).all()
        assert np.isnan(data["trace_fitness"][run, count:]).all()
        assert np.isnan(data["trace_accuracy"][run, count:]).all()
        if overshoot == "stop_before":
            assert clock[run, count - 1] <= limit
        else:
            assert clock[run, count - 2] < limit <= clock[run, count - 1]
    spent = data["answer_scoring_seconds"] + data["answer_training_seconds"]
    expected = limit if overshoot == "interpolate" else clock[np.arange(12), steps - 1]
    np.testing.assert_allclose(spent[:, 0], expected)


@pytest.mark.parametrize("algorithm", ALGORITHM_NAMES)
def test_a_run_of_seconds_begins_like_one_of_evaluations(inputs, tmp_path, algorithm):
    counted = search(inputs, tmp_path / "a.h5", algorithm, signal="accuracy")
    timed = search(inputs, tmp_path / "b.h5", algorithm, signal="accuracy", budget_seconds=3000)
    for run, steps in enumerate(np.minimum(timed["steps"].to_numpy(), 60).tolist()):
        for name in ("trace_arch", "scoring_seconds", "training_seconds"):
            np.testing.assert_array_equal(timed[name][run, :steps], counted[name][run, :steps])


def test_assisted_searches_pay_for_their_scores(inputs, tmp_path):
    def without_scores(trace: xr.DataArray) -> np.ndarray:
        return np.cumsum(trace.to_numpy() + 1.0, axis=1)

    seconds = 2 * SECONDS  # synflow is the second proxy of the file
    area = search(inputs, tmp_path / "o.h5", "area", signal="accuracy")
    paid = area["scoring_seconds"].to_numpy()
    assert (paid == paid[:, :1]).all()  # all before the first training, none after
    assert (paid[:, 0] > 20 * seconds.min()).all()
    assert (paid[:, 0] < 20 * seconds.max()).all()
    np.testing.assert_array_equal(area["training_seconds"], without_scores(area["trace_arch"]))
    move = search(inputs, tmp_path / "o.h5", "move", signal="accuracy")
    paid = move["scoring_seconds"].to_numpy()
    assert (paid[:, :9] == 0).all()  # the first population is random
    steps = np.diff(paid[:, 8:], axis=1)
    assert (steps > 12 * seconds.min()).all()  # 12 neighbours of each parent
    assert (steps < 12 * seconds.max()).all()
    guided = search(inputs, tmp_path / "o.h5", "area", signal="naswot")
    trace = guided["trace_arch"].to_numpy()
    own = np.cumsum(SECONDS[trace], axis=1)
    assert np.ptp(guided["scoring_seconds"].to_numpy() - own, axis=1).max() < 1e-9
    assert "Assisted by the score of synflow." in guided.attrs["signal_note"]
    assert "charged" in guided.attrs["clock_note"]


def test_a_failed_score_without_a_time_stops_no_clock(inputs, tmp_path):
    seconds = SECONDS.copy()
    seconds[::2] = math.nan
    scores = write_scores(tmp_path / "s.h5", {"naswot": naswot(), "synflow": column(22)}, seconds)
    changes = {"signal": "accuracy", "budget_seconds": 3000, "job_changes": {"scores": (scores,)}}
    data = search(inputs, tmp_path / "o.h5", "move", **changes)
    assert np.isfinite(data["answer_scoring_seconds"]).all()
    assert "365 scores of synflow failed with no time noted" in data.attrs["clock_note"]


def test_scores_are_paid_from_the_budget_of_seconds(inputs, tmp_path):
    cheap = search(inputs, tmp_path / "a.h5", "area", signal="accuracy", budget_seconds=5000)
    scores = write_scores(
        tmp_path / "s.h5", {"naswot": naswot(), "synflow": column(22)}, np.full(SIZE, 50.0)
    )
    dear = search(
        inputs,
        tmp_path / "b.h5",
        "area",
        signal="accuracy",
        budget_seconds=5000,
        job_changes={"scores": (scores,)},
    )
    np.testing.assert_allclose(dear["scoring_seconds"][:, 0], 20 * 2 * 50.0)
    assert dear["answer_training_seconds"].max() <= 3000
    assert (dear["steps"] < cheap["steps"]).all()


# ---------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"budgets": [10, 730]}, ConfigError, r"N = 730 is larger than the space nasbench201_mini"),
        (
            {"signal": "accuracy", "budget_seconds": 0.5},
            ConfigError,
            r"mine\.budget_seconds: 0\.5 s are not enough for the first evaluation of run 0",
        ),
        (
            {"job_changes": {"space": "nasbench102"}},
            UnknownNameError,
            "unknown space 'nasbench102'",
        ),
        (
            {"job_changes": {"scores": (Path("/nowhere/s.h5"),)}},
            DataFileError,
            r"/nowhere/s\.h5: no such scores file",
        ),
        ({"job_changes": {"scores": ()}}, DataFileError, "needs a scores file"),
    ],
)
def test_bad_jobs_say_what_is_wrong_and_write_nothing(inputs, tmp_path, changes, error, message):
    with pytest.raises(error, match=message):
        search(inputs, tmp_path / "o.h5", **changes)
    assert not list(tmp_path.iterdir())


def test_seconds_on_a_benchmark_without_times_are_refused_with_the_way_out(inputs, tmp_path):
    bare = write_benchmark(tmp_path / "bare.h5", FULL)
    some = np.arange(SIZE) + 1.0
    some[3:8] = math.nan
    part = write_benchmark(tmp_path / "part.h5", FULL, {("cifar10-valid", 12): some})
    for path, words in ((bare, rf"no training times \({SIZE} of"), (part, "incomplete.*5 of")):
        with pytest.raises(ConfigError, match=words) as caught:
            search(
                inputs,
                tmp_path / "o.h5",
                signal="accuracy",
                budget_seconds=900,
                job_changes={"benchmark": path},
            )
        for word in (path.name, "search.searches.mine.budget_seconds", "mirror", "nats_archive"):
            assert word in str(caught.value)
    data = search(inputs, tmp_path / "o.h5", signal="accuracy", job_changes={"benchmark": bare})
    assert "no training times" in data.attrs["clock_note"]


def test_budgets_that_next_to_nothing_spends_are_refused_instead_of_searched_for_ever(
    inputs, tmp_path
):
    quick = write_benchmark(
        tmp_path / "quick.h5", FULL, {("cifar10-valid", 12): np.full(SIZE, 1e-12)}
    )
    with pytest.raises(ConfigError, match=r"mine\.budget_seconds: .*1e-12 s on average") as caught:
        search(
            inputs,
            tmp_path / "o.h5",
            signal="accuracy",
            budget_seconds=5,
            job_changes={"benchmark": quick},
        )
    assert str(quick) in str(caught.value)


class Stubborn:
    """Asks for the one architecture that costs next to nothing, again and again."""

    rung = 0

    def ask(self) -> int:
        return 0

    def tell(self, index: int, fitness: float) -> None:
        pass


@pytest.mark.parametrize("overshoot", ["stop_before", "allow", "interpolate"])
def test_a_search_that_stays_where_time_stands_still_ends(overshoot):
    with pytest.raises(ConfigError, match=r"1,000,000 take 1e-06 of its 60 s"):
        record(Stubborn(), [1.0, 2.0], [1e-12, 100.0], None, Seconds(60.0, overshoot))
    assert len(record(Stubborn(), [1.0], [1e-12], None, Evaluations((7,))).arch) == 7


# ---------------------------------------------------------------- several draws of the scores


@pytest.mark.parametrize("algorithm", ["random", "rea", "area"])
def test_runs_take_the_draws_in_turn(inputs, tmp_path, algorithm):
    """Run r of a search with k draws is run r of a search with draw r mod k alone."""
    signal = "accuracy" if algorithm == "area" else "naswot"
    scores = {"naswot": column(31), "synflow": column(32)}
    write_scores(tmp_path / "other.h5", scores, SECONDS * 2)
    paths = (inputs / "s.h5", tmp_path / "other.h5")
    both = search(inputs, tmp_path / "o.h5", algorithm, {"scores": paths}, signal=signal)
    assert both["draw"].to_numpy().tolist() == [0, 1, 0, 1]
    for draw, path in enumerate(paths):
        one = {"scores": (path,)}
        alone = search(inputs, tmp_path / f"{draw}.h5", algorithm, one, signal=signal)
        runs = [draw, draw + 2]
        xr.testing.assert_identical(
            both.isel(run=runs).drop_vars("draw").drop_attrs(),
            alone.isel(run=runs).drop_vars("draw").drop_attrs(),
        )
    hashes = both.attrs["source_hashes"]
    assert all(name in hashes for name in ("scores", "scores of draw 1"))
    assert "share 2 draws" in both.attrs["signal_note"]


def test_more_draws_than_runs_are_left_alone(inputs, tmp_path):
    paths = (inputs / "s.h5",) * 4 + (tmp_path / "absent.h5",)
    data = search(inputs, tmp_path / "o.h5", job_changes={"scores": paths})
    assert data["draw"].to_numpy().tolist() == [0, 1, 2, 3]


def test_runs_of_seconds_are_padded_to_the_longest_draw(inputs, tmp_path):
    write_scores(tmp_path / "dear.h5", {"naswot": naswot(), "synflow": column(22)}, SECONDS * 9)
    paths = (inputs / "s.h5", tmp_path / "dear.h5")
    changes = {"signal": "accuracy", "budget_seconds": 3000.0}
    data = search(inputs, tmp_path / "o.h5", "area", {"scores": paths}, **changes)
    steps = data["steps"].to_numpy()
    trace = data["trace_arch"].to_numpy()
    assert trace.shape[1] == steps.max()
    for run, length in enumerate(steps):
        assert (trace[run, :length] >= 0).all()
        assert (trace[run, length:] == -1).all()
        assert np.isnan(data["trace_fitness"].to_numpy()[run, length:]).all()
