"""A run as a job template: read, checked and run by the tools of those who made the language."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from otio_avassist import openjd
from otio_avassist.errors import UsageError
from tests.test_cli import EARLY_S, FPS, avassist, project, sound_start  # noqa: F401 (fixtures)

BIN = Path(sys.executable).parent


@pytest.fixture
def written(project: Path, tmp_path: Path, avassist, monkeypatch):  # noqa: F811
    """Writes the template of a run over two timelines; gives it as it was written, and as it is read."""
    for name in ("a.otio", "b.otio"):
        (tmp_path / name).write_bytes((project / "cut.otio").read_bytes())
    (tmp_path / "out").mkdir()
    (tmp_path / "said.srt").write_text("")
    monkeypatch.chdir(tmp_path)

    def write(*words: object) -> tuple[Path, dict]:
        path = tmp_path / "job.yaml"
        assert avassist("run", "a.otio", "b.otio", *words, "--openjd", path) == 0
        return path, json.loads(path.read_text("utf-8"))

    return write


def model_of(held: dict):
    model = pytest.importorskip("openjd.model", reason="needs the extra `dev`")
    return model.decode_job_template(template=held)


def test_its_makers_read_it_with_a_task_for_each_timeline(written, tmp_path) -> None:
    _, held = written("-o", "out", "--propose")
    model_of(held)
    [step] = held["steps"]
    timeline, output = step["parameterSpace"]["taskParameterDefinitions"]
    assert timeline["range"] == [str(tmp_path / name) for name in ("a.otio", "b.otio")]
    assert output["range"] == [str(tmp_path / "out")]
    action = step["script"]["actions"]["onRun"]
    assert action["args"] == ["run", "{{Task.Param.Timeline}}", "--propose", "-o", "{{Task.Param.Output}}"]
    assert [each["default"] for each in held["parameterDefinitions"]] == ["avassist"]


def test_tasks_know_which_folders_are_kept(written, tmp_path: Path, avassist, project: Path) -> None:  # noqa: F811
    for reel in ("one", "two"):
        (tmp_path / reel).mkdir()
        (tmp_path / reel / "cut.otio").write_bytes((project / "cut.otio").read_bytes())
    path = tmp_path / "job.json"
    assert avassist("run", "one", "two", "-o", "out", "--openjd", path) == 0
    held = json.loads(path.read_text("utf-8"))
    model_of(held)
    [step] = held["steps"]
    names = {each["name"]: each["range"] for each in step["parameterSpace"]["taskParameterDefinitions"]}
    assert names["Below"] == [str(tmp_path)]
    assert step["script"]["actions"]["onRun"]["args"][-2:] == ["--below", "{{Task.Param.Below}}"]


def test_what_was_typed_is_said_again_with_files_by_their_full_names(written, tmp_path) -> None:
    _, held = written(
        "--in-place", "--tasks", "sync,captions", "--map", "D:\\x=/mnt/x", "--media-root", "footage",
        "--media-root", "more", "--speech", "said.srt", "--no-sync-check", "--stop-early", "--min-confidence",
        "0.9",
    )  # fmt: skip
    model_of(held)
    words = held["steps"][0]["script"]["actions"]["onRun"]["args"]
    assert sorted(words) == sorted([
        "run", "{{Task.Param.Timeline}}", "--in-place", "--tasks", "sync,captions", "--map", "D:\\x=/mnt/x",
        "--media-root", str(tmp_path / "footage"), "--media-root", str(tmp_path / "more"),
        "--speech", str(tmp_path / "said.srt"), "--no-sync-check", "--stop-early", "--min-confidence", "0.9",
    ])  # fmt: skip


def test_more_timelines_than_a_step_may_have_make_more_steps(tmp_path) -> None:
    names = [f"{number}.otio" for number in range(openjd.MOST + 1)]
    held = json.loads(openjd.template(Path("x.json"), names, None, ["--in-place"], ["sync"]))
    model_of(held)
    counts = [len(step["parameterSpace"]["taskParameterDefinitions"][0]["range"]) for step in held["steps"]]
    assert counts == [openjd.MOST, 1]


@pytest.mark.parametrize(
    "words",
    [
        *(("--report", "all.html"), ("--jobs", "2"), ("--plan",), ("--scheduler", "tcp://x:1")),
        *(("--watch", "."), ("--tasks", "nonsense"), ("--map", "x")),
    ],
    ids=" ".join,
)
def test_what_no_task_could_do_is_refused(words, written, avassist, tmp_path) -> None:  # noqa: F811
    path = tmp_path / "job.json"
    assert avassist("run", "a.otio", "b.otio", "-o", "out", *words, "--openjd", path) == 2
    assert not path.exists()


def test_names_that_a_template_cannot_say_are_refused() -> None:
    with pytest.raises(UsageError, match=r"x\.txt: a template is written as"):
        openjd.template(Path("x.txt"), ["a.otio"], None, [], ["sync"])
    with pytest.raises(UsageError, match="a template would take"):
        openjd.template(Path("x.json"), ["{{a}}.otio"], None, [], ["sync"])


def test_it_runs(written, tmp_path) -> None:
    pytest.importorskip("openjd.cli", reason="needs the extra `dev`")
    path, _ = written("-o", "out")
    told = {"capture_output": True, "text": True, "env": os.environ | {"OMP_NUM_THREADS": "1"}}
    checked = subprocess.run([BIN / "openjd", "check", path], **told)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    command = [BIN / "openjd", "run", path, "--step", "Timelines1", "-p", f"Avassist={BIN / 'avassist'}"]
    done = subprocess.run(command, **told)
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("a.otio", "b.otio"):
        assert sound_start(tmp_path / "out" / name) == 50 - EARLY_S * FPS
