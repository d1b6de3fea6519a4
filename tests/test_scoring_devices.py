"""GPU slots without a GPU: the locks are real, the devices are names."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from trainfree.errors import TrainfreeError
from trainfree.processes import Process
from trainfree.scoring.jobs import devices
from trainfree.scoring.jobs.demand import ENGINE_MB, job_memory_mb, job_minutes
from trainfree.scoring.jobs.devices import (
    capabilities,
    device_slot,
    gpus_per_job,
    visible_gpus,
    why_no_gpu,
)
from trainfree.scoring.settings.setting import Setting

HOLD = """
import sys, os, time
from pathlib import Path
from trainfree.scoring.jobs.devices import device_slot
sleep = time.sleep
def told(seconds):
    print("waits", flush=True)
    sleep(seconds)
time.sleep = told
with device_slot("auto", Path(sys.argv[1]), jobs_per_gpu=int(sys.argv[2])) as device:
    print(device, os.environ.get("CUDA_VISIBLE_DEVICES"), flush=True)
    sys.stdin.readline()
"""


@contextmanager
def hold(folder: Path, jobs_per_gpu: int = 1) -> Iterator[subprocess.Popen[str]]:
    """A process that takes a slot, says which, and keeps it until it is told to let it go."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder), str(jobs_per_gpu)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def waits(process: subprocess.Popen[str]) -> bool:
    """Whether it has looked for a slot three times and found none."""
    return [process.stdout.readline() for _ in range(3)] == ["waits\n"] * 3


def slot(process: subprocess.Popen[str]) -> str:
    """The slot it takes, after waiting for at most a minute."""
    said = (process.stdout.readline().rstrip() for _ in range(600))
    return next((line for line in said if line != "waits"), "none")


@pytest.fixture(autouse=True)
def _no_batch_job(monkeypatch):
    for name in devices._BATCH_JOB:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TRAINFREE_GPU_PROBE", "")


