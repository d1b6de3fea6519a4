"""The two studies of the score: the ablation, and the score while networks learn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import reference
import torch
from analysis_fixtures import tabulate
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.stats import kendalltau

from trainfree.analysis.studies.ablation import ALL, spreads
from trainfree.analysis.studies.choice import choose_architectures, one_of_each_band, some_above
from trainfree.benchmarks.prepare import prepare_benchmark
from trainfree.cli import main
from trainfree.errors import ConfigError, DataFileError, ImageError
from trainfree.files.storage import read_dataset, write_dataset
from trainfree.images.prepare import prepare_images
from trainfree.randomness import stream
from trainfree.report.figures.ablation import plot_ablation
from trainfree.report.figures.training import plot_training, ranks
from trainfree.report.page.svg import read_svg, svg_texts
from trainfree.scoring.clock import PhaseClock
from trainfree.scoring.jobs import training
from trainfree.scoring.jobs.ablation import score_ablation
from trainfree.scoring.jobs.shard import score_shard
from trainfree.scoring.quantities.relu_kernel import relu_kernels
from trainfree.scoring.settings.setting import Setting
from trainfree.scoring.settings.studies import (
    AblationSetting,
    TrainingSetting,
    ablation_arms,
    distinct_draws,
    draw_seeds,
)
from trainfree.scoring.trainable import TrainableNetwork
from trainfree.scoring.weights import draw_weights
from trainfree.spaces import build_network, load_space
from trainfree.spaces.nasbench201.space import CellSpace

SPACE = load_space("nasbench201_mini")
BASE = Setting(SPACE.name, "generated", ("naswot", "synflow"), 8, "pytorch", "images", 0)
ABLATION = AblationSetting(BASE, draws=3, batch_sizes=(4, 8))
TRAINING = TrainingSetting(
    replace(BASE, proxies=("naswot",)), epochs=2, images=24, batch_size=8, learning_rate=0.1
)
SMALL = CellSpace("small", stem_channels=4, cells_per_stage=1)
WIDE = CellSpace("wide", stem_channels=16, cells_per_stage=1)
CELLS = [
    "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|",
    "|nor_conv_3x3~0|+|nor_conv_1x1~0|none~1|+|skip_connect~0|none~1|none~2|",
    "|none~0|+|none~0|nor_conv_3x3~1|+|nor_conv_1x1~0|avg_pool_3x3~1|skip_connect~2|",
]
POOLED = (
    "|nor_conv_3x3~0|+|avg_pool_3x3~0|nor_conv_3x3~1|"
    "+|avg_pool_3x3~0|avg_pool_3x3~1|nor_conv_3x3~2|"
)
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """Everything that the two targets make, through the functions of the commands."""
    folder = tmp_path_factory.mktemp("studies")
    images, benchmark = folder / "images.h5", folder / "benchmark.h5"
    common = {"order": ["generated"], "cache": folder, "mirror": None, "timeout": 1.0}
    prepare_images("generated", images, **common)
    prepare_benchmark(SPACE.name, benchmark, nats_archive=None, **common)
    choose_architectures("ablation", benchmark, "generated", 0, folder / "bands.h5")
    choose_architectures(
        "training", benchmark, "generated", 0, folder / "best.h5", count=2, above=70.0
    )
    score_ablation(ABLATION, folder / "bands.h5", images, folder / "ablation.h5", "cpu", 1)
    for place in range(2):
        training.train_architecture(
            TRAINING, place, folder / "best.h5", images, folder / f"{place}.h5", "cpu", 1
        )
    return folder


@pytest.fixture(scope="module")
def suite(made) -> Callable[[int, int], np.ndarray]:
    """The suite's own scores of an architecture under a root seed, by proxy."""

    def score(arch: int, seed: int) -> np.ndarray:
        path = made / "suite.h5"
        score_shard(replace(BASE, seed=seed), arch, arch, made / "images.h5", path, "cpu", 1)
        return read_dataset(path, "scores")["score"].to_numpy()[0]

    return score


def trained(made: Path) -> list[Path]:
    return [made / "0.h5", made / "1.h5"]


# The plan


