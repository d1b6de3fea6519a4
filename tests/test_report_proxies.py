"""Figures of proxies: deterministic, captioned, readable."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from analysis_fixtures import tabulate, write_benchmark, write_scores
from PIL import Image

from trainfree.cli import main
from trainfree.errors import DataFileError
from trainfree.files.storage import read_dataset, write_dataset
from trainfree.report.figures.proxies import clustered, plot_pairs, plot_stability
from trainfree.report.page.svg import read_svg, svg_texts
from trainfree.report.style.labels import label_points
from trainfree.report.style.look import figure_style, new_figure

COUNT = 30
NAMES = ("proxy_pairs", "proxy_outcomes", "proxy_cost", "proxy_bias", "proxy_top")


def write_tables(folder: Path, **attributes: str | int) -> Path:
    rng = np.random.default_rng(4)
    accuracy = rng.normal(size=COUNT).cumsum() + 60
    score = {
        "params": np.arange(COUNT, dtype=float),
        "naswot": np.where(np.arange(COUNT) == 3, -np.inf, accuracy + rng.normal(size=COUNT)),
        "contrary": -accuracy + rng.normal(size=COUNT),
        "constant": np.ones(COUNT),
        "$x_1$ <b>": rng.normal(size=COUNT),
    }
    scores = write_scores(folder / "s.h5", score, **attributes)
    truth = {("cifar10", "test", 200, "mean"): accuracy}
    benchmark = write_benchmark(folder / "b.h5", truth, source_note="made for a test", stand_in=1)
    for name in ("proxies", "proxy_pairs", "proxy_outcomes", "top"):
        tabulate(name, folder, scores=scores, benchmark=benchmark)
    return folder


def draw(folder: Path) -> dict[str, tuple[bytes, bytes]]:
    options = ["--scores", "s.h5", "--benchmark", "b.h5", "--proxies", "proxies.csv"]
    options += ["--pairs", "proxy_pairs.csv", "--outcomes", "proxy_outcomes.csv", "--folder", "f"]
    options += ["--top", "top.csv"]
    paths = [str(folder / word) if "." in word or word == "f" else word for word in options]
    assert main(["plot-proxies", *paths, "--suffix", "x-y"]) == 0
    stems = {name: folder / "f" / f"{name}-x-y" for name in NAMES}
    return {
        name: tuple(stem.with_suffix(kind).read_bytes() for kind in (".svg", ".png"))
        for name, stem in stems.items()
    }


def test_equal_tables_give_equal_bytes_and_captions_say_what_was_drawn(tmp_path):
    folder = write_tables(tmp_path)
    assert draw(folder) == draw(folder)
    captions = {name: svg_texts(read_svg(folder / "f" / f"{name}-x-y.svg"))[1] for name in NAMES}
    for name, caption in captions.items():
        assert f"{COUNT} architectures" in caption, name
        assert "root seed 0" in caption
        assert "Images: CIFAR-10, a subset" in caption
        if name != "proxy_pairs":
            assert "Accuracies: stand-in: made for a test" in caption
    assert "constant" in captions["proxy_pairs"]
    assert "Without a correlation or a cost: constant" in captions["proxy_cost"]
    with Image.open(folder / "f" / "proxy_bias-x-y.png") as image:
        assert image.info["Description"] == captions["proxy_bias"]


def test_alike_proxies_stand_side_by_side():
    names = list("abcdef")
    group = np.array([0, 1, 0, 1, 0, 1])
    rho = np.where(group[:, None] == group, 0.9, -0.2)
    np.fill_diagonal(rho, 1.0)
    ordered = [group[names.index(name)] for name in clustered(pd.DataFrame(rho, names, names))]
    assert ordered in ([0, 0, 0, 1, 1, 1], [1, 1, 1, 0, 0, 0])


def test_tables_of_other_scores_and_too_few_proxies_are_refused(tmp_path):
    folder = write_tables(tmp_path)
    other = write_scores(tmp_path / "o.h5", {"params": [1.0, 2.0]}, setting="another")
    with pytest.raises(DataFileError, match=r"pairs\.csv: has no row of nasbench201, cifar10"):
        plot_pairs(other, folder / "proxy_pairs.csv", tmp_path / "a")
    scores = write_scores(tmp_path / "c.h5", {"constant": np.ones(COUNT)})
    tabulate("proxy_pairs", folder / "one", scores=scores)
    with pytest.raises(DataFileError, match="at least 2 proxies"):
        plot_pairs(scores, folder / "one" / "proxy_pairs.csv", tmp_path / "a")
    assert not list(tmp_path.glob("a.*"))


def test_stability_is_drawn_for_every_proxy(tmp_path):
    rng = np.random.default_rng(0)
    one = read_dataset(
        write_scores(tmp_path / "s.h5", {"a": np.ones(9), "b": np.ones(9)}), "scores"
    )
    seeds = [(0, 0), (1, 0), (0, 1), (1, 1)]
    parts = []
    for _ in seeds:
        values = np.arange(9.0)[:, None] + rng.normal(size=(9, 2)) * [0.1, 9.0]
        parts.append(one.assign(score=one["score"].copy(data=values)))
    data = xr.concat(parts, "draw").assign_coords(
        image_seed=("draw", [a for a, _ in seeds]), weight_seed=("draw", [b for _, b in seeds])
    )
    write_dataset(data, tmp_path / "d.h5", "draws")
    rows = tabulate("proxy_stability", tmp_path, draws=tmp_path / "d.h5").set_index(
        ["proxy", "arm"]
    )
    assert (rows.loc["a", "spread_ratio"] < rows.loc["b", "spread_ratio"]).all()
    plot_stability(tmp_path / "d.h5", tmp_path / "proxy_stability.csv", tmp_path / "f")
    caption = svg_texts(read_svg(tmp_path / "f.svg"))[1]
    assert "9 architectures under 2 draws" in caption


def test_names_cover_neither_each_other_nor_points_and_stay_inside():
    rng = np.random.default_rng(6)
    x, y = 10 ** rng.uniform(-3, 0, 30), rng.uniform(-0.5, 0.9, 30)
    with figure_style():
        figure = new_figure(6.6, 4.9)
        axes = figure.subplots()
        axes.set_xscale("log")
        axes.set_xlim(x.min() / 2, x.max() * 3)
        axes.set_ylim(-0.6, 1.0)
        boxes = label_points(axes, x, y, [f"proxy_{place}" for place in range(30)])
        scale = 72 / figure.dpi
        inside = axes.get_window_extent().extents * scale
        points = axes.transData.transform(np.column_stack([x, y])) * scale
    assert sum(one.overlap(other) > 0 for one, other in combinations(boxes, 2)) == 0
    for left, bottom, right, top in boxes:
        assert inside[0] <= left < right <= inside[2]
        assert inside[1] <= bottom < top <= inside[3]
        covered = (
            (left < points[:, 0])
            & (points[:, 0] < right)
            & (bottom < points[:, 1])
            & (points[:, 1] < top)
        )
        assert not covered.any()
