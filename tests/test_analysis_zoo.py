"""The table of model zoos against scipy on made-up networks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from scipy.stats import rankdata, spearmanr

from trainfree.analysis.declaration import Inputs
from trainfree.analysis.registry import make_table
from trainfree.analysis.settings import AnalysisSettings
from trainfree.analysis.spaces.zoo import zoo
from trainfree.benchmarks.prepare import with_members
from trainfree.benchmarks.schema import BenchmarkTable, benchmark_dataset
from trainfree.errors import DataFileError
from trainfree.files.storage import provenance_attributes, write_dataset
from trainfree.report.figures.zoo import plot_zoo
from trainfree.spaces.zoo.space import Zoo

SPACE = "zoo_pytorchcv_cifar10"
NAMES = (
    *(f"resnet{n}_cifar10" for n in (20, 56, 110, 164)),
    *(f"densenet{n}_cifar10" for n in (40, 100, 190, 250, 300)),
    *("nin_cifar10", "rir_cifar10", "wrn16_10_cifar10"),
)
PARAMS = np.array([3, 9, 17, 16, 6, 41, 256, 153, 200, 10, 95, 171], dtype=float)
ACCURACY = np.array([94.0, 95.5, 96.3, 96.1, 94.4, 96.3, 97.5, 97.3, 97.4, 92.6, 96.7, 97.1])
SCORE = np.array([1.0, 5, 2, 8, 3, 4, 9, 7, 12, 0, 11, 10])
YEARS = np.array([2015] * 4 + [2016] * 5 + [2013, 2016, 2016], dtype=float)


def attributes(**more: object) -> dict[str, object]:
    common = provenance_attributes(settings=more, code="0", source_hashes={})
    return {**common, "space": SPACE, "source_note": "made up", "source": "mirror", **more}


@pytest.fixture
def files(tmp_path) -> tuple[Path, Path]:
    """A scores file and a benchmark of twelve networks, of one of which a proxy has no score."""
    table = BenchmarkTable(
        accuracy={("cifar10", "test", -1, "published"): ACCURACY},
        covariates={"year": (YEARS, "1", "year of the family's paper")},
        architectures=NAMES,
    )
    space = with_members(Zoo(SPACE, len(NAMES), "pytorchcv"), table, "here")
    benchmark = tmp_path / "benchmark.h5"
    write_dataset(benchmark_dataset(space, table, attributes()), benchmark, "benchmark")
    scores = tmp_path / "scores.h5"
    order = np.arange(len(NAMES))[::-1]  # another order than the benchmark's
    values = np.stack([SCORE, PARAMS], axis=1)[order]
    status = np.zeros(values.shape, dtype=np.int8)
    status[0, 0], values[0, 0] = 6, np.nan
    told = {"units": "1", "long_name": "made up"}
    flags = {"flag_values": np.array([0, 6], np.int8), "flag_meanings": "ok undefined"}
    dataset = xr.Dataset(
        {
            "score": (("arch", "proxy"), values, told),
            "status": (("arch", "proxy"), status, {**told, **flags}),
            "params": ("arch", PARAMS[order].astype(np.int64), told),
        },
        coords={
            "architecture": ("arch", np.array(NAMES, dtype=object)[order], told),
            "proxy": ("proxy", np.array(["mine", "params"], dtype=object), told),
        },
        attrs=attributes(dataset="cifar10", setting="b8", image_count=100, image_source="made up"),
    )
    write_dataset(dataset, scores, "scores")
    return scores, benchmark


def inputs(scores: Path, benchmark: Path) -> Inputs:
    settings = AnalysisSettings(bootstrap_resamples=50)
    return Inputs(scores=(scores,), benchmarks=(benchmark,), settings=settings)


def rho(one, other) -> float:
    return float(spearmanr(one, other).statistic)


def test_rows_are_those_of_scipy(files):
    rows = {row["proxy"]: row for row in zoo(inputs(*files)).rows}
    assert list(rows) == ["mine", "params", "year"]
    kept = slice(0, 11)  # the last has no score
    mine = rows["mine"]
    assert (mine["n"], mine["without_score"]) == (11, "1 undefined")
    assert mine["spearman"] == pytest.approx(rho(SCORE[kept], ACCURACY[kept]))
    assert mine["spearman_low"] <= mine["spearman"] <= mine["spearman_high"]
    # The partial correlation is that of what linear regression on the ranks leaves.
    ranks = [rankdata(column[kept]) for column in (SCORE, ACCURACY, np.log(PARAMS))]
    left = [y - np.polyval(np.polyfit(ranks[2], y, 1), ranks[2]) for y in ranks[:2]]
    assert mine["given_params"] == pytest.approx(np.corrcoef(*left)[0, 1])
    families = [slice(0, 4), slice(4, 9)]
    within = np.mean([rho(SCORE[family], ACCURACY[family]) for family in families])
    assert mine["within_families"] == pytest.approx(within)
    assert (mine["families"], mine["in_families"]) == (2, 9)
    assert mine["with_year"] == pytest.approx(rho(SCORE[kept], YEARS[kept]))
    assert rows["params"]["n"] == 12
    assert np.isnan(rows["params"]["given_params"])  # it is what is given
    assert rows["year"]["spearman"] == pytest.approx(rho(YEARS, ACCURACY))
    assert rows["year"]["families"] == 0  # all of a family are of one year


def test_the_caption_says_that_training_differs_and_the_figure_draws_it(files, tmp_path):
    made = make_table("zoo", inputs(*files), tmp_path)
    assert len(made) == 3
    assert "differ in their training" in (tmp_path / "zoo.md").read_text()
    plot_zoo(tmp_path / "zoo.csv", [files[0]], [files[1]], tmp_path / "figure")
    drawn = (tmp_path / "figure.svg").read_text()
    assert "differ in their training as well as in their architecture" in drawn
    assert "mine: without a score of some networks" in drawn


def test_missing_files_are_named(files):
    with pytest.raises(DataFileError, match=r"no zoo is named.*config/zoo\.yaml"):
        zoo(Inputs())
    with pytest.raises(DataFileError, match="benchmarks"):
        zoo(Inputs(scores=(files[0],)))
