"""A module that stands at several places of a model keeps its own weights, whoever looks first."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

import trainfree
from trainfree.scoring.modules.inputs import call


class Twice(nn.Module):
    """One layer in two blocks, as the attention of DIANet is."""

    def __init__(self) -> None:
        super().__init__()
        shared = nn.Linear(12, 12)
        self.first = nn.Sequential(nn.Flatten(), shared, nn.ReLU())
        self.second = nn.Sequential(shared, nn.ReLU())
        self.last = nn.Linear(12, 3)

    def forward(self, x):
        return self.last(self.second(self.first(x)))


def test_other_parameters_are_gone_after_a_call():
    model, images = Twice(), torch.rand(2, 3, 2, 2, dtype=torch.float64)
    before = {name: id(x) for name, x in model.named_parameters(remove_duplicate=False)}
    doubled = {name: 2 * x.detach().double() for name, x in model.named_parameters()}
    found = call(model, images, doubled)
    assert {n: id(x) for n, x in model.named_parameters(remove_duplicate=False)} == before
    for name, x in model.named_parameters():
        x.data = doubled[name].float()
    torch.testing.assert_close(found.float(), model(images.float()))


def test_a_proxy_in_double_precision_leaves_no_trace_for_the_next():
    torch.manual_seed(0)
    model, images = Twice(), np.random.default_rng(0).random((4, 3, 2, 2), dtype=np.float32)
    labels = np.arange(4) % 3
    both = ["grad_norm", "snip"]
    together = trainfree.score(model, images, labels, proxies=["synflow", *both])
    alone = trainfree.score(model, images, labels, proxies=both)
    scores = [dict(zip(table["proxy"], table["score"], strict=True)) for table in (together, alone)]
    assert not np.isnan([scores[1][name] for name in both]).any()
    assert all(scores[0][name] == scores[1][name] for name in both)
