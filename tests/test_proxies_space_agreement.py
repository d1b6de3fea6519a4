"""The table that compares our scores with published ones on spaces beside NAS-Bench-201."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from analysis_fixtures import tabulate
from scipy.stats import spearmanr

from trainfree.analysis.proxies.published_proxy_scores import PUBLISHED_SCORES, PublishedScores
from trainfree.config import parse_config
from trainfree.errors import ConfigError, DataFileError
from trainfree.files.storage import write_dataset
from trainfree.proxies import PROXY_NAMES
from trainfree.scoring.status import Status
from trainfree.sources.published_proxy_scores import PUBLISHED, prepare_published_scores
from trainfree.workflow.runs import ConfiguredRun

NAMES = tuple(f"net{number}" for number in range(30))
NWOT = {"naswot": "nwot"}
BOTH = {
    "one": PublishedScores(
        "space1", "cifar10", "theirs", {"naswot": "nwot"}, "name", {"kind": "a"}
    ),
    "two": PublishedScores("space2", "cifar10", "theirs", NWOT, "name", {"kind": "b"}, -1e8),
}


def described(dims, values, **more):
    return dims, values, {"units": "1", "long_name": "made up", **more}


def write_scores(path, space, values):
    both, states = ("arch", "proxy"), (Status.OK, Status.ERROR)
    flags = {"flag_values": [int(one) for one in states], "flag_meanings": "ok error"}
    names = np.array(NAMES[: len(values)], dtype=object)
    data = xr.Dataset(
        {
            "score": described(both, values[:, None]),
            "status": described(both, np.full((len(values), 1), int(Status.OK), np.int8), **flags),
            "architecture": described("arch", names),
        },
        coords={"arch": np.arange(len(values)), "proxy": np.array(["naswot"], dtype=object)},
        attrs={"space": space, "dataset": "cifar10", "setting": "s"},
    )
    write_dataset(data, path, "scores")
    return path


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.setattr("trainfree.analysis.proxies.space_agreement.PUBLISHED_SCORES", BOTH)
    rng = np.random.default_rng(0)
    own = {space: rng.normal(size=30) for space in ("space1", "space2")}
    scores = [
        write_scores(tmp_path / f"{space}-{seed}.h5", space, values + seed * rng.normal(size=30))
        for space, values in own.items()
        for seed in range(2)
    ]
    tables = [
        pd.DataFrame({"kind": kind, "name": NAMES, "nwot": values + rng.normal(size=30)})
        for kind, values in zip("ab", own.values(), strict=True)
    ]
    tables[1].loc[:4, "nwot"] = -1e8
    pd.concat([table.sample(frac=1, random_state=1) for table in tables]).to_csv(
        tmp_path / "theirs.csv.gz", index=False
    )
    return tmp_path, scores, own, tables


def agreement(folder, scores):
    published = [folder / "theirs.csv.gz"]
    return tabulate("space_agreement", folder, scores=scores, published_scores=published)


def test_each_space_stands_beside_its_own_rows(files):
    folder, scores, own, (one, two) = files
    found = agreement(folder, scores).set_index("space")
    assert found.loc["space1", "n"] == 30
    assert found.loc["space2", "n"] == 25  # what stands for missing is missing
    expected = spearmanr(own["space1"], one["nwot"]).statistic
    assert found.loc["space1", "spearman"] == pytest.approx(expected)
    expected = spearmanr(own["space2"][5:], two["nwot"][5:]).statistic
    assert found.loc["space2", "spearman"] == pytest.approx(expected)
    assert found["own_seed_spearman"].between(0.3, 0.99).all()


def test_files_that_do_not_match_are_named(files):
    folder, scores, own, (one, _) = files
    with pytest.raises(DataFileError, match=r"space2-0\.h5: expected a second file"):
        agreement(folder, scores[:3])
    other = write_scores(folder / "other.h5", "space3", own["space1"])
    with pytest.raises(DataFileError, match=r"other\.h5: nobody published scores of space3"):
        agreement(folder, [other, other])
    for table, words in (
        (one, r"1 to 1,000,000 rows, of kind b too, found 30, 0 of these"),
        (pd.concat([one, one]), "column 'name': expected different architectures"),
        (one.drop(columns="kind"), "expected a column 'kind'"),
        (one.assign(nwot="many"), "column 'nwot': expected numbers"),
        (one.assign(name=one["name"] + "x"), "no architecture in common"),
    ):
        table.to_csv(folder / "theirs.csv.gz", index=False)
        with pytest.raises(DataFileError, match=words) as caught:
            agreement(folder, scores)
        assert "theirs.csv.gz" in str(caught.value)


def test_a_configuration_names_what_is_compared_and_how_much_of_it():
    run = ConfiguredRun(parse_config({"space_agreement": {"samples": {"nasbench301": 40}}}))
    first, second = run.space_agreement["nasbench301"]
    assert (first.sample, first.batch_size, first.space) == (40, 32, "nasbench301")
    assert (first.seed, second.seed, first.sample_seed, second.sample_seed) == (0, 1, 0, 0)
    every = ConfiguredRun(parse_config({"space_agreement": {"samples": {"nasbench301": 9999}}}))
    assert {setting.sample for setting in every.space_agreement["nasbench301"]} == {0}
    none = ConfiguredRun(parse_config({"space_agreement": {"samples": {"nasbench301": None}}}))
    assert not none.space_agreement
    with pytest.raises(ConfigError, match="unknown published scores"):
        parse_config({"space_agreement": {"samples": {"nasbench302": 5}}})


@pytest.mark.shared_data
@pytest.mark.parametrize("name", PUBLISHED_SCORES)
def test_the_mirror_s_file_has_what_is_declared(name, shared_data, tmp_path):
    meant = PUBLISHED_SCORES[name]
    assert meant.file in PUBLISHED
    assert set(meant.columns) <= set(PROXY_NAMES)
    path = tmp_path / f"{meant.file}.csv.gz"
    prepare_published_scores(meant.file, path, str(shared_data))
    from trainfree.analysis.proxies.space_agreement import read_published

    found = read_published(path, meant)
    assert len(found) > 600
    assert found.notna().any().all()
