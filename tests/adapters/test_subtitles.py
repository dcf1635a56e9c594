"""Subtitles say what the markers say when they say it, by the word of other people's readers."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentimelineio.opentime import RationalTime, TimeRange

from otio_avassist import edits, files, marks
from otio_avassist.adapters import subtitles
from otio_avassist.errors import TimelineError
from tests.adapters.sidecars import RATES, marked, timelines
from tests.cuts import caption, simple
from tests.test_every_timeline import entries, read_or_skip

srt = pytest.importorskip("srt")
webvtt = pytest.importorskip("webvtt")


def ms(time: timedelta) -> Fraction:
    return Fraction(round(time.total_seconds() * 1000))


def by_srt(text: str) -> list[tuple[Fraction, Fraction, str]]:
    return [(ms(cue.start), ms(cue.end), cue.content) for cue in srt.parse(text)]


def by_webvtt(text: str) -> list[tuple[Fraction, Fraction, str]]:
    from html import unescape

    cues = webvtt.from_string(text)
    return [(label_ms(cue.start), label_ms(cue.end), unescape(cue.raw_text)) for cue in cues]


def label_ms(label: str) -> Fraction:
    hours, minutes, seconds = label.split(":")
    return ((int(hours) * 60 + int(minutes)) * 60 + Fraction(seconds)) * 1000


def exactly_ms(frame: float, rate: float) -> Fraction:
    return Fraction(int(frame)) / RATES[rate] * 1000


@given(frame=st.integers(0, 12 * 3600 * 99), rate=st.sampled_from(sorted(RATES)))
@settings(deadline=None)
def test_a_frame_is_its_nearest_millisecond_and_that_is_the_frame_again(frame, rate):
    cut = otio.schema.Timeline()
    cut.tracks.markers.append(
        otio.schema.Marker("x", TimeRange(RationalTime(frame, rate), RationalTime(1, rate)))
    )
    text = subtitles.write_to_string(cut)
    ((start, end, _),) = by_srt(text)
    assert abs(start - exactly_ms(frame, rate)) <= Fraction(1, 2)
    assert abs(end - exactly_ms(frame + 1, rate)) <= Fraction(1, 2)
    (back,) = subtitles.read_from_string(text, rate=rate).tracks.markers
    assert back.marked_range.start_time == RationalTime(frame, rate)
    assert back.marked_range.duration.value == 1


@given(timelines())
@settings(deadline=None, max_examples=100)
def test_webvtt_comes_back_with_every_sign_of_every_text(cut):
    text = subtitles.write_to_string(cut, format="vtt")
    rate = cut.global_start_time.rate
    back = subtitles.read_from_string(text, rate=rate).tracks.markers
    assert [each.comment for each in back] == [each.comment for each in cut.tracks.markers]
    frames = [
        (each.marked_range.start_time.value, each.marked_range.duration.value) for each in cut.tracks.markers
    ]
    assert [(b.marked_range.start_time.value, b.marked_range.duration.value) for b in back] == frames


@given(timelines())
@settings(deadline=None, max_examples=100)
def test_other_readers_find_the_same_cues(cut):
    expected = [
        (
            round(exactly_ms(each.marked_range.start_time.value, each.marked_range.start_time.rate)),
            each.comment,
        )
        for each in cut.tracks.markers
    ]
    vtt = by_webvtt(subtitles.write_to_string(cut, format="vtt"))
    assert [text for *_, text in vtt] == [text for _, text in expected]
    assert all(abs(start - at) <= 1 for (start, *_), (at, _) in zip(vtt, expected, strict=True))
    # SubRip knows no escape: a last line of digits is joined to the one above it.
    one_line = [" ".join(text.replace("-->", "→").split()) for _, text in expected]
    assert [" ".join(text.split()) for *_, text in by_srt(subtitles.write_to_string(cut))] == one_line


@pytest.mark.parametrize(
    "text",
    [
        "Fish & chips <b>not bold</b>",
        "a --> b",
        "<i>",
        "&amp; is how it is written",
        r"C:\new\Name {\i1}{braces}",
        "1 < 2 > 0",
        "00:00:01.000 --> 00:00:02.000",
        "at 00:00:01,000 and 00:00:02,000 it rings",
        "NOTE this is none",
        "WEBVTT",
        "12",
        "{comment}",
    ],
)
def test_what_formats_take_for_their_own_signs_is_text(text):
    written = subtitles.write_to_string(marked(text, "after"), format="vtt")
    assert [said for *_, said in by_webvtt(written)] == [text, "after"]
    back = subtitles.read_from_string(written)
    assert [each.comment for each in back.tracks.markers] == [text, "after"]
    back = subtitles.read_from_string(subtitles.write_to_string(marked(text, "after")))
    styled = text.replace("<b>", "").replace("</b>", "").replace("<i>", "").replace(r"{\i1}", "")
    expected = [styled.replace("-->", "→"), "after"]
    assert [each.comment for each in back.tracks.markers] == expected


def test_empty_lines_and_control_characters_are_left_out():
    written = subtitles.write_to_string(marked("one\n\n\r\n two \x00\x1b"), format="vtt")
    assert [text for *_, text in by_webvtt(written)] == ["one\ntwo"]


def test_cues_count_from_the_first_frame_whatever_it_is_called():
    written = subtitles.write_to_string(marked("hello", rate=24, start=86_400))
    assert by_srt(written) == [(0, 500, "hello")]


def test_our_tag_is_not_for_viewers_and_one_task_can_be_asked_for():
    cut = simple()
    cut = edits.apply(
        cut, edits.edit_for(caption(cut, 1.0, 2.0, text="Fish & chips sizzle.", name="sizzling")).edits
    )
    cut.tracks.markers.append(otio.schema.Marker("a person's", marked("x").tracks.markers[0].marked_range))
    texts = [text for *_, text in by_srt(subtitles.write_to_string(cut))]
    assert texts == ["a person's", "Fish & chips sizzle."]
    alone = by_srt(subtitles.write_to_string(cut, task="captions"))
    assert alone == [(1000, 2000, "Fish & chips sizzle.")]


def test_what_picture_and_sound_both_say_is_said_once():
    cut = simple()
    for row in cut.tracks:
        span = TimeRange(RationalTime(110, 25), RationalTime(10, 25))
        row[0].markers.append(otio.schema.Marker("knock", span))
    assert [text for *_, text in by_srt(subtitles.write_to_string(cut))] == ["knock"]


def test_a_marker_without_a_length_is_seen_for_a_frame_or_as_long_as_one_asks():
    cut = marked("gone at once")
    cut.tracks.markers[0].marked_range = TimeRange(RationalTime(25, 25), RationalTime(0, 25))
    assert by_srt(subtitles.write_to_string(cut)) == [(1000, 1040, "gone at once")]
    assert by_srt(subtitles.write_to_string(cut, least_s=1.5)) == [(1000, 2500, "gone at once")]


WILD_VTT = """\ufeffWEBVTT - a title

