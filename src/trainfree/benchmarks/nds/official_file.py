"""An official file of NDS: networks, what they have and how they were trained.

One JSON list, or two under the keys ``top`` and ``mid`` that follow each other (as the code of the
NASWOT paper and NNI's importer, nni/nas/benchmarks/nds/db_gen.py, read them). Of an entry are read
``net``, ``optim.max_ep``, ``rng_seed``, ``test_ep_top1`` (top-1 error in percent after each epoch),
``params`` and ``flops``. The accuracy is 100 minus the last test error.

Each network is counted anew: where its parameters are not those of the file, or its operations far
from them, the file is not the one it should be, or ours are other networks.
"""

from __future__ import annotations

import hashlib
import math
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from trainfree.benchmarks.schema import BenchmarkTable, Column
from trainfree.errors import ArchitectureError, SourceError
from trainfree.sources.delivery import Delivery
from trainfree.sources.formats.json_entries import read_entries
from trainfree.sources.formats.reading import UNREADABLE_ZIP, brief, opened
from trainfree.sources.formats.wrong_files import require_kind
from trainfree.spaces.nds.complexity import auxiliary_parameters, count, operations_of
from trainfree.spaces.nds.networks import CellNetwork, Network, read_network
from trainfree.spaces.nds.space import NdsSpace
from trainfree.spaces.nds.sweeps import Sweep

MOST_ENTRIES = 100_000
OPERATIONS_TOLERANCE = 0.05
"""Of operations, whose rule is known from four networks; of parameters there is none."""
MANY = 500
"""So many networks have every operation of their space in them."""


@dataclass(frozen=True)
class Trained:
    """What is read of an entry.

    Attributes
    ----------
    name
        Its place in the file and its network.
    accuracy, best
        Test accuracy in percent after the last epoch, and the best of all epochs.
    exact
        Whether its operations are ours to the last digit.
    """

    name: str
    network: Network
    accuracy: float
    best: float
    epochs: int
    seed: int
    params: int
    flops: int
    exact: bool


def read_official_file(delivery: Delivery, space: NdsSpace) -> BenchmarkTable:
    """Return the test accuracies, parameters and operations of an official file.

    Raises
    ------
    SourceError
        When the file is damaged, of another form, another space's, or has another number of
        networks; or when the network that is built of an entry is not the one that was trained.
        Names the entry, what was expected and what was found.
    """
    path, sweep = delivery.files["table"], space.sweep
    with _opened(path, f"{sweep.file}.json") as stream:
        hashed = _Hashed(stream)
        trained = list(_trained(hashed, f"{path}", sweep))
        while hashed.read(1 << 20):
            pass
    _require_sweep(trained, sweep, str(path))
    epochs, seeds = {one.epochs for one in trained}, {one.seed for one in trained}
    if len(epochs) != 1:
        raise SourceError(f"{path}: expected one number of epochs, found {sorted(epochs)[:5]}")
    seed = str(seeds.pop()) if len(seeds) == 1 else "own"
    dataset, exact = sweep.dataset, sum(one.exact for one in trained)
    return BenchmarkTable(
        accuracy={(dataset, "test", epochs.pop(), seed): _column(trained, "accuracy")},
        params={dataset: _column(trained, "params")},
        flops={dataset: _column(trained, "flops")},
        official_index=np.arange(len(trained), dtype=np.int64),
        further={
            "best_test_accuracy": (
                _column(trained, "best"),
                "best test accuracy of all epochs of the training",
            )
        },
        source_hashes={f"{sweep.file}.json": hashed.digest},
        remark=f"the parameters of all {len(trained):,} networks are those that are built, and the "
        f"operations of {exact:,} of them to the last digit",
        architectures=tuple(one.name for one in trained),
    )


def _column(trained: list[Trained], name: str) -> Column:
    return np.array([getattr(one, name) for one in trained], dtype=np.float64)


