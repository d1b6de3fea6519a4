"""Searches that a combination of proxies guides: everything ranked anew, the slow way."""

from __future__ import annotations

import math
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from search_fixtures import SPACE, rng
from test_combinations import naive_leader, naive_merits
from test_search_lookups import FULL, SIZE, column, write_benchmark, write_scores
from test_search_run import entry, job

from trainfree.analysis.settings import AnalysisSettings
from trainfree.combinations import COMBINATION_NAMES, load_combination
from trainfree.combinations.history import History, ordering_of
from trainfree.combinations.table import combine
from trainfree.config import parse_config
from trainfree.errors import ConfigError, UnknownNameError
from trainfree.files.storage import read_dataset
from trainfree.outside.extensions import load_files
from trainfree.report.figures.best_so_far import best_so_far
from trainfree.search.algorithms.rea import ReaSettings, RegularizedEvolution
from trainfree.search.budget import Evaluations, record
from trainfree.search.plan import make_plan, search_code_hash
from trainfree.search.protocol import BLOCK, fitness_rank
from trainfree.search.run import run_search
from trainfree.search.trial import try_search

SECONDS = np.linspace(0.1, 0.9, SIZE)
PARTS = list(dict.fromkeys(p for name in COMBINATION_NAMES for p in load_combination(name).proxies))


def part_scores(seed: int = 0) -> dict[str, np.ndarray]:
    """Scores of all parts with ties, some −∞ and some that failed."""
    draws, made = rng(seed), {}
    for name in PARTS:
        made[name] = draws.normal(size=SIZE).round(1)
        made[name][draws.random(SIZE) < 0.03] = -math.inf
        made[name][draws.random(SIZE) < 0.03] = math.nan
    return made


def columns_of(name: str, scores: dict[str, np.ndarray]) -> np.ndarray:
    return np.column_stack([scores[part] for part in load_combination(name).proxies])


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("combined")
    write_benchmark(folder / "b.h5", FULL, {("cifar10-valid", 12): np.arange(SIZE) + 1.0})
    write_scores(folder / "s.h5", {**part_scores(), "naswot": column(21)}, SECONDS)
    return folder


def searched(inputs: Path, output: Path, algorithm: str = "rea", **changes):
    run_search(job(inputs, output, entry(algorithm, **changes)))
    return read_dataset(output, "search")


# ---------------------------------------------------------------- the way a search takes


@given(
    name=st.sampled_from(COMBINATION_NAMES),
    population=st.integers(1, 9),
    sample=st.integers(1, 6),
    replacement=st.booleans(),
    seed=st.integers(0, 99),
)
@settings(max_examples=15, deadline=None)
def test_evolution_equals_a_naive_one_that_ranks_all_its_history_at_each_step(
    name, population, sample, replacement, seed
):
    scores, steps = columns_of(name, part_scores(seed)), 40
    chosen = ReaSettings(
        population, sample if replacement else min(sample, population), replacement
    )
    history = History(ordering_of(load_combination(name), scores), steps)
    evolution = RegularizedEvolution(SPACE, rng(seed), chosen)
    nothing = [0.0] * SIZE
    found = record(evolution, nothing, nothing, None, Evaluations((steps,)), history)
    assert found.arch == naive_evolution(load_combination(name), scores, chosen, rng(seed), steps)


def naive_evolution(combination, scores, chosen, draws, steps):
    """Regularized evolution that ranks its whole history before each tournament."""
    seen, places = [SPACE.sample(draws) for _ in range(chosen.population)], []
    while len(seen) < steps:
        if not places and chosen.replacement:
            size = (BLOCK, chosen.sample)
            places = draws.integers(chosen.population, size=size).tolist()
        elif not places:
            everyone = np.tile(np.arange(chosen.population), (BLOCK, 1))
            places = draws.permuted(everyone, axis=1)[:, : chosen.sample].tolist()
        merits = naive_merits(combination, scores[seen])
        first = len(seen) - chosen.population
        best, *others = (first + place for place in places.pop(0))
        for rival in others:
            if fitness_rank(merits[rival]) > fitness_rank(merits[best]):
                best = rival
        seen.append(SPACE.mutate(seen[best], draws, chosen.mutation))
    return seen


