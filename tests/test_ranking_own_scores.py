"""Lists of scores from anywhere: every encoding, and every way in which a file can be wrong."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainfree.errors import DataFileError, TrainfreeError, UnknownNameError
from trainfree.spaces import load_space
from trainfree.terminal.ranking import own_scores
from trainfree.terminal.ranking.own_scores import Reading, read_own_scores

SPACE = load_space("nasbench201")
MANY = [0, 1462, 6935, 15624]


def written(folder, text: str | bytes, name="mine.csv"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def read(folder, text: str | bytes, **reading):
    return read_own_scores(written(folder, text), SPACE, Reading(**reading))


@pytest.mark.parametrize(
    "encode",
    [
        str,
        SPACE.to_string,
        lambda i: ",".join(map(str, SPACE.digits(i))),
        lambda i: str(tuple(SPACE.operation_names(i))),
        lambda i: "naslib:" + ",".join(map(str, SPACE.to_naslib(i))),
    ],
    ids=["index", "string", "codes", "names", "naslib"],
)
def test_architectures_are_taken_in_every_encoding(encode, tmp_path):
    frame = pd.DataFrame({"mine": [1.0, -2.5, 3e2, 4.0], "arch": [encode(i) for i in MANY]})
    found = read(tmp_path, frame.to_csv(index=False))
    assert found.arch.tolist() == MANY
    assert found.scores["mine"].tolist() == [1.0, -2.5, 300.0, 4.0]


def test_bare_codes_can_be_naslibs(tmp_path):
    rows = "".join(f'"{",".join(map(str, SPACE.to_naslib(i)))}",{i}\n' for i in MANY)
    assert read(tmp_path, f"cell,s\n{rows}", encoding="naslib").arch.tolist() == MANY


def test_official_indices_are_those_of_the_benchmark_file(tmp_path):
    import xarray as xr

    order = np.random.default_rng(0).permutation(len(SPACE))
    benchmark = xr.Dataset({"official_index": ("arch", order)})
    path = written(tmp_path, f"index,s\n{order[7]},1\n{order[0]},2\n")
    found = read_own_scores(path, SPACE, Reading(encoding="official"), benchmark)
    assert found.arch.tolist() == [7, 0]
    with pytest.raises(DataFileError, match="only a benchmark file knows official indices"):
        read_own_scores(path, SPACE, Reading(encoding="official"))


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_missing_scores_are_no_numbers_and_infinities_are_values(separator, tmp_path):
    cells = ["", "NaN", "n/a", "None", "-inf", "inf", "−3", ".5", "1E2"]
    rows = "".join(f"{i}{separator}{cell}\n" for i, cell in enumerate(cells))
    found = read(tmp_path, "\ufeffindex" + separator + "s\r\n" + rows.replace("\n", "\r\n"))
    expected = [np.nan] * 4 + [-np.inf, np.inf, -3.0, 0.5, 100.0]
    np.testing.assert_array_equal(found.scores["s"], expected)


def test_columns_are_chosen_turned_and_told(tmp_path):
    text = ",architecture,loss,good,seconds\n0,5,1,2,fast\n1,6,3,4,slow\n"
    found = read(tmp_path, text, proxies=["loss", "good"], lower_is_better=["loss"])
    assert {name: list(values) for name, values in found.scores.items()} == {
        "loss": [-1.0, -3.0],
        "good": [2.0, 4.0],
    }
    assert found.ignored == ("(without a name)", "seconds")
    assert read(tmp_path, "a,b\n1,5\n", architecture="b").arch.tolist() == [5]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        (" \n\n", "is empty"),
        ("index,s\n", "a header and no rows"),
        ("index\n1\n", "expected a column of architectures and one of scores"),
        ("index,s,s\n1,2,3\n", "found 's' twice"),
        ("index,s\n1,2\n3\n", "line 3: expected 2 cells, found 1"),
        ("cell,s\n3,3,4,1,3,0,7\n", "put quotes around architectures with commas"),
        ("index,s\n1,high\n", "line 2: expected a number or nothing in 's', found 'high'"),
        ("index,s\n1,1_000\n", "found '1_000'"),
        ("index;s\n1;0,5\n", "found '0,5'"),
        ("index,s\n1,2\n2,3\n1,4\n", r"line 4: architecture 1 \('1'\) stands in line 2, too"),
        ("index,s\n15625,2\n", "line 2: architecture index 15625 is not in nasbench201"),
        ("index,s\nresnet18,2\n", "line 2: architecture 'resnet18' is in no known encoding"),
        ("index,s\n,2\n", "line 2: has no architecture"),
        ('index,s\n"1,2\n', "line 2: is no CSV"),
        ("index,s\n1,2\0\n", "found "),
        (b"index,s\n\xff\xfe,2\n", "is not text"),
        ("index,s\n1,2\n".encode("utf-16"), "is not text"),
        (b"PK\x03\x04\x14\x00\x06\x00", "expected a column"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(text, said, tmp_path):
    with pytest.raises(DataFileError, match=said) as caught:
        read(tmp_path, text)
    assert "mine.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_architecture_in_two_encodings_is_there_twice(tmp_path):
    text = f'cell,s\n6935,1\n"{SPACE.to_string(6935)}",2\n'
    with pytest.raises(DataFileError, match=r"line 3: architecture 6935 .* stands in line 2, too"):
        read(tmp_path, text)


def test_many_wrong_rows_are_counted(tmp_path):
    rows = "".join(f"{i},x\n" for i in range(20))
    with pytest.raises(DataFileError, match=r"line 2: .*line 6: .*; and 15 more\. Mend"):
        read(tmp_path, f"index,s\n{rows}")


def test_unknown_columns_are_refused_with_the_known_ones(tmp_path):
    for reading in ({"proxies": ["mime"]}, {"architecture": "mime"}, {"lower_is_better": ["mime"]}):
        with pytest.raises(UnknownNameError, match="did you mean 'mine'"):
            read(tmp_path, "index,mine\n1,2\n", **reading)
    with pytest.raises(DataFileError, match="'other' is turned round but not read"):
        read(tmp_path, "index,s,other\n1,2,3\n", proxies=["s"], lower_is_better=["other"])


def test_a_huge_file_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(own_scores, "LARGEST", 30)
    with pytest.raises(DataFileError, match="expected at most 30 bytes"):
        read(tmp_path, "index,s\n" + "1,2\n" * 30)


def test_a_cell_of_endless_digits_is_said_so(tmp_path):
    with pytest.raises(DataFileError, match="is no CSV"):
        read(tmp_path, f"index,s\n1,{'9' * 200_000}\n")
    assert read(tmp_path, f"index,s\n1,{'9' * 400}\n").scores["s"].tolist() == [np.inf]
    with pytest.raises(DataFileError, match="line 2"):
        read(tmp_path, f"index,s\n{'9' * 5000},1\n")


def test_a_folder_or_nothing_in_its_place_is_said_so(tmp_path):
    for path, said in ((tmp_path, "found a folder"), (tmp_path / "none.csv", "cannot be read")):
        with pytest.raises(DataFileError, match=said):
            read_own_scores(path, SPACE, Reading())


@given(st.text(max_size=60))
def test_no_text_ends_in_anything_but_a_sentence(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_text(text, encoding="utf-8", errors="replace", newline="")
    with suppress(TrainfreeError):
        read_own_scores(path, SPACE, Reading())
