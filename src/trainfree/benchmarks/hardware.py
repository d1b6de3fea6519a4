"""Preparing what networks cost and achieve on hardware, from whichever sources have it.

Latency and energy come from one source (HW-NAS-Bench), accuracies after deployment from another
(analog-nasbench). Either may be absent; the file says what could not be had.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from trainfree.benchmarks.analog import FURTHER, read_analog
from trainfree.benchmarks.checks import check_hardware
from trainfree.benchmarks.generated import generate_hardware
from trainfree.benchmarks.hardware_form import HardwareTable, hardware_dataset
from trainfree.benchmarks.hw_nas_bench import read_hw_nas_bench
from trainfree.errors import SourceError
from trainfree.files.storage import provenance_attributes, write_dataset
from trainfree.provenance import code_hash
from trainfree.sources.delivery import Delivery, source_settings
from trainfree.sources.fetching import fetch
from trainfree.spaces import load_space
from trainfree.spaces.nasbench201.space import CellSpace

logger = logging.getLogger(__name__)

PARTS = {"hardware": "latency and energy", "deployed": "accuracy after deployment"}
"""Items of the recipes, ``<space>-<part>``, and what each delivers."""
DEPLOYMENTS = {
    "ptq_accuracy": "quantised after training",
    "qat_accuracy": "quantisation-aware training",
    "noisy_accuracy": "noisy weights",
    "analog_accuracy": "analog hardware",
}


def _read_deployed(delivery: Delivery, space: CellSpace) -> HardwareTable:
    table = read_analog(delivery, space)
    accuracy = {DEPLOYMENTS[name]: table.further[name][0] for name in FURTHER}
    return HardwareTable("cifar10", accuracy=accuracy)


READERS: Mapping[str, Callable[[Delivery, CellSpace], HardwareTable]] = {
    "hw-nas-bench": read_hw_nas_bench,
    "analog-nasbench": _read_deployed,
    "generated": lambda delivery, space: generate_hardware(space),
}


def prepare_hardware(
    space: str,
    output: Path,
    *,
    order: Sequence[str],
    cache: Path,
    mirror: str | None,
    timeout: float,
) -> None:
    """Write the hardware file of a space.

    Parameters
    ----------
    space
        Name of the space.
    output
        The file to write, of kind "hardware".
    order, cache, mirror, timeout
        As for :func:`~trainfree.benchmarks.prepare.prepare_benchmark`.

    Raises
    ------
    UnknownNameError
        When the space has no hardware benchmark, or a source does not exist.
    SourceError
        When no part can be had; names each source with its reason.
    """
    known = load_space(space)
    if not isinstance(known, CellSpace):
        raise SourceError(f"{space}: no benchmark of its networks on hardware is known")

    def read(delivery: Delivery) -> tuple[Delivery, HardwareTable]:
        where = ", ".join(map(str, delivery.files.values())) or delivery.form
        return delivery, check_hardware(READERS[delivery.form](delivery, known), len(known), where)

    settings = source_settings(mirror=mirror, timeout=timeout)
    found: dict[str, tuple[Delivery, HardwareTable]] = {}
    reasons = []
    for part, content in PARTS.items():
        try:
            found[part] = fetch(f"{space}-{part}", order, cache, settings, read)
        except SourceError as error:
            logger.warning("%s of %s is not available", content, space)
            reasons.append(str(error))
    if not found:
        raise SourceError("\n".join(reasons))
    deliveries = [delivery for delivery, _ in found.values()]
    tables = [table for _, table in found.values()]
    attributes = provenance_attributes(
        settings={"space": space, "order": list(order)},
        code=code_hash("trainfree.benchmarks.hardware"),
        source_hashes={
            f"{part} {role}": sha256
            for part, (delivery, _) in found.items()
            for role, sha256 in delivery.sha256.items()
        },
    )
    attributes |= {
        "space": space,
        "source_note": "; ".join(dict.fromkeys(delivery.note for delivery in deliveries)),
        "missing": "; ".join(content for part, content in PARTS.items() if part not in found),
        "stand_in": int(any(delivery.stand_in for delivery in deliveries)),
    }
    joined = HardwareTable(
        tables[0].dataset,
        latency={device: values for table in tables for device, values in table.latency.items()},
        energy={device: values for table in tables for device, values in table.energy.items()},
        accuracy={name: values for table in tables for name, values in table.accuracy.items()},
    )
    write_dataset(hardware_dataset(known, joined, attributes), output, "hardware")
