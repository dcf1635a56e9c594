"""Scenes for the compact sync network: acts of many kinds in front of real pictures, with real sounds.

In: a seed, a `Bank` and a `Recipe`. Out: a `Scene`: frames uint8 (T, H, W, 3) at 25 a second and float32
samples at 16 kHz from the same moment, in step. Most of what real film does to both is done to them: a camera
that shakes, pans, zooms and cuts, light that flickers, grain, blur, other frame rates, encoders; beds, music,
voices that aren't seen, rooms, compressors. Knows no windows, no offsets and no network.

    python -m models.sync.compact.scenes --seed 3 scene.mp4
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import av
import click
import cv2
import numpy as np

from models.data import noises
from models.data.codecs import through_codec
from models.data.noises import RATE, Rng
from models.sync.compact import moving, struck, voiced
from models.sync.compact.acts import Act, Stage, any_colour, lasting, played
from models.sync.compact.drawing import Camera, Laid, Part
from models.sync.compact.material import STRIKING, Bank, load
from models.sync.compact.motions import Clock, moments, ring, wander
from otio_avassist.energies import COLUMNS, ROWS

FPS = 25

KINDS: dict[str, tuple[Callable[[Rng, Stage], Act], float]] = {
    "strike": (struck.strike, 3.0),
    "bodies": (struck.bodies, 1.5),
    "steps": (struck.steps, 1.2),
    "kick": (struck.kick, 1.2),
    "keys": (struck.keys, 0.8),
    "clap": (struck.clap, 1.0),
    "pluck": (struck.pluck, 1.0),
    "door": (struck.door, 0.6),
    "shatter": (struck.shatter, 0.8),
    "speak": (voiced.speak, 3.5),
    "sing": (voiced.sing, 1.2),
    "bark": (voiced.bark, 2.0),
    "gesture": (voiced.gesture, 2.0),
    "stir": (voiced.stir, 1.5),
    "bow": (moving.bow, 1.2),
    "rub": (moving.rub, 1.5),
    "flash": (moving.flash, 0.7),
    "shot": (moving.shot, 1.2),
    "firework": (moving.firework, 0.5),
    "motor": (moving.motor, 0.6),
    "knocked": (moving.knocked, 0.5),
    "conduct": (moving.conduct, 1.2),
}
"""Kind of act -> who makes it, and how often it comes beside the others."""


@dataclass(frozen=True)
class Recipe:
    """How hard scenes are. Pairs are ends of an even draw, shares are probabilities."""

    length_s: float = 14.0
    """Windows of 10 s and offsets of ±2 s fit without padding."""
    height: int = 96
    width: int = 128
    kinds: tuple[str, ...] = tuple(KINDS)
    actors: tuple[float, ...] = (0.7, 0.22, 0.08)
    """Shares of scenes with one, two, three things that are seen and heard."""
    size: tuple[float, float] = (0.25, 1.5)
    """Of an act, in heights of the picture; even in its logarithm."""
    close: float = 0.15
    """Share of acts that are larger still, and partly out of the picture."""
    silent: tuple[float, ...] = (0.4, 0.3, 0.2, 0.1)
    """Shares of scenes with none, one, ... silent movers."""
    unseen: tuple[float, ...] = (0.45, 0.35, 0.2)
    """Shares of scenes with none, one, ... sounds whose source isn't seen."""
    unseen_level: tuple[float, float] = (0.03, 0.5)
    """Beside the acts' 1."""
    music: float = 0.2
    music_level: tuple[float, float] = (0.03, 0.4)
    bed_level: tuple[float, float] = (0.002, 0.12)
    moving_camera: float = 0.6
    cuts: float = 0.2
    room: float = 0.5
    """Share of scenes with reverberation."""
    rates: tuple[float, ...] = (25, 25, 25, 24, 30, 29.97, 50, 15, 12.5)
    """Frames a second at which it was filmed."""
    blurred: float = 0.3
    """Share of scenes whose frames are exposed for long enough to be seen to."""
    grain: tuple[float, float] = (0.0, 9.0)
    """Standard deviation in 8-bit steps."""
    flicker: float = 0.2
    codec: float = 0.35


