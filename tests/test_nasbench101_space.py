"""Cells of NAS-Bench-101 against the published example, counts, table and naive definitions."""

from __future__ import annotations

from itertools import permutations
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nasbench101_fixtures import (
    C1,
    C3,
    INCEPTION_AS_STORED,
    MP,
    encodings,
    inception,
    relabelled,
    valid_specs,
)

from trainfree.errors import ArchitectureError, UnknownNameError
from trainfree.files.storage import read_dataset
from trainfree.search.algorithms.rea import RegularizedEvolution
from trainfree.spaces.nasbench101.cell_hashes import cell_hashes, places_by_hash
from trainfree.spaces.nasbench101.cells_file import write_cells
from trainfree.spaces.nasbench101.distance import distances_to
from trainfree.spaces.nasbench101.drawing import drawn_encoding
from trainfree.spaces.nasbench101.encoding import matrix_bits, operation_code, operation_digits
from trainfree.spaces.nasbench101.enumeration import SIZES, graphs
from trainfree.spaces.nasbench101.graph_hash import graph_hash
from trainfree.spaces.nasbench101.space import GraphCellSpace
from trainfree.spaces.nasbench101.specification import INPUT, OPERATIONS, OUTPUT, ModelSpec

SPACE = GraphCellSpace.published()
indices = st.integers(0, 423_623)
CHAIN = [[0, 1, 0], [0, 0, 1], [0, 0, 0]]


def test_counts_of_cells_by_number_of_vertices():
    vertices, _, _ = SPACE.cells
    counts = np.bincount(vertices, minlength=8)
    assert counts.tolist() == [0, 0, 1, 6, 84, 2441, 62010, 359082]
    assert len(SPACE) == 423_624


