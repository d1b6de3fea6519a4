"""What scoring costs: measured seconds per architecture by phase, and per search of N.

One pass scores all proxies of a setting. The phases say where its time goes; beside them stands,
where the file has it, what each proxy would have cost alone, shared work included.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from trainfree.analysis.data_line import data_line
from trainfree.analysis.inputs import Floats, floats, read_scores, score_settings, texts
from trainfree.analysis.published import Published, read_published
from trainfree.analysis.tables import count_of, number, seconds, without_constants, write_tables

TITLE = "Scoring time: measured seconds per architecture and per search of N architectures"
BUDGETS = (10, 100, 1000)
TOTAL = "total"
PHASE, PROXY = "phase", "proxy alone"
COLUMNS = (
    *("space", "dataset", "setting", "part", "name", "architectures"),
    *("mean", "median", "percentile_95", "sum", "share", "device", "threads", "batch_size"),
    *(f"expected_{n}" for n in BUDGETS),
    *(f"published_{n}" for n in BUDGETS),
    "comparable",
)


def tabulate_timing(
    scores: Sequence[Path], output_stem: Path, published: Path | None
) -> pd.DataFrame:
    """Write the table of scoring times and return it.

    Parameters
    ----------
    scores
        Merged scores files.
    output_stem
        ``results/tables/timing``; the suffixes .csv, .md and .tex are added.
    published
        The papers' numbers; their seconds stand beside the total.

    Raises
    ------
    DataFileError
        When a file is missing or damaged.
    """
    beside = None if published is None else read_published(published)
    files = {path: read_scores(path) for path in scores}
    rows = [row for path, scored in files.items() for row in _file_rows(path, scored, beside)]
    frame = pd.DataFrame(rows, columns=COLUMNS)
    write_tables(frame, *show_timing(frame), data_line(files.values()), output_stem)
    return frame


def show_timing(frame: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Return the table for readers (milliseconds per architecture) and its title."""
    shown = pd.DataFrame(
        {
            "Data set": frame["dataset"],
            "Setting": frame["setting"],
            "Part": frame["part"],
            "Name": frame["name"]
            .str.replace("_", " ")
            .where(frame["part"] == PHASE, frame["name"]),
            "Architectures": [number(n, 0) for n in frame["architectures"]],
        }
    )
    for name, title in (("mean", "Mean"), ("median", "Median"), ("percentile_95", "95th pct.")):
        shown[f"{title} (ms)"] = [seconds(1000 * value) for value in frame[name]]
    shown["Sum (s)"] = [seconds(value) for value in frame["sum"]]
    shown["Share (%)"] = [number(100 * value, 1) for value in frame["share"]]
    for n in BUDGETS:
        shown[f"N={n} (s)"] = [seconds(value) for value in frame[f"expected_{n}"]]
        shown[f"Published N={n} (s)"] = [number(value, 2) for value in frame[f"published_{n}"]]
    shown["Device"] = frame["device"]
    shown["Comparable"] = frame["comparable"]
    names = ("Data set", "Setting", "Architectures", "Device")
    return without_constants(shown, names, TITLE)


def _file_rows(
    path: Path, scored: xr.Dataset, published: Published | None
) -> Iterator[dict[str, Any]]:
    common = {
        **score_settings(scored, path),
        "device": str(scored.attrs.get("device", "")),
        "threads": int(scored.attrs.get("threads", 0)),
        "batch_size": int(scored.attrs.get("batch_size", 0)),
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
