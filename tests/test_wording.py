"""Words of a vocabulary as people write them."""

from __future__ import annotations

import pytest

from otio_avassist.wording import alike, beginning, content, sentence, short_name


@pytest.mark.parametrize(
    ("words", "text", "name"),
    [
        (["a", "dog", "barks", "while", "rain", "falls"], "A dog barks while rain falls.", "dog barks"),
        (["it", "'s", "a", "man", ",", "is", "n't", "it", "?"], "It's a man, isn't it?", "it's a man"),
        (["a", "man", "is", "seen", "to", "the"], "A man is seen to the.", "man is seen"),
        (["we", "see", "a", "dog", "and", "a", "cat"], "We see a dog and a cat.", "dog"),
        (["t", "-", "shirt"], "T-shirt.", "t-shirt"),
        ([], "", "something"),
    ],
)  # fmt: skip
def test_words_become_a_sentence_and_a_name(words: list[str], text: str, name: str) -> None:
    assert sentence(words) == text
    assert short_name(words) == name


LABELS = {
    ("a", "dog", "barks"): "dog barking",
    ("a", "dog"): "dog",
    ("someone", "speaks"): "speech",
    ("on", "a", "street"): "street",
}


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("a dog barks twice", "dog barking"),
        ("we see a dog", "dog"),
        ("someone speaks on a street and we see a dog", "speech, street"),
        ("a dog barks while a dog barks", "dog barking"),
        ("a dog barks and we see a dog", "dog barking"),
        ("a tree falls", "tree falls"),
    ],
)
def test_pieces_of_a_sentence_are_called_as_in_a_list(words: str, name: str) -> None:
    assert short_name(words.split(), LABELS) == name


def test_what_is_said_is_the_same_in_another_order_and_with_other_small_words() -> None:
    one = content(["a", "dog", "barks", "and", "then", "a", "man", "speaks"])
    assert alike(one, content(["the", "man", "speaks", "while", "a", "dog", "barks", "."]))
    assert not alike(one, content(["a", "dog", "barks"]))
    assert not alike(content(["the"]), one)


def test_a_name_for_what_is_said_is_its_beginning() -> None:
    assert beginning("Hello, my dear.") == "Hello, my dear"
    assert beginning("one two three four five, six") == "one two three four five …"