def test_the_population_counts_and_not_the_whole_space(inputs, tmp_path):
    """Ranks in the whole space would choose another architecture in some of the runs."""
    scores = columns_of("az_nas", part_scores())
    whole = combine(load_combination("az_nas"), scores)
    data = searched(inputs, tmp_path / "o.h5", "random", signal="az_nas", runs=40)
    trace = data["trace_arch"].to_numpy()
    by_space = [run[np.nanargmax(whole[run])] for run in trace[:, :10]]
    assert data["answer"][:, 1].to_numpy().tolist() != by_space


# ---------------------------------------------------------------- the file


@pytest.mark.parametrize(
    ("algorithm", "name"),
    [("random", "az_nas"), ("rea", "vkdnw_agg"), ("area", "tenas"), ("rea", "vote")],
)
def test_the_file_says_what_ranking_from_scratch_says(inputs, tmp_path, algorithm, name):
    scores, combination = columns_of(name, part_scores()), load_combination(name)
    assisted = {"proxy": "naswot"} if algorithm == "area" else {}
    data = searched(inputs, tmp_path / "o.h5", algorithm, signal=name, **assisted)
    headline = FULL["cifar10", "test", 200, "mean"]
    trace, leader = data["trace_arch"].to_numpy(), data["trace_leader"].to_numpy()
    seconds = sum(SECONDS * (1 + PARTS.index(part)) for part in combination.proxies)
    spent = np.diff(data["scoring_seconds"].to_numpy(), axis=1)
    np.testing.assert_allclose(spent, seconds[trace[:, 1:]], rtol=1e-9)
    assert not data["training_seconds"].to_numpy().any()
    for run in range(4):
        for place, budget in enumerate((1, 10, 60)):
            seen = trace[run, :budget]
            best = naive_leader(naive_merits(combination, scores[seen]))
            assert leader[run, budget - 1] == best
            assert data["answer"][run, place] == seen[best]
            accuracy = data["answer_accuracy"].sel(outcome="cifar10/test/200")
            assert accuracy[run, place] == headline[seen[best]]
            np.testing.assert_allclose(
                data["trace_fitness"][run, budget - 1],
                combine(combination, scores[seen])[-1],
                rtol=1e-12,
                atol=1e-12,
            )
    curve, _ = best_so_far(data, AnalysisSettings(seed=0))
    assert curve.mean[-1] == pytest.approx(headline[data["answer"][:, 2].to_numpy()].mean())
    note = data.attrs["signal_note"]
    assert f"Guided by {name} ({combination.summary} of " in note
    assert f"{np.isnan(scores).any(axis=1).sum()} of 729 architectures could not be scored" in note
    assert f"Those of {name} are the sum of what its parts cost alone." in data.attrs["clock_note"]


def test_a_run_repeats_and_its_beginning_does_not_depend_on_its_length(inputs, tmp_path):
    long = searched(inputs, tmp_path / "a.h5", signal="vkdnw_agg")
    again = searched(inputs, tmp_path / "b.h5", signal="vkdnw_agg")
    short = searched(inputs, tmp_path / "c.h5", signal="vkdnw_agg", budgets=[1, 10])
    assert long.equals(again)
    for name in ("trace_arch", "trace_leader", "trace_fitness"):
        np.testing.assert_array_equal(short[name], long[name].isel(step=slice(10)))


