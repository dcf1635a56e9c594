"""Spectrograms against the authors' own figures; curves against pictures and sounds made here."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from otio_avassist import signals


@pytest.mark.parity
def test_parity_of_every_stage_of_the_spectrogram(shared: Path) -> None:
    folder = shared / "parity" / "preprocess_sparsesync_audio"
    meta = json.loads((folder / "meta.json").read_text())
    given = meta["hyperparameters"]
    with np.load(folder / "io.npz") as truth:
        wave = truth["in.wave_16k"]
        power = signals.power_spectrogram(wave, n_fft=given["n_fft"], hop=given["hop_length"])
        log = signals.log_power(power, log_eps=given["log_eps"])
        final = signals.log_spectrogram(
            wave,
            n_fft=given["n_fft"],
            hop=given["hop_length"],
            log_eps=given["log_eps"],
            norm_eps=given["norm_eps"],
        )
        ours = {
            "out.power_spectrogram": power,
            "out.log_spec": log,
            "out.means": log.mean(axis=1),
            "out.stds": log.std(axis=1, ddof=1),
            "out.normalised": signals.standardise_rows(log, norm_eps=given["norm_eps"]),
            "out.final": final[None],
        }
        assert set(ours) == {name for name in truth.files if name.startswith("out.")}
        for name, array in ours.items():
            assert array.shape == truth[name].shape, name
            assert np.abs(array - truth[name]).max() <= tolerance(meta, truth[name]), name


def tolerance(meta: dict, truth: np.ndarray) -> float:
    """From the fixture's own float32 error where it is known, else 1e-4 of the largest output."""
    if "fp32_vs_fp64_max_abs" in meta:
        return max(20 * meta["fp32_vs_fp64_max_abs"], 1e-5 * meta["output_abs_max"])
    return 1e-4 * float(np.abs(truth).max())


def test_a_steady_tone_stands_in_its_own_row() -> None:
    rate, n_fft = 16000, 512
    row = 32
    tone = np.sin(2 * np.pi * row * rate / n_fft * np.arange(rate) / rate)
    power = signals.power_spectrogram(tone, n_fft=n_fft, hop=128)
    assert (power[:, 10:-10].argmax(axis=0) == row).all()
    # A sine of amplitude 1 under a Hann window: (n_fft / 4) squared.
    np.testing.assert_allclose(power[row, 10:-10], (n_fft / 4) ** 2, rtol=1e-6)


def test_five_seconds_give_the_published_shape() -> None:
    spectrogram = signals.log_spectrogram(np.random.default_rng(0).normal(size=80000))
    assert spectrogram.shape == (257, 626)
    assert spectrogram.dtype == np.float32


def test_silence_stays_finite() -> None:
    assert np.isfinite(signals.log_spectrogram(np.zeros(16000))).all()


def test_a_snippet_too_short_for_a_spectrogram_is_refused() -> None:
    with pytest.raises(ValueError, match="more than 256 samples, got 200"):
        signals.log_spectrogram(np.zeros(200))


@pytest.mark.parametrize(
    ("height", "width", "top", "left"), [(256, 341, 16, 58), (225, 227, 0, 2), (224, 224, 0, 0)]
)
def test_the_crop_is_the_rounded_middle(height: int, width: int, top: int, left: int) -> None:
    frames = np.zeros((2, height, width, 3), dtype=np.uint8)
    frames[:, top, left] = 255
    cropped = signals.crop_centre(frames, 224)
    assert cropped.shape == (2, 224, 224, 3)
    assert (cropped[:, 0, 0] == 255).all()


def test_a_picture_too_small_for_the_crop_is_refused() -> None:
    with pytest.raises(ValueError, match="100 x 50"):
        signals.crop_centre(np.zeros((1, 50, 100, 3), dtype=np.uint8), 224)


def test_pictures_become_channels_first_with_imagenets_statistics() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (3, 4, 5, 3), dtype=np.uint8)
    floats = signals.imagenet_floats(frames)
    assert floats.dtype == np.float32
    assert floats.flags.c_contiguous
    t, h, w = 2, 1, 3
    red, _, blue = frames[t, h, w] / 255.0
    assert floats[t, 0, h, w] == pytest.approx((red - 0.485) / 0.229, abs=1e-5)
    assert floats[t, 2, h, w] == pytest.approx((blue - 0.406) / 0.225, abs=1e-5)
