"""The papers' numbers, read from ``reports/published/*.yaml``: one cell of a table, one entry.

The files also say what of ours stands beside a cell and whether the two were got in the same way,
so that no code knows a published value.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from trainfree.analysis.malformed import explained
from trainfree.errors import DataFileError
from trainfree.files.reading import read_text
from trainfree.trainings import UNSTATED

_OfSearches = Literal["answer", "random", "oracle", "best_scored", "history", "shared"]
Kind = Literal[_OfSearches, "tau", "pearson", "sampled", "none"]
Quantity = Literal["accuracy", "score", "seconds"]
YAML_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # of libyaml ten times faster
Unit = Literal["%", "s", "ms", "nats", "tau", "rho", "r", "ndcg"]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Instead(_Entry):
    """Accuracies that are read where a run lacks those of a cell's :class:`Measure`."""

    outcome: str
    comparable: str = Field(default="yes", pattern=r"^(yes|no: .+)$")
    remark: str = ""


class Measure(_Entry):
    """What of ours stands beside a published cell.

    Attributes
    ----------
    kind
        How it is read: see the head of the files.
    quantity
        What of a search or of sampled architectures is read.
    space, dataset
        The space, where it is another than the file's, and the image set scored or searched.
    outcome
        The accuracy, ``<benchmark data set>/<split>/<epochs>``.
    search, algorithm, signal, proxy, preset, budget, budget_kind
        The search, by the attributes of its file; empty: any. ``signal`` is a correlation's proxy
        too, ``algorithm`` a method of weight sharing.
    least_accuracy, after
        Correlations leave out architectures of no more percent; histories so many first steps.
    comparable
        ``yes``, or ``no: <reason>``.
    remark
        A difference in protocol that does not stop the comparison.
    instead
        What is read where the run lacks ``outcome``.
    """

    kind: Kind
    quantity: Quantity = "accuracy"
    space: str = ""
    dataset: str = ""
    outcome: str = ""
    search: str = ""
    algorithm: str = ""
    signal: str = ""
    proxy: str = ""
    preset: str = ""
    budget: int = 0
    budget_kind: Literal["evaluations", "training_seconds"] = "evaluations"
    least_accuracy: float = 15.0
    after: int = 0
    comparable: str = Field(default="yes", pattern=r"^(yes|no: .+)$")
    remark: str = ""
    instead: Instead | None = None


class Cell(_Entry):
    """One published number.

    Attributes
    ----------
    paper, table, row, column
        Where it is printed.
    value, spread
        The number and its standard deviation, None where none is printed.
    unit
        Of both.
    n
        Runs or architectures behind it, None where the paper does not say.
    note
        What a reader has to know of it.
    suspicious
        Why it cannot be what its caption says; empty for nearly all.
    """

    paper: str
    table: str
    row: str
    column: str
    value: float = Field(allow_inf_nan=False)
    spread: float | None = Field(ge=0, allow_inf_nan=False)
    unit: Unit
    n: int | None = Field(ge=1)
    note: str
    suspicious: str


class _Table(_Entry):
    name: str = Field(pattern=r"^[a-z0-9_]+$")
    title: str
    space: str = ""
    common: dict[str, Any]
    rows: dict[str, dict[str, Any]]
    columns: dict[str, dict[str, Any]]


class _File(_Entry):
    paper: str
    order: int
    citation: str
    hardware: str
    space: str
    batch_size: int
    searched_on: str
    epochs: int
    tables: dict[str, _Table]
    cells: list[Cell]


@dataclass(frozen=True)
class Beside:
    """A published cell and whether it can stand beside a measured number: yes, roughly or no."""

    cell: Cell
    comparable: str


@dataclass(frozen=True)
class PublishedTable:
    """One published table: each cell with what stands beside it, in the paper's order.

    Attributes
    ----------
    name
        Stem of its file under ``results/tables``.
    title
        Caption.
    space, batch_size
        The search space it is about, and the images of a mini-batch.
    elsewhere
        Whether that is another space than the paper's other tables are about.
    cells
        Cells and measures.
    """

    name: str
    title: str
    space: str
    batch_size: int
    elsewhere: bool
    cells: tuple[tuple[Cell, Measure], ...]

    @property
    def kinds(self) -> set[str]:
        """The readings of its cells."""
        return {measure.kind for _, measure in self.cells}


