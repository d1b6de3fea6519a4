"""Writers: whole or not at all, beside what is no file, links, leftovers and other writers."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from unprivileged import as_somebody, let_others_in

from trainfree.errors import DataFileError
from trainfree.files.writing import write_atomically, write_text
from trainfree.processes import Process, this_process

HOST = socket.gethostname()


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def dead_process() -> int:
    told = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"],
        capture_output=True,
        text=True,
        check=True,
    )
    return int(told.stdout)


class TestWhatIsThereAlready:
    def refused(self, path: Path, found: str) -> None:
        with pytest.raises(DataFileError, match="expected a file or nothing there") as caught:
            write_text(path, "new")
        assert str(path) in str(caught.value)
        assert f"found {found}" in str(caught.value)

    def test_only_a_file_is_replaced(self, tmp_path: Path) -> None:
        folder, pipe, end = (tmp_path / name for name in ("folder", "pipe", "socket"))
        folder.mkdir()
        os.mkfifo(pipe)
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(end))
            modes = {path: path.lstat().st_mode for path in (folder, pipe, end)}
            for path, found in ((folder, "a folder"), (pipe, "a pipe"), (end, "a socket")):
                self.refused(path, found)
                link = tmp_path / "link"
                link.symlink_to(path)
                self.refused(link, found)
                assert link.is_symlink()
                link.unlink()
            assert {path: path.lstat().st_mode for path in modes} == modes
        assert names_in(tmp_path) == ["folder", "pipe", "socket"]

    def test_a_device_is_left_alone(self, tmp_path: Path) -> None:
        null = Path(os.devnull)
        if os.geteuid() == 0:
            null = tmp_path / "null"
            os.mknod(null, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        self.refused(null, "a device")
        assert stat.S_ISCHR(null.stat().st_mode)

    def test_a_link_is_followed_and_stays_one(self, tmp_path: Path) -> None:
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        (elsewhere / "target").write_text("old")
        first, second = tmp_path / "first", tmp_path / "second"
        first.symlink_to("elsewhere/target")
        second.symlink_to(first)
        write_text(second, "new")
        assert (elsewhere / "target").read_text() == "new"
        assert first.is_symlink()
        assert second.is_symlink()
        assert names_in(elsewhere) == ["target"]
        assert names_in(tmp_path) == ["elsewhere", "first", "second"]

    def test_loops_and_links_to_nothing_are_named(self, tmp_path: Path) -> None:
        loop, dangling = tmp_path / "loop", tmp_path / "dangling"
        loop.symlink_to(loop)
        dangling.symlink_to("nowhere")
        self.refused(loop, "a link that leads back to itself")
        self.refused(dangling, "a link to nowhere, which does not exist")
        assert names_in(tmp_path) == ["dangling", "loop"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("file/x.txt", "is a file"),
        ("dangling/x.txt", "a link to nothing, where a folder should be"),
        ("loop/x.txt", "lead back to themselves"),
        ("y" * 300, "too long"),
        ("y\0z", "is not a file name"),
    ],
)
def test_places_where_nothing_can_be(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(DataFileError, match=words):
        write_text(tmp_path / name, "new")
    assert names_in(tmp_path) == ["dangling", "file", "loop"]


def test_a_folder_that_may_not_be_written_to(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    if root := os.geteuid() == 0:
        os.seteuid(65534)
    try:
        with pytest.raises(DataFileError, match=r"this user has no|cannot be written"):
            write_text(tmp_path / "x.txt", "new")
    finally:
        if root:
            os.seteuid(0)
        tmp_path.chmod(0o755)
    assert names_in(tmp_path) == []


def test_the_longest_name_has_room_for_a_temporary_one(tmp_path: Path) -> None:
    for name in ("x" * 255, "ü" * 127):
        write_text(tmp_path / name, "new")
        assert (tmp_path / name).read_text() == "new"


@pytest.mark.parametrize("umask", [0o022, 0o002, 0o077])
def test_the_mode_is_what_the_umask_says(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        write_text(tmp_path / "x.txt", "new")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "x.txt").stat().st_mode) == 0o666 & ~umask


def test_the_temporary_file_is_nobody_elses(tmp_path: Path) -> None:
    """Its name can be guessed; a link of that name must not lead the writing elsewhere."""
    taken = []

    def write(temporary: Path) -> None:
        taken.append(temporary)
        temporary.write_text("new")

    write_atomically(tmp_path / "x.txt", write)
    victim = tmp_path / "victim"
    victim.write_text("precious")
    beginning, number, end = taken[0].name.rsplit(".", 2)
    for step in range(1, 5):
        link = tmp_path / f"{beginning}.{int(number) + step}.{end}"
        link.symlink_to(victim)
    write_text(tmp_path / "x.txt", "newer")
    assert victim.read_text() == "precious"
    assert (tmp_path / "x.txt").read_text() == "newer"


def test_threads_write_one_file_at_once(tmp_path: Path) -> None:
    texts = [str(number) * 50_000 for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda text: write_text(tmp_path / "x.txt", text), texts * 5))
    assert (tmp_path / "x.txt").read_text() in texts
    assert names_in(tmp_path) == ["x.txt"]


class TestLeftovers:
    def left(self, folder: Path, tail: str, age_days: float = 0) -> Path:
        path = folder / f".y{age_days}.h5.{tail}.part"
        path.write_text("half")
        then = time.time() - 86_400 * age_days
        os.utime(path, (then, then))
        return path

    def test_those_of_the_dead_go_and_of_the_living_stay(self, tmp_path: Path) -> None:
        dead, me = dead_process(), this_process()
        assert me.start
        gone = [
            self.left(tmp_path, f"{HOST}-{dead}"),
            self.left(tmp_path, f"{HOST}-{dead}.17.0"),
            self.left(tmp_path, f"{HOST}-{dead}..0"),
            # Numbers that are other processes' now: this one's, and the first one's of the system.
            self.left(tmp_path, f"{HOST}-{me.pid}.1{me.start}.0"),
            self.left(tmp_path, f"{HOST}-1.123456789.0"),
            self.left(tmp_path, f"{HOST}-0.1.0"),
            self.left(tmp_path, f"{HOST}-{10**30}.1.0"),
            # Nobody can tell whose number it is: by the file's age.
            self.left(tmp_path, f"{HOST}-{me.pid}", age_days=2),
            self.left(tmp_path, f"{HOST}-1", age_days=2),
            self.left(tmp_path, f"another-{HOST}-{me.pid}.{me.start}.0", age_days=2),
        ]
        kept = [
            self.left(tmp_path, f"{HOST}-{me.pid}.{me.start}.999"),
            self.left(tmp_path, f"{HOST}-{me.pid}"),
            self.left(tmp_path, f"{HOST}-1"),
            self.left(tmp_path, f"another-{HOST}-{dead}.17.0"),
            self.left(tmp_path, f"{HOST}-abc", age_days=2),
            self.left(tmp_path, f"{HOST}-", age_days=2),
            self.left(tmp_path, "of somebody else", age_days=2),
        ]
        write_text(tmp_path / "x.txt", "new")
        assert not [path.name for path in gone if path.exists()]
        assert not [path.name for path in kept if not path.exists()]

    def test_those_of_another_user_do_not_block(self, tmp_path: Path) -> None:
        if os.geteuid() != 0:
            pytest.skip("needs a second user")
        tmp_path.chmod(0o1777)  # everybody may write, and delete only what is their own
        let_others_in(tmp_path.parent)
        self.left(tmp_path, f"{HOST}-{dead_process()}.1.0")
        self.left(tmp_path, f"{HOST}-{os.getpid()}.{this_process().start}.77")
        os.seteuid(65534)
        try:
            write_text(tmp_path / "x.txt", "new")
        finally:
            os.seteuid(0)
        assert (tmp_path / "x.txt").read_text() == "new"


class TestProcesses:
    def test_a_number_that_is_used_again_is_another_process(self) -> None:
        me = this_process()
        assert me.is_alive()
        assert Process(me.pid).is_alive()
        assert not Process(me.pid, "1").is_alive()
        assert not Process(dead_process()).is_alive()
        assert not any(Process(pid).is_alive() for pid in (0, -1, 10**30))

    def test_a_zombie_is_dead(self) -> None:
        with subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            child.stdout.read()
            while Process(child.pid).is_alive():
                time.sleep(0.01)

    def test_another_users_process_is_told_by_its_start(self) -> None:
        if os.geteuid() != 0:
            pytest.skip("needs a second user")
        me = this_process()

        def ask() -> None:
            assert Process(me.pid, me.start).is_alive()
            assert not Process(me.pid, "1").is_alive()

        as_somebody(ask)
