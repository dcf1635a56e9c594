"""Scenes for the compact sync network: in step by what can be measured, the same from a seed, no leaks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from click.testing import CliRunner

pytest.importorskip("cv2")
pytest.importorskip("pymunk")

from models.data.noises import RATE
from models.sync.compact import calls, drawing, material, motions, scenes, struck, voiced
from models.sync.compact.acts import Stage
from models.sync.compact.scenes import EASY, FPS, FULL, KINDS, Scene, render
from otio_avassist.energies import STEPS, BandEnergies, MotionGrid

SHORT = 6.0

# Kinds whose blows stand out of all that moves; what is compared with the rises of the sound.
WATCHED = {"strike": "moves", "kick": "moves", "steps": "changes"}


@pytest.fixture(scope="module")
def bank() -> material.Bank:
    """Nothing fetched: drawn noises and textures."""
    return material.invented()


def easy(kind: str, length_s: float = SHORT) -> scenes.Recipe:
    return replace(EASY, kinds=(kind,), length_s=length_s)


def curves(scene: Scene, watched: str) -> tuple[np.ndarray, np.ndarray]:
    """What is seen and what is heard in each frame, (T,) both, mean 0 and deviation 1."""
    moves = np.sqrt(MotionGrid()(scene.frames)[:, 0].mean((1, 2)))
    ear = BandEnergies(RATE)
    bands = np.concatenate([ear(scene.samples), ear.end()]).reshape(len(moves), STEPS, -1)
    rises = np.maximum(np.diff(bands.mean((1, 2)), prepend=bands[0].mean()), 0)
    seen = np.abs(np.diff(moves, prepend=moves[0])) if watched == "changes" else moves
    return _standard(seen), _standard(rises)


def _standard(curve: np.ndarray) -> np.ndarray:
    return (curve - curve.mean()) / (curve.std() + 1e-9)


def at_lags(seen: np.ndarray, heard: np.ndarray, reach: int = 20) -> np.ndarray:
    """Correlation when the sound is -reach to reach frames late."""
    return np.array(
        [
            np.mean(
                seen[max(0, -lag) : len(seen) - max(0, lag)] * heard[max(0, lag) : len(heard) + min(0, lag)]
            )
            for lag in range(-reach, reach + 1)
        ]
    )


# Scenes


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_scene_with_picture_and_sound(kind: str, bank: material.Bank) -> None:
    first, again = (render(3, bank, easy(kind)) for _ in range(2))
    assert np.array_equal(first.frames, again.frames)
    assert np.array_equal(first.samples, again.samples)
    assert first.frames.shape == (SHORT * FPS, EASY.height, EASY.width, 3)
    assert len(first.samples) == SHORT * RATE
    assert 0.02 < np.abs(first.samples).max() <= 1
    assert first.kinds == (kind,)


@pytest.mark.parametrize("kind", WATCHED)
def test_what_is_seen_and_what_is_heard_fit_best_when_they_are_in_step(
    kind: str, bank: material.Bank
) -> None:
    fits = [at_lags(*curves(render(seed, bank, easy(kind, 10.0)), WATCHED[kind])) for seed in range(40, 46)]
    mean = np.mean(fits, axis=0)
    # A frame either way: a thing may stop, or start, as it sounds.
    assert abs(int(mean.argmax()) - 20) <= 1


def test_blows_are_heard_in_the_frame_they_are_said_to_fall_in(bank: material.Bank) -> None:
    steeper = []
    for seed in range(6):
        scene = render(seed, bank, easy("strike"))
        level = np.sqrt(np.square(scene.samples.reshape(-1, RATE // FPS // 4)).mean(1))
        rises = np.maximum(np.diff(np.log(level + 1e-3), prepend=0), 0)
        usual = np.quantile(rises, 0.8)
        steeper += [
            rises[max(0, int(at_s * 4 * FPS) - 1) : int(at_s * 4 * FPS) + 2].max() > usual
            for at_s in scene.strikes_s
        ]
    assert len(steeper) > 20
    assert np.mean(steeper) > 0.9


def test_scenes_of_all_difficulty_have_the_size_that_was_asked_for(bank: material.Bank) -> None:
    for seed in range(8):
        scene = render(seed, bank, replace(FULL, length_s=SHORT))
        assert scene.frames.shape == (SHORT * FPS, FULL.height, FULL.width, 3)
        assert len(scene.samples) == SHORT * RATE
        assert np.isfinite(scene.samples).all()
        assert np.abs(scene.samples).max() <= 1.05  # an encoder may overshoot


def test_an_encoder_shifts_nothing(bank: material.Bank) -> None:
    for seed in (1, 2):
        plain = render(seed, bank, easy("clap"))
        coded = render(seed, bank, replace(easy("clap"), codec=1.0))
        (seen, heard), (coded_seen, coded_heard) = (curves(each, "moves") for each in (plain, coded))
        assert at_lags(seen, coded_seen, 5).argmax() == 5
        assert at_lags(heard, coded_heard, 5).argmax() == 5


def test_nothing_tells_where_a_scene_begins_or_ends() -> None:
    rng = np.random.default_rng(0)
    clock = motions.Clock(np.arange(200) / FPS, 8 * RATE)
    counts = np.zeros(8)
    for _ in range(1500):
        found_s = motions.times(rng, clock)
        counts += np.histogram(found_s, np.arange(9))[0]
    assert counts.min() > 0.9 * counts.max()


def test_moves_are_under_way_at_the_first_frame(bank: material.Bank) -> None:
    """A mouth, a bow or a walker that started with the scene would stand still in it."""
    early, late = [], []
    for seed in range(12):
        for kind in ("bow", "steps", "gesture"):
            moves = MotionGrid()(render(seed, bank, easy(kind, 4.0)).frames)[:, 0].mean((1, 2))
            early.append(moves[1:11].mean())
            late.append(moves[40:90].mean())
    assert np.mean(early) > 0.75 * np.mean(late)


# What moves


def test_a_stroke_is_at_its_lowest_when_it_strikes() -> None:
    rng = np.random.default_rng(1)
    struck_s = np.array([1.0, 1.6, 3.0, 3.3])
    at_s = np.arange(0, 4, 0.01)
    high = motions.stroke(rng, at_s, struck_s, np.ones(4), fall_s=0.12, raise_s=0.3)
    for each in struck_s:
        around = np.abs(at_s - each) < 0.05
        assert at_s[around][high[around].argmin()] == pytest.approx(each, abs=0.011)
    assert high.max() > 0.9


def test_bodies_are_heard_when_one_of_them_is_turned_back(bank: material.Bank) -> None:
    """Looked at 200 times a second: speed is nearly the same from look to look, but for knocks."""
    jumped: list[bool] = []
    at_s = np.arange(0, 10, 1 / 200)
    for seed in range(5):
        act = struck.bodies(np.random.default_rng(seed), Stage(motions.Clock(at_s, 10 * RATE), bank))
        moved = [np.stack([part.x, part.y]) for part in act.parts if np.ndim(part.x)]
        jumps = np.max([np.hypot(*np.diff(path, 2)) for path in moved], axis=0)
        usual = np.quantile(jumps, 0.9)
        heard_s = act.strikes_s[(act.strikes_s > 0.1) & (act.strikes_s < 9.9)]
        # Half a frame either way.
        jumped += [
            jumps[(at_s[1:-1] > each - 0.02) & (at_s[1:-1] < each + 0.02)].max() > 2 * usual
            for each in heard_s
        ]
    assert len(jumped) > 20
    assert np.mean(jumped) > 0.9


def test_smoothing_does_not_shift() -> None:
    peak = np.zeros(101)
    peak[50] = 1
    assert motions.smooth(peak, 4).argmax() == 50
    assert motions.smooth(peak, 4).sum() == pytest.approx(1)


def test_a_part_is_drawn_where_it_is_said_to_be() -> None:
    rng = np.random.default_rng(2)
    part = drawing.Part(drawing.sprite(rng, "ellipse", np.full(3, 250.0)), 0.25, -0.25, 0.2, 0.2)
    still = np.zeros(1)
    camera = drawing.Camera(still, still, still + 1, still)
    canvas = np.zeros((96, 128, 3), np.uint8)
    drawing.Laid(part, camera.maps(96, 128), 96, 128).draw(canvas, 0)
    rows, columns = np.nonzero(canvas.max(2) > 20)
    assert rows.mean() == pytest.approx((0.5 - 0.25) * 96 - 0.5, abs=1)
    assert columns.mean() == pytest.approx(64 + 0.25 * 96 - 0.5, abs=1)
    assert len(rows) == pytest.approx(np.pi * (0.1 * 96) ** 2, rel=0.15)


def test_what_is_mirrored_and_scaled_keeps_its_shape() -> None:
    rng = np.random.default_rng(2)
    part = drawing.Part(drawing.sprite(rng, "box", np.full(3, 200.0)), 0.2, 0.1, 0.4, 0.1, 0.3)
    moved = part.moved(2.0, 0.5, 0.0, mirrored=True)
    assert (moved.x, moved.y) == pytest.approx((0.5 - 0.4, 0.2))
    assert (moved.wide, moved.tall, moved.angle) == pytest.approx((0.8, 0.2, -0.3))


# Sounds


def test_every_role_has_sounds_and_only_known_names(bank: material.Bank) -> None:
    assert set(bank.blows) == set(material.ROLES)
    assert all(bank.blows[role] for role in material.ROLES)


def test_a_blow_is_found_where_a_recording_gets_loud() -> None:
    rng = np.random.default_rng(0)
    samples = 0.02 * rng.normal(size=RATE).astype(np.float32)
    samples[4000:6000] += np.exp(-np.arange(2000) / 400) * np.sin(np.arange(2000))
    assert material.onset(samples) == pytest.approx(4000, abs=RATE // 400)


@pytest.mark.parametrize(("wide", "narrow"), [("a", "m"), ("A:", "p"), ("e", "b"), ("o", "_:")])
def test_lips_are_further_apart_for_open_sounds(wide: str, narrow: str) -> None:
    assert material.shape_of(wide)[0] > 0.4 > 0.1 > material.shape_of(narrow)[0]


@pytest.mark.parametrize("voice", [calls.bark, calls.cry, calls.laugh])
def test_calls_are_of_one_voice_and_loudest_after_they_begin(voice) -> None:
    for blow in voice(np.random.default_rng(5)):
        assert np.abs(blow.samples).max() == pytest.approx(1)
        assert 0 <= blow.onset < len(blow.samples) / 2
        assert np.abs(blow.samples[-10:]).max() < 0.1


def test_a_call_that_fades_in_is_still_heard_at_its_time() -> None:
    """Recordings of animals begin long before they are loud; what is seen happens when they are."""
    rng = np.random.default_rng(6)
    samples = 0.01 * rng.normal(size=2 * RATE).astype(np.float32)
    samples[RATE:] *= 50
    faded = voiced._swelled(rng, material.Blow(samples, RATE))
    level = np.abs(faded.samples)
    assert level[: faded.onset].max() < 0.1 * level.max()
    assert faded.onset <= 0.06 * RATE
    assert level[faded.onset : faded.onset + RATE // FPS].max() > 0.25 * level.max()


# To look at


def test_a_scene_can_be_written_and_read(
    bank: material.Bank, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scenes, "load", lambda _place: bank)
    out = tmp_path / "scene.mp4"
    done = CliRunner().invoke(scenes.main, [str(out), "--kind", "flash", "--easy"], catch_exceptions=False)
    assert done.exit_code == 0
    assert "flash" in done.output
    with av.open(str(out)) as container:
        assert sum(1 for _ in container.decode(video=0)) == EASY.length_s * FPS
        assert container.streams.audio[0].rate == RATE


def test_a_scene_knows_in_which_cells_the_thing_that_is_heard_moves(bank):
    scene = render(5, bank, easy("kick"))
    energy = MotionGrid()(scene.frames)[:, 0]
    assert scene.moving.shape == energy.shape
    assert 0.01 < scene.moving.mean() < 0.5
    assert energy[scene.moving].mean() > 3 * energy[~scene.moving].mean()
    # What the camera does is nothing that moves by itself.
    assert not render(5, bank, easy("knocked")).moving.any()
