"""The report finds the data files of a folder by what they are, not by their names."""

from __future__ import annotations

from pathlib import Path

import pytest
import xarray as xr
from report_fixtures import write_run

from trainfree.cli import main
from trainfree.files.storage import SCHEMA_VERSIONS, read_dataset, write_dataset
from trainfree.report.page.found import find_files

EMPTY = xr.Dataset({"x": ((), 1.0, {"units": "1", "long_name": "nothing"})})


@pytest.fixture
def run(tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a run's data, one file of each kind beside each, and one that is cut."""
    study = write_run(tmp_path / "study", repository)
    for source, target in (
        ("b32-pytorch-images-s0.h5", "results/default/scores/nasbench201/cifar10/b32.h5"),
        ("rea.h5", "results/default/search/nasbench201/cifar10/rea.h5"),
        ("nasbench201.h5", "data/benchmarks/nasbench201.h5"),
    ):
        path = tmp_path / target
        path.parent.mkdir(parents=True, exist_ok=True)
        (study / source).rename(path)
        for kind in SCHEMA_VERSIONS:
            if kind not in (path.parts[-4], path.parent.name.removesuffix("s")):
                write_dataset(EMPTY, path.with_name(f"{kind}-nasbench201.h5"), kind)
        (path.parent / "cut.h5").write_bytes(path.read_bytes()[:999])
        (path.parent / "folder.h5").mkdir()
    for name in ("config", "reports"):
        (tmp_path / name).symlink_to(repository / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_files_of_other_kinds_do_not_stop_the_report(run: Path) -> None:
    assert main(["report", "--output", "p.html"]) == 0
    text = (run / "p.html").read_text(encoding="utf-8")
    assert "hardware-nasbench201" not in text
    assert "trained accuracies: none was given or found" not in text
    for folder in ("results/default/scores/nasbench201/cifar10", "data/benchmarks"):
        assert f"{folder}/cut.h5: " in text


def test_each_kind_is_found_among_all_others(tmp_path: Path) -> None:
    for number, kind in enumerate(SCHEMA_VERSIONS):
        write_dataset(EMPTY, tmp_path / f"{number}.h5", kind)
    for number, kind in enumerate(SCHEMA_VERSIONS):
        found = find_files(tmp_path, "*.h5", kind)
        assert found == ((tmp_path / f"{number}.h5",), {})
        assert read_dataset(found.files[0], kind)["x"] == 1.0


def test_one_that_is_named_has_to_be_of_its_kind(run: Path, capsys) -> None:
    named = "data/benchmarks/hardware-nasbench201.h5"
    assert main(["report", "--benchmarks", named, "--output", "p.html"]) == 2
    assert f"{named}: expected schema = 'benchmark'" in capsys.readouterr().err


def test_benchmarks_of_other_runs_are_none_of_the_page(run: Path) -> None:
    """Benchmarks of all runs lie in one folder: a page has those of its own spaces."""
    other = read_dataset(run / "data/benchmarks/nasbench201.h5", "benchmark").assign_attrs(
        space="nasbench201_mini", source_note="made up for another run"
    )
    write_dataset(other, run / "data/benchmarks/nasbench201_mini.h5", "benchmark")
    assert main(["report", "--output", "p.html"]) == 0
    assert "made up for another run" not in (run / "p.html").read_text(encoding="utf-8")
