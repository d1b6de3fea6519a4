"""How two results differ: arrays entry by entry, tables cell by cell, attributes key by key.

Scoring seconds are measured and never the same twice; they are marked, so that a caller can leave
them out. Simulated training seconds are results like any other.
"""

from __future__ import annotations

import csv
import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trainfree.errors import DataFileError
from trainfree.files.reading import cannot_be_read

if TYPE_CHECKING:
    import xarray as xr

MEASURED = {"seconds", "proxy_seconds", "scoring_seconds", "answer_scoring_seconds"}
"""Variables of data files, and columns of tables, that hold measured seconds."""
IDENTIFIERS = {"trace_arch", "answer"}
"""Variables of architecture indices, whose distances mean nothing."""
MEASURED_TABLES = {"timing"}
MEASURED_UNITS = {"s", "ms"}
_NOT_PROVENANCE = {"config", "schema", "schema_version"}

Row = dict[str, str]


@dataclass(frozen=True)
class Difference:
    """How one variable, proxy or column differs.

    Attributes
    ----------
    what
        Its name.
    differing, count
        Entries that differ, and all there are on both sides.
    largest
        Largest absolute difference, NaN where it is not of quantities.
    example
        The first entry that differs, with both values.
    measured
        Whether it is a measured time.
    """

    what: str
    differing: int
    count: int
    largest: float = math.nan
    example: str = ""
    measured: bool = False


def dataset_differences(first: xr.Dataset, second: xr.Dataset) -> Iterator[Difference]:
    """Yield how two data files differ, on the coordinates that they share.

    Coordinates of which one side has more are differences themselves.
    """
    shared: dict[str, list[Any]] = {}
    for name in sorted({*map(str, first.indexes), *map(str, second.indexes)}):
        ours, theirs = (_labels(dataset, name) for dataset in (first, second))
        if ours == theirs:
            continue
        known = set(theirs)
        shared[name] = [label for label in ours if label in known]
        alone = len(ours) + len(theirs) - 2 * len(shared[name])
        example = f"{len(ours)} and {len(theirs)}, {len(shared[name])} in both"
        if not alone:
            example = "in another order"
        yield Difference(name, alone, alone + len(shared[name]), example=example)
    for name in sorted({*map(str, first.data_vars), *map(str, second.data_vars)}):
        if name not in first or name not in second:
            side = "first" if name in first else "second"
            yield Difference(name, 1, 1, example=f"in the {side} only")
            continue
        left, right = (_on(dataset[name], shared) for dataset in (first, second))
        if left.sizes == right.sizes:
            yield from _variable_differences(name, left, right)
        else:
            yield Difference(name, 1, 1, example=f"{dict(left.sizes)} and {dict(right.sizes)}")


def _on(values: xr.DataArray, shared: Mapping[str, list[Any]]) -> xr.DataArray:
    """Return the values at the labels that both sides have."""
    chosen = {str(dim): shared[str(dim)] for dim in values.dims if str(dim) in shared}
    return values.sel(chosen) if chosen else values


def _labels(dataset: xr.Dataset, name: str) -> list[Any]:
    labels: list[Any] = dataset[name].to_numpy().tolist() if name in dataset.coords else []
    return labels


def _variable_differences(
    name: str, first: xr.DataArray, second: xr.DataArray
) -> Iterator[Difference]:
    """Yield the difference of a variable, for each proxy where it has them."""
    if "proxy" in first.dims:
        for proxy in first["proxy"].to_numpy().tolist():
            parts = (values.sel(proxy=proxy, drop=True) for values in (first, second))
            yield from _array_difference(f"{name} of {proxy}", name, *parts)
    else:
        yield from _array_difference(name, name, first, second)


def _array_difference(
    what: str, name: str, first: xr.DataArray, second: xr.DataArray
) -> Iterator[Difference]:
    ours, theirs = first.to_numpy(), second.to_numpy()
    differs = _unequal(ours, theirs)
    if not differs.any():
        return
    largest = math.nan
    numeric = ours.dtype.kind in "fiu" and theirs.dtype.kind in "fiu"
    if numeric and name not in IDENTIFIERS:
        largest = _largest(ours[differs].astype(float), theirs[differs].astype(float))
    place = tuple(int(axis[0]) for axis in np.nonzero(differs))
    where = " ".join(
        f"{dim} {first[dim].to_numpy()[at]}" for dim, at in zip(first.dims, place, strict=True)
    )
    example = f"{where}: {_shown(ours[place])} → {_shown(theirs[place])}"
    yield Difference(
        what, int(differs.sum()), differs.size, largest, example, measured=name in MEASURED
    )


def _unequal(first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.bool_]:
    """Return where two arrays differ; NaN equals NaN."""
    differs: NDArray[np.bool_] = np.asarray(first != second)
    if first.dtype.kind == "f" and second.dtype.kind == "f":
        differs &= ~(np.isnan(first) & np.isnan(second))
    return differs


