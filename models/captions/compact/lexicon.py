"""What the classes of AudioSet and ImageNet are called, from the specific to the general.

In: `heard.txt` and `seen.txt` beside this file, and the names of YAMNet's classes. Out: things with words,
what each falls back to when one is less sure ("a dog barks", "an animal calls", "something sounds"),
and which
classes speak for it. Classes that belong to nothing are deliberately never spoken of.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

HEARD_CLASSES, SEEN_CLASSES = 521, 1000


@dataclass(frozen=True)
class Heard:
    """A thing that sounds."""

    key: str
    parent: str
    """Key of what it is called by who is less sure; empty at the root."""
    subject: str
    verb: str
    noun: str
    """The sound itself."""
    classes: tuple[str, ...]

    @property
    def clause(self) -> str:
        """Who does what."""
        return f"{self.subject} {self.verb}"


@dataclass(frozen=True)
class Seen:
    """A thing or a place that is seen."""

    key: str
    parent: str
    noun: str
    place: str
    """Where one is who is there; empty for a thing."""
    classes: tuple[int, ...]


def _rows(name: str) -> Iterator[list[str]]:
    for line in (Path(__file__).parent / name).read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            yield [part.strip() for part in line.split("|")]


@lru_cache
def heard() -> dict[str, Heard]:
    """All things that sound by key, the general before the specific is not promised."""
    return {
        row[0]: Heard(*row[:5], tuple(name.strip() for name in row[5].split(";") if name.strip()))
        for row in _rows("heard.txt")
        if row[0] != "silent"
    }


@lru_cache
def silent() -> tuple[str, ...]:
    """AudioSet's classes that are never spoken of."""
    (row,) = (row for row in _rows("heard.txt") if row[0] == "silent")
    return tuple(name.strip() for name in row[5].split(";"))


@lru_cache
def seen() -> dict[str, Seen]:
    """All things that are seen by key."""
    return {row[0]: Seen(*row[:4], _numbers(row[4])) for row in _rows("seen.txt")}


def _numbers(ranges: str) -> tuple[int, ...]:
    found: list[int] = []
    for part in ranges.split():
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return tuple(dict.fromkeys(found))


def ancestors(key: str, things: dict[str, Heard] | dict[str, Seen]) -> list[str]:
    """The key, what it falls back to, and so on to the root."""
    line = [key]
    while things[line[-1]].parent:
        line.append(things[line[-1]].parent)
    return line


LINKS = {
    "drums": ("drum", "drumstick"), "snare": ("drum",), "hand drum": ("drum",), "percussion": ("drum",),
    "cat": ("cat",), "purr": ("cat",), "howl": ("dog", "wolf"), "growl": ("dog",), "whine": ("dog",),
    "rooster": ("chicken",), "roar": ("lion",), "hooves": ("horse",), "xylophone": ("marimba",),
    "gunshot": ("gun",), "sea": ("sea",), "stream": ("lake", "landscape"), "waterfall": ("valley", "cliff",
    "landscape"),
    "engine": ("car", "truck", "motorcycle", "machine"), "traffic": ("car", "street", "bus"),
    "race car": ("car",), "siren": ("ambulance", "truck"), "horn": ("car", "bus"), "tyres": ("car",),
    "speech": ("microphone", "stage", "suit", "person"), "singing": ("microphone", "stage"),
    "music": ("stage", "microphone", "loudspeaker", "instrument"), "baby cry": ("crib", "baby"),
    "ball": ("ball", "tennis", "gym"), "fire": ("torch",), "clock": ("clock",), "typing": ("keyboard",),
    "telephone": ("telephone",), "splash": ("swimming", "sea", "lake"), "boat": ("boat", "ship"),
    "double bass": ("cello", "violin"), "strings": ("violin", "cello"), "woodwind": ("instrument", "flute"),
    "applause": ("stage",), "cheering": ("stage", "ball"), "bird": ("bird",), "train horn": ("train",),
    "church bell": ("church",), "toilet": ("bathroom",), "frying": ("pot", "kitchen"),
}  # fmt: skip
"""What is likely to be seen where something is heard, beside what goes by the same words."""


@lru_cache
def links(key: str) -> tuple[str, ...]:
    """Keys of what is seen where this sounds, likeliest first."""
    subject = heard()[key].subject
    same = [each.key for each in seen().values() if each.noun == subject]
    return (*same, *(each for each in LINKS.get(key, ()) if each in seen() and each not in same))


def same_thing(heard_key: str, seen_key: str) -> bool:
    """Whether both are one thing: the dog that barks is the dog that is seen."""
    sounding, looking = heard()[heard_key], seen()[seen_key]
    return sounding.subject == looking.noun or (
        heard_key in ("drums", "snare", "xylophone", "race car", "rooster")
        and seen_key in LINKS.get(heard_key, ())
    )


def heard_keys() -> list[str]:
    """Keys that classes speak for, in the order of the network's features."""
    return [each.key for each in heard().values() if each.classes]


def seen_keys() -> list[str]:
    """The same for what is seen."""
    return [each.key for each in seen().values() if each.classes]


def heard_groups(class_names: Sequence[str]) -> np.ndarray:
    """Which group each class of YAMNet belongs to: that of its key, or one of its own if it is silent.

    Shape: (521,) int64, from 0 to the number of keys and silent classes.

    Raises:
        ValueError: a class that has no words, or words for a class that isn't there.
    """
    place = {name: row for row, key in enumerate(heard_keys()) for name in heard()[key].classes}
    place.update({name: len(heard_keys()) + row for row, name in enumerate(silent())})
    # "Hiss" and the like: AudioSet has few names twice, and they mean the same.
    if set(place) != set(class_names):
        raise ValueError(
            f"classes without words or words without a class: {sorted(set(place) ^ set(class_names))}"
        )
    return np.array([place[name] for name in class_names])


def seen_groups() -> np.ndarray:
    """Which group each class of ImageNet belongs to; the last one holds all that is never spoken of.

    Shape: (1000,) int64.
    """
    place = np.full(SEEN_CLASSES, len(seen_keys()))
    for row, key in enumerate(seen_keys()):
        place[list(seen()[key].classes)] = row
    return place
