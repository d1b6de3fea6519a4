"""Commands whose output nobody reads to the end, or that cannot be written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from trainfree.cli.output import EXIT_UNREAD, EXIT_UNWRITABLE, ends_with_its_reader

COMMANDS = {
    "status": ["status", "--configfile", "config/test.yaml"],
    "show": ["show", "5", "--configfile", "config/test.yaml"],
    "config-schema": ["config-schema"],
    "check-config": ["check-config", "config/test.yaml"],
    "help": ["--help"],
}


def run(repository: Path, command: list[str], closed: str, **streams: object):
    """Run a command with one of its streams going to a pipe that nobody reads."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        return subprocess.run(
            [sys.executable, "-m", "trainfree", *command],
            cwd=repository,
            env={**os.environ, "PYTHONPATH": str(repository / "src")},
            text=True,
            check=False,
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, closed: writing, **streams},
        )
    finally:
        os.close(writing)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_ends_quietly_with_its_reader(repository, name):
    done = run(repository, COMMANDS[name], "stdout")
    assert done.stderr == ""
    # Newer versions of argparse pass over a help that cannot be written.
    assert done.returncode in ({0, EXIT_UNREAD} if name == "help" else {EXIT_UNREAD})


def test_an_error_that_nobody_reads_is_no_traceback_either(repository):
    done = run(repository, ["check-config", "nowhere.yaml"], "stderr")
    assert (done.stdout, done.returncode) == ("", EXIT_UNREAD)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_output_that_cannot_be_written_is_told(repository):
    with Path("/dev/full").open("w") as full:
        done = run(repository, COMMANDS["config-schema"], "stdout", stdout=full)
    assert done.returncode == EXIT_UNWRITABLE
    assert done.stderr.startswith("trainfree: error: output cannot be written (")
    assert done.stderr.count("\n") == 1


def test_a_closed_output_is_none(repository):
    shell = f"{sys.executable} -m trainfree show 5 --configfile config/test.yaml >&-"
    done = subprocess.run(
        ["sh", "-c", shell], cwd=repository, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_pipes_of_other_programs_are_not_meant(capsys):
    def command() -> int:
        print("before")
        raise BrokenPipeError(32, "the pipe of another program")

    with pytest.raises(BrokenPipeError):
        ends_with_its_reader(command)()
    assert capsys.readouterr().out == "before\n"
    assert ends_with_its_reader(lambda status: status)(status=3) == 3
