"""Proxies against what networks cost and achieve on hardware."""

from __future__ import annotations

import ast
import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from analysis_fixtures import tabulate, write_benchmark, write_scores
from scipy.stats import kendalltau, spearmanr

from trainfree.analysis.registry import read_rows
from trainfree.benchmarks import hardware
from trainfree.benchmarks.hardware import DEPLOYMENTS, prepare_hardware
from trainfree.benchmarks.hw_nas_bench import DEVICES, ENERGY_DEVICES, read_hw_nas_bench
from trainfree.errors import SourceError, UnknownNameError
from trainfree.files.storage import read_dataset, write_dataset
from trainfree.sources.delivery import Delivery
from trainfree.spaces import load_space

MINI = load_space("nasbench201_mini")
NAMES = [f"{name}_latency" for name in DEVICES] + [f"{name}_energy" for name in ENERGY_DEVICES]


def costs(rows: int = len(MINI)) -> pd.DataFrame:
    """A table in the published form, in another order than the space's."""
    order = np.random.default_rng(0).permutation(rows)
    table = {"net": [str(MINI.to_naslib(int(index))) for index in order]}
    table |= {name: order + 1.0 + 1000 * place for place, name in enumerate(NAMES)}
    return pd.DataFrame(table)


def read(path: Path, table: pd.DataFrame):
    table.to_csv(path, index=False)
    return read_hw_nas_bench(Delivery("mirror", "hw-nas-bench", {"table": path}), MINI)


def prepare(space: str, output: Path, order: list[str], mirror: Path | None = None) -> xr.Dataset:
    prepare_hardware(
        space,
        output,
        order=order,
        cache=output.parent / "cache",
        mirror=None if mirror is None else str(mirror),
        timeout=0.2,
    )
    return read_dataset(output, "hardware")


@pytest.fixture(autouse=True)
def _no_mirror(monkeypatch):
    monkeypatch.delenv("TRAINFREE_MIRROR", raising=False)


def test_every_cost_is_where_its_code_says(tmp_path):
    table = costs()
    table.loc[3, "edgetpu_latency"] = -1.0
    found = read(tmp_path / "hw.csv.gz", table)
    for place, name in enumerate(NAMES):
        device, kind = name.rsplit("_", 1)
        column = getattr(found, kind)[DEVICES[device]]
        expected = np.arange(len(MINI)) + 1.0 + 1000 * place
        if name == "edgetpu_latency":
            expected[MINI.from_naslib(ast.literal_eval(table["net"][3]))] = np.nan
        np.testing.assert_array_equal(column, expected)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda table: table.drop(columns="fpga_energy"), "expected a CSV table with columns"),
        (lambda table: table.iloc[1:], "exactly once"),
        (lambda table: table.assign(net="(0, 1)"), "column 'net'.*malformed"),
        (lambda table: table.assign(net="0 +"), "column 'net'"),
        (lambda table: table.assign(pixel3_latency=0.0), "pixel3_latency: expected positive"),
        (lambda table: table.assign(eyeriss_energy="fast"), "cannot be read"),
    ],
)
def test_damage_is_named(tmp_path, damage, words):
    with pytest.raises(SourceError, match=words):
        read(tmp_path / "hw.csv", damage(costs()))


