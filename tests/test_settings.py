"""Settings: what their JSON, names and hashes have always been, and what is refused.

The golden values were written down before pydantic read the settings: files that users have keep
their names and stay up to date.
"""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError

import pytest

from trainfree.analysis.settings import AnalysisSettings
from trainfree.config import Config
from trainfree.errors import ConfigError
from trainfree.provenance import settings_hash
from trainfree.scoring.settings.setting import Setting
from trainfree.scoring.settings.studies import AblationSetting, TrainingSetting
from trainfree.search.plan import make_plan
from trainfree.settings import Settings

SETTING = Setting(
    *("nasbench201", "cifar10", ("naswot", "synflow"), 32, "pytorch", "images", 0),
    sample=1000,
    sample_seed=3,
    extra=(("a.py", "ff"),),
)
ABLATION = AblationSetting(SETTING, draws=3, batch_sizes=(4, 8))
TRAINING = TrainingSetting(SETTING, epochs=2, images=0, batch_size=16, learning_rate=0.01)
MOVE = make_plan(
    "x", {"algorithm": "move", "proxy": "naswot", "budget_seconds": 100}, runs=3, budgets=[5]
)
BOHB = make_plan(
    "x", {"algorithm": "bohb", "preset": "nasbench201", "budgets": [7, 8]}, runs=3, budgets=[5]
)
SETTING_JSON = (
    '{"batch_size":32,"dataset":"cifar10","extra":[["a.py","ff"]],"initialization":"pytorch",'
    '"input":"images","proxies":["naswot","synflow"],"sample":1000,"sample_of":0,"sample_seed":3,'
    '"seed":0,"space":"nasbench201"}'
)
ALL = [SETTING, ABLATION, TRAINING, MOVE, BOHB, AnalysisSettings(margin_percent=2.0)]
EACH = pytest.mark.parametrize("one", ALL, ids=lambda one: type(one).__name__)


def test_names_texts_and_hashes_are_what_they_always_were():
    assert SETTING.name == "b32-pytorch-images-s0-n1000"
    assert SETTING.json == SETTING_JSON
    assert ABLATION.json == f'{{"base":{SETTING_JSON},"batch_sizes":[4,8],"draws":3}}'
    assert TRAINING.json == (
        f'{{"base":{SETTING_JSON},"batch_size":16,"epochs":2,"images":0,"learning_rate":0.01}}'
    )
    assert SETTING.hash == "1b15d7c8c0fb2d39"
    assert settings_hash(ABLATION.values) == "9ffcb8dd7ab5a974"
    assert settings_hash(TRAINING.values) == "812ebfaca5c08a0a"
    assert settings_hash({"plan": MOVE.values}) == "136538066f650603"
    assert settings_hash({"plan": BOHB.values}) == "35051676443038f6"


def test_the_configuration_gives_the_tables_their_settings():
    given = AnalysisSettings.from_json(Config(seed=5).table_settings_json)
    assert given == AnalysisSettings(seed=5)  # the same defaults in both


@EACH
def test_settings_survive_the_command_line_and_stay_as_they_are(one: Settings):
    read = type(one).from_json(one.json)
    assert read == one
    assert settings_hash(read.values) == settings_hash(one.values)
    with pytest.raises(FrozenInstanceError):
        one.seed = 1


@EACH
@pytest.mark.parametrize("text", ["", "{", "[]", "3", "null", '"x"'])
def test_what_is_no_json_of_settings_is_named(one: Settings, text: str):
    with pytest.raises(ConfigError, match=f"^{one.called}: expected JSON with .*: the text: "):
        type(one).from_json(text)


@EACH
def test_an_unknown_key_is_named_with_the_one_that_was_meant(one: Settings):
    key = next(iter(one.values))
    values = {**json.loads(one.json), f"{key}x": 1}
    with pytest.raises(ConfigError, match=rf": {key}x: unknown key; did you mean '{key}'\?"):
        type(one).from_json(json.dumps(values))


@pytest.mark.parametrize(
    ("kind", "old", "new", "words"),
    [
        (SETTING, '"batch_size":32,', "", "batch_size: is missing"),
        (SETTING, ":32", ':"32"', r"batch_size: .* valid integer, found '32'"),
        (SETTING, ":32", ":true", "batch_size: .* valid integer, found True"),
        (SETTING, '"pytorch"', '"zeros"', "initialization: .* 'pytorch', .* found 'zeros'"),
        (SETTING, '"ff"', "3", r"extra\.0\.1: .* valid string, found 3"),
        (SETTING, '["naswot","synflow"]', '"naswot"', "proxies: .* valid array, found 'naswot'"),
        (ABLATION, '"seed"', '"sed"', r"base\.sed: unknown key"),
        (TRAINING, "0.01", "NaN", "learning_rate: .* finite number, found nan"),
        (BOHB, "[7,8]", "[7,8.5]", r"counts\.1: .* valid integer, found 8\.5"),
    ],
)
def test_a_wrong_value_is_named_with_what_was_expected(kind, old, new, words):
    assert old in kind.json
    with pytest.raises(ConfigError, match=words):
        type(kind).from_json(kind.json.replace(old, new, 1))
