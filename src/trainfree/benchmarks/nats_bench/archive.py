"""The official NATS-Bench archives of both spaces: one compressed pickle an architecture.

An archive is a folder or .tar file of ``NNNNNN.pickle.pbz2`` (the "simple" layout of
NATS-tss-v1_0-3ffb9 and NATS-sss-v1_0-50262). Each holds a dictionary by kind of training ("12" and
"200" epochs of topologies, "01", "12" and "90" of sizes) of the architecture's trainings by (data
set, seed). Files are read one at a time.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trainfree.benchmarks.checks import LONGEST_TRAINING, plain_number
from trainfree.benchmarks.schema import BenchmarkTable, Column, parse_architecture
from trainfree.errors import SourceError
from trainfree.progress import progress_bar
from trainfree.sources.delivery import Delivery
from trainfree.sources.formats.archives import TarBounds, tar_members
from trainfree.sources.formats.reading import (
    MIB,
    brief,
    brief_error,
    is_folder,
    read_file,
    unreadable,
)
from trainfree.sources.formats.unpickling import load_bz2_pickle
from trainfree.sources.formats.wrong_files import NATS_FOLDER, NATS_SIZE_FOLDER
from trainfree.spaces.nasbench201.space import CellSpace
from trainfree.spaces.nats_sss.space import SizeSpace

FOLDER_NAME = NATS_FOLDER
_FILE_NAME = re.compile(r"(?:.*/)?([0-9]{6})\.pickle\.pbz2")
_NO_RECORD = (
    *(KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError),
    RecursionError,
)
# Which of the archive's evaluations is which split (NATS-Bench's names differ by data set).
EVALUATIONS = {
    "cifar10-valid": {"valid": "x-valid", "test": "ori-test"},
    "cifar10": {"test": "ori-test"},
    "cifar100": {"valid": "x-valid", "test": "x-test"},
    "ImageNet16-120": {"valid": "x-valid", "test": "x-test"},
}
_TOPOLOGY, _SIZE = re.compile(r"\s*\|.*", re.DOTALL), re.compile(r"[0-9]+(:[0-9]+)+")
_MOST_SEEDS = 16
_MOST_FILE_BYTES = 4 * MIB
"""Of one architecture, compressed; the official ones have 35 to 90 kB."""
_OTHER_FILES = {
    "*.pth": "the older release NAS-Bench-201 v1.0 or v1.1 (.pth)",
    "NATS-*.pickle.pbz2": "a release of NATS-Bench in one file (.pickle.pbz2)",
    "NATS-sss-*": "NATS-Bench's size space (NATS-sss)",
    "NATS-tss-*": "NATS-Bench's topology space (NATS-tss)",
    "NATS-*.tar": "an archive that is packed still (.tar)",
}
"""What people name in place of the folder, by the names of files in it."""


@dataclass(frozen=True)
class Release:
    """What tells the archive of one space from that of the other.

    Attributes
    ----------
    folder, space, label
        The name of its folder, of its space in words and of its space in short.
    kinds
        The kinds of training, which are their epochs.
    counts_from
        Kind and seed of the training whose parameters and multiply-adds are used: in the topology
        space they differ between trainings of some architectures, and NATS-Bench's interface uses
        this one.
    """

    folder: str
    space: str
    label: str
    kinds: tuple[str, ...]
    counts_from: tuple[str, int]

    @property
    def bounds(self) -> TarBounds:
        """What its .tar file may have."""
        return TarBounds(
            what=f"the NATS-Bench archive of the {self.space}",
            folder=self.folder,
            members=100_000,
            member_bytes=_MOST_FILE_BYTES,
            total_bytes=4096 * MIB,
        )


TOPOLOGIES = Release(NATS_FOLDER, "topology space", "NATS-tss", ("12", "200"), ("200", 888))
SIZES = Release(NATS_SIZE_FOLDER, "size space", "NATS-sss", ("01", "12", "90"), ("90", 777))
_FORMS = ((_SIZE, SIZES), (_TOPOLOGY, TOPOLOGIES))
"""How the architectures of a release are written."""


def read_nats_archive(delivery: Delivery, space: CellSpace) -> BenchmarkTable:
    """Read the whole archive of the topology space; raises as :func:`read_release`."""
    return read_release(delivery, space, TOPOLOGIES)


def read_nats_size_archive(delivery: Delivery, space: SizeSpace) -> BenchmarkTable:
    """Read the whole archive of the size space; raises as :func:`read_release`."""
    return read_release(delivery, space, SIZES)


def read_release(
    delivery: Delivery, space: CellSpace | SizeSpace, release: Release
) -> BenchmarkTable:
    """Read the whole archive; architectures that are not in it stay missing.

    Raises
    ------
    ForbiddenPickleError
        When a pickle asks for a class that benchmark files do not need.
    SourceError
        When a file is damaged or not what its name says, or there is none at all.
    """
    path = delivery.files["archive"]
    columns = _Columns(space, release)
    digests: dict[int, str] = {}
    with progress_bar("reading NATS-Bench", len(space)) as advance:
        for number, where, content in _files(path, release):
            if number in digests:
                raise SourceError(f"{where}: is in the archive twice, expected once")
            digests[number] = hashlib.sha256(content).hexdigest()
            columns.add(number, load_bz2_pickle(content, where), where)
            advance(1)
    if not digests:
        raise SourceError(
            f"{path}: expected files NNNNNN.pickle.pbz2 of the {release.folder} archive, found none"
            f"{_found_instead(path, release)}"
        )
    listing = "".join(f"{number:06d} {digests[number]}\n" for number in sorted(digests))
    return columns.table(
        source_hashes={"archive": hashlib.sha256(listing.encode()).hexdigest()},
        missing=len(space) - len(digests),
    )


def _files(path: Path, release: Release) -> Iterator[tuple[int, str, bytes]]:
    """Yield number, name for messages and content of each architecture's file."""
    if is_folder(path):
        own = path / release.folder
        folder = own if is_folder(own) else path
        for file in _listed(folder):
            if match := _FILE_NAME.fullmatch(file.name):
                content = read_file(file, _MOST_FILE_BYTES, "a pickle of one architecture")
                yield int(match[1]), str(file), content
        return
    members = tar_members(path, lambda name: bool(_FILE_NAME.fullmatch(name)), release.bounds)
    for name, content in members:
        match = _FILE_NAME.fullmatch(name)
        if match:
            yield int(match[1]), f"{path}: {name}", content


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise unreadable(folder, error) from error


