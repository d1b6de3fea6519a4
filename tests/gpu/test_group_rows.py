"""Shards whose shared results come from groups, the kernels interpreted on the CPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from trainfree.files.storage import read_dataset
from trainfree.images.prepare import prepare_images
from trainfree.proxies.registry import proxy
from trainfree.scoring.architectures import groups
from trainfree.scoring.gpu_engine import engine
from trainfree.scoring.jobs import shard
from trainfree.scoring.jobs.shard import score_shard
from trainfree.scoring.settings.precision import GroupOptions
from trainfree.scoring.settings.setting import Setting
from trainfree.scoring.status import Status

pytestmark = pytest.mark.usefixtures("few_programs")
PROXIES = ("naswot", "naswot_official", "naswot_normalised", "synflow", "swap", "params", "flops")
FIRST, LAST = 726, 728


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("images") / "generated.h5"
    prepare_images(
        "generated", path, order=["generated"], cache=path.parent, mirror=None, timeout=1.0
    )
    return path


@pytest.fixture
def in_groups(monkeypatch):
    monkeypatch.setattr(shard, "can_group", lambda device: True)
    monkeypatch.setattr(groups, "memory_budget", lambda device, share: 2**30)


def setting_of(*proxies: str, images: int = 2) -> Setting:
    return Setting("nasbench201_mini", "generated", proxies, images, "pytorch", "images", 0)


def scored(images: Path, path: Path, setting: Setting, first: int = FIRST, last: int = LAST):
    options = GroupOptions("tf32x3", 0.5, 2)
    score_shard(setting, first, last, images, path, "cpu", threads=1, options=options)
    return read_dataset(path, "scores")


def test_a_shard_in_groups_is_that_of_architectures_one_by_one(images, tmp_path, in_groups):
    setting = setting_of(*PROXIES)
    found = scored(images, tmp_path / "groups.h5", setting)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shard, "can_group", lambda device: False)
        expected = scored(images, tmp_path / "one.h5", setting)
    for name in ("status", "relu_units", "params", "flops"):
        assert found[name].values.tolist() == expected[name].values.tolist(), name
    for name in ("architecture", "message"):
        assert found[name].values.tolist() == expected[name].values.tolist(), name
    np.testing.assert_allclose(found["score"], expected["score"], rtol=1e-9)
    seconds = found["seconds"].to_pandas()
    assert (seconds[["build", "forward", "kernel", "total"]] > 0).all().all()
    assert (seconds["total"] >= seconds[["build", "forward", "kernel", "other"]].sum(axis=1)).all()
    assert (found["proxy_seconds"].sel(proxy="naswot") > 0).all()
    assert found.attrs["precision"] == "tf32x3"
    assert expected.attrs["precision"] == "float32"


def test_proxies_that_need_more_are_computed_beside_the_group(images, tmp_path, in_groups):
    setting = setting_of("snip", "naswot")
    found = scored(images, tmp_path / "groups.h5", setting, 727, 728)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shard, "can_group", lambda device: False)
        expected = scored(images, tmp_path / "one.h5", setting, 727, 728)
    np.testing.assert_allclose(found["score"], expected["score"], rtol=1e-9)


def test_a_proxy_of_ones_own_gets_the_groups_kernel(
    images, tmp_path, in_groups, monkeypatch, scratch_registry
):
    @proxy("trace_of_kernel", needs=["activations"], cite="none")
    def trace_of_kernel(candidate) -> float:
        """Sum the diagonal of K."""
        return float(np.trace(candidate.relu_kernel))

    def never(*_):
        raise AssertionError("the kernel was computed for an architecture alone")

    monkeypatch.setattr(shard.Scorer, "warm_up", lambda self: None)
    monkeypatch.setattr(shard.Scorer, "asked", lambda self: frozenset({"kernels"}))
    monkeypatch.setattr("trainfree.scoring.engine_backend.relu_kernels", never)
    found = scored(images, tmp_path / "groups.h5", setting_of("trace_of_kernel"))
    assert (found["status"] == Status.OK).all()
    assert found["score"].values[:, 0].tolist() == (2.0 * found["relu_units"].values).tolist()


def test_nothing_of_groups_is_asked_where_no_proxy_wants_it(
    images, tmp_path, in_groups, monkeypatch
):
    def never(*_):
        raise AssertionError("a group was computed")

    monkeypatch.setattr(engine, "execute", never)
    found = scored(images, tmp_path / "groups.h5", setting_of("params", "snip"), 727, 728)
    assert (found["status"] == Status.OK).all()


def test_an_architecture_that_does_not_fit_says_so_and_is_not_kept(
    images, tmp_path, in_groups, monkeypatch
):
    def never(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")

    monkeypatch.setattr(engine, "execute", never)
    found = scored(images, tmp_path / "groups.h5", setting_of("naswot", "params"), 727, 728)
    status = found["status"].values
    assert status[:, 0].tolist() == [Status.OUT_OF_MEMORY] * 2
    assert status[:, 1].tolist() == [Status.OK] * 2
    assert "CUDA out of memory" in str(found["message"].values[0])


def test_architectures_that_the_engine_does_not_know_are_computed_alone(
    images, tmp_path, in_groups, monkeypatch
):
    def some(request, architectures, processes):
        return planned(request, [arch for arch in architectures if arch % 2], processes)

    planned = groups.planned
    setting = setting_of("naswot", "params")
    expected = scored(images, tmp_path / "all.h5", setting, 726, 728)
    monkeypatch.setattr(groups, "planned", some)
    found = scored(images, tmp_path / "some.h5", setting, 726, 728)
    assert found["arch"].values.tolist() == [726, 727, 728]
    np.testing.assert_allclose(found["score"], expected["score"], rtol=1e-9)
