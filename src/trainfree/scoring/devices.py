"""Which device a job scores on: one GPU a job, held by a lock, or the CPU.

Snakemake counts GPUs but does not say which one a job got. Here a job holds a lock file for the
device it uses; the kernel drops the lock when the process ends, however it ends. A batch system's
assignment (``CUDA_VISIBLE_DEVICES``) is kept to: its devices are shared out by locks among the
scoring jobs inside the same batch job and nobody else.
"""

from __future__ import annotations

import fcntl
import getpass
import os
import platform
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from trainfree.errors import TrainfreeError

DeviceChoice = Literal["auto", "cpu", "cuda"]
_WAIT_SECONDS = 0.1
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
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    found = subprocess.run([program, "-L"], capture_output=True, text=True, check=False, timeout=30)
    lines = found.stdout.splitlines() if found.returncode == 0 else []
    return [str(number) for number, line in enumerate(lines) if line.startswith("GPU ")]


def gpus_per_job(choice: DeviceChoice) -> int:
    """Return how many GPUs a scoring job asks the scheduler for."""
    if choice == "auto":
        return 1 if visible_gpus() else 0
    return 1 if choice == "cuda" else 0


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
def device_slot(choice: DeviceChoice, lock_folder: Path | None = None) -> Iterator[str]:
    """Hold a device for the length of the ``with`` block; yields ``"cpu"`` or ``"cuda"``.

    Enter it before torch is imported: the device is chosen through ``CUDA_VISIBLE_DEVICES``.

    Raises
    ------
    TrainfreeError
        When ``cuda`` is demanded and no GPU is visible.
    """
    gpus = visible_gpus() if choice != "cpu" else []
    if not gpus:
        if choice == "cuda":
            raise TrainfreeError(
                "scoring.device is 'cuda' but no GPU is visible (nvidia-smi lists none, or "
                "CUDA_VISIBLE_DEVICES is empty, or Slurm assigned none: the profile's resources "
                "have to ask for one); use 'auto' or 'cpu'"
            )
        yield "cpu"
        return
    # Without a fixed workspace cuBLAS may choose its algorithm, and so the bits, by chance.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    job = _batch_job()
    folder = lock_folder or Path(tempfile.gettempdir()) / f"trainfree-gpu-{getpass.getuser()}"
    folder.mkdir(parents=True, exist_ok=True)
    with _any_lock([folder / f"{quote(job + gpu, safe='')}.lock" for gpu in gpus]) as taken:
        os.environ["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"
        os.environ["CUDA_VISIBLE_DEVICES"] = gpus[taken]
        yield "cuda"


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
            with path.open("w") as handle:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                if not _is_still(path, handle.fileno()):
                    continue
                try:
                    yield place
                finally:
                    path.unlink(missing_ok=True)
                return
        time.sleep(_WAIT_SECONDS)


def _is_still(path: Path, descriptor: int) -> bool:
    """Whether an open file is the one at ``path``, not one that its last holder has removed."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