class _Hashed:
    """A stream that hashes what is read of it."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self._hash = stream, hashlib.sha256()

    def read(self, size: int = -1, /) -> bytes:
        data = self._stream.read(size)
        self._hash.update(data)
        return data

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()


@contextmanager
def _opened(path: Path, name: str) -> Iterator[IO[bytes]]:
    """Open a JSON file, or the one of that name in a zip file."""
    require_kind(path, f"{name}, or a zip file with it", ("zip",))
    with opened(path) as plain:
        if plain.read(2) != b"PK":
            plain.seek(0)
            yield plain
            return
        plain.seek(0)
        try:
            with zipfile.ZipFile(plain) as archive:
                members = [one for one in archive.namelist() if one.rpartition("/")[2] == name]
                if len(members) != 1:
                    found = ", ".join(members) or "none"
                    raise SourceError(f"{path}: expected one {name} in it, found {found}")
                with archive.open(members[0]) as member:
                    yield member
        except UNREADABLE_ZIP as error:
            raise SourceError(
                f"{path}: expected a zip file with {name}, found a damaged one ({error}); get it "
                "anew"
            ) from error


def _trained(stream: Any, path: str, sweep: Sweep) -> Iterator[Trained]:
    """Yield the entries of a file in their order, ``top`` before ``mid``."""
    later: list[tuple[str, dict[str, Any]]] = []
    place = 0
    for key, entry in read_entries(stream, path, MOST_ENTRIES):
        if key not in ("", "top", "mid"):
            raise SourceError(f"{path}: expected lists top and mid, found {brief(key)}")
        kept = {name: entry.get(name) for name in (*_FIELDS, "optim", "net")}
        if key == "mid":
            later.append((f"{path}: entry {len(later)} of mid", kept))
            continue
        yield _read_entry(kept, f"{path}: entry {place}", place, sweep)
        place += 1
    for where, entry in later:
        yield _read_entry(entry, where, place, sweep)
        place += 1


_FIELDS = ("test_ep_top1", "rng_seed", "params", "flops")


def _read_entry(entry: Mapping[str, Any], where: str, place: int, sweep: Sweep) -> Trained:
    try:
        network = read_network(entry["net"])
    except ArchitectureError as error:
        raise SourceError(f"{where}: {error}") from error
    _require_parts(network, sweep, where)
    params, flops, seed = (
        _whole(entry[name], where, name) for name in ("params", "flops", "rng_seed")
    )
    errors = _errors(entry["test_ep_top1"], where)
    optim = entry["optim"]
    epochs = optim.get("max_ep") if isinstance(optim, Mapping) else None
    if type(epochs) is not int or epochs != len(errors):
        raise SourceError(
            f"{where}: expected optim.max_ep to be the {len(errors)} epochs of test_ep_top1, "
            f"found {brief(epochs)}"
        )
    return Trained(
        name=f"{place}: {network}",
        network=network,
        accuracy=100.0 - errors[-1],
        best=100.0 - min(errors),
        epochs=epochs,
        seed=seed,
        params=params,
        flops=flops,
        exact=_require_counts(network, params, flops, sweep, where),
    )


def _require_parts(network: Network, sweep: Sweep, where: str) -> None:
    """Refuse a network of another space by what it is made of."""
    if isinstance(network, CellNetwork):
        used = {*network.normal.operations, *network.reduction.operations}
    else:
        used = {network.block}
    if foreign := sorted(used - set(sweep.parts)):
        raise SourceError(
            f"{where}: expected a network of {sweep.file}, made of {', '.join(sweep.parts)}; found "
            f"{', '.join(foreign)}: it is the file of another space"
        )


def _require_counts(network: Network, params: int, flops: int, sweep: Sweep, where: str) -> bool:
    """Refuse an entry whose network is not ours; whether its operations are equal, too."""
    imagenet = sweep.imagenet
    counts = count(network, sweep.classes, sweep.image_size, imagenet=imagenet)
    # Whether the files count the weights of an auxiliary classifier is printed nowhere.
    auxiliary = auxiliary_parameters(network, sweep.classes, imagenet=imagenet)
    expected = {counts.parameters, counts.parameters + auxiliary}
    if params not in expected:
        raise SourceError(
            f"{where}: expected {' or '.join(map(str, sorted(expected)))} params, as the network "
            f"has ({network}), found {params}; the file is not the official {sweep.file}.json, or "
            "the network is built in another way than it was trained"
        )
    operations = operations_of(counts, network)
    if not math.isclose(flops, operations, rel_tol=OPERATIONS_TOLERANCE):
        raise SourceError(
            f"{where}: expected about {operations} flops, as the network has ({network}), found "
            f"{flops}; the file is not the official {sweep.file}.json"
        )
    return flops == operations


def _require_sweep(trained: list[Trained], sweep: Sweep, path: str) -> None:
    """Refuse a file that is another's as a whole, though each network could be this one's."""
    if not trained:
        raise SourceError(f"{path}: expected networks, found none")
    cells = [one.network for one in trained if isinstance(one.network, CellNetwork)]
    if not cells or len(cells) < MANY:
        return
    used = {
        name for one in cells for cell in (one.normal, one.reduction) for name in cell.operations
    }
    if missing := sorted(set(sweep.parts) - used - {"none"}):
        raise SourceError(
            f"{path}: expected {sweep.file}.json, in whose cells is {', '.join(missing)}; found it "
            f"in none of {len(cells):,}: it is the file of another space"
        )
    sizes = {(one.width, one.depth) for one in cells}
    if (len(sizes) == 1) != sweep.fixed:
        wanted = "one width and depth" if sweep.fixed else "several widths and depths"
        raise SourceError(
            f"{path}: expected {sweep.file}.json with {wanted}, found {len(sizes)}: it is another "
            "file of the space"
        )


def _errors(values: Any, where: str) -> list[float]:
    if not isinstance(values, list) or not values:
        raise SourceError(f"{where}: expected errors test_ep_top1, found {brief(values)}")
    for epoch, value in enumerate(values, 1):
        if type(value) not in (int, float) or not 0 <= value <= 100:
            raise SourceError(
                f"{where}: expected test_ep_top1 in percent, found {brief(value)} after epoch "
                f"{epoch}"
            )
    return [float(value) for value in values]


def _whole(value: Any, where: str, name: str) -> int:
    if type(value) is float and value.is_integer():
        value = int(value)
    if type(value) is not int or not 0 <= value < 1 << 53:
        raise SourceError(f"{where}: expected a whole number {name}, found {brief(value)}")
    return int(value)
