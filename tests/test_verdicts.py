"""Verdicts and words about offsets, against the recommendations' own numbers."""

from __future__ import annotations

import pytest

from otio_avassist import verdicts


@pytest.mark.parametrize(
    ("early_s", "words"),
    [
        (0.0, "within EBU R37"),
        (0.040, "within EBU R37"),
        (0.042, "yet beyond EBU R37"),
        (0.045, "yet beyond EBU R37"),
        (0.046, "noticeable but acceptable"),
        (0.090, "noticeable but acceptable"),
        (0.091, "beyond acceptability"),
        (-0.060, "within EBU R37"),
        (-0.061, "yet beyond EBU R37"),
        (-0.125, "yet beyond EBU R37"),
        (-0.126, "noticeable but acceptable"),
        (-0.185, "noticeable but acceptable"),
        (-0.186, "beyond acceptability"),
    ],
)
def test_verdicts_follow_the_recommendations_thresholds(early_s: float, words: str) -> None:
    said = verdicts.verdict(early_s)
    assert words in said
    assert "ITU-R BT.1359-1" in said


@pytest.mark.parametrize(
    ("early_s", "rate", "words"),
    [
        (0.384, 25, "sound early by 9.6 frames (384 ms)"),
        (-0.384, 25, "sound late by 9.6 frames (384 ms)"),
        (0.1001, 24000 / 1001, "sound early by 2.4 frames (100 ms)"),
        (0.0, 25, "sound in step with its picture"),
        (-0.0004, 25, "sound in step with its picture"),
    ],
)
def test_offsets_are_told_in_frames_and_milliseconds(early_s: float, rate: float, words: str) -> None:
    assert verdicts.offset_words(early_s, rate) == words
