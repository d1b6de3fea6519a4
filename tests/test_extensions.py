"""What users add in files of their own: search algorithms, spaces, image sets."""

from __future__ import annotations

import importlib.metadata
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from trainfree.benchmarks.code import benchmark_code_hash
from trainfree.benchmarks.prepare import prepare_benchmark
from trainfree.cli import main
from trainfree.config import Config, parse_config
from trainfree.errors import ConfigError, ImageError, SourceError, UnknownNameError
from trainfree.files.storage import read_dataset
from trainfree.images.batches import load_mini_batch
from trainfree.images.code import images_code_hash
from trainfree.images.datasets import spec_of
from trainfree.images.prepare import prepare_images
from trainfree.outside import extensions
from trainfree.outside.extensions import file_hash, load_files
from trainfree.provenance import code_hash
from trainfree.proxies import module_of
from trainfree.scoring.jobs.shard import score_shard
from trainfree.scoring.settings.setting import Setting, scoring_code_hash
from trainfree.search import algorithm_names, load_algorithm
from trainfree.search.plan import search_code_hash
from trainfree.search.run import SearchJob, run_search
from trainfree.search.trial import SIZE, artificial_fitness, try_search
from trainfree.spaces import build_network, load_space, space_names

ALGORITHM = """
from trainfree.search.algorithms.random import RandomSearch, RandomSettings

class Mine(RandomSearch):
    def ask(self) -> int:
        return {answer}

ALGORITHM = Mine
"""
SPACE = """
from trainfree.spaces.nasbench201.space import OPERATIONS, CellSpace

SPACES = {{"{name}": lambda: CellSpace("{name}", OPERATIONS[1:3], 4, 1)}}
"""
IMAGES = """
import numpy as np
from trainfree.images.datasets import DatasetSpec
from trainfree.images.readers import ImageSet

GREY = (127.5, 127.5, 127.5)
DATASETS = {{"{name}": DatasetSpec("{name}", 8, 3, GREY, GREY)}}

def read_images(spec):
    image = (np.arange(40 * 8 * 8 * 3) ** 2 % 251).astype(np.{kind}).reshape(40, 8, 8, 3)
    return ImageSet(image, np.arange(40) % {labels}, np.zeros(40, dtype=np.int8))
"""


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / f"{name}.py"
    path.write_text(text)
    return path


def with_search(path: Path, **entry: object) -> Config:
    entry = {"algorithm": path.stem, "signal": "naswot", **entry}
    return parse_config({"search": {"extra": [str(path)], "searches": {"x": entry}}})


def with_space(path: Path, name: str) -> Config:
    return parse_config(
        {"space": name, "spaces": {"extra": [str(path)]}, "search": {"budgets": [5]}}
    )


def job(folder: Path, config: Config, *extra: Path) -> SearchJob:
    benchmark, output = folder / "benchmark.h5", folder / "search.h5"
    plan = replace(config.search.plans()["x"], signal="accuracy", runs=2, counts=(3,))
    return SearchJob("nasbench201_mini", "generated", plan, (), benchmark, output, 0, extra)


def prepared(space: str, output: Path, *extra: Path) -> Path:
    prepare_benchmark(
        *(space, output),
        order=["generated"],
        cache=output.parent,
        mirror=None,
        nats_archive=None,
        timeout=1.0,
        extra=extra,
    )
    return output


# ---------------------------------------------------------------- search algorithms


def test_a_file_with_an_algorithm_is_found_checked_and_run(tmp_path):
    path = written(tmp_path, "seven", ALGORITHM.format(answer=7))
    config = with_search(path)
    plan = config.search.plans()["x"]
    assert config.search_files(plan) == [str(path)]
    prepared("nasbench201_mini", tmp_path / "benchmark.h5")
    run_search(job(tmp_path, config, path))
    found = read_dataset(tmp_path / "search.h5", "search")
    assert np.unique(found["trace_arch"]).tolist() == [7]
    assert found.attrs["code_hash"] == search_code_hash(plan, "nasbench201_mini")
    with pytest.raises(ConfigError, match="unknown key or setting 'patience'"):
        with_search(path, patience=3)


def test_an_edit_of_the_file_changes_the_code_hash_and_a_comment_does_not(tmp_path):
    path = written(tmp_path, "edited", ALGORITHM.format(answer=7))
    plan = with_search(path).search.plans()["x"]
    before = search_code_hash(plan, "nasbench201_mini")
    path.write_text(path.read_text() + "\n# a comment\n")
    with_search(path)
    assert search_code_hash(plan, "nasbench201_mini") == before
    path.write_text(ALGORITHM.format(answer=8))
    with_search(path)
    assert search_code_hash(plan, "nasbench201_mini") != before
    assert try_search("edited", steps=3).asked == [8, 8, 8]


