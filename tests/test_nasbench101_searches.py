"""Searches in NAS-Bench-101: what they see and pay, and what assists them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import xarray as xr
from test_search_lookups import FULL, SIZE, column, write_benchmark
from test_search_lookups import SPACE as MINI
from test_search_lookups import scores_dataset as whole_scores

from trainfree.benchmarks.nasbench101.training_time import (
    FEWEST_TIMES,
    estimate_times,
    workloads,
)
from trainfree.config import parse_config
from trainfree.errors import ConfigError, DataFileError
from trainfree.files.storage import read_dataset, write_dataset
from trainfree.randomness import stream
from trainfree.scoring.settings import setting as settings_module
from trainfree.scoring.settings.setting import Setting, scored_architectures
from trainfree.search import load_algorithm
from trainfree.search.lookups import load_lookups
from trainfree.search.plan import SearchPlan
from trainfree.search.protocol import PaidScores
from trainfree.search.run import SearchJob, run_search
from trainfree.search.training_cost import (
    accuracy_note,
    training_cost_of,
    training_note,
    training_seconds,
)
from trainfree.spaces import build_network
from trainfree.spaces.nasbench101.space import GraphCellSpace
from trainfree.spaces.network import Conv
from trainfree.trainings import Outcome

TRAINED = GraphCellSpace.trained()
# The cells of up to 6 vertices are enough here, and a fifth of the graphs.
TRAINED.__dict__["cells"] = tuple(part[:64_542] for part in TRAINED.cells)


@pytest.fixture(scope="module")
def work():
    return workloads(TRAINED)


@pytest.mark.parametrize("index", [0, 7, 300, 2531, 30_000, 64_541])
def test_work_is_that_of_the_networks_convolutions(work, index):
    """Multiply-adds of the network as data, all convolutions but the stem's."""
    network = build_network(TRAINED, index, 32, 10)
    done = 0.0
    for number, node in list(enumerate(network.nodes))[2:]:
        if isinstance(node, Conv):
            area = network.shapes[number][1] ** 2
            done += area * node.kernel**2 * node.in_channels * node.out_channels
    _, convolve3x3, convolve1x1, *_, project, _, _, _, _, _ = work[index]
    unit = 32**2 * TRAINED.stem_channels**2
    assert unit * (9 * convolve3x3 + convolve1x1 + project) == pytest.approx(done)


def test_times_of_all_cells_follow_from_those_of_a_sample(work):
    rng = np.random.default_rng(0)
    weights = rng.uniform(1.0, 3.0, work.shape[1])
    truth = work @ weights
    measured = np.full(len(TRAINED), np.nan)
    sample = rng.choice(len(TRAINED), 2000, replace=False)
    measured[sample] = truth[sample] * rng.normal(1.0, 0.02, len(sample))
    estimated = estimate_times(TRAINED, measured)
    assert estimated.n == 2000
    assert np.median(np.abs(estimated.seconds / truth - 1)) < 0.01
    assert 0.9 < estimated.r_squared < 1.0
    assert estimated.median_error == pytest.approx(0.0135, rel=0.3)  # of a normal one of 0.02
    assert (estimated.seconds >= np.nanmin(measured)).all()


def test_a_few_times_are_not_enough_for_an_estimate():
    measured = np.full(len(TRAINED), np.nan)
    measured[: FEWEST_TIMES - 1] = 1.0
    assert estimate_times(TRAINED, measured) is None


def trained_dataset(estimates: bool) -> xr.Dataset:
    """Three cells, of which the second was not timed."""
    seconds = np.array([[[np.nan, 1080.0]], [[np.nan, np.nan]], [[np.nan, 2160.0]]])
    data = xr.Dataset(
        {"train_seconds": (("arch", "dataset", "epochs"), seconds)},
        coords={"arch": [0, 1, 2], "dataset": ["cifar10"], "epochs": [12, 108]},
    )
    if estimates:
        described = {"r_squared": 0.964, "median_error": 0.061, "fitted_cells": 2}
        data["estimated_train_seconds"] = ("arch", [1.0, 540.0, 3.0], described)
    return data


