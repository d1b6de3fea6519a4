"""What forests learn from a few trainings: against scikit-learn called plainly, and on the page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from analysis_fixtures import tabulate, write_scores
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau, spearmanr
from sklearn.ensemble import RandomForestRegressor
from sklearn.metrics import ndcg_score

from trainfree.analysis.settings import BOTH, FEATURE_SETS, GRAF, PROXIES, LearnedSettings
from trainfree.analysis.statistics.forests import LARGEST, as_features, drawn, learned, predictions
from trainfree.analysis.studies.learned import over_draws
from trainfree.analysis.studies.learning import learn_outcomes
from trainfree.benchmarks.hardware import prepare_hardware
from trainfree.benchmarks.prepare import prepare_benchmark
from trainfree.cli import main
from trainfree.errors import ConfigError, DataFileError
from trainfree.files.storage import read_dataset, write_dataset
from trainfree.randomness import stream
from trainfree.report.figures.learned import plot_learned
from trainfree.report.page.svg import read_svg, svg_texts
from trainfree.report.style.side_labels import apart
from trainfree.spaces import load_space
from trainfree.spaces.graf.features import graf_features
from trainfree.spaces.graf.storing import store_features

SPACE = load_space("nasbench201_mini")
FEW = LearnedSettings(kind="accuracy", seed=3, draws=3, trainings=(8, 24, 720), trees=5)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """Scores of two proxies, accuracies, hardware and features of a small space."""
    folder = tmp_path_factory.mktemp("learned")
    common = {"order": ["generated"], "cache": folder, "mirror": None, "timeout": 1.0}
    prepare_benchmark(SPACE.name, folder / "b.h5", nats_archive=None, **common)
    prepare_hardware(SPACE.name, folder / "hw.h5", **common)
    rng = np.random.default_rng(0)
    scores = {name: rng.normal(size=len(SPACE)) for name in ("one", "two", "none")}
    scores["one"][:4] = -np.inf
    scores["none"][:] = -np.inf
    scored(folder / "s.h5", SPACE, range(len(SPACE)), scores)
    store_features(folder / "s.h5", folder / "f.h5")
    learn(folder, FEW, folder / "l.h5")
    return folder


def scored(path: Path, space, indices, scores, dataset: str = "generated") -> None:
    """Write scores of architectures of a real space."""
    write_scores(path, scores, space=space.name, dataset=dataset)
    names = np.array([space.to_string(index) for index in indices], dtype=object)
    found = read_dataset(path, "scores")
    found = found.assign_coords(arch=np.array(indices), architecture=("arch", names))
    write_dataset(found, path, "scores")


def learn(folder: Path, settings: LearnedSettings, output: Path, **files: Path):
    given = {"scores": folder / "s.h5", "benchmark": folder / "b.h5", "features": folder / "f.h5"}
    return learn_outcomes(settings, **given | files, output=output, hardware=folder / "hw.h5")


# The learner


def test_a_forest_is_scikit_learns_and_is_judged_on_what_it_has_not_seen():
    rng = np.random.default_rng(1)
    features, truth = rng.normal(size=(60, 4)), 50 + rng.normal(size=60)
    truth += 2 * features[:, 1]
    trained, others = drawn(60, 20, seed=5, draw=2)
    own = int(stream(5, "learned/forest", 2).integers(2**31))
    plain = RandomForestRegressor(7, random_state=own).fit(features[trained], truth[trained])
    expected = plain.predict(features[others])
    found = predictions(features, truth, trained, others, trees=7, seed=own)
    assert found.tolist() == expected.tolist()
    hidden = truth.copy()
    hidden[others] = np.nan
    assert predictions(features, hidden, trained, others, trees=7, seed=own).tolist() == (
        expected.tolist()
    )
    measured = learned(features, truth, 20, trees=7, seed=5, draw=2)
    assert measured.kendall == pytest.approx(kendalltau(expected, truth[others])[0])
    assert measured.spearman == pytest.approx(spearmanr(expected, truth[others])[0])
    assert measured.kendall > 0.2
    gain = 2.0 ** truth[others] - 1
    assert measured.ndcg == pytest.approx(ndcg_score([gain], [expected], k=1000))
    assert np.isnan(learned(features, truth, 20, trees=7, seed=5, draw=2, percent=False).ndcg)
    again = learned(features, truth, 20, trees=7, seed=5, draw=2)
    assert again[:2] == measured[:2]
    assert learned(features, truth, 20, trees=7, seed=5, draw=3)[:2] != measured[:2]


@given(st.integers(3, 200), st.integers(0, 10), st.integers(0, 10), st.data())
def test_no_architecture_is_both_learned_from_and_judged(count, seed, draw, data):
    few, more = sorted(data.draw(st.tuples(*[st.integers(1, count - 1)] * 2)))
    trained, others = drawn(count, more, seed, draw)
    assert sorted([*trained, *others]) == list(range(count))
    assert len(trained) == more
    assert trained[:few].tolist() == drawn(count, few, seed, draw)[0].tolist()


def test_draws_are_others_each_time_and_need_somebody_to_judge():
    draws = {tuple(drawn(100, 10, 0, draw)[0].tolist()) for draw in range(50)}
    assert len(draws) == 50
    assert len({place for draw in draws for place in draw}) > 90
    for trainings in (0, 100):
        with pytest.raises(ValueError, match="fewer than 100"):
            drawn(100, trainings, 0, 0)


def test_scores_that_are_no_numbers_become_the_worst_finite_ones():
    scores = pd.DataFrame(
        {
            "a": [2.0, -np.inf, np.nan, 1.0, np.inf],
            "b": [-np.inf, np.nan, -np.inf, np.nan, np.nan],
            "c": [1e300, -1e300, 0, 0, 0],
        }
    )
    found = as_features(scores)
    assert list(found) == ["a", "c"]
    assert found["a"].tolist() == [2, 1, 1, 1, 2]
    assert found["c"].tolist() == [LARGEST, -LARGEST, 0, 0, 0]
    assert np.isfinite(found.to_numpy(np.float32)).all()


def test_mean_deviation_and_interval_over_draws():
    values = np.arange(1.0, 42.0)
    mean, deviation, low, high = over_draws(values)
    # A fortieth of the draws is beyond each end.
    assert (mean, low, high) == pytest.approx((21, 2, 40))
    assert deviation == pytest.approx(np.sqrt(((values - 21) ** 2).sum() / 40))
    assert over_draws(np.array([np.nan, 1.0, 3.0]))[:2] == (2, pytest.approx(np.sqrt(2)))
    assert np.isnan(over_draws(np.array([np.nan, 1.0, 3.0]))[2:]).all()
    assert np.isnan(over_draws(np.full(4, np.nan))).all()


# Files and the table


def test_the_table_says_what_plain_scikit_learn_would(made, tmp_path):
    table = tabulate("learned", tmp_path, learned=made / "l.h5")
    forests = table[table["trainings"] > 0].set_index(["features", "trainings"])
    assert list(forests.index) == [(name, n) for name in FEATURE_SETS for n in (8, 24, 720)]
    graf = graf_features(SPACE, range(len(SPACE))).to_numpy()
    scores = read_dataset(made / "s.h5", "scores")["score"].to_numpy()[:, :2].copy()
    scores[:4, 0] = scores[4:, 0].min()
    accuracy = read_dataset(made / "b.h5", "benchmark")["accuracy"]
    outcome = table["outcome"].iloc[0].split("/")
    place = {"dataset": outcome[0], "split": outcome[1], "epochs": int(outcome[2])}
    truth = accuracy.sel(**place).mean("seed").to_numpy()
    for name, x in ((GRAF, graf), (PROXIES, scores), (BOTH, np.hstack([graf, scores]))):
        each = [learned(x, truth, 24, trees=5, seed=3, draw=draw) for draw in range(3)]
        row = forests.loc[name, 24]
        assert row["width"] == x.shape[1]
        assert row["n"] == len(SPACE) - 24
        for measure in ("kendall", "spearman"):
            values = [getattr(one, measure) for one in each]
            assert row[measure] == pytest.approx(np.mean(values))
            assert row[f"{measure}_sd"] == pytest.approx(np.std(values, ddof=1))
            assert row[f"{measure}_low"] == pytest.approx(np.quantile(values, 0.025))
        few = forests.loc[name, 720]
        assert np.isnan(few["kendall"])
        assert few["note"] == "not made: 729 architectures are too few to judge by after 720"
    alone = table[table["trainings"] == 0].set_index("features")
    assert list(alone.index) == ["one", "two"]
    assert alone["kendall"]["one"] == pytest.approx(kendalltau(scores[:, 0], truth)[0])
    shown = (tmp_path / "learned.md").read_text()
    strongest = str(alone["kendall"].abs().idxmax())
    assert f"| {strongest} | 1 | 0 | 0 | 729 |" in shown
    assert {name for name in ("one", "two") if f"| {name} | 1 | 0" in shown} == {strongest}
    assert "worst finite one (one)" in shown
    assert "Without a finite score, and left out: none." in shown


def test_what_is_known_on_hardware_is_learned_where_it_is_known(made, tmp_path):
    kinds = ("energy", "latency", "deployed_accuracy")
    files = [tmp_path / f"{kind}.h5" for kind in kinds]
    for kind, path in zip(kinds, files, strict=True):
        learn(made, replace(FEW, kind=kind, draws=2, trainings=(24,)), path)
    table = tabulate("learned", tmp_path, learned=files)
    forests = table[table["features"] == GRAF].set_index("kind")
    assert list(forests.index) == list(kinds)
    known = np.isfinite(read_dataset(made / "hw.h5", "hardware")["energy"]).sum()
    assert forests["n"].to_dict() == {
        "energy": int(known) - 24,
        "latency": len(SPACE) - 24,
        "deployed_accuracy": len(SPACE) - 24,
    }
    assert forests.loc["latency", "outcome"] == "made-up device"
    scores = tmp_path / "s.h5"
    write_dataset(read_dataset(made / "s.h5", "scores").assign_attrs(dataset="x"), scores, "scores")
    nothing = learn(made, replace(FEW, kind="energy"), tmp_path / "n.h5", scores=scores)
    assert nothing.sizes["outcome"] == 0
    assert tabulate("learned", tmp_path, learned=tmp_path / "n.h5").empty


def test_a_part_of_the_space_is_looked_at_alone(made, tmp_path):
    part = "connected cells"
    learn(made, replace(FEW, subset=part, draws=2, trainings=(8,)), tmp_path / "l.h5")
    table = tabulate("learned", tmp_path, learned=tmp_path / "l.h5")
    connected = sum(SPACE.is_connected(index) for index in range(len(SPACE)))
    assert 8 < connected < len(SPACE)
    assert list(read_dataset(made / "f.h5", "features")["subset"].to_numpy()) == [
        *("connected cells", "reachable", "convolutions")
    ]
    assert set(table.loc[table["trainings"] == 8, "n"]) == {connected - 8}
    assert set(table["subset"]) == {part}
    with pytest.raises(DataFileError, match=r"no part 'best' \(learned.subset\).*connected"):
        learn(made, replace(FEW, subset="best"), tmp_path / "l.h5")


@pytest.mark.parametrize("name", ["nats_sss", "transnas101_micro"])
def test_a_space_without_graf_is_named_and_learned_from_proxies_alone(name, made, tmp_path):
    space, rng = load_space(name), np.random.default_rng(0)
    indices = sorted({space.sample(rng) for _ in range(40)})
    values = rng.normal(size=len(indices))
    scored(tmp_path / "s.h5", space, indices, {"one": values}, "cifar10")
    told = store_features(tmp_path / "s.h5", tmp_path / "f.h5")
    assert told.sizes["name"] == 0
    reason = f"no GRAF features for {name}: they are defined for nasbench201"
    assert str(told.attrs["missing"]).startswith(reason)
    with pytest.raises(ConfigError, match=reason):
        graf_features(space, indices)
    benchmark = read_dataset(made / "b.h5", "benchmark").isel(arch=slice(len(indices)))
    names = np.array([space.to_string(index) for index in indices], dtype=object)
    write_dataset(
        benchmark.assign_coords(architecture=("arch", names)), tmp_path / "b.h5", "benchmark"
    )
    settings = LearnedSettings(kind="accuracy", draws=2, trainings=(8,), trees=5)
    files = {path: tmp_path / f"{path[0]}.h5" for path in ("scores", "benchmark", "features")}
    learn(made, settings, tmp_path / "l.h5", **files)
    table = tabulate("learned", tmp_path, learned=tmp_path / "l.h5")
    assert list(table["features"]) == [PROXIES, "one"]
    assert reason in (tmp_path / "learned.md").read_text().replace("\\", "")
    scored(tmp_path / "s.h5", space, indices, {"one": np.full(len(indices), -np.inf)}, "cifar10")
    store_features(tmp_path / "s.h5", tmp_path / "f.h5")
    with pytest.raises(DataFileError, match=f"nothing to learn from.*{reason}"):
        learn(made, settings, tmp_path / "l.h5", **files)


def test_features_of_other_architectures_are_refused(made, tmp_path):
    fewer = read_dataset(made / "f.h5", "features").isel(arch=slice(10))
    write_dataset(fewer, tmp_path / "f.h5", "features")
    with pytest.raises(DataFileError, match=r"f\.h5: its architectures are not those of .*s\.h5"):
        learn(made, FEW, tmp_path / "l.h5", features=tmp_path / "f.h5")


@pytest.mark.shared_data
def test_forests_rank_real_cells_as_measured_elsewhere(shared_data, tmp_path):
    """Outside, GRAF reached .767 on average after 128 trainings, a draw ± .02."""
    folder = shared_data / "nasbench201"
    index = pd.read_csv(folder / "suite_zero_cifar10.csv.gz", usecols=["index"])["index"]
    known = pd.read_csv(folder / "nb201_tss.csv.gz", usecols=["index", "arch_str", "c10_test_200"])
    known = known.set_index("index").loc[index]
    space = load_space("nasbench201")
    features = graf_features(space, [space.parse(name) for name in known["arch_str"]]).to_numpy()
    truth = known["c10_test_200"].to_numpy()
    found = [learned(features, truth, 128, trees=100, seed=0, draw=draw) for draw in range(2)]
    assert features.shape == (9445, 191)
    assert np.mean([one.kendall for one in found]) == pytest.approx(0.767, abs=0.04)


# The figure and the commands


def test_the_figure_has_curves_and_a_named_line_for_each_proxy(made, tmp_path):
    tabulate("learned", tmp_path, learned=made / "l.h5")
    table = tmp_path / "learned.csv"
    plot_learned(table, made / "s.h5", made / "b.h5", tmp_path / "figure")
    title, caption = svg_texts(read_svg(tmp_path / "figure.svg"))
    assert title.startswith("Accuracy of ranking against number of trainings")
    assert "mean of 3 draws" in caption
    assert "Not made, for want of architectures: 720 trainings." in caption
    assert "artificial accuracies" in caption
    rows = pd.read_csv(table)
    rows[rows["trainings"] == 0].to_csv(table, index=False)
    with pytest.raises(DataFileError, match=r"no forest that learned accuracy on generated"):
        plot_learned(table, made / "s.h5", made / "b.h5", tmp_path / "figure")


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=40).map(sorted), st.floats(0.01, 1.0))
def test_labels_stand_apart_in_their_order_and_none_moves_without_need(places, gap):
    found = apart(np.array(places), gap)
    assert (np.diff(found) >= gap * (1 - 1e-6)).all()
    assert np.mean(found) == pytest.approx(np.mean(places), abs=1e-6)
    if (np.diff(places) >= gap).all():
        assert found.tolist() == pytest.approx(places, abs=1e-9)


def test_the_commands_make_the_same_files(made, tmp_path):
    files = [*("--scores", str(made / "s.h5")), *("--benchmark", str(made / "b.h5"))]
    features, output = (str(tmp_path / name) for name in ("f.h5", "l.h5"))
    assert main(["store-features", *files[:2], "--output", features]) == 0
    assert Path(features).read_bytes() == (made / "f.h5").read_bytes()
    common = ["--features", features, "--settings", FEW.json, "--output", output]
    assert main(["learn", *files, *common]) == 0
    mine, theirs = (read_dataset(path, "learned") for path in (Path(output), made / "l.h5"))
    np.testing.assert_array_equal(mine["kendall"], theirs["kendall"])
    assert main(["tabulate", "learned", "--learned", output, "--folder", str(tmp_path)]) == 0
    stems = [str(tmp_path / name) for name in ("a", "b")]
    table = ["--table", str(tmp_path / "learned.csv")]
    for stem in stems:
        assert main(["plot-learned", *files, *table, "--stem", stem]) == 0
    one, other = (Path(f"{stem}.svg").read_bytes() for stem in stems)
    assert one == other
