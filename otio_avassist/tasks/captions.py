"""Shots -> sentences about what happens in them, each with its stretch of time.

What is used of one picture file and one sound is looked at once, as a stream, whoever plays it how often.
Chapter by chapter: rows of features; stretches between cuts (scenes) and stretches in which something happens
(events); a sentence for each, in batches; and what told the network so. What says the same again is merged.
Then every shot gets what it plays, and of all only so much a minute stays as somebody wants to read.
Each stretch that is used is looked at by itself, so that what is found in it can be kept: another timeline
that uses it costs nothing, and of a changed cut only the stretch that it lies in is looked at anew.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from math import ceil
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from otio_avassist import cache, features, speech, windows
from otio_avassist.captioner import Captioner, Crop, Said, best
from otio_avassist.choice import LEAST_WORTH, MINUTE_S, Caption, Ranked, merged, thinned, without_repeats
from otio_avassist.errors import MediaError, UsageError, first_line
from otio_avassist.findings import CaptionFinding, Level, PassedOver
from otio_avassist.progress import Progress, silent
from otio_avassist.speech import Cue
from otio_avassist.wording import Labels, beginning, sentence, short_name

if TYPE_CHECKING:
    from otio_avassist.bundles import Bundle
    from otio_avassist.spans import MediaSpan, Shot

LEVELS: tuple[Level, ...] = ("scene", "event")

OVERLAP_S = 20.0
"""Chapters overlap by so much, or by a quarter of their length: events at a seam are seen whole."""
SCENE_S = (2.0, 25.0)
"""What is shorter is no scene to speak of; what is longer is described in parts."""
GAP_S = 2.0
"""Pieces of media that lie this near are looked at as one."""
SILENCE = 1e-4
"""Root mean square of what is as good as digital silence (-80 dB)."""
BLACK = 0.06
"""Brightness that no picture with something in it stays below."""
LEAST_S = 0.5
"""Media is looked at for at least this long, so that three frames are a picture too."""
ENOUGH_S = 1.0
"""A shot that plays so much of an event shows it; of a shorter one, half is enough."""


@dataclass(frozen=True)
class Options:
    """What to say, and how much of it."""

    per_minute: float = 12.0
    """No more captions than that."""
    levels: tuple[str, ...] = ("scene", "event")
    """What to speak of: whole scenes, single events."""
    beam: int = 1
    """Sentences that are weighed against one another word by word; 1: the likeliest word each time."""
    max_proposals: int = 100
    nms: float = 0.4
    """Of two events that overlap this much (tIoU), the surer one stays."""
    speech: str | Path = "auto"
    """Where spoken words come from: `auto` (subtitles beside the media, else a network), `none`, a file."""
    say_speech: bool = False
    """What is said becomes captions of its own."""
    speech_model: Path | None = None
    proposals_file: Path | None = None
    """Events from a file instead of from the network."""
    on: Literal["timeline", "clip"] = "timeline"
    """Where markers stand."""
    cues: tuple[Cue, ...] = ()
    """Subtitles that stand on the timeline itself, in its own seconds from 0."""

    def __post_init__(self) -> None:
        unknown = [level for level in self.levels if level not in LEVELS]
        if unknown:
            raise UsageError(f"no such level: {', '.join(unknown)}; there is: {', '.join(LEVELS)}")
        if not self.per_minute > 0 or self.beam < 1 or self.max_proposals < 1 or not 0 < self.nms <= 1:
            raise UsageError(
                "captions want per_minute above 0, beam and max_proposals of 1 or more, nms above 0 up to 1; "
                f"there is {self.per_minute:g}, {self.beam}, {self.max_proposals}, {self.nms:g}"
            )


@dataclass(frozen=True)
class Media:
    """What shots use of one picture file and one sound stream that are played side by side."""

    shots: tuple[Shot, ...]
    slip_s: float
    """Sound is read this much later in its file than picture in its own."""
    stretches: tuple[tuple[float, float], ...]
    """(start, end) in seconds of the lead's file, ascending, apart from each other."""

    @property
    def picture(self) -> MediaSpan | None:
        return self.shots[0].picture

    @property
    def sound(self) -> MediaSpan | None:
        return self.shots[0].sound

    @property
    def lead(self) -> MediaSpan:
        return self.shots[0].lead

    @property
    def duration_s(self) -> float:
        return sum(end - start for start, end in self.stretches)

    def later_s(self, span: MediaSpan) -> float:
        """How much later than the lead a span is read."""
        return self.slip_s if span is self.sound and self.picture is not None else 0.0


