"""What a proxy from outside does stays its own: edits in place, what it sets in the process."""

from __future__ import annotations

import gc
import hashlib
import logging
import os
import random
import signal
import sys
import warnings
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from trainfree.errors import TrainfreeError
from trainfree.proxies import PROXY_NAMES, is_own, load_proxy, registry
from trainfree.proxies.registry import NEEDS, Candidate, Proxy, proxy
from trainfree.scoring.copies import MEMBERS
from trainfree.scoring.jobs.shard import attempt, prepare_torch
from trainfree.scoring.jobs.trial import small_candidate
from trainfree.scoring.status import Status

pytestmark = pytest.mark.usefixtures("one_thread")

ALIVE = 728


def made(function: Callable[[Candidate], Any], **words: Any) -> Proxy:
    return Proxy("made", function, frozenset(NEEDS), **words)


def outcome(function: Callable[[Candidate], Any], **words: Any) -> tuple[float, Status, str]:
    return attempt(small_candidate(ALIVE), made(function, **words), ALIVE)[:3]


# ---------------------------------------------------------------- what proxies share


def digest(value: object) -> str:
    """A hash of everything that a value holds."""
    if isinstance(value, torch.Tensor):
        return digest(value.detach().cpu().contiguous().numpy()) + str(value.requires_grad)
    if isinstance(value, np.ndarray):
        return hashlib.sha256(value.tobytes()).hexdigest() + str((value.dtype, value.shape))
    if isinstance(value, torch.nn.Module):
        modes = [(name, part.training) for name, part in value.named_modules()]
        return str(modes) + digest(value.state_dict())
    if isinstance(value, Mapping):
        return str({key: digest(each) for key, each in value.items()})
    if isinstance(value, list | tuple):
        return str([digest(each) for each in value])
    return repr(value)


def of_the_process() -> str:
    state = (
        *(torch.is_grad_enabled(), torch.is_inference_mode_enabled(), torch.get_default_dtype()),
        *(torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()),
        *(torch.get_default_device(), torch.is_autocast_enabled("cpu")),
        *(torch.get_float32_matmul_precision(), torch.backends.mkldnn.enabled),
        *(torch.backends.fp32_precision, torch.backends.mkldnn.matmul.fp32_precision),
        *(torch.backends.cudnn.conv.fp32_precision, torch.backends.cuda.matmul.allow_tf32),
        *(torch.backends.cudnn.allow_tf32, (torch.tensor([1e-40]) * 1).item()),
        *(
            np.geterr(),
            random.getstate(),
            Path.cwd(),
            sorted(os.environ.items()),
            list(warnings.filters),
        ),
        *(sys.excepthook, sys.getrecursionlimit(), gc.isenabled(), gc.get_threshold()),
        *(signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)),
        *(signal.getitimer(signal.ITIMER_REAL)[0], logging.root.manager.disable),
        *(sys.modules["json"], id(sys.stdout), sys.gettrace()),
    )
    generators = digest(torch.get_rng_state()), digest(np.random.get_state())  # noqa: NPY002
    return digest([*map(repr, state), *generators])


def squares(logits: torch.Tensor) -> torch.Tensor:
    return logits.square().sum()


def of_the_candidate(candidate: Any) -> str:
    shared = {name: getattr(candidate, name) for name in sorted(MEMBERS)}
    shared["stream"] = candidate.stream("x").random(3)
    shared["of another loss"] = candidate.loss_gradients(squares)
    del shared["log_abs_determinant"]
    backend = candidate._backend
    inside = (backend.batch, backend.labels, backend.forward.first)
    return digest([shared, inside, backend.parameters.bias, registry._REGISTRY])


@pytest.fixture(scope="module")
def shared():
    """A candidate of which everything has been asked for."""
    for name in PROXY_NAMES:
        load_proxy(name)
    candidate = small_candidate(ALIVE)
    of_the_candidate(candidate)
    return candidate


@pytest.mark.parametrize("name", PROXY_NAMES)
def test_no_proxy_of_the_suite_changes_anything_that_is_shared(name, shared):
    before, around = of_the_candidate(shared), of_the_process()
    attempt(shared, load_proxy(name), ALIVE)
    assert of_the_candidate(shared) == before
    assert of_the_process() == around


