"""Proxy scores that others computed, to compare ours with."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from trainfree.errors import UnknownNameError
from trainfree.files.writing import write_atomically
from trainfree.sources.checksums import Checksum
from trainfree.sources.delivery import source_settings
from trainfree.sources.mirror import MirrorFile, MirrorSource


def _csv(folder: str, name: str, sha256: str, note: str) -> MirrorSource:
    file = MirrorFile((f"{folder}/{name}", name), Checksum("sha256", sha256))
    return MirrorSource("csv", {"scores": file}, note=note)


PUBLISHED: Mapping[str, MirrorSource] = {
    "suite_zero_cifar10": _csv(
        "nasbench201",
        "suite_zero_cifar10.csv.gz",
        "ad409cdc7f61ec18424160e949b2a6cf30804992b92a8408c9b1ac933e54131f",
        "13 proxies of 9,445 NAS-Bench-201 topologies on CIFAR-10, NAS-Bench-Suite-Zero",
    ),
    "suite_zero_nasbench301": _csv(
        "nasbench301_suite_zero",
        "nb301_suite_zero.csv.gz",
        "c6b0c7399f766fad26cf74998cb3582ce272e0cef69d3c1dad8237c813bd1170",
        "12 proxies of 725 DARTS cells on CIFAR-10, NAS-Bench-Suite-Zero",
    ),
}
"""Where each file of published scores is, by its name without ``.csv.gz``."""


def prepare_published_scores(name: str, output: Path, mirror: str | None) -> None:
    """Copy published scores from the mirror to ``output``.

    Parameters
    ----------
    name
        A key of :data:`PUBLISHED`.

    Raises
    ------
    UnknownNameError
        When there are no such scores.
    SourceError
        When there is no mirror or it lacks the file, or when the file is another one.
    """
    if name not in PUBLISHED:
        raise UnknownNameError("published scores", name, list(PUBLISHED))
    delivery = PUBLISHED[name].deliver(output.parent, source_settings(mirror))
    source = delivery.files["scores"]
    write_atomically(output, lambda temporary: shutil.copyfile(source, temporary))
