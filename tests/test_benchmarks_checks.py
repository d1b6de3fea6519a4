"""Numbers that no benchmark can have are refused where they come in, whatever brings them."""

from __future__ import annotations

import bz2
import csv
import gzip
import pickle
from dataclasses import replace
from pathlib import Path

import nasbench101_files as made
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainfree.benchmarks.checks import (
    check_benchmark,
    check_hardware,
    check_percentages,
    plain_number,
)
from trainfree.benchmarks.generated import generate_benchmark, generate_hardware
from trainfree.benchmarks.landscape import prepare_landscape
from trainfree.benchmarks.nasbench101.mirror import SAMPLE_NAME, read_mirror
from trainfree.benchmarks.nasbench101.prepared import prepare_nasbench101, read_trained_cells
from trainfree.benchmarks.prepare import prepare_benchmark
from trainfree.benchmarks.readers import reader_of
from trainfree.benchmarks.schema import BenchmarkTable, benchmark_dataset
from trainfree.errors import DataFileError, SourceError
from trainfree.files.storage import provenance_attributes, write_dataset
from trainfree.sources.delivery import Delivery
from trainfree.spaces import load_space

MINI = load_space("nasbench201_mini")
FULL = load_space("nasbench201")
GENERATED = generate_benchmark(Delivery("generated", "generated"), MINI)
KEY = ("cifar10", "test", 200, "777")


def changed(values: object) -> BenchmarkTable:
    return replace(GENERATED, accuracy={**GENERATED.accuracy, KEY: values})


def at_five(column: np.ndarray, value: object) -> np.ndarray:
    return np.where(np.arange(len(column)) == 5, value, column)


def test_a_good_table_passes_unchanged():
    checked = check_benchmark(MINI, GENERATED, "x")
    assert checked.accuracy.keys() == GENERATED.accuracy.keys()
    for key, column in GENERATED.accuracy.items():
        np.testing.assert_array_equal(checked.accuracy[key], column)
    for key, column in GENERATED.train_seconds.items():
        np.testing.assert_array_equal(checked.train_seconds[key], column)


COLUMN = GENERATED.accuracy[KEY]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (at_five(COLUMN, 200.0), "expected percentages from 0 to 100, found 200.0 for archit.* 5"),
        (at_five(COLUMN, -3.0), "found -3.0 for architecture 5"),
        (at_five(COLUMN, np.inf), "found inf"),
        (at_five(COLUMN, -np.inf), "found -inf"),
        (COLUMN / 100, "they look like fractions from 0 to 1, multiply them by 100"),
        (COLUMN.astype(complex), "found an array of complex128"),
        (COLUMN.astype(object), "found an array of object"),
        (COLUMN.astype(str), "found an array of <U"),
        (COLUMN > 50, "found an array of bool"),
        ((COLUMN * 1e9).astype("M8[s]"), "found an array of datetime64"),
        (list(COLUMN[:5]) + ["7"] * 724, "a list with other things than numbers"),
        (COLUMN[:-1], "one value for each of the 729 architectures, found 728"),
        (np.append(COLUMN, 1.0), "found 730"),
        (COLUMN.reshape(-1, 1), r"found an array of shape \(729, 1\)"),
        (np.array(50.0), r"found an array of shape \(\)"),
        (50.0, "found float"),
        (None, "found NoneType"),
        ({"a": 1}, "found dict"),
    ],
)
def test_accuracies_that_are_none(values, words):
    with pytest.raises(SourceError, match=rf"x: accuracy cifar10/test/200/777: .*{words}"):
        check_benchmark(MINI, changed(values), "x")


@pytest.mark.parametrize(
    "key",
    [
        ("cifar10", "test", 200),
        "cifar10",
        ("cifar10", "train", 200, "777"),
        ("cifar10", "test", "200", "777"),
        ("cifar10", "test", 0, "777"),
        ("cifar10", "test", -2, "777"),
        ("cifar10", "test", 2.5, "777"),
        ("cifar10", "test", True, "777"),
        ("cifar10", "test", 10**12, "777"),
        ("cifar10", "test", 200, 777),
        ("", "test", 200, "777"),
        (None, "test", 200, "777"),
    ],
)
def test_keys_that_are_none(key):
    table = replace(GENERATED, accuracy={**GENERATED.accuracy, key: COLUMN})
    with pytest.raises(SourceError, match=r"x: accuracy: expected .*found"):
        check_benchmark(MINI, table, "x")


SECONDS = GENERATED.train_seconds["cifar10", 200]


