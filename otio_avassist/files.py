"""Timelines on disk: read through OpenTimelineIO, written whole or not at all.

Knows the formats only through OTIO's adapters. A media file counts as a timeline of one shot.
"""

from __future__ import annotations

import errno
import json
import re
import sys
from pathlib import Path
from typing import Any

import opentimelineio as otio

from otio_avassist import vetting
from otio_avassist.errors import AvAssistError, MediaError, OutputError, TimelineError, UsageError, first_line
from otio_avassist.timecodes import exact_rate
from otio_avassist.whole import replacing, sweep

STDIO = "-"
TIMELINES = (
    otio.schema.Timeline, otio.schema.Stack, otio.schema.Track, otio.schema.Clip,
    otio.schema.SerializableCollection,
)  # fmt: skip
"""What a file may hold."""


def read(path: str, *, edl_rate: float | None = None) -> Any:
    """The root object of a timeline file, of `-` (OTIO JSON on stdin), or of a media file.

    Args:
        edl_rate: frames per second of an EDL, which doesn't say them; None: as its timecodes look.

    Raises:
        TimelineError: no such file, no adapter for it, or the adapter refuses its content.
    """
    if path == STDIO:
        text = sys.stdin.read()
        vetting.check_json(text.encode(errors="replace"), "standard input")
        return _reading("standard input", lambda: otio.adapters.read_from_string(text, "otio_json"))
    file = Path(path)
    if not file.exists():
        raise TimelineError(f"{path}: no such file")
    if _is_timeline(file):
        vetting.check(file)
        adapter = "otio_json" if file.suffix.lower() == ".json" else None
        return _reading(
            path,
            lambda: otio.adapters.read_from_file(str(file), adapter_name=adapter, **_told(file, edl_rate)),
        )
    return _one_shot(file)


def _is_edl(file: Path) -> bool:
    return file.suffix.lower() == ".edl"


def _told(file: Path, edl_rate: float | None) -> dict[str, float]:
    """What the adapter needs to be told; 23.976 as people write it isn't a rate that its timecodes know."""
    return {"rate": float(exact_rate(edl_rate or _edl_rate(file)))} if _is_edl(file) else {}


_EVENT = re.compile(r"^\s*\d+\s.*?((?:\d\d:\d\d:\d\d[:;.,]\d\d\s*){4})$", re.MULTILINE)


def _edl_rate(file: Path) -> float:
    """The lowest usual rate that has every timecode of an EDL's events: OpenTimelineIO takes all for 24.

    Where frames are dropped it is 29.97 or 59.94. What is 24 and what is 23.976 no EDL tells.
    """
    events = "".join(_EVENT.findall(file.read_text(encoding="utf-8", errors="replace")))
    highest = max((int(number) for number in re.findall(r"[:;.,](\d\d)\b(?![:;.,])", events)), default=0)
    if ";" in events:
        return 29.97 if highest < 30 else 59.94
    return float(next((rate for rate in (24, 25, 30, 48, 50, 60) if highest < rate), 24))


def _reading(name: str, read_it) -> Any:
    try:
        root = read_it()
    except AvAssistError:
        raise
    except Exception as error:  # adapters raise whatever their parsers do
        raise TimelineError(
            f"{name}: not a timeline that OpenTimelineIO reads: {first_line(error)}"
        ) from error
    if not isinstance(root, TIMELINES):
        raise TimelineError(f"{name}: holds no timeline, but {type(root).__name__}")
    return root


def _is_timeline(file: Path) -> bool:
    suffix = file.suffix.lower().lstrip(".")
    return suffix == "json" or _adapter(suffix, "read") is not None


def _adapter(suffix: str, feature: str) -> str | None:
    """Name of the adapter that reads or writes files of this suffix; None: there is none.

    OpenTimelineIO's own list of all that do imports each of its plugins, which takes half a second.
    """
    manifest = otio.plugins.ActiveManifest()
    alike = [each for each in manifest.adapters if suffix in each.suffixes and each.has_feature(feature)]
    return str(alike[0].name) if alike else None


def _one_shot(file: Path) -> otio.schema.Timeline:
    from otio_avassist import windows  # PyAV: only for media files

    try:
        info = windows.probe(file)
    except MediaError as error:
        known = ", ".join(sorted(otio.adapters.suffixes_with_defined_adapters(read=True)))
        raise TimelineError(f"{error}; timelines are read from: {known}") from error
    rate = float(info.fps or 25)
    frames = max(1, int((info.duration_s or 0) * rate))
    stretch = otio.opentime.TimeRange(
        otio.opentime.RationalTime(0, rate), otio.opentime.RationalTime(frames, rate)
    )
    clip = otio.schema.Clip(
        name=file.name,
        media_reference=otio.schema.ExternalReference(str(file.resolve()), stretch),
        source_range=stretch,
    )
    timeline = otio.schema.Timeline(name=file.stem)
    timeline.tracks.append(
        otio.schema.Track("V1" if info.fps else "A1", [clip], kind="Video" if info.fps else "Audio")
    )
    return timeline


