"""The configuration: one model, checked before the workflow knows any job.

``config/schemas/config.schema.json`` is generated from these models (``trainfree config-schema``)
and a test keeps the two in step. Defaults live here; the YAML files hold what differs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from trainfree.errors import ConfigError, UnknownNameError, near_match
from trainfree.images.datasets import DATASETS, InputKind
from trainfree.proxies import PROXY_NAMES
from trainfree.scoring.devices import DeviceChoice
from trainfree.scoring.setting import Initialization
from trainfree.search import ALGORITHM_NAMES
from trainfree.spaces import SPACE_NAMES, load_space
from trainfree.spaces.nasbench201.space import MutationRule

Positive = Annotated[int, Field(ge=1)]
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
    shard_size: Positive = Field(
        default=1000, description="Architectures per job; does not change any score."
    )
    device: DeviceChoice = Field(default="auto", description="auto takes a GPU where there is one.")


class RandomConfig(_Section):
    """Random search has nothing to set."""


class ReaConfig(_Section):
    """Regularized evolution (Real et al., 2019)."""

    population: Positive = Field(default=10, description="Architectures kept alive.")
    sample: Positive = Field(default=3, description="Tournament size, drawn with replacement.")
    mutation: MutationRule = Field(
        default="node_then_edge",
        description="edge: uniform over edges; node_then_edge: as the NATS-Bench scripts.",
    )


class ReinforceConfig(_Section):
    """REINFORCE with one categorical distribution per edge."""

    learning_rate: Annotated[float, Field(gt=0)] = Field(
        default=0.01, description="Adam's step size (0.01 in the NATS-Bench scripts)."
    )
    baseline_momentum: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.9, description="Momentum of the moving-average reward baseline."
    )


class SearchConfig(_Section):
    """Search runs over the stored scores."""

    runs: Positive = Field(default=500, description="Independent runs of each algorithm.")
    budgets: list[Positive] = Field(
        default=[10, 100, 1000],
        min_length=1,
        description="Numbers N of evaluated architectures after which a run is read out.",
    )
    algorithms: list[str] = Field(default=["random", "rea", "reinforce"], min_length=1)
    proxies: list[str] = Field(
        default=["naswot", "synflow"],
        description="Proxies that guide the algorithms; each runs on trained accuracy as well.",
    )
    random: RandomConfig = RandomConfig()
    rea: ReaConfig = ReaConfig()
    reinforce: ReinforceConfig = ReinforceConfig()

    def settings_json(self, algorithm: str) -> str:
        """Return the settings of one algorithm as JSON, for command lines."""
        section: BaseModel = getattr(self, algorithm)
        return section.model_dump_json()


class AnalysisConfig(_Section):
    """Tables."""

    bootstrap_resamples: Annotated[int, Field(ge=50)] = Field(
        default=200, description="Bootstrap resamples behind each 95 % interval."
    )


class Config(_Section):
    """The whole configuration."""

    seed: Annotated[int, Field(ge=0)] = Field(default=0, description="The one root seed.")
    space: str = Field(default="nasbench201", description="Search space.")
    datasets: list[str] = Field(default=["cifar10"], min_length=1, description="Image data sets.")
    sources: SourcesConfig = SourcesConfig()
    scoring: ScoringConfig = ScoringConfig()
    search: SearchConfig = SearchConfig()
    analysis: AnalysisConfig = AnalysisConfig()

    @model_validator(mode="after")
    def _names_exist(self) -> Self:
        _require("space", [self.space], SPACE_NAMES)
        _require("data set", self.datasets, list(DATASETS))
        _require("proxy", self.scoring.proxies, PROXY_NAMES)
        _require("algorithm", self.search.algorithms, ALGORITHM_NAMES)
        _require("proxy", self.search.proxies, PROXY_NAMES)
        return self

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        unscored = [name for name in self.search.proxies if name not in self.scoring.proxies]
        if unscored:
            raise ConfigError(
                f"search.proxies: {', '.join(unscored)} would guide a search but is not in "
                f"scoring.proxies ({', '.join(self.scoring.proxies)}); add it there"
            )
        size, largest = len(load_space(self.space)), max(self.search.budgets)
        if largest > size:
            raise ConfigError(
                f"search.budgets: N = {largest} is larger than the space {self.space} "
                f"with its {size} architectures; choose N <= {size}"
            )
        return self


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
