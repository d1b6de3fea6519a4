"""Kernels run on the CPU here, by Triton's interpreter, where there is no GPU.

Triton decides when a kernel's module is imported, so nothing outside this folder may import one.
"""

from __future__ import annotations

import os

import pytest
import torch

if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"


def pytest_pycollect_makemodule() -> None:
    """Skip the folder where Triton is missing, which cannot be done while this file is read."""
    pytest.importorskip("triton", reason="no Triton: install the extra dev to test kernels")


@pytest.fixture
def few_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Share whole networks' steps among fewer programs: an interpreted one takes long to start."""
    from trainfree.scoring.gpu_kernels import drawing, products

    if not torch.cuda.is_available():
        monkeypatch.setattr(products, "_MOST_PARTS", 1)
        monkeypatch.setattr(drawing, "_PARTS", 1)
