"""Rendered scenes: in step by what can be measured in them, the same from the same seed, without leaks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.data.codecs import through_codec
from models.data.noises import RATE
from models.data.offsets import OFFSETS_S, cut, draw_start_s
from models.data.scenes import EASY, FPS, FULL, KINDS, Scene, easier, render

PER_FRAME = RATE // FPS


def heard(scene: Scene) -> np.ndarray:
    """Loudness of each frame's time, (T,)."""
    return np.sqrt(np.square(scene.samples.astype(float)).reshape(-1, PER_FRAME).mean(1))


def rises(curve: np.ndarray) -> np.ndarray:
    """How much a curve grows from one frame to the next, (T,)."""
    return np.maximum(np.diff(curve, prepend=curve[0]), 0)


def moved(scene: Scene) -> np.ndarray:
    """How much the picture changes into each frame, (T,)."""
    change = np.abs(np.diff(scene.frames.astype(np.int16), axis=0)).mean((1, 2, 3))
    return np.concatenate([[0], change])


def turned(scene: Scene) -> np.ndarray:
    """How abruptly what stands out from the still background changes its way, (T,)."""
    frames = scene.frames.astype(float)
    apart = np.abs(frames - np.median(frames, axis=0)).sum(-1)
    apart *= apart > 0.3 * apart.max()
    rows, columns = np.indices(apart.shape[1:])
    weight = apart.sum((1, 2)) + 1e-9
    place = np.stack([(apart * axis).sum((1, 2)) / weight for axis in (rows, columns)])
    # The way in and the way out meet at the frame between them.
    return np.concatenate([[0], np.abs(np.diff(place, 2, axis=1)).max(0), [0]])


def stopped(scene: Scene) -> np.ndarray:
    """How much less the picture changes than a frame before, (T,)."""
    return rises(-moved(scene))


def lit(scene: Scene) -> np.ndarray:
    """How much brighter the picture gets, (T,)."""
    return rises(scene.frames.astype(float).mean((1, 2, 3)))


def opened(scene: Scene) -> np.ndarray:
    """How far the picture is from its most common state, (T,)."""
    frames = scene.frames.astype(float)
    middle = frames[:, 12:40, 12:36]
    return np.abs(np.diff(middle, axis=0, prepend=middle[:1])).mean((1, 2, 3))


WATCHED = {
    "bounce": (turned, lambda scene: rises(heard(scene))),
    "hammer": (stopped, lambda scene: rises(heard(scene))),
    "mouth": (opened, lambda scene: np.abs(np.diff(heard(scene), prepend=0))),
    "flash": (lit, lambda scene: rises(heard(scene))),
    "swing": (moved, heard),
}


def best_lag(seen: np.ndarray, sounded: np.ndarray, reach: int = 25) -> np.ndarray:
    """Normalised correlation at each lag in frames from -reach to reach; at +1 the sound is a frame late."""
    a, b = ((curve - curve.mean()) / (curve.std() + 1e-9) for curve in (seen, sounded))
    return np.array(
        [
            np.mean(a[max(0, -lag) : len(a) - max(0, lag)] * b[max(0, lag) : len(b) + min(0, lag)])
            for lag in range(-reach, reach + 1)
        ]
    )


@pytest.mark.parametrize("kind", list(KINDS))
def test_what_is_seen_to_happen_is_heard_within_a_frame(kind: str) -> None:
    watch, listen = WATCHED[kind]
    scenes = [render(seed, replace(EASY, kinds=(kind,), bed_level=(0, 0))) for seed in range(12)]
    curve = np.mean([best_lag(watch(scene), listen(scene)) for scene in scenes], axis=0)
    assert abs(int(curve.argmax()) - 25) <= 1
    assert curve.max() > 0.2


def test_each_strike_of_a_ball_is_heard_in_the_frame_that_shows_it() -> None:
    for seed in range(6):
        scene = render(seed, replace(EASY, kinds=("bounce",), bed_level=(0, 0)))
        samples = np.abs(scene.samples)
        for strike_s in scene.strikes_s:
            at = round(strike_s * RATE)
            if PER_FRAME < at < len(samples) - PER_FRAME:
                assert samples[at : at + 160].max() > 2 * samples[at - 160 : at - 8].max() or (
                    samples[at - 160 : at].max() > 0.02 * samples.max()  # the strike before still rings
                )


def test_the_same_seed_gives_the_same_scene_and_another_another() -> None:
    first, again, other = render(3), render(3), render(4)
    assert np.array_equal(first.frames, again.frames)
    assert np.array_equal(first.samples, again.samples)
    assert first.strikes_s == again.strikes_s
    assert not np.array_equal(first.frames, other.frames)


