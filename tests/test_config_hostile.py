"""Configurations that somebody may really hand over: the wrong file, the wrong value, too much."""

from __future__ import annotations

import contextlib
import os
import pickle
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trainfree.cli import main
from trainfree.config import load_config, parse_config, workflow_config
from trainfree.errors import ConfigError
from trainfree.sources.delivery import source_settings


def refused(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    message = str(caught.value)
    assert len(message) < 1500, "a message is no copy of the file"
    return message


LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{after}: &{after} [{', '.join([f'*{before}'] * 10)}]\n"
    for before, after in zip("abcdefgh", "bcdefghi", strict=True)
)
MERGED_LAUGHS = "a: &a {x: 1, y: 2}\n" + "".join(
    f"{after}: &{after} {{k{after}: 1, <<: [{', '.join([f'*{before}'] * 10)}]}}\n"
    for before, after in zip("abcdefghi", "bcdefghij", strict=True)
)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("# naïve\nseed: 1\n".encode("latin-1"), "line 1: expected text in UTF-8, .*0xef.*Latin-1"),
        ("seed: 1\n# ä\n".encode("cp1252"), "line 2: expected text in UTF-8, .*0xe4"),
        ("seed: 1\n".encode("utf-16"), "expected text in UTF-8, found UTF-16; .*iconv"),
        ("seed: 1\n".encode("utf-16-le"), "found UTF-16"),
        ("seed: 1\n".encode("utf-16-be"), "found UTF-16"),
        (b"\x89HDF\r\n\x1a\n\0\1\2\3" + bytes(range(256)), "found binary data"),
        (pickle.dumps({"seed": 1}), "found binary data"),
        (b"\x1f\x8b\x08\x08" + bytes(range(1, 64)), "found binary data"),
        ("seed: 1\n".encode("utf-32"), "found UTF-32"),
        (b"datasets: !!set {0x" + b"f" * 6000 + b"}", "datasets: expected text, .*found set"),
        (b"? [0x" + b"f" * 6000 + b"]\n: 1\n", "found unhashable key"),
        (b"space: !!binary aGVsbG8=", "space: expected text, .*found bytes"),
        (b"<!DOCTYPE html>\n<html></html>", "expected a mapping of keys, found str"),
        (b"seed: 1\nseed: 2\n", "line 2, .*'seed' occurs twice"),
        (b"scoring: {batch_size: 1, batch_size: 2}\n", "'batch_size' occurs twice"),
        (b'{"seed": 1, "seed": 2}', "'seed' occurs twice"),
        (b"scoring:\n\tbatch_size: 3\n", "not valid YAML: line 2.*tabs"),
        (LAUGHS.encode(), "values in all, found more; an alias"),
        (MERGED_LAUGHS.encode(), "merged keys, found more"),
        (b"a: &a [*a]\n", "levels of keys|found more"),
        (b"seed: " + b"[" * 3000 + b"]" * 3000, "nested too deeply"),
        (b'{"seed": ' + b"[" * 100000 + b"]" * 100000 + b"}", "nested too deeply"),
        (b"seed: " + b"[" * 60 + b"]" * 60, "levels of keys, found more"),
        (b"seed: " + b"9" * 5000, "'999.* of 5000 characters is not a valid int"),
        (b"seed: " + b"9" * 300, "seed: expected a whole number of at most 64 bits"),
        (b'{"seed": ' + b"9" * 5000 + b"}", "characters is not a valid int"),
        (b"seed: !!int {a: 1}", "expected a scalar node"),
        (b"seed: !!int", "'' is not a valid int"),
        (b"seed: !!bool x", "'x' is not a valid bool"),
        (b"seed: 18446744073709551616\n", "seed: expected a whole number of at most 64 bits"),
        (b"seed: 9223372036854775807\n", "seed: .*less than or equal to 9223372036854775806"),
        (b"1: {}\n", "expected keys that are text, found 1; .*quotes"),
        (b"search: {searches: {no: {algorithm: rea}}}", "text in search.searches, found False"),
        (b"space: 2024-01-01\n", "space: .*string, found datetime.date.*put quotes"),
        (b"space: 2024-13-45\n", "line 1, .*'2024-13-45' is not a valid timestamp"),
        (b"space: no\n", "space: .*string, found False; put quotes"),
        (b"seed: 1:30\n", "'1:30' is a number in base 60"),
        (b"seed: 010\n", "'010' is a number in base 8"),
        (b"seed: 1e3\n", "found '1e3'; write the number without quotes"),
        (b"seed: !!python/object/apply:os.getcwd []\n", "not valid YAML: line 1.*tag"),
        (b"seed: 1\n---\nseed: 2\n", "not valid YAML: .*single document"),
        (b"0\n", "expected a mapping of keys, found int"),
        (b"space: " + b"x" * 500_000, "at most 8192 characters of text, found 500000"),
        (b"x" * 2**21, "at most 1048576 bytes, found more"),
        (b'space: "a\\0b"\n', "space: expected text of printable characters"),
        (b'space: "\\ud800"\n', "printable|YAML"),
        (b"space: {}\n", "space: .*string, found {}"),
        (b"scoring:\n", "scoring: .*found None; leave the key out"),
        (b"scoring: batch_size:64\n", "scoring: .*with a space after the colon"),
        (b"scoring: {batch_size:64}\n", "unknown key 'scoring.batch_size:64'"),
        (b"datasets: cifar10\n", r"datasets: .*list, found 'cifar10'; write a list: .*\[cifar10\]"),
        (b"training: {learning_rate: .inf}\n", "learning_rate: .*finite number, found inf"),
        (b"training: {learning_rate: .nan}\n", "learning_rate: .*finite number, found nan"),
        (b"training: {learning_rate: 1.0e+400}\n", "learning_rate: .*finite number"),
        (b'{"training": {"learning_rate": Infinity}}', "learning_rate: .*finite number"),
    ],
)
def test_wrong_files_and_values_end_in_one_sentence(tmp_path, content, words):
    path = tmp_path / "my.yaml"
    path.write_bytes(content)
    message = refused(path)
    assert str(path) in message
    assert re.search(words, message), message


