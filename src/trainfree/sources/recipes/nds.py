"""Where the files of Network Design Spaces are."""

from __future__ import annotations

from collections.abc import Mapping

from trainfree.sources.delivery import Source
from trainfree.sources.mirror import MirrorFile, MirrorSource
from trainfree.sources.nds import NdsSource

NDS_FILES = {
    "nds_amoeba": "Amoeba",
    "nds_darts": "DARTS",
    "nds_enas": "ENAS",
    "nds_nasnet": "NASNet",
    "nds_pnas": "PNAS",
    "nds_darts_fix_w_d": "DARTS_fix-w-d",
    "nds_enas_fix_w_d": "ENAS_fix-w-d",
    "nds_pnas_fix_w_d": "PNAS_fix-w-d",
    "nds_amoeba_in": "Amoeba_in",
    "nds_darts_in": "DARTS_in",
    "nds_enas_in": "ENAS_in",
    "nds_nasnet_in": "NASNet_in",
    "nds_pnas_in": "PNAS_in",
    "nds_resnet": "ResNet",
    "nds_resnext_a": "ResNeXt-A",
    "nds_resnext_b": "ResNeXt-B",
    "nds_vanilla": "Vanilla",
    "nds_resnet_as_scored": "ResNet",
    "nds_vanilla_as_scored": "Vanilla",
}
"""The official file of each space."""


def _sources(file: str) -> tuple[Source, ...]:
    note = (
        f"Network Design Spaces (ICCV 2019), {file}.json: one training of each network, test "
        "accuracy after the last epoch"
    )
    places = (f"nds/{file}.json", f"{file}.json")
    return (
        MirrorSource("nds-file", {"table": MirrorFile(places)}, note=note),
        NdsSource("nds-file", file, note=note),
    )


NDS_ACCURACIES: Mapping[str, tuple[Source, ...]] = {
    f"{space}-accuracies": _sources(file) for space, file in NDS_FILES.items()
}
