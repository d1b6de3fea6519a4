"""The view of a run that is going on: on a real terminal, in a pipe, by Snakemake's options."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from trainfree.workflow.job_progress import SUFFIX, JobProgress, file_beside, job_progress
from trainfree.workflow.plan import PLAN, STAGES, read_plan, stage_of

ESCAPE = "\x1b"
SNAKEFILE = """
from trainfree.workflow.environment import announce_run
from trainfree.workflow.lock import hold_run_lock
from trainfree.workflow.plan import write_plan

announce_run()


onstart:
    hold_run_lock(workflow)
    write_plan(workflow)


onerror:
    from trainfree.terminal.logs import failures

    print(*failures(Path()), sep="\\n")


rule all:
    input:
        "results/r/report.html",


rule score_shard:
    output:
        "results/r/scores/{shard}.h5",
    log:
        "logs/r/score_shard/{shard}.log",
    benchmark:
        "logs/r/benchmarks/score_shard/{shard}.tsv"
    shell:
        "python job.py {wildcards.shard} {output} > {log} 2>&1"


rule write_report:
    input:
        "results/r/scores/one.h5",
        "results/r/scores/two.h5",
    output:
        "results/r/report.html",
    log:
        "logs/r/write_report.log",
    benchmark:
        "logs/r/benchmarks/write_report.tsv"
    shell:
        "python job.py report {output} > {log} 2>&1"
"""
JOB = """
import sys, time
from pathlib import Path
from trainfree import progress
from trainfree.workflow import job_progress
job_progress._SECONDS_BETWEEN = 0.2
with job_progress.told_beside_log():
    for _ in progress.track(range(30), sys.argv[1]):
        time.sleep(float(Path("pause").read_text()))
    if Path("bad").exists() and sys.argv[1] == Path("bad").read_text():
        print("Traceback (most recent call last):\\n  File nowhere")
        sys.exit("trainfree: error: images.h5: no such file;\\n  make it first \\x1b[2J")
    Path(sys.argv[2]).write_text("made")
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A tiny workflow whose jobs count to thirty."""
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    (tmp_path / "job.py").write_text(JOB)
    (tmp_path / "pause").write_text("0.03")
    return tmp_path


def arguments(*more: str) -> list[str]:
    program = str(Path(sys.executable).parent / "snakemake")
    return [program, "--cores", "2", "--nolock", "--keep-going", "--logger", "trainfree", *more]


def environment(**more: str) -> dict[str, str]:
    own = Path(__file__).parent.parent / "src"
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    kept = {key: value for key, value in os.environ.items() if key != "TRAINFREE_RUN"}
    return {**kept, "PYTHONPATH": str(own), "PATH": path, "TERM": "xterm-256color", **more}


def piped(folder: Path, *more: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        arguments(*more),
        cwd=folder,
        env=environment(**variables),
        capture_output=True,
        text=True,
        check=False,
    )


@dataclass
class Terminal:
    """A command in a pseudo-terminal."""

    process: subprocess.Popen[bytes]
    own: int
    shown: str = ""

    def read(self, until: str | None = None, seconds: float = 120.0) -> str:
        """Read what it shows to its end, or until a text is there."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and (until is None or until not in self.shown):
            if select.select([self.own], [], [], 0.2)[0]:
                try:
                    data = os.read(self.own, 65536)
                except OSError:
                    break
                if not data:
                    break
                self.shown += data.decode(errors="replace")
            elif self.process.poll() is not None:
                break
        assert until is None or until in self.shown, self.shown
        return self.shown


@pytest.fixture
def terminal(folder: Path) -> Iterator:
    opened = []

    def start(*command: str, cwd: Path = folder) -> Terminal:
        own, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (40, 110))
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=environment(),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            preexec_fn=_controlled_by(theirs),
        )
        opened.append((process, own, theirs))
        return Terminal(process, own)

    yield start
    for process, own, theirs in opened:
        if process.poll() is None:
            process.kill()
            process.wait()
        os.close(own)
        os.close(theirs)


