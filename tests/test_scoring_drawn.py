"""A proxy's own mini-batch and weights: declared, named in the configuration, really used."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from torch import nn

import trainfree
from trainfree.analysis.inputs import computed_on
from trainfree.config.model import Config
from trainfree.errors import ConfigError, TrainfreeError, UnknownNameError
from trainfree.files.storage import read_dataset
from trainfree.images.batches import load_mini_batch
from trainfree.images.prepare import prepare_images
from trainfree.outside.extensions import file_hash, load_files
from trainfree.proxies.registry import proxy
from trainfree.randomness import stream
from trainfree.scoring.jobs.columns import ColumnStore, column_settings
from trainfree.scoring.jobs.demand import job_minutes
from trainfree.scoring.jobs.draws import score_draws
from trainfree.scoring.jobs.shard import Scorer, score_shard
from trainfree.scoring.jobs.trial import try_proxy
from trainfree.scoring.settings.drawn import Drawn, drawn_for, parts_of
from trainfree.scoring.settings.setting import Setting
from trainfree.scoring.settings.studies import AblationSetting, ablation_arms
from trainfree.scoring.weights import draw_weights
from trainfree.spaces import build_network, load_space

pytestmark = pytest.mark.usefixtures("one_thread")

SPACE = "nasbench201_mini"
SETTING = Setting(SPACE, "generated", ("naswot",), 4, "pytorch", "images", 0)
MEANS = """
from trainfree.proxies.registry import proxy

def images(candidate):
    return float(candidate.images.double().mean())

def weights(candidate):
    return float(sum(w.double().abs().sum() for w in candidate.weights.values()))

for name, function, needs, drawn in [
    ("images_of_the_setting", images, ["images"], {}),
    ("images_of_noise", images, ["images"], {"input": "gaussian"}),
    ("weights_of_the_setting", weights, ["weights"], {}),
    ("weights_of_kaiming", weights, ["weights"], {"weights": "kaiming"}),
    ("weights_of_xavier", weights, ["weights"], {"input": "gaussian", "weights": "xavier"}),
]:
    class Once:
        def __init__(self, function): self.function = function
        def __call__(self, candidate): return self.function(candidate)
    proxy(name, needs=needs, cite="a test", **drawn)(Once(function))

@proxy("declared_here", cite="a test")
def declared_here(candidate):
    return 1.0
"""
NAMES = (
    *("images_of_the_setting", "weights_of_xavier", "images_of_noise"),
    *("weights_of_the_setting", "weights_of_kaiming"),
)
MODULES = """
from torch import nn
from trainfree.spaces.choices import ChoiceSpace

