"""Mini-batches: drawn from the training split by the seed alone, normalised, checked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trainfree.errors import DataFileError, ImageError
from trainfree.files.storage import read_dataset, write_dataset
from trainfree.images.batches import load_mini_batch
from trainfree.images.datasets import DATASETS, TEST, TRAIN
from trainfree.images.prepare import prepare_images
from trainfree.randomness import stream

SPEC = DATASETS["generated"]


@pytest.fixture(scope="module")
def images_file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("images") / "generated.h5"
    prepare_images(
        "generated", path, order=["generated"], cache=path.parent, mirror=None, timeout=1.0
    )
    return path


def rewritten(source: Path, target: Path, image: np.ndarray, **attributes) -> Path:
    """Write a copy of an images file with other pixels."""
    dataset = read_dataset(source, "images")
    dims = ("n", "y", "x", "rgb")[: image.ndim]
    about = dataset["image"].attrs
    dataset = dataset.drop_vars("image").assign(image=(dims, image, about))
    dataset["image"].encoding.clear()
    write_dataset(dataset.assign_attrs(attributes), target, "images")
    return target


def test_the_batch_is_what_a_plain_computation_gives(images_file):
    with xr.open_dataset(images_file, engine="h5netcdf") as dataset:
        image, split = dataset["image"].to_numpy(), dataset["split"].to_numpy()
    rows = stream(5, "mini-batch").permutation(np.flatnonzero(split == TRAIN))[:17]
    expected = np.empty((17, 3, 8, 8))
    for place, row in enumerate(rows):
        for channel in range(3):
            plane = image[row, :, :, channel].astype(float)
            expected[place, channel] = (plane - SPEC.mean[channel]) / SPEC.std[channel]
    batch = load_mini_batch(images_file, 17, seed=5, kind="images")
    assert batch.dtype == np.float32
    assert batch.flags.c_contiguous
    np.testing.assert_array_equal(batch, expected.astype(np.float32))


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 2**40), size=st.integers(1, 320))
def test_a_small_batch_is_the_beginning_of_a_large_one_and_images_do_not_repeat(
    images_file, seed, size
):
    whole = load_mini_batch(images_file, 320, seed, "images")
    np.testing.assert_array_equal(load_mini_batch(images_file, size, seed, "images"), whole[:size])
    assert len(np.unique(whole.reshape(320, -1), axis=0)) == 320


def test_all_training_images_and_no_test_image_can_be_drawn(images_file):
    with xr.open_dataset(images_file, engine="h5netcdf") as dataset:
        train = dataset["image"].to_numpy()[dataset["split"].to_numpy() != TEST]
    batch = load_mini_batch(images_file, len(train), 0, "images")
    mean, std = np.array(SPEC.mean)[:, None, None], np.array(SPEC.std)[:, None, None]
    found = np.rint(batch * std + mean).astype(np.uint8).transpose(0, 2, 3, 1)
    assert {image.tobytes() for image in found} == {image.tobytes() for image in train}


def test_gaussian_input_has_the_shape_of_the_images_and_its_own_stream(images_file):
    batch = load_mini_batch(images_file, 64, 3, "gaussian")
    assert (batch.shape, batch.dtype) == ((64, 3, 8, 8), np.float32)
    assert abs(batch.mean()) < 0.05
    assert abs(batch.std() - 1) < 0.05
    np.testing.assert_array_equal(batch, load_mini_batch(images_file, 64, 3, "gaussian"))
    assert not np.array_equal(batch, load_mini_batch(images_file, 64, 4, "gaussian"))


def test_a_batch_larger_than_the_training_split_is_refused(images_file):
    with pytest.raises(ImageError, match=r"generated\.h5: expected at least 321 .*found 320"):
        load_mini_batch(images_file, 321, 0, "images")
    with pytest.raises(ImageError, match="at least 1 image, found 0"):
        load_mini_batch(images_file, 0, 0, "images")


def test_equal_images_are_refused(images_file, tmp_path):
    path = rewritten(images_file, tmp_path / "x.h5", np.full((400, 8, 8, 3), 9, np.uint8))
    with pytest.raises(ImageError, match=r"x\.h5: expected different images, all 16 .* are equal"):
        load_mini_batch(path, 16, 0, "images")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_pixels_that_are_not_finite_are_refused(images_file, tmp_path, value):
    image = stream(0, "test").random((400, 8, 8, 3))
    image[:, 2, 2, 1] = value
    path = rewritten(images_file, tmp_path / "x.h5", image)
    with pytest.raises(ImageError, match=r"x\.h5: expected finite pixels .*found 16 that are not"):
        load_mini_batch(path, 16, 0, "images")


def test_a_zero_deviation_is_refused(images_file, tmp_path):
    image = stream(0, "test").integers(0, 256, (400, 8, 8, 3), dtype=np.uint8)
    path = rewritten(images_file, tmp_path / "x.h5", image, channel_std=np.array([1.0, 0.0, 1.0]))
    with pytest.raises(ImageError, match="finite"):
        load_mini_batch(path, 16, 0, "images")


@pytest.mark.parametrize("shape", [(400, 8, 8, 4), (400, 8, 8), (400, 8, 8, 1)])
@pytest.mark.parametrize("kind", ["images", "gaussian"])
def test_a_wrong_shape_is_refused(images_file, tmp_path, shape, kind):
    path = rewritten(images_file, tmp_path / "x.h5", np.zeros(shape, np.uint8))
    with pytest.raises(ImageError, match=r"x\.h5: expected image \(n, y, x, rgb\) with 3 channels"):
        load_mini_batch(path, 16, 0, kind)


def test_a_missing_or_truncated_file_is_named(images_file, tmp_path):
    with pytest.raises(DataFileError, match=r"absent\.h5"):
        load_mini_batch(tmp_path / "absent.h5", 4, 0, "images")
    content = images_file.read_bytes()
    (tmp_path / "cut.h5").write_bytes(content[: len(content) // 2])
    with pytest.raises(DataFileError, match=r"cut\.h5"):
        load_mini_batch(tmp_path / "cut.h5", 4, 0, "images")
