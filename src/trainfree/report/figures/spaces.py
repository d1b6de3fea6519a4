"""Proxies on several spaces: rank correlations beside each other, in the order of mean ranks."""

from __future__ import annotations

from pathlib import Path
from textwrap import wrap

import pandas as pd

from trainfree.analysis.formats import number
from trainfree.analysis.inputs import outcome_title
from trainfree.analysis.origins import files_behind
from trainfree.analysis.registry import read_rows
from trainfree.analysis.spaces.spaces import REAL
from trainfree.errors import DataFileError
from trainfree.report.style.captions import sentences, span
from trainfree.report.style.heat_map import draw_heat_map
from trainfree.report.style.look import figure_style, new_figure, write_figure

ROW, COLUMN, WRAP = 0.21, 0.42, 26
SIZES = ("params", "flops")
"""What stands below the proxies, to see whether these know more."""


def plot_spaces(spaces: Path, ranks: Path, output_stem: Path) -> None:
    """Draw ρ of each proxy on each space; proxies by mean rank, sizes below them.

    Parameters
    ----------
    spaces, ranks
        The tables of spaces and of mean ranks (CSV).
    output_stem
        Path without suffix; .svg and .png are written.

    Raises
    ------
    DataFileError
        When a table is missing, damaged or empty.
    """
    rows = read_rows("spaces", spaces)
    order = read_rows("space_ranks", ranks)
    if rows.empty or order.empty:
        raise DataFileError(f"{spaces}: expected a row for each proxy and space, found none")
    rows = rows.assign(column=[_column(row) for _, row in rows.iterrows()])
    columns = list(dict.fromkeys(rows["column"]))
    square = pd.DataFrame(
        {name: rows[rows["column"] == name].set_index("proxy")["spearman"] for name in columns}
    )
    placed = order.set_index("proxy")["rank"]
    names = [*map(str, order["proxy"])]
    names = [*(n for n in names if n not in SIZES), *(n for n in names if n in SIZES)]
    shown = [
        name if pd.isna(placed[name]) else f"{name}  ({number(float(placed[name]), 1)})"
        for name in names
    ]
    values = square.reindex(names).to_numpy(dtype=float)
    with figure_style():
        figure = new_figure(2.6 + COLUMN * len(columns), 2.6 + ROW * len(names))
        axes = draw_heat_map(figure, values, shown, columns, numbered=True)
        axes.axhline(len([n for n in names if n not in SIZES]) - 0.5, color="white", linewidth=2)
        caption = sentences(
            "Spearman's ρ of score and trained accuracy; proxies by their mean rank over spaces, "
            "in brackets, sizes of networks below the line.",
            f"{span(rows['n'])} architectures of each space; grey where there is no ρ.",
            _difference(order),
            "* The proxies saw other images than the networks were trained on: stand-ins, or noise."
            if (rows["images"] != REAL).any()
            else "",
        )
        behind = (*files_behind(spaces), *files_behind(ranks))
        write_figure(figure, output_stem, "Proxies on several spaces", caption, behind)


def _column(row: pd.Series) -> str:
    """Return the title of a column, with a mark where the images are not the trainings' own."""
    what = f"{row['space']}: {outcome_title(row['target'])}"
    return "\n".join(wrap(what + ("" if row["images"] == REAL else " *"), WRAP))


def _difference(order: pd.DataFrame) -> str:
    known = order["critical_difference"].dropna()
    if known.empty:
        return ""
    return (
        "Ranks that differ by less than "
        f"{number(float(known.iloc[0]), 1)} do not differ at the 5 % level (Nemenyi)."
    )
