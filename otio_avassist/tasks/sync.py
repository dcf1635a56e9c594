"""Shots -> findings: is the sound in step with its picture, and if not, by how much?

A ladder of evidence, cheapest first, which stops at the first rung that is sure:

1. what the container says: picture and sound of one file, read from different seconds of it
2. embedded timecode: the picture's file against the recorder's
3. sound against sound: the recorder against the camera's own track
4. lips against voices, where the networks for lips were fetched
5. sound against picture: a clap or 2-pop, motion energy against sound energy over all that is used of the
   media, and the network's windows, voted into one belief over offsets

Cuts from one recording are one piece of evidence, because they share one offset. It abstains where evidence
is thin. Recordings are looked at in places that are the same whatever is cut from them, so that what is found
of one can be kept: another cut of it costs nothing, or only the places that are new.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property, lru_cache, partial
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from otio_avassist import alignment, cache, lips, speakers, windows
from otio_avassist.attention import Looks
from otio_avassist.course import Course, Place, course, split
from otio_avassist.errors import BundleError, MediaError
from otio_avassist.findings import (
    WATCHING,
    Attention,
    Evidence,
    Jump,
    Method,
    PassedOver,
    Posterior,
    SyncFinding,
)
from otio_avassist.progress import Progress, silent
from otio_avassist.watching import (
    PART,
    PIECE_S,
    PLACE_S,
    SOUND_RATE,
    Tick,
    Watched,
    Watcher,
    Word,
    check_preprocessing,
    in_order,
    joined,
    places,
    vote_numbers,
)

if TYPE_CHECKING:
    from otio_avassist.bundles import Card, Model
    from otio_avassist.spans import MediaSpan, Shot

RUNGS: tuple[Method, ...] = (
    "container", "timecode", "clap", "sound-to-sound", "lips", "sound-to-picture", "network",
)  # fmt: skip

WITHIN_S: Mapping[Method, float] = {
    "container": 0.0,
    "timecode": 1 / 25,  # a frame, as a rule
    "clap": 1 / 25,
    "sound-to-sound": 0.001,
    "lips": lips.SURE_WITHIN_S,
    "sound-to-picture": alignment.SURE_WITHIN_S,
    "network": alignment.SURE_WITHIN_S,
}
"""How finely each rung can tell."""


FEW_PLACES = 3
"""Recordings of no more places are looked at whole, and no longer one is settled by fewer."""
SETTLES_S = 0.2
"""What is settled can't be another answer, this far away; within it, looking on makes little better."""
PART_SURE = 0.5
"""Belief that each third of a long recording must have by itself before no more of it is looked at."""
MOST_HALVES = 8
"""Places that are looked at besides, to find where it jumps."""


@dataclass(frozen=True)
class Options:
    """What to look for, and how hard."""

    max_offset_s: float = 2.0
    """Sound against picture is searched this far to either side."""
    max_sound_offset_s: float = 30.0
    """Sound against sound is searched this far: it costs little and errs rarely."""
    sure: float = 0.9
    """A rung this confident ends the search."""
    thin: float = 0.5
    """Below it we abstain."""
    enough_s: float = 20.0
    """Shorter cuts are looked at together with their handles, up to this length."""
    window_every_s: float = 2.0
    """The network looks at a window each so many seconds."""
    settled: float = 0.93
    """Of a long recording no more is looked at once the belief within SETTLES_S is so strong."""
    most_s: float = 240.0
    """And never more than this."""
    thorough: bool = False
    """Look at all of it all the same."""
    rungs: tuple[Method, ...] = RUNGS


@dataclass(frozen=True)
class Pool:
    """Cuts of one picture file against one sound stream: they share one offset."""

    shots: tuple[Shot, ...]
    slip_s: float
    """Sound is read this much later in its file than picture in its own, in most of the cuts."""
    stretches: tuple[tuple[float, float], ...]
    """(start, end) in seconds of the picture's file, ascending, apart from each other."""

    @property
    def picture(self) -> MediaSpan:
        assert self.shots[0].picture is not None
        return self.shots[0].picture

    @property
    def sound(self) -> MediaSpan:
        assert self.shots[0].sound is not None
        return self.shots[0].sound

    @property
    def duration_s(self) -> float:
        return sum(end - start for start, end in self.stretches)

    @cached_property
    def places(self) -> tuple[tuple[float, float], ...]:
        """(start, end) of what is looked at by itself, that make up the stretches."""
        whole = _places_of(self.shots[0], self.slip_s)
        used = [
            (start, end)
            for start, end in whole
            if any(begin - 1e-6 <= start and end <= stop + 1e-6 for begin, stop in self.stretches)
        ]
        if abs(sum(end - start for start, end in used) - self.duration_s) < PIECE_S:
            return tuple(used)
        return tuple(places(self.stretches))

    @cached_property
    def picture_info(self) -> windows.MediaInfo:
        return _info(self.picture)

    @cached_property
    def sound_info(self) -> windows.MediaInfo:
        return _info(self.sound)

    def picture_stretch(self, start_s: float, end_s: float) -> windows.Stretch:
        return _stretch(self.picture, start_s, end_s - start_s)

    def sound_stretch(self, start_s: float, end_s: float) -> windows.Stretch:
        """The sound heard under that stretch of picture, as the timeline stands."""
        return _stretch(self.sound, start_s + self.slip_s, end_s - start_s)


