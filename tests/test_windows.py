"""Files that carry their own time: every picture within a frame of it, every sound within a sample."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from itertools import accumulate, cycle, islice
from pathlib import Path

import av
import numpy as np
import pytest

from otio_avassist.errors import MediaError, MediaMissingError
from otio_avassist.windows import (
    Stretch,
    Window,
    pictures,
    probe,
    read_sound,
    sounds,
    to_jpeg,
    windows,
)
from tests.material import film, image_sequence, picture_s, png, sound_s, time_picture

FPS, RATE, SIDE = 25, 16000, 48
STAMP_S = 0.0025
"""Matroska rounds time stamps to a millisecond, the picture says its time in milliseconds."""
SAMPLE_S = 1 / RATE
UNEVEN_S = [0.0, *islice(accumulate(cycle([0.04, 0.02, 0.1, 0.033])), 80)]

FILMS = {
    "constant rate": {"name": "film.mp4"},
    "B-frames and PCM in QuickTime": {"name": "film.mov"},
    "Matroska": {"name": "film.mkv"},
    "MPEG-TS": {"name": "film.ts"},
    "MPEG-TS that starts at an hour": {"name": "film.ts", "start_s": 3600.0},
    "AVI": {"name": "film.avi"},
    "variable rate": {"name": "film.mp4", "stamps_s": UNEVEN_S},
    "variable rate in Matroska": {"name": "film.mkv", "stamps_s": UNEVEN_S},
    "sound that sets in late": {"name": "film.mp4", "sound_from_s": 0.7},
    "sound that sets in late in Matroska": {"name": "film.mkv", "sound_from_s": 0.7},
    "sound that is out of step": {"name": "film.mp4", "early_s": 0.4},
    "5.1 as AAC": {"name": "film.mp4", "layout": "5.1"},
    "5.1 as PCM": {"name": "film.mov", "layout": "5.1"},
    "23.976": {"name": "film.mkv", "fps": Fraction(24000, 1001)},
    "29.97": {"name": "film.mp4", "fps": Fraction(30000, 1001)},
    "59.94": {"name": "film.ts", "fps": Fraction(60000, 1001)},
    "pictures that begin later": {"name": "film.mp4", "start_s": 0.5},
    "44.1 kHz": {"name": "film.mp4", "rate": 44100},
}


@pytest.fixture(scope="module", params=FILMS, ids=str)
def film_of_a_kind(request, tmp_path_factory) -> tuple[Path, dict]:
    kind = dict(FILMS[request.param])
    return film(tmp_path_factory.mktemp("film") / kind.pop("name"), **kind), kind


def says_s(frames: np.ndarray) -> np.ndarray:
    return np.array([picture_s(frame) for frame in frames])


def shown_s(at_s: np.ndarray, kind: dict) -> np.ndarray:
    """What pictures should say at some times: the last of the film that has come by then."""
    stamps_s = kind.get("stamps_s") or [
        k / kind.get("fps", 25) for k in range(round(4 * kind.get("fps", 25)))
    ]
    stamps = np.array([float(stamp) for stamp in stamps_s])
    return stamps[np.maximum(0, np.searchsorted(stamps, at_s, side="right") - 1)]


@pytest.mark.parametrize("start_s", [0.0, 0.9, 1.2345, 2.7])
def test_pictures_and_sound_tell_the_time_that_was_asked_for(film_of_a_kind, start_s):
    path, kind = film_of_a_kind
    stretch = Stretch(path, start_s, 1.0)
    (window,) = windows(stretch, stretch, length_s=1, hop_s=1, fps=FPS, side=SIDE, rate=RATE)

    assert window.frames.shape == (FPS, SIDE, 72, 3)
    at_s = start_s + np.arange(FPS) / FPS
    frame_s = 1 / float(kind.get("fps", FPS))
    told_s = says_s(window.frames)
    # Close to a picture's stamp, rounding decides which of two is shown.
    off_s = np.min([abs(told_s - shown_s(at_s + by_s, kind)) for by_s in (-STAMP_S, 0, STAMP_S)], axis=0)
    assert off_s.max() <= 0.001
    if "stamps_s" not in kind:
        assert (at_s - told_s).max() <= frame_s + STAMP_S
        assert (at_s - told_s).min() >= -STAMP_S

    assert window.samples.shape == (RATE,)
    assert sound_s(window.samples) == pytest.approx(start_s + kind.get("early_s", 0.0), abs=SAMPLE_S)


def test_streams_and_windows_of_any_length_say_the_same(tmp_path):
    stretch = Stretch(film(tmp_path / "film.mp4"), 0.3, 3.5)
    frames = np.concatenate([each.frames for each in pictures(stretch, fps=FPS, side=SIDE)])
    samples = np.concatenate([each.samples for each in sounds(stretch, rate=RATE)])
    assert len(frames) == 88
    assert len(samples) == 56000
    np.testing.assert_array_equal(samples, read_sound(stretch, rate=RATE))

    given = list(windows(stretch, stretch, length_s=1.6, hop_s=0.4, fps=FPS, side=SIDE, rate=RATE))
    assert [each.start_s for each in given] == pytest.approx([0, 0.4, 0.8, 1.2, 1.6])
    for number, each in enumerate(given):
        np.testing.assert_array_equal(each.frames, frames[number * 10 :][:40])
        np.testing.assert_array_equal(each.samples, samples[number * 6400 :][:25600])


def test_a_camera_and_a_recorder_stand_side_by_side(tmp_path):
    camera = film(tmp_path / "camera.mp4", sound=False)
    recorder = film(tmp_path / "recorder.wav", rate=44100)
    given = list(
        windows(
            Stretch(camera, 1.0, 2.0), Stretch(recorder, 0.25, 2.0),
            length_s=1, hop_s=1, fps=FPS, side=SIDE, rate=RATE,
        )
    )  # fmt: skip
    assert len(given) == 2
    for each in given:
        assert picture_s(each.frames[0]) == pytest.approx(1.0 + each.start_s, abs=0.001)
        assert sound_s(each.samples) == pytest.approx(0.25 + each.start_s, abs=SAMPLE_S)


@pytest.mark.parametrize("apart_s", [0.4, 2.0], ids=["one pass", "two passes"])
def test_slipped_sound_of_the_same_file_is_read_from_where_it_lies(tmp_path, apart_s):
    path = film(tmp_path / "film.mp4")
    (window,) = windows(
        Stretch(path, 0.5, 1.0), Stretch(path, 0.5 + apart_s, 1.0),
        length_s=1, hop_s=1, fps=FPS, side=SIDE, rate=RATE,
    )  # fmt: skip
    assert picture_s(window.frames[0]) == pytest.approx(0.48, abs=0.001)
    assert sound_s(window.samples) == pytest.approx(0.5 + apart_s, abs=SAMPLE_S)


@pytest.mark.parametrize("name", ["sound.wav", "sound.m4a", "sound.mp3", "sound.flac"])
@pytest.mark.parametrize("start_s", [0.0, 2.345])
def test_a_file_of_sound_alone_counts_from_its_first_sample(tmp_path, name, start_s):
    path = film(tmp_path / name)
    assert sound_s(read_sound(Stretch(path, start_s, 1.0), rate=RATE)) == pytest.approx(start_s, abs=SAMPLE_S)
    (window,) = windows(None, Stretch(path, start_s, 1.0), length_s=1, hop_s=1, fps=FPS, side=SIDE, rate=RATE)
    assert window.frames is None
    assert sound_s(window.samples) == pytest.approx(start_s, abs=SAMPLE_S)


@pytest.mark.parametrize("name", ["film.mp4", "film.mov"])
def test_an_edit_list_cuts_picture_and_sound_at_the_same_time(tmp_path, name):
    from_s = 0.94
    path = _cut_by_edit_list(film(tmp_path / f"whole_{name}"), tmp_path / name, from_s)
    for start_s in (0.0, 0.8, 2.0):
        stretch = Stretch(path, start_s, 1.0)
        (window,) = windows(stretch, stretch, length_s=1, hop_s=1, fps=FPS, side=SIDE, rate=RATE)
        at_s = from_s + start_s + np.arange(FPS) / FPS
        assert abs(says_s(window.frames) - at_s).max() <= 1 / FPS
        assert sound_s(window.samples) == pytest.approx(from_s + start_s, abs=SAMPLE_S)


def _cut_by_edit_list(whole: Path, path: Path, from_s: float) -> Path:
    """The same packets, stamped earlier: what stands before zero is there to be decoded, not shown."""
    options = {"avoid_negative_ts": "disabled", "movie_timescale": "720000"}
    with av.open(str(whole)) as source, av.open(str(path), "w", options=options) as target:
        streams = {each.index: target.add_stream_from_template(each) for each in source.streams}
        for packet in source.demux():
            if packet.dts is not None:
                by = round(from_s / packet.time_base)
                packet.pts, packet.dts = packet.pts - by, packet.dts - by
                packet.stream = streams[packet.stream_index]
                target.mux(packet)
    return path


def test_a_hole_in_the_sound_is_silence_and_what_follows_is_in_its_place(tmp_path):
    path = film(tmp_path / "film.mkv", hole_s=(1.5, 2.25), codecs=("libx264", "pcm_s16le"))
    samples = read_sound(Stretch(path, 1.0, 2.0), rate=RATE)
    assert sound_s(samples[: RATE // 2]) == pytest.approx(1.0, abs=SAMPLE_S)
    assert abs(samples[round(0.51 * RATE) : round(1.24 * RATE)]).max() < 1e-3
    assert sound_s(samples[round(1.25 * RATE) :]) == pytest.approx(2.25, abs=SAMPLE_S)


def test_before_the_start_and_after_the_end_is_silence_and_the_nearest_picture(tmp_path):
    path = film(tmp_path / "film.mp4", seconds=2)
    stretch = Stretch(path, -1.0, 4.0)
    first, *_, last = windows(stretch, stretch, length_s=1, hop_s=1, fps=FPS, side=SIDE, rate=RATE)
    assert set(says_s(first.frames)) == {0.0}
    assert set(says_s(last.frames)) == {1.96}
    assert not first.samples.any()
    assert abs(last.samples[RATE // 10 :]).max() < 1e-3
    assert sound_s(read_sound(stretch, rate=RATE)[RATE : 2 * RATE]) == pytest.approx(0.0, abs=SAMPLE_S)


def test_a_silent_stream_is_zeros(tmp_path):
    path = film(tmp_path / "film.mov", silent=True)
    assert probe(path).has_sound
    assert not read_sound(Stretch(path, 0.5, 1.0), rate=RATE).any()


def test_a_picture_that_stands_for_long_stands_all_that_time(tmp_path):
    path = film(tmp_path / "slides.mp4", stamps_s=[0.0, 1.0, 7.0], seconds=8, sound=False)
    frames = np.concatenate([each.frames for each in pictures(Stretch(path, 4.0, 4.0), fps=FPS, side=SIDE)])
    np.testing.assert_allclose(says_s(frames), [1.0] * 75 + [7.0] * 25)


def test_a_stream_and_a_channel_are_chosen(tmp_path):
    path = film(tmp_path / "film.mov", streams=2, layout="5.1", alike=False)
    for stream, channel in ((0, 2), (1, 0), (1, 5)):
        stretch = Stretch(path, 0.7, 1.0, stream=stream, channel=channel)
        found_s = sound_s(read_sound(stretch, rate=RATE), noise=100 * stream + channel)
        assert found_s == pytest.approx(0.7, abs=SAMPLE_S)


def test_a_mix_stays_within_full_scale(tmp_path):
    path = film(tmp_path / "film.mp4", layout="5.1")
    one = read_sound(Stretch(path, 1.0, 1.0, channel=0), rate=RATE)
    mixed = read_sound(Stretch(path, 1.0, 1.0), rate=RATE)
    assert mixed.std() == pytest.approx(one.std(), rel=0.1)


def test_a_doubled_per_cent_sign_in_a_sequence_stands_for_itself(tmp_path):
    image_sequence(tmp_path / "50% %d", count=25, fps=25, first=86)
    for picture in (tmp_path / "50% %d").iterdir():
        picture.rename(picture.with_name(f"take %d {picture.name}"))
    info = probe(tmp_path / "50%% %%d" / "take %%d shot.%04d.png", start_number=86, sequence_fps=25)
    assert info.duration_s == pytest.approx(1.0)


@pytest.mark.parametrize("start_number", [None, 86], ids=["lowest on disk", "as told"])
def test_an_image_sequence_runs_at_the_rate_that_is_told(tmp_path, start_number):
    pattern = image_sequence(tmp_path / "100% [shot]", count=48, fps=24, first=86)
    told = {"start_number": start_number, "sequence_fps": 24.0}
    info = probe(pattern, **told)
    assert (info.fps, info.duration_s, info.still, info.has_sound) == (24, 2.0, False, False)
    frames = np.concatenate(
        [each.frames for each in pictures(Stretch(pattern, 0.5, 1.0, **told), fps=24, side=SIDE)]
    )
    np.testing.assert_allclose(says_s(frames), 0.5 + np.arange(24) / 24, atol=0.001)


@pytest.mark.parametrize("turned", [90, 180, 270])
def test_pictures_stand_upright_as_the_file_says(tmp_path, turned):
    flat, path = film(tmp_path / "flat.mp4", sound=False, seconds=1), tmp_path / "film.mp4"
    _ffmpeg("-display_rotation", str(turned), "-i", str(flat), "-c", "copy", str(path))
    as_stored, upright = (next(pictures(Stretch(each, 0.0, 1.0), fps=5, side=64)) for each in (flat, path))
    wanted = np.rot90(as_stored.frames, turned // 90, axes=(1, 2))
    assert upright.frames.shape == wanted.shape
    assert abs(upright.frames.astype(int) - wanted).mean() < 2


def test_pictures_are_as_wide_as_they_are_shown(tmp_path):
    flat, path = film(tmp_path / "flat.mp4", sound=False, seconds=1), tmp_path / "film.mp4"
    _ffmpeg("-i", str(flat), "-vf", "setsar=2/1", str(path))
    (window,) = pictures(Stretch(path, 0.0, 1.0), fps=5, side=32)
    assert window.frames.shape == (5, 32, 96, 3)
    assert window.samples is None


def _ffmpeg(*arguments: str) -> None:
    ffmpeg = pytest.importorskip("imageio_ffmpeg", reason="writes what PyAV can't").get_ffmpeg_exe()
    subprocess.run([ffmpeg, "-v", "error", "-y", *arguments], check=True)


def test_colours_are_those_of_the_file(tmp_path):
    pattern = tmp_path / "red.%d.png"
    (tmp_path / "red.0.png").write_bytes(png(np.full((64, 64, 3), (200, 30, 60), np.uint8)))
    (tmp_path / "red.1.png").write_bytes(png(np.full((64, 64, 3), (30, 200, 60), np.uint8)))
    (window,) = pictures(Stretch(pattern, 0.0, 1.0, sequence_fps=2), fps=2, side=32)
    assert abs(window.frames[0].astype(int) - (200, 30, 60)).max() <= 2
    assert abs(window.frames[1].astype(int) - (30, 200, 60)).max() <= 2


def test_a_picture_goes_to_jpeg_nearly_unchanged(tmp_path):
    frame = time_picture(1.234, (96, 64))
    path = tmp_path / "a.jpg"
    path.write_bytes(to_jpeg(frame))
    assert probe(path).still
    with av.open(str(path)) as container:
        back = next(container.decode(video=0)).to_ndarray(format="rgb24")
    assert abs(back.astype(int) - frame).max() <= 40


class TestProbe:
    """What a header tells."""

    def test_a_film(self, tmp_path):
        info = probe(film(tmp_path / "film.mp4", fps=Fraction(30000, 1001), layout="5.1", seconds=2))
        assert (info.fps, info.width, info.height) == (Fraction(30000, 1001), 96, 64)
        assert info.duration_s == pytest.approx(2.002, abs=0.01)
        assert info.has_picture
        assert info.has_sound
        assert [(each.index, each.rate, each.channels) for each in info.sounds] == [(0, 48000, 6)]
        assert (info.timecode, info.timecode_s) == (None, None)

    def test_sound_that_sets_in_later_than_the_picture(self, tmp_path):
        info = probe(film(tmp_path / "film.mov", sound_from_s=0.7))
        assert info.sounds[0].start_s == pytest.approx(0.7, abs=1e-4)

    @pytest.mark.parametrize(
        ("fps", "timecode", "seconds"),
        [
            (Fraction(25), "01:00:00:00", 3600.0),
            (Fraction(24000, 1001), "01:00:00:00", 3603.6),
            # SMPTE ST 12-1: drop-frame follows the clock to 3.6 ms an hour; the other falls behind by 3.6 s.
            (Fraction(30000, 1001), "01:00:00;00", 3599.9964),
            (Fraction(30000, 1001), "01:00:00:00", 3603.6),
            (Fraction(30000, 1001), "00:01:00;02", 1800 * 1.001 / 30),
            (Fraction(60000, 1001), "01:00:00;00", 3599.9964),
        ],
    )
    def test_start_timecode_in_true_seconds(self, tmp_path, fps, timecode, seconds):
        info = probe(film(tmp_path / "film.mov", fps=fps, timecode=timecode, seconds=1))
        assert info.timecode == timecode
        assert info.timecode_s == pytest.approx(seconds, abs=1e-6)

    def test_the_time_reference_of_a_broadcast_wav(self, tmp_path):
        samples = round(3603.6 * 48000)
        info = probe(film(tmp_path / "recorder.wav", metadata={"time_reference": str(samples)}))
        assert info.timecode_s == pytest.approx(3603.6)
        assert info.fps is None
        assert not info.has_picture


class TestBadFiles:
    """Each error names the file, what was wanted and what there is."""

    def test_no_such_file(self, tmp_path):
        with pytest.raises(MediaMissingError, match=r"gone\.mp4"):
            probe(tmp_path / "gone.mp4")
        with pytest.raises(MediaMissingError, match=r"shot\.%04d\.png"):
            probe(tmp_path / "shot.%04d.png")

    @pytest.mark.parametrize("data", [b"", b"This is no film.\n" * 100], ids=["empty", "text"])
    def test_not_media(self, tmp_path, data):
        path = tmp_path / "film.mp4"
        path.write_bytes(data)
        with pytest.raises(MediaError, match=r"film\.mp4: wanted a media file"):
            list(pictures(Stretch(path, 0.0, 1.0), fps=FPS, side=SIDE))

    def test_without_what_was_wanted(self, tmp_path):
        path = film(tmp_path / "sound.wav")
        with pytest.raises(MediaError, match=r"sound\.wav: a picture was wanted"):
            list(pictures(Stretch(path, 0.0, 1.0), fps=FPS, side=SIDE))
        with pytest.raises(MediaError, match="sound stream 2 was wanted, but there are 1"):
            read_sound(Stretch(path, 0.0, 1.0, stream=1), rate=RATE)
        with pytest.raises(MediaError, match="channel 3 of sound stream 1 was wanted, but it has 2"):
            read_sound(Stretch(path, 0.0, 1.0, channel=2), rate=RATE)

    def test_the_header_of_a_truncated_film_is_lost(self, tmp_path):
        path = film(tmp_path / "film.mp4")
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with pytest.raises(MediaError, match=r"film\.mp4"):
            probe(path)

    def test_a_truncated_film_gives_what_there_is_and_then_says_so(self, tmp_path):
        path = film(tmp_path / "film.mkv")
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        seen: list[Window] = []
        with pytest.raises(MediaError, match=r"film\.mkv: .*none after \d+\.\d+ s"):
            seen.extend(pictures(Stretch(path, 0.0, 4.0), fps=FPS, side=SIDE))
        told_s = says_s(np.concatenate([each.frames for each in seen]))
        assert 1.0 < told_s[-1] < 3.0
        # A B-picture whose neighbour is lost may be lost with it.
        assert abs(told_s - np.arange(len(told_s)) / FPS).max() <= 1.001 / FPS
        # What lies before the damage is as good as ever.
        assert len(read_sound(Stretch(path, 0.0, 1.0), rate=RATE)) == RATE

    def test_damaged_packets_are_left_out_and_nothing_is_printed(self, tmp_path):
        path = film(tmp_path / "film.ts", seconds=6)
        data = bytearray(path.read_bytes())
        middle = len(data) // 2
        data[middle : middle + 2000] = bytes(2000)
        path.write_bytes(data)
        code = (
            "import sys; from pathlib import Path; from otio_avassist.windows import *\n"
            "s = Stretch(Path(sys.argv[1]), 0.0, 6.0)\n"
            "given = windows(s, s, length_s=1, hop_s=1, fps=25, side=48, rate=16000)\n"
            "sys.exit(0 if len(list(given)) == 6 else 3)\n"
        )
        done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
