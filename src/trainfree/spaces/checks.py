"""Whether a space of others, and the networks it describes, are what they have to be.

Asked once when a space is loaded, of a spread of its architectures, and once for each network that
is built.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import get_args

import numpy as np

from trainfree.errors import ConfigError, TrainfreeError
from trainfree.outside.foreign import blamed_on, kind_of, shown, whole_number
from trainfree.spaces.network import (
    Add,
    AvgPool,
    Concat,
    Conv,
    GlobalAvgPool,
    Input,
    Linear,
    MaxPool,
    Network,
    Node,
    Relu,
    Truncate,
    Zeros,
)
from trainfree.spaces.protocol import (
    EdgeSpace,
    ModuleSpace,
    MutationRule,
    NamedSubsets,
    PublishedOrder,
    Space,
)

MOST = 2**31 - 1
"""Architectures a space may have: files hold their indices in 32 bits."""
_NAMED, _MOVED = 1000, 20

Shape = tuple[int, ...]


def check_space(space: Space, where: str) -> None:
    """Ask a space everything that others will ask it.

    Raises
    ------
    ConfigError
        Naming what was asked, what was expected and what was found.
    """
    with blamed_on(where):
        size = len(space)
        if not 1 <= size <= MOST:
            raise ConfigError(f"len: expected 1 to {MOST} architectures, found {size}")
        if not all(type(name) is str for name in space.operations):
            raise ConfigError("operations: expected a tuple of texts")
        warm = space.warm_up_architecture
        _require_indices("warm_up_architecture", [warm], size)
        spread = np.linspace(0, size - 1, min(size, _NAMED)).astype(int).tolist()
        _check_names(space, [*spread, warm])
        _check_moves(space, spread[:: max(1, len(spread) // _MOVED)])
        if isinstance(space, PublishedOrder):
            first = np.asarray(space.first_published(min(size, _NAMED))).tolist()
            _require_indices("first_published", first, size)
        if isinstance(space, NamedSubsets):
            _check_subsets(space.subsets(), size)


def check_module_method(space: ModuleSpace, where: str) -> None:
    """Require a method ``module`` that can be called as it will be; no module is built for this.

    Raises
    ------
    ConfigError
        Naming what was found.
    """
    expected = "expected a method module(self, index, classes, image_size)"
    with blamed_on(where):
        if not callable(space.module):
            raise ConfigError(f"{expected}, found {shown(space.module)}")
        try:
            signature = inspect.signature(space.module)
        except ValueError:  # some built-in functions have none
            return
        try:
            signature.bind(0, classes=2, image_size=8)
        except TypeError as error:
            raise ConfigError(f"{expected}, found module{signature}: {error}") from error


def check_network(network: object, where: str, image_size: int, classes: int) -> None:
    """Follow a network from the image to the logits.

    Raises
    ------
    ConfigError
        Naming the first node that does not fit those before it.
    """
    if type(network) is not Network or not (network.nodes and network.shapes):
        raise ConfigError(f"{where}: expected a Network with nodes, found {kind_of(network)}")
    if len(network.nodes) != len(network.shapes):
        raise ConfigError(
            f"{where}: expected a shape for each of {len(network.nodes)} nodes, "
            f"found {len(network.shapes)}"
        )
    parts = (network.nodes, network.shapes, network.blocks, *network.shapes)
    if not all(type(part) is tuple for part in parts):
        raise ConfigError(f"{where}: expected tuples of nodes, shapes and blocks, found others")
    for number, (node, shape) in enumerate(zip(network.nodes, network.shapes, strict=True)):
        here = f"{where}: node {number} ({kind_of(node)})"
        _check_node(node, number, here)
        if isinstance(node, Zeros):
            found = all(type(side) is int and side > 0 for side in shape) and len(shape) == 3
            expected: Shape | None = shape if found else None
        else:
            expected = _shape_after(node, network.shapes, image_size)
        if expected is None or shape != expected or min(expected) < 1:
            wanted = "what the nodes it reads allow" if expected is None else expected
            raise ConfigError(f"{here}: expected shape {wanted}, found {shape}")
    if network.shapes[-1] != (classes,):
        raise ConfigError(
            f"{where}: expected {classes} outputs, one per class, found shape {network.shapes[-1]}"
        )
    ends = [whole_number(end) for end in network.blocks]
    if any(end is None or not 0 <= end < len(network.nodes) for end in ends):
        raise ConfigError(f"{where}: blocks: expected numbers of nodes, found {network.blocks}")


def _check_names(space: Space, indices: Sequence[int]) -> None:
    seen: dict[str, int] = {}
    for index in indices:
        name = space.to_string(index)
        if type(name) is not str or not name.strip() or not name.isprintable():
            raise ConfigError(
                f"to_string({index}): expected a string of printable characters, found "
                f"{shown(name)}"
            )
        if seen.setdefault(name, index) != index:
            raise ConfigError(
                f"to_string: expected a different string for each architecture, found {name!r} for "
                f"{seen[name]} and {index}"
            )
        if whole_number(back := space.parse(name)) != index:
            raise ConfigError(f"parse({name!r}): expected {index}, found {shown(back)}")
        if isinstance(space, EdgeSpace):
            again = space.index_of(space.digits(index))
            if whole_number(again) != index:
                raise ConfigError(
                    f"index_of(digits({index})): expected {index}, found {shown(again)}"
                )


def _check_moves(space: Space, indices: Sequence[int]) -> None:
    rng, size = np.random.default_rng(0), len(space)
    for index in indices:
        _require_indices("sample(rng)", [space.sample(rng)], size)
        _require_indices(f"neighbours({index})", space.neighbours(index), size)
        for rule in get_args(MutationRule):
            try:
                found = space.mutate(index, rng, rule)
            except TrainfreeError:  # it has no such rule
                continue
            _require_indices(f"mutate({index}, rng, {rule!r})", [found], size)


def _check_subsets(found: object, size: int) -> None:
    if not isinstance(found, Mapping):
        raise ConfigError(f"subsets: expected a dictionary by name, found {kind_of(found)}")
    for name, chosen in found.items():
        if type(name) is not str or not name.strip() or not name.isprintable():
            raise ConfigError(
                f"subsets: expected names of printable characters, found {shown(name)}"
            )
        if type(chosen) is not np.ndarray or chosen.dtype != bool or chosen.shape != (size,):
            raise ConfigError(
                f"subsets: {name!r}: expected an array of {size} truth values, one an "
                f"architecture, found {shown(chosen)}"
            )


def _require_indices(what: str, found: Iterable[object], size: int) -> None:
    for each in found:
        index = whole_number(each)
        if index is None or not 0 <= index < size:
            raise ConfigError(
                f"{what}: expected an index from 0 to {size - 1}, found {shown(each)}"
            )


def _check_node(node: object, number: int, where: str) -> None:
    """Require a known node, with whole numbers that make sense, that reads nodes before it."""
    if type(node) not in get_args(Node):
        known = ", ".join(kind.__name__ for kind in get_args(Node))
        raise ConfigError(f"{where}: expected one of {known}")
    for source in getattr(node, "sources", ()):
        if type(source) is not int or not 0 <= source < number:
            raise ConfigError(f"{where}: expected to read nodes before it, found {shown(source)}")
    for name, least in _fields(node):
        value = getattr(node, name)
        if type(value) is not int or value < least:
            raise ConfigError(
                f"{where}: {name}: expected a whole number of at least {least}, "
                f"found {shown(value)}"
            )


def _fields(node: object) -> Iterator[tuple[str, int]]:
    """Yield the numbers that describe a node, with the least that each may be."""
    for name in ("out_channels", "kernel", "stride", "channels", "out_features", "modules"):
        if hasattr(node, name):
            yield name, 1
    if isinstance(node, AvgPool | MaxPool):
        yield "padding", 0


def _shape_after(node: object, shapes: Sequence[Shape], image_size: int) -> Shape | None:
    """Return the shape that a node makes of those it reads; None where it cannot read them."""
    read = [shapes[source] for source in getattr(node, "sources", ())]
    match node:
        case Input():
            return (3, image_size, image_size)
        case Linear(in_features=features, out_features=classes):
            return (classes,) if read[0] == (features,) else None
        case Add():
            return read[0] if read and len(set(read)) == 1 else None
    if not read or any(len(shape) != 3 for shape in read):
        return read[0] if isinstance(node, Relu) and read else None
    (channels, *size), *others = read
    match node:
        case Concat():
            fits = all(list(shape[1:]) == size for shape in others)
            return (sum(shape[0] for shape in read), *size) if fits else None
        case Conv(in_channels=expected, kernel=kernel, stride=stride, padding=padding):
            if expected != channels:
                return None
            return (node.out_channels, *_slid(size, kernel, stride, padding))
        case (
            AvgPool(kernel=kernel, stride=stride, padding=padding)
            | MaxPool(kernel=kernel, stride=stride, padding=padding)
        ):
            return (channels, *_slid(size, kernel, stride, padding))
        case Truncate(channels=kept):
            return (kept, *size) if kept <= channels else None
        case GlobalAvgPool():
            return (channels,)
    return (channels, *size)


def _slid(size: Sequence[int], kernel: int, stride: int, padding: int) -> Iterator[int]:
    return ((side + 2 * padding - kernel) // stride + 1 for side in size)
