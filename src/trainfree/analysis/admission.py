"""Whether a table or figure belongs to a run: its data files are those of the run.

A study, as the ablation, has data files that the run's scores, searches and benchmark do not
include; it belongs to the run as long as nothing that is known of its sources contradicts them.
"""

from __future__ import annotations

from collections.abc import Iterable

from trainfree.analysis.origins import UNKNOWN, DataFile, Origin

OF_THE_RUN = ("scores", "search", "benchmark")
OF_ONE_DATASET = ("fronts", "draws", "ablation", "training", "learned", "kernels", "weight_sharing")


class DataOfRun:
    """The data files of a run: its scores, its searches and its trained accuracies."""

    def __init__(self, files: Iterable[DataFile]) -> None:
        every = tuple(files)
        self._benchmarks = {file.space: file for file in every if file.schema == "benchmark"}
        self._files = frozenset(file for file in every if not self._of_other_accuracies(file))
        self._spaces = {file.space for file in every}
        scores = [file for file in every if file.schema == "scores"]
        self._scored = {(file.space, file.dataset) for file in scores}
        self._scored_spaces = {file.space for file in scores}
        self._images = {file.dataset: file.sources.get("images", "") for file in scores}
        self._generated = {file.is_generated for file in self._benchmarks.values()}

    def why_not(self, origin: Origin) -> str:
        """Return why something of this origin does not belong to the run; empty if it does."""
        for file in origin.files:
            reason = "" if file in self._files else self._objection(file, origin.apart)
            if reason:
                return f"made from {file}, {reason}"
        return ""

    def _objection(self, file: DataFile, apart: str) -> str:
        if file.schema == UNKNOWN:
            return "which does not say what it was made from; make that table again"
        if self._of_other_accuracies(file):
            return "whose trained accuracies are not those of this run"
        if file.schema in OF_THE_RUN and not self._may_differ(file, apart):
            return "which is not one of this run's data files, or was remade since"
        if file.schema in OF_ONE_DATASET and not self._is_scored(file):
            return "a data set that this run has no scores of"
        images = self._images.get(file.dataset, "")
        if images and file.sources.get("images", images) != images:
            return "whose images are not those of this run"
        if file.schema == "benchmark" and self._generated == {not file.is_generated}:
            return "which is made up while the run's accuracies are not, or the reverse"
        return ""

    def _may_differ(self, file: DataFile, apart: str) -> bool:
        """Tell whether a file that is none of the run's may be in something that stands apart."""
        if file.space not in self._spaces:
            return bool(apart) and bool(self._spaces)
        return apart == "setting" and file.schema == "scores"

    def _is_scored(self, file: DataFile) -> bool:
        place = (file.space, file.dataset)
        return place in self._scored or file.space not in self._scored_spaces

    def _of_other_accuracies(self, file: DataFile) -> bool:
        """Tell whether a file was made with other accuracies of a space than the run's."""
        own = self._benchmarks.get(file.space)
        if own is None or file.schema == "benchmark":
            return False
        searched = file.schema in ("search", "fronts")
        recorded = file.sources.get("benchmark") if searched else None
        differs = recorded not in (None, "unknown", own.config_hash)
        return differs or (bool(file.accuracies) and file.accuracies != own.accuracies)
