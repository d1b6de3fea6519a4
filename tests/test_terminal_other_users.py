"""Commands for people in a folder of somebody else: what may not be read is said to be so."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from terminal_fixtures import (
    make_run,
    write_run_benchmark,
    write_run_images,
    write_run_scores,
)
from unprivileged import forbid, run_unprivileged

from trainfree.terminal.run import Run, jobs_of

STATUS = """
import sys
from pathlib import Path
from terminal_fixtures import make_run
from trainfree.terminal.screen import Screen
from trainfree.terminal.show import show_architecture
from trainfree.terminal.status import show_status
run = make_run(Path(sys.argv[1]))
print("exit", show_status(run, Screen()))
show_architecture("5", run, Screen())
"""


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run of which images, accuracies and all scores are there."""
    made = make_run(tmp_path)
    write_run_benchmark(made)
    write_run_images(made)
    for path in (*made.shards("generated"), made.scores("generated")):
        write_run_scores(made, path=path)
    return made


def told(run: Run) -> str:
    """What ``status`` and then ``show`` say to somebody who may do no more than others."""
    command = [sys.executable, "-c", STATUS, str(run.folder)]
    path = str(Path(__file__).parent)
    done = run_unprivileged(command, {"PYTHONPATH": f"{path}:{_source()}"})
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def _source() -> Path:
    import trainfree

    return Path(trainfree.__file__).parent.parent


def test_all_is_read_as_ever_where_all_may_be_read(run):
    text = told(run)
    assert "exit 0" in text
    assert "unreadable" not in text


def test_a_scores_file_that_may_not_be_read_is_not_damaged(run):
    forbid(run.scores("generated"))
    text = told(run)
    assert "exit 1" in text
    assert "\nUnreadable\n" in text
    assert f"{run.scores('generated')}: cannot be read: this user has no read permission" in text
    assert "delete" not in text
    assert "damaged" not in text
    assert "outdated" not in text  # nothing is known of it


@pytest.mark.parametrize("name", ["results/test/scores", "data"])
def test_folders_that_may_not_be_entered(run, name):
    forbid(run.folder / name)
    text = told(run)
    assert "exit 1" in text
    assert "\nUnreadable\n" in text
    assert "Permission denied" in text
    assert "delete" not in text
    assert "damaged" not in text


def test_logs_locks_and_snakemakes_logs_that_may_not_be_read(run):
    job = next(job for job in jobs_of(run) if job.stage == "searches")
    job.log.parent.mkdir(parents=True)
    job.log.write_text("trainfree: error: of theirs\n")
    forbid(job.log)
    lock = run.folder / ".snakemake" / "trainfree.lock"
    (lock.parent / "log").mkdir(parents=True)
    lock.write_text("1\n")
    forbid(lock)
    forbid(lock.parent / "log")
    text = told(run)
    assert "which jobs Snakemake saw fail is not known" in text
    assert "it is not known whether a run is active" in text
    assert f"{job.log}: cannot be read" in text
    assert "of theirs" not in text


def trainfree(*command: str, cwd: Path):
    program = [sys.executable, "-m", "trainfree", *command]
    return run_unprivileged(program, {"PYTHONPATH": str(_source())}, cwd)


@pytest.mark.parametrize("what", ["file", "folder", "table"])
def test_compare_does_not_call_equal_what_it_cannot_read(run, tmp_path, what):
    results, copy = run.results, tmp_path / "copy"
    (results / "tables").mkdir()
    (results / "tables" / "t.csv").write_text("a,b\n1,2\n")
    shutil.copytree(results, copy)
    assert trainfree("compare", str(results), str(copy), cwd=tmp_path).returncode == 0
    relative = run.scores("generated").relative_to(results)
    forbid({"file": copy / relative, "folder": copy / "scores"}.get(what, copy / "tables/t.csv"))
    done = trainfree("compare", str(results), str(copy), cwd=tmp_path)
    assert done.returncode == (2 if what == "folder" else 1), done.stderr
    text = done.stdout + done.stderr
    assert "Traceback" not in text
    assert "cannot be read: this user has no read permission" in text
    assert "the results are equal" not in text
    assert "damaged" not in text
    assert "delete" not in text


def test_the_report_names_what_it_may_not_read(run, tmp_path, repository):
    for name in ("config", "reports"):
        (tmp_path / name).symlink_to(repository / name)
    forbid(run.scores("generated"))
    options = ("--results", str(run.results), "--output", "p.html")
    done = trainfree("report", *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "p.html").read_text(encoding="utf-8")
    assert "cannot be read: this user has no read permission" in text
    forbid(run.results / "scores")
    done = trainfree("report", *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


def test_doctor_in_a_folder_of_somebody_else(run, tmp_path, repository):
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    forbid(mirror)
    (run.folder / ".snakemake").mkdir()
    forbid(run.folder / "data")
    forbid(run.folder / "results")
    forbid(run.folder / ".snakemake")
    environment = {"PYTHONPATH": str(_source()), "TRAINFREE_MIRROR": str(mirror)}
    command = [sys.executable, "-m", "trainfree", "doctor", "--offline", "--folder", str(tmp_path)]
    done = run_unprivileged(command, environment, repository)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert "cannot be written" in done.stdout
    assert f"{mirror}/cifar-10-python.tar.gz: cannot be read" in done.stdout
