"""Builders of small files of shared weights, with accuracies and scores of the same cells."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from analysis_fixtures import write_benchmark, write_scores

from trainfree.files.storage import provenance_attributes, read_dataset, write_dataset
from trainfree.spaces.nasbench201.space import CellSpace
from trainfree.weight_sharing.feed import PHASES
from trainfree.weight_sharing.schema import Outcome, sharing_dataset

SPACE = CellSpace.published()
CELLS = np.sort(np.random.default_rng(7).choice(len(SPACE), 150, replace=False))
RANKED = np.random.default_rng(8).permutation(CELLS)[:40]
OUTCOMES = {
    ("cifar10-valid", "valid", 200, "mean"): -3.0,
    ("cifar10", "test", 200, "mean"): 0.0,
    ("cifar100", "valid", 200, "mean"): -20.0,
    ("cifar100", "test", 200, "mean"): -21.0,
    ("cifar10-valid", "valid", 12, "mean"): -9.0,
}
"""By how much each accuracy differs from the headline."""


def accuracy_of(cells: Sequence[int] | np.ndarray) -> np.ndarray:
    """Return a made-up accuracy of each cell, by its place in the space."""
    return np.array([60 + 34 * np.random.default_rng(int(cell)).beta(5, 1) for cell in cells])


def write_trained(path: Path, **attributes: str | int) -> Path:
    """Write the accuracies of the cells, under the names and numbers that they have."""
    accuracy = accuracy_of(CELLS)
    columns = {key: accuracy + shift for key, shift in OUTCOMES.items()}
    told = {"space": "nasbench201", "source": "made", **attributes}
    return _renamed(write_benchmark(path, columns, **told), "benchmark")


def write_cell_scores(path: Path, noise: float = 3.0, **attributes: str | int) -> Path:
    """Write scores of two proxies, one nearer to the accuracies than the other."""
    rng, accuracy = np.random.default_rng(3), accuracy_of(CELLS)
    scores = {
        "naswot": accuracy + rng.normal(0, noise, len(CELLS)),
        "params": accuracy + rng.normal(0, 4 * noise, len(CELLS)),
    }
    scores["naswot"][:2] = -np.inf
    return _renamed(write_scores(path, scores, **attributes), "scores")


def write_sharing(
    path: Path,
    method: str = "rsps",
    run: int = 0,
    *,
    epochs: int = 4,
    noise: float = 2.0,
    ranked: Sequence[int] | np.ndarray = RANKED,
    **attributes: str | int | float,
) -> Path:
    """Write what a training of a method leaves behind; every number is drawn from its own seed."""
    rng = np.random.default_rng([*method.encode(), run])
    rows = [
        {
            **{name: rng.uniform(0.5, 2.0) for name in ("training_loss", "architecture_loss")},
            **{
                name: rng.uniform(20, 60)
                for name in (
                    *("training_accuracy", "architecture_accuracy"),
                    *("validation_accuracy", "choice_accuracy"),
                )
            },
            "choice": int(rng.choice(CELLS)),
            "probability": rng.dirichlet(np.ones(5), 6),
            "seconds": rng.uniform(1, 5, len(PHASES)),
        }
        for _ in range(epochs)
    ]
    shared = accuracy_of(ranked) + rng.normal(0, noise, len(ranked))
    outcome = Outcome(
        rows=rows,
        answer=rows[-1]["choice"],
        answer_accuracy=rng.uniform(20, 60),
        answer_seconds=rng.uniform(1, 2),
        ranked=[
            (int(cell), float(value), 0.25) for cell, value in zip(ranked, shared, strict=True)
        ],
    )
    told = {
        **provenance_attributes(
            settings={"method": method, "run": run},
            code="0123456789abcdef",
            source_hashes={"images": "ab" * 32},
            seed=0,
        ),
        "space": "nasbench201",
        "dataset": "cifar10",
        "method": method,
        "run": run,
        "preset": "nasbench201",
        "epochs": epochs,
        "images_weights": 5000,
        "images_architecture": 5000,
        "validated": "100 random cells",
        "chance": 10.0,
        "published": 0,
        "scale": f"reduced: 5,000 + 5,000 images, {epochs} epochs",
        "stand_in": 0,
        "image_source": "CIFAR-10, a subset",
        **attributes,
    }
    write_dataset(sharing_dataset(SPACE, outcome).assign_attrs(told), path, "weight_sharing")
    return path


def write_sharings(
    folder: Path, methods: Sequence[str], runs: int = 3, **attributes: str | int | float
) -> list[Path]:
    """Write several runs of several methods."""
    return [
        write_sharing(folder / f"{method}-{run}.h5", method, run, **attributes)  # type: ignore[arg-type]
        for method in methods
        for run in range(runs)
    ]


def _renamed(path: Path, kind: str) -> Path:
    names = np.array([SPACE.to_string(int(cell)) for cell in CELLS], dtype=object)
    dataset = read_dataset(path, kind)
    dataset = dataset.assign_coords(arch=CELLS, architecture=("arch", names))
    write_dataset(dataset, path, kind)
    return path
