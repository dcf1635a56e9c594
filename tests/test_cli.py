"""The command, from the words typed to the files written and the exit code."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import opentimelineio as otio
import pytest

from otio_avassist.__main__ import main
from tests.material import film

EARLY_S = 0.4
FPS = 25


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A camera that heard the event itself, and a recorder whose sound lies 0.4 s early under it."""
    folder = tmp_path_factory.mktemp("project")
    film(folder / "camera.mp4", seconds=12)
    film(folder / "recorder.wav", seconds=12, picture=False, early_s=EARLY_S)
    a_cut(folder).to_json_file(str(folder / "cut.otio"))
    return folder


def a_cut(folder: Path) -> otio.schema.Timeline:
    timeline = otio.schema.Timeline("cut", global_start_time=otio.opentime.RationalTime(90000, FPS))
    for kind, name in (("Video", "camera.mp4"), ("Audio", "recorder.wav")):
        media = otio.schema.ExternalReference(str(folder / name), frames(0, 300))
        clip = otio.schema.Clip(name, media, frames(50, 200), metadata={"Resolve_OTIO": {"Link Group ID": 1}})
        timeline.tracks.append(otio.schema.Track(kind, [clip], kind=kind))
    return timeline


def frames(start: int, count: int) -> otio.opentime.TimeRange:
    return otio.opentime.TimeRange(
        otio.opentime.RationalTime(start, FPS), otio.opentime.RationalTime(count, FPS)
    )


