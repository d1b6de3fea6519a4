"""Kernels: those that the scores come from, stored with their provenance, drawn in order."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from analysis_fixtures import write_benchmark

from trainfree.analysis.choice import choose_architectures
from trainfree.cli import main
from trainfree.errors import DataFileError
from trainfree.images.prepare import prepare_images
from trainfree.report.kernel_figure import normalised, plot_kernels
from trainfree.report.svg import read_svg, svg_texts
from trainfree.scoring.kernels import compute_kernels
from trainfree.scoring.setting import Setting
from trainfree.scoring.shard import score_shard
from trainfree.spaces import load_space
from trainfree.storage import read_dataset, write_dataset

SETTING = Setting("nasbench201_mini", "generated", ("naswot",), 8, "pytorch", "images", 0)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A folder with images, chosen architectures and their kernels."""
    folder = tmp_path_factory.mktemp("kernels")
    prepare_images(
        "generated",
        folder / "images.h5",
        order=["generated"],
        cache=folder,
        mirror=None,
        timeout=1,
    )
    space = load_space(SETTING.space)
    rng = np.random.default_rng(0)
    accuracy = rng.uniform(20, 90, len(space))
    path = write_benchmark(
        folder / "b.h5", {("cifar10", "test", 200, "mean"): accuracy}, space=SETTING.space
    )
    choose_architectures("kernels", path, "generated", 0, folder / "choice.h5")
    images, output = folder / "images.h5", folder / "kernels.h5"
    compute_kernels(SETTING, folder / "choice.h5", images, output, "cpu", 1)
    return folder


def test_one_architecture_of_each_tenth(made: Path) -> None:
    chosen = read_dataset(made / "choice.h5", "choice")
    assert chosen["percentile"].to_numpy() // 10 == pytest.approx(np.arange(10))
    assert chosen.attrs["rule"].startswith("one of each 10 % band")


def test_scores_of_the_kernels_are_the_scores(made: Path, tmp_path: Path) -> None:
    kernels = read_dataset(made / "kernels.h5", "kernels")
    for place in (0, 9):
        arch = int(kernels["arch"][place])
        shard = tmp_path / f"{arch}.h5"
        score_shard(SETTING, arch, arch, made / "images.h5", shard, "cpu", 1)
        own = float(read_dataset(shard, "scores")["score"][0, 0])
        assert float(kernels["score"][place]) == own
    matrix = kernels["kernel"].to_numpy()
    assert matrix.shape == (10, 8, 8)
    assert (matrix == matrix.transpose(0, 2, 1)).all()
    assert (matrix == np.round(matrix)).all()
    assert json.loads(str(kernels.attrs["source_hashes"])).keys() == {"images", "choice"}


def test_kernels_are_drawn_as_shares_of_the_diagonal(made: Path, tmp_path: Path) -> None:
    kernels = read_dataset(made / "kernels.h5", "kernels")
    shares = normalised(kernels["kernel"].to_numpy())
    assert np.einsum("abb->ab", shares) == pytest.approx(1.0)
    assert shares.min() >= 0
    for name in ("a", "b"):
        stem = tmp_path / name
        assert (
            main(["plot-kernels", "--kernels", str(made / "kernels.h5"), "--stem", str(stem)]) == 0
        )
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    _, caption = svg_texts(read_svg(tmp_path / "a.svg"))
    assert "mini-batch of 8 images" in caption
    assert "stand-in" in caption


def test_nothing_to_draw(made: Path, tmp_path: Path) -> None:
    kernels = read_dataset(made / "kernels.h5", "kernels").isel(arch=slice(0))
    write_dataset(kernels, tmp_path / "k.h5", "kernels")
    with pytest.raises(DataFileError, match="at least 1 architecture"):
        plot_kernels(tmp_path / "k.h5", tmp_path / "f")
