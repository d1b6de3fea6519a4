"""What made the results: the attributes of the data files, and what the jobs took."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from trainfree.analysis.data_line import is_stand_in
from trainfree.analysis.formats import number, seconds
from trainfree.analysis.inputs import DATASET_TITLES
from trainfree.errors import DataFileError
from trainfree.files.small_files import text_of
from trainfree.files.storage import read_header
from trainfree.report.page.tables import TableView, made_view

LARGEST_COSTS = 1_000_000  # bytes; Snakemake writes two lines
FOLDED = ("config", "source_hashes", "libraries")


@dataclass(frozen=True)
class Made:
    """A data file: its kind, its path, how many architectures or runs it holds, its attributes."""

    kind: str
    path: Path
    count: int
    attributes: Mapping[str, str]

    @property
    def title(self) -> str:
        """What a heading calls it."""
        keys = ("space", "dataset", "setting")
        named = [self.attributes[key] for key in keys if self.attributes.get(key)]
        return f"{self.kind}: {' / '.join(named) or self.path.name}"

    @property
    def facts(self) -> tuple[tuple[str, str], ...]:
        """The short attributes."""
        items = sorted(self.attributes.items())
        return tuple((key.replace("_", " "), text) for key, text in items if key not in FOLDED)

    @property
    def long_facts(self) -> tuple[tuple[str, str], ...]:
        """The long attributes, set out over several lines."""
        there = [key for key in FOLDED if key in self.attributes]
        return tuple((key.replace("_", " "), _pretty(self.attributes[key])) for key in there)

    @property
    def is_stand_in(self) -> bool:
        """Whether it is made of something else than what its name says."""
        return is_stand_in(self.attributes)


@dataclass(frozen=True)
class Provenance:
    """The data files that the page is made of."""

    scores: tuple[Made, ...]
    searches: tuple[Made, ...]
    benchmarks: tuple[Made, ...]

    @property
    def files(self) -> tuple[Made, ...]:
        """All of them."""
        return (*self.scores, *self.searches, *self.benchmarks)

    @property
    def in_brief(self) -> str:
        """What was scored, in a line; empty without scores."""
        spaces: dict[str, int] = {}
        for made in self.scores:
            space = made.attributes.get("space", "?")
            spaces[space] = max(spaces.get(space, 0), made.count)
        names = (made.attributes.get("dataset", "") for made in self.scores)
        counts = (f"{number(count, 0)} architectures of {name}" for name, count in spaces.items())
        images = ", ".join(dict.fromkeys(DATASET_TITLES.get(name, name) for name in names))
        return f"{' and '.join(counts)}, scored on {images}" if spaces else ""

    @property
    def has_stand_in(self) -> bool:
        """Whether anything stands in for other data."""
        return any(made.is_stand_in for made in self.files)

    @property
    def data_notes(self) -> tuple[tuple[str, str, bool], ...]:
        """Each kind of data: title, what it is in full, whether it is a stand-in."""
        notes = {}
        for made in self.scores:
            name = made.attributes.get("dataset", "")
            title = f"Images, {DATASET_TITLES.get(name, name)}"
            notes[title] = (made.attributes.get("image_source", ""), made.is_stand_in)
        for made in self.benchmarks:
            title = f"Trained accuracies, {made.attributes.get('space', made.path.stem)}"
            notes[title] = (made.attributes.get("source_note", ""), made.is_stand_in)
        return tuple((title, text or "not recorded", flag) for title, (text, flag) in notes.items())

    def searches_table(self) -> TableView | None:
        """Return the searches with seeds and hashes, None without any."""
        columns = (
            *("Data set", "Search", "Algorithm", "Guided by", "Preset", "Runs", "Root seed"),
            *("Config hash", "Code hash"),
        )
        keys = ("dataset", "search", "algorithm", "signal", "preset", "runs", "seed")
        rows = [
            [made.attributes.get(key, "") for key in (*keys, "config_hash", "code_hash")]
            for made in self.searches
        ]
        title = "Searches: attributes of each search file"
        return made_view("provenance-searches", title, columns, rows) if rows else None


def read_provenance(
    scores: Sequence[Path], searches: Sequence[Path], benchmarks: Sequence[Path]
) -> Provenance:
    """Return the attributes of all files that are there.

    Raises
    ------
    DataFileError
        When a file is damaged.
    """
    return Provenance(
        tuple(_made(path, "scores", "arch") for path in scores if path.is_file()),
        tuple(_made(path, "search", "run") for path in searches if path.is_file()),
        tuple(_made(path, "benchmark", "arch") for path in benchmarks if path.is_file()),
    )


def costs_table(folder: Path) -> TableView | None:
    """Return what the jobs of each rule took, from the files that Snakemake writes.

    Parameters
    ----------
    folder
        ``logs/benchmarks``.

    Raises
    ------
    DataFileError
        When a file there has no column of seconds.
    """
    rules: dict[str, list[tuple[float, float]]] = {}
    for path in sorted(folder.rglob("*.tsv")):
        rule = path.relative_to(folder).parts[0].removesuffix(".tsv")
        rules.setdefault(rule, []).extend(_costs(path))
    rows = []
    for rule, costs in sorted(rules.items(), key=lambda item: -sum(s for s, _ in item[1])):
        each = [spent for spent, _ in costs]
        memory = max(used for _, used in costs)
        shown = (seconds(sum(each)), seconds(max(each)), number(memory, 0))
        rows.append((rule, number(len(costs), 0), *shown))
    columns = ("Rule", "Jobs", "Total (s)", "Longest job (s)", "Peak memory (MiB)")
    title = (
        "Run times: wall time and peak resident memory of successful jobs, as measured by "
        "Snakemake in the latest run of each"
    )
    return made_view("provenance-costs", title, columns, rows) if rows else None


def _made(path: Path, kind: str, counted: str) -> Made:
    attributes, sizes = read_header(path, kind)
    shown = {key: str(value) for key, value in attributes.items()}
    return Made(kind, path, sizes.get(counted, 0), shown)


def _costs(path: Path) -> Iterator[tuple[float, float]]:
    try:
        rows = list(csv.DictReader(StringIO(text_of(path, LARGEST_COSTS)), delimiter="\t"))
    except csv.Error as error:
        raise DataFileError(f"{path}: is not a table ({error}); delete it") from error
    for row in rows:
        try:
            yield float(row["s"]), _amount(row.get("max_rss"))
        except (KeyError, TypeError, ValueError) as error:
            raise DataFileError(
                f"{path}: expected a column s with seconds, as Snakemake writes it, found "
                f"{', '.join(map(str, row))}; delete it"
            ) from error


def _amount(text: str | None) -> float:
    return 0.0 if text in (None, "", "-", "NA") else float(text)


def _pretty(text: str) -> str:
    try:
        return json.dumps(json.loads(text), indent=2, sort_keys=True, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text
