"""Things with a voice: faces that speak, sing and cry, animals that bark, bodies that move as they sound."""

from __future__ import annotations

import numpy as np

from models.data.noises import RATE, Rng
from models.sync.compact import calls
from models.sync.compact.acts import Act, Stage, any_colour, laid, lasting, lay, played, skin
from models.sync.compact.drawing import Part
from models.sync.compact.material import MOUTH_RATE, Blow
from models.sync.compact.motions import (
    LEAD_S,
    bursts,
    envelope,
    jerk,
    missed,
    moments,
    smooth,
    strengths,
    wander,
)


def speak(rng: Rng, stage: Stage) -> Act:
    """A face that says sentences, with pauses between them."""
    samples, opened, rounded = _talk(rng, stage)
    return Act(_face(rng, stage, opened, rounded), samples)


def speak_unseen(rng: Rng, stage: Stage) -> np.ndarray:
    """Sentences by somebody who isn't in the picture. Shape: float32 (N,)."""
    return _talk(rng, stage)[0]


def _talk(rng: Rng, stage: Stage) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Speech, and how open and how round the mouth is in each frame."""
    clock = stage.clock
    samples = np.zeros(clock.sample_count, np.float32)
    count = int((clock.end_s + 2 * LEAD_S + 10) * MOUTH_RATE)
    opened, rounded = np.full(count, 0.03), np.full(count, 0.2)
    now_s = -LEAD_S - rng.uniform(0, 2)
    pitch = np.exp(rng.uniform(-0.2, 0.25))
    while now_s < clock.end_s + LEAD_S:
        said = stage.bank.said[rng.integers(len(stage.bank.said))]
        sound = played(rng, Blow(said.samples, 0), pitch=pitch, longest_s=20)
        start = round(now_s * RATE)
        first, last = max(0, start), min(len(samples), start + len(sound.samples))
        if first < last:
            samples[first:last] += sound.samples[first - start : last - start]
        at = round((now_s + LEAD_S + 2) * MOUTH_RATE)
        length = int(len(said.opened) / pitch)
        places = np.arange(length) * pitch
        for held, curve in ((opened, said.opened), (rounded, said.rounded)):
            held[max(0, at) : at + length] = np.interp(places, np.arange(len(curve)), curve)[max(0, -at) :][
                : count - max(0, at)
            ]
        now_s += len(sound.samples) / RATE + rng.choice([rng.uniform(0.05, 0.4), rng.uniform(0.4, 1.8)])
    # The jaw is slower than the tongue and sets out before the sound is made.
    ahead_s = rng.uniform(0.0, 0.05)
    at_s = np.arange(count) / MOUTH_RATE - LEAD_S - 2 - ahead_s
    slow = rng.uniform(2.0, 4.5)
    return (
        samples,
        np.interp(stage.clock.frame_s, at_s, smooth(opened, slow)),
        np.interp(stage.clock.frame_s, at_s, smooth(rounded, 2 * slow)),
    )


def _face(rng: Rng, stage: Stage, opened: np.ndarray, rounded: np.ndarray) -> list[Part]:
    """A head of some look whose mouth and jaw follow, that sways, nods and blinks."""
    at_s = stage.clock.frame_s
    tone, hair, shirt = skin(rng), rng.uniform(0, 120, 3) * rng.uniform(0.2, 1), any_colour(rng)
    if rng.random() < 0.15:
        tone = any_colour(rng)  # drawn films and puppets
    wide, tall = rng.uniform(0.5, 0.7), rng.uniform(0.75, 0.95)
    sway = rng.uniform(0, 0.05)
    x = wander(rng, at_s, sway, rng.uniform(0.6, 2.5))
    y = wander(rng, at_s, sway, rng.uniform(0.5, 2.0)) + rng.uniform(0, 0.02) * smooth(opened, 2)
    tilt = wander(rng, at_s, rng.uniform(0, 0.12), rng.uniform(0.8, 2.5))
    jaw = rng.uniform(0.03, 0.12) * opened
    look = wander(rng, at_s, rng.uniform(0, 0.08), 2.0)  # the head turns: features shift

    def on(part_x, part_y, wide, tall, *, shape: str, colour: np.ndarray, seen=1.0) -> Part:
        """A part of the head, that turns with it."""
        px, py = part_x + look, part_y
        return stage.part(
            rng,
            shape,
            x + px * np.cos(tilt) - py * np.sin(tilt),
            y + px * np.sin(tilt) + py * np.cos(tilt),
            wide,
            tall,
            tilt,
            colour=colour,
            seen=seen,
        )

    parts = (
        [stage.part(rng, "ellipse", 0.5 * x, 0.75, rng.uniform(1.1, 1.7), 0.7, colour=shirt)]
        if rng.random() < 0.8
        else []
    )
    if rng.random() < 0.8:
        parts.append(on(-look, -0.1, wide * 1.2, tall * rng.uniform(0.9, 1.2), shape="ellipse", colour=hair))
    parts.append(on(-look, 0.2 * tall + jaw, wide * 0.8, tall * 0.55, shape="ellipse", colour=tone * 0.97))
    parts.append(on(-0.5 * look, -0.03, wide, tall * 0.9, shape="ellipse", colour=tone))
    blink_s = moments(rng, stage.clock, 1.0, 3.0)
    lids = 1 - jerk(at_s, blink_s, np.ones(len(blink_s)), rise_s=0.06, fall_s=0.06)
    dark = rng.uniform(0, 90, 3)
    for side in (-1, 1):
        eye_x = side * 0.2 * wide / 0.6
        if rng.random() < 0.7:
            parts.append(
                on(eye_x, -0.12, 0.13, 0.075 * lids + 0.005, shape="ellipse", colour=np.full(3, 225.0))
            )
        parts.append(on(eye_x, -0.12, 0.06, 0.065 * lids + 0.004, shape="ellipse", colour=dark))
        brow = rng.uniform(0, 0.02) * smooth(opened, 8)
        parts.append(on(eye_x, -0.21 - brow, 0.16, 0.025, shape="bar", colour=hair))
    if rng.random() < 0.2:
        for side in (-1, 1):
            parts.append(on(side * 0.2, -0.12, 0.2, 0.18, shape="ring", colour=dark))
    parts.append(on(0.0, 0.02, 0.09, 0.17, shape="ellipse", colour=tone * 0.88))
    mouth_wide = wide * rng.uniform(0.32, 0.5) * (1.1 - 0.45 * rounded - 0.1 * opened)
    gap = rng.uniform(0.08, 0.22) * opened
    lips = tone * np.array([0.95, 0.6, 0.6])
    mouth_y = 0.24 + gap / 2
    parts.append(on(0.0, mouth_y, mouth_wide, gap + rng.uniform(0.03, 0.07), shape="ellipse", colour=lips))
    parts.append(
        on(0.0, mouth_y, mouth_wide * 0.8, gap + 0.006, shape="ellipse", colour=rng.uniform(10, 70, 3))
    )
    if rng.random() < 0.5:
        parts.append(
            on(
                0.0,
                mouth_y - gap * 0.35,
                mouth_wide * 0.55,
                np.minimum(0.035, 0.4 * gap),
                shape="bar",
                colour=np.full(3, 230.0),
            )
        )
    if rng.random() < 0.2:
        parts.append(on(0.0, 0.36 + jaw, wide * 0.7, 0.2, shape="ellipse", colour=hair))
    return parts


def sing(rng: Rng, stage: Stage) -> Act:
    """A face that sings, cries or laughs: long sounds, each with its mouth open as far as it is loud."""
    clock = stage.clock
    kind = rng.integers(3)
    begun_s = bursts(rng, clock, 0.16) if kind == 0 else moments(rng, clock, 0.25, rng.uniform(0.5, 1.6))
    gains = strengths(rng, len(begun_s))
    if kind < 2:
        voices = calls.laugh(rng) if kind == 0 else calls.cry(rng)
        samples = laid(rng, clock, voices, begun_s, gains)
    else:
        samples = _notes(rng, stage, begun_s, gains)
    opened = _loudness(stage, samples, rng.uniform(2, 5))
    rounded = np.full(len(opened), rng.uniform(0, 0.8))
    return Act(_face(rng, stage, opened, rounded), samples)


def _notes(rng: Rng, stage: Stage, begun_s: np.ndarray, gains: np.ndarray) -> np.ndarray:
    """A melody of one voice or instrument."""
    gaps_s = np.diff(begun_s, append=begun_s[-1] + 1)
    lengths_s = np.minimum(rng.uniform(0.15, 1.4, len(begun_s)), gaps_s * rng.uniform(0.6, 1.0))
    base = stage.bank.blow(rng, "sung", "sung", "animal", "blown")
    samples = np.zeros(stage.clock.sample_count, np.float32)
    for start_s, length_s, gain in zip(begun_s, lengths_s, gains, strict=True):
        pitch = 2 ** (rng.normal(0, 3) / 12)
        note = played(rng, base, pitch=pitch, longest_s=length_s + base.onset / RATE / pitch + 0.05)
        lay(samples, _swelled(rng, note), start_s, gain)
    return samples


def gesture(rng: Rng, stage: Stage) -> Act:
    """Somebody who speaks with arms and head, seen from further off: moves fall on what is stressed."""
    at_s = stage.clock.frame_s
    samples, opened, rounded = _talk(rng, stage)
    loud = _loudness(stage, samples, rng.uniform(6, 14))
    stress = np.clip(loud - smooth(loud, 20), 0, None)
    stress = stress / (stress.max() + 1e-9)
    body = wander(rng, at_s, rng.uniform(0, 0.06), rng.uniform(1, 3))
    suit, tone = any_colour(rng), skin(rng)
    parts = [stage.part(rng, "bar", body, 0.35, 0.45, 0.8, colour=suit)]
    for side in (-1, 1):
        lively = rng.uniform(0, 0.9)
        lift = wander(rng, at_s, 0.4 * lively, rng.uniform(0.8, 2)) + lively * smooth(stress, 1.5)
        elbow_x, elbow_y = body + side * 0.32, 0.35 + 0 * at_s
        hand_x, hand_y = elbow_x - side * 0.22 * np.sin(lift), elbow_y - 0.3 * np.sin(0.3 + lift)
        along = np.arctan2(hand_y - elbow_y, hand_x - elbow_x)
        parts.append(stage.part(rng, "bar", body + side * 0.27, 0.17, 0.12, 0.4, colour=suit))
        middle_x, middle_y = (elbow_x + hand_x) / 2, (elbow_y + hand_y) / 2
        parts.append(stage.part(rng, "bar", middle_x, middle_y, 0.34, 0.1, along, colour=suit))
        parts.append(stage.part(rng, "ellipse", hand_x, hand_y, 0.11, 0.11, colour=tone))
    nod = rng.uniform(0, 0.04) * stress
    head = [part.moved(0.38, body, -0.22 + nod) for part in _face(rng, stage, opened, rounded)]
    return Act([*parts, *head], samples)


def _swelled(rng: Rng, note: Blow) -> Blow:
    """A sound that fades in round its onset and fades out; what comes long before its onset is cut."""
    rise = min(len(note.samples) - note.onset, int(rng.uniform(0.01, 0.12) * RATE))
    first = max(0, note.onset - rise // 2)
    samples = note.samples[first:].copy()
    fall = min(len(samples), int(rng.uniform(0.03, 0.2) * RATE))
    samples[:rise] *= np.linspace(0, 1, rise, dtype=np.float32)
    samples[len(samples) - fall :] *= np.linspace(1, 0, fall, dtype=np.float32)
    return Blow(samples, note.onset - first)


def _loudness(stage: Stage, samples: np.ndarray, slow: float) -> np.ndarray:
    """How loud it is in each frame, 0 to 1, as a mouth or a body would follow. Shape: (T,)."""
    level = smooth(envelope(samples), slow) ** 0.7
    at_s = (np.arange(len(level)) + 0.5) / 100
    return np.interp(stage.clock.frame_s, at_s, level / (level.max() + 1e-9))


def bark(rng: Rng, stage: Stage) -> Act:
    """An animal that calls: with each call its head jerks, its mouth opens, its body jolts."""
    clock, at_s = stage.clock, stage.clock.frame_s
    called_s = bursts(rng, clock, 0.22)
    strength = strengths(rng, len(called_s))
    if rng.random() < 0.6:
        voices = calls.bark(rng)
    else:
        call = stage.bank.blow(rng, "bark", "animal")
        pitch = np.exp(rng.uniform(-0.3, 0.3))
        longest_s = rng.uniform(0.15, 0.6) + call.onset / RATE / pitch
        voices = [_swelled(rng, played(rng, call, pitch=pitch, longest_s=longest_s))]
    gains = missed(rng, called_s, strength)
    samples = laid(rng, clock, voices, called_s, gains)
    # It gathers itself shortly before, and throws itself forward as it sounds.
    early_s = rng.uniform(0.0, 0.06)
    thrown = jerk(
        at_s, called_s - early_s, strength, rise_s=rng.uniform(0.05, 0.12), fall_s=rng.uniform(0.06, 0.2)
    )
    opened = jerk(
        at_s, called_s - early_s, strength, rise_s=rng.uniform(0.05, 0.09), fall_s=rng.uniform(0.06, 0.15)
    )
    way = rng.uniform(-0.5, 1.2)
    reach, nod = rng.uniform(0.03, 0.18), rng.uniform(0, 0.5)
    sway = rng.uniform(0, 0.06)
    body_x = wander(rng, at_s, sway, rng.uniform(0.6, 2)) + 0.4 * reach * np.cos(way) * thrown
    body_y = 0.1 - 0.3 * reach * np.sin(way) * thrown
    head_x, head_y = body_x + 0.35 + reach * np.cos(way) * thrown, body_y - 0.3 - reach * np.sin(way) * thrown
    head_y = head_y + wander(rng, at_s, sway, rng.uniform(0.5, 1.5))
    angle = -nod * thrown + wander(rng, at_s, 0.1, 1.0)
    fur, dark = any_colour(rng), rng.uniform(0, 60, 3)
    jaw = rng.uniform(0.2, 0.6) * opened

    def on(px: float, py: float, wide, tall, *, shape: str, colour: np.ndarray, turn=0.0) -> Part:
        """A part of the head."""
        return stage.part(
            rng,
            shape,
            head_x + px * np.cos(angle) - py * np.sin(angle),
            head_y + px * np.sin(angle) + py * np.cos(angle),
            wide,
            tall,
            angle + turn,
            colour=colour,
        )

    parts = []
    if rng.random() < 0.8:
        parts.append(
            stage.part(rng, "blob", body_x, body_y, rng.uniform(0.6, 0.9), rng.uniform(0.35, 0.6), colour=fur)
        )
        wag = rng.uniform(0, 0.6) * np.sin(2 * np.pi * rng.uniform(1, 5) * at_s)
        parts.append(stage.part(rng, "bar", body_x - 0.42, body_y - 0.18, 0.3, 0.07, 0.8 + wag, colour=fur))
        for leg in (-0.25, -0.1, 0.15, 0.28):
            parts.append(stage.part(rng, "bar", 0.7 * body_x + leg, 0.42, 0.09, 0.4, colour=fur * 0.9))
    parts.append(on(0.18, 0.1, 0.26, 0.09, shape="bar", colour=fur * 0.8, turn=jaw))
    parts.append(on(0.14, 0.05, 0.2, 0.02 + 0.12 * opened, shape="ellipse", colour=np.array([120.0, 30, 40])))
    parts.append(on(0.0, 0.0, 0.36, 0.32, shape="ellipse", colour=fur))
    parts.append(on(0.2, 0.02, 0.28, 0.13, shape="bar", colour=fur * 1.05, turn=-0.5 * jaw))
    parts.append(on(0.33, -0.01, 0.06, 0.05, shape="ellipse", colour=dark))
    parts.append(on(0.06, -0.06, 0.05, 0.05, shape="ellipse", colour=dark))
    flap = rng.uniform(0, 0.6) * thrown
    parts.append(on(-0.1, -0.12, 0.12, 0.26, shape="ellipse", colour=fur * 0.7, turn=0.4 + flap))
    return Act(parts, samples, called_s[gains > 0])


def stir(rng: Rng, stage: Stage) -> Act:
    """Something of no particular kind, one piece or several, that moves as its sound is loud."""
    clock, at_s = stage.clock, stage.clock.frame_s
    if rng.random() < 0.5:
        samples, _, _ = _talk(rng, stage)
    else:
        sound = lasting(rng, stage.bank, clock.sample_count, "animal", "whoosh", "music", "blown", "bark")
        knots = np.arange(-1.0, clock.end_s + 2, rng.uniform(0.25, 1.0))
        level = rng.uniform(0, 1, len(knots)) ** 2 * (rng.random(len(knots)) < 0.7)
        samples = sound * np.interp(np.arange(clock.sample_count) / RATE, knots, level).astype(np.float32)
    loud = _loudness(stage, samples, rng.uniform(2, 7))
    parts = []
    for _ in range(int(rng.integers(1, 4))):
        way, reach = rng.uniform(0, 2 * np.pi), rng.uniform(0.02, 0.2)
        x, y = rng.uniform(-0.3, 0.3, 2)
        own = wander(rng, at_s, rng.uniform(0, 0.06), rng.uniform(0.6, 2))
        wide, tall = rng.uniform(0.15, 0.7, 2)
        grown = 1 + rng.uniform(-0.3, 0.5) * loud
        shape = str(rng.choice(["ellipse", "box", "bar", "blob"]))
        parts.append(
            stage.part(
                rng,
                shape,
                x + own + reach * np.cos(way) * loud,
                y + reach * np.sin(way) * loud,
                wide * grown,
                tall * grown,
                rng.uniform(-1, 1) + rng.uniform(-0.5, 0.5) * loud,
            )
        )
    return Act(parts, samples)
