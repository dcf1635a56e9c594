"""A marker EDL holds markers as DaVinci Resolve writes and reads them, and they come back as they were."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import opentimelineio as otio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentimelineio.opentime import RationalTime, TimeRange

from otio_avassist import marks
from otio_avassist.adapters import marker_edl
from otio_avassist.errors import TimelineError
from otio_avassist.timecodes import frame_number
from otio_avassist.timecodes import timecode as ours
from tests.adapters.sidecars import COLORS, RATES, facts, marked, timelines
from tests.cuts import clip, timeline, track
from tests.test_every_timeline import entries, read_or_skip

timecode = pytest.importorskip("timecode")

WHOLE = tuple(rate for rate in sorted(RATES) if RATES[rate] != 12.5)
BY_RESOLVE = """TITLE: Timeline 1
FCM: NON-DROP FRAME

001  001      V     C        01:00:18:06 01:00:18:07 01:00:18:06 01:00:18:07  
Dust on the left, über dem Gesicht |C:ResolveColorYellow |M:Marker 1 |D:1

002  001      V     C        01:00:20:20 01:00:20:21 01:00:20:20 01:00:20:21  
 |C:ResolveColorMint |M:Marker 2 |D:601

003  001      V     C        01:27:06:16 01:27:06:17 01:27:06:16 01:27:06:17  
a note
over two lines
 |C:ResolveColorBlue |M:Marker 72 |D:12


"""  # noqa: W291
"""In the shape that Resolve gives them, trailing blanks and all."""


def theirs(rate: float, label: str, *, drop: bool) -> int:
    """Frame number of a label by the timecode library, which counts from 1."""
    spelt = {29.97: "29.97", 59.94: "59.94"}.get(rate) or str(round(rate))
    return timecode.Timecode(spelt, label.replace(":", ";") if drop else label).frames - 1


@pytest.mark.parametrize("rate", [24, 25, 30, 50, 60])
@given(frame=st.integers(0, 24 * 3600 * 24 - 1))
@settings(deadline=None, max_examples=60)
def test_labels_agree_with_another_library(rate, frame):
    label = ours(frame / rate, rate)
    assert frame_number(label, rate) == theirs(rate, label, drop=False) == frame


@pytest.mark.parametrize(("rate", "exact"), [(29.97, 30000 / 1001), (59.94, 60000 / 1001)])
@given(frame=st.integers(0, 2_589_407))
@settings(deadline=None, max_examples=150)
def test_drop_frame_agrees_with_another_library(rate, exact, frame):
    label = ours(frame / exact, rate, drop=True)
    assert label == str(timecode.Timecode(str(rate), frames=frame + 1))
    assert frame_number(label, rate, drop=True) == theirs(rate, label, drop=True) == frame


@given(timelines(rates=WHOLE))
@settings(deadline=None, max_examples=200)
def test_markers_come_back_as_they_were(cut):
    for each in cut.tracks.markers:
        each.name, each.comment = each.name.replace("|", ""), each.comment.replace("|", "")
        each.comment = "\n".join(line.strip() for line in each.comment.split("\n") if line.strip())
        each.name = each.name.strip()
    back = marker_edl.read_from_string(marker_edl.write_to_string(cut))
    assert facts(back) == facts(cut)
    assert back.global_start_time == cut.global_start_time


@pytest.mark.parametrize("drop", [True, False])
@pytest.mark.parametrize("rate", [29.97, 30000 / 1001, 59.94])
def test_markers_come_back_in_and_out_of_drop_frame(rate, drop):
    cut = marked(*["knock"] * 200, rate=30, start=0)
    for number, each in enumerate(cut.tracks.markers):
        each.marked_range = TimeRange(RationalTime(number * 997, rate), RationalTime(3, rate))
    cut.global_start_time = RationalTime(107_892 if drop else 108_000, rate)
    text = marker_edl.write_to_string(cut)
    assert ("FCM: DROP FRAME" in text, " 01:00:00;00 " in text) == (drop, drop and rate < 50)
    assert facts(marker_edl.read_from_string(text)) == facts(cut)


def test_it_has_the_shape_that_resolve_reads():
    cut = marked("A dog barks|twice.\nThen silence.", rate=24, start=86_400)
    cut.tracks.markers[0].name = "dog|barks"
    cut.tracks.markers[0].color = "PURPLE"
    assert marker_edl.write_to_string(cut).splitlines() == [
        "TITLE: cut (24 fps from 01:00:00:00)",
        "FCM: NON-DROP FRAME",
        "",
        "001  001      V     C        01:00:00:00 01:00:00:01 01:00:00:00 01:00:00:01  ",
        "A dog barkstwice.",
        "Then silence. |C:ResolveColorPurple |M:dogbarks |D:12",
        "",
    ]


def test_what_resolve_writes_is_read():
    back = marker_edl.read_from_string(BY_RESOLVE)
    assert back.name == "Timeline 1"
    # No frame number is above 23, so it may be 24 frames a second; the timeline starts on the hour.
    assert facts(back) == [
        (18 * 24 + 6, 1, 24, "Marker 1", "Dust on the left, über dem Gesicht", "YELLOW"),
        (20 * 24 + 20, 601, 24, "Marker 2", "", "GREEN"),
        ((27 * 60 + 6) * 24 + 16, 12, 24, "Marker 72", "a note\nover two lines", "BLUE"),
    ]
    assert back.global_start_time == RationalTime(86_400, 24)
    assert back.tracks.markers[2].metadata["Resolve_OTIO"]["Note"] == "a note\nover two lines"


def test_rate_and_start_can_be_given():
    back = marker_edl.read_from_string(BY_RESOLVE, rate=25, start="01:00:10:00")
    first = back.tracks.markers[0].marked_range.start_time
    assert first == RationalTime(8 * 25 + 6, 25)
    assert back.global_start_time == RationalTime(3610 * 25, 25)


@pytest.mark.parametrize("name", [*marker_edl.FROM_RESOLVE])
def test_each_of_resolves_colours_comes_back_by_its_name(name):
    text = BY_RESOLVE.replace("ResolveColorMint", f"ResolveColor{name}")
    back = marker_edl.read_from_string(text)
    assert back.tracks.markers[1].color in COLORS
    assert f"|C:ResolveColor{name} |M:Marker 2 |D:601" in marker_edl.write_to_string(back)


def test_resolves_sixteen_colours_are_known_and_opentimelineios_eleven_are_kept_apart():
    assert len(marker_edl.FROM_RESOLVE) == 16
    assert set(marker_edl.TO_RESOLVE) == set(COLORS)
    assert len(set(marker_edl.TO_RESOLVE.values())) == 11


def test_a_colour_that_somebody_changed_since_is_written_as_changed():
    back = marker_edl.read_from_string(BY_RESOLVE)
    back.tracks.markers[1].color = "RED"
    assert "ResolveColorRed |M:Marker 2" in marker_edl.write_to_string(back)


def test_colours_in_resolves_own_timelines_keep_their_name():
    cut = marked("fresh")
    cut.tracks.markers[0].color = "MINT"
    assert "|C:ResolveColorMint " in marker_edl.write_to_string(cut)


@pytest.mark.parametrize("note", ["5 dogs bark", "* starred", "007  001 V C"])
def test_a_note_that_looks_like_an_event_is_kept_from_being_one(note):
    text = marker_edl.write_to_string(marked(note))
    assert not re.search(r"^[\d*].*\|C:", text, re.MULTILINE)
    assert marker_edl.read_from_string(text).tracks.markers[0].comment == note


def test_markers_on_clips_stand_at_the_timelines_timecode():
    shot = clip("a.mov", 90_032, 50, available=(90_032, 100))
    shot.markers.append(otio.schema.Marker("x", TimeRange(RationalTime(90_054, 25), RationalTime(1, 25))))
    text = marker_edl.write_to_string(timeline(track("Video", clip("b.mov"), shot)))
    assert " 01:00:04:22 " in text


def test_markers_before_timecode_zero_are_left_out():
    cut = marked("before", "after", start=0)
    cut.tracks.markers[0].marked_range = TimeRange(RationalTime(-10, 25), RationalTime(1, 25))
    assert [each[0] for each in facts(marker_edl.read_from_string(marker_edl.write_to_string(cut)))] == [25]


CUTS = """TITLE: cut
FCM: NON-DROP FRAME

