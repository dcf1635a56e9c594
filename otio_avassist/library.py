"""A folder of an editor's own sounds -> the one that fits, found by words and by ear. Knows no timeline.

A file is known by its name, its folders and its tags; by what it sounds like where the network `aisfx` is
fetched; by what its words mean where `minilm` is. What was learnt of a file is kept by its content in the
user's cache, so that a folder is listened to once. A file that can't be read is passed over, and said.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from otio_avassist import bundles, laying, signals, sounds, windows, wordpiece
from otio_avassist.errors import BundleError, MediaError, OutputError, UsageError
from otio_avassist.media import content_key, opened
from otio_avassist.progress import Progress, silent
from otio_avassist.whole import replacing
from otio_avassist.wording import LIGHT

if TYPE_CHECKING:
    from otio_avassist.bundles import Bundle

SUFFIXES = frozenset(
    (
        ".aif",
        ".aiff",
        ".bwf",
        ".caf",
        ".flac",
        ".m4a",
        ".mp3",
        ".oga",
        ".ogg",
        ".opus",
        ".w64",
        ".wav",
        ".wave",
    )
)
TAGS = ("title", "description", "comment", "keywords", "genre", "category", "subcategory")
"""What sound libraries write into their files."""
FOLDERS = 3
"""So many folders above a file tell what it is."""
LISTEN_S = 30.0
"""More of a file is not heard by the index."""
LAID_S = 300.0
"""Nor more of it laid."""
NEAR = 0.6
"""A sound whose relevance is such a share of the best one's is another take of it."""
BY_EAR = 0.3
"""How much of a relevance what a sound is like says, where it can be told; words say the rest."""
MODEL_SOUNDS = 3
"""So many best sounds by words say what a sound should be like."""
FORMAT = 1
"""Of the cache."""

Wanted = Mapping[str, float]
"""Words, or synonyms with commas between -> how much they are meant, 0 to 1: `{"cock, rooster": 0.9}`."""


@dataclass(frozen=True)
class Sound:
    """One file of a library."""

    path: Path
    name: str
    """Of the file, without its suffix."""
    around: str
    """Its folders and tags."""
    duration_s: float
    kind: laying.Kind
    heard: np.ndarray | None = field(default=None, repr=False, compare=False)
    """What it sounds like, (512,)."""
    read: np.ndarray | None = field(default=None, repr=False, compare=False)
    """What its words mean, (384,)."""

    @property
    def text(self) -> str:
        """All that is written of it."""
        return " ".join(filter(None, [_spaced(self.name), self.around]))


@dataclass(frozen=True)
class Match:
    """A sound of the library for a shot."""

    sound: Sound
    relevance: float
    """0 to 1."""


@dataclass(frozen=True)
class Networks:
    """What helps to find a sound, as far as it is fetched."""

    ear: Bundle | None = None
    """`aisfx`."""
    reader: Bundle | None = None
    """`minilm`."""


def networks(device: str = "auto") -> Networks:
    """Those that are on this machine."""
    found: dict[str, Bundle | None] = {}
    for name in ("aisfx", "minilm"):
        try:
            found[name] = bundles.open_bundle(bundles.find(name), device=device)
        except BundleError:
            found[name] = None
    return Networks(found["aisfx"], found["minilm"])


@dataclass(frozen=True)
class Library:
    """What is in a folder, and what couldn't be read of it."""

    folder: Path
    sounds: tuple[Sound, ...]
    passed_over: tuple[tuple[Path, str], ...] = ()
    """(file, why)."""
    reader: Bundle | None = field(default=None, repr=False, compare=False)

    def relevance(self, wanted: Wanted) -> np.ndarray:
        """How well each sound is what is wanted, 0 to 1. Shape: (sounds,)."""
        if not self.sounds or not wanted:
            return np.zeros(len(self.sounds))
        said = np.array([worded(wanted, each.name, each.around) for each in self.sounds])
        if self.reader is not None and all(each.read is not None for each in self.sounds):
            rows = np.stack([each.read for each in self.sounds if each.read is not None])
            said = np.maximum(said, _meant(wanted, rows, self.reader))
        return self._by_ear(said)

    def best(self, wanted: Wanted, count: int = 1, *, least: float = 0.3) -> list[Match]:
        """The best sounds, best first: at most `count`, all near the best one, none below `least`."""
        relevance = self.relevance(wanted)
        order = sorted(range(len(relevance)), key=lambda at: (-relevance[at], str(self.sounds[at].path)))
        top = float(relevance[order[0]]) if order else 0.0
        return [
            Match(self.sounds[at], float(relevance[at]))
            for at in order[:count]
            if relevance[at] >= max(least, NEAR * top)
        ]

    def _by_ear(self, said: np.ndarray) -> np.ndarray:
        """Words, mended by what the best sounds by words sound like."""
        if any(each.heard is None for each in self.sounds) or len(self.sounds) <= MODEL_SOUNDS:
            return said
        rows = _unit(_centred(np.stack([each.heard for each in self.sounds if each.heard is not None])))
        models = np.argsort(-said, kind="stable")[:MODEL_SOUNDS]
        weights = said[models] ** 2
        if not weights.any():
            return said
        like = np.clip(rows @ (weights @ rows[models] / weights.sum()), 0, 1)
        return (1 - BY_EAR) * said + BY_EAR * like * said.max()


