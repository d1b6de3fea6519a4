"""Scoring on a GPU: ``pytest -m cuda`` on a machine that has one; minutes."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from trainfree.images.prepare import prepare_images
from trainfree.outside.extensions import file_hash, load_files
from trainfree.proxies import PROXY_NAMES
from trainfree.scoring.jobs.devices import device_slot
from trainfree.scoring.jobs.schema import Row
from trainfree.scoring.jobs.shard import ScoringJob, can_group
from trainfree.scoring.settings.setting import Setting
from trainfree.scoring.status import Status

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"),
]
# As scoring jobs set it; cuBLAS reads it when it is first used.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

GROUPABLE = (
    *("naswot", "naswot_official", "naswot_normalised", "synflow"),
    *("swap", "params", "flops", "relu_units"),
)
ARCHITECTURES = {
    "nasbench201": (0, 781, 1462, 4800, 8102, 11_111, 12_345, 15_000, 15_624),
    "nasbench101": (4, 100, 60_000, 400_000),
    "nats_sss": (0, 12_345, 20_001, 32_767),
    "transnas101_micro": (1_234, 4_095),
    "nets": (0, 4, 8),
}
IN_GROUPS = ("nasbench201", "nasbench101", "nats_sss", "transnas101_micro")
ROUNDING = {("nasbench201", 15_624, "synflow_bn"), ("nasbench101", 400_000, "synflow_bn")}
"""Scores of what rounding leaves of a zero: weights that differ by 1e-10 move them by 0.1 and more,
and a GPU may find the zero itself."""
NETS = """
from torch import nn
from trainfree.spaces.choices import ChoiceSpace

class Nets(ChoiceSpace):
    name = "nets"
    choices = {"act": ("relu", "gelu", "silu"), "groups": (1, 2, 4)}

    def module(self, index, classes, image_size):
        chosen = self.chosen(index)
        act = {"relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU}[chosen["act"]]
        return nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(8), act(),
            nn.Conv2d(8, 8, 3, padding=1, groups=chosen["groups"]), nn.BatchNorm2d(8), act(),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, classes),
        )

