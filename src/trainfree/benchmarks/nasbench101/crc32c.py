"""CRC-32C (Castagnoli), the checksum of the TFRecord format, compiled."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trainfree.compilation import compiled

POLYNOMIAL = 0x82F63B78
_MASK_DELTA = 0xA282EAD8


def _table() -> NDArray[np.uint32]:
    entries = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        entries = np.where(entries & 1, entries >> 1 ^ np.uint32(POLYNOMIAL), entries >> 1)
    return entries.astype(np.uint32)


_TABLE = _table()


def crc32c(data: bytes) -> int:
    """Return the CRC-32C of ``data``."""
    return int(_crc32c(np.frombuffer(data, dtype=np.uint8), _TABLE))


def masked_crc32c(data: bytes) -> int:
    """Return the checksum as TFRecord files store it: rotated right by 15 bits plus a constant."""
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF


@compiled()
def _crc32c(data: NDArray[np.uint8], table: NDArray[np.uint32]) -> np.uint32:
    crc = np.uint32(0xFFFFFFFF)
    for byte in data:
        crc = np.uint32(crc >> np.uint32(8)) ^ table[np.uint8(crc) ^ byte]
    return crc ^ np.uint32(0xFFFFFFFF)
