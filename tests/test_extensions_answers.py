"""Spaces, accuracies and image sets of others that are not what they have to be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from trainfree.benchmarks.prepare import prepare_benchmark
from trainfree.cli import main
from trainfree.errors import ConfigError, ImageError, SourceError
from trainfree.images.datasets import dataset_names, spec_of
from trainfree.images.prepare import prepare_images
from trainfree.outside.extensions import file_hash, load_files
from trainfree.scoring.jobs.shard import score_shard
from trainfree.scoring.settings.setting import Setting
from trainfree.spaces import build_network, load_space


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / f"{name}.py"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    return path


# ---------------------------------------------------------------- spaces

SPACE = """
import numpy as np
from trainfree.errors import UnknownNameError
from trainfree.spaces.network import *
from trainfree.spaces.network import NetworkBuilder, Network

class Few:
    name = "few_of_mine"
    operations = ("a", "b")
    warm_up_architecture = 3

    def __len__(self): return 4
    def to_string(self, index): return f"n{index}"
    def parse(self, text): return int(text[1:])
    def sample(self, rng): return int(rng.integers(4))
    def neighbours(self, index): return [(index + 1) % 4]
    def mutate(self, index, rng, rule):
        if rule != "one_change": raise UnknownNameError("rule", rule, ["one_change"])
        return (index + 1) % 4

def build_network(space, index, image_size, classes):
    b = NetworkBuilder()
    x = b.input(3, image_size)
    x = b.end_block(b.relu(b.batch_norm(b.conv(x, 8, 3)), modules=1, wrapped=False))
    x = b.end_block(b.avg_pool(x, 2, 2, 0))
    b.linear(b.global_avg_pool(x), classes)
    network = b.network()
    return network

