"""Scores that are known already: each proxy's column by what decides it, and by nothing else.

A score of a proxy does not depend on which others were asked for, on the shard or on the sample
(see ``docs/exactness.md``). So each job keeps its columns in a store beside the data, and takes
from there what was computed before: a new proxy costs its own column, a list that is changed back
costs nothing. The store is a cache: what is missing, damaged or cannot be read is computed again.
Needs no torch.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from trainfree import spaces
from trainfree.errors import DataFileError
from trainfree.files.storage import provenance_attributes, read_dataset, write_dataset
from trainfree.images.datasets import DATASET_KIND
from trainfree.outside.extensions import outside_code
from trainfree.provenance import (
    canonical_json,
    code_hash,
    library_versions,
    settings_hash,
)
from trainfree.proxies import PROXY_NAMES, module_of
from trainfree.proxies.extra import PROXY
from trainfree.scoring.clock import PHASES
from trainfree.scoring.jobs.schema import Row, column_dataset
from trainfree.scoring.settings.drawn import drawn_for
from trainfree.scoring.settings.gpu import is_of_groups, rests_on_precision
from trainfree.scoring.settings.precision import Precision
from trainfree.scoring.settings.setting import GROUPS, Setting, way_of
from trainfree.scoring.status import Status

log = logging.getLogger(__name__)

COMPUTING_LIBRARIES = ("python", "torch", "numpy", "numba")
SCORER = "trainfree.scoring.jobs.shard"


@dataclass(frozen=True)
class Entry:
    """What is known of one proxy's score of one architecture.

    Attributes
    ----------
    score, status, message
        As stored.
    seconds
        What the proxy would have cost alone.
    phases
        Seconds by phase of the whole pass over the architecture that computed it.
    made_in
        Which pass that was: columns of one pass have the same.
    architecture, relu_units, params, flops
        Of the architecture itself.
    """

    score: float
    status: Status
    message: str
    seconds: float
    phases: Mapping[str, float]
    made_in: str
    architecture: str
    relu_units: int
    params: int
    flops: int


Column = dict[int, Entry]
"""What is known of a proxy, by architecture."""


def column_settings(
    setting: Setting,
    proxy: str,
    batch_seed: int,
    images: str,
    device: str,
    threads: int,
    groups: Precision | None = None,
) -> dict[str, Any]:
    """Return everything that decides a column of scores.

    Of input and weights those on which the proxy is computed count, wherever they are said: a
    column is the same whether they are the setting's, declared or named for the proxy.

    Parameters
    ----------
    batch_seed
        Draws the mini-batch.
    images
        Hash of the content of the image set.
    device
        The device's name: scores of different ones differ in their last digits.
    groups
        Where a GPU computes groups of architectures, their precision. It and the code of groups
        are part of the columns that may come from them.
    """
    versions, drawn = library_versions(), drawn_for(setting, proxy)
    own = [module_of(proxy)] if proxy in PROXY_NAMES else []
    in_groups = groups is not None and spaces.describes_networks(setting.space)
    if in_groups and is_of_groups(proxy):
        own.append(GROUPS)
    column = {
        "proxy": proxy,
        "space": setting.space,
        "dataset": setting.dataset,
        "batch_size": setting.batch_size,
        "initialization": drawn.weights,
        "input": drawn.input,
        "seed": setting.seed,
        "batch_seed": batch_seed,
        "images": images,
        "device": device,
        "threads": threads,
        "libraries": {name: versions.get(name, "") for name in COMPUTING_LIBRARIES},
        "code": code_hash(
            *(SCORER, way_of(setting.space), *spaces.network_modules(setting.space), *own)
        ),
        "outside": outside_code(PROXY, [proxy])
        | outside_code(spaces.SPACE_KIND, [setting.space])
        | outside_code(DATASET_KIND, [setting.dataset]),
    }
    if in_groups and rests_on_precision(proxy):
        column["precision"] = groups
    return column


class ColumnStore:
    """A folder of columns that survives every change of the configuration.

    Parameters
    ----------
    folder
        Where the columns lie, for example ``data/scores``.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def known(self, settings: Mapping[str, Any], architectures: Sequence[int]) -> Column:
        """Return what is known of a column, of those of ``architectures`` that were scored."""
        wanted = set(architectures)
        found: Column = {}
        lowest, highest = min(wanted), max(wanted)
        for path in sorted(self._place(settings).glob("*-*-*.h5")):
            first, last, _ = path.stem.split("-")
            if int(first) > highest or int(last) < lowest or wanted <= found.keys():
                continue
            for arch, entry in self._entries(path, settings):
                if arch in wanted:
                    found.setdefault(arch, entry)
        return found

    def keep(
        self, settings: Mapping[str, Any], rows: Sequence[Row], place: int, made_in: str
    ) -> None:
        """Keep a column of newly scored rows.

        A store that cannot be written costs time later and no results, so it is only logged. What
        was out of memory may not be so the next time, and is not kept.

        Parameters
        ----------
        place
            Number of the proxy in the rows.
        made_in
            Name of the pass that computed the rows.
        """
        rows = [row for row in rows if row.statuses[place] != Status.OUT_OF_MEMORY]
        if not rows:
            return
        scored = [row.arch for row in rows]
        which = settings_hash({"architectures": scored})
        name = f"{min(scored)}-{max(scored)}-{which}"
        attributes = provenance_attributes(
            settings=settings,
            code=settings["code"],
            source_hashes={"images": settings["images"]},
            seed=settings["seed"],
            device=settings["device"],
            threads=settings["threads"],
        )
        dataset = column_dataset(rows, place).assign_attrs(attributes, made_in=made_in)
        try:
            write_dataset(dataset, self._place(settings) / f"{name}.h5", "column")
        except DataFileError as error:
            log.warning("the scores of %s are not kept for later: %s", settings["proxy"], error)

    def _place(self, settings: Mapping[str, Any]) -> Path:
        name = f"{settings['proxy']}-{settings_hash(settings)}"
        return self._folder / str(settings["space"]) / str(settings["dataset"]) / name

    def _entries(self, path: Path, settings: Mapping[str, Any]) -> Iterator[tuple[int, Entry]]:
        try:
            data = read_dataset(path, "column", {"config": canonical_json(dict(settings))})
        except DataFileError as error:
            log.warning("%s; its scores are computed again", error)
            return
        yield from _entries_of(data)


