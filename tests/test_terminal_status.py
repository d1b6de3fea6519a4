"""The state of a run: what is there, what is not, what failed and why."""

from __future__ import annotations

import fcntl
import json
import os
import re
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from analysis_fixtures import ERROR, write_scores
from terminal_fixtures import (
    SIZE,
    make_run,
    screen,
    write_run_benchmark,
    write_run_images,
    write_run_scores,
)

from trainfree import cli
from trainfree.cli.terminal import run_of
from trainfree.terminal.run import jobs_of
from trainfree.terminal.status import show_status
from trainfree.workflow.job_progress import JobProgress, file_beside
from trainfree.workflow.lock import running_since
from trainfree.workflow.plan import PLAN, Plan, PlannedJob

SHARD_LOG = "logs/test/score_shard/nasbench201_mini/generated/b8-pytorch-images-s0/000-242.log"


def status(run, **options) -> tuple[int, str]:
    shown, stream = screen()
    return show_status(run, shown, **options), stream.getvalue()


def rows(text: str, title: str) -> list[list[str]]:
    """The cells of a table, by the columns of its first line."""
    lines = text.split(f"\n{title}\n", 1)[1].split("\n\n")[0].splitlines()
    return [line.split() for line in lines[1:]]


def stages(text: str) -> dict[str, str]:
    return {row[2]: " ".join((*row[:2], *row[3:])) for row in rows(text, "Stages")}


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.fixture
def run(tmp_path):
    return make_run(tmp_path)


def test_before_the_first_run_everything_is_to_do(run):
    code, text = status(run)
    assert code == 0
    assert "no run is active" in text
    assert stages(text)["shards"] == "0 3 3 to do"
    assert stages(text)["searches"] == "0 2 2 to do"
    assert "generated 000-242, generated 243-485, generated 486-728" in text


def test_only_all_names_every_job(run):
    many = make_run(run.folder, shard_size=40)
    assert "and 13 more (--all)" in status(many)[1]
    full = status(many, every=True)[1]
    assert "more (--all)" not in full
    assert "generated 720-728" in full


def test_what_is_there_is_done_and_the_rest_is_estimated(run):
    write_run_benchmark(run)
    write_run_images(run)
    write_run_scores(run, path=run.shards("generated")[0])
    cost = Path(SHARD_LOG).relative_to("logs/test").with_suffix(".tsv")
    write(run.logs / "benchmarks" / cost, "s\th:m:s\n120.5\t0:02:00\n")
    text = status(run)[1]
    assert stages(text)["accuracies"] == "1 1 done"
    assert stages(text)["shards"] == "1 3 2 to do; about 4 min of work left (2 min a job)"


def test_other_settings_and_other_code_are_outdated(run):
    write_run_images(run)
    write_run_scores(run, config_hash="0" * 16)
    first, second, _ = run.shards("generated")
    write_run_scores(run, path=first, code_hash="1" * 16)
    write_run_scores(run, path=second)
    code, text = status(run)
    assert code == 0
    assert stages(text)["scores"] == "0 1 1 outdated"
    assert stages(text)["shards"] == "1 3 1 outdated, 1 to do"
    assert "generated: made with other settings" in text
    assert "generated 000-242: made by other code" in text


def test_what_is_made_of_undone_things_is_outdated(run):
    write_run_images(run)
    for path in run.shards("generated"):
        write_run_scores(run, path=path)
    write_run_scores(run)
    assert stages(status(run)[1])["scores"] == "1 1 done"
    write(run.results / "report/index.html", "<html>")
    run.shards("generated")[1].unlink()
    text = status(run)[1]
    assert stages(text)["shards"] == "2 3 1 to do"
    assert stages(text)["scores"] == "0 1 1 outdated"
    assert stages(text)["report"] == "0 1 1 outdated"
    assert "generated: made from outdated files" in text


