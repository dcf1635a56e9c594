"""Many machines: jobs go to a Dask cluster, an engine of others, and their results come back.

A worker that was started with the resource `avassist=1` does one timeline at a time, with as many threads as
Dask says it has. It must have the same program and the same networks as who asks, so that it finds what would
be found here. Files are called the same everywhere, or `path_map` says what they are called there. Dask gives
the job of a worker that dies to another one. It carries pickled Python: only where everybody is trusted.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import BrokenExecutor
from importlib import metadata
from pathlib import Path
from typing import Any

from otio_avassist import batch, bundles, cache, diagnosis, files, pipeline, speech, urls
from otio_avassist.errors import (
    AvAssistError,
    BundleError,
    DeviceError,
    FarmError,
    UsageError,
    first_line,
)

RESOURCE = "avassist"
CONNECT_S = 30.0
"""So long a scheduler, and its first worker, may take to answer."""
LOOK_EVERY_S = 10.0
"""How often it is looked whether there is a worker at all."""
SEEN_WITHIN_S = 10.0
"""What a worker has written is seen here by then; systems of shared files take a moment."""

Does = Callable[[batch.Job, Mapping[str, Any]], batch.Result]
"""What a worker runs: a job, and what else it should know; see `do`."""


# What both sides need


def equipment(settings: pipeline.Settings) -> dict[str, str]:
    """What findings depend on besides media and options: versions, our code, and networks; loads none.

    Raises:
        BundleError: the bundle that was named isn't one.
    """
    held = {}
    wants_speech = "captions" in settings.tasks and settings.captions.speech == "auto"
    for name in (*diagnosis.PACKAGES, *(("faster-whisper",) if wants_speech else ())):
        with contextlib.suppress(metadata.PackageNotFoundError):
            # Of one version, both builds give the same on the same kind of device.
            held[name.removesuffix("-gpu")] = metadata.version(name)
    held["the code of otio-avassist"] = cache.code()
    if wants_speech and settings.captions.speech_model is None and speech.fetched() is not None:
        held["the model of speech"] = speech.MODEL
    named = [bundles.Card.read(settings.bundle)] if settings.bundle is not None else []
    judges = ("sync",) if "foley" in settings.tasks else ()
    for card in (*named, *(each.card for each in bundles.listing() if each.card is not None)):
        name = f"the bundle for {card.task}"
        # What isn't for a task of ours helps with any of them, where it is there. The first one is asked.
        if name not in held and (card.task not in pipeline.TASKS or card.task in (*settings.tasks, *judges)):
            held[name] = f"{card.network} {card.version} ({_digest(card)})"
    return held


def _digest(card: bundles.Card) -> str:
    """Tells it from others of the same version: it says the sha256 of its graphs."""
    return hashlib.sha256(json.dumps(card.to_json(), sort_keys=True).encode()).hexdigest()[:12]


def differing(wanted: Mapping[str, str], there: Mapping[str, str]) -> str:
    """What isn't there as wanted, in words; empty where all is."""
    return "; ".join(
        f"{name} is {there.get(name, 'not there')}, wanted {wanted.get(name, 'none')}"
        for name in dict.fromkeys((*wanted, *there))
        if there.get(name) != wanted.get(name)
    )


def _with_paths(job: batch.Job, change: Callable[[str], str]) -> batch.Job:
    """The same job with each of its paths changed."""

    def changed(value: Any) -> Any:
        if isinstance(value, list):
            return [changed(each) for each in value]
        if not isinstance(value, dict):
            return value
        if value.get(cache.TYPE) == cache.PATH:
            return {**value, "path": change(value["path"])}
        return {key: changed(each) for key, each in value.items()}

    work = changed(job["work"])
    for name in ("source", "target"):
        work[name] = work[name] and change(work[name])
    return {**job, "work": work | {"reports": [change(each) for each in work["reports"]]}}


# On a worker


def do(job: batch.Job, asked: Mapping[str, Any]) -> batch.Result:
    """Do a job on a worker; what it lacks is in the result, or in an error that all timelines would meet.

    Args:
        asked: `equipment` as it has to be; `absent`, media that isn't there where the job comes from, either;
            `keep`, whether findings are kept.

    Raises:
        FarmError: it isn't equipped as is wanted.
        UsageError, DeviceError: as `batch.do`.
    """
    from distributed import get_worker

    worker = get_worker()
    where = str(worker.address)
    job = _with_paths(job, _placer(job))
    work = batch.Work.of_job(job)
    try:
        if differs := differing(asked["equipment"], equipment(work.settings)):
            raise FarmError(differs)
        shared = _ready(asked["keep"], worker.state.nthreads)
        if lacks := _lacking(work, shared, asked["absent"]):
            words = f"{work.source}: media that is there where the run began isn't here: {', '.join(lacks)}"
            result = batch.failed(work, f"{words}; share it, or say --map", time.monotonic())
        else:
            result = batch.do(job, shared)
    except (FarmError, UsageError, DeviceError) as error:
        raise type(error)(f"{where}: {error}") from error
    if result["state"] == "failed":
        result = {**result, "error": f"{result['error']} (on {where})"}
    elif work.target is not None:
        result = {**result, "wrote": batch.digest(Path(work.target))}
    return {**result, "worker": where}


