"""Accuracies of pytorchcv, torchvision and timm as their own tables have them.

Each network is in a list once. Of those with several trainings pytorchcv has one row. Of
torchvision the first weights are taken (``IMAGENET1K_V1``), which for most are trained by the
recipe of their time; what has none, or is quantised, is left out. Of timm the best weights are
taken of those that a tag in :data:`TIMM_RECIPES` names: trained on ImageNet-1k alone, without a
teacher, and measured at 224 pixels.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from trainfree.benchmarks.schema import BenchmarkTable
from trainfree.sources.delivery import Delivery
from trainfree.sources.formats.tables import read_table
from trainfree.spaces.zoo.families import family_of
from trainfree.spaces.zoo.space import Zoo
from trainfree.trainings import UNSTATED_EPOCHS

SEED = "published"
"""In the place of a seed: no package says it."""
IMAGENET = "ImageNet-1k"
FIRST_WEIGHTS = "IMAGENET1K_V1"
MOST_ROWS = 5000
TIMM_SIZE = 224
TIMM_RECIPES = frozenset(
    f"{recipe}_in1k" if recipe else "in1k"
    for recipe in (
        *("", "ra", "ra2", "ra3", "ra4_e3600_r224", "a1", "a1h", "a2", "a2h", "a3", "ah"),
        *("b1k", "b2k", "c1", "c2", "c3", "ch", "c2ns", "d", "d1", "d1h", "d2", "sw", "r224"),
        *("tv", "tv2", "gluon", "tf", "aa", "am", "fb", "ms", "pycls", "bt", "dm", "cvnets"),
        *("sail", "rvgg", "miil", "naver", "apple", "nav", "lamb", "mx", "snap", "goog", "agc"),
        *("augreg", "nv", "racm", "rmsp", "ram", "deit", "paddle"),
    )
)
"""Tags of weights in timm that say: ImageNet-1k, no other images and no teacher."""


def read_pytorchcv_mirror(delivery: Delivery, space: Zoo) -> BenchmarkTable:
    """Read the errors of pytorchcv's networks from the local mirror (a gzip'ed CSV file).

    Raises
    ------
    SourceError
        When the file is damaged, lacks a column or has another number of networks.
    """
    path = delivery.files["table"]
    dataset = _cifar(space)
    columns = {"model": str, "dataset": str, "error_pct": float, "params": int}
    table = read_table(path, columns, MOST_ROWS)
    chosen = table[table["dataset"] == dataset]
    return _benchmark(space, dataset, chosen["model"], 100 - chosen["error_pct"], chosen["params"])


def read_pytorchcv_package(delivery: Delivery, space: Zoo) -> BenchmarkTable:
    """Read the same from the table inside the package, where an error of 5.97 % reads 0597.

    Raises
    ------
    SourceError
        When the file is damaged, lacks a column or has another number of networks.
    """
    path = delivery.files["archive"]
    dataset = _cifar(space)
    columns = {"model_name": str, "net_weights": float, "error_value": float}
    table = read_table(path, columns, MOST_ROWS)
    # The column of data sets says "cf" of CIFAR-10, of CIFAR-100 and of SVHN.
    of_dataset = table["model_name"].str.endswith(f"_{dataset}")
    chosen = table[of_dataset & table["error_value"].notna()]
    error = chosen["error_value"] / 100
    return _benchmark(space, dataset, chosen["model_name"], 100 - error, chosen["net_weights"])


def read_torchvision(delivery: Delivery, space: Zoo) -> BenchmarkTable:
    """Read ImageNet accuracies of torchvision's networks, those of the first weights.

    Raises
    ------
    SourceError
        When the file is damaged, lacks a column or has another number of networks.
    """
    path = delivery.files["table"]
    columns = {
        **{"module": str, "weights_class": str, "variant": str},
        **{"acc1": float, "params": float, "gflops": float},
    }
    table = read_table(path, columns, MOST_ROWS)
    quantised = table["module"].str.startswith("quantization/")
    chosen = table[(table["variant"] == FIRST_WEIGHTS) & ~quantised]
    # The builders are called like the classes of weights, in small letters.
    names = chosen["weights_class"].str.lower()
    return _benchmark(space, IMAGENET, names, chosen["acc1"], chosen["params"])


def read_timm(delivery: Delivery, space: Zoo) -> BenchmarkTable:
    """Read ImageNet accuracies of timm's networks, the best of each that :data:`TIMM_RECIPES` has.

    Raises
    ------
    SourceError
        When the file is damaged, lacks a column or has another number of networks.
    """
    path = delivery.files["table"]
    columns = {"model": str, "architecture": str, "img_size": int, "top1": float, "params_M": float}
    table = read_table(path, columns, MOST_ROWS)
    tags = table["model"].str.partition(".")[2]
    distilled = table["architecture"].str.contains("distilled")
    chosen = table[(table["img_size"] == TIMM_SIZE) & tags.isin(TIMM_RECIPES) & ~distilled]
    best = chosen.sort_values("top1", ascending=False, kind="stable")
    best = best.drop_duplicates("architecture").sort_values("architecture")
    # Parameters are printed in millions with two decimals: no counts.
    return _benchmark(space, IMAGENET, best["architecture"], best["top1"], None)


def _cifar(space: Zoo) -> str:
    """Return the data set of a zoo of pytorchcv, the last part of its name."""
    return space.name.rpartition("_")[2]


def _benchmark(
    space: Zoo, dataset: str, names: pd.Series, accuracy: pd.Series, params: pd.Series | None
) -> BenchmarkTable:
    """Return the table of a zoo: one test accuracy in percent a network."""
    listed = tuple(names)
    counted = {} if params is None or params.isna().any() else {dataset: params.to_numpy(float)}
    years = np.array([family_of(space.package, name).year for name in listed])
    dated = {} if np.isnan(years).all() else {"year": (years, "1", "year of the family's paper")}
    return BenchmarkTable(
        accuracy={(dataset, "test", UNSTATED_EPOCHS, SEED): accuracy.to_numpy(np.float64)},
        params=counted,
        covariates=dated,
        architectures=listed,
        remark="networks differ in their training as well as in their architecture",
    )
