"""The road itself: a timeline goes in, its media is watched and listened to, a copy and a report come out.

`analyse` only looks; `assist` also edits a copy. Neither touches the timeline it was given, and neither knows
the file it came from: reading and writing belong to the command and to OpenTimelineIO's adapters.

Several tasks of one run come one after the other, each on the timeline as the one before has left it:
captions describe the cut with its sound in step, and the same comes out as of a run for each. A run takes
back what its own tasks did before, and leaves alone what others did. Sounds that were made are no part of
what the other tasks look at.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace
from functools import cached_property, lru_cache
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from otio_avassist import (
    bundles,
    cache,
    edits,
    marks,
    places,
    review,
    spans,
    speech,
    takes,
    urls,
    wanted,
    windows,
)
from otio_avassist.errors import BundleError, MediaError, TimelineError, UsageError
from otio_avassist.findings import Finding, FoleyFinding, PassedOver, SyncFinding
from otio_avassist.progress import Progress, silent
from otio_avassist.tasks import captions, foley, sync
from otio_avassist.timecodes import moments

if TYPE_CHECKING:
    import opentimelineio as otio

TASKS: Mapping[str, ModuleType] = {"sync": sync, "captions": captions, "foley": foley}
"""In the order in which one run does them."""
DITHER = 1e-4
"""No sample of digital silence is further from 0 than this: -80 dB, three steps of 16 bits."""


@dataclass(frozen=True)
class Settings:
    """What the caller asks for, wherever it was said: command, hook, environment or file."""

    tasks: tuple[str, ...] = ("sync",)
    base_dir: Path | None = None
    """Where relative media is looked for first; None: the working directory."""
    media_root: tuple[Path, ...] = ()
    """Folders to search for media that isn't where the timeline says."""
    path_map: tuple[tuple[str, str], ...] = ()
    """(old, new) prefixes of media paths."""
    edl_rate: float | None = None
    """Frames per second of timelines that are read from EDLs; None: as their timecodes look."""
    bundle: Path | None = None
    """None: $OTIO_AVASSIST_BUNDLES, then what ships with the plugin."""
    device: str = "auto"
    propose: bool = False
    """Only mark; move nothing."""
    detach: bool = False
    """Sound inside the picture's own clip may get a clip of its own."""
    fix: tuple[str, ...] = ()
    """What sync may mend besides a steady offset: drift, jumps."""
    min_confidence: float = 0.8
    """Below it a finding is marked for a person, not applied."""
    strict: bool = False
    """Any doubt or failure counts."""
    sync: sync.Options = field(default_factory=sync.Options)
    captions: captions.Options = field(default_factory=captions.Options)
    foley: foley.Options = field(default_factory=foley.Options)
    wish: wanted.Wish = field(default_factory=wanted.Wish)
    """Which pictures foley makes sounds for."""
    prime: Path | str | None = None
    """A real sound that foley goes on from: a file, or START-END of the timeline, in seconds or timecode."""
    output_dir: Path | None = None
    """Where the timeline is going to stand: relative names of new files start there. None: nobody knows."""

    def __post_init__(self) -> None:
        unknown = [task for task in self.tasks if task not in TASKS]
        if unknown:
            raise UsageError(f"no such task: {', '.join(unknown)}; there is: {', '.join(TASKS)}")


@dataclass(frozen=True)
class Line:
    """One finding, what a person decided about it, and what it led to."""

    finding: Finding
    outcome: edits.Outcome
    state: str
    """proposed, accepted or rejected."""
    provenance: Mapping[str, str] = field(default_factory=dict)
    """Who found it: version and bundle, as they stand in the timeline's metadata."""


Found = Callable[[Line], None]
"""Is told each finding as soon as it is there."""


def _nobody(line: Line) -> None:
    """Isn't told anything."""


@lru_cache(maxsize=1)
def _version() -> str:
    """Of this program; asked once, as it is looked for in files."""
    return version("otio-avassist")


