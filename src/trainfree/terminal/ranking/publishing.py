"""``trainfree publish-scores``: the scores of finished runs as the small file of the package."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trainfree.analysis.formats import count_of
from trainfree.analysis.inputs import read_benchmark, read_scores, score_settings, texts
from trainfree.analysis.proxies.proxy_scores import usable_scores
from trainfree.analysis.ranking.form import (
    KIND,
    NUMBERS,
    OF_PROXIES,
    TEXTS,
    Accuracies,
    Block,
    Shipped,
    dataset_of,
    hash_of_names,
)
from trainfree.analysis.ranking.reading import read_shipped_file
from trainfree.errors import DataFileError
from trainfree.files.reading import files_below, is_there
from trainfree.files.storage import provenance_attributes, write_dataset
from trainfree.provenance import code_hash
from trainfree.proxies import PROXY_NAMES
from trainfree.spaces import SPACE_NAMES
from trainfree.terminal.screen import Screen
from trainfree.trainings import UNSTATED_EPOCHS, Outcome, column_of, known_outcomes

if TYPE_CHECKING:
    import xarray as xr

LARGEST = 5_000_000
"""Bytes of the file, which every installation carries."""
LICENCES = {
    "nasbench201": "MIT (NATS-Bench, Dong et al.)",
    "nats_sss": "MIT (NATS-Bench, Dong et al.)",
    "nasbench101": "Apache-2.0 (NAS-Bench-101, Ying et al.)",
    "transnas101_micro": "MIT (TransNAS-Bench-101, Duan et al.)",
    "transnas101_macro": "MIT (TransNAS-Bench-101, Duan et al.)",
}
"""Spaces whose accuracies may be passed on, and under which licence. Those of other trainings of
the same space may not: the benchmark file does not state their epochs."""
_GENERATED = "generated"


def publish_scores(
    results: Sequence[Path],
    benchmarks: Sequence[Path],
    output: Path,
    screen: Screen,
    *,
    fresh: bool = False,
) -> None:
    """Write the merged scores of finished runs into the file of the package.

    What the file has of the same space, data set and setting is replaced, and the rest is kept. The
    same runs give the same bytes.

    Parameters
    ----------
    results
        Folders of results, or scores files.
    benchmarks
        Files of trained accuracies. Those that may be passed on go into the file.
    output
        The file.
    fresh
        Keep nothing of what is there.

    Raises
    ------
    DataFileError
        When a folder has no scores, a file is damaged, or the file would be too large.
    """
    blocks = [_block(path) for folder in results for path in _scores_in(folder)]
    for one in blocks:
        if one.scores.size == 0:
            raise DataFileError(f"{'/'.join(one.place)}: none of its proxies is the suite's own")
    known = [one for path in benchmarks for one in accuracies_of(path, screen)]
    before = Shipped() if fresh or not is_there(output) else read_shipped_file(output)
    shipped = before.updated(blocks, known)
    write_shipped(shipped, output)
    screen.table(
        ("space", "data set", "setting", ">n", ">proxies"),
        [(*one.place, len(one.arch), len(one.proxies)) for one in shipped.blocks],
    )
    for each in shipped.accuracies:
        screen.line(f"accuracies of {each.space}: {each.outcome}, {each.licence}")
    screen.line(f"{output}: {count_of(output.stat().st_size, 'byte')}")


def write_shipped(shipped: Shipped, output: Path) -> None:
    """Write the file.

    Raises
    ------
    DataFileError
        When it would be larger than ``LARGEST``, or cannot be written.
    """
    scored = {"/".join(one.place): str(one.provenance["config_hash"]) for one in shipped.blocks}
    attributes = provenance_attributes(
        settings={"blocks": scored, "outcomes": [one.outcome for one in shipped.accuracies]},
        code=code_hash("trainfree.analysis.ranking.form"),
        source_hashes={},
    )
    attributes.pop("libraries")  # it is copied from files that say theirs, and nothing is computed
    dataset = dataset_of(shipped).assign_attrs(attributes)
    size = len(dataset.to_netcdf(engine="h5netcdf", format="NETCDF4"))
    if size > LARGEST:
        raise DataFileError(
            f"{output}: expected at most {LARGEST:,} bytes, found {size:,}; publish fewer runs, or "
            "give --fresh to leave out what it held before"
        )
    write_dataset(dataset, output, KIND)


def _scores_in(folder: Path) -> list[Path]:
    """Return the merged scores of a folder of results; a file is its own."""
    if is_there(folder):
        return [folder]
    found = files_below(folder, "scores/*/*/*.h5")
    if not found:
        raise DataFileError(
            f"{folder}: has no merged scores; expected a folder like results/default with "
            "scores/SPACE/DATASET/SETTING.h5"
        )
    return [path for path in found if path.parts[-3] in SPACE_NAMES]


def block_of(data: xr.Dataset, path: Path) -> Block:
    """Return what a scores file holds of the suite's own proxies.

    Raises
    ------
    DataFileError
        When it lacks what a merged file says of itself.
    """
    score_settings(data, path)
    names = np.array(texts(data["architecture"]), dtype=object)
    order = np.argsort(data["arch"].to_numpy(), kind="stable")
    told = {**data.attrs, "names_hash": hash_of_names(names[order])}
    lacking = [name for name in (*TEXTS, *NUMBERS) if name not in told]
    if lacking:
        raise DataFileError(f"{path}: lacks the attribute {lacking[0]}; merge its shards again")
    values = usable_scores(data)
    proxies = tuple(map(str, values))
    column = {name: data[name].to_numpy()[order] for name in ("arch", "params", "flops")}
    return Block(
        {name: str(told[name]) for name in TEXTS} | {name: int(told[name]) for name in NUMBERS},
        arch=column["arch"],
        params=column["params"],
        flops=column["flops"],
        proxies=proxies,
        drawn={name: _drawn(data, name, len(proxies)) for name in OF_PROXIES},
        scores=values.to_numpy(np.float32)[order],
    )


def _block(path: Path) -> Block:
    data = read_scores(path)
    own = [name for name in texts(data["proxy"]) if name in PROXY_NAMES]
    return block_of(data.sel(proxy=own), path)


def _drawn(data: xr.Dataset, name: str, count: int) -> list[str]:
    return texts(data[name]) if name in data.coords else [""] * count


def accuracies_of(path: Path, screen: Screen) -> Iterator[Accuracies]:
    """Yield the accuracies of a benchmark file that may be passed on.

    Of each data set these are validation and test accuracy after the most epochs.
    """
    benchmark = read_benchmark(path)
    space = str(benchmark.attrs.get("space", path.stem))
    licence, source = LICENCES.get(space, ""), str(benchmark.attrs.get("source_note", ""))
    if not licence or benchmark.attrs.get("source") == _GENERATED:
        screen.line(f"{path}: its accuracies are left out: no licence of theirs is known")
        return
    last: dict[tuple[str, str], Outcome] = {}
    for outcome in known_outcomes(benchmark):
        if outcome.epochs != UNSTATED_EPOCHS:
            place = (outcome.dataset, outcome.split)
            last[place] = max(last.get(place, outcome), outcome, key=lambda each: each.epochs)
    for outcome in last.values():
        values = column_of(benchmark, outcome)
        if values is not None:
            yield Accuracies(space, outcome.label, values.astype(np.float32), source, licence)