def _largest(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Return the largest distance; ∞ where a value became infinite, NaN or the reverse."""
    finite = np.isfinite(first) & np.isfinite(second)
    return math.inf if not finite.all() else float(np.abs(first - second).max())


def _shown(value: object) -> str:
    if isinstance(value, float | np.floating):
        return f"{value:.6g}"
    return str(value) if isinstance(value, int | np.integer) else repr(str(value))


def read_table(path: Path) -> list[Row]:
    """Return the rows of a table in CSV; raises DataFileError where it cannot be read."""
    try:
        with path.open(encoding="utf-8", newline="") as handle:
            return list(csv.DictReader(handle, strict=True, restval=""))
    except OSError as error:
        raise cannot_be_read(path, error) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataFileError(f"{path}: is not a readable CSV table ({error})") from error


def table_differences(
    name: str, first: Sequence[Row], second: Sequence[Row]
) -> Iterator[Difference]:
    """Yield how two tables differ, column by column.

    Rows stand beside each other by the words that name them, whatever their order.
    """
    pairs, alone = _paired(first, second)
    if alone:
        example = f"{len(first)} and {len(second)}, {len(pairs)} in both"
        yield Difference("rows", alone, alone + len(pairs), example=example)
    columns = dict.fromkeys((*(first[0] if first else ()), *(second[0] if second else ())))
    for column in columns:
        for measured in (False, True):
            cells = [
                (row, ours.get(column, ""), theirs.get(column, ""))
                for row, (ours, theirs) in enumerate(pairs)
                if _is_measured(name, column, ours) == measured
            ]
            unequal = [cell for cell in cells if cell[1] != cell[2]]
            if unequal:
                yield replace(_column(column, unequal, len(cells)), measured=measured)


def _is_measured(table: str, column: str, row: Mapping[str, str]) -> bool:
    return table in MEASURED_TABLES or column in MEASURED or row.get("unit") in MEASURED_UNITS


def _column(name: str, unequal: Sequence[tuple[int, str, str]], count: int) -> Difference:
    numbers = [(_number(ours), _number(theirs)) for _, ours, theirs in unequal]
    largest = math.nan
    if all(ours is not None and theirs is not None for ours, theirs in numbers):
        ours, theirs = (np.array(side, dtype=float) for side in zip(*numbers, strict=True))
        largest = _largest(ours, theirs)
    row, before, after = unequal[0]
    example = f"row {row + 1}: {before or 'empty'} → {after or 'empty'}"
    return Difference(name, len(unequal), count, largest, example)


def _paired(first: Sequence[Row], second: Sequence[Row]) -> tuple[list[tuple[Row, Row]], int]:
    """Return the pairs of rows, and how many rows have no partner."""
    names = _naming_columns(first, second)
    waiting: dict[tuple[str, ...], list[Row]] = {}
    for row in second:
        waiting.setdefault(_key(row, names), []).append(row)
    pairs = []
    for row in first:
        if partners := waiting.get(_key(row, names)):
            pairs.append((row, partners.pop(0)))
    return pairs, len(first) + len(second) - 2 * len(pairs)


def _naming_columns(first: Sequence[Row], second: Sequence[Row]) -> list[str]:
    """Return the columns of words that say what a row is about.

    Those that hold the same words in both tables; where rows were added, those before the first
    number.
    """
    columns = list(first[0]) if first else []
    rows = [*first, *second]
    words = [name for name in columns if all(_number(row.get(name, "")) is None for row in rows)]
    if len(first) == len(second):
        return [
            name
            for name in words
            if Counter(row.get(name) for row in first) == Counter(row.get(name) for row in second)
        ]
    return [name for name, column in zip(words, columns, strict=False) if name == column]


def _key(row: Row, names: Sequence[str]) -> tuple[str, ...]:
    return tuple(row.get(name, "") for name in names)


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def provenance_differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> Counter[str]:
    """Return the attributes that differ as sentences; nested ones one by one."""
    ours, theirs = (_flat(attributes) for attributes in (first, second))
    return Counter(
        f"{key}: {ours.get(key, 'absent')} → {theirs.get(key, 'absent')}"
        for key in sorted({*ours, *theirs})
        if ours.get(key) != theirs.get(key)
    )


def _flat(attributes: Mapping[str, Any]) -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in attributes.items():
        if key in ("config", "libraries", "source_hashes"):
            _flatten(key, _parsed(str(value)), flat)
        elif key not in _NOT_PROVENANCE:
            flat[key] = str(value)
    return flat


def _flatten(key: str, value: object, flat: dict[str, str]) -> None:
    if isinstance(value, dict) and value:
        for name, part in value.items():
            _flatten(f"{key}.{name}", part, flat)
    else:
        flat[key] = value if isinstance(value, str) else json.dumps(value)


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text
