"""What a run needs of its surroundings, one check a thing. Nothing is fetched, nothing is kept."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from trainfree.benchmarks.readers import PARTS
from trainfree.caches import is_writable, user_cache
from trainfree.errors import TrainfreeError, UnreadableFileError
from trainfree.files.reading import is_there
from trainfree.scoring import cpu_engine
from trainfree.scoring.jobs.devices import planned_device, visible_gpus, why_no_gpu
from trainfree.scoring.settings.gpu import DeviceChoice, Work
from trainfree.sources.probing import is_usable, probe
from trainfree.sources.recipes import RECIPES
from trainfree.terminal.run import Run

PINS = "requirements/constraints.txt"
OLDEST_PYTHON = (3, 11)
SCARCE_GIB, COMFORTABLE_GIB = 0.5, 2.0
"""Free space below which no run is begun, and below which it is worth a note."""
_TORCH_SECONDS = 120
_ASK_TORCH = "import torch; print(torch.__version__, torch.cuda.is_available())"
_PIN = re.compile(r"([A-Za-z0-9_.-]+)==(\S+)")

State = Literal["ok", "note", "missing"]


@dataclass(frozen=True)
class Check:
    """What a check found: ``missing`` is something that a run cannot do without."""

    what: str
    state: State
    detail: str


def check_python() -> Check:
    """Check the version of Python."""
    enough = sys.version_info[:2] >= OLDEST_PYTHON
    needed = "" if enough else f"; expected {'.'.join(map(str, OLDEST_PYTHON))} or newer"
    detail = f"{platform.python_version()} at {sys.executable}{needed}"
    return Check("python", "ok" if enough else "missing", detail)


def check_packages(pins: Mapping[str, str], package: str = "trainfree") -> Iterator[Check]:
    """Check the packages that trainfree needs: there, new enough, of the version that is pinned.

    Another version than the pinned one is worth a note: numbers may differ in the last bits.
    """
    try:
        listed = metadata.requires(package) or []
    except metadata.PackageNotFoundError:
        yield Check(package, "note", "not installed as a package; only its pins are checked")
        listed = [f"{name}=={version}" for name, version in pins.items()]
    for requirement in map(Requirement, listed):
        if requirement.marker is None or requirement.marker.evaluate():
            yield check_package(requirement, pins.get(canonicalize_name(requirement.name)))


def check_package(requirement: Requirement, pin: str | None) -> Check:
    """Check one package."""
    name = requirement.name
    try:
        found = metadata.version(name)
    except metadata.PackageNotFoundError:
        return Check(name, "missing", f"not installed; expected {pin or requirement.specifier}")
    if not requirement.specifier.contains(found, prereleases=True):
        return Check(name, "missing", f"{found}; expected {requirement.specifier}")
    if pin is not None and found.partition("+")[0] != pin:
        return Check(name, "note", f"{found}; tested with {pin}")
    return Check(name, "ok", found)


def read_pins(path: Path) -> dict[str, str]:
    """Return the pinned versions by name; none where there is no such file."""
    if not path.is_file():
        return {}
    found = map(_PIN.fullmatch, path.read_text(encoding="utf-8").split("\n"))
    return {canonicalize_name(match[1]): match[2] for match in found if match}


def check_program(name: str, use: str, *, needed: bool) -> Check:
    """Check that a program is found where jobs will look for it."""
    beside_python = Path(sys.executable).parent
    found = shutil.which(name, path=f"{beside_python}{os.pathsep}{os.environ.get('PATH', '')}")
    what = f"program {name}"
    if found:
        return Check(what, "ok", found)
    return Check(what, "missing" if needed else "note", f"not found; needed {use}")


def check_devices(choice: DeviceChoice, work: Work) -> Iterator[Check]:
    """Check processors, memory and GPUs against ``scoring.device``.

    Parameters
    ----------
    work
        What the run's scoring has to do.
    """
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    yield Check("processors", "ok", f"{os.cpu_count()}, {memory / 2**30:.1f} GiB of memory")
    gpus = visible_gpus()
    reason = why_no_gpu()
    none = f"none visible ({reason})" if reason else "none visible"
    if gpus:
        yield Check("GPUs", "ok", f"{len(gpus)} visible: {', '.join(gpus)}")
    elif choice == "cuda":
        yield Check("GPUs", "missing", f"{none}, but scoring.device is cuda; use auto or cpu")
    else:
        state: State = "note" if reason else "ok"
        yield Check("GPUs", state, f"{none}; scoring.device is {choice}, so the CPU scores")
    planned = planned_device(choice, work)
    if gpus:
        where = "a GPU" if planned.device == "cuda" else "the CPU"
        yield Check("scoring", "ok", f"on {where}: {planned.why}")
    yield check_torch(needs_cuda=bool(gpus) and planned.device == "cuda")


def check_torch(*, needs_cuda: bool, python: str = sys.executable) -> Check:
    """Check in a process of its own that torch can be imported, and sees a GPU where one is used.

    Parameters
    ----------
    python
        The interpreter to ask.
    """
    try:
        done = subprocess.run(
            [python, "-c", _ASK_TORCH],
            capture_output=True,
            text=True,
            check=False,
            timeout=_TORCH_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Check("torch starts", "missing", str(error))
    if done.returncode:
        said = (done.stderr.strip() or "no message").splitlines()[-1]
        return Check("torch starts", "missing", f"cannot be imported: {said}")
    version, cuda = done.stdout.split()[-2:]
    if needs_cuda and cuda != "True":
        detail = f"{version} cannot use the visible GPU; install a build for it, or use device: cpu"
        return Check("torch starts", "missing", detail)
    return Check("torch starts", "ok", f"{version}, {'with' if cuda == 'True' else 'no'} GPU")


def check_sources(run: Run, *, online: bool) -> Iterator[Check]:
    """Check every source of what the run needs, file by file, and that one of each is usable."""
    items = {f"{dataset}-images": run.images(dataset) for dataset in run.settings}
    parts = [item for part in PARTS if (item := f"{run.space}-{part}") in RECIPES]
    items |= dict.fromkeys(parts or [f"{run.space}-accuracies"], run.benchmark)
    for item, prepared in items.items():
        checks, states = [], []
        for name in run.config.sources.order:
            for source in RECIPES.get(item, ()):
                if source.name != name:
                    continue
                probes = probe(
                    source, run.folder / "data" / "downloads", run.sources, online=online
                )
                states.append(is_usable(probes))
                checks += [
                    Check(
                        f"  {name}: {one.what}",
                        "ok" if one.usable else "note",
                        one.detail + ("" if one.needed else " (optional)"),
                    )
                    for one in probes
                ]
        yield _verdict(item, prepared, states, needed=item not in parts[1:])
        yield from checks


def _verdict(item: str, prepared: Path, states: list[bool | None], *, needed: bool) -> Check:
    try:
        if is_there(prepared):
            return Check(item, "ok", f"prepared already: {prepared}")
    except UnreadableFileError as error:
        return Check(item, "missing", str(error))
    if True in states:
        return Check(item, "ok", "a source can deliver it")
    if None in states:
        return Check(item, "note", "not prepared; whether a source delivers it was not tried")
    if not needed:
        return Check(item, "note", "no source in sources.order can deliver it; made without it")
    return Check(
        item,
        "missing",
        "not prepared, and no source in sources.order can deliver it; name a mirror "
        "(TRAINFREE_MIRROR or sources.mirror), or check the network",
    )


def check_folders(folder: Path) -> Iterator[Check]:
    """Check that the folders of a run can be written and that the disk has room."""
    for name in ("data", "results", "logs", ".snakemake"):
        yield check_writable(folder / name)
    yield check_writable(Path(tempfile.gettempdir()))
    yield from check_caches()
    yield check_space(_existing(folder))


def check_writable(folder: Path) -> Check:
    """Check a folder, or where it is not there yet the nearest one above it, by writing a file."""
    existing = _existing(folder)
    try:
        with tempfile.TemporaryFile(dir=existing) as handle:
            handle.write(b"trainfree")
    except OSError as error:
        return Check(f"{folder}/", "missing", f"cannot be written: {error}")
    there = "writable" if existing == folder else f"will be made in {existing.absolute()}"
    return Check(f"{folder}/", "ok", there)


def check_caches() -> Iterator[Check]:
    """Check that Snakemake finds a folder for its cache, and say where compiled code is kept."""
    needed = user_cache("snakemake")
    if needed is None or not is_writable(needed):
        place = needed or "no home folder"
        detail = f"{place}: cannot be written; name a folder in XDG_CACHE_HOME"
        yield Check("snakemake's cache", "missing", detail)
    try:
        # Numba is slow to import, and may be what is missing.
        from trainfree.compilation import code_folder
    except ImportError as error:
        yield Check("compiled code", "missing", f"numba cannot be imported: {error}")
        return
    folder = code_folder(Path(cpu_engine.__file__).parent)
    if folder is None:
        detail = "cannot be cached, so every job compiles it again; set NUMBA_CACHE_DIR"
        yield Check("compiled code", "note", detail)
    else:
        yield Check("compiled code", "ok", f"kept in {folder}")


def check_space(folder: Path) -> Check:
    """Check the free space of the disk that holds a folder."""
    free = shutil.disk_usage(folder).free / 2**30
    detail = f"{free:.1f} GiB free"
    if free < SCARCE_GIB:
        return Check("disk", "missing", f"{detail}; at least {SCARCE_GIB} GiB are needed")
    if free < COMFORTABLE_GIB:
        return Check("disk", "note", f"{detail}; below {COMFORTABLE_GIB} GiB a run may not fit")
    return Check("disk", "ok", detail)


def _existing(folder: Path) -> Path:
    """Return the folder, or the nearest one above it that is there."""
    return next(path for path in (folder, *folder.absolute().parents) if _is_folder(path))


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except PermissionError:  # in a folder that may not be entered
        return False


def check_problem(error: TrainfreeError) -> Check:
    """Return the check of a configuration that cannot be read."""
    return Check("configuration", "missing", str(error))