def lay(match: Match, moments: laying.Moments, duration_s: float, seed: int) -> np.ndarray:
    """One take of a match, as long as its shot: float32 mono at `sounds.RATE`; another seed, another take.

    Raises:
        MediaError: its file can't be read any more.
    """
    length_s = min(match.sound.duration_s, LAID_S)
    samples = windows.read_sound(windows.Stretch(match.sound.path, 0.0, length_s), rate=sounds.RATE)
    return laying.lay(samples, moments, duration_s, seed)


# Words


def worded(wanted: Wanted, name: str, around: str = "") -> float:
    """How well what is written of a sound says what is wanted, 0 to 1."""
    own, near = _stems(_spaced(name)), _stems(around)
    said = (max(_fits(each, own, near) for each in words.split(",")) for words in wanted)
    return _weighed(said, wanted)


def _weighed(fits: Iterable[Any], wanted: Wanted) -> Any:
    """What is meant more counts more; where more than one thing is surely meant, they share what there is."""
    total = sum(fit * weight for fit, weight in zip(fits, wanted.values(), strict=True))
    return total / max(1.0, sum(wanted.values()))


def _fits(phrase: str, own: Sequence[str], near: Sequence[str]) -> float:
    """0 to 1: how much of a phrase is among the words of a file; its last word counts twice."""
    stems = _stems(phrase)
    if not stems:
        return 0.0
    weights = [1.0] * (len(stems) - 1) + [2.0]
    found = [max(_among(stem, own), 0.8 * _among(stem, near)) for stem in stems]
    share = sum(weight * each for weight, each in zip(weights, found, strict=True)) / sum(weights)
    # Of two files that say it, the one that says less besides.
    spare = 1 - min(1.0, sum(_among(stem, stems) for stem in own) / max(1, len(own)))
    return share * (1 - 0.1 * spare)


def _among(stem: str, stems: Sequence[str]) -> float:
    if stem in stems:
        return 1.0
    # footstep, doorbell: a part that is a word of its own.
    parts = (each for each in stems if min(len(each), len(stem)) >= 4)
    return 0.7 if any(each.endswith(stem) or stem.endswith(each) for each in parts) else 0.0


