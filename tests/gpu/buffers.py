"""Buffers of a group as tests lay them out: arrays and room, each between untouched guards."""

from __future__ import annotations

import numpy as np
import torch

from trainfree.scoring.gpu_kernels.launches import ALIGNMENT

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
GUARDS = {torch.int8: 77, torch.int32: -77777}


class Space:
    """One buffer; everything in it that was not put or asked for holds a guard value."""

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype, self.guard = dtype, GUARDS.get(dtype, -77777.5)
        self._arrays: list[tuple[int, np.ndarray]] = []
        self._rooms: list[tuple[int, int]] = []
        self.size = ALIGNMENT

    def put(self, array: np.ndarray) -> int:
        """Hold an array; return where it begins."""
        offset = self._next(array.size)
        self._arrays.append((offset, np.ascontiguousarray(array)))
        return offset

    def room(self, size: int) -> int:
        """Keep room for a result; return where it begins."""
        offset = self._next(size)
        self._rooms.append((offset, size))
        return offset

    def tensor(self) -> torch.Tensor:
        """Return the buffer on the device."""
        whole = torch.full((self.size,), self.guard, dtype=self.dtype)
        for offset, array in self._arrays:
            whole[offset : offset + array.size] = torch.from_numpy(array.ravel())
        return whole.to(DEVICE)

    def check(self, after: torch.Tensor) -> None:
        """Fail where anything but the rooms has changed."""
        before, after = self.tensor().cpu(), after.clone().cpu()
        for offset, size in self._rooms:
            after[offset : offset + size] = before[offset : offset + size]
        assert torch.equal(after, before), "a kernel wrote where it must not"

    def _next(self, size: int) -> int:
        offset = self.size
        self.size += -(-size // ALIGNMENT) * ALIGNMENT + ALIGNMENT
        return offset


def read(buffer: torch.Tensor, offset: int, *shape: int) -> torch.Tensor:
    """Return an array of a buffer."""
    size = int(np.prod(shape))
    return buffer.cpu()[offset : offset + size].reshape(shape)


def table_of(rows) -> torch.Tensor:
    """Return the rows of a launch."""
    return torch.tensor(rows, dtype=torch.int64, device=DEVICE)


def channels_first(array: np.ndarray) -> torch.Tensor:
    """(B, height, width, channels) as torch reads it, float64."""
    return torch.from_numpy(array).to(torch.float64).permute(0, 3, 1, 2)


def channels_last(tensor: torch.Tensor) -> torch.Tensor:
    """(B, channels, height, width) as kernels write it."""
    return tensor.permute(0, 2, 3, 1)
