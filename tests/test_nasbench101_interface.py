"""The published NAS-Bench-101 interface as published programs use it, one use a test."""

from __future__ import annotations

import copy
import pickle
import random
import sys
import types

import numpy as np
import pytest
from nasbench101_files import CELLS, EPOCHS, all_records, write_tfrecord
from nasbench101_fixtures import C1, C3, INCEPTION_MATRIX, INCEPTION_OPS, MP, inception

from trainfree.benchmarks import nasbench101 as api
from trainfree.errors import ConfigError, TrainfreeError
from trainfree.randomness import stream
from trainfree.spaces.nasbench101.specification import INPUT, OPERATIONS, OUTPUT

HASHES = sorted(spec.hash_spec() for spec in CELLS)


@pytest.fixture(scope="module")
def tfrecord(tmp_path_factory):
    return write_tfrecord(tmp_path_factory.mktemp("nb101") / "small.tfrecord", all_records())


@pytest.fixture
def nasbench(tfrecord):
    return api.NASBench(dataset_file=str(tfrecord), seed=None)


# ---------------------------------------------------------------- the dictionaries


def test_statistics_are_read_as_dictionaries(nasbench):
    fixed, computed = nasbench.fixed_statistics, nasbench.computed_statistics
    assert len(fixed) == len(computed) == len(CELLS)
    assert list(fixed) == list(fixed.keys()) == list(computed) == HASHES
    assert len(list(fixed.values())) == len(CELLS)
    for key, entry in fixed.items():
        again, every = nasbench.get_metrics_from_hash(key)
        assert entry["module_adjacency"].tolist() == again["module_adjacency"].tolist()
        assert entry["module_operations"] == again["module_operations"]
        assert entry["trainable_parameters"] == again["trainable_parameters"]
        assert computed[key] == every
        mean = np.mean([computed[key][108][i]["final_validation_accuracy"] for i in range(3)])
        assert 0 <= mean <= 1
    assert HASHES[0] in fixed
    assert "0" * 32 not in fixed
    assert 5 not in fixed
    assert fixed.get("0" * 32) is None
    with pytest.raises(KeyError):
        fixed["0" * 32]


def test_edits_of_an_entry_stay_as_in_a_dictionary_and_copies_are_the_callers(nasbench):
    key = CELLS[2].hash_spec()
    before = list(nasbench.fixed_statistics[key]["module_operations"])
    nasbench.fixed_statistics[key]["module_operations"].insert(1, "null")  # programs pad cells so
    assert nasbench.fixed_statistics[key]["module_operations"][1] == "null"
    fixed, computed = nasbench.get_metrics_from_hash(key)
    assert fixed["module_operations"] == [before[0], "null", *before[1:]]
    fixed["module_operations"].clear()
    computed[108].clear()
    assert nasbench.fixed_statistics[key]["module_operations"][1] == "null"
    assert len(nasbench.computed_statistics[key][108]) == 3


def test_the_hash_iterator_has_a_length_and_begins_again(nasbench):
    iterator = nasbench.hash_iterator()
    assert len(iterator) == len(CELLS)
    assert list(iterator) == list(iterator) == HASHES
    assert HASHES[1] in iterator
    assert iterator & {HASHES[0], "x"} == {HASHES[0]}
    assert random.choice(list(iterator)) in HASHES
    assert [next(iterator), next(iterator)] == HASHES[:2]


# ---------------------------------------------------------------- settings and counters


def test_the_settings_of_the_search_space_are_in_config(nasbench):
    config = nasbench.config
    assert config["available_ops"] == [C3, C1, MP]
    assert (config["module_vertices"], config["max_edges"], config["num_repeats"]) == (7, 9, 3)
    assert (config["train_epochs"], config["batch_size"]) == (108, 256)
    config["use_tpu"] = False
    config["train_data_files"] = ["x"]
    spec = inception()
    assert spec.hash_spec(canonical_ops=config["available_ops"]) == spec.hash_spec()
    available = [name for name in config["available_ops"] if name != C3]
    assert available == [C1, MP]


def test_counters_are_attributes_that_programs_set(nasbench):
    nasbench.query(CELLS[0])
    assert nasbench.get_budget_counters() == (nasbench.training_time_spent, 108)
    assert nasbench.total_epochs_spent == 108
    nasbench.training_time_spent, nasbench.total_epochs_spent = 0.0, 0
    assert nasbench.get_budget_counters() == (0.0, 0)
    assert nasbench.history == {}


