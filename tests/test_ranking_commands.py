"""rank, top and publish-scores: from stored files to the screen, without torch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from analysis_fixtures import ERROR, OK, write_scores
from scipy import stats
from terminal_fixtures import SIZE, make_run, write_run_benchmark

from trainfree.analysis.ranking.reading import read_shipped, read_shipped_file
from trainfree.cli import main
from trainfree.errors import DataFileError
from trainfree.files.storage import read_dataset, write_dataset
from trainfree.proxies import PROXY_NAMES
from trainfree.spaces import SPACE_NAMES, load_space
from trainfree.terminal.ranking import publishing
from trainfree.terminal.ranking.known import trained_accuracies

SPACE = load_space("nasbench201_mini")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Results and accuracies of the miniature space, and a list of 300 of its architectures."""
    folder = tmp_path_factory.mktemp("run")
    run = make_run(folder)
    path = write_run_benchmark(run)
    accuracy = read_dataset(path, "benchmark")["accuracy"].sel(dataset="cifar10", split="test")
    truth = accuracy.sel(epochs=200).mean("seed").to_numpy()
    rng = np.random.default_rng(0)
    naswot = truth + rng.standard_normal(SIZE)
    naswot[:2] = -np.inf
    status = np.full(SIZE, OK)
    status[5] = ERROR
    write_scores(
        folder / "results/test/scores/nasbench201_mini/generated/b8-pytorch-images-s0.h5",
        {"naswot": naswot, "params": np.arange(SIZE) % 7, "someones_own": np.ones(SIZE)},
        {"naswot": status},
        space="nasbench201_mini",
        dataset="generated",
        setting="b8-pytorch-images-s0",
        stand_in=1,
    )
    chosen = rng.permutation(SIZE)[:300]
    mine = truth[chosen] + 0.2 * rng.standard_normal(300)
    mine[:4] = np.nan
    names = [SPACE.to_string(index) for index in chosen]
    pd.DataFrame({"architecture": names, "mine": mine}).to_csv(folder / "mine.csv", index=False)
    return folder


def options(folder: Path) -> list[str]:
    return ["--space", "nasbench201_mini", "--dataset", "generated", "--folder", str(folder)]


def test_a_list_is_ranked_beside_a_runs_scores(folder, tmp_path, capsys):
    files = [tmp_path / "board.csv", tmp_path / "board.md"]
    command = ["rank", str(folder / "mine.csv"), *options(folder), "--resamples", "50"]
    assert (
        main([*command, "--against", str(folder / "results/test"), "--output", *map(str, files)])
        == 0
    )
    shown = capsys.readouterr().out
    assert "300 of the 729 architectures" in shown
    rows = pd.read_csv(files[0]).set_index("proxy")
    assert rows.index.tolist()[0] == "mine"
    assert rows.loc["mine", ["own", "n", "missing"]].tolist() == [1, 296, 4]
    listed = pd.read_csv(folder / "mine.csv")
    benchmark = read_dataset(folder / "data/benchmarks/nasbench201_mini.h5", "benchmark")
    truth = benchmark["accuracy"].sel(dataset="cifar10", split="test", epochs=200).mean("seed")
    accuracy = pd.Series(truth.to_numpy(), index=[SPACE.to_string(i) for i in range(SIZE)])
    both = pd.DataFrame({"mine": listed.set_index("architecture")["mine"], "a": accuracy}).dropna()
    tau = stats.kendalltau(both["mine"], both["a"]).statistic
    assert rows.loc["mine", "kendall"] == pytest.approx(tau, abs=1e-5)
    tests = pd.read_csv(tmp_path / "board-tests.csv").set_index("other")
    assert tests.loc["naswot", "verdict"] == "higher"
    assert tests.loc["naswot", "adjusted"] >= tests.loc["naswot", "p_value"]
    for text in (shown, files[1].read_text()):
        assert "b8-pytorch-images-s0, stand-in images" in text
        assert "50 resamples" in text
    before = files[1].read_text()
    main([*command, "--against", str(folder / "results/test"), "--output", *map(str, files)])
    assert files[1].read_text() == before


