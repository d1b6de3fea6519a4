"""Compiled code is kept for exactly the code it was made of, in a folder that can be written."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from unprivileged import SOMEBODY, run_unprivileged

import trainfree

VARIABLES = ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "NUMBA_CACHE_DIR", "MPLCONFIGDIR")
COUNT = """
import logging, sys
logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
import numpy as np
from trainfree.scoring.cpu_engine import fused
found = fused.code_products(np.array([[7]], np.uint64)).item()
stats = fused._common_bits.stats
print(found, sum(stats.cache_hits.values()), stats.cache_path)
"""


@pytest.fixture
def package(tmp_path) -> Path:
    """A copy of the package's source without compiled code, which a test may edit."""
    folder = tmp_path / "site"
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(trainfree.__file__).parent, folder / "trainfree", ignore=ignore)
    return folder


def common_bits(package: Path, code: str = COUNT, **environment: str) -> list[str]:
    """What a process of its own says: by default the bits in 7, and of the compiled code."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(package), **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


def test_an_edit_of_what_is_expanded_is_noticed_and_nothing_else_is_compiled_anew(package):
    scoring = package / "trainfree" / "scoring"
    assert common_bits(package) == ["3", "0", str(scoring / "cpu_engine" / "__pycache__")]
    assert common_bits(package)[:2] == ["3", "1"]
    plain = "builder.ctpop(arguments[0])"
    edit(scoring / "cpu_engine" / "simd.py", plain, f"builder.add({plain}, ir.IntType(64)(1))")
    assert common_bits(package)[:2] == ["4", "0"]
    assert common_bits(package)[:2] == ["4", "1"]
    edit(
        scoring / "autodiff" / "forward.py",
        "BATCH_NORM_EPSILON = 1e-5",
        "BATCH_NORM_EPSILON = 2e-5",
    )
    assert common_bits(package)[:2] == ["4", "1"]


TRANSFORM = """
import numpy as np
from trainfree.scoring.cpu_engine import convolution
first = convolution._transformed(np.ones((16, 1, 3, 3), np.float32))[0, 0, 0]
print(first, sum(convolution._transform_weights.stats.cache_hits.values()))
"""


def test_an_edit_of_the_transforms_is_noticed(package):
    """They are expanded into the convolution from a file of their own, which uses another."""
    engine = package / "trainfree" / "scoring" / "cpu_engine"
    assert common_bits(package, TRANSFORM) == ["0.0625", "0"]
    assert common_bits(package, TRANSFORM) == ["0.0625", "1"]
    edit(engine / "winograd.py", "emit.constant(1 / 4)", "emit.constant(1 / 2)")
    assert common_bits(package, TRANSFORM) == ["0.25", "0"]
    edit(engine / "simd.py", "self._builder.fmul(x, y)", "self._builder.fadd(x, y)")
    assert common_bits(package, TRANSFORM) == ["2.0", "0"]


SCALED = """
from trainfree.compilation import compiled
from trainfree.scoring.helping import FACTOR, shifted

@compiled()
def scaled(x):
    return _inner(x)

@compiled()
def _inner(x):
    return shifted(x) * FACTOR
"""
HELPING = """
from trainfree.compilation import compiled
from trainfree.scoring import settled
FACTOR = settled.FACTOR

@compiled()
def shifted(x):
    return x + settled.SHIFT