def analyse(
    shots: Sequence[Shot],
    bundle: Bundle,
    options: Options,
    progress: Progress = silent,
    store: cache.Store | None = None,
) -> Iterator[CaptionFinding | PassedOver]:
    """Shots that can't be looked at, as they are met; then all that was found, in the timeline's order.

    Args:
        shots: picture and sound that are seen and heard together, or one of them alone.
        bundle: the captions networks.
        progress: told seconds of media; may raise CancelledError.
        store: where what was found in media is kept; None: nowhere.

    Raises:
        BundleError: the bundle can't be used, or lacks one that it needs.
        UsageError: a file that the options name can't be used.
    """
    captioner = Captioner(bundle, beam=options.beam)
    looking = _Looking(captioner, options, _said_on_timeline(shots, options), store)
    media = media_of(shots)
    total_s = sum(each.duration_s for each in media)
    done_s = 0.0
    found: list[Ranked] = []
    for each in media:
        name = each.lead.address.clip

        def tick(seconds: float, before_s: float = done_s, name: str = name) -> None:
            progress(before_s + seconds, total_s, name)

        tick(0.0)
        try:
            seen = looking.at(each, tick)
        except MediaError as error:
            yield from (PassedOver(shot, str(error), unread=True) for shot in each.shots)
        else:
            for shot in each.shots:
                why = seen.why_not(shot)
                if why:
                    yield PassedOver(shot, why, unread=why == seen.problem)
                else:
                    found += _on_shot(shot, seen, captioner.numbers.labels)
                    found += _said_on_shot(shot, seen) if options.say_speech else ()
        done_s += each.duration_s
    progress(total_s, total_s, "")
    # Only a network that knows its names has a measure of its belief: published ones were taught to give the
    # right word three tenths.
    least_worth = LEAST_WORTH if captioner.numbers.names else 0.0
    yield from thinned(
        without_repeats(found), options.per_minute, _duration_s(shots), least_worth=least_worth
    )


def names(
    shots: Sequence[Shot], bundle: Bundle, options: Options, store: cache.Store
) -> Iterator[tuple[str, float]]:
    """(what it is kept as, seconds) of each stretch of media that `analyse` would look at.

    Raises:
        BundleError, UsageError: as `analyse`.
        MediaError: media can't be read.
    """
    captioner = Captioner(bundle, beam=options.beam)
    looking = _Looking(captioner, options, _said_on_timeline(shots, options), store)
    for media in media_of(shots):
        cues = looking.cues(media)
        for stretch in media.stretches:
            yield looking.name(media, stretch, cues), stretch[1] - stretch[0]


def _duration_s(shots: Sequence[Shot]) -> float:
    """How much of the timeline shots cover."""
    covered = _merge(
        [(each.lead.record_start_s, each.lead.record_start_s + each.lead.duration_s) for each in shots]
    )
    return sum(end - start for start, end in covered)


def media_of(shots: Iterable[Shot]) -> list[Media]:
    """Put shots of one picture file beside one sound together: their media is looked at once."""
    groups: dict[tuple, list[Shot]] = {}
    for shot in shots:
        picture, sound = shot.picture, shot.sound
        key = (
            (picture.path, picture.start_number) if picture else None,
            (sound.path, sound.stream, sound.channel) if sound else None,
            # Cuts that an editor moved by less than a frame are the same to eye and ear.
            round(shot.slip_s * 25),
        )
        groups.setdefault(key, []).append(shot)
    return [
        Media(
            tuple(group),
            # To the millisecond, so that stretches are the same for all cuts that are read alike.
            round(median(shot.slip_s for shot in group), 3),
            tuple(_merge([(shot.lead.start_s, shot.lead.end_s) for shot in group])),
        )
        for group in groups.values()
    ]


def _merge(stretches: list[tuple[float, float]]) -> list[tuple[float, float]]:
    merged: list[tuple[float, float]] = []
    for start, end in sorted(stretches):
        if merged and start <= merged[-1][1] + GAP_S:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


