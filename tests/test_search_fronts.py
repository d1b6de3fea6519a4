"""Searching under limits: fronts, hypervolumes, limits and the files of them, against oracles."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from pymoo.indicators.hv import HV
from scipy import stats

from trainfree.analysis.declaration import Inputs
from trainfree.analysis.registry import make_table
from trainfree.benchmarks.generated import generate_hardware
from trainfree.benchmarks.hardware_form import HardwareTable, hardware_dataset
from trainfree.config import Config
from trainfree.errors import ConfigError, DataFileError, UnknownNameError
from trainfree.files.storage import read_dataset, write_dataset
from trainfree.report.figures.searches.pareto import front_line, median_run, plot_pareto
from trainfree.search.fronts.costs import Cost, load_cost
from trainfree.search.fronts.domination import hypervolume, non_dominated
from trainfree.search.fronts.limits import (
    Limit,
    accuracy_of_best,
    answers_of,
    fitness_within,
    limits_of,
)
from trainfree.search.fronts.nsga2 import nsga2
from trainfree.search.fronts.plan import FrontsPlan
from trainfree.search.fronts.run import FrontsJob, judge_of, run_fronts
from trainfree.spaces import load_space
from trainfree.workflow.runs import ConfiguredRun
from trainfree.workflow.studies import fronts_inputs

SPACE = load_space("nasbench201_mini")
DEVICE = "latency-made-up-device"
PLAN = FrontsPlan(
    cost=DEVICE,
    guides=("accuracy", "naswot"),
    runs=3,
    budgets=(15, 40),
    population=8,
    quantiles=(0.25,),
    limits=(6.0,),
    reference_quantile=0.5,
)
# Few values, so that points are equal in one quantity or in both; -inf is a score.
POINTS = st.lists(
    st.tuples(
        st.sampled_from([-math.inf, 0.0, 1.0, 1.5, 2.0, 7.0]),
        st.sampled_from([0.5, 1.0, 2.0, 3.0, 3.5, 9.0]),
    ),
    max_size=30,
)


def naive_front(quality: np.ndarray, burden: np.ndarray) -> list[bool]:
    """Each point against every other."""
    points = list(zip(quality.tolist(), burden.tolist(), strict=True))
    return [
        not any(q >= own and b <= cost and (q > own or b < cost) for q, b in points)
        for own, cost in points
    ]


def naive_area(quality: np.ndarray, burden: np.ndarray, reference: tuple[float, float]) -> float:
    """Sum over the cells of the grid of all coordinates those that some point dominates."""
    rows = sorted({reference[0], *(q for q in quality.tolist() if q > reference[0])})
    columns = sorted({reference[1], *(b for b in burden.tolist() if b < reference[1])})
    return math.fsum(
        (top - bottom) * (right - left)
        for bottom, top in pairwise(rows)
        for left, right in pairwise(columns)
        if any((q >= top) & (b <= left) for q, b in zip(quality, burden, strict=True))
    )


def columns(points: list[tuple[float, float]]) -> tuple[np.ndarray, np.ndarray]:
    both = np.array(points, dtype=float).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def cost_of(values: np.ndarray, larger_is_better: bool = False) -> Cost:
    return Cost("params", "parameters", "1", values, larger_is_better, "made up", "0")


@settings(max_examples=50)
@given(POINTS)
def test_fronts_are_those_of_brute_force(points):
    quality, burden = columns(points)
    assert non_dominated(quality, burden).tolist() == naive_front(quality, burden)


@settings(max_examples=50)
@given(POINTS, st.tuples(st.sampled_from([-1.0, 0.5, 1.5]), st.sampled_from([1.0, 3.0, 10.0])))
def test_hypervolumes_are_those_of_pymoo_and_of_a_grid(points, reference):
    quality, burden = columns([point for point in points if math.isfinite(point[0])])
    found = hypervolume(quality, burden, reference)
    assert found == pytest.approx(naive_area(quality, burden, reference), abs=1e-12)
    pymoo = HV(ref_point=np.array([-reference[0], reference[1]]))
    inside = (quality > reference[0]) & (burden < reference[1])
    known = float(pymoo(np.stack([-quality, burden], axis=1)[inside])) if inside.any() else 0.0
    assert found == pytest.approx(known, abs=1e-12)


def test_fronts_and_hypervolumes_of_many_points_agree_too():
    rng = np.random.default_rng(5)
    quality = rng.normal(size=400).round(1)
    burden = (np.exp(quality) + rng.gamma(2.0, size=400) / 4).round(1)
    front = non_dominated(quality, burden)
    assert front.tolist() == naive_front(quality, burden)
    assert 3 < front.sum() < 100
    area = hypervolume(quality, burden, (-1.0, 4.0))
    assert area == hypervolume(quality[front], burden[front], (-1.0, 4.0))
    assert area == pytest.approx(naive_area(quality, burden, (-1.0, 4.0)))


@settings(max_examples=50)
@given(POINTS, st.booleans(), st.integers(1, 4))
def test_the_best_within_a_limit_is_that_of_brute_force(points, larger, quarters):
    accuracy, values = columns([point for point in points if math.isfinite(point[0])])
    if len(values) == 0:
        return
    known = np.ones(len(values), dtype=bool)
    (limit,) = limits_of(cost_of(values, larger), known, (quarters / 4,), (), "x")
    within = [value >= limit.value if larger else value <= limit.value for value in values]
    assert limit.within.tolist() == within
    # The quantile is the tightest limit that lets so much of the space in.
    assert 4 * sum(within) >= quarters * len(values)
    tighter = values > limit.value if larger else values < limit.value
    assert 4 * tighter.sum() < quarters * len(values)
    fitness = fitness_within(accuracy, cost_of(values, larger), limit)
    best = max(a for a, inside in zip(accuracy, within, strict=True) if inside)
    assert accuracy_of_best(fitness, accuracy) == best
    everything = np.arange(len(values), dtype=np.int32)[np.newaxis]
    assert accuracy[answers_of(everything, fitness, (len(values),))[0, 0]] == best


def test_what_is_within_a_limit_is_better_then_what_exceeds_it_by_less():
    cost = cost_of(np.array([1.0, 2.0, 2.5, 9.0, np.nan, 1.5]))
    limit = Limit("x", 2.0, cost.values <= 2.0)
    score = np.array([-math.inf, 3.0, 50.0, 90.0, 99.0, math.nan])
    fitness = fitness_within(score, cost, limit)
    assert fitness[1] > fitness[0] >= 0 > fitness[2] > fitness[3]
    assert np.isnan(fitness[[4, 5]]).all()
    traces = np.array([[3, 2, 4], [4, 0, 1]], dtype=np.int32)
    assert answers_of(traces, fitness, (1, 3)).tolist() == [[-1, -1], [-1, 1]]


@pytest.mark.parametrize(
    ("larger", "value", "words"),
    [
        (False, 0.5, "has at most 0.5 1; the least is 2"),
        (True, 70.0, "has at least 70 1; the most is 9"),
    ],
)
def test_a_limit_that_nothing_meets_is_named(larger, value, words):
    cost = cost_of(np.array([9.0, 2.0, np.nan]), larger)
    with pytest.raises(ConfigError, match=rf"pareto.limits.params: no arch.* of mini {words}"):
        limits_of(cost, np.array([True, True, False]), (), (value,), "mini")


def test_nsga2_repeats_and_finds_more_of_the_front_than_chance():
    rng = np.random.default_rng(0)
    digits = np.array([SPACE.digits(index) for index in range(len(SPACE))])
    quality = digits.sum(axis=1) + rng.normal(size=len(SPACE)) / 4
    quality[::7], quality[1::50] = np.nan, -math.inf
    burden = np.where(np.arange(len(SPACE)) % 5 == 1, np.nan, np.exp(digits.sum(axis=1) / 3))
    given = {"evaluations": 160, "population": 16}
    runs = [nsga2(SPACE, quality, burden, **given, seed=seed) for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]
    assert [len(run) for run in runs] == [160] * 3
    assert runs[0][:50] == nsga2(SPACE, quality, burden, evaluations=50, population=16, seed=1)
    # Nobody is bred who lives: the first two generations have no architecture twice.
    assert len(set(runs[0][:32])) == 32
    judge = judge_of(np.where(quality > -math.inf, quality, np.nan), cost_of(burden), 0.5)
    more = [nsga2(SPACE, quality, burden, **given, seed=seed) for seed in range(3, 7)]
    found = [judge.measure(quality, np.unique(run))[0] for run in runs + more]
    draws = rng.integers(len(SPACE), size=(30, 160))
    assert np.mean(found) > np.mean([judge.measure(quality, np.unique(d))[0] for d in draws])
    # A failed architecture is looked at and left behind: of the last ones few have failed.
    failed = np.isnan(quality) | np.isnan(burden)
    assert failed[runs[0][-60:]].mean() < failed.mean()


class TwoByTwo:
    """Four architectures: one of two operations on each of two edges."""

    operations, edges = ("a", "b"), 2

    def index_of(self, digits):
        return 2 * digits[0] + digits[1]


def test_nsga2_ends_where_nothing_new_can_be_bred():
    one = np.zeros(4)
    looked_at = nsga2(TwoByTwo(), one, one, evaluations=40, population=4, seed=0)
    assert sorted(looked_at) == [0, 1, 2, 3]


def inputs(folder: Path, missing: slice = slice(0, 0)) -> dict[str, Path]:
    """A benchmark, scores and a hardware file of the small space, made up with ties."""
    rng = np.random.default_rng(3)
    names = [SPACE.to_string(index) for index in range(len(SPACE))]
    coords = {"arch": np.arange(len(SPACE)), "architecture": ("arch", np.array(names, object))}
    accuracy = rng.uniform(20, 95, size=(len(SPACE), 1, 1, 1, 1)).round(0)
    score = accuracy[:, :, 0, 0, 0] + rng.normal(0, 10, (len(SPACE), 1)).round(0)
    score[5], score[6] = np.nan, -math.inf
    seen = {"units": "1", "long_name": "x"}
    benchmark = xr.Dataset(
        {
            "accuracy": (("arch", "dataset", "split", "epochs", "seed"), accuracy, seen),
            "train_seconds": (("arch", "dataset", "epochs"), accuracy[:, :, 0, :, 0], seen),
            "params": (("arch", "dataset"), np.full((len(SPACE), 1), np.nan), seen),
        },
        coords={
            **coords,
            "dataset": np.array(["cifar10"], object),
            "split": np.array(["test"], object),
            "epochs": [200],
            "seed": np.array(["mean"], object),
        },
        attrs={"space": SPACE.name, "config_hash": "b"},
    )
    scores = xr.Dataset(
        {
            "score": (("arch", "proxy"), score, seen),
            "proxy_seconds": (("arch", "proxy"), np.ones_like(score), seen),
            "params": ("arch", np.arange(len(SPACE)) % 9 + 1, seen),
        },
        coords={**coords, "proxy": np.array(["naswot"], object)},
        attrs={"space": SPACE.name, "dataset": "generated", "config_hash": "s"},
    )
    made = generate_hardware(SPACE)
    latency = {name: np.array(column).round(1) for name, column in made.latency.items()}
    for column in latency.values():
        column[missing] = np.nan
    table = HardwareTable("generated", latency, made.energy, made.accuracy)
    attributes = {"space": SPACE.name, "source_note": "made up", "config_hash": "h"}
    paths = {name: folder / f"{name}.h5" for name in ("benchmark", "scores", "hardware")}
    write_dataset(benchmark, paths["benchmark"], "benchmark")
    write_dataset(scores, paths["scores"], "scores")
    write_dataset(hardware_dataset(SPACE, table, attributes), paths["hardware"], "hardware")
    return paths


def job(paths: dict[str, Path], output: Path, plan: FrontsPlan = PLAN, seed: int = 0) -> FrontsJob:
    return FrontsJob(SPACE.name, "generated", plan, **paths, output=output, seed=seed)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[dict[str, Path], Path]:
    folder = tmp_path_factory.mktemp("fronts")
    paths = inputs(folder, missing=slice(100, 200))
    run_fronts(job(paths, folder / "fronts.h5"))
    return paths, folder / "fronts.h5"


def test_a_file_holds_what_brute_force_finds(made):
    paths, output = made
    found = read_dataset(output, "fronts")
    accuracy, cost = found["accuracy"].to_numpy(), found["cost"].to_numpy()
    known = ~np.isnan(cost)
    assert (~known).sum() == found.attrs["cost_unknown"] == 100
    assert "100 of 729 architectures have no such value" in found.attrs["cost_note"]
    true = np.zeros(729, dtype=bool)
    true[known] = naive_front(accuracy[known], cost[known])
    assert found["true_front"].to_numpy().tolist() == true.tolist()
    reference = float(np.median(accuracy[known])), float(cost[known].max())
    assert (found.attrs["reference_accuracy"], found.attrs["reference_cost"]) == reference
    whole = naive_area(accuracy[true], cost[true], reference)
    assert found.attrs["true_hypervolume"] == pytest.approx(whole)
    score = {
        "accuracy": accuracy,
        "naswot": read_dataset(paths["scores"], "scores")["score"].to_numpy()[:, 0],
    }
    shape = found["hypervolume"]
    for guide, search, run, budget in np.ndindex(*shape.shape):
        name, steps = PLAN.guides[guide], PLAN.budgets[budget]
        trace = found["trace_arch"][guide, search, run, :steps].to_numpy()
        looked_at = np.unique(trace)
        rated = looked_at[known[looked_at] & ~np.isnan(score[name][looked_at])]
        front = rated[naive_front(score[name][rated], cost[rated])]
        share = naive_area(accuracy[front], cost[front], reference) / whole
        assert float(shape[guide, search, run, budget]) == pytest.approx(share)
        assert int(found["found"][guide, search, run, budget]) == len(front)
        kept = naive_front(accuracy[front], cost[front])
        assert int(found["kept"][guide, search, run, budget]) == sum(kept)
        if budget == 1:
            on_front = found["on_front"][guide, search, run].to_numpy().astype(bool)
            assert sorted(trace[on_front].tolist()) == front.tolist()
    assert (shape <= 1).all()
    # Random search looks at the same architectures under each guide.
    random = found["trace_arch"].sel(front_search="random")
    assert (random.sel(guide="accuracy") == random.sel(guide="naswot")).all()
    # Guided by the very accuracy that is reported, the whole space gives the true front.
    assert float(found["whole_hypervolume"].sel(guide="accuracy")) == 1.0
    for place, limit in enumerate(found["limit_value"].to_numpy()):
        within = known & (cost <= limit)
        assert int(found["limit_within"][place]) == within.sum()
        assert float(found["limit_best"][place]) == accuracy[within].max()
        assert float(found["whole_accuracy"].sel(guide="accuracy")[place]) == accuracy[within].max()
        answer = found["limit_answer"][:, place].to_numpy()
        assert within[answer[answer >= 0]].all()
        told = found["limit_accuracy"][:, place].to_numpy()
        assert np.array_equal(np.isnan(told), answer < 0)
        assert told[answer >= 0].tolist() == accuracy[answer[answer >= 0]].tolist()


def test_a_random_answer_is_the_best_of_what_was_looked_at(made):
    found = read_dataset(made[1], "fronts")
    accuracy, cost = found["accuracy"].to_numpy(), found["cost"].to_numpy()
    trace = found["trace_arch"].sel(guide="accuracy", front_search="random").to_numpy()
    told = found["limit_accuracy"].sel(guide="accuracy", limit_search="random").to_numpy()
    for place, limit in enumerate(found["limit_value"].to_numpy()):
        for run, budget in np.ndindex(PLAN.runs, len(PLAN.budgets)):
            seen = [a for a in trace[run, : PLAN.budgets[budget]] if cost[a] <= limit]
            best = max((accuracy[a] for a in seen), default=math.nan)
            assert told[place, run, budget] == pytest.approx(best, nan_ok=True)


def test_seeds_repeat_to_the_bit_and_runs_do_not_depend_on_their_number(made, tmp_path):
    paths, output = made
    run_fronts(job(paths, tmp_path / "again.h5"))
    assert (tmp_path / "again.h5").read_bytes() == output.read_bytes()
    run_fronts(job(paths, tmp_path / "fewer.h5", replace(PLAN, runs=1, budgets=(15,))))
    first, fewer = (read_dataset(p, "fronts") for p in (output, tmp_path / "fewer.h5"))
    for name in ("hypervolume", "limit_accuracy"):
        alike = first[name].isel(run=[0], budget=[0]).to_numpy()
        assert np.array_equal(alike, fewer[name].to_numpy(), equal_nan=True)
    one = replace(PLAN, runs=1, budgets=(15,), guides=("naswot",))
    run_fronts(job(paths, tmp_path / "other.h5", one, seed=1))
    other = read_dataset(tmp_path / "other.h5", "fronts")["trace_arch"].sel(guide="naswot")
    same = fewer["trace_arch"].sel(guide="naswot")
    assert (other != same).any(("run", "step")).all()  # of random search and of NSGA-II


def test_costs_are_read_where_they_are(tmp_path):
    paths = inputs(tmp_path)
    given = (SPACE, "generated", paths["benchmark"], paths["scores"])
    params = load_cost("params", *given, None)
    assert params.values[:3].tolist() == [1, 2, 3]
    assert params.source == "counted on the networks that were scored"
    deployed = load_cost("deployed-made-up-quantisation", *given, paths["hardware"])
    assert deployed.larger_is_better
    assert (deployed.burden == -deployed.values).all()
    assert load_cost("energy-made-up-device", *given, paths["hardware"]).unknown == 146
    with pytest.raises(UnknownNameError, match=r"latency-made-up-devise.*latency-made-up-device"):
        load_cost("latency-made-up-devise", *given, paths["hardware"])
    with pytest.raises(ConfigError, match=r"pareto.costs: latency-x needs a file"):
        load_cost("latency-x", *given, None)
    with pytest.raises(ConfigError, match="expected a cost: params, flops, or latency"):
        load_cost("Latency", *given, paths["hardware"])
    with pytest.raises(DataFileError, match="expected dataset = 'cifar100'"):
        load_cost(DEVICE, SPACE, "cifar100", *given[2:], paths["hardware"])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"budgets": (800,)}, "pareto.budgets: N = 800 is larger than the space nasbench201_mini"),
        ({"cost": "speed"}, "pareto.costs: expected a cost"),
        ({"runs": 10**7}, "expected at most 100,000,000 evaluations"),
        ({"limits": (0.01,)}, f"pareto.limits.{DEVICE}: no architecture .* at most 0.01 ms"),
    ],
)
def test_plans_that_do_not_fit_are_refused_by_name(made, tmp_path, changes, words):
    with pytest.raises(ConfigError, match=words):
        run_fronts(job(made[0], tmp_path / "x.h5", replace(PLAN, **changes)))


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({"costs": ["latency"]}, "pareto.costs: expected a cost"),
        ({"guides": ["snip"]}, r"pareto.guides: snip is not in scoring.proxies"),
        ({"guides": ["naswotte"]}, "pareto.guides: .*naswotte"),
        ({"costs": ["params"], "limits": {"parms": [1.0]}}, "'parms' is not among pareto.costs"),
        ({"budgets": [20_000]}, "pareto.budgets: 20000 architectures are more than the space"),
    ],
)
def test_a_section_that_does_not_fit_is_refused_before_the_first_job(section, words):
    with pytest.raises(ConfigError, match=words):
        Config.model_validate({"pareto": section})
    if "guides" not in section:
        return
    scored = {"scoring": {"sample": 100}, "search": {"searches": {}}}
    with pytest.raises(ConfigError, match="pareto: searches under costs need the scores of all"):
        Config.model_validate({"pareto": {"runs": 3}, **scored})


def test_a_space_that_nobody_measured_has_no_latency():
    run = ConfiguredRun(Config(space="nats_sss"))
    with pytest.raises(ConfigError, match=r"pareto.costs: latency-x: no benchmark of nats_sss"):
        fronts_inputs(run, "latency-x")
    assert set(fronts_inputs(run, "params")) == {"benchmark", "scores"}


def test_the_plan_goes_through_a_command_line():
    assert FrontsPlan.from_json(PLAN.json) == PLAN
    assert json.loads(Config().pareto.plan("params").json)["budgets"] == [100, 1000]


def test_the_tables_say_what_the_files_hold(made, tmp_path):
    found = read_dataset(made[1], "fronts")
    inputs = Inputs(fronts=(made[1],))
    rows = make_table("pareto", inputs, tmp_path).set_index(["guide", "search", "budget"])
    assert len(rows) == 2 * (2 * 2 + 1)
    share = found["hypervolume"].sel(guide="naswot", front_search="nsga2", budget=40).to_numpy()
    row = rows.loc["naswot", "NSGA-II", 40]
    assert row["hypervolume"] == pytest.approx(share.mean())
    half = stats.t.ppf(0.975, 2) * share.std(ddof=1) / math.sqrt(3)
    assert row["hypervolume_low"] == pytest.approx(share.mean() - half)
    assert row["true_front"] == found["true_front"].sum()
    assert rows.loc["trained accuracy", "whole space", 729]["hypervolume"] == 1.0
    text = (tmp_path / "pareto.md").read_text()
    assert "latency, made-up device not known of 100 architectures" in text
    limited = make_table("limits", inputs, tmp_path)
    assert len(limited) == 2 * len(rows)
    own = limited[(limited["limit"] == "6 ms") & (limited["guide"] == "naswot")]
    own = own.set_index(["search", "budget"])
    accuracy = found["limit_accuracy"].sel(guide="naswot", limit="6 ms", limit_search="rea")
    answers = accuracy.sel(budget=15).to_numpy()
    row = own.loc["REA", 15]
    assert row["accuracy"] == pytest.approx(np.nanmean(answers))
    assert row["unanswered"] == np.isnan(answers).sum()
    assert row["regret"] == pytest.approx(row["optimum"] - row["accuracy"])
    with pytest.raises(DataFileError, match="expected files of kind fronts"):
        make_table("limits", Inputs(), tmp_path)


@settings(max_examples=50)
@given(POINTS, st.booleans())
def test_a_drawn_front_is_the_front_without_repetitions(points, larger):
    quality, values = columns([point for point in points if math.isfinite(point[0])])
    cost, accuracy = front_line(quality, values, larger)
    front = non_dominated(quality, -values if larger else values)
    expected = sorted(set(zip(values[front], quality[front], strict=True)), reverse=larger)
    assert list(zip(cost, accuracy, strict=True)) == expected


def test_the_figure_is_drawn_of_the_median_run(made, tmp_path):
    found = read_dataset(made[1], "fronts")
    share = found["hypervolume"].sel(guide="naswot", front_search="nsga2", budget=40).to_numpy()
    assert share[median_run(found, "naswot")] == np.median(share)
    plot_pareto([made[1], made[1]], tmp_path / "pareto")
    drawn = (tmp_path / "pareto.svg").read_text()
    assert "black line is the true front" in drawn
    origin = json.loads((tmp_path / "pareto.json").read_text())["made_from"]
    assert {file["search"] for file in origin} == {f"under {DEVICE}"}
