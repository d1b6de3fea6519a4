"""Random damage to stored files, read by every command that reads them: ``make damage``.

The test configuration is run once. Then, trial by trial, one of its data files is damaged and one
of the workflow's own commands that read it, or of the commands for people, is run. A command may
refuse the file or leave it out, but has to name it. Counted are hangs, tracebacks, numbers that
changed without an error, and messages without the file's name; all have to be 0.
"""

from __future__ import annotations

import argparse
import importlib
import os
import random
import shlex
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from trainfree.cli import main as trainfree

# What the commands import, read once for all forks.
READ_BEFORE = (
    *("torch", "matplotlib.pyplot", "trainfree.files.storage", "trainfree.scoring.jobs.shard"),
    *(
        "trainfree.report.page.page",
        "trainfree.report.figures.searches.search",
        "trainfree.analysis.registry",
    ),
    *("trainfree.search.run", "trainfree.terminal.status", "trainfree.terminal.compare"),
)
CHECKOUT = Path(__file__).resolve().parent.parent
CONFIG = "config/test.yaml"
RESULTS = "results/test"
TARGETS = ("all", "ablation", "training", "proxy_stability")
BLOCK = 4096
LIMIT_SECONDS = 120.0
A_PROCESS_EVERY = 15
"""One trial in so many is a process from its beginning; the others are forks of this one."""

Command = tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """How a command ended: its exit status, None where it had to be killed, and what it said."""

    status: int | None
    said: str


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--trials", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=Path("results/damage"))
    parser.add_argument("--targets", nargs="+", default=TARGETS)
    arguments = parser.parse_args()
    run, trial = (arguments.folder.resolve() / name for name in ("run", "trial"))
    make_files(run, arguments.targets)
    readers = readers_of(run, commands_of(run, arguments.targets))
    shutil.rmtree(trial, ignore_errors=True)
    shutil.copytree(run, trial, symlinks=True)
    counts, faults = try_damages(run, trial, readers, arguments.trials, arguments.seed)
    for name, count in sorted(counts.items()):
        print(f"{name:40s} {count:6d}")
    for fault in faults:
        print(f"\n{fault}")
    return int(bool(faults))


def make_files(run: Path, targets: Sequence[str]) -> None:
    """Run the test configuration, unless it has been run there; what commands read goes along."""
    for name in ("config", "reports"):
        shutil.copytree(CHECKOUT / name, run / name, dirs_exist_ok=True)
    if not (run / "results").is_dir():
        snakemake(run, "--quiet", "all", "--", *targets)


def commands_of(run: Path, targets: Sequence[str]) -> list[Command]:
    """Return the commands that the workflow runs, as it prints them."""
    printed = snakemake(run, "-n", "-p", "--forceall", *targets)
    mark = "Shell command: python -m trainfree "
    lines = (line.partition(mark)[2] for line in printed.splitlines() if mark in line)
    return [tuple(shlex.split(line.partition(" > ")[0])) for line in lines]


