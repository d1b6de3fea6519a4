"""Official addresses: archives downloaded from their makers, or already on this machine."""

from __future__ import annotations

import http.client
import logging
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from trainfree.errors import SourceError
from trainfree.progress import progress_bar
from trainfree.sources.checksums import CHUNK_BYTES, Checksum, cached
from trainfree.sources.delivery import Delivery, SourceSettings
from trainfree.sources.formats.reading import MIB, is_folder, is_there
from trainfree.sources.formats.wrong_files import NATS_FOLDER, require_folder, require_kind

logger = logging.getLogger(__name__)

MOST_BYTES = 256 * MIB
"""Of an archive; the official ones have 170 MB."""
SLOWEST = 20_000
"""Bytes a second, on average, below which a transfer is given up ..."""
GRACE_SECONDS = 30.0
"""... once it has gone on for so long."""


@dataclass(frozen=True)
class DownloadSource:
    """An archive at its official address, with the hash its makers publish."""

    form: str
    url: str
    checksum: Checksum
    note: str = ""
    most_bytes: int = MOST_BYTES
    name: str = field(default="official", init=False)

    @property
    def address(self) -> str:
        """The archive's address."""
        return self.url

    def local(self, cache: Path) -> Path | None:
        """Return the archive that an earlier run has left in the cache, if any."""
        path = self._archive(cache)
        return path if is_there(path) and not is_folder(path) else None

    def reach(self, settings: SourceSettings) -> None:
        """Ask for the archive without fetching it; raises SourceError."""
        _open(urllib.request.Request(self.url, method="HEAD"), settings.timeout).close()

    def deliver(self, cache: Path, settings: SourceSettings) -> Delivery:
        """Return the archive from the cache, or download it; raises SourceError."""
        path = self._archive(cache)
        sha256 = cached(
            path,
            self.checksum,
            lambda temporary: download(self.url, temporary, settings.timeout, self.most_bytes),
        )
        return Delivery(self.name, self.form, {"archive": path}, {"archive": sha256}, self.note)

    def _archive(self, cache: Path) -> Path:
        return cache / self.url.rpartition("/")[2]


def download(url: str, target: Path, timeout: float, most_bytes: int = MOST_BYTES) -> None:
    """Stream ``url`` into ``target``.

    Parameters
    ----------
    url
        An http or https address.
    target
        The file to write; the caller moves it into place when it is verified.
    timeout
        Seconds without any answer after which the attempt ends.
    most_bytes
        What the file may have; a server that sends more is not listened to any longer.

    Raises
    ------
    SourceError
        When the address cannot be reached, leads elsewhere than to a web server, stops answering,
        drips, or sends more than the file can have.
    """
    if not url.startswith(("https://", "http://")):
        raise SourceError(f"{url}: expected an address that starts with https:// or http://")
    logger.info("downloading %s", url)
    with _open(urllib.request.Request(url), timeout) as response, target.open("wb") as file:
        total = _promised(response)
        if total is not None and total > most_bytes:
            raise SourceError(_too_much(url, f"promises {total:,} bytes", most_bytes))
        received, begin = 0, time.monotonic()
        with progress_bar(target.name.strip("."), total) as advance:
            while chunk := _read(response, url):
                received += len(chunk)
                if received > most_bytes:
                    raise SourceError(_too_much(url, "sends more", most_bytes))
                file.write(chunk)
                advance(len(chunk))
                elapsed = time.monotonic() - begin
                if elapsed > GRACE_SECONDS and received < SLOWEST * elapsed:
                    raise SourceError(
                        f"{url}: sent {received:,} bytes in {elapsed:.0f} s, which is too slow; "
                        "try again later, or put a copy into the mirror"
                    )


def _promised(response: http.client.HTTPResponse) -> int | None:
    """Return the length that the server promises, or None where it says none or nonsense."""
    length = response.headers.get("Content-Length") or ""
    return int(length) if length.isascii() and length.isdigit() and len(length) < 20 else None


def _too_much(url: str, what: str, most_bytes: int) -> str:
    return (
        f"{url}: expected at most {most_bytes:,} bytes, the server {what}; it is not the file meant"
    )


class _WebOnly(urllib.request.HTTPRedirectHandler):
    """Follows redirects to web servers only, and none from an encrypted address to an open one."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        """Return the request for the new address; raises URLError when it is no web address."""
        allowed = ("https://",) if req.full_url.startswith("https://") else ("https://", "http://")
        if not newurl.lower().startswith(allowed):
            raise urllib.error.URLError(f"it leads to {newurl[:200]}, which is not followed")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _open(request: urllib.request.Request, timeout: float) -> http.client.HTTPResponse:
    """Return the answer once its head is there; a head that drips is not waited for for ever."""
    outcome: list[http.client.HTTPResponse | Exception] = []

    def ask() -> None:
        try:
            outcome.append(urllib.request.build_opener(_WebOnly).open(request, timeout=timeout))
        except (OSError, ValueError, http.client.HTTPException) as error:
            outcome.append(error)

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    # Connecting, encrypting and some redirects may each take the timeout.
    asking.join(6 * timeout)
    answer = outcome[0] if outcome else TimeoutError(f"no answer in {6 * timeout:g} s")
    if isinstance(answer, Exception):
        raise SourceError(f"{request.full_url}: cannot be reached ({_reason(answer)})") from answer
    return answer


def _read(response: http.client.HTTPResponse, url: str) -> bytes:
    """Return what has come, at once, so that a drip is seen as one."""
    try:
        return response.read1(CHUNK_BYTES)
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise SourceError(f"{url}: broke off ({_reason(error)})") from error


def _reason(error: Exception) -> str:
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    return str(cause) or type(cause).__name__


@dataclass(frozen=True)
class NatsArchiveSource:
    """A NATS-Bench archive, which has no stable address: the user names a local copy.

    Parameters
    ----------
    folder
        The official name of the archive's folder.
    key
        The setting that names the copy, of :class:`SourceSettings` and of ``sources``.
    """

    form: str
    note: str = ""
    folder: str = NATS_FOLDER
    key: Literal["nats_archive", "nats_size_archive"] = "nats_archive"
    name: str = field(default="official", init=False)

    def _require_archive(self, path: Path) -> None:
        wanted = f"the {self.folder} folder or .tar"
        if is_folder(path):
            return
        if not is_there(path):
            raise SourceError(f"the NATS-Bench archive {path} does not exist")
        require_kind(path, wanted, ("tar", "gzip", "bzip2"), ("tar",))
        require_folder(path, wanted, self.folder)

    def deliver(self, cache: Path, settings: SourceSettings) -> Delivery:
        """Return the named folder or .tar; its content is hashed while it is read."""
        path: Path | None = getattr(settings, self.key)
        if path is None:
            raise SourceError(
                f"no NATS-Bench archive is named (sources.{self.key}: the "
                f"{self.folder} folder or .tar, which has no stable address)"
            )
        self._require_archive(path)
        return Delivery(self.name, self.form, {"archive": path}, note=self.note)
