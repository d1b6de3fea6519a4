"""The published interface over each kind of file; tfrecords are made here, field by field."""

from __future__ import annotations

import base64
import gzip
import json
import math
import os
import struct
import subprocess
import sys

import h5py
import numpy as np
import pytest
from hypothesis import given
from nasbench101_fixtures import (
    C1,
    C3,
    INCEPTION_AS_STORED,
    INCEPTION_PARAMS,
    MP,
    inception,
    valid_specs,
)

from trainfree.benchmarks import nasbench101 as api
from trainfree.benchmarks.load import accuracy_column, load_benchmark
from trainfree.benchmarks.nasbench101.crc32c import crc32c
from trainfree.benchmarks.nasbench101.prepared import prepare_nasbench101, read_trained_cells
from trainfree.benchmarks.nasbench101.protobuf import read_model_metrics
from trainfree.cli import main
from trainfree.errors import DataFileError, SourceError
from trainfree.files.storage import read_dataset, write_dataset
from trainfree.spaces.nasbench101.space import GraphCellSpace
from trainfree.trainings import known_outcomes

SPACE = GraphCellSpace.published()
EPOCHS = (4, 108)
CELLS = [inception(), *(SPACE.specification(SPACE.parse(text)) for text in ("output~0",
         f"{C3}~0+{MP}~0~1+output~1~2", f"{C1}~0+output~0~1"))]  # fmt: skip


def naive_crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def masked(data):
    crc = naive_crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def framed(data):
    length = struct.pack("<Q", len(data))
    return length + struct.pack("<I", masked(length)) + data + struct.pack("<I", masked(data))


def varint(value):
    digits = []
    while value >= 0x80:
        digits.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*digits, value])


def evaluation(epoch, seconds, train, validation, test):
    doubles = enumerate((epoch, seconds, train, validation, test), start=1)
    body = b"".join(bytes([field << 3 | 1]) + struct.pack("<d", x) for field, x in doubles)
    path = b"model.ckpt"
    return body + bytes([6 << 3 | 2]) + varint(len(path)) + path


def message(params, evaluations):
    parts = [bytes([1 << 3 | 2]) + varint(len(data)) + data for data in evaluations]
    return b"".join(parts) + bytes([2 << 3]) + varint(params) + b"\x19" + struct.pack("<d", 9.0)


def measured(cell, epochs, repeat):
    """(seconds, train, validation, test) at the end; the seconds tell all apart."""
    correct = [9984 - 100 * cell - 7 * repeat - part for part in (3, 2, 1)]
    return (1000.0 * cell + epochs + repeat / 4, *(count / 9984 for count in correct))


def record(cell, epochs, repeat, changes=()):
    changes = dict(changes)
    spec = CELLS[cell]
    final = measured(cell, epochs, repeat)
    halfway = (final[0] / 2, *(value / 2 for value in final[1:]))
    evaluations = changes.get("evaluations", 3)
    data = [evaluation(0, 0, 0.1, 0.1, 0.1), evaluation(epochs / 2, *halfway)]
    data = [*data, evaluation(epochs, *final)][:evaluations]
    row = {
        "hash": spec.hash_spec(),
        "epochs": epochs,
        "matrix": "".join(map(str, spec.matrix.ravel())),
        "ops": ",".join(spec.ops),
        "metrics": base64.b64encode(message(100 + cell, data)).decode(),
    }
    row |= {key: value for key, value in changes.items() if key in row}
    return json.dumps(list(row.values())).encode()


def all_records():
    # One repeat of everything after the other, as trainings are in no order in the real files.
    return [record(c, e, r) for r in range(3) for e in EPOCHS for c in range(len(CELLS))]


def write_tfrecord(path, records):
    path.write_bytes(b"".join(map(framed, records)))
    return path


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


def test_checksum_is_castagnolis():
    assert crc32c(b"123456789") == naive_crc32c(b"123456789") == 0xE3069283
    assert crc32c(b"") == 0


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