@dataclass
class _Seen:
    """All that is kept of one file, or of a stretch of it."""

    captions: list[Caption] = field(default_factory=list)
    cues: list[Cue] = field(default_factory=list)
    """In seconds of the lead's file."""
    problem: str = ""
    reached_s: float = 0.0
    """Media was there up to here."""
    loud_s: list[np.ndarray] = field(default_factory=list)
    """When it wasn't silent."""
    lit_s: list[np.ndarray] = field(default_factory=list)
    """When it wasn't black."""
    looked: frozenset[str] = frozenset()
    """What there was to look at: picture, sound."""

    def add(self, stretch: _Seen) -> None:
        """A later stretch of the same file."""
        self.captions += stretch.captions
        self.cues += stretch.cues
        self.problem = stretch.problem or self.problem
        self.reached_s = max(self.reached_s, stretch.reached_s)
        self.loud_s += stretch.loud_s
        self.lit_s += stretch.lit_s

    def held(self) -> Any:
        """Plain JSON, which `of` reads; of a stretch only."""
        return cache.to_plain((self.captions, self.cues, self.reached_s, self.loud_s, self.lit_s))

    @classmethod
    def of(cls, held: Any) -> _Seen:
        captions, cues, reached_s, loud_s, lit_s = cache.from_plain(held, HELD)
        return cls(list(captions), list(cues), "", reached_s, list(loud_s), list(lit_s))

    def why_not(self, shot: Shot) -> str:
        """Why nothing can be said of a shot; empty where it can be looked at."""
        lead = shot.lead
        if self.problem and lead.start_s >= self.reached_s:
            return self.problem
        if _any_within(self.loud_s, lead) or _any_within(self.lit_s, lead):
            return ""
        what = {"picture": "its picture is black", "sound": "its sound is silence"}
        return " and ".join(words for each, words in what.items() if each in self.looked)


HELD: Mapping[str, type] = {each.__name__: each for each in (Caption, Cue, Said)}
"""What is kept of media, and nothing else."""


class _BreaksOffError(Exception):
    """Media of a stretch that can't be read to its end: it may be whole another time, so it isn't kept."""

    def __init__(self, seen: _Seen) -> None:
        super().__init__(seen.problem)
        self.seen = seen


def _any_within(times_s: Sequence[np.ndarray], span: MediaSpan) -> bool:
    # A row belongs to a shot that begins within it.
    begin_s = span.start_s - LEAST_S
    return any(((each > begin_s) & (each < span.end_s)).any() for each in times_s)