def test_each_arm_varies_one_thing_and_begins_with_the_suites_own_draw():
    arms = {arm.name: arm for arm in ablation_arms(ABLATION)}
    seeds = draw_seeds(ABLATION)
    assert (seeds[0], len(set(seeds))) == (0, 3)
    own = arms["mini-batch"].draws[0]
    assert (own.setting, own.weights_seed) == (BASE, 0)
    assert arms["initialisation"].draws[0] == own
    assert [d.weights_seed for d in arms["initialisation"].draws] == seeds
    assert {d.setting for d in arms["initialisation"].draws} == {BASE}
    for name, change in {
        "mini-batch": {},
        "gaussian input": {
            "input": "gaussian",
            "inputs": (("naswot", "gaussian"), ("synflow", "gaussian")),
        },
        "batch size 4": {"batch_size": 4},
        "batch size 8": {},
    }.items():
        assert [d.setting for d in arms[name].draws] == [
            replace(BASE, seed=seed, **change) for seed in seeds
        ]
        assert {d.weights_seed for d in arms[name].draws} == {0}


def test_equal_draws_are_scored_once_and_all_places_are_filled():
    arms = ablation_arms(ABLATION)
    places = distinct_draws(arms)
    assert len(places) == 3 + 3 + 2 + 3  # batch size 8 is the suite's, as is the first of weights
    filled = [place for draw in places for place in places[draw]]
    assert sorted(filled) == [(arm, draw) for arm in range(len(arms)) for draw in range(3)]
    assert all(arms[arm].draws[draw] == key for key in places for arm, draw in places[key])


# The choice of architectures


@given(
    arrays.arrays(np.float64, st.integers(40, 200), elements=st.floats(0, 100)),
    st.integers(0, 2**32),
)
@settings(max_examples=25)
def test_one_architecture_of_each_band(accuracy, seed):
    accuracy[::7] = np.nan
    chosen = one_of_each_band(accuracy, lambda band: np.random.default_rng((seed, band)))
    known = accuracy[~np.isnan(accuracy)]
    for band, value in enumerate(accuracy[chosen]):
        low = (50 + 5 * band) / 100 * len(known)
        assert (known < value).sum() < low + 0.05 * len(known)  # not above its band
        assert (known <= value).sum() > low  # not below it
    assert len(set(chosen.tolist())) == 10


def test_too_few_architectures_are_named():
    rng = np.random.default_rng(0)
    with pytest.raises(DataFileError, match=r"9 accuracies: none is in the band"):
        one_of_each_band(np.arange(9.0), lambda band: rng)
    with pytest.raises(DataFileError, match=r"b\.h5: expected 3 .* above 90 %, found 2.*above_per"):
        some_above(np.array([91.0, 90.0, np.nan, 95.0]), 90.0, 3, rng, Path("b.h5"))
    assert some_above(np.array([91.0, 90.0, np.nan, 95.0]), 90.0, 2, rng, Path("b")).tolist() == [
        0,
        3,
    ]


def test_the_training_study_is_chosen_by_validation_accuracy(made):
    chosen = read_dataset(made / "best.h5", "choice")
    assert chosen.attrs["target"] == "cifar10-valid/valid/200"
    assert (chosen["accuracy"] > 70).all()
    assert read_dataset(made / "bands.h5", "choice").attrs["target"] == "cifar10/test/200"
    bands = read_dataset(made / "bands.h5", "choice")["percentile"].to_numpy()
    assert ((bands >= 50 + 5 * np.arange(10)) & (bands < 55 + 5 * np.arange(10))).all()


# The ablation


def test_first_draws_are_the_suites_own_scores_bit_for_bit(made, suite):
    ablation = read_dataset(made / "ablation.h5", "ablation")
    arch = int(ablation["arch"][4])
    for arm in ("mini-batch", "initialisation", "batch size 8"):
        found = ablation["score"].sel(arm=arm).isel(draw=0, arch=4)
        assert found.to_numpy().tobytes() == suite(arch, 0).tobytes(), arm


def test_a_draw_of_weights_has_the_weights_of_its_root_seed(made, suite):
    """Synflow does not look at images: under another root seed the suite scores the same."""
    ablation = read_dataset(made / "ablation.h5", "ablation")
    second = ablation["score"].sel(arm="initialisation", proxy="synflow").isel(draw=1, arch=4)
    assert float(second) == suite(int(ablation["arch"][4]), int(ablation["draw"][1]))[1]
    fixed = ablation["score"].sel(arm="mini-batch", proxy="synflow").to_numpy()
    assert (fixed == fixed[0]).all()
    for arm in ("mini-batch", "gaussian input", "initialisation"):
        drawn = ablation["score"].sel(arm=arm, proxy="naswot").to_numpy()
        assert (drawn.std(axis=0) > 0).all(), arm