@dataclass(frozen=True)
class Heard:
    """What the rungs said of one pool, at the pool's own slip."""

    evidence: tuple[Evidence, ...]
    posterior: Posterior | None = None
    drift_ppm: float | None = None
    jumps: tuple[Jump, ...] = ()
    residual_s: float | None = None
    doubts: tuple[str, ...] = ()
    together: Evidence | None = None
    """Of the rungs that watch the picture: they look at the same, so they count once."""
    course: Course | None = None
    """How the offset runs by what is seen, where it doesn't stay the same; `drift_ppm` and `jumps` are those
    of sound against sound."""
    looks: Looks | None = None
    """Where the network looked, in seconds of the picture's file; None: it wasn't asked, or can't tell."""


def analyse(
    shots: Sequence[Shot],
    model: Model | None,
    options: Options,
    progress: Progress = silent,
    store: cache.Store | None = None,
) -> Iterator[SyncFinding | PassedOver]:
    """One answer a shot, in the order of the timeline's pools.

    Args:
        shots: picture and sound that are seen and heard together.
        model: the sync network, or None to do without it.
        progress: told seconds of media; may raise CancelledError.
        store: where what was found of recordings is kept; None: nowhere.
    """
    if model is not None:
        check_preprocessing(model.card)
    paired = []
    for shot in shots:
        if shot.picture is None or shot.sound is None:
            yield PassedOver(shot, shot.why_alone)
        else:
            paired.append(shot)
    pools = pool(paired, options)
    total_s = sum(_most_s(each, options) for each in pools)
    done_s = 0.0
    for each in pools:
        name = each.picture.address.clip
        progress(done_s, total_s, name)
        reached_s = [0.0]

        def tick(
            seconds: float, before_s: float = done_s, of_s: float = total_s, name: str = name,
            reached_s: list[float] = reached_s, most_s: float = _most_s(each, options),
        ) -> None:  # fmt: skip
            # One rung after the other: what begins anew is no step back.
            reached_s[0] = min(max(reached_s[0], seconds), most_s)
            progress(before_s + reached_s[0], of_s, name)

        try:
            heard = listen(each, model, options, tick, store)
        except MediaError as error:
            yield from (PassedOver(shot, str(error), unread=True) for shot in each.shots)
        else:
            yield from (_finding(shot, each, heard, options) for shot in each.shots)
        # What needn't be looked at any more was nothing to wait for.
        total_s -= _most_s(each, options) - reached_s[0]
        done_s += reached_s[0]
    progress(total_s, total_s, "")


def _most_s(each: Pool, options: Options) -> float:
    """Seconds of a pool that may be looked at, if it never settles."""
    return each.duration_s if options.thorough else min(each.duration_s, options.most_s)


def pool(shots: Sequence[Shot], options: Options) -> list[Pool]:
    """Put cuts of one picture file against one sound stream together."""
    groups: dict[tuple, list[Shot]] = {}
    for shot in shots:
        assert shot.picture is not None
        assert shot.sound is not None
        groups.setdefault((shot.picture.path, shot.sound.path, shot.sound.stream), []).append(shot)
    return [_pool(group, options) for group in groups.values()]


def _pool(group: list[Shot], options: Options) -> Pool:
    # To the millisecond, as places are the same for all cuts that are read alike.
    slip_s = round(median(shot.slip_s for shot in group), 3)
    used = _merge([(shot.picture.start_s, shot.picture.end_s) for shot in group if shot.picture is not None])
    # Who wants no handles gets none: what is used and nothing else.
    looked_at = _whole(used, group[0], slip_s, options.enough_s) if options.enough_s else used
    return Pool(tuple(group), slip_s, tuple(looked_at))


def _whole(
    used: list[tuple[float, float]], shot: Shot, slip_s: float, enough_s: float
) -> list[tuple[float, float]]:
    """All places of the recording that hold something of what is used; of one whose end nobody knows, what is
    used, with its handles."""
    found = [
        (start, end)
        for start, end in _places_of(shot, slip_s)
        if any(begin < end - 1e-6 and stop > start + 1e-6 for begin, stop in used)
    ]
    whole = _merge(found, gap_s=1e-6)
    inside = all(
        any(start <= begin + 1e-6 and stop <= end + PIECE_S for start, end in whole) for begin, stop in used
    )
    return whole if whole and inside else _widen(used, shot, slip_s, enough_s)


def _places_of(shot: Shot, slip_s: float) -> list[tuple[float, float]]:
    """The places of all that both files hold, whatever a cut uses of it; none where nobody knows the end."""
    first_s, last_s = _both_have(shot, slip_s)
    known = any(span is not None and span.media_end_s is not None for span in (shot.picture, shot.sound))
    return places([(first_s, last_s)]) if known and last_s - first_s >= PIECE_S else []


NEAR_S = 1.0
"""Stretches no further apart are one."""


