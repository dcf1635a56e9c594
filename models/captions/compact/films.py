"""Films composed in the space of features: who is heard when and what is seen is known, and how plainly.

In: the bank, and a seed. Out: rows of YAMNet's and EfficientNet-lite0's logits, and a sentence. There are
no free recordings of dogs, but what a dog does to the last layer of both networks is known from its
weights; what real sounds and pictures of nothing in particular do, from the bank. Named real sounds and
photos are mixed in.

What the sentence says depends on how plainly the logits show what is there: what is plain gets its name, what
isn't a more general one, what hardly shows none. Much shows that isn't there: both networks call things by
names wherever one points them, and those films say nothing of it. So the
probability of a word that is learnt here
is that of being right, as far as composed films are like real ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.captions.compact import grammar, lexicon
from models.captions.compact.bank import LENGTH_S, PICTURES_A_SECOND, STEP_S, Bank, Clip
from models.captions.compact.grammar import Described, Sounding
from models.data.noises import Rng

COMMON = {
    "speech": 14, "music": 10, "singing": 3, "laughter": 3, "child speech": 3, "shout": 2, "baby cry": 3,
    "crowd": 3, "applause": 3, "cheering": 3, "footsteps": 5, "dog": 4, "cat": 3, "bird": 5, "water": 4,
    "rain": 2, "wind": 3, "waterfall": 2, "stream": 2, "sea": 3, "car": 4, "engine": 5, "vehicle": 3,
    "traffic": 3, "train": 2, "motorcycle": 2, "aeroplane": 2, "siren": 3, "horn": 2, "door": 3,
    "knock": 2, "telephone": 2, "guitar": 4, "piano": 4, "drums": 4, "percussion": 3, "violin": 3,
    "cello": 2, "double bass": 2, "hand drum": 2, "strings": 2, "tools": 3, "hammer": 3, "saw": 2,
    "machine": 2, "impact": 3, "thud": 3, "gunshot": 2, "fireworks": 2, "explosion": 2, "glass": 2,
    "fire": 2, "bell": 2, "horse": 2, "chicken": 2, "insect": 2, "children": 2,
}  # fmt: skip
"""How often things are heard; all others once."""
EVERYWHERE = (
    "music",
    "speech",
    "vehicle",
    "animal",
    "sound",
    "insect",
    "machine",
    "wind",
    "water",
    "door",
    "singing",
)
"""What YAMNet hears in anything."""


@dataclass(frozen=True)
class Film:
    """A film in features, and what is to be said of it."""

    audio: np.ndarray
    """float32 (n, 521); one row of zeros where there is no sound."""
    video: np.ndarray
    """float32 (m, 1000); one row of zeros where there is no picture."""
    text: str
    scene: Described
    truth: tuple[tuple[str, ...], tuple[str, ...]]
    """Keys of what is really heard and seen, said or not."""


@dataclass(frozen=True)
class _Acting:
    key: str
    times: int
    activity: np.ndarray
    """(n,) by row, 0 to 1."""
    start_s: float
    end_s: float


class Composer:
    """Composes films out of a bank."""

    def __init__(self, bank: Bank, class_names: Sequence[str]) -> None:
        self.bank = bank
        self.heard_keys, self.seen_keys = lexicon.heard_keys(), lexicon.seen_keys()
        self._heard_group = lexicon.heard_groups(class_names)
        self._seen_group = lexicon.seen_groups()
        self._heard_members = _members(self._heard_group)
        self._seen_members = _members(self._seen_group)
        self._heard_chosen = _chosen(self._heard_group, len(self.heard_keys))
        self._seen_chosen = _chosen(self._seen_group, len(self.seen_keys))
        weights = np.array([COMMON.get(key, 1) for key in self.heard_keys], float)
        self._heard_share = weights / weights.sum()
        self._seen_row = {key: row for row, key in enumerate(self.seen_keys)}
        self._heard_row = {key: row for row, key in enumerate(self.heard_keys)}
        self._under_heard = _descendants(self.heard_keys, lexicon.heard())
        self._under_seen = _descendants(self.seen_keys, lexicon.seen())
        self._heard_shape = _shapes(bank.heard_ties)
        self._seen_shape = _shapes(bank.seen_ties)
        self._clips_by_key: dict[str, list[Clip]] = {}
        for clip in bank.clips:
            self._clips_by_key.setdefault(clip.key, []).append(clip)
        self._clip_keys = list(self._clips_by_key)
        weights = np.array([COMMON.get(key, 1) for key in self._clip_keys], float)
        self._clip_share = weights / weights.sum()

    def film(self, seed: int | Sequence[int], longest_s: float = 25.0) -> Film:
        """The film of this seed, no longer than that: the same on every run."""
        rng = np.random.default_rng(seed)
        short = rng.random() < 0.35
        shares = (0.3, 2.5) if short else (2.5, longest_s)
        length_s = np.exp(rng.uniform(*np.log(shares)))
        rows, pictures = max(1, round(length_s / STEP_S)), max(1, round(length_s * PICTURES_A_SECOND))
        streams = rng.choice(3, p=[0.8, 0.1, 0.1])
        audio, acting = self._sound(rng, rows)
        heard_keys = [each.key for each in acting]
        video, visible = self._picture(rng, pictures, heard_keys if streams == 0 else [])
        if streams == 1:
            video, visible = np.zeros((1, lexicon.SEEN_CLASSES), np.float32), []
        if streams == 2:
            audio, acting = np.zeros((1, lexicon.HEARD_CLASSES), np.float32), []
        scene = self._describe(rng, audio, acting, video, visible)
        text = grammar.sentence(scene, rng)
        truth = tuple(each.key for each in acting), tuple(visible)
        return Film(audio.astype(np.float32), video.astype(np.float32), text, scene, truth)

    # Sound

    def _sound(self, rng: Rng, rows: int) -> tuple[np.ndarray, list[_Acting]]:
        count = rng.choice(4, p=[0.2, 0.45, 0.26, 0.09])
        if count and rng.random() < 0.3:
            return self._real_sound(rng, rows)
        logits, acting = self._bed(rng, rows)
        for _ in range(count):
            each = self._acting(rng, rows)
            logits = self._add(rng, logits, each)
            acting.append(each)
        for _ in range(rng.poisson(1.3)):
            logits = self._mistaken(rng, logits)
        noise = rng.normal(0, 0.5, logits.shape) + rng.normal(0, 0.6, logits.shape[1])
        return logits + noise, acting

    def _bed(self, rng: Rng, rows: int) -> tuple[np.ndarray, list[_Acting]]:
        if rng.random() < 0.25:
            first = int(rng.integers(max(1, len(self.bank.track) - rows)))
            logits = np.resize(self.bank.track[first : first + rows], (rows, lexicon.HEARD_CLASSES))
        else:
            bed = self.bank.beds[rng.integers(len(self.bank.beds))]
            at = int(rng.integers(len(bed)))
            logits = np.take(bed, np.arange(at, at + rows), axis=0, mode="wrap")
        # Nobody wrote down what a film sounds like; and noise sounds like water, wind or rain, which it is
        # mostly where it is met: what YAMNet is sure of throughout is taken for true.
        levels = self.heard_evidence(logits).mean(0)
        sure = [int(row) for row in np.argsort(-levels)[:2] if levels[row] > 0.3]
        return logits.copy(), [
            _Acting(self.heard_keys[row], 0, np.ones(rows), 0.0, rows * STEP_S) for row in sure
        ]

    def _acting(self, rng: Rng, rows: int) -> _Acting:
        key = self.heard_keys[rng.choice(len(self.heard_keys), p=self._heard_share)]
        end_s = rows * STEP_S
        middles_s = np.arange(rows) * STEP_S + LENGTH_S / 2
        if rows < 4 or rng.random() < 0.5:
            activity = np.clip(rng.normal(0.85, 0.2, rows), 0.3, 1.0)
            if rows >= 4 and rng.random() < 0.5:
                start, stop = np.sort(rng.uniform(0, end_s, 2))
                inside = (middles_s > start) & (middles_s < stop + LENGTH_S)
                if inside.any():
                    return _Acting(key, 0, activity * inside, float(start), float(stop))
            return _Acting(key, 0 if rows > 3 else 1, activity, 0.0, end_s)
        times = int(rng.choice([1, 1, 1, 2, 2, 3, 4, 5, 6]))
        times = max(1, min(times, int(end_s / 1.6)))
        starts_s = np.sort(rng.uniform(0, max(0.1, end_s - 0.5), times))
        starts_s = np.maximum.accumulate(
            starts_s + 1.5 * np.arange(times) * (np.diff(starts_s, prepend=-9) < 1.5)
        )
        lasts_s = rng.uniform(0.2, 1.0)
        over = np.minimum(middles_s[:, None] + LENGTH_S / 2, starts_s + lasts_s) - np.maximum(
            middles_s[:, None] - LENGTH_S / 2, starts_s
        )
        activity = np.clip(over / min(lasts_s, 0.6), 0, 1).max(1) * rng.uniform(0.6, 1.0)
        inside = int((starts_s < end_s - 0.2).sum())
        return _Acting(
            key, max(1, inside), activity, float(starts_s[0]), float(min(end_s, starts_s[-1] + lasts_s))
        )

    def _add(self, rng: Rng, logits: np.ndarray, each: _Acting) -> np.ndarray:
        """The rows with something more to hear in them."""
        classes = self._heard_members[self._heard_row[each.key]]
        usual = 2.6 if each.key in ("speech", "music") else 1.6
        top = rng.normal(usual, 1.8)
        shape = _mixed_shape(rng, self._heard_shape, classes)
        floor = min(-7.0, rng.normal(-15, 6))
        loud = floor + (top - floor) * shape
        if rng.random() < 0.35:
            # What sounds much like it is heard as well, now and then plainer than the thing itself.
            kin = np.argsort(-shape)[:14]
            other = int(kin[rng.integers(len(kin))])
            loud[other] = max(loud[other], top - max(-0.5, rng.normal(1.0, 1.0)))
        activity = each.activity[:, None]
        sounding = loud + rng.normal(0, 0.6, (len(logits), 1))
        mixed = (1 - activity) * logits + activity * sounding
        # A sound that was there already doesn't vanish behind the new one.
        return np.where(activity > 0.05, np.maximum(mixed, logits - rng.uniform(0.5, 4)), logits)

    def _mistaken(self, rng: Rng, logits: np.ndarray) -> np.ndarray:
        """A name that nothing in the sound deserves."""
        if rng.random() < 0.5:
            key = EVERYWHERE[rng.integers(len(EVERYWHERE))]
            group = self._heard_row.get(key, int(rng.integers(len(self.heard_keys))))
        else:
            group = int(rng.integers(len(self._heard_members)))
        classes = self._heard_members[group]
        one = int(classes[rng.integers(len(classes))])
        top = rng.normal(-2.4, 0.9) if rng.random() < 0.88 else rng.normal(-0.6, 0.9)
        where = rng.random((len(logits), 1)) < rng.uniform(0.1, 1.0)
        shape = self._heard_shape[one] ** rng.uniform(1.5, 4)
        raised = -12.0 + (top + 12.0 + rng.normal(0, 0.4, (len(logits), 1))) * shape
        return np.where(where, np.maximum(logits, raised), logits)

    def _real_sound(self, rng: Rng, rows: int) -> tuple[np.ndarray, list[_Acting]]:
        clips = self._clips_by_key[self._clip_keys[rng.choice(len(self._clip_keys), p=self._clip_share)]]
        clip = clips[rng.integers(len(clips))]
        start_s, end_s = clip.span_s
        if rows < 4:
            # A short stretch is one that was found because something sounds in it.
            first = round(rng.uniform(start_s, max(start_s, end_s - rows * STEP_S)) / STEP_S)
        else:
            first = int(rng.integers(0, max(1, len(clip.rows) - rows)))
        first = min(first, max(0, len(clip.rows) - rows))
        logits = clip.rows[first : first + rows]
        begin_s = first * STEP_S
        middles_s = (first + np.arange(len(logits))) * STEP_S + LENGTH_S / 2
        activity = ((middles_s > start_s - 0.3) & (middles_s < end_s + 0.3)).astype(float)
        if not activity.any():
            return logits, []
        return logits, [_Acting(clip.key, clip.times, activity, start_s - begin_s, end_s - begin_s)]

    # Picture

    def _picture(self, rng: Rng, count: int, heard_keys: Sequence[str]) -> tuple[np.ndarray, list[str]]:
        if rng.random() < 0.06:
            key, rows = self.bank.photos[rng.integers(len(self.bank.photos))]
            moved = np.take(rows, np.arange(count) % len(rows), axis=0)
            return moved + rng.normal(0, 0.2, moved.shape), [key] if key else []
        logits = self._plain(rng, count)
        visible: list[str] = []
        wanted = [self._linked(rng, key) for key in heard_keys[:1] if rng.random() < 0.45]
        wanted += [str(rng.choice(self.seen_keys)) for _ in range(rng.choice(3, p=[0.55, 0.35, 0.1]))]
        for key in dict.fromkeys(key for key in wanted if key):
            logits = self._show(rng, logits, key)
            visible.append(key)
        for _ in range(rng.poisson(0.8)):
            logits = self._mirage(rng, logits)
        return logits + rng.normal(0, 0.25, logits.shape), visible[:3]

    def _linked(self, rng: Rng, key: str) -> str:
        choices = lexicon.links(key)
        choices = tuple(each for each in choices if each in self._seen_row)
        return choices[min(int(rng.exponential(0.8)), len(choices) - 1)] if choices else ""

    def _plain(self, rng: Rng, count: int) -> np.ndarray:
        """Real pictures of which ImageNet knows nothing; half have their mistakes under other names."""
        piece = self.bank.plain[rng.integers(len(self.bank.plain))]
        at = int(rng.integers(len(piece)))
        step = rng.choice([0.0, 0.3, 1.0])
        picked = (at + np.floor(np.arange(count) * step)).astype(int) % len(piece)
        logits = piece[picked]
        if rng.random() < 0.6:
            logits = np.roll(logits, int(rng.integers(lexicon.SEEN_CLASSES)), axis=1)
        return logits * rng.uniform(0.75, 1.3)

    def _show(self, rng: Rng, logits: np.ndarray, key: str) -> np.ndarray:
        classes = self._seen_members[self._seen_row[key]]
        shape = _mixed_shape(rng, self._seen_shape, classes)
        count = len(logits)
        top = rng.normal(7.0, 1.8)
        level = top + rng.normal(0, 0.7, (count, 1))
        shown = np.ones(count, bool)
        if count > 3 and rng.random() < 0.45:
            start, stop = np.sort(rng.integers(0, count + 1, 2))
            shown[:] = False
            shown[start : max(start + 1, stop)] = True
        strength = rng.uniform(0.6, 1.0) * shown[:, None]
        return (1 - strength) * logits + strength * np.maximum(
            logits - 1.5, level * shape + rng.normal(0, 0.6, shape.shape)
        )

    def _mirage(self, rng: Rng, logits: np.ndarray) -> np.ndarray:
        """A name that nothing in the picture deserves: mostly for a moment, now and then all the time."""
        group = int(rng.integers(len(self._seen_members)))
        classes = self._seen_members[group]
        one = int(classes[rng.integers(len(classes))])
        shape = self._seen_shape[one] ** rng.uniform(1.0, 3.0)
        where = rng.random((len(logits), 1)) < (1.0 if rng.random() < 0.3 else rng.uniform(0.05, 0.6))
        top = rng.normal(4.6, 1.3)
        return np.where(where, np.maximum(logits, top * shape + rng.normal(0, 0.4, (len(logits), 1))), logits)

    # What is to be said

    def heard_evidence(self, logits: np.ndarray) -> np.ndarray:
        """By row and key, the logit of any of its classes. Shape: (n, 521) -> (n, keys)."""
        top = logits.max(1, keepdims=True)
        return np.log(np.exp(np.maximum(logits - top, -80)) @ self._heard_chosen + 1e-30) + top

    def seen_evidence(self, logits: np.ndarray) -> np.ndarray:
        """The mean probability of each key, in the third of the pictures where it is plainest.

        Shape: (m, 1000) -> (keys,).
        """
        likely = np.exp(logits - logits.max(1, keepdims=True))
        likely = (likely / likely.sum(1, keepdims=True)) @ self._seen_chosen
        return np.sort(likely, axis=0)[-max(1, len(likely) // 3) :].mean(0)

    def _describe(
        self, rng: Rng, audio: np.ndarray, acting: list[_Acting], video: np.ndarray, visible: list[str]
    ) -> Described:
        sounding: list[tuple[float, Sounding]] = []
        if acting:
            levels = self.heard_evidence(audio)
            for each in acting:
                active = each.activity > 0.2
                if not active.any():
                    continue
                inside = levels[active]
                key = self._said_heard(rng, each.key, inside)
                level = float(np.sort(inside[:, self._heard_row[each.key]])[-3:].mean())
                worth = level + 0.5 * np.log(1 + active.sum())
                sounding.append((worth, Sounding(key, each.times, each.start_s, each.end_s)))
        sounding.sort(key=lambda pair: -pair[0])
        heard = _without_general([each for _, each in sounding])
        shown: list[tuple[float, str]] = []
        if visible:
            evidence = self.seen_evidence(video)
            linked = {key for each in heard for key in lexicon.links(each.key)}
            for key in visible:
                said = self._said_seen(rng, key, evidence, 1.0 if key in linked else 0.0)
                if said:
                    shown.append((evidence[self._seen_row[key]], said))
        shown.sort(key=lambda pair: -pair[0])
        return Described(tuple(heard[:2]), tuple(dict.fromkeys(key for _, key in shown))[:2])

    def _said_heard(self, rng: Rng, key: str, levels: np.ndarray) -> str:
        """What it is called by who only hears this: itself, something more general, or just a sound."""
        for place, each in enumerate(lexicon.ancestors(key, lexicon.heard())):
            under = self._under_heard[each]
            if each == "sound" or not under:
                return "sound"
            level = np.sort(levels[:, under].max(1))[-3:].mean()
            if rng.random() < _likely((level + (1.8 if place == 0 else 2.1)) / 0.5):
                return each
        return "sound"

    def _said_seen(self, rng: Rng, key: str, evidence: np.ndarray, help_: float) -> str:
        """The same for what is seen; empty where it is better not spoken of."""
        for place, each in enumerate(lexicon.ancestors(key, lexicon.seen())):
            if each == "thing":
                return ""
            level = min(evidence[self._under_seen[each]].sum(), 1.0)
            odds = np.log(level / (1 - min(level, 0.999)) + 1e-6)
            if rng.random() < _likely((odds + (1.0 if place == 0 else 0.7) + help_) / 0.4):
                return each
        return ""


def _likely(odds: float) -> float:
    return float(1 / (1 + np.exp(-np.clip(odds, -30, 30))))


def _members(groups: np.ndarray) -> list[np.ndarray]:
    return [np.flatnonzero(groups == group) for group in range(groups.max() + 1)]


def _chosen(groups: np.ndarray, keys: int) -> np.ndarray:
    """Which class counts for which key. Shape: (classes,) -> (classes, keys)."""
    return (groups[:, None] == np.arange(keys)).astype(np.float32)


def _descendants(keys: list[str], things: dict) -> dict[str, list[int]]:
    """For each thing the rows of all keys that may fall back to it, itself among them."""
    found: dict[str, list[int]] = {key: [] for key in things}
    for row, key in enumerate(keys):
        for each in lexicon.ancestors(key, things):
            found[each].append(row)
    return found


def _shapes(ties: np.ndarray) -> np.ndarray:
    """Rows of ties from 0, what most classes get, to 1, what the class itself gets."""
    middle = np.median(ties, axis=1, keepdims=True)
    own = np.diag(ties)[:, None]
    return np.clip((ties - middle) / (own - middle), 0, 1.0)


def _mixed_shape(rng: Rng, shapes: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """What all logits do where one to three classes of a group are there: 1 at the plainest."""
    chosen = rng.choice(classes, min(len(classes), int(rng.integers(1, 4))), replace=False)
    weights = rng.dirichlet(np.ones(len(chosen)))
    mixed = (weights / weights.max()) @ shapes[chosen]
    mixed = mixed / mixed[chosen].max()
    return np.minimum(mixed, 1.0) ** rng.uniform(1.3, 3.0)


def _without_general(heard: list[Sounding]) -> list[Sounding]:
    """Each thing once, and nothing general beside what it may stand for."""
    things = lexicon.heard()
    kept: list[Sounding] = []
    for each in heard:
        same = [k for k, other in enumerate(kept) if each.key in lexicon.ancestors(other.key, things)]
        if same:
            continue
        kept = [other for other in kept if other.key not in lexicon.ancestors(each.key, things)]
        kept.append(each)
    return kept
