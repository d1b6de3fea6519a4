"""Results of several machines: joined as if one had made them, or refused by file."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from analysis_fixtures import write_scores, write_search

from trainfree.cli import main
from trainfree.files.storage import read_dataset, write_dataset
from trainfree.scoring.settings.setting import Setting
from trainfree.spaces import load_space

SIZE = 729
SPACE = load_space("nasbench201_mini")
SETTING = Setting(
    space="nasbench201_mini",
    dataset="generated",
    proxies=("naswot", "params"),
    batch_size=8,
    initialization="pytorch",
    input="images",
    seed=0,
)
PLACE = f"scores/nasbench201_mini/generated/{SETTING.name}"


def write_shard(folder: Path, first: int, last: int, *, change: float = 0, **attributes) -> Path:
    """A shard of the miniature space, both ends included, as a scoring job writes it."""
    arch = np.arange(first, last + 1)
    scores = {"naswot": arch * 0.5, "params": arch % 7}
    scores["naswot"][0] += change
    path = folder / PLACE / "shards" / f"{first:03d}-{last:03d}.h5"
    given = {
        "config": SETTING.json,
        "config_hash": SETTING.hash,
        "space": SETTING.space,
        "dataset": SETTING.dataset,
        "setting": SETTING.name,
        "source_hashes": json.dumps({"images": "ab" * 32}),
        **attributes,
    }
    write_scores(path, scores, **given)
    names = np.array([SPACE.to_string(int(index)) for index in arch], dtype=object)
    data = read_dataset(path, "scores").assign_coords(arch=arch, architecture=("arch", names))
    write_dataset(data, path, "scores")
    return path


def write_found(folder: Path, name: str, *, shift: float = 0, **attributes) -> Path:
    fitness = np.linspace(0, 1, 12).reshape(3, 4)
    path = folder / f"search/nasbench201_mini/generated/{name}.h5"
    given = {"space": "nasbench201_mini", "source_hashes": json.dumps({"benchmark": "cd" * 8})}
    return write_search(path, fitness, 90 + fitness + shift, [2, 4], **given, **attributes)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> list[Path]:
    folder = tmp_path_factory.mktemp("machines")
    folders = [folder / "first", folder / "second"]
    write_shard(folders[0], 0, 242)
    write_shard(folders[0], 243, 485)
    write_shard(folders[1], 243, 485)
    write_shard(folders[1], 486, 728)
    write_found(folders[0], "random")
    write_found(folders[1], "rea")
    return folders


@pytest.fixture
def machines(made, tmp_path) -> list[Path]:
    """Two machines that share 729 architectures, one shard of which both have scored."""
    return [Path(shutil.copytree(folder, tmp_path / folder.name)) for folder in made]


def merge(folders: list[Path], output: Path) -> int:
    return main(["merge", *map(str, folders), "--output", str(output)])


def test_shards_of_two_machines_become_one_scores_file(machines, tmp_path, capsys):
    alone = tmp_path / "alone"
    for first in range(0, SIZE, 243):
        write_shard(alone, first, first + 242)
    for name in ("random", "rea"):
        write_found(alone, name)
    output, expected = tmp_path / "joined", tmp_path / "expected"
    assert merge(machines, output) == 0
    assert "merged from 3 shards" in capsys.readouterr().out
    assert merge([alone], expected) == 0
    names = [sorted(p.relative_to(f) for p in f.rglob("*.h5")) for f in (output, expected)]
    assert names[0] == names[1]
    assert all((output / n).read_bytes() == (expected / n).read_bytes() for n in names[0])
    merged = read_dataset(output / f"{PLACE}.h5", "scores")
    assert merged["arch"].to_numpy().tolist() == list(range(SIZE))
    assert main(["compare", str(output), str(expected)]) == 0


def test_a_part_of_the_shards_is_joined_and_waits_for_the_rest(machines, tmp_path, capsys):
    (machines[0] / PLACE / "shards" / "000-242.h5").unlink()
    assert merge(machines, tmp_path / "joined") == 0
    assert "486 of 729 architectures are scored" in capsys.readouterr().out
    assert not (tmp_path / "joined" / f"{PLACE}.h5").exists()


def test_other_times_of_the_same_scores_are_no_contradiction(machines, tmp_path):
    path = machines[1] / PLACE / "shards" / "243-485.h5"
    data = read_dataset(path, "scores")
    data["seconds"] *= 2
    write_dataset(data, path, "scores")
    assert merge(machines, tmp_path / "joined") == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"config_hash": "0" * 16}, "expected the settings of"),
        ({"config_hash": "0" * 16, "config": '{"batch_size": 9}'}, "batch_size: 8 → 9"),
        ({"code_hash": "f" * 16}, "expected the code of"),
        ({"seed": 7}, "expected the seed of"),
        ({"source_hashes": '{"images": "00"}'}, "expected the images of"),
        ({"change": 1e-9}, "score of naswot differs from"),
    ],
)
def test_what_was_made_otherwise_is_refused_by_file(change, said, machines, tmp_path, capsys):
    path = write_shard(machines[1], 243, 485, **change)
    assert merge(machines, tmp_path / "joined") == 2
    error = capsys.readouterr().err
    assert said in error
    assert str(path) in error
    assert "nothing was written" in error
    assert not (tmp_path / "joined").exists()


def test_scores_on_other_data_sets_must_have_the_same_code(machines, tmp_path, capsys):
    for dataset, code in (("cifar10", "a" * 16), ("cifar100", "b" * 16)):
        path = tmp_path / dataset / f"scores/nasbench201/{dataset}/{SETTING.name}.h5"
        write_scores(path, {"naswot": [1.0, 2.0]}, dataset=dataset, code_hash=code)
    assert merge([tmp_path / "cifar10", tmp_path / "cifar100"], tmp_path / "joined") == 2
    assert "expected the code of" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"shift": 1.0}, "differs from"),
        ({"config_hash": "0" * 16}, "expected the settings of"),
    ],
)
def test_contradicting_searches_are_refused(change, said, machines, tmp_path, capsys):
    write_found(machines[1], "random", **change)
    assert merge(machines, tmp_path / "joined") == 2
    assert said in capsys.readouterr().err


def test_searches_saw_the_same_accuracies_and_seed(machines, tmp_path, capsys):
    path = write_found(machines[1], "rea")
    for change, said in (
        ({"source_hashes": json.dumps({"benchmark": "00"})}, "expected the trained accuracies of"),
        ({"seed": 3}, "expected the seed of"),
    ):
        write_found(machines[1], "rea")
        write_dataset(read_dataset(path, "search").assign_attrs(change), path, "search")
        assert merge(machines, tmp_path / "joined") == 2
        assert said in capsys.readouterr().err


def test_shards_of_another_size_are_taken_where_they_are_contained(machines, tmp_path, capsys):
    write_shard(machines[1], 0, 99)
    assert merge(machines, tmp_path / "joined") == 0
    assert not (tmp_path / "joined" / PLACE / "shards" / "000-099.h5").exists()
    write_shard(machines[1], 0, 99, change=1.0)
    assert merge(machines, tmp_path / "again") == 2
    assert "score of naswot differs from" in capsys.readouterr().err
    write_shard(machines[1], 0, 99)
    write_shard(machines[1], 200, 300)
    (machines[0] / PLACE / "shards" / "000-242.h5").unlink()
    assert merge(machines, tmp_path / "again") == 2
    assert "shares some architectures, but not all" in capsys.readouterr().err


def test_shards_that_contradict_the_merged_file_of_another_machine_are_named(
    machines, tmp_path, capsys
):
    assert merge(machines, tmp_path / "joined") == 0
    write_shard(machines[1], 486, 728, change=2.0)
    only = tmp_path / "only" / f"{PLACE}.h5"
    only.parent.mkdir(parents=True)
    shutil.copy(tmp_path / "joined" / f"{PLACE}.h5", only)
    capsys.readouterr()
    assert merge([tmp_path / "only", machines[1]], tmp_path / "again") == 2
    error = capsys.readouterr().err
    assert "486-728.h5: score of naswot differs from" in error


def test_what_is_no_folder_of_results_is_said_so(machines, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    for folder, said in (("empty", "has no data files"), ("nowhere", "is not a directory")):
        assert merge([machines[0], tmp_path / folder], tmp_path / "joined") == 2
        assert said in capsys.readouterr().err
    assert merge(machines, machines[0]) == 2
    assert "expected a folder that is not there or is empty" in capsys.readouterr().err
    damaged = machines[0] / PLACE / "shards" / "000-242.h5"
    damaged.write_bytes(damaged.read_bytes()[:-90])
    assert merge(machines, tmp_path / "joined") == 2
    assert "000-242.h5: does not end with its checksum" in capsys.readouterr().err
