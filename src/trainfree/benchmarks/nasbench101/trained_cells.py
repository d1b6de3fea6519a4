"""What every source of NAS-Bench-101 becomes: one array of measurements, rows ordered by hash."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

STAGES = ("halfway", "final")
TIME = "training_time"
SPLITS = {"train": "train_accuracy", "valid": "validation_accuracy", "test": "test_accuracy"}
"""Split of the benchmark schema: the quantity that is its accuracy."""
QUANTITIES = (TIME, *SPLITS.values())
MEAN = "mean"


@dataclass(frozen=True)
class TrainedCells:
    """Trained cells, with NaN for what the source does not hold.

    Attributes
    ----------
    hashes
        The published hashes, ascending, (cells, 16).
    vertices, bits, codes
        Each cell in the source's own numbering of its vertices, see
        :mod:`trainfree.spaces.nasbench101.encoding`.
    params
        Number of trainable parameters.
    epochs
        Lengths of the trainings.
    repeats
        What each training of a cell and length is called; ``"mean"`` for the mean over three.
    stages
        ``STAGES``, or only ``"final"`` for a source without measurements halfway.
    measured
        Seconds and accuracies (0 to 1), (cells, epochs, repeats, stages, ``QUANTITIES``).
    source_hashes
        SHA-256 of the files read, by role.
    note
        What a reader has to know of the source.
    """

    hashes: NDArray[np.uint8]
    vertices: NDArray[np.uint8]
    bits: NDArray[np.int32]
    codes: NDArray[np.int16]
    params: NDArray[np.int32]
    epochs: tuple[int, ...]
    repeats: tuple[str, ...]
    stages: tuple[str, ...]
    measured: NDArray[np.float32]
    source_hashes: Mapping[str, str] = field(default_factory=dict)
    note: str = ""

    def __len__(self) -> int:
        return len(self.hashes)


def leading_digits(hashes: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Return the first 16 hexadecimal digits of each hash as a number, in the same order."""
    return np.ascontiguousarray(hashes[:, :8]).view(">u8").reshape(-1).astype(np.uint64)