@pytest.mark.parametrize(
    ("change", "number", "words"),
    [
        (lambda data: data[:-5], 23, "expected .* bytes of data; it is truncated"),
        (lambda data: data[: len(framed(record(0, 4, 0))) + 5], 1, "ends within its length"),
        (lambda data: b"\x01" + data[1:], 0, "checksum of its length"),
        (lambda data: data[:30] + b"#" + data[31:], 0, "checksum of its data"),
        (lambda data: b"", None, "an empty file"),
    ],
)
def test_damaged_files_name_the_record(tmp_path, change, number, words):
    path = tmp_path / "damaged.tfrecord"
    path.write_bytes(change(b"".join(map(framed, all_records()))))
    with pytest.raises(SourceError, match=words) as caught:
        api.NASBench(path)
    assert str(path) in str(caught.value)
    if number is not None:
        assert f"record {number}:" in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"hash": "0" * 32}, "expected the hash"),
        ({"matrix": "012"}, "square matrix"),
        ({"matrix": "0" * 49}, "a path from input to output"),
        ({"ops": "input,conv5x5,output"}, "one operation for each of the 7"),
        ({"metrics": "AAA"}, "JSON list"),
        ({"metrics": base64.b64encode(b"\x0a\x09").decode()}, "ends after the message"),
        ({"metrics": base64.b64encode(b"\x0a\x00" * 3).decode()}, "trainable_parameters"),
        ({"metrics": base64.b64encode(b"\x0b").decode()}, "wire type 3"),
        ({"metrics": base64.b64encode(b"\x10\xff").decode()}, "within a number"),
        ({"epochs": "108"}, "a text, a number"),
        ({"evaluations": 2}, "3 evaluations of the cell, found 2"),
    ],
)
def test_malformed_records_are_named(tmp_path, changes, words):
    path = write_tfrecord(tmp_path / "bad.tfrecord", [record(1, 4, 0), record(0, 4, 0, changes)])
    with pytest.raises(SourceError, match=words) as caught:
        read_trained_cells(path)
    assert "record 1:" in str(caught.value)


def test_fields_may_stand_in_any_order_and_be_missing():
    seconds, test = b"\x11" + struct.pack("<d", 7.5), b"\x29" + struct.pack("<d", 0.25)
    unknown = bytes([9 << 3 | 5]) + b"abcd" + bytes([10 << 3]) + varint(300)
    found = read_model_metrics(message(300, [test + unknown + seconds, b""]))
    assert found.trainable_parameters == 300
    assert str(found.evaluations[0]) == "(7.5, nan, nan, 0.25)"
    assert np.isnan(found.evaluations[1]).all()


def test_records_that_are_no_list_are_named(tmp_path):
    path = write_tfrecord(tmp_path / "bad.tfrecord", [b"{}"])
    with pytest.raises(SourceError, match="record 0: expected a JSON list of five"):
        read_trained_cells(path)


def test_one_hash_is_one_cell(tmp_path):
    other = CELLS[0].original_matrix
    first = record(0, 4, 0)
    second = record(0, 4, 1, {"matrix": "".join(map(str, other.T.ravel()))})
    path = write_tfrecord(tmp_path / "bad.tfrecord", [first, second])
    with pytest.raises(SourceError, match="record 1: the cell is not that of record 0"):
        read_trained_cells(path)


@pytest.mark.parametrize("lost", [0, 7, 23])
def test_missing_repeats_are_named(tmp_path, lost):
    kept = [data for number, data in enumerate(all_records()) if number != lost]
    path = write_tfrecord(tmp_path / "short.tfrecord", kept)
    name, epochs = json.loads(all_records()[lost])[:2]
    with pytest.raises(SourceError, match="expected 3 trainings") as caught:
        read_trained_cells(path)
    assert f"the cell {name} for {epochs} epochs, found 2" in str(caught.value)
    assert "record " in str(caught.value)


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


