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
from trainfree.provenance import settings_hash
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

    The state is kept in ``checkpoint`` after each epoch.

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


class Checkpoints:
    """Files beside a job's output that hold the states of its trainings until it is there.

    A training goes on under the same settings, code, inputs and libraries. The device and its
    threads may be others: a cluster may have no equal card, and only the last bits differ.

    Parameters
    ----------
    output
        The job's file.
    attributes
        Its provenance; see :func:`~trainfree.files.storage.provenance_attributes`.
    also
        What else has to be the same.
    """

    def __init__(self, output: Path, attributes: Mapping[str, Any], **also: str) -> None:
        self._output = output
        self._identity = settings_hash({**{key: attributes[key] for key in _ALIKE}, **also})
        self._used: list[Path] = []

    def run(self, learner: Learner, epochs: int, title: str, name: str = "") -> list[Row]:
        """Do the epochs of one of the job's trainings; see :func:`run_epochs`.

        Parameters
        ----------
        name
            Tells the job's trainings apart: ``<output>.<name>.checkpoint``; empty for the only one.
        """
        parts = [self._output.name, name, "checkpoint"]
        path = self._output.with_name(".".join(filter(None, parts)))
        self._used.append(path)
        return run_epochs(learner, epochs, path, self._identity, title)

    def delete(self) -> None:
        """Delete the files, for the output is there."""
        for path in self._used:
            path.unlink(missing_ok=True)


_ALIKE = ("config_hash", "code_hash", "source_hashes", "libraries")
