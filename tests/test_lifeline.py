"""Jobs end with the run that started them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from trainfree.errors import TrainfreeError
from trainfree.lifeline import VARIABLE, announce_run, require_run


@pytest.fixture(autouse=True)
def _restored(monkeypatch):
    monkeypatch.setenv(VARIABLE, "")


def test_a_living_run_and_no_run_are_fine():
    require_run()
    announce_run()
    assert os.environ[VARIABLE] == f"{socket.gethostname()}:{os.getpid()}"
    require_run()


def test_a_dead_run_ends_the_job(monkeypatch):
    dead = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    monkeypatch.setenv(VARIABLE, f"{socket.gethostname()}:{dead}")
    with pytest.raises(TrainfreeError, match=f"process {dead}"):
        require_run()
    monkeypatch.setenv(VARIABLE, f"another-machine:{dead}")
    require_run()
