"""The three answers with which the page opens: who ranks best, what searches find, what reproduces.

Each is read from tables of the run; where a table is not there, the answer says so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from trainfree.analysis.formats import count_of, number, seconds, with_interval, with_spread
from trainfree.analysis.inputs import outcome_title
from trainfree.analysis.registry import read_rows
from trainfree.analysis.searches.search import ORACLE, RANDOM_ARCHITECTURE
from trainfree.errors import DataFileError
from trainfree.report.page.board import Board, Entry
from trainfree.report.page.tables import TableView
from trainfree.trainings import ACCURACY, EVALUATIONS, Outcome

MOST_TABLES = 3
NO_TABLE = "not known: the table {} did not exist when this page was made"


@dataclass(frozen=True)
class Answer:
    """An answer.

    Attributes
    ----------
    anchor
        The section that has it in full.
    question
        What is asked.
    figure, unit
        The number that answers it; empty without one.
    subject
        What the number is of, in a few words.
    lines
        Pairs of a name and what is said of it.
    """

    anchor: str
    question: str
    figure: str = ""
    unit: str = ""
    subject: str = ""
    lines: tuple[tuple[str, str], ...] = ()


def answer_on_proxies(board: Board | None) -> Answer:
    """Return which proxy ranks best, and at what cost."""
    asked = "Which proxy ranks best, at what cost?"
    known = [e for e in (board.entries if board else ()) if not math.isnan(e.spearman)]
    if not known or board is None:
        return Answer("ranking", asked, subject=NO_TABLE.format("proxy_board"))
    rivals = [entry for entry in known if not entry.is_baseline] or known
    best = max(rivals, key=lambda entry: entry.spearman)
    interval = with_interval(best.spearman, best.low, best.high, 2).partition(" ")[2]
    subject = f"Spearman ρ with accuracy, {_price(best)} per architecture"
    lines = [(f"95 % interval, {count_of(board.count, 'architecture')}", interval)]
    if gaining := [entry for entry in rivals if entry.gain_low > 0 and entry is not best]:
        cheapest = min(gaining, key=lambda entry: entry.ms)
        lines.append(
            (
                f"Cheapest that adds to params: {cheapest.name}",
                f"{_rho(cheapest)}, {_price(cheapest)}",
            )
        )
    lines += [("Params alone", _rho(entry)) for entry in known if entry.name == "params"]
    return Answer("ranking", asked, best.name, _rho(best), subject, tuple(lines))


def _rho(entry: Entry) -> str:
    return f"ρ {number(entry.spearman, 2)}"


def _price(entry: Entry) -> str:
    return f"{seconds(entry.ms)} ms" if entry.ms > 0 else "cost not measured"


def answer_on_searches(table: Path | None) -> Answer:
    """Return what searches without training find, and how fast.

    Parameters
    ----------
    table
        ``search.csv``; None where there is none.

    Raises
    ------
    DataFileError
        When it is no such table.
    """
    asked = "What do searches find with it, and how fast?"
    nothing = Answer("search", asked, subject=NO_TABLE.format("search"))
    if table is None:
        return nothing
    rows = read_rows("search", table)
    rows = rows[(rows["headline"] == "yes") & rows["accuracy_mean"].notna()]
    rows = rows[rows["dataset"] == rows["dataset"].iloc[0]] if len(rows) else rows
    controls = rows["row"].isin([RANDOM_ARCHITECTURE, ORACLE])
    free = rows[~controls & (rows["signal"] != ACCURACY)]
    if free.empty:
        return Answer("search", asked, subject="no search without training is in this run")
    best: Any = max(free.to_dict("records"), key=lambda row: float(row["accuracy_mean"]))
    percent = Outcome.of_label(str(best["outcome"])).metric.units == "%"
    digits = 2 if percent else 4
    title = outcome_title(str(best["outcome"]))
    spread = f"± {number(best['accuracy_std'], digits)} over {count_of(int(best['runs']), 'run')}"
    lines = [(title, spread), *_beside(rows, best, digits)]
    return Answer(
        "search",
        asked,
        number(best["accuracy_mean"], digits),
        "%" if percent else "",
        f"{best['search']}, {_budget(best)}, {seconds(best['scoring_seconds'])} s of scoring",
        tuple(lines),
    )


def _budget(row: Mapping[Any, Any]) -> str:
    evaluated = row["budget_kind"] == EVALUATIONS
    return f"N = {number(row['budget'], 0)}" if evaluated else f"{number(row['budget'], 0)} s"


def _beside(rows: pd.DataFrame, best: Mapping[Any, Any], digits: int) -> list[tuple[str, str]]:
    """Return lines on the controls and on the best search that trains."""
    found = []
    drawn = rows[rows["row"] == RANDOM_ARCHITECTURE]
    ceiling = rows[(rows["row"] == ORACLE) & (rows["budget"] == best["budget"])]
    for part, title in ((drawn, "A random architecture"), (ceiling, "Best of N (oracle)")):
        if len(part):
            row = part.iloc[0]
            told = with_spread(row["accuracy_mean"], row["accuracy_std"], digits)
            found.append((title, told))
    controls = rows["row"].isin([RANDOM_ARCHITECTURE, ORACLE])
    trained = rows[~controls & (rows["signal"] == ACCURACY)].to_dict("records")
    if trained:
        row = max(trained, key=lambda each: float(each["accuracy_mean"]))
        spent = row["training_seconds"]
        told = with_spread(row["accuracy_mean"], row["accuracy_std"], digits)
        time = "" if math.isnan(spent) else f", {number(spent / 3600, 0)} h of simulated training"
        found.append((f"With training: {row['search']}, {_budget(row)}", f"{told}{time}"))
    return found


def answer_on_papers(verdicts: Sequence[tuple[str, int]], papers: Sequence[TableView]) -> Answer:
    """Return whether published numbers come out.

    Parameters
    ----------
    verdicts
        Words and counts, of all published cells.
    papers
        The papers' tables.
    """
    asked = "Do published numbers come out?"
    counts = dict(verdicts)
    if not counts:
        return Answer("papers", asked, subject=NO_TABLE.format("scoreboard"))
    good, bad = counts.get("reproduced", 0), counts.get("not reproduced", 0)
    judged = good + bad
    own = [(table.heading.partition(":")[0], *_counts(table)) for table in papers]
    own.sort(key=lambda each: -sum(each[1:]))
    lines = [
        (name, f"{count} of {count + other}")
        for name, count, other in own[:MOST_TABLES]
        if count + other
    ]
    if not judged:
        return Answer("papers", asked, "0", "", "cells can be compared in this run", tuple(lines))
    return Answer(
        *("papers", asked, f"{number(good, 0)} of {number(judged, 0)}", ""),
        "published cells with a verdict are reproduced",
        tuple(lines),
    )


def _counts(table: TableView) -> tuple[int, int]:
    """Return how many cells of a published table are reproduced, and how many are not."""
    if table.printed is None:
        return 0, 0
    cells = [cell for _, row in table.printed.rows for cell in row if cell is not None]
    words = [cell.verdict for cell in cells]
    return words.count("reproduced"), words.count("not-reproduced")


def read_answers(
    tables: Mapping[str, TableView],
    folder: Path,
    board: Board | None,
    verdicts: Sequence[tuple[str, int]],
) -> tuple[tuple[Answer, ...], list[tuple[Path, DataFileError]]]:
    """Return the three answers, and what could not be read with the reason.

    Parameters
    ----------
    tables, folder
        The tables of the page, and where their files are.
    """
    path = folder / "search.csv"
    failed: list[tuple[Path, DataFileError]] = []
    try:
        searches = answer_on_searches(path if path.stem in tables else None)
    except DataFileError as error:
        failed.append((path, error))
        searches = answer_on_searches(None)
    printed = [table for table in tables.values() if table.printed is not None]
    printed.sort(key=lambda table: (table.place.rank, table.name))
    return (
        answer_on_proxies(board),
        searches,
        answer_on_papers(verdicts, printed),
    ), failed