class _Looking:
    """Everything that is asked about media, with what was asked for."""

    def __init__(
        self,
        captioner: Captioner,
        options: Options,
        said: Mapping[int, list[Cue]],
        store: cache.Store | None,
    ) -> None:
        self._captioner, self._options, self._said, self._store = captioner, options, said, store
        self._given = read_proposals(options.proposals_file) if options.proposals_file else None
        self._asks = captioner.asks()
        self._wants_speech = options.say_speech or captioner.wants_speech
        if tuple(options.levels) == ("event",) and not captioner.proposes and self._given is None:
            raise UsageError(
                f"{captioner.name} finds no events by itself: give proposals in a file, or ask for scenes"
            )

    def at(self, media: Media, tick: Callable[[float], None]) -> _Seen:
        """Look at all that is used of one file.

        Raises:
            MediaError: nothing of it can be looked at.
        """
        seen = _Seen(cues=self.cues(media))
        known, done_s = list(seen.cues), 0.0
        picture, sound = self._opened(media)
        seen.looked = frozenset(
            name for name, each in (("picture", picture), ("sound", sound)) if each is not None
        )
        for stretch in media.stretches:

            def reached(seconds: float, before_s: float = done_s) -> None:
                tick(before_s + seconds)

            seen.add(self._known(media, stretch, known, reached))
            done_s += stretch[1] - stretch[0]
        if seen.problem and not seen.reached_s:
            raise MediaError(seen.problem)
        seen.captions = merged(seen.captions)
        return seen

    def _known(
        self, media: Media, stretch: tuple[float, float], cues: list[Cue], tick: Callable[[float], None]
    ) -> _Seen:
        """A stretch, looked at now or by an earlier run."""
        if self._store is None:
            return self._look(media, stretch, cues, tick)

        def look() -> _Seen:
            if (seen := self._look(media, stretch, cues, tick)).problem:
                raise _BreaksOffError(seen)
            return seen

        try:
            return self._store.kept(self.name(media, stretch, cues), look, _Seen.held, _Seen.of)
        except _BreaksOffError as error:
            return error.seen

    def name(self, media: Media, stretch: tuple[float, float], cues: Sequence[Cue]) -> str:
        """What is found in a stretch is kept as.

        Raises:
            MediaError: its media can't be read.
        """
        heard = self._wants_speech and self._listens(media, cues)
        end_s = max(stretch[1], stretch[0] + LEAST_S)
        return cache.name_of(
            "told", *self._asked_of(media), stretch, self._by,
            speech.by(self._options.speech_model) if heard else [],
            [
                [each.start_s, each.end_s, each.text]
                for each in cues
                if self._captioner.wants_speech and each.end_s > stretch[0] and each.start_s < end_s
            ],
        )  # fmt: skip

    def _asked_of(self, media: Media) -> list[Any]:
        """All of a file that any answer about it depends on, and of what stands beside it or was given."""
        picture, sound = media.picture, media.sound
        flows = []
        if picture is not None and any(each.flow for each in self._captioner.streams.values()):
            path = features.flow_file(picture.path)
            flows = [path.name, cache.media_key(path) if path.is_file() else ""]
        return [
            [cache.media_key(picture.path), picture.stream, picture.start_number, picture.sequence_fps]
            if picture is not None
            else None,
            [cache.media_key(sound.path), sound.stream, sound.channel, sound.start_number]
            if sound is not None
            else None,
            media.slip_s,
            flows,
            self._proposals(media),
        ]

    @cached_property
    def _by(self) -> str:
        """The networks and the options that any answer depends on, in short."""
        options = self._options
        asked = [options.per_minute, options.levels, options.beam, options.max_proposals, options.nms]
        return cache.name_of("captioner", self._captioner.by, asked, self._wants_speech)

    def _look(
        self, media: Media, stretch: tuple[float, float], cues: list[Cue], tick: Callable[[float], None]
    ) -> _Seen:
        """Look at a stretch.

        Args:
            cues: all that is known to be said in the file.
        """
        seen, heard = _Seen(), list(cues)
        start_s, end_s = stretch
        listen = self._listener if self._listens(media, cues) else None
        streams = self._streams(listen)
        picture, sound = self._opened(media)
        cuts = windows.CutFinder() if picture is not None and "scene" in self._options.levels else None
        length_s = max(LEAST_S, end_s - start_s)
        fps, side = features.picture_grid(streams)
        chapter_s = self._captioner.numbers.chapter_s
        for chapter in features.chapters(
            windows.blocks(
                _stretch(picture, start_s, length_s),
                _stretch(sound, start_s + (media.later_s(sound) if sound else 0.0), length_s),
                fps=fps,
                side=side,
                rate=features.SOUND_RATE,
                cuts=cuts,
            ),
            streams,
            self._asks,
            features.chapter_ends(start_s, start_s + length_s, chapter_s, min(OVERLAP_S, chapter_s / 4)),
            cuts=cuts,
            tick=tick,
        ):
            if listen is not None:
                seen.cues += (words := _heard_words(chapter, listen))
                heard += words
            self._take(media, chapter, seen, heard)
        return seen

    def _streams(self, listen: speech.Listener | None) -> dict[str, features.Stream]:
        """What the network eats, and what tells whether there is anything to see and to hear."""
        streams = dict(self._captioner.streams)
        streams[features.LOUDNESS] = features.PLAIN[features.LOUDNESS]
        fps = features.picture_grid(streams)[0]
        # Twice a second, or as near as the grid of pictures allows.
        every_s = max(1, round(fps / 2)) / fps
        streams[features.BRIGHTNESS] = features.Stream(features.BRIGHTNESS, every_s, every_s, 1)
        if listen is not None:
            streams[features.SAMPLES] = features.PLAIN[features.SAMPLES]
        return streams

    def _opened(self, media: Media) -> tuple[MediaSpan | None, MediaSpan | None]:
        """(picture, sound) that have to be decoded at all; pictures cost most.

        Raises:
            MediaError: the network has no use for what there is.
        """
        kinds = {each.how.kind for each in self._captioner.streams.values()}
        picture = media.picture if "picture" in kinds else None
        sound = media.sound if "sound" in kinds or self._wants_speech else None
        if picture is None and sound is None:
            has = "picture" if media.picture is not None else "sound"
            raise MediaError(f"has only {has}, of which {self._captioner.name} knows nothing")
        if "scene" in self._options.levels:
            picture = media.picture
        return picture, sound

    def _take(self, media: Media, chapter: features.Chapter, seen: _Seen, cues: Sequence[Cue]) -> None:
        """What a chapter has to say; `cues`: what is known to be said in it."""
        loud, lit = chapter.rows[features.LOUDNESS], chapter.rows[features.BRIGHTNESS]
        for rows, least, kept in ((loud, SILENCE, seen.loud_s), (lit, BLACK, seen.lit_s)):
            at_s = rows.start_s + rows.step_s * np.flatnonzero(rows.values[:, 0] > least)
            kept.append(at_s)
            if len(rows.values):
                seen.reached_s = max(seen.reached_s, rows.end_s)
        if chapter.problem:
            seen.problem = chapter.problem
        chapter, no_flow = _with_flow(media, chapter, self._captioner.streams)
        crops, stretches, doubts = [], [], []
        for stretch in self._stretches(media, chapter):
            crop, why = self._crop(media, chapter, stretch, seen, cues)
            if crop is not None:
                crops.append(crop)
                stretches.append(stretch)
                doubts.append((*why, *no_flow))
        said = self._captioner.say(crops)
        # That something sounds is news where it sets in, and none of a whole scene.
        found = [
            Caption(each.start_s, each.end_s, each.level, what, each.weight, doubts=why, crop=crop)
            for each, what, why, crop in zip(stretches, said, doubts, crops, strict=True)
            if what is not None and (what.named or each.level == "event")
        ]
        seen.captions += self._carried(self._best_of(merged(found), chapter))

    def _best_of(self, found: Sequence[Caption], chapter: features.Chapter) -> list[Caption]:
        """Twice as many as may stay of a chapter in the end: the more are kept, the more memory they take."""
        minutes = (chapter.answers_to_s - chapter.answers_from_s) / MINUTE_S
        most = 2 * ceil(self._options.per_minute * minutes) + 2
        return sorted(found, key=lambda each: -each.rank)[:most]

    def _carried(self, found: Sequence[Caption]) -> Iterator[Caption]:
        """The same, knowing what told them; what the network ate is let go."""
        crops = [each.crop for each in found if each.crop is not None]
        carriers = self._captioner.carried_by(crops, [each.said for each in found])
        for each, carried_by in zip(found, carriers, strict=True):
            yield replace(each, carried_by=carried_by, crop=None)

    def _stretches(self, media: Media, chapter: features.Chapter) -> list[_Asked]:
        found: list[_Asked] = []
        if "scene" in self._options.levels:
            found += [_Asked(start, end, "scene") for start, end in scenes(chapter)]
        if "event" in self._options.levels:
            for start, end, confidence in self._events(media, chapter):
                if chapter.answers_from_s <= (start + end) / 2 < chapter.answers_to_s:
                    found.append(_Asked(float(start), float(end), "event", float(confidence)))
        return found

    def _events(self, media: Media, chapter: features.Chapter) -> np.ndarray:
        """(n, 3) start, end and confidence."""
        options = self._options
        if self._given is not None:
            boxes = np.array(self._proposals(media), np.float64).reshape(-1, 3)
            boxes[:, :2] = np.clip(boxes[:, :2], chapter.start_s, chapter.end_s)
            return best(boxes[boxes[:, 1] > boxes[:, 0]], options.max_proposals, options.nms)
        if not self._captioner.proposes:
            return np.zeros((0, 3))
        return self._captioner.propose(chapter, most=options.max_proposals, nms=options.nms)

    def _proposals(self, media: Media) -> Sequence[tuple[float, float, float]] | None:
        """Events that were given for a file; None: nobody gave any."""
        if self._given is None:
            return None
        return self._given.get(media.lead.media_name, self._given.get(media.lead.path.stem)) or ()

    def _crop(
        self, media: Media, chapter: features.Chapter, asked: _Asked, seen: _Seen, cues: Sequence[Cue]
    ) -> tuple[Crop | None, tuple[str, ...]]:
        """What the network is asked about a stretch, and what there is to doubt; None: nothing is there."""
        captioner, doubts = self._captioner, []
        tokens: Sequence[int] = ()
        if captioner.wants_speech:
            said = speech.within(cues, asked.start_s, asked.end_s)
            numbers = captioner.numbers
            tokens = speech.tokens(said, numbers.speech, unknown=numbers.unknown) if said else ()
        crop = captioner.crop(chapter, asked.start_s, asked.end_s, tokens)
        loud = _above(chapter.rows[features.LOUDNESS], asked, SILENCE)
        lit = _above(chapter.rows[features.BRIGHTNESS], asked, BLACK)
        if not loud and (not lit or (asked.level == "event" and captioner.hears_events)):
            return None, ()
        for name, stream in captioner.numbers.streams.items():
            if name not in crop:
                continue
            span, there = (media.sound, loud) if stream.how.kind == "sound" else (media.picture, lit)
            if span is None or not len(chapter.rows[name].values):
                doubts.append(
                    "there is no sound: only the picture was looked at"
                    if stream.how.kind == "sound"
                    else "there is no picture: only the sound was listened to"
                )
                crop = captioner.blank(crop, name)
            elif not there:
                doubts.append(
                    "the sound is silence here: only the picture was looked at"
                    if stream.how.kind == "sound"
                    else "the picture is black here: only the sound was listened to"
                )
                crop = captioner.blank(crop, name)
        if not any(rows.any() for rows in crop.values()):
            return None, ()
        if seen.problem or chapter.problem:
            doubts.append(f"the media breaks off: {seen.problem or chapter.problem}")
        return crop, tuple(doubts)

    def cues(self, media: Media) -> list[Cue]:
        """What is known to be said in a file, in seconds of its lead."""
        if not self._wants_speech or self._options.speech == "none":
            return []
        known = [cue for shot in media.shots for cue in self._said.get(id(shot), ())]
        if known or self._options.speech != "auto":
            return sorted(known, key=lambda cue: cue.start_s)
        for span in (media.sound, media.picture):
            path = speech.beside(span.path) if span is not None else None
            if path is not None and span is not None:
                try:
                    return speech.moved(speech.read_cues(path), -media.later_s(span))
                except MediaError:
                    # Subtitles that nobody asked for stop nothing.
                    continue
        return []

    def _listens(self, media: Media, cues: Sequence[Cue]) -> bool:
        """Whether a speech network is wanted, if there is one."""
        return not cues and media.sound is not None and self._wants_speech and self._options.speech == "auto"

    @cached_property
    def _listener(self) -> speech.Listener | None:
        return speech.listener(self._options.speech_model)


