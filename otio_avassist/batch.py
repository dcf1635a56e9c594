"""Many timelines: what is to be done, how long it will take, and who does it.

A job and its result are plain JSON, so that another machine can do it: a job names files, and its result
holds the report as `adapters.report_json` has it. An `Executor` takes jobs and promises results: `Here`, in
this process; `Processes` of this machine; a cluster elsewhere. `do` is what each of them runs in the end.

Media is looked at once however many timelines use it, because its findings are kept by content (`cache`), and
whoever asks for what another process is looking at waits for that.
"""

from __future__ import annotations

import contextlib
import glob
import hashlib
import json
import math
import os
import queue
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Future, ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Protocol

from otio_avassist import cache, files, pipeline, review, spans, speech, wanted
from otio_avassist.adapters import report as report_files
from otio_avassist.adapters import report_json
from otio_avassist.errors import AvAssistError, MediaError, OutputError, TimelineError, UsageError, first_line
from otio_avassist.progress import Progress, silent
from otio_avassist.tasks import captions, foley, sync

SCHEMA = "avassist-job.1"
TRIES = 3
"""A job whose process ended is given to another so often: it needn't have been the job's fault."""
CORES_A_JOB = 2
"""One process keeps about two cores busy: the decoder works ahead while the network computes."""
POLL_S = 2.0
"""How often a watched folder is looked at."""

Job = Mapping[str, Any]
"""What is to be done, as plain JSON."""
Result = Mapping[str, Any]
"""What came of it, as plain JSON; see `do`."""


class Promise(Protocol):
    """A result that is going to be there: as much of `concurrent.futures.Future` as is needed."""

    def result(self) -> Result:
        """Waits for it; raises what went wrong."""
        ...

    def add_done_callback(self, tell: Callable[[Any], object]) -> object:
        """`tell` is called with the promise once it is kept or broken, in whichever thread."""
        ...

    def cancel(self) -> object:
        """It isn't wanted any more."""
        ...


class Executor(Protocol):
    """Does jobs, several at once, in any order."""

    @property
    def at_once(self) -> int:
        """How many it can work on at a time, now."""
        ...

    def submit(self, job: Job) -> Promise:
        """Begins as soon as there is room."""
        ...

    def close(self) -> None:
        """No more jobs; what is underway is given up."""
        ...


@dataclass(frozen=True)
class Work:
    """One timeline, and all that is asked for."""

    source: str
    target: str | None
    """None: a dry run."""
    settings: pipeline.Settings
    sidecar: Path | None = None
    """Of an earlier run; None: the one beside the target or the source, if any."""
    accepted_only: bool = False
    reports: tuple[str, ...] = ()
    """Of this timeline alone."""

    def to_job(self) -> Job:
        """Plain JSON, which `of_job` reads."""
        return {"schema": SCHEMA, "work": cache.to_plain(self)}

    @classmethod
    def of_job(cls, job: Job) -> Work:
        """What `to_job` made.

        Raises:
            UsageError: it isn't whole, or of another schema.
        """
        if job.get("schema") != SCHEMA:
            raise UsageError(f"wanted a job ({SCHEMA}), there is {job.get('schema')!r}")
        try:
            work: Work = cache.from_plain(job["work"], _HELD)
        except (KeyError, TypeError, ValueError) as error:
            raise UsageError(f"this job isn't whole: {error!r}") from error
        return work


def record(named: Path | None, *timelines: str) -> dict[str, Any] | None:
    """What an earlier run remembered: the sidecar that was named, else the first that stands beside one.

    Raises:
        UsageError: the sidecar that was named isn't there.
    """
    if named is not None:
        held = review.read_sidecar(named)
        if held is None:
            raise UsageError(f"--sidecar {named}: no such file")
        return held
    for beside in map(files.sidecar_of, timelines):
        held = review.read_sidecar(beside) if beside is not None else None
        if held is not None:
            return held
    return None


def _settings(**held: Any) -> pipeline.Settings:
    """Settings, of whose fields the tasks' options are still dictionaries, as their types share one name."""
    kinds = {"sync": sync.Options, "captions": captions.Options, "foley": foley.Options}
    return pipeline.Settings(**held | {task: kind(**held[task]) for task, kind in kinds.items()})


_HELD: Mapping[str, Callable[..., Any]] = {
    "Work": Work, "Settings": _settings, "Options": dict, "Wish": wanted.Wish, "Cue": speech.Cue,
}  # fmt: skip


