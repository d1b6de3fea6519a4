"""The page: self-contained, well-formed, escaped, deterministic, honest about what is missing."""

from __future__ import annotations

import base64
import json
import math
import re
import zlib
from dataclasses import replace
from itertools import pairwise, product
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pytest
from analysis_fixtures import tabulate
from hypothesis import given, settings
from hypothesis import strategies as st
from report_fixtures import HOSTILE, Page, contents_of, put, put_table, write_hostile_run, write_run

from trainfree.analysis.admission import DataOfRun
from trainfree.analysis.origins import MadeFrom, Place, data_files, read_origin
from trainfree.analysis.tables import LATEX_ESCAPES, latex_text, read_table, write_tables
from trainfree.cli import main
from trainfree.errors import DataFileError
from trainfree.files.storage import read_dataset, write_dataset
from trainfree.report.page import points as page_points
from trainfree.report.page.answers import read_answers
from trainfree.report.page.board import read_board
from trainfree.report.page.downloads import Downloads
from trainfree.report.page.figures import UNCAPTIONED, anchor_of
from trainfree.report.page.gate import Gate
from trainfree.report.page.page import Contents, render_report, summary_facts
from trainfree.report.page.points import collect_points
from trainfree.report.page.provenance import costs_table, read_provenance
from trainfree.report.page.tables import TableView, read_tables, sort_key


def render(contents: Contents, output: Path) -> str:
    render_report(contents, output)
    return output.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Path:
    return write_run(tmp_path_factory.mktemp("study"), repository)


@pytest.fixture(scope="module")
def text(study: Path) -> str:
    return render(contents_of(study), study / "report" / "index.html")


def embedded(text: str) -> dict:
    found = re.search(r'<script type="application/json" id="points">(.*?)</script>', text)
    assert found
    return json.loads(found[1])


def unpacked(packed: str) -> bytes:
    return zlib.decompress(base64.b64decode(packed))


def column(packed: dict) -> np.ndarray:
    return np.frombuffer(unpacked(packed["values"]), dtype=f"<{packed['type']}")


def test_well_formed_and_accessible(text: str) -> None:
    page = Page(text)
    assert page.all("html")[0]["lang"] == "en"
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert len(page.all("caption")) == len(page.all("table"))
    assert all(a.get("scope") in ("col", "row") for a in page.all("th"))
    pictures = [a for a in page.all("svg") if a.get("role") == "img" and "hidden" not in a]
    assert len(pictures) == 4 + 1 + 3, "figures, the picture on top, and one of each proxy"
    assert all(len(a["aria-label"] or "") > 50 for a in pictures)
    sortable = [a for a in page.all("th") if "aria-sort" in a]
    buttons = [a for a in page.all("button") if "get" not in (a.get("class") or "").split()]
    assert len(sortable) == len(buttons)
    for landmark in ("header", "nav", "main", "footer"):
        assert len(page.all(landmark)) == 1
    headings = {a.get("id") for a in page.all("h2")}
    assert all(a["aria-labelledby"] in headings for a in page.all("section"))
    regions = [a for a in page.all("div") if a.get("role") == "region"]
    assert regions
    assert all(
        a["tabindex"] == "0" and (a.keys() & {"aria-label", "aria-labelledby"}) for a in regions
    )


def test_ids_are_unique_and_references_inside(text: str) -> None:
    page = Page(text)
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))
    for _, attributes in page.tags:
        for key in ("href", "src", "xlink:href"):
            target = attributes.get(key)
            if target is None:
                continue
            assert target.startswith(("#", "data:image/"))
            assert not target.startswith("#") or target[1:] in ids
        for key in ("aria-labelledby", "aria-describedby"):
            assert set((attributes.get(key) or "").split()) <= set(ids)


def test_nothing_is_fetched(text: str) -> None:
    assert not re.search(r"https?://", text)
    assert not re.search(r"@import|url\((?!#)|\bimport\(|fetch\(", text)


def test_numbers_of_the_tables_are_on_the_page(text: str) -> None:
    assert "86.61 ± 13.46" in text
    assert "306.19" in text
    assert "5 singular" in text
    for name in ("config hash", "code hash", "libraries", "device"):
        assert name in text


