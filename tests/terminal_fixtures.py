"""A small configured run in a folder of a test, and a screen that is a string."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from analysis_fixtures import write_scores

from trainfree.benchmarks.prepare import prepare_benchmark
from trainfree.config import parse_config
from trainfree.images.prepare import prepare_images
from trainfree.scoring.settings.setting import scoring_code_hash
from trainfree.sources.delivery import SourceSettings
from trainfree.terminal.run import Run
from trainfree.terminal.screen import Screen
from trainfree.workflow.runs import ConfiguredRun

SIZE = 729


def make_run(folder: Path, *, shard_size: int = 243, order: Sequence[str] = ("generated",)) -> Run:
    """A run of the miniature space with two searches; nothing of it is there yet."""
    config = parse_config(
        {
            "run": "test",
            "space": "nasbench201_mini",
            "datasets": ["generated"],
            "sources": {"order": list(order)},
            "scoring": {"proxies": ["naswot", "params"], "batch_size": 8, "shard_size": shard_size},
            "search": {
                "runs": 2,
                "budgets": [5],
                "searches": {
                    "random": {"algorithm": "random"},
                    "rea-naswot": {"algorithm": "rea", "signal": "naswot"},
                },
            },
        }
    )
    return Run(
        configured=ConfiguredRun(config),
        configuration=(Path("a.yaml"),),
        folder=folder,
        sources=SourceSettings(),
        paper_tables=("naswot_table1",),
    )


def write_run_scores(
    run: Run,
    score: Mapping[str, Sequence[float]] | None = None,
    path: Path | None = None,
    **attributes: str | int,
) -> Path:
    """Write merged scores as the run's scoring jobs would have made them."""
    setting = run.settings["generated"]
    given = score or {"naswot": np.arange(SIZE) * 0.5, "params": np.arange(SIZE) % 7}
    return write_scores(
        path or run.scores("generated"),
        given,
        **{
            "config_hash": setting.hash,
            "code_hash": scoring_code_hash(setting),
            "space": run.space,
            "dataset": "generated",
            **attributes,
        },
    )


def write_run_benchmark(run: Run) -> Path:
    prepare_benchmark(
        run.space,
        run.benchmark,
        order=["generated"],
        cache=run.folder,
        mirror=None,
        nats_archive=None,
        timeout=1.0,
    )
    return run.benchmark


def write_run_images(run: Run) -> Path:
    path = run.images("generated")
    prepare_images("generated", path, order=["generated"], cache=run.folder, mirror=None, timeout=1)
    return path


def screen() -> tuple[Screen, io.StringIO]:
    """A screen that is no terminal, and what was written to it."""
    stream = io.StringIO()
    return Screen(stream), stream