001  AX       V     C        00:00:00:00 00:00:01:00 01:00:00:00 01:00:01:00
* FROM CLIP NAME: a.mov
"""


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"A letter to my aunt.", "no event with timecodes"),
        (b"\x00\x01\x02" * 100, "bytes that aren't"),
        (CUTS.encode(), "there are cuts"),
        (BY_RESOLVE.replace("01:00:18:06", "01:00:61:06").encode(), "01:00:61:06"),
    ],
)
def test_what_is_no_marker_edl_is_refused_by_its_name(tmp_path: Path, content, why):
    path = tmp_path / "notes.edl"
    path.write_bytes(content)
    with pytest.raises(TimelineError, match=f"notes.edl.*{why}"):
        otio.adapters.read_from_file(str(path), adapter_name="avassist_marker_edl")


def test_frames_beyond_a_given_rate_are_refused():
    with pytest.raises(TimelineError, match="is no timecode at 10 frames"):
        marker_edl.read_from_string(BY_RESOLVE, rate=10)


def test_cuts_are_still_read_by_their_own_adapter(shared: Path):
    assert otio.adapters.from_filepath("any.edl").name == "cmx_3600"


def test_otioconvert_writes_and_reads_it_by_name(tmp_path: Path):
    cut, edl, back = tmp_path / "cut.otio", tmp_path / "markers.edl", tmp_path / "back.otio"
    before = marked("one", "two", rate=24, start=86_400)
    otio.adapters.write_to_file(before, str(cut))
    command = Path(sys.executable).with_name("otioconvert")
    for options in (
        ["-i", cut, "-o", edl, "-O", "avassist_marker_edl"],
        ["-i", edl, "-o", back, "-I", "avassist_marker_edl"],
    ):
        done = subprocess.run([command, *options], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
    assert facts(otio.adapters.read_from_file(str(back))) == facts(before)


@pytest.mark.parametrize("entry", entries())
def test_the_markers_of_editors_timelines_come_back(shared: Path, entry: str):
    root = read_or_skip(shared / "timelines" / entry)
    counting = marks.counting(root)
    back = marker_edl.read_from_string(marker_edl.write_to_string(root))
    shown = [mark for mark in marks.marks(root) if counting.start + counting.frame(mark.start) >= 0]
    assert [(each[0], each[1]) for each in facts(back)] == [counting.frames(mark) for mark in shown]
    assert [each.name for each in back.tracks.markers] == [
        marks.printable(mark.name.replace("|", "")).replace("\n", " ") for mark in shown
    ]