def test_runs_of_several_draws_rank_their_own(inputs, tmp_path):
    write_scores(tmp_path / "s.h5", part_scores(1), SECONDS)
    paths = (inputs / "s.h5", tmp_path / "s.h5")
    chosen = entry("rea", signal="az_nas")
    run_search(job(inputs, tmp_path / "o.h5", chosen, scores=paths))
    data = read_dataset(tmp_path / "o.h5", "search")
    for run in range(4):
        scores = columns_of("az_nas", part_scores(run % 2))
        seen = data["trace_arch"].to_numpy()[run]
        best = naive_leader(naive_merits(load_combination("az_nas"), scores[seen]))
        assert data["trace_leader"][run, 59] == best
        assert data["answer"][run, 2] == seen[best]


def test_a_search_of_which_no_score_is_known_answers_its_first(inputs, tmp_path):
    scores = {**part_scores(), "ntk_condition": np.full(SIZE, math.nan)}
    write_scores(tmp_path / "s.h5", scores, SECONDS)
    chosen = entry("rea", signal="tenas")
    run_search(job(inputs, tmp_path / "o.h5", chosen, scores=(tmp_path / "s.h5",)))
    data = read_dataset(tmp_path / "o.h5", "search")
    assert not data["trace_leader"].any()
    assert data["trace_fitness"].isnull().all()


def test_a_scores_file_without_a_part_is_named(inputs, tmp_path):
    scores = part_scores()
    del scores["snip"]
    write_scores(tmp_path / "s.h5", scores, SECONDS)
    chosen = entry("rea", signal="vote")
    with pytest.raises(UnknownNameError, match="'snip'"):
        run_search(job(inputs, tmp_path / "o.h5", chosen, scores=(tmp_path / "s.h5",)))


# ---------------------------------------------------------------- what is asked for, and refused


def planned(**chosen: object):
    return make_plan("mine", chosen, runs=2, budgets=[5])


def test_a_plan_asks_for_the_scores_of_all_parts_and_for_the_code_of_its_own_combination():
    tenas, vote = (planned(algorithm="rea", signal=name) for name in ("tenas", "vote"))
    assert tenas.proxies == ["ntk_condition", "linear_regions"]
    assert search_code_hash(tenas, "nasbench201") != search_code_hash(vote, "nasbench201")
    both = planned(algorithm="area", signal="vote", proxy="snip")
    assert both.proxies == ["synflow", "jacob_cov", "snip"]


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        (
            {"algorithm": "reinforce", "signal": "az_nas"},
            r"search.searches.mine.signal: az_nas ranks .* what reinforce was told .*"
            r"choose one of area, move, random, rea, warmup, or .* \(az_expressivity, .*flops\)",
        ),
        ({"algorithm": "bohb", "signal": "vote"}, "what bohb was told changes later"),
        (
            {"algorithm": "area", "proxy": "az_nas"},
            r"mine.proxy: .*found the combination az_nas, .*its parts \(az_exp.*signal: az_nas",
        ),
        (
            {"algorithm": "rea", "signal": "az_nas", "budget_seconds": 100.0},
            "mine.budget_seconds: counts the training .* az_nas trains nothing",
        ),
    ],
)
def test_what_a_combination_cannot_do_is_refused(chosen, words):
    with pytest.raises(ConfigError, match=words):
        planned(**chosen)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (
            {"search": {"searches": {"a": {"algorithm": "rea", "signal": "vote"}}}},
            r"searches.a.signal: vote combines synflow, jacob_cov, snip, of which scoring.proxies "
            r"lacks jacob_cov, snip \(it has naswot, .*\); add there what is missing",
        ),
        (
            {"search": {"searches": {"a": {"algorithm": "rea", "signal": "aznas"}}}},
            "searches.a.signal: unknown signal 'aznas'; did you mean 'az_nas'",
        ),
        (
            {
                "scoring": {"proxies": ["naswot", "synflow", "snip", "jacob_cov"], "sample": 9},
                "search": {
                    "searches": {
                        **{
                            f"{a}-{s}": None
                            for a in ("random", "rea", "reinforce")
                            for s in ("naswot", "synflow")
                        },
                        "a": {"algorithm": "rea", "signal": "vote"},
                    }
                },
            },
            "searches.a.signal: the search needs the scores of all architectures",
        ),
    ],
)
def test_a_configuration_says_what_is_missing(values, words):
    with pytest.raises(ConfigError, match=words):
        parse_config(values, "my.yaml")