@dataclass(frozen=True)
class Published:
    """The tables of one paper and how its numbers were got.

    Attributes
    ----------
    path
        Its file.
    paper, citation
        Short name and reference.
    order
        Its place among the papers, from 1; the first one's numbers stand in the general tables.
    hardware
        What the published seconds were measured on.
    space, searched_on
        The space and the image data set of the searches.
    epochs
        Training epochs of the published accuracies.
    tables
        Its tables.
    """

    path: Path
    paper: str
    order: int
    citation: str
    hardware: str
    space: str
    searched_on: str
    epochs: int
    tables: tuple[PublishedTable, ...]

    def has_searched(self, space: str, dataset: str) -> bool:
        """Whether its searches are of a space, on an image set."""
        return (space, dataset) == (self.space, self.searched_on)

    def pairs(self) -> Iterator[tuple[Cell, Measure]]:
        """Yield every cell with what stands beside it."""
        for table in self.tables:
            yield from table.cells

    def accuracy(self, wanted: Mapping[str, object], outcome: str) -> Beside | None:
        """Return the cell beside a measured accuracy, or None.

        Parameters
        ----------
        wanted
            Fields that its measure must have; what a measure leaves open fits anything.
        outcome
            ``dataset/split/epochs``. With other epochs than the published ones there is no cell,
            and with unstated epochs (``?``) the cell is comparable only roughly.
        """
        column, _, epochs = outcome.rpartition("/")
        if epochs not in (str(self.epochs), UNSTATED):
            return None
        wanted = {key: as_published(value) for key, value in wanted.items()}
        for cell, measure in self.pairs():
            if measure.quantity != "accuracy" or measure.outcome != f"{column}/{self.epochs}":
                continue
            fields = measure.model_dump(include=set(wanted))
            if all(fields[key] in ("", 0, value) for key, value in wanted.items()):
                return Beside(cell, comparable(measure, epochs))
        return None

    def seconds(self, proxy: str) -> dict[int, float]:
        """Return the published seconds of searches with a proxy, by number of architectures."""
        return {
            measure.budget: cell.value
            for table in self.tables
            for cell, measure in table.cells
            if measure.kind == "answer"
            and not table.elsewhere
            and (measure.quantity, measure.budget_kind) == ("seconds", "evaluations")
            and measure.signal == as_published(proxy)
        }


def as_published(name: object) -> object:
    """Return the paper's name of a signal: it has one NASWOT score, we have two."""
    return "naswot" if name == "naswot_official" else name


def comparable(measure: Measure, epochs: str) -> str:
    """Return ``yes``, ``roughly: <reason>`` or the measure's own ``no: <reason>``.

    Parameters
    ----------
    epochs
        Those of the measured accuracies, ``?`` where nobody states them.
    """
    if measure.comparable != "yes":
        return measure.comparable
    reasons = [measure.remark]
    if epochs == UNSTATED:
        reasons.append("accuracies of another training of the space, epochs not stated")
    told = "; ".join(filter(None, reasons))
    return f"roughly: {told}" if told else "yes"


def read_published(path: Path) -> Published:
    """Read a file of published numbers.

    Raises
    ------
    DataFileError
        Naming the file and the entry, when the file is missing or an entry is malformed.
    """
    try:
        text = read_text(path, "no such file of published numbers")
        content = yaml.load(text, Loader=YAML_LOADER)
    except yaml.YAMLError as error:
        raise DataFileError(f"{path}: is not valid YAML: {error}") from error
    try:
        file = _File.model_validate(content)
    except ValidationError as error:
        lines = [explained(dict(detail), content) for detail in error.errors()]
        raise DataFileError(f"{path}: " + "\n  ".join(lines)) from error
    _check_places(path, file)
    tables = tuple(_table(path, file, printed) for printed in file.tables)
    return Published(
        path=path,
        paper=file.paper,
        order=file.order,
        citation=file.citation,
        hardware=file.hardware,
        space=file.space,
        searched_on=file.searched_on,
        epochs=file.epochs,
        tables=tables,
    )


def read_papers(folder: Path) -> list[Published]:
    """Read the published numbers of a folder, in the papers' order.

    Raises
    ------
    DataFileError
        When a file is malformed.
    """
    papers = (read_published(path) for path in sorted(folder.glob("*.yaml")))
    return sorted(papers, key=lambda paper: paper.order)


def find_table(papers: Iterable[Published], name: str) -> PublishedTable:
    """Return the published table of that name.

    Raises
    ------
    DataFileError
        When no paper has it.
    """
    tables = {table.name: table for paper in papers for table in paper.tables}
    if name not in tables:
        raise DataFileError(
            f"no published table {name!r}; the files given have {', '.join(tables) or 'none'}"
        )
    return tables[name]


def table_names(papers: Iterable[Published]) -> list[str]:
    """Return the names of the published tables, in the papers' order."""
    return [table.name for paper in papers for table in paper.tables]


def _check_places(path: Path, file: _File) -> None:
    """Require that each cell stands in a described table, row and column, and once."""
    seen = set()
    for position, cell in enumerate(file.cells):
        where = f"{path}: entry {position + 1} of cells"
        table = file.tables.get(cell.table)
        if table is None:
            raise DataFileError(f"{where}: unknown table {cell.table!r}")
        for kind, name, known in (
            ("row", cell.row, table.rows),
            ("column", cell.column, table.columns),
        ):
            if name not in known:
                raise DataFileError(
                    f"{where}: unknown {kind} {name!r} of {cell.table}; "
                    f"expected one of {', '.join(known)}"
                )
        place = (cell.table, cell.row, cell.column)
        if place in seen:
            raise DataFileError(f"{where}: {', '.join(place)} occurs twice")
        seen.add(place)


def _table(path: Path, file: _File, printed: str) -> PublishedTable:
    table = file.tables[printed]
    cells = tuple(
        (cell, _measure(path, table, cell)) for cell in file.cells if cell.table == printed
    )
    return PublishedTable(
        name=table.name,
        title=table.title,
        space=table.space or file.space,
        batch_size=file.batch_size,
        elsewhere=table.space not in ("", file.space),
        cells=cells,
    )


def _measure(path: Path, table: _Table, cell: Cell) -> Measure:
    merged = {**table.common, **table.columns[cell.column], **table.rows[cell.row]}
    try:
        return Measure.model_validate(merged)
    except ValidationError as error:
        lines = [explained(dict(detail), merged) for detail in error.errors()]
        where = f"{path}: {cell.table}, {cell.row}, {cell.column}"
        raise DataFileError(f"{where}: {'; '.join(lines)}") from error
