"""A whole search for cells: its file, interruptions, settings, the command, table and figures."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from PIL import Image

from trainfree.analysis.declaration import Inputs
from trainfree.analysis.registry import make_table, read_rows
from trainfree.cli import main
from trainfree.config import parse_config
from trainfree.errors import ConfigError, DataFileError, ImageError, UnknownNameError
from trainfree.files.storage import read_dataset, write_dataset
from trainfree.images.prepare import prepare_images
from trainfree.provenance import PACKAGE_ROOT
from trainfree.weight_sharing import epochs
from trainfree.weight_sharing.checkpoint import write_state
from trainfree.weight_sharing.convolutional.cell import parse_pair
from trainfree.weight_sharing.convolutional.presets import preset_names, preset_settings, scale_of
from trainfree.weight_sharing.convolutional.run import search_cells
from trainfree.weight_sharing.convolutional.settings import EnasConvolutionalSettings, changed
from trainfree.workflow.runs import ConfiguredRun
from trainfree.workflow.studies import enas_convolutional_file

pytestmark = pytest.mark.usefixtures("one_thread")
TINY = {
    **{"nodes": 2, "weight_images": 48, "reward_images": 32, "test_images": 20, "shrink": 1},
    **{"shared.cells": 3, "shared.channels": 2, "shared.epochs": 3, "shared.batch_size": 16},
    **{"controller.steps": 2, "controller.samples": 2, "controller.hidden": 8},
    **{"retrained.cells": 3, "retrained.channels": 2, "retrained.epochs": 2},
    **{"retrained.batch_size": 16, "retrained.kept": 0.8, "retrained.kept_paths": 0.8},
    **{"retrained.cutout": 2, "shown": 2, "candidates": 3, "candidate_images": 32, "random": 2},
}
MEASURED = ["seconds", "alone_seconds"]


def tiny(**more: Any) -> EnasConvolutionalSettings:
    return changed(preset_settings("reduced", "generated", 3), {**TINY, **more})


@pytest.fixture(scope="module")
def images(tmp_path_factory: Any) -> Path:
    """Generated images, 8 pixels large."""
    folder = tmp_path_factory.mktemp("images")
    path: Path = folder / "images.h5"
    prepare_images("generated", path, order=["generated"], cache=folder, mirror=None, timeout=1.0)
    return path


@pytest.fixture(scope="module")
def searched(images: Path, tmp_path_factory: Any) -> Path:
    """The file of a tiny search."""
    path: Path = tmp_path_factory.mktemp("searched") / "search.h5"
    search_cells(tiny(), images, path, "cpu", 1)
    return path


def same(found: Path, wanted: Path) -> bool:
    """Whether two files hold the same bits but for measured seconds."""
    one, other = (read_dataset(path, "enas_convolutional") for path in (found, wanted))
    attributes = [dict(file.attrs) for file in (one, other)]
    for each in attributes:
        each.pop("derive_seconds")
    equal = one.drop_vars(MEASURED).equals(other.drop_vars(MEASURED))
    return equal and attributes[0] == attributes[1]


def test_the_file_says_what_was_done(searched: Path) -> None:
    found = read_dataset(searched, "enas_convolutional")
    assert dict(found.sizes) == {
        **{"epoch": 3, "sample": 2, "phase": 3, "candidate": 3, "network": 3, "alone_epoch": 2}
    }
    assert found["origin"].to_numpy().tolist() == ["derived", "random", "random"]
    for name in ("sampled", "candidate_cells", "cells"):
        for text in found[name].to_numpy().ravel():
            assert parse_pair(str(text)).nodes == 2
    candidates = found["candidate_accuracy"].to_numpy()
    best = str(found["candidate_cells"][int(candidates.argmax())].item())
    assert best == found.attrs["derived"] == str(found["cells"][0].item())
    for name, variable in found.data_vars.items():
        if variable.dtype.kind == "f":
            assert np.isfinite(variable).all(), name
        if variable.attrs["units"] == "percent":
            assert ((variable >= 0) & (variable <= 100)).all(), name
    assert found["weight_rate"].to_numpy()[0] == 0.05
    assert found.attrs["chance"] == 10
    assert found.attrs["images_for_tests"] == 20
    assert found.attrs["tests_held_out"] == 0
    assert str(found.attrs["scale"]).startswith("reduced: 48 images, 3 epochs")
    assert [path.name for path in searched.parent.iterdir()] == ["search.h5"]  # no checkpoints


KILLED = """
import os, signal, sys
from pathlib import Path
from trainfree.weight_sharing import epochs
from trainfree.weight_sharing.convolutional.run import search_cells
from trainfree.weight_sharing.convolutional.settings import EnasConvolutionalSettings
written, write = [], epochs.write_state
def once(*arguments):
    write(*arguments)
    written.append(1)
    if len(written) == int(sys.argv[1]):
        os.kill(os.getpid(), signal.SIGKILL)
