"""Sounds, curves and windows put apart by known amounts: the answer must be that amount, or none."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from otio_avassist import alignment, signals
from otio_avassist.findings import Posterior

RATE = 16000
FPS = 25.0
LEAD_S = 32.0
"""Recordings made here go on for so long before and after the shot."""


# Material


@cache
def voice(duration_s: float, seed: int) -> np.ndarray:
    """Syllables of noise that is strongest in the low band, with pauses."""
    rng = np.random.default_rng(seed)
    count = round(duration_s * RATE)
    spectrum = np.fft.rfft(rng.normal(size=count))
    hz = np.fft.rfftfreq(count, 1 / RATE)
    samples = np.fft.irfft(spectrum * (hz > 80) / (1 + (hz / 800) ** 1.5), count)
    syllables = np.maximum(0, rng.normal(size=round(duration_s / 0.12) + 2)) ** 1.5
    samples *= np.interp(np.arange(count) / RATE, np.arange(len(syllables)) * 0.12, syllables)
    return 0.1 * samples / samples.std()


def beat(duration_s: float, seed: int, tempo_s: float = 0.5) -> np.ndarray:
    """Chords that change with every beat, all tunes in one tempo."""
    rng = np.random.default_rng(seed)
    at_s = np.arange(round(duration_s * RATE)) / RATE
    number = (at_s // tempo_s).astype(int)
    notes_hz = 220 * 2 ** (rng.integers(0, 24, size=(3, number[-1] + 1)) / 12)
    decay = np.exp(-6 * (at_s % tempo_s))
    return 0.05 * sum(np.sin(2 * np.pi * note[number] * at_s) for note in notes_hz) * decay


def delayed(samples: np.ndarray, by_s: float) -> np.ndarray:
    """Later by any time, not only whole samples."""
    hz = np.fft.rfftfreq(len(samples), 1 / RATE)
    return np.fft.irfft(np.fft.rfft(samples) * np.exp(-2j * np.pi * hz * by_s), len(samples))


def stretched(samples: np.ndarray, ppm: float) -> np.ndarray:
    """As a clock that is slow by so much records it: what happens at t stands at t (1 + ppm / 1e6)."""
    size = 4 * len(samples)
    fine = np.fft.irfft(np.fft.rfft(samples), size) * 4
    at = np.arange(len(samples)) / (1 + ppm * 1e-6)
    return np.interp(at * 4, np.arange(size), fine)


def noisy(samples: np.ndarray, seed: int, db: float = 0.0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=len(samples))
    return samples + noise * samples.std() * 10 ** (-db / 20)


def in_a_room(samples: np.ndarray, seed: int) -> np.ndarray:
    """An echo that dies in 0.4 s and holds as much as the direct sound."""
    rng = np.random.default_rng(seed)
    tail = rng.normal(size=RATE // 2) * np.exp(-6.9 * np.arange(RATE // 2) / (0.4 * RATE))
    tail[: round(0.004 * RATE)] = 0
    tail /= np.sqrt((tail**2).sum())
    tail[0] = 1
    size = len(samples) + len(tail)
    return np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(tail, size), size)[: len(samples)]


def reader(samples: np.ndarray, zero_s: float = 0.0) -> Callable[[float, float], np.ndarray]:
    """Reads a recording whose second `zero_s` is the start of the shot; silence outside."""

    def read(start_s: float, duration_s: float) -> np.ndarray:
        first = round((start_s + zero_s) * RATE)
        wanted = np.zeros(round(duration_s * RATE))
        low, high = max(0, first), min(len(samples), first + len(wanted))
        if high > low:
            wanted[low - first : high - first] = samples[low:high]
        return wanted

    return read


def match(reference: np.ndarray, other: np.ndarray, duration_s: float) -> alignment.SoundMatch:
    """Both recordings have LEAD_S before the shot."""
    return alignment.match_sounds(reader(reference, LEAD_S), reader(other, LEAD_S), duration_s)


def recorded(duration_s: float, seed: int) -> np.ndarray:
    return voice(duration_s + 2 * LEAD_S, seed)


# Sound against sound


def test_early_sound_is_found_early() -> None:
    event = recorded(20, seed=1)
    # The other recording has everything 1.25 s sooner.
    found = match(event, delayed(event, -1.25), 20)
    assert found.early_s == pytest.approx(1.25, abs=1e-4)
    assert "1250.0 ms earlier" in found.note


def test_late_sound_is_found_late() -> None:
    event = recorded(20, seed=2)
    found = match(event, delayed(event, 0.4), 20)
    assert found.early_s == pytest.approx(-0.4, abs=1e-4)
    assert "400.0 ms later" in found.note


@pytest.mark.parametrize("early_s", [-24.37291, 0.00003, 27.14159])
@pytest.mark.parametrize("spoil", [noisy, in_a_room])
def test_a_minute_with_noise_or_echo_is_right_within_a_millisecond(spoil: Callable, early_s: float) -> None:
    event = recorded(60, seed=3)
    found = match(spoil(event, seed=4), spoil(delayed(event, -early_s), seed=5), 60)
    assert found.early_s == pytest.approx(early_s, abs=1e-3)
    assert found.drift_ppm is None
    assert found.jumps == ()
    assert found.doubts == ()
    assert found.confidence > 0.95


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", [voice, beat])
def test_unrelated_sounds_abstain(kind: Callable, seed: int) -> None:
    length_s = 20 + 2 * LEAD_S
    found = match(kind(length_s, seed), kind(length_s, seed + 100), 20)
    assert found.early_s is None
    assert found.confidence == 0
    assert "one event" in found.note or "don't agree" in found.note


@pytest.mark.parametrize("which", ["reference", "other", "both"])
def test_silence_abstains_and_says_so(which: str) -> None:
    event = recorded(20, seed=7)
    silence = np.zeros_like(event)
    found = match(silence if which != "other" else event, silence if which != "reference" else event, 20)
    assert found.early_s is None
    assert "silent" in found.note


def test_a_sound_that_repeats_itself_over_and_over_abstains() -> None:
    loop = np.tile(voice(1.0, seed=8), 100)
    assert match(loop, loop, 20).early_s is None


def test_polarity_does_not_count() -> None:
    event = recorded(20, seed=9)
    assert match(event, -delayed(event, -0.5), 20).early_s == pytest.approx(0.5, abs=1e-4)


def test_a_shot_of_three_seconds_is_enough() -> None:
    event = recorded(3, seed=10)
    assert match(event, delayed(event, -0.7), 3).early_s == pytest.approx(0.7, abs=1e-3)


def test_a_recorder_that_was_started_late_is_compared_where_it_runs() -> None:
    event = recorded(30, seed=11)
    other = event.copy()
    other[: round((LEAD_S + 15) * RATE)] = 0
    found = match(event, other, 30)
    assert found.early_s == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize("ppm", [-320.0, 12.0, 145.0])
def test_a_slow_clock_makes_the_sound_grow_later(ppm: float) -> None:
    event = recorded(60, seed=3)
    found = match(event, stretched(event, ppm), 60)
    assert found.drift_ppm == pytest.approx(ppm, abs=2)
    # By the start of the shot, LEAD_S after the start of the recordings, it has grown late already.
    assert found.early_s == pytest.approx(-ppm * 1e-6 * LEAD_S, abs=5e-4)
    assert found.residual_s is not None
    assert found.residual_s < 1e-3


def test_a_jump_is_found_where_it_is_and_by_how_much() -> None:
    event = recorded(60, seed=3)
    other = delayed(event, -0.2)
    # A quarter of a second is missing: what comes later comes earlier.
    cut_s = 37.0
    cut = round((LEAD_S + cut_s - 0.2) * RATE)
    other = np.concatenate([other[:cut], other[cut + RATE // 4 :]])
    found = match(event, other, 60)
    assert found.early_s == pytest.approx(0.2, abs=1e-3)
    (jump,) = found.jumps
    assert jump.audio_early_s == pytest.approx(0.45, abs=1e-3)
    assert jump.at_s == pytest.approx(cut_s, abs=0.3)


def test_of_a_long_shot_only_pieces_are_read() -> None:
    event = recorded(60, seed=3)
    longest_s = 0.0

    def read(start_s: float, duration_s: float) -> np.ndarray:
        nonlocal longest_s
        longest_s = max(longest_s, duration_s)
        return reader(event, LEAD_S)(start_s, duration_s)

    alignment.match_sounds(read, read, 150)
    assert longest_s <= 71


# Picture against sound


MOVES_BEFORE_S = alignment.ENERGY_BIAS_S
"""As in films, things begin to move before they strike."""


def curves(early_s: float, duration_s: float, seed: int, *, related: bool = True) -> tuple:
    """A disc jumps about at random times, and a burst of noise follows each jump."""
    rng = np.random.default_rng(seed)
    events_s = np.cumsum(rng.uniform(0.4, 1.6, size=round(duration_s)))
    return picture(events_s - MOVES_BEFORE_S, duration_s, rng), sound(
        (events_s if related else np.cumsum(rng.uniform(0.4, 1.6, size=round(duration_s)))) - early_s,
        duration_s,
        rng,
    )


def picture(events_s: np.ndarray, duration_s: float, rng: np.random.Generator) -> np.ndarray:
    rows, columns = np.mgrid[:48, :80]
    places = rng.uniform([10, 10], [38, 70], size=(len(events_s) + 1, 2))
    discs = [(rows - row) ** 2 + (columns - column) ** 2 < 60 for row, column in places]
    shown = np.searchsorted(events_s, np.arange(round(duration_s * FPS)) / FPS)
    grey = np.where(discs, 200, 60).astype(np.uint8)[shown]
    return signals.MotionEnergy()(np.repeat(grey[..., None], 3, axis=-1))


def sound(events_s: np.ndarray, duration_s: float, rng: np.random.Generator) -> np.ndarray:
    samples = 0.002 * rng.normal(size=round(duration_s * RATE))
    # After a second a burst is far below the noise.
    burst = 0.3 * np.exp(-12 * np.arange(RATE) / RATE)
    for first in np.ceil(events_s * RATE).astype(int):
        heard = samples[max(0, first) : max(0, first + RATE)]
        heard += (burst * rng.normal(size=RATE))[max(0, -first) :][: len(heard)]
    return signals.SoundEnergy(RATE, FPS)(samples)


@pytest.mark.parametrize("early_s", [-1.4, -0.3, 0.0, 0.52, 1.88])
def test_sound_that_sets_in_with_what_moves_is_found(early_s: float) -> None:
    found = alignment.match_energy(*curves(early_s, 40, seed=1), FPS)
    assert found.early_s == pytest.approx(early_s, abs=0.1)
    assert found.confidence > 0.5
    assert sum(found.posterior.probabilities) == pytest.approx(1)


def test_early_energy_is_positive_and_said_so() -> None:
    found = alignment.match_energy(*curves(0.8, 40, seed=2), FPS)
    assert found.early_s is not None
    assert found.early_s > 0
    assert "earlier" in found.note


def test_unrelated_motion_and_sound_mostly_abstain() -> None:
    confidences = [
        alignment.match_energy(*curves(0, 20, seed, related=False), FPS).confidence for seed in range(10)
    ]
    assert np.mean(np.array(confidences) > 0.5) <= 0.1


def test_a_still_picture_abstains() -> None:
    motion, heard = curves(0, 20, seed=3)
    still = np.zeros_like(motion)
    found = alignment.match_energy(still, heard, FPS)
    assert found.early_s is None
    assert found.note == "nothing moves in the picture"


def test_a_silent_sound_abstains() -> None:
    motion, _ = curves(0, 20, seed=4)
    silent = signals.SoundEnergy(RATE, FPS)(np.zeros(20 * RATE))
    found = alignment.match_energy(motion, silent, FPS)
    assert found.early_s is None
    assert "sound" in found.note


def test_a_snippet_abstains() -> None:
    motion, heard = curves(0, 2, seed=5)
    assert alignment.match_energy(motion, heard, FPS).early_s is None


def test_cuts_are_no_motion() -> None:
    motion, heard = curves(0.4, 40, seed=6)
    rng = np.random.default_rng(6)
    motion[rng.integers(0, len(motion), 12), signals.CHANGE] = 1.0
    assert alignment.match_energy(motion, heard, FPS).early_s == pytest.approx(0.4, abs=0.1)


# Windows and posteriors together

OFFSETS_S = np.linspace(-2, 2, 21)


def says(early_s: float, strength: float = 0.9) -> np.ndarray:
    word = np.full(21, (1 - strength) / 20)
    word[np.abs(OFFSETS_S - early_s).argmin()] = strength
    return word


def test_one_window_never_decides() -> None:
    found = alignment.vote(says(0.4, strength=0.999)[None], OFFSETS_S)
    assert found.early_s is None
    assert found.agreeing == 1


def test_no_window_abstains() -> None:
    assert alignment.vote(np.zeros((0, 21)), OFFSETS_S).early_s is None


def test_windows_that_agree_are_sure() -> None:
    found = alignment.vote(np.stack([says(0.4)] * 15), OFFSETS_S)
    assert found.early_s == pytest.approx(0.4, abs=0.02)
    assert found.confidence > 0.9
    assert found.agreeing == 15


def test_a_window_that_errs_with_conviction_is_outvoted() -> None:
    words = np.stack([says(-1.0, 0.6)] * 12 + [says(1.6, 0.9999)])
    found = alignment.vote(words, OFFSETS_S)
    assert found.early_s == pytest.approx(-1.0, abs=0.02)
    assert found.agreeing == 12


def test_windows_at_odds_abstain() -> None:
    words = np.stack([says(offset_s, 0.9) for offset_s in OFFSETS_S[::2]])
    assert alignment.vote(words, OFFSETS_S).early_s is None


def test_windows_of_another_grid_are_refused() -> None:
    with pytest.raises(ValueError, match="speak of 20 offsets, but 21"):
        alignment.vote(np.ones((3, 20)) / 20, OFFSETS_S)


def peaked(offsets_s: np.ndarray, early_s: float, width_s: float) -> Posterior:
    weights = np.exp(-0.5 * ((offsets_s - early_s) / width_s) ** 2)
    return Posterior(tuple(offsets_s), tuple(weights / weights.sum()))


def test_two_beliefs_that_agree_are_surer_than_each() -> None:
    fine = np.arange(-50, 51) / 25
    energy, network = peaked(fine, 0.44, 0.15), peaked(OFFSETS_S, 0.4, 0.2)
    both = alignment.combine([network, energy])
    assert both.offsets_s == energy.offsets_s
    early_s, confidence = alignment.believe(both)
    assert early_s == pytest.approx(0.43, abs=0.03)
    assert confidence > alignment.believe(energy)[1]


def test_a_flat_belief_changes_nothing() -> None:
    fine = np.arange(-50, 51) / 25
    energy, flat = peaked(fine, -1.2, 0.1), Posterior(tuple(OFFSETS_S), (1 / 21,) * 21)
    combined = alignment.combine([energy, flat])
    assert alignment.believe(combined)[0] == pytest.approx(alignment.believe(energy)[0], abs=0.01)


# Claps and 2-pops


def scene(duration_s: float = 10.0) -> tuple[np.ndarray, np.ndarray]:
    """Grain and room noise, nothing else. Shapes: (T, 2), and samples."""
    rng = np.random.default_rng(0)
    frames = rng.normal(90, 4, size=(round(duration_s * FPS), 48, 80, 3)).astype(np.uint8)
    return frames, 0.003 * rng.normal(size=round(duration_s * RATE))


def ring(samples: np.ndarray, at_s: float) -> None:
    """A 2-pop: 1 kHz for one frame of 1 / 25 s."""
    first = round(at_s * RATE)
    samples[first : first + RATE // 25] += 0.1 * np.sin(2 * np.pi * 1000 * np.arange(RATE // 25) / RATE)


def strike(samples: np.ndarray, at_s: float) -> None:
    first, rng = round(at_s * RATE), np.random.default_rng(1)
    samples[first : first + RATE // 4] += (
        0.5 * rng.normal(size=RATE // 4) * np.exp(-np.arange(RATE // 4) / 400)
    )


def matched(frames: np.ndarray, samples: np.ndarray) -> alignment.ClapMatch:
    return alignment.match_claps(signals.MotionEnergy()(frames), signals.SoundEnergy(RATE, FPS)(samples), FPS)


@pytest.mark.parametrize("early_s", [-0.6, 0.0, 1.24])
def test_a_flash_and_a_pop_tell_the_offset(early_s: float) -> None:
    frames, samples = scene()
    frames[100] = 255
    ring(samples, 100 / FPS - early_s)
    found = matched(frames, samples)
    assert found.kind == "2-pop"
    assert found.early_s == pytest.approx(early_s, abs=0.03)
    assert found.confidence > 0.9


@pytest.mark.parametrize("early_s", [-0.48, 0.0, 0.72])
def test_a_slate_that_shuts_and_its_clap_tell_the_offset(early_s: float) -> None:
    frames, samples = scene()
    # An arm comes down over eight frames and stops at frame 120.
    for step in range(8):
        frames[113 + step, 4 + 3 * step : 10 + 3 * step, 10:60] = 220
    frames[121:] = frames[120]
    strike(samples, 120 / FPS - early_s)
    found = matched(frames, samples)
    assert found.kind == "clap"
    assert found.early_s == pytest.approx(early_s, abs=0.06)


def test_two_claps_abstain() -> None:
    frames, samples = scene()
    frames[100] = 255
    strike(samples, 3.5)
    strike(samples, 4.6)
    found = matched(frames, samples)
    assert found.early_s is None
    assert "2 ways" in found.note


def test_a_clap_without_a_picture_abstains() -> None:
    frames, samples = scene()
    strike(samples, 4.0)
    assert matched(frames, samples).early_s is None


def test_a_long_tone_is_no_pop() -> None:
    frames, samples = scene()
    frames[100] = 255
    samples += 0.1 * np.sin(2 * np.pi * 1000 * np.arange(len(samples)) / RATE)
    assert matched(frames, samples).early_s is None