def test_the_best_are_listed_with_what_is_known_of_them(folder, capsys):
    command = ["top", "--proxy", "naswot", "-k", "3", *options(folder)]
    results = folder / "results/test"
    assert main([*command, "--scores", str(results)]) == 0
    shown = capsys.readouterr().out
    (path,) = results.glob("scores/*/*/*.h5")
    scores = read_dataset(path, "scores")["score"].sel(proxy="naswot").to_numpy().copy()
    scores[5] = np.nan
    best = np.argsort(-scores)[:3]
    lines = [line.split() for line in shown.splitlines() if "|nor_" in line or "~0|" in line]
    assert [int(line[1]) for line in lines] == best.tolist()
    assert [line[-1] for line in lines] == [SPACE.to_string(int(index)) for index in best]
    assert [float(line[2]) for line in lines] == pytest.approx(scores[best], abs=1e-3)
    assert f"of {SIZE - 1} scored architectures of {SIZE}" in shown
    assert "CIFAR-10 test, 200 epochs" in shown
    assert main([*command[:2], "nawsot", *options(folder), "--scores", str(results)]) == 2
    assert "did you mean 'naswot'" in capsys.readouterr().err


def test_published_scores_come_back_as_they_were(folder, tmp_path, capsys):
    output = tmp_path / "scores.h5"
    benchmark = folder / "data/benchmarks/nasbench201_mini.h5"
    command = ["publish-scores", str(folder / "results/test"), "--output", str(output)]
    assert main([*command, "--benchmarks", str(benchmark)]) == 0
    assert "left out: no licence" in capsys.readouterr().out
    (block,) = read_shipped_file(output).blocks
    (path,) = (folder / "results/test").glob("scores/*/*/*.h5")
    data = read_dataset(path, "scores")
    assert block.proxies == ("naswot", "params")  # another's proxy is not the suite's to ship
    for proxy in block.proxies:
        expected = data["score"].sel(proxy=proxy).to_numpy().astype(np.float32)
        if proxy == "naswot":
            expected[5] = np.nan
        np.testing.assert_array_equal(block.column(proxy), expected)
    assert block.arch.tolist() == list(range(SIZE))
    assert block.provenance["code_hash"] == data.attrs["code_hash"]
    assert block.provenance["stand_in"] == 1
    first = output.read_bytes()
    assert main(command) == 0
    assert output.read_bytes() == first
    assert main(["top", "--proxy", "params", *options(folder), "--scores", str(output)]) == 0


def test_publishing_replaces_one_setting_and_keeps_the_rest(tmp_path):
    output = tmp_path / "scores.h5"
    for setting, value in (("s0", 1.0), ("s1", 2.0), ("s0", 3.0)):
        path = write_scores(tmp_path / f"{setting}.h5", {"naswot": [value] * 3}, setting=setting)
        assert main(["publish-scores", str(path), "--output", str(output)]) == 0
    blocks = {one.provenance["setting"]: one for one in read_shipped_file(output).blocks}
    assert {name: one.column("naswot")[0] for name, one in blocks.items()} == {"s0": 3.0, "s1": 2.0}
    assert main(["publish-scores", str(path), "--output", str(output), "--fresh"]) == 0
    assert len(read_shipped_file(output).blocks) == 1


