"""The reader of the official files of NDS: what it takes over, and which files it refuses."""

from __future__ import annotations

import gzip
import io
import json
import zipfile

import numpy as np
import pytest
import xarray as xr
from nds_files import entries_of, entry_of, write_file

from trainfree import spaces
from trainfree.analysis.inputs import read_benchmark
from trainfree.analysis.proxies.proxy_scores import read_proxy_scores
from trainfree.analysis.settings import AnalysisSettings
from trainfree.analysis.spaces.across import measured
from trainfree.benchmarks import prepare
from trainfree.benchmarks.nds.official_file import read_official_file
from trainfree.errors import SourceError
from trainfree.images.prepare import prepare_images
from trainfree.scoring.jobs.shard import score_shard
from trainfree.scoring.settings.setting import Setting
from trainfree.sources.delivery import Delivery, SourceSettings
from trainfree.sources.formats import json_entries
from trainfree.sources.formats.json_entries import read_entries
from trainfree.sources.nds import NdsSource
from trainfree.sources.probing import probe
from trainfree.sources.recipes import RECIPES
from trainfree.sources.recipes.nds import NDS_FILES
from trainfree.spaces.nds.space import NdsSpace
from trainfree.spaces.nds.sweeps import SWEEPS


def space_of(name, size=None):
    return NdsSpace(name, SWEEPS[name], size)


def read(path, name="nds_darts"):
    return read_official_file(Delivery("official", "nds-file", {"table": path}), space_of(name))


@pytest.mark.parametrize("halves", [False, True])
@pytest.mark.parametrize(
    "name", ["nds_amoeba", "nds_darts", "nds_enas", "nds_nasnet_in", "nds_resnext_b", "nds_vanilla"]
)
def test_everything_that_is_taken_over(name, halves, tmp_path):
    entries = entries_of(name, 9, seed=4)
    table = read(write_file(tmp_path, name, entries, halves=halves), name)
    dataset = "imagenet" if name.endswith("_in") else "cifar10"
    ((key, accuracy),) = table.accuracy.items()
    assert key == (dataset, "test", 3, "1")
    np.testing.assert_allclose(accuracy, [100 - one["test_ep_top1"][-1] for one in entries])
    best, _ = table.further["best_test_accuracy"]
    np.testing.assert_allclose(best, [100 - min(one["test_ep_top1"]) for one in entries])
    for column in ("params", "flops"):
        found = getattr(table, column)[dataset]
        np.testing.assert_array_equal(found, [one[column] for one in entries])
    space = space_of(name, 9).with_members(table.architectures)
    assert len(space) == len(set(table.architectures)) == 9
    assert space.to_string(3).startswith("3: ")
    assert table.remark.startswith("the parameters of all 9 networks")
    assert len(table.source_hashes[f"{SWEEPS[name].file}.json"]) == 64


def prepared(folder, name, **where):
    output = folder / "prepared.h5"
    prepare.prepare_benchmark(
        *(name, output),
        order=["mirror", "official"],
        cache=folder,
        **{"mirror": None, "nats_archive": None, "timeout": 1.0, **where},
    )
    with xr.open_dataset(output, engine="h5netcdf") as written:
        return written.load()


@pytest.fixture
def no_mirror(monkeypatch):
    monkeypatch.delenv("TRAINFREE_MIRROR", raising=False)


def test_folder_zip_and_mirror_give_the_same_benchmark(tmp_path, no_mirror):
    entries = entries_of("nds_resnet", 12)
    path = write_file(tmp_path / "nds", "nds_resnet", entries)
    archive = tmp_path / "data.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as target:
        target.write(path, "data/ResNet.json")
        target.writestr("data/ResNet_rng1.json", "[]")
    found = [
        prepared(tmp_path, "nds_resnet", nds=str(path.parent)),
        prepared(tmp_path, "nds_resnet", nds=str(archive)),
        prepared(tmp_path, "nds_resnet", mirror=str(tmp_path)),
    ]
    assert [one.attrs["source"] for one in found] == ["official", "official", "mirror"]
    for one in found[1:]:
        xr.testing.assert_equal(one, found[0])
    assert found[0]["official_index"].values.tolist() == list(range(12))
    assert all("ResNet.json" in one.attrs["source_note"] for one in found)


