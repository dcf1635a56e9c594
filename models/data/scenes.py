"""Scenes to learn sync from, drawn and sounded from a seed.

What strikes, speaks, flashes and swings in them is heard as it is seen. In: a seed and a `Recipe`. Out: a
`Scene`: frames uint8 (T, S, S, 3) at 25 a second and float32 samples at 16 kHz from the same moment, in step.
Among them move things that make no sound, and sound things that are not seen; the camera shakes and cuts.
Doesn't know windows, offsets or networks (`offsets` cuts windows). Not a likeness of the world: flat shapes
over noise textures, for a network to learn what "at the same time" means.

What happens runs from before a scene's start to after its end, so that nothing tells where a window was cut.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np

from models.data import noises
from models.data.codecs import through_codec
from models.data.noises import RATE, Rng

FPS = 25
"""Frames a second."""

LEAD_S = 2.5
"""What happens is drawn up from so long before the scene to so long after it."""


@dataclass(frozen=True)
class Recipe:
    """How hard scenes are. Pairs are drawn evenly between both ends, shares are probabilities."""

    length_s: float = 9.0
    """The published clips' length: windows of 5 s and offsets of ±2 s fit without padding."""
    side: int = 48
    """Pixels; the network gets a crop of them."""
    actors: tuple[int, int] = (1, 2)
    """How many seen and heard things."""
    kinds: tuple[str, ...] = ("bounce", "hammer", "mouth", "flash", "swing")
    silent_movers: tuple[int, int] = (0, 2)
    unseen_sounds: tuple[int, int] = (0, 2)
    unseen_level: tuple[float, float] = (0.05, 0.4)
    """Amplitude beside the actors' 1."""
    moving_camera: float = 0.4
    cuts: float = 0.3
    """Share of scenes with a cut or two."""
    bed_level: tuple[float, float] = (0.002, 0.08)
    sensor_noise: tuple[float, float] = (0.0, 8.0)
    """Standard deviation in 8-bit steps."""
    codec: float = 0.3
    """Share of scenes that go through a real encoder."""


EASY = Recipe(
    actors=(1, 1),
    silent_movers=(0, 0),
    unseen_sounds=(0, 0),
    moving_camera=0.0,
    cuts=0.0,
    bed_level=(0.001, 0.01),
    sensor_noise=(0.0, 3.0),
    codec=0.0,
)
"""One thing on a still background, nothing else to see or hear: where a curriculum starts."""

FULL = Recipe()


@dataclass(frozen=True)
class Scene:
    """Picture and sound of one rendered scene, in step."""

    frames: np.ndarray
    """uint8 (T, S, S, 3)."""
    samples: np.ndarray
    """float32 (N,) within [-1, 1]."""
    strikes_s: tuple[float, ...]
    """When something sharp is seen and heard at once, in seconds from the first frame."""


@dataclass(frozen=True)
class Clock:
    """The moments at which a scene is seen and heard."""

    frame_s: np.ndarray
    """(T,) the middle of each frame's exposure is taken as its time stamp."""
    sample_count: int

    @property
    def end_s(self) -> float:
        """The scene's length."""
        return self.sample_count / RATE


@dataclass(frozen=True)
class Shape:
    """An ellipse or a box over time; places and sizes in fractions of the picture's side. Arrays are (T,)."""

    x: np.ndarray
    y: np.ndarray
    rx: np.ndarray
    ry: np.ndarray
    colour: np.ndarray
    """(3,) or (T, 3), 0 to 255."""
    alpha: np.ndarray | float = 1.0
    angle: np.ndarray | None = None
    """Radians; None is upright."""
    box: bool = False


@dataclass(frozen=True)
class Act:
    """What one thing does: how it looks and how it sounds."""

    shapes: list[Shape]
    samples: np.ndarray
    strikes_s: np.ndarray = field(default_factory=lambda: np.zeros(0))


