"""One root seed, and one independent stream for every purpose.

A stream is named by what it is for and by the key of the thing it serves (an architecture, a run),
never by the order in which things happen. Results therefore do not depend on shard size, worker
count or the order of jobs.
"""

from __future__ import annotations

import hashlib

import numpy as np


def stream(root_seed: int, purpose: str, *key: int) -> np.random.Generator:
    """Return the generator of ``purpose`` and ``key`` under ``root_seed``.

    Parameters
    ----------
    root_seed
        The one seed of the configuration; any non-negative integer.
    purpose
        What the numbers are for, for example ``"weights"``, ``"mini-batch"`` or ``"search/rea"``.
    *key
        Non-negative integers that tell streams of one purpose apart: an architecture's index in
        its space, the number of a search run.

    Examples
    --------
    >>> a = stream(0, "weights", 7).random()
    >>> b = stream(0, "weights", 7).random()
    >>> a == b
    True
    """
    digest = hashlib.sha256(purpose.encode()).digest()
    purpose_code = int.from_bytes(digest[:4], "little")
    sequence = np.random.SeedSequence(root_seed, spawn_key=(purpose_code, *key))
    return np.random.Generator(np.random.PCG64(sequence))