class Layers(ChoiceSpace):
    name = "two_layers"
    choices = {"width": (4, 6)}

    def module(self, index, classes, image_size):
        width = self.chosen(index)["width"]
        return nn.Sequential(
            nn.Conv2d(3, width, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
            nn.Linear(width, classes),
        )

SPACES = {"two_layers": Layers}
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("drawn")
    images = folder / "generated.h5"
    prepare_images("generated", images, order=["generated"], cache=folder, mirror=None, timeout=1.0)
    written = {"images": images}
    for name, text in (("means", MEANS), ("two_layers", MODULES)):
        written[name] = folder / f"{name}.py"
        written[name].write_text(text)
    load_files([written["means"], written["two_layers"]])
    return written


@pytest.fixture
def run(files, tmp_path):
    """Score architectures 100 and 101, or of another space the first two."""

    def run(*proxies: str, store: bool = False, **changes) -> xr.Dataset:
        extra = tuple((str(files[n]), file_hash(files[n])) for n in ("means", "two_layers"))
        setting = replace(SETTING, proxies=proxies, extra=extra, **changes)
        first = 0 if setting.space == "two_layers" else 100
        columns = ColumnStore(tmp_path / "store") if store else None
        path = tmp_path / "shard.h5"
        score_shard(setting, first, first + 1, files["images"], path, "cpu", 1, columns)
        return read_dataset(path, "scores")

    return run


@pytest.fixture
def computed(monkeypatch) -> list[tuple[str, ...]]:
    """The proxies of each row that is really computed, warm-up left out."""
    calls: list[tuple[str, ...]] = []
    row = Scorer.row

    def counted(self: Scorer, arch: int):
        calls.append(self._setting.proxies)
        return row(self, arch)

    monkeypatch.setattr(Scorer, "row", counted)
    monkeypatch.setattr(Scorer, "warm_up", lambda self: None)
    return calls


def weights_sum(arch: int, kind: str) -> float:
    network = build_network(load_space(SPACE), arch, 16, 10)
    drawn = draw_weights(network, kind, stream(0, "weights", arch))
    return sum(float(np.abs(each.astype(np.float64)).sum()) for each in drawn.weight.values())


def test_what_is_declared_is_what_the_proxy_is_computed_on(run, files, computed):
    found = run(*NAMES)
    score = found["score"].to_series().unstack("proxy")
    for kind, name in (("images", "images_of_the_setting"), ("gaussian", "images_of_noise")):
        batch = load_mini_batch(files["images"], 4, 0, kind).astype(np.float64)
        np.testing.assert_allclose(score[name], batch.mean(), rtol=1e-6, atol=1e-9)
    for kind in ("pytorch", "kaiming", "xavier"):
        name = "weights_of_" + ("the_setting" if kind == "pytorch" else kind)
        expected = [weights_sum(arch, kind) for arch in (100, 101)]
        np.testing.assert_allclose(score[name], expected, rtol=1e-6)
    assert found["proxy"].values.tolist() == list(NAMES)
    assert found["proxy_input"].values.tolist() == [
        *("images", "gaussian", "gaussian", "images", "images")
    ]
    assert found["proxy_weights"].values.tolist() == [
        *("pytorch", "xavier", "pytorch", "pytorch", "kaiming")
    ]
    assert (found.attrs["input"], found.attrs["initialization"]) == ("images", "pytorch")
    told = computed_on(found)
    assert [told[name] for name in NAMES[:2]] == ["", "gaussian input, xavier weights"]
    assert (told["images_of_noise"], told[NAMES[-1]]) == ("gaussian input", "kaiming weights")
    assert set(computed_on(found.drop_vars(["proxy_input", "proxy_weights"])).values()) == {""}
    shared = ("images_of_the_setting", "weights_of_the_setting")
    apart = (("weights_of_xavier",), ("images_of_noise",), ("weights_of_kaiming",))
    assert computed == [part for part in (shared, *apart) for _ in range(2)]


def test_what_the_setting_names_counts_before_what_is_declared(run, files):
    found = run(
        *NAMES,
        inputs=(("images_of_noise", "images"), ("images_of_the_setting", "gaussian")),
        weights=(("weights_of_kaiming", "normal"),),
    )
    score = found["score"].to_series().unstack("proxy")
    noise = load_mini_batch(files["images"], 4, 0, "gaussian").astype(np.float64).mean()
    np.testing.assert_allclose(score["images_of_the_setting"], noise, rtol=1e-6, atol=1e-9)
    assert (score["images_of_noise"] != score["images_of_the_setting"]).all()
    expected = [weights_sum(arch, "normal") for arch in (100, 101)]
    np.testing.assert_allclose(score["weights_of_kaiming"], expected, rtol=1e-6)


def test_torch_modules_of_a_space_are_drawn_for_each_proxy_too(run):
    found = run(*NAMES, space="two_layers")
    assert (found["status"] == 0).all(), found["message"].values
    score = found["score"].to_series().unstack("proxy")
    assert len(set(score.loc[0][["weights_of_the_setting", *NAMES[-1:], NAMES[1]]])) == 3
    only = run("weights_of_the_setting", space="two_layers", initialization="kaiming")
    assert only["score"].values[:, 0].tolist() == score["weights_of_kaiming"].tolist()
    assert only["relu_units"].equals(found["relu_units"])


def test_a_column_is_known_by_what_it_was_computed_on(run, computed):
    run(*NAMES, "naswot", store=True)
    computed.clear()
    run("weights_of_kaiming", store=True, initialization="kaiming")
    run("naswot", "images_of_noise", store=True, inputs=(("images_of_noise", "gaussian"),))
    run("weights_of_xavier", store=True, input="gaussian", initialization="xavier")
    run("naswot", store=True, inputs=(("naswot", "images"),))
    assert computed == []
    run("naswot", "images_of_noise", store=True, inputs=(("naswot", "gaussian"),))
    assert computed == [("naswot",)] * 2


def test_a_column_without_own_kinds_is_the_setting_s():
    plain = column_settings(SETTING, "naswot", 0, "images", "cpu", 1)
    beside = replace(SETTING, proxies=("naswot", "synflow"), inputs=(("synflow", "gaussian"),))
    assert column_settings(beside, "naswot", 0, "images", "cpu", 1) == plain
    assert (plain["input"], plain["initialization"]) == ("images", "pytorch")


def test_seconds_are_those_of_all_parts_and_of_each_proxy_alone(run):
    found = run("naswot", "weights_of_kaiming", "images_of_noise")
    total = found["seconds"].sel(phase="total").to_numpy()
    assert (found["proxy_seconds"].to_numpy() > 0).all()
    assert (total > found["proxy_seconds"].max("proxy").to_numpy()).all()


def test_draws_have_the_declared_kinds(files, tmp_path):
    path = tmp_path / "draws.h5"
    extra = ((str(files["means"]), file_hash(files["means"])),)
    setting = replace(SETTING, proxies=("images_of_noise", "naswot"), extra=extra)
    score_draws(setting, 2, 100, 100, files["images"], path, "cpu", 1)
    found = read_dataset(path, "draws")
    assert found["proxy_input"].dims == ("proxy",)
    assert found["proxy_input"].values.tolist() == ["gaussian", "images"]
    noise = [
        load_mini_batch(files["images"], 4, int(seed), "gaussian").astype(np.float64).mean()
        for seed in found["image_seed"]
    ]
    scores = found["score"].sel(proxy="images_of_noise").to_numpy().ravel()
    np.testing.assert_allclose(scores, noise, rtol=1e-6, atol=1e-9)


def test_an_arm_of_noise_is_noise_whatever_is_declared(files):
    base = replace(SETTING, proxies=("naswot", "images_of_noise"))
    noise = ablation_arms(AblationSetting(base, 2, (4,)))[1]
    for proxy_ in base.proxies:
        assert drawn_for(noise.setting, proxy_).input == "gaussian"


def test_settings_without_names_are_as_they_were():
    assert not {"inputs", "weights"} & SETTING.values.keys()
    named = replace(SETTING, inputs=(("naswot", "gaussian"),))
    assert named.hash != SETTING.hash
    assert named.name == SETTING.name
    assert Setting.from_json(named.json) == named
    assert AblationSetting(SETTING, 2, (4,)).values["base"] == SETTING.values
    assert parts_of(SETTING) == [SETTING]


def test_parts_take_their_time_one_after_the_other():
    assert job_minutes(replace(SETTING, proxies=("snip", "naswot"))) == 240
    apart = replace(SETTING, proxies=("snip", "naswot"), inputs=(("naswot", "gaussian"),))
    assert job_minutes(apart) == 300


def test_the_configuration_names_them():
    config = Config.model_validate(
        {
            "scoring": {
                "proxies": ["naswot", "synflow", "zico"],
                "inputs": {"naswot": "gaussian"},
                "weights": {"zico": "kaiming", "naswot": "normal"},
            }
        }
    )
    setting = config.scoring_setting("cifar10")
    assert drawn_for(setting, "naswot") == Drawn("gaussian", "normal")
    assert drawn_for(setting, "zico").weights == "kaiming"
    assert config.ablation_setting("cifar10").base.inputs == (("naswot", "gaussian"),)
    assert config.ablation_setting("cifar10").base.weights == (("naswot", "normal"),)
    plain = Config().scoring_setting("cifar10")
    assert not {"inputs", "weights"} & plain.values.keys()


@pytest.mark.parametrize(
    ("named", "error", "message"),
    [
        ({"inputs": {"nasswot": "gaussian"}}, UnknownNameError, "naswot"),
        ({"inputs": {"snip": "gaussian"}}, ConfigError, "scoring.inputs.snip.*scoring.proxies"),
        ({"weights": {"naswot": "he"}}, ValueError, "kaiming"),
    ],
)
def test_names_of_the_configuration_are_checked(named, error, message):
    with pytest.raises(error, match=message):
        Config.model_validate({"scoring": named})


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"input": "gausian"}, "kind of input.*gausian.*gaussian"),
        ({"weights": "kaimng"}, "kind of weights.*kaimng.*kaiming"),
        ({"input": 3}, "input: expected a string, found 3"),
        ({"weights": ["kaiming"]}, "weights: expected a string"),
    ],
)
def test_words_of_the_decorator_are_checked(words, message):
    with pytest.raises(TrainfreeError, match=message):
        proxy("of_no_kind", cite="a test", **words)


