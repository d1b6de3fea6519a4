"""Two folders of results: what differs, how much, and what does not count."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from analysis_fixtures import write_scores, write_search
from terminal_fixtures import screen

from trainfree import cli
from trainfree.errors import DataFileError
from trainfree.files.storage import read_dataset, write_dataset
from trainfree.terminal.compare import compare_results
from trainfree.terminal.differences import provenance_differences, table_differences

SCORES = "scores/nasbench201/cifar10/b32-pytorch-images-s0.h5"
SEARCH = "search/nasbench201/cifar10/random-naswot.h5"


@pytest.fixture
def first(tmp_path) -> Path:
    folder = tmp_path / "first"
    naswot = np.arange(20) * 1.0
    naswot[3] = -np.inf
    naswot[4] = np.nan
    (folder / SCORES).parent.mkdir(parents=True)
    (folder / SEARCH).parent.mkdir(parents=True)
    write_scores(folder / SCORES, {"naswot": naswot, "params": np.ones(20)})
    fitness = np.random.default_rng(1).normal(size=(3, 10))
    write_search(folder / SEARCH, fitness, 90 + fitness, (5, 10))
    (folder / "tables").mkdir()
    (folder / "tables" / "a.csv").write_text(
        "row,unit,measured,verdict\nx,%,90.5,reproduced\ny,s,3.2,\nz,%,,missing\n"
    )
    (folder / "tables" / "timing.csv").write_text("name,mean\nforward,0.5\n")
    return folder


@pytest.fixture
def second(first, tmp_path) -> Path:
    return shutil.copytree(first, tmp_path / "second")


def compare(first: Path, second: Path, **options) -> tuple[int, str]:
    shown, stream = screen()
    return compare_results(first, second, shown, **options), stream.getvalue()


def edit(path: Path, kind: str, change) -> None:
    dataset = read_dataset(path, kind)
    write_dataset(change(dataset), path, kind)


def line_with(text: str, word: str) -> str:
    return next(line for line in text.splitlines() if word in line)


def test_copies_are_equal(first, second):
    code, text = compare(first, second)
    assert code == 0
    assert "Scores: 1 of 1 equal" in text
    assert "Searches: 1 of 1 equal" in text
    assert "Tables: 2 of 2 equal" in text
    assert "Provenance: equal" in text
    assert text.endswith("the results are equal\n")


def test_measured_times_count_only_when_asked(first, second):
    def slower(scores: xr.Dataset) -> xr.Dataset:
        scores["seconds"].values *= 2
        scores["proxy_seconds"].values *= 2
        return scores

    edit(second / SCORES, "scores", slower)
    (second / "tables" / "timing.csv").write_text("name,mean\nforward,0.75\n")
    table = second / "tables" / "a.csv"
    table.write_text(table.read_text().replace("3.2", "4.4"))
    code, text = compare(first, second)
    assert code == 0
    assert "Scores: 1 of 1 equal, 1 of them but for measured times" in text
    assert "Tables: 2 of 2 equal, 2 of them but for measured times" in text
    code, text = compare(first, second, times=True)
    assert code == 1
    assert "1.2" in line_with(text, "a.csv")
    assert "0.25" in line_with(text, "timing.csv")


def test_changed_scores_are_told_by_proxy_with_the_first_one(first, second):
    def change(scores: xr.Dataset) -> xr.Dataset:
        scores["score"].loc[{"proxy": "naswot", "arch": [7, 9]}] += [0.25, -0.5]
        scores["status"].loc[{"proxy": "params", "arch": 2}] = 5
        return scores

    edit(second / SCORES, "scores", change)
    code, text = compare(first, second)
    assert code == 1
    found = line_with(text, "score of naswot").split()
    assert found[4:7] == ["2", "20", "0.5"]
    assert found[7:] == ["arch", "7:", "7", "→", "7.25"]
    assert "arch 2: 0 → 5" in line_with(text, "status of params")
    assert "score of params" not in text
    assert text.endswith("the results differ\n")


def test_a_score_that_became_infinite_differs_without_bound(first, second):
    def change(scores: xr.Dataset) -> xr.Dataset:
        scores["score"].loc[{"proxy": "naswot", "arch": 8}] = -np.inf
        return scores

    edit(second / SCORES, "scores", change)
    assert "inf" in line_with(compare(first, second)[1], "score of naswot").split()


def test_files_and_architectures_of_one_side_only(first, second):
    edit(second / SCORES, "scores", lambda scores: scores.isel(arch=slice(0, 15)))
    (second / "tables" / "a.csv").unlink()
    (first / SEARCH).write_bytes(b"no file")
    code, text = compare(first, second)
    assert code == 1
    assert "20 and 15, 15 in both" in line_with(text, " arch ")
    assert "score of naswot" not in text
    assert "only in the first" in line_with(text, "a.csv")
    assert "damaged" in line_with(text, SEARCH)


def test_shards_are_compared_only_where_they_are_not_merged(first, second):
    for folder in (first, second):
        shard = (folder / SCORES).with_suffix("") / "shards" / "00-19.h5"
        shard.parent.mkdir(parents=True)
        shutil.copy(folder / SCORES, shard)
    edit(shard, "scores", lambda scores: scores.assign_attrs(seed=5))
    assert "Scores: 1 of 1 equal" in compare(first, second)[1]
    (second / SCORES).unlink()
    code, text = compare(first, second)
    assert code == 1
    assert "Scores: 1 of 2 equal" in text


def test_a_difference_of_provenance_alone_is_said_but_is_no_result(first, second):
    def change(scores: xr.Dataset) -> xr.Dataset:
        return scores.assign_attrs(
            libraries='{"numpy":"1.0"}', device="\x1b[2JGPU", config='{"plan":{"runs":3}}'
        )

    edit(second / SCORES, "scores", change)
    code, text = compare(first, second)
    assert code == 0
    assert "Provenance: differs" in text
    assert r"device: cpu → \x1b[2JGPU" in text
    assert f"libraries.numpy: {np.__version__} → 1.0" in text
    assert "config.plan.runs: absent → 3" in text


def test_provenance_is_compared_leaf_by_leaf():
    ours = {"config": '{"a":{"b":1,"c":[1,2]}}', "seed": 0, "schema": "x"}
    theirs = {"config": '{"a":{"b":2,"c":[1,2]}}', "seed": 0, "schema": "y", "more": "m"}
    assert sorted(provenance_differences(ours, theirs)) == [
        "config.a.b: 1 → 2",
        "more: absent → m",
    ]


def test_rows_stand_beside_each_other_by_their_words_when_their_number_changed():
    ours = [{"name": "a", "value": "1"}, {"name": "b", "value": "2"}]
    theirs = [{"name": "b", "value": "2.5"}]
    found = {one.what: one for one in table_differences("t", ours, theirs)}
    assert (found["rows"].differing, found["rows"].example) == (1, "2 and 1, 1 in both")
    assert found["value"].largest == 0.5
    assert found["value"].count == 1


def test_rows_that_changed_places_are_still_compared_with_themselves():
    ours = [{"row": "a", "budget": "5", "rank": "1"}, {"row": "b", "budget": "7", "rank": "2"}]
    theirs = [{"row": "b", "budget": "7", "rank": "1.5"}, {"row": "a", "budget": "5", "rank": "1"}]
    (found,) = table_differences("t", ours, theirs)
    assert (found.what, found.differing, found.largest) == ("rank", 1, 0.5)


def test_architectures_differ_without_a_size(first, second):
    def change(search: xr.Dataset) -> xr.Dataset:
        search["trace_arch"].values[1, 2] += 1
        return search

    edit(second / SEARCH, "search", change)
    found = line_with(compare(first, second)[1], "trace_arch").split()
    assert found[2:] == ["1", "30", "run", "1", "step", "2:", "2", "→", "3"]


def test_cells_of_text_differ_without_a_size():
    ours, theirs = [{"verdict": "reproduced"}], [{"verdict": "not reproduced"}]
    (found,) = table_differences("t", ours, theirs)
    assert math.isnan(found.largest)
    assert found.example == "row 1: reproduced → not reproduced"


def test_a_folder_without_results_is_refused(first, tmp_path):
    with pytest.raises(DataFileError, match="is not a directory"):
        compare(first, tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataFileError, match="has no scores, searches or tables"):
        compare(first, tmp_path / "empty")


def test_the_command_ends_with_0_1_or_2(first, second, tmp_path, capsys):
    assert cli.main(["compare", str(first), str(second)]) == 0
    (second / "tables" / "a.csv").unlink()
    assert cli.main(["compare", str(first), str(second)]) == 1
    assert cli.main(["compare", str(first), str(tmp_path / "x")]) == 2
    assert "trainfree: error:" in capsys.readouterr().err
