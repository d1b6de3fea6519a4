"""The searches that are set against each other: answers at their largest budget, run by run."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from trainfree.analysis.formats import number
from trainfree.analysis.inputs import Floats, floats
from trainfree.analysis.run_files import RunFiles, search_title
from trainfree.analysis.searches.search import row_name


class ComparedSearch(NamedTuple):
    """A search at its largest budget: the headline accuracy of each run's answer, in percent.

    ``kind`` is what the table of searches says that it is.
    """

    name: str
    kind: str
    budget: float
    outcome: str
    accuracy: Floats


def compared_searches(run: RunFiles) -> dict[str, list[ComparedSearch]]:
    """Return the searches of each data set that have a known accuracy in every run."""
    found: dict[str, list[ComparedSearch]] = {}
    for search in run.searches:
        budget = search["budget"].to_numpy().max()
        outcome = str(search.attrs["headline_outcome"])
        accuracy = floats(search["answer_accuracy"].sel(budget=budget, outcome=outcome))
        if len(accuracy) > 1 and not np.isnan(accuracy).any():
            one = ComparedSearch(
                search_title(search), row_name(search), float(budget), outcome, accuracy
            )
            found.setdefault(str(search.attrs["dataset"]), []).append(one)
    return found


def budgeted(name: str, budget: float) -> str:
    """Return the name of a search with its budget."""
    return f"{name}, {number(budget, 0)}"


def p_text(value: float) -> str:
    """Return a p-value with three decimals."""
    return "<0.001" if value < 0.001 else number(value, 3)
