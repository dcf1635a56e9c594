"""What YAMNet and EfficientNet-lite0 make of real sounds and pictures: the ground that composed films
stand on.

In: the material, and both networks as bundles. Out: logits row by row: of sounds with names, of backgrounds
without, of pictures in which ImageNet knows nothing, of photos with names; and how each network's last layer
ties its classes together.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import onnx
from onnx import numpy_helper

from models.captions.compact import lexicon, material, mixtures
from models.captions.compact.material import RATE, Sound
from models.data.noises import Rng
from otio_avassist import bundles
from otio_avassist.signals import yamnet_log_mel

STEP_S, LENGTH_S = 0.48, 0.96
"""Of a row of YAMNet's."""
PICTURES_A_SECOND = 2

NAMES = {
    "misc_crow": "crow", "misc_burp": "burp", "perc_bell": "bell", "perc_door": "door",
    "perc_impact": "impact",
    "perc_till": "cash register", "drum_snare": "snare", "drum_roll": "snare", "drum_cymbal": "cymbal",
    "drum_splash": "cymbal", "drum_cowbell": "bell", "drum_": "drums", "loop_amen": "drums",
    "loop_break": "drums",
    "loop_tabla": "hand drum", "tabla_": "hand drum", "bd_": "drums", "sn_": "snare", "guit_": "guitar",
    "ambi_piano": "piano", "ambi_choir": "choir", "elec_be": "beep", "elec_blip": "beep",
    "elec_chime": "chime",
    "perc_sw": "whoosh", "ambi_swoosh": "whoosh", "bass_": "synthesizer", "loop_3d_printer": "machine",
    "misc_cineboom": "explosion", "vinyl_hiss": "hiss",
    "default_break_glass": "shatter", "default_hard_foot": "footsteps", "default_metal_foot": "footsteps",
    "default_sand_foot": "footsteps", "default_snow_foot": "footsteps", "default_ice_foot": "footsteps",
    "default_gravel_du": "footsteps", "default_chest": "door", "doors_": "door",
    "default_dig_choppy": "chopping",
    "env_sounds_water": "water", "fire_": "fire", "default_furnace": "fire", "tnt_explode": "explosion",
    "tnt_": "hiss", "default_water_foot": "splash", "default_place_node_metal": "clang",
    "default_d": "impact",
    "default_dug_metal": "clang", "default_item_smoke": "hiss", "default_ice": "crack",
    "Gun": "gunshot", "whistle": "whistle", "Long Whistle": "whistle", "Short Whistle": "whistle",
    "Heli": "helicopter", "Applause": "applause", "Sea Shore": "sea", "Bird": "bird",
    "Telephone": "telephone",
    "Alto ": "saxophone", "Baritone": "saxophone", "Soprano": "saxophone", "Tenor": "saxophone",
    "Flute": "flute",
    "Piccolo ": "flute", "Recorder": "flute", "pan flute": "flute", "Ocar": "flute", "Violin": "violin",
    "Viola": "violin", "Cello": "cello", "Acoustic Bass": "double bass", "Bass ": "double bass",
    "Banjo": "banjo",
    "Bagpipe": "bagpipes", "Steel ": "guitar", "Nylon": "guitar", "Jazz Guitar": "guitar",
    "Harmonics": "guitar",
    "Distortion": "electric guitar", "Clean": "electric guitar", "PalmMuted": "electric guitar",
    "P200": "piano", "Rhodes": "piano", "EP 2": "piano", "Electric Piano": "piano", "Harpsichord": "piano",
    "B3 ": "organ", "Rock Organ": "organ", "Church Organ": "organ", "Accordian": "accordion",
    "Strings": "strings",
    "Pizz": "strings", "tp_": "trumpet", "trombone": "brass", "French": "brass", "Brass": "brass",
    "Sbrass": "brass",
    "Tuba": "brass", "Clarinet": "woodwind", "Oboe": "woodwind", "English": "woodwind", "E's": "woodwind",
    "Xylophone": "xylophone", "Marimba": "xylophone", "Vibraphone": "xylophone", "Glocken": "xylophone",
    "Music Box": "xylophone", "Harp ": "harp", "harmnc": "harmonica", "harmon_": "harmonica",
    "sitar": "sitar",
    "Tubular": "church bell", "Timpani": "drums", "Tom ": "drums", "Std Kick": "drums", "Power": "drums",
    "Room": "drums", "RmPwr": "drums", "Taiko": "drums", "Snr": "snare", "Std Snr": "snare", "Brush": "snare",
    "808 ": "drums", "High Conga": "hand drum", "Low Tumba": "hand drum", "Low Bongo": "hand drum",
    "Closed Slap": "hand drum", "Tambourine": "tambourine", "Cow Bell": "bell", "Low Wood": "wood block",
    "High Wood": "wood block", "Clap": "clapping", "solo_vox": "singing", "Ahh": "choir", "Ohh": "choir",
    "Crsh": "cymbal", "Ride": "cymbal", "BellRide": "cymbal", "Hi-Hat": "cymbal", "China": "cymbal",
    "Splash": "cymbal", "Sleigh": "bell", "Triangle": "ring", "Finger Bass": "bass guitar",
    "Picked Bass": "bass guitar", "Slap Bass": "bass guitar", "Fretless": "bass guitar",
    "Pop ": "bass guitar",
    "speech": "speech",
}  # fmt: skip
"""Beginnings of names of sounds -> keys of the lexicon; the longest that fits counts."""
IN_A_ROW = ("footsteps", "chopping", "clapping", "hand drum", "drums", "snare")
"""Single strikes that are rarely heard alone."""
PHOTO_NAMES = {
    "chelsea": "cat",
    "coffee": "drink",
    "rocket": "rocket",
    "clock_motion": "clock",
    "astronaut": "",
}


