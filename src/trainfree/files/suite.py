"""Where the suite's files lie that are no Python: workflow, configurations, templates, numbers.

In a checkout they are at the top. A wheel carries a copy of them inside the package (``setup.py``
puts it there), so that the same workflow runs from any folder.
"""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
CARRIED = "suite"
"""Their folder inside an installed package."""
PUBLISHED = "reports/published"
"""The folder of the papers' numbers."""


def suite_folder() -> Path:
    """Return the folder of ``Snakefile``, ``rules/``, ``config/``, ``profiles/``, ``reports/``."""
    carried = PACKAGE / CARRIED
    return carried if carried.is_dir() else PACKAGE.parents[1]


def suite_path(place: str | Path) -> Path:
    """Return the path of one of these files, relative where the working folder is theirs.

    Parameters
    ----------
    place
        As seen from the top of a checkout, ``config/paper.yaml``.
    """
    folder = suite_folder()
    return Path(place) if Path.cwd() == folder else folder / place


def here_or_of_suite(path: Path) -> Path:
    """Return a path as it is; where nothing is there, that of the suite's file of this name.

    So ``config/test.yaml`` means the same in a checkout and in a folder of one's own.
    """
    own = suite_path(path)
    return own if not path.exists() and own.is_file() else path
