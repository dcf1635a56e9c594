"""Texts become the tokens that the uncased vocabularies were made for."""

from __future__ import annotations

import pytest

from otio_avassist.wordpiece import MOST, tokens, words

PIECES = (
    "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "dog", "##s", "bark", "##ing", "##ed", "un", "##aff",
    "##able", "foot", "##step", "step", "a", "##a", "cafe", ",", "-", "'", "$", "5", "##0", "s", "b", "##b",
    "door", "of", "wood", "!", "鳥", "2",
)  # fmt: skip
VOCABULARY = {piece: number for number, piece in enumerate(PIECES)}


def spelt(text):
    return [PIECES[token] for token in tokens(text, VOCABULARY)]


def test_a_word_is_cut_into_the_longest_pieces_there_are():
    assert spelt("Dogs barking, unaffable") == [
        "[CLS]", "dog", "##s", "bark", "##ing", ",", "un", "##aff", "##able", "[SEP]",
    ]  # fmt: skip


def test_a_word_that_cannot_be_put_together_is_unknown_as_a_whole():
    assert spelt("dog footxyz door") == ["[CLS]", "dog", "[UNK]", "door", "[SEP]"]
    assert spelt("a" * 101) == ["[CLS]", "[UNK]", "[SEP]"]


def test_a_long_text_is_cut_and_ends_as_every_text_does():
    found = tokens("dog " * 500, VOCABULARY)
    assert len(found) == MOST
    assert found[-1] == VOCABULARY["[SEP]"]


def test_nothing_is_still_a_text():
    assert spelt("") == spelt(" \n\t") == ["[CLS]", "[SEP]"]


@pytest.mark.parametrize(
    "text",
    [
        "Dogs barking",
        "  Café-DOOR, of wood!  ",
        "footsteps: a step",
        "it's $50",
        "a\u0301\u200d dog\ufffd\x00 \x07bark",
        "鳥dog鳥",
        "dog—bark…step",
        "bb abab aba",
        "İstanbul ẞ ﬁ Å dog",
        "wood_door/of\\wood",
        "",
        "🐕 dog",
        "2²",
    ],
)
def test_tokens_are_those_of_another_library(text):
    tokenizers = pytest.importorskip("tokenizers")
    theirs = tokenizers.BertWordPieceTokenizer(VOCABULARY, lowercase=True)
    assert spelt(text) == theirs.encode(text).tokens


def test_accents_and_controls_are_left_out_and_signs_stand_alone():
    assert words("Crème\u0007 brûlée—dog's") == ["creme", "brulee", "—", "dog", "'", "s"]
