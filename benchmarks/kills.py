"""Runs that are killed at random moments, and what the next run makes of it: ``make kills``.

Each trial starts the workflow on generated inputs, kills Snakemake, one of its jobs or both with
SIGKILL at a random moment, changes the configuration in half of the trials, and runs again at once,
while jobs of the killed run may still be alive. Afterwards the results have to equal those of an
undisturbed run of the last configuration, and nothing half-written may be left.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).resolve().parent.parent
RESULTS = Path("results", "test")
MODES = ("snakemake", "job", "both")
CHANGES: tuple[dict[str, object], ...] = (
    {},
    {"search": {"runs": 5}},
    {"scoring": {"batch_size": 6}},
    {"seed": 7, "search": {"budgets": [3, 20]}},
    {"scoring": {"proxies": ["naswot", "synflow", "params", "l2_norm"]}},
)
"""Configurations, each laid over config/test.yaml."""
IGNORED = shutil.ignore_patterns(
    *(".git", ".venv", "results", "data", "logs", ".snakemake", ".*_cache", ".hypothesis", "site")
)


class Checkout:
    """A copy of the checkout that runs the workflow with one of the configurations."""

    def __init__(self, folder: Path, target: str) -> None:
        self.folder, self.target = folder, target
        shutil.copytree(REPOSITORY, folder, ignore=IGNORED)
        for number, values in enumerate(CHANGES):
            (folder / f"change{number}.yaml").write_text(yaml.safe_dump(values))

    def start(self, change: int) -> subprocess.Popen[bytes]:
        """Start the workflow; its output goes to a file."""
        places = [str(Path(sys.executable).parent), os.environ.get("PATH", "")]
        with (self.folder / "output.txt").open("wb") as output:
            return subprocess.Popen(
                [
                    *("snakemake", self.target, "--cores", "2"),
                    *("--configfile", "config/test.yaml", f"change{change}.yaml"),
                ],
                cwd=self.folder,
                env={
                    **os.environ,
                    "PATH": os.pathsep.join(places),
                    "PYTHONPATH": str(self.folder / "src"),
                },
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def finish(self, change: int) -> None:
        """Run the workflow to its end."""
        done = self.start(change)
        if done.wait():
            raise SystemExit(f"the run after a kill failed:\n{self.output()}")

    def output(self) -> str:
        """Return what the latest run said."""
        return (self.folder / "output.txt").read_text(errors="replace")


def descendants(process: int) -> list[int]:
    """Return all processes below one, those that do the jobs last."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text(errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        parents.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found, waiting = [], [process]
    while waiting:
        below = parents.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def kill_at_random(run: subprocess.Popen[bytes], mode: str, after: float) -> None:
    """Send SIGKILL to Snakemake, to the process of one of its jobs, or to both."""
    deadline = time.monotonic() + after
    while time.monotonic() < deadline and run.poll() is None:
        time.sleep(0.02)
    jobs = descendants(run.pid)
    if mode != "snakemake" and jobs:
        victim = jobs[-1] if mode == "job" else None
        for job in jobs:
            if victim in (None, job):
                try:
                    os.kill(job, signal.SIGKILL)
                except ProcessLookupError:
                    continue
    if mode != "job":
        run.kill()
    run.wait()


def problems_of(trial: Checkout, reference: Path) -> list[str]:
    """Return what is not as an undisturbed run leaves it.

    Files of other settings, left by earlier trials, are no part of the last configuration's run.
    """
    ours, names = trial.folder / RESULTS, names_in(reference)
    found = [f"missing: {name}" for name in sorted(names - names_in(ours))]
    found += [f"left over: {path}" for path in trial.folder.rglob(".*.part")]
    with tempfile.TemporaryDirectory() as own:
        for name in names & names_in(ours):
            copied = Path(own, name)
            copied.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ours / name, copied)
        done = subprocess.run(
            [sys.executable, "-m", "trainfree", "compare", str(reference), own],
            env={**os.environ, "PYTHONPATH": str(trial.folder / "src")},
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        found.append(f"the results differ:\n{done.stdout}{done.stderr}")
    return found


def names_in(folder: Path) -> set[str]:
    """Return the files below a folder."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def main() -> None:
    """Run the trials and print what came of them; exit 1 when anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--target", default="all")
    parser.add_argument("--folder", type=Path, help="default: a temporary one")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        place = arguments.folder or Path(temporary)
        sys.exit(1 if run_trials(place, arguments) else 0)


def run_trials(place: Path, arguments: argparse.Namespace) -> int:
    """Return the number of trials after which something was wrong."""
    chance = random.Random(arguments.seed)
    references, length = {}, 0.0
    for change in range(len(CHANGES)):
        undisturbed = Checkout(place / f"undisturbed{change}", arguments.target)
        began = time.monotonic()
        undisturbed.finish(change)
        length = max(length, time.monotonic() - began)
        references[change] = undisturbed.folder / RESULTS
    trial = Checkout(place / "trial", arguments.target)
    current, wrong, counted = 0, 0, Counter[str]()
    for number in range(arguments.trials):
        mode = MODES[number % len(MODES)]
        started = chance.choice([one for one in range(len(CHANGES)) if one != current])
        if chance.random() < 0.5:  # or everything is found again and no scoring job is long
            shutil.rmtree(trial.folder / "data" / "scores", ignore_errors=True)
        after = chance.uniform(1.0, 0.8 * length)
        run = trial.start(started)
        kill_at_random(run, mode, after)
        current = started
        if number % 2:
            current = chance.choice([one for one in range(len(CHANGES)) if one != started])
        trial.finish(current)
        problems = problems_of(trial, references[current])
        wrong += bool(problems)
        counted[mode] += 1
        what = f"killed {mode} after {after:.1f} s, {started} then {current}"
        print(f"{number + 1:3d} {what}: {'; '.join(problems) or 'as undisturbed'}", flush=True)
    print(f"{arguments.trials} trials ({dict(counted)}), {wrong} wrong")
    return wrong


if __name__ == "__main__":
    main()