def test_a_truncated_file_is_no_table(tmp_path):
    whole = gzip.compress(costs().to_csv(index=False).encode())
    (tmp_path / "hw.csv.gz").write_bytes(whole[: len(whole) // 2])
    delivery = Delivery("mirror", "hw-nas-bench", {"table": tmp_path / "hw.csv.gz"})
    with pytest.raises(SourceError, match="an incomplete gzip file, truncated or damaged"):
        read_hw_nas_bench(delivery, MINI)


def test_generated_costs_are_marked_as_such(tmp_path):
    data = prepare("nasbench201_mini", tmp_path / "a.h5", ["generated"])
    again = prepare("nasbench201_mini", tmp_path / "b.h5", ["generated"])
    xr.testing.assert_identical(data, again)
    assert data.attrs["stand_in"] == 1
    assert "made up" in data.attrs["source_note"]
    assert data["architecture"].to_numpy().tolist() == [
        MINI.to_string(index) for index in range(len(MINI))
    ]


def test_one_part_is_enough_and_the_other_is_named(tmp_path, monkeypatch):
    fetched = hardware.fetch

    def without_deployed(item, *rest):
        if item.endswith("-deployed"):
            raise SourceError("registry: no network")
        return fetched(item, *rest)

    monkeypatch.setattr(hardware, "fetch", without_deployed)
    data = prepare("nasbench201_mini", tmp_path / "a.h5", ["generated"])
    assert data.attrs["missing"] == "accuracy after deployment"
    monkeypatch.undo()
    with pytest.raises(SourceError, match="mirror: has no nasbench201_mini-hardware"):
        prepare("nasbench201_mini", tmp_path / "b.h5", ["mirror"])
    assert not (tmp_path / "b.h5").exists()
    with pytest.raises(UnknownNameError, match="unknown source 'miror'"):
        prepare("nasbench201_mini", tmp_path / "b.h5", ["miror"])


@pytest.mark.shared_data
def test_golden_values_of_the_published_example(shared_data, tmp_path):
    """The costs that the README of HW-NAS-Bench prints for architecture 0 on CIFAR-10."""
    data = prepare("nasbench201", tmp_path / "hw.h5", ["mirror"], shared_data)
    first = (
        "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|"
        "+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|"
    )
    found = data.isel(arch=load_space("nasbench201").parse(first))
    assert found["architecture"].item() == first
    printed = {
        ("latency", "Edge GPU"): 5.807418537139893,
        ("energy", "Edge GPU"): 24.226614330768584,
        ("latency", "Raspberry Pi 4"): 10.481976820010459,
        ("latency", "Edge TPU"): 0.9571811309997429,
        ("latency", "Pixel 3"): 3.6058499999999998,
        ("latency", "Eyeriss"): 3.645620000000001,
        ("energy", "Eyeriss"): 0.6872827644999999,
        ("latency", "FPGA"): 2.57296,
        ("energy", "FPGA"): 18.01072,
    }
    for (kind, device), value in printed.items():
        assert found[kind].sel(device=device).item() == pytest.approx(value, rel=1e-12)
    assert int(np.isnan(data["latency"].sel(device="Edge TPU")).sum()) == 4699


def write_hardware(path: Path, latency: np.ndarray, dataset: str = "cifar10") -> Path:
    count = len(latency)
    units = {"units": "ms", "long_name": "of a test"}
    data = xr.Dataset(
        {
            "latency": (("arch", "device"), np.column_stack([latency, latency * np.nan]), units),
            "energy": (("arch", "device"), np.full((count, 2), np.nan), units),
            "deployed_accuracy": (("arch", "deployment"), -latency[:, None], units),
        },
        coords={
            "architecture": ("arch", np.array([f"|a{i}~0|" for i in range(count)], dtype=object)),
            "device": np.array(["Phone", "Clock"], dtype=object),
            "deployment": np.array(["quantised"], dtype=object),
        },
        attrs={"dataset": dataset},
    )
    write_dataset(data, path, "hardware")
    return path


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(2)
    score = rng.normal(size=30).round(1)
    score[0] = -np.inf
    latency = rng.normal(size=30).round(1) + np.where(np.isinf(score), 0, score)
    latency[5] = np.nan
    scores = write_scores(tmp_path / "s.h5", {"naswot": score})
    accuracy = {("cifar10", "test", 200, "mean"): rng.normal(size=30) + 50}
    benchmark = write_benchmark(tmp_path / "b.h5", accuracy)
    return scores, benchmark, write_hardware(tmp_path / "h.h5", latency), score, latency


def test_correlations_with_costs_are_those_of_scipy(files, tmp_path):
    scores, benchmark, on_hardware, score, latency = files
    files = {"scores": scores, "benchmark": benchmark, "hardware": on_hardware}
    tabulate("proxy_outcomes", tmp_path, resamples=60, **files)
    rows = read_rows("proxy_outcomes", tmp_path / "proxy_outcomes.csv").set_index("outcome")
    assert list(rows.index) == ["cifar10/test/200", "quantised", "Phone"]
    known = ~np.isnan(latency)
    for outcome, values in (("Phone", latency), ("quantised", -latency)):
        pair = score[known], values[known]
        row = rows.loc[outcome]
        assert row["spearman"] == pytest.approx(spearmanr(*pair).statistic, abs=1e-5)
        assert row["kendall"] == pytest.approx(kendalltau(*pair).statistic, abs=1e-5)
        assert (row["n"], row["infinite"]) == (29, 1)
        assert row["spearman_low"] < row["spearman"] < row["spearman_high"]
    text = (tmp_path / "proxy_outcomes.md").read_text()
    assert "latency, Phone" in text
    assert "accuracy, quantised" in text


def test_hardware_of_other_networks_and_none_at_all_give_accuracy_alone(files, tmp_path):
    scores, benchmark, _, _, latency = files
    other = write_hardware(tmp_path / "o.h5", latency, dataset="cifar100")
    for on_hardware in (other, None):
        given = {"scores": scores, "benchmark": benchmark, "hardware": on_hardware}
        frame = tabulate("proxy_outcomes", tmp_path, resamples=60, **given)
        assert frame["kind"].tolist() == ["accuracy"]


def test_a_constant_score_has_no_correlation_and_says_why(files, tmp_path):
    _, benchmark, on_hardware, _, _ = files
    scores = write_scores(tmp_path / "c.h5", {"constant": [1.0] * 30})
    given = {"scores": scores, "benchmark": benchmark, "hardware": on_hardware}
    frame = tabulate("proxy_outcomes", tmp_path, resamples=60, **given)
    assert len(frame) > 1
    assert frame["spearman"].isna().all()
    assert frame["note"].str.contains("the same for all").all()


def test_deployments_are_all_that_the_package_has():
    assert len(set(DEPLOYMENTS.values())) == 4
