"""Model zoos: lists and accuracies of the packages, networks by their parameters, hostile files."""

from __future__ import annotations

import csv
import gzip
import importlib.metadata
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from trainfree.benchmarks.prepare import prepare_benchmark, with_members
from trainfree.benchmarks.zoo.tables import (
    IMAGENET,
    read_pytorchcv_mirror,
    read_pytorchcv_package,
    read_timm,
    read_torchvision,
)
from trainfree.errors import ArchitectureError, ConfigError, ModelError, SourceError
from trainfree.files.storage import read_dataset
from trainfree.scoring.settings.setting import Setting, scoring_code_hash
from trainfree.sources.delivery import Delivery
from trainfree.sources.recipes.zoo import PYTORCHCV_ACCURACIES
from trainfree.spaces import load_space, packages_of
from trainfree.spaces.protocol import ModuleSpace, NamedSubsets
from trainfree.spaces.zoo.families import family_of
from trainfree.spaces.zoo.modules import build
from trainfree.trainings import UNSTATED_EPOCHS

CIFAR = {"cifar10": 70, "cifar100": 68}
TABLES = {
    "zoo_pytorchcv_cifar10": (read_pytorchcv_mirror, "pytorchcv_models.csv.gz"),
    "zoo_pytorchcv_cifar100": (read_pytorchcv_mirror, "pytorchcv_models.csv.gz"),
    "zoo_torchvision": (read_torchvision, "torchvision_weights.csv.gz"),
    "zoo_timm": (read_timm, "timm_imagenet.csv.gz"),
}
KEY = ("test", UNSTATED_EPOCHS, "published")


@pytest.fixture(scope="session")
def tables(shared_data):
    """The table of each zoo from the mirror."""
    folder = shared_data / "imagenet_zoo"
    if not folder.is_dir():
        pytest.skip(f"no tables of model zoos: {folder} is not there")
    return {
        name: read(given(folder / file), load_space(name)) for name, (read, file) in TABLES.items()
    }


def given(path: Path, role: str = "table") -> Delivery:
    return Delivery("mirror", "any", {role: path})


def count(name: str, package: str = "pytorchcv", classes: int = 10, size: int = 32) -> int:
    with torch.device("meta"):
        model = build(package, name, classes, size)
    return sum(weight.numel() for weight in model.parameters())


@pytest.mark.parametrize("name", TABLES)
def test_every_list_has_its_networks_once(name, tables):
    space, table = load_space(name), tables[name]
    known = with_members(space, table, name)
    assert len(set(table.architectures)) == len(known) == len(space)
    for index in range(len(known)):
        assert known.parse(known.to_string(index)) == index
    assert isinstance(known, ModuleSpace)
    assert isinstance(known, NamedSubsets)
    with pytest.raises(ConfigError, match="list of trained networks"):
        known.mutate(0, np.random.default_rng(0), "one_change")


def test_accuracies_are_those_that_are_printed(tables):
    """Cells of the packages' own tables, by hand."""
    printed = {
        ("zoo_pytorchcv_cifar10", "cifar10", "resnet20_cifar10"): 100 - 5.97,
        ("zoo_pytorchcv_cifar100", "cifar100", "xdensenet40_2_k24_bc_cifar100"): 100 - 23.96,
        ("zoo_torchvision", IMAGENET, "alexnet"): 56.522,
        ("zoo_torchvision", IMAGENET, "resnet50"): 76.13,  # not the 80.858 of the second weights
        ("zoo_timm", IMAGENET, "vgg16"): 71.594,
    }
    for (name, dataset, network), accuracy in printed.items():
        table = tables[name]
        found = table.accuracy[(dataset, *KEY)][table.architectures.index(network)]
        assert found == pytest.approx(accuracy, abs=1e-9), network


def test_what_saw_other_images_or_a_teacher_is_in_no_list(tables):
    torchvision, timm = (tables[name].architectures for name in ("zoo_torchvision", "zoo_timm"))
    assert not {"regnet_y_128gf", "vit_h_14"} & set(torchvision)  # SWAG weights alone
    assert not [name for name in timm if "distilled" in name]
    # Its only row at 224 pixels is of 22,000 classes.
    assert "beit_base_patch16_224" not in timm


@pytest.mark.parametrize(
    ("dataset", "part"), [*(("cifar10", part) for part in range(4)), ("cifar100", 0)]
)
def test_parameters_are_those_of_the_table_in_every_row(dataset, part, tables):
    """On the meta device, which holds no numbers; masks of X-DenseNet are no weights."""
    pytest.importorskip("pytorchcv")
    table = tables[f"zoo_pytorchcv_{dataset}"]
    classes = 10 if dataset == "cifar10" else 100
    places = range(part, len(table.architectures), 4)
    if dataset == "cifar100":  # the same bodies with another last layer: one of each family
        families = [family_of("pytorchcv", name).name for name in table.architectures]
        places = [families.index(family) for family in dict.fromkeys(families)]
    for place in places:
        name = table.architectures[place]
        assert count(name, classes=classes) == table.params[dataset][place], name


def test_the_package_has_the_same_table(tables):
    source = PYTORCHCV_ACCURACIES[-1]
    pytest.importorskip("pytorchcv")
    path = source.local(Path("nowhere"))
    assert path is not None, importlib.metadata.version("pytorchcv")
    for dataset in CIFAR:
        own = tables[f"zoo_pytorchcv_{dataset}"]
        space = load_space(f"zoo_pytorchcv_{dataset}")
        found = read_pytorchcv_package(given(path, "archive"), space)
        assert found.architectures == own.architectures
        np.testing.assert_allclose(
            found.accuracy[(dataset, *KEY)], own.accuracy[(dataset, *KEY)], atol=1e-9
        )
        assert (found.params[dataset] == own.params[dataset]).all()


