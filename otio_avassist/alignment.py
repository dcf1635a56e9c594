"""Two sounds -> how far they are apart; curves and windows -> belief over offsets. numpy only.

In go arrays (or functions that read them), out come frozen answers with a confidence and a sentence. All
offsets are `audio_early_s`: > 0 where the sound comes before its picture, or `other` before `reference`.
Knows no files, no timeline and no network; what it can't tell, it says by abstaining (`early_s` is None).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal, cast

import numpy as np

from otio_avassist import signals
from otio_avassist.findings import Jump, Posterior

Reader = Callable[[float, float], np.ndarray]
"""(start_s, duration_s) -> mono samples; any stretch may be asked for, silent where there is nothing."""


# Sound against sound

CHUNK_S = (2.0, 10.0)
"""Shortest and longest stretch compared at once: long ones stand more noise, short ones more drift."""
PROBES = 12
"""Stretches that are searched over the whole range."""
CHUNKS = 60
"""Stretches that are measured finely: enough for 1 ppm, and an hour costs no more than ten minutes."""
HELD_S = 120.0
"""Shots up to so long are read once and held; of longer ones, only what is compared is read."""
COARSE_DECIMATION = 4
"""The search looks at the lower quarter of the band: voices live there, and drift blurs it less."""
COARSE_RATIO, FINE_RATIO, LONE_RATIO = 1.3, 1.2, 2.0
"""First peak to second; unrelated sounds stay below 1.2 nearly always. LONE: where none other confirms."""
SAME_S = 0.05
"""Peaks this near are one answer and its echoes."""
MAX_DRIFT = 500e-6
"""Clocks of cameras and recorders differ by less."""
STEP_S = 0.003
"""Offsets of neighbouring stretches differ by less, unless something jumped."""
SILENCE = 1e-4
"""Root mean square below -80 dB of full scale is nothing to compare."""


@dataclass(frozen=True)
class SoundMatch:
    """How `other` lies against `reference`."""

    early_s: float | None
    """> 0: `other` comes before `reference`; at the start of the shot. None: abstained."""
    confidence: float
    note: str
    drift_ppm: float | None = None
    """> 0: `other` grows later. None where it can't be told from none."""
    jumps: tuple[Jump, ...] = ()
    residual_s: float | None = None
    """Root mean square of what offset, drift and jumps leave unexplained."""
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Lag:
    """What one stretch says."""

    at_s: float
    """Its middle, in seconds of the shot."""
    early_s: float
    ratio: float


def match_sounds(
    reference: Reader, other: Reader, duration_s: float, *, search_s: float = 30.0, rate: int = 16000
) -> SoundMatch:
    """Offset, drift or jump between two recordings of one event, such as a recorder and the camera's own
    track.

    Generalised cross-correlation with phase transform (Knapp and Carter 1976): a search over the whole range
    by some stretches, then a fine measure of many around what those agree on. Memory doesn't grow with the
    duration.

    Args:
        reference: reads the sound that was recorded with the picture; seconds count from the start of the
            shot.
        other: reads the sound to be placed; it is asked for up to `search_s` before the start and after the
            end.
        duration_s: of the shot.
        search_s: how far to look to either side.
        rate: samples per second that both readers give.
    """
    chunk_s = min(float(np.clip(duration_s / 6, *CHUNK_S)), duration_s)
    if duration_s <= HELD_S:
        reference = _held(reference, 0.0, duration_s, rate)
        other = _held(other, -search_s, duration_s + search_s, rate)
    sources = _Sources(reference, other, rate, chunk_s)
    probes = [
        found
        for start_s in _starts(duration_s, chunk_s, PROBES, rate)
        if (found := sources.lag(start_s, (-search_s, search_s), decimation=COARSE_DECIMATION))
    ]
    if not probes:
        return SoundMatch(None, 0.0, "one of the two sounds is silent, so there is nothing to compare")
    agreed = _agreeing(probes)
    if not agreed:
        return SoundMatch(
            None, 0.0,
            f"no offset within ±{search_s:g} s stands out in {_count(len(probes), 'stretch', 'stretches')}:"
            " the two sounds don't seem to be of one event",
        )  # fmt: skip
    drift = _slope(agreed)
    starts = _starts(duration_s, chunk_s, CHUNKS, rate)
    measured = [
        found
        for start_s in starts
        if (found := sources.lag(start_s, _reach(agreed, start_s + chunk_s / 2), drift=drift))
    ]
    pieces = _pieces([lag for lag in measured if lag.ratio >= FINE_RATIO])
    if not pieces:
        return SoundMatch(None, 0.0, "the stretches hint at an offset, but don't agree on it")
    return _conclude(pieces, measured, sources, duration_s, search_s)