def test_captions_say_n_seeds_data_and_stand_ins(study: Path, tmp_path: Path) -> None:
    shown = " ".join(Page(render(contents_of(study), tmp_path / "p.html")).texts)
    line = "60 architectures of nasbench201; setting b32-pytorch-images-s0; seed 0"
    assert f"{line}; images: CIFAR-10 (10,000); accuracies of 60: made up for a test." in shown
    assert "5 search files of 8 runs, root seed 0" in shown
    scores = study / "b32-pytorch-images-s0.h5"
    standing_in = read_dataset(scores, "scores").assign_attrs(stand_in=1)
    write_dataset(standing_in, tmp_path / "s.h5", "scores")
    tabulate("timing", tmp_path, scores=tmp_path / "s.h5")
    for suffix in (".md", ".tex"):
        assert "images: CIFAR-10 (10,000, stand-in)" in (tmp_path / f"timing{suffix}").read_text()
    changed = replace(contents_of(study), scores=[tmp_path / "s.h5"], tables=tmp_path)
    shown = " ".join(Page(render(changed, tmp_path / "p.html")).texts)
    assert "images: CIFAR-10 (10,000, stand-in)" in shown
    assert "Images, CIFAR-10 stand-in CIFAR-10, a subset" in " ".join(shown.split())


def test_a_table_that_names_no_data_is_not_said_to_be_of_this_run(
    study: Path, tmp_path: Path
) -> None:
    tables = tmp_path / "tables"
    tables.mkdir()
    put_table(tables / "landscape-nasbench101", ["a"], ["1"])
    text = render(replace(contents_of(study), tables=tables), tmp_path / "p.html")
    assert "The table does not say what it is made from." in text
    assert "Made from" not in text


def test_a_table_without_measured_values_is_made_from_nothing(study: Path, tmp_path: Path) -> None:
    tables = tmp_path / "tables"
    tables.mkdir()
    put_table(tables / "naswot_table1", ["Row", "Published", "Measured"], ["x", "1", "–"])
    text = render(replace(contents_of(study), tables=tables), tmp_path / "p.html")
    assert "this run measured none of its values" in text
    assert "table-naswot-table1" not in {a.get("id") for a in Page(text).all("table")}
    assert "Made from" not in text


def view_of(study: Path, name: str) -> TableView:
    return read_tables(study / "tables", Gate(DataOfRun([])))[name]


def test_verdicts_have_words_and_stand_beside_the_measured_value(study: Path, text: str) -> None:
    table = view_of(study, "naswot_table2a")
    place = table.columns.index("Measured")
    assert table.columns[place - 1 : place + 2] == ("Published", "Measured", "Verdict")
    verdicts = [row[place + 1] for row in table.rows]
    assert {cell.text for cell in verdicts} >= {"reproduced", "not comparable"}
    for cell in verdicts:
        assert f'<span class="verdict {cell.verdict}">{cell.text}</span>' in text
    board = view_of(study, "scoreboard")
    for place, word in enumerate(("reproduced", "not reproduced", "not comparable"), start=1):
        count = sum(int(row[place].text) for row in board.rows)
        assert f"<b>{count}</b> {word}" in text


def test_a_published_table_stands_as_it_is_printed(study: Path, text: str) -> None:
    printed = view_of(study, "naswot_table2a").printed
    assert printed is not None
    assert printed.columns[:3] == ("Search (s)", "CIFAR-10 validation", "CIFAR-10 test")
    rows = dict(printed.rows)
    assert list(rows)[:3] == ["REA", "RS", "REINFORCE"]
    validation, cells = rows["REA"][1], read_table(study / "tables" / "naswot_table2a.csv")
    assert validation is not None
    own = cells[(cells["row"] == "REA") & (cells["column"] == "CIFAR-10 validation")].iloc[0]
    assert validation.published == f"{own['published']:.2f} ± {own['published_spread']:.2f}"
    assert validation.measured == f"{own['measured']:.2f} ± {own['measured_spread']:.2f}"
    assert (validation.word, validation.verdict) == (own["verdict"], "reproduced")
    measured = cells.groupby("row")["measured"].count()
    assert set(rows) == set(measured[measured > 0].index)
    assert "GDAS" not in rows
    assert any("GDAS" in line and "not re-run" in line for line in printed.lacking)
    reasons = dict(printed.reasons)
    for (label, row), column in product(rows.items(), range(len(printed.columns))):
        cell, name = row[column], printed.columns[column]
        found = cells[(cells["row"] == label) & (cells["column"] == name)]
        assert (cell is None) == found.empty
        if cell is not None and cell.mark:
            assert reasons[cell.mark] == found["reason"].iloc[0]
    assert '<table id="table-naswot-table2a" data-sortable>' in text