def _controlled_by(theirs: int):
    def become() -> None:
        import fcntl

        os.setsid()
        fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)

    return become


def require_cursor(shown: str) -> None:
    hidden, visible = shown.rfind("\x1b[?25l"), shown.rfind("\x1b[?25h")
    assert visible > hidden


def test_every_rule_has_a_stage(repository):
    text = "\n".join(path.read_text() for path in (repository / "rules").glob("*.smk"))
    names = [*re.findall(r"^rule (\w+):", text, re.MULTILINE), "tabulate_correlations"]
    assert len(names) > 30
    assert {name: stage_of(name) for name in names if stage_of(name) == "other"} == {}
    assert {stage_of(name) for name in names} == {*STAGES} - {"other"}


def test_a_terminal_shows_stages_jobs_and_time_left(folder, terminal):
    (folder / "pause").write_text("0.15")
    run = terminal(*arguments())
    shown = run.read()
    assert run.process.wait() == 0
    assert "reading rules, planning jobs" in shown
    assert re.search(r"score .*0 of 2", shown)
    assert re.search(r"report .*0 of 1", shown)
    assert re.search(r"scores/one\.h5\s+\S*\d+ of 30, about \d+ s left", shown)
    assert re.search(r"\d+ % done in \d+ s, about \d+ s left", shown)
    assert "3 of 3 jobs done in" in shown
    assert "Select jobs" not in shown
    assert "rule score_shard" not in shown
    require_cursor(shown)
    for path in (folder / "logs").rglob("*.log"):
        assert ESCAPE not in path.read_text()
    assert not list((folder / "logs").rglob(f"*{SUFFIX}*"))


def test_a_pipe_gets_plain_lines_and_the_sentence_of_a_failure(folder):
    (folder / "bad").write_text("two")
    done = piped(folder, FORCE_COLOR="1")
    told = done.stderr
    assert done.returncode == 1
    assert re.search(r"^\d of 3 jobs, \d+ % done in \d+ s, ", told, re.MULTILINE)
    sentence = r"images.h5: no such file; make it first \x1b[2J (logs/r/score_shard/two.log)"
    assert f"scores/two.h5 failed: {sentence}" in told
    assert "1 of 3 jobs done, 1 failed in" in told
    assert "Traceback" not in told + done.stdout
    assert "CalledProcessError" not in told + done.stdout
    assert ESCAPE not in told
    assert not list((folder / "logs").rglob(f"*{SUFFIX}*"))


def test_a_killed_job_is_named(folder):
    (folder / "job.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n")
    told = piped(folder).stderr
    assert "scores/one.h5 failed: ended without a message: killed, or out of memory" in told


def test_quiet_is_quiet(folder):
    (folder / "pause").write_text("0")
    for words in (["--quiet"], ["--quiet", "progress"]):
        done = piped(folder, "--forceall", *words)
        assert done.returncode == 0
        assert "% done" not in done.stderr
        assert "jobs done" not in done.stderr
    assert "3 of 3 jobs done" in piped(folder, "--forceall", "--quiet", "rules").stderr


