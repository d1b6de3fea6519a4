"""The official archive of NATS-Bench's size space, and searches by what is in it."""

from __future__ import annotations

import bz2
import json
import math
import pickle
import statistics
import tarfile
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from trainfree.benchmarks.checks import check_benchmark
from trainfree.benchmarks.load import load_benchmark
from trainfree.benchmarks.nats_bench.archive import (
    SIZES,
    read_nats_archive,
    read_nats_size_archive,
)
from trainfree.benchmarks.prepare import prepare_benchmark
from trainfree.benchmarks.schema import BenchmarkTable, benchmark_dataset
from trainfree.config import load_config
from trainfree.errors import ConfigError, ForbiddenPickleError, SourceError
from trainfree.files.storage import provenance_attributes, read_dataset, write_dataset
from trainfree.search.plan import SearchPlan
from trainfree.search.run import SearchJob, run_search
from trainfree.search.training_cost import accuracy_columns, training_cost_of, training_seconds
from trainfree.sources.delivery import Delivery, SourceSettings
from trainfree.sources.official import NatsArchiveSource
from trainfree.sources.recipes import RECIPES
from trainfree.spaces import load_space
from trainfree.spaces.nats_sss.space import SizeSpace

SPACE = load_space("nats_sss")
TOPOLOGIES = load_space("nasbench201")
SPLITS = {
    "cifar10-valid": {"x-valid": "valid", "ori-test": "test"},
    "cifar10": {"ori-test": "test"},
    "cifar100": {"x-valid": "valid", "x-test": "test"},
    "ImageNet16-120": {"x-valid": "valid", "x-test": "test"},
}


@pytest.fixture(autouse=True)
def _no_mirror(monkeypatch):
    monkeypatch.delenv("TRAINFREE_MIRROR", raising=False)


@pytest.fixture(scope="session")
def sample(shared_data) -> Path:
    return shared_data / "nats_official_sample"


def prepare(output: Path, order: list[str], **sources) -> Path:
    known = {"mirror": None, "nats_archive": None, "nats_size_archive": None, **sources}
    named = {name: value and str(value) for name, value in known.items()}
    prepare_benchmark(
        "nats_sss", output, order=order, cache=output.parent / "cache", timeout=0.2, **named
    )
    return output


def read(path: Path, space: SizeSpace = SPACE) -> BenchmarkTable:
    delivery = Delivery("official", "nats-size-archive", {"archive": path})
    return read_nats_size_archive(delivery, space)


def write_record(folder: Path, number: int, content: object) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"{number:06d}.pickle.pbz2"
    path.write_bytes(bz2.compress(pickle.dumps(content)))
    return path


# ---------------------------------------------------------------- official records


@pytest.mark.shared_data
@pytest.mark.parametrize("form", ["folder", "tar", "parent folder"])
def test_official_records_are_reproduced_exactly(sample, tmp_path, form):
    path = sample / "sss"
    if form == "tar":
        path = tmp_path / f"{SIZES.folder}.tar"
        with tarfile.open(path, "w") as archive:
            archive.add(sample / "sss", arcname=SIZES.folder)
    elif form == "parent folder":
        path = tmp_path / "parent"
        path.mkdir()
        (path / SIZES.folder).symlink_to(sample / "sss")
    file = prepare(tmp_path / "x.h5", ["official"], nats_size_archive=path)
    found = load_benchmark(file)
    assert found["epochs"].to_numpy().tolist() == [1, 12, 90]
    expected = json.loads((sample / "sss_official_sample_3archs.json").read_text())
    values = 0
    for number, record in expected.items():
        arch = found.isel(arch=SPACE.parse(record["arch_str"]))
        assert int(arch["official_index"]) == int(number) == SPACE.parse(record["arch_str"])
        for kind in SIZES.kinds:
            where = {"epochs": int(kind)}
            seconds: dict[str, list[float]] = {}
            for training in record[kind]:
                where["dataset"] = training["dataset"]
                for evaluation, split in SPLITS[training["dataset"]].items():
                    cell = arch["accuracy"].sel(**where, split=split, seed=str(training["seed"]))
                    assert float(cell) == training["eval_acc_last"][evaluation]
                    values += 1
                spent = training["train_time_per_epoch_s"] * training["epochs"]
                seconds.setdefault(training["dataset"], []).append(spent)
                counts = arch.sel(dataset=training["dataset"])
                assert counts["params"] == round(training["params_M"] * 1e6)
                assert counts["flops"] == round(training["flops_M"] * 1e6)
            for dataset, each in seconds.items():
                time = float(arch["train_seconds"].sel(dataset=dataset, epochs=int(kind)))
                assert math.isclose(time, statistics.mean(each), rel_tol=1e-12)
    assert values == int(found["accuracy"].notnull().sum())  # nothing else is there
    note = found.attrs["source_note"]
    assert "32,765 of the 32,768 architectures are not in this copy" in note


