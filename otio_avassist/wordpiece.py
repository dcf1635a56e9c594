"""A text -> the tokens that BERT and its kin eat: words, cut into the longest pieces that a vocabulary has.

As the uncased vocabularies were made: lower case, no accents, every punctuation mark a word of its own.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping

START, END, UNKNOWN = "[CLS]", "[SEP]", "[UNK]"
MOST = 128
"""Tokens of one text, with its two ends."""
LONGEST = 100
"""A word of more letters is none."""


def tokens(text: str, vocabulary: Mapping[str, int]) -> list[int]:
    """Numbers of a text's pieces, between those of its start and its end."""
    pieces = [vocabulary[piece] for word in words(text) for piece in _pieces(word, vocabulary)]
    return [vocabulary[START], *pieces[: MOST - 2], vocabulary[END]]


def words(text: str) -> list[str]:
    """Lower case, without accents, punctuation and Chinese characters apart."""
    plain = "".join(
        letter
        for letter in unicodedata.normalize("NFD", text.lower())
        if (unicodedata.category(letter) not in ("Mn", "Cc", "Cf") or letter in "\t\n\r")
        and letter != "\ufffd"
    )
    apart = "".join(f" {letter} " if _stands_alone(letter) else letter for letter in plain)
    return apart.split()


def _stands_alone(letter: str) -> bool:
    ascii_sign = letter.isascii() and letter.isprintable() and not letter.isalnum() and letter != " "
    return ascii_sign or unicodedata.category(letter).startswith("P") or "\u4e00" <= letter <= "\u9fff"


def _pieces(word: str, vocabulary: Mapping[str, int]) -> Iterator[str]:
    """The longest beginning that is in the vocabulary, and so on; all or nothing."""
    found, at = [], 0
    while at < len(word) <= LONGEST:
        ends = range(len(word), at, -1)
        piece = next((p for end in ends if (p := ("##" if at else "") + word[at:end]) in vocabulary), None)
        if piece is None:
            break
        found.append(piece)
        at += len(piece) - (2 if at else 0)
    yield from found if at == len(word) else [UNKNOWN]
