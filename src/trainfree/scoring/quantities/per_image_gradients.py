"""What the gradient of each single image says, without keeping all these gradients.

The statistics of batch normalisation are those of the batch and held fixed, so that an image's
output, loss and gradient are its own. In train mode proper each output depends on every image and
its gradient would take one backward pass an image. Weights of convolutions and of the
linear layer are taken, biases and batch normalisation are not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from trainfree.scoring.autodiff.backward import backward_per_image
from trainfree.scoring.autodiff.forward import ForwardPass
from trainfree.scoring.placement import on_cpu, read_numbers, to_cpu
from trainfree.spaces.network import BatchNorm, Conv, Linear

IMAGES = 32
_IMAGES_AT_ONCE = 8
"""So many images' unfolded maps stay in the cache."""


@dataclass(frozen=True)
class ImageGradients:
    """Sums over all weights.

    Parameters
    ----------
    tangent_kernel
        Θ_ij = ⟨∂ Σ_k f_k(x_i) / ∂w, ∂ Σ_k f_k(x_j) / ∂w⟩, (images, images) float64.
    sign_agreement
        Σ_w |Σ_i sign(∂ loss(x_i) / ∂w)|.
    """

    tangent_kernel: NDArray[np.float64]
    sign_agreement: float


@torch.no_grad()
def image_gradients(forward: ForwardPass, labels: Tensor, images: int = IMAGES) -> ImageGradients:
    """Return kernel and agreement of the images' gradients in one pass for both.

    Parameters
    ----------
    labels
        Class numbers of the whole mini-batch.
    images
        The first so many images are used; normalisation is by the statistics of all.
    """
    forward, labels = forward.of_first(images), labels[:images]
    summary = _Summary(forward)
    of_outputs = torch.ones_like(forward.logits)
    of_losses = torch.softmax(forward.logits, dim=1) - F.one_hot(labels, forward.logits.shape[1])
    backward_per_image(forward, torch.stack([of_outputs, of_losses]), summary.visit)
    return summary.result()


class _Summary:
    """Adds up layer by layer; on a GPU the layers' sums are added up at the end."""

    def __init__(self, forward: ForwardPass) -> None:
        self._network = forward.network
        images = len(forward.logits)
        self._kernels = [forward.logits.new_zeros(images, images, dtype=torch.float64)]
        self._agreements: list[Tensor] = []

    def visit(self, number: int, x: Tensor, adjoints: Tensor) -> None:
        """Add a layer's gradients; ``adjoints`` are those of outputs and of losses."""
        node = self._network.nodes[number]
        if isinstance(node, BatchNorm):
            return
        of_outputs, of_losses = adjoints
        if isinstance(node, Linear):
            self._add(of_outputs[:, :, None] * x[:, None], of_losses[:, :, None] * x[:, None])
        elif isinstance(node, Conv) and on_cpu(x):
            both = torch.cat([_rows(of_outputs), _rows(of_losses)], dim=2).mT
            size = (len(x), both.shape[1], node.kernel**2 * node.in_channels)
            found = torch.empty(size, dtype=x.dtype, device=x.device)
            for start in range(0, len(x), _IMAGES_AT_ONCE):
                part = slice(start, start + _IMAGES_AT_ONCE)
                torch.bmm(both[part], unfold(x[part], node), out=found[part])
            self._add(found[:, : node.out_channels], found[:, node.out_channels :])
        elif isinstance(node, Conv):
            seen = unfold(x, node)
            self._add(_rows(of_outputs).mT @ seen, _rows(of_losses).mT @ seen)

    def _add(self, of_outputs: Tensor, of_losses: Tensor) -> None:
        flat = of_outputs.flatten(1)
        agreed = of_losses.sign().sum(dim=0)
        if on_cpu(flat):
            self._kernels[0] += flat @ flat.T
            self._agreements.append(agreed.abs().sum(dtype=torch.float64))
        else:
            self._kernels.append(flat @ flat.T)
            self._agreements.append(agreed.flatten())

    def result(self) -> ImageGradients:
        """Return kernel and agreement of all layers."""
        zero, *kernels = self._kernels
        if not kernels:
            return ImageGradients(zero.cpu().numpy(), sum(read_numbers(self._agreements)))
        kernel = torch.stack(kernels).sum(dim=0, dtype=torch.float64)
        agreement = torch.cat(self._agreements).abs().sum(dtype=torch.float64)
        found, agreed = (each.numpy() for each in to_cpu([kernel, agreement]))
        return ImageGradients(found, float(agreed))


def unfold(x: Tensor, node: Conv) -> Tensor:
    """Return what the kernel sees at each position, (B, positions, kernel · kernel · C)."""
    if node.kernel == 1 and node.stride == 1:
        return _rows(x)
    pad = node.padding
    maps = F.pad(x, (pad, pad, pad, pad)).permute(0, 2, 3, 1).contiguous()
    images, height, width, channels = maps.shape
    down = (height - node.kernel) // node.stride + 1
    across = (width - node.kernel) // node.stride + 1
    step, row = maps.stride(2) * node.stride, maps.stride(1)
    windows = maps.as_strided(
        (images, down, across, node.kernel, node.kernel * channels),
        (maps.stride(0), row * node.stride, step, row, 1),
    )
    return windows.reshape(images, down * across, -1)


def _rows(value: Tensor) -> Tensor:
    """Return a map as rows of channels, (B, height · width, C)."""
    return value.permute(0, 2, 3, 1).flatten(1, 2)
