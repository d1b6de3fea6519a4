"""What decides a score, and the names and hashes that follow from it. Needs no torch."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic.dataclasses import dataclass

from trainfree import spaces
from trainfree.errors import ConfigError
from trainfree.images.datasets import DATASET_KIND, InputKind
from trainfree.outside.extensions import versions_of
from trainfree.provenance import code_hash, settings_hash
from trainfree.proxies import PROXY_NAMES, module_of
from trainfree.proxies.extra import PROXY
from trainfree.randomness import stream
from trainfree.scoring.settings.gpu import OF_GROUPS, Work, rests_on_precision, work_of
from trainfree.scoring.settings.initialization import Initialization
from trainfree.scoring.settings.precision import Precision
from trainfree.settings import STRICT, Settings
from trainfree.spaces import load_space
from trainfree.spaces.protocol import PublishedOrder, Space

GROUPS = "trainfree.scoring.architectures.groups"
"""The module that computes groups of architectures on a GPU; like the two ways it is imported by
name, so that it is no part of the code of scores from a processor."""


_LARGEST_SHUFFLED = 10_000_000
"""Architectures that are shuffled as a whole for a sample; of more they are drawn one by one."""


@dataclass(frozen=True, config=STRICT)
class Setting(Settings):
    """Everything that decides a score: its hash is the ``config_hash`` of the scores file.

    Parameters
    ----------
    sample, sample_seed
        Only so many architectures, drawn without replacement by this root seed; 0 for all.
    sample_of
        Drawn from so many that stand first in the published table; 0 for the whole space.
    subset
        Only this part of the space, or a sample of it; empty for the whole space.
    extra
        Files of proxies, of the space and of the data set with the hashes of their code, so that
        an edit scores anew.
    """

    called: ClassVar[str] = "setting"
    space: str
    dataset: str
    proxies: tuple[str, ...]
    batch_size: int
    initialization: Initialization
    input: InputKind
    seed: int
    sample: int = 0
    sample_seed: int = 0
    sample_of: int = 0
    extra: tuple[tuple[str, str], ...] = ()
    subset: str = ""

    @property
    def values(self) -> dict[str, Any]:
        """All fields by name but a subset that is none: files made before there were any fit."""
        every = super().values
        return every if self.subset else {key: every[key] for key in every if key != "subset"}

    @property
    def name(self) -> str:
        """Name in file paths, for example ``b32-pytorch-images-s0``."""
        name = f"b{self.batch_size}-{self.initialization}-{self.input}-s{self.seed}"
        if self.subset:
            name += f"-{self.subset}"
        if not self.sample:
            return name
        return f"{name}-n{self.sample}" + (f"of{self.sample_of}" if self.sample_of else "")

    def size(self, space_size: int) -> int:
        """Return how many architectures of a space of ``space_size`` are scored."""
        return self.sample or (len(subset_of(self)) if self.subset else space_size)

    @property
    def hash(self) -> str:
        """Hash of all fields."""
        return settings_hash(self.values)


def scored_architectures(setting: Setting, space_size: int) -> NDArray[np.intp]:
    """Return the indices of the architectures that the setting scores, ascending.

    A smaller sample of one seed is part of a larger one.

    Raises
    ------
    ConfigError
        When the sample is larger than what it is drawn from, or the space's published table has
        no order of its own.
    """
    part = subset_of(setting) if setting.subset else None
    if not setting.sample:
        return np.arange(space_size) if part is None else part
    size = space_size if part is None else len(part)
    pool = min(setting.sample_of or size, size)
    if setting.sample > pool:
        raise ConfigError(
            f"a sample of {setting.sample} architectures is more than {setting.space} has "
            f"to draw from ({pool}); choose a smaller one"
        )
    drawn = _drawn(setting, pool)
    if part is not None:
        drawn = part[drawn]
    if setting.sample_of:
        space = load_space(setting.space)
        if not isinstance(space, PublishedOrder):
            raise ConfigError(
                f"sample_of: the first {setting.sample_of} architectures of the published table "
                f"were asked for, and {setting.space} has no such order; leave it out"
            )
        drawn = space.first_published(pool)[drawn]
    return np.sort(drawn)


def subset_of(setting: Setting) -> NDArray[np.int64]:
    """Return the indices of the architectures in the subset that the setting names, ascending.

    Raises
    ------
    ConfigError
        When its space has no subsets, or the first of a published table are asked for too.
    UnknownNameError
        When its space has others.
    """
    module = subset_module(setting.space)
    if module is None:
        raise ConfigError(
            f"subset: {setting.subset!r} was asked for, and {setting.space} has no subsets; leave "
            "it out"
        )
    if setting.sample_of:
        raise ConfigError("expected either a subset or the first of a published table, found both")
    found: NDArray[np.int64] = import_module(module).members(
        load_space(setting.space), setting.subset
    )
    return found


def subset_module(space: str) -> str | None:
    """Return the module ``subsets`` beside a space of the suite that has such parts, else None.

    It is imported by name, so that its code counts where a subset is scored and nowhere else.
    """
    beside = spaces.module_of(space).rpartition(".")[0] + ".subsets"
    own = beside.startswith("trainfree.") and find_spec(beside) is not None
    return beside if own else None


def _drawn(setting: Setting, pool: int) -> NDArray[np.int64]:
    """Return the sample, of ``pool`` architectures, in the order in which it was drawn."""
    rng = stream(setting.sample_seed, "architecture-sample")
    if pool <= _LARGEST_SHUFFLED:
        return rng.permutation(pool)[: setting.sample]
    drawn: dict[int, None] = {}
    while len(drawn) < setting.sample:
        drawn[int(rng.integers(pool))] = None
    return np.array(list(drawn), dtype=np.int64)


def way_of(space: Space | str) -> str:
    """Return the module that computes the architectures of a space, given itself or its name.

    Networks that are described as data are computed by the engine, torch modules by themselves.
    """
    way = "networks" if spaces.describes_networks(space) else "modules"
    return f"trainfree.scoring.architectures.{way}"


def scoring_code_hash(
    setting: Setting,
    job: str = "trainfree.scoring.jobs.shard",
    groups: Precision | None = None,
) -> str:
    """Return the hash of all code of the suite that decides the scores of ``setting``.

    That is the job's module with the way in which architectures are computed, the space and the
    proxies. Installed proxies count with their package's version; the code of extra files is
    hashed in the setting.

    Parameters
    ----------
    groups
        Where a GPU computes groups of architectures, their precision: it and the code of groups
        count then, if a proxy is computed so. None otherwise.
    """
    outside = {
        **versions_of(PROXY, setting.proxies),
        **versions_of(spaces.SPACE_KIND, [setting.space]),
        **spaces.packages_of(setting.space),
        **versions_of(DATASET_KIND, [setting.dataset]),
    }
    of_groups = groups is not None and scores_in_groups(setting)
    precision = group_precision(setting, groups)
    if precision is not None:
        outside["precision"] = precision
    subsets = subset_module(setting.space) if setting.subset else None
    return code_hash(
        job,
        way_of(setting.space),
        *([subsets] if subsets else []),
        *spaces.network_modules(setting.space),
        *(module_of(name) for name in setting.proxies if name in PROXY_NAMES),
        *([GROUPS] if of_groups else []),
        outside=outside,
    )


def scoring_code_hashes(
    setting: Setting, precision: Precision | None, job: str = "trainfree.scoring.jobs.shard"
) -> list[str]:
    """Return the hashes of the code on a processor and of that of groups on a GPU, each once.

    A file of scores is up to date with either: the device is no part of the setting.
    """
    both = (scoring_code_hash(setting, job, groups) for groups in (None, precision))
    return list(dict.fromkeys(both))


def scoring_work(setting: Setting) -> Work:
    """Return what scoring has to do, for the choice of a device."""
    return work_of(setting.proxies, described=spaces.describes_networks(setting.space))


def scores_in_groups(setting: Setting) -> bool:
    """Whether a GPU computes architectures in groups: they are data, and a proxy profits."""
    profits = (name in OF_GROUPS or name not in PROXY_NAMES for name in setting.proxies)
    return spaces.describes_networks(setting.space) and any(profits)


def group_precision(setting: Setting, groups: Precision | None) -> Precision | None:
    """Return the precision of groups if a score of ``setting`` may depend on it, else None."""
    if groups is None or not spaces.describes_networks(setting.space):
        return None
    return groups if any(map(rests_on_precision, setting.proxies)) else None


def shard_ranges(architectures: int, shard_size: int) -> list[str]:
    """Return the names of the shards, ``<first>-<last>`` zero-padded, both ends included."""
    width = len(str(architectures - 1))
    return [
        f"{first:0{width}d}-{min(first + shard_size, architectures) - 1:0{width}d}"
        for first in range(0, architectures, shard_size)
    ]