def _entries_of(data: xr.Dataset) -> Iterator[tuple[int, Entry]]:
    phases = [str(name) for name in data["phase"].values]
    columns = (
        data[name].values.tolist()
        for name in (
            *("arch", "score", "status", "message", "proxy_seconds", "seconds"),
            *("architecture", "relu_units", "params", "flops"),
        )
    )
    made_in = str(data.attrs["made_in"])
    for arch, score, status, message, alone, spent, *facts in zip(*columns, strict=True):
        by_phase = dict(zip(phases, spent, strict=True))
        yield arch, Entry(score, Status(status), message, alone, by_phase, made_in, *facts)


def entry_of(row: Row, place: int, made_in: str) -> Entry:
    """Return what a newly scored row says of one of its proxies."""
    return Entry(
        row.scores[place],
        row.statuses[place],
        row.messages[place],
        row.proxy_seconds[place],
        row.seconds,
        made_in,
        row.architecture,
        row.relu_units,
        row.params,
        row.flops,
    )


def row_of(arch: int, entries: Sequence[Entry]) -> Row:
    """Return the row of an architecture from its columns.

    The seconds by phase are those of all passes that the columns come from: what was spent on
    them, with what the same passes computed for other proxies.
    """
    first = entries[0]
    passes = {entry.made_in: entry.phases for entry in entries}
    return Row(
        arch=arch,
        architecture=first.architecture,
        scores=[entry.score for entry in entries],
        statuses=[entry.status for entry in entries],
        messages=[entry.message for entry in entries],
        seconds={
            phase: float(np.sum([spent[phase] for spent in passes.values()])) for phase in PHASES
        },
        proxy_seconds=[entry.seconds for entry in entries],
        relu_units=first.relu_units,
        params=first.params,
        flops=first.flops,
    )


def completed_rows(
    settings: Mapping[str, Mapping[str, Any]],
    architectures: Mapping[int, str],
    store: ColumnStore,
    score: Callable[[tuple[str, ...], Sequence[int]], list[Row]],
) -> list[Row]:
    """Return the rows of architectures, computing and keeping what the store does not know.

    Parameters
    ----------
    settings
        What decides each proxy's column.
    architectures
        Their names: an entry of another name is of another list of networks, and not taken.
    score
        Scores architectures with proxies.
    """
    columns = {
        proxy: {
            arch: entry
            for arch, entry in store.known(every, list(architectures)).items()
            if entry.architecture == architectures[arch]
        }
        for proxy, every in settings.items()
    }
    lacking = tuple(
        proxy for proxy, column in columns.items() if any(a not in column for a in architectures)
    )
    missing = [
        arch for arch in architectures if any(arch not in columns[proxy] for proxy in lacking)
    ]
    log.info(
        "%d of %d columns are known; computing %s",
        len(columns) - len(lacking),
        len(columns),
        f"{', '.join(lacking)} of {len(missing)} architectures" if lacking else "nothing",
    )
    if lacking:
        rows = score(lacking, missing)
        made_in = settings_hash({"proxies": lacking, "architectures": missing})
        for place, proxy in enumerate(lacking):
            store.keep(settings[proxy], rows, place, made_in)
            columns[proxy] |= {row.arch: entry_of(row, place, made_in) for row in rows}
    return [row_of(arch, [column[arch] for column in columns.values()]) for arch in architectures]