SPACES = {"few_of_mine": Few}
"""
SPACES = [
    ("return 4\n    def to", "return 0\n    def to", "len: expected 1 to 2147483647 .* found 0"),
    ("return 4\n    def to", "return -1\n    def to", "few_of_mine: ValueError: __len__"),
    ("return 4\n    def to", "return 4.0\n    def to", "few_of_mine: TypeError"),
    ("return 4\n    def to", "return 2**40\n    def to", "len: expected 1 to 2147483647"),
    ("return 4\n    def to", "return 10**30\n    def to", "few_of_mine: OverflowError"),
    ('("a", "b")', "(1, 2)", "operations: expected a tuple of texts"),
    ('("a", "b")', "None", "few_of_mine: TypeError"),
    ("warm_up_architecture = 3", "warm_up_architecture = 4", "warm_up_.* 0 to 3, found 4"),
    ("warm_up_architecture = 3", "warm_up_architecture = True", "warm_up_.* found True"),
    ('f"n{index}"', "index", r"to_string\(0\): expected a string .* found 0"),
    ('f"n{index}"', '"n0"', "to_string: expected a different string .* found 'n0' for 0 and 1"),
    ('f"n{index}"', '""', r"to_string\(0\): expected a string"),
    ('f"n{index}"', 'f"n{index}\\0"', r"to_string\(0\): expected a string of printable"),
    ('f"n{index}"', 'f"n{index}\\ud800"', r"to_string\(0\): expected a string of printable"),
    ('f"n{index}"', "1 / 0", "the space few_of_mine: ZeroDivisionError"),
    ("int(text[1:])", "0", r"parse\('n1'\): expected 1, found 0"),
    ("int(text[1:])", "float(text[1:])", r"parse\('n0'\): expected 0, found 0\.0"),
    ("int(rng.integers(4))", "4", r"sample\(rng\): .* 0 to 3, found 4"),
    ("int(rng.integers(4))", "-1", r"sample\(rng\): .* 0 to 3, found -1"),
    ("int(rng.integers(4))", "0.5", r"sample\(rng\): .* found 0\.5"),
    ("[(index + 1) % 4]", "[index + 1]", r"neighbours\(3\): .* 0 to 3, found 4"),
    ("[(index + 1) % 4]", "None", "few_of_mine: TypeError"),
    (
        "return (index + 1) % 4\n\ndef",
        "return -1\n\ndef",
        r"mutate\(0, rng, 'one_change'\): .* found -1",
    ),
    ("return (index + 1) % 4\n\ndef", "raise SystemExit(0)\n\ndef", "few_of_mine: SystemExit: 0"),
    *(
        ("    def __len__", f"    def subsets(self): {body}\n    def __len__", f"subsets: {words}")
        for body, words in (
            ("return [True] * 4", "expected a dictionary by name, found list"),
            ("return {3: np.ones(4, bool)}", "expected names of printable characters, found 3"),
            ("return {'odd': [True] * 4}", "'odd': expected an array of 4 truth values"),
            ("return {'odd': np.ones(4)}", "'odd': expected an array of 4 truth values"),
            ("return {'odd': np.ones(3, bool)}", "'odd': expected an array of 4 truth values"),
        )
    ),
    ('name = "few_of_mine"', "name = 3", "to have that name, found 3"),
    ('{"few_of_mine": Few}', '{"few_of_mine": Few}\nSPACES.clear()', "KeyError: 'few_of_mine'"),
    (
        "    def __len__",
        "    def __init__(self): raise BaseException('no')\n    def __len__",
        "BaseException: no",
    ),
]


@pytest.mark.parametrize(("old", "new", "words"), SPACES)
def test_a_space_is_asked_what_others_will_ask_it_when_it_is_loaded(tmp_path, old, new, words):
    assert SPACE.count(old) == 1
    path = written(tmp_path, "few", SPACE.replace(old, new))
    load_files([path])
    with pytest.raises(ConfigError, match=words) as caught:
        load_space("few_of_mine")
    assert str(path) in str(caught.value)


NETWORKS = [
    ("return network", "return None", "expected a Network with nodes, found NoneType"),
    ("return network", "return Network((), ())", "expected a Network with nodes"),
    (
        "return network",
        "return Network(network.nodes, network.shapes[1:])",
        "a shape for each of 7 nodes, found 6",
    ),
    (
        "return network",
        "return Network(network.nodes[:-1], network.shapes[:-1])",
        r"expected 10 outputs, .* found shape \(8,\)",
    ),
    (
        "b.input(3, image_size)",
        "b.input(3, image_size + 4)",
        r"node 0 \(Input\): expected shape \(3, 8, 8\), found \(3, 12, 12\)",
    ),
    (
        "b.input(3, image_size)",
        "b.input(1, image_size)",
        r"node 0 \(Input\): expected shape \(3, 8, 8\)",
    ),
    (
        "b.conv(x, 8, 3)",
        "b.conv(x, 8, 4)",
        r"node 1 \(Conv\): expected shape \(8, 9, 9\), found \(8, 8, 8\)",
    ),
    (
        "b.conv(x, 8, 3)",
        "b.conv(x, 0, 3)",
        r"node 1 \(Conv\): out_channels: expected .* at least 1, found 0",
    ),
    ("b.conv(x, 8, 3)", "b.conv(x, 8.0, 3)", r"node 1 \(Conv\): out_channels: .* found 8\.0"),
    ("b.conv(x, 8, 3)", "b.conv(x, 8, True)", r"node 1 \(Conv\): kernel: .* found True"),
    ("modules=1", "modules=-1", r"node 3 \(Relu\): modules: expected .* at least 1, found -1"),
    ("b.avg_pool(x, 2, 2, 0)", "b.avg_pool(x, 9, 2, 0)", r"node 4 \(AvgPool\): expected shape"),
    (
        "b.linear(",
        "b.nodes.append(Add((1, 4))); b.shapes.append(b.shapes[4]); b.linear(",
        r"node 5 \(Add\): expected shape what the nodes it reads allow",
    ),
    (
        "b.linear(",
        "b.nodes.append(Relu(9, 1, False)); b.shapes.append((8,)); b.linear(",
        r"node 5 \(Relu\): expected to read nodes before it, found 9",
    ),
    (
        "b.linear(",
        "b.nodes.append('relu'); b.shapes.append((8,)); b.linear(",
        r"node 5 \(str\): expected one of Input",
    ),
    (
        ", classes)\n    network",
        ", classes + 1)\n    network",
        r"expected 10 outputs, .* found shape \(11,\)",
    ),
    (
        "network = b.network()",
        "network = b.network(); 1 / 0",
        "build_network of architecture 2: ZeroDivisionError",
    ),
    (
        "network = b.network()",
        "raise SystemExit(0)",
        "build_network of architecture 2: SystemExit: 0",
    ),
    (
        "network = b.network()",
        "b.blocks.append(99); network = b.network()",
        "blocks: expected numbers of nodes",
    ),
]


@pytest.mark.parametrize(("old", "new", "words"), NETWORKS)
def test_a_network_that_cannot_be_is_refused_by_its_node(tmp_path, old, new, words):
    assert SPACE.count(old) == 1
    load_files([written(tmp_path, "few", SPACE.replace(old, new))])
    with pytest.raises(ConfigError, match=words) as caught:
        build_network(load_space("few_of_mine"), 2, 8, 10)
    assert "the space few_of_mine: build_network of architecture 2" in str(caught.value)


def test_a_sound_space_of_others_is_scored(tmp_path):
    path, images = written(tmp_path, "few", SPACE), tmp_path / "i.h5"
    load_files([path])
    assert build_network(load_space("few_of_mine"), 2, 8, 10).params == 8 * 27 + 16 + 90
    prepare_images("generated", images, order=["generated"], cache=tmp_path, mirror=None, timeout=1)
    setting = Setting(
        *("few_of_mine", "generated", ("naswot", "snip"), 8, "pytorch", "images", 0),
        extra=((str(path), file_hash(path)),),
    )
    score_shard(setting, 0, 3, images, tmp_path / "s.h5", "cpu", threads=1)


@pytest.mark.parametrize("body", ["1 / 0", "np.zeros(3)[9]", "raise SystemExit(0)"])
def test_a_space_that_fails_later_is_named_by_its_line_and_no_traceback(tmp_path, capsys, body):
    text = SPACE.replace('return f"n{index}"', 'return f"n{index}" if len(seen) < 9 else fail()')
    fail = f"seen = []\ndef fail():\n    {body}\n"
    text = text.replace("class Few", fail + "\nclass Few").replace(
        "b = NetworkBuilder()", "b = NetworkBuilder(); seen.extend(range(9))"
    )
    path, images = written(tmp_path, "few", text), tmp_path / "i.h5"
    prepare_images("generated", images, order=["generated"], cache=tmp_path, mirror=None, timeout=1)
    setting = Setting(
        *("few_of_mine", "generated", ("params",), 8, "pytorch", "images", 0),
        extra=((str(path), "0"),),
    )
    shard = ["score-shard", "--setting", setting.json, "--first", "0", "--last", "3"]
    shard += ["--images", str(images), "--output", str(tmp_path / "s.h5"), "--device", "cpu"]
    assert main(shard) == 2
    error = capsys.readouterr().err
    assert f"trainfree: error: {path}, line 9: " in error
    assert "Traceback" not in error
    assert not (tmp_path / "s.h5").exists()


# ---------------------------------------------------------------- accuracies and images

ACCURACIES = [
    ("return None", SourceError, "trained_accuracies: expected a BenchmarkTable, found NoneType"),
    ("1 / 0", ConfigError, "trained_accuracies: ZeroDivisionError"),
    ("raise SystemExit(0)", ConfigError, "trained_accuracies: SystemExit: 0"),
]


@pytest.mark.parametrize(("body", "kind", "words"), ACCURACIES)
def test_accuracies_that_cannot_be_had_are_named(tmp_path, body, kind, words):
    text = SPACE + f"\ndef trained_accuracies(space):\n    {body}\n"
    path = written(tmp_path, "few", text)
    with pytest.raises(kind, match=words):
        prepare_benchmark(
            *("few_of_mine", tmp_path / "b.h5"),
            order=["generated"],
            cache=tmp_path,
            mirror=None,
            nats_archive=None,
            timeout=1.0,
            extra=(path,),
        )
    assert not (tmp_path / "b.h5").exists()


IMAGES = """
import numpy as np
from trainfree.images.datasets import DatasetSpec
from trainfree.images.readers import ImageSet
GREY = (127.5, 127.5, 127.5)
DATASETS = {"greys": DatasetSpec("greys", 8, 3, mean=GREY, std=GREY)}