@dataclass(frozen=True)
class Report:
    """All that a run has to say."""

    findings: tuple[Line, ...]
    skipped: tuple[spans.Skipped, ...]
    bundles: tuple[dict[str, str], ...]
    """Name and sha256 of each bundle that was asked."""
    device: str
    """What really ran; empty where no network did."""
    seconds: float
    rate: float
    """Frames per second of the timeline, for timecodes."""
    start_timecode_s: float
    input: str = ""
    output: str | None = None
    version: str = field(default_factory=_version)
    looked_at: int = 0
    """How many shots a task looked at, whether or not it found anything in them; twice for two tasks."""
    unread: bool = False
    """There was something to look at, and nothing of it is there and can be read."""

    @property
    def all_abstained(self) -> bool:
        """Something was looked at, or should have been, and nothing could be said of any of it."""
        looked = bool(self.findings) or self.looked_at > 0 or self.unread
        return looked and not any(_says_something(line) for line in self.findings)

    @property
    def doubtful(self) -> bool:
        """Somebody should look at one of them, or something couldn't be looked at."""
        doubts = (
            line.finding.doubts or line.outcome.action in ("marked", "abstained") for line in self.findings
        )
        return any(doubts) or not all(each.on_purpose for each in self.skipped)


def _says_something(line: Line) -> bool:
    match line.finding:
        case SyncFinding(audio_early_s=early_s):
            return early_s is not None
        case FoleyFinding(takes=made, planned=planned):
            # Of what a person rejected no take was made.
            return bool(made) or planned or line.outcome.action == "rejected"
    return True


class _Asked(Protocol):
    """What a report must know of a task's network: a bundle, or its only graph."""

    @property
    def card(self) -> bundles.Card: ...
    @property
    def sha256(self) -> str: ...
    @property
    def device(self) -> str: ...


class Shared:
    """What several runs of one process have in common: headers, networks, and what earlier runs found."""

    def __init__(self, store: cache.Store | None = None) -> None:
        """`store`: where findings are kept by content; None: nowhere."""
        self.store = store
        self._headers: dict[tuple[Any, ...], windows.MediaInfo | MediaError] = {}
        self._opened: dict[tuple[Any, ...], Any] = {}

    def probe(
        self, path: Path, *, start_number: int | None = None, sequence_fps: float | None = None
    ) -> windows.MediaInfo:
        """As `windows.probe`; a timeline names the same file hundreds of times."""
        key = (path, start_number, sequence_fps, *_state(path))
        if key not in self._headers:
            try:
                self._headers[key] = windows.probe(path, start_number=start_number, sequence_fps=sequence_fps)
            except MediaError as error:
                self._headers[key] = error
        if isinstance(known := self._headers[key], MediaError):
            raise known
        return known

    def opened(self, task: str, settings: Settings) -> Any:
        """A task's network, loaded once; that of foley also holds what is asked for, and is loaded anew."""
        if task == "foley":
            return _OPEN[task](settings)
        key = (task, settings.bundle, settings.device, settings.tasks)
        if key not in self._opened:
            self._opened[key] = _OPEN[task](settings)
        return self._opened[key]


def _state(path: Path) -> tuple[int, int]:
    """What changes when a file does; nothing of what isn't there."""
    try:
        state = path.stat()
    except OSError:
        return 0, 0
    return state.st_size, state.st_mtime_ns


@dataclass(frozen=True)
class Assisted:
    timeline: Any
    """The edited copy, of the kind that came in."""
    report: Report
    sidecar: dict[str, Any]
    """What must outlive an editor that drops our metadata; see `review`."""


def clips(
    root: otio.core.SerializableObject,
    settings: Settings,
    shared: Shared,
    sidecar: Mapping[str, Any] | None = None,
) -> spans.Spans:
    """What the first task would look at, and what can't be; only headers of media are read."""
    timeline = edits.strip(root, sidecar, tasks=settings.tasks, to_look=True).timeline
    return spans.read_spans(timeline, _locator(settings), shared.probe)


def analyse(
    root: otio.core.SerializableObject,
    settings: Settings,
    *,
    sidecar: Mapping[str, Any] | None = None,
    progress: Progress = silent,
    found: Found = _nobody,
    shared: Shared | None = None,
) -> Report:
    """Look at every clip of `root` and say what was found; changes nothing, and makes no sound.

    Raises:
        BundleError: the bundle that was named can't be used.
        DeviceError: the device that was asked for isn't there.
    """
    only_look = replace(settings, foley=replace(settings.foley, dry_run=True))
    return _walk(root, only_look, sidecar, progress, found, shared)[1]