def test_a_dry_run_and_details_are_snakemakes_own(folder):
    (folder / "pause").write_text("0")
    for words in (["--dry-run"], ["--printshellcmds", "--forceall"]):
        ours = piped(folder, *words)
        theirs = subprocess.run(
            [word for word in arguments(*words) if word not in ("--logger", "trainfree")],
            cwd=folder,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        for first, second in ((ours.stdout, theirs.stdout), (ours.stderr, theirs.stderr)):
            dated = re.compile(
                r"^(\[.*\]|.*(ost:|ID:|Command:|log\(s\)|Elapsed|tmpdir|Date:|Finished|of 4).*)$",
                re.M,
            )
            words, others = (re.split(r"[\s,]+", dated.sub("", text)) for text in (first, second))
            assert sorted(words) == sorted(others)


def test_interrupting_leaves_the_terminal_in_order(folder, terminal):
    (folder / "pause").write_text("0.5")
    run = terminal(*arguments())
    before = termios.tcgetattr(run.own)
    run.read(until="of 30")
    os.write(run.own, b"\x03")
    shown = run.read()
    assert run.process.wait() != 0
    assert "Terminating processes on user request" in shown
    assert "0 of 3 jobs done" in shown
    require_cursor(shown)
    assert termios.tcgetattr(run.own) == before


def test_whoever_kills_the_run_keeps_the_cursor(folder, terminal):
    (folder / "pause").write_text("0.5")
    run = terminal(*arguments())
    run.read(until="of 30")
    run.process.send_signal(signal.SIGKILL)
    require_cursor(run.read())


def test_another_workflow_is_left_to_snakemake(folder):
    (folder / "pause").write_text("0")
    text = SNAKEFILE.replace("    write_plan(workflow)\n", "")
    (folder / "Snakefile").write_text(text)
    told = piped(folder).stderr
    assert "Finished jobid" in told
    assert "jobs done in" not in told


def test_a_run_can_be_followed_from_elsewhere(folder, terminal):
    (folder / "pause").write_text("0.3")
    run = subprocess.Popen(
        arguments(), cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        while not list(folder.rglob(f"*{SUFFIX}")):
            assert run.poll() is None
            time.sleep(0.1)
        follow = [sys.executable, "-m", "trainfree", "status", "--follow"]
        watching = terminal(*follow)
        watching.read(until="of 30")
        assert watching.read().count("3 of 3 jobs done") == 1
        assert watching.process.wait() == 0
    finally:
        run.communicate()
    idle = subprocess.run(follow, cwd=folder, env=environment(), capture_output=True, text=True)
    assert (idle.returncode, idle.stdout) == (0, "no run is active in this folder\n")


@pytest.mark.workflow
def test_plain_snakemake_shows_it_by_the_default_profile(repository, tmp_path, terminal):
    program = str(Path(sys.executable).parent / "snakemake")
    options = ["--snakefile", str(repository / "Snakefile"), "--directory", str(tmp_path)]
    config = ["--configfile", str(repository / "config/test.yaml")]
    command = [program, "--cores", "2", *options, *config, "--", "data/images/generated.h5"]
    run = terminal(*command, cwd=tmp_path)
    shown = run.read()
    assert run.process.wait() == 0
    assert "images/generated.h5" in shown
    assert "1 of 1 jobs done" in shown
    assert [job.rule for job in read_plan(tmp_path).jobs] == ["prepare_images"]


def test_a_plan_of_another_version_or_half_a_file_is_none(tmp_path):
    (tmp_path / PLAN).parent.mkdir()
    for text in ("", "[]", '{"process": 1}', '{"jobs": [{"rule": 3}]}'):
        (tmp_path / PLAN).write_text(text)
        assert read_plan(tmp_path) is None
        file_beside(tmp_path / "a.log").write_text(text)
        assert job_progress(tmp_path / "a.log") is None


def test_the_first_of_many_items_says_nothing_of_the_others(tmp_path):
    values = {"begun": 0, "told": 130.0, "done": 11, "total": 101, "since": 110.0, "base": 1}
    file_beside(tmp_path / "a.log").write_text(json.dumps(values))
    told = job_progress(tmp_path / "a.log")
    assert told.seconds_left(130.0) == pytest.approx(180)
    assert told.seconds_left(140.0) == pytest.approx(170)
    assert told.seconds_left(9999.0) == pytest.approx(9)  # late, and not ended
    assert JobProgress(0, 5, done=1, total=101, since=5, base=1).seconds_left(6) is None
    assert JobProgress(0, 5, done=1, total=3, since=1).seconds_left(5) == pytest.approx(8)


def test_counting_jobs_import_after_it_is_told(repository):
    """The command replaces what counts before any job's module has taken it."""
    code = (
        "import sys, trainfree.cli\n"
        "print([n for n, m in sys.modules.items() if n.startswith('trainfree')"
        " and hasattr(m, 'track') and n != 'trainfree.progress'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
