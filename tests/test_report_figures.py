"""Figures: deterministic files that carry their captions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from analysis_fixtures import write_benchmark, write_scores, write_search, write_study
from PIL import Image

from trainfree.errors import DataFileError, UnknownNameError
from trainfree.report.figures import _curve, plot_score_accuracy, plot_search
from trainfree.report.svg import inline_svg, read_svg, svg_texts
from trainfree.storage import read_dataset


def draw(folder: Path) -> Path:
    study, figures = write_study(folder), folder / "figures"
    plot_score_accuracy(study["scores"][0], study["benchmark"], "naswot", figures / "score-naswot")
    plot_search(study["searches"], figures / "search")
    return figures


def test_equal_inputs_give_equal_bytes(tmp_path: Path) -> None:
    first, second = (draw(tmp_path / name) for name in ("a", "b"))
    names = sorted(path.name for path in first.iterdir())
    assert names == ["score-naswot.png", "score-naswot.svg", "search.png", "search.svg"]
    for name in names:
        assert (first / name).read_bytes() == (second / name).read_bytes()
        assert (first / name).stat().st_size < 300_000


def test_captions_say_what_was_drawn(tmp_path: Path) -> None:
    figures = draw(tmp_path)
    title, caption = svg_texts(read_svg(figures / "score-naswot.svg"))
    assert "naswot" in title
    assert "60 architectures" in caption
    assert "5 architectures with score −∞" in caption
    assert "subset" in caption
    assert "seed 0" in caption
    with Image.open(figures / "search.png") as image:
        assert "over 8 runs" in image.info["Description"]


def test_strange_names_and_all_sorts_of_values_are_drawn(tmp_path: Path) -> None:
    count = 6
    benchmark = write_benchmark(
        tmp_path / "b.h5", {("cifar10", "test", 200, "mean"): [100.0, 0.0, 50.0, 50.0, 99.0, 10.0]}
    )
    name = "$\\frac{<script>"
    scores = write_scores(tmp_path / "s.h5", {name: [1e9] * count, "one": [-np.inf] * 5 + [3.0]})
    plot_score_accuracy(scores, benchmark, name, tmp_path / "a")
    plot_score_accuracy(scores, benchmark, "one", tmp_path / "b")
    assert (tmp_path / "b.png").is_file()


def test_nothing_to_draw_and_unknown_proxy(tmp_path: Path) -> None:
    benchmark = write_benchmark(tmp_path / "b.h5", {("cifar10", "test", 200, "mean"): [1.0, 2.0]})
    scores = write_scores(tmp_path / "s.h5", {"naswot": [-np.inf, -np.inf]})
    with pytest.raises(DataFileError, match="no architecture has a finite naswot score"):
        plot_score_accuracy(scores, benchmark, "naswot", tmp_path / "a")
    with pytest.raises(UnknownNameError, match="did you mean 'naswot'"):
        plot_score_accuracy(scores, benchmark, "naswto", tmp_path / "a")
    assert not (tmp_path / "a.svg").exists()


def test_search_files_of_several_data_sets_are_refused(tmp_path: Path) -> None:
    values = np.array([[1.0, 2.0]])
    one = write_search(tmp_path / "a.h5", values, values, (2,))
    two = write_search(tmp_path / "b.h5", values, values, (2,), dataset="cifar100")
    with pytest.raises(DataFileError, match="of one space, data set and outcome"):
        plot_search([one, two], tmp_path / "f")
    with pytest.raises(DataFileError, match="found none"):
        plot_search([], tmp_path / "f")


def test_curve_follows_the_best_by_fitness_and_the_first_among_equals(tmp_path: Path) -> None:
    fitness = np.array([[np.nan, -np.inf, 1.0, 1.0, 0.5, 2.0]])
    accuracy = np.array([[10.0, 20.0, 30.0, 40.0, 50.0, 60.0]])
    path = write_search(tmp_path / "s.h5", fitness, accuracy, (6,))
    curve = _curve(read_dataset(path, "search"))
    assert curve.steps.tolist() == [1, 2, 3, 4, 5, 6]
    assert curve.mean.tolist() == [10.0, 20.0, 30.0, 30.0, 30.0, 60.0]


HOSTILE = """<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">
<script>alert(1)</script><style>* {display: none}</style><!-- <script> -->
<g id="a" onload="alert(1)" clip-path="url(#clip)"><use xlink:href="#clip"/>
<image xlink:href="https://example.org/x.png"/><path style="fill: #20262e"/></g></svg>"""


def test_inlined_svg_is_harmless_themed_and_has_its_own_ids(tmp_path: Path) -> None:
    (tmp_path / "h.svg").write_text(HOSTILE)
    markup = inline_svg(read_svg(tmp_path / "h.svg"), "one-", 'a "label" <b>')
    assert "script" not in markup
    assert "onload" not in markup
    assert "http" not in markup
    assert "display: none" not in markup
    assert 'id="one-a"' in markup
    assert "url(#one-clip)" in markup
    assert 'href="#one-clip"' in markup
    assert "var(--ink)" in markup
    assert "&lt;b&gt;" in markup or "&lt;b>" in markup


def test_damaged_svg(tmp_path: Path) -> None:
    (tmp_path / "d.svg").write_text("<svg>")
    with pytest.raises(DataFileError, match="is not an SVG figure"):
        read_svg(tmp_path / "d.svg")
