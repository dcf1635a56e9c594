"""What each editor is known to stumble over is found, and what it takes isn't."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import opentimelineio as otio
import pytest
from click.testing import CliRunner

from otio_avassist import edits
from otio_avassist.check import RULES, check, check_text
from otio_avassist.cli import avassist
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


def on_clip(start: float) -> otio.schema.Timeline:
    cut = source(start, 50, available=(0, 1000))
    mark = otio.schema.Marker("a", time_range(start + 3, 1), "RED", {"Resolve_OTIO": {"Note": "a"}}, "a")
    first(cut).markers.append(mark)
    return cut


def on_track() -> otio.schema.Timeline:
    mark = otio.schema.Marker("a", time_range(3, 1), "RED", {"Resolve_OTIO": {"Note": "a"}}, "a")
    return changed(lambda cut: cut.tracks[0].markers.append(mark))


def at_rate(rate: float) -> otio.schema.Timeline:
    mark = otio.schema.Marker("a", time_range(3, 1, rate), "RED", {"Resolve_OTIO": {"Note": "a"}}, "a")
    return changed(lambda cut: cut.tracks.markers.append(mark))


def without_media(reference: otio.core.MediaReference) -> otio.schema.Timeline:
    return changed(lambda cut: setattr(first(cut), "media_reference", reference))


def sound(**noted: object) -> otio.schema.Timeline:
    """Of the first sound of a cut, what Resolve noted of it; `url`: another file."""
    cut = simple()
    clip_ = cut.tracks[1][0]
    clip_.media_reference.target_url = str(noted.pop("url", "/media/a.wav"))
    clip_.metadata["Resolve_OTIO"] = noted
    return cut


def gain(gain_db: float) -> otio.schema.Timeline:
    parameters = [{"Parameter ID": "volume", "Parameter Value": gain_db}]
    effect = otio.schema.Effect(
        effect_name="Resolve Effect", metadata={"Resolve_OTIO": {"Parameters": parameters}}
    )
    return changed(lambda cut: cut.tracks[1][0].effects.append(effect))


def mono(channels: int) -> otio.schema.Timeline:
    cut = sound(Channels=[{"Source Channel ID": each, "Source Track ID": 0} for each in range(channels)])
    cut.tracks[1].metadata["Resolve_OTIO"] = {"Audio Type": "Mono"}
    return cut


def still(name: str, length: float) -> otio.schema.Timeline:
    return changed(lambda cut: cut.tracks[0].__setitem__(0, clip(name, 0, 100, available=(0, length))))


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
        pytest.param(
            without_media(otio.schema.MissingReference()), "premiere", "drawn picture", id="lost media"
        ),
        pytest.param(
            without_media(otio.schema.GeneratorReference("bars", "SMPTEBars")), "premiere", "drawn picture",
            id="generator",
        ),
        pytest.param(
            without_media(otio.schema.ImageSequenceReference("/media/", "a.", ".exr")), "kdenlive",
            "no media file", id="image sequence",
        ),
        pytest.param(still("a.png", 50), "premiere", "still", id="still of some frames"),
        pytest.param(
            changed(lambda cut: first(cut).effects.append(otio.schema.TimeEffect())), "premiere",
            "speed that changes", id="ramp",
        ),
        pytest.param(sound(**{"Link Group ID": 1}), "premiere", "1 groups", id="links"),
        pytest.param(gain(-6.0), "premiere", "levels", id="levels"),
        pytest.param(gain(40.0), "resolve", "40 dB", id="gain too high"),
        pytest.param(gain(-200.0), "resolve", "-200 dB", id="gain too low"),
        pytest.param(sound(url="/media/a.MXF"), "resolve", "MXF", id="MXF without channels"),
        pytest.param(mono(2), "resolve", "mono track", id="stereo on mono"),
        pytest.param(
            changed(lambda cut: setattr(first(cut), "color", otio.core.Color.RED)), "resolve", "colour",
            id="colour of a clip",
        ),
        pytest.param(
            changed(lambda cut: first(cut).metadata.update({"cmx_3600": {"reel": "A"}})), "resolve",
            "cmx_3600", id="metadata of others",
        ),
        pytest.param(
            changed(lambda cut: first(cut).metadata.update({"fcp_xml": {"@id": "1"}})), "premiere",
            "XML in 1 places", id="metadata of an XML",
        ),
        pytest.param(on_track(), "resolve premiere kdenlive", "only timelines and clips", id="track marker"),
        pytest.param(on_clip(100), "kdenlive", "lands that much late", id="marker counted twice"),
        pytest.param(at_rate(24), "kdenlive", "24 frames a second", id="marker at another rate"),
        pytest.param(
            changed(lambda cut: cut.tracks[0].append(otio.schema.Stack("nest"))), "kdenlive", "compound",
            id="compound clip",
        ),
        pytest.param(
            changed(lambda cut: setattr(first(cut), "enabled", False)), "kdenlive", "switched off",
            id="disabled clip",
        ),
        pytest.param(url("/media/a #1.mov"), "kdenlive", "#", id="name like a url"),
        pytest.param(track("Video", clip("a.mov")), "kdenlive", "holds no timeline", id="a track alone"),
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


@pytest.mark.parametrize(
    "cut",
    [
        pytest.param(sound(url="/media/a.mxf", Channels=[{"Source Channel ID": 0}]), id="MXF with channels"),
        pytest.param(mono(1), id="mono on mono"),
        pytest.param(gain(-100.0), id="as quiet as can be"),
        pytest.param(still("a.png", 1), id="still of one frame"),
        pytest.param(on_clip(100), id="marker on a clip"),
    ],
)
def test_what_resolve_itself_writes_is_taken_by_it(cut) -> None:
    assert check(cut, "resolve") == ()


@pytest.mark.parametrize(
    ("cut", "editor"),
    [
        pytest.param(still("a.png", 100), "premiere", id="still that is long enough"),
        pytest.param(warp(0.5), "premiere", id="steady speed"),
        pytest.param(on_clip(0), "kdenlive", id="marker on a clip from 0"),
        pytest.param(at_rate(25), "kdenlive", id="marker at the timeline's rate"),
    ],
)
def test_what_another_editor_is_known_to_read_is_no_problem(cut, editor: str) -> None:
    assert check(cut, editor) == ()


def test_numbers_without_a_point_are_told_for_resolve_alone() -> None:
    text = simple().to_json_string()
    assert check_text(text, "resolve") == ()
    whole = text.replace('"rate": 25.0', '"rate": 25')
    (problem,) = check_text(whole, "resolve")
    assert "decimal point" in problem.what
    assert check_text(whole, "kdenlive") == ()


def test_the_command_reads_the_file_as_it_is_spelt(tmp_path: Path) -> None:
    file = tmp_path / "cut.otio"
    file.write_text(simple().to_json_string().replace('"rate": 25.0', '"rate": 25'))
    told = CliRunner().invoke(avassist, ["check", str(file), "--for", "resolve"])
    assert told.exit_code == 3
    assert "decimal point" in told.output


def test_schemas_that_resolve_is_too_old_for_are_named() -> None:
    text = marker("a", "a", "a").to_json_string().replace("Marker.2", "Marker.3")
    (problem,) = check_text(text, "resolve")
    assert "Marker.3" in problem.what


@pytest.mark.parametrize("text", ["", "TITLE: cut", "[" * 100_000, "null", '{"OTIO_SCHEMA": 3}'])
def test_text_that_is_no_timeline_is_left_to_whoever_reads_it(text: str) -> None:
    assert check_text(text, "resolve") == ()


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