def test_a_scene_has_the_length_and_kind_of_data_that_it_promises() -> None:
    for seed in range(4):
        scene = render(seed)
        assert scene.frames.shape == (round(FULL.length_s * FPS), FULL.side, FULL.side, 3)
        assert scene.frames.dtype == np.uint8
        assert scene.samples.shape == (round(FULL.length_s * RATE),)
        assert scene.samples.dtype == np.float32
        assert 0 < np.abs(scene.samples).max() <= 1


def test_recipes_grow_from_easy_to_full() -> None:
    assert easier(FULL, 1.0) == FULL
    assert easier(FULL, 0.0) == EASY
    assert easier(FULL, 0.5).codec == pytest.approx(FULL.codec / 2)


@pytest.mark.parametrize("codec", ["mpeg4", "libx264"])
def test_an_encoder_changes_how_a_scene_looks_and_sounds_but_not_when(codec: str) -> None:
    scene = render(1, replace(EASY, kinds=("hammer",)))
    frames, samples = through_codec(
        scene.frames, scene.samples, fps=FPS, rate=RATE, codec=codec, quality=12, gop=20
    )
    assert not np.array_equal(frames, scene.frames)
    spectrum = np.fft.rfft(samples) * np.conj(np.fft.rfft(scene.samples))
    assert abs(int(np.fft.irfft(spectrum).argmax())) == 0
    source, coded = scene.frames.astype(float), frames.astype(float)
    moving = np.flatnonzero(moved(scene) > np.percentile(moved(scene), 90))
    moving = moving[(moving > 2) & (moving < len(source) - 3)]
    nearest = [
        np.argmin([np.abs(coded[index] - source[index + lag]).mean() for lag in (-2, -1, 0, 1, 2)]) - 2
        for index in moving
    ]
    assert np.mean(np.array(nearest) == 0) > 0.9


def test_a_window_with_offset_d_has_its_sound_early_by_d() -> None:
    flash_s = 4.6
    frames = np.zeros((9 * FPS, 8, 8, 3), np.uint8)
    frames[round(flash_s * FPS)] = 255
    samples = np.zeros(9 * RATE, np.float32)
    samples[round(flash_s * RATE)] = 1
    for offset_s in OFFSETS_S:
        start_s = 2.0 + max(0.0, -offset_s) / 4 - max(0.0, offset_s) / 4
        seen, sounded = cut(
            frames, samples, start_s=start_s, offset_s=offset_s, window_s=5.0, fps=FPS, rate=RATE
        )
        assert seen.shape[0] == 5 * FPS
        assert sounded.shape[0] == 5 * RATE
        seen_s = seen.max((1, 2, 3)).argmax() / FPS
        assert seen_s - sounded.argmax() / RATE == pytest.approx(offset_s, abs=1 / RATE)


def test_windows_always_lie_inside_the_scene() -> None:
    rng = np.random.default_rng(0)
    for offset_s in OFFSETS_S:
        for _ in range(50):
            start_s = draw_start_s(rng, offset_s, scene_s=9.0, window_s=5.0)
            assert 0 <= start_s <= 4
            assert -1e-9 <= start_s + offset_s <= 4 + 1e-9
    with pytest.raises(ValueError, match="no room"):
        draw_start_s(rng, 2.0, scene_s=6.0, window_s=5.0)


def test_neither_sound_nor_picture_tells_the_offset_alone() -> None:
    rng = np.random.default_rng(0)
    facts, labels = [], []
    for seed in range(40):
        scene = render(seed, easier(FULL, 0.3))
        for label, offset_s in enumerate(OFFSETS_S):
            start_s = draw_start_s(rng, offset_s, scene_s=9.0, window_s=5.0)
            seen, sounded = cut(
                scene.frames,
                scene.samples,
                start_s=start_s,
                offset_s=offset_s,
                window_s=5.0,
                fps=FPS,
                rate=RATE,
            )
            fifths = np.log(np.square(sounded.reshape(5, -1)).mean(1) + 1e-9)
            brightness = seen.reshape(5, FPS, -1).mean((1, 2))
            facts.append(np.concatenate([fifths - fifths.mean(), brightness - brightness.mean(), [1]]))
            labels.append(label)
    x, y = np.array(facts), np.array(labels)
    known = np.arange(len(y)) < len(y) // 2  # other scenes than those asked
    weights = np.linalg.lstsq(x[known], np.eye(21)[y[known]], rcond=None)[0]
    right = np.mean(np.argmax(x[~known] @ weights, 1) == y[~known])
    assert right < 1 / 21 + 3 * np.sqrt(1 / 21 * 20 / 21 / (~known).sum())
