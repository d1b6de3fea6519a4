"""The lines a reader wants first: what was scored, on what, how well it ranks, what it cost."""

from __future__ import annotations

import textwrap
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from trainfree.analysis.data_line import data_line
from trainfree.analysis.declaration import Inputs, Made, table
from trainfree.analysis.formats import (
    MISSING,
    count_of,
    number,
    plain,
    seconds,
    with_interval,
    with_spread,
)
from trainfree.analysis.inputs import (
    USABLE_STATUSES,
    outcome_title,
    read_benchmark,
    read_scores,
    score_settings,
    status_names,
    targets,
    texts,
    value_counts,
)
from trainfree.analysis.origins import files_behind
from trainfree.analysis.overview.scoreboard import ELSEWHERE
from trainfree.analysis.proxies.timing import PHASE, PROXY, TOTAL
from trainfree.analysis.searches.search import ORACLE, RANDOM_ARCHITECTURE
from trainfree.analysis.tables import text
from trainfree.trainings import ACCURACY, Outcome

if TYPE_CHECKING:
    import xarray as xr

HEADLINE_PROXIES = ("naswot", "synflow")
BASELINE = "params"
WIDTH = 100
MADE_FROM = ("correlations", "search", "timing", "scoreboard")


class Line(NamedTuple):
    """One line of the summary."""

    metric: str
    value: float | str
    unit: str
    note: str
    digits: int = 0


@table(
    title="Summary",
    columns=text("metric", "value", "unit", "note"),
    shown={"Metric": plain("metric"), "Value": plain("value"), "Note": plain("note")},
    reads=("scores", "benchmark"),
    after=MADE_FROM,
    section="summary",
    rank=2,
    plain_text=True,
    memory_mb=500,
)
def summary(inputs: Inputs) -> Made:
    """Return the lines of the summary.

    Raises
    ------
    DataFileError
        When a file is missing or damaged.
    """
    tables = [inputs.rows_of(name) for name in ("correlations", "search", "timing")]
    benchmark = inputs.file("benchmark")
    trained = read_benchmark(benchmark)
    lines: list[Line] = []
    files = []
    for path in inputs.scored:
        scored = read_scores(path)
        files.append(scored)
        settings = score_settings(scored, path)
        own = [_rows_of(each, settings) for each in tables]
        found = list(_lines(scored, trained, settings, benchmark, *own))
        prefix = f"{settings['dataset']}, {settings['setting']}: " if len(inputs.scored) > 1 else ""
        lines += [line._replace(metric=prefix + line.metric) for line in found]
    lines += _scoreboard_lines(inputs.rows_of("scoreboard"))
    made_from = data_line([*files, trained])
    behind = (files_behind(inputs.table(name)) for name in MADE_FROM)
    made_from = replace(made_from, files=(*made_from.files, *chain.from_iterable(behind)))
    rows = [line._asdict() for line in lines]
    shown = pd.DataFrame(
        {
            "Metric": [line.metric for line in lines],
            "Value": [_shown(line) for line in lines],
            "Note": [line.note for line in lines],
        }
    )
    return Made(rows, made_from, shown=shown, plain_text=summary_text(lines))


def summary_text(lines: Sequence[Line]) -> str:
    """Return the summary as aligned text of at most 100 columns."""
    shown = [(line.metric, _shown(line), line.note) for line in lines]
    first = max((len(metric) for metric, _, _ in shown), default=0)
    second = min(max((len(value) for _, value, _ in shown), default=0), 24)
    indent = " " * (first + second + 4)
    paragraphs = [
        textwrap.fill(
            note,
            width=max(WIDTH, len(indent) + 40),
            initial_indent=f"{metric:<{first}}  {value:<{second}}  ",
            subsequent_indent=indent,
            break_on_hyphens=False,
        )
        if note
        else f"{metric:<{first}}  {value}"
        for metric, value, note in shown
    ]
    return "\n".join(paragraphs) + "\n"


def _shown(line: Line) -> str:
    value = line.value if isinstance(line.value, str) else number(line.value, line.digits)
    return f"{value} {line.unit}".rstrip()


def _rows_of(table: pd.DataFrame, settings: dict[str, str]) -> pd.DataFrame:
    """Return a table's rows for one scores file; search rows are of all settings."""
    keep = pd.Series(True, index=table.index)
    for key in settings:
        if key in table:
            keep &= table[key].astype(str) == settings[key]
    return table[keep]