def write(root: Any, path: str) -> None:
    """Write a timeline by its suffix: the old file or the new one, never half of one.

    Raises:
        UsageError: no adapter writes files of this name.
        OutputError: it can't be written; what stood there still stands.
    """
    if root is None:
        raise OutputError(f"{path}: there is no timeline to write")
    adapter = _writer(path)
    check_folder(path)
    if path == STDIO:
        _print(otio.adapters.write_to_string(root, adapter, **_schemas(adapter)) + "\n")
        return
    sweep(Path(path))
    with replacing(Path(path)) as temporary:
        if adapter in ("otioz", "otiod"):
            temporary.unlink()  # their adapters overwrite nothing
        try:
            otio.adapters.write_to_file(root, str(temporary), adapter_name=adapter, **_schemas(adapter))
        except OSError:
            raise
        except Exception as error:  # adapters raise whatever their format can't say
            raise OutputError(
                f"{path}: OpenTimelineIO's {adapter} can't write this: {first_line(error)}"
            ) from error


def check_writable(path: str) -> None:
    """Refuse a name now rather than after an hour of work.

    Raises:
        UsageError: no adapter writes files of this name.
        OutputError: no folder takes the name, or that of what is kept beside it.
    """
    _writer(path)
    for each in filter(None, (None if path == STDIO else Path(path), sidecar_of(path))):
        if _too_long(each):
            raise OutputError(f"{path}: can't be written: the name {each.name} is too long")


def check_folder(path: str) -> None:
    """Likewise a place.

    Raises:
        OutputError: the folder that the file should stand in isn't there, or a folder stands in its place.
    """
    if path != STDIO and Path(path).is_dir():
        # Of an .otiod as well: no system puts a full folder in the place of another in one step.
        raise OutputError(f"{path}: can't be written: a folder of this name stands there already")
    if not Path(path).parent.is_dir():
        raise OutputError(f"{path}: can't be written: there is no folder {Path(path).parent}")


def _too_long(path: Path) -> bool:
    try:
        path.lstat()
    except OSError as error:
        return error.errno == errno.ENAMETOOLONG
    return False


def lost_sounds(root: Any, path: str) -> tuple[int, int]:
    """How many of a timeline's sound clips the file that it was written to doesn't hold, and how many it has.

    Adapters drop what their format can't say: an EDL comes out without any sound.
    """
    there = _count_sounds(root)
    if path == STDIO or _writer(path).startswith("otio"):
        return 0, there
    return max(0, there - _count_sounds(read(path))), there


def lost_markers(root: Any, path: str) -> tuple[int, int]:
    """Likewise of its markers, wherever they stand; a format that can only be written is believed."""
    there = _count_markers(root)
    if path == STDIO or _writer(path).startswith("otio"):
        return 0, there
    try:
        return max(0, there - _count_markers(read(path))), there
    except TimelineError:
        return 0, there


def _count_markers(root: Any) -> int:
    from otio_avassist import traces

    return sum(len(getattr(each, "markers", ())) for each in traces.everything(root))


def _count_sounds(root: Any) -> int:
    from otio_avassist import places

    return sum(each.place.kind == "sound" for each in places.walk(root))


def _writer(path: str) -> str:
    """Name of the adapter that writes files of this name; OTIO's own JSON where it has no suffix."""
    suffix = "" if path == STDIO else Path(path).suffix.lstrip(".")
    if not suffix:
        return "otio_json"
    if (adapter := _adapter(suffix, "write")) is None:
        known = ", ".join(sorted(otio.adapters.suffixes_with_defined_adapters(write=True)))
        raise UsageError(f"{path}: no timeline is written as .{suffix}; there is: {known}")
    return adapter


def _print(text: str) -> None:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"standard output: can't be written: {error.strerror or error}") from error


def _schemas(adapter: str) -> dict[str, Any]:
    """Editors bundle old OTIO: never write a schema younger than they read (OTIO 0.19 changes Marker)."""
    if adapter != "otio_json":
        return {}
    return {"target_schema_versions": otio.versioning.fetch_map("OTIO_CORE", "0.18.1")}


def write_text(path: Path, text: str) -> None:
    """Text to a file, by a temporary one beside it."""
    sweep(path)
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def read_text(path: Path) -> str:
    """What a text file says: UTF-8, UTF-16 with its byte order mark, else the code page of old Windows.

    Raises:
        TimelineError: it can't be read, or isn't text.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise TimelineError(f"{path}: can't be read: {error.strerror or error}") from error
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = data.decode("utf-16", errors="replace")
    else:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = data.decode("cp1252", errors="replace")
    if "\0" in text:
        raise TimelineError(f"{path}: wanted text, there are bytes that aren't")
    return text


def read_json(path: Path) -> dict[str, Any] | None:
    """A JSON object from a file; None where there is no such file.

    Raises:
        TimelineError: the file is there and holds something else.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        if _too_long(path):
            return None  # no such file can be
        raise TimelineError(
            f"{path}: wanted a JSON object written by avassist: {first_line(error)}"
        ) from error
    if not isinstance(value, dict):
        raise TimelineError(
            f"{path}: wanted a JSON object written by avassist, there is {type(value).__name__}"
        )
    return value


def sidecar_of(path: str) -> Path | None:
    """NAME.avassist.json beside a timeline; None for standard input and output."""
    return None if path == STDIO else Path(path).with_suffix(".avassist.json")


def foley_folder_of(path: str) -> Path | None:
    """NAME.foley beside a timeline, for its sounds; None for standard input and output."""
    return None if path == STDIO else Path(path).absolute().with_suffix(".foley")
