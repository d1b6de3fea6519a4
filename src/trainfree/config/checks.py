"""What a whole configuration has to fulfil beyond the types of its keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from trainfree.analysis.proxies.published_proxy_scores import PUBLISHED_SCORES
from trainfree.combinations import COMBINATION_NAMES, proxies_of
from trainfree.errors import ConfigError, UnknownNameError
from trainfree.images.datasets import dataset_names
from trainfree.outside.extensions import load_files
from trainfree.proxies import proxy_names
from trainfree.scoring.settings.setting import Setting, subset_of
from trainfree.search import algorithm_names
from trainfree.search.plan import SearchPlan
from trainfree.spaces import load_space, space_names
from trainfree.trainings import ACCURACY

if TYPE_CHECKING:
    from trainfree.config.model import Config

MOST_JOBS = 100_000


def require_names(config: Config) -> None:
    """Check that what is named exists: spaces, data sets, algorithms, proxies.

    Raises
    ------
    ConfigError, UnknownNameError
        Naming the key or the name.
    """
    spaces = [Path(path) for path in config.spaces.extra]
    algorithms = [Path(path) for path in config.search.extra]
    images = [Path(path) for path in config.images.extra]
    _require("space", [config.space], space_names(spaces))
    _require("published scores", list(config.space_agreement.samples), list(PUBLISHED_SCORES))
    _require("space", list(config.across.named), space_names(spaces))
    several = [name for space in config.across.named.values() for name in space.datasets]
    _require("data set", [*config.datasets, *several], dataset_names(images))
    algorithm_names(algorithms)  # the plans ask for algorithms by name themselves
    load_files([*spaces, *algorithms, *images])
    known = _known_proxies(config)
    if taken := [name for name in known if name in COMBINATION_NAMES]:
        raise ConfigError(
            f"proxies: {', '.join(taken)} is the name of a combination of proxies, whose "
            "column in tables a proxy would take; give the proxy another name"
        )
    for proxies in (config.scoring.proxies, config.nasbench101.proxies, config.ablation.proxies):
        _require("proxy", proxies, known)
    _require("proxy", [*(config.board.proxies or []), *config.across.proxies], known)
    _require("proxy", [*config.field.proxies, *config.field.proxies_of_all], known)
    _require("proxy", [*config.field.inputs, *config.field.weights], known)
    _require("proxy", [*config.scoring.inputs, *config.scoring.weights], known)
    for space in config.across.named.values():
        _require("proxy", [*(space.proxies or []), *(space.without or [])], known)


def require_agreement(config: Config) -> None:
    """Check that the sections agree with each other.

    Raises
    ------
    ConfigError
        Naming the key that is wrong.
    """
    setting = config.scoring_setting(config.datasets[0])
    _require_fits("scoring", config.scoring.sample, config.scoring.subset, setting)
    _require_fits("field", config.field.sample, config.field.subset, setting)
    jobs = (config.scoring.sample or len(load_space(config.space))) // config.scoring.shard_size
    if jobs > MOST_JOBS:
        raise ConfigError(
            f"scoring.shard_size: {config.scoring.shard_size} makes {jobs:,} jobs for each data "
            f"set, expected at most {MOST_JOBS:,}, which Snakemake plans for minutes; choose "
            "larger shards, or score a sample (scoring.sample)"
        )
    cells = config.nasbench101
    if cells.sample > cells.first_hashes:
        raise ConfigError(
            f"nasbench101.sample: {cells.sample} cells are drawn from the first "
            f"{cells.first_hashes} of the table too (nasbench101.first_hashes); choose fewer "
            "cells, or more of the first"
        )
    _require_computed(config)
    if "pareto" in config.model_fields_set:  # its defaults are of a large space
        _require_pareto(config)
    _require_guided(config, "search", config.search.plans(), config.space, config.scoring.proxies)
    plans = config.nasbench101.plans()
    _require_guided(config, "nasbench101", plans, "nasbench101", config.nasbench101.proxies)


def _known_proxies(config: Config) -> list[str]:
    """Return the names of all proxies, those in files of the user's own too."""
    return proxy_names([Path(path) for path in config.proxies.extra])