def test_table_of_the_ablation_against_plain_formulas(made, tmp_path):
    table = tabulate("ablation", tmp_path, ablation=made / "ablation.h5")
    ablation = read_dataset(made / "ablation.h5", "ablation")
    score = ablation["score"].sel(arm="gaussian input", proxy="naswot").to_numpy()
    rows = table[(table["arm"] == "gaussian input") & (table["proxy"] == "naswot")]
    row = rows[rows["architecture"] == ALL].iloc[0]
    within = np.sqrt(np.mean([score[:, i].var(ddof=1) for i in range(10)]))
    assert row["std"] == pytest.approx(within)
    assert row["ratio"] == pytest.approx(within / score.mean(axis=0).std(ddof=1))
    accuracy = ablation["accuracy"].to_numpy()
    taus = [kendalltau(draw, accuracy).statistic for draw in score]
    assert row[["tau", "tau_low", "tau_high"]].tolist() == pytest.approx(
        [np.mean(taus), min(taus), max(taus)]
    )
    pairs = [kendalltau(score[i], score[j]).statistic for i, j in ((0, 1), (0, 2), (1, 2))]
    assert row["tau_draws"] == pytest.approx(np.mean(pairs))
    assert len(rows) == 1 + 10
    assert rows["std"].iloc[3] == pytest.approx(score[:, 2].std(ddof=1))
    assert "stand-in" in (tmp_path / "ablation.md").read_text()


def test_scores_that_are_not_finite_are_counted_and_left_out(made, tmp_path):
    ablation = read_dataset(made / "ablation.h5", "ablation")
    ablation["score"][0, 1, 2, 0] = -np.inf
    ablation["score"][0, :, 3, 0] = np.nan
    write_dataset(ablation, tmp_path / "a.h5", "ablation")
    table = tabulate("ablation", tmp_path, ablation=tmp_path / "a.h5")
    row = table[(table["arm"] == "mini-batch") & (table["architecture"] == ALL)].iloc[0]
    assert row["not_finite"] == 4
    assert np.isfinite(row[["std", "ratio", "tau", "tau_draws"]].to_numpy(dtype=float)).all()
    plot_ablation(tmp_path / "a.h5", tmp_path / "figure")
    ablation["score"][:] = -np.inf
    write_dataset(ablation, tmp_path / "a.h5", "ablation")
    tabulate("ablation", tmp_path, ablation=tmp_path / "a.h5")
    with pytest.raises(DataFileError, match="no score is finite"):
        plot_ablation(tmp_path / "a.h5", tmp_path / "figure")


def test_spreads_of_nothing_are_not_numbers():
    assert np.isnan(spreads(np.array([[1.0, 2.0]]))[0])
    assert np.isnan(spreads(np.array([[1.0], [2.0]]))[1])


# The network that learns


def twins(cell: str, space: CellSpace) -> tuple[TrainableNetwork, reference.TinyNetwork]:
    """The module and the reference, float64, with the same weights, scales and shifts."""
    arch = space.parse(cell)
    network = build_network(space, arch, 8, 10)
    drawn = draw_weights(network, "pytorch", stream(5, "weights", arch))
    module = TrainableNetwork(network, drawn).double()
    channels = space.stem_channels
    other = reference.TinyNetwork(space.operation_names(arch), channels, 1, 10).double()
    rng = torch.Generator().manual_seed(0)
    with torch.no_grad():
        layers = reference.weighted_in_order(other)
        for layer, number in zip(layers, drawn.weight, strict=True):
            layer.weight.copy_(torch.from_numpy(drawn.weight[number]))
            if number in drawn.bias:
                layer.bias.copy_(torch.from_numpy(drawn.bias[number]))
        norms = [m for m in other.modules() if isinstance(m, torch.nn.BatchNorm2d)]
        for norm, name in zip(norms, sorted(module._scale, key=int), strict=True):
            pairs = (norm.weight, module._scale[name]), (norm.bias, module._shift[name])
            for parameter, twin in pairs:
                parameter.copy_(torch.randn(parameter.shape, generator=rng, dtype=torch.float64))
                twin.copy_(parameter)
    return module, other