SPACES = {"nets": Nets}
"""


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("images") / "generated.h5"
    prepare_images(
        "generated", path, order=["generated"], cache=path.parent, mirror=None, timeout=1.0
    )
    return path


@pytest.fixture(scope="module")
def nets(tmp_path_factory) -> tuple[tuple[str, str], ...]:
    path = tmp_path_factory.mktemp("nets") / "nets.py"
    path.write_text(NETS)
    load_files([path])
    return ((str(path), file_hash(path)),)


@pytest.fixture(scope="module")
def score(images, nets):
    """Return rows of architectures of a space, by default of those above."""

    def rows(
        space: str,
        proxies: Sequence[str] = GROUPABLE,
        device: str = "cuda",
        architectures: Sequence[int] = (),
        batch_size: int = 16,
        **group: object,
    ) -> list[Row]:
        extra = nets if space == "nets" else ()
        setting = Setting(
            space, "generated", tuple(proxies), batch_size, "pytorch", "images", 0, extra=extra
        )
        job = ScoringJob(images, device, 1)
        if group:
            job = replace(job, options=replace(job.options, **group))
        return job.rows(setting, 0, architectures or ARCHITECTURES[space])

    return rows


@pytest.fixture(scope="module")
def on_cpu(score):
    return {space: score(space, PROXY_NAMES, "cpu") for space in ARCHITECTURES}


def bits(rows: Sequence[Row]) -> bytes:
    return np.array([row.scores for row in rows]).tobytes()


@pytest.mark.parametrize("space", ARCHITECTURES)
def test_every_proxy_scores_every_kind_of_space_as_the_cpu_does(score, on_cpu, space):
    differing = []
    for row, theirs in zip(score(space, PROXY_NAMES), on_cpu[space], strict=True):
        assert row.arch == theirs.arch
        assert set(row.statuses) <= {Status.OK, Status.SINGULAR, Status.UNDEFINED}, row.messages
        assert (row.params, row.flops, row.relu_units) == (
            *(theirs.params, theirs.flops),
            theirs.relu_units,
        )
        columns = (row.statuses, theirs.statuses, row.scores, theirs.scores)
        differing += [
            (row.arch, name, *found)
            for name, *found in zip(PROXY_NAMES, *columns, strict=True)
            if found[0] != found[1] and (space, row.arch, name) not in ROUNDING
        ]
    assert not differing


@pytest.mark.parametrize("space", IN_GROUPS)
def test_scores_of_groups_are_the_cpus_within_a_thousandth(score, on_cpu, space):
    places = [PROXY_NAMES.index(name) for name in GROUPABLE]
    theirs = np.array([row.scores for row in on_cpu[space]])[:, places]
    ours = np.array([row.scores for row in score(space)])
    np.testing.assert_array_equal(np.isneginf(ours), np.isneginf(theirs))
    assert np.isfinite(theirs).sum() > theirs.size / 2
    with np.errstate(invalid="ignore"):  # −∞ less −∞
        away = dict(zip(GROUPABLE, np.nanmax(np.abs(ours - theirs), axis=0), strict=True))
    assert max(away[name] for name in GROUPABLE if "naswot" in name) <= 1e-3, away
    assert away["synflow"] <= 1e-6, away
    assert away["params"] == away["flops"] == away["relu_units"] == 0, away


@pytest.mark.parametrize("space", ARCHITECTURES)
def test_repetition_gives_the_same_bits(score, space):
    assert bits(score(space, PROXY_NAMES)) == bits(score(space, PROXY_NAMES))


@pytest.mark.parametrize("space", IN_GROUPS)
def test_the_group_changes_no_bit(score, space, monkeypatch):
    from trainfree.scoring.architectures import groups

    whole = bits(score(space))
    for largest in (1, 2, 7):
        monkeypatch.setattr(groups, "LARGEST_GROUP", largest)
        assert bits(score(space)) == whole, largest


@pytest.mark.parametrize("precision", ["float32", "tf32x3", "tf32"])
def test_kernels_are_the_cpus_but_for_activations_near_zero(precision):
    from trainfree.randomness import stream
    from trainfree.scoring.clock import PhaseClock
    from trainfree.scoring.gpu_engine.engine import GroupEngine
    from trainfree.scoring.gpu_engine.grouping import Request, plan_groups
    from trainfree.scoring.quantities.relu_kernel import relu_kernels
    from trainfree.scoring.weights import draw_weights
    from trainfree.spaces import build_network, load_space

    archs = ARCHITECTURES["nasbench201"]
    noise = np.random.default_rng(5).standard_normal((16, 3, 32, 32), np.float32)
    request = Request(
        space="nasbench201",
        files=(),
        image_size=32,
        classes=10,
        images=len(noise),
        seed=0,
        initialization="pytorch",
        wanted=frozenset({"kernels"}),
        budget=2**31,
        largest=len(archs),
    )
    engine = GroupEngine(torch.from_numpy(noise).cuda(), request, precision)
    found = list(engine.results(plan_groups(request, archs)))
    assert [result.architecture for result in found] == list(archs)
    for result in found:
        network = build_network(load_space("nasbench201"), result.architecture, 32, 10)
        drawn = draw_weights(network, "pytorch", stream(0, "weights", result.architecture))
        weights = {n: torch.from_numpy(w).double() for n, w in drawn.weight.items()}
        batch = torch.from_numpy(noise).double()
        exact = relu_kernels(network, weights, batch, PhaseClock(), compiled=False)
        for ours, theirs in (
            (result.kernels.per_module, exact.per_module),
            (result.kernels.official, exact.official),
        ):
            share = 1e-2 if precision == "tf32" else 1e-4
            assert np.abs(ours - theirs).max() <= share * theirs.max(), result.architecture


def test_a_group_that_does_not_fit_is_halved_and_scores_the_same(score, caplog):
    archs, batch_size = range(5000, 5064), 256
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    whole = bits(score("nasbench201", ("naswot",), architectures=archs, batch_size=batch_size))
    needed = torch.cuda.max_memory_reserved()
    torch.cuda.empty_cache()
    share = 0.6 * needed / torch.cuda.get_device_properties(0).total_memory
    try:
        torch.cuda.set_per_process_memory_fraction(share)
        with caplog.at_level(logging.WARNING):
            halved = score("nasbench201", ("naswot",), architectures=archs, batch_size=batch_size)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert "halved" in caplog.text
    assert bits(halved) == whole


def test_a_tiny_budget_makes_groups_of_one_that_score_the_same(score):
    whole = bits(score("nasbench201", ("naswot", "synflow")))
    assert bits(score("nasbench201", ("naswot", "synflow"), memory=1e-9)) == whole


@pytest.mark.parametrize("work", ["engine", "passes"])
def test_auto_takes_a_gpu_that_computes_groups(tmp_path, monkeypatch, work):
    assert can_group(torch.device("cuda"))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    with device_slot("auto", tmp_path, work=work) as device:
        assert device == "cuda"
