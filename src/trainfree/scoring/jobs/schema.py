"""The scores file: one row an architecture, one column a proxy, shard or merged alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from trainfree.files.storage import open_dataset, provenance_attributes
from trainfree.scoring.clock import PHASES
from trainfree.scoring.settings.drawn import drawn_for
from trainfree.scoring.settings.setting import Setting
from trainfree.scoring.status import Status

UNKNOWN = -1
"""In place of a count of an architecture of which there is none to count."""

SHARED_CLOCK = (
    "seconds of a group on a GPU are shared among its architectures in proportion to the elements "
    "that their steps read and write"
)
"""Attribute ``clock_note`` of a file with scores of groups."""


@dataclass(frozen=True)
class Row:
    """Everything recorded about one architecture; lists are in the order of the proxies.

    ``messages`` say why scores failed, each with its proxy's name, empty where none did.
    ``seconds`` are by phase; ``proxy_seconds`` is what each proxy would have cost alone.
    """

    arch: int
    architecture: str
    scores: Sequence[float]
    statuses: Sequence[Status]
    messages: Sequence[str]
    seconds: Mapping[str, float]
    proxy_seconds: Sequence[float]
    relu_units: int
    params: int
    flops: int

    @property
    def message(self) -> str:
        """All messages as one text; what several proxies say stands there once."""
        proxies: dict[str, list[str]] = {}
        for message in filter(None, self.messages):
            name, _, said = message.partition(": ")
            proxies.setdefault(said, []).append(name)
        return "; ".join(f"{', '.join(names)}: {said}" for said, names in proxies.items())


def joined_rows(
    rows: Sequence[Row], parts: Sequence[Sequence[str]], proxies: Sequence[str]
) -> list[Row]:
    """Return one row an architecture from the rows of several parts of the proxies.

    Seconds by phase are those of all parts.

    Parameters
    ----------
    rows
        All of the first part, then all of the next, each in the order of the architectures.
    parts
        Proxies of each part.
    proxies
        All of them, in the order of the joined rows.
    """
    if len(parts) == 1:
        return list(rows)
    order = [proxy for part in parts for proxy in part]
    places = [order.index(proxy) for proxy in proxies]
    size = len(rows) // len(parts)
    return [_joined(rows[number::size], places) for number in range(size)]


def _joined(rows: Sequence[Row], places: Sequence[int]) -> Row:
    """Return the row of an architecture of which each part has one; ``places`` is the order."""
    built = next((row for row in rows if row.params != UNKNOWN), rows[0])
    alone = [
        (score, status, message, seconds)
        for row in rows
        for score, status, message, seconds in zip(
            row.scores, row.statuses, row.messages, row.proxy_seconds, strict=True
        )
    ]
    scores, statuses, messages, seconds = zip(*(alone[place] for place in places), strict=True)
    return replace(
        built,
        scores=list(scores),
        statuses=list(statuses),
        messages=list(messages),
        proxy_seconds=list(seconds),
        seconds={phase: sum(row.seconds[phase] for row in rows) for phase in PHASES},
    )


def drawn_coordinates(setting: Setting) -> dict[str, xr.Variable]:
    """Return the coordinates that say what each proxy was computed on."""
    drawn = [drawn_for(setting, proxy) for proxy in setting.proxies]
    return {
        "proxy_input": _texts([each.input for each in drawn], "mini-batch of the proxy"),
        "proxy_weights": _texts([each.weights for each in drawn], "how its weights are drawn"),
    }


def _texts(values: Sequence[str], long_name: str) -> xr.Variable:
    return xr.Variable(*variable(("proxy",), np.array(values, dtype=object), long_name))


def scores_dataset(rows: Sequence[Row], proxies: Sequence[str]) -> xr.Dataset:
    """Return the data set of a scores file, without provenance."""
    return _dataset(
        rows,
        ("arch", "proxy"),
        np.array([row.scores for row in rows]),
        np.array([row.statuses for row in rows], dtype=np.int8),
        np.array([row.proxy_seconds for row in rows]),
        [row.message for row in rows],
    ).assign_coords(proxy=np.array(proxies, dtype=object))


def column_dataset(rows: Sequence[Row], place: int) -> xr.Dataset:
    """Return one proxy's column, the one at ``place`` in the rows, without provenance."""
    return _dataset(
        rows,
        ("arch",),
        np.array([row.scores[place] for row in rows]),
        np.array([row.statuses[place] for row in rows], dtype=np.int8),
        np.array([row.proxy_seconds[place] for row in rows]),
        [row.messages[place] for row in rows],
    )


