"""A timeline and what a hook's caller asked for -> the mended timeline, or the one that was given.

A hook never returns None and never loses a timeline: where anything fails, it hands back what it was given
and says why, unless `strict` is asked for. OpenTimelineIO loads the hooks themselves by path, outside of any
package; what must be there once a process stands here.
"""

from __future__ import annotations

import hashlib
import logging
import sys
from collections.abc import Mapping
from typing import Any

from otio_avassist import config
from otio_avassist.errors import AvAssistError, UsageError

log = logging.getLogger("otio_avassist")

_ours: set[str] = set()
"""Digests of timelines that a hook of ours has returned in this process."""
_failed_in_file: set[str] = set()
"""Digests of timelines that a hook of ours couldn't mend on their way to a file."""


def mend(timeline: Any, argument_map: Mapping[str, Any] | None, *, task: str | None = None) -> Any:
    """What a hook returns: the mended copy of a timeline, or the timeline itself.

    Args:
        timeline: a Timeline, or anything else that an adapter reads or writes.
        argument_map: as OpenTimelineIO calls the hook.
        task: of a hook that does one thing wherever it is attached; None: what the caller asks for.

    Raises:
        Exception: whatever went wrong, where `strict` is asked for.
    """
    try:
        values = config.said(argument_map)
        if not _is_wanted(values, argument_map or {}, task):
            return timeline
        return _mended_once(
            timeline, {**values, "tasks": (task,) if task else values["tasks"]}, argument_map or {}
        )
    except Exception as error:
        if config.strict(argument_map):
            raise
        _say(f"the timeline stays as it was: {_words(error)}", error)
        return timeline


def _is_wanted(values: Mapping[str, Any], argument_map: Mapping[str, Any], task: str | None) -> bool:
    if "tasks" in values and not values["tasks"]:
        return False
    if task is None and "tasks" not in values:
        if config.ARGUMENT in argument_map and not _others_are_attached():
            raise UsageError(f"{config.ARGUMENT}: says nothing of 'tasks', such as 'sync'")
        return False
    when = values.get("when", None if task else "write")
    return when is None or (when == "read") == _is_read(argument_map)


def _others_are_attached() -> bool:
    """Whether somebody's own manifest attaches a hook of ours that needs no `tasks`."""
    from opentimelineio import hooks

    attached = {name for trigger in hooks.names() for name in hooks.scripts_attached_to(trigger)}
    return any(name.startswith("avassist_") for name in attached - {"avassist_assist"})


def _is_read(argument_map: Mapping[str, Any]) -> bool:
    """OpenTimelineIO doesn't tell a hook its trigger, but only a read has this argument."""
    return "media_linker_argument_map" in argument_map


def _mended_once(timeline: Any, values: Mapping[str, Any], argument_map: Mapping[str, Any]) -> Any:
    """String writers fire `pre_adapter_write` twice: for the file, then, knowing no file, for the string."""
    filepath = argument_map.get("_filepath")
    given = _digest(timeline)
    if given in _ours or (filepath is None and given in _failed_in_file):
        return timeline
    try:
        mended = _mended(timeline, values, str(filepath) if filepath else None)
    except Exception:
        if filepath is not None:
            _failed_in_file.add(given)
        raise
    _ours.add(_digest(mended))
    return mended


def _digest(timeline: Any) -> str:
    return hashlib.sha256(timeline.to_json_string().encode()).hexdigest()


def _mended(timeline: Any, values: Mapping[str, Any], filepath: str | None) -> Any:
    from dataclasses import replace

    from otio_avassist import cache, files, pipeline, review
    from otio_avassist.adapters import report as reports
    from otio_avassist.console import summary

    settings = config.settings(values, filepath)
    beside = files.sidecar_of(filepath) if filepath else None
    record = review.read_sidecar(beside) if beside else None
    shared = pipeline.Shared(cache.opened())
    done = pipeline.assist(timeline, settings, sidecar=record, shared=shared)
    report = replace(done.report, input=filepath or "", output=filepath or files.STDIO)
    for path in values.get("report", ()):
        reports.write(report, path)
    if beside is not None and done.sidecar:
        review.write_sidecar(beside, done.sidecar)
    _say(summary(report))
    return done.timeline


def _words(error: Exception) -> str:
    return str(error) if isinstance(error, AvAssistError) else f"{type(error).__name__}: {error}"


def _say(text: str, error: Exception | None = None) -> None:
    """One line on stderr, and in the program's log where it keeps one."""
    print(f"avassist: {text}".replace("\n", " "), file=sys.stderr)
    if log.hasHandlers():
        log.log(logging.WARNING if error else logging.INFO, "%s", text, exc_info=error)
