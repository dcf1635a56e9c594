"""Does a marker name what is there, and does one name what isn't? On the clips of a folder with a manifest.

The manifest lists clips with `words`, any of which in a caption names what is heard or seen. Each clip goes
the whole road as a timeline of one shot; then again without its picture and without its sound; and beside
them stands a template that says YAMNet's and EfficientNet-lite0's likeliest labels in as many markers: both
in each marker, and the surer one of the two alone.
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np

from otio_avassist import bundles, features, files, pipeline, windows
from otio_avassist.errors import AvAssistError, BundleError
from otio_avassist.findings import CaptionFinding

MOST_MARKERS = 6
TEMPLATES = {"template": 2, "one label": 1}
"""Labels in a marker."""
GOAL_NAMED = 11 / 16
LABELLERS = {
    "audio": features.Stream("yamnet", 0.48, 0.96, 521, output="logits"),
    "video": features.Stream("efficientnet-lite0", 0.5, 0.5, 1000, output="logits"),
}


@dataclass(frozen=True)
class Marker:
    at_s: float
    text: str
    """All that it says."""
    carried_by: str = ""
    confidence: float = 0.0


@dataclass(frozen=True)
class Judged:
    """What is said of one clip, held against the manifest."""

    markers: tuple[Marker, ...]
    named: bool
    wrong: tuple[str, ...]
    """Words of other clips that are said here."""

    @property
    def wrong_markers(self) -> int:
        return sum(any(_says(each.text, word) for word in self.wrong) for each in self.markers)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("clips")
    group.add_argument("--only", metavar="A,B", help="these rows: ours, ear, eye, template, one label")


def lacking(asked: argparse.Namespace) -> str:
    if not (asked.clips / "manifest.json").is_file():
        return f"{asked.clips}: no manifest.json here: --clips DIR"
    return ""


def measure(asked: argparse.Namespace) -> tuple[dict[str, Any], bool]:
    """(figures, whether the goals are reached)."""
    entries = json.loads((asked.clips / "manifest.json").read_text("utf-8"))["clips"]
    entries = [entry for entry in entries if (asked.clips / entry["file"]).is_file()]
    every = {entry["file"]: entry["words"] for entry in entries}
    template, rows = (
        _Template(),
        asked.only.split(",") if asked.only else ["ours", "ear", "eye", "template", "one label"],
    )
    judged: dict[str, dict[str, Judged]] = {row: {} for row in rows}
    for name, words in every.items():
        print(f"\n{name}: {', '.join(words)}")
        said: dict[str, Sequence[Marker]] = {}
        with tempfile.TemporaryDirectory() as folder:
            for row in rows:
                if row in TEMPLATES:
                    count = len(said["ours"]) if "ours" in said else MOST_MARKERS // 2
                    said[row] = template.markers(asked.clips / name, count, TEMPLATES[row])
                else:
                    said[row] = _ours(asked, _part(asked.clips / name, row, Path(folder)))
                judged[row][name] = _judge(said[row], words, every)
                _show(row, judged[row][name])
    figures = {row: _figures(each) for row, each in judged.items()}
    _table(figures)
    return {"rows": figures, "clips": _plain(judged)}, _reached(figures, len(every))


def _part(path: Path, row: str, folder: Path) -> Path:
    """The clip itself, or a copy of its sound alone or its picture alone, stream by stream as it is."""
    if row == "ours":
        return path
    # The same name: nothing but the missing stream is to make a difference.
    copy = folder / row / f"{path.stem}.mkv"
    copy.parent.mkdir()
    with av.open(str(path)) as source, av.open(str(copy), "w") as target:
        streams = source.streams.audio if row == "ear" else source.streams.video
        pairs = {each.index: target.add_stream_from_template(each) for each in streams[:1]}
        for packet in source.demux(list(streams[:1])):
            if packet.dts is not None:
                packet.stream = pairs[packet.stream.index]
                target.mux(packet)
    return copy


def _ours(asked: argparse.Namespace, path: Path) -> list[Marker]:
    settings = pipeline.Settings(tasks=("captions",), bundle=asked.bundle)
    try:
        report = pipeline.assist(files.read(str(path)), settings).report
    except BundleError as error:
        raise SystemExit(str(error)) from error
    except AvAssistError as error:
        print(f"  {error}")
        return []
    if report.skipped:
        print("  " + "; ".join(each.reason for each in report.skipped))
    found = [line.finding for line in report.findings if isinstance(line.finding, CaptionFinding)]
    return [
        Marker(each.start_s, f"{each.name}: {each.text}", each.carried_by, each.confidence) for each in found
    ]


class _Template:
    """Labels as the feature networks give them."""

    def __init__(self) -> None:
        opened = {name: bundles.open_bundle(bundles.find(each.extractor)) for name, each in LABELLERS.items()}
        self._names = {name: each.card.classes for name, each in opened.items()}
        self._asks = {name: each["main"] for name, each in opened.items()}

    def markers(self, path: Path, count: int, labels: int) -> list[Marker]:
        """As many, over equal parts of the clip: what is heard and what is seen, the surer first."""
        info = windows.probe(path)
        whole = windows.Stretch(path, 0.0, info.duration_s or 0.0)
        fps, side = features.picture_grid(LABELLERS)
        coming = windows.blocks(
            whole if info.has_picture else None,
            whole if info.has_sound else None,
            fps=fps,
            side=side,
            rate=features.SOUND_RATE,
        )
        (chapter,) = features.chapters(coming, LABELLERS, self._asks, [(0.0, whole.duration_s)])
        part_s = whole.duration_s / max(1, count)
        found = []
        for number in range(count):
            said = []
            for stream, word in (("audio", "heard"), ("video", "seen")):
                rows = chapter.rows[stream]
                if len(rows.values):
                    logits = rows.crop(number * part_s, (number + 1) * part_s).mean(axis=0)
                    label, sure = int(np.argmax(logits)), _probability(stream, logits)
                    said.append((sure, f"{word}: {self._names[stream][label]}"))
            said.sort(reverse=True)
            found.append(Marker(number * part_s, "; ".join(text for _, text in said[:labels])))
        return found


def _probability(stream: str, logits: np.ndarray) -> float:
    """Of the likeliest: sounds are there or not, each by itself; a picture shows one thing."""
    top = float(logits.max())
    return 1 / (1 + np.exp(-top)) if stream == "audio" else float(1 / np.exp(logits - top).sum())


# Judging


def _judge(markers: Sequence[Marker], words: Sequence[str], every: Mapping[str, Sequence[str]]) -> Judged:
    others = {word for each in every.values() for word in each}
    foreign = [word for word in sorted(others) if not any(_akin(word, own) for own in words)]
    wrong = [word for word in foreign if any(_says(each.text, word) for each in markers)]
    named = any(word in each.text.lower() for each in markers for word in words)
    return Judged(tuple(markers), named, tuple(wrong))


def _akin(word: str, own: str) -> bool:
    """A word of another clip that is one of this clip's as well, or a part of it, or holds it."""
    return word in own or own in word or any({word, own} <= same for same in _SAME)