def test_a_file_that_would_be_too_large_is_not_written(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(publishing, "LARGEST", 1000)
    path = write_scores(tmp_path / "a.h5", {"naswot": np.arange(50.0)})
    assert main(["publish-scores", str(path), "--output", str(tmp_path / "out.h5")]) == 2
    assert "expected at most 1,000 bytes" in capsys.readouterr().err
    assert not (tmp_path / "out.h5").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["rank", "mine.csv", "--outcome", "cifar10/test/2000"], "did you mean 'cifar10/test/200'"),
        (["rank", "mine.csv", "--output", "board.txt"], "ends in .csv or .md"),
        (["rank", "mine.csv", "--benchmark", "none.h5"], "no such benchmark file"),
        (["rank", "mine.csv", "--against", "nowhere"], "no such data file"),
        (["rank", "few.csv"], "expected at least 10 architectures with the accuracy"),
        (["top", "--proxy", "naswot", "-k", "0"], "-k: expected at least 1"),
        (["top", "--proxy", "naswot", "--scores", "empty"], "has no merged scores"),
    ],
)
def test_what_cannot_be_ranked_is_said_in_a_sentence(arguments, said, folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    Path("few.csv").write_text("index,s\n1,2\n2,3\n")
    Path("empty").mkdir(exist_ok=True)
    assert main([*arguments, *options(folder)]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.splitlines()) == 1


def test_a_list_without_anything_beside_it_is_ranked_all_the_same(folder, capsys):
    assert main(["rank", str(folder / "mine.csv"), *options(folder), "--resamples", "5"]) == 0
    shown = capsys.readouterr().out
    assert "the suite has no scores of these architectures on generated" in shown
    assert "mine" in shown


# ---------------------------------------------------------------- the file of the package


def test_the_shipped_file_is_small_whole_and_says_where_it_is_from(repository):
    path = repository / "src" / "trainfree" / "data" / "scores-1.h5"
    assert path.stat().st_size < publishing.LARGEST
    shipped = read_shipped()
    assert shipped.blocks
    for block in shipped.blocks:
        assert block.provenance["space"] in SPACE_NAMES
        assert set(block.proxies) <= set(PROXY_NAMES)
        assert block.provenance["image_source"]
        assert block.provenance["code_hash"]
        size = len(load_space(str(block.provenance["space"])))
        assert (np.diff(block.arch) > 0).all()
        assert 0 <= block.arch[0] <= block.arch[-1] < size
        assert np.isfinite(block.scores).any()
        assert not np.isposinf(block.scores).any()
    for known in shipped.accuracies:
        assert len(known.percent) == len(load_space(known.space))
        assert known.licence.split()[0] in ("MIT", "Apache-2.0")
        assert known.source
        assert np.nanmin(known.percent) >= 0
        assert np.nanmax(known.percent) <= 100


def test_the_shipped_accuracies_have_the_published_optima():
    """The best mean validation accuracies of NATS-Bench on its three data sets."""
    known = {one.outcome: one.percent for one in read_shipped().accuracies}
    expected = {"cifar10-valid": 91.61, "cifar100": 73.49, "ImageNet16-120": 46.73}
    for dataset, best in expected.items():
        assert np.nanmax(known[f"{dataset}/valid/200"]) == pytest.approx(best, abs=0.006)


def test_a_damaged_shipped_file_is_said_so(tmp_path, repository, capsys):
    whole = (repository / "src" / "trainfree" / "data" / "scores-1.h5").read_bytes()
    path = tmp_path / "scores.h5"
    path.write_bytes(whole[:5000] + b"x" + whole[5001:])
    assert main(["top", "--proxy", "naswot", "--scores", str(path)]) == 2
    assert "checksum does not match" in capsys.readouterr().err
    data = read_dataset(repository / "src" / "trainfree" / "data" / "scores-1.h5", "shipped_scores")
    write_dataset(data.isel(value=slice(0, 10)), path, "shipped_scores")
    assert main(["top", "--proxy", "naswot", "--scores", str(path)]) == 2
    assert "its parts do not fit together" in capsys.readouterr().err


def test_an_empty_folder_is_enough_and_torch_is_not_needed(tmp_path):
    """As a new user would: nothing but the package and a list."""
    known = next(one for one in read_shipped().blocks if "naswot" in one.proxies)
    rows = zip(known.arch.tolist(), known.column("naswot").tolist(), strict=True)
    lines = "".join(f"{index},{score}\n" for index, score in rows)
    (tmp_path / "mine.csv").write_text(f"index,mine\n{lines}")
    program = (
        "import json, sys\n"
        "from trainfree.cli import main\n"
        f"dataset = ['--dataset', {str(known.provenance['dataset'])!r}]\n"
        "status = main(['rank', 'mine.csv', '--resamples', '20', *dataset])\n"
        "status |= main(['top', '--proxy', 'naswot', '-k', '2'])\n"
        "slow = [name for name in ('torch', 'sklearn', 'matplotlib') if name in sys.modules]\n"
        "print(json.dumps([status, slow]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    *shown, last = done.stdout.splitlines()
    assert json.loads(last) == [0, []]
    same = next(line for line in shown if line.startswith("mine") and " naswot " in line)
    assert "no clear difference" in same


def test_accuracies_of_the_package_stand_in_only_where_the_benchmark_has_none(tmp_path):
    space = load_space("nasbench201")
    shipped = {one.outcome for one in read_shipped().accuracies}
    accuracy = np.linspace(10, 90, len(space)).reshape(-1, 1, 1, 1, 1)
    dims = ("arch", "dataset", "split", "epochs", "seed")
    names = {"dataset": ["cifar100"], "split": ["valid"], "epochs": [200], "seed": ["mean"]}
    benchmark = xr.Dataset({"accuracy": (dims, accuracy)}, names, {"source_note": "a test"})
    found = {each.outcome.label: each for each in trained_accuracies(space, benchmark)}
    assert set(found) == shipped
    assert found["cifar100/valid/200"].source == "a test"
    assert found["cifar100/valid/200"].percent[-1] == 90
    (alone,) = trained_accuracies(space, benchmark, alone=True)
    assert alone.outcome.label == "cifar100/valid/200"
    with pytest.raises(DataFileError, match="expected nasbench201 with 15,625"):
        trained_accuracies(space, benchmark.isel(arch=slice(5)))
