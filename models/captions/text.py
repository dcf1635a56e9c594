"""Sentences, words and their numbers.

In: captions as people wrote them. Out: words, a `Vocabulary`, and rows of numbers that a network reads.

The published vocabulary was made by spaCy's English tokeniser. `words` follows its rules for what stands in
captions, without spaCy: the 34,171 training captions of ActivityNet Captions it splits as spaCy 3.8 does, so
that the vocabulary is the published one, word for word (the tests compare them). `spacy_words` asks spaCy
itself, where somebody installed it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np

from otio_avassist.errors import AvAssistError

Words = Callable[[str], list[str]]
"""A tokeniser: a sentence -> its words, lower-cased."""

UNKNOWN, PAD, START, END = 0, 1, 2, 3
SPECIALS = (" UNK ", "<blank>", "<s>", "</s>")
"""What numbers 0 to 3 stand for, spelled as in the published list."""


class TextError(AvAssistError):
    """A file of words or vectors can't be used, or spaCy is asked for and isn't there."""


def clean(caption: str) -> str:
    """A caption as the network is to learn it: straight apostrophes, no full stops but those before a digit,
    single spaces.

    >>> clean("He’s  jumped 5.20 m.\\n")
    "He's jumped 5.20 m"
    """
    return " ".join(re.sub(r"\.(?!\d)", "", caption.replace("’", "'")).split())


# Words

_LETTER = "A-Za-zÀ-ÖØ-öø-ÿ"
_QUOTE = "'\"”“`‘´’‚„»«"
_CURRENCY = "$£€¥฿₽₩"
_MARKS = r"…,:;!?¿¡()\[\]{}<>_#*&。，！？"
_UNITS = (
    "km|km²|km³|m|m²|m³|dm|dm²|dm³|cm|cm²|cm³|mm|mm²|mm³|ha|µm|nm|yd|in|ft|kg|g|mg|µg|t|lb|oz|m/s|km/h|mph|hPa|Pa|"
    "mbar|mb|MB|kb|KB|gb|GB|tb|TB|T|G|M|K|%"
)
_PREFIX = re.compile(rf"§|%|=|—|–|\+(?![0-9])|\.\.+|…|[{_MARKS}{_QUOTE}{_CURRENCY}]")
_SUFFIX = re.compile(
    rf"(?:[:;]-?[()]|\.\.+|…|[{_MARKS}{_QUOTE}]|'[sS]|’[sS]|—|–|(?<=[0-9])\+|(?<=[0-9])[{_CURRENCY}]"
    rf"|(?<=[0-9])(?:{_UNITS})|(?<=[0-9a-zß-öø-ÿ%²\-+{_QUOTE}])\.|(?<=[A-ZÀ-ÖØ-Þ][A-ZÀ-ÖØ-Þ])\.)$"
)
_INFIX = re.compile(
    rf"\.\.+|…|(?<=[0-9])[+\-*^](?=[0-9-])|(?<=[a-zß-öø-ÿ{_QUOTE}])\.(?=[A-ZÀ-ÖØ-Þ{_QUOTE}])"
    rf"|(?<=[{_LETTER}]),(?=[{_LETTER}])|(?<=[{_LETTER}0-9])(?:---?|[-–—~]|——)(?=[{_LETTER}])"
    rf"|(?<=[{_LETTER}0-9])[:<>=/](?=[{_LETTER}])"
)
_ASKING = "who|what|when|where|why|how|there"
_VERB = "ca|can|could|do|does|did|had|may|might|must|need|ought|sha|should|wo|would"
_CONTRACTIONS = [
    re.compile(pattern)
    for pattern in (
        r"(i)('?m)(a)?",
        rf"(i|you|he|she|it|we|they|that|this|these|those|{_ASKING})('?d|'?ll)('?ve)?",
        rf"(you|we|they|these|those|{_ASKING})('?re)",
        rf"(i|you|we|they|these|those|{_ASKING})('?ve)",
        rf"(he|she|it|that|this|{_ASKING})('?s)",
        rf"({_VERB})(n'?t)('?ve)?",
        r"(ai|are|is|was|were|has|have|dare)(n'?t)",
        r"(could|might|must|should|would)('?ve)",
        r"(can)(not)|(gon)(na)|(got)(ta)|(let)('s)|(y')(all)|(c'm)(on)|([0-9]+)([ap]\.?m\.?)",
    )
]
_NOT_CONTRACTED = {"ill", "its", "hell", "shell", "shed", "were", "well", "whore"}
"""Words that only look like it."""
_SHORT = (
    "a.m. p.m. e.g. i.e. vs. v.s. Mr. Mrs. Ms. Dr. St. Mt. Jr. Co. Inc. Corp. Ltd. Bros. Prof. Gen. Gov. "
    "Rep. Rev. Sen. Adm. Ph.D. D.C. N.Y. Jan. Feb. Mar. Apr. Jun. Jul. Aug. Sep. Sept. Oct. Nov. Dec."
)
_OTHERS = (
    "C++ and/or w/o 'em 'til 'bout 'nuff 'cause 'cos 'd 'll 're 's o'clock ma'am doin' goin' havin' lovin' "
    "nothin' ol' somethin' :) :( ;) :D :P :p :/ :-) :-( ;-) <3 xD XD"
)
_WHOLE = {*_SHORT.split(), *_OTHERS.split(), *(f"{letter}." for letter in "abcdefghijklmnopqrstuvwxyz")}
"""Read as one though marks stand in it."""


def words(sentence: str) -> list[str]:
    """Lower-cased words and marks, split as spaCy's English rules split them.

    >>> words("A woman's dog can't jump 5m, it's well-trained")
    ['a', 'woman', "'s", 'dog', 'ca', "n't", 'jump', '5', 'm', ',', 'it', "'s", 'well', '-', 'trained']
    """
    return [word.lower() for part in sentence.split() for word in _pieces(part)]


@lru_cache(maxsize=65_536)
def _pieces(part: str) -> tuple[str, ...]:
    """One stretch without spaces -> its words: marks come off both ends, then it is cut inside."""
    front: list[str] = []
    back: list[str] = []
    while part:
        whole = _special(part)
        if whole:
            return (*front, *whole, *reversed(back))
        before = _PREFIX.match(part)
        if before and len(before[0]) < len(part):
            front.append(before[0])
            part = part[before.end() :]
            continue
        after = _SUFFIX.search(part)
        if after and len(after[0]) < len(part):
            back.append(after[0])
            part = part[: after.start()]
            continue
        break
    inside, at = [], 0
    for mark in _INFIX.finditer(part):
        inside += [part[at : mark.start()], mark[0]]
        at = mark.end()
    inside.append(part[at:])
    return (*front, *(piece for piece in inside if piece), *reversed(back))


def _special(part: str) -> tuple[str, ...] | None:
    """What is known as a whole: short forms, and contractions in their parts."""
    if part in _WHOLE:
        return (part,)
    small = part.lower()
    if part not in (small, small.capitalize()) or small in _NOT_CONTRACTED:
        return None
    for contraction in _CONTRACTIONS:
        found = contraction.fullmatch(small)
        if found:
            return tuple(piece for piece in found.groups() if piece)
    return None


def spacy_words() -> Words:
    """The tokeniser of an installed spaCy, as the authors used it.

    Raises:
        TextError: there is no spaCy here.
    """
    try:
        import spacy
    except ImportError as error:
        raise TextError("spaCy isn't installed: pip install spacy, or leave it to `words`") from error
    tokenizer = spacy.blank("en").tokenizer
    return lambda sentence: [token.text.lower() for token in tokenizer(sentence)]


# Numbers


@dataclass(frozen=True)
class Vocabulary:
    """The words a network knows; a word's number is its place."""

    tokens: tuple[str, ...]
    numbers: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "numbers", {token: number for number, token in enumerate(self.tokens)})

    @classmethod
    def of(cls, captions: Iterable[str], split: Words = words, *, min_count: int = 1) -> Vocabulary:
        """The vocabulary of these captions: the specials, then by falling count, ties by alphabet."""
        counts = Counter(word for caption in captions for word in split(caption))
        known = sorted((word for word, count in counts.items() if count >= min_count))
        return cls((*SPECIALS, *sorted(known, key=lambda word: -counts[word])))

    def encode(self, sentence: str, split: Words = words, *, max_words: int | None = None) -> list[int]:
        """Start, the words' numbers, end."""
        return [START, *(self.numbers.get(word, UNKNOWN) for word in split(sentence)[:max_words]), END]

    def decode(self, numbers: Sequence[int]) -> str:
        """A sentence: words up to the end sign, joined by spaces, the first letter a capital."""
        said = []
        for number in numbers:
            if number == END:
                break
            if number not in (START, PAD):
                said.append(self.tokens[number])
        return capitalised(" ".join(said))

    def __len__(self) -> int:
        return len(self.tokens)


