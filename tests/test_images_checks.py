"""Pixels, labels and splits that no image set can have are refused where they come in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import test_images_sources as made

from trainfree.errors import ImageError, SourceError
from trainfree.files.storage import write_dataset
from trainfree.images.batches import load_mini_batch, load_mini_batch_labels
from trainfree.images.checks import check_images
from trainfree.images.datasets import DATASETS
from trainfree.images.prepare import images_dataset, prepare_images
from trainfree.images.readers import ImageSet, read_images
from trainfree.randomness import stream
from trainfree.sources.delivery import Delivery

CIFAR10 = DATASETS["cifar10"]
GOOD = ImageSet(
    stream(5, "test-pixels").integers(0, 256, (20, 32, 32, 3), dtype=np.uint8),
    np.arange(20, dtype=np.int64) % 10,
    np.zeros(20, np.int8),
)
LABEL = GOOD.label


def at_five(values: np.ndarray, value: object) -> np.ndarray:
    return np.where(np.arange(len(values)) == 5, value, values)


def test_good_images_pass_unchanged():
    checked = check_images(GOOD, CIFAR10, "x", (20, 0))
    assert checked.image is GOOD.image
    assert (checked.label.dtype, checked.split.dtype) == (np.int64, np.int8)
    np.testing.assert_array_equal(checked.label, LABEL)


@pytest.mark.parametrize(
    ("label", "words"),
    [
        (LABEL.astype(float), "whole ones, found float64"),
        (at_five(LABEL, np.nan), "whole ones, found float64"),
        (LABEL.astype(complex), "whole ones, found complex128"),
        (LABEL > 3, "whole ones, found bool"),
        (LABEL.astype(str), "whole ones, found <U"),
        (LABEL.astype(object), "whole ones, found object"),
        (at_five(LABEL, -1), "found -1 at place 5"),
        (at_five(LABEL, 10), "found 10 at place 5"),
        (at_five(LABEL, 1000), "found 1000 at place 5"),
        (at_five(LABEL, 2**62), "found 4611686018427387904 at place 5"),
        (LABEL[:-1], r"found int64 of shape \(19,\)"),
        (LABEL.reshape(-1, 1), r"found int64 of shape \(20, 1\)"),
        (list(LABEL), "as a NumPy array, found list"),
        (None, "found NoneType"),
    ],
)
def test_labels_that_are_none(label, words):
    with pytest.raises(ImageError, match=f"x: label: expected 20 numbers from 0 to 9.*{words}"):
        check_images(replace(GOOD, label=label), CIFAR10, "x")


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (GOOD.image.astype(np.float32), "found float32 of shape"),
        (GOOD.image.astype(np.int16), "found int16 of shape"),
        (GOOD.image[:, :16], r"found uint8 of shape \(20, 16, 32, 3\)"),
        (GOOD.image[..., :1], r"found uint8 of shape \(20, 32, 32, 1\)"),
        (GOOD.image.transpose(0, 3, 1, 2), r"found uint8 of shape \(20, 3, 32, 32\)"),
        (np.uint8(7), "found uint8|as a NumPy array"),
        (GOOD.image > 100, "found bool"),
        (GOOD.image // 128, "none above 1; they look like numbers from 0 to 1, multiply those by"),
        (GOOD.image.tolist(), "as a NumPy array, found list"),
        (None, "found NoneType"),
    ],
)
def test_pixels_that_are_none(image, words):
    with pytest.raises(ImageError, match=f"x: expected .*{words}"):
        check_images(replace(GOOD, image=image), CIFAR10, "x")


@pytest.mark.parametrize("split", [np.full(20, 2), np.full(20, -1), np.zeros(20), np.zeros(5, int)])
def test_splits_that_are_none(split):
    with pytest.raises(ImageError, match="x: split: expected 20 numbers from 0 to 1"):
        check_images(replace(GOOD, split=split), CIFAR10, "x")
    with pytest.raises(ImageError, match="x: split: expected training images"):
        check_images(replace(GOOD, split=np.ones(20, int)), CIFAR10, "x")


def test_missing_images_and_classes():
    with pytest.raises(ImageError, match="x: expected 50,000 training and 10,000 test images, fou"):
        check_images(GOOD, CIFAR10, "x", (50_000, 10_000))
    with pytest.raises(ImageError, match=r"none of class 8 \(2 classes have none\)"):
        check_images(replace(GOOD, label=LABEL % 8), CIFAR10, "x")


@pytest.mark.parametrize("images", [None, (GOOD.image, LABEL), {"image": GOOD.image}])
def test_what_is_no_image_set(images):
    with pytest.raises(ImageError, match=f"x: expected an ImageSet.*{type(images).__name__}"):
        check_images(images, CIFAR10, "x")


# Through the mirror: the next source is tried, and the reason told


def prepare(mirror: Path, output: Path, dataset: str = "cifar10") -> None:
    prepare_images(dataset, output, order=["mirror"], cache=mirror, mirror=str(mirror), timeout=0.2)


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (np.arange(20) % 10 * 1.0, "expected a list of whole numbers as labels, found float64"),
        (np.arange(20) % 10 * (1 + 0j), "labels should have"),
        (np.arange(20) % 10 + 995, "found 995 at place 0"),
        (np.arange(20) % 10 - 1, "found -1 at place 0"),
        (np.arange(20) % 10 > 2, "labels should have"),
        (np.full(20, 2**40), "expected a list of whole numbers as labels, found 1099511627776"),
        (np.arange(20) % 10, "expected 10,000 training and 0 test images, found 20 and 0"),
        (np.arange(20) % 9, "expected 10,000 training"),
    ],
)
def test_labels_and_numbers_of_a_mirrors_file(tmp_path, monkeypatch, labels, words):
    monkeypatch.delenv("TRAINFREE_MIRROR", raising=False)
    np.savez(tmp_path / "cifar10_train10k.npz", images=GOOD.image, labels=labels)
    with pytest.raises(SourceError, match=rf"cifar10_train10k\.npz: .*{words}"):
        prepare(tmp_path, tmp_path / "out.h5")
    assert not (tmp_path / "out.h5").exists()


@pytest.mark.parametrize("labels", [[1, 2, True], [1, 2, 3.0], [1, 2, "3"], [1, 2, [3]], [1, 2]])
def test_labels_of_the_official_archive(tmp_path, labels):
    batch = {b"data": np.zeros((3, 3072), np.uint8), b"labels": labels}
    pixels = np.zeros((6, 3, 32, 32, 3), np.uint8)
    delivery = made.official(tmp_path / "a.tar.gz", pixels, data_batch_3=made.python2_pickle(batch))
    with pytest.raises(SourceError, match=r"data_batch_3: expected (a list of whole|uint8 images)"):
        read_images(delivery, CIFAR10, 0)


@pytest.mark.parametrize("content", [b"[true, 1, 2]", b"[1e3, 1, 2]", b"[99999999999, 1, 2]"])
def test_labels_of_the_npm_package(tmp_path, content):
    pixels = np.zeros((6, 3, 32, 32, 3), np.uint8)
    delivery = made.sprites(tmp_path / "p.tgz", pixels, test_lables_json=content)
    with pytest.raises(SourceError, match=r"test_lables\.json: expected a list of whole numbers"):
        read_images(delivery, CIFAR10, 0)


@pytest.mark.parametrize(
    "content", [b"[" * 100_000, b"[" + b"9" * 5000 + b"]"], ids=["deep", "big"]
)
def test_json_that_cannot_be_read(tmp_path, content):
    pixels = np.zeros((6, 3, 32, 32, 3), np.uint8)
    delivery = made.sprites(tmp_path / "p.tgz", pixels, test_lables_json=content)
    with pytest.raises(SourceError, match=r"test_lables\.json: is not JSON"):
        read_images(delivery, CIFAR10, 0)


def test_a_stand_in_of_more_classes_keeps_those_there_are(tmp_path):
    """Tiny ImageNet has 200 classes, the networks of ImageNet16-120 have 120 outputs."""
    spec = DATASETS["imagenet16-120"]
    image = stream(6, "test-pixels").integers(0, 256, (200, 16, 16, 3), dtype=np.uint8)
    np.savez(tmp_path / "t.npz", images=image, labels=np.arange(200)[::-1])
    delivery = Delivery("mirror", "npz-first-classes", {"archive": tmp_path / "t.npz"})
    found = read_images(delivery, spec, 0)
    assert found.label.tolist() == list(range(120))[::-1]
    np.testing.assert_array_equal(found.image, image[80:])


@pytest.mark.shared_data
def test_the_real_stand_in_of_more_classes(shared_data, tmp_path):
    (tmp_path / "tinyimagenet16_train5k.npz").symlink_to(
        shared_data / "images" / "tinyimagenet16_train5k.npz"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("TRAINFREE_MIRROR", raising=False)
        prepare(tmp_path, tmp_path / "out.h5", "imagenet16-120")
    labels = load_mini_batch_labels(tmp_path / "out.h5", 3_000, 0)
    assert sorted(set(labels.tolist())) == list(range(120))


# From a prepared file


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d.assign_attrs(channel_std=np.zeros(3)), "channel_std: expected three finite"),
        (lambda d: d.assign_attrs(channel_std=np.ones(2)), "channel_std: expected three finite"),
        (lambda d: d.assign_attrs(channel_mean=np.full(3, np.nan)), "channel_mean: expected three"),
        (lambda d: d.assign_attrs(channel_mean="red"), "channel_mean: expected three finite"),
        (lambda d: d.drop_vars("label"), "expected label"),
        (lambda d: d.drop_vars("split"), "expected split"),
        (lambda d: d.assign(label=d["label"] * 1.0), "expected label"),
    ],
)
def test_a_prepared_file_is_looked_at_once_more(tmp_path, change, words):
    delivery = Delivery("mirror", "npz", note="n")
    dataset = change(images_dataset(CIFAR10, GOOD, delivery, order=["mirror"], seed=0))
    for variable in dataset.data_vars.values():
        variable.attrs |= {"units": "1", "long_name": "x"}
    write_dataset(dataset, tmp_path / "x.h5", "images")
    with pytest.raises(ImageError, match=rf"x\.h5: {words}"):
        load_mini_batch(tmp_path / "x.h5", 4, 0)


# Of the user's own


EXTENSION = """
import numpy as np
from trainfree.images.datasets import DatasetSpec
from trainfree.images.readers import ImageSet

