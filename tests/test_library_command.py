"""``trainfree score``: models of a file, images of all kinds, and what it writes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from library_fixtures import IMAGES, data_folder, in_data_folder
from PIL import Image

import trainfree
from trainfree.cli import main
from trainfree.errors import ConfigError, DataFileError, ImageError
from trainfree.images.folders import MEAN, STD, folder_batch
from trainfree.library.from_text import images_of, labels_of, models_in

__all__ = ["data_folder", "in_data_folder"]

NETS = '''
"""Networks of a user's own."""

from beside import WIDTH
from torch import nn


class Narrow(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Flatten(), nn.Linear(192, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 10))


def wide():
    return nn.Sequential(nn.Flatten(), nn.Linear(192, 32), nn.ReLU(), nn.Linear(32, 10))


def broken():
    raise RuntimeError("no such weights")


ready = Narrow()
both = {"first": ready, "second": wide}
number = 5
'''


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small networks are slower on several, the more so beside other tests."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def nets(tmp_path) -> Path:
    (tmp_path / "beside.py").write_text("WIDTH = 16\n")
    (tmp_path / "nets.py").write_text(NETS)
    return tmp_path / "nets.py"


@pytest.fixture
def pictures(tmp_path) -> Path:
    folder = tmp_path / "pictures"
    rng = np.random.default_rng(0)
    for kind in ("cat", "dog", "fox"):
        (folder / kind / "deeper").mkdir(parents=True)
        for number in range(3):
            pixels = rng.integers(0, 256, (10 + number, 12, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / kind / "deeper" / f"{number}.png")
    (folder / "cat" / "notes.txt").write_text("no picture")
    return folder


def test_a_table_is_shown_and_written(nets, in_data_folder, tmp_path, capsys):
    csv, hdf5 = tmp_path / "scores.csv", tmp_path / "models.h5"
    command = ["score", f"{nets}:ready", f"{nets}:both", "--images", "generated", "--batch", "8"]
    proxies = ["--proxies", "params", "naswot", "snip", "--seeds", "2"]
    files = ["--csv", str(csv), "--hdf5", str(hdf5), "--device", "cpu", "--threads", "1"]
    assert main([*command, *proxies, *files]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["model", "proxy", "score", "spread", "seconds", "state", "why"]
    assert len(lines) == 1 + 3 * 3
    table = pd.read_csv(csv, keep_default_na=False)
    assert table["model"].unique().tolist() == ["ready", "first", "second"]
    assert table["status"].unique().tolist() == ["ok"]
    opened = trainfree.open_scores(hdf5)
    assert opened["model"].to_numpy().tolist() == ["ready", "first", "second"]
    params = opened["score"].sel(proxy="params").to_numpy()
    assert params.tolist() == [192 * 16 + 16 + 170, 192 * 16 + 16 + 170, 192 * 32 + 32 + 330]
    images, labels = trainfree.batch("generated", 8)
    from_library = trainfree.score(
        models_in([f"{nets}:both"], 0), images, labels, proxies=["naswot", "snip"], seeds=2
    )
    for _, row in from_library.iterrows():
        found = opened["score"].sel(model=row["model"], proxy=row["proxy"])
        assert float(found) == row["score"]


def test_the_same_command_gives_the_same_numbers(nets, capsys):
    command = ["score", f"{nets}:ready", "--images", "random:3x8x8", "--batch", "4"]
    shown = []
    for _ in range(2):
        nets.write_text(nets.read_text() + "\n")  # executed again, with weights drawn again
        assert main([*command, "--proxies", "l2_norm", "--labels", "random:10"]) == 0
        shown.append(capsys.readouterr().out.splitlines()[1].split()[2])
    assert shown[0] == shown[1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["{nets}:redy"], "nets.py: has no 'redy'; it has Narrow, wide, broken, ready, both"),
        (["{nets}:number"], "nets.py: number: expected FILE.py:NAME"),
        (["{nets}"], "expected FILE.py:NAME"),
        (["none.py:model"], "none.py: no such file"),
        (["{nets}:ready", "{nets}:ready"], "a model called 'ready' is there already"),
        (["{nets}:broken"], "RuntimeError: no such weights"),
        (["{nets}:ready", "--images", "random:3x8x9"], "forward pass fails"),
        (["{nets}:ready", "--images", "random:3xx8"], "expected sizes such as random:3x224x224"),
        (["{nets}:ready", "--images", "cifar11"], "did you mean 'cifar10'"),
        (["{nets}:ready", "--images", "a/b"], "a/b: no such folder"),
        (["{nets}:ready", "--proxies", "naswott"], "did you mean 'naswot'"),
        (["{nets}:ready", "--batch", "0"], "at least 1, found a batch of 0"),
        (["{nets}:ready", "--labels", "none.npy"], "none.npy: no such file of labels"),
        (["{nets}:ready", "--output", "7"], "output"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(nets, capsys, arguments, said):
    given = [each.format(nets=nets) for each in arguments]
    command = ["score", *given[:1], "--images", "random:3x8x8", "--batch", "4", *given[1:]]
    if given[1:2] == given[:1]:
        command = ["score", *given, "--images", "random:3x8x8"]
    assert main(command) == 2
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error


def test_a_file_of_a_users_own_may_hold_the_proxy(nets, tmp_path, capsys):
    own = tmp_path / "own.py"
    own.write_text(
        "from trainfree.proxies.registry import proxy\n\n\n"
        '@proxy("halved_size", cite="mine")\n'
        "def halved_size(candidate):\n    return candidate.params / 2\n"
    )
    command = ["score", f"{nets}:wide", "--images", "random:3x8x8", "--batch", "4"]
    assert main([*command, "--extra", str(own), "--proxies", "halved_size"]) == 0
    assert f"{(192 * 32 + 32 + 330) / 2:g}" in capsys.readouterr().out


# ---------------------------------------------------------------- images and labels


def test_pictures_are_drawn_by_the_seed_resized_and_normalised(pictures):
    images, labels = folder_batch(pictures, 5, (6, 4), seed=1)
    assert images.shape == (5, 3, 6, 4)
    assert images.dtype == np.float32
    assert labels.dtype == np.int64
    again, same = folder_batch(pictures, 9, (6, 4), seed=1)
    assert np.array_equal(again[:5], images)
    assert np.array_equal(same[:5], labels)
    assert sorted(same) == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert not np.array_equal(folder_batch(pictures, 5, (6, 4), seed=2)[0], images)
    path = pictures / ("cat", "dog", "fox")[labels[0]] / "deeper"
    with_size = {
        number: Image.open(path / f"{number}.png").resize((4, 6), Image.Resampling.BILINEAR)
        for number in range(3)
    }
    expected = [(np.asarray(each) / 255 - MEAN) / STD for each in with_size.values()]
    differences = [np.abs(images[0].transpose(1, 2, 0) - each).max() for each in expected]
    assert min(differences) < 1e-6


def test_pictures_in_no_folder_of_a_class_have_no_labels(pictures):
    Image.new("RGB", (4, 4)).save(pictures / "loose.png")
    assert folder_batch(pictures, 3, (4, 4), seed=0)[1] is None


def test_pictures_that_cannot_be_scored_are_refused(pictures, tmp_path):
    with pytest.raises(ImageError, match=r"at least 10 pictures.*found 9"):
        folder_batch(pictures, 10, (4, 4), seed=0)
    equal = tmp_path / "equal"
    equal.mkdir()
    for name in "ab":
        Image.new("RGB", (4, 4), "red").save(equal / f"{name}.png")
    with pytest.raises(ImageError, match="all 2 of the batch are equal"):
        folder_batch(equal, 2, (4, 4), seed=0)
    (equal / "c.png").write_bytes((equal / "a.png").read_bytes()[:40])
    with pytest.raises(ImageError, match=r"c\.png: cannot be read as a picture"):
        folder_batch(equal, 3, (4, 4), seed=0)


def test_images_are_found_by_what_they_are_called(pictures, in_data_folder):
    from_folder, labels = images_of(str(pictures), 8, 4, 0, IMAGES.parent)
    assert from_folder.shape == (4, 3, 8, 8)
    assert labels.shape == (4,)
    prepared, _ = images_of("generated", 8, 4, 0, IMAGES.parent)
    assert prepared.equal(trainfree.batch("generated", 4)[0])
    noise, without = images_of("random:5x7", 8, 4, 3, IMAGES.parent)
    assert noise.shape == (4, 5, 7)
    assert without is None
    assert abs(float(noise.mean())) < 0.5
    assert noise.equal(images_of("random:5x7", 8, 4, 3, IMAGES.parent)[0])


def test_labels_are_the_images_own_or_those_that_are_named(tmp_path):
    own = object()
    assert labels_of(None, own, 4, 0) is own
    assert labels_of("none", own, 4, 0) is None
    drawn = labels_of("random:3", own, 400, 0)
    assert set(drawn) == {0, 1, 2}
    np.save(tmp_path / "labels.npy", np.array([3, 1, 2, 0]))
    (tmp_path / "labels.txt").write_text("3\n1\n2\n0\n")
    for name in ("labels.npy", "labels.txt"):
        assert labels_of(str(tmp_path / name), own, 4, 0).tolist() == [3, 1, 2, 0]
    np.save(tmp_path / "floats.npy", np.array([0.5]))
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    (tmp_path / "words.txt").write_text("cat\n")
    for name in ("floats.npy", "objects.npy", "words.txt", "none.txt"):
        with pytest.raises(DataFileError, match=name):
            labels_of(str(tmp_path / name), own, 4, 0)


def test_models_of_a_file_are_those_it_holds(nets):
    found = models_in([f"{nets}:both", f"{nets}:Narrow"], 0)
    assert list(found) == ["first", "second", "Narrow"]
    nets.write_text("import torch.nn as nn\nmodel = {1: nn.Linear(3, 4)}\n")
    with pytest.raises(ConfigError, match="by name, found 1: Linear"):
        models_in([f"{nets}:model"], 0)
    nets.write_text("raise SystemExit\n")
    with pytest.raises(ConfigError, match="SystemExit"):
        models_in([f"{nets}:model"], 0)
