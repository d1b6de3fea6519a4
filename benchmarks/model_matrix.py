"""Write docs/model-matrix.md: every proxy for every network of real_models.py, or why not.

Run it with ``python benchmarks/model_matrix.py``; it takes minutes.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd
import torch
from real_models import BATCH, REAL_MODELS, RealModel

import trainfree
from trainfree.files.writing import write_text
from trainfree.proxies import PROXY_NAMES

PAGE = Path(__file__).resolve().parent.parent / "docs" / "model-matrix.md"
UNDEFINED = "–"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--output", type=Path, default=PAGE)
    parser.add_argument("--models", nargs="+", choices=REAL_MODELS, default=list(REAL_MODELS))
    parser.add_argument("--proxies", nargs="+", choices=PROXY_NAMES, default=list(PROXY_NAMES))
    arguments = parser.parse_args()
    tables = []
    for name in arguments.models:
        start = time.perf_counter()
        tables.append(outcomes(name, REAL_MODELS[name], arguments.proxies))
        found = tables[-1]["status"].value_counts().to_dict()
        print(f"{name}: {time.perf_counter() - start:.1f} s, {found}", flush=True)
    table = pd.concat(tables)
    write_text(arguments.output, page(table, arguments.models, arguments.proxies))


def outcomes(name: str, model: RealModel, proxies: Sequence[str] | None = None) -> pd.DataFrame:
    """Return a row for each proxy, with the weights of the network's own initialisation."""
    inputs, labels = model.batch()
    models = {name: model.build}
    return trainfree.score(models, inputs, labels=labels, loss=model.loss, proxies=proxies)


def page(table: pd.DataFrame, models: Iterable[str], proxies: Iterable[str]) -> str:
    """Return the page: a row a proxy, a column a network, and the reasons below."""
    models, proxies = list(models), list(proxies)
    rows = {(row.model, row.proxy): row for row in table.itertuples()}
    reasons: dict[str, int] = {}
    lines = [
        f"| proxy | {' | '.join(models)} |",
        f"|---|{'---|' * len(models)}",
        *(
            f"| `{proxy}` | {' | '.join(cell(rows[model, proxy], reasons) for model in models)} |"
            for proxy in proxies
        ),
    ]
    numbered = [f"{number}. {reason}" for reason, number in reasons.items()]
    return "\n".join([*head(table), *lines, "", *foot(table), *numbered, ""])


def cell(row: object, reasons: dict[str, int]) -> str:
    """Return a score with four digits, or a sign and the number of the reason."""
    score, status, message = row.score, row.status, row.message
    if status == "ok":
        return f"{score:.4g}".replace("-", "−")
    number = reasons.setdefault(f"{status}: {message}", len(reasons) + 1)
    sign = "−∞" if math.isinf(score) else UNDEFINED
    return f"{sign} ({number})"


def head(table: pd.DataFrame) -> list[str]:
    """Return what stands above the table."""
    return [
        "# Every proxy for real networks",
        "",
        "Made by `python benchmarks/model_matrix.py`; the networks and their inputs are in "
        "`benchmarks/real_models.py`.",
        f"Each has the weights of its own initialisation, drawn once, and {BATCH} inputs of "
        "random numbers: the table shows what can be had of which network, not which is better.",
        f"A number is the score in single precision, higher being better. {UNDEFINED} and −∞ have "
        "the number of their reason.",
        "[Score your own models](score-your-own-models.md) says what is counted.",
        "",
    ]


def foot(table: pd.DataFrame) -> list[str]:
    """Return what stands between the table and the reasons."""
    found: Mapping[str, int] = table["status"].value_counts().to_dict()
    counted = ", ".join(f"{count} {status}" for status, count in sorted(found.items()))
    return [
        f"PyTorch {torch.__version__.partition('+')[0]}. Of {len(table)} scores: {counted}.",
        "",
    ]


if __name__ == "__main__":
    main()
