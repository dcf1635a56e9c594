"""Pictures and sound stream by; what is kept of them is curves, and a network's words on windows.

In: stretches of a picture's file and of the sound under them, and a sync network or none. Out: `Watched`, a
few numbers a frame, a place after the other. The media itself is let go, so memory doesn't grow with its
length. Knows no timeline, and weighs nothing: what curves and words mean is for `alignment` to say.

A network's card says in `inputs` what it eats: "clips" are pixels and a spectrogram of `window_s` seconds
(the published network, and what a card means that says nothing); "grids" are the motion and the band energies
of `energies`, of any length from `shortest_s` to `window_s`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from otio_avassist import energies, signals, windows
from otio_avassist.attention import Looks
from otio_avassist.errors import BundleError

if TYPE_CHECKING:
    from otio_avassist.bundles import Card, Model

PIECE_S = 0.2
"""Media is read in pieces of this length; a network window is a whole number of them."""
SOUND_RATE = 16_000
PICTURE_FPS = 25.0
PICTURE_SIDE = 96
"""Short side in pixels where no network asks for its own."""
PLACE_S = 20.0
"""What is looked at and weighed at once: long enough to tell an offset, too short to drift."""
PART = 2 / 3
"""Share of what is looked at that each of two parts holds, the first and the last: what one moment alone
tells, one of them doesn't."""
LISTENED_S = 6.0
"""So much of a place's sound is heard before it is looked at."""
CANDIDATES = 3
"""Places that are listened to for each that is looked at."""
HUSHED = 0.25
"""Where so much less sets in than in most places, one looks last."""
LOOKED = ("v_looked", "a_looked")
"""Outputs that a network's graph may have beside `logits`: where its selectors looked and listened, or what
its answer rests on. They are (B, layers, heads, k, t, h, w) and (B, layers, heads, k, f, t), and sum to 1
over all that is seen or heard.
"""

Tick = Callable[[float], None]
"""Told how many seconds have been looked at."""


@dataclass(frozen=True)
class Word:
    """What the network said of one window."""

    start_s: float
    """In seconds of the picture's file."""
    length_s: float
    probabilities: np.ndarray
    """Of the card's classes. Shape: (K,)."""


