"""The sync bench measures what it says: offsets known to a sample, figures anybody can check by hand."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from bench.sync import __main__ as command
from bench.sync import clips, cuts, film, road, scenes, shifted, tally
from bench.sync.road import Answer, Sample
from otio_avassist import media, windows
from otio_avassist.errors import MediaError

FPS, RATE, LENGTH_S = 25, 22_050, 10.0
FLASHES_S = (0.6, 1.44, 1.92, 2.8, 3.2, 4.36, 4.8, 5.76, 6.32, 7.52, 7.88, 8.6, 9.24)
SIZE = (64, 48)


def flashing(path: Path, *, sound_from_s: float = 0.0, late_s: float = 0.0) -> Path:
    """A dark film whose picture flashes for two frames as it pops, by H.264 and AAC as cameras write it."""
    rng = np.random.default_rng(5)
    backdrop = rng.integers(20, 60, (SIZE[1], SIZE[0], 3), dtype=np.uint8)
    samples = rng.normal(0, 1e-3, round(LENGTH_S * RATE))
    for flash_s in FLASHES_S:
        first = round((flash_s + late_s) * RATE)
        pop = 0.7 * rng.normal(0, 1, 900) * np.exp(-np.arange(900) / 200)
        samples[first : first + 900] += pop[: len(samples) - first]
    with av.open(str(path), "w") as container:
        picture = container.add_stream("libx264", rate=FPS, options={"crf": "18", "g": "50", "bf": "2"})
        picture.width, picture.height = SIZE
        picture.pix_fmt = "yuv420p"
        sound = container.add_stream("aac", rate=RATE, layout="mono")
        for number in range(round(LENGTH_S * FPS)):
            lit = any(flash_s <= number / FPS + 1e-6 < flash_s + 0.08 for flash_s in FLASHES_S)
            frame = av.VideoFrame.from_ndarray(backdrop + np.uint8(150 * lit), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(picture.encode(frame))
        container.mux(picture.encode(None))
        block = av.AudioFrame.from_ndarray(
            samples[None, round(sound_from_s * RATE) :].astype(np.float32), format="fltp", layout="mono"
        )
        block.sample_rate, block.time_base = RATE, Fraction(1, RATE)
        block.pts = round(sound_from_s * RATE)
        container.mux(sound.encode(block))
        container.mux(sound.encode(None))
    return path


def lit_and_heard_s(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """When each flash begins to be seen, and when each pop is to be heard."""
    stretch = windows.Stretch(path, 0.0, windows.probe(path).duration_s or 0.0)
    frames = np.concatenate([part.frames for part in windows.pictures(stretch, fps=FPS, side=SIZE[1])])
    lit = frames.mean((1, 2, 3)) > 100
    samples = np.abs(windows.read_sound(stretch, rate=RATE))
    loud = np.flatnonzero(samples > 0.15)
    pops = loud[np.flatnonzero(np.diff(loud, prepend=-RATE) > 0.1 * RATE)]
    return np.flatnonzero(lit & ~np.roll(lit, 1)) / FPS, pops / RATE


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    return flashing(tmp_path_factory.mktemp("film") / "flashing.mp4")


@pytest.fixture(scope="module")
def master(source, tmp_path_factory) -> cuts.Master:
    return cuts.master(source, *cuts.usable(source), tmp_path_factory.mktemp("master"))


@pytest.mark.parametrize("offset_s", [-2.0, -0.6, 0.0, 0.2, 2.0])
def test_a_cut_is_early_by_what_it_says(master, tmp_path, offset_s):
    early_s = cuts.cut(master, offset_s, 4.0, tmp_path / "cut.mov")
    assert early_s == pytest.approx(offset_s, abs=1 / RATE)
    seen_s, heard_s = lit_and_heard_s(tmp_path / "cut.mov")
    apart_s = [pop_s - flash_s for flash_s in seen_s for pop_s in heard_s]
    in_step = [each for each in apart_s if abs(each + early_s) < 0.02]
    # Each flash whose pop lies inside the cut, too, has it there.
    both = [flash_s for flash_s in seen_s if 0.05 < flash_s - early_s < 3.95]
    assert len(in_step) == len(both) >= 2


@pytest.mark.parametrize("offset_s", [-2.0, 0.0, 2.0])
def test_both_streams_start_at_zero_and_are_of_one_length_whatever_the_shift(master, tmp_path, offset_s):
    cuts.cut(master, offset_s, 4.0, tmp_path / "cut.mov")
    with av.open(str(tmp_path / "cut.mov")) as container:
        for stream in (container.streams.video[0], container.streams.audio[0]):
            assert media.start_s(stream) == 0
            assert media.duration_s(stream) == pytest.approx(4.0, abs=1e-3)
        assert container.streams.video[0].frames == 100


def test_nothing_in_a_cut_is_padded(master, tmp_path):
    """Digital silence and a picture that stands are what padding looks like; the film has neither."""
    room_s = master.room_s((-2.0, 2.0))
    assert 7.8 < room_s < 8.0
    for offset_s in (-2.0, 2.0):
        cuts.cut(master, offset_s, room_s, tmp_path / "cut.mov")
        samples = windows.read_sound(windows.Stretch(tmp_path / "cut.mov", 0.0, room_s), rate=RATE)
        assert np.abs(samples[: RATE // 10]).max() > 1e-4
        assert np.abs(samples[-RATE // 10 :]).max() > 1e-4


def test_what_has_no_room_is_refused(master, tmp_path):
    with pytest.raises(MediaError, match=r"no room for 9\.00 s"):
        cuts.cut(master, 2.0, 9.0, tmp_path / "cut.mov")


def test_pictures_are_hardly_touched(source, master):
    """45 dB of peak signal to noise: below it, trained eyes begin to see."""

    def lights(path: Path) -> np.ndarray:
        with av.open(str(path)) as container:
            return np.stack([frame.to_ndarray(format="gray") for frame in container.decode(video=0)])

    error = lights(source).astype(float) - lights(master.picture).astype(float)
    assert 10 * np.log10(255**2 / np.mean(error**2)) > 45


def test_high_pictures_are_made_smaller_and_keep_their_shape(tmp_path, monkeypatch, source):
    monkeypatch.setattr(cuts, "LINES", 24)
    small = cuts.master(source, 0.0, 1.0, tmp_path)
    info = windows.probe(small.picture)
    with av.open(str(small.picture)) as container:
        assert (container.streams.video[0].width, container.streams.video[0].height) == (32, 24)
    assert info.duration_s == pytest.approx(1.0, abs=1e-3)
    assert len(small.times_s) == 25


def test_a_film_that_is_late_itself_still_gets_the_offset_that_is_wanted(tmp_path):
    late = flashing(tmp_path / "late.mp4", late_s=0.3)
    made = cuts.master(late, *cuts.usable(late), tmp_path, early_s=-0.3)
    assert cuts.cut(made, 0.4, 4.0, tmp_path / "cut.mov") == pytest.approx(0.4, abs=1 / RATE)
    seen_s, heard_s = lit_and_heard_s(tmp_path / "cut.mov")
    apart_s = np.abs(np.subtract.outer(heard_s, seen_s) + 0.4).min(1)
    assert np.sort(apart_s)[:3].max() < 0.02


def test_sound_that_sets_in_late_is_not_filled_up(tmp_path):
    late = flashing(tmp_path / "late.mkv", sound_from_s=1.0)
    first_s, last_s = cuts.usable(late)
    assert first_s == pytest.approx(1.0, abs=0.06)
    assert last_s == pytest.approx(LENGTH_S, abs=0.1)


def test_a_rendered_scene_is_written_without_any_loss(tmp_path):
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (10, 32, 48, 3), dtype=np.uint8)
    samples = rng.uniform(-1, 1, 6400).astype(np.float32)
    cuts.write_scene(frames, samples, fps=25, rate=16_000, target=tmp_path / "scene.mkv")
    stretch = windows.Stretch(tmp_path / "scene.mkv", 0.0, 0.4)
    assert np.array_equal(windows.read_sound(stretch, rate=16_000), samples)
    with av.open(str(tmp_path / "scene.mkv")) as container:
        read = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert np.array_equal(np.stack(read), frames)


def test_the_plugin_is_asked_about_each_file_for_itself(master, tmp_path):
    """Motion energy finds where a flash pops, also when four files stand on one timeline."""
    samples = []
    for offset_s in (-1.2, -0.4, 0.0, 0.8):
        path = tmp_path / f"{offset_s}.mov"
        samples.append(Sample(path, cuts.cut(master, offset_s, 7.0, path)))
    answers = road.ask(samples, shifted.BASELINE)
    assert [each.true_s for each in answers] == [each.early_s for each in samples]
    assert all(each.best_right for each in answers)


def test_of_a_stretch_only_the_stretch_is_looked_at(master, tmp_path):
    """Four seconds are too few for motion energy; where it saw the rest of the file, it would tell."""
    path = tmp_path / "cut.mov"
    early_s = cuts.cut(master, 0.0, 7.0, path)
    [whole] = road.ask([Sample(path, early_s)], shifted.BASELINE)
    [part] = road.ask([Sample(path, early_s, (1.5, 4.0))], shifted.BASELINE)
    assert whole.best_right
    assert part.likeliest_s is None
    assert part.named_s is None


def test_two_samples_of_one_file_are_refused(tmp_path):
    with pytest.raises(ValueError, match="one piece of evidence"):
        road.ask([Sample(tmp_path / "a.mov", 0.0), Sample(tmp_path / "a.mov", 0.2)])


# Figures


def answer(true_s: float, said_s: float | None, *, named: bool = False, applied: bool = False) -> Answer:
    return Answer(true_s, said_s, said_s if named else None, 0.9 if named else 0.2, applied)


GOOD = [answer(0.2 * k, 0.2 * k + 0.03, named=True, applied=k < 2) for k in range(4)]
BAD = [answer(0.2 * k, 0.2 * k + 1.0, named=k < 2) for k in range(4)]
IDLE = [answer(0.2 * k, None) for k in range(4)]


def test_right_is_within_a_fifth_of_a_second():
    assert answer(0.4, 0.6).best_right
    assert answer(0.4, 0.2).best_right
    assert not answer(0.4, 0.61).best_right
    assert not answer(0.4, None).best_right


def test_figures_are_those_that_one_counts_by_hand():
    every = [GOOD, BAD, IDLE]
    assert tally.best_right(every) == pytest.approx(1 / 3)
    assert tally.coverage(every) == pytest.approx((1 + 0.5 + 0) / 3)
    assert tally.precision(every) == pytest.approx(4 / 6)
    assert tally.applied_coverage(every) == pytest.approx(0.5 / 3)
    assert tally.applied_precision(every) == 1.0
    assert tally.error_ms([GOOD]) == pytest.approx(30)
    assert tally.often_wrong({"good": GOOD, "bad": BAD, "idle": IDLE}) == ["bad"]


def test_a_clip_with_more_answers_counts_no_more_than_another():
    assert tally.best_right([GOOD * 10, BAD]) == pytest.approx(0.5)


def test_where_nothing_was_named_there_is_no_precision():
    assert tally.measured(tally.precision, [IDLE, IDLE]).value is None
    assert tally.measured(tally.precision, [IDLE, IDLE]).words() == "none"
    assert tally.measured(tally.error_ms, []).value is None


def test_intervals_draw_whole_clips_and_not_their_shifts():
    """Of one clip nobody knows how another would fare; many shifts of it don't make that any surer."""
    few = tally.measured(tally.best_right, [GOOD, BAD, GOOD, BAD])
    many = tally.measured(tally.best_right, [GOOD * 20, BAD * 20, GOOD * 20, BAD * 20])
    assert (few.low, few.high) == (many.low, many.high) == (0.0, 1.0)
    wide = tally.measured(tally.best_right, [GOOD, BAD] * 40)
    assert 0.35 < (wide.low or 0) < 0.5 < (wide.high or 1) < 0.65