YAML_PIECES = [
    *("scoring", "search", "searches", "seed", "datasets", "mirror", "rea", "algorithm", "cifar10"),
    *("1", "-0.0", ".inf", "~", "null", "no", "2024-01-01", "1:30", "0x" + "f" * 6000, "9" * 5000),
    *(": ", ", ", "{", "}", "[", "]", "\n", "\n  ", "- ", "? ", "&a ", "*a", "<<: ", "!!set ", "|"),
    *(
        "'",
        '"',
        "#",
        "%",
        "\t",
        "!!binary ",
        "!!int ",
        "!!float ",
        "!!timestamp ",
        "!!omap ",
        "---",
    ),
]


@given(st.lists(st.sampled_from(YAML_PIECES), max_size=25))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_whatever_stands_in_a_file_ends_in_a_configuration_or_a_sentence(tmp_path, pieces):
    path = tmp_path / "my.yaml"
    path.write_text("".join(pieces), encoding="utf-8")
    with contextlib.suppress(ConfigError):
        load_config(path)


def test_a_byte_order_mark_and_json_are_read(tmp_path):
    marked, json = tmp_path / "a.yaml", tmp_path / "b.json"
    marked.write_bytes("seed: 3\n".encode("utf-8-sig"))
    json.write_text('{\n\t"seed": 4\n}')
    assert (load_config(marked).seed, load_config(json).seed) == (3, 4)


def test_anchors_merge_keys_and_empty_files_are_read(tmp_path):
    path = tmp_path / "my.yaml"
    path.write_text(
        "search:\n  searches:\n    a: &a {algorithm: rea, runs: 3}\n    b: {<<: *a, runs: 4}\n"
        "    c: {<<: *a}\n"
    )
    plans = load_config(path).search.plans()
    assert [plans[name].runs for name in "abc"] == [3, 4, 3]
    path.write_text("# nothing\n")
    assert load_config(path).seed == 0


