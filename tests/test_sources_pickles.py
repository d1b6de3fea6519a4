"""Pickles that make much of few bytes, or never end: refused before they are read."""

from __future__ import annotations

import bz2
import io
import pickle
import pickletools
import struct

import pytest

from trainfree.benchmarks.nats_bench.archive import read_nats_archive
from trainfree.errors import SourceError
from trainfree.sources.delivery import Delivery
from trainfree.sources.formats.unpickling import load_bz2_pickle, load_pickle
from trainfree.spaces import load_space

MINI = load_space("nasbench201_mini")


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x04\x8e" + (1 << 50).to_bytes(8, "little") + b"abc.",  # BINBYTES8
        b"\x80\x04\x8d" + (1 << 50).to_bytes(8, "little") + b"abc.",  # BINUNICODE8
        b"\x80\x05\x96" + (1 << 50).to_bytes(8, "little") + b"abc.",  # BYTEARRAY8
        b"\x80\x04\x95" + (1 << 60).to_bytes(8, "little") + b"N.",  # FRAME
        b"\x80\x02\x8b\xff\xff\xff\x7f\x01.",  # LONG4
        b"\x80\x02T\xff\xff\xff\xffabc.",  # BINSTRING of length -1
        b"\x80\x03B\xff\xff\xff\xffabc.",  # BINBYTES
        b"\x80\x04N" + b"0" * 50 + b".",  # more POPs than there is
        b"\x80\x04h\x07.",  # a GET of nothing
        b"\x80\x04t.",  # a tuple from no mark
    ],
)
def test_lengths_that_a_pickle_claims_are_checked_first(content):
    with pytest.raises(SourceError, match=r"some\.pickle: cannot be read as a pickle"):
        load_pickle(io.BytesIO(content), "some.pickle")


def laughs(levels: int, width: int) -> bytes:
    """Return a pickle of tuples, each of the one before ``width`` times, as a dictionary's key."""
    content = b"\x80\x04}(K\x01\x94"
    for _ in range(levels):
        content = content[:-1] + b"\x94" if content.endswith(b"\x94") else content
        content += b"0(" + b"h\x00" * width + b"tq\x00"
    return content + b"Nu."


@pytest.mark.parametrize(("levels", "width"), [(40, 2), (12, 10), (4, 1000)])
def test_tuples_within_tuples_that_would_take_for_ever_to_hash_are_refused(levels, width):
    content = laughs(levels, width)
    assert len(content) < 20_000
    with pytest.raises(SourceError, match=r"some\.pickle: .*nests tuples"):
        load_pickle(io.BytesIO(content), "some.pickle")


def test_a_memo_index_with_leading_noughts_cannot_hide_a_tuple():
    content = b"\x80\x02K\x01p5\n0(h\x05h\x05tp" + b"0" * 25 + b"5\n."
    with pytest.raises(SourceError, match="a place in the memo of 26 digits"):
        load_pickle(io.BytesIO(content), "some.pickle")


def test_a_pickle_that_makes_millions_of_objects_is_refused():
    content = b"\x80\x04]" + b"]0" * 2_000_001 + b"."
    with pytest.raises(SourceError, match="makes more than 2,000,000"):
        load_pickle(io.BytesIO(content), "some.pickle")


def test_the_look_follows_what_picklers_write():
    """Shared, nested and recursive things of every protocol come back."""
    shared = (1, "a", (2, 3))
    recursive: list[object] = [shared]
    recursive.append(recursive)
    value = {"a": [shared] * 5, shared: {4.5: None}, "text": "x" * 300, "big": 1 << 200, "b": b"\0"}
    for protocol in range(6):
        for content in (
            pickle.dumps(value, protocol),
            pickletools.optimize(pickle.dumps(value, protocol)),
        ):
            assert load_pickle(io.BytesIO(content), "some.pickle") == value
        found = load_pickle(io.BytesIO(pickle.dumps(recursive, protocol)), "some.pickle")
        assert found[1] is found


def test_a_pickle_has_a_bound_of_its_own():
    content = bz2.compress(pickle.dumps(bytes(1000), 4))
    with pytest.raises(SourceError, match=r"000001.*at most 500 bytes, found more"):
        load_bz2_pickle(content, "000001", most=500)


def nested_list() -> list[object]:
    """2 to the 60 numbers for whoever walks through them."""
    inner: list[object] = [1.0]
    for _ in range(60):
        inner = [inner, inner]
    return inner


