"""Correlation, search, timing and summary tables on small files with known numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from analysis_fixtures import (
    ERROR,
    OUT_OF_MEMORY,
    tabulate,
    tabulate_run,
    write_benchmark,
    write_scores,
    write_search,
    write_study,
)
from scipy import stats

from trainfree.analysis.formats import number, seconds
from trainfree.analysis.origins import MadeFrom
from trainfree.analysis.registry import read_rows
from trainfree.analysis.searches.search import ORACLE, RANDOM_ARCHITECTURE
from trainfree.analysis.tables import (
    csv_text,
    latex_text,
    markdown_text,
    numbers,
    read_table,
    text,
    write_tables,
)
from trainfree.errors import DataFileError
from trainfree.files.storage import read_dataset, write_dataset

INF, NAN = np.inf, np.nan
TEST = ("cifar10", "test", 200, "mean")


@pytest.fixture
def published(repository: Path) -> Path:
    return repository / "reports" / "published" / "naswot.yaml"


def make_all(folder: Path, published: Path) -> Path:
    """Make every table of the small study and return their folder."""
    study, tables = write_study(folder), folder / "tables"
    tabulate_run(study, tables, published)
    return tables


class TestCorrelations:
    def table(self, folder: Path, score: list[float], status: list[int] | None = None, **more):
        accuracy = [10.0, 60.0, 80.0, 85.0, 90.0, 92.0, NAN]
        benchmark = write_benchmark(folder / "b.h5", {TEST: accuracy})
        given = None if status is None else {"p": status}
        scores = write_scores(folder / "s.h5", {"p": score}, given)
        frame = tabulate("correlations", folder, scores=scores, benchmark=benchmark, **more)
        return frame.set_index("rows")

    def test_rows_excluded_are_counted_by_reason(self, tmp_path: Path) -> None:
        score = [-INF, -INF, 1.0, 3.0, NAN, NAN, 9.0]
        found = self.table(tmp_path, score, [1, 1, 0, 0, ERROR, OUT_OF_MEMORY, 0])
        assert found.loc["all", "n"] == 4
        assert found.loc["all", "infinite"] == 2
        assert found.loc["all", "excluded"] == 3
        because = "1 error; 1 out_of_memory; 1 without accuracy"
        assert found.loc["all", "excluded_because"] == because
        assert found.loc["finite", "n"] == 2
        assert found.loc["finite", "excluded_because"] == f"2 singular; {because}"
        assert "only 2 usable" in found.loc["finite", "note"]

    def test_golden_values(self, tmp_path: Path) -> None:
        score = [-INF, 1.0, 3.0, 2.0, 4.0, 5.0, 9.0]
        found = self.table(tmp_path, score)
        accuracy = [60.0, 80.0, 85.0, 90.0, 92.0]
        assert found.loc["finite", "kendall"] == pytest.approx(0.8)
        assert found.loc["finite", "spearman"] == pytest.approx(0.9)
        assert found.loc["finite", "pearson"] == pytest.approx(
            stats.pearsonr([1, 3, 2, 4, 5], accuracy)[0]
        )
        assert found.loc["all", "kendall"] == pytest.approx(13 / 15)
        assert np.isnan(found.loc["all", "pearson"])
        assert "Pearson undefined" in found.loc["all", "note"]

    def test_constant_score_is_undefined_with_the_reason(self, tmp_path: Path) -> None:
        found = self.table(tmp_path, [2.0] * 7)
        assert found["kendall"].isna().all()
        assert found["note"].str.contains("the score is the same").all()

    def test_headline_is_test_at_most_epochs_with_values(self, tmp_path: Path) -> None:
        rising = [10.0, 20.0, 30.0, 40.0]
        benchmark = write_benchmark(
            tmp_path / "b.h5",
            {
                ("cifar10", "test", -1, "mean"): rising,
                ("cifar10", "test", 12, "111"): rising,
                ("cifar10", "test", 12, "777"): [10.0, 20.0, 60.0, 10.0],
                ("cifar10", "test", 200, "mean"): [NAN] * 4,
                ("cifar10-valid", "valid", 12, "777"): rising[::-1],
            },
        )
        scores = write_scores(tmp_path / "s.h5", {"p": [1.0, 2.0, 4.0, 3.0]})
        found = tabulate("correlations", tmp_path, scores=scores, benchmark=benchmark)
        kendall = found[found["rows"] == "all"].set_index("target")["kendall"]
        assert list(kendall.index) == ["cifar10/test/12", "cifar10-valid/valid/12"]
        assert kendall.iloc[0] == pytest.approx(1.0)  # means over seeds: 10, 20, 45, 25

    def test_other_data_set_is_refused(self, tmp_path: Path) -> None:
        benchmark = write_benchmark(tmp_path / "b.h5", {TEST: [1.0, 2.0]})
        scores = write_scores(tmp_path / "s.h5", {"p": [1.0, 2.0]}, dataset="cifar100")
        with pytest.raises(DataFileError, match="expected accuracies of 'cifar100'"):
            tabulate("correlations", tmp_path, scores=scores, benchmark=benchmark)

    def test_published_tau_beside_naswot_only(self, tmp_path: Path, published: Path) -> None:
        tables = make_all(tmp_path, published)
        found = read_rows("correlations", tables / "correlations.csv")
        beside = found[found["published_kendall"].notna()]
        assert set(beside["proxy"]) == {"naswot"}
        assert set(beside["target"]) == {"cifar10/test/200"}
        assert set(beside["published_kendall"]) == {0.574}


class TestSearch:
    fitness = np.array([[1.0, 3.0, 2.0], [5.0, NAN, 6.0]])
    accuracy = np.array([[80.0, 90.0, 95.0], [70.0, 99.0, 88.0]])

    def table(self, folder: Path, published: Path | None, **more) -> pd.DataFrame:
        search = write_search(
            folder / "s.h5", self.fitness, self.accuracy, (1, 3), **{"signal": "naswot", **more}
        )
        return tabulate("search", folder, searches=search, published=published)

    def test_golden_values(self, tmp_path: Path) -> None:
        found = self.table(tmp_path, None).set_index(["row", "budget"])
        row = found.loc[("random, naswot", 3)]
        assert row["accuracy_mean"] == pytest.approx(89.0)
        assert row["accuracy_std"] == pytest.approx(np.std([90, 88], ddof=1))
        half = 12.706204736 * np.sqrt(2) / np.sqrt(2)  # Student t with one degree of freedom
        assert row["accuracy_high"] - row["accuracy_mean"] == pytest.approx(half)
        assert row["scoring_seconds"] == pytest.approx(0.06)
        assert found.loc[(RANDOM_ARCHITECTURE, 1), "accuracy_mean"] == pytest.approx(75.0)

    def test_the_table_says_what_simulated_seconds_are(self, tmp_path: Path) -> None:
        note = "Training seconds are simulated: without the pass over the validation images."
        plain = write_search(
            tmp_path / "s.h5",
            self.fitness,
            self.accuracy,
            (1, 3),
            signal="accuracy",
            clock_note=note,
        )
        timed = read_dataset(plain, "search")
        timed["answer_training_seconds"] = timed["answer_training_seconds"].fillna(100.0)
        write_dataset(timed, tmp_path / "timed.h5", "search")
        for path, words in ((plain, 0), (tmp_path / "timed.h5", 1)):
            tabulate("search", tmp_path, searches=[path, path])
            for suffix in (".md", ".tex"):
                text = (tmp_path / f"search{suffix}").read_text()
                assert text.count(note.rstrip(".")) == words, suffix

    def test_published_beside_what_corresponds(self, tmp_path: Path, published: Path) -> None:
        tables = make_all(tmp_path, published)
        found = read_rows("search", tables / "search.csv").set_index(["row", "budget"])
        beside = found["published_mean"]
        assert beside[("random, naswot", 10)] == 92.44
        assert beside[("random, naswot", 100)] == 92.81
        assert beside[(RANDOM_ARCHITECTURE, 1)] == 86.61
        assert beside[(ORACLE, 100)] == 93.84
        assert np.isnan(beside[("random, synflow", 10)])
        assert np.isnan(beside[("rea, naswot", 10)])
        assert np.isnan(beside[("rea, trained accuracy", 10)])  # published for 12,000 s
        row = found.loc[("random, naswot", 10)]
        difference = row["accuracy_mean"] - 92.44
        assert row["difference"] == pytest.approx(difference, rel=1e-3)

    def test_budgets_of_seconds_stand_beside_theirs(self, tmp_path: Path, published: Path) -> None:
        search = write_search(
            tmp_path / "rea.h5",
            self.fitness,
            self.accuracy,
            (12000,),
            "rea",
            "accuracy",
            preset="nasbench201",
            budget_kind="training_seconds",
        )
        row = tabulate("search", tmp_path, searches=search, published=published).iloc[0]
        assert row["published_mean"] == 93.92
        assert row["comparable"] == "yes"
        assert "| 12,000 s |" in (tmp_path / "search.md").read_text()

    def test_no_published_number_beside_other_epochs(self, tmp_path: Path, published: Path) -> None:
        found = self.table(tmp_path, published, outcomes=("cifar10/test/12",))
        assert found["published_mean"].isna().all()

    def test_no_published_number_beside_another_space(
        self, tmp_path: Path, published: Path
    ) -> None:
        assert self.table(tmp_path, published)["published_mean"].notna().any()
        found = self.table(tmp_path, published, space="chains")
        assert found["published_mean"].isna().all()
        scores = write_scores(tmp_path / "s.h5", {"naswot": [1.0] * 4}, space="chains")
        timed = tabulate("timing", tmp_path, scores=scores, published=published)
        assert timed["published_10"].isna().all()
        columns = {TEST: [10.0, 20.0, 30.0, 40.0]}
        benchmark = write_benchmark(tmp_path / "b.h5", columns, space="chains")
        given = {"scores": scores, "benchmark": benchmark, "published": published}
        ranked = tabulate("correlations", tmp_path, **given)
        assert ranked["published_kendall"].isna().all()

    def test_unstated_epochs_are_only_roughly_comparable(
        self, tmp_path: Path, published: Path
    ) -> None:
        found = self.table(tmp_path, published, outcomes=("cifar10/test/?",))
        row = found[found["row"] == RANDOM_ARCHITECTURE].iloc[0]
        assert row["published_mean"] == 86.61
        assert row["comparable"].startswith("roughly: accuracies of another training")

    def test_other_outcomes_stay_in_the_csv(self, tmp_path: Path) -> None:
        outcomes = ("cifar10/test/200", "cifar100/test/200")
        self.table(tmp_path, None, outcomes=outcomes)
        assert set(read_rows("search", tmp_path / "search.csv")["outcome"]) == set(outcomes)
        assert "CIFAR-100" not in (tmp_path / "search.md").read_text()

    def test_lacking_attribute_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(DataFileError, match="no such search file"):
            tabulate("search", tmp_path, searches=tmp_path / "none.h5")


class TestTiming:
    def test_golden_values(self, tmp_path: Path, published: Path) -> None:
        scores = write_scores(
            tmp_path / "s.h5", {"naswot": [1.0] * 4, "x": [2.0] * 4}, seconds=[1, 2, 3, 10]
        )
        found = tabulate("timing", tmp_path, scores=scores, published=published)
        found = found.set_index(["part", "name"])
        total = found.loc[("phase", "total")]
        assert total["mean"] == pytest.approx(4.0)
        assert total["median"] == pytest.approx(2.5)
        assert total["sum"] == pytest.approx(16.0)
        assert total["expected_100"] == pytest.approx(400.0)
        assert found.loc[("phase", "forward"), "share"] == pytest.approx(0.5)
        alone = found.loc[("proxy alone", "naswot")]
        assert alone["expected_10"] == pytest.approx(20.0)
        assert [alone[f"published_{n}"] for n in (10, 100, 1000)] == [3.05, 30.01, 306.19]
        assert alone["comparable"].startswith("no: other hardware")
        assert np.isnan(found.loc[("proxy alone", "x"), "published_10"])
        assert np.isnan(total["published_10"])

    @pytest.mark.parametrize("shared", [False, True])
    def test_it_is_said_whether_architectures_were_timed_alone(
        self, tmp_path: Path, shared: bool
    ) -> None:
        note = {"clock_note": "seconds of a group are shared"} if shared else {}
        scores = write_scores(tmp_path / "s.h5", {"naswot": [1.0] * 4}, **note)
        found = tabulate("timing", tmp_path, scores=scores)
        words = "shares of groups" if shared else "each alone"
        assert set(found["clock"]) == {words}
        assert words in (tmp_path / "timing.md").read_text()

    def test_without_proxy_seconds_published_stands_beside_the_total(
        self, tmp_path: Path, published: Path
    ) -> None:
        scores = write_scores(tmp_path / "s.h5", {"p": [1.0, 2.0]}, with_proxy_seconds=False)
        found = tabulate("timing", tmp_path, scores=scores, published=published).set_index("name")
        assert found.loc["total", "published_10"] == 3.05
        assert "all proxies in one pass" in found.loc["total", "comparable"]


class TestSummary:
    def test_every_line_comes_from_the_files(self, tmp_path: Path, published: Path) -> None:
        tables = make_all(tmp_path, published)
        text = (tables / "summary.txt").read_text()
        values = read_rows("summary", tables / "summary.csv").set_index("metric")
        correlations = read_rows("correlations", tables / "correlations.csv")
        kept = (correlations["rows"] == "finite") & (correlations["target"] == "cifar10/test/200")
        rho = correlations[kept].set_index("proxy").loc["naswot", "spearman"]
        assert values.loc["architectures scored", "value"] == "60"
        assert values.loc["singular", "value"] == "5"
        assert values.loc["failures", "value"] == "1"
        assert "synflow: 1 error" in values.loc["failures", "note"]
        assert float(values.loc["Spearman ρ of naswot", "value"]) == pytest.approx(rho)
        assert "subset" in values.loc["images", "note"]
        assert "stand-in" in values.loc["trained accuracies", "note"]
        assert f"{rho:.3f}" in text
        assert float(values.loc["published cells reproduced", "value"]) == 3
        assert values.loc["published cells reproduced", "note"].startswith(
            "1 not reproduced, 9 not"
        )
        assert "reproduced of a_1" in values.index
        assert "reproduced of b_2" not in values.index
        assert max(map(len, text.splitlines())) <= 100

    def test_stand_in_images_are_called_so(self, tmp_path: Path, published: Path) -> None:
        study, tables = write_study(tmp_path), tmp_path / "tables"
        make_all(tmp_path, published)
        scores = write_scores(
            tmp_path / "g.h5", {"p": np.arange(60.0)}, stand_in=1, image_source="drawn at random"
        )
        tabulate(
            "summary",
            tmp_path,
            scores=scores,
            benchmark=study["benchmark"],
            tables=list(tables.glob("*.csv")),
        )
        text = (tmp_path / "summary.txt").read_text()
        assert "stand-in, not the real images: drawn at random" in " ".join(text.split())


class TestWriters:
    frame = pd.DataFrame({"name": ["a|b_$\\<i>", "x"], "value": [1 / 3, -INF], "n": [2, 10**7]})

    def test_csv(self) -> None:
        expected = "name,value,n\na|b_$\\<i>,0.333333,2\nx,-inf,10000000\n"
        assert csv_text(self.frame) == expected

    def test_csv_round_trip_keeps_text(self, tmp_path: Path) -> None:
        frame = pd.DataFrame({"proxy": ["nan", "007", "", 'a,"b"'], "n": [1.5, NAN, 2, 3]})
        write_tables(frame, frame, "t", MadeFrom(), tmp_path / "t.v1")
        found = read_table(tmp_path / "t.v1.csv", (*text("proxy"), *numbers("n")))
        assert found["proxy"].tolist() == frame["proxy"].tolist()
        assert np.isnan(found["n"][1])

    def test_markdown_is_escaped(self) -> None:
        found = markdown_text(self.frame, "t")
        assert r"a\|b\_$\\&lt;i>" in found
        assert found.count("\n| ") == 4
        told = markdown_text(self.frame, "t", "a_b|c")
        assert told == found.replace("**t**\n", "**t**\n\nMade from a\\_b\\|c.\n")

    def test_latex_is_escaped(self) -> None:
        found = latex_text(self.frame, "50 %")
        assert r"a|b\_\$\textbackslash{}\textless{}i\textgreater{}" in found
        assert r"\caption{50 \%}" in found
        told = latex_text(self.frame, "50 %", "a_b")
        assert r"\caption{50 \%. Made from a\_b.}" in told

    def test_numbers(self) -> None:
        shown = [number(-0.0004, 3), number(-INF), number(NAN), number(15625, 0), number(-2.5, 1)]
        assert shown == ["0.000", "−∞", "–", "15,625", "−2.5"]
        assert [seconds(v) for v in (0.0, 0.01234, 3.05, 45.67, 306.19, NAN)] == [
            *("0", "0.0123", "3.05", "45.7", "306", "–")
        ]

    def test_missing_and_damaged_tables(self, tmp_path: Path) -> None:
        with pytest.raises(DataFileError, match="no such table"):
            read_table(tmp_path / "none.csv")
        (tmp_path / "e.csv").write_text("")
        with pytest.raises(DataFileError, match="not a CSV table"):
            read_table(tmp_path / "e.csv")


def test_equal_inputs_give_equal_bytes(tmp_path: Path, published: Path) -> None:
    first, second = (make_all(tmp_path / name, published) for name in ("a", "b"))
    names = sorted(path.name for path in first.iterdir())
    assert len(names) == 5 * 4 + 1 + 2
    for name in names:
        assert (first / name).read_bytes() == (second / name).read_bytes()
