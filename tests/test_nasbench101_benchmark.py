"""The published interface over the published file and over the one prepared from it."""

from __future__ import annotations

import os
import subprocess
import sys

import h5py
import numpy as np
import pytest
from nasbench101_files import (
    CELLS,
    EPOCHS,
    SPACE,
    all_records,
    measured,
    write_tfrecord,
)
from nasbench101_fixtures import (
    inception,
)

from trainfree.benchmarks import nasbench101 as api
from trainfree.benchmarks.load import accuracy_column, load_benchmark
from trainfree.benchmarks.nasbench101.prepared import prepare_nasbench101
from trainfree.cli import main
from trainfree.errors import DataFileError, SourceError
from trainfree.files.storage import read_dataset, write_dataset
from trainfree.trainings import known_outcomes


@pytest.fixture(scope="module")
def tfrecord(tmp_path_factory):
    return write_tfrecord(tmp_path_factory.mktemp("nb101") / "small.tfrecord", all_records())


@pytest.fixture(scope="module")
def prepared(tfrecord):
    path = tfrecord.with_suffix(".h5")
    prepare_nasbench101(tfrecord, path, partial=True)
    return path


@pytest.fixture(params=["tfrecord", "prepared"])
def nasbench(request):
    return api.NASBench(request.getfixturevalue(request.param))


def as_float32(values):
    return [float(np.float32(value)) for value in values]


def test_all_metrics_of_a_cell(nasbench):
    assert nasbench.valid_epochs == set(EPOCHS)
    for number, spec in enumerate(CELLS):
        fixed, computed = nasbench.get_metrics_from_spec(spec)
        assert fixed["module_adjacency"].tolist() == spec.matrix.tolist()
        assert fixed["module_operations"] == spec.ops
        assert fixed["trainable_parameters"] == 100 + number
        assert list(computed) == list(EPOCHS)
        for epochs, repeats in computed.items():
            assert len(repeats) == 3
            for repeat, point in enumerate(repeats):
                final = measured(number, epochs, repeat)
                names = ("training_time", "train_accuracy", "validation_accuracy", "test_accuracy")
                assert [point[f"final_{name}"] for name in names] == as_float32(final)
                halves = as_float32(value / 2 for value in final)
                assert [point[f"halfway_{name}"] for name in names] == halves
                assert len(point) == 8
    assert nasbench.get_budget_counters() == (0.0, 0)


def test_query_returns_one_repeat_and_charges_it(nasbench):
    seen = set()
    spent = 0.0
    for number in range(1, 31):
        data = nasbench.query(CELLS[2], epochs=108)
        repeat = (data["training_time"] - 2108) * 4
        final = measured(2, 108, repeat)
        assert data["test_accuracy"] == float(np.float32(final[3]))
        assert data["validation_accuracy"] == float(np.float32(final[2]))
        seen.add(repeat)
        spent += final[0]
        assert nasbench.get_budget_counters() == (spent, 108 * number)
    assert seen == {0, 1, 2}
    nasbench.reset_budget_counters()
    assert nasbench.get_budget_counters() == (0.0, 0)


def test_stopping_halfway_costs_half(nasbench):
    data = nasbench.query(CELLS[1], epochs=4, stop_halfway=True)
    assert data["training_time"] in {measured(1, 4, repeat)[0] / 2 for repeat in range(3)}
    assert nasbench.get_budget_counters() == (data["training_time"], 2)
    assert set(data) == {
        *("module_adjacency", "module_operations", "trainable_parameters"),
        *("training_time", "train_accuracy", "validation_accuracy", "test_accuracy"),
    }


def test_the_choice_of_repeats_comes_from_the_given_generator(tfrecord):
    def times(seed):
        nasbench = api.NASBench(tfrecord, seed=seed)
        return [nasbench.query(CELLS[0])["training_time"] for _ in range(20)]

    assert times(3) == times(3) != times(4)
    assert times(np.random.default_rng(5)) == times(np.random.default_rng(5))


def test_answers_are_the_callers_to_change(nasbench):
    data = nasbench.query(CELLS[0])
    data["module_adjacency"][:] = 7
    data["module_operations"].clear()
    again = nasbench.query(CELLS[0])
    assert again["module_adjacency"].tolist() == CELLS[0].matrix.tolist()
    assert again["module_operations"] == CELLS[0].ops


def test_hashes_lead_to_the_same_metrics(nasbench):
    hashes = list(nasbench.hash_iterator())
    assert hashes == sorted(spec.hash_spec() for spec in CELLS)
    for spec in CELLS:
        by_hash, by_spec = (
            nasbench.get_metrics_from_hash(spec.hash_spec()),
            nasbench.get_metrics_from_spec(spec),
        )
        assert by_hash[1] == by_spec[1]
    for wrong in ("0" * 32, "f" * 32, "no hash"):
        with pytest.raises(api.OutOfDomainError, match=wrong):
            nasbench.get_metrics_from_hash(wrong)


