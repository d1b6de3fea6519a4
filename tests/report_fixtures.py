"""A small finished run of a real space, for the tests of the page and of the page in a browser."""

from __future__ import annotations

from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from analysis_fixtures import tabulate, tabulate_run, write_benchmark, write_scores, write_study

from trainfree.analysis.origins import DataFile, MadeFrom, write_with_origin
from trainfree.analysis.published import read_papers
from trainfree.analysis.registry import declared
from trainfree.analysis.tables import read_table, write_tables
from trainfree.cli import main
from trainfree.files.storage import read_dataset, write_dataset
from trainfree.report.figures.scores import plot_score_accuracy
from trainfree.report.page.page import Contents
from trainfree.spaces import load_space

VOID = {"meta", "img", "br", "hr", "link", "input"}
HOSTILE = "</script><img src=x onerror=alert(1)>&amp;'\"|\\$_{x}"


class Page(HTMLParser):
    """Checks that tags balance and collects what the tests ask about."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
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

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("script", "style"):
            self.texts.append(data)

    def all(self, *names: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag in names]


def contents_of(folder: Path) -> Contents:
    """What the page of a folder of :func:`write_run` is made of."""
    return Contents(
        tables=folder / "tables",
        figures=folder / "figures",
        scores=[folder / "b32-pytorch-images-s0.h5"],
        searches=sorted(path for path in folder.glob("r*.h5")),
        benchmarks=[folder / "nasbench201.h5"],
        costs=folder / "costs",
    )


def write_run(folder: Path, repository: Path, count: int = 60) -> Path:
    """Write data, tables, figures and run times of a small study of NAS-Bench-201."""
    made = write_study(folder, count)
    name_architectures([made["scores"][0], made["benchmark"]], count)
    published = repository / "reports" / "published" / "naswot.yaml"
    tables, figures, scores = folder / "tables", folder / "figures", made["scores"]
    tabulate_run(made, tables, published)
    papers = read_papers(published.parent)
    for name in ("naswot_table2a", "scoreboard"):
        measured = repository / "reports" / "measured" / f"{name}.csv"
        table = declared(name, papers)
        rows = read_table(measured, table.columns)
        title = measured.with_suffix(".md").read_text().partition("\n")[0].strip("*")
        write_tables(rows, table.show(rows), title, MadeFrom(), tables / name, table.place)
    stems = {proxy: figures / f"scores-{proxy}" for proxy in ("naswot", "synflow")}
    plot_score_accuracy(scores[0], made["benchmark"], stems)
    searches = [str(path) for path in made["searches"]]
    output = ["--folder", str(figures), "--suffix", "x"]
    assert main(["plot-searches", "--searches", *searches, *output]) == 0
    costs = folder / "costs" / "score_shard"
    costs.mkdir(parents=True)
    for place, seconds in enumerate(("12.5", "30.25")):
        (costs / f"{place}.tsv").write_text(f"s\th:m:s\tmax_rss\n{seconds}\t0:00:12\t512.5\n")
    return folder


def put(stem: Path, files: tuple[DataFile, ...] = (), **contents: str | bytes) -> None:
    """Write files of a table or figure by suffix, as the suite writes what it made itself."""
    given = {k: text if isinstance(text, bytes) else text.encode() for k, text in contents.items()}
    write_with_origin(stem, given, MadeFrom(files=files))


def put_table(
    stem: Path,
    columns: Sequence[str],
    *rows: Sequence[str],
    title: str = "A. B",
    files: tuple[DataFile, ...] = (),
    made_from: str = "",
) -> None:
    """Write a table as the suite does, of texts."""
    frame = pd.DataFrame(list(rows), columns=list(columns), dtype=object)
    write_tables(frame, frame, title, MadeFrom(made_from, files), stem)


def name_architectures(paths: list[Path], count: int) -> None:
    """Give the architectures of files the names and indices of a real space."""
    space = load_space("nasbench201")
    chosen = np.linspace(0, len(space) - 1, count).astype(np.int64)
    names = np.array([space.to_string(int(index)) for index in chosen], dtype=object)
    for path in paths:
        kind = "benchmark" if path.stem == "nasbench201" else "scores"
        dataset = read_dataset(path, kind)
        dataset = dataset.assign_coords(
            arch=chosen, architecture=xr.Variable(("arch",), names)
        ).assign_attrs(space="nasbench201")
        write_dataset(dataset, path, kind)


def write_hostile_run(folder: Path, name: str = HOSTILE) -> Contents:
    """Write a run whose proxy, architectures, sources and table texts are markup."""
    accuracy = np.linspace(10, 90, 8)
    benchmark = write_benchmark(
        folder / "b.h5", {("cifar10", "test", 200, "mean"): accuracy}, space="nasbench201"
    )
    scores = write_scores(folder / "s.h5", {name: accuracy}, image_source=name)
    hostile_names = np.array([f"|{name}{place}~0|" for place in range(8)], dtype=object)
    for path, kind in ((benchmark, "benchmark"), (scores, "scores")):
        dataset = read_dataset(path, kind)
        named = dataset.assign_coords(architecture=xr.Variable(("arch",), hostile_names))
        write_dataset(named, path, kind)
    tables, figures = folder / "tables", folder / "figures"
    for kind in ("correlations", "timing"):
        tabulate(kind, tables, scores=scores, benchmark=benchmark)
    plot_score_accuracy(scores, benchmark, {name: figures / "scores-x"})
    frame = pd.DataFrame({name: [name], "more": ["1"]})
    write_tables(frame, frame, name, MadeFrom(name), tables / "own table & <b>.x")
    return Contents(tables, figures, [scores], [], [benchmark])