def read_images(spec):
    image = (np.arange(40 * 8 * 8 * 3) ** 2 % 251).astype(np.uint8).reshape(40, 8, 8, 3)
    return ImageSet(image, np.arange(40) % 3, np.zeros(40, dtype=np.int8))
"""
SPECS = [
    ("8, 3, mean", "8.0, 3, mean", r"greys\.image_size: expected a whole number .* found 8\.0"),
    ("8, 3, mean", "0, 3, mean", r"greys\.image_size: .* found 0"),
    ("8, 3, mean", "-8, 3, mean", r"greys\.image_size: .* found -8"),
    ("8, 3, mean", "True, 3, mean", r"greys\.image_size: .* found True"),
    ("8, 3, mean", "10**9, 3, mean", r"greys\.image_size: .* from 1 to 4,096"),
    ("8, 3, mean", "8, 0, mean", r"greys\.classes: expected a whole number from 2 .* found 0"),
    ("8, 3, mean", "8, 1, mean", r"greys\.classes: .* found 1"),
    ("8, 3, mean", "8, '3', mean", r"greys\.classes: .* found '3'"),
    ("mean=GREY", "mean=(1.0, 2.0)", r"greys\.mean: expected three numbers .* found 1\.0, 2\.0"),
    ("mean=GREY", "mean=127.5", r"greys\.mean: expected three numbers .* found 127\.5"),
    ("mean=GREY", "mean=None", r"greys\.mean: .* found None"),
    ("mean=GREY", "mean=(1, 2, float('nan'))", r"greys\.mean: .* found 1, 2, nan"),
    ("mean=GREY", "mean=(1, 2, 300)", r"greys\.mean: .* from 0 to 255, .* found 1, 2, 300"),
    ("mean=GREY", "mean=(1, 2, -3)", r"greys\.mean: .* found 1, 2, -3"),
    ("mean=GREY", "mean=('1', 2, 3)", r"greys\.mean: .* found '1', 2, 3"),
    ("mean=GREY", "mean=(True, 2, 3)", r"greys\.mean: .* found True, 2, 3"),
    (
        "std=GREY",
        "std=(60, 60, 0)",
        r"greys\.std: expected three numbers from 1 .* found 60, 60, 0",
    ),
    ("std=GREY", "std=(60, 60, -1)", r"greys\.std: .* found 60, 60, -1"),
    (
        "std=GREY",
        "std=(0.2, 0.2, 0.2)",
        r"greys\.std: .* on the scale 0 to 255, found 0\.2, 0\.2, 0\.2",
    ),
    ("std=GREY", "std=(60, 60, float('inf'))", r"greys\.std: .* found 60, 60, inf"),
    (
        'Spec("greys"',
        'Spec("gray"',
        "DATASETS: expected a DatasetSpec of the name 'greys', found DatasetSpec",
    ),
    ("std=GREY)}", "std=GREY)}\nDATASETS['greys'] = 3", "of the name 'greys', found 3"),
    ("std=GREY)}", "std=GREY)}\nDATASETS.clear()", "DATASETS: KeyError: 'greys'"),
]


@pytest.mark.parametrize(("old", "new", "words"), SPECS)
def test_what_an_image_set_says_of_itself_is_checked_when_it_is_loaded(tmp_path, old, new, words):
    assert IMAGES.count(old) == 1
    path = written(tmp_path, "greys", IMAGES.replace(old, new))
    load_files([path])
    with pytest.raises(ConfigError, match=words) as caught:
        spec_of("greys")
    assert str(path) in str(caught.value)
    assert "greys" in dataset_names([path])


def test_numbers_may_be_lists_and_numpys(tmp_path):
    text = IMAGES.replace("8, 3, mean=GREY", "np.int64(8), np.uint8(3), mean=list(GREY)")
    load_files([written(tmp_path, "greys", text)])
    spec = spec_of("greys")
    assert (spec.image_size, spec.classes, spec.mean) == (8, 3, (127.5, 127.5, 127.5))
    assert type(spec.classes) is int
    assert np.array(spec.std).dtype == np.float64


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        (
            "return None",
            ImageError,
            "read_images: expected an ImageSet (image, label, split), found",
        ),
        ("return ImageSet([], [], [])", ImageError, "read_images: expected uint8 images of shape"),
        ("1 / 0", ConfigError, "read_images: ZeroDivisionError"),
        ("raise SystemExit(0)", ConfigError, "read_images: SystemExit: 0"),
    ],
)
def test_images_that_cannot_be_had_are_named(tmp_path, capsys, body, kind, words):
    text = IMAGES.replace("def read_images(spec):\n", f"def read_images(spec):\n    {body}\n")
    path = written(tmp_path, "greys", text)
    prepare = ["prepare-images", "--dataset", "greys", "--order", "mirror", "--cache", "x"]
    assert main([*prepare, "--output", str(tmp_path / "i.h5"), "--extra", str(path)]) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "i.h5").exists()
