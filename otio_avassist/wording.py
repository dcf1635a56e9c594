"""Words of a vocabulary as people write them: a sentence, a name for it, and what it says in all.

Words only: knows no network and no times.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Labels = Mapping[tuple[str, ...], str]
"""What pieces of a sentence are called in a list: ("a", "dog", "barks") -> "dog barking"."""
LIGHT = frozenset(
    (
        "a",
        "an",
        "the",
        "is",
        "are",
        "of",
        "to",
        "and",
        "then",
        "while",
        "as",
        "with",
        "in",
        "on",
        "at",
        "there",
    )
)
"""Words that tell nothing by themselves."""
_BREAKS = frozenset(("while", "as", "and", "when", "then", "where", ",", ".", ";", ":"))
_OPENINGS = (("we", "see"), ("we", "hear"), ("there", "is"), ("there", "are"))
"""What a short name can do without."""
_OPEN_ENDS = LIGHT | {"its", "his", "her", "their"}


def sentence(words: Sequence[str]) -> str:
    """As a sentence is written: "it", "'s", "here" -> "It's here."."""
    text = ""
    for word in words:
        close = not text or word[0] in ".,;:!?)%" or word.startswith("'") or word == "n't" or text[-1] in "(-"
        text += word if close and word != "-" else ("-" if word == "-" else f" {word}")
    text = text.strip(" ,;:-")
    if not text:
        return ""
    return text[0].upper() + text[1:] + ("" if text[-1] in ".!?" else ".")


def short_name(words: Sequence[str], labels: Labels | None = None, *, most: int = 5) -> str:
    """The same in a few words, for where an editor shows little.

    Args:
        words: of a sentence.
        labels: "dog barking, street". A sentence without any is named by its beginning, up to where another
            clause begins.
        most: words of such a beginning.
    """
    if labelled := _labelled(words, labels or {}):
        return ", ".join(labelled[:2])
    rest = list(words)
    if len(rest) > 2 and tuple(rest[:2]) in _OPENINGS:
        rest = rest[2:]
    found: list[str] = []
    for word in rest:
        if (word in _BREAKS and found) or len(found) >= most:
            break
        if word not in ("a", "an", "the") or found:
            found.append(word)
    while found and found[-1] in _OPEN_ENDS:
        found.pop()
    return sentence(found).rstrip(".").lower() or "something"


def _labelled(words: Sequence[str], labels: Labels) -> list[str]:
    """The labels of a sentence's pieces, in order, of two that overlap the longer one's."""
    lengths = sorted({len(piece) for piece in labels}, reverse=True)
    found: list[str] = []
    at = 0
    while at < len(words):
        pieces = (tuple(words[at : at + length]) for length in lengths if at + length <= len(words))
        piece = next((each for each in pieces if each in labels), None)
        label = labels[piece] if piece else ""
        # "drums play and we see a drum" is about drums.
        if label and not any(label in other or other in label for other in found):
            found.append(label)
        at += len(piece) if piece else 1
    return found


def beginning(text: str, most: int = 5) -> str:
    """The first words of what somebody said."""
    words = text.split()
    return " ".join(words[:most]).rstrip(".,;:") + (" …" if len(words) > most else "")


def content(words: Sequence[str]) -> frozenset[str]:
    """What a sentence says, whatever its order and its small words."""
    return frozenset(word for word in words if word not in LIGHT and word.isalnum())


def alike(one: frozenset[str], other: frozenset[str]) -> bool:
    """Whether two sentences say much the same: three in four of their words are the same."""
    return one == other or len(one & other) >= 0.75 * len(one | other) > 0
