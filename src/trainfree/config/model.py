"""The whole configuration, and what follows from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self, TypeVar

from pydantic import Field, model_validator

from trainfree.analysis.proxies.published_proxy_scores import PUBLISHED_SCORES
from trainfree.analysis.settings import AnalysisSettings
from trainfree.combinations import COMBINATION_NAMES, proxies_of
from trainfree.config.across import AcrossConfig
from trainfree.config.field import FieldConfig
from trainfree.config.inputs import ImagesConfig, ProxiesConfig, SourcesConfig, SpacesConfig
from trainfree.config.scoring import (
    AblationConfig,
    AgreementConfig,
    KernelsConfig,
    ScoringConfig,
    SpaceAgreementConfig,
    StabilityConfig,
    TrainingConfig,
)
from trainfree.config.searching import NasBench101Config, SearchConfig
from trainfree.config.section import Name, Names, RunName, Section, Seed
from trainfree.config.tables import AnalysisConfig
from trainfree.drawing import Initialization, InputKind
from trainfree.errors import ConfigError, UnknownNameError
from trainfree.images.datasets import DATASET_KIND, dataset_names
from trainfree.outside.extensions import Kind, declared_names, hashed, load_files
from trainfree.proxies import proxy_names
from trainfree.scoring.settings.setting import Setting, subset_of
from trainfree.scoring.settings.studies import AblationSetting, TrainingSetting
from trainfree.search import algorithm_names
from trainfree.search.plan import SearchPlan
from trainfree.spaces import SPACE_KIND, load_space, space_names
from trainfree.trainings import ACCURACY

MOST_JOBS = 100_000

Drawn = TypeVar("Drawn", InputKind, Initialization)


class Config(Section):
    """The whole configuration."""

    run: RunName = Field(
        default="default",
        description="Name of this configuration's folder: results/<run> and logs/<run>. "
        "Configurations with folders of their own never share a table, a figure or a page.",
    )
    seed: Seed = Field(default=0, description="The one root seed.")
    space: Name = Field(default="nasbench201", description="Search space.")
    datasets: Names = Field(default=["cifar10"], description="Image data sets.")
    sources: SourcesConfig = SourcesConfig()
    proxies: ProxiesConfig = ProxiesConfig()
    spaces: SpacesConfig = SpacesConfig()
    images: ImagesConfig = ImagesConfig()
    scoring: ScoringConfig = ScoringConfig()
    agreement: AgreementConfig = AgreementConfig()
    space_agreement: SpaceAgreementConfig = SpaceAgreementConfig()
    stability: StabilityConfig = StabilityConfig()
    kernels: KernelsConfig = KernelsConfig()
    nasbench101: NasBench101Config = NasBench101Config()
    across: AcrossConfig = AcrossConfig()
    field: FieldConfig = FieldConfig()
    ablation: AblationConfig = AblationConfig()
    training: TrainingConfig = TrainingConfig()
    search: SearchConfig = SearchConfig()
    analysis: AnalysisConfig = AnalysisConfig()

    def scoring_setting(self, dataset: str) -> Setting:
        """Return what decides the scores on a data set."""
        return Setting(
            space=self.space,
            dataset=dataset,
            proxies=tuple(self.scoring.proxies),
            batch_size=self.scoring.batch_size,
            initialization=self.scoring.initialization,
            input=self.scoring.input,
            inputs=named_for(self.scoring.proxies, self.scoring.inputs),
            weights=named_for(self.scoring.proxies, self.scoring.weights),
            seed=self.seed,
            sample=self.scoring.sample or 0,
            sample_seed=self.seed if self.scoring.sample else 0,
            extra=hashed([*self.proxies.extra, *self.space_files, *self.image_files(dataset)]),
            subset=self.scoring.subset or "",
        )

    def draw_settings(self, dataset: str) -> list[Setting]:
        """Return what decides each draw that searches take in turn; the first is of all tables.

        The others have the next seeds, and only the proxies that guide or assist a search.
        """
        first = self.scoring_setting(dataset)
        plans = self.search.plans().values()
        guides = dict.fromkeys(name for plan in plans for name in plan.proxies)
        others = [
            replace(first, seed=self.seed + draw, proxies=tuple(guides))
            for draw in range(1, self.scoring.draws if guides else 1)
        ]
        return [first, *others]

    @property
    def space_files(self) -> list[str]:
        """Those of ``spaces.extra`` that the space is in."""
        return self.files_with_space(self.space)

    def files_with_space(self, space: str) -> list[str]:
        """Return those of ``spaces.extra`` that a space is in."""
        return _files_with(SPACE_KIND, space, self.spaces.extra)

    def image_files(self, dataset: str) -> list[str]:
        """Return those of ``images.extra`` that a data set is in."""
        return _files_with(DATASET_KIND, dataset, self.images.extra)

    def search_files(self, plan: SearchPlan) -> list[str]:
        """Return the file of the user's own that a search's algorithm is in, if it is in one."""
        return [path for path in self.search.extra if Path(path).stem == plan.algorithm]

    def stability_setting(self, dataset: str) -> Setting:
        """Return what decides the scores that are drawn several times."""
        scored = self.scoring_setting(dataset)
        whole = replace(scored, sample=0)
        sample = min(self.stability.architectures, whole.size(len(load_space(self.space))))
        return replace(scored, sample=sample, sample_seed=self.seed)

    def nasbench101_setting(self, first_hashes: int = 0) -> Setting:
        """Return what decides the scores of a sample of NAS-Bench-101, or of its first cells."""
        return Setting(
            space="nasbench101",
            dataset="cifar10",
            proxies=tuple(self.nasbench101.proxies),
            batch_size=self.nasbench101.batch_size,
            initialization=self.nasbench101.initialization,
            input="images",
            seed=self.seed,
            sample=self.nasbench101.sample,
            sample_seed=self.seed,
            sample_of=first_hashes,
            extra=hashed(self.proxies.extra),
        )

    def across_setting(self, name: str, dataset: str) -> Setting:
        """Return what decides the scores of one of several spaces on a data set."""
        across, space = self.across, self.across.named[name]
        size = len(load_space(name))
        sample = min(space.sample or across.sample, size)
        files = [*self.proxies.extra, *self.files_with_space(name), *self.image_files(dataset)]
        return Setting(
            space=name,
            dataset=dataset,
            proxies=across.proxies_of(space),
            batch_size=space.batch_size or across.batch_size,
            initialization=space.initialization or across.initialization,
            input=space.input or across.input,
            seed=self.seed,
            sample=sample if sample < size else 0,
            sample_seed=self.seed if sample < size else 0,
            extra=hashed(files),
        )

    def ablation_setting(self, dataset: str) -> AblationSetting:
        """Return what decides the scores of the ablation on a data set."""
        base = _study_base(self, dataset, self.ablation.proxies, self.proxies.extra)
        return AblationSetting(base, self.ablation.draws, tuple(self.ablation.batch_sizes))

    def training_setting(self) -> TrainingSetting:
        """Return what decides the scores during training, on the first data set."""
        training = self.training
        return TrainingSetting(
            _study_base(self, self.datasets[0], ["naswot"], []),
            training.epochs,
            training.images,
            training.batch_size,
            training.learning_rate,
        )

    def kernels_setting(self, space: str, dataset: str) -> Setting:
        """Return what decides the kernels that are drawn of a space on a data set."""
        of_cells, images = space == "nasbench101", self.image_files(dataset)
        return Setting(
            space=space,
            dataset=dataset,
            proxies=("naswot",),
            batch_size=self.kernels.batch_size,
            initialization=(self.nasbench101 if of_cells else self.scoring).initialization,
            input=self.scoring.input,
            seed=self.seed,
            extra=hashed([*_files_with(SPACE_KIND, space, self.spaces.extra), *images]),
        )

    @property
    def table_settings(self) -> AnalysisSettings:
        """The settings of the tables."""
        return AnalysisSettings(seed=self.seed, **self.analysis.model_dump())

    @property
    def table_settings_json(self) -> str:
        """The same as JSON, for command lines."""
        return self.table_settings.json

    @model_validator(mode="after")
    def _names_exist(self) -> Self:
        spaces = [Path(path) for path in self.spaces.extra]
        algorithms = [Path(path) for path in self.search.extra]
        images = [Path(path) for path in self.images.extra]
        _require("space", [self.space], space_names(spaces))
        _require("published scores", list(self.space_agreement.samples), list(PUBLISHED_SCORES))
        _require("space", list(self.across.named), space_names(spaces))
        several = [name for space in self.across.named.values() for name in space.datasets]
        _require("data set", [*self.datasets, *several], dataset_names(images))
        algorithm_names(algorithms)  # the plans ask for algorithms by name themselves
        load_files([*spaces, *algorithms, *images])
        known = proxy_names([Path(path) for path in self.proxies.extra])
        if taken := [name for name in known if name in COMBINATION_NAMES]:
            raise ConfigError(
                f"proxies: {', '.join(taken)} is the name of a combination of proxies, whose "
                "column in tables a proxy would take; give the proxy another name"
            )
        for proxies in (self.scoring.proxies, self.nasbench101.proxies, self.ablation.proxies):
            _require("proxy", proxies, known)
        _require("proxy", self.across.proxies, known)
        _require("proxy", [*self.field.proxies, *self.field.proxies_of_all], known)
        _require("proxy", [*self.field.inputs, *self.field.weights], known)
        _require("proxy", [*self.scoring.inputs, *self.scoring.weights], known)
        for space in self.across.named.values():
            _require("proxy", [*(space.proxies or []), *(space.without or [])], known)
        return self

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        setting = self.scoring_setting(self.datasets[0])
        _require_fits("scoring", self.scoring.sample, self.scoring.subset, setting)
        _require_fits("field", self.field.sample, self.field.subset, setting)
        jobs = (self.scoring.sample or len(load_space(self.space))) // self.scoring.shard_size
        if jobs > MOST_JOBS:
            raise ConfigError(
                f"scoring.shard_size: {self.scoring.shard_size} makes {jobs:,} jobs for each data "
                f"set, expected at most {MOST_JOBS:,}, which Snakemake plans for minutes; choose "
                "larger shards, or score a sample (scoring.sample)"
            )
        cells = self.nasbench101
        if cells.sample > cells.first_hashes:
            raise ConfigError(
                f"nasbench101.sample: {cells.sample} cells are drawn from the first "
                f"{cells.first_hashes} of the table too (nasbench101.first_hashes); choose fewer "
                "cells, or more of the first"
            )
        scored = {*self.scoring.proxies, *self.ablation.proxies}
        for key, named in (("inputs", self.scoring.inputs), ("weights", self.scoring.weights)):
            for proxy in named:
                if proxy not in scored:
                    raise ConfigError(
                        f"scoring.{key}.{proxy}: {proxy} is not in scoring.proxies "
                        f"({', '.join(self.scoring.proxies)}); add it there, or leave it out here"
                    )
        self._require_guided("search", self.search.plans(), self.space, self.scoring.proxies)
        plans = self.nasbench101.plans()
        self._require_guided("nasbench101", plans, "nasbench101", self.nasbench101.proxies)
        return self

    def _require_guided(
        self, section: str, plans: Mapping[str, SearchPlan], space: str, scored: list[str]
    ) -> None:
        """Check that searches look up what is scored, and not more than there is."""
        known = proxy_names([Path(path) for path in self.proxies.extra])
        size = len(load_space(space)) if any(plan.counts for plan in plans.values()) else 0
        for name, plan in plans.items():
            where = f"{section}.searches.{name}"
            for key, proxy in (("signal", plan.signal), ("proxy", plan.proxy)):
                if proxy not in ("", ACCURACY):
                    _require_scored(f"{where}.{key}", proxy, scored, section, known)
                    parts = (self.scoring.sample, self.scoring.subset)
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


def _study_base(config: Config, dataset: str, proxies: list[str], extra: list[str]) -> Setting:
    """Return how the suite scores a data set, of no sample, with other proxies."""
    files = hashed([*extra, *config.space_files, *config.image_files(dataset)])
    return replace(
        config.scoring_setting(dataset),
        proxies=tuple(proxies),
        inputs=named_for(proxies, config.scoring.inputs),
        weights=named_for(proxies, config.scoring.weights),
        sample=0,
        sample_seed=0,
        subset="",
        extra=files,
    )


def named_for(proxies: Sequence[str], named: Mapping[str, Drawn]) -> tuple[tuple[str, Drawn], ...]:
    """Return what is named for some of these proxies, by name."""
    return tuple(sorted((proxy, kind) for proxy, kind in named.items() if proxy in proxies))


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


def _files_with(kind: Kind, name: str, paths: Sequence[str]) -> list[str]:
    return [path for path in paths if name in declared_names(kind, Path(path))]


def _require(kind: str, names: list[str], known: list[str]) -> None:
    for name in names:
        if name not in known:
            raise UnknownNameError(kind, name, known)


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
