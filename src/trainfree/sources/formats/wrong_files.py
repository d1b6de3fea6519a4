"""The usual wrong file, recognised by what is in it, so that a message can say which it is.

A login page saved under an archive's name, a pointer that Git LFS left in a file's place, the older
release of a benchmark: none of these is a truncated file, and getting it anew does not help.
"""

from __future__ import annotations

import bz2
import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path

from trainfree.errors import SourceError
from trainfree.sources.formats.reading import MIB, head_of, is_folder

HEAD_BYTES = 4096
_LEGACY_TORCH = b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"

# Name of a kind: (what it is in words, what to do about it).
KINDS = {
    "empty": ("an empty file", "get a new copy"),
    "html": (
        "an HTML page, as a server sends it for a login or an error",
        "open its address in a browser and save the file itself",
    ),
    "lfs": ("a pointer of Git LFS, not the file it stands for", "run `git lfs pull` where it is"),
    "annex": (
        "a pointer of git-annex, not the file it stands for",
        "run `git annex get` where it is",
    ),
    "gzip": ("a gzip'ed file", "unpack it with gunzip"),
    "bzip2": ("a file compressed with bzip2", "unpack it with bunzip2"),
    "xz": ("a file compressed with xz", "unpack it with `xz -d`"),
    "zstd": ("a file compressed with Zstandard", "unpack it with `zstd -d`"),
    "zip": ("a zip archive", "unpack it and name what is in it"),
    "npz": ("a NumPy archive (.npz)", "name the file that is meant"),
    "7z": ("a 7z archive", "unpack it and name what is in it"),
    "rar": ("a RAR archive", "unpack it and name what is in it"),
    "tar": ("a tar archive", "name the file that is meant"),
    "torch": (
        "a PyTorch file (.pth), as the older release NAS-Bench-201 v1.0 and v1.1 came in",
        "get the NATS-Bench archive NATS-tss-v1_0-3ffb9-simple",
    ),
    "pickle": ("a pickle", "name the file that is meant"),
    "pickle.pbz2": (
        "a pickle compressed with bzip2, as the release of NATS-Bench in one file",
        "get the archive whose name ends in -simple, one file an architecture",
    ),
    "hdf5": ("an HDF5 file", "name the file that is meant"),
    "npy": ("a single NumPy array (.npy)", "name the file that is meant"),
    "matlab": ("a MATLAB file", "get the version for Python"),
    "png": ("a PNG picture", "name the file that is meant"),
    "jpeg": ("a JPEG picture", "name the file that is meant"),
    "pdf": ("a PDF document", "name the file that is meant"),
    "sqlite": ("an SQLite database", "name the file that is meant"),
    "utf16": ("a text in UTF-16", "save it as UTF-8"),
    "download": (
        "a download that the browser has not finished",
        "wait for it or restart it, and use the file under its final name",
    ),
}
_SIGNS: tuple[tuple[str, int, bytes], ...] = (
    ("gzip", 0, b"\x1f\x8b"),
    ("bzip2", 0, b"BZh"),
    ("xz", 0, b"\xfd7zXZ\x00"),
    ("zstd", 0, b"\x28\xb5\x2f\xfd"),
    ("zip", 0, b"PK\x03\x04"),
    ("zip", 0, b"PK\x05\x06"),
    ("7z", 0, b"7z\xbc\xaf\x27\x1c"),
    ("rar", 0, b"Rar!\x1a\x07"),
    ("hdf5", 0, b"\x89HDF\r\n\x1a\n"),
    ("npy", 0, b"\x93NUMPY"),
    ("png", 0, b"\x89PNG\r\n\x1a\n"),
    ("jpeg", 0, b"\xff\xd8\xff"),
    ("pdf", 0, b"%PDF-"),
    ("sqlite", 0, b"SQLite format 3\x00"),
    ("matlab", 0, b"MATLAB 5.0 MAT-file"),
    ("tar", 257, b"ustar"),
    ("lfs", 0, b"version https://git-lfs.github.com/spec/"),
    ("utf16", 0, b"\xff\xfe"),
    ("utf16", 0, b"\xfe\xff"),
)
NATS_FOLDER = "NATS-tss-v1_0-3ffb9-simple"
NATS_SIZE_FOLDER = "NATS-sss-v1_0-50262-simple"
TAR_CONTENTS = {
    "cifar-10-batches-py": "CIFAR-10, the version for Python",
    "cifar-10-batches-bin": "CIFAR-10, the binary version",
    "cifar-10-batches-mat": "CIFAR-10, the version for MATLAB",
    "cifar-100-python": "CIFAR-100, the version for Python",
    "cifar-100-binary": "CIFAR-100, the binary version",
    "cifar-100-matlab": "CIFAR-100, the version for MATLAB",
    NATS_FOLDER: "NATS-Bench's topology space",
    NATS_SIZE_FOLDER: "NATS-Bench's size space",
    "NAS-Bench-201-v1_0-archive": "the older release NAS-Bench-201 v1.0",
    "NAS-Bench-201-v1_1-archive": "the older release NAS-Bench-201 v1.1",
}
"""What official archives hold, by the folder that their members lie in."""
_SUFFIXES = {
    ".gz": "gzip",
    ".tgz": "gzip",
    ".tar": "tar",
    ".npz": "npz",
    ".pbz2": "pickle.pbz2",
    ".h5": "hdf5",
    ".whl": "zip",
}
_ALIKE = {"npz": "zip", "pickle.pbz2": "bzip2"}
_UNFINISHED = (".crdownload", ".part", ".partial", ".download", ".opdownload", ".aria2")


