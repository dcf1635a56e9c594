"""Foley for shots that are hardly shots, on a disk that is full, in a process that is killed.

There is an answer that makes sense or an error that says why, and never half a file.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import opentimelineio as otio
import pytest

from otio_avassist import bundles
from otio_avassist.__main__ import main
from otio_avassist.generator import Generator
from tests.conftest import CHECKOUT
from tests.cuts import time_range
from tests.pretend import GREEN, RED, paint, pretended_foley

FPS = 25
RUN = """
import sys, time
from pathlib import Path
import numpy as np
from otio_avassist import bundles
from tests import pretend

slowly_s = float(sys.argv.pop(1))

def vocode(mel):
    time.sleep(slowly_s)
    return {"samples": np.tile(mel[:, 60], 256) - mel.mean()}

pretend.foley_vocode = vocode
bundles.find = lambda task, explicit=None: Path(task)
bundles.open_bundle = lambda *given, **others: pretend.pretended_foley()
from otio_avassist.__main__ import main
main()
"""
"""The command in a process of its own, with the same bundle; each part takes it so many seconds more."""


@pytest.fixture
def avassist(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> Callable[..., tuple[int, str]]:
    """Call `avassist foley` as typed, with a bundle that whistles for red and hums for green.

    Returns its exit code and all that it said.
    """
    monkeypatch.setattr(bundles, "find", lambda task, explicit=None: Path(task))
    monkeypatch.setattr(bundles, "open_bundle", lambda *given, **others: pretended_foley())

    def call(*words: object) -> tuple[int, str]:
        monkeypatch.setattr("sys.argv", ["avassist", "foley", *map(str, words), "--no-sync-check"])
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        return int(end.value.code or 0), said.out + said.err

    return call


def a_cut(folder: Path, *shots: tuple[str, int, int]) -> Path:
    """A timeline of pictures alone: (file, first frame, frames) of each."""
    timeline = otio.schema.Timeline("cut")
    clips = [
        otio.schema.Clip(
            Path(name).stem,
            otio.schema.ExternalReference(str(folder / name), time_range(0, first + frames, FPS)),
            time_range(first, frames, FPS),
        )
        for name, first, frames in shots
    ]
    timeline.tracks.append(otio.schema.Track("V1", clips, kind="Video"))
    timeline.to_json_file(str(folder / "cut.otio"))
    return folder / "cut.otio"


def laid(path: Path) -> list[tuple[Path, int, int]]:
    """(file, samples in it, frames of the clip) of each sound on the timeline, all of which must be whole."""
    found = []
    for track in otio.adapters.read_from_file(str(path)).audio_tracks():
        for clip in track.find_clips():
            file = Path(clip.media_reference.target_url)
            file = file if file.is_absolute() else path.parent / file
            with wave.open(str(file)) as sound:
                assert sound.getframerate() == 48_000
                assert len(sound.readframes(sound.getnframes())) == 3 * sound.getnframes()
                found.append((file, sound.getnframes(), int(clip.source_range.duration.value)))
    return found


def files_of(folder: Path) -> list[str]:
    """All that lies below a folder, what is hidden too."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def report(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def test_a_shot_whose_pictures_cannot_be_decoded_is_passed_over_and_the_others_go_on(tmp_path, avassist):
    paint(tmp_path / "whole.mkv", [(RED, 2)], fps=FPS)
    broken = bytearray(paint(tmp_path / "broken.mkv", [(RED, 2)], fps=FPS).read_bytes())
    broken[len(broken) // 3 :] = bytes(len(broken) - len(broken) // 3)
    (tmp_path / "broken.mkv").write_bytes(broken)
    cut = a_cut(tmp_path, ("broken.mkv", 0, 50), ("whole.mkv", 0, 50))
    code, said = avassist(cut, "-o", tmp_path / "out.otio", "--report", tmp_path / "report.json")
    assert code == 0, said
    [(_, samples, frames)] = laid(tmp_path / "out.otio")
    assert (samples, frames) == (96_000, 50)
    told = report(tmp_path / "report.json")
    assert [each["clip"] for each in told["findings"]] == ["whole"]
    assert ["broken" in str(each) for each in told["skipped"]] == [True]


def test_of_a_sound_that_was_made_without_looking_it_is_said_each_time(tmp_path, avassist, monkeypatch):
    """The second run takes the file that is there, and the doubt is as good as ever."""
    monkeypatch.setattr(Generator, "eyes", None)
    paint(tmp_path / "red.mkv", [(RED, 2)], fps=FPS)
    cut, told = a_cut(tmp_path, ("red.mkv", 0, 50)), tmp_path / "report.json"
    doubts = []
    for _ in range(2):
        code, said = avassist(cut, "-o", tmp_path / "out.otio", "--report", told, "--sound", "whistle")
        assert code == 0, said
        doubts.append(report(told)["findings"][0]["doubts"])
    assert doubts[0] == doubts[1]
    assert any("its picture wasn't looked at" in doubt for doubt in doubts[1])


@pytest.mark.parametrize("what", ["missing", "no film", "no picture in it"])
def test_where_no_media_can_be_read_the_command_does_not_end_well(what, tmp_path, avassist):
    if what == "no film":
        (tmp_path / "red.mkv").write_bytes(b"no film")
    if what == "no picture in it":
        whole = paint(tmp_path / "red.mkv", [(RED, 2)], fps=FPS).read_bytes()
        (tmp_path / "red.mkv").write_bytes(whole[: len(whole) // 3] + bytes(len(whole) - len(whole) // 3))
    cut = a_cut(tmp_path, ("red.mkv", 0, 50))
    code, said = avassist(cut, "-o", tmp_path / "out.otio", "--report", tmp_path / "report.json")
    assert code == 3, said
    assert laid(tmp_path / "out.otio") == []
    told = report(tmp_path / "report.json")
    assert (told["findings"], len(told["skipped"])) == ([], 1)


def test_what_is_missing_matters_not_where_nothing_is_wanted(tmp_path, avassist):
    paint(tmp_path / "red.mp4", [(RED, 2)], sounds=[(400.0, 2)], fps=FPS)
    code, said = avassist(a_cut(tmp_path, ("red.mp4", 0, 25), ("lost.mp4", 0, 25)), "-o", tmp_path / "o.otio")
    assert code == 0, said


@pytest.mark.parametrize("frames", [1, 5], ids=["a single frame", "0.2 s"])
def test_the_shortest_shots_get_a_sound_as_long_as_they_are(frames, tmp_path, avassist):
    paint(tmp_path / "red.mp4", [(RED, 2)], fps=FPS)
    cut = a_cut(tmp_path, ("red.mp4", 10, frames))
    code, said = avassist(cut, "-o", tmp_path / "out.otio")
    assert code == 0, said
    assert [each[1:] for each in laid(tmp_path / "out.otio")] == [(frames * 1920, frames)]


def test_a_film_of_one_frame_is_a_still_and_said_to_be_one(tmp_path, avassist):
    paint(tmp_path / "red.mov", [(RED, 1 / FPS)], fps=FPS)
    cut = a_cut(tmp_path, ("red.mov", 0, 1))
    code, said = avassist(cut, "-o", tmp_path / "out.otio", "--report", tmp_path / "report.json")
    assert code == 0, said
    assert laid(tmp_path / "out.otio") == []
    assert [each["reason"] for each in report(tmp_path / "report.json")["skipped"]] == ["is a still picture"]


def test_a_shot_that_reaches_beyond_the_end_of_its_film_gets_a_sound_for_what_is_there(tmp_path, avassist):
    paint(tmp_path / "red.mp4", [(RED, 1)], fps=FPS)
    code, said = avassist(a_cut(tmp_path, ("red.mp4", 20, 75)), "-o", tmp_path / "out.otio")
    assert code == 0, said
    assert [each[1:] for each in laid(tmp_path / "out.otio")] == [(5 * 1920, 5)]


def test_8k_is_looked_at_as_anything_else(tmp_path, avassist):
    paint(tmp_path / "large.mp4", [(GREEN, 0.08)], fps=FPS, size=(7680, 4320))
    cut = a_cut(tmp_path, ("large.mp4", 0, 2))
    code, said = avassist(cut, "-o", tmp_path / "out.otio", "--report", tmp_path / "report.json")
    assert code == 0, said
    assert [each["name"] for each in report(tmp_path / "report.json")["findings"]] == ["hum"]
    assert [each[1:] for each in laid(tmp_path / "out.otio")] == [(2 * 1920, 2)]


def test_forty_minutes_are_looked_at_like_any_shot(tmp_path, avassist):
    paint(tmp_path / "long.mp4", [(RED, 2400)], fps=1)
    cut = a_cut(tmp_path, ("long.mp4", 0, 2400 * FPS))
    code, said = avassist(cut, "--dry-run", "--report", tmp_path / "report.json")
    assert code == 0, said
    [found] = report(tmp_path / "report.json")["findings"]
    assert (found["name"], found["end_s"], found["takes"]) == ("whistle", 2400, [])


def test_a_long_sound_takes_little_more_memory_than_its_samples(tmp_path):
    """Five minutes of them are 26 MB; their spectrum at once would be half a gigabyte."""
    paint(tmp_path / "long.mp4", [(RED, 300)], fps=1)
    peak_kb = []
    for seconds in (2, 300):
        child = start(a_cut(tmp_path, ("long.mp4", 0, seconds * FPS)), "-o", tmp_path / "out.otio")
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        assert child.returncode == 0
        assert [each[1:] for each in laid(tmp_path / "out.otio")] == [(seconds * 48_000, seconds * FPS)]
        peak_kb.append(usage.ru_maxrss)
    assert peak_kb[1] - peak_kb[0] < 200_000


def start(cut: Path, *words: object, slowly_s: float = 0.0, limits: Callable[[], None] | None = None):
    return subprocess.Popen(
        [sys.executable, "-c", RUN, str(slowly_s), "foley", cut, *words, "--no-sync-check"],
        cwd=CHECKOUT, preexec_fn=limits, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def test_a_disk_that_fills_up_is_named_and_nothing_half_written_stays(tmp_path):
    """No file may be larger than 300 kB: the first sound has 96 kB, the second 720."""
    paint(tmp_path / "red.mp4", [(RED, 7)], fps=FPS)
    cut = a_cut(tmp_path, ("red.mp4", 0, 16), ("red.mp4", 25, 125))
    before = files_of(tmp_path)

    def limits() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))

    child = start(cut, "-o", tmp_path / "out.otio", limits=limits)
    _, said = child.communicate(timeout=60)
    assert child.returncode == 1
    last = said.strip().splitlines()[-1]
    assert last.startswith("avassist: ")
    assert "foley_whistle_" in last
    assert "too large" in last.lower()
    # What is whole is kept: the next run needn't make it again.
    (left,) = set(files_of(tmp_path)) - set(before)
    with wave.open(str(tmp_path / left)) as sound:
        assert len(sound.readframes(sound.getnframes())) == 3 * 16 * 1920


def test_a_run_that_was_killed_leaves_whole_files_and_the_next_one_goes_on_from_them(tmp_path):
    paint(tmp_path / "red.mp4", [(RED, 7)], fps=FPS)
    cut = a_cut(tmp_path, *(("red.mp4", 25 * number, 25 + number) for number in range(5)))
    folder = tmp_path / "out.foley"
    child = start(cut, "-o", tmp_path / "out.otio", slowly_s=0.1)
    until = time.monotonic() + 60
    while len(list(folder.glob("foley_*.wav"))) < 2 and child.poll() is None and time.monotonic() < until:
        time.sleep(0.01)
    child.kill()
    child.communicate()
    assert child.returncode == -signal.SIGKILL
    made = {path: path.stat().st_mtime_ns for path in folder.glob("foley_*.wav")}
    assert 2 <= len(made) < 5
    assert not (tmp_path / "out.otio").exists()
    for path in made:
        with wave.open(str(path)) as sound:
            assert len(sound.readframes(sound.getnframes())) == 3 * sound.getnframes()
    for out in (tmp_path / "out.otio", tmp_path / "again" / "out.otio"):
        out.parent.mkdir(exist_ok=True)
        child = start(cut, "-o", out)
        assert child.wait(60) == 0
        assert [each[1:] for each in laid(out)] == [((25 + n) * 1920, 25 + n) for n in range(5)]
    assert {path: path.stat().st_mtime_ns for path in made} == made
    # The same as of a run that nobody disturbed.
    for path in folder.glob("foley_*.wav"):
        assert path.read_bytes() == (tmp_path / "again" / "out.foley" / path.name).read_bytes()
