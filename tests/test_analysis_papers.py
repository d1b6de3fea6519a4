"""Tables beside the papers': a small study with known answers, partial inputs, copies."""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from analysis_fixtures import tabulate, write_benchmark, write_scores, write_search

from trainfree.analysis.declaration import Inputs
from trainfree.analysis.overview import scoreboard
from trainfree.analysis.overview.scoreboard import count_verdicts
from trainfree.analysis.papers import comparison, draws
from trainfree.analysis.papers.verdicts import plain_word
from trainfree.analysis.publish import check_layout, publish_one, publish_tables
from trainfree.analysis.published import read_papers, read_published
from trainfree.analysis.registry import (
    make_table,
    table_names,
    tables_of,
    tabulate_all,
    unusable_files,
)
from trainfree.analysis.run_files import RunFiles
from trainfree.analysis.settings import AnalysisSettings
from trainfree.analysis.tables import names_of, read_table
from trainfree.errors import DamagedFileError, DataFileError

SETTINGS = AnalysisSettings(bootstrap_resamples=50, tau_draws=4)
COUNT, RUNS = 60, 6
OUTCOMES = {
    "cifar10": ("cifar10/test/200", "cifar10-valid/valid/200", "cifar10-valid/valid/12"),
    "cifar100": ("cifar100/test/200", "cifar100/valid/200", "cifar100/valid/12"),
    "imagenet16-120": (
        *("ImageNet16-120/test/200", "ImageNet16-120/valid/200", "ImageNet16-120/valid/12"),
    ),
}
ACCURACY = 90 - 60 * np.random.default_rng(5).beta(1, 5, COUNT)
NAMES = (
    *("naswot_table1", "naswot_table2a", "naswot_table2b", "naswot_figure3"),
    *(f"cossu_table{number}" for number in range(1, 6)),
    "cossu_figure3",
)
GENERAL = ("correlations", "timing", "search")
COPIED = [name for each in tables_of() if each.copied for name in each.names_of(())]


def benchmark_of(folder: Path, datasets=tuple(OUTCOMES), **attributes) -> Path:
    names = [name for dataset in datasets for name in OUTCOMES[dataset]]
    names += ["cifar10-valid/test/200"] if "cifar10" in datasets else []
    columns = {}
    for name in names:
        dataset, split, epochs = name.split("/")
        columns[dataset, split, int(epochs), "mean"] = ACCURACY - (epochs == "12") * 20
    more = {"source": "mirror", "space": "nasbench201", **attributes}
    return write_benchmark(folder / "nasbench201.h5", columns, **more)


def scores_of(folder: Path, dataset: str, **attributes) -> Path:
    noise = np.random.default_rng(len(dataset)).normal(0, 5, COUNT)
    score = ACCURACY + noise
    score[0] = -np.inf
    return write_scores(
        folder / dataset / "b128.h5",
        {"naswot": score, "synflow": ACCURACY - noise},
        dataset=dataset,
        **{"batch_size": 128, **attributes},
    )


def searches_of(folder: Path, dataset: str) -> list[Path]:
    every = [name for names in OUTCOMES.values() for name in names]
    own = OUTCOMES[dataset][0]
    outcomes = (own, *(name for name in every if name != own))
    plans = [
        ("random", "random", "accuracy", (12000,), "nasbench201"),
        ("rea", "rea", "accuracy", (12000,), "nasbench201"),
        ("random-naswot", "random", "naswot", (10, 100), "naswot"),
        ("rea-naswot", "rea", "naswot", (100, 1000), "cossu"),
    ]
    paths = []
    for seed, (name, algorithm, signal, budgets, preset) in enumerate(plans):
        if dataset != "cifar10" and name != "rea-naswot":
            continue
        trace = np.random.default_rng(seed).integers(COUNT, size=(RUNS, 100))
        paths.append(
            write_search(
                folder / dataset / f"{name}.h5",
                ACCURACY[trace],
                ACCURACY[trace],
                budgets,
                algorithm,
                signal,
                outcomes,
                trace=trace.astype(np.int32),
                dataset=dataset,
                preset=preset,
                budget_kind="training_seconds" if signal == "accuracy" else "evaluations",
            )
        )
    return paths