def spoil(value: object) -> None:
    """Change a value in place in whatever way it lets itself be changed."""
    if isinstance(value, torch.Tensor):
        spoil_tensor(value)
    elif isinstance(value, np.ndarray):
        value.setflags(write=True)
        value[...] = 7
        if isinstance(value.base, np.ndarray):
            spoil(value.base)
    elif isinstance(value, torch.nn.Module):
        for each in value.state_dict(keep_vars=True).values():
            if each.is_floating_point():
                spoil_tensor(each.detach())
        value.eval().double()
        value.register_forward_hook(lambda *_: torch.zeros(1))
    elif isinstance(value, Mapping):
        for each in value.values():
            spoil(each)
        if callable(value):
            spoil(value(squares))
            spoil(value(edits))
        for change in ("popitem", "clear"):
            getattr(value, change, lambda: None)()
    elif isinstance(value, Sequence):
        for each in value:
            spoil(each)
    elif hasattr(value, "nodes"):
        object.__setattr__(value.nodes[-1], "out_features", 3)
        for name in ("nodes", "shapes", "blocks"):
            object.__setattr__(value, name, ())


def spoil_tensor(tensor: torch.Tensor) -> None:
    tensor.abs_().add_(1)
    tensor.data.zero_()
    tensor.numpy()[...] = 3
    tensor.untyped_storage().fill_(9)
    tensor.requires_grad_(True)
    tensor.register_hook(lambda gradient: gradient * 0)
    tensor.grad = torch.ones_like(tensor)
    tensor.requires_grad_(False).set_(torch.zeros(1, dtype=tensor.dtype))


def edits(logits: torch.Tensor) -> torch.Tensor:
    """A loss that edits what it is given."""
    loss = logits.mul_(2).sum()
    spoil_tensor(logits.detach())
    return loss


def vandal(candidate: Any) -> float:
    for name in sorted(MEMBERS - {"stream", "log_abs_determinant"}):
        spoil(getattr(candidate, name))
    candidate.stream("proxy/random").random(100)
    registry._REGISTRY.clear()
    registry._REGISTRY["naswot"] = made(vandal)
    return 1.0


def scores(names: list[str], *others: Proxy) -> dict[str, tuple[float, Status, str]]:
    candidate = small_candidate(ALIVE)
    proxies = [*others[:1], *[load_proxy(name) for name in names], *others[1:]]
    return {each.name: attempt(candidate, each, ALIVE)[:3] for each in proxies}


@pytest.mark.parametrize("order", [1, -1])
def test_what_a_proxy_edits_in_place_no_other_sees(order):
    names = PROXY_NAMES[::order]
    alone = scores(names)
    first, last = Proxy("first", vandal, frozenset(NEEDS)), Proxy("last", vandal, frozenset(NEEDS))
    spoilt = scores(names, first, last)
    assert (spoilt.pop("first"), spoilt.pop("last")) == ((1.0, 0, ""), (1.0, 0, ""))
    assert spoilt == alone
    assert is_own(registry.registered("naswot"))


def test_a_proxy_from_outside_is_handed_what_the_suites_own_are():
    candidate, seen = small_candidate(ALIVE), {}
    methods = {"stream", "arrays", "by_layer", "over_layers", "log_abs_determinant"}
    sums = [float(weight.sum()) for weight in candidate.weights.values()]

    def kind_of(layer: Any) -> str:
        return str(layer.kind)

    def look(handed: Any) -> float:
        seen.update({name: digest(getattr(handed, name)) for name in MEMBERS - methods})
        seen["stream"] = digest(handed.stream("x").random(3))
        assert handed.log_abs_determinant(np.eye(3)) == 0.0
        assert handed.by_layer(lambda weight: weight.sum(), handed.weights) == sums
        first = next(iter(handed.weights.values()))
        np.testing.assert_array_equal(handed.arrays([first])[0], first.numpy())
        assert handed.over_layers(kind_of) == candidate.over_layers(kind_of)
        with pytest.raises(AttributeError, match="a candidate has no '_backend'"):
            _ = handed._backend
        return 1.0

    assert candidate.score(made(look))[0] == 1.0
    for name in MEMBERS - methods:
        assert seen[name] == digest(getattr(candidate, name)), name
    assert seen["stream"] == digest(candidate.stream("x").random(3))
    undeclared = Proxy("made", lambda c: c.weights, frozenset())
    assert 'add "weights" to the needs' in attempt(candidate, undeclared, 0)[2]


