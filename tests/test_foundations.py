"""Randomness, provenance and storage: what everything else rests on."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from trainfree import provenance
from trainfree.errors import DataFileError, near_match
from trainfree.files.storage import (
    SCHEMA_VERSIONS,
    open_dataset,
    provenance_attributes,
    read_dataset,
    read_header,
    write_dataset,
)
from trainfree.files.writing import write_atomically, write_text
from trainfree.randomness import stream


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def small_dataset(value: float = 1.0) -> xr.Dataset:
    attributes = provenance_attributes(settings={"a": 1}, code="c", source_hashes={})
    variable = (("arch",), np.full(1000, value), {"units": "1", "long_name": "score"})
    return xr.Dataset({"score": variable}, attrs=attributes)


@given(st.integers(0, 2**64), st.text(min_size=1), st.lists(st.integers(0, 2**31), max_size=3))
def test_a_stream_is_named_by_its_purpose_and_key_alone(seed, purpose, key):
    first = stream(seed, purpose, *key).integers(2**63, size=4)
    stream(seed, "something else", 1).random(3)
    np.testing.assert_array_equal(first, stream(seed, purpose, *key).integers(2**63, size=4))


def test_streams_of_other_names_are_independent():
    draws = {
        tuple(stream(seed, purpose, *key).integers(2**63, size=2))
        for seed in (0, 1)
        for purpose in ("weights", "mini-batch")
        for key in ((), (0,), (1,), (0, 0), (0, 1))
    }
    assert len(draws) == 20


def test_settings_hash_ignores_order_and_sees_values():
    assert provenance.settings_hash({"a": 1, "b": 2}) == provenance.settings_hash({"b": 2, "a": 1})
    assert provenance.settings_hash({"a": 1}) != provenance.settings_hash({"a": 2})


def code_hash_of(tmp_path: Path, monkeypatch, sources: dict[str, str]) -> str:
    for name, text in sources.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr(provenance, "PACKAGE_ROOT", tmp_path)
    for cached in ("_code_hash", "_syntax", "_module_path", "_kept_syntax"):
        getattr(provenance, cached).cache_clear()
    found = provenance.code_hash("trainfree.a")
    for cached in ("_code_hash", "_syntax", "_module_path", "_kept_syntax"):
        getattr(provenance, cached).cache_clear()
    return found


def test_code_hash_follows_imports_and_ignores_comments_and_docstrings(tmp_path, monkeypatch):
    base = {
        "a.py": "from trainfree.b import f\ndef g():\n    import trainfree.c\n    return f()\n",
        "b.py": 'def f():\n    """Doc."""\n    return 1\n',
        "c.py": "x = 1\n",
        "d.py": "y = 1\n",
    }
    original = code_hash_of(tmp_path, monkeypatch, base)
    same = {**base, "b.py": "# why\ndef f():\n    return   1\n", "d.py": "y = 2\n"}
    assert code_hash_of(tmp_path, monkeypatch, same) == original
    for changed in ({"b.py": "def f():\n    return 2\n"}, {"c.py": "x = 2\n"}):
        assert code_hash_of(tmp_path, monkeypatch, {**base, **changed}) != original


def test_imports_are_found_in_every_kind_of_block():
    source = """
def f(x):
    try:
        with open(x):
            import trainfree.errors
    except ImportError:
        from trainfree import randomness
    else:
        if x:
            from trainfree.files.storage import read_dataset
        else:
            async def g():
                import trainfree.files.writing
    match x:
        case 1:
            import numpy, trainfree.progress