def look(
    root: otio.core.SerializableObject,
    settings: Settings,
    *,
    sidecar: Mapping[str, Any] | None = None,
    progress: Progress = silent,
    found: Found = _nobody,
    shared: Shared | None = None,
) -> Report:
    """What a person is to decide about, for `settle`: sounds are made, and nothing is moved.

    Every task looks at the timeline as it came in, so that none of its findings rests on what a person may
    yet say of another's. Raises as `analyse`.
    """
    still = replace(settings, propose=True)
    return _walk(root, still, sidecar, progress, found, shared, still=True)[1]


def settle(
    root: otio.core.SerializableObject,
    report: Report,
    decided: Mapping[str, review.Decision],
    settings: Settings,
    *,
    sidecar: Mapping[str, Any] | None = None,
    accepted_only: bool = False,
) -> Assisted:
    """What a report of `look` leads to, now that a person has decided; nothing is looked at again.

    Args:
        root: what was looked at.
        decided: by finding id; counts for more than what stands in `root` and the sidecar.
        accepted_only: what nobody has said yes to is neither moved nor marked nor laid.

    Raises:
        TimelineError: `root` isn't what was looked at: a clip isn't where it was.
    """
    root = review.decide_all(root, decided)
    known = replace(decisions := review.decisions(root, sidecar), by_id={**decisions.by_id, **decided})
    timeline = edits.strip(root, sidecar, tasks=settings.tasks).timeline
    spell = _speller(timeline, settings)
    lines = [
        _decided(line, known.of(line.finding), settings, spell, accepted_only=accepted_only)
        for line in report.findings
    ]
    _check_places(timeline, lines)
    # All tasks at once: addresses are those of the timeline as it was looked at.
    changes = [edit for line in lines for edit in line.outcome.edits]
    edits.make(timeline, changes)
    timeline, record = review.remember(timeline, root, sidecar, lines, tasks=settings.tasks)
    return Assisted(timeline, replace(report, findings=tuple(lines)), record)


def under(line: Line, decision: review.Decision, settings: Settings) -> Line:
    """The same finding, and what it would lead to if a person decided so; names of files are not spelt."""
    return _decided(line, decision, settings, str)


def assist(
    root: otio.core.SerializableObject,
    settings: Settings,
    *,
    sidecar: Mapping[str, Any] | None = None,
    progress: Progress = silent,
    found: Found = _nobody,
    shared: Shared | None = None,
) -> Assisted:
    """Analyse, and return a copy in which everything we are sure of is mended and the rest is marked."""
    timeline, report = _walk(root, settings, sidecar, progress, found, shared)
    timeline, record = review.remember(timeline, root, sidecar, report.findings, tasks=settings.tasks)
    return Assisted(timeline, report, record)


def _walk(
    root: otio.core.SerializableObject,
    settings: Settings,
    sidecar: Mapping[str, Any] | None,
    progress: Progress,
    tell: Found,
    shared: Shared | None,
    *,
    still: bool = False,
) -> tuple[otio.core.SerializableObject, Report]:
    """The whole road; the decisions in what comes back are those that came in.

    Args:
        still: not even a person's yes moves a sound.
    """
    began = time.monotonic()
    tasks = [task for task in TASKS if task in settings.tasks]
    # All of them now: nobody wants to hear after an hour that the second task has no network.
    shared = shared or Shared()
    asked = {task: shared.opened(task, settings) for task in tasks}
    decisions = review.decisions(root, sidecar)
    # What we did ourselves is looked at as it was before: a second run finds what the first one found.
    timeline = edits.strip(root, sidecar, tasks=tasks).timeline
    looked = spans.read_spans(timeline, _locator(settings), shared.probe)
    lines: list[Line] = []
    skipped = list(looked.skipped)
    looked_at = left_alone = 0
    for task in tasks:
        if task != tasks[0]:
            looked = spans.read_spans(timeline, _locator(settings), shared.probe)
        options = options_for(task, settings, timeline, looked)
        shots, not_wanted = _shots(task, looked, settings, timeline)
        shots, rejected = _without_rejected(shots, decisions) if task == "foley" else (shots, [])
        spell = _speller(timeline, settings)
        heeded = review.Decisions({}) if still and task == "sync" else decisions
        led_to = [_line(each, heeded, settings, asked[task], spell) for each in rejected]
        passed_over = []
        for line in led_to:
            tell(line)
        for each in TASKS[task].analyse(shots, asked[task], options, progress, shared.store):
            if isinstance(each, PassedOver):
                passed_over.append(each)
                continue
            led_to.append(line := _line(each, heeded, settings, asked[task], spell))
            tell(line)
        looked_at += len(shots) - len(passed_over)
        left_alone += len(not_wanted)
        skipped += [each for passed in not_wanted for each in _skipped(passed, on_purpose=True)]
        skipped += [each for passed in passed_over for each in _skipped(passed)]
        lines += led_to
        changes = [edit for line in led_to for edit in line.outcome.edits]
        edits.make(timeline, changes)
    networks = [each for network in asked.values() for each in _with_needs(network)]
    if isinstance(judge := getattr(asked.get("foley"), "in_step", None), _InStep):
        networks += [each for each in (judge.network,) if each is not None]
    return timeline, Report(
        findings=tuple(lines),
        skipped=tuple(dict.fromkeys(skipped)),
        bundles=tuple({(each.card.network, each.sha256): _named(each) for each in networks}.values()),
        device=next((each.device for each in networks if each.device), ""),
        seconds=time.monotonic() - began,
        rate=looked.rate,
        start_timecode_s=looked.start_timecode_s,
        looked_at=looked_at,
        unread=looked_at + left_alone == 0 and any(each.unread for each in skipped),
    )


