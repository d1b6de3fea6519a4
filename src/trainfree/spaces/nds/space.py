"""The spaces of NDS (Radosavovic et al., ICCV 2019): the networks of each official file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from trainfree.spaces.listed import ListedSpace
from trainfree.spaces.nds.networks import Network, parse_network
from trainfree.spaces.nds.sweeps import SWEEPS, Sweep
from trainfree.spaces.protocol import Module


class NdsSpace(ListedSpace):
    """The networks of one official file, in its order.

    An architecture's name is its place in the file and its network in text, for example
    ``17: stages double_plain_block d=1,12 w=16,24 s=1,1``: a network may be there twice, trained
    from other weights.

    Parameters
    ----------
    name
        Name in the configuration and in file paths.
    sweep
        The official file.
    size
        Number of networks; the file's if left out. Where that is not known either, the space has
        the size of its prepared benchmark.
    members
        Names of the networks; those of the prepared benchmark if left out.
    """

    def __init__(
        self,
        name: str,
        sweep: Sweep,
        size: int | None = None,
        members: Sequence[str] | None = None,
    ) -> None:
        self.sweep = sweep
        super().__init__(name, sweep.size if size is None else size, members)

    def network(self, index: int) -> Network:
        """Return the network of an architecture.

        Raises
        ------
        ArchitectureError
            When the index is not in the space, or its name is none of NDS.
        """
        return parse_network(self.to_string(index).partition(": ")[2])

    def module(self, index: int, *, classes: int, image_size: int) -> Module:
        """Return a new torch module of an architecture; see :mod:`trainfree.spaces.nds.modules`."""
        from trainfree.spaces.nds import modules

        network = self.network(index)
        if self.sweep.scored:
            imagenet_stem = "ResN" in self.sweep.file
            return modules.build_as_scored(network, classes, imagenet_stem=imagenet_stem)
        return modules.build(network, classes, imagenet=self.sweep.imagenet)


SPACES: dict[str, Callable[[], NdsSpace]] = {
    name: partial(NdsSpace, name, sweep) for name, sweep in SWEEPS.items()
}
