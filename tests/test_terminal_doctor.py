"""What a run needs: every check says what is there, and what is missing fails."""

from __future__ import annotations

import hashlib
import http.server
import sys
import threading
from collections import namedtuple
from importlib import metadata
from pathlib import Path
from typing import ClassVar

import pytest
from packaging.requirements import Requirement
from terminal_fixtures import make_run, screen, write_run_benchmark
from unprivileged import run_unprivileged

from trainfree import cli
from trainfree.errors import ConfigError
from trainfree.scoring.jobs import devices
from trainfree.sources.checksums import Checksum
from trainfree.sources.delivery import SourceSettings
from trainfree.sources.mirror import MirrorFile, MirrorSource
from trainfree.sources.official import DownloadSource, NatsArchiveSource
from trainfree.sources.probing import is_usable, probe
from trainfree.sources.registry import NpmSource
from trainfree.terminal import checks
from trainfree.terminal.checks import (
    check_devices,
    check_package,
    check_packages,
    check_program,
    check_python,
    check_sources,
    check_space,
    check_torch,
    check_writable,
    read_pins,
)
from trainfree.terminal.doctor import examine

NUMPY = metadata.version("numpy")


def sha256(content: bytes) -> Checksum:
    return Checksum("sha256", hashlib.sha256(content).hexdigest())


def script(path: Path, text: str) -> str:
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("requirement", "pin", "state", "said"),
    [
        ("numpy>=1", NUMPY, "ok", NUMPY),
        ("numpy>=1", None, "ok", NUMPY),
        ("numpy>=1", "0.5", "note", f"{NUMPY}; tested with 0.5"),
        ("numpy>=999", NUMPY, "missing", "expected >=999"),
        ("no-such-package-here>=1", "1.2", "missing", "not installed; expected 1.2"),
    ],
)
def test_a_package_is_compared_with_what_is_needed_and_pinned(requirement, pin, state, said):
    check = check_package(Requirement(requirement), pin)
    assert check.state == state
    assert said in check.detail


def test_all_that_trainfree_needs_is_checked(repository):
    pins = read_pins(repository / "requirements" / "constraints.txt")
    assert pins["pyyaml"]
    found = {check.what for check in check_packages(pins)}
    assert {"torch", "numpy", "snakemake", "rich"} <= found
    assert "pytest" not in found  # only developers need it
    assert read_pins(repository / "nowhere.txt") == {}


def test_without_an_installed_package_the_pins_are_checked():
    found = list(check_packages({"numpy": NUMPY}, "no-such-package-here"))
    assert [(check.what, check.state) for check in found] == [
        ("no-such-package-here", "note"),
        ("numpy", "ok"),
    ]


def test_an_old_python_is_missing(monkeypatch):
    assert check_python().state == "ok"
    old = namedtuple("Version", "major minor micro")(3, 9, 1)
    monkeypatch.setattr(checks.sys, "version_info", old)
    assert check_python().state == "missing"


def test_programs_are_found_or_said_to_be_missing():
    assert check_program("sh", "for all", needed=True).state == "ok"
    assert check_program("no-such-program", "for all", needed=True).state == "missing"
    assert check_program("no-such-program", "for all", needed=False).state == "note"


def test_torch_is_asked_in_a_process_of_its_own(tmp_path):
    good = script(tmp_path / "good", "echo 2.9.1+cpu False\n")
    assert check_torch(needs_cuda=False, python=good).detail == "2.9.1+cpu, no GPU"
    assert check_torch(needs_cuda=True, python=good).state == "missing"
    bad = script(tmp_path / "bad", "echo 'ImportError: libx' >&2; exit 1\n")
    check = check_torch(needs_cuda=False, python=bad)
    assert (check.state, check.detail) == ("missing", "cannot be imported: ImportError: libx")
    assert check_torch(needs_cuda=False, python=str(tmp_path / "no")).state == "missing"


def test_a_gpu_is_missing_only_where_one_is_demanded(monkeypatch, tmp_path):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(checks, "check_torch", lambda **_: checks.Check("torch", "ok", ""))
    states = {
        choice: [check.state for check in check_devices(choice, "engine")]
        for choice in ("auto", "cuda")
    }
    assert states == {"auto": ["ok"] * 3, "cuda": ["ok", "missing", "ok"]}


