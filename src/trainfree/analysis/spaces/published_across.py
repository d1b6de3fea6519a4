"""Rank correlations that papers print of proxies on whole spaces, to stand beside ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from trainfree.errors import DataFileError
from trainfree.files.reading import read_text

STATISTICS = ("spearman", "kendall")


@dataclass(frozen=True)
class PublishedRanking:
    """One printed number, or two.

    Attributes
    ----------
    place
        Space, data set and proxy.
    spearman, kendall
        As printed, NaN where it is not.
    source
        The paper's short name.
    """

    place: tuple[str, str, str]
    spearman: float
    kendall: float
    source: str


def read_published_across(path: Path) -> list[PublishedRanking]:
    """Return the numbers of a file of published rankings.

    Raises
    ------
    DataFileError
        When the file is missing or is of another form; names the entry.
    """
    try:
        content = yaml.safe_load(read_text(path))
    except yaml.YAMLError as error:
        raise DataFileError(f"{path}: no YAML ({error})") from error
    if not isinstance(content, Mapping) or not isinstance(content.get("rankings"), list):
        raise DataFileError(f"{path}: expected a list under the key rankings")
    found: dict[tuple[str, str, str], PublishedRanking] = {}
    for place, entry in enumerate(content["rankings"]):
        for ranking in _rankings(entry, f"{path}: rankings[{place}]"):
            if ranking.place in found:
                raise DataFileError(f"{path}: {'/'.join(ranking.place)} occurs twice")
            found[ranking.place] = ranking
    return list(found.values())


def _rankings(entry: Any, where: str) -> list[PublishedRanking]:
    texts = ("source", "space", "dataset", "statistic")
    if (
        not isinstance(entry, Mapping)
        or any(not isinstance(entry.get(key), str) for key in texts)
        or entry["statistic"] not in STATISTICS
        or not isinstance(entry.get("values"), Mapping)
    ):
        raise DataFileError(
            f"{where}: expected source, space, dataset, statistic ({' or '.join(STATISTICS)}) and "
            f"values by proxy, found {entry!r}"
        )
    found = []
    for proxy, value in entry["values"].items():
        if not isinstance(proxy, str) or type(value) is not float or not -1 <= value <= 1:
            raise DataFileError(f"{where}: {proxy}: expected a number from -1 to 1, found {value}")
        both = {name: value if name == entry["statistic"] else float("nan") for name in STATISTICS}
        place = (entry["space"], entry["dataset"], proxy)
        found.append(PublishedRanking(place, both["spearman"], both["kendall"], entry["source"]))
    return found