@dataclass(frozen=True)
class Done:
    """What came of one timeline, for who asked for it here."""

    timeline: Any
    report: pipeline.Report
    lost: tuple[str, ...] = ()
    """What the format of the file can't say, in words."""


def run_one(work: Work, shared: pipeline.Shared, progress: Progress = silent) -> Done:
    """Read, run, write: one timeline from file to file.

    Raises:
        AvAssistError: what can't be read, run or written.
    """
    root = files.read(work.source, edl_rate=work.settings.edl_rate)
    remembered = record(work.sidecar, work.target or work.source, work.source)
    if work.accepted_only:
        found = pipeline.look(root, work.settings, sidecar=remembered, progress=progress, shared=shared)
        done = pipeline.settle(root, found, {}, work.settings, sidecar=remembered, accepted_only=True)
    else:
        done = pipeline.assist(root, work.settings, sidecar=remembered, progress=progress, shared=shared)
    report = replace(done.report, input=work.source, output=work.target)
    lost: tuple[str, ...] = ()
    if work.target is not None:
        files.write(done.timeline, work.target)
        lost = tuple(_lost(report, done.timeline, work.target))
        beside = files.sidecar_of(work.target)
        if beside is not None and done.sidecar:
            review.write_sidecar(beside, done.sidecar)
    for path in work.reports:
        report_files.write(report, Path(path))
    return Done(done.timeline, report, lost)


def _lost(report: pipeline.Report, root: Any, target: str) -> Iterator[str]:
    """What of this run's work the format of the file can't say."""
    actions = {line.outcome.action for line in report.findings}
    lost, there = files.lost_sounds(root, target)
    if lost and actions != {"captioned"}:
        yield (
            f"{target}: this format doesn't hold {lost} of {there} sound clips, so what was mended"
            " in them, or made, isn't in it; .otio holds them all"
        )
    lost, there = files.lost_markers(root, target)
    if lost and actions & {"captioned", "marked"}:
        yield (
            f"{target}: this format doesn't hold {lost} of {there} markers, so what they say isn't"
            " in it; .otio holds them all"
        )


def do(job: Job, shared: pipeline.Shared, progress: Progress = silent) -> Result:
    """Do one job in this process; what goes wrong with its timeline is in the result.

    The result's `state` is `done` or `failed`; a failure has `error`, in words. What is done has the `report`
    as `adapters.report_json`, what was `lost`, and whether all of it `abstained` or something is `doubtful`.

    Raises:
        UsageError, DeviceError: what would fail for each timeline alike.
    """
    from otio_avassist.errors import CancelledError, DeviceError

    work = Work.of_job(job)
    began = time.monotonic()
    try:
        done = run_one(work, shared, progress)
    except (UsageError, DeviceError, CancelledError):
        raise
    except AvAssistError as error:
        return failed(work, str(error), began)
    except Exception as error:  # one timeline's surprise isn't the end of a thousand
        return failed(work, f"{work.source}: {type(error).__name__}: {first_line(error)}", began)
    report = done.report
    return {
        "state": "done",
        "input": work.source,
        "output": work.target,
        "report": report_json.to_dict(report),
        "lost": list(done.lost),
        "abstained": report.all_abstained,
        "doubtful": report.doubtful,
        "took_s": time.monotonic() - began,
    }


def failed(work: Work, error: str, began: float) -> Result:
    """What came of a timeline that couldn't be done, and why, in words."""
    return {
        "state": "failed",
        "input": work.source,
        "output": None,
        "error": error,
        "took_s": time.monotonic() - began,
    }


# What is to be done


@dataclass(frozen=True)
class Planned:
    """One timeline, looked at from afar: nothing was decoded."""

    work: Work
    state: str
    """new, cached (all that is asked is known), finished (by an earlier run), or unreadable."""
    media_s: Mapping[str, float] = field(default_factory=dict)
    """Seconds of media that aren't known yet, by what they are kept as."""
    missing: tuple[str, ...] = ()
    """Media that isn't there or can't be read, by name and reason."""
    absent: frozenset[str] = frozenset()
    """The same media, as the timeline spells it."""
    error: str = ""
    finished_as: str = ""
    """What the finished job is kept as; empty where nothing is kept."""
    result: Result | None = None
    """Of the earlier run that finished it."""


