"""A captions bundle as the task asks it: where are events, what happens in each, and what told it so.

Arrays go in, sentences with the probability of each word come out; all stretches of a chapter are asked about
at once, and what the decoder remembers is kept from word to word. Knows no files and no timeline.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import exp, log
from typing import TYPE_CHECKING, Any

import numpy as np

from otio_avassist import sampling
from otio_avassist.errors import BundleError, first_line
from otio_avassist.features import GRAPHS, LOG_MEL, PLAIN, Ask, Chapter, Rows, Stream
from otio_avassist.wording import Labels

if TYPE_CHECKING:
    from otio_avassist.bundles import Bundle
    from otio_avassist.findings import CarriedBy

Crop = Mapping[str, np.ndarray]
"""What one stretch gives to each input of the encoder: rows (n, d), or tokens (n,)."""

BATCH = 48
"""Stretches that are described at once: more would gain little, and cost memory."""
BATCH_WEIGHED = 12
"""The same where many sentences of each are weighed."""
SPEECH = "speech"
"""The encoder's input for what is said: tokens."""
SHORTEST_S = 0.2
"""Proposals that are no longer are dropped, as published."""
TELLS = log(1.5)
"""A stream tells a word if the word is half as likely again with it."""
WEIGHED = 12
"""Beginnings of a sentence that are kept where names are weighed against one another."""
UNSURE = 0.5
"""Of `sure`: a sentence that names nothing, and whose words are less sure than that, isn't said at all."""


@dataclass(frozen=True)
class Said:
    """A sentence, and how sure the network is of it."""

    tokens: tuple[int, ...]
    words: tuple[tuple[str, float], ...]
    """Each with its probability: of names, that of being said at all, in whatever sentence."""
    named: bool
    """Whether one of its words names something."""
    confidence: float
    """Geometric mean of the probabilities of its names; of all its words where it has none."""