@dataclass(frozen=True)
class Watched:
    """What is kept of a place."""

    start_s: float
    """In seconds of the picture's file."""
    fps: float
    motion: np.ndarray
    """Of `signals.MotionEnergy`. Shape: (T, 2)."""
    sound: np.ndarray
    """Of `signals.SoundEnergy`. Shape: (T, 3)."""
    words: tuple[Word, ...]
    """Of the windows that end here."""
    besides: tuple[Word, ...] = ()
    """Of its first and its last part, where a window is longer than they are: no more of the same, but what
    is left of an answer without the rest."""

    @property
    def end_s(self) -> float:
        return self.start_s + len(self.motion) / self.fps

    @property
    def parts_s(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """(start, end) of its first and its last part, in seconds of the picture's file."""
        length_s = PART * (self.end_s - self.start_s)
        return (self.start_s, self.start_s + length_s), (self.end_s - length_s, self.end_s)

    def told_in(self, start_s: float, end_s: float) -> list[Word]:
        """What the network said of that part: of windows that lie in it, to a piece, or of all of it."""
        return [
            word
            for word in (*self.words, *self.besides)
            if word.start_s >= start_s - PIECE_S and word.start_s + word.length_s <= end_s + PIECE_S
        ]


class Watcher:
    """Looks at stretches, and asks the network about windows of them as they stream by."""

    def __init__(self, model: Model | None, *, window_every_s: float = 2.0) -> None:
        """`model`: the network, or None; it is asked about a window each `window_every_s` seconds."""
        numbers = model.card.preprocessing if model is not None else {}
        self._fps, self._side = numbers.get("fps", PICTURE_FPS), numbers.get("side", PICTURE_SIDE)
        self._asked = _Asked(model, window_every_s) if model is not None else None

    @property
    def looks(self) -> Looks | None:
        """Where the network looked in all windows so far; None: there is none, or it doesn't tell."""
        return self._asked.looks if self._asked is not None else None

    def watch(self, picture: windows.Stretch, sound: windows.Stretch, tick: Tick) -> Iterator[Watched]:
        """Stream a stretch once, in places of about `PLACE_S`; nothing is lost between them.

        Args:
            picture: what is looked at.
            sound: what is heard under it, of the same length.
            tick: is told how many seconds of the stretch are done.

        Raises:
            MediaError: as `windows.windows`.
        """
        ends_s = [end_s for _, end_s in places([(0.0, picture.duration_s)])]
        motion, heard = signals.MotionEnergy(), signals.SoundEnergy(SOUND_RATE, self._fps)
        if self._asked is not None:
            self._asked.start(picture.start_s, picture.duration_s)
        moves = np.zeros((0, 2), np.float32)
        sounds = np.zeros((0, 3), np.float32)
        done = 0
        for piece in windows.windows(
            picture, sound, length_s=PIECE_S, hop_s=PIECE_S, fps=self._fps, side=self._side, rate=SOUND_RATE
        ):
            assert piece.frames is not None
            assert piece.samples is not None
            moves = np.concatenate([moves, motion(piece.frames)])
            sounds = np.concatenate([sounds, heard(piece.samples)])
            if self._asked is not None:
                self._asked.see(piece)
            tick(piece.start_s + PIECE_S)
            if len(ends_s) > 1 and piece.start_s + PIECE_S >= ends_s[0] - 1e-9:
                ends_s.pop(0)
                # The sound's curve ends a frame early: its last window isn't complete yet.
                whole = min(len(moves), len(sounds))
                yield self._place(picture.start_s, done, moves[:whole], sounds[:whole], last=False)
                moves, sounds, done = moves[whole:], sounds[whole:], done + whole
        whole = min(len(moves), len(sounds))
        yield self._place(picture.start_s, done, moves[:whole], sounds[:whole], last=True)

    def _place(
        self, zero_s: float, done: int, motion: np.ndarray, sound: np.ndarray, *, last: bool
    ) -> Watched:
        words, besides = self._asked.words(last=last) if self._asked is not None else ((), ())
        return Watched(zero_s + done / self._fps, self._fps, motion, sound, words, besides)


def joined(watched: Sequence[Watched]) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """(motion, sound, rows that don't go on from those before them) of all places together.

    Args:
        watched: in order of time.
    """
    breaks, rows = [], 0
    for before, after in pairwise(watched):
        rows += len(before.motion)
        # A place's last frame may lack its sound, which is no gap.
        if after.start_s - before.end_s > 2.5 / before.fps:
            breaks.append(rows)
    motion = np.concatenate([np.zeros((0, 2), np.float32), *(each.motion for each in watched)])
    sound = np.concatenate([np.zeros((0, 3), np.float32), *(each.sound for each in watched)])
    return motion, sound, breaks


# Where to look


def places(stretches: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """(start, end) of places of about `PLACE_S`, in whole pieces, that cover the stretches."""
    found = []
    for start_s, end_s in stretches:
        pieces = int((end_s - start_s) / PIECE_S + 1e-6)
        count = max(1, round(pieces * PIECE_S / PLACE_S))
        edges = [start_s + PIECE_S * round(pieces * number / count) for number in range(count)]
        # What is left of a piece belongs to the last one.
        found += list(zip(edges, [*edges[1:], end_s], strict=True))
    return found


def in_order(
    found: Sequence[tuple[float, float]], listen: Callable[[float, float], np.ndarray], most: int
) -> list[tuple[float, float]]:
    """At most so many places in the order in which to look at them: spread wide, and where much sets in.

    The first place comes first, as it may hold a slate; then the last; and so on, each as far from all before
    as can be. Of more places than wanted, neighbours are listened to and the liveliest stands for them; so an
    hour costs little more than a few minutes. Where hardly anything sets in, one looks last.

    Args:
        found: of `places`.
        listen: (start_s, end_s) -> mono samples at `SOUND_RATE`.
        most: places that are wanted, 1 at least.
    """
    groups = np.array_split(np.arange(len(found)), min(most, len(found)))
    chosen: list[int] = []
    lively: list[float] = []
    for number, group in enumerate(groups):
        # Evenly out of many; the first of all is wanted for its slate.
        few = group[np.linspace(0, len(group) - 1, min(CANDIDATES, len(group))).round().astype(int)]
        heard = [liveliness(listen(*_middle(*found[each]))) for each in (few[:1] if number == 0 else few)]
        best = int(np.argmax(heard))
        chosen.append(int(few[best]))
        lively.append(heard[best])
    least = HUSHED * float(np.median(lively))
    order: list[int] = []
    left = list(range(len(chosen)))
    while left:
        # Far from what was looked at; the first two are the ends.
        apart = [min((abs(chosen[each] - chosen[done]) for done in order), default=-each) for each in left]
        hushed = [lively[each] < least and bool(order) for each in left]
        order.append(left.pop(min(range(len(left)), key=lambda at: (hushed[at], -apart[at]))))
    return [found[chosen[each]] for each in order]


def _middle(start_s: float, end_s: float) -> tuple[float, float]:
    """What is heard of a place before it is looked at."""
    spare_s = max(0.0, end_s - start_s - LISTENED_S) / 2
    return start_s + spare_s, end_s - spare_s


def liveliness(samples: np.ndarray) -> float:
    """How much sets in: the mean of the sharpest tenth of rises, none in silence."""
    onsets = signals.SoundEnergy(SOUND_RATE, PICTURE_FPS)(samples)[:, signals.ONSET]
    sharpest = np.sort(onsets)[-max(1, len(onsets) // 10) :]
    return float(sharpest.mean()) if len(sharpest) else 0.0


# What a network is asked


class _Eye(Protocol):
    """Keeps the last seconds of a stream as a network eats them."""

    @property
    def held_s(self) -> float:
        """How much is kept: a window at most."""
        ...

    @property
    def view(self) -> tuple[float, float]:
        """How much of the picture's height and width the network is shown."""
        ...

    def start(self) -> None:
        """Forget all: a new stretch begins."""
        ...

    def see(self, piece: windows.Window) -> None:
        """One more piece; the oldest goes where there are enough."""
        ...

    def inputs(self, last_s: float) -> dict[str, np.ndarray]:
        """The last so many seconds of what is kept, by the names of the graph's inputs, to be stacked."""
        ...


class _Clips:
    """Pixels and a spectrogram, as the published network has them."""

    def __init__(self, numbers: Mapping[str, Any]) -> None:
        self._numbers = numbers
        self._pieces: deque[windows.Window] = deque(maxlen=round(numbers["window_s"] / PIECE_S))

    @property
    def held_s(self) -> float:
        return len(self._pieces) * PIECE_S

    @property
    def view(self) -> tuple[float, float]:
        frames = self._pieces[-1].frames
        assert frames is not None
        height, width = frames.shape[1:3]
        return min(1.0, self._numbers["crop"] / height), min(1.0, self._numbers["crop"] / width)

    def start(self) -> None:
        self._pieces.clear()

    def see(self, piece: windows.Window) -> None:
        self._pieces.append(piece)

    def inputs(self, last_s: float) -> dict[str, np.ndarray]:
        return network_inputs(list(self._pieces)[-round(last_s / PIECE_S) :], self._numbers)


class _Grids:
    """Motion in the cells of a grid and energies of bands, which are made once, whatever windows overlap."""

    view = (1.0, 1.0)

    def __init__(self, numbers: Mapping[str, Any]) -> None:
        self._most = round(numbers["window_s"] * energies.FPS)
        self.start()

    @property
    def held_s(self) -> float:
        return len(self._moves) / energies.FPS

    def start(self) -> None:
        self._motion, self._sound = energies.MotionGrid(), energies.BandEnergies(SOUND_RATE)
        self._moves, self._bands = self._motion(np.zeros((0, 2, 2, 3), np.uint8)), self._sound(np.zeros(0))

    def see(self, piece: windows.Window) -> None:
        assert piece.frames is not None
        assert piece.samples is not None
        moves = np.concatenate([self._moves, self._motion(piece.frames)])
        bands = np.concatenate([self._bands, self._sound(piece.samples)])
        # Both begin with the same picture, and stay so.
        gone = max(0, len(moves) - self._most)
        self._moves, self._bands = moves[gone:], bands[gone:]

    def inputs(self, last_s: float) -> dict[str, np.ndarray]:
        # The end is told on a copy: the stream goes on.
        bands = np.concatenate([self._bands, copy(self._sound).end()])[: len(self._moves)]
        last = round(last_s * energies.FPS)
        return {"moves": self._moves[-last:], "bands": bands[-last:]}


_EYES: Mapping[str, Callable[[Mapping[str, Any]], _Eye]] = {"clips": _Clips, "grids": _Grids}


class _Asked:
    """The network, asked about a window every so many pieces, as many windows at once as its device likes."""

    def __init__(self, model: Model, every_s: float) -> None:
        numbers = model.card.preprocessing
        self._model = model
        self._eye = _EYES[numbers.get("inputs", "clips")](numbers)
        self._every = max(1, round(every_s / PIECE_S))
        self._window_s = numbers["window_s"]
        self._shortest_s = numbers.get("shortest_s", self._window_s)
        self._temperature = vote_numbers(model.card).get("temperature", 1.0)
        self._whole = 0
        self._starts_s, self._seen = 0.0, 0
        """Where the stretch begins, and pieces of it so far."""
        self._part = 0
        """Pieces of each of its parts, where one is shorter than a window and can be asked of."""
        self._waiting: list[dict[str, np.ndarray]] = []
        self._stretches_s: list[tuple[float, float]] = []
        """Starts and lengths of the windows that wait."""
        self._words: list[Word] = []
        self.looks = Looks() if set(LOOKED) <= set(model.outputs) else None

    def start(self, start_s: float, length_s: float) -> None:
        """A new stretch, from so many seconds of the picture's file: no window reaches over the gap."""
        self._eye.start()
        self._whole = 0
        self._starts_s = start_s
        self._seen = 0
        part = round(PART * length_s / PIECE_S)
        fits = self._shortest_s - 1e-6 <= part * PIECE_S < self._window_s - PIECE_S / 2
        self._part = part if fits else 0

    def see(self, piece: windows.Window) -> None:
        """One more piece, and a question where it is time for one."""
        self._eye.see(piece)
        self._seen += 1
        if self._eye.held_s >= self._window_s - 1e-6:
            if self._whole % self._every == 0:
                self._wait(self._window_s)
            self._whole += 1
        if self._seen == self._part:
            self._wait(self._part * PIECE_S)

    def words(self, *, last: bool) -> tuple[tuple[Word, ...], tuple[Word, ...]]:
        """(of windows, of parts): what was said since it was last asked for.

        Args:
            last: the stretch ends here, and may be short.
        """
        if last and not self._whole and self._eye.held_s >= self._shortest_s - 1e-6:
            self._wait(self._eye.held_s)
        if last and self._part and self._seen > self._part:
            self._wait(self._part * PIECE_S)
        if self._waiting:
            self._ask()
        words = tuple(word for word in self._words if not self._of_part(word.length_s))
        besides = tuple(word for word in self._words if self._of_part(word.length_s))
        self._words.clear()
        return words, besides

    def _of_part(self, length_s: float) -> bool:
        return abs(length_s - self._part * PIECE_S) < PIECE_S / 2

    def _wait(self, length_s: float) -> None:
        """Ask about the last so many seconds, with others of that length."""
        if self._stretches_s and abs(self._stretches_s[-1][1] - length_s) > 1e-6:
            self._ask()
        self._waiting.append(self._eye.inputs(length_s))
        ends_s = self._starts_s + self._seen * PIECE_S
        self._stretches_s.append((ends_s - length_s, length_s))
        self._view = self._eye.view
        if len(self._waiting) >= self._model.batch:
            self._ask()

    def _ask(self) -> None:
        batch = {name: np.stack([each[name] for each in self._waiting]) for name in self._waiting[0]}
        wanted = ("logits", *LOOKED) if self.looks is not None else ("logits",)
        told = self._model(*wanted, **batch)
        if self.looks is not None:
            for (start_s, length_s), seen, heard in zip(
                self._stretches_s, *(told[name] for name in LOOKED), strict=True
            ):
                # What lies in both parts isn't looked at more than the rest.
                if not self._of_part(length_s):
                    self.looks.add(start_s, length_s, seen, heard, self._view)
        logits = told["logits"] / self._temperature
        exps = np.exp(logits - logits.max(axis=1, keepdims=True))
        probabilities = exps / exps.sum(axis=1, keepdims=True)
        self._words += [
            Word(*stretch_s, row) for stretch_s, row in zip(self._stretches_s, probabilities, strict=True)
        ]
        self._waiting.clear()
        self._stretches_s.clear()


def vote_numbers(card: Card) -> Mapping[str, float]:
    """How much a window of this network counts, where its card says so: `dull` and `same_windows` as
    `alignment.vote` has them, and the `temperature` by which logits are divided.
    """
    return card.preprocessing.get("vote") or {}


def check_preprocessing(card: Card) -> None:
    """Refuse a card whose numbers windows can't be made by.

    Raises:
        BundleError: what is missing or unusable, and what there is.
    """
    numbers = card.preprocessing
    kind = numbers.get("inputs", "clips")
    if kind not in _EYES:
        raise BundleError(f"{card.network}: wants {kind!r} as inputs, there is {', '.join(_EYES)}")
    needed = ("window_s", "fps", "side", "sample_rate")
    for name in (*needed, *(("crop", "n_fft", "hop") if kind == "clips" else ("shortest_s",))):
        value = numbers.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
            raise BundleError(
                f"{card.network}: preprocessing wants a number > 0 as {name}, there is {value!r}"
            )
    if numbers["sample_rate"] != SOUND_RATE:
        raise BundleError(
            f"{card.network}: wants sound at {numbers['sample_rate']} Hz, there is {SOUND_RATE} Hz"
        )
    if kind == "grids" and numbers["fps"] != energies.FPS:
        raise BundleError(
            f"{card.network}: wants grids at {numbers['fps']} fps, there is {energies.FPS:g} fps"
        )
    for name, count in (("window_s", numbers["window_s"] / PIECE_S), ("fps", numbers["fps"] * PIECE_S)):
        if abs(count - round(count)) > 1e-6:
            raise BundleError(
                f"{card.network}: wants {numbers[name]} as {name}, but media is read in pieces of"
                f" {PIECE_S:g} s, which hold whole pictures and make whole windows"
            )
    _check_vote(card)


def _check_vote(card: Card) -> None:
    """Shares from 0 up to 1 (a window that counts nothing would be no window), a temperature above 0."""
    vote = vote_numbers(card)
    unknown = set(vote) - {"dull", "same_windows", "temperature"}
    if unknown:
        raise BundleError(f"{card.network}: vote has no {', '.join(sorted(unknown))}")
    for name, value in vote.items():
        usable = isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
        if not usable or (name != "dull" and value == 0) or (name != "temperature" and value > 1):
            raise BundleError(f"{card.network}: vote can't have {value!r} as {name}")


def network_inputs(pieces: Sequence[windows.Window], numbers: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Consecutive pieces as the network eats them: `vis` (T, 3, H, W) and `aud` (1, F, Ta), float32.

    Args:
        numbers: the card's preprocessing.
    """
    frames = np.concatenate([piece.frames for piece in pieces if piece.frames is not None])
    samples = np.concatenate([piece.samples for piece in pieces if piece.samples is not None])
    return {
        "vis": signals.imagenet_floats(signals.crop_centre(frames, numbers["crop"])),
        "aud": signals.log_spectrogram(samples, n_fft=numbers["n_fft"], hop=numbers["hop"])[None],
    }