def capitalised(sentence: str) -> str:
    """With a capital first letter, the rest as it is."""
    return sentence[:1].upper() + sentence[1:]


def glove(path: Path, tokens: Sequence[str]) -> tuple[np.ndarray, int]:
    """Word vectors from a GloVe text file, `word number number …` a line.

    Args:
        path: the file, as it is distributed; read line by line, since it's gigabytes.
        tokens: the vocabulary.

    Returns:
        float32 (V, d), and how many of the words the file knows. The others, specials among them, stand at
        zero, as in the published networks.

    Raises:
        TextError: no such file, a line that isn't a vector, or none of the words in it.
    """
    wanted = {token: number for number, token in enumerate(tokens)}
    vectors: dict[int, np.ndarray] = {}
    width: int | None = None
    try:
        file = path.open(encoding="utf-8", errors="replace", newline="\n")
    except OSError as error:
        raise TextError(f"{path}: can't read word vectors: {error}") from error
    with file:
        for at, line in enumerate(file, 1):
            fields = line.rstrip().split(" ")
            if width is None:
                width = len(fields) - 1
            number = wanted.get(" ".join(fields[:-width])) if width else None
            if number is None:
                continue
            try:
                vectors[number] = np.array(fields[-width:], np.float32)
            except ValueError as error:
                raise TextError(f"{path}: line {at} isn't a word and its numbers") from error
    if not vectors or not width:
        raise TextError(f"{path}: none of the {len(tokens)} words has a vector here")
    table = np.zeros((len(tokens), width), np.float32)
    for number, vector in vectors.items():
        table[number] = vector
    return table, len(vectors)
