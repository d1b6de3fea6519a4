"""``trainfree cite``: BibTeX of the papers that a run rests on, each with what it was used for."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from trainfree import __version__
from trainfree.analysis.inputs import texts
from trainfree.errors import DataFileError
from trainfree.files.reading import files_below
from trainfree.files.storage import open_dataset, read_header, read_kind
from trainfree.files.writing import write_text
from trainfree.proxies import PROXY_NAMES, load_proxy
from trainfree.terminal.citing.papers import (
    OF_ALGORITHMS,
    OF_CITES,
    OF_COMBINATIONS,
    OF_IMAGES,
    OF_METHODS,
    OF_RESULTS,
    OF_SOURCES,
    OF_SPACES,
)
from trainfree.terminal.screen import clean
from trainfree.trainings import ACCURACY

_ENTRY = re.compile(r"^@\w+\{([^,]+),.*?^\}", flags=re.MULTILINE | re.DOTALL)
_WITH_PROXIES = ("scores", "draws")
_SUBJECT = "training-free neural architecture search"
SUITE = f"""@software{{trainfree,
  title = {{trainfree: a reproducible benchmark suite for {_SUBJECT}}},
  version = {{{__version__}}},
}}"""

Uses = dict[str, list[str]]
"""What each paper was used for, by its key, in the order in which it was met."""


def cite(folders: Sequence[Path], output: Path | None = None) -> None:
    """Print BibTeX, or write it to a file.

    Parameters
    ----------
    folders
        Folders of results; of none, all that the suite has.

    Raises
    ------
    DataFileError
        When a folder has no results, or a file of theirs cannot be read.
    """
    used = _used_by(folders) if folders else everything()
    text = bibtex(used)
    if output is None:
        sys.stdout.write(text)
    else:
        write_text(output, text)


def bibtex(used: Sequence[tuple[str, str]]) -> str:
    """Return the entries of what was used, (kind, name), and comments on what has none."""
    entries, uses, unknown = read_entries(), dict[str, list[str]](), []
    for kind, name in dict.fromkeys(used):
        keys = papers_of(kind, name)
        if keys is None:
            unknown.append(f"{kind} {name}".replace("@", "(at)"))  # BibTeX reads an entry there
            continue
        for key in keys:
            said = f"files {name}*" if kind == "results" else f"{kind} {name}"
            uses.setdefault(key, []).append(said)
    parts = [SUITE]
    parts += [f"% {_shortened(uses[key])}\n{entries[key]}" for key in entries if key in uses]
    if unknown:
        told = "".join(f"\n%   {clean(one)}" for one in unknown)
        parts.append(f"% not the suite's own; cite what their authors ask for:{told}")
    return "\n\n".join(parts) + "\n"


def _shortened(names: Sequence[str], most: int = 8) -> str:
    shown = ", ".join(map(clean, names[:most]))
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def read_entries() -> dict[str, str]:
    """Return the entries of the package's bibliography by key."""
    text = (resources.files("trainfree") / "data" / "citations.bib").read_text(encoding="utf-8")
    return {found[1]: found[0] for found in _ENTRY.finditer(text)}


def papers_of(kind: str, name: str) -> tuple[str, ...] | None:
    """Return the keys of the papers behind a name; None where the suite does not know it."""
    if kind == "proxy":
        return OF_CITES.get(load_proxy(name).cite) if name in PROXY_NAMES else None
    known: Mapping[str, Mapping[str, tuple[str, ...]]] = {
        "combination": OF_COMBINATIONS,
        "space": OF_SPACES,
        "benchmark": OF_SOURCES,
        "search": OF_ALGORITHMS,
        "method": OF_METHODS,
        "images": OF_IMAGES,
        "results": OF_RESULTS,
    }
    return known[kind].get(name)


def everything() -> list[tuple[str, str]]:
    """Return all that the suite has, (kind, name)."""
    return [
        *(("proxy", name) for name in PROXY_NAMES),
        *(("combination", name) for name in OF_COMBINATIONS),
        *(("space", name) for name in OF_SPACES),
        *(("benchmark", name) for name in OF_SOURCES),
        *(("search", name) for name in OF_ALGORITHMS),
        *(("method", name) for name in OF_METHODS),
        *(("images", name) for name in OF_IMAGES),
        *(("results", name) for name in OF_RESULTS),
    ]


def _used_by(folders: Sequence[Path]) -> list[tuple[str, str]]:
    used = []
    for folder in folders:
        found = [*_of_data(folder), *_of_paths(folder)]
        if not found:
            problem = "has no results" if folder.is_dir() else "is not a directory"
            raise DataFileError(f"{folder}: {problem}; expected a folder like results/default")
        used += found
    return used


def _of_data(folder: Path) -> Iterator[tuple[str, str]]:
    for path in files_below(folder, "**/*.h5"):
        if path.parent.name == "shards" and path.parent.with_suffix(".h5").exists():
            continue
        kind = read_kind(path)
        attributes, _ = read_header(path, kind)
        yield from _of_attributes(attributes)
        if kind in _WITH_PROXIES:
            with open_dataset(path, kind) as data:
                yield from (("proxy", name) for name in texts(data["proxy"]))


def _of_attributes(attributes: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what the attributes of a data file name."""
    named = {"space": "space", "images": "dataset", "search": "algorithm", "method": "method"}
    for kind, key in named.items():
        if name := str(attributes.get(key, "")):
            yield kind, name
    signals = (str(attributes.get(key, "")) for key in ("signal", "proxy"))
    for name in filter(None, signals):
        if name != ACCURACY:
            yield ("combination" if name in OF_COMBINATIONS else "proxy"), name
    notes = " ".join(str(attributes.get(key, "")) for key in ("signal_note", "source_note"))
    yield from (("benchmark", word) for word in OF_SOURCES if word in notes)


def _of_paths(folder: Path) -> Iterator[tuple[str, str]]:
    names = [
        path.relative_to(folder).as_posix()
        for pattern in ("tables/*.csv", "learned/**/*.h5", "fronts/**/*.h5", "enas*/**/*.h5")
        for path in files_below(folder, pattern)
    ]
    for beginning in OF_RESULTS:
        if any(name.startswith(beginning) for name in names):
            yield "results", beginning
