"""Models that do something unusual: every proxy gives a number or a reason, none an exception."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm, weight_norm
from torch.utils.checkpoint import checkpoint

import trainfree

IMAGES = torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(0))
pytestmark = pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad")
TOKENS = torch.randint(9, (6, 4), generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(6) % 3


class Made(nn.Module):
    """A forward pass in a line, with the layers it needs."""

    def __init__(self, forward: Callable[..., Any], **layers: nn.Module) -> None:
        super().__init__()
        self.m = nn.ModuleDict(layers)
        self._forward_line = forward

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self._forward_line(self.m, *args, **kwargs)


def conv(x: int = 3, y: int = 4) -> nn.Module:
    return nn.Conv2d(x, y, 3, padding=1)


def head() -> nn.Module:
    return nn.Linear(4, 3)


def pooled(m: nn.ModuleDict, x: Tensor) -> Tensor:
    return m["head"](F.relu(x).mean((2, 3)))


def recomputed(m: nn.ModuleDict, x: Tensor, reentrant: bool) -> Tensor:
    inside = checkpoint(lambda z: F.relu(m["d"](z)), F.relu(m["c"](x)), use_reentrant=reentrant)
    return pooled(m, inside)


def experts(m: nn.ModuleDict, x: Tensor) -> Tensor:
    """Each image goes to one of two experts, by its own numbers."""
    flat = x.flatten(1)
    chosen = (flat.sum(1) > 0).long()
    out = flat.new_zeros(len(flat), 4)
    for number, name in enumerate("ab"):
        some = chosen == number
        if some.any():
            out[some] = torch.relu(m[name](flat[some]))
    return m["head"](out)


class Squared(torch.autograd.Function):
    """An activation with a gradient of its own."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.clamp(min=0) ** 2

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return gradient * 2 * x.clamp(min=0)


def attention(m: nn.ModuleDict, x: Tensor) -> Tensor:
    tokens = m["q"](x.flatten(2).mT)[:, None]
    return m["head"](F.scaled_dot_product_attention(tokens, tokens, tokens)[:, 0].mean(1))


def flat() -> nn.Module:
    return nn.Linear(192, 4)


