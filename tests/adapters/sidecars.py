"""What the tests of the three marker formats share: timelines with markers, drawn at random or by hand."""

from __future__ import annotations

import math
import unicodedata
from fractions import Fraction

import opentimelineio as otio
from hypothesis import strategies as st
from opentimelineio.opentime import RationalTime, TimeRange

NTSC = Fraction(1000, 1001)
RATES = {
    **{rate: Fraction(str(rate)) for rate in (12.5, 15.0, 24.0, 25.0, 30.0, 48.0, 50.0, 60.0, 100.0, 120.0)},
    **dict.fromkeys((23.976, 23.98, 24000 / 1001), 24 * NTSC),
    **dict.fromkeys((29.97, 30000 / 1001), 30 * NTSC),
    **dict.fromkeys((47.952, 48000 / 1001), 48 * NTSC),
    **dict.fromkeys((59.94, 60000 / 1001), 60 * NTSC),
    **dict.fromkeys((119.88, 120000 / 1001), 120 * NTSC),
}
"""As editors spell them -> what they are."""
COLORS = ("PINK", "RED", "ORANGE", "YELLOW", "GREEN", "CYAN", "BLUE", "PURPLE", "MAGENTA", "BLACK", "WHITE")
SIGNS = st.characters(exclude_categories=("Cc", "Cs", "Cn", "Zl", "Zp", "Co"))
WORDS = st.text(SIGNS, max_size=30).map(lambda text: " ".join(text.split()))
SENTENCES = st.lists(WORDS.filter(bool), min_size=1, max_size=3).map("\n".join)


@st.composite
def markers(draw, rate: float):
    """A few markers of a timeline at this rate, in the order of time, no two alike in time."""
    starts = draw(st.lists(st.integers(0, 24 * 3600 * 24), max_size=6, unique=True).map(sorted))
    return [
        otio.schema.Marker(
            name=draw(WORDS),
            marked_range=TimeRange(RationalTime(start, rate), RationalTime(draw(st.integers(1, 5000)), rate)),
            color=draw(st.sampled_from(COLORS)),
            comment=draw(SENTENCES),
        )
        for start in starts
    ]


@st.composite
def timelines(draw, rates=None):
    """A timeline without clips that has markers and starts at some hour."""
    rate = draw(st.sampled_from(rates or sorted(RATES)))
    cut = otio.schema.Timeline(draw(WORDS))
    hour = draw(st.integers(0, 20)) * 3600 * math.ceil(RATES[rate])
    cut.global_start_time = RationalTime(hour, rate)
    cut.tracks.markers.extend(draw(markers(rate)))
    return cut


def facts(cut) -> list[tuple]:
    """What a marker is: frames, rate, name, comment, colour."""
    return [
        (
            each.marked_range.start_time.value,
            each.marked_range.duration.value,
            each.marked_range.start_time.rate,
            each.name,
            each.comment,
            each.color,
        )
        for each in cut.tracks.markers
    ]


def marked(*texts: str, rate: float = 25, start: int | None = None) -> otio.schema.Timeline:
    """A timeline with a marker a second, each of half a second."""
    cut = otio.schema.Timeline("cut")
    if start is not None:
        cut.global_start_time = RationalTime(start, rate)
    for number, text in enumerate(texts):
        span = TimeRange(RationalTime(number * rate, rate), RationalTime(rate // 2, rate))
        cut.tracks.markers.append(otio.schema.Marker(name="short", marked_range=span, comment=text))
    return cut


def printable(text: str) -> bool:
    return all(unicodedata.category(sign) not in ("Cc", "Cs") for sign in text.replace("\n", ""))