def _merge(intervals: list[tuple[float, float]], gap_s: float = NEAR_S) -> list[tuple[float, float]]:
    """Join what overlaps or nearly touches: no second of media is looked at twice."""
    merged: list[tuple[float, float]] = []
    for start, end in sorted(intervals):
        if merged and start <= merged[-1][1] + gap_s:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _widen(
    stretches: list[tuple[float, float]], shot: Shot, slip_s: float, enough_s: float
) -> list[tuple[float, float]]:
    """Let short cuts reach into their handles: a recording has the same offset a second before the cut."""
    missing = enough_s - sum(end - start for start, end in stretches)
    if missing <= 0:
        return stretches
    first_s, last_s = _both_have(shot, slip_s)
    each_side_s = missing / (2 * len(stretches))
    return _merge(
        [
            (min(start, max(start - each_side_s, first_s)), max(end, min(end + each_side_s, last_s)))
            for start, end in stretches
        ]
    )


def _both_have(shot: Shot, slip_s: float) -> tuple[float, float]:
    """The seconds of the picture's file that both files hold."""
    assert shot.picture is not None
    assert shot.sound is not None
    ends = [
        span.media_end_s - later_s
        for span, later_s in ((shot.picture, 0.0), (shot.sound, slip_s))
        if span.media_end_s is not None
    ]
    return (
        max(shot.picture.media_start_s, shot.sound.media_start_s - slip_s),
        min(ends, default=shot.picture.end_s),
    )


def _info(span: MediaSpan) -> windows.MediaInfo:
    return windows.probe(span.path, start_number=span.start_number, sequence_fps=span.sequence_fps)


def _stretch(span: MediaSpan, start_s: float, duration_s: float) -> windows.Stretch:
    return windows.Stretch(
        span.path, start_s, duration_s,
        stream=span.stream, channel=span.channel,
        start_number=span.start_number, sequence_fps=span.sequence_fps,
    )  # fmt: skip


HELD: Mapping[str, type] = {
    each.__name__: each for each in (Course, Evidence, Heard, Jump, Posterior, Watched, Word, lips.Said)
}
"""What is kept of recordings, and nothing else."""


def listen(
    each: Pool, model: Model | None, options: Options, tick: Tick, store: cache.Store | None = None
) -> Heard:
    """Climb the ladder until a rung is sure, or remember how that went before."""
    if store is None:
        return _climb(each, model, options, tick, None)
    return store.kept(
        heard_name(each, model, options, store),
        lambda: _climb(each, model, options, tick, store),
        _heard_held,
        _heard_of,
    )


def heard_name(each: Pool, model: Model | None, options: Options, store: cache.Store) -> str:
    """What the answer for a pool is kept as.

    Raises:
        MediaError: its media can't be read.
    """
    return cache.name_of(
        "heard", _asked_of(each, model, store), each.places, each.picture.rate, _options_name(options)
    )


def place_name(
    each: Pool, model: Model | None, options: Options, place: tuple[float, float], store: cache.Store
) -> str:
    """What is seen and heard in one place is kept as. Raises as `heard_name`."""
    return cache.name_of("place", _asked_of(each, model, store), place, options.window_every_s)


def _asked_of(each: Pool, model: Model | None, store: cache.Store) -> list[Any]:
    """All that any answer about a pool depends on, but for the stretch and the options."""
    picture, sound = each.picture, each.sound
    network = _network_name(model) if model is not None else ""
    return [
        [cache.media_key(picture.path), picture.start_number, picture.sequence_fps],
        [cache.media_key(sound.path), sound.stream, sound.channel, sound.start_number, sound.sequence_fps],
        each.slip_s,
        network,
        store.fact("lips", _lips_by),
    ]


@lru_cache(maxsize=1)
def _network_name(model: Model) -> str:
    """All of a network that an answer depends on, in short: a film has hundreds of pools."""
    card = model.card
    return cache.name_of(
        "network", card.network, model.sha256, model.device, card.preprocessing, card.classes
    )


@lru_cache(maxsize=8)
def _options_name(options: Options) -> str:
    """Likewise of the options."""
    return cache.name_of("options", asdict(options))


def _lips_by() -> list[str]:
    """Which networks follow lips and know speech; none where they were never fetched."""
    try:
        return [each.sha256 for each in speakers.networks()]
    except BundleError:
        return []


def _heard_held(heard: Heard) -> Any:
    looks = cache.to_plain(heard.looks.held()) if heard.looks is not None else None
    return {"heard": cache.to_plain(replace(heard, looks=None)), "looks": looks}


def _heard_of(held: Any) -> Heard:
    looks = cache.from_plain(held["looks"], {})
    heard: Heard = cache.from_plain(held["heard"], HELD)
    return replace(heard, looks=Looks.of(looks) if looks is not None else None)


def _climb(each: Pool, model: Model | None, options: Options, tick: Tick, store: cache.Store | None) -> Heard:
    heard = Heard(())
    by_lips, by_picture = partial(_by_lips, store=store), partial(_by_picture, store=store)
    for rung in (_by_container, _by_timecode, _by_sound, by_lips, by_picture, _without_lips):
        heard = rung(each, heard, model, options, tick)
        if any(said.confidence >= options.sure and _of_all(each, said) for said in heard.evidence):
            break
    return heard


def _of_all(each: Pool, said: Evidence) -> bool:
    """Lips are followed through a part of a long recording only, and don't tell whether it drifts."""
    return said.method != "lips" or each.duration_s <= speakers.MOST_S


