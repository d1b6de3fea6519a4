"""Which device a job scores on: one GPU a job, held by a lock, or the CPU.

Snakemake counts GPUs but does not say which one a job got. Here a job holds a lock file for the
device it uses; the kernel drops the lock when the process ends, however it ends. A batch system's
assignment (``CUDA_VISIBLE_DEVICES``) is kept to: its devices are shared out by locks among the
scoring jobs inside the same batch job and nobody else.
"""

from __future__ import annotations

import logging
import os
import platform
import re
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from urllib.parse import quote

from trainfree.errors import TrainfreeError
from trainfree.files.locks import open_lock, try_lock
from trainfree.scoring.settings.gpu import (
    Capability,
    Chosen,
    Device,
    DeviceChoice,
    Work,
    chosen_device,
    has_triton,
)

logger = logging.getLogger(__name__)

_WAIT_SECONDS = 0.1
_PROBE_SECONDS = 10.0
_LIST = ("-L",)
_CAPABILITIES = ("--query-gpu=index,uuid,compute_cap", "--format=csv,noheader")
_HANGS = "TRAINFREE_GPU_PROBE"
_PROCESSORS = Path("/proc/cpuinfo")
# What identifies a batch job: Slurm, PBS, LSF and Grid Engine, the last two with the array's index.
_BATCH_JOB = ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "LSB_JOBINDEX", "JOB_ID", "SGE_TASK_ID")
_NO_DEVICE = ("", "-1", "NoDevFiles")


def visible_gpus() -> list[str]:
    """Return the ids of the NVIDIA GPUs this process may use, without importing torch.

    Slurm names the devices it assigned; in a Slurm job without any, those of the node are others'.
    """
    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if listed is not None:
        return [part.strip() for part in listed.split(",") if part.strip() not in _NO_DEVICE]
    if "SLURM_JOB_ID" in os.environ:
        return []
    return probed_gpus()[0]


def probed_gpus() -> tuple[list[str], str]:
    """Return the ids of the GPUs that the driver's program lists, and why there are none.

    The reason is empty where there are GPUs and where that program is not installed. A driver that
    fails is an answer, and remembered: asking again would take as long.
    """
    program = shutil.which("nvidia-smi")
    if program is None:
        return [], ""
    if reason := _hung():
        return [], reason
    gpus, reason = _listed(program)
    return list(gpus), reason


def _hung() -> str:
    """Return why the driver's program is not asked again: on this machine it gave no answer."""
    host, _, reason = os.environ.get(_HANGS, "").partition(":")
    return reason if host == socket.gethostname() else ""


@cache
def _listed(program: str) -> tuple[tuple[str, ...], str]:
    gpus: tuple[str, ...] = ()
    try:
        said = _said(program, *_LIST)
    except (OSError, subprocess.SubprocessError) as error:
        reason = _why_silent(program, error)
    else:
        gpus = tuple(re.findall(r"^GPU (\d+):", said, flags=re.MULTILINE | re.ASCII))
        reason = (
            "" if gpus else f"{program} lists none ({' '.join(said.split())[:200] or 'nothing'})"
        )
    if reason:
        logger.warning("no GPU is used: %s", reason)
    return gpus, reason


def _why_silent(program: str, error: Exception) -> str:
    """Return in words why the driver's program failed; the jobs need not wait as long."""
    if not isinstance(error, subprocess.TimeoutExpired):
        return f"{program} cannot be run ({error})"
    reason = f"{program} gave no answer in {_PROBE_SECONDS:g} s"
    os.environ[_HANGS] = f"{socket.gethostname()}:{reason}"
    return reason


def capabilities() -> list[Capability | None]:
    """Return the compute capability of each visible GPU, None where the driver does not tell it.

    A name that the driver's program does not list, as that of a part of a GPU, may be any of them.
    """
    names = visible_gpus()
    program = shutil.which("nvidia-smi")
    if not names or program is None or _hung():
        return [None] * len(names)
    told = _told_capabilities(program)
    least = min(told.values(), default=None)
    return [told.get(name, least) for name in names]


