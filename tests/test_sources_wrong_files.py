"""The usual wrong file is called what it is; a file that may not be read is not called damaged."""

from __future__ import annotations

import bz2
import errno
import gzip
import io
import lzma
import os
import pickle
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from unprivileged import as_somebody

from trainfree.benchmarks.analog import read_analog
from trainfree.benchmarks.nasbench101.mirror import read_mirror
from trainfree.benchmarks.nasbench101.prepared import read_trained_cells
from trainfree.benchmarks.nats_bench.archive import FOLDER_NAME, read_nats_archive
from trainfree.benchmarks.nats_bench.topology_table import read_mirror_table
from trainfree.errors import SourceError
from trainfree.images.datasets import DATASETS
from trainfree.images.readers import read_images
from trainfree.sources.checksums import Checksum, verify
from trainfree.sources.delivery import Delivery, SourceSettings
from trainfree.sources.formats.reading import opened, unreadable
from trainfree.sources.mirror import MirrorFile, MirrorSource
from trainfree.sources.official import DownloadSource, NatsArchiveSource
from trainfree.sources.probing import probe
from trainfree.spaces import load_space

FULL = load_space("nasbench201")
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
ANNEX = b"/annex/objects/SHA256E-s12345--4d7a.tar.gz\n"
PAGE = b"\n<!DOCTYPE html>\n<html><head><title>404 Not Found</title></head></html>\n"
TORCH = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03."


def zipped(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return buffer.getvalue()


def tarred(*names: str, mode: str = "w") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name in names:
            archive.addfile(tarfile.TarInfo(name))
    return buffer.getvalue()


def saved(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


WRONG = {
    "empty": (b"", "an empty file"),
    "page": (PAGE, "an HTML page"),
    "lfs": (LFS, "a pointer of Git LFS"),
    "annex": (ANNEX, "a pointer of git-annex"),
    "zip": (zipped("a.txt"), "a zip archive"),
    "7z": (b"7z\xbc\xaf\x27\x1c\x00\x04", "a 7z archive"),
    "rar": (b"Rar!\x1a\x07\x01\x00", "a RAR archive"),
    "xz": (lzma.compress(b"x"), "compressed with xz"),
    "zstd": (b"\x28\xb5\x2f\xfd\x00", "compressed with Zstandard"),
    "legacy pth": (TORCH, r"a PyTorch file \(.pth\), as the older release NAS-Bench-201"),
    "zip pth": (zipped("archive/data.pkl", "archive/data/0"), r"a PyTorch file \(.pth\)"),
    "hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(50), "an HDF5 file"),
    "npy": (saved(np.arange(3)), "a single NumPy array"),
    "matlab": (b"MATLAB 5.0 MAT-file, Platform: GLNXA64", "a MATLAB file"),
    "pdf": (b"%PDF-1.7\n", "a PDF document"),
    "utf16": ("hash,index\n".encode("utf-16"), "a text in UTF-16"),
    "page in gzip": (gzip.compress(PAGE), "a gzip'ed file"),
    "release in one file": (bz2.compress(pickle.dumps({1: 2})), "a pickle compressed with bzip2"),
}

READERS = {
    "some.tfrecord": read_trained_cells,
    "some.npz": read_mirror,
    "cifar-10-python.tar.gz": lambda path: read_images(
        Delivery("mirror", "cifar10-archive", {"archive": path}), DATASETS["cifar10"], 0
    ),
    "table.csv.gz": lambda path: read_mirror_table(
        Delivery("mirror", "nb201-table", {"table": path}), FULL
    ),
    "000000.pickle.pbz2": lambda path: read_nats_archive(
        Delivery("official", "nats-archive", {"archive": path.parent}), FULL
    ),
    "data.anb": lambda path: read_analog(
        Delivery("registry", "analog-nasbench", {"archive": path}), FULL
    ),
    "NATS.tar": lambda path: NatsArchiveSource("nats-archive").deliver(
        path.parent, SourceSettings(nats_archive=path)
    ),
}
RIGHT = {  # what a reader takes for its own, and then finds something else wrong with
    ("some.npz", "zip"),
    ("000000.pickle.pbz2", "release in one file"),
    ("000000.pickle.pbz2", "empty"),
    ("data.anb", "empty"),
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("name", READERS)
def test_the_usual_wrong_file_is_named_by_every_reader(tmp_path, name, wrong):
    content, words = WRONG[wrong]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(SourceError, match=rf"{name}: ") as raised:
        READERS[name](path)
    if (name, wrong) not in RIGHT:
        raised.match(f"found {words}|holds {words}|{words}")
        raised.match("expected ")
        assert "truncated" not in str(raised.value)
        assert "get a new copy" not in str(raised.value) or wrong == "empty"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("some.tfrecord", gzip.compress(bytes(100)), "found a gzip'ed file; unpack it with gunzip"),
        ("some.npz", gzip.compress(bytes(100)), "found a gzip'ed file"),
        ("cifar-10-python.tar.gz", gzip.compress(PAGE), "a gzip'ed file that holds an HTML page"),
        ("table.csv.gz", tarred("a", mode="w:gz"), "a gzip'ed file that holds a tar archive"),
        ("table.csv.gz", bz2.compress(b"index,arch_str\n"), "found a file compressed with bzip2"),
        ("NATS.tar", bz2.compress(pickle.dumps(1)), "a pickle compressed with bzip2, as the rele"),
        ("NATS.tar", pickle.dumps(1), "found a pickle"),
        ("cifar-10-python.tar.gz", b"some text that is nothing known" * 50, "is not a tar archive"),
    ],
    ids=lambda value: value if isinstance(value, str) else "content",
)
def test_what_is_packed_otherwise_is_named(tmp_path, name, content, words):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(SourceError, match=words) as raised:
        READERS[name](path)
    assert "truncated" not in str(raised.value)


@pytest.mark.parametrize(
    ("folder", "words"),
    [
        ("cifar-10-batches-bin", "CIFAR-10, the binary version"),
        ("cifar-10-batches-mat", "CIFAR-10, the version for MATLAB"),
        ("cifar-100-python", "CIFAR-100, the version for Python"),
        (FOLDER_NAME, "NATS-Bench's topology space"),
    ],
)
def test_another_archive_under_the_name_of_the_one_meant(tmp_path, folder, words):
    path = tmp_path / "cifar-10-python.tar.gz"
    path.write_bytes(tarred(f"{folder}/a", mode="w:gz"))
    with pytest.raises(SourceError, match=f"found {words}; get the archive of cifar-10-batches-py"):
        READERS[path.name](path)
    # The published hash is asked first, and says so too.
    with pytest.raises(SourceError, match=f"expected md5 .*; it is a gzip'ed file .*{words}"):
        verify(path, Checksum("md5", "0" * 32))


@pytest.mark.parametrize("content", [PAGE, LFS, b"", TORCH])
def test_a_hash_that_differs_says_what_the_file_is(tmp_path, content):
    path = tmp_path / "cifar-10-python.tar.gz"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=r"expected md5 .*; it is a"):
        verify(path, Checksum("md5", "0" * 32))
    path.write_bytes(tarred("cifar/a", mode="w:gz"))
    with pytest.raises(SourceError) as raised:
        verify(path, Checksum("md5", "0" * 32))
    assert "; it is" not in str(raised.value)


