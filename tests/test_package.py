"""The distributions, and the package as it is installed from them: outside the checkout."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from unprivileged import run_unprivileged

import trainfree

SCORING = """
from pathlib import Path

import torch
from torch import nn

import trainfree

assert Path(trainfree.__file__).is_relative_to(Path("environment").resolve()), trainfree.__file__
torch.set_num_threads(1)
images = torch.randn(8, 3, 8, 8, generator=torch.Generator().manual_seed(0))
model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, 4))
table = trainfree.score(
    {"own": model, "cell": lambda: trainfree.space("nasbench201_mini")[600].module(4, 8)},
    images,
    labels=torch.arange(8) % 4,
    proxies=["naswot", "synflow", "snip", "zico"],
    seeds=2,
)
assert (table["status"] == "ok").all(), table
print(trainfree.rank(table, "naswot")["model"].tolist(), len(trainfree.proxies()))
"""


BUILD = "from setuptools import build_meta; print(build_meta.build_{kind}({folder!r}))"
# What is in a checkout and in no wheel, by the beginning of its path.
STAYS = (
    *(".ci/", ".github/", ".gitignore", "benchmarks/", "docs/", "examples/", "tests/"),
    *("reports/measured/", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "MANIFEST.in"),
    *("Makefile", "README.md", "mkdocs.yml", "pyproject.toml", "setup.py"),
)
# Python 3.11.4 brought the filter, which Python 3.14 takes by itself.
FILTER: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
# Of the test configuration only what is compiled in seconds.
SMALL = {
    "board": {"proxies": None},
    "scoring": {"shard_size": 729, "proxies": ["naswot", "params"]},
    "search": {"runs": 2, "searches": dict.fromkeys(("random-synflow", "warmup", "move"))},
}


def tracked(repository: Path) -> list[str]:
    """The files of the checkout that git knows, and new ones in their folders."""

    def listed(*options: str) -> list[str]:
        command = ["git", "ls-files", *options]
        done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=True)
        return [name for name in done.stdout.splitlines() if (repository / name).is_file()]

    known = listed()
    folders = {name.partition("/")[0] for name in known if "/" in name}
    new = listed("--others", "--exclude-standard")
    return [*known, *(name for name in new if name.partition("/")[0] in folders)]


@pytest.fixture(scope="module")
def built(repository, tmp_path_factory) -> Path:
    """A folder with the source distribution, and the wheel that is built from it alone."""
    folder = tmp_path_factory.mktemp("distributions")
    source = folder / "checkout"
    for name in tracked(repository):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(repository / name, source / name)
    build(source, "sdist", folder)
    with tarfile.open(next(folder.glob("*.tar.gz"))) as archive:
        archive.extractall(folder / "unpacked", **FILTER)
    build(next((folder / "unpacked").iterdir()), "wheel", folder)
    return folder


def build(source: Path, kind: str, folder: Path) -> None:
    command = [sys.executable, "-c", BUILD.format(kind=kind, folder=str(folder))]
    subprocess.run(command, cwd=source, check=True, capture_output=True)


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory) -> Iterator[Path]:
    """A folder beside an environment that has the wheel, read-only, and our dependencies."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder / "environment", with_pip=False)
    (packages,) = (folder / "environment" / "lib").glob("python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "environment" / "bin" / "python")]
    (wheel,) = built.glob("*.whl")
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--no-index"]
    subprocess.run([*pip, "install", *options, str(wheel)], check=True)
    places = [packages, *(path for path in packages.rglob("*") if not path.is_symlink())]
    for path in places:
        path.chmod(path.stat().st_mode & 0o555)
    yield folder
    for path in places:
        path.chmod(path.stat().st_mode | 0o200)


def run(
    folder: Path,
    *words: str,
    place: Path | None = None,
    program: str = "trainfree",
    status: int = 0,
) -> str:
    """Run a program of the environment as somebody who cannot write it; return what it wrote."""
    command = [str(folder / "environment" / "bin" / program), *words]
    kept = {"XDG_CACHE_HOME": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
    away = ("PYTHONPATH", "TRAINFREE_MIRROR")
    done = run_unprivileged(command, kept, cwd=place or folder, without=away)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


# ---------------------------------------------------------------- distributions


def test_the_source_distribution_is_the_checkout(repository, built):
    (place,) = (built / "unpacked").iterdir()
    for name in tracked(repository):
        assert (place / name).read_bytes() == (repository / name).read_bytes(), name


def test_the_wheel_carries_the_package_and_the_workflow(repository, built):
    expected = {
        name.removeprefix("src/") if name.startswith("src/") else f"trainfree/suite/{name}": name
        for name in tracked(repository)
        if not name.startswith(STAYS)
    }
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
        assert names == set(expected)
        for name, source in expected.items():
            assert wheel.read(name) == (repository / source).read_bytes(), name


def test_the_distributions_have_the_version_of_the_package(built):
    version = trainfree.__version__
    assert (built / f"trainfree-{version}.tar.gz").is_file()
    assert (built / f"trainfree-{version}-py3-none-any.whl").is_file()


# ---------------------------------------------------------------- the library, outside


def test_models_are_scored_outside_the_checkout(installed):
    (installed / "scoring.py").write_text(SCORING)
    said = run(installed, "scoring.py", program="python")
    assert "'own'" in said
    assert "'cell'" in said


def test_the_command_is_there_and_the_types_are(installed):
    (installed / "nets.py").write_text("from torch import nn\nnet = nn.Linear(5, 4)\n")
    command = ["score", "nets.py:net", "--images", "random:5", "--batch", "4"]
    said = run(installed, *command, "--proxies", "params", "--threads", "1")
    assert "24" in said.splitlines()[1].split()
    for name in ("py.typed", "__init__.pyi", "data/NOTICE.md"):
        (found,) = (installed / "environment").glob(f"lib/*/site-packages/trainfree/{name}")
        assert found.is_file()


def test_lists_of_scores_are_ranked_and_cited_outside_the_checkout(installed):
    rows = "".join(f"{index},{index % 97}\n" for index in range(0, 15_625, 50))
    (installed / "mine.csv").write_text(f"index,mine\n{rows}")
    said = run(installed, "rank", "mine.csv", "--resamples", "5")
    assert "313 of the 15,625 architectures of nasbench201" in said
    assert "params" in run(installed, "top", "--proxy", "params", "-k", "1")
    assert "@inproceedings{mellor2021," in run(installed, "cite")


# ---------------------------------------------------------------- the workflow, outside


def test_the_workflow_runs_in_an_empty_folder(installed, tmp_path):
    """From nothing to a report, from an installation that cannot be written."""
    said = run(installed, "init", str(tmp_path / "mine"))
    assert "trainfree run --cores 8 --gpus 2" in said
    place = tmp_path / "mine"
    assert (
        run(installed, "-m", "trainfree", "--version", place=place, program="python")
        == f"trainfree {trainfree.__version__}\n"
    )
    (place / "small.yaml").write_text(yaml.safe_dump(SMALL))
    files = ["--configfile", "config/test.yaml", "small.yaml"]
    said = run(installed, "check-config", *files[1:], place=place)
    assert said.startswith("ok: ")
    assert "search.runs" in said
    targets = ["scores", "results/test/tables/correlations.csv"]
    options = ["--cores", "2", "--gpus", "2", *files, "--", "--quiet", "all"]
    run(installed, "run", *targets, *options, place=place)
    shown = run(installed, "show", "600", *files, place=place)
    assert "naswot" in shown
    report = place / "results" / "test" / "report" / "index.html"
    run(installed, "report", *files, place=place)
    assert "correlations" in report.read_text()
    stages = run(installed, "status", *files, place=place)
    assert "scores      done" in stages
    merged = place / "results" / "joined"
    run(installed, "merge", str(report.parents[1]), "--output", str(merged), place=place)
    plan = run(installed, "run", "--dry-run", *files, place=place)
    assert "write_report" in plan  # every rule is read, every caption and environment is found
    assert "score_shard" not in plan  # and nothing is made again
    assert sorted(path.name for path in place.iterdir() if path.name[0] != ".") == [
        *("data", "logs", "results", "small.yaml", "trainfree.yaml"),
    ]


def test_a_wrong_configuration_stops_a_run_with_one_sentence(installed, tmp_path):
    (tmp_path / "trainfree.yaml").write_text("sede: 1\n")
    said = run(installed, "run", "--cores", "1", place=tmp_path, status=2)
    assert said.startswith("trainfree: error: ")
    assert "did you mean 'seed'" in said
    assert "Traceback" not in said
