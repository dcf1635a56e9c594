"""Is a take heard as what it is to be? YAMNet's five likeliest labels, for each of the bundle's sounds.

Which labels are right for a sound was written down before anything was made (`models.foley.compact.kinds`).
Beside the takes: those of the same graphs with weights that nobody has trained; the takes held against the
labels of other sounds; and real scenes, which show how far the ear itself is to be trusted.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bench.foley import takes, untrained
from bench.foley.ear import RATE, TOP, Ear, Heard
from models.foley.compact.kinds import KINDS
from otio_avassist import sounds

GOAL = 0.5
Labels = Mapping[str, Sequence[str]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    takes.add_arguments(parser)


def lacking(asked: argparse.Namespace) -> str:
    return takes.lacking(asked)


def measure(asked: argparse.Namespace) -> tuple[dict[str, Any], bool]:
    """(figures, whether enough takes are heard as what they are to be)."""
    bundle, ear = takes.folder(asked), Ear(asked.threads)
    labels = right_labels(ear)
    made = [take for take in takes.of(bundle, asked) if take.sound in labels]
    unjudged = {take.sound for take in takes.of(bundle, asked)} - set(labels)
    if unjudged:
        print(f"no labels are known for: {', '.join(sorted(unjudged))}")
    heard = [(take.sound, ear.hear(sounds.read(take.path, rate=RATE), RATE)) for take in made]
    copy = untrained.copy(bundle, takes.temporary() / "untrained bundle")
    nobody = [
        (take.sound, ear.hear(sounds.read(take.path, rate=RATE), RATE))
        for take in takes.of(copy, asked, "untrained")
        if take.sound in labels
    ]
    rows = {"takes": share(heard, labels), "untrained weights": share(nobody, labels)}
    rows["held against other sounds"] = wrong_share(heard, labels)
    if takes.recordings(asked) is not None:
        for row, apart in (("real, kept apart", True), ("real, learnt from", False)):
            scenes = takes.scenes(asked, list(labels), apart=apart)
            rows[row] = share(
                [(sound, ear.hear(each, 22_050)) for sound, all_ in scenes.items() for each in all_], labels
            )
    by_sound = {sound: _of_one(heard, sound, labels) for sound in dict(heard)}
    print(f"{'':28} heard as what it is, of {TOP}")
    for sound, (count, of, likeliest) in by_sound.items():
        print(f"{sound:28} {count:3} of {of:3}   likeliest: {', '.join(likeliest)}")
    print(f"\n{len(made)} takes of {len(by_sound)} sounds")
    for row, value in rows.items():
        print(f"{row:28} {value:4.0%}")
    figures = {
        "takes": len(made),
        "heard": {row: round(value, 3) for row, value in rows.items()},
        "sounds": {
            sound: {"heard": count, "takes": of, "likeliest": likeliest}
            for sound, (count, of, likeliest) in by_sound.items()
        },
    }
    reached = rows["takes"] >= GOAL
    print(f"at least {GOAL:.0%} of the takes are heard as what they are to be: {'yes' if reached else 'NO'}")
    return figures, reached


def right_labels(ear: Ear) -> Labels:
    """Labels that are right for a sound, those of them that the ear has."""
    found = {kind.name: [label for label in kind.heard if label in ear.names] for kind in KINDS}
    return {sound: labels for sound, labels in found.items() if labels}


def is_right(heard: Heard, labels: Sequence[str]) -> bool:
    return heard.rank(labels) <= TOP


def share(heard: Sequence[tuple[str, Heard]], labels: Labels) -> float:
    """How many are heard as what they are to be, 0 to 1."""
    return float(np.mean([is_right(each, labels[sound]) for sound, each in heard])) if heard else 0.0


def wrong_share(heard: Sequence[tuple[str, Heard]], labels: Labels) -> float:
    """How many are heard as another sound that shares no label with theirs: the mean over all others."""
    found = [
        is_right(each, others)
        for sound, each in heard
        for other, others in labels.items()
        if not set(others) & set(labels[sound])
    ]
    return float(np.mean(found)) if found else 0.0


def _of_one(heard: Sequence[tuple[str, Heard]], sound: str, labels: Labels) -> tuple[int, int, list[str]]:
    """(how many are heard as this, of how many, which labels are likeliest most often)"""
    own = [each for name, each in heard if name == sound]
    likeliest = Counter(label for each in own for label in each.labels[:TOP])
    return (
        sum(is_right(each, labels[sound]) for each in own),
        len(own),
        [label for label, _ in likeliest.most_common(3)],
    )
