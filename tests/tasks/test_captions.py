"""What is said of films whose truth is known, by networks that can be worked out by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from otio_avassist import windows
from otio_avassist.bundles import Graph
from otio_avassist.captioner import best, corners
from otio_avassist.choice import thinned
from otio_avassist.errors import BundleError, UsageError
from otio_avassist.findings import CaptionFinding, PassedOver
from otio_avassist.spans import Address, MediaSpan, Shot
from otio_avassist.speech import Cue
from otio_avassist.tasks.captions import Options, analyse, media_of, read_proposals
from tests.material import film
from tests.pretend import BLACK, GREEN, HUM_HZ, RED, WHISTLE_HZ, paint, pretended, with_streams

SCENES = Options(levels=("scene",))
EVENTS = Options(levels=("event",))


def a_span(
    path: Path, kind: str, start_s: float, duration_s: float, record_s: float, track: int = 0
) -> MediaSpan:
    where = Address((track, 0), kind, track, path.stem, 0)
    return MediaSpan(where, kind, str(path), path, start_s, duration_s, record_s, 25.0)


def a_shot(
    picture: Path | None,
    sound: Path | None,
    duration_s: float,
    *,
    start_s: float = 0.0,
    sound_start_s: float | None = None,
    record_s: float = 0.0,
    track: int = 0,
) -> Shot:
    heard_s = start_s if sound_start_s is None else sound_start_s
    return Shot(
        a_span(picture, "picture", start_s, duration_s, record_s, track) if picture else None,
        a_span(sound, "sound", heard_s, duration_s, record_s, track) if sound else None,
        "own sound" if picture == sound else "overlap" if picture and sound else "alone",
    )


def near(found, wanted, within: float = 0.03) -> bool:
    return np.allclose(np.array(found), np.array(wanted), rtol=0, atol=within)


def stretches(found) -> list[tuple[float, float]]:
    return [(each.start_s, each.end_s) for each in found if isinstance(each, CaptionFinding)]


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("media")


@pytest.fixture(scope="module")
def whistle(place: Path) -> Path:
    """Ten seconds of red, then ten of green; a whistle from 3 to 4 s, a hum from 14 to 16 s."""
    tones = [(None, 3), (WHISTLE_HZ, 1), (None, 10), (HUM_HZ, 2), (None, 4)]
    return paint(place / "whistle.mkv", [(RED, 10), (GREEN, 10)], tones)


def texts(found) -> list[str]:
    return [each.text for each in found if isinstance(each, CaptionFinding)]


def test_scenes_reach_from_cut_to_cut_and_say_what_is_seen_and_heard(whistle: Path) -> None:
    found = list(analyse([a_shot(whistle, whistle, 20.0)], pretended(), SCENES))
    assert texts(found) == ["A whistle sounds while red shows.", "A hum sounds while green shows."]
    assert near(stretches(found), [(0, 10), (10, 20)], 1 / 24)
    assert {each.carried_by for each in found} == {"seen and heard"}
    assert {each.doubts for each in found} == {()}
    words = dict(found[0].words)
    assert words["whistle"] == pytest.approx(0.95 / 1.4, abs=1e-3)
    assert found[0].confidence == pytest.approx(0.95 / 1.4, abs=1e-3)
    assert found[0].name == "whistle sounds"


def test_events_are_where_they_sound_in_timeline_seconds(whistle: Path) -> None:
    shot = a_shot(whistle, whistle, 18.0, start_s=1.5, record_s=100.0)
    found = list(analyse([shot], pretended(), EVENTS))
    assert near(stretches(found), [(101.5, 102.5), (112.5, 114.5)])
    assert [each.media_start_s for each in found] == pytest.approx([3.0, 14.0], abs=0.03)
    assert ["whistle" in text for text in texts(found)] == [True, False]
    assert found[0].confidence == pytest.approx(0.9 * 0.95 / 1.4, abs=0.01)


def test_an_event_is_cut_to_what_the_shot_plays_of_it(whistle: Path) -> None:
    shots = [
        a_shot(whistle, whistle, 1.0, start_s=14.7, record_s=50.0),
        a_shot(whistle, whistle, 4.0, start_s=15.9, record_s=51.0),
    ]
    [one] = analyse(shots, pretended(), EVENTS)
    assert (one.start_s, one.end_s, one.media_start_s) == pytest.approx((50.0, 51.0, 14.7))
    assert one.shot is shots[0]


def test_media_that_many_shots_play_is_looked_at_once(whistle: Path, monkeypatch) -> None:
    read = []
    plainly = windows.blocks
    monkeypatch.setattr(windows, "blocks", lambda *given, **how: read.append(given) or plainly(*given, **how))
    shots = [
        a_shot(whistle, whistle, 6.0, start_s=each, record_s=10.0 * each) for each in (0.0, 2.0, 4.0, 13.0)
    ]
    found = list(analyse(shots, pretended(), EVENTS))
    assert [(given[0].start_s, given[0].end_s) for given in read] == [(0.0, 10.0), (13.0, 19.0)]
    assert [(each.shot.lead.start_s, round(each.start_s)) for each in found] == [
        (0.0, 3), (2.0, 21), (13.0, 131),
    ], "a shot that begins when the whistle ends doesn't show it"  # fmt: skip


def test_sound_of_another_file_is_heard_where_the_timeline_plays_it(place: Path, whistle: Path) -> None:
    recorder = paint(place / "recorder.wav", (), [(None, 5), (WHISTLE_HZ, 1), (None, 4)])
    shot = a_shot(whistle, recorder, 6.0, start_s=1.0, sound_start_s=3.0)
    [one] = analyse([shot], pretended(), EVENTS)
    assert one.start_s == pytest.approx(2.0, abs=0.03)
    assert one.text == "A whistle sounds while red shows."


def test_what_only_the_ear_or_only_the_eye_told_is_said_to_be_so(place: Path, whistle: Path) -> None:
    silent = paint(place / "silent.mkv", [(GREEN, 4)], [(None, 4)])
    mute = paint(place / "mute.mkv", [(GREEN, 4)])
    dark = paint(place / "dark.mkv", [(BLACK, 4)], [(HUM_HZ, 4)])
    alone = paint(place / "alone.wav", (), [(HUM_HZ, 4)])
    for picture, sound, text, carried_by, doubt in [
        (silent, silent, "Green shows.", "seen", "the sound is silence here: only the picture was looked at"),
        (mute, None, "Green shows.", "seen", "there is no sound: only the picture was looked at"),
        (dark, dark, "A hum sounds.", "heard", "the picture is black here: only the sound was listened to"),
        (None, alone, "A hum sounds.", "heard", "there is no picture: only the sound was listened to"),
    ]:
        [one] = analyse([a_shot(picture, sound, 4.0)], pretended(), SCENES)
        assert (one.text, one.carried_by, one.doubts) == (text, carried_by, (doubt,))


def test_media_with_nothing_in_it_is_passed_over_with_the_reason(place: Path) -> None:
    nothing = paint(place / "nothing.mkv", [(BLACK, 4)], [(None, 4)])
    silence = paint(place / "silence.wav", (), [(None, 4)])
    shots = [a_shot(nothing, nothing, 4.0), a_shot(nothing, None, 4.0), a_shot(None, silence, 4.0)]
    found = list(analyse(shots, pretended(), Options()))
    assert {each.reason for each in found if isinstance(each, PassedOver)} == {
        "its picture is black and its sound is silence", "its picture is black", "its sound is silence",
    }  # fmt: skip
    assert texts(found) == []


def test_one_broken_clip_never_takes_the_rest_along(place: Path, whistle: Path) -> None:
    broken = place / "broken.mkv"
    broken.write_bytes(b"no film at all")
    cut_off = film(place / "cut_off.ts", seconds=8)
    cut_off.write_bytes(cut_off.read_bytes()[: 300 * 188])
    gone = place / "gone.mkv"
    shots = [a_shot(each, each, 8.0) for each in (broken, gone, whistle)]
    found = list(analyse(shots, pretended(), Options()))
    passed_over = [each for each in found if isinstance(each, PassedOver)]
    assert [each.shot for each in passed_over] == shots[:2]
    assert ["broken.mkv" in each.reason or "gone.mkv" in each.reason for each in passed_over] == [True, True]
    assert "A whistle sounds while red shows." in texts(found)


def test_a_file_that_breaks_off_is_described_as_far_as_it_goes(place: Path) -> None:
    whole = paint(place / "whole.mkv", [(RED, 20)], [(HUM_HZ, 20)])
    short = place / "short.mkv"
    # The header still promises twenty seconds.
    content = whole.read_bytes()
    short.write_bytes(content[: len(content) * 4 // 10])
    found = list(
        analyse([a_shot(short, short, 9.0), a_shot(short, short, 8.0, start_s=10.0)], pretended(), SCENES)
    )
    [passed_over] = [each for each in found if isinstance(each, PassedOver)]
    assert passed_over.shot.lead.start_s == 10.0
    assert "short.mkv" in passed_over.reason
    [one] = [each for each in found if isinstance(each, CaptionFinding)]
    assert one.text == "A hum sounds while red shows."
    assert "breaks off" in one.doubts[-1]


def test_three_frames_are_described_within_themselves(place: Path) -> None:
    tiny = paint(place / "tiny.mkv", [(RED, 0.25)], [(HUM_HZ, 0.25)])
    [one] = analyse([a_shot(tiny, tiny, 0.25, record_s=7.0)], pretended(), Options())
    assert one.text == "A hum sounds while red shows."
    assert (one.start_s, one.end_s) == (7.0, 7.25)


def test_names_it_is_not_sure_of_are_left_out(whistle: Path) -> None:
    shots, unsure = [a_shot(whistle, whistle, 9.0)], pretended(clarity=0.0, sure=0.4)
    [one, *_] = analyse(shots, unsure, EVENTS)
    assert one.text == "A something sounds while something shows."
    # That something sounds and shows is no news of a whole scene.
    assert not list(analyse(shots, unsure, SCENES))
    [other, *_] = analyse([a_shot(whistle, whistle, 9.0)], pretended(clarity=0.0, sure=0.3), SCENES)
    assert other.text != one.text


def test_a_vaguer_name_is_said_where_the_precise_ones_are_as_likely(whistle: Path) -> None:
    bundle = pretended(clarity=0.0, sure=0.6, implied={"whistle": ["hum"], "red": ["green"]})
    [one, *_] = analyse([a_shot(whistle, whistle, 9.0)], bundle, SCENES)
    assert one.text == "A hum sounds while green shows."


def test_a_sentence_none_of_whose_words_is_sure_is_not_said(whistle: Path) -> None:
    quiet = pretended(clarity=0.0, sure=1.0)
    quiet.graphs["step"] = lambda **given: {
        "logits": np.full((len(given["token"]), len(quiet.card.classes)), np.log(1 / 14), np.float32),
        "present_0": np.zeros((len(given["token"]), 1, int(given["position"][0]) + 1, 1), np.float32),
    }
    assert list(analyse([a_shot(whistle, whistle, 9.0)], quiet, SCENES)) == []


def test_the_same_said_again_next_to_it_is_one(place: Path) -> None:
    long = paint(place / "long.mkv", [(RED, 70)], [(HUM_HZ, 70)])
    [one] = analyse([a_shot(long, long, 70.0)], pretended(), SCENES)
    assert near(stretches([one]), [(0.0, 70.0)])


def test_chapters_leave_no_seam(place: Path) -> None:
    tones = [(None, 9.5), (WHISTLE_HZ, 2), (None, 8.5), (HUM_HZ, 1), (None, 9)]
    seams = paint(place / "seams.mkv", [(RED, 30)], tones)
    events = [
        [
            (each.text, each.start_s, each.end_s)
            for each in analyse([a_shot(seams, seams, 30.0)], bundle, EVENTS)
        ]
        for bundle in (pretended(), pretended(chapter_s=8.0))
    ]
    assert [text for text, *_ in events[1]] == [text for text, *_ in events[0]]
    assert np.array([each[1:] for each in events[1]]) == pytest.approx(
        np.array([each[1:] for each in events[0]]), abs=0.03
    )


def test_no_more_is_said_a_minute_than_was_asked_for(place: Path) -> None:
    tones = [part for hertz in (HUM_HZ, WHISTLE_HZ) * 15 for part in ((hertz, 0.5), (None, 2.5))]
    busy = paint(place / "busy.mkv", [(RED, 90)], tones)
    every = list(analyse([a_shot(busy, busy, 90.0)], pretended(), replace(EVENTS, per_minute=60)))
    few = list(analyse([a_shot(busy, busy, 90.0)], pretended(), replace(EVENTS, per_minute=6)))
    assert len(every) == 30
    assert 6 <= len(few) <= 9
    starts = [each.start_s for each in few]
    assert all(sum(at <= other < at + 60 for other in starts) <= 6 for at in starts)
    assert starts == sorted(starts)


def test_the_best_stay_where_there_is_room_for_few(whistle: Path) -> None:
    shot = a_shot(whistle, whistle, 20.0)
    found = list(analyse([shot], pretended(), replace(EVENTS, per_minute=60)))
    ranked = [(rank, each) for rank, each in zip((0.2, 0.9), found, strict=True)]
    assert thinned(ranked, 1, 20.0) == [found[1]]


def test_a_short_clip_has_room_for_a_few_and_a_long_one_for_its_minutes(whistle: Path) -> None:
    [one, _] = analyse([a_shot(whistle, whistle, 20.0)], pretended(), EVENTS)
    # Each says something else.
    every = [
        (1.0, replace(one, start_s=5.0 * k, end_s=5.0 * k + 2, words=((f"word{k}", 1.0),))) for k in range(60)
    ]
    assert len(thinned(every[:2], 12, 10.0)) == 2
    assert len(thinned(every[:7], 12, 35.0)) == 7
    assert len(thinned(every, 6, 300.0)) == 30


def test_what_was_said_a_short_while_ago_is_worth_less(whistle: Path) -> None:
    [one, other] = analyse([a_shot(whistle, whistle, 20.0)], pretended(), EVENTS)
    music = [(0.9, replace(one, start_s=6.0 * k, end_s=6.0 * k + 1)) for k in range(10)]
    bark = (0.4, replace(other, start_s=27.0, end_s=28.0))
    found = thinned([*music, bark], 12, 60.0)
    assert bark[1] in found
    assert 3 <= len(found) - 1 <= 4
    later = [(rank, replace(each, start_s=each.start_s * 12, end_s=each.end_s * 12)) for rank, each in music]
    assert len(thinned(later, 12, 720.0)) == 10, "a minute later it is worth saying again"


def test_a_scene_that_goes_on_and_on_is_one_and_has_no_events_of_its_own_words(place: Path) -> None:
    long = paint(place / "on_and_on.mkv", [(RED, 40)], [(HUM_HZ, 11), (None, 0.5), (HUM_HZ, 28.5)])
    bundle = pretended()
    quiet = {"proposals": np.array([[[5.0, 2.0, 0.9], [30.0, 2.0, 0.9]]], np.float32)}
    bundle.graphs["propose"] = lambda log_mel: quiet
    [one] = analyse([a_shot(long, long, 40.0)], bundle, Options())
    assert one.level == "scene"
    assert near(stretches([one]), [(0.0, 40.0)])


def test_the_same_heard_on_two_tracks_is_said_once(place: Path, whistle: Path) -> None:
    music = paint(place / "music.wav", (), [(None, 3), (WHISTLE_HZ, 1), (None, 16)])
    under = a_shot(None, music, 20.0, track=2)
    found = list(analyse([under, a_shot(None, whistle, 20.0)], pretended(), EVENTS))
    assert len([each for each in found if round(each.start_s) == 3]) == 1


def test_proposals_from_a_file_stand_in_for_the_network(place: Path, whistle: Path) -> None:
    plain, published = place / "plain.json", place / "published.json"
    plain.write_text(json.dumps({"whistle.mkv": [[2.5, 5.0], [12.0, 18.0, 0.5]]}))
    published.write_text(
        json.dumps({"results": {"whistle": [{"timestamp": [2.5, 5.0]}, {"segment": [12, 18], "score": 0.5}]}})
    )
    assert read_proposals(plain)["whistle.mkv"] == read_proposals(published)["whistle"]
    bundle = pretended(graphs=("encode", "step"))
    for path in (plain, published):
        found = list(analyse([a_shot(whistle, whistle, 20.0)], bundle, replace(EVENTS, proposals_file=path)))
        assert [(each.start_s, each.end_s) for each in found] == [(2.5, 5.0), (12.0, 18.0)]
    with pytest.raises(UsageError, match="no events by itself"):
        list(analyse([a_shot(whistle, whistle, 20.0)], bundle, EVENTS))
    plain.write_text("[1, 2")
    with pytest.raises(UsageError, match=r"plain\.json"):
        read_proposals(plain)


def test_subtitles_beside_the_media_are_the_third_sense_and_markers_of_their_own(place: Path) -> None:
    talk = paint(place / "talk.mkv", [(RED, 12)], [(HUM_HZ, 12)])
    (place / "talk.srt").write_text(
        "1\n00:00:02,000 --> 00:00:04,000\nHello, my <i>dear</i> old good friend!\n"
    )
    bundle = pretended(eats=("audio", "video", "speech"), speech_vocabulary=list(pretended().card.classes))
    shot = a_shot(talk, talk, 10.0, start_s=1.0, record_s=20.0)
    [scene] = analyse([shot], bundle, SCENES)
    assert scene.text == "A hum sounds while red shows hello."
    said = [
        each for each in analyse([shot], bundle, replace(SCENES, say_speech=True)) if each.level == "speech"
    ]
    assert [(each.start_s, each.end_s, each.text, each.name, each.carried_by) for each in said] == [
        (21.0, 23.0, "Hello, my dear old good friend!", "Hello, my dear old good …", "said")
    ]
    [deaf] = analyse([shot], bundle, replace(SCENES, speech="none"))
    assert deaf.text == "A hum sounds while red shows."


def test_subtitles_of_the_cut_are_heard_in_the_shots_under_them(place: Path, whistle: Path) -> None:
    path = place / "cut.srt"
    path.write_text("1\n01:00:32,000 --> 01:00:34,000\nHello.\n")
    shot = a_shot(whistle, whistle, 8.0, start_s=2.0, record_s=30.0)
    for options in (
        replace(SCENES, speech=path, say_speech=True),
        replace(SCENES, cues=(Cue(32.0, 34.0, "Hello."),), say_speech=True),
    ):
        [said] = [each for each in analyse([shot], pretended(), options) if each.level == "speech"]
        assert (said.start_s, said.end_s, said.media_start_s) == (32.0, 34.0, 4.0)
    with pytest.raises(UsageError, match=r"none\.srt"):
        list(analyse([shot], pretended(), replace(SCENES, speech=place / "none.srt")))


def test_a_speech_network_is_asked_where_there_are_no_subtitles(whistle: Path, monkeypatch) -> None:
    def listen(samples: np.ndarray, start_s: float) -> list[Cue]:
        assert len(samples) == 16000 * 8
        return [Cue(start_s + 1.0, start_s + 2.0, "Hello there.", 0.7)]

    monkeypatch.setattr("otio_avassist.speech.listener", lambda model: listen)
    shot = a_shot(whistle, whistle, 8.0, start_s=1.0)
    found = list(analyse([shot], pretended(), replace(SCENES, say_speech=True)))
    [said] = [each for each in found if each.level == "speech"]
    assert (said.start_s, said.end_s, said.confidence) == pytest.approx((1.0, 2.0, 0.7))
    monkeypatch.setattr("otio_avassist.speech.listener", lambda model: pytest.fail("nobody asked for speech"))
    assert len(list(analyse([shot], pretended(), SCENES))) == 1


def test_optical_flow_is_added_where_it_lies_beside_the_media_and_missed_where_not(
    place: Path, whistle: Path
) -> None:
    from_file = with_streams(pretended(), video={"flow": "file"})
    shot = a_shot(whistle, whistle, 9.0)
    missing = "the network wants optical flow as well; it was asked with pictures alone"
    [one] = analyse([shot], with_streams(pretended(), video={"flow": "none"}), SCENES)
    assert one.doubts == (missing,)
    [one] = analyse([shot], from_file, SCENES)
    assert one.doubts == (f"{missing} (whistle_flow.npy isn't there)",)
    flow = place / "whistle_flow.npy"
    try:
        # Moves so much in green that it outweighs the red.
        np.save(flow, np.tile(np.float32([[-1, 3, 0]]), (40, 1)))
        [one] = analyse([shot], from_file, SCENES)
        assert (one.text, one.doubts) == ("A whistle sounds while green shows.", ())
        np.save(flow, np.zeros((40, 7)))
        [one] = analyse([shot], from_file, SCENES)
        assert "(40, 7)" in one.doubts[0]
    finally:
        flow.unlink(missing_ok=True)


def test_a_bundle_that_misses_its_features_is_refused(whistle: Path) -> None:
    bundle = replace(pretended(), needs={})
    with pytest.raises(BundleError, match="yamnet"):
        list(analyse([a_shot(whistle, whistle, 9.0)], bundle, Options()))


@pytest.mark.parametrize(
    ("numbers", "match"),
    [
        ({"chapter_s": None}, "preprocessing"),
        ({"streams": {}}, "streams"),
        ({"streams": {"audio": {"extractor": "ears"}}}, "streams: audio"),
        ({"max_words": 0}, "max_words"),
    ],
)
def test_a_card_whose_numbers_make_no_sense_is_refused(numbers: dict, match: str, whistle: Path) -> None:
    with pytest.raises(BundleError, match=match):
        list(analyse([a_shot(whistle, whistle, 9.0)], pretended(**numbers), Options()))


@pytest.mark.parametrize(
    "options", [{"levels": ("act",)}, {"per_minute": 0}, {"beam": 0}, {"nms": 0}, {"max_proposals": 0}]
)
def test_options_that_cannot_be_meant_are_refused(options: dict) -> None:
    with pytest.raises(UsageError):
        Options(**options)


def test_a_network_for_the_ear_alone_opens_no_pictures_for_events(whistle: Path, monkeypatch) -> None:
    monkeypatch.setattr(windows, "CutFinder", lambda: pytest.fail("no picture is wanted"))
    ear = pretended(eats=("audio",), names=[])
    [one, other] = analyse([a_shot(whistle, whistle, 20.0)], ear, EVENTS)
    assert (one.text, one.carried_by, other.text) == ("A whistle sounds.", "heard", "A hum sounds.")


def test_beams_say_what_the_likeliest_words_say_where_all_is_clear(whistle: Path) -> None:
    shot = a_shot(whistle, whistle, 20.0)
    assert texts(analyse([shot], pretended(), replace(SCENES, beam=3))) == texts(
        analyse([shot], pretended(), SCENES)
    )


def test_published_proposals_see_a_whole_chapter_padded(whistle: Path) -> None:
    bundle = pretended(proposals={"stream": "streams", "pad_to": {"audio": 60, "video": 50}})

    def propose(audio: np.ndarray, video: np.ndarray) -> dict[str, np.ndarray]:
        assert audio.shape == (1, 60, 2)
        assert video.shape == (1, 50, 3)
        assert (audio[0, :, 0] != 1).sum() == 41
        assert (video[0, :, 0] != 1).sum() == 40
        return {"proposals": np.array([[[3.5, 2.0, 0.8], [19.0, 30.0, 0.7], [9, 0.1, 0.9]]], np.float32)}

    shapes = {"audio": (1, 60, 2), "video": (1, 50, 3)}
    graph = Graph("propose.onnx", "0" * 64, shapes, {"proposals": (1, "n", 3)})
    bundle = replace(
        bundle,
        card=replace(bundle.card, graphs={**bundle.card.graphs, "propose": graph}),
        graphs={**bundle.graphs, "propose": propose},
    )
    found = list(analyse([a_shot(whistle, whistle, 20.0)], bundle, replace(EVENTS, per_minute=60)))
    assert near(stretches(found), [(2.5, 4.5), (4.0, 20.0)])


def test_streams_that_share_their_rows_are_given_as_many_of_each(place: Path, whistle: Path) -> None:
    bundle = pretended()
    encode, asked = bundle.graphs["encode"], []
    inputs = {"audio": ("batch", "rows", 2), "video": ("batch", "rows", 3)}
    shared = replace(bundle.card.graphs["encode"], inputs=inputs)
    bundle.graphs["encode"] = lambda **given: asked.append(given) or encode(**given)
    bundle = replace(
        bundle, card=replace(bundle.card, graphs={**bundle.card.graphs, "encode": shared}), asked=[]
    )
    mute = paint(place / "mute2.mkv", [(GREEN, 5)])
    found = list(
        analyse([a_shot(whistle, whistle, 20.0), a_shot(mute, None, 5.0, record_s=60)], bundle, SCENES)
    )
    assert {each.carried_by for each in found} == {"seen and heard", "seen"}
    assert texts(found)[-1] == "Green shows."
    assert asked
    assert all(given["audio"].shape[1] == given["video"].shape[1] for given in asked)


def test_boxes_are_clipped_and_thinned_as_published() -> None:
    boxes = corners(np.array([[1.0, 4.0, 0.5], [9.9, 0.1, 0.9], [9.0, 4.0, 0.7], [30.0, 2.0, 0.9]]), 10.0)
    assert near(boxes, [[0, 3, 0.5], [7, 10, 0.7]])
    given = np.array([[0, 10, 0.9], [1, 10, 0.8], [0, 5, 0.7], [20, 30, 0.95], [0, 9, 0.1]])
    assert best(given, 3, 0.4)[:, 2].tolist() == [0.95, 0.9]
    assert best(given, 4, 0.5)[:, 2].tolist() == [0.95, 0.9, 0.7]
    assert best(given, 4, 1.0)[:, 2].tolist() == [0.95, 0.9, 0.8, 0.7]


def test_media_is_grouped_by_what_is_seen_and_heard_side_by_side(place: Path) -> None:
    film, other = place / "a.mov", place / "b.wav"
    shots = [
        a_shot(film, film, 10.0),
        a_shot(film, film, 10.0, start_s=11.0, record_s=20.0),
        a_shot(film, other, 10.0, start_s=40.0),
        a_shot(film, other, 10.0, start_s=50.0, sound_start_s=50.01),
        a_shot(film, other, 10.0, start_s=60.0, sound_start_s=61.0),
        a_shot(film, None, 10.0),
    ]
    assert [(len(each.shots), each.stretches) for each in media_of(shots)] == [
        (2, ((0.0, 21.0),)), (2, ((40.0, 60.0),)), (1, ((60.0, 70.0),)), (1, ((0.0, 10.0),)),
    ]  # fmt: skip
