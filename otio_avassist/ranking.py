"""Takes of one sound -> the same, best first, each moved to where the picture asks for it. numpy-free.

What the sync network says of a take and how well the take is what was wanted decide together. A take that is
surely early or late is moved within its shot, if it isn't far.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from otio_avassist.findings import PassedOver, SyncFinding, Take

SURE = 0.8
"""The network is believed from here on."""
IN_STEP_S = 0.04
"""What is off by no more than a frame or so isn't moved."""
FARTHEST_S = 0.6
"""No take is moved farther; one that is off by more is no better than another."""
SHARE = 0.25
"""Nor by more than this share of its shot: what is moved later leaves silence before it."""
UNKNOWN = 0.5
"""Relevance of a take that nobody was asked about."""
BY_SYNC = 0.5
"""To be surely in step is worth as much as so much relevance, to be surely out of it costs as much."""

Ask = Callable[["Take"], "SyncFinding | PassedOver | None"]
"""A take laid under its picture -> what sync says of the two; None: it isn't asked."""


def rank(takes: Sequence[Take], ask: Ask | None, duration_s: float) -> tuple[Take, ...]:
    """Takes best first; `shifted_s` is what each still has to be moved by.

    Args:
        takes: of one sound for one shot, not yet moved.
        ask: the sync network; None: only relevance counts.
        duration_s: of the shot.
    """
    heard = [_asked(take, ask, duration_s) for take in takes]
    worth = {id(take): _worth(take) for take in heard}
    return tuple(sorted(heard, key=lambda take: -worth[id(take)]))


def _asked(take: Take, ask: Ask | None, duration_s: float) -> Take:
    finding = ask(take) if ask is not None else None
    early_s = getattr(finding, "audio_early_s", None)
    if finding is None or early_s is None:
        return take
    confidence = float(getattr(finding, "confidence", 0.0))
    movable = abs(early_s) <= min(FARTHEST_S, SHARE * duration_s)
    moved = confidence >= SURE and movable and abs(early_s) > IN_STEP_S
    return replace(
        take, audio_early_s=early_s, sync_confidence=confidence, shifted_s=early_s if moved else 0.0
    )


def _worth(take: Take) -> float:
    relevance = UNKNOWN if take.relevance is None else take.relevance
    return relevance + BY_SYNC * _in_step(take)


def _in_step(take: Take) -> float:
    """-1 to 1: how surely a take will be heard when it is seen; 0: nobody knows."""
    if take.audio_early_s is None:
        return 0.0
    left_s = take.audio_early_s - take.shifted_s
    return take.sync_confidence if abs(left_s) <= IN_STEP_S else -take.sync_confidence
