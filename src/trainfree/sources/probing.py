"""Is a source there? Asked without fetching anything that is not on this machine yet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from trainfree.errors import SourceError
from trainfree.files.reading import cannot_be_read
from trainfree.sources.checksums import verify
from trainfree.sources.delivery import Source, SourceSettings
from trainfree.sources.mirror import MirrorFile, MirrorSource, found_at, require_folder
from trainfree.sources.nds import NdsSource
from trainfree.sources.official import DownloadSource, NatsArchiveSource
from trainfree.sources.registry import NpmSource, PypiFileSource, PypiFilesSource

HERE = "already here"


@dataclass(frozen=True)
class Probe:
    """What is known of one file or address of a source.

    Attributes
    ----------
    what
        The file, address or package.
    usable
        Whether it could be fetched or read now; None where that was not tried.
    detail
        How it was found, or why it cannot be used.
    needed
        False for files without which the source delivers too.
    """

    what: str
    usable: bool | None
    detail: str
    needed: bool = True


def probe(source: Source, cache: Path, settings: SourceSettings, *, online: bool) -> list[Probe]:
    """Return what is known of each file of a source.

    Parameters
    ----------
    cache
        Folder for downloads.
    online
        Try the network, each address for ``settings.timeout`` seconds at most.
    """
    try:
        return _probed(source, cache, settings, online)
    except OSError as error:  # a folder that may not be entered, a disk that fails
        path = Path(error.filename) if isinstance(error.filename, str) else cache
        return [Probe(source.name, False, str(cannot_be_read(path, error)))]


def _probed(source: Source, cache: Path, settings: SourceSettings, online: bool) -> list[Probe]:
    if isinstance(source, MirrorSource):
        return list(_mirror(source, settings))
    if isinstance(source, DownloadSource | NpmSource | PypiFileSource):
        return [_remote(source, cache, settings, online)]
    if isinstance(source, PypiFilesSource):
        return list(_package(source, cache, settings, online))
    if isinstance(source, NatsArchiveSource | NdsSource):
        is_nds = isinstance(source, NdsSource)
        try:
            delivery = source.deliver(cache, settings)
        except SourceError as error:
            return [Probe("files of NDS" if is_nds else "NATS-Bench archive", False, str(error))]
        path = delivery.files["table" if is_nds else "archive"]
        return [Probe(str(path), True, "there; hashed while it is read")]
    return [Probe(source.name, True, "needs no file")]


def is_usable(probes: list[Probe]) -> bool | None:
    """Whether the source could deliver: all that is needed is usable; None if it was not tried."""
    needed = [one.usable for one in probes if one.needed]
    if False in needed:
        return False
    return None if None in needed else True


def _mirror(source: MirrorSource, settings: SourceSettings) -> Iterator[Probe]:
    folder = settings.mirror
    try:
        if folder is None:
            raise SourceError("no mirror folder is named")
        require_folder(folder)
    except SourceError as error:
        yield Probe("mirror", False, str(error))
        return
    for wanted in source.wanted.values():
        yield _mirror_file(folder, wanted)


def _mirror_file(folder: Path, wanted: MirrorFile) -> Probe:
    what = wanted.places[0]
    try:
        there = found_at(folder, wanted.places)
        if there is None:
            return Probe(what, False, "not there", not wanted.optional)
        what = str(there.relative_to(folder))
        verify(there, wanted.checksum)
    except SourceError as error:
        return Probe(what, False, str(error), not wanted.optional)
    known = "there, has the published hash" if wanted.checksum else "there, no hash is published"
    return Probe(what, True, known, not wanted.optional)


def _package(
    source: PypiFilesSource, cache: Path, settings: SourceSettings, online: bool
) -> Iterator[Probe]:
    """Yield what is known of a package's files: those here, and once the package for the others."""
    asked = False
    for part in source.parts.values():
        found = _remote(part, cache, settings, online and not asked)
        here = found.usable is True and found.detail.startswith(HERE)
        if here or not asked:
            yield replace(found, what=f"{part.address}: {part.member.rpartition('/')[2]}")
        asked = asked or not here


def _remote(
    source: DownloadSource | NpmSource | PypiFileSource,
    cache: Path,
    settings: SourceSettings,
    online: bool,
) -> Probe:
    try:
        here = source.local(cache)
    except SourceError as error:
        return Probe(source.address, False, str(error))
    if here is not None:
        try:
            verify(here, source.checksum)
        except SourceError as error:
            detail = f"{error}; it will be downloaded again"
            if not online:
                return Probe(source.address, None, detail)
        else:
            return Probe(source.address, True, f"{HERE}: {here}")
    if not online:
        return Probe(source.address, None, "not tried (--offline)")
    try:
        source.reach(settings)
    except SourceError as error:
        return Probe(source.address, False, str(error).removeprefix(f"{source.address}: "))
    return Probe(source.address, True, "reachable")