def _shots(
    task: str, looked: spans.Spans, settings: Settings, timeline: otio.core.SerializableObject
) -> tuple[Sequence[spans.Shot], list[PassedOver]]:
    """(what the task is to look at, what it isn't and why)"""
    if task != "foley":
        return looked.shots, []
    shots, passed_over = wanted.wanted(
        looked, settings.wish, lambda path: marks.marks(places.resolve(timeline, path)), _is_silent
    )
    homes = {
        clip.path
        for path, clips in looked.clips.items()
        if edits.holds_tracks(timeline, path)
        for clip in clips
    }
    homeless = [each for each in shots if each.lead.address.path not in homes]
    nowhere = "stands in no timeline that could hold a track for its sound"
    return (
        [each for each in shots if each.lead.address.path in homes],
        passed_over + [PassedOver(each, nowhere) for each in homeless],
    )


def _without_rejected(
    shots: Sequence[spans.Shot], decisions: review.Decisions
) -> tuple[list[spans.Shot], list[Finding]]:
    """(shots to make sounds for, what stands for those whose sound a person rejected)"""
    known = [(shot, decisions.rejected_before(shot)) for shot in shots]
    return [shot for shot, rejected in known if rejected is None], [each for _, each in known if each]


def _is_silent(span: spans.MediaSpan) -> bool:
    """Whether it is digital silence all through; what can't be read isn't known to be."""
    try:
        return all(
            window.samples is None or np.abs(window.samples).max(initial=0.0) <= DITHER
            for window in windows.sounds(_stretch(span), rate=16000)
        )
    except MediaError:
        return False


def _stretch(span: spans.MediaSpan) -> windows.Stretch:
    return windows.Stretch(span.path, span.start_s, span.duration_s, span.stream, span.channel)


def _speller(timeline: otio.core.SerializableObject, settings: Settings) -> Callable[[Path], str]:
    """How new files are named in the timeline: as those that are in it; looked at when there is a new one."""

    @lru_cache(maxsize=1)
    def speller() -> Callable[[Path], str]:
        theirs = [places.url_of(each.clip.media_reference) for each in places.walk(timeline)]
        return urls.speller([url for url in theirs if url], settings.output_dir, settings.path_map)

    return lambda path: speller()(path)


def _named(network: _Asked) -> dict[str, str]:
    return {"name": network.card.network, "sha256": network.sha256}


def options_for(
    task: str, settings: Settings, timeline: otio.core.SerializableObject, looked: spans.Spans
) -> Any:
    """What the task was asked for, and what the timeline itself says that it should hear."""
    options = getattr(settings, task)
    if task == "captions" and options.speech == "auto" and (cues := _cues(timeline, _locator(settings))):
        return replace(options, cues=cues)
    if task == "foley":
        prime, words = _prime(settings.prime, looked) if settings.prime is not None else (None, "")
        around = tuple(wanted.heard(looked))
        return replace(options, prime=prime, primed_by=words, around=around, rate=looked.rate)
    return options


