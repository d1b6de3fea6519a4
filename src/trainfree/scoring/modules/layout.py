"""Where the images of a mini-batch are in the tensors that a module makes of them.

A module may put the images along any axis, or along one axis together with something else (tokens,
windows, time steps). That is found out by running it with the same image twice and a different one:
the parts of a tensor that belong to the first two are equal.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from trainfree.proxies.registry import UndefinedScoreError

PROBES = 3
"""Images of the run: one, the same again, another."""
_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Layout:
    """Where the images are.

    Parameters
    ----------
    axis
        The axis they lie along.
    others
        How many things of each image lie along that axis.
    outer
        Whether an image's things follow each other; otherwise the images do for each thing.
    """

    axis: int
    others: int
    outer: bool

    def images_first(self, tensor: Tensor) -> Tensor:
        """Return the tensor as (B, …)."""
        if self.others == 1:
            return tensor.movedim(self.axis, 0) if self.axis else tensor
        images = tensor.shape[self.axis] // self.others
        shape = (images, self.others) if self.outer else (self.others, images)
        parts: Tensor = tensor.unflatten(self.axis, shape)
        return parts.movedim(self.axis + (not self.outer), 0)

    def require(self, tensor: Tensor, images: int) -> None:
        """Raise UndefinedScoreError where a tensor does not hold something of each image."""
        if tensor.dim() <= self.axis or tensor.shape[self.axis] != images * self.others:
            raise UndefinedScoreError(
                "which images a layer sees depends on the images, as in mixtures of experts, so "
                "they cannot be compared there"
            )

    def channels_second(self, tensor: Tensor, channels: int) -> Tensor:
        """Return the tensor as (B, channels, positions), its axis ``channels`` being those."""
        if channels == self.axis:  # both along one axis: what is not images is channels
            return self.images_first(tensor).flatten(2)
        last = tensor.movedim(channels, -1)
        axis = self.axis - (channels < self.axis)
        first = Layout(axis, self.others, self.outer).images_first(last)
        return first.flatten(1, -2).mT if first.dim() > 2 else first[:, :, None]


def find_layout(tensor: Tensor) -> Layout | None:
    """Return where the images of a probing run are in a tensor; None where it depends on none."""
    for axis, size in enumerate(tensor.shape):
        if size % PROBES or not size:
            continue
        for outer in (True, False):
            layout = Layout(axis, size // PROBES, outer)
            if _tells_apart(layout.images_first(tensor)):
                return layout
            if layout.others == 1:
                break
    return None


def constant_layout(tensor: Tensor) -> Layout | None:
    """Return where the images are in a tensor that is the same for all: along the first axis.

    None where it has another length. Zeros in place of a branch are of this kind.
    """
    return Layout(0, 1, True) if tensor.dim() and len(tensor) == PROBES else None


def _tells_apart(images: Tensor) -> bool:
    one, same, other = images.unbind(0)
    if torch.equal(one, same):
        return not torch.equal(one, other)
    if not images.is_floating_point():
        return False
    near, far = (one - same).abs().max(), (one - other).abs().max()
    return bool(far > 0) and bool(near <= _TOLERANCE * far)
