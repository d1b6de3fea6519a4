"""Lists of DARTS cells with trained accuracies: from files to benchmarks, and hostile files."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from trainfree.benchmarks.load import accuracy_column, load_benchmark
from trainfree.benchmarks.prepare import prepare_benchmark
from trainfree.errors import SourceError
from trainfree.spaces import load_space
from trainfree.trainings import Outcome, headline, known_outcomes

FILES = {
    "darts_bench545": "darts_bench545/darts_bench545_cifar10.csv.gz",
    "darts_swap": "darts_swap/DARTS_archs_CIFAR10.csv.gz",
    "darts_random214": "darts_random214/darts_random214_cifar10.csv.gz",
    "nasbench301": "nasbench301_suite_zero/nb301_suite_zero.csv.gz",
}


def prepare(space: str, folder: Path, mirror: Path) -> Path:
    """Prepare a benchmark where spaces that are lists look for it from ``folder``."""
    path = folder / "data" / "benchmarks" / f"{space}.h5"
    sources = {"cache": folder, "mirror": str(mirror), "nats_archive": None, "timeout": 1.0}
    prepare_benchmark(space, path, order=["mirror"], **sources)
    return path


@pytest.mark.shared_data
@pytest.mark.parametrize("name", FILES)
def test_every_row_of_the_file_is_an_architecture_of_the_list(
    name, shared_data, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    load_benchmark(prepare(name, tmp_path, shared_data))
    header = None if name == "darts_swap" else "infer"
    table = pd.read_csv(shared_data / FILES[name], header=header)
    texts = table[0 if header is None else "genotype"].tolist()
    space = type(load_space(name))(name, len(texts), form=load_space(name).form)
    assert [space.to_string(index) for index in range(len(space))] == texts
    assert [space.parse(text) for text in texts] == list(range(len(texts)))
    assert [str(space.genotype(index)) for index in range(len(space))] == texts


@pytest.mark.shared_data
def test_accuracies_are_those_of_the_files(shared_data, tmp_path):
    def reported(name: str) -> tuple[Outcome | None, np.ndarray]:
        benchmark = load_benchmark(prepare(name, tmp_path, shared_data))
        outcome = headline(known_outcomes(benchmark), "cifar10")
        return outcome, None if outcome is None else accuracy_column(benchmark, *outcome)

    outcome, found = reported("darts_bench545")
    assert outcome == Outcome("cifar10", "test", 50)
    table = pd.read_csv(shared_data / FILES["darts_bench545"])
    assert (found == table["test_acc50"]).all()
    benchmark = load_benchmark(tmp_path / "data" / "benchmarks" / "darts_bench545.h5")
    at_ten = accuracy_column(benchmark, "cifar10", "valid", 10)
    assert (at_ten == table["valid_acc10"]).all()
    assert Outcome("cifar10", "valid", 50) not in known_outcomes(benchmark)
    assert pd.Series(at_ten).corr(table["test_acc50"], "spearman") == pytest.approx(0.833, abs=2e-3)
    seconds = benchmark["train_seconds"].sel(dataset="cifar10", epochs=50).to_numpy()
    assert (seconds == table["train_s50"]).all()

    outcome, found = reported("darts_swap")
    assert outcome == Outcome("cifar10", "valid", 200)
    assert (np.isfinite(found).sum(), (found < 11).sum()) == (1000, 2)

    outcome, found = reported("darts_random214")
    assert outcome == Outcome("cifar10", "test", 600)
    curves = np.load(shared_data / "darts_random214" / "darts_random214_curves.npz")["test_acc"]
    np.testing.assert_allclose(found, curves[:, -1], atol=0.006)
    benchmark = load_benchmark(tmp_path / "data" / "benchmarks" / "darts_random214.h5")
    np.testing.assert_allclose(
        accuracy_column(benchmark, "cifar10", "test", 50), curves[:, 49], atol=0.006
    )
    np.testing.assert_allclose(benchmark["best_test_accuracy"], curves.max(1), atol=0.006)


@pytest.mark.shared_data
def test_what_a_surrogate_predicts_is_no_accuracy_on_images(shared_data, tmp_path):
    benchmark = load_benchmark(prepare("nasbench301", tmp_path, shared_data))
    outcomes = known_outcomes(benchmark)
    assert [outcome.dataset for outcome in outcomes] == ["nasbench301-surrogate"]
    assert headline(outcomes, "cifar10") is None
    assert "surrogate" in benchmark.attrs["source_note"]


@pytest.mark.shared_data
def test_networks_of_each_list_take_a_mini_batch(shared_data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in FILES:
        prepare(name, tmp_path, shared_data)
        known = load_space(name)
        space = type(known)(name, len(known), form=known.form)
        for index in np.random.default_rng(0).choice(len(space), 2, replace=False).tolist():
            torch.manual_seed(index)
            module = space.module(index, classes=10, image_size=8)
            with torch.no_grad():
                logits = module(torch.randn(2, 3, 8, 8))
            assert logits.shape == (2, 10)
            assert torch.isfinite(logits).all()
            assert sum(p.numel() for p in module.parameters()) == space.parameters(index, 10)


@pytest.mark.parametrize("name", ["darts", "darts_small"])
def test_the_whole_space_says_which_lists_were_trained(name, tmp_path):
    with pytest.raises(SourceError, match=rf"{name} has no trained .* darts_bench545, darts_swap"):
        prepare(name, tmp_path, tmp_path)


def twice(table: pd.DataFrame) -> pd.DataFrame:
    table.loc[5, "genotype"] = table.loc[6, "genotype"]
    return table


def foreign(table: pd.DataFrame) -> pd.DataFrame:
    table.loc[5, "genotype"] = "Genotype(normal=__import__('os').getcwd())"
    return table


def otherwise(table: pd.DataFrame) -> pd.DataFrame:
    table.loc[5, "genotype"] = table.loc[5, "genotype"].replace("), (", "),(", 1)
    return table


def fractions(table: pd.DataFrame) -> pd.DataFrame:
    table["test_acc50"] /= 100
    return table


def empty(table: pd.DataFrame) -> pd.DataFrame:
    table.loc[7, "test_acc50"] = np.nan
    return table


def without(table: pd.DataFrame) -> pd.DataFrame:
    return table.drop(columns="train_s50")


def fewer(table: pd.DataFrame) -> pd.DataFrame:
    return table.drop(index=range(10))


def many(table: pd.DataFrame) -> pd.DataFrame:
    table["params_M"] = table["params_M"].astype(object)
    table.loc[3, "params_M"] = "many"
    return table


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (twice, "found .*Genotype.* twice"),
        (foreign, "row 6: genotype .* is malformed"),
        (otherwise, "row 6: expected a genotype as Python prints it"),
        (fractions, "expected percentages, found none above"),
        (empty, "expected one for each of the 545 architectures"),
        (without, "'train_s50'"),
        (fewer, "expected 545 architectures, found 535"),
        (many, "cannot be read"),
    ],
)
def test_files_that_are_not_the_list_are_refused(
    change: Callable[[pd.DataFrame], pd.DataFrame], words, shared_data, tmp_path, monkeypatch
):
    table = change(pd.read_csv(shared_data / FILES["darts_bench545"]))
    path = tmp_path / FILES["darts_bench545"]
    path.parent.mkdir()
    with gzip.open(path, "wt") as stream:
        table.to_csv(stream, index=False)
    monkeypatch.delenv("TRAINFREE_MIRROR", raising=False)
    monkeypatch.setattr("trainfree.sources.mirror.verify", lambda path, checksum: "0" * 64)
    with pytest.raises(SourceError, match=words) as caught:
        prepare("darts_bench545", tmp_path, tmp_path)
    assert path.name in str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "found"),
        (gzip.compress(b"a,b\n1,2\n")[:-6], "incomplete gzip"),
        (gzip.compress(b"PK\x03\x04" + b"\0" * 100), "."),
        (gzip.compress(b"genotype\n" + b"x" * 9_000_000), "."),
        (b"\x80\x04cos\nsystem\n(S'touch PWNED'\ntR.", "."),
    ],
    ids=["empty", "truncated", "zip", "endless", "pickle"],
)
@pytest.mark.parametrize("name", ["darts_swap", "nasbench301"])
def test_damaged_and_foreign_files_are_refused_by_name(name, content, words, tmp_path, monkeypatch):
    path = tmp_path / FILES[name]
    path.parent.mkdir()
    path.write_bytes(content)
    monkeypatch.delenv("TRAINFREE_MIRROR", raising=False)
    monkeypatch.setattr("trainfree.sources.mirror.verify", lambda path, checksum: "0" * 64)
    with pytest.raises(SourceError, match=words) as caught:
        prepare(name, tmp_path, tmp_path)
    assert path.name in str(caught.value)
    assert not list(tmp_path.rglob("PWNED"))
