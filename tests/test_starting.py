"""To begin: init, the command line of run, check-config, help by groups, the suite's files."""

from __future__ import annotations

import argparse
import io
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from trainfree.cli import main, parser
from trainfree.cli.command import GROUPS, STEPS, configuration_files, grouped_commands
from trainfree.config import load_config, parse_config
from trainfree.errors import ConfigError, TrainfreeError
from trainfree.files import suite
from trainfree.terminal.screen import Screen
from trainfree.terminal.starting.folder import begin_folder
from trainfree.terminal.starting.workflow import Wanted, snakemake_command
from trainfree.workflow.environment import export_environment

DEFAULT = Path("config/config.yaml")
GENERIC = ("profile.yaml", "status.sh", "submit.sh")


def begun(folder: Path, *profiles: str) -> str:
    stream = io.StringIO()
    begin_folder(folder, profiles, Screen(stream))
    return stream.getvalue()


def written(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


# ---------------------------------------------------------------- init


def test_a_folder_is_begun_with_what_a_user_edits_and_no_more(tmp_path):
    said = begun(tmp_path / "new", "slurm", "generic")
    profiles = {"slurm/profile.yaml", *(f"generic/{name}" for name in GENERIC)}
    assert written(tmp_path / "new") == {
        *("trainfree.yaml", ".gitignore"),
        *(f"profiles/{name}" for name in profiles),
    }
    assert os.access(tmp_path / "new/profiles/generic/submit.sh", os.X_OK)
    for name in written(tmp_path / "new"):
        assert f"wrote {tmp_path / 'new' / name}" in said
    assert "trainfree run --profile profiles/slurm" in said


@pytest.mark.parametrize("there", ["trainfree.yaml", "profiles/slurm/profile.yaml"])
def test_nothing_is_overwritten_and_nothing_half_done(tmp_path, there):
    (tmp_path / there).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / there).write_text("mine\n")
    with pytest.raises(ConfigError, match=f"{there}: already exists; nothing was written"):
        begun(tmp_path, "slurm")
    assert written(tmp_path) == {there}
    assert (tmp_path / there).read_text() == "mine\n"


def test_a_list_of_ignored_files_stays_as_it_is(tmp_path):
    (tmp_path / ".gitignore").write_text("mine\n")
    assert ".gitignore" not in begun(tmp_path)
    assert (tmp_path / ".gitignore").read_text() == "mine\n"


def test_a_checkout_needs_no_init(repository):
    with pytest.raises(ConfigError, match="is a checkout"):
        begun(repository)


def test_every_example_of_the_first_configuration_is_valid(repository, tmp_path):
    text = (repository / "config" / "starter.yaml").read_text()
    default = repository / DEFAULT
    mine = tmp_path / "mine.yaml"
    mine.write_text(text)
    assert load_config(default, mine) == load_config(default)
    values = yaml.safe_load(re.sub(r"(?m)^# ((?: +\w+|\w+): .*|\w+:)$", r"\1", text))
    assert {"datasets", "scoring", "search", "sources"} < set(values)
    assert values.pop("proxies") == {"extra": ["my_proxy.py"]}  # a file that is not there
    mine.write_text(yaml.safe_dump(values))
    assert load_config(default, mine).scoring.batch_size == 64


# ---------------------------------------------------------------- run


def words(**given: object) -> list[str]:
    files = given.pop("files", (DEFAULT,))
    config = given.pop("config", parse_config({}))
    return snakemake_command(Wanted(files=files, **given), config)[1:]


def test_the_command_line_of_snakemake(repository, monkeypatch):
    monkeypatch.chdir(repository)
    start = ["-P", "-m", "snakemake", "--snakefile", "Snakefile"]
    assert words() == [*start, "--cores", "all"]
    both = words(
        files=(DEFAULT, Path("a.yaml"), Path("b.yaml")),
        targets=("tables",),
        cores="8",
        gpus=2,
        dry_run=True,
        passed_on=("--forceall",),
    )
    assert both == [
        *(*start, "tables", "--cores", "8", "--resources", "gpu=2"),
        *("--configfile", "a.yaml", "b.yaml", "--dry-run", "--forceall"),
    ]
    # A profile says how many cores; a GPU that several jobs share counts as often.
    assert words(profile="profiles/slurm") == [*start, "--profile", "profiles/slurm"]
    shared = parse_config({"scoring": {"jobs_per_gpu": 3}})
    assert words(gpus=2, config=shared)[-2:] == ["--resources", "gpu=6"]


def test_words_behind_two_dashes_go_to_snakemake(monkeypatch, tmp_path, capsys):
    taken: list[Wanted] = []
    monkeypatch.chdir(tmp_path)
    place = "trainfree.terminal.starting.workflow.run_workflow"
    monkeypatch.setattr(place, lambda wanted, screen: taken.append(wanted) or 7)
    given = ["tables", "--cores", "2", "--configfile", "config/test.yaml"]
    assert main(["run", *given, "--", "--forcerun", "search", "-q"]) == 7
    assert taken[0].targets == ("tables",)
    assert taken[0].passed_on == ("--forcerun", "search", "-q")
    config = suite.suite_folder() / "config"
    assert taken[0].files == (config / "config.yaml", config / "test.yaml")


