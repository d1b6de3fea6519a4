"""Where results of TransNAS-Bench-101, and images in the place of its own, are."""

from __future__ import annotations

from trainfree.sources.checksums import Checksum
from trainfree.sources.delivery import Source
from trainfree.sources.mirror import MirrorFile, MirrorSource

MICRO_TABLE = Checksum("sha256", "83ca04911f10e8fe1f01803cb1169096e794207aaff702e413d6e8afb3334a9f")
MACRO_TABLE = Checksum("sha256", "ffec42f0f5a0c54960cfe3714b24d21666035cea71ae347d104a3141bb0b3a73")


def _results(level: str, checksum: Checksum) -> tuple[Source, ...]:
    name = f"tnb101_{level}.csv.gz"
    places = (f"transnas101/{name}", name)
    return (
        MirrorSource(
            "transnas101-table",
            {"table": MirrorFile(places, checksum)},
            note=f"TransNAS-Bench-101, {level} space: one training on seven Taskonomy tasks, "
            "validation results after the last epoch, from the lists in the code of RBFleX-NAS "
            "as tabulated in the local mirror; no test results, no training times",
        ),
    )


MICRO_RESULTS, MACRO_RESULTS = _results("micro", MICRO_TABLE), _results("macro", MACRO_TABLE)
TASK_IMAGES: tuple[Source, ...] = (
    MirrorSource(
        "npz-enlarged",
        {
            "archive": MirrorFile(
                ("images/tinyimagenet16_train5k.npz", "tinyimagenet16_train5k.npz")
            )
        },
        note="stand-in for Taskonomy: Tiny-ImageNet training images of 16x16 pixels, enlarged, "
        "with their own classes as labels; not the rooms nor the labels of the task, and less "
        "detail than photographs of this size have",
        stand_in=True,
    ),
)