"""
ASK = "from trainfree.scoring.scaling import scaled; print(scaled(1))"


@pytest.mark.parametrize(
    ("settled", "expected"), [("FACTOR, SHIFT = 3, 0", "3"), ("FACTOR, SHIFT = 2, 5", "12")]
)
def test_constants_and_functions_of_other_files_are_part_of_what_was_compiled(
    package, settled, expected
):
    scoring = package / "trainfree" / "scoring"
    (scoring / "scaling.py").write_text(SCALED)
    (scoring / "helping.py").write_text(HELPING)
    (scoring / "settled.py").write_text("FACTOR, SHIFT = 2, 0")
    assert common_bits(package, ASK) == ["2"]
    (scoring / "settled.py").write_text(settled)
    assert common_bits(package, ASK) == [expected]


def test_damaged_compiled_code_is_made_anew(package):
    common_bits(package)
    cached = package / "trainfree" / "scoring" / "cpu_engine" / "__pycache__"
    for suffix, damage in [("nbi", b""), ("nbi", b"text"), ("nbc", None)]:
        (path,) = cached.glob(f"fused._common_bits-*.{suffix}")
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2] if damage is None else damage)
        assert common_bits(package)[:2] == ["3", "0"]
        assert common_bits(package)[:2] == ["3", "1"]


def test_no_function_is_compiled_past_it(repository):
    for path in (repository / "src").rglob("*.py"):
        if path.name != "compilation.py":
            assert "cache=True" not in path.read_text(), f"{path}: use compilation.compiled"


# Where it is kept


@pytest.fixture
def installed(package) -> Path:
    """The package where its user cannot write."""
    for folder in [*package.rglob("*"), package]:
        if folder.is_dir():
            folder.chmod(0o555)
    yield package
    for folder in [package, *package.rglob("*")]:
        if folder.is_dir():
            folder.chmod(0o755)


def as_user(installed: Path, tmp_path: Path, code: str = COUNT, **environment: str):
    temporary = tmp_path / "tmp"
    temporary.mkdir(exist_ok=True)
    base = {"PYTHONPATH": str(installed), "TMPDIR": str(temporary), "HOME": "/proc/nowhere"}
    return run_unprivileged(
        [sys.executable, "-c", code], base | environment, tmp_path, without=VARIABLES
    )


def test_a_read_only_installation_without_home_keeps_code_with_temporary_files(installed, tmp_path):
    first, second = (as_user(installed, tmp_path) for _ in range(2))
    assert first.returncode == 0, first.stderr
    found, hits, folder = first.stdout.split()
    private = tmp_path / "tmp" / f"trainfree-{os.geteuid()}"
    assert (found, hits) == ("3", "0")
    assert Path(folder).is_relative_to(private / "compiled")
    assert private.stat().st_mode & 0o077 == 0
    assert f"is kept in {folder}" in first.stderr
    assert second.stdout.split()[:2] == ["3", "1"]


def test_other_folders_come_first_where_they_can_be_written(installed, tmp_path):
    named, cache, home = (str(tmp_path / name) for name in ("named", "cache", "home"))
    for environment, expected in [
        ({"HOME": home}, f"{home}/.cache/numba"),
        ({"HOME": home, "XDG_CACHE_HOME": cache}, f"{cache}/numba"),
        ({"HOME": home, "NUMBA_CACHE_DIR": named}, named),
        ({"HOME": home, "NUMBA_CACHE_DIR": "/proc/nowhere"}, f"{home}/.cache/numba"),
        ({"XDG_CACHE_HOME": "relative"}, f"{tmp_path}/tmp/trainfree-"),
    ]:
        done = as_user(installed, tmp_path, **environment)
        assert done.returncode == 0, done.stderr
        assert done.stdout.split()[2].startswith(expected), environment
    assert not (tmp_path / "relative").exists()


@pytest.mark.parametrize("trap", ["open", "link", "somebody's", "file"])
def test_a_folder_that_others_can_write_is_not_used(installed, tmp_path, trap):
    (tmp_path / "tmp").mkdir()
    private, elsewhere = tmp_path / "tmp" / f"trainfree-{os.geteuid()}", tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    if trap == "link":
        private.symlink_to(elsewhere)
    elif trap == "file":
        private.write_text("")
    else:
        private.mkdir()
        private.chmod(0o777)
    if trap == "somebody's":
        if os.geteuid():
            pytest.skip("only root can give a folder to somebody")
        private.chmod(0o700)
        os.chown(private, SOMEBODY, SOMEBODY)
    done = as_user(installed, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["3", "0", "None"]
    assert "cannot be cached, so every process compiles it again" in done.stderr
    assert "NUMBA_CACHE_DIR" in done.stderr
    assert not list(elsewhere.iterdir())


def test_without_any_folder_code_is_compiled_every_time(installed, tmp_path):
    done = as_user(installed, tmp_path, TMPDIR="/proc/nowhere")
    assert done.returncode == 0, done.stderr


FIGURE = """
from pathlib import Path
from trainfree.report.style.look import new_figure, write_figure
import matplotlib as mpl
print(mpl.get_configdir(), mpl.get_cachedir())
write_figure(new_figure(2, 2), Path("figure"), "title", "caption", [])
"""


def test_figures_are_drawn_without_home_and_without_noise(installed, tmp_path):
    done = as_user(installed, tmp_path, FIGURE)
    assert done.returncode == 0, done.stderr
    private = tmp_path / "tmp" / f"trainfree-{os.geteuid()}" / "matplotlib"
    assert done.stdout.split() == [str(private)] * 2
    assert done.stderr == ""
    assert (tmp_path / "figure.png").is_file()
    own = as_user(installed, tmp_path, FIGURE, HOME=str(tmp_path / "home"))
    assert own.stdout.split()[0] == str(tmp_path / "home" / ".config" / "matplotlib")
