"""Spaces of choices: every combination has one index and one name."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainfree.errors import ArchitectureError, ConfigError, UnknownNameError
from trainfree.spaces.checks import check_space
from trainfree.spaces.choices import ChoiceSpace

OPTION = st.one_of(st.integers(-9, 99), st.text("abc-_.", min_size=1))
CHOICES = st.dictionaries(
    st.text("kernl", min_size=1),
    st.lists(OPTION, min_size=1, max_size=4, unique_by=str),
    min_size=1,
    max_size=4,
)


def space_of(given: object) -> ChoiceSpace:
    class Given(ChoiceSpace):
        name, choices = "given", given

    return Given()


@given(CHOICES)
def test_all_combinations_are_there_once_in_the_order_of_product(choices):
    space = space_of(choices)
    combinations = [dict(zip(choices, each, strict=True)) for each in product(*choices.values())]
    assert [space.chosen(index) for index in range(len(space))] == combinations
    assert [space.parse(space.to_string(index)) for index in range(len(space))] == list(
        range(len(space))
    )
    assert list(space.chosen(space.warm_up_architecture).values()) == [
        options[-1] for options in choices.values()
    ]
    check_space(space, "the space")


@given(CHOICES, st.data())
def test_neighbours_differ_in_one_choice_and_mutations_are_among_them(choices, data):
    space = space_of(choices)
    index = data.draw(st.integers(0, len(space) - 1))
    here, near = space.chosen(index), space.neighbours(index)
    expected = [
        other
        for other in range(len(space))
        if sum(here[name] != space.chosen(other)[name] for name in here) == 1
    ]
    assert sorted(near) == expected
    moved = space.mutate(index, np.random.default_rng(0), "one_change")
    assert moved in (near or [index])


def test_texts_may_be_spaced_and_wrong_ones_say_what_is_expected():
    space = space_of({"kernel": (1, 3), "act": ("relu", "gelu")})
    assert space.parse(" act=gelu , kernel=3 ") == 3
    for text, words in (
        ("kernel=5,act=gelu", "kernel: expected one of 1, 3; a whole one is 'kernel=1,act=relu'"),
        ("kernel=3", "act: expected one of relu, gelu"),
        ("", "kernel: expected one of 1, 3"),
        ("kernel=3,act=gelu,width=2", "expected kernel, act once each"),
        ("kernel=3,kernel=1,act=gelu", "expected kernel, act once each"),
    ):
        with pytest.raises(ArchitectureError, match=words):
            space.parse(text)
    with pytest.raises(ArchitectureError, match="architecture 4 is not in given: expected 0 to 3"):
        space.to_string(4)
    with pytest.raises(UnknownNameError, match="known are: one_change"):
        space.mutate(0, np.random.default_rng(0), "edge")


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({}, "expected options by choice, found {}"),
        (None, "expected options by choice, found None"),
        ({"kernel": ()}, r"kernel: expected a tuple of options, found \(\)"),
        ({"kernel": "35"}, "kernel: expected a tuple of options, found '35'"),
        ({"kernel": (3, "3")}, "kernel: expected different options, found 3 twice"),
        ({"kernel": ("a=b",)}, "kernel: expected strings without , and = or numbers, found 'a=b'"),
        ({"kernel": (None,)}, "found None"),
        ({"kernel": (" 3",)}, "found ' 3'"),
        ({"a,b": (1, 2)}, "expected names of choices without , and =, found 'a,b'"),
        ({3: (1, 2)}, "expected names of choices"),
    ],
)
def test_choices_that_are_none_are_refused(choices, words):
    with pytest.raises(ConfigError, match=f"Given.choices: .*{words}"):
        space_of(choices)
