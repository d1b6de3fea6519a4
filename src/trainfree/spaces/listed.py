"""Spaces that are a list: the networks that somebody drew and trained, and no others.

What they are is in the table that has their accuracies. Preparing the benchmark writes their names
into its file, in the order of the space, and there a space finds them when the first is asked for;
how many there are is known before. So the workflow can plan, and jobs need nothing but its folder.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np

from trainfree.errors import ArchitectureError, ConfigError, DataFileError
from trainfree.files.storage import open_variables
from trainfree.spaces.numbering import require_index
from trainfree.spaces.protocol import MutationRule

MEMBERS_FILE = "data/benchmarks/{space}.h5"
"""The benchmark file of a space, seen from the folder in which a run works."""


class ListedSpace:
    """Architectures by their names in a table; to derive from.

    A class of its own adds ``module`` (:class:`~trainfree.spaces.protocol.ModuleSpace`), which
    makes a network of a name.

    Parameters
    ----------
    name
        Name in the configuration and in file paths.
    size
        Number of architectures; a table with another number is refused. None where nobody says it
        beforehand: then the space has as many as the prepared benchmark.
    members
        Their names in the order of the space; those of the prepared benchmark if left out.
    """

    def __init__(self, name: str, size: int | None, members: Sequence[str] | None = None) -> None:
        self.name, self._size = name, size
        self._given = None if members is None else tuple(members)

    def with_members(self, members: Sequence[str]) -> Self:
        """Return the same space with its architectures given.

        Raises
        ------
        ArchitectureError
            When they are not as many as the space has, or one occurs twice.
        """
        space = copy.copy(self)
        for known in ("members", "_places"):
            space.__dict__.pop(known, None)
        space._given = tuple(members)
        if len(space._places) < len(space):
            twice = next(n for place, n in enumerate(members) if space._places[n] != place)
            raise ArchitectureError(
                f"{self.name}: expected different architectures, found {twice!r} twice"
            )
        return space

    @property
    def operations(self) -> tuple[str, ...]:
        """No operations that a search could choose from: an architecture is taken as a whole."""
        return ()

    @property
    def warm_up_architecture(self) -> int:
        """Index of the first one."""
        return 0

    def __len__(self) -> int:
        return len(self.members) if self._size is None else self._size

    @cached_property
    def members(self) -> tuple[str, ...]:
        """Names of the architectures in the order of the space.

        Raises
        ------
        ArchitectureError
            When they are not known, since the benchmark is not prepared, or are not as expected.
        """
        found = self._given
        if found is None:
            path = Path(MEMBERS_FILE.format(space=self.name))
            try:
                with open_variables(path, "benchmark") as file:
                    found = tuple(file["architecture"].asstr()[:])
            except DataFileError as error:
                raise ArchitectureError(
                    f"{self.name}: its architectures are those of the benchmark, which is not "
                    f"there ({error}); make it with snakemake {path}, and work in the folder of "
                    "the run"
                ) from error
        if self._size is not None and len(found) != self._size:
            raise ArchitectureError(
                f"{self.name}: expected {self._size} architectures, found {len(found)}"
            )
        return found

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.members)}

    def to_string(self, index: int) -> str:
        """Return an architecture's name in the table.

        Raises
        ------
        ArchitectureError
            When the index is not in the space.
        """
        return self.members[require_index(self, index)]

    def parse(self, text: str) -> int:
        """Return the index of an architecture of the table.

        Raises
        ------
        ArchitectureError
            When the table has none of that name.
        """
        place = self._places.get(text.strip())
        if place is None:
            raise ArchitectureError(
                f"architecture {text!r} is not in {self.name}, which is a list of {len(self)} "
                f"trained networks; one of them is {self.members[0]!r}"
            )
        return place

    def sample(self, rng: np.random.Generator) -> int:
        """Return an architecture drawn uniformly."""
        return int(rng.integers(len(self)))

    def mutate(self, index: int, rng: np.random.Generator, rule: MutationRule) -> int:
        """Raise ConfigError: what is one change away was trained by nobody."""
        raise ConfigError(
            f"{self.name} is a list of trained networks, which no mutation ({rule}) stays in; "
            "search it with the algorithm random"
        )

    def neighbours(self, index: int) -> list[int]:
        """Return none: the list is not closed under any change."""
        return []
