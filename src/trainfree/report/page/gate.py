"""What of a folder of results a page may show: what its run's data files were made into.

Everything else that lies there is named on the page with the reason, and so is what cannot be read.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from trainfree.analysis.admission import DataOfRun
from trainfree.analysis.origins import Origin, read_origin
from trainfree.errors import DataFileError
from trainfree.files.small_files import read_bounded

View = TypeVar("View")
LONGEST_REASON = 600  # characters; an error may quote a whole file


class Gate:
    """Lets through what belongs to a run.

    Attributes
    ----------
    left_out
        Pairs of a file, or the name of several, and why it is not shown.
    """

    def __init__(self, run: DataOfRun) -> None:
        self._run = run
        self.left_out: list[tuple[str, str]] = []

    def leave_out(self, what: Path, reason: object) -> None:
        """Remember what is not shown; its path is not said again in the reason."""
        text = str(reason).replace(f"{what.parent}{os.sep}", "").removeprefix(f"{what.name}: ")
        shown = text if len(text) <= LONGEST_REASON else f"{text[:LONGEST_REASON]} …"
        self.left_out.append((_plain(f"{what.parent.name}/{what.name}"), _plain(shown)))

    def views(
        self,
        folder: Path,
        suffixes: Sequence[str],
        limit: int,
        view: Callable[[str, Mapping[str, bytes], Origin], View | None],
    ) -> dict[str, View]:
        """Return what a folder has to show, by name.

        Parameters
        ----------
        folder
            It need not be there.
        suffixes
            Those of the files that belong to one name; one of them is enough.
        limit
            The most bytes of a file.
        view
            Makes what is shown, from a name, the contents by suffix and the origin; None if it
            cannot.
        """
        names = {path.stem for suffix in suffixes for path in folder.glob(f"*.{suffix}")}
        found = {}
        for name in sorted(names):
            stem = folder / name
            contents = self._contents(stem, suffixes, limit)
            origin = self._origin(stem, contents) if contents else None
            shown = None if origin is None else view(name, contents, origin)
            if shown is not None:
                found[name] = shown
        return found

    def _contents(self, stem: Path, suffixes: Sequence[str], limit: int) -> dict[str, bytes]:
        contents = {}
        for suffix in suffixes:
            path = stem.with_name(f"{stem.name}.{suffix}")
            if os.path.lexists(path):
                try:
                    contents[suffix] = read_bounded(path, limit)
                except DataFileError as error:
                    self.leave_out(path, error)
        return contents

    def _origin(self, stem: Path, contents: Mapping[str, bytes]) -> Origin | None:
        """Return what something was made from; None, and the reason, if it does not belong."""
        try:
            origin = read_origin(stem)
        except DataFileError as error:
            self.leave_out(stem, error)
            return None
        reason = self._run.why_not(origin) or _misfit(origin, contents)
        if reason:
            self.leave_out(stem, reason)
        return None if reason else origin


def _plain(text: str) -> str:
    """Return a text without what moves a terminal's cursor or turns the direction of reading."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _misfit(origin: Origin, contents: Mapping[str, bytes]) -> str:
    for suffix, content in contents.items():
        if reason := origin.misfit(suffix, content):
            return f"its .{suffix}: {reason}"
    return ""
