import csv
import io
from dataclasses import replace

import pytest

from otio_avassist.adapters.report_csv import CAPTION_COLUMNS, COLUMNS, FOLEY_COLUMNS, to_csv
from otio_avassist.spans import Skipped


def rows(report):
    return list(csv.DictReader(io.StringIO(to_csv(report).removeprefix("\ufeff"), newline="")))


def test_each_finding_and_each_skipped_clip_is_a_row(report):
    read = rows(report)
    assert [row["action"] for row in read] == [
        "slipped",
        "in step",
        "abstained",
        "skipped",
        "skipped",
        "skipped",
    ]
    assert all(tuple(row) == COLUMNS for row in read)
    assert all(None not in row.values() for row in read)


def test_offsets_stand_in_frames_and_milliseconds_and_times_as_timecode(report):
    moved, _, unsure, *_ = rows(report)
    assert (moved["offset_frames"], moved["offset_ms"]) == ("10.0", "400.0")
    assert (moved["timecode_in"], moved["timecode_out"]) == ("01:00:10:00", "01:00:18:00")
    assert (unsure["offset_frames"], unsure["offset_ms"]) == ("", "")


def test_a_spreadsheet_told_it_is_utf_8_believes_it(report):
    assert to_csv(report).encode().startswith(b"\xef\xbb\xbf")


@pytest.mark.parametrize("name", ["=HYPERLINK(1)", "+1", "-1", "@SUM(A1)"])
def test_a_name_is_never_a_formula(report, name):
    skipped = Skipped("V1", 0, name, 0, "a still")
    assert rows(replace(report, skipped=(skipped,)))[-1]["clip"] == f"'{name}"


def test_a_late_sound_stays_a_negative_number(report, early):
    object.__setattr__(early, "audio_early_s", -0.2)
    assert float(rows(report)[0]["offset_ms"]) == -200


def test_captions_bring_columns_of_their_own_behind_the_others(captions):
    bark, *_ = rows(captions)
    assert tuple(bark) == (*COLUMNS, *CAPTION_COLUMNS)
    assert (bark["task"], bark["text"], bark["carried_by"]) == (
        "captions", "A dog barks twice.", "seen and heard",
    )  # fmt: skip
    assert (bark["timecode_in"], bark["timecode_out"]) == ("01:00:11:00", "01:00:12:13")
    assert (bark["offset_ms"], bark["method"]) == ("", "")


def test_a_report_of_both_kinds_has_a_row_for_each(report, captions):
    both = replace(report, findings=report.findings + captions.findings, skipped=())
    assert [row["task"] for row in rows(both)] == ["sync"] * 3 + ["captions"] * 3
    assert rows(both)[0]["offset_ms"] == "400.0"


def test_sounds_that_were_made_bring_columns_too_and_share_those_of_captions(foley, captions):
    rain, _, none = rows(foley)
    assert tuple(rain) == (*COLUMNS, *FOLEY_COLUMNS)
    assert (rain["text"], rain["takes"]) == (
        "rain", "foley_rain_000000000001.wav; foley_rain_000000000002.wav",
    )  # fmt: skip
    assert (rain["loudness_lufs"], rain["take_early_ms"], rain["take_moved_ms"]) == ("-23.0", "80.0", "0.0")
    assert (none["takes"], none["loudness_lufs"], none["action"]) == ("", "", "abstained")
    both = rows(replace(foley, findings=foley.findings + captions.findings))
    assert tuple(both[0]) == (
        *COLUMNS, *CAPTION_COLUMNS, *(each for each in FOLEY_COLUMNS if each not in CAPTION_COLUMNS),
    )  # fmt: skip
