"""What follows from a configuration: what is scored and searched, and which files that makes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any

from trainfree.config import Config
from trainfree.errors import ConfigError
from trainfree.scoring.settings.setting import Setting, shard_ranges
from trainfree.search.plan import SearchPlan
from trainfree.spaces import load_space
from trainfree.workflow.agreement import agreement_on_nasbench201, agreement_on_spaces
from trainfree.workflow.field import field_settings, field_shard
from trainfree.workflow.paths import ACCURACIES, Paths

CELLS = "nasbench101"
CELLS_DATASET = "cifar10"


@dataclass(frozen=True)
class ConfiguredRun:
    """A run as it is configured; nothing of it has to be there.

    The rules and the commands for people (``status``, ``doctor``, ``report``) read the same one.
    What takes time is worked out when it is first asked for.

    Parameters
    ----------
    config
        The checked configuration.
    """

    config: Config

    @cached_property
    def paths(self) -> Paths:
        """Where its files are."""
        return Paths(self.config.run)

    @property
    def space(self) -> str:
        """The search space."""
        return self.config.space

    @property
    def first_dataset(self) -> str:
        """The data set of what is made for one alone."""
        return self.config.datasets[0]

    # What is scored, and how

    @cached_property
    def settings(self) -> Mapping[str, Setting]:
        """What decides the scores, by data set."""
        return {name: self.config.scoring_setting(name) for name in self.config.datasets}

    @cached_property
    def setting_name(self) -> str:
        """The name of these settings, the same for all data sets."""
        return self.settings[self.first_dataset].name

    @cached_property
    def draws(self) -> Mapping[str, list[Setting]]:
        """Of the draws that searches take in turn, the first that of all tables, by data set."""
        return {name: self.config.draw_settings(name) for name in self.config.datasets}

    @cached_property
    def agreement(self) -> tuple[Setting, Setting]:
        """Two seeds of our own on one sample of architectures, beside what others computed."""
        return agreement_on_nasbench201(self.config)

    @cached_property
    def space_agreement(self) -> Mapping[str, tuple[Setting, Setting]]:
        """The same on other spaces whose scores others published, by the name of these."""
        return agreement_on_spaces(self.config)

    @cached_property
    def across(self) -> list[Setting]:
        """On several spaces beside each other, in their order."""
        spaces = self.config.across.named
        return [
            self.config.across_setting(name, dataset)
            for name, space in spaces.items()
            for dataset in space.datasets
        ]

    @cached_property
    def field(self) -> list[Setting]:
        """Behind the field's own tables: all seeds of each data set, then what is of all."""
        return [
            setting
            for dataset in self.config.datasets
            for setting in field_settings(self.config, dataset)
        ]

    @cached_property
    def board(self) -> list[Setting]:
        """Behind the board of proxies, one a seed: scored for it alone, or for all tables."""
        return self.board_alone or self.draws[self.first_dataset]

    @cached_property
    def board_alone(self) -> list[Setting]:
        """Those that are scored for the board alone."""
        return _apart(self.config.board_settings(), self.draws[self.first_dataset])

    @cached_property
    def stability(self) -> Mapping[str, Setting]:
        """Of architectures that are scored under several draws of images and weights."""
        return {name: self.config.stability_setting(name) for name in self.config.datasets}

    @cached_property
    def nasbench101(self) -> Setting:
        """Of a uniform sample of NAS-Bench-101."""
        return self.config.nasbench101_setting()

    @cached_property
    def nasbench101_first(self) -> Setting:
        """Of the NASWOT paper's own kind of sample of it."""
        return self.config.nasbench101_setting(self.config.nasbench101.first_hashes)

    @cached_property
    def shard_sizes(self) -> Mapping[Setting, int]:
        """How many architectures a job scores, for each scores file."""
        cells = self.config.nasbench101.shard_size
        across = self.config.across
        return {
            **{
                setting: across.named[setting.space].shard_size or across.shard_size
                for setting in self.across
            },
            **{setting: field_shard(self.config, setting) for setting in self.field},
            **dict.fromkeys(self.board_alone, self.config.board.shard_size),
            self.nasbench101: cells,
            # Each job puts all cells into the published order first, which takes a minute.
            self.nasbench101_first: 10 * cells,
            **{
                setting: self.config.space_agreement.shard_size
                for pair in self.space_agreement.values()
                for setting in pair
            },
            **dict.fromkeys(self.agreement, self.config.agreement.shard_size),
            **dict.fromkeys(chain(*self.draws.values()), self.config.scoring.shard_size),
            **dict.fromkeys(self.settings.values(), self.config.scoring.shard_size),
        }

    @cached_property
    def settings_by_place(self) -> Mapping[tuple[str, str, str], Setting]:
        """What decides a scores file, by its space, data set and name.

        Raises
        ------
        ConfigError
            When two files that are made otherwise have one name.
        """
        # Who never asks for these need not know of their seeds, samples and batch sizes.
        beside = [*self.field, *self.board_alone]
        others = [setting for setting in self.shard_sizes if setting not in beside]
        by_place = {place_of(setting): setting for setting in others}
        if len(by_place) < len(others):
            raise ConfigError(
                "two scores files have the same name: scoring.sample and agreement.sample, or "
                "batch sizes, agree while the proxies differ; change one of them"
            )
        return {place_of(setting): setting for setting in beside} | by_place

    def shards(self, setting: Setting) -> list[str]:
        """Return the files that a scores file is merged from, in the order of architectures."""
        size = setting.size(len(load_space(setting.space)))
        return [
            self.paths.shard.format(
                space=setting.space, dataset=setting.dataset, setting=setting.name, shard=shard
            )
            for shard in shard_ranges(size, self.shard_sizes[setting])
        ]

    def scores(self, setting: Setting) -> str:
        """Return the scores file of a setting."""
        return self.paths.scores.format(
            space=setting.space, dataset=setting.dataset, setting=setting.name
        )

    @property
    def shard_files(self) -> list[str]:
        """The shards of all data sets."""
        return [path for setting in self.settings.values() for path in self.shards(setting)]

    @property
    def score_files(self) -> list[str]:
        """The scores files, one a data set."""
        return [self.scores(setting) for setting in self.settings.values()]

    # Searches

    @cached_property
    def searches(self) -> Mapping[str, SearchPlan]:
        """The plans of the searches by name, the same for all data sets."""
        return self.config.search.plans()

    @cached_property
    def plans(self) -> Mapping[tuple[str, str, str], SearchPlan]:
        """The plan of every search by space, data set and name, those of NAS-Bench-101 too.

        Where the two have one place, the run's own search has it.
        """
        cells = self.config.nasbench101.plans()
        return {
            **{(CELLS, CELLS_DATASET, name): plan for name, plan in cells.items()},
            **{
                (self.space, dataset, name): plan
                for dataset in self.config.datasets
                for name, plan in self.searches.items()
            },
        }

    @cached_property
    def guides(self) -> list[str]:
        """The proxies that guide or assist a search, each once."""
        plans = self.searches.values()
        return list(dict.fromkeys(name for plan in plans for name in plan.proxies))

    @property
    def shown_proxies(self) -> list[str]:
        """The proxies that figures of scores show."""
        return self.guides or ["naswot"]

    def search(self, dataset: str, name: str) -> str:
        """Return the file of a search."""
        return self.paths.search.format(space=self.space, dataset=dataset, search=name)

    @property
    def search_files(self) -> list[str]:
        """The files of all searches, data set by data set."""
        return [
            self.search(dataset, name) for dataset in self.config.datasets for name in self.searches
        ]

    def search_settings(self, space: str, dataset: str, name: str) -> dict[str, Any]:
        """Return what decides a search's file, but for the hashes of what it reads."""
        plan = self.plans[space, dataset, name].values
        return {"space": space, "dataset": dataset, "plan": plan, "seed": self.config.seed}

    def search_inputs(self, space: str, dataset: str, name: str) -> dict[str, str | list[str]]:
        """Return the files a search reads: scores only when a proxy guides or assists it."""
        files: dict[str, str | list[str]] = {"benchmark": ACCURACIES.format(space=space)}
        if self.plans[space, dataset, name].proxies:
            drawn = self.draws[dataset] if space == self.space else [self.nasbench101]
            files["scores"] = [self.scores(setting) for setting in drawn]
        return files

    @property
    def benchmark(self) -> str:
        """The file of trained accuracies of the space."""
        return ACCURACIES.format(space=self.space)

    def of_datasets(self, *names: str) -> list[str]:
        """Return the names of figures of which there is one a data set."""
        return [
            f"{name}-{self.space}-{dataset}" for name in names for dataset in self.config.datasets
        ]

    # Files of the user's own

    def files_of_space(self, space: str) -> list[str]:
        """Return the files of the user's own that a space is in."""
        return self.config.files_with_space(space)

    def files_of_search(self, space: str, dataset: str, name: str) -> list[str]:
        """Return the files of the user's own that a search is made with."""
        plan = self.plans[space, dataset, name]
        return [*self.config.search_files(plan), *self.files_of_space(space)]


def _apart(settings: list[Setting], own: list[Setting]) -> list[Setting]:
    """Return settings; none where one is what the run scores anyway, all of a small space, say."""
    places = {place_of(setting) for setting in own}
    return [] if any(place_of(setting) in places for setting in settings) else settings


def place_of(setting: Setting) -> tuple[str, str, str]:
    """Return what names a scores file."""
    return setting.space, setting.dataset, setting.name


def first_and_last(shard: str) -> dict[str, int]:
    """Return the first and last architecture of a shard by its name, ``<first>-<last>``."""
    first, last = shard.split("-")
    return {"first": int(first), "last": int(last)}
