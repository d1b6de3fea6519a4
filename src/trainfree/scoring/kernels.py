"""Kernels K_H of chosen architectures on one mini-batch (NASWOT paper, Figure 1)."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
import xarray as xr

from trainfree.extensions import load_files
from trainfree.images.batches import load_mini_batch
from trainfree.images.datasets import spec_of
from trainfree.lifeline import require_run
from trainfree.progress import track
from trainfree.randomness import stream
from trainfree.scoring.candidate import EngineCandidate
from trainfree.scoring.clock import PhaseClock
from trainfree.scoring.kernels_code import kernels_code_hash
from trainfree.scoring.linear_algebra import log_abs_determinant
from trainfree.scoring.schema import variable
from trainfree.scoring.setting import Setting
from trainfree.scoring.shard import measured_attributes, prepare_torch
from trainfree.scoring.weights import draw_weights
from trainfree.spaces import build_network, load_space
from trainfree.storage import read_dataset, write_dataset


def compute_kernels(
    setting: Setting, choice: Path, images: Path, output: Path, device: str, threads: int
) -> None:
    """Compute the kernel of each chosen architecture and write the file of kind "kernels".

    Each ReLU module counts once; weights and mini-batch are those that the setting scores with.

    Parameters
    ----------
    choice
        File of kind "choice".
    images
        Prepared image set of ``setting.dataset``.
    output
        It appears when all kernels are there.

    Raises
    ------
    DataFileError
        When a file is missing, damaged or of another space.
    ImageError
        When there are fewer training images than the mini-batch has.
    """
    prepare_torch(threads)
    load_files(Path(path) for path, _ in setting.extra)
    chosen = read_dataset(choice, "choice", {"space": setting.space})
    pixels = load_mini_batch(images, setting.batch_size, setting.seed, setting.input)
    batch = torch.from_numpy(pixels).to(device).contiguous(memory_format=torch.channels_last)
    found = []
    for arch in track(chosen["arch"].to_numpy().tolist(), output.stem):
        require_run()
        found.append(_candidate(setting, arch, batch).relu_kernel)
    kernels = np.stack(found)
    scores = np.array([log_abs_determinant(kernel) for kernel in kernels])
    dims = ("arch", "image", "other_image")
    dataset = chosen[["accuracy", "percentile"]].assign(
        kernel=xr.Variable(
            *variable(dims, kernels, "rectified units on which the codes of two images agree"),
            {"zlib": True, "complevel": 1, "shuffle": True},
        ),
        score=xr.Variable(*variable(("arch",), scores, "ln |det K_H|, the NASWOT score")),
    )
    dataset.attrs = {
        **measured_attributes(
            setting,
            asdict(setting),
            kernels_code_hash(setting.space),
            images,
            torch.device(device),
            threads,
            {"choice": str(chosen.attrs["config_hash"])},
        ),
        **{key: chosen.attrs[key] for key in ("target", "accuracy_source", "accuracy_stand_in")},
        "chosen": chosen.attrs["rule"],
    }
    write_dataset(dataset, output, "kernels")


def _candidate(setting: Setting, arch: int, batch: torch.Tensor) -> EngineCandidate:
    space, classes = load_space(setting.space), spec_of(setting.dataset).classes
    return EngineCandidate(
        build=lambda: build_network(space, arch, batch.shape[-1], classes),
        draw=lambda network: draw_weights(
            network, setting.initialization, stream(setting.seed, "weights", arch)
        ),
        batch=batch,
        clock=PhaseClock(),
    )
