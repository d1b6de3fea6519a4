"""What a search algorithm of others may answer and do, and that nothing else comes of it."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from textwrap import dedent, indent

import numpy as np
import pytest
from test_search_lookups import FULL, SIZE, column, write_benchmark, write_scores
from test_search_run import job

from trainfree.errors import ConfigError
from trainfree.files.storage import read_dataset
from trainfree.outside.extensions import load_files
from trainfree.search import load_algorithm
from trainfree.search.plan import SearchPlan, make_plan
from trainfree.search.protocol import PaidScores
from trainfree.search.run import run_search
from trainfree.search.trial import try_search
from trainfree.spaces import load_space

SOURCE = """
import os, random, sys
from dataclasses import dataclass, field
import numpy as np
from trainfree.search.protocol import Preset

@dataclass(frozen=True)
class Settings:
    size: int = 3

class Odd(Exception):
    def __str__(self):
        raise SystemExit(0)

class Search:
    settings_type = Settings
    presets = {{}}
    assisted = {assisted}
    seen = []
    {rung}

    def __init__(self, space, rng, settings, *scores):
        self._space, self._rng, self._scores = space, rng, scores
        self._settings = settings
        self._step = 0
{init}

    def ask(self):
        self._step += 1
{ask}

    def tell(self, index, fitness):
{tell}
        pass