@pytest.mark.parametrize("value", [-1.0, 0.0, 1e-12, 1e-4, np.inf, 1e9, np.nan])
def test_times_that_no_training_has(value):
    seconds = {**GENERATED.train_seconds, ("cifar10", 200): at_five(SECONDS, value)}
    with pytest.raises(SourceError, match=r"x: train_seconds cifar10/200: expected"):
        check_benchmark(MINI, replace(GENERATED, train_seconds=seconds), "x")


@pytest.mark.parametrize("key", [("cifar10", 36), ("mnist", 200), "cifar10", (("cifar10", 200),)])
def test_times_of_trainings_that_are_not_there(key):
    seconds = {**GENERATED.train_seconds, key: SECONDS}
    with pytest.raises(SourceError, match=r"x: train_seconds: expected a \(data set, epo"):
        check_benchmark(MINI, replace(GENERATED, train_seconds=seconds), "x")


@pytest.mark.parametrize("value", [-1.0, 0.0, 0.5, np.inf, 1e16, np.nan])
@pytest.mark.parametrize("name", ["params", "flops"])
def test_counts_that_no_network_has(name, value):
    columns = {**getattr(GENERATED, name)}
    columns["cifar10"] = at_five(columns["cifar10"], value)
    with pytest.raises(SourceError, match=rf"x: {name} cifar10: expected .*"):
        check_benchmark(MINI, replace(GENERATED, **{name: columns}), "x")


def test_counts_of_another_data_set_and_further_columns():
    with pytest.raises(SourceError, match=r"x: params: expected a data set that.*'mnist'"):
        check_benchmark(MINI, replace(GENERATED, params={"mnist": SECONDS}), "x")
    further = {"ptq_accuracy": (at_five(COLUMN, 101.0), "quantised")}
    with pytest.raises(SourceError, match=r"x: ptq_accuracy: expected percentages.*found 101"):
        check_benchmark(MINI, replace(GENERATED, further=further), "x")


@pytest.mark.parametrize(
    ("index", "words"),
    [
        (np.zeros(729, np.int64), "found 0 twice"),
        (np.arange(729) - 5, "found -5"),
        (np.arange(728), "expected 729 whole numbers"),
        (np.arange(729.0), "expected 729 whole numbers"),
        ([1] * 729, "expected 729 whole numbers"),
    ],
)
def test_official_indices(index, words):
    with pytest.raises(SourceError, match=f"x: official_index: .*{words}"):
        check_benchmark(MINI, replace(GENERATED, official_index=index), "x")


def test_missing_architectures_are_refused_unless_the_source_says_that_it_is_a_part():
    accuracy = {key: column.copy() for key, column in GENERATED.accuracy.items()}
    for key in accuracy:
        if key[:3] == KEY[:3]:
            accuracy[key][[3, 8]] = np.nan
    table = replace(GENERATED, accuracy=accuracy)
    with pytest.raises(SourceError, match=r"cifar10/test/200: expected one .* 2 have none, the f"):
        check_benchmark(MINI, table, "x")
    check_benchmark(MINI, replace(table, partial=True), "x")
    nothing = {KEY: np.full(729, np.nan)}
    with pytest.raises(SourceError, match="x: expected trained accuracies, found none at all"):
        check_benchmark(MINI, BenchmarkTable(nothing, partial=True), "x")
    with pytest.raises(SourceError, match="found none at all"):
        check_benchmark(MINI, BenchmarkTable({}), "x")


@pytest.mark.parametrize("table", [None, {}, [GENERATED], "x"])
def test_what_is_no_table(table):
    with pytest.raises(SourceError, match=f"x: expected a Benchmar.*{type(table).__name__}"):
        check_benchmark(MINI, table, "x")


@given(st.floats() | st.complex_numbers() | st.text() | st.booleans() | st.none() | st.integers())
def test_one_number_of_a_record_is_a_number_or_refused(value):
    if isinstance(value, complex | str | bool | None):
        with pytest.raises(SourceError, match="x: expected a number y, found"):
            plain_number(value, "x", "y")
    else:
        assert repr(plain_number(value, "x", "y")) == repr(float(value))


def test_a_whole_number_without_end_is_none():
    with pytest.raises(SourceError, match="x: expected a number y, found one of too many digits"):
        plain_number(10**400, "x", "y")


@given(st.lists(st.floats(0, 100), min_size=1, max_size=20))
def test_percentages_come_back_as_they_are(values):
    column = np.array(values)
    if 0 < column.max() <= 1:
        with pytest.raises(SourceError, match="fractions"):
            check_percentages(column, len(column), "x")
    else:
        np.testing.assert_array_equal(check_percentages(column, len(column), "x"), column)


# Through the commands' functions: nothing is written


def prepare(space: str, output: Path, order: list[str], **options: object) -> None:
    prepare_benchmark(
        space,
        output,
        order=order,
        cache=output.parent / "cache",
        mirror=None,
        nats_archive=options.get("nats_archive"),
        timeout=0.2,
    )


