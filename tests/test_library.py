"""``import trainfree`` as a library: what it costs, what it says, and what is found with it."""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
import pkgutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from library_fixtures import BENCHMARK, IMAGES, SCORES, data_folder, in_data_folder
from scipy import stats

import trainfree
from trainfree import library
from trainfree.errors import (
    ArchitectureError,
    ConfigError,
    DataFileError,
    ImageError,
    TrainfreeError,
    UnknownNameError,
)
from trainfree.images.batches import load_mini_batch, load_mini_batch_labels
from trainfree.provenance import _import_closure
from trainfree.proxies import PROXY_NAMES, load_proxy, registry

__all__ = ["data_folder", "in_data_folder"]

SLOW = ("torch", "numpy", "pandas", "xarray", "numba", "h5py", "scipy", "snakemake", "rich")
NAMES = {
    *("score", "proxies", "proxy", "space", "batch"),
    *("rank", "open_scores", "open_benchmark", "correlate"),
}


def run(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout


# ---------------------------------------------------------------- the surface


def test_importing_it_imports_nothing_slow():
    code = f"import sys, trainfree; dir(trainfree); print(sorted(set(sys.modules) & set({SLOW})))"
    assert run(code) == "[]\n"


@pytest.mark.parametrize("name", sorted(NAMES - {"proxies", "proxy"}))
def test_a_name_alone_imports_no_torch(name):
    code = f"import sys, trainfree; trainfree.{name}; print('torch' in sys.modules)"
    assert run(code) == "False\n"


def test_the_names_are_those_that_are_documented_and_typed(repository):
    assert set(dir(trainfree)) == NAMES | {"__version__"} == set(trainfree.__all__)
    for name in NAMES:
        assert callable(getattr(trainfree, name))
    stub = ast.parse((repository / "src" / "trainfree" / "__init__.pyi").read_text())
    told = {
        alias.asname
        for node in stub.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    told |= {node.name for node in stub.body if isinstance(node, ast.FunctionDef)}
    assert told - {"pd"} == NAMES
    with pytest.raises(AttributeError, match="no attribute 'scores'"):
        trainfree.scores  # noqa: B018


@pytest.mark.parametrize("first", ["", "import trainfree.proxies.registry; "])
def test_proxies_is_a_function_before_and_after_its_package_is_imported(first):
    code = f"{first}import trainfree; table = trainfree.proxies(); print(len(table))"
    code += "; from trainfree import proxies; print(len(proxies()), proxies.PROXY_NAMES[0])"
    assert run(code) == f"{len(PROXY_NAMES)}\n{len(PROXY_NAMES)} {PROXY_NAMES[0]}\n"


def test_no_score_of_the_workflow_is_made_anew_when_the_library_is_edited():
    engine = _import_closure(["trainfree.scoring.jobs.shard", "trainfree.search.run"])
    assert "trainfree" in engine
    assert not [name for name in engine if name.startswith("trainfree.library")]


def test_examples_of_all_docstrings_run(in_data_folder):
    names = [f"trainfree.library.{each.name}" for each in pkgutil.iter_modules(library.__path__)]
    with_examples = 0
    for name in ["trainfree", *names]:
        found = doctest.testmod(
            importlib.import_module(name),
            optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS,
        )
        assert found.failed == 0, name
        with_examples += found.attempted > 0
    assert with_examples >= 7


@pytest.mark.parametrize("name", sorted(NAMES - {"proxies", "proxy"}))
def test_every_function_says_what_it_takes_returns_and_raises(name):
    function = getattr(trainfree, name)
    text = inspect.getdoc(function)
    for part in ("Parameters\n-", "Raises\n-", "Examples\n-"):
        assert part in text, part
    for argument in inspect.signature(function).parameters:
        assert f"\n{argument}\n" in text, argument


# ---------------------------------------------------------------- proxies


def test_the_table_of_proxies_says_what_they_say_of_themselves():
    table = trainfree.proxies().set_index("proxy")
    assert set(PROXY_NAMES) <= set(table.index)
    assert list(table.columns) == [
        *("kind", "needs", "higher_is_better", "input", "weights", "cite", "summary")
    ]
    assert table.loc["az_expressivity", ["input", "weights"]].tolist() == ["gaussian", "kaiming"]
    assert table.loc["snip", ["input", "weights"]].tolist() == ["", ""]
    snip = load_proxy("snip")
    assert table.loc["snip", "kind"] == "saliency"
    assert table.loc["snip", "needs"] == ", ".join(sorted(snip.needs))
    assert table.loc["snip", "summary"] == snip.function.__doc__.splitlines()[0]
    assert not table.loc["ntk_condition", "higher_is_better"]


def test_a_decorated_function_is_in_the_table(scratch_registry):
    @trainfree.proxy("depth_of_mine", cite="mine")
    def depth_of_mine(candidate):
        """Return one."""
        return 1.0

    row = trainfree.proxies().set_index("proxy").loc["depth_of_mine"]
    assert row.tolist() == ["own", "", True, "", "", "mine", "Return one."]


def test_a_cell_of_a_notebook_may_be_run_again_and_a_file_not_be_copied(scratch_registry):
    def defined(module: str, file: str):
        code = compile("def twice(candidate):\n    return 1.0\n", file, "exec")
        namespace = {"__name__": module}
        exec(code, namespace)
        return namespace["twice"]

    first = trainfree.proxy("twice", cite="")(defined("__main__", "cell-1"))
    second = trainfree.proxy("twice", cite="")(defined("__main__", "cell-2"))
    assert registry.registered("twice").function is second is not first
    with pytest.raises(TrainfreeError, match="already defined"):
        trainfree.proxy("twice", cite="")(defined("other", "other.py"))


# ---------------------------------------------------------------- spaces


def test_a_space_is_a_sequence():
    cells = trainfree.space("nasbench201")
    assert len(cells) == 15625
    assert cells[-1].index == 15624
    assert [each.index for each in cells[2:8:3]] == [2, 5]
    assert next(iter(cells)) == cells[0]
    assert cells.find(str(cells[77])) == cells[77]
    assert cells[77] in cells
    assert trainfree.space("nasbench201_mini")[7] not in cells
    for wrong in (15625, -15626):
        with pytest.raises(IndexError, match="expected an index from -15625 to 15624"):
            cells[wrong]
    with pytest.raises(ArchitectureError, match="malformed"):
        cells.find("nonsense")
    with pytest.raises(UnknownNameError, match="did you mean 'nasbench201'"):
        trainfree.space("nasbench210")


def test_a_space_of_a_file_is_found(repository, tmp_path):
    page = (repository / "docs" / "adding-a-space.md").read_text()
    (source,) = [part for part in page.split("```") if 'title="chains.py"' in part][:1]
    file = tmp_path / "chains.py"
    file.write_text(source.partition("\n")[2])
    chains = trainfree.space("chains", file)
    assert chains.find(str(chains[3])).index == 3
    assert chains[3].network(classes=4, image_size=8).params > 0


def test_a_module_is_the_architecture_with_the_weights_of_its_seed():
    cell = trainfree.space("nasbench201_mini")[700]
    model = cell.module(classes=7, image_size=8, seed=3)
    network = cell.network(classes=7, image_size=8)
    assert sum(each.numel() for each in model.parameters()) == network.params
    assert model.eval()(torch.zeros(2, 3, 8, 8)).shape == (2, 7)
    again = cell.module(classes=7, image_size=8, seed=3)
    other = cell.module(classes=7, image_size=8, seed=4)
    state = model.state_dict()
    assert all(torch.equal(state[key], value) for key, value in again.state_dict().items())
    assert any(not torch.equal(state[key], value) for key, value in other.state_dict().items())


def test_a_module_has_the_scores_that_a_run_of_the_suite_has_of_the_architecture(in_data_folder):
    cells, images = trainfree.space("nasbench201_mini"), trainfree.batch("generated", 8, seed=0)
    stored = trainfree.open_scores(SCORES)
    names = stored["status"].attrs["flag_meanings"].split()
    for index in stored["arch"].to_numpy().tolist():
        model = cells[index].module(classes=10, image_size=8, seed=0)
        table = trainfree.score(model, *images, proxies=["params", "naswot", "snip"])
        own = stored["score"].sel(arch=index).to_series()
        codes = stored["status"].sel(arch=index).to_numpy()
        assert table["status"].tolist() == [names[code] for code in codes]
        assert table.set_index("proxy")["score"].to_dict() == pytest.approx(own.to_dict(), rel=1e-5)


# ---------------------------------------------------------------- data files


def test_a_batch_is_the_one_on_which_the_suite_scores(in_data_folder):
    images, labels = trainfree.batch("generated", size=5, seed=3)
    assert np.array_equal(images, load_mini_batch(IMAGES, 5, 3))
    assert np.array_equal(labels, load_mini_batch_labels(IMAGES, 5, 3))
    noise, same = trainfree.batch("generated", size=5, seed=3, kind="gaussian")
    assert noise.shape == images.shape
    assert not torch.equal(noise, images)
    assert torch.equal(same, labels)
    with pytest.raises(ImageError, match="smaller batch"):
        trainfree.batch("generated", size=100_000)


def test_an_image_set_that_is_not_there_is_said_how_to_prepare(tmp_path):
    with pytest.raises(DataFileError, match=r"no such file.*prepare-images --dataset cifar10"):
        trainfree.batch("cifar10", folder=tmp_path)
    with pytest.raises(UnknownNameError, match="did you mean 'cifar10'"):
        trainfree.batch("cifar-10", folder=tmp_path)


def test_files_are_opened_with_the_checks_of_the_suite(in_data_folder, tmp_path):
    scores = trainfree.open_scores(SCORES)
    assert isinstance(scores, xr.Dataset)
    assert scores["proxy"].to_numpy().tolist() == ["params", "naswot", "snip"]
    named = trainfree.open_benchmark("nasbench201_mini")
    assert named.identical(trainfree.open_benchmark(BENCHMARK))
    with pytest.raises(DataFileError, match="expected a file of scores, found schema = 'images'"):
        trainfree.open_scores(IMAGES)
    with pytest.raises(DataFileError, match="expected schema = 'benchmark'"):
        trainfree.open_benchmark(IMAGES)
    for opening in (trainfree.open_scores, trainfree.open_benchmark):
        with pytest.raises(DataFileError, match="no such"):
            opening(tmp_path / "none.h5")
    with pytest.raises(UnknownNameError, match="did you mean 'nasbench201'"):
        trainfree.open_benchmark("nasbench2001")
    damaged = tmp_path / "damaged.h5"
    damaged.write_bytes(SCORES.read_bytes()[:-200])
    with pytest.raises(DataFileError, match=r"damaged\.h5"):
        trainfree.open_scores(damaged)


# ---------------------------------------------------------------- ranks and coefficients


def scored(**scores: float) -> pd.DataFrame:
    rows = [
        {"model": model, "proxy": "naswot", "score": value, "spread": 0.5, "status": "ok"}
        for model, value in scores.items()
    ]
    return pd.DataFrame(rows)


def test_ranks_share_ties_and_leave_out_what_has_no_score():
    table = scored(a=1.0, b=3.0, c=float("nan"), d=3.0, e=-np.inf)
    ranked = trainfree.rank(table)
    assert ranked["model"].tolist() == ["b", "d", "a", "e", "c"]
    assert ranked["rank"].fillna(0).tolist() == [1, 1, 3, 4, 0]


def test_each_proxy_is_ranked_by_itself_in_the_order_of_the_table():
    other = scored(a=5.0, b=4.0).assign(proxy="flops")
    table = pd.concat([scored(a=1.0, b=2.0), other], ignore_index=True)
    ranked = trainfree.rank(table)
    assert ranked["proxy"].tolist() == ["naswot", "naswot", "flops", "flops"]
    assert ranked["model"].tolist() == ["b", "a", "a", "b"]
    assert trainfree.rank(table, "flops")["model"].tolist() == ["a", "b"]
    with pytest.raises(UnknownNameError, match="did you mean 'flops'"):
        trainfree.rank(table, "flop")
    with pytest.raises(TrainfreeError, match="'a' twice"):
        trainfree.rank(pd.concat([table, table]))
    with pytest.raises(TrainfreeError, match="it has no spread"):
        trainfree.rank(table.drop(columns="spread"))


@pytest.fixture
def pairs():
    rng = np.random.default_rng(0)
    score = rng.normal(size=40)
    return score, 90 + score + rng.normal(size=40)


def test_coefficients_are_those_of_scipy_and_lie_in_their_intervals(pairs):
    row = trainfree.correlate(*pairs).iloc[0]
    for name, function in (
        ("kendall", stats.kendalltau),
        ("spearman", stats.spearmanr),
        ("pearson", stats.pearsonr),
    ):
        assert row[name] == pytest.approx(function(*pairs).statistic, rel=1e-12)
        assert row[f"{name}_low"] < row[name] < row[f"{name}_high"]
    assert (row["n"], row["excluded"], row["note"]) == (40, 0, "")
    assert trainfree.correlate(*pairs).equals(trainfree.correlate(*pairs))


def test_models_are_matched_by_name_whatever_their_order(pairs):
    names = [f"m{number}" for number in range(40)]
    score, accuracy = (pd.Series(values, names) for values in pairs)
    by_place = trainfree.correlate(*pairs)
    shuffled = accuracy.sample(frac=1, random_state=0)
    table = pd.DataFrame({"model": names, "proxy": "naswot", "score": pairs[0]})
    of_others = pd.concat([shuffled, pd.Series({"another": 1.0})])
    for scores, accuracies in (
        (score, shuffled),
        (score.to_dict(), shuffled.to_dict()),
        (table, of_others),
    ):
        found = trainfree.correlate(scores, accuracies)
        assert found.drop(columns="proxy").equals(by_place.drop(columns="proxy"))


def test_what_has_no_score_is_left_out_and_minus_infinity_ranks_lowest(pairs):
    score, accuracy = (values.copy() for values in pairs)
    score[0], score[1] = np.nan, -np.inf
    row = trainfree.correlate(score, accuracy).iloc[0]
    assert (row["n"], row["excluded"]) == (39, 1)
    assert row["kendall"] == pytest.approx(stats.kendalltau(score[1:], accuracy[1:]).statistic)
    assert np.isnan(row["pearson"])
    assert "Pearson undefined" in row["note"]


def test_what_cannot_be_correlated_is_refused_with_the_reason(pairs):
    for scores, accuracies, said in (
        ([1.0, 2.0], [1.0], "expected as many accuracies as scores, found 1 and 2"),
        ({"a": 1.0}, {"b": 1.0}, r"such as \['a'\]; found those of \['b'\]"),
        (["x"], [1.0], "expected numbers"),
        (np.ones((2, 2)), [1.0, 2.0], r"found the shape \(2, 2\)"),
        (pd.DataFrame({"model": ["a"]}), {"a": 1.0}, "it has no proxy"),
        (pd.Series([1.0, 2.0], ["a", "a"]), {"a": 1.0}, "'a' twice"),
    ):
        with pytest.raises(TrainfreeError, match=said):
            trainfree.correlate(scores, accuracies)
    with pytest.raises(TrainfreeError, match="resamples"):
        trainfree.correlate(*pairs, resamples=0)
    with pytest.raises(ConfigError):
        trainfree.space("x", Path("no-such-file.py"))
