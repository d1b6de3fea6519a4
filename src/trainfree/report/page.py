"""The page that a reader opens: one HTML file with everything in it.

Tables come from the CSV files, figures from the SVG files (PNG where there is no SVG) with the
caption that each carries. What is missing is named as missing.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError
from markupsafe import Markup
from PIL import Image, UnidentifiedImageError

from trainfree.analysis.correlations import show_correlations
from trainfree.analysis.search_table import show_search
from trainfree.analysis.tables import is_numeric, number, read_table
from trainfree.analysis.timing import show_timing
from trainfree.errors import DataFileError
from trainfree.report.svg import inline_svg, read_svg, svg_texts
from trainfree.storage import open_dataset, write_text

TEMPLATE = "report.html.j2"
TEMPLATES = Path(__file__).resolve().parents[3] / "reports" / "templates"
_NUMBER = re.compile(r"[-−]?(?:\d[\d,]*(?:\.\d+)?|∞)")
_PLAIN_NUMBER = re.compile(r"-?\d{1,12}(\.\d+)?")


@dataclass(frozen=True)
class Cell:
    """One cell of a table: what it shows, and its place when sorted by number."""

    text: str
    order: str


@dataclass(frozen=True)
class TableView:
    """A table as the page shows it."""

    name: str
    title: str
    columns: tuple[str, ...]
    numeric: tuple[bool, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True)
class FigureView:
    """A figure as the page shows it."""

    name: str
    title: str
    caption: str
    markup: Markup


@dataclass(frozen=True)
class SectionView:
    """A section: figures first, then the table, and what is missing of them."""

    anchor: str
    figures: tuple[FigureView, ...]
    table: TableView | None
    missing: tuple[str, ...]


@dataclass(frozen=True)
class ProvenanceView:
    """What made a scores file; long values apart, to be unfolded."""

    name: str
    facts: tuple[tuple[str, str], ...]
    long_facts: tuple[tuple[str, str], ...]


def render_report(
    tables_folder: Path,
    figures_folder: Path,
    output: Path,
    provenance: Sequence[Path],
    templates: Path = TEMPLATES,
) -> None:
    """Write the report.

    Parameters
    ----------
    tables_folder, figures_folder
        ``results/tables`` and ``results/figures``; either may lack files or not exist.
    output
        The HTML file.
    provenance
        Scores files whose attributes are shown.
    templates
        Folder with ``report.html.j2``; by default that of this checkout.

    Raises
    ------
    DataFileError
        When a file is damaged, the template is missing, or the page cannot be written.
    """
    sections = {
        "ranking": _section(
            "ranking", tables_folder, figures_folder, "score", "correlations", _correlations
        ),
        "search": _section("search", tables_folder, figures_folder, "search", "search", _search),
        "timing": _section("timing", tables_folder, figures_folder, None, "timing", _timing),
    }
    environment = Environment(
        loader=FileSystemLoader(templates),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    try:
        html = environment.get_template(TEMPLATE).render(
            summary=_summary(tables_folder / "summary.csv"),
            sections=sections,
            others=_figures(figures_folder, except_for=("score", "search")),
            provenance=[_provenance(path) for path in provenance],
        )
    except TemplateError as error:
        raise DataFileError(
            f"{templates / TEMPLATE}: the page's template is missing or wrong ({error!r}); "
            "name the folder reports/templates of the checkout"
        ) from error
    write_text(output, html)


def _section(
    anchor: str,
    tables_folder: Path,
    figures_folder: Path,
    figure_prefix: str | None,
    table: str,
    show: Callable[[Path], TableView],
) -> SectionView:
    figures = () if figure_prefix is None else _figures(figures_folder, prefix=figure_prefix)
    missing = []
    if figure_prefix is not None and not figures:
        missing.append(f"the figure {figures_folder.name}/{figure_prefix}….svg")
    path = tables_folder / f"{table}.csv"
    if not path.is_file():
        missing.append(f"the table {tables_folder.name}/{path.name}")
    view = show(path) if path.is_file() else None
    return SectionView(anchor, figures, view, tuple(missing))


def _summary(path: Path) -> list[dict[str, str]] | None:
    """Return the lines of the summary, or None when there is no such table."""
    if not path.is_file():
        return None
    frame = _checked(path, ("metric", "value", "unit", "note"))
    return [
        {
            "metric": str(row["metric"]),
            "value": _summary_value(str(row["value"])),
            "unit": str(row["unit"]),
            "note": str(row["note"]),
        }
        for row in frame.to_dict("records")
    ]


def _summary_value(text: str) -> str:
    if not _PLAIN_NUMBER.fullmatch(text):
        return text or "–"
    value = float(text)
    if value.is_integer():
        return number(value, 0)
    return number(value, 3 if abs(value) < 1 else 2)


def _correlations(path: Path) -> TableView:
    frame = _checked(path, ("proxy", "target", "rows", "kendall", "spearman", "pearson"))
    return _view("correlations", *show_correlations(frame))


def _search(path: Path) -> TableView:
    frame = _checked(path, ("row", "budget", "outcome", "accuracy_mean", "published_mean"))
    return _view("search", *show_search(frame))


def _timing(path: Path) -> TableView:
    frame = _checked(path, ("part", "name", "mean", "share"))
    return _view("timing", *show_timing(frame))


def _checked(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    frame = read_table(path)
    missing = [name for name in columns if name not in frame]
    if missing:
        raise DataFileError(
            f"{path}: lacks the column {', '.join(missing)}; found {', '.join(frame.columns)}; "
            "it was made by another version, delete it and run again"
        )
    return frame


def _view(name: str, shown: pd.DataFrame, title: str) -> TableView:
    numeric = tuple(is_numeric(shown[column]) for column in shown.columns)
    rows = tuple(
        tuple(_cell(value, as_number) for value, as_number in zip(row, numeric, strict=True))
        for row in shown.itertuples(index=False)
    )
    return TableView(name, title, tuple(map(str, shown.columns)), numeric, rows)


def _cell(value: object, as_number: bool) -> Cell:
    text = str(value)
    return Cell(text, sort_key(text) if as_number else "")


def sort_key(text: str) -> str:
    """Return the first number of a shown cell in plain digits; empty where there is none."""
    found = _NUMBER.search(text)
    if found is None:
        return ""
    return found.group().replace(",", "").replace("−", "-").replace("∞", "Infinity")


def _figures(
    folder: Path, prefix: str = "", except_for: tuple[str, ...] = ()
) -> tuple[FigureView, ...]:
    """Return the figures whose names begin with ``prefix``, in the order of their names."""
    names = sorted(
        {path.stem for suffix in ("svg", "png") for path in folder.glob(f"*.{suffix}")}
        if folder.is_dir()
        else ()
    )
    chosen = [
        name
        for name in names
        if name.startswith(prefix) and not (except_for and name.startswith(except_for))
    ]
    return tuple(_figure(folder, name) for name in chosen)


def _figure(folder: Path, name: str) -> FigureView:
    vector, bitmap = folder / f"{name}.svg", folder / f"{name}.png"
    if vector.is_file():
        root = read_svg(vector)
        title, caption = svg_texts(root)
        label = f"{title or name}. {caption}".strip()
        prefix = re.sub(r"[^A-Za-z0-9]+", "-", name) + "-"
        markup = Markup(inline_svg(root, prefix, label))  # cleaned by inline_svg
        return FigureView(name, title or name, caption, markup)
    try:
        with Image.open(bitmap) as image:
            texts = {key: str(value) for key, value in image.info.items() if isinstance(key, str)}
    except UnidentifiedImageError as error:
        raise DataFileError(f"{bitmap}: is not a PNG figure; delete it and run again") from error
    title, caption = texts.get("Title", name), texts.get("Description", "")
    encoded = base64.b64encode(bitmap.read_bytes()).decode()
    markup = Markup('<img src="data:image/png;base64,{}" alt="{}">').format(
        encoded, f"{title}. {caption}".strip()
    )
    return FigureView(name, title, caption, markup)


def _provenance(path: Path) -> ProvenanceView:
    """Return what a scores file says of itself; a missing one is named so."""
    if not path.is_file():
        return ProvenanceView(path.name, (("missing", "this scores file is not there"),), ())
    with open_dataset(path, "scores") as scored:
        attributes = {str(key): value for key, value in scored.attrs.items()}
    folded = ("config", "source_hashes", "libraries")
    facts = tuple(
        (key.replace("_", " "), str(value))
        for key, value in sorted(attributes.items())
        if key not in folded
    )
    long_facts = tuple(
        (key.replace("_", " "), _pretty(str(attributes[key])))
        for key in folded
        if key in attributes
    )
    place = [str(attributes.get(key, "")) for key in ("space", "dataset", "setting")]
    return ProvenanceView(" / ".join(filter(None, place)) or path.name, facts, long_facts)


def _pretty(text: str) -> str:
    try:
        return json.dumps(json.loads(text), indent=2, sort_keys=True, ensure_ascii=False)
    except json.JSONDecodeError:
        return text
