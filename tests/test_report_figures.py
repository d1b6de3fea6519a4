"""Figures: deterministic files that carry their captions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from analysis_fixtures import tabulate, write_benchmark, write_scores, write_search, write_study
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from trainfree.analysis.registry import read_rows
from trainfree.analysis.settings import AnalysisSettings
from trainfree.errors import DataFileError, UnknownNameError
from trainfree.files.storage import read_dataset
from trainfree.report.figures.score_panels import plot_score_panels
from trainfree.report.figures.score_tau import _rows, plot_tau
from trainfree.report.figures.scores import plot_score_accuracy
from trainfree.report.figures.searches.best_so_far import best_so_far, plot_best_so_far
from trainfree.report.figures.searches.search import (
    BOTH,
    MEASURED,
    SIMULATED,
    answers_of,
    plot_search,
)
from trainfree.report.figures.searches.search_lines import read_searches, spread_apart
from trainfree.report.page.svg import inline_svg, read_svg, svg_texts


def draw(folder: Path) -> Path:
    study, figures = write_study(folder), folder / "figures"
    plot_score_accuracy(
        study["scores"][0], study["benchmark"], {"naswot": figures / "score-naswot"}
    )
    searches = read_searches(study["searches"])
    plot_search(searches, figures / "search")
    plot_best_so_far(searches, AnalysisSettings(), figures / "best")
    return figures


def test_equal_inputs_give_equal_bytes(tmp_path: Path) -> None:
    first, second = (draw(tmp_path / name) for name in ("a", "b"))
    names = sorted(path.name for path in first.iterdir())
    assert names == sorted(
        f"{name}.{suffix}"
        for name in ("best", "score-naswot", "search")
        for suffix in ("json", "png", "svg")
    )
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
        assert "8 runs of each search; 5 search files" in image.info["Description"]


def test_strange_names_and_all_sorts_of_values_are_drawn(tmp_path: Path) -> None:
    count = 6
    benchmark = write_benchmark(
        tmp_path / "b.h5", {("cifar10", "test", 200, "mean"): [100.0, 0.0, 50.0, 50.0, 99.0, 10.0]}
    )
    name = "$\\frac{<script>"
    scores = write_scores(tmp_path / "s.h5", {name: [1e9] * count, "one": [-np.inf] * 5 + [3.0]})
    plot_score_accuracy(scores, benchmark, {name: tmp_path / "a"})
    plot_score_accuracy(scores, benchmark, {"one": tmp_path / "b"})
    assert (tmp_path / "b.png").is_file()


def test_nothing_to_draw_and_unknown_proxy(tmp_path: Path) -> None:
    benchmark = write_benchmark(tmp_path / "b.h5", {("cifar10", "test", 200, "mean"): [1.0, 2.0]})
    scores = write_scores(tmp_path / "s.h5", {"naswot": [-np.inf, -np.inf]})
    with pytest.raises(DataFileError, match="no architecture has a finite naswot score"):
        plot_score_accuracy(scores, benchmark, {"naswot": tmp_path / "a"})
    with pytest.raises(UnknownNameError, match="did you mean 'naswot'"):
        plot_score_accuracy(scores, benchmark, {"naswto": tmp_path / "a"})
    assert not (tmp_path / "a.svg").exists()


def test_search_files_of_several_data_sets_are_refused(tmp_path: Path) -> None:
    values = np.array([[1.0, 2.0]])
    one = write_search(tmp_path / "a.h5", values, values, (2,))
    two = write_search(tmp_path / "b.h5", values, values, (2,), dataset="cifar100")
    with pytest.raises(DataFileError, match="of one space, data set and outcome"):
        read_searches([one, two])
    with pytest.raises(DataFileError, match="found none"):
        read_searches([])


def test_curve_follows_the_best_by_fitness_and_the_first_among_equals(tmp_path: Path) -> None:
    fitness = np.array([[np.nan, -np.inf, 1.0, 1.0, 0.5, 2.0]])
    accuracy = np.array([[10.0, 20.0, 30.0, 40.0, 50.0, 60.0]])
    path = write_search(tmp_path / "s.h5", fitness, accuracy, (6,))
    by_step, by_second = best_so_far(read_dataset(path, "search"), AnalysisSettings())
    assert by_step.x.tolist() == [1, 2, 3, 4, 5, 6]
    assert by_step.mean.tolist() == [10.0, 20.0, 30.0, 30.0, 30.0, 60.0]
    assert by_second is not None  # 0.02 s a step
    assert by_second.x[[0, -1]].tolist() == pytest.approx([0.02, 0.12])
    at = np.minimum((by_second.x + 1e-9) // 0.02, 6).astype(int)
    assert by_second.mean.tolist() == [by_step.mean[step - 1] for step in at]


def test_band_is_the_bootstrap_of_runs(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    accuracy = rng.normal(90, 2, (400, 1))
    path = write_search(tmp_path / "s.h5", accuracy, accuracy, (1,))
    curve, _ = best_so_far(read_dataset(path, "search"), AnalysisSettings(bootstrap_resamples=2000))
    half = 1.96 * accuracy.std(ddof=1) / 20
    assert curve.mean[0] == pytest.approx(accuracy.mean())
    assert curve.mean[0] - curve.low[0] == pytest.approx(half, rel=0.08)
    assert curve.high[0] - curve.mean[0] == pytest.approx(half, rel=0.08)


def test_answers_keep_the_two_clocks_apart(tmp_path: Path) -> None:
    values = np.array([[1.0, 3.0], [2.0, 5.0]])
    scored = answers_of(
        read_dataset(write_search(tmp_path / "a.h5", values, values, (1, 2)), "search")
    )
    assert scored.clock == MEASURED
    assert scored.seconds.tolist() == pytest.approx([0.02, 0.04])
    assert scored.mean.tolist() == [1.5, 4.0]
    assert scored.std.tolist() == pytest.approx([np.sqrt(0.5), np.sqrt(2.0)])
    trained = read_dataset(tmp_path / "a.h5", "search")
    trained["answer_training_seconds"] = trained["answer_training_seconds"] + 100.0
    assert answers_of(trained).clock == BOTH
    assert answers_of(trained).seconds.tolist() == pytest.approx([100.02, 100.04])
    trained["answer_scoring_seconds"] = 0.0 * trained["answer_scoring_seconds"]
    assert answers_of(trained).clock == SIMULATED


@given(st.lists(st.floats(0, 1), min_size=1, max_size=15), st.floats(0.01, 0.06))
def test_names_keep_their_order_and_distance(wanted: list[float], gap: float) -> None:
    found = np.array(spread_apart(wanted, gap))
    order = np.argsort(wanted, kind="stable")
    assert (np.diff(found[order]) >= gap - 1e-9).all()
    assert found.max() <= 1 + 1e-9
    assert found.min() >= -1e-9
    if len(wanted) == 1:
        assert found[0] == wanted[0]


def test_score_panels_show_the_papers_sample(tmp_path: Path) -> None:
    study = write_study(tmp_path)
    settings = AnalysisSettings(tau_draws=3)
    plot_score_panels(
        study["scores"], study["benchmark"], ["naswot", "synflow"], settings, tmp_path / "f"
    )
    _, caption = svg_texts(read_svg(tmp_path / "f.svg"))
    assert "above 15 % accuracy" in caption
    assert "over 3 such draws with seed 0" in caption
    assert "Mini-batches of 32" in caption
    with pytest.raises(UnknownNameError, match="did you mean 'naswot'"):
        plot_score_panels(study["scores"], study["benchmark"], ["naswto"], settings, tmp_path / "g")


def test_score_panels_show_the_accuracy_that_the_paper_reads_beside_its_tau(
    tmp_path: Path, repository: Path
) -> None:
    """Of CIFAR-10 the paper's code reads the networks that were trained on half of the images."""
    half, whole = np.linspace(20, 90, 30), np.linspace(90, 20, 30)
    benchmark = write_benchmark(
        tmp_path / "b.h5",
        {("cifar10-valid", "test", 200, "mean"): half, ("cifar10", "test", 200, "mean"): whole},
        space="nasbench201",
        source="mirror",
    )
    paper = repository / "reports" / "published" / "naswot.yaml"
    settings, stem = AnalysisSettings(tau_draws=3), tmp_path / "f"
    for batch, note in ((128, ""), (32, "is of another setting: batch 128")):
        scores = write_scores(tmp_path / "s.h5", {"naswot": half}, batch_size=batch)
        plot_score_panels([scores], benchmark, ["naswot"], settings, stem, paper)
        text = stem.with_suffix(".svg").read_text()
        assert "τ = 1.000 ± 0.000, paper 0.574" in text
        _, caption = svg_texts(read_svg(stem.with_suffix(".svg")))
        assert "trained on half of the training images (cifar10-valid)" in caption
        assert ("another setting" in caption) == bool(note)
        assert note in caption
    plot_score_panels([scores], benchmark, ["naswot"], settings, stem)
    text = stem.with_suffix(".svg").read_text()
    assert "τ = −1.000 ± 0.000" in text
    assert "paper 0.574" not in text


