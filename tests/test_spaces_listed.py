"""Spaces that are lists of trained networks: their members, and what they refuse."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from trainfree import spaces
from trainfree.benchmarks import prepare
from trainfree.benchmarks.schema import BenchmarkTable
from trainfree.errors import ArchitectureError, ConfigError, SourceError
from trainfree.scoring.settings.setting import Setting, scored_architectures
from trainfree.sources.generated import GeneratedSource
from trainfree.sources.recipes import RECIPES
from trainfree.spaces.listed import MEMBERS_FILE, ListedSpace

NAMES = ("wide", "narrow", "deep")
FILE = Path(MEMBERS_FILE.format(space="three"))


@pytest.fixture
def write(monkeypatch, tmp_path):
    """Prepares the benchmark of the space ``three`` from a table with the names it is given."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(RECIPES, "three-accuracies", (GeneratedSource("made up"),))
    monkeypatch.setattr(prepare, "SPACE_NAMES", [*spaces.SPACE_NAMES, "three"])
    monkeypatch.setattr(prepare, "load_space", lambda name: ListedSpace("three", 3))
    monkeypatch.setattr(prepare, "benchmark_code_hash", lambda name: "code")

    def write(names, rows=3):
        accuracy = {("cifar10", "test", 5, "1"): np.linspace(50, 60, rows)}
        table = BenchmarkTable(accuracy, architectures=names)
        monkeypatch.setattr(prepare, "reader_of", lambda form: lambda delivery, space: table)
        prepare.prepare_benchmark(
            *("three", FILE),
            order=["generated"],
            cache=tmp_path,
            mirror=None,
            nats_archive=None,
            timeout=1.0,
        )

    return write


def test_members_are_those_of_the_prepared_benchmark(write):
    with pytest.raises(ArchitectureError, match=r"three: .* snakemake data/benchmarks/three\.h5"):
        ListedSpace("three", 3).to_string(0)
    write(NAMES)
    space = ListedSpace("three", 3)
    assert [space.to_string(index) for index in range(3)] == list(NAMES)
    assert [space.parse(name) for name in NAMES] == [0, 1, 2]
    with xr.open_dataset(FILE, engine="h5netcdf") as written:
        assert written["architecture"].values.tolist() == list(NAMES)
        assert written["accuracy"].squeeze().values[0, 1] == 50  # the first one's, on test
    with pytest.raises(ArchitectureError, match="expected 4 architectures, found 3"):
        ListedSpace("three", 4).to_string(0)


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (("wide", "narrow"), "expected 3 architectures, found 2"),
        (("wide", "narrow", "wide"), "found 'wide' twice"),
        (None, "expected the architectures of three, found no list"),
    ],
)
def test_a_table_of_another_list_is_refused(write, names, sentence):
    with pytest.raises(SourceError, match=sentence):
        write(names)
    assert not FILE.exists()


def test_a_list_says_what_it_has_not():
    space = ListedSpace("three", 3, NAMES)
    with pytest.raises(ArchitectureError, match="'tall' is not in three, which is a list of 3"):
        space.parse("tall")
    with pytest.raises(ArchitectureError, match="expected 0 to 2"):
        space.to_string(3)
    with pytest.raises(ConfigError, match="search it with the algorithm random"):
        space.mutate(0, np.random.default_rng(0), "one_change")
    assert space.neighbours(0) == []
    assert {space.sample(np.random.default_rng(seed)) for seed in range(40)} == {0, 1, 2}


def test_a_sample_of_a_space_that_no_memory_holds():
    """Drawn one by one; a smaller sample is part of a larger one, as of other spaces."""

    def drawn(count, size):
        setting = Setting(
            *("darts", "cifar10", ("params",), 4, "pytorch", "images", 0),
            sample=count,
            sample_seed=7,
        )
        return scored_architectures(setting, size).tolist()

    size = 1_076_746_950_470_392_100
    few, many = drawn(20, size), drawn(60, size)
    assert set(few) < set(many)
    assert many == sorted(set(many))
    assert len(many) == 60
    # Uniform: among 60, of each quarter some; the chance that one is empty is below 1e-6.
    assert {index * 4 // size for index in many} == {0, 1, 2, 3}
