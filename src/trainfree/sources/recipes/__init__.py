"""Which sources have which item: every address, package, file name and published hash.

A file for each family of data, so that a new one touches no other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from trainfree.sources.delivery import Source
from trainfree.sources.generated import GeneratedSource
from trainfree.sources.recipes.darts import (
    DARTS_BENCH545,
    DARTS_RANDOM214,
    DARTS_SWAP,
    NASBENCH301,
)
from trainfree.sources.recipes.darts import NOT_TRAINED as NOT_TRAINED_DARTS
from trainfree.sources.recipes.images import CIFAR10, CIFAR100, IMAGENET16_120, NOISE_OF_IMAGENET
from trainfree.sources.recipes.nasbench201 import (
    ACCURACIES,
    ARTIFICIAL_ACCURACIES,
    ARTIFICIAL_COSTS,
    DEPLOYED_ACCURACIES,
    HARDWARE_COSTS,
    VALIDATION_ACCURACIES,
)
from trainfree.sources.recipes.nats_sss import SIZE_ACCURACIES
from trainfree.sources.recipes.nds import NDS_ACCURACIES
from trainfree.sources.recipes.transnas101 import MACRO_RESULTS, MICRO_RESULTS, TASK_IMAGES
from trainfree.sources.recipes.zoo import (
    PYTORCHCV_ACCURACIES,
    TIMM_ACCURACIES,
    TORCHVISION_ACCURACIES,
)

RECIPES: Mapping[str, Sequence[Source]] = {
    "cifar10-images": CIFAR10,
    "cifar100-images": CIFAR100,
    "imagenet16-120-images": IMAGENET16_120,
    "imagenet-noise-images": (GeneratedSource(NOISE_OF_IMAGENET),),
    "generated-images": (GeneratedSource("artificial images made up for tests: uniform noise"),),
    "taskonomy-scene-images": TASK_IMAGES,
    "taskonomy-object-images": TASK_IMAGES,
    "taskonomy-layout-images": TASK_IMAGES,
    "nasbench201-accuracies": ACCURACIES,
    "nasbench201-validation": VALIDATION_ACCURACIES,
    "nats_sss-accuracies": SIZE_ACCURACIES,
    "zoo_pytorchcv_cifar10-accuracies": PYTORCHCV_ACCURACIES,
    "zoo_pytorchcv_cifar100-accuracies": PYTORCHCV_ACCURACIES,
    "zoo_torchvision-accuracies": TORCHVISION_ACCURACIES,
    "zoo_timm-accuracies": TIMM_ACCURACIES,
    "darts_bench545-accuracies": DARTS_BENCH545,
    "darts_swap-accuracies": DARTS_SWAP,
    "darts_random214-accuracies": DARTS_RANDOM214,
    "nasbench301-accuracies": NASBENCH301,
    "transnas101_macro-accuracies": MACRO_RESULTS,
    "transnas101_micro-accuracies": MICRO_RESULTS,
    **NDS_ACCURACIES,
    "nasbench201-hardware": HARDWARE_COSTS,
    "nasbench201-deployed": DEPLOYED_ACCURACIES,
    # The miniature networks were never trained by anybody.
    "nasbench201_mini-accuracies": (GeneratedSource(ARTIFICIAL_ACCURACIES),),
    "nasbench201_mini-hardware": (GeneratedSource(ARTIFICIAL_COSTS),),
    "nasbench201_mini-deployed": (GeneratedSource(ARTIFICIAL_COSTS),),
}

NOT_TRAINED: Mapping[str, str] = {**NOT_TRAINED_DARTS}
"""Spaces that nobody has accuracies of, with the reason."""