def test_from_a_file_to_kendalls_tau(tmp_path, monkeypatch, no_mirror):
    """Networks whose accuracy is that of their parameters: then the parameters rank them."""
    entries = entries_of("nds_vanilla", 8, seed=1)
    order = np.argsort(np.argsort([entry["params"] for entry in entries]))
    for entry, place in zip(entries, order.tolist(), strict=True):
        entry["test_ep_top1"][-1] = 60.0 - place
    write_file(tmp_path / "files", "nds_vanilla", entries)
    monkeypatch.chdir(tmp_path)
    prepared(tmp_path, "nds_vanilla", nds=str(tmp_path / "files"))
    benchmark = tmp_path / "data" / "benchmarks" / "nds_vanilla.h5"
    benchmark.parent.mkdir(parents=True)
    (tmp_path / "prepared.h5").rename(benchmark)
    spaces._made.cache_clear()
    images = tmp_path / "images.h5"
    sources = {"order": ["generated"], "cache": tmp_path, "mirror": None, "timeout": 1.0}
    prepare_images("generated", images, **sources, seed=0)
    proxies = ("naswot", "params", "synflow")
    setting = Setting("nds_vanilla", "generated", proxies, 8, "pytorch", "images", 0, 5, 2)
    score_shard(setting, 0, 4, images, tmp_path / "scores.h5", "cpu", threads=1)
    spaces._made.cache_clear()
    scored = read_proxy_scores(tmp_path / "scores.h5")
    accuracy = read_benchmark(benchmark)["accuracy"].sel(split="test").squeeze().to_numpy()
    chosen = scored.data["arch"].to_numpy()
    assert len(set(chosen.tolist())) == 5
    tau = measured(
        *(scored.scores["params"].to_numpy(float), accuracy[chosen], AnalysisSettings()),
    )["kendall"]
    assert tau == pytest.approx(1.0)
    assert np.isfinite(scored.scores.to_numpy(float)).all()
    np.testing.assert_array_equal(
        scored.scores["params"], [entries[place]["params"] for place in chosen]
    )


def test_a_file_with_another_number_of_networks_is_refused(tmp_path, no_mirror):
    path = write_file(tmp_path / "nds", "nds_enas", entries_of("nds_enas", 12))
    with pytest.raises(SourceError, match="expected 4999 architectures, found 12"):
        prepared(tmp_path, "nds_enas", nds=str(path.parent))
    assert not (tmp_path / "prepared.h5").exists()


def test_every_space_has_its_file():
    assert {name: sweep.file for name, sweep in SWEEPS.items()} == NDS_FILES
    assert {f"{name}-accuracies" for name in SWEEPS} <= set(RECIPES)
    assert set(SWEEPS) == {name for name in spaces.SPACE_NAMES if name.startswith("nds_")}


def test_what_is_named_is_looked_for(tmp_path):
    source = NdsSource("nds-file", "DARTS")
    with pytest.raises(SourceError, match=r"sources\.nds: a folder with DARTS\.json"):
        source.deliver(tmp_path, SourceSettings())
    for place, sentence in (("absent", "do not exist"), ("", "has no DARTS.json or data/DARTS")):
        with pytest.raises(SourceError, match=sentence):
            source.deliver(tmp_path, SourceSettings(nds=tmp_path / place))
    other = tmp_path / "data.tar.gz"
    other.write_bytes(gzip.compress(b"x"))
    with pytest.raises(SourceError, match=r"expected a zip file with DARTS\.json"):
        source.deliver(tmp_path, SourceSettings(nds=other))
    write_file(tmp_path / "data", "nds_darts", [])
    settings = SourceSettings(nds=tmp_path)
    assert source.deliver(tmp_path, settings).files["table"] == tmp_path / "data" / "DARTS.json"
    assert probe(source, tmp_path, settings, online=False)[0].usable
    assert probe(source, tmp_path, SourceSettings(), online=False)[0].what == "files of NDS"


def refused(tmp_path, content, sentence, name="nds_darts"):
    path = tmp_path / "file.json"
    if not isinstance(content, bytes):
        content = json.dumps(content).encode()
    path.write_bytes(content)
    with pytest.raises(SourceError, match=sentence) as caught:
        read(path, name)
    assert str(path) in str(caught.value)


GOOD = json.dumps(entries_of("nds_darts", 3)).encode()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "expected DARTS.json, or a zip file with it, found an empty file|the end"),
        (GOOD[:-1], "found the end: it is truncated"),
        (GOOD[: len(GOOD) // 2], "truncated or damaged"),
        (GOOD + b"]", "expected JSON with the end"),
        (GOOD[:50] + b"\xff" + GOOD, "text in UTF-8"),
        (b"<!DOCTYPE html><html>", "expected DARTS.json"),
        (b"PK\x03\x04" + GOOD, "a zip file with DARTS.json, found a damaged one"),
        (b"[" * 200_000, "RecursionError|expected a dictionary|none"),
        (b'[{"a":' + b"[" * 200_000, "found none"),
        (b'[{"params": ' + b"9" * 10_000 + b"}]", "found none"),
        (b"[1, 2]", "expected JSON with an entry"),
        (b'["a"]', "entry 0: expected a dictionary, found 'a'"),
        (b'{"top": [], "low": [{}]}', "expected lists top and mid, found 'low'"),
        (b'{"top": {}}', "found '{'"),
        (b"[]", "expected networks, found none"),
        (b"3", r"expected JSON with '\['"),
    ],
    ids=range(16),
)
def test_what_is_no_such_file_is_refused_by_name(content, sentence, tmp_path):
    refused(tmp_path, content, sentence)


