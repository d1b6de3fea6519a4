"""The job: its file, what an interruption leaves, the command, the configuration, bad input."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
import yaml
from sharing_fixtures import command_environment, setting_of

from trainfree.cli import main
from trainfree.config import Config
from trainfree.errors import ConfigError, DataFileError, ImageError
from trainfree.files.storage import read_dataset
from trainfree.images.prepare import prepare_images
from trainfree.weight_sharing.presets import SETTINGS
from trainfree.weight_sharing.run import share_weights
from trainfree.weight_sharing.setting import PUBLISHED_IMAGES, SharingSetting
from trainfree.weight_sharing.training import SharedTraining
from trainfree.workflow.runs import ConfiguredRun
from trainfree.workflow.studies import sharing_files, sharing_settings

pytestmark = pytest.mark.usefixtures("one_thread")
MEASURED = ("seconds", "answer_seconds", "search_seconds", "shared_seconds")


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    """Generated images, 8 pixels large."""
    folder = tmp_path_factory.mktemp("images")
    path = folder / "images.h5"
    prepare_images("generated", path, order=["generated"], cache=folder, mirror=None, timeout=1.0)
    return path


def trained(setting: SharingSetting, images: Path, output: Path, run: int = 0) -> xr.Dataset:
    share_weights(setting, run, images, output, "cpu", 1)
    return read_dataset(output, "weight_sharing")


def same(found: xr.Dataset, wanted: xr.Dataset) -> bool:
    """Whether two files are the same bit for bit but for measured seconds."""
    dropped = list(MEASURED)
    equal = found.drop_vars(dropped).equals(wanted.drop_vars(dropped))
    return equal and found.attrs == wanted.attrs


@pytest.mark.parametrize("method", SETTINGS)
def test_the_file_says_what_was_done(method, images, tmp_path):
    found = trained(setting_of(method), images, tmp_path / "0.h5")
    assert dict(found.sizes) == {"epoch": 2, "edge": 6, "operation": 3, "phase": 4, "ranked": 5}
    assert np.allclose(found["probability"].sum("operation"), 1)
    for name in ("choice", "answer", "ranked_arch"):
        assert ((found[name] >= 0) & (found[name] < 729)).all()
    steps = {"rsps": 2, "enas": 1}.get(method, 0)  # losses that are not seen
    missing = [name for name in found.data_vars if bool(found[name].isnull().any())]
    assert missing == ["architecture_loss", "architecture_accuracy"][:steps]
    searched = found["seconds"].sel(phase=["weights", "architecture"]).sum()
    assert float(found["search_seconds"] - found["answer_seconds"]) == pytest.approx(
        float(searched)
    )
    attributes = found.attrs
    assert (attributes["method"], attributes["run"], attributes["published"]) == (method, 0, 0)
    assert attributes["chance"] == 10
    assert attributes["scale"].startswith("reduced: 32 + 32 images, 2 epochs, 4 channels, 1 cell a")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.h5"]  # no checkpoint is left


def test_runs_differ_and_share_what_they_are_to_share(images, tmp_path):
    first, again, other, method = (
        trained(setting_of(name), images, tmp_path / f"{place}.h5", run)
        for place, (name, run) in enumerate([("setn", 0), ("setn", 0), ("setn", 1), ("gdas", 0)])
    )
    assert same(first, again)
    assert not np.array_equal(first["training_loss"], other["training_loss"])
    for one in (other, method):
        assert np.array_equal(first["ranked_arch"], one["ranked_arch"])


@pytest.mark.parametrize("method", ["darts_v2", "enas", "gdas"])
def test_a_training_that_was_interrupted_ends_with_the_same_bits(
    method, images, tmp_path, monkeypatch
):
    setting = setting_of(method, settings={"epochs": 3, "running_statistics": True})
    whole = trained(setting, images, tmp_path / "whole.h5")
    output = tmp_path / "cut.h5"
    epoch = SharedTraining.epoch

    def cut(self: SharedTraining, number: int) -> Any:
        if number == 2:
            raise KeyboardInterrupt
        return epoch(self, number)

    monkeypatch.setattr(SharedTraining, "epoch", cut)
    with pytest.raises(KeyboardInterrupt):
        share_weights(setting, 0, images, output, "cpu", 1)
    assert not output.exists()
    with pytest.raises(DataFileError, match=r"cut\.h5\.checkpoint: is a checkpoint of another"):
        share_weights(setting, 1, images, output, "cpu", 1)
    with pytest.raises(DataFileError, match="delete it to train anew"):
        share_weights(replace(setting, channels=5), 0, images, output, "cpu", 1)
    done: list[int] = []

    def counted(self: SharedTraining, number: int) -> Any:
        done.append(number)
        return epoch(self, number)

    monkeypatch.setattr(SharedTraining, "epoch", counted)
    assert same(trained(setting, images, output), whole)
    assert done == [2]


def test_a_killed_job_goes_on_with_the_same_bits(images, tmp_path, repository):
    setting = setting_of("darts_v1", settings={"epochs": 8}, images=64)
    output = tmp_path / "killed.h5"
    words = [
        *(sys.executable, "-m", "trainfree", "share-weights", "--setting", setting.json),
        *("--run", "0", "--images", str(images), "--device", "cpu", "--output", str(output)),
    ]
    job = subprocess.Popen(words, env=command_environment(repository), stderr=subprocess.DEVNULL)
    checkpoint = tmp_path / "killed.h5.checkpoint"
    deadline = time.monotonic() + 300
    while not checkpoint.exists() and job.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    job.send_signal(signal.SIGKILL)
    assert job.wait() == -signal.SIGKILL
    assert checkpoint.exists()
    assert not output.exists()
    assert main(words[3:]) == 0
    assert same(
        read_dataset(output, "weight_sharing"), trained(setting, images, tmp_path / "whole.h5")
    )
    assert not checkpoint.exists()


def test_a_device_that_is_not_there_is_named(images, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match=r"device: .*found 'cuda' while torch .* use 'auto'"):
        share_weights(setting_of("rsps"), 0, images, tmp_path / "0.h5", "cuda", 1)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    words = ["--setting", setting_of("rsps").json, "--run", "0", "--images", str(images)]
    words += ["--device", "cuda", "--output", str(tmp_path / "0.h5")]
    assert main(["share-weights", *words]) == 2
    assert "no GPU is visible" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_bad_settings_are_named_before_anything_is_done(images, tmp_path, capsys):
    output = tmp_path / "0.h5"

    def told(was: str, changed: str) -> str:
        text = setting_of("gdas").json.replace(was, changed)
        words = ["--setting", text, "--run", "0", "--images", str(images), "--device", "cpu"]
        assert main(["share-weights", *words, "--output", str(output)]) == 2
        return capsys.readouterr().err

    assert "did you mean 'gdas'" in told('"gdas"', '"gdass"')
    found = told('"nasbench201_mini"', '"nasbench101"')
    assert "of the cells of nasbench201, found nasbench101" in found
    found = told('"images":64', '"images":1000')
    assert "expected at least 500 images for the weights, found 160" in found
    assert "divides the images' 8 pixels, found 16" in told('"image_size":0', '"image_size":16')
    with pytest.raises(ImageError, match="images for the architecture, found 40"):
        share_weights(
            setting_of("gdas", dataset="cifar100", images=200), 0, images, output, "cpu", 1
        )
    assert not list(tmp_path.iterdir())


def test_only_the_published_setting_is_called_so():
    for dataset, counts in PUBLISHED_IMAGES.items():
        for preset in ("nasbench201", "nasbench201_running"):
            full = SharingSetting("nasbench201", dataset, "enas", preset, 0, 0, 16, 5, 9, 0)
            assert full.differences(counts, 32) == []
    for changed, words in (
        ({"channels": 8}, "8 channels"),
        ({"cells": 1}, "1 cell a stage"),
        ({"image_size": 16}, "16 x 16 pixels"),
        ({"settings": {"epochs": 10}}, "10 epochs"),
        ({"settings": {"clip": 1.0}}, "clip 1"),
    ):
        full = SharingSetting("nasbench201", "cifar10", "enas", "nasbench201", 0, 0, 16, 5, 0, 0)
        assert replace(full, **changed).differences((25_000, 25_000), 32) == [words]
    assert full.differences((2500, 2500), 32) == ["2,500 + 2,500 images"]
    assert full.differences((25_000, 25_000), 32) == []


def test_the_configuration_reaches_the_jobs(repository):
    values = yaml.safe_load((repository / "config/weight_sharing.yaml").read_text())
    config = Config(**values)
    assert config.weight_sharing == Config().weight_sharing  # the file spells the defaults out
    files = sharing_files(ConfiguredRun(config))
    assert len(files) == 18
    assert files[4] == "results/weight_sharing/weight_sharing/nasbench201/cifar10/darts_v1/1.h5"
    asked = sharing_settings(ConfiguredRun(config), "enas", "2")
    assert (asked["run"], asked["settings"]["epochs"], asked["settings"]["samples"]) == (2, 40, 10)
    paper = yaml.safe_load((repository / "config/weight_sharing-paper.yaml").read_text())
    for method in SETTINGS:
        setting = Config(**paper).sharing_setting(method)
        assert setting.differences((25_000, 25_000), 32) == []
        assert setting.settings == {}
        assert SharingSetting.from_json(setting.json).values == setting.values


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({"methods": ["darts"]}, r"weight_sharing\.methods: unknown .*'darts'; did you mean"),
        ({"settings": {"gda": {}}}, r"weight_sharing\.settings: .*did you mean 'gdas'"),
        ({"settings": {"gdas": {"taus": 1}}}, r"weight_sharing\.settings\.gdas: .*mean 'tau'"),
        ({"settings": {"gdas": {"tau": "1"}}}, r"settings\.gdas: .*tau: .*number, found '1'"),
        ({"preset": "paper"}, r"weight_sharing\.preset: unknown preset 'paper'"),
    ],
)
def test_what_is_wrong_in_the_configuration_is_named(section, words):
    with pytest.raises(ConfigError, match=words):
        Config(weight_sharing=section)


def test_a_space_without_a_super_network_is_named():
    config = Config(space="nats_sss")  # fine as long as nobody asks for the target
    with pytest.raises(ConfigError, match="of the cells of nasbench201, found nats_sss"):
        sharing_files(ConfiguredRun(config))