@pytest.mark.shared_data
def test_the_size_space_is_told_from_the_topologies(shared_data, tmp_path):
    sample = shared_data / "nats_official_sample"
    with pytest.raises(SourceError, match=r"000000\.pickle\.pbz2: .*NATS-tss.*found one of the s"):
        read_nats_archive(Delivery("official", "nats", {"archive": sample / "sss"}), FULL)
    path = tmp_path / "NATS-sss-v1_0-50262-simple.tar"
    with tarfile.open(path, "w") as archive:
        archive.add(sample / "sss", arcname="NATS-sss-v1_0-50262-simple")
    with pytest.raises(SourceError, match="found NATS-Bench's size space; get the archive of NATS"):
        READERS["NATS.tar"](path)
    shutil.copytree(sample / "sss", tmp_path / "both" / "NATS-sss-v1_0-50262-simple")
    with pytest.raises(SourceError, match="found none; it holds NATS-Bench's size space"):
        read_nats_archive(Delivery("official", "nats", {"archive": tmp_path / "both"}), FULL)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("NAS-Bench-201-v1_1-096897.pth", "the older release NAS-Bench-201"),
        ("NATS-tss-v1_0-3ffb9.pickle.pbz2", "in one file"),
        ("NATS-tss-v1_0-3ffb9-simple.tar", "packed still"),
    ],
)
def test_a_folder_with_other_files_says_which(tmp_path, name, words):
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(SourceError, match=f"found none; it holds .*{words}"):
        read_nats_archive(Delivery("official", "nats", {"archive": tmp_path}), FULL)


def test_a_download_of_the_browser_that_is_not_finished(tmp_path):
    for suffix in (".crdownload", ".part"):
        path = tmp_path / f"NATS-tss-v1_0-3ffb9-simple.tar{suffix}"
        path.write_bytes(b"\x01" * 2000)
        with pytest.raises(SourceError, match="a download that the browser has not finished"):
            NatsArchiveSource("n").deliver(tmp_path, SourceSettings(nats_archive=path))
        with pytest.raises(SourceError, match=r"has not finished|expected a .tfrecord"):
            read_trained_cells(path)


