"""An offset -> what broadcasters' recommendations say of it, in words. Numbers and words only.

ITU-R BT.1359-1 (1998) gives two pairs of thresholds, from tests with viewers: where an offset begins to be
noticed, and where it begins to annoy. EBU R37 (2007) says what a programme may have when it is handed over.
"""

from __future__ import annotations

DETECTABLE_S = (-0.125, 0.045)
"""ITU-R BT.1359-1: (sound late, sound early); between them nobody notices."""
ACCEPTABLE_S = (-0.185, 0.090)
"""ITU-R BT.1359-1: beyond them viewers object."""
R37_S = (-0.060, 0.040)
"""EBU R37."""


def verdict(audio_early_s: float) -> str:
    """What to think of an offset; `audio_early_s` > 0: the sound comes before its picture."""
    if not _within(audio_early_s, ACCEPTABLE_S):
        return "beyond acceptability (ITU-R BT.1359-1) and beyond EBU R37"
    if not _within(audio_early_s, DETECTABLE_S):
        return "noticeable but acceptable (ITU-R BT.1359-1), beyond EBU R37"
    if not _within(audio_early_s, R37_S):
        return "below what is noticed (ITU-R BT.1359-1), yet beyond EBU R37"
    return "below what is noticed (ITU-R BT.1359-1) and within EBU R37"


def offset_words(audio_early_s: float, rate: float) -> str:
    """'sound early by 9.6 frames (384 ms)'; `rate` in frames per second."""
    frames, ms = abs(audio_early_s) * rate, abs(audio_early_s) * 1000
    side = "early" if audio_early_s > 0 else "late"
    if round(ms) == 0:
        return "sound in step with its picture"
    return f"sound {side} by {frames:.1f} frames ({ms:.0f} ms)"


def _within(audio_early_s: float, bounds_s: tuple[float, float]) -> bool:
    late_s, early_s = bounds_s
    slack_s = 1e-9  # a threshold itself is still within, float noise or not
    return late_s - slack_s <= audio_early_s <= early_s + slack_s
