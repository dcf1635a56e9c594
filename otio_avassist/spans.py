"""Timeline -> spans and shots: who plays what, from where to where, in seconds.

Goes in: anything OpenTimelineIO reads (Timeline, Stack, Track, Clip, SerializableCollection) and, where known, what
was probed of its media. Comes out: `MediaSpan`s, `Shot`s and `Skipped`s. The one place where RationalTime becomes
seconds; it opens no media and never changes the timeline.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class Address:
    """Where a clip stands in its timeline, for people and for `edits`."""

    path: tuple[int, ...]
    """Indices from the root through each level of children: `resolve(root, path)` gives the item back."""
    track: str
    track_index: int
    clip: str
    clip_index: int
    """Position among the track's children."""


@dataclass(frozen=True)
class MediaSpan:
    """A stretch of one media file as one clip plays it."""

    address: Address
    kind: Literal["picture", "sound"]
    url: str
    """As the timeline spells it."""
    path: Path
    """Where the file was found on this machine."""
    start_s: float
    """From the file's first frame; the start timecode is already off. May be fractional."""
    duration_s: float
    record_start_s: float
    """0-based timeline seconds, without the timeline's start timecode."""
    rate: float
    """Frames per second of the clip's own source range: edits are whole frames of it."""
    media_start_s: float = 0.0
    """The first second of the file that may be used (0 unless the reference says otherwise)."""
    media_end_s: float | None = None
    """The last; None where nobody knows."""
    stream: int | None = None
    """Which sound stream of the file, counted among sound streams; None: the first."""
    channel: int | None = None
    """Which channel of it, 0-based; None: all, mixed down."""
    link_group: int | None = None
    start_number: int | None = None
    """Of an image sequence: the number of its first picture; `path` is then a printf pattern (x.%04d.tif)."""
    sequence_fps: float | None = None
    """Of an image sequence: pictures per second."""
    near_transition: bool = False
    """A transition stands right before or after: its handles must not be moved."""

    @property
    def end_s(self) -> float:
        return self.start_s + self.duration_s

    @property
    def media_name(self) -> str:
        return self.path.name


@dataclass(frozen=True)
class Shot:
    """Picture and sound that are seen and heard together, cut to the stretch that both cover."""

    picture: MediaSpan | None
    sound: MediaSpan | None
    paired_by: Literal["link group", "same media", "overlap", "own sound", "alone"]
    """`own sound`: the picture's file carries the sound and no sound clip stands on the timeline."""

    @property
    def lead(self) -> MediaSpan:
        """The clip the shot is named after: its picture where there is one."""
        span = self.picture or self.sound
        assert span is not None
        return span

    @property
    def slip_s(self) -> float:
        """How much later in its media the sound is read than the picture in its own, at one timeline moment."""
        if self.picture is None or self.sound is None:
            return 0.0
        return (self.sound.start_s - self.sound.record_start_s) - (
            self.picture.start_s - self.picture.record_start_s
        )

    @property
    def same_media(self) -> bool:
        return self.picture is not None and self.sound is not None and self.picture.path == self.sound.path


@dataclass(frozen=True)
class Skipped:
    """A clip that can't be looked at, and why, in words for a person."""

    track: str
    track_index: int
    clip: str
    clip_index: int
    reason: str
    media: str = ""
    """The url as written, where there is one."""


@dataclass(frozen=True)
class Spans:
    """All of a timeline: each of its clips is in a shot or in `skipped`."""

    shots: tuple[Shot, ...]
    skipped: tuple[Skipped, ...]
    rate: float
    """Frames per second of the timeline."""
    start_timecode_s: float
    """The timeline's own start (01:00:00:00 and the like), already off every time here."""