def test_no_seed_is_another_choice_each_time_and_a_seed_the_documented_one(tfrecord):
    def times(**seed):
        nasbench = api.NASBench(tfrecord, **seed)
        return [nasbench.query(CELLS[0])["training_time"] for _ in range(40)]

    assert times(seed=None) != times(seed=None)
    assert times() == times(seed=0) == times(seed=np.int64(0))
    for wrong in (-1, 1.5, "x", True):
        with pytest.raises(ConfigError, match="seed: expected a whole number of at least 0"):
            api.NASBench(tfrecord, seed=wrong)


def test_the_choice_among_the_trainings_is_the_documented_stream(tfrecord):
    nasbench = api.NASBench(tfrecord, seed=7)
    drawn = stream(7, "nasbench101/repeat").integers(3, size=1024)[:30]
    for repeat in drawn.tolist():
        data = nasbench.query(CELLS[1])
        points = nasbench.get_metrics_from_spec(CELLS[1])[1][108]
        assert data["training_time"] == points[repeat]["final_training_time"]


def pickled(thing):
    return pickle.loads(pickle.dumps(thing))  # noqa: S301  (what was pickled here)


@pytest.mark.parametrize("clone", [copy.deepcopy, pickled])
def test_an_opened_table_can_be_pickled_and_copied(tfrecord, clone):
    nasbench = api.NASBench(tfrecord, seed=3)
    nasbench.query(CELLS[0])
    other = clone(nasbench)
    assert list(other.fixed_statistics) == HASHES
    for _ in range(20):
        assert str(other.query(CELLS[1])) == str(nasbench.query(CELLS[1]))


# ---------------------------------------------------------------- checks


def test_the_private_methods_that_programs_call_are_there(nasbench):
    assert nasbench._check_spec(inception()) is None
    assert nasbench._hash_spec(inception()) == inception().hash_spec()
    broken = api.ModelSpec(np.zeros((3, 3), int), [INPUT, C3, OUTPUT])
    with pytest.raises(api.OutOfDomainError, match="a path from input to output"):
        nasbench._check_spec(broken)
    with pytest.raises(api.OutOfDomainError, match="a path from input to output"):
        nasbench.get_metrics_from_spec(broken)


def test_errors_are_those_of_the_published_package_too(nasbench):
    with pytest.raises(KeyError) as caught:
        nasbench.get_metrics_from_hash("0" * 32)
    assert isinstance(caught.value, api.OutOfDomainError)
    assert "has no cell with hash '000" in str(caught.value)
    assert not str(caught.value).startswith('"')
    for matrix, ops in (
        ([[0, 1], [0, 0], [0, 0]], [INPUT, OUTPUT]),
        ([[0, 1], [1, 0]], [INPUT, OUTPUT]),
        ([[0, 1], [0, 0]], [INPUT, C3, OUTPUT]),
    ):
        with pytest.raises(ValueError, match="expected"):
            api.ModelSpec(matrix, ops)
    with pytest.raises(ValueError, match="conv5x5"):
        api.ModelSpec(np.eye(3, k=1, dtype=int), [INPUT, "conv5x5", OUTPUT]).hash_spec(OPERATIONS)
    with pytest.raises(TrainfreeError, match="no path"):
        api.ModelSpec(np.zeros((2, 2), int), [INPUT, OUTPUT]).hash_spec(OPERATIONS)


@pytest.mark.parametrize(
    ("epochs", "words"),
    [
        ("108", "expected a number of epochs .4, 108., found '108', which is not a number but str"),
        (None, "found None, which is not a number but NoneType"),
        ([108], "which is not a number but list"),
        (12, "has no trainings of 12 epochs; expected one of 4, 108"),
        (-1, "has no trainings of -1 epochs"),
        (float("nan"), "has no trainings of nan epochs"),
    ],
)
def test_numbers_of_epochs_that_are_none(nasbench, epochs, words):
    with pytest.raises(api.OutOfDomainError, match=words):
        nasbench.query(CELLS[0], epochs)
    assert nasbench.get_budget_counters() == (0.0, 0)


@pytest.mark.parametrize("epochs", [np.int64(108), 108.0])
def test_numbers_of_epochs_of_other_types(nasbench, epochs):
    nasbench.query(CELLS[0], epochs=epochs)
    assert nasbench.total_epochs_spent == 108


