"""Accuracies of one space from several sources, in one table that knows what came from where."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from trainfree.benchmarks.readers import PARTS
from trainfree.benchmarks.schema import BenchmarkTable
from trainfree.errors import SourceError
from trainfree.sources.delivery import Delivery
from trainfree.trainings import MEAN_SEED, Outcome

SEEDS_OF = ("cifar10-valid", "cifar100", "ImageNet16-120")
"""The data sets of the part ``validation``, after 200 epochs."""


@dataclass(frozen=True)
class Part:
    """What one source has of a space: the verified files and the table read from them."""

    delivery: Delivery
    table: BenchmarkTable

    @property
    def note(self) -> str:
        """What these data are, for readers."""
        return "; ".join(filter(None, (self.delivery.note, self.table.remark)))


@dataclass(frozen=True)
class Joined:
    """The table of all parts, and the attributes that say what came from where."""

    table: BenchmarkTable
    source_hashes: Mapping[str, str]
    attributes: Mapping[str, Any]


def order_of(part: str, order: Sequence[str], found: Mapping[str, Part]) -> Sequence[str]:
    """Return the sources that are asked for a part, none where it has nothing to add.

    It adds nothing to artificial accuracies, nor where single trainings are there already. Where
    their means are there, single trainings are taken only from the source that gave the means:
    nothing is downloaded for them.
    """
    if not found:
        return order
    if any(one.delivery.stand_in for one in found.values()):
        return ()
    if _datasets_of(found, single=True) >= set(SEEDS_OF):
        return ()
    if is_known(part, found):
        given = {one.delivery.source for one in found.values()}
        return [name for name in order if name in given]
    return order


def is_known(part: str, found: Mapping[str, Part]) -> bool:
    """Return whether what a part delivers is there already, if only as means over seeds."""
    return part == "validation" and _datasets_of(found) >= set(SEEDS_OF)


def _datasets_of(found: Mapping[str, Part], single: bool = False) -> set[str]:
    """Return the data sets with validation accuracies after 200 epochs, of single trainings."""
    return {
        key[0]
        for one in found.values()
        for key in one.table.accuracy
        if key[1:3] == ("valid", 200) and not (single and key[3] == MEAN_SEED)
    }


def join(space: str, parts: Mapping[str, Part], failures: Mapping[str, SourceError]) -> Joined:
    """Return one table of the parts of a space.

    An outcome that an earlier part has single trainings of keeps them; where it has a mean over
    seeds alone, a later part's single trainings stand beside it. Times and counts are the first
    part's that has them.

    Parameters
    ----------
    parts, failures
        What was found, and why the others could not be had, by a name of ``PARTS``. At least
        one was found.
    """
    (first, *others) = parts.values()
    table = first.table
    told = {first.note: sorted(_outcomes(table))}
    for part in others:
        single = {key[:3] for key in table.accuracy if key[3] != MEAN_SEED}
        added = {k: v for k, v in part.table.accuracy.items() if k[:3] not in single}
        told[part.note] = sorted({Outcome(*key[:3]).label for key in added})
        table = replace(
            table,
            accuracy={**added, **table.accuracy},
            train_seconds={**part.table.train_seconds, **table.train_seconds},
            source_hashes={**part.table.source_hashes, **table.source_hashes},
        )
    hashes = {
        (role if part is first and "accuracies" in parts else f"{name} {role}"): sha256
        for name, part in parts.items()
        for role, sha256 in part.delivery.sha256.items()
    }
    sources = dict.fromkeys(part.delivery.source for part in parts.values())
    attributes: dict[str, Any] = {
        "space": space,
        "source": ", ".join(sources),
        "source_note": "; ".join(told),
    }
    if len(told) > 1:
        attributes["source_of_outcomes"] = json.dumps(told, ensure_ascii=False)
    if failures:
        attributes["missing"] = "; ".join(PARTS[name] for name in failures)
    return Joined(table, {**hashes, **table.source_hashes}, attributes)


def _outcomes(table: BenchmarkTable) -> set[str]:
    return {Outcome(*key[:3]).label for key in table.accuracy}
