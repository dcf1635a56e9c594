"""Bundles that tests make up: one hears whistles and hums, sees red and green, and says so; the other makes
foley of what it sees, whistles where red shows and hums where green does.

Their graphs are functions of numpy that can be worked out by hand, behind the card and the names that real
ones have. And films of plain colours and tones, of which it tells the truth.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from heapq import merge
from pathlib import Path
from typing import Any

import av
import numpy as np

from otio_avassist.bundles import Card, Graph

WORDS = (
    "<unk>", "<pad>", "<s>", "</s>", "a", "whistle", "hum", "sounds", "while", "red", "green", "shows",
    "something", "hello",
)  # fmt: skip
TOKEN = {word: token for token, word in enumerate(WORDS)}
HUM_HZ, WHISTLE_HZ = 300.0, 3000.0
RED, GREEN, BLACK = (200, 0, 0), (0, 200, 0), (0, 0, 0)

NUMBERS: dict[str, Any] = {
    "start": 2, "end": 3, "pad": 1, "unknown": 0, "pad_value": 1.0, "max_words": 12,
    "chapter_s": 120.0,
    "streams": {
        "audio": {"extractor": "yamnet", "output": "logits", "step_s": 0.48, "length_s": 0.96, "width": 2},
        "video": {
            "extractor": "efficientnet-lite0", "output": "logits", "step_s": 0.5, "length_s": 0.5, "width": 3,
        },
    },
    "names": [TOKEN[word] for word in ("whistle", "hum", "red", "green")],
    "sure": 0.6,
    "proposals": {"stream": "log-mel"},
}  # fmt: skip


@dataclass
class Pretended:
    """Looks like `bundles.Bundle` to who asks it."""

    card: Card
    graphs: dict[str, Callable[..., dict[str, np.ndarray]]]
    needs: dict[str, Pretended] = field(default_factory=dict)
    sha256: str = "0" * 64
    device: str = "cpu"
    asked: list[str] = field(default_factory=list)
    """Names of graphs, as they were asked."""

    def __contains__(self, name: str) -> bool:
        return name in self.card.graphs

    def __getitem__(self, name: str) -> _Asked:
        return _Asked(self, name)


@dataclass
class _Asked:
    """Looks like `bundles.Model`."""

    of: Pretended
    name: str

    def __call__(self, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        assert inputs.keys() == self.of.card.graphs[self.name].inputs.keys()
        self.of.asked.append(self.name)
        return self.of.graphs[self.name](**inputs)

    def loop(self, batch: int, capacity: int) -> Any:
        """What is asked step by step is made anew for each loop."""
        self.of.asked.append(self.name)
        return self.of.graphs[self.name](batch, capacity)


def pretended(
    *,
    clarity: float = 1.0,
    graphs: Sequence[str] = ("encode", "step", "propose"),
    eats: Sequence[str] = ("audio", "video"),
    **numbers: Any,
) -> Pretended:
    """A bundle; `clarity` 1: as sure as can be, 0: it can't tell its names apart.

    Args:
        graphs: those that it has.
        eats: streams, "speech" among them.
        numbers: replace those of the card's preprocessing.
    """
    inputs = {name: ("batch", f"t_{name}", 2 if name == "audio" else 3) for name in eats if name != "speech"}
    if "speech" in eats:
        inputs["speech"] = ("batch", "t_speech")
    memories = {f"memory_{name}": ("batch", 3) for name in eats}
    every = {
        "encode": Graph("encode.onnx", "0" * 64, inputs, {**memories, "memory_unused": ("batch", 1)}),
        "step": Graph(
            "step.onnx", "0" * 64,
            {"token": ("batch",), "position": (1,), **memories, "past_0": ("batch", 1, "past", 1)},
            {"logits": ("batch", len(WORDS)), "present_0": ("batch", 1, "present", 1)},
        ),
        "propose": Graph(
            "propose.onnx", "0" * 64, {"log_mel": (1, "t", 64)}, {"proposals": (1, "n", 3)}
        ),
    }  # fmt: skip
    asked = {"encode": encode, "step": lambda **given: step(clarity, **given), "propose": propose}
    return Pretended(
        Card("captions", "pretended", "1", {name: every[name] for name in graphs}, NUMBERS | numbers, WORDS),
        {name: asked[name] for name in graphs},
        {
            "yamnet": _feature("yamnet", "log_mel", hear),
            "efficientnet-lite0": _feature("efficientnet-lite0", "frames", see),
        },
    )


def _feature(name: str, given: str, ask: Callable[..., dict[str, np.ndarray]]) -> Pretended:
    graph = Graph("main.onnx", "0" * 64, {given: ("n",)}, {"logits": ("n", 2)})
    return Pretended(Card(name, name, "1", {"main": graph}, {}), {"main": ask})


def hear(log_mel: np.ndarray) -> dict[str, np.ndarray]:
    """(n, 1, 96, 64) -> how much hums and how much whistles (n, 2)."""
    loud = np.exp(log_mel[:, 0]) - 0.001
    return {"logits": np.stack([loud[..., :32].mean(axis=(1, 2)), loud[..., 32:].mean(axis=(1, 2))], axis=1)}


def see(frames: np.ndarray) -> dict[str, np.ndarray]:
    """(n, 3, 224, 224) -> red, green and blue, 0 to 2 (n, 3)."""
    return {"logits": frames.mean(axis=(2, 3)) + 127 / 128}


def propose(log_mel: np.ndarray) -> dict[str, np.ndarray]:
    """Where it is louder than the middling loudness, for how long, and how surely."""
    [rows] = log_mel.max(axis=2) > np.median(log_mel) + 2
    edges = np.flatnonzero(np.diff(np.concatenate([[False], rows, [False]]).astype(int))).reshape(-1, 2) / 100
    found = [((start + end) / 2, end - start, 0.9) for start, end in edges]
    return {"proposals": np.array(found, np.float32).reshape(1, -1, 3)}


def encode(**streams: np.ndarray) -> dict[str, np.ndarray]:
    """What is there on the whole, without what is padded."""
    memory = {}
    for name, rows in streams.items():
        if name == "speech":
            there = (rows != 1)[..., None]
            rows = np.repeat((rows == TOKEN["hello"])[..., None], 3, axis=2).astype(np.float32)
        else:
            there = rows[:, :, :1] != 1.0
        mean = (rows * there).sum(axis=1) / there.sum(axis=1)
        memory[f"memory_{name}"] = np.pad(mean, ((0, 0), (0, 3 - mean.shape[1]))).astype(np.float32)
    return {**memory, "memory_unused": np.zeros((len(mean), 1), np.float32)}


def step(clarity: float, **given: np.ndarray) -> dict[str, np.ndarray]:
    """ "a whistle sounds while red shows", as far as it is heard and seen."""
    token, past = given["token"], given["past_0"]
    assert past.shape == (len(token), 1, int(given["position"][0]), 1), "the past holds all words before"
    logits = np.full((len(token), len(WORDS)), 1e-4)
    for row, last in enumerate(token):
        # Left out or silent: nothing is heard; of a sound, the part that whistles.
        hum, whistle, _ = given.get("memory_audio", np.zeros((len(token), 3)))[row]
        red, green, _ = given.get("memory_video", np.zeros((len(token), 3)))[row]
        says = given.get("memory_speech", np.zeros((len(token), 3)))[row, 0]
        hears, sees = hum + whistle > 1e-4, red + green > 0.3
        wins = {
            "<s>": {
                "a" if hears else "red" if red > green and sees else "green" if sees else "something": 1.0
            },
            "a": _two("whistle", "hum", whistle - hum, clarity if hears else 0.0),
            "sounds": {"while" if sees else "</s>": 1.0},
            "while": _two("red", "green", red - green, clarity if sees else 0.0),
            "red": {"shows": 1.0},
            "green": {"shows": 1.0},
            "shows": {"hello" if says else "</s>": 1.0},
            "hello": {"</s>": 1.0},
            "something": {after_something(past[row]): 1.0},
        }.get(WORDS[last], {"sounds": 1.0})
        if WORDS[last] == "<s>" and sees and not hears:
            wins = _two("red", "green", red - green, clarity)
        for word, value in wins.items():
            logits[row, TOKEN[word]] = value
    logits = np.log(logits / logits.sum(axis=1, keepdims=True))
    present = np.concatenate([past, token.astype(np.float32)[:, None, None, None]], axis=2)
    return {"logits": logits.astype(np.float32), "present_0": present}


def after_something(past: np.ndarray) -> str:
    before = {WORDS[int(token)] for token in past.ravel()}
    return "shows" if "while" in before or "a" not in before else "sounds"


def _two(one: str, other: str, difference: float, clarity: float) -> dict[str, float]:
    """Two names, and the word that is left where neither may be said."""
    likely = 0.5 + 0.45 * clarity * np.sign(difference)
    return {one: likely, other: 1 - likely, "something": 0.4}


def paint(
    path: Path,
    pictures: Sequence[tuple[tuple[int, int, int], float]] = (),
    sounds: Sequence[tuple[float | None, float]] = (),
    *,
    fps: int = 12,
    size: tuple[int, int] = (96, 64),
) -> Path:
    """Write a film: (colour, seconds) after one another, and (tone in Hz or None, seconds)."""
    with av.open(str(path), "w") as container:
        feeds = []
        if pictures:
            video = container.add_stream("libx264", rate=fps, options={"preset": "ultrafast", "g": "12"})
            video.width, video.height, video.pix_fmt = *size, "yuv420p"
            feeds.append((video, _frames(pictures, fps, size)))
        if sounds:
            audio = container.add_stream("flac" if path.suffix == ".mkv" else "pcm_s16le", rate=16000)
            audio.layout = "mono"
            feeds.append((audio, _tones(sounds)))
        for packet in merge(
            *(_packets(*feed) for feed in feeds), key=lambda each: (each.dts or 0) * each.time_base
        ):
            container.mux(packet)
    return path


def _packets(stream, frames):
    for frame in frames:
        yield from stream.encode(frame)
    yield from stream.encode(None)


def _frames(pictures: Sequence[tuple[tuple[int, int, int], float]], fps: int, size: tuple[int, int]):
    number = 0
    for colour, seconds in pictures:
        picture = np.broadcast_to(np.array(colour, np.uint8), (size[1], size[0], 3))
        for _ in range(round(seconds * fps)):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, fps)
            number += 1
            yield frame


def _tones(sounds: Sequence[tuple[float | None, float]]):
    parts = [
        np.zeros(round(seconds * 16000))
        if hertz is None
        else 0.3 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * 16000)) / 16000)
        for hertz, seconds in sounds
    ]
    samples = (np.concatenate(parts) * 32767).astype(np.int16)
    for at in range(0, len(samples), 1600):
        part = np.ascontiguousarray(samples[None, at : at + 1600])
        frame = av.AudioFrame.from_ndarray(part, format="s16", layout="mono")
        frame.sample_rate, frame.time_base, frame.pts = 16000, Fraction(1, 16000), at
        yield frame


def with_streams(bundle: Pretended, **streams: dict[str, Any]) -> Pretended:
    """The same, with streams of its card changed."""
    numbers = dict(bundle.card.preprocessing)
    numbers["streams"] = {name: each | streams.get(name, {}) for name, each in numbers["streams"].items()}
    return replace(bundle, card=replace(bundle.card, preprocessing=numbers))


# A foley bundle: it whistles where red shows, and hums where green does.

SOUNDS = ("whistle", "hum")
ROWS, COLUMNS, CODES = 2, 8, 4
COLUMN = 16 * 256
"""Samples of a column of codes: a part of `COLUMNS` lasts 1.49 s."""
FOLEY_NUMBERS: dict[str, Any] = {
    "sample_rate": 22050, "hop": 256, "mels": 80, "rows": ROWS, "columns": COLUMNS, "codes": CODES,
    "frames_per_column": 16, "mel_frames": 16 * COLUMNS, "capacity": 3 + ROWS * COLUMNS,
    "features": {
        "extractor": "efficientnet-lite0", "output": "logits", "step_s": 0.5, "count": 2, "width": 3,
        "pick": "resample",
    },
    "sampling": {"temperature": 1.0, "top_k": 2},
    "class_token": True,
    "sees": {"whistle": [0], "hum": [1]},
    "sure": 0.5,
    "words": {"whistle": ["whistling"], "hum": ["drone"]},
}  # fmt: skip


def pretended_foley(
    *,
    graphs: Sequence[str] = ("condition", "step", "decode", "encode", "vocode", "hear"),
    **numbers: Any,
) -> Pretended:
    """A bundle of two sounds.

    Args:
        graphs: those that it has.
        numbers: of its card, instead of those that are usual.
    """
    past = {f"past_{each}_0": ("batch", 1, "capacity", 1) for each in ("key", "value")}
    present = {name.replace("past", "present"): shape for name, shape in past.items()}
    prefix, codes = {"prefix": ("batch", "p", 4)}, {"codes": ("batch", "columns", ROWS)}
    mel = {"mel": ("batch", 80, "frames")}
    every = {
        "condition": ({"features": ("batch", "n", 3), "class": ("batch",)}, prefix, foley_condition),
        "step": (
            {**prefix, "codes": ("batch", "t"), "past_length": (1,), **past},
            {"scores": ("batch", CODES), **present},
            None,
        ),
        "decode": (codes, mel, foley_decode),
        "encode": (mel, codes, foley_encode),
        "vocode": (mel, {"samples": ("batch", "samples")}, foley_vocode),
        "hear": (mel, {"heard": ("batch", len(SOUNDS))}, foley_hear),
    }
    cards = {
        name: Graph(f"{name}.onnx", "0" * 64, dict(given), dict(got))
        for name, (given, got, _) in every.items()
        if name in graphs
    }
    colours = _feature("efficientnet-lite0", "frames", see)
    words = Graph("main.onnx", "0" * 64, {"frames": ("n", 3, 224, 224)}, {"logits": ("n", 3)})
    colours.card = replace(colours.card, graphs={"main": words}, classes=("rose, red flower", "grass", "sky"))
    return Pretended(
        Card("foley", "pretended foley", "1", cards, FOLEY_NUMBERS | numbers, SOUNDS),
        {name: every[name][2] or FoleyLoop for name in cards},
        {"efficientnet-lite0": colours},
    )


def foley_condition(**given: np.ndarray) -> dict[str, np.ndarray]:
    """A row a picture, its last number 0, and a row that tells the class in its first, its last number 1."""
    pictures = np.pad(given["features"], ((0, 0), (0, 0), (0, 1)))
    wanted = np.zeros((len(pictures), 1, 4), np.float32)
    wanted[:, 0, 0], wanted[:, 0, 3] = given["class"], 1
    return {"prefix": np.concatenate([pictures, wanted], axis=1)}


class FoleyLoop:
    """Codes 0 and 1 of a whistle, 2 and 3 of a hum, one as likely as the other."""

    def __init__(self, batch: int, capacity: int) -> None:
        self.batch, self.capacity = batch, capacity
        self.length = 0
        self.wanted = np.zeros(batch, np.int64)

    def __call__(self, *, prefix: np.ndarray, codes: np.ndarray) -> np.ndarray:
        if not self.length:
            assert prefix.shape[1], "something must stand before the first code"
            told = prefix[:, -1, 3] == 1
            self.wanted = np.where(told, prefix[:, -1, 0], prefix[:, 0, 1] > prefix[:, 0, 0]).astype(int)
        self.length += prefix.shape[1] + codes.shape[1]
        assert self.length <= self.capacity
        assert len(prefix) == len(codes) == self.batch
        scores = np.full((self.batch, CODES), -9.0, np.float32)
        for row, sound in enumerate(self.wanted):
            scores[row, 2 * sound : 2 * sound + 2] = 0
        return scores


BANDS = (60, 50, 20, 10)
"""The band of a spectrogram that each code lights."""


def foley_decode(codes: np.ndarray) -> dict[str, np.ndarray]:
    batch, columns, rows = codes.shape
    mel = np.full((batch, 80, 16 * columns), 0.2, np.float32)
    for code, band in enumerate(BANDS):
        for row in range(rows):
            lit = np.repeat(codes[:, :, row] == code, 16, axis=1)
            mel[:, band + row, :][lit] = 0.8
    return {"mel": mel}


def foley_encode(mel: np.ndarray) -> dict[str, np.ndarray]:
    tiles = mel.reshape(len(mel), 80, -1, 16).mean(axis=3)
    found = [
        np.stack([tiles[:, band + row] for band in BANDS], axis=-1).argmax(axis=-1) for row in range(ROWS)
    ]
    return {"codes": np.stack(found, axis=-1)}


def foley_vocode(mel: np.ndarray) -> dict[str, np.ndarray]:
    """A tone for every band that is lit."""
    at_s = np.arange(256 * mel.shape[2]) / 22050
    samples = np.zeros((len(mel), len(at_s)))
    for band in (band + row for band in BANDS for row in range(ROWS)):
        lit = np.repeat(mel[:, band] > 0.5, 256, axis=1)
        samples += 0.2 * lit * np.sin(2 * np.pi * 60 * band * at_s)
    return {"samples": samples.astype(np.float32)}


def foley_hear(mel: np.ndarray) -> dict[str, np.ndarray]:
    high, low = (mel[:, bands].mean(axis=(1, 2)) for bands in (slice(40, 80), slice(0, 40)))
    whistles = np.clip(0.5 + 20 * (high - low), 0.01, 0.99)
    return {"heard": np.log(np.stack([whistles, 1 - whistles], axis=1)).astype(np.float32)}
