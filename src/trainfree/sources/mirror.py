"""The local mirror: a folder with copies of the public files. It is never written to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from trainfree.errors import SourceError
from trainfree.sources.checksums import Checksum, verify
from trainfree.sources.delivery import MIRROR_VARIABLE, Delivery, SourceSettings


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
    name: str = field(default="mirror", init=False)

    def deliver(self, cache: Path, settings: SourceSettings) -> Delivery:
        """Return the mirror's files; raises SourceError when a needed one is not there."""
        folder = settings.mirror
        if folder is None:
            raise SourceError(f"no mirror folder is named ({MIRROR_VARIABLE} or sources.mirror)")
        if not folder.is_dir():
            raise SourceError(f"the mirror folder {folder} does not exist")
        files: dict[str, Path] = {}
        for role, wanted in self.wanted.items():
            found = [folder / place for place in wanted.places if (folder / place).is_file()]
            if found:
                files[role] = found[0]
            elif not wanted.optional:
                raise SourceError(f"the mirror {folder} has no {' or '.join(wanted.places)}")
        try:
            sha256 = {
                role: verify(path, self.wanted[role].checksum) for role, path in files.items()
            }
        except OSError as error:
            raise SourceError(f"the mirror {folder} cannot be read ({error})") from error
        return Delivery(self.name, self.form, files, sha256, self.note, self.stand_in)
