"""What jobs inherit from the run that starts them, and the paths that Snakemake is given."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from trainfree.errors import TrainfreeError
from trainfree.parent_process import announce_run
from trainfree.sources.delivery import MIRROR_VARIABLE, mirror_folder


def relative(path: Path) -> str:
    """Return ``path`` as seen from the working folder: where a checkout lies is no input."""
    return os.path.relpath(path)


def without_braces(path: str) -> str:
    """Return a path that Snakemake takes for a path.

    Raises
    ------
    TrainfreeError
        When braces are in it, which Snakemake takes for a wildcard wherever they come from.
    """
    if "{" in path or "}" in path:
        raise TrainfreeError(
            f"{path}: expected a path without braces, which Snakemake takes for a "
            "wildcard; rename the folder or the file, or lead to it by a link"
        )
    return path


def export_environment(checkout: Path, mirror: str | None) -> None:
    """Set what jobs inherit: the Python and the trainfree they run, and where a mirror lies.

    Jobs use the Python that this Snakemake runs with, whether its environment is activated or not
    (a conda environment of ``--sdm conda`` comes before it), and the source of this checkout; where
    the workflow is that of an installed package, the package is the environment's own. The mirror's
    place is no property of the results, so it is no parameter of a rule; an environment
    variable that is already set wins.

    Raises
    ------
    ConfigError
        When the environment's mirror is no path.
    """
    _prepend("PATH", Path(sys.executable).parent)
    if (source := checkout / "src").is_dir():
        _prepend("PYTHONPATH", source)
    announce_run()
    if folder := mirror_folder(mirror):
        os.environ[MIRROR_VARIABLE] = folder


def _prepend(variable: str, folder: Path) -> None:
    entries = [str(folder), *filter(None, os.environ.get(variable, "").split(os.pathsep))]
    os.environ[variable] = os.pathsep.join(dict.fromkeys(entries))