def test_what_is_no_cell_is_named(nasbench):
    with pytest.raises(api.OutOfDomainError, match="expected a ModelSpec, found list"):
        nasbench.query([[0, 1], [0, 0]])


def test_training_a_network_is_refused_in_a_sentence(nasbench, tmp_path):
    with pytest.raises(NotImplementedError, match="evaluate: trains a network from scratch"):
        nasbench.evaluate(inception(), str(tmp_path))


# ---------------------------------------------------------------- cells


class Foreign:
    """A cell of another class with the published attributes, such as the published class."""

    def __init__(self, matrix, ops):
        spec = api.ModelSpec(matrix, ops)
        self.matrix, self.ops, self.valid_spec = spec.matrix, spec.ops, spec.valid_spec

    def hash_spec(self, canonical_ops):
        return api.ModelSpec(self.matrix, self.ops).hash_spec(canonical_ops)


class Extended(api.ModelSpec):
    """Programs derive classes of their own, with attributes and defaults of their own."""

    def __init__(self, matrix, ops, data_format="channels_last"):
        super().__init__(matrix, ops, data_format)
        self.graph_hash = self.hash_spec()


@pytest.mark.parametrize("kind", [Foreign, Extended, api.ModelSpec])
def test_cells_of_classes_of_a_programs_own_are_answered(nasbench, kind):
    spec = kind(INCEPTION_MATRIX, INCEPTION_OPS)
    assert nasbench.is_valid(spec)
    assert nasbench.query(spec)["trainable_parameters"] == 100
    if kind is not Extended:  # which asks for the hash, and this cell has none
        assert not nasbench.is_valid(kind(np.zeros((2, 2), int), [INPUT, OUTPUT]))


def test_a_cell_keeps_its_format_and_its_numbers(nasbench):
    spec = api.ModelSpec(INCEPTION_MATRIX, INCEPTION_OPS, data_format="channels_first")
    assert spec.data_format == "channels_first"
    assert inception().data_format == "channels_last"
    for dtype in (np.int64, np.int8, np.float64, bool, object):
        matrix = np.array(INCEPTION_MATRIX, dtype=dtype)
        spec = api.ModelSpec(matrix=matrix, ops=INCEPTION_OPS)
        if dtype is not object:
            assert spec.original_matrix.dtype == spec.matrix.dtype == dtype
        assert spec.hash_spec() == inception().hash_spec()
        assert nasbench.query(spec)["trainable_parameters"] == 100
    matrix[0, 1] = 2
    with pytest.raises(ValueError, match="only 0 and 1"):
        api.ModelSpec(matrix, INCEPTION_OPS)
    assert spec.original_matrix[0, 1] == 1, "the cell has a copy"


def test_a_cell_that_its_program_changes_is_looked_up_as_it_is_now(nasbench):
    spec = api.ModelSpec([[0, 1, 0], [0, 0, 1], [0, 0, 0]], [INPUT, C1, OUTPUT])
    first = spec.hash_spec()
    spec.ops[1] = C3
    assert spec.hash_spec() != first
    spec.ops[1] = "conv5x5"
    assert not nasbench.is_valid(spec)
    spec.ops[1] = C1
    assert nasbench.is_valid(spec)
    assert spec.hash_spec() == first


def test_a_cell_is_drawn_where_graphviz_is_and_says_so_where_not(monkeypatch):
    monkeypatch.setitem(sys.modules, "graphviz", None)
    with pytest.raises(ImportError, match="visualize: needs the Python package graphviz"):
        inception().visualize()

    class Digraph:
        def __init__(self):
            self.nodes, self.edges = [], []

        def node(self, name, label):
            self.nodes.append((name, label))

        def edge(self, tail, head):
            self.edges.append((tail, head))

    monkeypatch.setitem(sys.modules, "graphviz", types.SimpleNamespace(Digraph=Digraph))
    drawn = inception().visualize()
    assert drawn.nodes == [(str(k), name) for k, name in enumerate(inception().ops)]
    assert len(drawn.edges) == int(inception().matrix.sum())
    with pytest.raises(ValueError, match="nothing to draw"):
        api.ModelSpec(np.zeros((2, 2), int), [INPUT, OUTPUT]).visualize()


def test_the_valid_epochs_of_a_file(nasbench):
    assert nasbench.valid_epochs == set(EPOCHS)
