"""Benchmarks: real tables read exactly, every architecture once, damage named."""

from __future__ import annotations

import bz2
import collections
import csv
import gzip
import hashlib
import json
import math
import pickle
import shutil
import statistics
import sys
import tarfile
import types
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from trainfree.benchmarks.analog import FURTHER, read_analog
from trainfree.benchmarks.checks import check_percentages
from trainfree.benchmarks.load import accuracy_column, load_benchmark
from trainfree.benchmarks.nats_bench.archive import FOLDER_NAME, read_nats_archive
from trainfree.benchmarks.nats_bench.topology_table import ACCURACY_COLUMNS, read_mirror_table
from trainfree.benchmarks.prepare import prepare_benchmark
from trainfree.benchmarks.schema import BenchmarkTable, benchmark_dataset
from trainfree.errors import ForbiddenPickleError, SourceError, UnknownNameError
from trainfree.search.training_cost import (
    accuracy_columns,
    training_cost_of,
    training_note,
    training_seconds,
)
from trainfree.sources.delivery import Delivery, SourceSettings
from trainfree.sources.recipes import RECIPES
from trainfree.spaces import load_space
from trainfree.trainings import known_outcomes

OFFICIAL_ZERO = (
    "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|"
    "+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|"
)
MINI = load_space("nasbench201_mini")
FULL = load_space("nasbench201")


@pytest.fixture(autouse=True)
def _no_mirror(monkeypatch):
    monkeypatch.delenv("TRAINFREE_MIRROR", raising=False)


def prepare(space: str, output: Path, order: list[str], **options) -> xr.Dataset:
    prepare_benchmark(
        space,
        output,
        order=order,
        cache=output.parent / "cache",
        mirror=options.get("mirror"),
        nats_archive=options.get("nats_archive"),
        timeout=0.2,
    )
    return load_benchmark(output)


# The mirror's table


@pytest.fixture(scope="session")
def mirror_benchmark(shared_data, tmp_path_factory):
    path = tmp_path_factory.mktemp("benchmark") / "nasbench201.h5"
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("TRAINFREE_MIRROR", raising=False)
        return prepare("nasbench201", path, ["mirror"], mirror=str(shared_data))


@pytest.mark.shared_data
def test_golden_values_of_the_mirror(mirror_benchmark):
    found = mirror_benchmark.isel(arch=FULL.parse(OFFICIAL_ZERO))
    assert str(found["architecture"].item()) == OFFICIAL_ZERO
    assert found["official_index"] == 0
    test = found["accuracy"].sel(dataset="cifar10", split="test", epochs=200)
    assert test.sel(seed="mean") == 85.863333
    assert [float(test.sel(seed=f"run{run}")) for run in (1, 2, 3)] == [85.62, 86.18, 85.79]
    params = found["params"].sel(dataset=["cifar10", "cifar100", "ImageNet16-120"]).to_numpy()
    assert params.tolist() == [129306, 135156, 136456]
    assert found["flops"].sel(dataset="cifar10") == 15647370
    seconds = found["train_seconds"].sel(epochs=200)
    assert seconds.sel(dataset="cifar10") == pytest.approx(14.442186 * 200)
    assert seconds.sel(dataset="cifar10-valid") == pytest.approx(14.442186 * 100)


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("outcome", "best", "official_index"),
    [
        (("cifar10-valid", "valid", 200), 91.606667, 6111),
        (("cifar10", "test", 200), 94.373333, None),
        (("cifar100", "valid", 200), 73.493333, 9930),
        (("cifar100", "test", 200), 73.513333, 9930),
        (("ImageNet16-120", "valid", 200), 46.733333, 10676),
        (("ImageNet16-120", "test", 200), 47.311111, 857),
    ],
)
def test_published_optima(mirror_benchmark, outcome, best, official_index):
    column = accuracy_column(mirror_benchmark, *outcome)
    assert column.max() == pytest.approx(best, abs=1e-6)
    if official_index is not None:
        assert mirror_benchmark["official_index"][int(column.argmax())] == official_index