GREY = (127.5, 127.5, 127.5)
DATASETS = {{"mine": DatasetSpec("mine", 8, 3, GREY, GREY)}}
image = (np.arange(40 * 8 * 8 * 3) ** 2 % 251).astype(np.uint8).reshape(40, 8, 8, 3)
label, split = np.arange(40) % 3, np.zeros(40, dtype=np.int8)


def read_images(spec):
    return {answer}
"""


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("None", "expected an ImageSet"),
        ("(image, label, split)", "expected an ImageSet.*found tuple"),
        ("ImageSet(image.tolist(), label, split)", "as a NumPy array, found list"),
        ("ImageSet(image, label.tolist(), split)", "label: .*found list"),
        ("ImageSet(image, label * 1.0, split)", "label: .*whole ones, found float64"),
        ("ImageSet(image, label * 1j, split)", "label: .*whole ones, found complex128"),
        ("ImageSet(image, label, split * 0.0)", "split: .*whole ones, found float64"),
        ("ImageSet(image, label, split + 1)", "split: expected training images"),
        ("ImageSet(image % 2, label, split)", "none above 1"),
        ("ImageSet(image * 0 + 9, label, split)", "expected different images, found 40 equal"),
        ("ImageSet(image, label * 0, split)", "none of class 1"),
        ("ImageSet(image[:0], label[:0], split[:0])", "expected training images"),
    ],
)
def test_answers_of_an_extension(tmp_path, answer, words):
    path = tmp_path / "mine.py"
    path.write_text(EXTENSION.format(answer=answer))
    with pytest.raises(ImageError, match=words):
        prepare_images(
            "mine",
            tmp_path / "out.h5",
            order=["mirror"],
            cache=tmp_path,
            mirror=None,
            timeout=0.2,
            extra=[path],
        )
    assert not (tmp_path / "out.h5").exists()
