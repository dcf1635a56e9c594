"""Real sounds, speech and pictures that scenes for sync are made of, sorted by what makes such a sound.

In: the free recordings that `models.captions.compact.material` and `models.foley.compact.material` fetch,
words spoken by eSpeak NG, and stills. Out: a `Bank`: mono float32 sounds at 16 kHz under the role they can
play, with the moment of their blow; sentences with the mouth that says them; pictures as backgrounds. Knows
no scene.
"""

from __future__ import annotations

import ctypes
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import av
import cv2
import numpy as np

from models.captions.compact import material as spoken
from models.data import noises
from models.data.noises import RATE, Rng
from models.foley.compact import material as struck

MOUTH_RATE = 100
"""Values a second of a mouth's curves."""
STILL_HEIGHT, STILL_WIDTH = 216, 288
"""Pixels of a background: twice a scene's, so that a camera can move over it."""
FILM_UNTIL_S = 290.0
"""Stills of Big Buck Bunny are from before that; what comes after stays unseen, for measuring."""
SPOKEN = 220
"""Sentences that are said."""

RELEASES = (*struck.RELEASES, spoken.SOUNDFONT, spoken.ESPEAK, spoken.FILM, spoken.PHOTOS)

ROLES = {
    "wood": "default_dig_choppy*|knock|elec_wood|Xylophone*|Marimba*|xylofon*|doors_fencegate_close"
    "|perc_snap*|default_hard_footstep*|default_tool_breaks.3|card_flip|perc_door|default_chest_close",
    "metal": "default_dug_metal*|default_dig_metal|default_metal_footstep*|default_place_node_metal*"
    "|metal_hit|drum_cowbell|Cow Bell*|perc_bell*|elec_bong|elec_bell|elec_ping|money1|Steel Drum*"
    "|Glocken*|elec_triangle|fire_flint_and_steel|lock|perc_impact*|Celesta*",
    "glass": "default_break_glass*|default_ice_*|doors_glass_door_close|elec_plip|elec_tick|money2",
    "stone": "default_dig_cracky*|default_gravel_d*|default_gravel_dug*|default_dig_snappy|player_damage"
    "|default_sand_footstep*|bd_boom|perc_till",
    "drum": "bd_*|drum_bass_*|drum_heavy_kick|drum_tom_*|Std Kick*|Power Kick*|Room Kick*|RmPwr*|Taiko*"
    "|Long Taiko*|Orch Bass Drum*|*Studio*|tabla_ghe*|tabla_tun*|elec_hollow_kick|elec_soft_kick"
    "|elec_fuzz_tom",
    "snare": "drum_snare_*|sn_*|Std Snr*|Snr *|Brush Snr*|Orch Snare*|tabla_ke*|tabla_na*|tabla_te*"
    "|tabla_re|elec_snare|elec_*_snare|Piccolo 1-*",
    "cymbal": "drum_cymbal_*|drum_splash_*|China*|Ride*|Crsh*|Splash*|BellRide*|elec_cymbal",
    "step": "default_hard_footstep*|default_metal_footstep*|default_snow_footstep*"
    "|default_sand_footstep*|default_gravel_d*|default_ice_footstep*|icy_walk",
    "door": "doors_*close|doors_fencegate_close|default_chest_close|perc_door",
    "creak": "doors_*open|default_chest_open|doors_fencegate_open",
    "key": "default_tool_breaks.1|elec_tick|elec_flip|default_dig_cracky*|tabla_te_m|tabla_ke*|elec_blip"
    "|perc_snap*|card_flip",
    "bang": "tnt_explode|Gun*|bd_boom|perc_impact*|bass_hit_c|elec_filt_snare"
    "|Orch Bass Drum*",
    "splash": "perc_swash|elec_blup",
    "whoosh": "ambi_swoosh|perc_swoosh|ambi_dark_woosh|brush|eraser|perc_swash|vinyl_scratch",
    "bark": "dog|misc_crow|misc_burp|duck|Gun|sheep|pig",
    "animal": "dog|cat|cow|sheep|pig|duck|horse|chickens|owl|misc_crow",
    "bowed": "Violin*|Cello*|Viola*|Strings*|Bowed Glass*|harm*|Pop*|Accordian*",
    "sung": "Soprano*|Alto*|Tenor*|Baritone*|Ohh Voices*|SynthVz*",
    "blown": "Flute*|Piccolo C*|Piccolo A*|Oboe*|Clarinet*|English Horn*|Bagpipe*|Sbrass*|Brass*"
    "|*Bassoon*|pan flute*|whistle|shakhchi*|tp_*|Muted*",
    "plucked": "Slap Bass*|Banjo*|Picked Bass*|Finger Bass*|Jazz Guitar*|Steel E*|Steel B*|Steel A*"
    "|Steel D*|Steel G*|Pizz*|sitar*|dulci*|Shamisen*|guit_harmonics|Harpsichord*|Distortion*",
    "piano": "piano *|Rhodes*|EP 2*|ambi_piano|Clavinet*",
    "burning": "fire_*|tnt_gunpowder*|default_furnace*",
    "water": "default_water_footstep*|env_sounds_water*|canal*|water_fill|xdecor*",
    "motor": "helicopter|Heli|car|default_furnace_active|env_sounds_lava*",
    "music": "loop_*|guit_em9|guit_e_fifths|ambi_*|bass_*",
}  # fmt: skip
"""Role -> names of recordings, as they are written on file."""