def _spaced(name: str) -> str:
    """DoorWood_slam-02 -> door wood slam."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    return " ".join(re.findall(r"[^\W\d_]+", words)).lower()


def _stems(text: str) -> list[str]:
    return [_stem(word) for word in _spaced(text).split() if word not in LIGHT and len(word) > 1]


def _stem(word: str) -> str:
    """barking, barks, barked -> bark: crude, and the same on both sides."""
    for end in ("ing", "ed", "es", "s"):
        if word.endswith(end) and len(word) - len(end) >= 3 and not word.endswith("ss"):
            word = word[: -len(end)]
            break
    if len(word) > 3 and word[-1] == word[-2]:  # slam, slamming
        word = word[:-1]
    return word.removesuffix("e") if len(word) > 3 else word


def _meant(wanted: Wanted, rows: np.ndarray, reader: Bundle) -> np.ndarray:
    """How near what is meant is to what is written of each sound, 0 to 1. Shape: (sounds,)."""
    asked = (read([each.strip() for each in words.split(",")], reader) for words in wanted)
    # Squared: words that have nothing in common are still a little alike.
    return _weighed((np.maximum(rows @ each.T, 0).max(axis=1) ** 2 for each in asked), wanted)


def read(texts: Sequence[str], reader: Bundle) -> np.ndarray:
    """What texts mean, by `minilm`: rows of length 1. Shape: (texts, 384)."""
    vocabulary = {str(word): at for at, word in enumerate(reader.card.classes)}
    each = [wordpiece.tokens(text, vocabulary) for text in texts]
    ids = np.zeros((len(each), max(map(len, each), default=0)), np.int64)
    mask = np.zeros_like(ids)
    for row, known in enumerate(each):
        ids[row, : len(known)], mask[row, : len(known)] = known, 1
    return reader["main"](ids=ids, mask=mask)["meaning"]


# The index


def index(
    folder: Path, using: Networks | None = None, *, cache: Path | None = None, progress: Progress = silent
) -> Library:
    """Look into a folder and all its folders.

    Args:
        folder: of sounds.
        using: networks that help to find them; None: those that are on this machine.
        cache: where what is learnt is kept; None: in the user's folder for it.
        progress: told files done, files in all, and the name of one; may raise CancelledError, and what was
            learnt until then is kept.

    Raises:
        UsageError: it isn't a folder.
    """
    if not folder.is_dir():
        raise UsageError(
            f"{folder}: wanted a folder of sounds, there is {'a file' if folder.exists() else 'none'}"
        )
    using = networks() if using is None else using
    paths = [each for each in sorted(folder.rglob("*")) if _is_sound(each, folder)]
    kept = _Kept.of(folder, using, cache or user_cache())
    found: list[Sound] = []
    passed_over: list[tuple[Path, str]] = []
    try:
        for number, path in enumerate(paths):
            progress(number, len(paths), path.name)
            try:
                found.append(kept.sound(path, folder))
            except MediaError as error:
                passed_over.append((path, str(error)))
        progress(len(paths), len(paths), "")
    finally:
        kept.save()
    return Library(folder, tuple(found), tuple(passed_over), using.reader)


def user_cache() -> Path:
    """Where programs keep what they can make again, by the custom of the system."""
    if sys.platform == "win32":
        home = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        home = Path.home() / "Library" / "Caches"
    else:
        home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home, "otio-avassist", "libraries")


def _is_sound(path: Path, folder: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
    return path.suffix.lower() in SUFFIXES and not hidden and path.is_file()


@dataclass
class _Kept:
    """What is known of files by their content, and of texts by themselves."""

    path: Path
    using: Networks
    facts: dict[str, dict] = field(default_factory=dict)
    heard: dict[str, np.ndarray] = field(default_factory=dict)
    read: dict[str, np.ndarray] = field(default_factory=dict)
    new: bool = False

    @classmethod
    def of(cls, folder: Path, using: Networks, cache: Path) -> _Kept:
        hashes = [each.sha256 if each else "" for each in (using.ear, using.reader)]
        name = hashlib.sha256("\n".join([str(FORMAT), str(folder.resolve()), *hashes]).encode()).hexdigest()
        kept = cls(cache / f"{name[:32]}.npz", using)
        # What can't be read is made anew.
        with (
            suppress(OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile),
            np.load(kept.path) as held,
        ):
            said = json.loads(str(held["facts"]))
            heard, read_rows = held["heard"], held["read"]
            kept.facts = dict(said["files"])
            kept.heard = dict(zip(said["heard"], heard, strict=True))
            kept.read = dict(zip(said["read"], read_rows, strict=True))
        return kept

    def sound(self, path: Path, folder: Path) -> Sound:
        key = content_key(path)
        if key not in self.facts:
            self.new = True
            self.facts[key], heard = _listen(path, self.using.ear)
            if heard is not None:
                self.heard[key] = heard
        facts = self.facts[key]
        folders = path.relative_to(folder).parent.parts[-FOLDERS:]
        around = " ".join([*(_spaced(each) for each in folders), facts["tags"]]).strip()
        sound = Sound(path, path.stem, around, facts["duration_s"], facts["kind"], self.heard.get(key))
        return replace(sound, read=self._meaning(sound.text)) if self.using.reader else sound

    def _meaning(self, text: str) -> np.ndarray:
        assert self.using.reader is not None
        if text not in self.read:
            self.new = True
            self.read[text] = read([text], self.using.reader)[0]
        return self.read[text]

    def save(self) -> None:
        """A folder that can't be written costs time, not the answer."""
        if not self.new:
            return
        facts = json.dumps({"files": self.facts, "heard": list(self.heard), "read": list(self.read)})
        with suppress(OutputError, OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(self.path) as temporary:
                np.savez(
                    temporary, facts=np.array(facts), heard=_rows(self.heard), read=_rows(self.read)
                )  # fmt: skip


def _rows(held: Mapping[str, np.ndarray]) -> np.ndarray:
    return np.stack(list(held.values())).astype(np.float32) if held else np.zeros((0, 0), np.float32)


def _listen(path: Path, ear: Bundle | None) -> tuple[dict, np.ndarray | None]:
    """What a file says of itself, and what it sounds like."""
    duration_s = windows.probe(path).duration_s or 0.0
    samples = windows.read_sound(windows.Stretch(path, 0.0, min(duration_s, LISTEN_S)), rate=laying.RATE)
    if not samples.any():
        raise MediaError(f"{path.name}: silent throughout")
    with opened(path) as container:
        tags: dict[str, str] = {}
        for told in (*(stream.metadata for stream in container.streams.audio), container.metadata):
            tags |= {key.lower(): str(value)[:200] for key, value in told.items()}
    said = " ".join(dict.fromkeys(_spaced(tags[each]) for each in TAGS if tags.get(each)))
    facts = {"duration_s": duration_s, "kind": laying.kind_of(samples), "tags": said}
    return facts, hear(samples, ear) if ear is not None else None


def hear(samples: np.ndarray, ear: Bundle) -> np.ndarray:
    """What a sound is like, by `aisfx`: the mean over its blocks. Shape: (N,) at `sounds.RATE` -> (512,)."""
    rows = signals.aisfx_log_mel(
        np.concatenate(list(sounds.resampled(samples, sounds.RATE, signals.AISFX_RATE)))
    )
    return ear["main"](log_mel=signals.aisfx_blocks(rows))["embedding"].mean(axis=0)


def alike(one: np.ndarray, other: np.ndarray) -> float:
    """0 to 1: how much alike two sounds are by `aisfx`."""
    return float(np.clip(_unit(one[None])[0] @ _unit(other[None])[0], 0, 1))


def _centred(rows: np.ndarray) -> np.ndarray:
    return rows - rows.mean(axis=0)


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / (np.linalg.norm(rows, axis=1, keepdims=True) + 1e-9)
