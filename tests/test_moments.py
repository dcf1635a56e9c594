"""Moments are when something stops, turns back or lights up, and not when it moves on or sets off."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest

from otio_avassist import windows
from otio_avassist.moments import FPS, Moment, Stopping, find, watch

SIZE = 96


def scene(place, *, seconds=4.0, lit=lambda at_s: 60, noise=2.0, fps=25):
    """Pictures of a bright box whose top stands at `place(seconds)`, 0 to 1, on a grey of `lit(seconds)`."""
    rng = np.random.default_rng(5)
    texture = rng.normal(0, 12, (SIZE // 4, SIZE // 4)).repeat(4, 0).repeat(4, 1)
    frames = []
    for number in range(round(seconds * fps)):
        at_s = number / fps
        frame = lit(at_s) + texture + rng.normal(0, noise, (SIZE, SIZE))
        top = round(place(at_s) * (SIZE - 24))
        frame[top : top + 24, 36:60] = 220
        frames.append(frame)
    grey = np.clip(frames, 0, 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=3)


def curve(frames, piece=1000):
    stopping = Stopping()
    parts = [stopping(frames[at : at + piece]) for at in range(0, max(1, len(frames)), piece)]
    return np.concatenate(parts)


def write(path, frames, fps=25):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps), options={"crf": "18"})
        stream.width, stream.height, stream.pix_fmt = SIZE, SIZE, "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def times(moments, least=0.6):
    return [moment.at_s for moment in moments if moment.strength >= least]


def falls(*stops_s):
    """A box that falls for 0.3 s, stops dead at each of these times, and is gently raised again."""

    def place(at_s):
        for stop_s in stops_s:
            if stop_s - 0.3 <= at_s <= stop_s:
                return 1 - (stop_s - at_s) / 0.3
            if stop_s < at_s < stop_s + 0.6:
                return (1 + np.cos(np.pi * (at_s - stop_s) / 0.6)) / 2
        return 0.0

    return place


def test_a_box_that_stops_dead_asks_for_a_sound_when_it_stops():
    found = find(curve(scene(falls(0.9, 2.3, 3.5))), FPS)
    assert times(found) == pytest.approx([0.9, 2.3, 3.5], abs=0.03)


def test_a_ball_asks_for_a_sound_when_it_turns_back():
    hits_s = np.array([0.5, 1.3, 2.1, 2.9, 3.7])

    def place(at_s):
        through = (at_s - 0.5) / 0.8 % 1
        return 1 - 4 * through * (1 - through)

    assert times(find(curve(scene(place)), FPS)) == pytest.approx(hits_s, abs=0.03)


def test_a_light_asks_for_a_sound_when_it_goes_on_and_not_when_it_goes_off():
    frames = scene(lambda at_s: 0.5)
    for on_s in (0.8, 2.4):
        frames[round(on_s * 25) : round((on_s + 0.6) * 25), 10:40, 10:30] = 250
    assert times(find(curve(frames), FPS)) == pytest.approx([0.8, 2.4], abs=0.03)


def test_a_harder_hit_is_stronger():
    def place(at_s):
        if at_s < 2:
            return min(1.0, max(0.0, (at_s - 0.2) / 0.8))  # stops at 1 s
        return max(0.0, 1 - max(0.0, at_s - 2.6) / 0.4)  # stops at 3 s, twice as fast

    found = find(curve(scene(place)), FPS)
    assert times(found, least=0.0) == pytest.approx([1.0, 3.0], abs=0.04)
    assert found[1].strength == 1 > 0.8 > found[0].strength


@pytest.mark.parametrize(
    "frames",
    [
        pytest.param(scene(lambda at_s: 0.5, noise=8.0), id="grain"),
        pytest.param(scene(lambda at_s: 0.5, lit=lambda at_s: 60 + 25 * at_s), id="a fade"),
        pytest.param(scene(lambda at_s: 0.5)[:1], id="one picture"),
        pytest.param(scene(lambda at_s: 0.5)[:0], id="no picture"),
    ],
)
def test_nothing_is_asked_for_where_nothing_happens(frames):
    assert find(curve(frames), FPS) == []


def test_what_moves_on_evenly_asks_for_little():
    even = curve(scene(lambda at_s: at_s / 4))
    stops = curve(scene(falls(2.0)))
    assert np.quantile(even, 0.95) < 0.4 * stops.max()


def test_pictures_in_other_pieces_give_the_same_curve():
    frames = scene(falls(0.9, 2.3))
    whole = curve(frames)
    assert len(whole) == len(frames) - 1
    np.testing.assert_allclose(whole, curve(frames, piece=7), atol=1e-6)


def test_a_file_is_watched_from_where_the_stretch_begins(tmp_path):
    path = write(tmp_path / "falls.mp4", scene(falls(0.9, 2.3, 3.5)))
    found = watch(windows.Stretch(path, 1.0, 2.0))
    assert times(found) == pytest.approx([1.3], abs=0.04)


def test_a_cut_is_no_moment(tmp_path):
    before, after = scene(falls(0.9), seconds=2), 255 - scene(lambda at_s: 0.2, seconds=2)[:, ::-1]
    path = write(tmp_path / "cut.mp4", np.concatenate([before, after]))
    seen = []
    assert times(watch(windows.Stretch(path, 0.0, 4.0), seen.append)) == pytest.approx([0.9], abs=0.04)
    assert seen == sorted(seen)
    assert len(seen) > 2


def test_of_two_tops_side_by_side_the_higher_one_counts():
    line = np.zeros(100)
    line[40], line[42], line[80] = 1.0, 0.8, 0.1
    assert find(line, 25.0) == [Moment(40 / 25, 1.0)]
