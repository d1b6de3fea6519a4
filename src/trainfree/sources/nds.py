"""The official files of Network Design Spaces, of which the user names a local copy."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from trainfree.errors import SourceError
from trainfree.sources.delivery import Delivery, SourceSettings
from trainfree.sources.formats.reading import is_folder, is_there
from trainfree.sources.formats.wrong_files import require_kind
from trainfree.sources.mirror import found_at

FOLDERS = ("", "data/", "nds_data/", "nds/")
"""Where the files lie in what is downloaded, and in what others have made of it."""


@dataclass(frozen=True)
class NdsSource:
    """One of the files, in a folder with them or in the zip file that they are published in.

    Attributes
    ----------
    file
        Its name without ``.json``.
    """

    form: str
    file: str
    note: str = ""
    name: str = field(default="official", init=False)

    def deliver(self, cache: Path, settings: SourceSettings) -> Delivery:
        """Return the file or the zip file; its content is hashed while it is read."""
        path = settings.nds
        if path is None:
            raise SourceError(
                "no files of NDS are named (sources.nds: a folder with "
                f"{self.file}.json, or the data.zip of facebookresearch/nds)"
            )
        if not is_there(path):
            raise SourceError(f"the files of NDS {path} do not exist")
        if is_folder(path):
            places = tuple(f"{folder}{self.file}.json" for folder in FOLDERS)
            found = found_at(path, places)
            if found is None:
                raise SourceError(f"the folder {path} has no {' or '.join(places)}")
            path = found
        else:
            require_kind(path, f"a zip file with {self.file}.json in it", ("zip",))
        return Delivery(self.name, self.form, {"table": path}, note=self.note)
