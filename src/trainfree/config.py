"""The configuration: one model, checked before the workflow knows any job.

``config/schemas/config.schema.json`` is generated from these models (``trainfree config-schema``)
and a test keeps the two in step. Defaults live here; the YAML files hold what differs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from trainfree.errors import ConfigError, UnknownNameError, near_match
from trainfree.extensions import Kind, declared_names, hashed, load_files
from trainfree.images.datasets import DATASET_KIND, InputKind, dataset_names
from trainfree.proxies import proxy_names
from trainfree.scoring.devices import DeviceChoice
from trainfree.scoring.setting import Initialization, Setting
from trainfree.scoring.studies import AblationSetting, TrainingSetting
from trainfree.search import ACCURACY, algorithm_names
from trainfree.search.plan import SearchPlan, make_plan
from trainfree.search.protocol import Overshoot
from trainfree.spaces import SPACE_KIND, load_space, space_names

Positive = Annotated[int, Field(ge=1)]
Margin = Annotated[float, Field(gt=0)]
SourceName = Literal["mirror", "official", "registry", "generated"]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, validate_default=True)


class SourcesConfig(_Section):
    """Where bytes come from."""

    order: list[SourceName] = Field(
        default=["mirror", "official", "registry"],
        min_length=1,
        description="Sources in the order they are tried. 'generated' makes small artificial "
        "inputs for tests and must be named explicitly.",
    )
    mirror: str | None = Field(
        default=None,
        description="Folder with local copies. The environment variable TRAINFREE_MIRROR wins.",
    )
    nats_archive: str | None = Field(
        default=None,
        description="Path of the official NATS-tss-v1_0-3ffb9-simple folder or .tar file.",
    )
    nasbench101: str | None = Field(
        default=None,
        description="Path of an official NAS-Bench-101 .tfrecord file; without one, the mirror's "
        "nasbench101/nb101_108ep.npz.",
    )
    timeout_seconds: Annotated[float, Field(gt=0)] = Field(
        default=10.0, description="Seconds to wait for a connection before the next source."
    )


class ProxiesConfig(_Section):
    """Proxies beside the suite's own."""

    extra: list[str] = Field(
        default=[],
        description="Python files with proxies of your own, as seen from the working folder; "
        "installed packages with an entry point in trainfree.proxies need not be named.",
    )


class ImagesConfig(_Section):
    """Image sets beside the suite's own."""

    extra: list[str] = Field(
        default=[],
        description="Python files with image sets of your own, as seen from the working folder; "
        "installed packages with an entry point in trainfree.images need not be named.",
    )


class SpacesConfig(_Section):
    """Spaces beside the suite's own."""

    extra: list[str] = Field(
        default=[],
        description="Python files with spaces of your own, as seen from the working folder; "
        "installed packages with an entry point in trainfree.spaces need not be named.",
    )


class AgreementConfig(_Section):
    """The comparison with scores that others computed (target ``proxy_agreement``)."""

    sample: Positive = Field(
        default=850,
        description="Architectures to score, drawn from the space; three of five are among the "
        "9,445 of NAS-Bench-Suite-Zero.",
    )
    batch_size: Positive = Field(default=64, description="Images; the others used 64.")
    shard_size: Positive = Field(default=50, description="Architectures per job.")


class StabilityConfig(_Section):
    """Scores of the same architectures under several draws (target ``proxy_stability``)."""

    architectures: Annotated[int, Field(ge=2)] = Field(
        default=50,
        description="Architectures, drawn uniformly from the space; all where it has fewer.",
    )
    draws: Annotated[int, Field(ge=2)] = Field(
        default=5,
        description="Draws of the mini-batch, of the weights and of both; the first is common to "
        "the three, so that each architecture is scored 3 · draws − 2 times.",
    )
    shard_size: Positive = Field(default=10, description="Architectures per job.")


class KernelsConfig(_Section):
    """The kernels that are drawn by accuracy (NASWOT paper, Figure 1)."""

    architectures: Positive = Field(
        default=10, description="Architectures, one of each of so many equal parts by accuracy."
    )
    batch_size: Annotated[int, Field(ge=2)] = Field(
        default=128, description="Images; the NASWOT paper used 128."
    )


