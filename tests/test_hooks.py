"""The hooks as OpenTimelineIO's own commands run them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import opentimelineio as otio
import pytest

from otio_avassist.errors import MediaError, UsageError
from otio_avassist.hooks import run

HEAVY = "{'numpy', 'av', 'onnxruntime', 'PySide6', 'tomllib', 'json', 'dataclasses'}"


def environment(**changes: str) -> dict[str, str]:
    """This process's, without what would steer the hooks or was found before."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("AVASSIST_", "OTIO_"))}
    return clean | {"OTIO_AVASSIST_CACHE": "off"} | changes


def tool(name: str, *arguments: object, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run one of OpenTimelineIO's commands, as a person would."""
    program = Path(sys.executable).with_name(name)
    return subprocess.run(
        [str(program), *map(str, arguments)],
        cwd=cwd,
        env=environment(**variables),
        capture_output=True,
        text=True,
        check=False,
    )


def a_timeline(url: str = "nowhere.mov") -> otio.schema.Timeline:
    """A picture and its sound, linked by one media file that isn't there."""
    second = otio.opentime.TimeRange(otio.opentime.RationalTime(0, 25), otio.opentime.RationalTime(25, 25))
    timeline = otio.schema.Timeline("cut", global_start_time=otio.opentime.RationalTime(90000, 25))
    for kind in ("Video", "Audio"):
        clip = otio.schema.Clip("shot", otio.schema.ExternalReference(url, second), second)
        timeline.tracks.append(otio.schema.Track(kind[0] + "1", [clip], kind=kind))
    return timeline


@pytest.fixture
def cut(tmp_path) -> Path:
    path = tmp_path / "cut.otio"
    a_timeline().to_json_file(str(path))
    return path


# Nothing asked for


def test_with_nothing_asked_for_no_byte_changes(cut, tmp_path):
    for name, variables in (("with.otio", {}), ("without.otio", {"OTIO_DISABLE_ENTRYPOINTS_PLUGINS": "1"})):
        done = tool("otioconvert", "-i", cut, "-o", tmp_path / name, cwd=tmp_path, **variables)
        assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "with.otio").read_bytes() == (tmp_path / "without.otio").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cut.otio", "with.otio", "without.otio"]


