"""Citations: every name of the suite has its papers, and a run cites what it used."""

from __future__ import annotations

import re

import numpy as np
import pytest
from analysis_fixtures import write_scores, write_search
from sharing_files import write_sharing

from trainfree.cli import main
from trainfree.combinations import COMBINATION_NAMES
from trainfree.images.datasets import DATASETS
from trainfree.proxies import PROXY_NAMES, load_proxy
from trainfree.search import ALGORITHM_NAMES
from trainfree.spaces import SPACE_NAMES
from trainfree.terminal.citing import papers
from trainfree.terminal.citing.cite import bibtex, everything, papers_of, read_entries
from trainfree.weight_sharing.methods import METHOD_NAMES

TABLES = (
    *(papers.OF_CITES, papers.OF_COMBINATIONS, papers.OF_SPACES, papers.OF_SOURCES),
    *(papers.OF_ALGORITHMS, papers.OF_METHODS, papers.OF_IMAGES, papers.OF_RESULTS),
)


def test_every_name_of_the_suite_is_in_the_tables():
    declared = {load_proxy(name).cite for name in PROXY_NAMES}
    assert set(papers.OF_CITES) == declared
    assert set(papers.OF_COMBINATIONS) == set(COMBINATION_NAMES)
    assert set(papers.OF_SPACES) == set(SPACE_NAMES)
    assert set(papers.OF_ALGORITHMS) == set(ALGORITHM_NAMES)
    assert set(papers.OF_METHODS) == set(METHOD_NAMES)
    assert set(papers.OF_IMAGES) == set(DATASETS)


def test_every_paper_has_an_entry_and_every_entry_a_use():
    entries = read_entries()
    used = {key for table in TABLES for keys in table.values() for key in keys}
    assert used == set(entries)


@pytest.mark.parametrize(("key", "entry"), read_entries().items())
def test_entries_are_whole(key, entry):
    assert entry.count("{") == entry.count("}")
    fields = dict(re.findall(r"^  (\w+) = \{(.*)\},$", entry, flags=re.MULTILINE))
    assert {"title", "author"} <= set(fields)
    kind = re.match(r"@(\w+)", entry)[1]
    needed = {"inproceedings": "booktitle", "article": "journal", "techreport": "institution"}
    assert needed.get(kind, "title") in fields
    if kind != "misc":
        assert re.fullmatch(r"\d{4}", fields["year"])
    assert len(entry.splitlines()) == len(fields) + 2  # each line is a field
    assert "%" not in entry
    if key[-4:].isdecimal():
        assert fields["year"] == key[-4:]


def test_a_run_cites_its_proxies_spaces_searches_images_and_tables(tmp_path, capsys):
    place = tmp_path / "scores/nasbench201/cifar10"
    write_scores(place / "s0.h5", {"synflow": np.arange(4.0), "someones@own": np.ones(4)})
    fitness = np.ones((2, 3))
    write_search(tmp_path / "search/a/b/rea.h5", fitness, fitness, [2], algorithm="rea")
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "cossu_table1.csv").write_text("a\n1\n")
    assert main(["cite", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    keys = re.findall(r"^@\w+\{([^,]+),", shown, flags=re.MULTILINE)
    assert keys == [
        *("trainfree", "mellor2021", "cossu", "abdelfattah2021", "tanaka2020"),
        *("dong2020", "dong2021", "real2019", "krizhevsky2009"),
    ]
    assert "% proxy synflow\n@inproceedings{tanaka2020," in shown
    assert "proxy someones(at)own" in shown
    output = tmp_path / "used.bib"
    assert main(["cite", str(tmp_path), "--output", str(output)]) == 0
    assert output.read_text() == shown


def test_a_run_cites_its_methods_of_weight_sharing(tmp_path, capsys):
    write_sharing(tmp_path / "weight_sharing/nasbench201/cifar10/setn/0.h5", "setn")
    sharing = tmp_path / "enas/search.h5"
    sharing.parent.mkdir()
    write_sharing(sharing, "darts_v2")  # any file: the path says that ENAS wrote it
    assert main(["cite", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "% method setn\n@inproceedings{dong2019setn," in shown
    assert "% method darts_v2\n@inproceedings{liu2019," in shown
    assert "% files enas/*\n@inproceedings{pham2018," in shown
    assert "not the suite's own" not in shown


def test_without_a_run_everything_is_cited(capsys):
    assert main(["cite"]) == 0
    shown = capsys.readouterr().out
    assert shown.count("\n@") == len(read_entries())
    assert shown == bibtex(everything())
    assert papers_of("proxy", "nobody's") is None


def test_a_folder_without_results_is_said_so(tmp_path, capsys):
    for folder, said in ((tmp_path, "has no results"), (tmp_path / "none", "is not a directory")):
        assert main(["cite", str(folder)]) == 2
        assert said in capsys.readouterr().err
