"""Texts of recurrent ENAS: rules of words, parts, errors by name, n-gram models by counting."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainfree.errors import UnreadableFileError
from trainfree.weight_sharing.recurrent.ngrams import (
    bigram_perplexity,
    bigram_probabilities,
    unigram_perplexity,
)
from trainfree.weight_sharing.recurrent.text import (
    TextError,
    load_text,
    require_vocabulary,
    words_of,
    words_of_lines,
)

pytestmark = pytest.mark.usefixtures("one_thread")

PTB = ("ptb.train.txt", "ptb.valid.txt", "ptb.test.txt")
PLAIN = " ".join(
    f"The {word} sees {number} cats." for number in range(60) for word in ("dog", "fox")
)


def test_words_are_lower_case_numbers_are_n_and_sentences_end() -> None:
    text = "It isn't 3.14,\nbut  the well-known x_1!  Is\tit?\n\n*****\n\nÉtude No. 7"
    assert words_of(text) == [
        *("it", "isn't", "N", "but", "the", "well-known", "x", "N", "<eos>", "is", "it", "<eos>"),
        *("étude", "no", "<eos>", "N", "<eos>"),
    ]
    assert words_of("") == words_of("... --- ***") == []
    assert words_of_lines(" a <unk> N \n\nb\n") == ["a", "<unk>", "N", "<eos>", "b", "<eos>"]


@given(st.text())
def test_any_text_gives_words_without_white_space(text: str) -> None:
    words = words_of(text)
    assert all(word and not re.search(r"\s", word) for word in words)
    assert not words or words[-1] == "<eos>"


def test_the_topics_are_there_and_rare_words_are_unknown() -> None:
    text = load_text("topics", most_words=500, least_count=3)
    assert len(text.vocabulary) == 500
    assert text.vocabulary[:2] == ("<unk>", "<eos>")
    assert len(text.train) > 7 * len(text.valid) > 30_000
    assert abs(len(text.valid) - len(text.test)) <= 10
    assert max(part.max() for part in (text.train, text.valid, text.test)) < 500
    assert 0 < (text.train == 0).mean() < 0.3
    counts = np.bincount(text.train)[2:]
    assert (np.diff(counts) <= 0).all()
    assert len(text.sha256) == 64


def test_a_plain_text_is_cut_into_blocks(tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_text("\n\n".join(f"w{'abcdefghij'[n % 10]} x" for n in range(1000)), "utf-8")
    text = load_text("plain", path)
    words = np.array(text.vocabulary)
    whole = words_of(path.read_text("utf-8"))
    blocks = [whole[start : start + 30] for start in range(0, 3000, 30)]
    assert words[text.valid].tolist() == [w for block in blocks[8::10] for w in block]
    assert words[text.test].tolist() == [w for block in blocks[9::10] for w in block]
    assert len(text.train) == 2400


def test_penn_treebank_and_wikitext_are_taken_as_they_are(tmp_path: Path) -> None:
    names = ("wiki.train.tokens", "wiki.valid.tokens", "wiki.test.tokens")
    for kind, files in (("ptb", PTB), ("wikitext", names)):
        folder = tmp_path / kind
        folder.mkdir()
        for file, content in zip(files, (" a <unk> b a \n c\n", " a d \n", " c a \n"), strict=True):
            (folder / file).write_text(content)
        text = load_text(kind, folder)  # type: ignore[arg-type]
        assert text.vocabulary == ("<unk>", "<eos>", "a", "b", "c")
        assert text.train.tolist() == [2, 0, 3, 2, 1, 4, 1]
        assert text.valid.tolist() == [2, 0, 1]
    with pytest.raises(TextError, match="made with another vocabulary"):
        require_vocabulary(text, "0123", "search.h5")
    require_vocabulary(text, text.vocabulary_hash, "search.h5")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b" \n\t\n", "expected a text, found an empty file"),
        (b"", "found an empty file"),
        (b"abc\0def words", "found a binary file"),
        ("caf\u00e9 au lait".encode("latin-1"), "in UTF-8, found another encoding.*byte 3 is 0xe9"),
        (b"word word. word word", r"several words, found one word only \('word'\)"),
        (b"--- *** ...", "found none"),
    ],
)
def test_texts_that_cannot_be_modelled_are_refused(
    content: bytes, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "odd.txt"
    path.write_bytes(content)
    with pytest.raises(TextError, match=message) as refused:
        load_text("plain", path)
    assert "odd.txt" in str(refused.value)


def test_missing_files_folders_and_parts_of_other_texts_are_named(tmp_path: Path) -> None:
    with pytest.raises(TextError, match="has to be named"):
        load_text("plain")
    with pytest.raises(TextError, match=r"ptb\.train\.txt: there is no such file"):
        load_text("ptb", tmp_path)
    with pytest.raises(UnreadableFileError, match="cannot be read"):
        load_text("plain", tmp_path)
    for file, content in zip(PTB, ("a b\n", "c d\n", "a b\n"), strict=True):
        (tmp_path / file).write_text(content)
    with pytest.raises(TextError, match="in the valid part, found none of its 4 words"):
        load_text("ptb", tmp_path)


def test_unigrams_by_counting() -> None:
    train, words = np.array([1, 2, 2, 3]), np.array([0, 2, 4])
    likely = [3 / 9, 1 / 9]
    assert unigram_perplexity(train, words, 5) == pytest.approx(
        np.exp(-np.mean(np.log(likely))), rel=1e-12
    )


def kneser_ney(train: list[int], before: int, after: int, vocabulary: int) -> float:
    """The same model, word by word."""
    pairs = Counter(pairwise(train))
    sizes = Counter(pairs.values())
    discount = sizes[1] / (sizes[1] + 2 * sizes[2]) if sizes[1] else 0.5
    ends = Counter(pair[1] for pair in pairs)
    continuation = (ends[after] + 1) / (len(pairs) + vocabulary)
    followed = sum(count for pair, count in pairs.items() if pair[0] == before)
    if not followed:
        return continuation
    followers = sum(pair[0] == before for pair in pairs)
    own = max(pairs[before, after] - discount, 0.0)
    return (own + discount * followers * continuation) / followed


@given(st.lists(st.integers(0, 4), min_size=3, max_size=40))
def test_bigrams_are_kneser_and_neys_and_sum_to_one(train: list[int]) -> None:
    before, after = np.repeat(np.arange(6), 6), np.tile(np.arange(6), 6)
    found = bigram_probabilities(np.array(train), before, after, 6)
    wanted = [kneser_ney(train, v, w, 6) for v, w in zip(before, after, strict=True)]
    np.testing.assert_allclose(found, wanted, rtol=1e-12)
    np.testing.assert_allclose(found.reshape(6, 6).sum(axis=1), 1.0, rtol=1e-12)


def test_bigrams_beat_unigrams_where_words_follow_each_other(tmp_path: Path) -> None:
    path = tmp_path / "cats.txt"
    path.write_text(PLAIN)
    text = load_text("plain", path)
    size = len(text.vocabulary)
    assert bigram_perplexity(text.train, text.valid, size) < 3.5
    assert unigram_perplexity(text.train, text.valid, size) > 6
