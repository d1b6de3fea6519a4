"""What a score owes to the draw of images, weights and batch size (NASWOT paper, Figure 5)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from trainfree.files.storage import write_dataset
from trainfree.outside.extensions import load_files
from trainfree.progress import track
from trainfree.scoring.jobs.chosen import choice_attributes, read_choice
from trainfree.scoring.jobs.columns import ColumnStore
from trainfree.scoring.jobs.schema import status_flags, variable
from trainfree.scoring.jobs.shard import ScoringJob
from trainfree.scoring.settings.precision import GroupOptions
from trainfree.scoring.settings.studies import (
    AblationSetting,
    Arm,
    ablation_arms,
    distinct_draws,
    draw_seeds,
)
from trainfree.scoring.status import Status


def score_ablation(
    setting: AblationSetting,
    choice: Path,
    images: Path,
    output: Path,
    device: str,
    threads: int,
    store: ColumnStore | None = None,
    options: GroupOptions | None = None,
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
    store
        Where columns of scores are kept and looked for.
    options
        How a GPU is used.

    Raises
    ------
    ImageError
        When there are fewer training images than the largest batch.
    """
    load_files(Path(path) for path, _ in setting.base.extra)
    chosen = read_choice(choice, setting.base.space, setting.base.dataset)
    architectures = chosen["arch"].to_numpy().tolist()
    arms = ablation_arms(setting)
    shape = (len(arms), setting.draws, len(architectures))
    scores = np.full((*shape, len(setting.base.proxies)), np.nan)
    statuses = np.full(scores.shape, Status.ERROR.value, np.int8)
    messages = np.full(shape, "", dtype=object)
    job = ScoringJob(images, device, threads, store, options or GroupOptions())
    for draw, places in track(list(distinct_draws(arms).items()), output.stem):
        drawn = replace(draw.setting, seed=draw.weights_seed)
        rows = job.rows(drawn, draw.setting.seed, architectures, warm_up=False)
        for column, row in enumerate(rows):
            for arm, place in places:
                scores[arm, place, column], statuses[arm, place, column] = row.scores, row.statuses
                messages[arm, place, column] = row.message
    attributes = {
        **job.attributes(
            setting.base, setting.values, __name__, {"choice": str(chosen.attrs["config_hash"])}
        ),
        **choice_attributes(chosen),
    }
    variables = _variables(arms, scores, statuses, messages)
    dataset = chosen[["accuracy", "percentile"]].assign(variables)
    dataset = dataset.assign_coords(_coordinates(setting, arms))
    dataset.attrs = attributes
    write_dataset(dataset, output, "ablation")


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