@pytest.mark.parametrize("cell", [*CELLS, POOLED])
@pytest.mark.parametrize(("space", "images"), [(SMALL, 6), (WIDE, 20)], ids=["small", "wide"])
def test_the_network_learns_and_is_scored_as_plain_modules_are(cell, space, images):
    """Loss, gradients of all parameters and the kernel, with scales and shifts that count.

    With 16 channels and 1024 pixels scores go through the engine's own convolutions.
    """
    module, other = twins(cell, space)
    batch = torch.from_numpy(np.random.default_rng(1).standard_normal((images, 3, 8, 8)))
    labels = torch.arange(images) % 10
    losses = [torch.nn.functional.cross_entropy(m(batch), labels) for m in (module, other.train())]
    for loss in losses:
        loss.backward()
    assert losses[0].item() == pytest.approx(losses[1].item(), rel=1e-12)
    ours = sorted(float(p.grad.norm()) for p in module.parameters() if p.grad is not None)
    theirs = sorted(float(p.grad.norm()) for p in other.parameters() if p.grad is not None)
    np.testing.assert_allclose(
        [g for g in ours if g > 1e-12], [g for g in theirs if g > 1e-12], rtol=1e-9
    )
    np.testing.assert_array_equal(
        module.relu_kernel(batch), reference.relu_kernel(other, batch, official=False)
    )


@pytest.mark.parametrize("name", ["nasbench201_mini", "nasbench101"])
def test_untrained_its_kernel_is_the_engines_entry_for_entry(name):
    space, size = load_space(name), {"nasbench201_mini": 8, "nasbench101": 32}[name]
    arch = space.warm_up_architecture
    network = build_network(space, arch, size, 10)
    drawn = draw_weights(network, "kaiming", stream(5, "weights", arch))
    batch = torch.from_numpy(np.random.default_rng(1).standard_normal((4, 3, size, size)))
    module = TrainableNetwork(network, drawn).double()
    weights = {number: torch.from_numpy(w).double() for number, w in drawn.weight.items()}
    engine = relu_kernels(network, weights, batch, PhaseClock())
    np.testing.assert_array_equal(module.relu_kernel(batch), engine.per_module)


# The training study


def test_epoch_zero_is_the_suites_own_score_bit_for_bit(made, suite):
    for path in trained(made):
        study = read_dataset(path, "training")
        own = suite(int(study["arch"][0]), 0)[0]
        assert study["score"].to_numpy()[0, 0].tobytes() == own.tobytes()
        assert study["score"].to_numpy()[0, 1] != own
    assert study.attrs["training_images"] == 24


def test_training_learns_and_repeats_bit_for_bit(made):
    setting = replace(TRAINING, epochs=6)
    pixels, labels = training.training_images(setting, made / "images.h5")
    batch = torch.from_numpy(pixels).contiguous(memory_format=torch.channels_last)
    runs = [
        training.train_and_score(setting, 400, batch, torch.from_numpy(labels)) for _ in range(2)
    ]
    assert runs[0][6].loss < runs[0][1].loss
    assert [run.score for run in runs[0]] == [run.score for run in runs[1]]
    fewer = training.train_and_score(TRAINING, 400, batch, torch.from_numpy(labels))
    assert [run.score for run in fewer] == [run.score for run in runs[0][:3]]


def test_all_images_are_trained_on_where_none_are_counted(made):
    images, labels = training.training_images(replace(TRAINING, images=0), made / "images.h5")
    some, _ = training.training_images(TRAINING, made / "images.h5")
    assert (len(images), len(labels)) == (320, 320)
    np.testing.assert_array_equal(images[:24], some)
    with pytest.raises(ImageError, match=r"training\.images: expected at least the 8 .* found 7"):
        training.training_images(replace(TRAINING, images=7), made / "images.h5")


def test_a_network_that_diverges_is_a_row_with_a_status(made):
    setting = replace(TRAINING, learning_rate=1e30)
    pixels, labels = training.training_images(setting, made / "images.h5")
    epochs = training.train_and_score(
        setting, 400, torch.from_numpy(pixels), torch.from_numpy(labels)
    )
    assert len(epochs) == 3
    assert epochs[0].status.name == "OK"
    assert epochs[2].status.name == "SINGULAR"


def test_interrupted_training_leaves_no_file(made, tmp_path, monkeypatch):
    def stop(*arguments: object) -> tuple[float, float]:
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "_epoch", stop)
    files = (made / "best.h5", made / "images.h5", tmp_path / "0.h5")
    with pytest.raises(KeyboardInterrupt):
        training.train_architecture(TRAINING, 0, *files, "cpu", 1)
    with pytest.raises(ConfigError, match="has 2 architectures, found no 2"):
        training.train_architecture(TRAINING, 2, *files, "cpu", 1)
    assert not list(tmp_path.iterdir())


