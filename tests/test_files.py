"""Timelines on disk: the old file or the new one, and errors that say what is wrong."""

from __future__ import annotations

import os
from pathlib import Path

import opentimelineio as otio
import pytest

from otio_avassist import files
from otio_avassist.errors import OutputError, TimelineError
from tests.cuts import clip, timeline, track


def a_timeline(name: str = "cut") -> otio.schema.Timeline:
    timeline = otio.schema.Timeline(name)
    timeline.tracks.append(otio.schema.Track("V1", kind="Video"))
    return timeline


def test_a_written_timeline_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "cut.otio"
    files.write(a_timeline(), str(path))
    assert files.read(str(path)).name == "cut"
    assert [each.name for each in tmp_path.iterdir()] == ["cut.otio"]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "cut.otio"
    path.write_text("the old one")

    def fail_half_way() -> None:
        with files.replacing(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        fail_half_way()
    assert path.read_text() == "the old one"
    assert list(tmp_path.iterdir()) == [path]


def test_no_folder_to_write_into_is_said_with_the_name(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"nowhere/cut\.otio"):
        files.write(a_timeline(), str(tmp_path / "nowhere" / "cut.otio"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_is_an_output_error(tmp_path: Path) -> None:
    def fill() -> None:
        with files.replacing(tmp_path / "cut.otio"), Path("/dev/full").open("w") as full:
            full.write("x")

    with pytest.raises(OutputError, match=r"cut\.otio: can't be written: No space left"):
        fill()
    assert list(tmp_path.iterdir()) == []


def test_a_format_that_cannot_hold_the_timeline_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "cut.edl"
    path.write_text("the old one")
    timeline = a_timeline()
    for number in range(3):
        timeline.tracks.append(otio.schema.Track(f"V{number + 2}", kind="Video"))
    with pytest.raises(OutputError, match=r"cut\.edl"):
        files.write(timeline, str(path))
    assert path.read_text() == "the old one"


def test_nothing_is_never_written(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="no timeline"):
        files.write(None, str(tmp_path / "cut.otio"))


@pytest.mark.parametrize("content", [b"", b"{", b"null", b"[1, 2]", b"\xff\xfe\x00"])
def test_a_file_that_holds_no_timeline_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.otio"
    path.write_bytes(content)
    with pytest.raises(TimelineError, match=r"broken\.otio"):
        files.read(str(path))


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(TimelineError, match=r"nothing\.otio: no such file"):
        files.read(str(tmp_path / "nothing.otio"))


def test_a_new_file_is_as_open_to_others_as_umask_says(tmp_path: Path) -> None:
    old = os.umask(0o022)
    try:
        files.write(a_timeline(), str(tmp_path / "cut.otio"))
    finally:
        os.umask(old)
    assert (tmp_path / "cut.otio").stat().st_mode & 0o777 == 0o644


def test_the_sidecar_stands_beside_the_timeline() -> None:
    assert files.sidecar_of("a/cut.otio") == Path("a/cut.avassist.json")
    assert files.sidecar_of("-") is None


def test_a_name_that_no_folder_takes_is_refused_before_the_work(tmp_path: Path) -> None:
    files.check_writable(str(tmp_path / ("x" * 240 + ".otio")))
    for length in (245, 300):  # of the first, the sidecar's name is too long
        with pytest.raises(OutputError, match=r"x\.otio: can't be written: the name x+\S* is too long"):
            files.check_writable(str(tmp_path / ("x" * length + ".otio")))


def test_no_sidecar_stands_beside_a_timeline_whose_name_is_as_long_as_may_be(tmp_path: Path) -> None:
    beside = files.sidecar_of(str(tmp_path / ("x" * 250 + ".otio")))
    assert beside is not None
    assert files.read_json(beside) is None


def test_what_holds_no_clips_is_no_timeline(tmp_path: Path) -> None:
    otio.schema.Gap().to_json_file(str(tmp_path / "gap.otio"))
    with pytest.raises(TimelineError, match=r"gap\.otio: holds no timeline, but Gap"):
        files.read(str(tmp_path / "gap.otio"))


def test_a_timeline_that_is_a_folder_is_written_once_and_what_stands_there_is_left(tmp_path: Path) -> None:
    (tmp_path / "a.mov").touch()
    cut = timeline(track("Video", clip("a.mov")))
    cut.tracks[0][0].media_reference.target_url = str(tmp_path / "a.mov")
    path = tmp_path / "cut.otiod"
    files.write(cut, str(path))
    written = (path / "content.otio").read_bytes()
    assert [each.name for each in files.read(str(path)).find_clips()] == ["a.mov"]
    cut.name = "another"
    with pytest.raises(OutputError, match="a folder of this name stands there"):
        files.write(cut, str(path))
    assert (path / "content.otio").read_bytes() == written
    assert {each.name for each in tmp_path.iterdir()} == {"a.mov", "cut.otiod"}


EDL = """TITLE: cut
001  AX       V     C        {0} {1} 01:00:00:00 01:00:02:00
* FROM CLIP NAME: 00:00:00:58.mov
"""


@pytest.mark.parametrize(
    ("first", "last", "rate"),
    [
        ("00:00:01:00", "00:00:03:00", 24),
        ("00:00:01:24", "00:00:03:24", 25),
        ("00:00:01:29", "00:00:03:29", 30),
        ("00:00:01:31", "00:00:03:31", 48),
        ("00:00:01:49", "00:00:03:49", 50),
        ("00:00:01:59", "00:00:03:59", 60),
        ("00:00:01;02", "00:00:03;02", 30000 / 1001),
        ("00:00:01;58", "00:00:03;58", 60000 / 1001),
    ],
)
def test_an_edl_is_read_at_a_rate_that_has_all_of_its_timecodes(
    tmp_path: Path, first: str, last: str, rate: float
) -> None:
    path = tmp_path / "cut.edl"
    path.write_text(EDL.format(first, last), encoding="utf-8")
    [read] = files.read(str(path)).find_clips()
    assert read.source_range.start_time.rate == pytest.approx(rate)
    assert read.source_range.duration.to_seconds() == pytest.approx(2, abs=0.003)


def test_who_knows_the_rate_of_an_edl_may_say_it(tmp_path: Path) -> None:
    path = tmp_path / "cut.edl"
    path.write_text(EDL.format("00:00:01:00", "00:00:03:00"), encoding="utf-8")
    [read] = files.read(str(path), edl_rate=23.976).find_clips()
    assert (read.source_range.start_time.value, read.source_range.start_time.rate) == (24, 24000 / 1001)
