"""How our own work is known again in a timeline: by metadata, else by tags in words.

What we put in carries `metadata["otio_avassist"]`. Editors drop foreign metadata, so a tag such as
`[avassist sync 3f2a91bc]` stands in a marker's words, and `avassist sync 3f2a91bc` is a track's name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import opentimelineio as otio

from otio_avassist import places

NAMESPACE = "otio_avassist"
"""The one key of ours in any object's metadata."""
NAME_LENGTH = 40
"""Longer names are cut by those who show them."""
_NAME = re.compile(r"avassist \w+ [0-9a-f]{1,8}")
_TAG = re.compile(rf"\[{_NAME.pattern}\]")


def finding_of(item: Any) -> str:
    """The id of the finding that an object of ours is about; empty where it isn't ours."""
    return str(places.plain(item.metadata.get(NAMESPACE)).get("finding", ""))


def track_name(note: Mapping[str, Any]) -> str:
    """What a track of ours is called, after the first finding on it."""
    return f"avassist {note.get('task', 'sync')} {str(note.get('finding', '0'))[:8]}"


def tag_of(note: Mapping[str, Any]) -> str:
    """What stands in the words of a marker of ours."""
    return f"[{track_name(note)}]"


def short_name(name: str, tag: str) -> str:
    """A marker's name: its tag is whole, what comes before is cut."""
    room = NAME_LENGTH - len(tag) - 1
    return f"{name if len(name) <= room else name[: room - 1] + '…'} {tag}"


def everything(item: Any) -> Iterator[Any]:
    """`item` and all below it that has metadata."""
    yield item
    below: list[Any] = []
    if isinstance(item, otio.schema.Timeline):
        below.append(item.tracks)
    elif isinstance(item, (otio.core.Composition, otio.schema.SerializableCollection)):
        below += list(item)
    if isinstance(item, otio.core.Item):
        below += [*item.markers, *item.effects]
    if isinstance(item, otio.schema.Clip):
        below += item.media_references().values()
    for each in below:
        if hasattr(each, "metadata"):
            yield from everything(each)


def is_our_marker(marker: otio.schema.Marker) -> bool:
    """By its metadata, or by the tag in its words."""
    note = places.plain(marker.metadata.get("Resolve_OTIO")).get("Note", "")
    words = marker.name, marker.comment, note
    return bool(finding_of(marker)) or any(_TAG.search(str(text)) for text in words)


def is_our_track(track: otio.core.Composable) -> bool:
    """By its metadata, or by its name."""
    return isinstance(track, otio.schema.Track) and (
        bool(finding_of(track)) or _NAME.fullmatch(track.name) is not None
    )
