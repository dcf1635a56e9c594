"""A foley bundle as the task asks it: what sound a picture asks for, and the sound itself, take by take.

Rows of features go in, samples come out, part by part: a part is as much as the network sees at once, and
goes on from the last codes of the one before. All takes are made side by side. Knows no files and no
timeline.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np

from otio_avassist import sampling, signals
from otio_avassist.errors import BundleError, MediaError, UsageError, first_line
from otio_avassist.features import FILE, GRAPHS, Ask, Rows, Stream

if TYPE_CHECKING:
    from otio_avassist.bundles import Bundle

BATCH = 8
"""Takes that are made side by side: more would gain little, and cost memory."""
LEAST_COLUMNS = 6
"""A sound of about a second: less is nothing to go by."""
SHOWN = 20
"""Of what a picture shows, so much is told at most."""
LEAST_SHOWN = 0.01
"""Nor what it shows less surely, unless there is nothing else."""
FADE = 4096
"""Samples over which one part turns into the next: a fifth of a second."""
LOGITS = "logits"


@dataclass(frozen=True)
class Numbers:
    """What the card's preprocessing says, checked."""

    rate: int
    hop: int
    rows: int
    columns: int
    frames_per_column: int
    temperature: float
    top_k: int
    stream: Stream | None
    """Of pictures; None where it wants none."""
    count: int
    """Rows of pictures that it is shown for each part."""
    class_token: bool
    sees: Mapping[str, tuple[int, ...]]
    """Which classes of the features' network ask for a sound."""
    sure: float
    words: Mapping[str, tuple[str, ...]]
    """Other words for a sound."""

    @classmethod
    def from_card(cls, data: Mapping[str, Any], network: str) -> Numbers:
        """Raises BundleError naming what is missing or makes no sense."""
        where = f"{network}: preprocessing"
        seen = data.get("features")
        try:
            numbers = cls(
                rate=int(data["sample_rate"]),
                hop=int(data["hop"]),
                rows=int(data["rows"]),
                columns=int(data["columns"]),
                frames_per_column=int(data["frames_per_column"]),
                temperature=float(data["sampling"]["temperature"]),
                top_k=int(data["sampling"]["top_k"]),
                stream=Stream.from_card(
                    {"length_s": seen["step_s"], **seen}, f"{where}: features", (FILE,)
                ) if seen else None,
                count=int(seen["count"]) if seen else 0,
                class_token=bool(data.get("class_token", False)),
                sees={sound: tuple(map(int, each)) for sound, each in data.get("sees", {}).items()},
                sure=float(data.get("sure", 0.5)),
                words={sound: tuple(map(str, each)) for sound, each in data.get("words", {}).items()},
            )  # fmt: skip
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BundleError(f"{where}: missing or not a number: {first_line(error)}") from None
        if (
            numbers.columns < 2
            or min(numbers.rows, numbers.frames_per_column) < 1
            or numbers.temperature <= 0
        ):
            raise BundleError(
                f"{where}: wanted 2 columns or more, rows, frames_per_column and a temperature above 0"
            )
        made_at = (signals.FOLEY_RATE, signals.FOLEY_HOP)
        if (numbers.rate, numbers.hop) != made_at:
            raise BundleError(
                f"{where}: wanted sample_rate and hop {made_at}, there is {numbers.rate}, {numbers.hop}"
            )
        return numbers

    @property
    def column(self) -> int:
        """Samples of one column of codes."""
        return self.frames_per_column * self.hop

    @property
    def column_s(self) -> float:
        return self.column / self.rate

    @property
    def context(self) -> int:
        """Columns that a part has of the one before."""
        return self.columns // 2


@dataclass(frozen=True)
class Part:
    """As much of a sound as the network sees at once."""

    start_s: float
    """Where its first column is heard, from the sound's start; what is primed comes before that."""
    end_s: float
    """Where the last column that it might have would end."""
    context: int
    """Columns that are there already."""
    new: int
    """Columns that it adds."""


@dataclass(frozen=True)
class Seen:
    """What pictures ask for."""

    sound: str | None
    """One of the bundle's sounds; None: none of them."""
    confidence: float
    """0 to 1: how sure the picture is read so."""
    shows: tuple[tuple[str, float], ...] = ()
    """What the picture shows, the surest first, in the words of the network that looks at it."""


