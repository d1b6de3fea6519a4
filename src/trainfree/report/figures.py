"""The figures: scores against accuracy, and what searches find against what they cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, FixedFormatter, FixedLocator, FuncFormatter, NullLocator
from numpy.typing import NDArray
from scipy import ndimage, stats

from trainfree.analysis.correlations import exclusion_reasons
from trainfree.analysis.inputs import (
    Floats,
    accuracy_of,
    floats,
    outcome_title,
    read_benchmark,
    read_scores,
    score_settings,
    status_names,
    targets,
    texts,
    value_counts,
)
from trainfree.analysis.rank_statistics import PairedRanks, Statistics
from trainfree.analysis.search_table import ACCURACY, read_search
from trainfree.analysis.tables import count_of, number
from trainfree.errors import DataFileError, UnknownNameError
from trainfree.report.style import (
    DASHES,
    DENSITY,
    INK,
    MUTED,
    SERIES,
    Dash,
    figure_style,
    new_figure,
    rule_lines,
    write_figure,
)

WIDTH = 5.6
CURVE_POINTS = 60
ACCURACY_TICKS = (0, 10, 30, 50, 60, 70, 75, 80, 85, 88, 90, 91, 92, 93, 94, 95, 96, 97, 98, 99)
GOLDEN = (np.sqrt(5) - 1) / 2


@dataclass(frozen=True)
class _Curve:
    """Mean accuracy of the answers of one search after each of ``steps`` evaluations."""

    algorithm: str
    signal: str
    steps: NDArray[np.int64]
    seconds: Floats
    mean: Floats
    half: Floats


def plot_score_accuracy(scores: Path, benchmark: Path, proxy: str, output_stem: Path) -> None:
    """Draw a proxy's score of every architecture against its trained accuracy.

    Parameters
    ----------
    scores, benchmark
        A merged scores file, and the benchmark of its space.
    proxy
        A proxy of the scores file.
    output_stem
        Path without suffix; .svg and .png are written.

    Raises
    ------
    UnknownNameError
        When the scores file has no such proxy.
    DataFileError
        When a file is missing or damaged, or no architecture has both score and accuracy.
    """
    scored, trained = read_scores(scores), read_benchmark(benchmark)
    if proxy not in texts(scored["proxy"]):
        raise UnknownNameError(f"proxy in {scores}", proxy, texts(scored["proxy"]))
    target = targets(trained, score_settings(scored, scores)["dataset"], benchmark)[0]
    accuracy = accuracy_of(target, scored, scores, benchmark)
    score = floats(scored["score"].sel(proxy=proxy))
    reasons = exclusion_reasons(score, status_names(scored, proxy), accuracy)
    kept = np.asarray(reasons["all"] == "")
    if not np.isfinite(score[kept]).any():
        raise DataFileError(
            f"{scores}: no architecture has a finite {proxy} score and an accuracy in {benchmark}; "
            "there is nothing to draw"
        )
    score, accuracy, left_out = score[kept], accuracy[kept], reasons["all"][~kept]
    with figure_style():
        figure = _scatter(score, accuracy, proxy, outcome_title(target.name))
        title = f"{proxy} score against accuracy: {outcome_title(target.name)}"
        caption = _scatter_caption(scored, trained, score, left_out)
        write_figure(figure, output_stem, title, caption)


def plot_search(searches: Sequence[Path], output_stem: Path) -> None:
    """Draw the accuracy of the best architecture so far against evaluations and seconds.

    Parameters
    ----------
    searches
        Search files of one space and data set.
    output_stem
        Path without suffix; .svg and .png are written.

    Raises
    ------
    DataFileError
        When a file is missing or damaged, the files are of several data sets, or none is given.
    """
    files = [read_search(path) for path in searches]
    kinds = {
        tuple(str(f.attrs[k]) for k in ("space", "dataset", "headline_outcome")) for f in files
    }
    if len(kinds) != 1:
        raise DataFileError(
            f"{output_stem}: expected search files of one space, data set and outcome, found "
            f"{'; '.join(', '.join(kind) for kind in sorted(kinds)) or 'none'}; draw them apart"
        )
    outcome = outcome_title(kinds.pop()[2])
    curves = sorted((_curve(search) for search in files), key=lambda c: (c.algorithm, c.signal))
    runs = sorted({int(search.sizes["run"]) for search in files})
    with figure_style():
        figure = _search_panels(curves, outcome)
        title = f"Accuracy of the answer against the cost of the search: {outcome}"
        write_figure(figure, output_stem, title, _search_caption(files, runs))


def _scatter(score: Floats, accuracy: Floats, proxy: str, outcome: str) -> Figure:
    finite = np.isfinite(score)
    figure = new_figure(WIDTH, 3.9)
    ratios = [0.06, 1.0] if not finite.all() else [1.0]
    panels = figure.subplots(1, len(ratios), sharey=True, width_ratios=ratios, squeeze=False)[0]
    axes = panels[-1]
    height = _error_height(accuracy)
    _draw_density(axes, score[finite], accuracy[finite], height[finite])
    axes.set_xlabel(f"{proxy} score")
    if np.abs(score[finite]).max() >= 1e5:
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    panels[0].set_ylabel(_accuracy_title(outcome))
    _accuracy_axis(panels[0], accuracy)
    if not finite.all():
        _draw_infinite(panels[0], accuracy[~finite])
        axes.spines["left"].set_visible(False)
        axes.tick_params(left=False, labelleft=False)
    rule_lines(axes)
    _write_statistics(axes, score, accuracy)
    return figure


def _draw_density(axes: Axes, score: Floats, accuracy: Floats, height: Floats) -> None:
    """Draw every architecture as a point, the crowded ones last and in another colour."""
    counts, x_edges, y_edges = np.histogram2d(score, height, bins=90)
    smooth = ndimage.gaussian_filter(counts, 1.2)
    column = np.clip(np.digitize(score, x_edges) - 1, 0, 89)
    row = np.clip(np.digitize(height, y_edges) - 1, 0, 89)
    density = np.sqrt(smooth[column, row])
    order = np.argsort(density, kind="stable")
    size = 3.2 if len(score) > 3000 else 9.0
    axes.scatter(
        score[order],
        accuracy[order],
        c=density[order],
        cmap=DENSITY,
        s=size,
        linewidths=0,
        rasterized=True,
    )


def _draw_infinite(axes: Axes, accuracy: Floats) -> None:
    """Draw the architectures of score -inf as a strip of points beside the others."""
    spread = (np.arange(len(accuracy)) * GOLDEN) % 1.0
    axes.scatter(spread, accuracy, s=6, color=SERIES[1], linewidths=0, alpha=0.6, rasterized=True)
    axes.set_xlim(-0.4, 1.4)
    axes.set_xticks([0.5], [f"−∞\n({number(len(accuracy), 0)})"])
    axes.tick_params(bottom=False)


def _write_statistics(axes: Axes, score: Floats, accuracy: Floats) -> None:
    finite = np.isfinite(score)
    lines = [_statistics_line(PairedRanks(score[finite], accuracy[finite]), int(finite.sum()), "")]
    if not finite.all():
        both = PairedRanks(score, accuracy)
        lines.append(_statistics_line(both, len(score), ", −∞ lowest"))
    axes.set_title("\n".join(lines), loc="left", fontsize=8.5)


def _statistics_line(pairs: PairedRanks, n: int, note: str) -> str:
    found: Statistics = pairs.statistics()
    return (
        f"τ = {number(found.kendall, 3)}  ρ = {number(found.spearman, 3)}  "
        f"(n = {number(n, 0)}{note})"
    )


def _scatter_caption(
    scored: xr.Dataset, trained: xr.Dataset, score: Floats, left_out: NDArray[np.object_]
) -> str:
    infinite = int((~np.isfinite(score)).sum())
    settings = scored.attrs
    excluded = value_counts(left_out.astype(np.str_))
    sentences = [
        f"Each point is one of {number(len(score), 0)} architectures of {settings['space']}; "
        "colour shows how crowded the place is.",
        "The accuracy axis is linear in the logarithm of the error.",
        f"{number(infinite, 0)} architectures with score −∞ are the strip on the left."
        if infinite
        else "",
        f"Left out: {excluded}." if excluded else "",
        f"τ is Kendall's τ-b, ρ Spearman's. Setting {settings['setting']}, "
        f"seed {settings.get('seed', '?')}.",
        f"Images: {_sentence(settings.get('image_source'), settings.get('stand_in'))}",
        f"Accuracies: {_sentence(trained.attrs.get('source_note'), trained.attrs.get('stand_in'))}",
    ]
    return " ".join(sentence for sentence in sentences if sentence)


def _sentence(note: object, stand_in: object) -> str:
    text = str(note or "source not recorded").rstrip(".")
    return f"stand-in: {text}." if stand_in and "stand-in" not in text else f"{text}."


def _error_height(accuracy: Floats) -> Floats:
    """Return where an accuracy in percent stands on the axis: minus the log of the error."""
    height: Floats = -np.log10(np.clip(100.0 - np.asarray(accuracy, dtype=float), 0.01, None))
    return height


def _accuracy_axis(axes: Axes, accuracy: Floats) -> None:
    """Scale the axis by the logarithm of the error, with ticks at round accuracies."""
    axes.set_yscale("function", functions=(_error_height, lambda h: 100.0 - 10.0 ** (-h)))
    low, high = float(np.nanmin(accuracy)), float(np.nanmax(accuracy))
    bottom, top = _error_height(np.array([low, high]))
    margin = max(0.04 * (top - bottom), 0.005)
    axes.set_ylim(100.0 - 10.0 ** -(bottom - margin), 100.0 - 10.0 ** -(top + margin))
    ticks: list[float] = []
    for tick in reversed([t for t in ACCURACY_TICKS if low - 0.5 <= t <= high + 0.1]):
        height = float(_error_height(np.array([tick]))[0])
        above = float(_error_height(np.array(ticks[-1:]))[0]) if ticks else np.inf
        if above - height >= 0.06 * (top - bottom):
            ticks.append(tick)
    if len(ticks) < 2:
        ticks = [round(low, 2), round(high, 2)]
    axes.yaxis.set_major_locator(FixedLocator(ticks))
    axes.yaxis.set_major_formatter(FixedFormatter([f"{tick:g}" for tick in ticks]))
    axes.yaxis.set_minor_locator(NullLocator())


def _accuracy_title(outcome: str) -> str:
    name, comma, epochs = outcome.partition(",")
    return f"{name} accuracy (%){comma}{epochs}"


def _curve(search: xr.Dataset) -> _Curve:
    """Return the mean over runs of the accuracy of the best architecture so far, by fitness."""
    fitness = floats(search["trace_fitness"].transpose("run", "step"))
    accuracy = floats(search["trace_accuracy"].transpose("run", "step"))
    runs, length = fitness.shape
    steps = np.unique(np.geomspace(1, length, CURVE_POINTS).round().astype(np.int64))
    rank = _ranks_with_failed_lowest(fitness)
    if "trace_rung" in search:  # answers come from the highest rung so far
        rung = search["trace_rung"].transpose("run", "step").to_numpy().astype(np.int64)
        rank += rung * (rank.max() + 1)
    best = np.maximum.accumulate(rank, axis=1)
    is_new = np.concatenate([np.ones((runs, 1), bool), best[:, 1:] > best[:, :-1]], axis=1)
    place = np.maximum.accumulate(np.where(is_new, np.arange(length), 0), axis=1)
    answered = np.take_along_axis(accuracy, place[:, steps - 1], axis=1)
    known = (~np.isnan(answered)).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.nansum(answered, axis=0) / known
        spread = np.sqrt(np.nansum((answered - mean) ** 2, axis=0) / (known - 1))
        half = stats.t.ppf(0.975, known - 1) * spread / np.sqrt(known)
    clock = floats(search["scoring_seconds"].transpose("run", "step"))[:, steps - 1]
    counted = np.maximum((~np.isnan(clock)).sum(axis=0), 1)
    seconds = np.nansum(clock, axis=0) / counted
    attributes = search.attrs
    return _Curve(attributes["algorithm"], attributes["signal"], steps, seconds, mean, half)


def _ranks_with_failed_lowest(fitness: Floats) -> NDArray[np.int64]:
    """Return integers in the order of the fitness; NaN (failed) is below -inf."""
    known = ~np.isnan(fitness)
    ranks = np.zeros(fitness.shape, dtype=np.int64)
    ranks[known] = 1 + np.unique(fitness[known], return_inverse=True)[1].reshape(-1)
    return ranks


def _search_panels(curves: Sequence[_Curve], outcome: str) -> Figure:
    timed = [c for c in curves if c.signal != ACCURACY and c.seconds[-1] > 0]
    figure = new_figure(WIDTH, 6.4 if timed else 3.9)
    panels = figure.subplots(2 if timed else 1, 1, sharey=True, squeeze=False)[:, 0]
    signals = sorted({c.signal for c in curves}, key=lambda name: (name == ACCURACY, name))
    algorithms = sorted({c.algorithm for c in curves}, key=lambda name: (name != "random", name))
    colours = {name: SERIES[i % len(SERIES)] for i, name in enumerate(signals)}
    dashes = {name: DASHES[i % len(DASHES)] for i, name in enumerate(algorithms)}
    for curve in curves:
        _draw_curve(panels[0], curve.steps.astype(float), curve, colours, dashes)
    for curve in timed:
        _draw_curve(panels[1], curve.seconds, curve, colours, dashes)
    _accuracy_axis(panels[0], np.concatenate([c.mean for c in curves]))
    for axes in panels:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
        axes.set_ylabel(_accuracy_title(outcome))
        rule_lines(axes)
    panels[0].set_xlabel("architectures evaluated (N)")
    if timed:
        panels[1].set_xlabel("seconds of scoring (measured; nothing is trained)")
    _draw_legend(figure, colours, dashes)
    return figure


def _draw_curve(
    axes: Axes,
    x: Floats,
    curve: _Curve,
    colours: Mapping[str, str],
    dashes: Mapping[str, Dash],
) -> None:
    colour = colours[curve.signal]
    axes.plot(x, curve.mean, color=colour, linestyle=dashes[curve.algorithm])
    if np.isfinite(curve.half).all():
        low, high = curve.mean - curve.half, curve.mean + curve.half
        axes.fill_between(x, low, np.minimum(high, 99.99), color=colour, alpha=0.13, linewidth=0)


def _draw_legend(
    figure: Figure,
    colours: Mapping[str, str],
    dashes: Mapping[str, Dash],
) -> None:
    """Explain colours (what guides) and dashes (which algorithm) above the panels."""
    guides = [
        Line2D([], [], color=colour, linewidth=4, label=_signal_title(name))
        for name, colour in colours.items()
    ]
    styles = [
        Line2D([], [], color=INK, linestyle=dash, label=name) for name, dash in dashes.items()
    ]
    blank = Line2D([], [], color="none", label="")
    rows = max(len(guides), len(styles))
    handles = guides + [blank] * (rows - len(guides)) + styles + [blank] * (rows - len(styles))
    legend = figure.legend(
        handles=handles,
        loc="outside upper left",
        ncols=2,
        handlelength=2.8,
        alignment="left",
        title="colour: guided by; dashes: algorithm",
        title_fontsize=8,
    )
    legend.get_title().set_color(MUTED)


def _signal_title(signal: str) -> str:
    return "trained accuracy" if signal == ACCURACY else signal


def _search_caption(files: Sequence[xr.Dataset], runs: Sequence[int]) -> str:
    counts = " or ".join(number(count, 0) for count in runs)
    seeds = ", ".join(sorted({str(search.attrs.get("seed", "?")) for search in files}))
    noted = {str(f.attrs.get("signal_note", "")) for f in files if f.attrs["signal"] == ACCURACY}
    sentences = [
        "Mean accuracy of the architecture with the best fitness so far, with its 95 % interval, "
        f"over {counts} runs of each search.",
        "The accuracy axis is linear in the logarithm of the error.",
        "Seconds are measured scoring time of the guiding proxy; searches guided by "
        "trained accuracy have no place on that clock."
        if any(f.attrs["signal"] == ACCURACY for f in files)
        else "Seconds are measured scoring time of the guiding proxy.",
        *sorted(noted),
        f"{count_of(len(files), 'search file')}, root seed {seeds}.",
    ]
    return " ".join(sentences)
