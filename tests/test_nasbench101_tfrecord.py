"""Reading the published file of NAS-Bench-101: its checksums, records and gaps."""

from __future__ import annotations

import base64
import json
import struct

import numpy as np
import pytest
from nasbench101_files import (
    CELLS,
    all_records,
    framed,
    message,
    naive_crc32c,
    record,
    varint,
    write_tfrecord,
)

from trainfree.benchmarks import nasbench101 as api
from trainfree.benchmarks.nasbench101.crc32c import crc32c
from trainfree.benchmarks.nasbench101.prepared import read_trained_cells
from trainfree.benchmarks.nasbench101.protobuf import read_model_metrics
from trainfree.errors import SourceError


def test_checksum_is_castagnolis():
    assert crc32c(b"123456789") == naive_crc32c(b"123456789") == 0xE3069283
    assert crc32c(b"") == 0


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
