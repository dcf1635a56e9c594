"""Markers as CSV open in a spreadsheet and come back as they were."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from pathlib import Path

import opentimelineio as otio
import pytest
from hypothesis import given, settings

from otio_avassist import edits, files, marks, traces
from otio_avassist.adapters import marker_csv
from otio_avassist.errors import TimelineError
from tests.adapters.sidecars import facts, marked, timelines
from tests.cuts import caption, simple
from tests.test_every_timeline import entries, read_or_skip


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))


@given(timelines())
@settings(deadline=None, max_examples=150)
def test_markers_come_back_as_they_were(cut):
    back = marker_csv.read_from_string(marker_csv.write_to_string(cut))
    assert facts(back) == facts(cut)
    if len(cut.tracks.markers):
        assert back.global_start_time.rate == cut.global_start_time.rate


def test_a_row_says_where_a_marker_stands_in_frames_timecode_and_seconds():
    (row,) = rows(marker_csv.write_to_string(marked("A dog barks.", rate=24, start=86_400)))
    assert (row["timecode_in"], row["timecode_out"]) == ("01:00:00:00", "01:00:00:12")
    assert (row["start_frame"], row["frames"], row["end_s"], row["text"]) == (
        "0",
        "12",
        "0.5",
        "A dog barks.",
    )


def test_our_own_are_ours_again_and_read_without_a_tag():
    cut = simple()
    cut = edits.apply(cut, edits.edit_for(caption(cut)).edits)
    text = marker_csv.write_to_string(cut)
    assert rows(text)[0]["text"] == "A dog barks twice."
    back = marker_csv.read_from_string(text)
    (before,), (after,) = cut.tracks.markers, back.tracks.markers
    assert facts(back) == facts(cut)
    assert traces.finding_of(after) == traces.finding_of(before)
    assert list(edits.strip(back).timeline.tracks.markers) == []


@pytest.mark.parametrize("text", ["=1+1", "@now", "-5 dB", "'quoted'", '"', "a,b;c", "two\nlines"])
def test_no_text_is_computed_by_a_spreadsheet_or_lost(text):
    written = marker_csv.write_to_string(marked(text))
    assert rows(written)[0]["text"][0] not in "=+-@"
    assert marker_csv.read_from_string(written).tracks.markers[0].comment == text


def test_semicolons_of_other_countries_are_read():
    text = "name;start_frame;frames;rate\nhello, you;25;5;25\n"
    (back,) = marker_csv.read_from_string(text).tracks.markers
    assert (back.name, back.marked_range.start_time.value) == ("hello, you", 25)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"a,b\n1,2\n", "no column start_frame, frames, rate"),
        (b"\x00\x01" * 50, "bytes that aren't"),
        (b"", "no column"),
        (b"start_frame,frames,rate\nsoon,1,25\n", "row 2"),
        (b"start_frame,frames,rate\n1,1,25\n1,1,0\n", "row 3"),
        (b"start_frame,frames,rate\n1,1,25\n1\n", "row 3"),
    ],
)
def test_a_table_of_something_else_is_refused_by_its_name(tmp_path: Path, content, why):
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    with pytest.raises(TimelineError, match=f"table.csv.*{why}"):
        files.read(str(path))


def test_otioconvert_goes_there_and_back(tmp_path: Path):
    cut, table, back = tmp_path / "cut.otio", tmp_path / "markers.csv", tmp_path / "back.otio"
    before = marked("one", "two", rate=24, start=86_400)
    otio.adapters.write_to_file(before, str(cut))
    command = Path(sys.executable).with_name("otioconvert")
    for options in (["-i", cut, "-o", table], ["-i", table, "-o", back]):
        done = subprocess.run([command, *options], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
    assert facts(otio.adapters.read_from_file(str(back))) == facts(before)


@pytest.mark.parametrize("entry", entries())
def test_the_markers_of_editors_timelines_come_back(shared: Path, entry: str):
    root = read_or_skip(shared / "timelines" / entry)
    counting, shown = marks.counting(root), marks.marks(root)
    back = marker_csv.read_from_string(marker_csv.write_to_string(root))
    assert [(each[0], each[1]) for each in facts(back)] == [counting.frames(mark) for mark in shown]
    assert [each.name for each in back.tracks.markers] == [mark.name for mark in shown]
    assert [each.color for each in back.tracks.markers] == [mark.color or "GREEN" for mark in shown]
