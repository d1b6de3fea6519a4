"""Words of plain text, as the Penn Treebank of language models has them.

Lower case; numbers are ``N``; marks and symbols are left out; every sentence ends in ``<eos>``. A
sentence ends at a full stop, a question or an exclamation mark before white space, and at an empty
line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

END, UNKNOWN, NUMBER = "<eos>", "<unk>", "N"
_PARAGRAPHS = re.compile(r"\n\s*\n")
_SENTENCES = re.compile(r"(?<=[.!?])\s+")
_WORDS = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*|\d[\d.,]*")


def words_of(text: str) -> list[str]:
    """Return the words of plain text; sentences without words are left out."""
    return list(_words(text.lower()))


def _words(text: str) -> Iterator[str]:
    for paragraph in _PARAGRAPHS.split(text):
        for sentence in _SENTENCES.split(paragraph):
            words = _WORDS.findall(sentence)
            yield from (NUMBER if word[0].isdecimal() else word for word in words)
            if words:
                yield END


def words_of_lines(text: str) -> list[str]:
    """Return the words of a text that is split into words already, a sentence a line.

    Empty lines have no ``<eos>``.
    """
    return [word for line in text.splitlines() if (words := line.split()) for word in (*words, END)]
