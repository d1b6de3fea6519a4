"""Scoring leaves models, images and the process as they were, however it ends."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import trainfree
from trainfree.errors import ModelError
from trainfree.proxies import registry

PROXIES = ["naswot", "naswot_official", "snip", "grasp", "fisher", "synflow", "synflow_bn", "zen"]
PROXIES += ["jacob_cov", "ntk_condition", "gradsign", "vkdnw_entropy", "zico", "wrcor", "meco"]
PROXIES += ["near", "meco_opt", "dextr", "rbflex", "naswot_ncd", "swap_ncd"]
PROXIES += ["az_trainability", "az_expressivity", "swap", "l2_norm"]


class Model(nn.Module):
    """Has something of everything that could be changed."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.frozen = nn.Conv2d(8, 8, 3, padding=1).requires_grad_(False)
        self.spectral = nn.utils.parametrizations.spectral_norm(nn.Conv2d(8, 8, 1))
        self.instance = nn.InstanceNorm2d(8, track_running_stats=True)
        self.unused = nn.Linear(3, 3)
        self.head = nn.Linear(8, 4)
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))
        self.register_buffer("secret", torch.rand(3), persistent=False)
        self.fails_at = sys.maxsize

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        if self.calls >= self.fails_at:
            signal.raise_signal(signal.SIGINT)
        x = torch.relu_(self.norm(self.stem(x)))
        x = self.instance(x + self.spectral(self.frozen(x)))
        x = nn.functional.dropout(x, 0.3, training=self.training)
        return self.head(x.mean((2, 3)) + torch.rand(8) * 0.01)


def made() -> Model:
    torch.manual_seed(5)
    model = Model()
    model(torch.randn(4, 3, 8, 8)).sum().backward()  # gradients and statistics
    model.norm.eval()
    model.stem.register_forward_hook(lambda *_: None)
    model.head.register_full_backward_hook(lambda *_: None)
    model.head.weight.register_hook(lambda gradient: gradient)
    return model


def bits(tensor: Tensor | None) -> object:
    if tensor is None:
        return None
    values = tensor.detach().reshape(-1).view(torch.uint8).numpy().tobytes()
    return values, tensor.dtype, tensor.shape, tensor.stride()


def of_tensor(tensor: Tensor) -> tuple[object, ...]:
    """Identity, place, count of edits in place, numbers, gradient."""
    return (
        *(id(tensor), tensor.data_ptr(), tensor._version, bits(tensor)),
        *(tensor.requires_grad, id(tensor.grad), bits(tensor.grad), tensor.is_leaf),
        *(repr(tensor._backward_hooks), tensor.__dict__.keys()),
    )


def of_model(model: nn.Module) -> dict[str, object]:
    """All that can be seen of a model."""
    seen: dict[str, object] = {"state": list(model.state_dict())}
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        seen[f"tensor {name}"] = of_tensor(tensor)
    for name, module in model.named_modules():
        hooks = {
            key: list(value.items())
            for key, value in vars(module).items()
            if "hooks" in key and value
        }
        plain = {
            key: value
            for key, value in vars(module).items()
            if isinstance(value, bool | int | float | str | tuple | type(None))
        }
        seen[f"module {name}"] = (type(module), module.training, repr(hooks), plain)
        seen[f"names {name}"] = sorted(vars(module))
    return seen