def mirror_arrays():
    """A mirror's table of the few cells."""
    specs = sorted(CELLS, key=lambda spec: spec.hash_spec())
    cells = [SPACE.cell(SPACE.index_of_spec(spec)) for spec in specs]
    ops = np.full((len(cells), 5), -1, dtype=np.int8)
    for row, (vertices, _, code) in enumerate(cells):
        ops[row, : vertices - 2] = [code // 3**k % 3 for k in reversed(range(vertices - 2))]
    hashes = [list(bytes.fromhex(spec.hash_spec())) for spec in specs]
    return {
        "hash_md5": np.array(hashes, dtype=np.uint8),
        "n_vertices": np.array([cell[0] for cell in cells], dtype=np.uint8),
        "adj_bits": np.array([cell[1] for cell in cells], dtype=np.uint32),
        "ops": ops,
        "test_acc_108": np.linspace(0.9, 0.93, len(cells), dtype=np.float32),
        "params": np.arange(1, len(cells) + 1, dtype=np.int32),
    }


SAMPLE_HEADER = "index,hash,val_acc_4,val_acc_12,val_acc_36,val_acc_108,training_time_108_s,params"


def write_mirror(folder, sample=None, **changes):
    np.savez(folder / "nb101_108ep.npz", **{**mirror_arrays(), **changes})
    if sample is not None:
        with gzip.open(folder / "nb101_val_20001.csv.gz", "wt") as file:
            file.write("\n".join([SAMPLE_HEADER, *sample]))
    return folder / "nb101_108ep.npz"


def test_mirror_without_the_sample_has_one_budget(tmp_path):
    nasbench = api.NASBench(write_mirror(tmp_path))
    assert nasbench.valid_epochs == {108}
    first = next(nasbench.hash_iterator())
    fixed, computed = nasbench.get_metrics_from_hash(first)
    assert fixed["trainable_parameters"] == 1
    assert len(computed[108]) == 1
    assert computed[108][0]["final_test_accuracy"] == float(np.float32(0.9))
    assert math.isnan(computed[108][0]["final_validation_accuracy"])


def test_mirror_with_the_sample_has_its_budgets(tmp_path):
    first = min(spec.hash_spec() for spec in CELLS)
    path = write_mirror(tmp_path, [f"0,{first},0.25,0.5,0.75,0.875,1234.5,1"])
    for source in (path, tmp_path / "prepared.h5"):
        if source.suffix == ".h5":
            prepare_nasbench101(path, source, partial=True)
        nasbench = api.NASBench(source)
        assert nasbench.valid_epochs == {4, 12, 36, 108}
        spec = next(spec for spec in CELLS if spec.hash_spec() == first)
        data = nasbench.query(spec)
        assert data["validation_accuracy"] == 0.875
        assert data["test_accuracy"] == float(np.float32(0.9))
        assert nasbench.get_budget_counters() == (1234.5, 108)
        assert nasbench.query(spec, epochs=12)["validation_accuracy"] == 0.5
        assert math.isnan(nasbench.query(spec, stop_halfway=True)["test_accuracy"])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"hash_md5": mirror_arrays()["hash_md5"][::-1]}, "ascending order, row 1 is not"),
        ({"params": np.zeros(1, dtype=np.int32)}, "one row a cell"),
        ({"test_acc_108": np.zeros(9)}, "one row a cell"),
        ({"ops": np.ones((4, 5), dtype=np.int8)}, "expected the hash"),
        ({"sample": [f"1,{'0' * 32},0,0,0,0,0,0"]}, "line 2: the hash is not the table's"),
        ({"sample": [f"99,{'0' * 32},0,0,0,0,0,0"]}, "line 2: the hash is not the table's"),
    ],
)
def test_damaged_mirrors_say_what_is_wrong(tmp_path, changes, words):
    with pytest.raises(SourceError, match=words):
        read_trained_cells(write_mirror(tmp_path, **changes))


def test_a_sample_without_its_columns_is_refused(tmp_path):
    path = write_mirror(tmp_path)
    (tmp_path / "nb101_val_20001.csv.gz").write_bytes(gzip.compress(b"a,b\n1,2\n"))
    with pytest.raises(SourceError, match="columns index, hash"):
        read_trained_cells(path)


@pytest.fixture(scope="module")
def table(shared_data):
    return api.NASBench(shared_data / "nasbench101" / "nb101_108ep.npz")


@pytest.mark.shared_data
def test_published_example_on_the_published_accuracies(table):
    data = table.query(inception())
    matrix, ops = INCEPTION_AS_STORED
    assert data["module_adjacency"].tolist() == matrix
    assert data["module_operations"] == ops
    assert data["trainable_parameters"] == INCEPTION_PARAMS
    # The example prints 0.93119 for one of the three trainings; the table holds their mean.
    assert data["test_accuracy"] == pytest.approx(0.9311898946762085, abs=0.003)
    assert math.isnan(data["training_time"])
    assert table.get_budget_counters()[1] == 108
    assert sum(1 for _ in table.hash_iterator()) == len(SPACE)


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


@pytest.mark.shared_data
def test_single_values_of_the_mirror(table, shared_data):
    assert table.valid_epochs == {4, 12, 36, 108}
    best = table.get_metrics_from_hash("02e5a0247bbdcf2860b7e96f74961594")[1]
    assert best[108][0]["final_test_accuracy"] == pytest.approx(0.943176, abs=1e-6)
    first = next(table.hash_iterator())
    _, computed = table.get_metrics_from_hash(first)
    assert computed[108][0]["final_training_time"] == pytest.approx(1768.975952)
    assert 0.1 < computed[4][0]["final_validation_accuracy"] < 0.95
    assert math.isnan(computed[4][0]["final_test_accuracy"])


@pytest.mark.shared_data
@given(valid_specs())
def test_a_cell_and_the_pruned_cell_have_one_answer(shared_data, table, spec):
    pruned = api.ModelSpec(spec.matrix, spec.ops)
    answers = [table.query(cell) for cell in (spec, pruned)]
    for data in answers:
        assert api.ModelSpec(data["module_adjacency"], data["module_operations"]).hash_spec() == (
            spec.hash_spec()
        )
    matrices = [data.pop("module_adjacency").tolist() for data in answers]
    assert matrices[0] == matrices[1]
    assert str(answers[0]) == str(answers[1])