def _prime(asked: Path | str, looked: spans.Spans) -> tuple[windows.Stretch, str]:
    """(the sound to go on from, the same in words)

    Raises:
        UsageError: no such file, or no sound lies there.
    """
    if isinstance(asked, Path):
        try:
            length_s = windows.probe(asked).duration_s
        except MediaError as error:
            raise UsageError(f"can't go on from this sound: {error}") from error
        return windows.Stretch(asked, 0.0, length_s or 0.0), asked.name
    start_s, end_s = moments(asked, looked.rate, looked.start_timecode_s)
    there = [each for each in wanted.heard(looked) if wanted.overlap_s(each, start_s, end_s) > 0]
    span = max(there, key=lambda each: wanted.overlap_s(each, start_s, end_s), default=None)
    if span is None:
        raise UsageError(f"can't go on from {asked}: no sound lies there on the timeline")
    span = spans.cut(
        span, max(start_s, span.record_start_s), min(end_s, span.record_start_s + span.duration_s)
    )
    return _stretch(span), f"{span.media_name} at {asked}"


def _cues(timeline: otio.core.SerializableObject, locator: spans.Locator) -> tuple[speech.Cue, ...]:
    """Subtitles that stand on the timeline as clips of their files, in its own seconds from 0.

    Those that can't be read are among the skipped clips. None of several timelines, which all count from 0.
    """
    cues: list[speech.Cue] = []
    seen = places.walk(timeline)
    if len({each.place.timeline for each in seen}) > 1:
        return ()
    for each in seen:
        url = places.url_of(each.clip.media_reference)
        if not url.lower().endswith(speech.SUFFIXES) or places.disabled(each.clip):
            continue
        if (path := locator.locate(url).path) is None:
            continue
        cut, at_s = each.clip.source_range, each.place.at_s
        from_s = places.seconds(cut.start_time) if cut is not None else 0.0
        end_s = at_s + (math.inf if each.duration_s is None else each.duration_s)
        with contextlib.suppress(MediaError):
            standing = speech.moved(speech.read_cues(path), at_s - from_s)
            cues += [cue for cue in standing if cue.end_s > at_s and cue.start_s < end_s]
    return tuple(cues)


def _line(
    found: Finding,
    decisions: review.Decisions,
    settings: Settings,
    network: _Asked | None,
    spell: Callable[[Path], str],
) -> Line:
    new = Line(found, edits.Outcome("abstained", (), ""), review.PROPOSED, _provenance(network))
    return _decided(new, decisions.of(found), settings, spell)


def _decided(
    line: Line,
    decision: review.Decision | None,
    settings: Settings,
    spell: Callable[[Path], str],
    *,
    accepted_only: bool = False,
) -> Line:
    """A finding, and what it leads to under a decision."""
    decision = decision or review.Decision(review.PROPOSED)
    found = line.finding
    if isinstance(found, FoleyFinding):
        found = _with_chosen(found, decision, settings.foley.folder)
    outcome = edits.edit_for(
        found,
        min_confidence=settings.min_confidence,
        propose=settings.propose,
        detach=settings.detach,
        fix=settings.fix,
        on=settings.captions.on,
        decision=decision.state,
        text=decision.text,
        take=decision.take,
        early_s=decision.early_s,
        url_of=spell,
        provenance=line.provenance,
    )
    if accepted_only and decision.state == review.PROPOSED and outcome.edits:
        outcome = edits.Outcome("waiting", (), f"{outcome.words}; left, as nobody has accepted it yet")
    return replace(line, finding=found, outcome=outcome, state=decision.state)


def _check_places(timeline: otio.core.SerializableObject, lines: Sequence[Line]) -> None:
    """Refuse to edit clips that are no longer those that were looked at."""
    there = {each.address.path: each.address for each in places.walk(timeline)}
    for line in lines:
        for edit in line.outcome.edits:
            now = there.get(edit.address.path)
            if now != edit.address:
                what = f"{now.clip!r} on {now.track!r}" if now is not None else "nothing"
                raise TimelineError(
                    f"the timeline has changed since it was looked at: wanted {edit.address.clip!r} on"
                    f" {edit.address.track!r}, there is {what}; look at it again"
                )