def kind_of(head: bytes) -> str | None:
    """Return the kind of a file by its first ``HEAD_BYTES`` bytes, a key of ``KINDS``, or None."""
    if not head:
        return "empty"
    for kind, place, sign in _SIGNS:
        if head.startswith(sign, place):
            return _compressed(kind, head)
    if head[:1] == b"\x80" and head[1:2] in b"\x02\x03\x04\x05" and len(head) > 1:
        return "torch" if head[2:].startswith(_LEGACY_TORCH) else "pickle"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<body", b"<?xml", b"<!--")):
        return "html"
    if b"/annex/objects/" in head[:200] and len(head) < 1000:
        return "annex"
    return None


def _compressed(kind: str, head: bytes) -> str:
    """Tell apart what begins alike: a compressed pickle, a NumPy archive, a PyTorch file."""
    if kind == "bzip2":
        return "pickle.pbz2" if _begins_pickle(head) else kind
    if kind == "zip" and len(head) > 30:
        first = head[30 : 30 + int.from_bytes(head[26:28], "little")]
        if first.endswith(b".npy"):
            return "npz"
        if first.endswith(b"/data.pkl"):
            return "torch"
    return kind


def _begins_pickle(head: bytes) -> bool:
    # The first block may be longer than the head; then a name is all that tells.
    try:
        plain = bz2.BZ2Decompressor().decompress(head, max_length=2)
    except (OSError, ValueError):
        return False
    return plain[:1] == b"\x80" and plain[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05")


def describe(path: Path) -> str | None:
    """Return in words what a file is, if it is one of the usual ones, otherwise None."""
    if is_folder(path):
        return "a folder"
    kind = _kind_of_file(path)
    if kind is None:
        return None
    words, inner = KINDS[kind][0], inside_gzip(path) if kind == "gzip" else None
    if inner:
        words = f"a gzip'ed file that holds {KINDS[inner][0]}"
    contents = TAR_CONTENTS.get(tar_folder(path))
    return f"{words} ({contents})" if contents else words


def surprise(path: Path, name: str) -> str:
    """Return ``"; it is …"`` for a file that is not of the kind that ``name`` says, or "".

    What a known archive holds is told in any case.
    """
    kind = _kind_of_file(path)
    named = _SUFFIXES.get(Path(name).suffix)
    known = tar_folder(path) in TAR_CONTENTS
    if (
        kind is None
        or kind == "download"
        or (kind in (named, _ALIKE.get(named or "")) and not known)
    ):
        return ""
    return f"; it is {describe(path)}"


def inside_gzip(path: Path) -> str | None:
    """Return the kind of what is in a gzip'ed file, or None."""
    plain = _plain_head(path)
    return kind_of(plain) if plain else None


def tar_folder(path: Path) -> str:
    """Return the folder that the first member of a tar archive lies in, or an empty text."""
    plain = _plain_head(path)
    if kind_of(plain) != "tar":
        return ""
    place = 0
    while plain[place + 156 : place + 157] in (b"x", b"g", b"L", b"K"):  # it describes what follows
        size = plain[place + 124 : place + 136].strip(b"\0 ")
        if not size or not set(size) <= set(b"01234567"):
            return ""
        place += 512 * (1 + -(-int(size, 8) // 512))
    name = plain[place : place + 100].partition(b"\0")[0].decode("utf-8", "replace")
    return name.removeprefix("./").partition("/")[0]


def _plain_head(path: Path) -> bytes:
    """Return the beginning of a file, unpacked where it is gzip'ed or compressed with bzip2."""
    head = head_of(path, MIB)
    try:
        if head.startswith(b"\x1f\x8b"):
            return zlib.decompressobj(31).decompress(head, HEAD_BYTES)
        if head.startswith(b"BZh"):
            return bz2.BZ2Decompressor().decompress(head, HEAD_BYTES)
    except (OSError, ValueError, zlib.error):
        return b""
    return head[:HEAD_BYTES]


def _kind_of_file(path: Path) -> str | None:
    head = head_of(path, HEAD_BYTES)
    kind = kind_of(head)
    if kind == "bzip2" and path.name.endswith(".pickle.pbz2"):
        return "pickle.pbz2"
    if kind == "zip" and _holds(path, "/data.pkl"):
        return "torch"
    if kind is None and path.suffix in _UNFINISHED:
        return "download"
    return kind


def _holds(path: Path, ending: str) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith(ending) for name in archive.namelist()[:10])
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile):
        return False


def require_kind(
    path: Path, wanted: str, kinds: Collection[str] = (), inside: Collection[str] = ()
) -> None:
    """Refuse a file that is recognised as another than the one wanted.

    Parameters
    ----------
    path
        The file.
    wanted
        What it should be, in words.
    kinds, inside
        Keys of ``KINDS`` that are right for the file, and for what is in it where it is gzip'ed. A
        file that is none of ``KINDS`` is always let through.

    Raises
    ------
    SourceError
        Naming the file, what was expected, what it is and what to do; also when the file cannot be
        opened.
    """
    if is_folder(path):
        raise SourceError(f"{path}: expected {wanted}, found a folder; name the file itself")
    kind = _kind_of_file(path)
    if kind == "gzip" and kind in kinds:
        kind, kinds = inside_gzip(path), inside
    if kind is not None and kind not in kinds:
        raise SourceError(f"{path}: expected {wanted}, found {describe(path)}; {KINDS[kind][1]}")


def require_folder(path: Path, wanted: str, folder: str) -> None:
    """Refuse a tar archive that is known to hold other things than those of ``folder``.

    Raises
    ------
    SourceError
        Naming what it holds. Archives whose first folder is not one of ``TAR_CONTENTS`` pass.
    """
    found = tar_folder(path)
    if found in TAR_CONTENTS and found != folder:
        raise SourceError(
            f"{path}: expected {wanted}, found {TAR_CONTENTS[found]}; get the archive of {folder}"
        )


def require_kind_of_bytes(content: bytes, where: str, wanted: str, kinds: Collection[str]) -> None:
    """Like :func:`require_kind`, for a file or a member that is in memory already.

    That it is empty is left to whoever reads it.
    """
    kind = kind_of(content[:HEAD_BYTES]) if content else None
    if kind is not None and kind not in kinds:
        found, advice = KINDS[kind]
        raise SourceError(f"{where}: expected {wanted}, found {found}; {advice}")