@pytest.fixture
def _two_gpus(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,7")


@pytest.mark.usefixtures("_two_gpus")
def test_concurrent_jobs_get_different_devices_and_wait_for_one_that_is_let_go(tmp_path):
    with hold(tmp_path) as first, hold(tmp_path) as second:
        one, other = slot(first), slot(second)
        assert {one, other} == {"cuda 3", "cuda 7"}
        with hold(tmp_path) as third:
            assert waits(third)
            first.kill()
            assert slot(third) == one
            with hold(tmp_path) as fourth:
                assert waits(fourth)
                second.communicate("\n")
                assert slot(fourth) == other


@pytest.mark.usefixtures("_two_gpus")
def test_several_jobs_hold_a_gpu_where_that_is_wanted_and_spread_over_all(tmp_path):
    with ExitStack() as stack:
        holders = [stack.enter_context(hold(tmp_path, 2)) for _ in range(2)]
        assert {slot(holder) for holder in holders} == {"cuda 3", "cuda 7"}
        more = [stack.enter_context(hold(tmp_path, 2)) for _ in range(2)]
        assert {slot(holder) for holder in more} == {"cuda 3", "cuda 7"}
        fifth = stack.enter_context(hold(tmp_path, 2))
        assert waits(fifth)
        more[0].communicate("\n")
        assert slot(fifth) in ("cuda 3", "cuda 7")
        assert len(list(tmp_path.iterdir())) == 4


def test_the_one_device_of_a_batch_job_is_taken_by_one_scoring_job_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    with ExitStack() as stack:
        with device_slot("cuda", tmp_path) as device:
            assert device == "cuda"
            assert os.environ["CUDA_VISIBLE_DEVICES"] == "3"
            assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
            second = stack.enter_context(hold(tmp_path))
            assert waits(second)
        assert slot(second) == "cuda 3"
        second.communicate("\n")
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("_two_gpus")
@pytest.mark.parametrize("name", ["SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "JOB_ID"])
def test_devices_of_one_batch_job_are_shared_out_and_numbers_of_another_do_not_count(
    tmp_path, monkeypatch, name
):
    with ExitStack() as stack:
        for job in ("12[3].head/node", "13"):
            monkeypatch.setenv(name, job)
            holders = [stack.enter_context(hold(tmp_path)) for _ in range(2)]
            assert {slot(holder) for holder in holders} == {"cuda 3", "cuda 7"}


@pytest.mark.parametrize("value", [None, "", "NoDevFiles"])
def test_a_slurm_job_without_a_device_does_not_take_one(tmp_path, monkeypatch, value):
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'GPU 0: A'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert visible_gpus() == ["0"]
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    if value is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
    with device_slot("auto", tmp_path / "locks") as device:
        assert device == "cpu"
    with pytest.raises(TrainfreeError, match="Slurm assigned none"), device_slot("cuda"):
        pass


def test_without_a_gpu_auto_is_the_cpu_and_cuda_an_error(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert visible_gpus() == []
    with device_slot("auto", tmp_path) as device:
        assert device == "cpu"
    with (
        pytest.raises(TrainfreeError, match="no GPU is visible"),
        device_slot("cuda", tmp_path),
    ):
        pass


ASK = """
import logging
from trainfree.errors import TrainfreeError
from trainfree.scoring.jobs.devices import scoring_device
logging.basicConfig(format="%(message)s")
for choice in ("auto", "cuda"):
    try:
        with scoring_device(choice) as device:
            print(device)
    except TrainfreeError as error:
        print(error)
"""


@pytest.mark.parametrize("named", ["7777", "GPU-8932f937-d72c-4106-c12f-20bd9faed9f6", "MIG-1/2"])
def test_a_named_gpu_that_does_not_work_leaves_the_cpu(tmp_path, named):
    """Torch tells only when it is asked, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", ASK],
        env={**os.environ, "CUDA_VISIBLE_DEVICES": named, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    cpu, sentence = done.stdout.splitlines()
    assert cpu == "cpu"
    assert f"the GPU '{named}' does not work" in sentence
    assert f"the GPU '{named}' does not work" in done.stderr
    assert "the CPU scores" in done.stderr


def test_jobs_ask_the_scheduler_for_a_gpu_only_where_there_is_one(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert [gpus_per_job(choice) for choice in ("auto", "cpu", "cuda")] == [0, 0, 1]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert [gpus_per_job(choice) for choice in ("auto", "cpu", "cuda")] == [1, 0, 1]


def test_gpus_are_listed_by_the_driver_program(tmp_path, monkeypatch):
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'GPU 0: A'\necho 'GPU 1: B'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert visible_gpus() == ["0", "1"]


CAPABLE = """#!/bin/sh
case "$1" in
-L) echo 'GPU 0: A (UUID: GPU-aa)'; echo 'GPU 1: B (UUID: GPU-bb)';;
*) echo '0, GPU-aa, 9.0'; echo '1, GPU-bb, 7.5';;
esac
"""
SILENT = "#!/bin/sh\nif [ \"$1\" = -L ]; then echo 'GPU 0: A'; else exit 6; fi\n"


@pytest.fixture
def driver(tmp_path, monkeypatch):
    """Put a program in the place of the driver's."""

    def install(content: str) -> None:
        program = tmp_path / "nvidia-smi"
        program.write_text(content)
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        monkeypatch.setattr(devices, "has_triton", lambda: True)

    return install


@pytest.mark.parametrize(
    ("visible", "found"),
    [
        (None, [(9, 0), (7, 5)]),
        ("", []),
        ("0", [(9, 0)]),
        ("1,0", [(7, 5), (9, 0)]),
        ("GPU-bb", [(7, 5)]),
        ("MIG-of-which", [(7, 5)]),
    ],
)
def test_compute_capabilities_are_those_of_the_visible_gpus(driver, monkeypatch, visible, found):
    driver(CAPABLE)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert capabilities() == found


@pytest.mark.parametrize("content", [SILENT, "#!/bin/sh\necho 'GPU 0: A'\n"])
def test_a_capability_that_is_not_told_is_not_known(driver, content):
    driver(content)
    assert capabilities() == [None]
    assert gpus_per_job("auto", "engine") == 0
    assert gpus_per_job("auto", "passes") == gpus_per_job("cuda", "engine") == 1


def test_without_the_drivers_program_a_named_gpu_has_no_known_capability(monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    assert capabilities() == [None, None]


def test_a_driver_that_hangs_is_asked_for_capabilities_once(driver, monkeypatch, tmp_path):
    asked = tmp_path / "asked"
    driver(f"#!/bin/sh\necho >> {asked}; sleep 600\n")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.setattr(devices, "_PROBE_SECONDS", 0.5)
    assert capabilities() == [None]
    devices._told_capabilities.cache_clear()  # a job's process has not asked itself
    assert capabilities() == [None]
    assert len(asked.read_text()) == 1


@pytest.mark.parametrize(
    ("visible", "work", "device", "words"),
    [
        ("0", "engine", "cuda", "scoring on a GPU: its compute capability is 9.0"),
        ("1", "engine", "cpu", "scoring on the processor: the GPU's compute capability is 7.5"),
        ("0", "none", "cpu", "scoring on the processor: no proxy runs a network"),
        ("1", "passes", "cuda", "scoring on a GPU: a proxy needs passes"),
    ],
)
def test_scheduler_and_job_take_the_same_device_and_the_log_says_why(
    driver, monkeypatch, tmp_path, caplog, visible, work, device, words
):
    driver(CAPABLE)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert gpus_per_job("auto", work) == (device == "cuda")
    caplog.set_level("INFO")
    with device_slot("auto", tmp_path / "locks", work=work) as found:
        assert found == device
    (said,) = caplog.messages
    assert said.startswith(words)


HANGS = "#!/bin/sh\nsleep 600 & echo $! > {pid}; sleep 600\n"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (HANGS, "gave no answer in 0.5 s"),
        ("#!/bin/sh\nexit 9\n", "status 9, it says: nothing"),
        ("#!/bin/sh\necho driver mismatch >&2; exit 18\n", "it says: driver mismatch"),
        ("#!/bin/sh\nprintf 'G\\377PU 0\\n'\n", "lists none"),
        ("#!/bin/sh\n", "lists none (nothing)"),
        ("#!/nowhere/at/all\n", "cannot be run"),
        ("\x7fELF", "cannot be run"),
    ],
)
def test_a_probe_that_fails_is_an_answer(tmp_path, monkeypatch, caplog, content, words):
    program, pid = tmp_path / "nvidia-smi", tmp_path / "pid"
    program.write_text(content.replace("{pid}", str(pid)))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(devices, "_PROBE_SECONDS", 0.5 if content == HANGS else 60)
    assert visible_gpus() == []
    assert [gpus_per_job(choice) for choice in ("auto", "cpu", "cuda")] == [0, 0, 1]
    assert words in why_no_gpu()
    if content == HANGS:
        devices._listed.cache_clear()  # a job's process has not asked itself
        assert words in why_no_gpu()
    (said,) = caplog.messages  # asked once
    assert words in said
    if content == HANGS:
        sleeper = Process(int(pid.read_text()))
        while sleeper.is_alive():
            time.sleep(0.02)


class TestFoldersOfLocks:
    @pytest.fixture(autouse=True)
    def temporary(self, tmp_path, monkeypatch):
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
        self.expected = tmp_path / f"trainfree-gpu-{os.getuid()}"

    def used(self):
        with device_slot("auto"):
            (lock,) = self.expected.parent.glob("trainfree-gpu-*/0.lock")
            assert lock.is_file()
            assert not lock.is_symlink()
            return lock.parent

    def test_it_is_this_users_alone(self):
        before = os.umask(0)
        try:
            folder = self.used()
        finally:
            os.umask(before)
        assert folder == self.expected
        assert folder.stat().st_mode & 0o777 == 0o700
        folder.chmod(0o777)
        assert self.used().stat().st_mode & 0o777 == 0o700

    @pytest.mark.parametrize("taken", ["link", "link to nothing", "file", "another user's"])
    def test_a_name_that_is_taken_is_left_to_its_owner(self, tmp_path, taken):
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        if taken == "file":
            self.expected.write_text("theirs")
        elif taken == "another user's":
            if os.geteuid() != 0:
                pytest.skip("needs a second user")
            self.expected.mkdir(mode=0o777)
            os.chown(self.expected, 65534, 65534)
        else:
            self.expected.symlink_to("elsewhere" if taken == "link" else "nowhere")
        assert self.used() == tmp_path / f"{self.expected.name}-2"
        assert not list(elsewhere.iterdir())

    def test_without_a_folder_there_is_a_sentence(self, tmp_path, monkeypatch):
        for end in ("", "-2", "-3", "-4", "-5"):
            (tmp_path / f"{self.expected.name}{end}").touch()
        with pytest.raises(TrainfreeError, match=r"no folder for the locks.*TMPDIR"):
            self.used()
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
        with pytest.raises(TrainfreeError, match=r"no folder for the locks.*No such file"):
            self.used()

    @pytest.mark.parametrize("planted", ["link", "link to nothing", "pipe", "folder"])
    def test_what_is_no_lock_is_neither_followed_nor_emptied(self, tmp_path, planted):
        victim, lock = tmp_path / "victim", self.expected / "0.lock"
        victim.write_text("precious")
        self.expected.mkdir()
        if planted == "pipe":
            os.mkfifo(lock)
        elif planted == "folder":
            lock.mkdir()
        else:
            lock.symlink_to(victim if planted == "link" else tmp_path / "nowhere")
        with pytest.raises(TrainfreeError, match=r"0\.lock: expected a file to lock"):
            self.used()
        assert victim.read_text() == "precious"
        assert not (tmp_path / "nowhere").exists()


def test_the_processor_is_named_as_far_as_the_system_tells_it(tmp_path, monkeypatch):
    told = tmp_path / "cpuinfo"
    told.write_text("processor\t: 0\nmodel name\t: Some  Chip 9000\n\nmodel name\t: other\n")
    monkeypatch.setattr(devices, "_PROCESSORS", told)
    assert devices.processor_name() == "cpu (Some Chip 9000)"
    monkeypatch.setattr(devices, "_PROCESSORS", tmp_path / "none")
    for named, expected in (("arm", "cpu (arm)"), ("", "cpu")):
        monkeypatch.setattr("platform.processor", lambda named=named: named)
        assert devices.processor_name() == expected


def memory_of(*proxies, batch_size=64):
    return job_memory_mb(
        Setting("nasbench201", "cifar10", proxies, batch_size, "pytorch", "images", seed=0)
    )


def test_proxies_that_go_back_through_the_network_ask_for_memory_by_the_mini_batch():
    assert memory_of("naswot", "synflow", "swap", batch_size=512) == ENGINE_MB
    assert memory_of("naswot", "grad_norm", batch_size=8) == ENGINE_MB
    half, whole = (memory_of("naswot", "grad_norm", batch_size=size) for size in (128, 256))
    assert ENGINE_MB < half < whole < 2 * half


def test_a_file_of_proxies_is_asked_for_its_needs(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "from trainfree.proxies.registry import proxy\n"
        "@proxy('kept_maps', needs=['gradients'], cite='a test')\n"
        "def kept_maps(candidate):\n"
        "    return 1.0\n"
    )
    setting = Setting(
        "nasbench201", "cifar10", ("kept_maps",), 128, "pytorch", "images", seed=0,
        extra=((str(file), "hash"),),
    )  # fmt: skip
    assert job_memory_mb(setting) > ENGINE_MB
    assert job_minutes(setting) > job_minutes(replace(setting, proxies=("naswot",)))
