"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# No test asserts a time, and hypothesis's default deadline of 200 ms is such an assertion.
settings.register_profile("trainfree", deadline=None)
settings.load_profile("trainfree")

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with real benchmark tables and images, or a skip with the reason."""
    named = os.environ.get("TRAINFREE_MIRROR")
    folder = Path(named) if named else REPOSITORY.parent / "shared" / "data"
    if not (folder / "nasbench201").is_dir():
        pytest.skip(f"no real data: {folder} has no nasbench201 folder (set TRAINFREE_MIRROR)")
    return folder
