"""The page in a real browser, opened from disk with the network off.

Screenshots are kept in results/ci/screenshots, or where TRAINFREE_SCREENSHOTS says.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from report_fixtures import HOSTILE, contents_of, write_hostile_run, write_run

from trainfree.analysis.tables import read_table
from trainfree.files.storage import read_dataset
from trainfree.report.page.page import render_report
from trainfree.spaces import load_space

WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
CONTRAST = 4.5  # WCAG 2.2, 1.4.3, text of normal size
LOW_CONTRAST = """limit => {
  const pen = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const rgba = colour => {
    pen.clearRect(0, 0, 1, 1);
    pen.fillStyle = colour;
    pen.fillRect(0, 0, 1, 1);
    return [...pen.getImageData(0, 0, 1, 1).data];
  };
  const part = byte => byte < 10.3 ? byte / 3294.6 : ((byte / 255 + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  const ground = element => {
    for (let e = element; e; e = e.parentElement) {
      const colour = rgba(getComputedStyle(e).backgroundColor);
      if (colour[3] > 200) return colour;
    }
    return [255, 255, 255, 255];
  };
  const words = "h1,h2,h3,p,th,td,dt,dd,a,summary,strong,small,figcaption,label,button,span";
  const found = new Set();
  for (const element of document.querySelectorAll(words)) {
    const text = [...element.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
    if (!text || !element.checkVisibility()) continue;
    const [a, b] = [light(rgba(getComputedStyle(element).color)), light(ground(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < limit) found.add(`${element.tagName}.${element.className} ${ratio.toFixed(2)}`);
  }
  return [...found];
}"""


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Path:
    folder = write_run(tmp_path_factory.mktemp("browsed"), repository)
    render_report(contents_of(folder), folder / "index.html")
    return folder


def scores_of(study: Path) -> Any:
    return read_dataset(study / "b32-pytorch-images-s0.h5", "scores")


@pytest.fixture(scope="module")
def screenshots(repository: Path) -> Path:
    """Where pictures are kept."""
    named = os.environ.get("TRAINFREE_SCREENSHOTS")
    folder = Path(named) if named else repository / "results" / "ci" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


class Opened:
    """A page from disk, and everything it asked for or complained of."""

    def __init__(self, browser: Any, path: Path, size: dict[str, int], scheme: str) -> None:
        self.context = browser.new_context(viewport=size, color_scheme=scheme, offline=True)
        self.page = self.context.new_page()
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append(dialog.message))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.address = path.as_uri()
        start = time.perf_counter()
        self.page.goto(self.address)
        # not wait_for_function: the page's policy forbids to evaluate text
        self.page.locator("#scatter-caption:not(:empty)").wait_for(state="attached")
        self.seconds = time.perf_counter() - start

    def field(self, name: str) -> str:
        return str(self.page.locator(f'[data-field="{name}"]').text_content())

    def column(self, table: str, place: int) -> list[str]:
        cells = self.page.locator(f"#table-{table} tbody tr > :nth-child({place + 1})")
        return list(cells.all_text_contents())


@pytest.fixture
def open_page(browser: Any) -> Iterator[Any]:
    """Opens pages, and checks at the end that each was silent and alone."""
    every: list[Opened] = []

    def opened(path: Path, size: dict[str, int] = WIDE, scheme: str = "light") -> Opened:
        every.append(Opened(browser, path, size, scheme))
        return every[-1]

    yield opened
    for one in every:
        one.context.close()
        assert one.complaints == []
        assert one.requests == [one.address]


def test_opens_from_disk_in_light_and_dark(
    study: Path, screenshots: Path, open_page: Any, record_property: Any
) -> None:
    grounds = set()
    for scheme in ("light", "dark"):
        opened = open_page(study / "index.html", scheme=scheme)
        record_property(f"seconds until the points are drawn, {scheme}", opened.seconds)
        opened.page.screenshot(path=screenshots / f"report-1280-{scheme}.png", full_page=True)
        assert opened.page.evaluate("document.documentElement.scrollWidth") == WIDE["width"]
        assert opened.page.evaluate(LOW_CONTRAST, CONTRAST) == []
        grounds.add(opened.page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert len(grounds) == 2


def test_fits_a_telephone(study: Path, screenshots: Path, open_page: Any) -> None:
    opened = open_page(study / "index.html", NARROW)
    opened.page.screenshot(path=screenshots / "report-390.png", full_page=True)
    assert opened.page.evaluate("document.documentElement.scrollWidth") == NARROW["width"]
    scrolls = "e => e.filter(box => box.scrollWidth > box.clientWidth).length"
    assert opened.page.locator(".scroll").evaluate_all(scrolls) > 2


def test_tables_are_sorted_by_mouse_and_by_keyboard(study: Path, open_page: Any) -> None:
    opened = open_page(study / "index.html")
    header = opened.page.locator("#table-timing thead th", has_text="Mean").first
    place = header.evaluate("e => e.cellIndex")
    before = opened.column("timing", place)
    header.locator("button").click()
    assert header.get_attribute("aria-sort") == "descending"
    falling = [float(text.replace(",", "")) for text in opened.column("timing", place)]
    assert falling == sorted(falling, reverse=True)
    assert "descending" in opened.page.locator("#announcement").text_content()
    header.locator("button").focus()
    opened.page.keyboard.press("Enter")
    assert header.get_attribute("aria-sort") == "ascending"
    rising = [float(text.replace(",", "")) for text in opened.column("timing", place)]
    assert rising == sorted(falling)
    opened.page.keyboard.press("Space")
    assert header.get_attribute("aria-sort") == "none"
    assert opened.column("timing", place) == before


def test_rows_are_found_by_words(study: Path, open_page: Any) -> None:
    opened = open_page(study / "index.html")
    table = opened.page.locator("#part-naswot-table2a")
    assert not table.is_visible()
    opened.page.evaluate("location.hash = '#part-naswot-table2a'")  # a link unfolds what it names
    table.locator("input").fill("not reproduced")
    shown = table.locator("tbody tr:visible")
    words = shown.all_text_contents()
    assert 0 < len(words) < table.locator("tbody tr").count()
    assert all("not reproduced" in text for text in words)
    assert table.locator(".count").text_content().startswith(f"{len(words)} of ")


def test_hovering_shows_the_architecture_and_its_cell(study: Path, open_page: Any) -> None:
    scores = scores_of(study)
    trained = read_dataset(study / "nasbench201.h5", "benchmark")["accuracy"]
    accuracy = trained.sel(dataset="cifar10", split="test", epochs=200, seed="mean")
    opened = open_page(study / "index.html")
    plot = opened.page.locator("#scatter-plot")
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    seen = set()
    for across in np.arange(0.1, 1.0, 0.06):
        for down in np.arange(0.04, 0.5, 0.06):
            opened.page.mouse.move(
                box["x"] + across * box["width"], box["y"] + down * box["height"]
            )
            if not opened.page.locator("#scatter-detail dl").is_visible():
                continue
            index = int(opened.field("index"))
            seen.add(index)
            place = scores["arch"].to_numpy().tolist().index(index)
            name = str(scores["architecture"][place].item())
            assert opened.field("name") == name
            assert opened.field("accuracy").startswith(f"{float(accuracy[place]):.2f} %")
            shown = opened.field("score").split(", rank")[0].replace(",", "").replace("−", "-")
            score = float(scores["score"].sel(proxy="naswot")[place])
            assert float(shown.replace("∞", "inf")) == pytest.approx(score, rel=1e-5)
            edges = [entry for entry in name.replace("+", "|").split("|") if "~" in entry]
            drawn = sum(not entry.startswith("none~") for entry in edges)
            assert opened.page.locator("#scatter-cell path").count() == drawn
        if len(seen) > 8:
            break
    assert len(seen) > 3


def test_points_are_reached_by_keyboard_and_by_index(study: Path, open_page: Any) -> None:
    scores = scores_of(study)
    opened = open_page(study / "index.html")
    opened.page.locator("#scatter-proxy").select_option("synflow")
    best = int(scores["arch"][scores["score"].sel(proxy="synflow").argmax(...)["arch"]])
    opened.page.locator("#scatter-plot").focus()
    opened.page.keyboard.press("End")
    assert opened.field("index") == str(best)
    assert "rank 1 of 59" in opened.field("score")
    opened.page.keyboard.press("ArrowLeft")
    assert "rank 2 of 59" in opened.field("score")
    opened.page.keyboard.press("Escape")
    assert not opened.page.locator("#scatter-cell").is_visible()
    wanted = str(int(scores["arch"][3]))
    opened.page.locator("#scatter-index").fill(wanted)
    assert opened.field("index") == wanted
    opened.page.locator("#scatter-index").fill("1")
    assert opened.page.locator("#scatter-detail .hint").is_visible()


def test_keyboard_meets_the_way_past_the_navigation_first(study: Path, open_page: Any) -> None:
    opened = open_page(study / "index.html")
    opened.page.keyboard.press("Tab")
    assert opened.page.evaluate("document.activeElement.className") == "skip"
    assert opened.page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"


def test_the_first_screen_answers_three_questions(
    study: Path, screenshots: Path, open_page: Any
) -> None:
    opened = open_page(study / "index.html")
    opened.page.screenshot(path=screenshots / "report-1280-first.png")
    board = read_table(study / "tables" / "proxy_board.csv").set_index("proxy")
    best = board.drop(index="params").sort_values("spearman").iloc[-1]
    wanted = {
        "ranking": (
            best.name,
            f"ρ {best['spearman']:.2f}",
            f"{1000 * best['seconds_alone']:.3g} ms",
        ),
        "search": ("93.23 %", "random-synflow, N = 10, 0.200 s of scoring"),
        "papers": ("published cells with a verdict are reproduced", "reproduced"),
    }
    for anchor, texts in wanted.items():
        answer = opened.page.locator(f"article:has(#answer-{anchor})")
        told = " ".join(answer.inner_text().split())
        assert all(text in told for text in texts), told
        box = answer.bounding_box()
        assert box["y"] >= 0
        assert box["y"] + box["height"] <= WIDE["height"]
    picture = opened.page.locator("#picture svg")
    box = picture.bounding_box()
    assert box["y"] + box["height"] <= WIDE["height"]
    assert picture.locator("circle").count() == len(board)


def test_every_download_is_the_file(study: Path, open_page: Any, tmp_path: Path) -> None:
    opened = open_page(study / "index.html")
    opened.page.evaluate("document.querySelectorAll('details').forEach(fold => fold.open = true)")
    compared = 0
    for button in opened.page.locator("button[data-file]").all():
        file = study / button.get_attribute("data-file")
        with opened.page.expect_download() as waiting:
            button.click()
        opened.page.wait_for_timeout(100)  # Chromium starts no more than ten downloads a second
        waiting.value.save_as(tmp_path / "x")
        assert waiting.value.suggested_filename == file.name
        if file.is_file():
            assert (tmp_path / "x").read_bytes() == file.read_bytes()
            compared += 1
        else:
            assert file.name == "proxies-by-cost.svg"
            assert (tmp_path / "x").read_bytes().startswith(b"<?xml")
    assert compared >= len(list((study / "tables").glob("*.csv")))
    with opened.page.expect_download() as waiting:
        opened.page.locator("#scatter-csv").click()
    shown = 59  # one has no parameters, and no place on a logarithmic axis
    assert len(waiting.value.path().read_text().splitlines()) == 1 + shown


def test_the_address_keeps_what_is_chosen(study: Path, open_page: Any) -> None:
    opened = open_page(study / "index.html")
    page = opened.page
    page.locator("#scatter-view").select_option("pair")
    page.locator("#scatter-proxy").select_option(label="synflow")
    page.locator("#scatter-other").select_option(label="params")
    page.locator("#scatter-colour").select_option("accuracy")
    page.locator("#table-proxy-board").get_by_role("button", name="ms", exact=True).click()
    caption = page.locator("#scatter-caption").text_content()
    assert "ρ of the two is" in caption
    frame = scores_of(study).to_dataframe()["score"].unstack("proxy")
    both = frame[np.isfinite(frame["synflow"]) | np.isneginf(frame["synflow"])]
    rho = both["synflow"].rank().corr(both["params"].rank())
    assert f"{rho:.3f}" in caption
    rows = opened.column("proxy-board", 0)
    address = page.url
    again = page.context.new_page()
    again.goto(address)
    again.locator("#scatter-caption:not(:empty)").wait_for(state="attached")
    assert again.locator("#scatter-caption").text_content() == caption
    assert again.locator("#scatter-legend").is_visible()
    cells = again.locator("#table-proxy-board tbody tr > :first-child").all_text_contents()
    assert list(cells) == rows


def test_architectures_are_found_by_every_name(study: Path, open_page: Any) -> None:
    scores, space = scores_of(study), load_space("nasbench201")
    opened = open_page(study / "index.html")
    index = int(scores["arch"][20])
    string = space.to_string(index)
    names = (
        str(index),
        string,
        ",".join(map(str, space.digits(index))),
        f"({', '.join(map(str, space.digits(index)))})",
        ",".join(space.operation_names(index)),
        "naslib:" + ",".join(map(str, space.to_naslib(index))),
    )
    for name in names:
        opened.page.locator("#scatter-index").fill("")
        opened.page.locator("#scatter-index").fill(name)
        assert opened.field("name") == string, name
    opened.page.locator("#scatter-index").fill("9,9,9,9,9,9")
    assert "No architecture" in opened.page.locator("#scatter-detail .hint").text_content()


def test_reasons_are_read_without_scrolling_sideways(study: Path, open_page: Any) -> None:
    for size in (WIDE, NARROW):
        opened = open_page(study / "index.html", size)
        reasons = opened.page.locator("#printed-naswot-table2a .reasons li")
        assert reasons.count() > 1
        for box in (reason.bounding_box() for reason in reasons.all()):
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= size["width"]
        mark = opened.page.locator("#printed-naswot-table2a sup a").first
        letter = mark.text_content()
        assert reasons.filter(has=opened.page.locator(f"b:text-is('{letter}')")).count() == 1


def test_everything_is_printed(study: Path, open_page: Any, tmp_path: Path) -> None:
    opened = open_page(study / "index.html")
    opened.page.pdf(path=tmp_path / "report.pdf")  # fires beforeprint and afterprint
    assert opened.page.locator("details[open]").count() == 0
    opened.page.emulate_media(media="print")
    assert not opened.page.locator("nav").is_visible()
    cut = "e => e.filter(box => getComputedStyle(box).overflow !== 'visible').length"
    assert opened.page.locator(".scroll").evaluate_all(cut) == 0
    assert (tmp_path / "report.pdf").stat().st_size > 20_000


def test_hostile_names_do_nothing(open_page: Any, tmp_path: Path) -> None:
    render_report(write_hostile_run(tmp_path), tmp_path / "p.html")
    opened = open_page(tmp_path / "p.html")
    options = opened.page.locator("#scatter-proxy option").all_text_contents()
    assert [" ".join(option.split()) for option in options] == [HOSTILE]
    opened.page.locator("#scatter-plot").focus()
    opened.page.keyboard.press("End")
    assert opened.field("name") == f"|{HOSTILE}7~0|"
    assert opened.page.locator("#scatter-cell img, img[onerror]").count() == 0
