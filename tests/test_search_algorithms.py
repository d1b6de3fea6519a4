"""Search algorithms by name: settings, published presets, and what all of them keep to."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import sys

import pytest
from search_fixtures import SPACE, assistance, random_fitness, rng, run_once

from trainfree.errors import ConfigError, UnknownNameError
from trainfree.search import ALGORITHM_NAMES, load_algorithm
from trainfree.search.algorithms.random import RandomSearch
from trainfree.search.algorithms.rea import RegularizedEvolution
from trainfree.search.protocol import BLOCK, make_settings


@pytest.mark.parametrize("name", ALGORITHM_NAMES)
def test_every_name_loads_a_class_that_runs_with_its_defaults(name):
    kind = load_algorithm(name)
    chosen, values = make_settings(name, kind, {})
    asked = run_once(kind(SPACE, rng(), chosen, *assistance(kind)), random_fitness(), 60)
    assert all(0 <= index < len(SPACE) for index in asked)
    assert kind.__doc__
    assert chosen == kind.settings_type(**values)


def test_a_file_with_an_algorithm_is_enough_and_touches_no_other_hash(repository, tmp_path):
    assert ALGORITHM_NAMES == ["area", "bohb", "move", "random", "rea", "reinforce", "warmup"]
    code = (
        "from trainfree.provenance import code_hash\n"
        "from trainfree.search import ALGORITHM_NAMES, load_algorithm\n"
        "print(code_hash('trainfree.search.run', 'trainfree.search.algorithms.rea'))\n"
        "print('mine' in ALGORITHM_NAMES and load_algorithm('mine').__name__)\n"
    )
    copy = shutil.copytree(repository / "src", tmp_path / "src")

    def outcome() -> list[str]:
        environment = {**os.environ, "PYTHONPATH": str(copy)}
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            env=environment,
            check=True,
        )
        return done.stdout.split()

    before = outcome()
    folder = copy / "trainfree" / "search" / "algorithms"
    (folder / "mine.py").write_text((folder / "random.py").read_text())
    assert before[1] == "False"
    assert outcome() == [before[0], "RandomSearch"]


PUBLISHED = {
    ("random", "nasbench201"): ({}, "stop_before"),
    ("random", "nats"): ({}, "interpolate"),
    ("random", "naswot"): ({}, "stop_before"),
    ("random", "cossu"): ({}, "stop_before"),
    ("rea", "nasbench201"): (
        {"population": 10, "sample": 3, "replacement": True, "mutation": "node_then_edge"},
        "stop_before",
    ),
    ("rea", "nats"): (
        {"population": 10, "sample": 3, "replacement": True, "mutation": "node_then_edge"},
        "interpolate",
    ),
    ("rea", "cossu"): (
        {"population": 64, "sample": 20, "replacement": False, "mutation": "edge"},
        "stop_before",
    ),
    ("rea", "zerocost"): (
        {"population": 64, "sample": 10, "replacement": False, "mutation": "edge"},
        "stop_before",
    ),
    ("area", "naswot"): (
        {
            **{"population": 10, "sample": 3, "replacement": False, "mutation": "node_then_edge"},
            "scored": 20,
        },
        "allow",
    ),
    ("reinforce", "nasbench201"): ({"learning_rate": 0.5, "baseline_momentum": 0.9}, "allow"),
    ("reinforce", "nats"): ({"learning_rate": 0.01, "baseline_momentum": 0.9}, "interpolate"),
    ("bohb", "nasbench201"): (
        {
            **{"eta": 3, "rungs": 3, "candidates": 4, "random_fraction": 0.0, "top_percent": 15},
            **{"min_bandwidth": 0.3, "bounded": False},
        },
        "stop_before",
    ),
    ("bohb", "nats"): (
        {
            **{"eta": 3, "rungs": 3, "candidates": 4, "random_fraction": 0.0, "top_percent": 15},
            **{"min_bandwidth": 0.3, "bounded": False},
        },
        "interpolate",
    ),
    ("warmup", "zerocost"): (
        {
            **{"population": 64, "sample": 10, "replacement": False, "mutation": "edge"},
            "scored": 3000,
        },
        "stop_before",
    ),
    ("move", "zerocost"): (
        {
            **{"population": 64, "sample": 10, "replacement": False},
            **{"proposals": 24, "greed": 0.75},
        },
        "stop_before",
    ),
}


def test_presets_hold_the_published_numbers():
    found = {
        (name, preset): (
            make_settings(name, load_algorithm(name), published.settings)[1],
            published.overshoot,
        )
        for name in ALGORITHM_NAMES
        for preset, published in load_algorithm(name).presets.items()
    }
    assert found == PUBLISHED


def test_unknown_algorithm_suggests_the_near_one():
    with pytest.raises(UnknownNameError, match=r"algorithm 'reinforse'; did you mean 'reinforce'"):
        load_algorithm("reinforse")


def test_unknown_setting_is_named_with_the_known_ones():
    with pytest.raises(
        ConfigError, match=r"a\.b: unknown key or setting 'popullation'; did you mean 'population'"
    ):
        make_settings("a.b", RegularizedEvolution, {"popullation": 3})
    with pytest.raises(ConfigError, match="nothing to set"):
        make_settings("random", RandomSearch, {"x": 3})


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("rea", {"population": 0}),
        ("rea", {"sample": 0}),
        ("rea", {"mutation": "node"}),
        ("reinforce", {"learning_rate": 0.0}),
        ("reinforce", {"learning_rate": math.nan}),
        ("reinforce", {"baseline_momentum": 1.0}),
        ("rea", {"sample": 11, "replacement": False}),
        ("rea", {"population": "10"}),
        ("rea", {"population": 10.0}),
        ("rea", {"population": True}),
        ("rea", {"replacement": 1}),
        ("area", {"scored": 9}),
        ("warmup", {"scored": 63}),
        ("move", {"proposals": 0}),
        ("move", {"greed": 1.5}),
        ("bohb", {"eta": 1}),
        ("bohb", {"rungs": 0}),
        ("bohb", {"top_percent": 100}),
        ("bohb", {"random_fraction": -0.1}),
    ],
)
def test_settings_out_of_range_are_refused_by_name(name, values):
    with pytest.raises(ConfigError, match=rf"^here\.{next(iter(values))}: expected"):
        make_settings("here", load_algorithm(name), values)


@pytest.mark.parametrize("name", ALGORITHM_NAMES)
def test_a_longer_run_begins_like_a_shorter_one(name):
    kind, fitness = load_algorithm(name), random_fitness(bad=0.2)
    asked = {
        steps: run_once(
            kind(SPACE, rng(3), kind.settings_type(), *assistance(kind)), fitness, steps
        )
        for steps in (10, BLOCK + 1, 3 * BLOCK)
    }
    assert asked[3 * BLOCK][: BLOCK + 1] == asked[BLOCK + 1]
    assert asked[BLOCK + 1][:10] == asked[10]
