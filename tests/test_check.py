"""What each editor is known to stumble over is found, and what it takes isn't."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import opentimelineio as otio
import pytest

from otio_avassist import edits
from otio_avassist.check import RULES, check
from otio_avassist.errors import UsageError
from tests.cuts import address, clip, foley, simple, time_range, timeline, track


def changed(change: Callable[[otio.schema.Timeline], object]) -> otio.schema.Timeline:
    cut = simple()
    change(cut)
    return cut


def first(cut: otio.schema.Timeline) -> otio.schema.Clip:
    return cut.tracks[0][0]


def url(text: str) -> otio.schema.Timeline:
    return changed(lambda cut: setattr(first(cut).media_reference, "target_url", text))


def source(start: float, duration: float, *, available: tuple[float, float]) -> otio.schema.Timeline:
    return changed(
        lambda cut: cut.tracks[0].__setitem__(0, clip("a.mov", start, duration, available=available))
    )


def warp(scalar: float) -> otio.schema.Timeline:
    return changed(lambda cut: first(cut).effects.append(otio.schema.LinearTimeWarp(time_scalar=scalar)))


def marker(name: str = "", comment: str = "", note: str = "", frames: float = 1, color: str = "RED"):
    metadata = {"Resolve_OTIO": {"Note": note}} if note else {}
    mark = otio.schema.Marker(name, time_range(3, frames), color, metadata, comment)
    return changed(lambda cut: cut.tracks.markers.append(mark))


def kind(name: str) -> otio.schema.Timeline:
    return changed(lambda cut: setattr(cut.tracks[1], "kind", name))


def takes(count: int) -> otio.schema.Timeline:
    cut = simple()
    return edits.apply(cut, edits.edit_for(foley(cut, takes=count)).edits)


@pytest.mark.parametrize(
    ("cut", "editors", "words"),
    [
        pytest.param(url("file:///media/a.mov"), "resolve premiere", "file: url", id="file url"),
        pytest.param(url("file:///media/a%20b.mov"), "resolve kdenlive", "percent-encoded", id="encoded url"),
        pytest.param(url("a.mov"), "resolve", "relative", id="relative url"),
        pytest.param(
            source(10, 50, available=(86400, 100)), "resolve", "before its media", id="too early"
        ),
        pytest.param(source(10.5, 50, available=(0, 100)), "resolve", "between two frames", id="fraction"),
        pytest.param(source(10, 50.5, available=(0, 100)), "resolve", "between two frames", id="odd end"),
        pytest.param(warp(1.0), "premiere", "100 %", id="idle warp"),
        pytest.param(warp(2.0), "resolve", "200 %", id="fast warp"),
        pytest.param(warp(-1.0), "resolve", "-100 %", id="reverse"),
        pytest.param(warp(0.5), "kdenlive", "LinearTimeWarp", id="dropped effect"),
        pytest.param(source(0, 444, available=(0, 1)), "premiere", "still", id="short still"),
        pytest.param(
            changed(lambda cut: setattr(first(cut), "media_reference", otio.schema.MissingReference())),
            "kdenlive", "no media file", id="missing reference",
        ),
        pytest.param(marker("name", "text"), "resolve", "comment", id="no note for Resolve"),
        pytest.param(marker("", "text", "text"), "premiere", "name", id="no name for Premiere"),
        pytest.param(marker("name", "", "text"), "kdenlive", "comment", id="no comment for Kdenlive"),
        pytest.param(marker("a", "a", "a", frames=0), "resolve", "shorter than a frame", id="no length"),
        pytest.param(marker("a", "a", "a", color="MINT"), "premiere kdenlive", "MINT", id="foreign colour"),
        pytest.param(kind("audio"), "resolve premiere kdenlive", "kind 'audio'", id="lower-case kind"),
        pytest.param(kind("Subtitle"), "resolve premiere kdenlive", "'Subtitle'", id="unknown kind"),
        pytest.param(
            changed(lambda cut: setattr(cut.tracks[1], "enabled", False)), "premiere", "disabled track",
            id="disabled track",
        ),
        pytest.param(
            changed(lambda cut: setattr(cut.tracks, "name", "")), "premiere", "stack of tracks",
            id="unnamed stack",
        ),
        pytest.param(
            timeline(track("Video", clip("a.mov", rate=0))), "resolve premiere kdenlive", "rate of 0",
            id="rate 0",
        ),
        pytest.param(
            source(math.nan, 50, available=(0, 100)), "resolve premiere kdenlive", "no number", id="NaN range"
        ),
        pytest.param(
            changed(lambda cut: first(cut).metadata.update({"a": {"b": [1.0, math.nan]}})),
            "resolve premiere kdenlive", "metadata", id="NaN metadata",
        ),
        pytest.param(takes(2), "resolve premiere kdenlive", "2 takes", id="takes"),
        pytest.param(None, "resolve premiere kdenlive", "null", id="null root"),
    ],
)  # fmt: skip
def test_each_problem_is_told_for_the_editors_that_have_it_and_no_other(
    cut, editors: str, words: str
) -> None:
    told = {editor for editor in RULES if any(words in each.what for each in check(cut, editor))}
    assert told == set(editors.split())


def test_a_problem_says_where_it_is_and_what_helps() -> None:
    (problem,) = check(url("file:///media/a.mov"), "resolve")
    assert problem.where == "Video 1: a.mov"
    assert "bare path" in problem.remedy


@pytest.mark.parametrize("editor", RULES)
def test_a_plain_cut_and_all_that_we_add_to_it_are_taken(editor: str) -> None:
    cut = simple(start=4)
    note = {"task": "sync", "finding": "3f2a91bc00112233"}
    mended = edits.apply(
        cut,
        [
            edits.SlipSound(address(cut, 1, 0), 0.4, note),
            edits.AddMarker(address(cut, 0, 1), 4.0, 0.04, "early 400 ms", "b.mov: early", "YELLOW", note),
            edits.DetachSound(address(cut, 0, 1), 0.4, note),
            *edits.edit_for(foley(cut, takes=1)).edits,
        ],
    )
    assert check(cut, editor) == ()
    assert check(mended, editor) == ()


@pytest.mark.parametrize(
    "url_", [r"C:\media\a.mov", r"\\server\share\a.mov", "/media/a b#1.mov", "https://host/a%20b.mov"]
)
def test_whole_paths_of_any_system_are_taken_by_resolve(url_: str) -> None:
    assert check(url(url_), "resolve") == ()


def test_an_editor_without_rules_is_refused_with_the_choices() -> None:
    with pytest.raises(UsageError, match="resolve, premiere, kdenlive"):
        check(simple(), "avid")


def test_every_timeline_that_editors_wrote_can_be_checked(shared: Path) -> None:
    folder = shared / "timelines"
    tried = 0
    for entry in json.loads((folder / "manifest.json").read_text()):
        if Path(entry["file"]).suffix not in (".otio", ".json"):
            continue
        try:
            root = otio.adapters.read_from_file(str(folder / entry["file"]), adapter_name="otio_json")
        except otio.exceptions.OTIOError:
            continue  # newer than this OpenTimelineIO
        for editor in RULES:
            assert all(each.where and each.what and each.remedy for each in check(root, editor))
        tried += 1
    assert tried