@dataclass(frozen=True)
class _Asked:
    """A stretch that the network is asked about."""

    start_s: float
    end_s: float
    level: Level
    weight: float = 1.0


def _stretch(span: MediaSpan | None, start_s: float, duration_s: float) -> windows.Stretch | None:
    if span is None:
        return None
    return windows.Stretch(
        span.path, start_s, duration_s,
        stream=span.stream, channel=span.channel,
        start_number=span.start_number, sequence_fps=span.sequence_fps,
    )  # fmt: skip


def _above(rows: features.Rows, asked: _Asked, least: float) -> bool:
    return bool((rows.crop(asked.start_s, asked.end_s) > least).any())


def _with_flow(
    media: Media, chapter: features.Chapter, streams: Mapping[str, features.Stream]
) -> tuple[features.Chapter, list[str]]:
    """Rows of pictures with those of optical flow, as published networks have them; or why they lack it."""
    doubts = []
    for name, stream in streams.items():
        if not stream.flow or media.picture is None:
            continue
        path = features.flow_file(media.picture.path)
        why = "" if stream.flow != "file" or path.is_file() else f" ({path.name} isn't there)"
        if stream.flow == "file" and path.is_file():
            try:
                rows = features.add_flow(
                    chapter.rows[name], features.read_rows(path, stream.width, "flow features")
                )
            except MediaError as error:
                why = f" ({first_line(error)})"
            else:
                chapter = replace(chapter, rows={**chapter.rows, name: rows})
                continue
        doubts.append(f"the network wants optical flow as well; it was asked with pictures alone{why}")
    return chapter, doubts


