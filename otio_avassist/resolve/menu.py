"""What an entry of Resolve's menu does: export the open timeline, run avassist on it, import what comes out.

Runs inside Resolve, in whichever Python Resolve has found: 3.7 or later, the standard library and nothing
else. The work is done by avassist's own Python, in a process of its own.

Nothing that is open is changed. The mended timeline comes in under a new name, and on any failure there is
none. Deleting it takes everything back.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import webbrowser
from pathlib import Path

NOTHING_SAID = 3
"""avassist looked, and stands for nothing."""
_LAST = re.compile(r" avassist \w+( \d+)?$")
_THEIRS = ("davinci", "/opt/resolve", "blackmagic")


class Stop(Exception):  # noqa: N818  it is no error: the rest just isn't done
    """Why there will be no new timeline, in words for whoever chose the entry."""


def main(resolve, command, program, work, options=(), say=print, show=webbrowser.open):
    """Do all that an entry stands for, and say what was done.

    Args:
        resolve: the application, as its scripts are given it.
        command: words of avassist, such as ["sync"] or ["review", "--tasks", "sync"].
        program: how avassist is called: its Python, and `-m otio_avassist`.
        work: folder for exports, reports and made sounds; a folder below it for each project.
        options: further words of that command.
        say: prints a line; Resolve shows them in Workspace > Console.
        show: opens the report.

    Returns:
        The name of the new timeline, None where there is none.
    """
    try:
        return _run(resolve, list(command), list(program), Path(work), list(options), say, show)
    except Stop as stop:
        say(f"avassist: {stop}")
        return None


def _run(resolve, command, program, work, options, say, show):
    manager = resolve.GetProjectManager()
    project = manager.GetCurrentProject()
    timeline = project.GetCurrentTimeline() if project else None
    if not timeline:
        raise Stop("no timeline is open; open the one to look at, then choose this again")
    if project.GetName() == "Untitled Project":
        raise Stop("this project was never saved, and Resolve imports no timeline into such; save it first")

    old, folder = timeline.GetName(), work / safe(project.GetName())
    name = fresh_name(old, command[0], names_of(project), folder)
    before, after, report = files_of(folder, name)
    _export(resolve, timeline, before)
    say(f"avassist: looking at {old!r}; this may take a while, and Resolve can be used meanwhile")
    code = _call([*program, *_words(command, before, after, report, old), *options], say)
    if report.is_file():
        show(report.as_uri())
    _judge(code, before, after, old)
    _call([*program, "check", str(after), "--for", "resolve"], say)

    current = manager.GetCurrentProject()
    if not current or current.GetName() != project.GetName():
        raise Stop(f"another project is open by now, so nothing was imported; the timeline lies at {after}")
    name = fresh_name(old, command[0], names_of(project), None, first=name)
    _import(project, timeline, after, name)
    say(f"avassist: the new timeline is {name!r}; {old!r} is as it was. To take it back, delete the new one")
    if report.is_file():
        say(f"avassist: what was found, and why: {report}")
    return name


def fresh_name(old, task, taken, folder, first=None):
    """A name that neither a timeline of the project nor a file of ours has yet.

    What comes out of a timeline that came out of avassist is named after the one at the beginning.

    Args:
        folder: where files stand; None: only timelines count.
        first: to be tried before any other.
    """
    base = _LAST.sub("", old)
    number = 1
    name = first or f"{base} avassist {task}"
    while name in taken or (folder is not None and any(each.exists() for each in files_of(folder, name))):
        number += 1
        name = f"{base} avassist {task} {number}"
    return name


def names_of(project):
    """Names of all timelines of a project; Resolve counts them from 1."""
    timelines = (project.GetTimelineByIndex(1 + each) for each in range(int(project.GetTimelineCount())))
    return {each.GetName() for each in timelines if each}


def files_of(folder, name):
    """(export, result, report) of a timeline of that name."""
    stem = safe(name)
    return tuple(folder / f"{stem}{suffix}" for suffix in (".before.otio", ".otio", ".html"))


def safe(name):
    """A name for files that no importer stumbles over: sounds are going to stand in folders called so."""
    return re.sub(r"[^A-Za-z0-9_.]+", "-", name).strip("-.") or "unnamed"


def _words(command, before, after, report, old):
    words = [command[0], str(before), "-o", str(after), *command[1:]]
    # Resolve drops what we noted in a timeline; what a person decided stands beside the earlier result.
    sidecar = after.parent / f"{safe(old)}.avassist.json"
    if sidecar.is_file():
        words += ["--sidecar", str(sidecar)]
    return words if command[0] == "review" else [*words, "--report", str(report)]


def _export(resolve, timeline, path):
    kind = getattr(resolve, "EXPORT_OTIO", None)
    if kind is None:
        raise Stop("this Resolve exports no OpenTimelineIO; 18.5 and later do")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Stop(f"{path.parent}: can't be made: {error.strerror}") from error
    if not timeline.Export(str(path), kind, resolve.EXPORT_NONE) or not path.is_file():
        raise Stop(f"Resolve did not export the timeline to {path}")


def _call(words, say):
    """Run avassist and pass on what it says, line by line; its exit code."""
    flags = getattr(subprocess, "CREATE_NO_WINDOW", 0)  # Windows would open a black one
    try:
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=_environment(os.environ),
            creationflags=flags,
            encoding="utf-8",
            errors="replace",
        )
    except OSError as error:
        raise Stop(
            f"{words[0]}: can't be run ({error.strerror}); was avassist moved? Then, with the one that is"
            " there now: avassist resolve --install"
        ) from error
    with process:
        for line in process.stdout or ():
            say(line.rstrip())
    return process.returncode


def _environment(environ):
    """Without what Resolve has set for its own Python and its own libraries."""
    kept = {key: value for key, value in environ.items() if key != "PYTHONHOME"}
    for key in ("PYTHONPATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "QT_PLUGIN_PATH"):
        if key in kept:
            paths = kept[key].split(os.pathsep)
            kept[key] = os.pathsep.join(each for each in paths if not _is_theirs(each))
    return {**kept, "PYTHONUTF8": "1"}


def _is_theirs(path):
    return any(word in path.replace("\\", "/").lower() for word in _THEIRS)


def _judge(code, before, after, old):
    """Whether there is anything to import."""
    if code == NOTHING_SAID:
        raise Stop(f"nothing can be said of {old!r}, for the reasons above; there is no new timeline")
    if code != 0:
        raise Stop(f"it ended with {code}, for the reason above; there is no new timeline")
    if not after.is_file():
        raise Stop("nothing was written; there is no new timeline")
    # A second run may have to take away what the first one put in.
    if not any(_speaks_of_us(each) for each in (before, after)):
        raise Stop(f"there is nothing to do in {old!r}; there is no new timeline")


def _speaks_of_us(path):
    """Whether anything of ours is in a timeline; where its media lies and what it is called don't count."""
    for key, value in _pairs(path):
        if "otio_avassist" in key or (
            key != "target_url" and isinstance(value, str) and "[avassist " in value
        ):
            return True
        if key == "name" and isinstance(value, str) and value.startswith(("avassist ", "foley_")):
            return True
    return False


def _pairs(path):
    """Every (key, value) of a timeline's JSON, however deep; none where it isn't JSON."""
    try:
        waiting = [json.loads(path.read_text(encoding="utf-8", errors="replace"))]
    except ValueError:
        return
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            waiting += each.values()
            yield from each.items()
        elif isinstance(each, list):
            waiting += each


def _import(project, timeline, path, name):
    sounds = path.with_suffix(".foley")
    options = {
        "timelineName": name,
        "importSourceClips": True,
        "sourceClipsPath": str(sounds if sounds.is_dir() else path.parent),
    }
    made = project.GetMediaPool().ImportTimelineFromFile(str(path), options)
    if not made:
        project.SetCurrentTimeline(timeline)
        missing = missing_media(path)
        why = f"its media isn't all there: {', '.join(missing[:5])}" if missing else "Resolve doesn't say why"
        raise Stop(f"Resolve did not import {path}: {why}. There is no new timeline")
    project.SetCurrentTimeline(made)


def missing_media(path):
    """Files that a timeline names and that aren't there: Resolve then refuses all of it, without a word."""
    urls = {value for key, value in _pairs(path) if key == "target_url" and isinstance(value, str) and value}
    return sorted(url for url in urls if not Path(url).exists())
