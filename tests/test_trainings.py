"""Which accuracies a benchmark has, which one is seen and which one is reported: naive oracles."""

from __future__ import annotations

import math
import statistics
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from analysis_fixtures import write_benchmark
from hypothesis import given
from hypothesis import strategies as st

from trainfree.analysis.inputs import targets
from trainfree.errors import DataFileError
from trainfree.files.storage import read_dataset
from trainfree.search.training_cost import training_cost_of
from trainfree.trainings import (
    Outcome,
    accuracies,
    budget_kind,
    column_of,
    guide,
    headline,
    known_outcomes,
    longest_validation,
    over_seeds,
    trainings_on,
)

DATASETS = ("cifar10-valid", "cifar10", "cifar100", "mine")
SPLITS = ("valid", "test")
EPOCHS = (-1, 12, 200)
SEEDS = ("mean", "777", "888", "999")
OUTCOMES = [Outcome(*parts) for parts in product(DATASETS, SPLITS, EPOCHS)]


def random_benchmark(seed: int, missing: float) -> xr.Dataset:
    rng = np.random.default_rng(seed)
    shape = (7, len(DATASETS), len(SPLITS), len(EPOCHS), len(SEEDS))
    values = rng.uniform(0, 100, shape)
    values[rng.random(shape) < missing] = np.nan
    values[:, rng.random(shape[1:-1]) < 0.4, :] = np.nan
    return xr.Dataset(
        {"accuracy": (("arch", "dataset", "split", "epochs", "seed"), values)},
        coords={
            "dataset": list(DATASETS),
            "split": list(SPLITS),
            "epochs": list(EPOCHS),
            "seed": list(SEEDS),
        },
    )


def naive(benchmark: xr.Dataset, outcome: Outcome) -> list[float]:
    """The mean as the source gives it, else that of the seeds there are, number by number."""
    chosen = benchmark["accuracy"].sel(outcome._asdict())
    found = []
    for arch in range(chosen.sizes["arch"]):
        given, *single = (float(chosen.isel(arch=arch).sel(seed=seed)) for seed in SEEDS)
        known = [value for value in single if not math.isnan(value)]
        found.append(
            given if not math.isnan(given) else sum(known) / len(known) if known else given
        )
    return found


@pytest.mark.parametrize("seed", range(6))
def test_accuracies_are_those_of_a_naive_mean(seed):
    benchmark = random_benchmark(seed, missing=(0.1, 0.5, 0.9)[seed % 3])
    expected = {outcome: naive(benchmark, outcome) for outcome in OUTCOMES}
    there = [key for key, column in expected.items() if not all(map(math.isnan, column))]
    assert list(accuracies(benchmark)) == known_outcomes(benchmark) == there
    for outcome, column in accuracies(benchmark).items():
        np.testing.assert_array_equal(column, expected[outcome])
        np.testing.assert_array_equal(column_of(benchmark, outcome), expected[outcome])
    for outcome in set(OUTCOMES) - set(there):
        assert column_of(benchmark, outcome) is None
    shuffled = benchmark.transpose("seed", "epochs", "arch", "split", "dataset")
    for outcome, column in accuracies(shuffled).items():
        np.testing.assert_array_equal(column, expected[outcome])


@pytest.mark.parametrize(
    "outcome", [("svhn", "test", 12), ("cifar10", "train", 12), ("cifar10", "test", 13)]
)
def test_what_no_coordinate_names_is_not_there(outcome):
    assert column_of(random_benchmark(0, 0), Outcome(*outcome)) is None


def test_one_seed_alone_needs_no_mean():
    values = xr.DataArray([[1.0], [np.nan]], dims=("arch", "seed"), coords={"seed": ["777"]})
    np.testing.assert_array_equal(over_seeds(values), [1, np.nan])
    assert over_seeds(values).dims == ("arch",)


@given(st.lists(st.floats(0, 100), min_size=1, max_size=5))
def test_the_mean_of_seeds_is_the_mean(values):
    array = xr.DataArray(
        values, dims=("seed",), coords={"seed": [str(n) for n in range(len(values))]}
    )
    assert float(over_seeds(array)) == pytest.approx(statistics.fmean(values))


some = st.lists(st.sampled_from(OUTCOMES), unique=True)


@given(some, st.sampled_from(("cifar10", "generated", "cifar100", "Mine", "svhn")))
def test_choices_by_going_through_all(outcomes, dataset):
    names = [name.lower() for name in trainings_on(dataset)]
    own = [each for each in outcomes if each.dataset.lower() in names]
    place = {each: names.index(each.dataset.lower()) for each in own}

    tested = [each for each in own if each.split == "test"] or own
    longest = [each for each in tested if each.epochs == max(e.epochs for e in tested)]
    reported = max(longest, key=place.__getitem__, default=None)
    assert headline(outcomes, dataset) == reported

    validated = [each for each in own if each.split == "valid"]
    last = [each for each in validated if each.epochs == max(e.epochs for e in validated)]
    assert longest_validation(outcomes, dataset) == min(last, key=place.__getitem__, default=None)

    usable = validated or own
    for epochs in (12, 200, -1):
        at = [each for each in usable if each.epochs == epochs]
        if at:
            first = min if validated else max
            assert guide(outcomes, dataset) == first(at, key=place.__getitem__)
            break
    else:
        assert guide(outcomes, dataset) is None


@given(some)
def test_tables_report_what_searches_report_and_show_what_they_see(tmp_path_factory, outcomes):
    """Without test accuracies that is validation accuracy."""
    if not outcomes:
        return
    folder: Path = tmp_path_factory.mktemp("trainings")
    columns = {(*outcome, "mean"): [1.0, 2.0] for outcome in outcomes}
    benchmark = read_dataset(write_benchmark(folder / "b.h5", columns), "benchmark")
    reported = headline(outcomes, "cifar10")
    if reported is None:
        with pytest.raises(DataFileError, match="expected accuracies of 'cifar10'"):
            targets(benchmark, "cifar10", folder)
        return
    first, *more = targets(benchmark, "cifar10", folder)
    assert first.name == reported.label
    cost = training_cost_of("nasbench201", outcomes, "cifar10", folder)
    after_12 = cost.outcome[1:] == ("valid", 12) and cost.outcome != reported
    assert [target.name for target in more] == ([cost.outcome.label] if after_12 else [])


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_labels_lead_back(outcome):
    assert Outcome.of_label(outcome.label) == outcome


def test_epochs_that_nobody_states_are_a_question_mark():
    assert Outcome("cifar10", "test", -1).label == "cifar10/test/?"


def test_budgets_count_evaluations_unless_a_file_says_otherwise():
    assert budget_kind({}) == "evaluations"
    assert budget_kind({"budget_kind": "training_seconds"}) == "training_seconds"
