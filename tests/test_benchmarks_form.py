"""The common form of benchmarks, on the artificial one: schema, means over seeds, outcomes."""

from __future__ import annotations

import math
import statistics
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from trainfree.benchmarks.load import accuracy_column, load_benchmark
from trainfree.benchmarks.prepare import prepare_benchmark
from trainfree.benchmarks.readers import READERS, reader_of
from trainfree.errors import SourceError, UnknownNameError
from trainfree.sources.recipes import NOT_TRAINED, RECIPES
from trainfree.spaces import SPACE_NAMES
from trainfree.trainings import known_outcomes

CONNECTED = 662
"""Cells of three operations: 2 to the number of live edges, summed over the 47 connected graphs."""


def prepare(space: str, output: Path, order: list[str]) -> xr.Dataset:
    prepare_benchmark(
        space,
        output,
        order=order,
        cache=output.parent / "cache",
        mirror=None,
        nats_archive=None,
        timeout=0.2,
    )
    return load_benchmark(output)


def test_the_artificial_benchmark_exercises_every_path(tmp_path):
    found = prepare("nasbench201_mini", tmp_path / "a.h5", ["generated"])
    again = prepare("nasbench201_mini", tmp_path / "b.h5", ["generated"])
    xr.testing.assert_identical(found, again)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
    assert "artificial" in found.attrs["source_note"]
    assert set(known_outcomes(found)) == {
        (dataset, split, epochs)
        for dataset, split in (
            ("cifar10-valid", "valid"),
            ("cifar10-valid", "test"),
            ("cifar10", "test"),
        )
        for epochs in (12, 200)
    }
    assert found["accuracy"].dims == ("arch", "dataset", "split", "epochs", "seed")
    assert np.isfinite(found["train_seconds"]).all()
    assert (found["train_seconds"] > 0).all()
    assert found["in_subset"].sel(subset="connected cells").sum() == CONNECTED
    for name, variable in found.drop_vars("in_subset").data_vars.items():
        assert variable.dtype == np.float64, name  # "s" must not be decoded as a time
        assert variable.attrs["units"] in ("%", "s", "1")
        assert variable.attrs["long_name"]
    convolutions = [text.count("conv") for text in found["architecture"].to_numpy().tolist()]
    column = accuracy_column(found, "cifar10", "test", 200)
    by_count = [column[np.array(convolutions) == count].mean() for count in range(7)]
    assert by_count == sorted(by_count)
    assert np.isfinite(column).all()


def test_the_mean_over_seeds_uses_the_seeds_there_are(tmp_path):
    found = prepare("nasbench201_mini", tmp_path / "a.h5", ["generated"])
    values = found["accuracy"].sel(dataset="cifar10", split="test", epochs=200).to_numpy()
    assert np.isnan(values).any()
    naive = [statistics.fmean(value for value in row if not math.isnan(value)) for row in values]
    np.testing.assert_allclose(accuracy_column(found, "cifar10", "test", 200), naive, rtol=1e-14)


def test_the_given_mean_is_preferred_and_missing_stays_missing(tmp_path):
    found = prepare("nasbench201_mini", tmp_path / "a.h5", ["generated"])
    found = found.assign_coords(seed=["mean", "777"]).copy(deep=True)
    values = found["accuracy"].sel(dataset="cifar10", split="test", epochs=12).to_numpy()
    where = {"dataset": "cifar10", "split": "test", "epochs": 12}
    found["accuracy"].loc[{**where, "arch": 1, "seed": "mean"}] = np.nan
    found["accuracy"].loc[{**where, "arch": 2}] = np.nan
    column = accuracy_column(found, "cifar10", "test", 12)
    assert column[1] == values[1, 1]
    assert np.isnan(column[2])
    np.testing.assert_array_equal(column[3:], values[3:, 0])


def test_unknown_space_and_every_form_has_a_reader(tmp_path):
    with pytest.raises(UnknownNameError, match="did you mean 'nasbench201'"):
        prepare("nasbench-201", tmp_path / "x.h5", ["generated"])
    with pytest.raises(SourceError, match="prepare-nasbench101"):
        prepare("nasbench101", tmp_path / "x.h5", ["generated"])
    for space in set(SPACE_NAMES) - {"nasbench101", *NOT_TRAINED}:
        assert {source.form for source in RECIPES[f"{space}-accuracies"]} <= set(READERS)
    assert all(callable(reader_of(form)) for form in READERS)