def test_with_nothing_asked_for_no_timeline_of_the_material_changes(shared):
    listed = json.loads((shared / "timelines" / "manifest.json").read_text())
    native = [str(shared / "timelines" / each["file"]) for each in listed if each["file"].endswith(".otio")]
    program = """
import hashlib, sys, opentimelineio as otio
for name in sys.argv[1:]:
    try:
        root = otio.adapters.read_from_file(name)
        print(name, hashlib.sha256(otio.adapters.write_to_string(root).encode()).hexdigest())
    except Exception as error:
        print(name, type(error).__name__)
"""
    outputs = [
        subprocess.run(
            [sys.executable, "-c", program, *native],
            env=environment(**each),
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for each in ({}, {"OTIO_DISABLE_ENTRYPOINTS_PLUGINS": "1"})
    ]
    assert outputs[0] == outputs[1]
    assert len(outputs[0].splitlines()) == len(native)


def test_with_nothing_asked_for_nothing_heavy_is_imported(cut):
    program = f"""
import sys, opentimelineio as otio
before = set(sys.modules)
import otio_avassist.plugin, otio_avassist.config, otio_avassist.errors
root = otio.adapters.read_from_file(sys.argv[1])
otio.adapters.write_to_file(root, sys.argv[1])
assert "opentimelineio.adapters.avassist_assist" not in sys.modules
print({HEAVY} & (set(sys.modules) - before) - set(sys.argv[2:]))
print(sorted(name for name in sys.modules if name.startswith("otio_avassist")))
"""
    # OpenTimelineIO imports json by itself to read entry points.
    done = subprocess.run(
        [sys.executable, "-c", program, str(cut), "json"],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    heavy, ours = done.stdout.splitlines()
    assert heavy == "set()"
    assert ours == str(
        ["otio_avassist", "otio_avassist.config", "otio_avassist.errors", "otio_avassist.plugin"]
    )


@pytest.mark.parametrize("said", [{"AVASSIST_HOOKS": "off"}, {"AVASSIST_HOOKS": ""}], ids=["off", "empty"])
def test_the_environment_can_silence_the_file(cut, tmp_path, said):
    (tmp_path / "avassist.toml").write_text("tasks = 'sync'")
    done = tool("otioconvert", "-i", cut, "-o", "out.otio", cwd=tmp_path, **said)
    assert (done.returncode, done.stderr) == (0, "")


# What goes wrong


def test_an_unknown_key_is_named_and_the_timeline_comes_through(cut, tmp_path):
    done = tool("otioconvert", "-i", cut, "-o", "out.otio", "-H", "avassist={'taks': 'sync'}", cwd=tmp_path)
    assert done.returncode == 0
    lines = set(done.stderr.splitlines())
    assert len(lines) == 1
    assert "the timeline stays as it was: avassist: no such key: taks; there is: tasks" in lines.pop()
    assert (tmp_path / "out.otio").read_bytes() == normalised(cut)


def test_strict_makes_the_same_a_failure(cut, tmp_path):
    said = "avassist={'taks': 'sync', 'strict': True}"
    done = tool("otioconvert", "-i", cut, "-o", "out.otio", "-H", said, cwd=tmp_path)
    assert done.returncode != 0
    assert "no such key: taks" in done.stderr
    assert not (tmp_path / "out.otio").exists()


def test_an_argument_without_tasks_is_a_mistake_that_is_named(cut, tmp_path):
    done = tool("otioconvert", "-i", cut, "-o", "out.otio", "-H", "avassist={'device': 'cpu'}", cwd=tmp_path)
    assert done.returncode == 0
    assert "says nothing of 'tasks'" in done.stderr


def normalised(path: Path) -> bytes:
    """What OpenTimelineIO itself makes of a file."""
    text = otio.core.deserialize_json_from_file(str(path)).to_json_string()
    return (text + "\n").encode() if path.read_bytes().endswith(b"\n") else text.encode()


# In this process, with a stand-in for the analysis


@pytest.fixture
def assist(monkeypatch, tmp_path):
    """Stands in for the pipeline: renames the timeline, and keeps what it was called with."""
    from otio_avassist import pipeline

    def stand_in(root, settings, *, sidecar=None, shared):
        calls.append(settings)
        stand_in.stores.append(shared.store)
        if failures:
            raise failures[0]
        mended = root.deepcopy()
        mended.name = "mended"
        report = pipeline.Report((), (), (), "", 0.0, 25.0, 0.0)
        return pipeline.Assisted(mended, report, {})

    calls: list[pipeline.Settings] = []
    failures: list[Exception] = []
    stand_in.calls, stand_in.failures, stand_in.stores = calls, failures, []
    monkeypatch.setattr(pipeline, "assist", stand_in)
    monkeypatch.setattr(run, "_ours", set())
    monkeypatch.setattr(run, "_failed_in_file", set())
    monkeypatch.delenv("OTIO_DISABLE_ENTRYPOINTS_PLUGINS", raising=False)
    for name in ("AVASSIST_HOOKS", "AVASSIST_CONFIG", "AVASSIST_BASE_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return stand_in


ASKED = {"avassist": "sync"}


def test_the_written_file_is_the_mended_one_and_the_callers_timeline_is_not_touched(assist, tmp_path):
    timeline = a_timeline()
    otio.adapters.write_to_file(timeline, "out.otio", hook_function_argument_map=ASKED)
    assert otio.adapters.read_from_file("out.otio").name == "mended"
    assert timeline.name == "cut"
    assert [each.base_dir for each in assist.calls] == [tmp_path]


@pytest.mark.parametrize("said", ["argument", "environment"])
def test_a_string_writer_is_served_once_a_conversion(assist, monkeypatch, said):
    if said == "environment":
        monkeypatch.setenv("AVASSIST_HOOKS", "sync")
    arguments = ASKED if said == "argument" else None
    otio.adapters.write_to_file(a_timeline(), "out.xml", hook_function_argument_map=arguments)
    assert len(assist.calls) == 1
    assert "mended" in Path("out.xml").read_text()


def test_what_was_found_before_is_used_and_kept_unless_that_is_off(assist, tmp_path, monkeypatch):
    otio.adapters.write_to_file(a_timeline(), "one.otio", hook_function_argument_map=ASKED)
    monkeypatch.setenv("OTIO_AVASSIST_CACHE", str(tmp_path / "kept"))
    otio.adapters.write_to_file(a_timeline("else.mov"), "two.otio", hook_function_argument_map=ASKED)
    assert [store and store.folder for store in assist.stores] == [None, tmp_path / "kept"]


def test_reading_asks_only_when_told_to(assist, cut):
    assert otio.adapters.read_from_file(str(cut), hook_function_argument_map=ASKED).name == "cut"
    on_read = {"avassist": {"tasks": "sync", "when": "read"}}
    mended = otio.adapters.read_from_file(str(cut), hook_function_argument_map=on_read)
    assert mended.name == "mended"
    otio.adapters.write_to_file(mended, "out.otio", hook_function_argument_map=on_read)
    assert len(assist.calls) == 1


def test_a_failure_hands_back_what_was_given_with_one_line_why(assist, capsys):
    assist.failures.append(MediaError("shot.mov: no sound"))
    otio.adapters.write_to_file(a_timeline(), "out.xml", hook_function_argument_map=ASKED)
    assert capsys.readouterr().err == "avassist: the timeline stays as it was: shot.mov: no sound\n"
    assert "cut" in Path("out.xml").read_text()


def test_a_failure_in_a_string_writer_is_met_once_and_tried_again_next_time(assist, capsys, monkeypatch):
    monkeypatch.setenv("AVASSIST_HOOKS", "sync")
    assist.failures.append(MediaError("shot.mov: no sound"))
    otio.adapters.write_to_file(a_timeline(), "out.xml")
    assert len(assist.calls) == 1
    assist.failures.clear()
    otio.adapters.write_to_file(a_timeline(), "out.xml")
    assert "mended" in Path("out.xml").read_text()


def test_an_unforeseen_failure_is_no_different(assist, capsys):
    assist.failures.append(ZeroDivisionError("division by zero"))
    otio.adapters.write_to_file(a_timeline(), "out.otio", hook_function_argument_map=ASKED)
    assert "stays as it was: ZeroDivisionError: division by zero" in capsys.readouterr().err
    assert otio.adapters.read_from_file("out.otio").name == "cut"


def test_strict_raises_what_went_wrong(assist):
    assist.failures.append(MediaError("shot.mov: no sound"))
    with pytest.raises(MediaError, match="no sound"):
        otio.adapters.write_to_file(
            a_timeline(), "out.otio", hook_function_argument_map={"avassist": "sync,strict=yes"}
        )
    assert not Path("out.otio").exists()


def test_an_unknown_task_is_named_with_the_known_ones(assist, capsys):
    otio.adapters.write_to_file(a_timeline(), "out.otio", hook_function_argument_map={"avassist": "snyc"})
    assert "no such task: snyc; there is: sync" in capsys.readouterr().err
    with pytest.raises(UsageError):
        otio.adapters.write_to_file(
            a_timeline(), "out.otio", hook_function_argument_map={"avassist": "snyc,strict=1"}
        )


def test_the_hook_of_one_task_needs_no_word_but_hears_off(assist, monkeypatch):
    mended = run.mend(a_timeline(), {"_filepath": "out.otio"}, task="sync")
    assert mended.name == "mended"
    monkeypatch.setenv("AVASSIST_HOOKS", "off")
    timeline = a_timeline()
    assert run.mend(timeline, {"_filepath": "out.otio"}, task="sync") is timeline


@pytest.mark.parametrize("task", ["sync", "captions", "foley"])
def test_each_task_has_a_hook_that_does_it_and_nothing_else(assist, task):
    function = otio.plugins.ActiveManifest().from_name(f"avassist_{task}", kind_list="hook_scripts")
    mended = function.run(a_timeline(), {"_filepath": "out.otio"})
    assert mended.name == "mended"
    assert [each.tasks for each in assist.calls] == [(task,)]


def test_what_is_said_of_captions_reaches_the_analysis(assist):
    words = {"avassist": "captions,per_minute=3,on=clip"}
    otio.adapters.write_to_file(a_timeline(), "out.otio", hook_function_argument_map=words)
    [settings] = assist.calls
    assert (settings.captions.per_minute, settings.captions.on) == (3.0, "clip")


def test_what_is_said_of_foley_reaches_the_analysis_and_its_sounds_stand_beside_the_file(assist, tmp_path):
    words = {"avassist": "foley,takes=3,track=V1,A 2,loudness=-20,sync_check=no,prime=1-2"}
    otio.adapters.write_to_file(a_timeline(), "out.otio", hook_function_argument_map=words)
    [settings] = assist.calls
    asked = settings.foley
    assert (asked.takes, asked.loudness, asked.check_sync) == (3, -20.0, False)
    assert (settings.wish.tracks, settings.prime) == (("V1", "A 2"), "1-2")
    assert (asked.folder, settings.output_dir) == (tmp_path / "out.foley", tmp_path)


def test_reports_are_written_where_asked(assist, tmp_path):
    said = {"avassist": {"tasks": "sync", "report": ["r.json", str(tmp_path / "r.csv")]}}
    otio.adapters.write_to_file(a_timeline(), "out.otio", hook_function_argument_map=said)
    assert json.loads(Path("r.json").read_text())["output"].endswith("out.otio")
    assert (tmp_path / "r.csv").is_file()


def test_a_report_that_cannot_be_written_does_not_cost_the_timeline(assist, capsys):
    said = {"avassist": {"tasks": "sync", "report": "no/such/folder/r.json"}}
    otio.adapters.write_to_file(a_timeline(), "out.otio", hook_function_argument_map=said)
    assert "no/such/folder/r.json: can't be written" in capsys.readouterr().err
    assert otio.adapters.read_from_file("out.otio").name == "cut"


def test_the_programs_own_log_hears_it_too(assist, caplog, capsys):
    assist.failures.append(MediaError("shot.mov: no sound"))
    with caplog.at_level("WARNING", "otio_avassist"):
        run.mend(a_timeline(), ASKED)
    assert "shot.mov: no sound" in caplog.text


def test_a_broken_hook_before_ours_is_not_made_worse(assist):
    assert run.mend(None, ASKED) is None


# Real runs: a camera's picture, and the sound of a recorder that heard the same, laid 10 frames early


LATE_FRAMES = 10
SECONDS = 8


@pytest.fixture(scope="module")
def media(tmp_path_factory) -> Path:
    """camera.mp4, and recorder.wav which hears the same from one second before."""
    folder = tmp_path_factory.mktemp("media")
    rng = np.random.default_rng(5)
    heard = (
        0.2
        * rng.standard_normal((SECONDS + 2) * 16000)
        * (1 + np.sin(np.arange((SECONDS + 2) * 16000) / 3000))
    )
    with av.open(str(folder / "recorder.wav"), "w") as file:
        write_sound(file, file.add_stream("pcm_s16le", rate=16000, layout="mono"), heard)
    with av.open(str(folder / "camera.mp4"), "w") as file:
        picture = file.add_stream("libx264", rate=25, width=64, height=48, pix_fmt="yuv420p")
        sound = file.add_stream("aac", rate=16000, layout="mono")
        for _ in range(25 * SECONDS):
            frame = av.VideoFrame.from_ndarray(rng.integers(0, 255, (48, 64, 3), np.uint8), format="rgb24")
            file.mux(picture.encode(frame))
        file.mux(picture.encode())
        write_sound(file, sound, heard[16000:-16000])
    return folder


def write_sound(file, stream, samples: np.ndarray) -> None:
    frame = av.AudioFrame.from_ndarray((samples.clip(-1, 1) * 32767).astype(np.int16)[None], "s16", "mono")
    frame.sample_rate = 16000
    frame.pts = 0  # or the encoder's own delay is written as sound
    file.mux(stream.encode(frame))
    file.mux(stream.encode())


@pytest.fixture
def project(media, tmp_path) -> Path:
    """A folder with a cut whose sound is late, and its media beside it, named relative to it."""
    for file in media.iterdir():
        (tmp_path / file.name).symlink_to(file)
    otio.adapters.write_to_file(late_cut(), str(tmp_path / "cut.otio"))
    return tmp_path


def late_cut() -> otio.schema.Timeline:
    """Camera from its second 1 on; of the recorder, what is heard `LATE_FRAMES` before that."""
    timeline = otio.schema.Timeline("cut", global_start_time=time_of(90000))
    for name, kind, first, length in (
        ("camera.mp4", "Video", 25, SECONDS), ("recorder.wav", "Audio", 50 - LATE_FRAMES, SECONDS + 2)
    ):  # fmt: skip
        whole = otio.opentime.TimeRange(time_of(0), time_of(25 * length))
        used = otio.opentime.TimeRange(time_of(first), time_of(25 * (SECONDS - 2)))
        clip = otio.schema.Clip(name, otio.schema.ExternalReference(name, whole), used)
        timeline.tracks.append(otio.schema.Track(kind[0] + "1", [clip], kind=kind))
    return timeline


def time_of(frame: int) -> otio.opentime.RationalTime:
    return otio.opentime.RationalTime(frame, 25)


def sound_starts(path: Path) -> float:
    """The frame of the recorder at which a written cut's sound begins."""
    timeline = otio.adapters.read_from_file(str(path))
    (clip,) = [each for each in timeline.find_clips() if "recorder" in each.media_reference.target_url]
    return clip.source_range.start_time.rescaled_to(25).value


def runs_in(stderr: str) -> int:
    """How many times the pipeline ran: each says one line."""
    return sum(line.startswith("avassist: ") for line in stderr.splitlines())


ASK = "avassist={'tasks': 'sync', 'device': 'cpu'}"


@pytest.mark.parametrize("output", ["out.otio", "out.xml"], ids=["otio", "string writer"])
def test_otioconvert_mends_by_argument_in_one_run(project, output):
    done = tool("otioconvert", "-i", "cut.otio", "-o", output, "-H", ASK, cwd=project)
    assert done.returncode == 0, done.stderr
    assert runs_in(done.stderr) == 1
    assert sound_starts(project / "cut.otio") == 50 - LATE_FRAMES
    assert sound_starts(project / output) == 50


@pytest.mark.parametrize("output", ["out.otio", "out.xml"], ids=["otio", "string writer"])
@pytest.mark.parametrize("said", ["environment", "file"])
def test_otiotool_mends_by_environment_and_by_file_in_one_run(project, output, said):
    variables = {"AVASSIST_HOOKS": "sync,device=cpu"} if said == "environment" else {}
    if said == "file":
        (project / "avassist.toml").write_text("tasks = ['sync']\ndevice = 'cpu'\n")
    done = tool("otiotool", "-i", "cut.otio", "-o", output, cwd=project, **variables)
    assert done.returncode == 0, done.stderr
    assert runs_in(done.stderr) == 1
    assert sound_starts(project / output) == 50


def test_a_second_conversion_changes_nothing_more(project):
    for source, target in (("cut.otio", "first.otio"), ("first.otio", "second.otio")):
        tool("otioconvert", "-i", source, "-o", target, "-H", ASK, cwd=project)
    assert (project / "first.otio").read_bytes() == (project / "second.otio").read_bytes()


def test_media_beside_the_input_is_found_by_base_dir_when_the_output_goes_elsewhere(project):
    elsewhere = project / "elsewhere"
    elsewhere.mkdir()
    for name, ask in (("lost", ASK), ("found", ASK.replace("}", f", 'base_dir': {str(project)!r}}}"))):
        tool("otioconvert", "-i", "../cut.otio", "-o", f"{name}.otio", "-H", ask, cwd=elsewhere)
    assert sound_starts(elsewhere / "lost.otio") == 50 - LATE_FRAMES
    assert sound_starts(elsewhere / "found.otio") == 50


def test_on_stdout_there_is_no_file_and_the_working_directory_counts(project):
    done = tool("otiotool", "-i", "cut.otio", "-o", "-", cwd=project, AVASSIST_HOOKS="sync,device=cpu")
    assert runs_in(done.stderr) == 1
    (project / "from_stdout.otio").write_text(done.stdout)
    assert sound_starts(project / "from_stdout.otio") == 50


def test_a_read_mends_when_told_to(project):
    program = (
        "import opentimelineio as otio; otio.adapters.read_from_file('cut.otio').to_json_file('read.otio')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=project,
        env=environment(AVASSIST_HOOKS="sync,device=cpu,when=read"),
        capture_output=True,
        text=True,
        check=True,
    )
    assert runs_in(done.stderr) == 1
    assert sound_starts(project / "read.otio") == 50


def test_a_users_own_manifest_attaches_the_hook_of_one_task(project):
    attached = {"OTIO_SCHEMA": "PluginManifest.1", "hooks": {"pre_adapter_write": ["avassist_sync"]}}
    (project / "own.json").write_text(json.dumps(attached))
    done = tool(
        "otioconvert", "-i", "cut.otio", "-o", "out.otio", cwd=project, OTIO_PLUGIN_MANIFEST_PATH="own.json"
    )
    assert runs_in(done.stderr) == 1
    assert sound_starts(project / "out.otio") == 50


def test_a_hook_of_one_task_takes_an_argument_without_tasks(project):
    """The hook that comes attached sees the same argument, and has nothing to complain of."""
    attached = {"OTIO_SCHEMA": "PluginManifest.1", "hooks": {"pre_adapter_write": ["avassist_sync"]}}
    (project / "own.json").write_text(json.dumps(attached))
    ask = "avassist={'device': 'cpu', 'strict': True}"
    files = ["-i", "cut.otio", "-o", "out.otio"]
    done = tool("otioconvert", *files, "-H", ask, cwd=project, OTIO_PLUGIN_MANIFEST_PATH="own.json")
    assert done.returncode == 0, done.stderr
    assert runs_in(done.stderr) == 1
    assert "tasks" not in done.stderr
    assert sound_starts(project / "out.otio") == 50


def test_environment_and_entry_point_both_naming_the_plugin_run_it_once(project):
    manifest = str(Path(__file__).resolve().parent.parent / "plugin_manifest.json")
    both = {"OTIO_PLUGIN_MANIFEST_PATH": manifest}
    done = tool("otioconvert", "-i", "cut.otio", "-o", "out.otio", "-H", ASK, cwd=project, **both)
    assert runs_in(done.stderr) == 1
    assert sound_starts(project / "out.otio") == 50


def test_the_sidecar_stands_beside_the_written_file_and_the_report_where_asked(project):
    ask = ASK.replace("}", ", 'report': ['r.json', 'r.html']}")
    done = tool("otioconvert", "-i", "cut.otio", "-o", "out.otio", "-H", ask, cwd=project)
    assert done.returncode == 0, done.stderr
    (finding,) = json.loads((project / "r.json").read_text())["findings"]
    assert finding["audio_early_s"] == pytest.approx(-LATE_FRAMES / 25, abs=0.01)
    assert finding["applied"]
    assert (project / "r.html").is_file()
    assert (project / "out.avassist.json").is_file()


@pytest.mark.parametrize("kind", ["Timeline", "Stack", "Track", "Clip", "SerializableCollection"])
def test_every_kind_of_root_comes_back_as_its_own_kind(project, kind, monkeypatch):
    monkeypatch.chdir(project)
    timeline = late_cut()
    root = {
        "Timeline": timeline,
        "Stack": timeline.tracks,
        "Track": timeline.tracks[1],
        "Clip": timeline.tracks[1][0],
        "SerializableCollection": otio.schema.SerializableCollection("both", [timeline]),
    }[kind]
    said = {"avassist": {"tasks": "sync", "device": "cpu", "strict": True}}
    otio.adapters.write_to_file(root, "out.otio", hook_function_argument_map=said)
    assert type(otio.adapters.read_from_file("out.otio")) is type(root)
    mended = sound_starts_in(otio.adapters.read_from_file("out.otio"))
    assert mended == ([50] if kind in ("Timeline", "Stack", "SerializableCollection") else [50 - LATE_FRAMES])


def sound_starts_in(root) -> list[float]:
    clips = [root] if isinstance(root, otio.schema.Clip) else root.find_children(otio.schema.Clip)
    return [
        each.source_range.start_time.value for each in clips if "recorder" in each.media_reference.target_url
    ]
