"""``trainfree merge``: results of several machines as if one had made them.

Machines that run one configuration share the work: some shards here, some there, a data set or a
search each. What is joined must have been made with the same settings, code and images, file by
file; then the files stand together, and shards that are complete become one scores file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainfree.analysis.formats import count_of
from trainfree.errors import DataFileError, TrainfreeError
from trainfree.files.reading import files_below, is_there, open_file
from trainfree.files.storage import open_variables, read_dataset, read_header, read_kind
from trainfree.files.writing import write_atomically
from trainfree.scoring.jobs.merge import merge_shards
from trainfree.scoring.settings.setting import Setting
from trainfree.spaces import load_space
from trainfree.terminal.differences import dataset_differences
from trainfree.terminal.joining.checks import Found, require_same_origin
from trainfree.terminal.screen import Screen

_SHOWN = 20


class MergeError(TrainfreeError):
    """Results that are not of one run; every file that differs is named."""


@dataclass(frozen=True)
class Chosen:
    """A file of the joined results: its path there, and the folder that it is copied from."""

    name: str
    folder: Path

    @property
    def origin(self) -> Path:
        """The file that it is a copy of."""
        return self.folder / self.name


def merge_results(folders: Sequence[Path], output: Path, screen: Screen) -> None:
    """Join folders of results into a new one.

    Nothing is written unless all of it fits together.

    Parameters
    ----------
    folders
        Such as ``results/default`` of each machine.
    output
        A folder that is not there yet, or is empty.

    Raises
    ------
    MergeError
        When files were made with other settings, code, seeds or images, or contradict each other:
        each is named with what differs.
    DataFileError
        When a folder has no results, a file is damaged, or the output cannot be written.
    """
    _require_empty(output)
    found = [one for folder in folders for one in _files_of(folder)]
    problems = list(require_same_origin(found))
    if not problems:
        chosen, problems = _choose(found)
    if not problems:
        chosen, problems = _without_overlaps(chosen)
    if problems:
        told = "".join(f"\n  {problem}" for problem in problems[:_SHOWN])
        more = f"\n  and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        raise MergeError(f"these results are not of one run, nothing was written:{told}{more}")
    for one in sorted(chosen, key=lambda each: ("/shards/" not in each.name, each.name)):
        _copy(one.origin, output / one.name)
    counts = [(folder, sum(one.folder == folder for one in found)) for folder in folders]
    screen.table(("from", ">files"), counts)
    _merge_complete_shards(chosen, output, screen)
    screen.line(f"joined {count_of(len(chosen), 'file')} into {output}")
    screen.line(
        "tables, figures and the report are not copied; put the folder in the place of the run's "
        "results and make them there: snakemake --cores 2"
    )


def _require_empty(output: Path) -> None:
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise DataFileError(
            f"{output}: expected a folder that is not there or is empty; name another"
        )


def _files_of(folder: Path) -> Iterator[Found]:
    paths = files_below(folder, "**/*.h5")  # all else is made from these
    if not paths:
        problem = "has no data files of results" if folder.is_dir() else "is not a directory"
        raise DataFileError(
            f"{folder}: {problem}; expected a folder like results/default with scores/ or search/"
        )
    for path in paths:
        kind = read_kind(path)
        attributes, _ = read_header(path, kind)
        yield Found(folder, path.relative_to(folder).as_posix(), kind, attributes)


def _choose(found: Sequence[Found]) -> tuple[list[Chosen], list[str]]:
    """Return one file a name; of several the first, where they do not contradict each other."""
    by_name: dict[str, list[Found]] = {}
    for one in found:
        by_name.setdefault(one.name, []).append(one)
    chosen = [Chosen(name, files[0].folder) for name, files in by_name.items()]
    problems = [
        problem
        for files in by_name.values()
        for other in files[1:]
        if (problem := _contradiction(files[0], other))
    ]
    return chosen, problems


def _contradiction(first: Found, second: Found) -> str:
    """Return how two files of one name differ; empty where only measured times do."""
    if _bytes_of(first.path) == _bytes_of(second.path):
        return ""
    ours, theirs = (read_dataset(one.path, one.kind) for one in (first, second))
    differing = [one for one in dataset_differences(ours, theirs) if not one.measured]
    if not differing:
        return ""
    one = differing[0]
    return (
        f"{second.path}: {one.what} differs from {first.path} in {one.differing} of {one.count} "
        f"entries ({one.example}); keep one of them"
    )


def _bytes_of(path: Path) -> bytes:
    with open_file(path, "no such file") as file:
        return file.read()


def _copy(origin: Path, target: Path) -> None:
    content = _bytes_of(origin)
    write_atomically(target, lambda temporary: temporary.write_bytes(content))


# ---------------------------------------------------------------- shards


def _setting_of(name: str) -> str:
    """Return the folder of a setting that a shard belongs to, empty for other files."""
    folder, shards, _ = name.rpartition("/shards/")
    return folder if shards and folder.startswith("scores/") else ""


def _without_overlaps(chosen: Sequence[Chosen]) -> tuple[list[Chosen], list[str]]:
    """Leave out shards that others hold already, as runs with other shard sizes have them."""
    kept, problems = [one for one in chosen if not _setting_of(one.name)], []
    groups: dict[str, list[Chosen]] = {}
    for one in chosen:
        if setting := _setting_of(one.name):
            groups.setdefault(setting, []).append(one)
    merged = {one.name.removesuffix(".h5"): one for one in kept}
    for setting, shards in groups.items():
        taken, wrong = _disjoint(shards)
        kept += taken
        problems += wrong
        if whole := merged.get(setting):
            elsewhere = (one for one in taken if one.folder != whole.folder)
            told = (_overlap_contradiction(whole.origin, one.origin) for one in elsewhere)
            problems += filter(None, told)
    return kept, problems


def _disjoint(shards: Sequence[Chosen]) -> tuple[list[Chosen], list[str]]:
    """Return shards of one setting that hold each architecture once, larger ones first."""
    rows = {one: _rows_of(one.origin) for one in shards}
    taken: list[Chosen] = []
    problems: list[str] = []
    for one in sorted(shards, key=lambda each: -len(rows[each])):
        others = [each for each in taken if np.intersect1d(rows[one], rows[each]).size]
        told = [_overlap_contradiction(other.origin, one.origin) for other in others]
        problems += filter(None, told)
        if not others:
            taken.append(one)
        elif np.setdiff1d(rows[one], np.concatenate([rows[other] for other in others])).size:
            problems.append(
                f"{one.origin}: shares some architectures, but not all, with {others[0].origin}; "
                "score with one scoring.shard_size on all machines"
            )
    return taken, problems


def _rows_of(path: Path) -> NDArray[np.int64]:
    with open_variables(path, "scores") as file:
        return np.asarray(file["arch"][...])


def _overlap_contradiction(first: Path, second: Path) -> str:
    ours, theirs = (read_dataset(path, "scores") for path in (first, second))
    shared = np.intersect1d(ours["arch"], theirs["arch"])
    parts = (data.sel(arch=shared) for data in (ours, theirs))
    differing = [one for one in dataset_differences(*parts) if not one.measured]
    if not differing:
        return ""
    return f"{second}: {differing[0].what} differs from {first} ({differing[0].example})"


def _merge_complete_shards(chosen: Sequence[Chosen], output: Path, screen: Screen) -> None:
    """Merge the shards of each setting of which all are there and no machine merged them."""
    settings = dict.fromkeys(filter(None, (_setting_of(one.name) for one in chosen)))
    for name in settings:
        merged = output / f"{name}.h5"
        shards = files_below(output, f"{name}/shards/*.h5")
        if is_there(merged):
            continue
        attributes, _ = read_header(shards[0], "scores")
        setting = Setting.from_json(str(attributes["config"]))
        scored = sum(len(_rows_of(path)) for path in shards)
        size = setting.size(len(load_space(setting.space)))
        if scored < size:
            screen.line(f"{name}: {scored:,} of {size:,} architectures are scored; the run goes on")
            continue
        merge_shards(shards, setting, merged)
        screen.line(f"{merged}: merged from {count_of(len(shards), 'shard')}")
