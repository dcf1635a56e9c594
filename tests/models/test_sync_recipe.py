"""Crops, grids, figures and augmentations of the sync training: as published, and in step."""

from __future__ import annotations

import colorsys
from itertools import pairwise
from pathlib import Path
from random import Random

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from models.sync import augment, crops, metrics  # noqa: E402
from models.sync.augment import DENSE, SPARSE, Augmentation  # noqa: E402
from models.sync.config import Clip  # noqa: E402
from tests.parity import entry_of  # noqa: E402

CLIP = Clip()
RATE = CLIP.sample_rate
NOTHING = Augmentation(flip=0, jitter_s=0)


# Crops


@pytest.mark.parity
def test_parity_of_random_crops(shared: Path) -> None:
    """The same seed of Python's `random` gives the authors' crop, with and without jitter."""
    rows = entry_of(shared, "sparsesync_crop_offset").arrays("out.")["random_rows"]
    for row in rows:
        seed, frames, samples = (int(each) for each in row[:3])
        length = crops.equalised(frames, samples, CLIP)
        crop = crops.draw(length, CLIP, crops.grid(), Random(seed), jitter_s=row[5])
        assert (length.frames, length.samples) == (row[3], row[4])
        found = (crop.first_frame, crop.first_sample, crop.offset_s, crop.label)
        assert found == (row[10], row[11], pytest.approx(row[6]), row[9])


@pytest.mark.parity
def test_parity_of_fixed_crops(shared: Path) -> None:
    for row in entry_of(shared, "sparsesync_crop_offset").arrays("out.")["fixed_rows"]:
        crop = crops.at(row[0], row[1], CLIP, crops.grid())
        assert (crop.label, crop.first_frame, crop.first_sample) == tuple(row[2:])


@pytest.mark.parity
def test_parity_of_grids(shared: Path) -> None:
    entry = entry_of(shared, "sparsesync_offset_grid")
    theirs, given = entry.arrays("out."), entry.arrays("in.")["offsets"]
    for name, wanted in theirs.items():
        if name.startswith("grid_"):
            kind, size, reach = name.removeprefix("grid_").split("_")
            ours = crops.grid(int(size), float(reach), kind)  # type: ignore[arg-type]
            np.testing.assert_allclose(ours, wanted, atol=1e-6, err_msg=name)
    labels = [crops.nearest(offset_s, crops.grid()) for offset_s in given]
    assert labels == theirs["quantised_index"].tolist()
    np.testing.assert_allclose([crops.grid()[each] for each in labels], theirs["quantised_value"], atol=1e-6)


@pytest.mark.parity
def test_parity_of_figures(shared: Path) -> None:
    entry = entry_of(shared, "sparsesync_metrics")
    given = entry.arrays("in.")
    figures = metrics.measure(given["logits"], given["targets"])
    for name, wanted in entry.arrays("out.").items():
        assert figures[name] == pytest.approx(float(wanted), abs=1e-6), name


@pytest.mark.parametrize("window_s", [2, 5, 7])
def test_a_crop_never_leaves_its_clip(window_s):
    clip = Clip(window_s=window_s)
    length = crops.equalised(225, 144_000, clip)
    for seed in range(300):
        crop = crops.draw(length, clip, crops.grid(), Random(seed), jitter_s=0.05)
        assert 0 <= crop.first_frame <= length.frames - clip.frames
        assert 0 <= crop.first_sample <= length.samples - window_s * RATE
        # A frame and the jitter: where the picture stands tells what the offset is to within these.
        early_s = crop.first_sample / RATE - crop.first_frame / clip.fps
        assert abs(early_s - crop.offset_s) <= 0.05 + 1 / clip.fps


def test_what_a_clip_has_no_room_for_is_refused():
    short = crops.equalised(150, 96_000, CLIP)
    assert crops.draw(short, CLIP, (1.0,), Random(0)).first_frame == 0
    with pytest.raises(ValueError, match="no room"):
        crops.draw(short, CLIP, (1.2,), Random(0))


def test_offsets_are_drawn_evenly():
    length = crops.equalised(250, 160_000, CLIP)
    rng = Random(0)
    counts = np.bincount([crops.draw(length, CLIP, crops.grid(), rng).label for _ in range(4200)])
    # 200 each; four deviations of a binomial.
    assert len(counts) == 21
    assert abs(counts - 200).max() < 56


# Figures


def test_figures_of_a_class_that_never_comes_are_left_out():
    logits = np.eye(5)[[0, 1, 2, 0]]
    figures = metrics.measure(logits, np.array([0, 1, 2, 0]))
    assert figures["mAP"] == figures["mROCAUC"] == figures["accuracy_1"] == 1
    assert np.isnan(metrics.measure(logits[:1], np.array([0]))["mAP"])


def test_precision_and_area_by_hand():
    scores, right = np.array([0.9, 0.8, 0.8, 0.1]), np.array([True, False, True, False])
    # At 0.9 one of one; the tie at 0.8 brings the second of three.
    assert metrics.average_precision(scores, right) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    # Pairs: 0.9 beats both, 0.8 ties once and wins once.
    assert metrics.roc_area(scores, right) == pytest.approx((1 + 1 + 0.5 + 1) / 4)


def test_a_group_is_measured_by_itself():
    logits, wanted = np.eye(3)[[0, 1, 2, 0]], np.array([0, 1, 0, 1])
    found = metrics.by_group(logits, wanted, ["dog", "dog", "cat", "cat"], tolerance=0)
    assert found == {"dog": (1.0, 2), "cat": (0.0, 2)}


# Sound


