"""Which published correlation stands beside which measured one."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from analysis_fixtures import tabulate, write_benchmark, write_scores

from trainfree.analysis.papers.draws import Correlated
from trainfree.analysis.papers.measures import Measured
from trainfree.analysis.papers.published_correlations import (
    OTHER_ARCHITECTURES,
    published_beside,
    published_correlations,
    published_in,
    rows_of,
    rows_with_other_spaces,
)
from trainfree.analysis.published import Published, read_papers
from trainfree.analysis.registry import read_rows
from trainfree.analysis.run_files import RunFiles
from trainfree.analysis.settings import AnalysisSettings

SETTINGS = AnalysisSettings(bootstrap_resamples=20, tau_draws=3)
COUNT = 40
ACCURACY = 20 + 70 * np.random.default_rng(1).random(COUNT)
OF_THE_PAPER = Correlated("cifar10", "naswot", "cifar10-valid/test/200")
UNSTATED = "accuracies of another training of the space, epochs not stated"


@pytest.fixture(scope="module")
def papers(repository: Path) -> list[Published]:
    return read_papers(repository / "reports" / "published")


def run_of(folder: Path, space: str, outcome: str, **attributes) -> RunFiles:
    """Scores of three proxies and one accuracy."""
    dataset, split, epochs = outcome.split("/")
    number = -1 if epochs == "?" else int(epochs)
    benchmark = write_benchmark(
        folder / "benchmark.h5",
        {(dataset, split, number, "mean"): ACCURACY},
        **{"source": "mirror", "space": space, **attributes},
    )
    score = np.log(ACCURACY) + np.random.default_rng(2).normal(0, 0.3, COUNT)
    scores = write_scores(
        folder / "scores.h5",
        {"naswot": score, "naswot_official": 2 * score, "params": np.arange(COUNT)},
        space=space,
        batch_size=128,
    )
    return RunFiles([scores], [], benchmark)


@pytest.mark.parametrize(
    ("space", "of", "how"),
    [
        ("nasbench201", OF_THE_PAPER, f"roughly: {OTHER_ARCHITECTURES}"),
        (
            "nasbench201",
            Correlated("cifar10", "naswot_official", "cifar10/test/?"),
            f"roughly: {OTHER_ARCHITECTURES}; {UNSTATED}",
        ),
        ("chains", OF_THE_PAPER, None),
        ("nasbench201_mini", OF_THE_PAPER, None),
        ("nasbench201", OF_THE_PAPER._replace(proxy="synflow"), None),
        ("nasbench201", OF_THE_PAPER._replace(dataset="generated"), None),
        ("nasbench201", OF_THE_PAPER._replace(outcome="cifar10/test/12"), None),
        ("nasbench201", OF_THE_PAPER._replace(outcome="cifar10-valid/valid/200"), None),
    ],
)
def test_beside_all_architectures(
    papers: list[Published], space: str, of: Correlated, how: str | None
) -> None:
    assert published_beside(papers, space, of) == (None if how is None else (0.574, how))


def test_what_a_paper_says_against_comparing_is_said_everywhere(
    papers: list[Published], tmp_path: Path
) -> None:
    found = published_correlations(papers)[0]
    against = replace(found, measure=found.measure.model_copy(update={"comparable": "no: noise"}))
    assert against.comparable("nasbench201", OF_THE_PAPER) == "no: noise"
    run = run_of(tmp_path, "nasbench201", "cifar10-valid/test/200")
    ours = Measured(0.57, math.nan, math.nan, math.nan, 5)
    columns = against.columns(run, ours, SETTINGS)
    assert columns["verdict"] == "not comparable"
    assert columns["reason"].startswith("noise")
    assert found.columns(run, ours, SETTINGS)["verdict"] == "reproduced"


def made(name: str, run: RunFiles, papers: list[Published], folder: Path) -> pd.DataFrame:
    """Make a table of the files of a run."""
    return tabulate(
        name,
        folder,
        scores=run._score_paths,
        benchmark=run._benchmark_path,
        published=[paper.path for paper in papers],
        settings=SETTINGS,
    )


def test_rows_by_the_protocol_have_the_published_one_beside_its_own_proxy(
    papers: list[Published], tmp_path: Path
) -> None:
    run = run_of(tmp_path, "nasbench201", "cifar10-valid/test/200")
    rows = list(rows_of(run, papers, "tau"))
    assert [row.of.proxy for row in rows] == ["naswot", "naswot_official", "params"]
    assert [row.published is not None for row in rows] == [True, False, False]
    assert list(rows_with_other_spaces(run, papers)) == rows
    assert [found.cell.value for found in published_in(run, papers)] == [0.574]


def test_a_space_of_which_nothing_is_published_has_rows_of_its_own(
    papers: list[Published], tmp_path: Path
) -> None:
    run = run_of(tmp_path, "chains", "cifar10/test/20")
    assert published_in(run, papers) == []
    frame = made("kendall", run, papers, tmp_path)
    assert set(frame["outcome"]) == {"cifar10/test/20"}
    assert set(frame["proxy"]) == {"naswot", "naswot_official", "params"}
    shown = read_rows("kendall", tmp_path / "kendall.csv")
    assert shown[["published", "difference"]].isna().all(axis=None)
    assert (shown[["verdict", "reason"]] == "").all(axis=None)
    title = (tmp_path / "kendall.md").read_text()
    assert "scores and accuracy (CIFAR-10 test, 20 epochs); the paper's protocol" in title
    sensitivity = made("tau_sensitivity", run, papers, tmp_path)
    assert len(sensitivity) == 3
    assert sensitivity[["published", "published_quantile"]].isna().all(axis=None)
    assert (sensitivity["n"] == COUNT).all()


@pytest.mark.parametrize(
    ("space", "outcome", "source"),
    [
        ("chains", "cifar10/test/20", "generated"),
        ("nasbench201", "cifar10/test/?", "registry"),  # not the paper's accuracies
    ],
)
def test_others_have_none(
    papers: list[Published], tmp_path: Path, space: str, outcome: str, source: str
) -> None:
    run = run_of(tmp_path, space, outcome, source=source)
    assert list(rows_with_other_spaces(run, papers)) == []


def test_a_space_with_validation_accuracy_alone_is_compared_by_it(
    papers: list[Published], tmp_path: Path
) -> None:
    rows = list(rows_with_other_spaces(run_of(tmp_path, "chains", "cifar10/valid/20"), papers))
    assert {row.of.outcome for row in rows} == {"cifar10/valid/20"}
    assert all(row.published is None for row in rows)


def test_a_space_of_poor_architectures_has_no_tau_by_the_protocol(
    papers: list[Published], tmp_path: Path
) -> None:
    benchmark = write_benchmark(
        tmp_path / "b.h5",
        {("cifar10", "test", 20, "mean"): ACCURACY / 10},
        source="extra",
        space="chains",
    )
    scores = write_scores(tmp_path / "s.h5", {"naswot": ACCURACY}, space="chains")
    run = RunFiles([scores], [], benchmark)
    frame = made("kendall", run, papers, tmp_path).set_index("rows")
    assert math.isnan(frame.iloc[0]["tau"])
    assert frame.loc["whole space", "tau"] == pytest.approx(1)
    row = made("tau_sensitivity", run, papers, tmp_path).iloc[0]
    assert (row["n"], row["eligible"]) == (0, 0)
    assert math.isnan(row["median"])