def test_cells_and_epochs_outside_the_table(nasbench):
    with pytest.raises(api.OutOfDomainError, match="12 epochs; expected one of 4, 108"):
        nasbench.query(CELLS[0], epochs=12)
    unknown = api.ModelSpec([[0, 1], [0, 0]], ["input", "conv"])
    assert not nasbench.is_valid(unknown)
    with pytest.raises(api.OutOfDomainError, match="last operation"):
        nasbench.query(unknown)
    assert nasbench.is_valid(inception())
    assert nasbench.get_budget_counters() == (0.0, 0)


def test_prepared_file_is_a_benchmark_like_any_other(prepared):
    benchmark = load_benchmark(prepared)
    expected = [("cifar10", split, e) for split in ("train", "valid", "test") for e in EPOCHS]
    assert known_outcomes(benchmark) == expected
    column = accuracy_column(benchmark, "cifar10", "test", 108)
    order = [SPACE.index_of_spec(spec) for spec in CELLS]
    assert benchmark["arch"].to_numpy().tolist() == sorted(order)
    for place, index in enumerate(sorted(order)):
        number = order.index(index)
        mean = np.mean([100 * measured(number, 108, repeat)[3] for repeat in range(3)])
        assert column[place] == pytest.approx(mean, rel=1e-6)
        assert benchmark["architecture"].to_numpy()[place] == SPACE.to_string(index)
    hashes = [bytes(row).hex() for row in benchmark["hash"].to_numpy()]
    in_official_order = np.array(hashes)[np.argsort(benchmark["official_index"].to_numpy())]
    assert in_official_order.tolist() == sorted(hashes)
    for variable in benchmark.data_vars.values():
        assert {"units", "long_name"} <= set(variable.attrs)
    seconds = benchmark["train_seconds"].sel(dataset="cifar10", epochs=108).to_numpy()
    assert seconds[order[0] == np.array(sorted(order))] == pytest.approx(108.25)


def test_prepared_files_of_one_source_are_the_same_bytes(tfrecord, prepared, tmp_path):
    prepare_nasbench101(tfrecord, tmp_path / "again.h5", partial=True)
    assert (tmp_path / "again.h5").read_bytes() == prepared.read_bytes()


def test_prepared_files_of_others_and_damaged_ones_are_refused(prepared, tmp_path):
    damaged, other = tmp_path / "damaged.h5", tmp_path / "other.h5"
    damaged.write_bytes(prepared.read_bytes())
    with h5py.File(damaged, "r+") as file:
        del file["graph_bits"]
    with pytest.raises(DataFileError, match="is damaged"):
        api.NASBench(damaged)
    whole = read_dataset(prepared, "benchmark")
    write_dataset(whole.drop_vars("graph_bits"), other, "benchmark")
    with pytest.raises(DataFileError, match=r"lacks something that it should hold.*graph_bits"):
        api.NASBench(other)
    write_dataset(whole.assign_attrs(space="nasbench201"), other, "benchmark")
    with pytest.raises(DataFileError, match="expected space = 'nasbench101'"):
        api.NASBench(other)


def test_other_paths_are_refused(tmp_path):
    with pytest.raises(SourceError, match="no such file"):
        api.NASBench(tmp_path / "missing.tfrecord")
    (tmp_path / "table.csv").write_text("a")
    with pytest.raises(SourceError, match=r"found '\.csv'"):
        api.NASBench(tmp_path / "table.csv")
    (tmp_path / "table.npz").write_text("a")
    with pytest.raises(SourceError, match=r"expected an \.npz archive"):
        api.NASBench(tmp_path / "table.npz")


@pytest.mark.parametrize("form", ["tfrecord", "prepared"])
def test_example_runs(request, form, repository):
    path = request.getfixturevalue(form)
    command = [sys.executable, "examples/nasbench101.py", str(path)]
    source = {"PYTHONPATH": str(repository / "src")}
    done = subprocess.run(
        command, cwd=repository, env=os.environ | source, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "'trainable_parameters': 100" in done.stdout
    assert "108 epochs, repeat 3: {'halfway_training_time': " in done.stdout
    assert min(spec.hash_spec() for spec in CELLS) in done.stdout


def test_command_prepares_a_file(tfrecord, prepared, tmp_path, capsys):
    output = tmp_path / "nasbench101.h5"
    command = ["prepare-nasbench101", "--source", str(tfrecord), "--output", str(output)]
    assert main(command) == 2
    assert "of all 423,624 cells, found 4;" in capsys.readouterr().err
    assert main([*command, "--partial"]) == 0
    assert output.read_bytes() == prepared.read_bytes()
    missing = str(tmp_path / "none.tfrecord")
    assert main(["prepare-nasbench101", "--source", missing, "--output", str(output)]) == 2
    assert "no such file" in capsys.readouterr().err
