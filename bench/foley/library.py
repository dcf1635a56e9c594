"""Does a picture find its own sound in a library, and does a sound fall on what is seen?

A folder of pictures and sounds in pairs (thing.png, thing.ogg, thing.txt, as Tux Paint has them) is a library
of which each picture should find its own sound: by the names of the files, and with their captions; by words
alone, by what words mean, and by what sounds are like. Moments are found in rendered scenes, whose hits are
known. Tux Paint is GPL: for measuring only.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import av
import numpy as np

from bench.captions.events import fetch as fetch_pairs
from models.data import scenes
from otio_avassist import bundles, features, laying, library, moments, sounds, windows
from otio_avassist.errors import BundleError, MediaError
from otio_avassist.generator import shown
from otio_avassist.library import Library, Networks, Sound

SPOKEN = "_desc"
"""In names of spoken words."""
NOT_THINGS = "symbols"
"""Folder of letters, flags and the like."""
RANKS = (1, 5)
SCENES = 40
NEAR_S = 0.08
"""A moment this near to a hit is that hit's: two frames."""
KINDS = ("bounce", "hammer", "flash")
"""Scenes in which something sharp is to be seen."""


@dataclass(frozen=True)
class Pair:
    """A picture, its sound, and what is written of both."""

    picture: Path
    sound: Path
    caption: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("library")
    group.add_argument("--pairs", type=Path, metavar="DIR", help="of pictures and sounds by one name")
    group.add_argument("--fetch-pairs", action="store_true", help="bring Tux Paint's into that folder first")


def lacking(asked: argparse.Namespace) -> str:
    if asked.pairs is None:
        return "name a folder of pictures and sounds: --pairs DIR (--fetch-pairs brings Tux Paint's, 161 MB)"
    return ""


def measure(asked: argparse.Namespace) -> tuple[dict[str, Any], bool]:
    """(figures, whether pictures find their sounds far better than by chance, and hits are found in time)"""
    if asked.fetch_pairs:
        fetch_pairs(argparse.Namespace(sounds=[asked.pairs]))
    found = _moments()
    try:
        eye = bundles.open_bundle(bundles.find("efficientnet-lite0"), device="cpu")
    except BundleError as error:
        print(f"pictures find no sounds: {error}")
        return {"moments": found}, False
    pairs = list(_pairs(asked.pairs))
    figures = _retrieval(pairs, eye, library.networks("cpu"))
    best = max(row["R@5"] for row in figures["rows"].values())
    reached = best > 10 * RANKS[1] / max(1, len(pairs)) and found["bounce"]["off_ms"] <= 40
    return {"moments": found, "retrieval": figures}, reached


# A picture's own sound


def _pairs(folder: Path) -> Iterator[Pair]:
    for sound in sorted(folder.rglob("*.ogg")):
        picture, text = sound.with_suffix(".png"), sound.with_suffix(".txt")
        if SPOKEN in sound.stem or NOT_THINGS in sound.parts or not (picture.is_file() and text.is_file()):
            continue
        try:
            if windows.read_sound(windows.Stretch(sound, 0.0, 1.0), rate=sounds.RATE).any():
                caption = text.read_text(encoding="utf-8", errors="replace").splitlines()[0]
                yield Pair(picture, sound, caption)
        except MediaError:
            continue


def _retrieval(pairs: Sequence[Pair], eye: bundles.Bundle, using: Networks) -> dict[str, Any]:
    asked = [_shown(eye, pair.picture) for pair in pairs]
    heard = [_heard(pair.sound, using) for pair in pairs]
    rows = {}
    print(
        f"{len(pairs)} pictures, each looks for its own sound; by chance R@1 is {1 / max(1, len(pairs)):.3f}"
    )
    for written, captioned in (("file names", False), ("names and captions", True)):
        known = [_sound(pair, captioned, ear, using) for pair, ear in zip(pairs, heard, strict=True)]
        ways = {"words": _blind(known, read=False, heard=False)}
        if using.reader:
            ways["words and meaning"] = _blind(known, read=True, heard=False)
        if using.ear:
            ways["words and ear"] = _blind(known, read=False, heard=True)
        if using.reader and using.ear:
            ways["all"] = known
        for way, each in ways.items():
            shelf = Library(Path(), tuple(each), reader=using.reader)
            rows[f"{way}, by {written}"] = _ranks([shelf.relevance(wanted) for wanted in asked])
    for name, row in rows.items():
        print(f"{name:40} " + "  ".join(f"{key} {value:.2f}" for key, value in row.items()))
    return {"pictures": len(pairs), "rows": rows}


