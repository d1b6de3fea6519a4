"""Shards and merging: independence of how the work is cut, statuses, and bad files."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

from trainfree.errors import (
    ConfigError,
    DataFileError,
    ImageError,
    TrainfreeError,
    UnknownNameError,
)
from trainfree.files.storage import SCHEMA_VERSIONS, read_dataset, write_dataset
from trainfree.images.prepare import prepare_images
from trainfree.proxies import PROXY_NAMES, load_proxy, registry
from trainfree.proxies.registry import Proxy
from trainfree.scoring.jobs import shard as shard_module
from trainfree.scoring.jobs.devices import processor_name
from trainfree.scoring.jobs.merge import merge_shards
from trainfree.scoring.jobs.shard import score_shard
from trainfree.scoring.settings.setting import Setting, shard_ranges
from trainfree.scoring.shared import SharedResults
from trainfree.scoring.status import Status
from trainfree.spaces import load_space

pytestmark = pytest.mark.usefixtures("one_thread")

SPACE = load_space("nasbench201_mini")
PROXIES = ("naswot", "naswot_official", "synflow", "params", "flops", "relu_units")
SETTING = Setting(SPACE.name, "generated", PROXIES, 8, "pytorch", "images", 0)


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("images") / "generated.h5"
    prepare_images(
        "generated", path, order=["generated"], cache=path.parent, mirror=None, timeout=1.0
    )
    return path


@pytest.fixture(scope="module")
def scored(images, tmp_path_factory):
    """Score in shards of a size and merge; each size is done once."""
    folder = tmp_path_factory.mktemp("scores")
    done: dict[int, tuple[list[Path], Path]] = {}

    def score(size: int) -> tuple[list[Path], Path]:
        if size not in done:
            shards = []
            for name in shard_ranges(len(SPACE), size):
                path = folder / str(size) / f"{name}.h5"
                first, last = map(int, name.split("-"))
                score_shard(SETTING, first, last, images, path, "cpu", threads=1)
                shards.append(path)
            merged = folder / f"{size}.h5"
            merge_shards(shards, SETTING, merged)
            done[size] = shards, merged
        return done[size]

    return score


def run(images: Path, path: Path, setting: Setting = SETTING, first: int = 40, last: int = 42):
    score_shard(setting, first, last, images, path, "cpu", threads=1)
    return read_dataset(path, "scores")


def test_scores_do_not_depend_on_how_the_space_is_cut(scored):
    coarse = read_dataset(scored(400)[1], "scores")
    fine = read_dataset(scored(100)[1], "scores")
    for name in ("score", "status", "relu_units", "params", "flops"):
        assert coarse[name].values.tobytes() == fine[name].values.tobytes(), name
    for name in ("architecture", "message"):
        assert coarse[name].values.tolist() == fine[name].values.tolist(), name
    assert coarse.attrs["config_hash"] == fine.attrs["config_hash"]


def test_merged_file_has_the_space_in_order_and_no_failures(scored):
    merged = read_dataset(scored(400)[1], "scores")
    assert merged["arch"].values.tolist() == list(range(len(SPACE)))
    assert merged["architecture"].values.tolist() == [SPACE.to_string(i) for i in range(729)]
    score, status = merged["score"].values, merged["status"].values
    np.testing.assert_array_equal(status == Status.SINGULAR, np.isneginf(score))
    assert set(np.unique(status)) == {Status.OK, Status.SINGULAR}
    assert not np.isnan(score).any()
    assert (merged["seconds"].values >= 0).all()
    total = merged["seconds"].sel(phase="total").values
    parts = merged["seconds"].drop_sel(phase="total").sum("phase").values
    assert (parts <= total).all()


def test_counts_as_proxies_equal_the_counts_of_the_row(scored):
    merged = read_dataset(scored(400)[1], "scores")
    for name in ("params", "flops", "relu_units"):
        np.testing.assert_array_equal(merged["score"].sel(proxy=name), merged[name])


def test_singular_scores_are_those_of_dead_cells(scored):
    """A cell whose output is zero and that feeds no convolution from the input tells no two
    images apart behind the first residual block; everything else has a finite score."""
    merged = read_dataset(scored(400)[1], "scores")
    naswot = merged["score"].sel(proxy="naswot").values
    assert np.isneginf(naswot[SPACE.index_of((0, 0, 0, 0, 0, 0))])
    assert np.isfinite(naswot[SPACE.index_of((0, 0, 0, 1, 0, 0))])
    official = merged["score"].sel(proxy="naswot_official").values
    np.testing.assert_array_equal(np.isneginf(naswot), np.isneginf(official))


def test_repetition_gives_the_same_bits(images, tmp_path):
    first, second = (run(images, tmp_path / name) for name in ("a.h5", "b.h5"))
    assert first["score"].values.tobytes() == second["score"].values.tobytes()


@pytest.mark.parametrize(
    "change",
    [{"seed": 1}, {"initialization": "kaiming"}, {"input": "gaussian"}, {"batch_size": 7}],
)
def test_every_part_of_the_setting_matters(images, tmp_path, change):
    setting = replace(SETTING, **change)
    base, other = run(images, tmp_path / "a.h5"), run(images, tmp_path / "b.h5", setting)
    assert (base["score"].sel(proxy="naswot") != other["score"].sel(proxy="naswot")).all()
    np.testing.assert_array_equal(base["params"], other["params"])
    assert base.attrs["config_hash"] != other.attrs["config_hash"]


@pytest.mark.parametrize("initialization", ["xavier", "normal"])
def test_other_initialisations_give_finite_scores(images, tmp_path, initialization):
    setting = replace(SETTING, initialization=initialization)
    assert np.isfinite(run(images, tmp_path / "a.h5", setting)["score"].values).all()


def test_a_batch_of_one_has_the_logarithm_of_its_units_as_score(images, tmp_path):
    data = run(images, tmp_path / "a.h5", replace(SETTING, batch_size=1))
    np.testing.assert_allclose(data["score"].sel(proxy="naswot"), np.log(data["relu_units"]))


def test_a_batch_larger_than_the_training_images_is_refused(images, tmp_path):
    with pytest.raises(ImageError, match="5000"):
        run(images, tmp_path / "a.h5", replace(SETTING, batch_size=5000))


def test_attributes_tell_where_the_scores_come_from(images, tmp_path):
    data = run(images, tmp_path / "a.h5")
    assert data.attrs["device"] == processor_name()
    assert data.attrs["setting"] == "b8-pytorch-images-s0"
    assert data.attrs["precision"] == "float32"
    assert "clock_note" not in data.attrs
    assert len(data.attrs["code_hash"]) == 16
    assert data.attrs["image_count"] > 0
    for name in ("score", "seconds", "status"):
        assert {"units", "long_name"} <= set(data[name].attrs)
    meanings = data["status"].attrs["flag_meanings"].split()
    assert meanings[data["status"].values[0, 0]] == "ok"


FAILURES = [
    (lambda c: math.nan, Status.NOT_FINITE, "returned NaN"),
    (lambda c: math.inf, Status.OVERFLOW, r"returned \+inf"),
    (lambda c: "12", Status.ERROR, "returned str, expected one float"),
    (lambda c: None, Status.ERROR, "returned NoneType"),
    (lambda c: np.ones(3), Status.ERROR, "returned ndarray"),
    (lambda c: 1 / 0, Status.ERROR, "ZeroDivisionError: division by zero"),
    (lambda c: (_ for _ in ()).throw(MemoryError("8 GiB")), Status.OUT_OF_MEMORY, "8 GiB"),
    (
        lambda c: torch.empty(2**50),
        Status.OUT_OF_MEMORY,
        "can't allocate memory|not enough memory",
    ),
]


@pytest.mark.parametrize(("function", "status", "words"), FAILURES)
def test_a_failing_proxy_fails_only_its_own_column(
    images, tmp_path, monkeypatch, caplog, function, status, words
):
    broken = Proxy("params", function, cite="test")

    def load(name: str) -> Proxy:
        return broken if name == "params" else load_proxy(name)

    monkeypatch.setattr(shard_module, "load_proxy", load)
    data = run(images, tmp_path / "a.h5")
    assert set(data["status"].sel(proxy="params").values) == {status}
    assert np.isnan(data["score"].sel(proxy="params").values).all()
    message = str(data["message"].values[0])
    assert message.startswith("params: ")
    assert re.search(words, message)
    others = data.drop_sel(proxy="params")
    assert (others["status"] == Status.OK).all()
    assert np.isfinite(others["score"]).all()


def test_numpy_floats_are_numbers(images, tmp_path, monkeypatch):
    for value in (np.float64(2.5), np.float32(2.5), np.int64(2)):
        made = Proxy("params", lambda c, v=value: v, cite="test")
        monkeypatch.setattr(
            shard_module, "load_proxy", lambda n, m=made: m if n == "params" else load_proxy(n)
        )
        data = run(images, tmp_path / "a.h5")
        assert (data["score"].sel(proxy="params") == float(value)).all()


def test_equal_images_are_refused_before_anything_is_scored(images, tmp_path):
    data = read_dataset(images, "images")
    data["image"][:] = 7
    flat = tmp_path / "flat.h5"
    write_dataset(data, flat, "images")
    with pytest.raises(ImageError, match=r"flat\.h5"):
        run(flat, tmp_path / "a.h5")
    assert not (tmp_path / "a.h5").exists()


def test_range_outside_the_space_is_refused(images, tmp_path):
    with pytest.raises(ConfigError, match="729 architectures"):
        run(images, tmp_path / "a.h5", first=700, last=729)


def test_merge_names_a_truncated_shard(scored, tmp_path):
    shards, _ = scored(100)
    broken = tmp_path / shards[3].name
    broken.write_bytes(shards[3].read_bytes()[:3000])
    with pytest.raises(DataFileError, match=broken.name):
        merge_shards([*shards[:3], broken, *shards[4:]], SETTING, tmp_path / "m.h5")
    assert not (tmp_path / "m.h5").exists()


def rewritten(path: Path, target: Path, **attributes) -> Path:
    write_dataset(read_dataset(path, "scores").assign_attrs(attributes), target, "scores")
    return target


def test_merge_refuses_shards_of_another_config_code_or_images(scored, tmp_path):
    shards, _ = scored(100)
    with pytest.raises(DataFileError, match="config_hash"):
        merge_shards(shards, replace(SETTING, seed=1), tmp_path / "m.h5")
    for key in ("config_hash", "code_hash", "source_hashes"):
        other = rewritten(shards[1], tmp_path / f"{key}.h5", **{key: "other"})
        with pytest.raises(DataFileError, match=rf"{key}\.h5: expected {key}"):
            merge_shards([shards[0], other, *shards[2:]], SETTING, tmp_path / "m.h5")


def test_a_merged_file_names_every_device_that_scored(scored, tmp_path):
    shards, _ = scored(100)
    other = rewritten(shards[1], tmp_path / "other.h5", device="another chip")
    merge_shards([shards[0], other, *shards[2:]], SETTING, tmp_path / "m.h5")
    first = read_dataset(shards[0], "scores").attrs["device"]
    assert read_dataset(tmp_path / "m.h5", "scores").attrs["device"] == f"{first}, another chip"


def of_groups(path: Path, target: Path, **attributes) -> Path:
    told = {"clock_note": "shared", "precision": "tf32x3", "code_hash": "of groups"}
    return rewritten(path, target, device="a GPU", **{**told, **attributes})


def test_shards_of_processors_and_of_gpus_make_one_file_that_says_so(scored, tmp_path):
    shards, _ = scored(100)
    gpus = [of_groups(shards[n], tmp_path / f"{n}.h5") for n in (1, 2)]
    merge_shards([shards[0], *gpus, *shards[3:]], SETTING, tmp_path / "m.h5")
    merged = read_dataset(tmp_path / "m.h5", "scores").attrs
    assert merged["code_hash"] == "of groups"
    assert merged["precision"] == "float32, tf32x3"
    assert merged["clock_note"] == "shared"
    assert merged["device"].endswith(", a GPU")


def test_gpus_of_two_precisions_do_not_make_one_file(scored, tmp_path):
    shards, _ = scored(100)
    gpus = [
        of_groups(shards[1], tmp_path / "1.h5"),
        of_groups(shards[2], tmp_path / "2.h5", code_hash="of tf32", precision="tf32"),
    ]
    with pytest.raises(DataFileError, match=r"2\.h5: expected code_hash = 'of groups'"):
        merge_shards([shards[0], *gpus, *shards[3:]], SETTING, tmp_path / "m.h5")


def test_merge_refuses_another_schema_version(scored, tmp_path, monkeypatch):
    shards, _ = scored(100)
    old = tmp_path / "old.h5"
    data = read_dataset(shards[0], "scores")
    with monkeypatch.context() as version:
        version.setitem(SCHEMA_VERSIONS, "scores", 0)
        write_dataset(data, old, "scores")
    with pytest.raises(DataFileError, match="expected schema_version = 1, found 0"):
        merge_shards([old, *shards[1:]], SETTING, tmp_path / "m.h5")


def test_merge_names_missing_and_repeated_architectures(scored, tmp_path):
    shards, _ = scored(100)
    with pytest.raises(DataFileError, match="100 architectures are missing, the first is 100"):
        merge_shards([shards[0], *shards[2:]], SETTING, tmp_path / "m.h5")
    with pytest.raises(DataFileError, match="twice"):
        merge_shards([shards[0], *shards], SETTING, tmp_path / "m.h5")


def test_shard_names_are_stable_and_cover_the_space():
    assert shard_ranges(15625, 625)[:2] == ["00000-00624", "00625-01249"]
    assert shard_ranges(15625, 7000) == ["00000-06999", "07000-13999", "14000-15624"]
    assert shard_ranges(3, 10) == ["0-2"]


def test_every_proxy_file_registers_its_own_name():
    assert set(PROXIES) <= set(PROXY_NAMES)
    for name in PROXY_NAMES:
        assert load_proxy(name).name == name
        assert load_proxy(name).cite
        assert load_proxy(name).function.__doc__
    with pytest.raises(UnknownNameError, match="did you mean 'naswot'"):
        load_proxy("naswott")


def test_two_proxies_of_one_name_are_refused():
    def other(candidate: registry.Candidate) -> float:
        return 0.0

    load_proxy("naswot")
    with pytest.raises(TrainfreeError, match=r"'naswot' of .* is already defined"):
        registry.proxy("naswot", cite="test")(other)


def test_shared_work_is_billed_to_each_and_paid_once():
    clock = {"now": 0.0}
    results = SharedResults(lambda: clock["now"])
    calls = []

    def spend(name: str, seconds: float, *needs: str):
        def compute() -> str:
            calls.append(name)
            for need in needs:
                results.get(need, costs[need])
            clock["now"] += seconds
            return name

        return compute

    costs = {"network": spend("network", 1.0), "kernel": spend("kernel", 10.0, "network")}
    _, first = results.bill(spend("a", 0.5, "kernel"))
    _, second = results.bill(spend("b", 0.25, "kernel", "network"))
    _, third = results.bill(spend("c", 0.125, "network"))
    assert (first, second, third) == (11.5, 11.25, 1.125)
    assert calls == ["a", "kernel", "network", "b", "c"]


def test_file_opens_with_plain_xarray(scored):
    with xr.open_dataset(scored(100)[0][0], engine="h5netcdf") as data:
        assert data["score"].dims == ("arch", "proxy")