def test_the_answers_are_those_of_the_tables(study: Path, text: str) -> None:
    folder = study / "tables"
    board = read_board(folder / "proxy_board.csv", [], [])
    verdicts = [("reproduced", 3), ("not reproduced", 1), ("not comparable", 9)]
    given = contents_of(study)
    made = read_provenance(given.scores, given.searches, given.benchmarks)
    gate = Gate(DataOfRun(data_files(each.attributes for each in made.files)))
    (proxies, searches, papers), failed = read_answers(
        read_tables(folder, gate), folder, board, verdicts
    )
    assert failed == []
    lines = read_table(folder / "proxy_board.csv").set_index("proxy").drop(index="params")
    assert proxies.figure == lines["spearman"].idxmax()
    assert proxies.unit == f"ρ {lines['spearman'].max():.2f}"
    found = read_table(folder / "search.csv")
    free = found[found["signal"].isin(["naswot", "synflow"]) & (found["headline"] == "yes")]
    assert float(searches.figure) == pytest.approx(free["accuracy_mean"].max(), abs=0.005)
    assert papers.figure == "3 of 4"
    for answer in (proxies, searches):
        assert answer.subject in " ".join(Page(text).texts)
    nothing, _ = read_answers({}, folder, None, [])
    assert all("did not exist" in answer.subject for answer in nothing)


def test_downloads_are_the_files(study: Path, text: str) -> None:
    found = re.search(r'<script type="application/json" id="files">(.*?)</script>', text)
    assert found
    packed = json.loads(found[1])
    assert "proxies-by-cost.svg" in packed
    for kind, suffix in (("tables", "csv"), ("figures", "svg")):
        for path in (study / kind).glob(f"*.{suffix}"):
            assert unpacked(packed.pop(f"{kind}/{path.name}")) == path.read_bytes()
    assert list(packed) == ["proxies-by-cost.svg"]
    offered = {a["data-file"] for a in Page(text).all("button") if "data-file" in a}
    assert offered >= {"tables/proxy_board.csv", "tables/naswot_table2a.csv"}


def test_large_files_have_no_room_on_the_page() -> None:
    downloads = Downloads()
    noise = np.random.default_rng(0).bytes(3_000_000)
    for name, content in (("large", noise), ("small", b"x")):
        downloads.add(name, content)
    assert list(downloads.payload()) == ["small"]


def test_every_table_and_figure_of_the_folders_is_shown(study: Path, tmp_path: Path) -> None:
    tables, figures = tmp_path / "tables", tmp_path / "figures"
    tables.mkdir()
    figures.mkdir()
    put(tables / "anything", csv="first,second\nx,1.5\n")
    put_table(tables / "own", ["a", "Verdict"], title="Own; y (z). More")
    put(figures / "drawn", svg="<svg xmlns='http://www.w3.org/2000/svg'><desc>x</desc></svg>")
    text = render(Contents(tables, figures), tmp_path / "p.html")
    page = Page(text)
    assert {a["id"] for a in page.all("table")} == {"table-anything", "table-own"}
    assert [a["id"] for a in page.all("figure")] == ["figure-drawn"]
    assert UNCAPTIONED in text
    assert "<strong>Own</strong>" in text
    assert "<p>Y (z). More.</p>" in text


def test_rows_can_be_sorted_by_number(text: str) -> None:
    page = Page(text)
    orders = [a["data-order"] for a in page.all("td") if a.get("class") == "number"]
    numbers = [float(order) for order in orders if order]
    assert len(numbers) > 50
    assert not any(math.isnan(number) for number in numbers)
    assert sort_key("−0.123 [−0.2, 0.1]") == "-0.123"
    assert sort_key("15,625") == "15625"
    assert sort_key("93.20 ± 0.40") == "93.20"
    assert sort_key("−∞") == "-Infinity"
    assert sort_key("–") == ""


def test_points_are_those_of_the_files(study: Path, text: str) -> None:
    scores = read_dataset(study / "b32-pytorch-images-s0.h5", "scores")
    accuracy = read_dataset(study / "nasbench201.h5", "benchmark")["accuracy"]
    payload = embedded(text)
    (one,) = payload["sets"]
    assert (
        json.loads(unpacked(payload["names"][one["names"]]))
        == scores["architecture"].to_numpy().tolist()
    )
    np.testing.assert_array_equal(column(one["arch"]), scores["arch"])
    wanted = accuracy.sel(dataset="cifar10", split="test", epochs=200, seed="mean")
    np.testing.assert_allclose(column(one["accuracy"]), wanted, rtol=1e-6)
    by_name = {proxy["name"]: column(proxy) for proxy in one["proxies"]}
    assert list(by_name) == ["naswot", "synflow", "params"]
    np.testing.assert_allclose(by_name["naswot"], scores["score"].sel(proxy="naswot"), rtol=1e-6)
    assert np.isneginf(by_name["naswot"]).sum() == 5
    assert np.isnan(by_name["synflow"]).sum() == 1


