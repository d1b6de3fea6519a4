"""What the repository promises about itself."""

from __future__ import annotations

import re
import tomllib

import pytest
import yaml


def pins(lines: list[str]) -> dict[str, str]:
    found = (re.fullmatch(r"([A-Za-z0-9_.-]+)==(\S+)", line.strip()) for line in lines)
    return {match[1].lower(): match[2] for match in found if match}


def test_everything_the_package_needs_is_pinned_exactly(repository):
    constraints = pins((repository / "requirements" / "constraints.txt").read_text().splitlines())
    project = (repository / "pyproject.toml").read_text()
    needed = re.findall(r'^  "([A-Za-z0-9_.-]+)(?:\[\w+\])?[<>=]', project, flags=re.MULTILINE)
    assert len(needed) > 15
    assert [name for name in needed if name.lower() not in constraints] == []
    assert constraints["torch"] == "2.13.0"


# Distributions whose module has another name.
MODULES = {"pyyaml": "yaml", "pillow": "PIL", "scikit-learn": "sklearn"}


def test_every_direct_dependency_is_imported_somewhere(repository):
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    files = [repository / "Snakefile", *(repository / "src").rglob("*.py")]
    imported = {
        name.split(".")[0]
        for path in files
        for name in re.findall(r"^\s*(?:from|import) (\w+)", path.read_text(), flags=re.MULTILINE)
    }
    names = [re.match(r"[\w-]+", entry)[0].lower() for entry in project["dependencies"]]
    assert len(names) > 10
    assert [name for name in names if MODULES.get(name, name) not in imported] == []


def test_conda_environments_pin_the_same_versions(repository):
    constraints = pins((repository / "requirements" / "constraints.txt").read_text().splitlines())
    environments = list((repository / "envs").glob("*.yaml"))
    assert environments
    for path in environments:
        listed = yaml.safe_load(path.read_text())["dependencies"]
        packages = pins(next(entry["pip"] for entry in listed if isinstance(entry, dict)))
        assert packages
        assert {name: constraints.get(name) for name in packages} == packages


def test_every_rule_that_runs_code_keeps_a_log_and_a_cost(repository):
    texts = [path.read_text() for path in (repository / "rules").glob("*.smk")]
    rules = [rule for text in texts for rule in re.split(r"(?m)^rule ", text)[1:]]
    assert len(rules) > 10
    for rule in rules:
        for directive in ("log:", "benchmark:", "conda:", "threads:", "resources:", "params:"):
            assert directive in rule, f"{rule.split(':')[0]} lacks {directive}"
        assert "\n    run:" not in rule


@pytest.mark.parametrize("word", ["TODO", "FIXME", "XXX"])
def test_no_unfinished_business(repository, word):
    for path in (repository / "src").rglob("*.py"):
        assert word not in path.read_text(), path


def test_a_run_installs_what_it_needs_and_tests_add_the_rest(repository):
    """``make run`` waits for the stamp of the package alone; what checks use has its own."""
    text = (repository / "Makefile").read_text()
    needs = dict(re.findall(r"^([a-z0-9-]+): \$\((READY|DEV)\)", text, flags=re.MULTILINE))
    assert {needs[target] for target in ("run", "paper", "paper-tables")} == {"READY"}
    assert {needs[target] for target in ("test", "pytest", "lint", "docs")} == {"DEV"}
    recipes = {
        name: re.search(rf"^\$\({name}\):.*\n((?:\t.*\n)+)", text, flags=re.MULTILINE)[1]
        for name in ("READY", "DEV")
    }
    assert "-e .\n" in recipes["READY"]
    assert '".[dev]"' not in recipes["READY"]
    assert '-e ".[dev]"' in recipes["DEV"]


# ---------------------------------------------------------------- containers and workflow files


def test_containers_get_pinned_versions_and_all_that_the_package_is_built_from(repository):
    """They are not built here: what can be read in them is right."""
    docker = (repository / "envs" / "Dockerfile").read_text()
    apptainer = (repository / "envs" / "apptainer.def").read_text()
    copied = {
        word.removeprefix("./")
        for line in re.findall(r"^COPY (.+) \S+$", docker, flags=re.MULTILINE)
        for word in line.split()
    }
    files = apptainer.partition("%files\n")[2].partition("\n\n")[0]
    assert {line.split()[0] for line in files.splitlines()} == copied
    carried = re.search(r"CARRIED = \((.*?)\n\)", (repository / "setup.py").read_text(), re.DOTALL)
    needed = {name.partition("/")[0] for name in re.findall(r'"([^"]+)"', carried[1])}
    assert needed | {"src", "setup.py", "pyproject.toml", "README.md", "LICENSE"} == copied
    assert all((repository / name).exists() for name in copied)
    images = [re.search(r"(?mi)^from:? (\S+)$", text)[1] for text in (docker, apptainer)]
    assert images[0] == images[1]
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-bookworm", images[0])
    for text in (docker, apptainer):
        assert re.search(r"pip install .*--constraint /src/requirements/constraints.txt /src", text)
    assert docker.index("\nUSER trainfree\n") < docker.index("\nENTRYPOINT")
    assert 'exec trainfree "$@"' in apptainer


def test_github_runs_what_every_change_has_to_pass(repository):
    workflows = list((repository / ".github" / "workflows").glob("*.yml"))
    assert workflows
    steps = [
        step
        for path in workflows
        for job in yaml.safe_load(path.read_text())["jobs"].values()
        for step in job["steps"]
    ]
    assert "bash .ci/run" in [step.get("run") for step in steps]
    used = [step["uses"] for step in steps if "uses" in step]
    assert used
    assert all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", name) for name in used)
