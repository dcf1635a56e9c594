"""Files of sound, by what EBU R 128, arithmetic and other readers of WAV say of them."""

from __future__ import annotations

import hashlib
import math
import struct
import wave
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import resample_poly

from otio_avassist import sounds
from otio_avassist.errors import MediaError, OutputError
from otio_avassist.sounds import RATE, Level

HERE = 22_050


def noise(seconds: float, rate: int = HERE, *, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=round(seconds * rate)).astype(np.float32)


def sine(hertz: float, seconds: float, rate: int = RATE, *, phase: float = 0.0) -> np.ndarray:
    return np.sin(phase + 2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate).astype(np.float32)


def plain(path: Path) -> np.ndarray:
    """Samples as Python's own reader gives them."""
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (RATE, 1, 3)
        data = np.frombuffer(file.readframes(file.getnframes()), np.uint8).reshape(-1, 3)
    whole = np.zeros((len(data), 4), np.uint8)
    whole[:, 1:] = data
    return whole.view("<i4")[:, 0] / 2**31


def between_samples_db(samples: np.ndarray) -> float:
    return 20 * math.log10(np.abs(resample_poly(samples, 16, 1)).max())


@pytest.mark.parametrize("amplitude", [1.0, 0.1, 0.003])
def test_a_sine_is_as_loud_as_the_standard_says(amplitude):
    # ITU-R BS.1770: a sine of full scale and 997 Hz in one channel reads -3.01 LKFS.
    level = sounds.measure([amplitude * sine(997.0, 4.0)])
    assert level.loudness_lufs == pytest.approx(-3.01 + 20 * math.log10(amplitude), abs=0.1)


def test_a_peak_between_samples_is_found():
    # A quarter of the rate, an eighth of a turn off: no sample is above 0.707.
    rise = np.minimum(1, np.arange(RATE) / 4800).astype(np.float32)
    level = sounds.measure([rise * sine(RATE / 4, 1.0, phase=math.pi / 4)])
    assert level.true_peak_dbtp == pytest.approx(0.0, abs=0.2)


@pytest.mark.parametrize("cut", [1000, 48_000, 10**9])
def test_the_same_sound_in_other_pieces_is_as_loud(cut):
    samples = 0.1 * noise(3.0, RATE)
    whole = sounds.measure([samples])
    pieces = [samples[at : at + cut] for at in range(0, len(samples), cut)]
    assert sounds.measure(pieces) == whole


@pytest.mark.parametrize("seconds", [0.04, 0.2, 0.5])
def test_a_short_sound_is_as_loud_as_if_it_went_on(seconds):
    level = sounds.measure([0.1 * noise(seconds, RATE)])
    long = sounds.measure([0.1 * noise(5.0, RATE)])
    assert level.loudness_lufs == pytest.approx(long.loudness_lufs, abs=1.5)


@pytest.mark.parametrize("samples", [np.zeros(0, np.float32), np.zeros(48_000, np.float32)])
def test_silence_has_no_level(samples):
    assert sounds.measure([samples]) == Level(None, None)


@pytest.mark.parametrize("gain", [1e-4, 1.0, 300.0])
@pytest.mark.parametrize("seconds", [0.1, 0.7, 6.0])
def test_a_file_has_the_loudness_that_was_asked_for(tmp_path, gain, seconds):
    path = tmp_path / "sound.wav"
    samples, length = gain * noise(seconds), round(seconds * RATE)
    became = sounds.write(path, samples, rate=HERE, length=length, loudness_lufs=-27)
    assert became.loudness_lufs == pytest.approx(-27, abs=0.1)
    found = sounds.level(path)
    assert found.loudness_lufs == pytest.approx(-27, abs=0.1)
    assert found.true_peak_dbtp == pytest.approx(became.true_peak_dbtp, abs=0.1)


@pytest.mark.parametrize("loudness_lufs", [-23.0, -14.0, 0.0])
def test_no_peak_is_above_one_decibel_below_full_scale(tmp_path, loudness_lufs):
    click = np.concatenate([[0, 1, -1], np.zeros(HERE)]).astype(np.float32)
    for number, samples in enumerate((click, noise(2.0), sine(HERE / 4, 2.0, HERE, phase=math.pi / 4))):
        path = tmp_path / f"{number}.wav"
        sounds.write(path, samples, rate=HERE, length=2 * RATE, loudness_lufs=loudness_lufs)
        assert between_samples_db(plain(path)) <= -1.0