@pytest.mark.shared_data
def test_every_row_of_the_table_is_where_its_string_says(mirror_benchmark, shared_data):
    strings = [FULL.to_string(index) for index in range(len(FULL))]
    assert mirror_benchmark["architecture"].to_numpy().tolist() == strings
    columns = {
        name: mirror_benchmark["accuracy"]
        .sel(dataset=dataset, split=split, epochs=epochs, seed="mean")
        .to_numpy()
        for name, (dataset, split, epochs) in ACCURACY_COLUMNS.items()
    }
    place = {text: index for index, text in enumerate(strings)}
    with gzip.open(shared_data / "nasbench201" / "nb201_tss.csv.gz", "rt") as stream:
        for row in csv.DictReader(stream):
            index = place.pop(row["arch_str"])
            assert all(column[index] == float(row[name]) for name, column in columns.items())
    assert not place


@pytest.mark.shared_data
def test_outcomes_lists_what_has_data(mirror_benchmark):
    assert set(known_outcomes(mirror_benchmark)) == set(ACCURACY_COLUMNS.values())
    with pytest.raises(UnknownNameError, match=r"cifar10/valid/200.*known are: .*cifar10/test/200"):
        accuracy_column(mirror_benchmark, "cifar10", "valid", 200)


SMALL_COLUMNS = [
    "index",
    "arch_str",
    *ACCURACY_COLUMNS,
    *(f"train_s_per_epoch_{suffix}" for suffix in ("c10", "c100", "in16")),
    *(f"{kind}_{suffix}_M" for kind in ("params", "flops") for suffix in ("c10", "c100", "in16")),
]


def small_table(path: Path, strings: list[str], columns: list[str] = SMALL_COLUMNS) -> Delivery:
    rows = [dict.fromkeys(columns, 50.0) | {"index": 7, "arch_str": text} for text in strings]
    with gzip.open(path, "wt", newline="") as stream:
        writer = csv.DictWriter(stream, columns)
        writer.writeheader()
        writer.writerows(rows)
    return Delivery("mirror", "nb201-table", {"table": path})


def test_a_table_must_hold_every_architecture_exactly_once(tmp_path):
    path = tmp_path / "table.csv.gz"
    strings = [MINI.to_string(index) for index in range(len(MINI))][::-1]
    table = read_mirror_table(small_table(path, strings), MINI)
    assert all(column.shape == (729,) for column in table.accuracy.values())
    missing = [text for text in strings if text not in (MINI.to_string(5), MINI.to_string(9))]
    for changed, times in ((missing, 0), ([*strings, MINI.to_string(5)], 2)):
        with pytest.raises(SourceError) as raised:
            read_mirror_table(small_table(path, changed), MINI)
        expected = f"table.csv.gz: expected each of the 729 architectures of {MINI.name}"
        assert expected in str(raised.value)
        assert f"{MINI.to_string(5)!r} {times} times" in str(raised.value)


