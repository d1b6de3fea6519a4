"""The official files of NDS that are spaces here, and what is known of each before it is read.

Numbers of networks: those of cells on CIFAR-10 are the offsets in abdelfattah-lab/nasflat_latency
(``nas_embedding_suite``), and NNI's documentation counts 5,107 for Amoeba on both image sets. Those
of the others are printed nowhere, so the files themselves say them.
"""

from __future__ import annotations

from dataclasses import dataclass

_POOLED = ("skip_connect", "avg_pool_3x3", "max_pool_3x3")
_SEPARABLE = ("sep_conv_3x3", "sep_conv_5x5")
OPERATIONS_OF = {
    "Amoeba": (*_POOLED, *_SEPARABLE, "sep_conv_7x7", "dil_sep_conv_3x3", "conv_7x1_1x7"),
    "DARTS": (*_POOLED, *_SEPARABLE, "none", "dil_conv_3x3", "dil_conv_5x5"),
    "ENAS": (*_POOLED, *_SEPARABLE),
    "NASNet": (
        *(*_POOLED, *_SEPARABLE, "sep_conv_7x7", "max_pool_5x5", "max_pool_7x7"),
        *("conv_1x1", "conv_3x3", "conv_3x1_1x3", "conv_7x1_1x7", "dil_conv_3x3"),
    ),
    "PNAS": (*_POOLED, *_SEPARABLE, "sep_conv_7x7", "conv_7x1_1x7", "dil_conv_3x3"),
}
"""What the cells of a space are made of (facebookresearch/unnas, models/nas/genotypes)."""


@dataclass(frozen=True)
class Sweep:
    """An official file.

    Attributes
    ----------
    file
        Its name without ``.json``.
    size
        Number of networks, None where nobody says it.
    parts
        Operations of its cells, or its one block.
    imagenet
        Whether the networks were trained on ImageNet.
    fixed
        Whether all have one width and one depth.
    scored
        Whether the networks are built as the NASWOT paper's code builds them.
    """

    file: str
    size: int | None
    parts: tuple[str, ...]
    imagenet: bool = False
    fixed: bool = False
    scored: bool = False

    @property
    def classes(self) -> int:
        """Classes of the image set that the networks were trained on."""
        return 1000 if self.imagenet else 10

    @property
    def image_size(self) -> int:
        """Pixels of its images' sides."""
        return 224 if self.imagenet else 32

    @property
    def dataset(self) -> str:
        """Name of the image set in the benchmark."""
        return "imagenet" if self.imagenet else "cifar10"


def _cells(family: str, size: int | None, ending: str = "") -> Sweep:
    return Sweep(
        family + ending,
        size,
        OPERATIONS_OF[family],
        imagenet=ending.endswith("_in"),
        fixed=ending == "_fix-w-d",
    )


SWEEPS = {
    "nds_amoeba": _cells("Amoeba", 4983),
    "nds_darts": _cells("DARTS", 5000),
    "nds_enas": _cells("ENAS", 4999),
    "nds_nasnet": _cells("NASNet", 4846),
    "nds_pnas": _cells("PNAS", 4999),
    "nds_darts_fix_w_d": _cells("DARTS", 5000, "_fix-w-d"),
    "nds_enas_fix_w_d": _cells("ENAS", 5000, "_fix-w-d"),
    "nds_pnas_fix_w_d": _cells("PNAS", 4559, "_fix-w-d"),
    "nds_amoeba_in": _cells("Amoeba", 124, "_in"),
    "nds_darts_in": _cells("DARTS", None, "_in"),
    "nds_enas_in": _cells("ENAS", None, "_in"),
    "nds_nasnet_in": _cells("NASNet", None, "_in"),
    "nds_pnas_in": _cells("PNAS", None, "_in"),
    "nds_resnet": Sweep("ResNet", None, ("res_basic_block",)),
    "nds_resnext_a": Sweep("ResNeXt-A", None, ("res_bottleneck_block",)),
    "nds_resnext_b": Sweep("ResNeXt-B", None, ("res_bottleneck_block",)),
    "nds_vanilla": Sweep("Vanilla", None, ("double_plain_block",)),
    "nds_resnet_as_scored": Sweep("ResNet", None, ("res_basic_block",), scored=True),
    "nds_vanilla_as_scored": Sweep("Vanilla", None, ("double_plain_block",), scored=True),
}
