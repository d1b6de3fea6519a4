"""What scoring costs: measured seconds per architecture by phase, and per search of N.

One pass scores all proxies of a setting. The phases say where its time goes; beside them stands,
where the file has it, what each proxy would have cost alone, shared work included.

A GPU computes architectures in groups. The seconds of a group are shared among its architectures
in proportion to the elements that their steps read and write, and the column ``clock`` says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trainfree.analysis.data_line import data_line
from trainfree.analysis.declaration import Inputs, Made, table
from trainfree.analysis.formats import Cell, count, count_of, decimal, duration, plain
from trainfree.analysis.inputs import Floats, floats, read_scores, score_settings, texts
from trainfree.analysis.published import Published
from trainfree.analysis.tables import numbers, text

if TYPE_CHECKING:
    import xarray as xr

BUDGETS = (10, 100, 1000)
TOTAL = "total"
PHASE, PROXY = "phase", "proxy alone"
ALONE, SHARED = "each alone", "shares of groups"


def _beside_published(n: int) -> dict[str, Cell]:
    return {
        f"N={n} (s)": duration(f"expected_{n}"),
        f"Published N={n} (s)": decimal(f"published_{n}"),
    }


@table(
    title="Scoring time: measured seconds per architecture and per search of N architectures",
    columns=(
        *text("space", "dataset", "setting", "part", "name"),
        *numbers("architectures", "mean", "median", "percentile_95", "sum", "share"),
        *text("device"),
        *numbers("threads", "batch_size"),
        *text("clock"),
        *numbers(*(f"expected_{n}" for n in BUDGETS), *(f"published_{n}" for n in BUDGETS)),
        *text("comparable"),
    ),
    shown={
        "Data set": plain("dataset"),
        "Setting": plain("setting"),
        "Part": plain("part"),
        "Name": lambda row: row["name"].replace("_", " ") if row["part"] == PHASE else row["name"],
        "Architectures": count("architectures"),
        "Mean (ms)": duration("mean", 1000),
        "Median (ms)": duration("median", 1000),
        "95th pct. (ms)": duration("percentile_95", 1000),
        "Sum (s)": duration("sum"),
        "Share (%)": decimal("share", 1, scale=100),
        **{title: cell for n in BUDGETS for title, cell in _beside_published(n).items()},
        "Device": plain("device"),
        "Architectures timed": plain("clock"),
        "Comparable": plain("comparable"),
    },
    once=("Data set", "Setting", "Architectures", "Device", "Architectures timed"),
    reads=("scores", "published"),
    section="timing",
    rank=1,
    memory_mb=500,
)
def timing(inputs: Inputs) -> Made:
    """Return the seconds of each phase and proxy; the paper's stand beside them.

    Raises
    ------
    DataFileError
        When there are no scores, or a file is damaged.
    """
    files = {path: read_scores(path) for path in inputs.scored}
    beside = inputs.first_paper
    rows = [row for path, scored in files.items() for row in _file_rows(path, scored, beside)]
    return Made(rows, data_line(files.values()))


def _file_rows(
    path: Path, scored: xr.Dataset, published: Published | None
) -> Iterator[dict[str, Any]]:
    common = {
        **score_settings(scored, path),
        "device": str(scored.attrs.get("device", "")),
        "threads": int(scored.attrs.get("threads", 0)),
        "batch_size": int(scored.attrs.get("batch_size", 0)),
        "clock": SHARED if "clock_note" in scored.attrs else ALONE,
    }
    measured = _measured(scored)
    whole = float(np.nansum(measured.get((PHASE, TOTAL), [np.nan])))
    has_proxies = any(part == PROXY for part, _ in measured)
    for (part, name), values in measured.items():
        row: dict[str, Any] = {**common, "part": part, "name": name, "comparable": ""}
        row |= _statistics(values[~np.isnan(values)])
        row["share"] = row["sum"] / whole if part == PHASE and whole > 0 else np.nan
        if part == PROXY or name == TOTAL:
            row |= {f"expected_{n}": n * row["mean"] for n in BUDGETS}
            row |= _published_beside(row, published, instead_of_proxy=not has_proxies)
        yield row


def _measured(scored: xr.Dataset) -> dict[tuple[str, str], Floats]:
    """Return seconds of each architecture by part and name, the total last among the phases."""
    phases = sorted(texts(scored["phase"]), key=lambda name: name == TOTAL)
    found = {(PHASE, name): floats(scored["seconds"].sel(phase=name)) for name in phases}
    if "proxy_seconds" in scored:
        for name in texts(scored["proxy"]):
            found[PROXY, name] = floats(scored["proxy_seconds"].sel(proxy=name))
    return found


def _statistics(measured: Floats) -> dict[str, Any]:
    if len(measured) == 0:
        names = ("mean", "median", "percentile_95")
        return {"architectures": 0, **dict.fromkeys(names, np.nan), "sum": 0.0}
    return {
        "architectures": len(measured),
        "mean": float(measured.mean()),
        "median": float(np.median(measured)),
        "percentile_95": float(np.quantile(measured, 0.95)),
        "sum": float(measured.sum()),
    }


def _published_beside(
    row: dict[str, Any], published: Published | None, instead_of_proxy: bool
) -> dict[str, Any]:
    """Return the published seconds beside the proxy they belong to.

    A file without seconds by proxy has them beside the total, which is for all proxies.
    """
    if published is None or not published.has_searched(row["space"], row["dataset"]):
        return {}
    proxy = "naswot" if instead_of_proxy else row["name"]
    printed = {n: value for n, value in published.seconds(proxy).items() if n in BUDGETS}
    if not printed or (row["part"] == PHASE) != instead_of_proxy:
        return {}
    scope = ", all proxies in one pass" if instead_of_proxy else ""
    here = (
        f"{row['device']}, {count_of(row['threads'], 'thread')}, batch {row['batch_size']}{scope}"
    )
    return {f"published_{n}": value for n, value in printed.items()} | {
        "comparable": f"no: other hardware (published on {published.hardware}; here {here})"
    }
