"""Things heard as they move, shine or burst: bows, saws, flashes, shots, engines, a knocked camera."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from models.data import noises
from models.data.noises import RATE, Rng
from models.sync.compact.acts import Act, Stage, any_colour, at_samples, laid, lasting, played, skin, takes
from models.sync.compact.drawing import Part
from models.sync.compact.motions import (
    LEAD_S,
    beats,
    jerk,
    missed,
    moments,
    ring,
    smooth,
    strengths,
    times,
    wander,
)


def _back_and_forth(rng: Rng, stage: Stage, pace_s: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """A place that goes to and fro with rests, (T,) from -1 to 1, and the times at which it turns."""
    clock = stage.clock
    mean_s = rng.uniform(*pace_s)
    count = int((clock.end_s + 2 * LEAD_S + 2) / (0.4 * mean_s))
    gaps_s = np.maximum(0.4 * mean_s, mean_s * (1 + rng.uniform(0, 0.6) * rng.normal(size=count)))
    turned_s = np.cumsum(gaps_s) - LEAD_S - 1
    ends = np.where(np.arange(count) % 2, 1.0, -1.0) * rng.uniform(0.3, 1, count)
    rests = rng.random(count) < rng.uniform(0, 0.25)
    ends[1:] = np.where(rests[1:], ends[:-1], ends[1:])
    index = np.clip(np.searchsorted(turned_s, clock.frame_s, side="right") - 1, 0, count - 2)
    share = np.clip((clock.frame_s - turned_s[index]) / (turned_s[index + 1] - turned_s[index]), 0, 1)
    sharp = rng.uniform(0.5, 1.0)
    eased = sharp * (1 - np.cos(np.pi * share)) / 2 + (1 - sharp) * share
    return ends[index] + (ends[index + 1] - ends[index]) * eased, turned_s


def bow(rng: Rng, stage: Stage) -> Act:
    """A bow over strings: a note each stroke, as loud as the bow is fast."""
    clock, at_s = stage.clock, stage.clock.frame_s
    place, turned_s = _back_and_forth(rng, stage, (0.3, 1.2))
    speed = np.abs(np.gradient(place, at_s))
    loud = at_samples(clock, smooth(speed / (speed.max() + 1e-9), 1.0) ** rng.uniform(0.3, 0.8))
    samples = np.zeros(clock.sample_count, np.float32)
    base = stage.bank.blow(rng, "bowed")
    for start_s, stop_s in pairwise(turned_s):
        note = played(rng, base, pitch=2 ** (rng.choice([-5, -3, 0, 2, 4, 5, 7]) / 12), longest_s=8)
        count = int((stop_s - start_s + 0.04) * RATE)
        tone = np.resize(note.samples[note.onset :][: max(RATE // 2, 1)], count) * np.minimum(
            1, np.arange(count) / 400
        )
        first = round(start_s * RATE)
        low, high = max(0, first), min(len(samples), first + count)
        if low < high:
            samples[low:high] += tone[low - first : high - first].astype(np.float32)
    lean = rng.uniform(-0.6, 0.6)
    reach = rng.uniform(0.15, 0.4)
    x, y = reach * place * np.cos(lean), reach * place * np.sin(lean)
    sway = wander(rng, at_s, rng.uniform(0, 0.04), 1.5)
    tone_ = skin(rng)
    parts = [
        stage.part(rng, "blob", sway, 0.15, rng.uniform(0.4, 0.8), rng.uniform(0.6, 1.0)),
        stage.part(rng, "bar", sway, -0.3, 0.08, 0.7),
        stage.part(rng, "bar", sway + x, y, rng.uniform(0.7, 1.3), 0.025, lean),
        stage.part(
            rng, "ellipse", sway + x + 0.5 * np.cos(lean), y + 0.5 * np.sin(lean), 0.16, 0.14, colour=tone_
        ),
        stage.part(
            rng,
            "bar",
            sway + x * 0.8 + 0.7,
            y * 0.8 - 0.05 + 0.5 * np.sin(lean),
            0.5,
            0.13,
            0.5 + 0.3 * place,
        ),
    ]
    if rng.random() < 0.4:
        parts.append(stage.part(rng, "ellipse", 0.5 * sway, -0.5, 0.28, 0.36, colour=tone_))
    return Act(parts, (samples * loud).astype(np.float32))


def rub(rng: Rng, stage: Stage) -> Act:
    """Sawing, scrubbing, sweeping, swinging: a noise as loud as something is fast."""
    clock, at_s = stage.clock, stage.clock.frame_s
    place, _ = _back_and_forth(rng, stage, (0.15, 0.9))
    speed = np.abs(np.gradient(place, at_s))
    loud = at_samples(clock, speed / (speed.max() + 1e-9)) ** rng.uniform(0.7, 2)
    low_hz = rng.uniform(150, 2500)
    rough = (
        noises.coloured(rng, clock.sample_count, low_hz=low_hz, high_hz=low_hz * rng.uniform(2, 6), tilt=0.3)
        / 3
        if rng.random() < 0.6
        else lasting(rng, stage.bank, clock.sample_count, "whoosh", "creak", "burning", "splash")
    )
    lean, reach = rng.uniform(-np.pi, np.pi), rng.uniform(0.1, 0.5)
    swings = rng.random() < 0.5
    turned = rng.uniform(0.3, 1.2) * place if swings else 0.0 * place
    length = rng.uniform(0.4, 1.0)
    if swings:
        x, y = length / 2 * np.sin(turned), length / 2 * np.cos(turned) - 0.4
        angle = np.pi / 2 - turned
    else:
        x, y, angle = reach * place * np.cos(lean), reach * place * np.sin(lean), lean + 0 * place
    parts = [
        stage.part(rng, str(rng.choice(["bar", "box", "blob"])), x, y, length, rng.uniform(0.06, 0.3), angle)
    ]
    if rng.random() < 0.6:
        parts.append(stage.part(rng, "ellipse", 1.4 * x, 1.4 * y, 0.2, 0.2, angle, colour=skin(rng)))
    if rng.random() < 0.5:
        parts.insert(0, stage.part(rng, "box", 0, 0.3, 1.0, 0.4))
    return Act(parts, (rough * loud).astype(np.float32))


def flash(rng: Rng, stage: Stage) -> Act:
    """Lamps, screens and lightning: light that comes with a click, a buzz or a crack."""
    clock, at_s = stage.clock, stage.clock.frame_s
    on_s = times(rng, clock, 0.25)
    gaps_s = np.diff(on_s, append=on_s[-1] + 1)
    off_s = on_s + np.minimum(rng.uniform(0.06, 0.9), gaps_s * 0.7)
    lit = ((at_s[:, None] >= on_s) & (at_s[:, None] < off_s)).any(1)
    if rng.random() < 0.5:
        moments_s = np.arange(clock.sample_count) / RATE
        after = np.searchsorted(on_s, moments_s, side="right") - 1
        sounding = (after >= 0) & (moments_s < off_s[np.maximum(after, 0)])
        soft = np.convolve(sounding, np.ones(80) / 80, mode="full")[: clock.sample_count]
        samples = 0.5 * noises.hum(rng, clock.sample_count) * soft
    else:
        samples = laid(
            rng,
            clock,
            takes(rng, stage.bank, "key", "bang", "plucked", "metal"),
            on_s,
            strengths(rng, len(on_s)),
        )
    size = rng.uniform(0.1, 0.6)
    shape = str(rng.choice(["ellipse", "box", "blob"]))
    dim, bright = any_colour(rng) * 0.4, 255 - 0.4 * any_colour(rng)
    parts = [
        stage.part(rng, shape, 0, 0, size, size * 0.8, colour=dim),
        stage.part(rng, shape, 0, 0, size, size * 0.8, colour=bright, seen=1.0 * lit),
        stage.part(rng, "glow", 0, 0, 3 * size, 3 * size, colour=0.6 * bright, seen=1.0 * lit, glows=True),
    ]
    light = 1 + rng.uniform(0, 0.5) * lit
    return Act(parts, samples.astype(np.float32), on_s, light=light)


def shot(rng: Rng, stage: Stage) -> Act:
    """Shots and explosions: a flash, a thing that is thrown back, smoke that drifts away, a jolt."""
    clock, at_s = stage.clock, stage.clock.frame_s
    shot_s = times(rng, clock, 0.3)
    strength = strengths(rng, len(shot_s))
    samples = laid(rng, clock, takes(rng, stage.bank, "bang", "drum", "snare"), shot_s, strength)
    back = jerk(at_s, shot_s, strength, rise_s=rng.uniform(0.03, 0.08), fall_s=rng.uniform(0.08, 0.3))
    burning = jerk(at_s, shot_s - 0.002, np.ones(len(shot_s)), rise_s=0.004, fall_s=rng.uniform(0.02, 0.08))
    last = np.clip(np.searchsorted(shot_s, at_s, side="right") - 1, 0, len(shot_s) - 1)
    age_s = np.clip(at_s - shot_s[last], 0, None)
    length, thick = rng.uniform(0.4, 0.9), rng.uniform(0.05, 0.16)
    kick, climb = rng.uniform(0.02, 0.12), rng.uniform(0, 0.25)
    sway = wander(rng, at_s, rng.uniform(0, 0.04), 1.2)
    x, y = -kick * back, sway
    parts: list[Part] = []
    if rng.random() < 0.7:
        parts.append(stage.part(rng, "bar", x, y, length, thick, -climb * back))
        parts.append(stage.part(rng, "ellipse", x - length / 2, y + 0.05, 0.18, 0.2, colour=skin(rng)))
        parts.append(stage.part(rng, "bar", 0.7 * x - length / 2 - 0.25, y + 0.2, 0.6, 0.2, -0.5))
    muzzle = length / 2
    if rng.random() < 0.8:
        size = rng.uniform(0.15, 0.7)
        warm = np.array([255, 220, 140.0])
        parts.append(
            stage.part(rng, "glow", x + muzzle, y, size, size, colour=warm, seen=burning, glows=True)
        )
    thick_smoke = rng.uniform(0, 0.7)
    for _ in range(int(rng.integers(0, 4))):
        go_x, go_y = rng.normal(0.25, 0.2), rng.normal(-0.15, 0.1)
        seen = thick_smoke * np.exp(-age_s / rng.uniform(0.3, 1.0)) * (at_s > shot_s[0])
        size = 0.1 + rng.uniform(0.2, 0.7) * (1 - np.exp(-3 * age_s))
        parts.append(
            stage.part(
                rng,
                "blob",
                muzzle + go_x * age_s,
                y + go_y * age_s,
                size,
                size,
                colour=np.full(3, rng.uniform(90, 220)),
                seen=seen,
            )
        )
    quake = rng.uniform(0, 0.02) * ring(
        at_s, shot_s, strength, hz=rng.uniform(5, 11), decay_s=rng.uniform(0.08, 0.3)
    )
    light = 1 + rng.uniform(0, 0.6) * burning
    return Act(parts, samples, shot_s, shake=np.stack([0.5 * quake, quake], 1), light=light)


def firework(rng: Rng, stage: Stage) -> Act:
    """Sparks that burst out and sink, in the dark or not, with a bang as they do."""
    clock, at_s = stage.clock, stage.clock.frame_s
    burst_s = moments(rng, clock, 0.5, rng.uniform(0.8, 2))
    strength = strengths(rng, len(burst_s))
    samples = laid(rng, clock, takes(rng, stage.bank, "bang", "cymbal", "drum"), burst_s, strength)
    last = np.clip(np.searchsorted(burst_s, at_s, side="right") - 1, 0, len(burst_s) - 1)
    age_s = np.where(at_s >= burst_s[0], at_s - burst_s[last], 9)
    places = rng.uniform(-0.35, 0.35, (len(burst_s), 2))
    x, y = places[last].T
    life_s = rng.uniform(0.3, 0.9)
    parts = []
    for _ in range(int(rng.integers(8, 16))):
        turn, reach = rng.uniform(0, 2 * np.pi), rng.uniform(0.15, 0.4)
        out = reach * (1 - np.exp(-age_s / 0.2))
        size = rng.uniform(0.03, 0.09)
        parts.append(
            stage.part(
                rng,
                "glow",
                x + out * np.cos(turn),
                y + out * np.sin(turn) + 0.1 * age_s**2,
                size,
                size,
                colour=255 - 0.5 * any_colour(rng),
                seen=np.clip(1.4 - age_s / life_s, 0, 1),
                glows=True,
            )
        )
    light = 1 + rng.uniform(0, 0.4) * np.exp(-age_s / 0.08)
    return Act(parts, samples, burst_s, light=light)


def motor(rng: Rng, stage: Stage) -> Act:
    """An engine or a machine that is revved: it shakes and turns faster as it gets louder."""
    clock, at_s = stage.clock, stage.clock.frame_s
    knots_s = np.arange(-LEAD_S, clock.end_s + LEAD_S, rng.uniform(0.3, 1.5))
    revs = rng.uniform(0.1, 1, len(knots_s)) ** rng.uniform(1, 2)
    speed = np.interp(at_s, knots_s, revs)
    speed = smooth(speed, 2)
    sound = lasting(rng, stage.bank, clock.sample_count, "motor", "burning") + 0.3 * noises.hum(
        rng, clock.sample_count
    )
    samples = (sound * at_samples(clock, speed) ** rng.uniform(0.8, 1.5)).astype(np.float32)
    shaken = rng.uniform(0.004, 0.03) * speed
    x, y = shaken * rng.normal(size=len(at_s)), shaken * rng.normal(size=len(at_s))
    parts = [
        stage.part(
            rng, str(rng.choice(["box", "blob", "bar"])), x, y, rng.uniform(0.5, 1.2), rng.uniform(0.3, 0.7)
        )
    ]
    if rng.random() < 0.6:
        turned = np.cumsum(speed) * rng.uniform(0.1, 0.9)
        for arm in range(int(rng.integers(1, 4))):
            parts.append(stage.part(rng, "bar", x, y, rng.uniform(0.3, 0.5), 0.06, turned + arm * np.pi / 3))
    return Act(parts, samples)


def knocked(rng: Rng, stage: Stage) -> Act:
    """A camera in a hand: each time it is knocked or set down, it is heard and everything jumps."""
    clock, at_s = stage.clock, stage.clock.frame_s
    knocked_s = moments(rng, clock, 0.4, rng.uniform(0.9, 2.5))
    strength = strengths(rng, len(knocked_s))
    samples = laid(rng, clock, takes(rng, stage.bank, "drum", "stone", "wood", "step"), knocked_s, strength)
    reach, hz, rest_s = rng.uniform(0.01, 0.06), rng.uniform(3, 9), rng.uniform(0.06, 0.25)
    up = ring(at_s, knocked_s, strength * rng.choice([-1, 1], len(knocked_s)), hz=hz, decay_s=rest_s)
    side = ring(at_s, knocked_s, strength * rng.choice([-1, 1], len(knocked_s)), hz=0.8 * hz, decay_s=rest_s)
    return Act([], samples, knocked_s, shake=reach * np.stack([side, up], 1))


def conduct(rng: Rng, stage: Stage) -> Act:
    """Somebody who dances, nods or plays on a beat: each beat is heard, and moves swing through it."""
    clock, at_s = stage.clock, stage.clock.frame_s
    beat_s = beats(rng, clock, 0.25)
    strength = strengths(rng, len(beat_s))
    down = jerk(
        at_s,
        beat_s - rng.uniform(0.0, 0.05),
        strength,
        rise_s=rng.uniform(0.05, 0.1),
        fall_s=rng.uniform(0.08, 0.25),
    )
    gains = missed(rng, beat_s, strength)
    sound = takes(rng, stage.bank, "drum", "snare", "plucked", "blown", "piano")
    samples = laid(rng, clock, sound, beat_s, gains)
    parts = []
    for _ in range(int(rng.integers(1, 5))):
        x, y = rng.uniform(-0.4, 0.4, 2)
        own, way = wander(rng, at_s, rng.uniform(0, 0.08), rng.uniform(0.5, 2)), rng.uniform(0, 2 * np.pi)
        reach = rng.uniform(0.03, 0.15)
        wide, tall = rng.uniform(0.1, 0.5, 2)
        shape = str(rng.choice(["ellipse", "bar", "blob"]))
        parts.append(
            stage.part(
                rng,
                shape,
                x + own + reach * np.cos(way) * down,
                y + reach * np.sin(way) * down,
                wide,
                tall,
                rng.uniform(-1, 1) + rng.uniform(-0.4, 0.4) * down,
            )
        )
    return Act(parts, samples, beat_s[gains > 0])
