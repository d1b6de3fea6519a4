"""The build step that pyproject.toml cannot declare: the workflow travels inside the package.

The files stay where they are in a checkout; a wheel gets a copy of them, which the package finds
with ``trainfree.files.suite``. An editable installation uses those of the checkout.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
CARRIED = (
    *("Snakefile", "rules", "config", "envs", "profiles"),
    *("reports/captions", "reports/published", "reports/templates"),
    "requirements/constraints.txt",
)


def carried_files() -> Iterator[str]:
    """Yield the paths of all files that travel, seen from the checkout."""
    for name in CARRIED:
        place = ROOT / name
        found = sorted(place.rglob("*")) if place.is_dir() else [place]
        for path in found:
            if path.is_file() and "__pycache__" not in path.parts:
                yield path.relative_to(ROOT).as_posix()


class BuildWithSuite(build_py):
    """Builds the package, and copies the workflow into it."""

    def run(self) -> None:
        """Build."""
        if self.editable_mode:
            super().run()
            return
        # What an earlier build left there would be in the wheel too.
        shutil.rmtree(self._suite.parent, ignore_errors=True)
        super().run()
        for name in carried_files():
            target = self._suite / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target)

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        """Return the paths of all files that are built."""
        built: list[str] = super().get_outputs(include_bytecode)
        carried = [] if self.editable_mode else [str(self._suite / n) for n in carried_files()]
        return built + carried

    @property
    def _suite(self) -> Path:
        return Path(self.build_lib) / "trainfree" / "suite"


setup(cmdclass={"build_py": BuildWithSuite})
