"""The printed tables of proxies beside ours: what is read, measured, judged and told."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from analysis_fixtures import NOT_FINITE, OK, tabulate, write_benchmark, write_scores
from scipy.stats import kendalltau, spearmanr
from sklearn.metrics import ndcg_score

from trainfree.analysis.field.cells import Column, Learning, Row, read_all_printed, read_printed
from trainfree.analysis.field.learners import Learners
from trainfree.analysis.field.measures import Population, drawn_architectures, measure
from trainfree.analysis.field.scored import FieldScores
from trainfree.analysis.run_files import AbsentError
from trainfree.analysis.settings import AnalysisSettings
from trainfree.errors import DataFileError
from trainfree.files.storage import write_dataset

COUNT = 120
PRINTED = sorted((Path(__file__).parent.parent / "reports/published/field").glob("*.yaml"))
RNG = np.random.default_rng(3)
ACCURACY = 94 - 40 * RNG.beta(1.2, 6, COUNT)
TEST = "cifar10/test/200"


def scores_file(path: Path, scores: dict, seed: int, sample: int = 0, subset: str = "", **more):
    config = json.dumps({"sample": sample, "subset": subset})
    more = {"batch_size": 64, "initialization": "kaiming", **more}
    return write_scores(path, scores, seed=seed, config=config, **more)


def benchmark_file(path: Path, accuracy=ACCURACY) -> Path:
    names = ("cifar10", "cifar100", "ImageNet16-120")
    columns = {(name, "test", 200, "mean"): accuracy for name in names}
    return write_benchmark(path, columns, space="nasbench201", source="mirror")


def noisy(seed: int, noise: float = 4.0) -> np.ndarray:
    return ACCURACY + np.random.default_rng(seed).normal(0, noise, COUNT)


@pytest.fixture
def whole(tmp_path) -> FieldScores:
    """Three seeds of all architectures."""
    return FieldScores(
        scores_file(
            tmp_path / f"s{seed}.h5", {"naswot": noisy(seed), "flops": np.round(ACCURACY)}, seed
        )
        for seed in (1, 2, 3)
    )


def population(accuracy=ACCURACY, subset: str = "") -> Population:
    index = pd.Index([f"|a{place}~0|" for place in range(len(accuracy))])
    return Population(subset, "worst finite", pd.Series(accuracy, index=index))


def found_of(scored, signal: str, statistic: str, **settings):
    column = Column(dataset="cifar10", statistic=statistic, outcome=TEST)
    settings = AnalysisSettings(bootstrap_resamples=60, **settings)
    return measure(scored, Row(cells=(), signal=signal), column, population(), settings)


def test_a_statistic_is_its_mean_over_the_seeds(whole):
    values = [kendalltau(noisy(seed), ACCURACY).statistic for seed in (1, 2, 3)]
    found = found_of(whole, "naswot", "kendall")
    assert found.measured.value == pytest.approx(np.mean(values))
    assert found.measured.spread == pytest.approx(np.std(values, ddof=1))
    assert found.measured.error == pytest.approx(found.measured.spread / np.sqrt(3))
    assert (found.seeds, found.measured.n, found.population) == (3, COUNT, COUNT)
    assert np.isnan(found.measured.low)
    rho = [spearmanr(noisy(seed), ACCURACY).statistic for seed in (1, 2, 3)]
    assert found_of(whole, "naswot", "spearman").measured.value == pytest.approx(np.mean(rho))
    gain = [2.0 ** (ACCURACY - 94) - 2.0**-94]
    oracle = np.mean([ndcg_score(gain, [noisy(seed)]) for seed in (1, 2, 3)])
    assert found_of(whole, "naswot", "ndcg").measured.value == pytest.approx(oracle)


def test_scores_that_are_no_number_count_as_the_worst_finite_one_and_failures_not_at_all(tmp_path):
    scores, status = noisy(1), np.full(COUNT, OK)
    scores[3], scores[4], scores[5] = -np.inf, np.nan, np.nan
    status[4], status[5] = NOT_FINITE, 5
    path = write_scores(
        tmp_path / "s.h5", {"naswot": scores}, {"naswot": status}, seed=1, config="{}"
    )
    expected = scores.copy()
    expected[[3, 4]] = np.nanmin(scores[np.isfinite(scores)])
    kept = np.arange(COUNT) != 5
    oracle = kendalltau(expected[kept], ACCURACY[kept]).statistic
    found = found_of(FieldScores([path]), "naswot", "kendall")
    assert found.measured.value == pytest.approx(oracle)
    assert found.measured.n == COUNT - 1


def test_each_seed_of_a_sample_has_its_own_architectures_and_the_interval_is_theirs(tmp_path):
    files = []
    for seed in (1, 2):
        path = scores_file(tmp_path / f"s{seed}.h5", {"naswot": noisy(seed)[:40]}, seed, sample=40)
        files.append(path)
    every = {"flops": np.round(ACCURACY)}
    scored = FieldScores([*files, scores_file(tmp_path / "all.h5", every, 1)])
    found = found_of(scored, "naswot", "kendall")
    assert (found.seeds, found.measured.n, found.population) == (2, 40, COUNT)
    assert found.measured.low < found.measured.value < found.measured.high
    assert 0 < found.measured.error < 0.1
    assert "an estimate from 40 of 120" in found_of(scored, "naswot", "ndcg").obstacle
    cheap = found_of(scored, "flops", "kendall")
    assert (cheap.seeds, cheap.measured.n, cheap.measured.error) == (1, COUNT, 0.0)
    with pytest.raises(AbsentError, match="needs the scores of all 120 architectures, 40 were"):
        found_of(scored, "naswot", "best_of_3000")
    with pytest.raises(AbsentError, match="not run: no scores of zen on cifar10"):
        found_of(scored, "zen", "kendall")


def test_the_best_of_a_draw_is_looked_for_under_the_seed_of_its_number(whole, monkeypatch):
    monkeypatch.setattr("trainfree.analysis.field.measures.DRAWN", 20)
    # Architectures are drawn from the order of their names.
    names = population().accuracy.sort_index().index
    order = np.array([int(name[2:-3]) for name in names])
    draws = drawn_architectures(COUNT, AnalysisSettings())
    assert [len(drawn) for drawn in draws] == [20] * 5
    answers = []
    for place, drawn in enumerate(draws):
        chosen = order[drawn]
        scores = noisy((1, 2, 3)[place % 3])
        answers.append(ACCURACY[chosen[scores[chosen].argmax()]])
    found = found_of(whole, "naswot", "best_of_3000")
    assert found.measured.value == pytest.approx(np.mean(answers))
    optimum = np.mean([ACCURACY[order[drawn]].max() for drawn in draws])
    assert found_of(whole, "accuracy", "best_of_3000").measured.value == pytest.approx(optimum)


def test_a_part_of_the_space_is_what_its_file_holds(tmp_path):
    part = scores_file(tmp_path / "part.h5", {"flops": ACCURACY[:50]}, 1, subset="reachable")
    every = scores_file(tmp_path / "all.h5", {"flops": -ACCURACY}, 1)
    scored = FieldScores([every, part])
    assert len(scored.members("reachable")) == 50
    (signal,) = scored.signals("cifar10", Row(cells=(), signal="flops"), "reachable", "worst rank")
    np.testing.assert_allclose(signal.scores.sort_values(), np.sort(-ACCURACY[:50]))
    with pytest.raises(AbsentError, match="'convolutions'"):
        scored.members("convolutions")


def test_ranks_are_those_among_the_architectures_that_are_compared(tmp_path):
    names = ["az_expressivity", "az_progressivity", "az_trainability"]
    columns = {name: noisy(place) for place, name in enumerate(names)}
    sampled = {name: values[:30] for name, values in columns.items()}
    scored = FieldScores(
        [
            scores_file(tmp_path / "s1.h5", sampled, 1, sample=30),
            scores_file(tmp_path / "all.h5", {"flops": ACCURACY}, 1),
        ]
    )
    (signal,) = scored.signals("cifar10", Row(cells=(), signal="az_nas"), "", "worst finite")
    parts = [*sampled.values(), ACCURACY[:30]]
    expected = sum(np.log(pd.Series(values).rank() / 30) for values in parts)
    found = signal.scores.reindex([f"|a{place}~0|" for place in range(30)])
    np.testing.assert_allclose(found, expected)


def test_every_printed_table_is_read_and_says_where_its_numbers_are_from():
    tables = {table.name: table for table in read_all_printed(PRINTED)}
    counts = {name: len(table.cells) for name, table in tables.items()}
    assert counts == {
        "vkdnw_table1": 18 * 9 + 3,
        "aznas_table1": 12 * 3 + 3 + 4 * 3 + 10,
        "aznas_ablation": 15,
        "aznas_notebook": 19,
        "zerocost_nasbench201": 21,
        "zerocost_nasbench101": 6,
    }
    assert all(printed.source for table in tables.values() for printed in table.cells)
    second_hand = {printed.source for printed in tables["aznas_table1"].cells}
    assert second_hand == {"second-hand: notes on the paper, not its text"}
    for table in tables.values():
        for printed in table.cells:
            if printed.cell.unit in ("tau", "rho", "ndcg"):
                assert -1 < printed.cell.value < 1


def test_known_numbers_stand_in_their_places():
    tables = {table.name: table for table in read_all_printed(PRINTED)}

    def value(name: str, row: str, column: str) -> float:
        cells = tables[name].cells
        (found,) = [p.cell.value for p in cells if (p.cell.row, p.cell.column) == (row, column)]
        return found

    assert value("vkdnw_table1", "VKDNW_agg", "ImageNet16-120 nDCG") == 0.664
    assert value("vkdnw_table1", "(VKDNW+ZCS+GRAF)_m", "CIFAR-100 ρ") == 0.966
    assert value("vkdnw_table1", "GradSign", "CIFAR-10 ρ") == 0.765
    assert value("aznas_table1", "AZ-NAS", "ImageNet16-120 τ") == 0.71
    assert value("aznas_notebook", "az_nas", "ImageNet16-120 τ") == 0.694
    assert value("zerocost_nasbench201", "synflow", "CIFAR-100 |ρ|") == 0.763


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("0.623, 0.799", "0.623", "FLOPs: expected 9 cells, one per column, found 8"),
        ("statistic: kendall", "statistic: kendal", "statistic: .* found 'kendal'"),
        ("infinite: worst finite", "infinite: best", "infinite: .* found 'best'"),
    ],
)
def test_a_malformed_file_is_named(tmp_path, old, new, words):
    (path,) = [path for path in PRINTED if path.stem == "vkdnw"]
    broken = tmp_path / "vkdnw.yaml"
    broken.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(DataFileError, match=words):
        read_printed(broken)


def learned_file(path: Path, dataset: str = "cifar10", kind: str = "accuracy") -> Path:
    """Two draws after 8 trainings on two sets of features; 64 were too many."""
    values = np.full((1, 2, 2, 2), np.nan)
    values[0, :, 0] = [[0.5, 0.7], [0.8, 0.8]]
    told = {"units": "1", "long_name": "a test's"}
    names = ("kendall", "spearman", "ndcg", "seconds")
    dims = ("outcome", "features", "trainings", "draw")
    made = xr.Dataset(
        {name: (dims, values / (1 + place), told) for place, name in enumerate(names)},
        coords={
            "outcome": np.array([TEST], dtype=object),
            "features": np.array(["GRAF", "proxies"], dtype=object),
            "trainings": [8, 64],
            "draw": [0, 1],
        },
        attrs={"space": "nasbench201", "dataset": dataset, "subset": "reachable", "kind": kind},
    )
    made["rows"] = ("outcome", np.array([90]), told)
    write_dataset(made, path, "learned")
    return path


def test_what_a_forest_gets_is_the_mean_over_its_draws(tmp_path):
    others = learned_file(tmp_path / "l.h5", kind="latency")
    learners = Learners([others, learned_file(tmp_path / "a.h5")])
    known = [(one.features, one.trainings) for one in learners.known("cifar10", "reachable")]
    assert known == [("GRAF", 8), ("proxies", 8)]
    assert list(learners.known("cifar100", "reachable")) == []
    graf = Learning(features="GRAF", trainings=8)
    column = Column(dataset="cifar10", statistic="spearman", outcome=TEST)
    found = learners.measure(graf, column, "reachable")
    assert found.measured.value == pytest.approx(0.3)
    assert found.measured.spread == pytest.approx(np.std([0.25, 0.35], ddof=1))
    assert found.measured.error == pytest.approx(found.measured.spread / np.sqrt(2))
    assert (found.seeds, found.measured.n) == (2, 82)
    costs = column.model_copy(update={"statistic": "milliseconds"})
    missing = [
        ("no forest that learned cifar10/test/200 from GRAF on cifar10", graf, column, ""),
        ("are GRAF, proxies", Learning(features="GRAF and proxies", trainings=8), column, None),
        ("after 7 trainings", Learning(features="GRAF", trainings=7), column, None),
        ("too few others", Learning(features="GRAF", trainings=64), column, None),
        ("milliseconds of a forest is not", graf, costs, None),
    ]
    for words, learning, wanted, subset in missing:
        with pytest.raises(AbsentError, match=words):
            learners.measure(learning, wanted, "reachable" if subset is None else subset)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> dict[str, pd.DataFrame]:
    """The tables of a small run: two seeds, two data sets, one of them with stand-ins."""
    tmp_path = tmp_path_factory.mktemp("made")
    files = []
    for dataset in ("cifar10", "imagenet16-120"):
        stand_in = {"stand_in": 1, "image_source": "stand-ins"} if "image" in dataset else {}
        for seed in (1, 2):
            scores = {name: noisy(seed) for name in ("zen", "snip", "grad_norm", "az_trainability")}
            scores |= {"az_expressivity": noisy(7), "az_progressivity": noisy(8)}
            scores["flops"] = np.round(ACCURACY)
            path = tmp_path / f"{dataset}-s{seed}.h5"
            files.append(scores_file(path, scores, seed, dataset=dataset, **stand_in))
    part = tmp_path / "part.h5"
    files.append(scores_file(part, {"flops": ACCURACY[:90]}, 1, subset="reachable"))
    benchmark = benchmark_file(tmp_path / "b.h5")
    learned = learned_file(tmp_path / "l.h5")
    inputs = {
        "scores": files,
        "benchmark": benchmark,
        "learned": learned,
        "published_field": PRINTED,
    }
    names = ("field_vkdnw", "field_aznas", "field_zerocost", "field_methods")
    tables = {name: tabulate(name, tmp_path, **inputs) for name in names}
    before = [tmp_path / f"{name}.csv" for name in names[:3]]
    tables["field_scoreboard"] = tabulate(
        "field_scoreboard", tmp_path, published_field=PRINTED, tables=before
    )
    tables["folder"] = tmp_path
    return tables


def test_each_cell_has_a_verdict_and_what_sees_no_image_has_one_on_stand_ins(made):
    cells = made["field_vkdnw"].set_index(["row", "column"])
    assert set(cells["verdict"]) <= {"reproduced", "not reproduced", "not comparable", "missing"}
    zen = cells.loc[("Zen", "ImageNet16-120 τ")]
    assert (zen["verdict"], zen["n"]) == ("not reproduced", 90)
    assert zen["input"] == "own gaussian input, own normal weights"
    snip = cells.loc[("SNIP", "ImageNet16-120 τ")]
    assert snip["verdict"] == "not comparable"
    assert snip["reason"].startswith("stand-in images: stand-ins")
    assert cells.loc[("Jacov", "CIFAR-10 τ"), "reason"].startswith("not run: no scores of jacob")
    assert cells.loc[("FLOPs", "CIFAR-100 τ"), "verdict"] == "missing"
    graf = cells.loc[("GRAF", "CIFAR-10 τ")]
    assert graf["signal"] == "a forest on GRAF after 1,024 trainings"
    assert graf["reason"].endswith("from GRAF after 1024 trainings")
    assert "no forest that" in cells.loc[("GRAF", "CIFAR-100 τ"), "reason"]
    assert "which no run stores" in cells.loc[("VKDNW_m", "CIFAR-10 τ"), "reason"]


def test_two_printed_numbers_of_one_quantity_stand_beside_ours(made):
    cells = made["field_aznas"].set_index(["table", "row", "column"])
    paper = cells.loc[("aznas_table1", "AZ-NAS", "ImageNet16-120 τ")]
    notebook = cells.loc[("aznas_notebook", "az_nas", "ImageNet16-120 τ")]
    assert (paper["published"], paper["elsewhere"]) == (0.71, "0.694 in aznas_notebook")
    assert (notebook["published"], notebook["elsewhere"]) == (0.694, "0.710 in aznas_table1")
    assert paper["measured"] == notebook["measured"]
    assert cells.loc[("aznas_table1", "Zen", "CIFAR-10 ms"), "verdict"] == "not comparable"


def test_the_scoreboard_counts_every_cell_once(made):
    board = made["field_scoreboard"].set_index("table")
    counts = board[["reproduced", "not_reproduced", "not_comparable", "not_run"]].sum(axis=1)
    assert counts["vkdnw_table1"] == 165
    assert board.loc["zerocost_nasbench101", "not_run"] == 6
    assert (board["swaps_passed"] <= board["swaps"]).all()


def test_the_readable_version_has_a_line_for_a_row_and_a_data_set(made):
    text = (made["folder"] / "field_vkdnw.md").read_text()
    (line,) = [line for line in text.splitlines() if "| FLOPs | CIFAR-10 " in line]
    assert "0.623" in line
    assert "τ printed" in text
    assert "nDCG@1000 verdict" in text


def test_methods_have_rows_of_the_space_and_of_its_part(made):
    rows = made["field_methods"]
    assert set(rows["cells"]) == {"all", "without unreachable operations"}
    assert {"az_nas", "zen"} <= set(rows["proxy"])
    forest = rows[rows["proxy"] == "a forest on proxies after 8 trainings"].iloc[0]
    assert (forest["kendall"], forest["seeds"], forest["n"]) == (0.8, 2, 82)
    assert forest["cells"] == "without unreachable operations"
    flops = rows[(rows["proxy"] == "flops") & (rows["cells"] == "all")].iloc[0]
    assert flops["kendall"] == pytest.approx(
        kendalltau(np.round(ACCURACY), ACCURACY).statistic, abs=1e-5
    )


@pytest.fixture(scope="module")
def cells_of_the_mirror(shared_data) -> pd.DataFrame:
    """Accuracies, FLOPs and the number of convolutions of the published cells."""
    folder = shared_data / "nasbench201"
    table = pd.read_csv(folder / "nb201_tss.csv.gz", index_col="index")
    table["convolutions"] = table["arch_str"].str.count("conv")
    table["listed"] = table.index.isin(
        pd.read_csv(folder / "suite_zero_cifar10.csv.gz", usecols=["index"])["index"]
    )
    return table


def test_the_reachable_cells_are_those_of_suite_zero(cells_of_the_mirror):
    from trainfree.spaces import load_space
    from trainfree.spaces.nasbench201.subsets import members

    space = load_space("nasbench201")
    found = {space.to_string(index) for index in members(space, "reachable")}
    listed = cells_of_the_mirror["arch_str"][cells_of_the_mirror["listed"]]
    assert found == set(listed)
    assert len(found) == 9_445


@pytest.mark.parametrize(
    ("dataset", "short", "title"),
    [
        ("cifar10", "c10", "CIFAR-10"),
        ("cifar100", "c100", "CIFAR-100"),
        ("imagenet16-120", "in16", "ImageNet16-120"),
    ],
)
def test_flops_and_the_tensors_agree_with_print_within_half_a_hundredth(
    cells_of_the_mirror, tmp_path, dataset, short, title
):
    """A cell's convolutions order it as its trainable tensors do: each has as many."""
    cells = cells_of_the_mirror[cells_of_the_mirror["listed"]]
    accuracy = cells[f"{short}_test_200"].to_numpy()
    scores = {"flops": cells[f"flops_{short}_M"], "trainable_tensors": cells["convolutions"]}
    file = scores_file(tmp_path / "s.h5", scores, 1, dataset=dataset)
    (path,) = [path for path in PRINTED if path.stem == "vkdnw"]
    (table,) = read_printed(path)
    seen = 0
    for printed in table.cells:
        statistic = printed.column.statistic
        if printed.row.signal in scores and printed.cell.column.startswith(f"{title} "):
            found = measure(
                FieldScores([file]),
                printed.row,
                printed.column,
                population(accuracy),
                AnalysisSettings(),
            )
            limit = 0.02 if statistic == "ndcg" else 0.005
            assert abs(found.measured.value - printed.cell.value) < limit, printed
            seen += 1
    assert seen == 6
