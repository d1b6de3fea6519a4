"""Which code decides an images file. Imports nothing large: the workflow asks at its start."""

from __future__ import annotations

from trainfree.images.datasets import DATASET_KIND
from trainfree.outside.extensions import outside_code
from trainfree.provenance import code_hash


def images_code_hash(dataset: str) -> str:
    """Return the hash of all code that prepares an image set."""
    return code_hash("trainfree.images.prepare", outside=outside_code(DATASET_KIND, [dataset]))
