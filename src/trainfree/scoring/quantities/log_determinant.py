"""ln |det K| of a kernel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def log_abs_determinant(matrix: NDArray[np.float64]) -> float:
    """Return ln |det matrix|; −inf where elimination meets an exact zero pivot.

    The sign of the determinant is ignored, as in the published code.
    """
    _, value = np.linalg.slogdet(matrix)
    return float(value)