@cache
def _told_capabilities(program: str) -> dict[str, Capability]:
    """Return the compute capability of each GPU by its number and by its UUID."""
    try:
        said = _said(program, *_CAPABILITIES)
    except (OSError, subprocess.SubprocessError) as error:
        logger.warning("the GPU's compute capability is not known: %s", _why_silent(program, error))
        return {}
    pattern = r"^(\d+), *([^,\s]+), *(\d+)\.(\d+) *$"
    found = re.findall(pattern, said, flags=re.MULTILINE | re.ASCII)
    by_number = {number: (int(major), int(minor)) for number, _, major, minor in found}
    return by_number | {uuid: by_number[number] for number, uuid, _, _ in found}


def planned_device(choice: DeviceChoice, work: Work) -> Chosen:
    """Return where jobs with such work score on this machine, and why, without importing torch.

    See :func:`~trainfree.scoring.settings.gpu.chosen_device`.
    """
    gpus = capabilities() if choice == "auto" else []
    return chosen_device(choice, work, gpus, triton=has_triton())


def _said(program: str, *arguments: str) -> str:
    """Return what ``nvidia-smi`` says; raises SubprocessError or OSError where it fails.

    Neither it nor what it started is waited for once its time is over: a process that hangs in
    the driver cannot even be killed.
    """
    process = subprocess.Popen(
        [program, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        said, _ = process.communicate(timeout=_PROBE_SECONDS)
    except BaseException:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        raise
    told = said.decode(errors="replace")
    if process.returncode:
        words = " ".join(told.split())[:200] or "nothing"
        raise subprocess.SubprocessError(f"status {process.returncode}, it says: {words}")
    return told


def why_no_gpu() -> str:
    """Return why the driver's program lists no GPU, where it was asked; otherwise nothing."""
    asked = "CUDA_VISIBLE_DEVICES" not in os.environ and "SLURM_JOB_ID" not in os.environ
    return probed_gpus()[1] if asked else ""


def gpus_per_job(choice: DeviceChoice, work: Work = "passes") -> int:
    """Return how many GPUs, or parts of one, a scoring job asks the scheduler for."""
    return int(planned_device(choice, work).device == "cuda")


def processor_name() -> str:
    """Return ``cpu`` with the processor's model, as far as the system tells it."""
    try:
        told = _PROCESSORS.read_text(encoding="utf-8", errors="replace")
    except OSError:
        told = ""
    models = (line.partition(":")[2] for line in told.splitlines() if line.startswith("model name"))
    model = " ".join(next(models, platform.processor()).split())
    return f"cpu ({model})" if model else "cpu"


@contextmanager
def device_slot(
    choice: DeviceChoice,
    lock_folder: Path | None = None,
    *,
    work: Work = "passes",
    jobs_per_gpu: int = 1,
) -> Iterator[Device]:
    """Hold a device for the length of the ``with`` block; yields ``"cpu"`` or ``"cuda"``.

    Enter it before torch is imported: the device is chosen through ``CUDA_VISIBLE_DEVICES``.

    Parameters
    ----------
    work
        What is to be done there, for ``auto``.
    jobs_per_gpu
        How many may hold the same GPU at a time.

    Raises
    ------
    TrainfreeError
        When ``cuda`` is demanded and no GPU is visible.
    """
    device, why = planned_device(choice, work)
    logger.info("scoring on %s: %s", "a GPU" if device == "cuda" else "the processor", why)
    if device == "cpu":
        yield device
        return
    gpus = visible_gpus()
    if not gpus:
        raise TrainfreeError(
            "scoring.device is 'cuda' but no GPU is visible (nvidia-smi lists none, or "
            "CUDA_VISIBLE_DEVICES is empty, or Slurm assigned none: the profile's resources "
            "have to ask for one); use 'auto' or 'cpu'"
        )
    # Without a fixed workspace cuBLAS may choose its algorithm, and so the bits, by chance.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    folder = lock_folder or _own_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with _any_lock(_slots(folder, gpus, jobs_per_gpu)) as taken:
        os.environ["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"
        os.environ["CUDA_VISIBLE_DEVICES"] = gpus[taken % len(gpus)]
        yield device


def _slots(folder: Path, gpus: list[str], jobs_per_gpu: int) -> list[Path]:
    """Return the locks of all slots: the first one of each GPU, then the second one of each."""
    job = _batch_job()
    ends = ["", *(f".{place}" for place in range(1, jobs_per_gpu))]
    return [folder / f"{quote(job + gpu, safe='')}{end}.lock" for end in ends for gpu in gpus]


@contextmanager
def scoring_device(
    choice: DeviceChoice, *, work: Work = "passes", jobs_per_gpu: int = 1
) -> Iterator[Device]:
    """Hold a device that works, for the length of the ``with`` block: ``"cpu"`` or ``"cuda"``.

    Of a GPU that is named (``CUDA_VISIBLE_DEVICES=0`` on a machine without one, a number or a
    UUID that no device has) torch tells only when it is used. With ``auto`` the CPU scores then,
    and the log says why. Enter it before torch is imported.

    Parameters
    ----------
    work, jobs_per_gpu
        As for :func:`device_slot`.

    Raises
    ------
    TrainfreeError
        When ``cuda`` is demanded and no GPU is visible or the one that is does not work.
    """
    with device_slot(choice, work=work, jobs_per_gpu=jobs_per_gpu) as device:
        problem = _cuda_problem() if device == "cuda" else ""
        if not problem:
            yield device
            return
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if choice == "cuda":
        raise TrainfreeError(
            f"scoring.device is 'cuda' but the GPU {named!r} does not work: {problem}; see "
            "CUDA_VISIBLE_DEVICES, the driver and the build of torch, or use 'auto' or 'cpu'"
        )
    logger.warning("the GPU %r does not work (%s); the CPU scores", named, problem)
    yield "cpu"


def _cuda_problem() -> str:
    """Return why torch cannot use the GPU that is visible, or an empty text."""
    import torch  # only now: it sees the devices that the slot has left it

    try:
        if not torch.cuda.is_available():
            built = torch.version.cuda or "no CUDA"
            return f"torch {torch.__version__}, built with {built}, finds no such device"
        torch.zeros(1, device="cuda").add_(1).item()
    except (RuntimeError, AssertionError, OSError) as error:
        return " ".join(str(error).split())[:200]
    return ""


def _own_folder() -> Path:
    """Return a folder for locks that only this user can write to, made where there is none.

    Anybody may make files in the folder for temporary ones, so the name may be taken already:
    then another is used.

    Raises
    ------
    TrainfreeError
        When there is none to be had.
    """
    found = []
    for end in ("", *(f"-{number}" for number in range(2, 6))):
        try:
            folder = Path(tempfile.gettempdir()) / f"trainfree-gpu-{os.getuid()}{end}"
            with suppress(FileExistsError):
                folder.mkdir(mode=0o700)
            status = folder.lstat()
        except OSError as error:
            found.append(str(error))
            continue
        if stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid():
            folder.chmod(0o700)
            return folder
        found.append(f"{folder} is another user's, or no folder")
    raise TrainfreeError(
        f"no folder for the locks of GPUs: {'; '.join(found)}; name another one in TMPDIR"
    )


def _batch_job() -> str:
    """Return what tells this batch job's devices from others', or nothing outside of one.

    Inside one, device numbers may count from 0 in every job, so a lock by number alone would make
    jobs on different devices wait for each other.
    """
    if "CUDA_VISIBLE_DEVICES" not in os.environ:
        return ""
    return "".join(f"{os.environ[name]}-" for name in _BATCH_JOB if os.environ.get(name))


@contextmanager
def _any_lock(paths: list[Path]) -> Iterator[int]:
    """Hold the first lock that is free, waiting until one is; yields its place in ``paths``."""
    while True:
        for place, path in enumerate(paths):
            descriptor = open_lock(path)
            try:
                if not _is_locked(path, descriptor):
                    continue
                try:
                    yield place
                finally:
                    path.unlink(missing_ok=True)
                return
            finally:
                os.close(descriptor)
        time.sleep(_WAIT_SECONDS)


def _is_locked(path: Path, descriptor: int) -> bool:
    """Lock an open file if it is free and still the one at ``path``, not one that was removed."""
    try:
        return try_lock(path, descriptor) and os.path.samestat(path.lstat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