@dataclass(frozen=True)
class Numbers:
    """What the card's preprocessing says, checked."""

    start: int
    end: int
    pad: int
    unknown: int
    pad_value: float
    max_words: int
    chapter_s: float
    streams: Mapping[str, Stream]
    names: frozenset[int]
    sure: float
    implied: Mapping[int, frozenset[int]]
    """Names that say the same as a name, less precisely."""
    proposals: Mapping[str, Any]
    speech: Mapping[str, int]
    """The vocabulary of what is said."""
    nothing: frozenset[tuple[str, ...]]
    """Sentences that tell that there is nothing to tell."""
    labels: Labels

    @classmethod
    def from_card(cls, data: Mapping[str, Any], words: Sequence[str], network: str) -> Numbers:
        """Raises BundleError naming what is missing or makes no sense."""
        where = f"{network}: preprocessing"
        token = {word: each for each, word in enumerate(words)}
        try:
            numbers = cls(
                start=int(data["start"]),
                end=int(data["end"]),
                pad=int(data["pad"]),
                unknown=int(data.get("unknown", 0)),
                pad_value=float(data.get("pad_value", data["pad"])),
                max_words=int(data["max_words"]),
                chapter_s=float(data["chapter_s"]),
                streams={
                    name: Stream.from_card(each, f"{where}: streams: {name}")
                    for name, each in data["streams"].items()
                },
                names=frozenset(map(int, data.get("names", ()))),
                sure=float(data.get("sure", 0.0)),
                proposals=dict(data.get("proposals") or {}),
                implied={
                    token[word]: frozenset(token[each] for each in less)
                    for word, less in data.get("implied", {}).items()
                },
                speech={word: each for each, word in enumerate(data.get("speech_vocabulary", ()))},
                nothing=frozenset(tuple(each.split()) for each in data.get("nothing", ())),
                labels={tuple(piece.split()): str(label) for piece, label in data.get("labels", {}).items()},
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BundleError(f"{where}: missing or not a number: {first_line(error)}") from None
        if numbers.max_words < 1 or numbers.chapter_s < 1 or not numbers.streams:
            raise BundleError(f"{where}: wanted max_words and chapter_s of 1 or more, and streams")
        return numbers


class Captioner:
    """A captions bundle, asked in its own units.

    Args:
        bundle: with the graphs "encode" and "step", and "propose" where it finds events.
        beam: beginnings of a sentence that are kept; 1: the likeliest word each time.

    Raises:
        BundleError: the card can't be meant as given, or a bundle that it needs isn't there.
    """

    def __init__(self, bundle: Bundle, *, beam: int = 1) -> None:
        self._bundle, self._beam = bundle, beam
        self.name = bundle.card.network
        self.words = tuple(str(word) for word in bundle.card.classes)
        self.numbers = Numbers.from_card(bundle.card.preprocessing, self.words, self.name)
        for graph in ("encode", "step"):
            if graph not in bundle.card.graphs:
                raise BundleError(
                    f"{self.name}: wanted a graph {graph!r}, there is: {', '.join(bundle.card.graphs)}"
                )
        self._eats = tuple(bundle.card.graphs["encode"].inputs)
        known = {*self.numbers.streams, SPEECH}
        if not set(self._eats) <= known:
            raise BundleError(f"{self.name}: encode wants {', '.join(self._eats)}, the card makes {known}")
        self._never = frozenset({self.numbers.start, self.numbers.pad, self.numbers.unknown})

    @property
    def by(self) -> list[Any]:
        """All that tells its answers from those of another, as JSON."""
        return _by(self._bundle)

    @property
    def proposes(self) -> bool:
        return "propose" in self._bundle.card.graphs

    @property
    def wants_speech(self) -> bool:
        return SPEECH in self._eats

    @property
    def streams(self) -> dict[str, Stream]:
        """All streams of features that its graphs eat, by name."""
        found = {name: each for name, each in self.numbers.streams.items() if name in self._eats}
        if self._by_log_mel:
            found[LOG_MEL] = PLAIN[LOG_MEL]
        return found

    def asks(self) -> dict[str, Ask]:
        """The extractors' graphs, by the name of a stream."""
        return {name: self._extractor(each) for name, each in self.streams.items() if each.how.input}

    def _extractor(self, stream: Stream) -> Ask:
        graph = GRAPHS.get(stream.extractor, stream.extractor)
        if graph in self._bundle.card.graphs:
            return self._bundle[graph]
        if stream.extractor not in self._bundle.needs:
            raise BundleError(
                f"{self.name}: wants features of {stream.extractor}, but neither has a graph {graph!r} nor "
                "says in its card's `needs` which bundle has it"
            )
        return self._bundle.needs[stream.extractor]["main"]

    @property
    def _by_log_mel(self) -> bool:
        return self.proposes and self.numbers.proposals.get("stream") == LOG_MEL

    @property
    def hears_events(self) -> bool:
        """Whether events are found by sound alone."""
        return self._by_log_mel

    def propose(self, chapter: Chapter, *, most: int, nms: float) -> np.ndarray:
        """Where something happens: (n, 3) start and end in media seconds and confidence, the surest first."""
        if self._by_log_mel:
            rows = chapter.rows[LOG_MEL].values
            if not len(rows):
                return np.zeros((0, 3), np.float32)
            given = {"log_mel": rows[None]}
        else:
            given = {name: self._padded(name, chapter.rows[name]) for name in self._eats_to_propose}
        found = self._bundle["propose"](**given)["proposals"][0]
        boxes = corners(found, chapter.end_s - chapter.start_s)
        boxes = boxes[boxes[:, 2] >= self.numbers.proposals.get("threshold", 0.0)]
        # A network that answers for every moment says the same event many times: the most are counted last.
        boxes = best(boxes, len(boxes), nms)[:most] if self._by_log_mel else best(boxes, most, nms)
        boxes[:, :2] += chapter.start_s
        return boxes

    @property
    def _eats_to_propose(self) -> tuple[str, ...]:
        return tuple(self._bundle.card.graphs["propose"].inputs)

    def _padded(self, name: str, rows: Rows) -> np.ndarray:
        """(1, pad_to, d): all rows of a chapter, at least one, and padding."""
        values = rows.values if len(rows.values) else rows.crop(0, 0)
        length = int(self.numbers.proposals.get("pad_to", {}).get(name, len(values)))
        padded = np.full((1, length, values.shape[1]), self.numbers.pad_value, np.float32)
        padded[0, : len(values)] = values[:length]
        return padded

    def crop(self, chapter: Chapter, start_s: float, end_s: float, speech: Sequence[int] = ()) -> Crop:
        """What one stretch of a chapter gives to the encoder."""
        found: dict[str, np.ndarray] = {}
        for name in self._eats:
            if name == SPEECH:
                found[name] = np.array(list(speech) or [self.numbers.unknown], np.int64)
            else:
                found[name] = chapter.rows[name].crop(start_s, end_s)
        absent = {name for name in found if name != SPEECH and not len(chapter.rows[name].values)}
        for together in self._side_by_side:
            there = [len(found[name]) for name in together if name not in absent]
            length = min(there, default=1)
            for name in together:
                found[name] = (
                    np.zeros((length, found[name].shape[1]), np.float32)
                    if name in absent
                    else found[name][:length]
                )
        return found

    @property
    def _side_by_side(self) -> list[list[str]]:
        """Streams of which the network takes as many rows each, as MDVC does: one name in the card."""
        by_axis: dict[str, list[str]] = {}
        for name, shape in self._bundle.card.graphs["encode"].inputs.items():
            if isinstance(shape[1], str):
                by_axis.setdefault(shape[1], []).append(name)
        return [names for names in by_axis.values() if len(names) > 1]

    def blank(self, crop: Crop, name: str) -> Crop:
        """The same without one of its inputs: zeros, or one unknown word, as where there is none."""
        if name == SPEECH:
            return {**crop, name: np.array([self.numbers.unknown], np.int64)}
        shared = any(name in together for together in self._side_by_side)
        return {**crop, name: np.zeros_like(crop[name] if shared else crop[name][:1])}

    def say(self, crops: Sequence[Crop]) -> list[Said | None]:
        """A sentence for each stretch: with names that it is sure of, or without; None: better nothing.

        Where the card tells names from other words, many sentences are weighed, and the one is said that has
        most of what all of them together are sure of (`sampling.careful`); else the likeliest.
        """
        if not self.numbers.names:
            found = self._describe(
                crops, lambda *given, **how: sampling.decode(*given, beam=self._beam, **how)
            )
            return [self._said(each, [exp(value) for value in each.log_probs]) for each in found]
        beam = max(self._beam, WEIGHED)
        many = self._describe(
            crops, lambda *given, **how: sampling.hypotheses(*given, beam=beam, **how), at_once=BATCH_WEIGHED
        )
        beliefs = [self._careful(each) for each in many]
        said = [None if each is None else self._said(each.sentence, each.tokens) for each in beliefs]
        # Every sentence that was weighed has a name to doubt: what is said by who has no names at all?
        left = [at for at, each in enumerate(beliefs) if each is None]
        plain = self._describe(
            [crops[at] for at in left], sampling.decode, never=self._never | self.numbers.names
        )
        for at, each in zip(left, plain, strict=True):
            said[at] = self._said(each, [exp(value) for value in each.log_probs])
        return said

    def _careful(self, said: Sequence[sampling.Sentence]) -> sampling.Belief | None:
        return sampling.careful(said, self.numbers.names, self.numbers.sure, self.numbers.implied)

    def carried_by(self, crops: Sequence[Crop], sentences: Sequence[Said]) -> list[CarriedBy]:
        """What told the network so: each sentence is judged again with one stream left out.

        A stream carries a sentence if without it a name (any word, where there is no name) is less likely by
        a third or more. Where no stream does, each tells enough alone: the one counts that tells more.
        """
        streams = [name for name in self._eats if any(self._is_there(crop, name) for crop in crops)]
        tokens = [each.tokens for each in sentences]
        whole = self._judge(crops, tokens)
        without = {
            name: self._judge([self.blank(crop, name) for crop in crops], tokens)
            for name in streams
            if len(streams) > 1
        }
        found = []
        for at, crop in enumerate(crops):
            there = [name for name in streams if self._is_there(crop, name)]
            if len(there) < 2:
                found.append(self._carriers(there))
                continue
            counts = [k for k, token in enumerate(tokens[at]) if token in self.numbers.names]
            counts = counts or list(range(len(tokens[at])))
            lost = {
                name: max((whole[at][k] - without[name][at][k] for k in counts), default=0.0)
                for name in there
            }
            carriers = [name for name, much in lost.items() if much > TELLS]
            found.append(self._carriers(carriers or [max(there, key=lambda name: lost[name])]))
        return found

    def _is_there(self, crop: Crop, name: str) -> bool:
        if name == SPEECH:
            return bool((crop[name] != self.numbers.unknown).any())
        return bool(crop[name].any())

    def _carriers(self, names: Collection[str]) -> CarriedBy:
        kinds = {
            "said"
            if name == SPEECH
            else "heard"
            if self.numbers.streams[name].how.kind == "sound"
            else "seen"
            for name in names
        }
        if {"seen", "heard"} <= kinds:
            return "seen and heard"
        if "seen" in kinds:
            return "seen"
        return "heard" if "heard" in kinds or not kinds else "said"

    def _said(self, sentence: sampling.Sentence, sure: Sequence[float]) -> Said | None:
        words = tuple(self.words[token] for token in sentence.tokens)
        if not words or words in self.numbers.nothing:
            return None
        pairs = list(zip(sentence.tokens, sure, strict=True))
        names = [value for token, value in pairs if token in self.numbers.names]
        confidence = _mean(names or [value for _, value in pairs])
        if not names and confidence < UNSURE * self.numbers.sure:
            return None
        return Said(
            sentence.tokens,
            tuple(zip(words, sure, strict=True)),
            named=bool(names) or not self.numbers.names,
            confidence=confidence,
        )

    def _describe(
        self,
        crops: Sequence[Crop],
        way: Callable[..., list[Any]],
        *,
        never: frozenset[int] | None = None,
        at_once: int = BATCH,
    ) -> list[Any]:
        """What a way of `sampling` makes of each stretch, without some tokens."""
        found: list[Any] = [None] * len(crops)
        for which in self._batches(crops, at_once):
            made = way(
                self._step([crops[each] for each in which]),
                len(which),
                start=self.numbers.start,
                end=self.numbers.end,
                max_words=self.numbers.max_words,
                forbidden=[self._never if never is None else never] * len(which),
            )
            for each, one in zip(which, made, strict=True):
                found[each] = one
        return found

    def _judge(self, crops: Sequence[Crop], sentences: Sequence[Sequence[int]]) -> list[tuple[float, ...]]:
        """How likely each word is."""
        found: list[tuple[float, ...]] = [()] * len(crops)
        for which in self._batches(crops):
            values = sampling.log_probs(
                self._step([crops[each] for each in which]),
                [sentences[each] for each in which],
                start=self.numbers.start,
            )
            for each, value in zip(which, values, strict=True):
                found[each] = value
        return found

    def _batches(self, crops: Sequence[Crop], at_once: int = BATCH) -> Iterator[list[int]]:
        """Stretches of much the same length together: what is padded costs as much as what is there."""
        order = sorted(range(len(crops)), key=lambda each: sum(len(rows) for rows in crops[each].values()))
        for at in range(0, len(order), at_once):
            yield order[at : at + at_once]

    def _step(self, crops: Sequence[Crop]) -> sampling.Step:
        """The decoder, with what the encoder makes of some stretches."""
        encoded = self._bundle["encode"](**{name: self._stacked(name, crops) for name in self._eats})
        decoder = self._bundle["step"]
        inputs = self._bundle.card.graphs["step"].inputs
        memory = {name: array for name, array in encoded.items() if name in inputs}
        empty = {name: shape for name, shape in inputs.items() if name.startswith("past_")}

        def step(
            token: np.ndarray, position: int, state: Mapping[str, np.ndarray]
        ) -> tuple[np.ndarray, sampling.State]:
            if not state:
                begun = {name: _nothing(shape, len(token)) for name, shape in empty.items()}
                state = {**memory, **begun}
            outputs = decoder(token=token, position=np.array([position], np.int64), **state)
            after = {name: outputs[name.replace("past_", "present_", 1)] for name in empty}
            return outputs["logits"], {**{name: state[name] for name in memory}, **after}

        return step

    def _stacked(self, name: str, crops: Sequence[Crop]) -> np.ndarray:
        """(B, longest, …), padded."""
        rows = [crop[name] for crop in crops]
        fill = self.numbers.pad if name == SPEECH else self.numbers.pad_value
        stacked = np.full(
            (len(rows), max(map(len, rows)), *rows[0].shape[1:]),
            fill,
            np.int64 if name == SPEECH else np.float32,
        )
        for at, each in enumerate(rows):
            stacked[at, : len(each)] = each
        return stacked


def _by(bundle: Bundle) -> list[Any]:
    needed = [[name, _by(each)] for name, each in sorted(bundle.needs.items())]
    return [bundle.card.to_json(), bundle.device, needed]


def _mean(values: Sequence[float]) -> float:
    """Geometric."""
    return exp(sum(log(max(value, 1e-9)) for value in values) / len(values))


def _nothing(shape: Sequence[int | str], batch: int) -> np.ndarray:
    """A past (B, H, 0, dk) of no words: what isn't a number in the card is 0."""
    return np.zeros((batch, *(size if isinstance(size, int) else 0 for size in shape[1:])), np.float32)


def corners(proposals: np.ndarray, duration_s: float) -> np.ndarray:
    """Centres, lengths, confidences (n, 3) -> starts, ends, confidences: inside the media, and not short."""
    centre, half = proposals[:, 0], proposals[:, 1] / 2
    ends = np.clip(np.stack([centre - half, centre + half], axis=1), 0.0, duration_s)
    boxes = np.concatenate([ends, proposals[:, 2:3]], axis=1)
    return boxes[boxes[:, 1] - boxes[:, 0] > SHORTEST_S]


def best(boxes: np.ndarray, most: int, nms: float) -> np.ndarray:
    """The surest (n, 3) first, at most `most`, without those that overlap a surer one by more than `nms`."""
    boxes = boxes[np.argsort(-boxes[:, 2], kind="stable")[:most]]
    kept: list[int] = []
    for each, box in enumerate(boxes):
        if not (tiou(box, boxes[kept]) > nms).any():
            kept.append(each)
    return boxes[kept]


def tiou(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Intersection over union in time of one stretch with each of others. Shape: (2+,), (n, 2+) -> (n,)."""
    both = np.minimum(box[1], boxes[:, 1]) - np.maximum(box[0], boxes[:, 0])
    union = np.maximum(box[1], boxes[:, 1]) - np.minimum(box[0], boxes[:, 0])
    return np.clip(both, 0, None) / np.maximum(union, 1e-9)
