"""What comes of a search: the derived cell, and random cells to compare it with."""

from __future__ import annotations

import time

from trainfree.progress import track
from trainfree.randomness import stream
from trainfree.weight_sharing.recurrent.cell import random_cell
from trainfree.weight_sharing.recurrent.learner import EnasLearner
from trainfree.weight_sharing.recurrent.ngrams import bigram_perplexity, unigram_perplexity
from trainfree.weight_sharing.recurrent.schema import PARTS, Candidates
from trainfree.weight_sharing.recurrent.settings import SearchSettings
from trainfree.weight_sharing.recurrent.text import Text


def candidates_of(learner: EnasLearner) -> Candidates:
    """Return cells that the controller draws, judged with shared weights on the valid text.

    Cells that are drawn twice are judged once.
    """
    start = time.perf_counter()
    drawn = learner.drawn(learner.settings.candidates, "enas/candidates")
    cells = list(dict.fromkeys(drawn))
    found = [learner.valid_perplexity(cell) for cell in track(cells, "deriving a cell")]
    return Candidates([str(cell) for cell in cells], found, time.perf_counter() - start)


def random_cells(settings: SearchSettings) -> list[str]:
    """Return the random cells of a search: they depend on its seed and its nodes alone."""
    return [
        str(random_cell(settings.nodes, stream(settings.seed, "enas/random-cell", number)))
        for number in range(settings.randoms)
    ]


def ngram_perplexities(text: Text) -> dict[str, list[float]]:
    """Return the perplexities of n-gram models of the train text on the other parts."""
    words, size = {"valid": text.valid, "test": text.test}, len(text.vocabulary)
    return {
        name: [model(text.train, words[part], size) for part in PARTS]
        for name, model in (("unigram", unigram_perplexity), ("bigram", bigram_perplexity))
    }
