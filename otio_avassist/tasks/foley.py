"""Shots -> sounds for them: WAV files in takes, made by a generator or found in a library.

For each shot: what the picture asks for, or what somebody named; all takes side by side, part by part; level,
ends and length as an editor wants them; and which is best. A file's name tells by a digest everything that
made it, so what is there already is taken, and a run that was stopped goes on where it was. What a picture
asks for and the files are kept by content, too, for other timelines. Where the picture asks for what can't be
made, nothing is made, and the finding says so.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from otio_avassist import cache, features, library, moments, sounds, takes, windows
from otio_avassist.catalogue import CATALOGUE
from otio_avassist.errors import MediaError, UsageError
from otio_avassist.features import Rows
from otio_avassist.findings import FoleyFinding, PassedOver, SyncFinding, Take
from otio_avassist.generator import BATCH, Generator, Part, Seen
from otio_avassist.media import content_key
from otio_avassist.progress import Progress, silent
from otio_avassist.ranking import rank
from otio_avassist.takes import UNNAMED, Made
from otio_avassist.whole import replacing

if TYPE_CHECKING:
    from otio_avassist.bundles import Bundle, Card
    from otio_avassist.library import Library
    from otio_avassist.spans import MediaSpan, Shot

MADE_SO = 1
"""Of the way sounds are made: a file that was made another way isn't taken for the same."""
KEPT_S = 60.0
"""Features of a shot up to this length are kept; of a longer one they are made twice, to save memory."""
AROUND_S = 30.0
"""A sound is levelled to what is heard so much before and after it."""
QUIET_LUFS = -45.0
"""What is heard around counts from here on: nobody levels an effect to room noise."""
LOUD_LUFS = -14.0
"""Nor to what is louder than any broadcast."""
UNHEARD = 0.1
"""A take that is heard less surely as what it is meant to be is nothing to rely on."""
LOOKING = 0.2
"""Of the time that a shot takes."""
LEAST_S = 0.5
"""Pictures are looked at for at least so long, so that a single frame is a picture too."""
EYES = "eyes"


@dataclass(frozen=True)
class Options:
    """What to make, and how."""

    takes: int = 1
    seed: int = 0
    """Of the first take; the second has the next number, and so on."""
    sound: str | None = None
    """What to make, whatever the picture shows; None: what it asks for."""
    library: Path | None = None
    """A folder of sounds: the best of them is laid, and nothing is generated."""
    prime: windows.Stretch | None = None
    """A real sound to go on from: more of this."""
    primed_by: str = ""
    """The same in words."""
    loudness: float | Literal["auto"] = "auto"
    """LUFS; auto: as loud as what is heard around, else EBU R 128's."""
    around: tuple[MediaSpan, ...] = ()
    """Sounds that are heard on the timeline."""
    check_sync: bool = True
    """Ask the sync network about each take."""
    folder: Path | None = None
    """Where the files go; it is made if need be. None only for a dry run."""
    rate: float | None = None
    """Frames per second of the timeline: files are never shorter than whole ones. None: the clip's own."""
    dry_run: bool = False
    """Say what would be made, and make nothing."""

    def __post_init__(self) -> None:
        if self.takes < 1 or self.seed < 0:
            raise UsageError(
                f"foley wants takes of 1 or more and a seed of 0 or more; there is {self.takes}, {self.seed}"
            )
        if self.loudness != "auto" and not -70 < self.loudness <= 0:
            raise UsageError(f"foley wants a loudness of -70 to 0 LUFS or auto; there is {self.loudness:g}")


@dataclass(frozen=True)
class Network:
    """All that is asked about a shot."""

    bundle: Bundle
    in_step: Callable[[Shot], SyncFinding | PassedOver] | None = None
    """Whether a sound is in step with a picture."""
    in_step_by: Sequence[Any] = ()
    """What its answers depend on, as JSON values: another sync network ranks and moves takes otherwise."""

    # What a report says of it.

    @property
    def card(self) -> Card:
        return self.bundle.card

    @property
    def sha256(self) -> str:
        return self.bundle.sha256

    @property
    def device(self) -> str:
        return self.bundle.device

    @property
    def needs(self) -> Mapping[str, Bundle]:
        return self.bundle.needs


