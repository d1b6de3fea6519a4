"""The lock of a folder's run: beside links, pipes, files of others, and what they lead to."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from unprivileged import as_somebody, let_others_in

from trainfree.errors import TrainfreeError
from trainfree.workflow import lock
from trainfree.workflow.lock import LOCK, hold_run_lock, running_since

MAIN = SimpleNamespace(is_main_process=True)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(lock, "_held", [])
    (tmp_path / "victim").write_text("precious")
    return tmp_path


def release() -> None:
    while lock._held:
        os.close(lock._held.pop())


def test_one_run_at_a_time_and_it_is_named(folder: Path) -> None:
    hold_run_lock(MAIN)
    assert LOCK.read_text() == f"{os.getpid()}\n"
    assert running_since(folder) == (os.getpid(), LOCK.stat().st_mtime)
    with pytest.raises(TrainfreeError, match=f"another snakemake \\(process {os.getpid()}"):
        hold_run_lock(MAIN)
    release()
    assert running_since(folder) is None
    hold_run_lock(MAIN)
    release()


@pytest.mark.parametrize("planted", ["link", "link to nothing", "loop", "pipe", "folder"])
def test_what_is_no_lock_is_refused_and_left_as_it_is(
    folder: Path, planted: str, caplog: pytest.LogCaptureFixture
) -> None:
    LOCK.parent.mkdir()
    if planted == "pipe":
        os.mkfifo(LOCK)
    elif planted == "folder":
        LOCK.mkdir()
    else:
        targets = {"link": folder / "victim", "link to nothing": folder / "no", "loop": LOCK}
        LOCK.symlink_to(targets[planted].absolute())
    with pytest.raises(TrainfreeError, match=r"trainfree\.lock: expected a file to lock"):
        hold_run_lock(MAIN)
    assert running_since(folder) is None
    assert "it is not known whether a run is active" in caplog.text
    assert (folder / "victim").read_text() == "precious"
    assert not (folder / "no").exists()


def test_a_file_in_the_place_of_the_folder_is_named(folder: Path) -> None:
    LOCK.parent.write_text("")
    with pytest.raises(TrainfreeError, match=r"\.snakemake: cannot be made a folder"):
        hold_run_lock(MAIN)
    assert running_since(folder) is None


def test_another_users_lock(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Where it can be read its run is seen, though its process may not be asked after."""
    if os.geteuid() != 0:
        pytest.skip("needs a second user")
    LOCK.parent.mkdir()
    LOCK.write_text("1\n")
    let_others_in(folder)

    def look() -> None:
        seen = running_since(folder)
        assert seen is not None
        assert seen[0] == 1

    with LOCK.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        as_somebody(look)
    LOCK.chmod(0o600)
    os.seteuid(65534)
    try:
        assert running_since(folder) is None
        with pytest.raises(TrainfreeError, match="Permission denied"):
            hold_run_lock(MAIN)
    finally:
        os.seteuid(0)
    assert "Permission denied" in caplog.text


@pytest.mark.parametrize("text", ["", "x", "-3", "9" * 40, "\udcff", "1 2"])
def test_a_lock_that_names_nobody_is_nobodys(folder: Path, text: str) -> None:
    LOCK.parent.mkdir()
    LOCK.write_bytes(text.encode(errors="surrogateescape"))
    assert running_since(folder) is None
