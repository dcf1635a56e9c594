"""The demo's media is measured here by PyAV and numpy alone: what it says of itself must be so."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import opentimelineio as otio
import pytest

from otio_avassist import demo
from otio_avassist.__main__ import main

SHORT_S = 4.0
FRAME_S = 1 / demo.FPS


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The demo with fewer and shorter takes: the ones that are measured."""
    measured = ("beacon.mp4", "interview.mp4", "court.mov", "fog.mp4", "anvil.mp4")
    takes = tuple(replace(take, used_s=SHORT_S) for take in demo.TAKES if take.media in measured)
    folder = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "TAKES", takes)
        demo.make_demo(folder, lambda words: None)
    return folder


@pytest.fixture(scope="module")
def timeline(folder):
    return otio.adapters.read_from_file(str(folder / "demo.otio"))


@pytest.fixture(scope="module")
def truth(folder):
    return json.loads((folder / "truth.json").read_text("utf-8"))


def pictures(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """(seconds, frames as grey levels)."""
    with av.open(str(path)) as file:
        decoded = [(frame.time, frame.to_ndarray(format="gray")) for frame in file.decode(video=0)]
    return np.array([time for time, _ in decoded]), np.stack([frame for _, frame in decoded])


def sound(path: Path) -> np.ndarray:
    """Mono samples at the demo's rate, placed by their time stamps."""
    samples = np.zeros(0, np.float32)
    with av.open(str(path)) as file:
        for frame in file.decode(audio=0):
            first = round(frame.time * demo.RATE)
            piece = frame.to_ndarray()[0]
            piece = piece / 32768 if piece.dtype == np.int16 else piece
            if first < 0:
                piece, first = piece[-first:], 0
            samples = np.concatenate([samples, np.zeros(max(0, first + len(piece) - len(samples)))])
            samples[first : first + len(piece)] = piece
    return samples


def onsets(loud: np.ndarray, times: np.ndarray) -> np.ndarray:
    return times[1:][loud[1:] & ~loud[:-1]]


def clips(timeline, track):
    return {clip.name: clip for clip in timeline.tracks[track] if isinstance(clip, otio.schema.Clip)}


def source_start_s(clip) -> float:
    """From the file's first frame."""
    return (clip.source_range.start_time - clip.available_range().start_time).to_seconds()


def test_the_lamp_beeps_as_much_before_it_flashes_as_the_truth_says(folder, truth):
    times, frames = pictures(folder / "media" / "beacon.mp4")
    brightness = frames.mean(axis=(1, 2))
    flashes = onsets(brightness > (brightness.min() + brightness.max()) / 2, times)
    beep = np.abs(sound(folder / "media" / "beacon.mp4"))
    loud = np.convolve(beep, np.ones(480) / 480, "same") > 0.08
    beeps = onsets(loud, np.arange(len(loud)) / demo.RATE)
    assert len(flashes) >= 3
    early_s = [flash - beeps[np.abs(beeps + truth["beacon.mp4"] - flash).argmin()] for flash in flashes[1:]]
    assert np.allclose(early_s, truth["beacon.mp4"], atol=FRAME_S + 0.01)


def test_the_recorder_is_as_early_on_the_timeline_as_the_truth_says(folder, timeline, truth):
    camera = sound(folder / "media" / "interview.mp4")
    recorder = sound(folder / "media" / "interview_recorder.wav")
    size = 1 << (len(camera) + len(recorder)).bit_length()
    both = np.fft.irfft(np.fft.rfft(recorder, size) * np.conj(np.fft.rfft(camera, size)), size)
    lead_s = int(both[: size // 2].argmax()) / demo.RATE  # what the camera hears at 0, the recorder has here
    picture = clips(timeline, 0)["interview.mp4"]
    heard = clips(timeline, 2)["interview_recorder.wav"]
    early_s = source_start_s(heard) - source_start_s(picture) - lead_s
    assert early_s == pytest.approx(truth["interview.mp4"], abs=0.005)


def test_the_clocks_of_camera_and_recorder_tell_the_truth(folder, timeline, truth):
    with av.open(str(folder / "media" / "court.mov")) as file:
        assert file.streams.video[0].metadata["timecode"] == "10:20:00:00"
        assert not file.streams.audio
    with av.open(str(folder / "media" / "court_recorder.wav")) as file:
        clock_s = int(file.metadata["time_reference"]) / demo.RATE
    lead_s = 10 * 3600 + 20 * 60 - clock_s
    picture = clips(timeline, 0)["court.mov"]
    heard = clips(timeline, 2)["court_recorder.wav"]
    early_s = source_start_s(heard) - source_start_s(picture) - lead_s
    assert early_s == pytest.approx(truth["court.mov"], abs=1e-6)


def test_nothing_moves_and_nothing_sounds_in_the_fog(folder, truth):
    _, frames = pictures(folder / "media" / "fog.mp4")
    assert np.abs(np.diff(frames[:, ::8, ::8].astype(float), axis=0)).mean() < 3  # grain alone
    assert np.abs(sound(folder / "media" / "fog.mp4")).max() < 0.001
    assert truth["fog.mp4"] is None


def test_the_timeline_starts_at_one_hour_and_plays_each_sound_under_its_picture(timeline, truth):
    assert timeline.global_start_time.to_timecode() == "01:00:00:00"
    heard = clips(timeline, 1) | clips(timeline, 2)
    by_group = {clip.metadata["Resolve_OTIO"]["Link Group ID"]: clip for clip in heard.values()}
    for name in truth:
        picture = clips(timeline, 0)[name]
        linked = by_group[picture.metadata["Resolve_OTIO"]["Link Group ID"]]
        assert linked.range_in_parent() == picture.range_in_parent()


def test_no_clip_reaches_past_its_media_and_only_one_file_is_missing(timeline):
    missing = []
    for clip in timeline.find_clips():
        if isinstance(clip.media_reference, otio.schema.ExternalReference):
            there, used = clip.available_range(), clip.source_range
            assert there.start_time <= used.start_time
            assert used.end_time_exclusive() <= there.end_time_exclusive()
            path = Path(clip.media_reference.target_url)
            missing += [] if path.is_file() else [path.name]
    assert missing == ["lost.mp4"]


def test_one_clip_has_too_little_media_before_it(timeline, truth):
    assert source_start_s(clips(timeline, 1)["anvil.mp4"]) < truth["anvil.mp4"]


@pytest.mark.parametrize(
    ("wrong", "score"),
    [
        pytest.param({}, "5 of 5 shots agree", id="all right"),
        pytest.param(
            {"anvil.mp4": 0.0, "fog.mp4": 0.4}, "3 of 5 .*; wrong: fog.mp4, anvil.mp4", id="two wrong"
        ),
        pytest.param({"anvil.mp4": None}, "4 of 5 .*; no answer: anvil.mp4", id="one unanswered"),
    ],
)
def test_the_report_is_held_to_the_truth(folder, truth, capsys, monkeypatch, wrong, score):
    found = [{"clip": clip, "audio_early_s": early_s} for clip, early_s in (truth | wrong).items()]
    (folder / "report.json").write_text(json.dumps({"findings": found}))
    monkeypatch.setattr(demo, "_otiotool", lambda timeline, what: False)
    assert demo.verify(folder / "demo.otio") == 0
    assert re.search(score, capsys.readouterr().out)


def test_otios_own_tools_find_no_fault(folder, capsys):
    (folder / "report.json").write_text(json.dumps({"findings": []}))
    assert demo.verify(folder / "demo.otio") == 0
    said = capsys.readouterr().out
    assert "otiotool" in said
    assert "lost.mp4" in said


def test_a_range_out_of_its_media_is_a_fault(folder, timeline, tmp_path):
    broken = timeline.deepcopy()
    clip = clips(broken, 0)["beacon.mp4"]
    clip.source_range = otio.opentime.TimeRange(clip.available_range().end_time_exclusive(), clip.duration())
    otio.adapters.write_to_file(broken, str(tmp_path / "broken.otio"))
    for name in ("truth.json", "report.json"):
        (tmp_path / name).write_text('{"findings": []}' if name == "report.json" else "{}")
    assert demo.verify(tmp_path / "broken.otio") == 1


def test_the_command_renders_mends_and_scores(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["avassist", "demo", str(tmp_path)])
    with pytest.raises(SystemExit) as end:
        main()
    assert not end.value.code
    made = {each.name for each in tmp_path.iterdir()}
    assert {"demo.otio", "mended.otio", "report.html", "report.json"} <= made
