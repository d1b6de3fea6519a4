"""Proxies of gradients and of synaptic flow against autograd on the same network."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from naive_network import (
    ARCHITECTURES,
    CELLS,
    CLOSE,
    Naive,
    candidate_of,
    graph_candidate,
    value_of,
)
from torch import Tensor
from torch.nn import functional as F

from trainfree.scoring.candidate import CheckedCandidate
from trainfree.scoring.jobs.trial import small_candidate
from trainfree.scoring.quantities.per_image_gradients import image_gradients
from trainfree.spaces.network import (
    Add,
    BatchNorm,
    Conv,
    Linear,
    MaxPool,
    Network,
)

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(params=[*ARCHITECTURES, *CELLS])
def candidate(request) -> CheckedCandidate:
    return candidate_of(request.param)


@pytest.fixture
def naive(candidate) -> Naive:
    return Naive(candidate)


def test_snip_grad_norm_and_plain(candidate, naive):
    pairs = naive.gradients()
    expected = {
        "snip": sum(float((w * g).abs().sum()) for w, g in pairs),
        "grad_norm": sum(float(g.square().sum().sqrt()) for _, g in pairs),
        "plain": sum(float((w * g).sum()) for w, g in pairs),
        "l2_norm": sum(float(w.detach().square().sum().sqrt()) for w in naive.weights.values()),
    }
    for name, value in expected.items():
        assert value_of(name, candidate) == pytest.approx(value, **CLOSE), name


def test_fisher_weighs_each_channel_by_its_weights(candidate, naive):
    values = naive.run()
    F.cross_entropy(values[naive.network.output], naive.labels).backward()
    total = 0.0
    for number, weight in naive.weights.items():
        output = values[number]
        if output.grad is None:
            continue
        product = (output * output.grad).detach().flatten(2) if output.dim() == 4 else None
        summed = (output * output.grad).detach() if product is None else product.sum(2)
        for channel in range(len(weight)):
            total += 0.5 * float((summed[:, channel] ** 2).mean()) * weight[channel].numel()
    assert value_of("fisher", candidate) == pytest.approx(total, **CLOSE)


def test_grasp_is_minus_the_weights_times_hessian_times_gradient(candidate, naive):
    pairs = naive.gradients(graph=True)
    product = sum((gradient * gradient.detach()).sum() for _, gradient in pairs)
    weights = [weight for weight, _ in pairs]
    hessian = torch.autograd.grad(product, weights, allow_unused=True)
    expected = -sum(
        float((w.detach() * h).sum())
        for w, h in zip(weights, hessian, strict=True)
        if h is not None
    )
    assert value_of("grasp", candidate) == pytest.approx(expected, **CLOSE)


def test_jacob_cov_and_epe_nas(candidate, naive):
    jacobian, labels = naive.jacobian(), naive.labels.numpy()
    eigenvalues = np.linalg.eigvals(np.corrcoef(jacobian)).real + 1e-5
    expected = -float(np.sum(np.log(eigenvalues) + 1 / eigenvalues))
    assert value_of("jacob_cov", candidate) == pytest.approx(expected, **CLOSE)
    total = 0.0
    for label in set(labels.tolist()):
        rows = [row for row, own in zip(jacobian, labels, strict=True) if own == label]
        inner = 0.0
        for a in rows:
            for b in rows:
                inner += math.log(abs(np.corrcoef(a, b)[0, 1]) + 1e-5)
        total += abs(inner)
    assert value_of("epe_nas", candidate) == pytest.approx(total, **CLOSE)


def test_zico_over_the_halves(candidate, naive):
    halves = []
    for part in (slice(0, 3), slice(3, 6)):
        loss = F.cross_entropy(
            naive.run(naive.batch[part])[naive.network.output], naive.labels[part]
        )
        halves.append(torch.autograd.grad(loss, list(naive.weights.values()), allow_unused=True))
    expected = 0.0
    for one, other in zip(*halves, strict=True):
        if one is None:
            continue
        both = np.stack([one.numpy().ravel(), other.numpy().ravel()])
        mean, deviation = np.abs(both).mean(0), both.std(0)
        ratio = (mean[deviation > 0] / deviation[deviation > 0]).sum()
        expected += math.log(ratio) if ratio > 0 else 0.0
    # The ratio blows up rounding where both gradients nearly agree.
    assert value_of("zico", candidate) == pytest.approx(expected, rel=1e-6)


def test_ntk_gradsign_and_vkdnw_image_by_image(candidate, naive):
    fixed = naive.statistics()
    of_outputs, of_losses, fishers = [], [], []
    for image, label in zip(naive.batch, naive.labels, strict=True):
        logits = naive.run(image[None], fixed=fixed)[naive.network.output]
        loss = F.cross_entropy(logits, label[None])
        weights = list(naive.weights.values())
        for scalar, rows in ((logits.sum(), of_outputs), (loss, of_losses)):
            found = torch.autograd.grad(scalar, weights, retain_graph=True, allow_unused=True)
            rows.append(
                torch.cat(
                    [
                        torch.zeros_like(w).flatten() if g is None else g.flatten()
                        for w, g in zip(weights, found, strict=True)
                    ]
                )
            )
        fishers.append(_fisher_of(naive, image[None], fixed))
    rows = torch.stack(of_outputs)
    kernel = (rows @ rows.T).numpy()
    measured = candidate.tangent_kernel
    np.testing.assert_allclose(measured, kernel, rtol=1e-6, atol=1e-9 * kernel.max())
    eigenvalues = np.linalg.eigvalsh(kernel)
    if eigenvalues[0] > 1e-6 * eigenvalues[-1]:
        condition = value_of("ntk_condition", candidate)
        assert condition == pytest.approx(-eigenvalues[-1] / eigenvalues[0], rel=1e-4)
    agreement = float(torch.stack(of_losses).sign().sum(0).abs().sum())
    assert value_of("gradsign", candidate) == pytest.approx(agreement, rel=1e-3)
    _assert_eigenvalues(candidate, fishers)


@pytest.mark.parametrize("text", CELLS)
def test_vkdnw_of_more_classes_than_features(text):
    candidate = graph_candidate(text, classes=31)
    assert candidate.network.nodes[-1].in_features == 20
    naive = Naive(candidate)
    fixed = naive.statistics()
    _assert_eigenvalues(candidate, [_fisher_of(naive, x[None], fixed) for x in naive.batch])


def _assert_eigenvalues(candidate: CheckedCandidate, fishers: list[np.ndarray]) -> None:
    expected = np.linalg.eigvalsh(np.mean(fishers, axis=0))
    np.testing.assert_allclose(
        candidate.fisher_eigenvalues, expected, rtol=1e-6, atol=1e-9 * expected.max()
    )


def _fisher_of(naive: Naive, image: Tensor, fixed: dict) -> np.ndarray:
    """Jᵀ (diag p − p pᵀ) J of one image, (1, 3, h, w), by one backward pass a class."""
    values = naive.run(image, fixed=fixed)
    logits = values[naive.network.output][0]
    probability = torch.softmax(logits, 0).detach().numpy()
    rows = []
    for logit in logits:
        for value in values.values():
            value.grad = None
        for weight in naive.weights.values():
            weight.grad = None
        logit.backward(retain_graph=True)
        row = []
        for number, node in enumerate(naive.network.nodes):
            grad = values[number].grad
            if isinstance(node, Conv | Linear):
                own = naive.weights[number].grad
                row.append(0.0 if own is None else float(own.flatten()[0]))
            if isinstance(node, Linear):
                row.append(float(grad[0, 0]))
            if isinstance(node, BatchNorm):
                scale = 0.0 if grad is None else float((grad * values[number])[0, 0].sum())
                row += [scale, 0.0 if grad is None else float(grad[0, 0].sum())]
        rows.append(row[:128])
    jacobian = np.array(rows)
    covariance = np.diag(probability) - np.outer(probability, probability)
    return jacobian.T @ covariance @ jacobian


def test_only_the_first_images_are_used_for_single_gradients():
    whole = small_candidate(728, batch_size=8, dtype=torch.float64)
    forward, labels = whole._backend.forward, whole._backend.labels
    part = image_gradients(forward, labels, images=5)
    everything = image_gradients(forward, labels, images=8)
    np.testing.assert_allclose(part.tangent_kernel, everything.tangent_kernel[:5, :5])


@pytest.mark.parametrize(
    ("name", "normalise"), [("synflow", False), ("synflow_bn", True), ("synflow_bn_reductions", 2)]
)
def test_synflow_with_and_without_normalisation(candidate, name, normalise):
    naive = Naive(candidate)
    naive.weights = {n: w.detach().abs().requires_grad_() for n, w in naive.weights.items()}
    naive.biases = {n: b.abs() for n, b in naive.biases.items()}
    if normalise == 2:
        naive.network = _without_normalisation_in_cells(naive.network)
    ones = torch.ones(1, 3, 8, 8, dtype=torch.float64)
    output = naive.run(ones, normalise=bool(normalise))[naive.network.output]
    weights = list(naive.weights.values())
    found = torch.autograd.grad(output.sum(), weights, allow_unused=True)
    flow = sum(
        float((w.detach() * g).abs().sum())
        for w, g in zip(weights, found, strict=True)
        if g is not None
    )
    assert value_of(name, candidate) == pytest.approx(math.log(flow), **CLOSE)


def _without_normalisation_in_cells(network: Network) -> Network:
    """Sums of one summand do nothing; put one in the place of each normalisation in a cell.

    A cell of NAS-Bench-101 that begins with a pooling of stride 2 keeps its own; with one cell a
    stack these are all cells but the first.
    """
    strided = {
        n
        for n, node in enumerate(network.nodes)
        if isinstance(node, Conv | MaxPool) and node.stride == 2
    }
    stays: set[int] = set()
    for first in strided:
        batch_norms = [n for n, node in enumerate(network.nodes) if isinstance(node, BatchNorm)]
        after = [n for n in batch_norms if n > first]
        stays |= set(after if isinstance(network.nodes[first], MaxPool) else after[:2])
    nodes = tuple(
        Add((node.source,)) if isinstance(node, BatchNorm) and number not in stays else node
        for number, node in enumerate(network.nodes)
    )
    return Network(nodes, network.shapes, network.blocks)


def test_vkdnw_orders_by_tensors_first(candidate):
    nodes = candidate.network.nodes
    tensors = sum(
        1 if isinstance(n, Conv) else 2 * isinstance(n, BatchNorm | Linear) for n in nodes
    )
    entropy = value_of("vkdnw_entropy", candidate)
    assert 0 < entropy <= math.log(9) + 1e-9
    assert value_of("vkdnw", candidate) == pytest.approx(tensors + entropy)