def test_places_that_are_no_readable_file_are_named(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert "found a pipe" in refused(pipe)
    assert "found a folder" in refused(tmp_path)
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    assert "cannot be read" in refused(loop)
    for name in ("x" * 300, "a\0b"):
        assert re.search("cannot be read|is not a file name", refused(tmp_path / name))
    if os.geteuid():
        closed = tmp_path / "closed.yaml"
        closed.write_text("seed: 1\n")
        closed.chmod(0)
        assert "Permission denied" in refused(closed)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"scoring": {"proxies": ["naswot", "naswot"]}}, "proxies: .*once; naswot occurs twice"),
        ({"datasets": ["cifar10", "cifar10"]}, "datasets: .*once; cifar10 occurs twice"),
        ({"ablation": {"proxies": ["naswot", "naswot"]}}, "ablation.proxies: .*twice"),
        ({"nasbench101": {"proxies": ["params"] * 2}}, "nasbench101.proxies: .*twice"),
        ({"ablation": {"batch_sizes": [8, 8]}}, "ablation.batch_sizes: .*8 occurs twice"),
        ({"search": {"budgets": [10, 10]}}, "search.budgets: .*10 occurs twice"),
        ({"sources": {"order": ["mirror", "mirror"]}}, "sources.order: .*mirror occurs twice"),
        ({"proxies": {"extra": ["a.py", "a.py"]}}, "proxies.extra: .*a.py occurs twice"),
        ({"scoring": {"proxies": []}}, "scoring.proxies: .*at least 1"),
        ({"scoring": {"proxies": [""]}}, "scoring.proxies.0: .*at least 1"),
        ({"space": "x" * 300}, "space: .*at most 200"),
        ({"space": "a b"}, "unknown space 'a b'"),
        ({"sources": {"timeout_seconds": float("inf")}}, "timeout_seconds: .*finite"),
        ({"sources": {"timeout_seconds": 1e9}}, "timeout_seconds: .*86400"),
        ({"scoring": {"batch_size": 10**12}}, "batch_size: .*65536"),
        ({"scoring": {"shard_size": 10**12}}, "shard_size: .*10000000"),
        ({"training": {"epochs": 10**12}}, "epochs: .*10000"),
        ({"training": {"images": 10**12}}, "images: .*10000000"),
        ({"search": {"runs": 10**12}}, "search.runs: .*100000"),
        ({"analysis": {"bootstrap_resamples": 10**12}}, "bootstrap_resamples: .*100000"),
        ({"analysis": {"margin_percent": float("inf")}}, "margin_percent: .*finite"),
        ({"stability": {"draws": 10**12}}, "stability.draws: .*100000"),
        ({"nasbench101": {"sample": 423_625}}, "nasbench101.sample: .*423624"),
        ({"nasbench101": {"sample": 9000, "first_hashes": 100}}, "nasbench101.sample: 9000 cells"),
        ({"training": {"architectures": 10**6}}, "training.architectures: .*10000"),
        ({"kernels": {"architectures": 10**6}}, "kernels.architectures: .*1000"),
        ({"space": "nasbench101", "search": {"searches": {}}, "scoring": {"shard_size": 1}},
         "scoring.shard_size: 1 makes 423,624 jobs .*at most 100,000"),
        ({"agreement": {"sample": 15_626}}, "agreement.sample: .*15625"),
        ({"sources": {"mirror": "a\0b"}}, "sources.mirror: "),
        ({"sources": {"mirror": "x/" * 3000}}, "sources.mirror: .*4095 bytes"),
        ({"sources": {"mirror": "x" * 256}}, "sources.mirror: .*at most 255 bytes"),
        ({"sources": {"mirror": ""}}, "sources.mirror: .*at least 1"),
        ({"sources": {"mirror": "null"}}, "sources.mirror: .*write null without quotes"),
        ({"sources": {"mirror": "None"}}, "sources.mirror: .*write null without quotes"),
        ({"sources": {"nats_archive": "~no_such_user_/x"}}, "nats_archive: .*no.* home|whole path"),
        ({"search": {"searches": {"a": {"algorithm": "rea", "budget_seconds": float("inf")}}}},
         "searches.a.budget_seconds: .*finite"),
        ({"search": {"searches": {"a": {"algorithm": "rea", "budget_seconds": 1e12}}}},
         "searches.a.budget_seconds: .*10000000000"),
        ({"search": {"searches": {"a": {"algorithm": "reinforce", "learning_rate": float("inf")}}}},
         "searches.a.learning_rate: expected a .* number, found inf"),
        ({"search": {"searches": {"a": {"algorithm": "rea", "population": 10**12}}}},
         "searches.a.population: expected .* at most 1000000, found 1000000000000"),
        ({"search": {"searches": {"a": {"algorithm": "rea", "population": 10**6}}}},
         "searches.a.population: expected at most 10000, found 1000000"),
        ({"search": {"searches": {"a": {"algorithm": "rea", "sample": 10**5}}}},
         "searches.a.sample: expected at most 10000"),
        ({"search": {"searches": {"a": {"algorithm": "move", "proxy": "naswot",
                                        "proposals": 10**5}}}},
         "searches.a.proposals: expected at most 10000"),
        ({"search": {"searches": {"a": {"algorithm": "bohb", "candidates": 10**5}}}},
         "searches.a.candidates: expected at most 10000"),
        ({"search": {"searches": {"a": {"algorithm": "bohb", "rungs": 200}}}},
         "searches.a.rungs: expected at most 20"),
        ({"search": {"searches": {"a": {"algorithm": "bohb", "eta": 1000, "rungs": 20}}}},
         "searches.a.eta: "),
        ({"search": {"runs": 100_000, "budgets": [15_000]}},
         "searches.random: .*evaluations of all runs"),
        ({"search": {"searches": {"a" * 190: {"algorithm": "rea", "x" * 150: 1}}}}, "unknown"),
    ],
)  # fmt: skip
def test_what_would_fail_late_or_never_end_is_refused_with_its_key(values, words):
    with pytest.raises(ConfigError, match=words) as caught:
        parse_config(values)
    assert len(str(caught.value)) < 1200


