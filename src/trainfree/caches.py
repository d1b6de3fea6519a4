"""Folders for what may be lost: compiled code, and what other programs' caches hold.

An installation may be read-only, and its user may have no home folder; what can be computed again
then lies in a folder of the user's own below the folder for temporary files.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterable
from pathlib import Path


def first_writable(folders: Iterable[Path | None]) -> Path | None:
    """Return the first of the folders that can be written, and make it where it is not there."""
    for folder in folders:
        if folder is not None and is_writable(folder):
            return folder
    return None


def is_writable(folder: Path) -> bool:
    """Whether files can be made in a folder, which is made itself where it is not there.

    Permissions are no answer: on a read-only or full disk they stand as ever.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as handle:
            handle.write(b"trainfree")
    except OSError:
        return False
    return True


def user_cache(program: str) -> Path | None:
    """Return the folder of a program's cache below the user's home, None where there is no home."""
    named = os.environ.get("XDG_CACHE_HOME", "")
    folder = Path(named) if named else _home(".cache")
    return folder / program if folder is not None and folder.is_absolute() else None


def private_folder(name: str) -> Path | None:
    """Return a folder below that for temporary files which nobody else can write, or None.

    Its name can be known beforehand, so one that somebody else has made is not used.
    """
    try:
        base = Path(tempfile.gettempdir()) / f"trainfree-{os.geteuid()}"
        base.mkdir(mode=stat.S_IRWXU, exist_ok=True)
        found = base.lstat()
    except OSError:
        return None
    others = stat.S_IMODE(found.st_mode) & (stat.S_IRWXG | stat.S_IRWXO)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or others:
        return None
    return base / name


def place_matplotlib() -> None:
    """Give matplotlib a folder where its own cannot be written; before it is imported.

    It would make a new one in every process, rebuild its list of fonts there, and complain.
    """
    if "MPLCONFIGDIR" in os.environ:
        return
    named = os.environ.get("XDG_CONFIG_HOME", "")
    settings = Path(named) if named else _home(".config")
    usual = (None if settings is None else settings / "matplotlib", user_cache("matplotlib"))
    if all(folder is not None and is_writable(folder) for folder in usual):
        return
    folder = first_writable([private_folder("matplotlib")])
    if folder is not None:
        os.environ["MPLCONFIGDIR"] = str(folder)


def _home(name: str) -> Path | None:
    """Return a folder in the user's home; None where the user has none."""
    try:
        return Path.home() / name
    except RuntimeError:
        return None
