"""How our own work is known again in a timeline: by metadata, else by tags in words.

What we put in carries `metadata["otio_avassist"]`. Editors drop foreign metadata, so a tag such as
`[avassist sync 3f2a91bc]` stands in a marker's words, and `avassist sync 3f2a91bc` is a track's name. Both
say the task, because a run replaces the work of its own tasks only. A sound that was made is known on such a
track by the name of its file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import opentimelineio as otio

from otio_avassist import places

NAMESPACE = "otio_avassist"
"""The one key of ours in any object's metadata."""
NAME_LENGTH = 40
"""Longer names are cut by those who show them."""
_NAME = re.compile(r"avassist (?P<task>\w+) (?P<finding>[0-9a-f]{1,8})")
_TAG = re.compile(rf"\[{_NAME.pattern}\]")
_SOUND = re.compile(r"foley_.+_[0-9a-f]{12}\.wav", re.IGNORECASE)
"""File names of sounds that were made: what they are, and a digest of all that made them."""
_WORDS = (f'"{NAMESPACE}"', "avassist ", "foley_")
"""One of them stands in whatever is ours: as a key of its metadata, in its tag or name, in its file's name;
and in few paths of media else.
"""
TAG_LENGTH = 8
"""So much of a finding's id stands in a tag."""
_UNSAID = "sync"
"""The task of what says none: it was the first one, and alone for a while."""


def note_of(item: Any) -> dict[str, Any]:
    """What we wrote into an object's metadata; empty where that is nothing."""
    return places.noted(item, NAMESPACE)


def finding_of(item: Any) -> str:
    """The id of the finding that an object of ours is about; empty where it isn't ours."""
    return str(note_of(item).get("finding", ""))


def task_of(item: Any) -> str:
    """The task that an object of ours comes from, by metadata or by tag; empty where it isn't ours."""
    ours = note_of(item)
    if ours.get("finding") or ours.get("task"):
        return str(ours.get("task") or _UNSAID)
    found = _named(item)
    if found is None and isinstance(item, otio.schema.Track) and _holds_only_our_sounds(item):
        return "foley"
    return found["task"] if found else ""


def _holds_only_our_sounds(track: otio.schema.Track) -> bool:
    """Final Cut's XML has no names of tracks: such a track is ours where all its clips are."""
    clips = [] if track.name else [each for each in track if isinstance(each, otio.schema.Clip)]
    return bool(clips) and all(map(_is_sound_file, clips))


def _is_sound_file(clip: otio.schema.Clip) -> bool:
    return _SOUND.fullmatch(places.media_name(clip)) is not None


def finding_in_words(item: Any) -> str:
    """How the id of the finding begins that the words of an object of ours name; empty where they don't."""
    found = _named(item)
    return found["finding"] if found else ""


def _named(item: Any) -> re.Match[str] | None:
    """Our tag or name in the words that editors keep."""
    if isinstance(item, otio.schema.Track):
        return _NAME.fullmatch(item.name)
    if isinstance(item, otio.schema.Marker):
        return next(filter(None, (_TAG.search(words) for words in words_of(item))), None)
    return None


def words_of(marker: otio.schema.Marker) -> tuple[str, str, str]:
    """(name, comment, note of Resolve), tags and all; Final Cut's XML keeps a comment elsewhere."""
    note = places.noted(marker, "Resolve_OTIO").get("Note", "")
    comment = marker.comment or places.noted(marker, "fcp_xml").get("comment", "")
    return str(marker.name), str(comment or ""), str(note or "")


def has_tag(words: str) -> bool:
    """Whether these words alone would be known as ours."""
    return _TAG.search(words) is not None


def untagged(words: str) -> str:
    """What a person reads of a marker's words."""
    return _TAG.sub("", words).strip()


def track_name(note: Mapping[str, Any]) -> str:
    """What a track of ours is called, after the first finding on it."""
    return f"avassist {note.get('task', _UNSAID)} {str(note.get('finding', '0'))[:TAG_LENGTH]}"


def tag_of(note: Mapping[str, Any]) -> str:
    """What stands in the words of a marker of ours."""
    return f"[{track_name(note)}]"


def short_name(name: str, tag: str = "") -> str:
    """A marker's name: its tag is whole, what comes before is cut."""
    room = NAME_LENGTH - len(tag) - 1 if tag else NAME_LENGTH
    short = name if len(name) <= room else name[: room - 1] + "…"
    return f"{short} {tag}" if tag else short


def everything(item: Any) -> list[Any]:
    """`item` and all below it that has metadata."""
    found: list[Any] = []
    _gather(item, found)
    return found


def _gather(item: Any, found: list[Any]) -> None:
    found.append(item)
    leaves: list[Any] = []
    if isinstance(item, otio.schema.Clip):
        leaves = [*item.markers[:], *item.effects[:], *item.media_references().values()]
    elif isinstance(item, otio.schema.Timeline):
        _gather(item.tracks, found)
    else:
        if isinstance(item, (otio.core.Composition, otio.schema.SerializableCollection)):
            for each in item:
                if hasattr(each, "metadata"):
                    _gather(each, found)
        if isinstance(item, otio.core.Item):
            leaves = [*item.markers[:], *item.effects[:]]
    found += [each for each in leaves if hasattr(each, "metadata")]


def untouched(root: otio.core.SerializableObject) -> bool:
    """Whether nothing in here can be ours, by words that all of it has; False says nothing.

    To spell a timeline takes C++ a tenth of the time in which Python asks each of its objects.
    """
    try:
        text = root.to_json_string(indent=-1).lower()
    except UnicodeDecodeError:
        return False  # somebody's bytes that are no text
    return not any(word in text for word in _WORDS)


def is_our_marker(marker: otio.schema.Marker) -> bool:
    """By its metadata, or by the tag in its words."""
    return bool(finding_of(marker)) or _named(marker) is not None


def is_our_track(track: otio.core.Composable) -> bool:
    """By its metadata, or by its name; without a name, by what it holds."""
    return isinstance(track, otio.schema.Track) and bool(task_of(track))


def is_our_sound(clip: otio.schema.Clip) -> bool:
    """A sound that was made, still on a track of ours: whoever moves it elsewhere has made it theirs."""
    if not finding_of(clip) and not _is_sound_file(clip):
        return False
    track = clip.parent()
    return isinstance(track, otio.schema.Track) and task_of(track) == "foley"
