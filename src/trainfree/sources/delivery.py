"""The vocabulary of the room: what a source is, what it is told and what it hands over."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from trainfree.errors import ConfigError, shown

SOURCE_NAMES = ("mirror", "official", "registry", "generated")
MIRROR_VARIABLE = "TRAINFREE_MIRROR"
_LONGEST_PATH, _LONGEST_NAME = 4095, 255


@dataclass(frozen=True)
class SourceSettings:
    """What the user has said about sources.

    Attributes
    ----------
    mirror
        Folder with local copies, or None.
    nats_archive
        The official NATS-Bench folder or .tar file of the topology space, or None.
    nats_size_archive
        That of the size space, or None.
        The official NATS-Bench folder or .tar file, or None.
    nds
        The official NDS folder or .zip file, or None.
    timeout
        Seconds to wait for an answer before the next source is tried.
    """

    mirror: Path | None = None
    nats_archive: Path | None = None
    nats_size_archive: Path | None = None
    timeout: float = 10.0
    nds: Path | None = None


def source_settings(
    mirror: str | None = None,
    nats_archive: str | None = None,
    timeout: float = 10.0,
    nats_size_archive: str | None = None,
    nds: str | None = None,
) -> SourceSettings:
    """Return the settings, where the environment variable TRAINFREE_MIRROR wins over ``mirror``.

    Raises
    ------
    ConfigError
        When one of the paths is none.
    """
    mirror = mirror_folder(mirror)
    return SourceSettings(
        mirror=Path(mirror) if mirror else None,
        nats_archive=Path(real_path(nats_archive)) if nats_archive else None,
        nats_size_archive=Path(real_path(nats_size_archive)) if nats_size_archive else None,
        timeout=timeout,
        nds=Path(real_path(nds)) if nds else None,
    )


def mirror_folder(mirror: str | None) -> str | None:
    """Return the mirror's path: that of the environment where there is one, else ``mirror``.

    Raises
    ------
    ConfigError
        When it is no path.
    """
    given = os.environ.get(MIRROR_VARIABLE)
    if not given:
        return real_path(mirror) if mirror else None
    try:
        return real_path(given)
    except ConfigError as error:
        raise ConfigError(f"{MIRROR_VARIABLE}: {error}, found {shown(given)}") from None


def real_path(given: str | os.PathLike[str]) -> str:
    """Return a path that a user gave with ``~`` replaced by the home folder.

    Raises
    ------
    ConfigError
        When no file can have this path (the kernel's limits are 4,095 bytes, 255 of them between
        two slashes), or when it is a word for no path at all; does not say where it stood.
    """
    text = os.fspath(given)
    if text.strip().lower() in ("null", "none"):
        raise ConfigError(
            "expected a path; for none write null without quotes, or leave it out; for a file or "
            f"folder of that name ./{text.strip()}"
        )
    path = os.path.expanduser(text)  # noqa: PTH111  (Path.expanduser raises without a home)
    if path.startswith("~"):
        raise ConfigError(
            "expected a path; '~' stands for a home folder, and there is no such home here (is "
            "HOME set?), so write the whole path, or ./~ for a name that begins so"
        )
    try:
        data = os.fsencode(path)
    except UnicodeEncodeError:
        raise ConfigError("expected a path that this system can write") from None
    if not path.strip() or len(data) > _LONGEST_PATH or b"\0" in data:
        raise ConfigError(f"expected a path of 1 to {_LONGEST_PATH} bytes without NUL")
    if max(map(len, data.split(b"/"))) > _LONGEST_NAME:
        raise ConfigError(f"expected names of files and folders of at most {_LONGEST_NAME} bytes")
    return path


@dataclass(frozen=True)
class Delivery:
    """Verified files of one source, ready to be read.

    Attributes
    ----------
    source
        Name of the source, one of ``SOURCE_NAMES``.
    form
        Which reader understands the files, for example ``"npz"``.
    files
        Path of each file by its role.
    sha256
        SHA-256 of each file by its role.
    note
        A sentence for readers: what these data are.
    stand_in
        True when the data stand in for others that could not be had.
    counts
        Number of training and of test images that the files are known to hold, if they hold images.
    """

    source: str
    form: str
    files: Mapping[str, Path] = field(default_factory=dict)
    sha256: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    stand_in: bool = False
    counts: tuple[int, int] | None = None


class Source(Protocol):
    """One place that has an item."""

    @property
    def name(self) -> str:
        """One of ``SOURCE_NAMES``."""

    def deliver(self, cache: Path, settings: SourceSettings) -> Delivery:
        """Return verified files, downloading into ``cache`` where needed.

        Raises
        ------
        SourceError
            When this source cannot deliver; the message says why.
        """