def test_it_is_said_which_device_scores_and_why(monkeypatch, tmp_path):
    told = "case \"$1\" in -L) echo 'GPU 0: A';; *) echo '0, GPU-a, 7.5';; esac\n"
    monkeypatch.setenv("PATH", str(Path(script(tmp_path / "nvidia-smi", told)).parent), prepend=":")
    monkeypatch.setenv("TRAINFREE_GPU_PROBE", "")
    for name in ("CUDA_VISIBLE_DEVICES", "SLURM_JOB_ID"):
        monkeypatch.delenv(name, raising=False)
    asked: list[bool] = []

    def torch(*, needs_cuda: bool) -> checks.Check:
        asked.append(needs_cuda)
        return checks.Check("torch starts", "ok", "")

    monkeypatch.setattr(checks, "check_torch", torch)
    monkeypatch.setattr(devices, "has_triton", lambda: True)
    found = {work: list(check_devices("auto", work))[2] for work in ("engine", "passes")}
    assert found["engine"].detail.startswith("on the CPU: the GPU's compute capability is 7.5")
    assert found["passes"].detail.startswith("on a GPU")
    assert list(check_devices("cuda", "engine"))[2].detail == "on a GPU: scoring.device is cuda"
    assert asked == [False, True, True]


def test_folders_are_tried_by_writing(tmp_path):
    there = check_writable(tmp_path)
    assert (there.state, there.detail) == ("ok", "writable")
    later = check_writable(tmp_path / "a" / "b")
    assert later.detail == f"will be made in {tmp_path}"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
def test_a_folder_that_cannot_be_written_is_missing():
    assert check_writable(Path("/proc/self/results")).state == "missing"


