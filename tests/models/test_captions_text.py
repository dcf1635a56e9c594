"""Words and their numbers, held against the published list and against spaCy."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from models.captions import text
from models.captions.text import END, PAD, START, UNKNOWN, TextError, Vocabulary


def training_captions(shared: Path) -> list[str]:
    path = shared / "captions" / "train.csv"
    if not path.exists():
        pytest.skip(f"no {path}")
    lines = path.read_text(encoding="utf-8").splitlines()
    column = lines[0].split("\t").index("caption")
    return [line.split("\t")[column] for line in lines[1:]]


def test_the_published_vocabulary_comes_out_word_for_word_in_order(shared):
    listed = json.loads((shared / "captions" / "bmt_vocab_approx.json").read_text(encoding="utf-8"))["itos"]
    assert list(Vocabulary.of(training_captions(shared)).tokens) == listed


def test_words_are_split_as_spacy_splits_them(shared):
    pytest.importorskip("spacy", reason="spaCy isn't installed")
    split = text.spacy_words()
    differ = [caption for caption in training_captions(shared) if text.words(caption) != split(caption)]
    assert not differ


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("A woman's dog can't jump", "a woman 's dog ca n't jump"),
        ("He CANNOT, cannot (really)!", "he cannot , can not ( really ) !"),
        ("it's a well-known 5m pool...", "it 's a well - known 5 m pool ..."),
        ('they\'re "here"', 'they \' re " here "'.replace("' re", "'re")),
        ("the red,white and/or black $5 car", "the red , white and/or black $ 5 car"),
        ("Its ill-lit, i'd say", "its ill - lit , i 'd say"),
        ("at 8am, whos there", "at 8 am , who s there"),
        ("", ""),
    ],
)
def test_contractions_marks_and_units_come_apart(sentence, expected):
    assert text.words(sentence) == expected.split()


def test_specials_come_first_then_the_commonest_and_ties_go_by_alphabet():
    found = Vocabulary.of(["b a c", "c b", "c d"])
    assert found.tokens == (" UNK ", "<blank>", "<s>", "</s>", "c", "b", "a", "d")
    assert (UNKNOWN, PAD, START, END) == (0, 1, 2, 3)
    assert Vocabulary.of(["b a c", "c b", "c d"], min_count=2).tokens[4:] == ("c", "b")


def test_a_sentence_goes_into_numbers_and_comes_back():
    vocabulary = Vocabulary.of(["a dog barks"])
    numbers = vocabulary.encode("a dog sings")
    assert numbers == [START, vocabulary.numbers["a"], vocabulary.numbers["dog"], UNKNOWN, END]
    assert vocabulary.decode([*vocabulary.encode("a dog barks"), PAD, PAD]) == "A dog barks"


def test_captions_are_cleaned_as_published():
    assert text.clean(" It’s  5.20 m.\nShe stops. ") == "It's 5.20 m She stops"


def test_glove_vectors_come_from_a_file_and_unknown_words_stand_at_zero(tmp_path):
    path = tmp_path / "glove.txt"
    path.write_text("the 0.5 -1 2\n. . . 9 9 9\ndog 1 2 3\nunused 4 5 6\n", encoding="utf-8")
    table, known = text.glove(path, [*text.SPECIALS, "dog", "the", "xylophonist"])
    assert known == 2
    np.testing.assert_array_equal(table[4:], np.float32([[1, 2, 3], [0.5, -1, 2], [0, 0, 0]]))
    assert not table[:4].any()


def test_a_file_that_holds_no_vectors_is_named(tmp_path):
    with pytest.raises(TextError, match="nowhere"):
        text.glove(tmp_path / "nowhere.txt", ["dog"])
    path = tmp_path / "glove.txt"
    path.write_text("cat 1 2\ndog 1 two\n", encoding="utf-8")
    with pytest.raises(TextError, match="line 2"):
        text.glove(path, ["dog"])
    with pytest.raises(TextError, match="none of the 1 words"):
        text.glove(path, ["horse"])
