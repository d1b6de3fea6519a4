"""The kernels of a few architectures as a file: what the NASWOT score is the determinant of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray

from trainfree.files.storage import write_dataset
from trainfree.outside.extensions import load_files
from trainfree.parent_process import require_run
from trainfree.progress import track
from trainfree.scoring.clock import PhaseClock
from trainfree.scoring.jobs.chosen import choice_attributes, read_choice
from trainfree.scoring.jobs.schema import measured_attributes, status_flags, variable
from trainfree.scoring.jobs.shard import Scorer, device_name, prepare_torch
from trainfree.scoring.quantities.log_determinant import log_abs_determinant
from trainfree.scoring.settings.setting import Setting, scoring_code_hash
from trainfree.scoring.status import judge


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
    chosen = read_choice(choice, setting.space, setting.dataset)
    scorer = Scorer.on_images(setting, images, setting.seed, device)
    kernels = []
    for arch in track(chosen["arch"].to_numpy().tolist(), output.stem):
        require_run()
        kernels.append(scorer.candidate(arch, PhaseClock()).relu_kernel)
    attributes = measured_attributes(
        setting,
        {**setting.values, "choice": str(chosen.attrs["config_hash"])},
        scoring_code_hash(setting, __name__),
        images,
        device_name(torch.device(device)),
        threads,
        {"choice": str(chosen.attrs["config_hash"])},
    )
    attributes |= choice_attributes(chosen)
    write_dataset(_dataset(kernels, chosen).assign_attrs(attributes), output, "kernels")


def _dataset(kernels: Sequence[NDArray[np.float64]], chosen: xr.Dataset) -> xr.Dataset:
    judged = [judge(log_abs_determinant(kernel)) for kernel in kernels]
    stacked = np.stack(kernels).astype(np.int64)
    dims = ("arch", "image", "other")
    kernel = variable(dims, stacked, "ReLU units on which two images agree")
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