@pytest.mark.parametrize("value", [200.0, -3.0, 1 + 2j, "90", True, [90.0], None])
def test_an_accuracy_of_the_official_archive_that_is_none(tmp_path, value):
    training = {
        "eval_acc1es": {"ori-test@199": value},
        "train_times": {0: 2.0},
        "params": 0.5,
        "flop": 1.5,
    }
    if value is None:  # no evaluation is a missing one; no time is none
        training |= {"eval_acc1es": {"ori-test@199": 90.0}, "train_times": {0: None}}
    record = {
        "arch_index": 0,
        "arch_str": FULL.to_string(7),
        "all_results": {("cifar10", 777): training},
    }
    folder = tmp_path / "archive"
    folder.mkdir()
    (folder / "000000.pickle.pbz2").write_bytes(bz2.compress(pickle.dumps({"200": record})))
    with pytest.raises(SourceError, match=r"expected .*found|asks for builtins.complex"):
        prepare("nasbench201", tmp_path / "x.h5", ["official"], nats_archive=str(folder))
    assert not (tmp_path / "x.h5").exists()


def test_seeds_without_end_are_refused(tmp_path):
    trainings = {
        ("cifar10", seed): {"eval_acc1es": {}, "train_times": {0: 2.0}, "params": 1.0, "flop": 1.0}
        for seed in range(17)
    }
    record = {"arch_index": 0, "arch_str": FULL.to_string(7), "all_results": trainings}
    (tmp_path / "000000.pickle.pbz2").write_bytes(bz2.compress(pickle.dumps({"200": record})))
    with pytest.raises(SourceError, match="at most 16 different ones, found 16"):
        reader_of("nats-archive")(Delivery("official", "nats", {"archive": tmp_path}), FULL)


def test_a_table_of_fractions_is_named_as_such(tmp_path, monkeypatch):
    """The whole way: a source that delivers fractions is passed over, with the reason."""
    fractions = replace(
        GENERATED, accuracy={key: column / 100 for key, column in GENERATED.accuracy.items()}
    )
    monkeypatch.setattr(
        "trainfree.benchmarks.generated.generate_benchmark", lambda delivery, space: fractions
    )
    with pytest.raises(SourceError, match=r"none of the sources.*\n.*look like fractions"):
        prepare("nasbench201_mini", tmp_path / "x.h5", ["generated"])
    assert not (tmp_path / "x.h5").exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"latency": {"d": np.full(729, -1.0)}}, "latency on d: expected positive numbers"),
        ({"latency": {"d": np.full(729, 0.0)}}, "latency on d: expected positive numbers"),
        ({"energy": {"d": np.full(729, np.inf)}}, "energy on d: .*found inf"),
        ({"energy": {"d": np.full(728, 1.0)}}, "energy on d: .*found 728"),
        ({"latency": {"d": np.full(729, 1j)}}, "latency on d: .*complex"),
        ({"accuracy": {"a": np.full(729, 101.0)}}, "accuracy of a: expected percentages"),
        ({"accuracy": {"a": np.full(729, 0.5)}}, "accuracy of a: .*look like fractions"),
    ],
)
def test_costs_and_accuracies_of_hardware(changes, words):
    good = generate_hardware(MINI)
    check_hardware(good, 729, "x")
    with pytest.raises(SourceError, match=f"x: {words}"):
        check_hardware(replace(good, **changes), 729, "x")


# NAS-Bench-101


def evaluation(value: float, place: int) -> bytes:
    numbers = [108.0, 1000.0, 0.9, 0.9, 0.9]
    numbers[place] = value
    return made.evaluation(*numbers)


@pytest.mark.parametrize("place", [1, 2, 3, 4])
@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf"), 93.0, 1e-12])
def test_measurements_of_a_record_that_are_none(tmp_path, place, value):
    if place == 1 and value == 93.0:
        value = 0.0  # 93 s are a time
    if place > 1 and value == 1e-12:
        value = 1.0001
    data = [evaluation(1000.0, 1), evaluation(1000.0, 1), evaluation(value, place)]
    records = made.all_records()
    wrong = made.record(0, 4, 0, {"metrics": made.base64.b64encode(made.message(7, data)).decode()})
    records[0] = wrong
    path = made.write_tfrecord(tmp_path / "a.tfrecord", records)
    name = ("training_time", "train_accuracy", "validation_accuracy", "test_accuracy")[place - 1]
    with pytest.raises(SourceError, match=rf"a\.tfrecord: record 0: {name}: expected .*found"):
        read_trained_cells(path)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"epochs": 5}, "expected one of 4, 12, 36, 108 epochs, found 5"),
        ({"epochs": 10**30}, "expected one of 4, 12, 36, 108 epochs, found 1000"),
        ({"epochs": True}, "expected a text, a number"),
        ({"matrix": "0" * 6400}, "square matrix of 0 and 1 for 2 to 7 vertices"),
        ({"metrics": made.base64.b64encode(made.message(1 << 40, [])).decode()}, "trainable param"),
        ({"metrics": made.base64.b64encode(made.message(0, [])).decode()}, "trainable param"),
    ],
)
def test_other_numbers_of_a_record(tmp_path, changes, words):
    path = made.write_tfrecord(tmp_path / "a.tfrecord", [made.record(0, 4, 0, changes)])
    with pytest.raises(SourceError, match=rf"record 0: .*{words}") as raised:
        read_trained_cells(path)
    assert len(str(raised.value)) < 500