_SAME = ({"speech", "speak", "talk"},)
"""Forms of one word that share no letters' row: who speaks where there is speech says nothing wrong."""


def _says(text: str, word: str) -> bool:
    """Whether a text has this word in some form: a woman is no man, and a bassinet no bass."""
    return re.search(rf"\b{re.escape(word)}(?:[a-z]?(?:{_ENDINGS}))?\b", text.lower()) is not None


_ENDINGS = "e|s|es|ed|ing|er|ers|ic"
"""The manifest has stems too: athlet."""


def _figures(judged: Mapping[str, Judged]) -> dict[str, float]:
    count = len(judged)
    return {
        "clips": count,
        "named": sum(each.named for each in judged.values()),
        "with a false alarm": sum(bool(each.wrong) for each in judged.values()),
        "false markers": sum(each.wrong_markers for each in judged.values()),
        "markers": sum(len(each.markers) for each in judged.values()),
        "most markers": max((len(each.markers) for each in judged.values()), default=0),
    }


def _reached(figures: Mapping[str, Mapping[str, float]], clips: int) -> bool:
    if "ours" not in figures:
        return True
    ours = figures["ours"]
    goals = {
        f"names what is there in {GOAL_NAMED:.0%} of the clips": ours["named"] >= GOAL_NAMED * clips - 1e-9,
        f"at most {MOST_MARKERS} markers a clip": ours["most markers"] <= MOST_MARKERS,
    }
    if (plain := figures.get("template")) is not None:
        goals["names more than the template, and less that isn't there"] = (
            ours["named"] >= plain["named"]
            and ours["false markers"] <= plain["false markers"]
            and (ours["named"], ours["false markers"]) != (plain["named"], plain["false markers"])
        )
    for goal, reached in goals.items():
        print(f"{goal}: {'yes' if reached else 'NO'}")
    return all(goals.values())


def _show(row: str, judged: Judged) -> None:
    verdict = "named" if judged.named else "not named"
    wrong = f"; false: {', '.join(judged.wrong)}" if judged.wrong else ""
    print(f"  {row}: {verdict}{wrong}", flush=True)
    for each in judged.markers:
        sure = f" ({each.carried_by}, {each.confidence:.2f})" if each.carried_by else ""
        print(f"    {each.at_s:5.1f} s  {each.text}{sure}")


def _table(figures: Mapping[str, Mapping[str, float]]) -> None:
    columns = ("named", "with a false alarm", "false markers", "markers", "most markers")
    print(f"\n{'':10}" + "".join(f"{each:>20}" for each in columns))
    for row, each in figures.items():
        print(f"{row:10}" + "".join(f"{each[column]:20}" for column in columns))


def _plain(judged: Mapping[str, Mapping[str, Judged]]) -> dict[str, Any]:
    return {
        row: {
            name: {
                "named": each.named,
                "false": list(each.wrong),
                "markers": [marker.__dict__ for marker in each.markers],
            }
            for name, each in by_clip.items()
        }
        for row, by_clip in judged.items()
    }