@pytest.mark.parametrize("place", ["train_times", "eval_acc1es", "params", "arch_index", "seed"])
def test_lists_within_lists_in_a_record_end_in_a_sentence(tmp_path, place):
    training = {
        "eval_acc1es": {"ori-test@199": 90.0},
        "train_times": {0: 2.0},
        "params": 0.5,
        "flop": 1.5,
    }
    record = {"arch_index": 3, "arch_str": MINI.to_string(5)}
    seed: object = 777
    if place == "seed":
        seed = (1, 2)
    elif place == "arch_index":
        record[place] = nested_list()
    elif place == "params":
        training[place] = nested_list()
    else:
        training[place] = {"ori-test@199": nested_list()}
    content = {"200": record | {"all_results": {("cifar10", seed): training}}}
    (tmp_path / "000003.pickle.pbz2").write_bytes(bz2.compress(pickle.dumps(content)))
    with pytest.raises(SourceError, match=r"000003\.pickle\.pbz2") as raised:
        read_nats_archive(Delivery("official", "nats", {"archive": tmp_path}), MINI)
    assert len(str(raised.value)) < 1000


def repeated(made: bytes, times: int = 3000) -> bytes:
    """Return a list of what one piece of a pickle makes, many times."""
    return b"](" + made * times + b"e."


BIG = b"X" + struct.pack("<I", 50_000) + b"x" * 50_000  # a text
RAW = b"B" + struct.pack("<I", 80_000) + bytes(80_000)
DTYPE = b"cnumpy\ndtype\n(X\x02\x00\x00\x00f8I00\nI00\ntR"
SWAPPED = DTYPE + b"(I3\nX\x01\x00\x00\x00>NNNI-1\nI-1\nI0\ntb"
ENTRIES = b"](" + b"".join(b"(I%d\nNt" % number for number in range(5000)) + b"e"


@pytest.mark.parametrize(
    ("before", "made"),
    [
        (b"c_codecs\nencode\nq\x000" + BIG + b"X\x06\x00\x00\x00latin1\x86q\x010", b"h\x00h\x01R"),
        (
            b"cnumpy.core.multiarray\n_reconstruct\nq\x000cnumpy\nndarray\nK\x00\x85C\x01b\x87q\x010"
            + (b"(K\x01M\x10\x27\x85" + SWAPPED + b"I00\n" + RAW + b"tq\x020"),
            b"h\x00h\x01Rh\x02b",
        ),
        (b"ccollections\nOrderedDict\nq\x000" + ENTRIES + b"\x85q\x010", b"h\x00h\x01R"),
    ],
    ids=["bytes", "arrays", "dictionaries"],
)
def test_copies_of_what_a_pickle_holds_have_a_budget(before, made):
    """Each of them is a few bytes that make a copy of many."""
    content = b"\x80\x04" + before + repeated(made)
    with pytest.raises(SourceError, match="makes many times as many bytes as it has"):
        load_pickle(io.BytesIO(content), "some.pickle")
    assert len(load_pickle(io.BytesIO(b"\x80\x04" + before + repeated(made, 3)), "x")) == 3


class _Record:
    """Stands for the classes that a reader admits."""


@pytest.mark.parametrize("state", [b"h\x02", b"Nh\x02\x86"])
def test_one_dictionary_is_not_the_state_of_many_objects(state):
    entries = b"}(" + b"".join(b"X\x05\x00\x00\x00k%04dN" % number for number in range(2000)) + b"u"
    made = b"h\x01)\x81" + state + b"b"
    content = b"\x80\x04" + entries + b"q\x020" + b"cm\nRecord\nq\x010" + repeated(made)
    with pytest.raises(SourceError, match="gives a state to an object that other objects have too"):
        load_pickle(io.BytesIO(content), "x", {("m", "Record"): _Record})
    fresh = b"\x80\x04cm\nRecord\nq\x01)\x81}X\x01\x00\x00\x00aK\x07sb."
    assert load_pickle(io.BytesIO(fresh), "x", {("m", "Record"): _Record}).a == 7


def test_numbers_that_all_have_one_hash_are_refused():
    """A dictionary of 100,000 of them takes minutes, of a million hours."""
    modulus = (1 << 61) - 1
    content = pickle.dumps(dict.fromkeys((k * modulus << 10 for k in range(1, 1100)), 0), 4)
    with pytest.raises(SourceError, match="more than 1,000 numbers of over 64 bits"):
        load_pickle(io.BytesIO(content), "x")


def test_a_pickle_cannot_change_what_it_is_given():
    """The functions that stand for numpy's are the process's own."""
    content = b"\x80\x04c_codecs\nencode\n}X\x08\x00\x00\x00__name__X\x01\x00\x00\x00xsb."
    with pytest.raises(SourceError, match="a function is given a state"):
        load_pickle(io.BytesIO(content), "x")
