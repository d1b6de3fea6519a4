"""What logs tell of the jobs that failed: each reason once, at the end of a run."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from trainfree.terminal.logs import NO_MESSAGE, error_in, failed_logs, failures

SHARDS = "logs/default/score_shard/s"


def write(path: Path, text: str, at: float | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    if at is not None:
        os.utime(path, (at, at))
    return path


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Path]:
    """A folder in which a run goes on that began at 1000 s of the epoch."""
    lock = write(tmp_path / ".snakemake" / "trainfree.lock", f"{os.getpid()}\n", at=1000)
    with lock.open() as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield tmp_path


def snakemakes(folder: Path, text: str) -> None:
    write(folder / ".snakemake/log/2026-01-02.snakemake.log", text)


def command_failed(log: str, how: str = "returned non-zero exit status 2") -> str:
    """What Snakemake says of a failed command, also with ``--quiet rules``."""
    return (
        'RuleException:\nCalledProcessError in file "rules/score.smk", line 3:\n'
        f"Command 'set -euo pipefail;  python -m trainfree score > {log} 2>&1' {how}.\n"
    )


def error_in_rule(log: str, job: int = 3) -> str:
    return (
        f"Error in rule score_shard:\n    message: None\n    jobid: {job}\n"
        f"    log: {log} (check log file(s) for error details)\n    shell:\n        x\n"
    )


def test_one_line_a_reason(running: Path):
    for number in range(5):
        write(running / f"{SHARDS}{number}.log", "trainfree: error: a.h5: cut;\n  make it\n")
    write(running / "logs/default/search.log", "Traceback (…):\nMemoryError: full\n")
    write(running / "logs/default/well.log", "3 of 3\n")
    write(running / "logs/default/earlier.log", "trainfree: error: of old\n", at=500)
    assert failures(running) == [
        "5 jobs failed: a.h5: cut; make it "
        f"({SHARDS}0.log, {SHARDS}1.log, {SHARDS}2.log and 2 more)",
        "1 job failed: MemoryError: full (logs/default/search.log)",
    ]


@pytest.mark.parametrize(
    "how", ["returned non-zero exit status 137", "died with <Signals.KILL: 9>"]
)
@pytest.mark.parametrize("name", ["a.log", "with space.log", "it's.log"])
def test_a_killed_job_is_named_though_snakemake_is_quiet(running: Path, how: str, name: str):
    log = f"logs/default/{name}"
    write(running / log, "a: 20 of 243, about 9 s left\n")
    quoted = subprocess.run(
        [sys.executable, "-c", "import shlex, sys; print(shlex.quote(sys.argv[1]))", log],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    snakemakes(running, command_failed(quoted, how))
    assert failed_logs(running) == {running / log}
    assert failures(running) == [f"1 job failed: {NO_MESSAGE} ({log})"]


def test_a_job_that_ended_well_at_last_has_not_failed(running: Path):
    first, second = f"{SHARDS}0.log", f"{SHARDS}1.log"
    for log in (first, second):
        write(running / log, "243 of 243\n", at=2000)
    cost = running / "logs/default/benchmarks/score_shard/s1.tsv"
    write(cost, "s\n1.0\n", at=2001)
    told = command_failed(first) + error_in_rule(first) + "Finished jobid: 3 (Rule: score_shard)\n"
    snakemakes(running, told + command_failed(second))
    assert failures(running) == []


def test_several_logs_of_a_job_are_all_meant(running: Path):
    for name in ("a.log", "b.log"):
        write(running / "logs/default" / name, "")
    snakemakes(running, error_in_rule("logs/default/a.log, logs/default/b.log"))
    assert failed_logs(running) == {running / "logs/default/a.log", running / "logs/default/b.log"}


def test_a_user_who_stops_a_job_is_no_error(tmp_path: Path):
    log = write(tmp_path / "a.log", 'Traceback (…):\n  File "x.py"\nKeyboardInterrupt\n')
    assert error_in(log) == ""


@pytest.mark.workflow
def test_the_sentence_of_a_failed_job_is_on_the_screen(repository: Path, tmp_path: Path):
    config = "datasets: [generated]\nspace: nasbench201_mini\nsources: {order: [mirror]}\n"
    write(tmp_path / "mine.yaml", config)
    files = [str(repository / "config" / "test.yaml"), str(tmp_path / "mine.yaml")]
    done = subprocess.run(
        [
            *(str(Path(sys.executable).parent / "snakemake"), "data/images/generated.h5"),
            *("--cores", "1", "--quiet", "rules", "--configfile", *files),
            *("--snakefile", str(repository / "Snakefile"), "--directory", str(tmp_path)),
        ],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "TRAINFREE_MIRROR": str(tmp_path)},
    )
    assert done.returncode == 1
    told = [line for line in (done.stdout + done.stderr).splitlines() if "1 job failed: " in line]
    assert len(told) == 1
    assert "mirror" in told[0]
    assert "(logs/" in told[0]
