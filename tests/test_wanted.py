"""A sound is made for what is seen and has nothing to hear under it, or for what somebody names."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio
import pytest

from otio_avassist import marks, places, spans
from otio_avassist.errors import MediaError, UsageError
from otio_avassist.wanted import Wish, wanted
from otio_avassist.windows import MediaInfo, SoundStream
from tests.cuts import clip, foley, gap, simple, time_range, timeline, track
from tests.test_foley_clips import laid
from tests.test_timelines import Everywhere


def probe(path: Path, **sequence: object) -> MediaInfo:
    """Films are mute unless their name says that they sound; sound files are sound files."""
    picture = path.suffix == ".mov"
    sounds = (SoundStream(0, 48000, 2, 0.0, None),) if not picture or "sounding" in path.name else ()
    return MediaInfo(path, 40.0, Fraction(25) if picture else None, 64, 36, False, sounds, None, None)


def look(root, wish: Wish | None = None, silent: tuple[str, ...] = ()):
    """(shots, passed over), where the files of these names hold digital silence."""
    looked = spans.read_spans(root, Everywhere(), probe)
    return wanted(
        looked,
        wish or Wish(),
        lambda path: marks.marks(places.resolve(root, path)),
        lambda span: span.media_name in silent,
    )


def stretches(shots) -> list[tuple[str, float, float]]:
    return [
        (
            each.lead.address.clip,
            round(each.lead.record_start_s, 6),
            round(each.lead.record_start_s + each.lead.duration_s, 6),
        )
        for each in shots
    ]


def reasons(passed_over) -> dict[str, str]:
    return {each.shot.lead.address.clip: each.reason for each in passed_over}


def marked(root, name: str, start: float, frames: float):
    root.tracks.markers.append(otio.schema.Marker(name, time_range(start, frames)))
    return root


def test_what_has_nothing_to_hear_under_it_gets_a_sound() -> None:
    cut = timeline(track("Video", clip("a.mov"), clip("b.mov")), track("Audio", gap(100), clip("b.wav")))
    shots, passed_over = look(cut)
    assert stretches(shots) == [("a.mov", 0, 4)]
    assert shots[0].sound is None
    assert reasons(passed_over) == {
        "b.mov": "has sound under it already: b.wav; --which all makes one all the same"
    }


def test_sound_of_its_own_is_sound_and_digital_silence_is_none() -> None:
    cut = timeline(track("Video", clip("sounding.mov"), clip("sounding and mute.mov"), clip("mute.mov")))
    shots, passed_over = look(cut, silent=("sounding and mute.mov",))
    assert stretches(shots) == [("sounding and mute.mov", 4, 8), ("mute.mov", 8, 12)]
    assert reasons(passed_over)["sounding.mov"].startswith("has sound of its own")


def test_a_sound_clip_of_digital_silence_is_none() -> None:
    cut = simple()
    shots, passed_over = look(cut, silent=("a.wav",))
    assert stretches(shots) == [("a.mov", 0, 4)]
    assert set(reasons(passed_over)) == {"b.mov"}


def test_music_under_several_pictures_is_sound_and_so_is_what_nobody_can_open() -> None:
    bed = clip("music.wav", 0, 200)
    lost = clip("lost.wav")
    lost.media_reference.target_url = ""
    cut = timeline(track("Video", clip("a.mov"), clip("b.mov"), clip("c.mov")), track("Audio", bed, lost))
    shots, passed_over = look(cut)
    assert shots == []
    assert set(reasons(passed_over)) == {"a.mov", "b.mov", "c.mov"}


@pytest.mark.parametrize("sleeping", ["disabled", "title", "a track that is off"])
def test_what_nobody_hears_or_sees_is_nothing(sleeping: str) -> None:
    cut = timeline(
        track("Video", clip("a.mov")), track("Video", clip("over.mov")), track("Audio", clip("a.wav"))
    )
    for row in cut.tracks[1:]:
        if sleeping == "disabled":
            row[0].enabled = False
        elif sleeping == "title":
            row[0].media_reference = otio.schema.MissingReference()
        else:
            row.enabled = False
    shots, _ = look(cut)
    assert stretches(shots) == [("a.mov", 0, 4)]


def test_of_a_picture_that_has_sound_under_a_part_the_rest_gets_one() -> None:
    cut = timeline(track("Video", clip("a.mov", 100, 200)), track("Audio", gap(50), clip("a.wav", 100, 75)))
    shots, _ = look(cut)
    assert stretches(shots) == [("a.mov", 0, 2), ("a.mov", 5, 8)]
    assert [each.lead.start_s for each in shots] == [4.0, 9.0]
    crumbs = timeline(track("Video", clip("a.mov")), track("Audio", gap(10), clip("a.wav", 100, 80)))
    assert look(crumbs)[0] == []


def test_a_short_shot_is_a_shot() -> None:
    cut = timeline(track("Video", clip("a.mov", 100, 5)))
    assert stretches(look(cut)[0]) == [("a.mov", 0, 0.2)]


def test_what_lies_under_another_picture_is_not_seen() -> None:
    cut = timeline(track("Video", clip("a.mov")), track("Video", gap(50), clip("over.mov")))
    shots, passed_over = look(cut)
    assert stretches(shots) == [("a.mov", 0, 2), ("over.mov", 2, 6)]
    assert passed_over == []
    hidden = timeline(track("Video", clip("a.mov")), track("Video", clip("over.mov")))
    shots, passed_over = look(hidden)
    assert stretches(shots) == [("over.mov", 0, 4)]
    assert "isn't seen: over.mov lies over it" in reasons(passed_over)["a.mov"]


def test_all_are_all_with_the_sound_that_lies_under_them() -> None:
    cut = simple()
    shots, passed_over = look(cut, Wish("all"))
    assert stretches(shots) == [("a.mov", 0, 4), ("b.mov", 4, 8)]
    assert [each.sound.media_name for each in shots] == ["a.wav", "b.wav"]
    assert passed_over == []


def test_a_picture_of_two_sounds_is_one_picture() -> None:
    cut = timeline(
        track("Video", clip("a.mov")), track("Audio", clip("a.wav")), track("Audio", clip("a.wav"))
    )
    assert len(look(cut, Wish("all"))[0]) == 1


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        (Wish(tracks=("upper",)), [("c.mov", 8, 12)]),
        (Wish(tracks=("1",)), [("c.mov", 8, 12)]),
        (Wish(tracks=("video 1",)), [("a.mov", 0, 4), ("b.mov", 4, 8)]),
        (Wish(clips=("b.mov",)), [("b.mov", 4, 8)]),
        (Wish(tracks=("Video 1",), clips=("0",)), [("a.mov", 0, 4)]),
        (Wish(tracks=("upper",), clips=("a.mov",)), []),
        (Wish("silent", clips=("b.mov",)), []),
        (Wish(markers=("door",)), [("a.mov", 2, 4), ("b.mov", 4, 5), ("c.mov", 8, 12)]),
        (Wish(clips=("a.mov",), markers=("Door",)), [("a.mov", 2, 4)]),
    ],
)
def test_tracks_clips_and_markers_are_named_and_what_is_named_together_must_all_hold(wish, expected) -> None:
    upper = otio.schema.Track("upper", [gap(200), clip("c.mov")], kind="Video")
    cut = timeline(track("Video", clip("a.mov"), clip("b.mov")), upper, track("Audio", clip("x.wav", 0, 200)))
    marked(marked(cut, "door", 50, 75), "door", 210, 1)
    marked(cut, "other", 0, 300)
    assert stretches(look(cut, wish)[0]) == expected


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        (Wish(tracks=("V9",)), "no track with pictures is called 'V9'; there is: Video 1"),
        (Wish(clips=("z.mov",)), "no clip with pictures is called 'z.mov'; there is: a.mov, b.mov"),
        (Wish(markers=("door",)), "no marker is called 'door'; there is: none"),
    ],
)
def test_a_name_that_is_not_there_is_refused_with_those_that_are(wish, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        look(simple(), wish)


def test_what_is_named_and_can_not_be_read_keeps_nothing_from_the_others() -> None:
    """Its reason stands among what was skipped, and no other name is as good."""

    def unread(path: Path) -> MediaInfo:
        if path.name == "b.mov":
            raise MediaError("b.mov: is empty")
        return probe(path)

    cut = timeline(track("Video", clip("a.mov"), clip("b.mov")), otio.schema.Track("V2", kind="Video"))
    cut.tracks[1].append(cut.tracks[0][1].deepcopy())
    looked = spans.read_spans(cut, Everywhere(), unread)
    assert {each.reason for each in looked.skipped} == {"b.mov: is empty"}

    def named(wish: Wish):
        return stretches(wanted(looked, wish, lambda path: [], lambda span: False)[0])

    assert named(Wish(clips=("a.mov", "b.mov"))) == [("a.mov", 0, 4)]
    assert named(Wish(tracks=("V2",))) == []
    with pytest.raises(UsageError, match=r"called 'c\.mov'; there is: a\.mov, b\.mov"):
        named(Wish(clips=("c.mov",)))


def test_sounds_that_were_made_before_are_in_nobodys_way() -> None:
    cut = timeline(track("Video", clip("a.mov"), clip("b.mov")))
    mended = laid(cut, foley(cut))
    looked = spans.read_spans(mended, Everywhere(), probe)
    assert [shot.sound for shot in looked.shots] == [None, None]
    assert [each.reason for each in looked.skipped] == ["is a sound that avassist has made"]
    assert stretches(look(mended)[0]) == [("a.mov", 0, 4), ("b.mov", 4, 8)]
    # Whoever puts one on a track of theirs has a sound there.
    mended.tracks.append(otio.schema.Track("mine", [mended.tracks[-1][1].deepcopy()], kind="Audio"))
    assert stretches(look(mended)[0])[0] == ("a.mov", 1, 4)


def test_each_timeline_of_a_collection_has_its_own_markers_and_sounds() -> None:
    one, other = timeline(track("Video", clip("a.mov"))), timeline(track("Video", clip("b.mov")))
    other.tracks.append(track("Audio", clip("b.wav")))
    both = otio.schema.SerializableCollection("reel", [one, marked(other, "door", 0, 50)])
    assert stretches(look(both)[0]) == [("a.mov", 0, 4)]
    assert stretches(look(both, Wish(markers=("door",)))[0]) == [("b.mov", 0, 2)]


def test_a_wish_that_does_not_exist_is_refused() -> None:
    with pytest.raises(UsageError, match="no such choice of shots: loud"):
        replace(Wish(), which="loud")