def test_many_mistakes_are_counted_rather_than_all_printed():
    with pytest.raises(ConfigError, match="and 80 more"):
        parse_config({"scoring": {"proxies": list(range(100))}})


def test_a_home_folder_is_a_real_path_for_every_reader(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    config = parse_config(
        {"sources": {"mirror": "~/m", "nats_archive": "~/n", "nasbench101": "~/x.tfrecord"}}
    )
    assert config.sources.mirror == f"{tmp_path}/m"
    assert config.sources.nats_archive == f"{tmp_path}/n"
    assert config.sources.nasbench101 == f"{tmp_path}/x.tfrecord"


def test_minus_zero_is_zero():
    assert str(parse_config({"training": {"above_percent": -0.0}}).training.above_percent) == "0.0"


def from_snakemake(*entries: str, files: tuple[Path, ...] = ()) -> object:
    """Return the configuration as Snakemake hands it on: its own parsing of ``--config``."""
    from snakemake.cli import parse_config as snakemake_parses

    values = snakemake_parses(list(entries))
    return workflow_config(values, files, entries)


def test_sections_of_a_command_line_hold_numbers_and_null():
    config = from_snakemake(
        "scoring={batch_size: 64, sample: null}",
        "sources={mirror: null, nats_archive: None, timeout_seconds: 2.5}",
        "training={learning_rate: 0.5}",
        "search={searches: {rea: {algorithm: rea, runs: 3, replacement: false}}}",
    )
    assert (config.scoring.batch_size, config.scoring.sample) == (64, None)
    assert (config.sources.mirror, config.sources.nats_archive) == (None, None)
    assert (config.sources.timeout_seconds, config.training.learning_rate) == (2.5, 0.5)
    assert config.search.plans()["rea"].settings["replacement"] is False


@pytest.mark.parametrize("entry", ['scoring="{batch_size: 64}"', "scoring={'batch_size': 64}"])
def test_quotes_around_or_inside_a_section_do_no_harm(entry):
    assert from_snakemake(entry).scoring.batch_size == 64


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("seed=abc", "seed: .*integer, found 'abc'"),
        ("seed=", "seed: .*integer, found None"),
        ("datasets=cifar10", r"datasets: .*list.*\[cifar10\]"),
        ("scoring={batch_size: abc}", "scoring.batch_size: .*found 'abc'"),
        ("scoring={batch_size: 64", "--config 'scoring=.*not valid YAML"),
        ("scoring=batch_size:64", "scoring: .*space after the colon"),
        ("sources={mirror: 'null'}", "sources.mirror: .*write null without quotes"),
    ],
)
def test_wrong_entries_of_a_command_line_say_how_to_write_them(entry, words):
    with pytest.raises(ConfigError, match=words):
        from_snakemake(entry)


