"""Tables and figures of shared weights, against numbers computed plainly from the same files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from analysis_fixtures import tabulate
from scipy import stats
from sharing_files import (
    CELLS,
    RANKED,
    SPACE,
    accuracy_of,
    write_cell_scores,
    write_sharing,
    write_sharings,
    write_trained,
)

from trainfree.analysis.data_line import NOTHING
from trainfree.analysis.declaration import Inputs
from trainfree.analysis.origins import read_origin
from trainfree.analysis.papers.comparison import QUOTED
from trainfree.analysis.papers.sharing import METHOD_TITLES, skips_and_nones
from trainfree.analysis.registry import make_table, tables
from trainfree.cli import main
from trainfree.config import parse_config
from trainfree.errors import ConfigError, DataFileError
from trainfree.files.storage import read_dataset
from trainfree.report.figures.sharing.epochs import means_by_epoch, plot_sharing_epochs
from trainfree.report.figures.sharing.ranking import plot_sharing_ranking
from trainfree.report.page.svg import read_svg, svg_texts
from trainfree.weight_sharing.presets import SETTINGS
from trainfree.workflow.runs import ConfiguredRun
from trainfree.workflow.tables import RunTables, options

pytestmark = pytest.mark.usefixtures("one_thread")

TEST, VALID = "cifar10/test/200", "cifar10-valid/valid/200"
METHODS = ("gdas", "rsps")


@pytest.fixture(scope="module")
def papers(repository: Path) -> list[Path]:
    return [repository / "reports" / "published" / "naswot.yaml"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, papers: list[Path]) -> dict[str, object]:
    """The files of two methods of three runs, beside accuracies and scores of the same cells."""
    folder = tmp_path_factory.mktemp("sharing")
    return {
        "shared": write_sharings(folder, METHODS),
        "benchmark": write_trained(folder / "benchmark.h5"),
        "scores": [write_cell_scores(folder / "scores.h5")],
        "published": papers,
    }


def files_of(made: dict[str, object], method: str) -> list[object]:
    return [read_dataset(path, "weight_sharing") for path in made["shared"] if method in path.name]


def skips(cell: int) -> int:
    return SPACE.operation_names(cell).count("skip_connect")


# ---------------------------------------------------------------- the table of methods


def test_every_method_has_its_title_in_the_order_of_the_presets() -> None:
    assert list(METHOD_TITLES) == list(SETTINGS)


@pytest.mark.parametrize("method", METHODS)
def test_a_row_says_what_plain_arithmetic_gives(made, tmp_path: Path, method: str) -> None:
    frame = tabulate("weight_sharing", tmp_path, **made).set_index("method")
    row, files = frame.loc[METHOD_TITLES[method]], files_of(made, method)
    answers = [int(file["answer"]) for file in files]
    accuracy = accuracy_of(answers)
    assert (row["runs"], row["epochs"], row["chance"]) == (3, 4, 10)
    assert row[f"accuracy {TEST}"] == pytest.approx(accuracy.mean())
    assert row[f"accuracy_std {TEST}"] == pytest.approx(accuracy.std(ddof=1))
    assert row[f"accuracy {VALID}"] == pytest.approx(accuracy.mean() - 3)
    assert not [name for name in frame if "ImageNet" in name]
    assert not [name for name in frame if name.endswith("/12")]
    spent = [float(file["search_seconds"]) for file in files]
    assert row["search_seconds"] == pytest.approx(np.mean(spent))
    assert row["search_seconds_std"] == pytest.approx(np.std(spent, ddof=1))
    assert row["ranking_seconds"] == pytest.approx(0.25 * len(RANKED))
    for name in ("training_loss", "training_accuracy", "validation_accuracy"):
        assert row[name] == pytest.approx(np.mean([float(file[name][-1]) for file in files]))
    assert row["skip_connections"] == pytest.approx(np.mean([skips(cell) for cell in answers]))
    trained = accuracy_of(RANKED)
    taus = [stats.kendalltau(file["shared_accuracy"], trained).statistic for file in files]
    rhos = [stats.spearmanr(file["shared_accuracy"], trained).statistic for file in files]
    assert row["ranked"] == len(RANKED)
    assert row["kendall"] == pytest.approx(np.mean(taus))
    assert row["kendall_std"] == pytest.approx(np.std(taus, ddof=1))
    assert row["spearman"] == pytest.approx(np.mean(rhos))
    assert row["kendall_low"] < row["kendall"] < row["kendall_high"] < 1


def test_the_interval_is_a_bootstrap_over_architectures_that_all_runs_share(made, tmp_path) -> None:
    frame = tabulate("weight_sharing", tmp_path, resamples=400, **made).set_index("method")
    files, rng = files_of(made, "rsps"), np.random.default_rng(0)
    trained, drawn = accuracy_of(RANKED), []
    for _ in range(400):
        at = rng.integers(len(RANKED), size=len(RANKED))
        drawn.append(
            np.mean(
                [
                    stats.kendalltau(file["shared_accuracy"].to_numpy()[at], trained[at]).statistic
                    for file in files
                ]
            )
        )
    low, high = np.quantile(drawn, [0.025, 0.975])
    row = frame.loc["RSPS"]
    assert (row["kendall_low"], row["kendall_high"]) == pytest.approx((low, high), abs=0.02)


def test_the_best_and_the_mean_of_the_space_stand_below(made, tmp_path: Path) -> None:
    frame = tabulate("weight_sharing", tmp_path, **made)
    assert frame["method"].to_list() == ["RSPS", "GDAS", "best of the space", "mean of the space"]
    accuracy = accuracy_of(CELLS)
    assert frame[f"accuracy {TEST}"].to_list()[2:] == pytest.approx(
        [accuracy.max(), accuracy.mean()]
    )
    assert frame[f"accuracy_std {TEST}"].to_list()[3] == pytest.approx(accuracy.std())
    text = (tmp_path / "weight_sharing.md").read_text()
    assert "reduced: 5,000 + 5,000 images, 4 epochs" in text
    assert "(chance 10.0)" in text
    assert "6 trainings of shared weights" in text


def test_operations_of_a_cell_are_counted_by_its_name() -> None:
    for cell in (0, 7, 3906, 15624):
        names = SPACE.operation_names(cell)
        counted = names.count("skip_connect"), names.count("none")
        assert skips_and_nones(SPACE.to_string(cell)) == counted
    assert np.isnan(skips_and_nones("")).all()


def test_architectures_without_an_accuracy_are_left_out(tmp_path: Path, papers) -> None:
    unknown = next(cell for cell in range(len(SPACE)) if cell not in CELLS)
    ranked = np.array([unknown, *RANKED[:10]])
    shared = [write_sharing(tmp_path / "0.h5", ranked=ranked)]
    benchmark = write_trained(tmp_path / "b.h5")
    frame = tabulate(
        "weight_sharing", tmp_path, shared=shared, benchmark=benchmark, published=papers
    )
    assert frame["ranked"][0] == 10
    assert np.isnan(frame["kendall_std"][0])  # of one run
    few = [write_sharing(tmp_path / "1.h5", ranked=[unknown, RANKED[0]])]
    frame = tabulate("weight_sharing", tmp_path, shared=few, benchmark=benchmark)
    assert (frame["ranked"][0], np.isnan(frame["kendall"][0])) == (1, True)
    none = [write_sharing(tmp_path / "2.h5", ranked=[])]
    assert tabulate("weight_sharing", tmp_path, shared=none, benchmark=benchmark)["ranked"][0] == 0


# ---------------------------------------------------------------- by epoch


def test_every_epoch_has_its_choice_and_what_the_choice_is_worth(made, tmp_path: Path) -> None:
    frame = tabulate("weight_sharing_epochs", tmp_path, **made)
    assert len(frame) == 2 * 3 * 4
    for run, file in enumerate(files_of(made, "gdas")):
        own = frame[(frame["method"] == "GDAS") & (frame["run"] == run)]
        choices = file["choice"].to_numpy().tolist()
        assert own["epoch"].to_list() == [1, 2, 3, 4]
        assert own["choice"].to_list() == [SPACE.to_string(cell) for cell in choices]
        assert own["trained_accuracy"].to_numpy() == pytest.approx(accuracy_of(choices))
        assert own["skip_connections"].to_list() == [skips(cell) for cell in choices]
        skip = file["probability"].to_numpy()[:, :, SPACE.operations.index("skip_connect")]
        assert own["skip_probability"].to_numpy() == pytest.approx(skip.mean(axis=1))
        validation = file["validation_accuracy"].to_numpy()
        assert own["validation_accuracy"].to_numpy() == pytest.approx(validation)
        phases = file["phase"].to_numpy().tolist()
        spent = sum(
            file["seconds"].to_numpy()[:, phases.index(p)] for p in ("weights", "architecture")
        )
        assert own["seconds"].to_numpy() == pytest.approx(np.cumsum(spent))
        last = own["seconds"].iloc[-1] + float(file["answer_seconds"])
        assert last == pytest.approx(float(file["search_seconds"]))


def test_readers_see_ten_epochs_of_a_long_run_and_programs_all(tmp_path: Path) -> None:
    shared = [write_sharing(tmp_path / "0.h5", epochs=37)]
    frame = tabulate(
        "weight_sharing_epochs", tmp_path, shared=shared, benchmark=write_trained(tmp_path / "b.h5")
    )
    readable = read_origin(tmp_path / "weight_sharing_epochs").table
    assert len(frame) == 37
    assert readable is not None
    shown = [int(row[readable.columns.index("Epoch")]) for row in readable.rows]
    assert (len(shown), shown[0], shown[-1]) == (10, 1, 37)


# ---------------------------------------------------------------- per second spent


def test_proxies_stand_beside_shared_weights_on_the_same_architectures(made, tmp_path) -> None:
    frame = tabulate("weight_sharing_ranking", tmp_path, **made).set_index("ranker")
    assert frame.index.to_list() == ["RSPS", "GDAS", "naswot", "params"]
    scored = read_dataset(made["scores"][0], "scores")
    names = scored["architecture"].to_numpy().tolist()
    at = [names.index(SPACE.to_string(int(cell))) for cell in RANKED]
    for place, proxy in enumerate(("naswot", "params")):
        score = scored["score"].to_numpy()[at, place]
        row = frame.loc[proxy]
        assert row["kendall"] == pytest.approx(
            stats.kendalltau(score, accuracy_of(RANKED)).statistic
        )
        each = float(scored["proxy_seconds"].to_numpy()[:, place].mean())
        assert row["seconds"] == pytest.approx(each * len(RANKED))
        assert row["architectures"] == "those that shared weights ranked"
    row = frame.loc["RSPS"]
    assert row["seconds"] == pytest.approx(row["search_seconds"] + row["ranking_seconds"])


def test_proxies_are_judged_on_all_that_were_scored_where_few_of_the_ranked_were(tmp_path) -> None:
    others = [cell for cell in range(200) if cell not in CELLS]
    ranked = np.array([*others[:30], *CELLS[:10]])
    frame = tabulate(
        "weight_sharing_ranking",
        tmp_path,
        shared=[write_sharing(tmp_path / "0.h5", ranked=ranked)],
        benchmark=write_trained(tmp_path / "b.h5"),
        scores=[write_cell_scores(tmp_path / "s.h5")],
    ).set_index("ranker")
    assert frame.loc["RSPS", "ranked"] == 10
    assert frame.loc["naswot", "ranked"] == len(CELLS)
    assert frame.loc["naswot", "architectures"] == "all that were scored"


def test_a_run_without_scores_says_so(made, tmp_path: Path) -> None:
    without = {**made, "scores": []}
    frame = tabulate("weight_sharing_ranking", tmp_path, **without)
    assert set(frame["kind"]) == {"shared weights"}
    text = (tmp_path / "weight_sharing_ranking.md").read_text()
    assert "no proxies: no scores on cifar10" in text
    plot_sharing_ranking(tmp_path / "weight_sharing_ranking.csv", "cifar10", tmp_path / "f")
    assert "no score of a proxy" in svg_texts(read_svg(tmp_path / "f.svg"))[1]
    other = write_cell_scores(tmp_path / "s.h5", space="nasbench201_mini")
    tabulate("weight_sharing_ranking", tmp_path, **{**made, "scores": [other]})
    assert "the scores are of nasbench201" in (tmp_path / "weight_sharing_ranking.md").read_text()


# ---------------------------------------------------------------- beside the paper


def table2a(folder: Path, shared: list[Path], papers: list[Path], **more: object) -> pd.DataFrame:
    benchmark = write_trained(folder / "benchmark.h5")
    frame = tabulate(
        "naswot_table2a", folder, shared=shared, benchmark=benchmark, published=papers, **more
    )
    return frame.set_index(["row", "column"])


def test_without_files_the_rows_are_quoted_as_before(tmp_path: Path, papers) -> None:
    frame = table2a(tmp_path, [], papers)
    for method in METHOD_TITLES.values():
        rows = frame.loc[method]
        assert set(rows["verdict"]) == {"not comparable"}
        assert set(rows["reason"]) == {QUOTED}
        assert rows["measured"].isna().all()
    assert NOTHING not in (tmp_path / "naswot_table2a.md").read_text()


def test_a_reduced_run_is_shown_and_never_compared(tmp_path: Path, papers) -> None:
    shared = write_sharings(tmp_path, ["rsps"])
    frame = table2a(tmp_path, shared, papers)
    answers = [int(read_dataset(path, "weight_sharing")["answer"]) for path in shared]
    cell = frame.loc["RSPS", "CIFAR-10 test"]
    assert cell["measured"] == pytest.approx(accuracy_of(answers).mean())
    assert cell["measured_spread"] == pytest.approx(accuracy_of(answers).std(ddof=1))
    assert (cell["n"], cell["verdict"]) == (3, "not comparable")
    assert cell["reason"] == "reduced: 5,000 + 5,000 images, 4 epochs"
    assert np.isnan([cell["difference"], cell["tolerance"]]).all()
    seconds = frame.loc["RSPS", "Search (s)"]
    spent = [float(read_dataset(path, "weight_sharing")["search_seconds"]) for path in shared]
    assert seconds["measured"] == pytest.approx(np.mean(spent))
    assert seconds["verdict"] == "not comparable"
    assert "reduced: " in seconds["reason"]
    assert "other hardware" in seconds["reason"]
    assert frame.loc["RSPS", "ImageNet16-120 test"]["verdict"] == "missing"
    assert frame.loc["ENAS", "CIFAR-10 test"]["reason"] == QUOTED
    assert (frame.loc["RSPS"]["swaps"] == 0).all()
    files = read_origin(tmp_path / "naswot_table2a").files
    assert sum(file.schema == "weight_sharing" for file in files) == 3


def test_a_published_run_has_verdicts_by_the_rule(tmp_path: Path, papers) -> None:
    told = {"published": 1, "scale": "published"}
    frame = table2a(tmp_path, write_sharings(tmp_path, ["darts_v1"], **told), papers)
    cell = frame.loc["DARTS-V1", "CIFAR-10 test"]  # 54.30 ± 0.00 in print
    assert (cell["verdict"], cell["reason"]) == ("not reproduced", "")
    seconds = frame.loc["DARTS-V1", "Search (s)"]
    assert (seconds["verdict"], seconds["reason"]) == (
        "not comparable",
        "other hardware, or the budget that was set",
    )


@pytest.mark.parametrize(
    ("runs", "told", "reason"),
    [
        (2, {}, "2 runs instead of 3"),
        (1, {}, "1 run instead of 3"),
        (3, {"stand_in": 1, "image_source": "noise"}, "stand-in images: noise"),
    ],
)
def test_few_runs_and_stand_ins_are_not_compared(tmp_path, papers, runs, told, reason) -> None:
    told = {"published": 1, "scale": "published", **told}
    frame = table2a(tmp_path, write_sharings(tmp_path, ["gdas"], runs, **told), papers)
    cell = frame.loc["GDAS", "CIFAR-10 test"]
    assert (cell["verdict"], cell["n"]) == ("not comparable", runs)
    assert cell["reason"] == reason


def test_other_settings_stand_nowhere_beside_the_print(tmp_path: Path, papers) -> None:
    for told in ({"preset": "nasbench201_running"}, {"dataset": "cifar100"}):
        frame = table2a(tmp_path, write_sharings(tmp_path, ["setn"], **told), papers)
        assert set(frame.loc["SETN"]["reason"]) == {QUOTED}


def test_of_several_settings_the_published_one_counts(tmp_path: Path, papers) -> None:
    shared = write_sharings(tmp_path, ["enas"], 4)
    (tmp_path / "b").mkdir()
    whole = write_sharings(tmp_path / "b", ["enas"], 3, published=1, scale="published", noise=5.0)
    frame = table2a(tmp_path, shared + whole, papers)
    assert frame.loc["ENAS", "CIFAR-10 test"]["n"] == 3
    both = tabulate(
        "weight_sharing", tmp_path, shared=shared + whole, benchmark=tmp_path / "benchmark.h5"
    )
    assert both["published"].to_list() == ["yes", "no", "", ""]


# ---------------------------------------------------------------- bad input


def test_missing_and_wrong_files_are_named(tmp_path: Path) -> None:
    benchmark = write_trained(tmp_path / "b.h5")
    for name in ("weight_sharing", "weight_sharing_epochs", "weight_sharing_ranking"):
        with pytest.raises(DataFileError, match="kind shared, found none"):
            make_table(name, Inputs(benchmark=benchmark), tmp_path)
        absent = Inputs(shared=(tmp_path / "no.h5",), benchmark=benchmark)
        with pytest.raises(DataFileError, match="found none that is there; name methods"):
            make_table(name, absent, tmp_path)
    path = write_sharing(tmp_path / "0.h5")
    mini = write_trained(tmp_path / "mini.h5", space="nasbench201_mini")
    with pytest.raises(DataFileError, match=r"mini\.h5: expected accuracies of nasbench201"):
        make_table("weight_sharing", Inputs(shared=(path,), benchmark=mini), tmp_path)
    twice = Inputs(shared=(path, path), benchmark=benchmark)
    with pytest.raises(DataFileError, match=r"each run of rsps, .* once, found the runs 0, 0"):
        make_table("weight_sharing", twice, tmp_path)
    other = write_sharing(tmp_path / "1.h5", run=1, code_hash="fedcba9876543210")
    with pytest.raises(DataFileError, match="with the same code_hash"):
        make_table("weight_sharing", Inputs(shared=(path, other), benchmark=benchmark), tmp_path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataFileError, match=r"0\.h5"):
        make_table("weight_sharing", Inputs(shared=(path,), benchmark=benchmark), tmp_path)


# ---------------------------------------------------------------- figures


def drawn(made: dict[str, object], folder: Path) -> Path:
    for name in ("weight_sharing_ranking", "weight_sharing_epochs"):
        tabulate(name, folder, **made)
        command = [f"plot-{name.replace('weight_', '').replace('_', '-')}", "--dataset", "cifar10"]
        command += ["--table", str(folder / f"{name}.csv"), "--stem", str(folder / f"fig_{name}")]
        assert main(command) == 0
    return folder


def test_equal_files_give_equal_figures_that_say_what_they_show(made, tmp_path: Path) -> None:
    first, second = (drawn(made, tmp_path / name) for name in ("a", "b"))
    names = sorted(path.name for path in first.glob("fig_*"))
    assert len(names) == 6
    for name in names:
        assert (first / name).read_bytes() == (second / name).read_bytes()
    title, caption = svg_texts(read_svg(first / "fig_weight_sharing_ranking.svg"))
    assert title == "Accuracy of ranking against seconds: CIFAR-10 test, 200 epochs"
    assert "mean of 3 runs" in caption
    assert f"ranking {len(RANKED)} architectures" in caption
    assert "reduced: 5,000 + 5,000 images, 4 epochs" in caption
    _, caption = svg_texts(read_svg(first / "fig_weight_sharing_epochs.svg"))
    assert "Mean over 3 runs of each method" in caption


def test_lines_are_means_over_runs(made, tmp_path: Path) -> None:
    rows = tabulate("weight_sharing_epochs", tmp_path, **made)
    means = means_by_epoch(rows[rows["method"] == "GDAS"])
    files = files_of(made, "gdas")
    choices = np.array([file["choice"].to_numpy() for file in files])
    accuracy = np.array([accuracy_of(run) for run in choices])
    assert means["trained_accuracy"].to_numpy() == pytest.approx(accuracy.mean(axis=0))
    edges = [[skips(int(cell)) for cell in run] for run in choices]
    assert means["skip_connections"].to_numpy() == pytest.approx(np.mean(edges, axis=0))


def test_nothing_to_draw_is_named(made, tmp_path: Path) -> None:
    tabulate("weight_sharing_ranking", tmp_path, **made)
    table = tmp_path / "weight_sharing_ranking.csv"
    with pytest.raises(DataFileError, match="expected rows of shared weights on cifar100"):
        plot_sharing_ranking(table, "cifar100", tmp_path / "f")
    with pytest.raises(DataFileError, match=r"epochs\.csv: no such table"):
        plot_sharing_epochs(tmp_path / "epochs.csv", "cifar10", tmp_path / "f")
    nothing = [write_sharing(tmp_path / "0.h5", ranked=[])]
    tabulate("weight_sharing_ranking", tmp_path, shared=nothing, benchmark=made["benchmark"])
    with pytest.raises(DataFileError, match="nothing to draw"):
        plot_sharing_ranking(table, "cifar10", tmp_path / "f")


# ---------------------------------------------------------------- the workflow


def test_papers_tables_have_shared_weights_only_where_methods_are_named(papers) -> None:
    def inputs(name: str, **section: object) -> list[str]:
        config = parse_config({"weight_sharing": section} if section else {})
        run = RunTables(ConfiguredRun(config), [])
        found = run.inputs(tables()[name])["shared"]
        assert isinstance(found, list)
        return found

    assert inputs("comparison") == []
    assert inputs("comparison", runs=2) == []
    named = inputs("comparison", methods=["gdas"], runs=2)
    assert [Path(path).parts[-2:] for path in named] == [("gdas", "0.h5"), ("gdas", "1.h5")]
    assert len(inputs("weight_sharing")) == 18
    assert options({"shared": named}) == ["--shared", *named]
    assert options({"shared": []}) == []
    other = ConfiguredRun(parse_config({"space": "nasbench101", "weight_sharing": {"runs": 2}}))
    assert RunTables(other, []).inputs(tables()["comparison"])["shared"] == []
    with pytest.raises(ConfigError, match="weight sharing"):
        RunTables(other, []).inputs(tables()["weight_sharing"])
