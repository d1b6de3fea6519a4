"""The points of the interactive scatter: scores and accuracies of every architecture, compactly.

Numbers are little-endian floats and names are JSON, each compressed (RFC 1950) and in base64; the
page's script unpacks them. A float of four bytes holds a score to seven digits; where that would
change a whole number, as of operations counted, eight bytes are used.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trainfree.analysis.formats import number
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
)
from trainfree.errors import DataFileError
from trainfree.files.storage import open_dataset

if TYPE_CHECKING:
    import xarray as xr

LARGEST_PAYLOAD = 2_000_000  # characters; proxies beyond it stay in the scores file
EXACT_IN_FOUR_BYTES = 2**24


class Points:
    """What the script gets: lists of architectures, and data sets that refer to them.

    Attributes
    ----------
    omitted
        Sentences on what is not in it, and why.
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self.sets: list[dict[str, Any]] = []
        self.omitted: list[str] = []
        self._size = 0

    def payload(self) -> dict[str, Any]:
        """Return what the page embeds."""
        return {"names": self.names, "sets": self.sets}

    def add_list(self, architectures: Sequence[str]) -> int:
        """Return the place of a list of architectures; equal lists are kept once."""
        packed = _packed(
            json.dumps(list(architectures), ensure_ascii=False).encode(errors="replace")
        )
        if packed not in self.names:
            self.names.append(packed)
            self._size += len(packed)
        return self.names.index(packed)

    def has_room(self, *columns: dict[str, str]) -> bool:
        """Take the room of columns; False where there is too little of it."""
        wanted = sum(len(column["values"]) for column in columns)
        if self._size + wanted > LARGEST_PAYLOAD:
            return False
        self._size += wanted
        return True


def collect_points(scores: Sequence[Path], benchmarks: Sequence[Path]) -> Points:
    """Return the points of all scores files whose space has a file of accuracies.

    Parameters
    ----------
    scores
        Merged scores files; those that are not there are left out.
    benchmarks
        Files of trained accuracies, one a space.

    Raises
    ------
    DataFileError
        When a file is damaged.
    """
    points = Points()
    by_space = {_space_of(path): path for path in benchmarks if path.is_file()}
    for path in scores:
        if path.is_file():
            _add_file(points, path, by_space)
    points.sets.sort(key=lambda one: -one["size"])  # stable: the largest is shown first
    return points


def _add_file(points: Points, path: Path, benchmarks: dict[str, Path]) -> None:
    scored = read_scores(path)
    settings = score_settings(scored, path)
    place = " / ".join(settings.values())
    if settings["space"] not in benchmarks:
        points.omitted.append(f"{place}: no file of trained accuracies of its space was given")
        return
    benchmark = benchmarks[settings["space"]]
    try:
        target = targets(read_benchmark(benchmark), settings["dataset"], benchmark)[0]
        accuracy = accuracy_of(target, scored, path, benchmark)
    except DataFileError as error:
        points.omitted.append(f"{place}: {error}")
        return
    columns, left_out = [], []
    for proxy in texts(scored["proxy"]):
        score = floats(scored["score"].sel(proxy=proxy))
        score[~np.isin(status_names(scored, proxy), ("ok", "singular"))] = np.nan
        column = {"name": proxy, **_column(score)}
        if not (np.isfinite(score) & ~np.isnan(accuracy)).any():
            points.omitted.append(f"{place}: no finite score of {proxy} has an accuracy")
        elif points.has_room(column):
            columns.append(column)
        else:
            left_out.append(proxy)
    if left_out:
        points.omitted.append(f"{place}: no room on the page for {', '.join(left_out)}")
    if columns:
        points.sets.append(
            {
                "title": f"{outcome_title(target.name)} ({settings['setting']})",
                "outcome": outcome_title(target.name),
                "space": settings["space"],
                "stand_in": int(scored.attrs.get("stand_in", 0)),
                "count": number(len(accuracy), 0),
                "size": len(accuracy),
                "names": points.add_list(texts(scored["architecture"])),
                "arch": _column(floats(scored["arch"])),
                "accuracy": _column(accuracy),
                **_costs(scored),
                **_official(read_benchmark(benchmark), scored),
                "proxies": columns,
            }
        )


def _costs(scored: xr.Dataset) -> dict[str, dict[str, str]]:
    """Return what the networks themselves cost: parameters and multiply-adds, where known."""
    found = {}
    for name in ("params", "flops"):
        if name in scored:
            values = floats(scored[name])
            found[name] = _column(np.where(values < 0, np.nan, values))
    return found


def _official(trained: xr.Dataset, scored: xr.Dataset) -> dict[str, dict[str, str]]:
    """Return the benchmark's own index of each architecture, where it has one."""
    if "official_index" not in trained.variables:
        return {}
    index = pd.Series(trained["official_index"].to_numpy(), texts(trained["architecture"]))
    own = index.reindex(texts(scored["architecture"])).to_numpy(dtype=float)
    known = np.where(own < 0, np.nan, own)
    return {} if np.isnan(known).all() else {"official": _column(known)}


def _column(values: Floats) -> dict[str, str]:
    """Return numbers as the script reads them: ``type`` and ``values``."""
    finite = values[np.isfinite(values)]
    whole = bool((finite == np.round(finite)).all())
    large = bool((np.abs(finite) > EXACT_IN_FOUR_BYTES).any())
    kind = "f8" if whole and large else "f4"
    array: NDArray[np.floating[Any]] = values.astype(f"<{kind}")
    return {"type": kind, "values": _packed(array.tobytes())}


def _packed(data: bytes) -> str:
    return base64.b64encode(zlib.compress(data, 9)).decode()


def _space_of(benchmark: Path) -> str:
    with open_dataset(benchmark, "benchmark", without=("architecture",)) as dataset:
        return str(dataset.attrs.get("space", benchmark.stem))
