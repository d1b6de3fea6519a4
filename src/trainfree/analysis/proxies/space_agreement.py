"""Whether our proxies rank architectures of other spaces as somebody else's do.

NAS-Bench-Suite-Zero (Krishnakumar et al., NeurIPS 2022) scored samples of several spaces; which of
them stand beside scores of ours is in :data:`PUBLISHED_SCORES`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from trainfree.analysis.data_line import data_line
from trainfree.analysis.declaration import Inputs, Made, table
from trainfree.analysis.formats import count, decimal, plain
from trainfree.analysis.inputs import computed_on, score_settings, texts
from trainfree.analysis.proxies.proxy_agreement import compared, read_published_table, two_seeds
from trainfree.analysis.proxies.published_proxy_scores import PUBLISHED_SCORES, PublishedScores
from trainfree.analysis.tables import numbers, text
from trainfree.errors import DataFileError

MOST_ROWS = 1_000_000


@table(
    title="Agreement with the scores of NAS-Bench-Suite-Zero on other spaces (Spearman's ρ)",
    columns=(
        *text("space", "dataset", "proxy", "computed_on"),
        *numbers("spearman", "n", "own_seed_spearman"),
    ),
    shown={
        "space": plain("space"),
        "images": plain("dataset"),
        "proxy": plain("proxy"),
        "own input, weights": plain("computed_on"),
        "ρ with Suite-Zero": decimal("spearman", 3),
        "architectures": count("n"),
        "ρ between our seeds": decimal("own_seed_spearman", 3),
    },
    reads=("scores", "published_scores"),
    of="space_agreement",
    target="space_agreement",
    section="proxies",
    memory_mb=1000,
)
def space_agreement(inputs: Inputs) -> Made:
    """Return how alike our scores of two seeds and published ones rank architectures.

    Scores files stand in pairs, two seeds of one space and data set.

    Raises
    ------
    DataFileError
        When a file is missing or damaged, nobody published scores of a space and data set, or they
        have no architecture in common with ours.
    """
    opened, frames = [], []
    published = {path.name.partition(".")[0]: path for path in inputs.some("published_scores")}
    scores = inputs.some("scores")
    if len(scores) % 2:
        raise DataFileError(f"{scores[-1]}: expected a second file with another seed, found none")
    for first, second in zip(scores[::2], scores[1::2], strict=True):
        files, own, again = two_seeds(first, second)
        place = score_settings(files[0], first)
        meant = _published_beside(place["space"], place["dataset"], first)
        if meant.file not in published:
            raise DataFileError(f"expected the published scores {meant.file}, found none; add them")
        theirs = read_published(published[meant.file], meant)
        theirs = theirs.reindex(texts(files[0]["architecture"]))
        theirs.index = own.index
        where = f"{first} and {published[meant.file]}"
        rows = compared(own, again, theirs, meant.columns, where)
        named = {"space": place["space"], "dataset": place["dataset"]}
        frames.append(rows.assign(**named, computed_on=rows["proxy"].map(computed_on(files[0]))))
        opened += files
    return Made(pd.concat(frames)[list(_COLUMNS)], data_line(opened, apart="setting"))


_COLUMNS = ("space", "dataset", "proxy", "computed_on", "spearman", "n", "own_seed_spearman")


def read_published(path: Path, meant: PublishedScores) -> pd.DataFrame:
    """Return the published scores by architecture.

    Raises
    ------
    DataFileError
        When the file cannot be read, lacks a column or the rows that are meant, or has an
        architecture twice.
    """
    wanted: Sequence[str] = [*meant.chosen, meant.key]
    every = read_published_table(path, MOST_ROWS, sorted(set(meant.columns.values())), wanted)
    chosen = pd.Series(True, index=every.index)
    for column, value in meant.chosen.items():
        chosen &= every[column] == value
    found = every[chosen]
    if found.empty or len(every) > MOST_ROWS:
        rows = ", ".join(f"{column} {value}" for column, value in meant.chosen.items())
        raise DataFileError(
            f"{path}: expected 1 to {MOST_ROWS:,} rows, of {rows or meant.space} too, found "
            f"{len(every):,}, {len(found):,} of these"
        )
    if (twice := found[meant.key].duplicated()).any():
        raise DataFileError(
            f"{path}: column {meant.key!r}: expected different architectures, found "
            f"{found[meant.key][twice].iloc[0]!r} twice"
        )
    scores = found.set_index(meant.key)[list(meant.columns.values())]
    return scores if meant.missing is None else scores.replace(meant.missing, float("nan"))


def _published_beside(space: str, dataset: str, path: Path) -> PublishedScores:
    for each in PUBLISHED_SCORES.values():
        if (each.space, each.dataset) == (space, dataset):
            return each
    raise DataFileError(f"{path}: nobody published scores of {space} on {dataset} that are known")