STRIKING = ("wood", "metal", "glass", "stone", "drum", "snare", "cymbal")
"""Roles that a blow can have."""


@dataclass(frozen=True)
class Blow:
    """A recording and where in it the blow falls."""

    samples: np.ndarray
    """float32 (N,), peak 1."""
    onset: int
    """The sample at which it is struck; what sounds before comes before the blow."""


@dataclass(frozen=True)
class Said:
    """A sentence, and the mouth that says it."""

    samples: np.ndarray
    """float32 (N,), peak 1."""
    opened: np.ndarray
    """(n,) at `MOUTH_RATE`: 0 lips together to 1 wide open, when each sound is made."""
    rounded: np.ndarray
    """(n,): 0 spread to 1 rounded."""


@dataclass(frozen=True)
class Bank:
    """All that scenes are made of."""

    blows: dict[str, tuple[Blow, ...]]
    """By role; none of `ROLES` is empty."""
    said: tuple[Said, ...]
    stills: tuple[np.ndarray, ...]
    """uint8 (`STILL_HEIGHT`, `STILL_WIDTH`, 3)."""

    def blow(self, rng: Rng, *roles: str) -> Blow:
        """One of these roles' recordings; each role as likely as the others."""
        held = self.blows[roles[rng.integers(len(roles))]]
        return held[rng.integers(len(held))]


def load(place: Path) -> Bank:
    """The bank of what is fetched into `place`; kept there for the next time.

    Raises:
        RuntimeError: something can't be fetched, or isn't the pinned release.
    """
    place.mkdir(parents=True, exist_ok=True)
    blows: dict[str, list[Blow]] = {role: [] for role in ROLES}
    for name, samples in _recordings(place):
        for role, names in ROLES.items():
            if any(fnmatch(name, each) for each in names.split("|")):
                blows[role].append(Blow(samples, onset(samples)))
    return Bank(
        {role: tuple(found) for role, found in blows.items()},
        tuple(_said(place)),
        tuple(_stills(place)),
    )


def invented(seed: int = 0) -> Bank:
    """A bank without anything fetched: drawn noises and textures. For tests, and where no registry is."""
    rng = np.random.default_rng(seed)
    blows = {
        role: tuple(Blow(noises.impact(rng), 0) for _ in range(3))
        if role in (*STRIKING, "step", "door", "key", "bang", "splash", "bark", "plucked", "piano")
        else tuple(Blow(_lasting(rng), 0) for _ in range(2))
        for role in ROLES
    }
    return Bank(blows, tuple(_mumbled(rng) for _ in range(4)), tuple(_texture(rng) for _ in range(4)))


