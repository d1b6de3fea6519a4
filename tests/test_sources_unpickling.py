"""The restricted unpickler: reads what data files hold, refuses everything else."""

from __future__ import annotations

import bz2
import collections
import io
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainfree.errors import ForbiddenPickleError, SourceError
from trainfree.sources.formats.unpickling import load_bz2_pickle, load_pickle


def load(content: bytes, **options):
    return load_pickle(io.BytesIO(content), "data/some.pickle", **options)


class _Call:
    """Pickles to a call of any function, as a hostile file would."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", range(5))
def test_numpy_and_containers_come_back(protocol):
    value = collections.OrderedDict(
        array=np.arange(12, dtype=np.uint8).reshape(3, 4), scalar=np.float64(0.25), raw=b"\x00\xff"
    )
    found = load(pickle.dumps(value, protocol=protocol))
    assert type(found) is collections.OrderedDict
    np.testing.assert_array_equal(found["array"], value["array"])
    assert found["array"].dtype == np.uint8
    assert found["scalar"] == 0.25
    assert type(found["scalar"]) is np.float64
    assert found["raw"] == b"\x00\xff"


def test_the_old_and_the_new_module_name_of_numpy_are_admitted():
    content = pickle.dumps(np.arange(3.0), protocol=2)
    new, old = b"numpy._core.multiarray", b"numpy.core.multiarray"
    assert new in content or old in content
    for name in (new, old):
        renamed = content.replace(new, name).replace(old, name)
        np.testing.assert_array_equal(load(renamed), np.arange(3.0))


@pytest.mark.parametrize("protocol", range(6))
def test_a_forbidden_global_is_named_and_not_called(protocol, tmp_path):
    target = tmp_path / "written-by-the-pickle"
    content = pickle.dumps({"a": _Call(Path.write_text, target, "x")}, protocol=protocol)
    with pytest.raises(ForbiddenPickleError, match=r"data/some\.pickle: asks for "):
        load(content)
    assert not target.exists()


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"),
        ("posix", "system"),
        ("builtins", "eval"),
        ("__builtin__", "eval"),
        ("numpy", "load"),
        ("numpy.core.multiarray", "fromfile"),
        ("collections", "namedtuple"),
        ("functools", "partial"),
    ],
)
def test_every_other_global_is_refused(module, name):
    content = f"c{module}\n{name}\n.".encode()
    with pytest.raises(ForbiddenPickleError, match=f"{module}.{name}"):
        load(content)


def test_codecs_encode_is_admitted_for_latin1_only():
    def call(encoding: bytes) -> bytes:
        return b"c_codecs\nencode\n(Va\\u00ff\nV" + encoding + b"\ntR."

    assert load(call(b"latin1")) == b"a\xff"
    with pytest.raises(ForbiddenPickleError, match=r"some\.pickle: asks for _codecs.encode.*rot13"):
        load(call(b"rot13"))


DTYPE = b"cnumpy\ndtype\n(V%s\nI00\nI00\ntR"  # not copied: numpy would hand out its own


def test_a_pickle_cannot_change_a_dtype_of_the_process():
    """With numpy's own dtype, this state would mark float64 as holding Python objects."""
    before = np.dtype("f8").flags
    with pytest.raises(SourceError, match=r"some\.pickle"):
        load(DTYPE % b"f8" + b"(I3\nV<\nN(Va\ntNI-1\nI-1\nI63\ntb.")
    load(DTYPE % b"f8" + b"(I3\nV<\nNNNI-1\nI-1\nI63\ntb.")
    assert np.dtype("f8").flags == before
    assert np.dtype("f8").newbyteorder("<").flags == before


@pytest.mark.parametrize("code", [b"O", b"O8", b"V8", b"M8[s]", b"f8,O", b"S0", b"(3,)O", b""])
def test_arrays_of_objects_are_refused(code):
    with pytest.raises(SourceError, match="plain number"):
        load(DTYPE % code + b".")


@pytest.mark.parametrize(
    "shape", [b"(I3\nt", b"(I-1\nI-2\nt", b"(I4611686018427387904\nI4\nt", b"N"]
)
def test_an_array_whose_shape_does_not_fit_its_bytes_is_refused(shape):
    array = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntVb\ntR"
    state = b"(I1\n" + shape + DTYPE % b"f8" + b"I00\nC\x10" + bytes(16) + b"tb."
    with pytest.raises(SourceError, match=r"some\.pickle"):
        load(array + state)
    assert load(array + state.replace(shape, b"(I2\nt", 1)).tolist() == [0.0, 0.0]


def test_an_array_of_objects_of_numpy_itself_is_refused():
    with pytest.raises(SourceError, match="plain number"):
        load(pickle.dumps(np.array([{}, None], dtype=object), protocol=2))


def test_every_truncation_is_a_source_error_that_names_the_file():
    content = pickle.dumps({"data": np.arange(20), "labels": [1, 2], "x": np.float64(1)}, 2)
    for length in range(len(content)):
        with pytest.raises(SourceError, match=r"data/some\.pickle: .*truncated"):
            load(content[:length])


def test_a_truncated_or_foreign_bz2_file_is_a_source_error():
    content = bz2.compress(pickle.dumps(list(range(1000)), protocol=4))
    assert load_bz2_pickle(content, "000000.pickle.pbz2") == list(range(1000))
    for broken in (content[:-10], content[:20], b"", b"not bzip2 at all"):
        with pytest.raises(SourceError, match=r"000000\.pickle\.pbz2"):
            load_bz2_pickle(broken, "000000.pickle.pbz2")


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    max_leaves=10,
)


@given(value=plain, protocol=st.integers(0, 5))
def test_plain_values_come_back_from_every_protocol(value, protocol):
    assert load(pickle.dumps(value, protocol=protocol)) == value


@given(value=plain, position=st.floats(0, 1, exclude_max=True), byte=st.integers(0, 255))
def test_a_flipped_byte_gives_a_value_or_a_source_error(value, position, byte):
    content = bytearray(pickle.dumps({"a": value, "b": np.arange(3)}, protocol=4))
    content[int(position * len(content))] = byte
    raised = None
    try:
        load(bytes(content))
    except SourceError as error:
        raised = error
    assert raised is None or "data/some.pickle" in str(raised)


@pytest.mark.parametrize(
    "content",
    [b"\x80\x04Nr\xff\xff\xff\x7f.", b"Np4000000000\n.", b"\x80\x02]q\x00r\x00\x00\x00\x10."],
)
def test_a_memo_far_beyond_the_file_is_refused_before_room_is_made_for_it(content):
    with pytest.raises(SourceError, match="of its memo"):
        load(content)


@given(value=plain, protocol=st.integers(0, 5))
def test_no_memo_that_a_pickler_writes_is_refused(value, protocol):
    shared = [value, value]
    assert load(pickle.dumps([shared, shared], protocol=protocol)) == [shared, shared]


def test_the_look_at_the_memo_sees_the_opcodes_that_are_there():
    """A letter inside a string is no opcode."""
    text = "r\x7f\x7f\x7f\x7f" * 3 + "p4000000000\n"
    for protocol in range(6):
        assert load(pickle.dumps(["x", text, {"b": text}], protocol=protocol))[1] == text
