"""Trainings epoch by epoch, which go on after an interruption as if there had been none.

What an epoch draws depends on the root seed and its number alone, never on how many draws there
were before. So the state at an epoch's end and the number of the next one are all there is to keep.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from trainfree.parent_process import require_run
from trainfree.progress import track
from trainfree.weight_sharing.checkpoint import State, read_state, write_state

Row = Mapping[str, Any]


class Learner(Protocol):
    """What learns epoch by epoch."""

    def epoch(self, number: int) -> Row:
        """Do epoch ``number``, from 0, and return its record: numbers, texts, lists of them."""

    def state_dict(self) -> State:
        """Return all that a next epoch depends on."""

    def load_state_dict(self, state: Any) -> None:
        """Take it back."""


def run_epochs(
    learner: Learner, epochs: int, checkpoint: Path, identity: str, title: str
) -> list[Row]:
    """Do all epochs that are not done yet and return the records of all.

    The state is kept in ``checkpoint`` after each epoch. The caller deletes that file when what
    was learned is in a place of its own.

    Raises
    ------
    DataFileError
        When the checkpoint belongs to another ``identity``, or cannot be written.
    DamagedFileError
        When the checkpoint's bytes are not those that were written.
    """
    rows: list[Row] = []
    kept = read_state(checkpoint, identity)
    if kept is not None:
        rows = list(kept["rows"])
        learner.load_state_dict(kept["learner"])
    for number in track(range(len(rows), epochs), title):
        require_run()
        rows.append(learner.epoch(number))
        write_state({"rows": rows, "learner": learner.state_dict()}, checkpoint, identity)
    return rows
