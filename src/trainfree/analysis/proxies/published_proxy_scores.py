"""Proxies whose scores were computed by others too. The workflow reads it; it needs no package."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

PUBLISHED_COLUMNS = {
    "naswot": "nwot",
    "params": "params",
    "flops": "flops",
    "l2_norm": "l2_norm",
    "synflow": "synflow",
    "snip": "snip",
    "grad_norm": "grad_norm",
    "fisher": "fisher",
    "zen": "zen",
    "jacob_cov": "jacov",
    "grasp": "grasp",
    "epe_nas": "epe_nas",
    "plain": "plain",
}
"""Our proxies by the names of theirs."""
NASBENCH201_SCORES = "suite_zero_cifar10"
"""The file of scores that the target ``proxy_agreement`` is of."""


@dataclass(frozen=True)
class PublishedScores:
    """Scores of architectures of one space on one data set, in a table that somebody published.

    Attributes
    ----------
    space, dataset
        What we score beside them: a space and a data set of ours.
    file
        Name of the file without ``.csv.gz``, an item of
        :data:`trainfree.sources.published_proxy_scores.PUBLISHED`.
    columns
        Column by proxy of ours.
    key
        Column of the architectures, written as the space writes them.
    chosen
        Values by column of those rows of the file that are meant; all rows if left out.
    missing
        A number that stands for a missing score.
    """

    space: str
    dataset: str
    file: str
    columns: Mapping[str, str]
    key: str
    chosen: Mapping[str, str] = field(default_factory=dict)
    missing: float | None = None


def _without(*proxies: str) -> dict[str, str]:
    return {ours: theirs for ours, theirs in PUBLISHED_COLUMNS.items() if ours not in proxies}


PUBLISHED_SCORES: Mapping[str, PublishedScores] = {
    "nasbench301": PublishedScores(
        space="nasbench301",
        dataset="cifar10",
        file="suite_zero_nasbench301",
        columns=_without("zen"),
        key="genotype",
    ),
}
"""What the table ``space_agreement`` is of, by the name in the configuration."""