def test_a_file_begins_and_ends_in_silence_without_a_click(tmp_path):
    path = tmp_path / "sound.wav"
    sounds.write(path, np.ones(HERE, np.float32), rate=HERE, length=RATE)
    samples = plain(path)
    assert samples[0] == samples[-1] == 0
    # A step of full height is a click; in a fade no step is higher than a hundredth of it.
    assert np.abs(np.diff(samples)).max() < 0.01 * samples.max()
    middle = samples[RATE // 10 : -RATE // 10]
    assert np.ptp(middle) < 1e-4 * middle.max()


@pytest.mark.parametrize("length", [1, 2, 480, 47_999, 48_000, 96_001])
@pytest.mark.parametrize("there", [0, 1, 100, HERE])
def test_a_file_has_the_length_that_was_asked_for(tmp_path, length, there):
    path = tmp_path / "sound.wav"
    sounds.write(path, noise(there / HERE), rate=HERE, length=length)
    assert len(plain(path)) == length


@pytest.mark.parametrize("lead_in", [0, 7, 20_000, -20_000, 60_000, -60_000])
def test_a_sound_is_moved_to_the_sample(tmp_path, lead_in):
    burst = np.zeros(RATE, np.float32)
    burst[30_000:30_100] = 1
    path = tmp_path / "sound.wav"
    sounds.write(path, burst, rate=RATE, length=RATE, lead_in=lead_in)
    loud = np.flatnonzero(np.abs(plain(path)) > 1e-6)
    inside = 0 <= 30_000 + lead_in < RATE
    assert ([loud[0], loud[-1]] if len(loud) else []) == (
        [30_000 + lead_in, 30_099 + lead_in] if inside else []
    )


def test_another_rate_keeps_pitch_and_place():
    samples = sine(440.0, 2.0, HERE)
    found = np.concatenate(list(sounds.resampled(samples, HERE)))
    assert len(found) == 2 * RATE
    np.testing.assert_allclose(found[500:-500], sine(440.0, 2.0)[500:-500], atol=1e-3)


def test_a_file_says_of_itself_what_it_was_told_and_every_reader_passes_over_it(tmp_path):
    path = tmp_path / "sound.wav"
    for length, text in ((RATE, "odd"), (RATE + 1, "even"), (RATE, "")):
        sounds.write(path, noise(1.0), rate=HERE, length=length, comment=lambda level, text=text: text)
        assert sounds.comment(path) == text
        assert len(plain(path)) == length
        assert len(sounds.read(path)) == length
        data = path.read_bytes()
        assert struct.unpack("<I", data[4:8])[0] == len(data) - 8
    sounds.write(path, noise(1.0), rate=HERE, length=RATE)
    assert sounds.comment(path) == ""
    path.write_bytes(b"no sound")
    with pytest.raises(MediaError):
        sounds.comment(path)


def test_the_same_samples_give_the_same_bytes(tmp_path):
    for name in ("one", "other"):
        sounds.write(tmp_path / name, noise(3.0), rate=HERE, length=3 * RATE)
    one, other = ((tmp_path / name).read_bytes() for name in ("one", "other"))
    assert hashlib.sha256(one).digest() == hashlib.sha256(other).digest()


def test_where_nothing_can_be_written_what_was_there_stays(tmp_path, monkeypatch):
    path = tmp_path / "sound.wav"
    path.write_bytes(b"before")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(wave.Wave_write, "writeframes", full)
    with pytest.raises(OutputError, match=r"sound\.wav: can't be written: No space left on device"):
        sounds.write(path, noise(1.0), rate=HERE, length=RATE)
    assert [each.name for each in tmp_path.iterdir()] == ["sound.wav"]
    assert path.read_bytes() == b"before"
    with pytest.raises(OutputError, match="No such file"):
        sounds.write(tmp_path / "nowhere" / "sound.wav", noise(1.0), rate=HERE, length=RATE)
