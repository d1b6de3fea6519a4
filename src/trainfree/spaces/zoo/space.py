"""Networks of three packages that people use, as lists: pytorchcv, torchvision and timm.

Their names are those that the builders of the packages go by. Which rows of a package's table are
in a list, and which accuracy stands for a network with several, is said where the tables are read
(:mod:`trainfree.benchmarks.zoo`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from trainfree.spaces.listed import ListedSpace
from trainfree.spaces.protocol import Module
from trainfree.spaces.zoo.families import family_of


class Zoo(ListedSpace):
    """Networks of a package by the names of their builders.

    Parameters
    ----------
    name, size, members
        As of every list.
    package
        The package that builds them, as it is imported and installed.
    """

    def __init__(
        self, name: str, size: int, package: str, members: Sequence[str] | None = None
    ) -> None:
        super().__init__(name, size, members)
        self.package = package

    def module(self, index: int, *, classes: int, image_size: int) -> Module:
        """Return a new network with weights as its package draws them; nothing is downloaded.

        Raises
        ------
        ModelError
            When the package is not installed, or has no builder of that name.
        """
        from trainfree.spaces.zoo.modules import build

        return build(self.package, self.to_string(index), classes, image_size)

    def subsets(self) -> Mapping[str, NDArray[np.bool_]]:
        """Return (arch,) which networks are in each family of four or more."""
        families = np.array([family_of(self.package, name).name for name in self.members])
        names, counts = np.unique(families, return_counts=True)
        return {
            f"family {name}": families == name
            for name, count in zip(names.tolist(), counts.tolist(), strict=True)
            if count >= FEWEST_OF_A_FAMILY
        }


FEWEST_OF_A_FAMILY = 4
"""Smaller families say nothing of a rank correlation within them."""


def _zoo(name: str, size: int, package: str) -> Callable[[], Zoo]:
    return lambda: Zoo(name, size, package)


SPACES = {
    name: _zoo(name, size, package)
    for name, size, package in (
        ("zoo_pytorchcv_cifar10", 70, "pytorchcv"),
        ("zoo_pytorchcv_cifar100", 68, "pytorchcv"),
        ("zoo_torchvision", 78, "torchvision"),
        ("zoo_timm", 458, "timm"),
    )
}
PACKAGES = {name: make().package for name, make in SPACES.items()}
"""The installed package that builds the networks of each space: its version decides scores."""
