"""NASWOT and Synflow written plainly from their definitions: oracle and yardstick of the engine.

An ordinary module network in the way of the NAS-Bench-201 code, hooks on everything whose class is
named after ReLU, both matrix products of every hook call, and Synflow by reverse-mode gradients in
float64. Slow on purpose; shares nothing with the package but the draw of the weights.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

EDGES = ((1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (3, 2))


class ReLUConvBN(nn.Module):
    def __init__(self, c_in: int, c_out: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.op = nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, bias=False),
            nn.BatchNorm2d(c_out),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.op(x)


class Zero(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * 0.0


def operation(name: str, channels: int) -> nn.Module:
    return {
        "none": Zero,
        "skip_connect": nn.Identity,
        "nor_conv_1x1": lambda: ReLUConvBN(channels, channels, 1),
        "nor_conv_3x3": lambda: ReLUConvBN(channels, channels, 3),
        "avg_pool_3x3": lambda: nn.AvgPool2d(3, 1, 1, count_include_pad=False),
    }[name]()


class Cell(nn.Module):
    def __init__(self, names: tuple[str, ...], channels: int) -> None:
        super().__init__()
        self.edges = nn.ModuleList(operation(name, channels) for name in names)

    def forward(self, x: Tensor) -> Tensor:
        nodes = [x]
        for target in (1, 2, 3):
            terms = [
                self.edges[place](nodes[source])
                for place, (node, source) in enumerate(EDGES)
                if node == target
            ]
            nodes.append(sum(terms[1:], terms[0]))
        return nodes[3]


class ResidualBlock(nn.Module):
    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.conv_a = ReLUConvBN(c_in, c_out, 3, 2)
        self.conv_b = ReLUConvBN(c_out, c_out, 3)
        self.downsample = nn.Sequential(nn.AvgPool2d(2, 2), nn.Conv2d(c_in, c_out, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        return self.downsample(x) + self.conv_b(self.conv_a(x))


class TinyNetwork(nn.Module):
    def __init__(self, names: tuple[str, ...], channels: int, cells: int, classes: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)
        )
        layers: list[nn.Module] = []
        for stage in range(3):
            width = channels * 2**stage
            if stage:
                layers.append(ResidualBlock(width // 2, width))
            layers.extend(Cell(names, width) for _ in range(cells))
        self.cells = nn.Sequential(*layers)
        self.lastact = nn.Sequential(nn.BatchNorm2d(4 * channels), nn.ReLU())
        self.classifier = nn.Linear(4 * channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.lastact(self.cells(self.stem(x)))
        return self.classifier(x.mean((2, 3)))


def weighted_in_order(network: TinyNetwork) -> list[nn.Module]:
    """Convolutions and the linear layer in the order in which the package draws weights.

    The package adds a cell's edges node by node, which is also their canonical order; in a
    residual block both 3x3 convolutions come before the shortcut's 1x1.
    """
    return [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]


def relu_kernel(
    network: nn.Module, batch: Tensor, official: bool, dtype: torch.dtype = torch.float64
) -> np.ndarray:
    """K by hooks on modules: all named after ReLU (official), or those that are nn.ReLU.

    Products are in ``dtype``.
    """
    size = len(batch)
    kernel = np.zeros((size, size))

    def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        code = (inputs[0].reshape(size, -1) > 0).to(dtype)
        both = code @ code.T + (1 - code) @ (1 - code).T
        kernel[...] += both.cpu().numpy()

    handles = [
        module.register_forward_hook(hook)
        for module in network.modules()
        if ("ReLU" in type(module).__name__ if official else isinstance(module, nn.ReLU))
    ]
    network.train()
    with torch.no_grad():
        network(batch)
    for handle in handles:
        handle.remove()
    return kernel


def published_kernel(network: nn.Module, batch: Tensor) -> np.ndarray:
    """K in the way of the published code: the yardstick of the benchmarks.

    A forward and a backward pass mark the modules that gradients visit, a second forward pass
    takes the codes of marked modules; both products are float32, the sum is NumPy's, on the host
    wherever the network is.
    """
    size = len(batch)
    kernel = np.zeros((size, size))
    visited: set[nn.Module] = set()
    counting = False

    def forward_hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if counting and module in visited:
            code = (inputs[0].reshape(size, -1) > 0).float()
            both = code @ code.T, (1.0 - code) @ (1.0 - code).T
            kernel[...] += both[0].cpu().numpy() + both[1].cpu().numpy()

    def backward_hook(module: nn.Module, *gradients: object) -> None:
        visited.add(module)

    handles = []
    for module in network.modules():
        if "ReLU" in type(module).__name__:
            handles.append(module.register_forward_hook(forward_hook))
            handles.append(module.register_full_backward_hook(backward_hook))
    network.train()
    logits = network(batch)
    logits.backward(torch.ones_like(logits))
    counting = True
    with torch.no_grad():
        network(batch.clone())
    for handle in handles:
        handle.remove()
    return kernel


def log_synaptic_flow(network: nn.Module, image_size: int) -> float:
    """ln of the sum of |weight * gradient| by backward differentiation, batch norm removed."""
    network = network.double()
    for module in network.modules():
        for name, child in module.named_children():
            if isinstance(child, nn.BatchNorm2d):
                setattr(module, name, nn.Identity())
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.abs_()
    network(torch.ones(1, 3, image_size, image_size, dtype=torch.float64)).sum().backward()
    total = sum(
        float((m.weight * m.weight.grad).abs().sum().detach())
        for m in weighted_in_order(network)
        if m.weight.grad is not None
    )
    return math.log(total) if total > 0 else -math.inf
