"""A finding as the panel shows it: what was found, what a person said, and what it would lead to."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from otio_avassist import places
from otio_avassist.findings import CaptionFinding, Finding, FoleyFinding, SyncFinding
from otio_avassist.pipeline import Line, Settings, under
from otio_avassist.review import ACCEPTED, Decision
from otio_avassist.timecodes import timecode
from otio_avassist.verdicts import offset_words

STATE_WORDS = {"proposed": "to decide", "accepted": "accepted", "rejected": "rejected"}
STATE_SIGNS = {"proposed": "?", "accepted": "✓", "rejected": "✗"}
"""Beside the colour: not everybody tells colours apart."""


@dataclass(frozen=True)
class Entry:
    """One row, one mark on the strip."""

    told: Line
    """As the pipeline told it."""
    decision: Decision
    rate: float
    """Frames per second of the timeline."""
    start_timecode_s: float
    settings: Settings

    @cached_property
    def line(self) -> Line:
        """What it leads to under the decision; of thousands only those that are looked at are asked."""
        return under(self.told, self.decision, self.settings)

    @property
    def finding(self) -> Finding:
        # A take that was chosen in an earlier session joins the others under the decision.
        return self.line.finding if isinstance(self.told.finding, FoleyFinding) else self.told.finding

    @cached_property
    def id(self) -> str:
        """A digest, and like the others worth keeping where thousands are sorted."""
        return self.finding.id

    @property
    def task(self) -> str:
        return self.finding.task

    @property
    def state(self) -> str:
        return self.decision.state

    @property
    def address(self) -> places.Address:
        return self.finding.shot.lead.address

    @cached_property
    def start_s(self) -> float:
        """0-based timeline seconds; of sync those of its shot."""
        if isinstance(self.finding, SyncFinding):
            return self.finding.shot.lead.record_start_s
        return self.finding.start_s

    @cached_property
    def end_s(self) -> float:
        if isinstance(self.finding, SyncFinding):
            return self.start_s + self.finding.shot.lead.duration_s
        return self.finding.end_s

    @property
    def early_s(self) -> float | None:
        """Of sync: as a person set it and says yes to it, else as it was found."""
        if self.decision.early_s is not None and self.state == ACCEPTED:
            return self.decision.early_s
        return self.finding.audio_early_s if isinstance(self.finding, SyncFinding) else None

    @property
    def text(self) -> str:
        """Of a caption: a person's wording, else the network's."""
        if not isinstance(self.finding, CaptionFinding):
            return ""
        return self.decision.text or self.finding.text

    @property
    def take(self) -> str:
        """Of foley: the file that plays; empty where there is none."""
        if not isinstance(self.finding, FoleyFinding) or not self.finding.takes:
            return ""
        return self.decision.take or self.finding.takes[0].name

    @property
    def edited(self) -> bool:
        """Whether a person said more than yes or no."""
        said = self.decision
        return bool(said.text or said.take or said.early_s is not None)

    @cached_property
    def timecode(self) -> str:
        return timecode(self.start_s, self.rate, self.start_timecode_s)

    @cached_property
    def what(self) -> str:
        """In a few words."""
        match self.finding:
            case CaptionFinding():
                return self.text
            case FoleyFinding() as foley:
                count = len(foley.takes)
                return f"{foley.sound}, {count} take{'' if count == 1 else 's'}" if count else foley.sound
        return "no answer" if self.early_s is None else offset_words(self.early_s, self.rate)

    @cached_property
    def doubts(self) -> str:
        return "; ".join(self.finding.doubts)

    @cached_property
    def searched(self) -> str:
        """What a search looks into: what it is, its clip and its doubts, in small letters."""
        return "\n".join((self.what, self.address.clip, self.doubts)).lower()
