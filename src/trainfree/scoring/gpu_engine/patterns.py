"""How many different patterns units have over the images, wherever the patterns lie."""

from __future__ import annotations

import torch
from torch import Tensor

_LOWER = (1 << 32) - 1


def distinct_patterns(words: Tensor) -> int:
    """Return the number of different rows; the device is waited for once.

    Parameters
    ----------
    words
        Patterns as bits, (units, words) int32.
    """
    units, length = words.shape
    if not units or not length:
        return min(units, 1)
    order = torch.arange(units, device=words.device)
    for first in range(0, length, 2):  # a stable sort by each pair keeps the order of those before
        pair = words[:, first].to(torch.int64) << 32
        if first + 1 < length:
            pair |= words[:, first + 1].to(torch.int64) & _LOWER
        order = order[torch.sort(pair[order], stable=True).indices]
    ranked = words[order]
    return 1 + int((ranked[1:] != ranked[:-1]).any(dim=1).sum())
