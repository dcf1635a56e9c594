"""Motion in cells and energy in bands: what moved, where and when; the same in one piece or in many."""

import numpy as np
import pytest

from otio_avassist import energies
from otio_avassist.energies import (
    ACROSS,
    COLUMNS,
    DOWN,
    ENERGY,
    FPS,
    LIGHT,
    ROWS,
    STEPS,
    BandEnergies,
    MotionGrid,
)

RATE = 16_000


def texture(height=96, width=168, seed=0):
    """A picture with soft structure everywhere, float (H, W)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    waves = [
        np.sin(a * x + b * y + c)
        for a, b, c in zip(
            rng.uniform(-0.4, 0.4, 8), rng.uniform(-0.4, 0.4, 8), rng.uniform(0, 6, 8), strict=True
        )
    ]
    return 110 + 12 * np.sum(waves, axis=0)


def colour(pictures):
    return np.repeat(np.clip(pictures, 0, 255).astype(np.uint8)[..., None], 3, -1)


def test_what_stands_still_has_moved_nowhere():
    moved = MotionGrid()(colour(np.stack([texture()] * 4)))
    assert moved.shape == (4, energies.CHANNELS, ROWS, COLUMNS)
    assert moved.dtype == np.float32
    assert np.abs(moved).max() < 1e-4


def test_a_camera_that_turns_left_and_up_lets_all_flow_right_and_down():
    wide = texture(110, 180)
    pictures = [wide[5 - step : 101 - step, 7 - step : 175 - step] for step in range(3)]
    moved = MotionGrid()(colour(np.stack(pictures)))[2]
    assert np.median(moved[ACROSS]) == pytest.approx(1, abs=0.2)
    assert np.median(moved[DOWN]) == pytest.approx(1, abs=0.2)


def test_a_patch_that_moves_is_seen_in_its_cell():
    still, inner = texture(seed=1), texture(seed=2)
    pictures = []
    for step in range(4):
        picture = still.copy()
        picture[36:60, 70:98] = inner[36 - step : 60 - step, 70 - step : 98 - step]
        pictures.append(picture)
    moved = MotionGrid()(colour(np.stack(pictures)))[2]
    row, column = np.unravel_index(moved[ENERGY].argmax(), (ROWS, COLUMNS))
    assert 3 <= row <= 4
    assert 5 <= column <= 6
    assert moved[ENERGY, 0].max() < 1e-3


def test_a_flicker_of_the_whole_picture_is_no_motion_and_a_lamp_in_a_corner_is():
    dim = np.stack([texture() * gain for gain in (1, 0.8, 1, 0.8)])
    lamp = np.stack([texture()] * 4)
    lamp[2, :12, :14] += 60
    assert MotionGrid()(colour(dim))[1:, ENERGY].max() < 0.03
    assert MotionGrid()(colour(lamp))[2, LIGHT, 0, 0] > 0.2


@pytest.mark.parametrize("shape", [(96, 54), (54, 96), (720, 1280), (10, 14)])
def test_any_shape_of_picture_has_the_same_cells(shape):
    moved = MotionGrid()(np.random.default_rng(0).integers(0, 255, (2, *shape, 3), dtype=np.uint8))
    assert moved.shape[2:] == (ROWS, COLUMNS)
    assert np.isfinite(moved).all()


def test_pieces_give_what_the_whole_gives():
    pictures = colour(np.stack([np.roll(texture(), step, 1) for step in range(9)]))
    grid = MotionGrid()
    np.testing.assert_allclose(
        np.concatenate([grid(pictures[:2]), grid(pictures[2:2]), grid(pictures[2:])]),
        MotionGrid()(pictures),
        atol=1e-5,
    )
    samples = np.random.default_rng(1).normal(0, 0.1, RATE).astype(np.float32)
    bands = BandEnergies(RATE)
    parts = [bands(samples[:501]), bands(samples[501:7000]), bands(samples[7000:]), bands.end()]
    whole = BandEnergies(RATE)
    np.testing.assert_allclose(
        np.concatenate(parts), np.concatenate([whole(samples), whole.end()]), atol=1e-4
    )


def test_a_second_of_sound_has_a_row_for_each_picture():
    bands = BandEnergies(RATE)
    assert len(bands(np.zeros(RATE))) + len(bands.end()) == FPS


@pytest.mark.parametrize("at_s", [0.2, 0.503, 0.77])
def test_a_click_is_heard_in_the_look_that_it_falls_in(at_s):
    samples = np.zeros(RATE, np.float32)
    samples[round(at_s * RATE)] = 1
    rows = BandEnergies(RATE)(samples)
    looks = rows.reshape(len(rows) * STEPS, energies.BANDS).mean(1)
    assert (int(looks.argmax()) + 0.5) / (FPS * STEPS) == pytest.approx(at_s, abs=0.006)


def test_a_full_sine_has_an_energy_of_one_in_its_band():
    time = np.arange(RATE) / RATE
    rows = BandEnergies(RATE)(np.sin(2 * np.pi * 1000 * time))
    loudest = rows[5].reshape(STEPS, energies.BANDS).max(1)
    np.testing.assert_allclose(loudest, 0, atol=1.0)
