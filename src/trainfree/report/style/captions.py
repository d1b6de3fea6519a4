"""What captions have in common: where data come from, and what stands in for others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from trainfree.analysis.formats import number


def source_note(note: object, stand_in: object) -> str:
    """Return a sentence on a source that names it a stand-in if it is one."""
    text = str(note or "source not recorded").rstrip(".")
    return f"stand-in: {text}." if stand_in and "stand-in" not in text else f"{text}."


def accuracy_note(attributes: Mapping[Any, Any]) -> str:
    """Return a sentence on the accuracies of a benchmark file, given by its attributes."""
    return f"Accuracies: {source_note(attributes.get('source_note'), attributes.get('stand_in'))}"


def span(values: Iterable[Any]) -> str:
    """Return the smallest and the largest of whole numbers, or the one that all are; NaN apart."""
    known = np.array(list(values), dtype=np.float64)
    low, high = (number(float(end), 0) for end in (np.fmin.reduce(known), np.fmax.reduce(known)))
    return low if low == high else f"{low} to {high}"


def sentences(*told: str) -> str:
    """Join sentences, without the empty ones."""
    return " ".join(sentence for sentence in told if sentence)


def image_notes(files: Iterable[Mapping[Any, Any]]) -> str:
    """Return a sentence on the images of each scores file, given by its attributes."""
    notes = {
        str(attributes["dataset"]): source_note(
            attributes.get("image_source"), attributes.get("stand_in")
        )
        for attributes in files
    }
    if len(notes) == 1:
        return f"Images: {next(iter(notes.values()))}"
    return " ".join(f"Images of {name}: {note}" for name, note in notes.items())
