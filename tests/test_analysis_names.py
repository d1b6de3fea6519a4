"""One search, one name: in every table and figure, and in each table's file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from analysis_fixtures import tabulate, write_benchmark, write_search

from trainfree.analysis.registry import read_rows
from trainfree.analysis.searches.search import ORACLE, RANDOM_ARCHITECTURE
from trainfree.analysis.settings import AnalysisSettings
from trainfree.provenance import canonical_json
from trainfree.report.figures.searches.best_so_far import plot_best_so_far
from trainfree.report.figures.searches.search import plot_search
from trainfree.report.figures.searches.search_lines import read_searches
from trainfree.report.page.svg import read_svg, svg_texts

NAMES = ("local-near", "local-far", "random", "random-again")


def plan_of(overshoot: str = "", **settings: object) -> str:
    return canonical_json({"plan": {"settings": settings, "overshoot": overshoot}})


@pytest.fixture
def searches(tmp_path: Path) -> list[Path]:
    """Two searches that differ in a setting, and two that look at the accuracy itself."""
    rng = np.random.default_rng(3)
    paths = []
    for name in NAMES:
        accuracy = 80 + 10 * rng.random((6, 20))
        local = name.startswith("local")
        paths.append(
            write_search(
                tmp_path / f"{name}.h5",
                rng.random((6, 20)) if local else accuracy,
                accuracy,
                (5, 20),
                "local_search" if local else "random",
                "naswot" if local else "accuracy",
                config=plan_of(distance=1 if name == "local-near" else 3, restarts=2)
                if local
                else plan_of(),
            )
        )
    return paths


def test_a_search_has_one_name_in_all_tables(searches: list[Path], tmp_path: Path) -> None:
    tabulate("search", tmp_path, searches=searches)
    write_benchmark(tmp_path / "b.h5", {("cifar10", "test", 200, "mean"): np.linspace(50, 94, 40)})
    for name in ("regret", "ranks", "significance"):
        tabulate(name, tmp_path, searches=searches, benchmark=tmp_path / "b.h5")
    names = ("search", "regret", "ranks")
    tables = {name: read_rows(name, tmp_path / f"{name}.csv") for name in names}
    for name, table in tables.items():
        assert set(table["search"]) - {RANDOM_ARCHITECTURE, ORACLE} == set(NAMES), name
        shown = (tmp_path / f"{name}.md").read_text()
        assert all(f"| {one}" in shown for one in NAMES), name
    pairs = read_rows("significance", tmp_path / "significance.csv")
    assert {*pairs["first"], *pairs["second"]} == set(NAMES)
    notes = tables["ranks"].set_index("search")["note"]
    assert notes["random"] == ORACLE
    assert not isinstance(notes["local-near"], str) or notes["local-near"] == ""


def test_what_a_search_is_names_the_settings_that_differ(searches: list[Path], tmp_path: Path):
    rows = tabulate("search", tmp_path, searches=searches).drop_duplicates(["search", "row"])
    assert dict(zip(rows["search"], rows["row"], strict=True)) == {
        RANDOM_ARCHITECTURE: RANDOM_ARCHITECTURE,
        "local-near": "local_search, naswot, distance 1",
        "local-far": "local_search, naswot, distance 3",
        "random": ORACLE,
        "random-again": ORACLE,
    }
    lines = [line.split(" | ")[0] for line in (tmp_path / "search.md").read_text().splitlines()]
    assert [line for line in lines if "local" in line] == [
        *["| local-near"] * 2,
        *["| local-far"] * 2,
    ]


def test_figures_call_it_the_same(searches: list[Path], tmp_path: Path) -> None:
    read = read_searches(searches)
    plot_search(read, tmp_path / "search")
    plot_best_so_far(read, AnalysisSettings(bootstrap_resamples=5), tmp_path / "best")
    for stem in ("search", "best"):
        texts = " ".join(svg_texts(read_svg(tmp_path / f"{stem}.svg")))
        told = " ".join([texts, (tmp_path / f"{stem}.svg").read_text()])
        assert all(name in told for name in NAMES), stem
        assert "local_search" not in texts