def test_table_of_training(made, tmp_path):
    table = tabulate("training", tmp_path, training=trained(made))
    score = np.array([read_dataset(p, "training")["score"].to_numpy()[0] for p in trained(made)])
    assert table["epoch"].tolist() == [0, 1, 2]
    assert table["score_mean"].tolist() == pytest.approx(score.mean(axis=0).tolist())
    assert table["change_low"].tolist() == pytest.approx((score - score[:, :1]).min(axis=0))
    assert table["tau_start"].iloc[0] == 1.0
    arch = int(read_dataset(made / "1.h5", "training")["arch"][0])
    assert table[f"score_{arch}"].tolist() == pytest.approx(score[1].tolist())
    text = (tmp_path / "training.md").read_text()
    assert "24 images" in text
    assert "stand-in" in text


def test_files_of_two_studies_are_not_mixed(made, tmp_path):
    first, second = (read_dataset(path, "training") for path in trained(made))
    write_dataset(second.assign_attrs(config_hash="other"), tmp_path / "1.h5", "training")
    with pytest.raises(DataFileError, match=r"1\.h5: expected config_hash = .* found 'other'"):
        tabulate("training", tmp_path, training=[made / "0.h5", tmp_path / "1.h5"])
    with pytest.raises(DataFileError, match="is in two of these files"):
        tabulate("training", tmp_path, training=[made / "0.h5", made / "0.h5"])
    with pytest.raises(DataFileError, match="found none"):
        tabulate("training", tmp_path, training=[])
    assert first.attrs["config_hash"] == second.attrs["config_hash"]


# The figures


def test_figures_repeat_and_say_what_was_measured(made, tmp_path):
    for name in ("a", "b"):
        plot_ablation(made / "ablation.h5", tmp_path / name / "ablation")
        plot_training(trained(made), tmp_path / name / "training")
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()
    _, caption = svg_texts(read_svg(tmp_path / "a" / "ablation.svg"))
    assert "3 draws" in caption
    assert "10 architectures" in caption
    _, caption = svg_texts(read_svg(tmp_path / "a" / "training.svg"))
    for words in ("24 images", "2 epochs", "Root seed 0", "stand-in", "above 70.0 %"):
        assert words in caption


def test_ranks_count_from_the_highest_score():
    found = ranks(np.array([[1.0, 3.0, 2.0], [5.0, np.nan, 5.0]]))
    np.testing.assert_array_equal(found, [[3, 1, 2], [1.5, np.nan, 1.5]])


def test_the_commands_make_the_same_files(made, tmp_path):
    """What the rules call: each command once, beside what the functions gave."""

    def run(name: str, **options: object) -> None:
        words = [word for key, value in options.items() for word in (f"--{key}", str(value))]
        assert main([name, *words]) == 0

    choice = {"benchmark": made / "benchmark.h5", "dataset": "generated", "seed": 0}
    common = {"images": made / "images.h5", "device": "cpu", "threads": 1}
    for study, file in (("ablation", "bands.h5"), ("training", "best.h5")):
        output = tmp_path / file
        run("choose-architectures", study=study, count=2, above=70.0, output=output, **choice)
        found, wanted = (read_dataset(p, "choice")["arch"] for p in (output, made / file))
        np.testing.assert_array_equal(found, wanted)
    run(
        "score-ablation", setting=ABLATION.json, choice=made / "bands.h5",
        output=tmp_path / "ablation.h5", **common,
    )  # fmt: skip
    run(
        "train-architecture", setting=TRAINING.json, choice=made / "best.h5", place=0,
        output=tmp_path / "0.h5", **common,
    )  # fmt: skip
    for file, kind in (("ablation.h5", "ablation"), ("0.h5", "training")):
        found, wanted = (read_dataset(folder / file, kind) for folder in (tmp_path, made))
        assert found["score"].to_numpy().tobytes() == wanted["score"].to_numpy().tobytes()
        assert found.attrs["code_hash"] == wanted.attrs["code_hash"]
    for study, file in (("ablation", "ablation.h5"), ("training", "0.h5")):
        out = tmp_path / "out"
        table = ("tabulate", study, f"--{study}", str(tmp_path / file), "--folder", str(out))
        assert main(table) == 0
        run(f"plot-{study}", scores=tmp_path / file, stem=out / study)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {
        f"{study}.{suffix}"
        for study in ("ablation", "training")
        for suffix in ("csv", "md", "tex", "svg", "png", "json")
    }
    assert len(pd.read_csv(tmp_path / "out" / "training.csv")) == 3