@pytest.mark.parametrize("vertices", [2, 3, 4])
def test_enumeration_is_that_of_the_published_hash(vertices):
    """All labelled graphs in the published order; the first one of each hash is kept."""
    first = {}
    pairs = [(x, y) for y in range(vertices) for x in range(y)]
    for bits in range(1 << len(pairs)):
        matrix = np.zeros((vertices, vertices), dtype=int)
        for number, (x, y) in enumerate(pairs):
            matrix[x, y] = bits >> number & 1
        for code in range(3 ** (vertices - 2)):
            labels = [code // 3**k % 3 for k in reversed(range(vertices - 2))]
            spec = ModelSpec(matrix, [INPUT, *(OPERATIONS[k] for k in labels), OUTPUT])
            if spec.valid_spec and len(spec.ops) == vertices:
                first.setdefault(spec.hash_spec(), (bits, code))
    known = [column.tolist() for column in graphs(vertices).cells()]
    assert sorted(first.values()) == list(zip(*known, strict=True))


def test_stored_form_of_the_published_example():
    index = SPACE.index_of_spec(inception())
    stored = SPACE.specification(index)
    matrix, ops = INCEPTION_AS_STORED
    assert stored.matrix.tolist() == matrix
    assert stored.ops == ops


def test_hash_of_the_smallest_cell_is_md5_of_its_definition():
    from hashlib import md5

    def digest(text):
        return md5(text.encode()).hexdigest()

    start, end = digest("(1, 0, -1)"), digest("(0, 1, -2)")
    for _ in range(2):
        start, end = digest(f"|{end}|{start}"), digest(f"{start}||{end}")
    expected = digest(str(sorted([start, end])))
    assert ModelSpec([[0, 1], [0, 0]], [INPUT, OUTPUT]).hash_spec() == expected


@given(valid_specs(), st.randoms(use_true_random=False))
def test_hash_is_the_same_for_any_numbering(spec, random):
    vertices = len(spec.ops)
    order = list(range(1, vertices - 1))
    random.shuffle(order)
    labels = [-1, *(OPERATIONS.index(name) for name in spec.ops[1:-1]), -2]
    matrix, moved = relabelled(spec.matrix, labels, [0, *order, vertices - 1])
    assert graph_hash(matrix.tolist(), moved) == spec.hash_spec()


@given(valid_specs())
def test_pruning_is_idempotent_and_leaves_the_hash(spec):
    again = ModelSpec(spec.matrix, spec.ops)
    assert again.matrix.tolist() == spec.matrix.tolist()
    assert again.ops == spec.ops
    assert again.hash_spec() == spec.hash_spec()
    assert SPACE.index_of_spec(again) == SPACE.index_of_spec(spec)


@given(encodings())
def test_pruning_keeps_the_vertices_on_paths(cell):
    matrix, ops = cell
    spec = ModelSpec(matrix, ops)
    reach = np.linalg.matrix_power(matrix + np.eye(len(ops), dtype=int), len(ops)) > 0
    on_path = [v for v in range(len(ops)) if reach[0, v] and reach[v, -1]]
    assert spec.valid_spec == bool(reach[0, -1])
    if spec.valid_spec:
        assert spec.matrix.tolist() == matrix[np.ix_(on_path, on_path)].tolist()
        assert spec.ops == [ops[v] for v in on_path]


@given(encodings())
def test_many_encodings_at_once_are_found_like_single_ones(cell):
    matrix, ops = cell
    wide = np.zeros((7, 7), dtype=int)
    places = [*range(len(ops) - 1), 6]
    wide[np.ix_(places, places)] = matrix
    labels = [OPERATIONS.index(name) for name in ops[1:-1]] + [0] * (7 - len(ops))
    found = SPACE.indices(np.array([matrix_bits(wide)]), np.array([operation_code(labels)]))
    spec = ModelSpec(matrix, ops)
    expected = -1 if spec.broken_rule else SPACE.index_of_spec(spec)
    assert found.tolist() == [expected]
    assert SPACE._index(matrix_bits(wide), operation_code(labels)) == expected


@given(indices)
def test_every_form_leads_back(index):
    spec = SPACE.specification(index)
    assert spec.broken_rule == ""
    assert spec.matrix.shape == spec.original_matrix.shape
    assert SPACE.index_of_spec(spec) == index
    assert SPACE.parse(SPACE.to_string(index)) == index


@pytest.mark.parametrize(
    ("matrix", "ops", "words"),
    [
        ([[0, 1], [0, 0, 0]], [INPUT, OUTPUT], "rows of equal length"),
        ([[0, 1, 0], [0, 0, 1]], [INPUT, OUTPUT], "square"),
        ([[0]], [INPUT], "at least 2 x 2"),
        ([[0, 2], [0, 0]], [INPUT, OUTPUT], "only 0 and 1"),
        ([[0, 1], [1, 0]], [INPUT, OUTPUT], "edge from vertex 1 to vertex 0"),
        ([[1, 1], [0, 0]], [INPUT, OUTPUT], "edge from vertex 0 to vertex 0"),
        (CHAIN, [INPUT, OUTPUT], "one operation for each of the 3 vertices"),
    ],
)
def test_malformed_cells_are_refused(matrix, ops, words):
    with pytest.raises(ArchitectureError, match=words):
        ModelSpec(matrix, ops)


@pytest.mark.parametrize(
    ("matrix", "ops", "words"),
    [
        (np.zeros((3, 3), int), [INPUT, C3, OUTPUT], "a path from input to output"),
        (np.eye(8, k=1, dtype=int), [INPUT, *[C3] * 6, OUTPUT], "at most 7 vertices, found 8"),
        (np.triu(np.ones((5, 5), int), 1), [INPUT, *[C3] * 3, OUTPUT], "at most 9 edges, found 10"),
        (CHAIN, ["conv", C3, OUTPUT], "as first operation, found 'conv'"),
        (CHAIN, [INPUT, C3, C3], "as last operation"),
        (CHAIN, [INPUT, "conv3x3-bn", OUTPUT], "did you mean 'conv3x3-bn-relu'"),
    ],
)
def test_a_cell_outside_the_space_says_which_rule_it_breaks(matrix, ops, words):
    spec = ModelSpec(matrix, ops)
    assert words in spec.broken_rule
    with pytest.raises(ArchitectureError, match=words):
        SPACE.index_of_spec(spec)


def test_rules_hold_for_the_pruned_cell_only():
    matrix = np.triu(np.ones((8, 8), int), 1)
    matrix[2:-1, -1] = 0
    spec = ModelSpec(matrix, [INPUT, C1, *["unknown"] * 5, OUTPUT])
    assert spec.broken_rule == ""
    assert spec.ops == [INPUT, C1, OUTPUT]


def test_a_cell_without_a_path_has_no_hash():
    with pytest.raises(ArchitectureError, match="no path"):
        ModelSpec(np.zeros((2, 2), int), [INPUT, OUTPUT]).hash_spec()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "vertex 1"),
        ("output", "vertex 1"),
        ("conv3x3-bn-relu~0+output~1~1", "fed once"),
        ("conv3x3-bn-relu~1+output~1", "fed once by earlier"),
        ("conv3x3-bn-relu~0+output~0~x", "operation~vertex"),
        ("conv5x5-bn-relu~0+output~1", "unknown operation"),
        ("conv3x3-bn-relu~0+conv3x3-bn-relu~1", "last operation"),
    ],
)
def test_malformed_strings_say_what_is_wrong(text, words):
    with pytest.raises(ArchitectureError, match=words):
        SPACE.parse(text)


