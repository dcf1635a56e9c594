import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from otio_avassist.adapters.report_json import to_json
from otio_avassist.findings import Attention


def refuse(constant):
    raise AssertionError(f"{constant} is not JSON")


def parsed(report):
    return json.loads(to_json(report), parse_constant=refuse)


def test_the_report_names_its_schema_and_what_was_run(report):
    facts = parsed(report)
    assert facts["schema"] == "avassist-report.1"
    assert facts["bundles"] == [{"name": "sync", "sha256": "0123456789abcdef"}]
    assert (facts["device"], facts["seconds"]) == ("CPU", 1.25)
    assert (facts["input"], facts["output"]) == ("/cut/reel <1>.otio", "/cut/mended.otio")


def test_a_finding_says_where_it_stands_and_how_far_the_sound_is_off(report):
    finding = parsed(report)["findings"][0]
    assert (finding["task"], finding["track"], finding["clip"]) == ("sync", "V1", "take.mov")
    assert (finding["track_index"], finding["clip_index"]) == (0, 1)
    assert (finding["start_s"], finding["end_s"]) == (10.0, 18.0)  # 0-based, without the start timecode
    assert (finding["audio_early_s"], finding["method"]) == (0.4, "sound-to-sound")
    assert finding["sound"]["media"] == "/nowhere/rec.wav"
    assert finding["jumps"] == [{"at_s": 4.0, "audio_early_s": 0.2, "give_or_take_s": 0.5}]
    assert finding["posterior"]["offsets_s"] == [-0.8, -0.4, 0.0, 0.4, 0.8]
    assert [each["method"] for each in finding["evidence"]] == ["container", "sound-to-sound"]


def test_what_is_unknown_is_null_and_never_nan(report):
    moved, _, unsure = parsed(report)["findings"]
    assert moved["residual_s"] is None  # NaN in the finding
    assert moved["evidence"][0]["audio_early_s"] is None
    assert unsure["audio_early_s"] is None
    assert unsure["posterior"] is None
    assert unsure["doubts"] == ["nothing moves <here>"]


def test_only_what_was_written_counts_as_applied(report, dry_run):
    assert [each["applied"] for each in parsed(report)["findings"]] == [True, False, False]
    assert not any(each["applied"] for each in parsed(dry_run)["findings"])
    assert parsed(dry_run)["findings"][0]["action"] == "slipped"


def test_numbers_of_numpy_are_written_as_numbers(report, early):
    object.__setattr__(early, "confidence", np.float32(0.5))
    assert parsed(report)["findings"][0]["confidence"] == 0.5


def test_skipped_clips_carry_their_reason(report):
    assert parsed(report)["skipped"][0] == {
        "track": "V1",
        "track_index": 0,
        "clip": "lost.mov",
        "clip_index": 4,
        "reason": "media not found: /nowhere/lost.mov",
        "media": "/nowhere/lost.mov",
    }


def test_where_the_network_looked_is_told_by_names(report):
    [line, *others] = report.findings
    assert parsed(report)["findings"][0]["attention"] is None
    attention = Attention(((2.0, 0.5, 0.1, 4.0),), ((2.1, 3.0),), ((2.0, 2.0),))
    told = replace(line, finding=replace(line.finding, attention=attention))
    assert parsed(replace(report, findings=(told, *others)))["findings"][0]["attention"] == {
        "is_even": False,
        "seen": [{"at_s": 2.0, "row": 0.5, "column": 0.1, "weight": 4.0}],
        "heard": [{"at_s": 2.1, "weight": 3.0}],
        "seen_curve": [{"at_s": 2.0, "weight": 2.0}],
        "heard_curve": [],
    }


def test_every_key_is_explained_to_its_readers(report):
    page = (Path(__file__).parents[2] / "docs" / "reading-a-report.md").read_text("utf-8")
    facts = parsed(report)
    keys = {*facts, *facts["findings"][0], *facts["skipped"][0]} - {"schema", "findings", "skipped"}
    assert [key for key in sorted(keys) if f"`{key}`" not in page] == []


def test_a_caption_has_its_sentence_and_the_times_of_its_event(captions):
    bark, _, walk = parsed(captions)["findings"]
    assert (bark["task"], bark["text"], bark["carried_by"]) == (
        "captions", "A dog barks twice.", "seen and heard",
    )  # fmt: skip
    assert (bark["start_s"], bark["end_s"], bark["media_start_s"]) == (11.0, 12.5, 3.0)
    assert bark["word_probabilities"] == [
        {"word": "a", "probability": 0.9}, {"word": "dog", "probability": 0.5},
    ]  # fmt: skip
    assert [each["applied"] for each in (bark, walk)] == [True, False]
    assert walk["level"] == "scene"
    assert "audio_early_s" not in bark


def test_nothing_is_laid_in_a_dry_run(captions):
    assert not any(each["applied"] for each in parsed(replace(captions, output=None))["findings"])


def test_both_kinds_stand_in_one_report(report, captions):
    both = parsed(replace(report, findings=report.findings + captions.findings))
    assert [each["task"] for each in both["findings"]] == ["sync"] * 3 + ["captions"] * 3
    assert both["findings"][:3] == parsed(report)["findings"]


def test_every_key_of_a_caption_is_explained_to_its_readers(captions):
    page = (Path(__file__).parents[2] / "docs" / "reading-a-report.md").read_text("utf-8")
    assert [key for key in sorted(parsed(captions)["findings"][0]) if f"`{key}`" not in page] == []


def test_a_sound_that_was_made_says_what_it_is_and_what_was_measured_of_each_take(foley):
    rain, theirs, none = parsed(foley)["findings"]
    assert (rain["task"], rain["name"], rain["made_by"], rain["applied"]) == (
        "foley", "rain", "generated", True,
    )  # fmt: skip
    assert (rain["start_s"], rain["end_s"], rain["sound"]) == (11.0, 13.0, None)
    assert [take["file"] for take in rain["takes"]] == [
        "foley_rain_000000000001.wav",
        "foley_rain_000000000002.wav",
    ]
    second = rain["takes"][1]
    assert (second["seed"], second["shifted_s"], second["audio_early_s"]) == (2, 0.08, 0.08)
    assert (second["loudness_lufs"], second["true_peak_dbtp"]) == (-23.04, -3.5)
    assert second["path"] == "/cut/mended.foley/foley_rain_000000000002.wav"
    assert (theirs["takes"][0]["seed"], theirs["takes"][0]["loudness_lufs"]) == (None, None)
    assert (none["takes"], none["action"], none["applied"]) == ([], "abstained", False)


def test_every_key_of_a_sound_and_of_its_takes_is_explained_to_its_readers(foley):
    page = (Path(__file__).parents[2] / "docs" / "reading-a-report.md").read_text("utf-8")
    rain = parsed(foley)["findings"][0]
    assert [key for key in sorted({*rain, *rain["takes"][0]}) if f"`{key}`" not in page] == []
