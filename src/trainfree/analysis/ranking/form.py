"""The shipped file of scores: many runs' scores and the accuracies they are ranked by, in one file.

Runs have different architectures and proxies, so that nothing is a rectangle. A *block* is what one
scores file of a run holds: ``rows`` architectures by ``columns`` proxies. The values of all blocks
stand one after the other, column by column; lengths say where each begins (a contiguous ragged
array, as the CF conventions call it). Accuracies are columns over a whole space.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trainfree.errors import DataFileError

if TYPE_CHECKING:
    import xarray as xr

KIND = "shipped_scores"
TEXTS = {
    "space": "search space",
    "dataset": "image set",
    "setting": "name of the setting: batch size, weights, input, seed, sample",
    "config_hash": "hash of the setting",
    "code_hash": "hash of the code that scored",
    "image_source": "where the images came from",
    "device": "what scored",
    "trainfree_version": "version that scored",
    "names_hash": "hash of the architectures' names in their order",
}
"""What a block keeps as text: attributes of its scores file, and whose scores these are."""
NUMBERS = {
    "seed": "root seed",
    "batch_size": "images in the mini-batch",
    "stand_in": "1 where other images stand in for those of the data set",
}
"""The same as whole numbers."""
OF_PROXIES = {
    "proxy_input": "mini-batch of the proxy",
    "proxy_weights": "how its weights are drawn",
}
_PACKED = {"zlib": True, "complevel": 9, "shuffle": True}


@dataclass(frozen=True)
class Block:
    """What one scores file of a run holds.

    Attributes
    ----------
    provenance
        By the names in ``TEXTS`` and ``NUMBERS``.
    arch
        (row,) indices in the space's order, ascending.
    params, flops
        (row,) learnable parameters, and multiply-adds for one image; −1 where unknown.
    proxies
        Names of the columns.
    drawn
        (column,) texts by the names in ``OF_PROXIES``.
    scores
        (row, column) float32, higher is better; NaN where there is none, −inf is a score.
    """

    provenance: Mapping[str, str | int]
    arch: NDArray[np.int64]
    params: NDArray[np.int64]
    flops: NDArray[np.int64]
    proxies: tuple[str, ...]
    drawn: Mapping[str, Sequence[str]]
    scores: NDArray[np.float32]

    @property
    def place(self) -> tuple[str, str, str]:
        """Space, data set and setting, which name it."""
        space, dataset, setting = (str(self.provenance[k]) for k in ("space", "dataset", "setting"))
        return space, dataset, setting

    def column(self, proxy: str) -> NDArray[np.float64]:
        """Return (row,) the scores of a proxy."""
        found: NDArray[np.float64] = self.scores[:, self.proxies.index(proxy)].astype(np.float64)
        return found


@dataclass(frozen=True)
class Accuracies:
    """One accuracy of all architectures of a space.

    Attributes
    ----------
    space
        The space, whose order the values are in.
    outcome
        ``<dataset>/<split>/<epochs>``.
    percent
        (arch,) float32, NaN where missing.
    source, licence
        Where they came from, and under which licence they may be passed on.
    """

    space: str
    outcome: str
    percent: NDArray[np.float32]
    source: str
    licence: str


@dataclass(frozen=True)
class Shipped:
    """The content of the file."""

    blocks: tuple[Block, ...] = ()
    accuracies: tuple[Accuracies, ...] = ()

    def updated(self, blocks: Iterable[Block], accuracies: Iterable[Accuracies]) -> Shipped:
        """Return it with some blocks and accuracies replaced or added, in a fixed order."""
        placed = {one.place: one for one in (*self.blocks, *blocks)}
        known = {(one.space, one.outcome): one for one in (*self.accuracies, *accuracies)}
        return Shipped(
            tuple(placed[place] for place in sorted(placed)),
            tuple(known[name] for name in sorted(known)),
        )


def hash_of_names(names: Iterable[str]) -> str:
    """Return what tells one list of architectures from another."""
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]


def dataset_of(shipped: Shipped) -> xr.Dataset:
    """Return the data set of the file, without its attributes."""
    import xarray as xr

    blocks, known = shipped.blocks, shipped.accuracies
    variables: dict[str, xr.Variable] = {}

    def add(name: str, dim: str, values: Any, long_name: str, units: str = "1") -> None:
        attributes = {"units": units, "long_name": long_name}
        variables[name] = xr.Variable((dim,), values, attributes)
        if variables[name].dtype.kind in "if":
            variables[name].encoding.update(_PACKED)

    for name, text in TEXTS.items():
        add(f"block_{name}", "block", _texts(str(one.provenance[name]) for one in blocks), text)
    for name, text in NUMBERS.items():
        add(f"block_{name}", "block", _whole(int(one.provenance[name]) for one in blocks), text)
    add("block_rows", "block", _whole(len(one.arch) for one in blocks), "architectures")
    add("block_columns", "block", _whole(len(one.proxies) for one in blocks), "proxies")
    add("arch", "row", _joined([one.arch for one in blocks], np.int32), "index in the space")
    add("params", "row", _joined([one.params for one in blocks], np.int64), "learnable parameters")
    counted = "multiply-adds for one image"
    add("flops", "row", _joined([one.flops for one in blocks], np.int64), counted)
    add("proxy", "column", _texts(name for one in blocks for name in one.proxies), "proxy")
    for name, text in OF_PROXIES.items():
        add(name, "column", _texts(entry for one in blocks for entry in one.drawn[name]), text)
    values = [one.scores.T.reshape(-1) for one in blocks]
    told = "score, higher is better; column by column of each block"
    add("score", "value", _joined(values, np.float32), told)
    add("outcome", "outcome", _texts(one.outcome for one in known), "dataset/split/epochs")
    add("outcome_space", "outcome", _texts(one.space for one in known), "search space")
    add("outcome_source", "outcome", _texts(one.source for one in known), "where they came from")
    add("outcome_licence", "outcome", _texts(one.licence for one in known), "licence of the values")
    add("outcome_size", "outcome", _whole(len(one.percent) for one in known), "architectures")
    trained = _joined([one.percent for one in known], np.float32)
    add("accuracy", "trained", trained, "accuracy of the trained network", "%")
    return xr.Dataset(variables)


def shipped_of(data: xr.Dataset, where: object) -> Shipped:
    """Return what a data set of the file holds.

    Raises
    ------
    DataFileError
        When its parts do not fit together.
    """
    try:
        return Shipped(tuple(_blocks(data)), tuple(_accuracies(data)))
    except (KeyError, ValueError, IndexError) as error:
        raise DataFileError(
            f"{where}: its parts do not fit together ({error}); install trainfree again, or make "
            "the file anew with trainfree publish-scores"
        ) from error


def _blocks(data: xr.Dataset) -> Iterable[Block]:
    rows = np.cumsum([0, *data["block_rows"].to_numpy().tolist()])
    columns = np.cumsum([0, *data["block_columns"].to_numpy().tolist()])
    whole = {name: data[name].to_numpy() for name in ("arch", "params", "flops", "score")}
    names = {name: [*map(str, data[name].to_numpy())] for name in ("proxy", *OF_PROXIES)}
    begins = 0
    for place in range(len(rows) - 1):
        row, column = slice(*rows[place : place + 2]), slice(*columns[place : place + 2])
        shape = (int(columns[place + 1] - columns[place]), int(rows[place + 1] - rows[place]))
        values = whole["score"][begins : begins + shape[0] * shape[1]].reshape(shape)
        begins += shape[0] * shape[1]
        texts = {name: str(data[f"block_{name}"].to_numpy()[place]) for name in TEXTS}
        counts = {name: int(data[f"block_{name}"].to_numpy()[place]) for name in NUMBERS}
        yield Block(
            {**texts, **counts},
            arch=whole["arch"][row].astype(np.int64),
            params=whole["params"][row],
            flops=whole["flops"][row],
            proxies=tuple(names["proxy"][column]),
            drawn={name: names[name][column] for name in OF_PROXIES},
            scores=np.ascontiguousarray(values.T),
        )


def _accuracies(data: xr.Dataset) -> Iterable[Accuracies]:
    ends = np.cumsum(data["outcome_size"].to_numpy()).tolist()
    texts = [
        [*map(str, data[name].to_numpy())]
        for name in ("outcome_space", "outcome", "outcome_source", "outcome_licence")
    ]
    values = data["accuracy"].to_numpy()
    for begin, end, space, outcome, source, licence in zip([0, *ends], ends, *texts, strict=False):
        yield Accuracies(space, outcome, values[begin:end], source, licence)


def _texts(values: Iterable[str]) -> NDArray[np.object_]:
    return np.array(list(values), dtype=object)


def _whole(values: Iterable[int]) -> NDArray[np.int64]:
    return np.array(list(values), dtype=np.int64)


def _joined(parts: Sequence[NDArray[Any]], kind: type[np.generic]) -> NDArray[Any]:
    return np.concatenate([np.empty(0, kind), *(part.astype(kind) for part in parts)])