def test_files_that_snakemake_reads_without_a_word_are_checked(tmp_path):
    path = tmp_path / "twice.yaml"
    path.write_text("seed: 1\nseed: 2\n")
    with pytest.raises(ConfigError, match=r"twice.yaml: .*'seed' occurs twice"):
        workflow_config({"seed": 2}, [path], [])


def test_what_another_workflow_was_told_is_not_laid_over_a_module():
    assert workflow_config({}, [], ["seed=7"]).seed == 0


@pytest.mark.parametrize("value", ["null", "None", "~no_such_user_/x"])
def test_a_mirror_of_the_environment_is_a_path(value, monkeypatch):
    monkeypatch.setenv("TRAINFREE_MIRROR", value)
    with pytest.raises(ConfigError, match="TRAINFREE_MIRROR: expected a path"):
        source_settings()


def test_an_empty_mirror_of_the_environment_is_none(monkeypatch, tmp_path):
    monkeypatch.setenv("TRAINFREE_MIRROR", "")
    assert source_settings().mirror is None
    assert source_settings(mirror="m").mirror == Path("m")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TRAINFREE_MIRROR", "~/m")
    assert source_settings(mirror="other").mirror == tmp_path / "m"


def dry_run(repository: Path, folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    program = str(Path(sys.executable).parent / "snakemake")
    command = [program, "-s", str(repository / "Snakefile"), "-n", *more, "--", "scores"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)


def test_snakemake_lays_a_section_of_its_command_line_over_that_of_the_files(repository, tmp_path):
    done = dry_run(
        repository, tmp_path, "--config", "scoring={batch_size: 64}", "sources={mirror: null}"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    # config.yaml's shard size still holds
    assert "b64-pytorch-images-s0/shards/12000-15624.h5" in done.stdout


def test_snakemake_says_what_is_wrong_with_a_file_it_reads_itself(repository, tmp_path):
    path = tmp_path / "twice.yaml"
    path.write_text("seed: 1\nseed: 2\n")
    done = dry_run(repository, tmp_path, "--configfile", str(path))
    assert done.returncode != 0
    assert (
        f"{path}: is not valid YAML: line 2, column 1: key 'seed' occurs twice"
        in done.stdout + done.stderr
    )
    assert "Traceback" not in done.stdout + done.stderr


def test_the_command_prints_one_sentence_and_no_traceback(tmp_path, capsys):
    path = tmp_path / "latin.yaml"
    path.write_bytes("# é\n".encode("latin-1"))
    assert main(["check-config", str(path)]) == 2
    captured = capsys.readouterr().err
    assert "expected text in UTF-8" in captured
    assert "Traceback" not in captured
