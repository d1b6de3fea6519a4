"""What a score owes to the draw of images, weights and batch size (NASWOT paper, Figure 5)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor

from trainfree.extensions import load_files
from trainfree.images.batches import load_mini_batch, load_mini_batch_labels
from trainfree.images.datasets import spec_of
from trainfree.lifeline import require_run
from trainfree.progress import track
from trainfree.proxies import load_proxy
from trainfree.randomness import stream
from trainfree.scoring.candidate import EngineCandidate
from trainfree.scoring.clock import PhaseClock
from trainfree.scoring.schema import status_flags, variable
from trainfree.scoring.shard import attempt, measured_attributes, prepare_torch
from trainfree.scoring.status import Status
from trainfree.scoring.studies import (
    AblationSetting,
    Arm,
    Draw,
    ablation_arms,
    distinct_draws,
    draw_seeds,
    study_code_hash,
)
from trainfree.scoring.weights import draw_weights
from trainfree.spaces import build_network, load_space
from trainfree.storage import read_dataset, write_dataset


def score_ablation(
    setting: AblationSetting, choice: Path, images: Path, output: Path, device: str, threads: int
) -> None:
    """Score the chosen architectures under every draw of every arm and write the file.

    Parameters
    ----------
    choice
        File of kind "choice".
    images
        Prepared image set.
    output
        It appears when all draws are scored.

    Raises
    ------
    ImageError
        When there are fewer training images than the largest batch.
    """
    prepare_torch(threads)
    load_files(Path(path) for path, _ in setting.base.extra)
    chosen = read_dataset(choice, "choice", {"space": setting.base.space})
    architectures = chosen["arch"].to_numpy().tolist()
    arms = ablation_arms(setting)
    shape = (len(arms), setting.draws, len(architectures))
    scores = np.full((*shape, len(setting.base.proxies)), np.nan)
    statuses = np.full(scores.shape, Status.ERROR.value, np.int8)
    messages = np.full(shape, "", dtype=object)
    for draw, places in track(list(distinct_draws(arms).items()), output.stem):
        require_run()
        batch, labels = (values.to(device) for values in _mini_batch(draw, images))
        for column, arch in enumerate(architectures):
            score, status, message = score_draw(draw, arch, batch, labels)
            for arm, place in places:
                scores[arm, place, column], statuses[arm, place, column] = score, status
                messages[arm, place, column] = message
    attributes = {
        **measured_attributes(
            setting.base,
            setting.settings,
            study_code_hash(setting, __name__),
            images,
            torch.device(device),
            threads,
            {"choice": str(chosen.attrs["config_hash"])},
        ),
        **{key: chosen.attrs[key] for key in ("target", "accuracy_source", "accuracy_stand_in")},
        "chosen": chosen.attrs["rule"],
    }
    variables = _variables(arms, scores, statuses, messages)
    dataset = chosen[["accuracy", "percentile"]].assign(variables)
    dataset = dataset.assign_coords(_coordinates(setting, arms))
    dataset.attrs = attributes
    write_dataset(dataset, output, "ablation")


def score_draw(
    draw: Draw, arch: int, batch: Tensor, labels: Tensor
) -> tuple[list[float], list[int], str]:
    """Return scores, statuses and a message of one architecture, by proxy.

    Parameters
    ----------
    batch, labels
        The mini-batch of the draw, (B, 3, y, x), channels last, and its classes, (B,).
    """
    setting, seed = draw.setting, draw.weights_seed
    space, classes = load_space(setting.space), spec_of(setting.dataset).classes
    candidate = EngineCandidate(
        build=lambda: build_network(space, arch, batch.shape[-1], classes),
        draw=lambda network: draw_weights(
            network, setting.initialization, stream(seed, "weights", arch)
        ),
        batch=batch,
        clock=PhaseClock(),
        labels=labels,
        initialization=setting.initialization,
        stream=lambda purpose: stream(seed, purpose, arch),
    )
    judged = [attempt(candidate, load_proxy(name), arch) for name in setting.proxies]
    messages = (
        f"{name}: {message}"
        for name, (_, _, message, _) in zip(setting.proxies, judged, strict=True)
        if message
    )
    scores = [score for score, _, _, _ in judged]
    return scores, [status.value for _, status, _, _ in judged], "; ".join(messages)


def _mini_batch(draw: Draw, images: Path) -> tuple[Tensor, Tensor]:
    setting = draw.setting
    pixels = load_mini_batch(images, setting.batch_size, setting.seed, setting.input)
    labels = load_mini_batch_labels(images, setting.batch_size, setting.seed)
    batch = torch.from_numpy(pixels).contiguous(memory_format=torch.channels_last)
    return batch, torch.from_numpy(labels)


def _variables(
    arms: list[Arm],
    scores: NDArray[np.float64],
    statuses: NDArray[np.int8],
    messages: NDArray[np.object_],
) -> dict[str, xr.Variable]:
    by_proxy = ("arm", "draw", "arch", "proxy")
    sizes = np.array([arm.setting.batch_size for arm in arms])
    return {
        "score": xr.Variable(*variable(by_proxy, scores, "proxy score, higher is better")),
        "status": xr.Variable(
            *variable(by_proxy, statuses, "what became of the score", "1", **status_flags())
        ),
        "message": xr.Variable(*variable(by_proxy[:3], messages, "why a score failed")),
        "size": xr.Variable(*variable(("arm",), sizes, "images in the mini-batch")),
    }


def _coordinates(setting: AblationSetting, arms: list[Arm]) -> dict[str, xr.Variable]:
    seeds = np.array(draw_seeds(setting))
    return {
        "arm": xr.Variable("arm", np.array([arm.name for arm in arms], dtype=object)),
        "draw": xr.Variable(*variable(("draw",), seeds, "root seed of what the arm draws")),
        "proxy": xr.Variable("proxy", np.array(setting.base.proxies, dtype=object)),
    }
