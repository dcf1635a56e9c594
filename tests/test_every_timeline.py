"""Every timeline that editors wrote goes through the command, and each of its clips is accounted for."""

from __future__ import annotations

import json
from pathlib import Path

import opentimelineio as otio
import pytest

from otio_avassist import files, pipeline
from otio_avassist.__main__ import main
from otio_avassist.errors import TimelineError
from tests.conftest import shared_folder


def entries() -> list[str]:
    folder = shared_folder()
    if folder is None:
        return []
    return [entry["file"] for entry in json.loads((folder / "timelines" / "manifest.json").read_text())]


def read_or_skip(path: Path) -> otio.core.SerializableObject:
    try:
        return files.read(str(path))
    except TimelineError as error:
        pytest.skip(f"OpenTimelineIO doesn't read it here: {error}")


def test_there_are_timelines_to_try(shared: Path) -> None:
    assert entries()


@pytest.mark.parametrize("entry", entries())
def test_a_dry_run_answers_for_each_clip(
    shared: Path, entry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = shared / "timelines" / entry
    root = read_or_skip(path)
    clips = 1 if isinstance(root, otio.schema.Clip) else len(list(root.find_clips()))
    report_path = tmp_path / "report.json"
    monkeypatch.setattr("sys.argv", ["avassist", "run", str(path), "--dry-run", "--report", str(report_path)])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code in (0, 3)
    report = json.loads(report_path.read_text(), parse_constant=pytest.fail)
    assert report["schema"] == "avassist-report.1"
    if not report["findings"]:
        assert len(report["skipped"]) == clips
    assert all(each["reason"] for each in report["skipped"])


@pytest.mark.parametrize("entry", entries())
def test_written_back_without_findings_it_is_what_otio_itself_writes(
    shared: Path, entry: str, tmp_path: Path
) -> None:
    root = read_or_skip(shared / "timelines" / entry)
    before = otio.adapters.write_to_string(root, "otio_json")
    assisted = pipeline.assist(root, pipeline.Settings())
    if any(line.outcome.edits for line in assisted.report.findings):
        pytest.skip("its media is here, and something was found")
    assert otio.adapters.write_to_string(root, "otio_json") == before
    files.write(assisted.timeline, str(tmp_path / "back.otio"))
    assert (tmp_path / "back.otio").read_text() == before
