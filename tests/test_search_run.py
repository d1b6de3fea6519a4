"""The search job: its file, its independence of everything it should not depend on."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from test_search_signals import FULL, SIZE, column, write_benchmark, write_scores

from trainfree.errors import ConfigError, DataFileError, UnknownNameError
from trainfree.search import ALGORITHM_NAMES
from trainfree.search.run import SearchJob, answers, run_search
from trainfree.storage import read_dataset

SIGNALS = ["accuracy", "naswot"]


def naswot() -> np.ndarray:
    score = column(21).round(0)
    score[::7], score[::11] = -math.inf, math.nan
    return score


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("search")
    write_benchmark(folder / "b.h5", FULL, {("cifar10-valid", 12): np.arange(SIZE) + 1.0})
    write_scores(folder / "s.h5", {"naswot": naswot()}, np.linspace(0.1, 0.9, SIZE))
    return folder


def job(inputs: Path, output: Path, **changes: object) -> SearchJob:
    plain = SearchJob(
        space="nasbench201_mini",
        dataset="cifar10",
        algorithm="rea",
        signal="naswot",
        scores=inputs / "s.h5",
        benchmark=inputs / "b.h5",
        output=output,
        runs=4,
        budgets=(1, 10, 60),
        seed=5,
    )
    return dataclasses.replace(plain, **changes)


def search(inputs: Path, output: Path, **changes: object) -> xr.Dataset:
    run_search(job(inputs, output, **changes))
    return read_dataset(output, "search")


@pytest.mark.parametrize("signal", SIGNALS)
@pytest.mark.parametrize("algorithm", ALGORITHM_NAMES)
def test_every_array_follows_from_the_trace(inputs, tmp_path, algorithm, signal):
    data = search(inputs, tmp_path / "o.h5", algorithm=algorithm, signal=signal)
    fitness = naswot() if signal == "naswot" else FULL["cifar10-valid", "valid", 12, "mean"]
    seconds = np.linspace(0.1, 0.9, SIZE)
    trace = data["trace_arch"].to_numpy()
    assert trace.shape == (4, 60)
    np.testing.assert_array_equal(data["trace_fitness"], fitness[trace])
    np.testing.assert_array_equal(
        data["trace_accuracy"], FULL["cifar10", "test", 200, "mean"][trace]
    )
    scoring = np.cumsum(seconds[trace], axis=1) if signal == "naswot" else np.zeros((4, 60))
    training = np.cumsum(trace + 1.0, axis=1) if signal == "accuracy" else np.zeros((4, 60))
    np.testing.assert_allclose(data["scoring_seconds"], scoring, rtol=1e-12)
    np.testing.assert_array_equal(data["training_seconds"], training)
    for run in range(4):
        for place, budget in enumerate((1, 10, 60)):
            answer = naive_answer(trace[run, :budget].tolist(), fitness)
            assert data["answer"][run, place] == answer
            for (name, split, epochs, _), values in FULL.items():
                accuracy = data["answer_accuracy"].sel(
                    run=run, budget=budget, outcome=f"{name}/{split}/{epochs}"
                )
                assert float(accuracy) == values[answer]


def naive_answer(trace: list[int], fitness: np.ndarray) -> int:
    best = trace[0]
    for index in trace[1:]:
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
    budgets=st.sets(st.integers(1, 9), min_size=1).map(sorted),
)
@settings(max_examples=200, deadline=None)
def test_answers_equal_a_naive_loop(fitness, arch, budgets):
    found = answers(arch, fitness, budgets)
    expected = [[naive_answer(run[:n].tolist(), fitness) for n in budgets] for run in arch]
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("algorithm", ALGORITHM_NAMES)
def test_runs_do_not_depend_on_how_many_there_are_or_on_later_budgets(inputs, tmp_path, algorithm):
    few = search(inputs, tmp_path / "few.h5", algorithm=algorithm, runs=3, budgets=(10, 30))
    many = search(inputs, tmp_path / "many.h5", algorithm=algorithm, runs=7, budgets=(10, 30, 400))
    for name in ("trace_arch", "trace_fitness", "trace_accuracy", "scoring_seconds"):
        np.testing.assert_array_equal(few[name], many[name][:3, :30])
    np.testing.assert_array_equal(few["answer"], many["answer"][:3, :2])
    np.testing.assert_array_equal(few["answer_accuracy"], many["answer_accuracy"][:3, :2])
    assert len(np.unique(many["trace_arch"].to_numpy(), axis=0)) == 7


def test_streams_differ_by_seed_algorithm_and_signal(inputs, tmp_path):
    traces = [
        search(inputs, tmp_path / "o.h5", **changes)["trace_arch"].to_numpy()[0, :10].tolist()
        for changes in (
            {},
            {"seed": 6},
            {"signal": "accuracy", "scores": None},
            {"algorithm": "random"},
        )
    ]
    assert len({tuple(trace) for trace in traces}) == 4


def test_same_job_same_bytes_and_everything_is_described(inputs, tmp_path):
    data = search(inputs, tmp_path / "a.h5", settings={"population": 5})
    search(inputs, tmp_path / "b.h5", settings={"population": 5})
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
    assert data["trace_arch"].dtype == data["answer"].dtype == np.int32
    assert data["budget"].to_numpy().tolist() == [1, 10, 60]
    assert data.attrs["algorithm"] == "rea"
    assert data.attrs["signal"] == "naswot"
    assert data.attrs["runs"] == 4
    assert data.attrs["seed"] == 5
    assert data.attrs["headline_outcome"] == "cifar10/test/200"
    assert "nothing is trained" in data.attrs["signal_note"]
    assert '"population":5' in data.attrs["config"]
    assert '"sample":3' in data.attrs["config"]
    assert all({"units", "long_name"} <= set(variable.attrs) for variable in data.values())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.h5", "b.h5"]


def test_settings_reach_the_algorithm_and_the_config_hash(inputs, tmp_path):
    plain = search(inputs, tmp_path / "a.h5")
    other = search(inputs, tmp_path / "b.h5", settings={"sample": 1})
    assert not np.array_equal(plain["trace_arch"], other["trace_arch"])
    assert plain.attrs["config_hash"] != other.attrs["config_hash"]
    same = search(inputs, tmp_path / "c.h5", settings={"sample": 3})
    assert plain.attrs["config_hash"] == same.attrs["config_hash"]


def test_a_space_where_everything_failed_still_gives_a_file(inputs, tmp_path):
    scores = write_scores(tmp_path / "s.h5", {"naswot": np.full(SIZE, math.nan)}, column(1))
    for algorithm in ALGORITHM_NAMES:
        data = search(inputs, tmp_path / "o.h5", scores=scores, algorithm=algorithm)
        np.testing.assert_array_equal(data["answer"], data["trace_arch"].to_numpy()[:, [0, 0, 0]])
    assert f"{SIZE} of {SIZE} architectures could not be scored" in data.attrs["signal_note"]


def test_guided_search_beats_random_search_on_its_signal(inputs, tmp_path):
    means = {}
    smooth = np.array([bin(index).count("1") for index in range(SIZE)], dtype=float)
    scores = write_scores(tmp_path / "s.h5", {"naswot": smooth + np.arange(SIZE) / SIZE}, column(1))
    for algorithm in ALGORITHM_NAMES:
        data = search(inputs, tmp_path / "o.h5", scores=scores, algorithm=algorithm, runs=40)
        means[algorithm] = float(data["trace_fitness"][:, -10:].mean())
    assert means["rea"] > means["random"] + 0.5
    assert means["reinforce"] > means["random"]


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"budgets": (10, 730)}, ConfigError, r"N = 730 is larger than the space nasbench201_mini"),
        ({"budgets": ()}, ConfigError, r"search\.budgets: expected ascending"),
        ({"budgets": (0, 5)}, ConfigError, r"search\.budgets: expected ascending.*\[0, 5\]"),
        ({"budgets": (5, 5)}, ConfigError, r"search\.budgets: expected ascending"),
        ({"budgets": (9, 5)}, ConfigError, r"search\.budgets: expected ascending"),
        ({"runs": 0}, ConfigError, r"search\.runs: expected at least 1, found 0"),
        ({"algorithm": "real"}, UnknownNameError, "unknown algorithm 'real'; did you mean 'rea'"),
        ({"space": "nasbench102"}, UnknownNameError, "unknown space 'nasbench102'"),
        ({"settings": {"samples": 4}}, ConfigError, r"search\.rea: unknown setting 'samples'"),
        ({"scores": Path("/nowhere/s.h5")}, DataFileError, r"/nowhere/s\.h5: no such scores file"),
        ({"scores": None}, DataFileError, "needs a scores file"),
    ],
)
def test_bad_jobs_say_what_is_wrong_and_write_nothing(inputs, tmp_path, changes, error, message):
    with pytest.raises(error, match=message):
        run_search(job(inputs, tmp_path / "o.h5", **changes))
    assert not list(tmp_path.iterdir())
