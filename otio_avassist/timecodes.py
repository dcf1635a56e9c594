"""Seconds <-> frames and timecode. Numbers only: knows neither timelines nor media.

OpenTimelineIO's own timecode functions refuse 23.976, print drop frame where nobody asked, cut fractions off
and fail below zero, hence this file.
"""

from __future__ import annotations

import math
import re
from fractions import Fraction
from functools import lru_cache

from otio_avassist.errors import UsageError

_NTSC = Fraction(1000, 1001)
_SPELLING = 0.006
"""23.976, 23.98 and 23.976024627685547 all mean 24000/1001."""


@lru_cache(maxsize=256)
def exact_rate(rate: float) -> Fraction:
    """The frame rate that editors mean by a rounded number.

    Raises:
        ValueError: the rate is 0, negative or no number.
    """
    if not math.isfinite(rate) or rate <= 0:
        raise ValueError(f"a rate of {rate:g} frames per second")
    nominal = round(rate / float(_NTSC))
    # Sample rates and rates like 12.5 are what they say.
    if nominal in (24, 30, 48, 60, 120) and abs(rate - nominal * float(_NTSC)) < _SPELLING:
        return nominal * _NTSC
    return Fraction(rate).limit_denominator(100_000)


def whole_frames(seconds: float, rate: float) -> int:
    """The nearest whole number of frames; halves go away from zero, so that signs don't matter."""
    frames = seconds * float(exact_rate(rate))
    return int(math.copysign(math.floor(abs(frames) + 0.5), frames))


def nearest(number: Fraction) -> int:
    """The nearest whole number, exactly; halves go away from zero."""
    whole = math.floor(abs(number) + Fraction(1, 2))
    return whole if number >= 0 else -whole


def timecode(seconds: float, rate: float, start_timecode_s: float = 0.0, *, drop: bool | None = None) -> str:
    """HH:MM:SS:FF of a moment, HH:MM:SS;FF in drop frame; HH:MM:SS.mmm where the rate has no timecode.

    Args:
        seconds: 0-based; negative ones are written with a minus.
        rate: frames per second.
        start_timecode_s: what the first frame is called, in true seconds.
        drop: count in drop frame; None: at 29.97 and 59.94, as most editors do.
    """
    total_s = seconds + start_timecode_s
    if not math.isfinite(rate) or not 1 <= rate <= 240:
        return clock(total_s)
    exact = exact_rate(rate)
    number = whole_frames(total_s, rate)
    nominal = math.ceil(exact)
    can_drop = exact in (30 * _NTSC, 60 * _NTSC)
    dropped = can_drop if drop is None else drop and can_drop
    minutes_s, frames = divmod(_labelled(abs(number), nominal) if dropped else abs(number), nominal)
    sign = "-" if number < 0 else ""
    return f"{sign}{_clock(minutes_s)}{';' if dropped else ':'}{frames:02d}"


def clock(seconds: float) -> str:
    """HH:MM:SS.mmm."""
    thousandths = whole_frames(abs(seconds), 1000)
    sign = "-" if seconds < 0 and thousandths else ""
    return f"{sign}{_clock(thousandths // 1000)}.{thousandths % 1000:03d}"


def _clock(whole_s: int) -> str:
    return f"{whole_s // 3600:02d}:{whole_s // 60 % 60:02d}:{whole_s % 60:02d}"


def frame_number(label: str, rate: float, *, drop: bool = False) -> int:
    """HH:MM:SS:FF -> how many frames after 00:00:00:00 it stands; whatever parts the frames from the seconds.

    Labels that drop frame leaves out stand for the frame that follows.

    Raises:
        ValueError: that is no label of this rate.
    """
    found = re.fullmatch(r"(-?)(\d+):(\d{1,2}):(\d{1,2})[:;.,](\d{1,3})", label.strip())
    nominal = math.ceil(exact_rate(rate))
    if not found:
        raise ValueError(f"wanted a timecode such as 01:00:00:00, there is {label!r}")
    hours, minutes, whole_s, frames = (int(part) for part in found.groups()[1:])
    if minutes > 59 or whole_s > 59 or frames >= nominal:
        raise ValueError(f"{label} is no timecode at {rate:g} frames per second")
    number = ((hours * 60 + minutes) * 60 + whole_s) * nominal + frames
    if drop and counts_in_drop_frame(rate):
        skipped = nominal // 15
        if whole_s == 0 and minutes % 10 and frames < skipped:
            number += skipped - frames
        number -= skipped * (hours * 54 + minutes - minutes // 10)
    return -number if found[1] else number


def moments(text: str, rate: float, start_timecode_s: float = 0.0) -> tuple[float, float]:
    """START-END -> two moments of a timeline, in seconds from its first frame.

    Args:
        text: each of the two in seconds from the first frame, or HH:MM:SS:FF as the timeline shows it.

    Raises:
        UsageError: it is neither, or the end doesn't come after the start.
    """
    ends = []
    for part in text.split("-"):
        try:
            if ":" not in part:
                ends.append(float(part))
                continue
            drop = ";" in part
            ends.append(frame_number(part, rate, drop=drop) / float(exact_rate(rate)) - start_timecode_s)
        except ValueError as error:
            raise UsageError(f"{text}: wanted START-END: {error}") from error
    if len(ends) != 2 or not ends[0] < ends[1]:
        raise UsageError(f"{text}: wanted START-END, in seconds or as timecode, the end after the start")
    return ends[0], ends[1]


def counts_in_drop_frame(rate: float) -> bool:
    """Whether there is such a thing at this rate: 29.97 and 59.94."""
    return exact_rate(rate) in (30 * _NTSC, 60 * _NTSC)


def starts_in_drop_frame(number: int, rate: float) -> bool:
    """Whether a timeline whose first frame has this number is likelier to be counted in drop frame.

    Timelines start on whole minutes: 107892 is 01:00:00;00 in drop frame, and 108000 is 01:00:00:00 out of
    it. Where both read round or neither does, editors' own choice at these rates stands: drop frame.
    """
    if not counts_in_drop_frame(rate):
        return False
    round_number = number % (60 * math.ceil(exact_rate(rate))) == 0
    label = timecode(number / float(exact_rate(rate)), rate, drop=True)
    return label.endswith(":00;00") or not round_number


def _labelled(number: int, nominal: int) -> int:
    """Frame count -> the number its drop-frame label spells: each minute but the tenth skips its first.

    SMPTE ST 12-1: two labels at 30, four at 60 frames per second.
    """
    skipped = nominal // 15
    ten_minutes = nominal * 600 - 9 * skipped
    tens, rest = divmod(number, ten_minutes)
    minutes = max(0, (rest - skipped) // (nominal * 60 - skipped))
    return number + skipped * (9 * tens + minutes)
