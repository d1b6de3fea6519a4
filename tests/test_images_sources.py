"""Image sets: the same pixels from every form of file, damage noticed, stand-ins named."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from PIL import Image

from trainfree.errors import ForbiddenPickleError, ImageError, SourceError, UnknownNameError
from trainfree.files.storage import read_dataset
from trainfree.images.datasets import DATASETS
from trainfree.images.prepare import content_sha256, images_dataset, prepare_images
from trainfree.images.readers import READERS, ImageSet, read_images
from trainfree.randomness import stream
from trainfree.sources.checksums import Checksum
from trainfree.sources.delivery import Delivery
from trainfree.sources.mirror import MirrorFile, MirrorSource
from trainfree.sources.recipes import RECIPES

COUNT = 3  # images in each batch of the small archives
CIFAR10 = DATASETS["cifar10"]
BATCHES = [f"data_batch_{number}" for number in range(1, 6)] + ["test_batch"]


class Python2Pickler(pickle._Pickler):
    """Writes bytes as Python 2 wrote its strings, as in the official archives."""

    dispatch = pickle._Pickler.dispatch.copy()

    def save_python2_string(self, value: bytes) -> None:
        self.write(pickle.BINSTRING + len(value).to_bytes(4, "little") + value)
        self.memoize(value)

    dispatch[bytes] = save_python2_string


def python2_pickle(value: object) -> bytes:
    buffer = io.BytesIO()
    Python2Pickler(buffer, protocol=2, fix_imports=True).dump(value)
    return buffer.getvalue().replace(b"numpy._core.multiarray", b"numpy.core.multiarray")


def write_tar(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


@pytest.fixture
def pixels() -> np.ndarray:
    """(6 batches, images, y, x, rgb)."""
    shape = (len(BATCHES), COUNT, 32, 32, 3)
    return stream(1, "test-pixels").integers(0, 256, shape, dtype=np.uint8)


LABELS = [[(7 * batch + image) % 10 for image in range(COUNT)] for batch in range(len(BATCHES))]


def official(path: Path, pixels: np.ndarray, **changed: bytes) -> Delivery:
    members = {"cifar-10-batches-py/batches.meta": python2_pickle({b"num_cases_per_batch": 3})}
    for number in (5, 0, 1, 2, 3, 4):  # as in the real archive, not in order
        planes = pixels[number].transpose(0, 3, 1, 2).reshape(COUNT, -1)
        batch = {b"data": np.ascontiguousarray(planes), b"labels": LABELS[number]}
        members[f"cifar-10-batches-py/{BATCHES[number]}"] = python2_pickle(batch)
    for name, content in changed.items():
        members[f"cifar-10-batches-py/{name}"] = content
    return Delivery("official", "cifar10-archive", {"archive": write_tar(path, members)})


def sprites(path: Path, pixels: np.ndarray, **changed: bytes) -> Delivery:
    members = {"package/package.json": b"{}"}
    for number, name in enumerate(BATCHES):
        buffer = io.BytesIO()
        Image.fromarray(pixels[number].reshape(COUNT, 1024, 3)).save(buffer, "PNG")
        members[f"package/{name}.png"] = buffer.getvalue()
    train = [label for batch in LABELS[:5] for label in batch]
    members["package/train_lables.json"] = json.dumps(train).encode()
    members["package/test_lables.json"] = json.dumps(LABELS[5]).encode()
    members |= {f"package/{name.replace('_json', '.json')}": changed[name] for name in changed}
    return Delivery("registry", "cifar10-sprites", {"archive": write_tar(path, members)})


def test_the_official_archive_and_the_npm_package_give_the_same_content(tmp_path, pixels):
    expected = pixels.reshape(-1, 32, 32, 3)
    hashes = set()
    for delivery in (
        official(tmp_path / "official.tar.gz", pixels),
        sprites(tmp_path / "package.tgz", pixels),
    ):
        images = read_images(delivery, CIFAR10, seed=0)
        np.testing.assert_array_equal(images.image, expected)
        assert images.label.tolist() == [label for batch in LABELS for label in batch]
        assert images.split.tolist() == [0] * 15 + [1] * 3
        assert (images.image.dtype, images.label.dtype, images.split.dtype) == (
            np.uint8,
            np.int64,
            np.int8,
        )
        hashes.add(content_sha256(images))
    assert hashes == {hashlib.sha256(expected.tobytes()).hexdigest()}


def test_cifar100_has_fine_labels(tmp_path):
    planes = stream(2, "test-pixels").integers(0, 256, (4, 3072), dtype=np.uint8)
    content = {
        name: python2_pickle(
            {b"data": planes[part], b"fine_labels": [99, 3], b"coarse_labels": [1]}
        )
        for name, part in (("train", slice(0, 2)), ("test", slice(2, 4)))
    }
    path = write_tar(
        tmp_path / "c.tar.gz", {f"cifar-100-python/{k}": v for k, v in content.items()}
    )
    images = read_images(
        Delivery("official", "cifar100-archive", {"archive": path}), DATASETS["cifar100"], 0
    )
    assert images.label.tolist() == [99, 3, 99, 3]
    assert images.split.tolist() == [0, 0, 1, 1]
    # Official planes: all red values, then all green, then all blue.
    assert images.image[1, 0, 5].tolist() == [
        planes[1, 5],
        planes[1, 1024 + 5],
        planes[1, 2048 + 5],
    ]


class _Evil:
    def __reduce__(self):
        return (print, ("the pickle was obeyed",))


def test_damage_in_the_official_archive_names_file_and_member(tmp_path, pixels, capsys):
    path = tmp_path / "official.tar.gz"

    def read(**changed: bytes) -> None:
        read_images(official(path, pixels, **changed), CIFAR10, 0)

    with pytest.raises(ForbiddenPickleError, match=r"official\.tar\.gz: .*data_batch_3: asks for"):
        read(data_batch_3=pickle.dumps(_Evil()))
    assert "obeyed" not in capsys.readouterr().out
    good = python2_pickle({b"data": np.zeros((1, 3072), np.uint8), b"labels": [1]})
    for content, reason in (
        (good[:-50], "truncated"),
        (pickle.dumps([1, 2]), "expected a dictionary, found list"),
        (pickle.dumps({"labels": [1]}), "expected an array data"),
        (python2_pickle({b"data": np.zeros((1, 768), np.uint8), b"labels": [1]}), "expected 3072"),
        (python2_pickle({b"data": np.zeros((2, 3072), np.uint8), b"labels": [1]}), "one per label"),
    ):
        with pytest.raises(SourceError, match=rf"test_batch: .*{reason}"):
            read(test_batch=content)
    write_tar(path, {"cifar-10-batches-py/test_batch": good})
    with pytest.raises(SourceError, match=r"official\.tar\.gz: has no .*data_batch_1"):
        read_images(Delivery("official", "cifar10-archive", {"archive": path}), CIFAR10, 0)


def test_damage_in_the_npm_package_names_file_and_member(tmp_path, pixels):
    narrow = io.BytesIO()
    Image.new("RGB", (100, 3)).save(narrow, "PNG")
    for name, content, reason in (
        ("test_lables_json", b"[1, 2]", "test_lables.json: expected 3 labels|one per label"),
        ("test_lables_json", b"[1, 2, 3, 4]", "test_lables.json: expected 3 labels, found 4"),
        ("test_lables_json", b'{"a"', "test_lables.json: is not JSON"),
        ("test_lables_json", b'["x"]', "expected a list of whole numbers"),
        ("test_batch.png", narrow.getvalue(), "expected an RGB picture 1024 wide"),
        ("test_batch.png", b"not a picture", "cannot be read as PNG"),
    ):
        delivery = sprites(tmp_path / "package.tgz", pixels, **{name: content})
        with pytest.raises(SourceError, match=reason) as raised:
            read_images(delivery, CIFAR10, 0)
        assert "package.tgz" in str(raised.value)


def npz(path: Path, image: np.ndarray) -> Path:
    np.savez_compressed(path, images=image, labels=np.arange(len(image), dtype=np.int64) % 10)
    return path


def prepare(dataset: str, output: Path, mirror: Path | None, **options) -> xr.Dataset:
    order = options.pop("order", ["mirror"])
    prepare_images(
        dataset,
        output,
        order=order,
        cache=output.parent / "cache",
        mirror=str(mirror) if mirror else None,
        timeout=0.2,
        **options,
    )
    return read_dataset(output, "images")


@pytest.fixture
def no_mirror(monkeypatch):
    monkeypatch.delenv("TRAINFREE_MIRROR", raising=False)


@pytest.mark.usefixtures("no_mirror")
def test_a_corrupt_first_file_is_passed_over_for_the_next(tmp_path, monkeypatch, pixels):
    good = official(tmp_path / "good.tar.gz", pixels)
    (tmp_path / "bad.npz").write_bytes(npz(tmp_path / "x.npz", pixels[0]).read_bytes()[:-200])
    sources = (
        MirrorSource("npz", {"archive": MirrorFile(("bad.npz",))}),
        MirrorSource(
            "cifar10-archive",
            {"archive": MirrorFile(("good.tar.gz",), Checksum("sha256", "0" * 64))},
        ),
        MirrorSource("cifar10-archive", {"archive": MirrorFile(("good.tar.gz",))}, note="good"),
    )
    monkeypatch.setitem(RECIPES, "cifar10-images", sources)
    found = prepare("cifar10", tmp_path / "out" / "cifar10.h5", tmp_path)
    assert found.attrs["source_note"] == "good"
    np.testing.assert_array_equal(found["image"], read_images(good, CIFAR10, 0).image)

    monkeypatch.setitem(RECIPES, "cifar10-images", sources[:2])
    with pytest.raises(SourceError) as raised:
        prepare("cifar10", tmp_path / "none" / "cifar10.h5", tmp_path)
    assert "bad.npz: expected a NumPy archive" in str(raised.value)
    assert f"expected sha256 {'0' * 64}, found " in str(raised.value)
    assert not (tmp_path / "none").exists()


@pytest.mark.usefixtures("no_mirror")
def test_equal_images_are_refused_and_nothing_is_written(tmp_path):
    (tmp_path / "images").mkdir()
    npz(tmp_path / "images" / "cifar10_train10k.npz", np.full((5, 32, 32, 3), 7, np.uint8))
    with pytest.raises(ImageError, match="cifar10: expected different images, found 5 equal ones"):
        prepare("cifar10", tmp_path / "out" / "cifar10.h5", tmp_path)
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("no_mirror")
def test_images_of_another_size_or_type_are_refused(tmp_path):
    (tmp_path / "images").mkdir()
    path = tmp_path / "images" / "cifar10_train10k.npz"
    rng = stream(3, "test-pixels")
    for image in (
        rng.integers(0, 256, (5, 16, 16, 3), dtype=np.uint8),
        rng.random((5, 32, 32, 3)),
        np.full((5, 32, 32, 3), np.nan),
    ):
        npz(path, image)
        with pytest.raises(SourceError, match=r"train10k\.npz: expected uint8 images of shape"):
            prepare("cifar10", tmp_path / "out.h5", tmp_path)
    np.savez(path, images=np.array([{"a": 1}], dtype=object), labels=np.zeros(1))
    with pytest.raises(SourceError, match=r"train10k\.npz: expected a NumPy archive"):
        prepare("cifar10", tmp_path / "out.h5", tmp_path)


def test_an_unknown_data_set_is_named_with_the_near_match(tmp_path):
    with pytest.raises(UnknownNameError, match="did you mean 'cifar100'"):
        prepare("cifar-100", tmp_path / "x.h5", None)


@pytest.mark.usefixtures("no_mirror")
def test_generated_images_are_the_same_bytes_every_time_and_named_artificial(tmp_path):
    files = [tmp_path / name / "generated.h5" for name in ("a", "b", "c")]
    for file, seed in zip(files, (0, 0, 1), strict=True):
        found = prepare("generated", file, None, order=["generated"], seed=seed)
    assert files[0].read_bytes() == files[1].read_bytes()
    assert files[0].read_bytes() != files[2].read_bytes()
    assert found["image"].shape == (400, 8, 8, 3)
    assert found["image"].dtype == np.uint8
    assert found["split"].attrs["flag_meanings"] == "train test"
    assert found["split"].attrs["flag_values"].tolist() == [0, 1]
    assert (found.attrs["source"], found.attrs["stand_in"]) == ("generated", 1)
    assert (found.attrs["image_count"], found.attrs["class_count"]) == (400, 10)
    assert "artificial" in found.attrs["source_note"]
    with pytest.raises(SourceError, match="also exists at: generated"):
        prepare("generated", tmp_path / "d.h5", None, order=["mirror"])


def test_every_form_that_a_recipe_delivers_has_a_reader():
    forms = {
        source.form
        for item, sources in RECIPES.items()
        if item.endswith("-images")
        for source in sources
    }
    assert forms <= set(READERS)
    assert {f"{name}-images" for name in DATASETS} <= set(RECIPES)


def test_an_empty_image_set_is_refused():
    empty = ImageSet(np.zeros((0, 8, 8, 3), np.uint8), np.zeros(0, np.int64), np.zeros(0, np.int8))
    delivery = Delivery("mirror", "npz")
    with pytest.raises(ImageError, match="found 0"):
        images_dataset(DATASETS["generated"], empty, delivery, order=["mirror"], seed=0)


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("dataset", "count", "classes", "size", "stand_in", "words"),
    [
        ("cifar10", 10000, 10, 32, 0, "subset"),
        ("cifar100", 4000, 100, 32, 0, "subset"),
        ("imagenet16-120", 278, 120, 16, 1, "stand-in"),
    ],
)
def test_real_images_of_the_mirror(
    shared_data, tmp_path, monkeypatch, dataset, count, classes, size, stand_in, words
):
    monkeypatch.setenv("TRAINFREE_MIRROR", str(shared_data))
    found = prepare(dataset, tmp_path / "x.h5", None)
    assert found["image"].shape == (count, size, size, 3)
    assert (found.attrs["image_count"], found.attrs["class_count"]) == (count, classes)
    assert found.attrs["stand_in"] == stand_in
    assert words in found.attrs["source_note"]
    assert not found["split"].any()
    if dataset == "cifar10":  # the first labels of the official training set
        assert found["label"][:12].to_numpy().tolist() == [6, 9, 9, 4, 1, 1, 2, 7, 8, 3, 4, 7]
