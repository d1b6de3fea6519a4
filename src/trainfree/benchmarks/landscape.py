"""The shape of a space around its architectures, as data: what the landscape tables read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from trainfree.benchmarks.load import accuracy_column
from trainfree.errors import DataFileError, UnknownNameError
from trainfree.files.storage import open_dataset, provenance_attributes, write_dataset
from trainfree.provenance import code_hash
from trainfree.randomness import stream
from trainfree.sources.checksums import file_digests
from trainfree.spaces import SPACE_NAMES, load_space
from trainfree.spaces.nasbench101 import distance as distance101
from trainfree.spaces.nasbench101 import landscape as landscape101
from trainfree.spaces.nasbench101.space import GraphCellSpace
from trainfree.spaces.nasbench201 import landscape as landscape201
from trainfree.spaces.nasbench201.space import CellSpace
from trainfree.spaces.walks import Replacements, Walks
from trainfree.trainings import known_outcomes

HEADLINE = ("cifar10", "test")
_COMPRESSED = {"zlib": True, "complevel": 1, "shuffle": True}


def prepare_landscape(benchmark: Path, output: Path, *, walks: int, steps: int, seed: int) -> None:
    """Write random walks, replaced operations, shapes and distances to the best architecture.

    Parameters
    ----------
    benchmark
        The benchmark file; it says which space it is of. The best architecture is the one with
        the highest CIFAR-10 test accuracy after the longest training.
    output
        The file to write, of kind "landscape".
    walks, steps
        Number of random walks and architectures visited by each.
    seed
        The root seed.

    Raises
    ------
    DataFileError
        When the benchmark is unusable or the output cannot be written.
    UnknownNameError
        When the space has no landscape.
    """
    with open_dataset(benchmark, "benchmark", without=["architecture"]) as trained:
        name = str(trained.attrs["space"])
        accuracy, outcome = _headline(trained, benchmark)
        arch = trained["arch"].to_numpy()
    if np.isnan(accuracy).all():
        raise DataFileError(f"{benchmark}: has no CIFAR-10 test accuracy; choose another source")
    best = int(arch[np.nanargmax(accuracy)])
    rng = stream(seed, "landscape/walk")
    depth, width, distance, pairs, walked = _structure(name, best, walks, steps, rng)
    dataset = _dataset(depth, width, distance, pairs, walked)
    dataset.attrs = provenance_attributes(
        settings={"space": name, "walks": walks, "steps": steps},
        code=code_hash("trainfree.benchmarks.landscape"),
        source_hashes={"benchmark": file_digests(benchmark, "sha256")["sha256"]},
        seed=seed,
    ) | {"space": name, "best": best, "best_by": outcome}
    write_dataset(dataset, output, "landscape")


def _headline(trained: xr.Dataset, path: Path) -> tuple[NDArray[np.float64], str]:
    found = [known for known in known_outcomes(trained) if known[:2] == HEADLINE]
    if not found:
        raise DataFileError(f"{path}: has no CIFAR-10 test accuracy; choose another source")
    dataset, split, epochs = max(found, key=lambda known: known[2])
    return accuracy_column(trained, dataset, split, epochs), f"{dataset}/{split}/{epochs}"


def _structure(
    name: str, best: int, walks: int, steps: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], Replacements, Walks]:
    space = load_space(name) if name in SPACE_NAMES else None
    if isinstance(space, GraphCellSpace):
        return (
            *landscape101.depth_and_width(space),
            distance101.distances_to(space, space.specification(best)),
            landscape101.replacements(space),
            landscape101.random_walks(space, walks, steps, rng),
        )
    if isinstance(space, CellSpace):
        return (
            *landscape201.depth_and_width(space),
            landscape201.distances_to(space, best),
            landscape201.replacements(space),
            landscape201.random_walks(space, walks, steps, rng),
        )
    raise UnknownNameError("space with a landscape", name, SPACE_NAMES)


def _dataset(
    depth: NDArray[np.int64],
    width: NDArray[np.int64],
    distance: NDArray[np.int64],
    pairs: Replacements,
    walked: Walks,
) -> xr.Dataset:
    columns = {
        "depth": ("arch", depth.astype(np.uint8), "length of the longest path"),
        "width": ("arch", width.astype(np.uint8), "size of the largest directed cut"),
        "distance": ("arch", distance.astype(np.uint8), "edit distance to the best architecture"),
        "before": ("pair", pairs.before.astype(np.int32), "architecture"),
        "after": ("pair", pairs.after.astype(np.int32), "architecture with an operation replaced"),
        "kind": ("pair", pairs.kind.astype(np.uint8), "which operation by which"),
        "walk": (("walk_number", "step"), walked.arch, "architecture visited"),
        "walk_distance": (
            ("walk_number", "step"),
            walked.distance,
            "changes between an encoding and that of the walk's start",
        ),
    }
    variables = {}
    for name, (dims, values, meaning) in columns.items():
        attributes = {"units": "1", "long_name": meaning}
        if name == "kind":
            attributes["flag_meanings"] = " ".join(f"{old}>{new}" for old, new in pairs.kinds)
        variables[name] = xr.Variable(dims, values, attributes)
        variables[name].encoding.update(_COMPRESSED)
    return xr.Dataset(variables)