def _lines(
    scored: xr.Dataset,
    trained: xr.Dataset,
    settings: dict[str, str],
    benchmark: Path,
    correlations: pd.DataFrame,
    search: pd.DataFrame,
    timing: pd.DataFrame,
) -> Iterator[Line]:
    target = targets(trained, settings["dataset"], benchmark)[0]
    yield from _what_was_scored(scored, settings)
    yield _images(scored)
    known = int(target.accuracy.notna().sum())
    note = f"{outcome_title(target.name)}; {_source(trained)}"
    yield Line("trained accuracies", known, "", note)
    headline = correlations[correlations["target"] == target.name]
    yield from _correlation_lines(headline)
    yield from _search_lines(search[search["headline"] == "yes"])
    yield from _time_lines(scored, timing)
    config = str(scored.attrs.get("config_hash", MISSING))
    yield Line("config hash", config, "", "of the scores file")


def _what_was_scored(scored: xr.Dataset, settings: dict[str, str]) -> Iterator[Line]:
    proxies = texts(scored["proxy"])
    statuses = {proxy: status_names(scored, proxy) for proxy in proxies}
    yield Line(
        "architectures scored",
        scored.sizes["arch"],
        "",
        f"{settings['space']}, setting {settings['setting']}; {', '.join(proxies)}",
    )
    singular = {p: int((words == "singular").sum()) for p, words in statuses.items()}
    by_proxy = [f"{count} by {proxy}" for proxy, count in singular.items() if count]
    any_singular = np.any([words == "singular" for words in statuses.values()], axis=0)
    note = f"score −∞ by definition, not a failure ({', '.join(by_proxy)})" if by_proxy else ""
    yield Line("singular", int(np.sum(any_singular)), "", note)
    failures = {p: words[~np.isin(words, USABLE_STATUSES)] for p, words in statuses.items()}
    reasons = [f"{p}: {value_counts(words)}" for p, words in failures.items() if len(words)]
    failed = np.any([~np.isin(words, USABLE_STATUSES) for words in statuses.values()], axis=0)
    yield Line("failures", int(np.sum(failed)), "", "; ".join(reasons))


def _images(scored: xr.Dataset) -> Line:
    attributes = scored.attrs
    source = str(attributes.get("image_source", "source not recorded"))
    if int(attributes.get("stand_in", 0)) and "stand-in" not in source:
        source = f"stand-in, not the real images: {source}"
    use = f"one mini-batch of {attributes.get('batch_size', '?')}"
    if attributes.get("input") == "gaussian":
        use = f"not used: scored on a Gaussian mini-batch of {attributes.get('batch_size', '?')}"
    return Line("images", float(attributes.get("image_count", np.nan)), "", f"{source}; {use}")


def _source(trained: xr.Dataset) -> str:
    note = str(trained.attrs.get("source_note", "source not recorded"))
    if int(trained.attrs.get("stand_in", 0)) or trained.attrs.get("source") == "generated":
        return note if "stand-in" in note else f"stand-in, nothing was trained: {note}"
    return note


def _correlation_lines(table: pd.DataFrame) -> Iterator[Line]:
    records = {(row["proxy"], row["rows"]): row for row in table.to_dict("records")}
    strength = {
        str(proxy): abs(float(row["spearman"]))
        for (proxy, rows), row in records.items()
        if rows == "finite" and not np.isnan(row["spearman"])
    }
    wanted = (*HEADLINE_PROXIES, BASELINE)
    shown = [name for name in wanted if (name, "finite") in records]
    if strength and (best := max(strength, key=lambda name: strength[name])) not in shown:
        shown.append(best)
    for proxy in shown:
        role = ", the baseline" if proxy == BASELINE else ""
        yield _correlation_line(proxy + role, records[proxy, "finite"], records[proxy, "all"])


