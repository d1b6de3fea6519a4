"""Proxy scores that others computed, to compare ours with."""

from __future__ import annotations

import shutil
from pathlib import Path

from trainfree.files.writing import write_atomically
from trainfree.sources.checksums import Checksum
from trainfree.sources.delivery import source_settings
from trainfree.sources.mirror import MirrorFile, MirrorSource

SUITE_ZERO = MirrorSource(
    "csv",
    {
        "scores": MirrorFile(
            ("nasbench201/suite_zero_cifar10.csv.gz", "suite_zero_cifar10.csv.gz"),
            Checksum("sha256", "ad409cdc7f61ec18424160e949b2a6cf30804992b92a8408c9b1ac933e54131f"),
        )
    },
    note="13 proxies of 9,445 NAS-Bench-201 topologies on CIFAR-10, NAS-Bench-Suite-Zero",
)


def prepare_published_scores(output: Path, mirror: str | None) -> None:
    """Copy the scores from the mirror to ``output``.

    Raises
    ------
    SourceError
        When there is no mirror or it lacks the file, or when the file is another one.
    """
    delivery = SUITE_ZERO.deliver(output.parent, source_settings(mirror))
    source = delivery.files["scores"]
    write_atomically(output, lambda temporary: shutil.copyfile(source, temporary))
