"""Files that were made otherwise than is asked for now are made again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from trainfree.files.label import was_made_otherwise
from trainfree.scoring.settings.precision import Precision
from trainfree.scoring.settings.setting import Setting, scoring_code_hashes

InputFunction = Callable[[Any], list[str]]
"""What Snakemake calls with a job's wildcards."""


def asked(workflow: Any, path: str, settings: Any, code: Any) -> InputFunction:
    """Return an input function that has a file made again which records something else.

    Parameters
    ----------
    workflow
        Snakemake's.
    path
        Of the file, with the wildcards of the rule that makes it.
    settings, code
        What should have made it, a mapping and a hash or several of which any will do, or functions
        of the wildcards that return them.
    """

    def look(wildcards: Any) -> list[str]:
        found = code(wildcards) if callable(code) else code
        return make_again_if_other(
            workflow,
            path.format(**wildcards),
            settings(wildcards) if callable(settings) else settings,
            *([found] if isinstance(found, str) else found),
        )

    return look


def scoring_asked(
    workflow: Any,
    path: str,
    setting: Callable[[Any], Setting],
    job: str = "trainfree.scoring.jobs.shard",
    precision: Precision | None = None,
) -> InputFunction:
    """Return the same for a file of scores.

    Parameters
    ----------
    setting
        Gives the file's setting by wildcards.
    job
        The module that makes it.
    precision
        Of a GPU's groups, where the job computes such: scores of theirs are as good as those of a
        processor, and those of another precision are not. None where it computes none.
    """
    return asked(
        workflow,
        path,
        lambda wildcards: setting(wildcards).values,
        lambda wildcards: scoring_code_hashes(setting(wildcards), precision, job),
    )


def make_again_if_other(
    workflow: Any, path: str, settings: Mapping[str, Any], *codes: str
) -> list[str]:
    """Have a data file of the run made again that records other settings or other code.

    Snakemake decides by what it remembers of the jobs it started. Here the file is asked, since a
    job that outlived its run may have replaced it. Called from a rule's input function, so only
    for files that the asked targets need; as an input it adds nothing.

    Returns
    -------
    list of str
        Always empty.
    """
    if workflow.is_main_process and was_made_otherwise(Path(path), settings, *codes):
        workflow.dag.forcefiles.add(path)
    return []