@pytest.fixture(scope="module")
def published(repository: Path) -> tuple[Path, ...]:
    return tuple(paper.path for paper in read_papers(repository / "reports" / "published"))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, published: tuple[Path, ...]) -> Inputs:
    folder = tmp_path_factory.mktemp("papers")
    stand_in = {"stand_in": 1, "image_source": "other small images"}
    return Inputs(
        scores=tuple(
            scores_of(folder, name, **(stand_in if name.startswith("image") else {}))
            for name in OUTCOMES
        ),
        searches=tuple(path for name in OUTCOMES for path in searches_of(folder, name)),
        benchmark=benchmark_of(folder),
        published=published,
        settings=SETTINGS,
    )


@pytest.fixture(scope="module")
def whole(files: Inputs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    made = tabulate_all(files, folder)
    without_board = set(table_names(files.papers)) - {"proxy_board"}
    assert set(made) == without_board
    assert {*GENERAL, *NAMES, *COPIED, "summary"} <= set(made)
    return folder


def cells(folder: Path, table: str):
    return read_table(folder / f"{table}.csv").set_index(["row", "column"])


def test_table_2a_reads_the_search_on_cifar10(whole: Path, files: Inputs) -> None:
    found = cells(whole, "naswot_table2a")
    trace = np.random.default_rng(1).integers(COUNT, size=(RUNS, 100))
    answered = ACCURACY[trace].max(axis=1)
    row = found.loc[("REA", "CIFAR-10 test")]
    assert row["measured"] == pytest.approx(answered.mean(), rel=1e-5)
    assert row["measured_spread"] == pytest.approx(answered.std(ddof=1), rel=1e-4)
    assert (row["published"], row["n"]) == (93.92, RUNS)
    assert row["difference"] == pytest.approx(answered.mean() - 93.92, rel=1e-3)
    assert row["low"] <= row["measured"] <= row["high"]
    # outcomes of the fixture go down by one point each
    other = found.loc[("REA", "CIFAR-10 validation")]
    assert other["measured"] == pytest.approx(answered.mean() - 1, rel=1e-5)
    drawn = found.loc[("Random", "CIFAR-100 test")]
    assert drawn["measured"] == pytest.approx(ACCURACY.mean(), rel=1e-5)
    assert drawn["n"] == COUNT
    assert found.loc[("GDAS", "CIFAR-10 test"), "verdict"] == "not comparable"
    assert "weight sharing is not re-run" in found.loc[("GDAS", "CIFAR-10 test"), "reason"]
    missing = found.loc[("BOHB", "CIFAR-10 test")]
    assert (missing["verdict"], missing["reason"]) == (
        "missing",
        "no search cifar10 bohb accuracy nasbench201",
    )
    assert found.loc[("NASWOT N=1000", "CIFAR-10 test"), "reason"].endswith("1000 evaluations")
    assert found.loc[("NASWOT N=10", "Search (s)"), "verdict"] == "not comparable"


def test_history_is_of_all_architectures_bred(whole: Path) -> None:
    trace = np.random.default_rng(3).integers(COUNT, size=(RUNS, 100))[:, 64:]
    means = (ACCURACY - 20)[trace].mean(axis=1)
    row = cells(whole, "cossu_table4").loc[("CIFAR-10", "Accuracy")]
    assert row["measured"] == pytest.approx(means.mean(), rel=1e-5)
    assert row["n"] == RUNS
    score = cells(whole, "cossu_table4").loc[("CIFAR-10", "Score")]
    assert score["verdict"] == "not comparable"
    assert score["measured"] == pytest.approx(ACCURACY[trace].mean(), rel=1e-5)


def test_stand_in_images_are_named_where_images_enter(whole: Path) -> None:
    tau = cells(whole, "naswot_figure3").loc[("NASWOT score", "ImageNet16-120")]
    assert tau["verdict"] == "not comparable"
    assert tau["reason"].startswith("stand-in images: other small images")
    assert tau["measured"] > 0.3
    history = cells(whole, "cossu_table4").loc[("ImageNet16-120", "Accuracy")]
    assert "stand-in" in history["reason"]
    sampled = cells(whole, "cossu_table1").loc[("ImageNet16-120 N=1000", "Validation accuracy")]
    assert "stand-in" not in sampled["reason"]
    searched = cells(whole, "naswot_table2a").loc[("NASWOT N=10", "ImageNet16-120 test")]
    assert "stand-in" not in searched["reason"]  # searched on CIFAR-10


def test_kendall_and_figure_3_agree(whole: Path) -> None:
    kendall = read_table(whole / "kendall.csv")
    paper = kendall[kendall["published"].notna()].set_index("dataset")
    figure = cells(whole, "naswot_figure3").loc["NASWOT score"]
    assert paper.loc["cifar10", "tau"] == figure.loc["CIFAR-10", "measured"]
    assert list(paper["published"]) == [0.574, 0.611, 0.549]
    assert set(kendall["minus_infinity"]) == {"rank lowest", "left out", "none"}
    sensitivity = read_table(whole / "tau_sensitivity.csv").set_index(["dataset", "proxy"])
    assert sensitivity.loc[("cifar10", "naswot"), "draws"] == 4
    assert 0 <= sensitivity.loc[("cifar10", "naswot"), "published_quantile"] <= 1


def test_tables_share_their_draws(
    files: Inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    monkeypatch.setattr(
        draws, "drawn_taus", lambda both, *more: made.append(len(both)) or np.array([0.5, 0.6])
    )
    for name in ("kendall", "tau_sensitivity", "naswot_figure3"):
        make_table(name, files, tmp_path)
    # three data sets of two proxies, and each again without its scores of -inf
    assert len(made) == 9


def test_scoreboard_counts_every_published_cell(whole: Path) -> None:
    counted = read_table(whole / "scoreboard.csv")
    assert list(counted.columns) == [
        "table",
        *scoreboard.SCORES,
        scoreboard.ELSEWHERE,
        *scoreboard.POWER,
    ]
    everything = read_table(whole / "published.csv")
    assert list(everything.columns) == names_of(comparison.COLUMNS)
    assert counted[[*scoreboard.SCORES]].to_numpy().sum() == len(everything)
    elsewhere = everything["verdict"].map(plain_word) != everything["verdict"]
    assert counted["in_another_setting"].sum() == elsewhere.sum() > 0  # searches of one draw
    words = everything["verdict"].map(plain_word).value_counts()
    assert counted["reproduced"].sum() == words.get("reproduced", 0)
    assert counted["not_reproduced"].sum() == words["not reproduced"] > 0
    assert counted["swaps"].sum() == everything["swaps"].sum() > 0
    assert counted["swaps_passed"].sum() == everything["swaps_passed"].sum()
    told = (whole / "summary.txt").read_text()
    assert "published cells reproduced" in told
    assert f"of {counted['swaps'].sum():,.0f} numbers of other rows" in " ".join(told.split())


def test_scoreboard_refuses_what_is_no_comparison(
    whole: Path, files: Inputs, tmp_path: Path
) -> None:
    broken = shutil.copytree(whole, tmp_path / "broken")
    shutil.copy(whole / "regret.csv", broken / "naswot_table1.csv")
    ready = replace(files, tables=tuple(broken.glob("*.csv")))
    with pytest.raises(DataFileError, match=r"naswot_table1\.csv: expected the columns paper"):
        make_table("scoreboard", ready, tmp_path)
    frame = read_table(whole / "naswot_table1.csv").assign(verdict="fine")
    with pytest.raises(DataFileError, match="unknown verdict 'fine'"):
        count_verdicts(frame)
    assert scoreboard.SCORES == ("reproduced", "not_reproduced", "not_comparable")


def test_equal_inputs_give_equal_bytes(whole: Path, files: Inputs, tmp_path: Path) -> None:
    tabulate_all(files, tmp_path)
    names = sorted(path.name for path in whole.iterdir())
    assert names == sorted(path.name for path in tmp_path.iterdir())
    for name in names:
        assert (tmp_path / name).read_bytes() == (whole / name).read_bytes()


def test_one_table_is_copied_with_what_made_it(whole: Path, files: Inputs, tmp_path: Path) -> None:
    options = (tmp_path, list(files.scores), [files.benchmark], "snakemake one")
    publish_one("regret", whole, *options)
    text = (tmp_path / "regret.md").read_text()
    assert text.startswith((whole / "regret.md").read_text())
    assert "with `snakemake one`: scores of cifar10" in text
    assert (tmp_path / "regret.csv").read_bytes() == (whole / "regret.csv").read_bytes()
    publish_one("ranks", whole, tmp_path, [], [files.benchmark], "snakemake two")
    assert "with `snakemake two`: trained accuracies" in (tmp_path / "ranks.md").read_text()
    with pytest.raises(DataFileError, match=r"nothing\.md: no such table; make it first"):
        publish_one("nothing", whole, *options)


class TestPartialInputs:
    def test_a_missing_data_set_leaves_the_others(
        self, whole: Path, files: Inputs, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        absent = [path for path in (*files.scores, *files.searches) if "cifar100" in str(path)]
        partial = replace(
            files,
            scores=tuple(p if p not in absent else tmp_path / "none.h5" for p in files.scores),
            searches=tuple(path for path in files.searches if path not in absent),
        )
        with caplog.at_level(logging.WARNING):
            made = tabulate_all(partial, tmp_path / "tables")
        assert {*GENERAL, "kendall", "scoreboard", "summary"} <= set(made)
        assert f"absent: {tmp_path / 'none.h5'}" in caplog.messages
        assert any(
            "cossu_figure3: 1 cells missing, no scores on cifar100" in text
            for text in caplog.messages
        )
        before, after = (cells(folder, "naswot_figure3") for folder in (whole, tmp_path / "tables"))
        place = ("NASWOT score", "CIFAR-10")
        assert after.loc[place].equals(before.loc[place])
        assert after.loc[("NASWOT score", "CIFAR-100"), "verdict"] == "missing"

    def test_missing_accuracies_leave_what_needs_none(
        self, files: Inputs, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        partial = replace(files, benchmark=tmp_path / "none.h5")
        with caplog.at_level(logging.WARNING):
            made = tabulate_all(partial, tmp_path / "tables")
        assert "significance" in made
        assert "search" in made
        assert "correlations" not in made
        reasons = cells(tmp_path / "tables", "naswot_figure3")["reason"]
        assert reasons[("NASWOT score", "CIFAR-10")].startswith("no trained accuracies")

    def test_missing_columns_of_the_benchmark(self, files: Inputs, tmp_path: Path) -> None:
        some = benchmark_of(tmp_path, ("cifar10", "cifar100"))
        partial = replace(files, benchmark=some)
        tabulate_all(partial, tmp_path / "tables")
        found = cells(tmp_path / "tables", "naswot_table2a")
        place = ("Random", "ImageNet16-120 test")
        assert found.loc[place, "reason"] == "no accuracies ImageNet16-120/test/200"
        assert found.loc[("Random", "CIFAR-100 test"), "verdict"] != "missing"

    def test_damaged_files_are_named_and_left_out(
        self, files: Inputs, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        damaged = tmp_path / "damaged.h5"
        damaged.write_bytes(files.searches[0].read_bytes()[:3000])
        partial = replace(files, searches=(damaged, *files.searches[1:]))
        with caplog.at_level(logging.WARNING):
            made = tabulate_all(partial, tmp_path / "tables")
        assert "search" in made
        assert any("left out" in text and "damaged.h5" in text for text in caplog.messages)

    def test_nothing_at_all_is_an_error(self, files: Inputs, tmp_path: Path) -> None:
        none = tmp_path / "none.h5"
        with pytest.raises(DataFileError, match="no table can be made: none of 1 scores files"):
            tabulate_all(Inputs((none,), (), none, files.published), tmp_path)

    @pytest.mark.parametrize(
        ("attributes", "reason"),
        [({"space": "other"}, "of the space other"), ({"source": "generated"}, "generated acc")],
    )
    def test_runs_of_something_else_are_not_compared(
        self, files: Inputs, tmp_path: Path, attributes: dict[str, str], reason: str
    ) -> None:
        other = replace(files, benchmark=benchmark_of(tmp_path, **attributes))
        frame = make_table("cossu_table2", other, tmp_path)
        assert set(frame["verdict"]) == {"missing"}
        assert frame["reason"].str.contains(reason).all()

    def test_a_verdict_at_another_batch_size_says_so(self, files: Inputs, tmp_path: Path) -> None:
        """By the same rule, whichever way it goes: the words say the setting."""
        (tmp_path / "whole").mkdir()
        plain = make_table("naswot_figure3", files, tmp_path / "whole").set_index("column")
        small = scores_of(tmp_path, "cifar10", batch_size=32)
        frame = make_table("naswot_figure3", replace(files, scores=(small,)), tmp_path)
        found, same = frame.set_index("column").loc["CIFAR-10"], plain.loc["CIFAR-10"]
        assert found["verdict"] == f"{same['verdict']} at batch 32"
        assert found["reason"] == "the paper: batch 128"
        assert found["tolerance"] == same["tolerance"]
        caption = (tmp_path / "naswot_figure3.md").read_text()
        assert "A verdict at another batch size" in caption
        assert "another batch size" not in (tmp_path / "whole" / "naswot_figure3.md").read_text()

    def test_validation_accuracy_stands_in_the_figure_where_there_is_no_test_accuracy(
        self, files: Inputs, tmp_path: Path
    ) -> None:
        columns = {("cifar10-valid", "valid", 200, "mean"): ACCURACY}
        columns["cifar10", "test", -1, "mean"] = ACCURACY
        package = write_benchmark(
            tmp_path / "package.h5", columns, source="registry", space="nasbench201"
        )
        own = replace(files, benchmark=package)
        figure = make_table("naswot_figure3", own, tmp_path).set_index("column")
        whole = make_table("naswot_figure3", files, tmp_path).set_index("column")
        assert "validation accuracy here, since" in figure.loc["CIFAR-10", "note"]
        assert figure.loc["CIFAR-10", "measured"] == whole.loc["CIFAR-10", "measured"]
        assert "validation accuracy here" not in whole.loc["CIFAR-10", "note"]
        assert figure.loc["CIFAR-100", "verdict"] == "missing"
        table = make_table("naswot_table2a", own, tmp_path).set_index(["row", "column"])
        other = table.loc["Random", "CIFAR-10 test"]
        assert other["measured"] == pytest.approx(ACCURACY.mean(), rel=1e-5)
        assert (other["verdict"], other["reason"][:39]) == (
            "not comparable",
            "accuracies of another training of the s",
        )
        kept = make_table("kendall", own, tmp_path)
        assert set(kept["outcome"]) == {"cifar10-valid/valid/200"}


class TestCopyForTheRepository:
    def publish(self, tables: Path, files: Inputs, output: Path) -> None:
        publish_tables(tables, output, files, "snakemake …")

    def test_copies_tables_with_their_provenance(
        self, whole: Path, files: Inputs, tmp_path: Path
    ) -> None:
        for name in ("a", "b"):
            self.publish(whole, files, tmp_path / name)
        names = [*NAMES, *COPIED]
        names.remove("naswot_table2b")
        assert {"kendall", "scoreboard", "published"} <= set(COPIED)
        for name in names:
            text = (tmp_path / "a" / f"{name}.md").read_text()
            assert "*Measured by trainfree" in text
            assert "imagenet16-120 on stand-in images" in text
            copied = (tmp_path / "a" / f"{name}.csv").read_bytes()
            assert copied == (whole / f"{name}.csv").read_bytes()
            assert f"[{name}]({name}.md)" in (tmp_path / "a" / "README.md").read_text()
        for path in (tmp_path / "a").iterdir():
            assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()
        assert not (tmp_path / "a" / "naswot_table2b.md").exists()

    def test_a_table_of_another_space_is_left_to_its_own_run(
        self, whole: Path, files: Inputs, tmp_path: Path
    ) -> None:
        publish_one("naswot_table2b", whole, tmp_path, [], [files.benchmark], "snakemake sizes")
        before = (tmp_path / "naswot_table2b.md").read_bytes()
        self.publish(whole, files, tmp_path)
        assert (tmp_path / "naswot_table2b.md").read_bytes() == before
        index = (tmp_path / "README.md").read_text()
        of_the_run, of_others = index.split("## From other runs")
        assert "(naswot_table2b.md)" in of_others
        cells = read_table(whole / "naswot_table2b.csv")
        assert f"| naswot\\_table2b | 0 | 0 | {len(cells)} |" in of_the_run
        check_layout(tmp_path, files.papers)

    def test_an_index_without_published_tables_counts_nothing(
        self, whole: Path, files: Inputs, tmp_path: Path
    ) -> None:
        publish_one("scoreboard", whole, tmp_path, [], [files.benchmark], "snakemake")
        assert "(scoreboard.md)" in (tmp_path / "README.md").read_text()
        shutil.copy(whole / "regret.csv", tmp_path / "naswot_table1.csv")
        with pytest.raises(DataFileError, match=r"naswot_table1\.csv: expected the columns"):
            publish_one("scoreboard", whole, tmp_path, [], [files.benchmark], "snakemake")

    @pytest.mark.parametrize(
        ("name", "before", "after", "message"),
        [
            ("regret", "regret_mean", "mean_regret", "regret.csv: expected the columns"),
            ("naswot_table2a", ",REA,", ",REE,", "cells are not those of the published table"),
            ("naswot_table2a", "tolerance", "leeway", "expected the columns paper"),
        ],
    )
    def test_another_layout_is_refused(
        self,
        whole: Path,
        files: Inputs,
        tmp_path: Path,
        name: str,
        before: str,
        after: str,
        message: str,
    ) -> None:
        self.publish(whole, files, tmp_path)
        path = tmp_path / f"{name}.csv"
        path.write_text(path.read_text().replace(before, after, 1))
        with pytest.raises(DataFileError, match=message):
            check_layout(tmp_path, files.papers)

    def test_the_committed_copy_has_the_current_layout(
        self, repository: Path, published: tuple[Path, ...]
    ) -> None:
        folder = repository / "reports" / "measured"
        if not folder.is_dir():
            pytest.skip("no paper run has been copied yet: make paper, then make paper-tables")
        check_layout(folder, [read_published(path) for path in published])


def test_no_table_needs_torch() -> None:
    program = (
        "import importlib, pkgutil, sys, trainfree.analysis, trainfree.cli, trainfree.config\n"
        "for each in pkgutil.walk_packages(trainfree.analysis.__path__, 'trainfree.analysis.'):\n"
        "    importlib.import_module(each.name)\n"
        "assert 'trainfree.analysis.papers.kendall' in sys.modules\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_accuracies_of_unstated_epochs_have_regrets(tmp_path):
    """The default source does not say how long its networks were trained."""
    values = np.linspace(10, 90, 60)
    benchmark = write_benchmark(
        tmp_path / "benchmark.h5", {("cifar10", "test", -1, "mean"): values}
    )
    trace = np.tile(values, (3, 1))
    search = write_search(
        tmp_path / "random-naswot.h5", trace, trace, [10], outcomes=["cifar10/test/?"]
    )
    rows = tabulate("regret", tmp_path, searches=search, benchmark=benchmark)
    assert set(rows["outcome"]) == {"cifar10/test/?"}
    searched = rows[rows["runs"] == 3]
    assert searched["accuracy_mean"].tolist() == pytest.approx([values[9]], abs=1e-4)


def test_a_table_of_named_files_is_not_made_without_one_of_them(
    files: Inputs, tmp_path: Path
) -> None:
    """Ranks and tests among fewer searches would be other numbers, with nobody told."""
    damaged = tmp_path / "damaged.h5"
    damaged.write_bytes(files.searches[0].read_bytes()[:3000])
    searches = (damaged, *files.searches[1:])
    with pytest.raises(DamagedFileError, match=r"damaged\.h5"):
        make_table("ranks", replace(files, scores=(), searches=searches), tmp_path)
    for name, paths in (("benchmark", {"benchmark": damaged}), ("scores", {"scores": [damaged]})):
        plain = {"scores": files.scores, "searches": (), "benchmark": files.benchmark}
        run = RunFiles(**{**plain, **paths})
        with pytest.raises(DamagedFileError, match=r"damaged\.h5"):
            getattr(run, "score_files" if name == "scores" else name)
    absent = (tmp_path / "none.h5", *files.searches)
    assert len(RunFiles([], absent, files.benchmark).searches) == len(files.searches)
    found = unusable_files(replace(files, searches=searches))
    assert len(found) == 1
    assert "damaged.h5" in found[0]