def test_indices_outside_the_space_are_refused():
    for index in (-1, 423_624):
        with pytest.raises(ArchitectureError, match="expected 0 to 423623"):
            SPACE.to_string(index)


@given(indices, st.sampled_from(["published", "one_change"]), st.integers(0, 2**32 - 1))
def test_mutation_stays_in_the_space(index, rule, seed):
    mutant = SPACE.mutate(index, np.random.default_rng(seed), rule)
    assert 0 <= mutant < len(SPACE)
    assert mutant == SPACE.mutate(index, np.random.default_rng(seed), rule)
    if rule == "one_change" and index > 0:
        assert mutant != index


@given(indices, st.integers(0, 2**32 - 1))
def test_encodings_drawn_for_a_cell_are_encodings_of_it(index, seed):
    bits, digits = drawn_encoding(*SPACE.cell(index), np.random.default_rng(seed))
    assert SPACE._index(bits, operation_code(digits.tolist())) == index


def test_encodings_differ_where_vertices_are_unused():
    rng = np.random.default_rng(0)
    start = SPACE.parse(f"{C3}~0+output~1")
    drawn = [drawn_encoding(*SPACE.cell(start), rng) for _ in range(60)]
    assert len({bits for bits, _ in drawn}) > 40
    assert len({tuple(digits.tolist()) for _, digits in drawn}) > 40


def test_published_mutation_grows_and_shrinks_cells():
    vertices, _, _ = SPACE.cells
    rng = np.random.default_rng(0)
    start = SPACE.parse(f"{C3}~0+{MP}~1+output~2")
    sizes = {int(vertices[SPACE.mutate(start, rng, "published")]) for _ in range(200)}
    assert min(sizes) < 4 < max(sizes)


def test_unknown_mutations_are_refused():
    with pytest.raises(UnknownNameError, match="one_change, published"):
        SPACE.mutate(0, np.random.default_rng(0), "edge")


@given(indices)
def test_neighbours_are_one_change_away_before_pruning(index):
    spec = SPACE.specification(index)
    vertices = len(spec.ops)
    expected = set()
    for x, y in zip(*np.triu_indices(vertices, 1), strict=True):
        matrix = spec.matrix.copy()
        matrix[x, y] ^= 1
        expected.add((matrix.tobytes(), tuple(spec.ops)))
    for vertex in range(1, vertices - 1):
        for name in OPERATIONS:
            ops = [*spec.ops[:vertex], name, *spec.ops[vertex + 1 :]]
            expected.add((spec.matrix.tobytes(), tuple(ops)))
    found = set()
    for data, ops in expected:
        matrix = np.frombuffer(data, dtype=np.int8).reshape(vertices, vertices)
        changed = ModelSpec(matrix, ops)
        if not changed.broken_rule:
            found.add(SPACE.index_of_spec(changed))
    assert SPACE.neighbours(index) == sorted(found - {index})


def naive_distance(first, second):
    """The definition, with matrices and dictionaries."""
    size = max(len(first.ops), len(second.ops), 7)

    def wide(spec):
        matrix = np.zeros((size, size), dtype=int)
        places = [*range(len(spec.ops) - 1), size - 1]
        matrix[np.ix_(places, places)] = spec.matrix
        return matrix, dict(enumerate(spec.ops[1:-1], start=1))

    (one, names), (other, others) = wide(first), wide(second)
    costs = []
    for order in permutations(range(1, size - 1)):
        new = [0, *order, size - 1]
        moved = np.zeros_like(other)
        moved[np.ix_(new, new)] = other
        labels = {new[vertex]: name for vertex, name in others.items()}
        differ = sum(names[v] != labels[v] for v in names.keys() & labels.keys())
        costs.append(int((one != moved).sum()) + differ)
    return min(costs)