class ScoringConfig(_Section):
    """What is scored, and how."""

    proxies: list[str] = Field(
        default=["naswot", "naswot_official", "synflow", "params", "flops", "relu_units"],
        min_length=1,
        description="Proxies to compute for every architecture.",
    )
    batch_size: Positive = Field(default=32, description="Images in the one mini-batch.")
    initialization: Initialization = Field(
        default="pytorch", description="How the weights are drawn."
    )
    input: InputKind = Field(
        default="images", description="Mini-batch of real images, or standard normal noise."
    )
    sample: Positive | None = Field(
        default=None,
        description="Only so many architectures, drawn uniformly from the space: for the tables "
        "of proxies. Searches guided by scores need those of all.",
    )
    shard_size: Positive = Field(
        default=1000, description="Architectures per job; does not change any score."
    )
    device: DeviceChoice = Field(default="auto", description="auto takes a GPU where there is one.")


class SearchEntry(_Section):
    """One search. Settings of its algorithm may stand beside these keys and win over a preset."""

    model_config = ConfigDict(extra="allow", strict=True, validate_default=True)

    algorithm: str = Field(description="Search algorithm.")
    preset: str | None = Field(
        default=None, description="Published settings of the algorithm, by their source's name."
    )
    signal: str = Field(
        default=ACCURACY, description="What guides the search: accuracy, or a proxy."
    )
    proxy: str | None = Field(default=None, description="Proxy that assists area, warmup and move.")
    budgets: list[Positive] | None = Field(
        default=None, min_length=1, description="Numbers of evaluations, instead of search.budgets."
    )
    budget_seconds: Annotated[float, Field(gt=0)] | None = Field(
        default=None, description="Seconds of simulated training, instead of budgets."
    )
    overshoot: Overshoot | None = Field(
        default=None,
        description="What happens to the evaluation that passes budget_seconds; the preset's rule "
        "where it is not given.",
    )
    runs: Positive | None = Field(default=None, description="Runs, instead of search.runs.")


def _default_searches() -> dict[str, SearchEntry | None]:
    """Return three algorithms, each guided by trained accuracy and by two proxies."""
    return {
        algorithm if signal == ACCURACY else f"{algorithm}-{signal}": SearchEntry(
            algorithm=algorithm, signal=signal
        )
        for algorithm in ("random", "rea", "reinforce")
        for signal in (ACCURACY, "naswot", "synflow")
    }


def _nasbench101_searches() -> dict[str, SearchEntry | None]:
    """Return those of the NASWOT paper's Table 1, in this space's own mutation."""
    common: dict[str, Any] = {"runs": 50, "mutation": "published", "budget_seconds": 12000.0}
    entries: dict[str, dict[str, Any]] = {
        "rea": {"algorithm": "rea", "overshoot": "allow"},
        "area-naswot": {"algorithm": "area", "preset": "naswot", "proxy": "naswot"},
    }
    return {name: SearchEntry(**entry, **common) for name, entry in entries.items()}


def _plans(
    searches: Mapping[str, SearchEntry | None],
    where: str,
    runs: int = 500,
    budgets: Sequence[int] = (10, 100, 1000),
) -> dict[str, SearchPlan]:
    entries = {name: entry for name, entry in searches.items() if entry is not None}
    return {
        name: make_plan(
            name, entry.model_dump(exclude_none=True), runs=runs, budgets=budgets, where=where
        )
        for name, entry in entries.items()
    }


class SearchConfig(_Section):
    """Search runs over the stored scores."""

    runs: Positive = Field(default=500, description="Independent runs of each search.")
    budgets: list[Positive] = Field(
        default=[10, 100, 1000],
        min_length=1,
        description="Numbers N of evaluated architectures after which a run is read out.",
    )
    extra: list[str] = Field(
        default=[],
        description="Python files with search algorithms of your own, as seen from the working "
        "folder; an algorithm has its file's name. Installed packages with an entry point in "
        "trainfree.search need not be named.",
    )
    searches: dict[str, SearchEntry | None] = Field(
        default_factory=_default_searches,
        description="Searches by name; null drops one that an earlier file named.",
    )

    def plans(self) -> dict[str, SearchPlan]:
        """Return the plan of each search, checked and with presets filled in.

        Raises
        ------
        ConfigError
            Naming the key that is wrong.
        """
        return _plans(self.searches, "search.searches", self.runs, self.budgets)


