"""What a data file says of itself at its end, and what the workflow makes of it."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest
import xarray as xr

from trainfree.files.label import was_made_otherwise
from trainfree.files.storage import provenance_attributes, read_dataset, write_dataset
from trainfree.workflow.rerun import make_again_if_other

SETTINGS = {"plan": {"runs": 5, "counts": (1, 2)}, "seed": 3, "name": "é\n"}


@pytest.fixture
def stored(tmp_path) -> Path:
    path = tmp_path / "a.h5"
    values = xr.Dataset({"x": ((), 1.0, {"units": "1", "long_name": "x"})})
    told = provenance_attributes(
        settings={**SETTINGS, "inputs": {"benchmark": "abc"}}, code="c0de", source_hashes={}
    )
    write_dataset(values.assign_attrs(told), path, "search")
    return path


def test_the_same_settings_and_code_are_no_other(stored):
    assert not was_made_otherwise(stored, SETTINGS, "c0de")
    assert read_dataset(stored, "search")["x"] == 1.0
    with xr.open_dataset(stored, engine="h5netcdf") as opened:
        assert opened["x"] == 1.0


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"seed": 4}, "c0de"),
        ({"plan": {"runs": 6, "counts": (1, 2)}}, "c0de"),
        ({"plan": {"runs": 5, "counts": (2, 1)}}, "c0de"),
        ({"more": None}, "c0de"),
        ({}, "other"),
    ],
)
def test_other_settings_or_other_code_are_seen(stored, change, code):
    assert was_made_otherwise(stored, {**SETTINGS, **change}, code)


def test_code_may_be_any_of_several(stored):
    assert not was_made_otherwise(stored, SETTINGS, "other", "c0de")
    assert was_made_otherwise(stored, SETTINGS, "other", "another")


@pytest.mark.parametrize("harm", ["absent", "empty", "no label", "cut", "folder", "pipe", "link"])
def test_what_cannot_say_anything_is_left_to_its_readers(stored, harm):
    content = stored.read_bytes()
    stored.unlink()
    if harm == "empty":
        stored.touch()
    elif harm == "no label":
        stored.write_bytes(content.replace(b"trainfree label", b"trainfree lapel"))
    elif harm == "cut":
        stored.write_bytes(content[: content.rindex(b"c0de")])
    elif harm == "folder":
        stored.mkdir()
    elif harm == "pipe":
        os.mkfifo(stored)
    elif harm == "link":
        stored.symlink_to(stored)
    assert not was_made_otherwise(stored, {"seed": 4}, "other")


def test_a_file_of_other_settings_is_forced_by_the_main_process_alone(stored):
    forced: set[str] = set()
    workflow = SimpleNamespace(is_main_process=True, dag=SimpleNamespace(forcefiles=forced))
    assert make_again_if_other(workflow, str(stored), SETTINGS, "c0de") == []
    assert forced == set()
    assert make_again_if_other(workflow, str(stored), {"seed": 4}, "c0de") == []
    assert forced == {str(stored)}
    job = SimpleNamespace(is_main_process=False)
    assert make_again_if_other(job, str(stored), {"seed": 4}, "c0de") == []
