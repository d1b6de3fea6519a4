"""Where the accuracies of model zoos are: in their packages, or in a copy in the local mirror."""

from __future__ import annotations

from trainfree.sources.checksums import Checksum
from trainfree.sources.delivery import Source
from trainfree.sources.mirror import MirrorFile, MirrorSource
from trainfree.sources.registry import PypiFileSource

PYTORCHCV_VERSION = "0.0.74"


def _mirrored(form: str, name: str, sha256: str, note: str) -> MirrorSource:
    places = (f"imagenet_zoo/{name}", name)
    return MirrorSource(form, {"table": MirrorFile(places, Checksum("sha256", sha256))}, note=note)


_PYTORCHCV = (
    f"test accuracies of the networks of the PyPI package pytorchcv {PYTORCHCV_VERSION} on CIFAR, "
    "as its own table has them"
)
PYTORCHCV_ACCURACIES: tuple[Source, ...] = (
    _mirrored(
        "pytorchcv-table",
        "pytorchcv_models.csv.gz",
        "79d78ff000a3cc79ab39a6036ec44efa363d79bb6988bc92e9b12dd8c56da809",
        f"{_PYTORCHCV}, from the local mirror",
    ),
    PypiFileSource(
        form="pytorchcv-package",
        package="pytorchcv",
        version=PYTORCHCV_VERSION,
        member="pytorchcv/models/common/model_metainfos.csv",
        checksum=Checksum(
            "sha256", "c0fce1a517d4fcedc9928b8f471a911650262086fd225a37ed2a3e2aebafc3e8"
        ),
        note=_PYTORCHCV,
    ),
)
TORCHVISION_ACCURACIES: tuple[Source, ...] = (
    _mirrored(
        "torchvision-table",
        "torchvision_weights.csv.gz",
        "9382e44f716fd78537f0486792c6ffe3fe5bb873676221e650848c0456e769ae",
        "ImageNet-1k validation accuracies of the first weights of torchvision 0.29.1's "
        "classifiers, as tabulated in the local mirror",
    ),
)
TIMM_ACCURACIES: tuple[Source, ...] = (
    _mirrored(
        "timm-table",
        "timm_imagenet.csv.gz",
        "8cbb84bf31bb93efe905e9e1ee6404b2321c89525bd15adf49b63c59550f8519",
        "ImageNet-1k validation accuracies of timm's classifiers at 224 pixels, the best that are "
        "trained on ImageNet-1k alone and without a teacher, as tabulated in the local mirror",
    ),
)
