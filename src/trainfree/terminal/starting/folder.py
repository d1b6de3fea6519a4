"""``trainfree init``: a folder with what a user edits; everything else stays in the package."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from trainfree.errors import ConfigError
from trainfree.files.reading import read_text
from trainfree.files.suite import suite_folder
from trainfree.files.writing import write_text
from trainfree.terminal.screen import Screen

CONFIGURATION = "trainfree.yaml"
IGNORED = ".gitignore"
_STARTER = "config/starter.yaml"
_MADE_BY_RUNS = "".join(f"/{name}/\n" for name in ("data", "results", "logs", ".snakemake"))


def begin_folder(folder: Path, profiles: Sequence[str], screen: Screen) -> None:
    """Write a configuration, the list of what git should ignore, and profiles; name them.

    Parameters
    ----------
    folder
        Made where it is not there.
    profiles
        Names of Snakemake profiles to copy.

    Raises
    ------
    ConfigError
        When a file is there already, or the folder is a checkout. Nothing is written.
    DataFileError
        When a file cannot be written.
    """
    if folder.resolve() == suite_folder():
        raise ConfigError(
            f"{folder}: is a checkout, which needs no init: edit config/config.yaml or a file of "
            "your own, and run `snakemake --cores 8` or `trainfree run`"
        )
    texts = _texts(profiles)
    there = [name for name in texts if (folder / name).exists()]
    if there:
        raise ConfigError(
            f"{folder / there[0]}: already exists; nothing was written. Choose another folder, or "
            "move the file away"
        )
    if not (folder / IGNORED).exists():  # a repository of the user's own has one
        texts[IGNORED] = _MADE_BY_RUNS
    for name, text in texts.items():
        write_text(folder / name, text)
        (folder / name).chmod(0o755 if name.endswith(".sh") else 0o644)
        screen.line(f"wrote {folder / name}")
    screen.title("Next")
    screen.table(("command", "what it does"), _next(folder, profiles))


def _texts(profiles: Sequence[str]) -> dict[str, str]:
    """Return the files to write, by their place in the folder."""
    suite = suite_folder()
    texts = {CONFIGURATION: read_text(suite / _STARTER)}
    for profile in profiles:
        for path in sorted((suite / "profiles" / profile).iterdir()):
            texts[path.relative_to(suite).as_posix()] = read_text(path)
    return texts


def _next(folder: Path, profiles: Sequence[str]) -> list[tuple[str, str]]:
    enter: Mapping[str, str] = {} if folder == Path() else {f"cd {folder}": "go there"}
    cluster = [name for name in profiles if name != "default"]
    return [
        *enter.items(),
        ("trainfree doctor", "check that everything is there that a run needs"),
        ("trainfree run --configfile config/test.yaml", "try the workflow on generated inputs"),
        ("trainfree run --cores 8 --gpus 2", "run it"),
        *(
            (f"trainfree run --profile profiles/{name}", "run it on a cluster, after editing")
            for name in cluster
        ),
        ("trainfree check-config", f"what {CONFIGURATION} changes"),
    ]
