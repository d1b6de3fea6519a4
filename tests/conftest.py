"""Fixtures shared by all tests."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# No test asserts a time, and hypothesis's default deadline of 200 ms is such an assertion.
settings.register_profile("trainfree", deadline=None, max_examples=50)
settings.load_profile("trainfree")

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Torch has one thread while a module's tests run; for small networks more only cost time."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def scratch_registry(monkeypatch) -> None:
    """A registry of proxies that is forgotten behind the test.

    All of the suite are in it: one that is first imported within the test would be forgotten, too.
    """
    from trainfree.proxies import PROXY_NAMES, load_proxy, registry

    for name in PROXY_NAMES:
        load_proxy(name)
    monkeypatch.setattr(registry, "_REGISTRY", dict(registry._REGISTRY))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with real benchmark tables and images, or a skip with the reason."""
    named = os.environ.get("TRAINFREE_MIRROR")
    folder = Path(named) if named else REPOSITORY.parent / "shared" / "data"
    if not (folder / "nasbench201").is_dir():
        pytest.skip(f"no real data: {folder} has no nasbench201 folder (set TRAINFREE_MIRROR)")
    return folder


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A headless Chromium, or a skip with the reason.

    It is driven by Playwright, and looked for under its usual names or taken from the environment
    variable TRAINFREE_BROWSER.
    """
    driving = pytest.importorskip(
        "playwright.sync_api", reason="no Playwright: install the extra dev to test in a browser"
    )
    named = os.environ.get("TRAINFREE_BROWSER")
    program = named or next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        names = ", ".join(BROWSERS)
        pytest.skip(f"no browser: none of {names} is installed (set TRAINFREE_BROWSER)")
    options = ["--disable-dev-shm-usage", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with driving.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=program, args=options)
        yield opened
        opened.close()
