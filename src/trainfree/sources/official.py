"""Official addresses: archives downloaded from their makers, or already on this machine."""

from __future__ import annotations

import http.client
import logging
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

from trainfree.errors import SourceError
from trainfree.progress import progress_bar
from trainfree.sources.checksums import CHUNK_BYTES, Checksum, cached
from trainfree.sources.delivery import Delivery, SourceSettings

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class DownloadSource:
    """An archive at its official address, with the hash its makers publish."""

    form: str
    url: str
    checksum: Checksum
    note: str = ""
    name: str = field(default="official", init=False)

    @property
    def address(self) -> str:
        """The archive's address."""
        return self.url

    def local(self, cache: Path) -> Path | None:
        """Return the archive that an earlier run has left in the cache, if any."""
        path = self._archive(cache)
        return path if path.is_file() else None

    def reach(self, settings: SourceSettings) -> None:
        """Ask for the archive without fetching it; raises SourceError."""
        _open(urllib.request.Request(self.url, method="HEAD"), settings.timeout).close()

    def deliver(self, cache: Path, settings: SourceSettings) -> Delivery:
        """Return the archive from the cache, or download it; raises SourceError."""
        path = self._archive(cache)
        sha256 = cached(
            path, self.checksum, lambda temporary: download(self.url, temporary, settings.timeout)
        )
        return Delivery(self.name, self.form, {"archive": path}, {"archive": sha256}, self.note)

    def _archive(self, cache: Path) -> Path:
        return cache / self.url.rpartition("/")[2]


def download(url: str, target: Path, timeout: float) -> None:
    """Stream ``url`` into ``target``.

    Parameters
    ----------
    url
        An http or https address.
    target
        The file to write; the caller moves it into place when it is verified.
    timeout
        Seconds without any answer after which the attempt ends.

    Raises
    ------
    SourceError
        When the address cannot be reached or stops answering.
    """
    if not url.startswith(("https://", "http://")):
        raise SourceError(f"{url}: expected an address that starts with https:// or http://")
    logger.info("downloading %s", url)
    with _open(urllib.request.Request(url), timeout) as response, target.open("wb") as file:
        length = response.headers.get("Content-Length")
        total = int(length) if length and length.isdigit() else None
        with progress_bar(target.name.strip("."), total) as advance:
            while chunk := _read(response, url):
                file.write(chunk)
                advance(len(chunk))


def _open(request: urllib.request.Request, timeout: float) -> http.client.HTTPResponse:
    try:
        response: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=timeout)
    except (OSError, http.client.HTTPException) as error:
        raise SourceError(f"{request.full_url}: cannot be reached ({_reason(error)})") from error
    return response


def _read(response: http.client.HTTPResponse, url: str) -> bytes:
    try:
        return response.read(CHUNK_BYTES)
    except (OSError, http.client.HTTPException) as error:
        raise SourceError(f"{url}: broke off ({_reason(error)})") from error


def _reason(error: Exception) -> str:
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    return str(cause) or type(cause).__name__


@dataclass(frozen=True)
class NatsArchiveSource:
    """The NATS-Bench archive, which has no stable address: the user names a local copy."""

    form: str
    note: str = ""
    name: str = field(default="official", init=False)

    def deliver(self, cache: Path, settings: SourceSettings) -> Delivery:
        """Return the named folder or .tar; its content is hashed while it is read."""
        path = settings.nats_archive
        if path is None:
            raise SourceError(
                "no NATS-Bench archive is named (sources.nats_archive: the "
                "NATS-tss-v1_0-3ffb9-simple folder or .tar, which has no stable address)"
            )
        if not path.exists():
            raise SourceError(f"the NATS-Bench archive {path} does not exist")
        return Delivery(self.name, self.form, {"archive": path}, note=self.note)