@functools.cache
def _ready(keep: bool, threads: int) -> pipeline.Shared:
    """What all jobs of this process share."""
    return batch.ready(cache.opened() if keep else None, threads)


def _lacking(work: batch.Work, shared: pipeline.Shared, absent: list[str]) -> list[str]:
    """Media that isn't on this machine and should be."""
    try:
        root = files.read(work.source, edl_rate=work.settings.edl_rate)
        looked = pipeline.clips(root, work.settings, shared)
    except AvAssistError:
        return []  # which is said when it is done
    return list(
        dict.fromkeys(each.media for each in looked.skipped if each.unread and each.media not in absent)
    )


def _placer(job: batch.Job) -> Callable[[str], str]:
    """From what files are called where a job comes from to what they are called here.

    As it is; else by the first of `path_map` that leads to something; else by one under which a new file
    would find its folder.
    """
    path_map = batch.Work.of_job(job).settings.path_map

    def place(path: str) -> str:
        swapped = (
            urls.swap_prefix(path, urls.path_from_url(old), urls.path_from_url(new)) for old, new in path_map
        )
        names = [path, *filter(None, swapped)]
        there = [each for each in names if Path(each).exists()]
        folders = [each for each in names if Path(each).parent.is_dir()]
        return (there or folders or names)[0]

    return place


def _tell_equipment(job: batch.Job) -> dict[str, str]:
    """Of a worker, for this kind of job."""
    try:
        return equipment(batch.Work.of_job(_with_paths(job, _placer(job))).settings)
    except BundleError as error:
        raise FarmError(str(error)) from error


# Where the jobs come from


class Cluster:
    """Jobs for the workers of a Dask scheduler; those that offer the resource `avassist`."""

    def __init__(
        self,
        address: str,
        planned: batch.Plan,
        *,
        keep: bool = True,
        does: Does = do,
        tell: Callable[[str], object] = lambda words: None,
    ) -> None:
        """Find the scheduler and its workers, and see that they have what is wanted.

        Args:
            address: tcp://HOST:PORT, or tls:// where Dask was told its keys.
            planned: whose jobs will come.
            keep: whether workers keep what they find, where each of them keeps things.
            does: what they run.
            tell: is told when there is no worker any more.

        Raises:
            UsageError: Dask isn't installed, or that is no address.
            FarmError: no scheduler, no worker, or one that lacks something.
        """
        self._address, self._does, self._tell = address, does, tell
        self._client = _connected(address)
        try:
            if not self._offering():
                raise FarmError(
                    f"{address}: no worker offers {RESOURCE}; start some:"
                    f" dask worker {address} --resources {RESOURCE}=1"
                )
            absent = sorted({name for each in planned.timelines for name in each.absent})
            self._asked: dict[str, Any] = {"equipment": {}, "absent": absent, "keep": keep}
            if planned.timelines:
                self._compare(planned.timelines[0].work)
        except BaseException:
            self._client.close()
            raise
        self._underway: set[_Promise] = set()
        self._closing = threading.Event()
        threading.Thread(target=self._watch, name="avassist farm", daemon=True).start()

    @property
    def at_once(self) -> int:
        """As many as there are workers now."""
        return max(1, len(self._offering()))

    def submit(self, job: batch.Job) -> batch.Promise:
        """To any worker that is free.

        Raises:
            FarmError: the scheduler is gone.
        """
        there = _with_paths(job, os.path.abspath)
        try:
            future = self._client.submit(
                self._does, there, self._asked, resources={RESOURCE: 1}, pure=False, key=None
            )
        except Exception as error:
            if self._client.status == "running":
                raise
            raise FarmError(f"{self._address}: the scheduler is gone") from error
        promise = _Promise(future, job, self._underway.discard)
        # Dask gives up what nobody holds.
        self._underway.add(promise)
        return promise

    def close(self) -> None:
        """What a worker is at, it does to the end; nobody waits for it."""
        self._closing.set()
        for promise in list(self._underway):
            promise.cancel()
        self._client.close()

    def _offering(self) -> list[str]:
        """Addresses of workers that do such jobs."""
        try:
            workers = self._client.scheduler_info(n_workers=-1)["workers"]
        except Exception as error:
            raise FarmError(f"{self._address}: the scheduler is gone") from error
        return [name for name, held in workers.items() if held["resources"].get(RESOURCE)]

    def _compare(self, work: batch.Work) -> None:
        """Every worker that offers itself, with this machine."""
        wanted = self._asked["equipment"] = equipment(work.settings)
        job = _with_paths(work.to_job(), os.path.abspath)
        told = self._client.run(_tell_equipment, job, workers=self._offering(), on_error="return")
        wrong = [f"{name}: {words}" for name, there in told.items() if (words := _amiss(wanted, there))]
        if wrong:
            raise FarmError("\n".join(wrong))

    def _watch(self) -> None:
        """Say so once when the last worker has gone; whoever waits for results would never know."""
        had_some = True
        while not self._closing.wait(LOOK_EVERY_S):
            try:
                has_some = bool(self._offering())
            except FarmError:
                return  # which the jobs say
            if had_some and not has_some:
                self._tell(f"{self._address}: no worker is left that offers {RESOURCE}; waiting for one")
            had_some = has_some