@dataclass(frozen=True)
class Clip:
    """A named sound over a background."""

    key: str
    rows: np.ndarray
    """(n, 521) logits."""
    span_s: tuple[float, float]
    times: int


@dataclass(frozen=True)
class Bank:
    """All that was listened to and looked at."""

    clips: tuple[Clip, ...]
    beds: tuple[np.ndarray, ...]
    """(n, 521) each, in which nothing has a name."""
    track: np.ndarray
    """(n, 521) of a film's sound, in which nobody has written down what is heard."""
    plain: tuple[np.ndarray, ...]
    """(n, 1000) each, pictures that follow on each other, of which ImageNet knows nothing."""
    photos: tuple[tuple[str, np.ndarray], ...]
    """Key of the lexicon and (m, 1000), crops of one photo."""
    heard_ties: np.ndarray
    """(521, 521): row c is what all logits do where the embedding moves towards class c."""
    seen_ties: np.ndarray
    """(1000, 1000)."""


def name_of(sound: Sound) -> str:
    """Its key in the lexicon; empty where it has no name."""
    fits = [start for start in NAMES if sound.name.startswith(start)]
    return NAMES[max(fits, key=len)] if fits else ""


class Ear:
    """YAMNet, asked about samples."""

    def __init__(self) -> None:
        self._model = bundles.load(bundles.find("yamnet"), device="cpu", threads=1)

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """(N,) -> (n, 521) logits, a row each 0.48 s."""
        rows = yamnet_log_mel(np.pad(samples, (0, max(0, 15_600 - len(samples)))))
        patches = np.lib.stride_tricks.sliding_window_view(rows, 96, axis=0)[::48]
        return self._model(log_mel=np.ascontiguousarray(np.moveaxis(patches, 2, 1)[:, None]))["logits"]


class Eye:
    """EfficientNet-lite0, asked about pictures."""

    def __init__(self) -> None:
        self._model = bundles.load(bundles.find("efficientnet-lite0"), device="cpu", threads=1)

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """uint8 (n, 224, 224, 3) -> (n, 1000) logits."""
        floats = np.moveaxis((frames.astype(np.float32) - 127) / 128, -1, 1)
        parts = [
            self._model(frames=np.ascontiguousarray(floats[k : k + 8]))["logits"]
            for k in range(0, len(floats), 8)
        ]
        return np.concatenate(parts)