def test_a_trial_has_the_declared_weights(files):
    declared, plain = (
        [trial.score for trial in try_proxy(name, files["means"], [364, 500])]
        for name in ("weights_of_kaiming", "weights_of_the_setting")
    )
    assert all(one != other for one, other in zip(declared, plain, strict=True))


def test_the_table_of_proxies_says_what_they_declare(files):
    table = trainfree.proxies().set_index("proxy")
    assert table.loc["weights_of_xavier", ["input", "weights"]].tolist() == ["gaussian", "xavier"]
    assert table.loc["naswot", ["input", "weights"]].tolist() == ["", ""]


def test_modules_that_are_handed_over_keep_what_they_have(files):
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 5), nn.ReLU(), nn.Linear(5, 3))
    images = torch.arange(24.0).reshape(2, 3, 2, 2)

    def scores(models, **options) -> dict[str, float]:
        table = trainfree.score(models, images, proxies=list(NAMES), **options)
        return dict(zip(table["proxy"], table["score"], strict=True))

    own = scores(model)
    of_layers = [w.detach().double() for w in model.parameters() if w.dim() == 2]
    expected = sum(float(w.abs().sum()) for w in of_layers)
    assert own["images_of_noise"] == own["images_of_the_setting"] == 11.5
    for name in ("weights_of_the_setting", "weights_of_kaiming", "weights_of_xavier"):
        assert own[name] == pytest.approx(expected, rel=1e-6)

    drawn = scores(model, seeds=1)
    assert len({drawn[name] for name in NAMES if name.startswith("weights")}) == 3
    kaiming = scores(model, seeds=1, initialization="kaiming")
    assert kaiming["weights_of_the_setting"] == drawn["weights_of_kaiming"]
    assert kaiming["weights_of_xavier"] == drawn["weights_of_kaiming"]

    built = scores(lambda: nn.Sequential(nn.Flatten(), nn.Linear(12, 3)), seeds=1)
    assert len({built[name] for name in NAMES if name.startswith("weights")}) == 1


def test_the_record_says_which_weights_were_drawn_for_a_proxy(files):
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 3))
    images = torch.arange(24.0).reshape(2, 3, 2, 2)
    few = ["weights_of_kaiming", "weights_of_the_setting"]
    told = [
        trainfree.score({"it": model}, images, proxies=few, seeds=seeds).attrs["config"]
        for seeds in (0, 1)
    ]
    assert '"weights_of_kaiming":"kaiming"' not in told[0]
    assert '"weights":{"it":{"weights_of_kaiming":"kaiming"}}' in told[1]
