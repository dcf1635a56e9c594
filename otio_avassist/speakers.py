"""Stretches of media -> what the lips of those who speak in them say; looked at only as far as needed.

A glance at a few pictures of each place tells whether there are faces, and YAMNet whether somebody is heard
to speak there; only where both is so, they are followed through the place, the largest first. Knows no
timeline.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from otio_avassist import bundles, faces, features, lips, windows
from otio_avassist.errors import BundleError

if TYPE_CHECKING:
    from pathlib import Path

    from otio_avassist.bundles import Model

NEEDS = ("blazeface", "facemesh", "yamnet")
"""Bundles without which lips aren't looked at."""
RATE = features.SOUND_RATE
HEARD = features.Stream("yamnet", 0.48, 0.96, 521, output="logits")
SPEECH = 0
"""YAMNet's class of it."""
SPEAKS = 0.5
"""Its mean probability from which somebody speaks: at least 0.83 in 8 s of four people who do, and reached by
195 of 204 utterances of eSpeak NG; at most 0.46 (an owl) in 298 recordings of other things. Mouths that cry,
laugh or sing lead or follow their voice by other amounts, of which nothing is known.
"""
UNHEARD = "there is a face, but nobody is heard to speak"
MOST_GLANCES = 12
"""Places that are glanced at: more of a long recording would be seeking and decoding for nothing."""
GLANCES = (0.2, 0.5, 0.8)
"""Of a place's length: where it is glanced at."""
MOST_S = 60.0
"""No more than this is followed through."""

To = Callable[[float, float], windows.Stretch]
"""(start_s, end_s) of the picture's file -> what to read, of picture or sound."""
Place = tuple[float, float]
"""(start_s, end_s) of the picture's file."""


Keep = Callable[[str, Place, Callable[[], Any]], Any]
"""(what, place, make) -> what `make` makes, or made of that place before."""


def look(
    places: Sequence[Place],
    picture: To,
    sound: To,
    *,
    max_offset_s: float = 2.0,
    sure: float = 0.9,
    tick: Callable[[float], None] = lambda done_s: None,
    keep: Keep = lambda what, place, make: make(),
) -> lips.LipMatch | None:
    """Follow the faces of the places where there are some, until their lips are sure.

    Args:
        places: in order of time.
        picture, sound: what to read of them.
        max_offset_s: how far to look to either side.
        sure: a confidence that ends the search.
        tick: told the seconds followed so far.
        keep: is asked for how large faces are in a place ("faces") and for what lips say there ("lips").

    Returns:
        None where there are no faces.

    Raises:
        BundleError: the networks aren't on this machine; the message says how to get them.
        MediaError: as `windows.pictures`.
    """
    blazeface, facemesh, yamnet = networks()
    said: list[lips.Said] = []
    followed_s = 0.0
    match = None

    def listened(place: Place) -> lips.Said:
        samples = windows.read_sound(sound(*place), rate=RATE)
        if not speaks(yamnet, samples):
            return lips.nothing(max_offset_s, UNHEARD)
        follow = faces.Faces(blazeface, facemesh)
        for window in windows.pictures(picture(*place), fps=faces.FPS, side=faces.SIDE):
            if window.frames is not None:
                follow(window.frames)
                tick(followed_s + window.start_s)
        speech = lips.speech_energy(samples, rate=RATE)
        return lips.listen(follow.mouths, speech, max_offset_s=max_offset_s)

    for place in _with_faces(places, picture, blazeface, keep):
        said.append(keep("lips", place, partial(listened, place)))
        match = lips.conclude(said, max_offset_s=max_offset_s)
        if said[-1].why_not != UNHEARD:
            followed_s += place[1] - place[0]
        if match.confidence >= sure or followed_s >= MOST_S:
            break
    return match


def networks() -> tuple[Model, Model, Model]:
    """`NEEDS`, loaded once. On the CPU: they are so small that a GPU has to be waited for.

    Raises:
        BundleError: they aren't on this machine; the message says how to get them.
    """
    try:
        folders = [bundles.find(name) for name in NEEDS]
    except BundleError:
        raise BundleError(
            f"the networks for lips aren't here: python -m export fetch {' '.join(NEEDS)}"
        ) from None
    return _loaded(*folders)


@cache
def _loaded(*folders: Path) -> tuple[Model, Model, Model]:
    blazeface, facemesh, yamnet = (bundles.load(folder, device="cpu") for folder in folders)
    return blazeface, facemesh, yamnet


def speaks(yamnet: features.Ask, samples: np.ndarray) -> bool:
    """Whether most of a sound is of somebody who speaks. Shape: (N,) mono at `RATE`."""
    heard = features.Extraction(HEARD, yamnet)
    heard.see(samples)
    heard.end()
    logits = heard.rows.values[:, SPEECH].astype(np.float64)
    return bool(len(logits)) and float((1 / (1 + np.exp(-logits))).mean()) >= SPEAKS


def _with_faces(places: Sequence[Place], picture: To, blazeface: Model, keep: Keep) -> list[Place]:
    """Those that faces are seen in, the largest face first."""
    few = np.unique(np.linspace(0, len(places) - 1, min(MOST_GLANCES, len(places))).round().astype(int))
    found = [
        (keep("faces", places[each], partial(_largest, places[each], picture, blazeface)), places[each])
        for each in few
    ]
    return [place for largest, place in sorted(found, key=lambda each: -each[0]) if largest]


def _largest(place: Place, picture: To, blazeface: Model) -> float:
    """The side of the largest face that a few glances at a place show; 0 where there is none."""
    start_s, end_s = place
    largest = 0.0
    for share in GLANCES:
        at_s = start_s + share * (end_s - start_s)
        for window in windows.pictures(picture(at_s, at_s + 1 / faces.FPS), fps=faces.FPS, side=faces.SIDE):
            seen = faces.find(blazeface, window.frames) if window.frames is not None else []
            largest = max([largest, *(float(each.side) for one in seen for each in one)])
    return largest