def ties(name: str) -> np.ndarray:
    """How the classes of a feature bundle hang together, by its last layer: W relu(W)^T, row by class.

    A thing that is really there moves the embedding along what its class weighs; what that does to the other
    classes (a barking dog is an animal too, and no violin) is here. The embedding is never negative.
    """
    folder = bundles.find(name)
    graph = onnx.load(folder / bundles.Card.read(folder).graphs["main"].file).graph
    held = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    last = [node for node in graph.node if node.op_type == "Gemm"][-1]
    weight = next(held[name] for name in last.input if name in held and held[name].ndim == 2)
    weight = weight if weight.shape[0] < weight.shape[1] else weight.T
    toward = np.maximum(weight, 0)
    return (toward @ weight.T).astype(np.float32)


def build(place: Path, kept: Path, *, clips: int = 1400) -> Bank:
    """The bank, from `kept` if it is there; else everything is listened to and looked at, which takes
    minutes."""
    if not kept.exists():
        rng = np.random.default_rng(11)
        sounds = material.sounds(place)
        stock = mixtures.stock(sounds)
        ear, eye = Ear(), Eye()
        made = [_clip(rng, stock, ear) for _ in range(clips)]
        beds = [ear(_level(rng, _nameless_bed(rng, 10 * RATE))) for _ in range(150)]
        track = material.decoded(material.film(place))
        plain = [*_film_pictures(material.film(place), eye), *(eye(_textures(rng, 8)) for _ in range(40))]
        photos = list(_photo_crops(rng, place, eye))
        arrays = {
            "clip_keys": np.array([each.key for each in made]),
            "clip_spans": np.array([(*each.span_s, each.times) for each in made]),
            "track": ear(track[: len(track) // 2]),
            "photo_keys": np.array([key for key, _ in photos]),
            "heard_ties": ties("yamnet"),
            "seen_ties": ties("efficientnet-lite0"),
        }
        for name, parts in (
            ("clips", [each.rows for each in made]), ("beds", beds), ("plain", plain),
            ("photos", [rows for _, rows in photos]),
        ):  # fmt: skip
            arrays[name] = np.concatenate(parts).astype(np.float32)
            arrays[f"{name}_ends"] = np.cumsum([len(part) for part in parts])[:-1]
        part = kept.with_suffix(".part.npz")
        np.savez(part, **arrays)
        part.replace(kept)
    with np.load(kept) as held:
        split = {
            name: np.split(held[name], held[f"{name}_ends"]) for name in ("clips", "beds", "plain", "photos")
        }
        spans = held["clip_spans"]
        return Bank(
            tuple(
                Clip(str(key), rows, (float(span[0]), float(span[1])), int(span[2]))
                for key, rows, span in zip(held["clip_keys"], split["clips"], spans, strict=True)
            ),
            tuple(split["beds"]),
            held["track"],
            tuple(split["plain"]),
            tuple(zip(map(str, held["photo_keys"]), split["photos"], strict=True)),
            held["heard_ties"],
            held["seen_ties"],
        )


def _level(rng: Rng, samples: np.ndarray) -> np.ndarray:
    return (samples / (np.abs(samples).max() + 1e-9) * 10 ** (rng.uniform(-35, 0) / 20)).astype(np.float32)


def _nameless_bed(rng: Rng, count: int) -> np.ndarray:
    kind = rng.integers(3)
    makers = (mixtures._noise_bed, mixtures._hum_bed, mixtures._wind_bed)
    return makers[kind](rng, mixtures.Stock((), ()), count)[0].astype(np.float32)


def _clip(rng: Rng, stock: mixtures.Stock, ear: Ear) -> Clip:
    """Four to ten seconds with one named sound, or a run of its kind, 0 to 35 dB over what has no name."""
    named = [each for each in stock.sounds if name_of(each)]
    # Kinds first, or pianos would rule.
    keys = sorted({name_of(each) for each in named})
    key = keys[rng.integers(len(keys))]
    family = [each for each in named if name_of(each) == key]
    count = int(rng.uniform(3, 9) * RATE)
    first = family[rng.integers(len(family))]
    pieces = [mixtures.changed(rng, first.samples)]
    music = (
        key in lexicon.heard()
        and "music" in lexicon.ancestors(key, lexicon.heard())
        and key not in ("snare", "drums")
    )
    runs = music or (key in IN_A_ROW and rng.random() < 0.85) or key == "speech"
    if runs:
        pause_s = rng.uniform(0.05, 0.5)
        kin = [each for each in family if each.group == first.group] if rng.random() < 0.8 else family
        for _ in range(int(rng.integers(3, 12))):
            pieces.append(np.zeros(int(pause_s * RATE), np.float32))
            pieces.append(kin[rng.integers(len(kin))].samples[: int(rng.uniform(0.2, 2.0) * RATE)])
    sound = np.concatenate(pieces)[:count]
    times = 0 if runs or len(sound) > 2.5 * RATE else 1
    start = int(rng.integers(0, max(1, count - len(sound))))
    bed = _nameless_bed(rng, count) if rng.random() < 0.7 else rng.normal(0, 1, count).astype(np.float32)
    out = bed * 10 ** (-rng.uniform(0, 35) / 20) * (np.sqrt((sound**2).mean()) + 1e-6)
    out[start : start + len(sound)] += sound
    return Clip(key, ear(_level(rng, out)), (start / RATE, (start + len(sound)) / RATE), times)


# Pictures


def pictures(path: Path, from_s: float, to_s: float, *, side: int = 224) -> Iterator[np.ndarray]:
    """Two pictures a second of a film, their short side `side`: uint8 (H, W, 3)."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        container.seek(int(from_s / stream.time_base), stream=stream)
        due_s = from_s
        for frame in container.decode(stream):
            if frame.time is None or frame.time < due_s:
                continue
            if frame.time >= to_s:
                return
            due_s += 1 / PICTURES_A_SECOND
            scale = side / min(frame.width, frame.height)
            yield frame.to_ndarray(
                format="rgb24", width=round(frame.width * scale), height=round(frame.height * scale)
            )


def _film_pictures(path: Path, eye: Eye) -> Iterator[np.ndarray]:
    """The film's first half in pieces of ten seconds: the middle as it is, and sides turned round."""
    frames = np.stack(list(pictures(path, 0, 298)))
    width = frames.shape[2]
    for left, turned in ((round((width - 224) / 2), False), (0, True), (width - 224, False)):
        view = frames[:, :224, left : left + 224]
        logits = eye(view[:, :, ::-1] if turned else view)
        yield from np.array_split(logits, len(logits) // 20)


def _textures(rng: Rng, count: int) -> np.ndarray:
    """Gradients, blotches and grain in any colour, moving slowly: walls, skies, floors out of focus."""
    coarse = int(rng.integers(2, 24))
    grid = rng.uniform(0, 255, (coarse, coarse, 3)) * rng.uniform(0.2, 1.0)
    tint = rng.uniform(0, 255, 3)
    grid = grid * rng.uniform(0.1, 0.9) + tint * (1 - rng.uniform(0.1, 0.9))
    whole = resized(np.clip(grid, 0, 255).astype(np.uint8), 260).astype(float)
    frames = []
    for step in range(count):
        at = int(36 * step / count)
        frame = whole[at : at + 224, :224] + rng.normal(0, rng.uniform(0, 12), (224, 224, 1))
        frames.append(np.clip(frame, 0, 255).astype(np.uint8))
    return np.stack(frames)


def _photo_crops(rng: Rng, place: Path, eye: Eye) -> Iterator[tuple[str, np.ndarray]]:
    """Each photo as a slow ride over it, several times."""
    for path in material.photos(place):
        with av.open(str(path)) as container:
            image = next(container.decode(video=0)).to_ndarray(format="rgb24")
        height, width = image.shape[:2]
        for _ in range(8):
            side = int(min(height, width) * rng.uniform(0.6, 1.0))
            x, y = (int(rng.integers(0, size - side + 1)) for size in (width, height))
            frames = []
            for step in range(6):
                left = min(width - side, x + step * 2)
                crop = resized(image[y : y + side, left : left + side], 224)
                frame = crop * rng.uniform(0.6, 1.2) + rng.normal(0, 4, (224, 224, 1))
                frames.append(np.clip(frame, 0, 255).astype(np.uint8))
            yield PHOTO_NAMES.get(path.stem, ""), eye(np.stack(frames))


def resized(image: np.ndarray, side: int) -> np.ndarray:
    """A square of `side` pixels. Shape: uint8 (h, w, 3) -> (side, side, 3)."""
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
    return frame.reformat(width=side, height=side, interpolation="BICUBIC").to_ndarray()