EASY = Recipe(
    actors=(1.0,),
    size=(0.7, 1.2),
    close=0.0,
    silent=(1.0,),
    unseen=(1.0,),
    music=0.0,
    bed_level=(0.001, 0.01),
    moving_camera=0.0,
    cuts=0.0,
    room=0.2,
    rates=(25,),
    blurred=0.0,
    grain=(0.0, 2.0),
    flicker=0.0,
    codec=0.0,
)
"""One thing on a still background: where a curriculum may start, and what tests look at."""

FULL = Recipe()


@dataclass(frozen=True)
class Scene:
    """Picture and sound of one rendered scene, in step."""

    frames: np.ndarray
    """uint8 (T, H, W, 3)."""
    samples: np.ndarray
    """float32 (N,) within [-1, 1]."""
    kinds: tuple[str, ...]
    """What is seen and heard."""
    strikes_s: tuple[float, ...]
    """When something sharp is seen and heard at once, in seconds from the first frame."""
    moving: np.ndarray
    """bool (T, ROWS, COLUMNS) of `energies`: in which cells what is heard moves."""


def render(seed: int, bank: Bank, recipe: Recipe = FULL) -> Scene:
    """The scene of this seed: the same on every run."""
    rng = np.random.default_rng(seed)
    # Frames that are thrown away again: an encoder's key frames must not tell where the scene began.
    spare = int(rng.integers(0, 13))
    count = round(recipe.length_s * FPS) + spare
    shown_s = np.arange(count) / FPS
    rate = float(rng.choice(recipe.rates))
    exposures = 2 if rng.random() < recipe.blurred and rate < 40 else 1
    filmed, shown = np.unique(np.floor(shown_s * rate + 1e-6).astype(int), return_inverse=True)
    # Sound comes from some metres off.
    late_s = rng.uniform(0, 0.03)
    # A frame is stamped with the start of its exposure, and shows what is at its middle or two parts of it.
    exposed_s = rng.uniform(0.1, 1.0) / rate
    frame_s = np.add.outer(
        filmed / rate, (np.arange(exposures) + 0.5) / exposures * exposed_s + late_s
    ).ravel()
    stage = Stage(Clock(frame_s, count * RATE // FPS), bank)
    names = _chosen_kinds(rng, recipe)
    acts = [KINDS[name][0](rng, stage) for name in names]
    cuts_s = rng.uniform(0, count / FPS, rng.integers(1, 4)) if rng.random() < recipe.cuts else np.zeros(0)
    frames, moving = _picture(rng, stage, acts, np.sort(cuts_s), recipe)
    moving = moving.reshape(-1, exposures, ROWS, COLUMNS).any(1)[shown]
    if exposures == 2:
        pairs = frames.reshape(-1, 2, *frames.shape[1:])
        frames = np.stack([cv2.addWeighted(first, 0.5, second, 0.5, 0) for first, second in pairs])
    frames = _developed(rng, frames, recipe)[shown]
    samples = _sound(rng, stage, acts, np.sort(cuts_s), recipe)
    if rng.random() < recipe.codec:
        frames, samples = _encoded(rng, frames, samples)
    strikes_s = np.sort(np.concatenate([act.strikes_s for act in acts])) - spare / FPS
    seen = strikes_s[(strikes_s >= 0) & (strikes_s < recipe.length_s)]
    return Scene(
        frames[spare:],
        samples[spare * RATE // FPS :],
        names,
        tuple(float(each) for each in seen),
        moving[spare:],
    )


def _chosen_kinds(rng: Rng, recipe: Recipe) -> tuple[str, ...]:
    weights = np.array([KINDS[name][1] for name in recipe.kinds])
    count = 1 + int(rng.choice(len(recipe.actors), p=recipe.actors))
    return tuple(str(each) for each in rng.choice(recipe.kinds, count, p=weights / weights.sum()))


# Picture


def _picture(
    rng: Rng, stage: Stage, acts: list[Act], cuts_s: np.ndarray, recipe: Recipe
) -> tuple[np.ndarray, np.ndarray]:
    """Every exposure, uint8 (T, H, W, 3), and in which cells acts move in it, bool (T, ROWS, COLUMNS)."""
    at_s = stage.clock.frame_s
    height, width = recipe.height, recipe.width
    camera = _camera(rng, stage, acts, cuts_s, recipe)
    placed = [_placed(rng, act.parts, recipe) for act in acts]
    placed += [
        _placed(rng, _silent(rng, stage), recipe)
        for _ in range(rng.choice(len(recipe.silent), p=recipe.silent))
    ]
    maps = camera.maps(height, width)
    laid = [Laid(part, maps, height, width) for parts in placed for part in parts]
    shots = np.searchsorted(cuts_s, at_s, side="right")
    backs = [_background(rng, stage) for _ in range(len(cuts_s) + 1)]
    depth = rng.uniform(0.4, 1.0)
    far = replace(camera, x=depth * camera.x, y=depth * camera.y, zoom=1 + depth * (camera.zoom - 1))
    # The picture covers half as much again as is seen, and is mirrored beyond.
    onto = far.maps(height, width) @ np.array(
        [[1.5 / 216, 0, -0.75 * 288 / 216], [0, 1.5 / 216, -0.75], [0, 0, 1]]
    )
    still = np.ptp(onto[:, :, :].reshape(len(onto), -1), axis=0).max() == 0
    kept = [
        cv2.warpAffine(back, onto[0], (width, height), borderMode=cv2.BORDER_REFLECT) for back in backs
    ] if still else []  # fmt: skip
    light = np.prod([act.light for act in acts if act.light is not None], axis=0) * np.ones(len(at_s))
    if rng.random() < recipe.flicker:
        light = light * (1 + wander(rng, at_s, rng.uniform(0.01, 0.15), rng.uniform(0.1, 3)))
    frames = np.empty((len(at_s), height, width, 3), np.uint8)
    for index, canvas in enumerate(frames):
        if still:
            canvas[:] = kept[shots[index]]
        else:
            cv2.warpAffine(
                backs[shots[index]], onto[index], (width, height), dst=canvas,
                flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT,
            )  # fmt: skip
        for part in laid:
            part.draw(canvas, index)
        if abs(light[index] - 1) > 0.004:
            cv2.convertScaleAbs(canvas, dst=canvas, alpha=float(max(0.0, light[index])))
    moving = np.zeros((len(at_s), ROWS, COLUMNS), bool)
    for part in laid[: sum(len(act.parts) for act in acts)]:
        moving |= part.moves_in(ROWS, COLUMNS)
    return frames, moving


def _background(rng: Rng, stage: Stage) -> np.ndarray:
    """A picture, turned into many: mirrored, cropped, recoloured, out of focus, or a plain wall."""
    still = stage.still(rng)
    back = still if rng.random() < 0.5 else still[:, ::-1]
    if rng.random() < 0.5:
        share = rng.uniform(0.3, 1)
        rows, columns = int(share * back.shape[0]), int(share * back.shape[1])
        top, left = rng.integers(back.shape[0] - rows + 1), rng.integers(back.shape[1] - columns + 1)
        back = cv2.resize(back[top : top + rows, left : left + columns], (288, 216))
    picture: np.ndarray = back.astype(np.float32)
    if rng.random() < 0.5:
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(1, 12))
    if rng.random() < 0.15:
        picture = (any_colour(rng) + 0.15 * (picture - picture.mean())).astype(np.float32)
    contrast, brightness = rng.uniform(0.4, 1.2), rng.uniform(-40, 40)
    picture = (picture - 118) * contrast + 118 + brightness
    picture *= rng.uniform(0.8, 1.2, 3)
    return np.ascontiguousarray(np.clip(picture, 0, 255).astype(np.uint8))


def _camera(rng: Rng, stage: Stage, acts: list[Act], cuts_s: np.ndarray, recipe: Recipe) -> Camera:
    at_s = stage.clock.frame_s
    zero = np.zeros(len(at_s))
    x, y, roll, zoom = zero.copy(), zero.copy(), zero.copy(), np.ones(len(at_s))
    if rng.random() < recipe.moving_camera:
        if rng.random() < 0.7:  # held in a hand
            for curve, reach in ((x, 1.0), (y, 1.0), (roll, 1.0)):
                curve += wander(rng, at_s, reach * rng.uniform(0, 0.02), rng.uniform(0.2, 0.6))
                curve += wander(rng, at_s, reach * rng.uniform(0, 0.05), rng.uniform(0.8, 2.5))
        if rng.random() < 0.4:  # pans
            x += wander(rng, at_s, rng.uniform(0, 0.3), rng.uniform(1.5, 6))
            y += wander(rng, at_s, rng.uniform(0, 0.15), rng.uniform(1.5, 6))
        if rng.random() < 0.3:
            zoom *= 1 + wander(rng, at_s, rng.uniform(0, 0.3), rng.uniform(2, 6))
        if rng.random() < 0.15:  # jolts that aren't heard
            jolts_s = moments(rng, stage.clock, 0.5, 2.5)
            x += rng.uniform(0, 0.03) * ring(
                at_s, jolts_s, np.ones(len(jolts_s)), hz=rng.uniform(2, 8), decay_s=0.15
            )
    for act in acts:
        if act.shake is not None:
            x, y = x + act.shake[:, 0], y + act.shake[:, 1]
    for cut_s in cuts_s:  # seen from elsewhere, nearer or further
        after = at_s >= cut_s
        x, y = x + after * rng.uniform(-0.25, 0.25), y + after * rng.uniform(-0.15, 0.15)
        zoom = zoom * np.where(after, np.exp(rng.uniform(-0.4, 0.4)), 1)
    return Camera(x, y, np.clip(zoom, 0.4, 3), roll)


def _placed(rng: Rng, parts: list[Part], recipe: Recipe) -> list[Part]:
    """An act somewhere in the picture, in some size, perhaps mirrored and leaning."""
    scale = float(np.exp(rng.uniform(*np.log(recipe.size))))
    if rng.random() < recipe.close:
        scale *= rng.uniform(1, 1.8)
    side = recipe.width / recipe.height / 2
    # Large things stay in the middle; small ones may be anywhere.
    room = max(0.15, 1 - 0.7 * scale)
    x, y = rng.uniform(-side, side) * room * 0.8, rng.uniform(-0.5, 0.5) * room * 0.8
    mirrored, leaning = bool(rng.random() < 0.5), float(rng.normal(0, 0.08))
    return [part.moved(scale, x, y, mirrored=mirrored, turned=leaning) for part in parts]


def _silent(rng: Rng, stage: Stage) -> list[Part]:
    """Something that only moves: passes by, sways, trembles, or stands in front."""
    at_s = stage.clock.frame_s
    shape = str(rng.choice(["ellipse", "box", "bar", "blob"]))
    wide, tall = np.exp(rng.uniform(np.log(0.05), np.log(0.8), 2))
    if rng.random() < 0.2:
        return _flutter(rng, stage)
    kind = rng.integers(4)
    x, y, angle = np.zeros(len(at_s)), np.zeros(len(at_s)), np.zeros(len(at_s))
    if kind == 0:  # goes about
        x, y = (wander(rng, at_s, 0.6, rng.uniform(0.5, 3)) for _ in range(2))
        angle = wander(rng, at_s, rng.uniform(0, 1), rng.uniform(0.5, 3))
    elif kind == 1:  # passes by, again and again
        x = (at_s * rng.uniform(0.2, 1.5) + rng.uniform(0, 4)) % rng.uniform(2.5, 6) - 1.2
    elif kind == 2:  # swings or waves
        angle = rng.uniform(0.1, 1) * np.sin(2 * np.pi * rng.uniform(0.2, 2.5) * at_s + rng.uniform(0, 6))
        x = wander(rng, at_s, 0.1, 2)
    else:  # starts and stops
        starts_s = moments(rng, stage.clock, 0.3, 1.2)
        passed = np.clip((at_s[:, None] - starts_s) / rng.uniform(0.1, 0.5), 0, 1)
        steps = rng.normal(0, 0.25, (len(starts_s), 2))
        # Back towards the middle, each time.
        x, y = (((1 - np.cos(np.pi * passed)) / 2) @ np.diff(steps, axis=0, prepend=0)).T
    return [stage.part(rng, shape, x, y, wide, tall, angle)]


def _flutter(rng: Rng, stage: Stage) -> list[Part]:
    """Many small things that tremble or drift all the time: leaves, a crowd, rain."""
    at_s = stage.clock.frame_s
    size, reach, pace_s = rng.uniform(0.03, 0.15), rng.uniform(0.005, 0.06), rng.uniform(0.1, 0.8)
    fall, colour = rng.choice([0.0, 0.0, rng.uniform(0.2, 1.5)]), any_colour(rng)
    wide, tall = rng.uniform(0.2, 1.5, 2)
    parts = []
    for _ in range(int(rng.integers(5, 16))):
        x, y = rng.uniform(-wide / 2, wide / 2), rng.uniform(-tall / 2, tall / 2)
        down = (y + fall * at_s + tall / 2) % max(tall, 0.3) - tall / 2 if fall else y
        shape = str(rng.choice(["ellipse", "blob", "bar"]))
        parts.append(
            stage.part(
                rng, shape, x + wander(rng, at_s, reach, pace_s), down + wander(rng, at_s, reach, pace_s),
                size, size * rng.uniform(0.5, 2), wander(rng, at_s, 0.5, pace_s), colour=colour,
            )
        )  # fmt: skip
    return parts


def _developed(rng: Rng, frames: np.ndarray, recipe: Recipe) -> np.ndarray:
    """With what a lens and a sensor do: softness, contrast, grain."""
    soft, strength = rng.uniform(0.3, 1.2) if rng.random() < 0.3 else 0.0, rng.uniform(*recipe.grain)
    contrast, gamma = rng.uniform(0.6, 1.2), np.exp(rng.uniform(-0.4, 0.4))
    middle = rng.uniform(90, 140)
    steps = np.clip((np.arange(256) - middle) * contrast + middle, 0, 255) / 255
    table = np.round(255 * steps**gamma).astype(np.uint8)
    height, width = frames.shape[1:3]
    grain = np.clip(128 + strength * rng.normal(size=(height + 64, width + 64, 3)), 0, 255).astype(np.uint8)
    out = np.empty_like(frames)
    places = rng.integers(64, size=(len(frames), 2))
    for index, frame in enumerate(frames):
        frame = cv2.LUT(frame, table)
        if soft:
            frame = cv2.GaussianBlur(frame, (0, 0), soft)
        if strength > 0.3:
            top, left = places[index]
            frame = cv2.addWeighted(frame, 1, grain[top : top + height, left : left + width], 1, -128)
        out[index] = frame
    return out


def _encoded(rng: Rng, frames: np.ndarray, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    codec = ("mpeg4", "libx264")[rng.integers(2)]
    quality = int(rng.integers(3, 20) if codec == "mpeg4" else rng.integers(20, 38))
    gop = int(rng.integers(6, 60))
    return through_codec(frames, samples, fps=FPS, rate=RATE, codec=codec, quality=quality, gop=gop)


# Sound


def _sound(rng: Rng, stage: Stage, acts: list[Act], cuts_s: np.ndarray, recipe: Recipe) -> np.ndarray:
    """All that is heard, float32 (N,), at one of many loudnesses."""
    count = stage.clock.sample_count
    heard = np.zeros(count, np.float32)
    for act in acts:
        peak = float(np.abs(act.samples).max())
        heard += act.samples / max(peak, 1e-3) * np.float32(rng.uniform(0.4, 1))
    heard = _coloured(rng, heard)
    for _ in range(rng.choice(len(recipe.unseen), p=recipe.unseen)):
        heard = heard + np.float32(rng.uniform(*recipe.unseen_level)) * _unseen(rng, stage)
    if rng.random() < recipe.room:
        heard = _reverberant(rng, heard)
    if rng.random() < recipe.music:
        roles = ("music", "sung", "blown", "bowed")
        heard = heard + np.float32(rng.uniform(*recipe.music_level)) * lasting(rng, stage.bank, count, *roles)
    heard = heard + _beds(rng, stage, cuts_s, recipe)
    heard = heard / (np.abs(heard).max() + 1e-6)
    if rng.random() < 0.3:  # turned up until it clips, or levelled by the recorder
        drive = rng.uniform(1.5, 6)
        heard = np.clip(drive * heard, -1, 1) if rng.random() < 0.3 else np.tanh(drive * heard)
    loudness = 10 ** (rng.uniform(-24, -1) / 20)
    return (heard / (np.abs(heard).max() + 1e-6) * loudness).astype(np.float32)


def _coloured(rng: Rng, samples: np.ndarray) -> np.ndarray:
    """As a microphone and the way to it colour it: gains that drift over the bands."""
    spectrum = np.fft.rfft(samples)
    places = np.linspace(0, 1, 6)
    gains_db = np.interp(np.linspace(0, 1, len(spectrum)) ** 0.4, places, rng.normal(0, 5, 6))
    return np.fft.irfft(spectrum * 10 ** (gains_db / 20), len(samples)).astype(np.float32)


def _reverberant(rng: Rng, samples: np.ndarray) -> np.ndarray:
    """In a room: noise that dies away, after the sound itself."""
    seconds = np.exp(rng.uniform(np.log(0.08), np.log(1.2)))
    length = int(seconds * RATE)
    tail = rng.normal(size=length) * np.exp(-6.9 * np.arange(length) / length)
    tail *= rng.uniform(0.1, 0.8) / np.sqrt(np.square(tail).sum())
    tail[: int(rng.uniform(0.001, 0.02) * RATE)] = 0
    tail[0] = 1
    size = 1 << int(np.ceil(np.log2(len(samples) + length)))
    wet = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(tail, size), size)
    return wet[: len(samples)].astype(np.float32)


def _unseen(rng: Rng, stage: Stage) -> np.ndarray:
    """A sound whose source is out of the picture: blows, a voice, calls."""
    kind = rng.integers(3)
    if kind == 0:
        blow = played(rng, stage.bank.blow(rng, *STRIKING, "step", "door", "key", "plucked"))
        out = np.zeros(stage.clock.sample_count, np.float32)
        for time_s in moments(rng, stage.clock, 0.2, rng.uniform(0.4, 2.5)):
            start = round(time_s * RATE)
            first, last = max(0, start), min(len(out), start + len(blow.samples))
            if first < last:
                out[first:last] += rng.uniform(0.3, 1) * blow.samples[first - start : last - start]
        return out
    if kind == 1:
        return voiced.speak_unseen(rng, stage)
    return lasting(rng, stage.bank, stage.clock.sample_count, "animal", "whoosh", "bowed", "sung", "motor")


def _beds(rng: Rng, stage: Stage, cuts_s: np.ndarray, recipe: Recipe) -> np.ndarray:
    """What is heard all the time; where the picture cuts it may become another, as where both are cut."""
    count = stage.clock.sample_count

    def one() -> np.ndarray:
        level = np.exp(rng.uniform(*np.log(recipe.bed_level)))
        if rng.random() < 0.35:
            bed = lasting(rng, stage.bank, count, "water", "burning", "motor")
            return level * bed / (bed.std() + 1e-6)
        return level * noises.bed(rng, count)

    bed = one()
    if len(cuts_s) and rng.random() < 0.5:
        for cut_s in cuts_s:
            bed = np.where(np.arange(count) >= cut_s * RATE, one(), bed)
    return bed.astype(np.float32)


# To look at


def write(path: Path, scene: Scene) -> None:
    """A scene as a film."""
    with av.open(str(path), "w") as container:
        picture = container.add_stream("libx264", rate=FPS, options={"crf": "14"})
        picture.height, picture.width = scene.frames.shape[1:3]
        picture.pix_fmt = "yuv420p"
        sound = container.add_stream("aac", rate=RATE, layout="mono")
        for frame in scene.frames:
            container.mux(picture.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(picture.encode(None))
        block = av.AudioFrame.from_ndarray(scene.samples[None], format="fltp", layout="mono")
        block.sample_rate = RATE
        container.mux(sound.encode(block))
        container.mux(sound.encode(None))


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--seed", default=0, show_default=True)
@click.option("--kind", type=click.Choice(list(KINDS)), help="Only of that kind.")
@click.option("--easy", is_flag=True, help="One thing on a still background.")
@click.option("--material", "place", type=click.Path(path_type=Path), default=Path("runs/sync/material"))
def main(out: Path, seed: int, kind: str | None, easy: bool, place: Path) -> None:
    """Write the scene of a seed as a film, OUT."""
    recipe = EASY if easy else FULL
    scene = render(seed, load(place), replace(recipe, kinds=(kind,)) if kind else recipe)
    write(out, scene)
    click.echo(f"{out}: {', '.join(scene.kinds)}")


if __name__ == "__main__":
    main()