class NasBench101Config(_Section):
    """Scores of NAS-Bench-101 cells on CIFAR-10 (target ``nasbench101_scores``)."""

    proxies: list[str] = Field(
        default=["naswot", "synflow", "params", "flops", "relu_units"],
        min_length=1,
        description="Proxies to compute.",
    )
    sample: Positive = Field(
        default=1000, description="Cells to score, drawn uniformly from all 423,624."
    )
    first_hashes: Positive = Field(
        default=10_000,
        description="A second sample of that size is drawn from so many cells that stand first in "
        "the published table, as the NASWOT paper's was.",
    )
    batch_size: Positive = Field(default=128, description="Images; the NASWOT paper used 128.")
    initialization: Initialization = Field(
        default="kaiming",
        description="How the weights are drawn; the NASWOT paper's code draws normal ones for "
        "this space, whose scale batch normalisation removes.",
    )
    shard_size: Positive = Field(default=50, description="Cells per job.")
    searches: dict[str, SearchEntry | None] = Field(
        default_factory=_nasbench101_searches,
        description="Searches of the space by name; a proxy that assists draws from the sample.",
    )

    def plans(self) -> dict[str, SearchPlan]:
        """Return the plan of each search; ConfigError names the key that is wrong."""
        return _plans(self.searches, "nasbench101.searches")


class AblationConfig(_Section):
    """Scores under changed images, weights and batch sizes (target ``ablation``)."""

    proxies: list[str] = Field(
        default=["naswot"], min_length=1, description="Proxies to compute for every draw."
    )
    draws: Annotated[int, Field(ge=2)] = Field(
        default=20, description="Draws of each arm; the NASWOT paper took 20."
    )
    batch_sizes: list[Positive] = Field(
        default=[32, 64, 128, 256],
        min_length=1,
        description="Batch sizes of the arms that change it; the other arms have "
        "scoring.batch_size.",
    )


class TrainingConfig(_Section):
    """Scores after every epoch of training, on the first data set (target ``training``)."""

    architectures: Annotated[int, Field(ge=2)] = Field(
        default=10, description="Architectures to train; a job each."
    )
    above_percent: Annotated[float, Field(ge=0, lt=100)] = Field(
        default=90.0,
        description="They are drawn from those above this validation accuracy in the benchmark.",
    )
    epochs: Positive = Field(default=12, description="Epochs; the NASWOT paper trained 100.")
    images: Annotated[int, Field(ge=0)] = Field(
        default=512, description="Training images; 0 for all there are."
    )
    batch_size: Positive = Field(default=32, description="Images in a step of the training.")
    learning_rate: Annotated[float, Field(gt=0)] = Field(
        default=0.1, description="Of plain SGD: no momentum, decay, schedule or augmentation."
    )


class AnalysisConfig(_Section):
    """Tables."""

    bootstrap_resamples: Annotated[int, Field(ge=50)] = Field(
        default=200, description="Bootstrap resamples behind each 95 % interval."
    )
    tau_draws: Annotated[int, Field(ge=2)] = Field(
        default=200,
        description="How often the NASWOT paper's draw of at most 1,000 architectures is repeated.",
    )
    margin_percent: Margin = Field(
        default=0.5,
        description="Percentage points of mean accuracy by which a reproduced cell may differ.",
    )
    margin_correlation: Margin = Field(
        default=0.03, description="The same for Kendall's tau and Pearson's r."
    )
    margin_score: Margin = Field(
        default=0.01, description="The same for mean scores, as a fraction of the published one."
    )
    coarsest: Margin = Field(
        default=6.0,
        description="Where two standard errors exceed this many margins, agreement says nothing.",
    )