def test_damage_in_the_table_is_named(tmp_path):
    path = tmp_path / "table.csv.gz"
    strings = [MINI.to_string(index) for index in range(len(MINI))]
    with pytest.raises(SourceError, match=r"table\.csv\.gz: architecture '\|nor_conv"):
        read_mirror_table(small_table(path, ["|nor_conv_1x1~0|", *strings[1:]]), MINI)
    without = [name for name in SMALL_COLUMNS if name != "c100_test_12"]
    path.write_bytes(b"")
    with pytest.raises(SourceError, match=r"table\.csv\.gz: expected a gzip"):
        read_mirror_table(Delivery("mirror", "nb201-table", {"table": path}), MINI)
    content = small_table(path, strings).files["table"].read_bytes()
    for damaged in (content[: len(content) // 2], b"index,arch_str\n1,x\n"):
        path.write_bytes(damaged)
        with pytest.raises(SourceError, match=r"table\.csv\.gz: expected a gzip"):
            read_mirror_table(Delivery("mirror", "nb201-table", {"table": path}), MINI)
    with gzip.open(path, "wt") as stream:
        stream.write(",".join(without) + "\n")
    with pytest.raises(SourceError, match="c100_test_12"):
        read_mirror_table(Delivery("mirror", "nb201-table", {"table": path}), MINI)


def test_the_published_hash_of_the_table_is_enforced(tmp_path):
    (tmp_path / "nasbench201").mkdir()
    path = tmp_path / "nasbench201" / "nb201_tss.csv.gz"
    small_table(path, [OFFICIAL_ZERO])
    with pytest.raises(SourceError) as raised:
        prepare("nasbench201", tmp_path / "out" / "x.h5", ["mirror"], mirror=str(tmp_path))
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    assert "expected sha256 1949b8948e363ab7" in str(raised.value)
    assert f"found {found}" in str(raised.value)
    assert not (tmp_path / "out" / "x.h5").exists()
    assert path.exists()


def test_values_that_are_no_percentages_are_refused():
    for bad in (101.0, -1.0, np.inf):
        column = np.array([50.0, np.nan, bad])
        with pytest.raises(SourceError, match=f"x: cifar10/test/200/mean: .*found {bad}"):
            check_percentages(column, 3, "x: cifar10/test/200/mean")


# The official archive


@pytest.fixture
def nats_sample(shared_data) -> Path:
    return shared_data / "nats_official_sample"


def as_tar(folder: Path, target: Path) -> Path:
    with tarfile.open(target, "w") as archive:
        archive.add(folder, arcname=FOLDER_NAME)
    return target


@pytest.mark.shared_data
@pytest.mark.parametrize("form", ["folder", "tar", "parent folder"])
def test_official_records_are_reproduced_exactly(nats_sample, tmp_path, form):
    path = nats_sample / "tss"
    if form == "tar":
        path = as_tar(path, tmp_path / "archive.tar")
    elif form == "parent folder":
        shutil.copytree(path, tmp_path / "parent" / FOLDER_NAME)
        path = tmp_path / "parent"
    found = prepare("nasbench201", tmp_path / "x.h5", ["official"], nats_archive=str(path))
    expected = json.loads((nats_sample / "tss_official_sample_3archs.json").read_text())
    names = {
        "cifar10-valid": {"x-valid": "valid", "ori-test": "test"},
        "cifar10": {"ori-test": "test"},
        "cifar100": {"x-valid": "valid", "x-test": "test"},
        "ImageNet16-120": {"x-valid": "valid", "x-test": "test"},
    }
    values = 0
    for number, record in expected.items():
        arch = found.isel(arch=FULL.parse(record["arch_str"]))
        assert arch["official_index"] == int(number)
        for epochs in (12, 200):
            seconds = collections.defaultdict(list)
            for training in record[str(epochs)]:
                dataset = training["dataset"]
                where = {"dataset": dataset, "epochs": epochs}
                for evaluation, split in names[dataset].items():
                    cell = arch["accuracy"].sel(**where, split=split, seed=str(training["seed"]))
                    assert float(cell) == training["eval_acc_last"][evaluation]
                    values += 1
                seconds[dataset].append(training["train_time_per_epoch_s"] * epochs)
                assert arch["params"].sel(dataset=dataset) == round(training["params_M"] * 1e6)
                assert arch["flops"].sel(dataset=dataset) == round(training["flops_M"] * 1e6)
            for dataset, each in seconds.items():
                time = float(arch["train_seconds"].sel(dataset=dataset, epochs=epochs))
                assert math.isclose(time, statistics.mean(each), rel_tol=1e-12)
    assert values == int(found["accuracy"].notnull().sum())  # nothing else is there
    assert "15,622 of the 15,625 architectures are not in this copy" in found.attrs["source_note"]
    assert int(found["official_index"].max()) == 284
    column = accuracy_column(found, "cifar10", "test", 200)
    zero = FULL.parse(OFFICIAL_ZERO)
    assert column[zero] == pytest.approx((85.62 + 86.18 + 85.79) / 3)
    assert np.isfinite(column).sum() == 3


@pytest.mark.shared_data
def test_folder_and_tar_have_the_same_source_hash(nats_sample, tmp_path):
    hashes = set()
    for path in (nats_sample / "tss", as_tar(nats_sample / "tss", tmp_path / "x.tar")):
        table = read_nats_archive(Delivery("official", "nats", {"archive": path}), FULL)
        hashes.add(table.source_hashes["archive"])
    assert len(hashes) == 1


def record(number: int = 3, text: str = OFFICIAL_ZERO) -> dict:
    training = {
        "eval_acc1es": {"ori-test@199": 90.0},
        "train_times": {0: 2.0, 1: 4.0},
        "params": 0.5,
        "flop": 1.5,
    }
    return {
        "200": {
            "arch_index": number,
            "arch_str": text,
            "all_results": {("cifar10", 777): training},
        }
    }


class _Evil:
    def __reduce__(self):
        return (print, ("the pickle was obeyed",))


def write_record(folder: Path, number: int, content: object) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"{number:06d}.pickle.pbz2"
    path.write_bytes(bz2.compress(pickle.dumps(content)))
    return path


def read_folder(folder: Path) -> BenchmarkTable:
    return read_nats_archive(Delivery("official", "nats-archive", {"archive": folder}), FULL)


def test_a_written_record_is_read(tmp_path):
    write_record(tmp_path / "a", 3, record())
    (tmp_path / "a" / "meta.pickle.pbz2").write_bytes(b"not read")
    table = read_folder(tmp_path / "a")
    arch = FULL.parse(OFFICIAL_ZERO)
    assert table.accuracy["cifar10", "test", 200, "777"][arch] == 90.0
    assert table.train_seconds["cifar10", 200][arch] == 600.0
    assert (table.params["cifar10"][arch], table.flops["cifar10"][arch]) == (500000, 1500000)


def test_the_seconds_of_validation_passes_are_read_and_missing_ones_stay_away(tmp_path):
    content = record()
    trainings = content["200"]["all_results"]
    untimed = {**trainings["cifar10", 777], "eval_acc1es": {"x-valid@199": 70.0}}
    del untimed["train_times"]
    timed = untimed | {
        "train_times": {0: 2.0},
        "eval_times": {"x-valid@0": 1.0, "x-valid@1": 3.0, "x-test@0": 50.0, "ori-test@0": 90.0},
    }
    trainings["cifar100", 777] = timed
    trainings["cifar100", 888] = timed | {"eval_times": {"x-valid@0": 4.0}}
    trainings["ImageNet16-120", 777] = untimed | {"train_times": {0: 2.0}, "eval_times": None}
    write_record(tmp_path / "a", 3, content)
    table = read_folder(tmp_path / "a")
    arch = FULL.parse(OFFICIAL_ZERO)
    assert set(table.validation_seconds) == {("cifar100", 200)}
    assert table.validation_seconds["cifar100", 200][arch] == 3.0
    assert table.train_seconds["cifar100", 200][arch] == 400.0
    stored = benchmark_dataset(FULL, table, {})["validation_seconds"]
    assert stored.attrs["units"] == "s"
    assert float(stored.sel(arch=arch, dataset="cifar100", epochs=200)) == 3.0
    assert int(stored.notnull().sum()) == 1


@pytest.mark.parametrize("seconds", [-1.0, 0.0, math.nan, math.inf, 1e9, "x"])
def test_seconds_of_a_validation_pass_that_are_none_are_refused(tmp_path, seconds):
    content = record()
    trainings = content["200"]["all_results"]
    trainings["cifar100", 777] = {
        **trainings["cifar10", 777],
        "eval_times": {"x-valid@0": seconds},
    }
    write_record(tmp_path / "a", 3, content)
    with pytest.raises(SourceError, match=r"000003\.pickle\.pbz2"):
        read_folder(tmp_path / "a")


@pytest.mark.shared_data
def test_searches_pay_what_the_published_scripts_charge_for_official_architectures(
    nats_sample, tmp_path
):
    found = prepare(
        "nasbench201", tmp_path / "x.h5", ["official"], nats_archive=str(nats_sample / "tss")
    )
    zero = FULL.parse(OFFICIAL_ZERO)
    charged = {}
    for dataset in ("cifar10", "cifar100", "imagenet16-120"):
        columns = accuracy_columns(found, tmp_path / "x.h5")
        cost = training_cost_of("nasbench201", columns, dataset, tmp_path / "x.h5")
        seconds = training_seconds(found, cost, tmp_path / "x.h5")
        charged[dataset] = seconds[zero]
        assert "and one pass over the validation images" in training_note(found, cost, seconds)
    # train-all-time + valid-per-time of the archive's own records of architecture 0
    per_epoch, one_pass = 7.221092998981476, 2.5489792369660877
    assert charged["cifar10"] == pytest.approx(12 * per_epoch + one_pass, rel=1e-14)
    assert round(12 * per_epoch, 2) == 86.65
    assert round(charged["cifar10"], 2) == 89.20
    assert charged["cifar100"] == pytest.approx(
        12 * 14.442185997962952 + 0.5097958473932176, rel=1e-14
    )
    assert charged["imagenet16-120"] == pytest.approx(
        12 * 43.817592317819596 + 0.30587750843593053, rel=1e-14
    )


def test_damage_in_the_archive_names_the_file(tmp_path, capsys):
    folder = tmp_path / "a"
    path = write_record(folder, 3, {"200": _Evil()})
    with pytest.raises(
        ForbiddenPickleError, match=r"000003\.pickle\.pbz2: asks for builtins\.print"
    ):
        prepare("nasbench201", tmp_path / "x.h5", ["official", "generated"], nats_archive=folder)
    assert "obeyed" not in capsys.readouterr().out
    assert not (tmp_path / "x.h5").exists()
    for content, reason in (
        (record(number=4), "expected one architecture, number 3, found"),
        (record(text="|none~0|"), "is malformed"),
        ([1], "is not a record"),
        ({"200": {}}, "is not a record"),
        ({"200": {**record()["200"], "all_results": {("mnist", 1): {}}}}, "is not a record.*mnist"),
    ):
        write_record(folder, 3, content)
        with pytest.raises(SourceError, match=rf"000003\.pickle\.pbz2: .*{reason}"):
            read_folder(folder)
    whole = write_record(folder, 3, record()).read_bytes()
    path.write_bytes(whole[:-8])
    with pytest.raises(SourceError, match=r"000003\.pickle\.pbz2: .*truncated"):
        read_folder(folder)
    write_record(folder, 3, record())
    write_record(folder, 4, record(number=4))
    with pytest.raises(SourceError, match="holds the same architecture as number 3"):
        read_folder(folder)
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match=r"expected files NNNNNN\.pickle\.pbz2"):
        read_folder(tmp_path / "empty")
    (tmp_path / "cut.tar").write_bytes(as_tar(folder, tmp_path / "x.tar").read_bytes()[:700])
    with pytest.raises(SourceError, match=r"cut\.tar"):
        read_folder(tmp_path / "cut.tar")


def test_a_damaged_archive_is_passed_over_for_the_next_source(tmp_path, caplog):
    write_record(tmp_path / "a", 3, [1])
    found = prepare(
        "nasbench201", tmp_path / "x.h5", ["official", "generated"], nats_archive=tmp_path / "a"
    )
    assert found.attrs["source"] == "generated"
    assert "000003.pickle.pbz2" in caplog.text


# The registry's package


def analog_pickle(monkeypatch, codes: list[tuple[int, ...]], **changed: object) -> bytes:
    """Pickle records as the package does, with classes of a module of its name."""
    module = types.ModuleType("analognasbench.data")
    for name in ("Architecture", "DriftMeasurement"):
        kind = type(name, (), {"__module__": module.__name__, "__qualname__": name})
        setattr(module, name, kind)
    monkeypatch.setitem(sys.modules, "analognasbench", types.ModuleType("analognasbench"))
    monkeypatch.setitem(sys.modules, "analognasbench.data", module)
    records = {}
    for place, code in enumerate(codes):
        record = module.Architecture()
        record.__dict__ |= {"architecture": code, "baseline_accuracy": place / 10, **changed}
        record.__dict__ |= {name: 20.0 for name in FURTHER if name not in changed}
        record.baseline_drift_60 = module.DriftMeasurement()
        records[code] = record
    return pickle.dumps(records, protocol=4)


def read_analog_bytes(path: Path, content: bytes) -> BenchmarkTable:
    path.write_bytes(content)
    return read_analog(Delivery("registry", "analog-nasbench", {"archive": path}), MINI)


def test_the_package_is_read_by_naslib_codes(tmp_path, monkeypatch):
    path = tmp_path / "data.anb"
    order = list(range(len(MINI)))[::-1]
    content = analog_pickle(monkeypatch, [MINI.to_naslib(index) for index in order])
    table = read_analog_bytes(path, content)
    column = table.accuracy["cifar10", "test", -1, "mean"]
    assert column.tolist() == [(728 - index) / 10 for index in range(729)]
    assert set(table.further) == set(FURTHER)
    with pytest.raises(SourceError, match=r"data\.anb: .*truncated"):
        read_analog_bytes(path, content[:-100])
    with pytest.raises(SourceError, match=r"data\.anb: expected each .*0 times"):
        read_analog_bytes(path, analog_pickle(monkeypatch, [MINI.to_naslib(3)]))
    for codes, reason in (([(9, 0, 0, 0, 0, 0)], "malformed"), ([7], "data.anb: ")):
        with pytest.raises(SourceError, match=reason):
            read_analog_bytes(path, analog_pickle(monkeypatch, codes))
    codes = [MINI.to_naslib(index) for index in order]
    bad = analog_pickle(monkeypatch, codes, noisy_accuracy="unknown")
    with pytest.raises(SourceError, match=r"expected a number noisy_accuracy"):
        read_analog_bytes(path, bad)
    with pytest.raises(SourceError, match="expected a dictionary"):
        read_analog_bytes(path, pickle.dumps([1]))
    with pytest.raises(ForbiddenPickleError, match=r"data\.anb: asks for builtins\.print"):
        read_analog_bytes(path, pickle.dumps({"a": _Evil()}))


@pytest.mark.shared_data
def test_the_installed_package_agrees_with_nats_bench(mirror_benchmark, tmp_path):
    """Pearson .9994, maximum 94.07: the figures published beside the mirror's table."""
    source = next(s for s in RECIPES["nasbench201-accuracies"] if s.name == "registry")
    if source._installed() is None:
        pytest.skip("the package analog-nasbench is not installed, and tests use no network")
    table = read_analog(source.deliver(tmp_path, SourceSettings()), FULL)
    assert set(table.accuracy) == {("cifar10", "test", -1, "mean")}
    found = benchmark_dataset(FULL, table, {})
    column = accuracy_column(found, "cifar10", "test", -1)
    reference = accuracy_column(mirror_benchmark, "cifar10", "test", 200)
    assert round(float(np.corrcoef(column, reference)[0, 1]), 4) == 0.9994
    assert column.max() == pytest.approx(94.07, abs=0.005)
    assert round(float(np.median(np.abs(column - reference))), 2) == 0.33
    assert {"ptq_accuracy", "qat_accuracy", "noisy_accuracy", "analog_accuracy"} <= set(found)
    assert found["ptq_accuracy"].dims == ("arch",)
