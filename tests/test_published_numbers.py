"""The papers' numbers: complete, as printed, and refused with a reason when malformed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from trainfree.analysis.published import (
    Cell,
    find_table,
    read_papers,
    read_published,
    table_names,
)
from trainfree.errors import DataFileError

ROMAN = ("I", "II", "III", "IV", "V")
NUMBER = re.compile(r"\d+\.\d+")


@pytest.fixture
def folder(repository: Path) -> Path:
    return repository / "reports" / "published"


@pytest.fixture
def naswot(folder: Path) -> Path:
    return folder / "naswot.yaml"


def cells_of(path: Path, name: str) -> list[Cell]:
    return [cell for cell, _ in find_table([read_published(path)], name).cells]


def reference(shared_data: Path, *parts: str) -> str:
    path = shared_data.parent.joinpath(*parts)
    if not path.is_file():
        pytest.skip(f"no text of the papers: {path}")
    return path.read_text(encoding="utf-8")


def test_all_cells_of_table_2a_and_figure_3(naswot: Path) -> None:
    printed = {
        (c.row, c.column): (c.value, c.spread, c.n) for c in cells_of(naswot, "naswot_table2a")
    }
    assert len(printed) == 17 * 7 - 6  # three dashes of AREA, three of rows without seconds
    assert printed["NASWOT N=1000", "ImageNet16-120 test"] == (44.44, 2.10, 500)
    assert printed["GDAS", "CIFAR-100 validation"] == (71.14, 0.27, None)
    assert printed["AREA", "CIFAR-10 validation"] == (91.20, 0.27, 50)
    taus = {c.column: c.value for c in cells_of(naswot, "naswot_figure3")}
    assert [taus[name] for name in ("CIFAR-10", "CIFAR-100", "ImageNet16-120")] == [
        *(0.574, 0.611, 0.549)
    ]


def test_tables_have_names_of_their_own_and_suspicious_cells_a_reason(folder: Path) -> None:
    paths = [paper.path for paper in read_papers(folder)]
    assert [path.stem for path in paths] == ["naswot", "cossu"]
    assert len(set(table_names(map(read_published, paths)))) == 10
    suspicious = [
        cell for path in paths for cell, _ in read_published(path).pairs() if cell.suspicious
    ]
    places = {(cell.table, cell.row, cell.column) for cell in suspicious}
    assert ("Table 2(b)", "NASWOT N=10", "CIFAR-10 test") in places
    assert ("Table I", "CIFAR-10 N=10", "Validation accuracy") in places
    assert all(len(cell.suspicious) > 20 for cell in suspicious)


@pytest.mark.shared_data
@pytest.mark.parametrize("table", ROMAN)
def test_cossu_tables_are_those_of_the_text(folder: Path, shared_data: Path, table: str) -> None:
    text = reference(shared_data, "seeds", "001_4b2580c85d443b17.txt")
    section = re.split(rf"TABLE {table}\b", text)[1].split("TABLE ")[0]
    printed = [
        float(number)
        for line in section.splitlines()
        if line.startswith("|")
        for number in NUMBER.findall(line)
    ]
    entered = [
        number
        for cell in cells_of(folder / "cossu.yaml", f"cossu_table{ROMAN.index(table) + 1}")
        for number in (cell.value, cell.spread)
    ]
    assert len(entered) == {"I": 54, "II": 18}.get(table, 12)
    assert entered == printed


@pytest.mark.shared_data
def test_correlations_are_those_of_the_text(folder: Path, shared_data: Path) -> None:
    text = reference(shared_data, "seeds", "001_4b2580c85d443b17.txt")
    values = [cell.value for cell in cells_of(folder / "cossu.yaml", "cossu_figure3")]
    assert re.search(r"0\.7357, 0\.6398 and 0\.6260", text)
    assert values == [0.7357, 0.6398, 0.6260]


@pytest.mark.shared_data
@pytest.mark.parametrize("name", ["2(a)", "2(b)"])
def test_naswot_tables_are_those_of_the_notes(naswot: Path, shared_data: Path, name: str) -> None:
    text = reference(shared_data, "research", "nas.md")
    section = text.split(f"**Table {name}", 1)[1].split("\n\n", 2)[1]
    printed = {}
    for line in section.splitlines()[2:]:
        row, _, *cells = (part.strip() for part in line.strip("|").split("|"))
        for place, cell in enumerate(cells):
            if "±" in cell:
                value, spread = cell.split("±")
                printed[row, place] = (float(value), float(spread))
    columns = [
        f"{dataset} {split}"
        for dataset in ("CIFAR-10", "CIFAR-100", "ImageNet16-120")
        for split in ("validation", "test")
    ]
    entered = {
        (cell.row, columns.index(cell.column)): (cell.value, cell.spread)
        for cell in cells_of(naswot, f"naswot_table{name.strip('()').replace('(', '')}")
        if cell.unit == "%"
    }
    assert len(entered) > 40
    # The text gives AREA's three numbers without their columns; the notes take all for validation.
    if "AREA" in {row for row, _ in entered}:
        entered["AREA", 4] = entered.pop(("AREA", 5))
    assert entered == printed


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("value: 91.19", "valu: 91.19", "entry 2 of cells: value: Field required"),
        ("value: 91.19", "value: many", "entry 2 of cells: value: .*number.*'many'"),
        ("value: 91.19", "value: .nan", "entry 2 of cells: value: .*finite"),
        ("spread: 0.31", "spread: -0.31", "entry 2 of cells: spread"),
        ('column: "CIFAR-10 validation"', "column: nowhere", "unknown column 'nowhere'"),
        ('row: "REA", column: "CIFAR-10 v', 'row: "REB", column: "CIFAR-10 v', "unknown row 'REB'"),
        ("hardware:", "hardwear:", "hardware: Field required"),
        ("cells:", "cells: [", "not valid YAML"),
        ("kind: answer", "kind: answers", "Table 2.*kind"),
        ('unit: "%", n: 500', 'unit: "pct", n: 500', "entry 2 of cells: unit"),
        (
            'column: "CIFAR-10 test", value: 93.92',
            'column: "CIFAR-10 validation", value: 93.92',
            "occurs twice",
        ),
    ],
)
def test_malformed(tmp_path: Path, naswot: Path, before: str, after: str, message: str) -> None:
    text = naswot.read_text(encoding="utf-8")
    assert before in text
    path = tmp_path / "p.yaml"
    path.write_text(text.replace(before, after, 1), encoding="utf-8")
    with pytest.raises(DataFileError, match=message):
        read_published(path)


def test_missing_file_and_table_are_named(tmp_path: Path, naswot: Path) -> None:
    with pytest.raises(DataFileError, match="no such file of published numbers"):
        read_published(tmp_path / "none.yaml")
    with pytest.raises(DataFileError, match="no published table 'nothing'"):
        find_table([read_published(naswot)], "nothing")
