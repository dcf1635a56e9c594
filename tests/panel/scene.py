"""A timeline with findings of all three kinds, for tests that decide about them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import opentimelineio as otio

from otio_avassist import edits, findings, pipeline, review
from otio_avassist.panel.session import Session
from tests import cuts
from tests.material import film

SETTINGS = pipeline.Settings(tasks=("sync", "captions", "foley"))


def line(finding: findings.Finding) -> pipeline.Line:
    """As a look tells it."""
    bare = pipeline.Line(finding, edits.Outcome("abstained", (), ""), review.PROPOSED, {"version": "1"})
    return pipeline.under(bare, review.Decision(review.PROPOSED), SETTINGS)


def write_cut(folder: Path, *, media: bool = True) -> Path:
    """Two pictures with a recorder's file under each; 25 frames a second."""
    root = cuts.simple(start=50)
    for track in root.tracks:
        for clip in track:
            kind = "mp4" if track.kind == "Video" else "wav"
            clip.media_reference = otio.schema.ExternalReference(
                str(folder / f"media.{kind}"), cuts.time_range(0, 300)
            )
    if media:
        film(folder / "media.mp4", seconds=12)
        film(folder / "media.wav", seconds=12, picture=False, early_s=0.4)
    path = folder / "cut.otio"
    root.to_json_file(str(path))
    return path


def found(session: Session) -> list[pipeline.Line]:
    """Two of sync, two captions, and a sound in three takes, of what the session has read."""
    sync = [shot for shot in session.spans.shots if shot.picture is not None and shot.sound is not None]
    shots = sync or list(session.spans.shots)
    made = []
    for number, shot in enumerate(shots[:2]):
        made.append(findings.SyncFinding(shot, 0.4, 0.95 - number / 2, "sound-to-sound"))
        lead = shot.lead
        made.append(
            findings.CaptionFinding(
                shot, lead.record_start_s + 0.5, lead.record_start_s + 1.5 + number, lead.start_s + 0.5,
                f"Something happens, {number}.", "something", "event", "seen", 0.5 + number / 4,
                words=(("something", 0.9), ("happens", 0.3)),
            )
        )  # fmt: skip
    lead = shots[0].lead
    takes = tuple(cuts.take(number, 2.0, str(Path(session.path).parent)) for number in (1, 2, 3))
    made.append(
        findings.FoleyFinding(
            replace(shots[0], sound=None, paired_by="alone"), lead.record_start_s, lead.record_start_s + 1,
            lead.start_s, "rain", "generated", takes, 0.7,
        )
    )  # fmt: skip
    return [line(each) for each in made]


def filled(path: Path, **others) -> Session:
    """A session in which all of these were found."""
    session = Session(str(path), replace(SETTINGS, base_dir=path.parent), **others)
    for each in found(session):
        session.add(each)
    return session