def _with_chosen(found: FoleyFinding, decision: review.Decision, folder: Path | None) -> FoleyFinding:
    """A finding that has the take among its own that a person chose in an earlier run.

    Other options make other takes; what was chosen plays for as long as its file is there.
    """
    chosen = decision.take
    if not chosen or decision.state == review.REJECTED or any(take.name == chosen for take in found.takes):
        return found
    take = takes.read(folder / chosen) if folder is not None else None
    if take is None:
        gone = f"the take that was chosen before isn't there any more: {chosen}"
        return replace(found, doubts=(*found.doubts, gone))
    return replace(found, takes=(*found.takes, take))


def _locator(settings: Settings) -> spans.Locator:
    return spans.Locator(
        base_dir=settings.base_dir, media_root=settings.media_root, path_map=settings.path_map
    )


def _load_sync(settings: Settings) -> bundles.Model | None:
    """The network, or None where no bundle is installed: the cheaper evidence works without one."""
    folder = _find_sync(settings)
    if folder is None:
        bundles.check_device(settings.device)
        return None
    return bundles.load(folder, device=settings.device)


def _find_sync(settings: Settings) -> Path | None:
    named = _named_bundle("sync", settings)
    try:
        return bundles.find("sync", named)
    except BundleError:
        if named is not None:
            raise
        return None


def _open_captions(settings: Settings) -> bundles.Bundle:
    """The networks: without them there is nothing to say."""
    folder = bundles.find("captions", _named_bundle("captions", settings))
    return bundles.open_bundle(folder, device=settings.device)


def _open_foley(settings: Settings) -> foley.Network:
    """What sounds are made with, and who is asked whether they are in step with their picture."""
    options = settings.foley
    if options.folder is None and not options.dry_run:
        raise UsageError(
            "foley needs a folder for its sounds, since there is no file that they could stand beside: "
            "--foley-dir DIR (in a hook: 'foley_dir')"
        )
    folder = bundles.find("foley", _named_bundle("foley", settings))
    # Who names the sound can do without the network that would see what the picture asks for.
    named = options.sound is not None or settings.prime is not None
    bundle = bundles.open_bundle(folder, device=settings.device, lacking=named)
    if not options.check_sync:
        return foley.Network(bundle)
    judge = _InStep(settings)
    return foley.Network(bundle, judge, judge.by)


class _InStep:
    """Asks the sync task about one shot; its network is loaded when it is first asked."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.network: bundles.Model | None = None
        """None: not asked yet, or there is none and the cheaper evidence must do."""

    def __call__(self, shot: spans.Shot) -> SyncFinding | PassedOver:
        answers = sync.analyse([shot], self._model, self._settings.sync)
        return next(iter(answers), PassedOver(shot, "has nothing that could be compared"))

    @property
    def by(self) -> list[Any]:
        """What its answers depend on, told without loading the network."""
        folder = _find_sync(self._settings)
        graphs = bundles.Card.read(folder).graphs.values() if folder is not None else ()
        return [[each.sha256 for each in graphs], *astuple(self._settings.sync)]

    @cached_property
    def _model(self) -> bundles.Model | None:
        self.network = _load_sync(self._settings)
        return self.network


_OPEN: Mapping[str, Callable[[Settings], Any]] = {
    "sync": _load_sync,
    "captions": _open_captions,
    "foley": _open_foley,
}


def _with_needs(network: Any) -> list[_Asked]:
    """A task's network, where there is one, and the bundles that it needs in turn."""
    if network is None:
        return []
    needed = getattr(network, "needs", {}).values()
    return [network, *(each for need in needed for each in _with_needs(need))]


def _named_bundle(task: str, settings: Settings) -> Path | None:
    """The bundle that was named; of several tasks, it is that of the one it was made for."""
    named = settings.bundle
    if named is not None and (len(settings.tasks) > 1 or task not in settings.tasks):
        made_for = bundles.Card.read(named).task
        if made_for != task and made_for in settings.tasks:
            return None
    return named


def _provenance(model: _Asked | None) -> dict[str, str]:
    made_by = {"version": _version()}
    if model is not None:
        made_by |= {"bundle": model.card.network, "bundle_sha256": model.sha256}
    return made_by


def _skipped(found: PassedOver, *, on_purpose: bool = False) -> list[spans.Skipped]:
    """A line for each of the shot's clips."""
    clips = {span.address: span for span in (found.shot.picture, found.shot.sound) if span is not None}
    return [
        spans.Skipped(
            where.track,
            where.track_index,
            where.clip,
            where.clip_index,
            found.reason,
            span.url,
            on_purpose,
            found.unread,
        )
        for where, span in clips.items()
    ]