def _heard_words(chapter: features.Chapter, listen: speech.Listener) -> list[Cue]:
    """What is said in a chapter, as far as it answers for it."""
    samples = chapter.rows[features.SAMPLES]
    return [
        cue
        for cue in listen(samples.values.ravel(), samples.start_s)
        if chapter.answers_from_s <= (cue.start_s + cue.end_s) / 2 < chapter.answers_to_s
    ]


def _said_on_timeline(shots: Sequence[Shot], options: Options) -> dict[int, list[Cue]]:
    """Cues that the caller gave, in seconds of each shot's own lead; by the shot's id."""
    cues = options.cues
    if str(options.speech) not in ("auto", "none"):
        end_s = max((shot.lead.record_start_s + shot.lead.duration_s for shot in shots), default=0.0)
        try:
            cues = speech.without_start(speech.read_cues(Path(options.speech)), end_s)
        except MediaError as error:
            raise UsageError(str(error)) from error
    found = {}
    for shot in shots:
        lead = shot.lead
        end_s = lead.record_start_s + lead.duration_s
        heard = [cue for cue in cues if cue.end_s > lead.record_start_s and cue.start_s < end_s]
        found[id(shot)] = speech.moved(heard, lead.start_s - lead.record_start_s)
    return found


def scenes(chapter: features.Chapter) -> list[tuple[float, float]]:
    """(start, end) of what a chapter answers for from cut to cut; long ones in parts of the same length."""
    within = [at_s for at_s in chapter.cuts_s if chapter.answers_from_s < at_s < chapter.answers_to_s]
    edges = [chapter.answers_from_s, *within, chapter.answers_to_s]
    found = []
    shortest_s, longest_s = SCENE_S
    only = len(edges) == 2
    for start, end in pairwise(edges):
        if end - start < shortest_s and not only:
            continue
        parts = np.linspace(start, end, ceil((end - start) / longest_s - 1e-6) + 1)
        found += [(float(a), float(b)) for a, b in pairwise(parts)]
    return found


