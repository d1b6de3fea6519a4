"""NAS-Bench-101 from a mirror's table, small ones made here and the real one."""

from __future__ import annotations

import gzip
import math

import numpy as np
import pytest
from hypothesis import given
from nasbench101_files import CELLS, SPACE, mirror_arrays, write_mirror
from nasbench101_fixtures import INCEPTION_AS_STORED, INCEPTION_PARAMS, inception, valid_specs

from trainfree.benchmarks import nasbench101 as api
from trainfree.benchmarks.nasbench101.prepared import prepare_nasbench101, read_trained_cells
from trainfree.errors import SourceError


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
        ({"params": np.zeros(1, dtype=np.int32)}, "one row per cell"),
        ({"test_acc_108": np.zeros(9)}, "one row per cell"),
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