def test_large_whole_numbers_are_exact() -> None:
    values = np.array([121_823_455.0, -np.inf, np.nan])
    packed = page_points._column(values)
    np.testing.assert_array_equal(column(packed), values)
    assert page_points._column(np.array([1.5]))["type"] == "f4"


def test_what_has_no_room_is_said(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    contents = contents_of(study)
    monkeypatch.setattr(page_points, "LARGEST_PAYLOAD", 500)
    points = collect_points(contents.scores, contents.benchmarks)
    assert [proxy["name"] for proxy in points.sets[0]["proxies"]] == ["naswot", "params"]
    assert any("no room on the page for synflow" in line for line in points.omitted)
    assert "no file of trained accuracies" in collect_points(contents.scores, []).omitted[0]


def test_equal_inputs_give_equal_bytes(study: Path, text: str, tmp_path: Path) -> None:
    assert render(contents_of(study), tmp_path / "again.html") == text


def test_run_times_are_summed_by_rule(study: Path, tmp_path: Path) -> None:
    table = costs_table(study / "costs")
    assert table is not None
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["score_shard", "2", "42.8", "30.2", "512"]
    ]
    assert costs_table(tmp_path / "none") is None
    (tmp_path / "a.tsv").write_text("x\n1\n")
    with pytest.raises(DataFileError, match=r"a\.tsv: expected a column s"):
        costs_table(tmp_path)


def test_summary_by_data_set(tmp_path: Path) -> None:
    rows = [
        '"cifar10, b1: scored",5,,n',
        '"cifar100, b1: scored",6.25,%,',
        "published cells reproduced,3,,",
    ]
    path = tmp_path / "summary.csv"
    path.write_text("\n".join(["metric,value,unit,note", *rows, ""]))
    facts = summary_facts(path)
    assert list(facts) == ["CIFAR-10, b1", "CIFAR-100, b1", ""]
    assert facts["CIFAR-100, b1"][0].value == "6.25"
    assert "" not in summary_facts(path, with_counts=True)


hostile_text = st.text(
    st.one_of(
        st.sampled_from("|*_`[]\\&<>$#%{}~^\"'\n amplt;"), st.characters(exclude_categories=["Cs"])
    ),
    max_size=20,
)


@given(st.lists(st.tuples(hostile_text, hostile_text), max_size=3), hostile_text, hostile_text)
@settings(max_examples=60)
def test_the_readable_version_is_read_back(
    rows: list[tuple[str, str]], title: str, data: str
) -> None:
    frame = pd.DataFrame(rows, columns=["a|b", "<c>"], dtype=object)
    with TemporaryDirectory() as folder:
        stem = Path(folder) / "x"
        write_tables(frame, frame, title, MadeFrom(data), stem, Place("papers", 3))
        table = read_origin(stem).table
        view = read_tables(Path(folder), Gate(DataOfRun([])))["x"]
    assert table is not None
    assert table.made_from == " ".join(data.split())
    assert list(table.rows) == [tuple(" ".join(cell.split()) for cell in row) for row in rows]
    assert (table.title, table.columns) == (" ".join(title.split()), ("a|b", "<c>"))
    assert [tuple(cell.text for cell in row) for row in view.rows] == list(table.rows)
    assert view.place == ("papers", 3)


@given(hostile_text)
@settings(max_examples=60)
def test_latex_has_no_markup_of_a_name(name: str) -> None:
    body = latex_text(pd.DataFrame({"x": [name]}), "t").split("\\midrule\n")[1]
    cell = body.split(" \\\\\n\\bottomrule")[0]
    for escape in sorted(LATEX_ESCAPES.values(), key=len, reverse=True):
        cell = cell.replace(escape, "")
    assert not set(cell) & set("\\&%$#_{}~^<>\n")


def test_hostile_names_are_escaped(tmp_path: Path) -> None:
    contents = write_hostile_run(tmp_path)
    text = render(contents, tmp_path / "p.html")
    page = Page(text)
    assert len(page.all("script")) == 5
    assert page.all("img") == []
    assert not any(key.startswith("on") for _, attributes in page.tags for key in attributes)
    assert HOSTILE in " ".join(page.texts)
    payload = embedded(text)
    assert payload["sets"][0]["proxies"][0]["name"] == HOSTILE
    assert json.loads(unpacked(payload["names"][0]))[0] == f"|{HOSTILE}0~0|"
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+", name or "") for name in ids)
    (contents.figures / "scores-x.svg").unlink()
    (image,) = Page(render(contents, tmp_path / "p.html")).all("img")
    assert (image["src"] or "").startswith("data:image/png;base64,")
    assert HOSTILE in (image["alt"] or "")