def test_guessing_on_the_published_grid():
    assert tally.chance(scenes.OFFSETS_S, 0.2) == pytest.approx((3 * 21 - 2) / 21**2)


# What is asked of a film


@pytest.mark.parametrize(
    ("length_s", "window_s", "most", "wanted"),
    [
        (8.0, 5.0, None, [0, 3]),
        (5.0, 5.0, None, [0]),
        (4.0, 5.0, None, [0]),
        (60.0, 5.0, 2, [0, 55]),
        (20.0, 5.0, 1, [7.5]),
    ],
)
def test_single_windows_cover_the_whole(length_s, window_s, most, wanted):
    assert list(shifted.starts(length_s, window_s, most)) == pytest.approx(wanted)


def test_every_long_window_is_every_second_and_the_last_ends_with_the_whole():
    assert list(shifted.every(10.5, 8.0, 1.0)) == pytest.approx([0, 1, 2, 2.5])
    assert list(shifted.every(7.9, 8.0, 1.0)) == []
    assert list(shifted.every(8.0, 8.0, 1.0)) == [0]


def test_a_folder_of_clips_is_measured_from_end_to_end(source, tmp_path, monkeypatch, capsys):
    (tmp_path / "flashing.mp4").write_bytes(source.read_bytes())
    entry = {
        "file": "flashing.mp4",
        "audio_early_s": 0.0,
        "synchronizable_by_eye": True,
        "talking_face": False,
    }
    (tmp_path / "manifest.json").write_text(json.dumps({"clips": [entry, {"file": "not-there.mp4"}]}))
    words = ["clips", "--clips", tmp_path, "--rungs", "sound-to-picture", "--processes", "1"]
    monkeypatch.setattr(clips, "OFFSETS_S", np.array([-1.2, 0.0, 0.4]))
    kept = tmp_path / "figures.json"
    kept.write_text(json.dumps({"figures": {"validation": 1}, "version": "2"}))
    words += ["--json", tmp_path / "out.json", "--figures", kept]
    monkeypatch.setattr("sys.argv", ["bench.sync", *map(str, words)])
    command.main()
    told = json.loads((tmp_path / "out.json").read_text())["clips"]
    assert told["whole"]["clips"] == 1
    assert len(told["whole"]["answers"]["flashing.mp4"]) == 3
    assert told["whole"]["likeliest right"]["value"] > 0.9
    # The only rung that was asked is the baseline itself.
    assert told["whole"]["answers"] == told["motion energy alone"]["answers"]
    assert "every 8 s window" not in told
    for_a_card = json.loads(kept.read_text())
    assert for_a_card["version"] == "2"
    assert set(for_a_card["figures"]) == {"validation", "bench.sync clips"}
    assert for_a_card["figures"]["bench.sync clips"]["whole"]["clips"] == 1
    assert "answers" not in json.dumps(for_a_card)
    shown = capsys.readouterr().out
    assert "flashing.mp4" in shown
    assert "whole clips right at least 70%" in shown


