"""The sections of the page, their contents, and what is missing.

A table declares its section and its position there; a table without a section comes last. A figure
belongs to the first section that has a pattern for its name.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from trainfree.analysis.registry import section_of, tables_of
from trainfree.report.page.figures import FigureView
from trainfree.report.page.tables import TableView

FACTS = "summary"
"""The table that is shown as facts, not as a table."""

NOT_MADE = "it did not exist when this page was made"
LEFT_OUT = "it exists but is not shown, see Left out"


@dataclass(frozen=True)
class Plan:
    """What belongs into a section.

    Attributes
    ----------
    anchor
        Its place; the template ``reading-<anchor>.html.j2`` says how to read it.
    title, short
        Heading, and the word in the navigation.
    intro
        One sentence below the heading.
    figures, drawn
        Patterns of names of figures, in the order of showing, and those of which every run makes
        some.
    """

    anchor: str
    title: str
    short: str
    intro: str
    figures: tuple[str, ...] = ()
    drawn: tuple[str, ...] = ()


@dataclass(frozen=True)
class Section:
    """A section of the page; ``missing`` are pairs of what is not there, and why."""

    plan: Plan
    tables: tuple[TableView, ...]
    figures: tuple[FigureView, ...]
    missing: tuple[tuple[str, str], ...] = field(default=())

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to say in it."""
        return not (self.tables or self.figures or self.missing)


SUMMARY = Plan(
    "summary",
    "The run in numbers",
    "Run",
    "What was scored, on which data, and the main results.",
)
PAPERS = Plan(
    "papers",
    "Do published numbers come out?",
    "Papers",
    "The papers' tables as they are printed: the measured number under the printed one, and a "
    "verdict.",
)
RANKING = Plan(
    "ranking",
    "Which proxy ranks best, at what cost?",
    "Ranking",
    "A useful proxy gives the better of two architectures the higher score before either is "
    "trained.",
    figures=("score*", "kernel*"),
    drawn=("score*",),
)
SEARCH = Plan(
    "search",
    "What do searches find with it, and how fast?",
    "Search",
    "A search evaluates N architectures, or spends a budget of training seconds, and returns "
    "the best one by its guide; the tables give the trained accuracy of this answer.",
    figures=("search*", "best*", "pareto*", "weight_sharing*", "enas*"),
    drawn=("search*",),
)
SECTIONS = (
    RANKING,
    SEARCH,
    PAPERS,
    Plan(
        "proxies",
        "Comparing proxies",
        "Proxies",
        "All proxies side by side: their cost, their similarity and stability, and their agreement "
        "with published scores.",
        figures=("prox*", "learned*", "zoo*"),
    ),
    Plan(
        "steadiness",
        "What does a score depend on?",
        "Stability",
        "A few architectures scored many times: with other random draws, and during training.",
        figures=("ablation*", "training*"),
    ),
    Plan(
        "spaces",
        "Do proxies work in other spaces?",
        "Spaces",
        "The same proxies on samples of other spaces, with the trained accuracies of each.",
        figures=("space*",),
    ),
    Plan(
        "timing",
        "What does scoring cost?",
        "Time",
        "Time measured on the machine that computed these scores.",
        figures=("tim*",),
    ),
    Plan(
        "landscape",
        "What does the accuracy landscape look like?",
        "Landscape",
        "The landscape that every search has to navigate, whatever guides it.",
        figures=("landscape*",),
    ),
)
REST = Plan(
    "more", "More figures and tables", "More", "Figures and tables that belong to no other section."
)


def arrange(
    tables: Mapping[str, TableView],
    figures: Mapping[str, FigureView],
    absent: Mapping[Path, str],
    left_out: Collection[str] = (),
) -> list[Section]:
    """Return the sections in the order of the page, the summary last, without empty ones.

    Parameters
    ----------
    tables, figures
        All there are, by name.
    absent
        Tables and figures that a complete run has and this one lacks, and why.
    left_out
        ``tables/<name>`` and ``figures/<name>`` of what is there and not shown.
    """
    plans = (*SECTIONS, REST, SUMMARY)
    anchors = {plan.anchor for plan in plans}
    placed: dict[str, list[TableView]] = {}
    for table in sorted(tables.values(), key=lambda table: (table.place.rank, table.name)):
        own = table.place.section if table.place.section in anchors else REST.anchor
        if table.name != FACTS:
            placed.setdefault(own, []).append(table)
    sections, left_figures = [], dict(figures)
    for plan in plans:
        drawn = list(left_figures) if plan is REST else _chosen(left_figures, plan.figures)
        sections.append(
            Section(
                plan,
                tuple(placed.get(plan.anchor, ())),
                tuple(left_figures.pop(name) for name in drawn),
                tuple(_missing(plan, tables, figures, absent, left_out)),
            )
        )
    return [section for section in sections if section.plan is SUMMARY or not section.is_empty]


def _missing(
    plan: Plan,
    tables: Mapping[str, TableView],
    figures: Mapping[str, FigureView],
    absent: Mapping[Path, str],
    left_out: Collection[str],
) -> list[tuple[str, str]]:
    def told(pattern: str) -> str:
        is_there = any(fnmatchcase(name.partition(".")[0], pattern) for name in left_out)
        return LEFT_OUT if is_there else NOT_MADE

    own = (table for table in tables_of() if table.place.section == plan.anchor)
    expected = [name for table in own for name in table.names_of(())]
    lacking = [name for name in expected if name not in tables]
    found = {f"the table {name}": told(f"tables/{name}") for name in lacking}
    for pattern in plan.drawn:
        if not _chosen(figures, [pattern]):
            found[f"the figures {pattern.replace('*', '…')}"] = told(f"figures/{pattern}")
    for path, reason in absent.items():
        kind = {"tables": "table", "figures": "figure"}.get(path.parent.name)
        there = tables if kind == "table" else figures
        if kind and _owner(kind, path.stem) is plan and path.stem not in there:
            found[f"the {kind} {path.stem}"] = reason
    return list(found.items())


def _owner(kind: str, name: str) -> Plan:
    """Return the section to which a table or figure that is not there would belong."""
    plans = (*SECTIONS, SUMMARY)
    if kind == "table":
        section = section_of(name)
        return next((plan for plan in plans if plan.anchor == section), REST)
    return next((plan for plan in plans if _chosen([name], plan.figures)), REST)


def _chosen(names: Mapping[str, object] | Sequence[str], patterns: Sequence[str]) -> list[str]:
    """Return the names that a pattern fits, in the order of the patterns."""
    return list(
        dict.fromkeys(name for pattern in patterns for name in names if fnmatchcase(name, pattern))
    )
