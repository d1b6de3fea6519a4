"""Unigram and bigram models: what a network has to beat.

The unigram model counts each word once more than it was seen (Laplace). The bigram model is
Kneser and Ney's, interpolated: a constant is taken from each count of a pair and given to words by
how many different words they follow (Kneser and Ney 1995; Chen and Goodman 1999, section 2.7).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trainfree.weight_sharing.recurrent.text import Words

Floats = NDArray[np.float64]


def unigram_perplexity(train: Words, words: Words, vocabulary: int) -> float:
    """Return the perplexity of all ``words`` but the first under counts of ``train``, plus one."""
    counts = np.bincount(train, minlength=vocabulary) + 1.0
    return _perplexity(counts[words[1:]] / counts.sum())


def bigram_perplexity(train: Words, words: Words, vocabulary: int) -> float:
    """Return the perplexity of all ``words`` but the first, each given the one before."""
    return _perplexity(bigram_probabilities(train, words[:-1], words[1:], vocabulary))


def bigram_probabilities(train: Words, before: Words, after: Words, vocabulary: int) -> Floats:
    """Return how likely each word of ``after`` is behind the one of ``before``.

    With c the counts of pairs and D = n1 / (n1 + 2 n2), from how many pairs were seen once and
    twice, or 1/2 where none was seen once: (max(c(v, w) - D, 0) + D · N(v ·) · q(w)) / c(v ·).
    N(v ·) is how many different words follow v. q(w) is the share of the different pairs that end
    in w, plus one for every word of the vocabulary. Behind a word that was never followed it is
    q(w).
    """
    pairs = train[:-1] * vocabulary + train[1:]
    distinct, counts = np.unique(pairs, return_counts=True)
    once, twice = int((counts == 1).sum()), int((counts == 2).sum())
    discount = once / (once + 2 * twice) if once else 0.5
    followed = np.bincount(train[:-1], minlength=vocabulary)
    followers = np.bincount(distinct // vocabulary, minlength=vocabulary)
    continuation = np.bincount(distinct % vocabulary, minlength=vocabulary) + 1.0
    continuation /= continuation.sum()
    asked = before * vocabulary + after
    place = np.minimum(np.searchsorted(distinct, asked), len(distinct) - 1)
    count = np.where(distinct[place] == asked, counts[place], 0)
    total = np.maximum(followed[before], 1)
    mixed = np.maximum(count - discount, 0.0) + discount * followers[before] * continuation[after]
    return np.where(followed[before] > 0, mixed / total, continuation[after])


def _perplexity(probabilities: Floats) -> float:
    return float(np.exp(-np.log(probabilities).mean()))
