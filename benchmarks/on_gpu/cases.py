"""What the GPU benchmark computes on: spaces, sizes of images and batches, and how many of each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from trainfree.randomness import stream
from trainfree.scoring.settings.initialization import Initialization
from trainfree.scoring.weights import Weights, draw_weights
from trainfree.spaces import build_network, load_space
from trainfree.spaces.network import Network

SEED = 0
INITIALIZATION: Initialization = "pytorch"


@dataclass(frozen=True)
class Case:
    """A space's networks on a mini-batch of noise.

    Attributes
    ----------
    size
        Height and width of the images.
    images
        Of the mini-batch, B.
    """

    space: str
    size: int
    images: int
    classes: int = 10

    def batch(self, device: torch.device) -> Tensor:
        """Return seeded noise, (B, 3, size, size) float32, channels last."""
        shape = (self.images, 3, self.size, self.size)
        noise = stream(SEED, "bench-batch").standard_normal(shape, np.float32)
        return torch.from_numpy(noise).to(device).contiguous(memory_format=torch.channels_last)

    def labels(self, device: torch.device) -> Tensor:
        """Return seeded class numbers, (B,)."""
        drawn = stream(SEED, "bench-labels").integers(self.classes, size=self.images)
        return torch.from_numpy(drawn).to(device)

    def sample(self, count: int, purpose: str = "bench") -> list[int]:
        """Return seeded architectures, none twice."""
        whole = len(load_space(self.space))
        chosen = stream(SEED, purpose).choice(whole, min(count, whole), replace=False)
        return [int(arch) for arch in chosen]

    def network(self, arch: int) -> Network:
        return build_network(load_space(self.space), arch, self.size, self.classes)

    def weights(self, network: Network, arch: int) -> Weights:
        return draw_weights(network, INITIALIZATION, stream(SEED, "weights", arch))


@dataclass(frozen=True)
class Scale:
    """How much of everything is measured.

    Attributes
    ----------
    case, small_case
        Images of CIFAR's size, and of ImageNet16's.
    engine
        Architectures for the group engine.
    others
        For torch operations one by one, the published way and bare convolutions.
    truth
        Compared with the CPU.
    swept
        For each batch size, group size and precision.
    proxies, proxy_case
        For all proxies.
    cells, cell_case
        Of NAS-Bench-101.
    sizes, size_case
        Of NATS-Bench's size space.
    full
        Whether it is the whole benchmark.
    """

    case: Case
    small_case: Case
    engine: int
    others: int
    truth: int
    largest: int
    repeated: tuple[int, ...]
    repeated_archs: int
    swept: int
    batches: tuple[int, ...]
    groups: tuple[int, ...]
    proxies: int
    proxy_case: Case
    cells: int
    cell_case: Case
    sizes: int
    size_case: Case
    full: bool


FULL = Scale(
    case=Case("nasbench201", 32, 128),
    small_case=Case("nasbench201", 16, 128, classes=120),
    engine=1024,
    others=24,
    truth=32,
    largest=128,
    repeated=(1, 7, 128),
    repeated_archs=128,
    swept=256,
    batches=(32, 64, 128, 256, 512),
    groups=(8, 16, 32, 64, 128, 256),
    proxies=10,
    proxy_case=Case("nasbench201", 32, 64),
    cells=16,
    cell_case=Case("nasbench101", 32, 32),
    sizes=512,
    size_case=Case("nats_sss", 32, 128),
    full=True,
)
SMALLEST = Scale(
    case=Case("nasbench201_mini", 8, 3),
    small_case=Case("nasbench201_mini", 4, 2),
    engine=1,
    others=1,
    truth=3,
    largest=3,
    repeated=(1,),
    repeated_archs=1,
    swept=1,
    batches=(2,),
    groups=(),
    proxies=1,
    proxy_case=Case("nasbench201_mini", 8, 4),
    cells=1,
    cell_case=Case("nasbench101", 8, 1),
    sizes=1,
    size_case=Case("nats_sss", 4, 1),
    full=False,
)
"""For a machine without a GPU, where Triton interprets the kernels."""
