"""Blocks of pictures and sound as they come, and the cuts that are seen while they pass."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from otio_avassist.errors import MediaError
from otio_avassist.windows import CutFinder, Stretch, blocks, pictures, sounds
from tests.material import film

ASK = {"fps": 2, "side": 48, "rate": 16000}


def whole(found, what: str) -> np.ndarray:
    return np.concatenate([getattr(each, what) for each in found if getattr(each, what) is not None])


def test_blocks_are_the_pictures_and_the_sound_of_two_files(tmp_path: Path) -> None:
    picture = Stretch(film(tmp_path / "a.mp4", seconds=4, sound=False), 0.5, 3.3)
    sound = Stretch(film(tmp_path / "a.wav", seconds=4, picture=False), 0.25, 3.3)
    found = list(blocks(picture, sound, **ASK))
    assert (whole(found, "frames") == whole(pictures(picture, fps=2, side=48), "frames")).all()
    assert (whole(found, "samples") == whole(sounds(sound, rate=16000), "samples")).all()
    assert len(whole(found, "frames")) == 7
    reached_s = [each.start_s for each in found]
    assert max(np.abs(np.diff(reached_s))) <= 1.5, "neither file runs away from the other"


def test_what_is_shorter_than_a_second_is_given_too(tmp_path: Path) -> None:
    short = Stretch(film(tmp_path / "a.mp4", seconds=0.12), 0.0, 0.5)
    found = list(blocks(short, short, **ASK))
    assert len(whole(found, "frames")) == 1
    assert len(whole(found, "samples")) == 8000


def test_a_file_that_breaks_off_does_not_take_the_other_along(tmp_path: Path) -> None:
    sound = Stretch(film(tmp_path / "a.wav", seconds=4, picture=False), 0.0, 4.0)
    broken = film(tmp_path / "a.ts", seconds=4, sound=False)
    broken.write_bytes(broken.read_bytes()[:600])
    found = []
    with pytest.raises(MediaError, match=r"a\.ts"):
        found.extend(blocks(Stretch(broken, 0.0, 4.0), sound, **ASK))
    assert len(whole(found, "samples")) == 4 * 16000


def scenes(path: Path, frames: list[np.ndarray], fps: int = 24) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"crf": "20", "preset": "veryfast"})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt, stream.codec_context.time_base = "yuv420p", Fraction(1, fps)
        for number, picture in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def place(seed: int, shift: int = 0) -> np.ndarray:
    """A picture of coarse coloured blocks, moved sideways."""
    tiles = np.random.default_rng(seed).integers(20, 235, (6, 12, 3), np.uint8)
    return np.ascontiguousarray(
        np.roll(np.kron(tiles, np.ones((24, 24, 1), np.uint8)), shift, axis=1)[:, :240]
    )


def test_cuts_are_found_to_the_picture_and_counted_from_the_start_of_the_stretch(tmp_path: Path) -> None:
    frames = [place(number // 40, shift=2 * (number % 40)) for number in range(120)]
    path = scenes(tmp_path / "a.mp4", frames)
    finder = CutFinder()
    list(blocks(Stretch(path, 1.0, 4.0), None, **ASK, cuts=finder))
    assert finder.cuts_s == pytest.approx([40 / 24 - 1, 80 / 24 - 1], abs=0.5 / 24)


def test_motion_and_a_fade_are_no_cuts(tmp_path: Path) -> None:
    frames = [place(1, shift=3 * number) for number in range(48)]
    frames += [(place(1, shift=3 * 48) * (1 - k / 48)).astype(np.uint8) for k in range(48)]
    path = scenes(tmp_path / "a.mp4", frames)
    finder = CutFinder()
    list(blocks(Stretch(path, 0.0, 4.0), None, **ASK, cuts=finder))
    assert finder.cuts_s == []
