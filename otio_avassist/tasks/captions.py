"""Shots -> sentences about what happens in them, each with its stretch of time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


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
    """Where spoken words come from: `auto` (subtitles beside the media, else a model), `none`, or a file."""
    say_speech: bool = False
    """What is said becomes captions of its own."""
    speech_model: Path | None = None
    proposals_file: Path | None = None
    """Events from a file instead of from the network."""
    on: Literal["timeline", "clip"] = "timeline"
    """Where markers stand."""