def _amiss(wanted: Mapping[str, str], there: Any) -> str:
    if isinstance(there, FarmError):
        return str(there)
    if isinstance(there, BaseException):
        return f"has no otio-avassist like this one: {first_line(there)}"
    return differing(wanted, there)


class _Promise:
    """A job that a worker does: its result as if it had been done here."""

    def __init__(self, future: Any, job: batch.Job, done: Callable[[Any], object]) -> None:
        self._future, self._work, self._done = future, job["work"], done

    def result(self) -> batch.Result:
        """Waits for it.

        Raises:
            BrokenExecutor: worker after worker died over it.
            CancelledError: the scheduler forgot it.
            FarmError, UsageError, DeviceError: as `do`.
        """
        from distributed import KilledWorker
        from distributed.comm import CommClosedError

        try:
            result = dict(self._future.result())
        except KilledWorker as error:
            raise BrokenExecutor(f"the last was {error.last_worker.address}") from error
        except CommClosedError as error:
            # Whether there still is a scheduler, who hands the job in again is told.
            raise BrokenExecutor(first_line(error)) from error
        finally:
            self._done(self)
        source, target = self._work["source"], self._work["target"]
        wrote = result.pop("wrote", None)
        if wrote is not None and not _is_seen(Path(target), wrote):
            words = (
                f"{result['worker']} wrote {result['output']}, and it isn't here: that folder isn't shared"
            )
            lost = {"state": "failed", "input": source, "output": None, "error": words}
            return lost | {"took_s": result["took_s"], "worker": result["worker"]}
        result |= {"input": source, "output": result["output"] and target}
        if "report" in result:
            result["report"] = result["report"] | {"input": source, "output": target}
        return result

    def add_done_callback(self, tell: Callable[[Any], object]) -> object:
        """`tell` is called with this, in another thread."""
        return self._future.add_done_callback(lambda future: tell(self))

    def cancel(self) -> object:
        """If no worker is at it yet."""
        return self._future.cancel()


def _is_seen(path: Path, wrote: str) -> bool:
    """Whether what was written elsewhere stands here, soon."""
    until = time.monotonic() + SEEN_WITHIN_S
    while True:
        try:
            # Who asks for the folder anew is told of what is new in it.
            list(path.parent.iterdir())
            if batch.digest(path) == wrote:
                return True
        except (AvAssistError, OSError):
            pass
        if time.monotonic() > until:
            return False
        time.sleep(0.5)


def _connected(address: str) -> Any:
    """A client of the scheduler at this address."""
    try:
        from distributed import Client
    except ImportError as error:
        raise UsageError(f"--scheduler wants Dask: pip install 'otio-avassist[farm]' ({error})") from error
    # What it has to say is said in our words; it would show tracebacks of its own.
    for name in ("distributed", "distributed.client"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    try:
        _knock(address)
        client = Client(address, timeout=CONNECT_S, set_as_default=False)
    except ValueError as error:
        raise UsageError(f"--scheduler {address}: wanted tcp://HOST:PORT: {first_line(error)}") from error
    except OSError as error:
        raise FarmError(
            f"{address}: no Dask scheduler answers: {first_line(error)}; start one: dask scheduler"
        ) from error
    return client


def _knock(address: str) -> None:
    """See that a scheduler answers at all: Dask tries again and again, and waits for who says nothing.

    Raises:
        OSError: nobody does.
        ValueError: that is no address.
    """
    from distributed.comm import get_address_host_port

    host, port = get_address_host_port(address)
    with socket.create_connection((host, port), CONNECT_S) as line:
        if not address.startswith("tls:") and not line.recv(1):
            raise OSError("who is there says nothing that Dask would")