def test_goals_count_what_it_stands_for_and_not_what_it_only_thinks():
    found = {
        "a": shifted.Shifted("a", 8.0, whole=GOOD, long=GOOD),
        "b": shifted.Shifted("b", 8.0, whole=[answer(0.2 * k, 0.2 * k) for k in range(4)], long=BAD),
    }
    reached = {what: good for what, (_, good) in clips._goals(found).items()}
    assert reached == {
        "whole clips right at least 70%": True,
        "what it stands for right at least 95%": True,
        "coverage at least 40%": True,
        "no clip wrong in more than one shift": True,
        "median error at most 40 ms": True,
        "talking faces right in every 8 s window": False,
    }


def test_pieces_of_a_film_follow_each_other_and_leave_room_for_their_shifts(monkeypatch):
    monkeypatch.setattr(film, "usable", lambda path: (0.0, 596.4))

    class Asked:
        film, piece, from_s, to_s = Path("film.mp4"), 60.0, 290.0, None

    assert film._starts(Asked) == [290.0, 350.0, 410.0, 470.0, 530.0]


def test_each_scene_is_cut_by_its_class_and_a_control_changes_one_of_both(tmp_path):
    batch = scenes.Batch(9, 2, "clips", tmp_path, 5.0, None)
    made = scenes.windows_of(batch)
    assert made.frames.shape[:2] == (2, 125)
    assert made.samples.shape == (2, 80_000)
    assert list(made.wanted) == [9, 10]
    others = scenes.without_a_clue(made, "sound of another scene")
    assert np.array_equal(others.frames, made.frames)
    assert np.array_equal(others.samples[0], made.samples[1])