@pytest.mark.shared_data
def test_searches_pay_what_the_published_scripts_charge(sample, tmp_path):
    path = prepare(tmp_path / "x.h5", ["official"], nats_size_archive=sample / "sss")
    found = load_benchmark(path)
    charged = {}
    for dataset in ("cifar10", "cifar100", "imagenet16-120"):
        cost = training_cost_of("nats_sss", accuracy_columns(found, path), dataset, path)
        assert (cost.outcome.split, cost.outcome.epochs) == ("valid", 12)
        charged[dataset] = float(training_seconds(found, cost, path)[11])
    # train-all-time + valid-per-time of the archive's own records of architecture 11
    assert charged == pytest.approx(
        {
            "cifar10": 12 * 2.9399166107177734 + 1.3633019924163818,
            "cifar100": 12 * 5.53662633895874 + 0.3675966262817383,
            "imagenet16-120": 12 * 11.202522993087769 + 0.24965238571166992,
        },
        rel=1e-12,
    )


# ---------------------------------------------------------------- other files


@pytest.mark.shared_data
def test_each_space_is_told_from_the_other(sample, tmp_path):
    with pytest.raises(SourceError, match=r"000000.*NATS-sss.*found one of the topology space"):
        read(sample / "tss")
    with pytest.raises(SourceError, match=r"000000.*NATS-tss.*found one of the size space"):
        read_nats_archive(Delivery("official", "x", {"archive": sample / "sss"}), TOPOLOGIES)
    packed = tmp_path / "mine.tar"
    with tarfile.open(packed, "w") as archive:
        archive.add(sample / "tss", arcname="NATS-tss-v1_0-3ffb9-simple")
    source = next(s for s in RECIPES["nats_sss-accuracies"] if isinstance(s, NatsArchiveSource))
    with pytest.raises(SourceError, match=r"found NATS-Bench's topology space; get.*NATS-sss"):
        source.deliver(tmp_path, SourceSettings(nats_size_archive=packed))
    (tmp_path / "up" / "NATS-tss-v1_0-3ffb9-simple").mkdir(parents=True)
    with pytest.raises(SourceError, match="found none; it holds NATS-Bench's topology space"):
        read(tmp_path / "up")


def test_an_archive_that_is_not_named_or_not_there_is_said_by_its_key(tmp_path):
    source = next(s for s in RECIPES["nats_sss-accuracies"] if isinstance(s, NatsArchiveSource))
    named = SourceSettings(nats_archive=tmp_path)  # that of the other space does not count
    with pytest.raises(SourceError, match=r"sources\.nats_size_archive.*NATS-sss-v1_0-50262"):
        source.deliver(tmp_path, named)
    with pytest.raises(SourceError, match="does not exist"):
        source.deliver(tmp_path, SourceSettings(nats_size_archive=tmp_path / "absent.tar"))


class _Evil:
    def __reduce__(self):
        return (print, ("the pickle was obeyed",))


def test_damage_in_the_archive_names_the_file(tmp_path, capsys):
    folder = tmp_path / "a"
    path = write_record(folder, 3, {"90": _Evil()})
    with pytest.raises(ForbiddenPickleError, match=r"000003\.pickle\.pbz2: asks for builtins"):
        read(folder)
    assert "obeyed" not in capsys.readouterr().out
    good = record(3, np.full(3, 50.0), 1.0)
    for content, reason in (
        (record(4, np.full(3, 50.0), 1.0), "expected one architecture, number 3, found"),
        ({kind: {**part, "arch_str": "8:8:8:8:9"} for kind, part in good.items()}, "found '9'"),
        ({"200": good["90"]}, "is not a record of NATS-Bench's size space.*200"),
        ([1], "is not a record"),
    ):
        write_record(folder, 3, content)
        with pytest.raises(SourceError, match=rf"000003\.pickle\.pbz2: .*{reason}"):
            read(folder)
    whole = write_record(folder, 3, good).read_bytes()
    path.write_bytes(whole[:-8])
    with pytest.raises(SourceError, match=r"000003\.pickle\.pbz2: .*truncated"):
        read(folder)


# ---------------------------------------------------------------- searches