def _shown(eye: bundles.Bundle, picture: Path) -> Mapping[str, float]:
    """What a picture is of, as words."""
    with av.open(str(picture)) as container:
        frame = next(container.decode(video=0)).to_ndarray(format="rgba").astype(np.float32)
    clear = frame[..., 3:] / 255
    colours = frame[..., :3] * clear + 255 * (1 - clear)
    side = max(colours.shape[:2])
    square = np.full((side, side, 3), 255, np.uint8)
    top, left = (side - colours.shape[0]) // 2, (side - colours.shape[1]) // 2
    square[top : top + colours.shape[0], left : left + colours.shape[1]] = colours
    small = av.VideoFrame.from_ndarray(square, format="rgb24").reformat(224, 224, interpolation="AREA")
    logits = eye["main"](frames=features.efficientnet_floats(small.to_ndarray(format="rgb24")[None]))[
        "logits"
    ][0]
    beliefs = np.exp(logits - logits.max())
    return dict(shown(beliefs / beliefs.sum(), [str(each) for each in eye.card.classes]))


def _heard(path: Path, using: Networks) -> np.ndarray | None:
    duration_s = min(windows.probe(path).duration_s or 0.0, library.LISTEN_S)
    samples = windows.read_sound(windows.Stretch(path, 0.0, duration_s), rate=sounds.RATE)
    return library.hear(samples, using.ear) if using.ear else None


def _sound(pair: Pair, captioned: bool, heard: np.ndarray | None, using: Networks) -> Sound:
    kind: laying.Kind = "hits"
    sound = Sound(pair.sound, pair.sound.stem, pair.caption if captioned else "", 1.0, kind, heard)
    return replace(sound, read=library.read([sound.text], using.reader)[0]) if using.reader else sound


def _blind(known: Sequence[Sound], *, read: bool, heard: bool) -> list[Sound]:
    """The same without what some networks told."""
    return [
        replace(each, read=each.read if read else None, heard=each.heard if heard else None) for each in known
    ]


def _ranks(relevance: Sequence[np.ndarray]) -> dict[str, float]:
    """Of each picture's own sound; among equals it stands in their middle."""
    places = np.array(
        [(row > row[own]).sum() + ((row == row[own]).sum() - 1) / 2 + 1 for own, row in enumerate(relevance)]
    )
    return {
        **{f"R@{rank}": float((places <= rank).mean()) for rank in RANKS},
        "median": float(np.median(places)),
    }


# Moments


def _moments() -> dict[str, dict[str, float]]:
    """Hits of rendered scenes that are found, how many of the moments are hits, and how far off they are."""
    print(f"moments in {SCENES} rendered scenes of each kind, one thing that moves and nothing else")
    rows = {}
    for kind in KINDS:
        recipe = replace(scenes.EASY, kinds=(kind,))
        true = found = 0
        off_s: list[float] = []
        for seed in range(SCENES):
            scene = scenes.render(seed, recipe)
            said = [each.at_s for each in moments.find(moments.Stopping()(scene.frames), scenes.FPS)]
            hits_s = [at_s for at_s in scene.strikes_s if at_s > 0.1]
            off_s += _matched(said, hits_s)
            true, found = true + len(hits_s), found + len(said)
        row = {
            "hits": true,
            "recall": len(off_s) / true,
            "precision": len(off_s) / max(1, found),
            "off_ms": float(np.median(np.abs(off_s))) * 1000,
            "late_ms": float(np.median(off_s)) * 1000,
        }
        rows[kind] = row
        print(f"{kind:8} " + "  ".join(f"{key} {value:.2f}" for key, value in row.items()), flush=True)
    return rows


def _matched(found_s: Sequence[float], true_s: Sequence[float]) -> list[float]:
    """How late each hit that is found is found, one to one, nearest first."""
    pairs = sorted((abs(said - hit), said, hit) for said in found_s for hit in true_s)
    off, used_said, used_hits = [], set(), set()
    for far_s, said, hit in pairs:
        if far_s <= NEAR_S and said not in used_said and hit not in used_hits:
            used_said.add(said)
            used_hits.add(hit)
            off.append(said - hit)
    return off
