"""What each proxy is worth by the statistics that papers print: τ, ρ, nDCG, the best of 3,000.

Every proxy and combination that was scored has a row, whether anybody prints it or not. Beside them
stands what a forest gets from a few trainings.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from trainfree.analysis.data_line import data_line
from trainfree.analysis.declaration import RESAMPLING, Inputs, Made, table
from trainfree.analysis.field.cells import Column, Row
from trainfree.analysis.field.comparing import TARGET, signal_of
from trainfree.analysis.field.learners import STATISTICS as OF_LEARNERS
from trainfree.analysis.field.learners import Learners
from trainfree.analysis.field.measures import (
    Found,
    Population,
    Value,
    head_precision,
    measure,
    over_seeds,
    paired_with,
    statistic,
)
from trainfree.analysis.field.scored import FieldScores
from trainfree.analysis.formats import count, plain, spread
from trainfree.analysis.inputs import DATASET_TITLES, outcome_title, targets
from trainfree.analysis.run_files import AbsentError, RunFiles
from trainfree.analysis.settings import AnalysisSettings
from trainfree.analysis.tables import numbers, text

WHOLE, REACHABLE = "", "reachable"
CELLS = {WHOLE: "all", REACHABLE: "without unreachable operations"}
STATISTICS = ("kendall", "spearman", "ndcg", "precision")
BOUNDS = ("", "_spread", "_low", "_high")


def _with_all(name: str, digits: int = 3) -> Any:
    cell = spread(name, f"{name}_spread", digits)

    def shown(row: Any) -> str:
        low, high = row[f"{name}_low"], row[f"{name}_high"]
        bounds = f" [{low:.{digits}f}, {high:.{digits}f}]" if low == low else ""
        return f"{cell(row)}{bounds}"

    return shown


@table(
    title="Proxies by the statistics used in papers: mean ± standard deviation over seeds; if only "
    "a sample was scored, a new one for each seed, with a 95 % bootstrap interval over "
    "architectures. nDCG@1000: gain 2^accuracy − 1; estimated from a sample, in which each "
    "architecture represents its share of the whole. Precision: the share of the best 1,000 by "
    "score, or of the same fraction of a sample, that is among the best by accuracy. Scores that "
    "are not finite count as the worst finite one. A forest ranks the architectures whose "
    "accuracies it has not seen; its seeds are draws of the others",
    columns=(
        *text("dataset", "target", "cells", "proxy", "input"),
        *numbers("seeds", "n", "population"),
        *numbers(*(name + bound for name in STATISTICS for bound in BOUNDS)),
        *numbers("best_of_3000", "best_of_3000_spread"),
        *text("note"),
    ),
    shown={
        "Data set": lambda row: DATASET_TITLES.get(str(row["dataset"]), str(row["dataset"])),
        "Accuracy": lambda row: outcome_title(str(row["target"])),
        "Cells": plain("cells"),
        "Proxy": plain("proxy"),
        "Input, weights": plain("input"),
        "Seeds": count("seeds"),
        "n": count("n"),
        "of": count("population"),
        "τ-b": _with_all("kendall"),
        "ρ": _with_all("spearman"),
        "nDCG@1000": _with_all("ndcg"),
        "Precision": _with_all("precision"),
        "Best of 3,000 (%)": spread("best_of_3000", "best_of_3000_spread"),
        "Remark": plain("note"),
    },
    once=("Seeds",),
    reads=("scores", "benchmark", "learned", "published_field"),
    of="field",
    target=TARGET,
    settings=RESAMPLING,
    section="proxies",
    rank=65,
    copied=True,
    minutes=120,
)
def field_methods(inputs: Inputs) -> Made:
    """Return a row for each data set, part of the space, and proxy, combination or forest.

    Raises
    ------
    DataFileError
        When there are no scores or accuracies, or a file is damaged.
    """
    benchmark = inputs.file("benchmark")
    run, scored = RunFiles((), (), benchmark), FieldScores(inputs.some("scores"))
    learners = Learners(inputs.learned)
    rows = [
        row for dataset in scored.datasets for row in _rows(scored, learners, run, dataset, inputs)
    ]
    rows.sort(key=lambda row: (row["dataset"], row["cells"], -row["kendall"]))
    files = [*(file.data for file in scored.files), *learners.studies, run.benchmark]
    return Made(rows, data_line(files))


def _rows(
    scored: FieldScores, learners: Learners, run: RunFiles, dataset: str, inputs: Inputs
) -> Iterator[dict[str, Any]]:
    target = targets(run.benchmark, dataset, inputs.file("benchmark"))[0]
    accuracy = target.accuracy.dropna()
    for subset, cells in CELLS.items():
        try:
            chosen = accuracy
            if subset:
                chosen = accuracy[accuracy.index.isin(scored.members(subset))]
        except AbsentError:
            continue
        population = Population(subset, "worst finite", chosen)
        for name in scored.signals_known(dataset):
            row = Row(cells=(), signal=name)
            measured = _measured(scored, row, dataset, target.name, population, inputs.settings)
            given = scored.inputs(dataset, row)
            yield {
                "dataset": dataset,
                "target": target.name,
                "cells": cells,
                "proxy": name,
                "input": given,
                **measured,
            }
        place = {"dataset": dataset, "target": target.name, "cells": cells}
        yield from _learned(learners, subset, place)


def _learned(learners: Learners, subset: str, place: dict[str, str]) -> Iterator[dict[str, Any]]:
    """Yield a row for each forest; precision and searches are not known of them."""
    for learning in learners.known(place["dataset"], subset):
        found: dict[str, Any] = {
            name + bound: float("nan") for name in STATISTICS for bound in BOUNDS
        }
        for name in OF_LEARNERS:
            column = Column.model_validate(
                {"dataset": place["dataset"], "statistic": name, "outcome": place["target"]}
            )
            one = learners.measure(learning, column, subset)
            found |= _shown(name, one) | {
                "seeds": one.seeds,
                "n": one.measured.n,
                "population": one.population,
            }
        row = Row(cells=(), learned=learning)
        yield place | {"proxy": signal_of(row), "input": "none", **found}


def _measured(
    scored: FieldScores,
    row: Row,
    dataset: str,
    target: str,
    population: Population,
    settings: AnalysisSettings,
) -> dict[str, Any]:
    signals = scored.signals(dataset, row, population.subset, population.infinite)
    pairs = [paired_with(signal.scores, population.accuracy) for signal in signals]
    every = len(population)
    values: dict[str, Value] = {
        "kendall": statistic("kendall", every),
        "spearman": statistic("spearman", every),
        "ndcg": statistic("ndcg", every),
        "precision": head_precision(every),
    }
    found: dict[str, Any] = {}
    for name, value in values.items():
        one = over_seeds(pairs, value, every, settings)
        found |= _shown(name, one) | {
            "seeds": one.seeds,
            "n": one.measured.n,
            "population": every,
        }
    try:
        column = Column(dataset=dataset, statistic="best_of_3000", outcome=_outcome(target))
        best = measure(scored, row, column, population, settings).measured
        found |= {"best_of_3000": best.value, "best_of_3000_spread": best.spread}
    except AbsentError as absent:
        found["note"] = f"best of 3,000: {absent}"
    return found


def _outcome(target: str) -> str:
    return target if target.rpartition("/")[2].isdigit() else ""


def _shown(name: str, found: Found) -> dict[str, float]:
    measured = found.measured
    numbers_of = (measured.value, measured.spread, measured.low, measured.high)
    return {name + bound: value for bound, value in zip(BOUNDS, numbers_of, strict=True)}
