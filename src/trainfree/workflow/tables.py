"""The tables of a run: their files, and the files that each is made from.

Which tables there are is declared in ``trainfree.analysis``, one file a table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from trainfree.analysis.declaration import RUN, Inputs, Table
from trainfree.analysis.proxies.published_proxy_scores import NASBENCH201_SCORES
from trainfree.analysis.proxies.published_proxy_scores import (
    PUBLISHED_SCORES as PUBLISHED_SCORES_OF,
)
from trainfree.analysis.published import Published
from trainfree.analysis.registry import table_names, tables, tables_before, tables_of
from trainfree.provenance import canonical_json
from trainfree.workflow import studies
from trainfree.workflow.environment import relative
from trainfree.workflow.paths import ACCURACIES, PUBLISHED_SCORES
from trainfree.workflow.runs import ConfiguredRun

Files = Mapping[str, str | list[str]]
ORIGINS = "origins"
"""What is behind the tables that a table is made from: an input, but no option of the command."""


@dataclass(frozen=True)
class RunTables:
    """The tables of a configured run.

    Parameters
    ----------
    run
        The run.
    papers
        The papers' numbers.
    """

    run: ConfiguredRun
    papers: Sequence[Published]

    @property
    def with_a_rule(self) -> list[Table]:
        """All tables but those of one space that a wildcard names."""
        return [table for table in tables().values() if table.of != "space"]

    def names(self, target: str = RUN) -> list[str]:
        """Return the names of the tables of a target."""
        return table_names(self.papers, target)

    def files(self, target: str = RUN) -> list[str]:
        """Return all files of the tables of a target."""
        return [path for table in tables_of(target) for path in self.files_of(table)]

    def files_of(self, table: Table) -> list[str]:
        """Return the files of a table, or of all tables of its form; CSV files first."""
        names = table.names_of(self.papers)
        return [
            self.run.paths.table(f"{name}{suffix}") for suffix in table.suffixes for name in names
        ]

    def inputs(self, table: Table) -> dict[str, str | list[str]]:
        """Return the files that a table is made from, by kind.

        Raises
        ------
        ConfigError
            When it is one of shared weights, and the space has no super-network; or when files of
            other proxies have the names of the board's.
        """
        by_kind = {
            "agreement": self._of_agreement,
            "space_agreement": self._of_space_agreement,
            "across": self._of_several,
            "field": self._of_field,
        }
        known = by_kind.get(table.of, self._of_run)
        if "shared" in table.reads:
            known = {**known, "shared": self._shared(table)}
        if "board" in table.reads:
            known = {**known, "board": studies.board_files(self.run)}
        found: dict[str, str | list[str]] = {kind: known[kind] for kind in table.reads}
        if before := tables_before(table, self.papers):
            found["tables"] = [self.run.paths.table(f"{name}.csv") for name in before]
            found[ORIGINS] = [self.run.paths.table(f"{name}.json") for name in before]
        return found

    def settings(self, table: Table) -> str:
        """Return the settings that decide a table as JSON."""
        every = self.run.config.table_settings.values
        return canonical_json({name: every[name] for name in table.settings})

    @property
    def published(self) -> list[str]:
        """The files of the papers' numbers."""
        return [relative(paper.path) for paper in self.papers]

    @property
    def _of_run(self) -> Files:
        run = self.run
        return {
            "scores": run.score_files,
            "searches": run.search_files,
            "benchmark": run.benchmark,
            "published": self.published,
            "hardware": studies.hardware_file(run) or [],
            "fronts": studies.fronts_files(run),
            "draws": studies.all_draws_files(run),
            "ablation": studies.ablation_files(run),
            "training": studies.training_files(run),
            "learned": studies.learned_files(run),
            "enas": run.paths.enas,
            "enas_cells": studies.enas_cells(run),
            "enas_convolutional": studies.enas_convolutional_file(run),
        }

    def _shared(self, table: Table) -> list[str]:
        beside = table.target == RUN
        return studies.sharing_beside(self.run) if beside else studies.sharing_files(self.run)

    @property
    def _of_agreement(self) -> Files:
        return {
            "scores": studies.agreement_files(self.run),
            "benchmark": ACCURACIES.format(space="nasbench201"),
            "published_scores": PUBLISHED_SCORES.format(published=NASBENCH201_SCORES),
        }

    @property
    def _of_space_agreement(self) -> Files:
        published = [PUBLISHED_SCORES_OF[name].file for name in self.run.space_agreement]
        return {
            "scores": studies.space_agreement_files(self.run),
            "published_scores": [
                PUBLISHED_SCORES.format(published=file) for file in dict.fromkeys(published)
            ],
        }

    @property
    def _of_field(self) -> Files:
        folders = sorted({paper.path.parent for paper in self.papers})
        found = [path for folder in folders for path in sorted((folder / "field").glob("*.yaml"))]
        return {
            "scores": studies.field_files(self.run),
            "benchmark": self.run.benchmark,
            "learned": studies.field_learned_files(self.run),
            "published_field": [relative(path) for path in found],
        }

    @property
    def _of_several(self) -> Files:
        folders = {paper.path.parent for paper in self.papers}
        return {
            "scores": [self.run.scores(setting) for setting in self.run.across],
            "benchmarks": [ACCURACIES.format(space=name) for name in self.run.config.across.named],
            "published_across": [
                relative(folder / "across" / "rankings.yaml") for folder in sorted(folders)
            ],
        }


def options(files: Mapping[str, str | Sequence[str]]) -> list[str]:
    """Return files by kind as options of ``trainfree tabulate``; kinds without a file have none."""
    known = {field.name for field in fields(Inputs)}
    found: list[str] = []
    for kind, given in files.items():
        paths = [given] if isinstance(given, str | Path) else list(given)
        if kind in known and paths:
            found += [f"--{kind.replace('_', '-')}", *map(str, paths)]
    return found
