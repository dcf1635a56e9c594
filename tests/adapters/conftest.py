"""A report made by hand, with all that a report may hold and a person may have typed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from otio_avassist.edits import Outcome, edit_for
from otio_avassist.findings import (
    CaptionFinding,
    Evidence,
    FoleyFinding,
    Jump,
    Posterior,
    SyncFinding,
    Take,
)
from otio_avassist.pipeline import Line, Report
from otio_avassist.spans import Address, MediaSpan, Shot, Skipped

HOSTILE = """</style><script>alert("1")</script>&amp; 'Ünï' =cmd"""


def span(kind: Literal["picture", "sound"], clip: str, media: str, start_s: float) -> MediaSpan:
    address = Address((0, 1), "V1" if kind == "picture" else "A1", 0, clip, 1)
    return MediaSpan(address, kind, media, Path(media), 2.0, 8.0, start_s, 25.0)


def shot(clip: str, start_s: float) -> Shot:
    return Shot(
        span("picture", clip, f"/nowhere/take{start_s:.0f}.mov", start_s),
        span("sound", clip, "/nowhere/rec.wav", start_s),
        "link group",
    )


@pytest.fixture
def early() -> SyncFinding:
    """Sound early by ten frames, found by comparing sounds."""
    return SyncFinding(
        shot=shot("take.mov", 10.0),
        audio_early_s=0.4,
        confidence=0.97,
        method="sound-to-sound",
        evidence=(
            Evidence("container", None, 0.0, "the file says nothing"),
            Evidence("sound-to-sound", 0.4, 0.97, "9 of 9 chunks agree"),
        ),
        posterior=Posterior((-0.8, -0.4, 0.0, 0.4, 0.8), (0.02, 0.02, 0.06, 0.85, 0.05)),
        drift_ppm=float(np.float32(145.0)),
        jumps=(Jump(4.0, 0.2, 0.5),),
        residual_s=float("nan"),
    )


@pytest.fixture
def report(early: SyncFinding) -> Report:
    """A moved shot, one in step, one that abstained under a hostile name, and two clips nobody looked at."""
    in_step = SyncFinding(shot("b.mov", 20.0), 0.0, 0.9, "network")
    unsure = SyncFinding(
        shot(HOSTILE, 30.0), None, 0.1, "none", doubts=("nothing moves <here>",), posterior=None
    )
    return Report(
        findings=(
            Line(early, Outcome("slipped", (), "sound early by 10.0 frames (400 ms)", 10, 0.0), "proposed"),
            Line(in_step, Outcome("in step", (), "in step", 0, 0.0), "proposed"),
            Line(unsure, Outcome("abstained", (), "no answer", 0, 0.0), "proposed"),
        ),
        skipped=(
            Skipped("V1", 0, "lost.mov", 4, "media not found: /nowhere/lost.mov", "/nowhere/lost.mov"),
            Skipped("V1", 0, HOSTILE, 5, "a title made by the editor"),
            Skipped("V1", 0, "gone.mov", 6, "media not found: /nowhere/gone.mov", "/nowhere/gone.mov"),
        ),
        bundles=({"name": "sync", "sha256": "0123456789abcdef"},),
        device="CPU",
        seconds=1.25,
        rate=25.0,
        start_timecode_s=3600.0,
        input="/cut/reel <1>.otio",
        output="/cut/mended.otio",
        version="0.1.0",
    )


@pytest.fixture
def dry_run(report: Report) -> Report:
    return replace(report, output=None)


def caption(text: str, start_s: float, end_s: float, **facts) -> CaptionFinding:
    given = {"name": text[:12], "level": "event", "carried_by": "heard", "confidence": 0.6, **facts}
    return CaptionFinding(shot("take.mov", 10.0), start_s, end_s, start_s - 8.0, text, **given)


@pytest.fixture
def captions(report: Report) -> Report:
    """Three captions of one shot, the last one rejected; all share one doubt, and one has its own."""
    shared = "without optical flow"
    founds = (
        caption(
            "A dog barks twice.", 11.0, 12.5, carried_by="seen and heard",
            words=(("a", 0.9), ("dog", float(np.float32(0.5)))), doubts=(shared,),
        ),
        caption(HOSTILE, 13.0, 13.2, doubts=(shared, "faint")),
        caption("A man walks.", 11.0, 17.0, carried_by="seen", level="scene", doubts=(shared,)),
    )  # fmt: skip
    actions = ("captioned", "captioned", "rejected")
    lines = tuple(
        Line(each, Outcome(action, (), each.text), "rejected" if action == "rejected" else "proposed")
        for each, action in zip(founds, actions, strict=True)
    )
    return replace(report, findings=lines, skipped=(), looked_at=1)


def a_take(name: str, **facts) -> Take:
    given = {"seed": 1, "duration_s": 2.0, "source": "generated", "loudness_lufs": -23.04, **facts}
    return Take(Path("/cut/mended.foley", name), true_peak_dbtp=float(np.float32(-3.5)), **given)


@pytest.fixture
def foley(report: Report) -> Report:
    """Rain in two takes of which a person chose the second, a hostile sound of a library, and none at all."""
    rain = a_take("foley_rain_000000000001.wav", relevance=0.9, audio_early_s=0.08, sync_confidence=0.9)
    moved = replace(
        rain, path=rain.path.with_name("foley_rain_000000000002.wav"), seed=2, shifted_s=0.08, relevance=0.7
    )
    theirs = a_take("foley_x_000000000003.wav", seed=None, source=HOSTILE, loudness_lufs=float("nan"))
    lone = replace(shot("take.mov", 10.0), sound=None, paired_by="alone")
    founds = (
        FoleyFinding(lone, 11.0, 13.0, 3.0, "rain", "generated", (rain, moved), 0.8),
        FoleyFinding(lone, 14.0, 16.0, 6.0, HOSTILE, "library", (theirs,), 0.5, ("faint",)),
        FoleyFinding(lone, 16.0, 18.0, 8.0, "helicopter", "generated", (), 0.9, ("not trained on it",)),
    )
    lines = tuple(Line(each, edit_for(each, take=moved.name), "proposed") for each in founds)
    return replace(report, findings=lines, skipped=(), looked_at=1)
