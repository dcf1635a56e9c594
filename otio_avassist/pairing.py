"""Clips of one timeline -> which picture and which sound belong together, and why the others stand alone.

Three ways, surest first: an editor linked them; they play the same file at the same moment; a recorder's file
lies under one picture. A sound is paired once at most, so that it can be moved in one way only; a picture may
have several sounds. Knows seconds and files, neither OpenTimelineIO nor what the media shows.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from otio_avassist.places import Kind
    from otio_avassist.spans import MediaSpan

PairedBy = Literal["link group", "same media", "overlap", "own sound", "alone"]
Path = tuple[int, ...]


@dataclass(frozen=True)
class Clip:
    """A clip after its media was looked at."""

    path: Path
    """Of its address."""
    name: str
    track_index: int
    kind: Kind | None
    record: tuple[float, float]
    """(start, end) in timeline seconds."""
    plays: bool
    """False where nobody sees or hears media of its own: disabled, a title, a still."""
    span: MediaSpan | None
    """None where it is left out."""
    reason: str = ""
    """Why it is left out."""
    unread: bool = False
    """Because its media isn't there or can't be read."""
    link: Hashable | None = None
    """What linked clips have in common."""
    moving: bool = False
    """Its file holds moving pictures."""
    sounding: bool = False
    """Its file holds sound."""


@dataclass(frozen=True)
class Pair:
    """What belongs together; one of the two is None where a clip stands alone or carries its own sound."""

    picture: Clip | None
    sound: Clip | None
    paired_by: PairedBy
    why_alone: str = ""


class _Clips:
    """Pictures or sounds, found by what might pair them; a film has thousands."""

    def __init__(self, clips: Sequence[Clip]) -> None:
        self.clips = clips
        self.linked: dict[Hashable, list[Clip]] = defaultdict(list)
        for each in clips:
            if each.link is not None:
                self.linked[each.link].append(each)
        lengths_s = [end - start for start, end in (each.record for each in clips) if start < end]
        self._slot_s = max(sum(lengths_s) / len(lengths_s), _SLOT_S) if lengths_s else _SLOT_S
        self._slots: dict[int, list[int]] = defaultdict(list)
        """Numbers of the clips that stand in each slot of the timeline: two for each clip on average."""
        self._nowhere: list[int] = []
        """Of those that stand anywhere, as nobody can say where."""
        for number, each in enumerate(clips):
            if all(map(math.isfinite, each.record)):
                for slot in self._slots_of(each):
                    self._slots[slot].append(number)
            else:
                self._nowhere.append(number)

    def near(self, clip: Clip) -> Sequence[Clip]:
        """All that may stand over or under a clip, and some that don't."""
        if not all(map(math.isfinite, clip.record)):
            return self.clips
        slots = self._slots_of(clip)
        there = self._slots if len(slots) > len(self._slots) else slots
        numbers = {number for slot in there for number in self._slots.get(slot, ())}
        return [self.clips[number] for number in sorted(numbers.union(self._nowhere))]

    def _slots_of(self, clip: Clip) -> range:
        start, end = (math.floor(each / self._slot_s) for each in clip.record)
        return range(start, end + 1)


_SLOT_S = 0.001
"""At least, so that clips of hardly any length don't fill a day with slots."""


def pair(clips: Sequence[Clip]) -> list[Pair]:
    """Every clip with a span, in at least one pair; sounds in one only."""
    pictures = _Clips([each for each in clips if each.kind != "sound"])
    sounds = _Clips([each for each in clips if each.kind == "sound"])
    pairs = _keep_the_best([_pair_sound(each, pictures) for each in sounds.clips if each.span is not None])
    taken = {each.picture.path for each in pairs if each.picture is not None}
    heard = {each.sound.path for each in pairs if each.picture is not None and each.sound is not None}
    return pairs + [
        _picture_without(each, sounds, heard)
        for each in pictures.clips
        if each.span is not None and each.path not in taken
    ]


def overlap(one: Clip, other: Clip) -> tuple[float, float]:
    """(start, end) of what both cover of the timeline; the end comes first where they don't touch."""
    return max(one.record[0], other.record[0]), min(one.record[1], other.record[1])


def _pair_sound(sound: Clip, pictures: _Clips) -> Pair:
    linked = pictures.linked.get(sound.link, ()) if sound.link is not None else ()
    if found := _nearest(sound, [each for each in linked if each.span is not None]):
        return Pair(found, sound, "link group")
    if partner := _linked_left_out(sound, linked):
        return Pair(None, sound, "alone", partner)
    assert sound.span is not None
    over = pictures.near(sound)
    path = sound.span.path
    if found := _nearest(sound, [each for each in over if each.span is not None and each.span.path == path]):
        return Pair(found, sound, "same media")
    return _pair_recorder(sound, [each for each in over if each.plays and _lies_under(sound, each)])


def _nearest(sound: Clip, pictures: Sequence[Clip]) -> Clip | None:
    """The picture over the sound that is read from the same place of its media, else the longest over it."""

    def rank(picture: Clip) -> tuple[bool, float]:
        return abs(_slip_s(picture, sound)) < _half_frame_s(picture), _overlap_s(picture, sound)

    over = [each for each in pictures if _overlap_s(each, sound) > _half_frame_s(each)]
    return max(over, key=rank, default=None)