class Config(_Section):
    """The whole configuration."""

    seed: Annotated[int, Field(ge=0)] = Field(default=0, description="The one root seed.")
    space: str = Field(default="nasbench201", description="Search space.")
    datasets: list[str] = Field(default=["cifar10"], min_length=1, description="Image data sets.")
    sources: SourcesConfig = SourcesConfig()
    proxies: ProxiesConfig = ProxiesConfig()
    spaces: SpacesConfig = SpacesConfig()
    images: ImagesConfig = ImagesConfig()
    scoring: ScoringConfig = ScoringConfig()
    agreement: AgreementConfig = AgreementConfig()
    stability: StabilityConfig = StabilityConfig()
    kernels: KernelsConfig = KernelsConfig()
    nasbench101: NasBench101Config = NasBench101Config()
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
            seed=self.seed,
            sample=self.scoring.sample or 0,
            sample_seed=self.seed if self.scoring.sample else 0,
            extra=hashed([*self.proxies.extra, *self.space_files, *self.image_files(dataset)]),
        )

    @property
    def space_files(self) -> list[str]:
        """Those of ``spaces.extra`` that the space is in."""
        return _files_with(SPACE_KIND, self.space, self.spaces.extra)

    def image_files(self, dataset: str) -> list[str]:
        """Return those of ``images.extra`` that a data set is in."""
        return _files_with(DATASET_KIND, dataset, self.images.extra)

    def search_files(self, plan: SearchPlan) -> list[str]:
        """Return the file of the user's own that a search's algorithm is in, if it is in one."""
        return [path for path in self.search.extra if Path(path).stem == plan.algorithm]

    def stability_setting(self, dataset: str) -> Setting:
        """Return what decides the scores that are drawn several times."""
        scored = self.scoring_setting(dataset)
        sample = min(self.stability.architectures, len(load_space(self.space)))
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
            sample=0,
            sample_seed=0,
            extra=files,
        )

    def kernels_setting(self, space: str, dataset: str) -> Setting:
        """Return what decides the kernels that are drawn of a space on a data set."""
        of_cells = space == "nasbench101"
        return Setting(
            space=space,
            dataset=dataset,
            proxies=("naswot",),
            batch_size=self.kernels.batch_size,
            initialization=(self.nasbench101 if of_cells else self.scoring).initialization,
            input=self.scoring.input,
            seed=self.seed,
        )

    def score_paths(self) -> list[str]:
        """Return the merged scores files, below the folder of results."""
        return [
            f"scores/{self.space}/{dataset}/{self.scoring_setting(dataset).name}.h5"
            for dataset in self.datasets
        ]

    def search_paths(self) -> list[str]:
        """Return the search files, below the folder of results."""
        return [
            f"search/{self.space}/{dataset}/{name}.h5"
            for dataset in self.datasets
            for name in self.search.plans()
        ]

    @property
    def table_settings_json(self) -> str:
        """The settings of the tables as JSON, for command lines."""
        return json.dumps({"seed": self.seed, **self.analysis.model_dump()})

    @model_validator(mode="after")
    def _names_exist(self) -> Self:
        spaces = [Path(path) for path in self.spaces.extra]
        algorithms = [Path(path) for path in self.search.extra]
        images = [Path(path) for path in self.images.extra]
        _require("space", [self.space], space_names(spaces))
        _require("data set", self.datasets, dataset_names(images))
        algorithm_names(algorithms)  # the plans ask for algorithms by name themselves
        load_files([*spaces, *algorithms, *images])
        known = proxy_names([Path(path) for path in self.proxies.extra])
        for proxies in (self.scoring.proxies, self.nasbench101.proxies, self.ablation.proxies):
            _require("proxy", proxies, known)
        return self

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        self._require_fits({"scoring.sample": self.scoring.sample or 0})
        self._require_guided("search", self.search.plans(), self.space, self.scoring.proxies)
        plans = self.nasbench101.plans()
        self._require_guided("nasbench101", plans, "nasbench101", self.nasbench101.proxies)
        return self

    def _require_guided(
        self, section: str, plans: Mapping[str, SearchPlan], space: str, scored: list[str]
    ) -> None:
        """Check that searches look up what is scored, and not more than there is."""
        size = len(load_space(space)) if any(plan.counts for plan in plans.values()) else 0
        for name, plan in plans.items():
            where = f"{section}.searches.{name}"
            for key, proxy in (("signal", plan.signal), ("proxy", plan.proxy)):
                if proxy in plan.proxies:
                    self._require_scored(f"{where}.{key}", proxy, scored, section)
                    if self.scoring.sample and section == "search":
                        raise ConfigError(
                            f"{where}.{key}: the search needs the scores of all architectures; "
                            "leave scoring.sample out, or drop the search by setting it to null"
                        )
            if plan.counts and plan.counts[-1] > size:
                raise ConfigError(
                    f"{where}.budgets: N = {plan.counts[-1]} is larger than the space "
                    f"{space} with its {size} architectures; choose N <= {size}"
                )

    def _require_fits(self, counts: Mapping[str, int]) -> None:
        """Check that no more architectures are wanted than the space has."""
        size = len(load_space(self.space))
        for key, count in counts.items():
            if count > size:
                raise ConfigError(
                    f"{key}: {count} architectures are more than the space {self.space} has "
                    f"({size}); choose fewer"
                )

    def _require_scored(self, key: str, proxy: str, scored: list[str], section: str) -> None:
        proxies = proxy_names([Path(path) for path in self.proxies.extra])
        if proxy not in proxies:
            kind = "signal" if key.endswith(".signal") else "proxy"
            known = [ACCURACY, *proxies] if kind == "signal" else proxies
            raise ConfigError(f"{key}: {UnknownNameError(kind, proxy, known)}")
        if proxy not in scored:
            place = "scoring" if section == "search" else section
            raise ConfigError(
                f"{key}: {proxy} is not in {place}.proxies ({', '.join(scored)}); add it there"
            )


