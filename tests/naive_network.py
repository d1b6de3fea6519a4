"""Networks executed node by node under autograd: the oracle of the proxies' tests."""

from __future__ import annotations

import numpy as np
import torch
from nasbench101_fixtures import C1, C3, MP
from torch import Tensor
from torch.nn import functional as F

from trainfree.proxies import load_proxy
from trainfree.randomness import stream
from trainfree.scoring.candidate import CheckedCandidate
from trainfree.scoring.clock import PhaseClock
from trainfree.scoring.engine_backend import EngineBackend
from trainfree.scoring.jobs.trial import small_candidate
from trainfree.scoring.weights import draw_weights
from trainfree.spaces import build_network
from trainfree.spaces.nasbench101.space import GraphCellSpace
from trainfree.spaces.network import (
    Add,
    AvgPool,
    BatchNorm,
    Concat,
    Conv,
    GlobalAvgPool,
    Input,
    Linear,
    MaxPool,
    Network,
    Relu,
    Truncate,
    Zeros,
)

ARCHITECTURES = (728, 364, 500)
GRAPHS = GraphCellSpace("small", stem_channels=5, modules_per_stack=1)
CELLS = (
    f"{C3}~0+{MP}~0~1+{C1}~1+{MP}~1~2+output~0~3~4",
    f"{C3}~0+{MP}~0+{C1}~0+{C3}~0+{C3}~1~2~3~4+output~5",
)
CLOSE = {"rel": 1e-6, "abs": 1e-9}


class Naive:
    """A network executed node by node under autograd, double precision."""

    def __init__(self, candidate: CheckedCandidate) -> None:
        self.network: Network = candidate.network
        self.batch = candidate._backend.batch.clone().contiguous().requires_grad_()
        self.labels = candidate._backend.labels
        parameters = candidate._backend.parameters
        self.weights = {n: w.clone().requires_grad_() for n, w in parameters.weight.items()}
        self.biases = parameters.bias

    def run(
        self, batch: Tensor | None = None, normalise: bool = True, fixed: dict | None = None
    ) -> dict[int, Tensor]:
        """Return all outputs; ``fixed`` holds mean and variance to use in place of the batch's."""
        values: dict[int, Tensor] = {}
        batch = self.batch if batch is None else batch
        for number, node in enumerate(self.network.nodes):
            read = [values[source] for source in node.sources]
            match node:
                case Input():
                    value = batch
                case Zeros():
                    value = batch.new_zeros(len(batch), *self.network.shapes[number])
                case Conv():
                    weight = self.weights[number]
                    value = F.conv2d(*read, weight, stride=node.stride, padding=node.padding)
                case BatchNorm() if not normalise:
                    value = read[0]
                case BatchNorm():
                    mean, variance = (
                        fixed[number]
                        if fixed
                        else (read[0].mean((0, 2, 3)), read[0].var((0, 2, 3), correction=0))
                    )
                    centred = read[0] - mean[None, :, None, None]
                    value = centred / (variance[None, :, None, None] + 1e-5).sqrt()
                case Relu():
                    value = read[0].clamp(min=0)
                case AvgPool():
                    value = F.avg_pool2d(
                        *read, node.kernel, node.stride, node.padding, count_include_pad=False
                    )
                case MaxPool():
                    value = F.max_pool2d(*read, node.kernel, node.stride, node.padding)
                case Truncate():
                    value = read[0][:, : node.channels]
                case Concat():
                    value = torch.cat(read, dim=1)
                case Add():
                    value = torch.stack(read).sum(0)
                case GlobalAvgPool():
                    value = read[0].mean((2, 3))
                case Linear():
                    value = read[0] @ self.weights[number].T + self.biases[number]
            if value.requires_grad and number:
                value.retain_grad()
            values[number] = value
        return values

    def statistics(self) -> dict[int, tuple[Tensor, Tensor]]:
        values = self.run()
        return {
            number: tuple(
                s.detach()
                for s in (
                    values[node.source].mean((0, 2, 3)),
                    values[node.source].var((0, 2, 3), correction=0),
                )
            )
            for number, node in enumerate(self.network.nodes)
            if isinstance(node, BatchNorm)
        }

    def gradients(self, graph: bool = False) -> list[tuple[Tensor, Tensor]]:
        """Return (weight, gradient of the mean cross-entropy) of all layers that have one."""
        loss = F.cross_entropy(self.run()[self.network.output], self.labels)
        found = torch.autograd.grad(
            loss, list(self.weights.values()), create_graph=graph, allow_unused=True
        )
        pairs = zip(self.weights.values(), found, strict=True)
        return [(weight, gradient) for weight, gradient in pairs if gradient is not None]

    def jacobian(self) -> np.ndarray:
        (found,) = torch.autograd.grad(self.run()[self.network.output].sum(), self.batch)
        return found.flatten(1).numpy()


def value_of(name: str, candidate: CheckedCandidate) -> float:
    value, _ = candidate.score(load_proxy(name))
    assert isinstance(value, float)
    return value


def graph_candidate(text: str, classes: int = 10) -> CheckedCandidate:
    """What small_candidate returns, for a cell of NAS-Bench-101."""
    arch, rng = GRAPHS.parse(text), stream(0, "trial")
    images = torch.from_numpy(rng.standard_normal((6, 3, 8, 8)))
    backend = EngineBackend(
        lambda: build_network(GRAPHS, arch, 8, classes),
        lambda network: draw_weights(network, "pytorch", stream(0, "weights", arch)),
        images.contiguous(memory_format=torch.channels_last),
        PhaseClock(),
        labels=torch.from_numpy(rng.integers(0, classes, 6)),
        stream=lambda purpose: stream(0, purpose, arch),
    )
    return CheckedCandidate(backend)


def candidate_of(which: int | str) -> CheckedCandidate:
    """A small candidate in double precision: one of ARCHITECTURES or of CELLS."""
    if isinstance(which, str):
        return graph_candidate(which)
    return small_candidate(which, batch_size=6, dtype=torch.float64)