def _add(heard: Heard, *evidence: Evidence) -> Heard:
    return replace(heard, evidence=(*heard.evidence, *evidence))


def _by_container(each: Pool, heard: Heard, model: Model | None, options: Options, tick: Tick) -> Heard:
    """One file's picture and sound were in step when the file was written, as a rule."""
    if "container" not in options.rungs or each.picture.path != each.sound.path:
        return heard
    if abs(each.slip_s) < 0.5 / each.picture.rate:
        # Says little: recordings that are out of step in themselves look just like this.
        return _add(heard, Evidence("container", 0.0, 0.3, _one_place(each)))
    return _add(
        heard,
        Evidence(
            "container", each.slip_s, 0.6,
            f"one file's sound is read {_ms(abs(each.slip_s))} {'later' if each.slip_s > 0 else 'earlier'}"
            " than its picture: slipped by hand, or by another tool",
        ),
    )  # fmt: skip


def _one_place(each: Pool) -> str:
    said = "picture and sound are read from one place of one file"
    streams = each.sound_info.sounds
    sets_in_s = streams[each.sound.stream or 0].start_s if streams else 0.0
    if sets_in_s * each.picture.rate < 1:
        return said
    return f"{said}, whose sound sets in {_ms(sets_in_s)} late: editors that ignore this play it early"


def _by_timecode(each: Pool, heard: Heard, model: Model | None, options: Options, tick: Tick) -> Heard:
    """Jam-synced clocks: where both files carry the same time of day, they belong together."""
    if "timecode" not in options.rungs or each.picture.path == each.sound.path:
        return heard
    picture, sound = each.picture_info, each.sound_info
    if picture.timecode_s is None or sound.timecode_s is None:
        return heard
    early_s = each.slip_s - (picture.timecode_s - sound.timecode_s)
    if abs(early_s) > options.max_sound_offset_s:
        return _add(
            heard,
            Evidence("timecode", None, 0.0, "the files' timecodes lie too far apart to be of one clock"),
        )
    # At 23.976 fps, 01:00:00:00 is 3603.6 s after midnight, and a recorder's samples don't say it otherwise.
    alike = abs(picture.timecode_s - sound.timecode_s) < 0.01
    by_default = _on_the_hour(picture) and (alike or _on_the_hour(sound))
    return _add(
        heard,
        Evidence(
            "timecode", early_s, 0.6 if by_default else 0.95,
            f"timecode of the picture ({clock(picture)}) against that of the sound ({clock(sound)})"
            + (": both start on the full hour, which may be a default" if by_default else ""),
        ),
    )  # fmt: skip


def _on_the_hour(info: windows.MediaInfo) -> bool:
    """By its numbers where it has them: in drop-frame, 01:00:00;00 isn't quite an hour after midnight."""
    if info.timecode:
        return re.fullmatch(r"\d+:00:00[:;.,]00", info.timecode.strip()) is not None
    return info.timecode_s is not None and info.timecode_s % 3600 == 0


def clock(info: windows.MediaInfo) -> str:
    return info.timecode or f"{info.timecode_s:.3f} s after midnight"


def _by_sound(each: Pool, heard: Heard, model: Model | None, options: Options, tick: Tick) -> Heard:
    """The recorder against what the camera heard itself."""
    if (
        "sound-to-sound" not in options.rungs
        or each.picture.path == each.sound.path
        or not each.picture_info.has_sound
    ):
        return heard
    start_s, end_s = each.stretches[0][0], each.stretches[-1][1]

    def camera(at_s: float, duration_s: float) -> np.ndarray:
        tick(_most_s(each, options) * min(at_s / max(end_s - start_s, 1e-9), 1) / 2)
        own = replace(each.picture, stream=None, channel=None)
        return windows.read_sound(_stretch(own, start_s + at_s, duration_s), rate=SOUND_RATE)

    def recorder(at_s: float, duration_s: float) -> np.ndarray:
        return windows.read_sound(
            _stretch(each.sound, start_s + each.slip_s + at_s, duration_s), rate=SOUND_RATE
        )

    match = alignment.match_sounds(
        camera, recorder, end_s - start_s, search_s=options.max_sound_offset_s, rate=SOUND_RATE
    )
    return replace(
        _add(heard, Evidence("sound-to-sound", match.early_s, match.confidence, match.note)),
        drift_ppm=match.drift_ppm,
        jumps=match.jumps,
        residual_s=match.residual_s,
        doubts=heard.doubts + match.doubts,
    )


def _by_lips(
    each: Pool,
    heard: Heard,
    model: Model | None,
    options: Options,
    tick: Tick,
    store: cache.Store | None = None,
) -> Heard:
    """Who is seen to speak against who is heard; nothing where the networks for lips were never fetched."""
    if "lips" not in options.rungs or not each.picture_info.has_picture:
        return heard

    def keep(what: str, place: speakers.Place, make: Callable[[], Any]) -> Any:
        if store is None:
            return make()
        # Lips are put to the sound by other networks than the sync network.
        name = cache.name_of(what, _asked_of(each, None, store), place, options.max_offset_s)
        return store.kept(name, make, cache.to_plain, partial(cache.from_plain, kinds=HELD))

    try:
        match = speakers.look(
            each.places, each.picture_stretch, each.sound_stretch,
            max_offset_s=options.max_offset_s, sure=options.sure, keep=keep,
        )  # fmt: skip
    except BundleError:
        return heard
    if match is None:
        return heard
    said = Evidence("lips", match.early_s, match.confidence, match.note)
    return replace(_add(heard, said), posterior=match.posterior)