epochs.write_state = once
settings = EnasConvolutionalSettings.from_json(sys.argv[2])
search_cells(settings, Path(sys.argv[3]), Path(sys.argv[4]), "cpu", 1)
"""


def test_a_killed_search_ends_with_the_same_bits(
    images: Path, searched: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    """Killed in the search, then stopped in the training of the second network."""
    output = tmp_path / "search.h5"
    words = [sys.executable, "-c", KILLED, "2", tiny().json, str(images), str(output)]
    paths = os.pathsep.join([str(PACKAGE_ROOT.parent), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(words, env={**os.environ, "PYTHONPATH": paths}, check=False)
    assert done.returncode == -signal.SIGKILL
    assert [path.name for path in tmp_path.iterdir()] == ["search.h5.search.checkpoint"]
    with pytest.raises(DataFileError, match="checkpoint of another setting"):
        search_cells(tiny(candidates=2), images, output, "cpu", 1)

    with monkeypatch.context() as patched:
        written: list[object] = []

        def stopping(state: Any, path: Path, identity: str) -> None:
            write_state(state, path, identity)
            written.append(path)
            if len(written) == 4:  # one epoch of the search, two and one of networks
                raise InterruptedError

        patched.setattr(epochs, "write_state", stopping)
        with pytest.raises(InterruptedError):
            search_cells(tiny(), images, output, "cpu", 1)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {f"search.h5.{name}.checkpoint" for name in ("search", "0", "1")}
    search_cells(tiny(), images, output, "cpu", 1)
    assert same(output, searched)
    assert [path.name for path in tmp_path.iterdir()] == ["search.h5"]


def test_images_without_a_test_split_hold_some_out(images: Path, tmp_path: Path) -> None:
    with xr.open_dataset(images, engine="h5netcdf") as whole:
        train = whole.load().isel(n=np.flatnonzero(whole["split"].to_numpy() == 0))
    path, output = tmp_path / "images.h5", tmp_path / "search.h5"
    write_dataset(train, path, "images")
    few = {"shared.epochs": 1, "retrained.epochs": 1, "random": 1}
    search_cells(tiny(**few), path, output, "cpu", 1)
    found = read_dataset(output, "enas_convolutional")
    assert (found.attrs["tests_held_out"], found.attrs["images_for_tests"]) == (1, 20)
    with pytest.raises(ImageError, match=r"has no test images, and .*test_images: expected a num"):
        search_cells(tiny(test_images=0), path, output, "cpu", 1)
    with pytest.raises(ImageError, match="expected at least 400 training images"):
        search_cells(tiny(test_images=320), path, output, "cpu", 1)


def test_too_few_images_are_named(images: Path, tmp_path: Path) -> None:
    for more, words in (
        ({"test_images": 81}, "expected at least 81 test images, found 80"),
        ({"weight_images": 400}, "expected at least 432 training images"),
    ):
        with pytest.raises(ImageError, match=words):
            search_cells(tiny(**more), images, tmp_path / "x.h5", "cpu", 1)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"shared.epoch": 2}, r"unknown setting 'shared.epoch'; did you mean 'shared.epochs'\?"),
        ({"epochs": 2}, "unknown setting 'epochs'"),
        ({"seed": 2}, "unknown setting 'seed'"),
        ({"nodes": 2.5}, "nodes: expected a value such as 5, found 2.5"),
        ({"nodes": True}, "nodes: expected a value such as 5, found True"),
        ({"nodes": 0}, "nodes: expected 1 to 10, found 0"),
        ({"shared.rate.highest": -1}, "shared.rate.highest: expected 0 to 1000, found -1"),
        ({"controller.optimizer": "sgd"}, "controller.optimizer: expected adam or momentum"),
        ({"controller.rate.lowest": 0.5}, "controller.rate.lowest: expected at most rate.highest"),
        ({"candidate_images": 3001}, "candidate_images: expected at most reward_images"),
        ({"retrained.batch_size": 5001}, "retrained.batch_size: expected at most weight_images"),
    ],
)
def test_settings_that_are_wrong_are_named(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=f"enas_convolutional.settings: {words}"):
        parse_config({"enas_convolutional": {"settings": settings}})


def test_presets_are_published_settings_until_one_is_changed() -> None:
    assert preset_names() == ["reduced", "paper", "document"]
    paper, document, reduced = (
        preset_settings(n, "cifar10", 0) for n in ("paper", "document", "reduced")
    )
    for each in (paper, document, reduced):
        each.check()
        assert EnasConvolutionalSettings.from_json(each.json) == each
    assert scale_of(paper) == "published settings (paper)"
    assert scale_of(changed(paper, {"shared.epochs": 149})).startswith(
        "reduced: 45,000 images, 149"
    )
    assert scale_of(reduced).startswith("reduced: 5,000 images of 1/2 the side")
    controller = document.controller
    assert (controller.optimizer, controller.entropy_weight) == ("momentum", 0.1)
    assert (controller.rate.highest, controller.rate.lowest) == (0.05, 0.0001)
    assert document.shared == paper.shared
    with pytest.raises(UnknownNameError, match="preset"):
        preset_settings("papers", "cifar10", 0)
    with pytest.raises(ConfigError, match=r"enas_convolutional.preset: .*did you mean 'paper'"):
        parse_config({"enas_convolutional": {"preset": "papers"}})


def test_the_configuration_decides_the_file_and_the_command_makes_it(
    images: Path, searched: Path, tmp_path: Path, capsys: Any
) -> None:
    values = {"datasets": ["generated"], "seed": 3, "enas_convolutional": {"settings": TINY}}
    config = parse_config({"run": "mine", **values})
    assert config.enas_convolutional_settings == tiny()
    file = enas_convolutional_file(ConfiguredRun(config))
    assert file == "results/mine/enas_convolutional/generated.h5"
    output = tmp_path / "search.h5"
    words = ["enas-convolutional", "--images", str(images), "--device", "cpu"]
    setting = config.enas_convolutional_settings.json
    assert main([*words, "--setting", setting, "--output", str(output)]) == 0
    assert same(output, searched)
    assert main([*words, "--setting", '{"nodes":', "--output", str(tmp_path / "x.h5")]) == 2
    assert "settings of ENAS for convolutional cells: expected JSON" in capsys.readouterr().err
    assert main([*words, "--setting", setting.replace("generated", "x"), "--output", "x.h5"]) == 2


def test_the_table_says_what_the_derived_pair_is_worth(searched: Path, tmp_path: Path) -> None:
    make_table("enas_convolutional", Inputs(enas_convolutional=searched), tmp_path)
    rows = read_rows("enas_convolutional", tmp_path / "enas_convolutional.csv")
    found = read_dataset(searched, "enas_convolutional")
    test = found["test_accuracy"].to_numpy()
    by_name = rows.set_index("network")["test_accuracy"]
    assert by_name["derived pair"] == test[0]
    assert by_name["random pairs, mean"] == pytest.approx(test[1:].mean())
    assert by_name["chance"] == 10
    text = (tmp_path / "enas_convolutional.md").read_text()
    says = "beats" if test[0] > test[1:].mean() else "does not beat"
    assert f"the derived pair {says} the mean of 2 random pairs" in text
    assert "reduced: 48 images, 3 epochs of shared weights" in text
    wrong = tmp_path / "wrong.h5"
    write_dataset(found.isel(network=[1, 2]), wrong, "enas_convolutional")
    with pytest.raises(DataFileError, match="expected the derived network first"):
        make_table("enas_convolutional", Inputs(enas_convolutional=wrong), tmp_path)


def test_figures_and_the_animation_are_the_same_bytes_again(searched: Path, tmp_path: Path) -> None:
    made = []
    for folder in (tmp_path / "one", tmp_path / "two"):
        folder.mkdir()
        for command, name in (("", "a"), ("-cells", "b")):
            words = [f"plot-enas-convolutional{command}", "--search", str(searched)]
            assert main([*words, "--stem", str(folder / name)]) == 0
        words = ["animate-enas-convolutional", "--search", str(searched)]
        assert main([*words, "--output", str(folder / "c.gif")]) == 0
        made.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert made[0] == made[1]
    assert {"a.svg", "a.png", "a.json", "b.svg", "b.png", "b.json", "c.gif"} == set(made[0])
    with Image.open(tmp_path / "one" / "c.gif") as picture:
        assert picture.n_frames == 3
    assert len(made[0]["c.gif"]) < 2_000_000
