"""The shell lines of the rules: every value arrives as it was, whatever it is made of."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml
from test_workflow import copy_of, environment

from trainfree.cli import parser

HOSTILE = "a b$(touch PWNED)`touch PWNED`'q\";touch PWNED;&|>x*?[~#!é"
"""What is special to a shell, but for what no part of a path can hold."""
WHOLE = (HOSTILE, json.dumps(HOSTILE)[1:-1])
"""As a path, and inside a setting."""
TARGETS = (
    *("all", "paper_figures", "proxy_agreement", "space_agreement"),
    *("proxy_tables", "proxy_figures"),
    *("proxy_stability", "nasbench101", "nasbench101_scores", "landscape", "ablation", "training"),
    *("learned", "pareto", "weight_sharing", "enas", "enas_convolutional"),
    *("spaces", "field_tables"),
)


def snakemake(checkout: Path, place: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """Run the checkout's workflow in another folder, as ``snakemake -d`` does."""
    words = [
        *("snakemake", "--snakefile", str(checkout / "Snakefile"), "--cores", "2"),
        *("--workflow-profile", "none", "--directory", str(place), *more),
    ]
    return subprocess.run(
        words,
        cwd=place.parent,
        env=environment(checkout),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def hostile(repository, tmp_path_factory) -> tuple[Path, Path, Path]:
    """A checkout, a folder to run it in and a configuration, with all paths hostile."""
    base = tmp_path_factory.mktemp("rules")
    checkout = copy_of(repository, base / HOSTILE)
    place = base / f"run {HOSTILE}"
    place.mkdir()
    mirror = base / f"mirror {HOSTILE}"
    (mirror / "nasbench101").mkdir(parents=True)
    archive = mirror / "NATS-tss-v1_0-3ffb9-simple"
    archive.mkdir()
    cells = mirror / "nasbench101" / "cells.tfrecord"
    cells.write_bytes(b"")
    proxy = base / f"proxy {HOSTILE}.py"
    proxy.write_text(
        "from trainfree.proxies.registry import proxy\n"
        '@proxy("mine", cite="none")\n'
        "def mine(candidate):\n    return 1.0\n"
    )
    search = base / HOSTILE / "my_search.py"
    search.write_text((checkout / "src/trainfree/search/algorithms/random.py").read_text())
    config = place / "hostile.yaml"
    config.write_text(
        yaml.safe_dump(
            {
                "run": "hostile",
                "sources": {
                    "mirror": str(mirror),
                    "nats_archive": str(archive),
                    "nasbench101": str(cells),
                },
                "proxies": {"extra": [str(proxy)]},
                "search": {"extra": [str(search)], "searches": {"own": {"algorithm": "my_search"}}},
            },
            allow_unicode=True,
        )
    )
    return checkout, place, config


def commands(printed: str) -> list[list[str]]:
    """Return the words that a shell makes of each printed command of ours."""
    lines = [line for line in printed.splitlines() if "python -m trainfree" in line]
    return [shlex.split(line.partition("python -m trainfree ")[2]) for line in lines]


def test_every_value_in_a_shell_line_is_quoted(repository):
    every = 0
    for path in (repository / "rules").glob("*.smk"):
        text = path.read_text()
        shells = re.findall(r"(?ms)^    shell:\n(.*?)(?:\n\n|\Z)", text)
        assert len(shells) == len(re.findall(r"(?m)^rule ", text)), path
        every += len(shells)
        for shell in shells:
            values = re.findall(r"\{([^}]*)\}", shell)
            assert all(value.endswith(":q") or value == "threads" for value in values), shell
    assert every > 10


@pytest.mark.workflow
@pytest.mark.parametrize("space", ["nasbench201_mini", "nasbench201"])
def test_hostile_paths_arrive_whole_in_every_rule(hostile, space):
    """Of every rule a command is printed; the shell's words are parsed by our own parser."""
    checkout, place, config = hostile
    test = ["config/test.yaml"] if space == "nasbench201_mini" else []
    files = [*(str(checkout / name) for name in test), str(config)]
    targets = [name for name in TARGETS if "agreement" not in name or not test]
    done = snakemake(
        checkout, place, *targets, "--configfile", *files, "--dry-run", "--printshellcmds"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = commands(done.stdout + done.stderr)
    seen = {words[0] for words in found}
    for words in found:
        assert words[-3:-2] == [">"], words  # the log, then 2>&1: nothing of a value split
        parser().parse_args(words[:-3])
        for word in words:
            assert "PWNED" not in word or any(path in word for path in WHOLE), word
    assert {"tabulate", "report", "score-shard", "search", "prepare-nasbench101"} <= seen
    text = " ".join(word for words in found for word in words)
    for value in ("proxy ", "mirror ", "my_search.py"):
        assert f"{value}" in text
    if not test:
        archives = [
            words[words.index("--nats-archive") + 1] for words in found if "--nats-archive" in words
        ]
        assert archives
        assert all(HOSTILE in archive for archive in archives)


@pytest.mark.workflow
def test_nothing_is_executed_and_everything_works_from_a_hostile_checkout(hostile):
    checkout, place, config = hostile
    calm = place / "calm.yaml"
    values = yaml.safe_load(config.read_text())
    del values["sources"]["nats_archive"], values["sources"]["nasbench101"]
    calm.write_text(yaml.safe_dump(values, allow_unicode=True))
    files = [str(checkout / "config" / "test.yaml"), str(calm)]
    tables = [
        f"results/hostile/tables/{name}.csv" for name in ("naswot_table1", "timing", "search")
    ]
    done = snakemake(
        checkout,
        place,
        *tables,
        "results/hostile/search/nasbench201_mini/generated/own.h5",
        "--configfile",
        *files,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert all((place / table).stat().st_size for table in tables)
    assert not list(place.parent.rglob("PWNED"))
    # a source that does not hold what it should: the sentence names the path as it is
    done = snakemake(
        checkout,
        place,
        "data/benchmarks/nasbench201.h5",
        "data/benchmarks/nasbench101.h5",
        "--keep-going",
        "--configfile",
        str(config),
    )
    assert done.returncode != 0
    logs = [
        place / "logs" / "hostile" / "prepare_benchmark" / f"{space}.log"
        for space in ("nasbench201", "nasbench101")
    ]
    for log in logs:
        assert HOSTILE in log.read_text(), log.read_text()
        assert "Traceback" not in log.read_text()
    assert not list(place.parent.rglob("PWNED"))


@pytest.mark.workflow
def test_a_path_that_snakemake_takes_for_a_wildcard_is_named(repository, tmp_path):
    checkout = copy_of(repository, tmp_path / "x{y}")
    for place in (checkout, tmp_path / "elsewhere"):
        place.mkdir(exist_ok=True)
        done = snakemake(checkout, place, "--dry-run")
        assert done.returncode != 0
        assert f"{checkout}: expected a path without braces" in done.stdout + done.stderr
