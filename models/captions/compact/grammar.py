"""Scenes whose content is known -> sentences, and the vocabulary of all that can be said.

In: who is heard when, and what is seen. Out: a sentence, drawn among those that say the same. What is named
at which level (a dog, an animal, something) is the caller's choice. Words are separated by blanks; nothing is
capitalised and there are no commas, so that a sentence is its tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from models.captions.compact import lexicon

SPECIALS = ("<unknown>", "<pad>", "<s>", "</s>")
"""Tokens 0 to 3, as the published vocabularies begin."""
TIMES = {2: "twice", 3: "three times"}
OFTEN = "again and again"
ONCE_AND_ALWAYS = frozenset(
    [
        "plays",
        "play",
        "runs",
        "passes",
        "is",
        "speaks",
        "sings",
        "murmurs",
        "blows",
        "flows",
        "rushes",
        "falls",
        "breaks",
        "crackles",
        "boils",
        "fries",
        "works",
        "walks",
        "types",
        "writes",
        "snores",
        "breathes",
        "eats",
        "rustle",
        "rolls",
        "flies",
        "babbles",
        "pours",
        "drips",
        "hisses",
        "sounds",
    ]
)
"""What isn't counted."""
NOBODY = ("something", "someone", "people", "audience", "crowd")
"""Whoever makes a sound that tells enough by itself."""
NOTHING = "nothing stands out"
JOINTS = (
    "and",
    "while",
    "and then",
    "and we see",
    "we see",
    "we hear",
    "in view of",
    "in the picture",
    "in view",
)
SMALL = ("a", "an", "the", "of", "is", "are", "it", "in", "on", "by", "we", "see", "hear", "and", "then",
"while", "to",
         "with", "something", "someone", "sound", "nothing", "stands", "out", "again", "twice", "three",
         "times",
         "view", "picture", "at", "there", "outdoors", "heard", "voice", "thing", "sounds")  # fmt: skip
"""Words that name nothing."""


@dataclass(frozen=True)
class Sounding:
    """Something that is heard in a scene."""

    key: str
    times: int = 1
    """How often it sets in; 0: it goes on all the time."""
    start_s: float = 0.0
    end_s: float = 1.0


@dataclass(frozen=True)
class Described:
    """What a sentence is to say, the most important first."""

    heard: tuple[Sounding, ...] = ()
    seen: tuple[str, ...] = ()


def sentence(scene: Described, rng: np.random.Generator | None = None) -> str:
    """One of the sentences that say this; without a generator the plainest."""
    heard, seen = list(scene.heard), list(scene.seen)
    things = lexicon.seen()
    shown = ""
    for each in heard[:1]:
        same = [key for key in seen if lexicon.same_thing(each.key, key)]
        if same:
            seen = [key for key in seen if key not in same]
            shown = " in view" if _one(rng, 0.5) else " in the picture"
    places = [key for key in seen if things[key].place]
    rest = [key for key in seen if key not in places[:1]]
    if not heard:
        if not seen:
            return NOTHING
        return "we see " + _list([things[key].noun for key in seen[:2]])
    text = _sounds(heard, rng, shown)
    if places and (not shown or _one(rng, 0.5)):
        text += f" {things[places[0]].place}"
    if rest:
        text += " and we see " + _list([things[key].noun for key in rest[: 1 if places else 2]])
    return text


def _one(rng: np.random.Generator | None, share: float) -> bool:
    return rng is None or bool(rng.random() < share)


def _list(nouns: Sequence[str]) -> str:
    return " and ".join(dict.fromkeys(nouns))


def _sounds(heard: Sequence[Sounding], rng: np.random.Generator | None, shown: str) -> str:
    first = heard[0]
    text = _clause(first, rng) + shown
    if len(heard) > 1:
        second = heard[1]
        later = second.start_s >= first.end_s - 0.2
        before = first.start_s >= second.end_s - 0.2
        if before and not shown:
            text = f"{_clause(second, rng)} and then {_clause(first, rng)}"
        elif later:
            text += f" and then {_clause(second, rng)}"
        else:
            text += f" while {_clause(second, rng)}" if _one(rng, 0.7) else f" and {_clause(second, rng)}"
    return text


def _clause(each: Sounding, rng: np.random.Generator | None) -> str:
    thing = lexicon.heard()[each.key]
    if rng is not None and rng.random() < 0.12 and thing.noun:
        return f"we hear {thing.noun}"
    times = TIMES.get(each.times, OFTEN if each.times > 3 else "")
    if thing.verb.split()[0] in ONCE_AND_ALWAYS:
        times = ""
    return f"{thing.clause} {times}".strip()


@lru_cache
def vocabulary() -> tuple[str, ...]:
    """Every word that a sentence can hold, behind the specials, in alphabetical order."""
    words = {*SMALL, *NOTHING.split(), *OFTEN.split()}
    for joint in (*JOINTS, *TIMES.values()):
        words.update(joint.split())
    for sounding in lexicon.heard().values():
        words.update(f"{sounding.clause} {sounding.noun}".split())
    for looking in lexicon.seen().values():
        words.update(f"{looking.noun} {looking.place}".split())
    return (*SPECIALS, *sorted(words))


@lru_cache
def _number() -> dict[str, int]:
    return {word: token for token, word in enumerate(vocabulary())}


def tokens(text: str) -> list[int]:
    """Its tokens, without start and end; raises KeyError for a word that isn't in the vocabulary."""
    return [_number()[word] for word in text.split()]


def names() -> tuple[int, ...]:
    """Tokens that name something: said wrongly, they are wrong. All words but the small ones and those of the
    most general things."""
    general = {
        word
        for each in lexicon.heard().values()
        if not each.parent or each.key in ("voice",)
        for word in f"{each.clause} {each.noun}".split()
    }
    small = {*SPECIALS, *SMALL, *general}
    return tuple(token for token, word in enumerate(vocabulary()) if word not in small)


def labels() -> dict[str, str]:
    """What is said -> what it is called in a list: "a dog barks" -> "dog barking", "a cat" -> "cat"."""
    found = {}
    for looking in lexicon.seen().values():
        found |= {text: _bare(looking.noun) for text in (looking.noun, looking.place) if text}
    for sounding in lexicon.heard().values():
        found[sounding.noun] = _bare(sounding.noun)
        found[sounding.clause] = _called(sounding)
    return found


def _called(sounding: lexicon.Heard) -> str:
    who, noun = _bare(sounding.subject), _bare(sounding.noun)
    tells = who not in NOBODY and " of " not in noun and who.split()[-1] not in noun
    # "the sea", "the wind": there is only one.
    return f"{who} {noun}" if tells and not sounding.noun.startswith("the ") else noun


def _bare(noun: str) -> str:
    """Without its article."""
    first, _, rest = noun.partition(" ")
    return rest if first in ("a", "an", "the") else noun