def test_one_official_file_under_the_name_of_the_other(tmp_path):
    every = made.all_records()
    only = [made.record(c, 108, r) for r in range(3) for c in range(len(made.CELLS))]
    for name, records, words in (
        ("nasbench_only108.tfrecord", every, "trainings of 4, 108 epochs, so it is nasbench_full"),
        ("nasbench_full.tfrecord", only, "trainings of 108 epochs, so it is nasbench_only108"),
    ):
        with pytest.raises(SourceError, match=words):
            read_trained_cells(made.write_tfrecord(tmp_path / name, records))
    read_trained_cells(made.write_tfrecord(tmp_path / "nasbench_only108.tfrecord", only))


def test_a_part_of_the_cells_is_refused_unless_it_is_meant(tmp_path):
    path = made.write_tfrecord(tmp_path / "a.tfrecord", made.all_records())
    with pytest.raises(SourceError, match=r"of all 423,624 cells, found 4; .*--partial"):
        prepare_nasbench101(path, tmp_path / "x.h5")
    assert not (tmp_path / "x.h5").exists()
    prepare_nasbench101(path, tmp_path / "x.h5", partial=True)
    note = read_trained_cells(tmp_path / "x.h5").note
    assert note == "a part of the space, 4 of 423,624 cells"


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("-1,HASH,0.2,0.5,0.7,0.8,1234.5,1", "expected different indices from 0"),
        ("0,HASH,20.0,0.5,0.7,0.8,1234.5,1", "val_acc_4: expected fractions.*found 20.0"),
        ("0,HASH,0.2,0.5,0.7,0.8,-4,1", "training_time_108_s: expected seconds.*found -4.0"),
        ("0,HASH,0.2,0.5,0.7,0.8,1e-12,1", "training_time_108_s: .*found 1e-12"),
        ("0.5,HASH,0.2,0.5,0.7,0.8,1234.5,1", "column 'index'.*expected a whole number"),
    ],
)
def test_the_sample_of_a_mirror(tmp_path, row, words):
    first = min(spec.hash_spec() for spec in made.CELLS)
    path = made.write_mirror(tmp_path, [row.replace("HASH", first)])
    with pytest.raises(SourceError, match=rf"{SAMPLE_NAME}: {words}"):
        read_mirror(path)


def test_a_landscape_needs_an_accuracy(tmp_path):
    accuracy = {("cifar10", "test", 200, "1"): np.full(len(MINI), np.nan)}
    accuracy["cifar10", "valid", 200, "1"] = COLUMN
    attributes = provenance_attributes(settings={}, code="", source_hashes={})
    dataset = benchmark_dataset(
        MINI, BenchmarkTable(accuracy), {**attributes, "space": "nasbench201_mini"}
    )
    write_dataset(dataset, tmp_path / "b.h5", "benchmark")
    with pytest.raises(DataFileError, match="has no CIFAR-10 test accuracy"):
        prepare_landscape(tmp_path / "b.h5", tmp_path / "l.h5", walks=2, steps=2, seed=0)


def test_a_mirror_table_with_a_time_of_nothing(tmp_path):
    """The example of the issue, by the real reader: 1e-12 s for a whole training."""
    from test_benchmarks_sources import SMALL_COLUMNS

    rows = [
        dict.fromkeys(SMALL_COLUMNS, 50.0)
        | {"index": index, "arch_str": MINI.to_string(index), "train_s_per_epoch_c10": 1e-14}
        for index in range(len(MINI))
    ]
    path = tmp_path / "table.csv.gz"
    with gzip.open(path, "wt", newline="") as stream:
        writer = csv.DictWriter(stream, SMALL_COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    table = reader_of("nb201-table")(Delivery("mirror", "t", {"table": path}), MINI)
    with pytest.raises(SourceError, match=r"x: train_seconds .*: expected seconds of a whole tr"):
        check_benchmark(MINI, table, "x")
