"""Pairs of cells of ENAS: numbers, texts and networks of NDS say the same; wrong ones are named."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainfree.errors import ArchitectureError
from trainfree.spaces.nds.networks import Cell, parse_network
from trainfree.weight_sharing.convolutional.cell import (
    OPERATIONS,
    PUBLISHED,
    CellPair,
    kinds,
    options,
    pair_of,
    pair_of_network,
    parse_pair,
    parse_published,
    random_pair,
)

pytestmark = pytest.mark.usefixtures("one_thread")


@st.composite
def choices(draw: st.DrawFn) -> list[int]:
    return [draw(st.integers(0, most - 1)) for most in options(draw(st.integers(1, 6)))]


@given(choices())
def test_numbers_texts_and_networks_lead_back_to_the_pair(numbers: list[int]) -> None:
    pair = pair_of(numbers)
    assert pair.choices == tuple(numbers)
    assert parse_pair(str(pair)) == pair
    network = pair.network(16, 5)
    assert parse_network(str(network)) == network
    assert pair_of_network(network) == pair


@given(choices())
def test_the_output_is_what_no_node_reads(numbers: list[int]) -> None:
    pair = pair_of(numbers)
    for cell, first in ((pair.normal, 0), (pair.reduction, 2)):
        every = range(first, 2 + pair.nodes)
        assert set(cell.output) == {state for state in every if state not in cell.inputs}
        assert 1 + pair.nodes in cell.output


@given(st.integers(0, 2**32), st.integers(1, 6))
def test_a_random_pair_is_one_of_the_space(seed: int, nodes: int) -> None:
    pair = random_pair(np.random.default_rng(seed), nodes)
    assert pair.nodes == nodes
    assert pair_of(pair.choices) == pair


def test_random_pairs_are_uniform_in_every_choice() -> None:
    rng = np.random.default_rng(0)
    drawn = np.array([random_pair(rng, 2).choices for _ in range(3000)])
    for place, most in enumerate(options(2)):
        counts = np.bincount(drawn[:, place], minlength=most)
        assert len(counts) == most
        assert np.abs(counts - 3000 / most).max() < 5 * np.sqrt(3000 / most)


def test_options_grow_with_the_nodes_and_kinds_share_them() -> None:
    assert options(2) == (2, 2, 5, 5, 3, 3, 5, 5) * 2
    assert kinds(2) == (0, 0, 2, 2, 1, 1, 2, 2) * 2


def test_the_published_cells_are_read_as_their_authors_number_them() -> None:
    pair = parse_published(PUBLISHED)
    assert pair.nodes == 5
    first, last = pair.normal.operations[:2], pair.reduction.operations[-2:]
    assert first == ("avg_pool_3x3", "sep_conv_3x3")
    assert pair.normal.inputs == (0, 0, 0, 0, 0, 1, 1, 0, 0, 1)
    assert pair.normal.output == (2, 3, 4, 5, 6)
    assert last == ("max_pool_3x3", "sep_conv_5x5")
    assert pair.reduction.inputs == (1, 1, 0, 0, 1, 3, 1, 0, 0, 1)
    assert pair.reduction.output == (2, 4, 5, 6)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "expected two cells as in normal=sep_conv_3x3~0"),
        ("normal=sep_conv_3x3~0+skip_connect~1>2", "'reduce'"),
        ("normal=conv_1x1~0+skip_connect~1>2 reduce=skip_connect~0+skip_connect~1>2", "conv_1x1"),
        ("normal=odd~0+skip_connect~1>2 reduce=skip_connect~0+skip_connect~1>2", "'odd'"),
        ("normal=skip_connect~2+skip_connect~1>2 reduce=skip_connect~0+skip_connect~1>2", "0 to 1"),
        ("normal=skip_connect~0+skip_connect~0>2 reduce=skip_connect~0+skip_connect~1>2", r"\[1"),
        (
            "normal=skip_connect~0+skip_connect~1>2 reduce=skip_connect~0+skip_connect~1+"
            "skip_connect~0+skip_connect~1>2,3",
            "as many nodes in both, found 1 and 2",
        ),
    ],
)
def test_texts_that_are_no_pair_are_named(text: str, words: str) -> None:
    with pytest.raises(ArchitectureError, match=words):
        parse_pair(text)


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ([], "8 numbers a node, found 0"),
        ([0] * 7, "8 numbers a node, found 7"),
        ([0, 2, 0, 0, 0, 0, 0, 0], "number 1 to be 0 to 1, found 2"),
        ([0, 0, 5, 0, 0, 0, 0, 0], "number 2 to be 0 to 4, found 5"),
        ([-1, 0, 0, 0, 0, 0, 0, 0], "number 0 to be 0 to 1, found -1"),
    ],
)
def test_numbers_that_are_no_pair_are_named(numbers: list[int], words: str) -> None:
    with pytest.raises(ArchitectureError, match=words):
        pair_of(numbers)


@pytest.mark.parametrize(
    ("text", "words"),
    [("", "other words"), ("0 1 x", "other words"), ("0 1 0", "4 numbers a node")],
)
def test_published_texts_that_are_none_are_named(text: str, words: str) -> None:
    with pytest.raises(ArchitectureError, match=words):
        parse_published(text)


def test_networks_of_other_kinds_are_refused() -> None:
    with pytest.raises(ArchitectureError, match="one of stages"):
        pair_of_network(parse_network("stages double_plain_block d=1,12 w=16,24 s=1,1"))
    cell = Cell((OPERATIONS[0],), (0,), (0,))
    with pytest.raises(ArchitectureError, match="two operations a node"):
        CellPair(cell, cell)
