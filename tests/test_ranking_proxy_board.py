"""The board of proxies against SciPy and against the other tables, and its spread over seeds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from analysis_fixtures import ERROR, tabulate, write_benchmark, write_scores
from scipy import stats

COUNT = 140


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path | list[Path]]:
    """Three seeds of one sample, of which the second lacks a proxy."""
    folder, rng = tmp_path_factory.mktemp("board"), np.random.default_rng(5)
    accuracy = 94 - 40 * rng.beta(1.2, 6, COUNT)
    params = np.round(accuracy + rng.normal(0, 8, COUNT))
    benchmark = write_benchmark(
        folder / "nasbench201.h5", {("cifar10", "test", 200, "mean"): accuracy}
    )
    scores = []
    for seed in range(3):
        good = accuracy + rng.normal(0, 2, COUNT)
        good[:3] = -np.inf
        columns = {"good": good, "params": params, "constant": np.ones(COUNT)}
        if seed == 1:
            del columns["constant"]
        failed = np.zeros(COUNT, dtype=int)
        failed[7] = ERROR
        path = folder / f"b32-pytorch-images-s{seed}.h5"
        scores.append(write_scores(path, columns, {"good": failed}, seed=seed))
    return {"board": scores, "benchmark": benchmark}


def test_measures_are_those_of_scipy_and_of_the_other_tables(
    files: dict[str, Path | list[Path]], tmp_path: Path
) -> None:
    import xarray as xr

    board = tabulate("proxy_board", tmp_path, **files).set_index("proxy")
    scored = xr.open_dataset(files["board"][0], engine="h5netcdf")
    trained = xr.open_dataset(files["benchmark"], engine="h5netcdf")["accuracy"].to_numpy().ravel()
    kept = np.arange(COUNT) != 7
    good = scored["score"].sel(proxy="good").to_numpy()[kept]
    found = board.loc["good"]
    assert found["kendall"] == pytest.approx(stats.kendalltau(good, trained[kept]).statistic)
    assert found["spearman"] == pytest.approx(stats.spearmanr(good, trained[kept]).statistic)
    assert (found["n"], found["infinite"], found["without_score"]) == (COUNT - 1, 3, 1)
    assert found["kendall_low"] < found["kendall"] < found["kendall_high"]
    assert list(board.index) == ["good", "params", "constant"], "best first, undefined last"
    assert np.isnan(board.loc["constant", "kendall"])
    proxies = tabulate(
        "proxies", tmp_path, scores=files["board"][:1], benchmark=files["benchmark"]
    ).set_index("proxy")
    for bound in ("", "_low", "_high"):
        own, other = (table.loc["good", f"beside_params{bound}"] for table in (board, proxies))
        assert own == pytest.approx(other)
    assert found["seconds_alone"] == proxies.loc["good", "seconds_alone"]


def test_the_spread_is_that_of_the_seeds(
    files: dict[str, Path | list[Path]], tmp_path: Path
) -> None:
    board = tabulate("proxy_board", tmp_path, **files).set_index("proxy")
    alone = [
        tabulate("proxy_board", tmp_path, board=path, benchmark=files["benchmark"]).set_index(
            "proxy"
        )
        for path in files["board"]
    ]
    values = [table.loc["good", "kendall"] for table in alone]
    assert board.loc["good", "kendall"] == values[0], "the first seed gives the measures"
    assert board.loc["good", "kendall_spread"] == pytest.approx(np.std(values, ddof=1))
    assert board.loc["good", "seeds"] == 3
    assert board.loc["constant", "seeds"] == 2
    assert alone[0]["kendall_spread"].isna().all()
