"""The vocabulary of the room: what a source is, what it is told and what it hands over."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

SOURCE_NAMES = ("mirror", "official", "registry", "generated")
MIRROR_VARIABLE = "TRAINFREE_MIRROR"


@dataclass(frozen=True)
class SourceSettings:
    """What the user has said about sources.

    Attributes
    ----------
    mirror
        Folder with local copies, or None.
    nats_archive
        The official NATS-Bench folder or .tar file, or None.
    timeout
        Seconds to wait for an answer before the next source is tried.
    """

    mirror: Path | None = None
    nats_archive: Path | None = None
    timeout: float = 10.0


def source_settings(
    mirror: str | None = None, nats_archive: str | None = None, timeout: float = 10.0
) -> SourceSettings:
    """Return the settings, where the environment variable TRAINFREE_MIRROR wins over ``mirror``."""
    mirror = os.environ.get(MIRROR_VARIABLE) or mirror
    return SourceSettings(
        mirror=Path(mirror).expanduser() if mirror else None,
        nats_archive=Path(nats_archive).expanduser() if nats_archive else None,
        timeout=timeout,
    )


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
