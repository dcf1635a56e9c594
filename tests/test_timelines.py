"""Every shared timeline is read whole; each clip that is left out has a reason; nothing of it is changed."""

from __future__ import annotations

import json
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import opentimelineio as otio
import pytest

from otio_avassist import spans
from otio_avassist.urls import Found
from otio_avassist.windows import MediaInfo, SoundStream
from tests.conftest import shared_folder


def entries() -> list[dict[str, Any]]:
    folder = shared_folder()
    manifest = folder / "timelines" / "manifest.json" if folder else None
    return json.loads(manifest.read_text(encoding="utf-8")) if manifest and manifest.is_file() else []


@pytest.fixture(params=entries(), ids=lambda entry: entry["file"])
def entry(request: pytest.FixtureRequest, shared: Path) -> dict[str, Any]:
    return request.param


@pytest.fixture
def root(entry: dict[str, Any], shared: Path) -> otio.core.SerializableObject:
    """The timeline as OpenTimelineIO reads it; skips what it can't."""
    if isinstance(refused := entry.get("read_with_otio_0_18_1"), str):
        pytest.skip(f"OpenTimelineIO refuses it: {refused}")
    suffix = Path(entry["file"]).suffix.lstrip(".").lower()
    if suffix not in {"json", *otio.adapters.suffixes_with_defined_adapters(read=True)}:
        pytest.skip(f"no adapter that reads .{suffix} is installed")
    return timeline_at(shared / "timelines" / entry["file"])


@cache
def timeline_at(path: Path) -> otio.core.SerializableObject:
    # Reading is most of the time of these tests, and that nobody changes what was read is what they hold.
    return otio.adapters.read_from_file(str(path), "otio_json" if path.suffix == ".json" else None)


class Everywhere(spans.Locator):
    """Finds every file."""

    def locate(self, url: str) -> Found:
        return Found(Path("/media") / url.replace("\\", "/").rsplit("/", 1)[-1])


def probe(path: Path, **sequence: object) -> MediaInfo:
    """A stand-in: every file is a film of unknown length, but what sounds like a sound file."""
    picture = path.suffix.lower() not in (".wav", ".aif", ".mp3", ".flac")
    fps = Fraction(24) if picture else None
    return MediaInfo(path, None, fps, 64, 36, False, (SoundStream(0, 48000, 2, 0.0, None),), None, None)


def clips_of(root: otio.core.SerializableObject) -> list[otio.schema.Clip]:
    return [root] if isinstance(root, otio.schema.Clip) else list(root.find_clips())


@pytest.fixture(params=[spans.Locator(), Everywhere()], ids=["media missing", "media found"])
def found(request: pytest.FixtureRequest, root: otio.core.SerializableObject) -> spans.Spans:
    return spans.read_spans(root, request.param, probe)


def shown(found: spans.Spans) -> list[spans.MediaSpan]:
    return [span for shot in found.shots for span in (shot.picture, shot.sound) if span is not None]


def test_each_clip_is_in_a_shot_or_skipped_once_and_never_both(
    root: otio.core.SerializableObject, found: spans.Spans
) -> None:
    paths = {span.address.path for span in shown(found)}
    assert len(paths) + len(found.skipped) == len(clips_of(root))
    looked_at = [spans.resolve(root, path) for path in paths]
    assert all(isinstance(clip, otio.schema.Clip) for clip in looked_at)


def test_the_clips_are_those_that_the_manifest_counted(
    entry: dict[str, Any], root: otio.core.SerializableObject
) -> None:
    counted = entry.get("read_with_otio_0_18_1") or {}
    if "clips" not in counted:
        pytest.skip("the manifest doesn't say how many clips there are")
    assert len(clips_of(root)) == counted["clips"]


def test_reasons_are_words_of_one_line(found: spans.Spans) -> None:
    reasons = [skipped.reason for skipped in found.skipped]
    reasons += [shot.why_alone for shot in found.shots if shot.paired_by == "alone"]
    assert all(len(reason.split()) > 1 and "\n" not in reason for reason in reasons)


def test_shots_are_stretches_that_can_be_read(found: spans.Spans) -> None:
    for span in shown(found):
        assert span.start_s >= 0
        assert span.duration_s > 0
        assert span.rate > 0
    for shot in found.shots:
        if shot.picture is not None and shot.sound is not None:
            assert shot.picture.record_start_s == pytest.approx(shot.sound.record_start_s)
            assert shot.picture.duration_s == pytest.approx(shot.sound.duration_s)


def test_a_sound_clip_is_in_one_shot_only(found: spans.Spans) -> None:
    sounds = [shot.sound.address.path for shot in found.shots if shot.sound is not None]
    assert len(sounds) == len(set(sounds))


def test_missing_media_is_listed_whole(root: otio.core.SerializableObject) -> None:
    missing = spans.read_spans(root, spans.Locator(), probe).skipped
    everywhere = spans.read_spans(root, Everywhere(), probe).skipped
    listed = [skipped for skipped in missing if "not found" in skipped.reason]
    # What is no reason once the media is there was the media's absence.
    assert len(listed) == len(missing) - len(everywhere)
    assert all(skipped.media in skipped.reason for skipped in listed)


def test_the_report_can_name_every_moment(found: spans.Spans) -> None:
    for shot in found.shots:
        label = spans.timecode(shot.lead.record_start_s, found.rate, found.start_timecode_s)
        assert label.count(":") + label.count(";") == 3


def test_reading_leaves_the_timeline_as_opentimelineio_would_write_it(
    entry: dict[str, Any], root: otio.core.SerializableObject, shared: Path
) -> None:
    spans.read_spans(root, Everywhere(), probe)
    fresh = timeline_at.__wrapped__(shared / "timelines" / entry["file"])
    assert otio.adapters.write_to_string(root, "otio_json") == otio.adapters.write_to_string(
        fresh, "otio_json"
    )
