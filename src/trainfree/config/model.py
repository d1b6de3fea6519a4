"""The whole configuration, and what follows from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self, TypeVar

from pydantic import Field, model_validator

from trainfree.analysis.settings import AnalysisSettings
from trainfree.config.across import AcrossConfig
from trainfree.config.checks import require_agreement, require_names
from trainfree.config.field import FieldConfig
from trainfree.config.inputs import ImagesConfig, ProxiesConfig, SourcesConfig, SpacesConfig
from trainfree.config.pareto import ParetoConfig
from trainfree.config.scoring import (
    AblationConfig,
    AgreementConfig,
    BoardConfig,
    KernelsConfig,
    LearnedConfig,
    ScoringConfig,
    SpaceAgreementConfig,
    StabilityConfig,
    TrainingConfig,
)
from trainfree.config.searching import NasBench101Config, SearchConfig
from trainfree.config.section import Name, Names, RunName, Section, Seed
from trainfree.config.sharing.convolutional import EnasConvolutionalConfig
from trainfree.config.sharing.enas import EnasConfig
from trainfree.config.sharing.supernet import WeightSharingConfig
from trainfree.config.tables import AnalysisConfig
from trainfree.drawing import Initialization, InputKind
from trainfree.images.datasets import DATASET_KIND
from trainfree.outside.extensions import Kind, declared_names, hashed
from trainfree.scoring.settings.setting import Setting
from trainfree.scoring.settings.studies import AblationSetting, TrainingSetting
from trainfree.search.plan import SearchPlan
from trainfree.spaces import SPACE_KIND, load_space
from trainfree.weight_sharing.convolutional.settings import EnasConvolutionalSettings
from trainfree.weight_sharing.setting import SharingSetting, cell_space

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
    board: BoardConfig = BoardConfig()
    agreement: AgreementConfig = AgreementConfig()
    space_agreement: SpaceAgreementConfig = SpaceAgreementConfig()
    stability: StabilityConfig = StabilityConfig()
    kernels: KernelsConfig = KernelsConfig()
    nasbench101: NasBench101Config = NasBench101Config()
    across: AcrossConfig = AcrossConfig()
    field: FieldConfig = FieldConfig()
    ablation: AblationConfig = AblationConfig()
    training: TrainingConfig = TrainingConfig()
    learned: LearnedConfig = LearnedConfig()
    search: SearchConfig = SearchConfig()
    pareto: ParetoConfig = ParetoConfig()
    weight_sharing: WeightSharingConfig = WeightSharingConfig()
    enas: EnasConfig = EnasConfig()
    enas_convolutional: EnasConvolutionalConfig = EnasConvolutionalConfig()
    analysis: AnalysisConfig = AnalysisConfig()

    @property
    def enas_convolutional_settings(self) -> EnasConvolutionalSettings:
        """What decides the search for convolutional cells, on the first data set."""
        return self.enas_convolutional.settings_on(self.datasets[0], self.seed)

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
        guides = list(dict.fromkeys(name for plan in plans for name in plan.proxies))
        others = [
            replace(
                first,
                seed=self.seed + draw,
                proxies=tuple(guides),
                inputs=named_for(guides, self.scoring.inputs),
                weights=named_for(guides, self.scoring.weights),
            )
            for draw in range(1, self.scoring.draws if guides else 1)
        ]
        return [first, *others]

    def board_settings(self) -> list[Setting]:
        """Return what decides the board's own scores, one a seed; none where it has none."""
        if self.board.proxies is None:
            return []
        size = len(load_space(self.space))
        sample = self.board.sample if self.board.sample < size else 0
        base = replace(
            self.scoring_setting(self.datasets[0]),
            proxies=tuple(self.board.proxies),
            inputs=named_for(self.board.proxies, self.scoring.inputs),
            weights=named_for(self.board.proxies, self.scoring.weights),
            sample=sample,
            sample_seed=self.seed if sample else 0,
            subset="",
        )
        return [replace(base, seed=self.seed + more) for more in range(self.board.seeds)]

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

    def sharing_setting(self, method: str) -> SharingSetting:
        """Return what decides the weights shared by one method, on the first data set.

        Raises
        ------
        ConfigError
            When the space has no super-network.
        """
        dataset, sharing = self.datasets[0], self.weight_sharing
        space = cell_space(self.space)
        return SharingSetting(
            space=self.space,
            dataset=dataset,
            method=method,
            preset=sharing.preset,
            images=sharing.images,
            image_size=sharing.image_size,
            channels=sharing.channels or space.stem_channels,
            cells=sharing.cells or space.cells_per_stage,
            ranked=sharing.ranked,
            seed=self.seed,
            settings=sharing.settings_of(method),
            extra=hashed(self.image_files(dataset)),
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
        base = self._study_base(dataset, self.ablation.proxies, self.proxies.extra)
        return AblationSetting(base, self.ablation.draws, tuple(self.ablation.batch_sizes))

    def training_setting(self) -> TrainingSetting:
        """Return what decides the scores during training, on the first data set."""
        training = self.training
        return TrainingSetting(
            self._study_base(self.datasets[0], ["naswot"], []),
            training.epochs,
            training.images,
            training.batch_size,
            training.learning_rate,
        )

    def _study_base(self, dataset: str, proxies: list[str], extra: list[str]) -> Setting:
        """Return how the suite scores a data set, of no sample, with other proxies."""
        files = hashed([*extra, *self.space_files, *self.image_files(dataset)])
        return replace(
            self.scoring_setting(dataset),
            proxies=tuple(proxies),
            inputs=named_for(proxies, self.scoring.inputs),
            weights=named_for(proxies, self.scoring.weights),
            sample=0,
            sample_seed=0,
            subset="",
            extra=files,
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
    def _is_sound(self) -> Self:
        require_names(self)
        require_agreement(self)
        return self


def named_for(proxies: Sequence[str], named: Mapping[str, Drawn]) -> tuple[tuple[str, Drawn], ...]:
    """Return what is named for some of these proxies, by name."""
    return tuple(sorted((proxy, kind) for proxy, kind in named.items() if proxy in proxies))


def _files_with(kind: Kind, name: str, paths: Sequence[str]) -> list[str]:
    return [path for path in paths if name in declared_names(kind, Path(path))]
