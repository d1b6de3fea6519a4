"""What a search space is to those that score, search and tabulate its architectures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

MutationRule = Literal["edge", "node_then_edge", "published", "one_change"]
"""The rules of all spaces; a space says which ones it has."""
Module: TypeAlias = Any
"""A ``torch.nn.Module``; this room imports no torch."""


class Space(Protocol):
    """A finite set of architectures, numbered from 0 in an order of the space's own."""

    @property
    def name(self) -> str:
        """Name in the configuration and in file paths."""
        ...

    @property
    def operations(self) -> tuple[str, ...]:
        """Operations an edge or a vertex may carry."""
        ...

    @property
    def warm_up_architecture(self) -> int:
        """Index of one that takes every kind of work: scored first, unrecorded."""
        ...

    def __len__(self) -> int: ...

    def to_string(self, index: int) -> str:
        """Return an architecture's string form."""
        ...

    def parse(self, text: str) -> int:
        """Return the index of an architecture in string form, or raise ArchitectureError."""
        ...

    def sample(self, rng: np.random.Generator) -> int:
        """Return an architecture drawn uniformly."""
        ...

    def mutate(self, index: int, rng: np.random.Generator, rule: MutationRule) -> int:
        """Return an architecture near ``index``; UnknownNameError for another space's rule."""
        ...

    def neighbours(self, index: int) -> list[int]:
        """Return all architectures one change away from ``index``."""
        ...


@runtime_checkable
class ModuleSpace(Space, Protocol):
    """A space whose architectures are torch modules, whatever is in them.

    Where networks are described as data besides (``build_network``), the engine computes these,
    and modules are for training and looking at.
    """

    def module(self, index: int, *, classes: int, image_size: int) -> Module:
        """Return a new module of architecture ``index``, with weights of its own.

        Called with the keywords, under seeded generators of Python, NumPy and torch: what it draws
        from these repeats. The module takes images, (B, 3, image_size, image_size), and returns
        logits, (B, classes).
        """
        ...


@runtime_checkable
class EdgeSpace(Space, Protocol):
    """A space whose architectures are one operation for each of a fixed number of edges."""

    @property
    def edges(self) -> int:
        """Number of edges of a cell."""
        ...

    def index_of(self, digits: Sequence[int]) -> int:
        """Return the index of an architecture given by its operation code on each edge."""
        ...

    def digits(self, index: int) -> tuple[int, ...]:
        """Return the operation code on each edge."""
        ...


@runtime_checkable
class PublishedOrder(Space, Protocol):
    """A space whose published table has an order of its own, which published samples refer to."""

    def first_published(self, count: int) -> NDArray[np.int64]:
        """Return the indices of the architectures that stand first in the published table."""
        ...


@runtime_checkable
class NamedSubsets(Space, Protocol):
    """A space with parts that tables look at on their own, besides the whole of it."""

    def subsets(self) -> Mapping[str, NDArray[np.bool_]]:
        """Return (arch,) which architectures are in each part, by what tables call it."""
        ...
