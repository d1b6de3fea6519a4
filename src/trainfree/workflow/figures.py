"""The figures of a run, and the rule that draws each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from trainfree.workflow.runs import ConfiguredRun

OF_PROXIES = ("proxy_pairs", "proxy_outcomes", "proxy_cost", "proxy_bias", "proxy_top")
"""Figures of the tables of proxies, one a data set."""


class Figure(NamedTuple):
    """A figure: its name, that of its files without suffix, and the job that draws it.

    ``job`` is a rule with what its wildcards stand for, as in the names of its logs.
    """

    name: str
    job: str


def figures_of(run: ConfiguredRun) -> list[Figure]:
    """Return the figures that every run draws, in the order of their rules."""
    return [*_of_datasets(run), *_of_all(run)]


def _of_datasets(run: ConfiguredRun) -> Iterator[Figure]:
    for dataset in run.config.datasets:
        scored, where = f"{run.space}-{dataset}", f"{run.space}/{dataset}"
        for proxy in run.guides:
            yield Figure(f"scores-{scored}-{proxy}", f"plot_scores/{where}")
        for name in ("search", "best_so_far"):
            yield Figure(f"{name}-{scored}", f"plot_searches/{where}")
        yield Figure(f"kernels-{scored}", f"plot_kernels/{where}")


def _of_all(run: ConfiguredRun) -> Iterator[Figure]:
    yield Figure(f"score_panels-{run.space}", "plot_score_panels")
    yield Figure(f"score_tau-{run.space}", "plot_tau")
