"""How many linear regions random inputs fall into, in a thinned network (TE-NAS)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from trainfree.scoring.module_quantities.codes import Code, watch_codes
from trainfree.scoring.modules.conditions import OfBatch
from trainfree.scoring.modules.inputs import Inputs, tensors
from trainfree.scoring.modules.structure import examine
from trainfree.scoring.quantities.formulas import distinct_rows

Thinned: TypeAlias = Callable[[], tuple[nn.Module, tuple[int, ...]]]
"""Returns the thinned module, its weights drawn, and the shape of one input for it."""
INPUTS = 1000


def linear_regions(thinned: Thinned, rng: np.random.Generator, like: Inputs) -> int:
    """Return how many different codes 1,000 Gaussian inputs have.

    Parameters
    ----------
    like
        Gives device and type.
    """
    module, shape = thinned()
    noise = torch.from_numpy(rng.standard_normal((INPUTS, *shape), dtype=np.float32))
    inputs = noise.to(tensors(like)[0])
    structure = examine(module.eval(), inputs, getattr(module, "blocks_end", None))
    words: list[NDArray[np.uint64]] = []

    def note(code: Code) -> None:
        words.append(code.words)

    watch_codes(module, inputs, structure, OfBatch(), note)
    return distinct_rows(np.concatenate(words, axis=1)) if words else 1
