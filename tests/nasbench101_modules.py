"""NAS-Bench-101 networks as ordinary modules, for hooks and for gradients of autograd.

Written from the published builder; shares nothing with the package but the draw of the weights.
Convolutions stand in the order in which the package draws weights: vertex by vertex, the
projection before the operation, the projection to the output last.
"""

from __future__ import annotations

import torch
from nasbench101_fixtures import C1, C3, MP
from torch import Tensor, nn


class ConvBnRelu(nn.Sequential):
    def __init__(self, c_in: int, c_out: int, kernel: int) -> None:
        super().__init__(
            nn.Conv2d(c_in, c_out, kernel, padding=kernel // 2, bias=False),
            nn.BatchNorm2d(c_out),
            nn.ReLU(),
        )


class Cell(nn.Module):
    def __init__(self, spec, c_in: int, c_out: int) -> None:
        super().__init__()
        self.matrix, self.last = spec.matrix.tolist(), len(spec.ops) - 1
        self.widths = channels_of(self.matrix, c_out)
        self.projections, self.operations = nn.ModuleDict(), nn.ModuleDict()
        self.order = nn.ModuleList()
        for vertex in range(1, self.last + 1):
            width = self.widths[vertex]
            if self.matrix[0][vertex]:
                self.projections[str(vertex)] = ConvBnRelu(c_in, width, 1)
                self.order.append(self.projections[str(vertex)])
            if vertex < self.last:
                self.operations[str(vertex)] = (
                    nn.MaxPool2d(3, 1, 1)
                    if spec.ops[vertex] == MP
                    else ConvBnRelu(width, width, {C3: 3, C1: 1}[spec.ops[vertex]])
                )
                self.order.append(self.operations[str(vertex)])

    def forward(self, x: Tensor) -> Tensor:
        known: dict[int, Tensor] = {}
        for vertex in range(1, self.last):
            terms = [
                known[source][:, : self.widths[vertex]]
                for source in range(1, vertex)
                if self.matrix[source][vertex]
            ]
            if self.matrix[0][vertex]:
                terms.append(self.projections[str(vertex)](x))
            known[vertex] = self.operations[str(vertex)](sum(terms[1:], terms[0]))
        feeding = [known[v] for v in range(1, self.last) if self.matrix[v][self.last]]
        terms = [torch.cat(feeding, dim=1)] if feeding else []
        if self.matrix[0][self.last]:
            terms.append(self.projections[str(self.last)](x))
        return sum(terms[1:], terms[0])


class GraphNetwork(nn.Module):
    def __init__(self, spec, stem: int, modules: int, classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [ConvBnRelu(3, stem, 3)]
        before = stem
        for stack in range(3):
            if stack:
                layers.append(nn.MaxPool2d(2, 2))
            for _ in range(modules):
                layers.append(Cell(spec, before, stem * 2**stack))
                before = stem * 2**stack
        self.layers = nn.Sequential(*layers)
        self.classifier = nn.Linear(before, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.layers(x).mean((2, 3)))


def channels_of(matrix: list[list[int]], c_out: int) -> dict[int, int]:
    """Return the channels of each vertex but the input, from the output backwards."""
    last = len(matrix) - 1
    feeding = [v for v in range(1, last) if matrix[v][last]]
    found = {last: c_out}
    for vertex in range(last - 1, 0, -1):
        if vertex in feeding:
            place = feeding.index(vertex)
            found[vertex] = c_out // len(feeding) + (place < c_out % len(feeding))
        else:
            found[vertex] = max(found[y] for y in range(vertex + 1, last) if matrix[vertex][y])
    return found


def convolutions_in_order(network: GraphNetwork) -> list[nn.Module]:
    """Return convolutions and the linear layer in the order of the package's draw."""
    found: list[nn.Module] = []
    for layer in network.layers:
        for part in layer.order if isinstance(layer, Cell) else [layer]:
            found += [part[0]] if isinstance(part, ConvBnRelu) else []
    return [*found, network.classifier]