def test_copies_are_made_of_what_is_asked_for_and_keep_their_layout():
    candidate = small_candidate(ALIVE)
    copies: dict[int, torch.Tensor] = {}

    def look(handed: Any) -> float:
        outputs = handed.outputs
        copies.update({number: outputs[number] for number in list(outputs)[:2]})
        return float(len(outputs))

    assert candidate.score(made(look))[0] == len(candidate.outputs)
    for number, tensor in copies.items():
        original = candidate.outputs[number]
        assert tensor.stride() == original.stride()
        assert tensor.data_ptr() != original.data_ptr()


def test_a_proxy_that_keeps_what_it_was_handed_keeps_no_maps():
    kept = []
    candidate = small_candidate(ALIVE)
    candidate.score(
        made(
            lambda handed: (
                kept.extend([handed, handed.outputs, handed.stream, handed.loss_gradients])
                or float(len(kept[3]))
            )
        )
    )
    handed, outputs, stream, gradients = kept
    assert len(outputs) == 0
    for use in (len, list, lambda kept: kept[1], lambda kept: kept(squares)):
        with pytest.raises(TrainfreeError, match="handed out is over"):
            use(gradients)
    with pytest.raises(TrainfreeError, match="is over"):
        stream("x")
    with pytest.raises(TrainfreeError, match="is over"):
        _ = handed.weights
    gone = weakref.ref(candidate._backend.results)
    del candidate
    gc.collect()
    assert gone() is None


# ---------------------------------------------------------------- the process


def leaves_modes(candidate: Any) -> float:
    torch.set_grad_enabled(False)
    torch.inference_mode().__enter__()
    torch.autocast("cpu").__enter__()
    torch.device("meta").__enter__()
    torch.set_default_device("meta")
    return 1.0


def sets_torch(candidate: Any) -> float:
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(2)
    torch.use_deterministic_algorithms(False)
    torch.backends.mkldnn.enabled = torch.backends.cudnn.enabled = False
    torch.backends.cudnn.allow_tf32 = True
    torch.set_float32_matmul_precision("medium")
    torch.set_flush_denormal(True)
    torch.manual_seed(3)
    return 1.0


def sets_precision(candidate: Any) -> float:
    torch.backends.mkldnn.matmul.fp32_precision = "bf16"
    torch.backends.fp32_precision = "tf32"
    torch.backends.cudnn.conv.fp32_precision = "ieee"
    return 1.0


def sets_python(candidate: Any) -> float:
    os.chdir("/")
    os.environ.clear()
    os.environ["OMP_NUM_THREADS"] = "3"
    sys.excepthook = sys.stdout = None  # type: ignore[assignment]
    sys.setrecursionlimit(300)
    sys.settrace(lambda *_: None)
    warnings.simplefilter("error")
    logging.disable()
    gc.disable()
    gc.set_threshold(1)
    np.seterr(all="raise")
    np.random.seed(4)  # noqa: NPY002
    random.seed(5)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.alarm(100)
    del sys.modules["json"]
    sys.modules["torch"] = None  # type: ignore[assignment]
    return 1.0


@pytest.mark.parametrize("function", [leaves_modes, sets_torch, sets_precision, sets_python])
def test_what_a_proxy_sets_in_the_process_does_not_last(function):
    prepare_torch(threads=1)
    before = of_the_process()
    assert outcome(function)[:2] == (1.0, Status.OK)
    assert of_the_process() == before