def test_a_damaged_file_is_named(run):
    path = write_run_scores(run)
    path.write_bytes(path.read_bytes()[:3000])
    code, text = status(run)
    assert code == 1
    assert stages(text)["scores"] == "0 1 1 damaged"
    assert "truncated" in text
    assert str(path) in text


def test_the_reason_of_a_failure_is_read_from_the_log(run):
    write(run.folder / SHARD_LOG, "a line\ntrainfree: error: a.h5: no such file;\n  make it\n")
    other = run.logs / "merge_scores/nasbench201_mini/generated/b8-pytorch-images-s0.log"
    write(other, 'Traceback (most recent call last):\n  File "x.py"\nMemoryError: \x1b[2Jfull\n')
    code, text = status(run)
    assert code == 1
    assert stages(text)["shards"] == "0 3 1 failed, 2 to do"
    assert f"a.h5: no such file; make it ({run.folder / SHARD_LOG})" in text
    assert r"MemoryError: \x1b[2Jfull" in text
    assert "\x1b" not in text


def test_a_killed_job_is_known_from_snakemakes_log(run):
    write(run.folder / SHARD_LOG, "000-242: 20 of 243, about 9 s left\n")
    assert stages(status(run)[1])["shards"] == "0 3 1 stopped, 2 to do"
    written = (
        "rule score_shard:\n    log: logs/other.log\n"
        "Error in rule score_shard:\n    message: None\n    jobid: 3\n"
        f"    log: {SHARD_LOG} (check log file(s) for error details)\n    shell:\n        x\n"
    )
    write(run.folder / ".snakemake/log/2026-01-02.snakemake.log", written)
    code, text = status(run)
    assert code == 1
    assert stages(text)["shards"] == "0 3 1 failed, 2 to do"
    assert "ended without a message: killed, or out of memory" in text
    assert "logs/other.log" not in text
    write(run.folder / ".snakemake/log/2026-01-03.snakemake.log", "Select jobs to execute...\n")
    assert stages(status(run)[1])["shards"] == "0 3 1 stopped, 2 to do"


def test_what_ended_well_and_was_removed_was_not_stopped(run):
    """Figures that one job draws have one log, of an earlier run that had fewer of them, say."""
    log = write(run.folder / SHARD_LOG, "243 of 243\n")
    cost = write(
        run.logs / "benchmarks" / Path(SHARD_LOG).relative_to("logs/test").with_suffix(".tsv"),
        "s\n3.0\n",
    )
    os.utime(log, (1000, 1000))
    os.utime(cost, (1001, 1001))
    assert stages(status(run)[1])["shards"] == "0 3 3 to do"
    os.utime(log, (1002, 1002))  # it has begun again since
    assert stages(status(run)[1])["shards"] == "0 3 1 stopped, 2 to do"
    plots = write(run.logs / "plot_searches/nasbench201_mini/generated.log", "")
    write(run.logs / "benchmarks/plot_searches/nasbench201_mini/generated.tsv", "s\n1.0\n")
    os.utime(plots, (1000, 1000))
    assert "stopped" not in stages(status(run)[1])["figures"]


def test_a_run_that_is_going_on_is_seen_with_its_progress(run):
    lock = write(run.folder / ".snakemake" / "trainfree.lock", f"{os.getpid()}\n")
    os.utime(lock, (1000, 1000))
    old = write(run.logs / "prepare_images/generated.log", "trainfree: error: of old\n")
    os.utime(old, (500, 500))
    text = "000-242: 20 of 243, about 60 s left\n000-242: 40 of 243, about 50 s left\n"
    write(run.folder / SHARD_LOG, text)
    with lock.open() as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        code, text = status(run)
        assert code == 0
        assert f"workflow: running, process {os.getpid()}" in text
        assert stages(text)["shards"] == "0 3 1 running, 2 to do"
        assert stages(text)["images"] == "0 1 1 to do"  # it failed before this run
        assert "40 of 243, about 50 s left" in text
    assert running_since(run.folder) is None