@dataclass(frozen=True)
class Plan:
    """All timelines of a batch."""

    timelines: tuple[Planned, ...]
    ratio: float | None
    """Seconds of media that earlier runs looked at in a second; None: nothing was measured yet."""
    at_once: int = 1

    @property
    def media_s(self) -> float:
        """Seconds of media to look at: what several timelines use counts once."""
        together: dict[str, float] = {}
        for each in self.timelines:
            together |= each.media_s
        return sum(together.values())

    @property
    def about_s(self) -> float | None:
        """How long it will take; None: nobody knows yet."""
        if not self.media_s:
            return 0.0
        return self.media_s / (self.ratio * self.at_once) if self.ratio else None

    @property
    def missing(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for each in self.timelines for name in each.missing))

    def lines(self) -> list[str]:
        """For a person: how many of what, how long, what is missing, what can't be read."""
        counts = {
            state: sum(each.state == state for each in self.timelines)
            for state in ("new", "cached", "finished", "unreadable")
        }
        words = ", ".join(f"{number} {state}" for state, number in counts.items() if number)
        if self.about_s is None:
            long = "how long it takes isn't known yet on this machine"
        else:
            long = f"about {duration(self.about_s)}"
        media = f"{duration(self.media_s)} of media to look at, {long}" if self.media_s else "no media is new"
        lines = [f"{len(self.timelines)} timelines: {words or 'none'}; {media}"]
        lines += [f"missing: {each}" for each in self.missing]
        return lines + [f"can't be read: {each.error}" for each in self.timelines if each.error]


def duration(seconds: float) -> str:
    """3 h 20 min, 20 min, or 12 s."""
    if seconds < 90:
        return f"{math.ceil(seconds)} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"


def plan(works: Sequence[Work], shared: pipeline.Shared, *, resume: bool = False, at_once: int = 1) -> Plan:
    """What there is to do; reads timelines and headers of media, and decodes nothing.

    Args:
        resume: what an earlier run finished, and whose output still is what it wrote, is finished.

    Raises:
        BundleError, DeviceError: what was asked for can't be had.
    """
    tasks = works[0].settings.tasks if works else ()
    store = shared.store
    ratio = store.speed("+".join(tasks)).ratio if store is not None else None
    return Plan(tuple(_planned(work, shared, resume=resume) for work in works), ratio, at_once)


def _planned(work: Work, shared: pipeline.Shared, *, resume: bool) -> Planned:
    try:
        root = files.read(work.source, edl_rate=work.settings.edl_rate)
        looked = pipeline.clips(root, work.settings, shared)
        name = _finished_name(work, looked) if shared.store is not None and work.target is not None else ""
    except AvAssistError as error:
        return Planned(work, "unreadable", error=str(error))
    unread = [each for each in looked.skipped if each.unread]
    missing = tuple(dict.fromkeys(f"{_short(each.media)}: {each.reason}" for each in unread))
    absent = frozenset(each.media for each in unread)
    if resume and name and (result := _finished(name, work, shared)) is not None:
        return Planned(work, "finished", missing=missing, absent=absent, finished_as=name, result=result)
    media_s = dict(_to_look_at(work, root, looked, shared))
    return Planned(work, "new" if media_s else "cached", media_s, missing, absent, finished_as=name)


def _short(url: str) -> str:
    return url if len(url) < 100 else f"…{url[-99:]}"


def _to_look_at(
    work: Work, root: Any, looked: spans.Spans, shared: pipeline.Shared
) -> Iterator[tuple[str, float]]:
    """(what it is kept as, seconds) of media that isn't known yet; what isn't kept is new each time.

    What captions look at after sync has moved it is told as it stands now; of foley it isn't known before
    what it looks for, so that all of it counts.
    """
    settings, store = work.settings, shared.store
    if "sync" in settings.tasks:
        yield from _for_sync(work, looked, shared)
    if "captions" in settings.tasks and store is not None:
        options = pipeline.options_for("captions", settings, root, looked)
        with contextlib.suppress(MediaError):  # which is said of it when it is looked at
            network = shared.opened("captions", settings)
            for name, seconds in captions.names(looked.shots, network, options, store):
                if not store.has(name):
                    yield name, seconds
    for task in settings.tasks:
        if task == "foley" or (task == "captions" and store is None):
            seconds = sum(each.lead.duration_s for each in looked.shots)
            if seconds:
                yield f"{task} {work.source}", seconds