@pytest.fixture
def avassist(monkeypatch: pytest.MonkeyPatch):
    """Call the command as typed; returns its exit code."""

    def call(*words: object) -> int:
        monkeypatch.setattr("sys.argv", ["avassist", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            main()
        return int(end.value.code or 0)

    return call


def sound_start(path: Path) -> float:
    [sound] = otio.adapters.read_from_file(str(path)).audio_tracks()
    return sound[0].source_range.start_time.value


def test_early_sound_is_read_from_earlier_in_its_media(project: Path, avassist, tmp_path: Path) -> None:
    out, report = tmp_path / "mended.otio", tmp_path / "report.json"
    assert avassist("sync", project / "cut.otio", "-o", out, "--report", report, "-q") == 0
    assert sound_start(out) == 50 - EARLY_S * FPS
    [finding] = json.loads(report.read_text())["findings"]
    assert finding["audio_early_s"] == pytest.approx(EARLY_S, abs=0.001)
    assert finding["method"] == "sound-to-sound"
    assert finding["applied"] is True
    assert "sound early by 10.0 frames (400 ms)" in finding["words"]


def test_the_input_is_left_as_it_was(project: Path, avassist, tmp_path: Path) -> None:
    before = (project / "cut.otio").read_bytes()
    avassist("sync", project / "cut.otio", "-o", tmp_path / "mended.otio", "-q")
    assert (project / "cut.otio").read_bytes() == before


def test_a_second_run_gives_the_same_bytes(project: Path, avassist, tmp_path: Path) -> None:
    once, twice = tmp_path / "once.otio", tmp_path / "twice.otio"
    avassist("sync", project / "cut.otio", "-o", once, "-q")
    avassist("sync", once, "-o", twice, "-q")
    assert twice.read_bytes() == once.read_bytes()


def test_strip_gives_back_the_input(project: Path, avassist, tmp_path: Path) -> None:
    mended, back = tmp_path / "mended.otio", tmp_path / "back.otio"
    avassist("sync", project / "cut.otio", "-o", mended, "-q")
    assert avassist("strip", mended, "-o", back) == 0
    normal = otio.adapters.write_to_string(
        otio.adapters.read_from_file(str(project / "cut.otio")), "otio_json"
    )
    assert back.read_text() == normal


def test_a_named_sidecar_restores_what_an_editor_exported_under_another_name(
    project: Path, avassist, tmp_path: Path
) -> None:
    mended, exported, back = (tmp_path / f"{name}.otio" for name in ("mended", "exported", "back"))
    avassist("sync", project / "cut.otio", "-o", mended, "-q")
    timeline = otio.adapters.read_from_file(str(mended))
    for clip in timeline.find_clips():
        clip.metadata.pop("otio_avassist", None)
    timeline.to_json_file(str(exported))
    assert avassist("strip", exported, "-o", back) == 0
    assert sound_start(back) == 40
    assert avassist("strip", exported, "-o", back, "--sidecar", tmp_path / "mended.avassist.json") == 0
    assert sound_start(back) == 50
    assert avassist("strip", exported, "-o", back, "--sidecar", tmp_path / "none.json") == 2


def test_a_dry_run_writes_the_report_and_no_timeline(project: Path, avassist, tmp_path: Path) -> None:
    assert avassist("sync", project / "cut.otio", "--dry-run", "--report", tmp_path / "r.json", "-q") == 0
    assert [each.name for each in tmp_path.iterdir()] == ["r.json"]
    assert json.loads((tmp_path / "r.json").read_text())["findings"][0]["applied"] is False


def test_propose_marks_and_moves_nothing(project: Path, avassist, tmp_path: Path) -> None:
    out = tmp_path / "marked.otio"
    assert avassist("sync", project / "cut.otio", "-o", out, "--propose", "-q") == 0
    assert sound_start(out) == 50
    assert len(otio.adapters.read_from_file(str(out)).tracks.markers) == 1


def test_only_what_was_accepted_is_done_where_that_is_asked_for(
    project: Path, avassist, tmp_path: Path
) -> None:
    out, report = tmp_path / "mended.otio", tmp_path / "report.json"
    asked = ("sync", project / "cut.otio", "-o", out, "--report", report, "--accepted", "-q")
    assert avassist(*asked) == 0
    [finding] = json.loads(report.read_text())["findings"]
    assert (finding["action"], finding["applied"], finding["state"]) == ("waiting", False, "proposed")
    assert sound_start(out) == 50
    [(id_, kept)] = json.loads((tmp_path / "mended.avassist.json").read_text())["findings"].items()
    kept["decision"] = {"state": "accepted", "audio_early_s": 0.2}
    sidecar = tmp_path / "said.json"
    sidecar.write_text(json.dumps({"schema": "avassist-sidecar.1", "findings": {id_: kept}}))
    assert avassist(*asked, "--sidecar", sidecar) == 0
    assert sound_start(out) == 50 - 0.2 * FPS


def test_review_opens_the_panel_with_what_was_asked_for(
    project: Path, avassist, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list = []

    def open_panel(path, settings, *, output, sidecar) -> int:
        opened.append((path, settings.tasks, settings.foley.folder, output, sidecar))
        return 7

    # What it stands on isn't needed to hear what it is told.
    monkeypatch.setitem(sys.modules, "otio_avassist.panel.app", SimpleNamespace(open_panel=open_panel))
    cut, out = str(project / "cut.otio"), str(tmp_path / "decided.otio")
    sidecar, sounds = tmp_path / "said.json", tmp_path / "sounds"
    asked = ("--tasks", "sync, foley", "-o", out, "--sidecar", sidecar, "--foley-dir", sounds)
    assert avassist("review", cut, *asked) == 7
    assert opened == [(cut, ("sync", "foley"), sounds, out, sidecar)]


def test_review_without_qt_says_what_to_install(
    project: Path, avassist, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [each for each in sys.modules if each.startswith("otio_avassist.panel.")]:
        monkeypatch.delitem(sys.modules, name)
    # Another test may have brought in its parts, which would be found without it.
    for name in ("PySide6", *(each for each in sys.modules if each.startswith("PySide6."))):
        monkeypatch.setitem(sys.modules, name, None)
    assert avassist("review", project / "cut.otio") == 1
    assert "the panel needs PySide6" in (said := capsys.readouterr().err)
    assert "pip install 'otio-avassist[panel]'" in said


def test_in_place_replaces_the_input(project: Path, avassist, tmp_path: Path) -> None:
    own = tmp_path / "cut.otio"
    own.write_bytes((project / "cut.otio").read_bytes())
    assert avassist("sync", own, "--in-place", "-q") == 0
    assert sound_start(own) == 40


def test_pipes_carry_timelines(project: Path, avassist, monkeypatch, capsys) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO((project / "cut.otio").read_text()))
    assert avassist("sync", "-", "-o", "-") == 0
    out = otio.adapters.read_from_string(capsys.readouterr().out, "otio_json")
    assert out.audio_tracks()[0][0].source_range.start_time.value == 40


def test_relative_media_lies_beside_the_timeline(project: Path, avassist, tmp_path: Path) -> None:
    timeline = a_cut(Path())
    beside = project / "relative.otio"
    timeline.to_json_file(str(beside))
    assert avassist("sync", beside, "-o", tmp_path / "out.otio", "-q") == 0
    assert sound_start(tmp_path / "out.otio") == 40


def test_moved_media_is_found_by_map_and_by_root(project: Path, avassist, tmp_path: Path) -> None:
    a_cut(Path("Z:\\rushes\\day 1")).to_json_file(str(tmp_path / "windows.otio"))
    for words in (["--map", f"Z:\\rushes\\day 1={project}"], ["--media-root", project]):
        assert avassist("sync", tmp_path / "windows.otio", "-o", tmp_path / "out.otio", "-q", *words) == 0
        assert sound_start(tmp_path / "out.otio") == 40


def test_a_media_file_is_a_timeline_of_one_shot(project: Path, avassist, tmp_path: Path) -> None:
    assert avassist("sync", project / "camera.mp4", "-o", tmp_path / "out.otio", "-q") in (0, 3)
    [clip] = otio.adapters.read_from_file(str(tmp_path / "out.otio")).find_clips()
    assert clip.name == "camera.mp4"


def test_one_broken_timeline_does_not_stop_the_rest(project: Path, avassist, tmp_path: Path, capsys) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    out.mkdir()
    (folder / "a_broken.otio").write_text("{")
    (folder / "b.otio").write_bytes((project / "cut.otio").read_bytes())
    # Subtitles and reports lie beside timelines, and are none.
    (folder / "b.srt").write_text("1\n00:00:00,000 --> 00:00:01,000\nHello\n")
    (folder / "report.csv").write_text("clip,track\n")
    assert avassist("run", folder, "-o", out, "-q") == 1
    assert sound_start(out / "b.otio") == 40
    assert "a_broken.otio" in capsys.readouterr().err


def test_an_unreadable_clip_does_not_stop_the_rest(project: Path, avassist, tmp_path: Path) -> None:
    timeline = a_cut(project)
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no film")
    for track in timeline.tracks:
        media = otio.schema.ExternalReference(str(broken), frames(0, 300))
        track.append(otio.schema.Clip("broken.mp4", media, frames(0, 100)))
    timeline.to_json_file(str(tmp_path / "cut.otio"))
    report = tmp_path / "r.json"
    assert avassist("sync", tmp_path / "cut.otio", "-o", tmp_path / "o.otio", "--report", report, "-q") == 0
    facts = json.loads(report.read_text())
    assert len(facts["findings"]) == 1
    assert {each["clip"] for each in facts["skipped"]} == {"broken.mp4"}
    assert all("broken.mp4" in each["reason"] for each in facts["skipped"])


def test_all_missing_media_is_listed_in_one_pass(avassist, tmp_path: Path) -> None:
    a_cut(Path("/nowhere")).to_json_file(str(tmp_path / "cut.otio"))
    assert avassist("sync", tmp_path / "cut.otio", "--dry-run", "--report", tmp_path / "r.json", "-q") == 3
    reasons = [each["reason"] for each in json.loads((tmp_path / "r.json").read_text())["skipped"]]
    assert len(reasons) == 2
    assert all("not found" in reason for reason in reasons)


def test_titles_alone_are_nothing_that_went_wrong(avassist, tmp_path: Path) -> None:
    title = otio.schema.Clip("title", otio.schema.MissingReference(), frames(0, 50))
    cut = otio.schema.Timeline("cut")
    cut.tracks.append(otio.schema.Track("V1", [title], kind="Video"))
    cut.to_json_file(str(tmp_path / "cut.otio"))
    assert avassist("sync", tmp_path / "cut.otio", "--dry-run", "-q") == 0
    assert avassist("sync", tmp_path / "cut.otio", "--dry-run", "--strict", "-q") == 3


def test_nothing_to_stand_for_ends_with_3(avassist, tmp_path: Path) -> None:
    film(tmp_path / "still.mp4", seconds=8, silent=True)
    assert avassist("sync", tmp_path / "still.mp4", "--dry-run", "-q") == 3


def test_cuda_that_is_not_here_ends_with_4(project: Path, avassist, capsys) -> None:
    from otio_avassist import bundles

    if bundles.device_report().device == "cuda":
        pytest.skip("this machine has CUDA")
    assert avassist("sync", project / "cut.otio", "--dry-run", "--device", "cuda", "-q") == 4
    assert "CUDA" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "no input"),
        (["{cut}"], "where the result goes"),
        (["{cut}", "-o", "{cut}"], "input itself"),
        (["{cut}", "-o", "x.otio", "--dry-run"], "one of"),
        (["{cut}", "--dry-run", "--report", "r.pdf"], "r.pdf"),
        (["{cut}", "--dry-run", "--map", "nonsense"], "OLD=NEW"),
        (["{cut}", "{cut}", "-o", "nowhere"], "folder"),
    ],
)
def test_wrong_usage_ends_with_2_and_says_what_is_wanted(
    project: Path, avassist, capsys, words: list[str], said: str
) -> None:
    assert avassist("sync", *(word.format(cut=project / "cut.otio") for word in words)) == 2
    assert said in capsys.readouterr().err


