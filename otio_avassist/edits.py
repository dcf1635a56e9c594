"""Findings -> changes of the timeline, and back again.

An edit is plain data that names one change. `apply` copies the timeline, makes the changes, and returns the copy;
`strip` takes back everything that was ever put in. Back to RationalTime at the clip's own rate, in whole frames.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from otio_avassist.spans import Address


@dataclass(frozen=True)
class SlipSound:
    """Read the sound clip from elsewhere in its media; its place on the timeline stays."""

    address: Address
    read_earlier_by_s: float
    note: dict[str, Any] = field(default_factory=dict)
    """What stands in `metadata["otio_avassist"]`: finding id, bundle, version, confidence, state … plain JSON."""


@dataclass(frozen=True)
class AddMarker:
    """Say something at a stretch of the timeline (0-based seconds), as a marker on the stack that holds the clip."""

    address: Address
    """The clip it speaks of: it tells which timeline of a collection is meant."""
    start_s: float
    duration_s: float
    name: str
    comment: str
    color: str
    note: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class DetachSound:
    """Give a picture clip's own sound a clip of its own on a new audio track, read from elsewhere in its media."""

    address: Address
    read_earlier_by_s: float
    note: dict[str, Any] = field(default_factory=dict)


Edit = SlipSound | AddMarker | DetachSound
