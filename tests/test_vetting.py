"""What would end the process that reads it is refused before it is read."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path

import pytest

from otio_avassist import files, vetting
from otio_avassist.errors import TimelineError
from tests.cuts import simple


@pytest.mark.parametrize(
    ("opening", "closing"),
    [
        pytest.param('{"OTIO_SCHEMA": "Stack.1", "children": [', "]}", id="stacks"),
        pytest.param("[", "]", id="lists"),
        pytest.param('{"a": ', "}", id="objects"),
        pytest.param("[", "", id="that never close"),
    ],
)
def test_nesting_that_would_end_the_process_is_refused_by_name(tmp_path: Path, opening, closing) -> None:
    deep = tmp_path / "deep.otio"
    deep.write_text(
        '{"OTIO_SCHEMA": "Timeline.1", "tracks": ' + opening * 100_000 + "1" + closing * 100_000 + "}"
    )
    with pytest.raises(TimelineError, match=r"deep\.otio: is nested more than"):
        files.read(str(deep))


def test_the_depth_is_counted_to_the_bracket(monkeypatch: pytest.MonkeyPatch) -> None:
    for value, depth in (([[[]], {"a": [{}]}], 4), ({"[[[": '}"]\\'}, 1), (["\\\\", '"[', ["a"]], 2), (1, 0)):
        text = json.dumps(value).encode()
        monkeypatch.setattr(vetting, "DEEPEST", depth)
        vetting.check_json(text, "as deep as may be")
        monkeypatch.setattr(vetting, "DEEPEST", depth - 1)
        with pytest.raises(TimelineError, match="deeper: is nested"):
            vetting.check_json(text, "deeper")


@pytest.mark.parametrize("schema", ["Clip.0", "Clip.-1", "Marker.00"])
def test_a_schema_of_a_version_that_never_was_is_refused_by_name(tmp_path: Path, schema: str) -> None:
    path = tmp_path / "old.otio"
    path.write_text(simple().to_json_string().replace("Clip.2", schema))
    with pytest.raises(TimelineError, match=rf"old\.otio: has an object of '{schema}'"):
        files.read(str(path))


def an_archive(path: Path, names: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in names.items():
            archive.writestr(name, text)
    return path


@pytest.mark.parametrize("name", ["../out.mov", "/etc/out.mov", "media/../../out.mov", "..\\out.mov", "C:/x"])
def test_an_archive_that_climbs_out_is_refused_by_name(tmp_path: Path, name: str) -> None:
    text = simple().to_json_string()
    path = an_archive(tmp_path / "cut.otioz", {"content.otio": text, name: ""})
    with pytest.raises(TimelineError, match=r"cut\.otioz: names a file outside of the archive"):
        files.read(str(path))


def test_a_bomb_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vetting, "LARGEST", 1 << 20)
    path = an_archive(tmp_path / "bomb.otioz", {"content.otio": " " * (2 << 20)})
    with pytest.raises(TimelineError, match=r"bomb\.otioz: its content\.otio unpacks to more than 1 MB"):
        files.read(str(path))


def test_an_archive_without_a_timeline_is_refused_by_name(tmp_path: Path) -> None:
    path = an_archive(tmp_path / "cut.otioz", {"version.txt": "1.0.0"})
    with pytest.raises(TimelineError, match=r"cut\.otioz: wanted an archive with content\.otio"):
        files.read(str(path))


def test_a_sound_archive_is_read(tmp_path: Path) -> None:
    path = an_archive(tmp_path / "cut.otioz", {"content.otio": simple().to_json_string(), "media/a.mov": ""})
    assert len(list(files.read(str(path)).find_clips())) == 4


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names on this system")
def test_a_pipe_that_nobody_writes_to_is_refused_rather_than_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.otio")
    with pytest.raises(TimelineError, match=r"pipe\.otio: wanted a file"):
        files.read(str(tmp_path / "pipe.otio"))


def test_what_is_larger_than_any_timeline_is_refused_by_name(tmp_path: Path) -> None:
    with (tmp_path / "large.xml").open("wb") as file:
        file.truncate(vetting.LARGEST + 1)
    with pytest.raises(TimelineError, match=r"large\.xml: has more than"):
        files.read(str(tmp_path / "large.xml"))