def onset(samples: np.ndarray) -> int:
    """Where a recording is struck: its loudest rise within the part before its loudest moment."""
    hop = RATE // 500
    level = np.sqrt(np.square(np.resize(samples, (max(2, len(samples) // hop), hop))).mean(1))
    first = int(np.argmax(level >= 0.35 * level.max()))
    return first * hop


# Sounds


def _recordings(place: Path) -> Iterator[tuple[str, np.ndarray]]:
    """(name, samples) of all recordings, at `RATE`."""
    seen = set()
    for sound in spoken.sounds(place):
        if sound.source != spoken.ESPEAK.package:
            seen.add(sound.name)
            yield sound.name, sound.samples
    for recording in struck.recordings(place):
        if recording.name not in seen:
            samples = spoken._resampled(recording.samples, struck.RATE)
            yield recording.name, samples / (np.abs(samples).max() + 1e-9)


def _lasting(rng: Rng) -> np.ndarray:
    noise = noises.coloured(
        rng, 3 * RATE, low_hz=rng.uniform(80, 400), high_hz=rng.uniform(1000, 6000), tilt=0.5
    )
    return (noise / np.abs(noise).max()).astype(np.float32)


# Speech

WORDS = (
    "morning river paper mother open apple window seven people better follow mountain about always "
    "banana remember table garden summer moment welcome father bottle number problem company money "
    "village maybe tomorrow beautiful animal family yellow open over under before behind between above "
    "below never ever every home room more warm farm boat coat road row show follow hollow pillow map "
    "pump bump lamp stamp baby puppy poppy paper pepper people purple bubble marble temple simple "
    "double humble possible probably I you we they it was were will would could should must may might "
    "can cannot have had has and but so then the a this that these those my your our their what who "
    "where why how when one two three four five six ten go come make take move blow flow grow know talk "
    "walk call fall run jump laugh cry stop start wait look see"
)
VOICES = ("en-us", "en-gb", "en-gb-scotland", "de", "fr", "es", "it", "pt", "nl", "sv", "pl", "ro")
VARIANTS = ("", "+m1", "+m2", "+m3", "+m4", "+m5", "+m6", "+m7", "+f1", "+f2", "+f3", "+f4", "+f5")

OPENNESS = (
    (("a", "A", "0", "V", "&"), 1.0, 0.15),
    (("o", "O", "Q"), 0.7, 0.8),
    (("e", "E", "3", "@", "I2", "y"), 0.55, 0.2),
    (("u", "U", "w", "W"), 0.3, 1.0),
    (("i", "I", "j"), 0.35, 0.0),
    (("m", "b", "p"), 0.0, 0.2),
    (("f", "v"), 0.08, 0.1),
    (("S", "Z", "r", "R", "tS", "dZ"), 0.25, 0.6),
    (("h", "x"), 0.45, 0.2),
    (("_",), 0.03, 0.2),
)  # fmt: skip
"""First letters of eSpeak's names of sounds -> how far the lips are apart, how round they are."""
OTHERWISE = (0.25, 0.15)


class _Event(ctypes.Structure):
    """As in eSpeak NG's speak_lib.h."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("unique", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user", ctypes.c_void_p),
        ("name", ctypes.c_char * 8),
    )


def _said(place: Path) -> list[Said]:
    """Sentences of random words by many voices; kept in `place`."""
    kept = place / "said.npz"
    if not kept.exists():
        found = list(_speak(place))
        part = kept.with_suffix(".part.npz")
        np.savez(
            part,
            samples=np.concatenate([each.samples for each in found]).astype(np.float16),
            ends=np.cumsum([len(each.samples) for each in found]),
            mouths=np.concatenate([np.stack([each.opened, each.rounded], 1) for each in found]).astype(
                np.float16
            ),
            mouth_ends=np.cumsum([len(each.opened) for each in found]),
        )
        part.replace(kept)
    with np.load(kept) as held:
        samples = np.split(held["samples"].astype(np.float32), held["ends"][:-1])
        mouths = np.split(held["mouths"].astype(np.float32), held["mouth_ends"][:-1])
        return [Said(each, mouth[:, 0], mouth[:, 1]) for each, mouth in zip(samples, mouths, strict=True)]


def _speak(place: Path, seed: int = 7) -> Iterator[Said]:
    wheel = spoken.fetch(spoken.ESPEAK, place)
    folder = place / "espeak"
    if not folder.exists():
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
    library = min(folder.rglob("libespeak-ng.so*"))
    (data,) = (each for each in folder.rglob("espeak-ng-data") if each.is_dir())
    engine = ctypes.CDLL(str(library))
    parts: list[np.ndarray] = []
    sounds: list[tuple[int, str]] = []
    kind = ctypes.CFUNCTYPE(
        ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
    )

    def heard(samples: ctypes._Pointer, count: int, events: ctypes._Pointer) -> int:
        if count > 0:
            parts.append(np.ctypeslib.as_array(samples, (count,)).astype(np.float32) / 32768)
        index = 0
        while events and events[index].type != 0:
            if events[index].type == 7:  # a sound of speech begins
                sounds.append((events[index].sample, events[index].name.decode("utf-8", "replace")))
            index += 1
        return 0

    callback = kind(heard)
    rate = engine.espeak_Initialize(2, 0, str(data.parent).encode(), 1)  # 1: tell of each sound
    if rate <= 0:
        raise RuntimeError(f"{wheel.name}: eSpeak NG can't read its data in {data}")
    engine.espeak_SetSynthCallback(callback)
    rng = np.random.default_rng(seed)
    for _ in range(SPOKEN):
        parts.clear()
        sounds.clear()
        voice = VOICES[rng.integers(len(VOICES))] + VARIANTS[rng.integers(len(VARIANTS))]
        words = rng.choice(WORDS.split(), rng.integers(5, 14))
        text = (
            ", ".join(" ".join(each) for each in np.array_split(words, rng.integers(1, 4))).encode() + b"\0"
        )
        if engine.espeak_SetVoiceByName(voice.encode()):
            continue
        engine.espeak_SetParameter(1, int(rng.integers(120, 210)), 0)  # words a minute
        engine.espeak_SetParameter(3, int(rng.integers(25, 80)), 0)  # pitch
        engine.espeak_SetParameter(4, int(rng.integers(30, 90)), 0)  # how lively
        engine.espeak_Synth(text, len(text), 0, 1, 0, 1, None, None)
        engine.espeak_Synchronize()
        if parts:
            yield _with_mouth(np.concatenate(parts), rate, sounds)


def _with_mouth(samples: np.ndarray, rate: int, sounds: list[tuple[int, str]]) -> Said:
    heard = spoken._resampled(samples, rate)
    heard = heard / (np.abs(heard).max() + 1e-9)
    count = len(heard) * MOUTH_RATE // RATE
    opened, rounded = np.full(count, 0.03), np.full(count, 0.2)
    starts = [round(at / rate * MOUTH_RATE) for at, _ in sounds] + [count]
    for (_, name), start, stop in zip(sounds, starts[:-1], starts[1:], strict=True):
        opened[start:stop], rounded[start:stop] = shape_of(name)
    return Said(heard.astype(np.float32), opened, rounded)


def shape_of(name: str) -> tuple[float, float]:
    """How far apart and how round the lips are at a sound of speech, by eSpeak's name of it."""
    for starts, apart, round_ in OPENNESS:
        if name.lstrip("',%=").startswith(starts):
            return apart, round_
    return OTHERWISE if name else (0.03, 0.2)


def _mumbled(rng: Rng) -> Said:
    starts_s = np.cumsum(rng.uniform(0.18, 0.4, 8))
    ends_s = starts_s + rng.uniform(0.1, 0.17, 8)
    count = round((ends_s[-1] + 0.2) * RATE)
    samples = noises.speech(rng, starts_s, ends_s, np.ones(8), count)
    at_s = np.arange(count * MOUTH_RATE // RATE) / MOUTH_RATE
    inside = (at_s[:, None] - starts_s) / (ends_s - starts_s)
    opened = np.where((inside > 0) & (inside < 1), np.sin(np.pi * np.clip(inside, 0, 1)), 0).max(1)
    return Said(samples / np.abs(samples).max(), opened, np.full(len(at_s), 0.3))


# Pictures


def _stills(place: Path) -> list[np.ndarray]:
    """Photos and stills of a film; kept in `place`."""
    kept = place / "stills.npz"
    if not kept.exists():
        found = [*_photos(place), *_film_stills(place)]
        part = kept.with_suffix(".part.npz")
        np.savez_compressed(part, stills=np.stack(found))
        part.replace(kept)
    with np.load(kept) as held:
        return list(held["stills"])


def _photos(place: Path) -> Iterator[np.ndarray]:
    """Each photo, whole and in pieces."""
    for path in spoken.photos(place):
        picture = cv2.imread(str(path))
        if picture is None or min(picture.shape[:2]) < 200:
            continue
        picture = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
        yield _filled(picture)
        height, width = picture.shape[:2]
        for top, left in ((0, 0), (0, width // 2), (height // 2, 0), (height // 2, width // 2)):
            yield _filled(picture[top : top + height // 2, left : left + width // 2])


def _film_stills(place: Path, every_s: float = 2.5) -> Iterator[np.ndarray]:
    with av.open(str(spoken.film(place))) as container:
        stream = container.streams.video[0]
        stream.codec_context.skip_frame = "NONKEY"
        next_s = 10.0
        for frame in container.decode(stream):
            if frame.time is None or frame.time < next_s:
                continue
            if frame.time > FILM_UNTIL_S:
                return
            next_s = frame.time + every_s
            yield _filled(frame.to_ndarray(format="rgb24"))


def _filled(picture: np.ndarray) -> np.ndarray:
    """Its middle, in the size of a background."""
    height, width = picture.shape[:2]
    scale = max(STILL_HEIGHT / height, STILL_WIDTH / width)
    size = max(STILL_WIDTH, round(width * scale)), max(STILL_HEIGHT, round(height * scale))
    resized = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    top, left = (size[1] - STILL_HEIGHT) // 2, (size[0] - STILL_WIDTH) // 2
    return np.ascontiguousarray(resized[top : top + STILL_HEIGHT, left : left + STILL_WIDTH])


def _texture(rng: Rng) -> np.ndarray:
    picture = np.full((STILL_HEIGHT, STILL_WIDTH, 3), rng.uniform(40, 200, 3), np.float32)
    for cells in (3, 8, 20, 60):
        noise = rng.normal(0, 90 / cells**0.5, (cells, cells, 3)).astype(np.float32)
        picture += cv2.resize(noise, (STILL_WIDTH, STILL_HEIGHT), interpolation=cv2.INTER_CUBIC)
    return np.clip(picture, 0, 255).astype(np.uint8)
