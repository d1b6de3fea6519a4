"""A search space as a sequence of architectures, each of which can be had as a torch module."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, overload

from trainfree.errors import ArchitectureError
from trainfree.outside.extensions import load_files
from trainfree.spaces import build_network, load_space

if TYPE_CHECKING:
    from torch import nn

    from trainfree.scoring.settings.initialization import Initialization
    from trainfree.spaces.network import Network
    from trainfree.spaces.protocol import Space


def space(name: str, file: str | Path | None = None) -> Architectures:
    """Return a search space as a sequence of its architectures.

    Parameters
    ----------
    name
        ``"nasbench201"``, ``"nasbench101"``, ``"nats_sss"``, ``"nasbench201_mini"``, or the name of
        a space in ``file`` or in an installed package.
    file
        Python file that defines the space, as in the page on adding a space.

    Raises
    ------
    UnknownNameError
        When there is no such space; the message suggests the closest name.
    ConfigError
        When the file cannot be loaded, or its content is not a space.

    Examples
    --------
    >>> import trainfree
    >>> cells = trainfree.space("nasbench201")
    >>> len(cells)
    15625
    >>> print(cells[6935])
    |nor_conv_1x1~0|+|skip_connect~0|none~1|+|nor_conv_1x1~0|nor_conv_1x1~1|none~2|
    >>> cells.find(str(cells[6935])).index
    6935
    >>> model = cells[6935].module(classes=10, seed=0)  # a plain torch.nn.Module
    >>> sum(parameter.numel() for parameter in model.parameters())
    157306
    """
    if file is not None:
        load_files([Path(file)])
    return Architectures(load_space(name))


@dataclass(frozen=True)
class Architecture:
    """One architecture of a space; ``str`` gives the space's own string for it.

    Attributes
    ----------
    space
        The space.
    index
        Its index in the space's order, from 0.
    """

    space: Space
    index: int

    def __str__(self) -> str:
        return self.space.to_string(self.index)

    def __repr__(self) -> str:
        return f"<architecture {self.index} of {self.space.name}: {self}>"

    def module(
        self,
        classes: int = 10,
        image_size: int = 32,
        seed: int = 0,
        initialization: Initialization = "pytorch",
    ) -> nn.Module:
        """Return it as a plain torch module that can be trained, saved and moved.

        Parameters
        ----------
        classes
            Number of outputs.
        image_size
            Height and width of the images in pixels.
        seed
            Root seed: the weights are exactly those that the suite scores with it.
        initialization
            ``"pytorch"``, ``"xavier"``, ``"kaiming"`` or ``"normal"``.

        Raises
        ------
        ImageError
            When images of this size do not fit the space's networks.
        ModelError
            When a space of torch modules makes one that cannot be scored.
        """
        from trainfree.scoring.architectures import architecture as scored

        return scored.Architecture(
            self.space, self.index, image_size, classes, seed, initialization
        ).module()

    def network(self, classes: int = 10, image_size: int = 32) -> Network:
        """Return it as data: layers, shapes, parameters and operations.

        Parameters
        ----------
        classes
            Number of outputs.
        image_size
            Height and width of the images in pixels.

        Raises
        ------
        ImageError
            When images of this size do not fit the space's networks.
        ConfigError
            When they are torch modules, which are not described as data.
        """
        return build_network(self.space, self.index, image_size, classes)


class Architectures(Sequence[Architecture]):
    """All architectures of a space, in its order, created on demand.

    Parameters
    ----------
    space
        The space.
    """

    def __init__(self, space: Space) -> None:
        self.space = space

    @property
    def name(self) -> str:
        """Name of the space."""
        return self.space.name

    def __len__(self) -> int:
        return len(self.space)

    def __iter__(self) -> Iterator[Architecture]:
        return (Architecture(self.space, index) for index in range(len(self)))

    @overload
    def __getitem__(self, place: int) -> Architecture: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Architecture]: ...
    def __getitem__(self, place: int | slice) -> Architecture | Sequence[Architecture]:
        if isinstance(place, slice):
            return [Architecture(self.space, index) for index in range(len(self))[place]]
        try:
            return Architecture(self.space, range(len(self))[place])
        except IndexError:
            raise ArchitectureIndexError(
                f"architecture {place} of {self.name}: expected an index from {-len(self)} to "
                f"{len(self) - 1}"
            ) from None

    def __contains__(self, value: object) -> bool:
        return (
            isinstance(value, Architecture)
            and value.space == self.space
            and 0 <= value.index < len(self)
        )

    def __repr__(self) -> str:
        return f"<{len(self)} architectures of {self.name}>"

    def find(self, text: str) -> Architecture:
        """Return the architecture of a string, as its text or the tables of a run have it.

        Raises
        ------
        ArchitectureError
            Saying which part of the string is wrong.
        """
        return Architecture(self.space, self.space.parse(text))


class ArchitectureIndexError(ArchitectureError, IndexError):
    """An index that no architecture of the space has; also an IndexError, as of any sequence."""