@given(st.text(max_size=30))
@settings(max_examples=40)
def test_anchors_are_plain(name: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9-]*", anchor_of(name))


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    contents = Contents(
        tmp_path / "tables",
        tmp_path / "figures",
        scores=[tmp_path / "none.h5"],
        absent={
            tmp_path / "tables" / "naswot_table1.csv": "failed, no more memory <x>",
            tmp_path / "figures" / "scores-a-b-c.svg": "to do",
        },
    )
    text = render(contents, tmp_path / "p.html")
    Page(text)
    for name in ("summary", "correlations", "search", "timing", "significance", "scoreboard"):
        assert f"the table {name}: it did not exist when this page was made" in text
    assert "the figures score…: it did not exist" in text
    assert "the table naswot_table1: failed, no more memory &lt;x&gt;" in text
    assert "the figure scores-a-b-c: to do" in text
    assert "none.h5: there is no such file" in text
    assert "trained accuracies: none was given or found" in text
    assert "This run is partial:" in text


def test_nothing_is_called_missing_that_is_there(study: Path, text: str) -> None:
    listed = re.findall(r"<li>the (?:table|figures?) (\S+):", text)
    there = {path.stem for path in (study / "tables").iterdir()}
    assert listed
    assert not there & set(listed)


@pytest.fixture
def workplace(tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which nothing has run yet."""
    for name in ("config", "reports"):
        (tmp_path / name).symlink_to(repository / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_command_on_a_folder_with_nothing(workplace: Path) -> None:
    assert main(["report"]) == 0
    text = (workplace / "results" / "default" / "report" / "index.html").read_text(encoding="utf-8")
    assert "scores: none was given or found" in text


def test_command_names_what_a_configuration_lacks_and_why(workplace: Path) -> None:
    log = workplace / "logs" / "test" / "tabulate_correlations.log"
    log.parent.mkdir(parents=True)
    log.write_text("trainfree: error: s.h5: is damaged\n")
    assert main(["report", "--configfile", "config/test.yaml"]) == 0
    text = (workplace / "results" / "test" / "report" / "index.html").read_text(encoding="utf-8")
    assert "the table correlations: failed, s.h5: is damaged" in text
    assert "the table naswot_table2a: to do" in text
    assert "b8-pytorch-images-s0.h5: to do" in text
    assert "the figure search-nasbench201_mini-generated: to do" in text


def test_command_finds_what_there_is(study: Path, workplace: Path, tmp_path: Path) -> None:
    results = tmp_path / "results" / "default"
    for source, target in (
        ("tables", results / "tables"),
        ("figures", results / "figures"),
        (
            "b32-pytorch-images-s0.h5",
            results / "scores/nasbench201/cifar10/b32-pytorch-images-s0.h5",
        ),
        ("rea.h5", results / "search/nasbench201/cifar10/rea.h5"),
        ("nasbench201.h5", tmp_path / "data/benchmarks/nasbench201.h5"),
        ("costs", tmp_path / "logs/default/benchmarks"),
    ):
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(study / source)
    assert main(["report", "--output", "p.html"]) == 0
    text = (tmp_path / "p.html").read_text(encoding="utf-8")
    assert embedded(text)["sets"][0]["space"] == "nasbench201"
    assert "Searches: attributes of each search file" in " ".join(Page(text).texts)
    assert "table-provenance-costs" in text


@pytest.mark.parametrize("damaged", ['a,b\n"1,2\n', "", b"\xff\xfe"])
def test_a_damaged_table_is_named_and_the_rest_is_shown(
    damaged: str | bytes, tmp_path: Path
) -> None:
    tables = tmp_path / "tables"
    put(tables / "timing", csv=damaged)
    put(tables / "whole", csv="a,b\n1,2\n")
    text = render(Contents(tables, tmp_path), tmp_path / "p.html")
    assert re.search(r"tables/timing\.csv</code>: is not a CSV table", text)
    assert [a["id"] for a in Page(text).all("table")] == ["table-whole"]


def test_a_damaged_summary_is_named(tmp_path: Path) -> None:
    put(tmp_path / "tables" / "summary", csv="a,b\n1,2\n")
    text = render(Contents(tmp_path / "tables", tmp_path), tmp_path / "p.html")
    assert (
        "tables/summary.csv</code>: expected the columns metric, value, unit, note, found a, b"
        in text
    )


def test_a_missing_template_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataFileError, match=r"report\.html\.j2"):
        render_report(Contents(tmp_path, tmp_path), tmp_path / "p.html", templates=tmp_path)
    assert not (tmp_path / "p.html").exists()