def _require_computed(config: Config) -> None:
    """Check that input and weights are named for proxies that are computed."""
    scored = {*config.scoring.proxies, *config.ablation.proxies}
    for key, named in (("inputs", config.scoring.inputs), ("weights", config.scoring.weights)):
        for proxy in named:
            if proxy not in scored:
                raise ConfigError(
                    f"scoring.{key}.{proxy}: {proxy} is not in scoring.proxies "
                    f"({', '.join(config.scoring.proxies)}); add it there, or leave it out here"
                )


def _require_pareto(config: Config) -> None:
    """Check that searches under costs look up what is scored."""
    config.pareto.check(config.scoring.sample)
    known = _known_proxies(config)
    for guide in config.pareto.proxies:
        if guide in COMBINATION_NAMES:
            raise ConfigError(
                f"pareto.guides: {guide} is a combination, whose value depends on what "
                "a search has seen; expected accuracy or single proxies"
            )
        _require_scored("pareto.guides", guide, config.scoring.proxies, "search", known)
    _require_budget_fits("pareto.budgets", max(config.pareto.budgets), config.space)


def _require_guided(
    config: Config, section: str, plans: Mapping[str, SearchPlan], space: str, scored: list[str]
) -> None:
    """Check that searches look up what is scored, and not more than there is."""
    known = _known_proxies(config)
    size = len(load_space(space)) if any(plan.counts for plan in plans.values()) else 0
    for name, plan in plans.items():
        where = f"{section}.searches.{name}"
        for key, proxy in (("signal", plan.signal), ("proxy", plan.proxy)):
            if proxy not in ("", ACCURACY):
                _require_scored(f"{where}.{key}", proxy, scored, section, known)
                parts = (config.scoring.sample, config.scoring.subset)
                if any(parts) and section == "search":
                    raise ConfigError(
                        f"{where}.{key}: the search needs the scores of all architectures; "
                        "leave scoring.sample and scoring.subset out, or drop the search by "
                        "setting it to null"
                    )
        if plan.counts and plan.counts[-1] > size:
            raise ConfigError(
                f"{where}.budgets: N = {plan.counts[-1]} is larger than the space "
                f"{space} with its {size} architectures; choose N <= {size}"
            )


def _require_fits(section: str, sample: int | None, subset: str | None, scored: Setting) -> None:
    """Check that no more architectures are wanted than the space, or the subset of it, has."""
    size = len(load_space(scored.space))
    if subset:
        size = len(subset_of(replace(scored, subset=subset)))
    elif section != "scoring":
        return  # of a smaller space all are taken
    if sample and sample > size:
        where = f"the subset {subset} of " if subset else "the space "
        raise ConfigError(
            f"{section}.sample: {sample} architectures are more than {where}{scored.space} has "
            f"({size}); choose fewer"
        )


def _require_budget_fits(key: str, evaluations: int, space: str) -> None:
    """Check that a search evaluates no more architectures than the space has."""
    size = len(load_space(space))
    if evaluations > size:
        raise ConfigError(
            f"{key}: {evaluations} architectures are more than the space {space} has ({size}); "
            "choose fewer"
        )


def _require_scored(
    key: str, signal: str, scored: list[str], section: str, proxies: list[str]
) -> None:
    """Check that a proxy, or each part of a combination, is among what is scored."""
    combined = signal in COMBINATION_NAMES
    if signal not in proxies and not combined:
        kind = "signal" if key.endswith(".signal") else "proxy"
        known = [ACCURACY, *proxies, *COMBINATION_NAMES] if kind == "signal" else proxies
        raise ConfigError(f"{key}: {UnknownNameError(kind, signal, known)}")
    place = "scoring" if section == "search" else section
    missing = [part for part in proxies_of(signal) if part not in scored]
    if missing and combined:
        raise ConfigError(
            f"{key}: {signal} combines {', '.join(proxies_of(signal))}, of which "
            f"{place}.proxies lacks {', '.join(missing)} (it has {', '.join(scored)}); add "
            "there what is missing"
        )
    if missing:
        raise ConfigError(
            f"{key}: {signal} is not in {place}.proxies ({', '.join(scored)}); add it there"
        )


def _require(kind: str, names: list[str], known: list[str]) -> None:
    for name in names:
        if name not in known:
            raise UnknownNameError(kind, name, known)
