"""Foley from timeline to timeline, by command and hook; the bundle whistles at red and hums at green."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import opentimelineio as otio
import pytest

from otio_avassist import edits, files, pipeline, places, review, sounds, urls
from otio_avassist.__main__ import main
from otio_avassist.errors import TimelineError, UsageError
from otio_avassist.findings import FoleyFinding
from otio_avassist.spans import MediaSpan, Shot
from otio_avassist.tasks import foley
from otio_avassist.wanted import Wish
from tests.cuts import take, time_range
from tests.material import film
from tests.pretend import GREEN, RED, paint, pretended_foley
from tests.test_after_an_editor import through_an_editor
from tests.test_timelines import Everywhere, entries, probe

FPS = 25


@pytest.fixture(scope="module")
def media(tmp_path_factory) -> Path:
    """Three seconds of red, three of green; and a tone to lie under a picture, louder at its end."""
    folder = tmp_path_factory.mktemp("media")
    paint(folder / "film.mp4", [(RED, 3), (GREEN, 3)], fps=FPS)
    paint(folder / "tone.wav", sounds=[(400.0, 4)])
    paint(folder / "nothing.wav", sounds=[(None, 4)])
    return folder


def a_cut(media: Path, under: str = "tone.wav") -> otio.schema.Timeline:
    """Two seconds of red with nothing to hear, two of green with a sound under them."""
    film, sound = (otio.schema.ExternalReference(str(media / name)) for name in ("film.mp4", under))
    film.available_range, sound.available_range = time_range(0, 150), time_range(0, 100)
    clips = [
        otio.schema.Clip(f"shot {number}", film, time_range(first, 50))
        for number, first in enumerate((0, 80))
    ]
    gap = otio.schema.Gap(source_range=time_range(0, 50))
    below = [gap, otio.schema.Clip(under, sound, time_range(10, 50))]
    cut = otio.schema.Timeline("cut", global_start_time=otio.opentime.RationalTime(90000, FPS))
    cut.tracks.name = "cut"
    cut.tracks.append(otio.schema.Track("V1", clips, kind="Video"))
    cut.tracks.append(otio.schema.Track("A1", below, kind="Audio"))
    cut.tracks.markers.append(otio.schema.Marker("boom", time_range(60, 20), "RED"))
    return cut


@pytest.fixture(autouse=True)
def whistler(monkeypatch: pytest.MonkeyPatch):
    """The networks that are opened; sync has none, and works by cheaper evidence."""
    opened = pretended_foley()
    monkeypatch.setattr(pipeline.bundles, "find", lambda task, named=None: Path(task))
    monkeypatch.setattr(pipeline.bundles, "open_bundle", lambda folder, **how: opened)
    monkeypatch.setattr(pipeline, "_find_sync", lambda settings: None)
    monkeypatch.setitem(pipeline._OPEN, "sync", lambda settings: None)
    # The command silences hooks for its whole process.
    monkeypatch.delenv("AVASSIST_HOOKS", raising=False)
    return opened


@pytest.fixture
def project(media: Path, tmp_path: Path) -> Path:
    a_cut(media).to_json_file(str(tmp_path / "cut.otio"))
    return tmp_path


@pytest.fixture
def avassist(monkeypatch: pytest.MonkeyPatch):
    """Call the command as typed; returns its exit code."""

    def call(*words: object) -> int:
        monkeypatch.setattr("sys.argv", ["avassist", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            main()
        return int(end.value.code or 0)

    return call


def read(path: Path):
    return otio.adapters.read_from_file(str(path))


def ours(root) -> list[otio.schema.Clip]:
    return [each.clip for each in places.walk(root) if each.address.track.startswith("avassist foley")]


def test_a_silent_shot_gets_a_sound_beside_the_output_and_all_else_stays(project: Path, avassist) -> None:
    out = project / "out.otio"
    assert avassist("foley", project / "cut.otio", "-o", out, "--takes", 2, "-q") == 0
    before, after = (json.loads((project / name).read_text()) for name in ("cut.otio", "out.otio"))
    new = after["tracks"]["children"].pop()
    assert after == before
    assert new["name"].startswith("avassist foley ")
    (sound,) = ours(read(out))
    assert (sound.name, sound.source_range) == ("whistle", time_range(0, 50))
    files_ = [Path(each.target_url) for each in sound.media_references().values()]
    assert {each.parent for each in files_} == {project / "out.foley"}
    assert sorted(files_) == sorted((project / "out.foley").iterdir())
    assert all(sounds.duration_s(each) >= 2.0 for each in files_)


def test_a_second_run_gives_the_same_bytes_and_makes_nothing_anew(project: Path, avassist) -> None:
    out, again = project / "out.otio", project / "again.otio"
    assert avassist("foley", project / "cut.otio", "-o", out, "--takes", 2, "-q") == 0
    made = {each: each.stat().st_mtime_ns for each in (project / "out.foley").iterdir()}
    sidecar = (project / "out.avassist.json").read_bytes()
    assert avassist("foley", out, "--in-place", "--takes", 2, "-q") == 0
    first = out.read_bytes()
    assert avassist("foley", project / "cut.otio", "-o", out, "--takes", 2, "-q") == 0
    assert out.read_bytes() == first
    assert (project / "out.avassist.json").read_bytes() == sidecar
    assert {each: each.stat().st_mtime_ns for each in (project / "out.foley").iterdir()} == made
    # From the result, whose own sounds are in nobody's way, into another folder.
    assert avassist("foley", out, "-o", again, "--takes", 2, "--foley-dir", project / "out.foley", "-q") == 0
    assert again.read_bytes() == first


def test_strip_gives_back_the_input(project: Path, avassist) -> None:
    out, back = project / "out.otio", project / "back.otio"
    assert avassist("foley", project / "cut.otio", "-o", out, "-q") == 0
    assert avassist("strip", out, "-o", back) == 0
    assert back.read_bytes() == (project / "cut.otio").read_bytes()


def test_a_dry_run_says_what_would_be_made_and_makes_nothing(project: Path, avassist, capsys) -> None:
    report = project / "r.json"
    there = sorted(project.iterdir())
    assert avassist("foley", project / "cut.otio", "--dry-run", "--report", report) == 0
    report_ = json.loads(report.read_text())
    (found,) = report_["findings"]
    assert (found["name"], found["planned"], found["takes"], found["applied"]) == ("whistle", True, [], False)
    assert sorted(project.iterdir()) == [*there, report]
    table = capsys.readouterr().out
    assert "whistle, generated: would be made" in table
    assert "would be: 1 laid" in table
    (skipped,) = report_["skipped"]
    assert skipped["reason"].startswith("has sound under it already: tone.wav")


def test_only_to_look_makes_no_sound(project: Path) -> None:
    settings = pipeline.Settings(tasks=("foley",), foley=foley.Options(folder=project / "f"))
    report = pipeline.analyse(read(project / "cut.otio"), settings)
    assert [line.finding.planned for line in report.findings] == [True]
    assert not (project / "f").exists()


def test_on_stdout_a_folder_is_asked_for(project: Path, avassist, capsys) -> None:
    assert avassist("foley", project / "cut.otio", "-o", "-", "-q") == 2
    assert "--foley-dir DIR" in capsys.readouterr().err
    assert avassist("foley", project / "cut.otio", "-o", "-", "--foley-dir", project / "takes", "-q") == 0
    cut = otio.adapters.read_from_string(capsys.readouterr().out, "otio_json")
    (sound,) = ours(cut)
    assert Path(sound.media_reference.target_url).parent == project / "takes"


def test_digital_silence_under_a_shot_is_nothing_to_hear(media: Path, tmp_path: Path, avassist) -> None:
    a_cut(media, "nothing.wav").to_json_file(str(tmp_path / "cut.otio"))
    assert avassist("foley", tmp_path / "cut.otio", "-o", tmp_path / "out.otio", "-q") == 0
    assert [each.name for each in ours(read(tmp_path / "out.otio"))] == ["whistle", "hum"]


@pytest.mark.parametrize(
    ("words", "names", "at_s"),
    [
        (["--which", "all"], ["whistle", "hum"], [0.0, 2.0]),
        (["--clip", "shot 1"], ["hum"], [2.0]),
        (["--track", "V1"], ["whistle", "hum"], [0.0, 2.0]),
        (["--track", "0", "--which", "silent"], ["whistle"], [0.0]),
        (["--marker", "boom"], ["hum"], [2.4]),
        (["--clip", "shot 0", "--sound", "hum"], ["hum"], [0.0]),
    ],
)
def test_what_is_named_gets_a_sound(project: Path, avassist, words, names, at_s) -> None:
    out = project / "out.otio"
    assert avassist("foley", project / "cut.otio", "-o", out, "-q", *words) == 0
    laid = [each for each in places.walk(read(out)) if each.address.track.startswith("avassist foley")]
    assert [each.clip.name for each in laid] == names
    assert [round(each.place.at_s, 6) for each in laid] == at_s


def test_the_options_reach_the_task(project: Path, avassist, monkeypatch) -> None:
    asked = []
    monkeypatch.setitem(
        pipeline.TASKS,
        "foley",
        SimpleNamespace(analyse=lambda shots, network, options, *rest: asked.append(options) or ()),
    )
    words = ["--takes", 3, "--seed", 7, "--sound", "hum", "--loudness", -20, "--foley-dir", project / "x"]
    words += ["--library", project, "--prime", "01:00:02:05-01:00:03:05", "--no-sync-check", "--which", "all"]
    assert avassist("foley", project / "cut.otio", "-o", project / "out.otio", "-q", *words) == 3
    (options,) = asked
    assert (options.takes, options.seed, options.sound, options.loudness) == (3, 7, "hum", -20.0)
    assert options.library == project
    assert (options.folder, options.check_sync, options.dry_run) == (project / "x", False, False)
    # Under the second shot the tone is read from its frame 10 on.
    assert (options.prime.start_s, options.prime.duration_s) == pytest.approx((0.6, 1.0))
    assert (options.prime.path.name, options.primed_by) == ("tone.wav", "tone.wav at 01:00:02:05-01:00:03:05")
    assert [each.media_name for each in options.around] == ["tone.wav"]
    assert options.rate == FPS


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--prime", "0.2-1"], "no sound lies there"),
        (["--prime", "3-2"], "the end after the start"),
        (["--prime", "01:00:99:00-01:01:00:00"], "no timecode at 25"),
        (["--prime", "nowhere.wav"], "nowhere.wav"),
        (["--loudness", "loud"], "loudness: wanted a number"),
        (["--loudness", "12"], "LUFS from -70 to 0"),
        (["--clip", "z"], "no clip with pictures is called 'z'; there is: shot 0, shot 1"),
        (["--sound", "helicopter"], "helicopter"),
    ],
)
def test_what_cannot_be_meant_is_wrong_usage_and_writes_nothing(
    project: Path, avassist, capsys, words, said
) -> None:
    assert avassist("foley", project / "cut.otio", "-o", project / "out.otio", "-q", *words) == 2
    assert said in capsys.readouterr().err
    assert not (project / "out.otio").exists()


def test_a_file_is_gone_on_from(project: Path, media: Path, avassist) -> None:
    out = project / "out.otio"
    prime = ["--prime", media / "tone.wav", "--report", project / "r.json"]
    assert avassist("foley", project / "cut.otio", "-o", out, "-q", *prime) == 0
    (found,) = json.loads((project / "r.json").read_text())["findings"]
    assert found["primed_by"] == "tone.wav"
    assert "on from tone.wav" in found["words"]


def test_reports_name_the_files_from_where_they_stand(project: Path, avassist) -> None:
    (project / "reports").mkdir()
    reports = [project / "reports" / f"r.{suffix}" for suffix in ("json", "csv", "html")]
    words = [each for report in reports for each in ("--report", report)]
    assert (
        avassist("foley", project / "cut.otio", "-o", project / "out.otio", "--takes", 2, "-q", *words) == 0
    )
    facts = json.loads(reports[0].read_text())
    (found,) = facts["findings"]
    assert [each["name"] for each in facts["bundles"]] == ["pretended foley", "efficientnet-lite0"]
    assert all(Path(each["path"]).is_file() for each in found["takes"])
    assert all(each["true_peak_dbtp"] <= -1 for each in found["takes"])
    row, *_ = csv.DictReader(reports[1].read_text("utf-8-sig").splitlines())
    assert (row["text"], row["made_by"], len(row["takes"].split("; "))) == ("whistle", "generated", 2)
    page = reports[2].read_text()
    assert page.count("<audio ") == page.count('class="curves"') == 2
    link = page.split('src="../')[1].split('"')[0]
    assert (project / link).is_file()


def test_a_person_chooses_a_take_and_another_seed_leaves_it(project: Path, avassist) -> None:
    out = project / "out.otio"
    assert avassist("foley", project / "cut.otio", "-o", out, "--takes", 3, "-q") == 0
    root = read(out)
    (sound,) = ours(root)
    third = places.media_name(otio.schema.Clip("x", sound.media_references()["take 3"]))
    finding = sound.metadata["otio_avassist"]["finding"]
    files.write(review.decide(root, finding, "accepted", "Ada", take=third), str(out))
    assert avassist("foley", out, "--in-place", "--takes", 3, "-q") == 0
    assert [places.media_name(each) for each in ours(read(out))] == [third]
    assert avassist("foley", out, "--in-place", "--seed", 9, "-q") == 0
    (sound,) = ours(read(out))
    assert places.media_name(sound) == third
    assert len(sound.media_references()) == 2
    (project / "out.foley" / third).unlink()
    assert avassist("foley", out, "--in-place", "--seed", 9, "-q", "--report", project / "r.json") == 0
    (found,) = json.loads((project / "r.json").read_text())["findings"]
    assert "isn't there any more" in found["doubts"][0]


def test_what_a_person_rejected_is_not_made_again(project: Path, avassist, monkeypatch) -> None:
    out = project / "out.otio"
    words = ["--which", "all", "-q", "--report", project / "r.json"]
    assert avassist("foley", project / "cut.otio", "-o", out, *words) == 0
    root = read(out)
    ids = {each.name: each.metadata["otio_avassist"]["finding"] for each in ours(root)}
    for name in ("hum", "whistle"):
        files.write(review.decide(read(out), ids[name], "rejected", "Ada"), str(out))
    for each in (project / "out.foley").iterdir():
        each.unlink()
    for _ in range(2):
        assert avassist("foley", out, "--in-place", *words) == 0
        assert ours(read(out)) == []
        assert list((project / "out.foley").iterdir()) == []
        found = json.loads((project / "r.json").read_text())["findings"]
        assert sorted((each["name"], each["action"]) for each in found) == [
            ("hum", "rejected"), ("whistle", "rejected"),
        ]  # fmt: skip


def test_sync_captions_and_foley_run_in_one_go_and_each_again_alone(
    project: Path, avassist, monkeypatch
) -> None:
    monkeypatch.setitem(pipeline.TASKS, "captions", SimpleNamespace(analyse=lambda *given: ()))
    monkeypatch.setitem(pipeline._OPEN, "captions", lambda settings: None)
    out = project / "out.otio"
    assert avassist("run", project / "cut.otio", "-o", out, "--tasks", "sync,captions,foley", "-q") == 0
    assert len(ours(read(out))) == 1
    first = out.read_bytes()
    for tasks in ("sync", "foley", "captions", "foley,sync"):
        assert avassist("run", out, "--in-place", "--tasks", tasks, "-q") in (0, 3)
        assert out.read_bytes() == first, tasks


def test_a_take_can_be_asked_whether_it_is_in_step(tmp_path: Path) -> None:
    film(tmp_path / "film.mp4", seconds=8)
    film(tmp_path / "take.wav", seconds=8, picture=False, early_s=0.4)
    address = places.Address((0, 0), "V1", 0, "film", 0)
    picture = MediaSpan(address, "picture", "", tmp_path / "film.mp4", 0.0, 8.0, 0.0, FPS)
    sound = replace(picture, kind="sound", path=tmp_path / "take.wav")
    asked = pipeline._InStep(pipeline.Settings(tasks=("foley",)))(Shot(picture, sound, "overlap"))
    assert asked.audio_early_s == pytest.approx(0.4, abs=0.02)


@pytest.mark.parametrize("other", ["another network", "another search", "nobody asked"])
def test_takes_are_not_kept_for_another_judge_of_them(other, project: Path, avassist, monkeypatch) -> None:
    words = ("foley", project / "cut.otio", "-o", project / "out.otio", "-q")
    assert avassist(*words) == 0
    if other == "another network":
        card = SimpleNamespace(graphs={"main": SimpleNamespace(sha256="f00")})
        read_card = pipeline.bundles.Card.read
        monkeypatch.setattr(
            pipeline.bundles.Card, "read", lambda folder: card if folder == project else read_card(folder)
        )
        monkeypatch.setattr(pipeline, "_find_sync", lambda settings: project)
        monkeypatch.setattr(pipeline, "_load_sync", lambda settings: None)
    if other == "another search":
        wider = pipeline.sync.Options(max_offset_s=3.0)
        made = pipeline.Settings
        monkeypatch.setattr(pipeline, "Settings", lambda **given: made(**{**given, "sync": wider}))
    assert avassist(*words, *["--no-sync-check"] * (other == "nobody asked")) == 0
    assert len(list((project / "out.foley").iterdir())) == 2


# What others make of it


def tool(name: str, *words: object) -> str:
    program = Path(sys.executable).with_name(name)
    done = subprocess.run([str(program), *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def laid(project: Path, avassist) -> Path:
    out = project / "out.otio"
    assert avassist("foley", project / "cut.otio", "-o", out, "--takes", 2, "-q") == 0
    return out


def test_opentimelineios_own_tools_read_it_and_find_the_files(laid: Path) -> None:
    listed = tool(
        "otiotool",
        "-i",
        laid,
        "--list-clips",
        "--list-media",
        "--list-tracks",
        "--verify-media",
        "--verify-ranges",
    )
    assert "whistle" in listed
    assert "avassist foley" in listed
    assert "out.foley/foley_whistle_" in listed
    assert "NOT FOUND" not in listed
    assert "foley_whistle" in tool("otiocat", laid)
    assert "whistle" in tool("otiotool", "-i", laid, "--only-tracks-with-index", "3", "-o", "-")


def test_through_final_cuts_xml_the_sound_stands_where_it_stood(laid: Path, project: Path, avassist) -> None:
    xml, again = project / "out.xml", project / "again.otio"
    assert avassist("foley", project / "cut.otio", "-o", xml, "--takes", 2, "-q") == 0
    back = read(xml)
    names = {places.media_name(each.clip): each.place.at_s for each in places.walk(back)}
    assert names[places.media_name(ours(read(laid))[0])] == 0.0
    # Its adapter drops the names of tracks.
    (project / "out.avassist.json").unlink()
    words = ["--takes", 2, "--foley-dir", project / "out.foley", "-q"]
    assert avassist("foley", xml, "-o", again, *words) == 0
    assert [places.media_name(each) for each in ours(read(again))] == [
        places.media_name(each) for each in ours(read(laid))
    ]
    assert len(read(again).tracks) == 3
    assert avassist("strip", xml, "-o", again) == 0
    assert len(read(again).tracks) == 2


def test_a_shot_that_comes_twice_has_both_its_sounds_in_final_cuts_xml(media: Path, project: Path, avassist):
    film = otio.schema.ExternalReference(str(media / "film.mp4"), time_range(0, 150))
    once, again = (otio.schema.Clip(name, film.clone(), time_range(0, 25)) for name in ("once", "again"))
    cut = otio.schema.Timeline("cut")
    gap = otio.schema.Gap(source_range=time_range(0, 50))
    cut.tracks.append(otio.schema.Track("V1", [once, gap, again], kind="Video"))
    cut.to_json_file(str(project / "twice.otio"))
    for name in ("out.xml", "out.otio"):
        assert avassist("foley", project / "twice.otio", "-o", project / name, "-q") == 0
        sounds = [each for each in places.walk(read(project / name)) if each.place.kind == "sound"]
        assert [each.place.at_s for each in sounds] == [0.0, 3.0]
        assert len({places.media_name(each.clip) for each in sounds}) == 1
    first = (project / "out.otio").read_bytes()
    assert avassist("foley", project / "out.otio", "--in-place", "-q") == 0
    assert (project / "out.otio").read_bytes() == first


def test_a_timeline_that_carries_its_media_carries_the_take_that_plays(project: Path, avassist) -> None:
    out = project / "out.otioz"
    assert avassist("foley", project / "cut.otio", "-o", out, "--takes", 2, "-q") == 0
    (sound,) = ours(read(out))
    assert sound.media_reference.target_url in zipfile.ZipFile(out).namelist()


def test_an_edl_has_no_room_for_it_and_that_is_said(project: Path, avassist, capsys) -> None:
    assert avassist("foley", project / "cut.otio", "-o", project / "out.edl", "-q") == 0
    assert "2 of 2 sound clips" in capsys.readouterr().err


def test_after_an_editor_dropped_what_it_does_not_know_our_track_is_found_by_its_name(
    laid: Path, project: Path, avassist
) -> None:
    exported = project / "exported.otio"
    files.write(through_an_editor(read(laid)), str(exported))
    again = project / "again.otio"
    words = ["--takes", 2, "--foley-dir", project / "out.foley", "-q"]
    assert avassist("foley", exported, "-o", again, *words) == 0
    assert len(ours(read(again))) == 1
    assert len(read(again).tracks) == 3


# Hooks


def test_a_hook_puts_sounds_beside_the_file_that_is_written(project: Path) -> None:
    from otio_avassist.hooks import run

    cut = read(project / "cut.otio")
    out = run.mend(
        cut, {"_filepath": str(project / "hooked.otio"), "avassist": {"strict": True}}, task="foley"
    )
    (sound,) = ours(out)
    assert Path(sound.media_reference.target_url).parent == project / "hooked.foley"
    assert (project / "hooked.avassist.json").is_file()


def test_without_a_file_a_hook_asks_for_a_folder_and_hands_back_what_it_was_given(
    project: Path, capsys
) -> None:
    from otio_avassist.hooks import run

    cut = read(project / "cut.otio")
    assert run.mend(cut, {"avassist": {"tasks": "foley"}}) is cut
    assert "'foley_dir'" in capsys.readouterr().err
    told = {"tasks": "foley", "foley_dir": str(project / "takes"), "takes": 2, "track": "V1"}
    assert len(ours(run.mend(cut, {"avassist": told}))) == 2


# Timelines that editors wrote


def make(shots, network, options, progress, store):
    for shot in shots:
        lead = shot.lead
        made = tuple(take(number, lead.duration_s + 1) for number in (1, 2))
        end_s = lead.record_start_s + lead.duration_s
        yield FoleyFinding(shot, lead.record_start_s, end_s, lead.start_s, "rain", "generated", made, 0.7)


@pytest.fixture
def road(monkeypatch: pytest.MonkeyPatch):
    """The pipeline with media everywhere, and a task of foley that says it made rain for every shot."""
    monkeypatch.setitem(pipeline.TASKS, "foley", SimpleNamespace(analyse=make))
    monkeypatch.setattr(pipeline, "_locator", lambda settings: Everywhere())
    monkeypatch.setattr(pipeline.windows, "probe", probe)
    return pipeline


@pytest.mark.parametrize("entry", [entry["file"] for entry in entries()])
def test_of_a_timeline_that_an_editor_wrote_nothing_changes_but_that_it_has_tracks_of_ours(
    shared: Path, entry: str, road
) -> None:
    try:
        root = files.read(str(shared / "timelines" / entry))
    except TimelineError as error:
        pytest.skip(f"OpenTimelineIO doesn't read it here: {error}")
    options = foley.Options(folder=Path("/project/cut.foley"))
    settings = pipeline.Settings(tasks=("foley",), foley=options, wish=Wish("all"))
    before = root.to_json_string()
    done = road.assist(root, settings)
    assert root.to_json_string() == before
    assert without_our_tracks(json.loads(done.timeline.to_json_string())) == json.loads(before)
    again = road.assist(done.timeline, settings, sidecar=done.sidecar)
    assert again.timeline.to_json_string() == done.timeline.to_json_string()
    assert again.sidecar == done.sidecar
    assert edits.strip(done.timeline).timeline.to_json_string() == before
    laid = [each for each in places.walk(done.timeline) if each.address.track.startswith("avassist foley")]
    assert len(laid) == len(done.report.findings)
    spelt = {places.url_of(each.clip.media_reference)[:5] == "file:" for each in places.walk(root)}
    for each in laid:
        cut = each.clip.source_range
        assert cut.start_time.value == 0
        assert cut.duration.value == round(cut.duration.value) >= 1
        assert cut.duration.rate <= 240
        reference = each.clip.media_reference
        assert cut.duration <= reference.available_range.duration
        assert urls.path_from_url(reference.target_url).endswith(
            "/project/cut.foley/foley_rain_000000000001.wav"
        )
        assert len(spelt) > 1 or reference.target_url.startswith("file:") in spelt
    heard = sorted(round(each.place.at_s, 1) for each in laid)
    for line, at_s in zip(
        sorted(done.report.findings, key=lambda line: line.finding.start_s), heard, strict=True
    ):
        assert at_s == pytest.approx(line.finding.start_s, abs=0.1)


def without_our_tracks(value):
    """A timeline's JSON without tracks of ours."""
    if isinstance(value, dict):
        return {key: without_our_tracks(each) for key, each in value.items()}
    if isinstance(value, list):
        return [without_our_tracks(each) for each in value if not is_ours(each)]
    return value


def is_ours(value) -> bool:
    return isinstance(value, dict) and str(value.get("name", "")).startswith("avassist foley ")


def test_a_film_on_its_own_is_a_timeline_of_one_shot(media: Path, tmp_path: Path, avassist) -> None:
    words = ["--sound", "hum", "-q"]
    assert avassist("foley", media / "film.mp4", "-o", tmp_path / "out.otio", *words) == 0
    assert len(ours(read(tmp_path / "out.otio"))) == 1


def test_strict_does_not_mind_pictures_that_have_their_sound(project: Path, avassist) -> None:
    assert avassist("foley", project / "cut.otio", "-o", project / "out.otio", "--strict", "-q") == 0


def test_where_no_track_can_stand_the_clip_is_passed_over(project: Path) -> None:
    alone = read(project / "cut.otio").tracks[0].deepcopy()
    settings = pipeline.Settings(tasks=("foley",), foley=foley.Options(folder=project / "f"))
    done = pipeline.assist(alone, settings)
    assert {each.reason for each in done.report.skipped} == {
        "stands in no timeline that could hold a track for its sound"
    }
    with pytest.raises(UsageError, match="foley-dir"):
        pipeline.assist(alone, replace(settings, foley=foley.Options()))
