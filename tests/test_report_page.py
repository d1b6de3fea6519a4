"""The page: self-contained, well-formed, escaped, deterministic, honest about what is missing."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from analysis_fixtures import (
    write_benchmark,
    write_scoreboard,
    write_scores,
    write_study,
)

from trainfree.analysis.correlations import tabulate_correlations
from trainfree.analysis.search_table import tabulate_search
from trainfree.analysis.summary import summarize
from trainfree.analysis.timing import tabulate_timing
from trainfree.errors import DataFileError
from trainfree.report.figures import plot_score_accuracy, plot_search
from trainfree.report.page import render_report, sort_key

VOID = {"meta", "img", "br", "hr", "link", "input"}


class Page(HTMLParser):
    """Checks that tags balance and collects what the tests ask about."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def all(self, *names: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag in names]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Path:
    folder = tmp_path_factory.mktemp("study")
    made, tables, figures = write_study(folder), folder / "tables", folder / "figures"
    scores, benchmark = made["scores"], made["benchmark"]
    published = repository / "reports" / "published" / "naswot.yaml"
    tabulate_correlations(scores, benchmark, tables / "correlations", 50, 0, published)
    tabulate_search(made["searches"], tables / "search", published)
    tabulate_timing(scores, tables / "timing", published)
    names = [tables / f"{name}.csv" for name in ("correlations", "search", "timing")]
    summarize(*names, write_scoreboard(folder), scores, benchmark, tables / "summary")
    for proxy in ("naswot", "synflow"):
        plot_score_accuracy(scores[0], benchmark, proxy, figures / f"score-{proxy}")
    plot_search(made["searches"], figures / "search")
    return folder


def render(study: Path, output: Path) -> str:
    scores = study / "b32-pytorch-images-s0.h5"
    render_report(study / "tables", study / "figures", output, [scores])
    return output.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def text(study: Path) -> str:
    return render(study, study / "report" / "index.html")


def test_well_formed_and_accessible(text: str) -> None:
    page = Page(text)
    assert page.all("html")[0]["lang"] == "en"
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert len(page.all("caption")) == len(page.all("table"))
    pictures = [a for a in page.all("svg") if a.get("role") == "img"]
    assert len(pictures) == 3
    assert all(len(a["aria-label"] or "") > 50 for a in pictures)
    sortable = [a for a in page.all("th") if "aria-sort" in a]
    assert len(sortable) == len(page.all("button"))


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


def test_nothing_is_fetched(text: str) -> None:
    assert not re.search(r"https?://", text)
    assert not re.search(r"@import|url\((?!#)", text)


def test_numbers_of_the_tables_are_on_the_page(study: Path, text: str) -> None:
    assert "86.61 ± 13.46" in text
    assert "306.19" in text
    assert "5 singular" in text
    for name in ("config hash", "code hash", "libraries", "device"):
        assert name in text
    assert "Missing:" not in text


def test_rows_can_be_sorted_by_number(text: str) -> None:
    page = Page(text)
    orders = [a["data-order"] for a in page.all("td") if a.get("class") == "number"]
    assert len(orders) > 50
    assert all(order == "" or float(order or "nan") is not None for order in orders)
    assert sort_key("−0.123 [−0.2, 0.1]") == "-0.123"
    assert sort_key("15,625") == "15625"
    assert sort_key("93.20 ± 0.40") == "93.20"
    assert sort_key("−∞") == "-Infinity"
    assert sort_key("–") == ""


def test_equal_inputs_give_equal_bytes(study: Path, text: str, tmp_path: Path) -> None:
    assert render(study, tmp_path / "again.html") == text


def test_hostile_names_are_escaped(tmp_path: Path, repository: Path) -> None:
    name = "<script>alert('x')</script>"
    accuracy = np.linspace(10, 90, 8)
    benchmark = write_benchmark(tmp_path / "b.h5", {("cifar10", "test", 200, "mean"): accuracy})
    scores = write_scores(
        tmp_path / "s.h5", {name: accuracy}, image_source='"><img src=x onerror=alert(1)>'
    )
    tables, figures = tmp_path / "tables", tmp_path / "figures"
    tabulate_correlations([scores], benchmark, tables / "correlations", 50, 0)
    tabulate_timing([scores], tables / "timing", None)
    plot_score_accuracy(scores, benchmark, name, figures / "score-x")
    render_report(tables, figures, tmp_path / "p.html", [scores])
    text = (tmp_path / "p.html").read_text(encoding="utf-8")
    page = Page(text)
    assert len(page.all("script")) == 1
    assert page.all("img") == []
    assert "alert(&#39;x&#39;)" in text
    (figures / "score-x.svg").unlink()
    render_report(tables, figures, tmp_path / "p.html", [scores])
    (image,) = Page((tmp_path / "p.html").read_text(encoding="utf-8")).all("img")
    assert (image["src"] or "").startswith("data:image/png;base64,")
    assert name in (image["alt"] or "")


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    output = tmp_path / "p.html"
    render_report(tmp_path / "tables", tmp_path / "figures", output, [tmp_path / "none.h5"])
    text = output.read_text(encoding="utf-8")
    Page(text)
    for name in (
        "summary.csv",
        "correlations.csv",
        "search.csv",
        "timing.csv",
        "score…",
        "none.h5",
    ):
        assert name in text
    assert text.count("Missing:") == 6


def test_table_of_another_version_and_missing_template(tmp_path: Path) -> None:
    tables = tmp_path / "tables"
    tables.mkdir()
    (tables / "timing.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataFileError, match="lacks the column part, name"):
        render_report(tables, tmp_path, tmp_path / "p.html", [])
    (tables / "timing.csv").unlink()
    with pytest.raises(DataFileError, match=r"report\.html\.j2"):
        render_report(tables, tmp_path, tmp_path / "p.html", [], templates=tmp_path)
    assert not (tmp_path / "p.html").exists()