STYLE
::cue { color: red }

NOTE
nothing to see here

intro
00:01.000 --> 00:02.500 align:start position:10%
<v Fred>Hi &amp; <c.loud>bye</c> <00:00:02.000>now</v>

00:00:03.000 --> 00:00:04.000
Chapter
12

00:00:05.000 --> 00:00:06.000
last
"""


def test_webvtt_as_it_is_found_in_the_wild_is_read():
    back = subtitles.read_from_string(WILD_VTT)
    assert [each.comment for each in back.tracks.markers] == ["Hi & bye now", "Chapter\n12", "last"]
    first = back.tracks.markers[0].marked_range
    assert (first.start_time, first.duration) == (RationalTime(1000, 1000), RationalTime(1500, 1000))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_subrip_of_any_machine_is_read(tmp_path: Path, encoding, line_end):
    text = (
        "1\n00:00:01,000 --> 00:00:02,000\n<i>Café</i> {\\an8}über\n\n2\n00:00:03,000 --> 00:00:04,000\n42\n"
    )
    path = tmp_path / "film.srt"
    path.write_bytes(text.replace("\n", line_end).encode(encoding))
    back = otio.adapters.read_from_file(str(path))
    assert [each.comment for each in back.tracks.markers] == ["Café über", "42"]
    assert back.name == "film"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("garbage.srt", b"\x00\x01\x02binary" * 50),
        ("words.srt", b"This is a letter.\n\nIt has no times."),
        ("arrows.srt", b"1\nsoon --> later\nhello\n"),
        ("words.vtt", b"This is a letter."),
        ("subrip.vtt", b"1\n00:00:01,000 --> 00:00:02,000\nhello\n"),
    ],
)
def test_a_file_that_is_no_subtitles_is_refused_by_its_name(tmp_path: Path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(TimelineError, match=name):
        files.read(str(path))


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(TimelineError, match=r"gone\.srt"):
        subtitles.read_from_file(str(tmp_path / "gone.srt"))


@pytest.mark.parametrize("format", ["srt", "vtt"])
def test_no_markers_make_a_file_that_is_read_back_as_none(tmp_path: Path, format):
    path = tmp_path / f"empty.{format}"
    otio.adapters.write_to_file(otio.schema.Timeline(), str(path))
    assert list(otio.adapters.read_from_file(str(path)).tracks.markers) == []


@pytest.mark.parametrize("suffix", ["srt", "vtt", "SRT"])
def test_otioconvert_writes_them_from_the_command_line(tmp_path: Path, suffix):
    cut, out = tmp_path / "out.otio", tmp_path / f"out.{suffix.lower()}"
    otio.adapters.write_to_file(marked("A dog barks.", rate=24, start=86_400), str(cut))
    command = Path(sys.executable).with_name("otioconvert")
    done = subprocess.run([command, "-i", cut, "-o", out], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    read = by_webvtt if suffix == "vtt" else by_srt
    assert read(out.read_text("utf-8")) == [(0, 500, "A dog barks.")]
    done = subprocess.run(
        [command, "-i", out, "-a", "rate=24", "-o", tmp_path / "back.otio"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    (back,) = otio.adapters.read_from_file(str(tmp_path / "back.otio")).tracks.markers
    assert back.marked_range == TimeRange(RationalTime(0, 24), RationalTime(12, 24))


@pytest.mark.parametrize("entry", entries())
def test_timelines_of_editors_become_subtitles_that_others_read(shared: Path, entry: str):
    root = read_or_skip(shared / "timelines" / entry)
    shown = [mark for mark in marks.marks(root) if mark.text and mark.start >= 0]
    told = {(round(mark.start * 1000), mark.text) for mark in shown}
    found = by_webvtt(subtitles.write_to_string(root, format="vtt"))
    assert {text for *_, text in found} == {text for _, text in told}
    assert all(any(abs(start - at) <= 1 and text == said for at, said in told) for start, _, text in found)
    assert len(list(srt.parse(subtitles.write_to_string(root)))) == len(found)


@pytest.mark.parametrize("sign", ["<b ", "{\\", "<font\t", "<v.", "<"])
@pytest.mark.parametrize(
    ("format", "head"),
    [("srt", "1\n00:00:01,000 --> 00:00:02,000\n"), ("vtt", "WEBVTT\n\n00:00:01.000 --> 00:00:02.000\n")],
)
def test_mark_up_that_never_ends_takes_no_longer_than_words(format: str, head: str, sign: str) -> None:
    """Where each sign were followed to the end of its line, this would take hours."""
    read = subtitles.read_from_string(head + sign * 100_000 + "word\n", format)
    [marker] = read.tracks.markers
    assert marker.comment.endswith("word")
