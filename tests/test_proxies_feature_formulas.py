"""Proxies of codes and features against plain computations on the same network."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from naive_network import (
    ARCHITECTURES,
    CELLS,
    CLOSE,
    Naive,
    candidate_of,
    value_of,
)
from torch.nn import functional as F

from trainfree.scoring.candidate import CheckedCandidate
from trainfree.scoring.jobs.trial import small_candidate
from trainfree.scoring.weights import draw_weights
from trainfree.spaces.network import (
    AvgPool,
    BatchNorm,
    Conv,
    Linear,
    MaxPool,
    Relu,
)

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(params=[*ARCHITECTURES, *CELLS])
def candidate(request) -> CheckedCandidate:
    return candidate_of(request.param)


@pytest.fixture
def naive(candidate) -> Naive:
    return Naive(candidate)


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


def test_swap_counts_distinct_patterns(candidate, naive):
    values = naive.run()
    columns = set()
    for number, node in enumerate(naive.network.nodes):
        if isinstance(node, Relu):
            code = (values[number] > 0).flatten(1).numpy()
            columns |= {tuple(column) for column in code.T.tolist()}
    assert value_of("swap", candidate) == len(columns)


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
    relus = [(n, node) for n, node in enumerate(naive.network.nodes) if isinstance(node, Relu)]
    for source in {node.source for _, node in relus}:
        readers = [(number, node) for number, node in relus if node.source == source]
        block = sum(end < readers[0][0] for end in naive.network.blocks[1:])
        responses = [values[source]]
        adjoints = [values[n].grad for n, _ in readers if values[n].grad is not None]
        if adjoints:
            responses.append(sum(adjoints) * (values[source] > 0))
        for response in responses:
            with np.errstate(all="ignore"):
                correlation = np.corrcoef(response.detach().flatten(1).numpy())
            if not np.isnan(correlation).any():
                modules = sum(node.modules for _, node in readers)
                kernel += modules * 2**block * np.abs(correlation)
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
