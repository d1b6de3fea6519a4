"""How accuracy lies in a space: structure against brute force, estimates against naive ones."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pandas as pd
import pytest
from analysis_fixtures import tabulate
from hypothesis import given
from hypothesis import strategies as st
from nasbench101_fixtures import C1, C3, MP

from trainfree.analysis.spaces.landscape import COLUMNS
from trainfree.analysis.statistics.landscape_statistics import (
    autocorrelations,
    mean_interval,
    replacement_effects,
)
from trainfree.analysis.tables import names_of
from trainfree.benchmarks.landscape import prepare_landscape
from trainfree.benchmarks.nasbench101.prepared import prepare_nasbench101
from trainfree.benchmarks.prepare import prepare_benchmark
from trainfree.cli import main
from trainfree.errors import DataFileError
from trainfree.files.storage import read_dataset
from trainfree.spaces import load_space
from trainfree.spaces.nasbench101 import landscape as landscape101
from trainfree.spaces.nasbench101.space import GraphCellSpace
from trainfree.spaces.nasbench201 import landscape as landscape201
from trainfree.spaces.nasbench201.space import EDGES

LANDSCAPE = "landscape-nasbench201_mini"
GRAPHS = GraphCellSpace.published()
MINI, CELLS = load_space("nasbench201_mini"), load_space("nasbench201")
DEPTH, WIDTH = landscape101.depth_and_width(GRAPHS)


def naive_shape(edges, vertices):
    """Longest path and largest directed cut, from all paths and all divisions."""

    def longest(vertex):
        if vertex == vertices - 1:
            return 0
        return max((1 + longest(y) for x, y in edges if x == vertex), default=-99)

    cuts = []
    for sides in product((0, 1), repeat=vertices - 2):
        side = (0, *sides, 1)
        if not any(side[x] > side[y] for x, y in edges):
            cuts.append(sum(side[x] < side[y] for x, y in edges))
    return longest(0), max(cuts)


@given(st.integers(0, 423_623))
def test_depth_and_width_of_graph_cells(index):
    spec = GRAPHS.specification(index)
    edges = list(zip(*np.nonzero(spec.matrix), strict=True))
    assert (DEPTH[index], WIDTH[index]) == naive_shape(edges, len(spec.ops))


def test_depth_and_width_of_edge_cells():
    depth, width = landscape201.depth_and_width(MINI)
    for index in range(len(MINI)):
        names = MINI.operation_names(index)
        edges = {(x, y) for (y, x), name in zip(EDGES, names, strict=True) if name != "none"}
        for _ in range(4):  # take off what is on no path
            fed = {0} | {y for _, y in edges}
            used = {3} | {x for x, _ in edges}
            edges = {(x, y) for x, y in edges if x in fed and y in used}
        expected = naive_shape(edges, 4) if edges else (0, 0)
        assert (depth[index], width[index]) == expected


def test_replaced_operations_of_graph_cells():
    pairs = landscape101.replacements(GRAPHS)
    assert pairs.kinds == ((C3, C1), (C3, MP), (C1, MP))
    per_cell = np.bincount(pairs.before[pairs.kind == 0], minlength=len(GRAPHS))
    for row in np.random.default_rng(0).integers(len(pairs.kind), size=100).tolist():
        old, new = pairs.kinds[pairs.kind[row]]
        before = GRAPHS.specification(int(pairs.before[row]))
        after = GRAPHS.specification(int(pairs.after[row]))
        assert after.ops.count(new) == before.ops.count(new) + 1
        assert after.ops.count(old) == before.ops.count(old) - 1
        assert int(pairs.after[row]) in GRAPHS.neighbours(int(pairs.before[row]))
        assert per_cell[pairs.before[row]] == before.ops.count(C3)


def test_replaced_operations_of_edge_cells():
    pairs = landscape201.replacements(CELLS)
    assert len(pairs.kinds) == 10
    assert pairs.kinds[0] == ("nor_conv_3x3", "nor_conv_1x1")
    assert len(pairs.kind) == 10 * 6 * 5**5
    digits = np.array(list(CELLS))
    before, after = digits[pairs.before], digits[pairs.after]
    assert ((before != after).sum(axis=1) == 1).all()
    old, new = (
        np.array([CELLS.operations.index(kind[k]) for kind in pairs.kinds])[pairs.kind]
        for k in (0, 1)
    )
    rows, edge = np.nonzero(before != after)
    assert (before[rows, edge] == old).all()
    assert (after[rows, edge] == new).all()


def test_walks_through_graph_cells_go_one_change_at_a_time():
    rng = np.random.default_rng(0)
    walks = landscape101.random_walks(GRAPHS, 40, 60, rng)
    distance = walks.distance.astype(int)
    assert (distance[:, 0] == 0).all()
    # An operation replaced twice stays one change away.
    assert set(np.unique(np.diff(distance, axis=1))) == {-1, 0, 1}
    assert (distance[:, 1] == 1).all()
    moved = 0
    for walk in walks.arch.tolist():
        for here, there in pairwise(walk[:21]):
            if here != there and there in GRAPHS.neighbours(here):
                moved += 1
    assert moved > 100
    again = landscape101.random_walks(GRAPHS, 40, 60, np.random.default_rng(0))
    assert (again.arch == walks.arch).all()


def test_walks_through_edge_cells_replace_one_operation():
    walks = landscape201.random_walks(CELLS, 30, 50, np.random.default_rng(0))
    digits = np.array(list(CELLS))
    for step in range(1, 50):
        here, there = digits[walks.arch[:, step - 1]], digits[walks.arch[:, step]]
        assert ((here != there).sum(axis=1) == 1).all()
        start = digits[walks.arch[:, 0]]
        assert ((there != start).sum(axis=1) == walks.distance[:, step]).all()


def test_distances_between_edge_cells():
    target = 4321
    distance = landscape201.distances_to(CELLS, target)
    assert np.flatnonzero(distance == 1).tolist() == sorted(CELLS.neighbours(target))
    assert distance[target] == 0


def test_autocorrelation_is_the_naive_correlation():
    along = np.cumsum(np.random.default_rng(0).normal(size=(7, 40)), axis=1)
    found = autocorrelations(along, [1, 5], 100, np.random.default_rng(1))
    for lag, (estimate, low, high) in zip((1, 5), found, strict=True):
        naive = np.corrcoef(along[:, :-lag].ravel(), along[:, lag:].ravel())[0, 1]
        assert estimate == pytest.approx(naive, abs=1e-12)
        assert low < estimate < high


def test_autocorrelation_of_noise_is_within_its_interval_of_zero():
    noise = np.random.default_rng(2).normal(size=(400, 60))
    lags = list(range(1, 21))
    found = autocorrelations(noise, lags, 300, np.random.default_rng(3))
    held = sum(low <= 0 <= high for _, low, high in found)
    assert 16 <= held <= 20


def test_effects_of_replacements_are_the_naive_means():
    rng = np.random.default_rng(0)
    column = rng.normal(90, 2, size=30)
    column[[3, 17]] = np.nan
    before, after = rng.integers(30, size=(2, 200))
    kind = rng.integers(2, size=200)
    for relative in (False, True):
        found = replacement_effects(column, before, after, kind, 2, relative, 200, rng)
        for which in range(2):
            changes = [
                (column[a] - column[b]) * (100 / column[b] if relative else 1)
                for b, a, k in zip(before, after, kind, strict=True)
                if k == which and not np.isnan(column[[a, b]]).any()
            ]
            pairs, mean, low, high = found[which]
            assert pairs == len(changes)
            assert mean == pytest.approx(np.mean(changes))
            assert low < mean < high


def test_interval_of_a_mean():
    values = np.random.default_rng(0).normal(3, 2, size=400)
    mean, low, high = mean_interval(values)
    assert mean == pytest.approx(values.mean())
    assert (high - low) / 2 == pytest.approx(1.96 * 2 / 20, rel=0.1)
    assert np.isnan(mean_interval(values[:0])).all()
    assert np.isnan(mean_interval(values[:1])[1:]).all()


@pytest.fixture(scope="module")
def mini(tmp_path_factory):
    folder = tmp_path_factory.mktemp("landscape")
    prepare_benchmark(
        "nasbench201_mini",
        folder / "benchmark.h5",
        order=["generated"],
        cache=folder,
        mirror=None,
        nats_archive=None,
        timeout=1,
    )
    prepare_landscape(folder / "benchmark.h5", folder / "landscape.h5", walks=50, steps=30, seed=0)
    return folder


def rows_of(frame, analysis):
    return frame[frame["analysis"] == analysis].set_index("item")


def test_table_of_generated_accuracies(mini, repository):
    frame = tabulate(
        LANDSCAPE,
        mini,
        benchmark=mini / "benchmark.h5",
        landscape=mini / "landscape.h5",
        published_landscape=repository / "reports/published/landscape/nasbench101.yaml",
    )
    assert list(frame.columns) == names_of(COLUMNS)
    assert set(frame["space"]) == {"nasbench201_mini"}
    walk = rows_of(frame, "random-walk autocorrelation")
    # Accuracy follows the sum over six edges, of which one changes a step.
    assert 0.6 < walk.loc["lag 1", "estimate"].iloc[0] < 0.95
    distances = rows_of(frame, "fitness-distance")
    assert (distances.loc["Spearman correlation", "estimate"] < -0.3).all()
    replaced = rows_of(frame, "operation replaced")
    points = replaced[replaced["quantity"].str.endswith("points")]
    assert (points.loc["nor_conv_1x1 by none", "estimate"] < 0).all()
    assert frame["published"].isna().all()
    for suffix in ("csv", "md", "tex"):
        assert (mini / f"{LANDSCAPE}.{suffix}").stat().st_size > 1000


def test_table_does_not_depend_on_the_run(mini, tmp_path):
    for name in ("one", "two"):
        code = main(
            [
                *("tabulate", LANDSCAPE, "--benchmark", str(mini / "benchmark.h5")),
                *("--landscape", str(mini / "landscape.h5")),
                *("--settings", '{"bootstrap_resamples": 20, "seed": 1}'),
                *("--published-landscape", str(write_published(tmp_path))),
                *("--folder", str(tmp_path / name)),
            ]
        )
        assert code == 0
    assert (tmp_path / "one" / f"{LANDSCAPE}.csv").read_bytes() == (
        tmp_path / "two" / f"{LANDSCAPE}.csv"
    ).read_bytes()


def write_published(folder, value=-100.0, **changes):
    entry = {
        "space": "nasbench201_mini",
        "analysis": "operation replaced",
        "item": "nor_conv_1x1 by none",
        "quantity": "training time, %",
        "sample_starts": "pairs",
        "value": value,
        "note": "made up",
    } | changes
    path = folder / "published.yaml"
    path.write_text("- " + str(entry).replace("None", "null"))
    return path


def test_published_numbers_stand_beside_ours_with_a_verdict(mini, tmp_path):
    arguments = {"benchmark": mini / "benchmark.h5", "landscape": mini / "landscape.h5"}
    published = write_published(tmp_path)
    frame = tabulate(LANDSCAPE, tmp_path, resamples=20, **arguments, published_landscape=published)
    found = frame[frame["published"].notna()]
    assert len(found) == 1
    assert found["note"].item() == "published value outside the interval; made up"
    text = pd.read_csv(tmp_path / f"{LANDSCAPE}.csv")
    assert text["published"].notna().sum() == 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("- {a: 1}", "entry 1: expected the keys"),
        ("{", "not valid YAML"),
        (None, "no such file"),
    ],
)
def test_malformed_published_numbers_are_refused(mini, tmp_path, content, words):
    path = tmp_path / "published.yaml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(DataFileError, match=words):
        tabulate(
            LANDSCAPE,
            tmp_path,
            resamples=20,
            benchmark=mini / "benchmark.h5",
            landscape=mini / "landscape.h5",
            published_landscape=path,
        )


def test_published_values_are_numbers(mini, tmp_path):
    path = write_published(tmp_path, value="much")
    with pytest.raises(DataFileError, match="expected a number"):
        tabulate(
            LANDSCAPE,
            tmp_path,
            resamples=20,
            benchmark=mini / "benchmark.h5",
            landscape=mini / "landscape.h5",
            published_landscape=path,
        )


@pytest.mark.shared_data
def test_files_of_two_spaces_are_refused(mini, shared_data, tmp_path):
    prepare_benchmark(
        "nasbench201",
        tmp_path / "b.h5",
        order=["mirror"],
        cache=tmp_path,
        mirror=str(shared_data),
        nats_archive=None,
        timeout=1,
    )
    with pytest.raises(DataFileError, match="is of 'nasbench201_mini'"):
        tabulate(LANDSCAPE, tmp_path, benchmark=tmp_path / "b.h5", landscape=mini / "landscape.h5")


@pytest.mark.slow
@pytest.mark.shared_data
def test_analyses_of_the_published_paper(shared_data, tmp_path, repository):
    source = shared_data / "nasbench101" / "nb101_108ep.npz"
    benchmark, landscape = tmp_path / "benchmark.h5", tmp_path / "landscape.h5"
    prepare_nasbench101(source, benchmark)
    prepare_landscape(benchmark, landscape, walks=500, steps=200, seed=0)
    published = repository / "reports" / "published" / "landscape" / "nasbench101.yaml"
    frame = tabulate(
        "landscape-nasbench101",
        tmp_path,
        resamples=60,
        benchmark=benchmark,
        landscape=landscape,
        published_landscape=published,
    )
    assert frame["published"].notna().sum() == 12
    replaced = rows_of(frame, "operation replaced")
    seconds = replaced[replaced["quantity"] == "training time, %"]
    for kind, expected in ((f"{C3} by {C1}", -14.11), (f"{C3} by {MP}", -9.84)):
        assert seconds.loc[kind, "low"] < expected < seconds.loc[kind, "high"]
    test = replaced[replaced["quantity"] == "cifar10/test/108 accuracy, points"]
    assert test["estimate"].to_numpy() == pytest.approx([-1.16, -1.99, -0.81], abs=0.03)
    walk = rows_of(frame, "random-walk autocorrelation")
    assert walk.loc["lag 1", "estimate"] > 0.7
    assert walk.loc["lag 36", "estimate"] < 0.05
    depth = rows_of(frame, "depth")
    by_depth = depth[depth["quantity"].str.contains("test")]["estimate"]
    assert by_depth.idxmax() == "3"
    benchmark_rows = read_dataset(landscape, "landscape").sizes["arch"]
    assert benchmark_rows == 423_624
    slowest = rows_of(frame, "width")
    slowest = slowest[slowest["quantity"] == "mean training time, s"]["estimate"]
    assert slowest.idxmax() == "1"
