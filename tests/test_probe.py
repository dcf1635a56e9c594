"""What a file's encoding would tell, read from its packets: held against files whose encoding is known."""

from __future__ import annotations

import importlib.util
import json
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from click.testing import CliRunner

from otio_avassist import probe
from otio_avassist.cli import avassist
from otio_avassist.errors import AvAssistError
from tests.material import film

FPS = 25


def pictures(path: Path, codec: str, *, count: int = 100, gop: int = 12, pixels: str = "yuv420p") -> Path:
    # A ground that moves: of pictures that have nothing in common each would be a key frame.
    ground = np.random.default_rng(0).integers(0, 255, (48, 64 + count, 3), np.uint8)
    ground = ground // 4 + np.linspace(0, 180, 64 + count, dtype=np.uint8)[:, None]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=FPS)
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = 64, 48, pixels, gop
        for index in range(count):
            part = np.ascontiguousarray(ground[:, index : index + 64])
            frame = av.VideoFrame.from_ndarray(part, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def sound(path: Path, codec: str, rate: int, bit_rate: int | None = None) -> Path:
    samples = np.random.default_rng(0).normal(0, 8000, (1, 4 * rate)).clip(-32768, 32767).astype(np.int16)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, layout="mono")
        if bit_rate:
            stream.bit_rate = bit_rate
        block = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        block.sample_rate, block.pts, block.time_base = rate, 0, Fraction(1, rate)
        resampler = av.AudioResampler(format=stream.format.name, layout="mono", rate=rate)
        for part in (*resampler.resample(block), None):
            container.mux(stream.encode(part))
    return path


@pytest.mark.parametrize(
    ("codec", "gop", "period", "risk"),
    [
        pytest.param("mpeg4", 12, 12, "high", id="a key frame every 12"),
        pytest.param("libx264", 1000, None, "low", id="one key frame"),
        pytest.param("mjpeg", 12, 1, "low", id="nothing but key frames"),
        pytest.param("ffv1", 12, 12, "none", id="lossless"),
    ],
)
def test_the_period_of_key_frames_is_measured(tmp_path: Path, codec: str, gop: int, period, risk: str):
    pixels = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    found = probe.traces(pictures(tmp_path / "a.mkv", codec, gop=gop, pixels=pixels)).picture
    assert found is not None
    assert (found.period, found.risk, found.pictures) == (period, risk, 100)


def test_key_frames_at_cuts_hide_no_period_and_make_none():
    regular = list(range(0, 120, 12))
    assert probe._period(sorted({*regular, 17, 40}), 120) == (12, "every 12, and others between")
    assert probe._period([0, 17, 40, 93], 120) == (None, "17 to 53 apart")
    assert probe._period([0, 50], 120) == (None, "50 apart")


def test_pictures_that_come_in_another_order_are_said_to(tmp_path: Path):
    plain = probe.traces(pictures(tmp_path / "a.mkv", "mpeg4")).picture
    between = probe.traces(pictures(tmp_path / "b.mkv", "libx264")).picture
    assert plain is not None
    assert between is not None
    assert (plain.reordered, between.reordered) == (False, True)


def test_frames_of_sound_and_their_places_are_told(tmp_path: Path):
    found = probe.traces(sound(tmp_path / "a.m4a", "aac", 16_000, 32_000)).sound
    assert found is not None
    # 1,600 samples a step and 1,024 a frame have 64 in common.
    assert (found.rate, found.frame, found.priming, found.phases) == (16_000, 1024, 1024, 16)
    assert found.bit_rate == pytest.approx(32_000, rel=0.15)
    assert found.risk == "high"
    assert "frames of 1024 samples, 64.0 ms" in found.words


@pytest.mark.parametrize(("name", "codec"), [("a.wav", "pcm_s16le"), ("a.flac", "flac")])
def test_sound_without_loss_tells_nothing(tmp_path: Path, name: str, codec: str):
    found = probe.traces(sound(tmp_path / name, codec, 22_050))
    assert found.sound is not None
    assert (found.sound.risk, found.sound.phases, found.leaks) == ("none", None, False)


def test_the_command_speaks_of_each_file_and_goes_on_past_a_broken_one(tmp_path: Path):
    pictures(tmp_path / "clip.mp4", "mpeg4")
    (tmp_path / "broken.mp4").write_bytes(b"no film")
    (tmp_path / "notes.txt").write_text("nor this")
    done = CliRunner().invoke(avassist, ["probe", str(tmp_path)])
    assert done.exit_code == 1
    assert "every 12, 0.48 s" in done.stdout
    assert "broken.mp4" in done.stderr
    assert "notes" not in done.output


def test_the_command_gives_the_same_for_machines(tmp_path: Path):
    path = sound(tmp_path / "a.m4a", "aac", 44_100)
    done = CliRunner().invoke(avassist, ["probe", str(path), "--json"])
    held = json.loads(done.stdout)
    assert held["schema"] == "avassist-probe.1"
    assert held["media"][0]["leaks"] is True
    assert held["media"][0]["picture"] is None
    assert held["media"][0]["sound"]["frame"] == 1024


@pytest.mark.parametrize(("missing", "word"), [("torch", "train"), ("models", "checkout")])
def test_what_measuring_takes_is_said(monkeypatch: pytest.MonkeyPatch, missing: str, word: str):
    there = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == missing else there(name))
    with pytest.raises(AvAssistError, match=word):
        probe.measuring([Path("a.mp4")])


def test_figures_come_from_a_process_of_its_own(tmp_path: Path):
    script = tmp_path / "measures.py"
    script.write_text("import sys\nopen(sys.argv[-1], 'w').write('{\"lines\": {\"sound\": {}}}')\n")
    assert probe.measure([sys.executable, str(script)]) == {"sound": {}}
    script.write_text("raise SystemExit(1)")
    with pytest.raises(AvAssistError, match="could not be measured"):
        probe.measure([sys.executable, str(script)])


def test_what_was_measured_is_said_in_words():
    at_1 = {"share": 0.272, "low": 0.22, "high": 0.33, "chance": 0.02}
    at_5 = {"share": 0.771, "low": 0.7, "high": 0.83, "chance": 0.1}
    lines = {"picture": {"at_1": at_1, "at_5": at_5, "leaks": True, "sources": 80}}
    (said,) = probe.measured_lines(lines)
    assert "its encoding tells the time" in said
    assert "27 % (22 to 33, by chance 2)" in said


def test_sound_that_sets_in_after_the_header_is_none_that_could_be_told_of(tmp_path):
    silent = film(tmp_path / "a.ts", seconds=4, sound=False).read_bytes()
    late = film(tmp_path / "b.ts", seconds=1).read_bytes()
    (tmp_path / "c.ts").write_bytes(silent * 3 + late)
    assert probe.traces(tmp_path / "c.ts").sound is None
