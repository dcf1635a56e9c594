"""Shots -> findings: is the sound in step with its picture, and if not, by how much?

A ladder of evidence, cheapest first, which stops at the first rung that is sure:

1. what the container says: picture and sound of one file, read from different seconds of it
2. embedded timecode: the picture's file against the recorder's
3. sound against sound: the recorder against the camera's own track
4. sound against picture: a clap or 2-pop, motion energy against sound energy over all that is used of the
   media, and the network's windows, voted into one belief over offsets

Cuts from one recording are one piece of evidence, because they share one offset. It abstains where evidence
is thin.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from otio_avassist import alignment, windows
from otio_avassist.attention import Looks
from otio_avassist.errors import MediaError
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
from otio_avassist.watching import PIECE_S, SOUND_RATE, Tick, check_preprocessing, watch

if TYPE_CHECKING:
    from otio_avassist.bundles import Model
    from otio_avassist.spans import MediaSpan, Shot

RUNGS: tuple[Method, ...] = (
    "container", "timecode", "clap", "sound-to-sound", "sound-to-picture", "network",
)  # fmt: skip

WITHIN_S: Mapping[Method, float] = {
    "container": 0.0,
    "timecode": 1 / 25,  # a frame, as a rule
    "clap": 1 / 25,
    "sound-to-sound": 0.001,
    "sound-to-picture": alignment.SURE_WITHIN_S,
    "network": alignment.SURE_WITHIN_S,
}
"""How finely each rung can tell."""


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
    looks: Looks | None = None
    """Where the network looked, in seconds of the picture's file; None: it wasn't asked, or can't tell."""


def analyse(
    shots: Sequence[Shot], model: Model | None, options: Options, progress: Progress = silent
) -> Iterator[SyncFinding | PassedOver]:
    """One answer a shot, in the order of the timeline's pools.

    Args:
        shots: picture and sound that are seen and heard together.
        model: the sync network, or None to do without it.
        progress: told seconds of media; may raise CancelledError.
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
    total_s = sum(each.duration_s for each in pools)
    done_s = 0.0
    for each in pools:
        name = each.picture.address.clip
        progress(done_s, total_s, name)

        def tick(seconds: float, before_s: float = done_s, name: str = name) -> None:
            progress(before_s + seconds, total_s, name)

        try:
            heard = listen(each, model, options, tick)
        except MediaError as error:
            yield from (PassedOver(shot, str(error), unread=True) for shot in each.shots)
        else:
            yield from (_finding(shot, each, heard, options) for shot in each.shots)
        done_s += each.duration_s
    progress(total_s, total_s, "")


def pool(shots: Sequence[Shot], options: Options) -> list[Pool]:
    """Put cuts of one picture file against one sound stream together."""
    groups: dict[tuple, list[Shot]] = {}
    for shot in shots:
        assert shot.picture is not None
        assert shot.sound is not None
        groups.setdefault((shot.picture.path, shot.sound.path, shot.sound.stream), []).append(shot)
    return [_pool(group, options) for group in groups.values()]


def _pool(group: list[Shot], options: Options) -> Pool:
    slip_s = median(shot.slip_s for shot in group)
    used = [(shot.picture.start_s, shot.picture.end_s) for shot in group if shot.picture is not None]
    return Pool(tuple(group), slip_s, tuple(_widen(_merge(used), group[0], slip_s, options.enough_s)))


def _merge(intervals: list[tuple[float, float]], gap_s: float = PIECE_S) -> list[tuple[float, float]]:
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


def listen(each: Pool, model: Model | None, options: Options, tick: Tick) -> Heard:
    """Climb the ladder until a rung is sure."""
    heard = Heard(())
    for rung in (_by_container, _by_timecode, _by_sound, _by_picture):
        heard = rung(each, heard, model, options, tick)
        if any(said.confidence >= options.sure for said in heard.evidence):
            break
    return heard


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
        tick(min(at_s, each.duration_s) / 2)
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


def _by_picture(each: Pool, heard: Heard, model: Model | None, options: Options, tick: Tick) -> Heard:
    """What moves against what sounds, over all that is used of the media."""
    wanted = {"clap", "sound-to-picture", "network"} & set(options.rungs)
    if not wanted or not each.picture_info.has_picture:
        return heard
    if "network" not in wanted:
        model = None
    stretches = [(each.picture_stretch(*ends), each.sound_stretch(*ends)) for ends in each.stretches]
    watched = watch(stretches, model, tick, window_every_s=options.window_every_s)
    posteriors = []
    if "clap" in wanted:
        clap = alignment.match_claps(
            watched.motion, watched.sound, watched.fps, max_offset_s=options.max_offset_s
        )
        heard = _add(heard, Evidence("clap", clap.early_s, clap.confidence, clap.note))
    if "sound-to-picture" in wanted:
        energy = alignment.match_energy(
            watched.motion, watched.sound, watched.fps, max_offset_s=options.max_offset_s
        )
        heard = _add(heard, Evidence("sound-to-picture", energy.early_s, energy.confidence, energy.note))
        posteriors.append(energy.posterior)
    if model is not None:
        vote = alignment.vote(watched.probabilities, np.array(model.card.classes))
        heard = _add(heard, Evidence("network", vote.early_s, vote.confidence, vote.note))
        posteriors.append(vote.posterior)
        heard = replace(heard, looks=watched.looks)
    return replace(heard, posterior=alignment.combine(posteriors)) if posteriors else heard


def _finding(shot: Shot, each: Pool, heard: Heard, options: Options) -> SyncFinding:
    """The pool's answer as it holds for one of its cuts."""
    own_s = shot.slip_s - each.slip_s
    if shot.picture is not None:
        heard = from_second(heard, shot.picture.start_s - each.stretches[0][0], shot.picture.duration_s)
    decided, confidence, doubts = decide(_pictures_as_one(heard.evidence, heard.posterior), options)
    by_sound = decided is not None and decided.method == "sound-to-sound"
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
        drift_ppm=heard.drift_ppm if by_sound else None,
        jumps=tuple(replace(jump, audio_early_s=jump.audio_early_s + own_s) for jump in heard.jumps)
        if by_sound
        else (),
        residual_s=heard.residual_s if by_sound else None,
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

    return replace(
        heard,
        evidence=tuple(map(at_cut, heard.evidence)),
        jumps=tuple(replace(jump, at_s=jump.at_s - since_s) for jump in ahead),
    )


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


def _pictures_as_one(evidence: Sequence[Evidence], posterior: Posterior | None) -> list[Evidence]:
    """Motion energy and the network look at the same pictures: their beliefs are combined, and count once."""
    if posterior is None:
        return list(evidence)
    looked = [each for each in evidence if each.method in WATCHING]
    early_s, confidence = alignment.believe(posterior)
    best = max(looked, key=lambda each: each.confidence)
    together = replace(best, audio_early_s=early_s, confidence=confidence)
    return [each for each in evidence if each not in looked] + [together]


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
