"""Measures of torch modules in the way of zero-cost-nas: oracle and yardstick of the suite's own.

Each one takes a deep copy of the model and makes passes of its own, with hooks and autograd, from
the formulas of the papers. Plain on purpose; shares nothing with the package.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

Measure = Callable[[nn.Module, Tensor, Tensor], float]
LAYERS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)
NORMALISATIONS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def fresh(model: nn.Module) -> nn.Module:
    return copy.deepcopy(model).train()


def layers(network: nn.Module) -> list[nn.Module]:
    return [module for module in network.modules() if isinstance(module, LAYERS)]


def with_gradients(model: nn.Module, images: Tensor, labels: Tensor) -> list[tuple[Tensor, Tensor]]:
    """(weight, gradient of the mean cross-entropy) of all layers that have one."""
    network = fresh(model)
    F.cross_entropy(network(images), labels).backward()
    weights = [layer.weight for layer in layers(network)]
    return [(weight.detach(), weight.grad) for weight in weights if weight.grad is not None]


def l2_norm(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    return sum(float(layer.weight.detach().norm()) for layer in layers(fresh(model)))


def grad_norm(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    return sum(float(gradient.norm()) for _, gradient in with_gradients(model, images, labels))


def snip(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    return sum(float((w * g).abs().sum()) for w, g in with_gradients(model, images, labels))


def plain(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    return sum(float((w * g).sum()) for w, g in with_gradients(model, images, labels))


def grasp(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """A pass for g, and one whose gradient is differentiated along it: −Σ w ⊙ H g."""
    network = fresh(model)
    weights = [layer.weight for layer in layers(network)]
    loss = F.cross_entropy(network(images), labels)
    gradients = torch.autograd.grad(loss, weights)
    again = F.cross_entropy(network(images), labels)
    variable = torch.autograd.grad(again, weights, create_graph=True)
    torch.stack([(v * g).sum() for v, g in zip(variable, gradients, strict=True)]).sum().backward()
    return -sum(float((w.detach() * w.grad).sum()) for w in weights)


def fisher(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Hooks keep each layer's output; the gradient's hook squares their product."""
    network, sums = fresh(model), []

    def keep(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        kept, per_channel = output.detach().clone(), layer.weight[0].numel()

        def square(gradient: Tensor) -> None:
            gates = (kept * gradient).flatten(2).sum(2) if kept.dim() > 2 else kept * gradient
            sums.append(float(gates.square().mean(0).sum()) / 2 * per_channel)

        output.register_hook(square)

    for layer in layers(network):
        layer.register_forward_hook(keep)
    F.cross_entropy(network(images), labels).backward()
    return sum(sums)


def jacob_cov(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    variable = images.clone().requires_grad_()
    logits = fresh(model)(variable)
    logits.backward(torch.ones_like(logits))
    assert variable.grad is not None
    correlation = np.corrcoef(variable.grad.flatten(1).double().numpy())
    shifted = np.linalg.eigvalsh(correlation) + 1e-5
    return float(-np.sum(np.log(shifted) + 1 / shifted))


def naswot(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    network, size = fresh(model), len(images)
    kernel = np.zeros((size, size))

    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        code = (inputs[0].reshape(size, -1) > 0).float()
        both = code @ code.T, (1.0 - code) @ (1.0 - code).T
        kernel[...] += both[0].numpy() + both[1].numpy()

    for module in network.modules():
        if isinstance(module, nn.ReLU):
            module.register_forward_hook(count)
    with torch.no_grad():
        network(images)
    sign, determinant = np.linalg.slogdet(kernel)
    return float(determinant) if sign else -math.inf


def synflow(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """ln Σ |θ ⊙ ∂R/∂θ|, without normalisation, in double precision."""
    network = fresh(model).double()
    for module in network.modules():
        for name, child in module.named_children():
            if isinstance(child, NORMALISATIONS):
                setattr(module, name, nn.Identity())
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.abs_()
    network(torch.ones_like(images[:1]).double()).sum().backward()
    weights = [layer.weight for layer in layers(network)]
    total = sum(float((w.detach() * w.grad).abs().sum()) for w in weights)
    return math.log(total) if total > 0 else -math.inf


def with_fixed_statistics(model: nn.Module, images: Tensor) -> nn.Module:
    """A copy that normalises by the statistics of these images, whatever it is given."""
    network, counts = fresh(model), {}

    def count(module: nn.Module, args: tuple[Tensor, ...]) -> None:
        counts[module] = args[0].numel() // args[0].shape[1]

    norms = [module for module in network.modules() if isinstance(module, NORMALISATIONS)]
    hooks = [norm.register_forward_pre_hook(count) for norm in norms]
    for norm in norms:
        norm.momentum = 1.0
    with torch.no_grad():
        network(images)
        for norm in norms:
            norm.running_var *= (counts[norm] - 1) / counts[norm]  # torch divides by n - 1
    for hook in hooks:
        hook.remove()
    return network.eval()


def of_each_image(
    model: nn.Module, images: Tensor, labels: Tensor | None
) -> Iterator[list[Tensor]]:
    """Gradients of the weights for each of the first 32 images: of Σ logits, or of the loss."""
    network = with_fixed_statistics(model, images)
    weights = [layer.weight for layer in layers(network)]
    for image in range(min(32, len(images))):
        logits = network(images[image : image + 1])
        loss = logits.sum()
        if labels is not None:
            loss = F.cross_entropy(logits, labels[image : image + 1])
        yield list(torch.autograd.grad(loss, weights))


def ntk_condition(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    found = of_each_image(model, images, None)
    rows = torch.stack([torch.cat([g.flatten() for g in gradients]) for gradients in found])
    eigenvalues = torch.linalg.eigvalsh((rows @ rows.T).double())
    return -float(eigenvalues[-1] / eigenvalues[0])


def gradsign(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    total = [torch.zeros_like(layer.weight) for layer in layers(model)]
    for gradients in of_each_image(model, images, labels):
        for signs, gradient in zip(total, gradients, strict=True):
            signs += gradient.sign()
    return sum(float(signs.abs().sum()) for signs in total)


def vkdnw_entropy(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Backward passes for each class of each of 16 images; the first entry of each tensor."""
    network = with_fixed_statistics(model, images)
    parameters, fisher = list(network.parameters())[:128], []
    for image in images[:16]:
        logits = network(image[None])[0]
        rows = []
        for logit in logits:
            found = torch.autograd.grad(logit, parameters, retain_graph=True)
            rows.append(torch.stack([gradient.flatten()[0] for gradient in found]).double())
        jacobian, share = torch.stack(rows), torch.softmax(logits.detach().double(), dim=0)
        fisher.append(jacobian.T @ (torch.diag(share) - share[:, None] * share) @ jacobian)
    eigenvalues = torch.linalg.eigvalsh(torch.stack(fisher).mean(dim=0)).numpy()
    deciles = np.maximum(np.quantile(eigenvalues, np.arange(1, 10) / 10), 0)
    share = deciles / deciles.sum()
    return float(-(share * np.log(share + 1e-10)).sum())


def vkdnw(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    return len(list(model.parameters())) + vkdnw_entropy(model, images, labels)


OF_ZERO_COST_NAS: dict[str, Measure] = {
    measure.__name__: measure
    for measure in (*(l2_norm, grad_norm, snip, plain, grasp, fisher, jacob_cov, naswot, synflow),)
}
"""Those that zero-cost-nas has, and NASWOT as its descendants have it."""
MEASURES = OF_ZERO_COST_NAS | {
    measure.__name__: measure for measure in (ntk_condition, gradsign, vkdnw_entropy, vkdnw)
}
"""With those that other published code computes image by image."""