def _without_lips(each: Pool, heard: Heard, model: Model | None, options: Options, tick: Tick) -> Heard:
    """Where nothing is sure, say that lips weren't asked, and how they can be."""
    if "lips" not in options.rungs or not each.picture_info.has_picture:
        return heard
    try:
        speakers.networks()
    except BundleError as error:
        return _add(heard, Evidence("lips", None, 0.0, str(error)))
    return heard


def _by_picture(
    each: Pool,
    heard: Heard,
    model: Model | None,
    options: Options,
    tick: Tick,
    store: cache.Store | None = None,
) -> Heard:
    """What moves against what sounds, over as much of the media as it takes."""
    wanted = {"clap", "sound-to-picture", "network"} & set(options.rungs)
    if not wanted or not each.picture_info.has_picture:
        return heard
    look = _Look(each, model if "network" in wanted else None, options, tick, heard, store)
    weighed = look.far_enough()
    return replace(
        _add(heard, *weighed.evidence),
        posterior=weighed.posterior,
        together=weighed.together,
        course=weighed.course,
        looks=look.looks,
    )


@dataclass(frozen=True)
class Weighed:
    """What the places that were looked at say together."""

    evidence: tuple[Evidence, ...]
    posterior: Posterior | None
    together: Evidence | None
    """Of the rungs that watch: they look at the same pictures, so they count once."""
    course: Course | None

    @property
    def belief(self) -> tuple[float | None, float]:
        """(offset at the beginning, belief in it), as far as more of the same could change them."""
        if self.course is not None:
            return self.course.early_s, self.course.confidence
        clap = next((said for said in self.evidence if said.method == "clap"), Evidence("clap", None, 0.0))
        seen = (None, 0.0) if self.posterior is None else alignment.believe(self.posterior, SETTLES_S)
        return max(seen, (clap.audio_early_s, clap.confidence), key=lambda said: said[1])


@dataclass(frozen=True)
class _Seen:
    """What is kept of one place."""

    watched: tuple[Watched, ...]
    looks: Looks | None


def _seen_held(seen: _Seen) -> Any:
    looks = seen.looks.held() if seen.looks is not None else None
    return {"watched": cache.to_plain(seen.watched), "looks": cache.to_plain(looks)}


def _seen_of(held: Any) -> _Seen:
    looks = cache.from_plain(held["looks"], {})
    return _Seen(cache.from_plain(held["watched"], HELD), Looks.of(looks) if looks is not None else None)


_ALONE = "only a part of the recording tells so, and the rest doesn't bear it out: it may be chance"
"""Why an answer isn't named that lies well above chance."""