def test_the_hash_of_a_file_covers_what_it_imports_of_the_suite(tmp_path, monkeypatch):
    path = written(tmp_path, "one", ALGORITHM.format(answer=7))
    before = file_hash(path)
    seen = []

    def spy(*modules: str) -> str:
        seen.extend(modules)
        return "another"

    monkeypatch.setattr(extensions, "code_hash", spy)
    assert file_hash(path) != before
    assert "trainfree.search.algorithms.random" in seen


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "no such file"),
        ("def broken(:\n", "is not Python"),
        ("x = 1\n", r"search\.extra names it; expected a class with ask and tell"),
        ("class A: pass\nALGORITHM = A\n", "ALGORITHM lacks settings_type, presets"),
        ("import no_such_module\nALGORITHM = 1\n", r"bad\.py: ModuleNotFoundError"),
    ],
)
def test_files_that_are_no_algorithms_are_named_before_anything_runs(tmp_path, text, words):
    path = tmp_path / "bad.py"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=words):
        with_search(path)


def test_names_that_are_taken_or_no_file_names_are_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"algorithm 'rea' of .* is already defined"):
        with_search(written(tmp_path, "rea", ALGORITHM.format(answer=1)))
    with pytest.raises(ConfigError, match="expected a name of lower-case letters, digits and '_'"):
        with_search(written(tmp_path, "My-Search", ALGORITHM.format(answer=1)))
    with pytest.raises(UnknownNameError, match="unknown algorithm 'raa'; did you mean 'rea'"):
        load_algorithm("raa")


def test_new_search_writes_one_that_passes_its_own_test(tmp_path, capsys):
    assert main(["new-search", "first_idea", "--folder", str(tmp_path)]) == 0
    assert "search: {extra: [" in capsys.readouterr().out
    path = tmp_path / "first_idea.py"
    with_search(path, patience=5)
    namespace: dict = {"__file__": str(tmp_path / "test_first_idea.py"), "__name__": "t"}
    exec(compile((tmp_path / "test_first_idea.py").read_text(), "t", "exec"), namespace)
    namespace["test_it_asks_for_architectures_of_the_space"]()
    namespace["test_a_run_repeats_and_its_beginning_does_not_depend_on_its_length"](1)
    namespace["test_it_finds_more_than_random_search"]()
    namespace["test_it_goes_on_where_everything_fails"]()
    assert main(["new-search", "first_idea", "--folder", str(tmp_path)]) == 2
    assert "already exists" in capsys.readouterr().err
    assert main(["new-search", "area", "--folder", str(tmp_path)]) == 2
    assert "this name is already used" in capsys.readouterr().err


def test_the_trial_tells_an_artificial_fitness_that_favours_convolutions():
    fitness = artificial_fitness()
    assert len(set(fitness)) == SIZE == len(load_space("nasbench201_mini"))
    assert fitness[728] - fitness[0] > 8
    assisted = try_search("area", steps=30, settings={"scored": 12})
    assert len(assisted.asked) == 30


# ---------------------------------------------------------------- spaces


def test_a_variation_of_a_space_is_one_line(tmp_path):
    path = written(tmp_path, "few", SPACE.format(name="few_cells"))
    config = with_space(path, "few_cells")
    assert config.space_files == [str(path)]
    space = load_space("few_cells")
    assert len(space) == 64
    assert build_network(space, 63, 8, 10).params > build_network(space, 0, 8, 10).params
    setting = config.scoring_setting("cifar10")
    assert setting.extra == ((str(path), file_hash(path)),)
    assert scoring_code_hash(setting) == code_hash(
        *("trainfree.scoring.jobs.shard", "trainfree.spaces.nasbench201.space"),
        *(module_of(name) for name in setting.proxies),
        *("trainfree.spaces.nasbench201.skeleton", "trainfree.scoring.architectures.networks"),
    )
    with pytest.raises(
        ConfigError, match="N = 1000 is larger than the space few_cells with its 64"
    ):
        parse_config({"space": "few_cells", "spaces": {"extra": [str(path)]}})