def bursts(times_s: tuple[float, ...], hertz: float = 440.0) -> np.ndarray:
    samples = np.zeros(5 * RATE, np.float32)
    along = np.arange(800) / RATE
    for time_s in times_s:
        first = round(time_s * RATE)
        samples[first : first + 800] = np.sin(2 * np.pi * hertz * along) * np.exp(-along * 80)
    return samples


@pytest.mark.parametrize(
    ("change", "late_s"),
    # A room answers by its first comb, 25 ms, and grows from there.
    [(augment.raised, 0.005), (augment.low_passed, 0.005), (augment.reverberated, 0.05)],
)
def test_what_is_heard_stays_where_it_was(change, late_s):
    times_s = (0.5, 1.7, 3.2, 4.6)
    changed = np.abs(change(bursts(times_s), RATE))
    assert changed.shape == (5 * RATE,)
    for time_s in times_s:
        from_s = time_s - 0.1
        around = changed[round(from_s * RATE) : round((time_s + 0.2) * RATE)]
        onset_s = from_s + float(np.argmax(around > 0.3 * changed.max())) / RATE
        assert onset_s == pytest.approx(time_s, abs=late_s)


def test_the_pitch_is_raised_by_a_thousand_cents():
    tone = 0.3 * np.sin(2 * np.pi * 300 * np.arange(5 * RATE) / RATE)
    spectrum = np.abs(np.fft.rfft(augment.raised(tone, RATE)))
    assert np.argmax(spectrum) / 5 == pytest.approx(300 * 2 ** (1000 / 1200), abs=1)


def test_the_low_pass_is_the_usual_biquad():
    signal = pytest.importorskip("scipy.signal")
    given = np.random.default_rng(0).normal(0, 0.1, 8000)
    turn = 2 * np.pi * 100 / RATE
    slope, cosine = np.sin(turn) / (2 * 0.707), np.cos(turn)
    above = np.array([(1 - cosine) / 2, 1 - cosine, (1 - cosine) / 2])
    wanted = signal.lfilter(above, [1 + slope, -2 * cosine, 1 - slope], given)
    np.testing.assert_allclose(augment.low_passed(given, RATE), wanted, atol=1e-12)


def test_a_rooms_echoes_die_away():
    answer = augment.room(RATE)
    # Nothing sounds before the shortest comb is through.
    assert np.abs(answer[: round(1116 * RATE / 44_100) - 1]).max() < 1e-9
    energies = [np.square(part).sum() for part in np.array_split(answer, 8)]
    assert all(later < 0.5 * earlier for earlier, later in pairwise(energies))


def test_masks_are_as_wide_as_published_at_most():
    samples = np.random.default_rng(0).normal(0, 0.1, 5 * RATE)
    always = Augmentation(sound=1)
    plain = augment.spectrogram(samples, CLIP, np.random.default_rng(0), NOTHING)
    assert plain.shape == (1, 257, 626)
    np.testing.assert_allclose(plain.mean(2), 0, atol=1e-4)
    widths = []
    for seed in range(40):
        masked = augment.spectrogram(samples, CLIP, np.random.default_rng(seed), always)[0]
        # What is masked has the same value all along a row: no deviation at all, or a run of columns.
        widths.append((int((masked.std(1) < 1e-3).sum()), int((masked.diff(dim=1) == 0).all(0).sum())))
    rows, columns = np.array(widths).T
    assert 32 < rows.max() < 64
    assert 100 < columns.max() < 200


def test_nothing_is_heard_otherwise_where_nothing_is_asked_for():
    samples = bursts((1.0,))
    heard = augment.sound(samples, CLIP, np.random.default_rng(0), DENSE)
    np.testing.assert_array_equal(heard, samples)
    changed = [augment.sound(samples, CLIP, np.random.default_rng(seed), SPARSE) for seed in range(30)]
    # All five are left out in a third of the windows.
    same = sum(np.array_equal(each, samples) for each in changed)
    assert 3 <= same <= 18


# Pictures


def frames(side: int = 60) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (4, side, side + 12, 3), dtype=np.uint8)


def test_a_window_without_augmentation_is_what_the_plugin_makes_of_it():
    from otio_avassist.signals import imagenet_floats

    given = frames(40)[:, :, :40]
    seen = augment.pictures(given, Clip(side=40, crop=40), np.random.default_rng(0), NOTHING)
    np.testing.assert_allclose(seen.numpy(), imagenet_floats(given), atol=1e-5)


def test_all_frames_of_a_window_get_the_same():
    still = np.repeat(frames()[:1], 6, axis=0)
    for seed in range(12):
        seen = augment.pictures(still, Clip(side=60, crop=40), np.random.default_rng(seed), SPARSE)
        assert seen.shape == (6, 3, 40, 40)
        assert torch.equal(seen, seen[:1].expand_as(seen))


def test_a_turned_hue_is_the_standard_librarys():
    given = torch.rand(2, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    turned = augment.CHANGES["hue"](given, 0.13).permute(0, 2, 3, 1).reshape(-1, 3)
    for before, after in zip(given.permute(0, 2, 3, 1).reshape(-1, 3).tolist(), turned.tolist(), strict=True):
        hue, saturation, value = colorsys.rgb_to_hsv(*before)
        assert after == pytest.approx(colorsys.hsv_to_rgb((hue + 0.13) % 1, saturation, value), abs=1e-5)


def test_colours_without_a_change_stay_and_without_saturation_are_gray():
    given = torch.rand(1, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    for name, nothing in (("brightness", 1.0), ("contrast", 1.0), ("saturation", 1.0), ("hue", 0.0)):
        torch.testing.assert_close(augment.CHANGES[name](given, nothing), given)
    gray = augment.CHANGES["saturation"](given, 0.0)
    torch.testing.assert_close(gray, gray.mean(1, keepdim=True).expand_as(gray))