class _Look:
    """One pool, looked at place by place until what is found doesn't change any more."""

    def __init__(
        self,
        each: Pool,
        model: Model | None,
        options: Options,
        tick: Tick,
        heard: Heard,
        store: cache.Store | None,
    ) -> None:
        self._heard, self._store = heard, store
        self.looks: Looks | None = None
        """Where the network looked so far; None: there is none, or it doesn't tell."""
        self._pool, self._model, self._options, self._tick = each, model, options, tick
        self._watched: list[Watched] = []
        """In order of time."""
        self._said: list[Place] = []
        """What each of them says by itself, of those that are long enough to say anything."""
        self._done_s = 0.0

    def far_enough(self) -> Weighed:
        """Look at all of what is short, or of all where that is asked for; else until it is settled."""
        options, found = self._options, self._pool.places
        if options.thorough or len(found) <= FEW_PLACES:
            for place in found:
                self._see(*place)
            return self._weighed()
        weighed = None
        for place in in_order(found, self._listen, max(FEW_PLACES, round(options.most_s / PLACE_S))):
            self._see(*place)
            if len(self._watched) >= FEW_PLACES:
                before, weighed = weighed, self._weighed()
                if before is not None and _settled(before, weighed, options) and self._holds(weighed):
                    break
        assert weighed is not None
        return self._narrowed(weighed, found)

    def _holds(self, weighed: Weighed) -> bool:
        """Whether each third of the recording says so by itself: one that jumps or drifts would not."""
        if weighed.course is not None:
            return True
        early_s, _ = weighed.belief
        if early_s is None:
            return False
        parts: list[list[Posterior]] = [[], [], []]
        span_s = self._pool.stretches[-1][1] - self._zero_s
        for place in self._said:
            parts[int(3 * place.at_s / span_s)].append(place.posterior)
        said = [
            alignment.believe(alignment.combine(part), SETTLES_S) if part else (None, 0.0) for part in parts
        ]
        return all(
            own_s is not None and sure >= PART_SURE and abs(own_s - early_s) <= alignment.SURE_WITHIN_S
            for own_s, sure in said
        )

    def _narrowed(self, weighed: Weighed, found: Sequence[tuple[float, float]]) -> Weighed:
        """Where it jumps, look between the places that tell so, by halves."""
        for _ in range(MOST_HALVES):
            jumps = weighed.course.jumps if weighed.course is not None else ()
            between = next(filter(None, (self._unseen_round(jump, found) for jump in jumps)), None)
            if between is None:
                break
            self._see(*between)
            weighed = self._weighed()
        return weighed

    def _unseen_round(self, jump: Jump, found: Sequence[tuple[float, float]]) -> tuple[float, float] | None:
        """The middle one of the places that nobody looked at between those before and after a jump."""
        at_s = jump.at_s + self._zero_s
        before_s = max((each.end_s for each in self._watched if _middle_s(each) < at_s), default=-math.inf)
        after_s = min((each.start_s for each in self._watched if _middle_s(each) >= at_s), default=math.inf)
        unseen = [each for each in found if each[0] > before_s - PIECE_S and each[1] < after_s + PIECE_S]
        return unseen[len(unseen) // 2] if unseen else None

    def _listen(self, start_s: float, end_s: float) -> np.ndarray:
        return windows.read_sound(self._pool.sound_stretch(start_s, end_s), rate=SOUND_RATE)

    def _see(self, start_s: float, end_s: float) -> None:
        """One more place, looked at now or by an earlier run."""
        if self._store is None:
            seen = self._watch(start_s, end_s)
        else:
            place = start_s, end_s
            name = place_name(self._pool, self._model, self._options, place, self._store)
            seen = self._store.kept(name, lambda: self._watch(start_s, end_s), _seen_held, _seen_of)
        self._watched += seen.watched
        self._watched.sort(key=lambda watched: watched.start_s)
        self._said += filter(None, map(self._by_itself, seen.watched))
        self._said.sort(key=lambda place: place.at_s)
        if seen.looks is not None:
            self.looks = self.looks or Looks()
            self.looks.include(seen.looks)
        self._done_s += end_s - start_s

    def _watch(self, start_s: float, end_s: float) -> _Seen:
        pool, before_s = self._pool, self._done_s
        watcher = Watcher(self._model, window_every_s=self._options.window_every_s)
        watched = watcher.watch(
            pool.picture_stretch(start_s, end_s),
            pool.sound_stretch(start_s, end_s),
            lambda done_s: self._tick(before_s + done_s),
        )
        return _Seen(tuple(watched), watcher.looks)

    @property
    def _zero_s(self) -> float:
        """Where the pool begins, in seconds of the picture's file."""
        return self._pool.stretches[0][0]

    def _weighed(self) -> Weighed:
        options, model = self._options, self._model
        motion, sound, breaks = joined(self._watched)
        fps = self._watched[0].fps
        evidence, posteriors = [], []
        energy = vote = None
        if "clap" in options.rungs:
            evidence.append(self._clap(motion, sound, breaks, fps))
        if "sound-to-picture" in options.rungs:
            energy = alignment.match_energy(
                motion, sound, fps, max_offset_s=options.max_offset_s, breaks=breaks
            )
            note = energy.note + self._how_much()
            evidence.append(Evidence("sound-to-picture", energy.early_s, energy.confidence, note))
            posteriors.append(energy.posterior)
        if model is not None:
            vote = _vote([word for each in self._watched for word in each.words], model.card)
            evidence.append(Evidence("network", vote.early_s, vote.confidence, vote.note))
            posteriors.append(vote.posterior)
        if not posteriors:
            return Weighed(tuple(evidence), self._heard.posterior, None, None)
        if self._heard.posterior is not None:
            # Of lips.
            posteriors.append(self._heard.posterior)
        posterior = alignment.combine(posteriors)
        watched = [said for said in (*self._heard.evidence, *evidence) if said.method in WATCHING]
        best = max(watched, key=lambda said: said.confidence)
        found = self._course()
        if found is not None:
            moving = replace(best, audio_early_s=found.early_s, confidence=found.confidence, note=found.note)
            return Weighed(tuple(evidence), posterior, moving, found)
        early_s, confidence = alignment.believe(posterior)
        if early_s is not None and not self._borne_out(early_s):
            evidence.append(Evidence(evidence[-1].method, None, 0.0, _ALONE))
            alone = replace(best, audio_early_s=None, confidence=0.0)
            return Weighed(tuple(evidence), posterior, alone, None)
        if early_s is not None and energy is not None and vote is not None and vote.early_s is not None:
            early_s = alignment.refine(early_s, vote.step_s, energy.if_related)
        together = replace(best, audio_early_s=early_s, confidence=confidence)
        return Weighed(tuple(evidence), posterior, together, None)

    def _borne_out(self, early_s: float) -> bool:
        """Whether lips say so, whose belief knows of chance, or both parts of what was looked at."""
        by_lips = any(
            said.method == "lips"
            and said.audio_early_s is not None
            and said.confidence >= self._options.thin
            and abs(said.audio_early_s - early_s) <= SETTLES_S
            for said in self._heard.evidence
        )
        return by_lips or alignment.borne_out(early_s, self._parts(), SETTLES_S)

    def _parts(self) -> tuple[Posterior, Posterior]:
        """What the first and the last part of all that was looked at say, each by itself."""
        if len(self._said) == 1:
            [watched] = filter(self._tells, self._watched)
            first_s, last_s = watched.parts_s
            return self._part(watched, *first_s), self._part(watched, *last_s)
        said = [place.posterior for place in self._said]
        count = int(PART * len(said))
        return alignment.combine(said[:count]), alignment.combine(said[-count:])

    def _how_much(self) -> str:
        """Said of long recordings only."""
        duration_s = self._pool.duration_s
        whole = sum(each.end_s - each.start_s for each in self._watched) > duration_s - NEAR_S * FEW_PLACES
        return "" if whole else f"; looked at {self._done_s:.0f} of {duration_s:.0f} s"

    def _clap(self, motion: np.ndarray, sound: np.ndarray, breaks: list[int], fps: float) -> Evidence:
        """The one clap there is in all runs of places that follow one another."""
        claps = [
            alignment.match_claps(
                moved, sounded, fps, max_offset_s=self._options.max_offset_s, starts_s=self._second(row, fps)
            )
            for moved, sounded, row in zip(
                np.split(motion, breaks), np.split(sound, breaks), [0, *breaks], strict=True
            )
        ]
        surest = max(claps, key=lambda clap: clap.confidence)
        alike = [clap for clap in claps if clap.kind == surest.kind is not None]
        if len(alike) > 1:
            return Evidence("clap", None, 0.0, f"{surest.kind}s stand out at {len(alike)} places")
        return Evidence("clap", surest.early_s, surest.confidence, surest.note)

    def _second(self, row: int, fps: float) -> float:
        """Of the pool's own time, at a row of the curves of all places."""
        for each in self._watched:
            if row < len(each.motion):
                return each.start_s + row / fps - self._zero_s
            row -= len(each.motion)
        return self._pool.duration_s

    def _course(self) -> Course | None:
        """Whether the offset drifts or jumps, by what each place says by itself."""
        found = course(self._said)
        if found is None or not found.jumps:
            return found
        return replace(found, jumps=tuple(self._located(jump, found) for jump in found.jumps))

    def _by_itself(self, watched: Watched) -> Place | None:
        """What one place says; None where it is too short to say anything."""
        if not self._tells(watched):
            return None
        posterior = self._belief(watched.motion, watched.sound, watched.fps, watched.words)
        return Place(_middle_s(watched) - self._zero_s, posterior)

    def _tells(self, watched: Watched) -> bool:
        return "sound-to-picture" in self._options.rungs or bool(watched.words)

    def _part(self, watched: Watched, start_s: float, end_s: float) -> Posterior:
        """What a part of one place says."""
        first, last = (round((at_s - watched.start_s) * watched.fps) for at_s in (start_s, end_s))
        motion, sound = watched.motion[first:last], watched.sound[first:last]
        return self._belief(motion, sound, watched.fps, watched.told_in(start_s, end_s))

    def _belief(self, motion: np.ndarray, sound: np.ndarray, fps: float, words: Sequence[Word]) -> Posterior:
        """Of curves and of what the network said under them, on one grid, whatever there was to ask."""
        energy = alignment.match_energy(motion, sound, fps, max_offset_s=self._options.max_offset_s)
        posteriors = [energy.posterior] if "sound-to-picture" in self._options.rungs else []
        if self._model is not None:
            # Of no words at all, chance.
            posteriors.append(_vote(words, self._model.card).posterior)
        return alignment.combine(posteriors, energy.posterior.offsets_s)

    def _located(self, jump: Jump, found: Course) -> Jump:
        """Where it jumps, by the curves of the places around, if they follow one another."""
        from_s, to_s = (jump.at_s + self._zero_s + side * jump.give_or_take_s for side in (-1, 1))
        around = [each for each in self._watched if from_s - 1e-6 <= _middle_s(each) <= to_s + 1e-6]
        motion, sound, breaks = joined(around)
        if breaks or len(around) < 2:
            return jump
        fps = around[0].fps
        old_s, new_s = (
            alignment.lag_s(early_s, fps)
            for early_s in (found.at(jump.at_s - jump.give_or_take_s), jump.audio_early_s)
        )
        second, give_or_take_s = split(*alignment.events(motion, sound, fps), fps, old_s, new_s)
        return Jump(around[0].start_s + second - self._zero_s, jump.audio_early_s, give_or_take_s)


def _vote(words: Sequence[Word], card: Card) -> alignment.Vote:
    """What a network says of some windows together, each counting as its card has it."""
    probabilities = np.array([word.probabilities for word in words]).reshape(-1, len(card.classes))
    counts = {key: value for key, value in vote_numbers(card).items() if key != "temperature"}
    return alignment.vote(probabilities, np.array(card.classes), **counts)


def _middle_s(watched: Watched) -> float:
    return (watched.start_s + watched.end_s) / 2


def _settled(before: Weighed, now: Weighed, options: Options) -> bool:
    """Two looks in a row are sure, and of the same."""
    beliefs = before.belief, now.belief
    (one_s, _), (two_s, _) = beliefs
    return (
        one_s is not None
        and two_s is not None
        and (before.course is None) == (now.course is None)
        and abs(one_s - two_s) <= alignment.SURE_WITHIN_S
        and min(sure for _, sure in beliefs) >= options.settled
    )


def _finding(shot: Shot, each: Pool, heard: Heard, options: Options) -> SyncFinding:
    """The pool's answer as it holds for one of its cuts."""
    own_s = shot.slip_s - each.slip_s
    if shot.picture is not None:
        heard = from_second(heard, shot.picture.start_s - each.stretches[0][0], shot.picture.duration_s)
    decided, confidence, doubts = decide(_pictures_as_one(heard), options)
    by_sound = decided is not None and decided.method == "sound-to-sound"
    course = heard.course if decided is not None and decided.method in WATCHING else None
    jumps = heard.jumps if by_sound else course.jumps if course is not None else ()
    return SyncFinding(
        shot=shot,
        audio_early_s=_plus(decided.audio_early_s, own_s) if decided else None,
        confidence=confidence,
        method=decided.method if decided else "none",
        within_s=WITHIN_S[decided.method] if decided else 0.0,
        doubts=doubts + (heard.doubts if by_sound else ()) + _may_be_laid_under(shot, each, decided),
        evidence=tuple(
            replace(said, audio_early_s=_plus(said.audio_early_s, own_s)) for said in heard.evidence
        ),
        posterior=_moved(heard.posterior, own_s),
        drift_ppm=heard.drift_ppm if by_sound else course.drift_ppm if course is not None else None,
        jumps=tuple(replace(jump, audio_early_s=jump.audio_early_s + own_s) for jump in jumps),
        residual_s=heard.residual_s if by_sound else course.residual_s if course is not None else None,
        pooled_with=tuple(other.lead.address.clip for other in each.shots if other is not shot),
        attention=_attention(shot, heard.looks, own_s),
    )


def _attention(shot: Shot, looks: Looks | None, own_s: float) -> Attention | None:
    """What was looked at in this cut, whose sound is read `own_s` later, and so heard earlier."""
    if looks is None or shot.picture is None:
        return None
    return looks.within(shot.picture.start_s, shot.picture.end_s, sound_later_s=-own_s)


def from_second(heard: Heard, since_s: float, duration_s: float) -> Heard:
    """Drift and jumps of a pool, as they hold for a cut that begins so many seconds into it."""
    drift = (heard.drift_ppm or 0.0) * 1e-6
    passed = [jump for jump in heard.jumps if jump.at_s <= since_s]
    ahead = [jump for jump in heard.jumps if since_s < jump.at_s < since_s + duration_s]

    def at_cut(said: Evidence) -> Evidence:
        if said.method != "sound-to-sound" or said.audio_early_s is None:
            return said
        last = passed[-1] if passed else Jump(0.0, said.audio_early_s)
        return replace(said, audio_early_s=last.audio_early_s - drift * (since_s - last.at_s))

    heard = replace(
        heard,
        evidence=tuple(map(at_cut, heard.evidence)),
        jumps=tuple(replace(jump, at_s=jump.at_s - since_s) for jump in ahead),
    )
    if heard.course is None or heard.together is None:
        return heard
    course = heard.course.from_second(since_s, duration_s)
    return replace(heard, course=course, together=replace(heard.together, audio_early_s=course.early_s))


def _plus(early_s: float | None, own_s: float) -> float | None:
    return None if early_s is None else early_s + own_s


def _may_be_laid_under(shot: Shot, each: Pool, decided: Evidence | None) -> tuple[str, ...]:
    """Music or a commentary also lies under a picture; only a recorder shares its event or its clock."""
    if (
        decided is None
        or shot.paired_by != "overlap"
        or not each.picture_info.has_sound
        or decided.method in ("sound-to-sound", "timecode")
    ):
        return ()
    return ("this sound and the picture's own track have nothing in common: it may be music, laid under it",)


def _pictures_as_one(heard: Heard) -> list[Evidence]:
    """Lips, motion energy and the network look at the same pictures: what they say together counts once."""
    if heard.together is None:
        return list(heard.evidence)
    return [each for each in heard.evidence if each.method not in WATCHING] + [heard.together]


AGREE_S = 0.06
"""Two rungs this near say the same: a frame and a half at 25 fps."""


def decide(evidence: Sequence[Evidence], options: Options) -> tuple[Evidence | None, float, tuple[str, ...]]:
    """Which rung decides, how sure all of them together are, and what speaks against it."""
    said = [each for each in evidence if each.audio_early_s is not None]
    best = max(said, key=lambda each: each.confidence, default=None)
    if best is None or best.audio_early_s is None:
        return None, 0.0, ()
    wrong = 1.0
    doubts = []
    for each in said:
        assert each.audio_early_s is not None
        if abs(each.audio_early_s - best.audio_early_s) <= AGREE_S:
            wrong *= 1 - each.confidence
        elif each.confidence >= options.thin:
            doubts.append(f"{each.method} says otherwise: {each.note}")
    confidence = 1 - wrong
    if confidence < options.thin:
        return None, confidence, ()
    if best.method in WATCHING and abs(best.audio_early_s) > options.max_offset_s - 0.1:
        doubts.append(f"the answer lies at the edge of what was searched (±{options.max_offset_s:g} s)")
    return best, confidence, tuple(doubts)


def _moved(posterior: Posterior | None, by_s: float) -> Posterior | None:
    if posterior is None:
        return None
    return replace(posterior, offsets_s=tuple(offset + by_s for offset in posterior.offsets_s))


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"
