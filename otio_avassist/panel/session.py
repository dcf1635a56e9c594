"""What the window works on: a timeline, what was found in it, and what a person has said so far.

Knows no Qt. Every change gives back the decision that stood before, so that it can be undone. What a person
said isn't lost: `autosave` keeps findings and decisions beside the timeline, in NAME.avassist-review.json,
until they are saved.
"""

from __future__ import annotations

import getpass
import json
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from otio_avassist import cache, files, pipeline, places, recall, review, spans
from otio_avassist.errors import OutputError, TimelineError, UsageError
from otio_avassist.panel.entries import Entry
from otio_avassist.progress import Progress, silent

SCHEMA = "avassist-review.1"
SUFFIX = ".avassist-review.json"


class Session:
    """One timeline under review.

    `root` is what was read and is never changed; `entries` are in the order in which they were found.
    """

    def __init__(
        self,
        path: str,
        settings: pipeline.Settings,
        *,
        output: str | None = None,
        sidecar: Path | None = None,
    ) -> None:
        """Read the timeline, what was decided of it, and what an earlier session has kept.

        Raises:
            TimelineError: it can't be read, or what stands beside it can't.
        """
        self.path, self.output, self.settings = path, output, settings
        self.root = files.read(path, edl_rate=settings.edl_rate)
        self._named = sidecar
        self.sidecar = self._read_sidecar()
        self.entries: dict[str, Entry] = {}
        self._lines: dict[tuple, pipeline.Line] = {}
        self.report: pipeline.Report | None = None
        """None until a look has come to its end, or was recalled."""
        self.said: dict[str, review.Decision] = {}
        """What a person said in this session, and in one that was not saved."""
        self.recovered = 0
        """How many decisions come from a session that ended before it was saved."""
        self.spans = self._read_spans()
        self._saved: dict[str, review.Decision] = {}
        self._keeping, self._asked, self._written = threading.Lock(), 0, 0
        self._told: tuple[pipeline.Report, str] | None = None
        self._recall()

    # What there is

    @property
    def rate(self) -> float:
        return self.spans.rate

    @property
    def start_timecode_s(self) -> float:
        return self.spans.start_timecode_s

    @property
    def lines(self) -> tuple[pipeline.Line, ...]:
        """All that was found. A stretch of media that is used twice is two lines and one entry: what is said
        of one is said of the other, as it is kept by what it is of."""
        return tuple(self._lines.values())

    @property
    def missing(self) -> tuple[spans.Skipped, ...]:
        """Clips that can't be looked at, with the reason."""
        return tuple(each for each in self.spans.skipped if not each.on_purpose)

    @property
    def dirty(self) -> bool:
        """Whether something was said that isn't saved."""
        return self.said != self._saved

    @property
    def review_path(self) -> Path:
        """Where a session is kept while it isn't saved."""
        return Path(self.path).with_suffix(SUFFIX)

    # What was found

    def look(self, progress: Progress = silent, found: pipeline.Found | None = None) -> pipeline.Report:
        """Look at all of it; may run beside the window, since it changes nothing here.

        Raises:
            CancelledError: `progress` has stopped it.
            AvAssistError: it can't be done at all.
        """
        return pipeline.look(
            self.root, self.settings, sidecar=self.sidecar, progress=progress,
            found=found or (lambda _: None), shared=pipeline.Shared(cache.opened()),
        )  # fmt: skip

    def add(self, line: pipeline.Line) -> Entry:
        """Take in a finding, under what is known to have been decided of it.

        What was found before at the same place, by a look that was stopped perhaps, is replaced: else it
        would be done twice.
        """
        self._lines[_place(line)] = line
        entry = self._entry(line, self._known(line))
        shown = self.entries.setdefault(entry.id, entry)
        if _place(shown.told) == _place(line):
            self.entries[entry.id] = shown = entry
        return shown

    def spell_out(self, report: pipeline.Report) -> None:
        """Make what `keeping` is going to write of it, while that is nobody's waiting time."""
        _ = self._as_json(report), self._fingerprint

    def finish(self, report: pipeline.Report) -> None:
        """Take in the end of a look: what it found is all there is."""
        self.report = report
        if list(map(id, self._lines.values())) == list(map(id, report.findings)):
            return  # all of it came in one by one
        self.entries, self._lines = {}, {}
        for line in report.findings:
            self.add(line)

    # What a person says

    def decide(self, id_: str, state: str) -> review.Decision:
        """Accept, reject, or take that back (`proposed`)."""
        return self._say(id_, state=state)

    def edit_text(self, id_: str, text: str) -> review.Decision:
        """Another wording of a caption, which is a yes; the network's own, or none, takes it back."""
        finding = self.entries[id_].finding
        own = text.strip() in ("", getattr(finding, "text", ""))
        return self._say(id_, text="" if own else text.strip(), state=review.ACCEPTED)

    def choose_take(self, id_: str, name: str) -> review.Decision:
        """Another take of a sound, which is a yes."""
        return self._say(id_, take=name, state=review.ACCEPTED)

    def nudge(self, id_: str, frames: int) -> review.Decision:
        """Say that the sound is so many frames earlier than it stands now, which is a yes."""
        entry = self.entries[id_]
        early_s = (entry.early_s or 0.0) + frames / entry.rate
        return self._say(id_, early_s=early_s, state=review.ACCEPTED)

    def restore(self, id_: str, decision: review.Decision) -> review.Decision:
        """Put back a decision as it was; of a finding, too, that a later look didn't find any more."""
        before = self.entries.get(id_)
        former = self.said.pop(id_, None)
        if before is None:
            if decision.state != review.PROPOSED:
                self.said[id_] = decision
            return former or review.Decision(review.PROPOSED)
        if self._known(before.told) != decision:
            self.said[id_] = decision
        self.entries[id_] = self._entry(before.told, decision)
        return before.decision

    # What becomes of it

    def relink(self, folder: Path) -> int:
        """Search a folder for missing media, too.

        Returns:
            How many clips have been found by it.
        """
        before = len(self.missing)
        self.settings = replace(self.settings, media_root=(*self.settings.media_root, folder))
        self.spans = self._read_spans()
        return before - len(self.missing)

    def autosave(self) -> None:
        """Keep findings and decisions beside the timeline; where that can't be, the reason is raised.

        Raises:
            OutputError: the folder can't be written to.
        """
        self.keeping()()

    def keeping(self) -> Callable[[], None]:
        """What keeps all as it stands now, and may be called beside the window: thousands of findings take a
        while. Of several the latest counts, whichever comes to its end last.
        """
        self._asked += 1
        number, report = self._asked, self.report
        head = {
            "schema": SCHEMA,
            "saved": not self.dirty,
            "decisions": {id_: said.to_json() for id_, said in self.said.items()},
        }

        def keep() -> None:
            with self._keeping:
                if number < self._written:
                    return
                kept = json.dumps({**head, "fingerprint": self._fingerprint}, indent=1, allow_nan=False)
                found = f',\n "found": {self._as_json(report)}' if report is not None else ""
                files.write_text(self.review_path, f"{kept.removesuffix(chr(10) + '}')}{found}\n}}\n")
                self._written = number

        return keep

    def save(self) -> str:
        """Write what was decided into the sidecar and, where an output is known, all that was accepted there.

        Returns:
            What was written, in words.

        Raises:
            AvAssistError: it can't be written; nothing is lost, and it stays unsaved.
        """
        if self.output is not None:
            return self.apply(self.output)
        said, settled = self._settled(accepted_only=True)
        beside = files.sidecar_of(self.path)
        if beside is None:
            raise OutputError(f"{self.path}: nothing can stand beside it; apply to a file instead")
        findings = settled.sidecar.get("findings", {})
        record = dict(self.sidecar or {}) | {"schema": review.SCHEMA, "findings": findings}
        review.write_sidecar(beside, record)
        self._is_saved(said)
        return f"decisions: {beside.name}"

    def apply(self, output: str, *, accepted_only: bool = True) -> str:
        """Write the timeline with all that was accepted, and its sidecar.

        Raises:
            UsageError: the output is the timeline itself.
            AvAssistError: it can't be written.
        """
        if Path(output).exists() and Path(self.path).exists() and Path(output).samefile(self.path):
            raise UsageError(
                f"{output}: is the timeline that is open; it is never replaced: choose another name"
            )
        said, settled = self._settled(accepted_only=accepted_only)
        files.write(settled.timeline, output)
        beside = files.sidecar_of(output)
        if beside is not None and settled.sidecar:
            review.write_sidecar(beside, settled.sidecar)
        self.output = output
        self._is_saved(said)
        done = sum(1 for line in settled.report.findings if line.outcome.edits)
        return f"{Path(output).name}: {done} of {len(settled.report.findings)} applied"

    # Inside

    @cached_property
    def _fingerprint(self) -> str:
        """The timeline is never changed, nor what was asked for."""
        return recall.fingerprint(self.root, self.settings)

    def _as_json(self, report: pipeline.Report) -> str:
        """Of the same findings made once, however often decisions about them are kept."""
        if self._told is None or self._told[0] is not report:
            self._told = report, json.dumps(recall.to_json(report), allow_nan=False)
        return self._told[1]

    def _settled(self, *, accepted_only: bool) -> tuple[dict[str, review.Decision], pipeline.Assisted]:
        """(what was said until now, what that leads to); findings may come in meanwhile."""
        said, lines = dict(self.said), self.lines
        report = self.report or pipeline.Report(
            lines, (), (), "", 0.0, self.rate, self.start_timecode_s, self.path
        )
        return said, pipeline.settle(
            self.root, replace(report, findings=lines), said, self.settings,
            sidecar=self.sidecar, accepted_only=accepted_only,
        )  # fmt: skip

    def _is_saved(self, said: dict[str, review.Decision]) -> None:
        self._saved = said
        self.autosave()

    def _say(self, id_: str, **said: Any) -> review.Decision:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        who = _who()
        return self._put(id_, replace(self.entries[id_].decision, who=who, when=now, **said))

    def _put(self, id_: str, decision: review.Decision) -> review.Decision:
        before = self.entries[id_]
        self.said[id_] = decision
        self.entries[id_] = self._entry(before.told, decision)
        return before.decision

    def _entry(self, line: pipeline.Line, decision: review.Decision) -> Entry:
        return Entry(line, decision, self.rate, self.start_timecode_s, self.settings)

    def _known(self, line: pipeline.Line) -> review.Decision:
        said = self.said.get(line.finding.id)
        return said or self._decisions.of(line.finding) or review.Decision(review.PROPOSED)

    @cached_property
    def _decisions(self) -> review.Decisions:
        """As they were read: the timeline is never changed."""
        return review.decisions(self.root, self.sidecar)

    def _read_spans(self) -> spans.Spans:
        return pipeline.clips(self.root, self.settings, pipeline.Shared(), self.sidecar)

    def _read_sidecar(self) -> dict[str, Any] | None:
        if self._named is not None:
            record = review.read_sidecar(self._named)
            if record is None:
                raise UsageError(f"--sidecar {self._named}: no such file")
            return record
        beside: Iterable[Path | None] = map(files.sidecar_of, filter(None, (self.output, self.path)))
        records = (review.read_sidecar(each) for each in beside if each is not None)
        return next((record for record in records if record is not None), None)

    def _recall(self) -> None:
        """What an earlier session has kept, where it still speaks of this timeline."""
        try:
            kept = files.read_json(self.review_path)
        except TimelineError:
            kept = None  # half a file of another program: ours are written whole
        if kept is None or kept.get("schema") != SCHEMA:
            return
        told: Mapping[str, Any] = places.plain(kept.get("decisions"))
        read = {id_: review.Decision.from_json(each) for id_, each in told.items()}
        self.said = {id_: each for id_, each in read.items() if each is not None}
        if kept.get("saved"):
            self._saved = dict(self.said)
        else:
            self.recovered = len(self.said)
        if kept.get("fingerprint") == self._fingerprint and "found" in kept:
            report = recall.from_json(kept["found"], str(self.review_path), self.settings)
            self.report = report
            for line in report.findings:
                self.add(line)

    def forget(self) -> None:
        """Drop what a session that wasn't saved had decided."""
        self.said, self._saved, self.recovered = {}, {}, 0
        for id_, entry in self.entries.items():
            self.entries[id_] = self._entry(entry.told, self._known(entry.told))


def _place(line: pipeline.Line) -> tuple:
    """A finding, and the clips that it is of: the same stretch may stand in the timeline twice."""
    shot = line.finding.shot
    return line.finding.id, *(span and span.address for span in (shot.picture, shot.sound))


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return ""
