"""A folder with small data files where a user's working folder would have them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from trainfree.benchmarks.prepare import prepare_benchmark
from trainfree.images.prepare import prepare_images
from trainfree.scoring.jobs.shard import score_shard
from trainfree.scoring.settings.setting import Setting

IMAGES = Path("data/images/generated.h5")
BENCHMARK = Path("data/benchmarks/nasbench201_mini.h5")
SCORES = Path("scores.h5")


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory) -> Path:
    """Prepared images, accuracies and scores of two architectures."""
    folder: Path = tmp_path_factory.mktemp("library")
    sources = {"order": ["generated"], "cache": folder / "cache", "mirror": None, "timeout": 1.0}
    for place in (IMAGES, BENCHMARK):
        (folder / place).parent.mkdir(parents=True)
    prepare_images("generated", folder / IMAGES, **sources)
    prepare_benchmark("nasbench201_mini", folder / BENCHMARK, nats_archive=None, **sources)
    setting = Setting(
        *("nasbench201_mini", "generated"),
        proxies=("params", "naswot", "snip"),
        batch_size=8,
        initialization="pytorch",
        input="images",
        seed=0,
    )
    scored = (700, 711, folder / IMAGES, folder / SCORES)
    score_shard(setting, *scored, device="cpu", threads=1)
    return folder


@pytest.fixture
def in_data_folder(data_folder) -> Iterator[Path]:
    """The same as the working folder."""
    before = Path.cwd()
    os.chdir(data_folder)
    yield data_folder
    os.chdir(before)
