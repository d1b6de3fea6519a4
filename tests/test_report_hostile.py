"""Hostile figures, tables and strings on the page: nothing runs, nothing is fetched.

Each fence is tried alone: what is written anew and escaped, without the page's policy; and the
policy, on figures as they are.
"""

from __future__ import annotations

import io
import os
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hostile_payloads import RUN, STRINGS, hostile_svgs, mutated_svgs
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from report_fixtures import put, write_hostile_run

from trainfree.analysis.origins import MadeFrom
from trainfree.analysis.tables import csv_text, write_tables
from trainfree.report.page.page import Contents, render_report
from trainfree.report.page.svg import ATTRIBUTES, ELEMENTS

POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>\n')
TOUCH = """() => {
  for (const element of document.querySelectorAll("main *, main"))
    for (const kind of ["click", "mouseover", "focus", "error", "load", "toggle", "animationstart"])
      if (!element.closest("button, summary, select"))
        element.dispatchEvent(new MouseEvent(kind, {bubbles: false, cancelable: true}));
}"""
NAMES = """() => {
  const found = new Set();
  for (const element of document.querySelectorAll(".plate *")) {
    found.add(element.tagName);
    for (const name of element.getAttributeNames()) found.add("@" + name);
  }
  return [...found];
}"""
IDS = "[...document.querySelectorAll('.plate [id]')].map(element => element.id)"


def visit(browser: Any, path: Path) -> tuple[list[str], list[str]]:
    """Open a page, touch everything on it, and return what happened and what the figures hold."""
    context = browser.new_context(offline=True)
    page = context.new_page()
    happened: list[str] = []
    page.on("dialog", lambda dialog: (happened.append("a dialog"), dialog.dismiss()))
    page.on("request", lambda request: happened.append(f"a request to {request.url[:60]}"))
    page.goto(path.as_uri())
    page.evaluate(TOUCH)
    page.wait_for_timeout(400)  # animations that begin at once have begun
    if page.evaluate("top.__pwned") is not None:
        happened.append("a script ran")
    happened += [f"a frame {frame.url[:60]}" for frame in page.frames[1:]]
    names = page.evaluate(NAMES)
    assert all(re.match(r"f\d+-", name) for name in page.evaluate(IDS))
    context.close()
    assert happened.pop(0) == f"a request to {path.as_uri()[:60]}"
    return happened, names


def written(contents: Contents, output: Path, *, with_policy: bool) -> Path:
    render_report(contents, output)
    if not with_policy:
        text, count = POLICY.subn("", output.read_text(encoding="utf-8"))
        assert count == 1
        output.write_text(text, encoding="utf-8")
    return output


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Contents:
    """A page of hostile figures, 100 of them at random."""
    folder = tmp_path_factory.mktemp("hostile")
    for place, svg in enumerate([*hostile_svgs(), *mutated_svgs(seed=13, count=100)]):
        put(folder / "figures" / f"{place}", svg=svg)
    return Contents(folder / "tables", folder / "figures")


@pytest.mark.parametrize("with_policy", [True, False])
def test_hostile_figures_do_nothing(
    browser: Any, drawn: Contents, tmp_path: Path, with_policy: bool
) -> None:
    page = written(drawn, tmp_path / "p.html", with_policy=with_policy)
    assert page.read_text(encoding="utf-8").count("<figure ") > 150
    happened, names = visit(browser, page)
    assert happened == []
    allowed = {*ELEMENTS, "svg", *(f"@{name}" for name in ATTRIBUTES)}
    assert set(names) <= allowed | {"@role", "@aria-label", "@id", "@href", "@style"}


def test_the_policy_alone_lets_no_script_run(browser: Any, drawn: Contents, tmp_path: Path) -> None:
    page = written(drawn, tmp_path / "p.html", with_policy=True)
    svgs = [svg for svg in hostile_svgs() if "refresh" not in svg]  # a policy is silent on leaving
    text = page.read_text(encoding="utf-8").replace("</main>", "".join(svgs) + "</main>")
    page.write_text(text, encoding="utf-8")
    context = browser.new_context(offline=True)
    opened = context.new_page()
    opened.goto(page.as_uri())
    opened.evaluate(TOUCH)
    opened.wait_for_timeout(400)
    assert opened.evaluate("top.__pwned") is None
    context.close()


def bitmap(**texts: str) -> bytes:
    info, kept = PngInfo(), io.BytesIO()
    for key, text in texts.items():
        info.add_itxt(key, text)
    Image.new("RGB", (3, 3)).save(kept, "PNG", pnginfo=info)
    return kept.getvalue()


@pytest.mark.parametrize("with_policy", [True, False])
def test_hostile_strings_do_nothing(browser: Any, tmp_path: Path, with_policy: bool) -> None:
    tables, figures = tmp_path / "tables", tmp_path / "figures"
    for place, text in enumerate(STRINGS):
        frame = pd.DataFrame({text: [text, text], "Verdict": [text, "reproduced"], "n": ["1", "2"]})
        write_tables(frame, frame, text, MadeFrom(text), tables / f"t{place}")
        put(tables / f"c{place}", csv=csv_text(frame))
        named = text.replace("/", "|")[:60]
        put(tables / named, csv=csv_text(frame))
        put(figures / named, png=bitmap(Title=text, Description=text))
        (figures / f"{named}.svg.png").write_bytes(b"x")
    summary = pd.DataFrame(
        [(text, text, text, text) for text in STRINGS], columns=["metric", "value", "unit", "note"]
    )
    put(tables / "summary", csv=csv_text(summary))
    costs = tmp_path / "costs"
    costs.mkdir()
    (costs / f"{STRINGS[3]}.tsv").write_text("s\tmax_rss\n1\t2\n")
    absent = {tables / f"x{place}.csv": text for place, text in enumerate(STRINGS)}
    absent |= {tmp_path / "a.h5": STRINGS[0]}
    contents = Contents(tables, figures, costs=costs, absent=absent)
    page = written(contents, tmp_path / "p.html", with_policy=with_policy)
    assert page.read_text(encoding="utf-8").count("<figure ") >= len(STRINGS)
    happened, names = visit(browser, page)
    assert happened == []
    assert set(names) == {"IMG", "@src", "@alt"}


@pytest.mark.parametrize("place", [0, 4, 8])
def test_hostile_names_in_data_files_do_nothing(browser: Any, tmp_path: Path, place: int) -> None:
    name = STRINGS[place].replace("\x07", "")
    contents = write_hostile_run(tmp_path, name)
    page = written(contents, tmp_path / "p.html", with_policy=False)
    assert "scatter-plot" in page.read_text(encoding="utf-8")
    happened, _ = visit(browser, page)
    assert happened == []
    assert RUN in name


def test_a_name_that_is_no_text_is_shown(tmp_path: Path) -> None:
    folder = tmp_path / "tables"
    folder.mkdir()
    (folder / os.fsdecode(b"\xff\xfe.csv")).write_text("a\n1\n")
    render_report(Contents(folder, tmp_path / "figures"), tmp_path / "p.html")
    assert "tables/??</code>" in (tmp_path / "p.html").read_text(encoding="utf-8")