def shown(beliefs: np.ndarray, names: Sequence[str]) -> tuple[tuple[str, float], ...]:
    """What a picture shows, the surest first.

    Args:
        beliefs: over the classes of a network that saw it, summing to 1. Shape: (K,).
        names: of those classes.
    """
    order = [at for at in np.argsort(-beliefs, kind="stable")[:SHOWN] if at < len(names)]
    return tuple(
        (names[at], float(beliefs[at])) for at in order if at == order[0] or beliefs[at] >= LEAST_SHOWN
    )


class Generator:
    """A foley bundle, asked in its own units.

    Raises:
        BundleError: the card can't be meant as given.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self.name = bundle.card.network
        self.sounds = tuple(str(sound) for sound in bundle.card.classes)
        self.numbers = Numbers.from_card(bundle.card.preprocessing, self.name)
        missing = [name for name in ("step", "decode") if name not in bundle.card.graphs]
        if missing:
            raise BundleError(f"{self.name}: wanted graphs {', '.join(missing)}")
        if self.numbers.class_token and not self.sounds:
            raise BundleError(f"{self.name}: wanted the names of its sounds as the card's classes")

    # What is asked for

    @property
    def eyes(self) -> Stream | None:
        """The features that it wants of pictures, and what it knows them by; None: it wants no pictures, or
        the network that makes them isn't here."""
        stream = self.numbers.stream
        if stream is None or self._seer(stream) is None:
            return None
        classes = self._seen_classes(stream) if self.numbers.sees and stream.output != LOGITS else 0
        if not classes:
            return stream
        return Stream(
            stream.extractor, stream.step_s, stream.length_s, stream.width + classes,
            output=f"{stream.output}+{LOGITS}",
        )  # fmt: skip

    def ask(self) -> Ask | None:
        """The graph that makes features of pictures."""
        found = self._seer(self.numbers.stream) if self.numbers.stream is not None else None
        return found[0][found[1]] if found else None

    @property
    def eyes_sha256(self) -> str:
        """Of the bundle that makes features of pictures; empty where it isn't here."""
        found = self._seer(self.numbers.stream) if self.numbers.stream is not None else None
        return found[0].sha256 if found else ""

    def _seer(self, stream: Stream) -> tuple[Bundle, str] | None:
        """(bundle, its graph); None where it isn't on this machine."""
        graph = GRAPHS.get(stream.extractor, stream.extractor)
        if graph in self._bundle.card.graphs:
            return self._bundle, graph
        needed = self._bundle.needs.get(stream.extractor)
        return (needed, "main") if needed is not None else None

    def _seen_classes(self, stream: Stream) -> int:
        found = self._seer(stream)
        size = found[0].card.graphs[found[1]].outputs.get(LOGITS, (0,))[-1] if found else 0
        return size if isinstance(size, int) else 0

    def named(self, words: str) -> str:
        """The sound that somebody calls so.

        Raises:
            UsageError: it makes no such sound.
        """
        wanted = words.strip().casefold()
        for sound in self.sounds:
            names = (sound, *self.numbers.words.get(sound, ()))
            if wanted in (name.casefold() for name in names):
                return sound
        makes = ", ".join(self.sounds) or "only what the picture asks for"
        raise UsageError(f"no such sound: {words}; {self.name} makes: {makes}")

    def look(self, pictures: Iterable[np.ndarray]) -> Seen:
        """What pictures ask for on the whole: rows (n, d) of `eyes`, in any pieces."""
        total, count = np.zeros(()), 0
        for rows in pictures:
            logits = rows[:, -self._width_of_logits :].astype(np.float64)
            likely = np.exp(logits - logits.max(axis=1, keepdims=True))
            total = total + (likely / likely.sum(axis=1, keepdims=True)).sum(axis=0)
            count += len(rows)
        if not count or not self.numbers.sees:
            return Seen(None, 0.0)
        mean = total / count
        shares = {sound: float(mean[list(classes)].sum()) for sound, classes in self.numbers.sees.items()}
        best = max(shares, key=lambda sound: shares[sound])
        sure = shares[best] >= self.numbers.sure
        return Seen(best if sure else None, shares[best], shown(mean, self._names_of_seen))

    @property
    def _width_of_logits(self) -> int:
        stream = self.numbers.stream
        assert stream is not None
        return stream.width if stream.output == LOGITS else self._seen_classes(stream)

    @property
    def _names_of_seen(self) -> tuple[str, ...]:
        assert self.numbers.stream is not None
        found = self._seer(self.numbers.stream)
        return tuple(map(str, found[0].card.classes)) if found else ()

    # What is made

    def parts(self, length_s: float, primed: int = 0) -> list[Part]:
        """In which parts a sound is made; `primed`: columns of real sound that come before it."""
        numbers = self.numbers
        left = max(LEAST_COLUMNS, ceil(length_s / numbers.column_s - 1e-6))
        found: list[Part] = []
        done, context = 0, primed
        while left:
            new = min(left, numbers.columns - context)
            start = done - context
            found.append(
                Part(start * numbers.column_s, (start + numbers.columns) * numbers.column_s, context, new)
            )
            done, left, context = done + new, left - new, numbers.context
        return found

    def codes_of(self, samples: np.ndarray) -> np.ndarray:
        """Codes of the last columns of a real sound at the bundle's rate, to go on from. Shape: (T, F).

        Raises:
            BundleError: the bundle can't listen.
            MediaError: it is too short.
        """
        if "encode" not in self._bundle.card.graphs:
            raise BundleError(f"{self.name}: can't go on from a real sound: it has no graph 'encode'")
        numbers = self.numbers
        columns = min(numbers.context, len(samples) // numbers.column)
        if columns < 1:
            raise MediaError(
                f"a sound to go on from must last {numbers.column_s:.2f} s or longer, "
                f"there is {len(samples) / numbers.rate:.2f} s"
            )
        last = samples[len(samples) - columns * numbers.column :]
        mel = signals.foley_log_mel(last)[:, : columns * numbers.frames_per_column]
        return self._bundle["encode"](mel=mel[None])["codes"][0]

    def make(
        self,
        parts: Sequence[Part],
        pictures: Iterator[Rows] | None,
        *,
        sound: str | None,
        randoms: Sequence[np.random.Generator],
        primed: np.ndarray | None = None,
    ) -> Iterator[np.ndarray]:
        """The samples of all takes, piece by piece: float32 (takes, n), of any level.

        Args:
            parts: as `parts` gives them.
            pictures: the rows of each part; None: there are none, or they don't matter.
            sound: one of its sounds; None where it wants none.
            randoms: one a take.
            primed: codes (T, F) that come before, as `codes_of` gives them.
        """
        numbers, takes = self.numbers, len(randoms)
        codes = np.zeros((takes, 0, numbers.rows), np.int64)
        if primed is not None:
            codes = np.repeat(primed[None], takes, axis=0)
        loop = None
        held: np.ndarray | None = None
        for at, part in enumerate(parts):
            prefix = self._prefix(next(pictures) if pictures is not None else None, part, sound, takes)
            before = codes[:, codes.shape[1] - part.context :]
            if loop is None:
                capacity = prefix.shape[1] + numbers.columns * numbers.rows
                loop = self._bundle["step"].loop(takes, capacity)
            # What it remembers is of other pictures, and of other places.
            loop.length = 0
            drawn = sampling.draw_codes(
                loop,
                part.new * numbers.rows,
                prefix=prefix,
                primed=before.reshape(takes, -1),
                randoms=randoms,
                temperature=numbers.temperature,
                top_k=numbers.top_k,
            )
            codes = np.concatenate([before, drawn.reshape(takes, part.new, numbers.rows)], axis=1)
            samples = self._samples(codes)
            again = part.context * numbers.column
            heard, samples = samples[:, :again], samples[:, again:]
            if held is not None:
                yield turned_into(held, heard)
            # The next part makes the end of this one again, and better: it knows what comes after.
            end = samples.shape[1]
            if at + 1 < len(parts):
                end -= parts[at + 1].context * numbers.column
            held = samples[:, end:]
            yield samples[:, :end]

    def _prefix(self, rows: Rows | None, part: Part, sound: str | None, takes: int) -> np.ndarray:
        """(takes, p, d): what stands before the codes."""
        card = self._bundle.card
        if "condition" not in card.graphs:
            width = card.graphs["step"].inputs["prefix"][2]
            # As published, whose sampler without pictures is shown one row that says nothing.
            return np.zeros((takes, 1, int(width)), np.float32)
        given: dict[str, np.ndarray] = {}
        for name in card.graphs["condition"].inputs:
            if name == "features":
                given[name] = self._shown(rows, part)[None]
            else:
                given[name] = np.array([self.sounds.index(sound or "")], np.int64)
        return np.repeat(self._bundle["condition"](**given)["prefix"], takes, axis=0)

    def _shown(self, rows: Rows | None, part: Part) -> np.ndarray:
        """(count, d): the pictures of a part, evenly picked; before the first and after the last, these."""
        stream = self.numbers.stream
        assert stream is not None
        values = rows.values[:, : stream.width] if rows is not None else np.zeros((0, 0), np.float32)
        if rows is None or not len(values):
            return np.zeros((self.numbers.count, stream.width), np.float32)
        every = max(self.numbers.count, round((part.end_s - part.start_s) / stream.step_s))
        at = picked(every, self.numbers.count)
        return values[np.clip(at - round((rows.start_s - part.start_s) / stream.step_s), 0, len(values) - 1)]

    def _samples(self, codes: np.ndarray) -> np.ndarray:
        """(takes, n) of codes (takes, T, F): one take after the other, since pictures of sound are large."""
        return np.concatenate([self._sounding(each[None]) for each in codes])

    def _sounding(self, codes: np.ndarray) -> np.ndarray:
        mel = self._bundle["decode"](codes=codes)["mel"]
        if "vocode" in self._bundle.card.graphs:
            return self._bundle["vocode"](mel=mel)["samples"]
        return signals.foley_samples(mel[0])[None]

    def relevance(self, samples: np.ndarray, sound: str) -> float | None:
        """0 to 1: how surely a sound at the bundle's rate is heard as what it is meant to be; None: nobody
        can tell."""
        likely = self._heard(samples)
        return float(likely[self.sounds.index(sound)]) if likely is not None else None

    def heard_as(self, samples: np.ndarray) -> str | None:
        """The sound that a real one is surely heard as."""
        likely = self._heard(samples)
        if likely is None or likely.max() < self.numbers.sure:
            return None
        return self.sounds[int(likely.argmax())]

    def _heard(self, samples: np.ndarray) -> np.ndarray | None:
        """(sounds,): how surely it is heard as each."""
        if "hear" not in self._bundle.card.graphs or not len(samples):
            return None
        frames = self.numbers.columns * self.numbers.frames_per_column
        length = frames * self.numbers.hop
        # A short one is heard again and again, as the network heard short ones when it learnt; a long one
        # part by part, whatever its length.
        whole = samples if len(samples) >= length else np.resize(samples, length)
        parts = (whole[at : at + length] for at in range(0, len(whole) - length + 1, length))
        mels = (signals.foley_log_mel(part)[None, :, :frames] for part in parts)
        return np.exp(np.concatenate([self._bundle["hear"](mel=mel)["heard"] for mel in mels])).mean(axis=0)


def picked(every: int, count: int) -> np.ndarray:
    """Which of `every` rows are shown, as the released code picks them: the middles of equal stretches."""
    return np.floor(np.linspace(0, every, count, endpoint=False)).astype(int) + every // (count + 1)


def turned_into(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Two versions of the same stretch (takes, n): the first one, which becomes the second in its middle.

    Where they are alike the weights add up to one, where they aren't their powers do: neither a dip nor a
    bump is heard.
    """
    length = one.shape[1]
    fade = min(FADE, length)
    start = (length - fade) // 2
    joined = np.concatenate([one[:, :start], other[:, start:]], axis=1)
    before, after = one[:, start : start + fade], other[:, start : start + fade]
    power = np.sqrt((before**2).sum(axis=1) * (after**2).sum(axis=1))
    alike = np.clip((before * after).sum(axis=1) / np.maximum(power, 1e-12), 0, 1)[:, None]
    turn = np.pi / 2 * (np.arange(fade) + 0.5) / fade
    fall, rise = np.cos(turn), np.sin(turn)
    joined[:, start : start + fade] = (fall * before + rise * after) / np.sqrt(1 + 2 * alike * fall * rise)
    return joined