def test_the_published_training_cost_of_the_space_is_used(tmp_path):
    columns = [Outcome("cifar10", "valid", 12), Outcome("cifar10", "test", 108)]
    cost = training_cost_of("nasbench101", columns, "cifar10", tmp_path)
    assert cost.outcome == Outcome("cifar10", "test", 108)
    seconds = training_seconds(trained_dataset(estimates=True), cost, tmp_path)
    np.testing.assert_allclose(seconds, [120.0, 60.0, 240.0])  # 12/108; the second is estimated
    unknown = training_seconds(trained_dataset(estimates=False), cost, tmp_path)
    np.testing.assert_allclose(unknown, [120.0, np.nan, 240.0])
    assert "as NASWOT's code does" in accuracy_note(cost)
    assert "optimistic" in accuracy_note(cost)
    note = training_note(trained_dataset(estimates=True), cost, seconds)
    assert "12/108 of the 108-epoch training" in note
    assert "timed 2 of 3 trainings" in note
    assert "96 % of the variance" in note
    assert "median error of 6 %" in note
    assert "estimated" not in training_note(trained_dataset(estimates=False), cost, seconds)
    other = training_cost_of("nasbench201", columns, "cifar10", tmp_path)
    assert (other.outcome, other.share) == (Outcome("cifar10", "valid", 12), 1.0)
    with pytest.raises(DataFileError, match="no accuracy for the data set 'cifar100': expected"):
        training_cost_of("nasbench101", columns, "cifar100", tmp_path)


SAMPLE = np.sort(np.random.default_rng(5).choice(SIZE, 60, replace=False))


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """A benchmark of the whole space, and scores of a sample of it."""
    folder = tmp_path_factory.mktemp("sampled")
    seconds = {("cifar10-valid", 12): np.full(SIZE, 100.0)}
    write_benchmark(folder / "b.h5", FULL, seconds)
    whole = whole_scores({"naswot": column(11)}, np.full(SIZE, 0.5))
    write_dataset(whole.isel(arch=SAMPLE), folder / "s.h5", "scores")
    return folder


def plan(algorithm, **settings):
    return SearchPlan(
        name="tried",
        algorithm=algorithm,
        preset="",
        signal="accuracy",
        proxy="naswot",
        counts=(20,),
        seconds=None,
        overshoot="",
        runs=30,
        settings=settings,
    )


def test_assistance_draws_from_the_scored_sample(inputs, tmp_path):
    job = SearchJob(
        space=MINI.name,
        dataset="cifar10",
        plan=plan("area", population=4, sample=2, mutation="edge", scored=10),
        scores=(inputs / "s.h5",),
        benchmark=inputs / "b.h5",
        output=tmp_path / "out.h5",
        seed=0,
    )
    run_search(job)
    found = read_dataset(job.output, "search")
    first = found["trace_arch"].to_numpy()[:, :4]
    assert set(first.ravel().tolist()) <= set(SAMPLE.tolist())
    assert len(set(first.ravel().tolist())) > 10
    later = found["trace_arch"].to_numpy()[:, 4:]
    assert not set(later.ravel().tolist()) <= set(SAMPLE.tolist())
    assert "60 of 729 architectures have, drawn uniformly" in found.attrs["signal_note"]
    assert found["scoring_seconds"].to_numpy()[:, -1] == pytest.approx(10 * 0.5)


