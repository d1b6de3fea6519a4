"""The configuration: what ships is valid, and what is wrong is named."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
import yaml

from trainfree.cli import main
from trainfree.config import Config, load_config, parse_config, schema_json
from trainfree.errors import ConfigError, TrainfreeError
from trainfree.scoring.settings.setting import scored_architectures

SHIPPED = sorted((Path(__file__).parent.parent / "config").glob("*.yaml"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_shipped_files_are_valid_alone_and_over_the_default(path, repository):
    load_config(path)
    load_config(repository / "config" / "config.yaml", path)
    schema = json.loads((repository / "config" / "schemas" / "config.schema.json").read_text())
    jsonschema.validate(yaml.safe_load(path.read_text()), schema)


def test_committed_schema_is_the_generated_one(repository):
    committed = (repository / "config" / "schemas" / "config.schema.json").read_text()
    assert committed == schema_json(), (
        "run: trainfree config-schema > config/schemas/config.schema.json"
    )


def test_readme_of_the_config_names_every_key(repository):
    text = (repository / "config" / "README.md").read_text()
    for name, field in Config.model_fields.items():
        sections = getattr(field.annotation, "model_fields", None)
        keys = [f"{name}.{key}" for key in sections] if sections else [name]
        for key in keys:
            assert f"`{key}" in text, key


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"scorring": {}}, "unknown key 'scorring'; did you mean 'scoring'"),
        ({"scoring": {"batchsize": 3}}, "'scoring.batchsize'; did you mean 'batch_size'"),
        (
            {"search": {"searchs": {}}},
            "'search.searchs'; did you mean 'searches'",
        ),
        ({"scoring": {"batch_size": "32"}}, "scoring.batch_size: .*integer, found '32'"),
        (
            {"scoring": {"batch_size": 0}},
            "scoring.batch_size: .*greater than or equal to 1, found 0",
        ),
        ({"scoring": {"batch_size": 1.5}}, "scoring.batch_size: .*, found 1.5"),
        ({"seed": -1}, "seed: .*, found -1"),
        ({"scoring": {"proxies": ["naswott"]}}, "unknown proxy 'naswott'; did you mean 'naswot'"),
        ({"space": "nasbench210"}, "unknown space 'nasbench210'; did you mean 'nasbench201'"),
        ({"datasets": ["cifar-10"]}, "unknown data set 'cifar-10'; did you mean 'cifar10'"),
        (
            {"search": {"searches": {"a": {"algorithm": "reenforce"}}}},
            "search.searches.a.algorithm: .*'reenforce'; did you mean 'reinforce'",
        ),
        ({"search": {"searches": {"a": {}}}}, "search.searches.a.algorithm: .*required"),
        ({"sources": {"order": ["miror"]}}, "sources.order.0: .*'mirror'.*found 'miror'"),
        (
            {"scoring": {"proxies": ["params"]}},
            r"search.searches.random-naswot.signal: naswot is not in scoring.proxies \(params\)",
        ),
        (
            {"search": {"budgets": [15626]}},
            "N = 15626 is larger than the space nasbench201 .*15625",
        ),
        ({"scoring": {"initialization": "he"}}, "scoring.initialization: .*'kaiming'"),
        (
            {"scoring": {"sample": 20}},
            "random-naswot.signal: the search needs the scores of all .* to null",
        ),
        (
            {"scoring": {"sample": 15626}, "search": {"searches": {}}},
            "scoring.sample: 15626 architectures are more than the space nasbench201",
        ),
        ({"stability": {"draws": 1}}, "stability.draws: .*greater than or equal to 2"),
    ],
)
def test_wrong_values_name_key_expectation_and_finding(values, words):
    with pytest.raises(ConfigError, match=words) as caught:
        parse_config(values, "my.yaml")
    assert str(caught.value).startswith("my.yaml: ")


def test_all_mistakes_are_reported_at_once():
    with pytest.raises(ConfigError) as caught:
        parse_config({"seed": "x", "scoring": {"batch_size": -1, "colour": 1}})
    for key in ("seed", "scoring.batch_size", "scoring.colour"):
        assert key in str(caught.value)


def test_later_files_win_key_by_key(tmp_path):
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text("scoring: {batch_size: 8, shard_size: 7}\nseed: 3\n")
    second.write_text("scoring: {batch_size: 16}\n")
    merged = load_config(first, second)
    assert (merged.scoring.batch_size, merged.scoring.shard_size, merged.seed) == (16, 7, 3)


@pytest.mark.parametrize(
    ("text", "words"),
    [("a: [", "not valid YAML"), ("- 1\n", "expected a mapping of keys, found list")],
)
def test_unreadable_files_are_named(tmp_path, text, words):
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=words) as caught:
        load_config(path)
    assert str(path) in str(caught.value)
    with pytest.raises(ConfigError, match="no such configuration file"):
        load_config(tmp_path / "none.yaml")


def test_command_line_prints_the_message_alone_and_fails(tmp_path, capsys):
    path = tmp_path / "x.yaml"
    path.write_text("sede: 1\n")
    assert main(["check-config", str(path)]) == 2
    captured = capsys.readouterr()
    assert "did you mean 'seed'" in captured.err
    assert "Traceback" not in captured.err


def test_command_line_shows_the_whole_configuration(tmp_path, capsys):
    path = tmp_path / "x.yaml"
    path.write_text("seed: 7\n")
    assert main(["check-config", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["seed"] == 7


def test_a_sample_is_part_of_the_setting_and_no_sample_changes_nothing():
    values = {"search": {"searches": {}}, "datasets": ["cifar10"], "seed": 4}
    whole = parse_config(values).scoring_setting("cifar10")
    sampled = parse_config({**values, "scoring": {"sample": 30}}).scoring_setting("cifar10")
    assert (whole.sample, whole.sample_seed, whole.name) == (0, 0, "b32-pytorch-images-s4")
    assert (sampled.sample, sampled.sample_seed) == (30, 4)
    assert sampled.name == "b32-pytorch-images-s4-n30"


def test_a_subset_is_part_of_the_setting_and_none_changes_nothing():
    values = {"search": {"searches": {}}, "seed": 4}
    whole = parse_config(values).scoring_setting("cifar10")
    assert "subset" not in whole.values
    assert "subset" not in parse_config(values).ablation_setting("cifar10").values["base"]
    part = parse_config({**values, "scoring": {"subset": "reachable"}}).scoring_setting("cifar10")
    assert (part.name, part.values["subset"]) == ("b32-pytorch-images-s4-reachable", "reachable")
    assert len(scored_architectures(part, 15_625)) == part.size(15_625) == 9_445
    sampled = replace(part, sample=30)
    assert sampled.name == "b32-pytorch-images-s4-reachable-n30"
    chosen = scored_architectures(sampled, 15_625)
    assert len(chosen) == 30
    assert set(chosen) <= set(scored_architectures(part, 15_625))
    assert type(part).from_json(part.json) == part


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"scoring": {"subset": "reachabel"}}, "did you mean 'reachable'"),
        ({"space": "nats_sss", "scoring": {"subset": "reachable"}}, "nats_sss has no subsets"),
        ({"scoring": {"subset": "convolutions", "sample": 65}}, "scoring.sample: 65 .* \\(64\\)"),
    ],
)
def test_a_subset_that_is_not_there_is_named(values, words):
    with pytest.raises(TrainfreeError, match=words):
        parse_config({"search": {"searches": {}}, **values})


def test_searches_guided_by_scores_need_more_than_a_subset():
    with pytest.raises(ConfigError, match=r"leave scoring\.sample and scoring\.subset out"):
        parse_config({"scoring": {"subset": "reachable"}})