@pytest.mark.parametrize("seed", [0, 1])
def test_distances_to_all_cells_are_the_naive_ones(seed):
    rng = np.random.default_rng(seed)
    target = SPACE.specification(SPACE.sample(rng)) if seed else inception()
    distances = distances_to(SPACE, target)
    for index in rng.integers(len(SPACE), size=50).tolist():
        assert distances[index] == naive_distance(SPACE.specification(index), target)
    assert np.flatnonzero(distances == 0).tolist() == [SPACE.index_of_spec(target)]


@pytest.mark.shared_data
def test_hashes_and_representatives_of_the_published_table(shared_data):
    with np.load(shared_data / "nasbench101" / "nb101_108ep.npz") as archive:
        table = dict(archive)
    vertices, bits = table["n_vertices"], table["adj_bits"].astype(np.int64)
    seen = []
    for size in SIZES:
        rows = np.flatnonzero(vertices == size)
        codes = np.zeros(len(rows), dtype=np.int64)
        for column in range(size - 2):
            codes = codes * 3 + table["ops"][rows, column]
        found = SPACE.pruned_indices(size, bits[rows], codes)
        seen.append(found)
        # The table keeps the first cell of each hash, as the space does.
        assert (SPACE.cells[1][found] == bits[rows]).all()
        assert (SPACE.cells[2][found] == codes).all()
        for row, index in list(zip(rows, found, strict=True))[:: max(1, len(rows) // 300)]:
            expected = table["hash_md5"][row].tobytes().hex()
            assert SPACE.specification(int(index)).hash_spec() == expected
    assert np.array_equal(np.sort(np.concatenate(seen)), np.arange(len(SPACE)))


def test_hashes_of_a_range_are_those_of_the_single_cells():
    found = [
        row.tobytes().hex()
        for row in cell_hashes(*(column[60_000:60_100] for column in SPACE.cells))
    ]
    assert found == [SPACE.specification(i).hash_spec() for i in range(60_000, 60_100)]


def test_places_by_hash_sort_the_hashes():
    hashes = np.random.default_rng(0).integers(0, 3, size=(200, 16), dtype=np.uint8)
    words = [row.tobytes() for row in hashes]
    assert len(set(words)) == 200
    expected = [sorted(words).index(word) for word in words]
    assert places_by_hash(hashes).tolist() == expected


@pytest.mark.slow
@pytest.mark.shared_data
def test_all_hashes_are_those_of_the_published_table(shared_data, tmp_path):
    write_cells(tmp_path / "cells.h5")
    cells = read_dataset(tmp_path / "cells.h5", "cells")
    place = cells["official_index"].to_numpy()
    with np.load(shared_data / "nasbench101" / "nb101_108ep.npz") as table:
        assert (table["hash_md5"][place] == cells["hash"].to_numpy()).all()
        assert (table["adj_bits"][place] == cells["graph_bits"].to_numpy()).all()
    assert np.array_equal(np.sort(place), np.arange(423_624))


def test_regularized_evolution_runs_on_the_space_and_beats_its_start():
    """Fitness: the share of 3 x 3 convolutions among the operations."""
    vertices, _, codes = SPACE.cells
    fitness = np.zeros(len(SPACE))
    for size in SIZES:
        rows = vertices == size
        digits = operation_digits(size)[codes[rows]]
        fitness[rows] = (digits == 0).sum(axis=1) / max(1, size - 2)
    settings = SimpleNamespace(population=10, sample=3, replacement=True, mutation="published")
    firsts, lasts = [], []
    for run in range(5):
        rng = np.random.default_rng(run)
        evolution, asked = RegularizedEvolution(SPACE, rng, settings), []
        for _ in range(60):
            asked.append(evolution.ask())
            evolution.tell(asked[-1], fitness[asked[-1]])
        firsts.append(fitness[asked[:10]].mean())
        lasts.append(fitness[asked[-10:]].mean())
    assert np.mean(lasts) > np.mean(firsts) + 0.15
