"""The registry of tables: what each declares, and that one file is all a new table takes."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import get_args

import pandas as pd
import pytest
from analysis_fixtures import tabulate_run, write_study

from trainfree.analysis.declaration import RUN, Inputs, Kind, Made, Table, table
from trainfree.analysis.formats import count, decimal, interval, joined, plain, shown_as, spread
from trainfree.analysis.origins import MadeFrom, Place, read_origin
from trainfree.analysis.published import read_papers
from trainfree.analysis.registry import (
    declared,
    make_table,
    read_rows,
    section_of,
    table_names,
    tables,
    tables_before,
    tables_of,
)
from trainfree.analysis.settings import AnalysisSettings
from trainfree.analysis.tables import names_of
from trainfree.config import parse_config
from trainfree.errors import DataFileError
from trainfree.report.page.sections import PAPERS, SECTIONS, SUMMARY
from trainfree.workflow.runs import ConfiguredRun
from trainfree.workflow.tables import RunTables, options

EVERY = list(tables().values())
NEW = '''"""Proxies by the number of their scores."""

from trainfree.analysis.declaration import Inputs, Made, table
from trainfree.analysis.formats import count, plain
from trainfree.analysis.tables import numbers, text


@table(
    title="Scores by proxy",
    columns=(*text("proxy"), *numbers("n")),
    shown={"Proxy": plain("proxy"), "n": count("n")},
    reads=("scores", "benchmark"),
    section="ranking",
)
def score_counts(inputs: Inputs) -> Made:
    """Return the number of usable scores of each proxy."""
    rows = []
    for dataset, scored in inputs.run.score_files.items():
        for proxy in scored["proxy"].to_numpy().tolist():
            rows.append({"proxy": proxy, "n": len(inputs.run.score(dataset, proxy).dropna())})
    return Made(rows, inputs.run.data_line(searches=False))
'''


@pytest.fixture(scope="module")
def papers(repository: Path):
    return read_papers(repository / "reports" / "published")


@pytest.mark.parametrize("each", EVERY, ids=lambda each: each.name)
def test_a_table_is_declared_in_the_file_of_its_name(each: Table) -> None:
    assert each.module.rpartition(".")[2] == each.name == each.make.__name__
    assert each.make.__doc__


@pytest.mark.parametrize("each", EVERY, ids=lambda each: each.name)
def test_a_declaration_is_sound(each: Table) -> None:
    sections = {plan.anchor for plan in (SUMMARY, PAPERS, *SECTIONS)}
    assert each.place.section in sections
    names = names_of(each.columns)
    assert len(set(names)) == len(names) > 0
    assert each.reads or each.after
    assert set(each.reads) <= set(get_args(Kind)) <= {field.name for field in fields(Inputs)}
    assert set(each.after) <= set(tables())
    assert set(each.settings) <= {field.name for field in fields(AnalysisSettings)}
    empty = each.show(pd.DataFrame(columns=names))
    assert len(empty) == 0
    assert set(each.once) <= set(empty.columns)


def test_tables_come_behind_those_that_they_are_made_from(papers) -> None:
    order = list(tables())
    for each in EVERY:
        assert all(order.index(name) < order.index(each.name) for name in each.after)
    assert tables_before(tables()["scoreboard"], papers) == tables()["comparison"].names_of(papers)


def test_ranks_within_a_section_are_given_once() -> None:
    given = [each.place for each in EVERY if each.place.rank not in (100, 1)]
    assert len(set(given)) == len(given)


def test_names_lead_to_their_tables(papers) -> None:
    assert declared("kendall").name == "kendall"
    assert declared("naswot_table2a", papers).name == "comparison"
    assert declared("landscape-nasbench201").name == "landscape"
    assert (section_of("regret"), section_of("landscape-x")) == ("search", "landscape")
    assert section_of("naswot_table2a") == "papers"
    with pytest.raises(DataFileError, match=r"no table 'kendal'; did you mean 'kendall'\?.*expect"):
        declared("kendal", papers)
    with pytest.raises(DataFileError, match="no table 'comparison'"):
        declared("comparison", papers)


def test_a_table_lies_with_its_place_and_what_it_was_made_from(tmp_path: Path, papers) -> None:
    made = write_study(tmp_path)
    tabulate_run(made, tmp_path / "tables", papers[0].path)
    found = read_origin(tmp_path / "tables" / "timing").table
    assert found is not None
    assert (found.section, found.rank) == ("timing", 1)
    assert found.title.startswith("Scoring time")
    rows = read_rows("timing", tmp_path / "tables" / "timing.csv")
    assert list(rows.columns) == names_of(declared("timing").columns)
    inputs = Inputs(scores=tuple(made["scores"]), benchmark=made["benchmark"])
    files = replace(inputs, published=tuple(paper.path for paper in papers))
    ranks = {}
    for name in ("cossu_table1", "naswot_figure3"):
        make_table(name, files, tmp_path / "papers")
        place = read_origin(tmp_path / "papers" / name).table
        assert place is not None
        ranks[name] = place.rank
    assert ranks["naswot_figure3"] < ranks["cossu_table1"] < tables()["published"].place.rank


def test_a_table_with_other_columns_than_declared_is_a_fault() -> None:
    @table(title="t", columns=(), shown={}, reads=("scores",), section="ranking")
    def wrong(inputs: Inputs) -> Made:
        """Return nothing that was declared."""
        return Made(pd.DataFrame({"a": [1]}), MadeFrom())

    from trainfree.analysis import registry
    from trainfree.analysis.declaration import DECLARED

    bad = replace(DECLARED.pop("wrong"), columns=tables()["timing"].columns)
    with pytest.raises(ValueError, match="other columns than it declares"):
        registry._write(bad, bad.make(Inputs()), Path("x"), Place("", 0))


def test_absent_inputs_are_named(tmp_path: Path) -> None:
    for name, words in (("correlations", "kind benchmark"), ("timing", "kind scores")):
        with pytest.raises(DataFileError, match=f"{words}, found none"):
            make_table(name, Inputs(), tmp_path)
    with pytest.raises(DataFileError, match="expected the table correlations, found none"):
        make_table("summary", Inputs(), tmp_path)


def test_formats_show_what_is_there() -> None:
    frame = pd.DataFrame(
        [
            {"a": "x", "b": float("nan"), "c": 1234.5, "c_low": 1.0, "c_high": 2.0},
            {"a": None, "b": "y", "c": float("nan"), "c_low": 1.0, "c_high": 2.0},
        ]
    )
    shown = shown_as(
        {
            "A": plain("a"),
            "both": joined("a", "b"),
            "C": interval("c", 1),
            "n": count("c"),
            "k": decimal("c", 2, scale=0.001),
            "s": spread("c", "c_low", 0),
        }
    )(frame)
    assert shown.to_numpy().tolist() == [
        ["x", "x", "1,234.5 [1.0, 2.0]", "1,234", "1.23", "1,234 ± 1"],
        ["", "y", "–", "–", "–", "–"],
    ]


def test_the_workflow_has_every_table_of_every_target(papers) -> None:
    run = RunTables(ConfiguredRun(parse_config({"run": "mine"})), papers)
    assert run.names() == table_names(papers)
    files = run.files()
    assert len(files) == 4 * len(run.names()) + 1
    assert "results/mine/tables/summary.txt" in files
    with_a_rule = {each.name for each in run.with_a_rule}
    assert with_a_rule == {each.name for each in EVERY} - {"landscape"}
    for each in run.with_a_rule:
        assert set(run.inputs(each)) - {"tables", "origins"} == set(each.reads)
    assert run.inputs(tables()["proxy_agreement"])["benchmark"].endswith("/nasbench201.h5")
    assert run.settings(tables()["search"]) == "{}"
    assert run.settings(tables()["proxies"]) == '{"bootstrap_resamples":200,"seed":0}'
    assert {each.target for each in EVERY} >= {RUN, "proxy_tables", "ablation", "training"}
    assert tables_of("ablation") == [tables()["ablation"]]


def test_files_become_options_of_the_command() -> None:
    files = {"scores": ["a.h5", "b.h5"], "hardware": [], "published_scores": "c", "origins": ["d"]}
    assert options(files) == ["--scores", "a.h5", "b.h5", "--published-scores", "c"]


def test_one_file_is_a_new_table_everywhere(repository: Path, tmp_path: Path) -> None:
    """Its command, its target, the list of jobs and its section of the page know it by itself."""
    copy = tmp_path / "src"
    subprocess.run(["cp", "-r", repository / "src", copy], check=True)
    (copy / "trainfree" / "analysis" / "proxies" / "score_counts.py").write_text(NEW)
    made = write_study(tmp_path)
    scores, folder = made["scores"][0], tmp_path / "tables"
    command = ["tabulate", "score_counts", "--scores", str(scores), "--folder", str(folder)]
    command += ["--benchmark", str(made["benchmark"])]
    program = f"""
from pathlib import Path
from trainfree.analysis.published import read_papers
from trainfree.analysis.registry import section_of, table_names
from trainfree.cli import main
from trainfree.config import parse_config
from trainfree.workflow.runs import ConfiguredRun
from trainfree.workflow.tables import RunTables

papers = read_papers(Path({str(repository / "reports" / "published")!r}))
assert "score_counts" in table_names(papers)
assert section_of("score_counts") == "ranking"
run = RunTables(ConfiguredRun(parse_config({{}})), papers)
assert "results/default/tables/score_counts.csv" in run.files()
assert main({command!r}) == 0
"""
    environment = {"PYTHONPATH": str(copy), "PATH": ""}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)
    text = (tmp_path / "tables" / "score_counts.md").read_text()
    assert "| naswot | 55 |" in text or "| naswot | 60 |" in text
