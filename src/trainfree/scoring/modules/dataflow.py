"""Where values go: what everything passes through, and which weights are those of attention."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from trainfree.scoring.modules import operations
from trainfree.scoring.modules.conditions import OfBatch, conditions
from trainfree.scoring.modules.inputs import Inputs, call, tensors

Label = tuple[Any, int]
"""An operation, and how many of the same kind came before it."""


@dataclass
class Operation:
    """An operation on the images: the times of those whose values it reads, and its kind."""

    label: Label
    reads: set[int]
    joins: bool
    is_activation: bool
    is_pool: bool


def cuts_of(operations: dict[int, Operation], last: int) -> list[int]:
    """Return the times of operations whose value is all that later ones know of the images."""
    useful, waiting = set[int](), [last]
    while waiting:
        time = waiting.pop()
        if time in operations and time not in useful:
            useful.add(time)
            waiting += operations[time].reads
    last_reader: dict[int, int] = {}
    for time in sorted(useful):
        for source in operations[time].reads:
            last_reader[source] = time
    found, latest = [], last_reader.get(0, 0)
    for time in sorted(useful):
        if latest <= time:
            found.append(time)
        latest = max(latest, last_reader.get(time, time))
    return found


def ends_of(operations: dict[int, Operation], cuts: list[int]) -> list[int]:
    """Return the ends of stem and blocks: where branches have joined, and before the first do.

    An activation that alone reads the joined value belongs to the block.
    """
    readers: Counter[int] = Counter()
    for operation in operations.values():
        readers.update(operation.reads)
    joined = [time for time in cuts if operations[time].joins]
    if not joined:
        return []
    before = [time for time in cuts if time < joined[0]]
    stem = [before[-1]] if before else []
    following = dict(pairwise(cuts))
    ends = []
    for time in joined:
        after = following.get(time)
        alone = after is not None and readers[time] == 1 and operations[after].is_activation
        ends.append(after if alone and after is not None else time)
    return sorted({*stem, *ends})


@torch.no_grad()
def attention_weights(model: nn.Module, inputs: Inputs) -> frozenset[str]:
    """Return the names of weights that make queries, keys and values, and of projections behind.

    Attention is told by what is multiplied, whatever its modules are called: a product of two
    projections, the scores, is multiplied by a third. The weights that multiply the result, before
    anything is added to it, are the projections behind.
    """
    trace = _Attention(dict(model.named_parameters()), tensors(inputs))
    with conditions(OfBatch()), trace:
        call(model, inputs)
    return frozenset(trace.found)


@dataclass(frozen=True)
class _Made:
    """What a value is made of: a projection's output, scores of two, or what attention returns."""

    kind: str
    weights: frozenset[str] = frozenset()


class _Attention(TorchDispatchMode):
    """Follows projections through a pass; values are told apart by their memory, kept meanwhile."""

    def __init__(self, parameters: dict[str, nn.Parameter], images: list[Tensor]) -> None:
        super().__init__()
        self._names = {_memory(x): name for name, x in parameters.items() if x.dim() > 1}
        self._alive: list[Any] = [images]
        self._of_images = {_memory(x) for x in images}
        self._made: dict[int, _Made | None] = {}
        self.found: set[str] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs, packet = kwargs or {}, func.overloadpacket
        made = func(*args, **kwargs)
        read = operations.tensors_in(args, *kwargs.values())
        of_images = [x for x in read if _memory(x) in self._of_images]
        if not of_images or packet in operations.MAKES_ANEW:
            return made
        written = list(operations.tensors_in(made))
        self._alive.append(written)
        known = [self._made.get(_memory(x)) for x in of_images]
        if packet in operations.PRODUCTS:
            weights = [self._names.get(_memory(x)) for x, _ in operations.factors(packet, args)]
            value = self._multiplied(known, {name for name in weights if name is not None})
        else:
            value = _joined(known, packet in operations.JOINS)
        for x in written:
            self._of_images.add(_memory(x))
            self._made[_memory(x)] = value
        return made

    def _multiplied(self, known: Sequence[_Made | None], weights: set[str]) -> _Made | None:
        """Return what a product is, given what its factors are; note attention's weights."""
        found = [each for each in known if each is not None]
        if weights:
            if any(each.kind == "attention" for each in found):
                self.found |= weights
            return _Made("projection", frozenset(weights))
        behind = frozenset[str]().union(*(each.weights for each in found))
        if any(each.kind == "scores" for each in found) and len(found) > 1:
            self.found |= behind
            return _Made("attention")
        of_two = [each.kind for each in found] == ["projection", "projection"]
        return _Made("scores", behind) if of_two else None


def _joined(known: Sequence[_Made | None], joins: bool) -> _Made | None:
    """Return what an operation makes of values: the same, unless others are joined to it.

    Scores stay scores when a mask or a bias is added, attention's result when it is gated.
    """
    scores = [each.weights for each in known if each is not None and each.kind == "scores"]
    if scores:
        return _Made("scores", frozenset().union(*scores))
    if len(set(known)) == 1:
        return known[0]
    attention = _Made("attention")
    return attention if attention in known and not joins else None


def _memory(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