def snakemake(run: Path, *more: str) -> str:
    """Run Snakemake on the test configuration and return what it prints."""
    program = [str(Path(sys.executable).parent / "snakemake"), "--cores", "2", "-d", str(run)]
    done = subprocess.run(
        [*program, "--configfile", str(CHECKOUT / CONFIG), *more],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    return done.stdout + done.stderr


def readers_of(run: Path, commands: Sequence[Command]) -> dict[str, list[Command]]:
    """Return the commands that read each data file of a run, by its place in the run."""
    # Known columns of scores (data/scores) are computed again where they are damaged, so that
    # numbers stay and measured times change: tests/test_scoring_columns.py has them.
    found_files = (path.relative_to(run) for path in sorted(run.rglob("*.h5")))
    files = [str(path) for path in found_files if path.parts[:2] != ("data", "scores")]
    found = {}
    for file in files:
        kind, people = kind_of(file), list[Command]()
        if kind in ("scores", "search"):
            people.append(("compare", RESULTS, str(run / RESULTS)))
        if kind in ("images", "benchmarks", "shards", "scores", "search"):
            people.append(("status", "--configfile", CONFIG))
        if kind in ("scores", "benchmarks"):
            people.append(("show", "5", "--configfile", CONFIG))
        reading = [command for command in commands if file in command and not writes(command, file)]
        found[file] = [*reading, *people]
    return found


def writes(command: Command, file: str) -> bool:
    """Whether a file is what a command makes."""
    place = command.index("--output") if "--output" in command else -1
    return place >= 0 and command[place + 1] == file


def try_damages(
    run: Path, trial: Path, readers: dict[str, list[Command]], trials: int, seed: int
) -> tuple[Counter[str], list[str]]:
    """Damage files of ``trial``, a copy of ``run``; returns counts, and a text for each fault."""
    for module in READ_BEFORE:
        importlib.import_module(module)
    rng = random.Random(seed)
    counts: Counter[str] = Counter(dict.fromkeys(FAULTS, 0))
    faults = []
    kinds = sorted({kind_of(file) for file in readers})
    for number in range(trials):
        kind = kinds[number % len(kinds)]
        file = rng.choice([name for name in readers if kind_of(name) == kind])
        name, damage = rng.choice(DAMAGES)
        whole = (run / file).read_bytes()
        others = [(run / other).read_bytes() for other in readers if kind_of(other) != kind]
        while (damaged := damage(rng, whole, others)) == whole:
            pass
        (trial / file).write_bytes(damaged)
        command = rng.choice(readers[file])
        start = run_process if number % A_PROCESS_EVERY == 0 else run_fork
        outcome = start(command, trial)
        fault = fault_of(outcome, file, changed_files(run, trial, file))
        counts["trials"] += 1
        counts[f"  of {kind}"] += 1
        counts[f"  {name}"] += 1
        if fault:
            counts[fault] += 1
            told = shlex.join(command)[:300]
            faults.append(f"{fault}: {file}, {name}\n  {told}\n  {outcome.said[-2000:]}")
        restore(run, trial)
    return counts, faults


def kind_of(file: str) -> str:
    """Return what a file holds, told by the folders that it lies in."""
    if Path(file).stem == "architectures":
        return "choices"
    folders = Path(file).parts[:-1]
    known = ("images", "benchmarks", "ablation", "training", "draws", "kernels", "search", "shards")
    return next((one for one in (*known, "scores") if one in folders), "others")


FAULTS = ("hang", "traceback", "changed without an error", "message without the name")


def fault_of(outcome: Outcome, file: str, changed: Sequence[str]) -> str:
    """Return which of FAULTS an outcome is, or an empty text."""
    if outcome.status is None:
        return FAULTS[0]
    if "Traceback" in outcome.said or outcome.status < 0:
        return FAULTS[1]
    named = Path(file).name in outcome.said
    if outcome.status == 0 and changed:
        return FAULTS[2]
    return "" if named else FAULTS[3]


def run_process(command: Command, folder: Path) -> Outcome:
    """Run a command as a process of its own."""
    program = [sys.executable, "-m", "trainfree", *command]
    return _waited(
        subprocess.Popen(
            program,
            cwd=folder,
            stdout=(folder / "said").open("wb"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ).pid,
        folder,
    )


def run_fork(command: Command, folder: Path) -> Outcome:
    """Run a command in a copy of this process, which has the libraries read already."""
    said = os.open(folder / "said", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    sys.stdout.flush()
    if (pid := os.fork()) == 0:
        os.setsid()
        os.chdir(folder)
        for stream in (1, 2):
            os.dup2(said, stream)
        try:
            status = trainfree(command)
        except SystemExit as error:
            status = error.code if isinstance(error.code, int) else 1
        except BaseException:  # noqa: BLE001  # whatever it is, it is what is looked for
            traceback.print_exc()
            status = 1
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    os.close(said)
    return _waited(pid, folder)


def _waited(pid: int, folder: Path) -> Outcome:
    """Wait for a process for as long as any command may take."""
    until = time.monotonic() + LIMIT_SECONDS
    status: int | None = None
    while status is None:
        ended, code = os.waitpid(pid, os.WNOHANG)
        if ended:
            status = os.waitstatus_to_exitcode(code)
        elif time.monotonic() > until:
            os.killpg(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            break
        else:
            time.sleep(0.01)
    return Outcome(status, (folder / "said").read_text(errors="replace"))


def contents(folder: Path) -> dict[str, bytes]:
    """Return the data and results of a run by their places."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for part in ("data", "results")
        for path in (folder / part).rglob("*")
        if path.is_file()
    }


def changed_files(run: Path, trial: Path, damaged: str) -> list[str]:
    """Return which files of a trial are others than those of the run, but for the damaged one."""
    before, after = contents(run), contents(trial)
    names = before.keys() | after.keys()
    return sorted(name for name in names - {damaged} if before.get(name) != after.get(name))


def restore(run: Path, trial: Path) -> None:
    """Make a trial's files those of the run again."""
    before, after = contents(run), contents(trial)
    for name in after.keys() - before.keys():
        (trial / name).unlink()
    for name, content in before.items():
        if after.get(name) != content:
            shutil.copy2(run / name, trial / name)


Damage = Callable[[random.Random, bytes, Sequence[bytes]], bytes]


def _place(rng: random.Random, whole: bytes) -> tuple[int, int]:
    """Return a block of random size and place."""
    size = min(rng.choice((1, 16, 512, BLOCK)), len(whole) // 2)
    first = rng.randrange(len(whole) - size)
    return first, first + size


def zeroed(rng: random.Random, whole: bytes, others: Sequence[bytes]) -> bytes:
    """Set a block to zeros, as a disk does that lost it."""
    first, last = _place(rng, whole)
    return whole[:first] + bytes(last - first) + whole[last:]


def flipped(rng: random.Random, whole: bytes, others: Sequence[bytes]) -> bytes:
    """Flip a few bits."""
    content = bytearray(whole)
    for _ in range(rng.choice((1, 3, 30))):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    return bytes(content)


def cut(rng: random.Random, whole: bytes, others: Sequence[bytes]) -> bytes:
    """Leave a block out."""
    first, last = _place(rng, whole)
    return whole[:first] + whole[last:]


def doubled(rng: random.Random, whole: bytes, others: Sequence[bytes]) -> bytes:
    """Have a block twice."""
    first, last = _place(rng, whole)
    return whole[:last] + whole[first:]


def truncated(rng: random.Random, whole: bytes, others: Sequence[bytes]) -> bytes:
    """Leave the end out."""
    return whole[: rng.choice((0, 1, len(whole) - 1, rng.randrange(len(whole))))]


def appended(rng: random.Random, whole: bytes, others: Sequence[bytes]) -> bytes:
    """Write on after the end."""
    return whole + rng.randbytes(rng.choice((1, 84, BLOCK)))


def swapped(rng: random.Random, whole: bytes, others: Sequence[bytes]) -> bytes:
    """Put a whole file of another kind in its place, with the checksum that fits it."""
    return rng.choice(list(others))


DAMAGES: tuple[tuple[str, Damage], ...] = tuple(
    (each.__name__, each) for each in (zeroed, flipped, cut, doubled, truncated, appended, swapped)
)


if __name__ == "__main__":
    raise SystemExit(main())