@dataclass(frozen=True)
class _Sources:
    """Both sounds, and how they are cut."""

    reference: Reader
    other: Reader
    rate: int
    chunk_s: float

    def lag(
        self, start_s: float, reach_s: tuple[float, float], *, drift: float = 0.0, decimation: int = 1
    ) -> _Lag | None:
        """Where one stretch of the reference is found in the other sound; None where either is silent.

        `reach_s` is the range of `early_s` at the middle of the stretch; `drift` (seconds a second, > 0:
        other grows later) is taken out before comparing, as it would blur the peak.
        """
        low_s, high_s = reach_s
        short = _read(self.reference, start_s, self.chunk_s, self.rate)
        # An event at t of the reference is heard at t - early in the other sound.
        # On whole samples, as readers may round.
        from_s = round((start_s - high_s - drift * self.chunk_s / 2) * self.rate) / self.rate
        long = _read(self.other, from_s, (self.chunk_s + high_s - low_s) * (1 + abs(drift)), self.rate)
        if _loudness(short) < SILENCE or _loudness(long) < SILENCE:
            return None
        if drift:
            positions = np.arange(len(short) + round((high_s - low_s) * self.rate)) * (1 + drift)
            long = np.interp(positions, np.arange(len(long)), long)
        correlation = _phase_correlation(short, long, decimation)
        exclude_s = SAME_S if decimation > 1 else SAME_S / 5
        peak, ratio = _peak(correlation, round(exclude_s * self.rate / decimation), blurred=decimation > 1)
        heard_s = from_s + (peak * decimation / self.rate + self.chunk_s / 2) * (1 + drift)
        middle_s = start_s + self.chunk_s / 2
        return _Lag(middle_s, middle_s - heard_s, ratio)


def _read(reader: Reader, start_s: float, duration_s: float, rate: int) -> np.ndarray:
    """Exactly as many samples as asked for, without their mean."""
    wanted = round(duration_s * rate)
    samples = np.asarray(reader(start_s, duration_s), dtype=np.float64)[:wanted]
    samples = samples - samples.mean() if len(samples) else samples
    return np.pad(samples, (0, wanted - len(samples)))


def _held(reader: Reader, from_s: float, to_s: float, rate: int) -> Reader:
    """The same from memory."""
    samples = np.asarray(reader(from_s, to_s - from_s), dtype=np.float32)

    def read(start_s: float, duration_s: float) -> np.ndarray:
        first = round((start_s - from_s) * rate)
        last = first + round(duration_s * rate)
        inside = samples[max(0, first) : max(0, last)]
        return np.pad(inside, (min(max(0, -first), last - first), 0))

    return read


def _loudness(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(samples**2))) if len(samples) else 0.0


