"""Films of seconds and a cut of them that the command finds an answer for, quickly and without a network.

Each picture has a sound of its own and lies over a recorder's file that is out of step with it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import opentimelineio as otio
from opentimelineio.opentime import RationalTime, TimeRange

from tests.material import film

FPS = 25
LONG_S = 4.0
USED_S = 2.4
EARLY_S = {"first": 0.4, "last": 0.2, "victim": -0.2}
"""How early each recorder's sound is, by the name of its shot. What is spoilt stands last: nothing after it
moves when it becomes longer."""
HEALTHY = ("first", "last")


def make_media(folder: Path) -> Path:
    """`NAME.mp4` and `NAME.wav` for each shot; the same bytes wherever they are made."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, early_s in EARLY_S.items():
        film(folder / f"{name}.mp4", seconds=LONG_S, fps=FPS, layout="mono", rate=16000)
        film(
            folder / f"{name}.wav", seconds=LONG_S, early_s=early_s, picture=False, layout="mono", rate=16000
        )
    return folder


def a_cut(media: Path, names: tuple[str, ...] = tuple(EARLY_S)) -> otio.schema.Timeline:
    """Pictures one after the other, each over its recorder's sound."""
    timeline = otio.schema.Timeline("cut", global_start_time=RationalTime(3600 * FPS, FPS))
    timeline.tracks.name = "cut"
    for kind, suffix in (("Video", "mp4"), ("Audio", "wav")):
        clips = [_clip(media / f"{name}.{suffix}", group) for group, name in enumerate(names, start=1)]
        timeline.tracks.append(otio.schema.Track(f"{kind[0]}1", clips, kind=kind))
    return timeline


def _clip(path: Path, group: int) -> otio.schema.Clip:
    reference = otio.schema.ExternalReference(str(path), _range(0, LONG_S))
    return otio.schema.Clip(
        path.name, reference, _range(0.8, USED_S), metadata={"Resolve_OTIO": {"Link Group ID": group}}
    )


def a_rich_cut(media: Path) -> otio.schema.Timeline:
    """The same, and around one shot all that a timeline may hold."""
    cut = a_cut(media)
    victim = cut.tracks[0][2]
    victim.markers.append(otio.schema.Marker("look", _range(1.5, 1), "RED"))
    victim.effects.append(otio.schema.Effect("blur", "Blur"))
    nested = otio.schema.Stack("compound", [otio.schema.Track("inner", [victim.clone()], kind="Video")])
    still = otio.schema.Clip(
        "title", otio.schema.GeneratorReference("title", "SolidColor", parameters={"size": 12}), _range(0, 1)
    )
    frames = otio.schema.ImageSequenceReference(
        str(media), "shot.", ".png", 1, 1, FPS, 4, available_range=_range(0, 2)
    )
    warped = otio.schema.Clip(
        "fast", otio.schema.ExternalReference(str(media / "victim.mp4"), _range(0, LONG_S)), _range(0, 1)
    )
    warped.effects.append(otio.schema.LinearTimeWarp("fast", 2.0))
    half = RationalTime(5, FPS)
    extra = [
        nested, still, otio.schema.Clip("frames", frames, _range(0, 1)),
        otio.schema.Transition("dissolve", "SMPTE_Dissolve", half, half), warped,
        otio.schema.Clip("offline", otio.schema.MissingReference(), _range(0, 1)),
    ]  # fmt: skip
    cut.tracks.append(otio.schema.Track("V2", extra, kind="Video"))
    cut.tracks.markers.append(otio.schema.Marker("begin", _range(0, 1), "GREEN"))
    cut.metadata["editor"] = {"names": ["a", "b"], "nested": {"deep": 1.5}}
    return cut


def _range(start_s: float, duration_s: float) -> TimeRange:
    return TimeRange(RationalTime(round(start_s * FPS), FPS), RationalTime(round(duration_s * FPS), FPS))


def findings(report: Path) -> dict[str, Any]:
    """What a report says of each shot, by the name of its sound: how early, how, and what was done.

    Raises:
        ValueError: it isn't strict JSON.
    """

    def refuse(word: str) -> None:
        raise ValueError(f"{report.name} says {word}, which isn't JSON")

    held = json.loads(report.read_text(encoding="utf-8"), parse_constant=refuse)
    return {
        Path(each["media"]).stem: (each["audio_early_s"], each["method"], each["applied"])
        for each in held["findings"]
        if each["task"] == "sync"
    }