SMALL = SizeSpace("nats_sss_small", (8, 16))
"""32 of the official architectures: enough for an archive of the official form in a test."""


def record(number: int, percent: np.ndarray, seconds: float, space: SizeSpace = SPACE) -> dict:
    """A record of the official form; ``percent`` is after 1, 12 and 90 epochs."""
    content = {}
    for kind, value in zip(SIZES.kinds, percent, strict=True):
        last, seeds = int(kind) - 1, (777, 888, 999) if kind == "12" else (777,)
        trainings = {
            (dataset, seed): {
                "eval_acc1es": {f"{name}@{last}": float(value) for name in splits},
                "train_times": dict.fromkeys(range(last + 1), seconds),
                "eval_times": {f"{name}@{last}": 0.5 for name in splits},
                "params": 0.1,
                "flop": 2.0,
            }
            for dataset, splits in SPLITS.items()
            for seed in seeds
        }
        content[kind] = {
            "arch_index": number,
            "arch_str": space.to_string(number),
            "all_results": trainings,
        }
    return content


@pytest.fixture(scope="module")
def archived(tmp_path_factory) -> tuple[Path, np.ndarray]:
    """A benchmark file of an archive of the official form, and its percents after 12 epochs."""
    folder = tmp_path_factory.mktemp("archive")
    percent = np.random.default_rng(0).uniform(20, 90, (len(SMALL), 3)).round(2)
    for number in range(len(SMALL)):
        content = record(number, percent[number], 1.0 + number, SMALL)
        write_record(folder / "a", number, content)
    table = check_benchmark(SMALL, read(folder / "a", SMALL), "a")
    attributes = {
        **provenance_attributes(settings={}, code="0" * 64, source_hashes=table.source_hashes),
        **{"space": SMALL.name, "source": "official", "source_note": "a test's archive"},
    }
    path = folder / "benchmark.h5"
    write_dataset(benchmark_dataset(SMALL, table, attributes), path, "benchmark")
    return path, percent[:, 1]


def plans(repository: Path) -> dict[str, SearchPlan]:
    names = ("nats_sss", "nats_sss_searches")
    return load_config(*(repository / "config" / f"{name}.yaml" for name in names)).search.plans()


@pytest.mark.parametrize("name", ["random", "rea", "reinforce", "bohb"])
def test_published_searches_look_an_archive_up(archived, repository, tmp_path, monkeypatch, name):
    """On an archive of the official form; its values are made up."""
    path, percent = archived
    monkeypatch.setattr("trainfree.search.run.load_space", lambda name: SMALL)
    monkeypatch.setattr("trainfree.search.run.search_code_hash", lambda plan, space: "0" * 64)
    plan = plans(repository)[name]
    assert (plan.preset, plan.overshoot) == ("nats", "interpolate")
    assert (plan.seconds, plan.runs) == (12_000, 500)
    plan = replace(plan, seconds=3000.0, runs=4)
    run_search(SearchJob(SMALL.name, "cifar100", plan, (), path, tmp_path / "s.h5", seed=1))
    found = read_dataset(tmp_path / "s.h5", "search")
    trace, steps = found["trace_arch"].to_numpy(), found["steps"].to_numpy()
    clock = found["training_seconds"].to_numpy()
    for run, count in enumerate(steps):
        seen = trace[run, :count]
        told = found["trace_fitness"][run, :count]
        np.testing.assert_allclose(told, percent[seen], rtol=1e-14)  # the mean over three seeds
        spent = np.cumsum(12 * (1.0 + seen) + 0.5)
        np.testing.assert_allclose(clock[run, :count], spent, rtol=1e-12)
        assert spent[-2] < 3000.0 <= spent[-1]
    if name == "rea":
        changed = [
            sum(a != b for a, b in zip(SMALL.digits(x), SMALL.digits(y), strict=True))
            for x, y in pairwise(trace[0, : steps[0]])
        ]
        assert 0 in changed  # the published rule may draw the same width again


@pytest.mark.shared_data
def test_the_mirrors_table_says_what_a_search_lacks(shared_data, repository, tmp_path):
    path = prepare(tmp_path / "x.h5", ["mirror"], mirror=shared_data)
    assert "no validation accuracy, no training time" in load_benchmark(path).attrs["source_note"]
    job = SearchJob("nats_sss", "cifar10", plans(repository)["rea"], (), path, tmp_path / "s", 1)
    with pytest.raises(ConfigError, match=r"no training times.*sources\.nats_size_archive"):
        run_search(job)