def read_proposals(path: Path) -> dict[str, list[tuple[float, float, float]]]:
    """Events by media, each (start, end, confidence), from JSON.

    Either `{"film.mp4": [[1.0, 4.5], …]}` or the layout of ActivityNet's results. A media file is known by
    its name or by its name without suffix; times are seconds of the file.

    Raises:
        UsageError: the file can't be read, or is neither.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        by_media = data.get("results", data)
        return {name: [_proposal(each) for each in events] for name, events in by_media.items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        raise UsageError(
            f'{path}: wanted proposals, such as {{"film.mp4": [[1.0, 4.5], …]}}: {first_line(error)}'
        ) from error


def _proposal(data: Any) -> tuple[float, float, float]:
    if isinstance(data, Mapping):
        start_s, end_s = data.get("timestamp") or data["segment"]
        confidence = data.get("proposal_score", data.get("score", 1.0))
    else:
        start_s, end_s, confidence = (*data, 1.0)[:3]
    return float(start_s), float(end_s), float(confidence)


def _on_shot(shot: Shot, seen: _Seen, labels: Labels) -> Iterator[Ranked]:
    """What a shot plays of all that happens in its media, cut to what is used of it."""
    for each in seen.captions:
        place = _place(shot, each.start_s, each.end_s)
        if place is None:
            continue
        words = [word for word, _ in each.said.words]
        yield (
            each.rank,
            CaptionFinding(
                shot,
                *place,
                text=sentence(words),
                name=short_name(words, labels),
                level=each.level,
                carried_by=each.carried_by,
                confidence=each.confidence,
                doubts=each.doubts,
                words=each.said.words,
            ),
        )


def _said_on_shot(shot: Shot, seen: _Seen) -> Iterator[Ranked]:
    """What is said in a shot; as surely as it was heard."""
    for cue in seen.cues if shot.sound is not None else ():
        place = _place(shot, cue.start_s, cue.end_s)
        if place is None:
            continue
        yield (
            cue.confidence,
            CaptionFinding(
                shot,
                *place,
                text=cue.text,
                name=beginning(cue.text),
                level="speech",
                carried_by="said",
                confidence=cue.confidence,
            ),
        )


def _place(shot: Shot, media_start_s: float, media_end_s: float) -> tuple[float, float, float] | None:
    """(start, end) on the timeline, and start in the lead's media, of what a shot plays of a stretch.

    None: too little of it to speak of.
    """
    lead = shot.lead
    start_s, end_s = max(media_start_s, lead.start_s), min(media_end_s, lead.end_s)
    whole_s = min(media_end_s - media_start_s, lead.duration_s)
    if end_s <= start_s or end_s - start_s < min(ENOUGH_S, whole_s / 2):
        return None
    later_s = lead.record_start_s - lead.start_s
    return start_s + later_s, end_s + later_s, start_s
