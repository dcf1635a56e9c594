"""Pictures and sound stream by; what is kept of them is curves, and a network's words on windows.

In: stretches of a picture's file and of the sound under them, and a sync network or none. Out: `Watched`, a
few numbers a frame. The media itself is let go, so memory doesn't grow with its length. Knows no timeline,
and weighs nothing: what the curves and the words mean is for `alignment` to say.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from otio_avassist import signals, windows
from otio_avassist.attention import Looks
from otio_avassist.errors import BundleError

if TYPE_CHECKING:
    from otio_avassist.bundles import Card, Model

PIECE_S = 1.0
"""Media is read in pieces of this length; a network window is a whole number of them."""
SOUND_RATE = 16_000
PICTURE_FPS = 25.0
PICTURE_SIDE = 96
"""Short side in pixels where no network asks for its own."""
LOOKED = ("v_looked", "a_looked")
"""Outputs that a network's graph may have beside `logits`: where its selectors looked, and listened. They are
(B, layers, heads, k, t, h, w) and (B, layers, heads, k, f, t), and sum to 1 over what is seen or heard."""

Tick = Callable[[float], None]
"""Told how many seconds have been looked at."""


@dataclass(frozen=True)
class Watched:
    """What is kept of pictures and sound while they stream by: numbers a frame, and the network's words."""

    fps: float
    motion: np.ndarray
    """Of `signals.MotionEnergy`. Shape: (T, 2)."""
    sound: np.ndarray
    """Of `signals.SoundEnergy`. Shape: (T, 3)."""
    probabilities: np.ndarray
    """The network's, a row a window. Shape: (W, K)."""
    looks: Looks | None


def watch(
    stretches: Sequence[tuple[windows.Stretch, windows.Stretch]],
    model: Model | None,
    tick: Tick,
    *,
    window_every_s: float = 2.0,
) -> Watched:
    """Stream pictures and sound once; the media itself is let go.

    Args:
        stretches: of the picture's file, ascending, each with the sound that is heard under it.
        model: the network to ask, or None.
        tick: is told how many seconds are done.
        window_every_s: the network looks at a window each so many seconds.

    Raises:
        MediaError: as `windows.windows`.
    """
    numbers = model.card.preprocessing if model is not None else {}
    fps, side = numbers.get("fps", PICTURE_FPS), numbers.get("side", PICTURE_SIDE)
    asked = _Asked(model, every=max(1, round(window_every_s / PIECE_S)))
    curves = []
    done_s = 0.0
    for picture, sound_under in stretches:
        motion, sound = signals.MotionEnergy(), signals.SoundEnergy(SOUND_RATE, fps)
        moves, sounds = [], []
        asked.start(picture.start_s)
        for piece in windows.windows(
            picture,
            sound_under,
            length_s=PIECE_S,
            hop_s=PIECE_S,
            fps=fps,
            side=side,
            rate=SOUND_RATE,
        ):
            assert piece.frames is not None
            assert piece.samples is not None
            moves.append(motion(piece.frames))
            sounds.append(sound(piece.samples))
            asked.see(piece)
            tick(done_s + piece.start_s)
        curves.append(_of_one_length(moves, sounds))
        done_s += picture.duration_s
    moved, sounded = zip(*curves, strict=True)
    return Watched(fps, np.concatenate(moved), np.concatenate(sounded), asked.answers(), asked.looks)


def _of_one_length(moves: list[np.ndarray], sounds: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The sound's curve ends a frame early at most: its last window isn't complete."""
    motion = np.concatenate([np.zeros((0, 2), np.float32), *moves])
    sound = np.concatenate([np.zeros((0, 3), np.float32), *sounds])
    length = min(len(motion), len(sound))
    return motion[:length], sound[:length]


class _Asked:
    """The network, asked about a window every so many pieces, as many windows at once as its device likes."""

    def __init__(self, model: Model | None, every: int) -> None:
        self._model = model
        self._every = every
        self._pieces: deque[windows.Window] = deque(maxlen=_pieces_a_window(model))
        self._seen = 0
        self._waiting: list[dict[str, np.ndarray]] = []
        self._answers: list[np.ndarray] = []
        self._zero_s = 0.0
        self._starts_s: list[float] = []
        """Of the windows that wait."""
        self._view = (1.0, 1.0)
        tells = model is not None and set(LOOKED) <= set(model.outputs)
        self.looks = Looks() if tells else None
        """Where it looked in all windows so far; None: its graph doesn't tell."""

    def start(self, start_s: float) -> None:
        """A new stretch, from so many seconds of the picture's file: no window reaches over the gap."""
        self._pieces.clear()
        self._seen = 0
        self._zero_s = start_s

    def see(self, piece: windows.Window) -> None:
        if self._model is None:
            return
        self._pieces.append(piece)
        if len(self._pieces) == self._pieces.maxlen and self._seen % self._every == 0:
            self._waiting.append(network_inputs(list(self._pieces), self._model.card.preprocessing))
            self._starts_s.append(self._zero_s + self._pieces[0].start_s)
            self._view = _shown(piece, self._model.card.preprocessing["crop"])
        if len(self._pieces) == self._pieces.maxlen:
            self._seen += 1
        if len(self._waiting) >= self._model.batch:
            self._ask()

    def answers(self) -> np.ndarray:
        """(W, K) probabilities of all windows so far."""
        if self._waiting:
            self._ask()
        classes = len(self._model.card.classes) if self._model is not None else 0
        return np.concatenate([np.zeros((0, classes)), *self._answers])

    def _ask(self) -> None:
        assert self._model is not None
        batch = {name: np.stack([each[name] for each in self._waiting]) for name in self._waiting[0]}
        self._waiting.clear()
        wanted = ("logits", *LOOKED) if self.looks is not None else ("logits",)
        told = self._model(*wanted, **batch)
        if self.looks is not None:
            length_s = self._model.card.preprocessing["window_s"]
            for start_s, seen, heard in zip(self._starts_s, *(told[name] for name in LOOKED), strict=True):
                self.looks.add(start_s, length_s, seen, heard, self._view)
        self._starts_s.clear()
        logits = told["logits"]
        exps = np.exp(logits - logits.max(axis=1, keepdims=True))
        self._answers.append(exps / exps.sum(axis=1, keepdims=True))


def _shown(piece: windows.Window, crop: int) -> tuple[float, float]:
    """How much of the frame's height and width is left of it by the crop."""
    assert piece.frames is not None
    height, width = piece.frames.shape[1:3]
    return min(1.0, crop / height), min(1.0, crop / width)


def _pieces_a_window(model: Model | None) -> int:
    return round(model.card.preprocessing["window_s"] / PIECE_S) if model is not None else 1


def check_preprocessing(card: Card) -> None:
    """Refuse a card whose numbers windows can't be made by.

    Raises:
        BundleError: what is missing or unusable, and what there is.
    """
    for name in ("window_s", "fps", "side", "crop", "sample_rate", "n_fft", "hop"):
        value = card.preprocessing.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
            raise BundleError(
                f"{card.network}: preprocessing wants a number > 0 as {name}, there is {value!r}"
            )
    if card.preprocessing["sample_rate"] != SOUND_RATE:
        raise BundleError(
            f"{card.network}: wants sound at {card.preprocessing['sample_rate']} Hz, there is {SOUND_RATE} Hz"
        )
    if card.preprocessing["window_s"] % PIECE_S:
        raise BundleError(
            f"{card.network}: wants windows of {card.preprocessing['window_s']} s, there are whole seconds"
        )


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