def test_no_proxy_takes_the_name_of_a_combination(tmp_path):
    (tmp_path / "mine.py").write_text(
        "from trainfree.proxies.registry import proxy\n\n\n"
        '@proxy("tenas", cite="me")\ndef tenas(candidate):\n    return 1.0\n'
    )
    values = {"proxies": {"extra": [str(tmp_path / "mine.py")]}}
    with pytest.raises(ConfigError, match="tenas is the name of a combination"):
        parse_config(values, "my.yaml")


# ---------------------------------------------------------------- algorithms of others

CLIMBER = '''
from dataclasses import dataclass
from trainfree.search.protocol import fitness_rank

@dataclass(frozen=True)
class Settings:
    pass

class Climber:
    """Mutate the best of all, as it stands now."""

    settings_type, presets, assisted, rung = Settings, {}, False, 0

    def __init__(self, space, rng, settings):
        self._space, self._rng, self._seen, self._now = space, rng, [], []

    def ask(self):
        if not self._seen:
            return self._space.sample(self._rng)
        best = max(range(len(self._seen)), key=lambda place: fitness_rank(self._now[place]))
        return self._space.mutate(self._seen[best], self._rng, "edge")

    def tell(self, index, fitness):
        self._seen.append(index)
        self._told = fitness
'''
RETELL = """
    def retell(self, fitness):
        assert len(fitness) == len(self._seen)
        assert fitness[-1] == self._told or fitness[-1] != fitness[-1]
        self._now = fitness.tolist()
        fitness[:] = 0.0
"""


def climber(path: Path, more: str) -> Path:
    path.write_text(dedent(CLIMBER + more + "\n\nALGORITHM = Climber\n"))
    load_files([path])
    return path


def test_an_algorithm_of_others_is_told_anew_what_it_may_keep(inputs, tmp_path):
    path = climber(tmp_path / "retold_climber.py", RETELL)
    chosen = entry(path.stem, signal="az_nas")
    run_search(job(inputs, tmp_path / "o.h5", chosen, extra=(path,)))
    data = read_dataset(tmp_path / "o.h5", "search")
    trace, leader = data["trace_arch"].to_numpy(), data["trace_leader"].to_numpy()
    for run in range(4):
        for step in range(1, 60):
            best = trace[run, leader[run, step - 1]]
            assert trace[run, step] == best or trace[run, step] in SPACE.neighbours(int(best))


def test_an_algorithm_of_others_that_cannot_hear_is_refused_and_a_failure_is_placed(
    inputs, tmp_path
):
    deaf = climber(tmp_path / "deaf_climber.py", "")
    with pytest.raises(ConfigError, match="it has no method retell"):
        planned(algorithm=deaf.stem, signal="tenas")
    broken = climber(
        tmp_path / "broken_climber.py", "    def retell(self, fitness):\n        1 / 0\n"
    )
    chosen = entry(broken.stem, signal="tenas")
    with pytest.raises(ConfigError, match=r"run 0, step 1, retell.*ZeroDivisionError"):
        run_search(job(inputs, tmp_path / "o.h5", chosen, extra=(broken,)))


def test_an_algorithm_can_be_tried_with_a_combination():
    found = try_search("rea", steps=60, combination="tenas")
    assert found.asked == try_search("rea", steps=60, combination="tenas").asked
    assert found.asked != try_search("rea", steps=60).asked
    assert found.asked[:10] == try_search("rea", steps=10).asked
    blind = [max(try_search("random", steps=60, seed=s).fitness) for s in range(5)]
    guided = [
        max(try_search("rea", steps=60, seed=seed, combination="tenas").fitness)
        for seed in range(5)
    ]
    assert sum(guided) > sum(blind)
    with pytest.raises(ConfigError, match="reinforce has no method retell"):
        try_search("reinforce", combination="tenas")