def test_the_number_of_a_process_that_is_gone_is_no_run(run):
    done = subprocess.run(["sh", "-c", "echo $$"], capture_output=True, text=True, check=True)
    write(run.folder / ".snakemake" / "trainfree.lock", done.stdout)
    assert running_since(run.folder) is None
    write(run.folder / ".snakemake" / "trainfree.lock", "")
    assert running_since(run.folder) is None


def test_scores_are_counted_by_status_with_the_reasons(run):
    naswot = np.arange(SIZE) * 1.0
    naswot[:5] = -np.inf
    naswot[10] = np.nan
    codes = np.zeros(SIZE, dtype=int)
    codes[:5], codes[10] = 1, ERROR
    setting = run.settings["generated"]
    write_scores(
        run.scores("generated"),
        {"naswot": naswot, "params": np.ones(SIZE)},
        {"naswot": codes},
        config_hash=setting.hash,
    )
    text = status(run)[1]
    assert rows(text, "Scores on generated: 729 architectures") == [
        ["naswot", "723", "5", "1"],
        ["params", "729", "0", "0"],
    ]


def test_the_command_reads_the_configuration_as_the_workflow_does(
    repository, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(repository)
    options = ["--configfile", "config/test.yaml", "--folder", str(tmp_path)]
    assert cli.main(["status", *options]) == 0
    text = capsys.readouterr().out
    assert "configuration: config/config.yaml, config/test.yaml" in text
    assert stages(text)["searches"].startswith("0 12 12 to do")


@pytest.mark.workflow
@pytest.mark.xdist_group("clusters")
def test_the_jobs_are_those_of_the_workflow(repository, tmp_path, monkeypatch):
    """Snakemake's own plan, its outputs and logs, for the test configuration."""
    monkeypatch.chdir(repository)
    arguments = cli.parser().parse_args(
        ["status", "--configfile", "config/test.yaml", "--folder", "."]
    )
    jobs = jobs_of(run_of(arguments))
    program = str(Path(sys.executable).parent / "snakemake")
    places = ["--snakefile", str(repository / "Snakefile"), "--directory", str(tmp_path)]
    config = ["--configfile", str(repository / "config" / "test.yaml")]
    done = subprocess.run(
        [program, "--cores", "1", "--dry-run", *places, *config],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(repository / "src")},
    )
    theirs, outputs = set(), []
    for line in (done.stdout + done.stderr).splitlines():
        key, _, value = line.strip().partition(": ")
        if key == "output":
            outputs = value.split(", ")
        elif key == "log":
            theirs |= {(output, value) for output in outputs}
    assert {(str(path), str(job.log)) for job in jobs for path in job.outputs} == theirs


def test_how_far_the_whole_run_is_stands_above(run):
    lock = write(run.folder / ".snakemake" / "trainfree.lock", f"{os.getpid()}\n")
    cost = f"logs/test/benchmarks/{Path(SHARD_LOG).relative_to('logs/test')}"
    shard = PlannedJob("score_shard", "results/test/shards/000-242.h5", SHARD_LOG, cost)
    later = PlannedJob("merge_scores", "results/test/s.h5", "logs/test/m.log", "m.tsv", (0,))
    plan = Plan(os.getpid(), time.time() - 60, 0, 1.0, {"_cores": 2}, (shard, later))
    write(run.folder / PLAN, json.dumps(asdict(plan)))
    write(run.folder / SHARD_LOG, "")
    now = time.time()
    told = JobProgress(now - 40, now, done=80, total=243, since=now - 20, base=40)
    write(file_beside(run.folder / SHARD_LOG), json.dumps(asdict(told)))
    os.utime(run.folder / PLAN, (1000, 1000))
    with lock.open() as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        text = status(run)[1]
    assert re.search(r"running, process \d+, \d\d % done in 6\d s, about \d+ s left", text)
    assert re.search(r"generated 000-242 +80 of 243, about \d+ s left", text)