def one_changed(**changes):
    first, second = entries_of("nds_darts", 2)
    return [first, {**second, **changes}]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"net": None}, "entry 1: expected a dictionary 'net'"),
        ({"params": 1}, r"entry 1: expected \d+ params, as the network has .*, found 1"),
        ({"flops": 1}, r"entry 1: expected about \d+ flops"),
        ({"params": "7"}, "entry 1: expected a whole number params"),
        ({"params": float("nan")}, "a whole number params, found nan"),
        ({"rng_seed": None}, "a whole number rng_seed"),
        ({"test_ep_top1": []}, "expected errors test_ep_top1"),
        ({"test_ep_top1": [9.0, float("nan"), 8.0]}, "in percent, found nan after epoch 2"),
        ({"test_ep_top1": [9.0, 8.0, 101.0]}, "in percent, found 101.0 after epoch 3"),
        ({"test_ep_top1": [9.0, 8.0]}, "optim.max_ep to be the 2 epochs"),
        ({"optim": None}, "optim.max_ep"),
        ({"test_ep_top1": [9.0, 8.0], "optim": {"max_ep": 2}}, r"one number of epochs.*\[2, 3\]"),
    ],
)
def test_an_entry_that_cannot_be_is_refused_by_its_place(changes, sentence, tmp_path):
    refused(tmp_path, one_changed(**changes), sentence)


def test_auxiliary_classifiers_may_be_counted_or_not(tmp_path):
    (entry,) = entries_of("nds_darts", 1)
    with_auxiliary = entry_of({**entry["net"], "aux": True}, SWEEPS["nds_darts"], 80.0)
    weights = 128 * 16 * len(entry["net"]["genotype"]["reduce_concat"])
    more = weights + 2 * 128 + 4 * 128 * 768 + 2 * 768 + 769 * 10
    counted = {**with_auxiliary, "params": with_auxiliary["params"] + more}
    table = read(write_file(tmp_path, "nds_darts", [with_auxiliary, counted]))
    assert table.params["cifar10"][1] - table.params["cifar10"][0] == more
    refused(tmp_path, [{**counted, "params": counted["params"] + 1}], "params, as the network has")


@pytest.mark.parametrize(
    ("content", "name", "sentence"),
    [
        ("nds_amoeba", "nds_darts", "conv_7x1_1x7, dil_sep_conv_3x3.*: it is the file of another"),
        ("nds_resnet", "nds_vanilla", "found res_basic_block: it is the file of another space"),
        ("nds_vanilla", "nds_enas", "found double_plain_block"),
        ("nds_darts_in", "nds_darts", "params, as the network has"),
    ],
)
def test_the_file_of_another_space_is_refused(content, name, sentence, tmp_path):
    refused(tmp_path, entries_of(content, 6), sentence, name)


def test_the_file_of_a_smaller_space_or_of_one_size_is_refused(tmp_path, monkeypatch):
    """Seen in a whole file: no network of it is impossible in the space that is asked for."""
    monkeypatch.setattr("trainfree.benchmarks.nds.official_file.MANY", 20)
    small = [*entries_of("nds_enas", 10), *entries_of("nds_enas", 10, depth=3)]
    refused(tmp_path, small, "in whose cells is conv_7x1_1x7, dil_conv_3x3", "nds_pnas")
    refused(tmp_path, small, "with one width and depth, found 2", "nds_enas_fix_w_d")
    fixed = entries_of("nds_enas", 20)
    refused(tmp_path, fixed, "with several widths and depths, found 1", "nds_enas")
    assert len(read(write_file(tmp_path, "nds_enas", small), "nds_enas").architectures) == 20


def test_a_zip_file_without_the_file_or_with_two_is_refused(tmp_path):
    path = tmp_path / "data.zip"
    for names, found in ((("a/ENAS.json",), "none"), (("a/DARTS.json", "b/DARTS.json"), "a/DARTS")):
        with zipfile.ZipFile(path, "w") as archive:
            for name in names:
                archive.writestr(name, GOOD)
        with pytest.raises(SourceError, match=f"expected one DARTS.json in it, found {found}"):
            read(path)


def test_entries_are_bounded_and_may_lie_across_any_border(monkeypatch):
    """Read a few bytes at a time, with signs of several bytes among them."""

    class Dripping(io.BytesIO):
        def read(self, size=-1):
            return super().read(min(size, 3))

    content = {"top": [{"ä": "€" * 5, "x": [1, {}]}, {}], "mid": [{"k": '\\ " ]'}]}
    stream = Dripping(b"\xef\xbb\xbf" + json.dumps(content, ensure_ascii=False, indent=1).encode())
    found = list(read_entries(stream, "f", 3))
    assert found == [("top", content["top"][0]), ("top", {}), ("mid", content["mid"][0])]
    with pytest.raises(SourceError, match="at most 2 entries"):
        list(read_entries(io.BytesIO(b"[{}, {}, {}]"), "f", 2))
    monkeypatch.setattr(json_entries, "MOST_ENTRY", 100)
    monkeypatch.setattr(json_entries, "MIB", 64)
    with pytest.raises(SourceError, match="found none in 100 characters"):
        list(read_entries(io.BytesIO(b'[{"a": "' + b"x" * 1000), "f", 2))