def measured_attributes(
    setting: Setting,
    settings: Mapping[str, Any],
    code: str,
    images: Path,
    device: str,
    threads: int,
    sources: Mapping[str, str] | None = None,
) -> dict[str, str | int]:
    """Return the attributes of a file of scores: provenance, the setting and the images.

    The precision is that of a processor and of torch; groups on a GPU may have another.

    Parameters
    ----------
    settings
        Everything that decides the content.
    images
        Prepared image set.
    device
        Its name.
    sources
        Hashes of what was read beside the images.
    """
    with open_dataset(images, "images") as source:
        return {
            **provenance_attributes(
                settings=settings,
                code=code,
                source_hashes={"images": source.attrs["content_sha256"], **(sources or {})},
                seed=setting.seed,
                device=device,
                threads=threads,
            ),
            "space": setting.space,
            "dataset": setting.dataset,
            "setting": setting.name,
            "batch_size": setting.batch_size,
            "initialization": setting.initialization,
            "input": setting.input,
            "precision": "float32",
            "image_count": int(source.sizes["n"]),
            "image_source": str(source.attrs["source_note"]),
            "stand_in": int(source.attrs["stand_in"]),
        }


def _dataset(
    rows: Sequence[Row],
    by_proxy: tuple[str, ...],
    scores: NDArray[np.float64],
    statuses: NDArray[np.int8],
    proxy_seconds: NDArray[np.float64],
    messages: Sequence[str],
) -> xr.Dataset:
    seconds = [[row.seconds[phase] for phase in PHASES] for row in rows]
    return xr.Dataset(
        {
            "score": variable(by_proxy, scores, "proxy score, higher is better"),
            "status": variable(
                by_proxy, statuses, "what became of the score", "1", **status_flags()
            ),
            "message": variable(("arch",), np.array(messages, dtype=object), "why a score failed"),
            "seconds": variable(("arch", "phase"), seconds, "measured scoring time by phase", "s"),
            "proxy_seconds": variable(
                by_proxy,
                proxy_seconds,
                "measured scoring time of the proxy alone, shared work included",
                "s",
            ),
            "relu_units": _counts(rows, "relu_units", "ReLU units for one image"),
            "params": _counts(rows, "params", "learnable parameters"),
            "flops": _counts(rows, "flops", "multiply-adds for one image"),
        },
        coords={
            "arch": variable(("arch",), [row.arch for row in rows], "index in the space's order"),
            "architecture": ("arch", np.array([row.architecture for row in rows], dtype=object)),
            "phase": np.array(PHASES, dtype=object),
        },
    )


def _counts(rows: Sequence[Row], name: str, long_name: str) -> tuple[Any, ...]:
    """Return a variable of counts, and what stands for those that are not known."""
    counted = f"{long_name}; {UNKNOWN} where the architecture could not be built"
    return variable(("arch",), [getattr(row, name) for row in rows], counted)


def status_flags() -> dict[str, object]:
    """Return the attributes that say what the numbers of a status variable mean."""
    return {
        "flag_values": np.array([status.value for status in Status], dtype=np.int8),
        "flag_meanings": " ".join(status.name.lower() for status in Status),
    }


def variable(
    dims: tuple[str, ...], values: object, long_name: str, units: str = "1", **attrs: object
) -> tuple[tuple[str, ...], object, dict[str, object]]:
    """Return a variable with what every variable of a file has to carry."""
    return dims, values, {"long_name": long_name, "units": units, **attrs}
