"""Networks as torch modules: what they compute, and that torch can do with them what it does."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import reference
import torch
from naive_network import ARCHITECTURES, CELLS, GRAPHS, Naive, candidate_of
from test_scoring_engine import SMALL, SPECIAL
from torch import nn
from torch.nn import functional as F

from trainfree.randomness import stream
from trainfree.scoring.autodiff.forward import Parameters, record
from trainfree.scoring.clock import PhaseClock
from trainfree.scoring.network_module import as_parameters, module_of, space_module
from trainfree.scoring.quantities.patterns import thin
from trainfree.scoring.quantities.relu_kernel import relu_kernels
from trainfree.scoring.weights import draw_weights
from trainfree.spaces import build_network, load_space
from trainfree.spaces.network import Network, NetworkBuilder

pytestmark = pytest.mark.usefixtures("one_thread")

MINI = load_space("nasbench201_mini")
CLASSES, SIZE = 10, 8


def images(count: int = 4, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    pixels = np.random.default_rng(0).standard_normal((count, 3, SIZE, SIZE))
    return torch.from_numpy(pixels).to(dtype).contiguous(memory_format=torch.channels_last)


def parameters_of(network: Network, dtype: torch.dtype = torch.float64) -> Parameters:
    drawn = draw_weights(network, "pytorch", stream(0, "weights", 1))
    return Parameters(
        {number: torch.from_numpy(value).to(dtype) for number, value in drawn.weight.items()},
        {number: torch.from_numpy(value).to(dtype) for number, value in drawn.bias.items()},
    )


def crowded() -> Network:
    """Shared ReLUs with more and with fewer readers than modules, blocks that end twice, …"""
    builder = NetworkBuilder()
    x = builder.end_block(builder.conv(builder.input(3, SIZE), 4, kernel=3))
    x = builder.end_block(x)
    relu = builder.relu(x, modules=2, wrapped=True)
    convs = [builder.batch_norm(builder.conv(relu, 4, kernel=k)) for k in (1, 3, 1)]
    unread = builder.relu(convs[0], modules=3, wrapped=False)
    joined = builder.concat([builder.truncate(unread, 2), builder.zeros_like(x), convs[1]])
    builder.conv(joined, 2, kernel=3)  # reaches nothing
    pooled = builder.max_pool(builder.avg_pool(joined, 3, 1, 1), 2, 2, 0)
    relu = builder.end_block(builder.relu(pooled, modules=2, wrapped=True))
    total = builder.add([relu, relu, builder.batch_norm(relu)])
    builder.linear(builder.global_avg_pool(total), CLASSES)
    return builder.network()


@pytest.mark.parametrize("which", [*ARCHITECTURES, *CELLS])
def test_the_module_computes_what_plain_operations_do(which):
    candidate = candidate_of(which)
    naive = Naive(candidate)
    module = candidate.module
    found = module(naive.batch)
    expected = naive.run()[naive.network.output]
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    (ours,) = torch.autograd.grad(found.sum(), naive.batch)
    np.testing.assert_allclose(ours.flatten(1), naive.jacobian(), rtol=1e-9, atol=1e-12)
    for (number, _), weight in zip(naive.network.weighted(), weights_of(module), strict=True):
        torch.testing.assert_close(weight, naive.weights[number], rtol=0, atol=0)


@pytest.mark.parametrize("text", SPECIAL.values(), ids=SPECIAL)
def test_a_space_gives_the_weights_that_are_scored(text):
    arch = SMALL.parse(text)
    network = build_network(SMALL, arch, SIZE, CLASSES)
    drawn = draw_weights(network, "kaiming", stream(3, "weights", arch))
    parameters = as_parameters(drawn)
    module = space_module(SMALL, arch, SIZE, CLASSES, seed=3, initialization="kaiming")
    batch = images(dtype=torch.float32)
    expected = record(network, parameters, batch).logits
    torch.testing.assert_close(module(batch), expected, rtol=1e-4, atol=1e-5)
    assert sum(value.numel() for value in module.parameters()) == network.params
    for (number, _), weight in zip(network.weighted(), weights_of(module), strict=True):
        torch.testing.assert_close(weight, parameters.weight[number], rtol=0, atol=0)


@pytest.mark.parametrize("text", SPECIAL.values(), ids=SPECIAL)
def test_hooks_on_the_module_count_relus_as_the_engine_does(text):
    network = build_network(SMALL, SMALL.parse(text), SIZE, CLASSES)
    check_kernels(network)


def test_a_crowded_network_is_counted_and_computed_alike():
    network = crowded()
    check_kernels(network)
    parameters = parameters_of(network)
    module = module_of(network, parameters)
    expected = record(network, parameters, images()).logits
    torch.testing.assert_close(module(images()), expected, rtol=1e-12, atol=1e-12)


def check_kernels(network: Network) -> None:
    parameters = parameters_of(network)
    module = module_of(network, parameters)
    kernels = relu_kernels(network, parameters.weight, images(), PhaseClock(), compiled=False)
    for official, expected in ((False, kernels.per_module), (True, kernels.official)):
        found = reference.relu_kernel(module, images(), official)
        np.testing.assert_array_equal(found, expected)


def test_modules_of_one_relu_have_a_reader_each_and_the_last_has_the_rest():
    module = module_of(crowded(), parameters_of(crowded()))
    assert list(module._modules)[:8] == [
        *("conv_1", "block_end_0", "block_end_1", "relu_2_0", "relu_2_1"),
        *("conv_3", "batch_norm_4", "conv_5"),
    ]
    lines = [line.split(";")[0].strip() for line in module.code.splitlines()]
    for conv, read in ((3, "relu_2_0"), (5, "relu_2_1"), (7, "relu_2_1")):
        assert f"conv_{conv} = self.conv_{conv}({read})" in lines


def test_parameters_come_in_the_order_of_nodes():
    names = [name for name, _ in module_of(crowded(), parameters_of(crowded())).named_parameters()]
    assert names[:3] == ["conv_1.weight", "conv_3.weight", "batch_norm_4.weight"]
    assert names[3:5] == ["batch_norm_4.bias", "conv_5.weight"]
    numbers = [int(name.split(".")[0].rpartition("_")[2]) for name in names]
    assert numbers == sorted(numbers)


def test_the_ends_of_blocks_are_where_the_network_says():
    network, seen = crowded(), {}
    module = module_of(network, parameters_of(network))
    assert module.blocks_end == ("block_end_0", "block_end_1", "block_end_2")
    for name in module.blocks_end:
        module.get_submodule(name).register_forward_hook(
            lambda _, inputs, output, name=name: seen.update({name: output})
        )
    module(images())
    values = record(network, parameters_of(network), images()).values
    for name, number in zip(module.blocks_end, network.blocks, strict=True):
        torch.testing.assert_close(seen[name], values[number], rtol=1e-12, atol=1e-12)
    assert seen["block_end_0"] is seen["block_end_1"]


def pickled(module: nn.Module) -> nn.Module:
    again: nn.Module = pickle.loads(pickle.dumps(module))  # noqa: S301
    return again


@pytest.mark.parametrize(
    "ways",
    [
        *([copy.copy], [copy.deepcopy], [pickled], [copy.deepcopy, pickled]),
        *([pickled, copy.deepcopy], [copy.copy, pickled]),
    ],
)
def test_copies_are_the_same_module(ways):
    module = module_of(crowded(), parameters_of(crowded())).eval()
    again = module
    for way in ways:
        again = way(again)
    assert type(again).__name__ == "Network"
    assert again.blocks_end == module.blocks_end
    assert not again.training
    assert list(again.state_dict()) == list(module.state_dict())
    assert list(again._modules) == list(module._modules)
    torch.testing.assert_close(again(images()), module(images()), rtol=0, atol=0)
    shared = again.conv_1.weight is module.conv_1.weight
    assert shared == (ways == [copy.copy])


def test_the_module_learns():
    module = space_module(MINI, 728, SIZE, CLASSES)
    labels = torch.arange(4) % CLASSES
    optimizer, losses = torch.optim.SGD(module.parameters(), lr=0.2), []
    for _ in range(10):
        loss = F.cross_entropy(module(images(dtype=torch.float32)), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert all(value.grad is not None for value in module.parameters())
    assert losses[-1] < losses[0] / 2
    assert int(module.batch_norm_2.num_batches_tracked) == 10
    one = images(1, torch.float32)
    module.eval()
    # An image's output is now its own: statistics are those that training has left.
    together = module(images(dtype=torch.float32))[:1]
    torch.testing.assert_close(module(one), together, rtol=1e-4, atol=1e-5)


def test_the_weights_are_copies_of_those_given():
    network = crowded()
    parameters = parameters_of(network)
    module = module_of(network, parameters)
    with torch.no_grad():
        module.conv_1.weight.zero_()
        module.linear_20.bias.zero_()
    assert parameters.weight[1].any()
    assert parameters.bias[20].any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_zeros_follow_the_images_and_have_no_gradient(dtype):
    arch = SMALL.parse(SPECIAL["zero output"])
    module = space_module(SMALL, arch, SIZE, CLASSES).to(dtype)
    batch = images(5, dtype).requires_grad_()
    logits = module(batch)
    assert logits.shape == (5, CLASSES)
    assert logits.dtype == dtype
    assert module(batch[:2]).shape == (2, CLASSES)
    (gradient,) = torch.autograd.grad(logits.sum(), batch, allow_unused=True)
    assert gradient is None


def test_making_a_module_draws_no_random_numbers():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    space_module(MINI, 728, SIZE, CLASSES)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("text", SPECIAL.values(), ids=SPECIAL)
def test_a_thinned_network_is_a_module_too(text):
    network = thin(build_network(SMALL, SMALL.parse(text), SIZE, CLASSES), 4)
    parameters = parameters_of(network)
    batch = images()[:, :1, :4, :4]
    found = module_of(network, parameters)(batch)
    expected = record(network, parameters, batch).logits
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_torch_compiles_exports_and_calls_the_module_with_other_weights():
    module = space_module(GRAPHS, GRAPHS.parse(CELLS[0]), SIZE, CLASSES)
    batch = images(dtype=torch.float32)
    expected = module(batch)
    exported = torch.export.export(module, (batch,)).module()
    torch.testing.assert_close(exported(batch), expected, rtol=1e-4, atol=1e-5)
    zero = {name: torch.zeros_like(value) for name, value in module.named_parameters()}
    assert not torch.func.functional_call(module, zero, (batch,)).any()


def weights_of(module: nn.Module) -> list[torch.Tensor]:
    return [part.weight for part in module.modules() if isinstance(part, nn.Conv2d | nn.Linear)]
