"""What the GPU benchmark says: one table on stdout, line by line, and CSV files."""

from __future__ import annotations

import csv
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import numba
import numpy as np
import torch
import triton

REPOSITORY = Path(__file__).resolve().parent.parent


class Record:
    """Prints what is measured and keeps it in files, complete after each part.

    Parameters
    ----------
    folder
        Of the CSV files; made where there is none.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._rows: list[tuple[str, str, str, str, str]] = []
        folder.mkdir(parents=True, exist_ok=True)

    def head(self, facts: dict[str, str]) -> None:
        """Say on what and with what everything is measured."""
        for name, value in facts.items():
            print(f"{name:>12s}  {value}", flush=True)
        print(f"\n{'part':13s} {'what':62s} {'value':>12s} {'unit':8s} note", flush=True)
        self.table("machine", ["fact", "value"], facts.items())

    def add(self, part: str, what: str, value: float | str, unit: str = "", note: str = "") -> None:
        """Print a line of the table and keep it."""
        text = value if isinstance(value, str) else f"{value:.4g}"
        print(f"{part:13s} {what:62s} {text:>12s} {unit:8s} {note}".rstrip(), flush=True)
        self._rows.append((part, what, str(value), unit, note))
        self.table("results", ["part", "what", "value", "unit", "note"], self._rows)

    def table(self, name: str, header: list[str], rows: Iterable[Sequence[object]]) -> None:
        """Write a CSV file."""
        with (self._folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(header)
            writer.writerows(rows)


def facts_of(device: torch.device) -> dict[str, str]:
    """Return the card, the driver and the versions of everything that matters."""
    return {
        **(_card(device) if device.type == "cuda" else {"card": "none: kernels are interpreted"}),
        "processor": f"{_processor()}, {len(os.sched_getaffinity(0))} cores",
        "torch": f"{torch.__version__}, CUDA {torch.version.cuda or 'none'}",
        "triton": triton.__version__,
        "python": f"{platform.python_version()}, numpy {np.__version__}, numba {numba.__version__}",
        "revision": _answer("git", "-C", str(REPOSITORY), "describe", "--always", "--dirty"),
        "images": "seeded noise, weights seeded by architecture",
    }


def _card(device: torch.device) -> dict[str, str]:
    card = torch.cuda.get_device_properties(device)
    clocks = "driver_version,clocks.max.sm,clocks.max.mem,power.limit"
    return {
        "card": f"{card.name}, {card.total_memory / 2**30:.0f} GiB, "
        f"{card.multi_processor_count} multiprocessors, capability {card.major}.{card.minor}",
        "driver": _answer("nvidia-smi", "--query-gpu=" + clocks, "--format=csv,noheader"),
    }


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.processor() or platform.machine())


def _answer(*command: str) -> str:
    """Return what a program says, or that it says nothing."""
    if shutil.which(command[0]) is None:
        return "unknown"
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip().replace("\n", "; ") or "unknown"


def progress(text: str) -> None:
    """Say on stderr what is going on."""
    print(f"# {text}", file=sys.stderr, flush=True)
