"""Small settings and images of weight sharing, and a training that takes half a second."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from trainfree.images.datasets import TEST, TRAIN
from trainfree.spaces.nasbench201.space import CellSpace
from trainfree.weight_sharing.method import Method
from trainfree.weight_sharing.methods import load_method
from trainfree.weight_sharing.pictures import Half, Pictures
from trainfree.weight_sharing.setting import SharingSetting
from trainfree.weight_sharing.supernet import SuperNetwork

SPACE = CellSpace.published()
FEW: dict[str, dict[str, Any]] = {
    "rsps": {"samples": 3},
    "setn": {"samples": 3},
    "enas": {"controller_steps": 2, "controller_samples": 3, "samples": 2, "last_samples": 4},
}
"""What makes choices cheap."""


def setting_of(method: str, **changed: Any) -> SharingSetting:
    """Return a setting of the mini space on generated images, of two epochs."""
    own = {"epochs": 2, "batch_size": 16, **FEW.get(method, {}), **changed.pop("settings", {})}
    setting = SharingSetting(
        space="nasbench201_mini",
        dataset="generated",
        method=method,
        preset="nasbench201",
        images=64,
        image_size=0,
        channels=4,
        cells=1,
        ranked=5,
        seed=0,
        settings=own,
    )
    return replace(setting, **changed)


def pictures(count: int = 32, size: int = 8, seed: int = 0) -> Pictures:
    """Return two halves of noise in ten classes."""
    rng = np.random.default_rng(seed)

    def half() -> Half:
        pixels = rng.integers(256, size=(count, 3, size, size)).astype(np.uint8)
        return Half(torch.from_numpy(pixels), torch.from_numpy(rng.integers(10, size=count)))

    return Pictures(half(), half(), np.full(3, 127.5), np.full(3, 64.0))


def method_of(name: str, *, channels: int = 4, cells: int = 1, **settings: Any) -> Method:
    """Return a method of the published space with a small network."""
    setting = replace(setting_of(name, settings=settings), space="nasbench201")
    own = setting.method_settings
    network = SuperNetwork(
        SPACE.operations,
        channels=channels,
        cells=cells,
        running_statistics=own.running_statistics,
        seed=3,
    )
    return load_method(name)(network, own, SPACE, 4)


def split(train: int, test: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return the splits of an image set of so many images."""
    return np.repeat([TRAIN, TEST], [train, test])


def command_environment(repository: Path) -> dict[str, str]:
    """Return the environment in which the command of this checkout runs with one thread."""
    path = os.pathsep.join([str(repository / "src"), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "PYTHON": sys.executable}
