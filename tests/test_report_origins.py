"""The page shows what its own data files were made into, and names the rest with the reason."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from analysis_fixtures import tabulate, write_study
from report_fixtures import Page, contents_of, put, write_run

from trainfree.analysis.admission import DataOfRun
from trainfree.analysis.origins import DataFile, MadeFrom, Origin, read_origin, write_with_origin
from trainfree.analysis.publish import check_origin
from trainfree.errors import DataFileError
from trainfree.files.storage import read_dataset, read_header, write_dataset
from trainfree.provenance import canonical_json
from trainfree.report.figures.score_tau import plot_tau
from trainfree.report.figures.scores import plot_score_accuracy
from trainfree.report.page.page import Contents, render_report


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Path:
    return write_run(tmp_path_factory.mktemp("finished"), repository)


@pytest.fixture
def study(finished: Path, tmp_path: Path) -> Path:
    """A finished run that a test may change."""
    return Path(shutil.copytree(finished, tmp_path / "study"))


def page_of(contents: Contents, output: Path) -> tuple[set[str], dict[str, str]]:
    """Return the names of what a page shows, and the reasons for what it leaves out."""
    render_report(contents, output / "p.html")
    text = (output / "p.html").read_text(encoding="utf-8")
    shown = {a["id"] or "" for a in Page(text).all("figure") if "id" in a}
    shown |= {a["id"] or "" for a in Page(text).all("table") if "data-sortable" in a}
    return shown, dict(re.findall(r"<li><code>(.*?)</code>: (.*?)</li>", text))


def stems(folder: Path) -> set[str]:
    return {path.stem for path in folder.iterdir()}


def test_each_table_and_figure_says_what_it_was_made_from(finished: Path) -> None:
    scores = read_header(finished / "b32-pytorch-images-s0.h5", "scores")[0]
    for folder in (finished / "tables", finished / "figures"):
        for stem in stems(folder):
            told = json.loads((folder / f"{stem}.json").read_text())
            made = {path.suffix[1:] for path in folder.glob(f"{stem}.*")} - {"json", "txt"}
            assert set(told["sha256"]) - {"table"} == made
    told = json.loads((finished / "tables" / "correlations.json").read_text())
    named = {file["schema"]: file for file in told["made_from"]}
    assert set(named) == {"scores", "benchmark"}
    for key in ("config_hash", "code_hash", "source_hashes", "space", "dataset", "setting"):
        assert named["scores"][key] == scores[key]
    assert "time" not in json.dumps(told)


def test_a_table_of_tables_names_the_data_files(finished: Path) -> None:
    origin = read_origin(finished / "tables" / "summary")
    assert origin.apart == ""
    kinds = [file.schema for file in origin.files]
    assert sorted(kinds) == ["benchmark", "scores", *["search"] * 5]


def test_a_figure_of_a_table_names_its_data_files(finished: Path, tmp_path: Path) -> None:
    named = [finished / "b32-pytorch-images-s0.h5"]
    table = tmp_path / "correlations.csv"
    shutil.copy(finished / "tables" / "correlations.csv", table)
    plot_tau(table, named, finished / "nasbench201.h5", tmp_path / "tau")
    assert "table" in {file.schema for file in read_origin(tmp_path / "tau").files}
    shutil.copy(finished / "tables" / "correlations.json", tmp_path)
    plot_tau(table, named, finished / "nasbench201.h5", tmp_path / "tau")
    assert {f.schema for f in read_origin(tmp_path / "tau").files} == {"scores", "benchmark"}


def test_everything_of_the_run_is_shown(study: Path, tmp_path: Path) -> None:
    shown, left_out = page_of(contents_of(study), tmp_path)
    assert left_out == {}
    assert {"table-correlations", "table-search", "figure-scores-naswot"} <= shown


def test_what_another_run_left_is_named_and_not_shown(
    study: Path, tmp_path: Path, repository: Path
) -> None:
    """The tutorial's run on made-up accuracies before a real one, in the same folders."""
    made = write_study(tmp_path / "tutorial", count=20, seed=5)
    for path in (*made["scores"], *made["searches"], made["benchmark"]):
        kind = str(read_kind(path))
        changed = read_dataset(path, kind).assign_attrs(
            config_hash="0123456789abcdef", source="generated"
        )
        write_dataset(changed, path, kind)
    published = repository / "reports" / "published" / "naswot.yaml"
    figures, tables = study / "figures", study / "tables"
    plot_score_accuracy(made["scores"][0], made["benchmark"], {"naswot": figures / "scores-old"})
    files = {"scores": made["scores"], "benchmark": made["benchmark"]}
    tabulate("correlations", tables, resamples=20, **files)
    tabulate("search", tmp_path / "old", searches=made["searches"], published=published)
    for path in (tmp_path / "old").iterdir():
        path.rename(tables / f"old_{path.name}")
    shown, left_out = page_of(contents_of(study), tmp_path)
    assert not shown & {"figure-scores-old", "table-correlations", "table-old-search"}
    assert set(left_out) == {"figures/scores-old", "tables/correlations", "tables/old_search"}
    assert all("not one of this run&#39;s data files" in reason for reason in left_out.values())
    text = (tmp_path / "p.html").read_text()
    assert "the table correlations: it exists but is not shown, see Left out" in text
    assert "figure-scores-naswot" in shown


