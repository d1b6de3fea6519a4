"""Where accuracies of the size space of NATS-Bench are."""

from __future__ import annotations

from trainfree.sources.checksums import Checksum
from trainfree.sources.delivery import Source
from trainfree.sources.formats.wrong_files import NATS_SIZE_FOLDER
from trainfree.sources.mirror import MirrorFile, MirrorSource
from trainfree.sources.official import NatsArchiveSource

NATS_SSS_TABLE = Checksum(
    "sha256", "f898915080e86d0fa8ab0a74469e4676bee442ea317209c8c0eceac155f89161"
)

SIZE_ACCURACIES: tuple[Source, ...] = (
    MirrorSource(
        "sss-table",
        {
            "table": MirrorFile(
                ("nats_sss/nats_sss_90ep.csv.gz", "nats_sss_90ep.csv.gz"), NATS_SSS_TABLE
            )
        },
        note="NATS-Bench size space v1.0 (50262), one training (seed 777) on three data sets, test "
        "accuracy after 90 epochs, as tabulated in the local mirror; no validation accuracy, no "
        "training time",
    ),
    NatsArchiveSource(
        "nats-size-archive",
        note="NATS-Bench size space v1.0 (50262), single trainings by seed on three data sets "
        "after 1, 12 and 90 epochs, from the official archive",
        folder=NATS_SIZE_FOLDER,
        key="nats_size_archive",
    ),
)