def test_a_folder_where_a_file_is_meant_and_the_reverse(tmp_path):
    (tmp_path / "some.tfrecord").mkdir()
    with pytest.raises(SourceError, match=r"some.tfrecord: found a folder; expected a .tfrecord"):
        read_trained_cells(tmp_path / "some.tfrecord")
    source = MirrorSource("bytes", {"archive": MirrorFile(("a.tar.gz",))})
    (tmp_path / "a.tar.gz").mkdir()
    with pytest.raises(SourceError, match=r"a\.tar\.gz: expected the file itself, found a folder"):
        source.deliver(tmp_path, SourceSettings(mirror=tmp_path))
    (tmp_path / "file").write_text("x")
    with pytest.raises(SourceError, match="file is a file, expected a folder with files"):
        source.deliver(tmp_path, SourceSettings(mirror=tmp_path / "file"))
    with pytest.raises(SourceError, match=r"cannot be read: something on the way|does not exist"):
        source.deliver(tmp_path, SourceSettings(mirror=tmp_path / "file" / "below"))
    path = tmp_path / "000000.pickle.pbz2"
    path.mkdir()
    with pytest.raises(SourceError, match=r"000000\.pickle\.pbz2: expected a file, found a folder"):
        READERS[path.name](path)


@pytest.mark.parametrize("kind", ["pipe", "socket", "loop", "dangling"])
def test_special_files_end_in_a_sentence(tmp_path, monkeypatch, kind):
    path = tmp_path / "000000.pickle.pbz2"
    with socket.socket(socket.AF_UNIX) as listening:
        if kind == "pipe":
            os.mkfifo(path)
        elif kind == "socket":
            monkeypatch.chdir(tmp_path)  # the name of a socket may be short only
            listening.bind(path.name)
        else:
            path.symlink_to(path if kind == "loop" else tmp_path / "nowhere")
        with pytest.raises(
            SourceError, match=r"000000\.pickle\.pbz2: .*(regular|circle|not exist)"
        ):
            READERS[path.name](path)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EACCES, "not permitted"),
        (errno.EISDIR, "it is a folder"),
        (errno.ENOTDIR, "is a file and no folder"),
        (errno.EIO, "the disk reports an error"),
        (errno.ENAMETOOLONG, "too long"),
        (errno.EREMOTEIO, "the system says"),
    ],
)
def test_what_the_system_says_is_told_in_words(number, words):
    message = str(unreadable(Path("a/b.tar"), OSError(number, os.strerror(number))))
    assert message.startswith("a/b.tar: cannot be read: ")
    assert words in message
    assert "truncated" not in message
    assert "damaged" not in message


@pytest.mark.parametrize("target", ["nowhere", "link.tar"])
def test_links_that_lead_nowhere_are_named(tmp_path, target):
    link = tmp_path / "link.tar"
    link.symlink_to(tmp_path / target)
    settings = SourceSettings(mirror=link, nats_archive=link)
    source = MirrorSource("bytes", {"archive": MirrorFile(("a.tar.gz",))})
    for deliver in (NatsArchiveSource("n").deliver, source.deliver):
        with pytest.raises(SourceError, match=rf"link\.tar: is a symbolic link to .*{target}"):
            deliver(tmp_path, settings)


@pytest.fixture
def theirs() -> Iterator[Path]:
    """A folder that others may enter, as those of pytest may not be."""
    with tempfile.TemporaryDirectory(prefix="trainfree-test-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else for a test")
@pytest.mark.parametrize("closed", ["file", "folder"])
@pytest.mark.parametrize("name", READERS)
def test_a_file_of_another_user_is_not_called_damaged(theirs, name, closed):
    folder = theirs / "folder"
    folder.mkdir()
    path = folder / name
    path.write_bytes(b"x" * 1000)
    (path if closed == "file" else folder).chmod(0o600)

    def check() -> None:
        with pytest.raises(SourceError, match="cannot be read: you are not permitted") as raised:
            READERS[name](path)
        assert str(path if closed == "file" else folder) in str(raised.value)

    as_somebody(check)


def test_opened_lets_the_errors_of_a_library_pass(tmp_path):
    """They have no number of the system, and their readers know what they mean."""
    (tmp_path / "a").write_bytes(b"x")
    with pytest.raises(OSError, match="Not a gzipped"), opened(tmp_path / "a"):
        raise gzip.BadGzipFile("Not a gzipped file")


def test_nothing_of_the_suite_is_needed_to_recognise_a_file():
    """The look is taken before anything large is imported."""
    code = "import trainfree.sources.formats.wrong_files, sys; print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else for a test")
def test_doctor_and_sources_say_that_a_folder_may_not_be_entered(theirs):
    folder = theirs / "mirror"
    folder.mkdir(mode=0o700)
    (folder / "a.tar.gz").write_bytes(b"x")
    mirror = MirrorSource("bytes", {"archive": MirrorFile(("a.tar.gz",))})
    download = DownloadSource("bytes", "http://127.0.0.1:1/a.tar.gz", Checksum("md5", "0" * 32))
    settings = SourceSettings(mirror=folder, nats_archive=folder / "a.tar")

    def check() -> None:
        for source in (mirror, download, NatsArchiveSource("nats")):
            with pytest.raises(SourceError, match="you are not permitted to read it"):
                source.deliver(folder, settings)
            (found,) = probe(source, folder, settings, online=False)
            assert found.usable is False
            assert "you are not permitted to read it" in found.detail

    as_somebody(check)