def _pair_recorder(sound: Clip, over: Sequence[Clip]) -> Pair:
    """A separate recorder's file belongs to the one picture over it, if it is one."""
    if not over:
        return Pair(None, sound, "alone", "no picture stands over it")
    if sound.moving:
        # The sound of one camera under the picture of another, as in any interview with cutaways.
        return Pair(None, sound, "alone", "is the sound of a film whose own picture isn't over it")
    names = sorted({each.span.media_name if each.span else each.name for each in over})
    if len(names) > 1:
        listed = ", ".join(names[:3]) + (" …" if len(names) > 3 else "")
        why = f"lies under pictures of {len(names)} media ({listed}) and is linked to none"
        return Pair(None, sound, "alone", f"{why}: slipping it for one would move it for the others")
    usable = [each for each in over if each.span is not None]
    if not usable:
        return Pair(None, sound, "alone", f"the picture over it is left out: {over[0].name} {over[0].reason}")
    slips = [_slip_s(each, sound) for each in usable]
    if max(slips) - min(slips) > 2 * _half_frame_s(usable[0]):
        why = f"lies under {len(usable)} cuts of {names[0]} that are read from different places"
        return Pair(None, sound, "alone", f"{why}: slipping it for one would move it for the others")
    return Pair(max(usable, key=lambda each: _overlap_s(each, sound)), sound, "overlap")


def _keep_the_best(pairs: Sequence[Pair]) -> list[Pair]:
    """Of the recorders' files under one picture, keep the longest and nearest, all its cuts, and all exactly
    like it."""
    best: dict[Path, Clip] = {}
    for each in pairs:
        if each.paired_by == "overlap" and each.picture is not None and each.sound is not None:
            held = best.get(each.picture.path)
            if held is None or _fit(each.picture, each.sound) > _fit(each.picture, held):
                best[each.picture.path] = each.sound

    def judged(each: Pair) -> Pair:
        if each.paired_by != "overlap" or each.picture is None or each.sound is None:
            return each
        held = best[each.picture.path]
        assert each.sound.span is not None
        assert held.span is not None
        if each.sound.span.path == held.span.path:
            return each  # to slip one cut of a recording and leave the other would break their sound
        slack_s = _half_frame_s(each.picture)
        if all(abs(one - other) < slack_s for one, other in zip(each.sound.record, held.record, strict=True)):
            return each
        why = f"another sound, {held.name}, fits the picture over it, {each.picture.name}, better"
        return Pair(None, each.sound, "alone", why)

    return [judged(each) for each in pairs]


def _fit(picture: Clip, sound: Clip) -> tuple[float, int]:
    """More is better: overlap to the millisecond, then nearness of the tracks."""
    return round(_overlap_s(picture, sound), 3), -abs(sound.track_index - picture.track_index)


def _picture_without(picture: Clip, sounds: _Clips, heard: set[Path]) -> Pair:
    """A picture that no sound was paired with: its own sound, or alone with the reason."""
    linked = sounds.linked.get(picture.link, ()) if picture.link is not None else ()
    why = _linked_left_out(picture, linked) or _sound_under(picture, sounds.near(picture), heard)
    if not why and picture.sounding:
        return Pair(picture, None, "own sound")
    nothing = "no sound anywhere: its file has none and no sound clip lies under it"
    return Pair(picture, None, "alone", why or nothing)


def _sound_under(picture: Clip, sounds: Sequence[Clip], heard: set[Path]) -> str:
    """Why the sound under a picture isn't its own; empty where there is none."""
    under = [each for each in sounds if each.plays and _lies_under(each, picture)]
    if not under:
        return ""
    nearest = max(under, key=lambda each: _fit(picture, each))
    if nearest.span is None:
        return f"the sound under it is left out: {nearest.name} {nearest.reason}"
    if nearest.path in heard:
        return f"the sound under it, {nearest.name}, belongs to another picture"
    return f"nothing tells whether the sound under it, {nearest.name}, belongs to it"


def _linked_left_out(clip: Clip, linked: Sequence[Clip]) -> str:
    """Why a clip's linked partner can't be looked at: whatever else lies over or under it is a stranger."""
    for other in linked:
        if other.span is None and other.plays and _overlap_s(other, clip) > 0:
            return f"its linked clip is left out: {other.name} {other.reason}"
    return ""


OVERLAP_S = 0.5
"""Less than this is a sound that rings out under the next picture."""


def _lies_under(sound: Clip, picture: Clip) -> bool:
    """They overlap by more than a sound ringing out, or by half of the shorter one."""
    shorter_s = min(end - start for start, end in (sound.record, picture.record))
    return shorter_s > 0 and _overlap_s(sound, picture) >= min(OVERLAP_S, shorter_s / 2)


def _overlap_s(one: Clip, other: Clip) -> float:
    start_s, end_s = overlap(one, other)
    return end_s - start_s


def _slip_s(picture: Clip, sound: Clip) -> float:
    """How much later in its file the sound is read than the picture in its own, at one moment."""
    assert picture.span is not None
    assert sound.span is not None
    return (sound.span.start_s - sound.span.record_start_s) - (
        picture.span.start_s - picture.span.record_start_s
    )


def _half_frame_s(picture: Clip) -> float:
    return 0.5 / picture.span.rate if picture.span is not None else 0.0