def render(seed: int, recipe: Recipe = FULL) -> Scene:
    """The scene of this seed: the same on every run."""
    rng = np.random.default_rng(seed)
    # Frames that are thrown away again: an encoder's key frames must not tell where the scene began.
    spare = int(rng.integers(0, 13))
    frame_count = round(recipe.length_s * FPS) + spare
    clock = Clock(np.arange(frame_count) / FPS, frame_count * RATE // FPS)
    acts = [_act(rng, clock, recipe.kinds) for _ in range(_between(rng, recipe.actors))]
    movers = [_silent(rng, clock) for _ in range(_between(rng, recipe.silent_movers))]
    shapes = [shape for act in rng.permutation(np.array([*acts, *movers], object)) for shape in act.shapes]
    frames = _picture(rng, clock, shapes, recipe)
    samples = _sound(rng, clock, [act.samples for act in acts], recipe)
    if rng.random() < recipe.codec:
        frames, samples = _encoded(rng, frames, samples)
    strikes_s = np.sort(np.concatenate([act.strikes_s for act in acts])) - spare / FPS
    seen = strikes_s[(strikes_s >= 0) & (strikes_s < recipe.length_s)]
    return Scene(frames[spare:], samples[spare * RATE // FPS :], tuple(float(time_s) for time_s in seen))


def easier(recipe: Recipe, share: float) -> Recipe:
    """A recipe part of the way (0 to 1) from `EASY` to this one, of the same size and kinds."""

    def grow(name: str) -> tuple[float, float]:
        (low_0, high_0), (low_1, high_1) = getattr(EASY, name), getattr(recipe, name)
        return (low_0 + share * (low_1 - low_0), high_0 + share * (high_1 - high_0))

    def whole(name: str) -> tuple[int, int]:
        low, high = grow(name)
        return round(low), round(high)

    return replace(
        recipe,
        actors=whole("actors"),
        silent_movers=whole("silent_movers"),
        unseen_sounds=whole("unseen_sounds"),
        moving_camera=share * recipe.moving_camera,
        cuts=share * recipe.cuts,
        bed_level=grow("bed_level"),
        sensor_noise=grow("sensor_noise"),
        codec=share * recipe.codec,
    )


# Things that are seen and heard


def _bounce(rng: Rng, clock: Clock) -> Act:
    """A ball under gravity (in any of four directions) that strikes a floor; thrown anew when still."""
    strikes_s, times_s, height = [], [-LEAD_S - rng.uniform(0, 1)], []
    while times_s[-1] < clock.end_s + LEAD_S:
        span_s, restitution = rng.uniform(0.35, 1.0), rng.uniform(0.6, 0.92)
        while span_s > 0.16:
            times_s.append(times_s[-1] + span_s)
            height.append(span_s**2)
            strikes_s.append(times_s[-1])
            span_s *= restitution * rng.uniform(0.9, 1.05)
        times_s.append(times_s[-1] + rng.uniform(0.05, 1.0))
        height.append(0.0)
    edges_s, peaks = np.array(times_s), np.array(height) * rng.uniform(0.5, 0.8)
    arc = np.searchsorted(edges_s, clock.frame_s, side="right") - 1
    share = (clock.frame_s - edges_s[arc]) / (edges_s[arc + 1] - edges_s[arc])
    radius = rng.uniform(0.05, 0.13)
    up = np.minimum(4 * peaks[arc] * share * (1 - share), 0.75)
    along = _wander(rng, clock.frame_s, 0.15, 0.85, pace_s=rng.uniform(1.5, 4))
    floor = rng.uniform(0.75, 0.92)
    x, y = _turned(rng, along, floor - radius - up)
    round_, box = np.full_like(x, radius), rng.random() < 0.3
    struck_s = np.array(strikes_s)
    speed = np.sqrt(np.interp(struck_s, edges_s[1:], peaks))
    gains = speed / speed.max() * rng.uniform(0.5, 1.0)
    sound = noises.lay(noises.impact(rng), struck_s, gains, clock.sample_count)
    return Act([Shape(x, y, round_, round_, _colour(rng), box=box)], sound, struck_s)


def _hammer(rng: Rng, clock: Clock) -> Act:
    """A bar that is raised slowly, turns down fast and strikes; at uneven times."""
    strikes_s = _moments(rng, clock, rng.uniform(0.3, 0.6), rng.uniform(0.6, 1.5))
    raised = rng.uniform(0.5, 1.2)
    fall_s = rng.uniform(0.08, 0.16)
    before_s = np.maximum(strikes_s - fall_s, np.concatenate([[strikes_s[0] - 1], strikes_s[:-1]]) + 0.05)
    knots_s = np.stack([before_s - 0.02, strikes_s, strikes_s + rng.uniform(0.02, 0.08)], 1).ravel()
    levels = np.tile([1.0, 0.0, 0.05], len(strikes_s)) * np.repeat(rng.uniform(0.6, 1.0, len(strikes_s)), 3)
    order = np.argsort(knots_s, kind="stable")
    angle = rng.uniform(-0.3, 0.3) - raised * np.interp(clock.frame_s, knots_s[order], levels[order])
    length, thick = rng.uniform(0.2, 0.35), rng.uniform(0.03, 0.06)
    if rng.random() < 0.5:
        angle, length = np.pi - angle, length  # strikes to the left
    hub_x, hub_y = rng.uniform(0.25, 0.75), rng.uniform(0.4, 0.8)
    x, y = hub_x + length * np.cos(angle), hub_y + length * np.sin(angle)
    even = np.ones_like(x)
    bar = Shape(x, y, even * length, even * thick, _colour(rng), angle=angle, box=True)
    head_x, head_y = hub_x + 2 * length * np.cos(angle), hub_y + 2 * length * np.sin(angle)
    head = Shape(head_x, head_y, even * thick * 2, even * thick * 2, _colour(rng), box=rng.random() < 0.5)
    gains = rng.uniform(0.5, 1.0) * rng.uniform(0.5, 1.0, len(strikes_s))
    sound = noises.lay(noises.impact(rng), strikes_s, gains, clock.sample_count)
    return Act([bar, head], sound, strikes_s)


def _mouth(rng: Rng, clock: Clock) -> Act:
    """A face whose mouth opens with each syllable; phrases with pauses between them."""
    starts_s, ends_s, now_s = [], [], -LEAD_S
    while now_s < clock.end_s + LEAD_S:
        for _ in range(rng.integers(2, 9)):
            length_s = rng.uniform(0.1, 0.32)
            starts_s.append(now_s)
            ends_s.append(now_s + length_s)
            now_s += length_s + rng.uniform(0.0, 0.08)
        now_s += rng.uniform(0.25, 1.3)
    starts, ends = np.array(starts_s), np.array(ends_s)
    gains = rng.uniform(0.3, 1.0, len(starts))
    inside = (clock.frame_s[:, None] - starts) / (ends - starts)
    opening = (gains * np.where((inside > 0) & (inside < 1), np.sin(np.pi * np.clip(inside, 0, 1)), 0)).max(1)
    size = rng.uniform(0.2, 0.38)
    x = _wander(rng, clock.frame_s, 0.35, 0.65, pace_s=3)
    y = _wander(rng, clock.frame_s, 0.4, 0.6, pace_s=3)
    even = np.ones_like(x)
    skin, dark = _colour(rng), rng.uniform(0, 70, 3)
    wide = rng.uniform(0.3, 0.5)
    lips = Shape(
        x, y + 0.45 * size, even * wide * size * (1 - 0.3 * opening), size * (0.03 + 0.38 * opening), dark
    )
    eyes = [
        Shape(x + side * 0.4 * size, y - 0.25 * size, even * 0.1 * size, even * 0.08 * size, dark)
        for side in (-1, 1)
    ]
    face = Shape(x, y, even * size * rng.uniform(0.7, 0.95), even * size, skin)
    return Act([face, *eyes, lips], 0.8 * noises.speech(rng, starts, ends, gains, clock.sample_count))


def _flash(rng: Rng, clock: Clock) -> Act:
    """A light that goes on and off, buzzing while it is on or clicking when it comes."""
    on_s = _moments(rng, clock, 0.25, rng.uniform(0.7, 1.6))
    gaps_s = np.diff(on_s, append=on_s[-1] + 1)
    off_s = on_s + np.minimum(rng.uniform(0.08, 0.7, len(on_s)), gaps_s * 0.7)
    lit = ((clock.frame_s[:, None] >= on_s) & (clock.frame_s[:, None] < off_s)).any(1)
    times_s = np.arange(clock.sample_count) / RATE
    if rng.random() < 0.6:
        after = np.searchsorted(on_s, times_s, side="right") - 1
        sounding = (after >= 0) & (times_s < off_s[np.maximum(after, 0)])
        soft = np.convolve(sounding, np.ones(80) / 80, mode="full")[: clock.sample_count]
        sound = 0.5 * noises.hum(rng, clock.sample_count) * soft.astype(np.float32)
    else:
        sound = noises.lay(noises.impact(rng), on_s, rng.uniform(0.4, 1.0, len(on_s)), clock.sample_count)
    dim, bright = rng.uniform(10, 90, 3), rng.uniform(180, 255, 3)
    colour = np.where(lit[:, None], bright, dim)
    even = np.ones_like(clock.frame_s)
    x, y, size = rng.uniform(0.2, 0.8), rng.uniform(0.2, 0.8), rng.uniform(0.06, 0.3)
    lamp = Shape(
        even * x, even * y, even * size, even * size * rng.uniform(0.6, 1), colour, box=rng.random() < 0.4
    )
    return Act([lamp], sound.astype(np.float32), on_s)


def _swing(rng: Rng, clock: Clock) -> Act:
    """Something that sweeps from place to place at uneven times, with a whoosh as loud as it is fast."""
    starts_s = _moments(rng, clock, 0.45, rng.uniform(0.8, 1.6))
    lengths_s = np.minimum(rng.uniform(0.18, 0.4, len(starts_s)), np.diff(starts_s, append=np.inf))
    places = rng.uniform(-1.0, 1.0, len(starts_s) + 1)
    places[1::2] += np.where(places[1::2] > 0, 0.5, -0.5)
    times_s = np.arange(clock.sample_count) / RATE
    gone = np.clip((clock.frame_s[:, None] - starts_s) / lengths_s, 0, 1)
    angle = places[0] + (np.diff(places) * (1 - np.cos(np.pi * gone)) / 2).sum(1)
    speed = np.zeros(clock.sample_count, np.float32)
    for start_s, length_s, turn in zip(starts_s, lengths_s, np.abs(np.diff(places)), strict=True):
        first, last = np.searchsorted(times_s, [start_s, start_s + length_s])
        share = np.linspace(0, np.pi, last - first)
        speed[first:last] = turn / length_s * np.sin(share)
    low_hz = rng.uniform(200, 1500)
    whoosh = noises.coloured(
        rng, clock.sample_count, low_hz=low_hz, high_hz=low_hz * rng.uniform(2, 5), tilt=0.3
    )
    sound = 0.4 * whoosh * (speed / (speed.max() + 1e-9)) ** 1.5
    turn_0, length = rng.uniform(0, 2 * np.pi), rng.uniform(0.25, 0.45)
    thick = rng.uniform(0.03, 0.08)
    hub_x, hub_y = rng.uniform(0.35, 0.65, 2)
    even = np.ones_like(angle)
    middle_x = hub_x + 0.5 * length * np.cos(angle + turn_0)
    middle_y = hub_y + 0.5 * length * np.sin(angle + turn_0)
    blade = Shape(
        middle_x,
        middle_y,
        even * length / 2,
        even * thick,
        _colour(rng),
        angle=angle + turn_0,
        box=rng.random() < 0.5,
    )
    return Act([blade], sound.astype(np.float32))


KINDS: dict[str, Callable[[Rng, Clock], Act]] = {
    "bounce": _bounce,
    "hammer": _hammer,
    "mouth": _mouth,
    "flash": _flash,
    "swing": _swing,
}


def _act(rng: Rng, clock: Clock, kinds: tuple[str, ...]) -> Act:
    return KINDS[kinds[rng.integers(len(kinds))]](rng, clock)


def _silent(rng: Rng, clock: Clock) -> Act:
    """Something that only moves."""
    x = _wander(rng, clock.frame_s, 0.05, 0.95, pace_s=rng.uniform(0.4, 2.5))
    y = _wander(rng, clock.frame_s, 0.05, 0.95, pace_s=rng.uniform(0.4, 2.5))
    even = np.ones_like(x)
    rx, ry = rng.uniform(0.03, 0.15, 2)
    return Act(
        [Shape(x, y, even * rx, even * ry, _colour(rng), box=rng.random() < 0.4)], np.zeros(0, np.float32)
    )


# Sound


def _sound(rng: Rng, clock: Clock, heard: list[np.ndarray], recipe: Recipe) -> np.ndarray:
    """All that is heard, at one of many loudnesses; float32 (N,)."""
    samples = np.sum(heard, axis=0) / max(1e-3, float(np.abs(np.sum(heard, axis=0)).max()))
    for _ in range(_between(rng, recipe.unseen_sounds)):
        samples = samples + rng.uniform(*recipe.unseen_level) * _unseen(rng, clock)
    samples = samples + rng.uniform(*recipe.bed_level) * noises.bed(rng, clock.sample_count)
    loudness = 10 ** (rng.uniform(-24, -1) / 20)
    return (samples / np.abs(samples).max() * loudness).astype(np.float32)


def _unseen(rng: Rng, clock: Clock) -> np.ndarray:
    """A sound whose source is out of the picture: strikes, a voice, or a lasting tone."""
    which = rng.integers(3)
    if which == 0:
        times_s = _moments(rng, clock, 0.2, rng.uniform(0.6, 2.0))
        return noises.lay(noises.impact(rng), times_s, rng.uniform(0.3, 1, len(times_s)), clock.sample_count)
    if which == 1:
        starts_s = _moments(rng, clock, 0.15, rng.uniform(0.25, 0.8))
        ends_s = starts_s + rng.uniform(0.1, 0.3, len(starts_s))
        return noises.speech(rng, starts_s, ends_s, rng.uniform(0.3, 1, len(starts_s)), clock.sample_count)
    return noises.hum(rng, clock.sample_count)


# Picture


def _picture(rng: Rng, clock: Clock, shapes: list[Shape], recipe: Recipe) -> np.ndarray:
    """Background, shapes, light and sensor noise; uint8 (T, S, S, 3)."""
    side, count = recipe.side, len(clock.frame_s)
    view_x, view_y, zoom = _camera(rng, clock, recipe)
    canvas = np.empty((count, side, side, 3), np.float32)
    for first, last in _stretches(zoom):
        texture = _texture(rng, 2 * side)
        canvas[first:last] = _background(
            texture, view_x[first:last], view_y[first:last], zoom[first:last], side
        )
    for shape in shapes:
        _draw(canvas, shape, view_x, view_y, zoom)
    light = rng.uniform(0.5, 1.2) * (1 + 0.03 * rng.normal() * np.sin(clock.frame_s * rng.uniform(0.5, 6)))
    canvas *= light[:, None, None, None].astype(np.float32)
    level = rng.uniform(*recipe.sensor_noise)
    if level > 0:
        # Two long rolls of noise, one drawn once: fresh noise for each frame costs more than all the rest.
        grain = rng.normal(0, level, canvas[0].size * 3).astype(np.float32)
        for index, start in enumerate(rng.integers(0, canvas[0].size * 2, count)):
            canvas[index] += grain[start : start + canvas[0].size].reshape(canvas[0].shape)
    return np.clip(canvas, 0, 255).astype(np.uint8)


def _camera(rng: Rng, clock: Clock, recipe: Recipe) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where the view's middle stands and how much it enlarges, (T,) each; a cut changes all three at once."""
    count = len(clock.frame_s)
    x, y, zoom = np.full(count, 0.5), np.full(count, 0.5), np.ones(count)
    if rng.random() < recipe.cuts:
        for first in np.sort(rng.integers(0, count, rng.integers(1, 3))):
            zoom[first:] = rng.uniform(0.8, 1.4)
            x[first:], y[first:] = 0.5 + rng.uniform(-0.12, 0.12, 2)
    if rng.random() < recipe.moving_camera:
        reach = rng.uniform(0.01, 0.08)
        x += _wander(rng, clock.frame_s, -reach, reach, pace_s=rng.uniform(0.5, 4))
        y += _wander(rng, clock.frame_s, -reach, reach, pace_s=rng.uniform(0.5, 4))
    return x, y, zoom


def _stretches(zoom: np.ndarray) -> list[tuple[int, int]]:
    """The frames between cuts: [first, last) of each."""
    edges = [0, *(np.flatnonzero(np.diff(zoom)) + 1), len(zoom)]
    return list(pairwise(edges))


def _texture(rng: Rng, side: int) -> np.ndarray:
    """Clouds of noise of several sizes about one colour, float32 (side, side, 3)."""
    out = np.zeros((side, side, 3), np.float32) + rng.uniform(20, 220, 3).astype(np.float32)
    strength = rng.uniform(5, 60)
    for cells in (2, 5, 13, 34):
        rows = np.linspace(0, cells - 1, side)
        low = np.minimum(rows.astype(int), cells - 2)
        share = (rows - low).astype(np.float32)[:, None, None]
        knots = rng.normal(0, strength, (cells, cells, 3 if rng.random() < 0.5 else 1)).astype(np.float32)
        tall = knots[low] * (1 - share) + knots[low + 1] * share
        wide = tall.transpose(1, 0, 2)
        out += (wide[low] * (1 - share) + wide[low + 1] * share).transpose(1, 0, 2)
        strength *= rng.uniform(0.4, 0.9)
    return np.clip(out, 0, 255)


def _background(texture: np.ndarray, x: np.ndarray, y: np.ndarray, zoom: np.ndarray, side: int) -> np.ndarray:
    """The texture as the camera sees it, (T, S, S, 3), or (1, S, S, 3) where the camera stands still."""
    if np.ptp(x) == 0 and np.ptp(y) == 0:
        x, y, zoom = x[:1], y[:1], zoom[:1]
    scale = texture.shape[0] / 2  # the texture is twice as wide as the view
    steps = np.arange(side) / side - 0.5
    columns = np.clip((x[:, None] + 0.5 + steps / zoom[:, None]) * scale, 0, texture.shape[0] - 2)
    rows = np.clip((y[:, None] + 0.5 + steps / zoom[:, None]) * scale, 0, texture.shape[0] - 2)
    left, top = columns.astype(int), rows.astype(int)
    right_share = (columns - left).astype(np.float32)[:, None, :, None]
    down_share = (rows - top).astype(np.float32)[:, :, None, None]
    top, left = top[:, :, None], left[:, None, :]
    upper = texture[top, left] * (1 - right_share) + texture[top, left + 1] * right_share
    lower = texture[top + 1, left] * (1 - right_share) + texture[top + 1, left + 1] * right_share
    return upper * (1 - down_share) + lower * down_share


def _draw(canvas: np.ndarray, shape: Shape, view_x: np.ndarray, view_y: np.ndarray, zoom: np.ndarray) -> None:
    """Lay one shape with soft edges over the canvas (T, S, S, 3), in the part it ever touches."""
    side = canvas.shape[1]
    x, y = ((shape.x - view_x) * zoom + 0.5) * side, ((shape.y - view_y) * zoom + 0.5) * side
    rx, ry = np.maximum(shape.rx * zoom * side, 0.3), np.maximum(shape.ry * zoom * side, 0.3)
    reach = np.hypot(rx, ry) + 1 if shape.angle is not None or shape.box else np.maximum(rx, ry) + 1
    left, right = _clipped(np.min(x - reach), np.max(x + reach), side)
    top, bottom = _clipped(np.min(y - reach), np.max(y + reach), side)
    if left >= right or top >= bottom:
        return
    dx = (np.arange(left, right) + 0.5 - x[:, None]).astype(np.float32)[:, None, :]
    dy = (np.arange(top, bottom) + 0.5 - y[:, None]).astype(np.float32)[:, :, None]
    if shape.angle is not None:
        cos, sin = (turn(shape.angle).astype(np.float32)[:, None, None] for turn in (np.cos, np.sin))
        dx, dy = dx * cos + dy * sin, dy * cos - dx * sin
    wide, tall = rx.astype(np.float32)[:, None, None], ry.astype(np.float32)[:, None, None]
    if shape.box:
        inside = np.minimum(wide - np.abs(dx), tall - np.abs(dy))
    else:
        inside = (1 - np.sqrt((dx / wide) ** 2 + (dy / tall) ** 2)) * np.minimum(wide, tall)
    cover = (np.clip(inside + 0.5, 0, 1) * np.float32(shape.alpha))[..., None]
    part = canvas[:, top:bottom, left:right]
    colour = np.atleast_2d(shape.colour).astype(np.float32)[:, None, None, :]
    part += cover * (colour - part)


def _clipped(low: float, high: float, side: int) -> tuple[int, int]:
    return max(0, int(np.floor(low))), min(side, int(np.ceil(high)) + 1)


def _encoded(rng: Rng, frames: np.ndarray, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    codec = ("mpeg4", "libx264")[rng.integers(2)]
    quality = int(rng.integers(4, 20) if codec == "mpeg4" else rng.integers(24, 38))
    gop = int(rng.integers(6, 60))
    return through_codec(frames, samples, fps=FPS, rate=RATE, codec=codec, quality=quality, gop=gop)


# Small draws


def _between(rng: Rng, ends: tuple[int, int]) -> int:
    return int(rng.integers(ends[0], ends[1] + 1))


def _colour(rng: Rng) -> np.ndarray:
    return rng.uniform(0, 255, 3)


def _moments(rng: Rng, clock: Clock, least_s: float, mean_s: float) -> np.ndarray:
    """Uneven times, at least `least_s` apart, on average `mean_s`, from before the scene to after it."""
    count = int((clock.end_s + 2 * LEAD_S) / least_s) + 1
    gaps_s = least_s + rng.exponential(max(0.05, mean_s - least_s), count)
    times_s = np.cumsum(gaps_s) - LEAD_S - rng.uniform(0, mean_s)
    return times_s[times_s < clock.end_s + LEAD_S]


def _wander(rng: Rng, times_s: np.ndarray, low: float, high: float, *, pace_s: float) -> np.ndarray:
    """A smooth aimless path between two ends, (T,); a new aim about every `pace_s`."""
    knots_s = np.arange(times_s[0] - pace_s, times_s[-1] + 2 * pace_s, pace_s)
    aims = rng.uniform(low, high, len(knots_s))
    place = (times_s - knots_s[0]) / pace_s
    knot = np.minimum(place.astype(int), len(knots_s) - 2)
    ease = (1 - np.cos(np.pi * (place - knot))) / 2
    return aims[knot] * (1 - ease) + aims[knot + 1] * ease


def _turned(rng: Rng, along: np.ndarray, fall: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(x, y) of a thing that falls downwards (mostly), to the left, to the right or up."""
    way = rng.choice(4, p=[0.7, 0.1, 0.1, 0.1])
    return ((along, fall), (1 - fall, along), (fall, along), (along, 1 - fall))[way]
