"""Where accuracies of DARTS cells are. Nobody trained the whole space; several drew lists of it."""

from __future__ import annotations

from trainfree.sources.checksums import Checksum
from trainfree.sources.delivery import Source
from trainfree.sources.mirror import MirrorFile, MirrorSource


def _table(form: str, folder: str, name: str, sha256: str, note: str) -> tuple[Source, ...]:
    file = MirrorFile((f"{folder}/{name}", name), Checksum("sha256", sha256))
    return (MirrorSource(form, {"table": file}, note=note),)


DARTS_BENCH545 = _table(
    "darts-bench545",
    "darts_bench545",
    "darts_bench545_cifar10.csv.gz",
    "76b744ad535ee848140c2017f8e4fb9c2b16871e2bdee8f04bcf50ea5c5e71c1",
    "545 random DARTS cells of OnceNAS-Bench, CIFAR-10: validation accuracy of a separate training "
    "of 10 epochs, test accuracy after 50; the published validation accuracy after 50 epochs is "
    "the test accuracy again and left out; 359 have none operations",
)
DARTS_SWAP = _table(
    "darts-swap",
    "darts_swap",
    "DARTS_archs_CIFAR10.csv.gz",
    "8782809ad93347b5eb9c67c46f1c976f639d4bc4a0a2a6c4766742bc3e25fe52",
    "1,000 DARTS cells of the SWAP repository (Peng et al., ICLR 2024), CIFAR-10: validation "
    "accuracy after 200 epochs; the reduction cell is the normal cell in all of them, 644 have "
    "none operations, 811 a node that reads one state twice, and two stayed at chance",
)
DARTS_RANDOM214 = _table(
    "darts-random214",
    "darts_random214",
    "darts_random214_cifar10.csv.gz",
    "e6dc4401f23a00e1cf4d2135e64fdac8dc7f29481bd14991f521ecd102da84a9",
    "214 random DARTS cells of Yang et al. (ICLR 2020), CIFAR-10: test accuracy of one training of "
    "600 epochs; they differ by 0.23 points (standard deviation)",
)
NASBENCH301 = _table(
    "nasbench301-suite-zero",
    "nasbench301_suite_zero",
    "nb301_suite_zero.csv.gz",
    "c6b0c7399f766fad26cf74998cb3582ce272e0cef69d3c1dad8237c813bd1170",
    "725 DARTS cells of NAS-Bench-Suite-Zero in NASLib's small network; accuracies are predictions "
    "of NAS-Bench-301's surrogate, nobody trained these networks",
)

_LISTS = (
    "nobody trained all of it; lists of its cells with trained accuracies are darts_bench545, "
    "darts_swap and darts_random214, each a space of its own"
)
NOT_TRAINED = {"darts": _LISTS, "darts_small": _LISTS}
"""Why a space has no accuracies."""