"""
    found = provenance.imported_modules(ast.parse(source))
    names = ("errors", "randomness", "files.storage", "files.writing", "progress")
    assert found - {"trainfree", "trainfree.files"} == {f"trainfree.{name}" for name in names}


def test_round_trip_keeps_values_and_provenance(tmp_path):
    path = tmp_path / "deep" / "x.h5"
    write_dataset(small_dataset(), path, "scores")
    data = read_dataset(path, "scores", {"config_hash": provenance.settings_hash({"a": 1})})
    assert float(data["score"].sum()) == 1000
    assert data.attrs["schema"] == "scores"
    assert "torch" in data.attrs["libraries"]
    assert names_in(path.parent) == ["x.h5"]


def test_a_header_is_that_of_the_opened_file(tmp_path):
    path = tmp_path / "x.h5"
    write_dataset(small_dataset(), path, "scores")
    attributes, sizes = read_header(path, "scores")
    with open_dataset(path, "scores") as opened:
        assert attributes == opened.attrs
        assert sizes == dict(opened.sizes) == {"arch": 1000}
    with pytest.raises(DataFileError, match="expected schema = 'search', found 'scores'"):
        read_header(path, "search")
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(
        DataFileError, match=r"x\.h5: does not end with its checksum: it is damaged"
    ):
        read_header(path, "scores")


def test_same_content_gives_same_bytes(tmp_path):
    for name in ("a.h5", "b.h5"):
        write_dataset(small_dataset(), tmp_path / name, "scores")
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_variables_without_units_are_refused(tmp_path):
    with pytest.raises(ValueError, match="lacks long_name"):
        write_dataset(xr.Dataset({"s": ("x", [1.0], {"units": "1"})}), tmp_path / "x.h5", "scores")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("keep", [0, 10, 100, 0.5, 0.95])
def test_truncated_file_is_named(tmp_path, keep):
    path = tmp_path / "x.h5"
    write_dataset(small_dataset(), path, "scores")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(keep * len(whole)) if isinstance(keep, float) else keep])
    with pytest.raises(DataFileError, match=r"x\.h5.*truncated|x\.h5.*damaged"):
        read_dataset(path, "scores")


def test_missing_file_other_kind_version_and_config_are_named(tmp_path, monkeypatch):
    path = tmp_path / "x.h5"
    with pytest.raises(DataFileError, match="no such scores file"):
        open_dataset(path, "scores")
    write_dataset(small_dataset(), path, "scores")
    with pytest.raises(DataFileError, match="expected schema = 'search', found 'scores'"):
        open_dataset(path, "search")
    with pytest.raises(DataFileError, match="expected config_hash = 'other'"):
        open_dataset(path, "scores", {"config_hash": "other"})
    monkeypatch.setitem(SCHEMA_VERSIONS, "scores", 99)
    with pytest.raises(DataFileError, match="expected schema_version = 99, found 1"):
        open_dataset(path, "scores")


def test_failed_write_leaves_the_old_file_and_no_litter(tmp_path):
    path = tmp_path / "x.txt"
    write_text(path, "old")

    def half(temporary: Path) -> None:
        temporary.write_text("ha")
        raise KeyError("bug")

    with pytest.raises(KeyError):
        write_atomically(path, half)
    assert path.read_text() == "old"
    assert names_in(tmp_path) == ["x.txt"]


def test_full_disk_is_an_error_that_names_the_file(tmp_path):
    """A file-size limit stands in for the disk: writing beyond it fails as a full disk does."""
    code = (
        "import resource, signal\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "from pathlib import Path\n"
        "from tests_full_disk import small_dataset\n"
        "from trainfree.files.storage import write_dataset\n"
        "from trainfree.errors import DataFileError\n"
        "try:\n"
        f"    write_dataset(small_dataset(), Path({str(tmp_path / 'x.h5')!r}), 'scores')\n"
        "except DataFileError as error:\n"
        "    print('ERROR', error)\n"
    )
    helper = tmp_path / "lib"
    helper.mkdir()
    (helper / "tests_full_disk.py").write_text(
        "import numpy as np, xarray as xr\n"
        "def small_dataset():\n"
        "    v = (('arch',), np.arange(9000.0), {'units': '1', 'long_name': 'score'})\n"
        "    return xr.Dataset({'score': v})\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(helper)},
        check=False,
    )
    assert "ERROR" in done.stdout, done.stderr
    assert "x.h5: cannot be written" in done.stdout
    assert "free disk space" in done.stdout
    assert names_in(tmp_path) == ["lib"]


def test_near_match_suggests_only_what_is_near():
    assert near_match("naswott", ["naswot", "synflow"]) == "; did you mean 'naswot'?"
    assert near_match("zzz", ["naswot", "synflow"]) == ""


def test_the_snakefile_needs_no_torch():
    commands = ", ".join(f"trainfree.terminal.{n}" for n in ("status", "show", "compare", "doctor"))
    modules = (
        "trainfree.config, trainfree.workflow.rerun, trainfree.workflow.studies, trainfree.cli"
    )
    code = f"import sys, {modules}, {commands}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
