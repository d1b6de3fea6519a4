"""The topology space against published counts, real tables and naive definitions."""

from __future__ import annotations

from collections import Counter
from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainfree.errors import ArchitectureError, ImageError, UnknownNameError
from trainfree.spaces import SPACE_NAMES, build_network, describes_networks, load_space
from trainfree.spaces.nasbench201.canonical import canonical_form
from trainfree.spaces.nasbench201.space import NASLIB_EDGES, NASLIB_OPERATIONS

SPACE = load_space("nasbench201")
OFFICIAL_0 = (
    "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+"
    "|nor_conv_1x1~0|skip_connect~1|skip_connect~2|"
)
indices = st.integers(0, len(SPACE) - 1)


@given(indices)
def test_every_encoding_leads_back(index):
    assert SPACE.index_of(SPACE.digits(index)) == index
    assert SPACE.parse(SPACE.to_string(index)) == index
    assert SPACE.from_naslib(SPACE.to_naslib(index)) == index


def test_order_is_lexicographic_in_the_digits():
    assert len(SPACE) == 15625
    assert list(SPACE) == list(product(range(5), repeat=6))
    assert [SPACE.index_of(digits) for digits in SPACE] == list(range(15625))


def test_naslib_code_follows_its_definition():
    index = SPACE.parse(OFFICIAL_0)
    by_edge = {
        (1, 0): "avg_pool_3x3",
        (2, 0): "nor_conv_1x1",
        (2, 1): "skip_connect",
        (3, 0): "nor_conv_1x1",
        (3, 1): "skip_connect",
        (3, 2): "skip_connect",
    }
    expected = tuple(NASLIB_OPERATIONS.index(by_edge[edge]) for edge in NASLIB_EDGES)
    assert SPACE.to_naslib(index) == expected == (4, 3, 3, 0, 0, 0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "3 parts"),
        (OFFICIAL_0[:-1], "between"),
        (OFFICIAL_0.replace("skip_connect~2", "skip_conect~2"), "did you mean 'skip_connect'"),
        (OFFICIAL_0.replace("~2", "~3"), "fed once by each earlier"),
        (OFFICIAL_0.replace("|skip_connect~2", ""), "no edge 3<-2"),
        (OFFICIAL_0.replace("avg_pool_3x3~0", "avg_pool_3x3"), "operation~node"),
        (OFFICIAL_0.replace("skip_connect~2", "skip_connect~0"), "fed once"),
    ],
)
def test_malformed_strings_say_what_is_wrong(text, words):
    with pytest.raises(ArchitectureError, match=words) as caught:
        SPACE.parse(text)
    assert repr(text) in str(caught.value)


@given(st.text(alphabet="|+~012noe_convskip", max_size=60))
def test_no_string_breaks_the_parser(text):
    try:
        index = SPACE.parse(text)
    except ArchitectureError:
        return
    assert SPACE.to_string(index) == text.strip()


def test_numbers_outside_the_space_are_refused():
    for index in (-1, 15625):
        with pytest.raises(ArchitectureError, match="expected 0 to 15624"):
            SPACE.digits(index)
    with pytest.raises(ArchitectureError, match="6 operation codes"):
        SPACE.index_of((0, 0, 0, 0, 0, 5))
    with pytest.raises(ArchitectureError, match="NASLib"):
        SPACE.from_naslib((0, 0, 0))
    with pytest.raises(UnknownNameError, match="did you mean 'nasbench201'"):
        load_space("nasbench-201")


@pytest.mark.parametrize(
    ("rule", "classes"), [("skip", 12751), ("skip_none", 6466), ("function", 5260)]
)
def test_counts_of_unique_cells(rule, classes):
    assert len({canonical_form(SPACE, index, rule) for index in range(len(SPACE))}) == classes


def test_count_of_connected_cells():
    assert sum(SPACE.is_connected(index) for index in range(len(SPACE))) == 15284


def test_swapping_the_inner_nodes_is_one_function():
    conv = "nor_conv_3x3"
    left = SPACE.parse(f"|{conv}~0|+|skip_connect~0|none~1|+|none~0|avg_pool_3x3~1|{conv}~2|")
    right = SPACE.parse(f"|skip_connect~0|+|{conv}~0|none~1|+|none~0|{conv}~1|avg_pool_3x3~2|")
    assert canonical_form(SPACE, left, "function") == canonical_form(SPACE, right, "function")


