"""A first version of something new, with its test: ``trainfree new-proxy``, ``new-search``."""

from __future__ import annotations

import keyword
import re
from pathlib import Path

from trainfree.errors import ConfigError
from trainfree.files.writing import write_text


def write_skeleton(
    word: str, name: str, folder: Path, source: str, test: str, known: list[str]
) -> tuple[Path, Path]:
    """Write ``<name>.py`` and ``test_<name>.py`` into ``folder`` and return their paths.

    Parameters
    ----------
    word
        What is begun, for messages: "proxy".
    source, test
        Templates with the fields ``name`` and ``title``, the name as a class's.
    known
        Names that are taken.

    Raises
    ------
    ConfigError
        When the name cannot be a Python function's or a table's or is taken, or a file is there
        already.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        raise ConfigError(
            f"{word} {name!r}: expected a name of lower-case letters, digits and underscores that "
            "begins with a letter and is not a Python keyword"
        )
    if name in known:
        raise ConfigError(f"{word} {name!r}: this name is already used; choose another")
    paths = folder / f"{name}.py", folder / f"test_{name}.py"
    for path in paths:
        if path.exists():
            raise ConfigError(f"{path}: already exists; choose another name or folder")
    title = "".join(part.capitalize() for part in name.split("_"))
    for path, template in zip(paths, (source, test), strict=True):
        write_text(path, template.format(name=name, title=title))
    return paths
