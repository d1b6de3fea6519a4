"""One bad table or figure never stops the report: it is named with the reason, others are shown."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from report_fixtures import Page, put

from trainfree.cli import main
from trainfree.provenance import canonical_json
from trainfree.report.style.bitmaps import pack_bitmaps
from trainfree.report.style.png import SIGNATURE

SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9">{}</svg>'


def chunk(kind: bytes, data: bytes) -> bytes:
    checked = kind + data
    return struct.pack(">I", len(data)) + checked + struct.pack(">I", zlib.crc32(checked))


def png(*more: bytes, width: int = 1, height: int = 1) -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    picture = chunk(b"IDAT", zlib.compress(b"\0\0"))
    return b"".join([SIGNATURE, head, *more, picture, chunk(b"IEND", b"")])


BOMB = zlib.compress(b"\0" * 100_000_000)
BAD_FIGURES: dict[str, tuple[dict[str, str | bytes], str]] = {
    "nested": ({"svg": SVG.format("<g>" * 3000 + "</g>" * 3000)}, "64 in each other"),
    "many": ({"svg": SVG.format("<g/>" * 200_001)}, "more than 200,000 elements"),
    "entities": (
        {"svg": '<!DOCTYPE svg [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>' + SVG.format("&b;")},
        "it declares the entity",
    ),
    "cut": ({"svg": SVG.format("<g>")[:-8]}, "is not an SVG figure"),
    "empty": ({"svg": ""}, "is not an SVG figure"),
    "page": ({"svg": "<html><body/></html>"}, "its root is"),
    "binary": ({"svg": bytes(range(256))}, "is not an SVG figure"),
    "ztxt": ({"png": png(chunk(b"zTXt", b"Title\0\0" + BOMB))}, "the texts in it take more"),
    "itxt": ({"png": png(chunk(b"iTXt", b"a\0\1\0\0\0" + BOMB))}, "the texts in it take more"),
    "texts": ({"png": png(*[chunk(b"tEXt", b"a\0" + b"b" * 600_000)] * 2)}, "take more than"),
    "unpacked": ({"png": png(chunk(b"zTXt", b"Title\0\0xx"))}, "cannot be unpacked"),
    "large": ({"png": png(width=60_000, height=60_000)}, "60,000 × 60,000 pixels"),
    "none": ({"png": png(width=0)}, "0 × 1 pixels"),
    "claims": ({"png": SIGNATURE + struct.pack(">I4s", 2**31, b"IHDR")}, "claims 2,147,483,648"),
    "cut_png": ({"png": png()[:-6]}, "it is cut off"),
    "no_end": ({"png": png()[:-12]}, "it is cut off"),
    "flipped": ({"png": png().replace(b"IDAT", b"IDAX")}, "the checksum of its chunk"),
    "empty_png": ({"png": b""}, "does not begin as a PNG"),
    "gif": ({"png": b"GIF89a"}, "does not begin as a PNG"),
}
BAD_TABLES: dict[str, tuple[dict[str, str | bytes], str]] = {
    "wide": ({"csv": ",".join(map(str, range(1_000_000)))}, "expected at most"),
    "columns": ({"csv": ",".join(map(str, range(2000))) + "\n"}, "expected at most 1000 columns"),
    "binary": ({"csv": bytes(range(256))}, "is not a CSV table"),
    "nothing": ({"csv": ""}, "is not a CSV table"),
    "ragged": ({"csv": "a,b\n1,2\n1,2,3,4,5\n"}, "is not a CSV table"),
    "quoted": ({"csv": 'a,b\n"1,2\n'}, "is not a CSV table"),
}


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Results with a good table and a good figure, and a way to make the report."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "results" / "default"
    put(folder / "tables" / "good", csv="a\n1\n")
    put(folder / "figures" / "good", svg=SVG.format("<path d='M0 0'/>"), png=png())
    return folder


def report(results: Path) -> str:
    """Make the page, check that what is good is shown, and return its text."""
    assert main(["report"]) == 0
    text = (results / "report" / "index.html").read_text(encoding="utf-8")
    page = Page(text)
    assert "table-good" in {attributes.get("id") for attributes in page.all("table")}
    assert "figure-good" in {attributes.get("id") for attributes in page.all("figure")}
    return " ".join(" ".join(page.texts).split())


@pytest.mark.parametrize("name", BAD_FIGURES)
def test_a_bad_figure_is_named(name: str, results: Path) -> None:
    files, reason = BAD_FIGURES[name]
    put(results / "figures" / name, **files)
    told = report(results).partition("Make them again, or delete them.")[2]
    assert f"figures/{name}." in told
    assert reason in told


@pytest.mark.parametrize("name", BAD_TABLES)
def test_a_bad_table_is_named(name: str, results: Path) -> None:
    files, reason = BAD_TABLES[name]
    put(results / "tables" / name, **files)
    told = report(results).partition("Make them again, or delete them.")[2]
    assert f"tables/{name}." in told
    assert reason in told


def origin_of(columns: int, *rows: list[str], **changes: object) -> dict[str, object]:
    """Return the content of the JSON file of a table with one column of texts more or less."""
    names = [f"c{place}" for place in range(columns)]
    table: dict[str, object] = {"title": "t", "made_from": "", "columns": names, "rows": rows}
    table |= {"section": "", "rank": 0, **changes}
    hashes = {
        "csv": hashlib.sha256(b"a\n1\n").hexdigest(),
        "table": hashlib.sha256(canonical_json(table).encode()).hexdigest(),
    }
    return {"apart": "", "made_from": [], "sha256": hashes, "table": table}


@pytest.mark.parametrize(
    ("origin", "reason"),
    [
        (origin_of(2000), "expected at most 1000 columns"),
        (origin_of(2, ["1"]), "a row of the table has not one cell for each column"),
        (origin_of(1, ["1"]) | {"table": {}}, "expected the keys"),
        (origin_of(1, [1]), "expected the keys"),
        (origin_of(1, ["1"], title=None), "expected the keys"),
        (origin_of(1, ["1"], rows="much"), "expected the keys"),
        (origin_of(1, ["1"]) | {"sha256": {"csv": "x", "table": "y"}}, "its table was edited"),
    ],
)
def test_a_bad_readable_version_is_named(
    origin: dict[str, object], reason: str, results: Path
) -> None:
    tables = results / "tables"
    (tables / "bad.csv").write_text("a\n1\n")
    (tables / "bad.json").write_text(json.dumps(origin))
    told = report(results).partition("Make them again, or delete them.")[2]
    assert "tables/bad" in told
    assert reason in told


def test_a_bitmap_stands_for_a_bad_drawing(results: Path) -> None:
    put(results / "figures" / "half", svg="<svg>", png=png())
    assert "figures/half.svg : is not an SVG figure" in report(results)
    text = (results / "report" / "index.html").read_text(encoding="utf-8")
    assert '<figure id="figure-half">' in text


def _huge(path: Path) -> None:
    with path.open("wb") as handle:
        handle.truncate(500_000_000)


def _loop(path: Path) -> None:
    path.symlink_to(path)


SPECIAL: dict[str, tuple[Callable[[Path], object], str]] = {
    "folder": (Path.mkdir, "expected a file, found a folder"),
    "fifo": (os.mkfifo, "expected a file, found a FIFO"),
    "dangling": (lambda path: path.symlink_to("nowhere"), "is a link to nothing"),
    "loop": (_loop, "is a link to nothing"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "expected a file, found a device"),
    "huge": (_huge, "expected at most"),
}


@pytest.mark.parametrize("place", ["tables/x.csv", "figures/x.svg", "figures/x.png"])
@pytest.mark.parametrize("kind", SPECIAL)
def test_what_is_no_file_of_a_figure_is_named(kind: str, place: str, results: Path) -> None:
    make, reason = SPECIAL[kind]
    make(results / place)
    told = report(results)
    assert f"{place} : {reason}" in told


@pytest.mark.parametrize("kind", ["folder", "fifo", "dangling", "device", "huge"])
def test_a_special_origin_file_is_named(kind: str, results: Path) -> None:
    (results / "tables" / "x.csv").write_text("a\n1\n")
    SPECIAL[kind][0](results / "tables" / "x.json")
    assert "tables/x : x.json: " in report(results)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file_is_named(results: Path) -> None:
    (results / "tables" / "x.csv").write_text("a\n1\n")
    (results / "tables" / "x.csv").chmod(0)
    assert "tables/x.csv : cannot be read (Permission denied)" in report(results)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "[" * 100_000, '{"made_from": 1}', "\x00", "9" * 5000, '{"a": NaN}']
)
def test_a_damaged_origin_file_is_named(text: str, results: Path) -> None:
    (results / "tables" / "x.csv").write_text("a\n1\n")
    (results / "tables" / "x.json").write_text(text)
    assert "tables/x : x.json: expected the keys apart, made_from and sha256" in report(results)


def test_a_reason_is_short_and_printable(results: Path) -> None:
    (results / "tables" / "x\x1b[2J\u202e\n.csv").write_text("a\n1\n")
    (results / "tables" / "y.csv").write_text("a\n1\n")
    told = f'{{"apart": "", "sha256": {{}}, "made_from": [{{"{"k" * 100_000}": ""}}]}}'
    (results / "tables" / "y.json").write_text(told)
    text = report(results)
    assert "tables/x?[2J??" in text
    assert "tables/y : y.json: expected the keys" in text
    assert "k" * 1000 not in text


def test_damaged_run_times_are_named(results: Path) -> None:
    costs = results.parent.parent / "logs" / "default" / "benchmarks"
    costs.mkdir(parents=True)
    (costs / "a.tsv").write_bytes(b"s\n\xff\n")
    (costs / "b.tsv").mkdir()
    assert "default/benchmarks : benchmarks/a.tsv: is not text" in report(results)


@pytest.mark.parametrize(
    "coded", ["AAAA", "A", base64.b64encode(png(width=60_000, height=60_000)).decode()]
)
def test_a_bad_bitmap_is_not_packed(coded: str) -> None:
    svg = f'<svg><image href="data:image/png;base64,{coded}"/></svg>'
    assert pack_bitmaps(svg) == svg


def test_a_bitmap_is_taken_over_pixel_for_pixel_and_without_texts(results: Path) -> None:
    kept = io.BytesIO()
    pixels = np.random.default_rng(0).integers(256, size=(5, 4, 4)).astype(np.uint8)
    Image.fromarray(pixels).save(kept, "PNG")
    content = kept.getvalue()
    content = content[:33] + chunk(b"tEXt", b"Title\0Own title") + content[33:]
    put(results / "figures" / "drawn", png=content)
    report(results)
    page = Page((results / "report" / "index.html").read_text(encoding="utf-8"))
    (image,) = page.all("img")
    shown = base64.b64decode((image["src"] or "").partition(",")[2])
    assert b"tEXt" not in shown
    assert (image["alt"] or "").startswith("Own title.")
    with Image.open(io.BytesIO(shown)) as opened:
        np.testing.assert_array_equal(np.asarray(opened), pixels)