def parse_config(values: Mapping[str, Any], origin: str = "configuration") -> Config:
    """Check a mapping and fill in defaults.

    Raises
    ------
    ConfigError
        Naming ``origin``, each wrong key, what was expected and what was found.
    """
    try:
        return Config.model_validate(dict(values))
    except ValidationError as error:
        lines = [_explain(dict(detail)) for detail in error.errors()]
        raise ConfigError(f"{origin}: " + "\n  ".join(lines)) from error
    except ConfigError as error:
        raise ConfigError(f"{origin}: {error}") from error


def load_config(*paths: Path) -> Config:
    """Read YAML files, later ones over earlier ones, and check the result."""
    merged: dict[str, Any] = {}
    for path in paths:
        if not path.is_file():
            raise ConfigError(f"{path}: no such configuration file")
        try:
            values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        except yaml.YAMLError as error:
            raise ConfigError(f"{path}: is not valid YAML: {error}") from error
        if not isinstance(values, dict):
            raise ConfigError(f"{path}: expected a mapping of keys, found {type(values).__name__}")
        merged = _merge(merged, values)
    return parse_config(merged, ", ".join(map(str, paths)))


def schema_json() -> str:
    """Return the JSON Schema of the configuration as committed under ``config/schemas/``."""
    return json.dumps(Config.model_json_schema(), indent=2) + "\n"


def _merge(base: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        both_maps = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _merge(merged[key], value) if both_maps else value
    return merged


def _files_with(kind: Kind, name: str, paths: Sequence[str]) -> list[str]:
    return [path for path in paths if name in declared_names(kind, Path(path))]


def _require(kind: str, names: list[str], known: list[str]) -> None:
    for name in names:
        if name not in known:
            raise UnknownNameError(kind, name, known)


def _explain(detail: dict[str, Any]) -> str:
    location = [str(part) for part in detail["loc"]]
    key = ".".join(location)
    if detail["type"] == "extra_forbidden":
        known = _keys_of_section(location[:-1])
        hint = near_match(location[-1], known)
        return f"unknown key {key!r}{hint}; expected one of: {', '.join(known)}"
    return f"{key}: {detail['msg']}, found {detail['input']!r}"


def _keys_of_section(location: list[str]) -> list[str]:
    model: type[BaseModel] = Config
    for part in location:
        annotation = model.model_fields[part].annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            model = annotation
    return sorted(model.model_fields)
