import json

import pytest

from otio_avassist.adapters.report import SUFFIXES, write
from otio_avassist.errors import UsageError


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".HTML"])
def test_the_ending_of_the_name_chooses_the_format(report, tmp_path, suffix):
    path = tmp_path / f"report{suffix}"
    write(report, path)
    begins = {".json": "{", ".csv": "\ufeffclip,", ".html": "<!DOCTYPE html>"}[suffix.lower()]
    assert path.read_text("utf-8").startswith(begins)


def test_a_name_without_a_known_ending_is_refused_and_nothing_is_written(report, tmp_path):
    with pytest.raises(UsageError, match=r"\.json, \.csv, \.html"):
        write(report, tmp_path / "report.pdf")
    assert list(tmp_path.iterdir()) == []


def test_media_that_has_gone_does_not_stop_a_page(report, tmp_path):
    write(report, tmp_path / "report.html")
    assert "<img" not in (tmp_path / "report.html").read_text("utf-8")


def test_an_older_report_is_replaced_whole(report, tmp_path):
    path = tmp_path / "report.json"
    path.write_text("x" * 100_000)
    write(report, path)
    assert json.loads(path.read_text())["schema"] == "avassist-report.1"
    assert [each.name for each in tmp_path.iterdir()] == ["report.json"]
