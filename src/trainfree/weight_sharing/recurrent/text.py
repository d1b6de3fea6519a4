"""Texts to model, word by word: Penn Treebank, WikiText, any plain text, Python's own topics."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainfree.errors import TrainfreeError
from trainfree.files.reading import cannot_be_read
from trainfree.provenance import settings_hash

TextKind = Literal["topics", "plain", "ptb", "wikitext"]
FILES: Mapping[str, tuple[str, str, str]] = {
    "ptb": ("ptb.train.txt", "ptb.valid.txt", "ptb.test.txt"),
    "wikitext": ("wiki.train.tokens", "wiki.valid.tokens", "wiki.test.tokens"),
}
"""Names of the files of the texts that are split and in words already: train, valid, test."""
SPLITS = ("train", "valid", "test")
BLOCKS, OF_A_PART = 100, 10
"""Plain text is cut into so many blocks of equal length; of each ten, one is valid, one test."""
Words = NDArray[np.int64]
END, UNKNOWN, NUMBER = "<eos>", "<unk>", "N"
_PARAGRAPHS = re.compile(r"\n\s*\n")
_SENTENCES = re.compile(r"(?<=[.!?])\s+")
_WORDS = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*|\d[\d.,]*")


class TextError(TrainfreeError):
    """A text that no language model can be made of."""


class Text(NamedTuple):
    """A text, its words as numbers.

    Attributes
    ----------
    name, kind
        What it is.
    vocabulary
        All words; ``<unk>`` and ``<eos>`` come first, then by how often they are in ``train``.
    train, valid, test
        Numbers of words, one after the other.
    sha256
        Of the bytes that were read.
    """

    name: str
    kind: str
    vocabulary: tuple[str, ...]
    train: Words
    valid: Words
    test: Words
    sha256: str

    @property
    def vocabulary_hash(self) -> str:
        """A hash of the vocabulary: weights of one are of no use for another."""
        return settings_hash({"vocabulary": list(self.vocabulary)})


def load_text(
    kind: TextKind, path: Path | None = None, *, most_words: int = 0, least_count: int = 1
) -> Text:
    """Read a text.

    Parameters
    ----------
    kind
        ``"topics"``: the documentation of Python's language, from the standard library's
        ``pydoc_data.topics`` (it differs between Python's versions). ``"plain"``: any text file in
        UTF-8. ``"ptb"``, ``"wikitext"``: a folder with the files of ``FILES``.
    path
        The file or folder; none for the topics.
    most_words
        Largest vocabulary, 0 for any: rarer words are ``<unk>``.
    least_count
        Words that the train part has less often are ``<unk>`` too.

    Raises
    ------
    TextError
        When a file is missing, empty, binary or not in UTF-8, has one word only, or the words of
        the valid or test part are none of the train part.
    """
    if kind == "topics":
        from pydoc_data.topics import topics

        whole = "\n\n".join(topics[name] for name in sorted(topics))
        parts = _split(words_of(whole))
        name, digest = "Python's topics", hashlib.sha256(whole.encode()).hexdigest()
    elif path is None:
        raise TextError(f"enas.path: a text of kind {kind} has to be named, found none")
    elif kind == "plain":
        content = _read(path)
        parts = _split(words_of(_decoded(content, path)))
        name, digest = path.name, hashlib.sha256(content).hexdigest()
    else:
        contents = {file: _read(path / file) for file in FILES[kind]}
        parts = [words_of_lines(_decoded(contents[file], path / file)) for file in contents]
        name = {"ptb": "Penn Treebank", "wikitext": "WikiText"}[kind]
        digest = hashlib.sha256(b"".join(contents.values())).hexdigest()
    where = str(path or name)
    for split, words in zip(SPLITS, parts, strict=True):
        _check_words(words, f"{where}: {split} part")
    vocabulary = _vocabulary(parts[0], most_words, least_count)
    numbers = {word: number for number, word in enumerate(vocabulary)}
    train, valid, test = (np.array([numbers.get(w, 0) for w in words]) for words in parts)
    for split, found in (("valid", valid), ("test", test)):
        if not np.isin(found, (numbers[UNKNOWN], numbers[END]), invert=True).any():
            raise TextError(
                f"{where}: expected words of the train part in the {split} part, found none of "
                f"its {len(vocabulary)} words; are the files of one text?"
            )
    return Text(name, kind, vocabulary, train, valid, test, digest)


def require_vocabulary(text: Text, expected: str, origin: str) -> None:
    """Refuse a text whose vocabulary is not the one that ``origin`` was made with.

    Raises
    ------
    TextError
        When it is another.
    """
    if text.vocabulary_hash != expected:
        raise TextError(
            f"{origin}: was made with another vocabulary than that of {text.name}: expected "
            f"{expected}, found {text.vocabulary_hash} of {len(text.vocabulary)} words; name the "
            "text that it was made with, or make it again"
        )


def _split(words: Sequence[str]) -> list[list[str]]:
    """Return the train, valid and test words: of every ten blocks eight, one and one."""
    parts: list[list[str]] = [[], [], []]
    bounds = np.linspace(0, len(words), BLOCKS + 1).astype(int).tolist()
    for block, (start, stop) in enumerate(pairwise(bounds)):
        parts[max(0, block % OF_A_PART - (OF_A_PART - 3))].extend(words[start:stop])
    return parts


def _vocabulary(train: Sequence[str], most_words: int, least_count: int) -> tuple[str, ...]:
    counts = Counter(train)
    counts.pop(UNKNOWN, None)
    counts.pop(END, None)
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    kept = [word for word, count in ranked if count >= least_count]
    return (UNKNOWN, END, *(kept[: max(0, most_words - 2)] if most_words else kept))


def _check_words(words: Sequence[str], where: str) -> None:
    different = set(words) - {END}
    if len(different) < 2:
        found = f"one word only ({next(iter(different))!r})" if different else "none"
        raise TextError(f"{where}: expected a text of several words, found {found}")


def _read(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise TextError(
            f"{path}: there is no such file; put it there, or name another path (enas.path)"
        ) from error
    except OSError as error:
        raise cannot_be_read(path, error) from error
    if not content.strip():
        raise TextError(f"{path}: expected a text, found an empty file")
    return content


def _decoded(content: bytes, path: Path) -> str:
    if b"\0" in content:
        raise TextError(f"{path}: expected a text, found a binary file (it has zero bytes)")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise TextError(
            f"{path}: expected a text in UTF-8, found another encoding or a binary file (byte "
            f"{error.start} is {content[error.start]:#04x}); convert it to UTF-8"
        ) from error


def words_of(text: str) -> list[str]:
    """Return the words of plain text, as the Penn Treebank of language models has them.

    Lower case; numbers are ``N``; marks and symbols are left out; every sentence ends in ``<eos>``.
    A sentence ends at a full stop, a question or an exclamation mark before white space, and at an
    empty line. Sentences without words are left out.
    """
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