def read_kind(path: Path) -> str:
    if path.stem == "nasbench201":
        return "benchmark"
    return "scores" if path.stem.startswith("b32") else "search"


def test_a_search_that_was_removed_is_in_no_table(study: Path, tmp_path: Path) -> None:
    contents = contents_of(study)
    fewer = replace(contents, searches=[p for p in contents.searches if p.stem != "rea"])
    shown, left_out = page_of(fewer, tmp_path)
    assert "table-search" not in shown
    assert "tables/search" in left_out
    assert "tables/summary" in left_out
    assert "figures/search-x" in left_out
    assert "table-correlations" in shown


def test_files_that_were_edited_or_put_there_are_left_out(study: Path, tmp_path: Path) -> None:
    tables, figures = study / "tables", study / "figures"
    edited = tables / "timing.csv"
    edited.write_text(edited.read_text().replace("naswot", "nasw0t"))
    (tables / "own.csv").write_text("a\n1\n")
    shutil.copy(figures / "scores-naswot.svg", figures / "scores-synflow.svg")
    shutil.copy(figures / "scores-naswot.svg", figures / "copied.svg")
    shutil.copy(tables / "search.json", tables / "correlations.json")
    (figures / "search-x.json").unlink()
    shown, left_out = page_of(contents_of(study), tmp_path)
    assert set(left_out) == {
        *("tables/timing", "tables/own", "tables/correlations"),
        *("figures/scores-synflow", "figures/copied", "figures/search-x"),
    }
    assert "it was edited, or is of another run" in left_out["tables/timing"]
    assert "own.json: there is no such file" in left_out["tables/own"]
    assert {"table-search", "figure-scores-naswot"} <= shown


def test_scores_that_were_made_anew_need_new_tables(study: Path, tmp_path: Path) -> None:
    path = study / "b32-pytorch-images-s0.h5"
    write_dataset(
        read_dataset(path, "scores").assign_attrs(code_hash="of later code"), path, "scores"
    )
    shown, left_out = page_of(contents_of(study), tmp_path)
    assert {"tables/correlations", "tables/timing", "figures/scores-naswot"} <= set(left_out)
    tabulate("timing", study / "tables", scores=path)
    shown, left_out = page_of(contents_of(study), tmp_path)
    assert "table-timing" in shown
    assert "tables/timing" not in left_out


def test_a_page_without_data_files_shows_no_results(study: Path, tmp_path: Path) -> None:
    shown, left_out = page_of(Contents(study / "tables", study / "figures"), tmp_path)
    assert "tables/timing" in left_out
    assert not {name for name in shown if name.startswith("figure-")}


def test_an_edited_table_is_not_published(finished: Path, tmp_path: Path) -> None:
    behind = {
        "scores": [finished / "b32-pytorch-images-s0.h5"],
        "benchmark": [finished / "nasbench201.h5"],
    }
    shutil.copytree(finished / "tables", tmp_path / "tables")
    check_origin(tmp_path / "tables" / "timing", behind)
    path = tmp_path / "tables" / "timing.md"
    path.write_text(path.read_text().replace("naswot", "nasw0t"))
    with pytest.raises(DataFileError, match=r"it was edited.*make the table again and publish it"):
        check_origin(tmp_path / "tables" / "timing", behind)
    (tmp_path / "tables" / "search.json").unlink()
    with pytest.raises(DataFileError, match=r"search\.json: there is no such file"):
        check_origin(tmp_path / "tables" / "search", behind)


def test_a_table_of_other_scores_is_not_published(finished: Path, tmp_path: Path) -> None:
    other = write_study(tmp_path, count=20)
    changed = read_dataset(other["scores"][0], "scores").assign_attrs(config_hash="of others")
    write_dataset(changed, other["scores"][0], "scores")
    behind = {"scores": other["scores"], "benchmark": [finished / "nasbench201.h5"]}
    with pytest.raises(DataFileError, match=r"timing: made from scores of .* is not one of"):
        check_origin(finished / "tables" / "timing", behind)


