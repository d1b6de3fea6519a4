"""Which code decides a benchmark file. Imports nothing large: the workflow asks at its start."""

from __future__ import annotations

from trainfree.benchmarks.readers import reading_modules
from trainfree.outside.extensions import outside_code
from trainfree.provenance import code_hash
from trainfree.spaces import SPACE_KIND, encoding_modules


def benchmark_code_hash(space: str) -> str:
    """Return the hash of all code that prepares the benchmark of a space."""
    return code_hash(
        "trainfree.benchmarks.prepare",
        *reading_modules(space),
        *encoding_modules(space),
        outside=outside_code(SPACE_KIND, [space]),
    )