def of_process() -> dict[str, object]:
    """All that scoring could change for others."""
    return {
        "torch generator": torch.get_rng_state().tolist(),
        "numpy generator": str(np.random.get_state()),  # noqa: NPY002
        "python generator": random.getstate(),
        "gradients": (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
        "type": torch.get_default_dtype(),
        "threads": torch.get_num_threads(),
        "exactness": (
            torch.are_deterministic_algorithms_enabled(),
            torch.utils.deterministic.fill_uninitialized_memory,
            torch.get_float32_matmul_precision(),
        ),
        "backends": (
            torch.backends.mkldnn.enabled,
            torch.backends.mha.get_fastpath_enabled(),
            torch.backends.cuda.flash_sdp_enabled(),
            torch.backends.cuda.math_sdp_enabled(),
        ),
        "autocast": torch.is_autocast_enabled("cpu"),
        "modes": (
            torch._C._len_torch_function_stack(),
            torch._C._len_torch_dispatch_stack(),
        ),
        "hooks": [
            len(getattr(nn.modules.module, name))
            for name in dir(nn.modules.module)
            if name.startswith("_global_")
            and "hooks" in name
            and "always" not in name
            and hasattr(getattr(nn.modules.module, name), "__len__")
        ],
        "interrupt": signal.getsignal(signal.SIGINT),
        "warnings": list(warnings.filters),
        "numpy errors": np.geterr(),
    }


@pytest.fixture
def own_proxies(scratch_registry) -> dict[str, Callable[..., Any]]:
    """Proxies of a user that misbehave."""

    def raising(candidate) -> float:
        candidate.module(torch.zeros(2, 3, 8, 8))
        raise ValueError("no")

    def editing(candidate) -> float:
        with torch.no_grad():
            for tensor in [*candidate.weights.values(), *candidate.module.parameters()]:
                tensor.mul_(0).add_(torch.rand(()))
            candidate.images.zero_()
        candidate.module.train()(candidate.images).sum().backward()
        torch.manual_seed(0)
        np.random.seed(0)  # noqa: NPY002
        random.seed(0)
        torch.set_default_dtype(torch.float64)
        return 1.0

    def interrupting(candidate) -> float:
        candidate.module(candidate.images).sum().backward()
        signal.raise_signal(signal.SIGINT)
        return 1.0

    needs = registry.NEEDS
    return {
        function.__name__: trainfree.proxy(function.__name__, needs=needs, cite="mine")(function)
        for function in (raising, editing, interrupting)
    }


@pytest.fixture
def watched() -> Iterator[tuple[Model, Tensor, Tensor]]:
    """A model, images and labels of which nothing has changed when the test is over."""
    model = made()
    images = torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(0)).requires_grad_()
    labels = torch.tensor([0, 1, 2, 3, 0, 1])
    before = of_model(model), of_tensor(images), of_tensor(labels), of_process()
    yield model, images, labels
    after = of_model(model), of_tensor(images), of_tensor(labels), of_process()
    for one, other in zip(before, after, strict=True):
        if isinstance(one, dict):
            assert [key for key in one if one[key] != other[key]] == []
        assert one == other


@pytest.mark.parametrize("mode", ["train", "eval"])
@pytest.mark.parametrize("seeds", [0, 2])
def test_scoring_leaves_everything_as_it_was(watched, seeds, mode):
    model, images, labels = watched
    # Not model.train(): the modes of its parts differ, and the fixture compares them.
    model.training = mode == "train"
    before = of_model(model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = trainfree.score(model, images, labels=labels, proxies=PROXIES, seeds=seeds)
    assert of_model(model) == before
    assert not table["status"].isin(["error"]).any(), table
    model.training = True


def test_a_proxy_that_raises_or_edits_leaves_everything_as_it_was(watched, own_proxies):
    model, images, labels = watched
    chosen = ["naswot", own_proxies["editing"], own_proxies["raising"], "snip"]
    table = trainfree.score(model, images, labels=labels, proxies=chosen)
    usual = trainfree.score(model, images, labels=labels, proxies=["naswot", "snip"])
    assert list(table["status"]) == ["ok", "ok", "error", "ok"]
    assert "ValueError: no" in table["message"][2]
    scores = table.set_index("proxy")["score"]
    assert scores[["naswot", "snip"]].tolist() == usual["score"].tolist()


def test_an_interrupt_within_a_proxy_leaves_everything_as_it_was(watched, own_proxies):
    model, images, labels = watched
    with pytest.raises(KeyboardInterrupt):
        trainfree.score(model, images, labels=labels, proxies=["snip", own_proxies["interrupting"]])


@pytest.mark.parametrize("call", [2, 4, 7, 12, 20])
def test_an_interrupt_within_any_pass_leaves_everything_as_it_was(watched, call):
    model, images, labels = watched
    model.fails_at = int(model.calls) + call
    with pytest.raises(KeyboardInterrupt):
        trainfree.score(model, images, labels=labels, proxies=PROXIES)
    model.fails_at = sys.maxsize


def test_images_that_do_not_fit_leave_everything_as_it_was(watched):
    model, images, labels = watched
    with pytest.raises(ModelError, match="its forward pass fails for these inputs"):
        trainfree.score(model, images[:, :2], labels=labels, proxies=PROXIES)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_the_mode_of_the_caller_does_not_matter(watched, mode):
    model, images, labels = watched
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        usual = trainfree.score(model, images, labels=labels, proxies=PROXIES)
        with mode():
            table = trainfree.score(model, images, labels=labels, proxies=PROXIES)
    assert table["score"].equals(usual["score"])


def test_what_is_imported_for_the_first_score_draws_no_random_numbers():
    """Some libraries draw from Python's generator when they are imported."""
    program = (
        "import random, numpy, torch, trainfree; random.seed(1); numpy.random.seed(1);"
        "before = random.getstate(), str(numpy.random.get_state()), torch.get_rng_state().tolist();"
        "model = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.ReLU());"
        "made = torch.get_rng_state().tolist();"
        "trainfree.score(model, torch.eye(3), proxies=['naswot', 'swap']);"
        "assert random.getstate() == before[0]; assert str(numpy.random.get_state()) == before[1];"
        "assert torch.get_rng_state().tolist() == made"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