def _for_sync(work: Work, looked: spans.Spans, shared: pipeline.Shared) -> Iterator[tuple[str, float]]:
    """The same of what sync looks at."""
    settings, store = work.settings, shared.store
    model = shared.opened("sync", settings)
    paired = [each for each in looked.shots if each.picture is not None and each.sound is not None]
    for pool in sync.pool(paired, settings.sync):
        if store is None:
            yield f"{work.source} {pool.picture.path} {pool.sound.path}", pool.duration_s
            continue
        with contextlib.suppress(MediaError):
            name = sync.heard_name(pool, model, settings.sync, store)
            if store.has(name):
                continue
            # What is seen of all places is weighed anew at least.
            yield name, 0.0
            for place in pool.places:
                name = sync.place_name(pool, model, settings.sync, place, store)
                if not store.has(name):
                    yield name, place[1] - place[0]


def _finished_name(work: Work, looked: spans.Spans) -> str:
    """What a finished job is kept as: what it was to do, and the content of all that it rests on.

    Raises:
        MediaError, TimelineError: something of it can't be read.
    """
    media = set()
    for clips in looked.shots:
        for span in (clips.picture, clips.sound):
            if span is not None:
                media.add(cache.media_key(span.path))
    return cache.name_of("finished", work.to_job(), digest(Path(work.source)), sorted(media))


def digest(path: Path) -> str:
    """Of a timeline's whole content; of a bundle in a folder, of the timeline in it."""
    if path.is_dir():
        path = path / "content.otio"
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise TimelineError(f"{path}: can't be read: {error.strerror or error}") from error


def _finished(name: str, work: Work, shared: pipeline.Shared) -> Result | None:
    """What an earlier run made of this, if its output still stands as it was written."""
    held = shared.store.read(name) if shared.store is not None else None
    if not isinstance(held, dict) or work.target is None:
        return None
    with contextlib.suppress(AvAssistError, KeyError):
        if held["wrote"] == digest(Path(work.target)):
            result: Result = held["result"]
            return result
    return None


# Who does it


class Here:
    """One job after the other, in this process."""

    at_once = 1

    def __init__(self, shared: pipeline.Shared, progress: Progress = silent) -> None:
        self._shared, self._progress = shared, progress

    def submit(self, job: Job) -> Promise:
        promise: Future[Result] = Future()
        try:
            promise.set_result(do(job, self._shared, self._progress))
        except Exception as error:
            promise.set_exception(error)
        return promise

    def close(self) -> None:
        """Nothing is underway."""


_shared: pipeline.Shared | None = None
"""Of a process that does jobs for another."""


def _start(store: cache.Store | None, threads: int) -> None:
    """What a new process does first."""
    global _shared
    _shared = ready(store, threads)


def ready(store: cache.Store | None, threads: int) -> pipeline.Shared:
    """Make this process one that does nothing but jobs, with so many threads each for decoder and network."""
    # As everywhere in the command: files are read through OpenTimelineIO, whose hooks would do it twice.
    os.environ["AVASSIST_HOOKS"] = "off"
    os.environ["OMP_NUM_THREADS"] = str(threads)
    from otio_avassist import windows

    windows.DECODER_THREADS = threads
    return pipeline.Shared(store)


def _do(job: Job) -> Result:
    assert _shared is not None
    return do(job, _shared)