def _found_instead(path: Path, release: Release) -> str:
    """Return what the folder holds instead, if it is one of the usual things."""
    if is_folder(path):
        for pattern, words in _OTHER_FILES.items():
            if pattern != f"{release.label}-*" and any(path.glob(pattern)):
                return f"; it holds {words}"
    return ""


class _Columns:
    """Collects the columns while the architectures pass by, in the archive's order."""

    def __init__(self, space: CellSpace | SizeSpace, release: Release) -> None:
        self._space, self._release = space, release
        self._accuracy: dict[tuple[str, str, int, str], Column] = {}
        self._seconds: dict[tuple[str, int], Column] = {}
        self._validation: dict[tuple[str, int], Column] = {}
        self._counts: dict[str, dict[str, Column]] = {"params": {}, "flop": {}}
        self._official = np.full(len(space), -1, dtype=np.int64)
        self._seeds: set[object] = set()
        self._where = ""

    def add(self, number: int, content: Any, where: str) -> None:
        """Enter the trainings of the architecture with the official index ``number``."""
        self._where = where
        try:
            self._require_own(content, where)
            arch = self._architecture(number, content, where)
            for kind, record in content.items():
                self._add_kind(arch, kind, record["all_results"])
        except _NO_RECORD as error:
            raise SourceError(
                f"{where}: is not a record of NATS-Bench's {self._release.space} "
                f"({brief_error(error)})"
            ) from error
        self._official[arch] = number

    def _require_own(self, content: Any, where: str) -> None:
        """Refuse a record of the other space, and one of trainings that this one had not."""
        own = self._release
        strings = [record["arch_str"] for record in content.values()]
        for form, other in _FORMS:
            there = any(isinstance(text, str) and form.fullmatch(text) for text in strings)
            if there and other is not own:
                raise SourceError(
                    f"{where}: expected a record of NATS-Bench's {own.space} ({own.label}), found "
                    f"one of the {other.space} ({other.label}); get the archive {own.folder}"
                )
        if not strings or not set(content) <= set(own.kinds):
            raise ValueError(f"trainings of {brief(sorted(content))} epochs")

    def _architecture(self, number: int, content: Any, where: str) -> int:
        strings = {record["arch_str"] for record in content.values()}
        numbers = {record["arch_index"] for record in content.values()}
        if numbers != {number} or len(strings) != 1:
            raise SourceError(
                f"{where}: expected one architecture, number {number}, "
                f"found {brief(numbers)} {brief(strings)}"
            )
        arch = parse_architecture(self._space, strings.pop(), where)
        if self._official[arch] != -1:
            raise SourceError(
                f"{where}: holds the same architecture as number {self._official[arch]}"
            )
        return arch

    def _add_kind(self, arch: int, kind: str, trainings: Mapping[tuple[str, int], Any]) -> None:
        epochs = int(kind)
        seconds: dict[str, list[float]] = {}
        passes: dict[str, list[float]] = {}
        # The training whose counts are used is entered last.
        for (dataset, seed), training in sorted(
            trainings.items(), key=lambda item: (kind, item[0][1]) == self._release.counts_from
        ):
            self._require_seed(seed)
            for split, evaluation in EVALUATIONS[dataset].items():
                value = training["eval_acc1es"].get(f"{evaluation}@{epochs - 1}")
                if value is not None:
                    column = self._column(self._accuracy, (dataset, split, epochs, str(seed)))
                    column[arch] = self._number(value, evaluation)
            times = [self._number(time, "train_times") for time in training["train_times"].values()]
            seconds.setdefault(dataset, []).append(float(np.mean(times)) * epochs)
            if known := self._validation_times(training, dataset):
                passes.setdefault(dataset, []).append(float(np.mean(known)))
            for name, columns in self._counts.items():
                self._column(columns, dataset)[arch] = round(
                    self._number(training[name], name) * 1e6
                )
        for columns_of, times_of in ((self._seconds, seconds), (self._validation, passes)):
            for dataset, values in times_of.items():
                self._column(columns_of, (dataset, epochs))[arch] = np.mean(values)

    def _validation_times(self, training: Mapping[str, Any], dataset: str) -> list[float]:
        """Return the seconds of each pass over the validation images; none where none was timed.

        The published interface charges their mean beside the whole training, whatever the epochs.
        """
        evaluation = EVALUATIONS[dataset].get("valid")
        times = training.get("eval_times") or {}
        known = [
            self._number(time, "eval_times")
            for name, time in times.items()
            if name.partition("@")[0] == evaluation
        ]
        if not all(0 < seconds <= LONGEST_TRAINING for seconds in known):
            raise ValueError(f"eval_times of {dataset}: expected seconds, found {known[:5]}")
        return known

    def _require_seed(self, seed: object) -> None:
        """Every seed makes columns of the whole space, so there may be few."""
        self._seeds.add(seed)
        if type(seed) is not int or len(self._seeds) > _MOST_SEEDS:
            raise SourceError(
                f"{self._where}: expected a whole number as seed, at most {_MOST_SEEDS} different "
                f"ones, found {brief(seed)}"
            )

    def _number(self, value: object, name: str) -> float:
        return plain_number(value, self._where, name)

    def _column(self, columns: dict[Any, Column], key: Any) -> Column:
        if key not in columns:
            columns[key] = np.full(len(self._space), np.nan)
        return columns[key]

    def table(self, source_hashes: Mapping[str, str], missing: int) -> BenchmarkTable:
        """Return what was collected."""
        remark = (
            f"{missing:,} of the {len(self._space):,} architectures are not in this copy of the "
            "archive and have no values"
        )
        return BenchmarkTable(
            accuracy=self._accuracy,
            train_seconds=self._seconds,
            validation_seconds=self._validation,
            params=self._counts["params"],
            flops=self._counts["flop"],
            official_index=self._official,
            source_hashes=source_hashes,
            remark=remark if missing else "",
            partial=missing > 0,
        )
