"""spans: a timeline becomes shots in seconds, or words that say why not."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio
import pytest
from opentimelineio.opentime import RationalTime, TimeRange

from otio_avassist import places, spans
from otio_avassist.errors import MediaError, TimelineError
from otio_avassist.urls import Found
from otio_avassist.windows import MediaInfo, SoundStream

NTSC_24, NTSC_30, NTSC_60 = 24000 / 1001, 30000 / 1001, 60000 / 1001


# A timeline in a line or two


def span(start: float, frames: float, rate: float = 25.0) -> TimeRange:
    return TimeRange(RationalTime(start, rate), RationalTime(frames, rate))


def clip(
    url: str = "film.mov",
    start: float = 0,
    frames: float = 100,
    rate: float = 25.0,
    *,
    available: TimeRange | None = None,
    link: int | None = None,
    name: str = "",
    **metadata: object,
) -> otio.schema.Clip:
    resolve = ({"Link Group ID": link} if link is not None else {}) | metadata
    return otio.schema.Clip(
        name=name or url,
        source_range=span(start, frames, rate),
        media_reference=otio.schema.ExternalReference(target_url=url, available_range=available),
        metadata={"Resolve_OTIO": resolve},
    )


def gap(frames: float, rate: float = 25.0) -> otio.schema.Gap:
    return otio.schema.Gap(source_range=span(0, frames, rate))


def track(kind: str, *items: otio.core.Composable, name: str = "") -> otio.schema.Track:
    return otio.schema.Track(name=name, kind=kind, children=list(items))


def timeline(*tracks: otio.schema.Track, start: RationalTime | None = None) -> otio.schema.Timeline:
    made = otio.schema.Timeline("edit", global_start_time=start)
    made.tracks.extend(tracks)
    return made


# Media that nobody has to make


class Everywhere(spans.Locator):
    """Finds every file."""

    def locate(self, url: str) -> Found:
        return Found(Path("/media") / url.replace("\\", "/").rsplit("/", 1)[-1])


def media(
    path: Path,
    *,
    duration_s: float | None = 60.0,
    picture: bool = True,
    sounds: int = 1,
    still: bool = False,
    timecode_s: float | None = None,
) -> MediaInfo:
    streams = tuple(SoundStream(index, 48000, 2, 0.0, duration_s) for index in range(sounds))
    fps = Fraction(25) if picture else None
    return MediaInfo(path, duration_s, fps, 640, 360, still, streams, None, timecode_s)


def probe(path: Path, **sequence: object) -> MediaInfo:
    """By name: .wav has no picture, `mute` has no sound."""
    picture = path.suffix != ".wav"
    return media(path, picture=picture, sounds=0 if "mute" in path.name else 1)


def read(root: otio.core.SerializableObject, look: Callable[..., MediaInfo] = probe) -> spans.Spans:
    return spans.read_spans(root, Everywhere(), look)


def only_span(made: otio.schema.Clip, look: Callable[..., MediaInfo] = probe) -> spans.MediaSpan:
    (shot,) = read(timeline(track("Video", made)), look).shots
    assert shot.picture is not None
    return shot.picture


def only_reason(made: otio.schema.Clip, kind: str = "Video", look: Callable[..., MediaInfo] = probe) -> str:
    found = read(timeline(track(kind, made)), look)
    (skipped,) = found.skipped
    assert found.shots == ()
    return skipped.reason


# Seconds from the file's first frame


HOUR_24 = 86400.0

STARTS = {
    "counts from 0": (clip(start=50, available=span(0, 1500)), {}, 2.0),
    "start timecode off": (clip(start=90050, available=span(90000, 1500)), {}, 2.0),
    "24 fps media on a 25 fps timeline": (
        clip(start=90032, available=span(HOUR_24, 1440, 24)),
        {},
        90032 / 25 - 3600,
    ),
    "23.976 spelt three ways": (
        clip(start=86424, rate=23.976, available=span(86400, 1438, 23.976024627685547)),
        {},
        24 * 1001 / 24000,
    ),
    "29.97": (clip(start=107922, rate=29.97, available=span(107892, 1800, NTSC_30)), {}, 30 * 1001 / 30000),
    "59.94": (
        clip(start=215844, rate=59.94, available=span(215784, 3600, NTSC_60)),
        {},
        60 * 1001 / 60000,
    ),
    "float noise": (
        clip(start=198771.99999999997, available=span(198746.99999999997, 1500)),
        {},
        1.0,
    ),
    "fractional start": (clip(start=91046.625, available=span(91021.125, 1500)), {}, 1.02),
    "sound counted in samples": (
        clip(start=132300, frames=132300, rate=44100, available=span(0, 2646000, 44100)),
        {},
        3.0,
    ),
    "no available range, file's own timecode": (clip(start=90050), {"timecode_s": 3600.0}, 2.0),
    "no available range, source before the timecode": (clip(start=50), {"timecode_s": 3600.0}, 2.0),
    "no available range, timecode 0": (clip(start=50), {"timecode_s": 0.0}, 2.0),
    "no available range, no timecode": (clip(start=50), {}, 2.0),
    "available range is the cut, file has timecode": (
        clip(start=90050, available=span(90050, 100)),
        {"timecode_s": 3600.0},
        2.0,
    ),
    "available range is the cut, file counts from 0": (clip(start=50, available=span(50, 100)), {}, 2.0),
    "available range of a file whose length nobody knows": (
        clip(start=90050, available=span(90000, 500)),
        {"duration_s": None},
        2.0,
    ),
    "source wholly before the available range": (
        clip(start=50, frames=50, available=span(997, 1500)),
        {},
        2.0,
    ),
}


@pytest.mark.parametrize(("made", "facts", "start_s"), STARTS.values(), ids=STARTS.keys())
def test_a_source_start_becomes_seconds_of_the_file(
    made: otio.schema.Clip, facts: dict, start_s: float
) -> None:
    found = only_span(made, lambda path: media(path, **facts))
    assert found.start_s == pytest.approx(start_s, abs=1e-6)


def test_a_clip_without_any_range_plays_all_of_its_media() -> None:
    made = otio.schema.Clip("film", media_reference=otio.schema.ExternalReference("film.mov"))
    found = only_span(made)
    assert (found.start_s, found.duration_s) == (0.0, 60.0)


def test_what_may_be_used_of_a_file_is_what_reference_and_file_both_have() -> None:
    whole = only_span(clip(start=90050, available=span(90000, 1500)))
    assert (whole.media_start_s, whole.media_end_s) == (0.0, 60.0)
    longer_than_file = only_span(clip(start=90050, available=span(90000, 2000)))
    assert longer_than_file.media_end_s == 60.0
    subclip = only_span(clip(start=50, available=span(40, 200)))
    assert (subclip.media_start_s, subclip.media_end_s) == pytest.approx((1.6, 9.6))
    unknown = only_span(clip(start=50), lambda path: media(path, duration_s=None))
    assert unknown.media_end_s is None


def test_what_the_file_does_not_have_is_cut_off_the_span() -> None:
    head = only_span(clip(start=-10, frames=100, available=span(0, 1500)))
    assert (head.start_s, head.record_start_s, head.duration_s) == pytest.approx((0.0, 0.4, 3.6))
    tail = only_span(clip(start=1475, frames=100, available=span(0, 1500)))
    assert (tail.start_s, tail.duration_s) == pytest.approx((59.0, 1.0))


def test_edits_are_told_the_rate_of_the_clips_own_range() -> None:
    assert only_span(clip(rate=23.976)).rate == NTSC_24
    assert only_span(clip(rate=44100, frames=441000)).rate == 44100


# Places on the timeline


def test_record_times_leave_out_the_start_timecode_and_count_gaps() -> None:
    made = timeline(track("Video", gap(50), clip(), clip("b.mov")), start=RationalTime(90000, 25))
    found = read(made)
    assert [shot.lead.record_start_s for shot in found.shots] == [2.0, 6.0]
    assert (found.start_timecode_s, found.rate) == (3600.0, 25.0)


def test_a_clip_beside_a_transition_says_so() -> None:
    fade = otio.schema.Transition("fade", in_offset=RationalTime(5, 25), out_offset=RationalTime(5, 25))
    made = timeline(track("Video", clip(), fade, clip("b.mov"), clip("c.mov")))
    shots = read(made).shots
    assert [shot.lead.near_transition for shot in shots] == [True, True, False]
    assert [shot.lead.record_start_s for shot in shots] == [0.0, 4.0, 8.0]


def test_nested_clips_count_in_the_outermost_timeline_and_hide_what_is_trimmed() -> None:
    nest = otio.schema.Stack("nest", children=[track("Video", clip("a.mov"), clip("b.mov"), clip("c.mov"))])
    nest.source_range = span(50, 100)  # the second half of a, the first half of b
    found = read(timeline(track("Video", gap(25), nest, clip("d.mov"))))
    cuts = [
        (shot.lead.media_name, shot.lead.start_s, shot.lead.duration_s, shot.lead.record_start_s)
        for shot in found.shots
    ]
    assert cuts == [("a.mov", 2.0, 2.0, 1.0), ("b.mov", 0.0, 2.0, 3.0), ("d.mov", 0.0, 4.0, 5.0)]
    (hidden,) = found.skipped
    assert hidden.clip == "c.mov"
    assert "outside" in hidden.reason


def test_nesting_twice_adds_up() -> None:
    inner = otio.schema.Stack("inner", children=[track("Video", clip(start=100, frames=200))])
    inner.source_range = span(25, 150)
    outer = otio.schema.Stack("outer", children=[track("Video", gap(25), inner)])
    outer.source_range = span(50, 75)
    found = read(timeline(track("Video", gap(10), outer)))
    (shot,) = found.shots
    # Frame 50 of the outer is frame 25 of the inner one's cut: frame 50 of the clip, frame 150 of the file.
    cut = shot.lead.start_s, shot.lead.duration_s, shot.lead.record_start_s
    assert cut == pytest.approx((6.0, 3.0, 0.4))


def test_the_range_of_a_track_trims_it() -> None:
    trimmed = track("Video", clip("a.mov"), clip("b.mov"))
    trimmed.source_range = span(75, 50)
    found = read(timeline(trimmed))
    assert [(shot.lead.start_s, shot.lead.record_start_s) for shot in found.shots] == [(3.0, 0.0), (0.0, 1.0)]


def test_a_compound_clip_on_both_kinds_of_track_is_looked_at_once() -> None:
    def nest() -> otio.schema.Stack:
        return otio.schema.Stack(
            "nest", children=[track("Video", clip(link=1)), track("Audio", clip(link=1))]
        )

    found = read(timeline(track("Video", nest()), track("Audio", nest())))
    (shot,) = found.shots
    assert shot.picture is not None
    assert shot.sound is not None
    assert (shot.picture.address.path, shot.sound.address.path) == ((0, 0, 0, 0), (1, 0, 1, 0))
    assert len(found.skipped) == 2
    assert all("nest" in skipped.reason for skipped in found.skipped)


def test_a_compound_clip_on_one_track_brings_its_sound_along() -> None:
    nest = otio.schema.Stack("nest", children=[track("Video", clip()), track("Audio", clip())])
    (shot,) = read(timeline(track("Video", nest))).shots
    assert shot.paired_by == "same media"


@pytest.mark.parametrize(
    "root",
    [
        timeline(track("Video", clip())),
        otio.schema.Stack("stack", children=[track("Video", clip())]),
        otio.schema.Stack("stack", children=[clip()]),
        track("Video", clip()),
        track("video", clip()),
        clip(),
        otio.schema.SerializableCollection("bin", [clip()]),
        otio.schema.SerializableCollection("bin", [timeline(track("Video", clip()))]),
        otio.schema.SerializableCollection("bin", [otio.schema.SerializableCollection("bin", [clip()])]),
    ],
    ids=["timeline", "stack", "stack of clips", "track", "lower case", "clip", "bin", "timelines", "bins"],
)
def test_any_root_is_walked_and_every_address_leads_back_to_its_clip(
    root: otio.core.SerializableObject,
) -> None:
    (shot,) = read(root).shots
    assert shot.paired_by == "own sound"
    found = spans.resolve(root, shot.lead.address.path)
    assert isinstance(found, otio.schema.Clip)
    assert found.media_reference.target_url == "film.mov"


def test_what_holds_no_clips_is_refused() -> None:
    with pytest.raises(TimelineError, match="got Marker"):
        read(otio.schema.Marker())


def test_two_timelines_of_a_collection_have_nothing_to_do_with_each_other() -> None:
    bin_ = otio.schema.SerializableCollection(
        "bin", [timeline(track("Video", clip("mute.mov"))), timeline(track("Audio", clip("rec.wav")))]
    )
    assert {shot.paired_by for shot in read(bin_).shots} == {"alone"}


def test_tracks_without_a_name_are_called_as_editors_call_them() -> None:
    made = timeline(
        track("Video", clip()), track("Video", clip("b.mov"), name="Titles"), track("audio", clip())
    )
    names = {s.address.track for shot in read(made).shots for s in (shot.picture, shot.sound) if s}
    assert names == {"V1", "Titles", "A1"}


def test_reading_changes_nothing() -> None:
    made = timeline(track("Video", clip(link=1), clip("b.mov")), track("Audio", clip(link=1)))
    before = made.to_json_string()
    read(made)
    assert made.to_json_string() == before


# Reasons


def with_effect(effect: otio.schema.Effect, **keywords: object) -> otio.schema.Clip:
    made = clip(**keywords)  # type: ignore[arg-type]
    made.effects.append(effect)
    return made


def disabled() -> otio.schema.Clip:
    made = clip()
    made.enabled = False
    return made


def with_reference(reference: otio.core.MediaReference | None) -> otio.schema.Clip:
    return otio.schema.Clip("x", source_range=span(0, 100), media_reference=reference)


REASONS = {
    "title": (with_reference(otio.schema.MissingReference()), "has no media"),
    "no reference": (with_reference(None), "has no media"),
    "generator": (
        with_reference(otio.schema.GeneratorReference(generator_kind="SMPTEBars")),
        "generated by the editor (SMPTEBars)",
    ),
    "no url": (with_reference(otio.schema.ExternalReference("")), "names no file"),
    "disabled": (disabled(), "is disabled"),
    "speed": (with_effect(otio.schema.LinearTimeWarp(time_scalar=2.5)), "retimed to 250 %"),
    "reverse": (with_effect(otio.schema.LinearTimeWarp(time_scalar=-1)), "retimed to -100 %"),
    "freeze": (with_effect(otio.schema.FreezeFrame()), "frozen frame"),
    "ramp": (with_effect(otio.schema.TimeEffect()), "speed ramp"),
    "still by name": (clip("picture.PNG"), "still picture"),
    "still by range": (clip(available=span(0, 1)), "still picture"),
    "rate 0": (clip(rate=0), "rate of 0"),
    "available rate 0": (clip(available=span(0, 100, 0)), "rate of 0"),
    "not a number": (clip(start=float("nan")), "no valid numbers"),
    "beyond all time": (clip(start=1e300), "no valid numbers"),
    "zero length": (clip(frames=0), "no length"),
    "negative length": (clip(frames=-5), "no length"),
    "after the end of the file": (clip(start=2000, available=span(0, 1500)), "lies outside its media"),
    "sound file on a picture track": (clip("rec.wav"), "no moving picture"),
}


@pytest.mark.parametrize(("made", "reason"), REASONS.values(), ids=REASONS.keys())
def test_what_cannot_be_looked_at_says_why(made: otio.schema.Clip, reason: str) -> None:
    assert reason in only_reason(made)


def test_a_file_without_sound_on_a_sound_track_says_so() -> None:
    assert "holds no sound" in only_reason(clip("mute.mov"), "Audio")


def test_an_unknown_kind_of_track_is_named() -> None:
    assert "kind 'Subtitle'" in only_reason(clip(), "Subtitle")


def test_a_still_that_the_file_itself_reveals_is_a_still() -> None:
    made = clip("odd.mov")
    assert only_reason(made, look=lambda path: media(path, still=True)) == "is a still picture"


def test_what_a_broken_file_says_becomes_the_reason() -> None:
    def broken(path: Path) -> MediaInfo:
        raise MediaError(f"{path}: truncated")

    assert only_reason(clip(), look=broken) == "/media/film.mov: truncated"


def test_all_missing_media_is_listed_in_one_pass() -> None:
    made = timeline(
        track("Video", clip("gone/a.mov"), clip("gone/b.mov")), track("Audio", clip("gone/c.wav"))
    )
    found = spans.read_spans(made, spans.Locator(), probe)
    assert [skipped.media for skipped in found.skipped] == ["gone/a.mov", "gone/b.mov", "gone/c.wav"]
    assert all("media not found" in skipped.reason for skipped in found.skipped)


def test_effects_that_leave_time_alone_are_no_reason() -> None:
    for effect in (otio.schema.LinearTimeWarp(time_scalar=1.0), otio.schema.Effect(effect_name="Blur")):
        assert only_span(with_effect(effect)).start_s == 0.0


def test_a_retimed_or_disabled_compound_clip_takes_its_clips_along() -> None:
    retimed = otio.schema.Stack("fast", children=[track("Video", clip())])
    retimed.effects.append(otio.schema.LinearTimeWarp(time_scalar=2))
    off = track("Video", clip(), name="off")
    off.enabled = False
    reasons = [skipped.reason for skipped in read(timeline(track("Video", retimed), off)).skipped]
    assert reasons == [
        "stands in fast, which is retimed to 200 %: measure before retiming",
        "stands in off, which is disabled",
    ]


def test_fcp_xml_says_disabled_in_its_metadata() -> None:
    made = clip()
    made.metadata["fcp_xml"] = {"enabled": "FALSE"}
    assert only_reason(made) == "is disabled"


def test_behind_a_clip_of_unknown_length_nobody_knows_where_anything_stands() -> None:
    found = read(timeline(track("Video", clip(), clip(rate=0), clip("b.mov"))))
    assert [shot.lead.media_name for shot in found.shots] == ["film.mov"]
    assert "before it" in found.skipped[1].reason


# Image sequences


def test_an_image_sequence_becomes_a_pattern_and_its_numbers() -> None:
    asked = {}

    def look(path: Path, **sequence: object) -> MediaInfo:
        asked[path] = sequence
        return media(path, sounds=0)

    reference = otio.schema.ImageSequenceReference(
        target_url_base=r"C:\plates", name_prefix="sh 100%.", name_suffix=".exr", start_frame=1001,
        rate=23.976, frame_zero_padding=5, available_range=span(1001, 200, 23.976),
    )  # fmt: skip
    made = otio.schema.Clip("plate", source_range=span(1025, 100, 23.976), media_reference=reference)
    (shot,) = read(timeline(track("Video", made)), look).shots
    assert shot.picture is not None
    assert shot.picture.path == Path("/media/sh 100%%.%05d.exr")
    assert shot.picture.url == r"C:\plates/sh 100%.01001.exr"
    assert shot.picture.start_s == pytest.approx(24 * 1001 / 24000)
    assert (shot.picture.start_number, shot.picture.sequence_fps) == (1001, NTSC_24)
    assert asked == {shot.picture.path: {"start_number": 1001, "sequence_fps": NTSC_24}}


def test_an_image_sequence_with_holes_is_left_out() -> None:
    reference = otio.schema.ImageSequenceReference(
        "/p", "a.", ".exr", 1, 2, 25, 4, available_range=span(0, 9)
    )
    assert "every 2" in only_reason(with_reference(reference))


# Pairing


def pairs(root: otio.core.SerializableObject, look: Callable[..., MediaInfo] = probe) -> list[tuple]:
    """(picture, sound, how) by clip name."""
    return [
        (
            shot.picture.address.clip if shot.picture else None,
            shot.sound.address.clip if shot.sound else None,
            shot.paired_by,
        )
        for shot in read(root, look).shots
    ]


def why_alone(root: otio.core.SerializableObject) -> dict[str, str]:
    shots = [shot for shot in read(root).shots if shot.paired_by == "alone"]
    return {shot.lead.address.clip: shot.why_alone for shot in shots}


def test_linked_clips_belong_together_whatever_they_play() -> None:
    made = timeline(
        track("Video", clip("a.mov", link=1), clip("b.mov", link=2)),
        track("Audio", clip("x.wav", link=1), clip("y.wav", link=2)),
    )
    assert pairs(made) == [("a.mov", "x.wav", "link group"), ("b.mov", "y.wav", "link group")]


def test_a_link_that_was_slipped_keeps_its_slip() -> None:
    made = timeline(track("Video", clip(start=100, link=1)), track("Audio", clip(start=110, link=1)))
    (shot,) = read(made).shots
    assert shot.slip_s == pytest.approx(0.4)
    unlinked = timeline(track("Video", clip(start=100)), track("Audio", clip(start=90)))
    (shot,) = read(unlinked).shots
    assert (shot.paired_by, shot.slip_s) == ("same media", pytest.approx(-0.4))


def test_fcp_xml_links_by_listing_the_members() -> None:
    links = {"link": [{"linkclipref": "clipitem-1"}, {"linkclipref": "clipitem-2"}]}
    picture, sound, other = clip("a.mov"), clip("x.wav"), clip("b.mov")
    picture.metadata["fcp_xml"] = links
    sound.metadata["fcp_xml"] = links
    made = timeline(track("Video", picture), track("Video", other), track("Audio", sound))
    assert ("a.mov", "x.wav", "link group") in pairs(made)


def test_link_groups_are_numbered_anew_in_each_compound_clip() -> None:
    nest = otio.schema.Stack(
        "nest", children=[track("Video", clip("b.mov", link=1)), track("Audio", clip("y.wav", link=1))]
    )
    made = timeline(
        track("Video", clip("a.mov", link=1)), track("Video", nest), track("Audio", clip("x.wav", link=1))
    )
    assert set(pairs(made)) == {("a.mov", "x.wav", "link group"), ("b.mov", "y.wav", "link group")}


def test_each_mono_half_of_a_linked_pair_gets_a_shot_of_its_own() -> None:
    made = timeline(
        track("Video", clip(link=1)),
        track("Audio", clip(link=1, name="left"), name="A1"),
        track("Audio", clip(link=1, name="right"), name="A2"),
    )
    assert [pair[1] for pair in pairs(made)] == ["left", "right"]


def test_the_same_file_at_the_same_moment_belongs_together() -> None:
    made = timeline(
        track("Video", clip("a.mov"), clip("b.mov")), track("Audio", clip("a.mov"), clip("b.mov"))
    )
    assert pairs(made) == [("a.mov", "a.mov", "same media"), ("b.mov", "b.mov", "same media")]


def test_sound_that_runs_over_a_cut_stays_with_the_picture_it_is_in_step_with() -> None:
    made = timeline(
        track("Video", clip(start=0, frames=50, name="first"), clip(start=500, frames=150, name="second")),
        track("Audio", clip(start=0, frames=200, name="sound")),
    )
    assert pairs(made) == [("first", "sound", "same media"), ("second", None, "alone")]


def test_spans_of_a_shot_are_cut_to_what_both_cover() -> None:
    made = timeline(
        track("Video", gap(25), clip(start=100, frames=100, link=1)),
        track("Audio", gap(50), clip(start=130, frames=100, link=1)),
    )
    (shot,) = read(made).shots
    assert shot.picture is not None
    assert shot.sound is not None
    for cut, start_s in ((shot.picture, 5.0), (shot.sound, 5.2)):
        assert (cut.start_s, cut.record_start_s, cut.duration_s) == pytest.approx((start_s, 2.0, 3.0))
    assert shot.slip_s == pytest.approx(0.2)


def test_a_recorders_file_belongs_to_the_picture_over_it() -> None:
    made = timeline(
        track("Video", clip("a.mov"), clip("b.mov")), track("Audio", clip("a.wav"), clip("b.wav"))
    )
    assert pairs(made) == [("a.mov", "a.wav", "overlap"), ("b.mov", "b.wav", "overlap")]


def test_a_recorders_file_is_paired_beside_the_cameras_own_track() -> None:
    made = timeline(
        track("Video", clip(link=1)), track("Audio", clip(link=1)), track("Audio", clip("rec.wav"))
    )
    assert [pair[1:] for pair in pairs(made)] == [("film.mov", "link group"), ("rec.wav", "overlap")]


def test_a_sound_ringing_out_under_the_next_picture_is_no_second_picture() -> None:
    made = timeline(
        track("Video", clip("a.mov"), clip("b.mov")),
        track("Audio", clip("a.wav", frames=110), clip("b.wav", frames=90)),
    )
    assert pairs(made) == [("a.mov", "a.wav", "overlap"), ("b.mov", "b.wav", "overlap")]


def test_music_under_several_pictures_is_paired_with_none_of_them() -> None:
    made = timeline(
        track("Video", clip("a.mov"), clip("b.mov")), track("Audio", clip("music.wav", frames=200))
    )
    why = why_alone(made)
    assert "slipping it for one would move it for the others" in why["music.wav"]
    assert "a.mov, b.mov" in why["music.wav"]
    assert "music.wav" in why["a.mov"]


def test_pictures_that_could_not_be_looked_at_still_count_as_pictures_over_the_music() -> None:
    fast = with_effect(otio.schema.LinearTimeWarp(time_scalar=2), url="b.mov")
    made = timeline(track("Video", clip("a.mov"), fast), track("Audio", clip("music.wav", frames=200)))
    assert "slipping it" in why_alone(made)["music.wav"]


def test_a_title_over_a_picture_does_not_part_it_from_its_sound() -> None:
    title = with_reference(otio.schema.MissingReference())
    made = timeline(track("Video", clip("a.mov")), track("Video", title), track("Audio", clip("a.wav")))
    assert pairs(made) == [("a.mov", "a.wav", "overlap")]


def test_one_recording_under_cuts_that_run_on_is_paired_and_under_jumps_it_is_not() -> None:
    def made(second_start: float) -> otio.schema.Timeline:
        return timeline(
            track("Video", clip(name="one"), clip(start=second_start, frames=50, name="two")),
            track("Audio", clip("rec.wav", frames=150)),
        )

    assert pairs(made(100))[0] == ("one", "rec.wav", "overlap")
    assert "different places" in why_alone(made(400))["rec.wav"]


def test_of_two_sounds_under_one_picture_the_better_fitting_is_taken() -> None:
    made = timeline(
        track("Video", clip("a.mov")),
        track("Audio", clip("short.wav", frames=60)),
        track("Audio", clip("whole.wav")),
    )
    assert ("a.mov", "whole.wav", "overlap") in pairs(made)
    assert "whole.wav" in why_alone(made)["short.wav"]


def test_every_cut_of_one_recording_under_one_picture_is_paired() -> None:
    made = timeline(
        track("Video", clip("a.mov")),
        track("Audio", clip("rec.wav", frames=60), clip("rec.wav", start=60, frames=40)),
        track("Audio", clip("door.wav", frames=30)),
    )
    assert [pair for pair in pairs(made) if pair[0] == "a.mov"] == [("a.mov", "rec.wav", "overlap")] * 2
    assert "rec.wav" in why_alone(made)["door.wav"]


def test_recordings_that_stand_exactly_alike_are_all_paired() -> None:
    made = timeline(
        track("Video", clip("a.mov")), track("Audio", clip("boom.wav")), track("Audio", clip("lav.wav"))
    )
    assert [pair[1] for pair in pairs(made)] == ["boom.wav", "lav.wav"]


def test_the_sound_of_one_camera_is_not_paired_with_the_picture_of_another() -> None:
    made = timeline(track("Video", clip("cutaway.mov")), track("Audio", clip("interview.mov")))
    assert why_alone(made) == {
        "cutaway.mov": "nothing tells whether the sound under it, interview.mov, belongs to it",
        "interview.mov": "is the sound of a film whose own picture isn't over it",
    }


def test_a_sound_clip_stands_in_one_shot_only() -> None:
    made = timeline(
        track("Video", clip(frames=50, name="one"), clip(start=50, frames=50, name="two")),
        track("Audio", clip(frames=100, name="sound")),
    )
    sounds = [shot.sound.address.path for shot in read(made).shots if shot.sound]
    assert len(sounds) == len(set(sounds)) == 1


def test_a_picture_without_a_sound_clip_brings_its_own_sound() -> None:
    (shot,) = read(timeline(track("Video", clip(start=50)))).shots
    assert shot.paired_by == "own sound"
    assert shot.picture is not None
    assert shot.sound is not None
    assert shot.sound.kind == "sound"
    assert shot.sound.address == shot.picture.address
    assert shot.slip_s == 0.0


def test_silence_has_a_reason() -> None:
    made = timeline(track("Video", clip("mute.mov")), track("Audio", gap(200), clip("late.wav")))
    assert why_alone(made) == {
        "mute.mov": "no sound anywhere: its file has none and no sound clip lies under it",
        "late.wav": "no picture stands over it",
    }


def test_the_partner_of_a_clip_that_is_left_out_is_paired_with_nobody_else() -> None:
    fast = with_effect(otio.schema.LinearTimeWarp(time_scalar=2), url="fast.mov", link=1)
    made = timeline(
        track("Video", clip("under.mov")), track("Video", fast), track("Audio", clip("fast.wav", link=1))
    )
    assert "fast.mov is retimed to 200 %" in why_alone(made)["fast.wav"]


def test_disabled_sound_is_as_if_it_were_not_there() -> None:
    silent = clip("music.wav")
    silent.enabled = False
    assert pairs(timeline(track("Video", clip()), track("Audio", silent))) == [
        ("film.mov", "film.mov", "own sound")
    ]


# Streams and channels


def channels(*picked: tuple[int, int]) -> list[dict[str, int]]:
    return [{"Source Track ID": stream, "Source Channel ID": channel} for stream, channel in picked]


@pytest.mark.parametrize(
    ("picked", "expected"),
    [
        (channels((1, 0)), (1, 0)),
        (channels((1, 0), (1, 1)), (1, None)),
        (channels((9, 0)), (None, None)),
        (channels((0, 7)), (0, None)),
        ([], (None, None)),
        (None, (None, None)),
    ],
    ids=["mono", "stereo", "no such stream", "no such channel", "empty", "null"],
)
def test_resolve_says_which_stream_and_channel_it_plays(picked: object, expected: tuple) -> None:
    made = timeline(track("Video", clip(link=1)), track("Audio", clip(link=1, Channels=picked)))
    (shot,) = read(made, lambda path: media(path, sounds=2)).shots
    assert shot.sound is not None
    assert (shot.sound.stream, shot.sound.channel) == expected


def test_premiere_says_which_stream_and_channel_it_plays() -> None:
    sound = clip()
    sound.metadata["PremierePro_OTIO"] = {
        "AudioChannels": {"SecondaryAssignments": [{"SecondaryChannelIndex": 1}]},
        "OriginalChannelGroupIndex": 1,
    }
    made = timeline(track("Video", clip()), track("Audio", sound))
    (shot,) = read(made, lambda path: media(path, sounds=2)).shots
    assert shot.sound is not None
    assert (shot.sound.stream, shot.sound.channel) == (1, 1)


@pytest.mark.parametrize(
    "metadata",
    [
        {"Resolve_OTIO": None},
        {"Resolve_OTIO": "text"},
        {"Resolve_OTIO": {"Link Group ID": None, "Channels": "x"}},
        {"Resolve_OTIO": {"Link Group ID": "7", "Channels": [None, 3]}},
        {"fcp_xml": {"link": "x"}},
        {"fcp_xml": {"link": {"linkclipref": "clipitem-1"}}},
        {"PremierePro_OTIO": {"AudioChannels": None}},
        {"PremierePro_OTIO": {"AudioChannels": {"SecondaryAssignments": [None]}}},
    ],
)
def test_odd_metadata_is_passed_over(metadata: dict) -> None:
    picture, sound = clip(), clip()
    for made in (picture, sound):
        made.metadata.update(metadata)
    assert len(read(timeline(track("Video", picture), track("Audio", sound))).shots) == 1


# The timeline's own rate


@pytest.mark.parametrize(
    ("root", "rate"),
    [
        (timeline(track("Video", clip(rate=24)), start=RationalTime(0, 29.97)), NTSC_30),
        (timeline(track("Video", clip(rate=24), clip(rate=24), clip(rate=30))), 24),
        (
            timeline(track("Audio", clip("a.wav", rate=48000, frames=48000)), track("Video", clip(rate=50))),
            50,
        ),
        (timeline(track("Audio", clip("a.wav", rate=48000, frames=48000))), 25),
        (timeline(track("Video", clip(rate=0))), 25),
        (timeline(), 25),
    ],
    ids=["start timecode", "most clips", "never samples", "only samples", "rate 0", "empty"],
)
def test_the_rate_of_a_timeline_is_one_that_timecode_can_count(
    root: otio.schema.Timeline, rate: float
) -> None:
    assert read(root).rate == rate


def test_a_rate_so_small_that_it_rounds_to_none_is_no_rate() -> None:
    assert math.isnan(places.seconds(RationalTime(25, 1e-320)))