@pytest.mark.parametrize("function", [leaves_modes, sets_torch, sets_precision, sets_python])
def test_what_a_proxy_sets_is_not_in_effect_for_what_others_share(function):
    def first(candidate: Any) -> float:
        function(candidate)
        return float(sum(len(getattr(candidate, name)) for name in ("weights", "outputs")))

    def asks(candidate: Any) -> float:
        function(candidate)
        return ask_all(candidate)

    def asks_with_a_loss(candidate: Any) -> float:
        candidate.loss_gradients(lambda logits: (logits.sum(), function(candidate))[0])
        return ask_all(candidate)

    def ask_all(candidate: Any) -> float:
        for name in sorted(MEMBERS):
            getattr(candidate, name)
        candidate.loss_gradients(squares)
        return float(len(candidate.loss_gradients) > 0)

    alone = scores(PROXY_NAMES)
    for each in (asks, asks_with_a_loss):
        spoilt = scores(PROXY_NAMES, Proxy("asks", each, frozenset(NEEDS)))
        assert spoilt.pop("asks")[1:] == (Status.OK, "")
        assert spoilt == alone


@pytest.mark.parametrize(
    "mode", [torch.no_grad(), torch.inference_mode(), torch.enable_grad(), torch.device("cpu")]
)
def test_a_mode_around_a_proxy_stays_in_effect_while_it_asks(mode):
    def inside(candidate: Any) -> float:
        with mode:
            before = torch.is_grad_enabled(), torch.is_inference_mode_enabled()
            _ = candidate.outputs, candidate.loss_gradients(squares)
            assert (torch.is_grad_enabled(), torch.is_inference_mode_enabled()) == before
            return sum(float(g.norm()) for g in candidate.loss_gradients.values())

    alone = scores(["grad_norm", "grasp", "snip", "naswot"])
    both = scores(["grad_norm", "grasp", "snip", "naswot"], made(inside))
    assert both.pop("made")[0] == alone["grad_norm"][0]
    assert both == alone


def test_gradients_can_be_taken_of_what_is_handed_out():
    def differentiated(candidate: Any) -> float:
        weights = [weight.requires_grad_() for weight in candidate.weights.values()]
        torch.stack([weight.square().sum() for weight in weights]).sum().backward()
        return sum(float((w.grad - 2 * w).abs().sum()) for w in weights)  # type: ignore[operator]

    assert outcome(differentiated)[:2] == (0.0, Status.OK)


def test_a_process_that_cannot_be_what_it_was_computes_no_more(tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")

    def removes(candidate: Any) -> float:
        os.chdir("/")
        (tmp_path / "gone").rmdir()
        torch.set_default_dtype(torch.float64)
        return 1.0

    with pytest.raises(TrainfreeError, match=r"cannot be undone \(FileNotFoundError"):
        outcome(removes)
    assert torch.get_default_dtype() == torch.float32
    monkeypatch.chdir(tmp_path)


def test_a_process_that_a_proxy_forks_does_not_go_on_as_the_job(tmp_path):
    children = []

    def forks(candidate: Any) -> float:
        children.append(os.fork())
        return 1.0

    assert outcome(forks)[:2] == (1.0, Status.OK)
    (tmp_path / str(os.getpid())).touch()  # a child that goes on comes here, too
    assert os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]) == 1
    assert len(list(tmp_path.iterdir())) == 1


def test_numbers_drawn_from_nowhere_in_particular_repeat_by_architecture():
    def drawn(candidate: Any) -> float:
        return random.random() + np.random.rand() + float(torch.rand(()))  # noqa: NPY002

    def of(arch: int, seed: int = 0) -> float:
        return attempt(small_candidate(arch, seed=seed), made(drawn), arch)[0]

    first = of(ALIVE)
    random.seed(1)
    assert of(ALIVE) == first
    assert len({of(ALIVE), of(500), of(ALIVE, seed=1)}) == 3


def test_a_proxy_cannot_take_the_place_of_another():
    naswot = load_proxy("naswot").function

    def pretends(candidate: Any) -> float:
        return 0.0

    pretends.__module__ = naswot.__module__
    with pytest.raises(TrainfreeError, match="is already defined in"):
        proxy("naswot", cite="x")(pretends)
    with registry.unchanged_registry():
        registry._REGISTRY["naswot"] = made(pretends)
        with pytest.raises(TrainfreeError, match="'naswot' of the suite was replaced by"):
            load_proxy("naswot")
    assert load_proxy("naswot").function is naswot
