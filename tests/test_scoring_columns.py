"""The store of columns: what was scored once is found again, and only that."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from trainfree.files.storage import read_dataset
from trainfree.images.prepare import prepare_images
from trainfree.outside.extensions import hashed
from trainfree.scoring.jobs import shard as shard_module
from trainfree.scoring.jobs.columns import ColumnStore
from trainfree.scoring.jobs.draws import score_draws
from trainfree.scoring.jobs.shard import Scorer, score_shard
from trainfree.scoring.settings.setting import Setting
from trainfree.scoring.status import Status

pytestmark = pytest.mark.usefixtures("one_thread")

SETTING = Setting("nasbench201_mini", "generated", ("naswot", "params"), 4, "pytorch", "images", 0)
FAILING = """
from trainfree.proxies.registry import proxy

@proxy("sometimes", cite="none")
def sometimes(candidate):
    if candidate.network.params > 5500:
        raise ValueError("odd")
    return -float("inf")
"""


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("images") / "generated.h5"
    prepare_images(
        "generated", path, order=["generated"], cache=path.parent, mirror=None, timeout=1.0
    )
    return path


@pytest.fixture
def computed(monkeypatch) -> list[tuple[tuple[str, ...], int]]:
    """The proxies and architectures that are really computed, warm-up left out."""
    calls: list[tuple[tuple[str, ...], int]] = []
    row = Scorer.row

    def counted(self: Scorer, arch: int):
        calls.append((self._setting.proxies, arch))
        return row(self, arch)

    monkeypatch.setattr(shard_module.Scorer, "row", counted)
    monkeypatch.setattr(shard_module.Scorer, "warm_up", lambda self: None)
    return calls


@pytest.fixture
def run(images, tmp_path):
    """Score architectures 100 to 103 with the store; returns the shard."""

    def run(
        *proxies: str, first: int = 100, last: int = 103, store: bool = True, **changes
    ) -> xr.Dataset:
        setting = replace(SETTING, proxies=proxies, **changes)
        path = tmp_path / "shard.h5"
        columns = ColumnStore(tmp_path / "store") if store else None
        score_shard(setting, first, last, images, path, "cpu", 1, columns)
        return read_dataset(path, "scores")

    return run


def same(one: xr.Dataset, other: xr.Dataset) -> None:
    for name in ("score", "status", "relu_units", "params", "flops", "arch"):
        assert one[name].values.tobytes() == other[name].values.tobytes(), name
    for name in ("message", "architecture", "proxy"):
        assert one[name].values.tolist() == other[name].values.tolist(), name
    for key in ("config", "config_hash", "code_hash", "source_hashes", "device", "setting"):
        assert one.attrs[key] == other.attrs[key], key


def test_a_new_proxy_costs_its_own_column_only(run, computed):
    run("naswot", "params")
    computed.clear()
    more = run("naswot", "synflow", "params")
    assert computed == [(("synflow",), arch) for arch in range(100, 104)]
    same(more, run("naswot", "synflow", "params", store=False))


def test_removing_reordering_and_going_back_compute_nothing(run, computed):
    before = run("naswot", "synflow", "params")
    computed.clear()
    run("params")
    run("params", "naswot")
    again = run("naswot", "synflow", "params")
    assert computed == []
    same(again, before)
    assert again["proxy_seconds"].equals(before["proxy_seconds"])
    assert again["seconds"].equals(before["seconds"])


def test_seconds_by_phase_are_those_of_all_passes(run):
    first = run("naswot")["seconds"]
    both = run("naswot", "l2_norm")["seconds"]
    alone = run("l2_norm")["seconds"]
    np.testing.assert_allclose(both, first + alone)


def test_another_cut_of_the_space_and_a_sample_find_the_same_columns(run, computed):
    run("naswot", first=100, last=105)
    computed.clear()
    part = run("naswot", first=102, last=104)
    assert computed == []
    run("naswot", first=104, last=108)
    assert [arch for _, arch in computed] == [106, 107, 108]
    computed.clear()
    sample = run("naswot", first=0, last=3, sample=10, sample_seed=3)
    scored = set(range(100, 109))
    assert [arch for _, arch in computed] == [a for a in sample["arch"].values if a not in scored]
    same(part, run("naswot", first=102, last=104, store=False))


@pytest.mark.parametrize(
    "change",
    [{"seed": 1}, {"initialization": "kaiming"}, {"input": "gaussian"}, {"batch_size": 5}],
)
def test_every_part_of_the_setting_is_part_of_the_key(run, computed, change):
    run("naswot")
    computed.clear()
    changed = run("naswot", **change)
    assert len(computed) == 4
    same(changed, run("naswot", store=False, **change))


def test_other_images_other_libraries_and_other_code_are_not_found(
    run, images, tmp_path, computed, monkeypatch
):
    run("params")
    for module, name, value in (
        ("trainfree.scoring.jobs.columns", "library_versions", lambda: {"torch": "0"}),
        ("trainfree.scoring.jobs.columns", "code_hash", lambda *modules: "other"),
        ("trainfree.scoring.jobs.shard", "device_name", lambda device: "another processor"),
    ):
        computed.clear()
        with monkeypatch.context() as patch:
            patch.setattr(f"{module}.{name}", value)
            run("params")
        assert len(computed) == 4, name
    other = tmp_path / "other.h5"
    prepare_images(
        "generated", other, order=["generated"], cache=tmp_path, mirror=None, timeout=1.0, seed=9
    )
    computed.clear()
    setting = replace(SETTING, proxies=("params",))
    store = ColumnStore(tmp_path / "store")
    score_shard(setting, 100, 103, other, tmp_path / "o.h5", "cpu", 1, store)
    assert len(computed) == 4


def test_failures_are_found_again_with_status_and_message(run, tmp_path, computed, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(FAILING)
    extra = hashed(["mine.py"])
    before = run("sometimes", "params", extra=extra)
    assert len(set(before["status"].sel(proxy="sometimes").values.tolist())) > 1
    computed.clear()
    same(run("sometimes", "params", extra=extra), before)
    # the code of the user's own proxy is part of its key, and of no other's
    Path("mine.py").write_text(FAILING.replace("odd", "uneven"))
    edited = run("sometimes", "params", extra=hashed(["mine.py"]))
    assert computed == [(("sometimes",), arch) for arch in range(100, 104)]
    assert "sometimes: ValueError: uneven" in "".join(edited["message"].values)


@pytest.mark.parametrize("harm", ["cut", "empty", "folder", "unreadable folder", "not ours"])
def test_a_store_that_is_damaged_costs_time_and_nothing_else(run, tmp_path, computed, caplog, harm):
    before = run("naswot")
    (column,) = (tmp_path / "store").rglob("*.h5")
    if harm == "cut":
        column.write_bytes(column.read_bytes()[:-300])
    elif harm == "empty":
        column.write_bytes(b"")
    elif harm == "folder":
        column.unlink()
        column.mkdir()
    elif harm == "unreadable folder":
        shutil.rmtree(tmp_path / "store")
        (tmp_path / "store").write_text("in the way")
    else:
        shutil.copy(tmp_path / "shard.h5", column)
    computed.clear()
    same(run("naswot"), before)
    assert len(computed) == 4
    assert os.fspath(tmp_path / "store") in caplog.text


def test_what_a_proxy_computes_beside_others_is_what_it_computes_alone(run):
    """The promise that the store rests on, for proxies that share the most."""
    chosen = ("naswot", "snip", "grasp", "zico", "jacob_cov", "vkdnw", "zen", "synflow", "epe_nas")
    together = run(*chosen, store=False, batch_size=8)
    for name in chosen:
        alone = run(name, store=False, batch_size=8)
        for part in ("score", "status"):
            one, other = (data[part].sel(proxy=name).values for data in (together, alone))
            assert one.tobytes() == other.tobytes(), name


def test_draws_find_each_others_columns_and_those_of_the_scores(run, images, tmp_path, computed):
    run("naswot")
    computed.clear()
    store = ColumnStore(tmp_path / "store")

    def drawn(*proxies: str, kept: ColumnStore | None = store) -> xr.Dataset:
        setting = replace(SETTING, proxies=proxies)
        path = tmp_path / "draws.h5"
        score_draws(setting, 2, 100, 103, images, path, "cpu", 1, kept)
        return read_dataset(path, "draws")

    first = drawn("naswot")
    assert len(computed) == 3 * 4  # of four draws, one is that of the scores
    computed.clear()
    both = drawn("naswot", "params")
    assert {proxies for proxies, _ in computed} == {("params",)}
    assert both["score"].sel(proxy="naswot").equals(first["score"].sel(proxy="naswot"))
    alone = drawn("naswot", "params", kept=None)
    assert both["score"].values.tobytes() == alone["score"].values.tobytes()


def test_what_was_out_of_memory_is_tried_again(run, computed, monkeypatch):
    def judged(value: object) -> tuple[float, Status, str]:
        return float("nan"), Status.OUT_OF_MEMORY, "no room"

    with monkeypatch.context() as patch:
        patch.setattr("trainfree.scoring.architectures.attempts.judge", judged)
        failed = run("params")
    assert (failed["status"] == Status.OUT_OF_MEMORY).all()
    computed.clear()
    assert (run("params")["status"] == Status.OK).all()
    assert len(computed) == 4
