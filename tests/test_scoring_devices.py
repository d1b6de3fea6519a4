"""GPU slots without a GPU: the locks are real, the devices are names."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from trainfree.errors import TrainfreeError
from trainfree.scoring import devices
from trainfree.scoring.devices import device_slot, gpus_per_job, visible_gpus
from trainfree.scoring.job_demand import ENGINE_MB, job_memory_mb, job_minutes
from trainfree.scoring.setting import Setting

HOLD = """
import sys, os
from pathlib import Path
from trainfree.scoring.devices import device_slot
with device_slot("auto", Path(sys.argv[1])) as device:
    print(device, os.environ.get("CUDA_VISIBLE_DEVICES"), flush=True)
    sys.stdin.readline()
"""


def hold(folder):
    return subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(autouse=True)
def _no_batch_job(monkeypatch):
    for name in devices._BATCH_JOB:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def _two_gpus(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,7")


@pytest.mark.usefixtures("_two_gpus")
def test_concurrent_jobs_get_different_devices_and_a_killed_one_frees_its_own(tmp_path):
    first, second = hold(tmp_path), hold(tmp_path)
    try:
        got = {first.stdout.readline(), second.stdout.readline()}
        assert got == {"cuda 3\n", "cuda 7\n"}
        third = hold(tmp_path)
        time.sleep(1.0)
        assert third.poll() is None  # waits for a slot
        first.kill()
        assert third.stdout.readline() in got
        third.communicate("\n")
    finally:
        for process in (first, second):
            process.kill()
            process.wait()


def test_the_one_device_of_a_batch_job_is_taken_by_one_scoring_job_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    with device_slot("cuda", tmp_path) as device:
        assert device == "cuda"
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "3"
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
        second = hold(tmp_path)
        time.sleep(1.0)
        assert second.poll() is None  # waits for its turn
    assert second.stdout.readline() == "cuda 3\n"
    second.communicate("\n")
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("_two_gpus")
@pytest.mark.parametrize("name", ["SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "JOB_ID"])
def test_devices_of_one_batch_job_are_shared_out_and_numbers_of_another_do_not_count(
    tmp_path, monkeypatch, name
):
    monkeypatch.setenv(name, "12[3].head/node")
    holders = [hold(tmp_path), hold(tmp_path)]
    try:
        assert {holder.stdout.readline() for holder in holders} == {"cuda 3\n", "cuda 7\n"}
        monkeypatch.setenv(name, "13")
        holders += [hold(tmp_path), hold(tmp_path)]
        assert {holder.stdout.readline() for holder in holders[2:]} == {"cuda 3\n", "cuda 7\n"}
    finally:
        for process in holders:
            process.kill()
            process.wait()


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
