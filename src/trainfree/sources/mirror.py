"""The local mirror: a folder with copies of the public files. It is never written to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from trainfree.errors import SourceError
from trainfree.sources.checksums import Checksum, verify
from trainfree.sources.delivery import MIRROR_VARIABLE, Delivery, SourceSettings
from trainfree.sources.formats.reading import is_folder, is_there, unreadable


@dataclass(frozen=True)
class MirrorFile:
    """A file that a mirror may hold, at any of several places below its top."""

    places: tuple[str, ...]
    checksum: Checksum | None = None
    optional: bool = False


@dataclass(frozen=True)
class MirrorSource:
    """Files of a local mirror that together make one item."""

    form: str
    wanted: Mapping[str, MirrorFile]
    note: str = ""
    stand_in: bool = False
    counts: tuple[int, int] | None = None
    name: str = field(default="mirror", init=False)

    def deliver(self, cache: Path, settings: SourceSettings) -> Delivery:
        """Return the mirror's files; raises SourceError when a needed one is not there."""
        folder = settings.mirror
        if folder is None:
            raise SourceError(f"no mirror folder is named ({MIRROR_VARIABLE} or sources.mirror)")
        require_folder(folder)
        files: dict[str, Path] = {}
        for role, wanted in self.wanted.items():
            found = found_at(folder, wanted.places)
            if found is not None:
                files[role] = found
            elif not wanted.optional:
                raise SourceError(f"the mirror {folder} has no {' or '.join(wanted.places)}")
        sha256 = {role: verify(path, self.wanted[role].checksum) for role, path in files.items()}
        return Delivery(self.name, self.form, files, sha256, self.note, self.stand_in, self.counts)


def require_folder(folder: Path) -> None:
    """Raise SourceError when the mirror is not a directory, or may not be looked at."""
    if is_folder(folder):
        return
    if is_there(folder):
        raise SourceError(f"the mirror {folder} is a file, expected a folder with files")
    raise SourceError(f"the mirror folder {folder} does not exist")


def found_at(folder: Path, places: tuple[str, ...]) -> Path | None:
    """Return the first file there is at the places.

    Raises
    ------
    SourceError
        When none is there and a place has something else than a file, or may not be looked at.
    """
    others = []
    for place in places:
        path = folder / place
        try:
            if path.is_file():
                return path
            if path.exists() or path.is_symlink():
                others.append(path)
        except OSError as error:
            raise unreadable(path, error) from error
    if others:
        what = "a folder" if others[0].is_dir() else "no regular file"
        raise SourceError(f"{others[0]}: expected the file itself, found {what}")
    return None
