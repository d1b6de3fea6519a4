"""What is scored for the field's own tables: several seeds, and what of all architectures."""

from __future__ import annotations

from dataclasses import replace

from trainfree.analysis.settings import LearnedSettings
from trainfree.config import Config
from trainfree.config.model import named_for
from trainfree.scoring.settings.setting import Setting, subset_module
from trainfree.spaces import load_space

PUBLISHED_SUBSET = "reachable"
"""The part of NAS-Bench-201 that published tables are about."""
CHEAP_SHARD = 5000
"""Architectures of a job whose proxies cost next to nothing, beside its start."""


def field_settings(config: Config, dataset: str) -> list[Setting]:
    """Return what decides the scores of all seeds; of a sample, after them what is of all.

    On the first data set a last one scores the cells without unreachable operations, where the
    space has that subset: its file says which these are.
    """
    field, sample = config.field, _sample(config)
    settings = [_of_seed(config, dataset, seed) for seed in field.seeds]
    every = _with_proxies(
        replace(settings[0], sample=0, sample_seed=0, subset=""), field.proxies_of_all, config
    )
    if sample or field.subset:
        settings.append(every)
    known = field.subset == PUBLISHED_SUBSET and not sample
    if dataset == config.datasets[0] and subset_module(config.space) and not known:
        settings.append(replace(every, subset=PUBLISHED_SUBSET))
    return settings


def field_learning(config: Config) -> LearnedSettings:
    """Return what decides what forests learn beside the proxies: of the cells that tables rank."""
    known = subset_module(config.space) is not None
    return replace(
        config.learned.settings("accuracy", config.seed),
        subset=PUBLISHED_SUBSET if known else config.learned.subset or "",
    )


def field_shard(config: Config, setting: Setting) -> int:
    """Return how many architectures a job scores; more of those that cost next to nothing."""
    cheap = set(setting.proxies) <= set(config.field.proxies_of_all)
    return CHEAP_SHARD if cheap else config.field.shard_size


def _of_seed(config: Config, dataset: str, seed: int) -> Setting:
    field, sample = config.field, _sample(config)
    base = replace(
        config.scoring_setting(dataset),
        batch_size=field.batch_size,
        initialization=field.initialization,
        input=field.input,
        seed=seed,
        sample=sample,
        sample_seed=seed if sample else 0,
        subset=field.subset or "",
    )
    proxies = field.proxies if sample else [*field.proxies, *field.proxies_of_all]
    return _with_proxies(base, list(dict.fromkeys(proxies)), config)


def _with_proxies(setting: Setting, proxies: list[str], config: Config) -> Setting:
    return replace(
        setting,
        proxies=tuple(proxies),
        inputs=named_for(proxies, config.field.inputs),
        weights=named_for(proxies, config.field.weights),
    )


def _sample(config: Config) -> int:
    """Return the architectures of each seed; 0 for all, as where the space has no more."""
    sample = config.field.sample or 0
    return sample if sample < len(load_space(config.space)) else 0