def test_families_and_years_are_in_the_prepared_file(tables, tmp_path, monkeypatch, shared_data):
    output = tmp_path / "data" / "benchmarks" / "zoo_pytorchcv_cifar10.h5"
    monkeypatch.delenv("TRAINFREE_MIRROR", raising=False)
    prepare_benchmark(
        "zoo_pytorchcv_cifar10",
        output,
        order=["mirror"],
        cache=tmp_path,
        mirror=str(shared_data),
        nats_archive=None,
        timeout=1.0,
    )
    monkeypatch.chdir(tmp_path)
    space = load_space("zoo_pytorchcv_cifar10").with_members(
        read_dataset(output, "benchmark")["architecture"].to_numpy().tolist()
    )
    file = read_dataset(output, "benchmark")
    subsets = file["subset"].to_numpy().tolist()
    inside = dict(zip(subsets, file["in_subset"].to_numpy().T, strict=True))
    assert int(inside["family resnet"].sum()) == 8
    assert int(inside["family densenet"].sum()) == 9
    assert "family nin" not in inside  # it has one network
    years = dict(zip(space.members, file["year"].to_numpy().tolist(), strict=True))
    assert years["resnet20_cifar10"] == 2015
    assert years["wrn20_10_1bit_cifar10"] == 2018
    assert years["wrn16_10_cifar10"] == 2016


def test_a_network_is_new_and_repeats_under_a_seed(tables):
    pytest.importorskip("pytorchcv")
    space = with_members(
        load_space("zoo_pytorchcv_cifar10"), tables["zoo_pytorchcv_cifar10"], "here"
    )
    index = space.parse("xdensenet40_2_k24_bc_cifar10")

    def made(seed: int) -> torch.nn.Module:
        torch.manual_seed(seed)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return space.module(index, classes=10, image_size=32).eval()

    one, again, other = made(0), made(0), made(1)
    images = torch.rand(2, 3, 32, 32)
    assert torch.equal(one(images), again(images))
    assert not torch.equal(one(images), other(images))
    masks = [name for name, _ in one.named_buffers() if name.endswith("mask")]
    assert masks
    assert not [name for name, _ in one.named_parameters() if name.endswith("mask")]


def test_what_cannot_be_built_says_what_to_do(monkeypatch):
    pytest.importorskip("pytorchcv")
    for name in ("resnet21_cifar10", "unheard_cifar10"):
        with pytest.raises(ModelError, match=f"{name}: pytorchcv.* has no builder of that name"):
            build("pytorchcv", name, 10, 32)
    monkeypatch.setitem(__import__("sys").modules, "timm", None)
    with pytest.raises(ModelError, match=r"timm builds it.*pip install 'trainfree\[zoo\]'"):
        build("timm", "resnet18", 10, 32)


def test_another_version_of_the_package_is_other_code(monkeypatch):
    setting = Setting(
        space="zoo_pytorchcv_cifar10",
        dataset="cifar10",
        proxies=("naswot",),
        batch_size=8,
        initialization="pytorch",
        input="images",
        seed=0,
    )
    versions = iter(["0.0.74", "0.0.75", "0.0.74"])
    monkeypatch.setattr(importlib.metadata, "version", lambda name: next(versions))
    one, other, again = (scoring_code_hash(setting) for _ in range(3))
    assert one == again != other
    monkeypatch.undo()
    assert packages_of("nasbench201") == {}
    assert list(packages_of("zoo_timm")) == ["timm"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("model,dataset,error_pct\nresnet20_cifar10,cifar10,5.97\n", "params"),
        ("model,dataset,error_pct,params\n1,cifar10,x,2\n", "could not convert|cannot be read"),
        ("model,dataset,error_pct,params\na,cifar10,5.97,2.5\n", "whole number"),
        ("\x1f\x8b\x08 damaged", "damaged|gzip|expected"),
        ("model,dataset,error_pct,params\n" + "a,cifar10,1,1\n" * 5001, "at most 5,000 rows"),
    ],
)
def test_tables_of_another_form_are_refused_by_name(text, words, tmp_path):
    path = tmp_path / "pytorchcv_models.csv"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(SourceError, match=words) as caught:
        read_pytorchcv_mirror(given(path), load_space("zoo_pytorchcv_cifar10"))
    assert "pytorchcv_models.csv" in str(caught.value)


@pytest.mark.parametrize("change", ["short", "twice"])
def test_a_list_of_other_networks_is_refused(change, tmp_path, shared_data):
    source = shared_data / "imagenet_zoo" / "pytorchcv_models.csv.gz"
    with gzip.open(source, "rt") as file:
        header, *rows = list(csv.reader(file))
    chosen = [row for row in rows if row[1] == "cifar10"]
    changed = chosen[:-1] if change == "short" else [*chosen[:-1], chosen[0]]
    path = tmp_path / "table.csv"
    path.write_text("\n".join(map(",".join, [header, *changed])) + "\n")
    space = load_space("zoo_pytorchcv_cifar10")
    table = read_pytorchcv_mirror(given(path), space)
    with pytest.raises(SourceError, match=r"expected (70|different) architectures") as caught:
        with_members(space, table, str(path))
    assert str(path) in str(caught.value)


def test_a_network_that_is_not_in_the_list_is_named(tables):
    space = with_members(load_space("zoo_torchvision"), tables["zoo_torchvision"], "here")
    with pytest.raises(ArchitectureError, match="'resnet19' is not in zoo_torchvision"):
        space.parse("resnet19")
