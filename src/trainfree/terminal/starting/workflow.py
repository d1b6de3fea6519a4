"""``trainfree run``: the suite's workflow by Snakemake, in the current folder."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from trainfree.config import Config, load_config
from trainfree.errors import TrainfreeError
from trainfree.files.reading import read_text
from trainfree.files.suite import suite_path
from trainfree.terminal.screen import Screen, visible
from trainfree.workflow.paths import Paths


@dataclass(frozen=True)
class Wanted:
    """What a run is asked for.

    Attributes
    ----------
    files
        Configuration files, the suite's default first.
    targets
        Files or rules; everything, if empty.
    cores, gpus
        How many to use; None: what the profile says, or all cores.
    profile
        Folder of a Snakemake profile, or None.
    dry_run
        Whether to list the jobs only.
    passed_on
        Further words for Snakemake.
    """

    files: tuple[Path, ...]
    targets: tuple[str, ...] = ()
    cores: str | None = None
    gpus: int | None = None
    profile: str | None = None
    dry_run: bool = False
    passed_on: tuple[str, ...] = ()


def run_workflow(wanted: Wanted, screen: Screen) -> int:
    """Run Snakemake to its end and return its exit status.

    A whole run that ended well is followed by its summary and the path of its report.

    Raises
    ------
    ConfigError
        When the configuration is wrong, before Snakemake starts.
    TrainfreeError
        When the workflow is not there.
    """
    config = load_config(*wanted.files)
    started = time.time()
    status = _ended(subprocess.Popen(snakemake_command(wanted, config)))
    if status == 0 and not (wanted.targets or wanted.dry_run):
        _tell(Paths(config.run), screen, since=started if wanted.passed_on else 0.0)
    return status


def snakemake_command(wanted: Wanted, config: Config) -> list[str]:
    """Return the command line of Snakemake."""
    snakefile = suite_path("Snakefile")
    if not snakefile.is_file():
        raise TrainfreeError(
            f"{snakefile}: no such file; the workflow comes with the installed package and with a "
            "checkout: install trainfree again, or run in a checkout"
        )
    # -P: no file in the user's folder stands in for a module of Snakemake.
    command = [sys.executable, "-P", "-m", "snakemake", "--snakefile", str(snakefile)]
    command += wanted.targets
    cores = wanted.cores or (None if wanted.profile else "all")
    if cores is not None:
        command += ["--cores", cores]
    if wanted.gpus is not None:  # Snakemake counts the jobs on GPUs
        command += ["--resources", f"gpu={wanted.gpus * config.scoring.jobs_per_gpu}"]
    if len(wanted.files) > 1:  # the first is the workflow's own
        command += ["--configfile", *map(str, wanted.files[1:])]
    if wanted.profile:
        command += ["--profile", wanted.profile]
    if wanted.dry_run:
        command.append("--dry-run")
    return [*command, *wanted.passed_on]


def _ended(process: subprocess.Popen[bytes]) -> int:
    """Wait for a process, and let it end as we are told to end.

    A terminal interrupts both. What somebody sends to us alone goes on to Snakemake, which stops
    its jobs and cleans up behind them.
    """
    with process, _forwarded(process, signal.SIGTERM, signal.SIGHUP):
        while True:
            try:
                status = process.wait()
            except KeyboardInterrupt:
                continue
            return status if status >= 0 else 128 - status


@contextmanager
def _forwarded(process: subprocess.Popen[bytes], *signals: signal.Signals) -> Iterator[None]:
    def send(number: int, frame: FrameType | None) -> None:
        process.send_signal(number)

    before = {each: signal.signal(each, send) for each in signals}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _tell(paths: Paths, screen: Screen, since: float) -> None:
    """Write the summary of a run and where its report is, if that was made after ``since``.

    Options of Snakemake can mean something else than a run: ``--lint``, ``--summary``.
    """
    summary, report = Path(paths.results) / "tables" / "summary.txt", Path(paths.report)
    if not report.is_file() or report.stat().st_mtime < since:
        return
    if summary.is_file():
        screen.line()
        screen.drawing(map(visible, read_text(summary).splitlines()))
    screen.line()
    screen.line(f"report: {report.absolute()}")
