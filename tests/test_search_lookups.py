"""What guides and judges a search, read from small hand-made files."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from trainfree.errors import DataFileError, UnknownNameError
from trainfree.files.storage import provenance_attributes, write_dataset
from trainfree.images.datasets import DATASETS
from trainfree.search.lookups import load_lookups
from trainfree.search.training_cost import (
    accuracy_columns,
    training_cost_of,
    training_note,
    training_seconds,
)
from trainfree.spaces import load_space
from trainfree.trainings import TRAININGS, over_seeds

SPACE = load_space("nasbench201_mini")
SIZE = len(SPACE)
Known = dict[tuple[str, str, int, str], np.ndarray]


def coordinates() -> dict[str, object]:
    names = np.array([SPACE.to_string(index) for index in range(SIZE)], dtype=object)
    return {"arch": np.arange(SIZE), "architecture": ("arch", names)}


def attributes(name: str) -> dict[str, str | int]:
    return provenance_attributes(settings={"test": name}, code="0" * 16, source_hashes={})


def benchmark_dataset(known: Known, seconds: dict[tuple[str, int], np.ndarray]) -> xr.Dataset:
    """Build the benchmark data set that knows just these accuracies and times."""
    datasets, splits, epochs, seeds = (
        list(dict.fromkeys(key[i] for key in known)) for i in range(4)
    )
    accuracy = np.full((SIZE, len(datasets), len(splits), len(epochs), len(seeds)), math.nan)
    for (dataset, split, epoch, seed), values in known.items():
        place = datasets.index(dataset), splits.index(split), epochs.index(epoch), seeds.index(seed)
        accuracy[:, *place] = values
    train = np.full((SIZE, len(datasets), len(epochs)), math.nan)
    for (dataset, epoch), values in seconds.items():
        train[:, datasets.index(dataset), epochs.index(epoch)] = values
    accuracy_dims = ("arch", "dataset", "split", "epochs", "seed")
    return xr.Dataset(
        {
            "accuracy": (accuracy_dims, accuracy, {"units": "percent", "long_name": "accuracy"}),
            "train_seconds": (
                ("arch", "dataset", "epochs"),
                train,
                {"units": "s", "long_name": "training time"},
            ),
        },
        coords={
            **coordinates(),
            "dataset": np.array(datasets, dtype=object),
            "split": np.array(splits, dtype=object),
            "epochs": epochs,
            "seed": np.array(seeds, dtype=object),
        },
        attrs=attributes("benchmark"),
    )


def write_benchmark(
    path: Path, known: Known, seconds: dict[tuple[str, int], np.ndarray] | None = None
) -> Path:
    write_dataset(benchmark_dataset(known, seconds or {}), path, "benchmark")
    return path


def scores_dataset(scores: dict[str, np.ndarray], seconds: np.ndarray) -> xr.Dataset:
    return xr.Dataset(
        {
            "score": (
                ("arch", "proxy"),
                np.stack(list(scores.values()), axis=1),
                {"units": "1", "long_name": "score"},
            ),
            "proxy_seconds": (
                ("arch", "proxy"),
                np.stack([seconds * (place + 1) for place in range(len(scores))], axis=1),
                {"units": "s", "long_name": "time"},
            ),
        },
        coords={
            **coordinates(),
            "proxy": np.array(list(scores), dtype=object),
        },
        attrs={**attributes("scores"), "space": SPACE.name, "dataset": "cifar10"},
    )


def write_scores(path: Path, scores: dict[str, np.ndarray], seconds: np.ndarray) -> Path:
    write_dataset(scores_dataset(scores, seconds), path, "scores")
    return path


def column(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(10, 95, SIZE)


FULL: Known = {
    ("cifar10-valid", "valid", 12, "mean"): column(1),
    ("cifar10-valid", "valid", 200, "mean"): column(2),
    ("cifar10-valid", "test", 200, "mean"): column(3),
    ("cifar10", "test", 12, "mean"): column(4),
    ("cifar10", "test", 200, "mean"): column(5),
    ("cifar100", "valid", 12, "mean"): column(6),
    ("cifar100", "test", 200, "mean"): column(7),
    ("ImageNet16-120", "valid", 12, "mean"): column(8),
    ("ImageNet16-120", "test", 200, "mean"): column(9),
}


@pytest.mark.parametrize(
    ("dataset", "signal_key", "headline"),
    [
        ("cifar10", ("cifar10-valid", "valid", 12, "mean"), "cifar10/test/200"),
        ("generated", ("cifar10-valid", "valid", 12, "mean"), "cifar10/test/200"),
        ("cifar100", ("cifar100", "valid", 12, "mean"), "cifar100/test/200"),
        ("imagenet16-120", ("ImageNet16-120", "valid", 12, "mean"), "ImageNet16-120/test/200"),
    ],
)
def test_accuracy_signal_is_12_epoch_validation_where_there_is_one(
    tmp_path, dataset, signal_key, headline
):
    seconds = {(signal_key[0], 12): np.arange(SIZE) + 100.0}
    path = write_benchmark(tmp_path / "b.h5", FULL, seconds)
    lookups = load_lookups(SPACE, dataset, "accuracy", None, path)
    np.testing.assert_array_equal(lookups.fitness, FULL[signal_key])
    np.testing.assert_array_equal(lookups.training_seconds, np.arange(SIZE) + 100.0)
    np.testing.assert_array_equal(lookups.scoring_seconds, np.zeros(SIZE))
    assert lookups.outcome_names[lookups.headline] == headline
    assert lookups.note == f"Guided by the validation accuracy of {signal_key[0]} after 12 epochs."
    assert sorted(lookups.outcome_names) == sorted(f"{d}/{s}/{e}" for d, s, e, _ in FULL)
    for (name, split, epochs, _), values in FULL.items():
        place = lookups.outcome_names.index(f"{name}/{split}/{epochs}")
        np.testing.assert_array_equal(lookups.outcomes[:, place], values)


def test_a_test_only_table_is_used_and_called_optimistic(tmp_path):
    path = write_benchmark(tmp_path / "b.h5", {("cifar10", "test", -1, "mean"): column(1)})
    lookups = load_lookups(SPACE, "cifar10", "accuracy", None, path)
    np.testing.assert_array_equal(lookups.fitness, column(1))
    assert np.isnan(lookups.training_seconds).all()
    assert lookups.outcome_names == ("cifar10/test/?",)
    assert lookups.headline == 0
    for words in ("test accuracy of cifar10", "unstated", "sees the metric", "optimistic"):
        assert words in lookups.note


def test_validation_at_other_epochs_is_better_than_test(tmp_path):
    known = {
        ("cifar10", "test", 12, "mean"): column(1),
        ("cifar10-valid", "valid", -1, "mean"): column(2),
        ("cifar10-valid", "valid", 200, "mean"): column(3),
    }
    path = write_benchmark(tmp_path / "b.h5", known)
    lookups = load_lookups(SPACE, "cifar10", "accuracy", None, path)
    np.testing.assert_array_equal(lookups.fitness, column(3))
    assert lookups.outcome_names[lookups.headline] == "cifar10/test/12"
    assert "optimistic" not in lookups.note


def test_headline_prefers_most_epochs_then_the_full_training_set(tmp_path):
    known = {
        ("cifar10", "test", 12, "mean"): column(1),
        ("cifar10-valid", "test", 200, "mean"): column(2),
    }
    path = write_benchmark(tmp_path / "b.h5", known)
    lookups = load_lookups(SPACE, "cifar10", "accuracy", None, path)
    assert lookups.outcome_names[lookups.headline] == "cifar10-valid/test/200"


def test_seeds_are_averaged_where_the_source_gives_no_mean(tmp_path):
    a, b, mean = column(1), column(2), column(3)
    a[0] = b[0] = math.nan
    a[1] = math.nan
    mean[:4] = math.nan
    key = ("cifar10", "test", 200)
    path = write_benchmark(
        tmp_path / "b.h5", {(*key, "777"): a, (*key, "888"): b, (*key, "mean"): mean}
    )
    fitness = load_lookups(SPACE, "cifar10", "accuracy", None, path).fitness
    assert math.isnan(fitness[0])
    assert fitness[1] == b[1]
    np.testing.assert_allclose(fitness[2:4], (a[2:4] + b[2:4]) / 2)
    np.testing.assert_array_equal(fitness[4:], mean[4:])


def test_single_seeds_only_and_mean_only_both_reduce():
    for seeds in (["777"], ["mean"], ["111", "777"]):
        array = xr.DataArray(
            np.ones((2, len(seeds))), dims=("arch", "seed"), coords={"seed": seeds}
        )
        np.testing.assert_array_equal(over_seeds(array), [1.0, 1.0])


def test_missing_accuracies_are_counted_in_the_note(tmp_path):
    values = column(1)
    values[:5] = math.nan
    path = write_benchmark(tmp_path / "b.h5", {("cifar10-valid", "valid", 12, "mean"): values})
    lookups = load_lookups(SPACE, "cifar10", "accuracy", None, path)
    assert f"5 of {SIZE} architectures have no such accuracy" in lookups.note


def test_proxy_signal_is_the_score_and_the_seconds_of_that_proxy(tmp_path):
    score, seconds = column(11), np.linspace(0.1, 0.9, SIZE)
    score[3], score[4] = -math.inf, math.nan
    scores = write_scores(tmp_path / "s.h5", {"naswot": score, "synflow": column(12)}, seconds)
    path = write_benchmark(tmp_path / "b.h5", FULL)
    lookups = load_lookups(SPACE, "cifar10", "naswot", scores, path)
    np.testing.assert_array_equal(lookups.fitness, score)
    np.testing.assert_array_equal(lookups.scoring_seconds, seconds)
    second = load_lookups(SPACE, "cifar10", "synflow", scores, path)
    np.testing.assert_array_equal(second.scoring_seconds, seconds * 2)
    np.testing.assert_array_equal(lookups.training_seconds, np.zeros(SIZE))
    assert lookups.note.startswith("Guided by the score of naswot; nothing is trained.")
    assert f"1 of {SIZE} architectures could not be scored" in lookups.note
    assert set(lookups.source_hashes) == {"benchmark", "scores"}


def test_trainings_are_of_known_image_sets():
    assert set(TRAININGS) == set(DATASETS)


# ---------------------------------------------------------------- errors


def test_unknown_names(tmp_path):
    path = write_benchmark(tmp_path / "b.h5", FULL)
    scores = write_scores(tmp_path / "s.h5", {"naswot": column(1)}, column(2))
    with pytest.raises(DataFileError, match=r"data set 'cifar-10'; did you mean 'cifar10'"):
        load_lookups(SPACE, "cifar-10", "accuracy", None, path)
    with pytest.raises(UnknownNameError, match=r"s\.h5 'nasswot'; did you mean 'naswot'"):
        load_lookups(SPACE, "cifar10", "nasswot", scores, path)
    with pytest.raises(DataFileError, match="needs a scores file"):
        load_lookups(SPACE, "cifar10", "naswot", None, path)
    with pytest.raises(DataFileError, match="expected dataset = 'cifar100'"):
        load_lookups(SPACE, "cifar100", "naswot", scores, path)


def test_a_benchmark_without_the_data_set_is_named_with_what_it_has(tmp_path):
    path = write_benchmark(tmp_path / "b.h5", {("cifar10", "test", 200, "mean"): column(1)})
    with pytest.raises(DataFileError, match=r"b\.h5: has no accuracy.*cifar100.*cifar10/test/200"):
        load_lookups(SPACE, "cifar100", "accuracy", None, path)
    nothing = {("cifar10", "test", 200, "mean"): np.full(SIZE, math.nan)}
    path = write_benchmark(tmp_path / "n.h5", nothing)
    with pytest.raises(DataFileError, match=r"n\.h5: has no accuracy.*no accuracy at all"):
        load_lookups(SPACE, "cifar10", "accuracy", None, path)


@pytest.mark.parametrize("damaged", ["benchmark", "scores"])
def test_files_must_hold_the_whole_space_in_order(tmp_path, damaged):
    files = {
        "benchmark": benchmark_dataset(FULL, {}),
        "scores": scores_dataset({"naswot": column(1)}, column(2)),
    }
    order = np.arange(SIZE)
    order[[3, 4]] = [4, 3]
    for rows, message in [(order, "row 3 should be architecture 3"), (order[:-1], "expected all")]:
        for kind, data in files.items():
            chosen = data.isel(arch=rows) if kind == damaged else data
            write_dataset(chosen, tmp_path / f"{kind}.h5", kind)
        with pytest.raises(DataFileError, match=rf"{damaged}\.h5: {message}"):
            load_lookups(
                SPACE, "cifar10", "naswot", tmp_path / "scores.h5", tmp_path / "benchmark.h5"
            )


def test_plus_infinity_and_missing_parts_are_refused(tmp_path):
    path = write_benchmark(tmp_path / "b.h5", FULL)
    infinite = column(1)
    infinite[9] = math.inf
    scores = write_scores(tmp_path / "s.h5", {"naswot": infinite}, column(2))
    with pytest.raises(DataFileError, match=r"\+inf for architecture 9"):
        load_lookups(SPACE, "cifar10", "naswot", scores, path)
    data = scores_dataset({"naswot": column(1)}, column(2))
    write_dataset(data.drop_vars("proxy_seconds"), scores, "scores")
    with pytest.raises(DataFileError, match="lacks the variable proxy_seconds"):
        load_lookups(SPACE, "cifar10", "naswot", scores, path)
    write_dataset(data.drop_vars("architecture"), scores, "scores")
    with pytest.raises(DataFileError, match="expected coordinates"):
        load_lookups(SPACE, "cifar10", "naswot", scores, path)


# ---------------------------------------------------------------- the validation pass


def charged(known: Known, validation: np.ndarray | None) -> tuple[np.ndarray, str]:
    """Return what a search pays and what it says of it, with 100 s for every training."""
    trained = benchmark_dataset(known, {(name, 12): np.full(SIZE, 100.0) for name, *_ in known})
    if validation is not None:
        values = np.broadcast_to(validation[:, None, None], trained["train_seconds"].shape)
        trained["validation_seconds"] = trained["train_seconds"].dims, values
    cost = training_cost_of(
        SPACE.name, accuracy_columns(trained, Path("b.h5")), "cifar10", Path("b")
    )
    seconds = training_seconds(trained, cost, Path("b.h5"))
    return seconds, training_note(trained, cost, seconds)


def test_a_validation_pass_is_charged_where_all_are_known_and_told_where_not():
    valid = {("cifar10-valid", "valid", 12, "mean"): column(1)}
    passes = np.linspace(1.0, 2.0, SIZE)
    seconds, note = charged(valid, passes)
    np.testing.assert_array_equal(seconds, 100.0 + passes)
    assert "and one pass over the validation images, as the published scripts" in note
    gap = passes.copy()
    gap[3] = math.nan
    for unknown in (None, gap):
        seconds, note = charged(valid, unknown)
        assert (seconds == 100.0).all()
        assert "without the pass over the validation images that the published scripts" in note
    seconds, note = charged({("cifar10", "test", 12, "mean"): column(1)}, passes)
    assert (seconds == 100.0).all()
    assert "without any evaluation" in note
