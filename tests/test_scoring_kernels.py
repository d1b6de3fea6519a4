"""Stored kernels: those behind the scores, drawn along the accuracy, and their figure."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from analysis_fixtures import write_benchmark
from PIL import Image
from reference import TinyNetwork, relu_kernel, weighted_in_order

from trainfree.analysis.studies.choice import choose_architectures, one_of_each_band
from trainfree.errors import DataFileError
from trainfree.files.storage import read_dataset, write_dataset
from trainfree.images.batches import load_mini_batch
from trainfree.images.prepare import prepare_images
from trainfree.randomness import stream
from trainfree.report.figures.kernels import colour_limits, plot_kernels, shares_of_units
from trainfree.report.page.svg import read_svg, svg_texts
from trainfree.scoring.jobs.kernels import store_kernels
from trainfree.scoring.jobs.shard import score_shard
from trainfree.scoring.settings.setting import Setting
from trainfree.scoring.weights import draw_weights
from trainfree.spaces import build_network, load_space

SPACE = load_space("nasbench201_mini")
SETTING = Setting(SPACE.name, "generated", ("naswot",), 6, "pytorch", "images", 0)
COUNT = 4


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("images") / "generated.h5"
    prepare_images(
        "generated", path, order=["generated"], cache=path.parent, mirror=None, timeout=1.0
    )
    return path


@pytest.fixture(scope="module")
def choice(tmp_path_factory) -> Path:
    """One architecture of each quarter of the space; accuracies fall with the index."""
    folder = tmp_path_factory.mktemp("choice")
    accuracy = np.linspace(93.0, 13.0, len(SPACE))
    benchmark = write_benchmark(
        folder / "b.h5", {("cifar10", "test", 200, "mean"): accuracy}, space=SPACE.name, stand_in=1
    )
    chosen = folder / "c.h5"
    choose_architectures("kernels", benchmark, "generated", 0, chosen, count=COUNT)
    return chosen


@pytest.fixture(scope="module")
def kernels(images, choice, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("kernels") / "k.h5"
    store_kernels(SETTING, choice, images, path, "cpu", threads=1)
    return path


def test_one_of_each_equal_part_of_the_space(choice):
    chosen = read_dataset(choice, "choice")
    quarter = len(SPACE) / COUNT
    parts = [int((len(SPACE) - 1 - arch) // quarter) for arch in chosen["arch"].to_numpy()]
    assert parts == list(range(COUNT))
    assert (np.diff(chosen["accuracy"]) > 0).all()


def test_bands_cover_every_place_and_nothing_else():
    accuracy = np.array([50.0, np.nan, 10.0, 30.0, 20.0, 40.0, 60.0])
    draws = {
        tuple(
            one_of_each_band(
                accuracy, lambda band, seed=seed: stream(seed, "test", band), [(0, 50), (50, 100)]
            ).tolist()
        )
        for seed in range(60)
    }
    assert draws == {(low, high) for low in (2, 3, 4) for high in (0, 5, 6)}
    with pytest.raises(DataFileError, match="none is in the band 11-12 %"):
        one_of_each_band(accuracy, lambda band: stream(0, "test", band), [(0, 10), (11, 12)])


def test_each_kernel_is_the_one_behind_the_stored_score(kernels, images, tmp_path):
    stored = read_dataset(kernels, "kernels")
    assert stored["kernel"].shape == (COUNT, 6, 6)
    for place, arch in enumerate(stored["arch"].to_numpy().tolist()):
        score_shard(SETTING, arch, arch, images, tmp_path / f"{arch}.h5", "cpu", threads=1)
        scored = read_dataset(tmp_path / f"{arch}.h5", "scores")
        assert stored["score"].values[place] == scored["score"].item()
        assert stored["status"].values[place] == scored["status"].item()
        diagonal = stored["kernel"].values[place].diagonal()
        assert (diagonal == scored["relu_units"].item()).all()


def test_a_kernel_is_that_of_hooks_on_plain_modules(kernels, images):
    """In float32, as both run it; codes of values near zero may differ by rounding."""
    stored = read_dataset(kernels, "kernels")
    batch = torch.from_numpy(load_mini_batch(images, 6, 0))
    for place, arch in enumerate(stored["arch"].to_numpy().tolist()):
        network = build_network(SPACE, arch, batch.shape[-1], 10)
        drawn = draw_weights(network, "pytorch", stream(0, "weights", arch))
        names = tuple(SPACE.operations[digit] for digit in SPACE.digits(arch))
        plain = TinyNetwork(names, SPACE.stem_channels, SPACE.cells_per_stage, 10)
        for module, (number, _) in zip(weighted_in_order(plain), network.weighted(), strict=True):
            module.weight.data = torch.from_numpy(drawn.weight[number].copy())
        expected = relu_kernel(plain, batch, official=False)
        assert np.abs(stored["kernel"].values[place] - expected).max() <= 1e-3 * expected.max()


def test_the_file_says_where_everything_came_from(kernels):
    attributes = read_dataset(kernels, "kernels").attrs
    assert attributes["chosen"].startswith("one of each of 4 equal parts of the space")
    assert attributes["target"] == "cifar10/test/200"
    assert (attributes["stand_in"], attributes["accuracy_stand_in"]) == (1, 1)
    assert {"images", "choice"} == set(json.loads(attributes["source_hashes"]))


def test_another_space_or_data_set_is_refused(choice, images, tmp_path):
    for other in ({"space": "nasbench201"}, {"dataset": "cifar10"}):
        setting = Setting(**{**vars(SETTING), **other})
        with pytest.raises(DataFileError, match=r"expected (space|dataset) = "):
            store_kernels(setting, choice, images, tmp_path / "k.h5", "cpu", threads=1)
    assert not (tmp_path / "k.h5").exists()


def test_shares_and_limits():
    kernel = np.array([[8.0, 2.0, 6.0], [2.0, 8.0, 4.0], [6.0, 4.0, 8.0]])
    shares = shares_of_units(np.stack([kernel, 10 * kernel, 0 * kernel]))
    assert shares[0].tolist() == [[1.0, 0.25, 0.75], [0.25, 1.0, 0.5], [0.75, 0.5, 1.0]]
    assert (shares[1] == shares[0]).all()
    assert not shares[2].any()
    low, high = colour_limits(shares[:1])
    assert 0.25 <= low < 0.3
    assert 0.7 < high <= 0.75
    equal = np.ones((2, 3, 3))
    assert colour_limits(equal)[0] < colour_limits(equal)[1]


def test_figure_is_deterministic_ordered_and_says_what_it_shows(kernels, tmp_path):
    for name in ("a", "b"):
        plot_kernels(kernels, tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    title, caption = svg_texts(read_svg(tmp_path / "a.svg"))
    assert title.startswith("Kernels by accuracy: nasbench201_mini")
    for words in ("4 architectures", "6 images", "seed 0", "Images: ", "Accuracies: stand-in"):
        assert words in caption
    with Image.open(tmp_path / "a.png") as image:
        assert image.info["Description"] == caption


def test_order_of_the_file_does_not_matter(kernels, tmp_path):
    stored = read_dataset(kernels, "kernels")
    write_dataset(stored.isel(arch=[2, 0, 3, 1]), tmp_path / "shuffled.h5", "kernels")
    plot_kernels(kernels, tmp_path / "a")
    plot_kernels(tmp_path / "shuffled.h5", tmp_path / "b")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_without_accuracies_there_is_nothing_to_order_by(kernels, tmp_path):
    stored = read_dataset(kernels, "kernels")
    unknown = stored.assign(accuracy=xr.full_like(stored["accuracy"], np.nan))
    write_dataset(unknown, tmp_path / "unknown.h5", "kernels")
    with pytest.raises(DataFileError, match="no architecture has an accuracy"):
        plot_kernels(tmp_path / "unknown.h5", tmp_path / "a")
    assert not (tmp_path / "a.svg").exists()