def _starts(duration_s: float, chunk_s: float, at_most: int, rate: int) -> np.ndarray:
    """Starts of stretches spread over the shot, without overlap, on whole samples."""
    count = int(np.clip(duration_s // chunk_s, 1, at_most))
    return np.round(np.linspace(0, duration_s - chunk_s, count) * rate) / rate


def _phase_correlation(short: np.ndarray, long: np.ndarray, decimation: int) -> np.ndarray:
    """GCC-PHAT of `short` at each place of `long` where it fits, in steps of `decimation` samples.

    Only the band that the coarser steps can carry is used.
    """
    size = _fft_size(len(long))
    cross = np.fft.rfft(long, size)
    cross *= np.conj(np.fft.rfft(short, size))
    cross = cross[: size // (2 * decimation) + 1]
    magnitude = np.abs(cross)
    # Bands that hold nothing must not be blown up to full weight.
    cross /= magnitude + 1e-3 * magnitude.mean()
    correlation = np.fft.irfft(cross, size // decimation)
    return correlation[: (len(long) - len(short)) // decimation + 1]


def _fft_size(length: int) -> int:
    """A size not much larger that the transform is quick at: 2^k times 1, 3 or 5."""
    return min(odd * 2 ** max(3, int(np.ceil(np.log2(length / odd)))) for odd in (1, 3, 5))


def _peak(correlation: np.ndarray, exclude: int, *, blurred: bool) -> tuple[float, float]:
    """Place of the highest peak, between samples, and its ratio to the highest one elsewhere.

    Signs don't count: a recorder may be wired the other way round. `blurred` peaks (by a drift not known yet)
    are gathered over a few steps.
    """
    height = correlation**2
    if blurred:
        height = np.convolve(height, np.hanning(9), mode="same")
    height = np.sqrt(height)
    top = int(height.argmax())
    elsewhere = np.concatenate([height[: max(0, top - exclude)], height[top + exclude + 1 :]])
    second = elsewhere.max() if len(elsewhere) else 0.0
    ratio = float(height[top] / second) if second > 0 else 1.0
    return top + _parabola(height, top), ratio


def _parabola(curve: np.ndarray, top: int) -> float:
    """How far the true top lies from the highest point, in steps: a vertex through it and its neighbours."""
    if not 0 < top < len(curve) - 1:
        return 0.0
    before, here, after = (float(value) for value in curve[top - 1 : top + 2])
    bend = before - 2 * here + after
    return 0.5 * (before - after) / bend if bend < 0 else 0.0


def _agreeing(probes: Sequence[_Lag]) -> list[_Lag]:
    """Probes that stand out and that another one confirms; a lone probe must stand out far."""
    clear = [probe for probe in probes if probe.ratio >= COARSE_RATIO]
    confirmed = {probe for pair in combinations(clear, 2) if _compatible(*pair) for probe in pair}
    if not confirmed and len(probes) == 1:
        confirmed = {probe for probe in clear if probe.ratio >= LONE_RATIO}
    return sorted(confirmed, key=lambda probe: probe.at_s)


def _compatible(one: _Lag, two: _Lag) -> bool:
    return abs(one.early_s - two.early_s) <= STEP_S + MAX_DRIFT * abs(one.at_s - two.at_s)


def _slope(lags: Sequence[_Lag]) -> float:
    """Seconds a second, > 0 where `other` grows later: the median over pairs without a jump between."""
    slopes = [
        (one.early_s - two.early_s) / (two.at_s - one.at_s)
        for one, two in combinations(lags, 2)
        if _compatible(one, two)
    ]
    return float(np.clip(np.median(slopes), -MAX_DRIFT, MAX_DRIFT)) if slopes else 0.0


def _reach(agreed: Sequence[_Lag], at_s: float, margin_s: float = 0.25) -> tuple[float, float]:
    """Where to look at this time: what the probes before and after it say, and a little more."""
    before = [lag for lag in agreed if lag.at_s <= at_s][-1:]
    after = [lag for lag in agreed if lag.at_s >= at_s][:1]
    early_s = [lag.early_s for lag in before + after]
    return min(early_s) - margin_s, max(early_s) + margin_s


def _pieces(lags: Sequence[_Lag]) -> list[list[_Lag]]:
    """Runs of stretches that go on from one another without a jump; lone stretches are dropped."""
    drift = _slope(lags)

    def goes_on(piece: list[_Lag], lag: _Lag) -> bool:
        expected = np.median([each.early_s - drift * (lag.at_s - each.at_s) for each in piece[-3:]])
        return bool(abs(lag.early_s - expected) <= STEP_S)

    def gather(runs: Iterator[list[_Lag]]) -> list[list[_Lag]]:
        gathered: list[list[_Lag]] = []
        for run in runs:
            if gathered and goes_on(gathered[-1], run[0]):
                gathered[-1] = gathered[-1] + run
            else:
                gathered.append(run)
        return gathered

    runs = gather([lag] for lag in lags)
    if len(lags) == 1:
        return runs
    # Without the strays between them, what was one run is one again.
    return gather(run for run in runs if len(run) > 1)


def _conclude(
    pieces: Sequence[Sequence[_Lag]],
    measured: Sequence[_Lag],
    sources: _Sources,
    duration_s: float,
    search_s: float,
) -> SoundMatch:
    """One drift for all pieces, as it is the clocks', and an offset for each."""
    lags = [lag for piece in pieces for lag in piece]
    fit = _fit(pieces)
    starts_s = [_locate_jump(sources, fit, number, pieces) for number in range(1, len(pieces))]
    jumps = tuple(Jump(at_s, fit.early_s(number, at_s)) for number, at_s in enumerate(starts_s, start=1))
    early_s = fit.early_s(0, 0.0)
    drifts = abs(fit.drift) > max(3 * fit.drift_error, 0.0005 / duration_s)
    strays = sum(lag.ratio >= FINE_RATIO for lag in measured) - len(lags)
    return SoundMatch(
        early_s=early_s,
        confidence=_confidence(lags),
        note=_sound_note(early_s, lags, measured, fit.drift if drifts else 0.0, jumps),
        drift_ppm=fit.drift * 1e6 if drifts else None,
        jumps=jumps,
        residual_s=fit.residual_s,
        doubts=tuple(_sound_doubts(early_s, fit, strays, len(lags), search_s)),
    )


@dataclass(frozen=True)
class _Fit:
    offsets_s: tuple[float, ...]
    """`early_s` of each piece, as if it held at time 0."""
    drift: float
    """Seconds a second, > 0: `other` grows later."""
    drift_error: float
    """Standard error of the drift."""
    residual_s: float

    def early_s(self, piece: int, at_s: float) -> float:
        return self.offsets_s[piece] - self.drift * at_s


def _fit(pieces: Sequence[Sequence[_Lag]]) -> _Fit:
    """Least squares: an offset for each piece, one slope for all."""
    at_s = np.array([lag.at_s for piece in pieces for lag in piece])
    early_s = np.array([lag.early_s for piece in pieces for lag in piece])
    which = np.repeat(np.arange(len(pieces)), [len(piece) for piece in pieces])
    ones = np.eye(len(pieces))[which]  # (lags, pieces)
    if len(at_s) < len(pieces) + 2:
        # Too few to tell a drift from chance.
        offsets = np.array([early_s[which == number].mean() for number in range(len(pieces))])
        residual_s = float(np.sqrt(np.mean((early_s - ones @ offsets) ** 2)))
        return _Fit(tuple(offsets.tolist()), 0.0, np.inf, residual_s)
    design = np.column_stack([ones, -at_s])
    solution, *_ = np.linalg.lstsq(design, early_s, rcond=None)
    squares = float(np.sum((early_s - design @ solution) ** 2))
    variance = squares / (len(at_s) - len(pieces) - 1)
    error = float(np.sqrt(variance * np.linalg.inv(design.T @ design)[-1, -1]))
    *offsets, drift = solution.tolist()
    return _Fit(tuple(offsets), drift, error, float(np.sqrt(squares / len(at_s))))


def _locate_jump(sources: _Sources, fit: _Fit, number: int, pieces: Sequence[Sequence[_Lag]]) -> float:
    """Where piece `number` begins: before it, the sounds fit by the old offset, after it by the new one."""
    half_s = sources.chunk_s / 2
    start_s, end_s = pieces[number - 1][-1].at_s - half_s, pieces[number][0].at_s + half_s
    duration_s, rate = end_s - start_s, sources.rate
    short = _whitened(_read(sources.reference, start_s, duration_s, rate))
    old, new = (
        _whitened(_read(sources.other, start_s - fit.early_s(piece, (start_s + end_s) / 2), duration_s, rate))
        for piece in (number - 1, number)
    )
    # Whichever the polarity, the sign of the whole tells it.
    favour_old, favour_new = short * old, short * new
    balance = np.cumsum(favour_old * np.sign(favour_old.sum()) - favour_new * np.sign(favour_new.sum()))
    return start_s + (int(balance.argmax()) + 1) / rate


def _whitened(samples: np.ndarray) -> np.ndarray:
    """All frequencies equally strong, so that a match shows in every instant."""
    spectrum = np.fft.rfft(samples)
    magnitude = np.abs(spectrum)
    return np.fft.irfft(spectrum / (magnitude + 1e-3 * magnitude.mean() + 1e-12), len(samples))


def _confidence(lags: Sequence[_Lag]) -> float:
    """Stretches that agree by accident are rare: each one halves the doubt; a lone one must stand out."""
    if len(lags) == 1:
        return 0.75
    return min(0.99, 1 - 0.5 ** (len(lags) + 1))


def _sound_note(
    early_s: float, lags: Sequence[_Lag], measured: Sequence[_Lag], drift: float, jumps: Sequence[Jump]
) -> str:
    where = "in step with" if abs(early_s) < 0.0005 else f"{abs(early_s) * 1000:.1f} ms {_side(early_s)} than"
    note = (
        f"the sound is {where} the picture's own track in"
        f" {len(lags)} of {_count(len(measured), 'stretch', 'stretches')}"
    )
    if drift:
        note += f", and drifts {'later' if drift > 0 else 'earlier'} by {abs(drift) * 1e6:.1f} ppm"
    if jumps:
        note += ", and jumps once" if len(jumps) == 1 else f", and jumps {len(jumps)} times"
    return note


def _sound_doubts(early_s: float, fit: _Fit, strays: int, lying: int, search_s: float) -> Iterator[str]:
    """Why the measure itself may be wrong; whether drift and jumps matter is for each cut to say."""
    if strays > lying / 4:
        yield f"{_count(strays, 'stretch says', 'stretches say')} otherwise"
    if fit.residual_s > STEP_S / 2:
        yield f"the stretches scatter by {fit.residual_s * 1000:.1f} ms round the answer"
    if abs(early_s) > 0.98 * search_s:
        yield f"the answer lies at the edge of what was searched (±{search_s:g} s)"


def _side(early_s: float) -> str:
    return "earlier" if early_s > 0 else "later"


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


# Picture against sound

ENERGY_TREND_S = 2.0
"""Slower ups and downs than this are the scene's or the music's, not events."""
ENERGY_BIAS_S, ENERGY_SPREAD_S = 0.06, 0.065
"""What is seen leads what is heard by so much even in step (hands move before they strike), and scatters.

It is about 0.12 s in Big Buck Bunny and none for what appears in an instant: midway errs least at worst.
"""
UNRELATED = 0.5
"""Belief, before looking, that what moves has nothing to do with what sounds."""
VAGUE, TYPICAL_Z = 0.05, 3.0
"""If they are related: the share of it that shows nothing, and how many deviations the rest stands out."""
SURE_WITHIN_S = 0.1
"""A confidence is the belief that the answer is right within this."""
THIN = 0.3
"""Below this confidence an energy match or a vote names no offset."""


@dataclass(frozen=True)
class EnergyMatch:
    """What moves against what sounds."""

    posterior: Posterior
    early_s: float | None
    """> 0: the sound comes before its picture. None: abstained."""
    confidence: float
    """Of the best offset, whether it is named or not."""
    note: str
    if_related: Posterior | None = None
    """The same for who knows that what moves is what sounds; None: the curves tell nothing."""


def match_energy(
    motion: np.ndarray,
    sound: np.ndarray,
    fps: float,
    *,
    max_offset_s: float = 2.0,
    step_s: float | None = None,
    breaks: Sequence[int] = (),
) -> EnergyMatch:
    """Belief over offsets from two curves: things that move tend to sound.

    The correlation at each offset is compared with what chance gives for curves like these; belief in each
    offset is weighed against all others and against there being no relation at all. The confidence was
    calibrated on Big Buck Bunny, in windows of 5 to 60 s.

    Args:
        motion: of `signals.MotionEnergy`. Shape: (T, 2).
        sound: of `signals.SoundEnergy`, over the same time. Shape: (T, 3).
        fps: of both.
        max_offset_s: how far to look to either side.
        step_s: of the posterior's offsets; None: one frame.
        breaks: rows that don't go on from those before them: something was left out there.
    """
    offsets_s = _grid(max_offset_s, step_s or 1 / fps)
    length = min(len(motion), len(sound))
    reach = int(np.ceil((max_offset_s + 0.25) * fps))
    seen, heard = events(motion[:length], sound[:length], fps, breaks=breaks)
    if length < 2 * reach:
        return EnergyMatch(_uniform(offsets_s), None, 0.0, f"{length / fps:.1f} s are too short to compare")
    if not seen.any():
        return EnergyMatch(_uniform(offsets_s), None, 0.0, "nothing moves in the picture")
    if not heard.any():
        return EnergyMatch(_uniform(offsets_s), None, 0.0, "nothing sets in or changes in the sound")
    filled = length / (length + reach * len(breaks))
    z = _standout(_apart(seen, breaks, reach), _apart(heard, breaks, reach), reach, filled)
    lags_s = np.arange(-reach, reach + 1) / fps - lag_s(0.0, fps)
    posterior, if_related = _believe(np.interp(offsets_s, lags_s, z), offsets_s)
    best_s, confidence = _best(posterior)
    if confidence < THIN:
        note = "what moves and what sounds don't stand out together at any offset"
        return EnergyMatch(posterior, None, confidence, note, if_related)
    note = f"what moves fits best with a sound {early_words(best_s)} ({z.max():.1f} deviations above chance)"
    return EnergyMatch(posterior, best_s, confidence, note, if_related)


def lag_s(early_s: float, fps: float) -> float:
    """How much sooner what stands out in the picture's curve shows in the sound's, for a sound so early."""
    # A change shows in the picture after it, half a frame late as a rule.
    return early_s + 1 / fps - signals.SOUND_LAG_S - ENERGY_BIAS_S


def _grid(max_offset_s: float, step_s: float) -> np.ndarray:
    steps = int(max_offset_s / step_s + 1e-6)
    return np.arange(-steps, steps + 1) * step_s


def _uniform(offsets_s: np.ndarray) -> Posterior:
    return _posterior(offsets_s, np.ones(len(offsets_s)))


def _posterior(offsets_s: np.ndarray, weights: np.ndarray) -> Posterior:
    return Posterior(tuple(offsets_s.tolist()), tuple((weights / weights.sum()).tolist()))


def events(
    motion: np.ndarray, sound: np.ndarray, fps: float, *, breaks: Sequence[int] = ()
) -> tuple[np.ndarray, np.ndarray]:
    """(what stands out in the picture, in the sound), mean 0 and deviation 1; all zero where nothing does.

    Args:
        motion, sound, fps, breaks: as `match_energy`, but equally long.
    """
    runs = list(zip(np.split(motion, breaks), np.split(sound, breaks), strict=True))
    changes = [signals.without_cuts(moved[:, signals.CHANGE]) for moved, _ in runs]
    seen = [_out_of_trend(np.log(change.astype(np.float64) + 0.003), fps) for change in changes]
    onset, level = (
        _standard(np.concatenate([_out_of_trend(sounded[:, column], fps) for _, sounded in runs]))
        for column in (signals.ONSET, signals.LEVEL)
    )
    return _standard(np.concatenate(seen)), _standard(onset + level)


def _out_of_trend(curve: np.ndarray, fps: float) -> np.ndarray:
    """What stands out of a curve's own slow ups and downs."""
    curve = np.asarray(curve, dtype=np.float64)
    half = max(1, round(ENERGY_TREND_S * fps / 2))
    weights = np.hanning(2 * half + 3)[1:-1]
    if len(curve) <= half:
        return np.zeros_like(curve)
    return curve - np.convolve(np.pad(curve, half, mode="reflect"), weights / weights.sum(), mode="valid")


def _apart(curve: np.ndarray, breaks: Sequence[int], reach: int) -> np.ndarray:
    """So much room at each break that nothing is compared across it."""
    return np.insert(curve, np.repeat(np.array(breaks, int), reach), 0.0)


def _standard(curve: np.ndarray) -> np.ndarray:
    curve = curve - curve.mean() if len(curve) else curve
    deviation = curve.std() if len(curve) else 0.0
    return curve / deviation if deviation > 1e-3 else np.zeros_like(curve)


def _standout(seen: np.ndarray, heard: np.ndarray, reach: int, filled: float = 1.0) -> np.ndarray:
    """Correlation at each lag from -reach to reach, in standard deviations of what chance gives.

    At lag k the sound is k frames early: what is seen at frame t is heard at t - k. `filled` is the share of
    the curves that isn't room between them.
    """
    length = len(seen)
    size = _fft_size(2 * length)
    seen_spectrum, heard_spectrum = np.fft.rfft(seen, size), np.fft.rfft(heard, size)
    correlation = np.fft.irfft(seen_spectrum * np.conj(heard_spectrum), size) / length
    own_seen = np.fft.irfft(np.abs(seen_spectrum) ** 2, size)[:reach] / length
    own_heard = np.fft.irfft(np.abs(heard_spectrum) ** 2, size)[:reach] / length
    # Bartlett 1946: smooth curves correlate by chance more than rough ones.
    variance = (own_seen[0] * own_heard[0] + 2 * own_seen[1:] @ own_heard[1:]) / length / filled
    deviation = np.sqrt(max(variance, 1 / length**2))
    # Of a sum of independent products; half of it, as neighbours are not quite independent, fits films best.
    skewness = 0.5 * deviation * np.mean(seen**3) * np.mean(heard**3) / filled**3
    return _as_normal(np.roll(correlation, reach)[: 2 * reach + 1] / deviation, max(float(skewness), 0.0))


def _as_normal(z: np.ndarray, skewness: float) -> np.ndarray:
    """Undo the long tail that a few strong events give to chance: Wilson and Hilferty 1931."""
    if skewness < 1e-3:
        return z
    return 6 / skewness * (np.cbrt(np.maximum(1 + skewness * z / 2, 0)) - 1) + skewness / 6


def _believe(z: np.ndarray, offsets_s: np.ndarray) -> tuple[Posterior, Posterior]:
    """Posterior from how far each offset stands out; and the same if there is a relation.

    If an offset is the true one, its z is 1 around an unknown mean, else around 0; the mean is exponentially
    distributed. The belief in no relation is spread evenly: then any offset is as good as another.
    """
    means = np.arange(0.5, 10.5, 0.5)
    weights = np.exp(-means / TYPICAL_Z)
    weights *= (1 - VAGUE) / weights.sum()
    ratio = VAGUE + np.exp(np.outer(z, means) - means**2 / 2) @ weights
    related = (1 - UNRELATED) * ratio / len(z)
    none = UNRELATED / (UNRELATED + related.sum())
    # Even the true offset is seen a little beside itself.
    spread = np.exp(-0.5 * (np.subtract.outer(offsets_s, offsets_s) / ENERGY_SPREAD_S) ** 2)
    spread /= spread.sum(axis=0)
    related = spread @ (related / related.sum())
    mixed = (1 - none) * related + none / len(z)
    return _posterior(offsets_s, mixed), _posterior(offsets_s, related)


def _best(posterior: Posterior, within_s: float = SURE_WITHIN_S) -> tuple[float, float]:
    """The most likely offset, between the cells, and the belief that it is right within `within_s`."""
    offsets_s, probabilities = np.array(posterior.offsets_s), np.array(posterior.probabilities)
    top = int(probabilities.argmax())
    step_s = offsets_s[1] - offsets_s[0] if len(offsets_s) > 1 else 0.0
    best_s = float(offsets_s[top] + _parabola(probabilities, top) * step_s)
    # A cell counts as far as it lies within.
    width_s = max(step_s, 1e-9)
    inside = np.clip((within_s + width_s / 2 - np.abs(offsets_s - best_s)) / width_s, 0, 1)
    return best_s, float(min(1.0, probabilities @ inside))


def early_words(early_s: float) -> str:
    """'400 ms earlier', of a sound against its picture."""
    if abs(early_s) < 0.005:
        return "in step with it"
    return f"{abs(early_s) * 1000:.0f} ms {_side(early_s)}"


# Windows and posteriors together

DULL = 0.7
"""Share of a window's word that is taken as said at random, so that none can rule out what others say.

It holds where a network's card says nothing else. A network that learnt on rendered scenes alone was right
in a third of its windows of Big Buck Bunny, where chance gives a seventh, and as sure of itself in all. With
this and the next number, what is called 80 % sure was right there.
"""
SAME_WINDOWS = 0.2
"""Neighbouring windows overlap and err alike: each after the first counts for so much of another one."""
ENOUGH_WINDOWS = 2
REFINED = 1.5
"""An offset must fit so much better than those around it to be told apart from them."""
LEEWAY = 0.05
"""Share of chance in each belief that is combined with others."""


@dataclass(frozen=True)
class Vote:
    """What the network's windows say together."""

    posterior: Posterior
    early_s: float | None
    """> 0: the sound comes before its picture. None: abstained."""
    confidence: float
    """The belief that the answer is right within one step of the offsets' grid."""
    step_s: float
    """Between two offsets of the grid."""
    agreeing: int
    """Windows whose own best offset lies within one step of the answer, or within SURE_WITHIN_S."""
    note: str


def vote(
    window_probabilities: np.ndarray,
    offsets_s: np.ndarray,
    *,
    dull: float = DULL,
    same_windows: float = SAME_WINDOWS,
) -> Vote:
    """One belief from many windows, none of which decides alone.

    Each window's word is mixed with chance before they are multiplied, so that a window that errs with
    conviction costs the truth no more than a bounded factor. Fewer than two agreeing windows name no offset.

    Args:
        window_probabilities: the network's word on each window; rows sum to 1. Shape: (W, K).
        offsets_s: `audio_early_s` of each class, ascending. Shape: (K,).
        dull: share of a window's word that is taken as said at random.
        same_windows: what a window after the first counts of an independent one.
    """
    probabilities = np.atleast_2d(np.asarray(window_probabilities, dtype=np.float64))
    offsets_s = np.asarray(offsets_s, dtype=np.float64)
    count, classes = probabilities.shape
    if classes != len(offsets_s):
        raise ValueError(f"the windows speak of {classes} offsets, but {len(offsets_s)} are named")
    step_s = float(np.diff(offsets_s).max()) if classes > 1 else 0.0
    if not count:
        return Vote(_uniform(offsets_s), None, 0.0, step_s, 0, "the network saw no window")
    independent = 1 + same_windows * (count - 1)
    log = independent * np.log((1 - dull) * probabilities + dull / classes).mean(axis=0)
    posterior = _posterior(offsets_s, np.exp(log - log.max()))
    best_s, confidence = _best(posterior, max(step_s, SURE_WITHIN_S))
    own_best_s = offsets_s[probabilities.argmax(axis=1)]
    # Fine classes are taken together: no window tells an offset to a frame.
    agreeing = int((np.abs(own_best_s - best_s) <= max(1.01 * step_s, SURE_WITHIN_S)).sum())
    said = f"{agreeing} of {_count(count, 'window')}"
    if agreeing < ENOUGH_WINDOWS:
        return Vote(
            posterior, None, min(confidence, THIN), step_s, agreeing,
            f"{said} of the network {'says' if agreeing == 1 else 'say'} {early_words(best_s)}: "
            "too few to decide",
        )  # fmt: skip
    if confidence < THIN:
        return Vote(
            posterior, None, confidence, step_s, agreeing,
            "the network's windows don't agree on an offset",
        )  # fmt: skip
    return Vote(
        posterior, best_s, confidence, step_s, agreeing,
        f"{said} of the network say {early_words(best_s)}",
    )  # fmt: skip


def combine(posteriors: Sequence[Posterior], grid_s: Sequence[float] = ()) -> Posterior:
    """One belief from independent ones, on the finest of their grids or on the one that is given.

    Beliefs are multiplied, each mixed with a little chance, so that none can rule out what the others say. A
    coarse grid is read between its cells; where it doesn't reach, it says nothing.
    """
    if not posteriors:
        raise ValueError("there is no posterior to combine")
    offsets_s = np.array(grid_s or max((each.offsets_s for each in posteriors), key=len))
    log = np.zeros(len(offsets_s))
    for each in posteriors:
        # As multiples of what an even belief would say, so that grids of any fineness compare.
        ratio = np.array(each.probabilities) * len(each.probabilities)
        log += np.log((1 - LEEWAY) * np.interp(offsets_s, each.offsets_s, ratio, left=1, right=1) + LEEWAY)
    return _posterior(offsets_s, np.exp(log - log.max()))


def refine(early_s: float, step_s: float, if_related: Posterior | None) -> float:
    """An offset of a coarse grid, to a frame: what moves fits best with what sounds near it.

    Args:
        early_s: what the classes say.
        step_s: between two of them; the answer stays within it.
        if_related: of `match_energy`.
    """
    if if_related is None:
        return early_s
    offsets_s, weights = np.array(if_related.offsets_s), np.array(if_related.probabilities)
    # Nearer to what was said is likelier: it would be another class's otherwise.
    near = np.maximum(0, 1 - np.abs(offsets_s - early_s) / step_s)
    if not near.any():
        return early_s
    top = int((near * weights).argmax())
    if weights[top] < REFINED * (near @ weights) / near.sum():
        return early_s
    return float(offsets_s[top] + _parabola(near * weights, top) * (offsets_s[1] - offsets_s[0]))


def believe(posterior: Posterior, within_s: float = SURE_WITHIN_S) -> tuple[float | None, float]:
    """The offset that a combined belief names (None where it is thin), and its confidence."""
    best_s, confidence = _best(posterior, within_s)
    return (best_s if confidence >= THIN else None), confidence


BORNE_OUT = 2.0
"""Each part of a recording must make an answer likelier than chance by so much.

Of pieces of 8 s of Big Buck Bunny, 300 to 485 s, 44 % were told and 79 % of these were right; both parts bear
24 % out, and 95 % of these are right.
"""


def borne_out(early_s: float, parts: Sequence[Posterior], within_s: float) -> bool:
    """Whether each part by itself speaks for an answer: two things that happen once go together by chance."""
    return all(_times_chance(early_s, part, within_s) >= BORNE_OUT for part in parts)


def _times_chance(early_s: float, posterior: Posterior, within_s: float) -> float:
    near = np.abs(np.array(posterior.offsets_s) - early_s) <= within_s + 1e-9
    believed = np.array(posterior.probabilities)[near]
    return float(believed.mean() * len(near)) if near.any() else 0.0


# Claps and 2-pops

POP_SHARE = 0.8
"""So much of a pop's energy lies round 1 kHz."""
HUSH_S, HUSH = 0.3, 0.4
"""Pops and claps stand in silence: for so long before them nothing is louder than this share of their level.

Levels are fourth roots of energy, so it is about 30 dB. After a pop it is as quiet; a clap may ring.
"""
SHORT_S = 0.13
"""Pops and flashes last no longer: a frame, and what the curves smear."""
FLASH = 0.1
"""A flash is brighter than the pictures round it by so much of full scale."""
CLAP_RISE = 3.0
"""Mean rise of a clap's bands, in natural logarithms of energy: about 13 dB everywhere at once."""
POP_CONFIDENCE, CLAP_CONFIDENCE = 0.97, 0.4
"""In Big Buck Bunny no 2-pop is found by mistake, but claps are: they need another rung to confirm them."""
RIVAL = 0.5
"""A second event so strong, compared with the first, may be meant as well."""


@dataclass(frozen=True)
class ClapMatch:
    """A clap or 2-pop that was made to be found."""

    early_s: float | None
    """> 0: the sound comes before its picture. None: abstained."""
    confidence: float
    note: str
    kind: Literal["2-pop", "clap"] | None = None


def match_claps(
    motion: np.ndarray, sound: np.ndarray, fps: float, *, max_offset_s: float = 2.0, starts_s: float = 0.0
) -> ClapMatch:
    """Offset from the one flash and 1 kHz pop, or the one clap that is seen and heard, to about a frame.

    Abstains where more than one pairing is possible.

    Args:
        motion: of `signals.MotionEnergy`. Shape: (T, 2).
        sound: of `signals.SoundEnergy`, over the same time. Shape: (T, 3).
        fps: of both.
        max_offset_s: how far a clap may be heard from where it is seen.
        starts_s: what the curves' first instant is called in words.
    """
    length = min(len(motion), len(sound))
    flashes_s = _flashes(motion[:length, signals.BRIGHTNESS], fps)
    pops_s = _pops(sound[:length, signals.POP], sound[:length, signals.LEVEL], fps)
    claps_s = _claps(sound[:length, signals.ONSET], sound[:length, signals.LEVEL], fps)
    stops_s = _stops(signals.without_cuts(motion[:length, signals.CHANGE]), fps)
    for kind, seen, heard, confidence, words in (
        ("2-pop", flashes_s, pops_s, POP_CONFIDENCE, "a flash and a 1 kHz pop"),
        ("clap", flashes_s, claps_s, CLAP_CONFIDENCE, "a flash and a clap"),
        ("clap", stops_s, claps_s, CLAP_CONFIDENCE, "a movement that stops short and a clap"),
    ):
        pairs = [(see_s, hear_s) for see_s in seen for hear_s in heard if abs(see_s - hear_s) <= max_offset_s]
        if len(pairs) > 1:
            return ClapMatch(None, 0.0, f"{words} can be paired in {len(pairs)} ways")
        if pairs:
            [(see_s, hear_s)] = pairs
            early_s = see_s - hear_s
            note = f"{words} at {starts_s + see_s:.2f} s: the sound is {early_words(early_s)}"
            return ClapMatch(early_s, confidence, note, cast(Literal["2-pop", "clap"], kind))
    return ClapMatch(None, 0.0, "no clap or 2-pop stands out in both picture and sound")


def _flashes(brightness: np.ndarray, fps: float) -> list[float]:
    """Middles of short stretches that are brighter than before and after."""
    half = max(2, round(0.4 * fps))
    if len(brightness) <= half:
        return []
    around = np.lib.stride_tricks.sliding_window_view(np.pad(brightness, half, mode="edge"), 2 * half + 1)
    excess = brightness - np.median(around, axis=1)
    return [_middle(excess, run) / fps for run in _short_runs(excess > FLASH, fps)]


def _pops(share: np.ndarray, level: np.ndarray, fps: float) -> list[float]:
    """Middles of short stretches in which nothing but 1 kHz sounds, with silence on both sides."""
    runs = [
        run
        for run in _short_runs(share > POP_SHARE, fps)
        if _hushed(level, run[0], fps) and _hushed(level[::-1], len(level) - run[1], fps)
    ]
    return [_middle(share, run) / fps - signals.POP_LAG_S for run in runs]


def _claps(onset: np.ndarray, level: np.ndarray, fps: float) -> list[float]:
    """Times of rises over all bands at once, out of silence, that no other sound comes near."""
    return [
        _middle(onset, (max(0, top - 2), min(len(onset), top + 3))) / fps - signals.SOUND_LAG_S
        for top in _tops(onset, fps, CLAP_RISE)
        if _hushed(level, top, fps)
    ]


def _hushed(level: np.ndarray, at: int, fps: float) -> bool:
    """Whether it is all but silent before what sounds at this frame."""
    # Levels smear over LOOK_BACK_ROWS, so the frames right beside belong to it.
    beside = round(0.1 * fps)
    before = level[max(0, at - beside - round(HUSH_S * fps)) : max(0, at - beside)]
    loudest = level[max(0, at - beside) : at + beside + 1].max(initial=0)
    return bool(len(before) and before.max() < HUSH * loudest)


def _stops(change: np.ndarray, fps: float) -> list[float]:
    """Times at which the strongest movement ends within a frame or two."""
    still = float(np.median(change)) if len(change) else 0.0
    stops_s = []
    for top in _tops(change, fps, 5 * still + 0.005):
        slower = np.flatnonzero(change[top:] < 0.5 * change[top])
        if not len(slower):
            continue
        last = top + int(slower[0]) - 1
        after = change[last + 2 : last + 2 + max(2, round(0.2 * fps))]
        if len(after) and after.mean() < 0.3 * change[top]:
            # The change of a picture is what happened since the one before.
            stops_s.append(last / fps)
    return stops_s


def _tops(curve: np.ndarray, fps: float, least: float) -> list[int]:
    """Highest points of the events that may be the one: all that come near the strongest."""
    rest = np.array(curve, dtype=np.float64)
    tops: list[int] = []
    reach = round(0.3 * fps)
    while len(rest):
        top = int(rest.argmax())
        if rest[top] < least or (tops and rest[top] < RIVAL * curve[tops[0]]):
            break
        tops.append(top)
        rest[max(0, top - reach) : top + reach + 1] = -np.inf
    return tops


def _short_runs(mask: np.ndarray, fps: float) -> list[tuple[int, int]]:
    """(first, one past the last) of the runs that last no longer than SHORT_S."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(int)))
    runs = zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
    return [(first, last) for first, last in runs if (last - first) / fps <= SHORT_S]


def _middle(curve: np.ndarray, run: tuple[int, int]) -> float:
    """Centre of gravity of a run, in frames from the start; frame k reaches from k to k + 1."""
    first, last = run
    weights = curve[first:last].astype(np.float64)
    return float((np.arange(first, last) + 0.5) @ weights / weights.sum())