def analyse(
    shots: Sequence[Shot],
    network: Network,
    options: Options,
    progress: Progress = silent,
    store: cache.Store | None = None,
) -> Iterator[FoleyFinding | PassedOver]:
    """A finding for each shot, in their order; of one that can't be looked at, why.

    Args:
        shots: those that are to get a sound; a part of a clip will do.
        progress: told seconds of shots; may raise CancelledError. What is made by then stays, and is taken
            by the next run.
        store: where it is kept what pictures ask for, and the files; None: nowhere.

    Raises:
        BundleError: the bundle can't be used.
        UsageError: it makes no sound of the name that was given, or can't go on from the one that was.
        OutputError: a file can't be written; nothing of it is left.
    """
    making = _Making(network, options, progress, store)
    total_s = sum(shot.lead.duration_s for shot in shots)
    done_s = 0.0
    for shot in shots:

        def tick(seconds: float, before_s: float = done_s, name: str = shot.lead.address.clip) -> None:
            progress(before_s + seconds, total_s, name)

        tick(0.0)
        try:
            yield making.of(shot, tick)
        except MediaError as error:
            yield PassedOver(shot, str(error), unread=True)
        done_s += shot.lead.duration_s
    if making.new_folder is not None:
        takes.drop_empty(making.new_folder)
    progress(total_s, total_s, "")


@dataclass(frozen=True)
class _Plan:
    """How a shot's takes come about."""

    sound: str
    """In words."""
    confidence: float
    keys: Sequence[Sequence[Any]] = ()
    """What makes each take what it is, beside all that is the same for the shot; none: nothing is made."""
    make: Callable[[slice], list[Made]] = lambda some: []
    """Some of them."""
    doubts: tuple[str, ...] = ()


