"""``make bench-gpu`` on machines that have little: no GPU, and few packages."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("triton", reason="no Triton: install the extra dev to test the GPU's kernels")

MISSING = (
    *("pydantic", "scipy", "rich", "matplotlib", "jinja2", "snakemake"),
    *("h5netcdf", "yaml", "PIL"),
)
TUNED = ("convolve", "combine", "multiply")
BARE = """
import runpy, sys
for name in {missing}:
    sys.modules[name] = None
sys.argv = ["gpu.py", *sys.argv[1:]]
runpy.run_path({script!r}, run_name="__main__")
"""


def run(repository: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the script where packages that a bare machine lacks cannot be imported."""
    folder = repository / "benchmarks"
    code = BARE.format(missing=MISSING, script=str(folder / "gpu.py"))
    environment = {**os.environ, "PYTHONPATH": str(folder), "CUDA_VISIBLE_DEVICES": ""}
    environment.pop("TRITON_INTERPRET", None)
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_a_gpu_it_says_so(repository):
    done = run(repository)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("no GPU was found (torch ")


def test_the_smallest_case_of_every_part_runs_on_a_bare_machine(repository, tmp_path):
    done = run(repository, "--interpret", "--seconds", "10000", "--output", str(tmp_path))
    assert done.returncode == 0, done.stderr + done.stdout
    rows = read(tmp_path / "results.csv")
    parts = list(dict.fromkeys(row["part"] for row in rows))
    assert parts == [
        *("engine", "torch", "published", "convolutions", "agreement", "repetition"),
        *("kernels", "sweeps", "proxies", "nasbench101", "sizes", "end"),
    ]
    for row in rows:
        assert f"{row['part']:13s} {row['what']}" in done.stdout
        if row["unit"] in ("ms/arch", "s"):
            assert float(row["value"]) > 0, row
    repeated = [row["value"] for row in rows if row["part"] == "repetition"]
    assert set(repeated) == {"the same bits"}
    nats = {row["what"]: float(row["value"]) for row in rows if row["unit"] == "nats"}
    assert max(nats.values()) < 1e-3, nats
    assert all("-inf: the same 1;" in row["note"] for row in rows if row["unit"] == "nats")
    launches = {row["kind"] for row in read(tmp_path / "launches_float32.csv")}
    assert {"draw", "convolve", "normalise", "combine", "multiply", "flow_convolve"} <= launches
    assert {row["fact"] for row in read(tmp_path / "machine.csv")} >= {"card", "torch", "triton"}


def test_parts_are_skipped_where_no_time_is_left(repository, tmp_path):
    done = run(repository, "--interpret", "--seconds", "0", "--output", str(tmp_path))
    assert done.returncode == 0, done.stderr
    rows = read(tmp_path / "results.csv")
    assert [row["what"] for row in rows[:-1]] == ["skipped"] * (len(rows) - 1)
    assert len(rows) == 13


@pytest.mark.slow
def test_tuning_times_other_choices(repository, tmp_path):
    arguments = ("--interpret", "--tune", "--seconds", "10000", "--output", str(tmp_path))
    done = run(repository, *arguments)
    assert done.returncode == 0, done.stderr
    rows = read(tmp_path / "tuning.csv")
    tried = {kind: {row["choice"] for row in rows if row["kind"] == kind} for kind in TUNED}
    assert all(len(choices) == 2 and "as it is" in choices for choices in tried.values()), tried
    assert all(float(row["milliseconds"]) > 0 for row in rows)


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))
