"""Jobs end with the run that started them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from test_search_lookups import FULL, write_benchmark
from test_search_run import entry

from trainfree.cli import main
from trainfree.errors import TrainfreeError
from trainfree.parent_process import VARIABLE, announce_run, end_with_run, require_run
from trainfree.processes import this_process
from trainfree.search.plan import make_plan

HOST = socket.gethostname()
# A run: it starts the job that it is given and, killed with SIGKILL, cannot stop it.
RUN = """
import subprocess, sys
from trainfree.parent_process import announce_run
announce_run()
job = subprocess.Popen(sys.argv[2:], start_new_session=True, stderr=open(sys.argv[1], "w"))
print(job.pid, flush=True)
job.wait()
"""
# Jobs: in Python, in compiled code, with a child of their own, and one that writes for long.
JOBS = {
    "in Python": "while True: pass",
    "in compiled code": (
        "import numpy as np; a = np.random.rand(3000, 3000)\nwhile True: np.linalg.svd(a)"
    ),
    "deaf to signals": (
        "import signal, time\n"
        "for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):\n"
        "    signal.signal(each, signal.SIG_IGN)\n"
        "while True:\n"
        "    try: time.sleep(60)\n"
        "    except BaseException: pass"
    ),
}
WATCHED = (
    "from trainfree.parent_process import end_with_run\nend_with_run(2)\nprint('on', flush=True)\n"
)


@pytest.fixture(autouse=True)
def _restored(monkeypatch):
    monkeypatch.setenv(VARIABLE, "")


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., tuple[subprocess.Popen[str], int]]]:
    """Starts a run with one job; returns the run and the job's number."""
    started: list[tuple[subprocess.Popen[str], int]] = []

    def start_one(*job: str) -> tuple[subprocess.Popen[str], int]:
        run = subprocess.Popen(
            [sys.executable, "-c", RUN, str(tmp_path / "said"), *job],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert run.stdout is not None
        started.append((run, int(run.stdout.readline())))
        return started[-1]

    yield start_one
    for run, job in started:
        run.kill()
        run.wait()
        with suppress(ProcessLookupError):
            os.killpg(job, signal.SIGKILL)


def kill(run: subprocess.Popen[str]) -> None:
    run.kill()
    run.wait()


def wait_until(done: Callable[[], bool]) -> None:
    """Wait; a test that would wait for ever ends with the run of the tests instead."""
    while not done():
        time.sleep(0.02)


def is_gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state == "Z"


def test_a_living_run_and_no_run_are_fine():
    require_run()
    announce_run()
    assert os.environ[VARIABLE].startswith(f"{HOST}:{os.getpid()}:")
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


def test_a_number_that_is_another_process_by_now_is_no_run(monkeypatch):
    me = this_process()
    monkeypatch.setenv(VARIABLE, f"{HOST}:{me.pid}:1{me.start}")
    with pytest.raises(TrainfreeError, match="has ended"):
        require_run()
    monkeypatch.setenv(VARIABLE, f"{HOST}:1:1{me.start}")
    with pytest.raises(TrainfreeError, match="has ended"):
        end_with_run(2)
    for nonsense in ("x", ":", f"{HOST}:", f"{HOST}:a:b", f"{HOST}"):
        monkeypatch.setenv(VARIABLE, nonsense)
        require_run()


def test_no_command_begins_for_a_run_that_is_gone(monkeypatch, capsys):
    monkeypatch.setenv(VARIABLE, f"{HOST}:{os.getpid()}:1")
    assert main(["config-schema"]) == 2
    assert "the run that started this job" in capsys.readouterr().err


def test_nobody_watches_where_there_is_no_run(monkeypatch):
    import threading

    for nobody in ("", f"another-{HOST}:1:1"):
        monkeypatch.setenv(VARIABLE, nobody)
        end_with_run(2)
    announce_run()
    end_with_run(2)  # the run itself
    assert "parent process" not in [thread.name for thread in threading.enumerate()]


@pytest.mark.parametrize("work", JOBS)
def test_a_job_ends_soon_after_its_run_whatever_it_does(start, tmp_path, work):
    run, job = start(sys.executable, "-c", WATCHED + JOBS[work])
    assert run.stdout.readline() == "on\n"
    assert not is_gone(job)
    kill(run)
    wait_until(lambda: is_gone(job))
    assert "the run that started this job" in (tmp_path / "said").read_text()


def test_what_a_job_has_started_ends_with_it(start):
    code = (
        f"{WATCHED}import subprocess\n"
        "child = subprocess.Popen(['sh', '-c', 'sleep 600 & echo $!; wait'], text=True,\n"
        "                         stdout=subprocess.PIPE, start_new_session=True)\n"
        "print(child.pid, child.stdout.readline(), flush=True)\n"
        "child.wait()\n"
    )
    run, job = start(sys.executable, "-c", code)
    run.stdout.readline()
    shell, sleeper = map(int, run.stdout.readline().split())
    kill(run)
    wait_until(lambda: all(map(is_gone, (job, shell, sleeper))))


def test_a_long_search_of_a_killed_run_ends_and_replaces_nothing(start, tmp_path):
    write_benchmark(tmp_path / "b.h5", FULL)
    plan = make_plan("mine", entry("rea", signal="accuracy"), runs=1_600_000, budgets=[60])
    output = tmp_path / "search.h5"
    output.write_text("newer")
    run, job = start(
        *(sys.executable, "-m", "trainfree", "search", "--space", "nasbench201_mini"),
        *("--dataset", "cifar10", "--seed", "0", "--plan", plan.json),
        *("--benchmark", str(tmp_path / "b.h5"), "--output", str(output)),
    )
    threads = Path(f"/proc/{job}/task")
    wait_until(lambda: is_gone(job) or len(list(threads.iterdir())) > 1)
    kill(run)
    wait_until(lambda: is_gone(job))
    assert "the run that started this job" in (tmp_path / "said").read_text()
    assert output.read_text() == "newer"


def test_an_orphan_moves_nothing_into_place_even_unwatched(start, tmp_path):
    """The last moment before a file is replaced is guarded by itself."""
    output = tmp_path / "x.txt"
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from trainfree.errors import TrainfreeError\n"
        "from trainfree.files.writing import write_atomically\n"
        "def write(temporary):\n"
        "    temporary.write_text('old settings')\n"
        "    print('writing', flush=True)\n"
        "    while not Path(sys.argv[1] + '.go').exists(): pass\n"
        "try: write_atomically(Path(sys.argv[1]), write)\n"
        "except TrainfreeError as error: sys.exit(f'{error}')\n"
    )
    run, job = start(sys.executable, "-c", code, str(output))
    assert run.stdout.readline() == "writing\n"
    kill(run)
    output.write_text("newer")
    (tmp_path / "x.txt.go").touch()
    wait_until(lambda: is_gone(job))
    assert "the run that started this job" in (tmp_path / "said").read_text()
    assert output.read_text() == "newer"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["said", "x.txt", "x.txt.go"]
