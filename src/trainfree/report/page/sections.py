"""Which tables and figures stand in which section of the page, and what is missing of them.

A table or figure is claimed by the first section that has a pattern for its name. One that no
section knows is shown all the same: among the papers' tables when it holds verdicts, otherwise
with what is left.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from trainfree.report.page.figures import FigureView
from trainfree.report.page.tables import TableView

NOT_MADE = "it was not there when this page was made"
LEFT_OUT = "it is left out, see there"


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
    tables, figures
        Patterns of names, in the order of showing.
    expected, drawn
        Names of tables that every run makes, and patterns of figures of which it makes some.
    """

    anchor: str
    title: str
    short: str
    intro: str
    tables: tuple[str, ...] = ()
    figures: tuple[str, ...] = ()
    expected: tuple[str, ...] = ()
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
    "Summary",
    "Summary",
    "What was scored, on what, and what came of it.",
    tables=("scoreboard",),
    expected=("summary", "scoreboard"),
)
PAPERS = Plan(
    "papers",
    "Does it agree with the papers?",
    "Papers",
    "The papers' tables, cell by cell: the printed number, the measured one and a verdict.",
    tables=(
        *("naswot_table*", "naswot_*", "cossu_table*", "cossu_*"),
        *("nasbench*", "published"),
    ),
    expected=("published",),
)
SECTIONS = (
    Plan(
        "ranking",
        "Do scores rank architectures?",
        "Ranking",
        "A useful proxy gives the better of two architectures the higher score before either is "
        "trained.",
        tables=("correlations", "kendall", "tau_sensitivity", "pearson_12_epochs"),
        figures=("score*", "kernel*"),
        expected=("correlations", "kendall", "tau_sensitivity", "pearson_12_epochs"),
        drawn=("score*",),
    ),
    Plan(
        "proxies",
        "Which proxy, and which two?",
        "Proxies",
        "All proxies side by side: what they cost, how alike they are, how steady, and how they "
        "agree with scores that others computed.",
        tables=("proxies", "proxy_pairs", "proxy_outcomes", "proxy_*"),
        figures=("prox*",),
    ),
    Plan(
        "steadiness",
        "What does a score hang on?",
        "Steadiness",
        "A few architectures scored again and again: with other draws, and as training goes on.",
        tables=("ablation*", "training*"),
        figures=("ablation*", "training*"),
    ),
    Plan(
        "search",
        "What do searches find?",
        "Search",
        "A search looks at N architectures, or spends a budget of training seconds, and answers "
        "with the one its guide likes best; the tables give that answer's trained accuracy.",
        tables=("search", "regret", "ranks", "significance"),
        figures=("search*", "best*"),
        expected=("search", "regret", "ranks", "significance"),
        drawn=("search*",),
    ),
    Plan(
        "timing",
        "What does scoring cost?",
        "Time",
        "Seconds on the clock of the machine that made these scores.",
        tables=("timing",),
        figures=("tim*",),
        expected=("timing",),
    ),
    Plan(
        "landscape",
        "How does accuracy lie in the space?",
        "Landscape",
        "What a search has to find its way through, whatever guides it.",
        tables=("landscape*",),
        figures=("landscape*",),
    ),
)
REST = Plan("more", "More figures and tables", "More", "What belongs to no other section.")


def arrange(
    tables: Mapping[str, TableView],
    figures: Mapping[str, FigureView],
    absent: Mapping[Path, str],
    left_out: Collection[str] = (),
) -> list[Section]:
    """Return the sections in the order of the page, the summary first, without empty ones.

    Parameters
    ----------
    tables, figures
        All there are, by name.
    absent
        Tables and figures that a complete run has and this one lacks, and why.
    left_out
        ``tables/<name>`` and ``figures/<name>`` of what is there and not shown.
    """
    sections, left_tables, left_figures = [], dict(tables), dict(figures)
    for plan in (SUMMARY, PAPERS, *SECTIONS, REST):
        names = _chosen(left_tables, plan.tables)
        if plan is PAPERS:
            known = [pattern for other in SECTIONS for pattern in other.tables]
            claimed = set(_chosen(left_tables, known))
            judged = (name for name, table in left_tables.items() if table.has_verdicts)
            names += [name for name in judged if name not in claimed and name not in names]
        if plan is REST:
            names = [name for name in left_tables if name != "summary"]
        drawn = list(left_figures) if plan is REST else _chosen(left_figures, plan.figures)
        sections.append(
            Section(
                plan,
                tuple(left_tables.pop(name) for name in names),
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

    lacking = [name for name in plan.expected if name not in tables]
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
    if name == "summary":
        return SUMMARY
    for plan in (SUMMARY, PAPERS, *SECTIONS):
        if _chosen([name], plan.tables if kind == "table" else plan.figures):
            return plan
    return REST


def _chosen(names: Mapping[str, object] | Sequence[str], patterns: Sequence[str]) -> list[str]:
    """Return the names that a pattern fits, in the order of the patterns."""
    return list(
        dict.fromkeys(name for pattern in patterns for name in names if fnmatchcase(name, pattern))
    )