class _Making:
    """Everything that is the same for all shots of a run."""

    def __init__(
        self, network: Network, options: Options, progress: Progress, store: cache.Store | None
    ) -> None:
        self._network, self._options, self._store = network, options, store
        self._generator = Generator(network.bundle)
        self._library: Library | None = None
        self._named = options.sound
        self._primed: np.ndarray | None = None
        self.new_folder: Path | None = None
        """For files, where there was none before."""
        if options.library is not None:
            self._library = library.index(options.library, progress=progress)
        elif options.sound is not None:
            self._named = self._generator.named(options.sound)
        if options.prime is not None:
            self._primed, heard = self._prime(options.prime)
            # Who wants more of a sound wants what it is, not what the picture shows.
            self._named = self._named or heard
        if not options.dry_run:
            if options.folder is None:
                raise UsageError("foley wants a folder for its files")
            self.new_folder = None if options.folder.exists() else options.folder
            takes.make_folder(options.folder)

    def _prime(self, prime: windows.Stretch) -> tuple[np.ndarray, str | None]:
        """(codes to go on from, the sound they are heard as)"""
        numbers = self._generator.numbers
        length_s = min(prime.duration_s, numbers.context * numbers.column_s)
        last = replace(prime, start_s=prime.end_s - length_s, duration_s=length_s)
        try:
            samples = windows.read_sound(last, rate=numbers.rate)
            return self._generator.codes_of(samples), self._generator.heard_as(samples)
        except MediaError as error:
            raise UsageError(f"can't go on from {prime.path.name}: {error}") from error

    def of(self, shot: Shot, tick: Callable[[float], None]) -> FoleyFinding:
        """Make what a shot wants.

        Raises:
            MediaError: it can't be looked at.
        """
        lead = shot.lead
        primed = 0 if self._primed is None else len(self._primed)
        watched = _Watched(shot, self._generator, self._generator.parts(lead.duration_s, primed), tick)
        plan = (self._generated if self._library is None else self._found)(shot, watched)
        doubts = plan.doubts
        ranked: tuple[Take, ...] = ()
        target = None
        if plan.keys and not self._options.dry_run:
            target = self._loudness(shot)
            ranked = rank(self._takes(shot, plan, target), None, lead.duration_s)
            doubts = (*doubts, *_doubts(ranked, plan.sound))
        return FoleyFinding(
            shot,
            lead.record_start_s,
            lead.record_start_s + lead.duration_s,
            lead.start_s,
            plan.sound,
            "generated" if self._library is None else "library",
            ranked,
            plan.confidence,
            (*doubts, *watched.doubts),
            loudness_target_lufs=target,
            primed_by=self._options.primed_by,
            planned=self._options.dry_run and bool(plan.keys),
        )

    def _generated(self, shot: Shot, watched: _Watched) -> _Plan:
        """A plan to make something new."""
        generator, options = self._generator, self._options
        seen = self._seen(watched) if generator.numbers.class_token else Seen(None, 1.0)
        if seen.sound is None and generator.numbers.class_token:
            shows = f"the picture shows {_first(seen)}, as far as can be told, and " if seen.shows else "it "
            makes = f"asks for none of the sounds that can be made: {', '.join(generator.sounds)}"
            return _Plan(_first(seen), seen.confidence, doubts=(shows + makes,))
        seeds = range(options.seed, options.seed + options.takes)
        watched.doubt_if_blind()
        return _Plan(
            seen.sound or UNNAMED,
            seen.confidence,
            # What 8 bits and large matrices give depends, by a hair, on what else is asked at once.
            [(self._network.sha256, watched.by, seed, len(seeds)) for seed in seeds],
            lambda some: self._made(shot, seen.sound, watched, seeds[some]),
        )

    def _found(self, shot: Shot, watched: _Watched) -> _Plan:
        """A plan to lay what the library has."""
        assert self._library is not None
        options = self._options
        seen = self._seen(watched)
        sound = seen.sound or _first(seen)
        words = ", ".join((sound, *self._generator.numbers.words.get(sound, ())))
        # What is decided counts in full; else all that the picture may show, each as far as it does.
        meant = {words: 1.0} if seen.sound is not None else dict(seen.shows)
        confidence = seen.confidence if seen.sound is not None else max(meant.values(), default=0.0)
        matches = self._library.best(meant, options.takes)
        if not matches:
            nothing = f"{self._library.folder} has no sound that is {sound}"
            if self._library.passed_over:
                nothing += f"; {len(self._library.passed_over)} of its files can't be read"
            return _Plan(sound, confidence, doubts=(nothing,))
        when = functools.cache(lambda: self._moments(shot, matches))
        return _Plan(
            sound,
            confidence,
            [
                (content_key(matches[at % len(matches)].sound.path), options.seed + at // len(matches))
                for at in range(options.takes)
            ],
            lambda some: [
                self._laid(shot, matches[at % len(matches)], options.seed + at // len(matches), when())
                for at in range(options.takes)[some]
            ],
        )

    def _moments(self, shot: Shot, matches: Sequence[library.Match]) -> list[tuple[float, float]]:
        """When a picture asks for hits; of what goes on and on nobody asks when."""
        picture = shot.picture
        if picture is None or all(match.sound.kind == "ambience" for match in matches):
            return []
        watched = moments.watch(_stretch(picture, 0.0, picture.duration_s))
        return [(each.at_s, each.strength) for each in watched]

    def _laid(self, shot: Shot, match: library.Match, seed: int, when: Sequence[tuple[float, float]]) -> Made:
        samples = library.lay(match, when, shot.lead.duration_s, seed)
        return Made(samples, sounds.RATE, match.sound.path.name, None, round(match.relevance, 4))

    def _seen(self, watched: _Watched) -> Seen:
        """What is to be heard."""
        generator = self._generator
        if self._named is not None:
            return Seen(self._named, 1.0)
        if not generator.numbers.sees:
            makes = ", ".join(generator.sounds)
            raise UsageError(
                f"{generator.name} can't tell what a picture asks for: name a sound"
                + (f"; it makes: {makes}" if makes else "")
            )
        if watched.why_blind:
            raise MediaError(f"{watched.why_blind}: a sound is only made for it where one is named")
        return self._shown(watched)

    def _shown(self, watched: _Watched) -> Seen:
        """What pictures ask for, looked at now or by an earlier run."""
        store = self._store
        name = self._shown_name(watched) if store is not None else ""
        if store is not None and (held := store.read(name)) is not None:
            with contextlib.suppress(KeyError, TypeError, ValueError):
                known: Seen = cache.from_plain(held, {Seen.__name__: Seen})
                return known
        seen = self._generator.look(rows.values for rows in watched.looked_at())
        # Where there is something to doubt, it may be whole another time.
        if store is not None and not watched.doubts:
            store.write(name, cache.to_plain(seen))
        return seen

    def _shown_name(self, watched: _Watched) -> str:
        span, bundle = watched.span, self._network.bundle
        assert span is not None
        return cache.name_of(
            "shown",
            [cache.media_key(span.path), span.stream, span.start_number, span.sequence_fps],
            [span.start_s, *((part.start_s, part.end_s) for part in watched.parts)],
            watched.by, bundle.card.to_json(), bundle.device,
        )  # fmt: skip

    def _loudness(self, shot: Shot) -> float:
        """What a shot's sound is levelled to."""
        if self._options.loudness != "auto":
            return self._options.loudness
        lead = shot.lead
        from_s, to_s = lead.record_start_s - AROUND_S, lead.record_start_s + lead.duration_s + AROUND_S
        heard = [_loudness(span, from_s, to_s) for span in self._options.around]
        counts = [each for each in heard if each is not None and each > QUIET_LUFS]
        return min(LOUD_LUFS, round(fmean(counts), 1)) if counts else sounds.LOUDNESS_LUFS

    def _takes(self, shot: Shot, plan: _Plan, target: float) -> list[Take]:
        """All takes of a shot: those that are there, else all of them are made."""
        paths = [self._path(shot, plan.sound, target, *key) for key in plan.keys]
        there = [takes.read(path) for path in paths]
        found = [take for take in there if take is not None]
        if len(found) < len(paths):
            found = self._kept(shot, paths)
        if len(found) < len(paths):
            found = []
            for at in range(0, len(paths), BATCH):
                some = slice(at, at + BATCH)
                found += self._written(shot, plan.make(some), paths[some], target)
            self._keep(shot, paths)
        return found

    def _kept(self, shot: Shot, paths: Sequence[Path]) -> list[Take]:
        """Takes that were made for another timeline, all or none: their files are put here."""
        if self._store is None or not all(self._store.has(self._kept_name(shot, path)) for path in paths):
            return []
        found = []
        for path in paths:
            held: Any = self._store.read(self._kept_name(shot, path))
            try:
                content = base64.b64decode(held["wav"], validate=True)
            except (KeyError, TypeError, ValueError):  # not whole, or gone
                return []
            with replacing(path) as temporary:
                temporary.write_bytes(content)
            if (take := takes.read(path)) is None:
                return []
            found.append(take)
        return found

    def _keep(self, shot: Shot, paths: Sequence[Path]) -> None:
        if self._store is None:
            return
        for path in paths:
            with contextlib.suppress(OSError):  # somebody took it away: what isn't there isn't kept
                wav = base64.b64encode(path.read_bytes()).decode()
                self._store.write(self._kept_name(shot, path), {"wav": wav})

    def _kept_name(self, shot: Shot, path: Path) -> str:
        """The file's name tells already what made it."""
        return cache.name_of("take", path.name, cache.media_key(shot.lead.path))

    def _made(self, shot: Shot, sound: str | None, watched: _Watched, seeds: Sequence[int]) -> list[Made]:
        """Some takes, side by side."""
        generator, lead = self._generator, shot.lead
        rate = generator.numbers.rate
        # Of the shot too: the same sound twice in a cut would be heard to be the same.
        place = int(takes.digest(_media(lead), round(lead.start_s, 1)), 16)
        samples = np.zeros((len(seeds), math.ceil(lead.duration_s * rate)), np.float32)
        done = 0
        for block in generator.make(
            watched.parts,
            watched.for_making(),
            sound=sound,
            randoms=[np.random.default_rng(np.random.SeedSequence([seed, place])) for seed in seeds],
            primed=self._primed,
        ):
            block = block[:, : samples.shape[1] - done]
            samples[:, done : done + block.shape[1]] = block
            done += block.shape[1]
            watched.made(done / rate)
        return [
            Made(each, rate, "generated", seed, generator.relevance(each, sound) if sound else None)
            for seed, each in zip(seeds, samples, strict=True)
        ]

    def _written(self, shot: Shot, made: Sequence[Made], paths: Sequence[Path], target: float) -> list[Take]:
        in_step, picture = self._network.in_step, shot.picture
        ask: Callable[[Take], SyncFinding | PassedOver] | None = None
        if self._options.check_sync and in_step is not None and picture is not None:

            def ask(take: Take) -> SyncFinding | PassedOver:
                return in_step(_under(shot, picture, take))

        return takes.write(
            made,
            paths,
            length=self._length(shot),
            duration_s=shot.lead.duration_s,
            loudness_lufs=target,
            ask=ask,
        )

    def _length(self, shot: Shot) -> int:
        """Samples of a file: whole frames of the timeline, no less than the shot has."""
        rate = self._options.rate or shot.lead.rate
        return math.ceil(math.ceil(shot.lead.duration_s * rate - 1e-3) * sounds.RATE / rate - 1e-6)

    def _path(self, shot: Shot, sound: str, target: float, *made_by: Any) -> Path:
        """Of a take's file."""
        options, lead, prime = self._options, shot.lead, self._options.prime
        assert options.folder is not None
        asked = options.check_sync and self._network.in_step is not None
        in_step_by = list(self._network.in_step_by) if asked else None
        primed_by = [content_key(prime.path), prime.start_s, prime.end_s] if prime is not None else None
        return options.folder / takes.name(
            sound, MADE_SO, _media(lead), lead.start_s, lead.duration_s, self._length(shot), target,
            primed_by, in_step_by, *made_by,
        )  # fmt: skip


def _under(shot: Shot, picture: MediaSpan, take: Take) -> Shot:
    """A take where it is to be laid."""
    laid = replace(
        picture, kind="sound", url=str(take.path), path=take.path, start_s=0.0, media_start_s=0.0,
        media_end_s=take.duration_s, stream=None, channel=None, start_number=None, sequence_fps=None,
    )  # fmt: skip
    return replace(shot, sound=laid, paired_by="overlap", why_alone="")


def _media(span: MediaSpan) -> list[Any]:
    return [content_key(span.path), span.stream, span.channel, span.start_number]


class _Watched:
    """The pictures of one shot, as rows for each part of its sound."""

    def __init__(
        self, shot: Shot, generator: Generator, parts: Sequence[Part], tick: Callable[[float], None]
    ) -> None:
        self.parts = parts
        self.doubts: tuple[str, ...] = ()
        self.span, self._tick = shot.picture, tick
        self._duration_s = shot.lead.duration_s
        self._generator = generator
        self._kept: list[Rows] | None = None

    @cached_property
    def why_blind(self) -> str:
        """Why nothing is seen; empty where something is."""
        stream = self._generator.numbers.stream
        if self.span is None:
            return "there is no picture"
        if stream is None:
            return f"{self._generator.name} looks at no pictures"
        if stream.extractor == features.FILE:
            path = features.rows_file(self.span.path)
            return "" if path.is_file() else f"{path.name} with its features isn't there"
        if self._generator.eyes is None:
            entry = CATALOGUE.get(stream.extractor)
            how = f"; to get it: {entry.how}" if entry else ""
            return f"{stream.extractor}, by which pictures are known, isn't on this machine{how}"
        return ""

    @property
    def by(self) -> str:
        """What the rows depend on, beside the media."""
        stream = self._generator.numbers.stream
        if stream is not None and stream.extractor == features.FILE and self.span is not None:
            return content_key(features.rows_file(self.span.path))
        return self._generator.eyes_sha256

    def looked_at(self) -> Iterable[Rows]:
        """The rows of all parts; of a short shot they are kept for the making."""
        rows = self._rows(lambda seconds: self._tick(LOOKING * seconds))
        if self._duration_s <= KEPT_S:
            self._kept = list(rows)
            return self._kept
        return rows

    def for_making(self) -> Iterator[Rows] | None:
        """The rows of each part; None where they aren't wanted, or there are none."""
        if not self._generator.numbers.stream:
            return None
        if self.why_blind:
            return None
        return iter(self._kept) if self._kept is not None else self._rows(lambda seconds: None)

    def doubt_if_blind(self) -> None:
        """Sounds are made without pictures then; it is said of those that an earlier run made so, too."""
        if self._generator.numbers.stream and self.why_blind:
            self._doubt(f"its picture wasn't looked at: {self.why_blind}")

    def made(self, seconds: float) -> None:
        """So much of the sound is there."""
        self._tick(LOOKING * self._duration_s + (1 - LOOKING) * min(seconds, self._duration_s))

    def _rows(self, tick: Callable[[float], None]) -> Iterator[Rows]:
        """Of each part, from the shot's start on; raises MediaError where there isn't one."""
        stream, span, ask = self._generator.eyes, self.span, self._generator.ask()
        assert span is not None
        end_s = max(LEAST_S, self._duration_s)
        ends_s = [(max(0.0, part.start_s), min(part.end_s, end_s)) for part in self.parts]
        if stream is None or ask is None:
            stream = self._generator.numbers.stream
            assert stream is not None
            values = features.read_rows(features.rows_file(span.path), stream.width)
            every = Rows(values, -span.start_s, stream.step_s, stream.length_s)
            yield from (every.between(*each) for each in ends_s)
            return
        fps, side = features.picture_grid({EYES: stream})
        coming = windows.blocks(_stretch(span, 0.0, end_s), None, fps=fps, side=side, rate=0)
        last: Rows | None = None
        for chapter in features.chapters(coming, {EYES: stream}, {EYES: ask}, ends_s, tick=tick):
            rows = chapter.rows[EYES]
            if not len(rows.values):
                if last is None:
                    raise MediaError(chapter.problem or f"{span.media_name}: no picture of it can be decoded")
                rows = last
            if chapter.problem:
                self._doubt(chapter.problem)
            last = rows
            yield rows

    def _doubt(self, why: str) -> None:
        if why not in self.doubts:
            self.doubts += (why,)


def _stretch(span: MediaSpan, from_s: float, duration_s: float) -> windows.Stretch:
    return windows.Stretch(
        span.path, span.start_s + from_s, duration_s,
        stream=span.stream, channel=span.channel,
        start_number=span.start_number, sequence_fps=span.sequence_fps,
    )  # fmt: skip


def _loudness(span: MediaSpan, from_s: float, to_s: float) -> float | None:
    """Of what a span sounds like between two moments of the timeline; None: nothing that can be told."""
    from_s, to_s = max(from_s, span.record_start_s), min(to_s, span.record_start_s + span.duration_s)
    if to_s - from_s < sounds.METER_S:
        return None
    coming = windows.sounds(_stretch(span, from_s - span.record_start_s, to_s - from_s), rate=sounds.RATE)
    try:
        return sounds.measure(window.samples for window in coming if window.samples is not None).loudness_lufs
    except MediaError:
        return None


def _first(seen: Seen) -> str:
    """What a picture shows, in a word."""
    return seen.shows[0][0].partition(",")[0] if seen.shows else UNNAMED


def _doubts(found: Sequence[Take], sound: str) -> Iterator[str]:
    if all(take.loudness_lufs is None for take in found):
        yield "silence came out"
    elif found[0].relevance is not None and found[0].relevance < UNHEARD:
        yield f"no take is heard as {sound} by the network that listens to them"