def test_score_panels_need_every_scores_file(tmp_path: Path) -> None:
    study = write_study(tmp_path)
    with pytest.raises(DataFileError, match=r"none\.h5: expected readable scores .* cifar10;"):
        plot_score_panels(
            [*study["scores"], tmp_path / "none.h5"],
            study["benchmark"],
            ["naswot"],
            AnalysisSettings(),
            tmp_path / "f",
        )


def test_taus_are_those_of_the_table_and_sorted(tmp_path: Path) -> None:
    study = write_study(tmp_path)
    table = tabulate(
        "correlations", tmp_path, scores=study["scores"], benchmark=study["benchmark"], resamples=20
    )
    csv = tmp_path / "correlations.csv"
    rows = _rows(
        read_rows("correlations", csv), read_dataset(study["scores"][0], "scores").attrs, csv
    )
    assert sorted(rows["proxy"]) == ["naswot", "params", "synflow"]
    assert rows["kendall"].is_monotonic_increasing
    whole = table[(table["rows"] == "all") & (table["target"] == "cifar10/test/200")]
    assert rows.set_index("proxy")["kendall"].to_dict() == pytest.approx(
        whole.set_index("proxy")["kendall"].to_dict(), rel=1e-5
    )
    plot_tau(csv, study["scores"], study["benchmark"], tmp_path / "tau")
    assert "20 bootstrap resamples" in svg_texts(read_svg(tmp_path / "tau.svg"))[1]
    other = write_scores(tmp_path / "o.h5", {"naswot": [1.0]}, dataset="cifar100")
    with pytest.raises(DataFileError, match="has no row of nasbench201, cifar100"):
        plot_tau(csv, [other], study["benchmark"], tmp_path / "t")


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