def test_an_unknown_task_is_refused_with_the_known_ones(project: Path, avassist, capsys) -> None:
    assert avassist("run", project / "cut.otio", "--tasks", "polish", "--dry-run") == 2
    assert "sync" in capsys.readouterr().err


def test_a_missing_bundle_that_was_named_fails(project: Path, avassist, tmp_path: Path, capsys) -> None:
    assert avassist("sync", project / "cut.otio", "--dry-run", "--bundle", tmp_path / "none") == 1
    assert "none" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_fails_by_name(
    project: Path, avassist, tmp_path: Path, capsys
) -> None:
    assert avassist("sync", project / "cut.otio", "-o", tmp_path / "no" / "out.otio", "-q") == 1
    assert "out.otio" in capsys.readouterr().err


def test_stopping_writes_nothing(project: Path, avassist, tmp_path: Path, monkeypatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("otio_avassist.alignment.match_sounds", interrupted)
    assert avassist("sync", project / "cut.otio", "-o", tmp_path / "out.otio", "-q") == 130
    assert list(tmp_path.iterdir()) == []


def test_help_comes_without_what_analysis_needs() -> None:
    code = (
        "import sys; sys.argv = ['avassist', '--help']\n"
        "from otio_avassist.__main__ import main\n"
        "try:\n    main()\n"
        "except SystemExit:\n"
        "    print({'numpy', 'av', 'onnxruntime', 'opentimelineio', 'rich'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.endswith("set()\n")


def test_check_names_what_an_editor_would_refuse(avassist, tmp_path: Path, capsys) -> None:
    timeline = a_cut(Path("/media"))
    timeline.tracks[0][0].media_reference.target_url = "file:///media/camera%201.mp4"
    timeline.to_json_file(str(tmp_path / "cut.otio"))
    assert avassist("check", tmp_path / "cut.otio", "--for", "resolve") == 3
    assert "camera.mp4" in capsys.readouterr().out


def test_doctor_shows_what_really_runs(avassist, capsys) -> None:
    assert avassist("doctor") == 0
    said = capsys.readouterr().out
    assert "runs on" in said
    assert "avassist_assist" in said


@pytest.mark.parametrize("command", ["sync", "strip"])
def test_an_output_that_no_adapter_writes_is_refused_before_any_work(
    project: Path, avassist, tmp_path: Path, capsys, command: str
) -> None:
    assert avassist(command, project / "cut.otio", "-o", tmp_path / "mended.movie") == 2
    assert "mended.movie" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_media_file_is_never_replaced_by_a_timeline(project: Path, avassist, tmp_path: Path) -> None:
    own = tmp_path / "camera.mp4"
    own.write_bytes((project / "camera.mp4").read_bytes())
    assert avassist("sync", own, "--in-place", "-q") == 2
    assert own.read_bytes() == (project / "camera.mp4").read_bytes()


def test_an_output_folder_that_is_not_there_is_said_before_any_work(
    project: Path, avassist, tmp_path: Path, monkeypatch, capsys
) -> None:
    monkeypatch.setattr("otio_avassist.pipeline.assist", None)
    nowhere = tmp_path / "no"
    assert avassist("sync", project / "cut.otio", "-o", nowhere / "out.otio", "-q") == 1
    assert avassist("sync", project / "cut.otio", "--dry-run", "--report", nowhere / "r.json", "-q") == 1
    said = capsys.readouterr().err
    assert "out.otio" in said
    assert "r.json" in said


def test_one_input_spelt_in_two_ways_is_not_written_twice(
    project: Path, avassist, tmp_path: Path, capsys
) -> None:
    (tmp_path / "out").mkdir()
    inputs = [project / "cut.otio", project / ".." / project.name / "cut.otio"]
    assert avassist("run", *inputs, "-o", tmp_path / "out", "-q") == 2
    said = capsys.readouterr().err
    assert all(str(each) in said for each in inputs)
    assert list((tmp_path / "out").iterdir()) == []


def test_stopping_a_batch_names_what_was_written_before(
    project: Path, avassist, tmp_path: Path, monkeypatch, capsys
) -> None:
    from otio_avassist import pipeline

    inputs = [tmp_path / name for name in ("a.otio", "b.otio")]
    for each in inputs:
        each.write_bytes((project / "cut.otio").read_bytes())
    out = tmp_path / "out"
    out.mkdir()
    runs = iter([pipeline.assist])

    def only_once(*values: object, **named: object) -> object:
        for assist in runs:
            return assist(*values, **named)
        raise KeyboardInterrupt

    monkeypatch.setattr("otio_avassist.pipeline.assist", only_once)
    assert avassist("sync", *inputs, "-o", out, "-q") == 130
    said = capsys.readouterr().err
    assert str(out / "a.otio") in said
    assert "nothing was written" not in said


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("words", [["-o", "-", "-q"], ["--dry-run"]])
def test_a_full_disk_behind_stdout_is_said_in_one_line(project: Path, words: list[str]) -> None:
    command = [sys.executable, "-m", "otio_avassist", "sync", str(project / "cut.otio"), *words]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "No space left" in done.stderr


def test_a_sidecar_of_something_else_is_left_alone(project: Path, avassist, tmp_path: Path, capsys) -> None:
    foreign = tmp_path / "mended.avassist.json"
    foreign.write_text('{"schema": "avassist-sidecar.99"}')
    assert avassist("sync", project / "cut.otio", "-o", tmp_path / "mended.otio", "-q") == 1
    assert "avassist-sidecar.99" in capsys.readouterr().err
    assert foreign.read_text() == '{"schema": "avassist-sidecar.99"}'


def test_strip_says_when_it_finds_nothing_of_ours(project: Path, avassist, tmp_path: Path, capsys) -> None:
    assert avassist("strip", project / "cut.otio", "-o", tmp_path / "same.otio") == 0
    assert "nothing" in capsys.readouterr().err


def test_a_dry_run_never_says_that_something_was_done(project: Path, avassist, capsys) -> None:
    assert avassist("sync", project / "cut.otio", "--dry-run") == 0
    assert "would be: 1 slipped" in capsys.readouterr().out


def test_a_format_that_drops_sound_is_not_passed_over(
    project: Path, avassist, tmp_path: Path, capsys
) -> None:
    assert avassist("sync", project / "cut.otio", "-o", tmp_path / "mended.edl", "-q") == 0
    said = capsys.readouterr().err
    assert "mended.edl" in said
    assert "1 of 1 sound clips" in said
    assert avassist("sync", project / "cut.otio", "-o", tmp_path / "mended.xml", "-q") == 0
    assert "sound clips" not in capsys.readouterr().err


@pytest.fixture
def edl(tmp_path: Path) -> Path:
    path = tmp_path / "cut.edl"
    event = "001  AX       V     C        00:00:01:00 00:00:03:00 01:00:00:00 01:00:02:00"
    path.write_text(f"TITLE: cut\n{event}\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(("said", "rate"), [((), 24), (("--edl-rate", "50"), 50)])
@pytest.mark.parametrize("command", ["sync", "run", "strip"])
def test_an_edl_is_read_at_the_rate_that_was_said(
    edl: Path, avassist, command: str, said: tuple[str, ...], rate: int
) -> None:
    out = edl.parent / "out.otio"
    avassist(command, edl, "-o", out, *said)  # no media: nothing can be said
    [clip] = otio.adapters.read_from_file(str(out)).find_clips()
    assert clip.source_range == otio.opentime.TimeRange(
        otio.opentime.RationalTime(rate, rate), otio.opentime.RationalTime(2 * rate, rate)
    )


@pytest.mark.parametrize("rate", ["7", "nan"])
def test_a_rate_that_no_edl_has_is_refused_by_the_name_of_the_file(
    edl: Path, avassist, capsys, rate: str
) -> None:
    assert avassist("check", edl, "--for", "resolve", "--edl-rate", rate) == 1
    assert "cut.edl" in capsys.readouterr().err


# Captions, by a task that says the same of every shot


@pytest.fixture
def teller(monkeypatch: pytest.MonkeyPatch):
    """What `avassist captions` runs; `options` of each call, and `silent` where it has nothing to say."""
    from types import SimpleNamespace

    from otio_avassist import pipeline
    from otio_avassist.findings import CaptionFinding

    told = SimpleNamespace(options=[], silent=False)

    def analyse(shots, bundle, options, progress, store):
        told.options.append(options)
        for shot in () if told.silent else shots:
            start_s = shot.lead.record_start_s + 1.0
            yield CaptionFinding(
                shot, start_s, start_s + 2.0, shot.lead.start_s + 1.0, "A light flashes.", "light",
                "event", "seen", 0.7, (), (("light", 0.9),),
            )  # fmt: skip

    card = SimpleNamespace(network="teller")
    monkeypatch.setitem(pipeline.TASKS, "captions", SimpleNamespace(analyse=analyse))
    monkeypatch.setitem(
        pipeline._OPEN,
        "captions",
        lambda settings: SimpleNamespace(card=card, sha256="0", device="cpu", needs={}),
    )
    return told


def markers(path: Path) -> list[otio.schema.Marker]:
    return list(otio.adapters.read_from_file(str(path)).tracks.markers)


def test_captions_become_markers_and_a_report_of_each_kind(
    project: Path, avassist, teller, tmp_path: Path, capsys
) -> None:
    out = tmp_path / "out.otio"
    reports = [tmp_path / f"r.{suffix}" for suffix in ("json", "csv", "html")]
    words = [each for report in reports for each in ("--report", report)]
    assert avassist("captions", project / "cut.otio", "-o", out, *words) == 0
    [marker] = markers(out)
    assert (marker.name, marker.color) == ("light", "BLUE")
    assert marker.marked_range == frames(25, 50)
    [found] = json.loads(reports[0].read_text())["findings"]
    assert (found["text"], found["start_s"], found["end_s"]) == ("A light flashes.", 1.0, 3.0)
    assert found["applied"] is True
    assert "A light flashes." in reports[1].read_text()
    assert "data:image/jpeg" in reports[2].read_text()
    table = capsys.readouterr().out
    assert "A light flashes." in table
    assert "01:00:01:00" in table
    assert "1 captioned" in table


def test_the_options_of_captions_reach_their_task(project: Path, avassist, teller, tmp_path: Path) -> None:
    out = tmp_path / "out.otio"
    said = tmp_path / "said.srt"
    said.write_text("")
    words = ["--per-minute", 3, "--levels", "event", "--beam", 4, "--on", "clip", "--speech", said]
    assert avassist("captions", project / "cut.otio", "-o", out, "-q", *words, "--say-speech") == 0
    [options] = teller.options
    assert (options.per_minute, options.levels, options.beam, options.on) == (3.0, ("event",), 4, "clip")
    assert (options.speech, options.say_speech) == (said, True)
    [clip] = otio.adapters.read_from_file(str(out)).video_tracks()[0]
    assert [each.marked_range for each in clip.markers] == [frames(75, 50)]


def test_sync_and_captions_run_in_one_go_and_strip_takes_both_away(
    project: Path, avassist, teller, tmp_path: Path
) -> None:
    out, back = tmp_path / "out.otio", tmp_path / "back.otio"
    assert avassist("run", project / "cut.otio", "-o", out, "--tasks", "sync, captions", "-q") == 0
    assert sound_start(out) == 40
    assert len(markers(out)) == 1
    again = tmp_path / "again.otio"
    assert avassist("captions", out, "-o", again, "-q") == 0
    assert again.read_bytes() == out.read_bytes()
    assert avassist("strip", again, "-o", back) == 0
    assert (sound_start(back), markers(back)) == (50, [])


def test_captions_that_have_nothing_to_say_end_with_3(
    project: Path, avassist, teller, tmp_path: Path, capsys
) -> None:
    teller.silent = True
    assert avassist("captions", project / "cut.otio", "-o", tmp_path / "out.otio") == 3
    assert "nothing to say" in capsys.readouterr().out
    a_cut(Path("/nowhere")).to_json_file(str(tmp_path / "cut.otio"))
    assert avassist("captions", tmp_path / "cut.otio", "--dry-run", "-q") == 3  # nothing could be


def test_without_a_network_captions_say_so_and_write_nothing(
    project: Path, avassist, tmp_path: Path, monkeypatch, capsys
) -> None:
    from otio_avassist import bundles

    monkeypatch.setenv("OTIO_AVASSIST_BUNDLES", str(tmp_path))
    monkeypatch.setattr(bundles, "SHIPPED", tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert avassist("captions", project / "cut.otio", "-o", tmp_path / "out.otio", "-q") == 1
    assert "captions" in capsys.readouterr().err
    assert not (tmp_path / "out.otio").exists()


@pytest.mark.parametrize(
    ("command", "shown", "hidden"),
    [
        ("sync", "--detach --max-offset --min-confidence --propose", "--per-minute --levels --speech --on"),
        (
            "captions",
            "--per-minute --levels --beam --on --speech --say-speech --proposals",
            "--detach --propose",
        ),
        ("foley", "--takes --seed --sound --which --track --prime --loudness --foley-dir", "--detach --beam"),
        ("run", "--tasks --detach --per-minute --takes", "--nothing"),
    ],
)
def test_a_command_offers_the_options_of_its_own_tasks(avassist, capsys, command, shown, hidden) -> None:
    assert avassist(command, "--help") == 0
    words = set(capsys.readouterr().out.split())
    assert set(shown.split()) <= words
    assert not set(hidden.split()) & words


def test_what_a_format_cannot_say_of_captions_is_said(
    project: Path, avassist, teller, tmp_path: Path, capsys
) -> None:
    assert avassist("captions", project / "cut.otio", "-o", tmp_path / "out.edl", "-q") == 0
    said = capsys.readouterr().err
    assert "1 of 1 markers" in said
    assert "sound" not in said  # nothing was mended in them
    assert avassist("captions", project / "cut.otio", "-o", tmp_path / "out.otio", "-q") == 0
    assert capsys.readouterr().err == ""


def test_captions_go_through_final_cuts_xml_and_are_known_again(
    project: Path, avassist, teller, tmp_path: Path, capsys
) -> None:
    xml, again = tmp_path / "out.xml", tmp_path / "again.otio"
    assert avassist("captions", project / "cut.otio", "-o", xml, "-q") == 0
    assert capsys.readouterr().err == ""
    assert "<comment>A light flashes. [avassist captions" in xml.read_text()
    (tmp_path / "out.avassist.json").unlink()
    assert avassist("captions", xml, "-o", again, "-q") == 0
    assert [each.name for each in markers(again)] == ["light"]
