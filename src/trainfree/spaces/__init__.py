"""Search spaces: encodings, enumeration, sampling, mutation and networks.

A space is found by name; its modules are imported when it is asked for, so that an edit of one
space touches the results of no other. Nothing here needs torch: a network is described as data
(:mod:`trainfree.spaces.network`) and executed elsewhere.
"""

from __future__ import annotations

import importlib
from functools import cache

from trainfree.errors import UnknownNameError
from trainfree.spaces.network import Network
from trainfree.spaces.protocol import Space

_FOLDERS = {
    "nasbench101": "nasbench101",
    "nasbench201": "nasbench201",
    "nasbench201_mini": "nasbench201",
}
SPACE_NAMES = list(_FOLDERS)


@cache
def load_space(name: str) -> Space:
    """Return the space called ``name``.

    Raises
    ------
    UnknownNameError
        When there is no such space; the message suggests the nearest name.
    """
    space: Space = importlib.import_module(module_of(name)).SPACES[name]()
    return space


def build_network(space: Space, index: int, image_size: int, classes: int) -> Network:
    """Return the network of architecture ``index`` for RGB images of ``image_size`` squared.

    Raises
    ------
    ArchitectureError
        When the index is not in the space.
    ImageError
        When images of this size do not fit the space's networks.
    """
    module = type(space).__module__  # also of a space that a caller made and no name stands for
    skeleton = importlib.import_module(_skeleton_beside(module))
    network: Network = skeleton.build_network(space, index, image_size, classes)
    return network


def module_of(name: str) -> str:
    """Return the module that holds the space ``name``, for its code hash.

    Raises
    ------
    UnknownNameError
        When there is no such space; the message suggests the nearest name.
    """
    if name not in _FOLDERS:
        raise UnknownNameError("space", name, SPACE_NAMES)
    return f"trainfree.spaces.{_FOLDERS[name]}.space"


def skeleton_of(name: str) -> str:
    """Return the module that builds the networks of the space ``name``, for its code hash."""
    return _skeleton_beside(module_of(name))


def _skeleton_beside(module: str) -> str:
    return module.rpartition(".")[0] + ".skeleton"
