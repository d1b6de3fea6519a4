"""Kernels of the mini-batch's pass compile for GPUs that are not there: no spills, tensor cores."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.usefixtures("one_thread")

SCRIPT = Path(__file__).with_name("compile_steps.py")


def compile_for(capability, cache, *arguments):
    environment = {**os.environ, "TRITON_CACHE_DIR": str(cache)}
    environment.pop("TRITON_INTERPRET", None)
    command = [sys.executable, str(SCRIPT), capability, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_usual_steps_compile(tmp_path):
    compile_for("90", tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("capability", ["80", "89", "90"])
def test_all_steps_compile(capability, tmp_path):
    compile_for(capability, tmp_path, "all")