HERE = {"space": "nasbench201", "dataset": "cifar10"}
IMAGES = canonical_json({"images": "i"})
BENCHMARK = DataFile("benchmark", "nasbench201", config_hash="b", accuracies="the archive")
SCORES = DataFile("scores", **HERE, setting="s0", config_hash="s", source_hashes=IMAGES)
SEARCH = DataFile(
    "search", **HERE, search="rea", config_hash="r", source_hashes='{"benchmark":"b"}'
)
RUN = DataOfRun([BENCHMARK, SCORES, SEARCH])
ABLATION = DataFile("ablation", **HERE, source_hashes=IMAGES, accuracies="the archive")
NB101 = DataFile("benchmark", "nasbench101", config_hash="n", accuracies="the mirror")


@pytest.mark.parametrize(
    ("file", "apart"),
    [
        *((SCORES, ""), (BENCHMARK, ""), (SEARCH, ""), (ABLATION, "")),
        (replace(ABLATION, schema="draws", accuracies=""), ""),
        (replace(ABLATION, schema="learned"), ""),
        (DataFile("hardware", "nasbench201", dataset="cifar10"), ""),
        (NB101, "space"),
        (DataFile("search", "nasbench101", "cifar10", search="x"), "space"),
        (DataFile("scores", "nasbench101", "cifar10", "s0", source_hashes=IMAGES), "space"),
        (replace(SCORES, setting="s1", config_hash="t"), "setting"),
    ],
)
def test_what_belongs_to_the_run(file: DataFile, apart: str) -> None:
    assert RUN.why_not(Origin((file,), {}, apart)) == ""


@pytest.mark.parametrize(
    ("file", "apart", "words"),
    [
        (replace(SCORES, config_hash="t"), "", "not one of this run's data files"),
        (replace(SCORES, code_hash="t"), "space", "not one of this run's data files"),
        (
            replace(SCORES, setting="s1"),
            "space",
            "nasbench201 / cifar10 / s1, which is not",
        ),
        (replace(SCORES, dataset="cifar100"), "", "not one of this run's data files"),
        (replace(SEARCH, search="random"), "space", "not one of this run's data files"),
        (
            replace(SEARCH, source_hashes='{"benchmark":"c"}'),
            "",
            "accuracies are not those",
        ),
        (replace(BENCHMARK, config_hash="c"), "space", "not one of this run's data files"),
        (NB101, "", "not one of this run's data files"),
        (replace(NB101, is_generated=True), "space", "which is made up"),
        (replace(ABLATION, dataset="cifar100"), "", "this run has no scores of"),
        (replace(ABLATION, dataset="cifar100", schema="learned"), "", "this run has no scores of"),
        (replace(ABLATION, source_hashes='{"images":"j"}'), "", "images are not those of this run"),
        (replace(ABLATION, accuracies="made up"), "", "accuracies are not those"),
        (
            DataFile("scores", "nasbench101", "cifar10", source_hashes='{"images":"j"}'),
            *("space", "images are not those of this run"),
        ),
        (
            replace(SCORES, setting="s1", source_hashes='{"images":"j"}'),
            *("setting", "images are not those of this run"),
        ),
        (DataFile("table", "own.csv"), "", "does not say what it was made from"),
    ],
)
def test_what_does_not_belong_to_the_run(file: DataFile, apart: str, words: str) -> None:
    assert words in RUN.why_not(Origin((SCORES, file), {}, apart))


def test_a_search_of_other_accuracies_is_none_of_the_runs(tmp_path: Path) -> None:
    stale = replace(SEARCH, source_hashes='{"benchmark":"c"}')
    run = DataOfRun([BENCHMARK, SCORES, stale])
    assert "accuracies are not those" in run.why_not(Origin((stale,), {}))


def test_the_order_of_data_files_does_not_matter(tmp_path: Path) -> None:
    for name, files in (("a", (SCORES, BENCHMARK)), ("b", (BENCHMARK, SCORES, SCORES))):
        write_with_origin(tmp_path / name, {"csv": b"x"}, MadeFrom(files=files))
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert set(read_origin(tmp_path / "a").files) == {SCORES, BENCHMARK}


def test_one_bad_file_among_many_hides_nothing_else(study: Path, tmp_path: Path) -> None:
    put(study / "figures" / "bad", svg="<svg>")
    shown, left_out = page_of(contents_of(study), tmp_path)
    assert list(left_out) == ["figures/bad.svg"]
    assert len([name for name in shown if name.startswith("figure-")]) == 4
    assert np.all([name != "figure-bad" for name in shown])