def _correlation_line(
    name: str, finite: Mapping[Hashable, Any], everything: Mapping[Hashable, Any]
) -> Line:
    value = float(finite["spearman"])
    if np.isnan(value):
        return Line(f"Spearman ρ of {name}", value, "", str(finite["note"]))
    interval = with_interval(value, finite["spearman_low"], finite["spearman_high"])
    parts = [
        f"95 % interval {interval.partition(' ')[2]}" if "[" in interval else "no interval",
        f"Kendall τ {number(finite['kendall'], 3)}",
        f"n = {number(finite['n'], 0)} finite scores",
    ]
    if int(everything["infinite"]):
        parts.append(
            f"with {number(everything['infinite'], 0)} at −∞ ranked lowest "
            f"ρ {number(everything['spearman'], 3)}, τ {number(everything['kendall'], 3)}"
        )
    return Line(f"Spearman ρ of {name}", value, "", "; ".join(parts), digits=3)


def _search_lines(search: pd.DataFrame) -> Iterator[Line]:
    """Yield the best training-free search, beside its controls."""
    control = search["row"].isin([RANDOM_ARCHITECTURE, ORACLE])
    candidates = search[~control & (search["signal"] != ACCURACY)]
    known = candidates[candidates["accuracy_mean"].notna()].to_dict("records")
    if not known:
        return
    best = max(known, key=lambda row: float(row["accuracy_mean"]))
    spread = f"standard deviation {number(best['accuracy_std'], 2)}"
    parts = [
        f"{outcome_title(str(best['outcome']))}; {best['search']}, N = {number(best['budget'], 0)}",
        f"{spread} over {number(best['runs'], 0)} runs",
    ]
    drawn = search[search["row"] == RANDOM_ARCHITECTURE]
    oracle = search[(search["row"] == ORACLE) & (search["budget"] == best["budget"])]
    for rows, title in ((drawn, "a random architecture"), (oracle, "best of N (oracle)")):
        if len(rows):
            first = rows.iloc[0]
            parts.append(f"{title} {with_spread(first['accuracy_mean'], first['accuracy_std'])}")
    value = float(best["accuracy_mean"])
    metric = Outcome.of_label(str(best["outcome"])).metric
    unit, digits = ("%", 2) if metric.units == "%" else ("", 4)
    yield Line("best search without training", value, unit, "; ".join(parts), digits=digits)


def _scoreboard_lines(scoreboard: pd.DataFrame) -> Iterator[Line]:
    """Yield how many published cells reproduce: in all, and by table where any were compared."""
    counts = scoreboard.set_index("table").astype(int)
    yield _score_line("published cells reproduced", counts.sum())
    compared = counts[counts["reproduced"] + counts["not_reproduced"] > 0]
    for name, row in compared.iterrows():
        yield _score_line(f"reproduced of {name}", row)


def _score_line(metric: str, counts: Mapping[Any, Any] | pd.Series) -> Line:
    note = (
        f"{number(counts['not_reproduced'], 0)} not reproduced, "
        f"{number(counts['not_comparable'], 0)} not comparable or without input"
    )
    if counts[ELSEWHERE]:
        note += (
            f"; {count_of(int(counts[ELSEWHERE]), 'verdict')} at another batch size or number of "
            "draws than the paper's"
        )
    if counts["swaps"]:
        note += (
            f"; of {number(counts['swaps'], 0)} numbers of other rows "
            f"{number(counts['swaps_passed'], 0)} would have passed"
        )
    if not counts["reproduced"] + counts["not_reproduced"]:
        note += (
            "; this run's settings, images or accuracies are not the papers', the reasons stand in "
            "published.csv, and config/paper.yaml makes the run that compares"
        )
    return Line(metric, float(counts["reproduced"]), "", note)


def _time_lines(scored: xr.Dataset, timing: pd.DataFrame) -> Iterator[Line]:
    total = timing[(timing["part"] == PHASE) & (timing["name"] == TOTAL)]
    if total.empty:
        return
    row: Any = total.iloc[0]
    alone = timing[(timing["part"] == PROXY) & timing["name"].isin(HEADLINE_PROXIES)]
    parts = [
        f"{name} alone {seconds(1000 * mean)} ms"
        for name, mean in zip(alone["name"], alone["mean"], strict=True)
    ]
    parts.append(f"all architectures {seconds(row['sum'])} s of scoring")
    parts.append(f"{row['device']}, {count_of(int(row['threads']), 'thread')}")
    mean = 1000 * float(row["mean"])
    yield Line("scoring time per architecture", mean, "ms", "; ".join(parts), digits=1)