def test_accuracies_of_a_space_of_ones_own(tmp_path):
    path = written(tmp_path, "known", SPACE.format(name="known_cells"))
    with pytest.raises(SourceError, match=r"has no function trained_accuracies.*snakemake scores"):
        prepared("known_cells", tmp_path / "b.h5", path)
    table = "import numpy as np\nfrom trainfree.benchmarks.schema import BenchmarkTable\n"
    given = "\ndef trained_accuracies(space):\n    return BenchmarkTable({key}, remark='by me')\n"
    key = "{('cifar10', 'test', 20, 'mean'): VALUES}"
    for values, words in (("np.arange(63.0)", "each of the 64"), ("np.arange(64.0) * 9", "567")):
        text = table + f"VALUES = {values}\n" + path.read_text() + given.replace("{key}", key)
        bad = written(tmp_path, f"known_{words[-2:]}", text)
        with pytest.raises(SourceError, match=words):
            prepared("known_cells", tmp_path / "b.h5", bad)
    good = text.replace("* 9", "* 1.5")
    data = read_dataset(
        prepared("known_cells", tmp_path / "b.h5", written(tmp_path, "known_good", good)),
        "benchmark",
    )
    assert data["accuracy"].sel(arch=2).max() == 3.0
    assert data.attrs["source_note"] == "by me"
    assert data.attrs["code_hash"] == benchmark_code_hash("known_cells")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("SPACES = {}\n", r"expected the line `SPACES = "),
        (SPACE.format(name="Bad-Name"), "expected a name of lower-case letters, digits and '_'"),
        (SPACE.format(name="nasbench201"), "space 'nasbench201' of .* is already defined"),
        ("class Odd:\n    name = 'odd'\nSPACES = {'odd': Odd}\n", "lacks operations, warm_up"),
        (SPACE.format(name="odd").replace('("odd"', '("even"'), "have that name, found 'even'"),
    ],
)
def test_files_that_are_no_spaces_are_named_before_anything_runs(tmp_path, text, words):
    path = written(tmp_path, "bad", text)
    with pytest.raises(ConfigError, match=words):
        with_space(path, "odd")


# ---------------------------------------------------------------- image sets


def test_images_of_ones_own_are_prepared_and_scored(tmp_path):
    path = written(tmp_path, "grey", IMAGES.format(name="grey-steps", kind="uint8", labels=3))
    config = parse_config({"datasets": ["grey-steps"], "images": {"extra": [str(path)]}})
    setting = replace(
        *[config.scoring_setting("grey-steps")], space="nasbench201_mini", proxies=("naswot",)
    )
    assert setting.extra == ((str(path), file_hash(path)),)
    images = tmp_path / "images.h5"
    prepare = ["prepare-images", "--dataset", "grey-steps", "--order", "mirror", "--cache", "x"]
    assert main([*prepare, "--output", str(images), "--extra", str(path)]) == 0
    data = read_dataset(images, "images")
    assert data.attrs["source_note"] == "images of the user's own, as grey.py reads them"
    assert data.attrs["code_hash"] == images_code_hash("grey-steps")
    assert load_mini_batch(images, 8, 0, "images").shape == (8, 3, 8, 8)
    score_shard(replace(setting, batch_size=8), 727, 728, images, tmp_path / "s.h5", "cpu", 1)
    assert np.isfinite(read_dataset(tmp_path / "s.h5", "scores")["score"]).all()
    assert spec_of("grey-steps").classes == 3


@pytest.mark.parametrize(
    ("kind", "labels", "words"),
    [
        ("float32", 3, r"expected uint8 images of shape \(n, 8, 8, 3\), found float32"),
        ("uint8", 4, "label: expected 40 numbers from 0 to 2"),
    ],
)
def test_images_that_are_not_what_was_said_are_refused(tmp_path, kind, labels, words):
    path = written(tmp_path, "wrong", IMAGES.format(name="wrong-images", kind=kind, labels=labels))
    with pytest.raises(ImageError, match=words):
        prepare_images(
            *("wrong-images", tmp_path / "i.h5"),
            order=["mirror"],
            cache=tmp_path,
            mirror=None,
            timeout=1.0,
            extra=[path],
        )
    assert not (tmp_path / "i.h5").exists()


# ---------------------------------------------------------------- packages


def test_installed_packages_offer_all_kinds(tmp_path, monkeypatch):
    (tmp_path / "offer_a.py").write_text(ALGORITHM.format(answer=5))
    (tmp_path / "offer_s.py").write_text(SPACE.format(name="offered_space"))
    (tmp_path / "offer_i.py").write_text(IMAGES.format(name="offered", kind="uint8", labels=3))
    monkeypatch.syspath_prepend(str(tmp_path))
    offered = {
        "search": ("offered_search", "offer_a"),
        "spaces": ("offered_space", "offer_s"),
        "images": ("offered", "offer_i"),
    }
    points = {
        room: [importlib.metadata.EntryPoint(name, module, f"trainfree.{room}")]
        for room, (name, module) in offered.items()
    }
    monkeypatch.setattr(extensions, "installed", lambda kind: points.get(kind.room, []))
    assert "offered_search" in algorithm_names()
    assert "offered_space" in space_names()
    assert try_search("offered_search", steps=2).asked == [5, 5]
    assert len(load_space("offered_space")) == 64
    assert spec_of("offered").image_size == 8
    alone = Setting("nasbench201_mini", "generated", ("params",), 8, "pytorch", "images", 0)
    assert scoring_code_hash(replace(alone, dataset="offered")) != scoring_code_hash(alone)


def test_a_file_is_executed_once_until_it_changes(tmp_path):
    path = written(tmp_path, "counted", ALGORITHM.format(answer=1) + "RUNS = object()\n")
    load_files([path])
    first = load_algorithm("counted")
    load_files([path])
    assert load_algorithm("counted") is first
    path.write_text(path.read_text() + "\n")
    load_files([path])
    assert load_algorithm("counted") is not first
