"""Stored files: the seal, damage, and what stands beside a file without being damage."""

from __future__ import annotations

import hashlib
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr

from trainfree.errors import DamagedFileError, DataFileError, UnreadableFileError
from trainfree.files import seal
from trainfree.files.reading import read_text
from trainfree.files.storage import (
    open_dataset,
    open_variables,
    provenance_attributes,
    read_dataset,
    read_header,
    write_dataset,
)
from trainfree.provenance import code_hash

NOBODY = 65534


def small_dataset(value: float = 1.0) -> xr.Dataset:
    attributes = provenance_attributes(
        settings={"a": 1}, code=code_hash("trainfree.files.seal"), source_hashes={}
    )
    variable = (("arch",), np.full(5000, value), {"units": "1", "long_name": "score"})
    return xr.Dataset({"score": variable}, attrs=attributes)


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    path = tmp_path / "x.h5"
    write_dataset(small_dataset(), path, "scores")
    return path


def _variables(path: Path) -> None:
    with open_variables(path, "scores") as file:
        file["score"][...]


READERS: tuple[Callable[[Path], object], ...] = (
    lambda path: open_dataset(path, "scores").close(),
    lambda path: read_dataset(path, "scores"),
    lambda path: read_header(path, "scores"),
    _variables,
)


@contextmanager
def another_user() -> Iterator[None]:
    """Act as a user without rights; a root of tests may read everything."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def sealed(path: Path) -> None:
    """Give a file the seal that fits it, as a forger would."""
    content = path.read_bytes()
    path.write_bytes(content + seal.seal_of(content))


def test_other_programs_open_a_sealed_file(stored: Path) -> None:
    with xr.open_dataset(stored, engine="h5netcdf") as dataset:
        assert float(dataset["score"].sum()) == 5000
    with xr.open_dataset(stored) as dataset:
        assert dataset.sizes == {"arch": 5000}
    with h5py.File(stored) as file:
        assert file["score"].shape == (5000,)


def test_the_seal_is_a_line_that_any_shell_can_check(stored: Path) -> None:
    content = stored.read_bytes()
    digest = hashlib.sha256(content[:-84]).hexdigest()
    assert content[-84:] == f"\ntrainfree sha256: {digest}\n".encode()


@pytest.mark.parametrize("read", READERS)
def test_any_byte_that_changes_is_noticed(stored: Path, read: Callable[[Path], object]) -> None:
    whole = bytearray(stored.read_bytes())
    for place in (0, 100, len(whole) // 2, len(whole) - 90, len(whole) - 40, len(whole) - 1):
        changed = whole.copy()
        changed[place] ^= 1
        stored.write_bytes(changed)
        with pytest.raises(DamagedFileError, match=r"x\.h5.*delete it and run again"):
            read(stored)
    stored.write_bytes(whole)
    read(stored)


def test_zeroed_blocks_end_in_a_sentence_and_never_reach_hdf5(tmp_path: Path) -> None:
    """A block of zeros in the middle of a file makes HDF5 loop for ever, deaf to signals."""
    path = tmp_path / "x.h5"
    texts = (("arch",), np.array([f"name {number}" for number in range(3000)], dtype=object))
    write_dataset(small_dataset().isel(arch=slice(3000)).assign_coords(a=texts), path, "scores")
    whole = path.read_bytes()
    for first in range(0, len(whole), 4096):
        path.write_bytes(whole[:first] + bytes(4096) + whole[first + 4096 :])
        if path.read_bytes() != whole:
            with pytest.raises(DamagedFileError, match=r"x\.h5"):
                read_dataset(path, "scores")


def test_a_file_without_a_seal_is_said_to_be_anothers(tmp_path: Path, stored: Path) -> None:
    foreign = tmp_path / "foreign.h5"
    small_dataset().to_netcdf(foreign, engine="h5netcdf")
    for path, content in ((foreign, foreign.read_bytes()), (stored, stored.read_bytes() + b"\n")):
        path.write_bytes(content)
        with pytest.raises(DamagedFileError, match="not written by this version of trainfree"):
            read_dataset(path, "scores")
    stored.write_bytes(b"")
    with pytest.raises(DamagedFileError, match="it is empty"):
        read_dataset(stored, "scores")


def test_a_settled_file_is_hashed_once_a_process_and_a_new_one_again(
    stored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seal, "_SETTLED_NANOSECONDS", -1)
    read_header(stored, "scores")
    before = len(seal._verified)
    read_dataset(stored, "scores")
    assert len(seal._verified) == before
    write_dataset(small_dataset(2.0), stored, "scores")
    assert float(read_dataset(stored, "scores")["score"][0]) == 2.0
    assert len(seal._verified) == before + 1
    stored.write_bytes(stored.read_bytes()[:-1] + b" ")
    with pytest.raises(DamagedFileError):
        read_dataset(stored, "scores")


@pytest.mark.parametrize("read", READERS)
class TestWhatIsNoDamage:
    """Each is said as what it is, and never as a reason to delete the file."""

    def refused(self, read: Callable[[Path], object], path: Path, words: str) -> None:
        with pytest.raises(UnreadableFileError, match=words) as caught:
            read(path)
        assert str(path) in str(caught.value)
        assert "delete" not in str(caught.value)

    def test_permissions(self, stored: Path, read: Callable[[Path], object]) -> None:
        for place, mode in ((stored, 0o600), (stored.parent, 0o700)):
            mine = place.stat().st_mode
            place.chmod(mode if os.geteuid() == 0 else 0)
            with another_user():
                self.refused(read, stored, "this user has no read permission")
            place.chmod(mine)

    def test_things_that_are_no_files(self, tmp_path: Path, read: Callable[[Path], object]) -> None:
        folder, pipe, end = (tmp_path / name for name in ("folder", "pipe", "socket"))
        folder.mkdir()
        os.mkfifo(pipe)
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(end))
            for path, words in ((folder, "a folder"), (pipe, "a pipe"), (end, "a socket")):
                self.refused(read, path, f"expected a file, found {words}")
        self.refused(read, Path("/dev/zero"), "expected a file, found a device")
        link = tmp_path / "link"
        link.symlink_to(pipe)
        self.refused(read, link, "found a pipe")

    def test_paths(self, stored: Path, tmp_path: Path, read: Callable[[Path], object]) -> None:
        loop = tmp_path / "loop"
        loop.symlink_to(loop)
        self.refused(read, loop, "lead back to themselves")
        self.refused(read, tmp_path / ("x" * 300), "too long")
        self.refused(read, stored / "y.h5", "a file where a folder should be")
        dangling = tmp_path / "dangling"
        dangling.symlink_to("nowhere")
        for path, words in (
            (dangling, "a link to nowhere, which does not exist"),
            (tmp_path / "none", "no such scores file"),
            (tmp_path / "a\0b", "is not a file name"),
        ):
            with pytest.raises(DataFileError, match=words):
                read(path)

    def test_too_many_open_files(self, stored: Path, read: Callable[[Path], object]) -> None:
        read(stored)
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        lowest = os.open(os.devnull, os.O_RDONLY)
        os.close(lowest)
        # None is left, then one: for the check of the seal, but not for HDF5.
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, before[1]))
        try:
            self.refused(read, stored, "too many files open")
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)

    def test_a_file_open_elsewhere(self, stored: Path, read: Callable[[Path], object]) -> None:
        """Held by another program with its locks it is read; changed there, it is no damage."""
        content = stored.read_bytes()
        code = (
            "import h5py, sys\n"
            f"file = h5py.File({str(stored)!r}, sys.argv[1])\n"
            "if sys.argv[1] == 'r+':\n"
            "    file.attrs['seed'] = 77\n"
            "    file.flush()\n"
            "print('open', flush=True)\n"
            "sys.stdin.readline()\n"
        )
        for mode in ("r", "r+"):
            with subprocess.Popen(
                [sys.executable, "-c", code, mode],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            ) as other:
                assert other.stdout is not None
                assert other.stdout.readline() == "open\n"
                if mode == "r":
                    read(stored)
                else:
                    self.refused(read, stored, "open for writing")
                    stored.write_bytes(content)  # whole again, and still locked
                    read(stored)
                other.kill()

    def test_a_file_open_in_this_process(
        self, stored: Path, read: Callable[[Path], object]
    ) -> None:
        with xr.open_dataset(stored, engine="h5netcdf") as opened:
            read(stored)
            assert opened.sizes == {"arch": 5000}


def test_nothing_is_followed_out_of_a_file(tmp_path: Path) -> None:
    """Forged with a seal that fits: links of every kind, data elsewhere, groups."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["score"] = np.arange(3)
    layout = h5py.VirtualLayout(shape=(3,), dtype="i8")
    layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "score", shape=(3,))

    def with_link(link: object) -> Callable[[h5py.File], object]:
        return lambda file: file.__setitem__("score", link)

    forgeries: dict[str, Callable[[h5py.File], object]] = {
        "external-pipe": with_link(h5py.ExternalLink(str(pipe), "/x")),
        "external-file": with_link(h5py.ExternalLink("other.h5", "score")),
        "soft": with_link(h5py.SoftLink("/score")),
        "group": lambda file: file.create_group("score"),
        "virtual": lambda file: file.create_virtual_dataset("score", layout),
        "outside": lambda file: file.create_dataset(
            "score", (3,), "i8", external=[(str(pipe), 0, 24)]
        ),
    }
    for name, forge in forgeries.items():
        path = tmp_path / f"{name}.h5"
        with h5py.File(path, "w") as file:
            file.attrs.update(schema="scores", schema_version=1)
            forge(file)
        sealed(path)
        for read in READERS:
            with pytest.raises(DamagedFileError, match=f"{name}.*found the link or group 'score'"):
                read(path)


def test_no_reader_calls_a_foreign_file_damage_that_a_deletion_mends(tmp_path: Path) -> None:
    """A seal that fits on something that is no HDF5 at all."""
    path = tmp_path / "x.h5"
    path.write_bytes(b"nothing of the kind" * 100)
    sealed(path)
    for read in READERS:
        with pytest.raises(UnreadableFileError, match="its checksum matches, but HDF5 cannot"):
            read(path)


def test_texts_are_read_or_say_why_not(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    with pytest.raises(DataFileError, match=r"t\.csv: no such table"):
        read_text(path, "no such table")
    path.write_bytes("a,ü\r\n".encode())
    assert read_text(path) == "a,ü\r\n"
    path.write_bytes("ü".encode("latin-1"))
    with pytest.raises(DataFileError, match=r"t\.csv: expected text in UTF-8, found the byte 0xfc"):
        read_text(path)
    with pytest.raises(UnreadableFileError, match="found a folder"):
        read_text(tmp_path)
