"""Several draws of the same architectures: other mini-batches, other weights, both.

The ablation of the NASWOT paper (Mellor et al., ICML 2021, Fig. 5), made for every proxy: what a
score owes to the architecture and what to the draw.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import xarray as xr

from trainfree.errors import ConfigError
from trainfree.files.storage import write_dataset
from trainfree.progress import track
from trainfree.scoring.jobs.columns import ColumnStore
from trainfree.scoring.jobs.schema import drawn_coordinates, scores_dataset
from trainfree.scoring.jobs.shard import ScoringJob, chosen_architectures
from trainfree.scoring.settings.precision import GroupOptions
from trainfree.scoring.settings.setting import Setting


def drawn_seeds(seed: int, draws: int) -> list[tuple[int, int]]:
    """Return the (mini-batch, weights) seeds of all draws, 3 · draws − 2 of them.

    The first is the root seed for both. Then come, ``draws`` − 1 times each: another mini-batch on
    the first weights, other weights on the first mini-batch, both new.

    Raises
    ------
    ConfigError
        For fewer than two draws: nothing to compare.
    """
    if draws < 2:
        raise ConfigError(f"expected at least 2 draws to compare, found {draws}")
    others = range(seed + 1, seed + draws)
    return [
        (seed, seed),
        *((other, seed) for other in others),
        *((seed, other) for other in others),
        *((other, other) for other in others),
    ]


def score_draws(
    setting: Setting,
    draws: int,
    first: int,
    last: int,
    images: Path,
    output: Path,
    device: str,
    threads: int,
    store: ColumnStore | None = None,
    options: GroupOptions | None = None,
) -> None:
    """Score the architectures ``first`` to ``last``, both included, under every draw.

    The file is a scores file with one more dimension, ``draw``, whose coordinates ``image_seed``
    and ``weight_seed`` say what was drawn anew. Whatever else a proxy draws for an architecture
    (its Gaussian inputs, its random signs) goes with the weights.

    Parameters
    ----------
    draws
        Draws of each kind, the first one shared by all kinds.
    setting, first, last, images, output, device, threads, store, options
        As for :func:`~trainfree.scoring.jobs.shard.score_shard`.

    Raises
    ------
    ConfigError
        For fewer than two draws, or places that are not in the setting's list.
    """
    seeds = drawn_seeds(setting.seed, draws)
    architectures = chosen_architectures(setting, first, last)
    job = ScoringJob(images, device, threads, store, options or GroupOptions())
    parts: list[xr.Dataset] = []
    for image_seed, weight_seed in track(seeds, output.stem):
        drawn = replace(setting, seed=weight_seed)
        rows = job.rows(drawn, image_seed, architectures, warm_up=not parts)
        parts.append(scores_dataset(rows, setting.proxies))
    dataset = xr.concat(parts, dim="draw").assign_coords(
        image_seed=("draw", np.array([seed for seed, _ in seeds])),
        weight_seed=("draw", np.array([seed for _, seed in seeds])),
    )
    dataset = dataset.assign_coords(drawn_coordinates(setting))
    attributes = job.attributes(setting, setting.values, __name__)
    write_dataset(dataset.assign_attrs({**attributes, "draws": draws}), output, "draws")