MODELS: dict[str, tuple[nn.Module, Any]] = {
    "tuple": (Made(lambda m, x: (pooled(m, m["c"](x)), x), c=conv(), head=head()), IMAGES),
    "dictionary": (
        Made(lambda m, x: {"logits": pooled(m, m["c"](x)), "aux": None}, c=conv(), head=head()),
        IMAGES,
    ),
    "two inputs": (
        Made(lambda m, a, b: pooled(m, m["c"](a * b)), c=conv(), head=head()),
        (IMAGES, IMAGES.flip(0)),
    ),
    "named inputs": (
        Made(
            lambda m, image, text: pooled(
                m, m["c"](image) + m["e"](text).mean(1)[:, :, None, None]
            ),
            **{"c": conv(), "e": nn.Embedding(9, 4), "head": head()},
        ),
        {"image": IMAGES, "text": TOKENS},
    ),
    "checkpoint": (
        Made(lambda m, x: recomputed(m, x, False), c=conv(), d=conv(4), head=head()),
        IMAGES,
    ),
    "reentrant checkpoint": (
        Made(lambda m, x: recomputed(m, x, True), c=conv(), d=conv(4), head=head()),
        IMAGES,
    ),
    "own function": (
        Made(lambda m, x: pooled(m, Squared.apply(m["c"](x))), c=conv(), head=head()),
        IMAGES,
    ),
    "einsum": (
        Made(
            lambda m, x: m["head"](
                torch.relu(torch.einsum("bchw,vc->bhwv", x, m["c"].weight)).mean((1, 2))
            ),
            **{"c": nn.Linear(3, 4), "head": head()},
        ),
        IMAGES,
    ),
    "attention": (Made(attention, q=nn.Linear(3, 4), head=head()), IMAGES),
    "experts": (Made(experts, a=flat(), b=flat(), head=head()), IMAGES),
    "recurrent": (
        Made(
            lambda m, x: m["head"](m["g"](x.mean(1))[0][:, -1]),
            **{"g": nn.GRU(8, 2, bidirectional=True, batch_first=True), "head": head()},
        ),
        IMAGES,
    ),
    "bag of words": (
        Made(lambda m, t: m["head"](torch.tanh(m["e"](t))), e=nn.EmbeddingBag(9, 4), head=head()),
        TOKENS,
    ),
    "tied": (
        Made(lambda m, t: torch.relu(m["e"](t)).mean(1) @ m["e"].weight.T, e=nn.Embedding(9, 4)),
        TOKENS,
    ),
    "three dimensions": (
        Made(
            lambda m, x: m["head"](F.relu(m["n"](m["c"](x))).mean((2, 3, 4))),
            **{"c": nn.Conv3d(3, 4, 3), "n": nn.BatchNorm3d(4), "head": head()},
        ),
        IMAGES[:, :, :6, :6, None].expand(6, 3, 6, 6, 3),
    ),
    "weight norm": (
        Made(
            lambda m, x: pooled(m, m["c"](x)),
            **{"c": weight_norm(conv()), "head": spectral_norm(head())},
        ),
        IMAGES,
    ),
    "instance norm": (
        Made(
            lambda m, x: pooled(m, m["n"](m["c"](x))),
            **{"c": conv(), "n": nn.InstanceNorm2d(4, track_running_stats=True), "head": head()},
        ),
        IMAGES,
    ),
    "noise": (
        Made(lambda m, x: pooled(m, m["c"](x + torch.randn_like(x))), c=conv(), head=head()),
        IMAGES,
    ),
    "no gradient inside": (
        Made(lambda m, x: pooled(m, m["c"](x).detach()), c=conv(), head=head()),
        IMAGES,
    ),
    "constant output": (
        Made(lambda m, x: torch.zeros(len(x), 3), c=conv(), head=head()),
        IMAGES,
    ),
    "output that is not finite": (
        Made(lambda m, x: pooled(m, m["c"](x)).log() - torch.inf, c=conv(), head=head()),
        IMAGES,
    ),
    "traced by fx": (torch.fx.symbolic_trace(nn.Sequential(conv(), nn.ReLU())), IMAGES),
    "double precision": (
        Made(lambda m, x: pooled(m, m["c"](x)), c=conv(), head=head()).double(),
        IMAGES,
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_every_proxy_gives_a_number_or_a_reason(name):
    model, inputs = MODELS[name]
    labels = LABELS if name != "traced by fx" else None
    table = trainfree.score(model, inputs, labels=labels)
    failed = table[table["status"] == "error"]
    with pd.option_context("display.max_colwidth", None, "display.width", None):
        assert failed.empty, failed[["proxy", "message"]].to_string()
    assert (table["message"][table["status"] != "ok"].str.len() > 10).all()


def scores(name: str, proxies: list[str]) -> list[float]:
    model, inputs = MODELS[name]
    return trainfree.score(model, inputs, labels=LABELS, proxies=proxies)["score"].tolist()


def test_what_is_computed_again_on_the_way_back_changes_no_score():
    proxies = ["snip", "synflow", "grasp", "jacob_cov", "ntk_condition", "gradsign"]
    plain = Made(
        lambda m, x: pooled(m, F.relu(m["d"](F.relu(m["c"](x))))),
        **MODELS["checkpoint"][0].m,
    )
    expected = trainfree.score(plain, IMAGES, labels=LABELS, proxies=proxies)["score"].tolist()
    reentrant = Made(lambda m, x: recomputed(m, x, True), **MODELS["checkpoint"][0].m)
    found = trainfree.score(reentrant, IMAGES, labels=LABELS, proxies=proxies)["score"].tolist()
    assert scores("checkpoint", proxies) == pytest.approx(expected, rel=1e-6)
    assert found == pytest.approx(expected, rel=1e-6)


def test_numbers_that_are_not_finite_are_said_to_be():
    model, inputs = MODELS["output that is not finite"]
    chosen = ["vkdnw", "vkdnw_entropy", "gradsign", "snip", "grasp"]
    table = trainfree.score(model, inputs, labels=LABELS, proxies=chosen)
    assert set(table["status"]) == {"not_finite"}, table


def test_images_that_go_to_experts_of_their_own_are_not_compared():
    model, inputs = MODELS["experts"]
    # The probing run has the first image twice and the second; here they go the same way.
    alike = inputs[(inputs.flatten(1).sum(1) > 0).argsort(stable=True)]
    table = trainfree.score(model, alike, labels=LABELS, proxies=["naswot", "vkdnw", "wrcor"])
    assert set(table["status"]) == {"undefined"}
    assert table["message"].str.startswith("which images a layer sees depends on the images").all()


class Normalising(nn.Module):
    def __init__(self, in_place: bool) -> None:
        super().__init__()
        self.in_place = in_place
        self.stem, self.head = nn.Conv2d(3, 8, 3, padding=1), nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = x.sub_(0.3).div_(0.5) if self.in_place else (x - 0.3) / 0.5
        return self.head(F.relu(self.stem(x)).mean((2, 3)))


def test_a_model_that_changes_its_images_changes_a_copy_in_each_pass():
    careful, careless = Normalising(False), Normalising(True)
    careless.load_state_dict(careful.state_dict())
    images = torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    labels, before = torch.arange(6) % 4, images.clone()
    one, other = (trainfree.score(model, images, labels) for model in (careful, careless))
    assert torch.equal(images, before)
    assert one["status"].tolist() == other["status"].tolist()
    assert (one["status"] == "ok").sum() > 20
    np.testing.assert_allclose(one["score"], other["score"], rtol=1e-5)


@pytest.mark.parametrize("make", [F.avg_pool2d, F.max_pool2d])
def test_one_window_over_the_whole_map_pools_over_all_positions(make):
    def network(x: Callable[[Tensor], Tensor]) -> nn.Module:
        torch.manual_seed(0)
        norm, line = nn.BatchNorm2d(4), lambda m, i: m["head"](x(F.relu(m["n"](m["c"](i)))))
        return Made(line, c=conv(), n=norm, head=nn.LazyLinear(3))

    def zen(x: Callable[[Tensor], Tensor]) -> tuple[float, str]:
        model = network(x)
        model(IMAGES)
        row = trainfree.score(model, IMAGES, labels=LABELS, proxies=["zen"]).iloc[0]
        return row["score"], row["status"]

    whole, parts = (zen(lambda i, k=k: make(i, k).flatten(1)) for k in (8, 4))
    assert whole == zen(lambda i: F.adaptive_avg_pool2d(i, 1).flatten(1))
    assert whole[1] == "ok"
    assert parts[1] == "undefined"
