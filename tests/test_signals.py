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


# Curves

FPS, RATE = 25.0, 16000


def still(count: int, seed: int = 0) -> np.ndarray:
    """One picture of even patches, so many times."""
    patches = np.random.default_rng(seed).integers(40, 200, (6, 10), dtype=np.uint8)
    picture = patches.repeat(16, axis=0).repeat(16, axis=1)
    return np.repeat(picture[None, :, :, None], count, axis=0).repeat(3, axis=3)


def moving(count: int) -> np.ndarray:
    """A bright bar that goes one column a frame from left to right over a still picture."""
    frames = still(count)
    for number, frame in enumerate(frames):
        frame[:, 4 * number : 4 * number + 12] = 250
    return frames


def burst(at_s: float, duration_s: float) -> np.ndarray:
    samples = 0.001 * np.random.default_rng(0).normal(size=round(duration_s * RATE))
    first = round(at_s * RATE)
    samples[first : first + RATE // 10] += 0.3 * np.random.default_rng(1).normal(size=RATE // 10)
    return samples


def test_what_moves_stands_above_what_is_still() -> None:
    frames = np.concatenate([still(10), moving(20)])
    change = signals.MotionEnergy()(frames)[:, signals.CHANGE]
    assert np.isnan(change[0])
    assert change[1:10].max() == 0
    assert change[12:].min() > 0.01


def test_flicker_of_the_whole_picture_is_no_motion() -> None:
    gain = np.random.default_rng(0).uniform(0.8, 1.0, 20)
    flickering = (still(20) * gain[:, None, None, None]).astype(np.uint8)
    flicker = signals.MotionEnergy()(flickering)[1:, signals.CHANGE]
    assert flicker.mean() < 0.2 * np.abs(np.diff(np.log(gain))).mean()


def test_brightness_is_a_share_of_full_scale() -> None:
    frames = np.zeros((3, 48, 64, 3), dtype=np.uint8)
    frames[1] = 255
    np.testing.assert_allclose(signals.MotionEnergy()(frames)[:, signals.BRIGHTNESS], [0, 1, 0], atol=1e-6)


@pytest.mark.parametrize("piece", [1, 7, 25])
def test_motion_does_not_depend_on_how_the_stream_is_cut(piece: int) -> None:
    frames = moving(30)
    energy = signals.MotionEnergy()
    pieces = np.concatenate([energy(frames[first : first + piece]) for first in range(0, 30, piece)])
    np.testing.assert_allclose(pieces, signals.MotionEnergy()(frames), rtol=1e-5)


def test_motion_hardly_depends_on_the_size_of_the_picture() -> None:
    small = moving(20)
    large = small.repeat(3, axis=1).repeat(3, axis=2)
    one, other = (signals.MotionEnergy()(frames)[1:, signals.CHANGE] for frames in (small, large))
    np.testing.assert_allclose(one, other, rtol=0.1)


def test_a_cut_is_bridged_and_steady_motion_stays() -> None:
    change = np.full(50, 0.03)
    change[0] = np.nan
    change[20] = 0.6
    np.testing.assert_allclose(signals.without_cuts(change), 0.03)
    steady = np.linspace(0.02, 0.3, 50)
    np.testing.assert_allclose(signals.without_cuts(steady), steady)


@pytest.mark.parametrize("piece", [333, 5333, 16000])
def test_sound_does_not_depend_on_how_the_stream_is_cut(piece: int) -> None:
    samples = burst(0.8, 2.0)
    energy = signals.SoundEnergy(RATE, FPS)
    pieces = np.concatenate(
        [energy(samples[first : first + piece]) for first in range(0, len(samples), piece)]
    )
    whole = signals.SoundEnergy(RATE, FPS)(samples)
    assert len(whole) == 50
    np.testing.assert_allclose(pieces, whole, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("fps", [23.976, 24.0, 25.0, 29.97, 50.0])
def test_a_burst_sets_in_at_its_frame_and_lags_by_what_is_said(fps: float) -> None:
    onset = signals.SoundEnergy(RATE, fps)(burst(1.23, 3.0))[:, signals.ONSET]
    assert len(onset) == int(3.0 * fps + 1e-6)
    rising = np.where(onset > 2, onset, 0)
    middle_s = (np.arange(len(onset)) + 0.5) @ rising / rising.sum() / fps
    assert middle_s - signals.SOUND_LAG_S == pytest.approx(1.23, abs=0.5 / fps + 0.01)


def test_a_kilohertz_fills_the_pops_column_and_hiss_does_not() -> None:
    tone = 0.1 * np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE)
    assert signals.SoundEnergy(RATE, FPS)(tone)[2:, signals.POP].min() > 0.9
    hiss = 0.1 * np.random.default_rng(0).normal(size=RATE)
    assert signals.SoundEnergy(RATE, FPS)(hiss)[:, signals.POP].max() < 0.2


def test_digital_silence_gives_zeros() -> None:
    np.testing.assert_array_equal(signals.SoundEnergy(RATE, FPS)(np.zeros(RATE)), np.zeros((25, 3)))


@pytest.mark.parametrize("hertz", [200, 1000, 5000])
def test_a_tone_is_in_the_band_of_its_pitch_in_both_mel_spectrograms(hertz: int) -> None:
    tone = np.sin(2 * np.pi * hertz * np.arange(16_000) / 16_000)
    mel_low, mel_high = (2595 * np.log10(1 + edge / 700) for edge in (125, 7500))
    band = (2595 * np.log10(1 + hertz / 700) - mel_low) / (mel_high - mel_low) * 65 - 1
    for rows in (signals.yamnet_log_mel(tone), signals.vggish_log_mel(tone)[0]):
        assert (np.abs(rows.argmax(axis=1) - band) <= 1).all()


def test_both_mel_spectrograms_are_of_the_same_bands_and_differ_in_their_silence() -> None:
    noise = np.random.default_rng(3).normal(0, 0.1, 32_000)
    yamnet, vggish = signals.yamnet_log_mel(noise), signals.vggish_log_mel(noise)
    assert yamnet.shape == (198, 64)
    assert vggish.shape == (2, 96, 64)
    np.testing.assert_allclose(
        np.exp(yamnet[:192]) - 0.001, np.exp(vggish.reshape(-1, 64)) - 0.01, rtol=1e-4, atol=1e-5
    )
    silent = np.zeros(16_000)
    np.testing.assert_allclose(signals.yamnet_log_mel(silent), np.log(0.001), rtol=1e-6)
    np.testing.assert_allclose(signals.vggish_log_mel(silent), np.log(0.01), rtol=1e-6)


def test_less_sound_than_a_window_makes_no_rows() -> None:
    assert signals.yamnet_log_mel(np.zeros(399)).shape == (0, 64)
    assert signals.vggish_log_mel(np.zeros(399)).shape == (0, 96, 64)


def test_i3d_sees_colours_and_motion_between_minus_one_and_one() -> None:
    frames = np.zeros((2, 240, 320, 3), np.uint8)
    frames[:, :, :, 1] = 255
    seen = signals.i3d_floats(frames)
    assert seen.shape == (3, 2, 224, 224)
    assert [seen[channel].mean() for channel in range(3)] == [-1, 1, -1]

    flow = np.zeros((2, 240, 320, 2), np.float32)
    flow[..., 0], flow[..., 1] = -50, 4
    moved = signals.i3d_flow_floats(flow)
    assert moved.shape == (2, 2, 224, 224)
    # 128 - 127.5 rounds to the even 0; 128 + 25.5 to 154.
    np.testing.assert_allclose(moved[0], -1, atol=1e-6)
    np.testing.assert_allclose(moved[1], 2 * 154 / 255 - 1, atol=1e-6)


def test_spectrograms_for_aisfx_are_those_of_another_library():
    librosa = pytest.importorskip("librosa")
    samples = np.random.default_rng(0).normal(size=88_200) * np.linspace(0, 1, 88_200)
    theirs = librosa.feature.melspectrogram(
        y=samples / np.abs(samples).max(), sr=44_100, n_fft=2048, hop_length=1024,
        n_mels=96, fmin=0, fmax=22_050, htk=True, norm=1.0,
    )  # fmt: skip
    ours = signals.aisfx_log_mel(0.3 * samples)
    assert ours == pytest.approx(np.log10(10_000 * theirs + 1).T / signals.AISFX_FULL, abs=1e-5)


def test_a_short_sound_is_one_block_for_aisfx_and_a_long_one_several_that_overlap():
    assert signals.aisfx_blocks(np.ones((7, 96)))[0].sum() == 7 * 96
    rows = np.arange(230)[:, None] * np.ones(96)
    assert signals.aisfx_blocks(rows)[:, 0, 0].tolist() == [0, 50, 100]


@pytest.mark.parametrize("columns", [1, 2, 40])
def test_samples_of_a_spectrogram_have_its_length_and_its_spectrogram(columns):
    time_s = np.arange(signals.FOLEY_HOP * columns) / signals.FOLEY_RATE
    sound = 0.3 * np.sin(2 * np.pi * 440 * time_s) + 0.1 * np.sin(2 * np.pi * 2500 * time_s)
    long = np.concatenate([sound, np.zeros(signals.FOLEY_FFT)])
    mel = signals.foley_log_mel(long)[:, :columns]
    found = signals.foley_samples(mel)
    assert found.shape == (signals.FOLEY_HOP * columns,)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    if columns > 10:
        again = signals.foley_log_mel(found)[:, 4:-4]
        # 1 is 100 dB: five on average, most of it where next to nothing sounds.
        assert np.abs(again - mel[:, 4:-3]).mean() < 0.05
        assert np.abs(again - mel[:, 4:-3])[mel[:, 4:-3] > 0.5].mean() < 0.02
        spectrum = np.abs(np.fft.rfft(found * np.hanning(len(found))))
        peak_hz = spectrum.argmax() * signals.FOLEY_RATE / len(found)
        assert peak_hz == pytest.approx(440, abs=10)


def test_noise_comes_back_with_its_spectrogram_and_always_the_same():
    noise = np.random.default_rng(0).normal(scale=0.1, size=2 * signals.FOLEY_RATE).astype(np.float32)
    mel = signals.foley_log_mel(noise)
    found = signals.foley_samples(mel)
    assert np.abs(signals.foley_log_mel(found)[:, : mel.shape[1]] - mel).mean() < 0.02
    np.testing.assert_array_equal(found, signals.foley_samples(mel))


def test_silence_stays_silence():
    assert np.abs(signals.foley_samples(np.zeros((80, 20), np.float32))).max() < 1e-3
