"""The source of artificial inputs, for tests. It has no files: readers make the data."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from trainfree.sources.delivery import Delivery, SourceSettings


@dataclass(frozen=True)
class GeneratedSource:
    """Artificial data, named as such wherever they go."""

    note: str
    form: str = "generated"
    name: str = field(default="generated", init=False)

    def deliver(self, cache: Path, settings: SourceSettings) -> Delivery:
        """Return a delivery without files."""
        return Delivery(self.name, self.form, note=self.note, stand_in=True)
