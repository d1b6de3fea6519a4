"""Every proxy against a computation that shares no code with it: autograd on the same network."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from nasbench101_fixtures import C1, C3, MP
from torch import Tensor
from torch.nn import functional as F

from trainfree.proxies import load_proxy
from trainfree.proxies.registry import UndefinedScoreError
from trainfree.randomness import stream
from trainfree.scoring.autodiff.forward import Parameters, record
from trainfree.scoring.candidate import CheckedCandidate
from trainfree.scoring.clock import PhaseClock
from trainfree.scoring.engine_backend import EngineBackend
from trainfree.scoring.jobs.trial import small_candidate
from trainfree.scoring.quantities.patterns import thin
from trainfree.scoring.quantities.per_image_gradients import image_gradients
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


def graph_candidate(text: str) -> CheckedCandidate:
    """What small_candidate returns, for a cell of NAS-Bench-101."""
    arch, rng = GRAPHS.parse(text), stream(0, "trial")
    images = torch.from_numpy(rng.standard_normal((6, 3, 8, 8)))
    backend = EngineBackend(
        lambda: build_network(GRAPHS, arch, 8, 10),
        lambda network: draw_weights(network, "pytorch", stream(0, "weights", arch)),
        images.contiguous(memory_format=torch.channels_last),
        PhaseClock(),
        labels=torch.from_numpy(rng.integers(0, 10, 6)),
        stream=lambda purpose: stream(0, purpose, arch),
    )
    return CheckedCandidate(backend)


@pytest.fixture(params=[*ARCHITECTURES, *CELLS])
def candidate(request) -> CheckedCandidate:
    if isinstance(request.param, str):
        return graph_candidate(request.param)
    return small_candidate(request.param, batch_size=6, dtype=torch.float64)


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
        fishers.append(_fisher_of(naive, image, fixed))
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
    fisher = np.mean(fishers, axis=0)
    expected = np.linalg.eigvalsh(fisher)
    np.testing.assert_allclose(
        candidate.fisher_eigenvalues, expected, rtol=1e-6, atol=1e-9 * expected.max()
    )


def _fisher_of(naive: Naive, image: Tensor, fixed: dict) -> np.ndarray:
    """Jᵀ (diag p − p pᵀ) J of one image, by one backward pass a class."""
    values = naive.run(image[None], fixed=fixed)
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


def test_zen_with_running_variances_after_two_passes(candidate, naive):
    drawn = draw_weights(naive.network, "normal", candidate.stream("proxy/zen weights"))
    naive.weights = {n: torch.from_numpy(w).double() for n, w in drawn.weight.items()}
    rng = candidate.stream("proxy/zen")
    image, change = (
        torch.from_numpy(rng.standard_normal((6, 3, 8, 8), dtype=np.float32)).double()
        for _ in range(2)
    )
    passes = [naive.run(batch) for batch in (image, image + 0.01 * change)]
    before_pool = naive.network.nodes[-2].source
    moved = (passes[0][before_pool] - passes[1][before_pool]).abs().sum((1, 2, 3)).mean()
    expected = math.log(float(moved))
    for node in naive.network.nodes:
        if isinstance(node, BatchNorm):
            running = 1.0
            for values in passes:
                variance = float(values[node.source].var((0, 2, 3)).mean())
                running = 0.9 * running + 0.1 * variance
            expected += math.log(math.sqrt(running))
    assert value_of("zen", candidate) == pytest.approx(expected, rel=1e-6)


def test_swap_and_linear_regions_count_distinct_patterns(candidate, naive):
    values = naive.run()
    columns = set()
    for number, node in enumerate(naive.network.nodes):
        if isinstance(node, Relu):
            code = (values[number] > 0).flatten(1).numpy()
            columns |= {tuple(column) for column in code.T.tolist()}
    assert value_of("swap", candidate) == len(columns)
    if any(isinstance(node, Concat) for node in naive.network.nodes):
        with pytest.raises(UndefinedScoreError, match="divides its channels"):
            value_of("linear_regions", candidate)
        return

    network = thin(naive.network, 4)
    drawn = draw_weights(network, "pytorch", candidate.stream("proxy/linear_regions weights"))
    noise = candidate.stream("proxy/linear_regions").standard_normal(
        (1000, 3, 4, 4), dtype=np.float32
    )
    naive.network = network
    naive.weights = {n: torch.from_numpy(w).double() for n, w in drawn.weight.items()}
    naive.biases = {n: torch.from_numpy(b).double() for n, b in drawn.bias.items()}
    values = naive.run(torch.from_numpy(noise).double())
    codes = [
        (values[number] > 0).flatten(1).numpy()
        for number, node in enumerate(network.nodes)
        if isinstance(node, Relu)
    ]
    distinct = len({row.tobytes() for row in np.concatenate(codes, axis=1)})
    assert value_of("linear_regions", candidate) == distinct
    assert 1 < distinct <= 1000


def test_patterns_of_more_images_than_a_word_has_bits():
    candidate = small_candidate(728, batch_size=70)
    codes = [
        (candidate.outputs[number] > 0).flatten(1).numpy()
        for number, node in enumerate(candidate.network.nodes)
        if isinstance(node, Relu)
    ]
    columns = {column.tobytes() for code in codes for column in np.ascontiguousarray(code.T)}
    assert candidate.distinct_unit_patterns == len(columns)


def test_wrcor_sums_weighted_correlations(candidate, naive):
    values = naive.run()
    F.cross_entropy(values[naive.network.output], naive.labels).backward()
    kernel = np.zeros((6, 6))
    for number, node in enumerate(naive.network.nodes):
        if not isinstance(node, Relu):
            continue
        block = sum(end < number for end in naive.network.blocks[1:])
        responses = [values[node.source]]
        if values[number].grad is not None:
            responses.append(values[number].grad * (values[number] > 0))
        for response in responses:
            with np.errstate(all="ignore"):
                correlation = np.corrcoef(response.detach().flatten(1).numpy())
            if not np.isnan(correlation).any():
                kernel += node.modules * 2**block * np.abs(correlation)
    expected = np.linalg.slogdet(kernel)[1]
    assert value_of("wrcor", candidate) == pytest.approx(expected, **CLOSE)


def test_az_nas_parts(candidate, naive):
    values, ends = naive.run(), naive.network.blocks
    entropies = []
    for end in ends:
        rows = values[end].detach().permute(0, 2, 3, 1).flatten(0, 2).numpy()
        spectrum = np.linalg.eigvalsh(np.cov(rows.T, bias=True)).clip(0)
        share = spectrum / spectrum.sum()
        entropies.append(-(share * np.log(share + 1e-8)).sum())
    assert value_of("az_expressivity", candidate) == pytest.approx(sum(entropies), **CLOSE)
    growth = min(b - a for a, b in pairwise(entropies))
    assert value_of("az_progressivity", candidate) == pytest.approx(growth, rel=1e-6, abs=1e-7)

    rng, expected = candidate.stream("proxy/az_trainability"), []
    for start, end in pairwise(ends):
        output = values[end]
        bits = np.unpackbits(np.frombuffer(rng.bytes(-(-output.numel() // 8)), np.uint8))
        batch, channels, height, width = output.shape
        signs = bits[: output.numel()].reshape(batch, height, width, channels) * 2.0 - 1
        outgoing = torch.from_numpy(signs).permute(0, 3, 1, 2)
        (incoming,) = torch.autograd.grad(
            output, values[start], outgoing, retain_graph=True, allow_unused=True
        )
        if incoming.shape == outgoing.shape and torch.equal(incoming, outgoing):
            expected.append(-math.inf)
            continue
        stride = incoming.shape[2] // height
        g_in = F.pixel_unshuffle(incoming, stride).permute(0, 2, 3, 1).flatten(0, 2)
        matrix = g_in.T @ outgoing.permute(0, 2, 3, 1).flatten(0, 2) / len(g_in)
        sigma = float(torch.linalg.matrix_norm(matrix, 2))
        expected.append(-sigma - 1 / (sigma + 1e-6) + 2)
    assert value_of("az_trainability", candidate) == pytest.approx(np.mean(expected), **CLOSE)


def test_meco_reads_the_first_image(candidate, naive):
    values, expected = naive.run(), 0.0
    for number, node in enumerate(naive.network.nodes):
        if isinstance(node, Conv | BatchNorm | Relu | AvgPool | MaxPool):
            features = values[number][0].detach().flatten(1).numpy()
            with np.errstate(all="ignore"):
                correlation = np.nan_to_num(np.corrcoef(features))
            times = node.modules if isinstance(node, Relu) else 1
            expected += times * np.linalg.eigvalsh(correlation)[0]
    assert value_of("meco", candidate) == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_naswot_normalised_is_naswot_less_the_logarithm_of_the_units(candidate):
    units, images = candidate.network.relu_units, 6
    difference = value_of("naswot", candidate) - value_of("naswot_normalised", candidate)
    assert difference == pytest.approx(images * math.log(units), rel=1e-9)


def test_vkdnw_orders_by_tensors_first(candidate):
    nodes = candidate.network.nodes
    tensors = sum(
        1 if isinstance(n, Conv) else 2 * isinstance(n, BatchNorm | Linear) for n in nodes
    )
    entropy = value_of("vkdnw_entropy", candidate)
    assert 0 < entropy <= math.log(9) + 1e-9
    assert value_of("vkdnw", candidate) == pytest.approx(tensors + entropy)


def test_a_forward_pass_keeps_what_is_promised_and_drops_the_rest():
    candidate = small_candidate(728)
    network, forward = candidate.network, candidate._backend.forward
    for number, node in enumerate(network.nodes):
        if isinstance(node, Conv | Linear | Relu):
            assert number in forward.values
            assert set(node.sources) <= set(forward.values)
    assert set(network.blocks) <= set(forward.values)
    assert len(forward.values) < len(network.nodes)
    assert set(forward.first) == set(range(len(network.nodes)))


def test_single_and_double_precision_agree(candidate):
    single = small_candidate(728, batch_size=6)
    double = small_candidate(728, batch_size=6, dtype=torch.float64)
    for name in ("snip", "grad_norm", "fisher", "grasp", "jacob_cov", "wrcor", "zico"):
        assert value_of(name, single) == pytest.approx(value_of(name, double), rel=2e-3), name


def test_thinning_keeps_depth_and_divides_width():
    network = small_candidate(728).network
    thinned = thin(network, 4)
    assert len(thinned.nodes) == len(network.nodes)
    convolutions = [node for node in thinned.nodes if isinstance(node, Conv)]
    assert {node.out_channels for node in convolutions} == {1, 2, 4}
    parameters = draw_weights(thinned, "pytorch", stream(0, "weights"))
    forward = record(
        thinned,
        Parameters(
            {n: torch.from_numpy(w) for n, w in parameters.weight.items()},
            {n: torch.from_numpy(b) for n, b in parameters.bias.items()},
        ),
        torch.randn(2, 3, 4, 4),
    )
    for number, value in forward.first.items():
        assert tuple(value.shape[1:]) == thinned.shapes[number]