class Processes:
    """Several jobs at once, each in a process of its own; one that ends before its job costs only time.

    The cores are shared out: each process decodes and computes with its part of them. All with all would
    have threads wait for one another.
    """

    def __init__(self, store: cache.Store | None, at_once: int) -> None:
        self.at_once = at_once
        self._store = store
        self._threads = max(1, cores() // at_once)
        self._pool: ProcessPoolExecutor | None = None

    def submit(self, job: Job) -> Promise:
        if self._pool is not None:
            try:
                return self._pool.submit(_do, job)
            except BrokenExecutor:
                self.close()
        # Spawned: a fork would take the threads of decoder and network with it in whatever state they are.
        self._pool = ProcessPoolExecutor(
            self.at_once, get_context("spawn"), initializer=_start, initargs=(self._store, self._threads)
        )
        return self._pool.submit(_do, job)

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None


def cores() -> int:
    """Of this machine that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def jobs_at_once(timelines: int) -> int:
    """How many to do at once where nobody says."""
    return max(1, min(timelines, cores() // CORES_A_JOB))


Told = Callable[[Planned, Result], None]
"""Is told each result as soon as it is there."""


def run(
    planned: Plan,
    executor: Executor,
    *,
    store: cache.Store | None = None,
    keep_going: bool = True,
    tell: Told = lambda planned, result: None,
) -> list[Result]:
    """Do all that isn't finished; results in the order of the plan, those of earlier runs among them.

    Args:
        store: where it is remembered what is finished, and how long it took; None: nowhere.
        keep_going: one timeline's failure doesn't stop the others; else what isn't begun then isn't done.

    Raises:
        UsageError, DeviceError: what would fail for each timeline alike.
    """
    results: dict[int, Result] = {}
    waiting = []
    for number, each in enumerate(planned.timelines):
        if each.state == "finished" and each.result is not None:
            results[number] = each.result
        elif each.state == "unreadable":
            results[number] = failed(each.work, each.error, time.monotonic())
        else:
            waiting.append(number)
            continue
        tell(each, results[number])
    if not keep_going and any(each["state"] == "failed" for each in results.values()):
        waiting = []
    began = time.monotonic()
    finished: queue.SimpleQueue[tuple[int, Promise]] = queue.SimpleQueue()
    tries: dict[int, int] = {}
    underway = 0

    def submit(number: int) -> None:
        tries[number] = tries.get(number, 0) + 1
        promise = executor.submit(planned.timelines[number].work.to_job())
        promise.add_done_callback(lambda promise: finished.put((number, promise)))

    while waiting or underway:
        # A few more than it can do at once, so that none of them waits for us.
        while waiting and underway < (executor.at_once * 2 if executor.at_once > 1 else 1):
            submit(waiting.pop(0))
            underway += 1
        number, promise = finished.get()
        underway -= 1
        each = planned.timelines[number]
        try:
            result = promise.result()
        except (BrokenExecutor, CancelledError) as error:
            if tries[number] < TRIES:
                waiting.insert(0, number)
                continue
            words = f"{each.work.source}: its process ended {TRIES} times: {first_line(error)}"
            result = failed(each.work, words, began)
        results[number] = result
        tell(each, result)
        if result["state"] == "done":
            _remember(store, each, result)
        elif not keep_going:
            waiting = []
    if store is not None and planned.timelines:
        tasks = "+".join(planned.timelines[0].work.settings.tasks)
        store.took(tasks, planned.media_s, (time.monotonic() - began) * executor.at_once)
    return [results[number] for number in sorted(results)]


def _remember(store: cache.Store | None, each: Planned, result: Result) -> None:
    """That a job is finished, and as what its output was left."""
    if store is None or not each.finished_as or each.work.target is None:
        return
    with contextlib.suppress(AvAssistError):
        store.write(each.finished_as, {"wrote": digest(Path(each.work.target)), "result": result})


# What came of it


def to_dict(results: Iterable[Result], planned: Plan | None = None) -> dict[str, Any]:
    """One report of all timelines, as plain JSON."""
    results = list(results)
    return {
        "schema": "avassist-batch.1",
        "summary": summary(results),
        "missing": list(planned.missing) if planned is not None else [],
        "timelines": [
            {key: value for key, value in each.items() if key != "report"} | {"report": each.get("report")}
            for each in results
        ],
    }


def summary(results: Sequence[Result]) -> dict[str, Any]:
    """How many timelines, and of all their findings how many of what."""
    actions: dict[str, int] = {}
    skipped = 0
    for each in results:
        report = each.get("report") or {"findings": [], "skipped": []}
        skipped += len(report["skipped"])
        for found in report["findings"]:
            actions[found["action"]] = actions.get(found["action"], 0) + 1
    return {
        "timelines": len(results),
        "failed": sum(each["state"] == "failed" for each in results),
        "actions": actions,
        "skipped": skipped,
    }


def line(result: Result) -> str:
    """What came of one timeline, in a line."""
    if result["state"] == "failed":
        return f"{result['input']}: failed: {result['error']}"
    counts = summary([result])
    words = [f"{number} {action}" for action, number in counts["actions"].items()]
    words += [f"{counts['skipped']} not looked at"] if counts["skipped"] else []
    to = f" → {result['output']}" if result["output"] else ""
    return f"{result['input']}{to}: {', '.join(words) or 'nothing to say'}"


def summary_line(results: Sequence[Result]) -> str:
    """All of a batch in a line."""
    counts = summary(results)
    parts = [f"{number} {action}" for action, number in counts["actions"].items()]
    parts += [f"{counts['skipped']} not looked at"] if counts["skipped"] else []
    failed = f", {counts['failed']} failed" if counts["failed"] else ""
    return f"{counts['timelines']} timelines{failed}: {', '.join(parts) or 'nothing to say'}"


def write_report(results: Sequence[Result], path: Path, planned: Plan | None = None) -> None:
    """One report of all timelines: .json with all that was found, .csv and .html with a row a timeline.

    Raises:
        UsageError, OutputError: as `adapters.report.write`.
    """
    from otio_avassist.adapters import report_batch

    report_files.check_name(path)
    held = to_dict(results, planned)
    suffix = path.suffix.lower()
    if suffix == ".json":
        text = json.dumps(held, indent=1, allow_nan=False) + "\n"
    elif suffix == ".csv":
        text = report_batch.to_csv(held)
    else:
        text = report_batch.to_html(held)
    files.write_text(path, text)


# Which timelines


def expanded(name: str) -> list[str]:
    """The files that a pattern with `*`, `**` or `?` names, where no file is called so; else the name."""
    if Path(name).exists() or not glob.has_magic(name):
        return [name]
    return sorted(glob.glob(name, recursive=True)) or [name]  # noqa: PTH207 (`**` of a whole path)


def targets(sources: Sequence[str], folder: Path, below: Path | None = None) -> list[str]:
    """What comes out of each, in one folder: under its own name, or with the folders that it lies in.

    Args:
        below: folders below this one are kept. None: those below the one that holds all, where two that lie
            apart have one name, be it with other suffixes, as what stands beside them would be one file.

    Raises:
        UsageError: one of them doesn't lie below it, or nothing holds them all.
    """
    if below is None and not called_alike(sources):
        return [str(folder / Path(source).name) for source in sources]
    if below is None:
        below = holds_all(sources)
    kept = []
    for source in sources:
        try:
            kept.append(str(folder / _absolute(source).relative_to(_absolute(below))))
        except ValueError:
            raise UsageError(f"{source}: doesn't lie below {below}, whose folders were to be kept") from None
    return kept


def called_alike(sources: Sequence[str]) -> bool:
    """Whether two that lie in different folders have one name, whatever their suffixes."""
    lie_in: dict[str, Path] = {}
    for source in sources:
        path = _absolute(source)
        if lie_in.setdefault(os.path.normcase(path.stem), path.parent) != path.parent:
            return True
    return False


def holds_all(sources: Sequence[str]) -> Path:
    """The innermost folder that all of them lie in, however deep; raises UsageError where there is none."""
    try:
        return Path(os.path.commonpath([_absolute(source).parent for source in sources]))
    except ValueError:  # on several drives
        raise UsageError("several inputs have one name and nothing holds them all; run them apart") from None


def _absolute(path: str | Path) -> Path:
    """Without `..`, so that one place has one name; links stay what they are called."""
    return Path(os.path.abspath(path))  # noqa: PTH100 (Path.absolute leaves `..`)


def arrivals(
    folder: Path,
    suffixes: Iterable[str],
    *,
    wait: Callable[[float], object] = time.sleep,
) -> Iterator[list[str]]:
    """Timelines in a folder, as soon as they are whole: each once, and again when it has changed.

    A file is whole once it has stayed the same from one look to the next; an empty one never is. Each time it
    looks it gives what is new, be it nothing, and goes on until nobody asks any more.

    Raises:
        OutputError: there is no such folder.
    """
    suffixes = {each.lower() for each in suffixes}
    given: dict[Path, tuple[int, int]] = {}
    before: dict[Path, tuple[int, int]] = {}
    while True:
        if not folder.is_dir():
            raise OutputError(f"{folder}: there is no such folder to watch")
        now = {}
        for path in folder.rglob("*"):
            # What is written to take another's place begins with a dot until it does.
            if path.suffix.lower() in suffixes and not path.name.startswith("."):
                with contextlib.suppress(OSError):
                    state = path.stat()
                    now[path] = (state.st_size, state.st_mtime_ns)
        whole = sorted(
            path
            for path, state in now.items()
            if state[0] and before.get(path) == state and given.get(path) != state
        )
        given |= {path: now[path] for path in whole}
        before = now
        yield [str(path) for path in whole]
        wait(POLL_S)