ALGORITHM = Search
"""
BEFORE = "if self._step < 3: return 7\n"


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("foreign")
    write_benchmark(folder / "b.h5", FULL, {("cifar10-valid", 12): np.arange(SIZE) + 1.0})
    write_scores(folder / "s.h5", {"naswot": column(21), "synflow": column(22)}, np.ones(SIZE))
    return folder


def written(
    path: Path,
    ask: str = "return 7",
    *,
    tell: str = "",
    init: str = "",
    rung: str = "rung = 0",
    assisted: bool = False,
) -> Path:
    parts = {"ask": BEFORE + ask, "tell": tell, "init": init}
    bodies = {name: indent(dedent(text), " " * 8) for name, text in parts.items()}
    path.write_text(SOURCE.format(rung=rung, assisted=assisted, **bodies))
    return path


def searched(inputs: Path, folder: Path, file: Path, **changes: object):
    entry = {"algorithm": file.stem, "budgets": [5], **changes}
    load_files([file])
    output = folder / "o.h5"
    run_search(job(inputs, output, entry, extra=(file,)))
    return read_dataset(output, "search")


ANSWERS = [
    ("return -1", "found -1"),
    (f"return {SIZE}", f"found {SIZE}"),
    ("return 10**5000", "found a int too long to show"),
    ("return True", "found True"),
    ("return np.True_", "found bool"),
    ("return 7.0", r"found 7\.0"),
    ("return np.float64(7)", "found float64"),
    ("return None", "found None"),
    ("return '7'", "found '7'"),
    ("return np.array(7)", "found ndarray"),
    ("return np.array([7])", "found ndarray"),
    ("return (7,)", "found tuple"),
    ("return 1 / 0", "ZeroDivisionError: division by zero"),
    ("raise Odd", r"Odd: \(its text is not available\)"),
    ("raise ValueError('a\\0b\\ud800' + 'x' * 10**6)", "ValueError: a.b.xxx"),
    ("raise StopIteration", "StopIteration"),
    ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    ("sys.exit(0)", "SystemExit: 0"),
    ("return self.ask()", "RecursionError"),
    ("yield 7", "found generator"),
]


@pytest.mark.parametrize(("ask", "words"), ANSWERS)
def test_what_is_no_architecture_is_refused_with_run_and_step(inputs, tmp_path, ask, words):
    if "yield" in ask:
        file = written(tmp_path / "bad.py", "")
        file.write_text(file.read_text().replace("if self._step < 3: return 7", "yield 7"))
        step = 1
    else:
        file, step = written(tmp_path / "bad.py", ask), 3
    with pytest.raises(ConfigError) as caught:
        searched(inputs, tmp_path, file)
    message = str(caught.value)
    assert message.startswith(f"search.searches.mine: algorithm bad: run 0, step {step}, ask: ")
    assert caught.match(words)
    assert message.isprintable()
    assert len(message) < 1000
    if "found" in words:
        assert "an architecture of nasbench201_mini, a whole number from 0 to 728" in message
    assert not (tmp_path / "o.h5").exists()
    with pytest.raises(ConfigError, match=rf"try_search: algorithm bad: run 0, step {step}, ask"):
        try_search("bad", file)


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"rung": "rung = 1_000_000"}, "step 1, rung: expected .* 0 to 127, found 1000000"),
        ({"rung": "rung = -1"}, "step 1, rung: .* found -1"),
        ({"rung": "rung = True"}, "step 1, rung: .* found True"),
        ({"rung": "rung = 0.5"}, r"step 1, rung: .* found 0\.5"),
        ({"rung": ""}, "step 1, rung: AttributeError"),
        ({"rung": "rung = property(lambda self: sys.exit(0))"}, "step 1, rung: SystemExit"),
        ({"tell": "raise ValueError(index)"}, "step 1, tell: ValueError: 7"),
        ({"tell": "sys.exit('x')"}, "step 1, tell: SystemExit: x"),
        ({"init": "raise BaseException('no')"}, "run 0, __init__: BaseException: no"),
        ({"init": "self._settings.size = 4"}, "run 0, __init__: FrozenInstanceError"),
    ],
)
def test_other_answers_are_checked_as_well(inputs, tmp_path, parts, words):
    file = written(tmp_path / "bad.py", **parts)
    with pytest.raises(ConfigError, match=f"algorithm bad: run 0, {words.removeprefix('run 0, ')}"):
        searched(inputs, tmp_path, file)
    assert not (tmp_path / "o.h5").exists()


def test_whole_numbers_of_numpy_are_answers(inputs, tmp_path):
    file = written(tmp_path / "good.py", "return np.int16(9)", rung="rung = np.int64(2)")
    found = searched(inputs, tmp_path, file)
    assert found["trace_arch"][0].to_numpy().tolist() == [7, 7, 9, 9, 9]
    assert np.unique(found["trace_rung"]).tolist() == [2]


@pytest.mark.parametrize(
    "parts",
    [
        {"ask": "self.seen.append(1); return len(self.seen)"},
        {"ask": "return id(object()) % 7 if self._rng is None else os.urandom(1)[0]"},
        {"init": "object.__setattr__(space, 'operations', space.operations[:-1])",
         "ask": "return len(self._space) % 700"},
        {"ask": "Search.rung += 1; return 5"},
    ],
)  # fmt: skip
def test_a_search_that_keeps_something_from_run_to_run_is_refused(inputs, tmp_path, parts):
    file = written(tmp_path / "kept.py", **parts)
    words = "run 0, step [1-5], done again after the last run: expected the same way"
    with pytest.raises(ConfigError, match=words):
        searched(inputs, tmp_path, file)
    assert not (tmp_path / "o.h5").exists()
    assert len(load_space("nasbench201_mini")) == SIZE


def test_numbers_drawn_from_nowhere_in_particular_repeat_by_run(inputs, tmp_path):
    ask = "return (random.randrange(300) + np.random.randint(300)) % 729"
    file = written(tmp_path / "drawn.py", ask)
    first = searched(inputs, tmp_path, file)["trace_arch"].to_numpy()
    random.seed(7)
    np.random.seed(7)  # noqa: NPY002
    again = searched(inputs, tmp_path, file, runs=2)["trace_arch"].to_numpy()
    np.testing.assert_array_equal(first[:2], again)
    assert len({tuple(run) for run in first.tolist()}) == 4


def test_settings_are_each_runs_own(inputs, tmp_path):
    file = written(tmp_path / "own.py", init="settings.stack.append(1)",
                   ask="return len(self._settings.stack)")  # fmt: skip
    text = file.read_text().replace("size: int = 3", "stack: list = field(default_factory=list)")
    file.write_text(text)
    assert np.unique(searched(inputs, tmp_path, file)["trace_arch"]).tolist() == [1, 7]


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        ("self._scores[0].rank(-1)", "rank: expected the index .* 0 to 728, found -1"),
        ("self._scores[0].rank(2.5)", r"rank: expected the index .* found 2\.5"),
        ("self._scores[0].rank([])", "rank: expected the index .* found list"),
        ("self._scores[0].spent = -5", "AttributeError"),
        ("self._scores[0]._scores[3] = 5", "TypeError"),
    ],
)
def test_paid_scores_answer_for_architectures_alone_and_stay_as_they_are(
    inputs, tmp_path, ask, words
):
    file = written(tmp_path / "paid.py", ask + "; return 7", assisted=True)
    with pytest.raises(ConfigError, match=f"step 3, ask: {words}"):
        searched(inputs, tmp_path, file, proxy="synflow")
    scores = PaidScores((1.0, 2.0), (0.5, 0.25))
    assert scores.rank(np.int64(1)) == (True, 2.0)  # type: ignore[arg-type]
    assert scores.spent == 0.25


def test_what_a_search_sets_in_the_process_does_not_last(inputs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = written(tmp_path / "moved.py", init="os.chdir('/'); sys.stdout = None")
    load_files([file])
    entry = {"algorithm": "moved", "budgets": [5]}
    run_search(job(inputs, Path("here.h5"), entry, extra=(file,)))
    assert (tmp_path / "here.h5").exists()
    assert Path.cwd() == tmp_path


# ---------------------------------------------------------------- when it is loaded

LOADED = [
    ("ALGORITHM = Search", "ALGORITHM = Search(1, 2, 3)", "expected a class, found Search"),
    ("assisted = False", "assisted = 1", "assisted: expected True or False, found 1"),
    ("assisted = False", "assisted = None", "assisted: expected True or False, found None"),
    ("def ask(self)", "async def ask(self)", "ask: expected a plain method, found an async one"),
    ("    seen = []", "    tell2 = 1", "tell: expected a method"),
    ("settings_type = Settings", "settings_type = dict",
     "settings_type: expected a frozen dataclass, found type"),
    ("settings_type = Settings", "settings_type = 3",
     "settings_type: expected a frozen dataclass, found 3"),
    ("size: int = 3", "size: int", "settings_type: size: expected a default, found none"),
    ("size: int = 3", "size: object = print",
     "settings_type: expected defaults that a configuration can hold"),
    ("size: int = 3", "size: float = float('nan')",
     "settings_type: expected defaults that a configuration"),
    ("(frozen=True)", "", r"expected a frozen dataclass: @dataclass\(frozen=True\)"),
    ("presets = {}", "presets = None", "presets: expected a dictionary of Presets, found None"),
    ("presets = {}", "presets = {'a': {}}",
     r"presets\['a'\]: expected a Preset by name, found dict"),
    ("presets = {}", "presets = {3: Preset()}", r"presets\[3\]: expected a Preset by name"),
    ("presets = {}", "presets = {'a': Preset(overshoot='never')}",
     r"presets\['a'\]\.overshoot: expected one of stop_before"),
    ("presets = {}", "presets = {'a': Preset({'sise': 4})}",
     r"presets\['a'\]: unknown key or setting 'sise'; did you mean"),
    ("presets = {}", "presets = {'a': Preset({'size': 'x'})}",
     r"presets\['a'\]\.size: expected a value like 3, found 'x'"),
    ("presets = {}", "presets = {'a': Preset(3)}", "AttributeError"),
    ("ALGORITHM = Search", "ALGORITHM = 1; del ALGORITHM", "expected a class with ask and tell"),
    ("import os,", "raise SystemExit(0)\nimport os,", r"bad\.py: SystemExit: 0"),
    ("import os,", "raise BaseException('a\\0b')\nimport os,", r"bad\.py: BaseException: a.b"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "words"), LOADED)
def test_what_a_class_says_of_itself_is_checked_when_it_is_loaded(tmp_path, old, new, words):
    file = written(tmp_path / "bad.py")
    assert old in file.read_text()
    text = file.read_text().replace(old, new)
    if "tell2" in new:
        text = text.replace("def tell(self, index, fitness)", "tell = 3\n    def told(self, i, f)")
    file.write_text(text)

    def load() -> None:
        load_files([file])
        load_algorithm("bad")

    with pytest.raises(ConfigError, match=words) as caught:
        load()
    assert str(file) in str(caught.value)


@pytest.mark.parametrize(
    ("check", "words"),
    [
        ("from trainfree.search.protocol import require_at_least as r; r(5, size=self.size)",
         r"search\.searches\.x\.size: expected at least 5, found 4"),
        ("1 / 0", r"search\.searches\.x\.Settings: ZeroDivisionError"),
        ("sys.exit(0)", r"search\.searches\.x\.Settings: SystemExit: 0"),
    ],
)  # fmt: skip
def test_settings_may_refuse_values_in_any_way(tmp_path, check, words):
    file = written(tmp_path / "picky.py")
    body = f"size: int = 3\n    def __post_init__(self):\n        if self.size != 3: {check}\n"
    text = file.read_text().replace("size: int = 3", body)
    if "require" in check:
        text = text.replace("if self.size != 3: from", "from").replace(
            "r(5,", "self.size == 3 or r(5,"
        )
    file.write_text(text)
    load_files([file])
    with pytest.raises(ConfigError, match=words):
        make_plan("x", {"algorithm": "picky", "size": 4}, runs=1, budgets=[1])
    plan = make_plan("x", {"algorithm": "picky"}, runs=1, budgets=[1])
    assert SearchPlan.from_json(plan.json) == plan
    assert json.loads(plan.json)["settings"] == {"size": 3}
    assert os.path.exists(file)  # noqa: PTH110