def test_shared_convolution_is_not_two_convolutions():
    conv = "nor_conv_3x3"
    shared = SPACE.parse(f"|{conv}~0|+|none~0|skip_connect~1|+|none~0|{conv}~1|skip_connect~2|")
    separate = SPACE.parse(f"|{conv}~0|+|{conv}~0|none~1|+|none~0|{conv}~1|skip_connect~2|")
    assert canonical_form(SPACE, shared, "function") != canonical_form(SPACE, separate, "function")


@given(indices, st.sampled_from(["edge", "node_then_edge"]), st.integers(0, 2**32 - 1))
def test_mutation_changes_exactly_one_edge(index, rule, seed):
    child = SPACE.mutate(index, np.random.default_rng(seed), rule)
    assert child in SPACE.neighbours(index)


@given(indices)
def test_neighbours_are_all_that_differ_in_one_edge(index):
    digits = SPACE.digits(index)
    naive = {
        SPACE.index_of((*digits[:edge], code, *digits[edge + 1 :]))
        for edge in range(6)
        for code in range(5)
        if code != digits[edge]
    }
    found = SPACE.neighbours(index)
    assert len(found) == 24
    assert set(found) == naive


@pytest.mark.parametrize(
    ("rule", "expected"),
    [("edge", [1 / 6] * 6), ("node_then_edge", [1 / 3, 1 / 6, 1 / 6, 1 / 9, 1 / 9, 1 / 9])],
)
def test_mutation_draws_edges_with_the_published_probabilities(rule, expected):
    rng, parent = np.random.default_rng(0), 7777
    before, changed, new_codes = SPACE.digits(parent), Counter(), Counter()
    for _ in range(6000):
        after = SPACE.digits(SPACE.mutate(parent, rng, rule))
        edge = next(e for e in range(6) if before[e] != after[e])
        changed[edge] += 1
        new_codes[(after[edge] - before[edge]) % 5] += 1
    frequencies = np.array([changed[edge] for edge in range(6)]) / 6000
    np.testing.assert_allclose(frequencies, expected, atol=0.025)
    np.testing.assert_allclose([new_codes[step] / 6000 for step in (1, 2, 3, 4)], 0.25, atol=0.025)


def test_sampling_is_uniform_over_operations():
    rng = np.random.default_rng(1)
    digits = np.array([SPACE.digits(SPACE.sample(rng)) for _ in range(5000)])
    for edge in range(6):
        np.testing.assert_allclose(np.bincount(digits[:, edge]) / 5000, 0.2, atol=0.03)


@pytest.mark.parametrize(
    ("size", "classes", "params", "flops"),
    [(32, 10, 129306, 15647370), (32, 100, 135156, 15653220), (16, 120, 136456, 3919480)],
)
def test_official_architecture_0_has_its_recorded_size(size, classes, params, flops):
    network = build_network(SPACE, SPACE.parse(OFFICIAL_0), size, classes)
    assert (network.params, network.flops) == (params, flops)


@pytest.mark.parametrize("size", [10, 30, 33])
def test_images_that_the_residual_blocks_cannot_halve_are_refused(size):
    with pytest.raises(ImageError, match=f"{size} x {size} pixels .* multiple of 4"):
        build_network(SPACE, 0, size, 10)


@pytest.mark.shared_data
def test_params_and_flops_of_all_architectures_equal_the_table(shared_data):
    table = pd.read_csv(shared_data / "nasbench201" / "nb201_tss.csv.gz")
    assert len(table) == len(SPACE)
    found = [
        (network.params, network.flops)
        for network in (build_network(SPACE, SPACE.parse(a), 32, 10) for a in table["arch_str"])
    ]
    expected = np.round(table[["params_c10_M", "flops_c10_M"]].to_numpy() * 1e6)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", [name for name in SPACE_NAMES if describes_networks(name)])
def test_networks_are_in_topological_order_and_end_in_the_classes(name):
    space = load_space(name)
    for index in np.random.default_rng(2).integers(len(space), size=20):
        network = build_network(space, int(index), 16, 7)
        for number, node in enumerate(network.nodes):
            assert all(source < number for source in node.sources)
        assert network.shapes[network.output] == (7,)
