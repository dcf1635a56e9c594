"""The whole road with the captions bundle that ships, and the networks that it hears and sees through."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from otio_avassist import files, pipeline
from otio_avassist.errors import BundleError
from otio_avassist.findings import CaptionFinding

RATE = 16_000
ALARM_S = (6.0, 9.0)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Twelve seconds of faint noise; in the middle an alarm beeps."""
    draw = np.random.default_rng(0)
    seconds = np.arange(12 * RATE) / RATE
    samples = 0.001 * draw.normal(size=len(seconds))
    on = (seconds >= ALARM_S[0]) & (seconds < ALARM_S[1]) & (seconds % 0.5 < 0.25)
    samples += 0.3 * on * np.sign(np.sin(2 * np.pi * 2000 * seconds))
    with wave.open(str(tmp_path / "room.wav"), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return tmp_path / "room.wav"


def test_what_beeps_is_said_when_it_beeps_and_nothing_of_the_rest(fetched, recording: Path) -> None:
    fetched("yamnet", "efficientnet-lite0")
    done = pipeline.assist(files.read(str(recording)), pipeline.Settings(tasks=("captions",)))
    found = [line.finding for line in done.report.findings]
    (each,) = found
    assert isinstance(each, CaptionFinding)
    assert (each.level, each.carried_by) == ("event", "heard")
    assert each.start_s == pytest.approx(ALARM_S[0], abs=0.25)
    assert each.end_s == pytest.approx(ALARM_S[1], abs=0.5)
    assert any(word in each.text for word in ("alarm", "beep", "telephone"))
    (marker,) = done.timeline.tracks.markers
    assert marker.comment.startswith(each.text)
    assert marker.marked_range.start_time.to_seconds() == pytest.approx(each.start_s, abs=0.05)


def test_without_what_it_hears_and_sees_through_it_says_what_to_fetch(recording: Path) -> None:
    with pytest.raises(BundleError, match=r"yamnet: .* MB to download; licence: .*\n.*efficientnet-lite0: "):
        pipeline.assist(files.read(str(recording)), pipeline.Settings(tasks=("captions",)))