def test_a_package_without_its_workflow_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(suite, "PACKAGE", tmp_path / "src" / "trainfree")
    with pytest.raises(TrainfreeError, match=r"Snakefile: no such file; .* install"):
        words()


STOPPED = """
import subprocess, sys
from trainfree.terminal.starting.workflow import _ended
code = "import time; print(1, flush=True); time.sleep(60)"
child = subprocess.Popen([sys.executable, "-c", code])
sys.exit(_ended(child))
"""


def test_who_stops_the_command_stops_snakemake():
    process = subprocess.Popen([sys.executable, "-c", STOPPED], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"1\n"
    time.sleep(0.2)
    process.terminate()
    assert process.wait(30) == 128 + signal.SIGTERM
    assert process.stdout.read() == b""  # the child has ended too, and closed it


def test_jobs_of_an_installed_package_get_no_source_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHONPATH", "mine")
    monkeypatch.setenv("PATH", os.environ["PATH"])
    monkeypatch.setenv("TRAINFREE_RUN", "")
    export_environment(tmp_path, None)
    assert os.environ["PYTHONPATH"] == "mine"
    (tmp_path / "src").mkdir()
    export_environment(tmp_path, None)
    assert os.environ["PYTHONPATH"] == f"{tmp_path / 'src'}{os.pathsep}mine"


# ---------------------------------------------------------------- files


def test_an_installed_package_has_files_of_its_own(monkeypatch, tmp_path, repository):
    assert suite.suite_folder() == repository
    monkeypatch.setattr(suite, "PACKAGE", tmp_path)
    (tmp_path / "suite").mkdir()
    assert suite.suite_folder() == tmp_path / "suite"


def test_the_folders_configuration_is_read_unless_others_are_named(
    monkeypatch, tmp_path, repository
):
    monkeypatch.chdir(tmp_path)
    default = repository / DEFAULT

    def files(*named: str, folder: str = ".") -> tuple[Path, ...]:
        given = argparse.Namespace(configfile=[Path(n) for n in named], folder=Path(folder))
        return configuration_files(given)

    assert files() == (default,)
    for folder in (Path(), Path("other")):
        folder.mkdir(exist_ok=True)
        (folder / "trainfree.yaml").write_text("seed: 5\n")
    assert files() == (default, Path("trainfree.yaml"))
    assert files(folder="other") == (default, Path("other/trainfree.yaml"))
    assert files("config/test.yaml") == (default, repository / "config/test.yaml")
    Path("config").mkdir()
    Path("config/test.yaml").write_text("seed: 6\n")
    assert files("config/test.yaml", "none.yaml")[1:] == (
        Path("config/test.yaml"),
        Path("none.yaml"),
    )
    monkeypatch.chdir(repository)
    assert files() == (DEFAULT,)


# ---------------------------------------------------------------- check-config


def test_what_differs_from_the_default_run_is_listed(monkeypatch, repository, tmp_path, capsys):
    monkeypatch.chdir(repository)
    mine = tmp_path / "mine.yaml"
    mine.write_text(
        "seed: 7\nscoring: {batch_size: 32, device: cpu}\n"
        "search: {searches: {rea: null, own: {algorithm: rea, sample: 3}}}\n"
    )
    assert main(["check-config", str(mine)]) == 0
    first, *rest = capsys.readouterr().out.splitlines()
    assert first == f"ok: {mine}"
    assert rest[1] == "Differs from config/config.yaml"
    rows = [re.split(r" {2,}", line) for line in rest[3:]]
    assert [row[:2] for row in rows] == [
        ["seed", "0"],
        ["scoring.device", "auto"],
        ["search.searches.rea", "{algorithm: rea, signal: accuracy}"],
        ["search.searches.own", "–"],
    ]
    assert [row[2] for row in rows[:3]] == ["7", "cpu", "null"]
    assert "sample: 3" in rows[3][2]
    assert main(["check-config"]) == 0
    assert capsys.readouterr().out.endswith("nothing differs from config/config.yaml\n")
    assert main(["check-config", str(mine), "--json"]) == 0
    assert '"seed": 7' in capsys.readouterr().out


# ---------------------------------------------------------------- help


def test_help_lists_commands_for_people_first_and_each_once(repository):
    groups = grouped_commands(parser())
    assert list(groups) == [*GROUPS, STEPS]
    names = [listed.dest for group in groups.values() for listed in group]
    (commands,) = (a for a in parser()._actions if isinstance(a, argparse._SubParsersAction))
    assert sorted(names) == sorted(commands.choices)
    assert names[:2] == ["init", "run"]
    text = parser().format_help()
    places = [text.index(f"\n{title}:\n") for title in groups]
    assert places == sorted(places)
    assert all(re.search(rf"(?m)^  {name}( |$)", text) for name in names)
    rules = "".join(path.read_text() for path in (repository / "rules").glob("*.smk"))
    called = set(re.findall(r"python -m trainfree ([a-z0-9-]+)", rules))
    assert called - {"report"} <= {listed.dest for listed in groups[STEPS]}
