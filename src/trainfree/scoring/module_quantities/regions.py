"""How many linear regions pieces of images fall into, in a thinned network (TE-NAS)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from trainfree.scoring.module_quantities.codes import Code, watch_codes
from trainfree.scoring.modules.conditions import OfBatch
from trainfree.scoring.modules.inputs import Inputs, tensors
from trainfree.scoring.modules.structure import examine
from trainfree.scoring.quantities.formulas import REGION_REPEATS, distinct_rows, region_inputs

Thinned: TypeAlias = Callable[[], nn.Module]
"""Returns the thinned module, its weights drawn anew each time."""


def linear_regions(thinned: Thinned, rng: np.random.Generator, images: Inputs) -> float:
    """Return how many different codes 3,000 pieces have, the mean over three draws of weights."""
    counts = []
    for _ in range(REGION_REPEATS):
        module = thinned().eval()
        found = [_codes(module, each) for each in region_inputs(tensors(images)[0], rng)]
        counts.append(distinct_rows(np.concatenate(found)))
    return float(np.mean(counts))


def _codes(module: nn.Module, inputs: Tensor) -> NDArray[np.uint64]:
    """Return the code of each input as bits, (inputs, words)."""
    structure = examine(module, inputs, getattr(module, "blocks_end", None))
    words: list[NDArray[np.uint64]] = []

    def note(code: Code) -> None:
        words.append(code.words)

    watch_codes(module, inputs, structure, OfBatch(), note)
    return np.concatenate(words, axis=1) if words else np.zeros((len(inputs), 1), np.uint64)
