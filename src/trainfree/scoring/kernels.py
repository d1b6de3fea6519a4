"""The kernels of a few architectures as a file: what the NASWOT score is the determinant of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor

from trainfree.errors import DataFileError
from trainfree.extensions import load_files
from trainfree.images.batches import load_mini_batch
from trainfree.images.datasets import spec_of
from trainfree.lifeline import require_run
from trainfree.progress import track
from trainfree.randomness import stream
from trainfree.scoring.candidate import EngineCandidate
from trainfree.scoring.clock import PhaseClock
from trainfree.scoring.linear_algebra import log_abs_determinant
from trainfree.scoring.memory import keep_freed_memory
from trainfree.scoring.schema import status_flags, variable
from trainfree.scoring.setting import Setting, kernels_code_hash
from trainfree.scoring.shard import measured_attributes, prepare_torch
from trainfree.scoring.status import judge
from trainfree.scoring.weights import draw_weights
from trainfree.spaces import build_network, load_space
from trainfree.storage import read_dataset, write_dataset

CHOICE_KEYS = ("target", "rule", "accuracy_source", "accuracy_stand_in")


def store_kernels(
    setting: Setting, choice: Path, images: Path, output: Path, device: str, threads: int
) -> None:
    """Write K_H of each chosen architecture, its score and its trained accuracy.

    Each kernel is the one behind the score ``naswot`` of the same setting: each ReLU module
    counted once, whole numbers (NASWOT paper, equation 2).

    Parameters
    ----------
    choice
        File of kind "choice".
    images
        Prepared image set of ``setting.dataset``.
    output
        It appears when it is complete.

    Raises
    ------
    DataFileError
        When architectures of another space were chosen, or a file is missing or damaged.
    """
    load_files(Path(path) for path, _ in setting.extra)
    prepare_torch(threads)
    keep_freed_memory()
    chosen = read_dataset(choice, "choice", {"space": setting.space, "dataset": setting.dataset})
    missing = [key for key in CHOICE_KEYS if key not in chosen.attrs]
    if missing:
        raise DataFileError(f"{choice}: lacks the attribute {', '.join(missing)}; make it anew")
    pixels = load_mini_batch(images, setting.batch_size, setting.seed, setting.input)
    batch = torch.from_numpy(pixels).to(device).contiguous(memory_format=torch.channels_last)
    kernels = []
    for arch in track(chosen["arch"].to_numpy().tolist(), output.stem):
        require_run()
        kernels.append(kernel_of(setting, arch, batch))
    attributes = measured_attributes(
        setting,
        {**asdict(setting), "choice": str(chosen.attrs["config_hash"])},
        kernels_code_hash(setting),
        images,
        batch.device,
        threads,
        {"choice": str(chosen.attrs["config_hash"])},
    )
    told = _told(chosen.attrs)
    write_dataset(_dataset(kernels, chosen).assign_attrs(attributes | told), output, "kernels")


def kernel_of(setting: Setting, arch: int, batch: Tensor) -> NDArray[np.float64]:
    """Return K_H of one architecture on a batch, (B, B)."""
    space, size = load_space(setting.space), batch.shape[-1]
    candidate = EngineCandidate(
        build=lambda: build_network(space, arch, size, spec_of(setting.dataset).classes),
        draw=lambda network: draw_weights(
            network, setting.initialization, stream(setting.seed, "weights", arch)
        ),
        batch=batch,
        clock=PhaseClock(),
    )
    return candidate.relu_kernel


def _told(attributes: Mapping[object, object]) -> dict[str, str | int]:
    """Return what the file of the choice says of the accuracies, as attributes of this one."""
    return {
        "target": str(attributes["target"]),
        "chosen": str(attributes["rule"]),
        "accuracy_source": str(attributes["accuracy_source"]),
        "accuracy_stand_in": int(str(attributes["accuracy_stand_in"])),
    }


def _dataset(kernels: Sequence[NDArray[np.float64]], chosen: xr.Dataset) -> xr.Dataset:
    judged = [judge(log_abs_determinant(kernel)) for kernel in kernels]
    stacked = np.stack(kernels).astype(np.int64)
    dims = ("arch", "image", "other")
    kernel = variable(dims, stacked, "rectified units on which two images agree")
    return xr.Dataset(
        {
            "kernel": xr.Variable(*kernel, encoding={"zlib": True, "complevel": 4}),
            "score": variable(("arch",), [score for score, _, _ in judged], "NASWOT score"),
            "status": variable(
                ("arch",),
                np.array([status.value for _, status, _ in judged], dtype=np.int8),
                "what became of the score",
                "1",
                **status_flags(),
            ),
            "accuracy": chosen["accuracy"],
            "percentile": chosen["percentile"],
        },
        coords=chosen.coords,
    )