def test_the_best_of_the_drawn_ones_begin(inputs):
    lookups = load_lookups(
        MINI, "cifar10", "accuracy", inputs / "s.h5", inputs / "b.h5", proxy="naswot"
    )
    scores = PaidScores(
        lookups.assistance.tolist(), lookups.assistance_seconds.tolist(), lookups.assisted.tolist()
    )
    area = load_algorithm("area")
    settings = area.settings_type(population=5, sample=2, mutation="edge", scored=200)
    search = area(MINI, stream(0, "test"), settings, scores)
    begun = []
    for _ in range(5):
        begun.append(search.ask())
        search.tell(begun[-1], 0.0)
    best = SAMPLE[np.argsort(-column(11)[SAMPLE])][0]
    assert begun[0] == best  # 200 draws of 60 miss the best one time in 29


def test_what_scores_other_architectures_is_told_so(inputs, tmp_path):
    settings = {"population": 4, "sample": 2, "replacement": False}
    job = SearchJob(
        space=MINI.name,
        dataset="cifar10",
        plan=plan("move", **settings, proposals=5, greed=0.5),
        scores=(inputs / "s.h5",),
        benchmark=inputs / "b.h5",
        output=tmp_path / "out.h5",
        seed=0,
    )
    with pytest.raises(ConfigError, match="only a sample of 60 has"):
        run_search(job)
    assert not job.output.exists()
    with pytest.raises(DataFileError, match="expected all 729 architectures"):
        load_lookups(MINI, "cifar10", "naswot", inputs / "s.h5", inputs / "b.h5")


def test_a_sample_of_another_numbering_is_refused(inputs, tmp_path):
    scored = read_dataset(inputs / "s.h5", "scores")
    scored["architecture"] = ("arch", scored["architecture"].to_numpy()[::-1])
    write_dataset(scored, tmp_path / "s.h5", "scores")
    with pytest.raises(DataFileError, match="expected architecture"):
        load_lookups(
            MINI, "cifar10", "accuracy", tmp_path / "s.h5", inputs / "b.h5", proxy="naswot"
        )


FIRST = Setting(
    space="nasbench101",
    dataset="cifar10",
    proxies=("naswot",),
    batch_size=8,
    initialization="kaiming",
    input="images",
    seed=0,
    sample=20,
    sample_of=50,
)


def test_the_first_cells_of_the_published_table_are_those_of_least_hash(monkeypatch):
    space = GraphCellSpace.published()
    few = GraphCellSpace.published()
    few.__dict__["cells"] = tuple(part[60_000:60_300] for part in space.cells)
    by_hash = sorted(range(300), key=lambda row: space.specification(60_000 + row).hash_spec())
    assert few.first_published(50).tolist() == by_hash[:50]
    monkeypatch.setattr(settings_module, "load_space", lambda name: few)
    drawn = scored_architectures(FIRST, len(few))
    assert set(drawn.tolist()) < set(by_hash[:50])
    assert len(drawn) == FIRST.size(len(few)) == 20
    assert drawn.tolist() == sorted(drawn.tolist())
    assert FIRST.name.endswith("-n20of50")


def test_impossible_samples_are_refused():
    with pytest.raises(ConfigError, match=r"a sample of 20 .* to draw from \(10\)"):
        scored_architectures(Setting.from_json(FIRST.json.replace("50", "10")), 1000)
    other = Setting.from_json(FIRST.json.replace("nasbench101", "nasbench201"))
    with pytest.raises(ConfigError, match="nasbench201 has no such order"):
        scored_architectures(other, 15_625)


def test_the_searches_of_the_paper_are_configured():
    plans = parse_config({}).nasbench101.plans()
    assert list(plans) == ["rea", "area-naswot"]
    for planned in plans.values():
        assert (planned.seconds, planned.overshoot, planned.runs) == (12000.0, "allow", 50)
        assert planned.settings["mutation"] == "published"
    assert math.isclose(plans["area-naswot"].settings["scored"], 20)
    entry = {"algorithm": "area", "proxy": "zen"}
    with pytest.raises(ConfigError, match=r"nasbench101\.searches\.x\.proxy: zen is not in"):
        parse_config({"nasbench101": {"searches": {"x": entry}}})