DOCTOR = """
from trainfree.terminal.checks import check_caches
for check in check_caches():
    print(check.state, check.what, check.detail)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
def test_places_for_what_may_be_lost_are_named(tmp_path):
    def told(**environment: str) -> list[str]:
        where = {"HOME": "/proc/nowhere", "TMPDIR": str(tmp_path), **environment}
        done = run_unprivileged([sys.executable, "-c", DOCTOR], where, without=["XDG_CACHE_HOME"])
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    cache, code = told()
    assert cache.startswith("missing snakemake's cache /proc/nowhere/.cache/snakemake: cannot be")
    assert "XDG_CACHE_HOME" in cache
    assert code.startswith("ok compiled code kept in ")
    named = told(XDG_CACHE_HOME=str(tmp_path / "cache"), NUMBA_CACHE_DIR=str(tmp_path / "named"))
    assert len(named) == 1
    assert named[0].startswith(f"ok compiled code kept in {tmp_path / 'named'}")


@pytest.mark.parametrize(("gib", "state"), [(0.2, "missing"), (1.0, "note"), (50.0, "ok")])
def test_little_space_is_told_in_time(gib, state, tmp_path, monkeypatch):
    usage = namedtuple("Usage", "total used free")(1, 1, int(gib * 2**30))
    monkeypatch.setattr(checks.shutil, "disk_usage", lambda _: usage)
    assert check_space(tmp_path).state == state


def test_a_mirror_is_probed_file_by_file(tmp_path):
    (tmp_path / "good").write_bytes(b"good")
    (tmp_path / "bad").write_bytes(b"bad")
    (tmp_path / "unknown").write_bytes(b"?")
    files = {
        "a": MirrorFile(("elsewhere/good", "good"), sha256(b"good")),
        "b": MirrorFile(("bad",), sha256(b"other")),
        "c": MirrorFile(("unknown",)),
        "d": MirrorFile(("absent",), optional=True),
        "e": MirrorFile(("needed",)),
    }
    settings = SourceSettings(mirror=tmp_path)
    found = probe(MirrorSource("x", files), tmp_path, settings, online=False)
    assert [(one.what, one.usable, one.needed) for one in found] == [
        ("good", True, True),
        ("bad", False, True),
        ("unknown", True, True),
        ("absent", False, False),
        ("needed", False, True),
    ]
    assert "expected sha256" in found[1].detail
    usable = {role: files[role] for role in "acd"}
    assert is_usable(probe(MirrorSource("x", usable), tmp_path, settings, online=False)) is True
    for mirror in (None, tmp_path / "nowhere"):
        assert not is_usable(
            probe(MirrorSource("x", usable), tmp_path, SourceSettings(mirror), online=False)
        )


class Archive(http.server.BaseHTTPRequestHandler):
    asked: ClassVar[list[str]] = []

    def do_HEAD(self):
        self.asked.append("HEAD")
        self.send_response(200 if self.path == "/archive" else 404)
        self.end_headers()

    def do_GET(self):
        self.asked.append("GET")

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with http.server.HTTPServer(("127.0.0.1", 0), Archive) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def test_an_address_is_asked_for_but_not_fetched(server, tmp_path):
    Archive.asked.clear()
    settings = SourceSettings(timeout=5.0)
    there = DownloadSource("x", f"{server}/archive", sha256(b"content"))
    gone = DownloadSource("x", f"{server}/gone", sha256(b"content"))
    assert is_usable(probe(there, tmp_path, settings, online=False)) is None
    assert Archive.asked == []
    assert is_usable(probe(there, tmp_path, settings, online=True)) is True
    (found,) = probe(gone, tmp_path, settings, online=True)
    assert found.usable is False
    assert "cannot be reached" in found.detail
    assert set(Archive.asked) == {"HEAD"}
    assert list(tmp_path.iterdir()) == []


def test_what_was_downloaded_before_needs_no_network(tmp_path):
    source = DownloadSource("x", "http://127.0.0.1:1/archive", sha256(b"content"))
    (tmp_path / "archive").write_bytes(b"content")
    (found,) = probe(source, tmp_path, SourceSettings(), online=False)
    assert found.usable is True
    assert str(tmp_path / "archive") in found.detail
    (tmp_path / "archive").write_bytes(b"another")
    (found,) = probe(source, tmp_path, SourceSettings(), online=False)
    assert found.usable is None
    assert "downloaded again" in found.detail


def test_a_registry_is_asked_through_its_client(tmp_path):
    good = script(tmp_path / "good", 'test "$1 $2" = "view p@1.0"\n')
    bad = script(tmp_path / "bad", "echo 'no such host' >&2; exit 3\n")
    for client, usable in ((good, True), (bad, False), (str(tmp_path / "no"), False)):
        source = NpmSource("x", "p", "1.0", sha256(b""), client=client)
        (found,) = probe(source, tmp_path, SourceSettings(timeout=5.0), online=True)
        assert (found.what, found.usable) == ("p@1.0", usable)
    assert "not installed" in found.detail


def test_an_archive_that_the_user_names(tmp_path):
    source = NatsArchiveSource("x")
    named = SourceSettings(nats_archive=tmp_path)
    assert is_usable(probe(source, tmp_path, named, online=False)) is True
    assert is_usable(probe(source, tmp_path, SourceSettings(), online=False)) is False


def test_one_usable_source_is_enough_and_none_is_missing(tmp_path):
    run = make_run(tmp_path)
    found = {check.what: check for check in check_sources(run, online=False)}
    assert found["generated-images"].state == "ok"
    nothing = make_run(tmp_path, order=["mirror"])
    found = {check.what: check for check in check_sources(nothing, online=False)}
    assert found["nasbench201_mini-accuracies"].state == "missing"
    write_run_benchmark(run)
    found = {check.what: check for check in check_sources(nothing, online=False)}
    assert "prepared already" in found["nasbench201_mini-accuracies"].detail


def test_a_wrong_configuration_is_one_of_the_findings(tmp_path):
    def configure():
        raise ConfigError("a.yaml: unknown key 'x'")

    shown, stream = screen()
    assert examine(configure, tmp_path, shown, offline=True) == 1
    text = stream.getvalue()
    assert "a.yaml: unknown key 'x'" in text
    assert "Folders" in text
    assert "missing" in text.splitlines()[-1]


def test_the_command_ends_with_0_where_all_is_there(repository, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(repository)
    monkeypatch.setattr(checks, "check_torch", lambda **_: checks.Check("torch", "ok", ""))
    monkeypatch.setattr(checks, "SCARCE_GIB", 0.0)
    options = ["--offline", "--configfile", "config/test.yaml", "--folder", str(tmp_path)]
    assert cli.main(["doctor", *options]) == 0
    assert "ready to run" in capsys.readouterr().out
    with (tmp_path / "more.yaml").open("w") as more:
        more.write("sources: {order: [mirror], mirror: /nowhere}\n")
    monkeypatch.delenv("TRAINFREE_MIRROR", raising=False)
    options[2:3] = ["config/test.yaml", str(tmp_path / "more.yaml")]
    assert cli.main(["doctor", *options]) == 1
    assert "no source in sources.order can deliver it" in capsys.readouterr().out
