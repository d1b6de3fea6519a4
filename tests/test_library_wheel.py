"""The library as it is installed: from a wheel, outside the checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

SCORING = """
from pathlib import Path

import torch
from torch import nn

import trainfree

assert Path(trainfree.__file__).is_relative_to(Path("installed").resolve()), trainfree.__file__
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


@pytest.fixture(scope="module")
def installed(repository, tmp_path_factory):
    """A folder with the package as pip installs it."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(repository / name, source / name)
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(repository / "src", source / "src", ignore=ignored)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-cache-dir"]
    build = ["wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder)]
    subprocess.run([*pip, *build, str(source)], check=True)
    (wheel,) = folder.glob("*.whl")
    install = ["install", "--quiet", "--no-deps", "--target", str(folder / "installed")]
    subprocess.run([*pip, *install, str(wheel)], check=True)
    shutil.rmtree(source)
    return folder


def run(folder, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(folder / "installed")}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def test_models_are_scored_outside_the_checkout(installed):
    (installed / "scoring.py").write_text(SCORING)
    said = run(installed, "scoring.py")
    assert "'own'" in said
    assert "'cell'" in said


def test_the_command_is_there_and_the_types_are(installed):
    (installed / "nets.py").write_text("from torch import nn\nnet = nn.Linear(5, 4)\n")
    command = ["score", "nets.py:net", "--images", "random:5", "--batch", "4"]
    said = run(installed, "-m", "trainfree", *command, "--proxies", "params", "--threads", "1")
    assert "24" in said.splitlines()[1].split()
    for name in ("py.typed", "__init__.pyi", "data/NOTICE.md"):
        assert (installed / "installed" / "trainfree" / name).is_file()


def test_lists_of_scores_are_ranked_and_cited_outside_the_checkout(installed):
    rows = "".join(f"{index},{index % 97}\n" for index in range(0, 15_625, 50))
    (installed / "mine.csv").write_text(f"index,mine\n{rows}")
    said = run(installed, "-m", "trainfree", "rank", "mine.csv", "--resamples", "5")
    assert "313 of the 15,625 architectures of nasbench201" in said
    assert "params" in run(installed, "-m", "trainfree", "top", "--proxy", "params", "-k", "1")
    assert "@inproceedings{mellor2021," in run(installed, "-m", "trainfree", "cite")
